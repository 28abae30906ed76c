// SPDX-License-Identifier: GPL-2.0-only
/* What is remembered of a flow from one reading of the table to the next. */
#include <string.h>

#include "track.h"

#define RISES_MIN 2
#define JUMPS_MIN 2
#define REORDER 64 /* packets that may overtake each other, or come twice */
#define LOST_MAX 64 /* of so many times the packets we saw the others were lost */

void track_begin(struct track *t, const struct invspi_flow *f, int64_t now)
{
	uint64_t other = f->packets - f->reasons[INVSPI_REASON_NO_STATE];

	memset(t, 0, sizeof(*t));
	t->seen_at = now;
	t->last_drop = now - (int64_t)f->last_age_ms;
	t->first_drop = now - (int64_t)f->first_age_ms;
	/*
	 * Drops of another kind belong to the set-up of the SA, long ago perhaps;
	 * when those without an SA began the table does not tell.
	 */
	if (other)
		t->first_drop = t->last_drop;
}

/*
 * A sender counts its packets: what we saw of them is at most what it sent. The
 * difference is of 32 bits, and a replay or a forger goes back, stands still or
 * jumps.
 */
static bool rose(const struct invspi_flow *f, const struct invspi_flow *was)
{
	uint32_t step = f->last_seq - was->last_seq;
	uint64_t packets = f->packets - was->packets;

	if (step == 0 || step > INT32_MAX)
		return packets <= REORDER / 8 && 0 - step < REORDER && step;
	return step + REORDER >= packets && step <= (packets + REORDER) * LOST_MAX;
}

bool track_go_on(struct track *t, const struct invspi_flow *f, const struct track *old,
		 const struct invspi_flow *was, int64_t quiet_ms)
{
	bool grew = f->packets > was->packets;

	if (t->last_drop - old->last_drop > quiet_ms && grew) {
		t->first_drop = t->last_drop;
		return true;
	}
	t->first_drop = old->first_drop;
	t->seen_at = old->seen_at;
	t->looked_at = old->looked_at;
	t->rises = old->rises;
	t->jumps = old->jumps;
	if (grew && rose(f, was))
		t->rises++;
	else if (grew)
		t->jumps++;
	return false;
}

bool track_rising(const struct track *t)
{
	return t->rises >= RISES_MIN && !t->jumps;
}

bool track_senseless(const struct track *t)
{
	return t->jumps >= JUMPS_MIN && t->jumps * 4 > t->rises;
}
