#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The limits of the log: lines a second, none at all, other namespaces.
#
#   PEER 192.0.2.2 (p0) -------- (ginv0) 192.0.2.1, initial namespace
#                  (p1) -------- (g0) 198.51.100.1 GW
#
# shellcheck source=SCRIPTDIR/../lib/net.sh
. "$(dirname "$0")/../lib/net.sh"

need_module
[ -w /dev/kmsg ] || skip_all "the kernel's log is out of reach"
in_initial_netns || skip_all "not in the initial namespace"
setup_ns GW PEER
veth "$GW" g0 198.51.100.1/24 "$PEER" p1 198.51.100.2/24
must ip link add ginv0 type veth peer name p0 netns "$PEER"
defer ip link del ginv0
must ip address add 192.0.2.1/24 dev ginv0
must ip link set ginv0 up
must ip -n "$PEER" address add 192.0.2.2/24 dev p0
must ip -n "$PEER" link set p0 up
remember init
defer invspi config set log-interval-ms 60000 log-rate 10
A4="192.0.2.2 192.0.2.1"
S1="%CRYPTO-4-RECVD_PKT_INV_SPI: decaps: rec'd IPSEC packet has invalid spi for"

# send COUNT-THAT-ARRIVES OPTION...
send()
{
	local count=$1

	shift
	expect_delta init no_state="$count" on "$PEER" send_esp -n "$count" "$@"
}

global_cap()
{
	local before t0 ms

	before=$(stats init .log_suppressed)
	must invspi config set log-rate 2
	log_mark
	t0=$(date +%s%3N)
	send 200 -s 0x3000 -F 200 $A4
	ms=$(($(date +%s%3N) - t0))
	expect_num "lines of 200 flows in $ms ms at 2 a second" "$(log_lines | wc -l)" -le $((4 + 2 * ms / 1000))
	expect_num "lines" "$(log_lines | wc -l)" -ge 1
	expect "lines and suppressed lines" 200 \
		"$(($(log_lines | wc -l) + $(stats init .log_suppressed) - before))"
	must invspi config set log-rate 10
}

off()
{
	must invspi config set log-interval-ms 0
	log_mark
	send 3 -s 0x4000 -F 3 $A4
	expect "lines with log-interval-ms 0" "" "$(log_lines)"
	must invspi config set log-interval-ms 60000
}

other_namespace()
{
	log_mark
	expect_delta "$GW" no_state=3 on "$PEER" send_esp -n 3 198.51.100.2 198.51.100.1
	expect "lines of another namespace" "" "$(log_lines)"
	must rmmod xfrm_invspi
	must modprobe xfrm_invspi log_all_netns=1
	remember "$GW" "$PEER" init
	expect_delta "$GW" no_state=3 on "$PEER" send_esp -n 3 198.51.100.2 198.51.100.1
	expect_match "its line with log_all_netns" "$S1 destaddr=198.51.100.1,.* input interface=g0$" "$(log_lines)"
	must rmmod xfrm_invspi
	must modprobe xfrm_invspi
	remember "$GW" "$PEER" init
}

sums_of_all()
{
	expect_sums init
	sums
}

ktap_main \
	"a cap on all lines, the others counted" global_cap \
	"log-interval-ms 0 turns it off" off \
	"other namespaces log only with log_all_netns" other_namespace \
	"at rest every sum is right, in every namespace" sums_of_all
