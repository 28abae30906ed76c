#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# story.sh - shows on two real gateways what the project is about, for somebody
# who sees it for the first time. Nothing of it is staged: each step is judged,
# and one that did not happen ends the story with status 1.
. "$(dirname "$0")/lab.sh"
. "$(dirname "$0")/judge.sh"

began=$SECONDS
DEAD_SECONDS=20
rows=()
LIST="swanctl --list-sas | grep -E '^gw|INSTALLED| in '"

chapter()
{
	printf '\n=== %s\n\n' "$*"
}

say()
{
	printf '%s\n' "$*" | fmt -w 78
}

# typed COMMAND [NS] - runs it in gateway A (or in another namespace), by a shell, and
# prints it with what it says
typed()
{
	printf '\n    %s# %s\n' "${2:-A}" "$1"
	on "${!2:-$A}" env STRONGSWAN_CONF="$LAB/A/strongswan.conf" INVSPID="$LAB/A/control" \
		sh -c "$1" 2>&1 | quoted
}

# quoted - indents what it reads
quoted()
{
	sed '/./,$!d; s/^/    | /'
	echo
}

# no WHAT - the story does not go on
no()
{
	printf '\nTHE DEMONSTRATION FAILED: %s\n' "$*"
	lab_logs 40
	exit 1
}

kernel_lines()
{
	dmesg | sed "1,/$1/d" | grep -F 'RECVD_PKT_INV_SPI' | sed 's/^\[ *\([0-9.]*\)\]/[\1]/'
}

kernel_said()
{
	printf "\n    A# dmesg | grep INV_SPI\n"
	quoted <<<"$line"
}

# mark_kernel_log - sets $mark
mark_kernel_log()
{
	mark="invspi-story-$$-$RANDOM"
	echo "$mark" >/dev/kmsg
}

# helper_lines - what the helper decided and did since $said_mark
helper_lines()
{
	log_since A invspid "$said_mark" | grep -E 'flow .*: (rekey|initiate) |CHILD_SA|healed'
}

wait_healed()
{
	local s

	for s in "$@"; do
		delivered "$s" "$fault_us" 30000 || no "$s was not healed in 30 s"
	done
	wait_until 15 0.1 helper_said 'healed gw/' || no "the helper does not report success"
	helper_lines | quoted
}

scene()
{
	cat <<-'T'
	xfrm_invspi: when IPsec peers lose step

	     host               gateway A          gateway B              host
	  10.1.0.10 ---- 10.1.0.1 [192.0.2.1] === [192.0.2.2] 10.2.0.1 ---- 10.2.0.10
	                                 ESP tunnel

	T
	say "Two gateways with strongSwan, each in a network namespace of its own, carry two networks each over one IKE_SA: CHILD_SA net (10.1/16 to 10.2/16) and net2 (10.11/16 to 10.12/16). Hosts behind them exchange numbered packets, 50 a second in every direction, to see what is lost. Starting ..."
	lab_up
	monitor_start
	streams_start
	all_delivered 10000 || no "the tunnel does not carry $undelivered"
	say "The tunnel is up ($((SECONDS - began)) s)."
	typed "uname -r; swanctl --version"
	say "From the host behind A to the one behind B:"
	typed "ping -c 3 -i 0.3 10.2.0.10" HA
	on "$HA" ping -c 1 -W 2 10.2.0.10 >/dev/null || no "ping gets no answer"
	say "What charon thinks:"
	typed "$LIST"
}

lose_sa()
{
	lost_spi=$(spi_in A net)
	typed "ip xfrm state delete dst 192.0.2.1 proto esp spi $lost_spi"
	! ip -n "$A" xfrm state get dst 192.0.2.1 proto esp spi "$lost_spi" >/dev/null 2>&1 ||
		no "the SA is still there"
	stamp
	fault_us=$now_us
}

without_helper()
{
	local before n line

	chapter "0. A lost SA, and nobody who mends it"
	say "Gateway A's kernel loses the inbound SA of net. It happens: a flush by hand, another tool, an SA that expired on one side only. charon is not told."
	mark_kernel_log
	before=$(dropped A)
	lose_sa
	say "B goes on encrypting for an SA that is not there. Watching for $DEAD_SECONDS s ..."
	delivered net:B-A "$fault_us" $((DEAD_SECONDS * 1000)) &&
		no "the tunnel came back by itself"
	n=$(($(dropped A) - before))
	say "Still dead: $n packets dropped, not one delivered. charon sees nothing wrong with it, nor would dead peer detection, for IKE still works:"
	typed "$LIST"
	[ "$(spi_in A net)" = "$lost_spi" ] || no "charon does not list $lost_spi any more"
	say "All that Linux has to say about it is one number, for all peers together:"
	typed "grep InNoStates /proc/net/xfrm_stat"
	say "The module says who and what, in the log (one line a minute for each flow, in the format that log parsers know from other vendors) and in a table:"
	line=$(kernel_lines "$mark")
	[[ $line == *"${lost_spi#0x}"* || ${line,,} == *"${lost_spi}"* ]] || no "no line in the kernel's log: $line"
	kernel_said
	typed "invspi flow show"
	n=$(flow_packets "$lost_spi")
	[ "$n" -gt 100 ] || no "the flow table has $n packets of $lost_spi"
	rows+=("lost SA, no helper|still dead after $DEAD_SECONDS s|$n dropped")
	say "An operator has to mend it:"
	typed "swanctl --rekey --child net"
	delivered net:B-A "$fault_us" 20000 || no "not even a rekey by hand helps"
}

reboot_without_helper()
{
	local before n

	chapter "0. Nor does a reboot mend itself"
	say "Now A loses power and comes back: no SAs, no policies, and an IKE daemon that has its configuration and waits. B knows nothing of it and goes on encrypting. Watching for $DEAD_SECONDS s ..."
	fault_reboot 1
	before=$(dropped A)
	delivered net:B-A "$fault_us" $((DEAD_SECONDS * 1000)) &&
		no "the tunnel came back by itself"
	n=$(($(dropped A) - before))
	say "Still dead: $n packets of net and net2 dropped, not one delivered. What charon has of SAs:"
	typed "swanctl --list-sas | grep . || echo none"
	rows+=("reboot, no helper|still dead after $DEAD_SECONDS s|$n dropped")
	say "An operator initiates both children by hand."
	tunnel_up
	all_delivered 20000 || no "not even that helps: $undelivered is dead"
}

lost_sa()
{
	local total n=0 s line forward

	chapter "a. The same failure, with invspid"
	helper_start A
	helper_ready A
	wait_until 20 0.1 helper_settled || no "invspid does not find the IKE daemon: $waited"
	say "Now the helper runs on A:"
	typed "invspi --control \$INVSPID status"
	all_delivered 10000 || no "$undelivered is dead before the fault"
	said_mark=$(log_mark A invspid)
	mark_kernel_log
	stamp
	from=$now_us
	lose_sa
	say "What the helper decided, why, and what it did (its log):"
	wait_healed net:B-A
	line=$(kernel_lines "$mark")
	[ -z "$line" ] || kernel_said
	typed "invspi flow show spi $lost_spi"
	[ "$(flow_packets "$lost_spi")" -gt 0 ] || no "the flow table has nothing of $lost_spi"
	gap net:B-A "$from" || no "no loss seen"
	total=$(ms "$gap_begin" "$gap_end")
	for s in net2:A-B net2:B-A; do
		n=$((n + $(lost $s "$from")))
	done
	forward=$(lost net:A-B "$from")
	say "From the first dropped to the first delivered packet: $total ms, $gap_lost packets. On net2: $n lost; on net, from A to B: $forward."
	[ "$n" = 0 ] || no "$n packets lost on streams that nothing was wrong with"
	rows+=("a. lost SA, invspid|$total ms|$gap_lost dropped")
}

reboot()
{
	local s old total t0=0 last=0 lost=0

	chapter "b. Gateway A reboots"
	say "A loses power as before, with the helper. What that wrote down of A's SAs outlives the reboot."
	all_delivered 10000 || no "$undelivered is dead before the fault"
	said_mark=$(log_mark A invspid)
	mark_kernel_log
	old=$(spi_in A net)
	stamp
	from=$now_us
	fault_reboot 1
	say "A is back, its IKE daemon has its configuration, and the helper says:"
	wait_healed net:B-A net2:B-A net:A-B net2:A-B
	line=$(kernel_lines "$mark")
	kernel_said
	[[ ${line,,} == *"$old"* ]] || no "no line for $old in the kernel's log"
	typed "invspi flow show"
	[ "$(flow_packets "$old")" -gt 0 ] || no "the flow table has nothing of $old"
	typed "$LIST"
	[ "$(tunnel_state)" = "1 net net2" ] || no "not every child is up once: $(tunnel_state)"
	for s in net:B-A net2:B-A; do
		gap $s "$from" || no "no loss seen on $s"
		lost=$((lost + gap_lost))
		[ "$gap_end" -le "$last" ] || { last=$gap_end; t0=$gap_begin; }
	done
	total=$(ms "$t0" "$last")
	rows+=("b. reboot, invspid|$total ms|$lost dropped")
	[ "$t0" -ge "$ready_us" ] || t0=$ready_us
	say "From the first dropped to the first delivered packet: $total ms, the reboot included; of that $(ms "$t0" "$last") ms since the IKE daemon was ready (connections loaded and unchanged for a second)."
	rows+=("   ... since the IKE daemon was ready|$(ms "$t0" "$last") ms|")
}

summary()
{
	local r what time packets

	streams_stop
	monitor_stop
	chapter "Summary: first dropped to first delivered packet"
	for r in "${rows[@]}"; do
		IFS='|' read -r what time packets <<<"$r"
		printf '  %-38s %-28s %s\n' "$what" "$time" "$packets"
	done
	echo
	[ "$(clear_seen 0)" = 0 ] || no "$(clear_seen 0) packets left unencrypted"
	say "On the wire between the gateways no inner packet was seen unencrypted. The demonstration took $((SECONDS - began)) s."
}

scene
without_helper
reboot_without_helper
lost_sa
reboot
summary
