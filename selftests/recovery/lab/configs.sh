# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The configurations of the matrix, each a function config_NAME that sets the knobs
# of lab.sh; before, they are all at their defaults. Sourced after lab.sh.
# shellcheck disable=SC2034 # for lab.sh

# Policies, addresses of both known: Cisco's static crypto map.
config_static()
{
	:
}

# The peer brought it up: what pluto itself was told to initiate it brings up again.
config_by_peer()
{
	LAB_INITIATOR=B
}

# As the first, and an IKE daemon that gives a peer up after 6 s.
config_impatient()
{
	LAB_CHARON_A=$'retransmit_tries = 2\nretransmit_timeout = 1'
	LAB_PLUTO_A='retransmit-timeout=6s'
}

# B rekeys a child after 10 s, A's SAs live for 14.
config_quick_rekey()
{
	LAB_CHILD_A=$'rekey_time = 0\nlife_time = 14s'
	LAB_CHILD_B=$'rekey_time = 10s\nrand_time = 0\nlife_time = 60s'
	lab_children net
}

# A helper that gives up soon.
GIVE_UP=3
config_gives_up()
{
	LAB_HELPER_A="give_up = $GIVE_UP
		backoff_min_ms = 500ms
		initiate_timeout_ms = 2s"
}

# A helper that brings up peers of which it knows nothing.
config_initiates_unknown()
{
	LAB_HELPER_A='initiate_unknown = yes'
}

config_on_demand()
{
	LAB_CHILD_A='start_action = trap'
	LAB_PLUTO_A='auto=ondemand'
	lab_children net
	STREAMS=''
}

config_childless()
{
	LAB_CONN='childless = force'
	LAB_UP=bare_ike_sa
	STREAMS=''
}

bare_ike_sa()
{
	must ask A initiate ike=gw timeout=20000
}

config_mobike()
{
	LAB_CONN_A='local_addrs = 192.0.2.1, 192.0.2.11'
	LAB_CONN_B='remote_addrs = 192.0.2.1, 192.0.2.11'
	# else charon tries the inner addresses, too
	LAB_CHARON='interfaces_use = eth0'
	LAB_PREPARE=keep_secondary
}

keep_secondary()
{
	local n

	on "$A" sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/promote_secondaries'
	must ip -n "$A" route replace default via 192.0.2.2 dev eth0 onlink
	# charon would take the first path that answers, and that may be this one
	for n in A B; do
		must ip -6 -n "${LAB_NS[$n]}" address flush dev eth0 scope global
	done
}

# A's ESP is not in the kernel.
config_libipsec()
{
	LAB_CHARON_A="load = ${LAB_PLUGINS/kernel-netlink/kernel-libipsec kernel-netlink}"
	LAB_READY=foreign
	STREAMS=''
}

# A has a second address.
config_two_addresses()
{
	LAB_PREPARE=second_address
}

second_address()
{
	must ip -n "$A" address add 192.0.2.12/24 dev eth0
}

config_ah()
{
	LAB_CHILD='ah_proposals = sha256'
	LAB_PROTO=ah
}

# --- for the table of configurations

# A knows no address of its peer: Cisco's dynamic crypto map.
config_any()
{
	LAB_REMOTE[A]=%any
	LAB_HELPER_A='dynamic = yes'
	LAB_INITIATOR=B
}

# As that, and the peer is behind a gateway that translates addresses and ports.
config_nat()
{
	config_any
	LAB_LOCAL[B]=198.51.100.2
	LAB_PREPARE=masquerade
}

# masquerade - puts N before B
masquerade()
{
	local n

	setup_ns N
	must ip -n "$W" link set pb netns "$N"
	must ip -n "$N" link add eth0 type veth peer name pn netns "$W"
	must ip -n "$W" link set pn master br0
	must ip -n "$W" link set pn up
	must ip -n "$N" link add br1 type bridge
	must ip -n "$N" link set pb master br1
	must ip -n "$N" address add 198.51.100.254/24 dev br1
	must ip -n "$N" address add 192.0.2.2/24 dev eth0
	for n in pb br1 eth0; do
		must ip -n "$N" link set "$n" up
	done
	must ip -n "$B" address flush dev eth0
	must ip -n "$B" address add 198.51.100.2/24 dev eth0
	must ip -n "$B" route add default via 198.51.100.254
	on "$N" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
	on "$N" nft -f - <<-'R' || bail_out "no masquerading"
		table ip nat {
			chain post {
				type nat hook postrouting priority srcnat
				oifname "eth0" masquerade random
			}
		}
	R
}

# With a second peer behind it.
config_nat_peers()
{
	config_nat
	LAB_TS[net3]="10.1.0.0/16 10.3.0.0/16"
	LAB_HOSTS[net3]="HA 10.1.0.10 C 10.3.0.1 9003"
	LAB_PREPARE=second_peer
	LAB_UP=both_peers_up
	LAB_STATE="2 net net2 net3"
	STREAMS+=" net3:A-B net3:B-A"
	LAB_MORE_A='gw-c {
		version = 2
		local_addrs = 192.0.2.1
		remote_addrs = %any
		local {
			auth = psk
			id = a.example
		}
		remote {
			auth = psk
			id = c.example
		}
		children {
			net3 {
				local_ts = 10.1.0.0/16
				remote_ts = 10.3.0.0/16
			}
		}
	}'
}

second_peer()
{
	masquerade
	setup_ns C
	LAB_NS[C]=$C
	must ip -n "$C" link add eth0 type veth peer name pc netns "$N"
	must ip -n "$N" link set pc master br1
	must ip -n "$N" link set pc up
	must ip -n "$C" link set eth0 up
	must ip -n "$C" address add 198.51.100.3/24 dev eth0
	must ip -n "$C" address add 10.3.0.1/16 dev lo
	must ip -n "$C" route add default via 198.51.100.254
}

both_peers_up()
{
	tunnel_up
	daemon_configure C
	sed 's/b\.example/c.example/; s/198\.51\.100\.2$/198.51.100.3/
		s/10\.2\.0\.0/10.3.0.0/; s/net {/net3 {/; /net2 {/,/}/d' "$LAB/B/swanctl.conf" \
		>"$LAB/C/swanctl.conf"
	charon_start C
	charon_load C
	must ask C initiate ike=gw child=net3 timeout=20000
}

# With IKE_SAs of the same identities there already.
config_unique_no()	{ LAB_CONN='unique = no'; }
config_unique_replace()	{ LAB_CONN='unique = replace'; }
config_unique_keep()	{ LAB_CONN='unique = keep'; }
config_unique_never()	{ LAB_CONN='unique = never'; }

# Who brings a child up by itself, and again.
config_trap_a()		{ LAB_CHILD_A='start_action = trap'; }
config_trap_b()		{ LAB_CHILD_B='start_action = trap'; }
config_close_a()	{ LAB_CHILD_A='close_action = start'; }
config_close_b()	{ LAB_CHILD_B='close_action = start'; }

config_ikev1()
{
	LAB_CONN='version = 1'
	LAB_PLUTO='ikev2=no'
}

config_ikev1_aggressive()
{
	LAB_CONN=$'version = 1\naggressive = yes'
	LAB_CHARON='i_dont_care_about_security_and_use_aggressive_mode_psk = yes'
}

# UDP encapsulation, although there is no NAT.
config_natt()
{
	LAB_CONN='encap = yes'
	LAB_PLUTO='encapsulation=yes'
}

# IPv6 outside; inside one child of IPv6 and one of IPv4.
config_ipv6()
{
	LAB_OUTER=([A]=2001:db8::1 [B]=2001:db8::2)
	LAB_TS[net]="fd01::/64 fd02::/64"
	LAB_HOSTS[net]="HA fd01::10 HB fd02::10 9001"
	LAB_PREPARE=inner_v6
}

inner_v6()
{
	local n h

	for n in A B; do
		h=H$n
		must ip -n "${LAB_NS[$n]}" address add "fd0$(node_number $n)::1/64" dev in0 nodad
		must ip -n "${!h}" address add "fd0$(node_number $n)::10/64" dev eth0 nodad
		must ip -n "${!h}" route add default via "fd0$(node_number $n)::1"
		must ip -n "${LAB_NS[$n]}" route add default via "2001:db8::$(node_number "$(other_node $n)")"
		on "${LAB_NS[$n]}" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
		must on "${LAB_NS[$n]}" nft add rule inet guard forward oifname eth0 \
			ip6 saddr fd00::/8 rt ipsec missing counter drop
	done
}

# config_one CHILD-LINES SELECTOR SELECTOR PREPARE - one child; the two networks of
# each side are reached through a device that PREPARE makes
config_one()
{
	LAB_CHILD=$1
	LAB_TS[net]="$2 $3"
	LAB_PREPARE=$4
	LAB_CHARON='install_routes = no'
	lab_children net
}

# through NODE DEV [via ADDRESS] - the way to the other side's networks; and nothing
# of the device's packets leaves unencrypted
through()
{
	local n=$1 dev=$2 o

	o=$(node_number "$(other_node "$n")")
	shift 2
	must ip -n "${LAB_NS[$n]}" link set "$dev" up
	must ip -n "${LAB_NS[$n]}" route add "10.$o.0.0/16" "$@" dev "$dev"
	must ip -n "${LAB_NS[$n]}" route add "10.1$o.0.0/16" "$@" dev "$dev"
	guard_output "$n" meta l4proto gre
}

# guard_output NODE MATCH... - these packets do not leave unencrypted
guard_output()
{
	local ns=${LAB_NS[$1]}

	shift
	must on "$ns" nft add chain inet guard output '{ type filter hook output priority 0; }'
	must on "$ns" nft add rule inet guard output oifname eth0 "$@" rt ipsec missing counter drop
}

# Cisco's static VTI, once with marks and once with interface ids.
config_vti()
{
	config_one $'mark_in = 7\nmark_out = 7' 0.0.0.0/0 0.0.0.0/0 vti_devices
}

vti_devices()
{
	local n

	for n in A B; do
		must ip -n "${LAB_NS[$n]}" link add vti0 type vti local "${LAB_OUTER[$n]}" \
			remote "${LAB_OUTER[$(other_node $n)]}" key 7
		on "${LAB_NS[$n]}" sh -c 'echo 1 >/proc/sys/net/ipv4/conf/vti0/disable_policy'
		through $n vti0
	done
}

config_xfrmi()
{
	config_one $'if_id_in = 42\nif_id_out = 42' 0.0.0.0/0 0.0.0.0/0 xfrm_devices
}

xfrm_devices()
{
	local n

	for n in A B; do
		must ip -n "${LAB_NS[$n]}" link add ipsec0 type xfrm dev eth0 if_id 42
		through $n ipsec0
	done
}

# Two hosts, no networks.
config_transport()
{
	config_one 'mode = transport' '192.0.2.1/32[udp]' '192.0.2.2/32[udp]' guard_probes
	LAB_HOSTS[net]="A 192.0.2.1 B 192.0.2.2 9001"
}

guard_probes()
{
	guard_output A udp dport 9001
	guard_output B udp dport 9001
}

# Point-to-point GRE with tunnel protection.
config_gre()
{
	config_one 'mode = transport' '192.0.2.1/32[gre]' '192.0.2.2/32[gre]' gre_devices
}

gre_devices()
{
	local n

	for n in A B; do
		must ip -n "${LAB_NS[$n]}" link add gre1 type gre local "${LAB_OUTER[$n]}" \
			remote "${LAB_OUTER[$(other_node $n)]}" ttl 64
		through $n gre1
	done
}

# Multipoint GRE, neighbours written down: static NHRP.
config_mgre()
{
	config_one 'mode = transport' '192.0.2.1/32[gre]' '192.0.2.2/32[gre]' mgre_devices
}

# mgre_devices [NODE] - all but this node know their neighbour
mgre_devices()
{
	local n o

	for n in A B; do
		o=$(other_node $n)
		must ip -n "${LAB_NS[$n]}" link add gre1 type gre local "${LAB_OUTER[$n]}" key 1 ttl 64
		must ip -n "${LAB_NS[$n]}" address add "10.99.0.$(node_number $n)/24" dev gre1
		must ip -n "${LAB_NS[$n]}" link set gre1 up
		[ "${1:-}" = $n ] || must ip -n "${LAB_NS[$n]}" neigh add \
			"10.99.0.$(node_number $o)" lladdr "${LAB_OUTER[$o]}" dev gre1 nud permanent
		through $n gre1 via "10.99.0.$(node_number $o)"
	done
}

# Multipoint GRE on a hub that knows its spokes by no address: as when a spoke
# registers (NHRP), the neighbour comes with the SA. A real nhrpd needs a patched
# charon, which Debian has not.
config_mgre_dynamic()
{
	config_one 'mode = transport' '192.0.2.1/32[gre]' '192.0.2.2/32[gre]' 'mgre_devices A'
	LAB_TS[net]="192.0.2.1/32[gre] dynamic[gre]"
	LAB_CONN_A='remote_addrs = %any'
	LAB_CONN_B='local_addrs = 192.0.2.2'
	LAB_CHILD_A="updown = $LAB_HERE/register"
	LAB_HELPER_A='dynamic = yes'
	LAB_INITIATOR=B
}

# Certificates instead of a secret.
config_certs()
{
	LAB_AUTH=auth_pubkey
	LAB_SECRETS=:
	LAB_PREPARE=certificates
}

auth_pubkey()
{
	cat <<-C
	local {
		auth = pubkey
		certs = ${1,,}.pem
		id = ${1,,}.example
	}
	remote {
		auth = pubkey
		id = $(other_node "$1" | tr AB ab).example
	}
	C
}

# in_file FILE COMMAND... - its output becomes the file
in_file()
{
	local file=$1

	shift
	"$@" >"$file" 2>"$LAB/pki.err" || bail_out "$*: $(cat "$LAB/pki.err")"
}

# certificates - an authority, a key and a certificate for each gateway
certificates()
{
	local n dir

	in_file "$LAB/ca.key" pki --gen --type ecdsa --size 256 --outform pem
	in_file "$LAB/ca.pem" pki --self --ca --in "$LAB/ca.key" --type ecdsa --dn "CN=lab" \
		--outform pem
	for n in A B; do
		dir=$LAB/$n
		mkdir -p "$dir"/{x509,x509ca,private}
		cp "$LAB/ca.pem" "$dir/x509ca"
		in_file "$dir/private/${n,,}.pem" pki --gen --type ecdsa --size 256 --outform pem
		in_file "$LAB/$n.pub" pki --pub --in "$dir/private/${n,,}.pem" --type ecdsa
		in_file "$dir/x509/${n,,}.pem" pki --issue --in "$LAB/$n.pub" --type pub \
			--cacert "$LAB/ca.pem" --cakey "$LAB/ca.key" --dn "CN=${n,,}.example" \
			--san "${n,,}.example" --outform pem
	done
}

# A accepts only what a rule of its firewall has marked.
config_marked()
{
	LAB_CHILD_A=$'mark_in = 7\nmark_in_sa = yes'
	LAB_PREPARE=mark_esp
}

mark_esp()
{
	on "$A" nft -f - <<-'N' || bail_out "no rule that marks ESP"
		table inet marks {
			chain pre {
				type filter hook prerouting priority raw
				ip saddr 192.0.2.2 ip protocol esp meta mark set 7
			}
		}
	N
}

# Remote access: the client authenticates with EAP and gets a virtual address, the
# gateway knows no address of it. Once A is the gateway, once the client.
config_eap_gateway()
{
	remote_access A B
	LAB_TS[net]="10.1.0.0/16 dynamic"
	LAB_HOSTS[net]="HA 10.1.0.10 B 10.3.0.1 9001"
}

config_eap_client()
{
	remote_access B A
	LAB_TS[net]="dynamic 10.2.0.0/16"
	LAB_HOSTS[net]="A 10.3.0.1 HB 10.2.0.10 9001"
}

# remote_access GATEWAY CLIENT
remote_access()
{
	LAB_AUTH=auth_eap LAB_SECRETS=secrets_eap LAB_PREPARE=remote_access_net
	LAB_CLIENT=$2 LAB_INITIATOR=$2
	LAB_CHARON="load = $LAB_PLUGINS eap-identity eap-mschapv2"
	printf -v "LAB_CONN_$1" '%s\n' 'remote_addrs = %any' 'pools = clients'
	printf -v "LAB_TOP_$1" 'pools { clients { addrs = 10.3.0.1/32 } }'
	printf -v "LAB_CONN_$2" 'vips = 0.0.0.0'
	# the lab's hosts have to have it all the time
	printf -v "LAB_CHARON_$2" 'install_virtual_ip = no'
	lab_children net
}

remote_access_net()
{
	certificates
	must ip -n "${LAB_NS[$LAB_CLIENT]}" address add 10.3.0.1/32 dev lo
	guard_output "$LAB_CLIENT" ip saddr 10.0.0.0/8
}

# auth_eap NODE
auth_eap()
{
	local client gateway c g

	c=${LAB_CLIENT,,} g=$(other_node "$LAB_CLIENT" | tr AB ab)
	client="auth = eap-mschapv2
		id = $c.example"
	gateway="auth = pubkey
		id = $g.example"
	if [ "$1" = "$LAB_CLIENT" ]; then
		echo "local { $client"
		echo "} remote { $gateway"
		echo "}"
	else
		echo "local { $gateway"
		echo "certs = $g.pem }"
		echo "remote { $client"
		echo "}"
	fi
}

secrets_eap()
{
	echo "eap-client { id = ${LAB_CLIENT,,}.example"
	echo 'secret = "only for this lab" }'
}
