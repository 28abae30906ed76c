#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Rekeys, which must never be taken for a failure: of CHILD_SAs and IKE_SAs, by one
# side and by both at once, with loss and reordering, under traffic in both
# directions. Peers that go on using the old SPI: see late.sh.
# REKEYS, IKE_REKEYS: how many (10000, 1000); TUNNELS: over how many (20).
# GROUP: 1 is the first half of those of CHILD_SAs, 2 a quarter and IKE_SAs, 3 the last
# quarter; else all.
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

table_start()
{
	use_lab many "A B"
}

lab_modules
cases=()
[ "${GROUP:-1}" != 1 ] || cases+=("rekeys of CHILD_SAs by either side" by_turns)
[ "${GROUP:-2}" != 2 ] || cases+=(
	"collisions: rekeys by both sides at once" collisions
	"rekeys of IKE_SAs and CHILD_SAs together" ike_rekeys)
[ "${GROUP:-3}" != 3 ] || cases+=("so on a bad line" bad_line)
ktap_main "$LAB_TUNNELS tunnels are up, helpers on both sides" table_start "${cases[@]}"
