# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Modules that only tests load, and allocations that fail. Sourced; brings net.sh
# with it.

# shellcheck source=SCRIPTDIR/net.sh
. "$(dirname "${BASH_SOURCE[0]}")/net.sh"
HARDENING=$SELFTESTS/hardening
export PATH=$HARDENING:$PATH

FAULT=/sys/module/invspi_fault/parameters
: "${FAULT_STEP:=1}"	# only every so many-th allocation fails
FAULTS_IN_ALL=0		# allocations that fail_each has let fail

# expedite - most of the time of restarts, and of loading and unloading, is waiting for
# grace periods: shorter ones
expedite()
{
	local f=/sys/kernel/rcu_expedited

	[ -w $f ] || return 0
	defer sh -c "echo $(cat $f) >$f"
	echo 1 >$f
}

# testmod NAME [PARAMETER...] - loads a module of hardening/kernel, which is built
# first where nobody has done so
testmod()
{
	local name=$1 dir=$HARDENING/kernel

	shift
	[ -e "$dir/$name.ko" ] ||
		must make -s -C "/lib/modules/$(uname -r)/build" "M=$dir" modules
	must insmod "$dir/$name.ko" "$@"
	defer rmmod "$name"
}

# fault KEY VALUE - sets a parameter of invspi_fault
fault()
{
	echo "$2" >"$FAULT/$1"
}

# loaded - is the module?
loaded()
{
	[ -d /sys/module/xfrm_invspi ]
}

# expect_refused WHAT REGEX [PARAMETER...] - the module does not load, and says why in
# one line that matches; of the module nothing is left
expect_refused()
{
	local what=$1 regex=$2 said

	shift 2
	dmesg -C
	expect_status "$what: modprobe" 1 modprobe xfrm_invspi "$@"
	said=$(dmesg | sed -n 's/^\[[^]]*\] \(xfrm_invspi: .*\)/\1/p')
	expect_match "$what: what the kernel's log says" "^xfrm_invspi: $regex\$" "$said"
	expect "$what: lines" 1 "$(wc -l <<<"$said")"
	expect_nothing_left "$what"
}

expect_nothing_left()
{
	local slab=/sys/kernel/slab/xfrm_invspi_set

	! loaded || fail "$1: the module is there"
	# a link stays of a cache that was merged with others
	[ -L $slab ] || [ ! -e $slab ] || fail "$1: its slab cache is there"
}

# fail_each FUNCTION COMMAND... - runs the command again and again; the first time
# the first allocation in the call trace that is looked for fails, the second time
# the second, until there are no more. It runs in this shell. After each the function is
# called with the command's exit status, and its output in $out. Sets $faults and
# $refusals: the runs in which the command failed. The last run, in which nothing fails,
# must not.
fail_each()
{
	local then=$1 n status hit

	shift
	faults=0 refusals=0
	for ((n = 1; n <= 5000; n += FAULT_STEP)); do
		status=0
		fault nth $n
		"$@" >"$NS_TMP/out" 2>&1 || status=$?
		hit=$(<$FAULT/failed)
		fault nth 0
		out=$(<"$NS_TMP/out")
		[ "$hit" != 0 ] || break
		faults=$((faults + 1))
		[ $status = 0 ] || refusals=$((refusals + 1))
		"$then" $status || { note "... at allocation $n of: $*"; return 1; }
	done
	FAULTS_IN_ALL=$((FAULTS_IN_ALL + faults))
	expect "exit status of $*, when nothing fails" 0 $status || note "$out"
}

# after_load STATUS - for fail_each, after a modprobe with an empty log: it has said so in
# one line, and left nothing, or it can do without
after_load()
{
	local said

	if [ "$1" = 0 ]; then
		expect_ok "rmmod" rmmod xfrm_invspi
		return
	fi
	said=$(dmesg | sed -n 's/^\[[^]]*\] \(xfrm_invspi: .*\)/\1/p')
	expect_match "what the log says" '^xfrm_invspi: cannot set up: [a-zA-Z0-9 ]*: no memory \(error -12\)$' "$said"
	expect "lines" 1 "$(wc -l <<<"$said")"
	expect_match "what modprobe says" "Cannot allocate memory" "$out"
	expect_nothing_left "$out"
	[ -z "$ktap_bad" ]
}
