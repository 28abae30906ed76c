#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Failures that are healed, each in one configuration. See lab/matrix.sh.
cd "$(dirname "$0")" || exit 1
. lab/lab.sh
. lab/judge.sh
. lab/configs.sh
. lab/matrix.sh

add_row heal_row inbound static inbound G1 "a child's inbound SA lost"
add_row heal_row child static child G1 "both SAs of one child lost, the other child not"
add_row heal_row flush static flush G1 "ip xfrm state flush"
add_row heal_row zombie quick_rekey zombie G1 "a zombie child after a one-sided rekey"
add_row heal_row ah ah inbound G1 "AH: a child's inbound SA lost"
add_row heal_row both_flush static both_flush G1 "all SAs of both gateways flushed, a helper on each" "A B"
add_row heal_row nat_peers nat_peers net_inbound G1 "two peers behind one NAT, one broken"
add_row heal_row responder any inbound G1 "responder-only gateway (%any): an inbound SA lost"
add_row heal_row responder_nat nat inbound G1 "responder-only gateway, peer behind NAT: an inbound SA lost"
group=2
add_row heal_row daemon static daemon G2 "IKE daemon killed and restarted, SAs gone"
add_row heal_row reboot static reboot G2 "gateway rebooted"
add_row heal_row both_reboot trap_a both_reboot 'G2|self|G2,self' "on demand, both gateways rebooted, a helper on each" "A B"
add_row heal_row responder_reboot any reboot D "responder-only gateway (%any) rebooted"
add_row heal_row responder_nat_reboot nat reboot D "responder-only gateway rebooted, peer behind NAT"
add_row heal_row delete_lost impatient delete_lost G2 "DELETE lost until the daemon gave up"
matrix_main
