/* SPDX-License-Identifier: GPL-2.0-only */
/* cmocka, and the table that a test begins with */
#ifndef SELFTESTS_TABLE_UNIT_H
#define SELFTESTS_TABLE_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flows.h"

/* What takes long takes less where a program is slow, or run very often. */
#if defined(QUICK) || defined(__SANITIZE_ADDRESS__)
#define SLOW 1
#else
#define SLOW 0
#endif
#define FEWER(n, fewer) (SLOW ? (fewer) : (n))

static struct invspi_table tb;
static struct invspi_config cfg;

/* A table of its own memory. */
static inline void begin(u32 flows_max, u32 flows_max_all)
{
	cfg = flows_defaults;
	cfg.flows_max = flows_max;
	flows_listening = false;
	memset(&tb, 0, sizeof(tb));
	/* five minutes before the low half of the clock runs over */
	shim_set_time((1ULL << 32) - 300 * HZ);
	assert_int_equal(0, invspi_table_module_init(flows_max_all));
	assert_int_equal(0, invspi_table_init(&tb, &cfg, false, true));
}

/* Every packet must be accounted for, in whatever a test has done. */
static inline void check_sums(void)
{
	struct flows_sums sums = flows_sum(&tb);
	struct invspi_totals t;

	invspi_table_totals(&tb, &t);
	assert_int_equal(sums.total, sums.accounted);
	assert_int_equal(sums.flows, t.flows);
}

static inline void end(void)
{
	check_sums();
	invspi_table_exit(&tb);
	invspi_table_module_exit();
	assert_int_equal(0, shim_memory.pieces);
	assert_int_equal(0, shim_memory.bytes);
}

/* Changed settings take effect. */
static inline void configure(void)
{
	invspi_table_configure(&tb, &cfg, true);
}

static inline void pass(u64 time)
{
	shim_set_time(shim_time() + time);
}

static inline struct invspi_totals totals(void)
{
	struct invspi_totals t;

	invspi_table_totals(&tb, &t);
	return t;
}

static inline bool has(const struct invspi_pkt *pkt)
{
	struct invspi_flow flow;

	return invspi_table_find(&tb, &pkt->key, &flow);
}

/* Packets of a flow, which must be there */
static inline u64 count_of(const struct invspi_pkt *pkt)
{
	struct invspi_flow flow;

	assert_true(invspi_table_find(&tb, &pkt->key, &flow));
	return flows_packets(&flow);
}

static inline u8 flags_of(const struct invspi_pkt *pkt)
{
	struct invspi_flow flow;

	assert_true(invspi_table_find(&tb, &pkt->key, &flow));
	return flow.key.flags;
}

/* As if this CPU had counted @n more */
static inline void add_at(size_t offset, u64 n)
{
	struct invspi_percpu *pc;

	local_bh_disable();
	pc = this_cpu_ptr(tb.pcpu);
	u64_stats_update_begin(&pc->syncp);
	invspi_stat_change((void *)pc + offset, n);
	u64_stats_update_end(&pc->syncp);
	local_bh_enable();
}

#define add_to(counter, n) add_at(offsetof(struct invspi_percpu, counter), n)

/* The next packet, from *@src on, that falls into set 0; all with other tags */
static inline struct invspi_pkt next_in_set(u32 *src)
{
	struct invspi_pkt pkt;

	do
		pkt = flows_pkt4((*src)++, 0x1000);
	while (flows_set_of(&tb, &pkt.key));
	return pkt;
}

#endif /* SELFTESTS_TABLE_UNIT_H */
