#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A gateway that knows no address of its peers (remote_addrs = %any): two of them
# behind one NAT, its own SAs with an interface number, a mark and algorithms that
# are not the first of its list. When it reboots, a temporary copy of the connection
# brings back what there was; then the copy is gone, and the SAs live on.
# TRIALS: how many reboots (2).
cd "$(dirname "$0")" || exit 1
. lab/lab.sh
. lab/judge.sh
. lab/configs.sh

TRIALS=${TRIALS:-2}
HEAL_SECONDS=40

config_dynamic()
{
	config_nat_peers
	LAB_CONN_A+=$'\nproposals = aes256-sha384-ecp384, aes128-sha256-x25519'
	LAB_CONN_B+=$'\nproposals = aes128-sha256-x25519'
	LAB_CHILD_A=$'esp_proposals = aes256gcm16, aes128-sha256-x25519
		if_id_in = 42\nif_id_out = 42\nmark_out = 0x7/0xff'
	LAB_CHILD_B='esp_proposals = aes128-sha256-x25519'
	LAB_PREPARE=interface_and_mark
}

interface_and_mark()
{
	second_peer
	must ip -n "$A" link add ipsec0 type xfrm dev eth0 if_id 42
	must ip -n "$A" link set ipsec0 up
	must ip -n "$A" route add 10.2.0.0/16 dev ipsec0
	must ip -n "$A" route add 10.12.0.0/16 dev ipsec0
	on "$A" nft -f - <<-'R' || bail_out "no mark"
		table ip marking {
			chain pre {
				type filter hook prerouting priority mangle
				ip daddr { 10.2.0.0/16, 10.12.0.0/16 } meta mark set 7
			}
		}
	R
}

# xfrm_facts - A's SAs with B without what differs each time: SPIs and keys
xfrm_facts()
{
	ip -n "$A" xfrm state | awk '
		function flush() { if (sa ~ /if_id/) print sa; sa = "" }
		/^src/ { flush(); sa = $4 == "192.0.2.1" ? "in" : "out" }
		/proto/ { sa = sa " " $2 " " $(NF - 1) " " $NF }
		/auth-trunc|enc |aead/ { sa = sa " " $1 " " $2 " " length($3) " " $4 }
		/encap|mark|if_id/ { gsub(/^[ \t]+/, ""); sa = sa " [" $0 "]" }
		END { flush() }' | sort
}

# conns NODE - the connections of each IKE_SA with children, and these
conns()
{
	sas "$1" | awk '$4 != "-" { print $1, $4 }' | sort
}

# copies - names of the copies that A's daemon has loaded
copies()
{
	ask A get-conns | grep -o 'invspid-[^ =]*' || true
}

no_copies()
{
	[ -z "$(copies)" ]
}

has_copy()
{
	[ -n "$(copies)" ]
}

# all_heal WHAT - every stream of these delivers again
all_heal()
{
	local s

	for s in $STREAMS; do
		delivered "$s" "$fault_us" $((HEAL_SECONDS * 1000)) && continue
		fail "$1: $s is not healed in $HEAL_SECONDS s"
		note "$(log_since A invspid "$said_mark")"
		return 1
	done
}

# said REGEX - whether A's helper has, since the mark
said()
{
	log_since A invspid "$said_mark" | grep -Eq -- "$1"
}

same_as_before()
{
	local before i

	for ((i = 1; i <= TRIALS; i++)); do
		all_delivered 20000 || { fail "trial $i: $undelivered is dead before"; lab_logs 40; return; }
		before=$(xfrm_facts)
		said_mark=$(log_mark A invspid)
		fault_reboot 0.5
		all_heal "trial $i" || { lab_logs 40; return; }
		wait_until 20 0.1 said "healed gw/" || fail "trial $i: it does not say so"
		wait_until 20 0.1 said "healed gw-c/" || fail "trial $i: nor of the other peer"
		wait_until 10 0.1 no_copies || fail "trial $i: still loaded: $(copies)"
		expect "trial $i: A's SAs with B, but for SPIs and keys" "$before" "$(xfrm_facts)"
	done
	note "$before"
	note "A's SAs belong to: $(conns A | tr '\n' ';')"
	expect_num "A's SAs that a copy has made" "$(sas A | grep -c '^invspid-')" -ge 3
}

# rekeyed NODE WORD... - that node does so, and all goes on
rekeyed()
{
	local n=$1

	shift
	ask "$n" rekey "$@" >/dev/null || fail "$n: rekey $*"
	wait_until 20 0.2 quiet_tasks || fail "$n: rekey $*: still under way"
	all_delivered 15000 || fail "$n: after rekey $*: $undelivered is dead"
}

quiet_tasks()
{
	{ sas A; sas B; } | awk '$10 != "-" || ($6 != "-" && $6 !~ /INSTALLED|DELETED|REKEYED/) { bad = 1 } END { exit bad }'
}

lives_on()
{
	local c id before name

	for c in net net2; do
		before=$(spi_in A $c)
		id=$(sas A | awk -v c=$c '$4 == c && $6 == "INSTALLED" { print $5; exit }')
		rekeyed A "child-id=$id"
		expect "$c, rekeyed by us: another SPI" yes \
			"$([ "$(spi_in A $c)" != "$before" ] && echo yes)"
		before=$(spi_in A $c)
		rekeyed B child=$c
		expect "$c, rekeyed by the peer: another SPI" yes \
			"$([ "$(spi_in A $c)" != "$before" ] && echo yes)"
	done
	name=$(sas A | awk '$4 == "net" { print $1; exit }')
	id=$(sas A | awk '$4 == "net" { print $2; exit }')
	rekeyed A "ike-id=$id"
	expect "after a rekey of the IKE_SA by us: its name" "$name" \
		"$(sas A | awk '$4 == "net" { print $1; exit }')"
	rekeyed B ike=gw
	expect "A's SAs, with names as the helper sees them" "$(tr ' ' '\n' <<<"$LAB_STATE")" \
		"$(tunnel_state | tr ' ' '\n')"
	# and the lost inbound SA of a child that a copy made is rekeyed as any
	said_mark=$(log_mark A invspid)
	fault_inbound_lost net
	delivered net:B-A "$fault_us" 30000 || fail "a lost inbound SA is not healed"
	wait_until 15 0.1 said "healed gw/net .*: rekey" || fail "not by a rekey: $(log_since A invspid "$said_mark")"
}

reconnects()
{
	ask B terminate ike=gw timeout=10000 >/dev/null || fail "B cannot terminate"
	tunnel_up
	all_delivered 20000 || fail "after B came back: $undelivered is dead"
	expect "connection that B has got" "gw net gw net2" "$(conns A | grep -v net3 | paste -sd' ')"
}

# begin_frozen - A reboots, and B's daemon does not answer, but its kernel sends; C
# has gone in order before. Returns when a copy is loaded.
begin_frozen()
{
	ask C terminate ike=gw timeout=10000 >/dev/null
	said_mark=$(log_mark A invspid)
	kill -STOP "${DAEMON_PID[B]}"
	fault_reboot 0.5
	wait_until 60 0.02 has_copy || {
		fail "no copy: $waited"
		note "$(log_since A invspid "$said_mark")"
		kill -CONT "${DAEMON_PID[B]}"
		return 1
	}
}

meanwhile()
{
	local s from

	begin_frozen || return
	note "loaded: $(copies)"
	ask C initiate ike=gw child=net3 timeout=20000 >/dev/null || fail "C cannot connect"
	expect "connection that C has got" "gw-c net3" "$(conns A | grep net3)"
	stamp
	from=$now_us
	for s in net3:A-B net3:B-A; do
		delivered $s "$from" 10000 || fail "$s is dead"
	done
	stamp
	from=$now_us
	kill -CONT "${DAEMON_PID[B]}"
	all_heal "B answers again"
	wait_until 10 0.1 no_copies || fail "still loaded: $(copies)"
	expect "A's SAs with C" "gw-c net3" "$(conns A | grep net3)"
	stamp
	for s in net3:A-B net3:B-A; do
		expect "packets of $s lost since then" 0 "$(lost $s "$from" "$now_us")"
	done
}

# afresh - B's daemon goes on, and both peers begin anew: what the helper had begun, A's
# daemon has gone on with, and may have brought up one child of the two
afresh()
{
	local c

	kill -CONT "${DAEMON_PID[B]}"
	ask B terminate ike=gw force=yes timeout=1000 >/dev/null
	# refused if A was faster
	for c in net net2; do
		ask B initiate ike=gw child=$c timeout=20000 >/dev/null
	done
	must ask C initiate ike=gw child=net3 timeout=20000
	all_delivered 20000 || fail "in the end $undelivered is dead"
}

killed()
{
	begin_frozen || return
	helper_stop A KILL
	expect "after SIGKILL there is a copy" yes "$(has_copy && echo yes)"
	said_mark=$(log_mark A invspid)
	# it may act again only when there is none left
	helper_start A --dry-run
	wait_until 20 0.1 no_copies || fail "after its restart still loaded: $(copies)"
	expect "it says so" yes "$(said "unloading invspid-gw-[0-9]*: left over" && echo yes)"
	helper_stop A
	helper_start A
	afresh
	wait_until 10 0.1 no_copies || fail "at the end still loaded: $(copies)"
}

stopped()
{
	begin_frozen || return
	helper_stop A TERM
	expect "after an orderly end there is no copy" yes "$(no_copies && echo yes)"
	helper_start A
	afresh
}

in_clear()
{
	streams_stop
	monitor_stop
	expect "packets of the inner networks on the wire in clear" 0 "$(clear_seen 0)"
}

lab_modules
lab_defaults
config_dynamic
lab_net
lab_daemons
helper_start A
helper_ready A
wait_until 20 0.1 helper_settled A || bail_out "the helper of A: $waited"
monitor_start
streams_start
ktap_main \
	"after a reboot each peer is back as it was" same_as_before \
	"SAs that a copy made go on without it" lives_on \
	"a peer that connects anew gets the connection itself" reconnects \
	"another peer that connects meanwhile gets its own connection" meanwhile \
	"SIGKILL leaves no copy behind" killed \
	"an orderly end leaves no copy behind" stopped \
	"nothing leaves unencrypted" in_clear
