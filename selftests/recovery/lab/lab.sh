# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Two gateways with a real IKE daemon each, on one machine. Sourced; brings
# net.sh with it. Which daemon: LAB_DAEMON[_A|_B], strongswan or libreswan; see
# daemons.sh.
#
#      HA                A                W                B               HB
#  10.1.0.10  --  10.1.0.1                              10.2.0.1  --  10.2.0.10
#  10.11.0.10    10.11.0.1                             10.12.0.1     10.12.0.10
#                192.0.2.1 eth0 -- pa bridge pb -- eth0 192.0.2.2
#
# Each is a network namespace. Two CHILD_SAs, net (10.1/16 === 10.2/16) and net2
# (10.11/16 === 10.12/16), on one IKE_SA of the connection gw; A is the gateway
# that gets hurt, and that has the helper. The hosts send to each other all the
# time (probe), and on the bridge's port towards A everything is seen (wiremon).
#
# Every gateway has a default route to the other one, as gateways to the Internet
# have, and a firewall that stops what would leave for it unencrypted; it counts.
#
# Knobs, lines of swanctl.conf or strongswan.conf: LAB_CONN[_A|_B] (connection),
# LAB_CHILD[_A|_B] (each child), LAB_CHARON[_A|_B], and of invspid.conf,
# LAB_HELPER[_A|_B]; LAB_MORE[_A|_B] are more connections,
# LAB_TOP[_A|_B] more sections. Of libreswan's ipsec.conf LAB_PLUTO[_A|_B] (each
# connection). More of them: see lab_defaults() and configs.sh.

LAB_HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=selftests/lib/net.sh
. "$LAB_HERE/../../lib/net.sh"
export PATH=$LAB_HERE:$PATH

LAB=$NS_TMP
# What the plain daemon of a distribution loads, less what would get in the way
# of two of them on one machine (bypass-lan, dhcp, farp, kernel-libipsec, ...).
LAB_PLUGINS="random drbg nonce aes sha1 sha2 hmac kdf gmp pem pkcs1 pubkey x509 \
revocation constraints openssl gcm kernel-netlink socket-default vici updown counters"
LAB_INTERVAL_MS=${LAB_INTERVAL_MS:-20}
declare -A LAB_OUTER=() LAB_LOCAL=() LAB_REMOTE=() LAB_TS=() LAB_HOSTS=()
declare -A DAEMON_PID=() HELPER_PID=() LAB_NS=()
MONITOR_PID='' PROBE_PID=''

# lab_defaults - what a configuration may change
lab_defaults()
{
	local n

	for n in CONN CHILD CHARON HELPER MORE TOP PLUTO; do
		unset "LAB_$n" "LAB_${n}_A" "LAB_${n}_B"
	done
	LAB_OUTER=([A]=192.0.2.1 [B]=192.0.2.2)
	# where the daemons think that they and their peers are, if not there
	LAB_LOCAL=() LAB_REMOTE=()
	# of each child: A's selector and B's; the hosts of its streams and a port
	LAB_TS=([net]="10.1.0.0/16 10.2.0.0/16" [net2]="10.11.0.0/16 10.12.0.0/16")
	LAB_HOSTS=([net]="HA 10.1.0.10 HB 10.2.0.10 9001" [net2]="HA 10.11.0.10 HB 10.12.0.10 9002")
	lab_children net net2
	LAB_PROTO=esp
	# functions: the connection's local and remote sections, and the secrets
	LAB_AUTH=auth_psk
	LAB_SECRETS=secrets_psk
	# who initiates
	LAB_INITIATOR=A
	# functions: what else it needs, after the networks are there; what writes the
	# daemons' configurations; who brings it up after the daemons are
	LAB_PREPARE=: LAB_CONFIGURE=lab_configure LAB_UP=tunnel_up
	# what the status of a helper that has settled has a line with
	LAB_READY=ready
	# what tunnel_state() says of it when it is up
	LAB_STATE=''
}

# lab_children CHILD... - these are there, each with a stream in both directions
lab_children()
{
	local c

	LAB_CHILDREN="$*" STREAMS=''
	for c; do
		STREAMS+="${STREAMS:+ }$c:A-B $c:B-A"
	done
}

# stamp - sets $now_us to microseconds, as probe and wiremon have them
stamp()
{
	now_us=${EPOCHREALTIME/[.,]/}
}

lab_modules()
{
	local m

	# Loading a cipher at its first use takes seconds in an emulated machine.
	for m in esp4 esp6 xfrm_user veth bridge tun ah4 nf_tables nft_chain_nat nft_masq nft_rt nft_counter \
		xfrm_interface ip_vti ip_gre aesni_intel gcm ghash_clmulni_intel ccm seqiv echainiv authenc cbc hmac sha256_ssse3; do
		modprobe -q "$m"
	done
	# The log of other namespaces than the first is a choice made at load time.
	[ -d /sys/module/xfrm_invspi ] || modprobe -q xfrm_invspi log_all_netns=1
	need_module
}

lab_net()
{
	local n other

	setup_ns HA A W B HB
	LAB_NS=([A]=$A [B]=$B)
	must ip -n "$W" link add br0 type bridge
	must ip -n "$W" link set br0 up
	must ip -n "$A" link add eth0 type veth peer name pa netns "$W"
	must ip -n "$B" link add eth0 type veth peer name pb netns "$W"
	for n in pa pb; do
		must ip -n "$W" link set "$n" master br0
		must ip -n "$W" link set "$n" up
	done
	for n in A B; do
		other=$([ $n = A ] && echo B || echo A)
		must ip -n "${LAB_NS[$n]}" link set eth0 up
		must ip -n "${LAB_NS[$n]}" address add "192.0.2.$(node_number $n)/24" dev eth0
		must ip -n "${LAB_NS[$n]}" address add "2001:db8::$(node_number $n)/64" dev eth0 nodad
		must ip -n "${LAB_NS[$n]}" route add default via "192.0.2.$(node_number $other)"
		on "${LAB_NS[$n]}" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward
			echo 0 >/proc/sys/net/ipv4/conf/all/send_redirects
			echo 0 >/proc/sys/net/ipv4/conf/eth0/send_redirects'
		on "${LAB_NS[$n]}" nft -f - <<-'N' || bail_out "no firewall in $n"
			table inet guard {
				chain forward {
					type filter hook forward priority filter
					oifname "eth0" ip saddr 10.0.0.0/8 rt ipsec missing counter drop
				}
			}
		N
	done
	veth "$HA" eth0 "10.1.0.10/16 10.11.0.10/16" "$A" in0 "10.1.0.1/16 10.11.0.1/16"
	veth "$HB" eth0 "10.2.0.10/16 10.12.0.10/16" "$B" in0 "10.2.0.1/16 10.12.0.1/16"
	must ip -n "$HA" route add default via 10.1.0.1
	must ip -n "$HB" route add default via 10.2.0.1
	$LAB_PREPARE
}

node_number()
{
	[ "$1" = A ] && echo 1 || echo 2
}

# guarded NODE - prints how many packets the firewall kept from leaving in clear
guarded()
{
	on "${LAB_NS[$1]}" nft list chain inet guard forward |
		sed -n 's/.*counter packets \([0-9]*\).*/\1/p'
}

# lab_up - everything but the helper; the tunnel is up at the end
lab_up()
{
	lab_modules
	lab_net
	lab_daemons
}

lab_daemons()
{
	local n pids=()


	for n in A B; do
		$LAB_CONFIGURE $n
		daemon_spawn $n
	done
	for n in A B; do
		(daemon_wait $n && daemon_load $n) &
		pids+=($!)
	done
	for n in "${pids[@]}"; do
		wait "$n" || exit
	done
	$LAB_UP
}

# lab_again - new daemons and tunnel, as the knobs say now; the networks stay
lab_again()
{
	local n

	for n in A B; do
		helper_stop $n
		daemon_stop $n KILL
		ip -n "${LAB_NS[$n]}" xfrm state flush
		ip -n "${LAB_NS[$n]}" xfrm policy flush
		ip -n "${LAB_NS[$n]}" route flush table 220 2>/dev/null
		rm -rf "${LAB:?}/$n/state"
	done
	lab_daemons
}

# helper_start NODE [OPTION...] - returns when it answers on its control socket
helper_start()
{
	local n=$1 dir=$LAB/$1

	shift
	mkdir -p "$dir/state"
	rm -f "$dir/control"
	{
		knob HELPER "$n"
		# pluto 4 does not tell where that is
		! is_pluto "$n" || echo "pluto_log = \"$dir/pluto.log\""
	} >"$dir/invspid.conf"
	ip netns exec "${LAB_NS[$n]}" invspid -f -c "$dir/invspid.conf" --vici "$dir/vici" --rundir "$dir/pluto" \
		--control "$dir/control" --state "$dir/state" "$@" </dev/null >>"$dir/invspid.log" 2>&1 &
	HELPER_PID[$n]=$!
	NS_PIDS+=($!)
}

# helper_ready NODE - waits until it can decide
helper_ready()
{
	wait_until 30 0.05 helper_sees "$1" ||
		bail_out "invspid of $1 is not ready: $waited; $(tail -n 20 "$LAB/$1/invspid.log")"
}

helper_sees()
{
	kill -0 "${HELPER_PID[$1]}" || return
	helper_ask "$1" status
}

# helper_settled [NODE] - whether it is connected to an IKE daemon that has settled
helper_settled()
{
	helper_ask "${1:-A}" status | grep -iq "$LAB_READY"
}

# helper_knows - whether the history of A's helper has SAs
helper_knows()
{
	helper_ask A -j status | grep -q '"sas":[1-9]'
}

# helper_ask NODE WORD... - the tool talks to the node's helper
helper_ask()
{
	local n=$1

	shift
	invspi --control "$LAB/$n/control" "$@"
}

# helper_stop NODE [SIGNAL]
helper_stop()
{
	[ -n "${HELPER_PID[$1]:-}" ] || return
	kill -"${2:-TERM}" "${HELPER_PID[$1]}" 2>/dev/null
	wait "${HELPER_PID[$1]}" 2>/dev/null
	unset "HELPER_PID[$1]"
}

# log_mark NODE WHICH - prints how long a log is; log_since NODE WHICH MARK prints
# what came after that. WHICH is charon, pluto or invspid.
log_mark()
{
	local f=$LAB/$1/$2.log

	[ ! -e "$f" ] || stat -c %s "$f"
}

log_since()
{
	tail -c "+$((${3:-0} + 1))" "$LAB/$1/$2.log"
}

# --- what is seen

# streams_start - probes between the hosts: NAME:B-A is what A's host receives
streams_start()
{
	local s na a nb b port args=()

	[ -n "$STREAMS" ] || return 0
	for s in $STREAMS; do
		read -r na a nb b port <<<"${LAB_HOSTS[${s%%:*}]}"
		case $s in
		*:A-B) args+=("$s,${!na},$a,${!nb},$b,$port") ;;
		*) args+=("$s,${!nb},$b,${!na},$a,$port") ;;
		esac
	done
	rm -f "$LAB/probe"
	probe run "$LAB/probe" "$LAB_INTERVAL_MS" "${args[@]}" &
	PROBE_PID=$!
	NS_PIDS+=($!)
	busywait 20 test -s "$LAB/probe" || bail_out "the probes do not start"
}

streams_stop()
{
	[ -n "$PROBE_PID" ] || return
	stop "$PROBE_PID"
	PROBE_PID=''
}

# delivered STREAM AFTER-US TIMEOUT-MS - waits for a packet sent after that time
# to arrive; sets $sent_us and $received_us
delivered()
{
	local r

	r=$(probe wait "$LAB/probe" "$1" "$2" "$3") || return
	# shellcheck disable=SC2034 # for the caller
	read -r sent_us received_us <<<"$r"
}

# all_delivered TIMEOUT-MS - whether every stream delivers what is sent from now on
all_delivered()
{
	local s t

	stamp
	t=$now_us
	for s in $STREAMS; do
		delivered "$s" "$t" "$1" || { undelivered=$s; return 1; }
	done
}

# lost STREAM [FROM-US [TO-US]] - prints the number of lost packets
lost()
{
	local s=$1

	[ -n "$STREAMS" ] || return 0
	shift
	probe report "$LAB/probe" "$@" | awk -v s="$s" '$1 == s { print $7 }'
}

# gap STREAM FROM-US - sets gap_begin, gap_end, gap_lost of the first gap of the
# stream among what was sent since then; gap_end is - if it did not end
gap()
{
	local r

	r=$(probe report "$LAB/probe" "$2" | awk -v s="$1" '$1 == s && NF >= 14 { print $12, $13, $14 }')
	# shellcheck disable=SC2034 # for the caller
	read -r gap_begin gap_end gap_lost <<<"$r"
	[ -n "$gap_begin" ]
}

# monitor_start [ike] - see wiremon.c
monitor_start()
{
	rm -f "$LAB/wire"
	wiremon "$LAB/wire" "$W" pa "$@" &
	MONITOR_PID=$!
	NS_PIDS+=($!)
	busywait 20 test -e "$LAB/wire" || bail_out "the monitor does not start"
}

monitor_stop()
{
	[ -n "$MONITOR_PID" ] || return
	stop "$MONITOR_PID"
	MONITOR_PID=''
}

# ike_sent FROM-US [TO-US [AWK-CONDITION]] - prints how many IKE packets A sent in
# that time; fields of the record as in wiremon.c: $8 exchange, $9 request
ike_sent()
{
	awk -v a="$1" -v b="${2:-9e18}" '
		$2 == "from" && $3 == "ike" && $1 + 0 >= a && $1 + 0 <= b '"${3:+&& ($3)}"' { n++ }
		END { print n + 0 }' "$LAB/wire"
}

# clear_seen FROM-US [TO-US] - prints how many packets of the inner networks were
# on the wire unencrypted
clear_seen()
{
	awk -v a="$1" -v b="${2:-9e18}" '
		$3 == "clear" && $1 + 0 >= a && $1 + 0 <= b { n++ } END { print n + 0 }' "$LAB/wire"
}

# xstat NODE - prints the kernel's error counters that are not 0
xstat()
{
	on "${LAB_NS[$1]}" awk '$2 > 0 { printf "%s=%s ", $1, $2 }' /proc/net/xfrm_stat
}

# lab_logs - for a failure: the ends of all logs
lab_logs()
{
	local f

	for f in "$LAB"/[ABC]/*.log; do
		note "--- ${f#"$LAB"/}"
		note "$(tail -n "${1:-30}" "$f")"
	done
	note "--- CHILD_SAs of A"
	note "$(sas A 2>&1)"
	note "--- counters: A $(xstat A) B $(xstat B)"
}

# lab_down - all of it goes
lab_down()
{
	local n ns

	streams_stop
	monitor_stop
	for n in "${!LAB_NS[@]}"; do
		helper_stop "$n" KILL
		daemon_stop "$n" KILL
	done
	for ns in "${NS_ALL[@]}"; do
		del_ns "$ns"
	done
	rm -rf "${LAB:?}"/*
}

# shellcheck source=selftests/recovery/lab/write.sh
. "$LAB_HERE/write.sh"
# shellcheck source=selftests/recovery/lab/daemons.sh
. "$LAB_HERE/daemons.sh"
lab_defaults
# shellcheck source=selftests/recovery/lab/faults.sh
. "$LAB_HERE/faults.sh"
# shellcheck source=selftests/recovery/lab/still.sh
. "$LAB_HERE/still.sh"
