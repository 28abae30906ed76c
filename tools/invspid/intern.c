// SPDX-License-Identifier: GPL-2.0-only
/* See intern.h. A chained hash table that grows; it goes with its last text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "intern.h"

#define BUCKETS_MIN 64

struct text {
	struct text *next;
	uint32_t hash, ref;
	char s[];
};

static struct text **bucket;
static size_t buckets, texts;

static int grow(void)
{
	size_t n = buckets ? buckets * 2 : BUCKETS_MIN, i;
	struct text **b = calloc(n, sizeof(*b)), *t;

	if (!b)
		return -1;
	for (i = 0; i < buckets; i++) {
		while ((t = bucket[i])) {
			bucket[i] = t->next;
			t->next = b[t->hash & (n - 1)];
			b[t->hash & (n - 1)] = t;
		}
	}
	free(bucket);
	bucket = b;
	buckets = n;
	return 0;
}

char *intern(const char *s, size_t len)
{
	uint32_t hash = hash_bytes(0, s, len);
	struct text *t;

	for (t = buckets ? bucket[hash & (buckets - 1)] : NULL; t; t = t->next) {
		if (t->hash == hash && !strncmp(t->s, s, len) && !t->s[len]) {
			t->ref++;
			return t->s;
		}
	}
	if (texts >= buckets && grow() && !buckets)
		return NULL;
	t = malloc(sizeof(*t) + len + 1);
	if (!t)
		return NULL;
	if (len)
		memcpy(t->s, s, len);
	t->s[len] = '\0';
	t->hash = hash;
	t->ref = 1;
	t->next = bucket[hash & (buckets - 1)];
	bucket[hash & (buckets - 1)] = t;
	texts++;
	return t->s;
}

void intern_put(char *s)
{
	struct text *t, **p;

	if (!s)
		return;
	t = (struct text *)(s - offsetof(struct text, s));
	if (--t->ref)
		return;
	for (p = &bucket[t->hash & (buckets - 1)]; *p != t; p = &(*p)->next)
		;
	*p = t->next;
	free(t);
	if (--texts)
		return;
	free(bucket);
	bucket = NULL;
	buckets = 0;
}
