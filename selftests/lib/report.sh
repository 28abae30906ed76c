# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The report of long runs: a file with a line for each part that ended,
#
#	COMMIT PART passed|failed PASSED FAILED SKIPPED SECONDS DATE
#
# the last line of a part being what counts. Sourced by check.

# report_commit - prints what the tree is: a commit, "-dirty" if it is more
report_commit()
{
	local commit

	commit=$(git rev-parse --short=12 HEAD 2>/dev/null) || { echo unknown; return; }
	[ -z "$(git status --porcelain --untracked-files=no ..)" ] || commit+=-dirty
	echo "$commit"
}

# report_file - prints its name, after its folder was made
report_file()
{
	local file=${REPORT:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/xfrm_invspi/check-all.report}

	mkdir -p "$(dirname "$file")" && touch "$file" || return
	readlink -f "$file"
}

# report_add FILE COMMIT PART PASSED FAILED SKIPPED SECONDS
report_add()
{
	local result=passed

	[ "$5" = 0 ] || result=failed
	echo "$2 $3 $result $4 $5 $6 $7 $(date -u +%Y-%m-%dT%H:%M:%SZ)" >>"$1"
}

# report_passed FILE COMMIT PART - prints PASSED FAILED SKIPPED if the part has passed
# on this commit. What is more or less than a commit may be anything tomorrow.
report_passed()
{
	case $2 in
	*-dirty|unknown) return 1 ;;
	esac
	awk -v c="$2" -v p="$3" '$1 == c && $2 == p { last = $3 == "passed" ? $4 " " $5 " " $6 : "" }
		END { if (last == "") exit 1; print last }' "$1"
}

# report_show FILE PART... - the last run of each
report_show()
{
	local file=$1 part

	shift
	printf '\n%-16s %-18s %-7s %6s %6s %7s %6s  %s\n' \
		part commit result passed failed skipped s date
	for part; do
		awk -v p="$part" '$2 == p { c = $1; r = $3; a = $4; f = $5; s = $6; t = $7; d = $8 }
			END {
				if (c == "")
					printf "%-16s %-18s not run yet\n", p, "-"
				else
					printf "%-16s %-18s %-7s %6d %6d %7d %6d  %s\n", \
						p, c, r, a, f, s, t, d
			}' "$file"
	done
	echo "report: $file"
}
