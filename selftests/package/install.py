#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What `make install' and `make dkms-install' put where, that `make uninstall' takes it away,
and what systemd says of the units, as they are installed."""
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../contract"))
import ktap  # noqa: E402

TREE = os.path.normpath(os.path.join(HERE, "../.."))
EXPOSURE_MAX = 2.5
TOOLS = {
    "/etc/invspid.conf": 0o644,
    "/usr/sbin/invspi": 0o755,
    "/usr/sbin/invspid": 0o755,
    "/units/invspid.service": 0o644,
    "/units/invspid@.service": 0o644,
    "/units/invspid@.service.d/netns.conf": 0o644,
    "/usr/libexec/invspid/snmptrap": 0o755,
    "/usr/libexec/invspid/trap-record": 0o755,
    "/usr/share/snmp/mibs/XFRM-INVSPI-MIB.txt": 0o644,
    "/usr/share/invspid/grafana/invspid.json": 0o644,
    "/usr/share/invspid/prometheus/invspid.rules.yml": 0o644,
    "/usr/share/man/man5/invspid.conf.5": 0o644,
    "/usr/share/man/man7/xfrm_invspi.7": 0o644,
    "/usr/share/man/man8/invspi.8": 0o644,
    "/usr/share/man/man8/invspid.8": 0o644,
    "/usr/share/bash-completion/completions/invspi": 0o644,
    "/usr/share/bash-completion/completions/invspid": 0o644,
}


def run(*argv, **more):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **more)


def make(folder, *argv):
    return run("make", "-s", "-C", TREE, f"DESTDIR={folder}", "prefix=/usr", "unitdir=/units",
               *argv)


def files(folder):
    """All files below a folder, with their modes."""
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            found[path[len(folder):]] = os.stat(path).st_mode & 0o7777
    return found


def tools(case, folder):
    done = make(folder, "install-tools")
    case.expect(f"make install-tools: {done.stdout}", 0, done.returncode)
    case.expect("files", TOOLS, files(folder))
    for path in TOOLS:
        with open(folder + path, "rb") as f:
            case.expect(f"{path} names nothing of another prefix", [],
                        re.findall(rb"/usr/local/(?:sbin/invspi|libexec/invspid|share)\S*",
                                   f.read()))
    with open(f"{folder}/etc/invspid.conf", "a", encoding="utf-8") as f:
        f.write("# changed\n")
    make(folder, "install-tools")
    with open(f"{folder}/etc/invspid.conf", encoding="utf-8") as f:
        case.expect("a changed configuration stays", True, f.read().endswith("# changed\n"))
    make(folder, "uninstall")
    case.expect("what stays after make uninstall", ["/etc/invspid.conf"], list(files(folder)))


def dkms(case, folder):
    """The folder for DKMS has all that the module includes, and says what DKMS needs."""
    done = make(folder, "dkms-install", "DKMS_VERSION=7.7")
    case.expect("make dkms-install", (0, ""), (done.returncode, done.stdout))
    found = files(folder)
    load = found.pop("/usr/lib/modules-load.d/xfrm_invspi.conf", None)
    case.expect("modules-load.d", 0o644, load)
    source = folder + "/usr/src/xfrm-invspi-7.7"
    case.expect("files elsewhere", [], [f for f in found if not (folder + f).startswith(source)])
    case.expect("modes", {0o644}, set(found.values()))
    objects = set()
    for name in os.listdir(f"{source}/kmod"):
        with open(f"{source}/kmod/{name}", encoding="utf-8") as f:
            text = f.read()
        if name == "Kbuild":
            objects = set(re.search(r"xfrm_invspi-y := (.*)", text)[1].split())
            continue
        for include in re.findall(r'^#include "(.*)"', text, re.M):
            case.expect(f"{name} includes {include}", True,
                        os.path.exists(f"{source}/kmod/{include}"))
    case.expect("sources of the objects in Kbuild", set(),
                {o for o in objects if not os.path.exists(f"{source}/kmod/{o[:-2]}.c")})
    case.expect("the netlink header", True,
                os.path.exists(f"{source}/uapi/linux/xfrm_invspi.h"))
    # DKMS reads its file as a shell does
    said = run("bash", "-euc", '. "$1"; echo "$PACKAGE_NAME $PACKAGE_VERSION '
               '$BUILT_MODULE_NAME $BUILT_MODULE_LOCATION $AUTOINSTALL"', "x",
               f"{source}/dkms.conf").stdout
    case.expect("dkms.conf", "xfrm-invspi 7.7 xfrm_invspi kmod yes\n", said)
    make(folder, "uninstall", "DKMS_VERSION=7.7")
    case.expect("what stays after make uninstall", {}, files(folder))


def units(case, folder):
    """systemd knows every line of the units, and their exposure is small."""
    make(folder, "install-tools", f"sbindir={folder}/usr/sbin", "DESTDIR=",
         f"unitdir={folder}/u", f"prefix={folder}/usr", f"sysconfdir={folder}/etc")
    for name in ("invspid.service", "invspid@.service"):
        path = f"{folder}/u/{name}"
        # an instance: the template itself cannot be verified
        if "@" in name:
            instance = path.replace("@", "@red")
            os.symlink(name, instance)
            path = instance
        done = run("systemd-analyze", "verify", "--man=no", path,
                   env={**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}/u:"})
        said = [line for line in done.stdout.splitlines() if "invspid" in line]
        case.expect(f"systemd-analyze verify {name}", [], said)
    done = run("systemd-analyze", "security", "--offline=yes", "--no-pager",
               f"{folder}/u/invspid.service")
    exposure = re.search(r"Overall exposure level for invspid.service: ([\d.]+)", done.stdout)
    case.expect("systemd-analyze security says something", True, bool(exposure))
    print(f"# exposure {exposure[1]}, at most {EXPOSURE_MAX} is wanted")
    case.expect(f"exposure {exposure[1]} is small", True, float(exposure[1]) <= EXPOSURE_MAX)


def main():
    cases = (("make install-tools, and uninstall", tools),
             ("make dkms-install, and uninstall", dkms),
             ("the units", units))

    def in_folder(function):
        def run_it(case):
            with tempfile.TemporaryDirectory() as folder:
                function(case, folder)
        return run_it

    ktap.run([(name, in_folder(function)) for name, function in cases])


if __name__ == "__main__":
    main()
