#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# ESP in TCP, for which no kernel of Debian's is configured: in segments of its own,
# several in one, and one in many.
#
#   PEER 192.0.2.2, 2001:db8::2 (p0) -------- (g0) 192.0.2.1, 2001:db8::1 GW
#
# shellcheck source=SCRIPTDIR/../lib/modules.sh
. "$(dirname "$0")/../lib/modules.sh"

need_module
grep -qs espintcp /proc/kallsyms || skip_all "the kernel has no ESP in TCP"
setup_ns GW PEER
veth "$GW" g0 "192.0.2.1/24 2001:db8::1/64" "$PEER" p0 "192.0.2.2/24 2001:db8::2/64"
TCP="python3 $HARDENING/esp_in_tcp.py"
start_ready "$NS_TMP/4" on "$GW" $TCP listen 192.0.2.1 4500
start_ready "$NS_TMP/6" on "$GW" $TCP listen 2001:db8::1 4500

counted()
{
	expect_delta "$GW" no_state=30 on "$PEER" $TCP send 0x4444 10 192.0.2.1 4500
	expect_flow "$GW" 0x4444@192.0.2.2 packets=30 bytes=2160 last_seq=10 encap.type=espintcp encap.sport=null
	expect_delta "$GW" no_state=30 on "$PEER" $TCP send 0x4446 10 2001:db8::1 4500
	expect_flow "$GW" 0x4446@2001:db8::2 packets=30 bytes=2160 last_seq=10 encap.type=espintcp
}

# The same SPI without TCP is another flow.
plain()
{
	expect_delta "$GW" no_state=3 on "$PEER" send_esp -s 0x4444 -n 3 192.0.2.2 192.0.2.1
	expect "flows of that SPI" "2" "$(flows "$GW" 'map(select(.spi == "0x00004444")) | length')"
	expect_ok "delete the plain one" invspi -n "$GW" flow delete spi 0x4444 encap none
	expect_flow "$GW" 0x4444 packets=30 encap.type=espintcp
}

net_main \
	"every packet is counted, IPv4 and IPv6" counted \
	"plain ESP with the same SPI is another flow" plain
