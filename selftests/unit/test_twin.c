// SPDX-License-Identifier: GPL-2.0-only
/* Both ends have begun an IKE_SA: which one goes, and when. */
#include <errno.h>

#include "intern.h"
#include "ktap.h"
#include "recover_int.h"

/* Two IKE_SAs, as a listing has them: children as "net,net2", and what differs. */
struct side {
	uint32_t id;
	bool initiator;
	uint64_t spi;
	const char *children;
	enum ike_state state;
	bool task;
	const char *peer;
};

static char *text(const char *s)
{
	return intern(s, strlen(s));
}

static void put_children(struct ike_sa *s, const char *names)
{
	char copy[64], *name, *rest = copy;

	snprintf(copy, sizeof(copy), "%s", names);
	s->child = calloc(4, sizeof(*s->child));
	while ((name = strsep(&rest, ",")) && *name) {
		struct ike_child *c = &s->child[s->nchild];

		/* "-net": one that is being deleted */
		c->state = *name == '-' ? CHILD_DELETED : CHILD_INSTALLED;
		c->name = text(name + (*name == '-'));
		c->local_ts = text("10.1.0.0/16");
		c->remote_ts = text("10.2.0.0/16");
		c->proto = 50;
		c->uniqueid = 10 * s->uniqueid + (uint32_t)s->nchild++;
		c->spi_in = 0xc0000000 + c->uniqueid;
	}
}

static struct ike_listing *listing(const char *conn, const struct side *sides, size_t n)
{
	struct ike_listing *l = calloc(1, sizeof(*l));
	size_t i;

	l->ref = 1;
	l->nsa = n;
	l->sa = calloc(2, sizeof(*l->sa));
	for (i = 0; i < n; i++) {
		struct ike_sa *s = &l->sa[i];

		s->name = text(conn);
		s->conn = text(conn);
		s->local_id = text("a.example");
		s->remote_id = text(sides[i].peer ? sides[i].peer : "b.example");
		s->uniqueid = sides[i].id;
		s->initiator = sides[i].initiator;
		s->spi_initiator = sides[i].spi;
		s->state = sides[i].state ? sides[i].state : IKE_ESTABLISHED;
		s->task_any = sides[i].task;
		put_children(s, sides[i].children);
	}
	listing_index(l);
	return l;
}

/* ---- which one ---- */

static const struct {
	const char *what;
	struct side ours, theirs;
	enum twin want;
	uint32_t loser;
} cases[] = {
	{ "the same children: the higher SPI goes, ours",
	  { .id = 1, true, 9, "net,net2" },
	  { .id = 2, false, 8, "net2,net" },
	  TWIN_LOSER,
	  1 },
	{ "... or theirs",
	  { .id = 1, true, 8, "net,net2" },
	  { .id = 2, false, UINT64_MAX, "net,net2" },
	  TWIN_LOSER,
	  2 },
	{ "theirs has more: ours goes, whatever the SPI",
	  { .id = 1, true, 1, "net2" },
	  { .id = 2, false, 8, "net,net2" },
	  TWIN_LOSER,
	  1 },
	{ "ours has more: theirs goes",
	  { .id = 1, true, 9, "net,net2" },
	  { .id = 2, false, 8, "net" },
	  TWIN_LOSER,
	  2 },
	{ "a child that is going does not count",
	  { .id = 1, true, 1, "net,-net2" },
	  { .id = 2, false, 8, "net" },
	  TWIN_LOSER,
	  2 },
	{ "each has one that the other has not: none",
	  { .id = 1, true, 9, "net" },
	  { .id = 2, false, 8, "net2" },
	  TWIN_NONE,
	  0 },
	{ "SPIs that are not known: none",
	  { .id = 1, true, 0, "net" },
	  { .id = 2, false, 8, "net" },
	  TWIN_NONE,
	  0 },
	{ "another peer of the same connection: none",
	  { .id = 1, true, 9, "net" },
	  { .id = 2, false, 8, "net", .peer = "c.example" },
	  TWIN_NONE,
	  0 },
	{ "both are ours: none",
	  { .id = 1, true, 9, "net" },
	  { .id = 2, true, 8, "net" },
	  TWIN_NONE,
	  0 },
	{ "theirs is not up: none",
	  { .id = 1, true, 9, "net" },
	  { .id = 2, false, 8, "", .state = IKE_CONNECTING },
	  TWIN_NONE,
	  0 },
	{ "something is under way in one: not yet",
	  { .id = 1, true, 9, "net" },
	  { .id = 2, false, 8, "net", .task = true },
	  TWIN_UNSETTLED,
	  0 },
};

static void judged(void)
{
	const struct ike_sa *loser;
	uint32_t id;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct side sides[] = { cases[i].ours, cases[i].theirs };
		struct ike_listing *l = listing("gw", sides, 2);

		ktap_int(cases[i].what, cases[i].want, twin_judge(l, "gw", &loser));
		id = loser ? loser->uniqueid : 0;
		ktap_int("... which", cases[i].loser, id);
		ike_listing_put(l);
	}
}

/* ---- and when ---- */

static struct invspid d;

/* At the same time in one loop: each its own connection. */
static struct run {
	const char *conn;
	struct side sides[2];
	size_t n;
	struct recovery r;
	unsigned int looks, ended;
	bool over;
} runs[] = {
	{ .conn = "pair", { { .id = 1, true, 9, "net" }, { .id = 2, false, 8, "net" } }, 2 },
	{ .conn = "alone", { { .id = 1, true, 9, "net" } }, 1 },
	{ .conn = "held", { { .id = 1, true, 9, "net" }, { .id = 2, false, 8, "net" } }, 2 },
	{ .conn = "gone", { { .id = 1, true, 9, "net" }, { .id = 2, false, 8, "net" } }, 2 },
};

static struct run *run_of(const char *conn)
{
	size_t i;

	for (i = 0; strcmp(runs[i].conn, conn); i++)
		;
	return &runs[i];
}

void ike_list(struct ike *ike, const char *conn, bool blocking, ike_list_cb cb, void *arg)
{
	struct run *run = run_of(conn);
	struct ike_listing *l;

	(void)ike;
	(void)blocking;
	run->looks++;
	/* The peer has ended it. */
	if (!strcmp(conn, "gone") && run->looks == 2)
		run->n = 1;
	l = listing(conn, run->sides, run->n);
	cb(arg, 0, l);
	ike_listing_put(l);
}

void ike_terminate_ike(struct ike *ike, uint32_t ike_id, ike_done_cb cb, void *arg)
{
	struct recovery *r = arg;
	struct run *run = run_of(r->conn);

	(void)ike;
	run->ended = ike_id;
	run->n = 1;
	cb(arg, 0, NULL);
}

bool recovery_answered_by_none(struct recovery *r, int err)
{
	r->polling = false;
	return err == -ENOTCONN;
}

void recovery_slot_free(struct recovery *r)
{
	r->slot = false;
}

void recovery_end(struct recovery *r)
{
	run_of(r->conn)->over = true;
	uv_close((uv_handle_t *)&r->timer, NULL);
}

bool recovery_may_act(const struct invspid *daemon, const char *conn)
{
	(void)daemon;
	return strcmp(conn, "held");
}

static void in_time(void)
{
	size_t i;

	d.loop = uv_default_loop();
	for (i = 0; i < ARRAY_SIZE(runs); i++) {
		struct recovery *r = &runs[i].r;

		r->d = &d;
		snprintf(r->conn, sizeof(r->conn), "%s", runs[i].conn);
		snprintf(r->ike, sizeof(r->ike), "%s", runs[i].conn);
		uv_timer_init(d.loop, &r->timer);
		r->timer.data = r;
		ktap_ok(!twin_watch(r), "%s: nothing was initiated: not watched", r->conn);
		r->initiated = true;
		r->slot = true;
		ktap_ok(twin_watch(r) && r->over && !r->slot, "%s: watched, and not in the way",
			r->conn);
	}
	uv_run(d.loop, UV_RUN_DEFAULT);
	for (i = 0; i < ARRAY_SIZE(runs); i++)
		ktap_ok(runs[i].over, "%s: it ends", runs[i].conn);
	ktap_int("pair: the one with the higher SPI was ended", 1, run_of("pair")->ended);
	ktap_int("... at the second look", 2, run_of("pair")->looks);
	ktap_int("alone: nothing was ended", 0, run_of("alone")->ended);
	ktap_int("... after two looks", 2, run_of("alone")->looks);
	ktap_int("held: nothing was ended", 0, run_of("held")->ended);
	ktap_int("gone: the peer was faster", 0, run_of("gone")->ended);
}

int main(void)
{
	judged();
	in_time();
	return ktap_done();
}
