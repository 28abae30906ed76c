#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Two namespaces at once: each counts its own, and ends with its own.
#
#   GW1 192.0.2.1 (g0) ---- (p1) PEER (p2) ---- (g0) 192.0.2.1 GW2
#               192.0.2.2 in both, by one routing table each
#
# shellcheck source=SCRIPTDIR/../lib/net.sh
. "$(dirname "$0")/../lib/net.sh"

need_module
setup_ns GW1 GW2 P1 P2
veth "$GW1" g0 192.0.2.1/24 "$P1" p0 192.0.2.2/24
veth "$GW2" g0 192.0.2.1/24 "$P2" p0 192.0.2.2/24

# The same addresses and SPIs on both sides, at the same time.
at_once()
{
	local a b

	on "$P1" send_esp -s 0x1111 -n 300 -r 3000 192.0.2.2 192.0.2.1 &
	a=$!
	on "$P2" send_esp -s 0x1111 -n 200 -r 2000 192.0.2.2 192.0.2.1 &
	b=$!
	wait $a || fail "the first sender failed"
	wait $b || fail "the second sender failed"
	busywait 5 all_there
	expect "XfrmInNoStates" "300 200" \
		"$(xfrm_stat "$GW1" XfrmInNoStates) $(xfrm_stat "$GW2" XfrmInNoStates)"
	expect_flow "$GW1" 0x1111 packets=300
	expect_flow "$GW2" 0x1111 packets=200
}

all_there()
{
	[ "$(stats "$GW1" .packets.no_state) $(stats "$GW2" .packets.no_state)" = "300 200" ]
}

# What one changes, the other does not see.
configuration()
{
	local before

	before=$(invspi_json "$GW2" config show)
	expect_ok "config set" invspi -n "$GW1" config set idle_ms 12345 desync_packets 7
	expect "GW1's" "12345 7" \
		"$(invspi_json "$GW1" config show | jq -r '"\(.idle_ms) \(.desync_packets)"')"
	expect "GW2's" "$before" "$(invspi_json "$GW2" config show)"
	expect_ok "flush" invspi -n "$GW1" flow flush
	expect_no_flows "$GW1"
	expect_flow "$GW2" 0x1111 packets=200
}

# A namespace goes while packets come in and its flows are there.
goes_away()
{
	on "$P1" send_esp -s 0x2000 -F 500 -n 100000 192.0.2.2 192.0.2.1 2>/dev/null &
	busywait 10 has_flows "$GW1" 100 || fail "no flows before the namespace goes"
	del_ns "$GW1"
	wait $!
	expect_delta "$GW2" no_state=5 on "$P2" send_esp -s 0x3333 -n 5 192.0.2.2 192.0.2.1
	expect_flow "$GW2" 0x1111 packets=200
}

has_flows()
{
	[ "$(stats "$1" .flows)" -ge "$2" ]
}

net_main \
	"same peers and SPIs at the same time: each counts its own" at_once \
	"configuration and flush are the namespace's own" configuration \
	"a namespace goes under traffic" goes_away
