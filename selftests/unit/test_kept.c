// SPDX-License-Identifier: GPL-2.0-only
/* Which listings are kept, and which two prove an absence. */
#include <errno.h>

#include "daemon.h"
#include "ktap.h"

static uint64_t updowns;

uint64_t ike_updowns(const struct ike *ike)
{
	(void)ike;
	return updowns;
}

void lost_clear(struct invspid *d)
{
	(void)d;
}

static void list(struct invspid *d, int64_t started, int64_t ended)
{
	struct ike_listing *l = calloc(1, sizeof(*l));

	l->ref = 1;
	l->started = started;
	l->ended = ended;
	l->updown = updowns;
	listing_add(d, l);
	ike_listing_put(l);
}

/* Three listings that take @ms each, @pause ms between them. */
static void three(const char *what, int64_t ms, int64_t pause, bool prev, bool gap)
{
	struct conf conf = { .listing_gap_ms = 500 };
	struct invspid d = { .conf = &conf };
	int64_t at = 1000, i;

	for (i = 0; i < 3; i++, at += ms + pause)
		list(&d, at, at + ms);
	printf("# %s\n", what);
	ktap_int("the one before is kept", prev, !!d.listing[LISTING_PREV]);
	ktap_int("an absence is proven", gap, !!listing_gap(&d));
	updowns++;
	ktap_int("not if something came up since", 0, !!listing_gap(&d));
	listing_clear(&d);
	free(d.task);
}

int main(void)
{
	three("one after the other", 100, 20, true, false);
	three("each second", 100, 900, true, true);
	three("each 5 s", 100, 5000, true, true);
	three("each 6 s", 100, 6000, false, false);
	three("they take 8 s each", 8000, 20, true, true);
	three("they take 8 s each, 6 s apart", 8000, 6000, false, false);
	return ktap_done();
}
