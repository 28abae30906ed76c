#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The netlink contract as lines for the fuzzer, which fuzz_nl.c describes."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../contract"))
from spec import Spec  # noqa: E402


def main():
    spec = Spec()
    sets = list(spec.sets)
    for n, name in enumerate(sets):
        for a in spec.sets[name].values():
            kind = {"binary": "bytes", "nest": f"nest:{sets.index(a.nested)}"
                    if a.nested else ""}.get(a.type, a.type)
            top = 2 ** (8 * min(a.size or 0, 4)) - 1
            print("attr", n, a.number, a.name, kind, a.size or 0, a.min or 0,
                  top if a.max is None else a.max, int(a.big))
    for op in spec.ops.values():
        index = sets.index(next(k for k, v in spec.sets.items() if v is op.set))
        for mode in ("do", "dump"):
            if mode in op.requests:
                print("op", op.number, op.name, index, mode,
                      *(op.set[a].number for a in op.requests[mode]))
        if op.event:
            print("op", op.number, op.name, index, "event")


if __name__ == "__main__":
    main()
