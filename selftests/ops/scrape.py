#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""
scrape [--open] URL [NAME{LABEL="VALUE",...}...] - the metrics at URL, as OpenMetrics with
--open, or only the values of the samples that are named, one a line; "-" where there is
none. Checks the content type and, in OpenMetrics, the end. With --raw what is there,
whatever it is.
"""
import sys
import urllib.request

OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"


def main(args):
    if args[0] == "--raw":
        with urllib.request.urlopen(args[1], timeout=20) as answer:
            sys.stdout.write(answer.read().decode())
        return
    accept, want = "*/*", TEXT
    if args[0] == "--open":
        args.pop(0)
        accept, want = "application/openmetrics-text;version=1.0.0,*/*;q=0.1", OPEN
    url, names = args[0], args[1:]
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=20) as answer:
        text = answer.read().decode()
        if answer.headers["Content-Type"] != want:
            sys.exit(f"Content-Type: {answer.headers['Content-Type']}")
    if (want == OPEN) != text.endswith("\n# EOF\n"):
        sys.exit(f"ends with {text[-20:]!r}")
    if not names:
        sys.stdout.write(text)
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[:1] != "#")
    for name in names:
        print(values.get(name, "-"))


main(sys.argv[1:])
