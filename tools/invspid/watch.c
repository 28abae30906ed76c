// SPDX-License-Identifier: GPL-2.0-only
/*
 * Inbound counters of the kernel's SAs. An entry lives as long as somebody asks
 * for it; there are at most as many as the IKE daemon has SAs.
 */
#include <errno.h>
#include <stdlib.h>

#include "decide.h"
#include "listing.h"
#include "watch.h"

#define BUCKETS 1024
#define KEEP_MS 60000 /* nobody asked for so long: forgotten */
#define SAME_MS 20 /* within one look once is enough */

struct counter {
	struct counter *next;
	struct ike_addr dst;
	uint32_t spi, mark;
	uint8_t proto;
	uint64_t packets;
	int64_t since, read_at;
	int err;
};

struct watch {
	struct counter *bucket[BUCKETS];
	int64_t cleaned_at;
};

struct watch *watch_new(void)
{
	return calloc(1, sizeof(struct watch));
}

static void clean(struct counter **p, int64_t before)
{
	struct counter *c;

	/* cppcheck-suppress uninitvar ; all buckets are NULL at first: calloc() */
	while ((c = *p)) {
		if (c->read_at < before) {
			*p = c->next;
			free(c);
		} else {
			p = &c->next;
		}
	}
}

void watch_free(struct watch *w)
{
	unsigned int i;

	if (!w)
		return;
	for (i = 0; i < BUCKETS; i++)
		clean(&w->bucket[i], INT64_MAX);
	free(w);
}

static void clean_all(struct watch *w, int64_t now)
{
	unsigned int i;

	if (now - w->cleaned_at < KEEP_MS)
		return;
	w->cleaned_at = now;
	for (i = 0; i < BUCKETS; i++)
		clean(&w->bucket[i], now - KEEP_MS);
}

static struct counter *find(struct watch *w, const struct ike_addr *dst, uint32_t spi,
			    uint8_t proto, uint32_t mark)
{
	struct counter **p = &w->bucket[(spi ^ spi >> 10 ^ spi >> 20) % BUCKETS], *c;

	for (c = *p; c; c = c->next)
		if (c->spi == spi && c->proto == proto && c->mark == mark &&
		    ike_addr_same(&c->dst, dst))
			return c;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->dst = *dst;
	c->spi = spi;
	c->proto = proto;
	c->mark = mark;
	c->read_at = LONG_AGO;
	c->next = *p;
	*p = c;
	return c;
}

int watch_since(struct watch *w, struct xfrm *x, const struct ike_addr *dst, uint32_t spi,
		uint8_t proto, uint32_t mark, int64_t now, int64_t *since)
{
	struct counter *c;
	struct xfrm_sa sa;

	clean_all(w, now);
	c = find(w, dst, spi, proto, mark);
	if (!c)
		return -ENOMEM;
	if (now - c->read_at > SAME_MS) {
		c->err = xfrm_sa_get(x, dst, spi, proto, mark, &sa);
		if (c->read_at == LONG_AGO && !c->err)
			c->since = sa.packets ? now : LONG_AGO;
		else if (!c->err && sa.packets != c->packets)
			c->since = now;
		if (!c->err)
			c->packets = sa.packets;
		/* An SA that could not be read is as one that was never. */
		c->read_at = c->err ? LONG_AGO : now;
	}
	*since = c->since;
	return c->err;
}
