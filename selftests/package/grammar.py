# SPDX-License-Identifier: GPL-2.0-only
"""What the programs' own help says: objects, words, options."""
import os
import re
import subprocess

TREE = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
TOOL = f"{TREE}/tools/invspi/invspi"
DAEMON = f"{TREE}/tools/invspid/invspid"


def help_of(*argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, check=True, text=True).stdout


def words_of(grammar):
    """The words of a grammar that are typed as they stand, and options that have no value."""
    text = re.sub(r"\(.*?\)|:= NUMBER,.*|^ +-\w  .*|^Exit status:.*", "", grammar, flags=re.M)
    text = re.sub(r"Usage: +invspi|^ +invspi|where|:=", " ", text, flags=re.M)
    return set(re.findall(r"(?<![-\w<])[a-z][-a-z]+(?![\w{])|(?<=\[ )-[a-z](?= )", text))


def objects():
    return words_of(re.search(r"OBJECT := \{(.*?)\}", help_of(TOOL, "help"), re.S)[1])


def tool_options():
    """-j and the like, and --json and the like."""
    said = re.search(r"OPTIONS := \{(.*?)\}", help_of(TOOL, "help"), re.S)[1]
    pairs = re.findall(r"(?<!-)(-[a-zA-Z])\[(\w+)\]", said)
    long = {f"-{a}{b}".lower() for a, b in pairs} | set(re.findall(r"--\w+", said))
    return {a for a, _ in pairs} | long


def daemon_options():
    return set(re.findall(r"(?<![\w-])--?[a-zA-Z][-a-z]*",
                          help_of(DAEMON, "--help").split("\n\n")[2]))


def unbuilt():
    """What has to be built first."""
    return [p for p in (TOOL, DAEMON) if not os.access(p, os.X_OK)]
