/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lines of pluto's log, and what they tell of SAs that go. Pure.
 *
 * Little of it can be relied on: a DELETE of the peer, for one, leaves no line that all
 * versions have. So lines only add to what is known (END_UNSEEN), and only where they
 * name a state or connection and are written by pluto itself: at the beginning of the
 * line, where no text from outside can stand.
 */
#ifndef INVSPID_IKE_WHACK_CAUSE_H
#define INVSPID_IKE_WHACK_CAUSE_H

#include "ike_whack_parse.h"

enum whack_line {
	WHACK_LINE_OTHER,
	WHACK_LINE_GAVE_UP, /* the peer has not answered on the IKE_SA @serial */
	WHACK_LINE_BY_HAND, /* the connection, or the state @serial, is terminated by a command */
	WHACK_LINE_LIVENESS, /* ... because the peer is dead: that is not by hand */
	WHACK_LINE_LOADED, /* the connection is one from now on */
	WHACK_LINE_STOPPING, /* pluto is shutting down */
};

/**
 * struct whack_log_line - a line, without time and program
 * @name: the connection; no name if it is about none. Give it back.
 * @serial: number of the state, 0 if none
 * @msg: the rest
 */
struct whack_log_line {
	struct whack_name name;
	uint32_t serial;
	struct whack_text msg;
	enum whack_line what;
};

/**
 * parse_log_line() - a line of a file
 * @pid: of pluto; a file of syslog has lines of others, too
 *
 * Return: false if it is not pluto's, or cannot be read; or if it is for debugging, which
 * may have keys in it.
 */
bool parse_log_line(struct whack_text text, pid_t pid, struct whack_log_line *line);
void whack_log_line_clear(struct whack_log_line *line);

#define WHACK_CAUSES 64
#define WHACK_CAUSE_MS 10000 /* an end so long after its cause has another one */

/* A CHILD_SA that has gone, or why some are about to go. */
struct whack_cause {
	int64_t at;
	enum whack_line what;
	char name[128]; /* of a connection, "" for one of a state */
	uint32_t serial;
};

/* What was told lately; a ring. */
struct whack_causes {
	struct whack_cause cause[WHACK_CAUSES];
	unsigned int next;
};

void whack_cause_note(struct whack_causes *c, const struct whack_log_line *line, int64_t now);

/**
 * whack_cause_find() - why a CHILD_SA has gone
 * @serial: its number, @ike: that of its IKE_SA
 *
 * Return: END_UNSEEN if no line tells.
 */
enum sa_end whack_cause_find(const struct whack_causes *c, const char *conn, uint32_t serial,
			     uint32_t ike, int64_t now);

#endif
