// SPDX-License-Identifier: GPL-2.0-only
/*
 * What goes on without another packet: what we owe, and what the end of the IKE
 * daemon broke off.
 */
#include <string.h>
#include <sys/param.h>

#include "daemon.h"
#include "log.h"
#include "mode.h"
#include "recover_int.h"

#define RESUME_MS 60000 /* a daemon that was away for longer begins afresh */
#define LISTING_FRESH_MS 1000

struct attempt *recovery_note_cause(struct recovery *r, enum grade grade)
{
	struct attempt *a = attempt_get(r->d, r->peer, "", grade);

	if (!a)
		return NULL;
	a->cause = r->flow;
	a->first_drop = r->first_drop;
	memcpy(a->cause_child, r->child, sizeof(a->cause_child));
	return a;
}

bool recovery_may_act(const struct invspid *d, const char *conn)
{
	return !d->stopped && !settings_held(d->settings, conn) &&
	       mode_in_force(d->conf, d->settings, d->dry_run, conn, NULL) == MODE_RECOVER;
}

/* What decide() asks of a flow, asked where there may be none. */
static bool may_go_on(struct invspid *d, const struct attempt *a, int64_t now)
{
	const struct limits *lim = &d->conf->limits;

	/* Giving up ends after an hour here, too: attempt_begin() then counts anew. */
	if (d->stopped || now - a->gave_up_at < lim->give_up_ms ||
	    settings_held(d->settings, a->conn) || !conns_name(ike_conns(d->ike), a->conn) ||
	    recovery_peer_busy(d, a->peer, "", a->grade))
		return false;
	if (!a->took_down &&
	    mode_in_force(d->conf, d->settings, d->dry_run, a->conn, NULL) != MODE_RECOVER)
		return false;
	if (!is_uncertain(a->grade))
		return d->in_flight < d->slots;
	return d->uncertain_in_flight < MIN(lim->uncertain_in_flight, d->slots) &&
	       plan_uncertain(d, now, false);
}

static int64_t due_at(const struct invspid *d, const struct attempt *a)
{
	if (!is_uncertain(a->grade))
		return a->next_try;
	return MAX(a->next_try,
		   attempt_uncertain_at(d, a->peer) + d->conf->limits.uncertain_peer_ms);
}

struct down {
	const struct ike_listing *l, *before;
	bool found, proven; /* one listing may lack it by chance */
};

static void find_down(void *arg, const struct hist_sa *sa)
{
	struct down *down = arg;

	if (listing_child(down->l, sa->conn, sa->child))
		return;
	down->found = true;
	down->proven |= !listing_was_child(down->before, sa->conn, sa->child);
}

bool recovery_exchanging(const struct ike_listing *l, const char *conn)
{
	const struct ike_sa *sa;

	for (sa = l->sa; sa < ike_sa_end(l); sa++)
		if (!strcmp(sa->conn, conn) &&
		    (sa->task_child || (sa->state == IKE_CONNECTING && sa->initiator)))
			return true;
	return false;
}

/* Is there still something to do, and may it be done? If not yet, @next is lowered. */
static bool still_owed(struct invspid *d, struct attempt *a, int64_t now, int64_t *next)
{
	struct down down = { .l = d->listing[LISTING_LAST], .before = listing_gap(d) };

	if (!down.before || now - down.l->ended > LISTING_FRESH_MS) {
		d->want_listing = true;
		*next = MIN(*next, LOOK_AGAIN_MS);
		return false;
	}
	if (recovery_exchanging(down.l, a->conn)) {
		*next = MIN(*next, LOOK_BUDGET_MS);
		return false;
	}
	hist_should_be_up(d->hist, a->conn, NULL, find_down, &down);
	a->owed = down.found;
	a->took_down &= a->owed;
	if (down.found && !down.proven) {
		d->want_listing = true;
		*next = MIN(*next, LOOK_AGAIN_MS);
	}
	return down.proven;
}

/**
 * recover_owed() - bring up what we began to bring up or took down, and is not up yet
 * @next: lowered to when it is to be tried again
 *
 * Our own attempt may be what has stopped the packets.
 */
void recover_owed(struct invspid *d, int64_t now, int64_t *next)
{
	const struct ike_sa *sa;
	struct recovery *r;
	struct attempt *a;
	int64_t due;

	for (a = d->attempts; a; a = a->next) {
		if (!a->owed || !d->ike || ike_state(d->ike) != DAEMON_READY ||
		    !may_go_on(d, a, now))
			continue;
		due = due_at(d, a);
		if (due > now) {
			*next = MIN(*next, due - now);
			continue;
		}
		if (!still_owed(d, a, now, next))
			continue;
		sa = recovery_may_restart(d, a, now);
		r = recovery_new(d, &a->cause, a->peer, a->cause_child, a->first_drop, a->grade,
				 sa ? ACTION_RESTART : ACTION_INITIATE);
		if (!r)
			return;
		if (is_uncertain(r->grade))
			plan_uncertain(d, now, true);
		r->has_ike = listing_conn(d->listing[LISTING_LAST], a->conn);
		r->ike_id = sa ? sa->uniqueid : 0;
		if (sa)
			recovery_interrupt(r);
		else
			recovery_initiate(r);
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
		if (!a->unlisted_since || recovery_peer_busy(d, a->peer, "", a->grade))
			continue;
		if (now - a->unlisted_since > RESUME_MS || a->gave_up_at != LONG_AGO ||
		    !recovery_may_act(d, a->conn)) {
			a->unlisted_since = 0;
			continue;
		}
		r = recovery_new(d, &a->cause, a->peer, a->cause_child, a->first_drop, a->grade,
				 a->copied ? ACTION_COPY : ACTION_INITIATE);
		if (!r)
			return;
		log_notice("%s of %s: taken up again, the IKE daemon is back",
			   action_name(r->action), r->conn);
		recovery_initiate(r);
	}
}
