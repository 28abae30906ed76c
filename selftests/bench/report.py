# SPDX-License-Identifier: GPL-2.0-only
"""The results as tables, and the goals."""
import lab

ROWS = (
    ("valid", "valid ESP packet"),
    ("known4", "dropped, known flow, IPv4"),
    ("known6", "dropped, known flow, IPv6"),
    ("room", "dropped, new flow, room left"),
    ("full", "dropped, new flow, table full"),
)
BYTES_PER_FLOW = 192
LIMITS = {"known4": 260, "known6": 320, "full": 600}
RIVALS = ("fentry", "kprobe", "nft", "audit")
# They do not see valid packets at all.
BLIND = ("fentry", "kprobe", "audit")


def same_job(per_packet, row, rival):
    """Does it do there what we do? nftables does not once its set is full."""
    if row == "valid":
        return rival not in BLIND
    if row == "full" and rival == "nft":
        c = per_packet["nft"]
        return c["counted_full"] == c["sent_full"]
    return True


def goals(result):
    """[(text, reached)...]. In the first, less than half an instruction is noise."""
    columns = result["per_packet"]
    added = {name: {row: c["rows"][row]["added"] for row, _ in ROWS} for name, c in columns.items()}
    ours = added["ours"]
    found = [(f"valid packet: {ours['valid']:.1f}, no more than two empty callbacks "
              f"({added['empty']['valid']:.1f})", ours["valid"] - added["empty"]["valid"] < 0.5)]
    for row, limit in LIMITS.items():
        found.append((f"{dict(ROWS)[row]}: {ours[row]:.0f}, at most {limit}", ours[row] <= limit))
    for row, text in ROWS:
        fair = [r for r in RIVALS if same_job(columns, row, r)]
        best = min(fair, key=lambda r: added[r][row])
        found.append((f"{text}: nobody who does the same is cheaper ({columns[best]['title']} "
                      f"{added[best][row]:.0f})", ours[row] <= added[best][row]))
    c = columns["ours"]
    found.append((f"counted {c['counted_full']} of {c['sent_full']} packets", c["counted_full"] == c["sent_full"]))
    if "flood" in result:
        f, m = result["flood"], result["memory"]
        per_flow = m["ours"] / m["slots"]
        found.append((f"memory: {per_flow:.0f} bytes a flow, at most {BYTES_PER_FLOW}",
                      per_flow <= BYTES_PER_FLOW))
        found.append((f"flood: {f['ours']['exact']} of {f['persistent_flows']} flows kept with exact counts",
                      f["ours"]["exact"] == f["persistent_flows"]))
    return found


def per_packet(result):
    columns = result["per_packet"]
    names = [n for n in columns if n not in ("bare", "bare_again")]
    print("Instructions per packet: the bare kernel's, and what is added to them")
    print("(+-: from the smallest to the largest round)\n")
    heads = ["bare", "empty cb.", "xfrm_invspi", "fentry", "kprobe", "nftables", "audit"]
    print(f"{'':30}" + "".join(f"{h:>12}" for h in heads))
    for row, text in ROWS:
        cells = [columns["bare"]["rows"][row]["median"]] + [columns[n]["rows"][row]["added"] for n in names]
        spreads = [columns[n]["rows"][row]["spread"] for n in ["bare"] + names]
        note = [" *" if n in RIVALS and not same_job(columns, row, n) else "  " for n in ["bare"] + names]
        print(f"{text:30}" + "".join(f"{round(c):10,}{n}" for c, n in zip(cells, note)))
        print(f"{'':30}" + "".join(f"{f'+-{s:,.0f}':>10}  " for s in spreads))
    print(f"{'packets counted in the end':30}" + " " * 24, end="")
    for n in names[1:]:
        c = columns[n]
        print(f"{100 * c['counted_full'] / c['sent_full']:9.1f}%  ", end="")
    drift = max(abs(columns["bare_again"]["rows"][row]["added"]) for row, _ in ROWS)
    print("\n\n* not the same job: eBPF and audit do not see valid packets, and a full nftables set"
          "\n  counts no new flow. eBPF loses the counts of what it evicts. audit: with kauditd and"
          f"\n  reader. Bare kernel once more at the end: {drift:.1f} off at most.")


def others(result):
    print("\nReading: entries per million instructions\n")
    for name, r in result["reading"].items():
        per = [r["entries"] * 1e6 / r[k] for k in ("tool_instructions", "raw_instructions")]
        print(f"{r['tool']:20}{r['entries']:6} entries{per[0]:8.0f} by the tool{per[1]:8.0f} by netlink alone"
              f"{r['bytes'] // r['entries']:6} bytes each")
    m = result["memory"]
    print(f"\nMemory for {m['slots']} flows, bytes each\n")
    print(f"{'xfrm_invspi':30}{m['ours'] / m['slots']:8.0f}   any family")
    print(f"{'eBPF LRU map':30}{m['fentry_ipv4'] / m['slots']:8.0f}   IPv4 and{m['fentry_ipv6'] / m['slots']:5.0f}"
          f"   IPv6, as the kernel accounts ({m['fentry_both_vmalloc'] / m['slots']:.0f} both, allocated)")
    f = result["flood"]
    print(f"\nFlood: {f['one_packet_flows']:,} flows of one packet, {f['packets_per_second']:,} packets a second;"
          f"\n{f['persistent_flows']} flows from before, a packet of each every {f['packets_between']:,}\n")
    for name, title in (("ours", "xfrm_invspi"), ("fentry", "eBPF LRU map")):
        j = f[name]
        off = 100 * (j["sent"] - j["counted"]) / j["sent"]
        print(f"{title:30}{j['kept']:5} kept{j['exact']:6} exact{off:8.1f}% of their packets missing")


def show(result):
    """Prints all. Return: are all goals reached?"""
    print(f"\nLinux {result['release']}, one processor, QEMU -icount\n")
    per_packet(result)
    others(result)
    found = goals(result)
    if result["quick"]:
        ktap(found)
    else:
        print("\nGoals\n")
        for text, reached in found:
            print(f"{'reached' if reached else 'MISSED':10}{text}")
    return all(reached for _, reached in found)


def ktap(found):
    print(f"\nTAP version 13\n1..{len(found)}")
    for n, (text, reached) in enumerate(found, 1):
        print(f"{'ok' if reached else 'not ok'} {n} {text}")
    reached = sum(ok for _, ok in found)
    print(f"# Totals: pass:{reached} fail:{len(found) - reached} xfail:0 xpass:0 skip:0 error:0")
