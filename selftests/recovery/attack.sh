#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What anybody can send, for WATCH seconds (60) of each pattern, in one state of the
# tunnel (STATE; see enter). A may do what RECOVERY's rules allow an attacker to
# provoke and no more: nothing for children that receive something, one rekey a
# minute for those that do not. Its SAs stay, no stream loses a packet by it, and
# while the attack goes on a real desync is healed within 5 s. How many bytes of IKE
# A has sent for each byte that was sent to it is printed.
#
# STATE=flood: a million packets of each pattern, as fast as they go; packets are lost
# then, for the machine is busy. PATTERNS: only these.
cd "$(dirname "$0")" || exit 1
# before the lab, which has a default of its own
WATCH=${WATCH:-60}
. lab/lab.sh
. lab/judge.sh
. lab/configs.sh
. lab/matrix.sh

STATE=${STATE:-busy}
FLOOD=${FLOOD:-1000000}
PEERS=1000		# that are configured besides
AFTER=30		# the attack goes on beside the real desync, for so long at most

# --- the tunnel

config_forced_encap()	{ attacked; LAB_CONN='encap = yes'; }
config_attacked()	{ attacked; }

# B has a connection that A knows nothing of
config_extra()
{
	attacked
	LAB_MORE_B='extra {
		version = 2
		local_addrs = 192.0.2.2
		remote_addrs = 192.0.2.1
		local { auth = psk
			id = c.example }
		remote { auth = psk
			id = a.example }
	}'
}

# Connections to PEERS more peers, none of which was ever up
config_many_more()
{
	attacked
	LAB_MORE_A=$(for ((i = 1; i <= PEERS; i++)); do
		printf 'more%d {
			version = 2
			local_addrs = 2001:db8::1
			remote_addrs = 2001:db8::1:%x
			local { auth = psk
				id = a.example }
			remote { auth = psk
				id = more%d.example }
			children { net { local_ts = 10.1.0.0/16
				remote_ts = 10.99.%d.%d/32 } }
		}\n' "$i" "$i" "$i" $((i / 250)) $((i % 250))
	done)
}

attacked()
{
	[ "$STATE" != on_demand ] || LAB_CHILD_A='start_action = trap'
}

# enter - brings the tunnel into its state; nothing if it is
enter()
{
	victim=net allowed=0
	case $STATE in
	busy|flood) ;;
	# an IKE daemon that hears nothing may be asked for a rekey
	idle) STREAMS='' allowed=1 ;;
	one_way) STREAMS="net:A-B net2:A-B" allowed=1 ;;
	held) must helper_ask A hold add gw reason "under attack" ;;
	on_demand) STREAMS="net2:A-B net2:B-A" victim=net2; close_by_peer net ;;
	closed) STREAMS="net:A-B net:B-A"; close_by_peer net2 ;;
	*) bail_out "STATE '$STATE': must be busy, idle, one_way, held, on_demand, closed or flood" ;;
	esac
}

close_by_peer()
{
	[ -n "$(spi_in A "$1")" ] || return 0
	must ask B terminate child="$1" timeout=5000
	wait_until 10 0.1 eval "[ -z \"\$(spi_in A $1)\" ]" || bail_out "B cannot close $1"
}

# --- the patterns: pattern_NAME prepares one and sets $attack to what starts it;
# pattern_NAME_config is its configuration

# at RATE - sets $pace to options for that rate, or for a flood
at()
{
	rate=$1
	if [ "$STATE" = flood ]; then
		pace="-n $FLOOD"
	else
		pace="-n $((rate * (WATCH + AFTER))) -r $rate"
	fi
}

pattern_random()
{
	at 200
	attack="$forged -R 1 -Z $pace 192.0.2.2 192.0.2.1"
}

pattern_fixed()
{
	at 50
	attack="$forged -s 0x5eed1234 $pace 192.0.2.2 192.0.2.1"
}

pattern_hundred()
{
	at 50
	attack="$forged -s 0xc5000000 -F 100 $pace 192.0.2.2 192.0.2.1"
}

# Many flows, each of which is soon called a desync
pattern_drain()
{
	at 400
	attack="$forged -s 0xc6000000 -F 40 $pace 192.0.2.2 192.0.2.1"
}

pattern_natt()
{
	at 50
	attack="$forged -p udp -P 4500 -D 4500 -s 0xc7001234 $pace 192.0.2.2 192.0.2.1"
}

# What B really sent once, to an SA that has been replaced since
pattern_replay()
{
	local old

	old=$(spi_in A $victim)
	background replay esp "$W" pa "$old" 20 "$LAB/replayed" >/dev/null
	STREAMS="$victim:A-B $victim:B-A" with_streams wait $!
	rekey_away "$old"
	at 50
	frame=140 attack="replay send $W pa $LAB/replayed"
	if [ "$STATE" = flood ]; then
		attack+=" $FLOOD 0"
	else
		attack+=" $((rate * (WATCH + AFTER))) $rate"
	fi
}

# Somebody saw the SPI of a child before its rekey: of a sibling, if one is up.
pattern_sibling()
{
	local old

	old=$(spi_in A net2)
	[ -n "$old" ] || old=$(spi_in A net)
	rekey_away "$old"
	at 50
	attack="$forged -s $old -q 5000 $pace 192.0.2.2 192.0.2.1"
}

# IKE_SAs that B's address seems to begin, and go no further
pattern_half_open()
{
	keep_init
	pattern_fixed
	besides="replay send $W pa $LAB/init $((2 * (WATCH + AFTER))) 2"
}

# keep_init - an IKE_SA_INIT of B, that A does not get this time
keep_init()
{
	local keeper

	background replay init "$W" pa "$LAB/init" >/dev/null
	keeper=$!
	must on "$A" nft add table inet deaf
	must on "$A" nft add chain inet deaf in '{ type filter hook input priority -10; }'
	must on "$A" nft add rule inet deaf in udp dport 500 drop
	ask B initiate ike=extra timeout=3000 >/dev/null 2>&1
	wait_until 20 0.1 ended $keeper || bail_out "B sends no IKE_SA_INIT"
	ask B terminate ike=extra force=yes timeout=1000 >/dev/null 2>&1
	must on "$A" nft delete table inet deaf
}

# A packet from each of the others
pattern_sprayed()
{
	local i

	for ((i = 1; i <= PEERS; i++)); do
		printf '%s -s %d 2001:db8::1:%x 2001:db8::1\n' "${forged#on "$W" }" $((0xc8000000 + i)) "$i"
	done >"$LAB/spray"
	least=$PEERS attack="on $W sh $LAB/spray"
	[ "$STATE" != flood ] || attack="$forged -R 7 -Z -n $FLOOD 2001:db8::1:0 2001:db8::1"
}

pattern_half_open_config()	{ echo extra; }
pattern_natt_config()		{ echo forced_encap; }
pattern_sprayed_config()	{ echo many_more; }

# rekey_away SPI - its child gets another one, and the kernel lets it go
rekey_away()
{
	local child

	child=$(sas A | awk -v s="${1#0x}" '$7 == s { print $4 }')
	must ask A rekey child="$child"
	wait_until 30 0.2 sa_gone "$1" || bail_out "the rekeyed SA $1 stays in the kernel"
}

# with_streams COMMAND... - while $STREAMS are running
with_streams()
{
	local ran

	streams_stop
	streams_start
	"$@"
	ran=$?
	streams_stop
	return $ran
}

# --- the judgement

# spis - A's inbound SPIs
spis()
{
	sas A | awk '$7 ~ /^[0-9a-f]+$/ && $6 == "INSTALLED" { print $4 "=" $7 }' | sort | paste -sd' '
}

# ike_bytes FROM-US TO-US - of requests that A sent; what it answers others is not
# the helper's doing
ike_bytes()
{
	awk -v a="$1" -v b="$2" '$2 == "from" && $3 == "ike" && $1 >= a && $1 <= b && $9 == "request" { n += $12 }
		END { print n + 0 }' "$LAB/wire"
}

# attack_case PATTERN
attack_case()
{
	local pattern=$1 config=attacked victim allowed attack='' forged rate before said from to
	local drops grown n all pace besides='' least='' attackers=() frame=92	# bytes of an IP packet

	[ "$(type -t "pattern_${pattern}_config")" != function ] || config=$(pattern_${pattern}_config)
	use_lab "$config" || return
	all=$STREAMS
	streams_stop
	# to A's port, past all that B's kernel knows
	forged="on $W send_esp -i pa -m $(mac "$A" eth0)"
	enter
	"pattern_$pattern"
	streams_start
	monitor_again
	all_delivered 10000 || { fail "$undelivered is dead before the attack"; lab_logs; }
	before=$(spis) said=$(log_mark A invspid) drops=$(dropped A)
	stamp
	from=$now_us
	start_attack
	if [ "$STATE" = flood ] || [ -n "$least" ]; then
		wait_until 300 0.5 ended "${attackers[0]}" || fail "the attack does not end"
	else
		pause "$WATCH"
	fi
	stamp
	to=$now_us grown=$(($(dropped A) - drops))
	n=$(actions_since "$said" | wc -l)
	report_bytes "$grown" "$(ike_bytes "$from" "$to")" "$n"
	expect_num "packets without an SA" $grown -ge "$(at_least)"
	expect_num "actions of the helper" "$n" -le $((allowed * (WATCH + 119) / 60)) ||
		note "$(log_since A invspid "$said" | tail -n 40)"
	[ "$n" != 0 ] || expect "A's inbound SPIs" "$before" "$(spis)"
	[ "$n" != 0 ] || expect "bytes of IKE requests of A" 0 "$(ike_bytes "$from" "$to")"
	losses "$from" "$to"
	beside "$all"
	wire_end
	restore
}

start_attack()
{
	# shellcheck disable=SC2086 # words wanted
	background $attack
	attackers=($!)
	[ -z "$besides" ] || {
		# shellcheck disable=SC2086
		background $besides
		attackers+=($!)
	}
}

ended()
{
	! kill -0 "$1" 2>/dev/null
}

# at_least - so many packets must have come without an SA
at_least()
{
	if [ "$STATE" = flood ]; then
		echo $((FLOOD * 8 / 10))
	else
		# programs take their time to begin
		echo "${least:-$((rate * (WATCH - 5) * 8 / 10))}"
	fi
}

report_bytes()
{
	note "$(awk -v n="$1" -v out="$2" -v each=$frame -v acts="$3" 'BEGIN {
		printf "%d forged packets, %d bytes; IKE requests of A: %d bytes, %.5f a byte; actions: %d",
			n, n * each, out, n ? out / (n * each) : 0, acts }')"
}

# losses FROM TO - packets that the streams lost. What a rekey that was allowed costs,
# the kernel counts.
losses()
{
	local s n sum=0 gone

	gone=$(on "$A" awk '$1 == "XfrmOutStateInvalid" { print $2 }' /proc/net/xfrm_stat)
	for s in $STREAMS; do
		n=$(lost "$s" "$1" "$2")
		[ "${n:-0}" = 0 ] || note "$s lost $n packets"
		sum=$((sum + n))
	done
	[ "$STATE" = flood ] || expect_num "packets lost by the streams" $sum -le "${gone:-0}"
}

# beside STREAMS - a real desync while the attack goes on
beside()
{
	local old t0 pid

	[ "$STATE" != held ] || must helper_ask A hold del gw
	old=$(spi_in A $victim)
	said_mark=$(log_mark A invspid)
	[ "$STATE" != flood ] || start_attack
	fault_inbound_lost $victim
	t0=$fault_us
	poll 15 has_another "$old"
	stamp
	note "a real desync of $victim beside it: a new SA after $(ms "$t0" "$now_us") ms"
	expect_num "ms until it is healed" "$(ms "$t0" "$now_us")" -le 5000 ||
		note "$(log_since A invspid "$said_mark" | tail -n 40)"
	for pid in "${attackers[@]}"; do
		stop "$pid"
	done
	STREAMS="$victim:A-B $victim:B-A"
	streams_stop
	streams_start
	all_delivered 20000 || { fail "afterwards $undelivered delivers nothing"; lab_logs; }
	STREAMS=$1
}

# has_another SPI - whether the victim has a new SA in IKE daemon and kernel
has_another()
{
	local s

	s=$(spi_in A $victim)
	[ -n "$s" ] && [ "$s" != "$1" ] && ! sa_gone "$s"
}

monitor_again()
{
	monitor_stop
	if [ "$STATE" = flood ]; then
		monitor_start ike
	else
		monitor_start
	fi
}

# restore - what enter has closed comes back
restore()
{
	local c

	for c in $LAB_CHILDREN; do
		[ -n "$(spi_in A "$c")" ] || must ask A initiate ike=gw child="$c" timeout=10000
	done
}

wire_end()
{
	streams_stop
	monitor_stop
	[ "$STATE" != held ] || helper_ask A hold del gw >/dev/null 2>&1
	expect "inner packets on the wire in clear" 0 "$(clear_seen 0)"
	expect "packets that the monitor missed" 0 "$(awk '$3 == "end" { print $5 }' "$LAB/wire")"
}

cases=()
for p in ${PATTERNS:-random fixed hundred drain replay sibling half_open natt sprayed}; do
	eval "case_$p() { attack_case $p; }"
	cases+=("$STATE: $p, $([ "$STATE" = flood ] && echo "$FLOOD packets" || echo "$WATCH s")" "case_$p")
done
lab_modules
ktap_main "${cases[@]}"
