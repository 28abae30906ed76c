// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rows in memory: those alive, those whose write is still queued, those that
 * ended a moment ago (their cause may still be corrected), and the newest of
 * each child. Everything older is only in the file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "history_int.h"
#include "intern.h"

#define RECENT_MS 10000 /* the cause of an end may be corrected for so long */
#define REAP_MS 1000

static uint32_t hash_spi(const struct history *h, uint32_t spi, uint8_t proto)
{
	return hash_mix(spi ^ h->seed ^ proto) % HIST_BUCKETS;
}

static uint32_t hash_text(uint32_t v, const char *s)
{
	return hash_bytes(v, s, strlen(s));
}

static uint32_t hash_kid(const struct history *h, const char *conn, const char *child,
			 const char *peer)
{
	return hash_text(hash_text(hash_text(h->seed, conn), child), peer) % HIST_BUCKETS;
}

static uint32_t hash_conn(const struct history *h, const char *conn)
{
	return hash_text(h->seed, conn) % HIST_BUCKETS;
}

/* ---- SPIs that may be in the file ---- */

/*
 * Anyone can send packets with random SPIs, and each is looked up: nearly all
 * of those questions must not reach the file. Two bits for each SPI.
 */
void bloom_add(struct history *h, uint32_t spi, uint8_t proto)
{
	uint32_t v = hash_mix(spi ^ h->seed ^ proto), u = hash_mix(v ^ 0x9e3779b9u);

	if (spi < h->spi_min)
		h->spi_min = spi;
	if (spi > h->spi_max)
		h->spi_max = spi;
	if (!h->bloom)
		return;
	h->bloom[v % HIST_BLOOM_BITS / 8] |= (uint8_t)(1 << v % 8);
	h->bloom[u % HIST_BLOOM_BITS / 8] |= (uint8_t)(1 << u % 8);
}

bool bloom_maybe(const struct history *h, uint32_t spi, uint8_t proto)
{
	uint32_t v = hash_mix(spi ^ h->seed ^ proto), u = hash_mix(v ^ 0x9e3779b9u);

	return !h->bloom || ((h->bloom[v % HIST_BLOOM_BITS / 8] & 1 << v % 8) &&
			     (h->bloom[u % HIST_BLOOM_BITS / 8] & 1 << u % 8));
}

/* ---- strings ---- */

/* All texts of a row. */
static const size_t texts[] = {
	offsetof(struct hist_sa, conn),	    offsetof(struct hist_sa, child),
	offsetof(struct hist_sa, local_id), offsetof(struct hist_sa, remote_id),
	offsetof(struct hist_sa, mode),	    offsetof(struct hist_sa, algs),
	offsetof(struct hist_sa, local_ts), offsetof(struct hist_sa, remote_ts),
	offsetof(struct hist_sa, ike_algs), offsetof(struct hist_sa, no_copy),
};

#define TEXTS (sizeof(texts) / sizeof(texts[0]))

static const char **text_of(struct hist_sa *sa, size_t i)
{
	return (const char **)((char *)sa + texts[i]);
}

int hist_strings(struct hist_sa *sa, char **strings)
{
	size_t i, len, total = 0;
	const char **text;
	char *p;

	for (i = 0; i < TEXTS; i++) {
		text = text_of(sa, i);
		total += (*text ? strlen(*text) : 0) + 1;
	}
	p = malloc(total);
	if (!p)
		return -ENOMEM;
	*strings = p;
	for (i = 0; i < TEXTS; i++) {
		text = text_of(sa, i);
		len = *text ? strlen(*text) : 0;
		if (len)
			memcpy(p, *text, len);
		p[len] = '\0';
		*text = p;
		p += len + 1;
	}
	return 0;
}

/* The strings of a row are those of many rows, and of the listings. */
static void put_strings(struct hist_sa *sa)
{
	size_t i;

	for (i = 0; i < TEXTS; i++)
		intern_put((char *)(uintptr_t)*text_of(sa, i));
}

static int get_strings(struct hist_sa *sa)
{
	const char **text;
	bool ok = true;
	size_t i;

	for (i = 0; i < TEXTS; i++) {
		text = text_of(sa, i);
		*text = intern(*text ? *text : "", *text ? strlen(*text) : 0);
		ok &= !!*text;
	}
	if (!ok)
		put_strings(sa);
	return ok ? 0 : -ENOMEM;
}

/* ---- children ---- */

struct kid *kid_find(const struct history *h, const char *conn, const char *child, const char *peer)
{
	struct kid *k;

	for (k = h->kid[hash_kid(h, conn, child, peer)]; k; k = k->hash_next)
		if (!strcmp(k->conn, conn) && !strcmp(k->child, child) && !strcmp(k->peer, peer))
			return k;
	return NULL;
}

/* Of another connection with the same hash, too. */
struct kid *kid_first(const struct history *h, const char *conn)
{
	return h->conn[hash_conn(h, conn)];
}

static void kid_free(struct history *h, struct kid *k)
{
	intern_put(k->conn);
	intern_put(k->child);
	intern_put(k->peer);
	pool_put(&h->kid_pool, k);
}

static struct kid *kid_get(struct history *h, const char *conn, const char *child, const char *peer)
{
	struct kid *k = kid_find(h, conn, child, peer);
	uint32_t at;

	if (k)
		return k;
	k = pool_get(&h->kid_pool);
	if (!k)
		return NULL;
	k->conn = intern(conn, strlen(conn));
	k->child = intern(child, strlen(child));
	k->peer = intern(peer, strlen(peer));
	if (!k->conn || !k->child || !k->peer) {
		kid_free(h, k);
		return NULL;
	}
	at = hash_kid(h, conn, child, peer);
	k->hash_next = h->kid[at];
	h->kid[at] = k;
	at = hash_conn(h, conn);
	k->conn_next = h->conn[at];
	h->conn[at] = k;
	k->next = h->kids;
	h->kids = k;
	return k;
}

struct row *kid_newest(const struct kid *kid)
{
	return kid->alive ? kid->alive : kid->last_ended;
}

/* ---- rows ---- */

struct row *row_new(struct history *h, const struct hist_sa *sa)
{
	struct row *row = pool_get(&h->row_pool);

	if (!row)
		return NULL;
	row->sa = *sa;
	if (get_strings(&row->sa)) {
		pool_put(&h->row_pool, row);
		return NULL;
	}
	if (!row->sa.id)
		row->sa.id = h->next_id++;
	row->ord = HIST_ORD_ALIVE + row->sa.id;
	return row;
}

/* Takes in what a listing tells anew; identity and lineage stay. */
int row_change(struct row *row, const struct hist_sa *sa)
{
	struct hist_sa copy = *sa;

	if (get_strings(&copy))
		return -ENOMEM;
	put_strings(&row->sa);
	row->sa = copy;
	return 0;
}

void row_free(struct history *h, struct row *row)
{
	if (!row)
		return;
	put_strings(&row->sa);
	pool_put(&h->row_pool, row);
}

static void link_alive(struct kid *kid, struct row *row)
{
	row->alive_next = kid->alive;
	row->alive_pprev = &kid->alive;
	if (kid->alive)
		kid->alive->alive_pprev = &row->alive_next;
	kid->alive = row;
}

static void unlink_alive(struct row *row)
{
	*row->alive_pprev = row->alive_next;
	if (row->alive_next)
		row->alive_next->alive_pprev = row->alive_pprev;
	row->alive_pprev = NULL;
}

static void link_ended(struct history *h, struct row *row)
{
	row->kid->last_ended = row;
	if (row->in_ended)
		return;
	row->in_ended = true;
	row->ended_next = NULL;
	*h->ended_last = row;
	h->ended_last = &row->ended_next;
	h->nended++;
}

/* Rows come in the order of @ord when they are loaded. */
int row_insert(struct history *h, struct row *row)
{
	uint32_t at = hash_spi(h, row->sa.spi, row->sa.proto);

	row->kid = kid_get(h, row->sa.conn, row->sa.child, row->sa.remote_id);
	if (!row->kid)
		return -ENOMEM;
	row->spi_next = h->spi[at];
	h->spi[at] = row;
	bloom_add(h, row->sa.spi, row->sa.proto);
	if (row->sa.end == END_NONE)
		link_alive(row->kid, row);
	else
		link_ended(h, row);
	return 0;
}

void row_end(struct history *h, struct row *row, enum sa_end end, int64_t at)
{
	if (row->sa.end == END_NONE) {
		unlink_alive(row);
		row->sa.ended_at = at;
		row->sa.ended_wall = hist_wall(h, at);
		row->ord = ++h->ord;
		row->sa.end = end;
		link_ended(h, row);
	}
	row->sa.end = end;
	write_row(h, row, true);
}

void row_revive(struct history *h, struct row *row)
{
	row->sa.end = END_NONE;
	row->sa.ended_at = 0;
	row->sa.ended_wall = 0;
	row->ord = HIST_ORD_ALIVE + row->sa.id;
	if (row->kid->last_ended == row)
		row->kid->last_ended = NULL;
	link_alive(row->kid, row);
	write_row(h, row, true);
}

/* Newest owner of an SPI among the rows in memory. */
struct row *row_by_spi(const struct history *h, uint32_t spi, uint8_t proto)
{
	struct row *row, *best = NULL;

	for (row = h->spi[hash_spi(h, spi, proto)]; row; row = row->spi_next)
		if (row->sa.spi == spi && row->sa.proto == proto &&
		    (!best || row->sa.id > best->sa.id))
			best = row;
	return best;
}

static void row_forget(struct history *h, struct row *row)
{
	struct row **at = &h->spi[hash_spi(h, row->sa.spi, row->sa.proto)];

	while (*at != row)
		at = &(*at)->spi_next;
	*at = row->spi_next;
	row_free(h, row);
}

/*
 * Forgets rows that the file has. Without a file the oldest go when they are
 * too many.
 */
void rows_reap(struct history *h, int64_t now)
{
	struct row **at = &h->ended, *row;
	bool memory = !h->rdb, keep;

	if (now - h->reaped_at < REAP_MS && now >= h->reaped_at)
		return;
	h->reaped_at = now;
	while ((row = *at)) {
		keep = row->sa.end != END_NONE && (row->kid->last_ended == row || row->pending ||
						   row->sa.ended_at > hist_in(h, now) - RECENT_MS ||
						   (memory && h->nended <= HIST_MEMORY_ROWS));
		if (keep) {
			at = &row->ended_next;
			continue;
		}
		*at = row->ended_next;
		h->nended--;
		row->in_ended = false;
		if (row->sa.end != END_NONE)
			row_forget(h, row);
	}
	h->ended_last = at;
}

void rows_free(struct history *h)
{
	struct row *row;
	struct kid *k;
	size_t i;

	for (i = 0; i < HIST_BUCKETS; i++) {
		while ((row = h->spi[i])) {
			h->spi[i] = row->spi_next;
			row_free(h, row);
		}
	}
	while ((k = h->kids)) {
		h->kids = k->next;
		kid_free(h, k);
	}
	pool_free(&h->row_pool);
	pool_free(&h->kid_pool);
}
