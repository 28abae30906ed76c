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

break_daemon_flushes()
{
	hurt=$LAB_CHILDREN
	daemon_restarts
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
	local old spi

	hurt=$LAB_CHILDREN verdict_ms=1000
	old=$(sas A | awk 'NR == 1 { print $2 }') spi=$(spi_in A net)
	# a CREATE_CHILD_SA is longer
	between 'udp dport { 500, 4500 } udp length < 150 drop'
	must rekey A net
	# what the rekey itself loses is not the beginning
	wait_until 20 0.05 has_other_spi net "$spi" || bail_out "A does not rekey: $(sas A)"
	stamp
	from=$now_us
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
