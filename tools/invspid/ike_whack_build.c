// SPDX-License-Identifier: GPL-2.0-only
/* See ike_whack_build.h. Pure but for what it asks of the kernel. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "ike_whack_build.h"
#include "intern.h"
#include "listing.h"

#define IKE_PORT 500
#define NATT_PORT 4500

static char *share(const char *s)
{
	return intern(s ? s : "", s ? strlen(s) : 0);
}

/* ---- connections ---- */

static bool same_name(const struct whack_name *a, const struct whack_name *b)
{
	return a->name == b->name && a->instance == b->instance;
}

static int add_conn(const struct whack_conn *c, struct ike_conn *to)
{
	to->name = share(c->name.name);
	to->unique = share("");
	to->child = calloc(1, sizeof(*to->child));
	if (!to->name || !to->unique || !to->child)
		return -ENOMEM;
	to->child[0] = share(c->name.name);
	if (!to->child[0])
		return -ENOMEM;
	to->nchild = 1;
	to->version = c->version;
	to->dynamic = c->dynamic;
	to->eap_or_vip = c->vip;
	to->auth_local = c->auth_local;
	to->auth_remote = c->auth_remote;
	if (c->vip)
		to->no_copy = "what EAP, XAuth or Mode Config hands out";
	if (c->remote.family) {
		to->remote = malloc(sizeof(*to->remote));
		if (!to->remote)
			return -ENOMEM;
		to->remote[0] = c->remote;
		to->nremote = 1;
	}
	if (c->local.family) {
		to->local = malloc(sizeof(*to->local));
		if (!to->local)
			return -ENOMEM;
		to->local[0] = c->local;
		to->nlocal = 1;
	}
	return 0;
}

int whack_conns(const struct whack_status *status, struct ike_conns *conns)
{
	const struct whack_conn *c;
	size_t i;
	int err = 0;

	conns->conn = calloc(status->n ? status->n : 1, sizeof(*conns->conn));
	if (!conns->conn)
		return -ENOMEM;
	for (i = 0; !err && i < status->n; i++) {
		c = &status->conn[i];
		if (!c->name.instance && !c->never)
			err = add_conn(c, &conns->conn[conns->nconn++]);
	}
	if (!err)
		err = conns_index(conns);
	if (err)
		ike_conns_clear(conns);
	return err;
}

/* ---- what is known of a CHILD_SA ---- */

static int by_serial(const void *pa, const void *pb)
{
	const struct whack_known *a = pa, *b = pb;

	return a->serial < b->serial ? -1 : a->serial > b->serial;
}

static void ask_kernel(const struct whack_source *src, const struct ike_addr *dst, uint32_t spi,
		       uint8_t proto, struct ike_kernel *kernel)
{
	struct ike_kernel now = { 0 };

	if (src->ev->kernel)
		src->ev->kernel(src->arg, dst, spi, proto, &now);
	/* What it said stays true of an SA that it has lost. */
	if (now.there)
		*kernel = now;
}

/*
 * Since when: pluto tells it of some, on the wall clock, and of others a zero. So when
 * it was first seen counts, but for those that were there before us.
 */
static int64_t begin_of(const struct whack_source *src, const struct whack_state *st)
{
	int64_t age = st->add_time ? src->wall - st->add_time * 1000 : 0;

	return age > 0 && age < src->now ? src->now - age : src->now;
}

const struct whack_known *whack_recall(const struct whack_memory *m, uint32_t serial)
{
	struct whack_known key = { .serial = serial };

	return m->n ? bsearch(&key, m->known, m->n, sizeof(key), by_serial) : NULL;
}

static int remember(const struct whack_source *src)
{
	const struct whack_states *s = src->states;
	struct whack_memory *m = src->memory;
	const struct whack_known *old;
	struct whack_known *k;
	size_t i;

	m->n = 0;
	m->known = calloc(s->n ? s->n : 1, sizeof(*m->known));
	if (!m->known)
		return -ENOMEM;
	for (i = 0; i < s->n; i++) {
		const struct whack_state *st = &s->state[i];

		if (st->kind != WHACK_CHILD)
			continue;
		old = whack_recall(src->before, st->serial);
		k = &m->known[m->n++];
		if (old)
			*k = *old;
		else
			k->since = begin_of(src, st);
		k->serial = st->serial;
		k->ike = st->ike;
		ask_kernel(src, &st->local, st->spi_in, st->proto, &k->kernel);
		ask_kernel(src, &st->remote, st->spi_out, st->proto, &k->out);
	}
	return 0;
}

/* ---- IKE_SAs ---- */

uint32_t whack_alias(uint32_t ike, const struct whack_name *name)
{
	uint32_t h = hash_bytes(ike, name->name, strlen(name->name));

	return WHACK_ALIAS | hash_mix(h ^ name->instance);
}

struct place {
	uint32_t ike;
	struct whack_name name; /* its strings are those of the states */
	const struct whack_conn *conn;
};

/**
 * struct building - a listing that is being made
 * @of: of each IKE_SA of the listing: the number and the name that it is for
 */
struct building {
	const struct whack_source *src;
	struct ike_listing *l;
	struct place *of;
};

static enum ike_state ike_state_of(enum whack_kind kind)
{
	switch (kind) {
	case WHACK_IKE:
		return IKE_ESTABLISHED;
	case WHACK_UNANSWERED:
	case WHACK_HALF_OPEN_I:
	case WHACK_HALF_OPEN_R:
		return IKE_CONNECTING;
	default:
		return IKE_OTHER;
	}
}

/* @st: the IKE_SA, NULL if it has gone and has left its children, as with IKEv1. */
static int fill_ike(struct ike_sa *sa, const struct whack_conn *conn, const struct whack_name *name,
		    const struct whack_state *st)
{
	sa->name = share(name->name);
	sa->conn = share(name->name);
	sa->algs = share("");
	sa->local_id = share(conn ? conn->local_id : "");
	sa->remote_id = share(conn ? conn->remote_id : "");
	if (!sa->name || !sa->conn || !sa->algs || !sa->local_id || !sa->remote_id)
		return -ENOMEM;
	sa->state = st ? ike_state_of(st->kind) : IKE_ESTABLISHED;
	sa->version = st ? st->version : 1;
	/* pluto does not tell who has begun one that is established. */
	sa->unanswered = st && st->kind == WHACK_UNANSWERED;
	sa->initiator = sa->unanswered || (st && st->kind == WHACK_HALF_OPEN_I);
	sa->remote_port = st ? st->port : IKE_PORT;
	sa->local_port = sa->remote_port == IKE_PORT ? IKE_PORT : NATT_PORT;
	if (conn)
		sa->local = conn->local;
	if (name->peer.family)
		sa->remote = name->peer;
	else if (conn)
		sa->remote = conn->remote;
	return 0;
}

/* The IKE_SA number @ike as the connection @name has it; it is made at need. */
static struct ike_sa *ike_for(struct building *b, uint32_t ike, const struct whack_name *name)
{
	const struct whack_state *st = whack_state_find(b->src->states, ike);
	bool own = st && same_name(&st->name, name);
	uint32_t id = own ? ike : whack_alias(ike, name);
	struct ike_sa *sa;
	struct place *of;

	/* States are sorted by their numbers, children of one connection stand close. */
	for (of = b->of + b->l->nsa; of-- > b->of;)
		if (of->ike == ike && same_name(&of->name, name))
			return &b->l->sa[of - b->of];
	sa = &b->l->sa[b->l->nsa];
	of = &b->of[b->l->nsa++];
	of->ike = ike;
	of->name = *name;
	of->conn = whack_conn_find(b->src->status, name);
	sa->uniqueid = id;
	sa->again = st && !own;
	return fill_ike(sa, of->conn, name, st) ? NULL : sa;
}

/* ---- CHILD_SAs ---- */

/*
 * Of several of a connection the newest counts: the others are usable, but were
 * replaced, by a rekey, or by an exchange that knew nothing of them.
 */
static bool is_newest(const struct whack_states *s, const struct whack_state *st)
{
	const struct whack_state *o;

	if (st->newest)
		return true;
	for (o = s->state; o < s->state + s->n; o++)
		if (o->kind == WHACK_CHILD && o != st && same_name(&o->name, &st->name) &&
		    (o->newest || o->serial > st->serial))
			return false;
	return true;
}

static int fill_child(struct building *b, struct ike_sa *sa, struct ike_child *c,
		      const struct whack_state *st)
{
	const struct whack_known *k = whack_recall(b->src->memory, st->serial);
	const struct whack_conn *conn = b->of[sa - b->l->sa].conn;

	c->name = share(st->name.name);
	c->mode = share(st->tunnel ? "TUNNEL" : "TRANSPORT");
	c->algs = share("");
	c->local_ts = share(conn ? conn->local_ts : "");
	c->remote_ts = share(conn ? conn->remote_ts : "");
	if (!c->name || !c->mode || !c->algs || !c->local_ts || !c->remote_ts)
		return -ENOMEM;
	c->uniqueid = st->serial;
	c->spare = !is_newest(b->src->states, st);
	c->state = c->spare ? CHILD_REKEYED : CHILD_INSTALLED;
	c->proto = st->proto;
	c->spi_in = st->spi_in;
	c->spi_out = st->spi_out;
	c->reqid = k->kernel.reqid;
	c->encap = k->kernel.encap;
	c->mark_in = k->kernel.mark;
	c->mark_in_mask = k->kernel.mark_mask;
	c->if_id_in = k->kernel.if_id;
	c->mark_out = k->out.mark;
	c->mark_out_mask = k->out.mark_mask;
	c->if_id_out = k->out.if_id;
	c->install_age_s = (b->src->now - k->since) / 1000;
	/* What the SA says of the ends is nearer than what the connection does. */
	sa->local = st->local;
	sa->remote = st->remote;
	if (c->encap) {
		sa->nat = true;
		sa->local_port = k->kernel.dport;
	}
	if (st->id) {
		intern_put(sa->remote_id);
		sa->remote_id = share(st->id);
	}
	return sa->remote_id ? 0 : -ENOMEM;
}

static int add_child(struct building *b, const struct whack_state *st)
{
	struct ike_sa *sa = ike_for(b, st->ike, &st->name);
	struct ike_child *p;

	p = sa ? reallocarray(sa->child, sa->nchild + 1, sizeof(*p)) : NULL;
	if (!p)
		return -ENOMEM;
	sa->child = p;
	memset(&p[sa->nchild], 0, sizeof(*p));
	return fill_child(b, sa, &p[sa->nchild++], st);
}

/* ---- what is under way ---- */

static bool is_on(const struct building *b, const struct ike_sa *sa, uint32_t ike)
{
	return ike && b->of[sa - b->l->sa].ike == ike;
}

/*
 * An exchange about a connection's CHILD_SA holds up all that are on the same IKE_SA.
 * If the connection has none, those with its peer.
 */
static void note_exchange(struct building *b, const struct whack_state *st)
{
	const struct whack_conn *conn = whack_conn_find(b->src->status, &st->name);
	struct ike_sa *sa, *end = b->l->sa + b->l->nsa;
	struct ike_addr peer = { 0 };
	uint32_t ike = st->ike;

	if (st->name.peer.family)
		peer = st->name.peer;
	else if (conn)
		peer = conn->remote;
	for (sa = b->l->sa; sa < end && !ike; sa++)
		if (sa_counts(sa) && same_name(&b->of[sa - b->l->sa].name, &st->name))
			ike = b->of[sa - b->l->sa].ike;
	for (sa = b->l->sa; sa < end; sa++) {
		if (ike ? !is_on(b, sa, ike) : !peer.family || !ike_addr_same(&sa->remote, &peer))
			continue;
		sa->task_any = true;
		sa->task_child |= st->kind == WHACK_LARVAL;
	}
}

static int build(struct building *b)
{
	const struct whack_states *s = b->src->states;
	const struct whack_state *st;
	size_t i;
	int err = 0;

	for (i = 0; !err && i < s->n; i++) {
		st = &s->state[i];
		if (st->name.opportunistic || st->kind == WHACK_LARVAL)
			continue;
		if (st->kind == WHACK_CHILD)
			err = add_child(b, st);
		else if (!ike_for(b, st->serial, &st->name))
			err = -ENOMEM;
	}
	for (i = 0; !err && i < s->n; i++)
		if (s->state[i].kind == WHACK_LARVAL || s->state[i].kind == WHACK_OTHER)
			note_exchange(b, &s->state[i]);
	return err;
}

int whack_build(const struct whack_source *src, struct ike_listing *l)
{
	size_t most = src->states->n ? src->states->n : 1;
	struct building b = { .src = src, .l = l };
	int err = remember(src);

	l->sa = calloc(most, sizeof(*l->sa));
	b.of = calloc(most, sizeof(*b.of));
	if (!err && (!l->sa || !b.of))
		err = -ENOMEM;
	if (!err)
		err = build(&b);
	if (!err)
		err = listing_index(l);
	free(b.of);
	return err;
}
