// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bundles on disk; see bundle.h. Everything goes through descriptors of the folders,
 * and no link is followed, so that nothing outside of them is ever written or removed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundle.h"
#include "decide.h"
#include "parse.h"
#include "redact.h"

#define NAME_LEN 32
#define META "bundle.json"
#define META_MAX (256 << 10)
#define UNFINISHED ".new-"
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* ---- in memory ---- */

void bundle_free(struct bundle *b)
{
	size_t i;

	if (!b)
		return;
	for (i = 0; i < b->ncaptures; i++) {
		free(b->capture[i].name);
		free(b->capture[i].how);
		free(b->capture[i].problem);
		free(b->capture[i].text);
	}
	free(b->capture);
	notes_free(&b->notes);
	json_decref(b->about);
	free(b->cause);
	free(b);
}

int bundle_capture(struct bundle *b, const char *name, const char *how, const char *problem,
		   char *text, size_t len)
{
	struct capture *p = reallocarray(b->capture, b->ncaptures + 1, sizeof(*p));

	if (!p) {
		free(text);
		return -ENOMEM;
	}
	b->capture = p;
	p += b->ncaptures;
	*p = (struct capture){
		.name = strdup(name),
		.how = strdup(how),
		.problem = strdup(problem),
		.text = text,
		.len = text ? redact(text, len) : 0,
	};
	b->ncaptures++;
	if (p->name && p->how && p->problem)
		return 0;
	b->ncaptures--;
	free(p->name);
	free(p->how);
	free(p->problem);
	free(p->text);
	return -ENOMEM;
}

uint64_t bundle_estimate(const struct bundle *b)
{
	uint64_t bytes = 4096;
	size_t i;

	for (i = 0; i < b->ncaptures; i++)
		bytes += b->capture[i].len;
	/* In each of the two files: the text, and what stands before it. */
	for (i = 0; i < b->notes.n; i++)
		bytes += 2 * strlen(b->notes.note[i].text) + 256;
	return bytes;
}

/* ---- writing ---- */

struct writing {
	struct bundle *b;
	int fd; /* of the unfinished folder */
	char *err;
	size_t size;
};

static int failed(struct writing *w, const char *what, int code)
{
	const char *remedy = "";

	if (code == ENOSPC || code == EDQUOT)
		remedy = ": free space, or lower record_mib";
	else if (code == EROFS || code == EACCES || code == EPERM)
		remedy = ": make the state directory writable";
	snprintf(w->err, w->size, "%s: %s%s", what, strerror(code), remedy);
	return -code;
}

static void write_meta(const struct bundle *b, FILE *out)
{
	json_t *j = bundle_json(b);

	if (j)
		json_dumpf(j, out, JSON_INDENT(4) | JSON_PRESERVE_ORDER | JSON_ENSURE_ASCII);
	json_decref(j);
	fputc('\n', out);
}

/* One of @write and @capture. */
static int write_file(struct writing *w, const char *name,
		      void (*write)(const struct bundle *b, FILE *out),
		      const struct capture *capture)
{
	int fd = openat(w->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct stat st = { 0 };
	FILE *out;
	int code;

	if (fd < 0)
		return failed(w, name, errno);
	out = fdopen(fd, "w");
	if (!out) {
		code = errno;
		close(fd);
		return failed(w, name, code);
	}
	errno = 0;
	if (write)
		write(w->b, out);
	else
		bundle_write_capture(capture, out);
	code = fflush(out) || ferror(out) || fsync(fd) || fstat(fd, &st) ? errno ? errno : EIO : 0;
	if (fclose(out) && !code)
		code = errno;
	if (code)
		return failed(w, name, code);
	w->b->id.size += (uint64_t)st.st_size;
	return 0;
}

static int write_files(struct writing *w)
{
	struct bundle *b = w->b;
	char name[80];
	size_t i;
	int ret;

	b->id.size = 0;
	ret = write_file(w, "timeline.txt", bundle_write_timeline, NULL);
	if (!ret)
		ret = write_file(w, "events.jsonl", bundle_write_events, NULL);
	for (i = 0; !ret && i < b->ncaptures; i++) {
		snprintf(name, sizeof(name), "%s.txt", b->capture[i].name);
		ret = write_file(w, name, NULL, &b->capture[i]);
	}
	if (!ret)
		ret = write_file(w, META, write_meta, NULL);
	return ret;
}

static void make_name(char name[NAME_LEN], const char *prefix, unsigned int number)
{
	snprintf(name, NAME_LEN, "%s%06u", prefix, number);
}

/* A folder of ours holds files and nothing else. */
static int remove_at(int dir, const char *name)
{
	int fd = openat(dir, name, DIR_FLAGS), code = 0;
	struct dirent *e;
	DIR *d;

	if (fd < 0)
		return -errno;
	d = fdopendir(fd);
	if (!d) {
		code = errno;
		close(fd);
		return -code;
	}
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") &&
		    unlinkat(fd, e->d_name, 0) && errno != ENOENT)
			code = errno;
	closedir(d);
	if (!code && unlinkat(dir, name, AT_REMOVEDIR))
		code = errno;
	return -code;
}

static int make_folder(struct writing *w, int dir)
{
	char unfinished[NAME_LEN], name[NAME_LEN];
	int ret;

	make_name(unfinished, UNFINISHED, w->b->id.number);
	make_name(name, "", w->b->id.number);
	remove_at(dir, unfinished);
	if (mkdirat(dir, unfinished, 0700))
		return failed(w, unfinished, errno);
	w->fd = openat(dir, unfinished, DIR_FLAGS);
	if (w->fd < 0) {
		ret = failed(w, unfinished, errno);
	} else {
		ret = write_files(w);
		if (!ret && fsync(w->fd))
			ret = failed(w, unfinished, errno);
		close(w->fd);
	}
	if (!ret && renameat(dir, unfinished, dir, name))
		ret = failed(w, name, errno);
	if (ret)
		remove_at(dir, unfinished);
	else
		fsync(dir);
	return ret;
}

int bundle_write(struct bundle *b, const char *dir, char *err, size_t size)
{
	struct writing w = { .b = b, .err = err, .size = size };
	int fd, ret;

	if (mkdir(dir, 0700) && errno != EEXIST)
		return failed(&w, dir, errno);
	fd = open(dir, DIR_FLAGS);
	if (fd < 0)
		return failed(&w, dir, errno);
	ret = make_folder(&w, fd);
	close(fd);
	return ret;
}

int bundle_remove(const char *dir, unsigned int number)
{
	int fd = open(dir, DIR_FLAGS), ret;
	char name[NAME_LEN], gone[NAME_LEN];

	if (fd < 0)
		return -errno;
	/* Under this name, what remains of it is swept if we do not come to the end. */
	make_name(name, "", number);
	make_name(gone, UNFINISHED, number);
	ret = renameat(fd, name, fd, gone) ? -errno : remove_at(fd, gone);
	close(fd);
	return ret;
}

/* ---- what is there ---- */

static uint64_t size_of(int fd)
{
	struct stat st;
	struct dirent *e;
	uint64_t size = 0;
	DIR *d = NULL;
	int copy = dup(fd);

	if (copy >= 0)
		d = fdopendir(copy);
	if (!d && copy >= 0)
		close(copy);
	while (d && (e = readdir(d)))
		if (!fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode))
			size += (uint64_t)st.st_size;
	if (d)
		closedir(d);
	return size;
}

static json_t *read_meta(int fd)
{
	int meta = openat(fd, META, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	json_error_t err;
	json_t *j = NULL;
	struct stat st;
	FILE *in;

	if (meta < 0)
		return NULL;
	in = fstat(meta, &st) || !S_ISREG(st.st_mode) || st.st_size > META_MAX ? NULL
									       : fdopen(meta, "r");
	if (!in) {
		close(meta);
		return NULL;
	}
	j = json_loadf(in, JSON_REJECT_DUPLICATES, &err);
	fclose(in);
	return j;
}

static void take_peers(struct bundle_id *b, json_t *list)
{
	union invspi_addr addr;
	json_t *one;
	int family;
	size_t i;

	json_array_foreach(list, i, one) {
		struct ike_addr *a = &b->peer[b->npeers];
		const char *s = json_string_value(one);

		if (b->npeers == BUNDLE_PEERS || !s || parse_addr(s, &family, &addr, NULL))
			continue;
		a->family = family;
		memcpy(a->addr, addr.b, sizeof(a->addr));
		b->npeers++;
	}
}

struct scan {
	const char *boot_id;
	int64_t now, wall;
	struct bundle_id *list;
	size_t n, room;
};

/* What is not there, or is no number, is 0: then it is old, and worth little. */
static void take_meta(struct bundle_id *b, json_t *j, const struct scan *s)
{
	const char *class = json_string_value(json_object_get(j, "class"));
	const char *boot = json_string_value(json_object_get(j, "boot_id"));
	int i;

	b->begun = LONG_AGO;
	b->age = s->wall - json_integer_value(json_object_get(j, "begun_unix_ms"));
	if (boot && s->boot_id[0] && !strcmp(boot, s->boot_id)) {
		b->begun = json_integer_value(json_object_get(j, "begun_ms"));
		b->age = s->now - b->begun;
	}
	for (i = 0; class && i < BUNDLE__CLASSES; i++)
		if (!strcmp(class, bundle_class_name((enum bundle_class)i)))
			b->class = (enum bundle_class)i;
	b->first = json_is_true(json_object_get(j, "first"));
	take_peers(b, json_object_get(j, "peers"));
}

static int take(struct scan *s, int dir, const char *name, unsigned int number)
{
	int fd = openat(dir, name, DIR_FLAGS);
	struct bundle_id *p;
	json_t *j;

	if (fd < 0)
		return 0; /* a file, or a link: not ours */
	if (s->n == s->room) {
		s->room = s->room ? s->room * 2 : 64;
		p = reallocarray(s->list, s->room, sizeof(*p));
		if (!p) {
			close(fd);
			return -ENOMEM;
		}
		s->list = p;
	}
	p = &s->list[s->n++];
	memset(p, 0, sizeof(*p));
	p->number = number;
	p->size = size_of(fd);
	j = read_meta(fd);
	take_meta(p, j, s);
	json_decref(j);
	close(fd);
	return 0;
}

static int by_number(const void *pa, const void *pb)
{
	const struct bundle_id *a = pa, *b = pb;

	return a->number < b->number ? -1 : a->number > b->number;
}

/* A name as make_name() makes them, and no other. */
static bool number_of(const char *name, const char *prefix, unsigned int *number)
{
	char again[NAME_LEN];

	if (strncmp(name, prefix, strlen(prefix)))
		return false;
	*number = (unsigned int)strtoul(name + strlen(prefix), NULL, 10);
	make_name(again, prefix, *number);
	return *number && !strcmp(name, again);
}

int bundles_scan(const char *dir, const char *boot_id, int64_t now, int64_t wall,
		 struct bundle_id **list, size_t *n, unsigned int *swept)
{
	struct scan s = { .boot_id = boot_id, .now = now, .wall = wall };
	unsigned int number;
	struct dirent *e;
	int fd, ret = 0;
	DIR *d;

	*list = NULL;
	*n = 0;
	*swept = 0;
	fd = open(dir, DIR_FLAGS);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		ret = errno == ENOENT ? 0 : -errno;
		if (fd >= 0)
			close(fd);
		return ret;
	}
	while (!ret && (e = readdir(d))) {
		if (number_of(e->d_name, UNFINISHED, &number))
			*swept += !remove_at(fd, e->d_name);
		else if (number_of(e->d_name, "", &number))
			ret = take(&s, fd, e->d_name, number);
	}
	closedir(d);
	if (ret) {
		free(s.list);
		return ret;
	}
	if (s.n)
		qsort(s.list, s.n, sizeof(*s.list), by_number);
	*list = s.list;
	*n = s.n;
	return 0;
}
