/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_U64_STATS_SYNC_H
#define SHIM_LINUX_U64_STATS_SYNC_H

#include <linux/types.h>

/*
 * As on 64 bits, where the kernel has no sequence and its local64_t. On 32 bits it
 * has one, so counters may change inside of an update only, which does not nest.
 */
struct u64_stats_sync {
};

typedef struct {
	u64 v;
} u64_stats_t;

#define u64_stats_init(sync) ((void)(sync))
#define u64_stats_fetch_begin(sync) ((void)(sync), 0)
#define u64_stats_fetch_retry(sync, start) ((void)(sync), (void)(start), 0)

static inline void u64_stats_update_begin(struct u64_stats_sync *sync)
{
	(void)sync;
	shim_check(SHIM_BH);
	assert(!shim_depth[SHIM_STATS]);
	shim_enter(SHIM_STATS);
}

static inline void u64_stats_update_end(struct u64_stats_sync *sync)
{
	(void)sync;
	shim_leave(SHIM_STATS);
}

static inline u64 u64_stats_read(const u64_stats_t *s)
{
	return READ_ONCE(s->v);
}

static inline void u64_stats_set(u64_stats_t *s, u64 value)
{
	shim_check(SHIM_STATS);
	WRITE_ONCE(s->v, value);
}

static inline void u64_stats_inc(u64_stats_t *s)
{
	u64_stats_set(s, s->v + 1);
}

#endif /* SHIM_LINUX_U64_STATS_SYNC_H */
