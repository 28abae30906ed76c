/* SPDX-License-Identifier: GPL-2.0-only */
/* Hash of SAs by SPI, and a memory of those that left. No I/O. */
#ifndef INVSPID_XFRM_MIRROR_H
#define INVSPID_XFRM_MIRROR_H

#include <stddef.h>

#include "pool.h"
#include "xfrm.h"

#define MIRROR_LEFT 4096 /* SAs that left and are remembered */

struct mirror_node {
	struct mirror_node *next;
	struct xfrm_sa sa;
	bool marked; /* put since mirror_unmark() */
};

/* One that left; @next chains those of one bucket by index + 1. */
struct mirror_left {
	struct ike_addr dst;
	uint32_t spi;
	uint8_t proto;
	enum xfrm_gone how;
	bool used;
	int64_t when;
	uint32_t next;
};

struct mirror {
	struct pool nodes;
	struct mirror_node **bucket;
	unsigned int nbucket, count; /* nbucket is a power of 2 */
	uint32_t seed; /* a peer chooses the SPIs that we send to */
	struct mirror_left *left; /* ring */
	uint32_t *left_bucket; /* index + 1, 0 = none */
	unsigned int left_next;
};

int mirror_init(struct mirror *m); /* 0 or -ENOMEM */
void mirror_free(struct mirror *m);

/* Adds or updates, and marks; forgets that it left. 0 or -ENOMEM. */
int mirror_put(struct mirror *m, const struct xfrm_sa *sa, bool *isnew);
/* Removes the SA that is the same as @key. 0 or -ENOENT. */
int mirror_take(struct mirror *m, const struct xfrm_sa *key, struct xfrm_sa *sa);

/*
 * Remove many at once. Return: how many; *@sa holds them (malloc'd, caller
 * frees). Without memory the removals stay untold, *@sa is NULL and 0 comes back.
 */
size_t mirror_take_if(struct mirror *m, struct xfrm_sa **sa,
		      bool (*match)(uint8_t proto, uint8_t arg), uint8_t arg);
size_t mirror_take_unmarked(struct mirror *m, struct xfrm_sa **sa);
void mirror_unmark(struct mirror *m);

int mirror_find(const struct mirror *m, uint32_t spi, uint8_t proto,
		void (*cb)(void *arg, const struct xfrm_sa *sa), void *arg);

void mirror_left(struct mirror *m, const struct xfrm_sa *sa, int64_t when, enum xfrm_gone how);
int mirror_seen_leaving(const struct mirror *m, const struct ike_addr *dst, uint32_t spi,
			uint8_t proto, int64_t *when, enum xfrm_gone *how);

#endif
