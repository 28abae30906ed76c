#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Network namespaces that come with packets, flows and listeners, and go with them, one
# after the other from several processes; see namespaces.c. At the end none is left, and
# none of their flows.
# NAMESPACES: how many (10000); SEED: others (1).
#
#   PEER 192.0.2.2 (p0) -------- (g0) 192.0.2.1 GW
#
# shellcheck source=SCRIPTDIR/../lib/modules.sh
. "$(dirname "$0")/../lib/modules.sh"

# cleanup_net() gives back the memory of those that went only when it runs once more, for
# others: the last ones of all stay.
SLACK=4
: "${NAMESPACES:=10000}" "${SEED:=1}"

need_module
expedite
setup_ns GW PEER
veth "$GW" g0 192.0.2.1/24 "$PEER" p0 192.0.2.2/24

# alive - prints how many network namespaces there are, those on their way out, too
alive()
{
	slab_objects net_namespace
}

# at_rest HOW-MANY - one comes and goes, so that those before it are given back
at_rest()
{
	unshare -n true
	[ "$(alive)" -le "$1" ]
}

come_and_go()
{
	local before=$SECONDS were

	were=$(alive)
	expect_num "network namespaces" "$were" -ge 1
	namespaces -n "$NAMESPACES" -w $(($(nproc) < 4 ? 4 : $(nproc))) -S "$SEED" ||
		fail "namespaces, seed $SEED: see above"
	note "$((SECONDS - before)) s"
	slowwait 120 at_rest $((were + SLACK)) || note "of $were namespaces there are $(alive)"
	expect_num "network namespaces left" "$(alive)" -le $((were + SLACK))
}

# What they held is free: half of what all may have is one namespace's.
others()
{
	expect_delta "$GW" no_state=2000 on "$PEER" \
		send_esp -s 0x10000 -F 2000 -n 2000 -r 4000 192.0.2.2 192.0.2.1
	expect_num "flows" "$(stats "$GW" .flows)" -ge 1990
}

# If one of their sets were left, its cache could not go.
unloads()
{
	must rmmod xfrm_invspi
	expect_nothing_left rmmod
	must modprobe xfrm_invspi
	remember "$GW" "$PEER"
}

net_main \
	"$NAMESPACES namespaces come and go, seed $SEED" come_and_go \
	"others have their flows as ever" others \
	"the module can be unloaded and loaded" unloads
