/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside of the flight recorder. */
#ifndef INVSPID_RECORD_INT_H
#define INVSPID_RECORD_INT_H

#include "bundle.h"
#include "child.h"
#include "daemon.h"
#include "record.h"
#include "xfrm_listen.h"

#define IKE_IDS 1024
#define RECENT_MAX 128 /* more than per_hour allows in an hour, of all classes */

/* Whose IKE_SA that is or was. */
struct ike_id_of {
	uint32_t id;
	struct ike_addr addr;
};

/**
 * struct finishing - a bundle between the end of its recording and the disk
 * @step: number of the next capture
 * @name, @how: of the command that runs
 */
struct finishing {
	struct finishing *next;
	struct recorder *r;
	struct bundle *bundle;
	unsigned int step;
	struct child *child;
	char name[64], how[256];
	uv_work_t work;
	unsigned int *evict;
	size_t nevict;
	int result;
	char err[512];
};

/**
 * struct recorder
 * @dir: where bundles are
 * @id: by unique id modulo IKE_IDS
 * @have: bundles on disk, @nhave of them
 * @recent: bundles begun within the last hour, the oldest first
 * @current: what is being recorded, NULL if nothing
 * @queue: what is to be finished; the first is under way
 * @writing: a thread has it: we wait for that
 * @error: why the last bundle was not written, "" if it was
 * @refused: how many recordings were not begun for want of budget since the last one
 */
struct recorder {
	struct invspid *d;
	char *dir;
	char boot_id[64];
	struct rings *rings;
	struct xfrm_listen *listen;
	struct ike_id_of id[IKE_IDS];
	struct bundle_id *have, recent[RECENT_MAX];
	size_t nhave, nrecent;
	unsigned int next_number;
	struct bundle *current;
	uv_timer_t *timer;
	struct finishing *queue;
	bool writing, closing;
	char error[512];
	uint64_t written, failed, refused;
	double verbose_tokens;
	int64_t verbose_at;
};

/* record_note.c */
void record_note(struct recorder *r, enum note_kind kind, const struct ike_addr *peer,
		 const char *conn, const char *text);
void record_on_said(void *arg, const struct xfrm_said *said);

/* record.c */
struct quota record_quota(const struct conf *c);
void record_forget(struct recorder *r, unsigned int number);
void record_is_there(struct recorder *r, const struct bundle_id *id);
void record_grow_older(struct recorder *r, int64_t now);
void recorder_free(struct recorder *r);

/* record_finish.c: the first one of the queue; all of it at once, at the end */
void record_finish_next(struct recorder *r);
void record_finish_all(struct recorder *r);
void finish_write(struct finishing *f);

/* record_capture.c: adds to the bundle what is asked, then calls finish_write() */
void finish_capture(struct finishing *f);

#endif
