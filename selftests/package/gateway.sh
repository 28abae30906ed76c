# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# This machine as a gateway with strongSwan as Debian sets it up, and a peer in a network
# namespace with a charon of its own. Sourced; brings net.sh with it.
#
#   this machine (root namespace)          namespace "peer"
#   10.1.0.1 on lo, 192.0.2.1 eth0  -----  eth0 192.0.2.2, 10.2.0.1 on lo
#
# One CHILD_SA, net, of the connection gw; the peer pings 10.1.0.1 all the time.

# shellcheck source=SCRIPTDIR/../lib/net.sh
. ../lib/net.sh

PEER=peer
# a service has a /tmp of its own
PEER_DIR=/run/charon-peer

# connection LOCAL REMOTE LOCAL-ID REMOTE-ID LOCAL-TS REMOTE-TS - swanctl.conf
connection()
{
	cat <<-C
	connections {
		gw {
			version = 2
			local_addrs = $1
			remote_addrs = $2
			local {
				auth = psk
				id = $3
			}
			remote {
				auth = psk
				id = $4
			}
			children {
				net {
					local_ts = $5/32
					remote_ts = $6/32
				}
			}
		}
	}
	secrets {
		ike {
			secret = "only for this test"
		}
	}
	C
}

# vici_peer COMMAND... - swanctl with the peer's charon
vici_peer()
{
	STRONGSWAN_CONF=$PEER_DIR/strongswan.conf timeout 60 swanctl "$@" --uri "unix://$PEER_DIR/vici"
}

peer_start()
{
	mkdir -p "$PEER_DIR"
	defer rm -rf "$PEER_DIR"
	cat >"$PEER_DIR/strongswan.conf" <<-C
	charon-systemd {
		load_modular = no
		load = random nonce openssl kdf gmp pem pkcs1 pubkey x509 kernel-netlink socket-default vici updown
		plugins {
			vici {
				socket = unix://$PEER_DIR/vici
			}
		}
	}
	C
	connection 192.0.2.2 192.0.2.1 b.example a.example 10.2.0.1 10.1.0.1 >"$PEER_DIR/swanctl.conf"
	STRONGSWAN_CONF=$PEER_DIR/strongswan.conf background on $PEER charon-systemd \
		</dev/null >"$PEER_DIR/log" 2>&1
	slowwait 60 vici_peer --version ||
		bail_out "the peer's charon does not answer: $(tail -n 5 "$PEER_DIR/log")"
	must vici_peer --load-all --noprompt --file "$PEER_DIR/swanctl.conf"
}

gateway_up()
{
	must ip netns add $PEER
	NS_ALL+=("$PEER")
	must ip link add eth0 type veth peer name eth0 netns $PEER
	must ip address add 192.0.2.1/24 dev eth0
	must ip address add 10.1.0.1/32 dev lo
	must ip link set eth0 up
	must ip -n $PEER link set lo up
	must ip -n $PEER address add 192.0.2.2/24 dev eth0
	must ip -n $PEER address add 10.2.0.1/32 dev lo
	must ip -n $PEER link set eth0 up
	defer ip link del eth0
	defer ip address del 10.1.0.1/32 dev lo
	peer_start
	connection 192.0.2.1 192.0.2.2 a.example b.example 10.1.0.1 10.2.0.1 \
		>/etc/swanctl/conf.d/gw.conf
	defer rm -f /etc/swanctl/conf.d/gw.conf
	must systemctl restart strongswan
	must timeout 60 swanctl --initiate --child net
	background on $PEER ping -q -i 0.1 -I 10.2.0.1 10.1.0.1 >"$NS_TMP/ping" 2>&1
}

# spi_in - prints the SPI with which this gateway receives
spi_in()
{
	swanctl --list-sas --child net 2>/dev/null | sed -n 's/^ *in  *\([0-9a-f]*\),.*/\1/p' | tail -n 1
}

# ping_arrives - whether the peer gets an answer
ping_arrives()
{
	on $PEER ping -q -c 1 -W 1 -I 10.2.0.1 10.1.0.1
}

# said UNIT REGEX - whether the journal has that since $said_mark
said()
{
	journalctl -q -u "$1" --after-cursor "$said_mark" -o cat | grep -E -- "$2"
}

mark_said()
{
	said_mark=$(journalctl -q -n 0 --show-cursor | sed -n 's/^-- cursor: //p')
}
