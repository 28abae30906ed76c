// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target: text from outside, made safe. The first byte of an input is the
 * size of the buffer, the rest is the text.
 */
#include <jansson.h>

#include "fmt.h"
#include "fuzz.h"
#include "json.h"

typedef size_t (*escape_fn)(char *, size_t, const char *, size_t);

/* In a buffer that is too small: a beginning of the whole, and nothing behind it. */
static void cut(escape_fn escape, const char *whole, size_t size, const char *src, size_t len)
{
	char *dst = malloc(size ? size : 1);

	must(dst);
	must(escape(dst, size, src, len) == strlen(whole));
	if (size) {
		must(strlen(dst) < size);
		must(!strncmp(dst, whole, strlen(dst)));
	}
	free(dst);
}

static char *whole(escape_fn escape, const char *src, size_t len)
{
	size_t n = escape(NULL, 0, src, len);
	char *s = malloc(n + 1);

	must(s);
	must(escape(s, n + 1, src, len) == n);
	must(strlen(s) == n);
	must(is_printable(s));
	return s;
}

/* Escaping is safe also where it was done before. */
static void stable(const char *safe)
{
	char *again = whole(fmt_escape_line, safe, strlen(safe));

	must(!strcmp(again, safe));
	free(again);
}

/* A JSON parser reads the text itself, or what stands for bytes that are none. */
static void json(const char *safe, const char *src, size_t len)
{
	json_t *plain = json_stringn(src, len), *j, *made;
	size_t n = strlen(safe);
	char *quoted = malloc(n + 3);

	must(quoted);
	quoted[0] = '"';
	memcpy(quoted + 1, safe, n);
	memcpy(quoted + 1 + n, "\"", 2);
	j = json_loads(quoted, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	must(j);
	if (plain)
		must(json_equal(plain, j));
	if (!memchr(src, 0, len)) {
		char *s = strndup(src, len);

		made = json_text(s);
		must(made && json_is_string(made));
		if (plain)
			must(json_equal(plain, made));
		json_decref(made);
		free(s);
	}
	json_decref(plain);
	json_decref(j);
	free(quoted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const escape_fn fns[] = { fmt_escape, fmt_escape_line, fmt_escape_json };
	struct input in = { data, size };
	size_t room = take_byte(&in), len = in.left, i;
	char *src = malloc(len ? len : 1), *safe;

	must(src);
	if (len)
		memcpy(src, in.p, len);
	for (i = 0; i < sizeof(fns) / sizeof(fns[0]); i++) {
		safe = whole(fns[i], src, len);
		stable(safe);
		cut(fns[i], safe, room, src, len);
		if (fns[i] == fmt_escape_json)
			json(safe, src, len);
		free(safe);
	}
	free(src);
	return 0;
}
