#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own netlink client drives the family from the YAML file alone. KSRC
names a kernel source tree (6.12 or later) with tools/net/ynl. Runs in a network
namespace of its own; peers and gateway are addresses of lo."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import ktap
import own_netns
from spec import uapi

KSRC = os.environ.get("KSRC", "")
# the folder has another name from 6.14 on
FOLDERS = [f for f in (f"{KSRC}/tools/net/ynl/pyynl", f"{KSRC}/tools/net/ynl")
           if os.path.exists(f + "/cli.py")]
if not KSRC or not FOLDERS:
    ktap.skip_all("no tools/net/ynl: set KSRC to a kernel source tree of 6.12 or later")
sys.dont_write_bytecode = True
sys.path.insert(0, FOLDERS[0])
from lib import NlError, YnlFamily  # noqa: E402

LO = 0x7f000001                 # it reads addresses as numbers, in 6.12


def refusal(function, *args):
    """The text of the kernel's refusal."""
    try:
        return f"accepted: {function(*args)}"
    except NlError as e:
        return str(e)


def dump(t):
    flows = ynl.dump("flow-get", {})
    t.expect("flows", 2, len(flows))
    v4 = [f for f in flows if "src4" in f][0]
    t.expect("the IPv4 flow", ("127.0.0.1", "127.0.0.1", 50, "0xb761863e", 3, 216, 3, "new"),
             (v4["src4"], v4["dst4"], v4["proto"], v4["spi"], v4["packets"], v4["bytes"],
              v4["reasons"]["no-state"], v4["state"]))
    v6 = [f for f in flows if "src6" in f][0]
    t.expect("the IPv6 flow", ("::1", "::1", 2, 144), (v6["src6"], v6["dst6"], v6["packets"],
                                                       v6["bytes"]))
    some = ynl.dump("flow-get", {"src4": LO & 0xff000000, "src-prefixlen": 8})
    t.expect("flows of a filter", [v4["spi"]], [f["spi"] for f in some])
    t.expect("flows of another", [], ynl.dump("flow-get", {"spi": 1}))


def one(t):
    key = {"src4": LO, "dst4": LO, "spi": 0xb761863e}
    t.expect("packets of the flow of a key", 3, ynl.do("flow-get", key)["packets"])
    t.expect("a key that is not there", True,
             "no such flow" in refusal(ynl.do, "flow-get", {**key, "spi": 1}))
    del key["spi"]
    t.expect("half a key", True, "SPI missing" in refusal(ynl.do, "flow-get", key))


def statistics(t):
    s = ynl.do("stats-get", {})
    t.expect("statistics", (5, 3, 2, 0, 2, 4096, 0),
             (s["packets"]["no-state"], s["ipv4"]["no-state"], s["ipv6"]["no-state"],
              s["packets"]["acquire"], s["flows"], s["flows-max"], s["untracked-packets"]))


def settings(t):
    old = ynl.do("config-get", {})
    ynl.do("config-set", {"idle-ms": 4321, "log-rate": 7})
    t.expect("settings", {**old, "idle-ms": 4321, "log-rate": 7}, ynl.do("config-get", {}))
    t.expect("out of range", True, "out of range" in refusal(ynl.do, "config-set", {"log-rate": 0}))


def heard(listener):
    """Messages that have come so far; later versions have a queue."""
    listener.check_ntf() if hasattr(listener, "check_ntf") else None
    queue = listener.async_msg_queue
    return list(queue if isinstance(queue, list) else queue.queue)


def events(t):
    ynl.do("config-set", {"desync-ms": 0, "desync-packets": 3, "idle-ms": 100})
    listener = YnlFamily(path, schema)
    listener.ntf_subscribe("events")
    own_netns.send("127.0.0.1", 0x2000, 5)
    want = {"flow-new-ntf", "flow-desync-ntf", "flow-ceased-ntf"}
    deadline, seen = time.monotonic() + 10, []
    while {m["name"] for m in seen} < want and time.monotonic() < deadline:
        seen = heard(listener)
        time.sleep(0.05)
    t.expect("kinds of events", sorted(want), sorted({m["name"] for m in seen}))
    t.expect("their flows", {("127.0.0.1", "0x2000")}, {(m["msg"]["src4"], m["msg"]["spi"])
                                                        for m in seen})


def deletes(t):
    ynl.do("flow-del", {"spi": 0x1111})
    t.expect("flows with this SPI", [], ynl.dump("flow-get", {"spi": 0x1111}))
    ynl.do("flow-del", {})
    t.expect("flows", [], ynl.dump("flow-get", {}))


def command_line(t):
    """Its program, too, as one would call it."""
    r = subprocess.run([sys.executable, FOLDERS[0] + "/cli.py", "--spec", path, "--output-json",
                        "--do", "stats-get", "--json", "{}"], capture_output=True, text=True,
                       env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, check=False)
    t.expect("exit status", (0, ""), (r.returncode, r.stderr))
    t.expect("flows", 2, json.loads(r.stdout or "{}").get("flows"))


if __name__ == "__main__":
    own_netns.enter()
    with tempfile.TemporaryDirectory() as tmp:
        # it looks for the schema beside the folder of the file
        os.mkdir(tmp + "/specs")
        path = shutil.copy(uapi("xfrm_invspi.yaml"), tmp + "/specs")
        schema = shutil.copy(KSRC + "/Documentation/netlink/genetlink.yaml", tmp)
        subprocess.run(["modprobe", "xfrm_invspi"], check=True)
        own_netns.send("127.0.0.1", 0xb761863e, 3)
        own_netns.send("::1", 0x1111, 2)
        ynl = YnlFamily(path, schema)
        ktap.run([
            ("dumps flows, with a filter or without", dump),
            ("gets one flow, and the text of a refusal", one),
            ("reads statistics", statistics),
            ("its command line reads statistics", command_line),
            ("reads and changes settings", settings),
            ("subscribes to events", events),
            ("deletes", deletes),
        ])
