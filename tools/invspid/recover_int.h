/* SPDX-License-Identifier: GPL-2.0-only */
/* One action under way: what the files that carry it out share. */
#ifndef INVSPID_RECOVER_INT_H
#define INVSPID_RECOVER_INT_H

#include "daemon.h"

/**
 * struct recovery - one action under way
 * @flow: the flow that caused it
 * @child: child that it is about; with G2, the one that is verified
 * @old_id: unique id of the CHILD_SA that is rekeyed, 0 with G2
 * @names: children to initiate, @next of @nnames is the next one
 * @v: what was seen so far
 * @timed_out: the daemon goes on with the first child's initiation by itself
 */
struct recovery {
	struct recovery *next;
	struct invspid *d;
	uv_timer_t timer;
	struct invspi_flow flow;
	char conn[NAME_LEN], child[NAME_LEN];
	enum grade grade;
	enum action action;
	uint32_t old_id;
	char **names;
	size_t nnames, cur;
	struct verification v;
	int64_t first_drop, verdict, first_new;
	uint32_t new_spi;
	bool initiated, timed_out, polling, done;
	unsigned int half_made_looks;
};

/*
 * First thing in every callback of the IKE daemon: whether there is nothing left
 * to do in it. Its end is no answer: recover_daemon_lost() comes next.
 */
bool recovery_answered_by_none(struct recovery *r, int err);
/* The exchange was asked for: look, until it is known what became of it. */
void recovery_verify(struct recovery *r);
void recovery_finish(struct recovery *r, enum outcome outcome, const char *note);
void recovery_free(struct recovery *r);

/* initiate.c: G2 */
void recovery_initiate(struct recovery *r);

#endif
