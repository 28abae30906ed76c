# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What goes wrong. Sourced by lab.sh.

# slow_esp MS - ESP takes so much longer on its way to A, IKE does not; until the root
# qdisc of pa is deleted
slow_esp()
{
	must tc -n "$W" qdisc add dev pa root handle 1: prio
	must tc -n "$W" qdisc add dev pa parent 1:3 handle 30: netem delay "$1ms" limit 5000
	must tc -n "$W" filter add dev pa parent 1: protocol ip u32 match ip protocol 50 0xff flowid 1:3
}

# fault_inbound_lost CHILD [SPI] - A's kernel loses the inbound SA, charon does not
# know; sets $lost_spi, and $fault_us: after it nothing of that stream comes through
fault_inbound_lost()
{
	lost_spi=${2:-$(spi_in A "$1")}
	[ -n "$lost_spi" ] || bail_out "A has no CHILD_SA $1: $(sas A)"
	must ip -n "$A" xfrm state delete dst "${LAB_OUTER[A]}" proto $LAB_PROTO spi "$lost_spi"
	stamp
	fault_us=$now_us
}

# fault_power_off [NODE] - what it has in memory is gone; sets $fault_us: nothing
# that it is sent later comes through
fault_power_off()
{
	local n=${1:-A} ns

	ns=${LAB_NS[$n]}
	helper_stop "$n" KILL
	daemon_stop "$n" KILL
	ip -n "$ns" xfrm state flush
	ip -n "$ns" xfrm policy flush
	ip -n "$ns" route flush table 220 2>/dev/null
	must invspi -n "$ns" flow flush >/dev/null
	stamp
	fault_us=$now_us
}

# power_on [NODE] - it starts again, the helper too if there was one;
# sets $ready_us: connections loaded, and a second for the daemon to settle
power_on()
{
	local n=${1:-A}

	[ ! -d "$LAB/$n/state" ] || helper_start "$n"
	daemon_start "$n"
	daemon_load "$n"
	ready_us=$((loaded_us + 1000000))
}

# fault_reboot SECONDS - A is off for that long
fault_reboot()
{
	fault_power_off
	pause "$1"
	power_on
}

# inject SPI FIRST-SEQ COUNT INTERVAL-MS - ESP that looks as if it came from B
forge()
{
	inject "$B" "${LAB_OUTER[B]}" "${LAB_OUTER[A]}" "$@"
}

# --- the failures of the matrix: break_NAME, and mend_NAME if something has to be
# put right after the judgement. They set
#	$hurt		children whose packets do not come through
#	$fault_us	after this time
#	$ready_us	when the IKE daemon was ready, if it had gone
#	$verdict_ms	what is done waits for the module's verdict, which takes so long
# The number of the trial is $trial.
# shellcheck disable=SC2034 # for matrix.sh

# one_child - one after the other
one_child()
{
	local all

	read -ra all <<<"$LAB_CHILDREN"
	echo "${all[trial % ${#all[@]}]}"
}

break_inbound()
{
	hurt=$(one_child)
	fault_inbound_lost "$hurt"
}

break_net_inbound()
{
	hurt=net
	fault_inbound_lost net
}

# Nothing of that child is left in the kernel.
break_child()
{
	local out

	hurt=$(one_child)
	out=$(spi_out A "$hurt")
	must ip -n "$A" xfrm state delete dst "${LAB_OUTER[B]}" proto esp spi "$out"
	fault_inbound_lost "$hurt"
}

# flush NODE - all SAs leave its kernel
flush()
{
	must ip -n "${LAB_NS[$1]}" xfrm state flush
	stamp
	fault_us=$now_us
}

break_flush()
{
	hurt=$LAB_CHILDREN
	flush A
}

break_both_flush()
{
	hurt=$LAB_CHILDREN
	flush B
	flush A
}

break_reboot()
{
	hurt=$LAB_CHILDREN
	fault_reboot 0.5
}

# Both without power for the same time. B's helper has seen A's last packets, A has traps:
# either may begin, or both. A sends nothing before the traps are there: charon forgets
# the ones that a packet is faster than ("trap not found").
break_both_reboot()
{
	local n block="src 10.0.0.0/8 dst 10.0.0.0/8 dir out"

	hurt=$LAB_CHILDREN
	for n in B A; do
		fault_power_off $n
	done
	# shellcheck disable=SC2086 # words wanted
	must ip -n "$A" xfrm policy add $block action block priority 1
	pause 0.5
	for n in B A; do
		power_on $n
	done
	# shellcheck disable=SC2086
	must ip -n "$A" xfrm policy delete $block
}

# daemon_restarts [COMMAND...] - A's daemon is killed, its unit starts it again; the
# kernel keeps what the command leaves it
daemon_restarts()
{
	daemon_stop A KILL
	"$@"
	stamp
	fault_us=$now_us
	pause 0.5
	daemon_start A
	daemon_load A
	ready_us=$((loaded_us + 1000000))
}

break_daemon()
{
	hurt=$LAB_CHILDREN
	daemon_restarts ip -n "$A" xfrm state flush
}

# between CHAIN-RULE... - B's firewall rules on what A sends it
between()
{
	local r

	for r; do
		echo "add rule inet between in $r"
	done | { echo 'table inet between { chain in { type filter hook input priority 0; }; }'; cat; } |
		on "$B" nft -f - || bail_out "no firewall rules in B: $*"
}

between_not()
{
	on "$B" nft delete table inet between 2>/dev/null
}

# A rekeys, its DELETE of the old SA is lost and lost, and A gives the IKE_SA up.
# B goes on with the SAs that were left.
break_delete_lost()
{
	local old

	hurt=$LAB_CHILDREN verdict_ms=1000
	old=$(sas A | awk 'NR == 1 { print $2 }')
	# a CREATE_CHILD_SA is longer
	between 'udp dport { 500, 4500 } udp length < 150 drop'
	must rekey A net
	# pluto begins a new one at once
	wait_until 30 0.05 is_given_up "$old" || bail_out "A does not give up: $(sas A)"
	stamp
	fault_us=$now_us
	between_not
}

# What the helper does then rests on packets that anybody could send, so that it is
# done once a minute for a peer; and three IKE_SAs that vanish in ten minutes look as if
# another gateway had the same identity. An operator who has looked says so.
mend_delete_lost()
{
	local c

	for c in $hurt; do
		must helper_ask A peer retry "$(conn_of A "$c")"
	done
}

# A lost SA, then a rekey by B that does not depend on it: charon keeps the old
# child as DELETED. Then the new SA is lost, too.
break_zombie()
{
	local old

	hurt=net
	old=$(spi_in A net)
	kill -STOP "${HELPER_PID[A]}"
	fault_inbound_lost net
	wait_until 40 0.1 zombie "$old" || bail_out "B does not rekey: $(sas A)"
	kill -CONT "${HELPER_PID[A]}"
	stamp
	delivered net:B-A "$now_us" 5000 || bail_out "the rekey of B heals nothing"
	fault_inbound_lost net
}

zombie()
{
	sas A | awk -v old="${1#0x}" '$7 == old { z = $6 == "DELETED" }
		$4 == "net" && $6 == "INSTALLED" && $7 != old { new = 1 }
		END { exit !(z && new) }'
}

# --- and what is none, or must be left alone: still_NAME, which watches itself, and
# mend_NAME. They set
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

still_closed_here()
{
	hurt=net2 watched_spi=$(spi_in A net2)
	end_child A net2 || return
	replayed "$watched_spi"
}
mend_closed_here()	{ must initiate A net2; }

still_closed_by_peer()
{
	hurt=net2 watched_spi=$(spi_in A net2)
	end_child B net2 || return
	replayed "$watched_spi"
}
mend_closed_by_peer()	{ mend_closed_here; }

# The whole IKE_SA, by hand.
still_terminated()
{
	hurt=$LAB_CHILDREN watched_spi=$(spi_in A net)
	end_ike A || return
	replayed "$watched_spi"
}
mend_terminated()	{ tunnel_up; }

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
	local n

	hurt=$LAB_CHILDREN watched_spi=$(spi_in A net)
	daemon_stop A KILL
	flush A
	pause "$WATCH"
	n=$(flow_packets "$watched_spi")
	expect_num "packets counted without an IKE daemon" "$n" -ge $((WATCH * 1000 / LAB_INTERVAL_MS / 2))
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
	expect_num "IKE_SA_INITs of A" "$n" -le $((3 * GIVE_UP))
	expect "alerts" 1 "$(helper_said 'ALERT: gave up on (gw|net)' | wc -l)"
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
