// SPDX-License-Identifier: GPL-2.0-only
/*
 * The steps of recovery.pml: each unpacks the helper, lets it run, looks whether it
 * has done what must never be, and packs it. Included by world.c.
 */
#include "no_copies.h"

/* ---- what must never be ---- */

static struct recovery *known[RECOVERIES];

static void enter(void)
{
	struct recovery *r;
	unsigned int i = 0;

	ids_given = 0;
	unpack();
	memset(known, 0, sizeof(known));
	for (r = d.recoveries; r; r = r->next)
		known[i++] = r;
}

static bool is_new(const struct recovery *r)
{
	unsigned int i;

	for (i = 0; i < RECOVERIES; i++)
		if (known[i] == r)
			return false;
	return true;
}

/* At most one for a peer, but for rekeys of different children. */
static void check_pair(const struct recovery *a, const struct recovery *b)
{
	if (a->slot && b->slot &&
	    (a->action != ACTION_REKEY || b->action != ACTION_REKEY || !strcmp(a->child, b->child)))
		wrong(BAD_TWO_AT_ONCE);
}

static void check(void)
{
	unsigned int certain = 0, uncertain = 0;
	const struct recovery *r, *s;

	for (r = d.recoveries; r; r = r->next) {
		if (r->slot && is_uncertain(r->grade))
			uncertain++;
		else if (r->slot)
			certain++;
		if (is_new(r) && now.hold)
			wrong(BAD_HELD);
		for (s = r->next; s; s = s->next)
			check_pair(r, s);
	}
	if (certain != d.in_flight || uncertain != d.uncertain_in_flight || certain > IN_FLIGHT ||
	    uncertain > 1)
		wrong(BAD_IN_FLIGHT);
}

static void leave(void)
{
	unsigned int c;

	check();
	pack();
	renumber(false);
	renumber(true);
	for (c = 0; c < CHILDREN; c++)
		renumber_spis(c);
}

/* The real ones: each call goes through here (ld --wrap). */
__typeof__(attempt_begin) __real_attempt_begin;
__typeof__(attempt_end) __real_attempt_end;
__typeof__(decide) __real_decide;

/*
 * One more than the limit: an attempt that ends quietly does not count, also where an
 * IKE_SA that came up has ended the counting.
 */
void __wrap_attempt_begin(struct invspid *h, const char *peer, const char *child, enum grade grade)
{
	const struct kid_t *kid = &now.kid[kid_of(child) - 1];

	if (is_uncertain(grade)) {
		if (now.uncertain_age != NEVER && now.uncertain_age < UNCERTAIN_PEER)
			wrong(BAD_RATE);
		now.uncertain_age = 0;
	}
	if (grade == GRADE_LOST_IN_KERNEL && kid->fails > GIVE_UP)
		wrong(BAD_TRIES);
	if (grade == GRADE_LOST_WITH_DAEMON && now.fails > GIVE_UP)
		wrong(BAD_TRIES);
	__real_attempt_begin(h, peer, child, grade);
}

void __wrap_attempt_end(struct invspid *h, const char *peer, const char *child, enum grade grade,
			enum outcome outcome)
{
	struct kid_t *kid = &now.kid[kid_of(child) - 1];

	if (outcome == OUTCOME_FAILED && grade == GRADE_LOST_IN_KERNEL) {
		kid->fails++;
		kid->fail_age = 0;
	} else if (outcome == OUTCOME_FAILED && grade == GRADE_LOST_WITH_DAEMON) {
		now.fails++;
		now.fail_age = 0;
	}
	__real_attempt_end(h, peer, child, grade, outcome);
}

/* Which rows, gates and actions of decide() were reached, over all that was explored. */
static const char *seen_rows[256];
static unsigned int seen_actions;

static void tell_rows(void)
{
	unsigned int i;

	for (i = 0; seen_rows[i]; i++)
		printf("decided: %s\n", seen_rows[i]);
	for (i = 0; i < 32; i++)
		if (seen_actions & 1u << i)
			printf("acted: %s\n", action_name((enum action)i));
}

static void note_row(const char *why)
{
	unsigned int i;

	for (i = 0; why && i < 255 && seen_rows[i] != why; i++) {
		if (seen_rows[i])
			continue;
		if (!i)
			atexit(tell_rows);
		seen_rows[i] = why;
		return;
	}
}

struct decision __wrap_decide(const struct evidence *ev, const struct decide_state *st,
			      const struct limits *lim, int64_t at)
{
	struct decision dec = __real_decide(ev, st, lim, at);

	note_row(dec.why);
	note_row(dec.blocked);
	if (!dec.blocked)
		seen_actions |= 1u << dec.action;
	return dec;
}

/* ---- what the operator has said ---- */

bool settings_held(const struct settings *s, const char *conn)
{
	(void)s;
	(void)conn;
	return now.hold;
}

enum mode mode_in_force(const struct conf *c, const struct settings *s, bool dry_run,
			const char *conn, const char **from)
{
	(void)c;
	(void)s;
	(void)dry_run;
	(void)conn;
	(void)from;
	return MODE_RECOVER;
}

int conf_own(const struct conf *c, const char *conn, enum conf_own key)
{
	(void)conn;
	switch (key) {
	case OWN_DISRUPTIVE:
		return c->disruptive;
	case OWN_INITIATE_UNKNOWN:
		return c->initiate_unknown;
	case OWN_MODE:
		return c->mode;
	default:
		return 0;
	}
}

bool dynamic_check(struct invspid *h, uint32_t spi, uint8_t proto, char *why, size_t size)
{
	(void)h;
	(void)spi;
	(void)proto;
	(void)why;
	(void)size;
	return false;
}

/* ---- what is told, and nothing follows from ---- */

void happen_alert(struct invspid *h, enum happening what, const char *conn, const char *format, ...)
{
	(void)h;
	(void)what;
	(void)conn;
	(void)format;
}

void happen_ended(struct invspid *h, const struct invspi_flow *flow, struct happened *what,
		  const char *text)
{
	(void)h;
	(void)flow;
	(void)what;
	(void)text;
}

void tally_end(struct tally *t, const char *conn, const struct tally_end *end)
{
	(void)t;
	(void)conn;
	(void)end;
}

/* There is one IKE_SA at most here. */
bool twin_watch(struct recovery *r)
{
	(void)r;
	return false;
}

void lost_clear(struct invspid *h)
{
	(void)h;
}

/* ---- the helper's steps ---- */

static bool timer_due(unsigned int i)
{
	const struct packed_recovery *p = &now.helper.recovery[i];

	return p->used && p->timer && p->due <= 0;
}

static struct recovery *nth(unsigned int i)
{
	struct recovery *r = d.recoveries;

	while (r && i--)
		r = r->next;
	return r;
}

static void timer_fire(unsigned int i)
{
	uv_timer_cb cb;
	struct recovery *r;

	enter();
	r = nth(i);
	cb = r->timer.timer_cb;
	uv_timer_stop(&r->timer);
	cb(&r->timer);
	leave();
}

static bool reply_ready(unsigned int i)
{
	const struct packed_recovery *p = &now.helper.recovery[i];

	return p->used && p->request != REQ_NONE && (p->request != REQ_INITIATE || p->until <= 0);
}

static void end_child(unsigned int id, int *err)
{
	unsigned int c;

	*err = -ENOENT;
	for (c = 0; c < CHILDREN; c++) {
		if (!now.kid[c].spi || now.kid[c].id != id)
			continue;
		/* The peer is told, if it listens; else it waits in vain, and it is gone too. */
		if (now.peer_ike && now.answers)
			now.kid[c].peer = 0;
		*err = now.peer_ike && now.answers ? 0 : -EIO;
		child_ends(c, END_DELETED_LOCAL);
		task_ends(c, -EIO);
	}
}

static void end_ike(unsigned int id, int *err)
{
	unsigned int c;

	*err = -ENOENT;
	if (now.ike == IKE_NONE || now.ike_id != id)
		return;
	*err = 0;
	for (c = 0; c < CHILDREN && now.ike == IKE_UP && now.peer_ike && now.answers; c++)
		now.kid[c].peer = 0;
	if (now.ike == IKE_UP && now.answers)
		now.peer_ike = 0;
	ike_ends(END_DELETED_LOCAL, -EIO);
}

static void reply(unsigned int i)
{
	struct ike_listing *l;
	struct recovery *r;
	struct asked *slot, q;

	enter();
	r = nth(i);
	slot = asked_by(r);
	q = *slot;
	slot->r = NULL;
	if (q.request == REQ_END_IKE)
		end_ike(q.about, &q.err);
	else if (q.request == REQ_END_CHILD)
		end_child(q.about, &q.err);
	else if (q.request == REQ_INITIATE)
		q.err = -ETIMEDOUT; /* the daemon goes on */
	if (q.request == REQ_LIST && !q.err && now.daemon == DAEMON_READY) {
		l = listing_now();
		q.list(r, 0, l);
		ike_listing_put(l);
	} else if (q.request == REQ_LIST) {
		q.list(r, q.err ? q.err : -ETIMEDOUT, NULL);
	} else {
		q.done(r, q.err, NULL);
	}
	leave();
}

/* A look begins: the first listing, and what the kernel says then. */
static void look_first(void)
{
	unsigned int c;

	now.look = 0;
	now.looking = 1;
	take_snap(&now.snap[1]);
	for (c = 0; c < CHILDREN; c++)
		now.kid[c].asked =
			now.snap[1].spi[c] && !sa_in_kernel(spi_of(c, now.snap[1].spi[c]));
}

static void track_flow(struct tracked *t, unsigned int c, unsigned int k)
{
	struct flow_t *f = flow_of(c, k);

	if (f->seen == NEVER)
		f->seen = 0;
	make_flow(&t->flow, c, k);
	t->flow.packets = 3;
	t->flow.first_age_ms = (uint64_t)f->first * TICK_MS;
	t->flow.last_age_ms = (uint64_t)f->last * TICK_MS;
	t->flow.state =
		f->first > f->last ? XFRM_INVSPI_FLOW_STATE_DESYNC : XFRM_INVSPI_FLOW_STATE_NEW;
	t->time.first_drop = AGO(f->first);
	t->time.last_drop = AGO(f->last);
	t->time.seen_at = AGO(f->seen);
	t->time.looked_at = f->looked == NEVER ? 0 : AGO(f->looked);
	t->time.rises = 3;
}

static void track_lost(struct tracked *t, unsigned int c)
{
	make_flow(&t->flow, c, now.kid[c].spi);
	t->time.first_drop = AGO(now.kid[c].left_age);
	t->time.last_drop = LONG_AGO;
	t->time.seen_at = t->time.first_drop;
	t->time.looked_at = now.kid[c].looked == NEVER ? 0 : AGO(now.kid[c].looked);
}

/* From now on it is known what comes in: what came before may have come before the flow. */
static void note_looked(const struct tracked *t)
{
	unsigned int c = t->flow.spi >> 4 & 1, k = t->flow.spi & 15;
	unsigned char *looked = t->flow.packets ? &flow_of(c, k)->looked : &now.kid[c].looked;

	if (!t->time.looked_at || *looked != NEVER)
		return;
	*looked = 0;
	if (now.kid[c].spi == k)
		now.kid[c].delivered = 0;
}

static bool is_active(const struct flow_t *f)
{
	return f->last != NEVER && f->last <= QUIET + 1;
}

/* As lost.c: what left the kernel while the daemon lists it, and has no flow. */
static bool is_lost(unsigned int c)
{
	const struct kid_t *kid = &now.kid[c];

	return now.snap[1].spi[c] && now.snap[1].spi[c] == kid->spi && kid->asked && !kid->here &&
	       kid->left == kid->spi && !is_active(flow_of(c, kid->spi));
}

static unsigned int track_all(struct tracked *t, struct tracked **due)
{
	unsigned int c, k, n = 0, i;

	memset(t, 0, (FLOWS + CHILDREN) * sizeof(*t));
	for (c = 0; c < CHILDREN; c++) {
		for (k = 1; k <= FORGED; k++)
			if (is_active(flow_of(c, k)))
				track_flow(&t[n++], c, k);
		if (is_lost(c))
			track_lost(&t[n++], c);
	}
	for (i = 0; i < n; i++) {
		t[i].kernel_asked = now.kid[t[i].flow.spi >> 4 & 1].asked ? NOW : LONG_AGO;
		t[i].relevant = true;
		t[i].active = true;
		due[i] = &t[i];
	}
	return n;
}

static void note_tasks(const struct ike_listing *l)
{
	static struct task task;

	if (!l->nsa || (!l->sa[0].task_child && l->sa[0].state != IKE_CONNECTING)) {
		now.task_age = NEVER;
		d.ntask = 0;
		return;
	}
	if (now.task_age == NEVER)
		now.task_age = 0;
	task = (struct task){ l->sa[0].uniqueid, AGO(now.task_age), NOW };
	d.task = &task;
	d.ntask = 1;
}

/* ... and ends: the second listing, and what follows from all that. */
static void look_last(void)
{
	static struct tracked t[FLOWS + CHILDREN], *due[FLOWS + CHILDREN];
	struct ike_listing *first, *last, *before;
	int64_t next = 60000;
	unsigned int n, c, i;

	enter();
	now.looking = 0;
	now.looked = 1;
	if (now.daemon == DAEMON_READY && now.snap[1].valid) {
		first = listing_of(&now.snap[1], NOW - 10);
		before = now.snap[0].valid ? listing_of(&now.snap[0], NOW - TICK_MS / 2) : NULL;
		last = listing_now();
		for (c = 0; c < CHILDREN; c++)
			if (now.ike == IKE_UP && now.kid[c].spi)
				history_add(c, now.kid[c].spi);
		note_tasks(last);
		d.listing[LISTING_PREV] = first;
		d.listing[LISTING_LAST] = last;
		d.listing[LISTING_ANCHOR_OLD] = before;
		recover_listed(&d, last);
		memset(d.strange, 0, sizeof(d.strange));
		n = track_all(t, due);
		for (i = 0; i < n; i++) {
			evidence_fill(&d, due[i]);
			note_looked(due[i]);
		}
		plan_slots(&d);
		plan(&d, due, n, NOW, &next);
		for (i = 0; i < LISTINGS; i++) {
			ike_listing_put(d.listing[i]);
			d.listing[i] = NULL;
		}
	}
	leave();
	memset(&now.snap[1], 0, sizeof(now.snap[1]));
	for (c = 0; c < CHILDREN; c++)
		now.kid[c].asked = 0;
}

#include "events.c"
