// SPDX-License-Identifier: GPL-2.0-only
/*
 * The index of a listing answers as reading it from the first line to the last
 * does: random small listings, in which nearly everything occurs twice, and one
 * of 10,000 SAs, in which a question takes microseconds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <time.h>

#include "intern.h"
#include "ktap.h"
#include "listing.h"

#define SAS 6
#define KIDS 5

static const char *const conns[] = { "gw", "gw2", "", "g" };
static const char *const ids[] = { "b.example", "c.example", "", "b" };
static const char *const kids[] = { "net", "net2", "n", "et" };

static unsigned int rnd(unsigned int n)
{
	static uint32_t s = 4711;

	s = s * 1664525u + 1013904223u;
	return (s >> 8) % n;
}

static void addr(struct ike_addr *a, unsigned int nr)
{
	memset(a, 0, sizeof(*a));
	a->family = nr & 1 ? AF_INET6 : AF_INET;
	memcpy(a->addr, &nr, sizeof(nr));
}

static char *text(const char *s)
{
	return (char *)(uintptr_t)s;
}

static void fill(struct ike_sa *sa, struct ike_child *child)
{
	unsigned int k;

	memset(sa, 0, sizeof(*sa));
	sa->conn = text(conns[rnd(4)]);
	sa->remote_id = text(ids[rnd(4)]);
	sa->uniqueid = rnd(4);
	sa->state = (enum ike_state)rnd(IKE_DELETING + 1);
	addr(&sa->remote, rnd(4));
	sa->remote_port = (uint16_t)rnd(2);
	sa->child = child;
	sa->nchild = rnd(KIDS + 1);
	for (k = 0; k < sa->nchild; k++) {
		memset(&child[k], 0, sizeof(child[k]));
		child[k].name = text(kids[rnd(4)]);
		child[k].uniqueid = rnd(5);
		child[k].state = (enum child_state)rnd(CHILD_DELETED + 1);
		child[k].spi_in = rnd(6);
		child[k].proto = rnd(2) ? 50 : 51;
	}
}

static const struct ike_child *slow_spi(const struct ike_listing *l, uint32_t spi, uint8_t proto)
{
	size_t i, k;

	for (i = 0; i < l->nsa; i++)
		for (k = 0; k < l->sa[i].nchild; k++)
			if (l->sa[i].child[k].spi_in == spi && l->sa[i].child[k].proto == proto &&
			    child_counts(&l->sa[i].child[k]))
				return &l->sa[i].child[k];
	return NULL;
}

/* Of several with the same unique id any will do. */
static int64_t slow_child(const struct ike_listing *l, const char *conn, const char *child)
{
	int64_t best = -1;
	size_t i, k;

	for (i = 0; i < l->nsa; i++)
		for (k = 0; k < l->sa[i].nchild; k++)
			if (!strcmp(l->sa[i].conn, conn) &&
			    !strcmp(l->sa[i].child[k].name, child) &&
			    child_counts(&l->sa[i].child[k]) && l->sa[i].child[k].uniqueid > best)
				best = l->sa[i].child[k].uniqueid;
	return best;
}

static int64_t slow_conn(const struct ike_listing *l, const char *conn)
{
	int64_t best = -1;
	size_t i;

	for (i = 0; i < l->nsa; i++)
		if (!strcmp(l->sa[i].conn, conn) && sa_counts(&l->sa[i]) &&
		    l->sa[i].uniqueid > best)
			best = l->sa[i].uniqueid;
	return best;
}

static int64_t slow_peer(const struct ike_listing *l, const char *conn, const char *id)
{
	int64_t best = -1;
	size_t i;

	for (i = 0; i < l->nsa; i++)
		if (!strcmp(l->sa[i].conn, conn) && !strcmp(l->sa[i].remote_id, id) &&
		    sa_counts(&l->sa[i]) && l->sa[i].uniqueid > best)
			best = l->sa[i].uniqueid;
	return best;
}

static const struct ike_sa *slow_source(const struct ike_listing *l, const struct invspi_flow *f)
{
	size_t i;

	for (i = 0; i < l->nsa; i++)
		if (sa_counts(&l->sa[i]) && ike_addr_is(&l->sa[i].remote, f->family, f->src.b) &&
		    (f->encap_type != XFRM_INVSPI_ENCAP_ESPINUDP ||
		     l->sa[i].remote_port == f->sport))
			return &l->sa[i];
	return NULL;
}

static unsigned int slow_sources(const struct ike_listing *l, const struct invspi_flow *f)
{
	unsigned int n = 0;
	size_t i;

	for (i = 0; l && i < l->nsa; i++)
		n += sa_counts(&l->sa[i]) && ike_addr_is(&l->sa[i].remote, f->family, f->src.b) &&
		     (f->encap_type != XFRM_INVSPI_ENCAP_ESPINUDP ||
		      l->sa[i].remote_port == f->sport);
	return n;
}

static bool slow_id(const struct ike_listing *l, uint32_t id)
{
	size_t i;

	for (i = 0; l && i < l->nsa && l->sa[i].uniqueid != id; i++)
		;
	return l && i < l->nsa;
}

static unsigned int differs(const struct ike_listing *l)
{
	const struct ike_sa *sa;
	const struct ike_child *c;
	struct invspi_flow f;
	struct ike_addr a;
	unsigned int i, k, bad = 0;

	for (i = 0; i < 12; i++) {
		sa = NULL;
		c = listing_spi(l, i / 2, i & 1 ? 50 : 51, &sa);
		bad += c != slow_spi(l, i / 2, i & 1 ? 50 : 51);
		bad += c && (!sa || c < sa->child || c >= sa->child + sa->nchild);
	}
	for (i = 0; i < 4; i++) {
		sa = listing_id(l, i);
		bad += slow_id(l, i) != !!sa || (sa && sa->uniqueid != i);
		sa = listing_conn(l, conns[i]);
		bad += (sa ? (int64_t)sa->uniqueid : -1) != slow_conn(l, conns[i]);
		for (k = 0; k < 4; k++) {
			c = listing_child(l, conns[i], kids[k]);
			bad += (c ? (int64_t)c->uniqueid : -1) != slow_child(l, conns[i], kids[k]);
			sa = listing_peer(l, conns[i], ids[k]);
			bad += (sa ? (int64_t)sa->uniqueid : -1) != slow_peer(l, conns[i], ids[k]);
		}
	}
	for (i = 0; i < 16; i++) {
		memset(&f, 0, sizeof(f));
		addr(&a, i / 4);
		f.family = a.family;
		memcpy(f.src.b, a.addr, sizeof(f.src.b));
		f.sport = i & 1;
		f.encap_type = i & 2 ? XFRM_INVSPI_ENCAP_ESPINUDP : XFRM_INVSPI_ENCAP_NONE;
		bad += listing_source(l, &f) != slow_source(l, &f);
		for (sa = NULL, k = 0; (sa = listing_source_next(l, &f, sa));)
			k++;
		bad += k != slow_sources(l, &f);
	}
	return bad;
}

/* Of an older listing, aged or not: the same answers as when it was new. */
static unsigned int was_differs(const struct ike_listing *l, const struct ike_listing *old)
{
	const struct ike_child *c;
	const struct ike_sa *sa;
	struct ike_trace was;
	unsigned int i, k, bad = 0;

	for (i = 0; i < 12; i++) {
		c = listing_spi(l, i / 2, i & 1 ? 50 : 51, &sa);
		if (listing_was_spi(old, i / 2, i & 1 ? 50 : 51, &was) != !!c)
			bad++;
		else if (c)
			bad += was.uniqueid != c->uniqueid || was.state != c->state ||
			       strcmp(was.name, c->name) || was.sa != sa - l->sa;
	}
	for (i = 0; i < 4; i++)
		for (k = 0; k < 4; k++)
			bad += listing_was_child(old, conns[i], kids[k]) !=
			       !!listing_child(l, conns[i], kids[k]);
	return bad;
}

static char *interned(const char *s)
{
	return intern(s, strlen(s));
}

/* A listing of its own, with the same in it: as a backend makes one; in one block or not. */
static struct ike_listing *copy(const struct ike_listing *l, bool block)
{
	struct ike_listing *new = calloc(1, sizeof(*new));
	size_t i, k;

	*new = (struct ike_listing){ .ref = 1, .nsa = l->nsa };
	new->sa = calloc(l->nsa + 1, sizeof(*new->sa));
	for (i = 0; i < l->nsa; i++) {
		new->sa[i] = l->sa[i];
		new->sa[i].conn = interned(l->sa[i].conn);
		new->sa[i].remote_id = interned(l->sa[i].remote_id);
		new->sa[i].child = calloc(l->sa[i].nchild + 1, sizeof(*new->sa[i].child));
		for (k = 0; k < l->sa[i].nchild; k++) {
			new->sa[i].child[k] = l->sa[i].child[k];
			new->sa[i].child[k].name = interned(l->sa[i].child[k].name);
			new->sa[i].child[k].algs = interned("AES_GCM_16-128");
		}
		if (block && ike_listing_take_children(new, &new->sa[i]))
			abort();
	}
	if (listing_index(new))
		abort();
	return new;
}

static unsigned int ages(const struct ike_listing *l, bool block)
{
	struct ike_listing *old = copy(l, block);
	unsigned int bad = was_differs(l, old);

	ike_listing_age(old);
	bad += old->ntrace != listing_children(l) || listing_children(old);
	bad += was_differs(l, old);
	ike_listing_age(old);
	bad += was_differs(l, old);
	ike_listing_put(old);
	return bad;
}

static void random_listings(void)
{
	struct ike_child child[SAS][KIDS];
	struct ike_sa sa[SAS];
	struct ike_listing l = { .sa = sa };
	unsigned int i, run, bad = 0, bad_old = 0;

	for (run = 0; run < 20000; run++) {
		l.nsa = rnd(SAS + 1);
		for (i = 0; i < l.nsa; i++)
			fill(&sa[i], child[i]);
		if (listing_index(&l))
			abort();
		bad += differs(&l);
		bad_old += ages(&l, false) + ages(&l, true);
		free(l.index);
		l.index = NULL;
	}
	ktap_int("20,000 random listings: answers as without an index", 0, bad);
	ktap_int("and the same when they are old", 0, bad_old);
}

static void connections(void)
{
	struct ike_addr remote[3][2];
	struct ike_conn conn[3] = { 0 };
	struct ike_conns c = { .conn = conn, .nconn = 3 };
	struct invspi_flow f = { .family = AF_INET };
	unsigned int i;

	ktap_ok(!conns_name(NULL, "a"), "no connections: no name");
	ktap_ok(!conns_source(&c, &f), "not indexed: no source");
	for (i = 0; i < 3; i++) {
		conn[i].name = text(i == 2 ? "last" : "twice");
		conn[i].remote = remote[i];
		conn[i].nremote = i == 1 ? 0 : 2;
		addr(&remote[i][0], 2 * i);
		addr(&remote[i][1], 4);
	}
	ktap_int("indexed", 0, conns_index(&c));
	ktap_ok(conns_name(&c, "twice") == &conn[0], "the first of two names");
	ktap_ok(conns_name(&c, "last") == &conn[2], "the last name");
	ktap_ok(!conns_name(&c, "las"), "no such name");
	ktap_ok(conns_source(&c, &f) == &conn[0], "address of the first");
	f.src.b[0] = 4;
	ktap_ok(conns_source(&c, &f) == &conn[0], "an address of two: the first");
	f.src.b[0] = 5;
	ktap_ok(!conns_source(&c, &f), "no such address");
	f.family = AF_INET6;
	f.src.b[0] = 4;
	ktap_ok(!conns_source(&c, &f), "same bytes, another family");
	free(c.index);
}

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static void large(void)
{
	enum { PEERS = 1000, EACH = 10 };
	struct ike_listing l = { .nsa = PEERS };
	unsigned int i, k, bad = 0;
	char name[32];
	double us;

	l.sa = calloc(PEERS, sizeof(*l.sa));
	for (i = 0; i < PEERS; i++) {
		snprintf(name, sizeof(name), "peer-%u", i);
		l.sa[i].conn = strdup(name);
		l.sa[i].remote_id = l.sa[i].conn;
		l.sa[i].state = IKE_ESTABLISHED;
		l.sa[i].nchild = EACH;
		l.sa[i].child = calloc(EACH, sizeof(*l.sa[i].child));
		addr(&l.sa[i].remote, 2 * i);
		for (k = 0; k < EACH; k++) {
			snprintf(name, sizeof(name), "net-%u", k);
			l.sa[i].child[k].name = strdup(name);
			l.sa[i].child[k].state = CHILD_INSTALLED;
			l.sa[i].child[k].spi_in = 0xc0000000u + i * EACH + k;
			l.sa[i].child[k].proto = 50;
		}
	}
	us = now_us();
	listing_index(&l);
	printf("# indexing 10,000 SAs: %.0f us\n", now_us() - us);
	us = now_us();
	for (i = 0; i < PEERS * EACH; i++)
		bad += !listing_spi(&l, 0xc0000000u + i, 50, NULL) ||
		       !listing_child(&l, l.sa[i / EACH].conn, "net-7") ||
		       !listing_conn(&l, l.sa[i / EACH].conn);
	us = (now_us() - us) / (PEERS * EACH);
	ktap_int("10,000 SAs: all found", 0, bad);
	if (!ktap_ok(us < 50, "10,000 SAs: three questions in less than 50 us"))
		printf("# actual: %.2f us\n", us);
	printf("# three questions: %.2f us\n", us);
	for (i = 0; i < PEERS; i++) {
		for (k = 0; k < EACH; k++)
			free(l.sa[i].child[k].name);
		free(l.sa[i].child);
		free(l.sa[i].conn);
	}
	free(l.sa);
	free(l.index);
}

int main(void)
{
	ktap_ok(!listing_spi(NULL, 1, 50, NULL), "no listing: no SPI");
	ktap_ok(!listing_was_spi(NULL, 1, 50, NULL) && !listing_was_child(NULL, "gw", "net"),
		"no older listing: nothing was there");
	random_listings();
	connections();
	large();
	return ktap_done();
}
