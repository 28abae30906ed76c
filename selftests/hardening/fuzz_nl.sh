#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What anybody can say to the netlink family, right, wrong and random, from several
# processes, some of them nobody's; see fuzz_nl.c.
# MESSAGES: how many (1000000); SEED: others (1).
#
# shellcheck source=SCRIPTDIR/../lib/modules.sh
. "$(dirname "$0")/../lib/modules.sh"

: "${MESSAGES:=1000000}" "${SEED:=1}"

need_module
setup_ns GW
expedite
must sh -c "python3 '$HARDENING/table.py' >'$NS_TMP/table'"

fuzzed()
{
	local before=$SECONDS

	on "$GW" fuzz_nl -n "$MESSAGES" -S "$SEED" -w $(($(nproc) < 4 ? 4 : $(nproc))) "$NS_TMP/table" ||
		fail "fuzz_nl, seed $SEED: not every answer was right, see above"
	note "$((SECONDS - before)) s"
}

# It still does what it should.
alive()
{
	must invspi -n "$GW" flow flush
	must invspi -n "$GW" config set flows-max 4096
	expect_delta "$GW" no_state=5 on "$GW" send_esp -s 0x7777 -n 5 127.0.0.1 127.0.0.1
	expect_flow "$GW" 0x7777 packets=5
}

net_main \
	"$MESSAGES messages, seed $SEED: every answer is one of the contract's" fuzzed \
	"it works as before" alive
