# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Keys of live SAs, and where they must not be. Sourced after lab.sh.

KEYS=$LAB/keys

# keys_note - adds those that either kernel has now to $KEYS
keys_note()
{
	local n

	for n in A B; do
		on "${LAB_NS[$n]}" ip xfrm state | grep -oE '0x[0-9a-f]{32,}' | sed 's/^0x//'
	done >>"$KEYS"
	sort -u -o "$KEYS" "$KEYS"
}

# occurrences FILE... - prints the files that have a key
occurrences()
{
	python3 - "$KEYS" "$@" <<-'P'
	import sys
	keys = [k.strip() for k in open(sys.argv[1]) if k.strip()]
	for name in sys.argv[2:]:
	    data = open(name, "rb").read()
	    low = data.lower()
	    for key in keys:
	        raw = bytes.fromhex(key)
	        # The salt of GCM is the last four bytes: the key proper is looked for, too.
	        for what in (raw, raw[:16], raw[::-1]):
	            if what in data or what.hex().encode() in low:
	                print(name)
	                break
	P
}
