// SPDX-License-Identifier: GPL-2.0-only
/* Which flow gets a place, and who has to go for it */
#include "unit.h"

/* What makes another flow: each field of the key on its own */
static void test_key(void **state)
{
	struct invspi_pkt pkt[12], all[2] = { flows_pkt4(1, 2), flows_pkt6(1, 2) };
	struct invspi_flow flow;
	unsigned int i, n;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(pkt); i++)
		pkt[i] = all[i & 1];
	pkt[2].key.src4++;
	pkt[3].key.src6.s6_addr32[1]++;
	pkt[4].key.dst4++;
	pkt[5].key.dst6.s6_addr32[2]++;
	pkt[6].key.spi++;
	pkt[7].key.spi++;
	pkt[8].key.kind |= INVSPI_KIND_AH;
	pkt[9].key.kind |= INVSPI_KIND_UDP;
	pkt[10].key.kind |= INVSPI_KIND_TCP;
	pkt[11].key.kind |= INVSPI_KIND_UDP;
	pkt[11].key.sport = 4500;

	begin(4096, 65536);
	/* it must not matter what becomes of a flow: new, several, a desync */
	for (n = 0; n < 5; n++) {
		for (i = 0; i < ARRAY_SIZE(pkt); i++) {
			assert_int_equal(n > 0, has(&pkt[i]));
			flows_drop_n(&tb, &pkt[i], i + 1);
		}
		pass(HZ);
	}
	assert_int_equal(ARRAY_SIZE(pkt), totals().flows);
	for (i = 0; i < ARRAY_SIZE(pkt); i++) {
		assert_int_equal(5 * (i + 1), count_of(&pkt[i]));
		assert_true(flags_of(&pkt[i]) & INVSPI_FLOW_DESYNC);
		assert_true(invspi_table_find(&tb, &pkt[i].key, &flow));
		assert_int_equal(pkt[i].key.kind, flow.key.kind);
	}
	end();
}

/* Of a packet the flow keeps what is the latest, and the sums. */
static void test_contents(void **state)
{
	struct invspi_pkt pkt = flows_pkt4(1, 2);
	struct invspi_flow flow;
	unsigned int i;
	u64 start;

	(void)state;
	begin(4096, 65536);
	pkt.key.kind |= INVSPI_KIND_UDP;
	start = shim_time();
	for (i = 1; i <= 20; i++) {
		pass(HZ);
		pkt.bytes = 1000 + i;
		pkt.seq = 100 + i;
		pkt.mark = 200 + i;
		pkt.ifindex = 300 + i;
		pkt.dport = 400 + i;
		pkt.reason = i % 5 ? INVSPI_NO_STATE : i / 5 % INVSPI_REASONS;
		flows_drop(&tb, &pkt);
		assert_true(invspi_table_find(&tb, &pkt.key, &flow));
		assert_int_equal(i, flows_packets(&flow));
		assert_int_equal(1000 * i + i * (i + 1) / 2, flow.bytes);
		assert_int_equal(start + HZ, flow.first);
		assert_int_equal(start + i * HZ, flow.last);
		assert_int_equal(100 + i, flow.seq);
		assert_int_equal(200 + i, flow.mark);
		assert_int_equal(300 + i, flow.ifindex);
		assert_int_equal(400 + i, flow.dport);
	}
	for (i = 0; i < INVSPI_REASONS; i++)
		assert_int_equal(i ? 1 : 17, flow.drops[i]);
	end();
}

/* Flows of one source and SPI have one tag; nothing else about them is the same. */
static void test_same_tag(void **state)
{
	struct invspi_pkt pkt = flows_pkt4(1, 2);
	__be32 dst = pkt.key.dst4;
	unsigned int i, n;

	(void)state;
	begin(INVSPI_SET_FLOWS, 65536);
	for (n = 1; n <= 4; n++) {
		for (i = 0; i < INVSPI_SET_FLOWS; i++) {
			pkt.key.dst4 = dst + i;
			flows_drop_n(&tb, &pkt, i + 1);
			assert_int_equal(n * (i + 1), count_of(&pkt));
		}
		pass(HZ);
	}
	assert_int_equal(INVSPI_SET_FLOWS, totals().flows);
	assert_int_equal(0, totals().evicted_flows);
	end();
}

/* Sixteen flows in set 0, one a second, flow i with packets[i] packets in order[i] */
static void fill(struct invspi_pkt *pkt, const u8 *order, const u8 *packets)
{
	unsigned int i;
	u32 src = 1;

	for (i = 0; i < INVSPI_SET_FLOWS; i++)
		pkt[i] = next_in_set(&src);
	for (i = 0; i < INVSPI_SET_FLOWS; i++) {
		flows_drop_n(&tb, &pkt[order[i]], packets[order[i]]);
		pass(HZ);
	}
	assert_int_equal(INVSPI_SET_FLOWS, totals().flows);
}

static const u8 order[] = { 5, 3, 15, 0, 9, 1, 7, 14, 2, 13, 4, 12, 6, 11, 8, 10 };

/* Single packets go, the oldest first; then only what has been silent for long. */
static void test_eviction(void **state)
{
	static const u8 packets[] = { 1, 2, 1, 2, 1, 1, 3, 1, 1, 2, 1, 9, 1, 1, 1, 1 };
	struct invspi_pkt pkt[INVSPI_SET_FLOWS], stays[INVSPI_SET_FLOWS], more;
	unsigned int i, j, gone = 0;
	u32 src = 100000;

	(void)state;
	begin(64, 65536);
	fill(pkt, order, packets);
	memcpy(stays, pkt, sizeof(stays));
	for (i = 0; i < INVSPI_SET_FLOWS; i++) {
		if (packets[order[i]] > 1)
			continue;
		more = next_in_set(&src);
		stays[order[i]] = more;
		flows_drop_n(&tb, &more, 2); /* a second packet: it stays */
		pass(HZ);
		gone++;
		assert_true(has(&more));
		assert_int_equal(gone, totals().evicted_flows);
		assert_int_equal(gone, totals().evicted_packets);
		for (j = 0; j < INVSPI_SET_FLOWS; j++)
			assert_int_equal(packets[order[j]] > 1 || j > i, has(&pkt[order[j]]));
	}
	assert_int_equal(11, gone);

	/* all that is left goes on: nobody gets in, and nobody has to go */
	for (i = 0; i < INVSPI_SET_FLOWS; i++)
		flows_drop(&tb, &stays[i]);
	pass(INVSPI_PAUSE);
	for (i = 0; i < 100; i++) {
		more = next_in_set(&src);
		assert_int_equal(0, flows_drop(&tb, &more));
		assert_false(has(&more));
		assert_int_equal(i + 1, totals().untracked_packets);
	}
	assert_int_equal(gone, totals().evicted_flows);
	assert_int_equal(INVSPI_SET_FLOWS, totals().flows);
	end();
}

/* A flow that was silent for idle_ms, not a jiffy less, is no longer protected. */
static void test_idle(void **state)
{
	static const u8 packets[] = { 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2 };
	struct invspi_pkt pkt[INVSPI_SET_FLOWS], more;
	u32 src = 100000, i;

	(void)state;
	begin(64, 65536);
	cfg.idle_ms = 1000; /* less than a pause: that is another test */
	configure();
	fill(pkt, order, packets);
	for (i = 0; i < INVSPI_SET_FLOWS; i++) {
		flows_drop(&tb, &pkt[order[i]]);
		pass(1);
	}
	pass(HZ - 16 - 1);
	more = next_in_set(&src);
	flows_drop(&tb, &more);
	assert_false(has(&more));
	pass(1);
	for (i = 0; i < 3; i++) {
		more = next_in_set(&src);
		flows_drop_n(&tb, &more, 2);
		assert_true(has(&more));
		assert_false(has(&pkt[order[i]]));
		assert_true(has(&pkt[order[i + 1]]));
		assert_int_equal(3 * (i + 1), totals().evicted_packets);
		/* the next is not silent that long */
		more = next_in_set(&src);
		flows_drop(&tb, &more);
		assert_false(has(&more));
		pass(1);
	}
	/* a packet is what it takes to stay */
	flows_drop(&tb, &pkt[order[3]]);
	more = next_in_set(&src);
	flows_drop(&tb, &more);
	assert_true(has(&pkt[order[3]]));
	assert_false(has(&more));
	end();
}

/*
 * All go on, but some pause: of these the one that began last gives way, one a
 * second, unless half of the set began after it. What is silent for idle_ms goes
 * before it.
 */
static void test_pause(void **state)
{
	static const u8 packets[] = { 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2 };
	struct invspi_pkt pkt[INVSPI_SET_FLOWS], mine[2], more;
	u32 src = 100000, i;

	(void)state;
	begin(64, 65536);
	fill(pkt, order, packets);
	for (i = 0; i < INVSPI_SET_FLOWS; i++)
		flows_drop(&tb, &pkt[order[INVSPI_SET_FLOWS - 1 - i]]);
	pass(INVSPI_PAUSE);
	more = next_in_set(&src);
	flows_drop(&tb, &more);
	assert_false(has(&more));
	/* now all pause but the first four and the last three to come */
	for (i = 0; i < 7; i++)
		flows_drop(&tb, &pkt[order[(INVSPI_SET_FLOWS - 3 + i) % INVSPI_SET_FLOWS]]);
	pass(1);
	for (i = 0; i < 2; i++) {
		mine[i] = next_in_set(&src);
		flows_drop_n(&tb, &mine[i], 2);
		assert_true(has(&mine[i]));
		assert_false(has(&pkt[order[12 - i]]));
		assert_int_equal(i + 1, totals().evicted_flows);
		more = next_in_set(&src);
		pass(HZ - 1);
		flows_drop(&tb, &more);
		assert_false(has(&more));
		pass(1);
	}
	pass(INVSPI_PAUSE);
	flows_drop(&tb, &mine[0]);
	flows_drop(&tb, &mine[1]);
	for (i = 8; i < INVSPI_SET_FLOWS; i++)
		if (i != 11 && i != 12) /* these are gone */
			flows_drop(&tb, &pkt[order[i]]);
	/* the older half pauses, and stays */
	more = next_in_set(&src);
	flows_drop(&tb, &more);
	assert_false(has(&more));
	for (i = 0; i < INVSPI_SET_FLOWS; i++)
		if (i != 2 && i != 11 && i != 12) /* these are gone */
			flows_drop(&tb, &pkt[order[i]]);
	pass(msecs_to_jiffies(60000) - 4 * HZ);
	more = next_in_set(&src);
	flows_drop(&tb, &more);
	assert_true(has(&more));
	assert_false(has(&pkt[order[2]]));
	end();
}

static bool is_source(const struct invspi_flow *flow, const void *src4)
{
	return flow->key.src4 == *(const __be32 *)src4;
}

/* Where in the set the youngest is does not matter. */
static void test_youngest_anywhere(void **state)
{
	static const u8 packets[] = { 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2 };
	struct invspi_pkt pkt[INVSPI_SET_FLOWS], young, more;
	u32 src = 100000, i, j;

	(void)state;
	for (i = 0; i < INVSPI_SET_FLOWS; i++) {
		begin(64, 65536);
		fill(pkt, order, packets);
		/* another one takes the place of the i-th */
		assert_int_equal(1, invspi_table_delete(&tb, is_source, &pkt[order[i]].key.src4));
		young = next_in_set(&src);
		flows_drop_n(&tb, &young, 2);
		/* but is not the one that was silent longest */
		pass(1);
		flows_drop(&tb, &young);
		pass(INVSPI_PAUSE + 1);
		more = next_in_set(&src);
		flows_drop(&tb, &more);
		assert_true(has(&more));
		assert_false(has(&young));
		for (j = 0; j < INVSPI_SET_FLOWS; j++)
			assert_int_equal(j != i, has(&pkt[order[j]]));
		end();
	}
}

/* Only one pauses: the eighth stays, the ninth has eight older ones and gives way. */
static void test_older_half(void **state)
{
	static const u8 packets[] = { 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2 };
	struct invspi_pkt pkt[INVSPI_SET_FLOWS], more;
	u32 src = 100000, i, j;

	(void)state;
	for (i = 0; i < INVSPI_SET_FLOWS; i++) {
		begin(64, 65536);
		fill(pkt, order, packets);
		pass(INVSPI_PAUSE);
		for (j = 0; j < INVSPI_SET_FLOWS; j++)
			if (j != i)
				flows_drop(&tb, &pkt[order[j]]);
		more = next_in_set(&src);
		flows_drop(&tb, &more);
		assert_int_equal(i >= INVSPI_SET_FLOWS / 2, has(&more));
		assert_int_equal(i < INVSPI_SET_FLOWS / 2, has(&pkt[order[i]]));
		end();
	}
}

/* idle_ms is longer than the clock has run. */
static void test_idle_beyond_boot(void **state)
{
	static const u8 packets[] = { 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2 };
	struct invspi_pkt pkt[INVSPI_SET_FLOWS], more;
	u32 src = 100000;

	(void)state;
	begin(64, 65536);
	shim_set_time(1);
	cfg.idle_ms = 86400000;
	configure();
	fill(pkt, order, packets);
	for (u32 i = 0; i < INVSPI_SET_FLOWS; i++)
		flows_drop(&tb, &pkt[i]);
	more = next_in_set(&src);
	flows_drop(&tb, &more);
	assert_false(has(&more));
	end();
}

/* A set of sixteen single packets; how many of @n newcomers at once get in */
static u64 newcomers(unsigned int n, u32 *src, u8 reason)
{
	u64 before = totals().evicted_flows;
	struct invspi_pkt pkt;

	while (n--) {
		pkt = next_in_set(src);
		pkt.reason = reason;
		flows_drop(&tb, &pkt);
	}
	return totals().evicted_flows - before;
}

/* One in sixteen, within six standard deviations; so for packets with an SA, too */
static void test_lottery(void **state)
{
	static const u8 packets[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	static const u8 reasons[] = { INVSPI_NO_STATE, INVSPI_ACQUIRE };
	struct invspi_pkt pkt[INVSPI_SET_FLOWS];
	u32 src = 100000, i;
	u64 won;

	(void)state;
	for (i = 0; i < 2; i++) {
		begin(32, 65536);
		fill(pkt, order, packets);
		pass(-1ULL); /* a second less a jiffy since the last */
		won = newcomers(100000, &src, reasons[i]);
		print_message("# lottery: 1 in %.2f\n", 100000.0 / won);
		assert_in_range(won, 6250 - 460, 6250 + 460);
		assert_int_equal(100000 - won, totals().untracked_packets);
		end();
	}
}

/* If nobody came within a second, no lottery. */
static void test_no_lottery(void **state)
{
	static const u8 packets[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	struct invspi_pkt pkt[INVSPI_SET_FLOWS];
	u32 src = 100000, i;

	(void)state;
	begin(32, 65536);
	fill(pkt, order, packets);
	for (i = 0; i < 200; i++) {
		assert_int_equal(1, newcomers(1, &src, INVSPI_NO_STATE));
		pass(HZ);
	}
	assert_int_equal(0, totals().untracked_packets);
	end();
}

/* Flows with more than one packet are not raffled: what is idle is replaced. */
static void test_no_lottery_for_idle(void **state)
{
	static const u8 packets[] = { 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2 };
	struct invspi_pkt pkt[INVSPI_SET_FLOWS], more;
	u32 src = 100000, i;

	(void)state;
	begin(32, 65536);
	fill(pkt, order, packets);
	pass(msecs_to_jiffies(60000));
	for (i = 0; i < INVSPI_SET_FLOWS; i++) {
		more = next_in_set(&src);
		flows_drop_n(&tb, &more, 2);
	}
	assert_int_equal(INVSPI_SET_FLOWS, totals().evicted_flows);
	end();
}

/*
 * A packet that looked before another flow came in has not won anything: as many of
 * them get in as of all others.
 */
static void test_lottery_for_late(void **state)
{
	static const u8 packets[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	struct invspi_pkt pkt[INVSPI_SET_FLOWS], late;
	u32 src = 100000, i, hash, won = 0;
	struct invspi_set *set;

	(void)state;
	begin(32, 65536);
	fill(pkt, order, packets);
	for (i = 0; i < 10000; i++) {
		late = next_in_set(&src);
		hash = invspi_key_hash(&tb, &late.key);
		pass(-1ULL);
		flows_enter();
		set = invspi_set_get(&tb, hash);
		/* as many were there when it looked, but not now */
		if (!invspi_table_refuse(&tb, set, set->inserted - 1, false))
			invspi_table_count(&tb, &late, hash, set, set->inserted - 1);
		flows_leave();
		won += has(&late);
		pass(1);
	}
	print_message("# lottery of the late: 1 in %.2f\n", 10000.0 / won);
	assert_in_range(won, 625 - 150, 625 + 150);
	end();
}

/* A late packet whose flow somebody else put in meanwhile counts there. */
static void test_late(void **state)
{
	struct invspi_pkt pkt = flows_pkt4(1, 2);
	u32 hash;

	(void)state;
	begin(32, 65536);
	hash = invspi_key_hash(&tb, &pkt.key);
	flows_drop(&tb, &pkt);
	flows_enter();
	assert_false(invspi_table_refuse(&tb, invspi_set_get(&tb, hash), 0, false));
	invspi_table_count(&tb, &pkt, hash, invspi_set_get(&tb, hash), 0);
	flows_leave();
	assert_int_equal(2, count_of(&pkt));
	assert_int_equal(1, totals().flows);
	end();
}

/* A flow of 10 packets a second that begins in a flood of @rate becomes a desync. */
static void find_in_flood(u32 rate, unsigned int trials, unsigned int *found, double *mean)
{
	struct invspi_pkt flood, mine;
	unsigned int trial, i, j, step;
	double sum = 0;

	*found = 0;
	for (trial = 0; trial < trials; trial++) {
		begin(4096, 65536);
		for (i = 0; i < rate; i++) {
			flood = flows_pkt4(shim_rand(), shim_rand());
			flows_drop(&tb, &flood);
		}
		mine = flows_pkt4(0x0a000001, 0xc0000000 + trial);
		for (step = 1; step <= 300; step++) {
			flows_drop(&tb, &mine);
			if (has(&mine) && flags_of(&mine) & INVSPI_FLOW_DESYNC)
				break;
			for (i = 0; i < 10; i++) {
				for (j = 0; j < rate / 100; j++) {
					flood = flows_pkt4(shim_rand(), shim_rand());
					flows_drop(&tb, &flood);
				}
				pass(HZ / 100 + (i & 1) * (HZ % 100 > 0));
			}
		}
		if (step <= 300) {
			++*found;
			sum += step / 10.0;
		}
		end();
	}
	*mean = *found ? sum / *found : 0;
}

static void test_flood(void **state)
{
	static const u32 rates[] = { 10000, 100000, 400000 };
	unsigned int i, found;
	double mean;

	(void)state;
	for (i = 0; i < FEWER(ARRAY_SIZE(rates), 1); i++) {
		find_in_flood(rates[i], 20, &found, &mean);
		print_message("# flood of %u a second: %u of 20 found, in %.1f s\n", rates[i],
			      found, mean);
		assert_int_equal(20, found);
	}
}

/* 1,024 flows fit into the default table, whatever the key, with p > 0.999. */
static void test_1024(void **state)
{
	const unsigned int trials = FEWER(5000, 100);
	unsigned int trial, i, lost = 0;
	struct invspi_pkt pkt;

	(void)state;
	for (trial = 0; trial < trials; trial++) {
		shim_srand(trial);
		begin(4096, 65536);
		for (i = 0; i < 1024; i++) {
			pkt = flows_pkt4(i, 0xc0000000 + i * 7919);
			flows_drop(&tb, &pkt);
		}
		lost += totals().flows != 1024;
		if (trial < 10)
			check_sums();
		invspi_table_exit(&tb);
		invspi_table_module_exit();
	}
	print_message("# 1024 flows all kept in %u of %u tables: p = %.5f\n", trials - lost, trials,
		      1 - (double)lost / trials);
	assert_true(lost <= trials / 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key),
		cmocka_unit_test(test_contents),
		cmocka_unit_test(test_same_tag),
		cmocka_unit_test(test_eviction),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_youngest_anywhere),
		cmocka_unit_test(test_older_half),
		cmocka_unit_test(test_idle_beyond_boot),
		cmocka_unit_test(test_lottery),
		cmocka_unit_test(test_no_lottery),
		cmocka_unit_test(test_no_lottery_for_idle),
		cmocka_unit_test(test_lottery_for_late),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_1024),
	};

	shim_srand(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
