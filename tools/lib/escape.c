// SPDX-License-Identifier: GPL-2.0-only
/*
 * Text from outside made safe: identities, interface names and log lines can
 * hold anything that a peer or a container liked to put there.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "fmt.h"

/*
 * Length of the valid UTF-8 sequence at @s, or 0. Overlong forms, surrogates
 * and code points above U+10FFFF are not valid (RFC 3629 section 4).
 */
static size_t utf8_len(const unsigned char *s, size_t len, uint32_t *cp)
{
	uint32_t c = s[0], min;
	size_t n, i;

	if (c < 0x80) {
		*cp = c;
		return 1;
	}
	if (c < 0xc2 || c > 0xf4)
		return 0;
	n = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	min = n == 2 ? 0x80 : n == 3 ? 0x800 : 0x10000;
	c &= 0xff >> (n + 1);
	if (len < n)
		return 0;
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < min || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*cp = c;
	return n;
}

/* Characters that change how the rest of the line is read. */
static bool unsafe(uint32_t cp)
{
	static const uint32_t ranges[][2] = {
		{ 0x00, 0x1f },	    { 0x7f, 0x9f }, { 0x061c, 0x061c }, /* Arabic letter mark */
		{ 0x200b, 0x200f }, /* zero width, left-to-right mark and its like */
		{ 0x2028, 0x202e }, /* separators, overrides of direction */
		{ 0x2060, 0x206f }, /* invisible, isolates */
		{ 0xfeff, 0xfeff }, /* byte order mark */
		{ 0xfff9, 0xfffb }, /* annotations */
	};
	size_t i;

	for (i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (cp >= ranges[i][0] && cp <= ranges[i][1])
			return true;
	return false;
}

enum style { STYLE_VALUE, STYLE_LINE, STYLE_JSON };

/*
 * Writes what stands for the @n bytes at @s, which are the character @cp or,
 * if not @valid, one stray byte. Return: its length.
 */
static size_t escape_one(char piece[20], const unsigned char *s, size_t n, uint32_t cp, bool valid,
			 enum style style)
{
	size_t len = 0, k;

	if (valid && style == STYLE_JSON && (cp == '"' || cp == '\\'))
		return snprintf(piece, 20, "\\%c", (char)cp);
	if (valid && style == STYLE_VALUE && cp == '\\')
		return snprintf(piece, 20, "\\\\");
	if (valid && !unsafe(cp)) {
		memcpy(piece, s, n);
		return n;
	}
	if (valid && style == STYLE_JSON)
		return snprintf(piece, 20, "\\u%04x", cp);
	for (k = 0; k < n; k++)
		len += snprintf(piece + len, 20 - len, "%s\\x%02x", style == STYLE_JSON ? "\\" : "",
				s[k]);
	return len;
}

static size_t escape(char *dst, size_t size, const char *src, size_t len, enum style style)
{
	const unsigned char *s = (const unsigned char *)src;
	size_t need = 0, used = 0, i, n, plen;
	bool full = size == 0;
	uint32_t cp = 0;
	char piece[20];

	for (i = 0; i < len; i += n) {
		n = utf8_len(s + i, len - i, &cp);
		plen = escape_one(piece, s + i, n ? n : 1, cp, n > 0, style);
		n = n ? n : 1;
		/* Once a piece didn't fit nothing later may slip in. */
		if (!full && used + plen < size) {
			memcpy(dst + used, piece, plen);
			used += plen;
		} else {
			full = true;
		}
		need += plen;
	}
	if (size)
		dst[used] = '\0';
	return need;
}

size_t fmt_escape(char *dst, size_t size, const char *src, size_t len)
{
	return escape(dst, size, src, len, STYLE_VALUE);
}

size_t fmt_escape_line(char *dst, size_t size, const char *src, size_t len)
{
	return escape(dst, size, src, len, STYLE_LINE);
}

size_t fmt_escape_json(char *dst, size_t size, const char *src, size_t len)
{
	return escape(dst, size, src, len, STYLE_JSON);
}
