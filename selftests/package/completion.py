#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Completion as somebody at a terminal has it: keys go to a real bash, what readline makes of
them is read back. That it is complete is judged by what the programs' own help says."""
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../contract"))
import ktap  # noqa: E402
from grammar import (DAEMON, TOOL, daemon_options, help_of, objects as all_objects,  # noqa: E402
                     tool_options, unbuilt, words_of)
from terminal import Bash  # noqa: E402

CONNS = ["gw", "gw-2001:db8::1", "site.b", "a b"]
BUNDLES = ["7", "12"]
VIEWS = ["connections", "flows"]


def values_of(name):
    """What else is offered behind an object, though its grammar only has a name for it."""
    if name == "doctor":
        return set(re.findall(r"^[-\w]+", help_of(TOOL, "doctor", "list"), re.M))
    if name == "top":
        said = "".join(subprocess.run([TOOL, "top", "-v", view, "-s", "?"], check=False, text=True,
                                      stderr=subprocess.PIPE).stderr for view in VIEWS)
        return set(re.findall(r"\w+", " ".join(re.findall(r"want one of (.*)", said))))
    return set(BUNDLES if name == "record" else [])


def record(folder):
    """The state of a helper that has recorded something."""
    for n in BUNDLES:
        os.makedirs(f"{folder}/record/{int(n):06}")
        with open(f"{folder}/record/{int(n):06}/bundle.json", "w", encoding="utf-8") as f:
            json.dump({"number": int(n), "at": "2026-01-01T00:00:00Z", "class": "asked",
                       "first": True, "peers": ["192.0.2.1"], "cause": "test"}, f)


def serve(path):
    """Stands in for invspid, which has connections."""
    answer = {"ok": True, "peers": [{"conn": c, "mode": "recover", "hold": False} for c in CONNS]}
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()

    def loop():
        while True:
            client, _ = server.accept()
            with client:
                client.recv(4096)
                client.sendall(json.dumps(answer).encode() + b"\n")

    threading.Thread(target=loop, daemon=True).start()


class Completion:
    def __init__(self, folder):
        serve(f"{folder}/control")
        for name in ("a folder", "fork"):
            os.mkdir(f"{folder}/{name}")
        record(f"{folder}/fork")
        for name in ("file.conf", "invspi", "invspid"):
            open(f"{folder}/{name}", "w", encoding="utf-8").close()
        for name, target in (("invspi", TOOL), ("invspid", DAEMON)):
            os.unlink(f"{folder}/{name}")
            os.symlink(target, f"{folder}/{name}")
        self.bash = Bash(folder, {"PATH": f"{folder}:{os.environ['PATH']}"})
        self.asked = {}

    def __call__(self, text):
        if text not in self.asked:
            self.asked[text] = self.bash.complete(text)
        return self.asked[text]


def expect_words(case, complete, text, expected):
    case.expect(f"`{text}`", sorted(expected), sorted(complete(text)))


def objects(case, complete):
    """Every object, and whatever its own help names, is offered somewhere behind it."""
    names = all_objects()
    expect_words(case, complete, "invspi ", names | {"help"})
    for name in names:
        expect_words(case, complete, f"invspi {name[:-1]}",
                     [o for o in names if o.startswith(name[:-1])])
        wanted = words_of(help_of(TOOL, name, "help")) - {name}
        offered = set()
        seen = []
        todo = [f"invspi --control control --state fork {name} "]
        while todo:
            text = todo.pop()
            new = frozenset(complete(text))
            # what follows the same words of the same command is the same
            state = (text.split()[6:7], new)
            if state not in seen and len(text.split()) < 9:
                todo += [f"{text}{w} " for w in sorted(new - {"help"} - set(CONNS[1:]))]
            offered |= new
            seen.append(state)
        case.expect(f"words of `invspi {name} help` that are not offered", set(), wanted - offered)
        values = values_of(name)
        case.expect(f"values that are not offered behind {name}", set(), values - offered)
        strange = {w for w in offered - wanted - values if w not in CONNS + ["help"]}
        case.expect(f"words that are offered, but not in `invspi {name} help`", set(), strange)


def options(case, complete):
    expect_words(case, complete, "invspi -", tool_options())
    expect_words(case, complete, "invspid -", daemon_options())


def connections(case, complete):
    names = [c for c in CONNS if " " not in c]
    tool = "invspi --control control"
    expect_words(case, complete, f"{tool} recover ", names + ["help"])
    for text in ("explain conn ", "mode advise ", "mode show ", "history conn "):
        expect_words(case, complete, f"{tool} {text}", names)
    for text in ("hold add ", "hold del ", "hold show ", "peer retry "):
        expect_words(case, complete, f"{tool} {text}", names + ["all"])
    expect_words(case, complete, f"{tool} -j recover s", ["site.b"])
    expect_words(case, complete, "invspi --control=control recover s", ["site.b"])
    expect_words(case, complete, f"{tool} recover gw-2001:db8:", ["gw-2001:db8::1"])
    expect_words(case, complete, f"{tool} recover gw ", ["dry-run"])
    expect_words(case, complete, f"{tool} ho a gw ", ["for", "reason"])
    expect_words(case, complete, f"{tool} ho a gw for ", [])
    expect_words(case, complete, "invspi --control nowhere recover ", ["help"])


def settings(case, complete):
    keys = complete("invspi config set ")
    case.expect("keys", True, len(keys) == 7)
    expect_words(case, complete, "invspi config set flows-max ", [])
    expect_words(case, complete, "invspi config set flows-max 16 ", keys)
    expect_words(case, complete, "invspi config set flows-max 16 id", ["idle-ms"])


def values(case, complete):
    expect_words(case, complete, "invspi flow show proto ", ["esp", "ah"])
    expect_words(case, complete, "invspi flow show src 192.0.2.1 state ", ["new", "desync"])
    expect_words(case, complete, "invspi flow show encap esp", ["espinudp", "espintcp"])
    expect_words(case, complete, "invspi explain proto e", ["esp"])
    expect_words(case, complete, "invspi --state fork record show ", BUNDLES)
    expect_words(case, complete, "invspi --state fork record export 1", ["12"])
    expect_words(case, complete, "invspi --state fork record export 12 ", [])
    expect_words(case, complete, "invspi --control control record live s", ["site.b"])
    expect_words(case, complete, "invspi top -v ", VIEWS)
    expect_words(case, complete, "invspi top -b -s ver", ["verdict"])
    expect_words(case, complete, "invspi top -d ", [])
    expect_words(case, complete, "invspi doctor except modu", ["module"])


def paths(case, complete):
    for text in ("invspi --control f", "invspi --control=f", "invspid -c f", "invspid --vici f"):
        words = complete(text)
        case.expect(f"`{text}`", {"file.conf", "fork"},
                    {w.split("=")[-1].rstrip("/") for w in words})
    for text in ("invspi --state ", "invspid --state ", "invspid --rundir "):
        case.expect(f"`{text}`", {"a folder", "fork"}, {w.rstrip("/") for w in complete(text)})


def main():
    if unbuilt():
        ktap.run([(f"{unbuilt()[0]} is built", lambda case: case.fail("run make -C tools"))])
    with tempfile.TemporaryDirectory() as folder:
        complete = Completion(folder)
        ktap.run([(name, lambda case, f=f: f(case, complete)) for name, f in (
            ("every object, and every word of its help", objects),
            ("every option of both programs", options),
            ("connections of the helper that is asked for", connections),
            ("settings, then values", settings),
            ("values that are words", values),
            ("files and folders", paths))])


if __name__ == "__main__":
    main()
