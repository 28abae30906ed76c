/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The flight recorder. What the IKE daemon says, what the kernel does with SAs and
 * policies, what the module sees and what this helper decides is noted all the time, in
 * memory (rings.h). When a tunnel loses step, that goes on for record_after_ms more,
 * commands say how things stand then, and all of it is written to a bundle (bundle.h).
 *
 *	record_note.c		what is noted, and whose it is
 *	record.c		recordings, and whether there is one
 *	record_finish.c		their end: the disk
 *	record_capture.c	what is asked then
 *	happen.c		what has happened: hooks, and whether to record
 *
 * d->record may be NULL (no memory for it): then all of these do nothing.
 */
#ifndef INVSPID_RECORD_H
#define INVSPID_RECORD_H

#include <jansson.h>

#include "happen.h"
#include "nl.h"
#include "quota.h"
#include "rings.h"
#include "xfrm_note.h"

struct invspid;
struct recorder;
struct tracked;

/* Return: the recorder, NULL without memory. @state: the state directory. */
struct recorder *record_new(struct invspid *d, const char *state);
/* Writes what is being recorded; the loop must run once more. */
void record_free(struct recorder *r);
/* The configuration has changed. */
void record_conf(struct recorder *r);

/* ---- record_note.c ---- */

/* The IKE daemon came or went. */
void record_daemon(struct invspid *d, enum daemon_state state, const char *why);
/* A line of its log; see struct ike_events. */
void record_ike_log(void *arg, const char *group, const char *conn, uint32_t ike_id,
		    const char *msg);
/* It told of an SA of a connection; @spi: 0 if not known. */
void record_told(struct invspid *d, const char *conn, uint32_t ike_id, uint32_t spi,
		 const char *format, ...) __attribute__((format(printf, 5, 6)));
void record_sa(struct invspid *d, const struct xfrm_sa *sa, const char *what);
void record_flow(struct invspid *d, enum invspi_event event, const struct invspi_flow *f);
/* About a flow that has to do with us; its source is who it seems to be of. */
void record_about_flow(struct invspid *d, enum note_kind kind, const struct invspi_flow *f,
		       const char *conn, const char *text);
/* Whose address is it? Neither a packet's nor a stranger's: somebody we know. */
bool record_knows(const struct invspid *d, const struct ike_addr *addr);

/* ---- record.c ---- */

/**
 * struct recording - what a bundle shall be about
 * @peer: whom; NULL for all
 * @cause: a line for people
 * @about: more for bundle.json; the reference is taken
 * @after_ms: how long it goes on
 */
struct recording {
	enum bundle_class class;
	const struct ike_addr *peer;
	const char *cause;
	json_t *about;
	int64_t after_ms;
};

/**
 * record_begin() - begin a recording, or join the one that is under way
 * @number: set to that of the bundle
 * @why: set to a text if it is refused
 *
 * Return: whether there is one.
 */
bool record_begin(struct invspid *d, const struct recording *what, unsigned int *number, char *why,
		  size_t size);

/**
 * struct record_counts
 * @ok: the last bundle could be written
 * @bundles: on disk now, of @bytes in all
 * @written: since the start; @failed: those that could not be
 */
struct record_counts {
	bool ok;
	uint64_t bundles, bytes, written, failed;
};

void record_counts(const struct recorder *r, struct record_counts *c);
/* For the control socket. */
json_t *record_status(const struct recorder *r);
int record_delete(struct recorder *r, unsigned int number);
/* What is in the rings of a peer, or of all: an array. NULL without memory. */
json_t *record_live(struct recorder *r, const struct ike_addr *peer);
const char *record_dir(const struct recorder *r);

/* ---- happen.c ---- */

/* Runs hooks. */
void happen(struct invspid *d, const struct happened *h);
/* What a flow is: 0 nothing of note, 1 suspected, 2 a desync for certain. */
int happen_level(const struct tracked *t);
/* There is something to tell of a flow: @text is what the log says of it. */
void happen_decided(struct invspid *d, struct tracked *t, const char *text);
/* An action of ours has ended: @h lacks what the flow knows. */
void happen_ended(struct invspid *d, const struct invspi_flow *f, struct happened *h,
		  const char *text);
/* Something that concerns no peer, or a whole connection. */
void happen_alert(struct invspid *d, enum happening what, const char *conn, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
