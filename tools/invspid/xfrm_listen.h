/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel tells of policies, acquires and lifetimes, for the flight recorder.
 * None of it has keys. Nothing is decided by it, so that it has a socket of its own: a
 * burst of policies must not cost an event of an SA.
 */
#ifndef INVSPID_XFRM_LISTEN_H
#define INVSPID_XFRM_LISTEN_H

#include <uv.h>

#include "xfrm_note.h"

struct xfrm_listen;

/**
 * xfrm_listen_new() - begin to listen
 * @cb: called from the loop for each message that says something
 *
 * Needs CAP_NET_ADMIN. Return: the listener, or NULL with errno.
 */
struct xfrm_listen *xfrm_listen_new(uv_loop_t *loop,
				    void (*cb)(void *arg, const struct xfrm_said *said), void *arg);

/* The loop must run once more for its handle. NULL is fine. */
void xfrm_listen_free(struct xfrm_listen *l);

/**
 * xfrm_listen_acquire() - listen to acquires, too, or stop that
 *
 * Only while an IKE daemon does: the kernel takes any listener for one. It would let a
 * packet wait for an SA that nobody is there to make, and not ask again for as long as
 * the daemon has set (strongSwan: 165 s), even if one has come meanwhile.
 */
void xfrm_listen_acquire(struct xfrm_listen *l, bool on);

#endif
