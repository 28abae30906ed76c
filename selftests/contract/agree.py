#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The YAML file, the header and the running family say the same."""
import os
import re
import subprocess
import sys
import tempfile

import genl
import ktap
from spec import Spec, uapi

PREFIX = "XFRM_INVSPI_"
# NL_ATTR_TYPE_* of the kernel's policy dump
TYPES = {"u8": 2, "u16": 3, "u32": 4, "u64": 5, "binary": 10, "nest": 13}
(ATTR_TYPE, MIN_U, MAX_U, MIN_LENGTH, MAX_LENGTH) = (1, 4, 5, 6, 7)
CAP_DO, CAP_DUMP, HAS_POLICY = 2, 4, 8

spec = Spec()


def c_name(*parts):
    return (PREFIX + "_".join(parts)).upper().replace("-", "_")


def expected_numbers():
    """Every name of the header with its number, by the rules of the format."""
    names = {}
    for enum, entries in spec.enums.items():
        for entry, number in entries.items():
            names[c_name(enum, entry)] = number
    for aset, attributes in spec.sets.items():
        for a in attributes.values():
            names[c_name("a", aset, a.name)] = a.number
        names[c_name("a", aset, "max")] = max(a.number for a in attributes.values())
    for op in spec.ops.values():
        names[c_name("cmd", op.name)] = op.number
    names[c_name("cmd", "max")] = max(op.number for op in spec.ops.values())
    return names


def expected_strings():
    names = {c_name("family_name"): spec.name}
    names.update({c_name(name): value for name, value in spec.consts.items()})
    return names


def header_numbers(t):
    """The compiler judges, one assertion for each name."""
    numbers, strings = expected_numbers(), expected_strings()
    lines = ["#include <string.h>", "#include <stdio.h>", "#include <linux/xfrm_invspi.h>",
             "int main(void) {"]
    lines += [f'printf("%s=%d\\n", "{n}", (int){n});' for n in numbers]
    lines += [f'printf("%s=%s\\n", "{n}", {n});' for n in strings]
    lines += [f'printf("version=%d\\n", {PREFIX}FAMILY_VERSION);', "return 0; }"]
    include = os.path.dirname(os.path.dirname(uapi("linux/xfrm_invspi.h")))
    with tempfile.TemporaryDirectory() as tmp:
        source, program = tmp + "/t.c", tmp + "/t"
        with open(source, "w", encoding="ascii") as f:
            f.write("\n".join(lines))
        r = subprocess.run(["cc", "-Wall", "-Werror", "-I", include, "-o", program, source],
                           capture_output=True, text=True, check=False)
        if r.returncode:
            return t.fail("the header lacks a name of the YAML file:\n# " +
                          "\n# ".join(re.findall(r"error: .*", r.stderr)[:10]))
        out = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    actual = dict(line.split("=", 1) for line in out.splitlines())
    for name, value in {**numbers, **strings}.items():
        t.expect(name, str(value), actual[name])
    t.expect("version", "1", actual["version"])


def header_has_no_more(t):
    """No name in the header that the YAML file does not have."""
    with open(uapi("linux/xfrm_invspi.h"), encoding="ascii") as f:
        text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    names = set(re.findall(rf"\b{PREFIX}[A-Z0-9_]+\b", text))
    known = set(expected_numbers()) | set(expected_strings()) | {PREFIX + "FAMILY_VERSION"}
    t.expect("names only in the header", [], sorted(names - known))


def family_operations(t):
    running = genl.Socket().family(spec.name)
    t.expect("version", 1, running.version)
    # events are announced nowhere
    wanted = {op.number: op for op in spec.ops.values() if op.requests}
    t.expect("operations", sorted(wanted), sorted(running.ops))
    for number, op in wanted.items():
        flags = running.ops.get(number, 0)
        t.expect(f"{op.name}: do", "do" in op.requests, bool(flags & CAP_DO))
        t.expect(f"{op.name}: dump", "dump" in op.requests, bool(flags & CAP_DUMP))
        # the schema's name stands for the flag that knows user namespaces
        t.expect(f"{op.name}: CAP_NET_ADMIN", "admin-perm" in op.flags,
                 bool(flags & genl.GENL_UNS_ADMIN_PERM))
        t.expect(f"{op.name}: only in the initial user namespace", False,
                 bool(flags & genl.GENL_ADMIN_PERM))
    t.expect("groups", sorted(spec.groups), sorted(running.groups))


def requested(op):
    """Attributes of all its requests; do and dump share one policy."""
    names = {n for request in op.requests.values() for n in request}
    return {spec.sets[op.set[next(iter(op.set))].set][n].number: op.set[n] for n in names}


def family_policies(t):
    s = genl.Socket()
    ops, policies = s.policies(s.family(spec.name))
    for op in spec.ops.values():
        if not op.requests:
            continue
        wanted = requested(op)
        indexes = ops.get(op.number, {})
        for mode in op.requests:
            policy = {n: d for n, d in policies.get(indexes.get(mode), {}).items()
                      if d.get(ATTR_TYPE)}
            # the kernel does not describe what is in network byte order
            hidden = {n for n, a in wanted.items() if a.big} - set(policy)
            t.expect(f"{op.name} {mode}: attributes of the policy", sorted(wanted),
                     sorted(set(policy) | hidden) if mode in indexes else sorted(policy))
            for number, a in wanted.items():
                if number in policy:
                    one_policy(t, f"{op.name} {mode}: {a.name}", a, policy[number])


def one_policy(t, what, a, policy):
    t.expect(f"{what}: type", TYPES[a.type], policy[ATTR_TYPE])
    if a.exact is not None:
        t.expect(f"{what}: exact length", (a.exact, a.exact),
                 (policy.get(MIN_LENGTH), policy.get(MAX_LENGTH)))
    elif a.type in ("u8", "u16", "u32", "u64"):
        t.expect(f"{what}: range", (a.min or 0, a.max if a.max is not None else
                                    2 ** (8 * a.size) - 1),
                 (policy.get(MIN_U), policy.get(MAX_U)))


def enum_limits(t):
    """The checks of an attribute that is an enum let all of its entries pass."""
    for attributes in spec.sets.values():
        for a in attributes.values():
            if a.enum:
                t.expect(f"{a.set} {a.name}: max", max(a.enum.values()), a.max)


def schema(t):
    """The file is what the kernel's schema allows, where that is at hand."""
    source = os.environ.get("KSRC")
    if not source:
        return t.expect("protocol", "genetlink", spec.raw.get("protocol"))
    import jsonschema
    import yaml
    with open(f"{source}/Documentation/netlink/genetlink.yaml", encoding="utf-8") as f:
        rules = yaml.safe_load(f)
    errors = [f"{'/'.join(map(str, e.absolute_path))}: {e.message}"
              for e in jsonschema.Draft7Validator(rules).iter_errors(spec.raw)]
    return t.expect("violations of the schema", [], errors)


CASES = [
    ("the YAML file keeps to the kernel's schema", schema),
    ("enums fit the limits of their attributes", enum_limits),
    ("every item of the YAML file has its number in the header", header_numbers),
    ("the header has nothing else", header_has_no_more),
]
if "--static" not in sys.argv:      # needs no module
    CASES += [
        ("the running family's operations and groups", family_operations),
        ("the running family's policies", family_policies),
    ]

if __name__ == "__main__":
    ktap.run(CASES)
