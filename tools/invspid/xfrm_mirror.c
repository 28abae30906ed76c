// SPDX-License-Identifier: GPL-2.0-only
/* Hash of SAs by SPI, and a memory of those that left. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "hash.h"
#include "xfrm_mirror.h"
#include "xfrm_parse.h"

#define BUCKETS_MIN 256

static uint32_t hash(const struct mirror *m, uint32_t spi, uint8_t proto)
{
	return hash_mix(spi ^ m->seed ^ proto);
}

static struct mirror_node **bucket(const struct mirror *m, uint32_t spi, uint8_t proto)
{
	return &m->bucket[hash(m, spi, proto) & (m->nbucket - 1)];
}

int mirror_init(struct mirror *m)
{
	memset(m, 0, sizeof(*m));
	m->nodes.size = sizeof(struct mirror_node);
	m->nbucket = BUCKETS_MIN;
	m->bucket = calloc(m->nbucket, sizeof(*m->bucket));
	m->left = calloc(MIRROR_LEFT, sizeof(*m->left));
	m->left_bucket = calloc(MIRROR_LEFT, sizeof(*m->left_bucket));
	if (!m->bucket || !m->left || !m->left_bucket) {
		mirror_free(m);
		return -ENOMEM;
	}
	/* Without it the hash is merely guessable. */
	(void)!getrandom(&m->seed, sizeof(m->seed), GRND_NONBLOCK);
	return 0;
}

void mirror_free(struct mirror *m)
{
	pool_free(&m->nodes);
	free(m->bucket);
	free(m->left);
	free(m->left_bucket);
	memset(m, 0, sizeof(*m));
}

/* A table that could not grow is merely slower. */
static void grow(struct mirror *m)
{
	struct mirror_node **old = m->bucket, **into, *node;
	unsigned int nold = m->nbucket, i;
	struct mirror_node **new;

	if (m->count < m->nbucket)
		return;
	new = calloc((size_t)nold * 4, sizeof(*new));
	if (!new)
		return;
	m->bucket = new;
	m->nbucket = nold * 4;
	for (i = 0; i < nold; i++) {
		while ((node = old[i])) {
			old[i] = node->next;
			into = bucket(m, node->sa.spi, node->sa.proto);
			node->next = *into;
			*into = node;
		}
	}
	free(old);
}

/* ---- memory of those that left ---- */

static uint32_t *left_bucket(const struct mirror *m, uint32_t spi, uint8_t proto)
{
	return &m->left_bucket[hash(m, spi, proto) & (MIRROR_LEFT - 1)];
}

static void left_drop(struct mirror *m, uint32_t index)
{
	struct mirror_left *l = &m->left[index];
	uint32_t *at;

	if (!l->used)
		return;
	for (at = left_bucket(m, l->spi, l->proto); *at; at = &m->left[*at - 1].next) {
		if (*at == index + 1) {
			*at = l->next;
			break;
		}
	}
	l->used = false;
}

static struct mirror_left *left_find(const struct mirror *m, const struct ike_addr *dst,
				     uint32_t spi, uint8_t proto)
{
	struct mirror_left *l;
	uint32_t at;

	for (at = *left_bucket(m, spi, proto); at; at = l->next) {
		l = &m->left[at - 1];
		if (l->spi == spi && l->proto == proto && ike_addr_same(&l->dst, dst))
			return l;
	}
	return NULL;
}

void mirror_left(struct mirror *m, const struct xfrm_sa *sa, int64_t when, enum xfrm_gone how)
{
	struct mirror_left *l = left_find(m, &sa->dst, sa->spi, sa->proto);
	uint32_t *at;

	if (l)
		left_drop(m, (uint32_t)(l - m->left));
	left_drop(m, m->left_next);
	l = &m->left[m->left_next];
	l->dst = sa->dst;
	l->spi = sa->spi;
	l->proto = sa->proto;
	l->how = how;
	l->when = when;
	l->used = true;
	at = left_bucket(m, sa->spi, sa->proto);
	l->next = *at;
	*at = m->left_next + 1;
	m->left_next = (m->left_next + 1) & (MIRROR_LEFT - 1);
}

int mirror_seen_leaving(const struct mirror *m, const struct ike_addr *dst, uint32_t spi,
			uint8_t proto, int64_t *when, enum xfrm_gone *how)
{
	const struct mirror_left *l = left_find(m, dst, spi, proto);

	if (!l)
		return -ENOENT;
	if (when)
		*when = l->when;
	if (how)
		*how = l->how;
	return 0;
}

/* ---- the SAs ---- */

int mirror_put(struct mirror *m, const struct xfrm_sa *sa, bool *isnew)
{
	struct mirror_node *node, **into = bucket(m, sa->spi, sa->proto);
	struct mirror_left *l;

	*isnew = false;
	for (node = *into; node; node = node->next) {
		if (xfrm_sa_same(&node->sa, sa)) {
			node->sa = *sa;
			node->marked = true;
			return 0;
		}
	}
	node = pool_get(&m->nodes);
	if (!node)
		return -ENOMEM;
	node->sa = *sa;
	node->marked = true;
	node->next = *into;
	*into = node;
	m->count++;
	grow(m);
	*isnew = true;
	l = left_find(m, &sa->dst, sa->spi, sa->proto);
	if (l)
		left_drop(m, (uint32_t)(l - m->left));
	return 0;
}

int mirror_take(struct mirror *m, const struct xfrm_sa *key, struct xfrm_sa *sa)
{
	struct mirror_node **at, *node;

	for (at = bucket(m, key->spi, key->proto); (node = *at); at = &node->next) {
		if (!xfrm_sa_same(&node->sa, key))
			continue;
		*sa = node->sa;
		*at = node->next;
		pool_put(&m->nodes, node);
		m->count--;
		return 0;
	}
	return -ENOENT;
}

static size_t take_many(struct mirror *m, struct xfrm_sa **sa, bool unmarked,
			bool (*match)(uint8_t proto, uint8_t arg), uint8_t arg)
{
	struct mirror_node **at, *node;
	unsigned int i;
	size_t n = 0;

	/* One more: malloc(0) may answer NULL. */
	*sa = malloc(((size_t)m->count + 1) * sizeof(**sa));
	for (i = 0; i < m->nbucket; i++) {
		for (at = &m->bucket[i]; (node = *at);) {
			if (unmarked ? node->marked : !match(node->sa.proto, arg)) {
				at = &node->next;
				continue;
			}
			if (*sa)
				(*sa)[n++] = node->sa;
			*at = node->next;
			pool_put(&m->nodes, node);
			m->count--;
		}
	}
	return n;
}

size_t mirror_take_if(struct mirror *m, struct xfrm_sa **sa,
		      bool (*match)(uint8_t proto, uint8_t arg), uint8_t arg)
{
	return take_many(m, sa, false, match, arg);
}

size_t mirror_take_unmarked(struct mirror *m, struct xfrm_sa **sa)
{
	return take_many(m, sa, true, NULL, 0);
}

void mirror_unmark(struct mirror *m)
{
	struct mirror_node *node;
	unsigned int i;

	for (i = 0; i < m->nbucket; i++)
		for (node = m->bucket[i]; node; node = node->next)
			node->marked = false;
}

int mirror_find(const struct mirror *m, uint32_t spi, uint8_t proto,
		void (*cb)(void *arg, const struct xfrm_sa *sa), void *arg)
{
	struct mirror_node *node, *next;
	int n = 0;

	for (node = *bucket(m, spi, proto); node; node = next) {
		next = node->next;
		if (node->sa.spi != spi || node->sa.proto != proto)
			continue;
		n++;
		if (cb)
			cb(arg, &node->sa);
	}
	return n;
}
