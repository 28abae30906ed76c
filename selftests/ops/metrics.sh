#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The metrics of a real gateway: they agree with what the module and the helper say by
# other ways, before, during and after a desync; no key is in them; the listener follows
# the configuration.
cd "$(dirname "$0")" || exit 1
. ../recovery/lab/lab.sh
. ../recovery/lab/judge.sh

PORT=9850
LAB_HELPER_A="metrics_listen = on"

# metric NAME... - prints the values at A
metric()
{
	on "$A" ./scrape.py "http://127.0.0.1:$PORT/metrics" "$@"
}

# dropped_so_far - as the module says
dropped_so_far()
{
	invspi -n "$A" -j stats | jq .packets.no_state
}

# Packets may go on coming: what the metrics say lies between.
packets_agree()
{
	local before between

	before=$(dropped_so_far)
	between=$(metric 'xfrm_invspi_packets_total{family="ipv4",reason="no_state"}')
	[ "$before" -le "$between" ] && [ "$between" -le "$(dropped_so_far)" ]
}

healthy()
{
	local values

	mapfile -t values < <(metric xfrm_invspi_up 'invspid_ike_daemon_state{state="ready"}' \
		'invspid_mode{mode="recover"}' invspid_ike_connections invspid_ike_sas \
		invspid_child_sas invspid_kernel_sas invspid_history_ok invspid_stopped \
		'invspid_connection_desync_flows{connection="gw"}' \
		'invspid_connection_child_sas{connection="gw"}' \
		'invspid_recoveries_total{action="rekey",outcome="healed"}')
	expect "up ready recover connections ike_sas child_sas kernel_sas history stopped desync children healed" \
		"1 1 1 1 1 2 4 1 0 0 2 0" "${values[*]}"
	expect_ok "OpenMetrics" on "$A" ./scrape.py --open "http://127.0.0.1:$PORT/metrics"
}

out_of_step()
{
	must helper_ask A mode observe
	fault_inbound_lost net
	wait_until 20 0.2 eval '[ "$(metric "invspid_connection_desync_flows{connection=\"gw\"}")" = 1 ]' ||
		fail "no desync in the metrics: $(helper_ask A explain)"
	expect "flows that are dropped" 1 "$(metric 'invspid_connection_dropping_flows{connection="gw"}')"
	expect "mode" "0 0 1" "$(metric 'invspid_mode{mode="recover"}' \
		'invspid_mode{mode="advise"}' 'invspid_mode{mode="observe"}' | xargs)"
	packets_agree || fail "the totals differ"
	expect_num "packets of the connection" \
		"$(metric 'invspid_connection_dropped_packets_total{connection="gw"}')" -ge 50
}

healed()
{
	local values

	must helper_ask A mode default
	delivered net:B-A "$fault_us" 20000 || fail "it does not heal"
	wait_until 20 0.2 eval '[ "$(metric "invspid_connection_recoveries_total{connection=\"gw\",outcome=\"healed\"}")" = 1 ]' ||
		fail "no recovery in the metrics"
	mapfile -t values < <(metric 'invspid_recoveries_total{action="rekey",outcome="healed"}' \
		'invspid_recovery_duration_seconds_count{evidence="certain"}' \
		'invspid_recovery_duration_seconds_bucket{evidence="certain",le="0.05"}' \
		'invspid_recovery_duration_seconds_bucket{evidence="certain",le="+Inf"}')
	expect "healed, count, first bucket, last bucket" "1 1 0 1" "${values[*]}"
	wait_until 20 0.2 eval '[ "$(metric "invspid_connection_desync_flows{connection=\"gw\"}")" = 0 ]' ||
		fail "the desync does not end in the metrics"
	expect "in the history" \
		1 "$(helper_ask A history limit 1 | grep -c healed)"
	expect_match "duration of the last one" '^[0-9]+\.[0-9]+$' \
		"$(metric 'invspid_connection_last_recovery_duration_seconds{connection="gw"}')"
	packets_agree || fail "the totals differ"
}

no_keys()
{
	local key n=0

	metric >"$LAB/page"
	metric >>"$LAB/page"
	while read -r key; do
		n=$((n + 1))
		! grep -qi "${key#0x}" "$LAB/page" || fail "a key is in the metrics"
	done < <(on "$A" ip xfrm state | grep -oE '0x[0-9a-f]{32,}')
	expect_num "keys that were looked for" $n -ge 4
}

listener_follows()
{
	echo "metrics_listen = [::1]:9851" >"$LAB/A/invspid.conf"
	kill -HUP "${HELPER_PID[A]}"
	wait_until 10 0.1 on "$A" ./scrape.py "http://[::1]:9851/metrics" xfrm_invspi_up ||
		fail "not at its new address: $waited"
	on "$A" ./scrape.py "http://127.0.0.1:$PORT/metrics" >/dev/null 2>&1 &&
		fail "still at the old one"
	echo "metrics_listen = 198.51.100.99:9850" >"$LAB/A/invspid.conf"
	kill -HUP "${HELPER_PID[A]}"
	wait_until 10 0.1 eval 'helper_ask A status | grep -q "no interface here has that address"' ||
		fail "an address that is not there is not told"
	expect_match "doctor" "no interface here has that address" \
		"$(on "$A" invspi --control "$LAB/A/control" doctor helper)"
	echo "metrics_listen = off" >"$LAB/A/invspid.conf"
	kill -HUP "${HELPER_PID[A]}"
	wait_until 10 0.1 eval 'helper_ask A status | grep -q "metrics.*off"' || fail "not off: $(helper_ask A status)"
	expect "listeners" "" "$(on "$A" ss -Hltn)"
}

lab_up
streams_start
helper_start A
helper_ready A
wait_until 15 0.1 helper_settled || bail_out "invspid is not ready"
ktap_main \
	"a healthy gateway" healthy \
	"a desync shows" out_of_step \
	"so does its end" healed \
	"no key is in the metrics" no_keys \
	"the listener follows the configuration" listener_follows
