// SPDX-License-Identifier: GPL-2.0-only
/*
 * VICI messages: writing them, and pulling received ones apart.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vici.h"

bool vici_str_is(struct vici_str str, const char *text)
{
	return str.len == strlen(text) && !memcmp(str.s, text, str.len);
}

bool vici_str_begins(struct vici_str str, const char *text)
{
	size_t len = strlen(text);

	return str.len >= len && !memcmp(str.s, text, len);
}

static int digit(char c, int base)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (base == 16 && c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (base == 16 && c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int vici_str_number(struct vici_str str, int base, uint64_t max, uint64_t *value)
{
	uint64_t v = 0;
	size_t i;
	int d;

	if (!str.len)
		return -EBADMSG;
	for (i = 0; i < str.len; i++) {
		d = digit(str.s[i], base);
		if (d < 0 || (uint64_t)d > max || v > (max - d) / base)
			return -EBADMSG;
		v = v * base + d;
	}
	*value = v;
	return 0;
}

int vici_str_dup(struct vici_str str, char **copy)
{
	char *s;

	if (str.len && memchr(str.s, 0, str.len))
		return -EBADMSG;
	s = malloc(str.len + 1);
	if (!s)
		return -ENOMEM;
	if (str.len)
		memcpy(s, str.s, str.len);
	s[str.len] = '\0';
	free(*copy);
	*copy = s;
	return 0;
}

static void append(struct vici_buf *b, const void *data, size_t len)
{
	size_t size;
	void *p;

	if (b->err)
		return;
	if (len > VICI_SEGMENT_MAX - b->len) {
		b->err = -EMSGSIZE;
		return;
	}
	if (b->len + len > b->size) {
		size = b->size ? b->size : 256;
		while (size < b->len + len)
			size *= 2;
		p = realloc(b->data, size);
		if (!p) {
			b->err = -ENOMEM;
			return;
		}
		b->data = p;
		b->size = size;
	}
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
}

static void append_type(struct vici_buf *b, enum vici_type type)
{
	uint8_t byte = type;

	append(b, &byte, 1);
}

static void append_name(struct vici_buf *b, enum vici_type type, const char *name)
{
	size_t len = strlen(name);
	uint8_t byte = len;

	if (b->list && !b->err)
		b->err = -EINVAL; /* only items are allowed in a list */
	if (len > VICI_NAME_MAX && !b->err)
		b->err = -ENAMETOOLONG;
	append_type(b, type);
	append(b, &byte, 1);
	append(b, name, len);
}

static void append_value(struct vici_buf *b, const char *value)
{
	size_t len = strlen(value);
	uint8_t be[2] = { len >> 8, len };

	if (len > VICI_VALUE_MAX && !b->err)
		b->err = -ENAMETOOLONG;
	append(b, be, sizeof(be));
	append(b, value, len);
}

void vici_put(struct vici_buf *b, const char *key, const char *value)
{
	append_name(b, VICI_KEY_VALUE, key);
	append_value(b, value);
}

void vici_putf(struct vici_buf *b, const char *key, const char *format, ...)
{
	char *value = NULL;
	va_list args;
	int n;

	va_start(args, format);
	n = vasprintf(&value, format, args);
	va_end(args);
	if (n < 0) {
		if (!b->err)
			b->err = -ENOMEM;
		return;
	}
	vici_put(b, key, value);
	free(value);
}

void vici_put_section(struct vici_buf *b, const char *name)
{
	append_name(b, VICI_SECTION_START, name);
	b->depth++;
}

void vici_put_section_end(struct vici_buf *b)
{
	if ((b->list || !b->depth) && !b->err)
		b->err = -EINVAL;
	append_type(b, VICI_SECTION_END);
	b->depth--;
}

void vici_put_list(struct vici_buf *b, const char *name)
{
	append_name(b, VICI_LIST_START, name);
	b->list = true;
}

void vici_put_item(struct vici_buf *b, const char *value)
{
	if (!b->list && !b->err)
		b->err = -EINVAL;
	append_type(b, VICI_LIST_ITEM);
	append_value(b, value);
}

void vici_put_list_end(struct vici_buf *b)
{
	if (!b->list && !b->err)
		b->err = -EINVAL;
	append_type(b, VICI_LIST_END);
	b->list = false;
}

int vici_buf_check(const struct vici_buf *b)
{
	if (b->err)
		return b->err;
	return b->list || b->depth ? -EINVAL : 0;
}

void vici_buf_free(struct vici_buf *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}

void vici_parser_init(struct vici_parser *p, const uint8_t *msg, size_t len)
{
	memset(p, 0, sizeof(*p));
	p->p = msg;
	p->end = msg ? msg + len : msg;
}

/* Takes @width bytes of length, network order, and as many bytes as that says. */
static bool take(struct vici_parser *p, int width, struct vici_str *str)
{
	size_t len = 0;

	if (p->end - p->p < width)
		return false;
	while (width--)
		len = len << 8 | *p->p++;
	if ((size_t)(p->end - p->p) < len)
		return false;
	str->s = (const char *)p->p;
	str->len = len;
	p->p += len;
	return true;
}

/* Nesting: lists hold items only, items live in lists only. */
static bool allowed(const struct vici_parser *p, int type)
{
	switch (type) {
	case VICI_SECTION_START:
		return !p->list && p->depth < VICI_DEPTH_MAX;
	case VICI_SECTION_END:
		return !p->list && p->depth;
	case VICI_KEY_VALUE:
	case VICI_LIST_START:
		return !p->list;
	case VICI_LIST_ITEM:
	case VICI_LIST_END:
		return p->list;
	default:
		return false;
	}
}

static bool parse(struct vici_parser *p, struct vici_element *e)
{
	int type = *p->p++;

	if (!allowed(p, type))
		return false;
	e->type = type;
	switch (e->type) {
	case VICI_SECTION_START:
		p->depth++;
		return take(p, 1, &e->name);
	case VICI_SECTION_END:
		p->depth--;
		return true;
	case VICI_KEY_VALUE:
		return take(p, 1, &e->name) && take(p, 2, &e->value);
	case VICI_LIST_START:
		p->list = true;
		return take(p, 1, &e->name);
	case VICI_LIST_ITEM:
		return take(p, 2, &e->value);
	case VICI_LIST_END:
		p->list = false;
		return true;
	default:
		return false;
	}
}

int vici_next(struct vici_parser *p, struct vici_element *e)
{
	memset(e, 0, sizeof(*e));
	if (p->bad)
		return -EBADMSG;
	if (p->p == p->end) {
		if (!p->depth && !p->list)
			return VICI_END;
	} else if (parse(p, e)) {
		return e->type;
	}
	p->bad = true;
	memset(e, 0, sizeof(*e));
	return -EBADMSG;
}

int vici_skip(struct vici_parser *p)
{
	bool list = p->list;
	unsigned int depth = p->depth;
	struct vici_element e;
	int type;

	do {
		type = vici_next(p, &e);
		if (type < 0)
			return type;
	} while (list ? p->list : p->depth >= depth);
	return 0;
}
