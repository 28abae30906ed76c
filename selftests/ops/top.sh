#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# invspi top, status, history and explain at a real gateway: through a desync and its
# end, as text and on a terminal of 80x24. Shows the screens.
cd "$(dirname "$0")" || exit 1
. ../recovery/lab/lab.sh
. ../recovery/lab/judge.sh

# top ARG... - as text
top()
{
	invspi -n "$A" --control "$LAB/A/control" top -b -d 300ms "$@"
}

# screen REGEX KEYS - what the terminal shows when it matches, after these keys
screen()
{
	on "$A" ./screen.py "$1" "$2" -- invspi --control "$LAB/A/control" top -d 300ms
}

show()
{
	note "--- $1"
	note "$2"
}

healthy()
{
	local out

	out=$(top)
	show "top -b" "$out"
	expect_match "its header" "module loaded  IKE daemon ready  mode recover" "$out"
	expect_match "the connection" "gw +192.0.2.2 +2 ok " "$out"
	expect_match "status" "^OK: what falls out of step is healed" "$(helper_ask A status)"
}

out_of_step()
{
	local out

	must helper_ask A mode observe
	fault_inbound_lost net
	# With a rate, and after the verdict.
	out=$(screen "gw +192.0.2.2 +DESYNC +[1-9][0-9.]* +[0-9]+" "") || fail "no such screen"
	show "80x24, connections" "$out"
	out=$(screen "192.0.2.2 +$lost_spi DESYNC +[1-9].*gw/net" v) || fail "no such screen"
	show "80x24, flows" "$out"
	expect_match "what is told of the flow" "held: " "$out"
	out=$(top -v flows)
	show "top -b -v flows" "$out"
	expect_match "the flow" "192.0.2.2 +192.0.2.1 +$lost_spi +DESYNC +[1-9]" "$out"
	expect "as JSON: connections with a desync" "gw" \
		"$(invspi -j -n "$A" --control "$LAB/A/control" top -d 300ms | jq -r '.connections[] | select(.desync > 0).conn')"
	out=$(helper_ask A explain)
	show "explain" "$out"
	expect_match "whose" "192.0.2.2 -> 192.0.2.1 esp spi $lost_spi of gw/net: [0-9]+ packets dropped" "$out"
	expect_match "what is in the way" "found +held: " "$out"
	out=$(helper_ask A status)
	show "status" "$out"
	expect_match "the first line" "^TROUBLE: out of step and not healed yet" "$out"
	expect_match "where to go on" "invspi explain conn gw" "$out"
}

healed()
{
	local out

	must helper_ask A mode default
	delivered net:B-A "$fault_us" 20000 || fail "it does not heal"
	out=$(screen "gw +192.0.2.2 +ok .* rekey healed +[0-9.]+s +[0-9.]+s" "") || fail "no such screen"
	show "80x24, connections" "$out"
	out=$(helper_ask A history limit 3)
	show "history limit 3" "$out"
	expect_match "the recovery" "gw/net: rekey healed, [0-9.ms]+ from the first dropped to the first delivered packet" "$out"
	expect_match "the SA" "gw/net: SA $lost_spi from 192.0.2.2 ended: (kernel_lost|rekeyed)" "$out"
}

without_helper()
{
	local out

	helper_stop A
	out=$(top) || fail "status $?"
	show "top -b" "$out"
	expect_match "it says so" "only the module's data: cannot reach invspid" "$out"
	expect_match "and shows the flows" "192.0.2.2 +192.0.2.1 +$lost_spi" "$out"
}

lab_up
streams_start
helper_start A
helper_ready A
wait_until 15 0.1 helper_settled || bail_out "invspid is not ready"
ktap_main \
	"a healthy gateway" healthy \
	"a desync shows, and what blocks its recovery" out_of_step \
	"its end shows" healed \
	"without the helper there are the module's data" without_helper
