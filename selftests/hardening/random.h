/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers that look random and follow from a seed: splitmix64. */
#ifndef SELFTESTS_HARDENING_RANDOM_H
#define SELFTESTS_HARDENING_RANDOM_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct rnd {
	uint64_t state;
};

static inline uint64_t rnd_next(struct rnd *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* What the n-th thing of a seed is made of, whatever came before it */
static inline struct rnd rnd_of(uint64_t seed, uint64_t n)
{
	struct rnd r = { seed };

	r.state = rnd_next(&r) ^ n * 0xd1342543de82ef95;
	return r;
}

static inline uint32_t rnd_below(struct rnd *r, uint32_t n)
{
	return (rnd_next(r) >> 32) * n >> 32;
}

static inline bool rnd_one_in(struct rnd *r, uint32_t n)
{
	return rnd_below(r, n) == 0;
}

static inline void rnd_fill(struct rnd *r, void *to, size_t n)
{
	uint8_t *p = to;

	for (; n; n--)
		*p++ = rnd_next(r) >> 56;
}

/* Boundaries are where things go wrong. */
static inline uint32_t rnd_edge(struct rnd *r)
{
	static const uint32_t edges[] = { 0,	      1,	  2,	      7,	 8,
					  15,	      16,	  127,	      128,	 255,
					  256,	      32767,	  32768,      65535,	 65536,
					  0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff };

	if (rnd_one_in(r, 2))
		return edges[rnd_below(r, sizeof(edges) / sizeof(*edges))];
	return rnd_next(r);
}

/* Damages some of these bytes: flips a bit, sets an edge, swaps, zeroes. */
static inline void rnd_damage(struct rnd *r, uint8_t *p, size_t n)
{
	for (unsigned int times = 1 + rnd_below(r, 4); n && times; times--) {
		size_t at = rnd_below(r, n);
		uint32_t edge = rnd_edge(r);

		switch (rnd_below(r, 4)) {
		case 0:
			p[at] ^= 1 << rnd_below(r, 8);
			break;
		case 1:
			p[at] = edge;
			break;
		case 2:
			memcpy(p + at, &edge, n - at < 4 ? n - at : 4);
			break;
		default:
			p[at] = p[rnd_below(r, n)];
		}
	}
}

#endif
