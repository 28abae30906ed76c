// SPDX-License-Identifier: GPL-2.0-only
/* The bytes of the configuration file: what is refused before any key is read. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf.h"
#include "conf_int.h"
#include "fmt.h"

#define FILE_MAX (1 << 20)

char *conf_error(const char *format, ...)
{
	char *raw, *line = NULL;
	va_list ap;
	size_t n;
	int len;

	va_start(ap, format);
	len = vasprintf(&raw, format, ap);
	va_end(ap);
	if (len < 0)
		return NULL;
	n = fmt_escape_line(NULL, 0, raw, (size_t)len) + 1;
	line = malloc(n);
	if (line)
		fmt_escape_line(line, n, raw, (size_t)len);
	free(raw);
	return line;
}

static char *line_of_nul(const char *path, const char *buf, size_t len)
{
	const char *nul = memchr(buf, 0, len), *p;
	int line = 1;

	if (!nul)
		return NULL;
	for (p = buf; p < nul; p++)
		line += *p == '\n';
	return conf_error("%s:%d: a NUL byte: want a text file", path, line);
}

/* What editors of other systems add means nothing. */
static void clean(char *buf)
{
	char *p;

	if (!strncmp(buf, "\xef\xbb\xbf", 3))
		memset(buf, ' ', 3);
	for (p = buf; (p = strstr(p, "\r\n")); p++)
		*p = ' ';
}

/* ---- comments, strings, braces ---- */

/*
 * libconfuse 3.3 loses count of lines at comments, and goes on inside of a
 * string or comment that the file left open when it reads the next file. So
 * comments become blanks before it sees them, and what is left open is refused.
 */
struct scan {
	const char *path;
	int line, open_line; /* open_line: of the outermost { */
	int depth;
};

static char *skip_string(struct scan *s, char *p, char **err)
{
	char quote = *p;
	int line = s->line;

	for (p++; *p && *p != quote; p++) {
		if (*p == '\\' && p[1])
			p++;
		s->line += *p == '\n';
	}
	if (*p)
		return p + 1;
	*err = conf_error("%s:%d: the string that begins here has no end: add a %c", s->path, line,
			  quote);
	return NULL;
}

static char *blank_comment(struct scan *s, char *p, char **err)
{
	bool block = p[0] == '/' && p[1] == '*';
	int line = s->line;
	char *end;

	if (!block) {
		while (*p && *p != '\n')
			*p++ = ' ';
		return p;
	}
	end = strstr(p + 2, "*/");
	if (!end) {
		*err = conf_error("%s:%d: the comment that begins here has no end: add */", s->path,
				  line);
		return NULL;
	}
	for (; p < end + 2; p++) {
		if (*p == '\n')
			s->line++;
		else
			*p = ' ';
	}
	return p;
}

static bool begins_comment(const char *buf, const char *p)
{
	if (*p == '#' || (p[0] == '/' && p[1] == '*'))
		return true;
	/* Not in the middle of a word: unix:///run/charon.vici */
	return p[0] == '/' && p[1] == '/' && (p == buf || strchr(" \t\n={}\"'", p[-1]));
}

static char *scan_text(const char *path, char *buf)
{
	struct scan s = { .path = path, .line = 1 };
	char *p = buf, *err = NULL;

	while (p && *p) {
		if (*p == '"' || *p == '\'') {
			p = skip_string(&s, p, &err);
			continue;
		}
		if (begins_comment(buf, p)) {
			p = blank_comment(&s, p, &err);
			continue;
		}
		if (*p == '\n')
			s.line++;
		else if (*p == '{' && !s.depth++)
			s.open_line = s.line;
		else if (*p == '}' && s.depth)
			s.depth--;
		p++;
	}
	if (!err && s.depth)
		err = conf_error("%s:%d: the { of this line is never closed: add a }", path,
				 s.open_line);
	return err;
}

/* ---- the file ---- */

/*
 * Whoever writes the file decides what is done as root. Of a file that was opened, so
 * what it is called meanwhile makes no difference.
 */
static char *trusted(const char *path, const struct stat *st)
{
	if (st->st_uid && st->st_uid != geteuid())
		return conf_error("%s belongs to user %u, who could change it: run `chown root %s`",
				  path, (unsigned int)st->st_uid, path);
	if (st->st_mode & 0022)
		return conf_error(
			"%s can be written to by others than its owner: run `chmod go-w %s`", path,
			path);
	return NULL;
}

static char *read_open(const char *path, int fd, char **err)
{
	struct stat st;
	size_t len = 0;
	ssize_t n;
	char *buf;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		*err = conf_error("%s is %s: want a file", path,
				  S_ISDIR(st.st_mode) ? "a directory" : "not a regular file");
		return NULL;
	}
	*err = trusted(path, &st);
	if (*err)
		return NULL;
	buf = malloc(FILE_MAX + 2);
	if (!buf) {
		*err = conf_error("out of memory");
		return NULL;
	}
	do {
		n = read(fd, buf + len, FILE_MAX + 1 - len);
		len += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	if (n < 0)
		*err = conf_error("cannot read %s: %s", path, strerror(errno));
	else if (len > FILE_MAX)
		*err = conf_error("%s is larger than 1 MiB: that is no configuration file", path);
	else
		*err = line_of_nul(path, buf, len);
	if (*err) {
		free(buf);
		return NULL;
	}
	buf[len] = '\0';
	clean(buf);
	*err = scan_text(path, buf);
	if (*err) {
		free(buf);
		return NULL;
	}
	return buf;
}

const char *conf_file(const char *given)
{
	if (given)
		return given;
	/* One that can't be reached is there, and an error. */
	return access(CONF_DEFAULT, F_OK) && errno == ENOENT ? NULL : CONF_DEFAULT;
}

char *conf_read(const char *path, char **err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char *buf;

	if (fd < 0) {
		*err = conf_error("cannot read %s: %s%s", path, strerror(errno),
				  errno == ENOENT ? ": without -c the defaults are used" : "");
		return NULL;
	}
	buf = read_open(path, fd, err);
	close(fd);
	return buf;
}
