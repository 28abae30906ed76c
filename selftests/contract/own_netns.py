# SPDX-License-Identifier: GPL-2.0-only
"""A network namespace of one's own, with packets that no SA matches."""
import ctypes
import os
import subprocess

import ktap
from spec import HERE

CLONE_NEWNET = 0x40000000


def enter():
    """Moves this process to a new network namespace where only lo is."""
    if os.geteuid():
        ktap.skip_all("needs root")
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def send(address, spi, count):
    """ESP from an address of lo to itself."""
    subprocess.run([os.path.join(HERE, "../net/send_esp"), "-s", str(spi), "-n", str(count),
                    address, address], check=True)
