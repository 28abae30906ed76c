/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pluto's states as a listing.
 *
 * A connection of pluto has one CHILD_SA, and an IKE_SA belongs to whichever
 * connection has made it and is used by all that have the same ends. The helper thinks
 * of connections with children, and must find a child under the same name tomorrow,
 * whoever's IKE_SA it is then on. So connection and child have the same name, and an
 * IKE_SA is listed once for each connection that it carries: once under its number,
 * for the others under numbers that are made up (whack_alias()).
 */
#ifndef INVSPID_IKE_WHACK_BUILD_H
#define INVSPID_IKE_WHACK_BUILD_H

#include "ike_whack_parse.h"

/**
 * struct whack_known - what the backend has noted about a CHILD_SA
 * @serial: number of its state
 * @ike: number of its IKE_SA
 * @since: when it was first seen, or was made if that was told
 * @kernel: what the kernel said of its inbound SA as long as it had it
 * @out: ... and of the outbound one
 */
struct whack_known {
	uint32_t serial, ike;
	int64_t since;
	struct ike_kernel kernel, out;
};

/* Sorted by number. */
struct whack_memory {
	struct whack_known *known;
	size_t n;
};

/**
 * struct whack_source - what a listing is made of
 * @status: may be NULL: then there are no selectors, and no identities but the peers'
 * @before: what was known of the CHILD_SAs of the last listing
 * @memory: what is known of this one's; filled in
 * @ev: its function kernel() is asked
 * @now: CLOCK_BOOTTIME ms; @wall: Unix ms
 */
struct whack_source {
	const struct whack_states *states;
	const struct whack_status *status;
	const struct whack_memory *before;
	struct whack_memory *memory;
	const struct ike_events *ev;
	void *arg;
	int64_t now, wall;
};

/* Fills @l, which is zero but for its times. Return: 0 or -ENOMEM. */
int whack_build(const struct whack_source *src, struct ike_listing *l);

const struct whack_known *whack_recall(const struct whack_memory *m, uint32_t serial);

/* Number under which an IKE_SA is listed for another connection than its own. */
uint32_t whack_alias(uint32_t ike, const struct whack_name *name);
#define WHACK_ALIAS 0x80000000 /* they have this bit, numbers of states do not */

/* As the helper knows them: without those that are not for it. 0 or -ENOMEM. */
int whack_conns(const struct whack_status *status, struct ike_conns *conns);

#endif
