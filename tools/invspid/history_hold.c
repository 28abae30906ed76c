// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds: few, all in memory, written through. A hold that is not for ever ends
 * by the history's clock in the boot it was set in, so that a step of the wall
 * clock cannot end it; in a later boot by the wall clock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "history_int.h"

#define HOLDS_MAX 10000
#define SAVE_MS 2000 /* how long the operator may have to wait for the disk */

static void hold_free(struct hold *hold)
{
	free(hold->conn);
	free(hold->reason);
	memset(hold, 0, sizeof(*hold));
}

static int hold_copy(struct hold *to, const struct hold *from)
{
	*to = *from;
	to->conn = strdup(from->conn ? from->conn : "");
	to->reason = strdup(from->reason ? from->reason : "");
	if (to->conn && to->reason)
		return 0;
	hold_free(to);
	return -ENOMEM;
}

int hold_load(struct history *h, const struct hold *hold)
{
	struct hold *all = realloc(h->hold, (h->nhold + 1) * sizeof(*all));

	if (!all)
		return -ENOMEM;
	h->hold = all;
	if (hold_copy(&all[h->nhold], hold))
		return -ENOMEM;
	h->nhold++;
	return 0;
}

static void drop(struct history *h, size_t i)
{
	hold_free(&h->hold[i]);
	h->hold[i] = h->hold[--h->nhold];
}

void holds_free(struct history *h)
{
	while (h->nhold)
		drop(h, h->nhold - 1);
	free(h->hold);
	h->hold = NULL;
}

static bool is_over(const struct history *h, const struct hold *hold)
{
	if (!hold->until)
		return false;
	if (hold->since >= h->meta.base)
		return hist_in(h, h->env.boot_ms()) >= hold->until;
	return h->env.wall_ms() >= hold->until_wall;
}

static int save(struct history *h, enum op_type type, const struct hold *hold)
{
	struct op *op = calloc(1, sizeof(*op));
	int ret;

	if (!op)
		return -ENOMEM;
	op->type = type;
	if (hold_copy(&op->hold, hold)) {
		free(op);
		return -ENOMEM;
	}
	ret = write_op(h, op, true);
	return ret ? ret : write_wait(h, SAVE_MS);
}

static size_t find(const struct history *h, const char *conn)
{
	size_t i;

	for (i = 0; i < h->nhold && strcmp(h->hold[i].conn, conn); i++)
		;
	return i;
}

int hist_hold_add(struct history *h, const char *conn, int64_t seconds, const char *reason)
{
	struct hold hold = {
		.conn = (char *)(uintptr_t)conn,
		.reason = (char *)(uintptr_t)reason,
		.since = hist_in(h, h->env.boot_ms()),
		.since_wall = h->env.wall_ms(),
	};
	size_t at = find(h, conn);
	int ret;

	if (!conn[0] || seconds < 0 || seconds > INT32_MAX)
		return -EINVAL;
	if (at == h->nhold && at >= HOLDS_MAX)
		return -ENOSPC;
	if (seconds) {
		hold.until = hold.since + seconds * 1000;
		hold.until_wall = hold.since_wall + seconds * 1000;
	}
	ret = hold_load(h, &hold);
	if (ret)
		return ret;
	if (at < h->nhold - 1)
		drop(h, at);
	return save(h, OP_HOLD_ADD, &hold);
}

int hist_hold_del(struct history *h, const char *conn)
{
	struct hold hold = { .conn = (char *)(uintptr_t)conn };
	size_t at = find(h, conn);
	bool over;

	if (at == h->nhold)
		return -ENOENT;
	over = is_over(h, &h->hold[at]);
	drop(h, at);
	return over ? (save(h, OP_HOLD_DEL, &hold), -ENOENT) : save(h, OP_HOLD_DEL, &hold);
}

bool hist_held(struct history *h, const char *conn)
{
	size_t i;

	for (i = 0; i < h->nhold; i++)
		if ((!strcmp(h->hold[i].conn, conn) || !strcmp(h->hold[i].conn, "all")) &&
		    !is_over(h, &h->hold[i]))
			return true;
	return false;
}

int hist_hold_each(struct history *h, void (*cb)(void *arg, const struct hist_hold *hold),
		   void *arg)
{
	struct hist_hold out;
	size_t i;
	int n = 0;

	for (i = 0; i < h->nhold; i++) {
		if (is_over(h, &h->hold[i]))
			continue;
		out.conn = h->hold[i].conn;
		out.reason = h->hold[i].reason;
		out.since_wall = h->hold[i].since_wall;
		out.until_wall = h->hold[i].until_wall;
		cb(arg, &out);
		n++;
	}
	return n;
}
