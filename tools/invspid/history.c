// SPDX-License-Identifier: GPL-2.0-only
/*
 * The history: taking in what the daemon tells, and answering. See
 * history_int.h for the files, the threads and the clock.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "history_int.h"
#include "log.h"

#define RECLASSIFY_MS 2000 /* what ended so shortly before the daemon ended with it */
#define CORRECT_MS 10000 /* so long a more telling cause may follow */

int64_t hist_in(const struct history *h, int64_t t)
{
	return t <= LONG_AGO ? 0 : h->meta.base + t;
}

int64_t hist_out(const struct history *h, int64_t t)
{
	return t < h->meta.base ? LONG_AGO : t - h->meta.base;
}

/**
 * hist_wall() - wall clock at a time of the history's clock, as far as we can tell
 *
 * Steps of the wall clock since then are not known.
 */
int64_t hist_wall(const struct history *h, int64_t t)
{
	if (t < h->meta.base)
		return h->wall_before ? h->wall_before - (h->meta.base - 1 - t) : 0;
	return h->env.wall_ms() - (hist_in(h, h->env.boot_ms()) - t);
}

/* ---- open and close ---- */

static char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *text(const char *format, ...)
{
	char *s = NULL;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&s, format, ap) < 0)
		s = NULL;
	va_end(ap);
	return s;
}

static int make_dir(const char *dir)
{
	struct stat st;

	if (mkdir(dir, 0700) && errno != EEXIST)
		return -errno;
	if (stat(dir, &st))
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (st.st_uid && st.st_uid != geteuid()) {
		log_err("history: %s belongs to user %u: run `chown %u %s`", dir,
			(unsigned int)st.st_uid, (unsigned int)geteuid(), dir);
		return -EPERM;
	}
	if (st.st_mode & 022)
		log_warn("history: others may write to %s: run `chmod 700 %s`", dir, dir);
	return 0;
}

/*
 * The lock's only byte is the writer's flag; it is written now so that it has a
 * block of its own when the disk is full. -EWOULDBLOCK: another process has it.
 */
static int take_lock(struct history *h)
{
	char path[4096];
	struct stat st;

	snprintf(path, sizeof(path), "%s/history.lock", h->dir);
	h->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (h->lock_fd < 0)
		return -errno;
	if (flock(h->lock_fd, LOCK_EX | LOCK_NB))
		return -errno;
	if (fstat(h->lock_fd, &st) || !S_ISREG(st.st_mode))
		return -EINVAL;
	if (!st.st_size && (pwrite(h->lock_fd, "0", 1, 0) != 1 || fsync(h->lock_fd)))
		return -errno;
	h->w.flag_fd = h->lock_fd;
	return 0;
}

static void end_alive(struct history *h, enum sa_end end, int64_t at, bool at_last_alive)
{
	struct row *row;
	struct kid *k;

	for (k = h->kids; k; k = k->next)
		while ((row = k->alive))
			row_end(h, row, end, at_last_alive ? row->sa.last_alive : at);
}

/*
 * What the kernel had lost and the daemon still had: nobody has told the peer, so
 * with the daemon it is lost like the rest.
 */
static void end_unhealed(struct history *h, enum sa_end end)
{
	struct row *row;
	struct kid *k;

	for (k = h->kids; k; k = k->next) {
		row = kid_newest(k);
		if (row && row->sa.end == END_KERNEL_LOST)
			row_end(h, row, end, row->sa.ended_at);
	}
}

/*
 * Rows of an earlier boot, and children about whose end the file may lack the word
 * of the daemon.
 */
static void end_at_open(struct history *h)
{
	struct row *row, *next;
	struct kid *k;

	for (k = h->kids; k; k = k->next) {
		for (row = k->alive; row; row = next) {
			next = row->alive_next;
			if (h->w.flag)
				row_end(h, row, END_UNSEEN, row->sa.last_alive);
			else if (row->sa.last_alive < h->meta.base)
				row_end(h, row, END_MACHINE_DOWN, row->sa.last_alive);
		}
		row = kid_newest(k);
		/* It may have been up since, and closed. */
		if (row && h->w.flag && end_is_wanted(row->sa.end))
			row_end(h, row, END_UNSEEN, row->sa.ended_at);
		if (row && row->sa.end == END_KERNEL_LOST && row->sa.ended_at < h->meta.base)
			row_end(h, row, END_MACHINE_DOWN, row->sa.ended_at);
	}
}

/* As if there were no file. */
static void empty(struct history *h)
{
	memset(h->spi, 0, sizeof(h->spi));
	memset(h->kid, 0, sizeof(h->kid));
	memset(h->conn, 0, sizeof(h->conn));
	memset(&h->meta, 0, sizeof(h->meta));
	h->ended = NULL;
	h->ended_last = &h->ended;
	h->nended = 0;
	h->bloom = NULL;
	h->spi_min = UINT32_MAX;
	h->spi_max = 0;
	h->next_id = 1;
	h->ord = 0;
	h->wall_before = 0;
}

static struct history *hist_alloc(const char *dir, const struct hist_env *env)
{
	struct history *h = calloc(1, sizeof(*h));
	pthread_condattr_t attr;

	if (!h)
		return NULL;
	h->dir = strdup(dir);
	if (!h->dir || asprintf(&h->w.path, "%s/history.db", dir) < 0) {
		free(h->dir);
		free(h);
		return NULL;
	}
	h->env = *env;
	h->row_pool.size = sizeof(struct row);
	h->kid_pool.size = sizeof(struct kid);
	h->lock_fd = -1;
	h->w.flag_fd = -1;
	empty(h);
	h->reaped_at = LONG_AGO;
	h->heartbeat_at = LONG_AGO;
	h->w.last = &h->w.first;
	h->w.days = HIST_DAYS;
	h->w.mib = HIST_MIB;
	(void)!getrandom(&h->seed, sizeof(h->seed), GRND_NONBLOCK);
	pthread_mutex_init(&h->w.lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&h->w.wake, &attr);
	pthread_cond_init(&h->w.wrote, &attr);
	pthread_condattr_destroy(&attr);
	return h;
}

static void hist_free(struct history *h)
{
	db_close(h);
	rows_free(h);
	if (h->lock_fd >= 0)
		close(h->lock_fd);
	pthread_cond_destroy(&h->w.wake);
	pthread_cond_destroy(&h->w.wrote);
	pthread_mutex_destroy(&h->w.lock);
	free(h->bloom);
	free(h->w.path);
	free(h->dir);
	free(h);
}

/* What was loaded before the file turned out to be unusable must not count. */
static void forget_all(struct history *h)
{
	rows_free(h);
	free(h->bloom);
	empty(h);
}

struct history *hist_open_env(const char *dir, const struct hist_env *env, char **err)
{
	struct history *h = hist_alloc(dir, env);
	int ret;

	if (!h) {
		*err = text("out of memory");
		errno = ENOMEM;
		return NULL;
	}
	ret = make_dir(dir);
	if (!ret)
		ret = take_lock(h);
	if (ret == -EWOULDBLOCK) {
		*err = text("%s is in use by another invspid: stop that one, or use --state DIR",
			    dir);
		hist_free(h);
		errno = EWOULDBLOCK;
		return NULL;
	}
	if (!ret)
		ret = db_open(h);
	if (!ret)
		ret = writer_prepare(h);
	if (!ret) {
		/* Queued before the thread starts: all in one transaction. */
		end_at_open(h);
		write_meta(h);
		ret = writer_start(h);
	}
	h->env.boot_id = NULL;
	if (ret) {
		writer_stop(h);
		writer_flag(&h->w, true);
		db_close(h);
		forget_all(h);
		writer_error(&h->w, ret,
			     "%s cannot be used: %s: the history is kept in memory only", h->w.path,
			     ret == -EUCLEAN ? "corrupt" : strerror(-ret));
	}
	return h;
}

struct history *hist_open(const char *dir, char **err)
{
	char boot_id[64];
	struct hist_env env = { boot_id, now_ms, wall_ms };

	clock_boot_id(boot_id, sizeof(boot_id));
	return hist_open_env(dir, &env, err);
}

void hist_close(struct history *h)
{
	if (!h)
		return;
	if (h->w.running) {
		h->meta.last = hist_in(h, h->env.boot_ms());
		write_meta(h);
	}
	writer_stop(h);
	hist_free(h);
}

int hist_flush(struct history *h)
{
	return write_wait(h, 30000);
}

const char *hist_error(struct history *h)
{
	pthread_mutex_lock(&h->w.lock);
	memcpy(h->error, h->w.error, sizeof(h->error));
	pthread_mutex_unlock(&h->w.lock);
	return h->error[0] ? h->error : NULL;
}

const char *hist_path(const struct history *h)
{
	return h->w.path;
}

void hist_limits(struct history *h, unsigned int days, unsigned int mib)
{
	pthread_mutex_lock(&h->w.lock);
	h->w.days = days;
	h->w.mib = mib;
	h->w.new_limits = true;
	pthread_mutex_unlock(&h->w.lock);
	if (h->w.running)
		write_meta(h);
}

/* ---- the daemon ---- */

static void touch(struct history *h, int64_t now)
{
	int64_t t = hist_in(h, now);

	if (t > h->meta.last)
		h->meta.last = t;
}

void hist_daemon(struct history *h, pid_t pid, uint64_t starttime, int64_t now)
{
	if (h->meta.daemon_pid != pid || h->meta.daemon_start != (int64_t)starttime) {
		end_unhealed(h, END_DAEMON_LOST);
		end_alive(h, END_DAEMON_LOST, 0, true);
	}
	h->meta.daemon_pid = pid;
	h->meta.daemon_start = (int64_t)starttime;
	touch(h, now);
	write_meta(h);
}

/* Ends that the peer is told of in a DELETE, which may not have left in time. */
static bool needs_delete(enum sa_end end)
{
	return end == END_DELETED_LOCAL || end == END_REKEYED || end == END_KERNEL_LOST;
}

void hist_daemon_lost(struct history *h, bool gone, int64_t now)
{
	struct row *row;

	if (!gone)
		return;
	for (row = h->ended; row; row = row->ended_next)
		if (needs_delete(row->sa.end) &&
		    row->sa.ended_at >= hist_in(h, now) - RECLASSIFY_MS)
			row_end(h, row, END_DAEMON_LOST, row->sa.ended_at);
	end_unhealed(h, END_DAEMON_LOST);
	end_alive(h, END_DAEMON_LOST, hist_in(h, now), false);
	touch(h, now);
	write_meta(h);
}

/* ---- ends ---- */

/*
 * Which of two causes says more. The kernel's deletion is seen before the
 * daemon tells why; the daemon first says that an SA is gone, and then, in
 * another message, that the operator or the peer wanted it. After a rekey the
 * old SA is deleted in order: it stays rekeyed.
 */
static int telling(enum sa_end end)
{
	switch (end) {
	case END_NONE:
	case END__COUNT:
		return 0;
	case END_UNSEEN:
		return 1;
	case END_KERNEL_LOST:
		return 2;
	case END_DELETED_LOCAL:
		return 3;
	case END_DAEMON_LOST:
	case END_MACHINE_DOWN:
	case END_EXPIRED:
		return 4;
	case END_INACTIVITY:
	case END_GAVE_UP:
	case END_REPLACED:
		return 5;
	case END_DELETED_PEER:
		return 6;
	case END_OPERATOR:
		return 7;
	case END_REKEYED:
		return 8;
	}
	return 0;
}

static bool may_correct(const struct history *h, const struct row *row, enum sa_end end,
			int64_t now)
{
	if (telling(end) <= telling(row->sa.end))
		return false;
	/* The daemon may go on with an SA that the kernel has lost for long. */
	return row->sa.end == END_KERNEL_LOST || row->sa.ended_at >= hist_in(h, now) - CORRECT_MS;
}

void hist_end(struct history *h, uint32_t spi, uint8_t proto, enum sa_end end, int64_t now)
{
	struct row *row = row_by_spi(h, spi, proto);

	if (!row || end == END_NONE)
		return;
	touch(h, now);
	if (row->sa.end == END_NONE) {
		row->sa.last_alive = hist_in(h, now);
		row_end(h, row, end, hist_in(h, now));
	} else if (may_correct(h, row, end, now)) {
		row_end(h, row, end, row->sa.ended_at);
	}
}

/* The successor has all that its predecessor had; the next listing says the rest. */
static struct row *successor(struct history *h, const struct row *old, uint32_t spi, int64_t now)
{
	struct hist_sa sa = old->sa;
	struct row *row;

	sa.id = 0;
	sa.spi = spi;
	sa.rekeyed_from = old->sa.spi;
	sa.rekeyed_to = 0;
	sa.installed_at = hist_in(h, now);
	sa.last_alive = sa.installed_at;
	sa.end = END_NONE;
	sa.ended_at = 0;
	sa.ended_wall = 0;
	sa.installed_wall = hist_wall(h, sa.installed_at);
	row = row_new(h, &sa);
	if (!row || row_insert(h, row)) {
		row_free(h, row);
		return NULL;
	}
	row->seen_at = now;
	return row;
}

void hist_rekey(struct history *h, uint32_t spi_old, uint32_t spi_new, uint8_t proto, int64_t now)
{
	struct row *old = row_by_spi(h, spi_old, proto), *next = row_by_spi(h, spi_new, proto);

	touch(h, now);
	if (old) {
		old->sa.rekeyed_to = spi_new;
		/* For the peer it ends now, however long ago the kernel lost it. */
		if (old->sa.end == END_KERNEL_LOST)
			old->sa.ended_at = hist_in(h, now);
		if (old->sa.end == END_NONE || may_correct(h, old, END_REKEYED, now))
			row_end(h, old, END_REKEYED,
				old->sa.end == END_NONE ? hist_in(h, now) : old->sa.ended_at);
		else
			write_row(h, old, false);
	}
	if (next && next->sa.end == END_NONE) {
		next->sa.rekeyed_from = spi_old;
	} else if (old) {
		next = successor(h, old, spi_new, now);
	} else {
		/* The listing that tells of it is still to come. */
		h->lineage[h->lineage_next].old = spi_old;
		h->lineage[h->lineage_next].new = spi_new;
		h->lineage[h->lineage_next].proto = proto;
		h->lineage_next = (h->lineage_next + 1) % HIST_LINEAGES;
		return;
	}
	if (next)
		write_row(h, next, true);
}

/* ---- actions ---- */

void hist_action(struct history *h, const struct hist_action *a)
{
	struct hist_sa names = { .conn = a->conn, .child = a->child };
	struct op *op = calloc(1, sizeof(*op));

	if (!op || hist_strings(&names, &op->strings)) {
		free(op);
		return;
	}
	op->type = OP_ACTION;
	op->action = *a;
	op->action.conn = names.conn;
	op->action.child = names.child;
	op->action.first_drop = a->first_drop ? hist_in(h, a->first_drop) : 0;
	op->action.verdict = a->verdict ? hist_in(h, a->verdict) : 0;
	op->action.acted = a->acted ? hist_in(h, a->acted) : 0;
	op->action.first_new = a->first_new ? hist_in(h, a->first_new) : 0;
	op->done = hist_in(h, h->env.boot_ms());
	write_op(h, op, false);
}
