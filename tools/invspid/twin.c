// SPDX-License-Identifier: GPL-2.0-only
/*
 * Both gateways were down and both begin again: each IKE daemon, or helper, has looked
 * and has seen nothing of the other yet. IKEv2 resolves such a collision for rekeys only
 * (RFC 7296, 2.8), so there are two IKE_SAs then, and both daemons keep them. After an
 * initiation of ours that is looked for, and one of the two is ended.
 *
 * Both ends come to the same answer, and so it does not matter which of them have a
 * helper: the one whose children the other one has, too, and if both have the same,
 * the one with the higher SPI of the initiator.
 */
#include <string.h>

#include "log.h"
#include "recover_int.h"

#define FIRST_MS 1000 /* what has crossed with ours has come up by then, or ... */
#define SECOND_MS 2000 /* ... so much later */
#define AGAIN_MS 500 /* two of them: between two looks */
#define LOOKS 20
#define ENDED_MS 1000 /* the daemon's events of the end have come */

/* Nothing goes on in it: what it has now is what it has. */
static bool is_settled(const struct ike_sa *sa)
{
	size_t i;

	for (i = 0; i < sa->nchild; i++)
		if (sa->child[i].state == CHILD_OTHER || sa->child[i].state == CHILD_REKEYING)
			return false;
	return sa->state == IKE_ESTABLISHED && !sa->task_any;
}

/* Has @sa all children of @other? */
static bool covers(const struct ike_sa *sa, const struct ike_sa *other)
{
	const struct ike_child *c, *o;
	size_t i, k;

	for (i = 0; i < other->nchild; i++) {
		o = &other->child[i];
		for (k = 0; child_counts(o) && k < sa->nchild; k++) {
			c = &sa->child[k];
			if (child_counts(c) && c->proto == o->proto && !strcmp(c->name, o->name) &&
			    !strcmp(c->local_ts, o->local_ts) &&
			    !strcmp(c->remote_ts, o->remote_ts))
				break;
		}
		if (child_counts(o) && k == sa->nchild)
			return false;
	}
	return true;
}

/* The IKE_SA that the peer has begun beside @ours. */
static const struct ike_sa *begun_by_peer(const struct ike_listing *l, const struct ike_sa *ours)
{
	const struct ike_sa *sa;

	for (sa = l->sa; sa < ike_sa_end(l); sa++)
		if (!sa->initiator && sa_counts(sa) && !strcmp(sa->conn, ours->conn) &&
		    !strcmp(sa->local_id, ours->local_id) &&
		    !strcmp(sa->remote_id, ours->remote_id))
			return sa;
	return NULL;
}

static bool find_pair(const struct ike_listing *l, const char *name, const struct ike_sa *pair[2])
{
	const struct ike_sa *sa;

	for (sa = l->sa; sa < ike_sa_end(l); sa++) {
		if (!sa->initiator || !sa_counts(sa) || strcmp(sa->name, name))
			continue;
		pair[0] = sa;
		pair[1] = begun_by_peer(l, sa);
		if (pair[1])
			return true;
	}
	return false;
}

enum twin twin_judge(const struct ike_listing *l, const char *name, const struct ike_sa **loser)
{
	const struct ike_sa *pair[2];
	bool first, second;

	*loser = NULL;
	if (!find_pair(l, name, pair))
		return TWIN_NONE;
	if (!is_settled(pair[0]) || !is_settled(pair[1]))
		return TWIN_UNSETTLED;
	first = covers(pair[1], pair[0]);
	second = covers(pair[0], pair[1]);
	if (first && second) {
		/* Not known of every daemon: then nobody can say which one. */
		first = pair[0]->spi_initiator > pair[1]->spi_initiator;
		second = pair[0]->spi_initiator < pair[1]->spi_initiator;
		if (!pair[0]->spi_initiator || !pair[1]->spi_initiator)
			return TWIN_NONE;
	}
	if (first == second)
		return TWIN_NONE;
	*loser = first ? pair[0] : pair[1];
	return TWIN_LOSER;
}

static void on_time(uv_timer_t *timer);

static void again(struct recovery *r, uint64_t ms)
{
	if (++r->twin_looks > LOOKS)
		recovery_end(r);
	else
		uv_timer_start(&r->timer, on_time, ms, 0);
}

static void on_ended(void *arg, int err, const char *errmsg)
{
	struct recovery *r = arg;

	if (recovery_answered_by_none(r, err))
		return;
	if (err && err != -ENOENT)
		log_warn("cannot end the second IKE_SA of %s: %s", r->conn,
			 errmsg ? errmsg : strerror(-err));
	/* @ending stays for so long: what the daemon tells of it is our doing. */
	r->twin_looks = LOOKS - 1;
	again(r, ENDED_MS);
}

static void on_list(void *arg, int err, struct ike_listing *l)
{
	const struct ike_sa *loser = NULL;
	struct recovery *r = arg;
	enum twin twin;

	if (recovery_answered_by_none(r, err))
		return;
	twin = err ? TWIN_UNSETTLED : twin_judge(l, r->ike, &loser);
	if (twin == TWIN_NONE) {
		r->ending = 0;
		if (r->twin_looks)
			recovery_end(r);
		else
			again(r, SECOND_MS);
		return;
	}
	if (!recovery_may_act(r->d, r->conn)) {
		recovery_end(r);
		return;
	}
	if (!loser || loser->uniqueid != r->ending) {
		r->ending = loser ? loser->uniqueid : 0;
		again(r, AGAIN_MS);
		return;
	}
	log_notice("both ends have begun an IKE_SA of %s: ending [%u], which adds nothing", r->conn,
		   loser->uniqueid);
	r->polling = true;
	ike_terminate_ike(r->d->ike, loser->uniqueid, on_ended, r);
}

static void on_time(uv_timer_t *timer)
{
	struct recovery *r = timer->data;

	if (r->twin_looks >= LOOKS) {
		recovery_end(r);
		return;
	}
	/* The peer came by the original, if ours is of a copy. */
	r->polling = true;
	ike_list(r->d->ike, r->action == ACTION_COPY ? NULL : r->conn, false, on_list, r);
}

bool twin_watch(struct recovery *r)
{
	if (!r->initiated || r->has_ike || r->done)
		return false;
	recovery_slot_free(r);
	r->over = true;
	r->ending = 0;
	uv_timer_start(&r->timer, on_time, FIRST_MS, 0);
	return true;
}
