#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
What a packet costs with the module, and with what one might use instead.

Runs in a virtual machine that counts instructions: one processor, and its clock
is the number of instructions it has executed (QEMU's -icount shift=0). So the
numbers are exact, and the same on any machine; cache misses and contention are
not in them.

bench_source hands each packet to netif_receive_skb() and reads the clock before
and after, softirq work included. What its sending costs stays outside, and a
packet in whose time a timer tick fell is left out. A round is some hundred such
packets, its result their mean; a number is the median of the rounds, and the
spread what lies between the smallest and the largest. "Added" is the difference
to the bare kernel's median in the same boot. All happens in the initial
namespace with default settings, the log on (to memory only).

The audit subsystem works on a record also in kauditd and in its reader, later: the
processor time of both is added. Nobody else defers anything that matters.
"""
import argparse
import json
import os
import statistics
import sys
import time

import lab
import report
import survey


class Sizes:
    """How much is sent: all of it, or just enough to see that it works."""

    def __init__(self, quick):
        self.rounds = 5 if quick else 9
        self.packets = 256 if quick else 512
        self.valid = 512 if quick else 2048
        self.known = 256
        self.fill = 3 * lab.SLOTS if quick else 4 * lab.SLOTS
        self.dumped = 256 if quick else 1024
        self.flood_rounds = 10 if quick else 100
        self.flood_packets = 10000


def progress(text):
    print(f"bench: {text}", file=sys.stderr,
          flush=True)


def rounds_of(column, n, count, send):
    """n rounds, each send() of count packets."""
    results = []
    for _ in range(n):
        before = column.deferred()
        result = send()
        if result is None:
            raise RuntimeError("a tick in each packet's time: this processor counts no instructions")
        results.append(result + (column.deferred() - before) / count)
    return {"median": statistics.median(results), "min": min(results), "max": max(results)}


def measure_valid(column, source, sizes):
    source.load("valid")
    source.send(50)
    before = lab.accepted()
    result = rounds_of(column, sizes.rounds, sizes.valid, lambda: source.send(sizes.valid))
    moved = lab.accepted() - before
    if moved != sizes.rounds * sizes.valid:
        raise RuntimeError(f"{column.name}: only {moved} valid packets were accepted")
    return result


def warm_up(source, first, flows):
    """Until these flows have had their verdict, and each its line in the log."""
    for _ in range(40):
        source.send(flows, first, flows)
        time.sleep(0.7)


def measure_known(column, source, sizes, packet):
    source.load(packet)
    first = source.numbers(sizes.known)
    warm_up(source, first, sizes.known)
    n = sizes.packets
    return rounds_of(column, sizes.rounds, n, lambda: source.send(n, first, sizes.known))


def measure_new(column, source, sizes, rounds):
    source.load("drop4")
    n = sizes.packets
    return rounds_of(column, rounds, n, lambda: source.send(n, source.numbers(n), n))


def measure(column, source, sizes):
    """All rows of one column, and whether it has counted what it should."""
    column.start()
    base = column.counted()
    sent = source.dropped
    stat = lab.xfrm_stat()["XfrmInNoStates"]
    rows = {"valid": measure_valid(column, source, sizes)}
    rows["known4"] = measure_known(column, source, sizes, "drop4")
    rows["known6"] = measure_known(column, source, sizes, "drop6")
    # not so many that the table fills
    rows["room"] = measure_new(column, source, sizes, 3)
    result = {"title": column.title, "rows": rows}
    if base:
        result["sent"] = source.dropped - sent
        result["counted"] = column.counted()[0] - base[0]
    source.send(sizes.fill, source.numbers(sizes.fill), sizes.fill)
    rows["full"] = measure_new(column, source, sizes, sizes.rounds)
    if base:
        result["sent_full"] = source.dropped - sent
        counted, result["flows_full"] = column.counted()
        result["counted_full"] = counted - base[0]
    moved = lab.xfrm_stat()["XfrmInNoStates"] - stat
    if moved != source.dropped - sent:
        raise RuntimeError(f"{column.name}: {source.dropped - sent} packets sent, {moved} dropped")
    column.stop()
    return result


def add_differences(columns):
    for row, _ in report.ROWS:
        bare = columns["bare"]["rows"][row]["median"]
        for c in columns.values():
            r = c["rows"][row]
            r["added"], r["spread"] = r["median"] - bare, r["max"] - r["min"]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--folder", default="/share", help="modules, programs and eBPF objects")
    p.add_argument("--json", help="file for the results")
    p.add_argument("--quick", action="store_true", help="smaller counts, goals as KTAP")
    args = p.parse_args()
    sizes = Sizes(args.quick)

    lab.set_up(args.folder)
    socket = lab.swallow()
    source = lab.Source()
    columns = {}
    for kind in lab.COLUMNS:
        progress(f"instructions per packet: {kind.title}")
        columns[kind.name] = measure(kind(args.folder), source, sizes)
    add_differences(columns)
    socket.close()
    result = {"release": os.uname().release, "quick": args.quick, "per_packet": columns}
    progress(f"reading {sizes.dumped} entries")
    result["reading"] = survey.reading(args.folder, source, sizes.dumped)
    progress(f"a flood of {sizes.flood_rounds * sizes.flood_packets} flows")
    result["flood"], result["memory"] = survey.flood(args.folder, source, sizes.flood_rounds,
                                                     sizes.flood_packets)
    reached = report.show(result)
    result["goals"] = [{"goal": text, "reached": ok} for text, ok in report.goals(result)]
    if args.json:
        with open(args.json, "w") as f:
            json.dump(result, f, indent=1)
            f.write("\n")
    sys.exit(0 if reached else 1)


if __name__ == "__main__":
    main()
