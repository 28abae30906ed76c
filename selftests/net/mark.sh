#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# An SA that is only there under another mark.
#
#   PEER 192.0.2.2, 2001:db8::2 (p0) -------- (g0) 192.0.2.1, 2001:db8::1 GW
#                                                  nft sets marks at prerouting
#
# shellcheck source=SCRIPTDIR/../lib/net.sh
. "$(dirname "$0")/../lib/net.sh"

need_module
setup_ns GW PEER
veth "$GW" g0 "192.0.2.1/24 2001:db8::1/64" "$PEER" p0 "192.0.2.2/24 2001:db8::2/64"
A4="192.0.2.2 192.0.2.1"
A6="2001:db8::2 2001:db8::1"

for a in "$A4" "$A6"; do
	must sa "$GW" $a 0x1111 mark 5
	must sa "$GW" $a 0x2222 mark 0x500 mask 0xff00
done

# mark_with VALUE - what the firewall marks all incoming packets with
mark_with()
{
	on "$GW" nft -f - <<-N
		table inet m
		delete table inet m
		table inet m {
			chain c {
				type filter hook prerouting priority -150
				meta mark set $1
			}
		}
	N
}

unmarked()
{
	expect_delta "$GW" no_state=3 on "$PEER" send_esp -s 0x1111 -n 3 $A4
	expect_flow "$GW" 0x1111 packets=3 mark=0
	expect_delta "$GW" no_state=3 on "$PEER" send_esp -s 0x1111 -n 3 $A6
}

right_mark()
{
	must mark_with 5
	expect_delta "$GW" "no_state=0 XfrmInStateProtoError=3" on "$PEER" send_esp -s 0x1111 -n 3 $A4
	expect_delta "$GW" "no_state=0 XfrmInStateProtoError=3" on "$PEER" send_esp -s 0x1111 -n 3 $A6
	must mark_with 0x12345678
	expect_delta "$GW" no_state=1 on "$PEER" send_esp -s 0x2222 $A4
	must mark_with 0x12340578
	expect_delta "$GW" "no_state=0 XfrmInStateProtoError=1" on "$PEER" send_esp -s 0x2222 $A4
}

# The flow tells the last packet's mark.
wrong_mark()
{
	must mark_with 6
	expect_delta "$GW" no_state=2 on "$PEER" send_esp -s 0x1111 -n 2 $A4
	expect "marks and packets of SPI 0x1111" "6 5, 0 3" \
		"$(flows "$GW" 'map(select(.spi == "0x00001111")) | sort_by(.src) |
			map("\(.mark) \(.packets)") | join(", ")')"
	must mark_with 0xffffffff
	expect_delta "$GW" no_state=2 on "$PEER" send_esp -s 0x3333 -n 2 $A4
	expect_flow "$GW" 0x3333 packets=2 mark=4294967295
}

net_main \
	"the SA needs a mark, the packets have none" unmarked \
	"the packets have the mark" right_mark \
	"the packets have another mark" wrong_mark
