# SPDX-License-Identifier: GPL-2.0-only
"""The machine that make bench measures on: packets, and those who count them."""
import ctypes
import json
import os
import re
import resource
import socket
import struct
import subprocess
import time

DEBUGFS = "/sys/kernel/debug/invspi_bench/"
DEVICE = "bench0"
SELF4, PEER4 = "192.0.2.1", "192.0.2.2"
SELF6, PEER6 = "2001:db8::1", "2001:db8::2"
INNER_SELF, INNER_PEER, INNER_PORT = "10.1.0.1", "10.2.0.1", 4000
SA_SPI = 0x10000001
KEY, SALT = bytes(range(16)), b"salt"
SLOTS = 4096  # of our table, of the eBPF maps and of the nftables sets


def run(*argv, text=None):
    p = subprocess.run(argv, capture_output=True, text=True, input=text)
    if p.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {p.stderr.strip() or p.stdout.strip()}")
    return p.stdout


def invspi(*argv):
    return json.loads(run("invspi", "-j", *argv) or "[]")


def write(path, data):
    with open(path, "wb", buffering=0) as f:
        f.write(data.encode() if isinstance(data, str) else data)


def xfrm_stat():
    with open("/proc/net/xfrm_stat") as f:
        return {k: int(v) for k, v in map(str.split, f)}


# Packets


def checksum(data):
    s = sum(struct.unpack(f">{len(data) // 2}H", data))
    s = (s >> 16) + (s & 0xffff)
    return ~(s + (s >> 16)) & 0xffff


def ipv4(proto, payload, src=PEER4, dst=SELF4):
    h = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, proto, 0,
                    socket.inet_aton(src), socket.inet_aton(dst))
    return h[:10] + struct.pack(">H", checksum(h)) + h[12:] + payload


def ipv6(proto, payload):
    return struct.pack(">IHBB", 6 << 28, len(payload), proto, 64) + \
        socket.inet_pton(socket.AF_INET6, PEER6) + socket.inet_pton(socket.AF_INET6, SELF6) + payload


def unknown_esp():
    return struct.pack(">II", 0, 1) + bytes(120)


def udp(sport, dport, n):
    return struct.pack(">HHHH", sport, dport, 8 + n, 0) + bytes(n)


def valid_esp():
    """Tunnel mode, AES-GCM with 128 bits, as IKE daemons agree on today."""
    inner = ipv4(17, udp(INNER_PORT, INNER_PORT, 72), INNER_PEER, INNER_SELF)
    pad = -(len(inner) + 2) % 4
    plain = inner + bytes(range(1, pad + 1)) + bytes([pad, 4])
    head, iv = struct.pack(">II", SA_SPI, 1), struct.pack(">Q", 1)
    with socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET) as alg:
        alg.bind(("aead", "gcm(aes)"))
        alg.setsockopt(socket.SOL_ALG, socket.ALG_SET_KEY, KEY)
        alg.setsockopt(socket.SOL_ALG, socket.ALG_SET_AEAD_AUTHSIZE, None, 16)
        op, _ = alg.accept()
        with op:
            op.sendmsg_afalg([head + plain], op=socket.ALG_OP_ENCRYPT, iv=SALT + iv,
                             assoclen=len(head))
            sealed = op.recv(len(head) + len(plain) + 16)
    return head + iv + sealed[len(head):]


class Source:
    """bench_source. Numbers of flows, never given twice, stand for their SPIs."""

    def __init__(self):
        self.packets = {"valid": ipv4(50, valid_esp()), "drop4": ipv4(50, unknown_esp()),
                        "drop6": ipv6(50, unknown_esp())}
        self.dropped = 0
        self._next = 1

    def numbers(self, n):
        first, self._next = self._next, self._next + n
        return first

    def load(self, packet):
        write(DEBUGFS + "packet", self.packets.get(packet, packet))

    def send(self, count, first=0, flows=0):
        """Instructions per packet, or None if a tick hit each of them."""
        write(DEBUGFS + "send", f"{count} {first} {flows}")
        if flows:
            self.dropped += count
        with open(DEBUGFS + "send") as f:
            measured, cycles, _, _ = map(int, f.read().split())
        return cycles / measured if measured else None

    @staticmethod
    def spi(number):
        return number * 0x9e3779b1 & 0xffffffff


def swallow():
    """A socket that takes the packets of the tunnel and keeps none: always the same."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((INNER_SELF, INNER_PORT))
    drop = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # return 0
    s.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HxxxxxxP", 1, ctypes.addressof(drop)))
    return s


def set_up(modules):
    """Addresses, an SA, the packet source. Everything is in the initial namespace."""
    run("modprobe", "-a", "dummy", "esp4", "esp6", "xfrm_user")
    run("dmesg", "-n", "1")  # the log goes to memory: no console waits here
    for path in ("all", "default"):
        write(f"/proc/sys/net/ipv4/conf/{path}/rp_filter", "0")
    run("ip", "link", "add", DEVICE, "type", "dummy")
    run("ip", "link", "set", DEVICE, "up")
    run("ip", "addr", "add", f"{SELF4}/24", "dev", DEVICE)
    run("ip", "addr", "add", f"{SELF6}/64", "dev", DEVICE, "nodad")
    run("ip", "addr", "add", f"{INNER_SELF}/32", "dev", "lo")
    # without a replay window one and the same packet is valid again and again
    run("ip", "xfrm", "state", "add", "src", PEER4, "dst", SELF4, "proto", "esp", "spi",
        hex(SA_SPI), "reqid", "1", "mode", "tunnel", "replay-window", "0",
        "aead", "rfc4106(gcm(aes))", "0x" + (KEY + SALT).hex(), "128")
    run("ip", "xfrm", "policy", "add", "src", f"{INNER_PEER}/32", "dst", f"{INNER_SELF}/32",
        "dir", "in", "tmpl", "src", PEER4, "dst", SELF4, "proto", "esp", "reqid", "1",
        "mode", "tunnel")
    run("insmod", f"{modules}/bench_source.ko", f"dev={DEVICE}")


def accepted():
    """Packets that the SA has let through."""
    out = run("ip", "-s", "xfrm", "state", "list", "spi", hex(SA_SPI))
    return int(re.search(r"lifetime current:\s+\d+\(bytes\), (\d+)\(packets\)", out).group(1))


# Who counts. counted() is what all flows there add up to, and how many there are.


class Column:
    name = title = ""
    exact = False  # counts everything, whatever comes

    def __init__(self, folder):
        self.folder = folder

    def start(self):
        pass

    def stop(self):
        pass

    def counted(self):
        return None

    def flows(self):
        """{spi: packets} of IPv4"""
        return {}

    def deferred(self):
        """Nanoseconds that other tasks have worked on the packets so far."""
        return 0


class Bare(Column):
    name, title = "bare", "bare kernel"


class BareAgain(Column):
    name, title = "bare_again", "bare again"


class Empty(Column):
    name, title = "empty", "two empty callbacks"

    def start(self):
        run("insmod", f"{self.folder}/bench_empty.ko")

    def stop(self):
        run("rmmod", "bench_empty")


class Ours(Column):
    name, title = "ours", "xfrm_invspi"
    exact = True

    def start(self):
        run("modprobe", "xfrm_invspi")

    def stop(self):
        run("rmmod", "xfrm_invspi")

    def counted(self):
        st = invspi("stats", "show")
        held = sum(sum(f["reasons"].values()) if "reasons" in f else f["packets"]
                   for f in invspi("flow", "show"))
        sums = held + st["evicted_packets"] + st["deleted_packets"] + st["untracked_packets"]
        total = sum(st["packets"].values())
        if sums != total:
            raise RuntimeError(f"the sums do not agree: {sums} in flows and counters, {total} in all")
        return total, st["flows"]

    def flows(self):
        return {int(f["spi"], 16): f["packets"] for f in invspi("flow", "show")
                if f["src"] == PEER4}


class Helper(Column):
    """A column with a program that runs alongside, and answers."""
    argv = ()

    def start(self):
        self.p = subprocess.Popen([f"{self.folder}/{self.argv[0]}", *self.arguments()],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.p.stdout.readline() != "ready\n":
            raise RuntimeError(f"{self.argv[0]} did not start")

    def arguments(self):
        return self.argv[1:]

    def stop(self):
        self.p.stdin.close()
        if self.p.wait():
            raise RuntimeError(f"{self.argv[0]} ended with {self.p.returncode}")

    def tell(self, line):
        self.p.stdin.write(line + "\n")
        self.p.stdin.flush()


class Bpf(Helper):
    object = ""
    argv = ("bench_bpf",)

    def arguments(self):
        return (f"{self.folder}/{self.object}",)

    def ask(self, line):
        self.tell(line)
        out = []
        while (answer := self.p.stdout.readline()) not in ("\n", ""):
            out.append(answer.split())
        return out

    def dump(self, which):
        """[(spi, packets)...]"""
        return [(int(key[-8:], 16), int(packets)) for key, packets, _ in self.ask(f"dump {which}")]

    def counted(self):
        both = self.dump("rival4") + self.dump("rival6")
        return sum(packets for _, packets in both), len(both)

    def flows(self):
        return dict(self.dump("rival4"))

    def memory(self, which):
        return int(self.ask(f"memory {which}")[0][0])


class Fentry(Bpf):
    name, title, object = "fentry", "eBPF fentry", "fentry.bpf.o"


class Kprobe(Bpf):
    name, title, object = "kprobe", "eBPF kprobe", "kprobe.bpf.o"


class Nft(Column):
    name, title = "nft", "nftables set"
    families = (("ip", "ip"), ("ip6", "ip6"))

    def start(self):
        run("nft", "-f", "-", text="".join(f"""
            table {family} bench {{
                set missed {{
                    typeof {h} saddr . {h} daddr . esp spi
                    size {SLOTS}
                    flags dynamic
                }}
                chain input {{
                    type filter hook input priority 0
                    add @missed {{ {h} saddr . {h} daddr . esp spi counter }}
                }}
            }}
            """ for family, h in self.families))

    def stop(self):
        for family, _ in self.families:
            run("nft", "delete", "table", family, "bench")

    def elements(self, family):
        out = json.loads(run("nft", "-j", "list", "set", family, "bench", "missed"))
        for item in out["nftables"]:
            if "set" in item:
                return [(e["elem"]["val"]["concat"][2], e["elem"]["counter"]["packets"])
                        for e in item["set"].get("elem", [])]
        return []

    def counted(self):
        both = [e for family, _ in self.families for e in self.elements(family) if e[0] != SA_SPI]
        return sum(packets for _, packets in both), len(both)

    def flows(self):
        return dict(self.elements("ip"))


class Audit(Helper):
    name, title, argv, exact = "audit", "audit + reader", ("bench_nl", "audit"), True

    def start(self):
        super().start()
        self.kauditd = next(p for p in os.listdir("/proc") if p.isdigit() and
                            open(f"/proc/{p}/comm").read() == "kauditd\n")

    def counted(self):
        self.tell("count")
        return int(self.p.stdout.readline()), 0

    def deferred(self):
        time.sleep(0.1)  # of the machine's time, in which it does nothing else
        return sum(int(open(f"/proc/{p}/schedstat").read().split()[0])
                   for p in (self.kauditd, self.p.pid))


COLUMNS = (Bare, Empty, Ours, Fentry, Kprobe, Nft, Audit, BareAgain)


def children_ns():
    """Processor time of the children that have ended."""
    r = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (r.ru_utime + r.ru_stime) * 1e9
