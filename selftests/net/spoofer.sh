#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A spoofer who knows how flows are evicted sends every one of his more than once,
# and again before it is forgotten. He may fill the table, but must not hide the
# flows that begin then, nor drive out those from before.
#
#   PEER 192.0.2.2, 2001:db8::2 (p0) -------- (g0) 192.0.2.1, 2001:db8::1 GW
#
# shellcheck source=SCRIPTDIR/../lib/net.sh
. "$(dirname "$0")/../lib/net.sh"

: "${SPOOFER_TRIALS:=20}"	# flows that begin during an attack
BEFORE=256			# flows that are there before
HIS=9000			# his flows: all slots are taken
VERDICT_S=30			# a new flow must be known for a desync by then

need_module
setup_ns GW PEER
veth "$GW" g0 "192.0.2.1/24 2001:db8::1/64" "$PEER" p0 "192.0.2.2/24 2001:db8::2/64"
MAC=$(mac "$GW" g0)
A4="192.0.2.2 192.0.2.1"

# spoof OPTION... - the spoofer's packets
spoof()
{
	on "$PEER" flood "$@" p0 "$MAC" 192.0.2.1 2001:db8::1
}

# desyncs FIRST COUNT - how many of these SPIs are desyncs
desyncs()
{
	local first last

	first=$(spi "$1") last=$(spi $(($1 + $2 - 1)))
	invspi_json "$GW" flow show state desync src 192.0.2.2 |
		jq "map(select(.spi >= \"$first\" and .spi <= \"$last\")) | length"
}

# kept FIRST N PACKETS - how many of these flows are there with just so many packets
kept()
{
	local first last

	first=$(spi "$1") last=$(spi $(($1 + $2 - 1)))
	flows "$GW" "map(select(.spi >= \"$first\" and .spi <= \"$last\" and .packets == $3)) | length"
}

all_desyncs()
{
	[ "$(desyncs "$1" "$2")" = "$2" ]
}

# trials FIRST - new flows of 10 packets a second, one after the other; each must
# become a desync. The times are from the start of the sender's program.
trials()
{
	local n t0 times=()

	for ((n = 0; n < SPOOFER_TRIALS; n++)); do
		t0=${EPOCHREALTIME/[.,]/}
		background on "$PEER" send_esp -s $(($1 + n)) -n 1000000 -r 10 $A4
		poll $VERDICT_S all_desyncs $(($1 + n)) 1 ||
			fail "flow $n is no desync after $VERDICT_S s"
		times+=($(((${EPOCHREALTIME/[.,]/} - t0) / 1000)))
		stop $!
	done
	note "desync after $(printf '%s\n' "${times[@]}" | sort -n | paste -sd' ') ms"
}

# Flows with a verdict, silent since
before()
{
	must invspi -n "$GW" config set desync-ms 500 idle-ms 600000
	expect_delta "$GW" no_state=$((BEFORE * 3)) on "$PEER" \
		send_esp -s 0x200000 -F $BEFORE -n $((BEFORE * 3)) -r 800 $A4
	expect "desyncs" $BEFORE "$(desyncs 0x200000 $BEFORE)"
	must invspi -n "$GW" config set desync-ms 1000
}

# All slots are his, and each of his flows sends again in less than idle-ms.
slow()
{
	local spoofer

	must spoof -c 1 -F $HIS -x 2 -n $((2 * HIS))
	expect "flows" 4096 "$(stats "$GW" .flows)"
	background on "$PEER" flood -c 1 -F $HIS -n 100000000 -r 200 p0 "$MAC" 192.0.2.1 2001:db8::1
	spoofer=$!
	trials 0x300000
	stop $spoofer
	expect "flows from before, exact" $BEFORE "$(kept 0x200000 $BEFORE 3)"
	expect_sums "$GW"
}

# Ever new flows of two packets
pairs()
{
	local spoofer

	background on "$PEER" flood -x 2 -S 7 -n 100000000 -r 2000 p0 "$MAC" 192.0.2.1 2001:db8::1
	spoofer=$!
	trials 0x400000
	stop $spoofer
	expect "flows from before, exact" $BEFORE "$(kept 0x200000 $BEFORE 3)"
	expect_sums "$GW"
}

net_main \
	"$BEFORE flows are there before" before \
	"all slots kept alive by a spoofer: new flows are found" slow \
	"ever new flows of two packets: new flows are found" pairs
