/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A machine for kernel code in user space, as small as the flow table allows: a
 * thread is a CPU, the clock stands until it is set, memory runs out on demand.
 *
 * The headers in linux/ stand in for the kernel's of the same name. What the
 * kernel's race detector takes for an access on purpose (READ_ONCE, atomics,
 * bitops, u64_stats_t) is an atomic access here, and all else a plain one, so that
 * ThreadSanitizer reports what KCSAN would.
 *
 * Unless NDEBUG is defined, rules of context are asserted: who takes a spinlock has
 * bottom halves off, who sleeps holds none and is outside of RCU, who follows an
 * RCU pointer is inside.
 */
#ifndef SELFTESTS_TABLE_SHIM_H
#define SELFTESTS_TABLE_SHIM_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHIM_CPUS 4

/* Which CPU this thread is; no two threads may be the same one. */
extern __thread unsigned int shim_cpu;

/* jiffies_64 */
extern uint64_t shim_clock;
uint64_t shim_time(void);
void shim_set_time(uint64_t now);
/* Jiffies that pass while one waits for a lock; for one thread only */
extern unsigned int shim_lock_takes;

/* What this thread is inside of, and how often; counted only to be asserted. */
enum shim_context { SHIM_BH, SHIM_LOCK, SHIM_RCU, SHIM_STATS, SHIM_CONTEXTS };

extern __thread int shim_depth[SHIM_CONTEXTS];

#ifdef NDEBUG
#define SHIM_COUNT 0
#else
#define SHIM_COUNT 1
#endif

static inline void shim_enter(enum shim_context c)
{
	shim_depth[c] += SHIM_COUNT;
}

static inline void shim_check(enum shim_context c)
{
	assert(shim_depth[c] > 0);
	(void)c;
}

static inline void shim_leave(enum shim_context c)
{
	shim_check(c);
	shim_depth[c] -= SHIM_COUNT;
}

static inline void shim_may_sleep(void)
{
	assert(!shim_depth[SHIM_BH] && !shim_depth[SHIM_LOCK] && !shim_depth[SHIM_RCU]);
}

/* Memory: what is in use, and when there is none */
extern struct shim_memory {
	size_t bytes; /* but for what is per CPU */
	size_t percpu_bytes; /* of one CPU */
	unsigned int pieces;
	bool none; /* allocations fail */
	unsigned int none_at; /* if not 0: so does this one of the calls */
	unsigned int calls; /* allocations tried */
} shim_memory;

void *shim_alloc(size_t size, size_t align);
void shim_free(void *p);
void *shim_alloc_percpu(size_t size, size_t align);
void shim_free_percpu(void *p);

/* get_random_*(): a new seed begins a new sequence */
void shim_srand(uint64_t seed);
uint64_t shim_rand(void);

/* Waits until every CPU has left the read sides that it is in. */
void shim_synchronize(void);

#endif /* SELFTESTS_TABLE_SHIM_H */
