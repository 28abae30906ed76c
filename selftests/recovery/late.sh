#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# After a rekey, B's packets for the old SPI go on coming after A has deleted it, and
# those for the new one have not come yet: ESP is slow on its way to A, IKE is not.
# Packets are dropped, and nothing is done.
cd "$(dirname "$0")" || exit 1
. lab/lab.sh
. lab/judge.sh
. lab/configs.sh
. lab/matrix.sh

config_late()
{
	LAB_CHARON_A=$late_charon
	LAB_CHILD_A=$late_child
}

# late_peer DELAY-MS - A deletes rekeyed SAs as $late_charon and $late_child say
late_peer()
{
	local n drops old

	lab_down
	lab_now=''
	use_lab late || return
	slow_esp "$1"
	pause $(($1 / 1000 + 2))
	mark_helpers
	drops=$(dropped A)
	for n in A B A B; do
		old=$(spi_in A net)
		ask $n rekey child=net >/dev/null
		wait_until 20 0.1 has_other_spi net "$old" || fail "no rekey by $n"
		# the new SA has to be in use before it is replaced
		pause $(($1 / 1000 + 3))
	done
	pause 3
	drops=$(($(dropped A) - drops))
	note "$drops packets for SAs that A had deleted; decided: $(helpers_said 'flow .* spi' |
		sed 's/.*spi 0x[0-9a-f]*[^:]*: //' | sort | uniq -c | tr '\n' '|')"
	expect_num "growth of XfrmInNoStates" "$drops" -ge 10 ||
		note "$(tc -n "$W" -s qdisc show dev pa; tail -n 25 "$LAB/A/charon.log")"
	expect "actions of the helper" "" "$(helpers_said ': (rekeying|initiating) CHILD_SA ')"
}

# With a lifetime, 0 would mean that the old SA stays until its end.
undelayed()
{
	late_charon='delete_rekeyed_delay = 0' late_child='rekey_time = 0'
	late_peer 3000
}

by_default()
{
	late_charon='' late_child=''
	late_peer 8000
}

lab_modules
ktap_main \
	"delete_rekeyed_delay = 0, and a peer that uses the old SPI for 3 s" undelayed \
	"the default, and a peer that uses the old SPI for 8 s" by_default
