// SPDX-License-Identifier: GPL-2.0-only
/* What became of an action, and how long to wait before the next one. Pure, as decide(). */
#include <sys/param.h>

#include "decide.h"

int64_t backoff_ms(unsigned int attempts, const struct limits *lim, uint32_t random)
{
	int64_t ms = lim->backoff_min_ms;

	for (; attempts > 1; attempts--)
		ms += MIN(ms, lim->backoff_max_ms - ms);
	return ms - ms / 4 + random % (ms / 2 + 1);
}

enum outcome verify(const struct verification *v, int64_t now)
{
	bool stopped = now - v->last_drop > VERIFY_STOPPED_MS;

	/* Healed is healed, even if it was the peer's doing and ours was refused. */
	if (stopped && v->new_sa && v->new_moved)
		return OUTCOME_HEALED;
	if (v->refused)
		return OUTCOME_FAILED;
	if (now - v->started < VERIFY_TIMEOUT_MS)
		return OUTCOME_PENDING;
	/* Where no packet came before, that none comes is no sign of anything. */
	if (stopped && (v->new_sa || !v->no_flow))
		return OUTCOME_QUIET;
	/*
	 * The exchange was completed, so the peer is in step: what still comes
	 * is stale or forged, and another attempt would not change that.
	 */
	return v->new_sa ? OUTCOME_STALE : OUTCOME_FAILED;
}
