// SPDX-License-Identifier: GPL-2.0-only
/*
 * The flow table: what a packet does to it. table.c has the theory.
 */
#include <linux/bitops.h>
#include <linux/jiffies.h>
#include <linux/string.h>

#include "count.h"

/* A line for this packet? The global cap comes first: see invspi_limit_take. */
static noinline u32 invspi_flow_log(struct invspi_table *tb, struct invspi_percpu *pc,
				    struct invspi_hot *hot, struct invspi_cold *cold,
				    struct invspi_pkt *pkt, u64 now)
{
	u32 drops = hot->drops[INVSPI_NO_STATE];

	if (!invspi_limit_take(&tb->log_limit, READ_ONCE(tb->log_rate), 0)) {
		invspi_stat_inc(pc, &pc->log_suppressed);
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
static noinline u32 invspi_flow_progress(struct invspi_table *tb, struct invspi_set *set, u32 i,
					 u64 now)
{
	struct invspi_key *key = &set->cold[i].key;

	if (!(key->flags & INVSPI_FLOW_MANY)) {
		key->flags |= INVSPI_FLOW_MANY;
		atomic_andnot(BIT(i), &set->once);
	}
	if (key->flags & INVSPI_FLOW_CEASED)
		key->flags &= ~(INVSPI_FLOW_CEASED | INVSPI_FLOW_EV_CEASED);
	else if (invspi_hot_packets(&set->hot[i]) >= READ_ONCE(tb->desync_packets) &&
		 now - set->cold[i].first >= READ_ONCE(tb->desync))
		key->flags |= INVSPI_FLOW_DESYNC;
	else
		return 0;

	set_bit(set->index, set->slots->active);
	return INVSPI_TODO_AGE | invspi_flow_raise(tb, set, key, INVSPI_FLOW_EV_DESYNC);
}

/* Is a line of this flow due, as far as its own limit goes? Under its lock. */
static bool invspi_flow_log_due(const struct invspi_table *tb, const struct invspi_cold *cold,
				u64 now)
{
	return !(cold->key.flags & INVSPI_FLOW_LOGGED) ||
	       (u32)now - cold->log_last >= READ_ONCE(tb->log_interval);
}

/* Add a packet to its flow, whose lock is held. */
static void invspi_flow_add(struct invspi_set *set, u32 i, const struct invspi_pkt *pkt, u64 now)
{
	struct invspi_hot *hot = &set->hot[i];

	hot->drops[pkt->reason]++;
	hot->bytes += pkt->bytes;
	WRITE_ONCE(hot->last, now); /* read by invspi_set_oldest(), _youngest() */
	hot->seq = pkt->seq;
	hot->mark = pkt->mark;
	hot->ifindex = pkt->ifindex;
	invspi_flow_dport(set, i, pkt->dport);
}

/*
 * Count a packet in slot @i, whose tag fits. Return: false if the slot has
 * another key: a collision, or its flow went away just now.
 */
static bool invspi_flow_count(struct invspi_table *tb, struct invspi_percpu *pc,
			      struct invspi_set *set, u32 i, struct invspi_pkt *pkt, u32 *todo)
{
	struct invspi_cold *cold = &set->cold[i];
	struct invspi_hot *hot = &set->hot[i];
	u64 now;

	spin_lock(&hot->lock);
	if (unlikely(!invspi_key_equal(&cold->key, &pkt->key))) {
		spin_unlock(&hot->lock);
		return false;
	}
	/* Under the lock: it must not lie before what another CPU has noted. */
	now = get_jiffies_64();
	invspi_flow_add(set, i, pkt, now);
	*todo = 0;
	if ((cold->key.flags & INVSPI_FLOW_USUAL_MASK) != INVSPI_FLOW_USUAL)
		*todo = invspi_flow_progress(tb, set, i, now);
	if (READ_ONCE(tb->log_interval) && pkt->reason == INVSPI_NO_STATE) {
		if (invspi_flow_log_due(tb, cold, now))
			*todo |= invspi_flow_log(tb, pc, hot, cold, pkt, now);
		else
			invspi_stat_inc(pc, &pc->log_suppressed);
	}
	spin_unlock(&hot->lock);
	return true;
}

/* Count a packet in its flow, if the set has it. */
static bool invspi_set_count(struct invspi_table *tb, struct invspi_percpu *pc,
			     struct invspi_set *set, u32 tag, struct invspi_pkt *pkt, u32 *todo)
{
	u32 i;

	for (i = 0; i < INVSPI_SET_FLOWS; i++)
		if (READ_ONCE(set->tag[i]) == tag && invspi_flow_count(tb, pc, set, i, pkt, todo))
			return true;
	return false;
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

/*
 * Does the lottery say no to a newcomer? Only single packets are subject to it.
 * Under set->lock.
 */
static bool invspi_set_refuses(struct invspi_set *set, u32 now)
{
	return set->used == INVSPI_ALL_USED && atomic_read(&set->once) &&
	       now - set->admitted < HZ && !invspi_set_lottery(set);
}

/* Of these flows the one silent longest, if nothing came since before @oldest */
static u32 invspi_set_oldest(const struct invspi_set *set, u32 which, u64 oldest)
{
	u32 best = INVSPI_NO_SLOT, i;

	for (i = 0; i < INVSPI_SET_FLOWS; i++) {
		/* a race with a packet there does no harm: it is not the oldest */
		u64 last = READ_ONCE(set->hot[i].last);

		if (which & BIT(i) && last < oldest) {
			oldest = last;
			best = i;
		}
	}
	return best;
}

/*
 * Of the flows that pause the one that began last, if at least half of the set began
 * before it: what was there before an attack stays.
 */
static u32 invspi_set_youngest(const struct invspi_set *set, u64 now)
{
	u32 best = INVSPI_NO_SLOT, older = 0, i;
	u64 youngest = 0;

	for (i = 0; i < INVSPI_SET_FLOWS; i++) {
		if (READ_ONCE(set->hot[i].last) + INVSPI_PAUSE < now &&
		    set->cold[i].first >= youngest) {
			youngest = set->cold[i].first;
			best = i;
		}
	}
	/* counts itself, too */
	for (i = 0; i < INVSPI_SET_FLOWS; i++)
		older += set->cold[i].first <= youngest;
	return older > INVSPI_SET_FLOWS / 2 ? best : INVSPI_NO_SLOT;
}

/*
 * The slot for a new flow, which the lottery has not refused; see the theory of
 * operation. Under set->lock.
 */
static u32 invspi_set_choose(const struct invspi_table *tb, const struct invspi_set *set, u64 now)
{
	u32 once, best;

	if (set->used != INVSPI_ALL_USED)
		return ffz(set->used);

	/* of a single packet, first and last are the same */
	once = atomic_read(&set->once);
	if (once)
		return invspi_set_oldest(set, once, now + 1);

	best = invspi_set_oldest(set, INVSPI_ALL_USED,
				 now - min_t(u64, READ_ONCE(tb->idle), now) + 1);
	if (best == INVSPI_NO_SLOT && (u32)now - set->admitted >= HZ)
		best = invspi_set_youngest(set, now);
	return best;
}

/* Put the packet's flow into slot @i, which may hold another. Under set->lock. */
static u32 invspi_set_insert(struct invspi_table *tb, struct invspi_percpu *pc,
			     struct invspi_set *set, u32 i, struct invspi_pkt *pkt, u32 tag,
			     u64 now)
{
	struct invspi_cold *cold = &set->cold[i];
	struct invspi_hot *hot = &set->hot[i];
	u32 todo;

	spin_lock(&hot->lock);
	u64_stats_update_begin(&pc->syncp);
	if (set->used & BIT(i)) {
		u64_stats_inc(&pc->evicted_flows);
		invspi_stat_change(&pc->evicted_packets, invspi_hot_packets(hot));
	} else {
		u64_stats_inc(&pc->flows);
	}
	u64_stats_update_end(&pc->syncp);

	memset(hot->drops, 0, sizeof(hot->drops));
	hot->bytes = 0;
	invspi_flow_add(set, i, pkt, now);
	cold->key = pkt->key;
	cold->first = now;
	cold->log_seen = 0;

	set->used |= BIT(i);
	atomic_or(BIT(i), &set->once);
	set->admitted = now;
	WRITE_ONCE(set->tag[i], tag);
	/* pairs with invspi_count_usual(): who sees this number sees the tag */
	smp_store_release(&set->inserted, set->inserted + 1);

	todo = invspi_flow_raise(tb, set, &cold->key, INVSPI_FLOW_EV_NEW);
	if (READ_ONCE(tb->log_interval) && pkt->reason == INVSPI_NO_STATE)
		todo |= invspi_flow_log(tb, pc, hot, cold, pkt, now);
	spin_unlock(&hot->lock);
	return todo;
}

/*
 * A packet that found no flow when @seen flows had been put in. @lucky: it has
 * won the lottery already.
 */
static u32 invspi_set_admit(struct invspi_table *tb, struct invspi_percpu *pc,
			    struct invspi_set *set, u32 seen, bool lucky, struct invspi_pkt *pkt,
			    u32 tag)
{
	u32 todo = INVSPI_TODO_UNTRACKED, i;
	u64 now;

	spin_lock(&set->lock);
	now = get_jiffies_64(); /* as in invspi_flow_count() */
	if (unlikely(set->inserted != seen)) {
		if (invspi_set_count(tb, pc, set, tag, pkt, &todo))
			goto unlock;
		lucky = false; /* then the lottery has not been asked, or for another place */
	}
	if (!lucky && invspi_set_refuses(set, now))
		goto unlock;
	i = invspi_set_choose(tb, set, now);
	if (i != INVSPI_NO_SLOT)
		todo = invspi_set_insert(tb, pc, set, i, pkt, tag, now);
unlock:
	spin_unlock(&set->lock);
	return todo;
}

/* Count a packet that gets no flow. */
static void invspi_count_untracked(struct invspi_table *tb, struct invspi_percpu *pc, bool log)
{
	u64_stats_update_begin(&pc->syncp);
	u64_stats_inc(&pc->untracked_packets);
	/* without a flow there is no limit per flow either */
	if (log && READ_ONCE(tb->log_interval))
		u64_stats_inc(&pc->log_suppressed);
	u64_stats_update_end(&pc->syncp);
}

/**
 * invspi_table_refuse() - let the lottery decide about a new flow
 * @tb: table
 * @set: as set by invspi_count_usual(), not NULL
 * @seen: the same
 * @v6: is it IPv6?
 *
 * Saves the effort for all but one packet in sixteen of a flood. Context as
 * invspi_table_count().
 *
 * Return: true if the packet, dropped because of INVSPI_NO_STATE, has been
 * counted as untracked; false if it is for invspi_table_count().
 */
bool invspi_table_refuse(struct invspi_table *tb, struct invspi_set *set, u32 seen, bool v6)
{
	struct invspi_percpu *pc;
	bool refused;

	spin_lock(&set->lock);
	refused = set->inserted == seen && invspi_set_refuses(set, jiffies);
	spin_unlock(&set->lock);
	if (!refused)
		return false;
	pc = this_cpu_ptr(tb->pcpu);
	invspi_stat_inc(pc, &pc->packets[INVSPI_NO_STATE][v6]);
	invspi_count_untracked(tb, pc, true);
	return true;
}

/**
 * invspi_table_count() - count a dropped packet
 * @tb: table
 * @pkt: packet; key.flags is 0
 * @hash: invspi_key_hash()
 * @missed: as set by invspi_count_usual() and not refused by invspi_table_refuse(),
 *	or NULL
 * @seen: the same, or 0
 *
 * Bottom halves off, inside an RCU read side. Does not sleep; allocates within
 * the caps only.
 *
 * Return: INVSPI_TODO_*, to be done by the caller without any lock held.
 */
u32 invspi_table_count(struct invspi_table *tb, struct invspi_pkt *pkt, u32 hash,
		       struct invspi_set *missed, u32 seen)
{
	struct invspi_percpu *pc = this_cpu_ptr(tb->pcpu);
	u32 tag = invspi_hash_tag(hash), todo;
	struct invspi_set *set = missed;

	invspi_stat_inc(pc, &pc->packets[pkt->reason][pkt->key.kind & INVSPI_KIND_IPV6]);

	if (!set)
		set = invspi_set_get(tb, hash);
	if (!set)
		set = invspi_set_grow(tb, hash);
	if (!set)
		goto untracked;
	if (!missed) {
		/* pairs with invspi_set_insert() */
		seen = smp_load_acquire(&set->inserted);
		if (invspi_set_count(tb, pc, set, tag, pkt, &todo))
			return todo;
	}
	todo = invspi_set_admit(tb, pc, set, seen, missed, pkt, tag);
	if (todo != INVSPI_TODO_UNTRACKED)
		return todo;

untracked:
	invspi_count_untracked(tb, pc, pkt->reason == INVSPI_NO_STATE);
	return 0;
}
