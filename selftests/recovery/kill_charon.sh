#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# charon is killed (SIGKILL) at random moments around a loss of SAs, and started
# again by what watches over it. Its SAs stay in the kernel, or not (half of the
# time): what is dead is healed, once. What still works, because it was healed
# before the end and the kernel kept it, is nobody's business.
# MOMENTS (25) and SEED: see lab/kills.sh.
# FRESH: how often it is killed right after it has made new SAs (4).
cd "$(dirname "$0")" || exit 1
. lab/lab.sh
. lab/judge.sh
. lab/kills.sh

FRESH=${FRESH:-4}
twice=0 fresh_healed=0

# up_again - asks for what is missing; whether all is up
up_again()
{
	local c

	for c in net net2; do
		[ -n "$(spi_in A $c)" ] || ask A initiate ike=gw child=$c timeout=5000 >/dev/null
	done
	settled_again "1 net net2"
}

moment()
{
	local flush=$((RANDOM % 2)) what inits spi

	all_delivered 10000 || { fail "moment $1: $undelivered is dead before"; return 1; }
	# the helper may be about to do the same, and of two one is refused
	wait_until 20 0.2 up_again || { fail "moment $1: not up before: $(tunnel_state)"; return 1; }
	said_mark=$(log_mark A invspid)
	# asked for before, because charon may be dead when the fault comes
	spi=$(spi_in A net)
	schedule 1500
	stamp
	from=$now_us
	if [ "$kill_at" -lt "$fault_at" ]; then
		at "$kill_at"
		charon_stop A KILL
		at "$fault_at"
		fault_inbound_lost net "$spi"
	else
		at "$fault_at"
		fault_inbound_lost net "$spi"
		at "$kill_at"
		charon_stop A KILL
	fi
	[ $flush = 0 ] || { ip -n "$A" xfrm state flush; ip -n "$A" xfrm policy flush; }
	at $((kill_at + down_ms * 1000))
	charon_start A
	charon_load A
	kills_since=$loaded_us
	what="moment $1 (killed $(((kill_at - fault_at) / 1000)) ms after the loss, kernel's SAs $([ $flush = 1 ] && echo flushed || echo kept), away for $down_ms ms)"
	healed "$what" "1 net net2$([ $flush = 1 ] || echo '|0')" || return 1
	stamp
	inits=$(ike_sent "$loaded_us" "$now_us" '$8 == 34 && $9 == "request"')
	note "$what: back $(($(delivered net:B-A "$kills_since" 0; echo "$received_us") / 1000 - kills_since / 1000)) ms after charon was loaded"
	[ "$inits" -le 1 ] || {
		twice=$((twice + 1))
		fail "$what: $inits IKE_SA_INITs"
		note "$(log_since A invspid "$said_mark")"
		note "$(awk -v a="$from" '$1 > a && $3 == "ike"' "$LAB/wire")"
	}
}

# auths_answered - how many IKE_AUTH responses A has received
auths_answered()
{
	grep -c ' to ike .* 35 response ' "$LAB/wire"
}

one_more_auth()
{
	[ "$(auths_answered)" -gt "$auths" ]
}

# B has the new SAs by then and sends to their SPIs, which the helper of A may not
# have had the time to see in a listing.
fresh()
{
	local delay=$((RANDOM % 150)) what s

	all_delivered 10000 || { fail "$1: $undelivered is dead before"; return 1; }
	wait_until 20 0.2 up_again || { fail "$1: not up before: $(tunnel_state)"; return 1; }
	said_mark=$(log_mark A invspid)
	auths=$(auths_answered)
	fault_reboot 0.2
	wait_until 30 0.005 one_more_auth || { fail "$1: no IKE_AUTH"; return 1; }
	pause "0.$(printf %03d $delay)"
	charon_stop A KILL
	ip -n "$A" xfrm state flush
	ip -n "$A" xfrm policy flush
	charon_start A
	charon_load A
	kills_since=$loaded_us
	what="new SAs, $1 (killed $delay ms after IKE_AUTH)"
	for s in net:B-A net2:B-A; do
		delivered "$s" "$kills_since" 30000 && continue
		fail "$what: $s is dead after 30 s"
		note "$(log_since A invspid "$said_mark")"
		return 1
	done
	wait_until 15 0.1 settled_again "1 net net2" || fail "$what: A's SAs: $(tunnel_state)"
	note "$what: back $(((received_us - kills_since) / 1000)) ms after charon was loaded"
	fresh_healed=$((fresh_healed + 1))
}

fresh_ones()
{
	each "$FRESH" fresh
	expect "healed" "$FRESH" "$fresh_healed"
}

nothing_twice()
{
	expect "moments with more than one initiation" 0 $twice
	streams_stop
	monitor_stop
	expect "packets of the inner networks on the wire in clear" 0 "$(clear_seen 0)"
}

lab_up
monitor_start
streams_start
helper_start A
helper_ready A
ktap_main \
	"recovery goes on after charon was killed" moments \
	"also if it has just made SAs that nobody has noted" fresh_ones \
	"nothing is done twice" nothing_twice
