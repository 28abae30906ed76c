#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""scale.py - the helper with 10,000 SAs of 1,000 peers: CPU, memory, decisions.

In a virtual machine, as root, in a network namespace of its own:

  selftests/vm/run --timeout 900 -- /selftests/bench/scale.py [--peers N] [--children N]

The SAs are the kernel's own (ip xfrm -batch), the IKE daemon is vici_server.py,
which answers as charon does, with holes and in pieces. Packets come in through a
tun device. Writes KTAP; the numbers are in comments, whatever becomes of the
goals. Processor time is the scheduler's, so a machine that is busy, or emulated,
does not matter but for its speed; the speed is told.
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
IDLE_SHARE = 0.005  # of a processor, on the machine's own speed
DECIDE_US = 1000  # in an emulated machine, 20 to 50 times slower than a real one
PACKETS, SPACING = 6, 0.25  # makes a flow a desync

cases, failures = 0, 0


def note(text):
    print("#", text, flush=True)


def check(ok, name):
    global cases, failures
    cases += 1
    failures += not ok
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

    def memory(self):
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
    while time.monotonic() - begun < 20 and not asked:
        seq += 1
        tun.esp(peer.address, child.spi, seq)
        time.sleep(0.05)
        asked = next((at for at, name, args in list(server.log)
                      if name == "rekey" and args.get("child-id") == str(child.uniqueid)), None)
    return (asked - begun) * 1000 if asked else None


def inside(opt):
    dir = tempfile.mkdtemp(prefix="invspi-scale.")
    total = opt.peers * opt.children
    peers = vici_server.hub(opt.peers, opt.children)
    tun = Tun()
    note(f"speed: {speed():.1f} million steps a second")
    begun = time.monotonic()
    n = install(peers)
    note(f"{n} SAs installed in {time.monotonic() - begun:.1f} s")
    server = vici_server.Server(dir + "/vici", peers, gaps=0.0, chunk=4096)

    helper = Helper(dir, dir + "/vici")
    st = wait_for(120, helper.ready)
    if not check(bool(st), f"ready with {total} SAs of {opt.peers} peers"):
        helper.tell_log()
        return
    note(f"ready after {time.monotonic() - helper.begun:.1f} s, {helper.cpu() * 1000:.0f} ms of "
         f"processor time; the kernel has {st['kernel']['sas']} SAs")
    check(st["kernel"]["sas"] >= n, "the mirror has them all")
    check(not st["history"]["error"] and "stopped" not in st, "nothing to complain about")
    wait_for(30, lambda: time.sleep(5) or True)
    note("memory: %d kB, at most %d kB" % helper.memory())
    note("memory: " + helper.memory_by_kind())

    share = measure_idle(helper, 62)
    check(share < IDLE_SHARE * max(1, 25 / speed()), "idle: next to no processor time")

    unknown = [(f"203.0.113.{1 + i % 250}", 0x11000000 + i) for i in range(200)]
    n, us = measure_decisions(helper, tun, unknown, "unknown sources")
    check(n and us < DECIDE_US, "a decision about an unknown source takes microseconds")
    known = [(p.address, 0x12000000 + i) for i, p in enumerate(peers[:200])]
    n, us = measure_decisions(helper, tun, known, "peers, unknown SPIs")
    check(n and us < DECIDE_US, "a decision about a peer takes microseconds")

    server.gaps, server.delay = 0.02, 0.05
    ms = heal_one(server, tun, peers[opt.peers // 2], peers[opt.peers // 2].children[3])
    note(f"one SA lost: rekey asked for after {ms and round(ms)} ms, with holes in listings")
    if not check(ms is not None, "one of them is lost: it is rekeyed"):
        helper.tell_log()
    rekeys = [args for _, name, args in server.log]
    check(all(args.get("child-id") == str(peers[opt.peers // 2].children[3].uniqueid)
              for args in rekeys), "and no other")
    server.gaps, server.delay = 0.0, 0.0

    rss, peak = helper.memory()
    note(f"memory: {rss} kB, at most {peak} kB")
    check(rss < RSS_KB, f"resident memory under {RSS_KB} kB")
    rows = run("invspi", "history", "limit", "0", "--state", dir + "/state") if False else \
        run("invspi", "--state", dir + "/state", "history", "export")
    sas = sum('"type":"sa"' in line.replace(" ", "") for line in rows.splitlines())
    note(f"history: {sas} SAs, {os.path.getsize(dir + '/state/history.db')} bytes")
    check(sas >= total, "all of them are in the history")

    helper.end()
    helper = Helper(dir, dir + "/vici")
    check(bool(wait_for(120, helper.ready)), "started again, with that history")
    note(f"ready again after {time.monotonic() - helper.begun:.1f} s, "
         f"{helper.cpu() * 1000:.0f} ms of processor time")
    helper.end()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--peers", type=int, default=1000)
    p.add_argument("--children", type=int, default=10)
    p.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    opt = p.parse_args()
    if not opt.inside:
        for m in "esp4", "xfrm_user", "hmac", "sha1_generic", "crypto_null", "xfrm_invspi":
            subprocess.run(["modprobe", "-q", m])
        name = f"invspi-scale-{os.getpid()}"
        run("ip", "netns", "add", name)
        try:
            sys.exit(subprocess.run(["ip", "netns", "exec", name, sys.executable, __file__,
                                     "--inside", "--peers", str(opt.peers),
                                     "--children", str(opt.children)]).returncode)
        finally:
            run("ip", "netns", "delete", name)
    print("TAP version 13", flush=True)
    try:
        inside(opt)
    except (RuntimeError, OSError) as e:
        check(False, f"went through to the end: {e}")
    print(f"1..{cases}")
    print(f"# Totals: pass:{cases - failures} fail:{failures} xfail:0 xpass:0 skip:0 error:0")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
