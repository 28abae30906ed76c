#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh - runs test programs one after the other on this machine, which should
# be one for tests, and adds up; see usage().
cd "$(dirname "$0")" || exit 1

usage()
{
	cat <<-'U'
	Usage: run.sh [-l FILE] [-t SECONDS] [NAME...]

	Runs the named test programs (net/esp_plain.sh), folders (net, contract) or,
	without names, net and contract. Shows their KTAP as it comes. A program that
	does not end in time (-t, or the timeout of the file settings), ends without
	all the results of its plan, or during which the kernel complained counts as
	a failure.

	  -l FILE  take names from FILE too, one a line
	  -t S     seconds for each program
	  -h       this text

	The last line is "N passed, N failed", with ", N skipped" if there are any.
	Exit status: 0 nothing failed, 1 something did or nothing ran, 2 wrong usage.
	U
}

die()
{
	echo "run.sh: $*" >&2
	exit 2
}

timeout=$(sed -n 's/^timeout=//p' settings)
names=()
while getopts l:t:h o; do
	case $o in
	l)
		[ -r "$OPTARG" ] || die "-l '$OPTARG': cannot read it"
		mapfile -t -O ${#names[@]} names < <(sed 's/#.*//; s/[[:space:]]//g; /^$/d' "$OPTARG")
		;;
	t) timeout=$OPTARG ;;
	h) usage; exit 0 ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
names+=("$@")
[ ${#names[@]} -gt 0 ] || names=(net contract)
[[ $timeout =~ ^[1-9][0-9]*$ ]] || die "timeout '$timeout': must be whole seconds"

progs=()
for n in "${names[@]}"; do
	n=${n%/}
	if [ -d "$n" ]; then
		for p in "$n"/*.sh "$n"/*.py; do
			[ ! -x "$p" ] || progs+=("$p")
		done
	elif [ -x "$n" ]; then
		progs+=("$n")
	else
		die "'$n' is neither a test program nor a folder of them"
	fi
done
[ ${#progs[@]} -gt 0 ] || die "no test programs in ${names[*]}"

log=$(mktemp "${TMPDIR:-/tmp}/xfrm_invspi-run.XXXXXX") || exit 1
trap 'rm -f "$log"' EXIT
passed=0 failed=0 skipped=0 n=0

# kernel_complaints MARK - prints the kernel's messages since MARK if one of them
# is a complaint
kernel_complaints()
{
	local text

	[ -w /dev/kmsg ] || return
	text=$(dmesg 2>/dev/null | sed "1,/$1/d" | vm/own-races)
	grep -qE -f vm/splats <<<"$text" && printf '%s\n' "$text" | head -n 200
}

# sanitizer_reports - prints what the sanitizers found since the last time, if the tools
# are built with them
sanitizer_reports()
{
	local r

	for r in "${SANITIZER_REPORTS:-/nonexistent}"/*; do
		[ -f "$r" ] && head -n 100 "$r" && rm "$r"
	done
}

# lines REGEX - how many result lines of the log match
lines()
{
	grep -cE "$1" "$log"
}

# run_one PROGRAM - sets why to what is wrong beside the results, or nothing
run_one()
{
	local prog=$1 mark status plan results ok start=$SECONDS

	mark="selftest-$$-$n"
	[ ! -w /dev/kmsg ] || echo "$mark: $prog" >/dev/kmsg
	echo "# selftests: $prog"
	timeout --foreground -k 20 "$timeout" "./$prog" 2>&1 </dev/null | tee "$log" | sed -u 's/^/# /'
	status=${PIPESTATUS[0]}
	ok=$(lines '^ok [0-9]+ ') results=$(lines '^(not )?ok [0-9]+ ')
	plan=$(sed -n 's/^1\.\.\([0-9]*\).*/\1/p' "$log" | head -n 1)
	p=$((ok - $(lines '^ok [0-9]+ .*# SKIP'))) s=$((ok - p)) f=$((results - ok))
	why=''
	case $status in
	124|137) why="took longer than $timeout s" ;;
	0|1|4) [ "$plan" = "$results" ] || why="planned ${plan:-nothing}, but $results results" ;;
	*) why="ended with status $status" ;;
	esac
	if [ -z "$why" ]; then
		case $status.$((f > 0)) in
		0.1|1.0|4.1) why="exit status $status, but $f failed results" ;;
		4.0) [ "$results" != 0 ] || s=1 ;;
		esac
	fi
	if kernel_complaints "$mark" | sed 's/^/# /' | grep .; then
		why="${why:+$why; }the kernel complained"
	fi
	if sanitizer_reports | sed 's/^/# /' | grep .; then
		why="${why:+$why; }a sanitizer complained"
	fi
	[ -z "$why" ] || { f=$((f + 1)); echo "# FAILED: $why"; }
	took=$((SECONDS - start))
}

echo "TAP version 13"
echo "1..${#progs[@]}"
for prog in "${progs[@]}"; do
	n=$((n + 1))
	run_one "$prog"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	if [ $f != 0 ]; then
		echo "not ok $n selftests: $prog # $took s${why:+, $why}"
	elif [ $p = 0 ]; then
		echo "ok $n selftests: $prog # SKIP"
	else
		echo "ok $n selftests: $prog # $took s"
	fi
done
total="$passed passed, $failed failed"
[ $skipped = 0 ] || total="$total, $skipped skipped"
echo "$total"
[ $failed = 0 ] && [ $((passed + skipped)) != 0 ]
