# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Everything that changes the table of $GW, again and again and at once, while a flood
# comes in from $PEER over a cable p0 -- g0. Sourced; brings net.sh with it.

# shellcheck source=SCRIPTDIR/net.sh
. "$(dirname "${BASH_SOURCE[0]}")/net.sh"

: "${FLOOD_RATE:=6000}"	# packets a second
PIDS=()

# again NAME COMMAND... - runs it again and again in the background until $NS_TMP/stop
# is there; counts the runs, and notes what fails
again()
{
	local name=$1 n=0 out

	shift
	while [ ! -e "$NS_TMP/stop" ]; do
		out=$("$@" 2>&1) || echo "$out" >>"$NS_TMP/$name.failed"
		n=$((n + 1))
		echo $n >"$NS_TMP/$name.runs"
		pause 0.02
	done
}

# start NAME COMMAND...
start()
{
	echo 0 >"$NS_TMP/$1.runs"
	: >"$NS_TMP/$1.failed"
	again "$@" &
	PIDS+=($!)
}

finish()
{
	: >"$NS_TMP/stop"
	wait "${PIDS[@]}"
	PIDS=()
	rm "$NS_TMP/stop"
}

# flood_start - in the background, pid in FLOOD
flood_start()
{
	background on "$1" flood -n 100000000 -r "$FLOOD_RATE" p0 "$2" 192.0.2.1 2001:db8::1
	FLOOD=$!
}

resize()
{
	invspi -n "$GW" config set flows-max $((16 << RANDOM % 10))
}

# What has gone meanwhile cannot be deleted, and that is told.
delete()
{
	local out

	out=$(invspi -n "$GW" flow delete "$@" 2>&1) && return
	[[ $out == *"no flow matches"* ]] || { echo "$out"; return 1; }
}

# A dump may be cut off by a restart more often than the tool tries.
show()
{
	local out

	out=$(invspi -n "$GW" flow show "$@" 2>&1 >/dev/null) && return
	[[ $out == *interrupt* || $out == *changed* ]] || { echo "$out"; return 1; }
}

settled()
{
	local -A k=() m=()

	read_xfrm_stat "$GW" k
	read_module_stat "$GW" m
	[ "${k[no_state]}" = "${m[no_state]}" ]
}

has_flows()
{
	[ "$(stats "$1" .flows)" -ge "$2" ]
}
