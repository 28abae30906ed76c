/* SPDX-License-Identifier: GPL-2.0-only */
/* The module's invariants at rest, as the fuzzers look at them. */
#ifndef SELFTESTS_HARDENING_SUMS_H
#define SELFTESTS_HARDENING_SUMS_H

#include <stdbool.h>
#include <stdint.h>

struct sums;

/* Opens the module in this thread's network namespace; ends the program if it can't. */
struct sums *sums_open(void);
void sums_close(struct sums *s);

/* What the kernel has counted so far and the module has not: before it was loaded */
void sums_begin(struct sums *s);

/*
 * Waits until the counters have come to rest, then: is every packet in just one of
 * the sums, and the module's total the kernel's growth? Says what is not.
 */
bool sums_right(struct sums *s);

/* Packets without an SA that the module has counted, when sums_right() last looked */
uint64_t sums_no_state(const struct sums *s);

#endif
