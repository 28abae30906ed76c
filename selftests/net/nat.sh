#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Two peers behind one NAT are two flows, told apart by their source port, with
# one SPI and one address.
#
#   P1 10.0.1.2 (p0) -- (n1) \
#                             NAT (n0) 192.0.2.254 ---- (g0) 192.0.2.1 GW
#   P2 10.0.2.2 (p0) -- (n2) /    masquerade                  UDP 4500
#
# shellcheck source=SCRIPTDIR/../lib/net.sh
. "$(dirname "$0")/../lib/net.sh"

need_module
setup_ns GW NAT P1 P2
veth "$GW" g0 192.0.2.1/24 "$NAT" n0 192.0.2.254/24
veth "$P1" p0 10.0.1.2/24 "$NAT" n1 10.0.1.1/24
veth "$P2" p0 10.0.2.2/24 "$NAT" n2 10.0.2.1/24
must ip -n "$P1" route add default via 10.0.1.1
must ip -n "$P2" route add default via 10.0.2.1
must on "$NAT" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
must on "$NAT" nft -f - <<-N
	table ip nat {
		chain post {
			type nat hook postrouting priority 100
			oifname "n0" masquerade
		}
	}
N
start_ready "$NS_TMP/u" on "$GW" udp_encap 192.0.2.1 4500

two_flows()
{
	expect_delta "$GW" no_state=3 on "$P1" send_esp -p udp -s 0x1111 -n 3 10.0.1.2 192.0.2.1
	expect_delta "$GW" no_state=5 on "$P2" send_esp -p udp -s 0x1111 -n 5 10.0.2.2 192.0.2.1
	expect "flows, by packets" "192.0.2.254 3, 192.0.2.254 5" "$(flows "$GW" \
		'sort_by(.packets) | map("\(.src) \(.packets)") | join(", ")')"
	expect "the first peer's port, which the NAT keeps" 4500 \
		"$(flows "$GW" '.[] | select(.packets == 3).encap.sport')"
	expect_num "the second peer's port" \
		"$(flows "$GW" '.[] | select(.packets == 5).encap.sport')" -ne 4500
}

# Each goes on in its own flow.
go_on()
{
	expect_delta "$GW" no_state=2 on "$P2" send_esp -p udp -s 0x1111 -n 2 10.0.2.2 192.0.2.1
	expect_delta "$GW" no_state=1 on "$P1" send_esp -p udp -s 0x1111 -n 1 10.0.1.2 192.0.2.1
	expect "packets" "4 7" "$(flows "$GW" 'map(.packets) | sort | join(" ")')"
}

# A port names one of them, for the listing and for deletion.
by_port()
{
	expect "packets of the flow from port 4500" 4 \
		"$(invspi_json "$GW" flow show encap espinudp sport 4500 | jq '.[].packets')"
	must invspi -n "$GW" flow delete spi 0x1111 encap espinudp sport 4500
	expect "packets of what is left" 7 "$(flows "$GW" '.[].packets')"
}

net_main \
	"two peers, one address, one SPI: two flows" two_flows \
	"each goes on in its own flow" go_on \
	"the port tells them apart in a filter, too" by_port
