#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What is done beyond the certain cases: a child that should be up is down while
# the IKE_SA is there; the peer goes on with an SA that was rekeyed; the peer
# refuses to rekey, and what the operator lets us interrupt then.
cd "$(dirname "$0")" || exit 1
. lab/lab.sh
. lab/judge.sh

# begin - the helper of A as it is to be, with these lines in its configuration
begin()
{
	LAB_HELPER_A=$(printf '%s\n' "$@")
	said_mark=$(log_mark A invspid)
	stamp
	from=$now_us
	helper_start A
	LAB_HELPER_A=
	helper_ready A
	wait_until 15 0.1 helper_settled || fail "invspid is not ready: $waited"
}

why()
{
	note "$(log_since A invspid "$said_mark")"
	lab_logs 25
}

# A is rebooted, somebody brings up one child of two, and B (unique = never) goes on
# sending on the other one.
child_down()
{
	LAB_CONN="unique = never"
	lab_again
	LAB_CONN=
	begin
	streams_start
	all_delivered 10000 || fail "before: $undelivered is dead"
	# it has to be in the history
	wait_until 20 0.2 helper_knows || fail "the helper lists no SAs"
	pause 1
	fault_power_off
	charon_start A
	charon_load A
	must ask A initiate ike=gw child=net timeout=10000
	begin
	delivered net2:B-A "$from" 20000 || { fail "net2 is not healed"; why; }
	helper_said 'initiating CHILD_SA net2' >/dev/null || { fail "it was not the helper"; why; }
	expect "actions" 1 "$(actions_since "$said_mark" | wc -l)"
	streams_stop
}

# B's kernel goes on with the SA out that a rekey has replaced, as a peer does that
# did not get the DELETE and does not care for the rekey.
zombie()
{
	local old key reqid prio out

	lab_again
	begin
	streams_start
	all_delivered 10000 || fail "before: $undelivered is dead"
	old=$(spi_in A net)
	key=$(ip -n "$B" xfrm state get dst "${LAB_OUTER[A]}" proto esp spi "$old" |
		awk '$1 == "aead" { print $3 }')
	reqid=$(ip -n "$B" xfrm state get dst "${LAB_OUTER[A]}" proto esp spi "$old" |
		awk '{ for (i = 1; i < NF; i++) if ($i == "reqid") print $(i + 1) }')
	must ask A rekey child=net
	wait_until 15 0.1 has_other_spi net "$old" || fail "not rekeyed"
	# late packets are normal for 13 s after it came up
	pause 15
	prio=$(ip -n "$B" xfrm policy get src 10.2.0.0/16 dst 10.1.0.0/16 dir out |
		awk '$3 == "priority" { print $4 }')
	out=$(spi_out B net)
	must ip -n "$B" xfrm state add src "${LAB_OUTER[B]}" dst "${LAB_OUTER[A]}" proto esp \
		spi "$old" reqid "$reqid" mode tunnel flag af-unspec \
		aead 'rfc4106(gcm(aes))' "$key" 128
	must ip -n "$B" xfrm policy update src 10.2.0.0/16 dst 10.1.0.0/16 dir out \
		priority "$prio" tmpl src "${LAB_OUTER[B]}" dst "${LAB_OUTER[A]}" proto esp \
		spi "$old" reqid "$reqid" mode tunnel
	must ip -n "$B" xfrm state delete dst "${LAB_OUTER[A]}" proto esp spi "$out"
	stamp
	from=$now_us
	said_mark=$(log_mark A invspid)
	delivered net:B-A "$from" 20000 || { fail "net is not healed"; why; }
	expect "rekeys" 1 "$(actions_since "$said_mark" | grep -c 'ours_gone: rekeying CHILD_SA net{')"
	pause 5
	expect "actions" 1 "$(actions_since "$said_mark" | wc -l)"
	streams_stop
}

# The proposals of the two do not agree on a group for a rekey; in IKE_AUTH there is
# none, so that the first child comes up all the same.
mismatch()
{
	tunnel_up() { must ask A initiate ike=gw child=net timeout=20000; }
	LAB_CHILD_A='esp_proposals = aes128gcm16-modp2048'
	LAB_CHILD_B='esp_proposals = aes128gcm16-curve25519'
	lab_again
	LAB_CHILD_A=
	LAB_CHILD_B=
}

pings_start()
{
	on "$HB" ping -i 0.1 10.1.0.10 >/dev/null 2>&1 &
	ping_pid=$!
	NS_PIDS+=($!)
}

pings()
{
	on "$HB" ping -c 1 -W 1 10.1.0.10 >/dev/null 2>&1
}

interruptions()
{
	log_since A invspid "$said_mark" | grep -o 'interrupting .*' || :
}

never_interrupted()
{
	mismatch
	begin "allow_gap = yes"
	pings_start
	wait_until 10 0.1 pings || fail "no tunnel"
	fault_inbound_lost net
	wait_until 30 0.2 helper_said 'refused it' || fail "the rekey was not refused"
	pause 8
	pings && fail "healed without anybody's doing"
	expect "interruptions" "" "$(interruptions)"
	expect_num "rekeys tried" "$(actions_since "$said_mark" | wc -l)" -ge 2
	expect "IKE_SA_INITs of A" 0 "$(ike_sent "$from" 9e18 '$8 == 34')"
	stop "$ping_pid"
	[ -z "${ktap_bad:-}" ] || why
}

# Both have been given proposals that agree, but the SA is from before.
child_interrupted()
{
	mismatch
	lab_configure A
	lab_configure B
	charon_load A
	charon_load B
	begin "disruptive = child" "allow_gap = yes"
	pings_start
	wait_until 10 0.1 pings || fail "no tunnel"
	fault_inbound_lost net
	wait_until 40 0.2 pings || fail "not healed: $waited"
	expect_match "interruptions" '^interrupting gw/net \(recreate\)' "$(interruptions)"
	expect "number of them" 1 "$(interruptions | wc -l)"
	expect "IKE_SA_INITs of A" 0 "$(ike_sent "$from" 9e18 '$8 == 34')"
	stop "$ping_pid"
	[ -z "${ktap_bad:-}" ] || why
}

# Without allow_gap: there is no trap or block policy, so nothing is interrupted;
# with a policy that blocks there is no gap.
gap()
{
	mismatch
	lab_configure A
	lab_configure B
	charon_load A
	charon_load B
	begin "disruptive = child"
	pings_start
	wait_until 10 0.1 pings || fail "no tunnel"
	fault_inbound_lost net
	wait_until 30 0.2 helper_said 'packets could leave in clear' || fail "not told: $waited"
	expect "interruptions" "" "$(interruptions)"
	must ip -n "$A" xfrm policy add src 10.1.0.0/16 dst 10.2.0.0/15 dir out action block \
		priority 4000000
	wait_until 60 0.2 pings || fail "not healed with a block policy: $waited"
	expect "number of interruptions" 1 "$(interruptions | wc -l)"
	stop "$ping_pid"
	[ -z "${ktap_bad:-}" ] || why
}

ike_interrupted()
{
	mismatch
	begin "disruptive = ike" "allow_gap = yes" "disruptive_ms = 1s"
	pings_start
	wait_until 10 0.1 pings || fail "no tunnel"
	fault_inbound_lost net
	wait_until 60 0.2 pings || fail "not healed: $waited"
	note "$(interruptions)"
	expect_match "the last interruption" 'restart' "$(interruptions | tail -n 1)"
	stop "$ping_pid"
	[ -z "${ktap_bad:-}" ] || why
}

# What was made anew carries nothing, so that it is not known to have helped; then it is
# lost, too.
reauthenticated()
{
	mismatch
	begin "disruptive = ike" "allow_gap = yes" "disruptive_ms = 1s"
	fault_inbound_lost net
	wait_until 60 0.2 helper_said 'interrupting gw/net \(restart\)' || fail "not restarted: $waited"
	wait_until 30 0.2 child_there net || fail "not up again: $waited"
	pause 5
	said_mark=$(log_mark A invspid)
	fault_inbound_lost net
	wait_until 60 0.2 helper_said 'interrupting gw/net' || fail "not interrupted: $waited"
	wait_until 30 0.2 child_there net || fail "not up again: $waited"
	note "$(interruptions)"
	expect_match "the first interruption" 'reauth' "$(interruptions | head -n 1)"
	pings_start
	wait_until 20 0.1 pings || fail "not healed: $waited"
	stop "$ping_pid"
	[ -z "${ktap_bad:-}" ] || why
}

lab_up
monitor_start
ktap_main \
	"a child that should be up is down, the IKE_SA is not" child_down \
	"the peer goes on with an SA that was rekeyed" zombie \
	"a refused rekey, nothing may be interrupted" never_interrupted \
	"a refused rekey, the child may be interrupted" child_interrupted \
	"a refused rekey, and what could leave in clear" gap \
	"a refused rekey, the IKE_SA may be interrupted" ike_interrupted \
	"... and what was made anew is lost, too" reauthenticated
