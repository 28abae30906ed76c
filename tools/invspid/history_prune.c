// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the file forgets: beyond the quota of a connection, after some days of
 * uptime, and when the file grows too large. Never a row that is alive; by
 * quota and size never the newest of a child, since that one says whether the
 * child should be up. Runs in the writer thread.
 */
#include <inttypes.h>
#include <stdio.h>

#include "history_db.h"

#define SIZE_LOW_PERCENT 75
#define DAY_MS 86400000LL

/* @n is ?1, where there is one. */
static int run(sqlite3 *db, const char *sql, int64_t n)
{
	sqlite3_stmt *stmt;
	int rc;

	rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
	if (rc != SQLITE_OK)
		return rc;
	if (sqlite3_bind_parameter_count(stmt))
		sqlite3_bind_int64(stmt, 1, n);
	rc = sqlite3_step(stmt);
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

#define NOT_NEWEST                                            \
	" cause <> 0 AND ord < (SELECT max(ord) FROM sa AS n" \
	"  WHERE n.conn = sa.conn AND n.child = sa.child AND n.remote_id IS sa.remote_id)"

/* All rows of a connection but the newest ?1. */
#define OVER_QUOTA(table)                                                               \
	"DELETE FROM " table " WHERE id IN (SELECT id FROM (SELECT id, row_number()"    \
	" OVER (PARTITION BY conn ORDER BY id DESC) AS nr FROM " table " WHERE conn IN" \
	" (SELECT conn FROM " table " GROUP BY conn HAVING count(*) > ?1)) WHERE nr > ?1)"

static void get_limits(struct writer *w, int64_t *age_ms, int64_t *pages)
{
	pthread_mutex_lock(&w->lock);
	*age_ms = w->days * DAY_MS;
	*pages = (int64_t)w->mib * (1 << 20) / HIST_PAGE;
	w->new_limits = false;
	pthread_mutex_unlock(&w->lock);
}

/**
 * limit_size() - have the file obey hist_limits(): it fails as on a full disk
 *
 * Return: an SQLite code.
 */
int limit_size(struct writer *w)
{
	int64_t age_ms, pages;
	char sql[64];

	get_limits(w, &age_ms, &pages);
	snprintf(sql, sizeof(sql), "PRAGMA max_page_count = %" PRId64, pages);
	return sqlite3_exec(w->db, sql, NULL, NULL, NULL);
}

static bool too_large(sqlite3 *db, int64_t pages)
{
	int64_t used = db_ask(db, "PRAGMA page_count") - db_ask(db, "PRAGMA freelist_count");

	return used > pages / 100 * SIZE_LOW_PERCENT;
}

/**
 * prune() - drop what is too much
 * @now: history's clock
 * @full: the file could not grow: drop a tenth in any case
 *
 * Return: 0 if something could be done, else an SQLite code.
 */
int prune(struct writer *w, int64_t now, bool full)
{
	int64_t age_ms, pages;
	sqlite3 *db = w->db;
	int rc;

	get_limits(w, &age_ms, &pages);
	rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = run(db, "DELETE FROM sa WHERE cause <> 0 AND ended < ?1", now - age_ms);
	if (rc == SQLITE_OK)
		rc = run(db, "DELETE FROM action WHERE done < ?1", now - age_ms);
	if (rc == SQLITE_OK)
		rc = run(db, OVER_QUOTA("sa") " AND" NOT_NEWEST, HIST_QUOTA);
	if (rc == SQLITE_OK)
		rc = run(db, OVER_QUOTA("action"), HIST_ACTIONS);
	if (rc == SQLITE_OK)
		rc = run(db, "DELETE FROM action WHERE id <= (SELECT max(id) FROM action) - ?1",
			 10 * HIST_ACTIONS);
	if (rc == SQLITE_OK && (full || too_large(db, pages)))
		rc = run(db,
			 "DELETE FROM sa WHERE id IN (SELECT id FROM sa WHERE" NOT_NEWEST
			 " ORDER BY id LIMIT (SELECT count(*) / 10 + 1 FROM sa))",
			 0);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	if (rc != SQLITE_OK && !sqlite3_get_autocommit(db))
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}
