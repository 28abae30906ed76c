#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Packets as they might be, and with something wrong: ESP, AH, ESP in UDP, in each other,
# with extension headers and options, in fragments, in one piece and in many, shared,
# through GRO, with and without an SA; see fuzz_pkt.c, pkt_make.c and pkt_ways.c.
# PACKETS: how many (1000000); SEED: others (1).
#
#   (p0) -------- (g0, gro, mirrored to d0) 192.0.2.1, 2001:db8::1 GW
#   fuzz_tun, fuzz_tap, fuzz_frags: made by fuzz_pkt
#
# shellcheck source=SCRIPTDIR/../lib/modules.sh
. "$(dirname "$0")/../lib/modules.sh"

: "${PACKETS:=1000000}" "${SEED:=1}"
: "${BATCH:=$((PACKETS < 200000 ? PACKETS / 10 : 20000))}"
# After GRO the kernel drops some packets without a callback.
SUMS_ONLY=no_state

need_module
for m in esp4_offload esp6_offload ah4 ah6 ip_vti ip6_vti xfrm_interface tun dummy; do
	modprobe -q $m || note "there is no module $m"
done
setup_ns GW
veth "$GW" g0 "192.0.2.1/24 2001:db8::1/64" "$GW" p0 ""
must ip -n "$GW" link add d0 type dummy
must ip -n "$GW" link set d0 up
on "$GW" ethtool -K g0 gro on
if tc -n "$GW" qdisc add dev g0 clsact && tc -n "$GW" filter add dev g0 ingress matchall \
		action mirred egress mirror dev d0; then
	note "packets on g0 are mirrored"
else
	bail_out "tc cannot mirror"
fi

# IPComp and IP-in-IP, which XFRM interfaces receive, the kernel counts with the same
# number as missing SAs, and they are not the module's. They are kept out, as is all
# of which it cannot be told; only IPComp inside of ESP gets in, and is counted apart.
testmod invspi_comp
on "$GW" nft -f - <<-'N' || bail_out "nft"
	table inet known {
		chain pre {
			type filter hook prerouting priority raw; policy drop
			meta l4proto != { 4, 41, 108, 135 } accept
		}
		chain in {
			type filter hook input priority raw; policy drop
			meta l4proto != { 4, 41, 108, 135 } accept
		}
	}
N

# null_sa DST SPI [ARG...] - an SA that changes nothing and checks nothing
null_sa()
{
	local dst=$1 spi=$2 src=192.0.2.2

	shift 2
	[[ $dst != *:* ]] || src=2001:db8::2
	must ip -n "$GW" xfrm state add src $src dst "$dst" proto esp spi "$spi" \
		enc 'ecb(cipher_null)' '' auth digest_null '' "$@"
}

# What the SPIs from 0x2000 on are; see choose_spi() in pkt_make.c
for dst in 192.0.2.1 2001:db8::1; do
	src=192.0.2.2 any=0.0.0.0
	[[ $dst != *:* ]] || src=2001:db8::2 any=::
	for ((i = 0; i < 16; i += 2)); do
		null_sa $dst $((0x2000 + i)) mode transport
		null_sa $dst $((0x2001 + i)) mode tunnel replay-window $((i * 2))
	done
	must sa "$GW" $src $dst 0x2010
	must sa "$GW" $src $dst 0x2011 mode transport
	must ip -n "$GW" xfrm state allocspi src $src dst $dst proto esp mode tunnel reqid 9 \
		min 0x2012 max 0x2012
	null_sa $dst 0x2013 mode tunnel mark 7
	null_sa $dst 0x2014 mode tunnel encap espinudp 4500 4500 $any
	null_sa $dst 0x2015 mode transport encap espinudp 4500 4500 $any
	null_sa $dst 0x2016 mode tunnel if_id 5
	must ip -n "$GW" xfrm state add src $src dst $dst proto ah spi 0x2017 mode transport \
		auth digest_null ''
	must ip -n "$GW" xfrm state add src $src dst $dst proto ah spi 0x2018 mode tunnel \
		auth 'hmac(sha256)' 0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
	null_sa $dst 0x2019 mode tunnel limit packet-hard 1000
	null_sa $dst 0x201a mode beet sel src 10.9.0.1 dst 10.9.0.2
done
must ip -n "$GW" link add vti0x type vti local 192.0.2.1 remote 192.0.2.3 key 3
must ip -n "$GW" link set vti0x up
must ip -n "$GW" link add x0 type xfrm dev g0 if_id 5
must ip -n "$GW" link set x0 up

fuzzed()
{
	local before=$SECONDS

	on "$GW" fuzz_pkt -n "$PACKETS" -b "$BATCH" -S "$SEED" p0:g0 ||
		fail "fuzz_pkt, seed $SEED: not every packet was counted right, see above"
	note "$((SECONDS - before)) s; $(on "$GW" awk '$2 { printf "%s=%s ", $1, $2 }' /proc/net/xfrm_stat)"
	note "$(cat /sys/module/invspi_comp/parameters/missing) of them are IPComp"
	note "module: $(stats "$GW" '.packets | tojson'), $(stats "$GW" .flows) flows"
	expect_num "packets without an SA" "$(stats "$GW" .packets.no_state)" -ge $((PACKETS / 10))
}

alive()
{
	must invspi -n "$GW" flow flush
	expect_delta "$GW" no_state=5 on "$GW" send_esp -s 0x7777 -n 5 192.0.2.1 192.0.2.1
	expect_flow "$GW" 0x7777 packets=5
}

# sums_but_comp - as sums, where the kernel has counted IPComp, too
sums_but_comp()
{
	NS_BASE[$GW.no_state]=$((${NS_BASE[$GW.no_state]:-0} + $(cat /sys/module/invspi_comp/parameters/missing)))
	sums
}

ktap_main \
	"$PACKETS packets, seed $SEED: every one without an SA is counted" fuzzed \
	"it works as before" alive \
	"at rest every sum is right" sums_but_comp
