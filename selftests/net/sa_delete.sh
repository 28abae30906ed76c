#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# An SA that is deleted and comes back while traffic runs through it. Each packet
# is delivered, or without an SA, or (between look-up and use) has a dead one, or
# one that is not quite alive yet.
#
#   PEER 192.0.2.2 (p0) -------- (g0) 192.0.2.1 GW
#        10.2.0.1     ESP tunnel      10.1.0.1
#
# shellcheck source=SCRIPTDIR/../lib/net.sh
. "$(dirname "$0")/../lib/net.sh"

need_module
setup_ns GW PEER
veth "$GW" g0 "192.0.2.1/24 10.1.0.1/32" "$PEER" p0 "192.0.2.2/24 10.2.0.1/32"
must ip -n "$GW" route add 10.2.0.0/16 via 192.0.2.2 src 10.1.0.1
must ip -n "$PEER" route add 10.1.0.0/16 via 192.0.2.1 src 10.2.0.1
tunnel "$GW" 192.0.2.1 10.1.0.1 "$PEER" 192.0.2.2 10.2.0.1 0x1001 0x2002

# While an SA is being added the kernel finds it, and drops, before it is valid; it
# may be valid when we look, and is not counted then: state_invalid is a lower bound.
SUMS_ONLY=no_state

# inner COUNT [OPTION...] - UDP packets through the tunnel to a closed port
inner()
{
	on "$PEER" send_esp -p 17 -b 13881388000800000000 -n "$@" 10.2.0.1 10.1.0.1
}

delivered()
{
	expect_delta "$GW" no_state=0 snmp_grows "$GW" UdpNoPorts 20 inner 20
	expect_no_flows "$GW"
}

deleted()
{
	must sa_del "$GW" 192.0.2.1 0x2002
	expect_delta "$GW" no_state=20 inner 20
	expect_flow "$GW" 0x2002 packets=20 reasons.no_state=20 last_seq=40
}

come_back()
{
	must sa "$GW" 192.0.2.2 192.0.2.1 0x2002 reqid 2
	expect_delta "$GW" no_state=0 snmp_grows "$GW" UdpNoPorts 20 inner 20
	expect_flow "$GW" 0x2002 packets=20
}

# Deleted and added on one processor, packets for it on the other.
while_traffic_runs()
{
	local -A a=() b=()
	local n=20000 before i pid

	before=$(snmp "$GW" UdpNoPorts)
	read_xfrm_stat "$GW" a
	inner $n -r 4000 &
	pid=$!
	for ((i = 0; i < 40; i++)); do
		sa_del "$GW" 192.0.2.1 0x2002 || fail "cannot delete the SA"
		sa "$GW" 192.0.2.2 192.0.2.1 0x2002 reqid 2 || fail "cannot add the SA"
		kill -0 $pid 2>/dev/null || break
	done
	wait $pid
	expect_num "times the SA was deleted under traffic" $i -gt 10
	busywait 5 all_arrived $n
	read_xfrm_stat "$GW" b
	note "delivered $(($(snmp "$GW" UdpNoPorts) - before)), no SA" \
		"$((b[no_state] - a[no_state])), not valid $((b[state_invalid] - a[state_invalid]))," \
		"of which counted in all $(stats "$GW" .packets.state_invalid) of ${b[state_invalid]}"
	expect "packets" $n "$(arrived)"
	expect_num "packets without an SA" $((b[no_state] - a[no_state])) -gt 0
	expect "the module's no_state" "${b[no_state]}" "$(stats "$GW" .packets.no_state)"
	expect_num "the module's state_invalid" "$(stats "$GW" .packets.state_invalid)" \
		-le "${b[state_invalid]}"
}

# arrived - packets since the case's begin, whatever became of them
arrived()
{
	local -A now=()

	read_xfrm_stat "$GW" now
	echo $(($(snmp "$GW" UdpNoPorts) - before + now[no_state] - a[no_state] +
		now[state_invalid] - a[state_invalid]))
}

all_arrived()
{
	[ "$(arrived)" -ge "$1" ]
}

net_main \
	"through the tunnel: no trace" delivered \
	"the SA is deleted: every packet counted" deleted \
	"the SA comes back: no more" come_back \
	"deleted and added again and again under traffic" while_traffic_runs
