// SPDX-License-Identifier: GPL-2.0-only
/*
 * The flow table: what a packet does to it. table.c has the theory.
 */
#include <linux/bitops.h>
#include <linux/jiffies.h>
#include <linux/string.h>

#include "table.h"
#include "table_set.h"

/* A line for this packet? The global cap comes first: see invspi_limit_take. */
static noinline u32 invspi_flow_log(struct invspi_table *tb, struct invspi_percpu *pc,
				    struct invspi_hot *hot, struct invspi_cold *cold,
				    struct invspi_pkt *pkt, u64 now)
{
	u32 drops = hot->drops[INVSPI_NO_STATE];

	if (!invspi_limit_take(&tb->log_limit, READ_ONCE(tb->log_rate), 0)) {
		invspi_stat_add(pc, &pc->log_suppressed, 1);
		return 0;
	}
	/* log_seen is 0 before the first line */
	pkt->suppressed = drops - cold->log_seen - 1;
	cold->log_seen = drops;
	cold->log_last = now;
	cold->key.flags |= INVSPI_FLOW_LOGGED;
	return INVSPI_TODO_LOG;
}

/* What is rare in a flow's life: its second packet, the verdict, its return */
static noinline u32 invspi_flow_progress(struct invspi_table *tb, struct invspi_slots *slots,
					 u32 index, struct invspi_set *set, u32 i, u64 now)
{
	struct invspi_key *key = &set->cold[i].key;

	if (!(key->flags & INVSPI_FLOW_MANY)) {
		key->flags |= INVSPI_FLOW_MANY;
		clear_bit(i, &set->once);
	}
	if (key->flags & INVSPI_FLOW_CEASED)
		key->flags &= ~(INVSPI_FLOW_CEASED | INVSPI_FLOW_EV_CEASED);
	else if (invspi_hot_packets(&set->hot[i]) >= READ_ONCE(tb->desync_packets) &&
		 now - set->cold[i].first >= READ_ONCE(tb->desync))
		key->flags |= INVSPI_FLOW_DESYNC;
	else
		return 0;

	set_bit(index, slots->active);
	return INVSPI_TODO_AGE | invspi_flow_raise(tb, slots, index, key, INVSPI_FLOW_EV_DESYNC);
}

/*
 * Count a packet in slot @i, whose tag fits. Return: false if the slot has
 * another key: a collision, or its flow went away just now.
 */
static __always_inline bool invspi_flow_count(struct invspi_table *tb, struct invspi_percpu *pc,
					      struct invspi_slots *slots, u32 index,
					      struct invspi_set *set, u32 i, struct invspi_pkt *pkt,
					      u64 now, u32 *todo)
{
	const u8 usual = INVSPI_FLOW_MANY | INVSPI_FLOW_DESYNC;
	struct invspi_cold *cold = &set->cold[i];
	struct invspi_hot *hot = &set->hot[i];
	unsigned long interval;

	spin_lock(&hot->lock);
	if (unlikely(!invspi_key_equal(&cold->key, &pkt->key))) {
		spin_unlock(&hot->lock);
		return false;
	}
	hot->drops[pkt->reason]++;
	hot->bytes += pkt->bytes;
	hot->last = now;
	hot->seq = pkt->seq;
	hot->mark = pkt->mark;
	hot->ifindex = pkt->ifindex;
	if (unlikely(pkt->dport != set->dport[i]))
		set->dport[i] = pkt->dport;

	*todo = 0;
	if (unlikely((cold->key.flags & (usual | INVSPI_FLOW_CEASED)) != usual))
		*todo = invspi_flow_progress(tb, slots, index, set, i, now);

	interval = READ_ONCE(tb->log_interval);
	if (interval && pkt->reason == INVSPI_NO_STATE) {
		if (likely(cold->key.flags & INVSPI_FLOW_LOGGED) &&
		    likely((u32)now - cold->log_last < interval))
			invspi_stat_add(pc, &pc->log_suppressed, 1);
		else
			*todo |= invspi_flow_log(tb, pc, hot, cold, pkt, now);
	}
	spin_unlock(&hot->lock);
	return true;
}

/* One in sixteen; nobody outside learns the state, and it need not be better. */
static bool invspi_set_lottery(struct invspi_set *set)
{
	u32 x = set->rnd;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	set->rnd = x;
	return (x >> 28) == 0;
}

/* The slot for a new flow; see the theory of operation. Under set->lock. */
static u32 invspi_set_choose(const struct invspi_table *tb, struct invspi_set *set, u64 now)
{
	unsigned long once;
	u32 best = INVSPI_NO_SLOT, i;
	u64 oldest;

	if (set->used != INVSPI_ALL_USED)
		return ffz(set->used);

	once = READ_ONCE(set->once);
	if (once) {
		if ((u32)now - set->admitted < HZ && !invspi_set_lottery(set))
			return INVSPI_NO_SLOT;
		/* of a single packet, first and last are the same */
		oldest = now + 1;
	} else {
		once = INVSPI_ALL_USED;
		oldest = now - min_t(u64, READ_ONCE(tb->idle), now) + 1;
	}
	for (i = 0; i < INVSPI_SET_FLOWS; i++) {
		/* a race with a packet there does no harm */
		u64 last = READ_ONCE(set->hot[i].last);

		if (once & BIT(i) && last < oldest) {
			oldest = last;
			best = i;
		}
	}
	return best;
}

/* Put the packet's flow into slot @i, which may hold another. Under set->lock. */
static u32 invspi_set_insert(struct invspi_table *tb, struct invspi_percpu *pc,
			     struct invspi_slots *slots, u32 index, struct invspi_set *set, u32 i,
			     struct invspi_pkt *pkt, u32 tag, u64 now)
{
	struct invspi_cold *cold = &set->cold[i];
	struct invspi_hot *hot = &set->hot[i];
	u32 todo;

	spin_lock(&hot->lock);
	u64_stats_update_begin(&pc->syncp);
	if (set->used & BIT(i)) {
		pc->evicted_flows++;
		pc->evicted_packets += invspi_hot_packets(hot);
	} else {
		pc->flows++;
	}
	u64_stats_update_end(&pc->syncp);

	memset(hot->drops, 0, sizeof(hot->drops));
	hot->drops[pkt->reason] = 1;
	hot->bytes = pkt->bytes;
	hot->last = now;
	hot->seq = pkt->seq;
	hot->mark = pkt->mark;
	hot->ifindex = pkt->ifindex;
	set->dport[i] = pkt->dport;
	cold->key = pkt->key;
	cold->first = now;
	cold->log_last = 0;
	cold->log_seen = 0;

	set->used |= BIT(i);
	set_bit(i, &set->once);
	set->admitted = now;
	WRITE_ONCE(set->tag[i], tag);
	/* pairs with invspi_table_count(): who sees this number sees the tag */
	smp_store_release(&set->inserted, set->inserted + 1);

	todo = invspi_flow_raise(tb, slots, index, &cold->key, INVSPI_FLOW_EV_NEW);
	if (READ_ONCE(tb->log_interval) && pkt->reason == INVSPI_NO_STATE)
		todo |= invspi_flow_log(tb, pc, hot, cold, pkt, now);
	spin_unlock(&hot->lock);
	return todo;
}

/* A packet that found no flow. @seen: set->inserted before the search. */
static noinline u32 invspi_count_new(struct invspi_table *tb, struct invspi_percpu *pc,
				     struct invspi_slots *slots, struct invspi_set *set, u32 seen,
				     struct invspi_pkt *pkt, u32 hash, u64 now)
{
	u32 tag = invspi_hash_tag(hash), index, todo = 0, i;

	if (unlikely(!set)) {
		set = invspi_set_grow(tb, hash, &slots);
		if (!set)
			goto untracked;
		seen = 0;
	}
	index = invspi_hash_set(slots, hash);

	spin_lock(&set->lock);
	if (unlikely(set->inserted != seen)) {
		for (i = invspi_set_find(set, tag, 0); i < INVSPI_SET_FLOWS;
		     i = invspi_set_find(set, tag, i + 1)) {
			if (invspi_flow_count(tb, pc, slots, index, set, i, pkt, now, &todo))
				goto unlock;
		}
	}
	i = invspi_set_choose(tb, set, now);
	if (i == INVSPI_NO_SLOT) {
		spin_unlock(&set->lock);
		goto untracked;
	}
	todo = invspi_set_insert(tb, pc, slots, index, set, i, pkt, tag, now);
unlock:
	spin_unlock(&set->lock);
	return todo;

untracked:
	u64_stats_update_begin(&pc->syncp);
	pc->untracked_packets++;
	/* without a flow there is no limit per flow either */
	if (READ_ONCE(tb->log_interval) && pkt->reason == INVSPI_NO_STATE)
		pc->log_suppressed++;
	u64_stats_update_end(&pc->syncp);
	return 0;
}

/**
 * invspi_table_count() - count a dropped packet
 * @tb: table
 * @pkt: packet; key.flags is 0
 *
 * Bottom halves off, inside an RCU read side. Does not sleep; allocates within
 * the caps only.
 *
 * Return: INVSPI_TODO_*, to be done by the caller without any lock held.
 */
u32 invspi_table_count(struct invspi_table *tb, struct invspi_pkt *pkt)
{
	struct invspi_percpu *pc = this_cpu_ptr(tb->pcpu);
	u32 hash = invspi_key_hash(tb, &pkt->key);
	u32 tag = invspi_hash_tag(hash);
	u64 now = get_jiffies_64();
	struct invspi_set *set = NULL;
	struct invspi_slots *slots;
	u32 seen = 0, index, todo, i;

	invspi_stat_add(pc, &pc->packets[pkt->reason][pkt->key.kind & INVSPI_KIND_IPV6], 1);

	slots = rcu_dereference(tb->slots);
	if (unlikely(!slots))
		goto miss;
	index = invspi_hash_set(slots, hash);
	set = rcu_dereference(slots->set[index]);
	if (unlikely(!set))
		goto miss;
	/* pairs with invspi_set_insert() */
	seen = smp_load_acquire(&set->inserted);
	for (i = invspi_set_find(set, tag, 0); i < INVSPI_SET_FLOWS;
	     i = invspi_set_find(set, tag, i + 1)) {
		if (likely(invspi_flow_count(tb, pc, slots, index, set, i, pkt, now, &todo)))
			return todo;
	}
miss:
	return invspi_count_new(tb, pc, slots, set, seen, pkt, hash, now);
}
