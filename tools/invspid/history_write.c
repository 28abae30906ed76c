// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queue and writer thread. The thread takes the whole queue at once and writes
 * it in one transaction: 100 ms after the first entry, at once if an entry is
 * urgent (an end, a rekey). What could not be written is tried again; the rows
 * stay in memory until they are on disk.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "history_db.h"
#include "log.h"

#define BATCH_MS 100
#define RETRY_MS 2000
#define PRUNE_EVERY 256 /* new rows */
#define MANY 1024 /* changes: they have taken some memory */

enum { ST_ROW, ST_ACTION, ST_META };

static const char *const statements[] = {
	[ST_ROW] = "INSERT OR REPLACE INTO sa (" SA_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7,"
		   " ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23,"
		   " ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35)",
	[ST_ACTION] = "INSERT INTO action (" ACTION_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6,"
		      " ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
	[ST_META] = "UPDATE meta SET boot_id = ?1, base = ?2, last = ?3, last_alive = ?4,"
		    " daemon_pid = ?5, daemon_start = ?6, last_wall = ?7",
};

_Static_assert(SA_COLUMN_COUNT == 35, "as in the statement");

/* ---- errors ---- */

static void set_error(struct writer *w, int code, const char *text)
{
	if (strcmp(w->error, text))
		log_err("history: %s", text);
	w->error_code = code;
	snprintf(w->error, sizeof(w->error), "%s", text);
}

void writer_error(struct writer *w, int code, const char *format, ...)
{
	char text[sizeof(w->error)];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	pthread_mutex_lock(&w->lock);
	set_error(w, code, text);
	pthread_mutex_unlock(&w->lock);
}

/**
 * writer_flag() - say in the lock's file whether the history's lacks changes
 *
 * Written in place into a block that the file has had since it was made, which
 * works on a full disk too.
 */
void writer_flag(struct writer *w, bool flag)
{
	if (w->flag == flag || w->flag_fd < 0)
		return;
	if (pwrite(w->flag_fd, flag ? "1" : "0", 1, 0) == 1)
		w->flag = flag;
	fdatasync(w->flag_fd);
}

/* ---- the thread: one transaction ---- */

static void bind_action(sqlite3_stmt *stmt, const struct hist_action *a, int64_t done)
{
	int len = a->src.family == AF_INET ? 4 : a->src.family == AF_INET6 ? 16 : 0;

	bind_text(stmt, 1, a->conn);
	bind_text(stmt, 2, a->child);
	sqlite3_bind_int64(stmt, 3, a->spi);
	sqlite3_bind_blob(stmt, 4, a->src.addr, len, SQLITE_TRANSIENT);
	bind_text(stmt, 5, grade_name(a->grade));
	bind_text(stmt, 6, action_name(a->action));
	bind_text(stmt, 7, outcome_name(a->outcome));
	sqlite3_bind_int64(stmt, 8, a->first_drop);
	sqlite3_bind_int64(stmt, 9, a->verdict);
	sqlite3_bind_int64(stmt, 10, a->acted);
	sqlite3_bind_int64(stmt, 11, a->first_new);
	sqlite3_bind_int64(stmt, 12, a->wall);
	sqlite3_bind_int64(stmt, 13, done);
}

static int run(sqlite3_stmt *stmt)
{
	int rc = sqlite3_step(stmt);

	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int write_one(struct writer *w, const struct op *op)
{
	switch (op->type) {
	case OP_ROW:
		sa_bind(w->stmt[ST_ROW], &op->sa, op->ord);
		w->since_prune += op->fresh;
		return run(w->stmt[ST_ROW]);
	case OP_ACTION:
		bind_action(w->stmt[ST_ACTION], &op->action, op->done);
		return run(w->stmt[ST_ACTION]);
	}
	return SQLITE_MISUSE;
}

static int write_meta_row(struct writer *w, const struct hist_meta *m)
{
	sqlite3_stmt *stmt = w->stmt[ST_META];

	bind_text(stmt, 1, m->boot_id);
	sqlite3_bind_int64(stmt, 2, m->base);
	sqlite3_bind_int64(stmt, 3, m->last);
	sqlite3_bind_int64(stmt, 4, m->last_alive);
	sqlite3_bind_int64(stmt, 5, m->daemon_pid);
	sqlite3_bind_int64(stmt, 6, m->daemon_start);
	sqlite3_bind_int64(stmt, 7, m->last_wall);
	return run(stmt);
}

static int transaction(struct writer *w, const struct op *batch, const struct hist_meta *m)
{
	const struct op *op;
	int rc;

	rc = sqlite3_exec(w->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	for (op = batch; rc == SQLITE_OK && op; op = op->next)
		rc = write_one(w, op);
	if (rc == SQLITE_OK)
		rc = write_meta_row(w, m);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(w->db, "COMMIT", NULL, NULL, NULL);
	return rc;
}

/* Return: 0 or -errno, with the text in @text. */
static int write_batch(struct writer *w, const struct op *batch, const struct hist_meta *m,
		       char *text, size_t size)
{
	int rc, tries;

	for (tries = 0; tries < 2; tries++) {
		rc = transaction(w, batch, m);
		if (rc == SQLITE_OK)
			break;
		snprintf(text, size, "writing %s: %s", w->path, sqlite3_errmsg(w->db));
		if (!sqlite3_get_autocommit(w->db))
			sqlite3_exec(w->db, "ROLLBACK", NULL, NULL, NULL);
		/* Also what our own limit of size says: then there is something to drop. */
		if ((rc & 0xff) != SQLITE_FULL || prune(w, m->last, true))
			break;
	}
	if (rc == SQLITE_OK && w->since_prune >= PRUNE_EVERY) {
		w->since_prune = 0;
		prune(w, m->last, false);
	}
	return db_errno(rc);
}

/* ---- the thread: loop ---- */

/* On the clock of the conditions. */
static struct timespec from_now(int64_t ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += ms / 1000;
	ts.tv_nsec += ms % 1000 * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	return ts;
}

static void wait_ms(struct writer *w, int64_t ms)
{
	struct timespec ts = from_now(ms);

	while (!w->urgent && !w->stop)
		if (pthread_cond_timedwait(&w->wake, &w->lock, &ts) == ETIMEDOUT)
			break;
}

/* Appends the queue to @tail. Return: the new tail. */
static struct op **take_queue(struct writer *w, struct op **tail)
{
	*tail = w->first;
	if (w->first)
		tail = w->last;
	w->first = NULL;
	w->last = &w->first;
	w->batch_n += w->n;
	w->n = 0;
	w->batch_no++;
	w->urgent = false;
	w->meta_dirty = false;
	return tail;
}

static void op_free(struct op *op)
{
	free(op->strings);
	free(op);
}

/* What is on disk the rows need not wait for any more. */
static void free_batch(struct op *batch, unsigned int n)
{
	struct op *op;

	while ((op = batch)) {
		batch = op->next;
		if (op->row)
			op->row->pending--;
		op_free(op);
	}
	if (n >= MANY)
		memory_give_back();
}

static void batch_written(struct writer *w)
{
	w->written += w->batch_n;
	w->batch_n = 0;
	if (w->error_code) {
		log_notice("history: writing works again");
		w->error_code = 0;
		w->error[0] = '\0';
	}
	pthread_cond_broadcast(&w->wrote);
}

/* Smaller than the file is, and the next prune makes room in it. */
static void limits(struct writer *w)
{
	limit_size(w);
	w->since_prune = PRUNE_EVERY;
}

static void *writer_main(void *arg)
{
	struct writer *w = arg;
	struct op *batch = NULL, **tail = &batch;
	unsigned int n;
	char text[sizeof(w->error)];
	struct hist_meta meta;
	bool stop, changed, lost;
	int ret;

	pthread_mutex_lock(&w->lock);
	do {
		while (!batch && !w->first && !w->meta_dirty && !w->stop)
			pthread_cond_wait(&w->wake, &w->lock);
		wait_ms(w, batch ? RETRY_MS : BATCH_MS);
		stop = w->stop;
		tail = take_queue(w, tail);
		meta = w->meta;
		changed = w->new_limits;
		lost = w->dropped;
		n = w->batch_n;
		pthread_mutex_unlock(&w->lock);

		if (changed)
			limits(w);
		ret = write_batch(w, batch, &meta, text, sizeof(text));
		writer_flag(w, ret || lost);
		if (!ret) {
			free_batch(batch, n);
			batch = NULL;
			tail = &batch;
		}

		pthread_mutex_lock(&w->lock);
		if (ret) {
			set_error(w, ret, text);
			w->fails++;
			w->meta_dirty = true;
			pthread_cond_broadcast(&w->wrote);
			/* Nothing but meta to write: it has to wait as well. */
			if (!batch && !stop)
				wait_ms(w, RETRY_MS);
		} else {
			batch_written(w);
		}
	} while (!stop);
	/* What is left was tried and could not be written. */
	*tail = w->first;
	w->first = batch;
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* ---- the caller's side ---- */

/* From here on there is a queue. */
int writer_prepare(struct history *h)
{
	struct writer *w = &h->w;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
		rc = sqlite3_prepare_v3(w->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
					&w->stmt[i], NULL);
		if (rc != SQLITE_OK)
			return db_errno(rc);
	}
	limit_size(w);
	w->meta = h->meta;
	w->since_prune = PRUNE_EVERY;
	w->open = true;
	return 0;
}

int writer_start(struct history *h)
{
	struct writer *w = &h->w;
	sigset_t all, old;
	int rc;

	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&w->thread, NULL, writer_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	w->running = !rc;
	return -rc;
}

void writer_stop(struct history *h)
{
	struct writer *w = &h->w;
	struct op *op;
	size_t i;

	if (w->running) {
		pthread_mutex_lock(&w->lock);
		w->stop = true;
		pthread_cond_signal(&w->wake);
		pthread_mutex_unlock(&w->lock);
		pthread_join(w->thread, NULL);
		w->running = false;
	}
	w->open = false;
	while ((op = w->first)) {
		w->first = op->next;
		op_free(op);
	}
	w->last = &w->first;
	w->n = 0;
	for (i = 0; i < sizeof(w->stmt) / sizeof(w->stmt[0]); i++) {
		sqlite3_finalize(w->stmt[i]);
		w->stmt[i] = NULL;
	}
	sqlite3_close(w->db);
	w->db = NULL;
}

static void enqueue(struct writer *w, struct op *op, bool urgent)
{
	op->next = NULL;
	*w->last = op;
	w->last = &op->next;
	w->n++;
	w->queued++;
	w->urgent |= urgent;
	pthread_cond_signal(&w->wake);
}

static bool queue_full(struct writer *w)
{
	if (w->n + w->batch_n < HIST_QUEUE_MAX)
		return false;
	if (!w->dropped++)
		log_err("history: %u changes wait for the disk: later ones are not recorded",
			HIST_QUEUE_MAX);
	return true;
}

int write_op(struct history *h, struct op *op, bool urgent)
{
	struct writer *w = &h->w;
	bool full;

	if (!w->open) {
		op_free(op);
		return w->error_code ? w->error_code : -EROFS;
	}
	pthread_mutex_lock(&w->lock);
	full = queue_full(w);
	if (!full)
		enqueue(w, op, urgent);
	pthread_mutex_unlock(&w->lock);
	if (full)
		op_free(op);
	return full ? -ENOSPC : 0;
}

/* A row that is queued already is only brought up to date there. */
void write_row(struct history *h, struct row *row, bool urgent)
{
	struct writer *w = &h->w;
	struct hist_sa sa = row->sa;
	bool full = false;
	char *strings;
	struct op *op;

	if (!w->open || hist_strings(&sa, &strings))
		return;
	op = calloc(1, sizeof(*op));
	if (!op) {
		free(strings);
		return;
	}
	pthread_mutex_lock(&w->lock);
	if (row->pending && row->op && row->op_batch == w->batch_no) {
		free(op);
		op = row->op;
		free(op->strings);
		w->urgent |= urgent;
		if (urgent)
			pthread_cond_signal(&w->wake);
	} else {
		full = queue_full(w);
		if (!full) {
			op->type = OP_ROW;
			op->row = row;
			op->fresh = !row->stored;
			row->op = op;
			row->op_batch = w->batch_no;
			row->pending++;
			row->stored = true;
			enqueue(w, op, urgent);
		}
	}
	op->sa = sa;
	op->ord = row->ord;
	op->strings = strings;
	pthread_mutex_unlock(&w->lock);
	if (full)
		op_free(op);
}

void write_meta(struct history *h)
{
	struct writer *w = &h->w;

	h->meta.last_wall = h->meta.last ? hist_wall(h, h->meta.last) : 0;
	pthread_mutex_lock(&w->lock);
	w->meta = h->meta;
	w->meta_dirty = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

/* Waits until all that is queued is on disk, or could not be written, or @ms have passed. */
int write_wait(struct history *h, int64_t ms)
{
	struct writer *w = &h->w;
	uint64_t target, fails;
	struct timespec ts = from_now(ms);
	int ret = 0;

	if (!w->running)
		return w->error_code ? w->error_code : -EROFS;
	pthread_mutex_lock(&w->lock);
	target = w->queued;
	fails = w->fails;
	w->urgent = true;
	pthread_cond_signal(&w->wake);
	while (w->written < target && w->fails == fails && ret != ETIMEDOUT)
		ret = pthread_cond_timedwait(&w->wrote, &w->lock, &ts);
	if (w->written >= target)
		ret = 0;
	else
		ret = w->fails != fails ? w->error_code : -ETIMEDOUT;
	pthread_mutex_unlock(&w->lock);
	return ret;
}
