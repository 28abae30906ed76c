#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Both sides of a failure: gateway A records what it has seen of a desync and tells its
# peer by SNMP, whose snmptrapd, not root, has its own helper record, too. The user that
# snmptrapd runs as can do that and nothing else; who has no passphrase can do nothing.
cd "$(dirname "$0")" || exit 1
. lab/lab.sh
. lab/judge.sh

AFTER=6			# seconds that a recording goes on
SNMP_USER=Debian-snmp	# as in Debian's unit
OID=.1.3.6.1.4.1.8072.9999.9999.49531
LIBEXEC=/usr/local/libexec/invspid
MIB=/usr/local/share/snmp/mibs/XFRM-INVSPI-MIB.txt
# as installed, or in the tree
[ -x $LIBEXEC/snmptrap ] || LIBEXEC=$SELFTESTS/../tools/hooks
[ -r $MIB ] || MIB=$SELFTESTS/../tools/mibs/XFRM-INVSPI-MIB.txt

# snmp_conf DIR PASSPHRASE
snmp_conf()
{
	mkdir -p "$1"
	cat >"$1/snmp.conf" <<-C
		defSecurityName invspid
		defAuthType SHA-256
		defAuthPassphrase "$2"
		defPrivType AES
		defPrivPassphrase "privacy $2"
	C
	chmod 600 "$1/snmp.conf"
}

trapd_start()
{
	local dir=$LAB/B/snmpd

	mkdir -p "$dir/persistent"
	chown "$SNMP_USER" "$dir" "$dir/persistent"
	chmod 755 "$LAB" "$LAB/B" "$dir"
	cat >"$dir/snmptrapd.conf" <<-C
		createUser invspid SHA-256 "only for this lab" AES "privacy only for this lab"
		authUser execute invspid priv
		traphandle $OID.0.1 $LIBEXEC/trap-record -s $LAB/B/control
	C
	: >"$dir/log"
	chmod 666 "$dir/log"
	background on "$B" env SNMP_PERSISTENT_DIR="$dir/persistent" MIBS= \
		snmptrapd -C -c "$dir/snmptrapd.conf" -f -Lf "$dir/log" -On -u "$SNMP_USER" \
		-g "$(id -g "$SNMP_USER")" udp:192.0.2.2:162
	trapd=$!
	wait_until 20 0.1 eval 'on "$B" ss -uHln sport = :162 | grep -q .' ||
		bail_out "snmptrapd does not start: $(cat "$dir/log")"
}

# there NODE NUMBER - whether that bundle is there
there()
{
	[ -s "$LAB/$1/state/record/00000$2/bundle.json" ]
}

# seconds NODE NUMBER begins|ends - when its recording began or ended, Unix time
seconds()
{
	jq -r --arg w "recording of bundle $2 $3" 'select(.kind == "record" and (.text | startswith($w))) | .time' \
		"$LAB/$1/state/record/00000$2/events.jsonl" | head -n 1 | date -f - +%s.%3N
}

both_record()
{
	local t=$LAB/B/state/record/000001/timeline.txt overlap

	said_mark=$(log_mark A invspid)
	fault_inbound_lost net
	delivered net:B-A "$fault_us" 20000 || fail "not healed"
	wait_until $((AFTER + 30)) 0.2 there A 1 || { fail "no bundle of A"; lab_logs 30; return; }
	wait_until 20 0.2 there B 1 || {
		fail "no bundle of B: $(tail -n 20 "$LAB/B/snmpd/log")"
		lab_logs 40
		return
	}
	expect "who runs snmptrapd" "$SNMP_USER" "$(stat -c %U "/proc/$(pgrep -n snmptrapd)")"
	note "B: $(log_since B invspid | grep -E 'record(ed|ing) bundle')"
	note "$(grep -v '^#' "$t" | cut -c 1-150 | tail -n 12)"
	overlap=$(awk -v a="$(seconds A 1 begins)" -v b="$(seconds A 1 ends)" -v c="$(seconds B 1 begins)" \
		-v d="$(seconds B 1 ends)" 'BEGIN { printf "%d", ((b < d ? b : d) - (a > c ? a : c)) * 1000 }')
	note "A $(seconds A 1 begins) to $(seconds A 1 ends), B $(seconds B 1 begins) to $(seconds B 1 ends)"
	expect_num "ms that both recorded" "$overlap" -ge 1000
	expect "whom B's is about" '["192.0.2.1"]' "$(jq -c .peers "$LAB/B/state/record/000001/bundle.json")"
	expect_match "why" 'told by .*: connection gw there, spi [0-9]+' "$(jq -r .cause "$LAB/B/state/record/000001/bundle.json")"
	grep -aE ' ike .*CREATE_CHILD_SA' "$t" >/dev/null || fail "B's has nothing of the exchange that healed it"
	grep -aE ' sa .*SA deleted: 192.0.2.2 -> 192.0.2.1 esp spi '"$lost_spi" "$t" >/dev/null ||
		fail "B's does not tell that the SA which A had lost went there"
	expect "B told nobody" "" "$(log_since B invspid | grep hook)"
}

# as USER GROUPS COMMAND... - in B
as()
{
	on "$B" setpriv --reuid "$1" --regid "$1" "--$2" "${@:3}"
}

only_that()
{
	local out

	out=$(as $SNMP_USER init-groups invspi --control "$LAB/B/control" status 2>&1)
	expect_match "status" 'only root may ask for that' "$out"
	out=$(as $SNMP_USER init-groups invspi --control "$LAB/B/control" hold add gw 2>&1)
	expect_match "hold" 'only root may ask for that' "$out"
	out=$(as $SNMP_USER init-groups invspi --control "$LAB/B/control" record live 2>&1)
	expect_match "what is recorded" 'only root may ask for that' "$out"
	out=$(as 65534 clear-groups invspi --control "$LAB/B/control" record take gw 2>&1)
	expect_match "somebody else" 'without an answer|cannot (send|read)' "$out"
	expect "holds" 0 "$(helper_ask B -j hold | jq '.holds | length')"
	expect "the socket of A" "srw-------" "$(stat -c %A "$LAB/A/control")"
}

# tell DIR OPTION... - as the hook of A would; what it says is in $said
tell()
{
	said=$(on "$A" env INVSPI_EVENT=desync INVSPI_PEER=192.0.2.2 INVSPI_LOCAL=192.0.2.1 \
		INVSPI_SPI=0xc0ffee11 INVSPI_CONN='-Ci "$(id)`\x0a' $LIBEXEC/snmptrap -c "$@" 2>&1)
}

forged()
{
	snmp_conf "$LAB/A/wrong" "not the right one"
	mkdir -p "$LAB/A/v2c"
	printf 'defVersion 2c\ndefCommunity public\n' >"$LAB/A/v2c/snmp.conf"
	expect_status "a wrong passphrase" 1 tell "$LAB/A/wrong" peer
	expect_status "no security, confirmed" 1 tell "$LAB/A/v2c" -u peer
	tell "$LAB/A/v2c" -u -t peer
	expect_status "no configuration" 1 tell "$LAB/nowhere" peer
	expect_status "nobody there" 1 tell "$LAB/A/snmp" 192.0.2.2:1999
	# That one is let in, after those: so they have been dealt with.
	expect_status "the right one" 0 tell "$LAB/A/snmp" peer
	wait_until $((AFTER + 20)) 0.2 there B 2 || fail "no bundle for the right one"
	expect "bundles of B" 2 "$(helper_ask B -j record | jq length)"
	expect_match "odd text" 'connection -Ci \\*"\$\(id\)`\\*x0a there' \
		"$(jq -r '.cause' "$LAB/B/state/record/000002/bundle.json")"
}

# The other side's quota: whoever has the passphrase cannot fill the disk either.
enough()
{
	local i

	for ((i = 0; i < 8; i++)); do
		helper_ask B record take gw now >/dev/null 2>&1
	done
	expect_match "one more" 'not recorded: enough bundles .*record_per_hour' "$(helper_ask B record take gw now 2>&1)"
	wait_until 90 0.5 eval '[ "$(helper_ask B -j record | jq length)" -ge 6 ]'
	expect "bundles of B" 6 "$(helper_ask B -j record | jq length)"
	expect_ok "B goes on" helper_settled B
}

# Numbers and names: those of the MIB are those that the hook sends.
agree()
{
	expect "objects" \
		"$(awk '/ OBJECT-TYPE/ && /^xfrm/ { n = $1 } /::= \{ xfrmInvspiObjects/ { print $4, n }' "$MIB" | sort -n |
			sed 's/xfrmInvspi//' | tr A-Z a-z)" \
		"$(sed -n 's/^\t\t\([0-9]*\) [su] \([A-Z_]*\)$/\1 \2/p' $LIBEXEC/snmptrap | tr -d _ | tr A-Z a-z |
			sed 's/ proto$/ protocol/; s/ conn$/ connection/; s/ ms$/ milliseconds/')"
	expect "notifications" \
		"$(awk '/ NOTIFICATION-TYPE/ && /^xfrm/ { n = $1 } /::= \{ xfrmInvspiNotifications/ { print $4, n }' "$MIB" |
			sed 's/xfrmInvspi//' | tr A-Z a-z)" \
		"$(sed -n 's/^\([a-z_]*\)) number=\([0-9]\) ;;$/\2 \1/p' $LIBEXEC/snmptrap | tr -d _)"
}

LAB_HELPER_A="record_after_ms = ${AFTER}s
	hook \"trap\" {
		command = \"$LIBEXEC/snmptrap -c $LAB/A/snmp peer\"
		events = \"desync\"
	}"
LAB_HELPER_B="record_after_ms = ${AFTER}s
	record_group = $SNMP_USER"
lab_up
snmp_conf "$LAB/A/snmp" "only for this lab"
trapd_start
streams_start
for n in A B; do
	helper_start $n
done
for n in A B; do
	helper_ready $n
	wait_until 15 0.1 helper_settled $n
done
all_delivered 10000 || bail_out "$undelivered is dead at the beginning"
ktap_main \
	"both sides record, at the same time" both_record \
	"who may ask for a recording can do nothing else" only_that \
	"without the passphrase nobody is heard" forged \
	"there is an end to it" enough \
	"MIB and hook agree" agree
