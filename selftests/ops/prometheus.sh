#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A real Prometheus scrapes a real gateway, with the rules as they are shipped, but that
# they do not wait: an alert fires on a desync and clears when it has healed. PROMETHEUS:
# the folder of the programs and of the rules (/share). When which alert fires is tested
# in check.sh.
cd "$(dirname "$0")" || exit 1
. ../recovery/lab/lab.sh
. ../recovery/lab/judge.sh

PROMETHEUS=${PROMETHEUS:-/share}
RULES=$PROMETHEUS/invspid.rules.yml
LAB_HELPER_A="metrics_listen = on"

[ -x "$PROMETHEUS/prometheus" ] || skip_all "no prometheus in $PROMETHEUS"

# query PATH JQ - asks Prometheus
query()
{
	on "$A" ./scrape.py --raw "http://127.0.0.1:9090/api/v1/$1" | jq -r "$2"
}

# value EXPRESSION - of the newest sample
value()
{
	query "query?query=$(jq -rn --arg q "$1" '$q | @uri')" '.data.result[0].value[1]'
}

# alerts - prints those that fire, with their connection
alerts()
{
	query alerts '.data.alerts[] | select(.state == "firing") | .labels.alertname + " " + (.labels.connection // "-")' | sort
}

prometheus_up()
{
	mkdir -p "$LAB/prometheus"
	# Waiting is what promtool's tests are about.
	sed 's/^\( *for:\) .*/\1 2s/' "$RULES" >"$LAB/prometheus/rules.yml"
	cat >"$LAB/prometheus/prometheus.yml" <<-C
	global: { scrape_interval: 1s, evaluation_interval: 1s }
	rule_files: [ rules.yml ]
	scrape_configs:
	  - job_name: invspid
	    static_configs: [ { targets: [ "127.0.0.1:9850" ] } ]
	C
	ip netns exec "$A" "$PROMETHEUS/prometheus" --config.file="$LAB/prometheus/prometheus.yml" \
		--storage.tsdb.path="$LAB/prometheus/data" --web.listen-address=127.0.0.1:9090 \
		</dev/null >"$LAB/prometheus/log" 2>&1 &
	NS_PIDS+=($!)
	wait_until 120 0.5 eval '[ "$(value up)" = 1 ]' ||
		bail_out "Prometheus does not scrape: $(tail -n 5 "$LAB/prometheus/log"); $(query targets '.data.activeTargets[0].lastError')"
}

scraped()
{
	expect "what it has to say about the target" "up " \
		"$(query targets '.data.activeTargets[0] | .health + " " + .lastError')"
	# Only OpenMetrics has units.
	expect "unit of the histogram: it has taken OpenMetrics" seconds \
		"$(query metadata '.data.invspid_recovery_duration_seconds[0].unit')"
	expect "type of a counter" counter "$(query metadata '(.data.xfrm_invspi_packets // .data.xfrm_invspi_packets_total)[0].type')"
	expect "connections" 1 "$(value invspid_ike_connections)"
	expect "CHILD_SAs of gw" 2 "$(value 'invspid_connection_child_sas{connection="gw"}')"
	expect "rules that cannot be evaluated" 0 \
		"$(query rules '[.data.groups[].rules[] | select(.health != "ok")] | length')"
	expect "alerts" "" "$(alerts)"
}

fires()
{
	must helper_ask A mode observe
	fault_inbound_lost net
	wait_until 40 0.5 eval 'alerts | grep -qx "IPsecDesync gw"' || fail "no alert; there are: $(alerts)"
	note "$(query alerts '.data.alerts[] | .state + ": " + .annotations.summary + ". " + .annotations.description')"
	expect "alerts" "IPsecDesync gw" "$(alerts)"
}

clears()
{
	must helper_ask A mode default
	delivered net:B-A "$fault_us" 20000 || fail "it does not heal"
	# that it took as long as it was only observed is an alert of its own
	wait_until 40 0.5 eval '! alerts | grep -q IPsecDesync' || fail "the alert stays: $(alerts)"
	expect "healed" 1 "$(value 'invspid_recoveries_total{action="rekey",outcome="healed"}')"
	note "$(value 'invspid_connection_last_recovery_duration_seconds') s from the first dropped to the first delivered packet"
}

down()
{
	helper_stop A
	wait_until 40 0.5 eval 'alerts | grep -qx "InvspidDown -"' || fail "no alert; there are: $(alerts)"
	helper_start A
	helper_ready A
	wait_until 40 0.5 eval '! alerts | grep -q InvspidDown' || fail "the alert stays: $(alerts)"
}

lab_up
streams_start
helper_start A
helper_ready A
wait_until 15 0.1 helper_settled || bail_out "invspid is not ready"
prometheus_up
ktap_main \
	"it is scraped, as OpenMetrics" scraped \
	"an alert fires on a desync" fires \
	"it clears when that has healed" clears \
	"a helper that is gone is an alert, too" down
