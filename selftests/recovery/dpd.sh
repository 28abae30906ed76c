#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# For comparison: the failures of matrix_heal.sh without a helper, with dead peer
# detection on both sides (30 s, action restart), cut off after DPD_SECONDS (240).
# Every failure has a lab of its own, all at the same time.
cd "$(dirname "$0")" || exit 1
LAB_INTERVAL_MS=200
. lab/lab.sh
. lab/configs.sh
TRIALS=1
. lab/matrix.sh

DPD_SECONDS=${DPD_SECONDS:-240}
# CONFIG FAULT
PAIRS="static inbound
static child
static flush
static daemon
static reboot
impatient delete_lost
static both_flush
trap_a both_reboot
any reboot
nat reboot
nat_peers net_inbound"
declare -A results=()

# alone CONFIG FAULT - in a process of its own; prints how many seconds it took
alone()
{
	local s last=0 end

	lab_defaults
	"config_$1"
	LAB_CONN=${LAB_CONN:-}$'\ndpd_delay = 30s'
	LAB_CHILD=${LAB_CHILD:-}$'\ndpd_action = restart'
	lab_net
	lab_daemons
	streams_start
	all_delivered 60000 || bail_out "$undelivered delivers nothing before the fault"
	trial=1 ready_us=0
	"break_$2"
	echo broken
	end=$((fault_us + DPD_SECONDS * 1000000))
	for s in $(streams_of $hurt); do
		stamp
		[ "$now_us" -lt "$end" ] && delivered "$s" "$fault_us" $(((end - now_us) / 1000)) || {
			echo "not in $DPD_SECONDS s"
			return
		}
		[ "$received_us" -le "$last" ] || last=$received_us
	done
	echo "$(((last - fault_us) / 1000000)) s"
}

all_of_them()
{
	local pids=() config fault f

	while read -r config fault; do
		note "$config $fault begins"
		DPD_ONE="$config $fault" "$PWD/dpd.sh" >"$NS_TMP/$config-$fault" 2>&1 &
		pids+=($!)
		# the set-up is the expensive part
		wait_until 120 0.5 started "$NS_TMP/$config-$fault"
	done <<<"$PAIRS"
	note "all have begun; this takes up to $DPD_SECONDS s more"
	wait "${pids[@]}"
	printf '# %-14s %-14s %s\n' configuration failure "DPD alone"
	while read -r config fault; do
		# the shell may have a word to say on what it killed
		f=$(grep -E '^(not in )?[0-9]+ s$' "$NS_TMP/$config-$fault")
		printf '# %-14s %-14s %s\n' "$config" "$fault" "$f"
		[ -n "$f" ] || fail "$config $fault: $(cat "$NS_TMP/$config-$fault")"
		results["$config $fault"]=$f
		[ -z "$MATRIX_OUT" ] || jq -nc --arg config "$config" --arg fault "$fault" \
			--arg dpd "$f" '$ARGS.named' >>"$MATRIX_OUT"
	done <<<"$PAIRS"
}

started()
{
	grep -q 'broken$\| s$\|Bail' "$1"
}

blind()
{
	expect "a lost inbound SA, IKE being well" "not in $DPD_SECONDS s" "${results[static inbound]}"
}

if [ -n "${DPD_ONE:-}" ]; then
	# shellcheck disable=SC2086 # two words
	alone $DPD_ONE
	exit
fi
lab_modules
ktap_main \
	"every failure with dead peer detection alone" all_of_them \
	"dead peer detection does not see that an SA is lost" blind
