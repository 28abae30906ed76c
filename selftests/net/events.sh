#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Events: a flow is new, becomes a desync, ceases; and the limit on events.
#
#   PEER 192.0.2.2 (p0) -------- (g0) 192.0.2.1 GW, OTHER
#
# shellcheck source=SCRIPTDIR/../lib/net.sh
. "$(dirname "$0")/../lib/net.sh"

need_module
setup_ns GW PEER OTHER
veth "$GW" g0 192.0.2.1/24 "$PEER" p0 192.0.2.2/24
A4="192.0.2.2 192.0.2.1"
EVENTS=$NS_TMP/events

# heard FILE SPI - the events of this SPI, in order
heard()
{
	jq -r "select(.spi == \"$(spi "$2")\").event" <"$1" | paste -sd' '
}

heard_all()
{
	[ "$(heard "$EVENTS" "$1")" = "$2" ]
}

# Sends until the first event is there: the listener needs a moment to join.
join()
{
	on "$PEER" send_esp -s $((0x10000 + RANDOM)) $A4
	[ -s "$EVENTS" ]
}

background invspi -n "$OTHER" -j monitor >"$NS_TMP/other"
background invspi -n "$GW" -j monitor >"$EVENTS"
slowwait 10 join || bail_out "no event ever came"

life()
{
	must invspi -n "$GW" config set desync-packets 3 desync-ms 300 idle-ms 500
	expect_delta "$GW" no_state=5 on "$PEER" send_esp -s 0x2000 -n 5 -r 10 $A4
	expect_ok "new, desync, ceased" slowwait 10 heard_all 0x2000 "new desync ceased"
	expect "the event's flow" "192.0.2.2 192.0.2.1 esp g0 desync" "$(jq -r \
		'select(.spi == "0x00002000" and .event == "desync") |
		"\(.src) \(.dst) \(.proto) \(.ifname) \(.state)"' <"$EVENTS")"
	expect_flow "$GW" 0x2000 packets=5 state=desync
}

# Many packets in less than desync-ms are a rekey in passing.
transient()
{
	must invspi -n "$GW" config set desync-ms 5000
	expect_delta "$GW" no_state=200 on "$PEER" send_esp -s 0x3000 -n 200 $A4
	expect_ok "new" slowwait 5 heard_all 0x3000 new
	expect_flow "$GW" 0x3000 state=new packets=200
	# two packets, far apart, are not enough either
	must invspi -n "$GW" config set desync-ms 300
	expect_delta "$GW" no_state=2 on "$PEER" send_esp -s 0x3001 -n 2 -r 2 $A4
	expect_flow "$GW" 0x3001 state=new packets=2
}

# It comes back after it ceased.
comes_back()
{
	expect_delta "$GW" no_state=5 on "$PEER" send_esp -s 0x2000 -n 5 -r 10 $A4
	expect_ok "ceased again" slowwait 10 heard_all 0x2000 "new desync ceased desync ceased"
}

# Half of the tokens are kept for verdicts.
limit()
{
	local sent suppressed

	must invspi -n "$GW" config set events-rate 4
	sent=$(stats "$GW" .events_sent) suppressed=$(stats "$GW" .events_suppressed)
	expect_delta "$GW" no_state=300 on "$PEER" send_esp -s 0x4000 -F 300 -n 300 $A4
	slowwait 5 settled $((sent + suppressed + 300))
	sent=$(($(stats "$GW" .events_sent) - sent))
	suppressed=$(($(stats "$GW" .events_suppressed) - suppressed))
	expect "events sent and suppressed" 300 $((sent + suppressed))
	expect_num "events sent" $sent -le 40
	expect_delta "$GW" no_state=5 on "$PEER" send_esp -s 0x5000 -n 5 -r 10 $A4
	expect_ok "the verdict is heard all the same" slowwait 5 heard_desync 0x5000
	must invspi -n "$GW" config set events-rate 100
}

settled()
{
	[ $(($(stats "$GW" .events_sent) + $(stats "$GW" .events_suppressed))) -ge "$1" ]
}

heard_desync()
{
	[[ $(heard "$EVENTS" "$1") == *desync* ]]
}

other_namespace()
{
	expect "events in another namespace" "" "$(cat "$NS_TMP/other")"
}

net_main \
	"new, desync, ceased" life \
	"a burst or two stray packets are no desync" transient \
	"a flow that ceased comes back" comes_back \
	"more than the limit are suppressed and counted" limit \
	"other namespaces hear nothing" other_namespace
