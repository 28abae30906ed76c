/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_U64_STATS_SYNC_H
#define SHIM_LINUX_U64_STATS_SYNC_H

#include <linux/types.h>

/* As on 64 bits, where the kernel has no sequence and its local64_t */
struct u64_stats_sync {
};

typedef struct {
	u64 v;
} u64_stats_t;

#define u64_stats_init(sync) ((void)(sync))
#define u64_stats_update_begin(sync) ((void)(sync), shim_check(SHIM_BH))
#define u64_stats_update_end(sync) ((void)(sync))
#define u64_stats_fetch_begin(sync) ((void)(sync), 0)
#define u64_stats_fetch_retry(sync, start) ((void)(sync), (void)(start), 0)

static inline u64 u64_stats_read(const u64_stats_t *s)
{
	return READ_ONCE(s->v);
}

static inline void u64_stats_set(u64_stats_t *s, u64 value)
{
	WRITE_ONCE(s->v, value);
}

static inline void u64_stats_inc(u64_stats_t *s)
{
	u64_stats_set(s, s->v + 1);
}

#endif /* SHIM_LINUX_U64_STATS_SYNC_H */
