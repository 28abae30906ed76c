# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# KTAP for test programs. A program defines one function for each case and ends
# with
#
#	ktap_main "what the first case shows" function_1 "the second" function_2 ...
#
# which prints the plan, runs the cases in order and in this shell, prints the
# totals and ends the program with 0 (all passed or skipped), 1 (a failure) or
# 4 (nothing but skips). Inside of a case:
#
#	expect WHAT EXPECTED ACTUAL	equal strings
#	expect_match WHAT REGEX ACTUAL	extended regular expression
#	expect_num WHAT ACTUAL OP NUMBER	OP is one of test's: -eq -le -lt ...
#	expect_ok WHAT COMMAND...	ends with 0
#	expect_status WHAT N COMMAND...	ends with N
#	fail WHAT			fails outright
#	note TEXT			a diagnostic line
#	skip REASON; return		not applicable here
#
# A failed expectation fails its case and prints what was expected and what came;
# the case goes on, so that one run shows all that is wrong.

KSFT_PASS=0 KSFT_FAIL=1 KSFT_SKIP=4

ktap_passed=0 ktap_failed=0 ktap_skipped=0
ktap_bad='' ktap_skip=''

note()
{
	local line

	while IFS= read -r line; do
		printf '# %s\n' "$line"
	done <<<"$*"
}

fail()
{
	ktap_bad=1
	note "FAILED: $*"
}

skip()
{
	ktap_skip=$1
}

expect()
{
	[ "$2" = "$3" ] && return
	fail "$1"
	note "  expected: $2"
	note "  actual:   $3"
	return 1
}

expect_match()
{
	[[ $3 =~ $2 ]] && return
	fail "$1"
	note "  expected: something that matches $2"
	note "  actual:   $3"
	return 1
}

expect_num()
{
	[[ $2 =~ ^-?[0-9]+$ ]] && test "$2" "$3" "$4" && return
	fail "$1"
	note "  expected: $3 $4"
	note "  actual:   $2"
	return 1
}

expect_status()
{
	local what=$1 want=$2 out status=0

	shift 2
	out=$("$@" 2>&1) || status=$?
	[ "$status" = "$want" ] && return
	fail "$what"
	note "  command:  $*"
	note "  expected: exit status $want"
	note "  actual:   exit status $status"
	[ -z "$out" ] || note "  output:   $out"
	return 1
}

expect_ok()
{
	local what=$1

	shift
	expect_status "$what" 0 "$@"
}

# bail_out REASON - the set-up failed, no case can run
bail_out()
{
	printf 'Bail out! %s\n' "$*"
	exit $KSFT_FAIL
}

# skip_all REASON - nothing here can run on this machine
skip_all()
{
	printf 'TAP version 13\n1..0 # SKIP %s\n' "$*"
	exit $KSFT_SKIP
}

ktap_main()
{
	# names of our own: a case sees them, and may use common ones
	local ktap_n=0 ktap_what ktap_status

	printf 'TAP version 13\n1..%d\n' $(($# / 2))
	while [ $# -ge 2 ]; do
		ktap_what=$1 ktap_bad='' ktap_skip='' ktap_status=0
		ktap_n=$((ktap_n + 1))
		"$2" || ktap_status=$?
		if [ -n "$ktap_bad" ]; then
			ktap_failed=$((ktap_failed + 1))
			echo "not ok $ktap_n $ktap_what"
		elif [ -n "$ktap_skip" ]; then
			ktap_skipped=$((ktap_skipped + 1))
			echo "ok $ktap_n $ktap_what # SKIP $ktap_skip"
		elif [ "$ktap_status" != 0 ]; then
			note "FAILED: $2 ended with status $ktap_status"
			ktap_failed=$((ktap_failed + 1))
			echo "not ok $ktap_n $ktap_what"
		else
			ktap_passed=$((ktap_passed + 1))
			echo "ok $ktap_n $ktap_what"
		fi
		shift 2
	done
	ktap_totals
}

ktap_totals()
{
	printf '# Totals: pass:%d fail:%d xfail:0 xpass:0 skip:%d error:0\n' \
		$ktap_passed $ktap_failed $ktap_skipped
	[ $ktap_failed = 0 ] || exit $KSFT_FAIL
	[ $ktap_passed != 0 ] || exit $KSFT_SKIP
	exit $KSFT_PASS
}
