/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The flight recorder's memory: what happened, the newest of it, for each peer. No I/O.
 *
 * A peer is an address. What belongs to no peer has a ring of its own, and so has what
 * strangers send: whoever floods us pushes out what he sent himself, and no more. All
 * rings share one budget; when it is spent, the largest ring loses its oldest notes. So
 * a peer with little to tell keeps all of it, however talkative the others are.
 *
 * Whether an address gets a ring is for the caller to say: those of packets must not,
 * since anybody could make them up.
 */
#ifndef INVSPID_RINGS_H
#define INVSPID_RINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ike.h"

#define NOTE_MAX 512 /* bytes of a note's text; what is longer is cut */
#define NOTE_CONN_MAX 128
#define RINGS_MAX 4096 /* peers; of one more, the one longest silent is forgotten */

/* The order is that of note_kind_name(). */
enum note_kind {
	NOTE_IKE, /* a line of the IKE daemon's log */
	NOTE_DAEMON, /* its state, and the SAs that it tells of */
	NOTE_SA, /* the kernel's SAs */
	NOTE_POLICY, /* the kernel's policies */
	NOTE_ACQUIRE, /* the kernel asks for an SA */
	NOTE_EXPIRE, /* a lifetime of an SA or a policy is over */
	NOTE_FLOW, /* the module's events */
	NOTE_DECISION, /* what is to be done about a flow, and why */
	NOTE_ACTION, /* what was done, and what became of it */
	NOTE_RECORD, /* of the recorder itself */
	NOTE__KINDS
};

const char *note_kind_name(enum note_kind kind);

/* Which ring a note goes to. */
enum ring_of { RING_PEER, RING_COMMON, RING_STRANGERS };

/**
 * struct note - something that happened
 * @seq: their order; given by the rings
 * @at: CLOCK_BOOTTIME ms
 * @of: see there
 * @peer: with RING_PEER, its address; with RING_STRANGERS that of the packet
 * @ike_id: unique id of the IKE_SA, 0 if none
 * @spi: 0 if none
 * @conn: connection, "" if not known
 * @text: any bytes but NUL; without keys, see redact.h
 */
struct note {
	uint64_t seq;
	int64_t at;
	enum note_kind kind;
	enum ring_of of;
	struct ike_addr peer;
	uint32_t ike_id, spi;
	const char *conn, *text;
};

struct rings;

struct rings *rings_new(void); /* NULL: no memory */
void rings_free(struct rings *r);

/**
 * rings_limits() - how much all rings together, and one of them, may take
 * @total: bytes; what is over is forgotten at once
 * @each: bytes
 */
void rings_limits(struct rings *r, size_t total, size_t each);

/* Takes a copy. Without memory, the note is lost: rings_lost() counts it. */
void rings_add(struct rings *r, const struct note *n);

/* Has that peer a ring? */
bool rings_has(const struct rings *r, const struct ike_addr *peer);

/**
 * struct notes - notes of some rings, in the order in which they were made
 * @memory: what they point into, @nmemory blocks
 */
struct notes {
	struct note *note;
	size_t n;
	char **memory;
	size_t nmemory;
};

/**
 * rings_collect() - copy what is in the rings of some peers and in those of none
 * @peer: @npeer of them; NULL: of all peers
 *
 * Return: 0 or -ENOMEM; notes_free() in either case.
 */
int rings_collect(const struct rings *r, const struct ike_addr *peer, size_t npeer,
		  struct notes *notes);
void notes_free(struct notes *notes);

/**
 * notes_merge() - add notes that were collected at another time or of other peers
 * @more: is empty afterwards; what is in both is there once
 *
 * Return: 0, or -ENOMEM: nothing was added.
 */
int notes_merge(struct notes *notes, struct notes *more);

/* For status: bytes in use, peers, notes that were lost for want of memory. */
size_t rings_bytes(const struct rings *r);
size_t rings_peers(const struct rings *r);
uint64_t rings_lost(const struct rings *r);

#endif
