#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 1,024 flows in the default table, and others that come and go: every dump has
# each of the 1,024 once, and nothing twice.
#
#   PEER 192.0.2.2, 2001:db8::2 (p0) -------- (g0) 192.0.2.1, 2001:db8::1 GW
#
# shellcheck source=SCRIPTDIR/../lib/net.sh
. "$(dirname "$0")/../lib/net.sh"

: "${DUMP_TRIALS:=100}"
: "${RATE:=600}"	# packets a second of the flows that stay, all together
: "${FLOOD_RATE:=3000}"	# and of those that come and go
FLOWS=1024

need_module
setup_ns GW PEER
veth "$GW" g0 "192.0.2.1/24 2001:db8::1/64" "$PEER" p0 "192.0.2.2/24 2001:db8::2/64"
expect "slots" 4096 "$(stats "$GW" .flows_max)" || bail_out "not the default table"

# They are desyncs, so that a single packet is none of them.
begin()
{
	expect_delta "$GW" no_state=$((FLOWS * 3)) on "$PEER" \
		send_esp -s 0x100000 -F $FLOWS -n $((FLOWS * 3)) -r $((RATE * 5 / 2)) 192.0.2.2 192.0.2.1
	expect "flows" $FLOWS "$(stats "$GW" .flows)"
	background on "$PEER" send_esp -s 0x100000 -q 4 -F $FLOWS -n 100000000 -r "$RATE" \
		192.0.2.2 192.0.2.1
	background on "$PEER" flood -n 100000000 -r "$FLOOD_RATE" p0 "$(mac "$GW" g0)" 192.0.2.1 2001:db8::1
}

# one dump: its flows, those of the 1,024 among them, those that are there twice
look()
{
	invspi -n "$GW" flow show | awk '
		$1 == "src" {
			n++
			twice += key[$2 $4 $8]++
			ours += $2 == "192.0.2.2" && $8 >= "0x00100000" && $8 < "0x00100400"
		}
		END { print n + 0, ours + 0, twice + 0 }'
}

dumps()
{
	local i all ours twice min=1000000 max=0 bad=0

	for ((i = 1; i <= DUMP_TRIALS; i++)); do
		read -r all ours twice < <(look)
		[ "$ours $twice" = "$FLOWS 0" ] || {
			bad=$((bad + 1))
			note "dump $i: $all flows, $ours of the $FLOWS, $twice twice"
		}
		min=$((all < min ? all : min)) max=$((all > max ? all : max))
	done
	note "$min to $max flows in a dump"
	expect "dumps that are not complete and unique" 0 $bad
	expect_num "most flows in a dump" $max -gt $FLOWS
}

after()
{
	local pid

	for pid in "${NS_PIDS[@]}"; do
		stop "$pid"
	done
	expect "of the flows, each with three packets or more" $FLOWS "$(flows "$GW" \
		'map(select(.spi >= "0x00100000" and .spi < "0x00100400" and .packets >= 3)) | length')"
	expect_num "evicted flows" "$(stats "$GW" .evicted_flows)" -gt 0
}

net_main \
	"$FLOWS flows in 4096 slots: all kept" begin \
	"$DUMP_TRIALS dumps while others come and go: complete and unique" dumps \
	"all of them are still there at the end" after
