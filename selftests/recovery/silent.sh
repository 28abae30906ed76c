#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Gateway A reboots while the peer's IKE daemon is stuck: B's kernel goes on
# sending, nobody answers A's IKE. Each attempt ends without a trace, costs a few
# datagrams, and the next one comes later; when B's daemon is back, it heals.
cd "$(dirname "$0")" || exit 1
. lab/lab.sh
. lab/judge.sh

ATTEMPTS=3

failed_attempts()
{
	log_since A invspid "$said_mark" | grep -c 'the peer does not answer'
}

attempts_failed()
{
	[ "$(failed_attempts)" -ge "$1" ]
}

# half_made ATTEMPT - prints A's half-open IKE_SAs of that attempt and of those
# before: each makes one, and the next attempt may have begun already
half_made()
{
	on "$A" env STRONGSWAN_CONF="$LAB/A/strongswan.conf" swanctl --list-sas \
		--uri "unix://$LAB/A/vici" 2>/dev/null |
		awk -v most="$1" '/CONNECTING/ && substr($2, 2) + 0 <= most'
}

none_half_made()
{
	[ -z "$(half_made "$1")" ]
}

peer_stuck()
{
	local i n

	helper_start A
	helper_ready A
	wait_until 15 0.1 helper_settled || fail "invspid is not ready: $waited"
	all_delivered 10000 || fail "the tunnel is not up: $undelivered"
	kill -STOP "${DAEMON_PID[B]}" || fail "B's charon is not there"
	said_mark=$(log_mark A invspid)
	fault_reboot 0.5
	for ((i = 1; i <= ATTEMPTS; i++)); do
		wait_until 40 0.1 attempts_failed $i || {
			fail "attempt $i did not end: $waited"
			note "$(log_since A invspid "$said_mark")"
			return
		}
		wait_until 4 0.1 none_half_made $i || fail "attempt $i left behind: $(half_made $i)"
	done
	n=$(ike_sent "$fault_us" "" '$8 == 34')
	note "$(log_since A invspid "$said_mark")"
	note "$n IKE_SA_INITs in $(actions_since "$said_mark" | wc -l) attempts"
	expect_num "IKE_SA_INITs of A" "$n" -le $((3 * (ATTEMPTS + 1)))
}

later_each_time()
{
	local gaps

	gaps=$(log_since A invspid "$said_mark" | awk '/: initiating CHILD_SA/ {
			split(substr($1, 12, 12), t, /[:Z]/); s = t[1] * 3600 + t[2] * 60 + t[3]
			if (n++) printf "%s%.1f", (n > 2 ? " " : ""), s - last
			last = s
		}')
	note "seconds from attempt to attempt: $gaps"
	# five for the attempt itself; the pause doubles, more or less a quarter
	expect "attempts each later than the one before" 1 \
		"$(awk '{ ok = NF >= 1; for (i = 2; i <= NF; i++) ok = ok && $i > $(i - 1) - 0.5 } END { print ok + 0 }' <<<"$gaps")"
}

heals_when_back()
{
	kill -CONT "${DAEMON_PID[B]}"
	stamp
	delivered net:B-A "$now_us" 60000 || {
		fail "not healed in 60 s after B's daemon is back"
		note "$(log_since A invspid "$said_mark")"
	}
	all_delivered 20000 || fail "still dead: $undelivered"
	expect_healthy "at the end"
}

lab_up
monitor_start
streams_start
ktap_main \
	"a peer that does not answer: every attempt ends, and leaves nothing" peer_stuck \
	"each attempt is later than the one before" later_each_time \
	"healed when the peer's daemon is back" heals_when_back
