// SPDX-License-Identifier: GPL-2.0-only
/*
 * A token bucket that costs nothing while it is empty.
 */
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/math64.h>

#include "limit.h"

/**
 * invspi_limit_init() - fill a token bucket
 * @limit: bucket
 * @rate: tokens a second
 */
void invspi_limit_init(struct invspi_limit *limit, u32 rate)
{
	spin_lock_init(&limit->lock);
	limit->tokens = rate;
	limit->stamp = jiffies;
	limit->empty_until = jiffies;
}

/**
 * invspi_limit_take() - take a token
 * @limit: bucket
 * @rate: tokens a second, 1 to 1000000
 * @reserve: fail rather than leave fewer tokens than this
 *
 * While the bucket is empty this only reads: CPUs that are refused do not
 * fight for its lock. Any context with bottom halves off.
 *
 * Return: true if there was one.
 */
bool invspi_limit_take(struct invspi_limit *limit, u32 rate, u32 reserve)
{
	unsigned long now = jiffies;
	bool taken = false;
	u64 fill;

	if (time_before(now, READ_ONCE(limit->empty_until)))
		return false;

	spin_lock(&limit->lock);
	/* More than a second fills it; cut, so that nothing overflows. */
	fill = (u64)min(now - limit->stamp, (unsigned long)HZ) * rate;
	do_div(fill, HZ);
	if (fill) {
		limit->tokens = min_t(u64, limit->tokens + fill, rate);
		limit->stamp = now;
	}
	if (limit->tokens > reserve) {
		limit->tokens--;
		taken = true;
	} else if (!limit->tokens) {
		WRITE_ONCE(limit->empty_until, limit->stamp + DIV_ROUND_UP(HZ, rate));
	}
	spin_unlock(&limit->lock);
	return taken;
}
