# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Network namespaces, waiting, and the counters of kernel and module. Sourced by
# the test programs; brings ktap.sh with it.

LIB_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SELFTESTS=$(dirname "$LIB_DIR")
export PATH=$SELFTESTS/net:$PATH
# shellcheck source=SCRIPTDIR/ktap.sh
. "$LIB_DIR/ktap.sh"

NS_ALL=()		# namespaces of setup_ns
NS_DEFERRED=()		# commands for clean-up, run last to first
NS_PIDS=()		# processes of background
NS_TMP=$(mktemp -d "${TMPDIR:-/tmp}/xfrm_invspi-test.XXXXXX") || exit 1

net_cleanup()
{
	local i ns pid

	for pid in "${NS_PIDS[@]}"; do
		kill "$pid" 2>/dev/null
	done
	for ((i = ${#NS_DEFERRED[@]} - 1; i >= 0; i--)); do
		eval "${NS_DEFERRED[i]}" >/dev/null 2>&1
	done
	for ns in "${NS_ALL[@]}"; do
		for pid in $(ip netns pids "$ns" 2>/dev/null); do
			kill -KILL "$pid" 2>/dev/null
		done
		ip netns del "$ns" 2>/dev/null
	done
	for pid in "${NS_PIDS[@]}"; do
		wait "$pid" 2>/dev/null
	done
	rm -rf "$NS_TMP"
}
trap net_cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# defer COMMAND... - run it at the end, whatever happens
defer()
{
	NS_DEFERRED+=("$(printf '%q ' "$@")")
}

# pause SECONDS - for the loops that poll; not for waiting for anything
exec {NS_NEVER}<> <(:)
pause()
{
	read -rt "$1" -u "$NS_NEVER" || :
}

# wait_until SECONDS INTERVAL COMMAND... - polls until the command ends with 0;
# leaves its output in $waited
wait_until()
{
	local end=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000)) interval=$2

	shift 2
	while :; do
		waited=$("$@" 2>&1) && return
		[ "${EPOCHREALTIME/[.,]/}" -lt "$end" ] || return 1
		pause "$interval"
	done
}

# poll SECONDS COMMAND... - as busywait, but in this shell, so that the command
# can leave what it read in variables
poll()
{
	local end=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))

	shift
	until "$@"; do
		[ "${EPOCHREALTIME/[.,]/}" -lt "$end" ] || return 1
		pause 0.02
	done
}

# busywait SECONDS COMMAND... - for what takes milliseconds
busywait()
{
	local s=$1

	shift
	wait_until "$s" 0.02 "$@"
}

# slowwait SECONDS COMMAND... - for what takes seconds
slowwait()
{
	local s=$1

	shift
	wait_until "$s" 0.2 "$@"
}

# background COMMAND... - starts it, to be ended by net_cleanup; pid in $!. "on NS"
# before it is resolved here, so that the pid is the program's own and no shell's.
background()
{
	case $1 in
	on)
		if [ "$2" = init ]; then
			shift 2
		else
			set -- ip netns exec "${@:2}"
		fi
		;;
	esac
	"$@" &
	NS_PIDS+=($!)
}

# start_ready FILE COMMAND... - starts it in the background, output to FILE, and
# waits until it has printed a line "ready"
start_ready()
{
	local file=$1

	shift
	: >"$file"
	background "$@" >"$file" 2>&1
	busywait 20 grep -qx ready "$file" && return
	bail_out "$* did not get ready: $(cat "$file")"
}

# stop PID - ends a background process and waits for its end
stop()
{
	kill "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}

# must COMMAND... - a step of the set-up; without it no case makes sense
must()
{
	local out

	out=$("$@" 2>&1) || bail_out "$*: $out"
}

need_root()
{
	[ "$(id -u)" = 0 ] || skip_all "needs root"
}

# need_module - loads the module; its absence is a failure, not a skip
need_module()
{
	need_root
	must modprobe xfrm_invspi
}

# The queue between the ends of a cable drops what comes too fast, and then no
# test could tell how many packets arrived.
deep_queue()
{
	local f=/proc/sys/net/core/netdev_max_backlog depth

	depth=$(cat $f)
	[ "$depth" -lt 100000 ] || return 0
	echo 100000 >$f
	defer sh -c "echo $depth >$f"
}

# setup_ns VAR... - makes a namespace for each variable and puts its name there
setup_ns()
{
	local var name

	deep_queue
	for var; do
		name=${var,,}-$(mktemp -u XXXXXX)
		must ip netns add "$name"
		NS_ALL+=("$name")
		printf -v "$var" %s "$name"
		ip -n "$name" link set lo up
		ip netns exec "$name" sh -c '
			for c in all default; do
				echo 0 >/proc/sys/net/ipv4/conf/$c/rp_filter
				echo 0 >/proc/sys/net/ipv6/conf/$c/accept_dad
			done'
	done
}

# del_ns NAME - removes one before the end
del_ns()
{
	local i

	for i in "${!NS_ALL[@]}"; do
		[ "${NS_ALL[i]}" != "$1" ] || unset "NS_ALL[i]"
	done
	ip netns del "$1"
}

# on NS COMMAND... - runs it in the namespace; "init" is the one we are in
on()
{
	local ns=$1

	shift
	if [ "$ns" = init ]; then
		"$@"
	else
		ip netns exec "$ns" "$@"
	fi
}

# veth NS1 DEV1 "ADDR..." NS2 DEV2 "ADDR..." - a cable between two namespaces,
# addresses with prefix lengths
veth()
{
	local a

	must ip -n "$1" link add "$2" type veth peer name "$5" netns "$4"
	for a in $3; do
		must ip -n "$1" address add "$a" dev "$2"
	done
	for a in $6; do
		must ip -n "$4" address add "$a" dev "$5"
	done
	must ip -n "$1" link set "$2" up
	must ip -n "$4" link set "$5" up
}

# mac NS DEV - prints the device's address
mac()
{
	ip -n "$1" link show "$2" | sed -n 's/.*link\/ether \([0-9a-f:]*\).*/\1/p'
}

# sa NS SRC DST SPI [ARG...] - an ESP SA, null cipher (so that nothing is
# asynchronous), tunnel mode unless ARG says otherwise
sa()
{
	local ns=$1 src=$2 dst=$3 spi=$4

	shift 4
	case " $* " in
	*" mode "*) ;;
	*) set -- mode tunnel "$@" ;;
	esac
	ip -n "$ns" xfrm state add src "$src" dst "$dst" proto esp spi "$spi" \
		enc 'ecb(cipher_null)' '' \
		auth-trunc 'hmac(sha256)' 0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 128 \
		"$@"
}

# sa_del NS DST SPI [ARG...]
sa_del()
{
	local ns=$1 dst=$2 spi=$3

	shift 3
	ip -n "$ns" xfrm state delete dst "$dst" proto esp spi "$spi" "$@"
}

# tunnel NS1 OUTER1 INNER1 NS2 OUTER2 INNER2 SPI12 SPI21 [ARG...] - tunnel mode
# SAs (ARG goes to sa) and policies at both ends, no routes
tunnel()
{
	local n1=$1 o1=$2 i1=$3 n2=$4 o2=$5 i2=$6 s12=$7 s21=$8 ns

	shift 8
	for ns in "$n1" "$n2"; do
		must sa "$ns" "$o1" "$o2" "$s12" reqid 1 "$@"
		must sa "$ns" "$o2" "$o1" "$s21" reqid 2 "$@"
	done
	must ip -n "$n1" xfrm policy add dir out src "$i1" dst "$i2" \
		tmpl src "$o1" dst "$o2" proto esp reqid 1 mode tunnel
	must ip -n "$n1" xfrm policy add dir in src "$i2" dst "$i1" \
		tmpl src "$o2" dst "$o1" proto esp reqid 2 mode tunnel
	must ip -n "$n2" xfrm policy add dir out src "$i2" dst "$i1" \
		tmpl src "$o2" dst "$o1" proto esp reqid 2 mode tunnel
	must ip -n "$n2" xfrm policy add dir in src "$i1" dst "$i2" \
		tmpl src "$o1" dst "$o2" proto esp reqid 1 mode tunnel
}

# snmp NS NAME - prints one counter of /proc/net/snmp or snmp6, such as
# UdpNoPorts or Icmp6InDestUnreachs
snmp()
{
	on "$1" cat /proc/net/snmp /proc/net/snmp6 | awk -v want="$2" '
		NF == 2 { if ($1 == want) print $2; next }
		!($1 in names) { names[$1] = $0; next }
		{
			n = split(names[$1], k, " ")
			for (i = 2; i <= n; i++)
				if (substr($1, 1, length($1) - 1) k[i] == want)
					print $i
		}'
}

# snmp_grows NS NAME BY COMMAND... - runs the command and waits until the counter
# has grown: proof that packets that leave no other trace have arrived
snmp_grows()
{
	local ns=$1 name=$2 want

	want=$(($(snmp "$1" "$2") + $3))
	shift 3
	"$@" || return
	busywait 10 snmp_at_least "$ns" "$name" "$want"
}

snmp_at_least()
{
	[ "$(snmp "$1" "$2")" -ge "$3" ]
}

# spi NUMBER - as the tool writes it
spi()
{
	printf '0x%08x' "$1"
}

REASONS=(no_state acquire state_invalid encap_mismatch)
declare -A REASON_MIB=(
	[no_state]=XfrmInNoStates
	[acquire]=XfrmAcquireError
	[state_invalid]=XfrmInStateInvalid
	[encap_mismatch]=XfrmInStateMismatch
)

# read_xfrm_stat NS ARRAY - all of /proc/net/xfrm_stat into an associative array,
# the four that we have names for also under these
read_xfrm_stat()
{
	local -n _to=$2
	local _k _v

	while read -r _k _v; do
		_to[$_k]=$_v
	done < <(if [ "$1" = init ]; then
			cat /proc/net/xfrm_stat
		else
			# a tenth of what ip netns exec costs
			nsenter --net="/run/netns/$1" cat /proc/net/xfrm_stat
		fi)
	for _k in "${REASONS[@]}"; do
		_to[$_k]=${_to[${REASON_MIB[$_k]}]}
	done
}

# xfrm_stat NS NAME - prints one counter
xfrm_stat()
{
	local -A all=()

	read_xfrm_stat "$1" all
	echo "${all[$2]}"
}

# invspi_json NS OBJECT COMMAND... - prints the tool's JSON
invspi_json()
{
	local ns=$1

	shift
	if [ "$ns" = init ]; then
		invspi -j "$@"
	else
		invspi -n "$ns" -j "$@"
	fi
}

# stats NS FILTER - jq filter on stats show
stats()
{
	invspi_json "$1" stats show | jq -r "$2"
}

# slab_objects CACHE - prints how many objects of a cache of the kernel are in use
slab_objects()
{
	# what a processor has set aside for the next one counts only without this
	echo 1 >"/sys/kernel/slab/$1/shrink"
	sed 's/ .*//' "/sys/kernel/slab/$1/objects"
}

# flows NS FILTER - jq filter on flow show
flows()
{
	invspi_json "$1" flow show | jq -r "$2"
}

# read_module_stat NS ARRAY - the module's totals per reason. Without jq, whose
# start takes longer than all the rest of a test's step.
read_module_stat()
{
	local -n _to=$2
	local _json _kv _name

	_json=$(invspi_json "$1" stats show)
	_to=()
	[[ $_json =~ \"packets\":[[:space:]]*\{([^}]*)\} ]] || return
	for _kv in ${BASH_REMATCH[1]//[\",]/ }; do
		# "name": 5, with or without spaces around the colon
		case $_kv in
		:) ;;
		[0-9]*) _to[$_name]=$_kv ;;
		:*) _to[$_name]=${_kv#:} ;;
		*) _name=${_kv%:} ;;
		esac
	done
}

# kernel_moved NS "NAME=N ..." - whether these counters have grown by just this
# since $before_kernel was read; leaves them in $k
kernel_moved()
{
	local w

	read_xfrm_stat "$1" k
	for w in $2; do
		[ $((k[${w%=*}] - before_kernel[${w%=*}])) -eq "${w#*=}" ] || return
	done
}

# module_follows NS - whether the module's totals have grown as the kernel's;
# leaves them in $m
module_follows()
{
	local r

	read_module_stat "$1" m
	for r in "${REASONS[@]}"; do
		[ $((k[$r] - before_kernel[$r])) -eq $((m[$r] - before_module[$r])) ] || return
	done
}

# expect_delta NS "NAME=N ..." COMMAND... - runs the command, which sends, and
# expects that /proc/net/xfrm_stat grows by just this (a reason that is not named
# must not grow; counters may also be named as the kernel names them) and that
# the module's totals grow by the same. A caller that expects no growth names a
# counter that proves the packets' arrival, or waits for it in COMMAND.
expect_delta()
{
	local ns=$1 want=$2 out r
	local -A before_kernel=() before_module=() k=() m=()

	shift 2
	for r in "${REASONS[@]}"; do
		[[ " $want" =~ \ ($r|${REASON_MIB[$r]})= ]] || want="$want $r=0"
	done
	read_xfrm_stat "$ns" before_kernel
	read_module_stat "$ns" before_module
	out=$("$@" 2>&1) || { fail "$*: $out"; return; }
	poll 10 kernel_moved "$ns" "$want"
	poll 2 module_follows "$ns"
	for r in $want; do
		expect "$ns: kernel's ${r%=*} after: $*" "${r#*=}" \
			"$((k[${r%=*}] - before_kernel[${r%=*}]))"
	done
	for r in "${REASONS[@]}"; do
		expect "$ns: module's $r as the kernel's after: $*" \
			"$((k[$r] - before_kernel[$r]))" "$((m[$r] - before_module[$r]))"
	done
}

# expect_flow NS SPI[@SRC] KEY=VALUE... - expects exactly one flow with this SPI
# (and source), and in it these values; KEY may be a path such as encap.sport,
# VALUE null for absent
expect_flow()
{
	local ns=$1 what=$2 spi want got filter='' kv src=''

	spi=$(spi "${2%@*}")
	[ "${2#*@}" = "$2" ] || src=" and .src == \"${2#*@}\""
	shift 2
	for kv; do
		filter="$filter${filter:+, }\"${kv%%=*}=\(.${kv%%=*})\""
	done
	want=$(printf '%s\n' "$@")
	got=$(flows "$ns" ".[] | select(.spi == \"$spi\"$src) | $filter")
	expect "$ns: flow $what" "$want" "$got"
}

# expect_no_flows NS
expect_no_flows()
{
	expect "$1: flows" "[]" "$(flows "$1" 'map([.src, .dst, .spi]) | tojson')"
}

# Is this the initial network namespace? That is where kernel threads are.
in_initial_netns()
{
	grep -qsx kthreadd /proc/2/comm && [ /proc/self/ns/net -ef /proc/2/ns/net ]
}

# log_mark - log_lines counts from here on
LOG_MARKS=0
log_mark()
{
	LOG_MARKS=$((LOG_MARKS + 1))
	echo "log-mark-$$-$LOG_MARKS" >/dev/kmsg
}

# log_lines - the module's lines in the kernel's log since the mark
log_lines()
{
	dmesg | sed "1,/log-mark-$$-$LOG_MARKS/d" | grep -F RECVD_PKT_INV_SPI |
		sed 's/^\[[^]]*\] //'
}

# remember NS... - the kernel's and the module's counters now; expect_sums judges
# the growth since. A namespace made after the module was loaded needs it not.
declare -A NS_BASE=()
remember()
{
	local ns r
	local -A k=() m=()

	for ns; do
		read_xfrm_stat "$ns" k
		read_module_stat "$ns" m
		for r in "${REASONS[@]}"; do
			NS_BASE[$ns.$r]=$((k[$r] - m[$r]))
		done
	done
}

# expect_sums NS [no_state] - the invariants at rest: every packet is in just one
# of the sums, the families add up, and the module's totals are the kernel's
# counters; with "no_state" only that one of the reasons is equal (the others are
# lower bounds where the kernel drops without a callback, as after GRO)
expect_sums()
{
	local ns=$1 exact=${2:-} what want got r
	local -A k=() m=()

	{ invspi_json "$ns" stats show && invspi_json "$ns" flow show; } >"$NS_TMP/sums" ||
		{ fail "$ns: no statistics or no flows"; return; }
	read_xfrm_stat "$ns" k
	while IFS=$'\t' read -r what want got; do
		case $what in
		total)
			m[$want]=$got ;;
		*)
			expect "$ns: $what" "$want" "$got" ;;
		esac
	done < <(jq -rs '.[0] as $s | .[1] as $f |
		(["flows + evicted + deleted + untracked = total", ([$s.packets[]] | add),
			([$f[].packets] | add // 0) + $s.evicted_packets + $s.deleted_packets +
			$s.untracked_packets],
		["IPv4 + IPv6 = all", ($s.packets | tojson), ($s.packets |
			with_entries(.value = $s.ipv4[.key] + $s.ipv6[.key]) | tojson)],
		["flows whose packets are not the sum of their reasons", "[]",
			([$f[] | select(.packets != ([.reasons[]] | add))] | tojson)],
		["number of flows", $s.flows, ($f | length)],
		($s.packets | to_entries[] | ["total", .key, .value])) |
		map(tostring) | join("\t")' "$NS_TMP/sums")
	expect "$ns: totals" "${#REASONS[@]}" "${#m[@]}"
	for r in "${REASONS[@]}"; do
		want=$((k[$r] - ${NS_BASE[$ns.$r]:-0}))
		if [ "$r" = "${exact:-$r}" ]; then
			expect "$ns: total $r = growth of ${REASON_MIB[$r]}" "$want" "${m[$r]:-}"
		else
			expect_num "$ns: total $r, growth of ${REASON_MIB[$r]}" "${m[$r]:-}" -le "$want"
		fi
	done
}

# what the last case of every program calls
SUMS_ONLY=''
sums()
{
	local ns

	for ns in "${NS_ALL[@]}"; do
		expect_sums "$ns" $SUMS_ONLY
	done
}

# net_main "CASE" FUNCTION... - ktap_main with that case at the end
net_main()
{
	ktap_main "$@" "at rest every sum is right, in every namespace" sums
}
