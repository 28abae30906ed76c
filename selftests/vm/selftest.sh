#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# selftest.sh [RELEASE [PATTERN]] - tests the virtual machine harness: what a
# command does is passed on exactly, and nothing that goes wrong can pass for
# success. Each case boots a machine of its own, about five seconds. Runs on the
# host, as root. With PATTERN only the cases whose name matches it.
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
release=${1:-bookworm}
only=${2:-}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# every machine puts its temporary files here, and must take them away
export TMPDIR=$tmp/tmp
mkdir "$TMPDIR" "$tmp/share"
n=0 failed=0 skipped=0

# vm ARG... - runs it, output in $tmp/out and $tmp/err, sets status and took
vm()
{
	local from=$SECONDS

	"$here/run" --release "$release" --keep-going "$@" >"$tmp/out" 2>"$tmp/err"
	status=$?
	took=$((SECONDS - from))
}

# expect WHAT EXPECTED ACTUAL - notes a difference
expect()
{
	[ "$2" = "$3" ] || why+="$1: expected '$2', got '$3'"$'\n'
}

# expect_match WHAT REGEX FILE
expect_match()
{
	grep -qaE -- "$2" "$3" || why+="$1: no '$2' in:"$'\n'"$(tail -n 20 "$3")"$'\n'
}

# result NAME - prints the result of the case whose notes are in $why
result()
{
	expect "temporary files left" "" "$(ls -A "$TMPDIR")"
	n=$((n + 1))
	if [ -z "$why" ]; then
		echo "ok $n $1"
	else
		failed=$((failed + 1))
		echo "not ok $n $1"
		sed 's/^/# /' <<<"${why%$'\n'}"
	fi
}

t_true()
{
	vm -- true
	expect status 0 "$status"
	expect output "" "$(cat "$tmp/out")"
}

t_false()
{
	vm -- false
	expect status 1 "$status"
}

t_not_found()
{
	vm -- /no/such/command
	expect status 127 "$status"
}

t_killed_by_signal()
{
	vm -- sh -c 'kill -SEGV $$'
	expect status 139 "$status"
}

t_arguments_exact()
{
	local -a want=('a b' '' "it's" '"$HOME" `id` \n *' $'new\nline' 'ä' '-x' '#')

	vm -- sh -c 'printf "<%s>" "$@"; exit 7' sh "${want[@]}"
	expect status 7 "$status"
	expect arguments "$(printf '<%s>' "${want[@]}")" "$(cat "$tmp/out")"
}

t_streams_in_order()
{
	vm -- sh -c 'for i in 1 2 3 4; do echo o$i; echo e$i >&2; done; echo dev >/dev/stderr'
	expect status 0 "$status"
	expect output "o1 e1 o2 e2 o3 e3 o4 e4 dev" "$(paste -sd' ' "$tmp/out")"
}

t_output_as_it_happens()
{
	local line pid

	mkfifo "$tmp/live"
	"$here/run" --release "$release" --keep-going --share "$tmp/share" -- \
		sh -c 'echo first; while [ ! -e /share/seen ]; do sleep 0.1; done; echo last' \
		>"$tmp/live" 2>"$tmp/err" &
	pid=$!
	exec 8<"$tmp/live"
	read -r -t 120 line <&8
	expect "first line" first "$line"
	: >"$tmp/share/seen"
	read -r -t 60 line <&8
	expect "second line" last "$line"
	exec 8<&-
	wait "$pid"
	expect status 0 "$?"
	rm -f "$tmp/live" "$tmp/share/seen"
}

t_much_output()
{
	local want

	want=$(seq 400000 | sha256sum)
	vm -- seq 400000
	expect status 0 "$status"
	expect "checksum of 2.6 MB" "$want" "$(sha256sum <"$tmp/out")"
}

t_leftover_process()
{
	vm -- sh -c 'setsid sleep 500 & setsid sh -c "trap \"\" TERM HUP; sleep 500" & echo done'
	expect status 0 "$status"
	expect output "done" "$(cat "$tmp/out")"
	# far less than the sleeps, and far more than a busy machine takes
	[ "$took" -lt 240 ] || why+="took $took s"$'\n'
}

t_share()
{
	echo host >"$tmp/share/from host"
	vm --share "$tmp/share" -- sh -c \
		'cat "/share/from host"; echo guest >/share/out; mkdir /share/d; touch /share/d/x'
	expect status 0 "$status"
	expect "read there" host "$(cat "$tmp/out")"
	expect "written there" guest "$(cat "$tmp/share/out" 2>&1)"
	expect "made there" x "$(ls "$tmp/share/d" 2>&1)"
	rm -rf "${tmp:?}/share"
	mkdir "$tmp/share"
}

t_inside()
{
	vm -- sh -c 'id -u; ls -d /selftests/vm/run; swanctl --version --help
		ls /usr/libexec/ipsec/pluto; pgrep -c "charon|pluto"; echo $(ls -A /root/.ssh 2>/dev/null)'
	expect_match "user" '^0$' "$tmp/out"
	expect_match "tests" '^/selftests/vm/run$' "$tmp/out"
	expect_match "strongSwan" '^strongSwan [0-9.]+ swanctl' "$tmp/out"
	expect_match "libreswan" '^/usr/libexec/ipsec/pluto$' "$tmp/out"
	expect_match "no IKE daemon runs" '^0$' "$tmp/out"
}

t_module_and_tools()
{
	vm -- sh -c 'modprobe xfrm_invspi && rmmod xfrm_invspi || exit
		modprobe net-pf-16-proto-16-family-xfrm_invspi && lsmod | grep -q ^xfrm_invspi || exit
		command -v invspi && command -v invspid'
	expect status 0 "$status"
	expect output "/usr/local/sbin/invspi /usr/local/sbin/invspid" "$(paste -sd' ' "$tmp/out")"
}

t_pristine()
{
	vm -- sh -c 'ls /root/left; touch /root/left; sync'
	vm -- sh -c 'ls /root/left'
	expect "file of the machine before" 2 "$status"
}

t_sysrq_crash()
{
	vm -- sh -c 'echo before; echo c >/proc/sysrq-trigger; echo after'
	expect status 126 "$status"
	expect output before "$(cat "$tmp/out")"
	expect_match "splat shown" 'sysrq triggered crash' "$tmp/err"
}

# crash KIND REGEX - a module makes the kernel complain
crash()
{
	local ko

	ko=$("$here/build" "$release" crash)/out/vm_crash.ko || why+="no vm_crash.ko"$'\n'
	cp "$ko" "$tmp/share/"
	vm --share "$tmp/share" -- sh -c "${3:-} insmod /share/vm_crash.ko kind=$1; exit 0"
	expect status 126 "$status"
	expect_match "splat shown" "$2" "$tmp/err"
	rm -f "$tmp/share/vm_crash.ko"
}

t_kernel_warning()
{
	crash warn 'vm_crash: as asked'
}

t_kernel_warning_without_console()
{
	crash warn 'tainted' 'dmesg -n 1;'
}

t_kernel_oops()
{
	crash oops 'BUG: kernel NULL pointer dereference'
}

t_kernel_bug()
{
	crash bug 'kernel BUG at|invalid opcode'
}

t_kernel_refcount()
{
	crash refcount 'refcount_t:'
}

t_kernel_hung_task()
{
	crash hung 'blocked for more than' \
		'sysctl -qw kernel.hung_task_timeout_secs=2 kernel.hung_task_check_interval_secs=1;'
}

t_timeout()
{
	vm --timeout 3 -- sh -c 'echo begin; sleep 600'
	expect status 124 "$status"
	expect output begin "$(cat "$tmp/out")"
	[ "$took" -lt 300 ] || why+="took $took s"$'\n'
}

t_reboot()
{
	vm -- busybox reboot -f
	expect status 125 "$status"
}

t_power_off()
{
	vm -- busybox poweroff -f
	expect status 125 "$status"
}

t_forged_verdict()
{
	vm -- sh -c 'for p in /dev/vport*; do echo "exit 0 taint 0" >$p; done; busybox reboot -f'
	expect status 125 "$status"
}

t_no_user_space()
{
	vm --append rdinit=/no/such -- true
	expect status 125 "$status"
	expect_match "one retry" 'trying once more' "$tmp/err"
}

# killed_by SIGNAL STATUS - ends run while a command runs
killed_by()
{
	local pid

	"$here/run" --release "$release" --keep-going --share "$tmp/share" -- \
		sh -c 'touch /share/up; sleep 600' >"$tmp/out" 2>"$tmp/err" &
	pid=$!
	for ((i = 0; i < 3000; i++)); do
		[ ! -e "$tmp/share/up" ] || break
		read -rt 0.1 <> <(:)
	done
	pgrep -f "qemu.*$TMPDIR" >/dev/null || why+="no QEMU seen running"$'\n'
	kill "-$1" "$pid"
	wait "$pid" 2>/dev/null
	expect status "$2" "$?"
	for ((i = 0; i < 100; i++)); do
		pgrep -f "qemu.*$TMPDIR" >/dev/null || break
		read -rt 0.1 <> <(:)
	done
	expect "QEMU left" "" "$(pgrep -f "qemu.*$TMPDIR")"
	rm -f "$tmp/share/up"
}

t_terminated()
{
	killed_by TERM 143
}

t_killed()
{
	killed_by KILL 137
	# it had no chance to take these away
	rm -rf "${TMPDIR:?}"/*
}

t_two_at_once()
{
	local a b

	"$here/run" --release "$release" --keep-going -- sh -c 'echo a; exit 3' >"$tmp/a" 2>&1 &
	a=$!
	"$here/run" --release "$release" --keep-going -- sh -c 'echo b; exit 4' >"$tmp/b" 2>&1 &
	b=$!
	wait $a
	expect "status of one" 3 "$?"
	wait $b
	expect "status of the other" 4 "$?"
}

t_icount()
{
	vm --icount -- nproc
	expect status 0 "$status"
	expect processors 1 "$(cat "$tmp/out")"
}

t_coverage()
{
	local notes

	vm --coverage "$tmp/ran.tar" -- sh -c 'invspi -V; invspi --nonsense; invspid --nonsense; true'
	expect status 0 "$status"
	notes=$(COVERAGE=1 "$here/build" "$release" tools)/gcov
	"$here/coverage" "$notes:$tmp/ran.tar" >"$tmp/out" 2>"$tmp/err" || cat "$tmp/err" >>"$tmp/out"
	expect_match "of both programs" "^tools/invspi/main.c +[0-9]+ +[1-9]" "$tmp/out"
	expect_match "of both programs" "^tools/invspid/main.c +[0-9]+ +[1-9]" "$tmp/out"
	"$here/coverage" -l "$notes:$tmp/ran.tar" >"$tmp/out" 2>&1
	expect_match "a line that did not run" "^  tools/invspid/main.c:[0-9]+: ." "$tmp/out"
}

t_usage()
{
	local args

	for args in "--release woody -- true" "--timeout 0 -- true" "--timeout 1s -- true" \
		"--cpus 0 -- true" "--memory x -- true" "--share /no/such -- true" \
		"--nonsense -- true" "--kernel best -- true" "--root deb -- true" \
		"--coverage x --sanitize -- true" "--timeout" "--" ""; do
		# shellcheck disable=SC2086 # words wanted
		"$here/run" $args >"$tmp/out" 2>"$tmp/err" </dev/null
		expect "status of '$args'" 125 "$?"
		[ -s "$tmp/err" ] || why+="'$args': no message"$'\n'
	done
}

cases=$(declare -F | sed -n 's/^declare -f t_//p' | grep -E -- "$only")
# in the order of this file
cases=$(sed -n 's/^t_\([a-z_]*\)()$/\1/p' "$0" | grep -xF "$cases")
total=$(wc -l <<<"$cases")
echo "TAP version 13"
echo "1..$total"
for c in $cases; do
	why=''
	"t_$c"
	result "$c"
done
echo "# Totals: pass:$((total - failed - skipped)) fail:$failed xfail:0 xpass:0 skip:$skipped error:0"
[ "$failed" = 0 ]
