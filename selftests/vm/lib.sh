# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Shared by the programs of this folder: messages, the cache, content keys.

VM_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
VM_TREE=$(cd "$VM_DIR/../.." && pwd)
# Releases: suites of Debian, and "backports", bookworm with the newest kernel that its
# backports suite has.
VM_SUITES="bookworm trixie sid backports"
VM_ME=${0##*/}

# A failure of the harness itself has a status of its own, so that it can never
# be taken for a result of the command.
VM_EXIT_TIMEOUT=124
VM_EXIT_HARNESS=125
VM_EXIT_SPLAT=126

vm_note()
{
	printf '%s: %s\n' "$VM_ME" "$*" >&2
}

vm_die()
{
	vm_note "$*"
	exit $VM_EXIT_HARNESS
}

# Prints the cache folder, which is outside of the tree and made at need.
vm_cache()
{
	local dir=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/xfrm_invspi

	mkdir -p "$dir" || vm_die "cannot make the cache folder $dir; set XDG_CACHE_HOME"
	printf '%s\n' "$dir"
}

vm_check_suite()
{
	case " $VM_SUITES " in
	*" $1 "*) ;;
	*) vm_die "unknown release '$1'; known are: $VM_SUITES" ;;
	esac
}

# vm_suite RELEASE - prints the suite that its user space is of
vm_suite()
{
	case $1 in
	backports) echo bookworm ;;
	*) echo "$1" ;;
	esac
}

vm_need_root()
{
	[ "$(id -u)" = 0 ] ||
		vm_die "needs root, to make root file systems and to build inside of them"
}

# The machine's own Debian mirror; no address is written anywhere in the tree.
vm_mirror()
{
	local list uri

	list=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' \
		'Created-By: Packages' 2>/dev/null) ||
		vm_die "apt-get indextargets failed; is this a Debian machine?"
	uri=$(sed -n 's/^Debian //p' <<<"$list" | head -n 1)
	# without downloaded lists there are no labels
	[ -n "$uri" ] || uri=$(sed -n 's/.* //; /\/debian\/*$/p' <<<"$list" | head -n 1)
	[ -n "$uri" ] ||
		vm_die "no Debian archive in the machine's apt sources; add a 'deb' line for one"
	printf '%s\n' "$uri"
}

# The machine's apt settings that a nested apt needs to reach the same mirror.
# The validity date is not checked: mirrors are often frozen snapshots. The
# signatures are checked as always.
vm_apt_options()
{
	apt-config dump |
		grep -E '^Acquire::(http|https|Check-Date|ForceIPv|Retries)' || :
	echo 'Acquire::Check-Valid-Until "false";'
	echo 'APT::Install-Recommends "false";'
}

# vm_own_apt FOLDER SUITE... - makes there the settings, apt.conf, of an apt that knows
# these suites of the machine's mirror. The machine's lists and sources stay as they are.
vm_own_apt()
{
	local apt=$1 keyring=/usr/share/keyrings/debian-archive-keyring.gpg mirror s

	shift
	[ -e "$keyring" ] || {
		vm_note "no $keyring; install debian-archive-keyring"
		return 1
	}
	mirror=$(vm_mirror) || return
	mkdir -p "$apt"/{lists/partial,parts} || return
	for s; do
		echo "deb [signed-by=$keyring] $mirror $s main"
	done >"$apt/sources.list"
	{
		vm_apt_options
		cat <<-C
		Dir::Etc::SourceList "$apt/sources.list";
		Dir::Etc::SourceParts "$apt/parts";
		Dir::State::Lists "$apt/lists";
		C
	} >"$apt/apt.conf"
}

# vm_download SUITE FOLDER PACKAGE... - puts the .debs of that suite there
vm_download()
{
	local suite=$1 dir=$2 apt

	shift 2
	apt=$(mktemp -d "${TMPDIR:-/tmp}/xfrm_invspi-apt.XXXXXX") || vm_die "cannot make a temporary folder"
	vm_own_apt "$apt" "$suite" || exit $VM_EXIT_HARNESS
	mkdir -p "$apt/cache/archives/partial"
	cat >>"$apt/apt.conf" <<-C
	Dir::Etc::Preferences "/dev/null";
	Dir::Etc::PreferencesParts "$apt/parts";
	Dir::State::Status "/dev/null";
	Dir::Cache "$apt/cache";
	APT::Sandbox::User "";
	C
	(
		export APT_CONFIG=$apt/apt.conf
		apt-get -q update && cd "$dir" && apt-get -q download "$@"
	) >"$apt/log" 2>&1 || {
		tail -n 20 "$apt/log" >&2
		rm -rf "$apt"
		vm_die "cannot fetch $* of $suite"
	}
	rm -rf "$apt"
}

# Short content key of what comes on standard input.
vm_key()
{
	sha256sum | cut -c 1-12
}

# vm_sources PATH... - lists the source files below these paths of the tree,
# NUL-terminated, relative to the tree: what git tracks or would add, or, in an
# unpacked archive, everything that does not look built.
vm_sources()
{
	(
	cd "$VM_TREE" || exit
	if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
		git ls-files -z -co --exclude-standard -- "$@"
	else
		find "$@" -type f ! -name '*.o' ! -name '*.ko' ! -name '*.cmd' \
			! -name '*.mod*' ! -name '*.a' -print0
	fi | sort -zu | while IFS= read -r -d '' f; do
		[ -f "$f" ] && printf '%s\0' "$f"
	done
	)
}

# vm_hash PATH... - the content key's input for these paths of the tree: names,
# modes and contents.
vm_hash()
{
	vm_sources "$@" | (cd "$VM_TREE" && xargs -0r sh -c '
		stat -c "%a %n" -- "$@"; sha256sum -- "$@"' sh)
}

# vm_snapshot FOLDER PATH... - copies the source files below these paths there.
# Programs that were built in the tree stay behind, even where git does not
# ignore them: make would take them for up to date.
vm_snapshot()
{
	local to=$1

	shift
	vm_sources "$@" | tar -C "$VM_TREE" --null -T - -cf - | tar -C "$to" -xf - || return
	LC_ALL=C find "$to" -type f -perm /100 -exec sh -c 'grep -lZaP "^\x7fELF" -- "$@" || :' sh {} + |
		xargs -0r rm -f
}
