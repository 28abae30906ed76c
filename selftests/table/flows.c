// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "flows.h"

bool flows_listening;

bool invspi_event_wanted(struct invspi_table *tb)
{
	(void)tb;
	return flows_listening;
}

const struct invspi_config flows_defaults = {
	.flows_max = 4096,
	.desync_packets = 3,
	.desync_ms = 1000,
	.idle_ms = 60000,
	.log_rate = 10,
	.events_rate = 100,
};

static struct invspi_pkt packet(u8 kind, u32 spi)
{
	struct invspi_pkt pkt;

	memset(&pkt, 0, sizeof(pkt));
	pkt.key.rest = invspi_key_rest(__builtin_bswap32(spi), 0, kind | INVSPI_KIND_VALID);
	pkt.bytes = 100;
	pkt.seq = 1;
	pkt.ifindex = 2;
	pkt.reason = INVSPI_NO_STATE;
	return pkt;
}

struct invspi_pkt flows_pkt4(u32 src, u32 spi)
{
	struct invspi_pkt pkt = packet(0, spi);

	pkt.key.addr[3] = invspi_key_addr4(__builtin_bswap32(src), __builtin_bswap32(0xc0000201));
	return pkt;
}

struct invspi_pkt flows_pkt6(u32 src, u32 spi)
{
	struct invspi_pkt pkt = packet(INVSPI_KIND_IPV6, spi);

	pkt.key.src6.s6_addr32[0] = __builtin_bswap32(0x20010db8);
	pkt.key.src6.s6_addr32[3] = __builtin_bswap32(src);
	pkt.key.dst6.s6_addr32[0] = __builtin_bswap32(0x20010db8);
	pkt.key.dst6.s6_addr32[3] = __builtin_bswap32(1);
	return pkt;
}

/* As the hook's own, which takes all this from the packet. */
static __always_inline void add(struct invspi_set *set, u32 i, u64 rest, const void *arg)
{
	struct invspi_hot *hot = &set->hot[i];
	const struct invspi_pkt *pkt = arg;

	hot->drops[INVSPI_NO_STATE]++;
	hot->bytes += pkt->bytes;
	WRITE_ONCE(hot->last, get_jiffies_64());
	hot->seq = pkt->seq;
	hot->mark = pkt->mark;
	hot->ifindex = pkt->ifindex;
	if (rest & INVSPI_REST_ENCAP && invspi_key_is_udp(&set->cold[i].key))
		invspi_flow_dport(set, i, pkt->dport);
}

bool flows_drop_usual(struct invspi_table *tb, struct invspi_pkt *pkt, u32 hash,
		      struct invspi_set **missed, u32 *seen)
{
	struct invspi_percpu *pc = this_cpu_ptr(tb->pcpu);

	*missed = (void *)-1; /* it must say so if there is none */
	if (pkt->key.kind & INVSPI_KIND_IPV6)
		return invspi_count_usual(tb, pc, 0, &pkt->key.src6, pkt->key.rest, hash, add, pkt,
					  missed, seen);
	return invspi_count_usual(tb, pc, pkt->key.addr[3], NULL, pkt->key.rest, hash, add, pkt,
				  missed, seen);
}

u32 flows_drop_inside(struct invspi_table *tb, struct invspi_pkt *pkt)
{
	u32 hash = invspi_key_hash(tb, &pkt->key), seen = 0;
	bool v6 = pkt->key.kind & INVSPI_KIND_IPV6;
	struct invspi_set *missed = NULL;

	if (pkt->reason == INVSPI_NO_STATE) {
		if (flows_drop_usual(tb, pkt, hash, &missed, &seen))
			return 0;
		if (missed && invspi_table_refuse(tb, missed, seen, v6))
			return 0;
	}
	return invspi_table_count(tb, pkt, hash, missed, seen);
}

u32 flows_drop(struct invspi_table *tb, struct invspi_pkt *pkt)
{
	u32 todo;

	flows_enter();
	todo = flows_drop_inside(tb, pkt);
	flows_leave();
	return todo;
}

u32 flows_drop_n(struct invspi_table *tb, struct invspi_pkt *pkt, unsigned int n)
{
	u32 todo = 0;

	while (n--)
		todo |= flows_drop(tb, pkt);
	return todo;
}

u64 flows_packets(const struct invspi_flow *flow)
{
	u64 sum = 0;
	int i;

	for (i = 0; i < INVSPI_REASONS; i++)
		sum += flow->drops[i];
	return sum;
}

int flows_dump(struct invspi_table *tb, struct invspi_flow *flows, unsigned int max)
{
	struct invspi_flow some[INVSPI_SET_FLOWS];
	unsigned int sum = 0;
	u32 index;
	int n;

	for (index = 0; (n = invspi_table_read_set(tb, index, some)) >= 0; index++) {
		if (sum + n > max)
			return -1;
		memcpy(flows + sum, some, n * sizeof(*flows));
		sum += n;
	}
	return sum;
}

unsigned int flows_sets(struct invspi_table *tb)
{
	const struct invspi_slots *slots;
	unsigned int i, n = 0;

	rcu_read_lock();
	slots = rcu_dereference(tb->slots);
	for (i = 0; slots && i < slots->nsets; i++)
		n += !!rcu_dereference(slots->set[i]);
	rcu_read_unlock();
	return n;
}

struct flows_sums flows_sum(struct invspi_table *tb)
{
	struct invspi_flow some[INVSPI_SET_FLOWS];
	struct flows_sums s = { 0 };
	struct invspi_totals t;
	u32 index;
	int i, n;

	invspi_table_totals(tb, &t);
	for (i = 0; i < INVSPI_REASONS; i++)
		s.total += t.packets[i][0] + t.packets[i][1];
	s.accounted = t.evicted_packets + t.deleted_packets + t.untracked_packets;
	for (index = 0; (n = invspi_table_read_set(tb, index, some)) >= 0; index++) {
		s.flows += n;
		for (i = 0; i < n; i++)
			s.accounted += flows_packets(&some[i]);
	}
	return s;
}
