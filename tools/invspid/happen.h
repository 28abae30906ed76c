/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What happens to peers that somebody outside of the helper may want to know at once:
 * it is recorded, and hooks are run on it.
 */
#ifndef INVSPID_HAPPEN_H
#define INVSPID_HAPPEN_H

#include "decide.h"
#include "ike.h"

/* The order is that of happening_name(). */
enum happening {
	HAPPEN_DESYNC, /* this side has lost an SA; certain */
	HAPPEN_SUSPECTED, /* it looks like a desync; anybody could have sent that */
	HAPPEN_RECOVERED, /* an action of ours has healed it */
	HAPPEN_FAILED, /* ... has not, or it cannot be told */
	HAPPEN_GAVE_UP, /* nothing more is tried for the time being */
	HAPPEN_ALERT, /* somebody has to look: nothing is done any more */
	HAPPEN_RECORDED, /* a bundle was written */
	HAPPEN__COUNT
};

const char *happening_name(enum happening what);

/**
 * struct happened - one of them
 * @peer, @local: outer addresses, the peer's and ours; family 0 if not known
 * @spi: the dead one, 0 if none
 * @conn, @child, @peer_id: "" if not known; the peer's identity may hold anything
 * @grade: GRADE__COUNT if it is about no flow
 * @why: text for people; may hold anything
 * @action: ACTION_NONE if none was taken, or is to be
 * @outcome: with HAPPEN_RECOVERED and HAPPEN_FAILED; OUTCOME_PENDING otherwise
 * @new_spi: with HAPPEN_RECOVERED
 * @ms: with HAPPEN_RECOVERED, from the first drop to the first new packet; -1: not known
 * @bundle, @path: with HAPPEN_RECORDED
 */
struct happened {
	enum happening what;
	struct ike_addr peer, local;
	uint32_t spi, new_spi;
	uint8_t proto;
	const char *conn, *child, *peer_id;
	enum grade grade;
	enum action action;
	enum outcome outcome;
	const char *why;
	int64_t ms;
	unsigned int bundle;
	const char *path;
};

#endif
