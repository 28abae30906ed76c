/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_SIPHASH_H
#define SHIM_LINUX_SIPHASH_H

#include <linux/bitops.h>

/*
 * The round and the constants as in the paper: "SipHash: a fast short-input PRF",
 * Aumasson and Bernstein, 2012.
 */
#define SIPHASH_CONST_0 0x736f6d6570736575ULL
#define SIPHASH_CONST_1 0x646f72616e646f6dULL
#define SIPHASH_CONST_2 0x6c7967656e657261ULL
#define SIPHASH_CONST_3 0x7465646279746573ULL

#define SIPHASH_PERMUTATION(a, b, c, d)   \
	do {                              \
		(a) += (b);               \
		(c) += (d);               \
		(b) = rol64(b, 13) ^ (a); \
		(d) = rol64(d, 16) ^ (c); \
		(a) = rol64(a, 32);       \
		(c) += (b);               \
		(a) += (d);               \
		(b) = rol64(b, 17) ^ (c); \
		(d) = rol64(d, 21) ^ (a); \
		(c) = rol64(c, 32);       \
	} while (0)

#endif /* SHIM_LINUX_SIPHASH_H */
