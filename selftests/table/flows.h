/* SPDX-License-Identifier: GPL-2.0-only */
/* What all programs here do with a flow table. */
#ifndef SELFTESTS_TABLE_FLOWS_H
#define SELFTESTS_TABLE_FLOWS_H

#include "count.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Does anybody listen to events? */
extern bool flows_listening;

/* The defaults of the module, but without a log */
extern const struct invspi_config flows_defaults;

/* An ESP packet; what is not an argument is as good as any. */
struct invspi_pkt flows_pkt4(u32 src, u32 spi);
struct invspi_pkt flows_pkt6(u32 src, u32 spi);

/* Drops a packet, as hook.c does. Return: INVSPI_TODO_* */
u32 flows_drop(struct invspi_table *tb, struct invspi_pkt *pkt);

/* The same @n times. Return: all of INVSPI_TODO_* */
u32 flows_drop_n(struct invspi_table *tb, struct invspi_pkt *pkt, unsigned int n);

/* The same without RCU and bottom halves, which the caller sees to. */
u32 flows_drop_inside(struct invspi_table *tb, struct invspi_pkt *pkt);

/* The first step of it: invspi_count_usual() */
bool flows_drop_usual(struct invspi_table *tb, struct invspi_pkt *pkt, u32 hash,
		      struct invspi_set **missed, u32 *seen);

static inline void flows_enter(void)
{
	local_bh_disable();
	rcu_read_lock();
}

static inline void flows_leave(void)
{
	rcu_read_unlock();
	local_bh_enable();
}

u64 flows_packets(const struct invspi_flow *flow);

/* All flows. Return: how many, or -1 if there are more than @max. */
int flows_dump(struct invspi_table *tb, struct invspi_flow *flows, unsigned int max);

/* Sets that have been made */
unsigned int flows_sets(struct invspi_table *tb);

/* The set of a key in a table of @flows_max */
static inline u32 flows_set_of(const struct invspi_table *tb, const struct invspi_key *key)
{
	return invspi_key_hash(tb, key) >> 16 & (tb->flows_max / INVSPI_SET_FLOWS - 1);
}

/* All packets: those dropped, and those that the sums account for */
struct flows_sums {
	u64 total, accounted, flows;
};

struct flows_sums flows_sum(struct invspi_table *tb);

#endif /* SELFTESTS_TABLE_FLOWS_H */
