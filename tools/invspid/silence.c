// SPDX-License-Identifier: GPL-2.0-only
/*
 * What has come in since a flow began. A peer that sends to an SPI that we do not
 * have sends nothing to the one that we have instead: if it does, nothing is
 * broken, whatever else comes.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>

#include "daemon.h"

#define SILENT_MIN_MS 1000 /* watched at least for so long */
#define FIRST_LOOK_MS 1000 /* counters are read so long after the flow is seen at most */
#define CHILDREN_MAX 256 /* of one peer; who has more is not judged by silence */
#define LINEAGE_MAX 64

/*
 * What had come in when the counters were first read for this flow may be older than it;
 * what comes in later is a sign of life, for as long as the flow goes on.
 */
static bool is_silent(struct invspid *d, const struct tracked *t, const struct ike_sa *sa,
		      const struct ike_child *c, bool *gone)
{
	int64_t now = now_ms(), since, first = t->time.looked_at ? t->time.looked_at : now;
	int ret = watch_since(d->watch, d->xfrm, &sa->local, c->spi_in, c->proto, c->mark_in, now,
			      &since);

	*gone = ret == -ESRCH;
	return !ret && since <= MIN(first, t->time.seen_at + FIRST_LOOK_MS) &&
	       now - MAX(since, t->time.seen_at) >= SILENT_MIN_MS;
}

/*
 * The child that an SA of the history belongs to, if it is up: the SA that came of
 * it by rekeying, or else a newer one of the same name, peer and selectors.
 */
const struct ike_child *silence_child(struct invspid *d, struct tracked *t,
				      const struct ike_sa **sa)
{
	const struct ike_listing *l = d->listing[LISTING_LAST];
	const struct ike_child *c, *best = NULL;
	const struct ike_sa *of = NULL;
	uint32_t spi = t->flow.spi;
	struct hist_sa h;
	unsigned int i;
	size_t k;

	for (i = 0; i < LINEAGE_MAX && !hist_lookup(d->hist, spi, t->flow.proto, &h); i++) {
		if (!h.rekeyed_to)
			break;
		spi = h.rekeyed_to;
	}
	c = spi == t->flow.spi ? NULL : listing_spi(l, spi, t->flow.proto, sa);
	if (c || hist_lookup(d->hist, t->flow.spi, t->flow.proto, &h))
		return c;
	while ((of = listing_source_next(l, &t->flow, of))) {
		for (k = 0; k < of->nchild; k++) {
			c = &of->child[k];
			if (!child_counts(c) || strcmp(of->conn, h.conn) ||
			    strcmp(c->name, h.child) || strcmp(c->local_ts, h.local_ts) ||
			    strcmp(c->remote_ts, h.remote_ts) ||
			    (best && best->uniqueid > c->uniqueid))
				continue;
			best = c;
			*sa = of;
		}
	}
	return best;
}

/* Does the peer use another SA that was made for the same? */
static bool spare_is_used(struct invspid *d, const struct tracked *t, const char *conn,
			  const struct ike_child *c)
{
	const struct ike_listing *l = d->listing[LISTING_LAST];
	const struct ike_child *o;
	const struct ike_sa *sa = NULL;
	bool gone, used = false;
	size_t k;

	while ((sa = listing_source_next(l, &t->flow, sa))) {
		for (k = 0; k < sa->nchild; k++) {
			o = &sa->child[k];
			if (!o->spare || o == c || strcmp(sa->conn, conn) ||
			    strcmp(o->name, c->name))
				continue;
			used |= !is_silent(d, t, sa, o, &gone) && !gone;
		}
	}
	return used;
}

static void set_child(struct tracked *t, const struct ike_sa *sa, const struct ike_child *c)
{
	snprintf(t->child, sizeof(t->child), "%s", c->name);
	t->child_id = c->uniqueid;
	t->ike_id = sa->uniqueid;
}

static void fill_own(struct invspid *d, struct tracked *t)
{
	struct evidence *ev = &t->ev;
	const struct ike_sa *sa = NULL;
	const struct ike_child *c = silence_child(d, t, &sa);
	bool gone, used;

	if (!c)
		return;
	ev->child_up = true;
	ev->child_up_at = d->listing[LISTING_LAST]->started - c->install_age_s * 1000;
	used = spare_is_used(d, t, sa->conn, c);
	ev->child_silent = is_silent(d, t, sa, c, &gone) && !used;
	set_child(t, sa, c);
}

/* All children of the peer, of whom only one may be the one that it means. */
static void fill_peer(struct invspid *d, struct tracked *t)
{
	const struct ike_listing *l = d->listing[LISTING_LAST];
	const struct ike_sa *sa = NULL;
	unsigned int n = 0;
	bool gone;
	size_t k;

	while ((sa = listing_source_next(l, &t->flow, sa))) {
		for (k = 0; k < sa->nchild && n < CHILDREN_MAX; k++) {
			const struct ike_child *c = &sa->child[k];

			if (!child_counts(c) || c->proto != t->flow.proto)
				continue;
			n++;
			if (!is_silent(d, t, sa, c, &gone))
				continue;
			if (!t->ev.silent++)
				set_child(t, sa, c);
		}
	}
	if (t->ev.silent != 1) {
		t->child[0] = '\0';
		t->child_id = 0;
	}
}

/* Of the whole IKE_SA. */
static void fill_ike(struct invspid *d, struct tracked *t, const struct ike_sa *sa)
{
	bool gone, silent = sa->nchild <= CHILDREN_MAX;
	size_t k;

	for (k = 0; k < MIN(sa->nchild, CHILDREN_MAX); k++)
		if (child_counts(&sa->child[k]))
			silent &= is_silent(d, t, sa, &sa->child[k], &gone) || gone;
	t->ev.ike_silent = silent;
}

/**
 * silence_fill() - evidence about what came in
 * @sa: the IKE_SA that the flow was traced to
 *
 * All counters that may be asked for are read each time, also where nothing follows
 * from them yet: they have to be watched from the start.
 */
void silence_fill(struct invspid *d, struct tracked *t, const struct ike_sa *sa)
{
	struct evidence *ev = &t->ev;

	if (ev->inbound == PRESENCE_THERE || ev->inbound_busy)
		fill_ike(d, t, sa);
	else if (ev->inbound == PRESENCE_ABSENT && ev->hist_known)
		fill_own(d, t);
	else if (ev->inbound == PRESENCE_ABSENT)
		fill_peer(d, t);
	else
		return;
	if (!t->time.looked_at)
		t->time.looked_at = now_ms();
}
