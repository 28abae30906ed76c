#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Plain ESP without an SA, from PEER to GW over one cable:
#
#   PEER 192.0.2.2, 2001:db8::2 (p0) -------- (g0) 192.0.2.1, 2001:db8::1 GW
# shellcheck source=SCRIPTDIR/../lib/net.sh
. "$(dirname "$0")/../lib/net.sh"

need_module
setup_ns GW PEER
veth "$GW" g0 "192.0.2.1/24 2001:db8::1/64" "$PEER" p0 "192.0.2.2/24 2001:db8::2/64"

v4()
{
	expect_delta "$GW" no_state=5 on "$PEER" \
		send_esp -s 0x11223344 -q 7 -n 5 192.0.2.2 192.0.2.1
	expect_flow "$GW" 0x11223344 src=192.0.2.2 dst=192.0.2.1 proto=esp packets=5 \
		bytes=360 reasons.no_state=5 ifname=g0 last_seq=11 mark=0 encap=null state=new
}

v6()
{
	expect_delta "$GW" no_state=5 on "$PEER" \
		send_esp -s 0x11223344 -q 1 -n 5 -l 8 2001:db8::2 2001:db8::1
	expect "one flow in each family" 2 \
		"$(flows "$GW" 'map(select(.spi == "0x11223344")) | length')"
	expect "the IPv6 flow" "2001:db8::1 esp 5 80 g0 5" "$(flows "$GW" \
		'.[] | select(.src == "2001:db8::2") | "\(.dst) \(.proto) \(.packets) \(.bytes) \(.ifname) \(.last_seq)"')"
}

families()
{
	expect "IPv4 and IPv6 totals" "5 5" "$(stats "$GW" '"\(.ipv4.no_state) \(.ipv6.no_state)"')"
}

# The lowest SPI that is not reserved, one that begins with 0xff, the highest.
spis()
{
	local s a

	for s in 0x100 0xff000000 0xff001122 0xffffffff; do
		for a in "192.0.2.2 192.0.2.1" "2001:db8::2 2001:db8::1"; do
			expect_delta "$GW" no_state=2 on "$PEER" send_esp -s $s -n 2 $a
		done
		expect "flows with SPI $s" "2 2" "$(flows "$GW" \
			"map(select(.spi == \"$(spi $s)\").packets) | join(\" \")")"
	done
}

# The reserved SPIs are looked up like any other.
reserved_spis()
{
	expect_delta "$GW" no_state=1 on "$PEER" send_esp -s 1 192.0.2.2 192.0.2.1
	expect_delta "$GW" no_state=1 on "$PEER" send_esp -s 255 192.0.2.2 192.0.2.1
}

last_seq()
{
	expect_delta "$GW" no_state=1 on "$PEER" send_esp -s 0x5000 -q 0xffffffff 192.0.2.2 192.0.2.1
	expect_flow "$GW" 0x5000 last_seq=4294967295
}

# A thousand as fast as they go: none is lost, none counted twice.
burst()
{
	expect_delta "$GW" no_state=1000 on "$PEER" send_esp -s 0x6000 -F 10 -n 1000 192.0.2.2 192.0.2.1
	expect "ten flows of a hundred" "100 100 100 100 100 100 100 100 100 100" "$(flows "$GW" \
		'map(select(.spi >= "0x00006000" and .spi <= "0x00006009").packets) | join(" ")')"
}

times()
{
	local f first last now

	expect_delta "$GW" no_state=3 on "$PEER" send_esp -s 0x7000 -r 2 -n 3 192.0.2.2 192.0.2.1
	f=$(flows "$GW" '.[] | select(.spi == "0x00007000") | "\(.first_seen) \(.last_seen)"')
	read -r first last <<<"$f"
	expect_match "RFC 3339 with milliseconds" \
		'^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}(Z|[+-][0-9]{2}:[0-9]{2})$' "$first"
	now=$(date +%s%3N)
	first=$(date -d "$first" +%s%3N) last=$(date -d "$last" +%s%3N)
	expect_num "ms from the first to the last of three packets in a second" $((last - first)) -ge 980
	expect_num "ms from the first to the last" $((last - first)) -lt 3000
	expect_num "ms since the last" $((now - last)) -ge 0
	expect_num "ms since the last" $((now - last)) -lt 5000
}

net_main \
	"IPv4: counted packet by packet, and the flow says all" v4 \
	"IPv6: counted packet by packet, and the flow says all" v6 \
	"the totals are kept per family" families \
	"SPIs 0x100, 0xff000000, 0xff001122 and 0xffffffff" spis \
	"SPIs that are reserved" reserved_spis \
	"the highest sequence number" last_seq \
	"a burst over ten flows" burst \
	"times of the first and the last packet" times
