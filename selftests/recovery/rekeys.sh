#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Rekeys, which must never be taken for a failure: of CHILD_SAs and IKE_SAs, by one
# side and by both at once, with loss and reordering, under traffic in both
# directions. And peers that go on using the old SPI.
# REKEYS, IKE_REKEYS: how many (10000, 1000); TUNNELS: over how many (20).
cd "$(dirname "$0")" || exit 1
LAB_INTERVAL_MS=${LAB_INTERVAL_MS:-200}
. lab/lab.sh
. lab/judge.sh
. lab/configs.sh
. lab/many.sh
. lab/matrix.sh

REKEYS=${REKEYS:-10000}
IKE_REKEYS=${IKE_REKEYS:-1000}
LAB_TUNNELS=${TUNNELS:-20}

# done_since WHAT - how many there were since $charon_mark
rekeys_since()
{
	log_since A charon "$charon_mark" | grep -c "$1"
}

at_least()
{
	rekeyed=$(rekeys_since "$1")
	[ "$rekeyed" -ge "$2" ]
}

# idle - whether no exchange is under way
idle()
{
	! { sas A; sas B; } | awk '$10 != "-" || $6 !~ /^(INSTALLED|DELETED)$/ { bad = 1 } END { exit !bad }'
}

begin()
{
	mark_helpers
	charon_mark=$(log_mark A charon)
	stamp
	from=$now_us
}

# verdict WHAT - not one action of the helpers
verdict()
{
	local actions lost

	wait_until 60 0.5 idle || note "$1: exchanges go on: $(sas A | grep -v -- '-$' | head -n 3)"
	pause 2
	actions=$(helpers_said ': (rekeying|initiating) CHILD_SA ')
	expect "$1: actions of the helpers" "" "$actions" || note "$(helpers_said . | tail -n 30)"
	lost=$(probe report "$LAB/probe" "$from" | awk '{ s += $3; l += $7 } END { print l + 0 " of " s + 0 }')
	note "$1: lost $lost packets; A: $(xstat A); B: $(xstat B)"
	all_delivered 20000 || { fail "$1: $undelivered is dead afterwards"; lab_logs 40; }
	expect "$1: tunnels up afterwards" yes "$(installed "$LAB_TUNNELS" && echo yes || sas A)"
}

# rekey_children N NODE... - until there were so many more; all of a node with one
# request
rekey_children()
{
	local n=$1 c

	shift
	begin
	while ! at_least 'outbound CHILD_SA .* established' "$n"; do
		[ $((rekeyed - told)) -lt 1000 ] || { told=$rekeyed; note "$rekeyed rekeys"; }
		for c; do
			ask "$c" rekey child=net >/dev/null &
		done
		wait_asked
		wait_until 10 0.1 idle
	done
}

wait_asked()
{
	local p

	for p in $(jobs -rp); do
		[[ " ${NS_PIDS[*]} " == *" $p "* ]] || wait "$p"
	done
}

by_turns()
{
	local told=0 half=$((REKEYS / 4))

	rekey_children $half A
	verdict "$rekeyed rekeys by A"
	told=0
	rekey_children $half B
	verdict "$rekeyed rekeys by B"
}

collisions()
{
	local told=0

	rekey_children $((REKEYS / 4)) A B
	verdict "$rekeyed rekeys by both at once"
}

bad_line()
{
	local told=0

	must tc -n "$W" qdisc add dev pa root netem delay 20ms 10ms reorder 25% 50% loss 1%
	must tc -n "$W" qdisc add dev pb root netem delay 20ms 10ms reorder 25% 50% loss 1%
	rekey_children $((REKEYS / 4)) A B
	verdict "$rekeyed rekeys by both at once, 1 % lost, a quarter reordered"
	must tc -n "$W" qdisc del dev pa root
	must tc -n "$W" qdisc del dev pb root
}

# IKE_SAs and CHILD_SAs at the same time.
ike_rekeys()
{
	local i told=0

	begin
	while ! at_least 'IKE_SA gw.* rekeyed between' "$IKE_REKEYS"; do
		[ $((rekeyed - told)) -lt 100 ] || { told=$rekeyed; note "$rekeyed rekeys of IKE_SAs"; }
		for ((i = 1; i <= LAB_TUNNELS; i++)); do
			ask "$([ $((i % 2)) = 0 ] && echo A || echo B)" rekey ike=gw$i >/dev/null
		done
		ask A rekey child=net >/dev/null
		wait_until 10 0.1 idle
	done
	verdict "$rekeyed rekeys of IKE_SAs"
}

# late_peer DELAY-MS CHARON - ESP of B takes so long; A deletes rekeyed SAs as CHARON
# says
late_peer()
{
	local drops

	LAB_CHARON_A=$2
	lab_down
	lab_now=''
	config_again() { config_static; LAB_CHARON_A=$late_charon; }
	late_charon=$2
	use_lab again || return
	must tc -n "$W" qdisc add dev pa root handle 1: prio
	must tc -n "$W" qdisc add dev pa parent 1:3 handle 30: netem delay "$1ms" limit 5000
	must tc -n "$W" filter add dev pa parent 1: protocol ip u32 match ip protocol 50 0xff flowid 1:3
	pause $(($1 / 1000 + 2))
	mark_helpers
	drops=$(dropped A)
	for s in A B A B; do
		ask $s rekey child=net >/dev/null
		# the new SA has to be in use before it is replaced
		pause $(($1 / 1000 + 3))
	done
	pause 3
	drops=$(($(dropped A) - drops))
	note "$1 ms late: $drops packets for SAs that A had deleted: $(helpers_said 'flow .* spi' | sed 's/.*spi 0x[0-9a-f]*[^:]*: //' | sort | uniq -c | tr '\n' '|')"
	expect_num "growth of XfrmInNoStates" "$drops" -ge 10
	expect "actions of the helper" "" "$(helpers_said ': (rekeying|initiating) CHILD_SA ')"
}

late_undelayed()	{ late_peer 3000 'delete_rekeyed_delay = 0'; }
late_default()		{ late_peer 8000 ''; }

table_start()
{
	use_lab many "A B"
}

lab_modules
ktap_main \
	"$LAB_TUNNELS tunnels are up, helpers on both sides" table_start \
	"rekeys of CHILD_SAs by either side" by_turns \
	"collisions: rekeys by both sides at once" collisions \
	"so on a bad line" bad_line \
	"rekeys of IKE_SAs and CHILD_SAs together" ike_rekeys \
	"delete_rekeyed_delay = 0, and a peer that uses the old SPI for 3 s" late_undelayed \
	"the default, and a peer that uses the old SPI for 8 s" late_default
