/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The usual packet: its flow is known, is a desync, and has had its log line.
 * In a header, so that it becomes part of the hook. What is not usual leaves
 * everything as it is and goes to invspi_table_count().
 */
#ifndef _XFRM_INVSPI_COUNT_H
#define _XFRM_INVSPI_COUNT_H

#include <linux/jiffies.h>
#include <linux/string.h>

#include "table.h"
#include "table_set.h"

#define INVSPI_FLOW_USUAL (INVSPI_FLOW_MANY | INVSPI_FLOW_DESYNC)
#define INVSPI_FLOW_USUAL_MASK (INVSPI_FLOW_USUAL | INVSPI_FLOW_CEASED)

/* Inside count.c: the packet got no flow. */
#define INVSPI_TODO_UNTRACKED 0x80

static __always_inline struct invspi_set *invspi_set_get(const struct invspi_table *tb, u32 hash)
{
	const struct invspi_slots *slots = rcu_dereference(tb->slots);

	if (unlikely(!slots))
		return NULL;
	return rcu_dereference(slots->set[invspi_hash_set(slots, hash)]);
}

/* Puts a packet into the flow of slot @i, whose lock is held. */
typedef void invspi_add_t(struct invspi_set *set, u32 i, u64 rest, const void *pkt);

/* In a key's last word: encapsulated, by UDP or TCP */
#define INVSPI_REST_ENCAP ((__force u64)cpu_to_be64((INVSPI_KIND_UDP & INVSPI_KIND_TCP) << 8))

/* Key and flags in one comparison */
#define INVSPI_REST_FLAGS(flags) ((__force u64)cpu_to_be64(flags))
#define INVSPI_REST_USUAL INVSPI_REST_FLAGS(INVSPI_FLOW_USUAL)
#define INVSPI_REST_USUAL_MASK (INVSPI_KEY_REST | INVSPI_REST_FLAGS(INVSPI_FLOW_USUAL_MASK))

/*
 * Is this the flow of the packet, and nothing to do but count? Under its lock. If
 * so, a line that is not due has been counted already.
 */
static __always_inline bool invspi_flow_usual(const struct invspi_table *tb,
					      struct invspi_percpu *pc,
					      const struct invspi_cold *cold, u64 addr4,
					      const struct in6_addr *addr6, u64 rest)
{
	unsigned long log_interval;

	if (unlikely((cold->key.rest ^ (rest | INVSPI_REST_USUAL)) & INVSPI_REST_USUAL_MASK))
		return false;
	/* The rest of an IPv4 addr is zero, and the kind tells the families apart. */
	if (!addr6 && unlikely(cold->key.addr[3] != addr4))
		return false;
	if (addr6 && unlikely(memcmp(&cold->key.src6, addr6, 2 * sizeof(*addr6))))
		return false;
	log_interval = READ_ONCE(tb->log_interval);
	if (likely(!log_interval))
		return true;
	if (!(cold->key.flags & INVSPI_FLOW_LOGGED) ||
	    (u32)jiffies - cold->log_last >= log_interval)
		return false;
	invspi_stat_inc(pc, &pc->log_suppressed);
	return true;
}

/**
 * invspi_count_usual() - count a packet if it is a usual one
 * @tb: table
 * @pc: this CPU's counters
 * @addr4: invspi_key_addr4(), for IPv4
 * @addr6: source and destination one after the other in the packet, for IPv6;
 *	a constant NULL makes it IPv4
 * @rest: invspi_key_rest()
 * @hash: invspi_key_hash()
 * @add: constant: puts the packet into its flow; looks at the packet only then,
 *	so that nothing of it need be kept before
 * @pkt: passed on to @add; dropped because of INVSPI_NO_STATE
 * @missed: result, if false: the set, if it has no such flow
 * @seen: result, if @missed: what to tell invspi_table_count()
 *
 * Bottom halves off, inside an RCU read side.
 *
 * Return: true if that was all. Otherwise nothing has happened, and the packet is
 * for invspi_table_count().
 */
static __always_inline bool invspi_count_usual(struct invspi_table *tb, struct invspi_percpu *pc,
					       u64 addr4, const struct in6_addr *addr6, u64 rest,
					       u32 hash, invspi_add_t *add, const void *pkt,
					       struct invspi_set **missed, u32 *seen)
{
	struct invspi_set *set = invspi_set_get(tb, hash);
	struct invspi_hot *hot;
	u32 i;

	*missed = NULL;
	*seen = 0;
	if (unlikely(!set))
		return false;
	/* pairs with invspi_set_insert() */
	*seen = smp_load_acquire(&set->inserted);
	i = invspi_set_find(set, invspi_hash_tag(hash));
	if (unlikely(i == INVSPI_NO_SLOT)) {
		*missed = set;
		return false;
	}

	hot = &set->hot[i];
	spin_lock(&hot->lock);
	if (unlikely(!invspi_flow_usual(tb, pc, &set->cold[i], addr4, addr6, rest))) {
		spin_unlock(&hot->lock);
		return false;
	}
	add(set, i, rest, pkt);
	spin_unlock(&hot->lock);

	invspi_stat_inc(pc, &pc->packets[INVSPI_NO_STATE][!!addr6]);
	return true;
}

#endif /* _XFRM_INVSPI_COUNT_H */
