// SPDX-License-Identifier: GPL-2.0-only
/* keyhash.h computes hsiphash(), and puts flows into sets evenly. */
#include "unit.h"

/* SipHash-c-d of the paper, word by word, on any input */
static u64 siphash(int c, int d, const u8 secret[16], const u8 *data, size_t len)
{
	u64 k[2], v[4], word;
	size_t n;
	int i;

	memcpy(k, secret, sizeof(k));
	v[0] = k[0] ^ SIPHASH_CONST_0;
	v[1] = k[1] ^ SIPHASH_CONST_1;
	v[2] = k[0] ^ SIPHASH_CONST_2;
	v[3] = k[1] ^ SIPHASH_CONST_3;
	for (n = 0; n <= len; n += 8) {
		word = len - n < 8 ? (u64)len << 56 : 0;
		memcpy(&word, data + n, len - n < 8 ? len - n : 8);
		v[3] ^= word;
		for (i = 0; i < c; i++)
			SIPHASH_PERMUTATION(v[0], v[1], v[2], v[3]);
		v[0] ^= word;
	}
	v[2] ^= 0xff;
	for (i = 0; i < d; i++)
		SIPHASH_PERMUTATION(v[0], v[1], v[2], v[3]);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static void key_of(const u8 secret[16], struct invspi_hash_key *key)
{
	u64 k[2];

	memcpy(k, secret, sizeof(k));
	key->v[0] = k[0] ^ SIPHASH_CONST_0;
	key->v[1] = k[1] ^ SIPHASH_CONST_1;
	key->v[2] = k[0] ^ SIPHASH_CONST_2;
	key->v[3] = k[1] ^ SIPHASH_CONST_3;
}

/* Key and input 00 01 02 ... */
static void test_vectors(void **state)
{
	struct invspi_hash_key key;
	struct in6_addr src6;
	u8 count[20];
	__be32 src4, spi;
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(count); i++)
		count[i] = i;
	/* the paper's own: 2-4, 15 bytes */
	assert_int_equal(0xa129ca6149be45e5, siphash(2, 4, count, count, 15));
	/* 8 and 20 bytes, as in the kernel's test of its hsiphash() on 64 bits */
	key_of(count, &key);
	memcpy(&src4, count, 4);
	memcpy(&spi, count + 4, 4);
	assert_int_equal(0x8d299a8e, invspi_hash4(&key, src4, spi));
	memcpy(&src6, count, 16);
	memcpy(&spi, count + 16, 4);
	assert_int_equal(0xa6cce040, invspi_hash6(&key, &src6, spi));
}

static void test_reference(void **state)
{
	struct invspi_hash_key key;
	u8 secret[16], data[20];
	struct in6_addr src6;
	__be32 src4, spi;
	int i;

	(void)state;
	for (i = 0; i < 10000; i++) {
		get_random_bytes(secret, sizeof(secret));
		get_random_bytes(data, sizeof(data));
		key_of(secret, &key);
		memcpy(&src4, data, 4);
		memcpy(&spi, data + 4, 4);
		assert_int_equal((u32)siphash(1, 3, secret, data, 8),
				 invspi_hash4(&key, src4, spi));
		memcpy(&src6, data, 16);
		memcpy(&spi, data + 16, 4);
		assert_int_equal((u32)siphash(1, 3, secret, data, 20),
				 invspi_hash6(&key, &src6, spi));
	}
}

/* The secret is all of 128 random bits, and a table's own. */
static void test_secret(void **state)
{
	struct invspi_hash_key a, b;
	u8 secret[16];

	(void)state;
	shim_srand(1);
	invspi_hash_init(&a);
	invspi_hash_init(&b);
	assert_memory_not_equal(&a, &b, sizeof(a));
	shim_srand(1);
	get_random_bytes(secret, sizeof(secret));
	key_of(secret, &b);
	assert_memory_equal(&a, &b, sizeof(a));

	begin(4096, 65536);
	a = tb.key;
	end();
	begin(4096, 65536);
	assert_memory_not_equal(&a, &tb.key, sizeof(a));
	end();
}

/*
 * Counted up, SPIs of one source, and sources with one SPI, fall evenly into 256 sets:
 * chi-squared of 255 degrees of freedom is below 350 with p > 0.9999.
 */
static void test_even(void **state)
{
	u32 in[2][256] = { { 0 } }, i, j;
	struct invspi_pkt pkt;
	double chi[2] = { 0 };

	(void)state;
	begin(4096, 65536);
	for (i = 0; i < 25600; i++) {
		pkt = flows_pkt4(7, i);
		in[0][flows_set_of(&tb, &pkt.key)]++;
		pkt = flows_pkt6(i, 7);
		in[1][flows_set_of(&tb, &pkt.key)]++;
	}
	for (j = 0; j < 2; j++) {
		for (i = 0; i < 256; i++)
			chi[j] += (in[j][i] - 100.0) * (in[j][i] - 100.0) / 100;
		print_message("# chi-squared %.0f, expected: below 350\n", chi[j]);
		assert_true(chi[j] < 350);
	}
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_reference),
		cmocka_unit_test(test_secret),
		cmocka_unit_test(test_even),
	};

	shim_srand(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
