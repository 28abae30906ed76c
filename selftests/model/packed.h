/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All that the helper remembers from one step to the next, without what no decision
 * rests on; times are ticks from now. See pack() in helper.c.
 */
#ifndef SELFTESTS_MODEL_PACKED_H
#define SELFTESTS_MODEL_PACKED_H

#define ATTEMPTS 6
#define RECOVERIES 2

struct packed_flow {
	unsigned char kid, spi; /* 0: none */
	unsigned char last_age;
};

struct packed_attempt {
	unsigned char used, grade, kid, attempts, removed;
	unsigned char flags;
	signed char next_try, gave_up_at, begun_at, in_step_at, g1_since, disrupted_at;
	signed char removed_since, unlisted_since, first_drop;
	struct packed_flow cause;
	unsigned char cause_kid;
};

struct packed_recovery {
	unsigned char used, grade, action, kid, old_id, ike_id;
	unsigned char names[2], nnames, cur;
	unsigned short flags;
	unsigned char refusals, half_made, ending, half_made_looks;
	signed char first_drop, started, last_drop;
	struct packed_flow flow;
	/* its timer, and what it asked of the IKE daemon: numbers of functions */
	unsigned char timer, done, request, about;
	signed char due, until, err;
};

struct packed {
	struct packed_attempt attempt[ATTEMPTS];
	struct packed_recovery recovery[RECOVERIES];
	unsigned char in_flight, uncertain_in_flight, slots;
};

#endif
