#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The log line: its words, and when there is one. Only the initial namespace logs,
# so it is the gateway here.
#
#   PEER 192.0.2.2, 2001:db8::2 (p0) -------- (ginv0) 192.0.2.1, 2001:db8::1, initial
#
# shellcheck source=SCRIPTDIR/../lib/net.sh
. "$(dirname "$0")/../lib/net.sh"

need_module
[ -w /dev/kmsg ] || skip_all "the kernel's log is out of reach"
in_initial_netns || skip_all "not in the initial namespace"
setup_ns PEER
must ip link add ginv0 type veth peer name p0 netns "$PEER"
defer ip link del ginv0
must ip address add 192.0.2.1/24 dev ginv0
must ip address add 2001:db8::1/64 dev ginv0 nodad
must ip link set ginv0 up
must ip -n "$PEER" address add 192.0.2.2/24 dev p0
must ip -n "$PEER" address add 2001:db8::2/64 dev p0
must ip -n "$PEER" link set p0 up
remember init
defer invspi config set log-interval-ms 60000
A4="192.0.2.2 192.0.2.1"
S1="%CRYPTO-4-RECVD_PKT_INV_SPI: decaps: rec'd IPSEC packet has invalid spi for"

# send COUNT-THAT-ARRIVES OPTION...
send()
{
	local count=$1

	shift
	expect_delta init no_state="$count" on "$PEER" send_esp -n "$count" "$@"
}

words()
{
	log_mark
	send 1 -s 0xb761863e $A4
	expect "IPv4" "xfrm_invspi: $S1 destaddr=192.0.2.1, prot=50, spi=0xB761863E(3076621886), srcaddr=192.0.2.2, input interface=ginv0" "$(log_lines)"
	log_mark
	send 1 -s 0x100 2001:db8::2 2001:db8::1
	expect "IPv6" "xfrm_invspi: $S1 destaddr=2001:db8::1, prot=50, spi=0x00000100(256), srcaddr=2001:db8::2, input interface=ginv0" "$(log_lines)"
	must ip xfrm state add src 203.0.113.1 dst 203.0.113.2 proto ah spi 0x100 mode tunnel auth 'hmac(sha1)' 0x0102
	defer ip xfrm state delete src 203.0.113.1 dst 203.0.113.2 proto ah spi 0x100
	log_mark
	send 1 -p ah -s 0xffffffff $A4
	expect "AH" "xfrm_invspi: $S1 destaddr=192.0.2.1, prot=51, spi=0xFFFFFFFF(4294967295), srcaddr=192.0.2.2, input interface=ginv0" "$(log_lines)"
	start_ready "$NS_TMP/u" udp_encap 192.0.2.1 4500
	log_mark
	send 1 -p udp -s 0xc0ffee00 -P 31337 $A4
	expect_match "ESP in UDP, with the peer's port" "$S1 destaddr=192.0.2.1, prot=50, spi=0xC0FFEE00\\(3237998080\\), srcaddr=192.0.2.2, input interface=ginv0, srcport=31337$" "$(log_lines)"
}

once_a_minute()
{
	local before

	before=$(stats init .log_suppressed)
	log_mark
	send 10 -s 0x2001 $A4
	send 5 -s 0x2002 $A4
	expect "lines of each SPI" "1 1" \
		"$(log_lines | grep -c 0x00002001) $(log_lines | grep -c 0x00002002)"
	expect "suppressed lines" $((before + 13)) "$(stats init .log_suppressed)"
}

# After the interval there is a line again, and it tells how many are missing.
next_interval()
{
	must invspi config set log-interval-ms 300
	pause 0.4
	log_mark
	send 1 -s 0x2001 $A4
	expect_match "next line" "spi=0x00002001.*, 9 suppressed$" "$(log_lines)"
	must invspi config set log-interval-ms 60000
}

# A flow that is a desync has a shorter way through the module: the same holds there.
desync_too()
{
	local before

	must invspi config set desync-packets 2 desync-ms 0
	defer invspi config set desync-packets 3 desync-ms 1000
	send 3 -s 0x2003 $A4
	send 3 -s 0x2004 2001:db8::2 2001:db8::1
	expect "desyncs" "0x00002003 0x00002004" "$(flows init \
		'map(select(.state == "desync" and (.spi == "0x00002003" or .spi == "0x00002004")) | .spi) | sort | join(" ")')"
	before=$(stats init .log_suppressed)
	log_mark
	send 10 -s 0x2003 $A4
	send 10 -s 0x2004 2001:db8::2 2001:db8::1
	expect "lines" "" "$(log_lines)"
	expect "suppressed lines" $((before + 20)) "$(stats init .log_suppressed)"
	must invspi config set log-interval-ms 300
	pause 0.4
	send 1 -s 0x2003 $A4
	expect_match "next line" "spi=0x00002003.*, 12 suppressed$" "$(log_lines)"
	must invspi config set log-interval-ms 60000
}

# Only missing SAs are logged.
larval_is_silent()
{
	must ip xfrm state allocspi src 192.0.2.2 dst 192.0.2.1 proto esp mode tunnel min 0x5000 max 0x5000
	log_mark
	expect_delta init acquire=3 on "$PEER" send_esp -s 0x5000 -n 3 $A4
	expect "lines" "" "$(log_lines)"
	must ip xfrm state flush proto esp
}

sums_of_all()
{
	expect_sums init
	sums
}

ktap_main \
	"the words of the line" words \
	"one line a minute for a flow, the others counted" once_a_minute \
	"the next line tells how many are missing" next_interval \
	"a flow that is a desync has its line a minute, too" desync_too \
	"an SA that is being negotiated is not logged" larval_is_silent \
	"at rest every sum is right, in every namespace" sums_of_all
