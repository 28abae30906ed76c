#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The helper's strongSwan backend with real daemons: it finds and checks the daemon,
# lists, commands, and knows why each CHILD_SA ended. ike_probe is the backend and
# nothing else; its output is what is judged.
cd "$(dirname "$0")" || exit 1
. lab/lab.sh

# The peer is given up on after some five seconds instead of 165.
LAB_CHARON_A="retransmit_tries = 2
retransmit_timeout = 1
retransmit_base = 1.5"

OUT=$LAB/ike_probe.out

# probe_start NAMESPACE SOCKET - the backend; commands go to descriptor $to
probe_start()
{
	[ -p "$LAB/commands" ] || must mkfifo "$LAB/commands"
	: >"$OUT"
	exec {to}<>"$LAB/commands"
	ip netns exec "$1" ike_probe "$2" <"$LAB/commands" >>"$OUT" 2>&1 {to}>&- &
	PROBE=$!
	NS_PIDS+=($!)
}

probe_stop()
{
	kill "$PROBE" 2>/dev/null
	wait "$PROBE" 2>/dev/null
	exec {to}>&-
}

mark()
{
	from=$(($(wc -l <"$OUT") + 1))
}

# told - what the backend has told since the last mark, without the times
told()
{
	tail -n "+$from" "$OUT" | cut -d ' ' -f 2-
}

# tells SECONDS REGEX - waits until a line since the last mark matches
tells()
{
	wait_until "$1" 0.02 told_match "$2" && return
	fail "the backend does not tell '$2' in $1 s"
	note "$(told | tail -n 60)"
	return 1
}

told_match()
{
	told | grep -Eq "^$1"
}

# do_and_wait REGEX WORD... - gives the backend a command, prints the matching line
answer()
{
	local regex=$1

	shift
	mark
	echo "$*" >&"$to"
	tells 20 "$regex" || return
	told | grep -E "^$regex" | tail -n 1
}

# ends - prints "child cause" of each CHILD_SA that went down since the mark, sorted
ends()
{
	told | awk '$1 == "down" { print $2, $5 }' | sort
}

# ended SECONDS WHAT EXPECTED - waits for as many ends as expected, compares them
ended()
{
	local n

	n=$(grep -c . <<<"$3")
	wait_until "$1" 0.02 ended_at_least "$n"
	pause 0.3	# for one too many
	expect "$2" "$3" "$(ends)" && return
	note "$(told | tail -n 60)"
	return 1
}

ended_at_least()
{
	[ "$(ends | grep -c .)" -ge "$1" ]
}

both()
{
	printf 'gw/net %s\ngw/net2 %s' "$1" "$1"
}

id_of()
{
	sas A | awk -v c="$1" '$4 == c && $6 == "INSTALLED" { print $5 }' | tail -n 1
}

# up_again - the tunnel, after something took it down, and a mark after it
up_again()
{
	local c

	for c in net net2; do
		[ -n "$(spi_in A $c)" ] || must ask A initiate ike=gw child=$c timeout=20000
	done
	pause 0.3	# what belongs to the tunnel's coming up
	mark
}

silence_b()
{
	on "$B" nft -f - <<-'N'
		table inet silence {
			chain input {
				type filter hook input priority -10
				udp dport { 500, 4500 } drop
			}
		}
	N
}

speak_b()
{
	on "$B" nft delete table inet silence
}

settles()
{
	local loaded ready

	from=1
	probe_start "$A" "$LAB/A/vici"
	tells 5 'state ABSENT .*vici: .*is strongSwan running'
	charon_start A
	tells 5 'state SETTLING' || return
	pause 1.5
	told_match 'state READY' && fail "ready without connections: $(told)"
	charon_load A
	tells 10 'state READY strongSwan [0-9].*1 connection' || return
	loaded=$((loaded_us / 1000))
	ready=$(awk -v up="$(cut -d ' ' -f 1 /proc/uptime)" -v now="$(date +%s%3N)" \
		'/state READY/ { printf "%.0f", now - (up - $1) * 1000 }' "$OUT")
	# loaded_us is taken when swanctl has ended, some 100 ms after the fact
	expect_num "milliseconds from loaded to ready" $((ready - loaded)) -ge 500
	expect_num "the same" $((ready - loaded)) -le 3000
	note "ready $((ready - loaded)) ms after the connections were loaded"
}

lists()
{
	local line

	charon_start B
	charon_load B
	mark
	tunnel_up
	tells 5 'up gw/net$'
	tells 5 'up gw/net2$'
	tells 1 'ike-up gw '
	for verb in list block; do
		expect_match "$verb" 'listed 0 1 ' "$(answer 'listed' $verb)"
		line=$(told | grep '^child gw/net id')
		expect_match "inbound SPI ($verb)" "in $(spi_in A net | cut -c 3-) " "$line"
		expect_match "outbound SPI ($verb)" "out $(spi_out A net | cut -c 3-) " "$line"
		expect_match "what was negotiated ($verb)" \
			'TUNNEL AES_[A-Z0-9_]*-128.* 10.1.0.0/16 10.2.0.0/16' "$line"
		expect_match "the IKE_SA ($verb)" 'sa gw id [0-9]+ state 2 tasks 0,0 remote-id b.example' \
			"$(told | grep '^sa gw')"
	done
	expect_match "a listing of another connection" 'listed 0 0' "$(answer 'listed' list nosuch)"
	answer 'reloaded 0' conns >/dev/null
	expect "connections" "conn gw IKEv2 remotes 1 dynamic 0 eap_or_vip 0 UNIQUE_NO children net net2" \
		"$(told | grep '^conn')"
}

commands()
{
	local old new

	old=$(spi_in A net | cut -c 3-)
	expect_match "rekey" 'rekeyed 0' "$(answer rekeyed rekey "$(id_of net)")"
	tells 10 "rekey gw/net $old [0-9a-f]{8} 50"
	new=$(told | awk '$1 == "rekey" { print $4 }')
	expect "the new SPI is the daemon's" "$new" "$(spi_in A net | cut -c 3-)"
	expect "no end is told for a rekey" "" "$(ends)"
	expect_match "rekey of what is not there" 'ENOENT no matching' "$(answer rekeyed rekey 4711)"
	expect_match "initiate of what is up" 'EIO establishing' "$(answer initiated initiate gw net 5000)"
	expect_match "initiate of what is not configured" 'ENOENT .*not found' \
		"$(answer initiated initiate gw nosuch 5000)"
	expect_match "terminate of what is not there" 'ENOENT' "$(answer terminated terminate 4711)"
	must ask A terminate child=net >/dev/null
	expect_match "initiate" 'initiated 0' "$(answer initiated initiate gw net 5000)"
	expect_match "and it is there" '^0x' "$(spi_in A net)"
}

by_hand()
{
	up_again
	ask A terminate child-id="$(id_of net)" >/dev/null
	ended 5 "by id" "gw/net operator"
	up_again
	ask A terminate child=net >/dev/null
	ended 5 "by name" "gw/net operator"
	up_again
	ask A terminate ike=gw child=net2 >/dev/null
	ended 5 "by both names" "gw/net2 operator"
	# the sibling of a child that was ended by both names is not meant
	ask B terminate child=net >/dev/null
	ended 5 "then the other one by the peer" $'gw/net deleted_peer\ngw/net2 operator'
	up_again
	ask A terminate ike=gw >/dev/null
	ended 5 "the IKE_SA" "$(both operator)"
	tells 1 'ike-down gw '
}

by_us()
{
	up_again
	answer 'terminated 0' terminate "$(sas A | awk '{ print $2; exit }')" >/dev/null
	ended 5 "terminated by the backend itself" "$(both deleted_local)"
}

by_peer()
{
	up_again
	ask B terminate child=net2 >/dev/null
	ended 5 "the peer's DELETE of a child" "gw/net2 deleted_peer"
	up_again
	ask B terminate ike=gw >/dev/null
	ended 5 "the peer's DELETE of the IKE_SA" "$(both deleted_peer)"
}

peer_rebooted()
{
	up_again
	charon_stop B KILL
	ip -n "$B" xfrm state flush
	ip -n "$B" xfrm policy flush
	charon_start B
	charon_load B
	mark
	must ask B initiate ike=gw child=net timeout=20000
	wait_until 5 0.02 ended_at_least 2
	expect "INITIAL_CONTACT" "$(both replaced)" "$(ends)" || note "$(told)"
}

gives_up()
{
	up_again
	silence_b
	expect_match "rekey, queued" 'rekeyed 0' "$(answer rekeyed rekey "$(id_of net)")"
	answer 'listed 0' list >/dev/null
	expect_match "a task is under way" 'tasks 1,1' "$(told | grep '^sa gw')"
	ended 30 "retransmission exhausted" "$(both gave_up)"
	expect_match "initiate of a silent peer" 'initiated ETIMEDOUT .*not established' \
		"$(answer initiated initiate gw net 1000)"
	answer 'listed 0' list >/dev/null
	expect_match "half an IKE_SA is left" 'state 1 ' "$(told | grep '^sa gw')"
	expect_match "it can be ended" 'terminated 0' \
		"$(answer terminated terminate "$(sas A | awk '{ print $2; exit }')")"
	wait_until 5 0.1 no_sas || fail "it is still there: $(sas A)"
	speak_b
	up_again
	silence_b
	ask A terminate child=net timeout=10000 >/dev/null
	ended 30 "by hand, unanswered; the other is given up on" $'gw/net operator\ngw/net2 gave_up'
	speak_b
}

no_sas()
{
	[ -z "$(sas A)" ]
}

inactive()
{
	LAB_CHILD_A="inactivity = 2s"
	reconfigure
	up_again
	ended 20 "inactivity" "$(both inactivity)"
	LAB_CHILD_A=''
}

expires()
{
	# not rekeyed before, as it happens when soft expires get lost
	LAB_CHILD_A="rekey_time = 1h
		life_time = 3s"
	reconfigure
	up_again
	wait_until 15 0.05 ended_at_least 2
	expect "hard lifetime" "$(both expired)" "$(ends | sort -u)" || note "$(told)"
	LAB_CHILD_A=''
	reconfigure
}

# reconfigure - A's daemon takes the knobs, and none of the old SAs stay
reconfigure()
{
	lab_configure A
	ask A terminate ike=gw >/dev/null
	mark
	charon_load A
	tells 5 'log CFG \[0\] (updated|replaced|added) vici connection: gw'
	wait_until 10 0.1 ready || fail "not ready again: $(told | grep state)"
}

ready()
{
	grep ' state ' "$OUT" | tail -n 1 | grep -q 'state READY'
}

changes()
{
	LAB_CONN_A="dpd_delay = 100s"
	reconfigure
	told_match 'state SETTLING the connections changed' || fail "no change noticed: $(told | grep state)"
	mark
	charon_load A
	tells 5 'log CFG \[0\] updated vici connection: gw'
	pause 0.5
	expect "the same again is no change" "" "$(told | grep '^state')"
	LAB_CONN_A=''
	reconfigure
}

reauthenticates()
{
	up_again
	ask A rekey ike=gw reauth=yes >/dev/null
	ended 5 "reauthentication" "$(both rekeyed)"
	tells 5 'up gw/net$'
	tells 5 'up gw/net2$'
}

unloaded()
{
	LAB_CHILD_A="start_action = start"
	reconfigure
	tells 10 'up gw/net$'
	tells 10 'up gw/net2$'
	pause 0.3
	mark
	ask A unload-conn name=gw >/dev/null
	ended 5 "unloaded by the operator" "$(both operator)"
	tells 7 'state SETTLING'
	LAB_CHILD_A=''
	reconfigure
}

terminated()
{
	up_again
	charon_stop A TERM
	tells 10 'state ABSENT'
	expect "the daemon is stopped" "$(both daemon_lost)" "$(ends)" || note "$(told)"
	note "$(told | grep '^state')"
}

killed()
{
	charon_start A
	mark
	charon_load A
	tells 10 'state READY'
	up_again
	silence_b
	echo "initiate gw nosuch 5000
rekey $(id_of net)" >&"$to"
	speak_b
	mark
	charon_stop A KILL
	tells 5 'state ABSENT .*closed the connection'
	expect "no end is told" "" "$(ends)"
	expect_match "what is asked now" 'listed ENOTCONN' "$(answer listed list)"
	ip -n "$A" xfrm state flush
	ip -n "$A" xfrm policy flush
	charon_start A
	tells 3 'state SETTLING'
	charon_load A
	tells 5 'state READY'
	up_again
	expect_match "it lists again" 'listed 0 1' "$(answer listed block)"
	ask A terminate child=net >/dev/null
	ended 5 "events come again" "gw/net operator"
	probe_stop
}

elsewhere()
{
	from=1
	probe_start "$B" "$LAB/A/vici"
	tells 5 'state FOREIGN the IKE daemon \(pid [0-9]+\) is in another network namespace'
	expect_match "nothing is asked of it" 'listed ENOTCONN' "$(answer listed list)"
	probe_stop
}

user_space_esp()
{
	modprobe -q tun
	charon_stop A KILL
	LAB_PLUGINS="$LAB_PLUGINS kernel-libipsec" lab_configure A
	charon_start A
	ask A stats | grep -q kernel-libipsec || { skip "kernel-libipsec does not load here"; return; }
	from=1
	probe_start "$A" "$LAB/A/vici"
	tells 5 'state FOREIGN .*kernel-libipsec'
	probe_stop
}

# The backend needs daemons, not the module.
need_module()
{
	:
}
lab_modules
lab_net
for n in A B; do
	lab_configure $n
done
ktap_main \
	"finds the daemon, waits until it has settled" settles \
	"lists what the daemon and the kernel have" lists \
	"rekey, initiate, terminate" commands \
	"ended by hand" by_hand \
	"ended by this program" by_us \
	"ended by the peer" by_peer \
	"ended by the peer's INITIAL_CONTACT" peer_rebooted \
	"ended by giving up" gives_up \
	"connections that change" changes \
	"ended by inactivity" inactive \
	"ended by the hard lifetime" expires \
	"ended by reauthentication" reauthenticates \
	"ended by unloading" unloaded \
	"the daemon is stopped" terminated \
	"the daemon is killed" killed \
	"a daemon of another namespace is refused" elsewhere \
	"a daemon with ESP in user space is refused" user_space_esp
