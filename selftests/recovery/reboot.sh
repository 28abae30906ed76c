#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Gateway A loses power and starts again: no SAs, no policies, an IKE daemon that
# knows nothing. The helper keeps its history, as files outlive a reboot.
# TRIALS: how often with the helper (20).
cd "$(dirname "$0")" || exit 1
. lab/lab.sh
. lab/judge.sh

TRIALS=${TRIALS:-20}
OFF_SECONDS=0.5
outages=() totals=() odd=0

stays_lost()
{
	local before

	all_delivered 10000 || { fail "the tunnel is not up: $undelivered"; lab_logs; return; }
	fault_reboot $OFF_SECONDS
	before=$(dropped A)
	delivered net:B-A "$fault_us" 20000 && fail "net:B-A delivers again without anybody's doing"
	expect_num "packets dropped in 20 s (sent: two in $LAB_INTERVAL_MS ms)" \
		$(($(dropped A) - before)) -ge $((20000 / LAB_INTERVAL_MS))
	expect "IKE packets that A sent" 0 "$(ike_sent "$fault_us")"
	note "without the helper: $(($(dropped A) - before)) packets dropped in 20 s, not one delivered"
	tunnel_up
	all_delivered 10000 || fail "nor after A initiated by hand: $undelivered"
}

trial()
{
	local s from t0 last=0

	all_delivered 10000 || { fail "trial $1: $undelivered is dead before the fault"; return 1; }
	stamp
	from=$now_us
	said_mark=$(log_mark A invspid)
	fault_reboot $OFF_SECONDS
	for s in $STREAMS; do
		delivered "$s" "$fault_us" 20000 && continue
		fail "trial $1: $s not healed 20 s after A is back"
		note "$(log_since A invspid "$said_mark")"
		return 1
	done
	wait_until 15 0.1 helper_said "healed gw/" || {
		fail "trial $1: the helper does not say that gw is healed"
		note "$(log_since A invspid "$said_mark")"
	}
	# of the two streams that A could not decrypt, the one that came back last
	for s in net:B-A net2:B-A; do
		gap "$s" "$from" || { fail "trial $1: no loss seen on $s"; return 1; }
		[ "$gap_end" -le "$last" ] || { last=$gap_end; t0=$gap_begin; }
	done
	totals+=("$(ms "$t0" "$last")")
	[ "$t0" -ge "$ready_us" ] || t0=$ready_us
	outages+=("$(ms "$t0" "$last")")
	stamp
	[ "$(ike_sent "$from" "$now_us" '$9 == "request"')" = 3 ] || {
		odd=$((odd + 1))
		note "trial $1: IKE packets of A: $(awk -v a="$from" '$1 > a && $3 == "ike"' "$LAB/wire")"
		note "$(log_since A invspid "$said_mark")"
	}
	expect "trial $1: A's SAs" "1 net net2" "$(tunnel_state)"
}

heals()
{
	local i

	helper_start A
	helper_ready A
	wait_until 15 0.1 helper_settled || fail "invspid is not ready: $waited"
	for ((i = 1; i <= TRIALS; i++)); do
		trial $i || { explain_failure; break; }
	done
	expect "trials healed" "$TRIALS" "${#outages[@]}"
	distribution "from the IKE daemon being ready (or the first drop, if later) to the first delivered packet" \
		"${outages[@]}"
	local median=$dist_median p95=$dist_p95
	distribution "the same from the first dropped packet, the reboot included" "${totals[@]}"
	dist_median=$median dist_p95=$p95
}

one_start_each()
{
	expect "trials in which A sent other requests than IKE_SA_INIT, IKE_AUTH, CREATE_CHILD_SA" 0 \
		"$odd"
	expect_healthy "at the end"
}

nothing_in_clear()
{
	streams_stop
	monitor_stop
	expect "packets of the inner networks on the wire in clear" 0 "$(clear_seen 0)"
	expect "packets that the monitor missed" 0 "$(awk '$3 == "end" { print $5 }' "$LAB/wire")"
	note "stopped by the firewalls while there was no tunnel: $(guarded A) of A, $(guarded B) of B"
}

lab_up
monitor_start
streams_start
ktap_main \
	"without the helper the tunnel is still dead after 20 s" stays_lost \
	"with the helper every trial heals, both children" heals \
	"within a second as a rule, two at worst" in_time \
	"one IKE_SA a trial, each child once" one_start_each \
	"nothing leaves unencrypted" nothing_in_clear
