/* SPDX-License-Identifier: GPL-2.0-only */
/* What is remembered of a flow from one reading of the table to the next. Pure. */
#ifndef INVSPID_TRACK_H
#define INVSPID_TRACK_H

#include <stdbool.h>
#include <stdint.h>

#include "flow.h"

/**
 * struct track - times and sequence numbers of a flow
 * @first_drop: first packet since it was last quiet, CLOCK_BOOTTIME ms
 * @last_drop: last one
 * @seen_at: when it was first read since it was last quiet
 * @looked_at: when the counters of its peer's SAs were first read since then; 0: not yet
 * @rises: readings in which its sequence numbers had risen as a sender's do
 * @jumps: readings in which they had not
 */
struct track {
	int64_t first_drop, last_drop, seen_at, looked_at;
	unsigned int rises, jumps;
};

/**
 * track_begin() - a flow that was not read before
 * @now: time of the reading, CLOCK_BOOTTIME ms
 */
void track_begin(struct track *t, const struct invspi_flow *f, int64_t now);

/**
 * track_go_on() - a flow that was read before
 * @t: as track_begin() has set it
 * @f: the new reading
 * @old, @was: the reading before
 * @quiet_ms: a flow that comes back after a longer silence is a new failure
 *
 * Return: whether it is one.
 */
bool track_go_on(struct track *t, const struct invspi_flow *f, const struct track *old,
		 const struct invspi_flow *was, int64_t quiet_ms);

/* Have the sequence numbers risen as a sender's, every time and more than once? */
bool track_rising(const struct track *t);
/* Have they moved as no sender's would, more than now and then? */
bool track_senseless(const struct track *t);

#endif
