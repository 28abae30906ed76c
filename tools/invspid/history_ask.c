// SPDX-License-Identifier: GPL-2.0-only
/* Questions to the history. */
#include <errno.h>
#include <string.h>

#include "history_int.h"

#define CLOCK_ERROR_MS 2000 /* of a wall clock that is adjusted */

/* Both clocks must agree that it is not long ago: a machine may have been off for long. */
static int64_t ago(const struct history *h, const struct hist_sa *sa)
{
	bool alive = sa->end == END_NONE;
	int64_t up = hist_in(h, h->env.boot_ms()) - (alive ? sa->last_alive : sa->ended_at);
	int64_t wall = alive ? up : h->env.wall_ms() - sa->ended_wall;

	if (wall < -CLOCK_ERROR_MS || alive == !!sa->ended_wall)
		return INT64_MAX;
	return wall > up ? wall : up;
}

static void give(const struct history *h, const struct row *row, struct hist_sa *sa)
{
	*sa = row->sa;
	sa->ago = ago(h, sa);
	sa->installed_at = hist_out(h, sa->installed_at);
	sa->last_alive = hist_out(h, sa->last_alive);
	sa->ended_at = sa->end == END_NONE ? 0 : hist_out(h, sa->ended_at);
}

bool hist_spi_range(const struct history *h, uint32_t *min, uint32_t *max)
{
	*min = h->spi_min;
	*max = h->spi_max;
	return *min <= *max;
}

int hist_lookup(struct history *h, uint32_t spi, uint8_t proto, struct hist_sa *sa)
{
	struct row *row, *disk = NULL;

	if (!bloom_maybe(h, spi, proto))
		return -ENOENT;
	row = row_by_spi(h, spi, proto);
	/* What is alive in memory is the newest. */
	if (!row || row->sa.end != END_NONE)
		disk = db_by_spi(h, spi, proto);
	if (disk && (!row || disk->sa.id > row->sa.id))
		row = disk;
	if (!row)
		return -ENOENT;
	give(h, row, sa);
	return 0;
}

/* The newest row of a child, of one peer or of any (NULL). */
static struct row *newest(const struct history *h, const char *conn, const char *child,
			  const char *peer)
{
	struct row *row, *best = NULL;
	struct kid *k;

	if (peer) {
		k = kid_find(h, conn, child, peer);
		return k ? kid_newest(k) : NULL;
	}
	for (k = kid_first(h, conn); k; k = k->conn_next) {
		row = kid_newest(k);
		if (row && !strcmp(k->conn, conn) && !strcmp(k->child, child) &&
		    (!best || row->ord > best->ord))
			best = row;
	}
	return best;
}

int hist_child(struct history *h, const char *conn, const char *child, const char *peer,
	       struct hist_sa *sa)
{
	struct row *row = newest(h, conn, child, peer);

	if (!row)
		return -ENOENT;
	give(h, row, sa);
	return 0;
}

/* See hist_should_be_up() in history.h for the reasons. */
bool end_is_wanted(enum sa_end end)
{
	switch (end) {
	case END_NONE:
	case END_REKEYED:
	case END_GAVE_UP:
	case END_DAEMON_LOST:
	case END_KERNEL_LOST:
	case END_MACHINE_DOWN:
		return true;
	case END_DELETED_LOCAL:
	case END_DELETED_PEER:
	case END_INACTIVITY:
	case END_OPERATOR:
	case END_EXPIRED:
	case END_REPLACED:
	case END_UNSEEN:
	case END__COUNT:
		break;
	}
	return false;
}

/* One that has changed its identity is still the same peer of a static connection. */
static bool superseded(const struct history *h, const struct kid *k, const char *peer)
{
	return !peer && newest(h, k->conn, k->child, NULL) != kid_newest(k);
}

int hist_should_be_up(struct history *h, const char *conn, const char *peer,
		      void (*cb)(void *arg, const struct hist_sa *sa), void *arg)
{
	struct hist_sa sa;
	struct row *row;
	struct kid *k;
	int n = 0;

	for (k = kid_first(h, conn); k; k = k->conn_next) {
		row = kid_newest(k);
		if (strcmp(k->conn, conn) || (peer && peer[0] && strcmp(k->peer, peer)) || !row ||
		    !end_is_wanted(row->sa.end) || superseded(h, k, peer))
			continue;
		n++;
		give(h, row, &sa);
		if (cb)
			cb(arg, &sa);
	}
	return n;
}

bool hist_by_hand(struct history *h, const char *conn, const char *child, const char *peer)
{
	struct row *row = newest(h, conn, child, peer);

	return row && row->sa.end == END_OPERATOR;
}
