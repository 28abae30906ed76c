/* SPDX-License-Identifier: GPL-2.0-only */
/* The clocks, in milliseconds, and which boot this is. */
#ifndef INVSPI_LIB_CLOCK_H
#define INVSPI_LIB_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

int64_t clock_ms(clockid_t id);

/**
 * now_ms() - time since boot, with that asleep
 *
 * CLOCK_BOOTTIME: the helper's clock for all that does not outlive a boot. Nobody
 * sets it.
 */
int64_t now_ms(void);

/**
 * wall_ms() - wall clock, since 1970
 */
int64_t wall_ms(void);

/**
 * clock_boot_id() - what tells this boot from all others
 * @buf: "" if it cannot be read
 */
void clock_boot_id(char *buf, size_t size);

#endif /* INVSPI_LIB_CLOCK_H */
