#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A VICI server that answers as charon 5.9 does, for any number of SAs.

Listings come in pieces, late, and with holes: a noblock listing leaves out the
IKE_SAs that are busy. A message of more than 512 KiB is dropped and only the
log tells, as charon's vici plugin does.
"""
import os
import random
import socket
import struct
import sys
import threading
import time

REQUEST, RESPONSE, UNKNOWN, REGISTER, UNREGISTER, CONFIRM, EVENT_UNKNOWN, EVENT = range(8)
MESSAGE_MAX = 512 * 1024


def kv(key, value):
    k, v = key.encode(), str(value).encode()
    return b"\x03" + bytes([len(k)]) + k + struct.pack(">H", len(v)) + v


def section(name, content):
    n = name.encode()
    return b"\x01" + bytes([len(n)]) + n + content + b"\x02"


def items(name, values):
    n = name.encode()
    content = b"".join(b"\x05" + struct.pack(">H", len(v.encode())) + v.encode() for v in values)
    return b"\x04" + bytes([len(n)]) + n + content + b"\x06"


def arguments(data):
    """The plain keys of a request."""
    out, at = {}, 0
    while at < len(data):
        kind, n = data[at], data[at + 1]
        if kind != 3:
            break
        key = data[at + 2:at + 2 + n].decode()
        at += 2 + n
        size, = struct.unpack_from(">H", data, at)
        out[key] = data[at + 2:at + 2 + size].decode()
        at += 2 + size
    return out


class Child:
    def __init__(self, name, uniqueid, spi, selectors=1):
        self.name, self.uniqueid, self.spi, self.selectors = name, uniqueid, spi, selectors
        self.key = f"{name}-{uniqueid}"
        self.message = None

    def encode(self, peer):
        if not self.message:
            u = self.uniqueid
            self.message = section(self.key, b"".join(kv(*x) for x in [
                ("name", self.name), ("uniqueid", u), ("reqid", u), ("state", "INSTALLED"),
                ("mode", "TUNNEL"), ("protocol", "ESP"), ("spi-in", f"{self.spi:08x}"),
                ("spi-out", f"{self.spi ^ 0x5a5a5a5a:08x}"), ("encr-alg", "AES_GCM_16"),
                ("encr-keysize", 128), ("bytes-in", 84), ("packets-in", 1), ("use-in", 1),
                ("bytes-out", 84), ("packets-out", 1), ("use-out", 1), ("rekey-time", 3012),
                ("life-time", 3712), ("install-time", 248)]) +
                items("local-ts", [f"10.{k}.0.0/16" for k in range(1, 1 + self.selectors)]) +
                items("remote-ts", [f"10.{128 + peer // 256}.{peer % 256}.0/24"]))
        return self.message


class Peer:
    """A connection with one IKE_SA."""

    def __init__(self, nr, address, children):
        self.nr, self.address, self.children = nr, address, children
        self.name = f"peer-{nr}"

    def head(self):
        return b"".join(kv(*x) for x in [
            ("uniqueid", self.nr + 1), ("version", 2), ("state", "ESTABLISHED"),
            ("local-host", "192.0.2.1"), ("local-port", 500), ("local-id", "hub.example"),
            ("remote-host", self.address), ("remote-port", 500),
            ("remote-id", f"spoke-{self.nr}.example"), ("initiator", "yes"),
            ("initiator-spi", f"{self.nr:016x}"), ("responder-spi", f"{self.nr + 7:016x}"),
            ("encr-alg", "AES_GCM_16"), ("encr-keysize", 128), ("prf-alg", "PRF_HMAC_SHA2_256"),
            ("dh-group", "CURVE_25519"), ("established", 248), ("rekey-time", 13105)])

    def list_sa(self, name=None, child_id=None):
        kids = [c for c in self.children
                if (not name or c.name == name) and (not child_id or c.uniqueid == child_id)]
        return section(self.name, self.head() + section(
            "child-sas", b"".join(c.encode(self.nr) for c in kids)))

    def list_conn(self):
        names = sorted({c.name for c in self.children})
        return section(self.name, items("local_addrs", ["192.0.2.1"]) +
                       items("remote_addrs", [self.address]) + kv("version", "IKEv2") +
                       kv("reauth_time", 0) + kv("rekey_time", 14400) + kv("unique", "UNIQUE_NO") +
                       section("local-1", kv("class", "pre-shared key") + kv("id", "hub.example")) +
                       section("remote-1", kv("class", "pre-shared key") +
                               kv("id", f"spoke-{self.nr}.example")) +
                       section("children", b"".join(
                           section(n, kv("mode", "TUNNEL") + kv("rekey_time", 3600)) for n in names)))


class Server:
    """@gaps: share of the IKE_SAs that a noblock listing leaves out; @delay: of each
    listing, in seconds; @part_delay: if only one IKE_SA is asked for; @chunk: bytes
    written at once; @filters: whether this charon knows the filters for children
    (since 5.9.6)."""

    def __init__(self, path, peers, gaps=0.0, delay=0.0, chunk=65536, filters=True):
        self.peers, self.gaps, self.delay, self.chunk = peers, gaps, delay, chunk
        self.filters = filters
        self.part_delay = 0.0
        self.asked = {}  # requests by name, and when the last one came
        self.listing = 0.0  # seconds spent on listings
        self.discarded = 0
        self.log = []  # (time, command, arguments) of what changes something
        self.clients, self.lock = [], threading.Lock()
        if os.path.exists(path):
            os.unlink(path)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen(16)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client = Client(self, self.listener.accept()[0])
            with self.lock:
                self.clients.append(client)
            threading.Thread(target=client.run, daemon=True).start()

    def event(self, name, message):
        with self.lock:
            clients = list(self.clients)
        for client in clients:
            client.event(name, message)

    def log_line(self, group, text):
        self.event("log", kv("group", group) + kv("level", 1) + kv("thread", 7) + kv("msg", text))


class Client:
    def __init__(self, server, sock):
        self.server, self.sock = server, sock
        self.events, self.lock = set(), threading.Lock()

    def write(self, packet):
        data = struct.pack(">I", len(packet)) + packet
        with self.lock:
            for i in range(0, len(data), self.server.chunk):
                self.sock.sendall(data[i:i + self.server.chunk])

    def event(self, name, message):
        if name not in self.events:
            return
        n = name.encode()
        try:
            self.write(bytes([EVENT, len(n)]) + n + message)
        except OSError:
            pass

    def read(self, n):
        data = b""
        while len(data) < n:
            more = self.sock.recv(n - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def run(self):
        try:
            while True:
                size, = struct.unpack(">I", self.read(4))
                self.packet(self.read(size))
        except (EOFError, OSError):
            with self.server.lock:
                self.server.clients.remove(self)

    def packet(self, data):
        kind, n = data[0], data[1]
        name = data[2:2 + n].decode()
        if kind == REGISTER:
            self.events.add(name)
            self.write(bytes([CONFIRM]))
        elif kind == UNREGISTER:
            self.events.discard(name)
            self.write(bytes([CONFIRM]))
        elif kind == REQUEST:
            self.server.asked[name] = (self.server.asked.get(name, (0, 0))[0] + 1,
                                       time.monotonic())
            fn = getattr(self, "do_" + name.replace("-", "_"), None)
            if fn:
                self.write(bytes([RESPONSE]) + fn(arguments(data[2 + n:])))
            else:
                self.write(bytes([UNKNOWN]))

    def stream(self, name, message):
        if len(message) + len(name) + 2 > MESSAGE_MAX:
            self.server.discarded += 1
            self.server.log_line("CFG", f"vici message size {len(message)} exceeds maximum size "
                                 f"of {MESSAGE_MAX}, discarded")
        else:
            self.event(name, message)

    def do_version(self, args):
        return kv("daemon", "charon-systemd") + kv("version", "5.9.8") + kv("sysname", "Linux")

    def do_stats(self, args):
        return section("uptime", kv("running", "5 minutes")) + \
            items("plugins", ["charon-systemd", "kernel-netlink", "vici"])

    def do_list_conns(self, args):
        for peer in self.server.peers:
            if args.get("ike") in (None, peer.name):
                self.stream("list-conn", peer.list_conn())
        return b""

    def do_get_conns(self, args):
        return items("conns", [p.name for p in self.server.peers])

    def do_list_sas(self, args):
        server, begun = self.server, time.monotonic()
        # a single IKE_SA is found at once; all of them take charon a while
        time.sleep(server.part_delay if "ike-id" in args else server.delay)
        child = args.get("child") if server.filters else None
        child_id = int(args.get("child-id", 0)) if server.filters else 0
        for peer in server.peers:
            if args.get("ike") not in (None, peer.name):
                continue
            if "ike-id" in args and int(args["ike-id"]) != peer.nr + 1:
                continue
            if "noblock" in args and random.random() < server.gaps:
                continue
            self.stream("list-sa", peer.list_sa(child, child_id))
        server.listing += time.monotonic() - begun
        return b""

    def do_rekey(self, args):
        self.server.log.append((time.monotonic(), "rekey", args))
        return kv("success", "yes") + kv("matches", 1)

    def do_initiate(self, args):
        self.server.log.append((time.monotonic(), "initiate", args))
        return kv("success", "no") + kv("errmsg", "establishing CHILD_SA failed")

    def do_terminate(self, args):
        self.server.log.append((time.monotonic(), "terminate", args))
        return kv("success", "yes") + kv("matches", 1)


def hub(peers, children, first_spi=0xc0000001, address=None, selectors=1):
    """@peers spokes with @children each: unique names within a spoke."""
    def where(i):
        return f"10.{64 + i // 250 // 250}.{i // 250 % 250}.{1 + i % 250}"
    out, nr = [], 0
    for p in range(peers):
        kids = [Child(f"net-{k}", nr + k + 1, first_spi + nr + k, selectors) for k in range(children)]
        nr += children
        out.append(Peer(p, (address or where)(p), kids))
    return out


def main():
    if len(sys.argv) < 4:
        sys.exit("Usage: vici_server.py SOCKET PEERS CHILDREN [GAPS [DELAY [CHUNK]]]")
    Server(sys.argv[1], hub(int(sys.argv[2]), int(sys.argv[3])),
           *map(float, sys.argv[4:6]), *map(int, sys.argv[6:7]))
    threading.Event().wait()


if __name__ == "__main__":
    main()
