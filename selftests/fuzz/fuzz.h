/* SPDX-License-Identifier: GPL-2.0-only */
/* What the fuzz targets share. */
#ifndef SELFTESTS_FUZZ_H
#define SELFTESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What always holds. The fuzzer takes the abort for a find. */
static inline void must(bool ok)
{
	if (!ok)
		abort();
}

/**
 * struct input - bytes that a target takes its choices from, front to back
 *
 * At the end of them every choice is 0.
 */
struct input {
	const uint8_t *p;
	size_t left;
};

static inline uint8_t take_byte(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->p++;
}

/* Up to 8 bytes of a number, as many as the first one says. */
static inline uint64_t take_number(struct input *in)
{
	unsigned int n = take_byte(in) % 9;
	uint64_t v = 0;

	while (n--)
		v = v << 8 | take_byte(in);
	return v;
}

/* A length and so many bytes, as text: malloc'd, so that reads beyond its end are seen. */
static inline char *take_text(struct input *in, size_t max)
{
	size_t n = take_byte(in), i;
	char *s;

	if (n > max)
		n = max;
	if (n > in->left)
		n = in->left;
	s = malloc(n + 1);
	must(s);
	for (i = 0; i < n; i++)
		s[i] = (char)in->p[i];
	s[n] = '\0';
	in->p += n;
	in->left -= n;
	return s;
}

/* All that is left, as text. */
static inline char *take_rest(struct input *in)
{
	char *s = malloc(in->left + 1);

	must(s);
	if (in->left)
		memcpy(s, in->p, in->left);
	s[in->left] = '\0';
	in->left = 0;
	return s;
}

/* What people and logs see: no control bytes. */
static inline bool is_printable(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	return true;
}

/* ... in JSON, which leaves DEL as it is: nothing that a terminal would act on. */
static inline bool is_ascii(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || (unsigned char)*s > 0x7f)
			return false;
	return true;
}

#endif
