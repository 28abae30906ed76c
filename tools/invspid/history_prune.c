// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the file forgets: beyond the quota of a connection, after HIST_AGE_MS of
 * uptime, and when the file grows too large. Never a row that is alive; by
 * quota and size never the newest of a child, since that one says whether the
 * child should be up. Runs in the writer thread.
 */
#include "history_db.h"

#define SIZE_LOW_PERCENT 75
#define ACTIONS 10000

static int run(sqlite3 *db, const char *sql, int64_t a, int64_t b)
{
	sqlite3_stmt *stmt;
	int rc;

	rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
	if (rc != SQLITE_OK)
		return rc;
	if (sqlite3_bind_parameter_count(stmt) >= 1)
		sqlite3_bind_int64(stmt, 1, a);
	if (sqlite3_bind_parameter_count(stmt) >= 2)
		sqlite3_bind_int64(stmt, 2, b);
	rc = sqlite3_step(stmt);
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int64_t ask(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt;
	int64_t v = 0;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		return 0;
	if (sqlite3_step(stmt) == SQLITE_ROW)
		v = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return v;
}

#define NOT_NEWEST                                            \
	" cause <> 0 AND ord < (SELECT max(ord) FROM sa AS n" \
	"  WHERE n.conn = sa.conn AND n.child = sa.child)"

static bool too_large(sqlite3 *db)
{
	int64_t used = ask(db, "PRAGMA page_count") - ask(db, "PRAGMA freelist_count");

	return used * ask(db, "PRAGMA page_size") > HIST_SIZE / 100 * SIZE_LOW_PERCENT;
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
	sqlite3 *db = w->db;
	int rc;

	rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = run(db, "DELETE FROM sa WHERE cause <> 0 AND ended < ?1", now - HIST_AGE_MS,
			 0);
	if (rc == SQLITE_OK)
		rc = run(db,
			 "DELETE FROM sa WHERE id IN (SELECT id FROM (SELECT id, row_number()"
			 " OVER (PARTITION BY conn ORDER BY id DESC) AS nr FROM sa WHERE conn IN"
			 " (SELECT conn FROM sa GROUP BY conn HAVING count(*) > ?1)) WHERE nr > ?1)"
			 " AND" NOT_NEWEST,
			 HIST_QUOTA, 0);
	if (rc == SQLITE_OK)
		rc = run(db, "DELETE FROM action WHERE id <= (SELECT max(id) FROM action) - ?1",
			 ACTIONS, 0);
	if (rc == SQLITE_OK && (full || too_large(db)))
		rc = run(db,
			 "DELETE FROM sa WHERE id IN (SELECT id FROM sa WHERE" NOT_NEWEST
			 " ORDER BY id LIMIT (SELECT count(*) / 10 + 1 FROM sa))",
			 0, 0);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	if (rc != SQLITE_OK && !sqlite3_get_autocommit(db))
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}
