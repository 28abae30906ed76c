#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# ICMP errors that carry ESP are still handled: our error handler passes them on.
#
#   A 192.0.2.1 (a0) -- (ra) R (rb) -- (b0) 198.51.100.1 B
#     2001:db8:a::1        mtu 1300 here      2001:db8:b::1
#     10.1.0.1, 2001:db8:1::1   ESP tunnels   10.2.0.1, 2001:db8:2::1
#
# shellcheck source=SCRIPTDIR/../lib/net.sh
. "$(dirname "$0")/../lib/net.sh"

need_module
setup_ns A R B
veth "$A" a0 "192.0.2.1/24 10.1.0.1/32 2001:db8:a::1/64 2001:db8:1::1/128" \
	"$R" ra "192.0.2.254/24 2001:db8:a::fe/64"
veth "$B" b0 "198.51.100.1/24 10.2.0.1/32 2001:db8:b::1/64 2001:db8:2::1/128" \
	"$R" rb "198.51.100.254/24 2001:db8:b::fe/64"
must ip -n "$R" link set rb mtu 1300
must ip -n "$B" link set b0 mtu 1300
must on "$R" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward
	echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
must ip -n "$A" route add default via 192.0.2.254
must ip -n "$B" route add default via 198.51.100.254
must ip -n "$A" route add default via 2001:db8:a::fe
must ip -n "$B" route add default via 2001:db8:b::fe
tunnel "$A" 192.0.2.1 10.1.0.1 "$B" 198.51.100.1 10.2.0.1 0x1001 0x2002
tunnel "$A" 2001:db8:a::1 2001:db8:1::1 "$B" 2001:db8:b::1 2001:db8:2::1 0x1006 0x2006

# path_mtu DST - what A has learned of the path there
path_mtu()
{
	ip -n "$A" route get "$1" | sed -n 's/.* mtu \([0-9]*\).*/\1/p'
}

learned()
{
	[ "$(path_mtu "$1")" = 1300 ]
}

# big FAMILY INNER OUTER - a ping that fits nowhere, from the inner address
big()
{
	local from=10.1.0.1

	[ "$1" = 4 ] || from=2001:db8:1::1
	expect_ok "a small ping through the tunnel" on "$A" ping -"$1" -c 1 -W 5 -I $from "$2"
	expect "path MTU before" "" "$(path_mtu "$3")"
	on "$A" ping -"$1" -c 1 -W 1 -M "do" -s 1350 -I $from "$2" >"$NS_TMP/ping" 2>&1
	busywait 5 learned "$3"
	expect "path MTU after" 1300 "$(path_mtu "$3")"
	expect_ok "a ping as big as the path allows" on "$A" \
		ping -"$1" -c 1 -W 5 -M "do" -s 1100 -I $from "$2"
}

v4()
{
	big 4 10.2.0.1 198.51.100.1
}

v6()
{
	big 6 2001:db8:2::1 2001:db8:b::1
}

# An error about an SA that nobody has is counted by nobody: it is not a packet
# of the peer, and anyone can send one.
unknown_spi()
{
	local quoted n

	quoted=4500005400004000403200 # the header of our own alleged packet
	quoted=${quoted}00c0000201c6336401deadbeef00000001
	n=$(printf '0304000000000514%s' "$quoted")
	expect_delta "$A" no_state=0 snmp_grows "$A" IcmpInMsgs 3 on "$R" \
		send_esp -p 1 -b "$(icmp_sum "$n")" -n 3 192.0.2.254 192.0.2.1
	expect_no_flows "$A"
}

# icmp_sum HEX - puts the checksum into an ICMP message
icmp_sum()
{
	local h=$1 sum=0 i

	for ((i = 0; i < ${#h}; i += 4)); do
		sum=$((sum + 0x$(printf '%-4s' "${h:i:4}" | tr ' ' 0)))
	done
	while [ $((sum >> 16)) != 0 ]; do
		sum=$(((sum & 0xffff) + (sum >> 16)))
	done
	printf '%s%04x%s\n' "${h:0:4}" $((~sum & 0xffff)) "${h:8}"
}

net_main \
	"IPv4: the path MTU of the tunnel is learned" v4 \
	"IPv6: the path MTU of the tunnel is learned" v6 \
	"an ICMP error about an unknown SPI is not counted" unknown_spi
