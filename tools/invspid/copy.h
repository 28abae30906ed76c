/* SPDX-License-Identifier: GPL-2.0-only */
/* What the history knows of a peer, as a copy of its connection: rung D. Pure. */
#ifndef INVSPID_COPY_H
#define INVSPID_COPY_H

#include "history.h"
#include "ike.h"

struct copy;

/**
 * copy_new() - begin with the SA that the peer goes on sending to
 * @sa: of the history; its IKE_SA is what is copied, without children yet
 * @conn: the original, as loaded; @setting: what the operator gave. Both must live as
 *	long as the copy
 * @name: of the copy
 *
 * Return: the copy, or NULL: no memory.
 */
struct copy *copy_new(const struct hist_sa *sa, const struct ike_conn *conn,
		      const struct ike_setting *setting, size_t nsetting, const char *name);
void copy_free(struct copy *c);

/*
 * Adds a child of the same peer. -ENOSPC: too many; -EXDEV: it was made by another
 * IKE_SA, with which something else was negotiated: it is left out.
 */
int copy_add(struct copy *c, const struct hist_sa *sa);

/* Whether it is known with what key exchange a child is made by itself: see history_sync.c */
bool copy_group_known(const struct ike_copy_child *c);

const struct ike_copy *copy_get(const struct copy *c);

/* Whether the history knows enough; *@why is what is not known. See ike_copy_check(), too. */
bool copy_check(const struct copy *c, char *why, size_t size);

#endif
