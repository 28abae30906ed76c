// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a recording: what is asked then, and the disk. One bundle after the other;
 * a thread does what may take time.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "record_int.h"

void record_finish_next(struct recorder *r)
{
	struct finishing *f = r->queue;

	if (!f || r->closing)
		return;
	if (f->bundle->id.class == BUNDLE_UNCERTAIN)
		finish_write(f);
	else
		finish_capture(f);
}

/* In a thread of its own: touches nothing but its own. */
static void write_bundle(struct finishing *f, const char *dir)
{
	size_t i;

	for (i = 0; i < f->nevict; i++)
		bundle_remove(dir, f->evict[i]);
	f->result = bundle_write(f->bundle, dir, f->err, sizeof(f->err));
}

static void on_work(uv_work_t *work)
{
	struct finishing *f = work->data;

	write_bundle(f, f->r->dir);
}

static void tell_written(struct recorder *r, const struct finishing *f)
{
	const struct bundle *b = f->bundle;
	char path[4200];
	struct happened h = {
		.what = HAPPEN_RECORDED,
		.conn = json_string_value(json_object_get(b->about, "conn")),
		.grade = GRADE__COUNT,
		.why = b->cause,
		.bundle = b->id.number,
		.path = path,
	};

	snprintf(path, sizeof(path), "%s/%06u", r->dir, b->id.number);
	if (b->id.npeers)
		h.peer = b->id.peer[0];
	log_notice("recorded bundle %u: %zu events, %" PRIu64 " KiB: %s", b->id.number, b->notes.n,
		   (b->id.size + 1023) >> 10, path);
	if (!r->closing)
		happen(r->d, &h);
}

static void written(struct finishing *f)
{
	struct recorder *r = f->r;
	size_t i;

	for (i = 0; i < f->nevict; i++)
		record_forget(r, f->evict[i]);
	if (f->result) {
		r->failed++;
		snprintf(r->error, sizeof(r->error), "bundle %u: %.*s", f->bundle->id.number,
			 (int)sizeof(r->error) - 32, f->err);
		log_err("not recorded: %s", r->error);
	} else {
		r->written++;
		r->error[0] = '\0';
		record_is_there(r, &f->bundle->id);
		tell_written(r, f);
	}
	r->queue = f->next;
	bundle_free(f->bundle);
	free(f->evict);
	free(f);
}

static void on_written(uv_work_t *work, int status)
{
	struct finishing *f = work->data;
	struct recorder *r = f->r;

	(void)status;
	r->writing = false;
	written(f);
	if (r->closing)
		recorder_free(r);
	else
		record_finish_next(r);
}

/* Which ones go, as if it were there already. Return: 0 or -ENOSPC. */
static int make_room(struct finishing *f)
{
	struct quota q = record_quota(f->r->d->conf);
	struct bundle_id *have = NULL;
	size_t n = f->r->nhave;
	int i = -1;

	record_grow_older(f->r, now_ms());
	f->bundle->id.size = bundle_estimate(f->bundle);
	have = malloc((n + 1) * sizeof(*have));
	f->evict = calloc(n + 1, sizeof(*f->evict));
	if (!have || !f->evict) {
		free(have);
		return -ENOMEM;
	}
	if (n)
		memcpy(have, f->r->have, n * sizeof(*have));
	while ((i = quota_evict(&q, have, n, &f->bundle->id)) >= 0) {
		/* It was copied: NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign) */
		f->evict[f->nevict++] = have[i].number;
		n--;
		memmove(&have[i], &have[i + 1], (n - (size_t)i) * sizeof(*have));
	}
	free(have);
	if (i == -1)
		return 0;
	f->nevict = 0;
	return -ENOSPC;
}

static bool has_room(struct finishing *f)
{
	f->result = make_room(f);
	if (f->result)
		snprintf(
			f->err, sizeof(f->err),
			f->result == -ENOMEM
				? "out of memory"
				: "no room beside those that are worth more: raise record_bundles or record_mib, or `invspi record delete' some");
	return !f->result;
}

void finish_write(struct finishing *f)
{
	struct recorder *r = f->r;

	if (!has_room(f)) {
		written(f);
		record_finish_next(r);
		return;
	}
	f->work.data = f;
	r->writing = true;
	uv_queue_work(r->d->loop, &f->work, on_work, on_written);
}

/* Now, and here: there is no loop any more to wait for. */
static void finish_at_once(struct finishing *f)
{
	if (f->child)
		child_kill(f->child);
	if (has_room(f))
		write_bundle(f, f->r->dir);
	written(f);
}

void record_finish_all(struct recorder *r)
{
	struct finishing *f;

	while ((f = r->writing ? r->queue->next : r->queue)) {
		/* The one that is being written stays the first. */
		if (r->writing) {
			r->queue->next = f->next;
			f->next = r->queue;
			r->queue = f;
		}
		/* It leaves the queue before it goes: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		finish_at_once(f);
	}
}
