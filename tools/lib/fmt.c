// SPDX-License-Identifier: GPL-2.0-only
/* Output as text or JSON, and values as people read them. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fmt.h"

#define YEAR_9999_MS INT64_C(253402300799999)

void fmt_init(struct fmt *f, FILE *out, enum fmt_mode mode)
{
	memset(f, 0, sizeof(*f));
	f->out = out;
	f->mode = mode;
}

int fmt_line(struct fmt *f)
{
	f->comma[0] = false;
	fputc('\n', f->out);
	errno = 0;
	if (!f->error && (fflush(f->out) || ferror(f->out)))
		f->error = errno ? errno : EIO;
	return -f->error;
}

static void json_indent(struct fmt *f)
{
	unsigned int i;

	if (f->mode != FMT_JSON_PRETTY)
		return;
	fputc('\n', f->out);
	for (i = 0; i < f->depth; i++)
		fputs("    ", f->out);
}

/* Comma, line break and key, whatever is due before the next value. */
static void json_lead(struct fmt *f, const char *key)
{
	if (f->comma[f->depth])
		fputc(',', f->out);
	f->comma[f->depth] = true;
	if (f->depth)
		json_indent(f);
	if (key)
		fprintf(f->out, f->mode == FMT_JSON_PRETTY ? "\"%s\": " : "\"%s\":", key);
}

static void json_open(struct fmt *f, const char *key, char bracket)
{
	if (!fmt_is_json(f))
		return;
	json_lead(f, key);
	fputc(bracket, f->out);
	/* Deeper than any of our outputs: a mistake of the caller. */
	if (f->depth + 1 >= FMT_DEPTH_MAX)
		abort();
	f->comma[++f->depth] = false;
}

static void json_close(struct fmt *f, char bracket)
{
	bool empty;

	if (!fmt_is_json(f))
		return;
	empty = !f->comma[f->depth];
	if (!f->depth)
		abort();
	f->depth--;
	if (!empty)
		json_indent(f);
	fputc(bracket, f->out);
}

void fmt_object(struct fmt *f, const char *key)
{
	json_open(f, key, '{');
}

void fmt_object_end(struct fmt *f)
{
	json_close(f, '}');
}

void fmt_array(struct fmt *f, const char *key)
{
	json_open(f, key, '[');
}

void fmt_array_end(struct fmt *f)
{
	json_close(f, ']');
}

/*
 * The formats below are the callers' literals, of which the declarations say
 * what they may hold; the compiler can't check them through a variable.
 */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

void fmt_string(struct fmt *f, const char *key, const char *text, const char *value)
{
	size_t (*escape)(char *, size_t, const char *, size_t) =
		fmt_is_json(f) ? fmt_escape_json : fmt_escape;
	size_t len = strlen(value), size;
	char *safe;

	if (fmt_is_json(f) ? key == FMT_NO_KEY : !text)
		return;

	size = escape(NULL, 0, value, len) + 1;
	safe = malloc(size);
	if (!safe)
		abort();
	escape(safe, size, value, len);
	if (fmt_is_json(f)) {
		json_lead(f, key);
		fprintf(f->out, "\"%s\"", safe);
	} else {
		fprintf(f->out, text, safe);
	}
	free(safe);
}

void fmt_number(struct fmt *f, const char *key, const char *text, uint64_t value)
{
	if (!fmt_is_json(f)) {
		if (text)
			fprintf(f->out, text, value);
		return;
	}
	if (key == FMT_NO_KEY)
		return;
	json_lead(f, key);
	fprintf(f->out, "%" PRIu64, value);
}

void fmt_bool(struct fmt *f, const char *key, const char *text, bool value)
{
	if (!fmt_is_json(f)) {
		if (text)
			fprintf(f->out, text, value ? "yes" : "no");
		return;
	}
	if (key == FMT_NO_KEY)
		return;
	json_lead(f, key);
	fputs(value ? "true" : "false", f->out);
}

#pragma GCC diagnostic pop

void fmt_null(struct fmt *f, const char *key)
{
	if (!fmt_is_json(f) || key == FMT_NO_KEY)
		return;
	json_lead(f, key);
	fputs("null", f->out);
}

void fmt_text(struct fmt *f, const char *format, ...)
{
	va_list ap;

	if (fmt_is_json(f))
		return;
	va_start(ap, format);
	vfprintf(f->out, format, ap);
	va_end(ap);
}

const char *fmt_time(char buf[FMT_TIME_LEN], int64_t unix_ms)
{
	struct tm tm;
	time_t t;
	size_t n;

	if (unix_ms < 0)
		unix_ms = 0;
	else if (unix_ms > YEAR_9999_MS)
		unix_ms = YEAR_9999_MS;
	t = unix_ms / 1000;
	if (!gmtime_r(&t, &tm))
		memset(&tm, 0, sizeof(tm));
	n = strftime(buf, FMT_TIME_LEN, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, FMT_TIME_LEN - n, ".%03uZ", (unsigned int)(unix_ms % 1000));
	return buf;
}

const char *fmt_age(char buf[FMT_AGE_LEN], uint64_t ms)
{
	uint64_t s = ms / 1000;

	if (s < 10)
		snprintf(buf, FMT_AGE_LEN, "%" PRIu64 ".%03us", s, (unsigned int)(ms % 1000));
	else if (s < 60)
		snprintf(buf, FMT_AGE_LEN, "%" PRIu64 ".%us", s, (unsigned int)(ms % 1000 / 100));
	else if (s < 3600)
		snprintf(buf, FMT_AGE_LEN, "%" PRIu64 "m%02us", s / 60, (unsigned int)(s % 60));
	else if (s < 86400)
		snprintf(buf, FMT_AGE_LEN, "%" PRIu64 "h%02um", s / 3600,
			 (unsigned int)(s / 60 % 60));
	else
		snprintf(buf, FMT_AGE_LEN, "%" PRIu64 "d%02uh", s / 86400,
			 (unsigned int)(s / 3600 % 24));
	return buf;
}

const char *fmt_addr(char buf[FMT_ADDR_LEN], int family, const union invspi_addr *addr)
{
	if (!inet_ntop(family, addr->b, buf, FMT_ADDR_LEN))
		snprintf(buf, FMT_ADDR_LEN, "?");
	return buf;
}
