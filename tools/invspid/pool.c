// SPDX-License-Identifier: GPL-2.0-only
/* See pool.h. A list of unused objects through their first words. */
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <string.h>
#include <sys/prctl.h>

#include "pool.h"

#define BLOCK_OBJECTS 64

struct pool_block {
	struct pool_block *next;
	max_align_t object[];
};

static void put(struct pool *p, void *object)
{
	memcpy(object, &p->unused, sizeof(p->unused));
	p->unused = object;
}

static int grow(struct pool *p)
{
	size_t align = sizeof(max_align_t), size = (p->size + align - 1) / align * align, i;
	struct pool_block *b = malloc(sizeof(*b) + BLOCK_OBJECTS * size);

	if (!b)
		return -1;
	b->next = p->blocks;
	p->blocks = b;
	for (i = BLOCK_OBJECTS; i--;)
		put(p, (char *)b->object + i * size);
	return 0;
}

void *pool_get(struct pool *p)
{
	void *object;

	if (!p->unused && grow(p))
		return NULL;
	object = p->unused;
	memcpy(&p->unused, object, sizeof(p->unused));
	return memset(object, 0, p->size);
}

void pool_put(struct pool *p, void *object)
{
	if (object)
		put(p, object);
}

void pool_free(struct pool *p)
{
	struct pool_block *b;

	while ((b = p->blocks)) {
		p->blocks = b->next;
		free(b);
	}
	p->unused = NULL;
}

void memory_begin(void)
{
	/* Huge pages would fill the holes that were given back, with megabytes of nothing. */
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
#ifdef __GLIBC__
	/* The thread that writes the history would have a heap to itself, 2 MB of it. */
	mallopt(M_ARENA_MAX, 1);
	/* The size is glibc's own, but fixed: what is large goes back when it is freed. */
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
#endif
}

void memory_give_back(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}
