// SPDX-License-Identifier: GPL-2.0-only
/*
 * The listings that are kept: what was seen before and after the kernel was
 * asked, and what was seen long enough before to prove an absence; and since
 * when exchanges are seen under way.
 */
#include <stdlib.h>

#include "daemon.h"

#define GAP_MAX_MS 5000 /* listings further apart, end to start, prove nothing */

static void note_tasks(struct invspid *d, const struct ike_listing *l)
{
	size_t i, k, n = 0;

	for (i = 0; i < l->nsa; i++) {
		const struct ike_sa *sa = &l->sa[i];

		if (!sa->task_child && !(sa->state == IKE_CONNECTING && sa->initiator))
			continue;
		for (k = 0; k < d->ntask && d->task[k].ike_id != sa->uniqueid; k++)
			;
		if (k == d->ntask) {
			void *p = reallocarray(d->task, d->ntask + 1, sizeof(*d->task));

			if (!p)
				continue;
			d->task = p;
			d->task[d->ntask].ike_id = sa->uniqueid;
			d->task[d->ntask++].since = l->ended;
		}
		d->task[k].seen = l->ended;
	}
	for (k = 0; k < d->ntask; k++)
		if (d->task[k].seen == l->ended)
			d->task[n++] = d->task[k];
	d->ntask = n;
}

int64_t task_since(const struct invspid *d, uint32_t ike_id)
{
	size_t k;

	for (k = 0; k < d->ntask; k++)
		if (d->task[k].ike_id == ike_id)
			return d->task[k].since;
	return INT64_MAX;
}

static void listing_set(struct invspid *d, unsigned int slot, struct ike_listing *l)
{
	if (l)
		ike_listing_get(l);
	if (d->listing[slot])
		ike_listing_put(d->listing[slot]);
	d->listing[slot] = l;
}

void listing_add(struct invspid *d, struct ike_listing *l)
{
	const struct ike_listing *anchor;
	unsigned int i;

	/* One answer may be to two who asked. */
	if (l == d->listing[LISTING_LAST])
		return;
	listing_set(d, LISTING_PREV, d->listing[LISTING_LAST]);
	/* Each of 10,000 SAs takes more than a megabyte; a seventh of it when it is old. */
	if (d->listing[LISTING_PREV])
		ike_listing_age(d->listing[LISTING_PREV]);
	for (i = 0; i < LISTINGS; i++)
		if (d->listing[i] && l->started - d->listing[i]->ended > GAP_MAX_MS)
			listing_set(d, i, NULL);
	anchor = d->listing[LISTING_ANCHOR];
	listing_set(d, LISTING_LAST, l);
	if (!anchor || l->started - anchor->started >= d->conf->listing_gap_ms) {
		listing_set(d, LISTING_ANCHOR_OLD, d->listing[LISTING_ANCHOR]);
		listing_set(d, LISTING_ANCHOR, l);
	}
	note_tasks(d, l);
}

void listing_clear(struct invspid *d)
{
	unsigned int i;

	for (i = 0; i < LISTINGS; i++)
		listing_set(d, i, NULL);
	lost_clear(d);
	d->ntask = 0;
}

const struct ike_listing *listing_gap(const struct invspid *d)
{
	const struct ike_listing *l = d->listing[LISTING_LAST];
	const struct ike_listing *old = d->listing[LISTING_ANCHOR_OLD];

	if (!l || !old || l->updown != old->updown || l->updown != ike_updowns(d->ike) ||
	    l->started - old->ended > GAP_MAX_MS)
		return NULL;
	return old;
}
