#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The flow table: what it keeps, and what it counts when there is more than fits.
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

# kept FIRST N PACKETS - how many of these flows are there with just so many packets
kept()
{
	local first last

	first=$(spi "$1") last=$(spi $(($1 + $2 - 1)))
	flows "$GW" "map(select(.spi >= \"$first\" and .spi <= \"$last\" and .packets == $3)) | length"
}

a_thousand()
{
	expect_delta "$GW" no_state=3072 on "$PEER" send_esp -s 0x100000 -F 1024 -n 3072 $A4
	expect_num "of 1024 flows in 4096 slots are kept with all their packets" \
		"$(kept 0x100000 1024 3)" -ge 1023
	must invspi -n "$GW" flow flush
}

# Real flows were there before a scan; one more begins during it. The scan's
# sources are in no network of the gateway: its own addresses would be martians.
scan()
{
	expect_delta "$GW" no_state=768 on "$PEER" send_esp -s 0x200000 -F 256 -n 768 $A4
	expect_delta "$GW" no_state=30600 scan_and_flow
	expect "of the 256 flows from before are kept with exact counts" 256 "$(kept 0x200000 256 3)"
	# Each packet gets in with a chance of 1/16 at least, however long the scan takes:
	# 500 in a row that do not are one in 10^14.
	expect_num "packets of the flow that began during the scan" \
		"$(flows "$GW" '[.[] | select(.spi == "0x00300000").packets] | add // 0')" -ge 100
	expect_num "flows" "$(stats "$GW" .flows)" -le 4096
	expect_num "evicted flows" "$(stats "$GW" .evicted_flows)" -gt 0
	expect_num "packets that got no flow" "$(stats "$GW" .untracked_packets)" -gt 0
	expect_sums "$GW"
}

scan_and_flow()
{
	background on "$PEER" send_esp -s 0x300000 -n 600 -r 100 $A6
	on "$PEER" send_esp -R 7 -Z -n 30000 10.9.0.1 192.0.2.1 || return
	wait $!
}

net_main \
	"a quarter full: all flows are kept" a_thousand \
	"a scan does not displace real flows, nor hide new ones" scan
