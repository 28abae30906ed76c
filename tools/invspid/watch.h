/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inbound counters of the kernel's SAs: since when has nothing come in? Only
 * those are read that a decision asks about.
 */
#ifndef INVSPID_WATCH_H
#define INVSPID_WATCH_H

#include <stdint.h>

#include "xfrm.h"

struct watch;

struct watch *watch_new(void); /* NULL: no memory */
void watch_free(struct watch *w);

/**
 * watch_since() - ask the kernel for an SA's counter
 * @since: set to the time since which it has not moved, as far as we saw it:
 *	LONG_AGO if it never did
 *
 * Return: 0, -ESRCH if the kernel has no such SA, or other -errno.
 */
int watch_since(struct watch *w, struct xfrm *x, const struct ike_addr *dst, uint32_t spi,
		uint8_t proto, uint32_t mark, int64_t now, int64_t *since);

#endif
