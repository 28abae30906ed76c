// SPDX-License-Identifier: GPL-2.0-only
/*
 * Actions and what became of them.
 *
 * G1 rekeys one CHILD_SA by its unique id: the exchange authenticates the peer
 * and its DELETE takes the dead SPI away. The daemon's "success" only means
 * queued, so what counts is a new inbound SA that carries traffic.
 *
 * G2 initiates the children that should be up: initiate.c. What goes on by itself
 * later: resume.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copy.h"
#include "daemon.h"
#include "fmt.h"
#include "log.h"
#include "recover_int.h"

#define VERIFY_POLL_MS 100
#define VERIFY_POLL_SLOW_MS 500
#define VERIFY_FAST_MS 2000

/* ---- state for decide() ---- */

bool recovery_peer_busy(const struct invspid *d, const char *peer, const char *child,
			enum grade grade)
{
	const struct recovery *r;

	for (r = d->recoveries; r; r = r->next) {
		if (!r->slot || strcmp(r->peer, peer))
			continue;
		if (r->action != ACTION_REKEY || grade != GRADE_LOST_IN_KERNEL ||
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
	const struct attempt *a = attempt_find(d, t->peer, attempt_child(t->child, grade), grade);

	memset(st, 0, sizeof(*st));
	st->next_try = a ? a->next_try : LONG_AGO;
	st->attempts = a ? a->attempts : 0;
	st->gave_up_at = a ? a->gave_up_at : LONG_AGO;
	st->peer_busy = recovery_peer_busy(d, t->peer, t->child, grade);
	st->in_flight = d->in_flight;
	st->slots = d->slots;
	st->uncertain_in_flight = d->uncertain_in_flight;
	st->uncertain_at = attempt_uncertain_at(d, t->peer);
	st->uncertain_spent = !plan_uncertain(d, now_ms(), false);
	st->disrupted_at = attempt_disrupted_at(d, t->peer);
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

static void recovery_free(struct recovery *r)
{
	struct recovery **p = &r->d->recoveries;

	while (*p && *p != r)
		p = &(*p)->next;
	if (*p)
		*p = r->next;
	uv_close((uv_handle_t *)&r->timer, on_closed);
}

void recovery_slot_free(struct recovery *r)
{
	if (!r->slot)
		return;
	r->slot = false;
	if (is_uncertain(r->grade))
		r->d->uncertain_in_flight--;
	else
		r->d->in_flight--;
	look_soon(r->d, 0);
}

void recovery_forget_copy(struct recovery *r)
{
	copy_free(r->copy);
	r->copy = NULL;
}

void recovery_end(struct recovery *r)
{
	r->done = true;
	recovery_slot_free(r);
	recovery_forget_copy(r);
	uv_timer_stop(&r->timer);
	if (!r->polling)
		recovery_free(r);
}

static void slot_take(struct recovery *r)
{
	r->slot = true;
	if (is_uncertain(r->grade))
		r->d->uncertain_in_flight++;
	else
		r->d->in_flight++;
}

bool recover_interrupts(const struct invspid *d, const char *conn)
{
	const struct recovery *r;
	const struct attempt *a;

	/* The daemon's word may come after we have tried to bring it up again. */
	for (a = d->attempts; a; a = a->next)
		if (a->took_down && !strcmp(a->conn, conn))
			return true;
	for (r = d->recoveries; r; r = r->next)
		if (!r->done && (interrupts(r->action) || r->ending) && !strcmp(r->conn, conn))
			return true;
	return false;
}

bool recovery_came_up(struct invspid *d, const char *conn, uint32_t ike_id)
{
	struct recovery *r;

	for (r = d->recoveries; r; r = r->next) {
		if (r->done || !r->ending || r->ending != ike_id || strcmp(r->conn, conn))
			continue;
		r->came_up = true;
		return true;
	}
	return false;
}

static void tell_outcome(const struct recovery *r, enum outcome outcome, const char *note)
{
	char addr[64], text[1024];
	struct happened h = {
		.what = HAPPEN_RECOVERED,
		.conn = r->conn,
		.child = r->child,
		.grade = r->grade,
		.action = r->action,
		.outcome = outcome,
		.why = note,
		.new_spi = r->new_spi,
		.ms = outcome == OUTCOME_HEALED ? r->first_new - r->first_drop : -1,
	};

	snprintf(addr, sizeof(addr), "%s", show_addr(r->flow.family, r->flow.src.b));
	if (outcome == OUTCOME_HEALED)
		snprintf(text, sizeof(text),
			 "healed %s/%s (peer %s, dead spi 0x%08" PRIx32 ", new spi 0x%08" PRIx32
			 "): %s; %" PRId64 " ms from the %s, %" PRId64 " ms from the action",
			 r->conn, r->child, addr, r->flow.spi, r->new_spi, action_name(r->action),
			 r->first_new - r->first_drop,
			 r->v.no_flow ? "loss, before the first drop" : "first drop",
			 r->first_new - r->v.started);
	else if (outcome == OUTCOME_QUIET && r->v.no_flow)
		snprintf(text, sizeof(text),
			 "mended %s/%s (peer %s, dead spi 0x%08" PRIx32 ", new spi 0x%08" PRIx32
			 "): %s; before the first drop, and nothing has come in yet",
			 r->conn, r->child, addr, r->flow.spi, r->new_spi, action_name(r->action));
	else
		h.what = HAPPEN_FAILED;
	if (h.what == HAPPEN_FAILED)
		snprintf(text, sizeof(text),
			 "%s of %s/%s (peer %s, dead spi 0x%08" PRIx32 "): %s%s%s",
			 action_name(r->action), r->conn, r->child, addr, r->flow.spi,
			 outcome_name(outcome), note ? ": " : "", note ? note : "");
	log_msg(h.what == HAPPEN_FAILED ? LOG_WARNING : LOG_NOTICE, "%s", text);
	happen_ended(r->d, &r->flow, &h, text);
}

void recovery_finish(struct recovery *r, enum outcome outcome, const char *note)
{
	struct invspid *d = r->d;
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
		.wall = wall_ms(),
	};
	const struct tally_end end = {
		.grade = r->grade,
		.action = r->action,
		.outcome = outcome,
		.took_ms = outcome == OUTCOME_HEALED ? r->first_new - r->first_drop : -1,
		.at = now_ms(),
		.wall = ha.wall,
	};

	if (r->done || r->over)
		return;
	d->count.outcomes[outcome]++;
	attempt_end(d, r->peer, r->child, r->grade, outcome);
	ha.src.family = r->flow.family;
	memcpy(ha.src.addr, r->flow.src.b, sizeof(ha.src.addr));
	hist_action(d->hist, &ha);
	tally_end(d->tally, r->conn, &end);
	tell_outcome(r, outcome, note);
	if (!twin_watch(r))
		recovery_end(r);
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

/* What came of a rekey is on the same IKE_SA: others may have children of that name. */
static const struct ike_child *new_child(const struct recovery *r, const struct ike_listing *l,
					 const struct ike_sa **ike)
{
	const struct ike_child *c, *best = NULL;
	size_t k;

	*ike = r->action == ACTION_REKEY ? listing_id(l, r->ike_id) : NULL;
	for (k = 0; *ike && k < (*ike)->nchild; k++) {
		c = &(*ike)->child[k];
		if (child_counts(c) && c->uniqueid > r->old_id && !strcmp(c->name, r->child))
			best = c;
	}
	if (*ike)
		return best;
	best = listing_child(l, r->conn, r->child);
	if (!best || best->uniqueid == r->old_id || !listing_spi(l, best->spi_in, best->proto, ike))
		return NULL;
	return best;
}

/* The exchange is over, and there is nothing new: charon itself does not tell. */
#define REFUSED_MS 1500
#define REFUSED_LOOKS 3

static bool see_refusal(struct recovery *r, const struct ike_listing *l)
{
	const struct ike_sa *sa = listing_id(l, r->ike_id);
	size_t k;

	if (r->action != ACTION_REKEY || r->v.new_sa || !sa || sa->task_child ||
	    now_ms() - r->v.started < REFUSED_MS)
		return false;
	for (k = 0; k < sa->nchild && sa->child[k].uniqueid != r->old_id; k++)
		;
	if (k == sa->nchild || sa->child[k].state != CHILD_INSTALLED)
		return false;
	return ++r->refusals >= REFUSED_LOOKS;
}

static void completed(struct recovery *r)
{
	struct attempt *a = attempt_child_memory(r->d, r->peer, r->child, true);

	recovery_slot_free(r);
	if (!a || r->action != ACTION_REKEY)
		return;
	a->in_step_at = now_ms();
	a->g1_since = INT64_MAX;
	a->refused = false;
}

static void see_new_sa(struct recovery *r, struct ike_listing *l)
{
	const struct ike_sa *ike;
	const struct ike_child *c = new_child(r, l, &ike);
	struct xfrm_sa sa;

	if (!c || c->spi_in == r->flow.spi ||
	    xfrm_sa_get(r->d->xfrm, &ike->local, c->spi_in, c->proto, c->mark_in, &sa))
		return;
	if (!r->v.new_sa)
		completed(r);
	r->v.new_sa = true;
	r->new_spi = c->spi_in;
	if (sa.packets && !r->v.new_moved) {
		r->v.new_moved = true;
		r->first_new = now_ms();
	}
}

static void refused(struct recovery *r)
{
	struct attempt *a = attempt_child_memory(r->d, r->peer, r->child, true);

	if (a) {
		a->refused = true;
		a->g1_since = INT64_MAX;
	}
	r->v.refused = true;
	recovery_finish(r, OUTCOME_FAILED, "the peer has refused it");
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
	if (!err && see_refusal(r, l))
		refused(r);
	else
		judge(r);
}

static void on_poll(uv_timer_t *timer)
{
	struct recovery *r = timer->data;

	r->polling = true;
	ike_list(r->d->ike, r->ike, false, on_poll_list, r);
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
	struct attempt *a = attempt_child_memory(r->d, r->peer, r->child, true);

	r->v.started = now_ms();
	attempt_begin(r->d, r->peer, r->child, r->grade);
	if (a)
		a->g1_since = r->v.started;
	log_notice("%s: rekeying CHILD_SA %s{%u} of %s: %s 0x%08" PRIx32 " is gone%s",
		   grade_name(r->grade), r->child, r->old_id, r->conn,
		   r->grade == GRADE_LOST_IN_KERNEL ? "its inbound SA" : "the peer sends to",
		   r->flow.spi, r->grade == GRADE_LOST_IN_KERNEL ? " from the kernel" : "");
	r->polling = true;
	ike_rekey_child(r->d->ike, r->old_id, on_rekeyed, r);
}

/* ---- begin and end ---- */

struct recovery *recovery_new(struct invspid *d, const struct invspi_flow *flow, const char *peer,
			      const char *child, int64_t first_drop, enum grade grade,
			      enum action action)
{
	int len = (int)strcspn(peer, PEER_SEPARATOR);
	struct recovery *r = calloc(1, sizeof(*r));

	if (!r) {
		log_err("out of memory: %.*s not recovered, trying again", len, peer);
		return NULL;
	}
	r->d = d;
	r->grade = grade;
	r->action = action;
	r->flow = *flow;
	snprintf(r->peer, sizeof(r->peer), "%s", peer);
	snprintf(r->conn, sizeof(r->conn), "%.*s", len, peer);
	memcpy(r->ike, r->conn, sizeof(r->conn));
	snprintf(r->child, sizeof(r->child), "%s", child);
	r->first_drop = first_drop;
	r->verdict = now_ms();
	r->v.started = r->verdict;
	r->v.last_drop = r->verdict - (int64_t)flow->last_age_ms;
	uv_timer_init(d->loop, &r->timer);
	r->timer.data = r;
	r->next = d->recoveries;
	d->recoveries = r;
	slot_take(r);
	return r;
}

/* What the daemon calls its IKE_SA: a copy made it, perhaps. */
static void name_ike(struct recovery *r)
{
	const struct ike_sa *sa = listing_id(r->d->listing[LISTING_LAST], r->ike_id);

	if (sa)
		snprintf(r->ike, sizeof(r->ike), "%s", sa->name);
}

/**
 * recover_start() - carry out a flow's decision
 * @t: the flow, just decided; its action is an exchange
 */
void recover_start(struct invspid *d, const struct tracked *t)
{
	int64_t first = t->time.first_drop;
	struct recovery *r;
	struct attempt *a;

	/* Drops from before the loss were of another kind. */
	if (t->ev.lost_at > first && t->ev.lost_at <= now_ms())
		first = t->ev.lost_at;
	r = recovery_new(d, &t->flow, t->peer, t->child, first, t->dec.grade, t->dec.action);
	if (!r)
		return;
	if (is_uncertain(r->grade))
		plan_uncertain(d, r->verdict, true);
	r->old_id = t->child_id;
	r->ike_id = t->ike_id;
	name_ike(r);
	r->has_ike = t->ev.ike_sa == PRESENCE_THERE;
	r->v.no_flow = !t->flow.packets;
	if (r->v.no_flow)
		r->v.last_drop = LONG_AGO;
	if (r->grade == GRADE_LOST_IN_KERNEL)
		hist_end(d->hist, t->flow.spi, t->flow.proto, END_KERNEL_LOST, r->verdict);
	if (r->action == ACTION_REKEY) {
		rekey(r);
		return;
	}
	if (interrupts(r->action)) {
		recovery_interrupt(r);
		return;
	}
	r->old_id = 0;
	/* What is uncertain waits for its turn again: for another packet, or recover_owed(). */
	a = r->has_ike || is_uncertain(r->grade) ? NULL : recovery_note_cause(r, r->grade);
	if (a) {
		a->unlisted_since = r->verdict;
		a->copied = r->action == ACTION_COPY;
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
		if (r->over) {
			recovery_end(r);
			continue;
		}
		a = attempt_find(d, r->peer, attempt_child(r->child, r->grade), r->grade);
		if (a) {
			if (a->attempts)
				a->attempts--;
			a->next_try = LONG_AGO;
		}
		log_info("%s of %s: broken off, the IKE daemon is gone", action_name(r->action),
			 r->conn);
		/* A copy is gone with the daemon, or swept when it answers again. */
		recovery_end(r);
	}
	for (a = d->attempts; in_order && a; a = a->next) {
		a->unlisted_since = 0;
		a->owed = a->took_down;
	}
}

/**
 * recover_busy() - is an action for a connection under way
 */
bool recover_busy(const struct invspid *d, const char *conn)
{
	const struct recovery *r;

	for (r = d->recoveries; r; r = r->next)
		if (!r->done && !r->over && !strcmp(r->conn, conn))
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
		recovery_end(r);
	}
	attempts_free(d);
}
