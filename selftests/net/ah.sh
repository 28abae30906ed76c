#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# AH without an SA, from PEER to GW over one cable:
#
#   PEER 192.0.2.2, 2001:db8::2 (p0) -------- (g0) 192.0.2.1, 2001:db8::1 GW
#
# shellcheck source=SCRIPTDIR/../lib/net.sh
. "$(dirname "$0")/../lib/net.sh"

need_module
# VTI and XFRM interfaces bring AH into xfrm, too.
TAKE_AH="ah4 ah6 ip_vti ip6_vti xfrm_interface"
for m in $TAKE_AH; do
	modprobe -q -r "$m"
done
setup_ns GW PEER
veth "$GW" g0 "192.0.2.1/24 2001:db8::1/64" "$PEER" p0 "192.0.2.2/24 2001:db8::2/64"
A4="192.0.2.2 192.0.2.1"
A6="2001:db8::2 2001:db8::1"
KEY=0x000102030405060708090a0b0c0d0e0f10111213

# ah_sa SRC DST SPI
ah_sa()
{
	ip -n "$GW" xfrm state add src "$1" dst "$2" proto ah spi "$3" mode tunnel \
		auth 'hmac(sha1)' $KEY
}

# Nothing takes AH until ah4 is there, so xfrm never sees it.
without_ah4()
{
	local m

	for m in $TAKE_AH; do
		[ ! -d /sys/module/$m ] || { skip "$m is in use and cannot be unloaded"; return; }
	done
	expect_delta "$GW" no_state=0 snmp_grows "$GW" IcmpOutDestUnreachs 1 \
		on "$PEER" send_esp -p ah $A4
	expect_no_flows "$GW"
}

v4()
{
	must ah_sa 203.0.113.1 203.0.113.2 0x100
	expect_delta "$GW" no_state=3 on "$PEER" send_esp -p ah -s 0xa4 -q 5 -n 3 $A4
	expect_flow "$GW" 0xa4 proto=ah packets=3 bytes=264 last_seq=7 encap=null reasons.no_state=3
}

v6()
{
	must ah_sa 2001:db8:1::1 2001:db8:1::2 0x100
	expect_delta "$GW" no_state=3 on "$PEER" send_esp -p ah -s 0xa6 -n 3 $A6
	expect_flow "$GW" 0xa6 proto=ah src=2001:db8::2 packets=3 bytes=264 last_seq=3
}

# The SA of one protocol does not match the packets of the other.
other_protocol()
{
	must ah_sa $A4 0x7777
	expect_delta "$GW" no_state=2 on "$PEER" send_esp -p esp -s 0x7777 -n 2 $A4
	expect_flow "$GW" 0x7777 proto=esp packets=2
	must sa "$GW" $A4 0x8888
	expect_delta "$GW" no_state=2 on "$PEER" send_esp -p ah -s 0x8888 -n 2 $A4
	expect_flow "$GW" 0x8888 proto=ah packets=2
}

# A wrong ICV is another counter's.
wrong_icv()
{
	expect_delta "$GW" "no_state=0 XfrmInStateProtoError=2" on "$PEER" \
		send_esp -p ah -s 0x7777 -n 2 $A4
}

net_main \
	"without ah4 nobody counts" without_ah4 \
	"IPv4: counted packet by packet" v4 \
	"IPv6: counted packet by packet" v6 \
	"an SA of the other protocol with this SPI" other_protocol \
	"an AH packet whose SA is there" wrong_icv
