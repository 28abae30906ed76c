# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The IKE daemons of the gateways and how to talk to them: strongSwan's charon and
# libreswan's pluto, under names that are the same for both. Sourced by lab.sh.
#
#	daemon_spawn, daemon_wait, daemon_start, daemon_load, daemon_stop NODE
#	initiate, rekey, end_child NODE CHILD; end_ike NODE
#	untrap, trap_again "CHILD..."
#	sas, spi_in, spi_out
#
# libreswan has a connection for each child, of the same name.

# daemon_of NODE - sets $daemon to charon or pluto
daemon_of()
{
	local one=LAB_DAEMON_$1

	daemon=${!one:-${LAB_DAEMON:-strongswan}}
	case $daemon in
	strongswan) daemon=charon ;;
	libreswan) daemon=pluto ;;
	*) bail_out "LAB_DAEMON '$daemon': must be strongswan or libreswan" ;;
	esac
}

# is_pluto NODE
is_pluto()
{
	local daemon

	daemon_of "$1"
	[ "$daemon" = pluto ]
}

# by_daemon VERB NODE ARG... - the daemon's own function of that name
by_daemon()
{
	local verb=$1 daemon

	shift
	daemon_of "$1"
	"${daemon}_$verb" "$@"
}

daemon_spawn()	{ by_daemon spawn "$@"; }
daemon_wait()	{ by_daemon wait "$@"; }
# daemon_load NODE - loads connections and secrets; sets $loaded_us
daemon_load()	{ by_daemon load "$@"; }
initiate()	{ by_daemon initiate "$@"; }
rekey()		{ by_daemon rekey "$@"; }
end_child()	{ by_daemon end_child "$@"; }
end_ike()	{ by_daemon end_ike "$@"; }

# sas NODE - 1 connection 2 id 3 state 4 child 5 id 6 state 7 SPI in 8 SPI out
# 9 packets in 10 tasks
sas()		{ by_daemon sas "$@"; }

daemon_start()
{
	daemon_spawn "$1"
	daemon_wait "$1"
}

# daemon_stop NODE [SIGNAL]
daemon_stop()
{
	[ -n "${DAEMON_PID[$1]:-}" ] || return
	kill -"${2:-TERM}" "${DAEMON_PID[$1]}" 2>/dev/null
	wait "${DAEMON_PID[$1]}" 2>/dev/null
	unset "DAEMON_PID[$1]"
}

# conn_of NODE CHILD - what the node's helper calls the child's connection
conn_of()
{
	is_pluto "$1" && echo "$2" || echo gw
}

# spi_in NODE CHILD, spi_out NODE CHILD - prints the SPI of the child that is up
spi_in()
{
	sas "$1" | awk -v c="$2" '$4 == c && ($6 == "INSTALLED" || $6 == "REKEYING") { s = $7 }
		END { if (s) print "0x" s }'
}

spi_out()
{
	sas "$1" | awk -v c="$2" '$4 == c && ($6 == "INSTALLED" || $6 == "REKEYING") { s = $8 }
		END { if (s) print "0x" s }'
}

# tunnel_up - all children, one after the other
tunnel_up()
{
	local c

	for c in $LAB_CHILDREN; do
		must initiate $LAB_INITIATOR $c
	done
}

# --- strongSwan

# ask NODE COMMAND... - VICI to the node's daemon
ask()
{
	local n=$1

	shift
	vici "$LAB/$n/vici" "$@"
}

# charon_start NODE - returns when it serves VICI
charon_start()
{
	charon_spawn "$1"
	charon_wait "$1"
}

charon_spawn()
{
	local n=$1

	rm -f "$LAB/$n/vici"
	STRONGSWAN_CONF=$LAB/$n/strongswan.conf ip netns exec "${LAB_NS[$n]}" \
		charon-systemd </dev/null >>"$LAB/$n/charon.out" 2>&1 &
	DAEMON_PID[$n]=$!
	NS_PIDS+=($!)
}

charon_wait()
{
	wait_until 60 0.05 ask "$1" version ||
		bail_out "charon of $1 does not answer: $waited; $(tail -n 5 "$LAB/$1/charon.log" "$LAB/$1/charon.out")"
}

# charon_load NODE - loads connections and secrets; sets $loaded_us
charon_load()
{
	local out

	out=$(STRONGSWAN_CONF=$LAB/$1/strongswan.conf timeout 60 swanctl --load-all --noprompt \
		--file "$LAB/$1/swanctl.conf" 2>&1) || bail_out "swanctl --load-all for $1: $out"
	stamp
	loaded_us=$now_us
}

charon_stop()	{ daemon_stop "$@"; }
charon_sas()	{ ask "$1" sas; }
charon_initiate()	{ ask "$1" initiate ike=gw child="$2" timeout=20000; }
charon_rekey()	{ ask "$1" rekey ike=gw child="$2"; }
charon_end_child()	{ ask "$1" terminate child="$2" timeout=5000 >/dev/null; }
charon_end_ike()	{ ask "$1" terminate ike=gw timeout="${2:-5000}" >/dev/null; }

# --- libreswan

PLUTO_DIR=${PLUTO_DIR:-/usr/libexec/ipsec}

# whack NODE ARG... - asks the node's pluto
whack()
{
	local n=$1

	shift
	timeout 60 "$PLUTO_DIR/whack" --rundir "$LAB/$n/pluto" "$@"
}

# pluto_spawn NODE - without connections, which pluto_load brings
pluto_spawn()
{
	local n=$1 dir=$LAB/$1

	mkdir -p "$dir/pluto"
	[ -d "$dir/nss" ] || {
		mkdir -p "$dir/nss"
		must certutil -N -d "sql:$dir/nss" --empty-password
	}
	ip netns exec "${LAB_NS[$n]}" "$PLUTO_DIR/pluto" --nofork --config "$dir/setup.conf" \
		--rundir "$dir/pluto" --secretsfile "$dir/ipsec.secrets" --nssdir "$dir/nss" \
		</dev/null >>"$dir/pluto.out" 2>&1 &
	DAEMON_PID[$n]=$!
	NS_PIDS+=($!)
}

pluto_wait()
{
	wait_until 60 0.05 whack "$1" --briefstatus ||
		bail_out "pluto of $1 does not answer: $waited; $(tail -n 5 "$LAB/$1/pluto.log" "$LAB/$1/pluto.out")"
	# it reads its secrets with that; before, it hears nothing
	must whack "$1" --listen
}

pluto_load()
{
	local out

	out=$(timeout 60 ip netns exec "${LAB_NS[$1]}" "$PLUTO_DIR/addconn" --config "$LAB/$1/ipsec.conf" \
		--ctlsocket "$LAB/$1/pluto/pluto.ctl" --autoall 2>&1) || bail_out "addconn for $1: $out"
	# it may have taken none of it, and end well
	whack "$1" --status | grep -q '^[0-9 ]*".*our idtype' || bail_out "addconn for $1: $out"
	stamp
	loaded_us=$now_us
}

# What is established, each child's newest as INSTALLED and the others as REKEYED.
pluto_sas()
{
	whack "$1" --showstates | sed 's/^[0-9][0-9][0-9] //' | awk '
		/^#[0-9]+: ".*ESTABLISHED_CHILD_SA|^#[0-9]+: ".*QUICK_[IR]2/ {
			child = substr($1, 2) + 0
			state = / newest;/ ? "INSTALLED" : "REKEYED"
			ike = 0
			if (match($0, / SA #[0-9]+;/))
				ike = substr($0, RSTART + 5, RLENGTH - 6)
			next
		}
		/^#[0-9]+: ".* Traffic:/ {
			split($0, name, "\"")
			n = 0
			for (i = 1; i <= NF; i++)
				if ($i ~ /^(esp|ah)[.:]/) {
					split(substr($i, index($i, $i ~ /^esp/ ? "p" : "h") + 2), spi, "@")
					said[++n] = substr("00000000" spi[1], length(spi[1]) + 1)
				}
			print name[2], ike, "ESTABLISHED", name[2], child, state, said[2], said[1], 0, "-"
			seen[ike] = 1
			next
		}
		/^#[0-9]+: ".*(ESTABLISHED_IKE_SA|MAIN_I4|MAIN_R3|AGGR_I2|AGGR_R2)/ {
			split($0, name, "\"")
			bare[substr($1, 2) + 0] = name[2]
		}
		END { for (i in bare) if (!(i in seen)) print bare[i], i, "ESTABLISHED", "-", 0, "-", "-", "-", 0, "-" }'
}

pluto_initiate()
{
	whack "$1" --initiate --name "$2" >/dev/null
	wait_until 20 0.1 pluto_is_up "$1" "$2"
}

pluto_is_up()
{
	[ -n "$(spi_in "$1" "$2")" ]
}

pluto_rekey()
{
	case $(whack "$1" --version) in
	*' 4.'*) whack "$1" --rekey-ipsec --asynchronous --name "$2" ;;
	*) whack "$1" --rekey-child --asynchronous --name "$2" ;;
	esac
}

pluto_end_child()	{ whack "$1" --terminate --name "$2" >/dev/null; }

pluto_end_ike()
{
	local c

	for c in $LAB_CHILDREN; do
		whack "$1" --terminate --name $c >/dev/null
	done
}

# What pluto 4 closes is trapped from then on: as long as somebody sends, it is up again
# at once, which is not our doing.
#
# untrap "CHILD..." - the packets of its hosts go no further than the gateways, as with
# strongSwan, until trap_again "CHILD..."
untrap()	{ hosts_policy add "$1" action block priority 1; }
trap_again()	{ hosts_policy delete "$1"; }

# hosts_policy VERB "CHILD..." ARG...
hosts_policy()
{
	local verb=$1 children=$2 c a b

	shift 2
	for c in $children; do
		read -r _ a _ b _ <<<"${LAB_HOSTS[$c]}"
		! is_pluto A || must ip -n "$A" xfrm policy $verb src "$a" dst "$b" dir out "$@"
		! is_pluto B || must ip -n "$B" xfrm policy $verb src "$b" dst "$a" dir out "$@"
	done
}
