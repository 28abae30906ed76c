#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Tests run.sh and ktap.sh: what a test program must not get away with. Needs no
# rights; with them also what the kernel's log has to say.
# shellcheck source=SCRIPTDIR/ktap.sh
. "$(dirname "$0")/ktap.sh"
cd "$(dirname "$0")/.." || exit 1
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

# run BODY - runs a test program with this body; output in $out, status in $status
run()
{
	printf '#!/bin/bash\n%s\n' "$1" >"$tmp/t.sh"
	chmod +x "$tmp/t.sh"
	ln -sf "$PWD/run.sh" "$PWD/settings" "$PWD/vm" "$tmp/"
	out=$("$tmp/run.sh" -t 2 t.sh 2>&1)
	status=$?
}

# ends LINE STATUS
ends()
{
	expect "last line" "$1" "$(tail -n 1 <<<"$out")"
	expect "exit status" "$2" "$status"
}

pass()
{
	run 'printf "1..2\nok 1 a\nok 2 b\n"'
	ends "2 passed, 0 failed" 0
}

failing()
{
	run 'printf "1..2\nok 1 a\nnot ok 2 b\n"; exit 1'
	ends "1 passed, 1 failed" 1
}

skipping()
{
	run 'printf "1..2\nok 1 a\nok 2 b # SKIP no reason\n"'
	ends "1 passed, 0 failed, 1 skipped" 0
	run 'printf "1..0 # SKIP nothing here\n"; exit 4'
	ends "0 passed, 0 failed, 1 skipped" 0
}

unfinished()
{
	run 'printf "1..3\nok 1 a\nok 2 b\n"'
	ends "2 passed, 1 failed" 1
	run 'printf "1..2\nok 1 a\n"; kill -SEGV $$'
	ends "1 passed, 1 failed" 1
	run 'true'
	ends "0 passed, 1 failed" 1
	run 'echo "Bail out! no set-up"; exit 1'
	ends "0 passed, 1 failed" 1
}

status_lies()
{
	run 'printf "1..1\nok 1 a\n"; exit 1'
	ends "1 passed, 1 failed" 1
	run 'printf "1..1\nnot ok 1 a\n"; exit 0'
	ends "0 passed, 2 failed" 1
	run 'printf "1..1\nok 1 a\n"; exit 77'
	ends "1 passed, 1 failed" 1
}

hangs()
{
	run 'printf "1..1\nok 1 a\n"; while :; do read -rt 1 <> <(:); done'
	ends "1 passed, 1 failed" 1
	expect_match "reason" "took longer than 2 s" "$out"
}

# is_splat LINE
is_splat()
{
	grep -qE -f vm/splats <<<"$1"
}

complaints()
{
	local l

	for l in "general protection fault, probably for non-canonical address" \
		"general protection fault: 0000 [#1] SMP" "WARNING: CPU: 0 PID: 1" \
		"BUG: unable to handle page fault" "refcount_t: underflow"; do
		is_splat "[   12.3] $l" || fail "not a complaint: $l"
	done
	# programs that crash are not the kernel's fault
	for l in "traps: x[1] general protection fault ip:7f sp:7f error:0 in libc.so.6" \
		"x[1]: segfault at 0 ip 00 sp 00 error 6" "traps: x[1] trap divide error ip:55 sp:7f"; do
		! is_splat "[   12.3] $l" || fail "a complaint: $l"
	done
}

# The kernel's log as ever, and behind it a complaint that nobody wrote there.
splat()
{
	local PATH=$tmp/bin:$PATH

	{ [ -w /dev/kmsg ] && dmesg >/dev/null 2>&1; } || { skip "the kernel's log is out of reach"; return; }
	mkdir "$tmp/bin"
	printf '#!/bin/sh\n%s\n[ ! -e %s ] || echo BUG: at nowhere\n' "$(command -v dmesg)" "$tmp/splat" \
		>"$tmp/bin/dmesg"
	chmod +x "$tmp/bin/dmesg"
	run "printf '1..1\nok 1 a\n'; touch $tmp/splat"
	ends "1 passed, 1 failed" 1
	expect_match "the log is shown" "BUG: at nowhere" "$out"
	rm "$tmp/splat"
	run 'printf "1..1\nok 1 a\n"'
	ends "1 passed, 0 failed" 0
}

# A report that a program of ours has left, once.
sanitizer()
{
	mkdir "$tmp/reports"
	export SANITIZER_REPORTS=$tmp/reports
	run "printf '1..1\nok 1 a\n'; echo 'ERROR: AddressSanitizer: of a test' >$tmp/reports/report.7"
	ends "1 passed, 1 failed" 1
	expect_match "the report is shown" "AddressSanitizer: of a test" "$out"
	run 'printf "1..1\nok 1 a\n"'
	ends "1 passed, 0 failed" 0
	unset SANITIZER_REPORTS
}

wrong_usage()
{
	out=$(./run.sh no/such.sh 2>&1)
	expect "exit status" 2 $?
	expect_match "what it says" "no/such.sh" "$out"
	out=$(./run.sh -t soon 2>&1)
	expect "exit status" 2 $?
}

# expectations BODY - a program whose only case has this body
expectations()
{
	run ". $PWD/lib/ktap.sh; c() { $1; }; ktap_main 'a case' c"
}

ktap()
{
	expectations 'expect a 1 1'
	ends "1 passed, 0 failed" 0
	expectations 'expect "the number" 1 2'
	ends "0 passed, 1 failed" 1
	expect_match "what was expected, and what came" "expected: 1.*actual:   2" "$(paste -sd' ' <<<"$out")"
	expectations 'expect a 1 2; expect b 1 1'
	ends "0 passed, 1 failed" 1
	expectations 'expect_num a "" -eq 0; true'
	ends "0 passed, 1 failed" 1
	expectations 'expect_status a 1 true; true'
	ends "0 passed, 1 failed" 1
	expectations 'expect_match a "^x$" xy; true'
	ends "0 passed, 1 failed" 1
	expectations false
	ends "0 passed, 1 failed" 1
	expectations 'skip "because"; return'
	ends "0 passed, 0 failed, 1 skipped" 0
}

ktap_main \
	"a program that passes" pass \
	"one that fails" failing \
	"one that skips" skipping \
	"one that ends before its plan is fulfilled" unfinished \
	"one whose exit status is not what its results say" status_lies \
	"one that hangs" hangs \
	"one during which the kernel complains" splat \
	"what is a complaint of the kernel" complaints \
	"one during which a sanitizer complains" sanitizer \
	"wrong usage" wrong_usage \
	"the expectations of ktap.sh" ktap
