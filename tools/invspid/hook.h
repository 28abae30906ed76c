/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hooks: programs of the operator that are run when something happens. Few at a time,
 * few waiting, each for a bounded time; what they print goes to the log, bounded, too.
 */
#ifndef INVSPID_HOOK_H
#define INVSPID_HOOK_H

#include <uv.h>

#include "conf.h"
#include "happen.h"

#define HOOKS_WAITING 64 /* more are dropped, and that is told */

struct hooks;

struct hooks *hooks_new(uv_loop_t *loop); /* NULL: no memory */
/* Ends those that run; the loop must run once more. */
void hooks_free(struct hooks *hs);

/**
 * hooks_run() - run those that are for this
 * @conf: with the hooks and their limits
 * @control: path of the control socket, for hooks that ask back
 *
 * A hook learns of it by its environment only: see invspid(8).
 */
void hooks_run(struct hooks *hs, const struct conf *conf, const char *control,
	       const struct happened *h);

/* For status: how many were run, failed, were dropped. */
void hooks_counts(const struct hooks *hs, uint64_t *run, uint64_t *failed, uint64_t *dropped);

#endif
