#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# ESP in UDP without an SA, from PEER to a socket as an IKE daemon holds it:
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

# Without the socket the kernel never looks for ESP in UDP.
no_socket()
{
	expect_delta "$GW" no_state=0 snmp_grows "$GW" UdpNoPorts 3 on "$PEER" send_esp -p udp -n 3 $A4
	expect_no_flows "$GW"
}

v4()
{
	start_ready "$NS_TMP/4500" on "$GW" udp_encap 192.0.2.1 4500
	expect_delta "$GW" no_state=4 on "$PEER" send_esp -p udp -s 0x1111 -P 31000 -n 4 $A4
	expect_flow "$GW" 0x1111 proto=esp packets=4 bytes=288 encap.type=espinudp \
		encap.sport=31000 encap.dport=4500 last_seq=4 src=192.0.2.2
}

# The encapsulation's port is read after the header, wherever that ends.
v4_options()
{
	expect_delta "$GW" no_state=2 on "$PEER" send_esp -p udp -s 0x1112 -P 31001 -e nn -n 2 $A4
	expect_flow "$GW" 0x1112 packets=2 encap.sport=31001 encap.dport=4500 bytes=144
	expect_delta "$GW" no_state=2 on "$PEER" send_esp -p udp -s 0x1113 -P 31002 -f 32 -l 500 -n 2 $A4
	expect_flow "$GW" 0x1113 packets=2 encap.sport=31002 encap.dport=4500 bytes=1016
}

v6()
{
	start_ready "$NS_TMP/4500v6" on "$GW" udp_encap 2001:db8::1 4500
	expect_delta "$GW" no_state=4 on "$PEER" send_esp -p udp -s 0x2222 -P 32000 -n 4 $A6
	expect_flow "$GW" 0x2222 src=2001:db8::2 packets=4 bytes=288 encap.type=espinudp \
		encap.sport=32000 encap.dport=4500
	expect_delta "$GW" no_state=2 on "$PEER" send_esp -p udp -s 0x2223 -P 32001 -e hd -n 2 $A6
	expect_flow "$GW" 0x2223 packets=2 bytes=144 encap.sport=32001 encap.dport=4500
}

# The same SPI from another port is another flow, and from plain ESP a third.
by_port()
{
	expect_delta "$GW" no_state=2 on "$PEER" send_esp -p udp -s 0x3333 -P 40001 -n 2 $A4
	expect_delta "$GW" no_state=3 on "$PEER" send_esp -p udp -s 0x3333 -P 40002 -n 3 $A4
	expect_delta "$GW" no_state=5 on "$PEER" send_esp -s 0x3333 -n 5 $A4
	expect "flows with SPI 0x3333" "null:5 40001:2 40002:3" "$(flows "$GW" \
		'map(select(.spi == "0x00003333") | "\(.encap.sport):\(.packets)") | sort |
		sort_by(. != "null:5") | join(" ")')"
}

# What is not ESP goes to the socket: the IKE header's four zero bytes, a
# keepalive (which the kernel eats), less than an ESP header.
not_esp()
{
	expect_delta "$GW" no_state=0 on "$PEER" send_esp -p udp -b 00000000c0ffee00c0ffee00 $A4
	expect_ok "IKE message at the socket" busywait 5 grep -qx 12 "$NS_TMP/4500"
	expect_delta "$GW" no_state=0 on "$PEER" send_esp -p udp -b ff $A4
	expect_delta "$GW" no_state=0 on "$PEER" send_esp -p udp -t 13 $A4
	expect_ok "short datagram at the socket" busywait 5 grep -qx 5 "$NS_TMP/4500"
	expect "keepalives at the socket" 0 "$(grep -cx 1 "$NS_TMP/4500")"
}

net_main \
	"without a socket that takes ESP nobody counts" no_socket \
	"IPv4: counted packet by packet, with both ports" v4 \
	"IPv4 with options, and in fragments" v4_options \
	"IPv6: counted packet by packet, with both ports" v6 \
	"flows are told apart by encapsulation and source port" by_port \
	"IKE messages, keepalives and short datagrams are not counted" not_esp
