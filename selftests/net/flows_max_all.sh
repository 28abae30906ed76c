#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The memory of all namespaces together is bounded, and that of unprivileged users
# to a half of it; they may lower flows-max, and never raise it.
#
#   PEER 192.0.2.2 (p1 p2 p3) ---- (g0) 192.0.2.1 in each of G1, G2, G3
#
# shellcheck source=SCRIPTDIR/../lib/net.sh
. "$(dirname "$0")/../lib/net.sh"

ALL=1024

need_module
must rmmod xfrm_invspi
must modprobe xfrm_invspi flows_max_all=$ALL
defer sh -c "rmmod xfrm_invspi; modprobe xfrm_invspi"
setup_ns G1 G2 G3 P1 P2 P3
for i in 1 2 3; do
	gw=G$i peer=P$i
	veth "${!gw}" g0 192.0.2.1/24 "${!peer}" p0 192.0.2.2/24
done

# fill GW PEER FLOWS SPI
fill()
{
	expect_delta "$1" no_state="$3" on "$2" send_esp -s "$4" -F "$3" -n "$3" 192.0.2.2 192.0.2.1
}

all_flows()
{
	echo $(($(stats "$G1" .flows) + $(stats "$G2" .flows) + $(stats "$G3" .flows)))
}

# The first takes what there is, in whole sets; the others have packets counted.
together()
{
	expect "flows-max as configured" 4096 "$(invspi_json "$G1" config show | jq .flows_max)"
	expect "slots that there can be" $ALL "$(stats "$G1" .flows_max)"
	fill "$G1" "$P1" 3000 0x100000
	expect_num "flows of the first" "$(stats "$G1" .flows)" -ge $((ALL * 9 / 10))
	fill "$G2" "$P2" 3000 0x200000
	fill "$G3" "$P3" 3000 0x300000
	expect_num "flows of all" "$(all_flows)" -le $ALL
	expect "flows of the second" 0 "$(stats "$G2" .flows)"
	expect "packets of the second without a flow" 3000 "$(stats "$G2" .untracked_packets)"
	sums
}

# What a flush or the end of a namespace frees, others get.
freed()
{
	must invspi -n "$G1" flow flush
	fill "$G2" "$P2" 3000 0x200000
	expect_num "flows of the second after a flush of the first" "$(stats "$G2" .flows)" \
		-ge $((ALL * 9 / 10))
	fill "$G3" "$P3" 100 0x300000
	expect "flows of the third" 0 "$(stats "$G3" .flows)"
	del_ns "$G2"
	poll 20 third_gets_some || fail "the third has no flow after the second has gone"
	expect_num "flows of all" "$(($(stats "$G1" .flows) + $(stats "$G3" .flows)))" -le $ALL
}

# A namespace is taken down in the background.
third_gets_some()
{
	on "$P3" send_esp -s $((0x300000 + RANDOM)) 192.0.2.2 192.0.2.1
	[ "$(stats "$G3" .flows)" -gt 0 ]
}

# guest COMMAND - in a user and network namespace of an unprivileged user
guest()
{
	setpriv --reuid 65534 --regid 65534 --clear-groups \
		unshare --user --map-root-user --net bash -c "ip link set lo up; $1" 2>&1
}

lower_only()
{
	local out

	out=$(guest 'invspi config set flows-max 256 && invspi -j config show')
	expect_match "lowered" '"flows_max": ?256' "$out"
	out=$(guest 'invspi config set flows-max 8192; echo status $?')
	expect_match "raised above the default" "can't be raised.*status [12]" "${out//$'\n'/ }"
	out=$(guest 'invspi config set flows-max 256; invspi config set flows-max 512; echo status $?')
	expect_match "raised after it was lowered" "can't be raised.*status [12]" "${out//$'\n'/ }"
	out=$(guest 'invspi config set desync-packets 9 && invspi -j config show')
	expect_match "other settings are its own" '"desync_packets": ?9' "$out"
}

# Guests cannot take the gateway's half, however many packets they send themselves.
guests_half()
{
	local out

	must invspi -n "$G1" flow flush
	must invspi -n "$G3" flow flush
	out=$(guest "PATH=$PATH; send_esp -F 3000 -n 3000 127.0.0.1 127.0.0.1; invspi -j stats show")
	expect "packets of the guest" 3000 "$(jq .packets.no_state <<<"$out")"
	expect_num "flows of the guest" "$(jq .flows <<<"$out")" -le $((ALL / 2))
	expect_num "flows of the guest" "$(jq .flows <<<"$out")" -ge $((ALL / 2 * 9 / 10))
	expect "flows, and packets without one" 3000 \
		"$(jq '.flows + .untracked_packets + .evicted_packets' <<<"$out")"
}

net_main \
	"flows_max_all bounds all namespaces together" together \
	"what one frees another gets" freed \
	"an unprivileged user may lower flows-max, not raise it" lower_only \
	"unprivileged users get half of flows_max_all" guests_half
