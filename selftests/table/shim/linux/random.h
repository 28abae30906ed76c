/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_RANDOM_H
#define SHIM_LINUX_RANDOM_H

#include <string.h>

#include <linux/types.h>

#define get_random_u32() ((u32)shim_rand())

static inline void get_random_bytes(void *buf, size_t len)
{
	u64 word;
	u8 *p = buf;
	size_t n;

	for (; len; p += n, len -= n) {
		word = shim_rand();
		n = len < sizeof(word) ? len : sizeof(word);
		memcpy(p, &word, n);
	}
}

#endif /* SHIM_LINUX_RANDOM_H */
