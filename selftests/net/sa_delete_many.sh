#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Two hundred SAs, each deleted while packets for all of them arrive on the other
# processor. What the packets die of, the kernel and we agree on exactly: a wrong
# ICV (they are junk), no SA, or an SA that died between look-up and use.
#
#   PEER 192.0.2.2, 2001:db8::2 (p0) -------- (g0) 192.0.2.1, 2001:db8::1 GW
#
# shellcheck source=SCRIPTDIR/../lib/net.sh
. "$(dirname "$0")/../lib/net.sh"

need_module
setup_ns GW PEER
veth "$GW" g0 "192.0.2.1/24 2001:db8::1/64" "$PEER" p0 "192.0.2.2/24 2001:db8::2/64"
SAS=200
DIES_OF="XfrmInStateProtoError XfrmInNoStates XfrmInStateInvalid"

# dead - packets that have arrived since $before was read
dead()
{
	local -A now=()
	local m sum=0

	read_xfrm_stat "$GW" now
	for m in $DIES_OF; do
		sum=$((sum + now[$m] - before[$m]))
	done
	[ "$sum" -ge "$1" ]
}

# deletes SRC DST SPI - the case, for one family
deletes()
{
	local -A before=() after=()
	local n=12000 i m pid sum=0

	for ((i = 0; i < SAS; i++)); do
		echo "xfrm state add src $1 dst $2 proto esp spi $(($3 + i)) mode tunnel" \
			"enc ecb(cipher_null) \"\" auth-trunc hmac(sha256) 0x00010203 128"
	done >"$NS_TMP/add"
	sed 's/add src [^ ]* \(.*\) mode.*/delete \1/' "$NS_TMP/add" >"$NS_TMP/delete"
	must ip -n "$GW" -batch "$NS_TMP/add"
	read_xfrm_stat "$GW" before
	on "$PEER" send_esp -s "$3" -F $SAS -n $n -r 4000 "$1" "$2" &
	pid=$!
	poll 10 dead 1000
	must ip -n "$GW" -batch "$NS_TMP/delete"
	kill -0 $pid || fail "all packets had been sent before the last SA was deleted"
	wait $pid
	poll 10 dead $n
	read_xfrm_stat "$GW" after
	for m in $DIES_OF; do
		note "$m $((after[$m] - before[$m]))"
		sum=$((sum + after[$m] - before[$m]))
	done
	expect "packets" $n $sum
	expect_num "packets without an SA" $((after[no_state] - before[no_state])) -gt 0
	expect_sums "$GW"
}

v4()
{
	deletes 192.0.2.2 192.0.2.1 0x5000
}

v6()
{
	deletes 2001:db8::2 2001:db8::1 0x6000
}

net_main \
	"IPv4: kernel and module agree" v4 \
	"IPv6: kernel and module agree" v6
