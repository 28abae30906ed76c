// SPDX-License-Identifier: GPL-2.0-only
/*
 * What interrupts: I1 terminates a child and initiates it, I2 reauthenticates the
 * IKE_SA, I3 terminates it and initiates the children that it had. decide() has
 * seen to it that nothing is lost by that but what is broken anyway.
 *
 * From the moment on that something of it is down we owe it: what could not be
 * brought up again at once is tried again (recover_owed()).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "recover_int.h"

#define TERMINATE_CHILD_MS 3000

static void owe(struct recovery *r)
{
	struct attempt *a = recovery_note_cause(r, GRADE_LOST_WITH_DAEMON);

	if (!a)
		return;
	a->owed = true;
	a->took_down = true;
}

static void on_terminated(void *arg, int err, const char *errmsg)
{
	struct recovery *r = arg;

	if (recovery_answered_by_none(r, err))
		return;
	/* One that is gone already is what we want. */
	if (err && err != -ENOENT) {
		recovery_finish(r, OUTCOME_FAILED, errmsg ? errmsg : strerror(-err));
		return;
	}
	owe(r);
	recovery_initiate_next(r);
}

static void on_reauth(void *arg, int err, const char *errmsg)
{
	struct recovery *r = arg;

	if (recovery_answered_by_none(r, err))
		return;
	if (err)
		recovery_finish(r, OUTCOME_FAILED, errmsg ? errmsg : strerror(-err));
	else
		recovery_verify(r);
}

static void add_children(struct recovery *r)
{
	const struct ike_sa *sa = listing_id(r->d->listing[LISTING_LAST], r->ike_id);
	size_t k;

	for (k = 0; sa && k < sa->nchild; k++)
		if (child_counts(&sa->child[k]))
			recovery_add_name(r, sa->child[k].name);
}

/* Is there nothing on this IKE_SA that works, or that would be sent in clear? */
static bool nothing_to_lose(struct invspid *d, const struct ike_sa *sa, int64_t since)
{
	bool allow_gap = conf_own(d->conf, sa->conn, OWN_ALLOW_GAP);
	int64_t moved, now = now_ms();
	size_t k;
	int ret;

	for (k = 0; k < sa->nchild; k++) {
		const struct ike_child *c = &sa->child[k];

		if (!child_counts(c))
			continue;
		ret = watch_since(d->watch, d->xfrm, &sa->local, c->spi_in, c->proto, c->mark_in,
				  now, &moved);
		if ((ret && ret != -ESRCH) || (!ret && moved > since) ||
		    (!allow_gap && !gap_none(c)))
			return false;
	}
	return true;
}

/**
 * recovery_may_restart() - what was terminated comes up on this IKE_SA no more
 * @a: it was refused; see recover_owed()
 *
 * Return: the IKE_SA that may be ended for that, or NULL. That it could be brought
 * back was a condition of the first interruption.
 */
const struct ike_sa *recovery_may_restart(struct invspid *d, const struct attempt *a, int64_t now)
{
	const struct ike_sa *sa = listing_conn(d->listing[LISTING_LAST], a->conn);

	if (!a->took_down || !a->refused || !sa || sa->task_child ||
	    conf_own(d->conf, a->conn, OWN_DISRUPTIVE) != DISRUPTIVE_IKE ||
	    now - attempt_disrupted_at(d, a->peer) < d->conf->limits.disruptive_ms ||
	    !nothing_to_lose(d, sa, a->first_drop))
		return NULL;
	return sa;
}

/**
 * recovery_interrupt() - carry out I1, I2 or I3
 */
void recovery_interrupt(struct recovery *r)
{
	struct attempt *a = attempt_child_memory(r->d, r->peer, r->child, true);

	r->v.started = now_ms();
	r->has_ike = r->action == ACTION_RECREATE;
	attempt_begin(r->d, r->peer, r->child, r->grade);
	if (a) {
		a->disrupted_at = r->v.started;
		a->recreated |= r->action == ACTION_RECREATE;
		a->reauthenticated |= r->action == ACTION_REAUTH;
	}
	log_warn("%s: interrupting %s/%s (%s): a rekey was refused or not answered",
		 grade_name(r->grade), r->conn, r->child, action_name(r->action));
	r->polling = true;
	if (r->action == ACTION_REAUTH) {
		ike_reauth(r->d->ike, r->ike_id, on_reauth, r);
		return;
	}
	recovery_add_name(r, r->child);
	if (r->action == ACTION_RECREATE) {
		ike_terminate_child(r->d->ike, r->old_id, TERMINATE_CHILD_MS, on_terminated, r);
		return;
	}
	add_children(r);
	ike_terminate_ike(r->d->ike, r->ike_id, on_terminated, r);
}
