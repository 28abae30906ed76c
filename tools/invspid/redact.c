// SPDX-License-Identifier: GPL-2.0-only
/* See redact.h. */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "redact.h"

#define DIGITS_PREFIXED 16
#define DIGITS_BARE 32

static size_t digits(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && isxdigit((unsigned char)s[n]))
		n++;
	return n;
}

size_t redact(char *s, size_t len)
{
	const size_t word = strlen(REDACTED);
	size_t i = 0, out = 0, n, skip;
	bool prefixed;

	while (i < len) {
		prefixed = len - i > 2 && s[i] == '0' && (s[i + 1] == 'x' || s[i + 1] == 'X');
		skip = prefixed ? 2 : 0;
		n = digits(s + i + skip, len - i - skip);
		if (n >= (prefixed ? DIGITS_PREFIXED : DIGITS_BARE)) {
			memcpy(s + out, REDACTED, word);
			out += word;
			i += skip + n;
			continue;
		}
		/* A run that is too short is passed as a whole: no part of it begins one. */
		n = n + skip ? n + skip : 1;
		memmove(s + out, s + i, n);
		out += n;
		i += n;
	}
	return out;
}
