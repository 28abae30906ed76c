#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Loading where nothing of xfrm is there yet: esp4 and esp6 come with the module,
# and the first use of the tool brings the module.
#
#   PEER 192.0.2.2, 2001:db8::2 (p0) -------- (g0) 192.0.2.1, 2001:db8::1 GW
#
# shellcheck source=SCRIPTDIR/../lib/net.sh
. "$(dirname "$0")/../lib/net.sh"

need_root
setup_ns GW PEER
veth "$GW" g0 "192.0.2.1/24 2001:db8::1/64" "$PEER" p0 "192.0.2.2/24 2001:db8::2/64"

# All that takes ESP or AH, users first.
XFRM_MODULES="xfrm_invspi xfrm_interface ip_vti ip6_vti esp4_offload esp6_offload esp4 esp6 ah4 ah6"

unload_all()
{
	local m

	for m in $XFRM_MODULES; do
		[ ! -d /sys/module/$m ] || rmmod "$m" 2>/dev/null || { skip "$m is in use"; return 1; }
	done
}

# What the kernel does then, to know that the cases begin where they say.
without_anything()
{
	unload_all || return 0
	expect_ok "ESP is answered with ICMP" snmp_grows "$GW" IcmpOutDestUnreachs 1 \
		on "$PEER" send_esp 192.0.2.2 192.0.2.1
	expect "XfrmInNoStates" 0 "$(xfrm_stat "$GW" XfrmInNoStates)"
}

modprobe_brings_esp()
{
	unload_all || return 0
	expect_ok "modprobe" modprobe xfrm_invspi
	expect "esp4 and esp6" "esp4 esp6" "$(lsmod | sed -n 's/^\(esp[46]\) .*/\1/p' | sort | paste -sd' ')"
	remember "$GW" "$PEER"
	expect_delta "$GW" no_state=3 on "$PEER" send_esp -s 0x1111 -n 3 192.0.2.2 192.0.2.1
	expect_delta "$GW" no_state=3 on "$PEER" send_esp -s 0x1111 -n 3 2001:db8::2 2001:db8::1
}

tool_brings_module()
{
	unload_all || return 0
	expect_ok "invspi stats show" invspi -n "$GW" stats show
	expect "module" xfrm_invspi "$(lsmod | sed -n 's/^\(xfrm_invspi\) .*/\1/p')"
	remember "$GW" "$PEER"
	expect_delta "$GW" no_state=3 on "$PEER" send_esp -s 0x2222 -n 3 192.0.2.2 192.0.2.1
	expect_flow "$GW" 0x2222 packets=3
}

# Any user can ask for the family. Who does not want that to load it says so; only a
# blacklist does it: with the softdep on esp4 and esp6, kmod runs no install command.
blacklisted()
{
	must rmmod xfrm_invspi
	mkdir -p /run/modprobe.d
	echo "blacklist xfrm_invspi" >/run/modprobe.d/xfrm_invspi-test.conf
	expect_status "invspi stats show" 1 invspi -n "$GW" stats show
	expect "not loaded by asking for its family" "" "$(lsmod | sed -n 's/^\(xfrm_invspi\) .*/\1/p')"
	expect_ok "modprobe loads it all the same" modprobe xfrm_invspi
	rm /run/modprobe.d/xfrm_invspi-test.conf
	remember "$GW" "$PEER"
}

# What was counted before the module came is not its own.
earlier_packets()
{
	local before

	must rmmod xfrm_invspi
	must on "$PEER" send_esp -n 50 192.0.2.2 192.0.2.1
	busywait 5 test "$(xfrm_stat "$GW" XfrmInNoStates)" -ge 50
	before=$(xfrm_stat "$GW" XfrmInNoStates)
	must modprobe xfrm_invspi
	remember "$GW" "$PEER"
	expect "the module's total at first" 0 "$(stats "$GW" .packets.no_state)"
	expect_delta "$GW" no_state=1 on "$PEER" send_esp -s 0x3333 192.0.2.2 192.0.2.1
	expect "the module's total then" 1 "$(stats "$GW" .packets.no_state)"
	expect "XfrmInNoStates" $((before + 1)) "$(xfrm_stat "$GW" XfrmInNoStates)"
}

# Wrong parameters are refused, and say why.
parameters()
{
	local p

	must rmmod xfrm_invspi
	for p in flows_max=8 flows_max=2000000 desync_packets=1 idle_ms=10 log_rate=0 \
		events_rate=0 no_such_parameter=1; do
		dmesg -C
		[ "$p" = no_such_parameter=1 ] ||
			expect_status "modprobe $p" 1 modprobe xfrm_invspi "$p"
		modprobe -q -r xfrm_invspi
	done
	must modprobe xfrm_invspi flows_max=100 desync_packets=7
	remember "$GW" "$PEER"
	expect "configuration from parameters" "128 7" \
		"$(invspi_json "$GW" config show | jq -r '"\(.flows_max) \(.desync_packets)"')"
	must rmmod xfrm_invspi
	must modprobe xfrm_invspi
	remember "$GW" "$PEER"
}

net_main \
	"without ESP in the kernel nobody counts" without_anything \
	"modprobe brings esp4 and esp6" modprobe_brings_esp \
	"the tool's first use brings the module" tool_brings_module \
	"blacklisted, the tool's first use does not" blacklisted \
	"packets from before the load" earlier_packets \
	"module parameters" parameters
