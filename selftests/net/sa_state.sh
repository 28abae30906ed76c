#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# An SA that is there but not usable: still being negotiated (larval), expired, or for
# another encapsulation.
#
#   PEER 192.0.2.2, 2001:db8::2 (p0) -------- (g0) 192.0.2.1, 2001:db8::1 GW
#
# shellcheck source=SCRIPTDIR/../lib/net.sh
. "$(dirname "$0")/../lib/net.sh"

need_module
setup_ns GW PEER
veth "$GW" g0 "192.0.2.1/24 2001:db8::1/64" "$PEER" p0 "192.0.2.2/24 2001:db8::2/64"
must modprobe -a esp4 esp6
A4="192.0.2.2 192.0.2.1"
A6="2001:db8::2 2001:db8::1"
start_ready "$NS_TMP/u" on "$GW" udp_encap 192.0.2.1 4500
# A larval SA lives for thirty seconds, which are soon over on a slow machine.
must on "$GW" sh -c 'echo 600 >/proc/sys/net/core/xfrm_acq_expires'

# larval SRC DST SPI - what an IKE daemon does before it has the keys
larval()
{
	ip -n "$GW" xfrm state allocspi src "$1" dst "$2" proto esp mode tunnel \
		reqid 1 min "$3" max "$3"
}

acquire()
{
	must larval $A4 0x9004
	expect_delta "$GW" acquire=3 on "$PEER" send_esp -s 0x9004 -n 3 $A4
	expect_flow "$GW" 0x9004 packets=3 bytes=216 reasons.acquire=3 reasons.no_state=0 src=192.0.2.2
	must larval $A6 0x9006
	expect_delta "$GW" acquire=3 on "$PEER" send_esp -s 0x9006 -n 3 $A6
	expect_flow "$GW" 0x9006 packets=3 bytes=216 reasons.acquire=3 src=2001:db8::2
	expect "acquire per family" "3 3" "$(stats "$GW" '"\(.ipv4.acquire) \(.ipv6.acquire)"')"
}

# The keys come: the SA is found. It goes: the same flow has both reasons.
negotiated_then_gone()
{
	must ip -n "$GW" xfrm state update src 192.0.2.2 dst 192.0.2.1 proto esp spi 0x9004 \
		mode tunnel reqid 1 enc 'ecb(cipher_null)' '' \
		auth-trunc 'hmac(sha256)' 0x000102030405060708090a0b0c0d0e0f 128
	expect_delta "$GW" "acquire=0 XfrmInStateProtoError=2" on "$PEER" send_esp -s 0x9004 -n 2 $A4
	must sa_del "$GW" 192.0.2.1 0x9004
	expect_delta "$GW" no_state=4 on "$PEER" send_esp -s 0x9004 -n 4 $A4
	expect_flow "$GW" 0x9004 packets=7 reasons.acquire=3 reasons.no_state=4
}

acquire_in_udp()
{
	must larval $A4 0x9104
	expect_delta "$GW" acquire=2 on "$PEER" send_esp -p udp -P 1234 -s 0x9104 -n 2 $A4
	expect_flow "$GW" 0x9104 reasons.acquire=2 encap.type=espinudp encap.sport=1234 encap.dport=4500
}

# The SA is for ESP in UDP, the packets are plain, and the other way round.
encap_mismatch()
{
	must sa "$GW" $A4 0xe001 encap espinudp 4500 4500 0.0.0.0
	expect_delta "$GW" encap_mismatch=3 on "$PEER" send_esp -s 0xe001 -n 3 $A4
	expect_flow "$GW" 0xe001 packets=3 reasons.encap_mismatch=3 encap=null bytes=216
	must sa "$GW" $A4 0xe002
	expect_delta "$GW" encap_mismatch=3 on "$PEER" send_esp -p udp -P 999 -s 0xe002 -n 3 $A4
	expect_flow "$GW" 0xe002 packets=3 reasons.encap_mismatch=3 encap.sport=999
	expect_delta "$GW" "encap_mismatch=0 XfrmInStateProtoError=2" \
		on "$PEER" send_esp -p udp -s 0xe001 -n 2 $A4
}

encap_mismatch_v6()
{
	start_ready "$NS_TMP/u6" on "$GW" udp_encap 2001:db8::1 4500
	must sa "$GW" $A6 0xe006
	expect_delta "$GW" encap_mismatch=2 on "$PEER" send_esp -p udp -P 998 -s 0xe006 -n 2 $A6
	expect_flow "$GW" 0xe006 reasons.encap_mismatch=2 encap.sport=998
}

# burst SPI COUNT - ESP in UDP in one piece, which the kernel takes apart: all of it comes
# before a timer can run. The SA must change nothing and check nothing.
burst()
{
	on "$PEER" python3 - "$1" "$2" <<-'P'
		import socket, struct, sys
		UDP_SEGMENT = 103
		spi, count = int(sys.argv[1], 0), int(sys.argv[2])
		esp = [struct.pack("!II20x4B", spi, n + 1, 1, 2, 2, socket.IPPROTO_UDP)
		       for n in range(count)]
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.bind(("192.0.2.2", 4500))
		s.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, len(esp[0]))
		s.sendto(b"".join(esp), ("192.0.2.1", 4500))
	P
}

# An SA that is at its end stays until a timer has run: it is found, and not valid.
expired()
{
	must ip -n "$GW" xfrm state add src 192.0.2.2 dst 192.0.2.1 proto esp spi 0xe200 \
		mode transport enc 'ecb(cipher_null)' '' auth digest_null '' \
		encap espinudp 4500 4500 0.0.0.0 limit packet-hard 3
	expect_delta "$GW" "state_invalid=36 XfrmInStateExpired=1" burst 0xe200 40
	expect_flow "$GW" 0xe200 packets=36 reasons.state_invalid=36 reasons.no_state=0 \
		encap.sport=4500
	slowwait 10 gone || fail "the SA is still there"
	expect_delta "$GW" no_state=2 on "$PEER" send_esp -p udp -P 4500 -s 0xe200 -n 2 $A4
	expect_flow "$GW" 0xe200 packets=38 reasons.state_invalid=36 reasons.no_state=2
}

gone()
{
	[ -z "$(ip -n "$GW" xfrm state get dst 192.0.2.1 proto esp spi 0xe200 2>/dev/null)" ]
}

# What else goes wrong with an SA that is there has other counters: a wrong ICV,
# a replayed packet.
not_ours()
{
	must sa "$GW" $A4 0xe100 replay-window 32
	expect_delta "$GW" XfrmInStateProtoError=2 on "$PEER" send_esp -s 0xe100 -n 2 $A4
	expect_delta "$GW" XfrmInStateSeqError=1 on "$PEER" send_esp -s 0xe100 -q 0 $A4
	expect "flows of these SPIs" 0 "$(flows "$GW" 'map(select(.spi[0:8] == "0x0000e1")) | length')"
}

net_main \
	"a larval SA: acquire, packet by packet" acquire \
	"negotiated, then deleted" negotiated_then_gone \
	"a larval SA and ESP in UDP" acquire_in_udp \
	"an SA for another encapsulation, IPv4" encap_mismatch \
	"an SA for another encapsulation, IPv6" encap_mismatch_v6 \
	"an SA that has expired: not valid, packet by packet" expired \
	"a wrong ICV and a replay are not counted" not_ours
