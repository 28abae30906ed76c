#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Where the module cannot work it does not load, says why in one line, and leaves
# nothing behind: when what cannot be had is free, it loads and counts.
#
#   PEER 192.0.2.2, 2001:db8::2 (p0) -------- (g0) 192.0.2.1, 2001:db8::1 GW
#
# shellcheck source=SCRIPTDIR/../lib/modules.sh
. "$(dirname "$0")/../lib/modules.sh"

need_module
expedite
setup_ns GW PEER
veth "$GW" g0 "192.0.2.1/24 2001:db8::1/64" "$PEER" p0 "192.0.2.2/24 2001:db8::2/64"

# It loads again, and counts from the first packet on.
works()
{
	expect_ok "modprobe, now that it can be had" modprobe xfrm_invspi
	remember "$GW" "$PEER"
	expect_delta "$GW" no_state=3 on "$PEER" send_esp -s 0x1111 -n 3 192.0.2.2 192.0.2.1
	expect_delta "$GW" no_state=3 on "$PEER" send_esp -s 0x1111 -n 3 2001:db8::2 2001:db8::1
	expect_flow "$GW" 0x1111@192.0.2.2 packets=3
	expect_ok "rmmod" rmmod xfrm_invspi
}

# taken REGEX PARAMETER - a module has it, and keeps it
taken()
{
	testmod invspi_rival "$2"
	expect_refused "$2" "$1"
	expect_refused "$2, once more" "$1"
	must rmmod invspi_rival
	works
}

hooks()
{
	local h

	must rmmod xfrm_invspi
	for h in "esp4 IPv4 ESP" "ah4 IPv4 AH" "esp6 IPv6 ESP" "ah6 IPv6 AH"; do
		taken "cannot set up: ${h#* } callback: taken by another module \\(error -17\\)" \
			"hook=${h%% *}"
	done
}

family()
{
	taken "cannot set up: netlink family: taken by another module \\(error -17\\)" family=1
}

parameter()
{
	expect_refused "no room for a set of flows" "parameter flows_max_all=15 is less than 16" \
		flows_max_all=15
	works
}

memory()
{
	testmod invspi_fault every=1
	expect_refused "no memory" "cannot set up: flow cache: no memory \\(error -12\\)"
	fault every 0
	fail_each after_load load
	note "$faults allocations failed, and after $refusals of them it did not load"
	expect_num "refusals" $((refusals * FAULT_STEP)) -ge 5
	must rmmod xfrm_invspi
	works
}

load()
{
	dmesg -C
	modprobe xfrm_invspi
}

back()
{
	must modprobe xfrm_invspi
	remember "$GW" "$PEER"
}

net_main \
	"the first place among a protocol's handlers is taken" hooks \
	"the name of the netlink family is taken" family \
	"a parameter that leaves no room" parameter \
	"each allocation of the load fails once" memory \
	"afterwards it is as ever" back
