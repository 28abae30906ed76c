#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""
invspi top on real pseudo terminals of several kinds: keys, sizes, its end. What invspid
would say is made up here; top.sh has the real one. INVSPI: the program (that of the
tree).
"""
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../contract")]

import ktap
from vt import Terminal

INVSPI = os.environ.get("INVSPI", os.path.join(HERE, "../../tools/invspi/invspi"))
FOLDER = tempfile.TemporaryDirectory()
CONTROL = FOLDER.name + "/control"


def connection(n, **more):
    return dict({"conn": f"gw{n:02}", "peer": f"192.0.2.{n}", "children": 1, "mode": "recover",
                 "held": False, "flows": 0, "desync": 0, "packets": 0, "gave_up": 0,
                 "outcomes": {"healed": 0, "quiet": 0, "stale": 0, "failed": 0},
                 "last": None}, **more)


class Invspid(threading.Thread):
    """Answers "top" with self.connections; a silent one does not answer at all."""

    def __init__(self):
        super().__init__(daemon=True)
        self.silent = False
        self.asked = 0
        self.connections = [connection(n) for n in range(40)]
        self.connections[7].update(desync=1, flows=1, packets=412, last={
            "grade": "lost_in_kernel", "action": "rekey", "outcome": "failed", "ago_ms": 3000,
            "took_ms": None})
        self.connections[8].update(last={"grade": "lost_in_kernel", "action": "rekey",
                                         "outcome": "healed", "ago_ms": 63000, "took_ms": 471})
        self.connections[5]["children"] = 0
        self.connections[9]["conn"] = "evil\x1b[2J\x07\u202e\nname"
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(CONTROL)
        self.socket.listen(8)

    def run(self):
        held = []
        while True:
            client = self.socket.accept()[0]
            if self.silent:
                held.append(client)
                continue
            client.recv(4096)
            self.asked += 1
            self.connections[7]["packets"] += 10
            client.sendall(json.dumps({
                "ok": True, "connections": self.connections, "flows": [],
                "status": {"mode": "recover", "uptime_ms": 5000, "in_flight": 0,
                           "daemon": {"state": "ready"}, "outcomes": {"healed": 1},
                           "settings": {"holds": 0}, "history": {"error": None}},
                "connections_left_out": 0, "flows_left_out": 0}).encode() + b"\n")
            client.close()


invspid = Invspid()
invspid.start()


def top(*args, **more):
    return Terminal([INVSPI, "--control", CONTROL, "top", "-d", "100ms", *args], **more)


def kinds(case):
    """Every kind of terminal shows the same."""
    screens = {}
    for term in "xterm", "xterm-256color", "vt100", "vt220", "linux", "screen", "tmux", "ansi":
        t = top(term=term, env={"LC_ALL": "C.UTF-8"})
        t.wait("gw07.*DESYNC")
        t.wait("h help q quit")
        screens[term] = [line for line in t.screen.lines()[4:8]]
        t.send("q")
        case.expect(f"{term}: exit status", 0, t.end())
        case.expect(f"{term}: the titles", True, screens[term][0].startswith("CONNECTION"))
        case.expect(f"{term}: the worst first", "gw07", screens[term][1][:4])


def no_terminals(case):
    """What cannot do it is told so, and what helps."""
    for term, want in ("dumb", "cannot move its cursor"), ("nonsense", "is not known here"), \
            ("", "TERM is not set"):
        t = top(term=term)
        status = t.end()
        case.expect(f"{term}: exit status", 1, status)
        case.expect(f"{term}: {t.screen.text()}", True,
                    want in t.screen.text() and "-b writes text" in t.screen.text())


def keys(case):
    t = top(env={"LC_ALL": "C.UTF-8"})
    t.wait(r"gw07 +192.0.2.7 +DESYNC")
    case.expect("the last one of 40 is not on the screen", False, "gw39" in t.screen.text())
    t.send("G")
    t.wait("gw39 +192.0.2.39 +ok")
    t.wait("gw39: 0 flows dropped now, 0 desync; 1 CHILD_SA, mode recover, peer 192.0.2.39")
    t.send("g")
    t.wait("gw07: 1 flow dropped now, 1 desync")
    t.wait("`invspi explain conn' says what blocks it")
    t.wait("gw05 +192.0.2.5 +no SAs")
    t.send("jj")
    t.wait("gw00: 0 flows")
    t.send("k\x1bOB\x1bOB")
    t.wait("gw01: 0 flows")
    t.send("d")
    t.wait("(?s)gw07.*by state trouble")
    case.expect("only what is in trouble", False, "gw08" in t.screen.text())
    t.send("d/gw3")
    t.wait("show only: gw3_")
    t.send("8\x7f9\r")
    t.wait(r"(?s)gw39.*by state /gw39")
    case.expect("only what has that", 1, sum(" ok " in line for line in t.screen.lines()))
    t.send("/\x1b")
    t.wait("gw01 +")
    t.send("s")
    t.wait("by rate")
    t.send("S")
    t.wait("by state")
    t.send("r")
    t.wait(r"by state \(reverse\)")
    t.send("r?")
    t.wait("(?s)arrows, j k.*RATE/s")
    t.send("x")
    t.wait("gw07")
    t.send("v")
    t.wait("SOURCE ")
    t.send("\t")
    t.wait("CONNECTION ")
    t.send("++")
    t.wait("0.3s by")
    t.send("----")
    t.wait("0.1s by")
    t.send("p")
    t.wait("PAUSED")
    asked = invspid.asked
    time.sleep(0.5)
    case.expect("nothing is asked meanwhile", asked, invspid.asked)
    t.send(" ")
    t.wait("0.1s by state  h help")
    t.send("q")
    case.expect("exit status", 0, t.end())


def harmless(case):
    """A name that would clear the screen, ring and turn the text around."""
    t = top("-f", "evil", cols=120, env={"LC_ALL": "C.UTF-8"})
    text = t.wait("(?s)evil.*h help q quit")
    case.expect("it is escaped", True, r"evil\x1b[2J\x07\xe2\x80\xae\x0aname" in text)
    t.send("q")
    t.end()


def sizes(case):
    t = top(env={"LC_ALL": "C.UTF-8"})
    t.wait("gw07")
    for cols, rows in (120, 40), (40, 10), (200, 60), (20, 5), (1, 1), (10, 3), (80, 24):
        t.resize(cols, rows)
        if cols >= 80:
            # in the last line
            t.wait(rf"(?s)\A([^\n]*\n){{{rows - 1}}}[^\n]*h help q quit[^\n]*\n?\Z")
            case.expect(f"{cols}x{rows}: the list is there", True, "gw07" in t.screen.text())
        else:
            t.read(0.4)
        case.expect(f"{cols}x{rows}: it lives", None, t.status)
    t.send("q")
    case.expect("exit status", 0, t.end())


def without(case):
    """A helper that does not answer holds it up for two seconds, and is told."""
    invspid.silent = True
    t = top()
    t.wait("no module|invspid did not answer within 2 s", timeout=30)
    invspid.silent = False
    t.wait("gw07|SOURCE", timeout=30)
    t.send("q")
    case.expect("exit status", 0, t.end())
    t = Terminal([INVSPI, "--control", CONTROL + "-none", "top"])
    t.wait("SOURCE ")
    case.expect("no invspid", True, "invspid -" in t.screen.text())
    t.send("q")
    case.expect("exit status", 0, t.end())


def ends(case):
    """However it ends, the terminal is as before, and nothing runs on."""
    t = top("-c", "3")
    t.wait("gw07")
    case.expect("after three looks", 0, t.end())
    for sig in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
        t = top()
        t.wait("gw07")
        os.kill(t.pid, sig)
        status = t.end()
        case.expect(f"{sig.name}: it has ended: {status}", True, status in (0, 1, 130, -sig))
    t = top()
    t.wait("gw07")
    os.close(t.fd)
    end = time.monotonic() + 20
    while time.monotonic() < end and not os.waitpid(t.pid, os.WNOHANG)[0]:
        time.sleep(0.05)
    case.expect("the terminal is gone: it ends", True, time.monotonic() < end)
    t.status = 0


ktap.run([
    ("every kind of terminal shows the same", kinds),
    ("what is no terminal is told so", no_terminals),
    ("keys", keys),
    ("names from outside harm nothing", harmless),
    ("all sizes, and changes of it", sizes),
    ("without invspid, or with one that hangs", without),
    ("it ends", ends),
])
