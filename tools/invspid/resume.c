// SPDX-License-Identifier: GPL-2.0-only
/*
 * What goes on without another packet: what we owe, and what the end of the IKE
 * daemon broke off.
 */
#include "daemon.h"
#include "log.h"
#include "mode.h"
#include "recover_int.h"

#define RESUME_MS 60000 /* a daemon that was away for longer begins afresh */

/**
 * recover_owed() - bring up what we took down and could not bring up again
 * @next: lowered to when it is to be tried again
 */
void recover_owed(struct invspid *d, int64_t now, int64_t *next)
{
	const struct ike_sa *sa;
	struct recovery *r;
	struct attempt *a;

	for (a = d->attempts; a; a = a->next) {
		if (!a->owed || d->stopped || !d->ike || ike_state(d->ike) != DAEMON_READY ||
		    a->gave_up_at != LONG_AGO || settings_held(d->settings, a->conn) ||
		    recovery_peer_busy(d, a->peer, "", a->grade))
			continue;
		if (a->next_try > now) {
			if (a->next_try - now < *next)
				*next = a->next_try - now;
			continue;
		}
		sa = recovery_may_restart(d, a, now);
		r = recovery_new(d, &a->cause, a->peer, a->cause_child, a->first_drop, a->grade,
				 sa ? ACTION_RESTART : ACTION_INITIATE);
		if (!r)
			return;
		r->has_ike = true;
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
		if (now - a->unlisted_since > RESUME_MS || d->stopped ||
		    a->gave_up_at != LONG_AGO || settings_held(d->settings, a->conn) ||
		    mode_in_force(d->conf, d->settings, d->dry_run, a->conn, NULL) !=
			    MODE_RECOVER) {
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
