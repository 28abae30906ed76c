#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A's kernel loses the inbound SA of a CHILD_SA while charon thinks that all is
# well: IKE goes on, the peer goes on encrypting into the void.
# TRIALS: how often with the helper (20).
cd "$(dirname "$0")" || exit 1
. lab/lab.sh
. lab/judge.sh

TRIALS=${TRIALS:-20}
outages=() incomplete=0

stays_lost()
{
	local c before

	all_delivered 10000 || { fail "the tunnel is not up: $undelivered"; lab_logs; return; }
	before=$(dropped A)
	fault_inbound_lost net
	delivered net:B-A "$fault_us" 20000 && fail "net:B-A delivers again without anybody's doing"
	c=$(($(dropped A) - before))
	expect_num "packets dropped in 20 s (sent: one in $LAB_INTERVAL_MS ms)" "$c" -ge \
		$((10000 / LAB_INTERVAL_MS))
	expect "charon still lists the lost SA" "$lost_spi" "$(spi_in A net)"
	expect "IKE packets that A sent" 0 "$(ike_sent "$fault_us")"
	note "without the helper: $c packets dropped in 20 s, not one delivered"
	ask A rekey child=net >/dev/null
	delivered net:B-A "$fault_us" 10000 || fail "nor after a rekey by hand"
}

# trial N - loses the SA of one child and waits until it is healed
trial()
{
	local child=net from

	[ $(($1 % 2)) = 1 ] || child=net2
	all_delivered 10000 || { fail "trial $1: $undelivered is dead before the fault"; return 1; }
	stamp
	from=$now_us
	said_mark=$(log_mark A invspid)
	fault_inbound_lost $child
	if ! delivered "$child:B-A" "$fault_us" 20000; then
		fail "trial $1: $child not healed in 20 s"
		note "$(log_since A invspid "$said_mark")"
		return 1
	fi
	# The helper verifies before it is ready for another failure of the same.
	wait_until 15 0.1 helper_said "healed gw/$child .*$lost_spi" || {
		fail "trial $1: the helper does not say that $child is healed"
		note "$(log_since A invspid "$said_mark")"
	}
	gap "$child:B-A" "$from" || { fail "trial $1: no loss seen"; return 1; }
	outages+=("$(ms "$gap_begin" "$gap_end")")
	remember_window $child
	[ "$(ike_sent "$from" "$now_us" '$9 == "request"')" = 2 ] || {
		incomplete=$((incomplete + 1))
		note "trial $1: IKE packets of A: $(awk -v a="$from" '$1 > a && $3 == "ike"' "$LAB/wire")"
	}
}

heals()
{
	local i

	helper_start A
	helper_ready A
	wait_until 15 0.1 helper_settled || fail "invspid is not ready: $waited"
	stamp
	began=$now_us
	for ((i = 1; i <= TRIALS; i++)); do
		trial $i || { explain_failure; break; }
	done
	stamp
	ended=$now_us
	expect "trials healed" "$TRIALS" "${#outages[@]}"
	distribution "from the first dropped to the first delivered packet" "${outages[@]}"
}

one_rekey_each()
{
	expect "trials in which A sent other requests than CREATE_CHILD_SA and its DELETE" 0 \
		"$incomplete"
	expect "IKE_SA_INITs of A" 0 "$(ike_sent "$began" "$ended" '$8 == 34')"
	expect_healthy "at the end"
}

nothing_in_clear()
{
	streams_stop
	monitor_stop
	expect "packets of the inner networks on the wire in clear" 0 "$(clear_seen 0)"
	expect "packets that A's firewall had to stop" 0 "$(guarded A)"
	expect "packets that B's firewall had to stop" 0 "$(guarded B)"
	expect "packets that the monitor missed" 0 "$(awk '$3 == "end" { print $5 }' "$LAB/wire")"
}

lab_up
monitor_start
streams_start
ktap_main \
	"without the helper the tunnel is still dead after 20 s" stays_lost \
	"with the helper every trial heals" heals \
	"within a second as a rule, two at worst" in_time \
	"no other CHILD_SA loses a packet" expect_no_other_loss \
	"one rekey a trial and no other request of IKE" one_rekey_each \
	"nothing leaves unencrypted" nothing_in_clear
