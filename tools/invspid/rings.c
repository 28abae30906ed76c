// SPDX-License-Identifier: GPL-2.0-only
/*
 * See rings.h. A ring is a list of chunks of one size, filled one after the other;
 * the oldest chunk goes as a whole, so that nothing is ever moved and what a ring
 * takes is known exactly.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "pool.h"
#include "redact.h"
#include "rings.h"

#define CHUNK 1024
#define BUCKETS 1024
#define MIN_TOTAL (16 * CHUNK)

/* A note as it is kept; connection and text follow, each with its NUL. */
struct entry {
	uint64_t seq;
	int64_t at;
	struct ike_addr peer;
	uint32_t ike_id, spi;
	uint16_t conn_len, text_len;
	uint8_t kind, of;
};

struct chunk {
	struct chunk *next;
	unsigned int used;
	char data[CHUNK - sizeof(struct chunk *) - sizeof(unsigned int)];
};

/* @oldest to @newest: its chunks */
struct ring {
	struct ring *next; /* of the bucket */
	struct ike_addr peer;
	struct chunk *oldest, *newest;
	unsigned int chunks;
	uint64_t last; /* seq of the newest note */
};

struct rings {
	struct ring *bucket[BUCKETS];
	struct ring common, strangers;
	struct pool chunks, rings; /* each to itself would hold a page of the heap */
	size_t npeers, bytes, total, each;
	uint64_t seq, lost;
	uint32_t seed;
};

const char *note_kind_name(enum note_kind kind)
{
	static const char *const names[NOTE__KINDS] = {
		[NOTE_IKE] = "ike",	  [NOTE_DAEMON] = "daemon",   [NOTE_SA] = "sa",
		[NOTE_POLICY] = "policy", [NOTE_ACQUIRE] = "acquire", [NOTE_EXPIRE] = "expire",
		[NOTE_FLOW] = "flow",	  [NOTE_DECISION] = "decide", [NOTE_ACTION] = "action",
		[NOTE_RECORD] = "record",
	};

	return kind < NOTE__KINDS ? names[kind] : "?";
}

static size_t entry_size(const struct entry *e)
{
	return (sizeof(*e) + e->conn_len + e->text_len + 2 + 7) & ~(size_t)7;
}

/* ---- rings ---- */

static struct ring **place(struct rings *r, const struct ike_addr *peer)
{
	uint32_t h = hash_bytes(r->seed, peer->addr, peer->family == AF_INET ? 4 : 16);
	struct ring **p = &r->bucket[h % BUCKETS];

	while (*p && !ike_addr_same(&(*p)->peer, peer))
		p = &(*p)->next;
	return p;
}

static void drop_oldest(struct rings *r, struct ring *ring)
{
	struct chunk *c = ring->oldest;

	ring->oldest = c->next;
	if (!ring->oldest)
		ring->newest = NULL;
	ring->chunks--;
	r->bytes -= sizeof(*c);
	pool_put(&r->chunks, c);
}

static void drop_ring(struct rings *r, struct ring *ring)
{
	struct ring **p = place(r, &ring->peer);

	while (ring->oldest)
		drop_oldest(r, ring);
	*p = ring->next;
	r->npeers--;
	r->bytes -= sizeof(*ring);
	pool_put(&r->rings, ring);
}

/* The largest ring, and the one longest silent of those of peers (NULL if none). */
static struct ring *largest(struct rings *r, struct ring **silent)
{
	struct ring *best = r->common.chunks > r->strangers.chunks ? &r->common : &r->strangers;
	struct ring *ring;
	size_t i;

	*silent = NULL;
	for (i = 0; i < BUCKETS; i++) {
		for (ring = r->bucket[i]; ring; ring = ring->next) {
			if (ring->chunks > best->chunks)
				best = ring;
			if (!*silent || ring->last < (*silent)->last)
				*silent = ring;
		}
	}
	return best;
}

/* Makes room for @size bytes more. */
static void make_room(struct rings *r, size_t size)
{
	struct ring *big, *silent;

	while (r->bytes && r->bytes + size > r->total) {
		big = largest(r, &silent);
		if (big->chunks > 1 || !silent)
			drop_oldest(r, big);
		else
			drop_ring(r, silent);
	}
}

static struct ring *ring_get(struct rings *r, const struct note *n)
{
	struct ring *ring, *silent;

	if (n->of != RING_PEER)
		return n->of == RING_COMMON ? &r->common : &r->strangers;
	ring = *place(r, &n->peer);
	if (ring)
		return ring;
	if (r->npeers >= RINGS_MAX) {
		largest(r, &silent);
		drop_ring(r, silent);
	}
	make_room(r, sizeof(*ring));
	ring = pool_get(&r->rings);
	if (!ring)
		return NULL;
	ring->peer = n->peer;
	*place(r, &n->peer) = ring;
	r->npeers++;
	r->bytes += sizeof(*ring);
	return ring;
}

/* Room for @size bytes in the ring's newest chunk, or in a new one. */
static char *room_get(struct rings *r, struct ring *ring, size_t size)
{
	struct chunk *c = ring->newest;

	if (c && sizeof(c->data) - c->used >= size)
		return c->data + c->used;
	while (ring->chunks && (ring->chunks + 1) * sizeof(*c) > r->each)
		drop_oldest(r, ring);
	/* Its last note is newer than those of all others: it is not forgotten here. */
	ring->last = r->seq;
	make_room(r, sizeof(*c));
	c = pool_get(&r->chunks);
	if (!c)
		return NULL;
	if (ring->newest)
		ring->newest->next = c;
	else
		ring->oldest = c;
	ring->newest = c;
	ring->chunks++;
	r->bytes += sizeof(*c);
	return c->data;
}

void rings_add(struct rings *r, const struct note *n)
{
	char text[NOTE_MAX + REDACT_AHEAD], *p = NULL;
	size_t len = strnlen(n->text, sizeof(text));
	struct entry e = {
		.seq = ++r->seq,
		.at = n->at,
		.peer = n->peer,
		.ike_id = n->ike_id,
		.spi = n->spi,
		.conn_len = (uint16_t)strnlen(n->conn, NOTE_CONN_MAX - 1),
		.kind = (uint8_t)n->kind,
		.of = (uint8_t)n->of,
	};
	struct ring *ring;

	memcpy(text, n->text, len);
	len = redact(text, len);
	e.text_len = (uint16_t)(len < NOTE_MAX ? len : NOTE_MAX);
	ring = ring_get(r, n);
	if (ring)
		p = room_get(r, ring, entry_size(&e));
	if (!p) {
		r->lost++;
		return;
	}
	memcpy(p, &e, sizeof(e));
	p += sizeof(e);
	memcpy(p, n->conn, e.conn_len);
	p[e.conn_len] = '\0';
	memcpy(p + e.conn_len + 1, text, e.text_len);
	p[e.conn_len + 1 + e.text_len] = '\0';
	ring->newest->used += entry_size(&e);
	ring->last = e.seq;
}

/* ---- reading ---- */

bool rings_has(const struct rings *r, const struct ike_addr *peer)
{
	return *place((struct rings *)(uintptr_t)r, peer);
}

static void count_ring(const struct ring *ring, size_t *notes, size_t *bytes)
{
	const struct chunk *c;
	struct entry e;
	size_t at;

	for (c = ring->oldest; c; c = c->next) {
		for (at = 0; at < c->used; at += entry_size(&e)) {
			memcpy(&e, c->data + at, sizeof(e));
			++*notes;
			*bytes += e.conn_len + e.text_len + 2;
		}
	}
}

static void take_ring(const struct ring *ring, struct notes *notes, char **memory)
{
	const struct chunk *c;
	struct entry e;
	size_t at, len;

	for (c = ring->oldest; c; c = c->next) {
		for (at = 0; at < c->used; at += entry_size(&e)) {
			memcpy(&e, c->data + at, sizeof(e));
			len = e.conn_len + e.text_len + 2;
			memcpy(*memory, c->data + at + sizeof(e), len);
			notes->note[notes->n++] = (struct note){
				.seq = e.seq,
				.at = e.at,
				.kind = e.kind,
				.of = e.of,
				.peer = e.peer,
				.ike_id = e.ike_id,
				.spi = e.spi,
				.conn = *memory,
				.text = *memory + e.conn_len + 1,
			};
			*memory += len;
		}
	}
}

static int by_seq(const void *pa, const void *pb)
{
	const struct note *a = pa, *b = pb;

	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

/* In order, and each once. */
static void sort(struct notes *notes)
{
	size_t i, n = 0;

	if (!notes->n)
		return;
	qsort(notes->note, notes->n, sizeof(*notes->note), by_seq);
	for (i = 0; i < notes->n; i++)
		if (!n || notes->note[i].seq != notes->note[n - 1].seq)
			notes->note[n++] = notes->note[i];
	notes->n = n;
}

/* Those that are asked for, and those of none. Return: how many. */
static size_t choose(const struct rings *r, const struct ike_addr *peer, size_t npeer,
		     const struct ring **chosen)
{
	const struct ring *ring;
	size_t i, k, n = 0;

	chosen[n++] = &r->common;
	chosen[n++] = &r->strangers;
	for (i = 0; !peer && i < BUCKETS; i++)
		for (ring = r->bucket[i]; ring; ring = ring->next)
			chosen[n++] = ring;
	for (i = 0; peer && i < npeer && n < r->npeers + 2; i++) {
		ring = *place((struct rings *)(uintptr_t)r, &peer[i]);
		for (k = 0; k < n && chosen[k] != ring; k++)
			;
		if (ring && k == n)
			chosen[n++] = ring;
	}
	return n;
}

int rings_collect(const struct rings *r, const struct ike_addr *peer, size_t npeer,
		  struct notes *notes)
{
	const struct ring **chosen = calloc(r->npeers + 2, sizeof(*chosen));
	size_t i, m = 0, n = 0, bytes = 0;
	char *p;

	memset(notes, 0, sizeof(*notes));
	if (chosen)
		m = choose(r, peer, npeer, chosen);
	for (i = 0; i < m; i++)
		count_ring(chosen[i], &n, &bytes);
	notes->note = calloc(n + 1, sizeof(*notes->note));
	notes->memory = malloc(sizeof(*notes->memory));
	p = malloc(bytes + 1);
	if (!chosen || !notes->note || !notes->memory || !p) {
		free(p);
		free(chosen);
		notes_free(notes);
		return -ENOMEM;
	}
	notes->memory[notes->nmemory++] = p;
	for (i = 0; i < m; i++)
		take_ring(chosen[i], notes, &p);
	sort(notes);
	free(chosen);
	return 0;
}

int notes_merge(struct notes *notes, struct notes *more)
{
	size_t n = notes->n + more->n, m = notes->nmemory + more->nmemory;
	struct note *note = reallocarray(notes->note, n + 1, sizeof(*note));
	char **memory;

	if (note)
		notes->note = note;
	memory = reallocarray(notes->memory, m + 1, sizeof(*memory));
	if (memory)
		notes->memory = memory;
	if (!note || !memory)
		return -ENOMEM;
	if (more->n)
		memcpy(note + notes->n, more->note, more->n * sizeof(*note));
	if (more->nmemory)
		memcpy(memory + notes->nmemory, more->memory, more->nmemory * sizeof(*memory));
	notes->n = n;
	notes->nmemory = m;
	more->nmemory = 0;
	notes_free(more);
	sort(notes);
	return 0;
}

void notes_free(struct notes *notes)
{
	while (notes->nmemory)
		free(notes->memory[--notes->nmemory]);
	free(notes->memory);
	free(notes->note);
	memset(notes, 0, sizeof(*notes));
}

/* ---- the whole ---- */

struct rings *rings_new(void)
{
	struct rings *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->total = SIZE_MAX;
	r->each = SIZE_MAX;
	r->seed = (uint32_t)((uintptr_t)r >> 4);
	r->chunks.size = sizeof(struct chunk);
	r->rings.size = sizeof(struct ring);
	return r;
}

void rings_free(struct rings *r)
{
	if (!r)
		return;
	pool_free(&r->chunks);
	pool_free(&r->rings);
	free(r);
}

static void trim(struct rings *r, struct ring *ring)
{
	while (ring->chunks > 1 && ring->chunks * sizeof(struct chunk) > r->each)
		drop_oldest(r, ring);
}

void rings_limits(struct rings *r, size_t total, size_t each)
{
	struct ring *ring;
	size_t i;

	r->total = total < MIN_TOTAL ? MIN_TOTAL : total;
	r->each = each < 2 * CHUNK ? 2 * CHUNK : each;
	for (i = 0; i < BUCKETS; i++)
		for (ring = r->bucket[i]; ring; ring = ring->next)
			trim(r, ring);
	trim(r, &r->common);
	trim(r, &r->strangers);
	make_room(r, 0);
}

size_t rings_bytes(const struct rings *r)
{
	return r->bytes;
}

size_t rings_peers(const struct rings *r)
{
	return r->npeers;
}

uint64_t rings_lost(const struct rings *r)
{
	return r->lost;
}
