#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Each check of invspi doctor is made to fail in reality, on a real gateway, and is well
# again when what it says was done. At the end the kernel takes signed modules only, which
# nobody can take back: run it last on a machine.
cd "$(dirname "$0")" || exit 1
. ../recovery/lab/lab.sh
. ../recovery/lab/judge.sh

WELL_CONN="dpd_delay = 30s"
WELL_CHILD="start_action = trap
dpd_action = restart"
MODULES=/lib/modules/$(uname -r)

# doctor ARG... - at A, with its helper
doctor()
{
	ip netns exec "$A" invspi --control "$LAB/A/control" --state "$LAB/A/state" "$@"
}

# findings CHECK... - prints "SEVERITY CHECK ABOUT" of all that is not ok
findings()
{
	doctor -j doctor "$@" >"$LAB/doctor.json"
	doctor_status=$?
	jq -r '.findings[] | select(.severity != "ok") | "\(.severity) \(.check) \(.about | join(","))"' \
		"$LAB/doctor.json" | sed 's/ $//'
}

# text - of the first finding of the last call of findings
text()	{ jq -r 'first(.findings[] | select(.severity != "ok")).text' "$LAB/doctor.json"; }

# expect_findings WHAT EXPECTED STATUS CHECK... - of those checks
expect_findings()
{
	local what=$1 expected=$2 status=$3

	shift 3
	findings "$@" >"$LAB/findings"
	expect "$what" "$expected" "$(cat "$LAB/findings")"
	expect "$what: exit status" "$status" "$doctor_status"
	[ -z "$expected" ] || note "$(jq -r '.findings[] | select(.severity != "ok") |
		"\(.severity) \(.check) \(.about | join(", ")): \(.text)\n  -> \(.remedy)"' "$LAB/doctor.json")"
}

# reconfigure - A's daemon, as the knobs say now
reconfigure()
{
	lab_configure A
	charon_load A
}

# --- before there is a gateway

no_module()
{
	local out

	must modprobe -r xfrm_invspi
	# else asking for its family loads it
	mkdir -p /run/modprobe.d
	echo "blacklist xfrm_invspi" >/run/modprobe.d/doctor.conf
	expect "exit status" 3 "$(invspi doctor module hook >"$LAB/out" 2>&1; echo $?)"
	out=$(cat "$LAB/out")
	expect_match "module" "error +module +the kernel module is not loaded" "$out"
	expect_match "hook" "error +hook +there is no module that could count" "$out"
	cp "$MODULES/modules.dep" "$LAB/modules.dep"
	sed -i /xfrm_invspi/d "$MODULES/modules.dep"
	expect_match "signing" "error +signing +there is no module for kernel $(uname -r)" \
		"$(invspi doctor signing)"
	cp "$LAB/modules.dep" "$MODULES/modules.dep"
	rm /run/modprobe.d/doctor.conf
	must modprobe xfrm_invspi log_all_netns=1
	sed -i /xfrm_invspi/d "$MODULES/modules.dep"
	expect_match "it is loaded, but will not be again" "warning +signing +the module is loaded, but modprobe does not find it" \
		"$(invspi doctor signing)"
	cp "$LAB/modules.dep" "$MODULES/modules.dep"
	expect "well again" 0 "$(invspi doctor module signing >"$LAB/out"; echo $?)"
}

no_handler()
{
	local m

	# they take ESP, too
	for m in xfrm_interface ip_vti ip6_vti esp4_offload; do
		modprobe -q -r $m
	done
	must rmmod esp4
	expect_match "handlers" "error +handlers +the kernel does not receive ESP over IPv4" \
		"$(invspi doctor handlers)"
	ip link set lo up
	expect_match "hook" "error +hook +IPv4: the probe did not get as far as to IPsec" \
		"$(invspi doctor hook)"
	must modprobe esp4
	expect "well again" 0 "$(invspi doctor handlers hook >"$LAB/out"; echo $?)"
	note "$(cat "$LAB/out")"
}

# --- a gateway

well()
{
	local before after

	must "$PWD/adjtime.py" synced
	expect_findings "a gateway that is well" "" 0
	doctor doctor >"$LAB/out"
	note "$(cat "$LAB/out")"
	before=$(doctor -j stats)
	doctor doctor hook >/dev/null
	after=$(doctor -j stats)
	expect "packets that the probe adds (IPv4, IPv6)" "1 1" \
		"$(jq -n --argjson a "$before" --argjson b "$after" \
			'"\($b.ipv4.no_state - $a.ipv4.no_state) \($b.ipv6.no_state - $a.ipv6.no_state)"' | tr -d '"')"
	expect "flows that it leaves" "[]" "$(doctor -j flow show src 127.0.0.1)"
}

no_probe()
{
	on "$A" nft -f - <<-'N'
		table inet block {
			chain i {
				type filter hook input priority 0
				iifname lo meta l4proto esp drop
			}
		}
	N
	expect_findings "a firewall" "error hook IPv4,IPv6" 3 hook
	expect_match "what it says" "did not get as far as to IPsec" "$(text)"
	on "$A" nft delete table inet block
	must ip -n "$A" link set lo down
	findings hook >"$LAB/findings"
	expect_match "lo is down" "^warning hook IPv4" "$(cat "$LAB/findings")"
	expect_match "what it says" "the probe cannot be sent: " "$(text)"
	must ip -n "$A" link set lo up
	expect_findings "well again" "" 0 hook
}

privileges()
{
	expect_match "without CAP_NET_RAW" "warning +privileges +this program may not send its probe" \
		"$(ip netns exec "$A" setpriv --bounding-set -net_raw invspi doctor privileges)"
	expect_match "without CAP_NET_ADMIN" "error +privileges +this program may not ask the kernel" \
		"$(ip netns exec "$A" setpriv --bounding-set -net_admin invspi doctor privileges)"
	helper_stop A
	helper_start_with setpriv --bounding-set -all,+net_admin
	expect_findings "a helper with CAP_NET_ADMIN alone" "" 0 privileges ike helper
	helper_stop A
	helper_again
}

# helper_start_with COMMAND... - A's helper, started by this
helper_start_with()
{
	ip netns exec "$A" "$@" invspid -f -c "$LAB/A/invspid.conf" --vici "$LAB/A/vici" \
		--control "$LAB/A/control" --state "$LAB/A/state" </dev/null >>"$LAB/A/invspid.log" 2>&1 &
	HELPER_PID[A]=$!
	NS_PIDS+=($!)
	helper_ready A
	wait_until 15 0.1 helper_settled || fail "the helper is not ready"
}

helper_again()
{
	helper_start A "$@"
	helper_ready A
	wait_until 15 0.1 helper_settled || fail "the helper is not ready"
}

log_and_table()
{
	must doctor config set log-interval-ms 0 >/dev/null
	expect_findings "no log" "note log" 0 log
	must doctor config set log-interval-ms 60000 flows-max 16
	forge_many 20
	expect_findings "a full table" "warning log" 1 log
	# what it says
	must ip netns exec "$A" sh -c "$(jq -r '.findings[0].remedy' "$LAB/doctor.json")"
	must doctor config set flows-max 4096
	expect_findings "well again" "" 0 log
}

# forge_many N - packets of different SPIs
forge_many()
{
	local i

	for ((i = 0; i < $1; i++)); do
		forge $((0x10000 + i * 4099)) 1 2 1
	done
}

helper()
{
	must helper_ask A hold add gw2 reason "test" 2>/dev/null
	must helper_ask A mode advise
	expect_findings "a hold, and another mode" "note helper
note helper" 0 helper
	must helper_ask A hold del gw2
	must helper_ask A mode observe
	fault_inbound_lost net
	wait_until 20 0.2 eval 'findings helper | grep -qx "error helper gw"' || fail "no desync: $(findings helper)"
	expect_findings "out of step" "note helper
error helper gw" 3 helper
	must helper_ask A mode default
	delivered net:B-A "$fault_us" 20000 || fail "it does not heal"
	wait_until 20 0.2 eval '[ -z "$(findings helper)" ]' || fail "not well again: $(findings helper)"
	helper_stop A
	helper_again --dry-run
	expect_findings "a dry run" "warning helper" 1 helper
	helper_stop A
	expect_findings "no helper" "warning helper" 1 helper
	expect_match "what it says" "nobody heals what is out of step" "$(text)"
	# Without it the stock place is asked.
	ln -sf "$LAB/A/vici" /run/charon.vici
	expect_findings "strongSwan is found by itself" "" 0 ike dpd rekey unique
	rm /run/charon.vici
	expect_findings "and if it is not there" "error ike" 3 ike
	helper_again
	expect_findings "well again" "" 0 helper ike
}

history()
{
	mkdir -p "$LAB/ro"
	must mount -t tmpfs -o size=1m,ro none "$LAB/ro"
	helper_stop A
	helper_again --state "$LAB/ro"
	findings history >"$LAB/findings"
	expect_match "read-only" "error history" "$(cat "$LAB/findings")"
	expect "exit status" 3 "$doctor_status"
	note "$(jq -r '.findings[] | .text' "$LAB/doctor.json")"
	must mount -o remount,rw "$LAB/ro"
	chmod 777 "$LAB/ro"
	wait_until 30 0.5 eval 'findings history | grep -q "^warning history"' || fail "$(findings history)"
	expect_match "a small disk that others may write to" "warning history .*/ro" "$(findings history | tail -n 1)"
	helper_stop A
	must umount "$LAB/ro"
	helper_again
	expect_findings "well again" "" 0 history
}

ike()
{
	charon_stop A KILL
	wait_until 20 0.2 eval 'findings ike | grep -qx "error ike"' || fail "$(findings ike)"
	expect_match "what it says" "invspid has no IKE daemon to ask: absent: strongSwan: .*; libreswan: " "$(text)"
	helper_stop A
	helper_start A --vici "$LAB/B/vici"
	helper_ready A
	wait_until 20 0.2 eval 'helper_ask A status | grep -q foreign' || fail "not foreign"
	expect_findings "another namespace's" "error ike" 3 ike
	expect_match "what it says" "is not this namespace's" "$(text)"
	helper_stop A
	charon_start A
	charon_load A
	helper_again
	wait_until 20 0.2 all_delivered 1000 || fail "the tunnel is not up again: $undelivered"
	expect_findings "well again" "" 0 ike
}

settings()
{
	LAB_CONN="unique = never" LAB_CHILD="rekey_time = 0"
	reconfigure
	expect_findings "dpd, rekey and unique" "warning dpd gw
warning rekey gw/net,gw/net2
warning unique gw" 1 dpd rekey unique
	LAB_CONN="dpd_delay = 10m" LAB_CHILD=""
	reconfigure
	expect_findings "a slow one that gives up" "note dpd gw
note dpd gw/net,gw/net2" 0 dpd
	LAB_CONN=$WELL_CONN LAB_CHILD=$WELL_CHILD
	reconfigure
	expect_findings "well again" "" 0 dpd rekey unique
}

# bring_up - what is down of the tunnel: charon refuses to initiate what is up
bring_up()
{
	local c

	for c in $LAB_CHILDREN; do
		[ -n "$(spi_in A "$c")" ] || must initiate A "$c"
	done
}

# Without a trap packets would leave by the default route, which A's firewall notices.
leak()
{
	local before remedy

	LAB_CHILD="dpd_action = restart"
	reconfigure
	expect_findings "no trap" "warning leak gw/net
warning leak gw/net2" 1 leak
	expect_match "what it says" "packets to 10.2.0.0/16 would leave in clear by eth0 while it is down" "$(text)"
	# charon has taken down what the traps had brought up
	bring_up
	wait_until 20 0.2 all_delivered 1000 || fail "the tunnel is not up: $undelivered"
	# what B sends would bring it up again: B has a trap
	streams_stop
	STREAMS="net:A-B" streams_start
	before=$(guarded A)
	must ask A terminate child=net timeout=10000
	wait_until 20 0.2 eval '[ "$(guarded A)" -gt "$before" ]' || fail "nothing leaves in clear: is that a test?"
	# The kernel has one policy for the same selectors, and that will be charon's again.
	must ip -n "$A" xfrm policy add src 10.1.0.0/16 dst 10.2.0.0/16 dir out \
		priority 4294967295 action block
	expect_findings "a policy that will be replaced" "warning leak gw/net
warning leak gw/net2" 1 leak
	must ip -n "$A" xfrm policy delete src 10.1.0.0/16 dst 10.2.0.0/16 dir out
	# as it says
	expect_findings "with none" "warning leak gw/net
warning leak gw/net2" 1 leak
	while read -r remedy; do
		must ip netns exec "$A" sh -c "$remedy"
	done < <(jq -r '.findings[] | .remedy | select(. != null) | split("; or: ")[1]' "$LAB/doctor.json")
	expect_findings "with the policies" "" 0 leak
	before=$(guarded A)
	stamp
	pause 1
	expect "packets that leave in clear now" 0 $(($(guarded A) - before))
	streams_stop
	streams_start
	bring_up
	wait_until 20 0.2 all_delivered 1000 || fail "the policies are in the tunnel's way: $undelivered"
	expect_findings "with the policies and the tunnel" "" 0 leak
	must ip -n "$A" xfrm policy delete src 10.0.0.0/15 dst 10.2.0.0/16 dir out
	must ip -n "$A" xfrm policy delete src 10.10.0.0/15 dst 10.12.0.0/16 dir out
	must ip -n "$A" route add unreachable 10.2.0.0/16
	must ip -n "$A" route add unreachable 10.12.0.0/16
	expect_findings "with routes that refuse" "" 0 leak
	must ip -n "$A" route delete unreachable 10.2.0.0/16
	must ip -n "$A" route delete unreachable 10.12.0.0/16
	LAB_CHILD=$WELL_CHILD
	reconfigure
	bring_up
	expect_findings "with traps" "" 0 leak
}

one_way()
{
	streams_stop
	must ask A rekey child=net
	STREAMS="net:A-B" streams_start
	wait_until 10 0.1 eval 'on "$A" ip -s xfrm state list dst 192.0.2.2 | grep -qE "\s[2-9][0-9]\(packets\)"' ||
		fail "nothing is sent"
	expect_findings "too young" "" 0 one-way
	date -s "+3 minutes" >/dev/null
	# the old SA, which has received, stays for 5 s after a rekey
	wait_until 20 0.5 eval '[ -n "$(findings one-way)" ]' || fail "no finding: $waited"
	expect_findings "sends, and never receives" "warning one-way gw/net" 1 one-way
	date -s "-3 minutes" >/dev/null
	streams_stop
	streams_start
	wait_until 20 0.2 all_delivered 1000 || fail "$undelivered"
	date -s "+3 minutes" >/dev/null
	expect_findings "well again" "" 0 one-way
	date -s "-3 minutes" >/dev/null
}

clock()
{
	must "$PWD/adjtime.py" unsynced
	expect_findings "not synchronised" "warning clock" 1 clock
	must "$PWD/adjtime.py" synced
	expect_findings "well again" "" 0 clock
}

# The last one: nobody can take that back.
signing()
{
	grep -sqx org.xfrm_invspi.verdict /sys/class/virtio-ports/*/name ||
		{ skip "not on a machine that goes on living"; return; }
	echo 1 >/sys/module/module/parameters/sig_enforce 2>/dev/null ||
		{ skip "this kernel cannot be told to take signed modules only"; return; }
	findings signing >"$LAB/findings"
	expect "it is loaded, but would not be again" "warning signing" "$(cat "$LAB/findings")"
	expect_match "what it says" "the kernel takes signed modules only, and .*/xfrm_invspi.ko is not signed" "$(text)"
}

need_module
LAB_CONN=$WELL_CONN LAB_CHILD=$WELL_CHILD
gateway()
{
	lab_up
	streams_start
	helper_again
	all_delivered 20000 || fail "the tunnel is not up: $undelivered"
}

ktap_main \
	"no module" no_module \
	"no ESP handler" no_handler \
	"a gateway" gateway \
	"it is well, and the probe moves what it should" well \
	"a probe that cannot be" no_probe \
	"privileges" privileges \
	"log and table" log_and_table \
	"the helper" helper \
	"the history" history \
	"the IKE daemon" ike \
	"settings of connections" settings \
	"what would leave in clear, and what prevents it" leak \
	"an SA that only sends" one_way \
	"the clock" clock \
	"signatures" signing
