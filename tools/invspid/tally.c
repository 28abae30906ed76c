// SPDX-License-Identifier: GPL-2.0-only
/* See tally.h. */
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "tally.h"

#define SLOTS (2 * TALLY_CONNS) /* never more than half full */
#define FREE UINT16_MAX

struct tally_index {
	uint16_t slot[SLOTS];
};

const int64_t tally_bucket_ms[TALLY_BUCKETS] = { 50,   100,   250,   500,   1000,  2000,
						 5000, 10000, 30000, 60000, 300000 };

struct tally *tally_new(void)
{
	struct tally *t = calloc(1, sizeof(*t));

	if (t)
		t->index = malloc(sizeof(*t->index));
	if (!t || !t->index) {
		free(t);
		return NULL;
	}
	memset(t->index, 0xff, sizeof(*t->index));
	return t;
}

void tally_free(struct tally *t)
{
	size_t i;

	if (!t)
		return;
	for (i = 0; i < t->nconn; i++)
		free(t->conn[i].name);
	free(t->conn);
	free(t->index);
	free(t);
}

/* The slot of a name, or the one that it would get. */
static uint16_t *slot_of(const struct tally *t, const char *name)
{
	uint32_t at = hash_bytes(0, name, strlen(name)) % SLOTS;

	while (t->index->slot[at] != FREE && strcmp(t->conn[t->index->slot[at]].name, name))
		at = (at + 1) % SLOTS;
	return &t->index->slot[at];
}

static void index_anew(struct tally *t)
{
	size_t i;

	memset(t->index, 0xff, sizeof(*t->index));
	for (i = 0; i < t->nconn; i++)
		*slot_of(t, t->conn[i].name) = (uint16_t)i;
}

struct tally_conn *tally_conn(struct tally *t, const char *name)
{
	uint16_t i = *slot_of(t, name);

	return i == FREE ? &t->others : &t->conn[i];
}

/* A place for a connection that has none: a new one, or that of one that is unloaded. */
static struct tally_conn *place(struct tally *t, size_t *from)
{
	struct tally_conn *conn;
	size_t size;

	if (t->nconn == TALLY_CONNS) {
		while (*from < t->nconn && t->conn[*from].configured)
			++*from;
		return *from < t->nconn ? &t->conn[*from] : NULL;
	}
	/* doubled: whenever the number is a power of two */
	if (!(t->nconn & (t->nconn - 1))) {
		size = t->nconn ? t->nconn * 2 : 1;
		conn = reallocarray(t->conn, size, sizeof(*conn));
		if (!conn)
			return NULL;
		t->conn = conn;
	}
	conn = &t->conn[t->nconn];
	memset(conn, 0, sizeof(*conn));
	return conn;
}

static void add(struct tally *t, const char *name, size_t *from)
{
	struct tally_conn *conn = place(t, from);
	char *copy = conn ? strdup(name) : NULL;
	bool reused;

	if (!copy)
		return;
	reused = conn->name;
	free(conn->name);
	memset(conn, 0, sizeof(*conn));
	conn->name = copy;
	conn->configured = true;
	if (reused) {
		index_anew(t);
	} else {
		*slot_of(t, copy) = (uint16_t)t->nconn;
		t->nconn++;
	}
}

void tally_conns(struct tally *t, size_t n, const char *(*name)(const void *arg, size_t i),
		 const void *arg)
{
	struct tally_conn *conn;
	size_t i, from = 0;

	for (i = 0; i < t->nconn; i++)
		t->conn[i].configured = false;
	for (i = 0; i < n; i++) {
		conn = tally_conn(t, name(arg, i));
		conn->configured = true;
	}
	/* Only now is it known whose places may be taken. */
	for (i = 0; i < n; i++)
		if (tally_conn(t, name(arg, i)) == &t->others)
			add(t, name(arg, i), &from);
}

void tally_look(struct tally *t)
{
	size_t i;

	for (i = 0; i < t->nconn; i++) {
		t->conn[i].flows = 0;
		t->conn[i].desync = 0;
	}
	t->others.flows = 0;
	t->others.desync = 0;
	memset(t->flows, 0, sizeof(t->flows));
}

void tally_flow(struct tally *t, const char *conn, enum grade grade, bool desync, uint64_t packets)
{
	struct tally_conn *c;

	if (grade < GRADE__COUNT)
		t->flows[grade]++;
	if (!conn[0])
		return;
	c = tally_conn(t, conn);
	c->flows++;
	c->desync += desync;
	c->dropped += packets;
}

static void add_time(struct tally_times *times, int64_t ms)
{
	size_t i = 0;

	while (i < TALLY_BUCKETS && ms > tally_bucket_ms[i])
		i++;
	times->bucket[i]++;
	times->sum_ms += ms;
}

void tally_end(struct tally *t, const char *conn, const struct tally_end *end)
{
	struct tally_conn *c = tally_conn(t, conn);

	t->ended[end->action][end->outcome]++;
	if (end->took_ms >= 0)
		add_time(&t->times[!is_uncertain(end->grade)], end->took_ms);
	c->ended[end->outcome]++;
	c->last = *end;
	c->has_last = true;
}
