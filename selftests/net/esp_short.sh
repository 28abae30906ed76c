#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# ESP that is short, truncated, fragmented, or behind options and extension
# headers, from PEER to GW over one cable:
#
#   PEER 192.0.2.2, 2001:db8::2 (p0) -------- (g0) 192.0.2.1, 2001:db8::1 GW
#
# shellcheck source=SCRIPTDIR/../lib/net.sh
. "$(dirname "$0")/../lib/net.sh"

need_module
setup_ns GW PEER
veth "$GW" g0 "192.0.2.1/24 2001:db8::1/64" "$PEER" p0 "192.0.2.2/24 2001:db8::2/64"
A4="192.0.2.2 192.0.2.1"
A6="2001:db8::2 2001:db8::1"
MAC=$(mac "$GW" g0)

# Less than SPI and sequence number: nothing to look up (XfrmInHdrError, since
# the header does not parse).
no_header()
{
	local n a

	for n in 0 3 7; do
		for a in "$A4" "$A6"; do
			expect_delta "$GW" "no_state=0 XfrmInHdrError=2" on "$PEER" send_esp -n 2 -t $n $a
		done
	done
	expect_no_flows "$GW"
}

# xfrm counts a header without any payload, and so do we.
header_only()
{
	local n a

	for n in 8 9 15; do
		for a in "$A4" "$A6"; do
			expect_delta "$GW" no_state=2 on "$PEER" send_esp -s 0x20$n -n 2 -t $n $a
		done
		expect "packets and bytes of the flows with SPI 0x20$n" "2 $((2 * n)) 2 $((2 * n))" \
			"$(flows "$GW" "map(select(.spi == \"$(spi 0x20$n)\") | \"\(.packets) \(.bytes)\") | join(\" \")")"
	done
}

# The IP header promises more than there is: dropped before xfrm.
lying_length()
{
	expect_delta "$GW" no_state=0 snmp_grows "$GW" IpInDelivers 0 \
		on "$PEER" send_esp -i p0 -m "$MAC" -L 500 $A4
	expect_delta "$GW" no_state=0 snmp_grows "$GW" Ip6InTruncatedPkts 2 \
		on "$PEER" send_esp -i p0 -m "$MAC" -L 500 -n 2 $A6
}

# It promises less: the rest is padding of the frame, and no byte of the flow.
padded_frame()
{
	expect_delta "$GW" no_state=1 on "$PEER" send_esp -s 0x3000 -i p0 -m "$MAC" -L 40 -l 200 $A4
	expect_flow "$GW" 0x3000 packets=1 bytes=20
}

# Fragments are one packet once they are together.
fragments()
{
	expect_delta "$GW" no_state=3 on "$PEER" send_esp -s 0x4000 -n 3 -f 24 -l 1000 $A4
	expect_flow "$GW" 0x4000 packets=3 bytes=3024
	expect_delta "$GW" no_state=3 on "$PEER" send_esp -s 0x4006 -n 3 -f 1000 -l 3000 $A6
	expect_flow "$GW" 0x4006 packets=3 bytes=9024 last_seq=3
	expect_delta "$GW" no_state=1 on "$PEER" send_esp -s 0x4001 -f 8 -l 16 $A4
}

options()
{
	expect_delta "$GW" no_state=2 on "$PEER" send_esp -s 0x5000 -n 2 -e n $A4
	expect_flow "$GW" 0x5000 packets=2 bytes=144 encap=null
	expect_delta "$GW" no_state=2 on "$PEER" send_esp -s 0x5006 -n 2 -e h $A6
	expect_delta "$GW" no_state=2 on "$PEER" send_esp -s 0x5006 -n 2 -e d $A6
	expect_delta "$GW" no_state=2 on "$PEER" send_esp -s 0x5006 -n 2 -e hd -f 64 -l 200 $A6
	expect_flow "$GW" 0x5006 packets=6 bytes=704 encap=null
}

net_main \
	"less than an ESP header: an error of the header, not a missing SA" no_header \
	"an ESP header and little more" header_only \
	"a length field beyond the packet" lying_length \
	"a frame longer than its packet" padded_frame \
	"fragments, IPv4 and IPv6" fragments \
	"IPv4 options, IPv6 extension headers" options
