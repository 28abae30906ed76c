#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""
screen REGEX KEYS -- COMMAND... - runs the command on a terminal of 80x24, types KEYS, and
prints the screen as soon as it matches. Exit status 1: it did not within 20 s.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from vt import Terminal


def main(wanted, keys, _, *command):
    terminal = Terminal(command, term="xterm", env={"LC_ALL": "C.UTF-8"})
    terminal.wait("h help q quit")
    terminal.send(keys)
    try:
        print(terminal.wait(wanted))
    except TimeoutError as e:
        print(e)
        return 1
    terminal.send("q")
    return terminal.end()


sys.exit(main(*sys.argv[1:]))
