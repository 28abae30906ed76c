# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A configuration of many peers. Sourced after lab.sh.
# shellcheck disable=SC2034 # for lab.sh

# LAB_TUNNELS peers, all of them in B: each has an address, a name, a connection gwN
# with a child net, and a host at 10.2.N.10.
config_many()
{
	local i

	LAB_CONFIGURE=many_configure LAB_PREPARE=many_addresses LAB_UP=many_up
	# as seen by B, all of A's IKE_SA_INITs come from one address
	LAB_CHARON=$'dos_protection = no\nthreads = 32'
	STREAMS='' LAB_HOSTS=()
	for ((i = 1; i <= LAB_TUNNELS; i++)); do
		LAB_HOSTS[gw$i]="HA 10.1.0.10 HB 10.2.$i.10 $((9000 + i))"
		STREAMS+="${STREAMS:+ }gw$i:B-A"
		[ -n "${LAB_ONE_WAY:-}" ] || STREAMS+=" gw$i:A-B"
	done
}

# many_configure NODE
many_configure()
{
	local i dir=$LAB/$1 left right

	daemon_configure "$1"
	{
		echo "connections {"
		for ((i = 1; i <= LAB_TUNNELS; i++)); do
			left="192.0.2.1 a.example 10.1.0.0/16"
			right="192.0.2.$((100 + i)) b$i.example 10.2.$i.0/24"
			if [ "$1" = A ]; then
				many_connection $i $left $right
			else
				many_connection $i $right $left
			fi
		done
		echo "}"
		echo 'secrets { ike-lab { secret = "only for this lab" } }'
	} >"$dir/swanctl.conf"
}

# many_connection N ADDRESS ID NETWORK ADDRESS ID NETWORK
many_connection()
{
	cat <<-C
	gw$1 {
		version = 2
		local_addrs = $2
		remote_addrs = $5
		local { auth = psk
			id = $3 }
		remote { auth = psk
			id = $6 }
		children { net { local_ts = $4
			remote_ts = $7 } }
	}
	C
}

many_addresses()
{
	local i

	for ((i = 1; i <= LAB_TUNNELS; i++)); do
		echo "address add 192.0.2.$((100 + i))/24 dev eth0"
	done | must ip -n "$B" -batch -
	for ((i = 1; i <= LAB_TUNNELS; i++)); do
		echo "address add 10.2.$i.10/16 dev eth0"
	done | must ip -n "$HB" -batch -
}

many_up()
{
	local i

	for ((i = 1; i <= LAB_TUNNELS; i++)); do
		must ask B initiate ike=gw$i child=net timeout=-1
	done
	wait_until 120 0.5 installed "$LAB_TUNNELS" || bail_out "not all are up: $(sas A | wc -l) of $LAB_TUNNELS"
}

# installed N - whether so many CHILD_SAs of A are up, each of another connection
installed()
{
	[ "$(sas A | awk '$6 == "INSTALLED" { print $1 }' | sort -u | wc -l)" = "$1" ]
}
