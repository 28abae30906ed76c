#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Every malformed request that the YAML file can make is refused with a text,
and changes nothing; every well-formed one is taken.

The cases come from the YAML file: each attribute of each request missing, too
short, too long, out of range, in the wrong form, twice; attributes that are not
of the request, or of no request at all; and, by hand, combinations that the
format cannot express. Runs in a network namespace of its own."""
import errno
import struct

import genl
import ktap
import own_netns
from spec import Spec

spec = Spec()


def setup():
    """A namespace with a flow of each kind that a key can name."""
    own_netns.enter()
    sock = genl.Socket()
    family = sock.family(spec.name)
    for a in ("127.0.0.1", "::1"):
        own_netns.send(a, 0x1000, 3)
    return sock, family


# A request that is right, for each operation and mode: attribute: payload. The
# flow is the one that setup() made.
V4 = {"src4": bytes([127, 0, 0, 1]), "dst4": bytes([127, 0, 0, 1])}
V6 = {"src6": bytes(15) + b"\1", "dst6": bytes(15) + b"\1"}
SPI = {"spi": struct.pack(">I", 0x1000)}
UDP = {"encap-type": struct.pack("=I", 2), "encap-sport": struct.pack(">H", 4500)}


def companions(op, mode, name):
    """What an attribute needs beside it to be right, and its own value if that
    cannot be chosen freely."""
    base = {}
    if op.name == "flow-get" and mode == "do":
        base = {**(V6 if name in V6 else V4), **SPI}
    if name == "src-prefixlen":
        base = {**V6, **base} if not base else base
    if name == "dst-prefixlen":
        base = {**V6, **base} if not base else base
    if name in ("encap-sport", "encap-type"):
        base = {**base, **UDP}
    return base


def payload(op, values, extra=b""):
    """values: {name: payload}, in the order of the attributes' numbers."""
    out = b""
    for name in sorted(values, key=lambda n: op.set[n].number):
        out += genl.attr(op.set[name].number, values[name])
    return out + extra


def requests():
    """Every (operation, mode, names of its attributes) of the YAML file."""
    for op in spec.ops.values():
        for mode, names in op.requests.items():
            yield op, mode, names


class Run:
    def __init__(self, t):
        self.t = t

    def send(self, op, mode, data, **more):
        return sock.request(family.id, op.number, data, dump=mode == "dump", **more)

    def refused(self, what, op, mode, data, at=None, codes=(errno.EINVAL, errno.ERANGE), **more):
        """Refused, with a text and, if AT, with the offset of the attribute."""
        what = f"{op.name} {mode}: {what}"
        a = self.send(op, mode, data, **more)
        if a.error not in codes:
            return self.t.expect(what, " or ".join(errno.errorcode[c] for c in codes), str(a))
        if not a.text:
            return self.t.expect(what, "a text", str(a))
        # on older kernels the end of a dump carries the text only
        if at is None or (a.done and a.offset is None):
            return self.t.expect(what, True, True)
        return self.t.expect(f"{what} ('{a.text}'): offset of the attribute", at, a.offset)

    def taken(self, what, op, mode, data):
        """Accepted; a flow that is not there was at least looked for."""
        a = self.send(op, mode, data)
        ok = a.error == 0 or (a.error == errno.ENOENT and bool(a.text))
        return self.t.expect(f"{op.name} {mode}: {what}", True, ok or str(a))


def variants(a):
    """(what, payload) that are wrong for this attribute alone."""
    right = bytes(a.size)
    yield "empty", b""
    if a.size > 1:
        yield "a byte too short", right[:-1]
    yield "a byte too long", right + b"\0"
    yield "twice as long", right * 2
    if a.exact is None:
        if a.min:
            yield f"{a.min - 1}, below the minimum", a.bytes(a.min - 1)
        if a.max is not None and a.max < 2 ** (8 * a.size) - 1:
            yield f"{a.max + 1}, above the maximum", a.bytes(a.max + 1)
            yield "all ones", b"\xff" * a.size
        if a.min:
            yield "0, below the minimum", a.bytes(0)
        if a.enum:
            for n in range(max(a.enum.values())):
                if n not in a.enum.values():
                    yield f"{n}, not in the enum", a.bytes(n)


def with_last(op, mode, a, value, kind=None):
    """The companions, then the attribute, and the offset that it has."""
    others = {n: v for n, v in companions(op, mode, a.name).items() if n != a.name}
    before = payload(op, others)
    return before + genl.attr(a.number if kind is None else kind, value), \
        genl.HEADERS + len(before)


def wrong_attributes(t):
    for op, mode, names in requests():
        for name in names:
            a = op.set[name]
            for what, value in variants(a):
                data, at = with_last(op, mode, a, value)
                Run(t).refused(f"{name} {what}", op, mode, data, at)
            data, at = with_last(op, mode, a, bytes(a.size), a.number | genl.NLA_F_NESTED)
            Run(t).refused(f"{name} as a nest", op, mode, data, at)


def foreign_attributes(t):
    """Attributes of replies, and those that nobody knows."""
    for op, mode, names in requests():
        foreign = [a for a in op.set.values() if not set(op.set) & {n for r in
                   op.requests.values() for n in r} or not any(
                       a.name in r for r in op.requests.values())]
        last = max(a.number for a in op.set.values())
        kinds = [(a.name, a.number, bytes(a.size or 0)) for a in foreign]
        kinds += [(f"number {n}", n, b"1234") for n in (0, last + 1, last + 2, 100, 0x3fff)]
        base = payload(op, companions(op, mode, None))
        for what, kind, value in kinds:
            # type 0 is padding to the kernel's parser, and carries nothing
            if kind == 0:
                continue
            Run(t).refused(f"{what}, which is not of this request", op, mode,
                           base + genl.attr(kind, value),
                           genl.HEADERS + len(base))


def missing_attributes(t):
    """A key without one of its parts. What a dump or a change needs: nothing."""
    op = spec.ops["flow-get"]
    for base in (V4, V6):
        whole = {**base, **SPI}
        for name in whole:
            rest = {n: v for n, v in whole.items() if n != name}
            Run(t).refused(f"{name} missing", op, "do", payload(op, rest))
            a = Run(t).send(op, "do", payload(op, rest))
            t.expect(f"flow-get without {name}: missing attribute", op.set[name].number, a.missing)
    Run(t).refused("nothing at all", op, "do", b"")
    Run(t).refused("encap-sport missing", op, "do", payload(
        op, {**V4, **SPI, "encap-type": UDP["encap-type"]}))


def wrong_combinations(t):
    u8, u32 = (lambda n: bytes([n])), (lambda n: struct.pack("=I", n))
    wrong = [
        ("both families", {**V4, "src6": V6["src6"]}),
        ("source and destination of different families",
         {"src4": V4["src4"], "dst6": V6["dst6"]}),
        ("encap-sport without encap-type", {**V4, "encap-sport": UDP["encap-sport"]}),
        ("encap-sport with encap-type none", {**V4, **UDP, "encap-type": u32(0)}),
        ("encap-sport with encap-type espintcp", {**V4, **UDP, "encap-type": u32(7)}),
        ("AH in UDP", {**V4, **UDP, "proto": u8(51)}),
    ]
    filters = [
        ("src-prefixlen without src", {"src-prefixlen": u8(24)}),
        ("dst-prefixlen without dst", {"src4": V4["src4"], "dst-prefixlen": u8(24)}),
        ("prefix length 33 for IPv4", {"src4": V4["src4"], "src-prefixlen": u8(33)}),
        ("prefix length 128 for IPv4", {"dst4": V4["dst4"], "dst-prefixlen": u8(128)}),
    ]
    for op, mode, names in requests():
        if "spi" not in names:
            continue
        key = mode == "do" and op.name == "flow-get"
        for what, values in wrong + ([] if key else filters):
            Run(t).refused(what, op, mode, payload(op, {**values, **(SPI if key else {})}))
        if key:
            for name in ("src-prefixlen", "dst-prefixlen", "state"):
                Run(t).refused(f"{name}, which is for filters", op, mode, payload(
                    op, {**V4, **SPI, name: bytes(op.set[name].size)}))


def broken_messages(t):
    for op, mode, names in requests():
        base = payload(op, companions(op, mode, None))
        for what, tail in (("three bytes after the attributes", b"\1\2\3"),
                           ("an attribute longer than the message", struct.pack("=HH", 100, 1)),
                           ("an attribute shorter than its header", struct.pack("=HH", 2, 1))):
            Run(t).refused(what, op, mode, base + tail)
        Run(t).refused("reserved bytes of the header", op, mode, base, reserved=1)


def unknown_commands(t):
    last = max(op.number for op in spec.ops.values())
    for number in (0, last + 1, 200):
        a = sock.request(family.id, number)
        t.expect(f"command {number}", errno.EOPNOTSUPP, a.error)
    for op in spec.ops.values():
        for mode in ("do", "dump"):
            if mode not in op.requests:
                a = sock.request(family.id, op.number, dump=mode == "dump")
                t.expect(f"{op.name} {mode}, which there is not", errno.EOPNOTSUPP, a.error)


def state():
    """What a refused request must not change."""
    seen = []
    for name in ("config-get", "stats-get"):
        a = sock.request(family.id, spec.ops[name].number)
        seen.append((name, a.error, a.replies))
    a = sock.request(family.id, spec.ops["flow-get"].number, dump=True)
    ages = {spec.sets["flow"][n].number for n in ("first-seen-age-ms", "last-seen-age-ms")}
    seen.append(("flows", a.error, sorted(
        (cmd, [x for x in attributes if x[0] not in ages]) for cmd, attributes in a.replies)))
    return seen


def nothing_changed(t):
    """Runs last of the refused."""
    for before, after in zip(BEFORE, state()):
        t.expect(f"{before[0]}", str(before[1:]), str(after[1:]))
    t.expect("flows", 2, len(BEFORE[2][2]))


def right_attributes(t):
    """Each attribute at the limits of its range; a delete that hits nothing."""
    for op, mode, names in requests():
        if op.name in ("config-set", "flow-del"):
            continue
        Run(t).taken("whole", op, mode, payload(op, companions(op, mode, None)))
        for name in names:
            a = op.set[name]
            if mode == "do" and name in ("src-prefixlen", "dst-prefixlen", "state"):
                continue
            for what, value in limits(a):
                data, _ = with_last(op, mode, a, value)
                Run(t).taken(f"{name} {what}", op, mode, data)


def limits(a):
    if a.exact is not None:
        yield "", bytes(a.exact)
    elif a.enum:
        entries = [2] if a.name == "encap-type" else a.enum.values()
        for n in entries:
            yield str(n), a.bytes(n)
    else:
        for n in (a.min or 0, a.max if a.max is not None else 2 ** (8 * a.size) - 1):
            yield str(n), a.bytes(n)


def keys_and_filters(t):
    """The flows that are there are found."""
    op = spec.ops["flow-get"]
    for what, base in (("IPv4", V4), ("IPv6", V6)):
        a = sock.request(family.id, op.number, payload(op, {**base, **SPI}))
        t.expect(f"flow-get of the {what} flow", (0, 1), (a.error, len(a.replies)))
        a = sock.request(family.id, op.number, payload(op, base), dump=True)
        t.expect(f"dump of the {what} flow", (0, 1), (a.error, len(a.replies)))
    a = sock.request(family.id, op.number, payload(op, {**V4, "spi": struct.pack(">I", 1)}))
    t.expect("a flow that is not there", errno.ENOENT, a.error)
    t.expect("with a text", True, bool(a.text))


def settings(t):
    """config-set takes each key at its limits; what is out of range in one key
    leaves the others alone."""
    op = spec.ops["config-set"]
    get = spec.ops["config-get"].number
    old = dict(sock.request(family.id, get).replies[0][1])
    for name in op.requests["do"]:
        a = op.set[name]
        # the largest table is more than the machine is sure to have
        for n in (a.min, a.min + 1, 65536 if name == "flows-max" else a.max):
            r = sock.request(family.id, op.number, genl.attr(a.number, a.bytes(n)))
            t.expect(f"{name} {n}", 0, r.error or 0)
            now = dict(sock.request(family.id, get).replies[0][1])
            want = 1 << (n - 1).bit_length() if name == "flows-max" else n
            t.expect(f"{name} after {n}", want, int.from_bytes(now[a.number], "little"))
            t.expect(f"the others after {name} {n}", {k: v for k, v in old.items() if k != a.number},
                     {k: v for k, v in now.items() if k != a.number})
        sock.request(family.id, op.number, genl.attr(a.number, old[a.number]))
    good, bad = op.set["idle-ms"], op.set["log-rate"]
    r = sock.request(family.id, op.number, genl.attr(good.number, good.bytes(777)) +
                     genl.attr(bad.number, bad.bytes(0)))
    t.expect("one key right, one out of range", errno.ERANGE, r.error)
    t.expect("settings after it", old, dict(sock.request(family.id, get).replies[0][1]))
    t.expect("no key", 0, sock.request(family.id, op.number).error)


def deletes(t):
    op = spec.ops["flow-del"]
    r = sock.request(family.id, op.number, payload(op, {"spi": struct.pack(">I", 99)}))
    t.expect("delete of what is not there", errno.ENOENT, r.error)
    t.expect("with a text", True, bool(r.text))
    t.expect("delete by SPI", 0, sock.request(family.id, op.number, payload(op, SPI)).error)
    t.expect("delete of all, of which there are none", 0, sock.request(family.id, op.number).error)


if __name__ == "__main__":
    sock, family = setup()
    BEFORE = state()
    ktap.run([
        ("each attribute too short, too long, out of range, as a nest", wrong_attributes),
        ("attributes that are not of the request", foreign_attributes),
        ("a key without one of its parts", missing_attributes),
        ("combinations that make no sense", wrong_combinations),
        ("broken messages", broken_messages),
        ("commands that there are not", unknown_commands),
        ("none of this changed anything", nothing_changed),
        ("well-formed requests, each attribute at its limits", right_attributes),
        ("flows are found by key and by filter", keys_and_filters),
        ("deletes", deletes),
        ("settings at their limits", settings),
    ])
