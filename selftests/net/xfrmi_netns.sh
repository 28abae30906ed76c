#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# An XFRM interface in another namespace than its SAs, and a policy that blocks. The
# kernel drops the packet after it was decapsulated, with the callback on what is
# then the inner packet; that is itself ESP here, to look as misleading as can be.
#
#   PEER 192.0.2.2 (p0) ---- (g0) 192.0.2.1 GW      INNER 10.1.0.1 (xfrm42, if_id 42,
#        10.2.0.1      ESP tunnel, if_id 42               lower device g0 in GW)
#
# shellcheck source=SCRIPTDIR/../lib/net.sh
. "$(dirname "$0")/../lib/net.sh"

need_module
setup_ns GW PEER INNER
veth "$GW" g0 192.0.2.1/24 "$PEER" p0 "192.0.2.2/24 10.2.0.1/32"
must ip -n "$PEER" route add 10.1.0.0/16 via 192.0.2.1 src 10.2.0.1
must ip -n "$PEER" xfrm policy add dir out src 10.2.0.1 dst 10.1.0.1 \
	tmpl src 192.0.2.2 dst 192.0.2.1 proto esp reqid 2 mode tunnel
must sa "$PEER" 192.0.2.2 192.0.2.1 0x2002 reqid 2
must sa "$GW" 192.0.2.2 192.0.2.1 0x2002 reqid 2 if_id 42
must ip -n "$GW" link add xfrm42 type xfrm dev g0 if_id 42
must ip -n "$GW" link set xfrm42 netns "$INNER"
must ip -n "$INNER" address add 10.1.0.1/16 dev xfrm42
must ip -n "$INNER" link set xfrm42 up

# inner COUNT - ESP packets between the inner addresses, in the tunnel
inner()
{
	on "$PEER" send_esp -s 0x7001 -n "$1" 10.2.0.1 10.1.0.1
}

# policy ACTION - for what comes out of the tunnel; it is looked up where the SAs
# are, before the packet changes the namespace
policy()
{
	must ip -n "$GW" xfrm policy update dir in src 10.2.0.1 dst 10.1.0.1 if_id 42 \
		action "$1" tmpl src 192.0.2.2 dst 192.0.2.1 proto esp reqid 2 mode tunnel
}

# The inner packet has no SA either, and is the inner namespace's to count.
allowed()
{
	policy allow
	expect_delta "$INNER" no_state=3 inner 3
	expect_flow "$INNER" 0x7001 packets=3 src=10.2.0.1 dst=10.1.0.1 ifname=xfrm42 mark=0
	expect_no_flows "$GW"
}

blocked()
{
	policy block
	expect_delta "$GW" "no_state=0 XfrmInPolBlock=5" inner 5
	expect_no_flows "$GW"
	expect_flow "$INNER" 0x7001 packets=3
}

# The inner packet has the very SPI of the outer SA, to the inner address.
same_spi()
{
	expect_delta "$GW" "no_state=0 XfrmInPolBlock=4" on "$PEER" \
		send_esp -s 0x2002 -n 4 10.2.0.1 10.1.0.1
	expect_no_flows "$GW"
	expect_flow "$INNER" 0x7001 packets=3
}

# No SA for the outer packet: the outer namespace's.
outer_missing()
{
	must sa_del "$GW" 192.0.2.1 0x2002
	expect_delta "$GW" no_state=3 inner 3
	expect_flow "$GW" 0x2002 packets=3 ifname=g0 src=192.0.2.2
	expect_flow "$INNER" 0x7001 packets=3
}

net_main \
	"allowed: the inner packet's missing SA is counted inside" allowed \
	"blocked: the inner packet is counted nowhere" blocked \
	"blocked, with the outer SA's SPI" same_spi \
	"the outer SA is missing: counted outside" outer_missing
