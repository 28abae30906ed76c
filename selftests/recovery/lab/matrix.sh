# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Rows of failures and configurations: what a trial is, how it is judged, and the
# table at the end. Sourced after judge.sh and configs.sh.
#
# TRIALS: of each row; TRIALS_STILL: of those that only watch, if they are to be others.
# ROWS: names of rows, GROUP: number of a group of rows; the others are left out.
# PAIR: the daemons of A and B, as libreswan-strongswan.
# MATRIX_OUT: a file that gets a JSON line for each row (/share/matrix.jsonl if
# there is a /share); lab/table makes one table of all.

TRIALS=${TRIALS:-20}
HEAL_SECONDS=30		# after this a trial has failed
group=1
declare -A said_marks=()
lab_now='' matrix_cases=() matrix_table=()
PAIR=${PAIR:-strongswan-strongswan}
# shellcheck disable=SC2034 # for lab.sh
LAB_DAEMON_A=${PAIR%-*} LAB_DAEMON_B=${PAIR#*-}
RELEASE=${RELEASE:-$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)}
MATRIX_OUT=${MATRIX_OUT:-$([ ! -w /share ] || echo /share/matrix.jsonl)}

# use_lab CONFIG [A|B|"A B"] - a running lab of that configuration with helpers on
# these gateways, all streams delivering. One that is there already is kept.
use_lab()
{
	local want="$1 ${2-A}" n

	if [ "$lab_now" != "$want" ]; then
		[ -z "$lab_now" ] || lab_down
		lab_now=''
		lab_defaults
		"config_$1"
		lab_net
		lab_daemons
		for n in ${2-A}; do
			helper_start "$n"
		done
		for n in ${2-A}; do
			helper_ready "$n"
			wait_until 20 0.1 helper_settled "$n" || bail_out "the helper of $n: $waited"
		done
		lab_now=$want
	fi
	# a new record for each row: what is read again and again has to be short
	streams_stop
	monitor_stop
	monitor_start
	streams_start
	all_delivered 20000 && return
	fail "$1: $undelivered delivers nothing before the first trial"
	lab_logs 40
	lab_now=none
	return 1
}

# mark_helpers - what the helpers say from here on
mark_helpers()
{
	local n

	said_marks=()
	for n in "${!HELPER_PID[@]}"; do
		said_marks[$n]=$(log_mark "$n" invspid)
	done
	said_mark=${said_marks[A]:-}
}

# helpers_said REGEX - whether any of them has
helpers_said()
{
	local n

	for n in "${!said_marks[@]}"; do
		log_since "$n" invspid "${said_marks[$n]}"
	done | grep -E -- "$1"
}

# rungs_now - the kinds of actions since mark_helpers, each once: "G1", "G1+G2"
rungs_now()
{
	helpers_said . | sed -n 's/.*: rekeying CHILD_SA .*/G1/p
		s/.*: initiating CHILD_SA .* invspid-.*/D/p
		s/.*: initiating CHILD_SA .*/G2/p' | sort -u | paste -sd+
}

# streams_of CHILD... - theirs, in both directions
streams_of()
{
	local c

	for c; do
		echo "$c:A-B" "$c:B-A"
	done
}

# heal_trial FAULT - breaks it and waits; adds to $times, $rungs, $ike_requests
heal_trial()
{
	local s from t0=0 last=0 what="trial $trial" got

	all_delivered 10000 || { fail "$what: $undelivered is dead before the fault"; return 1; }
	stamp
	from=$now_us ready_us=0
	mark_helpers
	"break_$1"
	for s in $(streams_of $hurt); do
		delivered "$s" "$fault_us" $((HEAL_SECONDS * 1000)) && continue
		fail "$what: $s is not healed in $HEAL_SECONDS s"
		note "$(log_since A invspid "$said_mark")"
		return 1
	done
	[ -z "$(rungs_now)" ] || wait_until 15 0.1 helpers_said "healed (gw|net)" || {
		fail "$what: no helper says that it is healed"
		lab_logs 80
	}
	wait_until 10 0.1 tunnel_is "$state" || {
		fail "$what: A's SAs are $(tunnel_state), not $state"
		lab_logs 60
	}
	for s in $(streams_of $hurt); do
		# what A sends is not what it cannot decrypt
		[[ $s == *:B-A ]] || continue
		# healed before there was a packet to lose
		gap "$s" "$from" || continue
		[ "$t0" != 0 ] && [ "$t0" -lt "$gap_begin" ] || t0=$gap_begin
		[ "$last" -ge "$gap_end" ] || last=$gap_end
	done
	[ "$t0" -ge "$ready_us" ] || t0=$ready_us
	[ "$last" -ge "$t0" ] || last=$t0
	times+=("$(ms "$t0" "$last")")
	got=$(rungs_now)
	rungs+=("${got:-self}")
	stamp
	ike_requests=$((ike_requests + $(ike_sent "$from" "$now_us" '$9 == "request"')))
	for s in from to; do
		expect_num "$what: IKE_SAs begun ($s A)" "$(begun $s "$from")" -le 2
	done
	remember_window $hurt
}

# begun from|to FROM-US - how many IKE_SAs A, or its peers, began since then
begun()
{
	awk -v d="$1" -v a="$2" '$2 == d && $3 == "ike" && $1 > a && $8 == 34 && $9 == "request" && !seen[$11]++ {
			n++ } END { print n + 0 }' "$LAB/wire"
}

tunnel_is()
{
	[[ $(tunnel_state) =~ ^($1)$ ]]
}

# mend FAULT - puts right what that function left behind
mend()
{
	[ "$(type -t "mend_$1")" != function ] || "mend_$1"
}

# dpd_alone - what dpd.sh has found of the row's configuration and fault
dpd_alone()
{
	local dpd=''

	[ ! -s "$MATRIX_OUT" ] || dpd=$(jq -r --arg c "$config" --arg f "$fault" \
		'select(.dpd and .config == $c and .fault == $f) | .dpd' "$MATRIX_OUT" | tail -n 1)
	echo "${dpd:--}"
}

# row_end NAME WHAT HEALED RUNG MEDIAN P95 - judges what all rows have in common, and
# adds the row to the table
row_end()
{
	local clear

	streams_stop
	monitor_stop
	clear=$(clear_seen 0)
	expect "inner packets on the wire in clear" 0 "$clear" ||
		note "$(awk '$3 == "clear"' "$LAB/wire" | head -n 5)"
	expect "packets that the monitor missed" 0 "$(awk '$3 == "end" { print $5 }' "$LAB/wire")"
	expect "packets lost on other SAs" 0 "$sibling_loss"
	matrix_table+=("$1|$3|$4|$5|$6|$sibling_loss|$clear|$ike_requests|$(dpd_alone)|$2")
	[ -z "$MATRIX_OUT" ] || jq -nc --arg row "$1" --arg what "$2" --arg healed "$3" \
		--arg rung "$4" --arg median "$5" --arg p95 "$6" --argjson lost "$sibling_loss" \
		--argjson clear "$clear" --arg ike "$ike_requests" --argjson trials "$TRIALS" \
		--arg config "$config" --arg fault "$fault" --arg pair "$PAIR" \
		--arg release "$RELEASE" '$ARGS.named' >>"$MATRIX_OUT"
}

# heal_row NAME CONFIG FAULT RUNG WHAT [HELPERS] - every trial must be healed, by a
# rung that matches; "self" is without the helper
heal_row()
{
	local name=$1 config=$2 fault=$3 want=$4 what=$5 trial times=() rungs=() ike_requests=0
	local hurt healed state got

	windows=() sibling_loss=0 verdict_ms=0
	use_lab "$config" "${6-A}" || return
	state=${LAB_STATE:-1 $LAB_CHILDREN}
	# With a packet to send just then pluto begins a child that the peer has begun, too.
	! is_pluto B || state=$(sed -E 's/ (net[0-9]*)/ \1( \1)?/g' <<<"$state")
	for ((trial = 1; trial <= TRIALS; trial++)); do
		heal_trial "$fault" || { lab_logs 40; lab_now=none; break; }
		mend "$fault"
	done
	healed=${#times[@]}
	expect "trials healed" "$TRIALS" "$healed"
	got=$(printf '%s\n' "${rungs[@]}" | sort -u | paste -sd,)
	expect_match "rungs" "^($want)\$" "$got"
	dist_median=- dist_p95=-
	distribution "$name: from the first dropped packet, or the daemon being ready, to the first delivered one" \
		"${times[@]}"
	[ "$healed" = 0 ] || in_time
	judge_windows
	row_end "$name" "$what" "$([ "$healed" = "$TRIALS" ] && echo yes || echo NO) $healed/$TRIALS" "$got" "$dist_median" "$dist_p95"
}

# still_trial FAULT REGEX - provokes it, and watches
still_trial()
{
	local what="trial $trial" said actions

	all_delivered 10000 || { fail "$what: $undelivered is dead before the fault"; return 1; }
	mark_helpers
	stamp
	from=$now_us watched_spi='' hurt='' actions_wanted=0
	"still_$1" || { fail "$what: cannot be set up"; return 1; }
	if [ -n "$2" ]; then
		# what the helper has said last, of that SPI if there is one
		said=$(log_since A invspid "$said_mark" | grep -F "${watched_spi:+spi $watched_spi}" |
			sed "s/.*spi 0x[0-9a-f]*[^:]*: //")
		[[ $'\n'$said =~ $2 ]] || {
			expect_match "$what: what the helper says of $watched_spi" "$2" "$said"
			note "$(log_since A invspid "$said_mark")"
		}
	fi
	actions=$(actions_since "$said_mark" | wc -l)
	expect "$what: actions of the helper" "$actions_wanted" "$actions" ||
		note "$(log_since A invspid "$said_mark")"
	# shellcheck disable=SC2086 # words wanted
	remember_window $hurt
	mend "$1"
	[ -z "$ktap_bad" ] && kept=$((kept + 1))
}

# still_row NAME CONFIG FAULT REGEX WHAT - nothing is done, or what the fault says;
# the helper's word on it must match
still_row()
{
	local name=$1 config=$2 fault=$3 regex=$4 what=$5 trial kept=0 hurt ike_requests=-
	local TRIALS=${TRIALS_STILL:-$TRIALS}

	windows=() sibling_loss=0
	use_lab "$config" || return
	for ((trial = 1; trial <= TRIALS; trial++)); do
		still_trial "$fault" "$regex" || { lab_logs 40; lab_now=none; break; }
	done
	expect "trials in which nothing was done that should not be" "$TRIALS" "$kept"
	judge_windows
	row_end "$name" "$what" "$([ "$kept" = "$TRIALS" ] && echo "no need" || echo WRONG) $kept/$TRIALS" - - -
}

# add_row FUNCTION NAME ARG... - a case of the program, if it is wanted; $group is
# its group, each of which takes less than 25 minutes on two processors
add_row()
{
	local f=$1

	shift
	[ -z "${ROWS:-}" ] || [[ " $ROWS " == *" $1 "* ]] || return 0
	[ -z "${GROUP:-}" ] || [ "$GROUP" = "$group" ] || return 0
	eval "case_$1() { $f $(printf '%q ' "$@"); }"
	case "${f%_row}" in
	heal) matrix_cases+=("$1 ($2): $5 is healed" "case_$1") ;;
	*) matrix_cases+=("$1 ($2): $5" "case_$1") ;;
	esac
}

matrix_print()
{
	local r name healed rung median p95 lost clear ike dpd what
	local form='# %-24s %-13s %-5s %6s %6s %4s %5s %4s %-14s %s\n'

	# shellcheck disable=SC2059 # one form for all lines
	printf "$form" row healed rung median p95 lost clear ike "DPD alone" what
	for r in "${matrix_table[@]}"; do
		IFS='|' read -r name healed rung median p95 lost clear ike dpd what <<<"$r"
		# shellcheck disable=SC2059
		printf "$form" "$name" "$healed" "$rung" "$median" "$p95" "$lost" "$clear" "$ike" \
			"$dpd" "$what"
	done
	echo "# median, p95: ms; lost: packets on other SAs; ike: requests of A in all trials;"
	echo "# DPD alone: dpd.sh, if it has run"
}

# matrix_main - runs the rows that were added
matrix_main()
{
	[ ${#matrix_cases[@]} -gt 0 ] || bail_out "no such rows: ${ROWS:-}"
	lab_modules
	ktap_main "${matrix_cases[@]}" "the table" matrix_print
}
