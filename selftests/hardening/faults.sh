#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Every allocation that the module makes, or that is made on its behalf, fails once:
# while it is loaded and unloaded, in namespaces that come and go, for packets, events,
# requests and dumps. Each time the error is the right one or the module does without,
# what was counted stays counted, and the next try succeeds.
#
#   PEER 192.0.2.2, 2001:db8::2 (p0) -------- (g0) 192.0.2.1, 2001:db8::1 GW
#
# shellcheck source=SCRIPTDIR/../lib/modules.sh
. "$(dirname "$0")/../lib/modules.sh"

# A table whose array of sets is not made by a packet, and room for it
LARGE="flows_max=131072 flows_max_all=4194304"

need_module
expedite
setup_ns GW PEER
veth "$GW" g0 "192.0.2.1/24 2001:db8::1/64" "$PEER" p0 "192.0.2.2/24 2001:db8::2/64"
must rmmod xfrm_invspi
testmod invspi_fault

summary()
{
	note "$1: $faults allocations failed, $refusals of them were errors"
	expect_num "$1: allocations that failed" "$faults" -ge "$2"
}

# --- loading and unloading

load()
{
	dmesg -C
	# shellcheck disable=SC2086 # words wanted
	modprobe xfrm_invspi $LARGE
}

loads()
{
	fail_each after_load load
	summary loading 10
	expect_num "errors" $refusals -ge 5
}

again()
{
	expect "exit status of rmmod" 0 "$1"
	expect_nothing_left rmmod
	must load
}

unloads()
{
	loaded || must load
	# nothing to fail is right, too
	fail_each again rmmod xfrm_invspi
	summary unloading 0
	must load
	remember "$GW" "$PEER"
}

# --- namespaces

add_ns()
{
	ip netns add fails-$$
}

after_ns()
{
	if [ "$1" = 0 ]; then
		must ip netns del fails-$$
	else
		expect_match "what ip says" "Cannot allocate memory" "$out"
		rm -f "/run/netns/fails-$$"
	fi
	[ -z "$ktap_bad" ]
}

namespaces()
{
	fail_each after_ns add_ns
	summary "new namespaces" 2
	expect_num "errors" $refusals -ge 1
	must ip netns del fails-$$
}

# --- packets. Those that cannot get a flow are counted as untracked.

# first_packet - one that finds no table
first_packet()
{
	send_and_wait $((SPI += 1))
}

# send_and_wait SPI - one packet, until it is counted
send_and_wait()
{
	local want

	want=$(($(xfrm_stat "$GW" no_state) + 1))
	on "$PEER" send_esp -s "$1" 192.0.2.2 192.0.2.1 || return
	poll 10 counted "$want"
}

counted()
{
	local -A m=()

	read_module_stat "$GW" m
	[ $((m[no_state] + NS_BASE[$GW.no_state])) -ge "$1" ]
}

# What is allocated for others than the flow, as for a line of the log, it can do without.
after_packet()
{
	local was=$UNTRACKED

	expect "exit status" 0 "$1"
	UNTRACKED=$(stats "$GW" .untracked_packets)
	[ "$UNTRACKED" = $((was + 1)) ] || expect_flow "$GW" $SPI packets=1
	send_and_wait $((SPI += 1)) || fail "the next packet is not counted"
	expect_flow "$GW" $SPI packets=1
	expect_sums "$GW"
	must invspi -n "$GW" flow flush
	[ -z "$ktap_bad" ]
}

packets()
{
	local before

	SPI=0x10000
	must invspi -n "$GW" config set flows-max 4096
	must invspi -n "$GW" flow flush
	UNTRACKED=$(stats "$GW" .untracked_packets)
	before=$UNTRACKED
	fail_each after_packet first_packet
	summary "the first packet of a table" 2
	expect_num "packets that got no flow" $((UNTRACKED - before)) -ge 2
}

# starved ARG... - sends, while there is no memory for the module
starved()
{
	local want

	want=$(($(xfrm_stat "$GW" no_state) + 1000))
	fault every 1
	on "$PEER" send_esp "$@" && poll 10 kernel_has "$want"
	fault every 0
}

kernel_has()
{
	[ "$(xfrm_stat "$GW" no_state)" -ge "$1" ]
}

# None of a thousand packets gets memory: all are counted, and then it goes on.
no_memory_at_all()
{
	must invspi -n "$GW" flow flush
	UNTRACKED=$(stats "$GW" .untracked_packets)
	expect_delta "$GW" no_state=1000 starved -s 0x20000 -F 1000 -n 1000 -r 2000 192.0.2.2 192.0.2.1
	expect "flows" 0 "$(stats "$GW" .flows)"
	expect "untracked packets" $((UNTRACKED + 1000)) "$(stats "$GW" .untracked_packets)"
	expect_delta "$GW" no_state=1000 on "$PEER" \
		send_esp -s 0x20000 -F 1000 -n 1000 -r 2000 192.0.2.2 192.0.2.1
	expect "flows then" 1000 "$(stats "$GW" .flows)"
}

# --- events: one that there is no memory for counts as suppressed

event()
{
	send_and_wait $((SPI += 1)) && poll 10 eventful $((EVENTS += 1))
}

eventful()
{
	[ "$(stats "$GW" '.events_sent + .events_suppressed')" -ge "$1" ]
}

# What a kernel that checks itself allocates there for its own purposes the event can do
# without.
after_event()
{
	local was=$SUPPRESSED

	expect "exit status" 0 "$1"
	SUPPRESSED=$(stats "$GW" .events_suppressed)
	expect_num "events that were not sent" "$SUPPRESSED" -ge $was
	expect_num "events that were not sent" "$SUPPRESSED" -le $((was + 1))
	[ -z "$ktap_bad" ]
}

events()
{
	local before

	background invspi -n "$GW" -j monitor >"$NS_TMP/events"
	busywait 20 events_come || fail "no events"
	EVENTS=$(stats "$GW" '.events_sent + .events_suppressed')
	SUPPRESSED=$(stats "$GW" .events_suppressed) before=$SUPPRESSED
	SPI=0x30000
	# the set that a new flow needs may be there or not; only messages fail here
	fault within invspi_event_send
	fail_each after_event event
	fault within '[xfrm_invspi]'
	stop $!
	summary events 2
	# a message has two allocations
	expect_num "events that were not sent" $((SUPPRESSED - before)) -ge 2
}

events_come()
{
	on "$PEER" send_esp -R $RANDOM 192.0.2.2 192.0.2.1
	[ -s "$NS_TMP/events" ]
}

# --- requests, in all that the kernel does for them

config()
{
	invspi_json "$GW" config show | jq -r '"\(.flows_max) \(.idle_ms)"'
}

resize()
{
	invspi -n "$GW" config set flows-max $((WANT = WANT == 131072 ? 262144 : 131072)) idle-ms $((WANT / 4))
}

after_resize()
{
	if [ "$1" = 0 ]; then
		SETTINGS="$WANT $((WANT / 4))"
	else
		expect_match "what the tool says" "$REFUSED" "$out"
		WANT=${SETTINGS% *}
	fi
	expect "settings" "$SETTINGS" "$(config)"
	[ -z "$ktap_bad" ]
}

resizes()
{
	WANT=131072 REFUSED="not enough memory for that many flows|[Cc]annot allocate memory"
	must invspi -n "$GW" config set flows-max 131072 idle-ms 32768
	SETTINGS="131072 32768"
	fault every 1
	out=$(resize) && fail "resizing without memory has succeeded"
	expect_match "what the tool says" "not enough memory for that many flows" "$(resize 2>&1)"
	fault every 0
	expect "settings after it" "$SETTINGS" "$(config)"
	WANT=131072
	fail_each after_resize resize
	summary resizing 1
	must invspi -n "$GW" config set flows-max 4096 idle-ms 30000
}

# A request of the tool fails with an error, or not at all.
after_request()
{
	[ "$1" = 0 ] || expect_match "what the tool says" "[Cc]annot allocate memory|No buffer space" "$out"
	[ -z "$ktap_bad" ]
}

# every_request FUNCTION-OF-THE-KERNEL - all that the tool asks for, with each
# allocation in that function failing
every_request()
{
	local c

	fault within "$1"
	fault comm invspi
	for c in "flow show" "flow show src 192.0.2.0/24 spi 0x20001" "stats show" "config show" \
		"config set idle-ms 30000" "flow delete src 192.0.2.0/24" "flow flush"; do
		on "$PEER" send_esp -s 0x20000 -F 100 -n 100 192.0.2.2 192.0.2.1
		# shellcheck disable=SC2086 # words wanted
		fail_each after_request ask_tool $c
		note "invspi $c: $faults allocations in $1 failed, $refusals were errors"
	done
	fault comm ''
	fault within '[xfrm_invspi]'
}

# What has been deleted once is not there to be deleted again.
ask_tool()
{
	local said status=0

	said=$(invspi -n "$GW" "$@" 2>&1) || status=$?
	echo "$said"
	[[ $said != *"no flow matches"* ]] || return 0
	return $status
}

requests()
{
	every_request '[xfrm_invspi]'
	every_request netlink_sendmsg
	every_request netlink_recvmsg
}

# --- namespaces that go, with all they have

all_in_all()
{
	note "$FAULTS_IN_ALL allocations failed in all"
	expect_delta "$GW" no_state=10 on "$PEER" send_esp -s 0x1234 -n 10 192.0.2.2 192.0.2.1
	expect_delta "$GW" no_state=10 on "$PEER" send_esp -s 0x1234 -n 10 2001:db8::2 2001:db8::1
}

net_main \
	"loading" loads \
	"unloading" unloads \
	"a new namespace" namespaces \
	"packets" packets \
	"no packet gets memory" no_memory_at_all \
	"events" events \
	"resizing" resizes \
	"requests and dumps" requests \
	"afterwards it is as ever" all_in_all
