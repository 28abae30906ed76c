// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one would write in eBPF for the same end: who sent packets that no SA
 * matches, counted in an LRU hash map. As cheap as it can be made: a map with a
 * short key for IPv4, jiffies instead of a clock, headers read in one piece.
 *
 * KPROBE makes it a kprobe program, otherwise it is an fentry program. Only those
 * fields of the kernel's structures are here that are used; where they lie is
 * found out when the program is loaded.
 */
#include <linux/bpf.h>
#include <stdbool.h>

#ifdef KPROBE
struct pt_regs {
	unsigned long di;
	unsigned long si;
	unsigned long dx;
} __attribute__((preserve_access_index));
#define __TARGET_ARCH_x86
#define __VMLINUX_H__ /* of bpf_tracing.h: registers are named as in the kernel */
#endif

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#define FAMILY_INET 2
#define FLOWS 4096

struct sk_buff {
	unsigned int len;
	unsigned char *head;
	unsigned short network_header;
} __attribute__((preserve_access_index));

struct key4 {
	__u32 src;
	__u32 dst;
	__u32 spi;
};

struct key6 {
	__u32 src[4];
	__u32 dst[4];
	__u32 spi;
};

struct flow {
	__u64 packets;
	__u64 bytes;
	__u64 first;
	__u64 last;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FLOWS);
	__type(key, struct key4);
	__type(value, struct flow);
} rival4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FLOWS);
	__type(key, struct key6);
	__type(value, struct flow);
} rival6 SEC(".maps");

static __always_inline void count(void *map, const void *key, __u32 len)
{
	__u64 now = bpf_jiffies64();
	struct flow *flow = bpf_map_lookup_elem(map, key);

	if (flow) {
		__sync_fetch_and_add(&flow->packets, 1);
		__sync_fetch_and_add(&flow->bytes, len);
		flow->last = now;
	} else {
		struct flow new = { .packets = 1, .bytes = len, .first = now, .last = now };

		bpf_map_update_elem(map, key, &new, BPF_ANY);
	}
}

static __always_inline void missed(const unsigned char *iph, __u32 len, __u16 family, __u32 spi)
{
	if (family == FAMILY_INET) {
		struct key4 key;

		bpf_probe_read_kernel(&key, 8, iph + 12);
		key.spi = spi;
		count(&rival4, &key, len);
	} else {
		struct key6 key;

		bpf_probe_read_kernel(&key, 32, iph + 8);
		key.spi = spi;
		count(&rival6, &key, len);
	}
}

#ifdef KPROBE
SEC("kprobe/xfrm_audit_state_notfound")
int BPF_KPROBE(on_missed, struct sk_buff *skb, unsigned int family, unsigned int spi)
{
	missed(BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, network_header),
	       BPF_CORE_READ(skb, len), family, spi);
	return 0;
}
#else
SEC("fentry/xfrm_audit_state_notfound")
int BPF_PROG(on_missed, struct sk_buff *skb, unsigned short family, unsigned int spi)
{
	missed(skb->head + skb->network_header, skb->len, family, spi);
	return 0;
}
#endif

char LICENSE[] SEC("license") = "GPL";
