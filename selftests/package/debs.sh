#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The Debian packages as vm/build has made them, in the folder DEBS (default /share).
cd "$(dirname "$0")" || exit 1
# shellcheck source=SCRIPTDIR/../lib/ktap.sh
. ../lib/ktap.sh

DEBS=${DEBS:-/share}
cd "$DEBS" || exit 1

# field PACKAGE FIELD
field()
{
	dpkg-deb -f "$1"_*.deb "$2"
}

# files PACKAGE - what it installs, less folders; its version as VERSION
files()
{
	dpkg-deb -c "$1"_*.deb | awk '$1 !~ /^d/ { print substr($6, 2) }' |
		sed "s|$version|VERSION|; s|^/lib/|/usr/lib/|" | sort
}

three()
{
	version=$(field invspi Version)
	expect_match "version" '^0\.[0-9]+' "$version"
	for p in invspi invspi-dbgsym xfrm-invspi-dkms; do
		expect "package $p" "$p $version" "$(field $p Package) $(field $p Version)"
	done
	expect "the module's package is for every architecture" all \
		"$(field xfrm-invspi-dkms Architecture)"
}

contents()
{
	expect "files of invspi" "$(sort <<-F
		/etc/invspid.conf
		/usr/lib/systemd/system/invspid.service
		/usr/lib/systemd/system/invspid@.service
		/usr/lib/systemd/system/invspid@.service.d/netns.conf
		/usr/libexec/invspid/snmptrap
		/usr/libexec/invspid/trap-record
		/usr/sbin/invspi
		/usr/sbin/invspid
		/usr/share/bash-completion/completions/invspi
		/usr/share/bash-completion/completions/invspid
		/usr/share/doc/invspi/README.gz
		/usr/share/doc/invspi/changelog.gz
		/usr/share/doc/invspi/copyright
		/usr/share/invspid/grafana/invspid.json
		/usr/share/invspid/prometheus/invspid.rules.yml
		/usr/share/man/man5/invspid.conf.5.gz
		/usr/share/man/man8/invspi.8.gz
		/usr/share/man/man8/invspid.8.gz
		/usr/share/snmp/mibs/XFRM-INVSPI-MIB.txt
	F
	)" "$(files invspi)"
	expect "files of xfrm-invspi-dkms beside the sources" "$(sort <<-F
		/usr/lib/modules-load.d/xfrm_invspi.conf
		/usr/share/doc/xfrm-invspi-dkms/README.gz
		/usr/share/doc/xfrm-invspi-dkms/changelog.gz
		/usr/share/doc/xfrm-invspi-dkms/copyright
		/usr/share/man/man7/xfrm_invspi.7.gz
	F
	)" "$(files xfrm-invspi-dkms | grep -v '^/usr/src/xfrm-invspi-VERSION/')"
	expect "configuration files" /etc/invspid.conf \
		"$(dpkg-deb -I invspi_*.deb conffiles 2>/dev/null)"
}

# A build-id is the name of the file with the symbols, and stands in the program.
symbols()
{
	local dir id p n=0

	dir=$(mktemp -d)
	dpkg-deb -x invspi_*.deb "$dir"
	for p in "$dir"/usr/sbin/*; do
		od -An -v -tx1 "$p" | tr -d ' \n' >"$dir/${p##*/}.hex"
	done
	for id in $(field invspi-dbgsym Build-Ids); do
		n=$((n + 1))
		grep -qF "$id" "$dir"/*.hex || fail "no program has the build-id $id"
	done
	expect "programs with symbols" 2 $n
	rm -rf "$dir"
}

# An init script is not missing: the helper is of no use before the module and the IKE daemon
# are there, has to be supervised, and is confined by its unit. Not every release of lintian
# knows that tag, and one that does not takes an override for an error.
lint()
{
	expect "what lintian found" "" "$(grep -E '^[EWIP]: ' lintian |
		grep -v ': package-supports-alternative-init-but-no-init.d-script ')"
}

again()
{
	expect "the same again, elsewhere, in another time zone" "$(cat sha256)" "$(cat sha256-again)"
}

ktap_main \
	"there are three packages of one version" three \
	"they have what belongs there" contents \
	"the debug symbols are those of the programs" symbols \
	"lintian has nothing to say" lint \
	"built again they are the same, bit for bit" again
