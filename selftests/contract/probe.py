# SPDX-License-Identifier: GPL-2.0-only
"""Tries every operation of the family and its group, prints the errno of each
as "NAME ERRNO" lines; for the test of permissions. With "load" as argument only
what needs no rights: looks the family up."""
import errno
import sys

import genl
from spec import Spec

spec = Spec()
sock = genl.Socket()
family = sock.family(spec.name)


def name(error):
    return errno.errorcode[error] if error else "0"


if sys.argv[1:] != ["load"]:
    for op in spec.ops.values():
        for mode in op.requests:
            error = sock.request(family.id, op.number, dump=mode == "dump").error
            print(f"{op.name}-{mode} {name(error)}")
    for group, number in family.groups.items():
        print(f"join-{group} {name(sock.join(number))}")
