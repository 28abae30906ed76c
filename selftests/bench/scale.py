#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""scale.py - the helper with 10,000 SAs of 1,000 peers: CPU, memory, decisions.

In a virtual machine, as root, in a network namespace of its own:

  selftests/vm/run --timeout 900 -- /selftests/bench/scale.py [--peers N] [--children N]
      [--table] [--json FILE] [--native SPEED]

The SAs are the kernel's own (ip xfrm -batch), the IKE daemon is vici_server.py,
which answers as charon does, with holes and in pieces. Packets come in through a
tun device. Writes KTAP; the numbers are in comments, whatever becomes of the
goals. With --table they are shown as `make bench` shows its own. Times are of a machine
that is emulated and perhaps busy: its speed is told, and with the speed of the real one
(--native, what --speed prints there) what they would be on that.
"""
import argparse
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import vici_server  # noqa: E402

HUB = "192.0.2.1"
RSS_KB = 20 * 1024
# On the real machine: what is measured is scaled by the speed of the two.
IDLE_SHARE = 0.001  # of a processor
DECIDE_US = 200  # with ten children of a peer, each asked of the kernel
NATIVE = 25  # million steps a second, if it is not told
LARGE = 900  # CHILD_SAs: more than 512 KiB of message
PACKETS, SPACING = 6, 0.25  # makes a flow a desync

cases, failures = 0, 0
table = False
missed = []
result = {}


def note(text):
    print("#", text, file=sys.stderr if table else sys.stdout, flush=True)


def check(ok, name):
    global cases, failures
    cases += 1
    failures += not ok
    if table:
        missed.extend([] if ok else [name])
    else:
        print(f"{'ok' if ok else 'not ok'} {cases} {name}", flush=True)
    return ok


def run(*argv, text=None):
    p = subprocess.run(argv, capture_output=True, text=True, input=text)
    if p.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {p.stderr.strip()[:400] or p.returncode}")
    return p.stdout


def wait_for(seconds, fn):
    end = time.monotonic() + seconds
    while True:
        value = fn()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.05)


def speed():
    """How many million steps of a loop a second: to compare machines by."""
    begun, n = time.thread_time(), 300000
    for _ in range(n):
        pass
    return n / (time.thread_time() - begun) / 1e6


class Tun:
    def __init__(self):
        run("modprobe", "tun")
        os.makedirs("/dev/net", exist_ok=True)
        if not os.path.exists("/dev/net/tun"):
            os.mknod("/dev/net/tun", 0o600 | 0o020000, os.makedev(10, 200))
        self.fd = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self.fd, 0x400454ca, struct.pack("16sH22x", b"tun0", 0x1001))
        run("ip", "address", "add", HUB + "/24", "dev", "tun0")
        run("ip", "link", "set", "tun0", "up")
        run("ip", "route", "add", "default", "dev", "tun0")
        for name in "all", "tun0":
            with open(f"/proc/sys/net/ipv4/conf/{name}/rp_filter", "w") as f:
                f.write("0")

    def esp(self, src, spi, seq):
        body = struct.pack(">II", spi, seq) + bytes(96)
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(body), seq, 0, 64, 50, 0,
                           socket.inet_aton(src), socket.inet_aton(HUB))
        s = sum(struct.unpack(">10H", head))
        s = (s >> 16) + (s & 0xffff)
        s += s >> 16
        os.write(self.fd, head[:10] + struct.pack(">H", ~s & 0xffff) + head[12:] + body)


def sa_command(verb, src, dst, spi, keys=True):
    line = f"xfrm state {verb} src {src} dst {dst} proto esp spi 0x{spi:08x}"
    if not keys:
        return line.replace(f"src {src} ", "")
    return line + " reqid 1 mode tunnel enc ecb(cipher_null) \"\" auth hmac(sha1) " \
        "0x" + "5a" * 20


def install(peers):
    lines = []
    for peer in peers:
        for c in peer.children:
            lines.append(sa_command("add", peer.address, HUB, c.spi))
            lines.append(sa_command("add", HUB, peer.address, c.spi ^ 0x5a5a5a5a))
    run("ip", "-batch", "-", text="\n".join(lines) + "\n")
    return len(lines)


class Helper:
    def __init__(self, dir, vici):
        self.control = dir + "/control"
        self.log = open(dir + "/log", "w+")
        self.begun = time.monotonic()
        self.process = subprocess.Popen(
            ["invspid", "-f", "--state", dir + "/state", "--control", self.control,
             "--vici", vici], stdout=self.log, stderr=self.log)
        self.pid = self.process.pid

    def status(self):
        try:
            return json.loads(run("invspi", "-j", "--control", self.control, "status"))["status"]
        except (RuntimeError, ValueError):
            return None

    def ready(self):
        st = self.status()
        return st if st and st["daemon"]["state"] == "ready" else None

    def cpu(self):
        """Seconds of all threads."""
        total = 0
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{task}/schedstat") as f:
                total += int(f.read().split()[0])
        return total / 1e9

    def forget_peak(self):
        with open(f"/proc/{self.pid}/clear_refs", "w") as f:
            f.write("5")

    def memory(self):
        """Resident now, and at most since forget_peak(), in kB."""
        with open(f"/proc/{self.pid}/status") as f:
            lines = dict(line.split(":", 1) for line in f if ":" in line)
        return int(lines["VmRSS"].split()[0]), int(lines["VmHWM"].split()[0])

    def memory_by_kind(self):
        """Resident kB of the heap, of other memory of its own, and of files (shared)."""
        sums, kind = {"heap": 0, "other": 0, "files": 0}, None
        with open(f"/proc/{self.pid}/smaps") as f:
            for line in f:
                words = line.split()
                if not words[0].endswith(":"):
                    name = words[5] if len(words) > 5 else ""
                    kind = "heap" if name == "[heap]" else \
                        "files" if name.startswith("/") else "other"
                elif words[0] == "Rss:":
                    sums[kind] += int(words[1])
        return ", ".join(f"{k} {v} kB" for k, v in sums.items())

    def tell_log(self):
        self.log.seek(0)
        for line in self.log.read().splitlines()[-15:]:
            note("log: " + line)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def measure_idle(helper, seconds):
    cpu, begun = helper.cpu(), time.monotonic()
    time.sleep(seconds)
    share = (helper.cpu() - cpu) / (time.monotonic() - begun)
    result["idle_percent"] = round(share * 100, 3)
    note(f"idle: {share * 100:.3f} % of a processor over {seconds} s")
    return share


def desync(tun, flows):
    for seq in range(1, PACKETS + 1):
        for src, spi in flows:
            tun.esp(src, spi, seq)
        time.sleep(SPACING)


def measure_decisions(helper, tun, flows, what):
    st, cpu = helper.status(), helper.cpu()
    desync(tun, flows)
    time.sleep(3)
    now, used = helper.status(), helper.cpu() - cpu
    n = now["decided"] - st["decided"]
    spent = now["decided"] * now["decide_us"] - st["decided"] * st["decide_us"]
    us = spent / n if n else 0
    note(f"{what}: {len(flows)} flows, {n} decisions, {us:.1f} us each; "
         f"{used * 1000:.0f} ms of processor time in all")
    return n, us


def heal_one(server, tun, peer, child):
    """From the first packet until the rekey is asked for."""
    run("ip", "-batch", "-",
        text=sa_command("delete", peer.address, HUB, child.spi, keys=False) + "\n")
    begun, seq, asked = time.monotonic(), 0, None
    while time.monotonic() - begun < 120 and not asked:
        seq += 1
        tun.esp(peer.address, child.spi, seq)
        time.sleep(0.05)
        asked = next((at for at, name, args in list(server.log)
                      if name == "rekey" and args.get("child-id") == str(child.uniqueid)), None)
    return (asked - begun) * 1000 if asked else None


def check_memory(helper, when):
    rss, peak = helper.memory()
    result[f"memory_{when}_kb"] = peak
    note(f"memory {when}: {rss} kB, at most {peak} kB; {helper.memory_by_kind()}")
    check(peak < RSS_KB, f"resident memory always under {RSS_KB} kB, {when}")


def check_lost(server, helper, tun, peer, child, name, what):
    """One SA is lost, and the daemon's listings have holes and come late."""
    server.gaps, server.delay, server.listing, server.log = 0.02, 0.05, 0.0, []
    ms = heal_one(server, tun, peer, child)
    listing = server.listing * 1000
    server.gaps, server.delay = 0.0, 0.0
    if ms is not None:
        result[name + "_ms"], result[name + "_listing_ms"] = round(ms), round(listing)
    note(f"{what}: rekey asked for after {ms and round(ms)} ms; the daemon's listings took "
         f"{listing:.0f} ms of it")
    if not check(ms is not None, f"{what}: it is rekeyed"):
        helper.tell_log()
    check(all(args.get("child-id") == str(child.uniqueid) for _, _, args in server.log),
          f"{what}: and nothing else is done")


def check_start(helper, what):
    if not check(bool(wait_for(120, helper.ready)), what):
        helper.tell_log()
        return None
    result["ready_s"] = round(time.monotonic() - helper.begun, 1)
    note(f"{what}: after {result['ready_s']} s, {helper.cpu() * 1000:.0f} ms of processor time")
    return helper.status()


def many(dir, tun, opt):
    """A thousand peers with ten SAs each."""
    total = opt.peers * opt.children
    peers = vici_server.hub(opt.peers, opt.children)
    begun = time.monotonic()
    n = install(peers)
    note(f"{n} SAs installed in {time.monotonic() - begun:.1f} s")
    server = vici_server.Server(dir + "/vici", peers, gaps=0.0, chunk=4096)
    helper = Helper(dir, dir + "/vici")
    st = check_start(helper, f"ready with {total} SAs of {opt.peers} peers")
    if not st:
        return
    check(st["kernel"]["sas"] >= n, "the mirror has them all")
    check(not st["history"]["error"] and "stopped" not in st, "nothing to complain about")
    note(f"memory at the start: at most {helper.memory()[1]} kB")
    time.sleep(10)
    helper.forget_peak()
    share = measure_idle(helper, 62)
    check(share * factor(opt) < IDLE_SHARE, "idle: next to no processor time")
    check_memory(helper, "idle")

    helper.forget_peak()
    unknown = [(f"203.0.113.{1 + i % 250}", 0x11000000 + i) for i in range(200)]
    n, us = measure_decisions(helper, tun, unknown, "unknown sources")
    result["decide_unknown_us"] = round(us, 1)
    check(n and us * factor(opt) < DECIDE_US, "a decision about an unknown source takes microseconds")
    known = [(p.address, 0x12000000 + i) for i, p in enumerate(peers[:200])]
    n, us = measure_decisions(helper, tun, known, "peers, unknown SPIs")
    result["decide_peer_us"] = round(us, 1)
    check(n and us * factor(opt) < DECIDE_US, "a decision about a peer takes microseconds")

    peer = peers[opt.peers // 2]
    check_lost(server, helper, tun, peer, peer.children[3], "lost", f"one of {total} SAs is lost")
    check_memory(helper, "busy")
    rows = run("invspi", "--state", dir + "/state", "history", "export")
    sas = sum('"type":"sa"' in line.replace(" ", "") for line in rows.splitlines())
    note(f"history: {sas} SAs, {os.path.getsize(dir + '/state/history.db')} bytes")
    check(sas >= total, "all of them are in the history")
    helper.end()
    helper = Helper(dir, dir + "/vici")
    check_start(helper, "ready again, with that history")
    helper.end()


def large(dir, tun):
    """One IKE_SA with more CHILD_SAs than the daemon can put into a message."""
    run("ip", "xfrm", "state", "flush")
    peers = vici_server.hub(2, LARGE, 0xc8000001, lambda i: f"10.63.0.{1 + i}", 20)
    peers[0].children = peers[0].children[:5]
    install(peers)
    server = vici_server.Server(dir + "/large", peers, chunk=4096)
    # A listing takes longer than a flow may be silent without having ended.
    server.part_delay = 0.008
    helper = Helper(dir + "/2", dir + "/large")
    if check_start(helper, f"ready with {LARGE} CHILD_SAs of one IKE_SA"):
        check_lost(server, helper, tun, peers[1], peers[1].children[700], "large_lost",
                   f"one of {LARGE} of an IKE_SA is lost")
        check(server.discarded > 0, "which is too large for one message")
    helper.tell_log()
    helper.end()


def factor(opt):
    """What to multiply times with to have them on the real machine."""
    return min(1, result["speed"] / opt.native)


def inside(opt):
    dir = tempfile.mkdtemp(prefix="invspi-scale.")
    os.mkdir(dir + "/2")
    tun = Tun()
    result.update(peers=opt.peers, sas=opt.peers * opt.children, speed=round(speed(), 1),
                  native_speed=opt.native)
    note(f"speed: {result['speed']} million steps a second")
    many(dir, tun, opt)
    large(dir, tun)
    result["missed"] = missed


def show(opt):
    f = factor(opt)
    print(f"The helper with {result['sas']:,} SAs of {result['peers']:,} peers, in an emulated machine"
          + (f"; scaled: as on this one,\n{1 / f:.0f} times as fast" if f < 1 else "") + "\n")
    print(f"{'':44}{'measured':>12}{'scaled':>12}{'goal':>12}")
    for name, text, unit, goal, scales in (
            ("memory_idle_kb", "resident memory, idle, at most", "kB", f"{RSS_KB:,}", False),
            ("memory_busy_kb", "resident memory, in the following, at most", "kB", f"{RSS_KB:,}", False),
            ("idle_percent", "idle, of a processor", "%", f"{IDLE_SHARE * 100} %", True),
            ("decide_unknown_us", "a flow from nowhere decided", "us", f"{DECIDE_US} us", True),
            ("decide_peer_us", "a peer's flow decided", "us", f"{DECIDE_US} us", True),
            ("lost_ms", "a lost SA, from its first packet to the rekey", "ms", "", False),
            ("lost_listing_ms", "  in that, the IKE daemon's listings", "ms", "", False),
            ("large_lost_ms", f"the same, {LARGE:,} CHILD_SAs of one IKE_SA", "ms", "", False),
            ("large_lost_listing_ms", "  in that, the IKE daemon's listings", "ms", "", False)):
        if name in result:
            value = result[name]
            scaled = f"{value * f:,.3g} {unit}" if scales and f < 1 else ""
            print(f"{text:44}{f'{value:,} {unit}':>12}{scaled:>12}{goal:>12}")
    print("\n" + ("".join(f"MISSED    {name}\n" for name in missed) or "reached   all goals\n"))


def main():
    global table
    p = argparse.ArgumentParser()
    p.add_argument("--peers", type=int, default=1000)
    p.add_argument("--children", type=int, default=10)
    p.add_argument("--table", action="store_true")
    p.add_argument("--json")
    p.add_argument("--native", type=float, default=float(os.environ.get("NATIVE", NATIVE)))
    p.add_argument("--speed", action="store_true")
    p.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    opt = p.parse_args()
    if opt.speed:
        print(f"{max(speed() for _ in range(5)):.1f}")
        return
    if not opt.inside:
        for m in "esp4", "xfrm_user", "hmac", "sha1_generic", "crypto_null", "xfrm_invspi":
            subprocess.run(["modprobe", "-q", m])
        name = f"invspi-scale-{os.getpid()}"
        run("ip", "netns", "add", name)
        try:
            sys.exit(subprocess.run(["ip", "netns", "exec", name, sys.executable, __file__,
                                     "--inside", *sys.argv[1:]]).returncode)
        finally:
            run("ip", "netns", "delete", name)
    table = opt.table
    if not table:
        print("TAP version 13", flush=True)
    try:
        inside(opt)
    except (RuntimeError, OSError) as e:
        check(False, f"went through to the end: {e}")
    if opt.json:
        with open(opt.json, "w") as f:
            json.dump(result, f, indent=1)
    if table:
        show(opt)
    else:
        print(f"1..{cases}")
        print(f"# Totals: pass:{cases - failures} fail:{failures} xfail:0 xpass:0 skip:0 error:0")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
