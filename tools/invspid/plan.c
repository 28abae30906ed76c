// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whose turn it is. There are few exchanges at a time, so that the IKE daemon and
 * the line are not flooded; certain evidence comes before uncertain, then each
 * peer's first wish before anybody's second, then who has waited longest.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon.h"

struct wish {
	struct tracked *t;
	bool uncertain;
	unsigned int nth; /* of the same peer */
	int64_t last; /* when the peer last had its turn */
};

static int by_peer(const void *pa, const void *pb)
{
	const struct wish *a = pa, *b = pb;
	int ret = strcmp(a->t->peer, b->t->peer);

	if (ret)
		return ret;
	return a->uncertain != b->uncertain ? a->uncertain - b->uncertain
	       : a->t->time.first_drop < b->t->time.first_drop
		       ? -1
		       : a->t->time.first_drop > b->t->time.first_drop;
}

static int by_turn(const void *pa, const void *pb)
{
	const struct wish *a = pa, *b = pb;

	if (a->uncertain != b->uncertain)
		return a->uncertain - b->uncertain;
	if (a->nth != b->nth)
		return a->nth < b->nth ? -1 : 1;
	return a->last < b->last ? -1 : a->last > b->last;
}

static int64_t last_turn(const struct invspid *d, const char *peer)
{
	const struct attempt *a;
	int64_t last = LONG_AGO;

	for (a = d->attempts; a; a = a->next)
		if (a->begun_at > last && !strcmp(a->peer, peer))
			last = a->begun_at;
	return last;
}

static void decide_now(struct invspid *d, struct tracked *t, int64_t now)
{
	enum grade grade = grade_flow(&t->ev, &d->conf->limits, now, NULL);
	struct decide_state st;

	recover_state(d, t, grade, &st);
	t->dec = decide(&t->ev, &st, &d->conf->limits, now);
}

/**
 * plan() - decide about flows whose evidence is there, and begin what there is room for
 * @t: the flows, @n of them
 * @next: lowered to when the next look is due
 */
void plan(struct invspid *d, struct tracked **t, size_t n, int64_t now, int64_t *next)
{
	struct wish *wish = calloc(n ? n : 1, sizeof(*wish));
	size_t i, m = 0;

	for (i = 0; i < n; i++) {
		decide_now(d, t[i], now);
		if (!wish || !is_exchange(t[i]->dec.action))
			continue;
		wish[m].t = t[i];
		wish[m].uncertain = is_uncertain(t[i]->dec.grade);
		wish[m++].last = last_turn(d, t[i]->peer);
	}
	if (m > 1)
		qsort(wish, m, sizeof(*wish), by_peer);
	for (i = 1; i < m; i++)
		if (!strcmp(wish[i].t->peer, wish[i - 1].t->peer))
			wish[i].nth = wish[i - 1].nth + 1;
	if (m > 1)
		qsort(wish, m, sizeof(*wish), by_turn);
	for (i = 0; i < m; i++) {
		/* The one before may have taken what this one needs. */
		decide_now(d, wish[i].t, now);
		if (is_exchange(wish[i].t->dec.action))
			recover_start(d, wish[i].t);
	}
	free(wish);
	recover_owed(d, now, next);
	for (i = 0; i < n; i++) {
		look_tell(d, t[i], now);
		if (t[i]->dec.wait_ms && t[i]->dec.wait_ms < *next)
			*next = t[i]->dec.wait_ms;
	}
}

/**
 * plan_uncertain() - is there an attempt on uncertain evidence left in this minute
 * @take: take it
 */
bool plan_uncertain(struct invspid *d, int64_t now, bool take)
{
	double most = d->conf->limits.uncertain_all;

	d->uncertain_tokens += (double)(now - d->uncertain_at) * most / 60000;
	d->uncertain_at = now;
	if (d->uncertain_tokens > most)
		d->uncertain_tokens = most;
	if (d->uncertain_tokens < 1)
		return false;
	d->uncertain_tokens -= take;
	return true;
}

/**
 * plan_slots() - how many exchanges there may be now
 *
 * Half as many each time the daemon's queue has grown, one more when it has not.
 */
void plan_slots(struct invspid *d)
{
	unsigned int most = d->conf->limits.in_flight;
	uint32_t queued = d->in_flight && d->ike ? ike_queued(d->ike) : 0;

	if (queued > d->queued && queued > most)
		d->slots = d->slots / 2;
	else
		d->slots++;
	d->slots = d->slots < 1 ? 1 : d->slots > most ? most : d->slots;
	d->queued = queued;
}
