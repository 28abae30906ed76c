#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Every configuration, with a lost inbound SA and with a reboot of the gateway. The
# text of a row begins with the row of Cisco's table that it stands for, if it does.
# See lab/matrix.sh.
cd "$(dirname "$0")" || exit 1
. lab/lab.sh
. lab/judge.sh
. lab/configs.sh
TRIALS=${TRIALS:-5}
. lab/matrix.sh

# config CONFIG TEXT [RUNG-AFTER-REBOOT]
config()
{
	add_row heal_row "$1_inbound" "$1" inbound G1 "$2: inbound SA lost"
	add_row heal_row "$1_reboot" "$1" reboot "${3:-G2}" "$2: rebooted"
}

config static "static crypto map: policies, both addresses known"
config any "dynamic crypto map: responder with %any" D
config gre "P2P GRE + TP: GRE over transport mode"
config mgre "mGRE, static NHRP: static neighbours"
config mgre_dynamic "mGRE, dynamic NHRP: the spoke's neighbour comes with its SA" D
config vti "sVTI: VTI with marks"
config xfrmi "sVTI: XFRM interface with if_id"
group=2
config transport "transport mode, two hosts"
config natt "NAT-T: UDP encapsulation"
config nat "dynamic crypto map: %any, the peer behind NAT" D
config ipv6 "IPv6 outside, both inside"
config ikev1 "IKEv1, main mode"
config ikev1_aggressive "IKEv1, aggressive mode"
config certs "certificates"
group=3
config unique_no "unique = no"
config unique_replace "unique = replace"
config unique_keep "unique = keep"
config unique_never "unique = never"
config trap_a "start_action = trap here" 'G2|self'
config trap_b "start_action = trap at the peer" 'G2|self'
config close_a "close_action = start here"
config close_b "close_action = start at the peer"
group=2
add_row heal_row eap_client_inbound eap_client inbound G1 "EzVPN: EAP and virtual IP, on the client: inbound SA lost"
add_row heal_row eap_client_reboot eap_client reboot G2 "EzVPN: EAP and virtual IP, the client rebooted"
add_row heal_row eap_gateway_inbound eap_gateway inbound G1 "EzVPN: EAP and virtual IP, on the gateway: inbound SA lost"
add_row still_row eap_gateway_reboot eap_gateway client_gone 'report' "EzVPN: EAP and virtual IP, the gateway rebooted: not recoverable"
matrix_main
