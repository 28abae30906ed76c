/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Output: one call writes a value as text or as JSON, whichever was asked for.
 *
 * JSON is streamed, so a table of any length needs no memory. Strings that
 * come from outside are safe in both: see fmt_escape().
 */
#ifndef INVSPI_LIB_FMT_H
#define INVSPI_LIB_FMT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "flow.h"

enum fmt_mode {
	FMT_TEXT,
	FMT_JSON,
	FMT_JSON_PRETTY,
};

#define FMT_DEPTH_MAX 16

/**
 * struct fmt - an output; initialise with fmt_init()
 * @error: errno of the first failed fmt_line(), or 0
 * @comma: per level, whether a value was written there
 */
struct fmt {
	FILE *out;
	enum fmt_mode mode;
	int error;
	unsigned int depth;
	bool comma[FMT_DEPTH_MAX];
};

void fmt_init(struct fmt *f, FILE *out, enum fmt_mode mode);

static inline bool fmt_is_json(const struct fmt *f)
{
	return f->mode != FMT_TEXT;
}

/**
 * fmt_line() - end a record: newline in both modes, and flush
 *
 * Return: 0, or a negative errno if the output could not be written.
 */
int fmt_line(struct fmt *f);

/* Containers; @key is NULL inside an array and at top level. JSON only. */
void fmt_object(struct fmt *f, const char *key);
void fmt_object_end(struct fmt *f);
void fmt_array(struct fmt *f, const char *key);
void fmt_array_end(struct fmt *f);

/*
 * Values. @key: JSON only, NULL inside an array. @text: printf format with one
 * %s (strings, escaped) or one PRIu64 (numbers) for text mode, or NULL to
 * leave it out there; a @key of FMT_NO_KEY leaves it out of the JSON.
 */
#define FMT_NO_KEY ((const char *)-1)
void fmt_string(struct fmt *f, const char *key, const char *text, const char *value);
void fmt_number(struct fmt *f, const char *key, const char *text, uint64_t value);
void fmt_bool(struct fmt *f, const char *key, const char *text, bool value);
void fmt_null(struct fmt *f, const char *key);

/**
 * fmt_text() - write something in text mode only
 */
void fmt_text(struct fmt *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

/**
 * fmt_escape() - make bytes from outside safe to show
 * @dst: buffer, always terminated if @size is not 0; may be NULL if it is
 * @size: its size
 * @src: bytes, any
 * @len: their number
 *
 * Control bytes, invalid UTF-8, and characters that reorder or break lines
 * become \xNN, a backslash becomes \\. A sequence is never cut in the middle.
 *
 * Return: length of the whole result without the terminator, as snprintf().
 */
size_t fmt_escape(char *dst, size_t size, const char *src, size_t len);

/**
 * fmt_escape_line() - as fmt_escape(), but leaves backslashes alone
 *
 * For a finished line, parts of which may have been escaped already.
 */
size_t fmt_escape_line(char *dst, size_t size, const char *src, size_t len);

/**
 * fmt_escape_json() - the same for the inside of a JSON string
 *
 * The string that a JSON parser makes of it is @src to the byte, but that a
 * byte which is not UTF-8 becomes the four characters \xNN.
 */
size_t fmt_escape_json(char *dst, size_t size, const char *src, size_t len);

#define FMT_TIME_LEN sizeof("2026-01-02T03:04:05.678Z")
#define FMT_AGE_LEN 24
#define FMT_ADDR_LEN 46

/**
 * fmt_time() - RFC 3339 in UTC with milliseconds
 * @unix_ms: milliseconds since 1970
 */
const char *fmt_time(char buf[FMT_TIME_LEN], int64_t unix_ms);

/**
 * fmt_age() - a span as a person reads it: 0.250s, 12.3s, 5m07s, 3h12m, 4d03h
 */
const char *fmt_age(char buf[FMT_AGE_LEN], uint64_t ms);

/**
 * fmt_addr() - address of @family as text
 */
const char *fmt_addr(char buf[FMT_ADDR_LEN], int family, const union invspi_addr *addr);

#endif /* INVSPI_LIB_FMT_H */
