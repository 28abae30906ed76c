#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""esp_in_tcp.py listen ADDRESS PORT - takes ESP in TCP as an IKE daemon does: accepts
connections, and leaves what comes to the kernel.

esp_in_tcp.py send SPI COUNT ADDRESS PORT - a peer that sends ESP without an SA: one
packet after the other, then all of them at once, then byte by byte.
"""
import socket
import struct
import sys

TCP_ULP = 31
PREFIX = b"IKETCP"


def address_of(host, port):
    return socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]


def listen(host, port):
    family, kind, _, _, address = address_of(host, port)
    server = socket.socket(family, kind)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(address)
    server.listen()
    print("ready", flush=True)
    kept = []
    while True:
        peer, _ = server.accept()
        got = b""
        while len(got) < len(PREFIX):
            got += peer.recv(len(PREFIX) - len(got))
        peer.setsockopt(socket.SOL_TCP, TCP_ULP, b"espintcp")
        kept.append(peer)


def frame(spi, seq):
    esp = struct.pack(">II", spi, seq) + bytes(64)
    return struct.pack(">H", len(esp) + 2) + esp


def send(spi, count, host, port):
    family, kind, _, _, address = address_of(host, port)
    peer = socket.socket(family, kind)
    peer.connect(address)
    peer.setsockopt(socket.SOL_TCP, socket.TCP_NODELAY, 1)
    frames = [frame(int(spi, 0), n + 1) for n in range(int(count))]
    peer.sendall(PREFIX)
    for f in frames:
        peer.sendall(f)
    peer.sendall(b"".join(frames))
    for byte in b"".join(frames):
        peer.sendall(bytes([byte]))
    peer.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    {"listen": listen, "send": send}[sys.argv[1]](*sys.argv[2:])
