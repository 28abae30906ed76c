// SPDX-License-Identifier: GPL-2.0-only
/*
 * The IKE daemon in charge: one backend, or that of several whose daemon is there.
 *
 * Two daemons in one network namespace get in each other's way, so with IKE_AUTO the
 * first that is found serves until it is gone; the other one's state is only looked
 * at, and what it tells beside that goes nowhere.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ike_backend.h"
#include "log.h"

#define BACKENDS 2
#define AUTO_WHY_MAX (BACKENDS * (IKE_WHY_MAX + 16))

/**
 * struct ike - what the user has
 * @backend: that there are; NULL at the end
 * @cur: the one that serves
 * @ev, @arg: the user's
 * @state, @why: as last told
 * @rival: it was said that there is another daemon
 * @telling: calls of @ev.state that have not returned; it is not freed before
 */
struct ike {
	struct ike_backend *backend[BACKENDS + 1];
	struct ike_backend *cur;
	struct ike_events ev;
	void *arg;
	enum daemon_state state;
	char why[AUTO_WHY_MAX];
	bool rival, freed;
	unsigned int telling;
};

/* ---- which one serves ---- */

static bool is_there(const struct ike_backend *b)
{
	return b->state != DAEMON_ABSENT && b->state != DAEMON_FOREIGN;
}

static void serve(struct ike *ike, struct ike_backend *b)
{
	static const struct ike_events none;

	if (ike->cur)
		ike->cur->ev = none;
	ike->cur = b;
	b->ev = ike->ev;
	b->arg = ike->arg;
	ike->rival = false;
}

/* The first that is there; else one that is only not ours to use; else as it is. */
static void choose(struct ike *ike)
{
	struct ike_backend **b;

	if (is_there(ike->cur))
		return;
	for (b = ike->backend; *b; b++) {
		if (is_there(*b)) {
			serve(ike, *b);
			return;
		}
	}
	for (b = ike->backend; *b && ike->cur->state == DAEMON_ABSENT; b++)
		if ((*b)->state != DAEMON_ABSENT)
			serve(ike, *b);
}

static void note_rival(struct ike *ike)
{
	struct ike_backend **b;

	for (b = ike->backend; *b; b++) {
		if (*b == ike->cur || !is_there(*b) || !is_there(ike->cur) || ike->rival)
			continue;
		ike->rival = true;
		log_warn(
			"%s and %s both run in this network namespace: going on with %s; `ike' in the configuration names the other",
			ike->cur->ops->name, (*b)->ops->name, ike->cur->ops->name);
	}
}

/* If none is there, what keeps each from it. */
static void why_now(const struct ike *ike, char why[AUTO_WHY_MAX])
{
	struct ike_backend *const *b;
	size_t n = 0;

	if (!ike->backend[1] || is_there(ike->cur)) {
		snprintf(why, AUTO_WHY_MAX, "%s", ike->cur->why);
		return;
	}
	for (b = ike->backend; *b && n < AUTO_WHY_MAX; b++)
		n += (size_t)snprintf(why + n, AUTO_WHY_MAX - n, "%s%s: %s", n ? "; " : "",
				      (*b)->ops->name, (*b)->why);
}

static void ike_put(struct ike *ike)
{
	if (ike->freed && !ike->telling)
		free(ike);
}

static void tell(struct ike *ike, enum daemon_state state, const char *why)
{
	if (state == ike->state && !strcmp(why, ike->why))
		return;
	ike->state = state;
	snprintf(ike->why, sizeof(ike->why), "%s", why);
	if (ike->ev.state)
		ike->ev.state(ike->arg, state, why);
}

void ike_backend_tell(struct ike_backend *b)
{
	struct ike *ike = b->ike;
	char why[AUTO_WHY_MAX];

	if (!ike)
		return;
	ike->telling++;
	/* The end of the one that served comes first, also if the other one takes over. */
	if (b == ike->cur && !is_there(b)) {
		why_now(ike, why);
		tell(ike, b->state, why);
	}
	if (!ike->freed) {
		choose(ike);
		note_rival(ike);
		why_now(ike, why);
		tell(ike, ike->cur->state, why);
	}
	ike->telling--;
	ike_put(ike);
}

void ike_backend_state(struct ike_backend *b, enum daemon_state state, const char *why)
{
	if (b->state == state && !strcmp(b->why, why))
		return;
	b->state = state;
	snprintf(b->why, sizeof(b->why), "%s", why);
	ike_backend_tell(b);
}

int64_t ike_backend_pause(int64_t *ms, int64_t max_ms)
{
	int64_t now = *ms;
	uint32_t r = 0;

	*ms = now * 2 < max_ms ? now * 2 : max_ms;
	uv_random(NULL, NULL, &r, sizeof(r), 0, NULL);
	return now - now / 4 + r % (now / 2 + 1);
}

/* ---- the object ---- */

static const char not_yet[] = "not yet connected";

static bool add(struct ike *ike, struct ike_backend *b)
{
	struct ike_backend **place = ike->backend;

	if (!b)
		return false;
	b->ike = ike;
	b->state = DAEMON_ABSENT;
	snprintf(b->why, sizeof(b->why), "%s", not_yet);
	while (*place)
		place++;
	*place = b;
	return true;
}

struct ike *ike_new(uv_loop_t *loop, const struct ike_options *opt, const struct ike_events *ev,
		    void *arg)
{
	struct ike *ike;
	bool ok = true;

	ike = calloc(1, sizeof(*ike));
	if (!ike)
		return NULL;
	ike->ev = *ev;
	ike->arg = arg;
	ike->state = DAEMON_ABSENT;
	snprintf(ike->why, sizeof(ike->why), "%s", not_yet);
	if (opt->kind != IKE_LIBRESWAN)
		ok = add(ike, ike_vici_new(loop, opt));
	if (ok && opt->kind != IKE_STRONGSWAN)
		ok = add(ike, ike_whack_new(loop, opt));
	if (!ok) {
		ike_free(ike);
		errno = ENOMEM;
		return NULL;
	}
	serve(ike, ike->backend[0]);
	return ike;
}

void ike_free(struct ike *ike)
{
	struct ike_backend **b;

	if (!ike || ike->freed)
		return;
	ike->freed = true;
	for (b = ike->backend; *b; b++) {
		(*b)->ike = NULL;
		(*b)->ops->free(*b);
	}
	ike_put(ike);
}

enum daemon_state ike_state(const struct ike *ike)
{
	return ike->cur->state;
}

const char *ike_name(const struct ike *ike)
{
	return is_there(ike->cur) || !ike->backend[1] ? ike->cur->ops->name : "none";
}

const char *ike_word(const struct ike *ike)
{
	return is_there(ike->cur) || !ike->backend[1] ? ike->cur->ops->word : "auto";
}

const struct ike_words *ike_words(const struct ike *ike)
{
	return &ike->cur->ops->words;
}

enum disruptive ike_disruptive(const struct ike *ike)
{
	return ike->cur->ops->disruptive;
}

void ike_hint(struct ike *ike)
{
	if (ike->cur->ops->hint)
		ike->cur->ops->hint(ike->cur);
}

void ike_instance(const struct ike *ike, pid_t *pid, uint64_t *starttime)
{
	*pid = ike->cur->pid;
	*starttime = ike->cur->starttime;
}

const struct ike_conns *ike_conns(const struct ike *ike)
{
	return &ike->cur->conns;
}

uint64_t ike_updowns(const struct ike *ike)
{
	return ike->cur->updown;
}

/* ---- what the backend does ---- */

void ike_list(struct ike *ike, const char *conn, bool blocking, ike_list_cb cb, void *arg)
{
	ike->cur->ops->list(ike->cur, conn, blocking, cb, arg);
}

void ike_reload_conns(struct ike *ike, ike_done_cb cb, void *arg)
{
	ike->cur->ops->reload_conns(ike->cur, cb, arg);
}

void ike_rekey_child(struct ike *ike, uint32_t child_id, ike_done_cb cb, void *arg)
{
	ike->cur->ops->rekey_child(ike->cur, child_id, cb, arg);
}

void ike_initiate(struct ike *ike, const char *conn, const char *child, int64_t timeout_ms,
		  bool sparing, ike_done_cb cb, void *arg)
{
	ike->cur->ops->initiate(ike->cur, conn, child, timeout_ms, sparing, cb, arg);
}

bool ike_copy_check(const struct ike *ike, const struct ike_copy *copy, char *why, size_t size)
{
	return ike->cur->ops->copy_check(copy, why, size);
}

void ike_load_copy(struct ike *ike, const struct ike_copy *copy, ike_done_cb cb, void *arg)
{
	ike->cur->ops->load_copy(ike->cur, copy, cb, arg);
}

void ike_unload_copy(struct ike *ike, const char *name, ike_done_cb cb, void *arg)
{
	ike->cur->ops->unload_copy(ike->cur, name, cb, arg);
}

void ike_terminate_ike(struct ike *ike, uint32_t ike_id, ike_done_cb cb, void *arg)
{
	ike->cur->ops->terminate_ike(ike->cur, ike_id, cb, arg);
}

void ike_terminate_child(struct ike *ike, uint32_t child_id, int64_t timeout_ms, ike_done_cb cb,
			 void *arg)
{
	ike->cur->ops->terminate_child(ike->cur, child_id, timeout_ms, cb, arg);
}

void ike_reauth(struct ike *ike, uint32_t ike_id, ike_done_cb cb, void *arg)
{
	ike->cur->ops->reauth(ike->cur, ike_id, cb, arg);
}

uint32_t ike_queued(struct ike *ike)
{
	return ike->cur->ops->queued(ike->cur);
}
