#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Two gateways with a helper each, traffic in both directions, somebody who sends what he
# likes, and one failure after the other, in an order that follows from the seed. Every
# one is healed; the memory of module and helpers is flat, and no descriptor is lost.
#
# SOAK_SECONDS: how long (1200); SEED: another order (1). If there is a /share, the
# helpers' histories are kept there: the next run goes on with them.
cd "$(dirname "$0")" || exit 1
. lab/lab.sh
. lab/judge.sh
. lab/configs.sh
TRIALS=0
. lab/matrix.sh

SOAK_SECONDS=${SOAK_SECONDS:-1200} SEED=${SEED:-1}
SOAK_KEPT=${SOAK_KEPT:-$([ ! -w /share ] || echo /share/soak)}
FAULTS="inbound child flush both_flush daemon delete_lost"
SAMPLES=()	# TRIAL WHAT VALUE
CACHE=xfrm_invspi_set
SLOTS=16	# of a set
ENOUGH=30	# values by which a process has learned what it keeps

# --- what is sent to A besides

# Spoofed from B's address to A's, by somebody on the wire: a flood of ever new flows, the
# same SPI all the time, and ESP in UDP; and bursts.
attack()
{
	local forge n=$((SOAK_SECONDS * 2))

	forge="on $W send_esp -i pa -m $(mac "$A" eth0)"
	background $forge -R "$SEED" -Z -n $((n * 100)) -r 100 192.0.2.2 192.0.2.1
	background $forge -s 0x5eed1234 -n $((n * 20)) -r 20 192.0.2.2 192.0.2.1
	background $forge -p udp -s 0x5eed5678 -F 10 -n $((n * 20)) -r 20 192.0.2.2 192.0.2.1
}

burst()
{
	on "$W" send_esp -i pa -m "$(mac "$A" eth0)" -R $RANDOM -Z -n 5000 -r 5000 192.0.2.2 192.0.2.1
}

# --- what is measured

# sample - memory of the helpers and the module, descriptors; at rest
sample()
{
	local n pid

	for n in A B; do
		pid=${HELPER_PID[$n]}
		SAMPLES+=("$trial memory.$n.$pid $(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status")")
		SAMPLES+=("$trial descriptors.$n.$pid $(fewest "$pid")")
	done
	! has_cache || SAMPLES+=("$trial sets.module.0 $(slab_objects $CACHE)")
}

# has_cache - a link is that of a cache that was merged with others
has_cache()
{
	[ -d /sys/kernel/slab/$CACHE ] && [ ! -L /sys/kernel/slab/$CACHE ]
}

# fewest PID - its descriptors; a request of somebody may be under way
fewest()
{
	local i n least=100000

	for i in 1 2 3 4 5; do
		n=$(ls "/proc/$1/fd" | wc -l)
		[ "$n" -ge $least ] || least=$n
		pause 0.05
	done
	echo $least
}

# series WHAT - its values in order
series()
{
	printf '%s\n' "${SAMPLES[@]}" | awk -v w="$1" '$2 == w { print $3 }'
}

# flat WHAT MORE middle|least - whether that one of the last third of the values is at most
# so much above the second's: it begins with what every process has to learn first
flat()
{
	local values second last

	mapfile -t values < <(series "$1")
	[ ${#values[@]} -ge $ENOUGH ] || { note "$1: only ${#values[@]} values"; return 0; }
	second=$($3 "${values[@]:${#values[@]}/3:${#values[@]}/3}")
	last=$($3 "${values[@]:${#values[@]}*2/3}")
	note "$1: ${values[0]} at first, $second in the second third, $last in the last, of ${#values[@]} values"
	expect_num "$1: $3 of the last third" "$last" -le $((second + $2)) ||
		note "  all: ${values[*]}"
	judged=$((judged + 1))
}

least()
{
	printf '%s\n' "$@" | sort -n | head -n 1
}

middle()
{
	printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"
}

# --- the run

keep()
{
	local n

	[ -n "$SOAK_KEPT" ] || return 0
	for n in A B; do
		helper_stop "$n"
		mkdir -p "$SOAK_KEPT/$n" && cp -a "$LAB/$n/state/." "$SOAK_KEPT/$n/"
	done
}

restore()
{
	local n

	[ -n "$SOAK_KEPT" ] && [ -d "$SOAK_KEPT" ] || return 0
	for n in A B; do
		helper_stop "$n"
		cp -a "$SOAK_KEPT/$n/." "$LAB/$n/state/"
		helper_start "$n"
	done
	for n in A B; do
		helper_ready "$n"
		wait_until 20 0.1 helper_settled "$n" || bail_out "the helper of $n: $waited"
	done
	note "goes on with the histories of $SOAK_KEPT"
}

# A's helper begins anew when A reboots: that is only in the first third.
choose()
{
	local kinds

	read -ra kinds <<<"$FAULTS"
	[ $((SECONDS - begin)) -gt $((SOAK_SECONDS / 3)) ] || kinds+=(reboot)
	fault=${kinds[RANDOM % ${#kinds[@]}]}
}

soak()
{
	local fault times=() rungs=() ike_requests=0 state='1 net net2' hurt begin=$SECONDS healed
	local -A did=()

	windows=() sibling_loss=0 verdict_ms=0
	RANDOM=$SEED
	use_lab impatient "A B" || return
	restore
	attack
	for ((trial = 1; SECONDS - begin < SOAK_SECONDS; trial++)); do
		choose
		did[$fault]=$((${did[$fault]:-0} + 1))
		heal_trial "$fault" || { fail "trial $trial: $fault is not healed"; lab_logs 40; break; }
		mend "$fault"
		[ $((RANDOM % 3)) != 0 ] || burst
		pause $((RANDOM % 5))
		sample
		# what is read again and again has to be short
		[ $((trial % 20)) != 0 ] || use_lab impatient "A B" || return
	done
	healed=${#times[@]}
	note "$(for fault in "${!did[@]}"; do echo "$fault ${did[$fault]},"; done | paste -sd' ')" \
		"$(dropped A) packets without an SA at A; seed $SEED"
	expect "desyncs healed" $((trial - 1)) "$healed"
	distribution "from the first dropped packet, or the daemon being ready, to the first delivered one" \
		"${times[@]}"
	all_delivered 20000 || fail "at the end $undelivered is dead"
}

# One descriptor more may be in use at any look: only their least number tells.
is_flat()
{
	local what judged=0

	[ "$trial" -gt $ENOUGH ] || { skip "fewer than $ENOUGH failures: SOAK_SECONDS is too short to tell"; return; }
	for what in $(printf '%s\n' "${SAMPLES[@]}" | awk '!seen[$2]++ { print $2 }'); do
		case $what in
		memory*) flat "$what" 512 middle ;;
		descriptors*) flat "$what" 0 least ;;
		esac
	done
	# memory and descriptors of two helpers
	expect_num "series long enough to judge" $judged -ge 4
	is_bounded
}

# A set of slots is made when the first flow needs it, and stays until the table is flushed.
is_bounded()
{
	local n may=0 values

	has_cache || { note "sets of slots cannot be told from others: boot with slab_nomerge"; return; }
	mapfile -t values < <(series sets.module.0)
	for n in "$A" "$B"; do
		may=$((may + $(stats "$n" .flows_max) / SLOTS))
	done
	note "sets of slots: ${values[0]} at first, ${values[-1]} at last; $may are allowed"
	expect_num "the most sets" "$(printf '%s\n' "${values[@]}" | sort -n | tail -n 1)" -le $may
}

no_sets()
{
	[ "$(slab_objects $CACHE)" = 0 ]
}

# What the module has counted is all there, after all this, and no set of slots is lost.
counted()
{
	local n

	streams_stop
	for n in "${NS_PIDS[@]}"; do
		[[ " ${HELPER_PID[*]} ${DAEMON_PID[*]} " == *" $n "* ]] || kill "$n" 2>/dev/null
	done
	pause 1
	expect_sums "$A" no_state
	expect_sums "$B" no_state
	must invspi -n "$A" flow flush
	must invspi -n "$B" flow flush
	! has_cache || slowwait 30 no_sets ||
		fail "after flushing there are $(slab_objects $CACHE) sets of slots"
	keep
	expect "alerts" "" "$(grep -h ALERT "$LAB"/[AB]/invspid.log)"
}

lab_modules
ktap_main \
	"$SOAK_SECONDS s of failures under attack, seed $SEED: each is healed" soak \
	"memory and descriptors stay what they are" is_flat \
	"every packet is counted, and no set of slots is lost" counted
