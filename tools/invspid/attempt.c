// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of what was tried: how often, when again, and when to give up. One
 * entry for each (connection, child, grade); their number is bounded by the IKE
 * daemon's configuration, since only its connections are ever acted on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "hash.h"
#include "log.h"
#include "recover_int.h"

#define SPLIT_BRAIN 3 /* IKE_SAs of ours removed ... */
#define SPLIT_BRAIN_MS 600000 /* ... in this time */

struct attempt *attempt_find(struct invspid *d, const char *peer, const char *child,
			     enum grade grade)
{
	struct attempt *a;

	for (a = d->attempts; a; a = a->next)
		if (a->grade == grade && !strcmp(a->peer, peer) && !strcmp(a->child, child))
			return a;
	return NULL;
}

struct attempt *attempt_get(struct invspid *d, const char *peer, const char *child,
			    enum grade grade)
{
	struct attempt *a = attempt_find(d, peer, child, grade);

	if (a)
		return a;
	a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	snprintf(a->peer, sizeof(a->peer), "%s", peer);
	snprintf(a->conn, sizeof(a->conn), "%.*s", (int)strcspn(peer, PEER_SEPARATOR), peer);
	snprintf(a->child, sizeof(a->child), "%s", child);
	a->grade = grade;
	a->next_try = LONG_AGO;
	a->gave_up_at = LONG_AGO;
	a->begun_at = LONG_AGO;
	a->in_step_at = LONG_AGO;
	a->disrupted_at = LONG_AGO;
	a->g1_since = INT64_MAX;
	a->next = d->attempts;
	d->attempts = a;
	return a;
}

/*
 * Not the identity itself: it may be long. Who could find two with the same hash has
 * authenticated as both.
 */
void peer_key(char key[PEER_LEN], const char *conn, const char *id)
{
	if (!id) {
		snprintf(key, PEER_LEN, "%s", conn);
		return;
	}
	snprintf(key, PEER_LEN, "%s" PEER_SEPARATOR "%016llx", conn,
		 (unsigned long long)hash64_bytes(HASH64_BEGIN, id, strlen(id)));
}

/* G1 is about one child, everything else about the whole connection. */
const char *attempt_child(const char *child, enum grade grade)
{
	return grade == GRADE_LOST_IN_KERNEL ? child : "";
}

struct attempt *attempt_child_memory(struct invspid *d, const char *peer, const char *child,
				     bool make)
{
	return make ? attempt_get(d, peer, child, GRADE_LOST_IN_KERNEL)
		    : attempt_find(d, peer, child, GRADE_LOST_IN_KERNEL);
}

int64_t attempt_uncertain_at(const struct invspid *d, const char *peer)
{
	const struct attempt *a;
	int64_t at = LONG_AGO;

	for (a = d->attempts; a; a = a->next)
		if (is_uncertain(a->grade) && a->begun_at > at && !strcmp(a->peer, peer))
			at = a->begun_at;
	return at;
}

int64_t attempt_disrupted_at(const struct invspid *d, const char *peer)
{
	const struct attempt *a;
	int64_t at = LONG_AGO;

	for (a = d->attempts; a; a = a->next)
		if (a->disrupted_at > at && !strcmp(a->peer, peer))
			at = a->disrupted_at;
	return at;
}

static void forget(struct attempt *a)
{
	a->attempts = 0;
	a->gave_up_at = LONG_AGO;
	a->next_try = LONG_AGO;
}

/**
 * recover_retry() - forget failures of a connection, or of all if @conn is NULL
 *
 * Removed IKE_SAs, too, and that uncertain evidence has led to an attempt a moment ago:
 * an operator has looked.
 *
 * Return: how many there were.
 */
unsigned int recover_retry(struct invspid *d, const char *conn)
{
	struct attempt *a;
	unsigned int n = 0;

	for (a = d->attempts; a; a = a->next) {
		if (conn && strcmp(a->conn, conn))
			continue;
		n += a->attempts || a->gave_up_at != LONG_AGO;
		forget(a);
		a->removed = 0;
		a->begun_at = LONG_AGO;
	}
	look_soon(d, 0);
	return n;
}

void attempt_begin(struct invspid *d, const char *peer, const char *child, enum grade grade)
{
	struct attempt *a = attempt_get(d, peer, attempt_child(child, grade), grade);

	if (!a)
		return;
	/* An hour has ended the giving up, or decide() would not have let us here. */
	if (a->gave_up_at != LONG_AGO) {
		a->gave_up_at = LONG_AGO;
		a->attempts = 0;
	}
	a->attempts++;
	a->begun_at = now_ms();
	a->next_try = a->begun_at + backoff_ms(a->attempts, &d->conf->limits, random32());
	/* What is certain ends the giving up on what was not. */
	for (a = is_uncertain(grade) ? NULL : d->attempts; a; a = a->next) {
		if (a->gave_up_at == LONG_AGO || !is_uncertain(a->grade) || strcmp(a->peer, peer))
			continue;
		a->gave_up_at = LONG_AGO;
		a->attempts = 0;
	}
}

static void failed(struct invspid *d, struct attempt *a)
{
	/* From its end on: it may have taken longer than the pause after it. */
	a->next_try = now_ms() + backoff_ms(a->attempts, &d->conf->limits, random32());
	if (a->attempts < d->conf->limits.give_up)
		return;
	a->gave_up_at = now_ms();
	log_err("ALERT: gave up on %s%s%s after %u attempts (%s); a change of its IKE_SA, an hour, or `invspi peer retry %s' ends that",
		a->conn, a->child[0] ? "/" : "", a->child, a->attempts, grade_name(a->grade),
		a->conn);
	happen_alert(d, HAPPEN_GAVE_UP, a->conn, "gave up after %u attempts (%s)", a->attempts,
		     grade_name(a->grade));
}

void attempt_end(struct invspid *d, const char *peer, const char *child, enum grade grade,
		 enum outcome outcome)
{
	struct attempt *a = attempt_get(d, peer, attempt_child(child, grade), grade);

	if (!a)
		return;
	a->outcome = outcome;
	switch (outcome) {
	case OUTCOME_HEALED:
		a->attempts = 0;
		a->refused = false;
		a->recreated = false;
		a->reauthenticated = false;
		break;
	case OUTCOME_STALE:
		/* Of our own, lost SA: done is done, whoever goes on sending to it. */
		if (is_uncertain(grade)) {
			failed(d, a);
			break;
		}
		/* fall through */
	case OUTCOME_QUIET: /* neither success nor failure */
		if (a->attempts)
			a->attempts--;
		break;
	default:
		failed(d, a);
	}
}

/**
 * recover_ike_up() - an IKE_SA of a connection came up
 * @id: the peer's identity
 *
 * A peer that has authenticated is there: earlier failures count no more. Of a
 * connection with many peers that is said of this one. What it was too slow for is
 * a failure all the same. If it came by itself, it may bring up more than that.
 */
void recover_ike_up(struct invspid *d, const char *conn, const char *id, uint32_t ike_id)
{
	char key[PEER_LEN];
	struct attempt *a;

	look_soon(d, 0);
	if (recovery_came_up(d, conn, ike_id))
		return;
	peer_key(key, conn, id);
	recovery_peer_came(d, conn, key);
	for (a = d->attempts; a; a = a->next)
		if (!strcmp(a->peer, conn) || !strcmp(a->peer, key)) {
			forget(a);
			if (a->owed)
				a->next_try = now_ms() + d->conf->limits.stand_down_ms;
		}
}

/**
 * recover_ike_down() - an IKE_SA of a connection went away
 *
 * Three of those that we brought up, removed in ten minutes: another gateway
 * uses this identity, and each of us destroys the other's SAs.
 */
void recover_ike_down(struct invspid *d, const char *conn, const char *id)
{
	char key[PEER_LEN];
	struct attempt *a;
	int64_t now = now_ms();

	peer_key(key, conn, id);
	for (a = d->attempts;
	     a && !(a->brought_up && (!strcmp(a->peer, conn) || !strcmp(a->peer, key)));
	     a = a->next)
		;
	if (!a || recover_interrupts(d, conn))
		return;
	a->brought_up = false;
	if (now - a->removed_since > SPLIT_BRAIN_MS) {
		a->removed_since = now;
		a->removed = 0;
	}
	if (++a->removed < SPLIT_BRAIN)
		return;
	a->removed = 0;
	a->gave_up_at = now;
	a->attempts = d->conf->limits.give_up;
	log_err("ALERT: IKE_SAs of %s that were brought up here were removed %d times in 10 minutes: another gateway seems to use this identity; doing nothing more about it for an hour",
		conn, SPLIT_BRAIN);
	happen_alert(
		d, HAPPEN_ALERT, conn,
		"IKE_SAs that were brought up here are removed: another gateway seems to use this identity");
}

static const struct ike_sa *listing_peer_key(const struct ike_listing *l, const struct attempt *a)
{
	char key[PEER_LEN];
	size_t i;

	if (!strcmp(a->peer, a->conn))
		return listing_conn(l, a->conn);
	for (i = 0; i < l->nsa; i++) {
		if (strcmp(l->sa[i].conn, a->conn) || !sa_counts(&l->sa[i]))
			continue;
		peer_key(key, a->conn, l->sa[i].remote_id);
		if (!strcmp(key, a->peer))
			return &l->sa[i];
	}
	return NULL;
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
		sa = a->unlisted_since ? listing_peer_key(l, a) : NULL;
		for (i = 0; sa && i < sa->nchild; i++)
			if (sa->child[i].state == CHILD_INSTALLED)
				a->unlisted_since = 0;
	}
}

void attempts_free(struct invspid *d)
{
	struct attempt *a;

	while ((a = d->attempts)) {
		d->attempts = a->next;
		free(a);
	}
}
