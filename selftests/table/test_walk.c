// SPDX-License-Identifier: GPL-2.0-only
/* Reading and deleting, while packets come or not */
#include "unit.h"

static bool source_below(const struct invspi_flow *flow, const void *arg)
{
	return __builtin_bswap32(flow->key.src4) < *(const u32 *)arg;
}

static bool all(const struct invspi_flow *flow, const void *arg)
{
	(void)flow;
	(void)arg;
	return true;
}

static void test_empty(void **state)
{
	struct invspi_pkt pkt = flows_pkt4(1, 2);
	struct invspi_flow flow[INVSPI_SET_FLOWS];
	u32 todo = 1, index = 0;

	(void)state;
	begin(4096, 65536);
	assert_int_equal(-1, invspi_table_read_set(&tb, 0, flow));
	assert_false(has(&pkt));
	assert_int_equal(0, invspi_table_delete(&tb, all, NULL));
	assert_int_equal(0, invspi_table_next_event(&tb, &index, flow));
	assert_int_equal(0, invspi_table_age(&tb, &todo));
	assert_int_equal(0, todo);
	assert_int_equal(0, totals().flows);
	assert_int_equal(0, invspi_table_restart(&tb, 8192));
	assert_int_equal(0, totals().deleted_packets);

	/* with one flow: all its sets are there to read, none behind them */
	flows_drop(&tb, &pkt);
	for (index = 0; index < 512; index++)
		assert_int_equal(index == flows_set_of(&tb, &pkt.key),
				 invspi_table_read_set(&tb, index, flow));
	assert_int_equal(-1, invspi_table_read_set(&tb, 512, flow));
	assert_int_equal(-1, invspi_table_read_set(&tb, ~0U, flow));
	/* same set, other key */
	pkt.key.dst4++;
	assert_false(has(&pkt));
	end();
}

static void test_delete(void **state)
{
	struct invspi_pkt pkt;
	u32 limit = 100, i;

	(void)state;
	begin(4096, 65536);
	flows_listening = true;
	cfg.desync_ms = 0;
	configure();
	for (i = 0; i < 300; i++) {
		pkt = flows_pkt4(i, 5);
		flows_drop_n(&tb, &pkt, 3);
	}
	assert_int_equal(100, invspi_table_delete(&tb, source_below, &limit));
	assert_int_equal(0, invspi_table_delete(&tb, source_below, &limit));
	assert_int_equal(200, totals().flows);
	assert_int_equal(300, totals().deleted_packets);
	for (i = 0; i < 300; i++) {
		pkt = flows_pkt4(i, 5);
		assert_int_equal(i >= 100, has(&pkt));
	}
	/* begins anew: nothing of what it was is left, no verdict, no event */
	pkt = flows_pkt4(0, 5);
	assert_int_equal(INVSPI_TODO_EVENT, flows_drop(&tb, &pkt));
	assert_int_equal(INVSPI_FLOW_EV_NEW, flags_of(&pkt));
	assert_int_equal(1, count_of(&pkt));
	assert_int_equal(201, invspi_table_delete(&tb, all, NULL));
	assert_int_equal(0, totals().flows);
	assert_int_equal(901, totals().deleted_packets);
	end();
}

/* The place of a deleted flow is free, even if it had had a single packet. */
static void test_delete_makes_room(void **state)
{
	struct invspi_pkt pkt[INVSPI_SET_FLOWS], more;
	u32 src = 1, i;
	u32 limit;

	(void)state;
	begin(64, 65536);
	for (i = 0; i < INVSPI_SET_FLOWS; i++) {
		pkt[i] = next_in_set(&src);
		flows_drop_n(&tb, &pkt[i], i < 3 ? 1 : 2);
	}
	limit = __builtin_bswap32(pkt[2].key.src4) + 1;
	assert_int_equal(3, invspi_table_delete(&tb, source_below, &limit));
	for (i = 0; i < 3; i++) {
		more = next_in_set(&src);
		flows_drop_n(&tb, &more, 2);
		assert_true(has(&more));
	}
	assert_int_equal(0, totals().evicted_flows);
	/* none of the old bits is left, that would let a newcomer in */
	more = next_in_set(&src);
	flows_drop_n(&tb, &more, 100);
	assert_false(has(&more));
	assert_int_equal(0, totals().evicted_flows);
	end();
}

/* A packet that has found its flow's tag, and then the flow goes away */
static void test_delete_under_a_packet(void **state)
{
	struct invspi_pkt pkt = flows_pkt4(1, 2);
	struct invspi_set *set;
	u32 hash, seen;

	(void)state;
	begin(4096, 65536);
	flows_drop_n(&tb, &pkt, 3);
	hash = invspi_key_hash(&tb, &pkt.key);
	flows_enter();
	set = invspi_set_get(&tb, hash);
	seen = set->inserted;
	flows_leave();
	invspi_table_delete(&tb, all, NULL);
	/* as it left the tag */
	set->tag[0] = invspi_hash_tag(hash);
	flows_enter();
	set = invspi_set_get(&tb, hash);
	invspi_table_count(&tb, &pkt, hash, NULL, 0);
	flows_leave();
	assert_int_equal(seen + 1, set->inserted);
	assert_int_equal(1, count_of(&pkt));
	assert_int_equal(3, totals().deleted_packets);
	end();
}

static void test_restart(void **state)
{
	static const u32 sizes[] = { 16, 8192, 64, 4096, 4096, 131072, 16 };
	struct invspi_flow flows[600];
	struct invspi_pkt pkt;
	u32 generation, i, j;
	u64 sum = 0;

	(void)state;
	begin(4096, 1048576);
	flows_listening = true;
	generation = invspi_table_generation(&tb);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (j = 0; j < 500; j++) {
			pkt = flows_pkt4(j, i);
			flows_drop(&tb, &pkt);
		}
		sum = totals().deleted_packets + totals().flows;
		assert_int_equal(0, invspi_table_restart(&tb, sizes[i]));
		assert_int_equal(sizes[i], tb.flows_max);
		assert_true(generation != invspi_table_generation(&tb));
		/* even while it changes; 0, which netlink takes for none, is even */
		assert_int_equal(1, invspi_table_generation(&tb) & 1);
		generation = invspi_table_generation(&tb);
		assert_int_equal(0, flows_dump(&tb, flows, ARRAY_SIZE(flows)));
		assert_int_equal(sum, totals().deleted_packets);
		check_sums();
	}
	/* all that is done without one leaves the number alone */
	flows_drop_n(&tb, &pkt, 3);
	invspi_table_delete(&tb, all, NULL);
	invspi_table_age(&tb, &j);
	assert_int_equal(generation, invspi_table_generation(&tb));
	end();
}

/*
 * 1,024 flows in the default table: dumped complete and unique, while others come and
 * go between one set and the next.
 */
static void test_dump_under_packets(void **state)
{
	struct invspi_flow some[INVSPI_SET_FLOWS];
	unsigned int trial, i, j, kept;
	struct invspi_pkt pkt;
	u8 seen[1024];
	u32 index, src;
	int n;

	(void)state;
	for (trial = 0; trial < 100; trial++) {
		begin(4096, 65536);
		for (i = 0; i < 1024; i++) {
			pkt = flows_pkt4(0x0a000000 + i, 1);
			flows_drop_n(&tb, &pkt, 2);
		}
		memset(seen, 0, sizeof(seen));
		kept = 0;
		for (index = 0; (n = invspi_table_read_set(&tb, index, some)) >= 0; index++) {
			for (i = 0; i < n; i++) {
				src = __builtin_bswap32(some[i].key.src4) - 0x0a000000;
				if (src >= 1024)
					continue;
				assert_false(seen[src]);
				seen[src] = 1;
				kept++;
				assert_true(flows_packets(&some[i]) >= 2);
			}
			for (j = 0; j < 64; j++) {
				pkt = flows_pkt6(index * 64 + j, trial);
				flows_drop(&tb, &pkt);
				pkt = flows_pkt4(0x0a000000 + j * 16, 1);
				flows_drop(&tb, &pkt);
			}
			if (index % 16 == 0) {
				src = 0x01000000;
				invspi_table_delete(&tb, source_below, &src);
			}
		}
		assert_int_equal(256, index);
		assert_int_equal(1024, kept);
		end();
	}
}

/* The counters of a flow that came on one CPU and went on another */
static void test_cpus(void **state)
{
	struct invspi_pkt pkt;
	unsigned int cpu, i;

	(void)state;
	begin(4096, 65536);
	for (i = 0; i < 400; i++) {
		shim_cpu = i % SHIM_CPUS;
		pkt = i & 1 ? flows_pkt4(i / 2, 0) : flows_pkt6(i / 2, 0);
		pkt.reason = i / 2 % INVSPI_REASONS;
		flows_drop(&tb, &pkt);
		check_sums();
	}
	assert_int_equal(400, totals().flows);
	for (cpu = 0; cpu < INVSPI_REASONS; cpu++) {
		assert_int_equal(50, totals().packets[cpu][0]);
		assert_int_equal(50, totals().packets[cpu][1]);
	}
	for (cpu = 0; cpu < SHIM_CPUS; cpu++) {
		shim_cpu = cpu;
		invspi_table_delete(&tb, all, NULL);
		assert_int_equal(0, totals().flows);
		for (i = 0; i < 10; i++) {
			shim_cpu = (cpu + i) % SHIM_CPUS;
			pkt = flows_pkt4(i, 0);
			flows_drop(&tb, &pkt);
		}
		assert_int_equal(10, totals().flows);
	}
	/* gone on one CPU, and its coming not yet seen */
	flows_enter();
	add_to(flows, -20ULL);
	assert_int_equal(0, totals().flows);
	add_to(flows, 20);
	flows_leave();
	shim_cpu = 0;
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_delete),
		cmocka_unit_test(test_delete_makes_room),
		cmocka_unit_test(test_delete_under_a_packet),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_dump_under_packets),
		cmocka_unit_test(test_cpus),
	};

	shim_srand(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
