#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Transport adjacency: ESP inside of ESP, both in transport mode, with real SAs
# at both ends. Which of the two is missing decides what is counted.
#
#   PEER 192.0.2.2, 2001:db8::2 (p0) -------- (g0) 192.0.2.1, 2001:db8::1 GW
#        inner SPI 0xa001, outer SPI 0xb001
#
# shellcheck source=SCRIPTDIR/../lib/net.sh
. "$(dirname "$0")/../lib/net.sh"

need_module
setup_ns GW PEER
veth "$GW" g0 "192.0.2.1/24 2001:db8::1/64" "$PEER" p0 "192.0.2.2/24 2001:db8::2/64"

# nested SRC DST - the SAs and the policies, one way
nested()
{
	local ns tmpl

	for ns in "$GW" "$PEER"; do
		must sa "$ns" "$1" "$2" 0xa001 mode transport reqid 1
		must sa "$ns" "$1" "$2" 0xb001 mode transport reqid 2
	done
	tmpl="tmpl proto esp reqid 1 mode transport tmpl proto esp reqid 2 mode transport"
	must ip -n "$PEER" xfrm policy add dir out src "$1" dst "$2" proto udp $tmpl
	must ip -n "$GW" xfrm policy add dir in src "$1" dst "$2" proto udp $tmpl
}

nested 192.0.2.2 192.0.2.1
nested 2001:db8::2 2001:db8::1

# datagrams COUNT DST - UDP to a closed port
datagrams()
{
	on "$PEER" bash -c 'for ((i = 0; i < $1; i++)); do echo >/dev/udp/$2/7; done' bash "$@"
}

both()
{
	expect_delta "$GW" no_state=0 snmp_grows "$GW" UdpNoPorts 5 datagrams 5 192.0.2.1
	expect_delta "$GW" no_state=0 snmp_grows "$GW" Udp6NoPorts 5 datagrams 5 2001:db8::1
	expect_no_flows "$GW"
}

outer_missing()
{
	must sa_del "$GW" 192.0.2.1 0xb001
	expect_delta "$GW" no_state=4 datagrams 4 192.0.2.1
	expect_flow "$GW" 0xb001@192.0.2.2 src=192.0.2.2 packets=4 ifname=g0 encap=null
	must sa_del "$GW" 2001:db8::1 0xb001
	expect_delta "$GW" no_state=4 datagrams 4 2001:db8::1
	expect "flows with the inner SPI" 0 "$(flows "$GW" 'map(select(.spi == "0x0000a001")) | length')"
}

# The outer SA worked, so there is a sec_path until the kernel resets it; the SPI
# to be counted is the inner one.
inner_missing()
{
	must sa "$GW" 192.0.2.2 192.0.2.1 0xb001 mode transport reqid 2
	must sa "$GW" 2001:db8::2 2001:db8::1 0xb001 mode transport reqid 2
	must sa_del "$GW" 192.0.2.1 0xa001
	expect_delta "$GW" no_state=3 datagrams 3 192.0.2.1
	expect_flow "$GW" 0xa001@192.0.2.2 src=192.0.2.2 dst=192.0.2.1 packets=3 reasons.no_state=3
	must sa_del "$GW" 2001:db8::1 0xa001
	expect_delta "$GW" no_state=3 datagrams 3 2001:db8::1
	expect "packets with the inner SPI" "3 3" \
		"$(flows "$GW" 'map(select(.spi == "0x0000a001").packets) | join(" ")')"
}

# The inner SA is larval: an acquire of the inner SPI.
inner_larval()
{
	must ip -n "$GW" xfrm state allocspi src 192.0.2.2 dst 192.0.2.1 proto esp \
		mode transport reqid 1 min 0xa001 max 0xa001
	expect_delta "$GW" acquire=2 datagrams 2 192.0.2.1
	expect_flow "$GW" 0xa001@192.0.2.2 src=192.0.2.2 packets=5 reasons.acquire=2 reasons.no_state=3
}

net_main \
	"both SAs are there: no trace" both \
	"the outer SA is missing" outer_missing \
	"the inner SA is missing" inner_missing \
	"the inner SA is larval" inner_larval
