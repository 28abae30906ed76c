/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _XFRM_INVSPI_LIMIT_H
#define _XFRM_INVSPI_LIMIT_H

#include <linux/spinlock.h>
#include <linux/types.h>

/**
 * struct invspi_limit - at most so many a second, a second's worth at once
 * @lock: protects the rest
 * @credit: tokens in store, in parts of 1/HZ: a jiffy adds so many of them as a
 *	second adds tokens, and nothing is lost by rounding
 * @stamp: jiffies; refilled up to here
 * @empty_until: jiffies; before then there is no token. Read without @lock.
 */
struct invspi_limit {
	/* see above; innermost */
	spinlock_t lock;
	u32 credit;
	unsigned long stamp;
	unsigned long empty_until;
};

void invspi_limit_init(struct invspi_limit *limit, u32 rate);
bool invspi_limit_take(struct invspi_limit *limit, u32 rate, u32 reserve);

#endif /* _XFRM_INVSPI_LIMIT_H */
