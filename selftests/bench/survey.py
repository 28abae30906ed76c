# SPDX-License-Identifier: GPL-2.0-only
"""What is not a cost per packet: reading, memory, and who is still there after a flood."""
import re
import subprocess
import time

import lab

PERSISTENT = 256
STEPS = 16  # divides PERSISTENT and the packets of a round


def tool_ns(*argv):
    before = lab.children_ns()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return lab.children_ns() - before


def read_both(folder, entries, raw, *tool):
    """One dump by the tool, one by a program that only counts messages."""
    messages, size, ns = map(int, lab.run(f"{folder}/bench_nl", "dump", raw).split())
    if messages != entries:
        raise RuntimeError(f"{' '.join(tool)}: {messages} entries instead of {entries}")
    return {"entries": entries, "tool": " ".join(tool), "bytes": size, "raw_instructions": ns,
            "tool_instructions": tool_ns(*tool)}


def read_ours(folder, source, n):
    column = lab.Ours(folder)
    column.start()
    source.load("drop4")
    source.send(n, source.numbers(n), n)
    family = re.search(r"ID: (0x[0-9a-f]+)", lab.run("genl", "ctrl", "get", "name", "xfrm_invspi"))
    result = read_both(folder, n, str(int(family.group(1), 16)), "invspi", "flow", "show")
    column.stop()
    return result


def read_states(folder, n):
    one = f"xfrm state %s src {lab.PEER4} dst {lab.SELF4} proto esp spi %#x"
    aead = f"mode tunnel aead rfc4106(gcm(aes)) 0x{(lab.KEY + lab.SALT).hex()} 128"
    spis = [0x20000000 + i for i in range(n - 1)]  # there is one already
    lab.run("ip", "-batch", "-", text="".join(f"{one % ('add', i)} {aead}\n" for i in spis))
    result = read_both(folder, n, "xfrm", "ip", "xfrm", "state")
    lab.run("ip", "-batch", "-", text="".join(f"{one % ('delete', i)}\n" for i in spis))
    return result


def read_connections(folder, source, n):
    """The source writes an SPI where UDP has its ports: n packets, n connections."""
    lab.run("nft", "-f", "-", text="""
        table ip bench_ct {
            chain input {
                type filter hook input priority 0
                ct state new counter accept
            }
        }""")
    # this machine's clock may jump while it waits for a host that is busy
    lab.write("/proc/sys/net/netfilter/nf_conntrack_udp_timeout", "3600")
    lab.run("conntrack", "-F")
    source.load(lab.ipv4(17, lab.udp(0, 0, 64)))
    dropped = source.dropped
    source.send(n, source.numbers(n), n)
    source.dropped = dropped
    result = read_both(folder, n, "conntrack", "conntrack", "-L")
    lab.run("nft", "delete", "table", "ip", "bench_ct")
    return result


def reading(folder, source, n):
    return {"ours": read_ours(folder, source, n), "xfrm": read_states(folder, n),
            "conntrack": read_connections(folder, source, n)}


def slab_bytes(name):
    with open("/proc/slabinfo") as f:
        for line in f:
            w = line.split()
            if w[0] == name:
                return int(w[-2]) * int(w[5]) * 4096  # slabs, pages of each
    raise RuntimeError(f"no {name} in /proc/slabinfo: boot with slab_nomerge")


def vmalloc_bytes():
    """What hash maps of eBPF have in vmalloc, guard pages aside."""
    with open("/proc/vmallocinfo") as f:
        return sum(int(line.split()[1]) - 4096 for line in f if re.search(r"htab|map_alloc", line))


def memory_of_ours():
    """All sets of a full table, and their array with its two bitmaps."""
    array = lab.SLOTS // 16 * 8 + 2 * (lab.SLOTS // 16 // 8)
    return slab_bytes("xfrm_invspi_set") + (1 << (array - 1).bit_length())


def judge(flows, numbers, sent):
    """Which of these flows are there, and how far off are their counts?"""
    counts = [flows.get(lab.Source.spi(n), 0) for n in numbers]
    return {"kept": sum(c > 0 for c in counts), "exact": sum(c == sent for c in counts),
            "counted": sum(counts), "sent": sent * len(counts)}


def mix(source, first, packets):
    """A packet of each persistent flow, spread among these many others; others are last."""
    part = PERSISTENT // STEPS
    for step in range(STEPS):
        source.send(part, first + step * part, part)
        source.send(packets // STEPS, source.numbers(packets // STEPS), packets // STEPS)


def flood(folder, source, rounds, packets):
    """Flows that were there before, among others of one packet; two count the same."""
    ours, bpf = lab.Ours(folder), lab.Fentry(folder)
    ours.start()
    before = vmalloc_bytes()
    bpf.start()
    bpf_real = vmalloc_bytes() - before
    source.load("drop4")
    first = source.numbers(PERSISTENT)
    for _ in range(3):
        source.send(PERSISTENT, first, PERSISTENT)
        time.sleep(0.7)
    begin = time.monotonic()
    for _ in range(rounds):
        mix(source, first, packets)
    seconds = time.monotonic() - begin
    numbers = range(first, first + PERSISTENT)
    ours.counted()  # checks the sums
    result = {"one_packet_flows": rounds * packets, "packets_between": packets,
              "persistent_flows": PERSISTENT,
              "packets_per_second": round(rounds * (packets + PERSISTENT) / seconds),
              "ours": judge(ours.flows(), numbers, 3 + rounds),
              "fentry": judge(bpf.flows(), numbers, 3 + rounds)}
    memory = {"slots": lab.SLOTS, "ours": memory_of_ours(),
              "fentry_ipv4": bpf.memory("rival4"), "fentry_ipv6": bpf.memory("rival6"),
              "fentry_both_vmalloc": bpf_real}
    bpf.stop()
    ours.stop()
    return result, memory
