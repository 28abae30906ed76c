// SPDX-License-Identifier: GPL-2.0-only
/* See quota.h. */
#include "quota.h"

const char *bundle_class_name(enum bundle_class c)
{
	static const char *const names[BUNDLE__CLASSES] = {
		[BUNDLE_UNCERTAIN] = "uncertain",
		[BUNDLE_ASKED] = "asked",
		[BUNDLE_CERTAIN] = "certain",
	};

	return c < BUNDLE__CLASSES ? names[c] : "?";
}

static bool is_about(const struct bundle_id *b, const struct ike_addr *peer)
{
	size_t i;

	for (i = 0; i < b->npeers; i++)
		if (ike_addr_same(&b->peer[i], peer))
			return true;
	return false;
}

const char *quota_refuses(const struct quota *q, const struct bundle_id *recent, size_t n,
			  enum bundle_class class, const struct ike_addr *peer, int64_t now)
{
	unsigned int of[BUNDLE__CLASSES] = { 0 }, of_peer = 0, most;
	size_t i;

	for (i = 0; i < n; i++) {
		if (now - recent[i].begun >= QUOTA_HOUR_MS)
			continue;
		of[recent[i].class]++;
		of_peer += recent[i].class != BUNDLE_ASKED && peer && is_about(&recent[i], peer);
	}
	if (class == BUNDLE_ASKED)
		return of[BUNDLE_ASKED] < q->per_hour ? NULL : "record_per_hour";
	if (of_peer >= q->per_peer)
		return "record_per_peer";
	most = q->per_hour / 3 ? q->per_hour / 3 : 1;
	if (class == BUNDLE_UNCERTAIN && of[BUNDLE_UNCERTAIN] >= most)
		return "record_per_hour";
	if (of[BUNDLE_UNCERTAIN] + of[BUNDLE_CERTAIN] >= q->per_hour)
		return "record_per_hour";
	return NULL;
}

bool quota_first(const struct bundle_id *recent, size_t n, const struct bundle_id *b, int64_t now)
{
	size_t i, k;

	for (i = 0; i < n; i++) {
		/* What is uncertain begins no incident that a certain one would be part of. */
		if (now - recent[i].begun >= QUOTA_INCIDENT_MS || recent[i].class < b->class)
			continue;
		for (k = 0; k < b->npeers; k++)
			if (is_about(&recent[i], &b->peer[k]))
				return false;
		if (!b->npeers && !recent[i].npeers)
			return false;
	}
	return true;
}

/* What gives way first has the least. */
static int worth(const struct bundle_id *b)
{
	if (b->age >= QUOTA_KEEP_MS)
		return -1;
	return (int)b->class * 2 + b->first;
}

/* Does @a give way before @b? */
static bool gives_way(const struct bundle_id *a, const struct bundle_id *b)
{
	if (worth(a) != worth(b))
		return worth(a) < worth(b);
	if (a->class != b->class)
		return a->class < b->class;
	return a->number < b->number;
}

int quota_evict(const struct quota *q, const struct bundle_id *have, size_t n,
		const struct bundle_id *b)
{
	uint64_t bytes = b->size;
	size_t i, least = 0;

	for (i = 0; i < n; i++) {
		bytes += have[i].size;
		if (gives_way(&have[i], &have[least]))
			least = i;
	}
	if (n < q->most && bytes <= q->bytes)
		return -1;
	if (!n || worth(&have[least]) > worth(b))
		return -2;
	return (int)least;
}
