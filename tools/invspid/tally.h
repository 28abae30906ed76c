/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What has become of each connection and of our actions, counted for people: for
 * metrics, status and top. Nothing is decided by it.
 *
 * A connection has a place as soon as the IKE daemon has it loaded; those that find
 * none left are counted together. A connection that is unloaded keeps its numbers
 * until another one needs the place, so that a counter does not fall back where the
 * configuration is only loaded anew.
 */
#ifndef INVSPID_TALLY_H
#define INVSPID_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decide.h"

#define TALLY_CONNS 4096
#define TALLY_ACTIONS (ACTION_RESTART + 1)
#define TALLY_OUTCOMES (OUTCOME_FAILED + 1)
#define TALLY_BUCKETS 11

/* Upper bounds of the buckets, in ms, without the last one, which has none. */
extern const int64_t tally_bucket_ms[TALLY_BUCKETS];

/**
 * struct tally_end - an action that has come to its end
 * @took_ms: from the first dropped to the first delivered packet, -1 if not healed
 * @at: CLOCK_BOOTTIME ms
 * @wall: Unix ms
 */
struct tally_end {
	enum grade grade;
	enum action action;
	enum outcome outcome;
	int64_t took_ms, at, wall;
};

/**
 * struct tally_conn - one connection
 * @name: NULL for those that have no place
 * @configured: the IKE daemon has it loaded
 * @dropped: packets of its flows since this helper began
 * @flows: of its flows, those that grow; @desync: those of them that are a desync
 * @ended: how many of our actions ended so
 * @last: the last of them, if @has_last
 */
struct tally_conn {
	char *name;
	bool configured, has_last;
	uint64_t dropped;
	unsigned int flows, desync;
	uint64_t ended[TALLY_OUTCOMES];
	struct tally_end last;
};

/* How long it took until a tunnel carried traffic again. */
struct tally_times {
	uint64_t bucket[TALLY_BUCKETS + 1];
	int64_t sum_ms;
};

/**
 * struct tally - all of it
 * @conn: connections, @nconn of them; places are never given back, only reused
 * @others: the connections that have no place
 * @ended: actions by kind and outcome
 * @times: by whether the evidence was certain
 * @flows: flows that grow, by grade, as of the last look
 */
struct tally {
	struct tally_conn *conn;
	size_t nconn;
	struct tally_conn others;
	uint64_t ended[TALLY_ACTIONS][TALLY_OUTCOMES];
	struct tally_times times[2];
	unsigned int flows[GRADE__COUNT];
	struct tally_index *index;
};

struct tally *tally_new(void);
void tally_free(struct tally *t);

/**
 * tally_conns() - the connections that are loaded now
 * @name: calls for the name of each, 0 to @n - 1
 */
void tally_conns(struct tally *t, size_t n, const char *(*name)(const void *arg, size_t i),
		 const void *arg);

/* A connection's place; the shared one if it has none. */
struct tally_conn *tally_conn(struct tally *t, const char *name);

/* A new look: what is there now is counted anew. */
void tally_look(struct tally *t);
/* A flow that grows, traced to @conn or to none (""); @packets came since the last look. */
void tally_flow(struct tally *t, const char *conn, enum grade grade, bool desync, uint64_t packets);
void tally_end(struct tally *t, const char *conn, const struct tally_end *end);

#endif
