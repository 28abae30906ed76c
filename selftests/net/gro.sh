#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The GRO path: with esp4_offload the SA is looked up while packets are merged,
# and a packet without one goes on to the stack.
#
#   PEER 192.0.2.2, 2001:db8::2 (p0, no tso) ---- (g0, gro) 192.0.2.1, 2001:db8::1 GW
#        10.2.0.1, 2001:db8:2::1    ESP tunnels      10.1.0.1, 2001:db8:1::1
#
# shellcheck source=SCRIPTDIR/../lib/net.sh
. "$(dirname "$0")/../lib/net.sh"

need_module
modprobe -q -a esp4_offload esp6_offload || skip_all "the kernel has no esp4_offload"
setup_ns GW PEER
veth "$GW" g0 "192.0.2.1/24 10.1.0.1/32 2001:db8::1/64 2001:db8:1::1/128" \
	"$PEER" p0 "192.0.2.2/24 10.2.0.1/32 2001:db8::2/64 2001:db8:2::1/128"
must on "$GW" ethtool -K g0 gro on
must on "$PEER" ethtool -K p0 tso off gso off
must ip -n "$GW" route add 10.2.0.0/16 via 192.0.2.2 src 10.1.0.1
must ip -n "$PEER" route add 10.1.0.0/16 via 192.0.2.1 src 10.2.0.1
must ip -n "$GW" route add 2001:db8:2::/64 via 2001:db8::2
must ip -n "$PEER" route add 2001:db8:1::/64 via 2001:db8::1
tunnel "$GW" 192.0.2.1 10.1.0.1 "$PEER" 192.0.2.2 10.2.0.1 0x1001 0x2002
tunnel "$GW" 2001:db8::1 2001:db8:1::1 "$PEER" 2001:db8::2 2001:db8:2::1 0x1006 0x2006
# After GRO the kernel drops some packets without a callback.
SUMS_ONLY=no_state
UDP=13881388000800000000

accepted()
{
	expect_delta "$GW" no_state=0 snmp_grows "$GW" UdpNoPorts 100 on "$PEER" \
		send_esp -p 17 -b $UDP -n 100 10.2.0.1 10.1.0.1
	expect_no_flows "$GW"
}

# A larval SA shows that the packets take the path: the kernel finds it before
# the stack does and tells nobody, so that our count is a lower bound.
larval()
{
	local before

	must ip -n "$GW" xfrm state allocspi src 192.0.2.2 dst 192.0.2.1 proto esp \
		mode tunnel reqid 9 min 0x9009 max 0x9009
	before=$(xfrm_stat "$GW" XfrmAcquireError)
	must on "$PEER" send_esp -s 0x9009 -n 50 192.0.2.2 192.0.2.1
	busywait 5 larval_seen $((before + 50))
	expect "kernel's XfrmAcquireError" $((before + 50)) "$(xfrm_stat "$GW" XfrmAcquireError)"
	expect_num "module's acquire" "$(stats "$GW" .packets.acquire)" -lt 50
}

larval_seen()
{
	[ "$(xfrm_stat "$GW" XfrmAcquireError)" -ge "$1" ]
}

# No more at once than the ring of a cable's end with GRO holds, which is 256.
missing()
{
	expect_delta "$GW" no_state=200 on "$PEER" send_esp -s 0x3333 -n 200 192.0.2.2 192.0.2.1
	expect_flow "$GW" 0x3333 packets=200 bytes=14400 last_seq=200 ifname=g0 reasons.no_state=200
	expect_delta "$GW" no_state=200 on "$PEER" send_esp -s 0x3336 -n 200 2001:db8::2 2001:db8::1
	expect_flow "$GW" 0x3336 packets=200 bytes=14400 last_seq=200 ifname=g0
}

# Real packets of a deleted SA.
deleted()
{
	must sa_del "$GW" 192.0.2.1 0x2002
	expect_delta "$GW" no_state=100 on "$PEER" send_esp -p 17 -b $UDP -n 100 10.2.0.1 10.1.0.1
	expect_flow "$GW" 0x2002 packets=100
	must sa_del "$GW" 2001:db8::1 0x2006
	expect_delta "$GW" no_state=100 on "$PEER" send_esp -p 17 -b $UDP -n 100 2001:db8:2::1 2001:db8:1::1
	expect_flow "$GW" 0x2006 packets=100
}

in_udp()
{
	start_ready "$NS_TMP/u" on "$GW" udp_encap 192.0.2.1 4500
	expect_delta "$GW" no_state=200 on "$PEER" \
		send_esp -p udp -P 6000 -s 0x4444 -n 200 192.0.2.2 192.0.2.1
	expect_flow "$GW" 0x4444 packets=200 encap.sport=6000 encap.dport=4500 bytes=14400
}

net_main \
	"accepted packets leave no trace" accepted \
	"a larval SA: the packets do take the GRO path" larval \
	"no SA: every packet counted, IPv4 and IPv6" missing \
	"a deleted SA: every packet counted, IPv4 and IPv6" deleted \
	"ESP in UDP" in_udp
