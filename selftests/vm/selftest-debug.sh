#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# selftest-debug.sh [RELEASE] - tests that what the debug kernel finds is a failure, and
# that it finds it. Each case boots a machine of its own, half a minute. Runs on the
# host, as root.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=SCRIPTDIR/../lib/ktap.sh
. "$here/../lib/ktap.sh"
release=${1:-bookworm}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir "$tmp/share"

# debug COMMAND... - on the debug kernel; sets status
debug()
{
	status=0
	"$here/run" --release "$release" --kernel debug --share "$tmp/share" "$@" \
		>"$tmp/out" 2>"$tmp/err" || status=$?
}

clean()
{
	debug --coverage "$tmp/ran.tar" -- sh -c 'modprobe xfrm_invspi && invspi -j stats show >/dev/null &&
		rmmod xfrm_invspi && uname -r'
	expect "exit status" 0 $status
	expect_match "kernel" "-debug" "$(cat "$tmp/out")"
	expect_match "what it has remembered of the module" main.gcda "$(tar -tf "$tmp/ran.tar")"
	[ -z "$ktap_bad" ] || note "$(tail -n 30 "$tmp/err")"
}

# complains KIND REGEX - a module gives it reason to
complains()
{
	local ko

	ko=$(KERNEL=debug "$here/build" "$release" crash)/out/vm_crash.ko
	cp "$ko" "$tmp/share/"
	debug -- sh -c "insmod /share/vm_crash.ko kind=$1; exit 0"
	expect "exit status" 126 $status
	expect_match "what it says" "$2" "$(cat "$tmp/err")"
}

freed()	{ complains freed 'BUG: KASAN: (slab-)?use-after-free'; }
leak()	{ complains leak 'kmemleak: leaks found'; }
atomic() { complains sleep 'BUG: sleeping function called from invalid context'; }
order()	{ complains order 'possible circular locking dependency'; }
shift_() { complains shift 'UBSAN: shift-out-of-bounds'; }

# A race of others is none; one in which the module has a part is.
races()
{
	local ruler='[ 1.0] ==================================================================' said

	said=$(printf '%s\n' before "$ruler" "BUG: KCSAN: data-race in a / b" " a+0x1/0x2" "$ruler" between \
		"$ruler" "BUG: KCSAN: data-race in c / d" " c+0x1/0x2 [xfrm_invspi]" "$ruler" after |
		"$here/own-races")
	expect "lines" "11 before between after" "$(wc -l <<<"$said") $(grep -E '^[a-z]+$' <<<"$said" | paste -sd' ')"
	expect "reports left" "BUG: KCSAN: data-race in c / d" "$(grep BUG <<<"$said")"
}

ktap_main \
	"without a complaint: the command's own status, and what it ran" clean \
	"memory that was freed" freed \
	"memory that nobody knows of" leak \
	"sleeping with a spinlock" atomic \
	"locks in the wrong order" order \
	"a shift that is too far" shift_ \
	"races of the kernel's own are not counted" races
