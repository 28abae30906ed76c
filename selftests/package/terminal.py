# SPDX-License-Identifier: GPL-2.0-only
"""An interactive bash at a terminal of its own, with our completions."""
import os
import pty
import select
import time

from grammar import TREE

INSERT_ALL = "\x1b*"    # readline: put all that is possible into the line
BEGIN = "\x01"          # readline: go to the begin of the line
WAIT_S = 20


class Bash:
    def __init__(self, folder, env):
        """Completions come from the tree; the shell is in @folder, with @env."""
        self.buffer = ""
        self.count = 0
        pid, self.fd = pty.fork()
        if not pid:
            os.chdir(folder)
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"],
                       {**os.environ, **env, "TERM": "dumb", "HISTFILE": "", "PS1": ""})
        # What is typed comes back as well; said is only what stands between the marks.
        self.say("args() { printf '\\n<%s>' \"$@\"; echo; }")
        self.say("bind 'set completion-query-items 0' 'set page-completions off' 'set bell-style none'")
        for program in ("invspi", "invspid"):
            self.say(f". {TREE}/tools/completion/{program}")

    def read_until(self, mark):
        end = time.monotonic() + WAIT_S
        while mark not in self.buffer:
            ready, _, _ = select.select([self.fd], [], [], max(0, end - time.monotonic()))
            if not ready:
                raise TimeoutError(f"bash said only {self.buffer!r}")
            self.buffer += os.read(self.fd, 65536).decode(errors="replace")
        said, self.buffer = self.buffer.split(mark, 1)
        return said

    def type(self, text):
        os.write(self.fd, text.encode())

    def say(self, line):
        """Runs a line, returns what the terminal shows until it is done."""
        self.count += 1
        # the quotes keep the echo from being taken for the mark
        self.type(f"{line}\necho 'done'-{self.count}-\n")
        return self.read_until(f"\ndone-{self.count}-")

    def complete(self, text):
        """The words that readline makes of the last word of @text."""
        before = len(text.split()) - (not text.endswith(" "))
        self.type(text + INSERT_ALL + BEGIN + "args ")
        said = self.say("")
        words = [w[1:-1] for w in said.replace("\r", "").split("\n") if w.startswith("<")]
        return words[before:]

    def close(self):
        os.close(self.fd)
