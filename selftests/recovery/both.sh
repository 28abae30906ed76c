#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Both gateways have a helper, and both lose everything at the same moment.
# TRIALS: how often each (3).
cd "$(dirname "$0")" || exit 1
. lab/lab.sh
. lab/judge.sh

TRIALS=${TRIALS:-3}

# inits FROM-US - prints how many IKE_SA_INITs A and B have begun; what is sent
# again is of the same exchange
inits()
{
	awk -v a="$1" '$3 == "ike" && $8 == 34 && $9 == "request" && $1 + 0 >= a { n[$2]++ }
		END { print n["from"] + 0, n["to"] + 0 }' "$LAB/wire"
}

expect_few_inits()
{
	local a b

	read -r a b <<<"$(inits "$2")"
	note "$1: IKE_SA_INITs: $a by A, $b by B"
	expect_num "$1: IKE_SA_INITs of A" "$a" -le 2
	expect_num "$1: IKE_SA_INITs of B" "$b" -le 2
}

one_pair()
{
	[ "$(tunnel_state)" = "1 net net2" ]
}

healed_both()
{
	local s

	for s in $STREAMS; do
		delivered "$s" "$2" 30000 || {
			fail "$1: $s is dead after 30 s"
			lab_logs 40
			return 1
		}
	done
	note "$1: back after $(ms "$fault_us" "$received_us") ms"
	wait_until 20 0.2 one_pair || { fail "$1: A's SAs: $(tunnel_state)"; lab_logs 40; }
	expect_few_inits "$1" "$fault_us"
}

flushes()
{
	local i

	for ((i = 1; i <= TRIALS; i++)); do
		all_delivered 10000 || { fail "before: $undelivered is dead"; return; }
		ip -n "$A" xfrm state flush &
		ip -n "$B" xfrm state flush
		wait $!
		stamp
		fault_us=$now_us
		healed_both "flush $i" "$now_us" || return
		pause 3
	done
}

power_off()
{
	local n=$1

	helper_stop "$n" KILL
	charon_stop "$n" KILL
	ip -n "${LAB_NS[$n]}" xfrm state flush
	ip -n "${LAB_NS[$n]}" xfrm policy flush
	ip -n "${LAB_NS[$n]}" route flush table 220 2>/dev/null
}

# Both at once: nobody has an SA to send with, so that there is nothing to see
# until one of them has come up. A's trap makes it send; why B has none is said at
# break_both_reboot().
reboots()
{
	local i n

	for ((i = 1; i <= TRIALS; i++)); do
		all_delivered 10000 || { fail "before: $undelivered is dead"; return; }
		pause 1
		power_off A
		power_off B
		stamp
		fault_us=$now_us
		for n in B A; do
			helper_start $n
			charon_start $n
			charon_load $n
		done
		healed_both "reboot $i" "$loaded_us" || return
		pause 3
	done
}

lab_start()
{
	local n

	LAB_CHILD_A=$1
	lab_again
	for n in A B; do
		helper_start $n
		helper_ready $n
		wait_until 15 0.1 helper_settled $n || fail "invspid of $n is not ready: $waited"
	done
	streams_start
}

both_flushed()
{
	lab_start
	flushes
	streams_stop
}

both_rebooted()
{
	lab_start 'start_action = trap'
	reboots
	streams_stop
}

lab_up
monitor_start
ktap_main \
	"the SAs of both are flushed" both_flushed \
	"both are rebooted" both_rebooted
