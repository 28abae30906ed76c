/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside of the flow table: shared by table.c (packets) and walk.c (readers).
 */
#ifndef _XFRM_INVSPI_TABLE_SET_H
#define _XFRM_INVSPI_TABLE_SET_H

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/build_bug.h>
#include <linux/jiffies.h>

#include "table.h"

/*
 * What every packet of a flow writes: one cache line, with its own lock. All
 * under @lock.
 */
struct invspi_hot {
	spinlock_t lock; /* nests inside of invspi_set.lock */
	int ifindex;
	u64 drops[INVSPI_REASONS];
	u64 bytes;
	u64 last;
	u32 seq;
	u32 mark;
} __aligned(64);

/* What packets only read, but for a rare change. Under invspi_hot.lock too. */
struct invspi_cold {
	struct invspi_key key;
	u64 first;
	u32 log_last; /* low half of jiffies_64 at the last line */
	u32 log_seen; /* low half of drops[INVSPI_NO_STATE] then */
};

/**
 * struct invspi_set - sixteen flows
 * @tag: hash of the flow's key, 0 if free. Changed under @lock and the flow's
 *	lock, read without.
 * @lock: who comes and goes: @tag, @inserted, @used, @rnd, @admitted
 * @inserted: number of flows ever put in; tells a packet that found nothing
 *	without the lock whether it must look again with it
 * @slots: where this set belongs
 * @once: bit per flow that has had one packet only. Set under @lock, cleared
 *	by the second packet without.
 * @rnd: state of the lottery
 * @admitted: low half of jiffies_64 when a flow was last put in
 * @index: which of the sets this is
 * @used: bit per flow
 * @dport: UDP destination ports; each under its flow's lock
 * @hot: per flow
 * @cold: per flow
 */
struct invspi_set {
	u32 tag[INVSPI_SET_FLOWS] __aligned(64);

	/* see above */
	spinlock_t lock __aligned(64);
	u32 inserted;
	struct invspi_slots *slots;
	atomic_t once;
	u32 rnd;
	u32 admitted;
	u16 index;
	u16 used;
	__be16 dport[INVSPI_SET_FLOWS];

	struct invspi_hot hot[INVSPI_SET_FLOWS];
	struct invspi_cold cold[INVSPI_SET_FLOWS];
};

#if !defined(CONFIG_DEBUG_SPINLOCK) && !defined(CONFIG_DEBUG_LOCK_ALLOC) && \
	!defined(CONFIG_PREEMPT_RT)
static_assert(sizeof(struct invspi_hot) == 64);
/* A power of two: the slab allocator wastes nothing, whatever its page order. */
static_assert(sizeof(struct invspi_set) == 2048);
#endif
static_assert(sizeof(struct invspi_key) == 40);

/**
 * struct invspi_slots - the sets, and which of them need attention
 * @nsets: power of two
 * @mask: one less
 * @pending: bit per set with events to send
 * @active: bit per set with desyncs that have not ceased
 * @set: NULL until a packet falls there
 */
struct invspi_slots {
	u32 nsets;
	u32 mask;
	unsigned long *pending;
	unsigned long *active;
	struct invspi_set __rcu *set[];
};

#define INVSPI_ALL_USED 0xffff
#define INVSPI_NO_SLOT INVSPI_SET_FLOWS

/* The bytes of invspi_key.rest that are part of the key: all but flags */
#define INVSPI_KEY_REST ((__force u64)cpu_to_be64(~0xffULL))

static __always_inline bool invspi_key_equal(const struct invspi_key *a, const struct invspi_key *b)
{
	return !((a->addr[0] ^ b->addr[0]) | (a->addr[1] ^ b->addr[1]) | (a->addr[2] ^ b->addr[2]) |
		 (a->addr[3] ^ b->addr[3]) | ((a->rest ^ b->rest) & INVSPI_KEY_REST));
}

/* Only source and SPI: an attacker may choose the rest freely anyway. */
static inline u32 invspi_key_hash(const struct invspi_table *tb, const struct invspi_key *key)
{
	if (key->kind & INVSPI_KIND_IPV6)
		return invspi_hash6(&tb->key, &key->src6, key->spi);
	return invspi_hash4(&tb->key, key->src4, key->spi);
}

/* 0 means free, so one bit is given away. */
static __always_inline u32 invspi_hash_tag(u32 hash)
{
	return hash | 1;
}

/* From the bits that the tag keeps; enough for the 2^16 sets of flows_max. */
static __always_inline u32 invspi_hash_set(const struct invspi_slots *slots, u32 hash)
{
	return (hash >> 16) & slots->mask;
}

/*
 * The first slot with this tag, or INVSPI_NO_SLOT. Without a lock. Unrolled all the
 * way a slot has a constant offset, and costs three instructions instead of five.
 */
static __always_inline u32 invspi_set_find(const struct invspi_set *set, u32 tag)
{
	u32 i;

#pragma GCC unroll 16
	for (i = 0; i < INVSPI_SET_FLOWS; i++)
		if (READ_ONCE(set->tag[i]) == tag)
			return i;
	return INVSPI_NO_SLOT;
}

static inline u64 invspi_hot_packets(const struct invspi_hot *hot)
{
	return hot->drops[INVSPI_NO_STATE] + hot->drops[INVSPI_ACQUIRE] +
	       hot->drops[INVSPI_STATE_INVALID] + hot->drops[INVSPI_ENCAP_MISMATCH];
}

/* Written only if it changes: no line that other flows share, for a known one. */
static __always_inline void invspi_flow_dport(struct invspi_set *set, u32 i, __be16 dport)
{
	if (set->dport[i] != dport)
		set->dport[i] = dport;
}

/*
 * Inside of an update of the counters; u64_stats_add() would take 32 bits only,
 * where a long has no more.
 */
static __always_inline void invspi_stat_change(u64_stats_t *what, u64 n)
{
	u64_stats_set(what, u64_stats_read(what) + n);
}

/* An update of one. Bottom halves off. On 64 bits the sequence costs nothing. */
static __always_inline void invspi_stat_inc(struct invspi_percpu *pc, u64_stats_t *what)
{
	u64_stats_update_begin(&pc->syncp);
	u64_stats_inc(what);
	u64_stats_update_end(&pc->syncp);
}

/**
 * invspi_flow_raise() - an event of a flow, if anybody listens
 * @tb: table
 * @set: the flow's set
 * @key: the flow's key; its lock is held
 * @event: INVSPI_FLOW_EV_*
 *
 * Return: INVSPI_TODO_EVENT, or 0.
 */
static inline u32 invspi_flow_raise(struct invspi_table *tb, struct invspi_set *set,
				    struct invspi_key *key, u8 event)
{
	if (!invspi_event_wanted(tb))
		return 0;
	key->flags |= event;
	set_bit(set->index, set->slots->pending);
	return INVSPI_TODO_EVENT;
}

struct invspi_set *invspi_set_grow(struct invspi_table *tb, u32 hash);

#endif /* _XFRM_INVSPI_TABLE_SET_H */
