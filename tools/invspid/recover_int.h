/* SPDX-License-Identifier: GPL-2.0-only */
/* One action under way: what the files that carry it out share. */
#ifndef INVSPID_RECOVER_INT_H
#define INVSPID_RECOVER_INT_H

#include "daemon.h"

/**
 * struct recovery - one action under way
 * @flow: the flow that caused it
 * @peer: see peer_key()
 * @ike: what the daemon calls the connection: @conn or a copy of it
 * @copy: that copy while it is, or may be, loaded
 * @child: child that it is about; with G2, the one that is verified
 * @old_id: unique id of the CHILD_SA that is rekeyed or terminated, 0 with G2
 * @ike_id: unique id of its IKE_SA
 * @slot: the exchange is not completed yet: it counts as in flight
 * @has_ike: there was an IKE_SA when it began, which is to stay or was ended by us
 * @refusals: so often it was seen that nothing is under way and nothing is new
 * @names: children to initiate, @next of @nnames is the next one
 * @v: what was seen so far
 * @timed_out: the daemon goes on with the first child's initiation by itself
 * @half_made: unique id of an IKE_SA that was half-made in the last look
 * @ending: ... that was then ended: the end of its children is our doing
 * @came_up: it had come up just then
 * @peer_came: before we have begun, an IKE_SA with the peer came up
 * @again: so all were initiated once more
 * @over: what became of it was told; twin.c is still looking
 */
struct recovery {
	struct recovery *next;
	struct invspid *d;
	uv_timer_t timer;
	struct invspi_flow flow;
	char conn[NAME_LEN], peer[PEER_LEN], child[NAME_LEN], ike[NAME_LEN + 32];
	struct copy *copy;
	enum grade grade;
	enum action action;
	uint32_t old_id, ike_id;
	char **names;
	size_t nnames, cur;
	struct verification v;
	int64_t first_drop, verdict, first_new;
	uint32_t new_spi;
	bool initiated, timed_out, polling, done, slot, has_ike;
	unsigned int refusals;
	uint32_t half_made, ending;
	unsigned int half_made_looks;
	bool came_up, peer_came, again, over;
	unsigned int twin_looks;
};

struct recovery *recovery_new(struct invspid *d, const struct invspi_flow *flow, const char *peer,
			      const char *child, int64_t first_drop, enum grade grade,
			      enum action action);
/* Is there an action under way that another one would get in the way of? */
bool recovery_peer_busy(const struct invspid *d, const char *peer, const char *child,
			enum grade grade);

/*
 * First thing in every callback of the IKE daemon: whether there is nothing left
 * to do in it. Its end is no answer: recover_daemon_lost() comes next.
 */
bool recovery_answered_by_none(struct recovery *r, int err);
/* The exchange was asked for: look, until it is known what became of it. */
void recovery_verify(struct recovery *r);
/* Nothing of it is under way any more but the looking. */
void recovery_slot_free(struct recovery *r);
void recovery_finish(struct recovery *r, enum outcome outcome, const char *note);
/* It is over, whatever became of it; its memory goes when no answer is awaited. */
void recovery_end(struct recovery *r);
/* The copy may still be loaded: see dynamic_unload(). */
void recovery_forget_copy(struct recovery *r);

/* An IKE_SA came up. Return: whether it is one that we have just asked to end. */
bool recovery_came_up(struct invspid *d, const char *conn, uint32_t ike_id);

/* resume.c: does the operator let us do anything about a connection now? */
bool recovery_may_act(const struct invspid *d, const char *conn);
/* Is an exchange with the peer under way, of which it is not known what comes of it? */
bool recovery_exchanging(const struct ike_listing *l, const char *conn);
/* Notes what the recovery was begun for; NULL if there is no memory */
struct attempt *recovery_note_cause(struct recovery *r, enum grade grade);

/* initiate.c: G2 */
/* An IKE_SA with that peer came up: what was not begun yet is not begun. */
void recovery_peer_came(struct invspid *d, const char *conn, const char *key);
void recovery_initiate(struct recovery *r);
bool recovery_add_name(struct recovery *r, const char *child);
void recovery_initiate_next(struct recovery *r);

/* twin.c: has the peer begun an IKE_SA, too? */
enum twin {
	TWIN_NONE, /* or none that is to go */
	TWIN_UNSETTLED, /* two, and something is under way in one of them */
	TWIN_LOSER
};

/* @name: what the daemon calls ours. *@loser is the one to end. */
enum twin twin_judge(const struct ike_listing *l, const char *name, const struct ike_sa **loser);
/*
 * The outcome is known: look for a while. Return: false if there is no need; else it ends
 * by itself.
 */
bool twin_watch(struct recovery *r);

/* dynamic.c: D, a copy of the connection for G2 to initiate */
const struct ike_sa *dynamic_ike_sa(const struct recovery *r, const struct ike_listing *l);
const char *dynamic_begin(struct recovery *r);
void dynamic_load(struct recovery *r, ike_done_cb cb);
void dynamic_unload(struct recovery *r);

/* interrupt.c: I1 to I3 */
void recovery_interrupt(struct recovery *r);
const struct ike_sa *recovery_may_restart(struct invspid *d, const struct attempt *a, int64_t now);

#endif
