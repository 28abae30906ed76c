// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets on two CPUs while a third one does all else that can be done to a table.
 * Built with ThreadSanitizer, too. What must hold afterwards: each packet is
 * accounted for, once.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flows.h"

#ifndef ROUNDS
#define ROUNDS 1000000
#endif
#define PACKET_CPUS 2

static struct invspi_table table;
static u32 running;
static u64 lines; /* in the log */

static void *packets(void *arg)
{
	unsigned int i, cpu = *(unsigned int *)arg, state = cpu;
	struct invspi_pkt pkt;
	u64 mine = 0;

	shim_cpu = cpu;
	for (i = 0; i < ROUNDS; i++) {
		state = state * 1664525 + 1013904223;
		/* a few flows that both CPUs count, many that come and go */
		if (state >> 31)
			pkt = flows_pkt4(state >> 16 & 7, 1);
		else
			pkt = flows_pkt6(state >> 16 & 1, state >> 20 & 0xff);
		if ((state >> 24 & 0xf) == 0)
			pkt.reason = state >> 20 & 3;
		if (flows_drop(&table, &pkt) & INVSPI_TODO_LOG)
			mine++;
		if (i % 64 == 0)
			__atomic_add_fetch(&shim_clock, 1, __ATOMIC_RELAXED);
	}
	__atomic_add_fetch(&lines, mine, __ATOMIC_RELAXED);
	__atomic_sub_fetch(&running, 1, __ATOMIC_RELEASE);
	return NULL;
}

static bool some(const struct invspi_flow *flow, const void *arg)
{
	return (flow->key.addr[3] >> 24 & 3) == *(const u32 *)arg;
}

static bool all(const struct invspi_flow *flow, const void *arg)
{
	(void)flow;
	(void)arg;
	return true;
}

/* A dump between two looks at the same generation has no flow twice. */
static void dump(void)
{
	static struct invspi_flow flows[4096];
	u32 before = invspi_table_generation(&table);
	int n = flows_dump(&table, flows, ARRAY_SIZE(flows)), i, j;

	if (before != invspi_table_generation(&table))
		return;
	assert_true(n >= 0);
	for (i = 0; i < n; i++) {
		assert_true(flows_packets(&flows[i]) > 0);
		assert_true(flows[i].last >= flows[i].first);
		for (j = 0; j < i; j++)
			assert_false(invspi_key_equal(&flows[i].key, &flows[j].key));
	}
}

static void take_events(void)
{
	struct invspi_flow flow;
	u32 index = 0;

	while (invspi_table_next_event(&table, &index, &flow))
		;
}

static void disturb(unsigned int i)
{
	struct invspi_config cfg = flows_defaults;
	struct invspi_pkt pkt = flows_pkt4(i & 7, 1);
	struct invspi_flow flow;
	struct invspi_totals t;
	u32 which = i & 3, todo;

	switch (i % 8) {
	case 0:
		assert_int_equal(0, invspi_table_restart(&table, 16 << (i >> 3) % 6));
		break;
	case 1:
		invspi_table_delete(&table, i & 8 ? all : some, &which);
		break;
	case 2:
		cfg.idle_ms = 100 + i % 1000;
		cfg.desync_ms = i % 100;
		cfg.log_interval_ms = i & 16 ? 100 : 0;
		invspi_table_configure(&table, &cfg, true);
		break;
	case 3:
		invspi_table_age(&table, &todo);
		break;
	case 4:
		take_events();
		break;
	case 5:
		invspi_table_totals(&table, &t);
		break;
	case 6:
		invspi_table_find(&table, &pkt.key, &flow);
		break;
	default:
		dump();
	}
}

static void test_everything_at_once(void **state)
{
	unsigned int cpus[PACKET_CPUS], i;
	pthread_t thread[PACKET_CPUS];
	struct invspi_config cfg = flows_defaults;
	struct invspi_totals t;
	struct flows_sums sums;
	u64 began;

	(void)state;
	cfg.log_interval_ms = 100;
	flows_listening = true;
	shim_set_time((1ULL << 32) - HZ);
	began = shim_time();
	assert_int_equal(0, invspi_table_module_init(1024));
	assert_int_equal(0, invspi_table_init(&table, &cfg, false, true));
	running = PACKET_CPUS;
	for (i = 0; i < PACKET_CPUS; i++) {
		cpus[i] = i + 1;
		assert_int_equal(0, pthread_create(&thread[i], NULL, packets, &cpus[i]));
	}
	for (i = 0; __atomic_load_n(&running, __ATOMIC_ACQUIRE) || i < 64; i++)
		disturb(i);
	for (i = 0; i < PACKET_CPUS; i++)
		pthread_join(thread[i], NULL);

	sums = flows_sum(&table);
	invspi_table_totals(&table, &t);
	assert_int_equal(PACKET_CPUS * ROUNDS, sums.total);
	assert_int_equal(sums.total, sums.accounted);
	assert_int_equal(sums.flows, t.flows);
	assert_true(t.deleted_packets);
	assert_in_range(lines, 1, cfg.log_rate + (shim_time() - began) * cfg.log_rate / HZ);
	invspi_table_exit(&table);
	invspi_table_module_exit();
	assert_int_equal(0, shim_memory.pieces);
}

#define LASTING 64

/* Each CPU counts all lasting flows, and sends three new ones with each packet. */
static void *flood(void *arg)
{
	unsigned int i, j, cpu = *(unsigned int *)arg;
	struct invspi_pkt pkt;

	shim_cpu = cpu;
	for (i = 0; i < ROUNDS / 4; i++) {
		pkt = flows_pkt4(i % LASTING, 1);
		flows_drop(&table, &pkt);
		for (j = 0; j < 3; j++) {
			pkt = flows_pkt6(cpu, i * 3 + j);
			flows_drop(&table, &pkt);
		}
	}
	return NULL;
}

/* Flows that were there before keep their place and lose no packet. */
static void test_flood(void **state)
{
	unsigned int cpus[PACKET_CPUS], i;
	pthread_t thread[PACKET_CPUS];
	struct invspi_flow flow;
	struct invspi_pkt pkt;
	u64 sum = 0;

	(void)state;
	memset(&table, 0, sizeof(table));
	assert_int_equal(0, invspi_table_module_init(1024));
	assert_int_equal(0, invspi_table_init(&table, &flows_defaults, false, true));
	for (i = 0; i < LASTING; i++) {
		pkt = flows_pkt4(i, 1);
		flows_drop_n(&table, &pkt, 2);
	}
	for (i = 0; i < PACKET_CPUS; i++) {
		cpus[i] = i + 1;
		assert_int_equal(0, pthread_create(&thread[i], NULL, flood, &cpus[i]));
	}
	for (i = 0; i < PACKET_CPUS; i++)
		pthread_join(thread[i], NULL);
	for (i = 0; i < LASTING; i++) {
		pkt = flows_pkt4(i, 1);
		assert_true(invspi_table_find(&table, &pkt.key, &flow));
		sum += flows_packets(&flow);
		assert_in_range(flows_packets(&flow), 2 + PACKET_CPUS * (ROUNDS / 4 / LASTING),
				2 + PACKET_CPUS * (ROUNDS / 4 / LASTING + 1));
	}
	assert_int_equal(2 * LASTING + PACKET_CPUS * (ROUNDS / 4), sum);
	assert_int_equal(flows_sum(&table).total, flows_sum(&table).accounted);
	assert_int_equal(2 * LASTING + PACKET_CPUS * ROUNDS, flows_sum(&table).total);
	invspi_table_exit(&table);
	invspi_table_module_exit();
}

static struct invspi_limit limit;
static u64 taken;

static void *take(void *arg)
{
	unsigned int i;
	u64 mine = 0;

	shim_cpu = *(unsigned int *)arg;
	for (i = 0; i < ROUNDS; i++) {
		local_bh_disable();
		mine += invspi_limit_take(&limit, 1000, 0);
		local_bh_enable();
		if (i % 64 == 0)
			__atomic_add_fetch(&shim_clock, 1, __ATOMIC_RELAXED);
	}
	__atomic_add_fetch(&taken, mine, __ATOMIC_RELAXED);
	return NULL;
}

/* Two CPUs together get what one would. */
static void test_limit(void **state)
{
	unsigned int cpus[] = { 1, 2 }, i;
	pthread_t thread[2];
	u64 began = shim_time(), most;

	(void)state;
	invspi_limit_init(&limit, 1000);
	for (i = 0; i < 2; i++)
		assert_int_equal(0, pthread_create(&thread[i], NULL, take, &cpus[i]));
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	most = 1000 + (shim_time() - began) * 1000 / HZ;
	assert_in_range(taken, most - 1000 / HZ - 1000, most);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_at_once),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
