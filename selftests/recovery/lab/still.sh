# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What looks like a failure and is none, or must be left alone: still_NAME, which watches
# itself, and mend_NAME. Sourced after faults.sh. They set
#	$watched_spi	the helper must have said something of it
#	$hurt		children whose packets are lost meanwhile
#	$actions_wanted	if not 0
# 9 s: SAs that ended in order are looked at again 6 s after their end.
WATCH=${WATCH:-9}

# replayed SPI - as if somebody sent packets to it all the time
replayed()
{
	forge "$1" 1 $((WATCH * 12)) 80
}

# strange_spi - one that is not ours, and another one in each trial: of a flow that goes
# on the helper says nothing twice
strange_spi()
{
	printf -v watched_spi '0x%08x' $((0x5eed1234 + trial))
}

still_unknown_spi()
{
	strange_spi
	replayed $watched_spi
}

# settle - before the next trial, else the helper may not have seen what pluto, which is
# asked, had for a moment, nor written down what it would know after a power failure
settle()	{ pause 2; }

# closed_by NODE
closed_by()
{
	hurt=net2 watched_spi=$(spi_in A net2)
	untrap net2
	end_child "$1" net2 || return
	replayed "$watched_spi"
	# and stays so
	expect "A's SAs" "1 net" "$(tunnel_state)"
}

still_closed_here()
{
	closed_by A
}
mend_closed_here()
{
	must initiate $LAB_INITIATOR net2
	trap_again net2
	settle
}

still_closed_by_peer()
{
	closed_by B
}
mend_closed_by_peer()	{ mend_closed_here; }

# The whole IKE_SA, by hand.
still_terminated()
{
	hurt=$LAB_CHILDREN watched_spi=$(spi_in A net)
	untrap "$LAB_CHILDREN"
	end_ike A || return
	replayed "$watched_spi"
	# pluto may keep an IKE_SA that has no child
	expect_match "A's SAs" '^[01]$' "$(tunnel_state)"
}
mend_terminated()
{
	tunnel_up
	trap_again "$LAB_CHILDREN"
	settle
}

# B never learns of it and goes on sending.
still_terminated_lost()
{
	hurt=$LAB_CHILDREN watched_spi=$(spi_in A net)
	between 'udp dport { 500, 4500 } drop'
	end_ike A 1000
	wait_until 30 0.1 no_ike_sa || return
	between_not
	pause "$WATCH"
}
mend_terminated_lost()	{ tunnel_up; }

still_held()
{
	hurt=$(one_child)
	must helper_ask A hold add "$(conn_of A "$hurt")" reason "work on the line"
	fault_inbound_lost "$hurt"
	watched_spi=$lost_spi
	pause "$WATCH"
}
mend_held()
{
	must helper_ask A hold del "$(conn_of A "$hurt")"
	all_delivered 20000 || fail "not healed after the end of the hold: $undelivered"
}

# The IKE daemon is back, but nobody has loaded its connections.
still_not_loaded()
{
	hurt=$LAB_CHILDREN watched_spi=$(spi_in A net)
	fault_power_off
	helper_start A
	daemon_start A
	pause "$WATCH"
}
mend_not_loaded()
{
	daemon_load A
	all_delivered 20000 || fail "not healed after the connections are loaded: $undelivered"
	settle
}

# It has connections, but that one is none of them any more.
still_unloaded()
{
	hurt=$LAB_CHILDREN watched_spi=$(spi_in A net)
	fault_power_off
	if is_pluto A; then
		sed -i 's/^conn /conn other-/; s/right=.*/right=192.0.2.99/' "$LAB/A/ipsec.conf"
	else
		sed -i 's/^\(\t*\)gw {/\1other {/; s/remote_addrs = .*/remote_addrs = 192.0.2.99/' \
			"$LAB/A/swanctl.conf"
	fi
	power_on
	pause "$WATCH"
}
mend_unloaded()
{
	lab_configure A
	mend_not_loaded
}

still_no_daemon()
{
	local before lost n

	hurt=$LAB_CHILDREN watched_spi=$(spi_in A net)
	before=$(dropped A)
	daemon_stop A KILL
	flush A
	pause "$WATCH"
	lost=$(($(dropped A) - before))
	n=$(flow_packets "$watched_spi")
	# one child of two sends as much as the other
	expect_num "packets dropped without an IKE daemon" "$lost" -ge 20
	expect_num "... and counted of one child of two" "$n" -ge $((lost / 3))
}
mend_no_daemon()
{
	daemon_start A
	mend_not_loaded
}

# The kernel keeps its SAs: nobody has lost anything.
still_daemon_kept()
{
	daemon_restarts
	pause "$WATCH"
}
mend_daemon_kept()	{ tunnel_up; }

# Nothing but an SA that the operator, or another program, made.
still_other_keyer()
{
	strange_spi
	must ip -n "$A" xfrm state add src 192.0.2.2 dst 192.0.2.1 proto esp spi $watched_spi \
		mode tunnel enc 'ecb(cipher_null)' '' auth-trunc 'hmac(sha256)' \
		0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 128
	pause 0.5
	must ip -n "$A" xfrm state delete dst 192.0.2.1 proto esp spi $watched_spi
	replayed $watched_spi
}

# What comes to A's address goes to another one of A's.
still_dnat()
{
	hurt=$LAB_CHILDREN watched_spi=$(spi_in A net)
	on "$A" nft -f - <<-'N' || return
		table ip moved {
			chain pre {
				type filter hook prerouting priority raw
				ip protocol esp ip daddr set 192.0.2.12
			}
		}
	N
	pause "$WATCH"
}
mend_dnat()
{
	on "$A" nft delete table ip moved
	all_delivered 20000 || fail "dead without the rule, too: $undelivered"
	other_spis
}

# other_spis - for the next trial: of a flow that goes on the helper says nothing twice
other_spis()
{
	local c old

	for c in $LAB_CHILDREN; do
		old=$(spi_in A "$c")
		must ask A rekey child="$c"
		wait_until 20 0.1 has_other_spi "$c" "$old" || fail "$c is not rekeyed: $(sas A)"
	done
}

# Only what a rule marks has an SA, and the rule goes.
still_other_mark()
{
	hurt=$LAB_CHILDREN watched_spi=$(spi_in A net)
	must on "$A" nft delete table inet marks
	pause "$WATCH"
}
mend_other_mark()
{
	mark_esp
	all_delivered 20000 || fail "dead with the mark, too: $undelivered"
	other_spis
}

# The socket leads to a daemon in another namespace.
still_foreign_vici()
{
	hurt=$(one_child)
	helper_stop A
	helper_start A --vici "$LAB/B/vici"
	helper_ready A
	fault_inbound_lost "$hurt"
	watched_spi=$lost_spi
	pause "$WATCH"
}
mend_foreign_vici()
{
	helper_stop A
	helper_start A
	helper_ready A
	all_delivered 20000 || fail "not healed with the right socket: $undelivered"
}

# A's daemon says nothing for a while, just when it is asked.
still_vici_silent()
{
	hurt=$(one_child) actions_wanted=1
	watched_spi=$(spi_in A "$hurt")
	kill -STOP "${DAEMON_PID[A]}"
	fault_inbound_lost "$hurt" "$watched_spi"
	pause "$WATCH"
	expect "actions while A's daemon is silent" "" "$(actions_since "$said_mark")"
	kill -CONT "${DAEMON_PID[A]}"
	delivered "$hurt:B-A" "$fault_us" 20000 || fail "not healed after the daemon speaks"
	pause 1
}

# No exchange is added while one is unanswered.
still_slow_responder()
{
	hurt=$(one_child) actions_wanted=1
	kill -STOP "${DAEMON_PID[B]}"
	fault_inbound_lost "$hurt"
	watched_spi=$lost_spi
	pause 5
	kill -CONT "${DAEMON_PID[B]}"
	delivered "$hurt:B-A" "$fault_us" 20000 || fail "not healed after the peer answers"
	pause 2
}

# The packets go on, the peer does not: attempts, further and further apart, until
# the helper gives up and says so. give_up is $GIVE_UP in that configuration.
still_peer_gone()
{
	fault_power_off B
	peer_silent
}
mend_peer_gone()
{
	daemon_start B
	daemon_load B
	between_not
	tunnel_up
}

# B's IKE daemon died, and its kernel goes on sending.
still_peer_daemon()
{
	daemon_stop B KILL
	peer_silent
}
mend_peer_daemon()
{
	ip -n "$B" xfrm state flush
	ip -n "$B" xfrm policy flush
	mend_peer_gone
}

peer_silent()
{
	local n forger

	hurt=$LAB_CHILDREN watched_spi=$(spi_in A net) actions_wanted=$GIVE_UP
	between 'udp dport { 500, 4500 } drop'
	fault_reboot 0.2
	forge "$watched_spi" 100000 2000 30 &
	forger=$!
	NS_PIDS+=($!)
	wait_until 60 0.2 helper_said 'ALERT: gave up on (gw|net)' || fail "the helper does not give up"
	pause 5
	stop $forger
	stamp
	n=$(ike_sent "$fault_us" "$now_us" '$8 == 34')
	# charon repeats it after 4 s, pluto after 0.5, 0.5, 1 and 2 s
	expect_num "IKE_SA_INITs of A" "$n" -le $(($(is_pluto A && echo 5 || echo 3) * GIVE_UP))
	expect "alerts" 1 "$(helper_said 'ALERT: gave up on (gw|net)' | wc -l)"
}

# The helper has no history, the peer sends and does not answer: one attempt a minute,
# of three datagrams at most.
still_unknown_silent()
{
	local n

	hurt=$LAB_CHILDREN watched_spi=$(spi_in A net) actions_wanted=1
	between 'udp dport { 500, 4500 } drop'
	fault_power_off
	rm -rf "$LAB/A/state"
	mkdir "$LAB/A/state"
	power_on
	wait_until 30 0.1 helper_said 'no_history: initiating' || fail "nothing is initiated"
	pause 12
	stamp
	n=$(ike_sent "$fault_us" "$now_us" '$8 == 34')
	note "$n IKE_SA_INITs"
	expect_num "IKE_SA_INITs of A" "$n" -ge 1
	expect_num "IKE_SA_INITs of A" "$n" -le 3
}
mend_unknown_silent()
{
	between_not
	tunnel_up
	settle
}

# An on-demand child that is down, and nobody who wants to send.
still_on_demand()
{
	watched_spi=$(spi_in A net)
	end_child B net || return
	replayed "$watched_spi"
	# pluto does not keep an IKE_SA that has no child
	expect "A's SAs" "$(is_pluto B && echo 0 || echo 1)" "$(tunnel_state)"
}
mend_on_demand()	{ tunnel_up; }

# An IKE_SA that has no child.
still_childless()
{
	strange_spi
	replayed $watched_spi
	expect "A's SAs" "1" "$(tunnel_state)"
}

# A's address changes, while packets to the old one are under way, which A still
# has, too.
still_mobike()
{
	local old=192.0.2.1 new=192.0.2.11

	[ $((trial % 2)) = 1 ] || { old=192.0.2.11 new=192.0.2.1; }
	hurt=$LAB_CHILDREN watched_spi=$(spi_in A net)
	slow_esp 1500
	pause 2
	must ip -n "$A" address add $new/24 dev eth0
	must ip -n "$A" address del $old/24 dev eth0
	must ip -n "$A" address add $old/32 dev lo
	wait_until 15 0.1 a_is_at $new || return
	pause "$WATCH"
	must tc -n "$W" qdisc del dev pa root
	must ip -n "$A" address del $old/32 dev lo
	all_delivered 20000 || fail "dead after the move: $undelivered"
}

a_is_at()
{
	ask A list-sas | grep -q "\.local-host=$1$"
}

# What charon lists is in no kernel, and never was.
still_libipsec()
{
	replayed "$(spi_in A net)"
	expect_match "the helper's status" foreign "$(helper_ask A status)"
}

# A gateway cannot bring a client back: the client has to, who does not know.
still_client_gone()
{
	local why

	hurt=$LAB_CHILDREN watched_spi=$(spi_in A net)
	fault_reboot 0.5
	pause "$WATCH"
	why=$(helper_ask A explain spi "$watched_spi")
	note "explain: $why"
}
mend_client_gone()
{
	ask B terminate ike=gw force=yes timeout=1000 >/dev/null
	tunnel_up
}
