#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Whatever there is to set, to type or to be told is in its manual, and nothing else is: names,
defaults and bounds come from the sources and from the programs' own help."""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../contract"))
import ktap  # noqa: E402
import spec  # noqa: E402
from grammar import (TOOL, TREE, daemon_options, help_of, objects, tool_options,  # noqa: E402
                     unbuilt, words_of)

FRAMES = ("connection", "capture", "hook")


def read(path):
    with open(f"{TREE}/{path}", encoding="utf-8") as f:
        return f.read()


def man_words(page, macros):
    """All words behind these macros in a manual page, after its synopsis."""
    words = set()
    for line in read(f"tools/man/{page}").split(".Sh DESCRIPTION")[1].splitlines():
        if not line.startswith("."):
            continue
        tokens = line[1:].split()
        marked = False
        for t in tokens:
            if re.fullmatch(r"[A-Z][a-z]", t):
                marked = t in macros or (marked and t in ("No", "Ns"))
            elif marked and re.search(r"\w", t):
                words.add(t.strip("|,\""))
    return words


def config_keys(case):
    """invspid.conf(5) has every key of conf_keys.c, and every section with its keys."""
    source = read("tools/invspid/conf_keys.c")
    keys = set(re.findall(r"^\t(?:TEXT|WORD|MS|COUNT|LIMIT|LIMIT_MS)\((\w+),", source, re.M))
    case.expect("keys are found", True, len(keys) > 30)
    page = read("tools/man/invspid.conf.5")
    told = set()
    for line in re.findall(r"^\.It Ic (.*)$", page, re.M):
        if line.split()[0] not in FRAMES:
            told |= set(re.findall(r"(?:^|[ ,])([a-z_]+)\b", line))
    case.expect("keys without an entry in the manual", set(), keys - told)
    case.expect("entries without a key", set(), told - keys)
    for frame in FRAMES + ("copy", "child"):
        case.expect(f"the manual has {frame}", True, bool(re.search(rf"Ic {frame}\b", page)))
    sample = read("tools/etc/invspid.conf")
    case.expect("keys that the sample lacks", set(),
                {k for k in keys if not re.search(rf"^#{k} = ", sample, re.M)})
    names = re.findall(r'\[\w+\] = "(\w+)"', read("tools/invspid/conf_program.c"))
    case.expect("keys of programs", "command", names[0])
    for frame, own in (("capture", {"command"}), ("hook", set(names))):
        entry = re.search(rf"^\.It Ic {frame} (.*)", page, re.M)[1]
        case.expect(f"keys of {frame}", own, set(re.findall(r"(\w+) = ", entry)))
        shown = re.search(rf"^#{frame} .*?^#\}}", sample, re.M | re.S)[0]
        case.expect(f"keys of {frame} in the sample", own, set(re.findall(r"(\w+) = ", shown)))
    # that each has its default there is for unit/test_conf to see


def defaults(case):
    """A default that invspid.conf(5) names is the one of the sample."""
    sample = dict(re.findall(r"^#(\w+) = (\S+)$", read("tools/etc/invspid.conf"), re.M))
    page = read("tools/man/invspid.conf.5")
    for entry in re.findall(r"^\.It Ic (.*?)(?=^\.It |^\.El)", page, re.M | re.S):
        head, _, text = entry.partition("\n")
        keys = re.findall(r"(?:^|[ ,])([a-z_]+)\b", head)
        if keys[0] in FRAMES:
            continue
        text = re.sub(r"\s+", " ", text)
        word = re.search(r"(?:\.Cm|,) (\w+) \.Pq default\b", text)
        if word:
            case.expect(f"default of {keys[0]}", sample[keys[0]], word[1])
            continue
        found = re.search(r"\bdefaults? (?:\.(?:Pa|Cm) )?([^;]*?)(?: ?\.(?= |$)|;|, when|\. )", text + " ")
        if not found:
            continue
        named = re.findall(r"[-/\w]+", found[1].replace(" and ", " "))
        wanted = [sample[k] for k in keys if k in sample]
        case.expect(f"defaults of {', '.join(keys)}", wanted, named[:len(wanted)])


def tool_commands(case):
    """invspi(8) has every object and every word of its grammar."""
    told = man_words("invspi.8", {"Cm", "Ic"})
    for name in objects():
        case.expect(f"object {name} is in the manual", True, name in told)
        words = {w for w in words_of(help_of(TOOL, name, "help")) if w[0] != "-"}
        case.expect(f"words of {name} that the manual lacks", set(), words - told)


def options(case):
    """All options, and none that is not there."""
    top = set(re.findall(r"\[ (-[a-z])\b", help_of(TOOL, "top", "help")))
    case.expect("options of top are found", True, len(top) > 5)
    for page, said in (("invspi.8", tool_options() | top), ("invspid.8", daemon_options())):
        entries = " ".join(re.findall(r"^\.It (Fl .*)$", read(f"tools/man/{page}"), re.M))
        flags = set(re.findall(r"Fl (-?[a-zA-Z][-a-z]*)", entries.replace(", Fl", "Fl")))
        flags |= set(re.findall(r"Fl [a-zA-Z] , (-[a-z]+)", entries))
        case.expect(f"options in {page}", said, {"-" + f for f in flags})


def module_parameters(case):
    """xfrm_invspi(7) has every parameter with its default and its bounds."""
    source = read("kmod/main.c")
    values = dict(re.findall(r"\.(\w+) = (\d+),", source))
    values["flows_max_all"] = re.search(r"invspi_flows_max_all = (\d+);", source)[1]
    ranges = {n.lower(): r for n, *r in re.findall(
        r"\[XFRM_INVSPI_A_CONFIG_(\w+)\] = \{ \.min = (\w+), \.max = (\d+) \}",
        read("kmod/config.c"))}
    least = re.search(r"#define INVSPI_SET_FLOWS (\d+)", read("kmod/table.h"))[1]
    wanted = {}
    for name in re.findall(r"module_param_named\((\w+),", source):
        if name in ranges:
            low, high = ranges[name]
            low = least if low == "INVSPI_SET_FLOWS" else low
            wanted[name] = f"default {values[name]}, {low} to {high}"
        elif name == "flows_max_all":
            wanted[name] = f"default {values[name]}, {least} or more"
        else:
            wanted[name] = "default N"
    page = read("tools/man/xfrm_invspi.7")
    told = dict(re.findall(r"^\.It Va (\w+) Pq (.*)$", page, re.M))
    case.expect("parameters", wanted, told)
    described = dict(re.findall(r'MODULE_PARM_DESC\((\w+),\s*"[^"]*\((\w+)\)"', source))
    case.expect("modinfo names the same defaults",
                {n: re.match(r"default (\w+)", t)[1] for n, t in told.items()}, described)


def settings(case):
    """invspi(8) has the keys of config set; xfrm_invspi(7) has the family's operations."""
    attributes = [a["name"] for s in spec.yaml.safe_load(read("uapi/xfrm_invspi.yaml"))
                  ["attribute-sets"] if s["name"] == "config" for a in s["attributes"]]
    told = man_words("invspi.8", {"Cm"})
    case.expect("keys that invspi(8) lacks", [], [a for a in attributes if a not in told])
    operations = [o["name"] for o in
                  spec.yaml.safe_load(read("uapi/xfrm_invspi.yaml"))["operations"]["list"]]
    told = man_words("xfrm_invspi.7", {"Dv"})
    case.expect("operations that xfrm_invspi(7) lacks", [],
                [o for o in operations if o not in told])


def references(case):
    """A manual names only manuals of ours and such as there are elsewhere."""
    ours = {f"{n.rsplit('.', 1)[0]}({n[-1]})" for n in os.listdir(f"{TREE}/tools/man")}
    others = {"dkms(8)", "dmesg(1)", "ip-xfrm(8)", "ipsec(8)", "keepalived(8)", "modprobe(8)",
              "snmptrap(1)", "snmptrapd(8)", "snmptrapd.conf(5)", "swanctl(8)",
              "swanctl.conf(5)", "systemctl(1)", "systemd(1)", "tcpdump(1)"}
    for name in os.listdir(f"{TREE}/tools/man"):
        refs = {f"{n}({s})" for n, s in re.findall(r"\.Xr (\S+) (\d)", read(f"tools/man/{name}"))}
        case.expect(f"what {name} refers to", set(), refs - ours - others)
    readme = set(re.findall(r"\b(?:invspi|invspid|invspid\.conf|xfrm_invspi)\(\d\)",
                            read("README")))
    case.expect("manuals that README names", ours, readme)


def make_targets(case):
    """README and the Makefile's own help have every target that somebody would call."""
    makefile = read("Makefile")
    told = set(re.findall(r"^# make ([a-z-]+)", makefile, re.M))
    targets = set(" ".join(re.findall(r"^\.PHONY: (.*)$", makefile, re.M)).split())
    case.expect("targets that the Makefile explains, but does not have", set(), told - targets)
    readme = set(re.findall(r"\bmake ([a-z][a-z-]+)", read("README"))) - {"variable", "changes"}
    case.expect("targets that README names, but there are not", set(), readme - targets)
    for t in ("demo", "check", "bench", "install", "dkms-install", "deb"):
        case.expect(f"README names make {t}", True, t in readme)


def versions(case):
    """One version everywhere, and DKMS takes the kernels that README claims, no others."""
    module = re.search(r'MODULE_VERSION\("(.*)"\)', read("kmod/main.c"))[1]
    tools = re.search(r"^VERSION := ([\w.]+)", read("tools/Makefile"), re.M)[1]
    case.expect("version of module and tools", module, tools)
    conf = read("kmod/dkms.conf")
    exclusive = re.search(r'^BUILD_EXCLUSIVE_KERNEL="(.*)"', conf, re.M)[1]
    table = read("README").split("\nVersions\n")[1].split("\n\n\n")[0]
    kernels = re.findall(r"^  [^(\n]*\(\w+\) +(\d+\.\d+)[.\d]* ", table, re.M)
    case.expect("kernels are found in README", True, len(kernels) >= 3)
    for k in kernels + ["6.6", "7.0"]:
        for suffix in (".0-50-amd64", ".117+deb13-amd64", "-rc1"):
            case.expect(f"DKMS builds for {k}{suffix}", True,
                        bool(re.search(exclusive, k + suffix)))
    for k in ("5.10.0-8-amd64", "6.0.1", "8.1.0", "16.1.0"):
        case.expect(f"DKMS builds for {k}", False, bool(re.search(exclusive, k)))


def main():
    if unbuilt():
        ktap.run([(f"{unbuilt()[0]} is built", lambda case: case.fail("run make -C tools"))])
    ktap.run([
        ("every key of invspid.conf", config_keys),
        ("its defaults", defaults),
        ("every command of invspi", tool_commands),
        ("every option", options),
        ("every parameter of the module", module_parameters),
        ("settings and operations of the netlink family", settings),
        ("references between manuals", references),
        ("targets of make", make_targets),
        ("versions", versions),
    ])


if __name__ == "__main__":
    main()
