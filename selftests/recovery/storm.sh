#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A gateway with many peers reboots: all of them are healed, a few at a time.
# TUNNELS: how many (100); TRIALS: how often (1).
cd "$(dirname "$0")" || exit 1
LAB_INTERVAL_MS=${LAB_INTERVAL_MS:-500}
LAB_ONE_WAY=1
. lab/lab.sh
. lab/judge.sh
. lab/configs.sh
. lab/many.sh
TRIALS=${TRIALS:-1}
. lab/matrix.sh

LAB_TUNNELS=${TUNNELS:-100}
IN_FLIGHT=8

# back FROM-US - how many streams have delivered what was sent after that time
back()
{
	probe report "$LAB/probe" "$1" | awk '$5 > 0 { n++ } END { print n + 0 }'
}

all_back()
{
	local n

	n=$(back "$fault_us")
	[ $((n - told)) -lt 20 ] || { told=$n; note "$n of $LAB_TUNNELS are back"; }
	[ "$n" = "$LAB_TUNNELS" ]
}

# open_at_once - the most exchanges that A had begun and that were not answered
open_at_once()
{
	awk -v a="$fault_us" '$1 > a && $3 == "ike" && $8 == 34 {
			key = $11
			if ($2 == "from" && $9 == "request" && !(key in begun)) { begun[key]; n++ }
			if ($2 == "to" && $9 == "response" && key in begun && !(key in over)) { over[key]; n-- }
			if (n > max) max = n
		} END { print max + 0 }' "$LAB/wire"
}

reboots()
{
	local told inits times

	use_lab many || return
	for ((trial = 1; trial <= TRIALS; trial++)); do
		told=0
		mark_helpers
		fault_reboot 1
		poll 300 all_back || {
			fail "after 300 s only $(back "$fault_us") of $LAB_TUNNELS are back"
			note "$(helpers_said . | tail -n 20)"
			return
		}
		mapfile -t times < <(probe report "$LAB/probe" "$fault_us" |
			awk -v r="$ready_us" 'NF >= 14 && $13 != "-" { printf "%d\n", ($13 - r) / 1000 }')
		distribution "from the daemon being ready to each peer's first delivered packet" "${times[@]}"
		note "$LAB_TUNNELS peers healed in $dist_max ms"
		inits=$(ike_sent "$fault_us" "" '$8 == 34 && $9 == "request"')
		note "$inits IKE_SA_INITs, at most $(open_at_once) unanswered at once"
		expect_num "IKE_SA_INITs of A" "$inits" -le $((LAB_TUNNELS * 11 / 10))
		expect_num "unanswered IKE_SA_INITs at once" "$(open_at_once)" -le $IN_FLIGHT
		wait_until 30 0.5 installed "$LAB_TUNNELS" || fail "not every child is up: $(sas A)"
		expect "CHILD_SAs of A" "$LAB_TUNNELS" "$(sas A | grep -c ' INSTALLED ')"
	done
}

# All SAs leave the kernel at once: as many rekeys.
flushed()
{
	local told=0 times

	use_lab many || return
	mark_helpers
	flush A
	poll 300 all_back || {
		fail "after 300 s only $(back "$fault_us") of $LAB_TUNNELS are back"
		note "$(helpers_said . | tail -n 20)"
		return
	}
	mapfile -t times < <(probe report "$LAB/probe" "$fault_us" |
		awk 'NF >= 14 && $13 != "-" { printf "%d\n", ($13 - $12) / 1000 }')
	distribution "outage of each peer" "${times[@]}"
	expect "CHILD_SAs of A" "$LAB_TUNNELS" "$(sas A | grep -c ' INSTALLED ')"
}

clean()
{
	streams_stop
	monitor_stop
	expect "inner packets on the wire in clear" 0 "$(clear_seen 0)"
}

lab_modules
ktap_main \
	"a gateway with $LAB_TUNNELS peers reboots" reboots \
	"all its SAs leave the kernel" flushed \
	"nothing leaves unencrypted" clean
