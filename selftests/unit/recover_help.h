/* SPDX-License-Identifier: GPL-2.0-only */
/* G2 against an IKE daemon that is made up here: what its tests share. */
#ifndef SELFTESTS_UNIT_RECOVER_HELP_H
#define SELFTESTS_UNIT_RECOVER_HELP_H

#include <errno.h>

#include "clock.h"
#include "copy.h"
#include "intern.h"
#include "ktap.h"
#include "mode.h"
#include "no_copies.h"
#include "recover_int.h"

#define DEADLINE_MS 10000
#define UNCERTAIN_PEER_MS 60000

/*
 * The daemon: one IKE_SA at most, with the first child once it is established, and the
 * second one when it is initiated or the peer has made it.
 */
static struct {
	unsigned int id;
	enum ike_state state;
	bool both;
} sa;

/* What it is to do. */
static struct {
	unsigned int late; /* so many initiations time out ... */
	unsigned int up_after_lists; /* ... and then the IKE_SA comes up: 0 = not by itself */
	bool up_at_end; /* it comes up just when it is ended */
	bool child_refused; /* the second child is */
	bool unanswered; /* on an IKE_SA that is up the peer answers nothing */
	bool peer_makes_second; /* or the peer makes it */
	bool closes_second; /* somebody closes it while the first one is initiated */
	unsigned int closes_at_end; /* or these when they came up just at the IKE_SA's end */
} does;

/* What happened. */
static struct {
	unsigned int initiated, ended, listed_since, interrupts, outcomes[OUTCOME_FAILED + 1];
	char names[256];
} was;

/* Children that should be up, but for those that somebody has closed: a bit for each. */
static const char *const children[] = { "net", "net2" };
#define ALL_CHILDREN 3
static unsigned int closed;

static struct invspid d;
static struct conf conf;
static struct ike_conn conn;
static char *conn_children[] = { (char[]){ "net" }, (char[]){ "net2" } };
static struct ike_conns conns = { .conn = &conn, .nconn = 1 };

struct answer {
	ike_list_cb list_cb;
	ike_done_cb done_cb;
	void *arg;
	int err;
} answers[16];
static unsigned int nanswers;

static void answer(ike_list_cb list_cb, ike_done_cb done_cb, void *arg, int err)
{
	answers[nanswers++] = (struct answer){ list_cb, done_cb, arg, err };
}

static void up(void)
{
	sa.state = IKE_ESTABLISHED;
	recover_ike_up(&d, "gw", "b.example", sa.id);
}

static char *text(const char *s)
{
	return intern(s, strlen(s));
}

static struct ike_listing *listing(void)
{
	struct ike_listing *l = calloc(1, sizeof(*l));
	struct ike_sa *s = calloc(1, sizeof(*s));
	size_t k;

	l->ref = 1;
	l->started = now_ms();
	l->ended = l->started;
	l->sa = s;
	if (sa.state == IKE_OTHER) {
		listing_index(l);
		return l;
	}
	l->nsa = 1;
	s->name = text("gw");
	s->conn = text("gw");
	s->remote_id = text("b.example");
	s->uniqueid = sa.id;
	s->state = sa.state;
	s->initiator = true;
	s->task_child = does.unanswered && was.initiated;
	s->child = calloc(ARRAY_SIZE(children), sizeof(*s->child));
	for (k = 0; sa.state == IKE_ESTABLISHED && k < ARRAY_SIZE(children); k++) {
		if (does.unanswered || closed & 1u << k || (k && (does.child_refused || !sa.both)))
			continue;
		s->child[s->nchild].name = text(children[k]);
		s->child[s->nchild].uniqueid = 10 * sa.id + (unsigned int)k;
		s->child[s->nchild].spi_in = 0xc0000000 + 10 * sa.id + (unsigned int)k;
		s->child[s->nchild].proto = 50;
		s->child[s->nchild++].state = CHILD_INSTALLED;
	}
	listing_index(l);
	return l;
}

void ike_list(struct ike *ike, const char *of, bool blocking, ike_list_cb cb, void *arg)
{
	(void)ike;
	(void)of;
	(void)blocking;
	answer(cb, NULL, arg, 0);
}

void ike_initiate(struct ike *ike, const char *of, const char *child, int64_t timeout_ms,
		  bool sparing, ike_done_cb cb, void *arg)
{
	bool late = was.initiated < does.late;

	(void)ike;
	(void)of;
	(void)timeout_ms;
	(void)sparing;
	was.initiated++;
	was.listed_since = 0;
	closed &= strcmp(child, children[0]) ? ~2u : ~1u;
	if (does.closes_second && !strcmp(child, children[0]))
		closed |= 2;
	snprintf(was.names + strlen(was.names), sizeof(was.names) - strlen(was.names), " %s",
		 child);
	sa.both = does.peer_makes_second || !strcmp(child, children[1]);
	if (sa.state == IKE_OTHER) {
		sa.id++;
		sa.state = IKE_CONNECTING;
		if (!late)
			up();
	}
	answer(NULL, cb, arg,
	       late						   ? -ETIMEDOUT
	       : does.child_refused && !strcmp(child, children[1]) ? -EIO
								   : 0);
}

void ike_terminate_ike(struct ike *ike, uint32_t ike_id, ike_done_cb cb, void *arg)
{
	(void)ike;
	was.ended++;
	if (sa.id != ike_id) {
		answer(NULL, cb, arg, -ENOENT);
		return;
	}
	if (does.up_at_end) {
		up();
		was.interrupts += recover_interrupts(&d, "gw");
		recover_ike_down(&d, "gw", "b.example");
	}
	closed |= does.closes_at_end;
	sa.state = IKE_OTHER;
	answer(NULL, cb, arg, 0);
}

void ike_rekey_child(struct ike *ike, uint32_t child_id, ike_done_cb cb, void *arg)
{
	(void)ike;
	(void)child_id;
	answer(NULL, cb, arg, -EIO);
}

enum daemon_state ike_state(const struct ike *ike)
{
	(void)ike;
	return DAEMON_READY;
}

const struct ike_conns *ike_conns(const struct ike *ike)
{
	(void)ike;
	return &conns;
}

uint64_t ike_updowns(const struct ike *ike)
{
	(void)ike;
	return 0;
}

/* ---- the rest of the helper ---- */

uint32_t random32(void)
{
	return 0;
}

const char *show_addr(int family, const uint8_t *addr)
{
	(void)family;
	(void)addr;
	return "192.0.2.2";
}

void look_soon(struct invspid *daemon, int64_t delay_ms)
{
	(void)daemon;
	(void)delay_ms;
}

bool plan_uncertain(struct invspid *daemon, int64_t now, bool take)
{
	(void)daemon;
	(void)now;
	(void)take;
	return true;
}

void lost_clear(struct invspid *daemon)
{
	(void)daemon;
}

int hist_should_be_up(struct history *h, const char *of, const char *peer,
		      void (*cb)(void *arg, const struct hist_sa *sa), void *arg)
{
	struct hist_sa row = { .conn = of };
	size_t k;
	int n = 0;

	(void)h;
	(void)peer;
	for (k = 0; k < ARRAY_SIZE(children); k++) {
		if (closed & 1u << k)
			continue;
		row.child = children[k];
		cb(arg, &row);
		n++;
	}
	return n;
}

int hist_child(struct history *h, const char *of, const char *child, const char *peer,
	       struct hist_sa *row)
{
	(void)h;
	(void)of;
	(void)child;
	(void)peer;
	(void)row;
	return -ENOENT;
}

void hist_end(struct history *h, uint32_t spi, uint8_t proto, enum sa_end end, int64_t now)
{
	(void)h;
	(void)spi;
	(void)proto;
	(void)end;
	(void)now;
}

void happen_ended(struct invspid *daemon, const struct invspi_flow *f, struct happened *h,
		  const char *text)
{
	(void)daemon;
	(void)f;
	(void)h;
	(void)text;
}

void happen_alert(struct invspid *daemon, enum happening what, const char *of, const char *format,
		  ...)
{
	(void)daemon;
	(void)what;
	(void)of;
	(void)format;
}

void hist_action(struct history *h, const struct hist_action *a)
{
	(void)h;
	was.outcomes[a->outcome]++;
}

static bool held;

bool settings_held(const struct settings *s, const char *of)
{
	(void)s;
	(void)of;
	return held;
}

static enum mode mode = MODE_RECOVER;

enum mode mode_in_force(const struct conf *c, const struct settings *s, bool dry_run,
			const char *of, const char **from)
{
	(void)c;
	(void)s;
	(void)dry_run;
	(void)of;
	(void)from;
	return mode;
}

int xfrm_sa_get(struct xfrm *x, const struct ike_addr *dst, uint32_t spi, uint8_t proto,
		uint32_t mark, struct xfrm_sa *found)
{
	(void)x;
	(void)dst;
	(void)spi;
	(void)proto;
	(void)mark;
	memset(found, 0, sizeof(*found));
	found->packets = 1;
	return 0;
}

bool twin_watch(struct recovery *r)
{
	(void)r;
	return false;
}

/* As if the child had just been terminated. */
void recovery_interrupt(struct recovery *r)
{
	closed = ALL_CHILDREN;
	recovery_add_name(r, r->child);
	recovery_initiate_next(r);
}

const struct ike_sa *recovery_may_restart(struct invspid *daemon, const struct attempt *a,
					  int64_t now)
{
	(void)daemon;
	(void)a;
	(void)now;
	return NULL;
}

/* ---- the loop ---- */

static void deliver(void)
{
	struct answer a = answers[0];
	struct ike_listing *l;

	memmove(answers, answers + 1, --nanswers * sizeof(*answers));
	if (!a.list_cb) {
		a.done_cb(a.arg, a.err, a.err ? "no" : NULL);
		return;
	}
	if (does.up_after_lists && sa.state == IKE_CONNECTING &&
	    ++was.listed_since > does.up_after_lists)
		up();
	l = listing();
	a.list_cb(a.arg, 0, l);
	ike_listing_put(l);
}

/* The loop runs until nothing is under way; what is owed is looked for as often. */
static void run(unsigned int looks)
{
	int64_t next, begun = now_ms();
	struct ike_listing *l;

	while ((d.recoveries || looks) && now_ms() - begun < DEADLINE_MS) {
		uv_run(d.loop, UV_RUN_NOWAIT);
		if (nanswers) {
			deliver();
		} else if (!d.recoveries) {
			l = listing();
			listing_add(&d, l);
			ike_listing_put(l);
			next = 1000;
			recover_owed(&d, now_ms(), &next);
			looks--;
			uv_sleep(20);
		} else {
			uv_sleep(1);
		}
	}
	ktap_ok(!d.recoveries, "it ends");
}

static void begin_with(enum grade grade, enum action action)
{
	struct tracked t = { .child = "net", .conn = "gw", .peer = "gw" };

	recover_stop_all(&d);
	while (uv_run(d.loop, UV_RUN_NOWAIT))
		;
	listing_clear(&d);
	memset(&sa, 0, sizeof(sa));
	memset(&was, 0, sizeof(was));
	memset(&does, 0, sizeof(does));
	closed = 0;
	held = false;
	mode = MODE_RECOVER;
	d.slots = 8;
	t.flow.family = AF_INET;
	t.flow.packets = 5;
	t.flow.last_age_ms = 100000;
	t.flow.spi = 0xc1;
	t.ev.ike_sa = PRESENCE_ABSENT;
	t.ev.lost_at = LONG_AGO;
	t.dec.grade = grade;
	t.dec.action = action;
	recover_start(&d, &t);
}

static void begin(enum grade grade)
{
	begin_with(grade, ACTION_INITIATE);
}

static void set_up(void)
{
	d.loop = uv_default_loop();
	d.conf = &conf;
	d.tally = tally_new();
	d.ike = (struct ike *)&d;
	conf.listing_gap_ms = 10;
	conf.initiate_timeout_ms = 100;
	conf.limits.stand_down_ms = 2000;
	conf.limits.give_up = 3;
	conf.limits.give_up_ms = 3600000;
	conf.limits.backoff_min_ms = 10;
	conf.limits.backoff_max_ms = 20;
	conf.limits.uncertain_peer_ms = UNCERTAIN_PEER_MS;
	conf.limits.uncertain_in_flight = 2;
	conn.name = text("gw");
	conn.child = conn_children;
	conn.nchild = ARRAY_SIZE(conn_children);
	conns_index(&conns);
}

#endif
