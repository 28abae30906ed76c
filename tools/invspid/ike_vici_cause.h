/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why did a CHILD_SA end? VICI's child-updown event does not say, the daemon's log
 * does, and VICI delivers log lines of level 1 and below to whoever registers for
 * "log", whatever the log files are set to (get_level() of vici_logger.c). Lines
 * that tell a cause become marks; a CHILD_SA that goes down belongs to the oldest
 * mark that fits it, since the first cause is the real one: an operator's terminate
 * is followed by a DELETE and perhaps by the end of retransmission.
 */
#ifndef INVSPID_IKE_VICI_CAUSE_H
#define INVSPID_IKE_VICI_CAUSE_H

#include <stdbool.h>
#include <stdint.h>

#include "decide.h"
#include "ike_vici_parse.h"

/* Longer than a default retransmission sequence (165 s): then the end comes after all. */
#define CAUSE_KEEP_MS 300000
#define CAUSE_MARKS 512
#define CAUSE_OWN 8

/* What else a log line means. */
enum cause_line {
	LINE_OTHER,
	LINE_STOPPING, /* the daemon is shutting down */
	LINE_CONNS, /* a connection was loaded, changed or removed */
	LINE_DISCARDED, /* a VICI message was too long to be sent: a listing has a hole */
};

/**
 * struct cause_mark - a cause, and whose it is; 0 and NULL stand for any
 * @at: CLOCK_BOOTTIME ms
 * @end: END_NONE if the place is free
 * @unbound: the line names no CHILD_SA; the next "closing CHILD_SA" of the IKE_SA does
 * @once: for the next CHILD_SA of that IKE_SA only
 * @by_hand: from a terminate command, to which the next line may add
 */
struct cause_mark {
	int64_t at;
	enum sa_end end;
	bool unbound, once, by_hand;
	uint32_t thread;
	uint32_t ike_id, child_id, spi_in, spi_out;
	char *conn, *child;
};

struct causes {
	struct cause_mark mark[CAUSE_MARKS]; /* a ring */
	unsigned int next;
	unsigned int changes; /* counts what may give cause_find() more to say */
	struct {
		uint32_t ike_id, child_id; /* one of the two */
		int64_t until;
	} own[CAUSE_OWN];
	unsigned int next_own;
};

/* A CHILD_SA that went down. @installed_at: CLOCK_BOOTTIME ms, LONG_AGO if not known. */
struct cause_child {
	const char *conn, *child;
	uint32_t ike_id, child_id, spi_in, spi_out;
	int64_t installed_at;
};

/* Takes in a log line. */
enum cause_line cause_log(struct causes *c, const struct vici_log *line, int64_t now);

/* We are about to terminate this IKE_SA or CHILD_SA ourselves: it will not be by hand. */
void cause_own_terminate(struct causes *c, uint32_t ike_id, uint32_t child_id, int64_t now);

/**
 * cause_find() - the cause of a CHILD_SA's end
 *
 * Log lines and events take different ways through the daemon, so that the line can
 * come a little after the event: ask again then.
 *
 * Return: the cause, or END_NONE if no line told one yet.
 */
enum sa_end cause_find(struct causes *c, const struct cause_child *child, int64_t now);

void cause_clear(struct causes *c);

#endif
