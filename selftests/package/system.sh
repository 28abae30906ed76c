#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Our packages on a gateway as Debian sets it up: they install, the module is built for the
# kernel that runs, the helper heals a tunnel as the service that it ships as, and nothing
# is left when they are purged. In a virtual machine with vm/run --root system, the packages
# in /share.
cd "$(dirname "$0")" || exit 1
# shellcheck source=SCRIPTDIR/gateway.sh
. ./gateway.sh

DEBS=${DEBS:-/share}
UNIT=invspid.service
kernel=$(uname -r)

# system_files - all that belongs to the system, with modes, owners and the contents of /etc;
# not what programs write as they run, nor what dpkg and apt know
system_files()
{
	find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp \
		-o -path /var/tmp -o -path /var/log -o -path /var/cache -o -path /var/lib/apt \
		-o -path /var/lib/dpkg -o -path /share -o -path /selftests -o -path /uapi \
		-o -path /root -o -path /usr/share/doc \) -prune -o -printf '%y %m %u:%g %p %l\n' | sort
	find /etc -type f ! -name ld.so.cache -exec sha256sum {} + | sort -k 2
}

apt()
{
	DEBIAN_FRONTEND=noninteractive timeout 900 apt-get -q -y "$@" </dev/null
}

# state PROPERTY [UNIT] - of the service
state()
{
	systemctl show -P "$1" "${2:-$UNIT}"
}

# main_pid_is_not PID [UNIT] - the service runs, as another process
main_pid_is_not()
{
	[ "$(state ActiveState "${2:-}")" = active ] && [ "$(state MainPID "${2:-}")" != "$1" ]
}

# status REGEX [OPTION...] - whether the helper's status has a line with that
status()
{
	local want=$1

	shift
	invspi "$@" status | grep -E -- "$want"
}

# expect_line WHAT REGEX TEXT - a whole line of the text matches
expect_line()
{
	expect_match "$1" "(^|"$'\n'")$2("$'\n'"|$)" "$3"
}

installs()
{
	local out

	expect_ok "apt-get update" apt update
	out=$(apt install "$DEBS"/invspi_*.deb "$DEBS"/xfrm-invspi-dkms_*.deb 2>&1)
	expect "apt-get install" 0 $?
	expect "what it complains about" "" \
		"$(grep -iE '^(E|W):|warning|error|failed' <<<"$out" | grep -v '^N: ')"
	[ -z "$ktap_bad" ] || note "$out"
	version=$(dpkg-query -W -f '${Version}' xfrm-invspi-dkms)
	expect "dkms status" "xfrm-invspi/$version, $kernel, x86_64: installed" "$(dkms status)"
	expect "the module's kernel" "$kernel" "$(modinfo -F vermagic xfrm_invspi | cut -d ' ' -f 1)"
	expect_ok "the module is loaded" test -d /sys/module/xfrm_invspi
	expect "version of invspi" "invspi $version" "$(invspi -V)"
	expect "is it enabled?" disabled "$(systemctl is-enabled $UNIT)"
	expect "is it active?" inactive "$(systemctl is-active $UNIT)"
	expect "configuration" "/etc/invspid.conf: fine" "$(invspid --check-config)"
}

counts()
{
	expect_match "invspi stats show" 'packets [0-9]+ no_state [0-9]+ ' "$(invspi -s stats show)"
	expect_ok "modules-load.d is for systemd to read" \
		/lib/systemd/systemd-modules-load /usr/lib/modules-load.d/xfrm_invspi.conf
}

starts()
{
	local exposure

	gateway_up
	expect_ok "the tunnel is up" slowwait 20 ping_arrives
	expect_ok "invspid --check" invspid --check
	mark_said
	expect_ok "systemctl start" systemctl start $UNIT
	expect "is it active?" active "$(systemctl is-active $UNIT)"
	expect_ok "it is ready" slowwait 30 status 'ready'
	note "$(invspi status)"
	pid=$(state MainPID)
	expect "its capabilities: CAP_NET_ADMIN" "0000000000001000 0000000000001000" \
		"$(awk '$1 == "CapEff:" || $1 == "CapBnd:" { print $2 }' "/proc/$pid/status" | paste -sd ' ')"
	expect "NoNewPrivs, Seccomp" "1 2" \
		"$(awk '$1 == "NoNewPrivs:" || $1 == "Seccomp:" { print $2 }' "/proc/$pid/status" | paste -sd ' ')"
	exposure=$(systemd-analyze security --no-pager $UNIT | sed -n 's/.*Overall exposure level[^:]*: \([0-9.]*\).*/\1/p')
	note "systemd-analyze security: $exposure"
	expect_ok "exposure $exposure is at most 2.5" awk -v e="$exposure" 'BEGIN { exit !(e != "" && e <= 2.5) }'
}

heals()
{
	local lost

	lost=$(spi_in)
	mark_said
	must ip xfrm state delete dst 192.0.2.1 proto esp spi "0x$lost"
	expect_ok "the journal says that it is healed" slowwait 30 said $UNIT "healed gw/net.*$lost"
	note "$(said $UNIT 'healed gw/net')"
	expect_ok "packets arrive" slowwait 10 ping_arrives
	expect_ok "the SPI is another one" test "$(spi_in)" != "$lost"
	expect_match "history" 'rekey' "$(invspi history show)"
}

# The service of strongSwan is restarted by systemd after a crash. Nothing in it brings the
# tunnel back: the peer does not know, and start_action is none. What it had in the kernel
# would go on working without it.
heals_crash()
{
	mark_said
	must systemctl kill -s KILL strongswan
	must ip xfrm state flush
	must ip xfrm policy flush
	expect_ok "the journal says that it is healed" slowwait 90 said $UNIT 'healed gw/net'
	note "$(said $UNIT . | tail -n 5)"
	expect_ok "packets arrive" slowwait 20 ping_arrives
}

# scrape NAME - the value of a metric
scrape()
{
	local answer

	exec {answer}<>/dev/tcp/127.0.0.1/9850 || return
	printf 'GET /metrics HTTP/1.0\r\n\r\n' >&"$answer"
	awk -v name="$1" '$1 == name { print $2 }' <&"$answer"
	exec {answer}<&-
}

# Whatever the helper starts or serves works as the service that it ships as.
operates()
{
	local lost bundle dir=/var/lib/invspid

	cp -p /etc/invspid.conf "$NS_TMP/saved"
	expect_ok "the hook of the sample is there" \
		test -x "$(sed -n 's/^#\tcommand = "\([^ ]*snmptrap\) .*/\1/p' /etc/invspid.conf)"
	cat >/usr/local/sbin/hook-test <<-'H'
	#!/bin/sh
	env >>/var/lib/invspid/hooked
	H
	chmod 755 /usr/local/sbin/hook-test
	cat >>/etc/invspid.conf <<-C
	metrics_listen = on
	record_group = nogroup
	record_after_ms = 3s
	record_per_peer = 32
	record_per_hour = 32
	capture "links" {
		command = "ip -s link"
	}
	hook "test" {
		command = "/usr/local/sbin/hook-test"
		events = "desync recovered recorded"
	}
	C
	# what it was recording when it was stopped is a bundle, too
	expect_ok "systemctl restart" systemctl restart $UNIT
	expect_ok "it is ready" slowwait 30 status ready
	mark_said
	lost=$(spi_in)
	must ip xfrm state delete dst 192.0.2.1 proto esp spi "0x$lost"
	expect_ok "a bundle is written" slowwait 60 said $UNIT 'recorded bundle'
	bundle=$(said $UNIT . | sed -n 's/.*recorded bundle \([0-9]*\):.*/\1/p' | head -n 1)
	expect_line "invspi record list" "bundle $bundle at .* certain.*" "$(invspi record list)"
	expect_match "invspi record show" "$lost" "$(invspi record show "$bundle")"
	bundle=$dir/record/$(printf %06d "$bundle")
	expect_match "xfrm-state.txt" 'src 192.0.2.2 dst 192.0.2.1' "$(cat "$bundle/xfrm-state.txt")"
	expect_match "ike-sas.txt" 'net\{' "$(cat "$bundle/ike-sas.txt")"
	expect_match "flows.txt" . "$(cat "$bundle/flows.txt")"
	expect_match "links.txt" 'eth0' "$(cat "$bundle/links.txt")"
	expect_ok "hooks have run" slowwait 30 grep -q INVSPI_EVENT=recorded $dir/hooked
	expect "and know the event" "desync recorded recovered" \
		"$(sed -n 's/^INVSPI_EVENT=//p' $dir/hooked | sort -u | paste -sd ' ')"
	expect "metrics" 1 "$(scrape 'invspid_ike_connections')"
	expect_ok "record_group may have it record" as_nobody record take now reason test
	expect_match "and nothing else" 'only root may ask' "$(as_nobody status 2>&1)"
	expect_line "invspi top" 'gw +192\.0\.2\.2 .*' "$(invspi top -b -v connections)"
	expect_ok "invspi doctor" doctor
	cp -p "$NS_TMP/saved" /etc/invspid.conf
	rm -f /usr/local/sbin/hook-test $dir/hooked
	expect_ok "systemctl restart" systemctl restart $UNIT
	expect_ok "it is ready" slowwait 30 status ready
}

as_nobody()
{
	setpriv --reuid nobody --regid nogroup --clear-groups invspi "$@"
}

# doctor - what has to be fine on this machine
doctor()
{
	invspi doctor privileges module handlers hook helper history ike
}

bad_configuration()
{
	local pid

	pid=$(state MainPID)
	mark_said
	cp -p /etc/invspid.conf "$NS_TMP/saved"
	echo 'quite_ms = 3s' >>/etc/invspid.conf
	lines=$(wc -l </etc/invspid.conf)
	expect_status "systemctl reload" 1 systemctl reload $UNIT
	expect_ok "the journal says where" said $UNIT \
		"/etc/invspid.conf:$lines: unknown key \"quite_ms\": did you mean \"quiet_ms\"\\?"
	expect "it goes on" "active $pid" "$(state ActiveState) $(state MainPID)"
	expect_status "systemctl restart" 1 systemctl restart $UNIT
	expect "it has failed, with status 2, for good" "failed 2 0" \
		"$(state ActiveState) $(state ExecMainStatus) $(state NRestarts)"
	cp -p "$NS_TMP/saved" /etc/invspid.conf
	chown nobody /etc/invspid.conf
	expect_status "systemctl start" 1 systemctl start $UNIT
	expect_ok "the journal says whose" said $UNIT \
		'/etc/invspid.conf belongs to user 65534.*run `chown root /etc/invspid.conf`'
	chown root /etc/invspid.conf
	echo 'log_level = debug' >>/etc/invspid.conf
	expect_ok "systemctl start" systemctl start $UNIT
	expect_ok "it is ready" slowwait 30 status ready
	cp -p "$NS_TMP/saved" /etc/invspid.conf
	expect_ok "systemctl reload" systemctl reload $UNIT
	expect_ok "it has read the file" slowwait 10 said $UNIT 'configuration reloaded from /etc/invspid.conf'
}

comes_back()
{
	local pid

	pid=$(state MainPID)
	must kill -KILL "$pid"
	expect_ok "killed it is started again" slowwait 30 main_pid_is_not "$pid"
	expect_ok "and ready" slowwait 30 status ready
	pid=$(state MainPID)
	must kill -STOP "$pid"
	expect_ok "hanging it is killed by the watchdog, and started again" slowwait 120 \
		main_pid_is_not "$pid"
	expect_ok "and ready" slowwait 30 status ready
	expect "how often systemd had to" 2 "$(state NRestarts)"
}

# caged COMMAND - runs it as the service runs what it starts; prints its output and status
caged()
{
	systemctl cat $UNIT | sed '/^ExecStart=\|^ExecReload=\|^Restart\|^WatchdogSec\|^Type=/d' \
		>/run/systemd/system/invspid-cage.service
	mkdir -p /run/systemd/system/invspid-cage.service.d
	cat >/run/systemd/system/invspid-cage.service.d/what.conf <<-C
	[Service]
	Type=oneshot
	StandardOutput=truncate:$NS_TMP/caged
	StandardError=truncate:$NS_TMP/caged
	ExecStart=/bin/bash -c '$1'
	C
	systemctl daemon-reload
	systemctl start invspid-cage.service 2>/dev/null
	cat "$NS_TMP/caged"
	state ExecMainStatus invspid-cage.service
}

may()
{
	expect_line "may: $1" 0 "$(caged "$1")"
}

may_not()
{
	expect_line "may not: $1" '[1-9][0-9]*' "$(caged "$1")"
}

cage()
{
	may 'true'
	may 'ip -s xfrm state list'
	may 'swanctl --stats'
	may 'echo trap >/dev/udp/192.0.2.2/162'
	may 'echo x >/tmp/x && echo x >/var/lib/invspid/x && rm /var/lib/invspid/x'
	may 'cat /proc/net/xfrm_stat /etc/invspid.conf'
	may 'journalctl -n 1 -u strongswan'
	may_not 'echo x >/etc/x'
	may_not 'echo x >/run/x'
	may_not 'ls /root'
	may_not 'echo 1 >/proc/sys/net/ipv4/ip_forward'
	may_not 'systemctl stop strongswan'
	may_not 'busctl status'
	may_not 'cat /proc/1/environ'
	may_not 'unshare -n true'
	may_not 'rmmod xfrm_invspi'
	may_not 'chown nobody /tmp'
	rm -rf /run/systemd/system/invspid-cage.service*
	systemctl daemon-reload
	systemctl reset-failed invspid-cage.service
	expect "strongSwan runs" active "$(systemctl is-active strongswan)"
}

namespace()
{
	local lost

	mkdir -p /etc/netns/$PEER
	defer rm -rf /etc/netns/$PEER
	expect_status "without its configuration" 1 systemctl start invspid@$PEER
	echo "vici = $PEER_DIR/vici" >/etc/netns/$PEER/invspid.conf
	mark_said
	expect_ok "systemctl start" systemctl start invspid@$PEER
	expect_ok "it is ready" slowwait 30 status ready -n $PEER
	expect "its history is its own" "/var/lib/invspid/netns/$PEER/history.db" \
		"$(invspi -n $PEER status | sed -n 's/^ *history *//p')"
	expect_ok "the other one, too" status ready
	lost=$(vici_peer --list-sas --child net 2>/dev/null | sed -n 's/^ *in  *\([0-9a-f]*\),.*/\1/p' | tail -n 1)
	must ip -n $PEER xfrm state delete dst 192.0.2.2 proto esp spi "0x$lost"
	expect_ok "the journal says that it is healed" slowwait 30 said invspid@$PEER "healed gw/net.*$lost"
	: >"$NS_TMP/nothing"
	expect_status "a second one in that namespace" 1 ip netns exec $PEER invspid -f -c "$NS_TMP/nothing" \
		--control "$NS_TMP/control" --state "$NS_TMP/state"
}

# completions WORDS - what bash offers for the last one, as it finds the completion itself
completions()
{
	bash --norc -c '
		. /usr/share/bash-completion/bash_completion
		COMP_LINE=$1 COMP_POINT=${#1}
		for f in _completion_loader _comp_load; do
			declare -F $f >/dev/null && $f invspi
		done
		$(complete -p invspi | sed "s/.*-F \([^ ]*\).*/\1/")
		echo "${COMPREPLY[@]}"' completions "$1"
}

completes()
{
	expect "objects" "stats status" "$(completions 'invspi st')"
	expect "connections" gw "$(completions 'invspi recover g')"
	# one packet without an SA makes a flow
	on $PEER ping -q -c 1 10.1.0.1 >/dev/null 2>&1
	expect_match "flows of the lost SAs" '0x[0-9a-f]{8}' "$(completions 'invspi flow show spi ')"
}

reinstalls()
{
	local pid peer_pid

	pid=$(state MainPID) peer_pid=$(state MainPID invspid@$PEER)
	expect_ok "apt-get install --reinstall" apt install --reinstall \
		"$DEBS"/invspi_*.deb "$DEBS"/xfrm-invspi-dkms_*.deb
	expect_match "dkms status" ": installed" "$(dkms status xfrm-invspi)"
	expect_ok "the helper was started again" slowwait 30 main_pid_is_not "$pid"
	expect_ok "and is ready" slowwait 30 status ready
	expect_ok "that of the namespace, too" slowwait 30 main_pid_is_not "$peer_pid" invspid@$PEER
	expect_ok "and is ready" slowwait 30 status ready -n $PEER
	expect "it is as enabled as before" disabled "$(systemctl is-enabled $UNIT)"
}

purges()
{
	local out

	expect_ok "systemctl enable" systemctl enable $UNIT invspid@$PEER
	# apt keeps what came with ours if anything else suggests it
	out=$(apt -o APT::AutoRemove::SuggestsImportant=false purge --autoremove \
		invspi xfrm-invspi-dkms 2>&1)
	expect "apt-get purge" 0 $?
	expect "what it complains about" "" "$(grep -iE '^(E|W):|warning|error|failed' <<<"$out")"
	[ -z "$ktap_bad" ] || note "$out"
	expect "processes" "" "$(pgrep -a invspid)"
	expect_status "the module is not loaded" 1 test -d /sys/module/xfrm_invspi
	expect_status "modprobe" 1 modprobe xfrm_invspi
	rm -rf /etc/netns /etc/swanctl/conf.d/gw.conf
	system_files >"$NS_TMP/after"
	expect "files that came or went" "" "$(diff "$NS_TMP/before" "$NS_TMP/after" | grep '^[<>]')"
	expect "names anywhere" "" "$(find / -xdev \( -path /proc -o -path /sys -o -path /share \
		-o -path /selftests -o -path /srv -o -path '/tmp/xfrm_invspi-*' \) -prune \
		-o -name '*invspi*' -print | grep -v '^/etc/xfrm_invspi-kernel$')"
	# udev knows the ports of the virtual machine by their names
	expect "in /run" "" "$(find /run -name '*invspi*' ! -path '/run/vm*' ! -name 'virtio-ports*')"
	expect "failed units" "" "$(systemctl --failed --no-legend --plain)"
	expect_ok "the tunnel does not mind" ping_arrives
}

need_root
[ -d /run/systemd/system ] || skip_all "needs systemd: vm/run --root system"
system_files >"$NS_TMP/before"
ktap_main \
	"the packages install, DKMS builds the module" installs \
	"the module counts without anything else" counts \
	"the helper starts beside strongSwan, as it ships" starts \
	"a lost SA is healed" heals \
	"a crash of strongSwan is healed" heals_crash \
	"recorder, hooks and metrics work, and doctor and top beside them" operates \
	"a bad configuration is told, and does not stop what runs" bad_configuration \
	"killed or hanging, it comes back" comes_back \
	"what it may do, and what not" cage \
	"one for a network namespace" namespace \
	"completion knows connections and flows" completes \
	"installed again all goes on" reinstalls \
	"purged nothing is left" purges
