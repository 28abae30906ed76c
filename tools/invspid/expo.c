// SPDX-License-Identifier: GPL-2.0-only
/* See expo.h. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expo.h"
#include "fmt.h"

#define LABEL_MAX 2048 /* of a value, escaped; a longer one is cut between characters */

static void put(struct expo *x, const char *s, size_t len)
{
	size_t size = x->size ? x->size : 16384;
	char *text;

	if (x->failed)
		return;
	while (size < x->len + len + 1)
		size *= 2;
	if (size != x->size) {
		text = realloc(x->text, size);
		if (!text) {
			x->failed = true;
			return;
		}
		x->text = text;
		x->size = size;
	}
	memcpy(x->text + x->len, s, len);
	x->len += len;
	x->text[x->len] = '\0';
}

static void puts_to(struct expo *x, const char *s)
{
	put(x, s, strlen(s));
}

__attribute__((format(printf, 2, 3))) static void putf(struct expo *x, const char *format, ...)
{
	char buf[160];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(buf, sizeof(buf), format, ap);
	va_end(ap);
	put(x, buf, (size_t)n < sizeof(buf) ? (size_t)n : sizeof(buf) - 1);
}

/* Backslash, quote and newline, as both formats want it. */
static void put_escaped(struct expo *x, const char *s)
{
	for (; *s; s++) {
		if (*s == '\n') {
			puts_to(x, "\\n");
			continue;
		}
		if (*s == '\\' || *s == '"')
			put(x, "\\", 1);
		put(x, s, 1);
	}
}

static void put_value(struct expo *x, const char *value)
{
	char safe[LABEL_MAX];

	fmt_escape(safe, sizeof(safe), value, strlen(value));
	put_escaped(x, safe);
}

static const char *unit(const char *name)
{
	static const char *const units[] = { "seconds", "bytes" };
	const char *end = strrchr(name, '_');
	size_t i;

	for (i = 0; end && i < sizeof(units) / sizeof(*units); i++)
		if (!strcmp(end + 1, units[i]))
			return units[i];
	return NULL;
}

void expo_family(struct expo *x, enum expo_type type, const char *name, const char *help)
{
	static const char *const types[] = { "gauge", "counter", "histogram", "info" };
	static const char *const old_suffix[] = { "", "_total", "", "_info" };
	const char *suffix = x->open_metrics ? "" : old_suffix[type];
	bool old_info = type == EXPO_INFO && !x->open_metrics;

	x->family = name;
	x->type = type;
	putf(x, "# TYPE %s%s %s\n", name, suffix, types[old_info ? EXPO_GAUGE : type]);
	if (x->open_metrics && unit(name))
		putf(x, "# UNIT %s %s\n", name, unit(name));
	putf(x, "# HELP %s%s ", name, suffix);
	puts_to(x, help);
	puts_to(x, "\n");
}

/* Name and labels of a sample; @le: one label more, NULL if none. */
static void begin(struct expo *x, const char *suffix, const char *le, va_list ap)
{
	const char *name, *value;
	char sep = '{';

	puts_to(x, x->family);
	puts_to(x, suffix);
	while ((name = va_arg(ap, const char *))) {
		value = va_arg(ap, const char *);
		putf(x, "%c%s=\"", sep, name);
		put_value(x, value);
		puts_to(x, "\"");
		sep = ',';
	}
	if (le)
		putf(x, "%cle=\"%s\"", sep, le);
	puts_to(x, le || sep == ',' ? "} " : " ");
}

static const char *sample_suffix(const struct expo *x)
{
	return x->type == EXPO_COUNTER ? "_total" : x->type == EXPO_INFO ? "_info" : "";
}

/* Milliseconds as seconds, and no digit more than needed: 1.0, 0.25, 3.141 */
static const char *seconds(char buf[32], int64_t ms)
{
	size_t len;

	snprintf(buf, 32, "%s%" PRId64 ".%03" PRId64, ms < 0 ? "-" : "", (ms < 0 ? -ms : ms) / 1000,
		 (ms < 0 ? -ms : ms) % 1000);
	for (len = strlen(buf); buf[len - 1] == '0' && buf[len - 2] != '.'; len--)
		buf[len - 1] = '\0';
	return buf;
}

void expo_number(struct expo *x, uint64_t value, ...)
{
	va_list ap;

	va_start(ap, value);
	begin(x, sample_suffix(x), NULL, ap);
	va_end(ap);
	putf(x, "%" PRIu64 "\n", value);
}

void expo_ms(struct expo *x, int64_t ms, ...)
{
	char buf[32];
	va_list ap;

	va_start(ap, ms);
	begin(x, sample_suffix(x), NULL, ap);
	va_end(ap);
	putf(x, "%s\n", seconds(buf, ms));
}

void expo_buckets(struct expo *x, const int64_t *bound_ms, const uint64_t *count, size_t n,
		  int64_t sum_ms, ...)
{
	uint64_t sum = 0;
	char buf[32];
	va_list ap;
	size_t i;

	for (i = 0; i <= n; i++) {
		sum += count[i];
		va_start(ap, sum_ms);
		begin(x, "_bucket", i < n ? seconds(buf, bound_ms[i]) : "+Inf", ap);
		va_end(ap);
		putf(x, "%" PRIu64 "\n", sum);
	}
	va_start(ap, sum_ms);
	begin(x, "_sum", NULL, ap);
	va_end(ap);
	putf(x, "%s\n", seconds(buf, sum_ms));
	va_start(ap, sum_ms);
	begin(x, "_count", NULL, ap);
	va_end(ap);
	putf(x, "%" PRIu64 "\n", sum);
}

char *expo_end(struct expo *x, size_t *len)
{
	if (x->open_metrics)
		puts_to(x, "# EOF\n");
	if (x->failed) {
		free(x->text);
		x->text = NULL;
		x->len = 0;
	}
	*len = x->len;
	return x->text;
}
