#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A million packets with random SPIs and sources from all processors. Memory, the
# flows from before, a flow that begins in the middle, sums, log and events: none
# of it may be the attacker's to move.
#
#   PEER 192.0.2.2, 2001:db8::2 (p0) -------- (g0) 192.0.2.1, 2001:db8::1 GW
#
# shellcheck source=SCRIPTDIR/../lib/net.sh
. "$(dirname "$0")/../lib/net.sh"

: "${FLOOD_PACKETS:=1000000}"	# in each round
: "${FLOOD_TRIALS:=20}"		# flows that begin during the flood
LOG_RATE=10 EVENTS_RATE=100
BEFORE=256			# flows that are there before
VERDICT_S=30			# a new flow must be known for a desync by then
ANSWER_MS=2000			# the machine answers within this

need_module
[ -w /dev/kmsg ] || skip_all "the kernel's log is out of reach"
must rmmod xfrm_invspi
must modprobe xfrm_invspi log_all_netns=1
defer sh -c "rmmod xfrm_invspi; modprobe xfrm_invspi"
setup_ns GW PEER
veth "$GW" g0 "192.0.2.1/24 2001:db8::1/64" "$PEER" p0 "192.0.2.2/24 2001:db8::2/64"
must invspi -n "$GW" config set log-rate $LOG_RATE events-rate $EVENTS_RATE
A4="192.0.2.2 192.0.2.1"
EVENTS=$NS_TMP/events
STARTED=() VERDICT=()

# flood_once SEED COUNT
flood_once()
{
	on "$PEER" flood -S "$1" -n "$2" p0 "$(mac "$GW" g0)" 192.0.2.1 2001:db8::1
}

# One round, and further ones until nobody needs them any more.
flood_rounds()
{
	local seed=1

	while flood_once $seed "$FLOOD_PACKETS" && [ ! -e "$NS_TMP/enough" ]; do
		seed=$((seed + 1))
	done
}

# memory - what the module's sets take and what the machine has left, in KiB. The kernel
# keeps slabs that are empty, such as those of the queue's packets; it has to let go of
# them. Free pages that wait with a processor, up to tens of MiB, are not in
# MemAvailable, and neither is what this test keeps in files in memory.
memory()
{
	local cache

	sync
	echo 3 >/proc/sys/vm/drop_caches
	for cache in /sys/kernel/slab/*/shrink; do
		[ ! -w "$cache" ] || echo 1 >"$cache"
	done
	# merged with other caches of this size it is not listed
	MEM_SETS=$(sed -n "s/^xfrm_invspi_set  *[0-9]*  *\([0-9]*\) .*/\1/p" /proc/slabinfo)
	MEM_FREE=$(awk -v page="$(getconf PAGESIZE)" '
		$1 == "MemAvailable:" || $1 == "Shmem:" { kb += $2 }
		$1 == "count:" { kb += $2 * page / 1024 }
		END { print kb }' /proc/meminfo /proc/zoneinfo)
}

# kmsg MARK - tells the follower of the kernel's log, and waits until it has read so
# far. What is in the kernel's buffer alone may be gone when all is over.
kmsg()
{
	echo "flood-$1-$$" >/dev/kmsg
	busywait 20 grep -q "flood-$1-$$" "$NS_TMP/kmsg"
}

kmsg_follows()
{
	echo "flood-follows-$$" >/dev/kmsg
	[ -s "$NS_TMP/kmsg" ]
}

heard_something()
{
	on "$PEER" send_esp -s $((0x10000 + RANDOM)) $A4
	[ -s "$EVENTS" ]
}

# trial N - a flow of 10 packets a second begins
trial()
{
	STARTED[$1]=$((${EPOCHREALTIME/[.,]/} / 1000))
	background on "$PEER" send_esp -s $((0x400000 + $1)) -n 1000000 -r 10 $A4
	TRIALS+=($!)
}

# verdicts - reads when they came into VERDICT. Few of the many events are one.
verdicts()
{
	local spi at

	VERDICT=()
	while read -r spi at; do
		: "${VERDICT[$((spi - 0x400000))]:=$at}"
	done < <(grep -F '"desync"' "$EVENTS" | grep -F '"0x0040' |
		jq -r 'select(.event == "desync") | "\(.spi) \(.last_seen)"')
}

all_verdicts()
{
	verdicts
	[ ${#VERDICT[@]} -ge "$FLOOD_TRIALS" ]
}

attack()
{
	local flood n persistent t0 ms rounds
	local -A k=()

	background invspi -n "$GW" -j monitor >"$EVENTS"
	slowwait 20 heard_something || { fail "no event ever came"; return; }
	expect_delta "$GW" no_state=$((BEFORE * 3)) \
		on "$PEER" send_esp -s 0x200000 -F $BEFORE -n $((BEFORE * 3)) $A4
	# all of the table's memory is there from now on
	must flood_once 1000 50000
	memory
	BEFORE_SETS=$MEM_SETS BEFORE_FREE=$MEM_FREE
	background dmesg --follow-new >"$NS_TMP/kmsg"
	slowwait 20 kmsg_follows || { fail "dmesg --follow-new shows nothing"; return; }
	kmsg begin
	LOG_BEFORE=$(stats "$GW" .log_suppressed) SENT_BEFORE=$(stats "$GW" .events_sent)
	read_xfrm_stat "$GW" k
	NO_STATE_BEFORE=${k[no_state]}

	background on "$PEER" ping -q -i 0.2 192.0.2.1 >"$NS_TMP/ping"
	PING=$!
	t0=${EPOCHREALTIME/[.,]/}
	flood_rounds >"$NS_TMP/rounds" 2>&1 &
	flood=$!
	background on "$PEER" send_esp -s 0x200000 -q 4 -F $BEFORE -n $((BEFORE * 6)) -r 100 $A4
	persistent=$!
	pause 1
	for ((n = 0; n < FLOOD_TRIALS; n++)); do
		trial $n
		pause 0.2
	done
	poll $VERDICT_S all_verdicts || fail "not all new flows were recognized"
	wait $persistent
	: >"$NS_TMP/enough"
	wait $flood || fail "the flood: $(cat "$NS_TMP/rounds")"
	for n in "${TRIALS[@]}"; do
		stop "$n"
	done
	kill -INT $PING
	wait $PING
	FLOOD_MS=$(((${EPOCHREALTIME/[.,]/} - t0) / 1000))
	note "$(cat "$NS_TMP/rounds")"
	rounds=$(wc -l <"$NS_TMP/rounds")
	read_xfrm_stat "$GW" k
	expect_num "packets without an SA" $((k[no_state] - NO_STATE_BEFORE)) -ge \
		$((rounds * FLOOD_PACKETS + BEFORE * 6))
	expect_sums "$GW"
}

before_kept()
{
	expect "flows from before with just the packets they had" $BEFORE "$(flows "$GW" \
		'map(select(.spi >= "0x00200000" and .spi < "0x00200100" and .packets == 9)) | length')"
}

# The times are from the start of the sender's program, on a busy machine.
new_flows()
{
	local n times=()

	verdicts
	for ((n = 0; n < FLOOD_TRIALS; n++)); do
		[ -n "${VERDICT[n]}" ] || { fail "flow $n was never called a desync"; continue; }
		times+=($(($(date -d "${VERDICT[n]}" +%s%3N) - STARTED[n])))
	done
	note "verdict after $(printf '%s\n' "${times[@]}" | sort -n | paste -sd' ') ms"
	expect "new flows recognized" "$FLOOD_TRIALS" ${#times[@]}
}

memory_flat()
{
	memory
	note "sets ${BEFORE_SETS:-merged} -> ${MEM_SETS:-merged}, available $BEFORE_FREE -> $MEM_FREE KiB"
	expect "sets of sixteen flows" "$BEFORE_SETS" "$MEM_SETS"
	expect_num "KiB less available" $((BEFORE_FREE - MEM_FREE)) -le 4096
	expect_num "flows" "$(stats "$GW" .flows)" -le 4096
}

limits_kept()
{
	local lines suppressed sent most
	local -A k=()

	expect_ok "the kernel's log up to here" kmsg end
	lines=$(sed "1,/flood-begin-$$/d" "$NS_TMP/kmsg" | grep -cF RECVD_PKT_INV_SPI)
	suppressed=$(($(stats "$GW" .log_suppressed) - LOG_BEFORE))
	sent=$(($(stats "$GW" .events_sent) - SENT_BEFORE))
	read_xfrm_stat "$GW" k
	note "in $FLOOD_MS ms $lines lines, $suppressed suppressed; $sent events"
	# a full bucket to begin with
	most=$((LOG_RATE * (FLOOD_MS + 2000) / 1000))
	expect_num "lines" "$lines" -le $most
	expect_num "lines" "$lines" -gt 0
	expect "lines and suppressed lines" $((k[no_state] - NO_STATE_BEFORE)) $((lines + suppressed))
	expect_num "events" $sent -le $((EVENTS_RATE * (FLOOD_MS + 2000) / 1000))
}

answers()
{
	local max

	note "$(tail -n 2 "$NS_TMP/ping")"
	expect_match "lost pings" " 0% packet loss" "$(cat "$NS_TMP/ping")"
	max=$(sed -n 's/^rtt .*= [^/]*\/[^/]*\/\([0-9]*\).*/\1/p' "$NS_TMP/ping")
	expect_num "longest answer in ms" "$max" -le $ANSWER_MS
}

net_main \
	"$FLOOD_PACKETS packets from $(nproc) processors: every one in just one sum" attack \
	"the flows from before are all there, exact" before_kept \
	"$FLOOD_TRIALS of $FLOOD_TRIALS flows that began during the flood become a desync" new_flows \
	"memory is flat" memory_flat \
	"log and events stay within their limits" limits_kept \
	"the machine answers all the time" answers
