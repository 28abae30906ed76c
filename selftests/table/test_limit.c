// SPDX-License-Identifier: GPL-2.0-only
/* The token bucket */
#include "unit.h"

#define SECONDS 20

static struct invspi_limit limit;

static bool take(u32 rate, u32 reserve)
{
	bool taken;

	local_bh_disable();
	taken = invspi_limit_take(&limit, rate, reserve);
	local_bh_enable();
	return taken;
}

static u64 drain(u32 rate, u32 reserve)
{
	u64 n = 0;

	while (take(rate, reserve))
		n++;
	return n;
}

/* A second's worth at once, then as many as the time gives, to the token. */
static void test_rates(void **state)
{
	static const u32 rates[] = { 1, 2, 3, 7, 10, 200, 249, 251, 333, 1000, 12345, 100000 };
	unsigned int i, j;
	u64 n;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rates); i++) {
		shim_set_time((1ULL << 32) - HZ); /* the low half runs over in it */
		invspi_limit_init(&limit, rates[i]);
		assert_int_equal(rates[i], drain(rates[i], 0));
		n = 0;
		for (j = 1; j <= SECONDS * HZ; j++) {
			pass(1);
			n += drain(rates[i], 0);
			assert_int_equal((u64)j * rates[i] / HZ, n);
		}
		assert_int_equal(SECONDS * rates[i], n);
	}
}

/* It does not matter when somebody asks, as long as it is not full. */
static void test_seldom(void **state)
{
	unsigned int i;
	u64 n = 0;

	(void)state;
	shim_set_time(0);
	invspi_limit_init(&limit, 10);
	drain(10, 0);
	for (i = 1; i <= 100; i++) {
		pass(HZ * 2 / 3);
		n += drain(10, 0);
		assert_int_equal(i * (HZ * 2 / 3) * 10 / HZ, n);
	}
}

static void test_full(void **state)
{
	(void)state;
	shim_set_time(0);
	invspi_limit_init(&limit, 10);
	pass(HZ - 1);
	assert_int_equal(10, drain(10, 0));
	pass(1);
	assert_int_equal(0, drain(10, 0));
	pass(1000 * HZ);
	assert_int_equal(10, drain(10, 0));
	/* the highest rate that is allowed */
	invspi_limit_init(&limit, 1000000);
	assert_int_equal(1000000, drain(1000000, 0));
	pass(HZ);
	assert_int_equal(1000000, drain(1000000, 0));
}

static void test_reserve(void **state)
{
	(void)state;
	shim_set_time(0);
	invspi_limit_init(&limit, 10);
	assert_int_equal(5, drain(10, 5));
	assert_int_equal(4, drain(10, 1));
	assert_int_equal(1, drain(10, 0));
	/* who leaves a reserve must not keep the others from it */
	pass(HZ / 2);
	assert_false(take(10, 5));
	assert_int_equal(5, drain(10, 0));
	pass(HZ);
	assert_int_equal(5, drain(10, 5));
	assert_false(take(10, 5));
	assert_true(take(10, 0));
}

/* While it is empty nothing is written, and the lock not asked for. */
static void test_empty_only_reads(void **state)
{
	struct invspi_limit before;

	(void)state;
	shim_set_time(0);
	invspi_limit_init(&limit, 2);
	drain(2, 0);
	before = limit;
	limit.lock.state = SHIM_TAKEN; /* who wanted it would wait for ever */
	assert_int_equal(0, drain(2, 0));
	pass(HZ / 2 - 1);
	assert_int_equal(0, drain(2, 0));
	limit.lock.state = SHIM_FREE;
	assert_memory_equal(&before, &limit, sizeof(limit));
	pass(1);
	assert_int_equal(1, drain(2, 0));
}

static void test_clock(void **state)
{
	static const u64 pauses[] = { HZ, 1ULL << 31, 1ULL << 32, 1ULL << 63, -2ULL * HZ };
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(pauses); i++) {
		shim_set_time(-(u64)HZ / 2);
		invspi_limit_init(&limit, 4);
		drain(4, 0);
		/* the clock runs over */
		pass(HZ);
		assert_int_equal(4, drain(4, 0));
		/* empty since very long is not empty now */
		pass(pauses[i]);
		assert_int_equal(4, drain(4, 0));
	}
}

static void test_rate_changed(void **state)
{
	(void)state;
	shim_set_time(0);
	invspi_limit_init(&limit, 1000);
	assert_int_equal(10, drain(10, 0));
	pass(HZ);
	assert_int_equal(1000, drain(1000, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_seldom),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_reserve),
		cmocka_unit_test(test_empty_only_reads),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_rate_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
