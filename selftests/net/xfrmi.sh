#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# An XFRM interface: packets without an SA belong to the device they came in by.
#
#   PEER 192.0.2.2, 2001:db8::2 (p0) -------- (g0) 192.0.2.1, 2001:db8::1 GW
#                                                  xfrm42 on g0, if_id 42
#
# shellcheck source=SCRIPTDIR/../lib/net.sh
. "$(dirname "$0")/../lib/net.sh"

need_module
setup_ns GW PEER
veth "$GW" g0 "192.0.2.1/24 2001:db8::1/64" "$PEER" p0 "192.0.2.2/24 2001:db8::2/64"
must ip -n "$GW" link add xfrm42 type xfrm dev g0 if_id 42
must ip -n "$GW" link set xfrm42 up
A4="192.0.2.2 192.0.2.1"
A6="2001:db8::2 2001:db8::1"

missing()
{
	expect_delta "$GW" no_state=3 on "$PEER" send_esp -s 0x1111 -n 3 $A4
	expect_flow "$GW" 0x1111 packets=3 mark=0 ifname=g0
	expect_delta "$GW" no_state=3 on "$PEER" send_esp -s 0x2222 -n 3 $A6
	expect_flow "$GW" 0x2222 packets=3 mark=0 ifname=g0
}

# The interface's SA is there, until it is deleted.
present_then_deleted()
{
	local a

	for a in "$A4" "$A6"; do
		must sa "$GW" $a 0x3333 if_id 42
		expect_delta "$GW" "no_state=0 XfrmInStateProtoError=3" \
			on "$PEER" send_esp -s 0x3333 -n 3 $a
		must sa_del "$GW" "${a#* }" 0x3333
		expect_delta "$GW" no_state=2 on "$PEER" send_esp -s 0x3333 -n 2 $a
	done
	expect "packets of the flows with SPI 0x3333" "2 2" \
		"$(flows "$GW" 'map(select(.spi == "0x00003333").packets) | join(" ")')"
}

# An SA for an interface that is not there: found, then refused. Not ours.
no_interface()
{
	must sa "$GW" $A4 0x4444 if_id 43
	expect_delta "$GW" no_state=0 snmp_grows "$GW" IpInDelivers 3 \
		on "$PEER" send_esp -s 0x4444 -n 3 $A4
}

# An interface that is down says so by itself.
device_down()
{
	must ip -n "$GW" link set xfrm42 down
	expect_delta "$GW" no_state=2 on "$PEER" send_esp -s 0x5555 -n 2 $A4
	expect_flow "$GW" 0x5555 packets=2 ifname=g0
}

net_main \
	"counted packet by packet, once" missing \
	"the interface's SA is there, then deleted" present_then_deleted \
	"an SA of an interface that does not exist" no_interface \
	"the interface is down" device_down
