#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Everything that changes the table at once, while a flood comes in on all
# processors: resizing, flushing, deleting, dumping, and a namespace that goes.
#
#   PEER 192.0.2.2, 2001:db8::2 (p0) -------- (g0) 192.0.2.1, 2001:db8::1 GW
#
# shellcheck source=SCRIPTDIR/../lib/churn.sh
. "$(dirname "$0")/../lib/churn.sh"

: "${CHURN_SECONDS:=20}"	# how long all of it goes on at once
: "${CHURN_NAMESPACES:=10}"	# how many are destroyed

need_module
setup_ns GW PEER
veth "$GW" g0 "192.0.2.1/24 2001:db8::1/64" "$PEER" p0 "192.0.2.2/24 2001:db8::2/64"
at_once()
{
	local name

	flood_start "$PEER" "$(mac "$GW" g0)"
	start resize resize
	start flush invspi -n "$GW" flow flush
	start delete delete src 10.0.0.0/9
	start delete6 delete state new src 2001:db8::/32
	start show show
	start filter show src 10.0.0.0/8 state new
	start stats invspi -n "$GW" -j stats show
	pause "$CHURN_SECONDS"
	finish
	stop $FLOOD
	for name in resize flush delete delete6 show filter stats; do
		note "$name: $(cat "$NS_TMP/$name.runs") times"
		expect_num "runs of $name" "$(cat "$NS_TMP/$name.runs")" -ge 3
		expect "failures of $name" "" "$(head -n 5 "$NS_TMP/$name.failed")"
	done
	poll 10 settled
	expect_num "packets without an SA" "$(xfrm_stat "$GW" XfrmInNoStates)" -gt 1000
	expect_sums "$GW"
}

# The kernel flags a dump during which the table began anew, and the tool asks
# again: strace shows both.
interrupted()
{
	local trace=$NS_TMP/trace

	must invspi -n "$GW" config set flows-max 4096
	flood_start "$PEER" "$(mac "$GW" g0)"
	start flush invspi -n "$GW" flow flush
	slowwait 60 retried || fail "no dump was interrupted, asked for again and then complete"
	finish
	stop $FLOOD
	note "$(grep -c NLM_F_DUMP_INTR "$trace") messages flagged," \
		"$(asked) times asked for"
}

# retried - whether a dump was flagged, asked for once more, and ended well
retried()
{
	strace -v -o "$trace" -e trace=sendto,recvmsg invspi -n "$GW" flow show >/dev/null || return
	grep -q NLM_F_DUMP_INTR "$trace" && [ "$(asked)" -ge 2 ]
}

# NLM_F_DUMP, which not every strace knows by its name
asked()
{
	grep -cE '^sendto.*(0x300|NLM_F_DUMP)' "$trace"
}

# Namespaces go with flows in them, a listener, a dump under way and packets coming.
destroyed()
{
	local i VICTIM="" OTHER=""

	for ((i = 1; i <= CHURN_NAMESPACES; i++)); do
		setup_ns VICTIM OTHER
		veth "$VICTIM" g0 "192.0.2.1/24 2001:db8::1/64" \
			"$OTHER" p0 "192.0.2.2/24 2001:db8::2/64"
		flood_start "$OTHER" "$(mac "$VICTIM" g0)"
		background invspi -n "$VICTIM" -j monitor >/dev/null
		poll 20 has_flows "$VICTIM" 200 || fail "no flows in namespace $i"
		start dump invspi -n "$VICTIM" flow show
		pause 0.1
		stop $!
		del_ns "$VICTIM"
		finish
		del_ns "$OTHER"
		stop $FLOOD 2>/dev/null
	done
	expect_sums "$GW"
}

net_main \
	"resizing, flushing, deleting, dumping under a flood from $(nproc) processors" at_once \
	"an interrupted dump is flagged, and the tool asks again" interrupted \
	"$CHURN_NAMESPACES namespaces destroyed under a flood" destroyed
