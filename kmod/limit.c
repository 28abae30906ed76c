// SPDX-License-Identifier: GPL-2.0-only
/*
 * A token bucket that costs nothing while it is empty.
 */
#include <linux/jiffies.h>
#include <linux/kernel.h>

#include "limit.h"

/**
 * invspi_limit_init() - fill a token bucket
 * @limit: bucket
 * @rate: tokens a second
 */
void invspi_limit_init(struct invspi_limit *limit, u32 rate)
{
	spin_lock_init(&limit->lock);
	limit->credit = rate * HZ;
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
	bool taken = false;
	unsigned long now;
	u32 credit;

	/* At most a second ahead. If it is not, it is past, however long. */
	if (READ_ONCE(limit->empty_until) - jiffies - 1 < HZ)
		return false;

	spin_lock(&limit->lock);
	/* Under the lock: it must not lie before the stamp of another CPU. */
	now = jiffies;
	/* More than a second fills it; cut, so that nothing overflows. */
	credit = limit->credit + (u32)min(now - limit->stamp, (unsigned long)HZ) * rate;
	credit = min(credit, rate * HZ);
	if (credit >= (reserve + 1) * HZ) {
		credit -= HZ;
		taken = true;
	} else if (credit < HZ) {
		WRITE_ONCE(limit->empty_until, now + DIV_ROUND_UP(HZ - credit, rate));
	}
	limit->credit = credit;
	limit->stamp = now;
	spin_unlock(&limit->lock);
	return taken;
}
