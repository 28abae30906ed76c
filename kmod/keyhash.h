/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hash of source and SPI: hsiphash(), inlined. Where that is SipHash-1-3,
 * that is on 64 bits, a call with its loading of constants and key would be a
 * twentieth of all that a packet costs us.
 */
#ifndef _XFRM_INVSPI_KEYHASH_H
#define _XFRM_INVSPI_KEYHASH_H

#include <linux/in6.h>
#include <linux/random.h>
#include <linux/siphash.h>
#include <linux/types.h>

#if BITS_PER_LONG == 64

/* The state after the key has gone in */
struct invspi_hash_key {
	u64 v[4];
};

static inline void invspi_hash_init(struct invspi_hash_key *key)
{
	u64 secret[2];

	get_random_bytes(secret, sizeof(secret));
	key->v[0] = secret[0] ^ SIPHASH_CONST_0;
	key->v[1] = secret[1] ^ SIPHASH_CONST_1;
	key->v[2] = secret[0] ^ SIPHASH_CONST_2;
	key->v[3] = secret[1] ^ SIPHASH_CONST_3;
}

/* One round a word, the last of which has the length, and three more */
static __always_inline void invspi_hash_word(struct invspi_hash_key *state, u64 word)
{
	state->v[3] ^= word;
	SIPHASH_PERMUTATION(state->v[0], state->v[1], state->v[2], state->v[3]);
	state->v[0] ^= word;
}

static __always_inline u32 invspi_hash_end(struct invspi_hash_key *state)
{
	state->v[2] ^= 0xff;
	SIPHASH_PERMUTATION(state->v[0], state->v[1], state->v[2], state->v[3]);
	SIPHASH_PERMUTATION(state->v[0], state->v[1], state->v[2], state->v[3]);
	SIPHASH_PERMUTATION(state->v[0], state->v[1], state->v[2], state->v[3]);
	return state->v[0] ^ state->v[1] ^ state->v[2] ^ state->v[3];
}

/**
 * invspi_hash4() - hash of an IPv4 source and SPI
 * @key: the table's
 * @src: source
 * @spi: SPI
 *
 * Return: the hash, all of whose bits are good.
 */
static __always_inline u32 invspi_hash4(const struct invspi_hash_key *key, __be32 src, __be32 spi)
{
	struct invspi_hash_key state = *key;

	invspi_hash_word(&state, (__force u32)src | (u64)(__force u32)spi << 32);
	invspi_hash_word(&state, 8ULL << 56);
	return invspi_hash_end(&state);
}

/**
 * invspi_hash6() - the same of an IPv6 source
 * @key: the table's
 * @src: source, maybe in a packet
 * @spi: SPI
 *
 * Return: the hash.
 */
static __always_inline u32 invspi_hash6(const struct invspi_hash_key *key,
					const struct in6_addr *src, __be32 spi)
{
	const u32 *s = (__force const u32 *)src->s6_addr32;
	struct invspi_hash_key state = *key;

	invspi_hash_word(&state, s[0] | (u64)s[1] << 32);
	invspi_hash_word(&state, s[2] | (u64)s[3] << 32);
	invspi_hash_word(&state, 20ULL << 56 | (__force u32)spi);
	return invspi_hash_end(&state);
}

#else /* 32 bits: HalfSipHash-1-3 */

struct invspi_hash_key {
	hsiphash_key_t v;
};

static inline void invspi_hash_init(struct invspi_hash_key *key)
{
	get_random_bytes(&key->v, sizeof(key->v));
}

static inline u32 invspi_hash4(const struct invspi_hash_key *key, __be32 src, __be32 spi)
{
	return hsiphash_2u32((__force u32)src, (__force u32)spi, &key->v);
}

static inline u32 invspi_hash6(const struct invspi_hash_key *key, const struct in6_addr *src,
			       __be32 spi)
{
	u32 words[5];

	memcpy(words, src, sizeof(*src));
	words[4] = (__force u32)spi;
	return hsiphash(words, sizeof(words), &key->v);
}

#endif

#endif /* _XFRM_INVSPI_KEYHASH_H */
