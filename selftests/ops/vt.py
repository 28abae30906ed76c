# SPDX-License-Identifier: GPL-2.0-only
"""
A terminal for tests: a program runs on a real pseudo terminal, and what it writes is
drawn on a screen of characters, as a VT100 and its successors would. What they have
beyond that and the tested programs use is here, too; anything else is an error, so that
no test passes because something was not understood.
"""

import codecs
import errno
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
import unicodedata


def width(char):
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


class Screen:
    CSI = re.compile(r"\x1b\[([?>]?)([0-9;]*)([@-~])")

    def __init__(self, cols, rows):
        self.bytes_in = codecs.getincrementaldecoder("utf-8")("replace")
        self.rest = ""
        self.x = self.y = 0
        self.saved = (0, 0)
        self.last = " "
        self.resize(cols, rows)

    def resize(self, cols, rows):
        self.cols, self.rows = cols, rows
        self.cells = [[" "] * cols for _ in range(rows)]
        self.reverse = [[False] * cols for _ in range(rows)]
        self.top, self.bottom = 0, rows - 1
        self.attr = False
        self.x = self.y = 0

    def lines(self):
        return ["".join(row).rstrip() for row in self.cells]

    def text(self):
        return "\n".join(self.lines())

    def reversed(self, y):
        """Is all of this line shown in reverse?"""
        return all(self.reverse[y])

    def feed(self, data):
        text = self.rest + self.bytes_in.decode(data)
        i = 0
        while i < len(text):
            n = self.escape(text, i) if text[i] == "\x1b" else self.char(text[i])
            if not n:
                break
            i += n
        self.rest = text[i:]

    def char(self, c):
        if c == "\r":
            self.x = 0
        elif c == "\n":
            self.down()
        elif c == "\b":
            self.x = max(self.x - 1, 0)
        elif c == "\t":
            self.x = min((self.x // 8 + 1) * 8, self.cols - 1)
        elif c in "\x07\x0e\x0f\x00":
            pass
        elif c < " ":
            raise ValueError(f"control byte {c!r}")
        else:
            self.put(c)
        return 1

    def put(self, c):
        if not width(c):
            if self.x:
                self.cells[self.y][self.x - 1] += c
            return
        if self.x >= self.cols:
            self.x = 0
            self.down()
        self.cells[self.y][self.x] = c
        self.reverse[self.y][self.x] = self.attr
        for k in range(1, width(c)):
            if self.x + k < self.cols:
                self.cells[self.y][self.x + k] = ""
        self.x += width(c)
        self.last = c

    def down(self):
        if self.y == self.bottom:
            self.scroll(self.top, 1)
        else:
            self.y = min(self.y + 1, self.rows - 1)

    def scroll(self, top, n):
        """Lines from top to the end of the region go up by n, or down by -n."""
        for grid, blank in ((self.cells, " "), (self.reverse, False)):
            for _ in range(abs(n)):
                del grid[top if n > 0 else self.bottom]
                grid.insert(self.bottom if n > 0 else top, [blank] * self.cols)

    def clear(self, y, begin, end):
        for x in range(max(begin, 0), min(end, self.cols)):
            self.cells[y][x] = " "
            self.reverse[y][x] = False

    def escape(self, text, i):
        """How long the sequence at i is; 0 if its end has not come yet."""
        m = self.CSI.match(text, i)
        if m:
            self.csi(m.group(1), m.group(2), m.group(3))
            return m.end() - i
        if i + 1 >= len(text) or text[i + 1] == "[":
            if len(text) - i > 40:
                raise ValueError(f"sequence {text[i:i + 40]!r}")
            return 0
        if text[i + 1] in "()":
            return 3 if i + 2 < len(text) else 0
        if text[i + 1] == "M":
            if self.y == self.top:
                self.scroll(self.top, -1)
            else:
                self.y = max(self.y - 1, 0)
        elif text[i + 1] == "7":
            self.saved = (self.x, self.y)
        elif text[i + 1] == "8":
            self.x, self.y = self.saved
        elif text[i + 1] not in "=>cH":
            raise ValueError(f"escape {text[i:i + 2]!r}")
        return 2

    def csi(self, private, params, final):
        n = [int(p or 0) for p in params.split(";")]
        one = max(n[0], 1)
        if private or final in "hlncqt":
            if private == "?" and n[0] == 1049 and final == "h":
                self.resize(self.cols, self.rows)
        elif final in "Hf":
            self.y = min(one, self.rows) - 1
            self.x = min(max(n[1] if len(n) > 1 else 1, 1), self.cols) - 1
        elif final in "ABCD":
            self.y = min(max(self.y + {"A": -one, "B": one}.get(final, 0), 0), self.rows - 1)
            self.x = min(max(self.x + {"C": one, "D": -one}.get(final, 0), 0), self.cols - 1)
        elif final == "d":
            self.y = min(one, self.rows) - 1
        elif final in "G`":
            self.x = min(one, self.cols) - 1
        elif final == "J":
            for y in range(self.rows):
                if n[0] == 2 or (n[0] == 0 and y > self.y) or (n[0] == 1 and y < self.y):
                    self.clear(y, 0, self.cols)
            self.clear(self.y, self.x if n[0] == 0 else 0,
                   self.cols if n[0] != 1 else self.x + 1)
        elif final == "K":
            self.clear(self.y, self.x if n[0] == 0 else 0,
                   self.cols if n[0] != 1 else self.x + 1)
        elif final == "X":
            self.clear(self.y, self.x, self.x + one)
        elif final in "@P":
            for grid, blank in ((self.cells, " "), (self.reverse, False)):
                row = grid[self.y]
                if final == "@":
                    row[self.x:self.x] = [blank] * one
                else:
                    del row[self.x:self.x + one]
                    row += [blank] * one
                grid[self.y] = (row + [blank] * self.cols)[:self.cols]
        elif final in "LM":
            self.scroll(self.y, one if final == "M" else -one)
        elif final in "ST":
            self.scroll(self.top, one if final == "S" else -one)
        elif final == "r":
            self.top = one - 1
            self.bottom = (n[1] if len(n) > 1 and n[1] else self.rows) - 1
            self.x = self.y = 0
        elif final == "b":
            for _ in range(one):
                self.put(self.last)
        elif final == "m":
            for p in n:
                if p in (0, 27):
                    self.attr = False
                elif p == 7:
                    self.attr = True
        else:
            raise ValueError(f"CSI {params}{final}")


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, argv, term="xterm", cols=80, rows=24, env=None):
        self.screen = Screen(cols, rows)
        self.status = None
        self.pid, self.fd = pty.fork()
        if not self.pid:
            environ = dict(os.environ, TERM=term, **(env or {}))
            if term is None:
                del environ["TERM"]
            for name in ("LINES", "COLUMNS"):
                environ.pop(name, None)
            # the size is there before the program looks
            self.set_size(cols, rows, 0)
            try:
                os.execvpe(argv[0], argv, environ)
            finally:
                os._exit(127)

    def __del__(self):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)

    @staticmethod
    def set_size(cols, rows, fd):
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def resize(self, cols, rows):
        # What was written for the old size does not matter any more.
        self.read(0.1)
        self.screen.resize(cols, rows)
        self.set_size(cols, rows, self.fd)

    def read(self, timeout):
        """Takes what comes. False at the end."""
        while select.select([self.fd], [], [], timeout)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError as e:
                if e.errno != errno.EIO:
                    raise
                data = b""
            if not data:
                return False
            self.screen.feed(data)
            timeout = 0
        return True

    def wait(self, wanted, timeout=20):
        """Until the screen matches; what did not match is in the exception."""
        end = time.monotonic() + timeout
        while not re.search(wanted, self.screen.text()):
            if time.monotonic() > end or not self.read(0.1):
                if re.search(wanted, self.screen.text()):
                    break
                raise TimeoutError(f"nothing matches {wanted!r} in\n" + self.screen.text())
        return self.screen.text()

    def send(self, keys):
        os.write(self.fd, keys.encode() if isinstance(keys, str) else keys)

    def end(self, timeout=20):
        """The program's exit status, once it ends; negative for a signal."""
        stop = time.monotonic() + timeout
        while self.status is None and time.monotonic() < stop:
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        if self.status is None:
            raise TimeoutError("the program did not end")
        self.read(0)
        os.close(self.fd)
        return self.status
