#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The kernel's own netlink client drives the family from the YAML file. KSRC names
# a kernel source tree (6.12 or later) with tools/net/ynl.
#
#   PEER 192.0.2.2 (p0) -------- (g0) 192.0.2.1 GW
#
# shellcheck source=SCRIPTDIR/../lib/net.sh
. "$(dirname "$0")/../lib/net.sh"

for CLI in "${KSRC:-}"/tools/net/ynl/{cli.py,pyynl/cli.py}; do
	[ ! -f "$CLI" ] || break
done
[ -f "$CLI" ] || skip_all "no tools/net/ynl: set KSRC to a kernel source tree of 6.12 or later"
for f in "${INVSPI_UAPI:-}" "$SELFTESTS/../uapi" /run/vm/uapi; do
	[ ! -f "$f/xfrm_invspi.yaml" ] || break
done

need_module
setup_ns GW PEER
veth "$GW" g0 "192.0.2.1/24 2001:db8::1/64" "$PEER" p0 "192.0.2.2/24 2001:db8::2/64"
# It looks for the schema beside the folder of the file.
mkdir "$NS_TMP/specs"
cp "$f/xfrm_invspi.yaml" "$NS_TMP/specs/"
cp "$KSRC/Documentation/netlink/genetlink.yaml" "$NS_TMP/"
must on "$PEER" send_esp -s 0xb761863e -n 3 192.0.2.2 192.0.2.1
must on "$PEER" send_esp -s 0x1111 -n 2 2001:db8::2 2001:db8::1

# ynl OPTION... - runs the client in the gateway
ynl()
{
	on "$GW" env PYTHONDONTWRITEBYTECODE=1 python3 "$CLI" --spec "$NS_TMP/specs/xfrm_invspi.yaml" \
		--output-json "$@" 2>&1
}

# It reads addresses as numbers, in this version.
SRC=$((0xc0000202)) DST=$((0xc0000201))

# q FILTER JSON
q()
{
	jq -r "$1" <<<"$2" 2>&1 || printf '%s\n' "$2"
}

dump()
{
	local out

	out=$(ynl --dump flow-get --json '{}')
	expect "flows" 2 "$(q length "$out")"
	expect "the IPv4 flow" "192.0.2.2 192.0.2.1 50 0xb761863e 3 216 3 new" "$(q '.[] | select(.src4) |
		"\(.src4) \(.dst4) \(.proto) \(.spi) \(.packets) \(.bytes) \(.reasons["no-state"]) \(.state)"' "$out")"
	expect "the IPv6 flow" "2001:db8::2 2001:db8::1 2" \
		"$(q '.[] | select(.src6) | "\(.src6) \(.dst6) \(.packets)"' "$out")"
	out=$(ynl --dump flow-get --json '{"src4": '$((0xc0000000))', "src-prefixlen": 16}')
	expect "flows of a filter" "1 192.0.2.2" "$(q '"\(length) \(.[0].src4)"' "$out")"
}

one()
{
	expect "the flow of a key" 3 "$(q .packets "$(ynl --do flow-get \
		--json '{"src4": '$SRC', "dst4": '$DST', "spi": 3076621886}')")"
	expect_match "a key that is not there" "no such flow" "$(ynl --do flow-get \
		--json '{"src4": '$SRC', "dst4": '$DST', "spi": 1}')"
	expect_match "half a key" "SPI missing" "$(ynl --do flow-get \
		--json '{"src4": '$SRC', "dst4": '$DST'}')"
}

statistics()
{
	expect "statistics" "5 3 2 2 4096 0" "$(q '"\(.packets["no-state"]) \(.ipv4["no-state"]) \(.ipv6["no-state"]) \(.flows) \(.["flows-max"]) \(.["untracked-packets"])"' \
		"$(ynl --do stats-get --json '{}')")"
}

configuration()
{
	expect "config-set" null "$(ynl --do config-set --json '{"idle-ms": 4321, "log-rate": 7}')"
	expect "config-get" "4321 7 3" "$(q '"\(.["idle-ms"]) \(.["log-rate"]) \(.["desync-packets"])"' \
		"$(ynl --do config-get --json '{}')")"
	expect_match "out of range" "out of range" "$(ynl --do config-set --json '{"log-rate": 0}')"
}

events()
{
	ynl --subscribe events --sleep 6 >"$NS_TMP/events" &
	for ((i = 0; i < 30; i++)); do
		on "$PEER" send_esp -s $((0x2000 + i)) 192.0.2.2 192.0.2.1
		pause 0.2
	done
	wait $!
	expect_num "events" "$(q length "$(cat "$NS_TMP/events")")" -ge 1
	expect "their kind" flow-new-ntf "$(q 'map(.name) | unique | join(" ")' "$(cat "$NS_TMP/events")")"
	expect "their source" 192.0.2.2 "$(q 'map(.msg.src4) | unique | join(" ")' "$(cat "$NS_TMP/events")")"
}

deletes()
{
	expect "flow-del" null "$(ynl --do flow-del --json '{"spi": 4369}')"
	expect "IPv6 flows left" 0 "$(q 'map(select(.src6)) | length' "$(ynl --dump flow-get --json '{}')")"
}

net_main \
	"dumps flows, with a filter or without" dump \
	"gets one flow, and the text of a refusal" one \
	"reads statistics" statistics \
	"reads and changes settings" configuration \
	"subscribes to events" events \
	"deletes" deletes
