# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2034 # check has, or wants, these
# The parts of check that are about doing no harm. Sourced by check.

HARDENING_PARTS="unload_1000      the module loaded and unloaded 1000 times under traffic
namespaces       10,000 network namespaces come and go
races            everything at once on four processors, on Debian 12
debug_kernel     a kernel that checks itself is built
debug_net_1      the module's tests on it: every fourth
debug_net_2      ... the ones behind these
debug_net_3      ... and behind these
debug_net_4      ... the others
debug_attack     ... under attack
debug_refuse     ... the module refuses to load
debug_faults     ... each allocation fails once
debug_fuzz_nl_1  ... 250,000 netlink messages, valid, mutated and random
debug_fuzz_nl_2  ... 250,000 others
debug_fuzz_nl_3  ... 250,000 others
debug_fuzz_nl_4  ... 250,000 others
debug_fuzz_pkt_1 ... 300,000 packets, valid and mutated
debug_fuzz_pkt_2 ... 300,000 others
debug_fuzz_pkt_3 ... 300,000 others
debug_fuzz_pkt_4 ... 300,000 others
debug_races      ... everything at once on four processors
debug_spaces     ... 1,000 network namespaces come and go
coverage         what of the module all these have run
tools_units      what of the tools runs: unit tests
tools_ops        ... doctor, metrics, top, recorder, and the tests of the module
tools_heal       ... failures, once each, on strongSwan
tools_libreswan  ... and on libreswan
coverage_tools   what of the tools these four have run
kcsan_kernel     a kernel that looks for data races is built
kcsan            the module's table and counters on it
soak_1           two gateways under attack, one failure after the other, for 20 minutes
soak_2           20 minutes more, with what the helpers remember
"
# None of them is about this machine's own kernel.
HARDENING_VM_ONLY="hardening $(awk '{ print $1 }' <<<"$HARDENING_PARTS" | paste -sd' ')"

# hard RELEASE SECONDS VM-OPTIONS COMMAND... - as vm, with four processors, or $cpus, and
# caches of the module's own
cpus=4
hard()
{
	local vm_options="--cpus $cpus --append slab_nomerge $3"

	vm "$1" "$2" "${@:4}"
}

# debug SECONDS COMMAND... - on the kernel that checks itself; what of the module runs is
# remembered
debug()
{
	hard bookworm "$1" "--kernel debug --memory 4096 --coverage $(coverage_folder "$(counting kmod)")/$part.tar" "${@:2}"
}

# counted COMMAND... - the tools count what of them runs
counted()
{
	local vm_options

	vm_options="--coverage $(coverage_folder "$(counting tools)")/$part.tar"
	vm bookworm 1500 env TRIALS=1 TRIALS_STILL=1 "$@"
}

# counting kmod|tools - prints the folder of these as they are built to count what runs
counting()
{
	COVERAGE=1 KERNEL=debug vm/build bookworm "$1"
}

# coverage_folder BUILD - prints where is kept what of that build (counting) has run
coverage_folder()
{
	local dir

	dir=$(dirname "$(report_file)")/coverage/${1##*/}
	mkdir -p "$dir" && echo "$dir"
}

# coverage kmod|tools
coverage()
{
	local dir runs

	dir=$(counting "$1") || return
	runs=("$(coverage_folder "$dir")"/*.tar)
	vm/coverage -l "${runs[@]/#/$dir/gcov:}" && echo "1 passed, 0 failed"
}

part_hardening()
{
	hard bookworm 900 "" env MESSAGES=20000 PACKETS=20000 NAMESPACES=200 FAULT_STEP=8 /selftests/run.sh \
		hardening/{refuse,fuzz_nl,fuzz_pkt,namespaces}.sh
}
part_unload_1000()	{ hard bookworm 1500 "" env UNLOAD_TIMES=1000 /selftests/run.sh -t 1480 net/unload.sh; }
part_namespaces()	{ hard bookworm 1500 "" /selftests/run.sh -t 1480 hardening/namespaces.sh; }
part_races()		{ hard bookworm 1500 "" env RACE_SECONDS=500 /selftests/run.sh -t 1480 hardening/races.sh; }
part_debug_kernel()	{ vm/kernel bookworm debug >/dev/null && ./run.sh -t 1480 vm/selftest-debug.sh; }
# debug_net N [NAME...] - every fourth of the module's other tests from the N-th on, and these.
# Nothing in them needs many processors, and they cost where the host has fewer.
# shellcheck disable=SC2086 # words wanted
debug_net()
{
	local cpus=2 names

	names=$(sed -n "$1~4p" <<<"$NET")
	debug 1500 env $QUICK /selftests/run.sh -t 900 $names "${@:2}"
}
part_debug_net_1()	{ debug_net 1; }
part_debug_net_2()	{ debug_net 2 contract; }
part_debug_net_3()	{ debug_net 3; }
part_debug_net_4()	{ debug_net 4 hardening/esp_in_tcp.sh; }
# Not flood.sh and churn.sh: what they judge, times and memory, is not this kernel's, and what
# they do races.sh does, too.
# shellcheck disable=SC2086 # words wanted
part_debug_attack()
{
	debug 1500 env $QUICK RATE=100 FLOOD_RATE=300 /selftests/run.sh -t 900 \
		net/{spoofer,flows_max_all,dump}.sh
}
part_debug_refuse()	{ debug 1500 /selftests/run.sh -t 1480 hardening/refuse.sh; }
part_debug_faults()	{ debug 1500 /selftests/run.sh -t 1480 hardening/faults.sh; }
# fuzz nl|pkt SEED VARIABLE=COUNT - more processors than the host has cost more than they find
fuzz()
{
	local cpus=2

	debug 1500 env "$3" "SEED=$2" /selftests/run.sh -t 1480 "hardening/fuzz_$1.sh"
}
part_debug_fuzz_nl_1()	{ fuzz nl 1 MESSAGES=250000; }
part_debug_fuzz_nl_2()	{ fuzz nl 2 MESSAGES=250000; }
part_debug_fuzz_nl_3()	{ fuzz nl 3 MESSAGES=250000; }
part_debug_fuzz_nl_4()	{ fuzz nl 4 MESSAGES=250000; }
part_debug_fuzz_pkt_1()	{ fuzz pkt 1 PACKETS=300000; }
part_debug_fuzz_pkt_2()	{ fuzz pkt 2 PACKETS=300000; }
part_debug_fuzz_pkt_3()	{ fuzz pkt 3 PACKETS=300000; }
part_debug_fuzz_pkt_4()	{ fuzz pkt 4 PACKETS=300000; }
part_debug_races()	{ debug 1500 env RACE_SECONDS=300 FLOOD_RATE=600 /selftests/run.sh -t 1480 hardening/races.sh; }
part_debug_spaces()	{ debug 1500 env NAMESPACES=1000 /selftests/run.sh -t 1480 hardening/namespaces.sh; }
part_coverage()		{ coverage kmod; }
# In a copy: the tree keeps the tools that it has.
part_tools_units()
{
	local dir status file

	file=$(coverage_folder "$(counting tools)")/$part.tar
	dir=$(mktemp -d) && mkdir "$dir/src" &&
		cp -a ../kmod ../uapi ../tools ../selftests ../Makefile ../Kbuild "$dir/src/" &&
		make -s -C "$dir/src/tools" clean && make -s -C "$dir/src/selftests/unit" clean &&
		make -s -j2 -C "$dir/src/selftests/unit" COVERAGE=1 all &&
		make -s -C "$dir/src/selftests/unit" COVERAGE=1 check
	status=$?
	(cd "$dir/src" && find tools -name '*.gc??' -o -name '*.[ch]' | tar -T - -cf "$file")
	rm -rf "$dir"
	return $status
}
part_tools_ops()
{
	counted /selftests/run.sh -t 400 ops/{doctor,metrics,top}.sh net/{log,table,table_change,events}.sh \
		recovery/{ike_vici,xfrm,record,record_snmp,silent}.sh
}
part_tools_heal()
{
	counted /selftests/run.sh -t 1000 recovery/{matrix_heal,rungs,early,both,dynamic,negative,by_hand}.sh
}
part_tools_libreswan()
{
	counted env PAIR=libreswan-strongswan /selftests/run.sh -t 1480 recovery/matrix_pairs.sh
}
part_coverage_tools()	{ coverage tools; }
part_kcsan_kernel()	{ vm/kernel bookworm kcsan >/dev/null && echo "1 passed, 0 failed"; }
part_kcsan()
{
	# shellcheck disable=SC2086 # words wanted
	hard bookworm 1500 "--kernel kcsan" env $QUICKER RACE_SECONDS=120 /selftests/run.sh -t 900 \
		net/table.sh net/table_change.sh net/flood.sh net/churn.sh hardening/races.sh
}
# soak SEED
soak()
{
	local vm_options

	vm_options="--append slab_nomerge --share $(matrix_folder)"
	vm bookworm 1500 env "SEED=$1" /selftests/run.sh -t 1480 recovery/soak.sh
}
part_soak_1()		{ rm -rf "$(matrix_folder)/soak"; soak 1; }
part_soak_2()		{ soak 2; }
