// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds and modes in memory, written through. The file is written beside the old
 * one, synced and renamed: a power loss leaves either.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "json.h"
#include "log.h"
#include "settings.h"

#define VERSION 1
#define ENTRIES_MAX 10000
#define FILE_MAX (16 << 20)
#define SECONDS_MAX (10 * 366 * 86400LL)

/* A hold, or a mode, of one connection. */
struct entry {
	char *conn, *reason;
	enum mode mode;
	int64_t since_wall, until_wall;
	int64_t until_boot; /* CLOCK_BOOTTIME ms, if @this_boot */
	bool this_boot;
};

struct entries {
	struct entry *e;
	size_t n;
};

struct settings {
	struct settings_env env;
	char boot_id[64];
	char *dir, *path;
	struct entries holds, modes;
	char error[512];
};

/* ---- entries ---- */

static void entry_free(struct entry *e)
{
	free(e->conn);
	free(e->reason);
}

static size_t find(const struct entries *all, const char *conn)
{
	size_t i;

	for (i = 0; i < all->n && strcmp(all->e[i].conn, conn); i++)
		;
	return i;
}

static void drop(struct entries *all, size_t i)
{
	entry_free(&all->e[i]);
	all->e[i] = all->e[--all->n];
}

/* Takes the place of an earlier one of that name. */
static int put(struct entries *all, const struct entry *from)
{
	struct entry copy = *from, *p;
	size_t at = find(all, from->conn);

	if (at == all->n) {
		/* There is always room for a hold on everything. */
		if (all->n >= ENTRIES_MAX && strcmp(from->conn, ALL_CONNS))
			return -ENOSPC;
		p = reallocarray(all->e, all->n + 1, sizeof(*p));
		if (!p)
			return -ENOMEM;
		all->e = p;
	}
	copy.conn = strdup(from->conn);
	copy.reason = strdup(from->reason ? from->reason : "");
	if (!copy.conn || !copy.reason) {
		entry_free(&copy);
		return -ENOMEM;
	}
	if (at < all->n)
		entry_free(&all->e[at]);
	else
		all->n++;
	all->e[at] = copy;
	return 0;
}

static bool is_over(const struct settings *s, const struct entry *e)
{
	if (!e->until_wall)
		return false;
	if (e->this_boot)
		return s->env.boot_ms() >= e->until_boot;
	return s->env.wall_ms() >= e->until_wall;
}

/* ---- the file ---- */

static json_t *to_json(const struct settings *s)
{
	json_t *holds = json_array(), *modes = json_array();
	const struct entry *e;
	size_t i;

	for (i = 0; i < s->holds.n; i++) {
		e = &s->holds.e[i];
		if (is_over(s, e))
			continue;
		json_array_append_new(holds,
				      json_pack("{s:o, s:o, s:I, s:I, s:I}", "conn",
						json_text(e->conn), "reason", json_text(e->reason),
						"since", (json_int_t)e->since_wall, "until",
						(json_int_t)e->until_wall, "until_boot",
						(json_int_t)(e->this_boot ? e->until_boot : 0)));
	}
	for (i = 0; i < s->modes.n; i++) {
		e = &s->modes.e[i];
		json_array_append_new(
			modes, json_pack("{s:o, s:s, s:I}", "conn", json_text(e->conn), "mode",
					 mode_name(e->mode), "since", (json_int_t)e->since_wall));
	}
	return json_pack("{s:i, s:s, s:o, s:o}", "version", VERSION, "boot_id", s->boot_id, "holds",
			 holds, "modes", modes);
}

static int write_all(int fd, const char *data, size_t len)
{
	ssize_t n;

	while (len) {
		n = write(fd, data, len);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return fsync(fd) ? -errno : 0;
}

static int sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = fsync(fd) ? -errno : 0;
	close(fd);
	return ret;
}

static int replace(const struct settings *s, const char *data)
{
	char *new = NULL;
	int fd, ret;

	if (asprintf(&new, "%s.new", s->path) < 0)
		return -ENOMEM;
	unlink(new);
	fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	ret = fd < 0 ? -errno : write_all(fd, data, strlen(data));
	if (fd >= 0 && close(fd) && !ret)
		ret = -errno;
	if (!ret && rename(new, s->path))
		ret = -errno;
	if (ret)
		unlink(new);
	else
		ret = sync_dir(s->dir);
	free(new);
	return ret;
}

/* Return: 0, or 1 if it is in memory only. */
static int save(struct settings *s)
{
	json_t *j = to_json(s);
	char *data = j ? json_dumps(j, JSON_INDENT(1)) : NULL;
	int ret;

	json_decref(j);
	if (!data) {
		ret = -ENOMEM;
	} else {
		if (mkdir(s->dir, 0700) && errno != EEXIST)
			log_debug("cannot make %s: %s", s->dir, strerror(errno));
		ret = replace(s, data);
	}
	free(data);
	s->error[0] = '\0';
	if (!ret)
		return 0;
	snprintf(s->error, sizeof(s->error), "%s cannot be written: %s: a restart forgets changes",
		 s->path, strerror(-ret));
	log_err("settings: %s", s->error);
	return 1;
}

/* ---- reading ---- */

static int take_hold(struct settings *s, json_t *j, bool this_boot)
{
	struct entry e = { 0 };
	json_int_t since, until, until_boot;
	const char *conn, *reason;

	if (json_unpack(j, "{s:s, s:s, s:I, s:I, s:I}", "conn", &conn, "reason", &reason, "since",
			&since, "until", &until, "until_boot", &until_boot))
		return -EINVAL;
	e.conn = (char *)(uintptr_t)conn;
	e.reason = (char *)(uintptr_t)reason;
	e.since_wall = since;
	e.until_wall = until;
	e.until_boot = until_boot;
	e.this_boot = this_boot && until_boot;
	return conn[0] ? put(&s->holds, &e) : -EINVAL;
}

static int take_mode(struct settings *s, json_t *j)
{
	struct entry e = { 0 };
	const char *conn, *mode;
	json_int_t since;
	int m;

	if (json_unpack(j, "{s:s, s:s, s:I}", "conn", &conn, "mode", &mode, "since", &since))
		return -EINVAL;
	for (m = MODE_RECOVER; m <= MODE_OBSERVE && strcmp(mode, mode_name((enum mode)m)); m++)
		;
	if (m > MODE_OBSERVE || !conn[0])
		return -EINVAL;
	e.conn = (char *)(uintptr_t)conn;
	e.mode = (enum mode)m;
	e.since_wall = since;
	return put(&s->modes, &e);
}

static int from_json(struct settings *s, json_t *j, char *why, size_t size)
{
	json_t *holds, *modes, *one;
	const char *boot;
	int version, ret = 0;
	bool this_boot;
	size_t i;

	snprintf(why, size, "it makes no sense");
	if (json_unpack(j, "{s:i}", "version", &version))
		return -EINVAL;
	if (version != VERSION) {
		snprintf(why, size, "it is of version %d, this program knows %d", version, VERSION);
		return -EINVAL;
	}
	if (json_unpack(j, "{s:s, s:o, s:o}", "boot_id", &boot, "holds", &holds, "modes", &modes) ||
	    !json_is_array(holds) || !json_is_array(modes))
		return -EINVAL;
	this_boot = boot[0] && !strcmp(boot, s->boot_id);
	json_array_foreach(holds, i, one)
		ret = ret ? ret : take_hold(s, one, this_boot);
	json_array_foreach(modes, i, one)
		ret = ret ? ret : take_mode(s, one);
	return ret;
}

/* Return: the file's text, to be freed; NULL with errno, ENOENT if there is none. */
static char *read_file(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	char *data;
	ssize_t n;

	*len = 0;
	if (fd < 0)
		return NULL;
	data = NULL;
	errno = EINVAL;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size <= FILE_MAX) {
		errno = EPERM;
		if (st.st_uid == geteuid() && !(st.st_mode & 022))
			data = malloc((size_t)st.st_size + 1);
	}
	while (data && *len < (size_t)st.st_size) {
		n = read(fd, data + *len, (size_t)st.st_size - *len);
		if (n <= 0)
			break;
		*len += (size_t)n;
	}
	close(fd);
	return data;
}

static void hold_everything(struct settings *s, const char *why)
{
	struct entry e = { .conn = (char *)(uintptr_t)ALL_CONNS };
	char reason[600];

	snprintf(reason, sizeof(reason), "%s cannot be used: %s; what was on hold is not known",
		 s->path, why);
	log_err("ALERT: %s: everything is on hold until `invspi hold del all'", reason);
	snprintf(s->error, sizeof(s->error), "%s cannot be used: %s", s->path, why);
	e.reason = reason;
	e.since_wall = s->env.wall_ms();
	put(&s->holds, &e);
}

static void load(struct settings *s)
{
	json_error_t where;
	char why[256];
	json_t *j;
	size_t len;
	char *data = read_file(s->path, &len);

	if (!data && (errno == ENOENT || errno == ENOTDIR))
		return;
	if (!data) {
		hold_everything(s, errno == EPERM ? "others own it or may write to it"
						  : strerror(errno));
		return;
	}
	j = json_loadb(data, len, JSON_REJECT_DUPLICATES, &where);
	free(data);
	if (!j)
		hold_everything(s, where.text);
	else if (from_json(s, j, why, sizeof(why)))
		hold_everything(s, why);
	json_decref(j);
}

struct settings *settings_open(const char *dir, const struct settings_env *env)
{
	struct settings *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->dir = strdup(dir);
	if (!s->dir || asprintf(&s->path, "%s/settings.json", dir) < 0) {
		free(s->dir);
		free(s);
		return NULL;
	}
	if (env) {
		s->env = *env;
		snprintf(s->boot_id, sizeof(s->boot_id), "%s", env->boot_id);
	} else {
		s->env.boot_ms = now_ms;
		s->env.wall_ms = wall_ms;
		clock_boot_id(s->boot_id, sizeof(s->boot_id));
	}
	load(s);
	return s;
}

static void clear(struct entries *all)
{
	while (all->n)
		drop(all, all->n - 1);
	free(all->e);
}

void settings_close(struct settings *s)
{
	if (!s)
		return;
	clear(&s->holds);
	clear(&s->modes);
	free(s->path);
	free(s->dir);
	free(s);
}

const char *settings_error(const struct settings *s)
{
	return s->error[0] ? s->error : NULL;
}

/* ---- changes ---- */

int settings_hold_add(struct settings *s, const char *conn, int64_t seconds, const char *reason)
{
	struct entry e = {
		.conn = (char *)(uintptr_t)conn,
		.reason = (char *)(uintptr_t)reason,
		.since_wall = s->env.wall_ms(),
	};
	int ret;

	if (!conn[0] || seconds < 0 || seconds > SECONDS_MAX)
		return -EINVAL;
	if (seconds) {
		e.this_boot = true;
		e.until_boot = s->env.boot_ms() + seconds * 1000;
		e.until_wall = e.since_wall + seconds * 1000;
	}
	ret = put(&s->holds, &e);
	return ret ? ret : save(s);
}

int settings_hold_del(struct settings *s, const char *conn)
{
	size_t at = find(&s->holds, conn);
	bool over;
	int ret;

	if (at == s->holds.n)
		return -ENOENT;
	over = is_over(s, &s->holds.e[at]);
	drop(&s->holds, at);
	ret = save(s);
	return over ? -ENOENT : ret;
}

int settings_mode_set(struct settings *s, const char *conn, enum mode mode)
{
	struct entry e = {
		.conn = (char *)(uintptr_t)conn,
		.mode = mode,
		.since_wall = s->env.wall_ms(),
	};
	int ret;

	if (!conn[0])
		return -EINVAL;
	ret = put(&s->modes, &e);
	return ret ? ret : save(s);
}

int settings_mode_del(struct settings *s, const char *conn)
{
	size_t at = find(&s->modes, conn);

	if (at == s->modes.n)
		return -ENOENT;
	drop(&s->modes, at);
	return save(s);
}

/* ---- questions ---- */

static bool held(const struct settings *s, const char *conn)
{
	size_t at = find(&s->holds, conn);

	return at < s->holds.n && !is_over(s, &s->holds.e[at]);
}

bool settings_held(const struct settings *s, const char *conn)
{
	return held(s, conn) || held(s, ALL_CONNS);
}

bool settings_mode(const struct settings *s, const char *conn, enum mode *mode)
{
	size_t at = find(&s->modes, conn);

	if (at == s->modes.n)
		return false;
	*mode = s->modes.e[at].mode;
	return true;
}

unsigned int settings_holds(const struct settings *s,
			    void (*cb)(void *arg, const struct setting_hold *hold), void *arg)
{
	struct setting_hold out;
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < s->holds.n; i++) {
		if (is_over(s, &s->holds.e[i]))
			continue;
		out.conn = s->holds.e[i].conn;
		out.reason = s->holds.e[i].reason;
		out.since_wall = s->holds.e[i].since_wall;
		out.until_wall = s->holds.e[i].until_wall;
		if (cb)
			cb(arg, &out);
		n++;
	}
	return n;
}

unsigned int settings_modes(const struct settings *s,
			    void (*cb)(void *arg, const struct setting_mode *mode), void *arg)
{
	struct setting_mode out;
	size_t i;

	for (i = 0; cb && i < s->modes.n; i++) {
		out.conn = s->modes.e[i].conn;
		out.mode = s->modes.e[i].mode;
		out.since_wall = s->modes.e[i].since_wall;
		cb(arg, &out);
	}
	return (unsigned int)s->modes.n;
}
