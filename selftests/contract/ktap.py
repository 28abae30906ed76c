# SPDX-License-Identifier: GPL-2.0-only
"""KTAP for the test programs in Python, as lib/ktap.sh has it for the shell."""
import sys
import traceback

EXIT_SKIP = 4


class Case:
    """One case; what is expected of it and did not happen."""

    def __init__(self):
        self.failed = 0
        self.checks = 0

    def expect(self, what, expected, actual):
        self.checks += 1
        if expected == actual:
            return True
        self.failed += 1
        print(f"# FAILED: {what}\n#   expected: {expected}\n#   actual:   {actual}")
        return False

    def fail(self, what):
        self.checks += 1
        self.failed += 1
        print(f"# FAILED: {what}")


def run(cases):
    """Runs [(name, function of a Case)...] and ends the program."""
    bad = 0
    print(f"TAP version 13\n1..{len(cases)}", flush=True)
    for n, (name, function) in enumerate(cases, 1):
        case = Case()
        try:
            function(case)
        except Exception:
            case.fail("".join(traceback.format_exc()).replace("\n", "\n#   "))
        if not case.checks:
            case.fail("nothing was checked")
        bad += bool(case.failed)
        print(f"{'not ok' if case.failed else 'ok'} {n} {name} # {case.checks} checks", flush=True)
    print(f"# Totals: pass:{len(cases) - bad} fail:{bad} xfail:0 xpass:0 skip:0 error:0")
    sys.exit(1 if bad else 0)


def skip_all(reason):
    print(f"TAP version 13\n1..0 # SKIP {reason}")
    sys.exit(EXIT_SKIP)
