#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The keys of live SAs, which the helper gets to see in every dump of the SAD, are
# nowhere to be found: not in its history, its settings, its log at its most
# talkative, what it says on its control socket, nor a core file. Looked for are all
# keys that either kernel has had meanwhile, as hexadecimal and as bytes.
cd "$(dirname "$0")" || exit 1
. lab/lab.sh
. lab/judge.sh
. lab/keys.sh

FOUND=$LAB/found
# The control: what finds a key where there is one finds none where there is none.
CONTROL=$LAB/control

collect()
{
	local dir=$LAB/A/said

	mkdir -p "$dir"
	helper_ask A status >"$dir/status"
	helper_ask A explain >"$dir/explain"
	helper_ask A explain conn gw >"$dir/explain-conn"
	helper_ask A recover gw dry-run >"$dir/recover"
	helper_ask A history limit 0 >"$dir/history"
	helper_ask A history export >"$dir/export"
	invspi --control "$LAB/A/control" -j mode >"$dir/mode"
	keys_note
}

a_recovery()
{
	lab_up
	monitor_start
	streams_start
	helper_start A --verbose --verbose
	helper_ready A
	wait_until 15 0.1 helper_settled
	keys_note
	stamp
	fault_inbound_lost net
	for s in $STREAMS; do
		delivered "$s" "$fault_us" 20000 || fail "$s is dead"
	done
	must ask A rekey child=net2
	wait_until 10 0.1 eval '[ "$(keys_note; wc -l <"$KEYS")" -ge 6 ]' ||
		fail "only $(wc -l <"$KEYS") keys"
	collect
	note "$(wc -l <"$KEYS") keys, of $(cut -c1-2 "$KEYS" | wc -l) SAs and more"
}

nowhere()
{
	local files

	on "$A" ip xfrm state >"$CONTROL"
	expect "files with a key, where there is one" "$CONTROL" "$(occurrences "$CONTROL" | sort -u)"
	mapfile -t files < <(find "$LAB/A/state" "$LAB/A/said" "$LAB/A/invspid.log" -type f)
	note "looked into ${files[*]}"
	[ ${#files[@]} -ge 9 ] || fail "only ${#files[@]} files"
	occurrences "${files[@]}" | sort -u >"$FOUND"
	expect "files with a key" "" "$(cat "$FOUND")"
}

no_core()
{
	local pid=${HELPER_PID[A]} pattern

	pattern=$(cat /proc/sys/kernel/core_pattern)
	echo "$LAB/core.%p" >/proc/sys/kernel/core_pattern
	kill -SEGV "$pid"
	wait "$pid" 2>/dev/null
	unset "HELPER_PID[A]"
	echo "$pattern" >/proc/sys/kernel/core_pattern
	expect "core files" "" "$(ls "$LAB"/core.* 2>/dev/null)"
	# A program that may be dumped leaves one, or this proves nothing.
	echo "$LAB/core.%p" >/proc/sys/kernel/core_pattern
	(ulimit -c unlimited; sleep 60 & pid=$!; sleep 0 ; kill -SEGV $pid; wait $pid) 2>/dev/null
	echo "$pattern" >/proc/sys/kernel/core_pattern
	[ -n "$(ls "$LAB"/core.* 2>/dev/null)" ] || note "this machine writes no core files at all"
}

ktap_main \
	"a recovery, and rekeys" a_recovery \
	"no key in history, settings, log, nor in what it says" nowhere \
	"no core file" no_core
