#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# invspi recover CONN and invspid --check: the operator wants it now. In mode observe the
# helper does nothing by itself, so that what is done is what was asked for.
cd "$(dirname "$0")" || exit 1
. lab/lab.sh
. lab/judge.sh

# recover WANTED-STATUS REGEX [dry-run] - and what it prints
recover()
{
	local want=$1 regex=$2 out

	shift 2
	said_mark=$(log_mark A invspid)
	out=$(helper_ask A recover gw "$@" 2>&1)
	expect "status of recover gw $*" "$want" $?
	expect_match "what recover gw $* says" "$regex" "${out//$'\n'/ }"
}

nothing_done()
{
	expect "actions" "" "$(actions_since "$said_mark")"
}

# begin - the tunnel anew, and a helper that only looks
begin()
{
	lab_again
	LAB_HELPER_A="mode = observe"
	helper_start A
	LAB_HELPER_A=
	helper_ready A
	wait_until 15 0.1 helper_settled || fail "invspid is not ready: $waited"
	wait_until 20 0.2 helper_knows || fail "its history has no SAs"
}

healthy()
{
	begin
	recover 0 'child net up yes' dry-run
	recover 0 'child net2 up yes'
	nothing_done
	expect "A's SAs" "1 net net2" "$(tunnel_state)"
}

lost()
{
	begin
	streams_start
	all_delivered 10000 || fail "before: $undelivered is dead"
	said_mark=$(log_mark A invspid)
	fault_inbound_lost net
	pause 3
	nothing_done
	recover 0 'rekey' dry-run
	nothing_done
	sa_gone "$lost_spi" || fail "dry-run brought the SA back"
	stamp
	from=$now_us
	recover 0 'healed'
	expect_match "actions" 'lost_in_kernel: rekeying CHILD_SA net\{[0-9]+\}' "$(actions_since "$said_mark")"
	expect "number of them" 1 "$(actions_since "$said_mark" | wc -l)"
	delivered net:B-A "$from" 10000 || fail "the tunnel is dead"
	streams_stop
}

# All at once, and nothing is coming in.
all_lost()
{
	begin
	must ip -n "$A" xfrm state flush
	recover 0 'healed|quiet'
	expect "rekeys" 2 "$(actions_since "$said_mark" | grep -c 'lost_in_kernel: rekeying')"
	wait_until 10 0.1 both_there || fail "not both are there: $(ip -n "$A" xfrm state)"
}

both_there()
{
	child_there net && child_there net2
}

rebooted()
{
	begin
	daemon_stop A KILL
	must ip -n "$A" xfrm state flush
	recover 1 'IKE daemon is not ready'
	nothing_done
	daemon_start A
	daemon_load A
	wait_until 15 0.1 helper_settled || fail "invspid is not ready: $waited"
	said_mark=$(log_mark A invspid)
	pause 3
	nothing_done
	expect "A's SAs" "0" "$(tunnel_state)"
	recover 0 'initiate' dry-run
	nothing_done
	recover 0 'initiate'
	wait_until 10 0.1 eval '[ "$(tunnel_state)" = "1 net net2" ]' || fail "up: $(tunnel_state)"
}

# Whoever has set it may not be the one who types.
on_hold()
{
	begin
	must helper_ask A hold add gw reason maintenance
	fault_inbound_lost net
	pause 1
	recover 1 'hold'
	nothing_done
	must helper_ask A hold del gw
	recover 0 'healed|quiet'
}

refused()
{
	local out

	begin
	out=$(helper_ask A recover nosuch 2>&1)
	expect "status" 1 $?
	expect_match "an unknown connection" "nosuch" "$out"
	out=$(helper_ask A recover 2>&1)
	expect "status" 2 $?
	expect_match "none named" "needs the name of a connection" "$out"
	out=$(helper_ask A recover gw now 2>&1)
	expect "status" 2 $?
	expect_match "another word" "now" "$out"
}

# invspid_of_a OPTION... - with the configuration, the IKE daemon and the history of A's helper
invspid_of_a()
{
	ip netns exec "$A" invspid -c "$LAB/A/invspid.conf" --vici "$LAB/A/vici" \
		--state "$LAB/A/state" "$@" 2>&1
}

checked()
{
	local out

	begin
	out=$(invspid_of_a --check)
	expect "status" 0 $?
	note "$out"
	expect "lines that are fine" 5 "$(grep -c '^ok ' <<<"$out")"
	expect_match "the daemon" 'IKE daemon +strongSwan ready, 1 connection' "$out"
	daemon_stop A KILL
	out=$(invspid_of_a --check)
	expect "status without an IKE daemon" 1 $?
	expect_match "what is missing" 'FAIL +IKE daemon' "$out"
}

daemon_pid()
{
	pgrep -f "^invspid -c $LAB/A/invspid.conf"
}

no_daemon()
{
	! daemon_pid >/dev/null
}

# Without -f it ends when the helper is ready, or has failed and said so.
in_background()
{
	local out pid

	begin
	helper_stop A
	out=$(invspid_of_a --control "$LAB/A/control")
	expect "status" 0 $?
	expect_match "it answers at once" 'mode observe' "$(helper_ask A mode 2>&1)"
	pid=$(daemon_pid)
	expect "its group" "$pid" "$(ps -o sid= -p "$pid" | tr -d ' ')"
	expect "where it is" / "$(readlink "/proc/$pid/cwd")"
	out=$(invspid_of_a --control "$LAB/A/control")
	expect "status of a second one" 1 $?
	expect_match "what that says" 'another invspid' "$out"
	kill "$pid"
	wait_until 10 0.1 no_daemon || fail "it does not end"
}

lab_up
ktap_main \
	"nothing is broken, nothing is done" healthy \
	"an SA lost: shown, then rekeyed" lost \
	"all SAs lost, nothing comes in" all_lost \
	"the IKE daemon gone, then back" rebooted \
	"a hold counts" on_hold \
	"what cannot be asked for" refused \
	"invspid --check" checked \
	"invspid in the background" in_background
