// SPDX-License-Identifier: GPL-2.0-only
/*
 * Indexes of listings and connections: chained hash tables of entry numbers,
 * all of one listing in one block. Nobody outside chooses what is hashed, but
 * for authenticated peers, so the hashes have no seed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "listing.h"

#define NONE UINT32_MAX

/* One table: @head has @mask + 1 chains, @next goes on with them. */
struct chains {
	uint32_t mask;
	uint32_t *head, *next;
};

struct place {
	uint32_t sa, child;
};

struct listing_index {
	struct chains spi, name; /* of children; their numbers are those of @place */
	struct chains conn, peer, source; /* of IKE_SAs */
	struct place *place; /* @counted of them */
	uint32_t counted;
};

struct conns_index {
	struct chains name; /* of connections */
	struct chains remote; /* of addresses; @place has the connection */
	struct place *place;
};

static uint32_t hash_text(uint32_t h, const char *s)
{
	return hash_bytes(h, s, strlen(s));
}

static uint32_t hash_spi(uint32_t spi, uint8_t proto)
{
	return hash_mix(spi ^ (uint32_t)proto << 24);
}

/* A child, or a peer, of a connection. */
static uint32_t hash_pair(const char *conn, const char *s)
{
	return hash_text(hash_text(0, conn), s);
}

static uint32_t hash_addr(int family, const uint8_t *addr)
{
	return hash_bytes(0, addr, family == AF_INET ? 4 : 16);
}

/* ---- chains ---- */

/* Two entries in each, on average: there are many listings of many SAs. */
static uint32_t buckets(size_t n)
{
	uint32_t b = 1;

	while (b < n / 2)
		b *= 2;
	return b;
}

static size_t chains_words(size_t n)
{
	return buckets(n) + n;
}

/* Cuts the table for @n entries off the block at @words. */
static uint32_t *chains_cut(struct chains *t, size_t n, uint32_t *words)
{
	t->mask = buckets(n) - 1;
	t->head = words;
	t->next = words + t->mask + 1;
	memset(t->head, 0xff, (t->mask + 1) * sizeof(*t->head));
	return t->next + n;
}

static void chains_add(struct chains *t, uint32_t hash, uint32_t entry)
{
	uint32_t *head = &t->head[hash & t->mask];

	t->next[entry] = *head;
	*head = entry;
}

static uint32_t chains_first(const struct chains *t, uint32_t hash)
{
	return t->head[hash & t->mask];
}

/* ---- listings ---- */

bool child_counts(const struct ike_child *c)
{
	return c->state == CHILD_INSTALLED || c->state == CHILD_REKEYING;
}

bool sa_counts(const struct ike_sa *sa)
{
	return sa->state == IKE_ESTABLISHED || sa->state == IKE_REKEYING ||
	       sa->state == IKE_PASSIVE;
}

static void index_sa(struct listing_index *x, const struct ike_sa *sa, uint32_t nr, uint32_t *at)
{
	uint32_t k = (uint32_t)sa->nchild;

	if (sa_counts(sa)) {
		chains_add(&x->conn, hash_text(0, sa->conn), nr);
		chains_add(&x->peer, hash_pair(sa->conn, sa->remote_id), nr);
		chains_add(&x->source, hash_addr(sa->remote.family, sa->remote.addr), nr);
	}
	while (k--) {
		const struct ike_child *c = &sa->child[k];

		if (!child_counts(c))
			continue;
		x->place[*at].sa = nr;
		x->place[*at].child = k;
		chains_add(&x->spi, hash_spi(c->spi_in, c->proto), *at);
		chains_add(&x->name, hash_pair(sa->conn, c->name), *at);
		++*at;
	}
}

size_t listing_children(const struct ike_listing *l)
{
	size_t i, n = 0;

	for (i = 0; i < l->nsa; i++)
		n += l->sa[i].nchild;
	return n;
}

/* If they are in one block, it does not move any more. */
static void place_children(struct ike_listing *l)
{
	struct ike_child *c = l->child;
	size_t i;

	for (i = 0; c && i < l->nsa; c += l->sa[i++].nchild)
		l->sa[i].child = c;
}

int listing_index(struct ike_listing *l)
{
	struct listing_index *x;
	uint32_t *words, at = 0;
	size_t i, n = listing_children(l);

	place_children(l);
	x = malloc(sizeof(*x) + n * sizeof(*x->place) +
		   (2 * chains_words(n) + 3 * chains_words(l->nsa)) * sizeof(*words));
	if (!x)
		return -ENOMEM;
	x->place = (struct place *)(x + 1);
	words = (uint32_t *)(x->place + n);
	words = chains_cut(&x->spi, n, words);
	words = chains_cut(&x->name, n, words);
	words = chains_cut(&x->conn, l->nsa, words);
	words = chains_cut(&x->peer, l->nsa, words);
	chains_cut(&x->source, l->nsa, words);
	/* A chain begins with what was added last: of two owners the first listed wins. */
	for (i = l->nsa; i--;)
		index_sa(x, &l->sa[i], (uint32_t)i, &at);
	x->counted = at;
	free(l->index);
	l->index = x;
	return 0;
}

/* Entries of the index are in the order of the IKE_SAs, the last one first. */
void listing_index_flat(struct ike_listing *l)
{
	uint32_t first = (uint32_t)listing_children(l), at = 0;
	struct listing_index *x = l->index;
	size_t i;

	for (i = l->nsa; x && i--;) {
		first -= (uint32_t)l->sa[i].nchild;
		for (; at < x->counted && x->place[at].sa == i; at++)
			x->place[at].child += first;
	}
}

/**
 * listing_id() - the IKE_SA with a unique id
 * @l: or NULL
 */
const struct ike_sa *listing_id(const struct ike_listing *l, uint32_t id)
{
	size_t i;

	for (i = 0; l && i < l->nsa; i++)
		if (l->sa[i].uniqueid == id)
			return &l->sa[i];
	return NULL;
}

/**
 * listing_spi() - who has this inbound SPI
 * @sa: set to its IKE_SA if not NULL
 *
 * Only INSTALLED and REKEYING children count: DELETED ones linger for seconds
 * (strongSwan keeps them for late packets), some for ever.
 */
const struct ike_child *listing_spi(const struct ike_listing *l, uint32_t spi, uint8_t proto,
				    const struct ike_sa **sa)
{
	const struct listing_index *x = l ? l->index : NULL;
	const struct ike_child *c;
	uint32_t i;

	for (i = x ? chains_first(&x->spi, hash_spi(spi, proto)) : NONE; i != NONE;
	     i = x->spi.next[i]) {
		c = &l->sa[x->place[i].sa].child[x->place[i].child];
		if (c->spi_in == spi && c->proto == proto) {
			if (sa)
				*sa = &l->sa[x->place[i].sa];
			return c;
		}
	}
	return NULL;
}

/**
 * listing_child() - the newest installed CHILD_SA of that name
 */
const struct ike_child *listing_child(const struct ike_listing *l, const char *conn,
				      const char *child)
{
	const struct listing_index *x = l ? l->index : NULL;
	const struct ike_child *c, *best = NULL;
	uint32_t i;

	for (i = x ? chains_first(&x->name, hash_pair(conn, child)) : NONE; i != NONE;
	     i = x->name.next[i]) {
		c = &l->sa[x->place[i].sa].child[x->place[i].child];
		if (!strcmp(c->name, child) && !strcmp(l->sa[x->place[i].sa].conn, conn) &&
		    (!best || c->uniqueid > best->uniqueid))
			best = c;
	}
	return best;
}

/* An entry of the index, in a listing of any age. */
static struct ike_trace trace(const struct ike_listing *l, uint32_t at)
{
	const struct place *p = &l->index->place[at];
	const struct ike_child *c;

	if (l->trace)
		return l->trace[p->child];
	c = &l->sa[p->sa].child[p->child];
	return (struct ike_trace){ .name = c->name,
				   .sa = p->sa,
				   .uniqueid = c->uniqueid,
				   .spi_in = c->spi_in,
				   .proto = c->proto,
				   .state = (uint8_t)c->state };
}

/**
 * listing_was_spi() - as listing_spi(), of a listing of any age
 * @was: set to what is left of it if not NULL
 */
bool listing_was_spi(const struct ike_listing *l, uint32_t spi, uint8_t proto,
		     struct ike_trace *was)
{
	const struct listing_index *x = l ? l->index : NULL;
	struct ike_trace t;
	uint32_t i;

	for (i = x ? chains_first(&x->spi, hash_spi(spi, proto)) : NONE; i != NONE;
	     i = x->spi.next[i]) {
		t = trace(l, i);
		if (t.spi_in != spi || t.proto != proto)
			continue;
		if (was)
			*was = t;
		return true;
	}
	return false;
}

/**
 * listing_was_child() - whether that child was installed, in a listing of any age
 */
bool listing_was_child(const struct ike_listing *l, const char *conn, const char *child)
{
	const struct listing_index *x = l ? l->index : NULL;
	struct ike_trace t;
	uint32_t i;

	for (i = x ? chains_first(&x->name, hash_pair(conn, child)) : NONE; i != NONE;
	     i = x->name.next[i]) {
		t = trace(l, i);
		if (!strcmp(t.name, child) && !strcmp(l->sa[t.sa].conn, conn))
			return true;
	}
	return false;
}

/**
 * listing_conn() - the newest authenticated IKE_SA of a connection
 */
const struct ike_sa *listing_conn(const struct ike_listing *l, const char *conn)
{
	const struct listing_index *x = l ? l->index : NULL;
	const struct ike_sa *best = NULL;
	uint32_t i;

	for (i = x ? chains_first(&x->conn, hash_text(0, conn)) : NONE; i != NONE;
	     i = x->conn.next[i])
		if (!strcmp(l->sa[i].conn, conn) && (!best || l->sa[i].uniqueid > best->uniqueid))
			best = &l->sa[i];
	return best;
}

const struct ike_sa *listing_peer(const struct ike_listing *l, const char *conn, const char *id)
{
	const struct listing_index *x = l ? l->index : NULL;
	const struct ike_sa *sa, *best = NULL;
	uint32_t i;

	for (i = x ? chains_first(&x->peer, hash_pair(conn, id)) : NONE; i != NONE;
	     i = x->peer.next[i]) {
		sa = &l->sa[i];
		if (!strcmp(sa->conn, conn) && !strcmp(sa->remote_id, id) &&
		    (!best || sa->uniqueid > best->uniqueid))
			best = sa;
	}
	return best;
}

const struct ike_sa *listing_source_next(const struct ike_listing *l, const struct invspi_flow *f,
					 const struct ike_sa *sa)
{
	const struct listing_index *x = l ? l->index : NULL;
	uint32_t i;

	if (!x)
		return NULL;
	i = sa ? x->source.next[sa - l->sa]
	       : chains_first(&x->source, hash_addr(f->family, f->src.b));
	for (; i != NONE; i = x->source.next[i]) {
		if (!ike_addr_is(&l->sa[i].remote, f->family, f->src.b))
			continue;
		if (f->encap_type == XFRM_INVSPI_ENCAP_ESPINUDP && l->sa[i].remote_port != f->sport)
			continue;
		return &l->sa[i];
	}
	return NULL;
}

/**
 * listing_source() - the authenticated IKE_SA with a flow's source
 */
const struct ike_sa *listing_source(const struct ike_listing *l, const struct invspi_flow *f)
{
	return listing_source_next(l, f, NULL);
}

/**
 * listing_conn_source() - the newest one of a connection with a flow's source
 */
const struct ike_sa *listing_conn_source(const struct ike_listing *l, const char *conn,
					 const struct invspi_flow *f)
{
	const struct ike_sa *sa = NULL, *best = NULL;

	while ((sa = listing_source_next(l, f, sa)))
		if (!strcmp(sa->conn, conn) && (!best || sa->uniqueid > best->uniqueid))
			best = sa;
	return best;
}

/* ---- connections ---- */

int conns_index(struct ike_conns *c)
{
	struct conns_index *x;
	uint32_t *words, at = 0;
	size_t i, k, n = 0;

	for (i = 0; i < c->nconn; i++)
		n += c->conn[i].nremote;
	x = malloc(sizeof(*x) + n * sizeof(*x->place) +
		   (chains_words(c->nconn) + chains_words(n)) * sizeof(*words));
	if (!x)
		return -ENOMEM;
	x->place = (struct place *)(x + 1);
	words = chains_cut(&x->name, c->nconn, (uint32_t *)(x->place + n));
	chains_cut(&x->remote, n, words);
	for (i = c->nconn; i--;) {
		chains_add(&x->name, hash_text(0, c->conn[i].name), (uint32_t)i);
		for (k = 0; k < c->conn[i].nremote; k++, at++) {
			x->place[at].sa = (uint32_t)i;
			x->place[at].child = (uint32_t)k;
			chains_add(&x->remote,
				   hash_addr(c->conn[i].remote[k].family,
					     c->conn[i].remote[k].addr),
				   at);
		}
	}
	free(c->index);
	c->index = x;
	return 0;
}

const struct ike_conn *conns_name(const struct ike_conns *c, const char *name)
{
	const struct conns_index *x = c ? c->index : NULL;
	uint32_t i;

	for (i = x ? chains_first(&x->name, hash_text(0, name)) : NONE; i != NONE;
	     i = x->name.next[i])
		if (!strcmp(c->conn[i].name, name))
			return &c->conn[i];
	return NULL;
}

/**
 * conns_source() - the first connection with a flow's source as a remote address
 */
const struct ike_conn *conns_source(const struct ike_conns *c, const struct invspi_flow *f)
{
	const struct conns_index *x = c ? c->index : NULL;
	const struct ike_conn *conn;
	uint32_t i;

	for (i = x ? chains_first(&x->remote, hash_addr(f->family, f->src.b)) : NONE; i != NONE;
	     i = x->remote.next[i]) {
		conn = &c->conn[x->place[i].sa];
		if (ike_addr_is(&conn->remote[x->place[i].child], f->family, f->src.b))
			return conn;
	}
	return NULL;
}
