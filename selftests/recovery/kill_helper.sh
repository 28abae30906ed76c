#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# invspid is killed (SIGKILL) at random moments around a loss of SAs, and started
# again: recovery goes on, nothing is done twice, and nothing healthy is touched.
# Meanwhile its history is corrupt, read-only, a directory, or the disk is full.
# MOMENTS (25) and SEED: see lab/kills.sh.
cd "$(dirname "$0")" || exit 1
. lab/lab.sh
. lab/judge.sh
. lab/kills.sh

twice=0

moment()
{
	local child=net other=net2 requests both=$((RANDOM % 3 == 0)) what

	[ $((RANDOM % 2)) = 0 ] || { child=net2; other=net; }
	all_delivered 10000 || { fail "moment $1: $undelivered is dead before"; return 1; }
	said_mark=$(log_mark A invspid)
	schedule 1500
	stamp
	from=$now_us
	if [ "$kill_at" -lt "$fault_at" ]; then
		at "$kill_at"
		helper_stop A KILL
		mend_history
	fi
	at "$fault_at"
	fault_inbound_lost $child
	[ $both = 0 ] || fault_inbound_lost $other
	kills_since=$fault_us
	at "$kill_at"
	helper_stop A KILL
	mend_history
	spoil_history
	at $((kill_at + down_ms * 1000))
	helper_start A
	what="moment $1 ($child$([ $both = 0 ] || echo " and $other") lost, killed $(((kill_at - fault_at) / 1000)) ms after, away for $down_ms ms, history: $spoiled)"
	healed "$what" || return 1
	history_told "$what" || return 1
	stamp
	requests=$(ike_sent "$from" "$now_us" '$9 == "request"')
	note "$what: back after $(($(delivered $child:B-A "$kills_since" 0; echo "$received_us") / 1000 - kills_since / 1000)) ms, $requests requests of IKE"
	# a rekey is two requests
	[ "$requests" = $((2 + 2 * both)) ] || {
		twice=$((twice + 1))
		fail "$what: $requests requests of IKE"
		note "$(log_since A invspid "$said_mark")"
		note "$(awk -v a="$from" '$1 > a && $3 == "ike"' "$LAB/wire")"
	}
	# shellcheck disable=SC2046 # two words or one
	remember_window $child $([ $both = 0 ] || echo $other)
}

nothing_twice()
{
	expect "moments with more than one rekey of a lost child" 0 $twice
	expect_no_other_loss
	streams_stop
	monitor_stop
	expect "IKE_SA_INITs of A" 0 "$(ike_sent "$from" "" '$8 == 34')"
	expect "packets of the inner networks on the wire in clear" 0 "$(clear_seen 0)"
	helper_stop A
	mend_history
}

lab_up
monitor_start
streams_start
helper_start A
helper_ready A
ktap_main \
	"recovery goes on after invspid was killed" moments \
	"nothing is done twice, nothing healthy is touched" nothing_twice
