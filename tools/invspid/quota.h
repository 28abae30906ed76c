/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How many bundles there may be, and which one goes when there is no room. Pure.
 *
 * Anybody can forge packets that look like a desync, so that what rests on such
 * evidence must neither fill the disk nor push out, or use up, what a real failure
 * needs. Hence the classes: each has its own share, and none evicts what is worth more.
 */
#ifndef INVSPID_QUOTA_H
#define INVSPID_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ike.h"

/* The order is that of their worth. */
enum bundle_class {
	BUNDLE_UNCERTAIN, /* packets that anybody could have sent */
	BUNDLE_ASKED, /* `invspi record take': an operator, or the peer's trap */
	BUNDLE_CERTAIN, /* this side has lost an SA */
	BUNDLE__CLASSES
};

const char *bundle_class_name(enum bundle_class c);

#define BUNDLE_PEERS 16 /* a bundle names so many, and counts the others */
#define QUOTA_HOUR_MS 3600000
#define QUOTA_INCIDENT_MS QUOTA_HOUR_MS /* a peer's next bundle within is of the same incident */
#define QUOTA_KEEP_MS (7 * 24 * QUOTA_HOUR_MS) /* older ones give way to all */

/**
 * struct bundle_id - what counts of a bundle
 * @begun: CLOCK_BOOTTIME ms; LONG_AGO in an earlier boot
 * @age: ms since it was begun, by the wall clock; for what is older than this boot
 * @first: of its incident
 * @size: bytes
 */
struct bundle_id {
	unsigned int number;
	enum bundle_class class;
	bool first;
	int64_t begun, age;
	uint64_t size;
	struct ike_addr peer[BUNDLE_PEERS];
	size_t npeers;
};

/**
 * struct quota - the limits, each a configuration key
 * @per_hour: record_per_hour: certain and uncertain ones; and as many again that were
 *	asked for. A third of the former are for uncertain ones at most
 * @per_peer: record_per_peer: of one peer in an hour, of any class but asked
 * @most: record_bundles
 * @bytes: record_mib
 */
struct quota {
	unsigned int per_hour, per_peer, most;
	uint64_t bytes;
};

/**
 * quota_refuses() - may a bundle be begun
 * @recent: all that were begun in this boot within the last hour, also those that are gone
 * @peer: whom it is about, NULL for nobody
 *
 * Return: NULL, or what is in the way: a configuration key's name.
 */
const char *quota_refuses(const struct quota *q, const struct bundle_id *recent, size_t n,
			  enum bundle_class class, const struct ike_addr *peer, int64_t now);

/* Is it the first one of its incident? No peer in common with one that is recent. */
bool quota_first(const struct bundle_id *recent, size_t n, const struct bundle_id *b, int64_t now);

/**
 * quota_evict() - which bundle goes to make room for another one
 * @have: those that are there
 * @b: the newcomer
 *
 * Return: an index of @have; -1 if there is room, -2 if the newcomer has to go itself.
 */
int quota_evict(const struct quota *q, const struct bundle_id *have, size_t n,
		const struct bundle_id *b);

#endif
