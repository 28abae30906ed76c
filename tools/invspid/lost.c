// SPDX-License-Identifier: GPL-2.0-only
/*
 * SAs that leave the kernel while the IKE daemon goes on listing them: the tunnel
 * is broken, though no packet has said so yet. Each is judged as a flow without a
 * packet, by the same rules and budgets.
 *
 * The daemon's own deletions look the same for a moment, since the kernel tells of
 * them first. That it has nothing to do with this one is shown as ever: list,
 * kernel, list; an SA that it is about to forget is in no listing, since the IKE_SA
 * is held by one of its threads, or its child is not INSTALLED any more.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon.h"

static struct tracked *find(const struct tracked *t, size_t n, uint32_t spi, uint8_t proto)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (t[i].flow.spi == spi && t[i].flow.proto == proto)
			return (struct tracked *)&t[i];
	return NULL;
}

struct search {
	const struct ike_addr *dst;
	bool found;
};

static void find_dst(void *arg, const struct xfrm_sa *sa)
{
	struct search *s = arg;

	s->found |= ike_addr_same(&sa->dst, s->dst);
}

bool lost_in_mirror(const struct invspid *d, const struct ike_sa *sa, const struct ike_child *c)
{
	struct search s = { .dst = &sa->local };

	xfrm_find(d->xfrm, c->spi_in, c->proto, find_dst, &s);
	return !s.found;
}

static bool is_lost(const struct invspid *d, const struct ike_sa *sa, const struct ike_child *c,
		    int64_t *when)
{
	enum xfrm_gone how;

	return child_counts(c) && lost_in_mirror(d, sa, c) &&
	       !xfrm_seen_leaving(d->xfrm, &sa->local, c->spi_in, c->proto, when, &how) &&
	       how != XFRM_GONE_EXPIRED;
}

static void as_flow(struct invspi_flow *f, const struct ike_sa *sa, const struct ike_child *c)
{
	memset(f, 0, sizeof(*f));
	f->family = sa->remote.family;
	f->proto = c->proto;
	f->spi = c->spi_in;
	memcpy(f->src.b, sa->remote.addr, sizeof(f->src.b));
	memcpy(f->dst.b, sa->local.addr, sizeof(f->dst.b));
	f->mark = c->mark_in;
	if (c->encap) {
		f->encap_type = XFRM_INVSPI_ENCAP_ESPINUDP;
		f->sport = sa->remote_port;
		f->dport = sa->local_port;
	}
}

static void add(struct invspid *d, const struct tracked *old, size_t nold, const struct ike_sa *sa,
		const struct ike_child *c, int64_t when)
{
	const struct tracked *was = find(old, nold, c->spi_in, c->proto);
	struct tracked *t = reallocarray(d->lost, d->nlost + 1, sizeof(*t));

	if (!t)
		return; /* its packets will tell */
	d->lost = t;
	t = &d->lost[d->nlost++];
	if (was) {
		*t = *was;
		return;
	}
	memset(t, 0, sizeof(*t));
	as_flow(&t->flow, sa, c);
	t->time.first_drop = when;
	t->time.last_drop = LONG_AGO;
	t->time.seen_at = now_ms();
	t->told.grade = GRADE__COUNT;
	t->kernel_asked = LONG_AGO;
	t->relevant = true;
}

/* How many are judged in one look: a flush of ten thousand must not take a second. */
#define LOST_MAX 256

/**
 * lost_collect() - between the two listings of a look: what has left the kernel
 * @l: the first one
 */
void lost_collect(struct invspid *d, const struct ike_listing *l)
{
	struct tracked *old = d->lost;
	size_t nold = d->nlost, i, k;
	int64_t when;

	d->lost = NULL;
	d->nlost = 0;
	for (i = 0; i < l->nsa && d->nlost < LOST_MAX; i++)
		for (k = 0; k < l->sa[i].nchild && d->nlost < LOST_MAX; k++)
			if (sa_counts(&l->sa[i]) &&
			    is_lost(d, &l->sa[i], &l->sa[i].child[k], &when))
				add(d, old, nold, &l->sa[i], &l->sa[i].child[k], when);
	free(old);
	for (i = 0; i < d->nlost; i++)
		evidence_ask_kernel(d, &d->lost[i]);
}

void lost_clear(struct invspid *d)
{
	free(d->lost);
	d->lost = NULL;
	d->nlost = 0;
}

/*
 * Look at once, unless it is known to have ended in order. A listing may lack it,
 * since it is new or a thread of the daemon held its IKE_SA: ask for some more.
 */
void lost_on_removed(void *arg, const struct xfrm_sa *sa, enum xfrm_gone how)
{
	struct invspid *d = arg;
	struct hist_sa h;

	if (how == XFRM_GONE_EXPIRED || sa->larval)
		return;
	if (!listing_spi(d->listing[LISTING_LAST], sa->spi, sa->proto, NULL) &&
	    !hist_lookup(d->hist, sa->spi, sa->proto, &h) && h.end != END_NONE)
		return;
	d->removed_at = now_ms();
	d->want_listing = true;
	look_soon(d, 0);
}
