# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Killing one of the two daemons of A at a random moment around a fault. Sourced
# after judge.sh. SEED makes a run the same again; MOMENTS is how many.

SEED=${SEED:-20261122}
MOMENTS=${MOMENTS:-25}
RANDOM=$((SEED % 32768))
kills_healed=0
spoiled=nothing

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

# spoil_history - with the helper of A down, does to its history what a machine can
# do to it; sets $spoiled to what. In half of the cases nothing.
spoil_history()
{
	local state=$LAB/A/state size

	spoiled=$(printf '%s\n' nothing nothing nothing nothing nothing garbage cut directory \
		read-only full | sed -n "$((RANDOM % 10 + 1))p")
	# a directory may have taken its place the last time
	size=$(stat -c %s "$state/history.db" 2>/dev/null) || case $spoiled in
	garbage|cut) spoiled=nothing ;;
	esac
	case $spoiled in
	garbage) dd if=/dev/urandom of="$state/history.db" bs=512 count=8 conv=notrunc \
		seek=$((RANDOM % (size / 512 + 1))) 2>/dev/null ;;
	cut) truncate -s $((size * (RANDOM % 100) / 100)) "$state/history.db" ;;
	directory) rm -f "$state"/history.db*; mkdir "$state/history.db" ;;
	read-only)
		must mount --bind "$state" "$state"
		must mount -o remount,ro,bind "$state"
		;;
	full)
		must mount -t tmpfs -o size=128k none "$state"
		# as much as there is room for
		dd if=/dev/zero of="$state/ballast" bs=4k 2>/dev/null
		;;
	esac
}

# mend_history - undoes that, with the helper down
mend_history()
{
	local state=$LAB/A/state

	case ${spoiled:-} in
	read-only|full) must umount "$state" ;;
	directory) rmdir "$state/history.db" ;;
	esac
	spoiled=nothing
}

# history_told - whether the helper said what it found, if it has to say anything
history_told()
{
	local said

	# It may also have been told what the one before it could not write.
	said=$(log_since A invspid "$said_mark" | grep 'history: ' |
		grep -v 'could not write its last changes\|is not brought back by itself')
	case $spoiled in
	directory) [[ $said == *"Is a directory"*"kept in memory only"* ]] ;;
	read-only) [[ $said == *"Read-only file system"*"kept in memory only"* ]] ;;
	full) [[ $said == *"No space left"* || $said == *"full"* ]] ;;
	# What was cut off or overwritten may have been in no use.
	garbage|cut) [[ -z $said || $said == *"put aside as"*"a new one is begun"* ]] ;;
	*) true ;;
	esac || {
		fail "$1: the history was spoiled ($spoiled), and the helper said: ${said:-nothing}"
		return 1
	}
}

# each TIMES COMMAND - calls it with 1, 2...; the first that fails is the last
each()
{
	local i

	for ((i = 1; i <= $1; i++)); do
		"$2" $i || { lab_logs 60; break; }
	done
}

moments()
{
	each "$MOMENTS" moment
	expect "moments after which all was healed" "$MOMENTS" "$kills_healed"
}

settled_again()
{
	[[ $(tunnel_state) =~ ^($1)$ ]] && sas A | awk '$10 != "-" { bad = 1 } END { exit bad }'
}
