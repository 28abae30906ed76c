# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Killing one of the two daemons of A at a random moment around a fault. Sourced
# after judge.sh. SEED makes a run the same again; MOMENTS is how many.

SEED=${SEED:-20261122}
MOMENTS=${MOMENTS:-25}
RANDOM=$((SEED % 32768))
kills_healed=0

# at US - waits until that time
at()
{
	local left

	stamp
	left=$(($1 - now_us))
	[ $left -le 0 ] || pause "$(printf '%d.%06d' $((left / 1000000)) $((left % 1000000)))"
}

# schedule SPREAD-MS - sets fault_at and kill_at, up to SPREAD-MS apart in either
# order, and down_ms, how long the killed one stays away
schedule()
{
	stamp
	fault_at=$((now_us + 300000))
	kill_at=$((fault_at - 200000 + RANDOM % $1 * 1000))
	down_ms=$((RANDOM % 800))
}

# healed WHAT [REGEX] - every stream delivers again, and each SA is there once (or
# A's SAs are as REGEX says)
healed()
{
	local s

	for s in $STREAMS; do
		delivered "$s" "$kills_since" 30000 && continue
		fail "$1: $s is dead after 30 s"
		note "$(log_since A invspid "$said_mark")"
		return 1
	done
	# the helper may be just about to act on what it saw
	wait_until 15 0.1 settled_again "${2:-1 net net2}" || {
		fail "$1: A's SAs: $(tunnel_state)"
		return 1
	}
	kills_healed=$((kills_healed + 1))
}

settled_again()
{
	[[ $(tunnel_state) =~ ^($1)$ ]] && sas A | awk '$10 != "-" { bad = 1 } END { exit bad }'
}
