#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The flight recorder between two real gateways: a desync of A makes a bundle that tells
# what the IKE daemon, the kernel and the helper did before it and after, and that has
# no key in it. Hooks are told, and nothing that a hook, a full disk, a flood of events or
# an identity with odd bytes in it does keeps the helper from its work.
cd "$(dirname "$0")" || exit 1
. lab/lab.sh
. lab/judge.sh
. lab/keys.sh

AFTER=3		# seconds that a recording goes on
HOOKS=$LAB/hooks
RECORD=$LAB/A/state/record
# Every quote, escape and path that somebody might think of. strongSwan itself lets no
# other byte through; those are in the unit tests.
ODD=$'b"\'$(id)`id`;|&<\\x1b../../x.example'

# The peer's identity is the odd one.
odd_auth()
{
	local own=a.example other=$ODD

	[ "$1" = A ] || { own=$ODD other=a.example; }
	own=${own//\\/\\\\} other=${other//\\/\\\\}
	printf 'local {\n\tauth = psk\n\tid = "@%s"\n}\n' "${own//\"/\\\"}"
	printf 'remote {\n\tauth = psk\n\tid = "@%s"\n}\n' "${other//\"/\\\"}"
}

odd_secrets()
{
	printf 'ike-lab {\n\tsecret = "only for this lab"\n}\n'
}

# helper_config [LINE...] - invspid.conf of A: hooks that note what they are told
helper_config()
{
	LAB_HELPER_A="record_after_ms = ${AFTER}s
		record_per_peer = 32
		record_per_hour = 32
		hook_timeout_ms = 2s
		hook \"note\" {
			command = \"$LAB/note-hook\"
			events = \"desync suspected recovered failed gave_up alert recorded\"
		}
		$*"
}

hooks_make()
{
	mkdir -p "$HOOKS"
	cat >"$LAB/note-hook" <<-H
		#!/bin/sh
		env | grep -a ^INVSPI_ | sort >"$HOOKS/.\$\$" && mv "$HOOKS/.\$\$" "$HOOKS/\$INVSPI_EVENT.\$\$"
		echo "told of \$INVSPI_EVENT"
	H
	printf '#!/bin/sh\necho hanging\nexec sleep 1000\n' >"$LAB/hang-hook"
	printf '#!/bin/sh\necho failing\nexit 3\n' >"$LAB/fail-hook"
	chmod +x "$LAB"/*-hook
}

# told EVENT - whether a hook was told of it; leaves what it was told in $waited
told()
{
	cat "$HOOKS/$1".* 2>/dev/null | grep -a .
}

# hook_value NAME - of what was told last
hook_value()
{
	sed -n "s/^INVSPI_$1=//p" <<<"$waited" | head -n 1
}

# recorded NUMBER - whether that bundle is there, or why it is not
recorded()
{
	helper_said "(recorded|not recorded:) bundle $1[:, ]" || helper_said 'not recorded: '
}

# lose CHILD - it loses its inbound SA and is healed
lose()
{
	fault_inbound_lost "$1"
	delivered "$1:B-A" "$fault_us" 20000 || fail "$1 is not healed"
}

# before FILE KIND REGEX - whether a line of the timeline is of that kind and before the
# desync; after: not before it
before()
{
	awk -v k="$2" '$2 < 0 && $4 == k' "$1" | grep -aE -- "$3" >/dev/null
}

after()
{
	awk -v k="$2" '$2 >= 0 && $4 == k' "$1" | grep -aE -- "$3" >/dev/null
}

a_bundle()
{
	local t=$RECORD/000001/timeline.txt f

	keys_note
	must ask A rekey child=net2
	wait_until 15 0.1 eval 'grep -q "CHILD_SA net2.* established" "$LAB/A/charon.log"'
	keys_note
	said_mark=$(log_mark A invspid)
	lose net
	wait_until 20 0.1 recorded 1 || { fail "no bundle: $waited"; lab_logs 40; return; }
	keys_note
	helper_said 'recording bundle 1 \(certain\): flow .* lost_in_kernel' >/dev/null ||
		fail "the log does not tell of its begin"
	note "$(head -n 6 "$t")"
	note "$(grep -vE '^#' "$t" | cut -c 1-200 | tail -n 30)"
	before "$t" ike 'net2.*established' || fail "no line of the IKE daemon from before it"
	before "$t" ike 'sending|received' || fail "no message of IKE from before it"
	before "$t" sa 'SA added: 192.0.2.2 -> 192.0.2.1 esp' || fail "no SA that was added before it"
	before "$t" sa 'SA deleted: ' || fail "no SA that was deleted"
	before "$t" daemon 'rekeyed: spi 0x' || fail "no rekey that the daemon told of"
	# what begins the recording is the last thing before it
	grep -aqE " decide .*spi $lost_spi of gw/net.*lost_in_kernel: rekey" "$t" || fail "no decision"
	after "$t" action 'healed gw/net' || fail "no word of what was done"
	after "$t" ike 'CHILD_SA net.*established' || fail "no line of the IKE daemon from after it"
	after "$t" record 'recording of bundle 1 ends' || fail "no end"
	for f in bundle.json events.jsonl ike-sas.txt xfrm-stat.txt xfrm-state.txt xfrm-policy.txt flows.txt; do
		[ -s "$RECORD/000001/$f" ] || fail "no $f"
	done
	expect "times in order" "" "$(awk '/^[^#]/ { if (n++ && $2 + 0 < last) print; last = $2 + 0 }' "$t")"
	expect_num "seconds that it went on" "$(awk '/bundle 1 ends/ { print int($2 + 0.5) }' "$t")" -ge $AFTER
}

what_commands_said()
{
	local d=$RECORD/000001

	expect "files with a problem" "" "$(jq -r '.files[] | select(.problem != "") | .file + ": " + .problem' "$d/bundle.json")"
	grep -q "src 192.0.2.2 dst 192.0.2.1" "$d/xfrm-state.txt" || fail "SAs: $(head -n 5 "$d/xfrm-state.txt")"
	grep -q "dir out" "$d/xfrm-policy.txt" || fail "policies: $(head -n 5 "$d/xfrm-policy.txt")"
	grep -q "spi $lost_spi" "$d/flows.txt" || fail "flows: $(head -n 5 "$d/flows.txt")"
	grep -Eq "gw\[[0-9]+\] IKEv2 established" "$d/ike-sas.txt" || fail "IKE_SAs: $(cat "$d/ike-sas.txt")"
	grep -Eq 'net\{[0-9]+\} installed ESP' "$d/ike-sas.txt" || fail "CHILD_SAs: $(cat "$d/ike-sas.txt")"
	grep -Eq 'XfrmInNoStates[[:space:]]+[1-9]' "$d/xfrm-stat.txt" || fail "counters: $(cat "$d/xfrm-stat.txt")"
	expect "peers" '["192.0.2.2"]' "$(jq -c .peers "$d/bundle.json")"
	expect "class" certain "$(jq -r .class "$d/bundle.json")"
	expect_match "events" '^[1-9][0-9]+$' "$(jq -s length "$d/events.jsonl")"
	expect "a bundle is for root" "700 600" \
		"$(stat -c %a "$d") $(stat -c %a "$d/timeline.txt")"
}

hooks_told()
{
	wait_until 20 0.1 told desync || { fail "no hook was told of the desync"; return; }
	expect "PEER" 192.0.2.2 "$(hook_value PEER)"
	expect "LOCAL" 192.0.2.1 "$(hook_value LOCAL)"
	expect "SPI" "$lost_spi" "$(hook_value SPI)"
	expect "CONN, CHILD" "gw net" "$(hook_value CONN) $(hook_value CHILD)"
	expect "GRADE" lost_in_kernel "$(hook_value GRADE)"
	expect "CONTROL" "$LAB/A/control" "$(hook_value CONTROL)"
	expect "PEER_ID" "${ODD//\\/\\\\}" "$(hook_value PEER_ID)"
	wait_until 20 0.1 told recovered || fail "no hook was told of the recovery"
	expect_match "MS" '^[0-9]+$' "$(hook_value MS)"
	expect_match "NEW_SPI" '^0x[0-9a-f]{8}$' "$(hook_value NEW_SPI)"
	wait_until 20 0.1 told recorded || fail "no hook was told of the bundle"
	expect "BUNDLE_PATH" "$RECORD/000001" "$(hook_value BUNDLE_PATH)"
	wait_until 20 0.1 helper_said 'hook note: told of recorded' || fail "what it printed is not in the log"
}

# What A shows of the identity has no byte that is not text.
odd_identity()
{
	local f

	grep -aFq "$ODD" "$RECORD/000001/timeline.txt" || fail "the identity is not in the timeline"
	grep -aFq "$ODD" "$RECORD/000001/ike-sas.txt" || fail "nor among the IKE_SAs"
	helper_ask A record show 1 >"$LAB/A/shown"
	helper_ask A record live >"$LAB/A/live"
	helper_ask A record live gw >>"$LAB/A/live"
	helper_ask A history limit 0 >"$LAB/A/history"
	for f in "$RECORD"/000001/* "$LAB"/A/{shown,live,history,invspid.log}; do
		! LC_ALL=C grep -aqP '[\x00-\x08\x0b-\x1f\x7f-\xff]' "$f" ||
			fail "${f##*/} has bytes that are no text: $(LC_ALL=C grep -aP '[\x00-\x08\x0b-\x1f\x7f-\xff]' "$f" | head -n 2 | cat -v)"
	done
	python3 -c 'import json, sys; [json.loads(l) for l in open(sys.argv[1])]' \
		"$RECORD/000001/events.jsonl" || fail "events.jsonl is no JSON"
	expect "a file named by it" "" "$(find "$LAB/A/state" -name '*example*')"
	ls /tmp/x /x 2>/dev/null && fail "somebody has followed its path"
	return 0
}

# With a command that shows keys, and does not ask.
no_keys()
{
	local files

	helper_stop A
	helper_config 'capture "with-keys" {
			command = "ip xfrm state"
		}'
	helper_start A --verbose
	helper_ready A
	wait_until 15 0.1 helper_settled
	said_mark=$(log_mark A invspid)
	lose net2
	keys_note
	wait_until 20 0.1 recorded 2 || { fail "no bundle: $waited"; return; }
	helper_ask A record live >"$LAB/A/live"
	helper_ask A -j record live >>"$LAB/A/live"
	helper_ask A status >"$LAB/A/status"
	on "$A" ip xfrm state >"$LAB/control-file"
	expect "files with a key, where there is one" "$LAB/control-file" \
		"$(occurrences "$LAB/control-file" | sort -u)"
	grep -Fq '[removed]' "$RECORD/000002/with-keys.txt" || fail "with-keys.txt: $(head -n 8 "$RECORD/000002/with-keys.txt")"
	mapfile -t files < <(find "$LAB/A/state" "$HOOKS" "$LAB"/A/{live,status,shown,invspid.log} -type f)
	note "$(wc -l <"$KEYS") keys, looked for in ${#files[@]} files"
	expect_num "files" ${#files[@]} -ge 20
	expect "files with a key" "" "$(occurrences "${files[@]}" | sort -u)"
}

# in_helper COMMAND... - where the helper sees its files: it has mounts of its own
in_helper()
{
	nsenter --mount="/proc/${HELPER_PID[A]}/ns/mnt" "$@"
}

# The 3rd and the 4th: the folder is full, then it is read-only.
no_room()
{
	local n=0

	must in_helper mount -t tmpfs -o size=8k tmpfs "$RECORD"
	said_mark=$(log_mark A invspid)
	lose net
	wait_until 20 0.1 recorded 3 || fail "a full disk: nothing is said"
	expect_match "a full disk" 'No space left on device: free space' "$waited"
	expect "what is left of it" "" "$(in_helper ls -A "$RECORD")"
	expect_match "status" 'recorder .*No space left' "$(helper_ask A status)"
	must in_helper mount -o remount,ro "$RECORD"
	said_mark=$(log_mark A invspid)
	lose net
	wait_until 20 0.1 recorded 4 || fail "a read-only disk: nothing is said"
	expect_match "a read-only disk" 'Read-only file system: make the state directory writable' "$waited"
	must in_helper umount "$RECORD"
	said_mark=$(log_mark A invspid)
	lose net
	wait_until 20 0.1 recorded 5 || fail "$waited"
	expect_match "later" 'recorded bundle 5' "$waited"
	[ -s "$RECORD/000005/timeline.txt" ] || fail "it is not there"
	n=$(helper_ask A -j record list | jq length)
	expect "bundles" 3 "$n"
}

# What a helper that was killed in the middle of it has left goes, and no more than that.
killed()
{
	helper_stop A KILL
	mkdir "$RECORD/.new-000099" "$RECORD/other"
	echo x >"$RECORD/.new-000099/timeline.txt"
	helper_config 'hook "hang" {
			command = "'"$LAB/hang-hook"'"
			events = "desync"
		}
		hook "fail" {
			command = "'"$LAB/fail-hook"'"
			events = "desync"
		}
		hook "gone" {
			command = "/nonexistent/hook"
			events = "desync"
		}'
	said_mark=$(log_mark A invspid)
	helper_start A
	helper_ready A
	wait_until 15 0.1 helper_settled
	helper_said 'removed what was left of 1 unfinished bundle$' >/dev/null || fail "nothing is swept"
	expect "what is there" "000001 000002 000005 other" "$(ls -A "$RECORD" | paste -sd' ')"
}

# Hooks that hang, fail, or are not there.
bad_hooks()
{
	said_mark=$(log_mark A invspid)
	lose net2
	wait_until 10 0.1 helper_said 'hook hang on desync took too long and was killed' || fail "the hanging one"
	helper_said 'hook hang: hanging' >/dev/null || fail "what it had printed"
	helper_said 'hook fail on desync ended with status 3' >/dev/null || fail "the failing one"
	helper_said 'hook gone on desync could not be run: No such file' >/dev/null || fail "the one that is not there"
	wait_until 20 0.1 recorded 6 || fail "$waited"
	expect "hooks that hang" "" "$(pgrep -f 'sleep 1000')"
}

# Packets that anybody could have sent: what was in memory, at once, and nobody is asked.
forged()
{
	local d

	said_mark=$(log_mark A invspid)
	rm -f "$HOOKS"/*
	forge 0xc5001234 1 150 20
	wait_until 20 0.1 helper_said 'recorded bundle 7:' || { fail "no bundle"; return; }
	helper_said 'recording bundle 7 \(uncertain\), what there is: flow 192.0.2.2 ' >/dev/null ||
		fail "the log: $(helper_said 'bundle 7')"
	d=$RECORD/000007
	expect "class" uncertain "$(jq -r .class "$d/bundle.json")"
	expect "files" "bundle.json events.jsonl timeline.txt" "$(ls "$d" | paste -sd' ')"
	told suspected >/dev/null || fail "no hook was told"
	! told desync >/dev/null || fail "a hook was told of a desync"
	expect_healthy "afterwards"
}

# 10,000 policies and more come and go; A's IKE daemon knows nothing of them.
flood()
{
	local i rss before

	before=$(awk '/VmRSS/ { print $2 }' "/proc/${HELPER_PID[A]}/status")
	for ((i = 0; i < 5000; i++)); do
		echo "xfrm policy add src 10.77.$((i / 250)).$((i % 250)) dst 10.78.0.1 dir out tmpl src 198.51.100.1 dst 198.51.100.2 proto esp mode tunnel"
	done >"$LAB/batch"
	stamp
	i=$now_us
	must ip -n "$A" -batch "$LAB/batch"
	sed -i 's/policy add \(.*\) tmpl.*/policy delete \1/' "$LAB/batch"
	must ip -n "$A" -batch "$LAB/batch"
	stamp
	note "10,000 events in $(ms "$i" "$now_us") ms"
	said_mark=$(log_mark A invspid)
	lose net
	stamp
	note "meanwhile healed in $(ms "$fault_us" "$received_us") ms"
	rss=$(awk '/VmRSS/ { print $2 }' "/proc/${HELPER_PID[A]}/status")
	note "resident: $before kB before, $rss kB after"
	expect_num "growth, kB" $((rss - before)) -le 8192
	wait_until 20 0.1 recorded 8 || fail "$waited"
	before "$RECORD/000008/timeline.txt" sa 'SA ' || fail "the flood has pushed out the peer's notes"
}

# Somebody asks for much and never reads it.
deaf_client()
{
	python3 - "$LAB/A/control" <<-'P' &
	import socket, sys, time
	many = []
	for i in range(4):
	    s = socket.socket(socket.AF_UNIX)
	    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
	    s.connect(sys.argv[1])
	    s.sendall(b'{"command":"record-live"}\n')
	    many.append(s)
	time.sleep(1000)
	P
	NS_PIDS+=($!)
	wait_until 10 0.1 eval '[ "$(ss -xH src "$LAB/A/control" | wc -l)" -ge 4 ]' || fail "they are not there"
	stamp
	expect_ok "others are answered" helper_ask A status
	expect_ok "about the same" helper_ask A record live
	wait_until 15 0.2 eval '[ "$(ss -xH src "$LAB/A/control" | grep -c ESTAB)" = 0 ]' ||
		fail "they are not cut off: $(ss -xH src "$LAB/A/control")"
	stop $! || :
}

by_hand()
{
	local out n

	said_mark=$(log_mark A invspid)
	out=$(helper_ask A -j record take gw now reason $'odd \e[1m"reason"')
	n=$(jq -r .record.bundle <<<"$out")
	expect "its path" "$RECORD/00000$n" "$(jq -r .record.path <<<"$out")"
	wait_until 20 0.1 recorded "$n" || fail "$waited"
	expect_match "list" "bundle $n at .* asked (first )?peers 192.0.2.2" "$(helper_ask A record list | tail -n 2)"
	expect_match "list" 'asked for: odd \\x1b\[1m"reason"' "$(helper_ask A record list | tail -n 1)"
	expect_match "show" "# bundle $n of " "$(helper_ask A record show "$n" | head -n 1)"
	expect "without the helper" "$n" "$(invspi --state "$LAB/A/state" -j record list | jq '.[-1].number')"
	helper_ask A -j record show "$n" | jq -e 'length > 10 and all(.time)' >/dev/null || fail "show -j"
	(cd "$LAB" && helper_ask A record export "$n" b.tar.zst >/dev/null) || fail "export"
	expect_match "what is packed" "00000$n/timeline.txt" "$(tar -taf "$LAB/b.tar.zst")"
	expect_match "nobody" 'neither the address of a peer nor a connection' "$(helper_ask A record take 203.0.113.9 2>&1)"
	expect_match "no number" 'there is none of that number' "$(helper_ask A record delete 4711 2>&1)"
	expect_ok "delete" helper_ask A record delete "$n"
	[ ! -e "$RECORD/00000$n" ] || fail "it is still there"
	# All peers
	out=$(helper_ask A -j record take now)
	n=$(jq -r .record.bundle <<<"$out")
	wait_until 20 0.1 recorded "$n" || fail "$waited"
	expect_ok "of all peers" grep -q '^# peers: all$' "$RECORD/$(printf %06d "$n")/timeline.txt"
}

# A trap without an IKE daemon: nobody waits for an SA because we listen.
acquires()
{
	said_mark=$(log_mark A invspid)
	must ip -n "$A" xfrm policy add src 10.1.0.0/16 dst 10.9.0.0/16 dir out tmpl \
		src 192.0.2.1 dst 192.0.2.2 proto esp mode tunnel
	on "$A" ping -c 1 -W 1 -I 10.1.0.1 10.9.0.1 >/dev/null 2>&1
	wait_until 5 0.1 eval 'helper_ask A record live gw | grep "the kernel wants an SA: esp 192.0.2.1 -> 192.0.2.2"' ||
		fail "an acquire is not noted"
	charon_stop A KILL
	must ip -n "$A" xfrm state flush
	wait_until 10 0.1 helper_said 'IKE daemon absent' || fail "invspid does not see it"
	on "$A" ping -c 1 -W 1 -I 10.1.0.1 10.9.0.1 >/dev/null 2>&1
	expect "SAs that are waited for" 0 "$(ip -n "$A" xfrm state | grep -c 'spi 0x00000000')"
	expect_ok "the helper is there" helper_sees A
}

LAB_AUTH=odd_auth LAB_SECRETS=odd_secrets
hooks_make
helper_config
# The helper first: whoever is there when an IKE_SA comes up learns of the identity.
LAB_UP=: lab_up
said_mark=0
helper_start A --verbose
helper_ready A
wait_until 15 0.1 helper_settled
tunnel_up
streams_start
all_delivered 10000 || bail_out "$undelivered is dead at the beginning"
ktap_main \
	"a desync makes a bundle that tells of before and after" a_bundle \
	"what the commands said is in it" what_commands_said \
	"hooks are told" hooks_told \
	"an identity with odd bytes harms nothing" odd_identity \
	"no key anywhere, though a command shows them" no_keys \
	"a full and a read-only disk: it says so, and goes on" no_room \
	"what a killed helper has left is swept" killed \
	"hooks that hang, fail or are not there" bad_hooks \
	"forged packets: less, and at once" forged \
	"10,000 events" flood \
	"clients that never read" deaf_client \
	"taken, listed, shown, exported, deleted by hand" by_hand \
	"acquires, and none for our sake" acquires
