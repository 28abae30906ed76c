#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Everything at once, on all processors: floods, resizing, flushing, deleting, dumping,
# listeners that come and go, SAs and devices that come and go under the packets, network
# namespaces that come and go, allocations that fail. Then the same while the module is
# unloaded and loaded.
# RACE_SECONDS: how long each of the two goes on (120).
#
#   PEER 192.0.2.2, 2001:db8::2 (p0) -------- (g0) 192.0.2.1, 2001:db8::1 GW
#                               (p1) -------- (g1) 198.51.100.1, comes and goes
#
# shellcheck source=SCRIPTDIR/../lib/modules.sh
. "$(dirname "$0")/../lib/modules.sh"
# shellcheck source=SCRIPTDIR/../lib/churn.sh
. "$(dirname "$0")/../lib/churn.sh"

: "${RACE_SECONDS:=120}"
# Most restarts of the table wait for a grace period.
EXPEDITED=/sys/kernel/rcu_expedited

need_module
setup_ns GW PEER
veth "$GW" g0 "192.0.2.1/24 2001:db8::1/64" "$PEER" p0 "192.0.2.2/24 2001:db8::2/64"
start_ready "$NS_TMP/u" on "$GW" udp_encap 192.0.2.1 4500
testmod invspi_fault

# --- what goes on again and again

# SAs for the SPIs that flow_packets sends to: for a moment, they are accepted
sas()
{
	local i

	for ((i = 0; i < 16; i++)); do
		echo "xfrm state add src 192.0.2.2 dst 192.0.2.1 proto esp spi $((0x5000 + i))" \
			"mode tunnel enc ecb(cipher_null) '' auth digest_null ''"
	done >"$NS_TMP/sas"
	ip -n "$GW" -batch "$NS_TMP/sas" && ip -n "$GW" xfrm state flush
}

larval()
{
	ip -n "$GW" xfrm state allocspi src 192.0.2.2 dst 192.0.2.1 proto esp mode tunnel \
		reqid 9 min 0x5010 max 0x5010 && ip -n "$GW" xfrm state flush
}

# A device goes with packets on their way.
device()
{
	ip -n "$GW" link add g1 type veth peer name p1 netns "$PEER" &&
		ip -n "$GW" address add 198.51.100.1/24 dev g1 && ip -n "$GW" link set g1 up &&
		ip -n "$PEER" link set p1 up || return
	on "$PEER" flood -n 2000 p1 "$(mac "$GW" g1)" 198.51.100.1 >/dev/null 2>&1 &
	pause 0.05
	ip -n "$GW" link del g1
	wait $!
	:
}

listener()
{
	timeout 1 ip netns exec "$GW" invspi monitor >/dev/null
	[ $? = 124 ]
}

settings()
{
	invspi -n "$GW" config set idle-ms $((100 + RANDOM % 300)) desync-packets 2 desync-ms $((RANDOM % 50)) \
		events-rate $((1 + RANDOM)) log-interval-ms $((RANDOM % 100)) log-rate 1000
}

spaces()
{
	namespaces -n 16 -w 2 -S $RANDOM
}

# Every so many allocations of the module's fail; requests then may.
failing()
{
	fault every $((3 + RANDOM % 20))
	pause 0.5
	echo $(($(<"$NS_TMP/faults") + $(<$FAULT/failed))) >"$NS_TMP/faults"
	fault every 0
	pause 0.5
}

# may_fail COMMAND... - there may be no memory for it, or no module
may_fail()
{
	local out

	out=$("$@" 2>&1) && return
	[[ $out == *[Cc]"annot allocate memory"* || $out == *"not enough memory"* ||
		$out == *"No buffer space"* || $out == *"invspi: "*module* || $out == *"went away"* ||
		$out == *"No such file"* || $out == *"module is not loaded"* ||
		$out == *"Protocol not supported"* || $out == *"not registered"* ]] || { echo "$out"; return 1; }
}

ALL="resize flush delete delete6 show filter stats settings sas larval device listener spaces failing"

start_all()
{
	flood_start "$PEER" "$(mac "$GW" g0)"
	background on "$PEER" send_esp -s 0x5000 -F 17 -n 100000000 -r $((FLOOD_RATE / 12)) 192.0.2.2 192.0.2.1
	background on "$PEER" send_esp -p udp -s 0x6000 -F 100 -n 100000000 -r $((FLOOD_RATE / 20)) 192.0.2.2 192.0.2.1
	background on "$PEER" send_esp -p ah -s 0x7000 -F 100 -n 100000000 -r $((FLOOD_RATE / 20)) 192.0.2.2 192.0.2.1
	echo 0 >"$NS_TMP/faults"
	start resize may_fail resize
	start flush may_fail invspi -n "$GW" flow flush
	start delete may_fail delete src 10.0.0.0/9
	start delete6 may_fail delete state new src 2001:db8::/32
	start show may_fail show
	start filter may_fail show src 10.0.0.0/8 state desync
	start stats may_fail invspi -n "$GW" -j stats show
	start settings may_fail settings
	start sas sas
	start larval larval
	start device device
	start listener may_fail listener
	start spaces may_fail spaces
	start failing failing
}

stop_all()
{
	local name pid

	# without the flood what is under way comes to its end sooner
	for pid in "${NS_PIDS[@]:1}"; do
		stop "$pid"
	done
	NS_PIDS=("${NS_PIDS[0]}")
	finish
	for name in $ALL; do
		expect_num "runs of $name" "$(cat "$NS_TMP/$name.runs")" -ge 2
		expect "failures of $name" "" "$(head -n 5 "$NS_TMP/$name.failed")"
	done
	expect_num "allocations failed" "$(<"$NS_TMP/faults")" -ge 1
	note "$(for name in $ALL; do echo "$name $(cat "$NS_TMP/$name.runs"),"; done | paste -sd' ')" \
		"$(cat "$NS_TMP/faults") allocations failed"
}

at_once()
{
	remember "$GW"
	start_all
	pause "$RACE_SECONDS"
	stop_all
	poll 20 settled
	note "$(xfrm_stat "$GW" XfrmInNoStates) packets without an SA"
	expect_sums "$GW" no_state
}

# A dump that is under way keeps the module.
unload()
{
	local out

	out=$(rmmod xfrm_invspi 2>&1) || [[ $out == *"in use"* || $out == *"not currently loaded"* ]] ||
		{ echo "$out"; return 1; }
	[ ! -w $EXPEDITED ] || echo $((RANDOM % 2)) >$EXPEDITED
	may_fail modprobe xfrm_invspi
	pause 0.1
}

with_unloading()
{
	[ ! -w $EXPEDITED ] || defer sh -c "echo $(cat $EXPEDITED) >$EXPEDITED"
	start_all
	start unload unload
	pause "$RACE_SECONDS"
	ALL="$ALL unload" stop_all
}

# From here on nothing is lost.
afterwards()
{
	modprobe xfrm_invspi
	invspi -n "$GW" config set flows-max 4096 log-interval-ms 0
	remember "$GW" "$PEER"
	expect_delta "$GW" no_state=300 on "$PEER" send_esp -s 0x8000 -F 3 -n 300 192.0.2.2 192.0.2.1
	expect_flow "$GW" 0x8001 packets=100
}

net_main \
	"everything at once for $RACE_SECONDS s on $(nproc) processors" at_once \
	"the same while the module is unloaded and loaded" with_unloading \
	"afterwards it is as ever" afterwards
