// SPDX-License-Identifier: GPL-2.0-only
/*
 * Recordings. There is one at a time: whatever loses step while it goes on joins it, so
 * that a daemon that crashes with a thousand peers costs one bundle. When its time is
 * over it is finished (what is asked is asked, then a thread writes it), and the next
 * one may begin meanwhile.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "log.h"
#include "record_int.h"

#define AFTER_MOST 3 /* times record_after_ms: a recording is never longer */
#define RING_SHARE 4 /* one peer gets at most such a part of the memory */

struct quota record_quota(const struct conf *c)
{
	return (struct quota){
		.per_hour = c->record_per_hour,
		.per_peer = c->record_per_peer,
		.most = c->record_bundles,
		.bytes = (uint64_t)c->record_mib << 20,
	};
}

/* ---- the bundles that are there ---- */

void record_forget(struct recorder *r, unsigned int number)
{
	size_t i;

	for (i = 0; i < r->nhave && r->have[i].number != number; i++)
		;
	if (i == r->nhave)
		return;
	r->nhave--;
	memmove(&r->have[i], &r->have[i + 1], (r->nhave - i) * sizeof(*r->have));
}

void record_is_there(struct recorder *r, const struct bundle_id *id)
{
	struct bundle_id *p = reallocarray(r->have, r->nhave + 1, sizeof(*p));

	if (!p)
		return; /* counted again after the next start */
	r->have = p;
	r->have[r->nhave++] = *id;
}

void record_grow_older(struct recorder *r, int64_t now)
{
	size_t i;

	for (i = 0; i < r->nhave; i++)
		if (r->have[i].begun != LONG_AGO)
			r->have[i].age = now - r->have[i].begun;
	for (i = 0; i < r->nrecent && now - r->recent[i].begun >= QUOTA_HOUR_MS; i++)
		;
	if (r->nrecent - i == RECENT_MAX)
		i++;
	r->nrecent -= i;
	memmove(r->recent, r->recent + i, r->nrecent * sizeof(*r->recent));
}

int record_delete(struct recorder *r, unsigned int number)
{
	int ret = r->dir ? bundle_remove(r->dir, number) : -ENOENT;

	if (!ret || ret == -ENOENT)
		record_forget(r, number);
	return ret;
}

/* ---- the end ---- */

/* What has happened until now: those of before the begin may be gone from the rings. */
static void collect(struct recorder *r, struct bundle *b)
{
	bool all = !b->id.npeers && b->id.class == BUNDLE_ASKED;
	struct notes notes;

	if (rings_collect(r->rings, all ? NULL : b->id.peer, b->id.npeers, &notes) ||
	    notes_merge(&b->notes, &notes)) {
		notes_free(&notes);
		log_err("out of memory: bundle %u is not complete", b->id.number);
	}
}

static void note_mark(struct recorder *r, const struct bundle *b, const char *text)
{
	size_t i;

	for (i = 0; i < b->id.npeers; i++)
		record_note(r, NOTE_RECORD, &b->id.peer[i], "", text);
	if (!i)
		record_note(r, NOTE_RECORD, NULL, "", text);
}

static void end_recording(struct recorder *r, struct bundle *b, const char *why)
{
	struct finishing *f = calloc(1, sizeof(*f)), **last = &r->queue;
	char text[96];

	if (!f) {
		log_err("out of memory: bundle %u is lost", b->id.number);
		bundle_free(b);
		return;
	}
	snprintf(text, sizeof(text), "recording of bundle %u ends%s", b->id.number, why);
	note_mark(r, b, text);
	collect(r, b);
	b->ended = now_ms();
	b->offset = wall_ms() - b->ended;
	f->r = r;
	f->bundle = b;
	while (*last)
		last = &(*last)->next;
	*last = f;
	if (r->queue == f)
		record_finish_next(r);
}

static void on_timer(uv_timer_t *timer)
{
	struct recorder *r = timer->data;
	struct bundle *b = r->current;

	r->current = NULL;
	end_recording(r, b, "");
}

/* ---- the begin ---- */

static void add_peer(struct bundle_id *id, const struct ike_addr *peer, size_t *more)
{
	size_t i;

	for (i = 0; peer && i < id->npeers; i++)
		if (ike_addr_same(&id->peer[i], peer))
			return;
	if (!peer)
		return;
	if (id->npeers < BUNDLE_PEERS)
		id->peer[id->npeers++] = *peer;
	else
		++*more;
}

/* On a busy machine the loop's clock may be late, and the recording would be cut short. */
static void end_after(struct recorder *r, int64_t ms)
{
	uv_update_time(r->d->loop);
	uv_timer_start(r->timer, on_timer, (uint64_t)ms, 0);
}

/* What joins late is recorded as long as the others, but there is an end to it. */
static void extend(struct recorder *r, const struct bundle *b, int64_t after_ms)
{
	int64_t now = now_ms(), most = b->at + AFTER_MOST * after_ms - now;

	if (after_ms > most)
		after_ms = most;
	if (after_ms > (int64_t)uv_timer_get_due_in(r->timer))
		end_after(r, after_ms);
}

static void join(struct recorder *r, struct bundle *b, const struct recording *what)
{
	size_t before = b->id.npeers, i;

	extend(r, b, what->after_ms);

	if (what->class > b->id.class) {
		b->id.class = what->class;
		b->id.first = quota_first(r->recent, r->nrecent, &b->id, now_ms());
	}
	add_peer(&b->id, what->peer, &b->more_peers);
	for (i = 0; i < r->nrecent; i++)
		if (r->recent[i].number == b->id.number)
			r->recent[i] = b->id;
	/* Its past may be gone from the rings when the recording ends. */
	if (b->id.npeers != before)
		collect(r, b);
}

static struct bundle *make(struct recorder *r, const struct recording *what, int64_t now)
{
	struct bundle *b = calloc(1, sizeof(*b));

	if (b)
		b->cause = strdup(what->cause);
	if (!b || !b->cause) {
		free(b);
		return NULL;
	}
	b->id.number = r->next_number++;
	b->id.class = what->class;
	b->id.begun = now;
	b->at = now;
	add_peer(&b->id, what->peer, &b->more_peers);
	b->id.first = quota_first(r->recent, r->nrecent, &b->id, now);
	snprintf(b->boot_id, sizeof(b->boot_id), "%s", r->boot_id);
	b->about = json_incref(what->about);
	return b;
}

static bool allowed(struct recorder *r, const struct recording *what, int64_t now, char *why,
		    size_t size)
{
	struct quota q = record_quota(r->d->conf);
	const char *key;

	record_grow_older(r, now);
	key = quota_refuses(&q, r->recent, r->nrecent, what->class, what->peer, now);
	if (!key)
		return true;
	snprintf(why, size,
		 "enough bundles were begun within the last hour: see %s in invspid.conf(5)", key);
	/* Once, and then not again until there is another one. */
	if (!r->refused++)
		log_notice("not recorded: %s: %s", what->cause, why);
	return false;
}

static void start(struct recorder *r, struct bundle *b, const struct recording *what)
{
	char text[NOTE_MAX];

	log_notice("recording bundle %u (%s)%s: %s", b->id.number, bundle_class_name(b->id.class),
		   what->after_ms ? "" : ", what there is", what->cause);
	snprintf(text, sizeof(text), "recording of bundle %u begins: %s", b->id.number,
		 what->cause);
	note_mark(r, b, text);
	r->refused = 0;
	r->recent[r->nrecent++] = b->id;
	if (!what->after_ms) {
		end_recording(r, b, "");
		return;
	}
	collect(r, b);
	r->current = b;
	end_after(r, what->after_ms);
}

static bool begin(struct recorder *r, const struct recording *what, unsigned int *number, char *why,
		  size_t size)
{
	int64_t now = now_ms();
	struct bundle *b;

	why[0] = '\0';
	if (r->closing)
		return false;
	/* The ring that it would save is being saved, or goes on being filled. */
	if (r->current && what->class == BUNDLE_UNCERTAIN)
		return false;
	if (r->current && what->after_ms) {
		join(r, r->current, what);
		*number = r->current->id.number;
		return true;
	}
	if (!allowed(r, what, now, why, size))
		return false;
	b = make(r, what, now);
	if (!b) {
		snprintf(why, size, "out of memory");
		return false;
	}
	*number = b->id.number;
	start(r, b, what);
	return true;
}

bool record_begin(struct invspid *d, const struct recording *what, unsigned int *number, char *why,
		  size_t size)
{
	bool ret = d->record && begin(d->record, what, number, why, size);

	if (!d->record)
		snprintf(why, size, "out of memory since the start");
	json_decref(what->about);
	return ret;
}

/* ---- the whole ---- */

void record_conf(struct recorder *r)
{
	size_t total = r ? (size_t)r->d->conf->record_memory_kib << 10 : 0;

	if (r)
		rings_limits(r->rings, total, total / RING_SHARE);
}

static void scan(struct recorder *r)
{
	int64_t now = now_ms();
	unsigned int swept;
	size_t i;
	int ret;

	ret = bundles_scan(r->dir, r->boot_id, now, wall_ms(), &r->have, &r->nhave, &swept);
	if (ret) {
		snprintf(r->error, sizeof(r->error), "%s: %s", r->dir, strerror(-ret));
		log_err("cannot read the bundles: %s", r->error);
	}
	if (swept)
		log_notice("removed what was left of %u unfinished bundle%s", swept,
			   swept == 1 ? "" : "s");
	r->next_number = r->nhave ? r->have[r->nhave - 1].number + 1 : 1;
	for (i = 0; i < r->nhave; i++)
		if (r->have[i].begun != LONG_AGO && now - r->have[i].begun < QUOTA_HOUR_MS &&
		    r->nrecent < RECENT_MAX)
			r->recent[r->nrecent++] = r->have[i];
}

struct recorder *record_new(struct invspid *d, const char *state)
{
	struct recorder *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->d = d;
	r->rings = rings_new();
	r->timer = malloc(sizeof(*r->timer));
	if (!r->rings || !r->timer || asprintf(&r->dir, "%s/" BUNDLES_DIR, state) < 0) {
		free(r->timer);
		rings_free(r->rings);
		free(r);
		return NULL;
	}
	uv_timer_init(d->loop, r->timer);
	r->timer->data = r;
	clock_boot_id(r->boot_id, sizeof(r->boot_id));
	r->verbose_at = now_ms();
	record_conf(r);
	scan(r);
	r->listen = xfrm_listen_new(d->loop, record_on_said, r);
	if (!r->listen)
		log_warn("policies and acquires are not recorded: %s", strerror(errno));
	return r;
}

void recorder_free(struct recorder *r)
{
	rings_free(r->rings);
	free(r->have);
	free(r->dir);
	free(r);
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle);
}

void record_free(struct recorder *r)
{
	struct bundle *b;

	if (!r)
		return;
	r->closing = true;
	uv_close((uv_handle_t *)r->timer, on_timer_closed);
	xfrm_listen_free(r->listen);
	r->listen = NULL;
	b = r->current;
	r->current = NULL;
	if (b)
		end_recording(r, b, ": invspid ends");
	record_finish_all(r);
	if (!r->writing)
		recorder_free(r);
}

/* ---- for the control socket ---- */

const char *record_dir(const struct recorder *r)
{
	return r->dir;
}

void record_counts(const struct recorder *r, struct record_counts *c)
{
	size_t i;

	*c = (struct record_counts){ .ok = r && !r->error[0] };
	if (!r)
		return;
	c->bundles = r->nhave;
	for (i = 0; i < r->nhave; i++)
		c->bytes += r->have[i].size;
	c->written = r->written;
	c->failed = r->failed;
}

json_t *record_status(const struct recorder *r)
{
	const char *state = r->current ? "recording" : r->queue ? "writing" : "idle";
	struct record_counts c;

	record_counts(r, &c);
	return json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "state", state,
			 "folder", json_text(r->dir), "bundles", (json_int_t)c.bundles, "bytes",
			 (json_int_t)c.bytes, "written", (json_int_t)c.written, "failed",
			 (json_int_t)c.failed, "refused", (json_int_t)r->refused, "peers",
			 (json_int_t)rings_peers(r->rings), "memory",
			 (json_int_t)rings_bytes(r->rings), "error",
			 r->error[0] ? json_text(r->error) : json_null());
}

json_t *record_live(struct recorder *r, const struct ike_addr *peer)
{
	int64_t now = now_ms(), offset = wall_ms() - now;
	json_t *list = json_array();
	struct notes notes;
	size_t i;

	if (rings_collect(r->rings, peer, peer ? 1 : 0, &notes)) {
		json_decref(list);
		return NULL;
	}
	for (i = 0; i < notes.n; i++)
		json_array_append_new(list, note_json(&notes.note[i], offset, now));
	notes_free(&notes);
	return list;
}
