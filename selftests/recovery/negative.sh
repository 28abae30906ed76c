#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Packets without an SA that no recovery may follow. Each case shows that they
# were counted, that the helper looked at them and said why it does nothing, that
# A sent no IKE packet that was not somebody else's doing, and that no stream of
# the tunnel lost a packet by it. DPD is off, so a quiet A sends no IKE at all.
#
# WATCH: seconds that each case watches (9: in order ended SAs are looked at
# again 6 s after their end).
cd "$(dirname "$0")" || exit 1
. lab/lab.sh
. lab/judge.sh

WATCH=${WATCH:-9}
EVERY_MS=80		# between two forged packets
PACKETS=$((WATCH * 1000 / EVERY_MS))

# begin - from here on A is watched
begin()
{
	all_delivered 10000 || { fail "before the case: $undelivered delivers nothing"; lab_logs; }
	said_mark=$(log_mark A invspid)
	drops=$(dropped A)
	stamp
	from=$now_us
}

# verdict SPI REGEX [IKE-PACKETS] - end of the watch: what A has counted for the
# SPI, what the helper said of it (the part after "SPI: "), and what A sent
verdict()
{
	local n said

	stamp
	n=$(flow_packets "$1")
	said=$(log_since A invspid "$said_mark" | grep -F "spi $1" | sed "s/.*spi $1[^:]*: //")
	note "$1: $n packets counted, decided: ${said//$'\n'/ | }"
	expect_num "packets of $1 in the flow table" "$n" -ge "${least:-$((PACKETS * 9 / 10))}"
	expect_num "growth of XfrmInNoStates" $(($(dropped A) - drops)) -ge "${least:-$((PACKETS * 9 / 10))}"
	# That the flow has stopped is true by now, on a busy machine.
	said=$(grep -v 'the flow stopped' <<<"$said")
	expect_match "the helper's last word on $1" "$2" "$(tail -n 1 <<<"$said")"
	expect "actions of the helper" "" "$(actions_since "$said_mark")"
	expect "IKE packets that A sent" "${3:-0}" "$(ike_sent "$from" "$now_us")"
	least=
}

# bystanders STREAM... - none of these lost a packet during the case
bystanders()
{
	local s

	for s; do
		expect "packets lost on $s" 0 "$(lost "$s" "$from")"
	done
}

never_seen()
{
	begin
	forge 0x5eed1234 1 $PACKETS $EVERY_MS
	verdict 0x5eed1234 '^never_ours: report'
	# shellcheck disable=SC2086
	bystanders $STREAMS
}

# An SPI that was in use until a rekey; its packets come again long after.
old_spi()
{
	local old

	all_delivered 10000
	old=$(spi_in A net)
	ask A rekey child=net >/dev/null
	wait_until 10 0.1 has_other_spi net "$old" || fail "the rekey by hand does nothing"
	# charon keeps the old SA for 5 s, in which replayed packets reach it
	wait_until 15 0.2 sa_gone "$old" || fail "the rekeyed SA stays in the kernel"
	begin
	forge "$old" 1 $PACKETS $EVERY_MS
	verdict "$old" '^ours_gone: report'
	bystanders $STREAMS
}

# Rekeys under load, by both sides in turn, while the way from B to A is slow for
# ESP only and A deletes a rekeyed SA early: every rekey leaves more than a second's
# worth of packets to an SPI that A has just given up.
rekey()
{
	local i spis=() s count=0 said

	LAB_CHARON_A="delete_rekeyed_delay = 1"
	helper_stop A
	lab_again
	LAB_CHARON_A=
	helper_start A
	helper_ready A
	wait_until 15 0.1 helper_settled
	slow_esp 2700
	begin
	for i in 1 2 3; do
		for s in A B; do
			spis+=("$(spi_in A net)")
			ask $s rekey child=net >/dev/null
			wait_until 10 0.05 has_other_spi net "${spis[-1]}" || fail "rekey $i of $s does nothing"
			# the new SA has to carry something before it is replaced
			pause 1.5
		done
	done
	wait_until 20 0.2 no_tasks
	pause 3
	stamp
	for s in "${spis[@]}"; do
		said=$(flow_packets "$s")
		count=$((count + (said > 0)))
		note "$s: $said late packets, decided: $(log_since A invspid "$said_mark" |
			grep -F "spi $s" | sed "s/.*spi ${s}[^:]*: //" | tr '\n' '|')"
	done
	expect_num "rekeyed SPIs with late packets" $count -ge 4
	helper_said 'spi 0x[0-9a-f]* .*in_passing' >/dev/null || fail "the helper does not speak of an SA in passing"
	expect "actions of the helper" "" "$(actions_since "$said_mark")"
	# 3 rekeys of A: 2 requests each; 3 of B: 2 answers each
	expect "IKE packets that A sent, all for the rekeys by hand" 12 "$(ike_sent "$from" "$now_us")"
	must tc -n "$W" qdisc del dev pa root
	all_delivered 10000 || fail "after the case: $undelivered delivers nothing"
}

no_tasks()
{
	! sas A | grep -q -E 'REKEYING|CHILD_'
}

# closed_by NODE - it has closed net2, whose old SPI is then used
closed_by()
{
	local old

	old=$(spi_in A net2)
	ask "$1" terminate child=net2 timeout=5000 >/dev/null || fail "cannot close net2"
	STREAMS="net:A-B net:B-A" begin
	forge "$old" 1 $PACKETS $EVERY_MS
	verdict "$old" '^held: |^ours_gone: report'
	expect "A's SAs" "1 net" "$(tunnel_state)"
	bystanders net:A-B net:B-A
	must ask A initiate ike=gw child=net2 timeout=10000
}

closed_here()
{
	closed_by A
}

closed_by_peer()
{
	closed_by B
}

# An SA of the daemon that no listing has ever had: it came and went while the helper
# could not look.
between_looks()
{
	local x

	all_delivered 10000
	kill -STOP "${HELPER_PID[A]}"
	must ask A terminate child=net2 timeout=5000
	must ask A initiate ike=gw child=net2 timeout=10000
	x=$(spi_in A net2)
	must ask A terminate child=net2 timeout=5000
	must ask A initiate ike=gw child=net2 timeout=10000
	kill -CONT "${HELPER_PID[A]}"
	wait_until 15 0.2 sa_gone "$x" || fail "the closed SA stays in the kernel"
	begin
	forge "$x" 1 $PACKETS $EVERY_MS
	verdict "$x" '^never_ours: report'
	# shellcheck disable=SC2086
	bystanders $STREAMS
}

on_hold()
{
	begin
	must helper_ask A hold add gw reason "work on the line"
	fault_inbound_lost net
	delivered net:B-A "$fault_us" $((WATCH * 1000)) && fail "net:B-A delivers while gw is on hold"
	least=$((WATCH * 1000 / LAB_INTERVAL_MS / 2))
	verdict "$lost_spi" '^held: '
	bystanders net:A-B net2:A-B net2:B-A
	must helper_ask A hold del gw
	delivered net:B-A "$fault_us" 20000 || {
		fail "not healed after the end of the hold"
		note "$(log_since A invspid "$said_mark")"
	}
}

# net and net2 of A accept only what a rule has marked, and the rule goes.
other_mark()
{
	LAB_CHILD_A=$'mark_in = 7\nmark_in_sa = yes'
	on "$A" nft -f - <<-'N'
		table inet marks {
			chain pre {
				type filter hook prerouting priority raw
				ip saddr 192.0.2.2 ip protocol esp meta mark set 7
			}
		}
	N
	lab_again
	LAB_CHILD_A=
	helper_start A
	helper_ready A
	wait_until 15 0.1 helper_settled
	begin
	must on "$A" nft delete table inet marks
	stamp
	fault_us=$now_us
	delivered net:B-A "$fault_us" $((WATCH * 1000)) && fail "net:B-A delivers without the mark"
	least=$((WATCH * 1000 / LAB_INTERVAL_MS / 2))
	verdict "$(spi_in A net)" '^misdirected: '
	bystanders net:A-B net2:A-B
}

wire_clean()
{
	streams_stop
	monitor_stop
	expect "packets of the inner networks on the wire in clear" 0 "$(clear_seen 0)"
	expect "packets that the monitor missed" 0 "$(awk '$3 == "end" { print $5 }' "$LAB/wire")"
}

lab_up
monitor_start
streams_start
helper_start A
helper_ready A
wait_until 15 0.1 helper_settled
ktap_main \
	"an SPI never seen, from the peer's address" never_seen \
	"an old SPI, while the tunnel is healthy" old_spi \
	"an SPI of a child that was closed here" closed_here \
	"an SPI of a child that the peer closed" closed_by_peer \
	"an SPI of a child that came and went between two looks" between_looks \
	"a lost SA, of a connection on hold" on_hold \
	"rekeys under load" rekey \
	"an SA that only another mark matches" other_mark \
	"nothing leaves unencrypted" wire_clean
