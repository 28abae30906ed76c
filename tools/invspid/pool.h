/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory for thousands of small objects of one size that live long: side by side,
 * so that what lives shortly does not lie between them and leave holes that nobody
 * else can use. What is given back is for the next object; the blocks go with the
 * pool. For one thread.
 */
#ifndef INVSPID_POOL_H
#define INVSPID_POOL_H

#include <stddef.h>

struct pool_block;

/* Zero it, but for @size, to begin. */
struct pool {
	size_t size;
	void *unused;
	struct pool_block *blocks;
};

/* Return: zeroed memory, or NULL without memory. */
void *pool_get(struct pool *p);
void pool_put(struct pool *p, void *object); /* NULL is fine */
/* All objects go with it. */
void pool_free(struct pool *p);

/* First thing in a program: one heap for all of its threads. */
void memory_begin(void);
/* Gives back to the system what malloc() has left, after much was freed. */
void memory_give_back(void);

#endif
