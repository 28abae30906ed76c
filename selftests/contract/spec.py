# SPDX-License-Identifier: GPL-2.0-only
"""The YAML file, with the numbers that the rules of the format give its items."""
import os

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
# in the tree, and in the virtual machine, which has it elsewhere
UAPI = [os.environ.get("INVSPI_UAPI", ""), os.path.join(HERE, "../../uapi"), "/run/vm/uapi"]

SIZES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8}


def uapi(name):
    """Path of a file of uapi/."""
    for folder in UAPI:
        path = os.path.join(folder, name)
        if folder and os.path.exists(path):
            return path
    raise FileNotFoundError(f"no uapi/{name}; name the folder with INVSPI_UAPI")


class Attribute:
    def __init__(self, raw, number, aset, enums):
        self.name = raw["name"]
        self.number = number
        self.set = aset
        self.type = raw["type"]
        self.big = raw.get("byte-order") == "big-endian"
        self.nested = raw.get("nested-attributes")
        checks = raw.get("checks", {})
        self.exact = checks.get("exact-len")
        self.size = SIZES.get(self.type, self.exact)
        self.min = checks.get("min")
        self.max = checks.get("max")
        self.enum = enums.get(raw.get("enum"))

    def bytes(self, value):
        """An integer as this attribute carries it."""
        return value.to_bytes(self.size, "big" if self.big else "little")


class Operation:
    def __init__(self, raw, number, sets):
        self.name = raw["name"]
        self.number = number
        self.set = sets[raw["attribute-set"]]
        self.flags = raw.get("flags", [])
        self.event = raw.get("event")
        self.mcgrp = raw.get("mcgrp")
        self.requests = {}      # "do", "dump": names of attributes
        self.replies = {}
        for mode in ("do", "dump"):
            if mode in raw:
                self.requests[mode] = raw[mode].get("request", {}).get("attributes", [])
                self.replies[mode] = raw[mode].get("reply", {}).get("attributes")


class Spec:
    def __init__(self):
        with open(uapi("xfrm_invspi.yaml"), encoding="utf-8") as f:
            self.raw = yaml.safe_load(f)
        self.name = self.raw["name"]
        self.enums = {}         # name: {entry: number}
        self.consts = {}
        for d in self.raw["definitions"]:
            if d["type"] == "const":
                self.consts[d["name"]] = d["value"]
                continue
            number, entries = d.get("value-start", 0), {}
            for e in d["entries"]:
                e = {"name": e} if isinstance(e, str) else e
                number = e.get("value", number)
                entries[e["name"]] = number
                number += 1
            self.enums[d["name"]] = entries
        self.sets = {}          # name: {attribute: Attribute}
        for s in self.raw["attribute-sets"]:
            number, attributes = 1, {}
            for a in s["attributes"]:
                number = a.get("value", number)
                attributes[a["name"]] = Attribute(a, number, s["name"], self.enums)
                number += 1
            self.sets[s["name"]] = attributes
        self.ops = {}
        number = 1
        for o in self.raw["operations"]["list"]:
            number = o.get("value", number)
            self.ops[o["name"]] = Operation(o, number, self.sets)
            number += 1
        self.groups = [g["name"] for g in self.raw["mcast-groups"]["list"]]
