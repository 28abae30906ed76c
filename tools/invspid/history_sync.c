// SPDX-License-Identifier: GPL-2.0-only
/* Taking in a listing of the daemon's SAs. */
#include <stdio.h>
#include <string.h>

#include "history_int.h"

#define HEARTBEAT_MS 10000 /* how often it is written that the daemon is alive */
#define AGE_ERROR_MS 1000 /* the daemon tells ages in whole seconds */

static bool counts(const struct ike_child *c)
{
	return (c->state == CHILD_INSTALLED || c->state == CHILD_REKEYING) && c->spi_in;
}

static int64_t install_time(const struct ike_listing *l, const struct ike_child *c)
{
	int64_t t = l->ended - (c->install_age_s > 0 ? c->install_age_s : 0) * 1000;

	return t > 0 ? t : 0;
}

static void from_listing(const struct history *h, const struct ike_listing *l,
			 const struct ike_sa *ike, const struct ike_child *c, struct hist_sa *sa)
{
	memset(sa, 0, sizeof(*sa));
	sa->spi = c->spi_in;
	sa->proto = c->proto;
	sa->conn = ike->conn;
	sa->child = c->name;
	sa->local_id = ike->local_id;
	sa->remote_id = ike->remote_id;
	sa->local = ike->local;
	sa->remote = ike->remote;
	sa->local_port = ike->local_port;
	sa->remote_port = ike->remote_port;
	sa->encap = c->encap;
	sa->reqid = c->reqid;
	sa->if_id = c->if_id_in;
	sa->mark = c->mark_in;
	sa->mark_mask = c->mark_in_mask;
	sa->if_id_out = c->if_id_out;
	sa->mark_out = c->mark_out;
	sa->mark_out_mask = c->mark_out_mask;
	sa->ike_version = ike->version;
	sa->ike_algs = ike->algs;
	sa->no_copy = ike->no_copy ? ike->no_copy : c->no_copy;
	sa->mode = c->mode;
	sa->algs = c->algs;
	sa->local_ts = c->local_ts;
	sa->remote_ts = c->remote_ts;
	sa->installed_at = hist_in(h, install_time(l, c));
}

/*
 * The key exchange of a child: charon tells the group, and nothing both if there was none
 * and if the child came with its IKE_SA, by the key exchange of that (RFC 7296, 1.2). All
 * others have been made by themselves: those of IKEv1, successors, and what has an older
 * sibling. The one that came with the IKE_SA is rekeyed as the SA was that it had before.
 */
#define NO_GROUP "/MODP_NONE"
#define ALGS_MAX 256

static void complete_algs(const struct row *before, const struct ike_sa *ike,
			  const struct ike_child *c, uint32_t oldest, struct hist_sa *sa, char *buf)
{
	const char *was = before ? before->sa.algs : NULL;
	size_t len = c->algs ? strlen(c->algs) : 0;

	if (!c->no_group || !len || len + sizeof(NO_GROUP) > ALGS_MAX)
		return;
	if (ike->version == 1 || c->uniqueid != oldest ||
	    (before && before->sa.spi == c->spi_in && before->sa.rekeyed_from)) {
		snprintf(buf, ALGS_MAX, "%s" NO_GROUP, c->algs);
		sa->algs = buf;
	} else if (was && !strncmp(was, c->algs, len) && was[len] == '/' &&
		   strlen(was) < ALGS_MAX) {
		snprintf(buf, ALGS_MAX, "%s", was);
		sa->algs = buf;
	}
}

static bool same_text(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

static bool same_facts(const struct hist_sa *a, const struct hist_sa *b)
{
	return ike_addr_same(&a->local, &b->local) && ike_addr_same(&a->remote, &b->remote) &&
	       a->local_port == b->local_port && a->remote_port == b->remote_port &&
	       a->encap == b->encap && a->reqid == b->reqid && a->if_id == b->if_id &&
	       a->mark == b->mark && a->mark_mask == b->mark_mask && a->if_id_out == b->if_id_out &&
	       a->mark_out == b->mark_out && a->mark_out_mask == b->mark_out_mask &&
	       a->ike_version == b->ike_version && same_text(a->ike_algs, b->ike_algs) &&
	       same_text(a->no_copy, b->no_copy) && same_text(a->local_id, b->local_id) &&
	       same_text(a->mode, b->mode) && same_text(a->algs, b->algs) &&
	       same_text(a->local_ts, b->local_ts) && same_text(a->remote_ts, b->remote_ts);
}

/* Addresses move (MOBIKE), selectors are narrowed, a successor is known by its SPI only. */
static void refresh(struct history *h, struct row *row, struct hist_sa *sa, int64_t now)
{
	row->sa.last_alive = hist_in(h, now);
	if (same_facts(&row->sa, sa))
		return;
	sa->id = row->sa.id;
	sa->rekeyed_from = row->sa.rekeyed_from;
	sa->rekeyed_to = row->sa.rekeyed_to;
	sa->installed_at = row->sa.installed_at;
	sa->installed_wall = row->sa.installed_wall;
	sa->last_alive = row->sa.last_alive;
	sa->end = row->sa.end;
	sa->ended_at = row->sa.ended_at;
	sa->ended_wall = row->sa.ended_wall;
	if (!row_change(row, sa))
		write_row(h, row, false);
}

static void add(struct history *h, struct hist_sa *sa, int64_t now)
{
	struct row *row;
	unsigned int i;

	for (i = 0; i < HIST_LINEAGES; i++)
		if (h->lineage[i].new == sa->spi && h->lineage[i].proto == sa->proto)
			sa->rekeyed_from = h->lineage[i].old;
	sa->last_alive = hist_in(h, now);
	sa->installed_wall = hist_wall(h, sa->installed_at);
	row = row_new(h, sa);
	if (!row || row_insert(h, row)) {
		row_free(h, row);
		return;
	}
	row->seen_at = now;
	row->listed = h->syncs;
	write_row(h, row, false);
}

/*
 * An end that the daemon contradicts by going on with the SA was a wrong guess,
 * or an attempt that failed. Not so a rekey, after which an IKEv1 daemon keeps
 * the old SA, nor what the kernel says: that the daemon lists the SA is then
 * just what is wrong.
 */
static bool can_revive(enum sa_end end)
{
	return end != END_REKEYED && end != END_KERNEL_LOST && end != END_EXPIRED;
}

/* A row of the same child has ended, and yet the daemon has its SPI. */
static void ended_but_listed(struct history *h, struct row *row, const struct ike_listing *l,
			     struct hist_sa *sa, int64_t now)
{
	/* The listing was begun before the end: it is just old. */
	if (row->sa.ended_at >= hist_in(h, l->started) &&
	    sa->installed_at <= row->sa.ended_at + AGE_ERROR_MS)
		return;
	/* Installed after the end: another SA with the same SPI. */
	if (sa->installed_at > row->sa.ended_at + AGE_ERROR_MS) {
		add(h, sa, now);
		return;
	}
	row->listed = h->syncs;
	if (can_revive(row->sa.end))
		row_revive(h, row);
	refresh(h, row, sa, now);
}

static bool is_of(const struct row *row, const struct ike_sa *ike, const struct ike_child *c)
{
	return !strcmp(row->sa.conn, ike->conn) && !strcmp(row->sa.child, c->name) &&
	       same_text(row->sa.remote_id, ike->remote_id);
}

static const struct row *row_before(const struct history *h, const struct row *row,
				    const struct ike_sa *ike, const struct ike_child *c)
{
	const struct kid *kid;

	if (row && is_of(row, ike, c))
		return row;
	kid = kid_find(h, ike->conn, c->name, ike->remote_id);
	return kid ? kid_newest(kid) : NULL;
}

/* @oldest: the lowest number of a child of that IKE_SA */
static void take_child(struct history *h, const struct ike_listing *l, const struct ike_sa *ike,
		       const struct ike_child *c, uint32_t oldest, int64_t now)
{
	struct row *row = row_by_spi(h, c->spi_in, c->proto);
	char algs[ALGS_MAX];
	struct hist_sa sa;

	if (!counts(c)) {
		if (row && row->sa.end == END_NONE && c->state == CHILD_REKEYED)
			row_end(h, row, END_REKEYED, hist_in(h, now));
		return;
	}
	from_listing(h, l, ike, c, &sa);
	complete_algs(row_before(h, row, ike, c), ike, c, oldest, &sa, algs);
	if (!row) {
		add(h, &sa, now);
		return;
	}
	if (!is_of(row, ike, c)) {
		/* The SPI has a new owner. */
		if (row->sa.end == END_NONE)
			row_end(h, row, END_UNSEEN, hist_in(h, now));
		add(h, &sa, now);
		return;
	}
	if (row->sa.end != END_NONE) {
		ended_but_listed(h, row, l, &sa, now);
		return;
	}
	row->listed = h->syncs;
	refresh(h, row, &sa, now);
}

/* In these moments (an update of addresses, for one) no SPI is told. */
static void mark_child(struct history *h, const struct ike_sa *ike, const char *child)
{
	struct kid *kid = kid_find(h, ike->conn, child, ike->remote_id);
	struct row *row;

	for (row = kid ? kid->alive : NULL; row; row = row->alive_next)
		row->listed = h->syncs;
}

/* Marks the row of a child in any state but DELETED, which lingers. */
static void mark_one(struct history *h, const struct ike_sa *ike, const char *name,
		     enum child_state state, uint32_t spi_in, uint8_t proto)
{
	struct row *row;

	if (state == CHILD_OTHER)
		mark_child(h, ike, name);
	if (state == CHILD_DELETED || !spi_in)
		return;
	row = row_by_spi(h, spi_in, proto);
	if (row)
		row->listed = h->syncs;
}

/* Marks the rows that a listing of any age has. */
static void mark(struct history *h, const struct ike_listing *l)
{
	const struct ike_child *c;
	const struct ike_trace *t;
	size_t i, k;

	for (i = 0; i < l->nsa; i++) {
		for (k = 0; k < l->sa[i].nchild; k++) {
			c = &l->sa[i].child[k];
			mark_one(h, &l->sa[i], c->name, c->state, c->spi_in, c->proto);
		}
	}
	for (i = 0; i < l->ntrace; i++) {
		t = &l->trace[i];
		mark_one(h, &l->sa[t->sa], t->name, (enum child_state)t->state, t->spi_in,
			 t->proto);
	}
}

/* Since when the listings have to have had it; LONG_AGO if they prove no absence. */
static int64_t proof_since(const struct ike_listing *prev, const struct ike_listing *l)
{
	if (prev)
		return prev->blocking || l->blocking || prev->updown == l->updown ? prev->started
										  : LONG_AGO;
	return l->blocking ? l->started : LONG_AGO;
}

void hist_sync(struct history *h, const struct ike_listing *prev, const struct ike_listing *l,
	       int64_t now)
{
	int64_t since = proof_since(prev, l);
	struct row *row, *next;
	struct kid *kid;
	uint32_t oldest;
	size_t i, k;

	rows_reap(h, now);
	h->syncs++;
	for (i = 0; i < l->nsa; i++) {
		oldest = UINT32_MAX;
		for (k = 0; k < l->sa[i].nchild; k++)
			if (l->sa[i].child[k].uniqueid < oldest)
				oldest = l->sa[i].child[k].uniqueid;
		for (k = 0; k < l->sa[i].nchild; k++)
			take_child(h, l, &l->sa[i], &l->sa[i].child[k], oldest, now);
	}
	mark(h, l);
	if (prev)
		mark(h, prev);
	for (kid = h->kids; since != LONG_AGO && kid; kid = kid->next) {
		for (row = kid->alive; row; row = next) {
			next = row->alive_next;
			if (row->listed != h->syncs && row->seen_at < since)
				row_end(h, row, END_UNSEEN, hist_in(h, now));
		}
	}
	if (hist_in(h, now) > h->meta.last)
		h->meta.last = hist_in(h, now);
	h->meta.last_alive = hist_in(h, now);
	if (now - h->heartbeat_at >= HEARTBEAT_MS) {
		h->heartbeat_at = now;
		write_meta(h);
	}
}
