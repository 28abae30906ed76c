/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_BITOPS_H
#define SHIM_LINUX_BITOPS_H

#include <linux/kernel.h>

#define BIT(n) (1UL << (n))
#define BITS_TO_LONGS(n) DIV_ROUND_UP(n, 64)

static inline u64 rol64(u64 x, unsigned int n)
{
	return x << n | x >> (64 - n);
}

static inline u32 rol32(u32 x, unsigned int n)
{
	return x << n | x >> (32 - n);
}

static inline unsigned long ffz(unsigned long word)
{
	return __builtin_ctzl(~word);
}

static inline void set_bit(unsigned int n, unsigned long *map)
{
	__atomic_or_fetch(&map[n / 64], BIT(n % 64), __ATOMIC_RELAXED);
}

static inline void clear_bit(unsigned int n, unsigned long *map)
{
	__atomic_and_fetch(&map[n / 64], ~BIT(n % 64), __ATOMIC_RELAXED);
}

/*
 * The kernel's reads the words without any mark, and is used like that on maps
 * that change: a bit is in one word, so it is seen or not, and who sets it after
 * the look wakes the looker again.
 */
static inline unsigned long find_next_bit(const unsigned long *map, unsigned long size,
					  unsigned long n)
{
	for (; n < size; n++)
		if (READ_ONCE(map[n / 64]) & BIT(n % 64))
			return n;
	return size;
}

#endif /* SHIM_LINUX_BITOPS_H */
