/* SPDX-License-Identifier: GPL-2.0-only */
/* Hashes for tables in memory. Whoever must not choose what collides gets a seed. */
#ifndef INVSPID_HASH_H
#define INVSPID_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Every bit of @h moves every bit of the result. */
static inline uint32_t hash_mix(uint32_t h)
{
	h = (h ^ h >> 16) * 0x7feb352du;
	h = (h ^ h >> 15) * 0x846ca68bu;
	return h ^ h >> 16;
}

/* @h: the seed, or the hash of what comes before */
static inline uint32_t hash_bytes(uint32_t h, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len--)
		h = (h ^ *p++) * 16777619u;
	return hash_mix(h);
}

#define HASH64_BEGIN 0xcbf29ce484222325ULL

/* FNV-1a, to tell texts apart; @h: HASH64_BEGIN, or the hash of what comes before */
static inline uint64_t hash64_bytes(uint64_t h, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len--)
		h = (h ^ *p++) * 0x100000001b3ULL;
	return h;
}

#endif
