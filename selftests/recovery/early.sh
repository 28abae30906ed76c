#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Healed before the first drop: nothing is sent through the tunnel while A's
# kernel loses its SAs. And what charon itself does to its SAs, which looks the same
# for a moment, must provoke nothing.
# TRIALS: how often each of the two losses (3).
cd "$(dirname "$0")" || exit 1
. lab/lab.sh
. lab/judge.sh

TRIALS=${TRIALS:-3}

spis()
{
	echo "$(spi_in A net) $(spi_in A net2)"
}

# renewed SPI... - whether A's children are both up with other SPIs than these
renewed()
{
	local now s

	[ "$(tunnel_state)" = "1 net net2" ] || return
	now=" $(spis) "
	for s; do
		[[ "$now" != *" $s "* ]] || return
	done
}

helper_mended()
{
	[ "$(helper_said 'mended gw/|healed gw/' | grep -c 'before the first drop')" -ge "$1" ]
}

# idle_loss WHAT NUMBER COMMAND... - the command takes that many SAs of A
idle_loss()
{
	local what=$1 n=$2 lost before

	shift 2
	before=$(dropped A)
	lost=$(spis)
	[ "$n" = 2 ] || lost=${lost% *}
	said_mark=$(log_mark A invspid)
	stamp
	from=$now_us
	must "$@"
	pause 2
	# shellcheck disable=SC2086 # two words
	renewed $lost || fail "$what: not healed after 2 s: lost $lost, there are $(spis)"
	streams_start
	all_delivered 10000 || fail "$what: $undelivered delivers nothing"
	expect "$what: growth of XfrmInNoStates" 0 $(($(dropped A) - before))
	wait_until 15 0.2 helper_mended "$n" || fail "$what: the helper does not say so"
	expect "$what: rekeys" "$n" "$(actions_since "$said_mark" | grep -c rekeying)"
	expect "$what: initiations" 0 "$(ike_sent "$from" 9e18 '$8 == 34')"
	streams_stop
	[ -z "${ktap_bad:-}" ] || { note "$(log_since A invspid "$said_mark")"; lab_logs 20; }
}

flushed()
{
	local i

	for ((i = 1; i <= TRIALS; i++)); do
		idle_loss "flush $i" 2 ip -n "$A" xfrm state flush
	done
}

one_lost()
{
	local i

	for ((i = 1; i <= TRIALS; i++)); do
		idle_loss "one SA $i" 1 ip -n "$A" xfrm state delete dst "${LAB_OUTER[A]}" \
			proto esp spi "$(spi_in A net)"
	done
}

# quiet_for SECONDS WHAT - the helper does nothing
quiet_for()
{
	pause "$1"
	expect "$2: actions" "" "$(actions_since "$said_mark")"
}

own_doings()
{
	said_mark=$(log_mark A invspid)
	must ask A rekey child=net
	quiet_for 8 "rekey of a child"
	must ask B rekey child=net2
	quiet_for 8 "rekey by the peer"
	must ask A rekey ike=gw
	quiet_for 2 "rekey of the IKE_SA"
	must ask B terminate child=net2 timeout=5000
	quiet_for 2 "a child closed by the peer"
	must ask A initiate ike=gw child=net2 timeout=10000
	must ask A terminate child=net2 timeout=5000
	quiet_for 2 "a child closed by hand"
	must ask A terminate ike=gw timeout=5000
	quiet_for 3 "an IKE_SA closed by hand"
	expect "A's SAs" "0" "$(tunnel_state)"
}

# SAs that live for seconds: charon rekeys, deletes, and lets expire, all the time.
short_lives()
{
	local before

	LAB_CHILD=$'rekey_time = 4s\nlife_time = 6s'
	lab_again
	LAB_CHILD=
	helper_start A
	helper_ready A
	wait_until 15 0.1 helper_settled || fail "invspid is not ready: $waited"
	before=$(spis)
	said_mark=$(log_mark A invspid)
	quiet_for 25 "SAs that live for 6 s"
	[ "$(spis)" != "$before" ] || fail "charon has not rekeyed: $(sas A)"
}

lab_up
monitor_start
helper_start A
helper_ready A
wait_until 15 0.1 helper_settled || fail "invspid is not ready: $waited"
ktap_main \
	"all SAs flushed while the tunnel is idle" flushed \
	"one inbound SA lost while the tunnel is idle" one_lost \
	"what charon does itself provokes nothing" own_doings \
	"nor do SAs that live for seconds" short_lives
