/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_JIFFIES_H
#define SHIM_LINUX_JIFFIES_H

#include <limits.h>

#include <linux/kernel.h>

#ifndef HZ
#define HZ 250
#endif
#define MAX_JIFFY_OFFSET ((unsigned long)((LONG_MAX >> 1) - 1))

#define jiffies ((unsigned long)READ_ONCE(shim_clock))
#define get_jiffies_64() ((u64)READ_ONCE(shim_clock))

static inline unsigned long msecs_to_jiffies(unsigned int ms)
{
	return (int)ms < 0 ? MAX_JIFFY_OFFSET : DIV_ROUND_UP(ms, 1000 / HZ);
}

#endif /* SHIM_LINUX_JIFFIES_H */
