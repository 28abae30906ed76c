// SPDX-License-Identifier: GPL-2.0-only
/* What has happened between two listings, as far as two listings tell; see ike_whack_int.h. */
#include <stdlib.h>
#include <string.h>

#include "ike_whack_int.h"
#include "intern.h"
#include "listing.h"

struct entry {
	uint32_t id;
	const struct ike_sa *sa;
	const struct ike_child *child;
	bool replaced; /* told so */
};

/* CHILD_SAs of a listing, by their numbers. */
struct entries {
	struct entry *e;
	size_t n;
};

static int by_id(const void *pa, const void *pb)
{
	const struct entry *a = pa, *b = pb;

	return a->id < b->id ? -1 : a->id > b->id;
}

static bool collect(const struct ike_listing *l, struct entries *all)
{
	const struct ike_sa *sa;
	size_t k, n = 0;

	for (sa = l->sa; sa < ike_sa_end(l); sa++)
		n += sa->nchild;
	all->n = 0;
	all->e = calloc(n ? n : 1, sizeof(*all->e));
	if (!all->e)
		return false;
	for (sa = l->sa; sa < ike_sa_end(l); sa++)
		for (k = 0; k < sa->nchild; k++)
			all->e[all->n++] = (struct entry){ .id = sa->child[k].uniqueid,
							   .sa = sa,
							   .child = &sa->child[k] };
	qsort(all->e, all->n, sizeof(*all->e), by_id);
	return true;
}

static struct entry *find(const struct entries *all, uint32_t id)
{
	struct entry key = { .id = id };

	return bsearch(&key, all->e, all->n, sizeof(key), by_id);
}

/* What the same peer had of this connection before. */
static struct entry *predecessor(const struct ike_listing *old, const struct entries *before,
				 const struct entry *e)
{
	const struct ike_sa *sa = listing_peer(old, e->sa->conn, e->sa->remote_id);
	struct entry *p = NULL, *best = NULL;
	size_t k;

	for (k = 0; sa && k < sa->nchild; k++) {
		if (sa->child[k].state != CHILD_INSTALLED || sa->child[k].uniqueid >= e->id)
			continue;
		p = find(before, sa->child[k].uniqueid);
		if (p && (!best || p->id > best->id))
			best = p;
	}
	return best && !best->replaced ? best : NULL;
}

static void tell_new(struct ike_whack *ike, const struct ike_listing *l, struct entries *before,
		     const struct entries *now, const struct entry *e)
{
	struct entry *old = predecessor(l, before, e), *still;

	still = old ? find(now, old->id) : NULL;
	if (old && (!still || still->child->state != CHILD_INSTALLED)) {
		old->replaced = true;
		if (ike->b.ev.child_rekey)
			ike->b.ev.child_rekey(ike->b.arg, e->sa->conn, e->child->name,
					      old->child->spi_in, e->child->spi_in,
					      e->child->proto);
	} else if (ike->b.ev.child_up) {
		ike->b.ev.child_up(ike->b.arg, e->sa->conn, e->child->name);
	}
}

static bool is_ours(const struct ike_whack *ike, uint32_t id)
{
	unsigned int i;

	for (i = 0; i < ENDED; i++)
		if (ike->ended[i] == id)
			return true;
	return false;
}

/* The number of its IKE_SA, which it is listed under, or under the connection's own. */
static uint32_t ike_of(const struct ike_whack *ike, uint32_t serial)
{
	const struct whack_known *k = whack_recall(&ike->memory, serial);

	return k ? k->ike : 0;
}

static void note_gone(struct ike_whack *ike, const struct entry *e, uint32_t on, enum sa_end end)
{
	struct whack_gone *g = &ike->gone[ike->next_gone];

	ike->next_gone = (ike->next_gone + 1) % WHACK_GONE;
	intern_put(g->conn);
	*g = (struct whack_gone){
		.conn = intern(e->sa->conn, strlen(e->sa->conn)),
		.serial = e->id,
		.ike = on,
		.spi_in = e->child->spi_in,
		.proto = e->child->proto,
		.end = end,
		.at = now_ms(),
	};
}

/* Why it has gone is not to be seen, unless it was our doing; but the log may tell. */
static void tell_gone(struct ike_whack *ike, const struct entry *e)
{
	uint32_t on = ike_of(ike, e->id);
	enum sa_end end = END_DELETED_LOCAL;

	if (!is_ours(ike, e->id))
		end = whack_cause_find(&ike->causes, e->sa->conn, e->id, on, now_ms());
	note_gone(ike, e, on, end);
	if (ike->b.ev.child_down)
		ike->b.ev.child_down(ike->b.arg, e->sa->conn, e->child->name, e->child->spi_in,
				     e->child->proto, end);
}

static void diff_children(struct ike_whack *ike, const struct ike_listing *old,
			  struct entries *before, const struct entries *now)
{
	size_t i;

	for (i = 0; i < now->n && !ike->freed; i++)
		if (now->e[i].child->state == CHILD_INSTALLED && !find(before, now->e[i].id))
			tell_new(ike, old, before, now, &now->e[i]);
	for (i = 0; i < before->n && !ike->freed; i++)
		if (before->e[i].child->state == CHILD_INSTALLED && !before->e[i].replaced &&
		    !find(now, before->e[i].id))
			tell_gone(ike, &before->e[i]);
}

/* Only under its own number: it is listed for other connections, too. */
static bool is_own(const struct ike_sa *sa)
{
	return sa_counts(sa) && !(sa->uniqueid & WHACK_ALIAS);
}

/* pluto has replaced it by a rekey, or the peer has come again. */
static bool has_successor(const struct ike_listing *l, const struct ike_sa *sa)
{
	const struct ike_sa *o = listing_peer(l, sa->conn, sa->remote_id);

	return o && is_own(o) && ike_addr_same(&o->remote, &sa->remote);
}

static void diff_ikes(struct ike_whack *ike, const struct ike_listing *old,
		      const struct ike_listing *l)
{
	const struct ike_sa *sa, *was;

	if (!ike->b.ev.ike_updown)
		return;
	for (sa = l->sa; sa < ike_sa_end(l) && !ike->freed; sa++) {
		was = listing_id(old, sa->uniqueid);
		if (is_own(sa) && !(was && sa_counts(was)) && !has_successor(old, sa))
			ike->b.ev.ike_updown(ike->b.arg, sa->conn, sa->remote_id, sa->uniqueid,
					     true);
	}
	for (sa = old->sa; sa < ike_sa_end(old) && !ike->freed; sa++)
		if (is_own(sa) && !listing_id(l, sa->uniqueid) && !has_successor(l, sa))
			ike->b.ev.ike_updown(ike->b.arg, sa->conn, sa->remote_id, sa->uniqueid,
					     false);
}

/**
 * whack_diff() - tell what is not as it was in the last listing
 * @l: the new one
 */
void whack_diff(struct ike_whack *ike, const struct ike_listing *l)
{
	struct entries before = { 0 }, now = { 0 };
	struct ike_listing *old = ike->last;

	if (!old)
		return;
	ike_listing_get(old); /* whatever the callbacks do */
	if (collect(old, &before) && collect(l, &now)) {
		diff_children(ike, old, &before, &now);
		diff_ikes(ike, old, l);
	}
	free(before.e);
	free(now.e);
	ike_listing_put(old);
}
