#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Accepted traffic leaves no trace, in whatever way it comes.
#
#   A 192.0.2.1 (a0) ------------------------- (b0) 192.0.2.2 B
#     2001:db8::1                                  2001:db8::2
#     10.1.0.1 and others      ESP                 10.2.0.1 and others
#
# shellcheck source=SCRIPTDIR/../lib/net.sh
. "$(dirname "$0")/../lib/net.sh"

need_module
setup_ns A B
veth "$A" a0 "192.0.2.1/24 2001:db8::1/64" "$B" b0 "192.0.2.2/24 2001:db8::2/64"

# inner ADDR-A ADDR-B VIA-A VIA-B - the inner addresses of one tunnel, and routes
inner()
{
	must ip -n "$A" address add "$1" dev lo
	must ip -n "$B" address add "$2" dev lo
	must ip -n "$A" route add "$2" $3 src "$1"
	must ip -n "$B" route add "$1" $4 src "$2"
}

# traffic ADDR-A ADDR-B - both ways, and no trace of it
traffic()
{
	expect_ok "pings from $1 to $2" on "$A" ping -i 0.01 -c 30 -s 300 -W 5 -I "$1" "$2"
	expect_ok "big pings from $2 to $1" on "$B" ping -i 0.01 -c 5 -s 5000 -W 5 -I "$2" "$1"
	no_trace
}

no_trace()
{
	local ns

	for ns in "$A" "$B"; do
		expect "$ns: all packets" 0 "$(stats "$ns" '[.packets[]] | add')"
		expect "$ns: kernel's XfrmInNoStates" 0 "$(xfrm_stat "$ns" XfrmInNoStates)"
		expect_no_flows "$ns"
	done
}

# used SPI - both ends have used the SA: the traffic did go through it
used()
{
	expect_match "SA $1 used in B" 'current:.*[1-9][0-9]+\(packets\)' \
		"$(ip -n "$B" -s xfrm state get dst "${2:-192.0.2.2}" proto esp spi "$1" | tr '\n' ' ')"
}

tunnel_v4()
{
	inner 10.1.1.1 10.2.1.1 "via 192.0.2.2" "via 192.0.2.1"
	tunnel "$A" 192.0.2.1 10.1.1.1 "$B" 192.0.2.2 10.2.1.1 0x1001 0x2001
	traffic 10.1.1.1 10.2.1.1
	used 0x1001
}

tunnel_v6()
{
	inner 2001:db8:1::1 2001:db8:2::1 "via 2001:db8::2" "via 2001:db8::1"
	tunnel "$A" 2001:db8::1 2001:db8:1::1 "$B" 2001:db8::2 2001:db8:2::1 0x1002 0x2002
	traffic 2001:db8:1::1 2001:db8:2::1
	used 0x1002 2001:db8::2
}

in_udp()
{
	start_ready "$NS_TMP/a" on "$A" udp_encap 192.0.2.1 4500
	start_ready "$NS_TMP/b" on "$B" udp_encap 192.0.2.2 4500
	inner 10.1.3.1 10.2.3.1 "via 192.0.2.2" "via 192.0.2.1"
	tunnel "$A" 192.0.2.1 10.1.3.1 "$B" 192.0.2.2 10.2.3.1 0x1003 0x2003 \
		encap espinudp 4500 4500 0.0.0.0
	traffic 10.1.3.1 10.2.3.1
	used 0x1003
}

xfrm_interface()
{
	local ns dev

	for ns in "$A" "$B"; do
		dev=a0
		[ "$ns" = "$A" ] || dev=b0
		must ip -n "$ns" link add x0 type xfrm dev $dev if_id 42
		must ip -n "$ns" link set x0 up
	done
	inner 10.1.4.1 10.2.4.1 "dev x0" "dev x0"
	for ns in "$A" "$B"; do
		must sa "$ns" 192.0.2.1 192.0.2.2 0x1004 reqid 4 if_id 42
		must sa "$ns" 192.0.2.2 192.0.2.1 0x2004 reqid 4 if_id 42
	done
	if_id_policies "$A" 192.0.2.1 192.0.2.2
	if_id_policies "$B" 192.0.2.2 192.0.2.1
	traffic 10.1.4.1 10.2.4.1
	used 0x1004
}

if_id_policies()
{
	must ip -n "$1" xfrm policy add dir out src 0.0.0.0/0 dst 0.0.0.0/0 if_id 42 \
		tmpl src "$2" dst "$3" proto esp reqid 4 mode tunnel
	must ip -n "$1" xfrm policy add dir in src 0.0.0.0/0 dst 0.0.0.0/0 if_id 42 \
		tmpl src "$3" dst "$2" proto esp reqid 4 mode tunnel
}

net_main \
	"ESP tunnel, IPv4" tunnel_v4 \
	"ESP tunnel, IPv6" tunnel_v6 \
	"ESP in UDP" in_udp \
	"XFRM interface" xfrm_interface
