// SPDX-License-Identifier: GPL-2.0-only
/*
 * The flow table: how it works, and its memory.
 *
 * Theory of operation
 *
 * Anyone can send packets with any source and SPI, so nothing here may cost
 * more memory, time or locking when they come from an attacker.
 *
 * The table is set-associative. A keyed hash over (source, SPI) names a set of
 * sixteen flows and gives a 32-bit tag; the tags of a set fill one cache line.
 * A packet reads that line, and where its tag is, compares the whole key under
 * the flow's own lock and counts. It writes two cache lines: the flow's, and
 * this CPU's counters. No other flow shares them.
 *
 * A packet that finds no flow takes the set's lock, looks again if somebody put
 * a flow in meanwhile, and takes a slot:
 *  1. a free one;
 *  2. else that of the oldest flow with a single packet. If the set took in
 *     another flow within the last second, only one newcomer in sixteen may do
 *     so: during a flood of single packets a real flow that begins then lives
 *     long enough to have its second packet;
 *  3. else that of the flow that has been silent longest, if that is longer
 *     than idle_ms;
 *  4. else, if the set took in no other within the last second, that of the
 *     flow that began last among those silent for more than two seconds, unless
 *     it is of the older half of the set;
 *  5. else none: flows that go on stay, and the packet is only counted.
 *
 * 4 is for a spoofer who sends each of his flows more than once, and again before
 * idle_ms: one packet in seven milliseconds would hold all of 4096 slots. To hide
 * a flow that begins he has to send from half of them every two seconds, 1000
 * packets a second. The older half of a set he cannot drive out at all, nor what
 * does not pause.
 *
 * The sum is always exact: each packet is in a flow, or in one of the counters
 * evicted, deleted and untracked; counts move from one to the other under the
 * locks of set and flow.
 *
 * Memory: the array of sets comes with the first packet, a set with the first
 * packet that falls there, both without sleeping, and a failure leaves the
 * packet untracked. A set is 2 KiB, so a flow costs 128 bytes plus half a
 * byte for the array. flows_max bounds the sets of a namespace, flows_max_all
 * those of all of them, of which namespaces with a user namespace of their own
 * together get half: they cannot take the gateway's.
 *
 * Sets are freed only with the whole table (invspi_table_restart), after a
 * grace period. A flow that is deleted or evicted stays in its set's memory,
 * so a packet that raced with that finds another key there, or none, and
 * begins anew with the set's lock.
 *
 * Locks: grow_lock; set->lock, inside of it hot->lock. Packets come with bottom
 * halves off and inside RCU; everybody else must see to both.
 */
#include <linux/atomic.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "table.h"
#include "table_set.h"

/* Up to here the array of sets (8 bytes each) is made by a packet. */
#define INVSPI_ATOMIC_SETS 4096

static struct kmem_cache *invspi_set_cache __read_mostly;
static u32 invspi_sets_max __read_mostly;
static atomic_t invspi_sets_all = ATOMIC_INIT(0);
static atomic_t invspi_sets_guests = ATOMIC_INIT(0);

/* Guests together get half, but a set at least. */
static u32 invspi_sets_limit(const struct invspi_table *tb)
{
	return tb->guest ? max(invspi_sets_max / 2, 1U) : invspi_sets_max;
}

static bool invspi_sets_exhausted(const struct invspi_table *tb)
{
	return atomic_read(&invspi_sets_all) >= invspi_sets_max ||
	       (tb->guest && atomic_read(&invspi_sets_guests) >= invspi_sets_limit(tb));
}

static bool invspi_set_charge(const struct invspi_table *tb)
{
	if (atomic_inc_return(&invspi_sets_all) > invspi_sets_max)
		goto over;
	if (!tb->guest)
		return true;
	if (atomic_inc_return(&invspi_sets_guests) <= invspi_sets_limit(tb))
		return true;
	atomic_dec(&invspi_sets_guests);
over:
	atomic_dec(&invspi_sets_all);
	return false;
}

static void invspi_set_uncharge(const struct invspi_table *tb)
{
	if (tb->guest)
		atomic_dec(&invspi_sets_guests);
	atomic_dec(&invspi_sets_all);
}

static struct invspi_set *invspi_set_alloc(const struct invspi_table *tb,
					   struct invspi_slots *slots, u32 index)
{
	struct invspi_set *set;
	int i;

	if (!invspi_set_charge(tb))
		return NULL;
	set = kmem_cache_zalloc(invspi_set_cache, GFP_ATOMIC | __GFP_NOWARN);
	if (!set) {
		invspi_set_uncharge(tb);
		return NULL;
	}
	set->slots = slots;
	set->index = index;
	spin_lock_init(&set->lock);
	for (i = 0; i < INVSPI_SET_FLOWS; i++)
		spin_lock_init(&set->hot[i].lock);
	set->rnd = get_random_u32() | 1;
	return set;
}

static struct invspi_slots *invspi_slots_alloc(u32 nsets, gfp_t gfp)
{
	struct invspi_slots *slots;
	size_t head = struct_size(slots, set, nsets);
	size_t map = BITS_TO_LONGS(nsets) * sizeof(long);

	slots = kvzalloc(head + 2 * map, gfp | __GFP_NOWARN);
	if (!slots)
		return NULL;
	slots->nsets = nsets;
	slots->mask = nsets - 1;
	slots->pending = (void *)slots + head;
	slots->active = (void *)slots->pending + map;
	return slots;
}

/* Nobody else sees these slots any more, but for packets that are long gone. */
static void invspi_slots_free(struct invspi_table *tb, struct invspi_slots *slots)
{
	struct invspi_percpu *pc;
	u64 packets = 0, flows = 0;
	u32 i, j;

	for (i = 0; i < slots->nsets; i++) {
		struct invspi_set *set = rcu_dereference_protected(slots->set[i], 1);

		if (!set)
			continue;
		for (j = 0; j < INVSPI_SET_FLOWS; j++) {
			if (!(set->used & BIT(j)))
				continue;
			packets += invspi_hot_packets(&set->hot[j]);
			flows++;
		}
		invspi_set_uncharge(tb);
		kmem_cache_free(invspi_set_cache, set);
	}
	kvfree(slots);

	local_bh_disable();
	pc = this_cpu_ptr(tb->pcpu);
	u64_stats_update_begin(&pc->syncp);
	invspi_stat_change(&pc->deleted_packets, packets);
	invspi_stat_change(&pc->flows, -flows);
	u64_stats_update_end(&pc->syncp);
	local_bh_enable();
}

/**
 * invspi_set_grow() - make the set that a packet needs, and before it the array
 * @tb: table
 * @hash: of the packet's key
 *
 * Bottom halves off, inside RCU. grow_lock keeps out a restart, which would
 * otherwise find an array of the old size put in after it.
 *
 * Return: the set, which somebody else may have made just now, or NULL if a cap
 * is reached or there is no memory.
 */
struct invspi_set *invspi_set_grow(struct invspi_table *tb, u32 hash)
{
	struct invspi_slots *slots;
	struct invspi_set *set = NULL;
	u32 index;

	/* Do not queue for the lock only to hear that there is no room. */
	if (invspi_sets_exhausted(tb))
		return NULL;

	spin_lock(&tb->grow_lock);
	slots = rcu_dereference_protected(tb->slots, lockdep_is_held(&tb->grow_lock));
	if (!slots) {
		/* Not a large one: that was made by invspi_table_restart(). */
		slots = invspi_slots_alloc(tb->flows_max / INVSPI_SET_FLOWS, GFP_ATOMIC);
		if (!slots)
			goto unlock;
		rcu_assign_pointer(tb->slots, slots);
	}
	index = invspi_hash_set(slots, hash);
	set = rcu_dereference_protected(slots->set[index], lockdep_is_held(&tb->grow_lock));
	if (!set) {
		set = invspi_set_alloc(tb, slots, index);
		rcu_assign_pointer(slots->set[index], set);
	}
unlock:
	spin_unlock(&tb->grow_lock);
	return set;
}

/**
 * invspi_table_configure() - take over settings
 * @tb: table
 * @cfg: settings, checked; flows_max is not looked at
 * @may_log: false turns the log off whatever @cfg says
 */
void invspi_table_configure(struct invspi_table *tb, const struct invspi_config *cfg, bool may_log)
{
	unsigned long interval = may_log ? msecs_to_jiffies(cfg->log_interval_ms) : 0;

	WRITE_ONCE(tb->desync_packets, cfg->desync_packets);
	WRITE_ONCE(tb->desync, msecs_to_jiffies(cfg->desync_ms));
	WRITE_ONCE(tb->idle, msecs_to_jiffies(cfg->idle_ms));
	WRITE_ONCE(tb->log_interval, interval);
	WRITE_ONCE(tb->log_rate, cfg->log_rate);
}

/**
 * invspi_table_restart() - begin with an empty table
 * @tb: table
 * @flows_max: its slots, a power of two, at least INVSPI_SET_FLOWS
 *
 * The table gets no more sets than it can ever have memory for: flows that fall
 * on the others would have no chance. What was counted so far goes to
 * deleted_packets. Process context, one at a
 * time; sleeps for a grace period.
 *
 * Return: 0, or -ENOMEM, and then nothing has changed.
 */
int invspi_table_restart(struct invspi_table *tb, u32 flows_max)
{
	u32 most = rounddown_pow_of_two(invspi_sets_limit(tb));
	u32 nsets = min(flows_max / INVSPI_SET_FLOWS, most);
	struct invspi_slots *old, *new = NULL;

	if (nsets > INVSPI_ATOMIC_SETS) {
		new = invspi_slots_alloc(nsets, GFP_KERNEL);
		if (!new)
			return -ENOMEM;
	}
	spin_lock_bh(&tb->grow_lock);
	old = rcu_dereference_protected(tb->slots, lockdep_is_held(&tb->grow_lock));
	/*
	 * Changed before and after: whoever reads the number, the table and the
	 * number again notices, however the reads fall.
	 */
	WRITE_ONCE(tb->generation, tb->generation + 1);
	smp_wmb(); /* pairs with invspi_table_generation() */
	rcu_assign_pointer(tb->slots, new);
	smp_wmb(); /* the same */
	WRITE_ONCE(tb->generation, tb->generation + 1);
	WRITE_ONCE(tb->flows_max, nsets * INVSPI_SET_FLOWS);
	spin_unlock_bh(&tb->grow_lock);

	if (old) {
		synchronize_rcu();
		invspi_slots_free(tb, old);
	}
	return 0;
}

/**
 * invspi_table_init() - set up a table
 * @tb: table, zeroed
 * @cfg: settings, checked
 * @guest: see struct invspi_table
 * @may_log: see invspi_table_configure()
 *
 * Process context. Return: 0 or -ENOMEM.
 */
int invspi_table_init(struct invspi_table *tb, const struct invspi_config *cfg, bool guest,
		      bool may_log)
{
	int cpu, err;

	tb->pcpu = alloc_percpu(struct invspi_percpu);
	if (!tb->pcpu)
		return -ENOMEM;
	for_each_possible_cpu(cpu)
		u64_stats_init(&per_cpu_ptr(tb->pcpu, cpu)->syncp);
	invspi_hash_init(&tb->key);
	spin_lock_init(&tb->grow_lock);
	invspi_limit_init(&tb->log_limit, cfg->log_rate);
	tb->generation = 1;
	tb->guest = guest;
	invspi_table_configure(tb, cfg, may_log);
	err = invspi_table_restart(tb, cfg->flows_max);
	if (err)
		free_percpu(tb->pcpu);
	return err;
}

/**
 * invspi_table_exit() - free a table
 * @tb: table; the last packet and reader left a grace period ago
 */
void invspi_table_exit(struct invspi_table *tb)
{
	struct invspi_slots *slots = rcu_dereference_protected(tb->slots, 1);

	if (slots)
		invspi_slots_free(tb, slots);
	free_percpu(tb->pcpu);
}

/**
 * invspi_table_module_init() - what all tables share
 * @flows_max_all: slots of all tables together
 *
 * Return: 0 or -ENOMEM.
 */
int invspi_table_module_init(u32 flows_max_all)
{
	invspi_sets_max = flows_max_all / INVSPI_SET_FLOWS;
	invspi_set_cache = kmem_cache_create("xfrm_invspi_set", sizeof(struct invspi_set),
					     __alignof__(struct invspi_set), 0, NULL);
	return invspi_set_cache ? 0 : -ENOMEM;
}

/**
 * invspi_table_module_exit() - undo it; no table is left
 */
void invspi_table_module_exit(void)
{
	kmem_cache_destroy(invspi_set_cache);
}
