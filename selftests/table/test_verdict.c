// SPDX-License-Identifier: GPL-2.0-only
/* What becomes of a flow: verdict, silence, events, log */
#include "unit.h"

#define DESYNC_AND_AGE (INVSPI_TODO_EVENT | INVSPI_TODO_AGE)

static u8 take_event(const struct invspi_pkt *pkt)
{
	struct invspi_flow flow;
	u32 index = 0;
	u8 event = invspi_table_next_event(&tb, &index, &flow);

	if (event)
		assert_true(invspi_key_equal(&pkt->key, &flow.key));
	return event;
}

static unsigned long age(u32 expected)
{
	unsigned long left;
	u32 todo;

	left = invspi_table_age(&tb, &todo);
	assert_int_equal(expected, todo);
	return left;
}

/* The verdict needs both: packets, and the time that they span. */
static void test_desync(void **state)
{
	static const struct {
		u32 packets, ms;
		unsigned int before; /* packets at once at the begin */
	} t[] = {
		{ 3, 1000, 1 }, { 3, 1000, 100 }, { 2, 1000, 1 }, { 10, 1000, 8 }, { 3, 0, 1 },
	};
	struct invspi_pkt pkt = flows_pkt4(1, 2);
	unsigned int i, n;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		begin(4096, 65536);
		flows_listening = true;
		cfg.desync_packets = t[i].packets;
		cfg.desync_ms = t[i].ms;
		configure();
		assert_int_equal(INVSPI_TODO_EVENT, flows_drop(&tb, &pkt));
		assert_int_equal(INVSPI_FLOW_EV_NEW, take_event(&pkt));
		assert_int_equal(0, flags_of(&pkt));
		n = 1 + t[i].before;
		if (t[i].ms) {
			/* too early, however many they are */
			assert_int_equal(0, flows_drop_n(&tb, &pkt, t[i].before));
			pass(msecs_to_jiffies(t[i].ms) - 1);
			assert_int_equal(0, flows_drop(&tb, &pkt));
			pass(1);
			n++;
		} else {
			n = 1;
		}
		/* long enough, but too few */
		for (; n + 1 < t[i].packets; n++)
			assert_int_equal(0, flows_drop(&tb, &pkt));
		assert_int_equal(n > 1 ? INVSPI_FLOW_MANY : 0, flags_of(&pkt));
		assert_int_equal(DESYNC_AND_AGE, flows_drop(&tb, &pkt));
		assert_int_equal(INVSPI_FLOW_MANY | INVSPI_FLOW_DESYNC | INVSPI_FLOW_EV_DESYNC,
				 flags_of(&pkt));
		assert_int_equal(INVSPI_FLOW_EV_DESYNC, take_event(&pkt));
		/* it stays, and is told once */
		pass(HZ);
		assert_int_equal(0, flows_drop_n(&tb, &pkt, 10));
		pkt.reason = INVSPI_ACQUIRE;
		assert_int_equal(0, flows_drop(&tb, &pkt));
		pkt.reason = INVSPI_NO_STATE;
		assert_int_equal(0, take_event(&pkt));
		assert_int_equal(INVSPI_FLOW_MANY | INVSPI_FLOW_DESYNC, flags_of(&pkt));
		end();
	}
}

/* All reasons together make the verdict. */
static void test_desync_of_reasons(void **state)
{
	struct invspi_pkt pkt = flows_pkt6(1, 2);
	u8 reason;

	(void)state;
	begin(4096, 65536);
	cfg.desync_packets = INVSPI_REASONS;
	configure();
	for (reason = 0; reason < INVSPI_REASONS; reason++) {
		pkt.reason = reason;
		assert_int_equal(reason == INVSPI_REASONS - 1 ? INVSPI_TODO_AGE : 0,
				 flows_drop(&tb, &pkt));
		pass(HZ);
	}
	end();
}

/* Silent for idle_ms: ceased. With the next packet a desync again. */
static void test_ceased(void **state)
{
	unsigned long idle = msecs_to_jiffies(60000);
	struct invspi_pkt pkt = flows_pkt4(1, 2);
	const u8 desync = INVSPI_FLOW_MANY | INVSPI_FLOW_DESYNC;

	(void)state;
	begin(4096, 65536);
	flows_listening = true;
	flows_drop_n(&tb, &pkt, 2);
	assert_int_equal(INVSPI_FLOW_EV_NEW, take_event(&pkt));
	/* no desync, no end of it */
	pass(2 * idle);
	assert_int_equal(0, age(0));
	flows_drop(&tb, &pkt);
	assert_int_equal(INVSPI_FLOW_EV_DESYNC, take_event(&pkt));

	assert_int_equal(idle, age(0));
	pass(10);
	assert_int_equal(idle - 10, age(0));
	flows_drop(&tb, &pkt);
	assert_int_equal(idle, age(0));
	pass(idle - 1);
	assert_int_equal(1, age(0));
	assert_int_equal(desync, flags_of(&pkt));
	pass(1);
	assert_int_equal(0, age(INVSPI_TODO_EVENT));
	assert_int_equal(desync | INVSPI_FLOW_CEASED | INVSPI_FLOW_EV_CEASED, flags_of(&pkt));
	assert_int_equal(INVSPI_FLOW_EV_CEASED, take_event(&pkt));
	assert_int_equal(0, age(0));

	pass(HZ);
	assert_int_equal(DESYNC_AND_AGE, flows_drop(&tb, &pkt));
	assert_int_equal(desync | INVSPI_FLOW_EV_DESYNC, flags_of(&pkt));
	assert_int_equal(INVSPI_FLOW_EV_DESYNC, take_event(&pkt));
	pass(idle);
	assert_int_equal(0, age(INVSPI_TODO_EVENT));
	/* back before anybody was told: there is no end to tell of */
	assert_int_equal(DESYNC_AND_AGE, flows_drop(&tb, &pkt));
	assert_int_equal(INVSPI_FLOW_EV_DESYNC, take_event(&pkt));
	assert_int_equal(0, take_event(&pkt));
	end();
}

/* The next look is when the first of them may have ceased. */
static void test_age_of_several(void **state)
{
	unsigned long idle = msecs_to_jiffies(60000);
	struct invspi_pkt pkt[40];
	unsigned int i;

	(void)state;
	begin(4096, 65536);
	cfg.desync_ms = 0;
	configure();
	for (i = 0; i < ARRAY_SIZE(pkt); i++) {
		/* the last ones in one set */
		pkt[i] = flows_pkt4(i < 30 ? i : 30, 2);
		pkt[i].key.dst4 += i;
		flows_drop_n(&tb, &pkt[i], 3);
		pass(1);
	}
	for (i = 0; i < ARRAY_SIZE(pkt); i++) {
		assert_int_equal(idle - (i ? 1 : ARRAY_SIZE(pkt)), age(0));
		pass(idle - (i ? 1 : ARRAY_SIZE(pkt)));
		assert_int_equal(i + 1 < ARRAY_SIZE(pkt), age(0) > 0);
		assert_true(flags_of(&pkt[i]) & INVSPI_FLOW_CEASED);
		if (i + 1 < ARRAY_SIZE(pkt))
			assert_false(flags_of(&pkt[i + 1]) & INVSPI_FLOW_CEASED);
		idle = 2;
	}
	end();
}

/* A clock that was read before a packet came */
static void test_age_in_the_past(void **state)
{
	unsigned long idle = msecs_to_jiffies(60000);
	struct invspi_pkt pkt = flows_pkt4(1, 2);

	(void)state;
	begin(4096, 65536);
	cfg.desync_ms = 0;
	configure();
	pass(1);
	flows_drop_n(&tb, &pkt, 3);
	pass(-1ULL);
	assert_int_equal(idle, age(0));
	assert_false(flags_of(&pkt) & INVSPI_FLOW_CEASED);
	end();
}

/* Settings in milliseconds beyond what the clock counts in 32 bits, and none */
static void test_idle_settings(void **state)
{
	struct invspi_pkt pkt = flows_pkt4(1, 2);

	(void)state;
	begin(4096, 65536);
	cfg.desync_ms = 0;
	cfg.idle_ms = 86400000;
	configure();
	flows_drop_n(&tb, &pkt, 3);
	assert_int_equal(86400ULL * HZ, age(0));
	cfg.idle_ms = 100;
	configure();
	assert_int_equal(HZ / 10, age(0));
	pass(HZ / 10);
	assert_int_equal(0, age(0));
	end();
}

/* Who does not listen is not told later either; nobody wakes the work item. */
static void test_nobody_listens(void **state)
{
	struct invspi_pkt pkt = flows_pkt4(1, 2);

	(void)state;
	begin(4096, 65536);
	cfg.desync_ms = 0;
	configure();
	assert_int_equal(0, flows_drop_n(&tb, &pkt, 2));
	assert_int_equal(INVSPI_TODO_AGE, flows_drop(&tb, &pkt));
	flows_listening = true;
	assert_int_equal(0, take_event(&pkt));
	end();
}

/* Every event of every flow once; of one flow in the order in which they came. */
static void test_events(void **state)
{
	struct invspi_flow flow;
	unsigned int i, fresh = 0, desync = 0;
	struct invspi_pkt pkt;
	u32 index = 0;
	u8 event;

	(void)state;
	begin(4096, 65536);
	flows_listening = true;
	cfg.desync_ms = 0;
	configure();
	for (i = 0; i < 500; i++) {
		pkt = flows_pkt4(i, i);
		flows_drop_n(&tb, &pkt, i & 1 ? 3 : 1);
	}
	while ((event = invspi_table_next_event(&tb, &index, &flow))) {
		if (event == INVSPI_FLOW_EV_NEW) {
			assert_false(flow.key.flags & INVSPI_FLOW_EV_NEW);
			fresh++;
		} else {
			assert_int_equal(INVSPI_FLOW_EV_DESYNC, event);
			assert_false(flow.key.flags & INVSPI_FLOW_EV);
			assert_int_equal(3, flows_packets(&flow));
			desync++;
		}
	}
	assert_int_equal(500, fresh);
	assert_int_equal(250, desync);
	index = 0;
	assert_int_equal(0, invspi_table_next_event(&tb, &index, &flow));
	end();
}

/* A line for the first packet, then one in log_interval_ms, with what was left out. */
static void test_log(void **state)
{
	struct invspi_pkt pkt = flows_pkt4(1, 2);
	unsigned long interval;
	unsigned int i;

	(void)state;
	begin(4096, 65536);
	cfg.log_interval_ms = 60000;
	configure();
	interval = msecs_to_jiffies(60000);
	assert_int_equal(INVSPI_TODO_LOG, flows_drop(&tb, &pkt));
	assert_int_equal(0, pkt.suppressed);
	/* over the end of the low half of the clock, by known and by usual packets */
	for (i = 0; i < 20; i++) {
		assert_int_equal(0, flows_drop_n(&tb, &pkt, 2 + i) & INVSPI_TODO_LOG);
		pass(interval - 1);
		assert_int_equal(0, flows_drop(&tb, &pkt) & INVSPI_TODO_LOG);
		pass(1);
		assert_int_equal(INVSPI_TODO_LOG, flows_drop(&tb, &pkt) & INVSPI_TODO_LOG);
		assert_int_equal(3 + i, pkt.suppressed);
	}
	assert_int_equal(count_of(&pkt) - 21, totals().log_suppressed);
	end();
}

/* All flows together log_rate lines a second; what has no flow has no line. */
static void test_log_rate(void **state)
{
	struct invspi_pkt pkt;
	unsigned int i, lines;
	u64 all = 0;

	(void)state;
	begin(INVSPI_SET_FLOWS, 65536);
	cfg.log_interval_ms = 60000;
	configure();
	for (i = 0; i < INVSPI_SET_FLOWS + 5; i++) {
		pkt = flows_pkt4(i, i);
		lines = flows_drop(&tb, &pkt) & INVSPI_TODO_LOG;
		assert_int_equal(i < 10, lines);
		all += lines;
		flows_drop(&tb, &pkt);
	}
	/* the eleventh had no line: it gets one as soon as there is a token */
	pkt = flows_pkt4(10, 10);
	pass(HZ);
	assert_int_equal(INVSPI_TODO_LOG, flows_drop(&tb, &pkt) & INVSPI_TODO_LOG);
	assert_int_equal(2, pkt.suppressed);
	assert_int_equal(flows_sum(&tb).total - all - 1, totals().log_suppressed);
	end();
}

/* Only what no SA matches is logged, and nothing while it is off. */
static void test_no_log(void **state)
{
	struct invspi_pkt pkt = flows_pkt4(1, 2);
	unsigned int i;

	(void)state;
	begin(4096, 65536);
	flows_drop_n(&tb, &pkt, 5);
	assert_int_equal(0, totals().log_suppressed);
	cfg.log_interval_ms = 1;
	configure();
	for (i = 1; i < INVSPI_REASONS; i++) {
		pkt.reason = i;
		assert_int_equal(0, flows_drop(&tb, &pkt) & INVSPI_TODO_LOG);
	}
	assert_int_equal(0, totals().log_suppressed);
	pkt.reason = INVSPI_NO_STATE;
	assert_int_equal(INVSPI_TODO_LOG, flows_drop(&tb, &pkt) & INVSPI_TODO_LOG);
	assert_int_equal(5, pkt.suppressed);
	/* off for a namespace that may not */
	invspi_table_configure(&tb, &cfg, false);
	pass(HZ);
	assert_int_equal(0, flows_drop(&tb, &pkt) & INVSPI_TODO_LOG);
	assert_int_equal(0, totals().log_suppressed);
	end();
}

/*
 * The time of a packet is that at which the flow is its own. Had it been read before
 * the lock, it could lie before the flow began: that is the longest time of all, and a
 * verdict.
 */
static void test_waiting_for_the_lock(void **state)
{
	struct invspi_pkt pkt = flows_pkt4(1, 2);
	struct invspi_flow flow;
	unsigned int i;

	(void)state;
	begin(4096, 65536);
	flows_drop(&tb, &pkt);
	shim_lock_takes = 10;
	for (i = 0; i < 100; i++) {
		flows_drop(&tb, &pkt);
		shim_lock_takes = 0;
		assert_true(invspi_table_find(&tb, &pkt.key, &flow));
		assert_int_equal(shim_time(), flow.last);
		assert_int_equal(flow.last - flow.first >= HZ,
				 !!(flow.key.flags & INVSPI_FLOW_DESYNC));
		shim_lock_takes = 10;
	}
	shim_lock_takes = 0;
	end();
}

/* Is a packet one of those that take the short way? */
static bool is_usual(struct invspi_pkt *pkt)
{
	struct invspi_set *missed;
	bool usual;
	u32 seen;

	flows_enter();
	usual = flows_drop_usual(&tb, pkt, invspi_key_hash(&tb, &pkt->key), &missed, &seen);
	flows_leave();
	return usual;
}

/* A desync's packets are, unless there is more to do, or it is another flow's. */
static void test_usual(void **state)
{
	struct invspi_pkt pkt[2] = { flows_pkt4(1, 2), flows_pkt6(1, 2) }, other;
	unsigned long idle = msecs_to_jiffies(60000);
	unsigned int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		begin(4096, 65536);
		assert_false(is_usual(&pkt[i]));
		flows_drop(&tb, &pkt[i]);
		assert_false(is_usual(&pkt[i]));
		flows_drop(&tb, &pkt[i]);
		pass(HZ);
		assert_false(is_usual(&pkt[i]));
		flows_drop(&tb, &pkt[i]);
		assert_true(is_usual(&pkt[i]));
		assert_int_equal(4, count_of(&pkt[i]));
		assert_int_equal(4, totals().packets[INVSPI_NO_STATE][i]);

		other = pkt[i];
		other.key.dst6.s6_addr32[3]++;
		assert_false(is_usual(&other));
		other = pkt[i];
		other.key.kind |= INVSPI_KIND_AH;
		assert_false(is_usual(&other));

		pass(idle);
		assert_int_equal(0, age(0));
		assert_false(is_usual(&pkt[i]));
		flows_drop(&tb, &pkt[i]);
		assert_true(is_usual(&pkt[i]));

		cfg.log_interval_ms = 1000;
		configure();
		assert_false(is_usual(&pkt[i]));
		flows_drop(&tb, &pkt[i]);
		pass(HZ - 1);
		assert_true(is_usual(&pkt[i]));
		assert_int_equal(1, totals().log_suppressed);
		pass(1);
		assert_false(is_usual(&pkt[i]));
		assert_int_equal(8, count_of(&pkt[i]));
		end();
	}
}

/* In whichever place of its set a flow is */
static void test_usual_anywhere(void **state)
{
	struct invspi_pkt pkt[INVSPI_SET_FLOWS];
	u32 src = 1, i;

	(void)state;
	begin(64, 65536);
	cfg.desync_ms = 0;
	configure();
	for (i = 0; i < INVSPI_SET_FLOWS; i++) {
		pkt[i] = next_in_set(&src);
		flows_drop_n(&tb, &pkt[i], 3);
	}
	for (i = 0; i < INVSPI_SET_FLOWS; i++) {
		assert_true(is_usual(&pkt[i]));
		assert_int_equal(4, count_of(&pkt[i]));
	}
	end();
}

/* What was never logged is due, whatever its time of the last line. */
static void test_usual_never_logged(void **state)
{
	struct invspi_pkt pkt = flows_pkt4(1, 2);

	(void)state;
	begin(4096, 65536);
	shim_set_time(1ULL << 32);
	cfg.desync_ms = 0;
	configure();
	flows_drop_n(&tb, &pkt, 3);
	assert_true(is_usual(&pkt));
	cfg.log_interval_ms = 60000;
	configure();
	assert_false(is_usual(&pkt));
	assert_int_equal(INVSPI_TODO_LOG, flows_drop(&tb, &pkt));
	assert_true(is_usual(&pkt));
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_desync),
		cmocka_unit_test(test_desync_of_reasons),
		cmocka_unit_test(test_ceased),
		cmocka_unit_test(test_age_of_several),
		cmocka_unit_test(test_age_in_the_past),
		cmocka_unit_test(test_idle_settings),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_log_rate),
		cmocka_unit_test(test_no_log),
		cmocka_unit_test(test_waiting_for_the_lock),
		cmocka_unit_test(test_usual),
		cmocka_unit_test(test_usual_anywhere),
		cmocka_unit_test(test_usual_never_logged),
	};

	shim_srand(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
