/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What `whack' prints, as structures. Pure: text goes in, a structure or an error
 * comes out, and what was built until an error is freed.
 *
 * The text is for people and has changed between libreswan 4 and 5: a reply code
 * before each line, the names of states, and more. Lines of other kinds are passed
 * over; a line about a state that does not make sense spoils all of it, since a
 * listing with a hole in it would be taken for the absence of an SA.
 */
#ifndef INVSPID_IKE_WHACK_PARSE_H
#define INVSPID_IKE_WHACK_PARSE_H

#include "ike_backend.h"

/* What a state of pluto is to us. */
enum whack_kind {
	WHACK_OTHER, /* an IKE_SA that is neither of these: being rekeyed, deleted */
	WHACK_UNANSWERED, /* an IKE_SA that this side has begun, without an answer yet */
	WHACK_HALF_OPEN_I, /* ... which the peer has answered */
	WHACK_HALF_OPEN_R, /* ... that the other side has */
	WHACK_IKE, /* an IKE_SA */
	WHACK_LARVAL, /* a CHILD_SA that is negotiated, or waits for its IKE_SA */
	WHACK_CHILD, /* a CHILD_SA */
};

/**
 * struct whack_name - which connection: "NAME" or "NAME"[INSTANCE] ADDRESS
 * @name: interned
 * @instance: 0 if it is none
 * @peer: address of an instance, as far as it is told; family 0 if not
 * @opportunistic: made for packets that nobody had configured a connection for
 */
struct whack_name {
	char *name;
	unsigned int instance;
	struct ike_addr peer;
	bool opportunistic;
};

/**
 * struct whack_state - a state of pluto
 * @serial: its number
 * @version: 1 or 2, 0 if that can't be told
 * @newest: of its kind and connection
 * @port: UDP port of the peer
 * @ike: of a CHILD_SA: number of its IKE_SA, 0 if that has gone
 * @spi_in, @local: ... where its packets come in
 * @spi_out, @remote: ... where they are sent to
 * @tunnel: ... else transport
 * @id: ... the peer's identity, interned; NULL if not told
 * @add_time: ... since when, Unix seconds; 0 if not told
 */
struct whack_state {
	uint32_t serial;
	enum whack_kind kind;
	struct whack_name name;
	int version;
	bool newest;
	uint16_t port;
	uint32_t ike;
	uint8_t proto;
	uint32_t spi_in, spi_out;
	struct ike_addr local, remote;
	bool tunnel;
	char *id;
	int64_t add_time;
};

/**
 * struct whack_states - all states, by their numbers
 * @missing: so many CHILD_SAs fewer are told than pluto has counted: the rest was cut off
 * @bad: the line that was at fault, cut
 */
struct whack_states {
	struct whack_state *state;
	size_t n;
	unsigned int missing;
	char bad[128];
};

/**
 * parse_states() - the answer to --trafficstatus --briefstatus --showstates
 *
 * Return: 0; -EBADMSG: not complete, or @states->bad; -ENOMEM.
 */
int parse_states(const char *text, size_t len, struct whack_states *states);
void whack_states_clear(struct whack_states *states);
const struct whack_state *whack_state_find(const struct whack_states *states, uint32_t serial);

/**
 * struct whack_conn - a connection, or an instance of one
 * @dynamic: its peer has no address
 * @never: it is not for us: opportunistic, a group, or it never negotiates
 * @vip: EAP, XAuth, or addresses that are handed out
 * @up: pluto is to keep it up: goes on trying, and revives it
 */
struct whack_conn {
	struct whack_name name;
	int version;
	bool dynamic, never, vip, up;
	struct ike_addr local, remote;
	char *local_id, *remote_id, *local_ts, *remote_ts;
	const char *auth_local, *auth_remote; /* static: "psk", "pubkey", or "" */
};

/**
 * struct whack_status - the answer to --status
 * @version: of libreswan, NULL if not told
 * @log: pluto's log file, NULL if it has none
 * @conn: @n of them, by name and instance
 * @hash: of what is told of connections, to see whether that changes
 */
struct whack_status {
	char *version, *log;
	struct whack_conn *conn;
	size_t n;
	uint64_t hash;
};

/* Return: 0; -EBADMSG: it ends too early; -ENOMEM. */
int parse_status(const char *text, size_t len, struct whack_status *status);
void whack_status_clear(struct whack_status *status);
/* Of an instance, or else of the connection itself; NULL if there is none. */
const struct whack_conn *whack_conn_find(const struct whack_status *status,
					 const struct whack_name *name);

/* ---- lines, for both parsers and for the log ---- */

struct whack_text {
	const char *s, *end;
};

/* The next line, without its end and reply code; false if there is none. */
bool whack_line(struct whack_text *rest, struct whack_text *line);
/* Takes @prefix off, or returns false. */
bool whack_skip(struct whack_text *t, const char *prefix);
/* Finds @s in @t: where, or NULL. */
const char *whack_find(struct whack_text t, const char *s);
/* Takes a decimal number off. */
bool whack_number(struct whack_text *t, uint64_t max, uint64_t *n);
/* A literal address: false if it is none. */
bool whack_addr(struct whack_text t, struct ike_addr *addr);
/* Takes "NAME" or "NAME"[N] off. 0, -EBADMSG or -ENOMEM. */
int whack_take_name(struct whack_text *t, struct whack_name *name);
/* Interned, in the place of an earlier one. 0 or -ENOMEM. */
int whack_keep(struct whack_text t, char **text);

#endif
