// SPDX-License-Identifier: GPL-2.0-only
/*
 * Any JSON as text. An object at the top has one line for each member; an
 * object in an array is one line of its plain members, and below it, indented,
 * those that have members themselves. What the daemon will tell one day needs
 * no change here.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "render.h"

#define INDENT 4
#define WIDTH 80

static bool is_plain(json_t *v)
{
	return !json_is_object(v) && !json_is_array(v);
}

static bool needs_quotes(const char *s)
{
	return !*s || strpbrk(s, " \t\"");
}

static void put_plain(struct fmt *f, json_t *v)
{
	const char *s;

	switch (json_typeof(v)) {
	case JSON_STRING:
		s = json_string_value(v);
		fmt_string(f, FMT_NO_KEY, needs_quotes(s) ? "\"%s\"" : "%s", s);
		break;
	case JSON_INTEGER:
		fmt_text(f, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		break;
	case JSON_REAL:
		fmt_text(f, "%g", json_real_value(v));
		break;
	case JSON_TRUE:
		fmt_text(f, "yes");
		break;
	case JSON_FALSE:
		fmt_text(f, "no");
		break;
	default:
		fmt_text(f, "-");
		break;
	}
}

static void put_line_of(struct fmt *f, json_t *object)
{
	bool first = true;
	const char *key;
	void *it;
	json_t *v;

	for (it = json_object_iter(object); it; it = json_object_iter_next(object, it)) {
		key = json_object_iter_key(it);
		v = json_object_iter_value(it);
		if (!is_plain(v))
			continue;
		fmt_string(f, FMT_NO_KEY, first ? "%s " : " %s ", key);
		put_plain(f, v);
		first = false;
	}
}

/* As put_line_of(), but broken into lines that a terminal can show. */
static void put_wrapped(struct fmt *f, json_t *object, int indent, size_t column)
{
	struct fmt piece;
	char *text;
	size_t len;
	FILE *mem;
	void *it;

	for (it = json_object_iter(object); it; it = json_object_iter_next(object, it)) {
		if (!is_plain(json_object_iter_value(it)))
			continue;
		mem = open_memstream(&text, &len);
		if (!mem)
			abort();
		fmt_init(&piece, mem, FMT_TEXT);
		fmt_string(&piece, FMT_NO_KEY, " %s ", json_object_iter_key(it));
		put_plain(&piece, json_object_iter_value(it));
		fclose(mem);
		if (column + len > WIDTH) {
			fmt_text(f, "\n%*s", indent, "");
			column = indent;
		}
		fmt_text(f, "%s", text);
		column += len;
		free(text);
	}
	fmt_text(f, "\n");
}

static void put_value(struct fmt *f, json_t *v, int indent);

static void put_element(struct fmt *f, json_t *object, int indent)
{
	const char *key;
	void *it;
	json_t *v;

	fmt_text(f, "%*s", indent, "");
	put_line_of(f, object);
	fmt_text(f, "\n");
	for (it = json_object_iter(object); it; it = json_object_iter_next(object, it)) {
		key = json_object_iter_key(it);
		v = json_object_iter_value(it);
		if (is_plain(v))
			continue;
		fmt_text(f, "%*s", indent + INDENT, "");
		fmt_string(f, FMT_NO_KEY, "%s", key);
		if (json_is_object(v)) {
			fmt_text(f, ":");
			put_wrapped(f, v, indent + 2 * INDENT, indent + INDENT + strlen(key) + 1);
		} else {
			put_value(f, v, indent + INDENT);
		}
	}
}

/* The rest of a line that begins with a key. */
static void put_value(struct fmt *f, json_t *v, int indent)
{
	json_t *element;
	const char *key;
	void *it;
	json_t *member;
	size_t i;

	if (is_plain(v)) {
		fmt_text(f, " ");
		put_plain(f, v);
		fmt_text(f, "\n");
	} else if (json_is_object(v)) {
		fmt_text(f, ":\n");
		for (it = json_object_iter(v); it; it = json_object_iter_next(v, it)) {
			key = json_object_iter_key(it);
			member = json_object_iter_value(it);
			fmt_text(f, "%*s", indent + INDENT, "");
			fmt_string(f, FMT_NO_KEY, "%s", key);
			put_value(f, member, indent + INDENT);
		}
	} else if (!json_array_size(v)) {
		fmt_text(f, " -\n");
	} else {
		fmt_text(f, ":\n");
		json_array_foreach(v, i, element) {
			if (json_is_object(element)) {
				put_element(f, element, indent + INDENT);
			} else {
				fmt_text(f, "%*s-", indent + INDENT, "");
				put_value(f, element, indent + INDENT);
			}
		}
	}
}

void render_json(struct fmt *f, const json_t *j)
{
	/* A terminal may take more than the first 32 characters for commands. */
	json_dumpf(j, f->out,
		   JSON_ENSURE_ASCII |
			   (f->mode == FMT_JSON_PRETTY ? JSON_INDENT(4) : JSON_COMPACT));
	fmt_line(f);
}

void render(struct invspi *inv, json_t *answer, json_t *what, const char *none)
{
	struct fmt *f = &inv->out;
	json_t *element;
	const char *key;
	void *it;
	json_t *v;
	size_t i;

	if (fmt_is_json(f)) {
		render_json(f, answer);
	} else if (json_is_object(what)) {
		for (it = json_object_iter(what); it; it = json_object_iter_next(what, it)) {
			key = json_object_iter_key(it);
			v = json_object_iter_value(it);
			fmt_string(f, FMT_NO_KEY, "%s", key);
			put_value(f, v, 0);
		}
	} else if (json_is_array(what)) {
		if (!json_array_size(what))
			fmt_text(f, "%s\n", none);
		json_array_foreach(what, i, element) {
			if (json_is_object(element))
				put_element(f, element, 0);
		}
	}
}
