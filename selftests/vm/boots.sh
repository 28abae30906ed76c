#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# boots.sh RELEASE [COUNT] - boots that release's virtual machine so often (50), one
# after the other, each loading the module and starting some processes. Every one must
# do so at its first try: one that did not is a failure, with the end of its console.
# Runs on the host, as root.
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
release=${1:?usage: boots.sh RELEASE [COUNT]}
count=${2:-50}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
WORK='modprobe xfrm_invspi && for i in 1 2 3 4 5 6 7 8; do invspi stats show >/dev/null || exit 3; done; uname -r'
failed=0 fastest='' slowest=0 kernel=''

echo TAP version 13
echo "1..$count"
for ((n = 1; n <= count; n++)); do
	from=$SECONDS
	"$here/run" --release "$release" --timeout 120 --console "$tmp/console" -- sh -c "$WORK" \
		>"$tmp/out" 2>"$tmp/err"
	status=$?
	took=$((SECONDS - from))
	if [ $status = 0 ] && ! grep -q 'trying once more' "$tmp/err"; then
		echo "ok $n boot of $release, $took s"
	else
		failed=$((failed + 1))
		echo "# status: expected 0, got $status"
		tail -n 30 "$tmp/err" "$tmp/console" 2>&1 | tr -d '\r' | sed 's/^/# /'
		echo "not ok $n boot of $release, $took s"
	fi
	kernel=$(tail -n 1 "$tmp/out")
	# the first one builds what is not built yet
	[ $n = 1 ] && [ "$count" != 1 ] && continue
	[ "$took" -le "$slowest" ] || slowest=$took
	[ -n "$fastest" ] && [ "$took" -ge "$fastest" ] || fastest=$took
done
echo "# $release, kernel $kernel: $count boots, $failed failed, each ${fastest:-$took} to $slowest s"
echo "# Totals: pass:$((count - failed)) fail:$failed xfail:0 xpass:0 skip:0 error:0"
[ $failed = 0 ]
