// SPDX-License-Identifier: GPL-2.0-only
/*
 * G2: initiate the children that should be up.
 *
 * Both ends may run this helper, so it waits a little at random first, looks
 * again, and stands down if the peer was faster. A half-made IKE_SA that it caused
 * is ended by its id before anything else is done for that peer.
 *
 * D does the same with a copy of the connection: dynamic.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copy.h"
#include "log.h"
#include "recover_int.h"

#define CHILDREN_MAX 64
#define HALF_MADE_LOOKS 5 /* so often a listing is asked for a half-made IKE_SA ... */
#define HALF_MADE_GAP_MS 300 /* ... and so far apart */

bool recovery_add_name(struct recovery *r, const char *child)
{
	size_t i;
	void *p;

	for (i = 0; i < r->nnames; i++)
		if (!strcmp(r->names[i], child))
			return true;
	if (r->nnames >= CHILDREN_MAX)
		return false;
	p = reallocarray(r->names, r->nnames + 1, sizeof(*r->names));
	if (!p)
		return false;
	r->names = p;
	r->names[r->nnames] = strdup(child);
	if (!r->names[r->nnames])
		return false;
	r->nnames++;
	return true;
}

/* The names to find, and the listing just had. */
struct finding {
	struct recovery *r;
	const struct ike_listing *l;
};

static void add_name(void *arg, const struct hist_sa *sa)
{
	struct finding *f = arg;

	if (!listing_child(f->l, f->r->conn, sa->child))
		recovery_add_name(f->r, sa->child);
}

/* Of a peer without a history: what is configured, and was never closed. */
static void add_new_names(struct recovery *r, const struct ike_listing *l)
{
	const struct ike_conn *conn = conns_name(ike_conns(r->d->ike), r->conn);
	struct hist_sa h;
	size_t i;

	for (i = 0; conn && i < conn->nchild; i++)
		if (!listing_child(l, r->conn, conn->child[i]) &&
		    hist_child(r->d->hist, r->conn, conn->child[i], NULL, &h))
			recovery_add_name(r, conn->child[i]);
}

struct wanted {
	const char *child;
	bool found;
};

static void find_wanted(void *arg, const struct hist_sa *sa)
{
	struct wanted *w = arg;

	w->found |= !strcmp(sa->child, w->child);
}

/*
 * Should it still be up? The peer or the operator may have closed it since we began. What
 * an interruption took down was up until then.
 */
static bool is_wanted(const struct recovery *r, const char *child)
{
	const char *peer = r->copy ? copy_get(r->copy)->remote_id : NULL;
	struct wanted w = { .child = child, .found = interrupts(r->action) };
	struct hist_sa h;

	hist_should_be_up(r->d->hist, r->conn, peer, find_wanted, &w);
	return w.found ||
	       (r->grade == GRADE_NO_HISTORY && hist_child(r->d->hist, r->conn, child, peer, &h));
}

/* The child to verify is one of those to initiate. */
static void choose_child(struct recovery *r)
{
	size_t i;

	for (i = 0; i < r->nnames && strcmp(r->names[i], r->child); i++)
		;
	if (i == r->nnames && r->nnames)
		snprintf(r->child, sizeof(r->child), "%s", r->names[0]);
}

static void drop_closed(struct recovery *r)
{
	char **name = r->names + r->cur;

	while (r->cur < r->nnames && !is_wanted(r, *name)) {
		log_notice("CHILD_SA %s of %s was closed meanwhile: left alone", *name, r->conn);
		free(*name);
		r->nnames--;
		memmove(name, name + 1, (r->nnames - r->cur) * sizeof(*name));
	}
	choose_child(r);
}

static void give_up_initiation(struct recovery *r)
{
	const char *why = "it was refused";

	if (!r->nnames)
		why = "what should be up was closed meanwhile";
	else if (r->timed_out)
		why = "the peer does not answer";
	dynamic_unload(r);
	r->v.refused = true;
	recovery_finish(r, OUTCOME_FAILED, why);
}

/* An IKE_SA with the peer, however it came to be. */
static const struct ike_sa *there_now(const struct recovery *r, const struct ike_listing *l)
{
	return r->copy ? dynamic_ike_sa(r, l) : listing_conn(l, r->conn);
}

/* One that this side has begun with the peer. */
static const struct ike_sa *half_made(const struct recovery *r, const struct ike_listing *l)
{
	const struct ike_sa *sa;

	for (sa = l->sa; sa < ike_sa_end(l); sa++)
		if (sa->state == IKE_CONNECTING && sa->initiator && !strcmp(sa->conn, r->conn) &&
		    (!r->copy || ike_addr_is(&sa->remote, r->flow.family, r->flow.src.b)))
			return sa;
	return NULL;
}

static void on_initiated(void *arg, int err, const char *errmsg);
static void on_half_made_timer(uv_timer_t *timer);

/* Looks again: what the daemon's events tell of it may come a little later. */
static void on_half_made_gone(void *arg, int err, const char *errmsg)
{
	struct recovery *r = arg;

	if (recovery_answered_by_none(r, err))
		return;
	if (err)
		log_warn("cannot end the half-made IKE_SA: %s", errmsg ? errmsg : strerror(-err));
	uv_timer_start(&r->timer, on_half_made_timer, HALF_MADE_GAP_MS, 0);
}

/* It came up between our look and its end: the peer is there, only slow. */
static void initiate_again(struct recovery *r)
{
	if (r->again) {
		give_up_initiation(r);
		return;
	}
	log_notice("IKE_SA %s[%u] came up just when it was ended: once more", r->conn, r->ending);
	r->again = true;
	r->came_up = false;
	r->half_made = 0;
	r->half_made_looks = 0;
	r->cur = 0;
	recovery_initiate_next(r);
}

/*
 * Nothing was under way when we began, so a half-open one of this side is ours. It
 * is ended if it is still half-made in a second look. The daemon may be busy with it
 * just then and not list it: look again.
 */
static void on_half_made(void *arg, int err, struct ike_listing *l)
{
	struct recovery *r = arg;
	bool ended = r->half_made && r->half_made == r->ending;
	const struct ike_sa *sa;

	if (recovery_answered_by_none(r, err))
		return;
	if (!err && there_now(r, l)) {
		on_initiated(r, 0, NULL); /* it answered after all, only late */
		return;
	}
	if (r->came_up) {
		initiate_again(r);
		return;
	}
	sa = err || ended ? NULL : half_made(r, l);
	if (sa && sa->uniqueid == r->half_made) {
		log_info("ending half-made IKE_SA %s[%u]", r->conn, sa->uniqueid);
		r->ending = sa->uniqueid;
		r->polling = true;
		ike_terminate_ike(r->d->ike, sa->uniqueid, on_half_made_gone, r);
		return;
	}
	if (sa)
		r->half_made = sa->uniqueid;
	if (!ended && (sa || r->timed_out) && ++r->half_made_looks < HALF_MADE_LOOKS)
		uv_timer_start(&r->timer, on_half_made_timer, HALF_MADE_GAP_MS, 0);
	else
		give_up_initiation(r);
}

static void on_half_made_timer(uv_timer_t *timer)
{
	struct recovery *r = timer->data;

	r->polling = true;
	ike_list(r->d->ike, r->ike, false, on_half_made, r);
}

/*
 * The peer may have made the next ones meanwhile, on this IKE_SA or on its own. If it is
 * silent, nothing is added: what is down stays owed.
 */
static void on_before_next(void *arg, int err, struct ike_listing *l)
{
	struct recovery *r = arg;

	if (recovery_answered_by_none(r, err))
		return;
	if (r->timed_out && (err || recovery_exchanging(l, r->conn)))
		r->cur = r->nnames;
	for (; !err && r->cur < r->nnames; r->cur++)
		if (!listing_child(l, r->conn, r->names[r->cur]))
			break;
	recovery_initiate_next(r);
}

static void look_before_next(struct recovery *r)
{
	if (r->cur >= r->nnames) {
		recovery_initiate_next(r);
		return;
	}
	r->polling = true;
	ike_list(r->d->ike, r->ike, false, on_before_next, r);
}

static void on_initiated(void *arg, int err, const char *errmsg)
{
	struct recovery *r = arg;
	struct attempt *a;

	if (recovery_answered_by_none(r, err))
		return;
	if (err) {
		log_warn("cannot initiate %s/%s: %s", r->conn, r->names[r->cur],
			 errmsg ? errmsg : strerror(-err));
		r->timed_out = err == -ETIMEDOUT;
		/* On an IKE_SA that is there, each child is for itself. */
		if (!r->initiated && !r->has_ike) {
			on_half_made_timer(&r->timer);
			return;
		}
	} else {
		r->timed_out = false;
		r->initiated = true;
		a = attempt_get(r->d, r->peer, "", r->grade);
		if (a)
			a->brought_up = true;
	}
	r->cur++;
	look_before_next(r);
}

/* For recover_owed(): the peer is there, but makes no CHILD_SA on that IKE_SA. */
static void note_refusal(struct recovery *r)
{
	struct attempt *a = attempt_find(r->d, r->peer, "", GRADE_LOST_WITH_DAEMON);

	if (a)
		a->refused = r->has_ike && !r->initiated;
}

void recovery_initiate_next(struct recovery *r)
{
	drop_closed(r);
	if (r->cur >= r->nnames) {
		recovery_slot_free(r);
		note_refusal(r);
		dynamic_unload(r);
		if (r->initiated)
			recovery_verify(r);
		else
			give_up_initiation(r);
		return;
	}
	log_notice("%s: initiating CHILD_SA %s of %s%s%s", grade_name(r->grade), r->names[r->cur],
		   r->conn, r->copy ? " as a copy, " : "", r->copy ? r->ike : "");
	r->polling = true;
	/* A peer that was too slow the first time gets more. */
	ike_initiate(r->d->ike, r->ike, r->names[r->cur],
		     r->d->conf->initiate_timeout_ms * (1 + r->again), is_uncertain(r->grade),
		     on_initiated, r);
}

static void stand_down(struct recovery *r, const char *why)
{
	struct attempt *a = attempt_get(r->d, r->peer, "", r->grade);

	log_info("standing down on %s: %s", r->conn, why);
	if (a)
		a->next_try = now_ms() + r->d->conf->limits.stand_down_ms;
	look_soon(r->d, r->d->conf->limits.stand_down_ms);
	recovery_end(r);
}

/* From now on it is for us to get the children up, whether packets go on coming or not. */
static void owe(struct recovery *r)
{
	struct attempt *a;

	if (r->action != ACTION_INITIATE || r->grade == GRADE_NO_HISTORY)
		return;
	a = recovery_note_cause(r, r->grade);
	if (a)
		a->owed = true;
}

static void on_loaded(void *arg, int err, const char *errmsg)
{
	struct recovery *r = arg;

	if (recovery_answered_by_none(r, err))
		return;
	if (!err) {
		recovery_initiate_next(r);
		return;
	}
	/* It may be loaded all the same, only the answer was late. */
	dynamic_unload(r);
	r->v.refused = true;
	recovery_finish(r, OUTCOME_FAILED, errmsg ? errmsg : strerror(-err));
}

/* Children to initiate. Return: NULL, or why not. */
static const char *find_names(struct recovery *r, const struct ike_listing *l)
{
	struct finding f = { .r = r, .l = l };

	hist_should_be_up(r->d->hist, r->conn, NULL, add_name, &f);
	if (r->grade == GRADE_NO_HISTORY)
		add_new_names(r, l);
	return r->nnames ? NULL : "nothing that should be up is down";
}

/*
 * A listing that does not wait lacks an IKE_SA that a thread of the daemon holds, and
 * that is so just when it comes up: the daemon's event tells.
 */
void recovery_peer_came(struct invspid *d, const char *conn, const char *key)
{
	struct recovery *r;

	for (r = d->recoveries; r; r = r->next)
		if (!r->nnames && (!strcmp(r->peer, conn) || !strcmp(r->peer, key)))
			r->peer_came = true;
}

static void on_look_again(void *arg, int err, struct ike_listing *l)
{
	struct recovery *r = arg;
	const char *why = NULL;

	if (recovery_answered_by_none(r, err))
		return;
	if (err) {
		stand_down(r, "the IKE daemon does not answer");
		return;
	}
	if (r->peer_came)
		why = "the peer has come just now";
	if (!why && r->action == ACTION_COPY)
		why = dynamic_begin(r);
	if (!why && !r->has_ike && there_now(r, l))
		why = "an IKE_SA is there now";
	if (!why && half_made(r, l))
		why = "the IKE daemon is already at it";
	if (!why && !r->copy)
		why = find_names(r, l);
	if (why) {
		stand_down(r, why);
		return;
	}
	choose_child(r);
	r->v.started = now_ms();
	attempt_begin(r->d, r->peer, r->child, r->grade);
	owe(r);
	if (r->copy)
		dynamic_load(r, on_loaded);
	else
		recovery_initiate_next(r);
}

static void on_delayed(uv_timer_t *timer)
{
	struct recovery *r = timer->data;

	r->polling = true;
	/* The peer may have come by the original or by an earlier copy. */
	ike_list(r->d->ike, r->action == ACTION_COPY ? NULL : r->ike, false, on_look_again, r);
}

void recovery_initiate(struct recovery *r)
{
	uint64_t delay = (uint64_t)r->d->conf->initiate_delay_ms;

	uv_timer_start(&r->timer, on_delayed, random32() % (delay + 1), 0);
}
