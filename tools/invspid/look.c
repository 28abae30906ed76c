// SPDX-License-Identifier: GPL-2.0-only
/*
 * One look: read the flow table, list the daemon's SAs, ask the kernel, list
 * again, decide. Level triggered: an event only makes the next look come
 * sooner, and a look that cannot yet tell asks for another one.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon.h"
#include "log.h"
#include "pool.h"

#define LOOK_MIN_GAP_MS 20 /* events of one burst share a look */
#define LOOK_MAX_GAP_MS 1000 /* a flood of events costs a fifth of a CPU, no more */
#define LOOK_SHARE 5
#define IDLE_SHARE 1000 /* idle looks take a thousandth of a CPU ... */
#define IDLE_MAX_MS 600000 /* ... but are never further apart */
#define LOOK_GROWING_MS 1000 /* while a flow of ours grows */
#define LOOK_REMOVED_MS 500 /* after an SA left the kernel, for so long: */
#define REMOVED_MS 3000
#define FLOWS_MAX 65536 /* flows_max_all's default: more can't be there */
#define MASS_LOSS_MIN 4

struct waiter {
	struct waiter *next;
	void (*done)(void *arg);
	void *arg;
};

/**
 * struct look - the look under way, and who waits for the next one
 * @running: between start and the last answer
 * @again: something happened meanwhile
 * @started: of the current or last one
 * @read: when the flow table was last read
 * @cost_us: CPU time that it took, without the listings
 * @cpu_begun: CPU time of the thread when it began
 * @gap: the next one starts not sooner than this after it
 */
struct look {
	bool running, again;
	int64_t started, read, cost_us, cpu_begun, gap;
	struct waiter *waiters; /* served by the current look */
	struct waiter *next_waiters; /* came while it ran */
};

static void look_start(struct invspid *d);

/* Not the clock: on a busy machine that would make us slow without need. */
static int64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int64_t cpu_us(void)
{
	return cpu_ns() / 1000;
}

static void on_timer(uv_timer_t *timer)
{
	look_start(timer->data);
}

void look_soon(struct invspid *d, int64_t delay_ms)
{
	int64_t at, now = now_ms();

	if (d->closing)
		return;
	if (!d->look) {
		d->look = calloc(1, sizeof(*d->look));
		if (!d->look)
			return;
		d->look->started = LONG_AGO;
	}
	if (d->look->running) {
		d->look->again |= delay_ms < LOOK_GROWING_MS;
		return;
	}
	at = now + delay_ms;
	if (at < d->look->started + d->look->gap)
		at = d->look->started + d->look->gap;
	if (uv_is_active((uv_handle_t *)&d->look_timer) &&
	    (int64_t)uv_timer_get_due_in(&d->look_timer) <= at - now)
		return;
	d->look_timer.data = d;
	uv_timer_start(&d->look_timer, on_timer, (uint64_t)(at - now), 0);
}

void look_then(struct invspid *d, void (*done)(void *arg), void *arg)
{
	struct waiter *w = calloc(1, sizeof(*w)), **list;

	look_soon(d, 0);
	if (!w || !d->look) {
		free(w);
		done(arg);
		return;
	}
	w->done = done;
	w->arg = arg;
	list = d->look->running ? &d->look->next_waiters : &d->look->waiters;
	if (d->look->running)
		d->look->again = true;
	w->next = *list;
	*list = w;
}

static void forget_in(struct waiter **w, void *arg)
{
	struct waiter *gone;

	while (*w) {
		if ((*w)->arg == arg) {
			gone = *w;
			*w = gone->next;
			free(gone);
		} else {
			w = &(*w)->next;
		}
	}
}

void look_forget(struct invspid *d, void *arg)
{
	if (!d->look)
		return;
	forget_in(&d->look->waiters, arg);
	forget_in(&d->look->next_waiters, arg);
}

void look_stop(struct invspid *d)
{
	struct waiter *w;

	if (!d->look)
		return;
	while ((w = d->look->waiters)) {
		d->look->waiters = w->next;
		free(w);
	}
	while ((w = d->look->next_waiters)) {
		d->look->next_waiters = w->next;
		free(w);
	}
	free(d->look);
	d->look = NULL;
	free(d->flow);
	d->flow = NULL;
	d->nflow = 0;
	lost_clear(d);
	free(d->task);
	d->task = NULL;
}

/* ---- listings ---- */

/*
 * More than half of the daemon's SAs are not in the kernel, and nobody saw
 * them leave: we look into the wrong namespace, or the daemon does ESP itself.
 */
static void check_mass_loss(struct invspid *d)
{
	const struct ike_listing *l = d->listing[LISTING_LAST];
	unsigned int total = 0, missing = 0;
	size_t i, k;

	for (i = 0; i < l->nsa; i++) {
		for (k = 0; k < l->sa[i].nchild; k++) {
			const struct ike_child *c = &l->sa[i].child[k];

			if (c->state != CHILD_INSTALLED)
				continue;
			total++;
			if (lost_in_mirror(d, &l->sa[i], c) &&
			    xfrm_seen_leaving(d->xfrm, &l->sa[i].local, c->spi_in, c->proto, NULL,
					      NULL))
				missing++;
		}
	}
	if (missing >= MASS_LOSS_MIN && missing * 2 > total &&
	    !xfrm_flush_seen(d->xfrm, d->started) && !xfrm_overruns(d->xfrm)) {
		if (!d->stopped) {
			log_err("ALERT: %u of the IKE daemon's %u SAs are not in the kernel and were not seen to leave: wrong network namespace, or ESP in user space? Nothing is done until they are there; `invspi doctor' and `invspi status' tell more",
				missing, total);
			happen_alert(
				d, HAPPEN_ALERT, "",
				"%u of the IKE daemon's %u SAs are not in the kernel and were not seen to leave",
				missing, total);
		}
		d->stopped = "most of the IKE daemon's SAs are missing from the kernel";
	} else if (d->stopped) {
		log_notice(
			"the IKE daemon's SAs are in the kernel again (%u of %u missing): going on",
			missing, total);
		d->stopped = NULL;
	}
}

/* ---- flows ---- */

static int by_number(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

static int key_cmp(const void *pa, const void *pb)
{
	const struct invspi_flow *a = &((const struct tracked *)pa)->flow;
	const struct invspi_flow *b = &((const struct tracked *)pb)->flow;
	int ret = by_number(a->spi, b->spi);

	if (!ret)
		ret = by_number((uint32_t)a->family, (uint32_t)b->family);
	if (!ret)
		ret = by_number(a->proto, b->proto);
	if (!ret)
		ret = by_number(a->encap_type, b->encap_type);
	if (!ret)
		ret = by_number(a->sport, b->sport);
	if (!ret)
		ret = memcmp(a->src.b, b->src.b, sizeof(a->src.b));
	return ret ? ret : memcmp(a->dst.b, b->dst.b, sizeof(a->dst.b));
}

struct reading {
	struct tracked *flow;
	size_t n, size;
	int64_t now, started;
};

static int take_flow(const struct invspi_flow *f, void *arg)
{
	struct reading *r = arg;
	struct tracked *t;

	if (r->n >= FLOWS_MAX)
		return 0;
	if (r->n == r->size) {
		size_t size = r->size ? r->size * 2 : 64;

		t = reallocarray(r->flow, size, sizeof(*t));
		if (!t)
			return -ENOMEM;
		r->flow = t;
		r->size = size;
	}
	t = &r->flow[r->n++];
	memset(t, 0, sizeof(*t));
	t->flow = *f;
	track_begin(&t->time, f, r->now);
	t->told.grade = GRADE__COUNT;
	t->kernel_asked = LONG_AGO;
	/* What came before this helper was another one's to count. */
	if (r->now - (int64_t)f->first_age_ms < r->started)
		t->counted = f->packets;
	return 0;
}

/* What is remembered of a flow goes over to its new reading. */
static void carry_over(struct invspid *d, struct tracked *t)
{
	const struct tracked *old = NULL;

	if (d->nflow)
		old = bsearch(t, d->flow, d->nflow, sizeof(*t), key_cmp);
	if (!old || old->flow.packets > t->flow.packets)
		return;
	t->told = old->told;
	t->happened = old->happened;
	t->ev = old->ev;
	t->dec = old->dec;
	memcpy(t->conn, old->conn, sizeof(t->conn));
	memcpy(t->child, old->child, sizeof(t->child));
	t->child_id = old->child_id;
	t->kernel_asked = old->kernel_asked;
	t->counted = old->counted;
	/* A flow that comes back after a silence is a new failure. */
	if (track_go_on(&t->time, &t->flow, &old->time, &old->flow, d->conf->limits.quiet_ms)) {
		t->told.grade = GRADE__COUNT;
		t->happened = 0;
	}
}

static int read_flows(struct invspid *d)
{
	struct reading r = { .now = now_ms(), .started = d->started };
	struct invspi_err err = { "" };
	size_t i;
	int ret;

	if (!d->nl)
		return -ENODEV;
	ret = invspi_nl_flow_dump(d->nl, NULL, take_flow, &r, &err);
	if (ret) {
		free(r.flow);
		if (ret != -EINTR)
			log_warn("cannot read the flow table: %s", err.text);
		return ret;
	}
	for (i = 0; i < r.n; i++)
		carry_over(d, &r.flow[i]);
	if (r.n)
		qsort(r.flow, r.n, sizeof(*r.flow), key_cmp);
	free(d->flow);
	d->flow = r.flow;
	d->nflow = r.n;
	d->look->read = r.now;
	return 0;
}

static void look_read(struct invspid *d)
{
	int64_t begun = cpu_us();

	if (read_flows(d) == -EINTR)
		d->look->again = true;
	d->look->cost_us += cpu_us() - begun;
}

/*
 * A listing of very many SAs, or by a daemon that is busy, takes seconds: a flow that
 * grows all the while must not seem to have stopped.
 */
static void look_read_again(struct invspid *d)
{
	if (now_ms() - d->look->read >= LOOK_GROWING_MS)
		look_read(d);
}

/* ---- the look itself ---- */

/*
 * Nothing is going on, and events will tell if that changes: with very many SAs
 * look more seldom.
 */
static int64_t idle(const struct look *look, int64_t next_ms)
{
	int64_t ms = (cpu_us() - look->cpu_begun) * IDLE_SHARE / 1000;

	if (ms > IDLE_MAX_MS)
		ms = IDLE_MAX_MS;
	return ms > next_ms ? ms : next_ms;
}

static void look_end(struct invspid *d, int64_t next_ms)
{
	struct look *look = d->look;
	struct waiter *w, *list = look->waiters;
	bool again = look->again;

	if (!again && next_ms >= d->conf->poll_ms)
		next_ms = idle(look, next_ms);
	/* Where there are many SAs each listing has left megabytes. */
	if (!again && (next_ms >= d->conf->poll_ms || xfrm_count(d->xfrm) >= MANY_SAS))
		memory_give_back();
	look->gap = look->cost_us * LOOK_SHARE / 1000;
	if (look->gap < LOOK_MIN_GAP_MS)
		look->gap = LOOK_MIN_GAP_MS;
	if (look->gap > LOOK_MAX_GAP_MS)
		look->gap = LOOK_MAX_GAP_MS;
	look->running = false;
	look->again = false;
	look->waiters = look->next_waiters;
	look->next_waiters = NULL;
	while ((w = list)) {
		list = w->next;
		w->done(w->arg);
		free(w);
	}
	look_soon(d, again ? LOOK_MIN_GAP_MS : next_ms);
}

static bool is_active(const struct invspid *d, const struct tracked *t, int64_t now)
{
	return now - t->time.last_drop <= d->conf->limits.quiet_ms + LOOK_GROWING_MS;
}

static void fill(struct invspid *d, struct tracked *t)
{
	int64_t begun = cpu_ns();

	t->active = true;
	if (t->relevant) {
		evidence_fill(d, t);
	} else {
		evidence_init(&t->ev, t);
		t->conn[0] = '\0';
		t->child[0] = '\0';
		t->ev.dst_local = true;
		t->ev.daemon = DAEMON_READY;
		t->ev.inbound = PRESENCE_ABSENT;
		t->ev.ike_sa = PRESENCE_ABSENT;
	}
	d->count.decided++;
	d->count.decided_ns += (uint64_t)(cpu_ns() - begun);
}

/* Are packets coming for it? Then they have a decision of their own. */
static bool has_flow(const struct invspid *d, const struct tracked *lost, int64_t now)
{
	const struct tracked *t = NULL;

	if (d->nflow)
		t = bsearch(lost, d->flow, d->nflow, sizeof(*t), key_cmp);
	return t && is_active(d, t, now);
}

/* Packets that were not known to be anybody's are counted when that is known. */
static void count_flows(struct invspid *d, int64_t now)
{
	struct tracked *t;
	size_t i;

	tally_look(d->tally);
	for (i = 0; i < d->nflow; i++) {
		t = &d->flow[i];
		if (!is_active(d, t, now))
			continue;
		tally_flow(d->tally, t->conn, t->dec.grade, t->ev.desync,
			   t->flow.packets - t->counted);
		if (t->conn[0])
			t->counted = t->flow.packets;
	}
}

static void look_decide(struct invspid *d)
{
	int64_t now = now_ms(), next = d->conf->poll_ms;
	int64_t begun = cpu_us();
	bool all = d->look->waiters;
	struct tracked **due = calloc(d->nflow + d->nlost + 1, sizeof(struct tracked *));
	size_t i, n = 0;

	memcpy(d->strange[0], d->strange[1], sizeof(d->strange[0]));
	memset(d->strange[1], 0, sizeof(d->strange[1]));
	for (i = 0; i < d->nflow; i++) {
		struct tracked *t = &d->flow[i];
		bool active = is_active(d, t, now);

		t->active = false;
		if ((!active && !all) || !due)
			continue;
		t->relevant = evidence_relevant(d, &t->flow);
		fill(d, t);
		due[n++] = t;
		if (active && t->relevant && next > LOOK_GROWING_MS)
			next = LOOK_GROWING_MS;
	}
	for (i = 0; due && i < d->nlost; i++) {
		if (has_flow(d, &d->lost[i], now))
			continue;
		fill(d, &d->lost[i]);
		due[n++] = &d->lost[i];
	}
	plan_slots(d);
	plan(d, due, n, now, &next);
	count_flows(d, now);
	if (now - d->removed_at < REMOVED_MS && next > LOOK_REMOVED_MS) {
		d->want_listing = true;
		next = LOOK_REMOVED_MS;
	}
	free(due);
	d->look->cost_us += cpu_us() - begun;
	look_end(d, next);
}

static bool anything_active(const struct invspid *d)
{
	int64_t now = now_ms();
	size_t i;

	for (i = 0; i < d->nflow; i++)
		if (is_active(d, &d->flow[i], now))
			return true;
	return d->nlost;
}

/* The newest listing is the look's last one. */
static void look_listed(struct invspid *d, struct ike_listing *l)
{
	hist_sync(d->hist, listing_gap(d), l, now_ms());
	recover_listed(d, l);
	check_mass_loss(d);
	look_decide(d);
}

static void on_second(void *arg, int err, struct ike_listing *l)
{
	struct invspid *d = arg;

	if (d->closing)
		return;
	look_read_again(d);
	if (err) {
		look_decide(d);
		return;
	}
	listing_add(d, l);
	look_listed(d, l);
}

static void on_first(void *arg, int err, struct ike_listing *l)
{
	struct invspid *d = arg;
	int64_t now;
	size_t i;

	if (d->closing)
		return;
	look_read_again(d);
	now = now_ms();
	if (err) {
		d->want_listing = true;
		look_decide(d);
		return;
	}
	listing_add(d, l);
	for (i = 0; i < d->nflow; i++)
		if (is_active(d, &d->flow[i], now) &&
		    listing_spi(l, d->flow[i].flow.spi, d->flow[i].flow.proto, NULL))
			evidence_ask_kernel(d, &d->flow[i]);
	lost_collect(d, l);
	/* Nobody asks what is absent: once is enough. */
	if (anything_active(d) || d->look->waiters)
		ike_list(d->ike, NULL, false, on_second, d);
	else
		look_listed(d, l);
}

static void look_start(struct invspid *d)
{
	struct look *look = d->look;
	enum daemon_state state = d->ike ? ike_state(d->ike) : DAEMON_ABSENT;
	int64_t now = now_ms();
	bool slow;

	if (look->running)
		return;
	slow = now - look->started >= d->conf->poll_ms;
	look->running = true;
	look->started = now;
	look->cpu_begun = cpu_us();
	d->count.looks++;
	look->cost_us = 0;
	look_read(d);
	if ((state == DAEMON_READY || state == DAEMON_SETTLING) &&
	    (d->want_listing || slow || look->waiters || anything_active(d))) {
		d->want_listing = false;
		ike_list(d->ike, NULL, false, on_first, d);
	} else {
		look_decide(d);
	}
}
