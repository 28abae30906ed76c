// SPDX-License-Identifier: GPL-2.0-only
/*
 * Actions and what became of them.
 *
 * G1 rekeys one CHILD_SA by its unique id: the exchange authenticates the peer
 * and its DELETE takes the dead SPI away. The daemon's "success" only means
 * queued, so what counts is a new inbound SA that carries traffic.
 *
 * G2 initiates the children that should be up: initiate.c. One that the daemon's
 * end breaks off is taken up again when the daemon is back.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "fmt.h"
#include "log.h"
#include "mode.h"
#include "recover_int.h"

#define VERIFY_POLL_MS 100
#define VERIFY_POLL_SLOW_MS 500
#define VERIFY_FAST_MS 2000
#define RESUME_MS 60000 /* a daemon that was away for longer begins afresh */

/* ---- state for decide() ---- */

static bool is_busy(const struct invspid *d, const char *conn, const char *child, enum grade grade)
{
	const struct recovery *r;

	for (r = d->recoveries; r; r = r->next) {
		if (r->done || strcmp(r->conn, conn))
			continue;
		if (r->action == ACTION_INITIATE || grade != GRADE_LOST_IN_KERNEL ||
		    !strcmp(r->child, child))
			return true;
	}
	return false;
}

/**
 * recover_state() - what decide() must know of earlier and running actions
 */
void recover_state(struct invspid *d, const struct tracked *t, enum grade grade,
		   struct decide_state *st)
{
	const struct attempt *a = attempt_find(d, t->conn, attempt_child(t->child, grade), grade);

	memset(st, 0, sizeof(*st));
	st->next_try = a ? a->next_try : LONG_AGO;
	st->attempts = a ? a->attempts : 0;
	st->gave_up_at = a ? a->gave_up_at : LONG_AGO;
	st->peer_busy = is_busy(d, t->conn, t->child, grade);
	st->in_flight = d->in_flight;
	st->slots = d->conf->limits.in_flight;
	st->uncertain_at = LONG_AGO;
	st->disrupted_at = LONG_AGO;
	st->stopped = d->stopped;
}

/* ---- end of an action ---- */

static void on_closed(uv_handle_t *handle)
{
	struct recovery *r = handle->data;
	size_t i;

	for (i = 0; i < r->nnames; i++)
		free(r->names[i]);
	free(r->names);
	free(r);
}

void recovery_free(struct recovery *r)
{
	struct recovery **p = &r->d->recoveries;

	while (*p && *p != r)
		p = &(*p)->next;
	if (*p)
		*p = r->next;
	uv_close((uv_handle_t *)&r->timer, on_closed);
}

void recovery_finish(struct recovery *r, enum outcome outcome, const char *note)
{
	struct invspid *d = r->d;
	char addr[64];
	struct hist_action ha = {
		.conn = r->conn,
		.child = r->child,
		.spi = r->flow.spi,
		.grade = r->grade,
		.action = r->action,
		.outcome = outcome,
		.first_drop = r->first_drop,
		.verdict = r->verdict,
		.acted = r->v.started,
		.first_new = r->first_new,
		.wall = fmt_now_ms(),
	};

	if (r->done)
		return;
	r->done = true;
	d->in_flight--;
	d->count.outcomes[outcome]++;
	attempt_end(d, r->conn, r->child, r->grade, outcome);
	ha.src.family = r->flow.family;
	memcpy(ha.src.addr, r->flow.src.b, sizeof(ha.src.addr));
	hist_action(d->hist, &ha);
	snprintf(addr, sizeof(addr), "%s", show_addr(r->flow.family, r->flow.src.b));
	if (outcome == OUTCOME_HEALED)
		log_notice("healed %s/%s (peer %s, dead spi 0x%08" PRIx32 ", new spi 0x%08" PRIx32
			   "): %s; %" PRId64 " ms from the first drop, %" PRId64
			   " ms from the action",
			   r->conn, r->child, addr, r->flow.spi, r->new_spi, action_name(r->action),
			   r->first_new - r->first_drop, r->first_new - r->v.started);
	else
		log_warn("%s of %s/%s (peer %s, dead spi 0x%08" PRIx32 "): %s%s%s",
			 action_name(r->action), r->conn, r->child, addr, r->flow.spi,
			 outcome_name(outcome), note ? ": " : "", note ? note : "");
	uv_timer_stop(&r->timer);
	if (!r->polling)
		recovery_free(r);
	look_soon(d, 0);
}

/* ---- verification ---- */

bool recovery_answered_by_none(struct recovery *r, int err)
{
	r->polling = false;
	if (r->done) {
		recovery_free(r);
		return true;
	}
	return err == -ENOTCONN;
}

static void see_new_sa(struct recovery *r, struct ike_listing *l)
{
	const struct ike_child *c = listing_child(l, r->conn, r->child);
	const struct ike_sa *ike = NULL;
	struct xfrm_sa sa;

	if (!c || c->uniqueid == r->old_id || c->spi_in == r->flow.spi)
		return;
	if (!listing_spi(l, c->spi_in, c->proto, &ike))
		return;
	if (xfrm_sa_get(r->d->xfrm, &ike->local, c->spi_in, c->proto, c->mark_in, &sa))
		return;
	r->v.new_sa = true;
	r->new_spi = c->spi_in;
	if (sa.packets && !r->v.new_moved) {
		r->v.new_moved = true;
		r->first_new = now_ms();
	}
}

static void judge(struct recovery *r)
{
	struct invspi_flow flow;
	enum outcome outcome;
	int64_t now = now_ms();

	if (r->d->nl && !invspi_nl_flow_get(r->d->nl, &r->flow, &flow, NULL))
		r->v.last_drop = now - (int64_t)flow.last_age_ms;
	outcome = verify(&r->v, now);
	if (outcome == OUTCOME_PENDING)
		recovery_verify(r);
	else
		recovery_finish(r, outcome, NULL);
}

static void on_poll_list(void *arg, int err, struct ike_listing *l)
{
	struct recovery *r = arg;

	if (recovery_answered_by_none(r, err))
		return;
	if (!err)
		see_new_sa(r, l);
	judge(r);
}

static void on_poll(uv_timer_t *timer)
{
	struct recovery *r = timer->data;

	r->polling = true;
	ike_list(r->d->ike, r->conn, false, on_poll_list, r);
}

void recovery_verify(struct recovery *r)
{
	int64_t age = now_ms() - r->v.started;

	uv_timer_start(&r->timer, on_poll,
		       age < VERIFY_FAST_MS ? VERIFY_POLL_MS : VERIFY_POLL_SLOW_MS, 0);
}

/* ---- G1 ---- */

static void on_rekeyed(void *arg, int err, const char *errmsg)
{
	struct recovery *r = arg;

	if (recovery_answered_by_none(r, err))
		return;
	if (err) {
		r->v.refused = true;
		recovery_finish(r, OUTCOME_FAILED, errmsg ? errmsg : strerror(-err));
	} else {
		recovery_verify(r);
	}
}

static void rekey(struct recovery *r)
{
	r->v.started = now_ms();
	attempt_begin(r->d, r->conn, r->child, r->grade);
	log_notice("%s: rekeying CHILD_SA %s{%u} of %s: its inbound SA 0x%08" PRIx32
		   " is gone from the kernel",
		   grade_name(r->grade), r->child, r->old_id, r->conn, r->flow.spi);
	r->polling = true;
	ike_rekey_child(r->d->ike, r->old_id, on_rekeyed, r);
}

/* ---- begin and end ---- */

static struct recovery *recovery_new(struct invspid *d, const struct invspi_flow *flow,
				     const char *conn, const char *child, int64_t first_drop)
{
	struct recovery *r = calloc(1, sizeof(*r));

	if (!r) {
		log_err("out of memory: %s not recovered, trying again", conn);
		return NULL;
	}
	r->d = d;
	r->flow = *flow;
	snprintf(r->conn, sizeof(r->conn), "%s", conn);
	snprintf(r->child, sizeof(r->child), "%s", child);
	r->first_drop = first_drop;
	r->verdict = now_ms();
	r->v.started = r->verdict;
	r->v.last_drop = r->verdict - (int64_t)flow->last_age_ms;
	uv_timer_init(d->loop, &r->timer);
	r->timer.data = r;
	r->next = d->recoveries;
	d->recoveries = r;
	d->in_flight++;
	return r;
}

/**
 * recover_start() - carry out a flow's decision
 * @t: the flow, just decided; its action is REKEY or INITIATE
 */
void recover_start(struct invspid *d, const struct tracked *t)
{
	struct recovery *r = recovery_new(d, &t->flow, t->conn, t->child, t->first_drop);
	struct attempt *a;

	if (!r)
		return;
	r->grade = t->dec.grade;
	r->action = t->dec.action;
	if (r->action == ACTION_REKEY) {
		r->old_id = t->child_id;
		hist_end(d->hist, t->flow.spi, t->flow.proto, END_KERNEL_LOST, r->verdict);
		rekey(r);
		return;
	}
	a = attempt_get(d, r->conn, "", r->grade);
	if (a) {
		a->unlisted_since = r->verdict;
		a->cause = r->flow;
		a->first_drop = r->first_drop;
		memcpy(a->cause_child, r->child, sizeof(a->cause_child));
	}
	recovery_initiate(r);
}

/**
 * recover_daemon_lost() - the IKE daemon went away under what is under way
 * @in_order: it has said so before: what it did not finish is its own doing
 *
 * That is nobody's failure: the attempt does not count, and what is still
 * broken is decided anew when the daemon is back.
 */
void recover_daemon_lost(struct invspid *d, bool in_order)
{
	struct recovery *r, *next;
	struct attempt *a;

	for (r = d->recoveries; r; r = next) {
		next = r->next;
		if (r->done)
			continue;
		a = attempt_find(d, r->conn, attempt_child(r->child, r->grade), r->grade);
		if (a) {
			if (a->attempts)
				a->attempts--;
			a->next_try = LONG_AGO;
		}
		log_info("%s of %s: broken off, the IKE daemon is gone", action_name(r->action),
			 r->conn);
		r->done = true;
		d->in_flight--;
		uv_timer_stop(&r->timer);
		if (!r->polling)
			recovery_free(r);
	}
	for (a = d->attempts; in_order && a; a = a->next)
		a->unlisted_since = 0;
}

/**
 * recover_listed() - the history has taken in a listing
 *
 * From now on it knows the SPIs that the peer sends to.
 */
void recover_listed(struct invspid *d, const struct ike_listing *l)
{
	const struct ike_sa *sa;
	struct attempt *a;
	size_t i;

	for (a = d->attempts; a; a = a->next) {
		sa = a->unlisted_since ? listing_conn(l, a->conn) : NULL;
		for (i = 0; sa && i < sa->nchild; i++)
			if (sa->child[i].state == CHILD_INSTALLED)
				a->unlisted_since = 0;
	}
}

/**
 * recover_resume() - the IKE daemon is ready: take up what its end broke off
 *
 * The evidence was certain, and it cannot come again: the daemon may have got
 * as far as new SAs and died before it listed them, and what the peer sends now
 * has an SPI that nobody knows.
 */
void recover_resume(struct invspid *d)
{
	int64_t now = now_ms();
	struct recovery *r;
	struct attempt *a;

	for (a = d->attempts; a; a = a->next) {
		if (!a->unlisted_since || is_busy(d, a->conn, "", a->grade))
			continue;
		if (now - a->unlisted_since > RESUME_MS || d->stopped ||
		    a->gave_up_at != LONG_AGO || settings_held(d->settings, a->conn) ||
		    mode_in_force(d->conf, d->settings, d->dry_run, a->conn, NULL) !=
			    MODE_RECOVER) {
			a->unlisted_since = 0;
			continue;
		}
		r = recovery_new(d, &a->cause, a->conn, a->cause_child, a->first_drop);
		if (!r)
			return;
		r->grade = a->grade;
		r->action = ACTION_INITIATE;
		log_notice("%s of %s: taken up again, the IKE daemon is back",
			   action_name(r->action), r->conn);
		recovery_initiate(r);
	}
}

/**
 * recover_busy() - is an action for a connection under way
 */
bool recover_busy(const struct invspid *d, const char *conn)
{
	const struct recovery *r;

	for (r = d->recoveries; r; r = r->next)
		if (!r->done && !strcmp(r->conn, conn))
			return true;
	return false;
}

/**
 * recover_stop_all() - at the end: forget what is under way, the daemon goes on
 */
void recover_stop_all(struct invspid *d)
{
	struct recovery *r, *next;

	for (r = d->recoveries; r; r = next) {
		next = r->next;
		uv_timer_stop(&r->timer);
		if (!r->done)
			d->in_flight--;
		r->done = true;
		if (!r->polling)
			recovery_free(r);
	}
	attempts_free(d);
}
