#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What is shipped for Prometheus and Grafana, judged by promtool: the rules, when they
# fire, the page of metrics, and that dashboard and rules ask for nothing that the page
# does not have. Needs no gateway; the page is that of unit/test_metrics_page, with names
# that try to forge lines.
cd "$(dirname "$0")" || exit 1
. ../lib/ktap.sh

RULES=../../tools/etc/prometheus/invspid.rules.yml
DASHBOARD=../../tools/etc/grafana/invspid.json

dir=$(../vm/prometheus) || bail_out "no promtool"
make -s -C ../unit test_metrics_page >/dev/null || bail_out "the page does not build"
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
../unit/test_metrics_page text >"$tmp/page"

rules_are_valid()
{
	expect_ok "promtool check rules" "$dir/promtool" check rules --lint=all --lint-fatal $RULES
}

rules_fire()
{
	expect_ok "promtool test rules" "$dir/promtool" test rules rules.test.yml
}

page_is_valid()
{
	local out

	out=$("$dir/promtool" check metrics <"$tmp/page" 2>&1)
	expect "exit status of promtool check metrics" 0 $?
	expect "what it has to say" "" "$out"
}

# families - the names of all metrics in the page
families()
{
	sed -n 's/^# TYPE \([^ ]*\) histogram$/\1_bucket/p; s/^# TYPE \([^ ]*\) .*/\1/p' "$tmp/page"
}

# asked FILE - the names of metrics that a file asks for
asked()
{
	grep -oE '\b(xfrm_invspi|invspid|process)_[a-z_]+\b' "$1" | sort -u
}

names_are_known()
{
	local f n

	families >"$tmp/families"
	for f in $RULES $DASHBOARD; do
		[ "$(asked $f | wc -l)" -ge 10 ] || fail "$f asks for less than it should"
		for n in $(asked $f); do
			grep -qx "$n" "$tmp/families" || fail "$f asks for $n, which is not there"
		done
	done
}

# Each expression of the dashboard as a rule, with its variables replaced
dashboard_is_valid()
{
	jq -er '[.. | .expr? // empty] | .[]' $DASHBOARD >"$tmp/exprs" || fail "no JSON"
	expect_num "expressions" "$(wc -l <"$tmp/exprs")" -ge 20
	{
		echo "groups: [ { name: x, rules: ["
		sed 's/\$__rate_interval/5m/g; s/\$__range/6h/g; s/\$__interval/1m/g; s/\$[a-z]*/x/g' \
			"$tmp/exprs" | jq -R '{ record: "x:y:\(input_line_number)", expr: . }' | sed 's/^}/},/'
		echo "] } ]"
	} >"$tmp/rules.yml"
	expect_ok "its expressions" "$dir/promtool" check rules "$tmp/rules.yml"
	expect "numbers of panels that come twice" "" \
		"$(jq -r '.panels[].id' $DASHBOARD | sort | uniq -d)"
	expect "panels that do not fit beside each other" "" \
		"$(jq -r '.panels[] | select(.gridPos.x + .gridPos.w > 24) | .title' $DASHBOARD)"
}

ktap_main \
	"the rules are valid" rules_are_valid \
	"each alert fires when it should and only then" rules_fire \
	"the page of metrics is valid" page_is_valid \
	"rules and dashboard ask for what is there" names_are_known \
	"the dashboard's expressions are valid" dashboard_is_valid
