#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""adjtime synced|unsynced - tells the kernel that its clock is so, as an NTP daemon does."""
import ctypes
import sys

ADJ_MAXERROR, ADJ_STATUS, STA_UNSYNC = 0x4, 0x10, 0x40


class Timex(ctypes.Structure):
    _fields_ = [("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long),
                ("maxerror", ctypes.c_long), ("esterror", ctypes.c_long),
                ("status", ctypes.c_int), ("rest", ctypes.c_char * 256)]


timex = Timex(modes=ADJ_STATUS | ADJ_MAXERROR,
              status=0 if sys.argv[1] == "synced" else STA_UNSYNC)
sys.exit(ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex)) < 0)
