#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A VTI with a key: the tunnel's key, not the packet's mark, is what the SA is
# looked up with.
#
#   PEER 192.0.2.2, 2001:db8::2 (p0) -------- (g0) 192.0.2.1, 2001:db8::1 GW
#                                                  vti7 key 7, vti9 key 9 (IPv6)
#
# shellcheck source=SCRIPTDIR/../lib/net.sh
. "$(dirname "$0")/../lib/net.sh"

need_module
setup_ns GW PEER
veth "$GW" g0 "192.0.2.1/24 2001:db8::1/64" "$PEER" p0 "192.0.2.2/24 2001:db8::2/64"
must ip -n "$GW" link add vti7 type vti local 192.0.2.1 remote 192.0.2.2 key 7
must ip -n "$GW" link set vti7 up
must ip -n "$GW" link add vti9 type vti6 local 2001:db8::1 remote 2001:db8::2 key 9
must ip -n "$GW" link set vti9 up
A4="192.0.2.2 192.0.2.1"
A6="2001:db8::2 2001:db8::1"

v4()
{
	expect_delta "$GW" no_state=3 on "$PEER" send_esp -s 0x1111 -n 3 $A4
	expect_flow "$GW" 0x1111 packets=3 mark=7 bytes=216 src=192.0.2.2
}

v6()
{
	expect_delta "$GW" no_state=3 on "$PEER" send_esp -s 0x2222 -n 3 $A6
	expect_flow "$GW" 0x2222 packets=3 mark=9 bytes=216 src=2001:db8::2
}

# An SA under the key is found; that our junk fails its ICV shows it.
with_sa()
{
	must sa "$GW" $A4 0x3333 mark 7
	expect_delta "$GW" "no_state=0 XfrmInStateProtoError=3" on "$PEER" send_esp -s 0x3333 -n 3 $A4
	must sa "$GW" $A6 0x3333 mark 9
	expect_delta "$GW" "no_state=0 XfrmInStateProtoError=3" on "$PEER" send_esp -s 0x3333 -n 3 $A6
	expect "flows with SPI 0x3333" 0 "$(flows "$GW" 'map(select(.spi == "0x00003333")) | length')"
}

other_key()
{
	must sa "$GW" $A4 0x4444 mark 8
	expect_delta "$GW" no_state=2 on "$PEER" send_esp -s 0x4444 -n 2 $A4
	expect_flow "$GW" 0x4444 packets=2 mark=7
	must sa "$GW" $A6 0x4446 mark 7
	expect_delta "$GW" no_state=2 on "$PEER" send_esp -s 0x4446 -n 2 $A6
	expect_flow "$GW" 0x4446 packets=2 mark=9
}

# From elsewhere the tunnel does not match: a plain lookup, without its key.
other_peer()
{
	must ip -n "$PEER" address add 192.0.2.3/24 dev p0
	expect_delta "$GW" no_state=2 on "$PEER" send_esp -s 0x5555 -n 2 192.0.2.3 192.0.2.1
	expect_flow "$GW" 0x5555 packets=2 mark=0 src=192.0.2.3
}

in_udp()
{
	start_ready "$NS_TMP/u" on "$GW" udp_encap 192.0.2.1 4500
	expect_delta "$GW" no_state=2 on "$PEER" send_esp -p udp -s 0x6666 -P 5000 -n 2 $A4
	expect_flow "$GW" 0x6666 packets=2 mark=7 encap.sport=5000 encap.dport=4500
}

net_main \
	"IPv4: counted packet by packet, with the key as mark" v4 \
	"IPv6: counted packet by packet, with the key as mark" v6 \
	"an SA under the key" with_sa \
	"an SA under another key" other_key \
	"a peer that is not the tunnel's" other_peer \
	"ESP in UDP for the tunnel" in_udp
