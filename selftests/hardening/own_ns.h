/* SPDX-License-Identifier: GPL-2.0-only */
/* Namespaces of a process's own. Each of these ends the program if it can't. */
#ifndef SELFTESTS_HARDENING_OWN_NS_H
#define SELFTESTS_HARDENING_OWN_NS_H

#include <stdint.h>

#include "random.h"

/* Nobody from now on, but root in a user namespace that owns its network namespaces */
void own_user_ns(void);

/* Another network namespace, whose lo is up */
void own_net_ns(void);

/* Sends up to @most packets that no SA matches to addresses of lo. Returns how many. */
unsigned int own_packets(struct rnd *r, unsigned int most);

/* SPIs and addresses as own_packets() uses them */
uint32_t own_spi(struct rnd *r);
void own_address(struct rnd *r, uint8_t *p, unsigned int n);

#endif
