# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Two gateways with a real IKE daemon each, on one machine. Sourced; brings
# net.sh with it.
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
# LAB_CHILD[_A|_B] (each child), LAB_CHARON[_A|_B].

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
# shellcheck disable=SC2034 # which stream a loss of the inbound SA of A's child stops
declare -A LAB_OUTER=([A]=192.0.2.1 [B]=192.0.2.2)
declare -A CHARON_PID=() HELPER_PID=() LAB_NS=()
MONITOR_PID='' PROBE_PID=''

# stamp - sets $now_us to microseconds, as probe and wiremon have them
stamp()
{
	now_us=${EPOCHREALTIME/[.,]/}
}

lab_modules()
{
	local m

	# Loading a cipher at its first use takes seconds in an emulated machine.
	for m in esp4 esp6 xfrm_user veth bridge nf_tables nft_rt nft_counter \
		aesni_intel gcm ghash_clmulni_intel ccm seqiv echainiv authenc cbc hmac sha256_ssse3; do
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
		must ip -n "${LAB_NS[$n]}" address add "${LAB_OUTER[$n]}/24" dev eth0
		must ip -n "${LAB_NS[$n]}" link set eth0 up
		must ip -n "${LAB_NS[$n]}" route add default via "${LAB_OUTER[$other]}"
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
}

# guarded NODE - prints how many packets the firewall kept from leaving in clear
guarded()
{
	on "${LAB_NS[$1]}" nft list chain inet guard forward |
		sed -n 's/.*counter packets \([0-9]*\).*/\1/p'
}

# knob NAME NODE - prints the lines for both and for this node
knob()
{
	local both=LAB_$1 one=LAB_$1_$2

	printf '%s\n%s\n' "${!both:-}" "${!one:-}"
}

# lab_configure NODE
lab_configure()
{
	local n=$1 dir=$LAB/$1 other=B l=1 r=2

	[ "$n" = A ] || { other=A l=2 r=1; }
	mkdir -p "$dir"
	cat >"$dir/strongswan.conf" <<-C
	swanctl {
		socket = unix://$dir/vici
		load = random nonce aes sha1 sha2 hmac pem pkcs1 pubkey x509 openssl
	}
	charon-systemd {
		load = $LAB_PLUGINS
		plugins {
			vici {
				socket = unix://$dir/vici
			}
		}
		filelog {
			file {
				path = $dir/charon.log
				append = yes
				time_format = %H:%M:%S
				time_add_ms = yes
				default = 1
				flush_line = yes
			}
		}
		journal {
			default = -1
		}
		$(knob CHARON "$n")
	}
	C
	cat >"$dir/swanctl.conf" <<-C
	connections {
		gw {
			version = 2
			local_addrs = ${LAB_OUTER[$n]}
			remote_addrs = ${LAB_OUTER[$other]}
			$(knob CONN "$n")
			local {
				auth = psk
				id = ${n,,}.example
			}
			remote {
				auth = psk
				id = ${other,,}.example
			}
			children {
				net {
					local_ts = 10.$l.0.0/16
					remote_ts = 10.$r.0.0/16
					$(knob CHILD "$n")
				}
				net2 {
					local_ts = 10.1$l.0.0/16
					remote_ts = 10.1$r.0.0/16
					$(knob CHILD "$n")
				}
			}
		}
	}
	secrets {
		ike-lab {
			id-a = a.example
			id-b = b.example
			secret = "only for this lab"
		}
	}
	C
}

# ask NODE COMMAND... - VICI to the node's daemon
ask()
{
	local n=$1

	shift
	vici "$LAB/$n/vici" "$@"
}

# charon_start NODE - returns when it serves VICI
charon_start()
{
	charon_spawn "$1"
	charon_wait "$1"
}

charon_spawn()
{
	local n=$1

	rm -f "$LAB/$n/vici"
	STRONGSWAN_CONF=$LAB/$n/strongswan.conf ip netns exec "${LAB_NS[$n]}" \
		charon-systemd </dev/null >>"$LAB/$n/charon.out" 2>&1 &
	CHARON_PID[$n]=$!
	NS_PIDS+=($!)
}

charon_wait()
{
	wait_until 60 0.05 ask "$1" version ||
		bail_out "charon of $1 does not answer: $waited; $(tail -n 5 "$LAB/$1/charon.log" "$LAB/$1/charon.out")"
}

# charon_load NODE - loads connections and secrets; sets $loaded_us
charon_load()
{
	local out

	out=$(STRONGSWAN_CONF=$LAB/$1/strongswan.conf swanctl --load-all --noprompt \
		--file "$LAB/$1/swanctl.conf" 2>&1) || bail_out "swanctl --load-all for $1: $out"
	stamp
	loaded_us=$now_us
}

# charon_stop NODE [SIGNAL]
charon_stop()
{
	[ -n "${CHARON_PID[$1]:-}" ] || return
	kill -"${2:-TERM}" "${CHARON_PID[$1]}" 2>/dev/null
	wait "${CHARON_PID[$1]}" 2>/dev/null
	unset "CHARON_PID[$1]"
}

# sas NODE - see vici.c: 1 connection 2 id 3 state 4 child 5 id 6 state 7 SPI in
# 8 SPI out 9 packets in 10 tasks
sas()
{
	ask "$1" sas
}

# spi_in NODE CHILD, spi_out NODE CHILD - prints the SPI of the child that is up
spi_in()
{
	sas "$1" | awk -v c="$2" '$4 == c && ($6 == "INSTALLED" || $6 == "REKEYING") { s = $7 }
		END { if (s) print "0x" s }'
}

spi_out()
{
	sas "$1" | awk -v c="$2" '$4 == c && ($6 == "INSTALLED" || $6 == "REKEYING") { s = $8 }
		END { if (s) print "0x" s }'
}

# tunnel_up - A initiates both children
tunnel_up()
{
	local c

	for c in net net2; do
		must ask A initiate ike=gw child=$c timeout=20000
	done
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
		lab_configure $n
		charon_spawn $n
	done
	for n in A B; do
		(charon_wait $n && charon_load $n) &
		pids+=($!)
	done
	for n in "${pids[@]}"; do
		wait "$n" || exit
	done
	tunnel_up
}

# lab_again - new daemons and tunnel, as the knobs say now; the networks stay
lab_again()
{
	local n

	for n in A B; do
		helper_stop $n
		charon_stop $n KILL
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
	ip netns exec "${LAB_NS[$n]}" invspid -f --vici "$dir/vici" --control "$dir/control" \
		--state "$dir/state" "$@" </dev/null >>"$dir/invspid.log" 2>&1 &
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
	helper_ask "${1:-A}" status | grep -iq 'ready'
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
# what came after that. WHICH is charon or invspid.
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
	rm -f "$LAB/probe"
	probe run "$LAB/probe" "$LAB_INTERVAL_MS" \
		"net:A-B,$HA,10.1.0.10,$HB,10.2.0.10,9001" \
		"net:B-A,$HB,10.2.0.10,$HA,10.1.0.10,9001" \
		"net2:A-B,$HA,10.11.0.10,$HB,10.12.0.10,9002" \
		"net2:B-A,$HB,10.12.0.10,$HA,10.11.0.10,9002" &
	PROBE_PID=$!
	NS_PIDS+=($!)
	busywait 20 test -s "$LAB/probe" || bail_out "the probes do not start"
}

STREAMS="net:A-B net:B-A net2:A-B net2:B-A"

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

monitor_start()
{
	rm -f "$LAB/wire"
	wiremon "$LAB/wire" "$W" pa &
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

# --- what goes wrong

# fault_inbound_lost CHILD [SPI] - A's kernel loses the inbound SA, charon does not
# know; sets $lost_spi, and $fault_us: after it nothing of that stream comes through
fault_inbound_lost()
{
	lost_spi=${2:-$(spi_in A "$1")}
	[ -n "$lost_spi" ] || bail_out "A has no CHILD_SA $1: $(sas A)"
	must ip -n "$A" xfrm state delete dst "${LAB_OUTER[A]}" proto esp spi "$lost_spi"
	stamp
	fault_us=$now_us
}

# fault_power_off - what A has in memory is gone; sets $fault_us: nothing that is
# sent later comes through
fault_power_off()
{
	helper_stop A KILL
	charon_stop A KILL
	ip -n "$A" xfrm state flush
	ip -n "$A" xfrm policy flush
	ip -n "$A" route flush table 220 2>/dev/null
	stamp
	fault_us=$now_us
}

# power_on - A starts again, the helper too if there was one;
# sets $ready_us: connections loaded, and a second for the daemon to settle
power_on()
{
	[ ! -d "$LAB/A/state" ] || helper_start A
	charon_start A
	charon_load A
	ready_us=$((loaded_us + 1000000))
}

# fault_reboot SECONDS - A is off for that long
fault_reboot()
{
	fault_power_off
	pause "$1"
	power_on
}

# inject SPI FIRST-SEQ COUNT INTERVAL-MS - ESP that looks as if it came from B
forge()
{
	inject "$B" "${LAB_OUTER[B]}" "${LAB_OUTER[A]}" "$@"
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

	for f in "$LAB"/[AB]/*.log; do
		note "--- ${f#"$LAB"/}"
		note "$(tail -n "${1:-30}" "$f")"
	done
	note "--- CHILD_SAs of A"
	note "$(sas A 2>&1)"
	note "--- counters: A $(xstat A) B $(xstat B)"
}
