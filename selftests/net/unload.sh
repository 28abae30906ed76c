#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The module is loaded and unloaded a hundred times while packets that it counts
# arrive on all processors. Most of an unload's time is waiting for grace periods;
# every other time they are expedited, which is another order of events.
#
#   PEER 192.0.2.2, 2001:db8::2 (p0) -------- (g0) 192.0.2.1, 2001:db8::1 GW
#
# shellcheck source=SCRIPTDIR/../lib/net.sh
. "$(dirname "$0")/../lib/net.sh"

: "${UNLOAD_TIMES:=100}"
EXPEDITED=/sys/kernel/rcu_expedited

need_module
setup_ns GW PEER
veth "$GW" g0 "192.0.2.1/24 2001:db8::1/64" "$PEER" p0 "192.0.2.2/24 2001:db8::2/64"
[ ! -w $EXPEDITED ] || defer sh -c "echo $(cat $EXPEDITED) >$EXPEDITED"
start_ready "$NS_TMP/u" on "$GW" udp_encap 192.0.2.1 4500

# total NS - packets that the module has counted there
total()
{
	local -A m=()

	read_module_stat "$1" m
	echo "${m[no_state]:-0}"
}

counting()
{
	[ "$(total "$GW")" -gt 0 ]
}

under_traffic()
{
	local i counted=0

	background on "$PEER" send_esp -R 1 -Z -r 5000 -n 100000000 10.9.0.1 192.0.2.1
	background on "$PEER" send_esp -F 100 -n 100000000 -r 2000 2001:db8::2 2001:db8::1
	background on "$PEER" send_esp -p udp -F 100 -n 100000000 -r 2000 192.0.2.2 192.0.2.1
	# a listener, so that events are on their way, too
	for ((i = 1; i <= UNLOAD_TIMES; i++)); do
		[ ! -w $EXPEDITED ] || echo $((i % 2)) >$EXPEDITED
		modprobe xfrm_invspi || { fail "load $i"; return; }
		[ $((i % 10)) != 0 ] || background invspi -n "$GW" -j monitor >"$NS_TMP/events" 2>&1
		poll 5 counting && counted=$((counted + 1))
		rmmod xfrm_invspi || { fail "unload $i"; return; }
	done
	expect "loads after which packets were counted" "$UNLOAD_TIMES" $counted
}

# What remains is a kernel as before.
without()
{
	local before after

	expect "module" "" "$(lsmod | grep xfrm_invspi)"
	before=$(xfrm_stat "$GW" XfrmInNoStates)
	must on "$PEER" send_esp -n 1000 192.0.2.2 192.0.2.1
	after=$(xfrm_stat "$GW" XfrmInNoStates)
	expect_num "XfrmInNoStates goes on without the module" $((after - before)) -ge 1000
}

# And it counts from the first packet after the next load on.
again()
{
	local p

	for p in "${NS_PIDS[@]:1}"; do
		stop "$p"
	done
	must modprobe xfrm_invspi
	remember "$GW" "$PEER"
	expect_delta "$GW" no_state=10 on "$PEER" send_esp -s 0x1234 -n 10 192.0.2.2 192.0.2.1
	expect_flow "$GW" 0x1234 packets=10
}

net_main \
	"$UNLOAD_TIMES times under traffic" under_traffic \
	"without the module the kernel goes on as ever" without \
	"loaded once more it counts every packet" again
