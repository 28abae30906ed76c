#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What looks like a failure, or is one that must be left alone: nothing is done, and
# it is said why. See lab/matrix.sh.
cd "$(dirname "$0")" || exit 1
. lab/lab.sh
. lab/judge.sh
. lab/configs.sh
. lab/matrix.sh

add_row still_row unknown_spi static unknown_spi 'never_ours: report' "an SPI never seen, from the peer's address"
add_row still_row closed_here static closed_here 'held: |ours_gone: report' "child closed here in order"
add_row still_row closed_by_peer static closed_by_peer 'held: |ours_gone: report' "child closed by the peer in order"
add_row still_row terminated static terminated 'held: ' "IKE_SA terminated by hand"
group=2
add_row still_row hold static held 'held: ' "lost SA of a connection on hold"
add_row still_row on_demand on_demand on_demand 'held: |ours_gone: report' "an on-demand connection that is down"
add_row still_row childless childless childless 'never_ours: report' "an IKE_SA without a child"
add_row still_row other_keyer static other_keyer 'other_keyer: report' "SA of somebody else (ip xfrm)"
group=3
add_row still_row foreign_vici static foreign_vici 'another network namespace' "VICI socket of a charon in another namespace"
add_row still_row dnat two_addresses dnat 'misdirected: report' "DNAT to another address of the gateway"
add_row still_row other_mark marked other_mark 'misdirected: report' "an SA that only another mark matches"
add_row still_row mobike mobike mobike 'misdirected: report' "MOBIKE: our address moves under load"
group=4
add_row still_row slow static slow_responder 'lost_in_kernel: rekey' "responder that takes 5 s: one rekey, no more"
add_row still_row vici_silent static vici_silent 'lost_in_kernel: rekey' "VICI silent for a while: one rekey, afterwards"
add_row still_row not_loaded static not_loaded 'pending|not loaded' "charon up, connections not loaded yet"
group=5
add_row still_row unloaded static unloaded 'its connection is not loaded' "connection unloaded"
add_row still_row no_daemon static no_daemon 'pending: report' "IKE daemon absent: counted, reported"
add_row still_row daemon_kept static daemon_kept '' "IKE daemon restarted, the kernel kept its SAs"
add_row still_row libipsec libipsec libipsec '' "kernel-libipsec: what charon lists is in no kernel"
group=6
add_row still_row peer_gone gives_up peer_gone 'given up' "the peer is gone, its packets are not: give up, alert"
group=7
add_row still_row peer_daemon gives_up peer_daemon 'given up' "the peer's daemon is dead, its kernel sends"
add_row still_row terminated_lost impatient terminated_lost 'held: ' "terminated by hand, its DELETE lost"
matrix_main
