#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The helper's mirror of the SAD with the kernel itself: SAs come and go in every
# way, events are lost, and the mirror is right again. xfrm_probe is the mirror
# and nothing else; its output is what is judged.
#
# shellcheck source=SCRIPTDIR/../lib/net.sh
. "$(dirname "$0")/../lib/net.sh"

PATH=$SELFTESTS/recovery/lab:$PATH
OUT=$NS_TMP/probe.out
need_root
setup_ns A B
veth "$A" a0 "192.0.2.1/24 2001:db8::1/64" "$B" b0 "192.0.2.2/24 2001:db8::2/64"

probe_start()
{
	[ -p "$NS_TMP/commands" ] || must mkfifo "$NS_TMP/commands"
	exec {to}<>"$NS_TMP/commands"
	: >"$OUT"
	ip netns exec "$A" xfrm_probe <"$NS_TMP/commands" >>"$OUT" 2>"$NS_TMP/probe.err" {to}>&- &
	PROBE=$!
	NS_PIDS+=("$PROBE")
	from=1
	tells 20 ready || bail_out "xfrm_probe: $(cat "$OUT" "$NS_TMP/probe.err")"
}

mark()
{
	from=$(($(wc -l <"$OUT") + 1))
}

told()
{
	tail -n "+$from" "$OUT"
}

told_match()
{
	told | grep -Eq "^$1"
}

# tells SECONDS REGEX - waits until a line since the last mark matches
tells()
{
	wait_until "$1" 0.02 told_match "$2" && return
	fail "the mirror does not tell '$2' in $1 s"
	note "$(told | tail -n 20)"
	return 1
}

# ask REGEX WORD... - gives a command, waits for the line, leaves all lines in $said
ask()
{
	local regex=$1

	shift
	mark
	echo "$*" >&"$to"
	tells 20 "$regex"
	said=$(told)
}

# event REGEX COMMAND... - runs it, then waits for the event
event()
{
	local regex=$1

	shift
	mark
	expect_ok "$*" "$@"
	tells 10 "$regex"
}

count()
{
	ask 'count ' count
	expect "SAs in the mirror" "count $1" "$said"
}

add_delete()
{
	event 'added 192\.0\.2\.2 192\.0\.2\.1 0x00001001 proto 50 reqid 5 mark 0x0/0x0 if_id 0 mode 1 ' \
		sa "$A" 192.0.2.2 192.0.2.1 0x1001 reqid 5
	event 'added 2001:db8::2 2001:db8::1 0xfffffffe .* mode 0 ' \
		sa "$A" 2001:db8::2 2001:db8::1 0xfffffffe mode transport
	count 2
	ask 'found 1' find 0x1001
	ask 'got 0' get 192.0.2.1 0x1001 0
	expect_match "asked of the kernel" 'sa 192.0.2.2 192.0.2.1 0x00001001 proto 50 reqid 5' "$said"
	ask 'got ESRCH' get 192.0.2.2 0x1001 0
	ask 'got ESRCH' get 192.0.2.1 0x1002 0
	ask 'left ENOENT' left 192.0.2.1 0x1001
	event 'removed 192\.0\.2\.2 192\.0\.2\.1 0x00001001 .* deleted$' sa_del "$A" 192.0.2.1 0x1001
	ask 'left deleted' left 192.0.2.1 0x1001
	ask 'got ESRCH' get 192.0.2.1 0x1001 0
	ask 'found 0' find 0x1001
	event 'added' sa "$A" 192.0.2.2 192.0.2.1 0x1001
	ask 'left ENOENT' left 192.0.2.1 0x1001
	event 'removed .* deleted$' sa_del "$A" 192.0.2.1 0x1001
	event 'removed 2001:db8::2 .* deleted$' sa_del "$A" 2001:db8::1 0xfffffffe
	count 0
}

flush()
{
	ask 'flush_seen 0' flush_seen
	sa "$A" 192.0.2.2 192.0.2.1 0x1001
	sa "$A" 192.0.2.1 192.0.2.2 0x2001
	event 'flushed' ip -n "$A" xfrm state flush
	expect "removed" 2 "$(told | grep -c '^removed .* flushed$')"
	expect_match "each once, then the end" 'flushed$' "$(told | tail -n 1)"
	count 0
	ask 'left flushed' left 192.0.2.1 0x1001
	ask 'flush_seen 1' flush_seen

	event 'added' sa "$A" 192.0.2.2 192.0.2.1 0x1001
	# Nothing to flush is no event.
	mark
	must ip -n "$A" xfrm state flush proto ah
	count 1
	event 'flushed' ip -n "$A" xfrm state flush proto esp
	count 0
}

expire()
{
	event 'added .* 0x00001101 ' sa "$A" 192.0.2.2 192.0.2.1 0x1101 limit time-hard 1 reqid 8
	event 'removed 192\.0\.2\.2 192\.0\.2\.1 0x00001101 proto 50 reqid 8 .* expired$' true
	ask 'left expired' left 192.0.2.1 0x1101
	# A soft limit ends nothing.
	event 'added .* 0x00001102 ' sa "$A" 192.0.2.2 192.0.2.1 0x1102 limit time-soft 1
	event 'added .* 0x00001103 ' sa "$A" 192.0.2.2 192.0.2.1 0x1103 limit time-hard 3
	event 'removed .* 0x00001103 .* expired$' true
	count 1
	event 'flushed' ip -n "$A" xfrm state flush
}

larval()
{
	mark
	must ip -n "$A" xfrm state allocspi src 192.0.2.2 dst 192.0.2.1 proto esp min 0x1201 max 0x1201
	ask 'got 0' get 192.0.2.1 0x1201 0
	expect_match "the kernel has it, larval" '0x00001201 .* larval' "$said"
	ask 'resynced 0' resync
	count 0
	event 'added .* 0x00001201 ' ip -n "$A" xfrm state update src 192.0.2.2 dst 192.0.2.1 \
		proto esp spi 0x1201 mode tunnel enc 'ecb(cipher_null)' '' auth 'hmac(sha256)' 0x00
	ask 'got 0' get 192.0.2.1 0x1201 0
	expect_match "no longer larval" '0x00001201 .*packets 0$' "$(head -n 1 <<<"$said")"
	count 1
	# Another one that never gets an SA expires, and nobody is told.
	must ip netns exec "$A" sysctl -qw net.core.xfrm_acq_expires=1
	must ip -n "$A" xfrm state allocspi src 192.0.2.2 dst 192.0.2.1 proto esp min 0x1202 max 0x1202
	expect_ok "the larval SA goes" slowwait 20 gone 0x1202
	ask 'left ENOENT' left 192.0.2.1 0x1202
	event 'flushed' ip -n "$A" xfrm state flush
}

gone()
{
	! ip -n "$A" xfrm state | grep -q "$1"
}

marks()
{
	event 'added .* 0x00001301 .* mark 0x11/0xff ' \
		sa "$A" 192.0.2.2 192.0.2.1 0x1301 mark 0x11 mask 0xff
	event 'added .* 0x00001301 .* mark 0x22/0xff ' \
		sa "$A" 192.0.2.2 192.0.2.1 0x1301 mark 0x22 mask 0xff
	event 'added .* 0x00001302 .* if_id 42 ' sa "$A" 192.0.2.2 192.0.2.1 0x1302 if_id 42
	event 'added .* 0x00001303 .* encap 2/4500/30001 ' \
		sa "$A" 192.0.2.2 192.0.2.1 0x1303 encap espinudp 4500 30001 0.0.0.0
	ask 'found 2' find 0x1301
	ask 'got ESRCH' get 192.0.2.1 0x1301 0
	ask 'got ESRCH' get 192.0.2.1 0x1301 0x33
	ask 'got 0' get 192.0.2.1 0x1301 0x5522
	expect_match "the mark decides" 'mark 0x22/0xff' "$said"
	event 'removed .* 0x00001301 .* mark 0x11/0xff .* deleted$' \
		sa_del "$A" 192.0.2.1 0x1301 mark 0x11 mask 0xff
	ask 'found 1' find 0x1301
	event 'flushed' ip -n "$A" xfrm state flush
}

counters()
{
	must ip -n "$A" address add 10.1.0.1 dev lo
	must ip -n "$B" address add 10.2.0.1 dev lo
	must ip -n "$A" route add 10.2.0.1 via 192.0.2.2 src 10.1.0.1
	must ip -n "$B" route add 10.1.0.1 via 192.0.2.1 src 10.2.0.1
	tunnel "$A" 192.0.2.1 10.1.0.1 "$B" 192.0.2.2 10.2.0.1 0x1401 0x2401
	expect_ok "pings" ip netns exec "$A" ping -q -i 0.01 -c 7 -W 5 10.2.0.1
	ask 'got 0' get 192.0.2.1 0x2401 0
	expect_match "the kernel's own count" 'packets 7$' "$(head -n 1 <<<"$said")"
	event 'flushed' ip -n "$A" xfrm state flush
	must ip -n "$A" xfrm policy flush
}

addresses()
{
	local a

	must ip -n "$A" link add vrf0 type vrf table 10
	must ip -n "$A" link set vrf0 up
	must ip -n "$A" link add dummy0 type dummy
	must ip -n "$A" link set dummy0 master vrf0 up
	must ip -n "$A" address add 198.51.100.1/24 dev dummy0
	must ip -n "$A" address add 198.51.100.9 peer 198.51.100.10 dev a0
	must ip -n "$A" route add local 203.0.113.0/28 dev lo
	for a in 192.0.2.1 2001:db8::1 127.0.0.1 ::1 198.51.100.1 198.51.100.9 203.0.113.5; do
		ask 'local ' local "$a"
		expect "$a" "local 1" "$said"
	done
	for a in 192.0.2.2 192.0.2.255 2001:db8::2 198.51.100.2 198.51.100.10 203.0.113.99 \
		224.0.0.1 0.0.0.0 ::; do
		ask 'local ' local "$a"
		expect "$a" "local 0" "$said"
	done
	must ip -n "$A" address del 192.0.2.1/24 dev a0
	ask 'local ' local 192.0.2.1
	expect "after it was taken away" "local 0" "$said"
	must ip -n "$A" address add 192.0.2.1/24 dev a0
}

# batch FILE COMMAND FROM TO - one line for each SPI
batch()
{
	local i

	for ((i = $3; i <= $4; i++)); do
		echo "xfrm state ${2/SPI/$i}"
	done >"$1"
}

overrun()
{
	local add="add src 192.0.2.2 dst 192.0.2.1 proto esp spi SPI mode tunnel enc ecb(cipher_null) \"\""

	batch "$NS_TMP/add" "$add" 10001 15000
	batch "$NS_TMP/del" "delete dst 192.0.2.1 proto esp spi SPI" 10001 12000
	ask 'overruns 0' overruns
	ask 'small 0' small
	ask 'waiting' wait
	must ip -n "$A" -batch "$NS_TMP/add"
	mark
	echo >&"$to"
	tells 60 'added .* 0x00003a98 '
	expect_ok "all are told" slowwait 30 all_told added 5000
	count 5000
	ask 'overruns [1-9]' overruns

	# And of the deletions, after a flush of other events.
	ask 'waiting' wait
	must ip -n "$A" -batch "$NS_TMP/del"
	mark
	echo >&"$to"
	expect_ok "all deletions are told" slowwait 30 all_told removed 2000
	expect_match "most were not seen" 'unseen' "$(told | tail -n 1)"
	count 3000
	ask 'left unseen' left 192.0.2.1 12000
	mark
	must ip -n "$A" xfrm state flush
	tells 20 flushed
	count 0
	expect "warned once" 1 "$(grep -c 'dropped SA events' "$NS_TMP/probe.err")"
}

all_told()
{
	[ "$(told | grep -c "^$1 ")" -ge "$2" ]
}

# What was there before the start is in the mirror, without an event for each.
first_dump()
{
	exec {to}>&-
	kill "$PROBE"
	wait "$PROBE"
	must sa "$A" 192.0.2.2 192.0.2.1 0x1501
	must sa "$A" 2001:db8::2 2001:db8::1 0x1502
	probe_start
	count 2
	expect "no events" ready "$(head -n 1 "$OUT")"
	event 'removed .* 0x00001501 .* deleted' sa_del "$A" 192.0.2.1 0x1501
}

# The daemon's way to change addresses: delete and add under the same SPI.
same_again()
{
	event 'added .* 0x00001601 ' sa "$A" 192.0.2.2 192.0.2.1 0x1601
	mark
	must sa_del "$A" 192.0.2.1 0x1601
	must sa "$A" 192.0.2.9 192.0.2.1 0x1601
	tells 10 'added 192\.0\.2\.9 '
	ask 'left ENOENT' left 192.0.2.1 0x1601
}

no_rights()
{
	local out

	out=$(ip netns exec "$A" setpriv --bounding-set -all --inh-caps -all \
		--reuid 65534 --clear-groups xfrm_probe </dev/null 2>&1)
	expect "without CAP_NET_ADMIN" \
		"failed: cannot subscribe to the kernel's SA events: Operation not permitted: run as root, or with CAP_NET_ADMIN" \
		"$out"
}


probe_start
ktap_main "SAs come and go" add_delete \
	"a flush is one event for all" flush \
	"a hard limit" expire \
	"a larval SA" larval \
	"marks, interface ids, encapsulation" marks \
	"counters are the kernel's" counters \
	"which addresses are ours" addresses \
	"5000 SAs while we do not read" overrun \
	"what was there before" first_dump \
	"the same SPI again" same_again \
	"without rights" no_rights
