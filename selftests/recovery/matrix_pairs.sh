#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The failures that every pair of IKE daemons has to get over, and what must be left
# alone whoever the daemons are. PAIR names those of A and B, as libreswan-strongswan;
# A is the gateway that gets hurt, and has the helper. See lab/matrix.sh.
cd "$(dirname "$0")" || exit 1
PAIR=${PAIR:-libreswan-strongswan}
# what is watched takes long
TRIALS_STILL=${TRIALS_STILL:-4}
. lab/lab.sh
. lab/judge.sh
. lab/configs.sh
. lab/matrix.sh

# heal NAME CONFIG FAULT RUNG-OF-STRONGSWAN RUNG-OF-LIBRESWAN WHAT
heal()
{
	local rung=$4

	! is_pluto A || rung=$5
	add_row heal_row "$1" "$2" "$3" "$rung" "$6"
}

# still NAME CONFIG FAULT REGEX-OF-STRONGSWAN REGEX-OF-LIBRESWAN WHAT
still()
{
	local regex=$4

	! is_pluto A || regex=$5
	add_row still_row "$1" "$2" "$3" "$regex" "$6"
}

# strongSwan goes on with an SA that was rekeyed until it is deleted, and pluto does
# that a second after the rekey.
if [ "$PAIR" = libreswan-strongswan ]; then
	GOAL_MEDIAN=2000 GOAL_P95=3000
fi
GONE='held: |ours_gone: report'

heal inbound static inbound G1 G1 "static, IPv4: a child's inbound SA lost"
heal inbound_v6 ipv6 inbound G1 G1 "static, IPv6: a child's inbound SA lost"
heal inbound_natt natt inbound G1 G1 "static, UDP encapsulation: a child's inbound SA lost"
heal inbound_any any inbound G1 G1 "%any: a child's inbound SA lost"
heal inbound_nat nat inbound G1 G1 "%any, the peer behind NAT: a child's inbound SA lost"
heal flush static flush G1 '(G1|self)(,self)?' "static: ip xfrm state flush"
group=2
heal reboot static reboot G2 G2 "static, IPv4: gateway rebooted"
heal reboot_v6 ipv6 reboot G2 G2 "static, IPv6: gateway rebooted"
heal reboot_natt natt reboot G2 G2 "static, UDP encapsulation: gateway rebooted"
heal reboot_any any reboot D D "%any: gateway rebooted"
group=3
heal delete_lost impatient delete_lost G2 '.*' "DELETE lost until the daemon gave up"
group=4
still closed_here static closed_here "$GONE" "$GONE" "child closed here in order"
still terminated static terminated 'held: ' 'held: ' "all closed by hand"
still hold static held 'held: ' 'held: ' "lost SA of a connection on hold"
still unknown_spi static unknown_spi 'never_ours: report' 'never_ours: report' "an SPI never seen, from the peer's address"
still other_keyer static other_keyer 'other_keyer: report' 'other_keyer: report' "SA of somebody else (ip xfrm)"
# In libreswan one that was ever initiated by hand is to be up from then on.
is_pluto A || still on_demand on_demand on_demand "$GONE" "$GONE" "an on-demand connection that is down"
still unloaded static unloaded 'its connection is not loaded' 'its connection is not loaded' "connection unloaded"
still not_loaded static not_loaded 'pending|not loaded' 'pending|not loaded' "daemon up, connections not loaded yet"
still no_daemon static no_daemon 'pending: report' 'pending: report' "IKE daemon absent: counted, reported"
# libreswan 5 flushes the kernel's SAs when it starts.
if is_pluto A && [[ $("$PLUTO_DIR/pluto" --version) != *' 4.'* ]]; then
	heal daemon_flushes static daemon_flushes G2 G2 "IKE daemon restarted, which flushes the SAs"
else
	still daemon_kept static daemon_kept '' '' "IKE daemon restarted, the kernel kept its SAs"
fi
still daemon_silent static vici_silent 'lost_in_kernel: rekey' 'lost_in_kernel: rekey' "IKE daemon silent for a while: one rekey, afterwards"
still slow static slow_responder 'lost_in_kernel: rekey' 'lost_in_kernel: rekey' "responder that takes 5 s: one rekey, no more"
still closed_by_peer by_peer closed_by_peer "$GONE" "$GONE" "child closed by the peer in order"
still unknown_silent initiates_unknown unknown_silent 'no_history: ' 'no_history: ' "a peer that is new, sends, and does not answer"
still peer_gone gives_up peer_gone 'given up' 'given up|the peer is silent' "the peer is gone, its packets are not"
matrix_main
