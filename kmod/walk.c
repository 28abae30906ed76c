// SPDX-License-Identifier: GPL-2.0-only
/*
 * The flow table as everybody but the packets sees it: totals, reading,
 * deleting, events and silence. Process context; a set is held only while it is
 * copied, never across something that may sleep.
 */
#include <linux/bottom_half.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "table.h"
#include "table_set.h"

/* The set's lock is held; its flows are used. */
static void invspi_flow_copy(struct invspi_set *set, u32 i, struct invspi_flow *flow)
{
	const struct invspi_cold *cold = &set->cold[i];
	struct invspi_hot *hot = &set->hot[i];

	spin_lock(&hot->lock);
	flow->key = cold->key;
	memcpy(flow->drops, hot->drops, sizeof(flow->drops));
	flow->bytes = hot->bytes;
	flow->first = cold->first;
	flow->last = hot->last;
	flow->seq = hot->seq;
	flow->mark = hot->mark;
	flow->ifindex = hot->ifindex;
	flow->dport = set->dport[i];
	spin_unlock(&hot->lock);
}

/**
 * invspi_table_generation() - number that changes when the table starts anew
 * @tb: table
 *
 * What was read of the table between two calls that return the same number is
 * of one table.
 *
 * Return: the number.
 */
u32 invspi_table_generation(const struct invspi_table *tb)
{
	u32 generation;

	smp_rmb(); /* pairs with invspi_table_restart(): what was read before */
	generation = READ_ONCE(tb->generation);
	smp_rmb(); /* and what will be read after */
	return generation;
}

/* The counters of one CPU, as they were at one time */
static void invspi_percpu_read(const struct invspi_percpu *pc, struct invspi_totals *copy)
{
	unsigned int start;
	int i, j;

	do {
		start = u64_stats_fetch_begin(&pc->syncp);
		for (i = 0; i < INVSPI_REASONS; i++)
			for (j = 0; j < 2; j++)
				copy->packets[i][j] = u64_stats_read(&pc->packets[i][j]);
		copy->untracked_packets = u64_stats_read(&pc->untracked_packets);
		copy->evicted_flows = u64_stats_read(&pc->evicted_flows);
		copy->evicted_packets = u64_stats_read(&pc->evicted_packets);
		copy->deleted_packets = u64_stats_read(&pc->deleted_packets);
		copy->log_suppressed = u64_stats_read(&pc->log_suppressed);
		copy->flows = u64_stats_read(&pc->flows);
	} while (u64_stats_fetch_retry(&pc->syncp, start));
}

/**
 * invspi_table_totals() - add up the counters of all CPUs
 * @tb: table
 * @sum: result; exact when no packet is on its way
 */
void invspi_table_totals(struct invspi_table *tb, struct invspi_totals *sum)
{
	struct invspi_totals copy;
	int cpu, i, j;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		invspi_percpu_read(per_cpu_ptr(tb->pcpu, cpu), &copy);
		for (i = 0; i < INVSPI_REASONS; i++)
			for (j = 0; j < 2; j++)
				sum->packets[i][j] += copy.packets[i][j];
		sum->untracked_packets += copy.untracked_packets;
		sum->evicted_flows += copy.evicted_flows;
		sum->evicted_packets += copy.evicted_packets;
		sum->deleted_packets += copy.deleted_packets;
		sum->log_suppressed += copy.log_suppressed;
		sum->flows += copy.flows;
	}
	/* A flow may have gone on a CPU that was read before it came on another. */
	sum->flows = max_t(s64, sum->flows, 0);
}

/**
 * invspi_table_read_set() - copy the flows of one set
 * @tb: table
 * @index: which, from 0
 * @flows: room for INVSPI_SET_FLOWS
 *
 * A flow never changes its set, so going through all sets gives every flow that
 * was there all the time exactly once, unless tb->generation has changed.
 *
 * Return: number of flows, or -1 if there is no such set, nor any after it.
 */
int invspi_table_read_set(struct invspi_table *tb, u32 index, struct invspi_flow *flows)
{
	struct invspi_slots *slots;
	struct invspi_set *set;
	int n = -1;
	u32 i;

	rcu_read_lock();
	slots = rcu_dereference(tb->slots);
	if (!slots || index >= slots->nsets)
		goto out;
	n = 0;
	set = rcu_dereference(slots->set[index]);
	if (!set)
		goto out;
	spin_lock_bh(&set->lock);
	for (i = 0; i < INVSPI_SET_FLOWS; i++)
		if (set->used & BIT(i))
			invspi_flow_copy(set, i, &flows[n++]);
	spin_unlock_bh(&set->lock);
out:
	rcu_read_unlock();
	return n;
}

/**
 * invspi_table_find() - copy one flow
 * @tb: table
 * @key: which
 * @flow: result
 *
 * Return: true if it is there.
 */
bool invspi_table_find(struct invspi_table *tb, const struct invspi_key *key,
		       struct invspi_flow *flow)
{
	u32 hash = invspi_key_hash(tb, key), tag = invspi_hash_tag(hash), i;
	struct invspi_slots *slots;
	struct invspi_set *set;
	bool found = false;

	rcu_read_lock();
	slots = rcu_dereference(tb->slots);
	set = slots ? rcu_dereference(slots->set[invspi_hash_set(slots, hash)]) : NULL;
	if (!set)
		goto out;
	spin_lock_bh(&set->lock);
	for (i = 0; i < INVSPI_SET_FLOWS && !found; i++) {
		if (set->tag[i] != tag)
			continue;
		invspi_flow_copy(set, i, flow);
		found = invspi_key_equal(&flow->key, key);
	}
	spin_unlock_bh(&set->lock);
out:
	rcu_read_unlock();
	return found;
}

/* Both the set's lock and bottom halves are held. */
static void invspi_flow_delete(struct invspi_percpu *pc, struct invspi_set *set, u32 i)
{
	struct invspi_hot *hot = &set->hot[i];

	spin_lock(&hot->lock);
	u64_stats_update_begin(&pc->syncp);
	invspi_stat_change(&pc->deleted_packets, invspi_hot_packets(hot));
	invspi_stat_change(&pc->flows, -1ULL);
	u64_stats_update_end(&pc->syncp);
	/* A packet that has seen the tag already finds no key. */
	memset(&set->cold[i].key, 0, sizeof(set->cold[i].key));
	WRITE_ONCE(set->tag[i], 0);
	set->used &= ~BIT(i);
	atomic_andnot(BIT(i), &set->once);
	spin_unlock(&hot->lock);
}

static u32 invspi_set_delete(struct invspi_table *tb, struct invspi_set *set, invspi_match_t *match,
			     const void *arg)
{
	struct invspi_flow flow;
	u32 i, n = 0;

	spin_lock_bh(&set->lock);
	for (i = 0; i < INVSPI_SET_FLOWS; i++) {
		if (!(set->used & BIT(i)))
			continue;
		invspi_flow_copy(set, i, &flow);
		if (!match(&flow, arg))
			continue;
		/* What came since the copy is deleted along with it. */
		invspi_flow_delete(this_cpu_ptr(tb->pcpu), set, i);
		n++;
	}
	spin_unlock_bh(&set->lock);
	return n;
}

/**
 * invspi_table_delete() - delete the flows that match
 * @tb: table
 * @match: called for each with a set's lock held: no sleeping, no printing
 * @arg: passed on to @match
 *
 * Return: how many were deleted.
 */
u64 invspi_table_delete(struct invspi_table *tb, invspi_match_t *match, const void *arg)
{
	struct invspi_slots *slots;
	struct invspi_set *set;
	u64 n = 0;
	u32 i;

	for (i = 0;; i++) {
		rcu_read_lock();
		slots = rcu_dereference(tb->slots);
		if (!slots || i >= slots->nsets)
			break;
		set = rcu_dereference(slots->set[i]);
		if (set)
			n += invspi_set_delete(tb, set, match, arg);
		rcu_read_unlock();
		cond_resched();
	}
	rcu_read_unlock();
	return n;
}

/* Take one event out of a set, the oldest kind of a flow first. */
static u8 invspi_set_event(struct invspi_set *set, struct invspi_flow *flow)
{
	u8 event = 0, *flags;
	u32 i;

	spin_lock_bh(&set->lock);
	for (i = 0; i < INVSPI_SET_FLOWS && !event; i++) {
		if (!(set->used & BIT(i)))
			continue;
		spin_lock(&set->hot[i].lock);
		flags = &set->cold[i].key.flags;
		event = *flags & INVSPI_FLOW_EV;
		event &= -event;
		*flags &= ~event;
		spin_unlock(&set->hot[i].lock);
		if (event)
			invspi_flow_copy(set, i, flow);
	}
	spin_unlock_bh(&set->lock);
	return event;
}

/**
 * invspi_table_next_event() - take an event out of the table
 * @tb: table
 * @index: set to begin with, 0 at first; kept by the caller
 * @flow: the event's flow as it is now
 *
 * Return: one of INVSPI_FLOW_EV_*, or 0 when there is none any more.
 */
u8 invspi_table_next_event(struct invspi_table *tb, u32 *index, struct invspi_flow *flow)
{
	struct invspi_slots *slots;
	struct invspi_set *set;
	u8 event = 0;

	rcu_read_lock();
	slots = rcu_dereference(tb->slots);
	while (slots) {
		*index = find_next_bit(slots->pending, slots->nsets, *index);
		if (*index >= slots->nsets)
			break;
		/* Cleared before the look: who comes after it sets it again. */
		clear_bit(*index, slots->pending);
		smp_mb__after_atomic(); /* and that stays so */
		set = rcu_dereference(slots->set[*index]);
		event = invspi_set_event(set, flow);
		if (event) {
			set_bit(*index, slots->pending);
			break;
		}
	}
	rcu_read_unlock();
	return event;
}

/*
 * Find the desyncs of a set that have fallen silent. Return: true if some have
 * not; then *@left is at most the time until the next one may.
 */
static bool invspi_set_age(struct invspi_table *tb, struct invspi_set *set, u64 now,
			   unsigned long *left, u32 *todo)
{
	const u8 live = INVSPI_FLOW_DESYNC;
	u64 idle = READ_ONCE(tb->idle);
	bool some = false;
	u32 i;

	spin_lock_bh(&set->lock);
	for (i = 0; i < INVSPI_SET_FLOWS; i++) {
		struct invspi_key *key = &set->cold[i].key;
		u64 silent;

		if (!(set->used & BIT(i)))
			continue;
		spin_lock(&set->hot[i].lock);
		/* a packet may have come since the caller looked at the clock */
		silent = now - min(set->hot[i].last, now);
		if ((key->flags & (INVSPI_FLOW_CEASED | live)) != live) {
			/* not yet, or no longer */
		} else if (silent >= idle) {
			key->flags |= INVSPI_FLOW_CEASED;
			*todo |= invspi_flow_raise(tb, set, key, INVSPI_FLOW_EV_CEASED);
		} else {
			*left = min_t(u64, *left, idle - silent);
			some = true;
		}
		spin_unlock(&set->hot[i].lock);
	}
	spin_unlock_bh(&set->lock);
	return some;
}

/**
 * invspi_table_age() - find the desyncs that have fallen silent
 * @tb: table
 * @todo: result: INVSPI_TODO_EVENT if there are events to send
 *
 * Return: jiffies until the next one may, or 0 if no desync is left.
 */
unsigned long invspi_table_age(struct invspi_table *tb, u32 *todo)
{
	unsigned long left = MAX_JIFFY_OFFSET;
	struct invspi_slots *slots;
	struct invspi_set *set;
	bool some = false;
	u32 i;

	*todo = 0;
	for (i = 0;; i++) {
		rcu_read_lock();
		slots = rcu_dereference(tb->slots);
		if (!slots)
			break;
		i = find_next_bit(slots->active, slots->nsets, i);
		if (i >= slots->nsets)
			break;
		clear_bit(i, slots->active);
		smp_mb__after_atomic(); /* and that stays so */
		set = rcu_dereference(slots->set[i]);
		if (invspi_set_age(tb, set, get_jiffies_64(), &left, todo)) {
			set_bit(i, slots->active);
			some = true;
		}
		rcu_read_unlock();
		cond_resched();
	}
	rcu_read_unlock();
	return some ? max(left, 1UL) : 0;
}
