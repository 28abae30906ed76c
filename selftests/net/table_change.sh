#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The flow table: deleting, filtering, resizing and dumping it.
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

deleted()
{
	local before

	must invspi -n "$GW" flow flush
	expect_no_flows "$GW"
	before=$(stats "$GW" .deleted_packets)
	expect_delta "$GW" no_state=12 on "$PEER" send_esp -s 0x400000 -F 4 -n 12 $A4
	expect_delta "$GW" no_state=5 on "$PEER" send_esp -s 0x400000 -n 5 $A6
	expect_ok "delete by SPI and source" invspi -n "$GW" flow delete spi 0x400000 src 192.0.2.0/24
	expect "deleted packets" $((before + 3)) "$(stats "$GW" .deleted_packets)"
	expect "flows left" 4 "$(stats "$GW" .flows)"
	expect_status "delete what is not there" 1 invspi -n "$GW" flow delete spi 0xabcdef
	expect_ok "delete by family" invspi -n "$GW" flow delete src 2001:db8::/32
	expect "deleted packets" $((before + 8)) "$(stats "$GW" .deleted_packets)"
	expect_ok "flush" invspi -n "$GW" flow flush
	expect "deleted packets" $((before + 17)) "$(stats "$GW" .deleted_packets)"
	expect_no_flows "$GW"
}

filters()
{
	expect_delta "$GW" no_state=6 on "$PEER" send_esp -s 0x500000 -F 3 -n 6 $A4
	expect_delta "$GW" no_state=2 on "$PEER" send_esp -s 0x500001 -n 2 $A6
	expect "all" 4 "$(invspi_json "$GW" flow show | jq length)"
	expect "spi" 2 "$(invspi_json "$GW" flow show spi 0x500001 | jq length)"
	expect "src" 3 "$(invspi_json "$GW" flow show src 192.0.2.2 | jq length)"
	expect "src prefix" 3 "$(invspi_json "$GW" flow show src 192.0.0.0/16 | jq length)"
	expect "dst prefix, IPv6" 1 "$(invspi_json "$GW" flow show dst 2001:db8::/32 | jq length)"
	expect "src that is none" 0 "$(invspi_json "$GW" flow show src 198.51.100.1 | jq length)"
	expect "proto" "4 0" "$(invspi_json "$GW" flow show proto esp | jq length) $(invspi_json "$GW" flow show proto ah | jq length)"
	expect "state" "4 0" "$(invspi_json "$GW" flow show state new | jq length) $(invspi_json "$GW" flow show state desync | jq length)"
}

# A resize starts an empty table, under traffic, and loses no packet.
resized()
{
	local n

	background on "$PEER" send_esp -s 0x600000 -F 300 -n 100000000 -r 3000 $A4
	for n in 64 16 1000 65536 4096 64; do
		expect_ok "flows-max $n" invspi -n "$GW" config set flows-max $n
		pause 0.2
	done
	stop $!
	expect "slots" 64 "$(stats "$GW" .flows_max)"
	expect_ok "flows-max 4096" invspi -n "$GW" config set flows-max 4096
	expect "flows after a resize at rest" 0 "$(stats "$GW" .flows)"
	expect_num "deleted packets" "$(stats "$GW" .deleted_packets)" -gt 0
}

# Dumps while the table changes: they end, and no flow appears twice in one.
dumps_under_traffic()
{
	local i

	background on "$PEER" send_esp -R 3 -n 100000000 $A4
	for ((i = 0; i < 10; i++)); do
		expect_ok "dump $i" invspi -n "$GW" -j flow show
		[ $((i % 3)) != 0 ] || invspi -n "$GW" flow flush || fail "flush"
	done
	stop $!
	pause 0.1
	expect "flows that are there twice" 0 "$(flows "$GW" 'length - (unique_by([.src, .dst, .spi]) | length)')"
}

net_main \
	"deleted and flushed flows" deleted \
	"filters" filters \
	"resizing under traffic" resized \
	"dumping and flushing under traffic" dumps_under_traffic
