// SPDX-License-Identifier: GPL-2.0-only
/* What a table costs, what it may take, and what it does when there is none */
#include <linux/slab.h>

#include "unit.h"

/* What a packet of a known flow writes: of this CPU's counters the first line ... */
static_assert(sizeof(struct invspi_percpu) % 64 == 0);
static_assert(_Alignof(struct invspi_percpu) == 64);
static_assert(offsetof(struct invspi_percpu, seen) == 0);
static_assert(offsetof(struct invspi_percpu, log_suppressed) + 8 <= 64);
static_assert(offsetof(struct invspi_percpu, packets[INVSPI_NO_STATE][1]) + 8 <= 64);
/* ... and one line of its own in the set. No set shares a line with another. */
static_assert(sizeof(struct invspi_hot) == 64);
static_assert(offsetof(struct invspi_set, hot) % 64 == 0);
static_assert(_Alignof(struct invspi_set) == 64);
/* A packet reads the tags in one line. */
static_assert(offsetof(struct invspi_set, tag) % 64 == 0);
static_assert(sizeof(((struct invspi_set *)0)->tag) == 64);
/* A table without a packet */
static_assert(sizeof(struct invspi_table) <= 256);

/* Nothing is there before the first packet, but what is per CPU; then set by set. */
static void test_lazy(void **state)
{
	struct invspi_pkt pkt;
	size_t idle, array;
	u32 i, sets = 0;

	(void)state;
	begin(4096, 65536);
	idle = shim_memory.bytes;
	print_message("# idle: %zu bytes, and %zu per CPU\n", sizeof(tb), shim_memory.percpu_bytes);
	/* the slab cache, of all tables */
	assert_int_equal(sizeof(struct kmem_cache), idle);
	assert_int_equal(0, flows_sets(&tb));
	pkt = flows_pkt4(0, 0);
	flows_drop(&tb, &pkt);
	array = shim_memory.bytes - idle - sizeof(struct invspi_set);
	/* a pointer and two bits per set */
	assert_int_equal(sizeof(struct invspi_slots) + 256 * 8 + 2 * 256 / 8, array);
	for (i = 1; i < 100; i++) {
		sets = flows_sets(&tb);
		assert_int_equal(idle + array + sets * sizeof(struct invspi_set),
				 shim_memory.bytes);
		flows_drop(&tb, &pkt);
		assert_int_equal(sets, flows_sets(&tb));
		pkt = flows_pkt4(i, i);
		flows_drop(&tb, &pkt);
	}
	assert_in_range(sets, 60, 99);
	end();
}

/* However many flows there were: at most 192 bytes for each that fits, and no more. */
static void test_full(void **state)
{
	static const u32 sizes[] = { 16, 256, 4096, 65536 };
	struct invspi_pkt pkt;
	size_t most = 0;
	u32 i, j;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		begin(sizes[i], 65536);
		for (j = 0; j < 100 * sizes[i] && j < FEWER(2000000, 500000); j++) {
			pkt = j & 1 ? flows_pkt6(j, j) : flows_pkt4(j, j);
			flows_drop(&tb, &pkt);
			if (shim_memory.bytes > most)
				most = shim_memory.bytes;
		}
		assert_int_equal(sizes[i], totals().flows);
		print_message("# %u flows: %.1f bytes each\n", sizes[i],
			      (double)shim_memory.bytes / sizes[i]);
		assert_int_equal(most, shim_memory.bytes);
		assert_in_range(most, 0, 192 * sizes[i]);
		end();
		most = 0;
	}
}

/* A packet of a known flow writes two cache lines; encapsulated, too. */
static void test_lines_written(void **state)
{
	static const u8 encaps[] = { 0, INVSPI_KIND_UDP, INVSPI_KIND_TCP, INVSPI_KIND_IPV6 };
	static u8 before[sizeof(struct invspi_set) + sizeof(struct invspi_percpu)];
	static u8 after[sizeof(before)];
	unsigned int i, line, lines, n;
	struct invspi_set *set;
	struct invspi_pkt pkt;

	(void)state;
	begin(INVSPI_SET_FLOWS, 65536);
	shim_cpu = 1;
	for (i = 0; i < ARRAY_SIZE(encaps); i++) {
		pkt = encaps[i] == INVSPI_KIND_IPV6 ? flows_pkt6(1, 2) : flows_pkt4(1, 2);
		pkt.key.kind |= encaps[i];
		pkt.dport = 4500;
		/* each packet another one in all that may differ */
		for (n = 0; n < 100; n++) {
			pkt.seq++;
			pkt.mark++;
			pkt.ifindex++;
			pkt.bytes++;
			pass(n < 10 ? HZ : 1);
			flows_enter();
			set = invspi_set_get(&tb, 0);
			if (set) {
				memcpy(before, set, sizeof(*set));
				memcpy(before + sizeof(*set), this_cpu_ptr(tb.pcpu),
				       sizeof(*tb.pcpu));
			}
			flows_drop_inside(&tb, &pkt);
			if (set) {
				memcpy(after, set, sizeof(*set));
				memcpy(after + sizeof(*set), this_cpu_ptr(tb.pcpu),
				       sizeof(*tb.pcpu));
			}
			flows_leave();
			lines = 0;
			for (line = 0; line < sizeof(before); line += 64)
				lines += !!memcmp(before + line, after + line, 64);
			if (n > 10)
				assert_int_equal(2, lines);
		}
		assert_int_equal(INVSPI_FLOW_MANY | INVSPI_FLOW_DESYNC, flags_of(&pkt));
	}
	shim_cpu = 0;
	end();
}

/* A new flow per packet, each with a set of its own as long as there are any */
static void drop_many(struct invspi_table *to, u32 n)
{
	struct invspi_pkt pkt;
	u32 i;

	for (i = 0; i < n; i++) {
		pkt = flows_pkt4(i, i);
		flows_drop(to, &pkt);
	}
}

/* All tables together have flows_max_all, guests half of that. */
static void test_caps(void **state)
{
	struct invspi_config big = flows_defaults;
	struct invspi_table guest[2], other;
	unsigned int i;

	(void)state;
	begin(4096, 1600); /* 100 sets */
	/* the array is no larger than can be filled */
	assert_int_equal(64 * INVSPI_SET_FLOWS, tb.flows_max);
	memset(guest, 0, sizeof(guest));
	memset(&other, 0, sizeof(other));
	big.flows_max = 65536;
	for (i = 0; i < 2; i++) {
		assert_int_equal(0, invspi_table_init(&guest[i], &big, true, false));
		assert_int_equal(32 * INVSPI_SET_FLOWS, guest[i].flows_max);
	}
	assert_int_equal(0, invspi_table_init(&other, &big, false, false));

	drop_many(&guest[0], 10000);
	assert_int_equal(32, flows_sets(&guest[0]));
	drop_many(&guest[1], 10000);
	assert_int_equal(50, flows_sets(&guest[0]) + flows_sets(&guest[1]));
	drop_many(&tb, 10000);
	assert_int_equal(50, flows_sets(&tb));
	drop_many(&other, 10000);
	assert_int_equal(0, flows_sets(&other));
	assert_int_equal(10000, flows_sum(&other).accounted);

	/* what one gives back another may take, within its part */
	invspi_table_exit(&guest[0]);
	drop_many(&other, 10000);
	assert_int_equal(32, flows_sets(&other));
	drop_many(&guest[1], 10000);
	assert_int_equal(18, flows_sets(&guest[1]));
	assert_int_equal(0, invspi_table_restart(&tb, 4096));
	drop_many(&guest[1], 10000);
	assert_int_equal(32, flows_sets(&guest[1]));
	drop_many(&tb, 10000);
	assert_int_equal(100 - 32 - 32, flows_sets(&tb));
	invspi_table_exit(&guest[1]);
	invspi_table_exit(&other);
	end();
}

/* Half of one set would be none. */
static void test_caps_least(void **state)
{
	struct invspi_table guest;

	(void)state;
	begin(4096, INVSPI_SET_FLOWS);
	assert_int_equal(INVSPI_SET_FLOWS, tb.flows_max);
	memset(&guest, 0, sizeof(guest));
	assert_int_equal(0, invspi_table_init(&guest, &flows_defaults, true, false));
	assert_int_equal(INVSPI_SET_FLOWS, guest.flows_max);
	drop_many(&guest, 10);
	assert_int_equal(1, flows_sets(&guest));
	drop_many(&tb, 10);
	assert_int_equal(0, flows_sets(&tb));
	assert_int_equal(10, totals().untracked_packets);
	invspi_table_exit(&guest);
	drop_many(&tb, 10);
	assert_int_equal(1, flows_sets(&tb));
	end();
}

/* A packet for which there is no memory is counted, and the next one tries again. */
static void test_no_memory(void **state)
{
	struct invspi_pkt pkt[3];
	u32 src = 1, i;

	(void)state;
	begin(4096, 65536);
	for (i = 0; i < 2; i++)
		pkt[i] = next_in_set(&src);
	pkt[2] = flows_pkt4(5, 5);
	shim_memory.none = true;
	flows_drop_n(&tb, &pkt[0], 3);
	assert_int_equal(3, totals().untracked_packets);
	assert_int_equal(0, flows_sets(&tb));
	/* memory for the array, but for no set */
	shim_memory.none = false;
	shim_memory.calls = 0;
	shim_memory.none_at = 2;
	flows_drop(&tb, &pkt[0]);
	assert_int_equal(4, totals().untracked_packets);
	assert_int_equal(0, flows_sets(&tb));
	shim_memory.none_at = 0;
	flows_drop(&tb, &pkt[0]);
	assert_int_equal(1, count_of(&pkt[0]));
	/* a set that is there needs no more */
	shim_memory.none = true;
	flows_drop(&tb, &pkt[1]);
	assert_int_equal(1, count_of(&pkt[1]));
	flows_drop(&tb, &pkt[2]);
	assert_false(has(&pkt[2]));
	shim_memory.none = false;
	/* what failed has not been charged: all sets can still be made */
	drop_many(&tb, 20000);
	assert_int_equal(256, flows_sets(&tb));
	end();
}

static void test_no_memory_at_all(void **state)
{
	struct invspi_table t;
	unsigned int i;

	(void)state;
	shim_memory.none = true;
	assert_int_equal(-ENOMEM, invspi_table_module_init(65536));
	shim_memory.none = false;
	begin(4096, 1048576);
	/* 65,536 sets: the array is not left to a packet */
	cfg.flows_max = 1048576;
	for (i = 1; i <= 3; i++) {
		memset(&t, 0, sizeof(t));
		shim_memory.calls = 0;
		shim_memory.none_at = i;
		assert_int_equal(i < 3 ? -ENOMEM : 0, invspi_table_init(&t, &cfg, false, false));
		shim_memory.none_at = 0;
		assert_int_equal(i < 3 ? 2 : 4, shim_memory.pieces);
	}
	drop_many(&t, 1);
	invspi_table_exit(&t);

	/* a table that cannot grow stays as it is */
	drop_many(&tb, 100);
	shim_memory.none = true;
	i = invspi_table_generation(&tb);
	assert_int_equal(-ENOMEM, invspi_table_restart(&tb, 1048576));
	shim_memory.none = false;
	assert_int_equal(100, totals().flows);
	assert_int_equal(4096, tb.flows_max);
	assert_int_equal(i, invspi_table_generation(&tb));
	end();
}

/* The largest table that a packet makes the array of, and the next */
static void test_array(void **state)
{
	struct invspi_pkt pkt = flows_pkt4(1, 2);

	(void)state;
	begin(65536, 1048576);
	assert_int_equal(2, shim_memory.pieces);
	flows_drop(&tb, &pkt);
	assert_int_equal(4, shim_memory.pieces);
	assert_int_equal(0, invspi_table_restart(&tb, 131072));
	assert_int_equal(3, shim_memory.pieces);
	shim_memory.none = true;
	flows_drop(&tb, &pkt);
	assert_int_equal(1, totals().untracked_packets);
	shim_memory.none = false;
	flows_drop(&tb, &pkt);
	assert_int_equal(4, shim_memory.pieces);
	end();
}

/* Who wants a set that somebody else has just made gets that one. */
static void test_grow(void **state)
{
	struct invspi_pkt pkt = flows_pkt4(1, 2);
	u32 hash;

	(void)state;
	begin(4096, 65536);
	hash = invspi_key_hash(&tb, &pkt.key);
	flows_drop(&tb, &pkt);
	flows_enter();
	assert_ptr_equal(invspi_set_get(&tb, hash), invspi_set_grow(&tb, hash));
	flows_leave();
	assert_int_equal(1, flows_sets(&tb));
	assert_int_equal(1, count_of(&pkt));
	end();
}

/* Each counter beyond 32 bits, wherever the packets are */
static void test_64_bits(void **state)
{
	struct invspi_pkt pkt = flows_pkt4(1, 2), other = flows_pkt4(1, 2);
	const u64 most = 0xffffffff;
	struct invspi_flow flow;
	u32 hash, reason;

	(void)state;
	begin(4096, 65536);
	other.key.dst4++;
	flows_drop(&tb, &pkt);
	flows_drop(&tb, &other);
	hash = invspi_key_hash(&tb, &pkt.key);
	for (reason = 0; reason < INVSPI_REASONS; reason++) {
		flows_enter();
		/* as if it had been that many packets */
		invspi_set_get(&tb, hash)->hot[0].drops[reason] += most;
		add_to(packets[reason][0], most);
		flows_leave();
		pkt.reason = reason;
		pkt.bytes = most;
		flows_drop(&tb, &pkt);
		check_sums();
	}
	assert_true(invspi_table_find(&tb, &pkt.key, &flow));
	assert_int_equal(most + 2, flow.drops[INVSPI_NO_STATE]);
	assert_int_equal(4 * (most + 1) + 1, flows_packets(&flow));
	assert_int_equal(4 * most + 100, flow.bytes);
	/* the verdict takes all of them into account, and nothing runs over */
	cfg.desync_packets = 1000000;
	configure();
	pass(HZ);
	flows_drop(&tb, &pkt);
	assert_true(flags_of(&pkt) & INVSPI_FLOW_DESYNC);
	assert_int_equal(0, invspi_table_restart(&tb, 4096));
	assert_int_equal(4 * (most + 1) + 3, totals().deleted_packets);
	end();
}

/* Evicted and untracked, too */
static void test_64_bits_evicted(void **state)
{
	struct invspi_pkt pkt;
	u32 src = 1, i;

	(void)state;
	begin(INVSPI_SET_FLOWS, 65536);
	for (i = 0; i < INVSPI_SET_FLOWS; i++) {
		pkt = next_in_set(&src);
		flows_drop_n(&tb, &pkt, 2);
	}
	flows_enter();
	for (i = 0; i < INVSPI_SET_FLOWS; i++)
		invspi_set_get(&tb, 0)->hot[i].drops[0] += 1ULL << 33;
	add_to(packets[0][0], 16ULL << 33);
	add_to(packets[0][0], 1ULL << 34);
	add_to(untracked_packets, 1ULL << 34);
	flows_leave();
	pass(msecs_to_jiffies(60000));
	for (i = 0; i < 3; i++) {
		pkt = next_in_set(&src);
		flows_drop_n(&tb, &pkt, 2);
	}
	assert_int_equal(3 * ((1ULL << 33) + 2), totals().evicted_packets);
	pkt = next_in_set(&src);
	flows_drop(&tb, &pkt);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lazy),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_lines_written),
		cmocka_unit_test(test_caps),
		cmocka_unit_test(test_caps_least),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_no_memory_at_all),
		cmocka_unit_test(test_array),
		cmocka_unit_test(test_grow),
		cmocka_unit_test(test_64_bits),
		cmocka_unit_test(test_64_bits_evicted),
	};

	shim_srand(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
