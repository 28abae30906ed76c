// SPDX-License-Identifier: GPL-2.0-only
/*
 * pluto's log, where it is a file: its lines as events, and as causes of what goes.
 * Read from its end on, a bounded piece at a time; what is written faster than that is
 * passed over. A file that is replaced (logrotate) is followed to its successor.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ike_whack_int.h"
#include "log.h"

#define LINE_MAX_LEN 2000
#define PIECE 65536 /* read at once */
#define PIECE_MS 20 /* ... and not sooner than this after the last */
#define POLL_MS 1000 /* where no event tells of changes, and for replaced files */

/**
 * struct whack_log - the file that is followed
 * @fs, @timer: @handles of them are open
 * @skip: the line at the beginning is not a whole one
 * @buf: a line of which the end has not come, @len bytes
 */
struct whack_log {
	struct ike_whack *ike;
	uv_fs_event_t fs;
	uv_timer_t timer;
	int handles, fd;
	char *path;
	ino_t ino;
	bool skip, missing_told;
	size_t len;
	char buf[LINE_MAX_LEN + PIECE];
};

/* ---- lines ---- */

/* Of what has gone before its cause was written. */
static void correct(struct ike_whack *ike, int64_t now)
{
	struct whack_gone *g;
	enum sa_end end;

	for (g = ike->gone; g < ike->gone + WHACK_GONE && !ike->freed; g++) {
		if (!g->conn || now - g->at > WHACK_CAUSE_MS || g->end != END_UNSEEN)
			continue;
		end = whack_cause_find(&ike->causes, g->conn, g->serial, g->ike, now);
		if (end == END_UNSEEN)
			continue;
		g->end = end;
		if (ike->b.ev.child_down)
			ike->b.ev.child_down(ike->b.arg, g->conn, g->conn, g->spi_in, g->proto,
					     end);
	}
}

/* Not by hand, although it says so. */
static bool is_own(const struct ike_whack *ike, const struct whack_log_line *line, int64_t now)
{
	const struct whack_own *o;

	for (o = ike->own; o < ike->own + OWN; o++)
		if (o->conn && o->conn == line->name.name && now - o->at < OWN_LINE_MS)
			return true;
	return false;
}

/* A CHILD_SA is known to others by its IKE_SA. */
static uint32_t ike_of(const struct ike_whack *ike, uint32_t serial)
{
	const struct whack_known *k = whack_recall(&ike->memory, serial);

	return k && k->ike ? k->ike : serial;
}

static void tell_log(struct ike_whack *ike, const struct whack_log_line *line)
{
	char *msg;

	if (!ike->b.ev.log)
		return;
	msg = strndup(line->msg.s, (size_t)(line->msg.end - line->msg.s));
	if (msg)
		ike->b.ev.log(ike->b.arg, "pluto", line->name.name, ike_of(ike, line->serial), msg);
	free(msg);
}

static void take_line(struct ike_whack *ike, const char *s, size_t len)
{
	struct whack_text text = { s, s + (len < LINE_MAX_LEN ? len : LINE_MAX_LEN) };
	struct whack_log_line line;
	int64_t now = now_ms();

	if (!parse_log_line(text, ike->b.pid, &line))
		return;
	if (line.what == WHACK_LINE_BY_HAND && is_own(ike, &line, now))
		line.what = WHACK_LINE_OTHER;
	whack_cause_note(&ike->causes, &line, now);
	if (line.what == WHACK_LINE_LOADED)
		ike_whack_conns_news(ike);
	if (line.what == WHACK_LINE_STOPPING)
		ike_backend_state(&ike->b, DAEMON_STOPPING, "pluto is shutting down");
	if (!ike->freed)
		tell_log(ike, &line);
	if (!ike->freed && line.what != WHACK_LINE_OTHER)
		correct(ike, now);
	whack_log_line_clear(&line);
}

/* Takes whole lines out of the buffer; a rest that is too long for one is dropped. */
static void take_lines(struct whack_log *log)
{
	struct ike_whack *ike = log->ike;
	char *s = log->buf, *end = s + log->len, *nl;

	while (!ike->freed && ike->log == log && (nl = memchr(s, '\n', (size_t)(end - s)))) {
		if (!log->skip)
			take_line(ike, s, (size_t)(nl - s));
		log->skip = false;
		s = nl + 1;
	}
	if (ike->freed || ike->log != log)
		return;
	log->len = (size_t)(end - s);
	memmove(log->buf, s, log->len);
	if (log->len < LINE_MAX_LEN)
		return;
	if (!log->skip)
		take_line(ike, log->buf, log->len);
	log->skip = true;
	log->len = 0;
}

/* ---- the file ---- */

static void log_close(struct whack_log *log)
{
	if (log->fd >= 0)
		close(log->fd);
	log->fd = -1;
	log->len = 0;
}

/* @at_end: what is in there already is no news. */
static void log_open_file(struct whack_log *log, bool at_end)
{
	struct stat st;

	log->fd = open(log->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (log->fd < 0 || fstat(log->fd, &st) || !S_ISREG(st.st_mode)) {
		if (!log->missing_told)
			log_info("libreswan: %s cannot be followed: %s", log->path,
				 log->fd < 0 ? strerror(errno) : "not a regular file");
		log->missing_told = true;
		log_close(log);
		return;
	}
	log->ino = st.st_ino;
	log->skip = false;
	log->missing_told = false;
	if (at_end)
		lseek(log->fd, 0, SEEK_END);
}

/* Has another file taken its name, or was it cut? */
static bool is_replaced(const struct whack_log *log)
{
	struct stat st;

	return stat(log->path, &st) || st.st_ino != log->ino ||
	       st.st_size < lseek(log->fd, 0, SEEK_CUR);
}

/* Return: whether there may be more. */
static bool read_piece(struct whack_log *log)
{
	ssize_t n = read(log->fd, log->buf + log->len, PIECE);
	struct stat st;

	if (n <= 0)
		return false;
	log->len += (size_t)n;
	/* Written faster than we want to read: go on at its end. */
	if (n == PIECE && !fstat(log->fd, &st) &&
	    st.st_size - lseek(log->fd, 0, SEEK_CUR) > 4 * PIECE) {
		lseek(log->fd, 0, SEEK_END);
		log->skip = true;
		log->len = 0;
	}
	return n == PIECE;
}

static void on_timer(uv_timer_t *timer);

static void on_change(uv_fs_event_t *fs, const char *name, int events, int status)
{
	struct whack_log *log = fs->data;

	(void)name;
	(void)events;
	(void)status;
	if (uv_timer_get_due_in(&log->timer) > PIECE_MS)
		uv_timer_start(&log->timer, on_timer, PIECE_MS, 0);
}

static void on_timer(uv_timer_t *timer)
{
	struct whack_log *log = timer->data;
	struct ike_whack *ike = log->ike;
	bool more = false;

	if (log->fd >= 0)
		more = read_piece(log);
	uv_timer_start(timer, on_timer, more ? PIECE_MS : POLL_MS, 0);
	take_lines(log);
	if (ike->freed || ike->log != log || more || (log->fd >= 0 && !is_replaced(log)))
		return;
	log_close(log);
	log_open_file(log, false);
	uv_fs_event_stop(&log->fs);
	if (log->fd >= 0)
		uv_fs_event_start(&log->fs, on_change, log->path, 0);
}

/* ---- the object ---- */

static void on_closed(uv_handle_t *handle)
{
	struct whack_log *log = handle->data;

	if (--log->handles)
		return;
	free(log->path);
	free(log);
}

void whack_log_follow(struct ike_whack *ike, const char *path)
{
	struct whack_log *log = ike->log;

	if (log && path && !strcmp(log->path, path))
		return;
	whack_log_end(ike);
	log = path ? calloc(1, sizeof(*log)) : NULL;
	if (log)
		log->path = strdup(path);
	if (!log || !log->path) {
		free(log);
		return;
	}
	log->ike = ike;
	log->fd = -1;
	uv_fs_event_init(ike->loop, &log->fs);
	uv_timer_init(ike->loop, &log->timer);
	log->fs.data = log;
	log->timer.data = log;
	log->handles = 2;
	ike->log = log;
	log_open_file(log, true);
	if (log->fd >= 0)
		uv_fs_event_start(&log->fs, on_change, log->path, 0);
	uv_timer_start(&log->timer, on_timer, POLL_MS, 0);
}

void whack_log_end(struct ike_whack *ike)
{
	struct whack_log *log = ike->log;

	if (!log)
		return;
	ike->log = NULL;
	log_close(log);
	uv_close((uv_handle_t *)&log->fs, on_closed);
	uv_close((uv_handle_t *)&log->timer, on_closed);
}
