# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the recovery tests say of the lab. Sourced after lab.sh.

# distribution NAME MS... - prints it, and sets dist_median, dist_p95, dist_max
distribution()
{
	local name=$1 n sorted

	shift
	n=$#
	[ "$n" -gt 0 ] || return
	mapfile -t sorted < <(printf '%s\n' "$@" | sort -n)
	dist_median=${sorted[(n - 1) / 2]}
	# the smallest value that at least 95 % do not exceed
	dist_p95=${sorted[(n * 95 + 99) / 100 - 1]}
	dist_max=${sorted[n - 1]}
	note "$name, ms: min ${sorted[0]}, median $dist_median, 95th percentile $dist_p95, max $dist_max ($n trials)"
	note "  all: ${sorted[*]}"
}

# in_time - whether the last distribution reaches the goal, 1 s as a rule and 2 s at
# worst (GOAL_MEDIAN and GOAL_P95, ms), both $verdict_ms more where that has to be waited
# for. The machine under all of this is emulated and may be busy with other things, so it
# is told, and only three times the goal is a failure (SLACK=1: the goal itself).
in_time()
{
	local slack=${SLACK:-3} reached="is reached"
	local median=$((${GOAL_MEDIAN:-1000} + ${verdict_ms:-0}))
	local p95=$((${GOAL_P95:-2000} + ${verdict_ms:-0}))

	[ "${dist_median:-0}" -le $median ] && [ "${dist_p95:-0}" -le $p95 ] ||
		reached="is NOT reached"
	note "the goal of $median ms (median) and $p95 ms (95th percentile) $reached"
	expect_num "median, ms" "${dist_median:-none}" -le $((median * slack))
	expect_num "95th percentile, ms" "${dist_p95:-none}" -le $((p95 * slack))
}

# ms FROM-US TO-US - prints the difference
ms()
{
	echo $((($2 - $1 + 500) / 1000))
}

# tunnel_state - prints A's SAs in a form that can be compared: one IKE_SA and each
# child once is "1 net net2"
tunnel_state()
{
	sas A | awk '$3 == "ESTABLISHED" { ike[$2] = 1 }
		$6 == "INSTALLED" || $6 == "REKEYING" { print $4 }
		END { for (i in ike) n++; print n + 0 }' | sort | tr '\n' ' ' | sed 's/ $//'
}

no_ike_sa()
{
	[ -z "$(sas A)" ]
}

# is_given_up IKE_SA - whether A has that no more
is_given_up()
{
	! sas A | awk '{ print $2 }' | grep -qx "$1"
}

# has_other_spi CHILD SPI - whether A's child is up, with another inbound SPI
has_other_spi()
{
	local s

	s=$(spi_in A "$1")
	[ -n "$s" ] && [ "$s" != "$2" ]
}

# sa_gone SPI - whether A's kernel has no such inbound SA
sa_gone()
{
	! ip -n "$A" xfrm state get dst "${LAB_OUTER[A]}" proto esp spi "$1" >/dev/null 2>&1
}

# child_there CHILD - whether A's child is up, and its inbound SA in the kernel
child_there()
{
	local s

	s=$(spi_in A "$1")
	[ -n "$s" ] && ! sa_gone "$s"
}

# helper_said REGEX - whether the helper of A has logged such a line since the mark
# in $said_mark
helper_said()
{
	log_since A invspid "$said_mark" | grep -E -- "$1"
}

# actions_since MARK - prints the lines of the helper of A that tell of an action
actions_since()
{
	log_since A invspid "$1" | grep -E ': (rekeying|initiating) CHILD_SA ' || :
}

# dropped NODE - prints the kernel's count of packets without an SA
dropped()
{
	on "${LAB_NS[$1]}" awk '$1 == "XfrmInNoStates" { print $2 }' /proc/net/xfrm_stat
}

# flow_packets SPI - prints how many packets A's flow table has for it
flow_packets()
{
	flows "$A" "[.[] | select(.spi == \"$1\") | .packets] | add // 0"
}

# expect_healthy WHAT - every stream delivers, one IKE_SA, each child once
expect_healthy()
{
	all_delivered 5000 || fail "$1: stream $undelivered delivers nothing"
	expect "$1: A's SAs" "1 net net2" "$(tunnel_state)"
}

# remember_window CHILD... - what was sent since $from is judged at the end (a packet
# may be late now): these children of A lost their inbound SA meanwhile
windows=()
remember_window()
{
	stamp
	windows+=("$from $now_us $*")
}

# judge_windows - sets $sibling_loss, packets lost on children that nothing was
# wrong with, and $forward_loss, lost in the other direction of those that were
# healed
judge_windows()
{
	local w a b hurt s n child

	sibling_loss=0 forward_loss=0
	[ -n "$STREAMS" ] || return 0
	for w in "${windows[@]}"; do
		read -r a b hurt <<<"$w"
		while read -r s n; do
			child=${s%%:*}
			if [[ " $hurt " != *" $child "* ]]; then
				sibling_loss=$((sibling_loss + n))
			elif [ "$s" = "$child:A-B" ]; then
				forward_loss=$((forward_loss + n))
			else
				continue
			fi
			[ "$n" = 0 ] || note "$s lost $n packets while $hurt was hurt"
		done < <(probe report "$LAB/probe" "$a" "$b" | awk '{ print $1, $7 }')
	done
}

# expect_no_other_loss - after judge_windows. Every rekey replaces the SA out, too:
# the kernel drops, and counts, a packet that has just looked the old one up. The
# IKE daemon's own rekeys do the same.
expect_no_other_loss()
{
	local gone

	judge_windows
	expect "packets lost on CHILD_SAs that were not hurt" 0 "$sibling_loss"
	gone=$(on "$A" awk '$1 == "XfrmOutStateInvalid" { print $2 }' /proc/net/xfrm_stat)
	expect_num "packets lost in the other direction of a healed CHILD_SA" "$forward_loss" -le \
		"$gone"
}

# explain_failure - the logs, once
explain_failure()
{
	[ -n "${explained:-}" ] || lab_logs 60
	explained=1
}
