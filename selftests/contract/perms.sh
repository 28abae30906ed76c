#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Who may do what: CAP_NET_ADMIN in the user namespace that owns the network
# namespace, for all of it.
#
#   PEER 192.0.2.2 (p0) -------- (g0) 192.0.2.1 GW
#
# shellcheck source=SCRIPTDIR/../lib/net.sh
. "$(dirname "$0")/../lib/net.sh"

need_module
setup_ns GW PEER
veth "$GW" g0 192.0.2.1/24 "$PEER" p0 192.0.2.2/24
must on "$PEER" send_esp -s 0x1111 -n 5 192.0.2.2 192.0.2.1
PROBE=$SELFTESTS/contract/probe.py
NOBODY=(setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all)
NO_CAP=(setpriv --bounding-set=-net_admin --inh-caps=-net_admin)
ALL="flow-get-do flow-get-dump flow-del-do stats-get-do config-get-do config-set-do join-events"

# denied WHO COMMAND... - none of the operations works, by the tool or without it
denied()
{
	local who=$1 c

	shift
	expect "$who: operations and group" "$(printf '%s EPERM\n' $ALL)" \
		"$(on "$GW" "$@" python3 "$PROBE" 2>&1)"
	for c in "flow show" "flow flush" "flow delete spi 0x1111" "stats show" "config show" \
		"config set idle-ms 5000" "monitor"; do
		expect_status "$who: invspi $c" 1 timeout 10 ip netns exec "$GW" "$@" invspi -j $c
	done
	expect_match "$who: what the tool says" "CAP_NET_ADMIN|[Oo]peration not permitted" \
		"$(on "$GW" "$@" invspi flow show 2>&1)"
}

nobody()
{
	denied nobody "${NOBODY[@]}"
}

root_without_cap()
{
	denied "root without CAP_NET_ADMIN" "${NO_CAP[@]}"
}

# A user namespace of one's own gives no rights over a network namespace that was
# there before.
userns_only()
{
	denied "user namespace" "${NOBODY[@]}" unshare --user --map-root-user
}

unharmed()
{
	expect_flow "$GW" 0x1111 packets=5
	expect "idle-ms" 30000 "$(invspi_json "$GW" config show | jq .idle_ms)"
}

# in_own COMMANDS - runs them as nobody in a user namespace and a network
# namespace of one's own
in_own()
{
	"${NOBODY[@]}" unshare --user --map-root-user --net bash -c "ip link set lo up; $1" 2>&1
}

own_netns()
{
	expect "operations and group" "$(printf '%s\n' "flow-get-do EINVAL" "flow-get-dump 0" \
		"flow-del-do 0" "stats-get-do 0" "config-get-do 0" "config-set-do 0" "join-events 0")" \
		"$(in_own "python3 $PROBE")"
	expect "packets of one's own" "4 4 1" "$(in_own "
		$SELFTESTS/net/send_esp -s 0x2222 -n 4 127.0.0.1 127.0.0.1
		grep -w XfrmInNoStates /proc/net/xfrm_stat
		invspi -j stats show; invspi -j flow show" |
		jq -Rrs 'split("\n") | "\(.[0] | split("\t")[1]) \(.[1] | fromjson.packets.no_state) \(.[2] | fromjson | length)"')"
}

# Memory is everybody's: the table can only become smaller.
flows_max()
{
	expect_match "raising flows-max" "flows-max can.t be raised" "$(in_own "invspi config set flows-max 8192")"
	expect "lowering it, and raising it again" "256 1 256" "$(in_own "
		invspi config set flows-max 256
		invspi -j config show | tr ',{}' '\n\n\n' | sed -n 's/.*flows_max\":\([0-9]*\).*/\1/p'
		invspi config set flows-max 512 2>/dev/null; echo \$?
		invspi -j config show | tr ',{}' '\n\n\n' | sed -n 's/.*flows_max\":\([0-9]*\).*/\1/p'" | paste -sd' ')"
}

silent()
{
	[ -w /dev/kmsg ] || { skip "the kernel's log is out of reach"; return; }
	log_mark
	expect_match "setting up one's own log" "^0$" "$(in_own "
		invspi config set log-interval-ms 1 log-rate 1000 >/dev/null
		$SELFTESTS/net/send_esp -F 100 -n 300 127.0.0.1 127.0.0.1; echo \$?")"
	expect "log lines" "" "$(log_lines)"
}

net_main \
	"nobody: no reading, no writing, no subscription" nobody \
	"root without CAP_NET_ADMIN: the same" root_without_cap \
	"a user namespace of one's own: the same" userns_only \
	"nothing of this changed anything" unharmed \
	"with a network namespace of one's own: all of it, there" own_netns \
	"flows-max cannot be raised there" flows_max \
	"nothing from there reaches the log" silent
