// SPDX-License-Identifier: GPL-2.0-only
/*
 * The history's file: opening, checking, loading, looking up. Runs in the
 * caller's thread. A file that is not whole is put aside, never repaired: a
 * wrong row could reopen a tunnel that somebody closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "history_db.h"
#include "log.h"

static const char schema[] =
	"BEGIN IMMEDIATE;"
	"CREATE TABLE sa ("
	" id INTEGER PRIMARY KEY, ord INTEGER NOT NULL, spi INTEGER NOT NULL, proto INTEGER NOT NULL,"
	" conn TEXT NOT NULL, child TEXT NOT NULL, local_id TEXT, remote_id TEXT, local BLOB,"
	" remote BLOB, local_port INTEGER, remote_port INTEGER, encap INTEGER, reqid INTEGER,"
	" if_id INTEGER, mark INTEGER, mark_mask INTEGER, mode TEXT, algs TEXT, local_ts TEXT,"
	" remote_ts TEXT, rekeyed_from INTEGER, rekeyed_to INTEGER, installed INTEGER,"
	" last_alive INTEGER, cause INTEGER NOT NULL, ended INTEGER, ended_wall INTEGER,"
	" installed_wall INTEGER,"
	" if_id_out INTEGER, mark_out INTEGER, mark_out_mask INTEGER, ike_version INTEGER,"
	" ike_algs TEXT, no_copy TEXT);"
	"CREATE INDEX sa_spi ON sa (spi, proto, id);"
	"CREATE INDEX sa_child ON sa (conn, child, remote_id, ord);"
	"CREATE INDEX sa_alive ON sa (cause) WHERE cause = 0;"
	"CREATE TABLE action ("
	" id INTEGER PRIMARY KEY, conn TEXT, child TEXT, spi INTEGER, src BLOB, grade TEXT,"
	" action TEXT, outcome TEXT, first_drop INTEGER, verdict INTEGER, acted INTEGER,"
	" first_new INTEGER, wall INTEGER, done INTEGER);"
	"CREATE INDEX action_conn ON action (conn, id);"
	"CREATE TABLE meta ("
	" one INTEGER PRIMARY KEY CHECK (one = 1), boot_id TEXT, base INTEGER, last INTEGER,"
	" last_alive INTEGER, daemon_pid INTEGER, daemon_start INTEGER, last_wall INTEGER);"
	"INSERT INTO meta VALUES (1, '', 0, 0, 0, 0, 0, 0);"
	"PRAGMA application_id = 1769370480;"
	"PRAGMA user_version = 3;"
	"COMMIT";

/* What a file of version 2 lacks; what its rows do not tell is not known. */
static const char upgrade_2[] = "BEGIN IMMEDIATE;"
				"ALTER TABLE sa ADD COLUMN if_id_out INTEGER;"
				"ALTER TABLE sa ADD COLUMN mark_out INTEGER;"
				"ALTER TABLE sa ADD COLUMN mark_out_mask INTEGER;"
				"ALTER TABLE sa ADD COLUMN ike_version INTEGER;"
				"ALTER TABLE sa ADD COLUMN ike_algs TEXT;"
				"ALTER TABLE sa ADD COLUMN no_copy TEXT;"
				"DROP INDEX sa_child;"
				"CREATE INDEX sa_child ON sa (conn, child, remote_id, ord);"
				"PRAGMA user_version = 3;"
				"COMMIT";

_Static_assert(APPLICATION_ID == 1769370480, "as in the schema");
_Static_assert(SCHEMA_VERSION == 3, "as in the schema");

int db_errno(int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT:
		return -EUCLEAN;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_NOMEM:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

/* ---- open and check ---- */

static bool is_whole(sqlite3 *db)
{
	sqlite3_stmt *stmt;
	bool ok = false;

	if (sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &stmt, NULL) != SQLITE_OK)
		return false;
	if (sqlite3_step(stmt) == SQLITE_ROW)
		ok = !strcmp((const char *)sqlite3_column_text(stmt, 0), "ok");
	sqlite3_finalize(stmt);
	return ok;
}

static int open_one(const char *path, sqlite3 **db)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	int rc;

	rc = sqlite3_open_v2(path, db, flags, NULL);
	if (rc == SQLITE_OK) {
		sqlite3_busy_timeout(*db, 1000);
		/* KiB; what is asked often is in memory anyway */
		sqlite3_exec(*db, "PRAGMA cache_size = -256", NULL, NULL, NULL);
		return SQLITE_OK;
	}
	sqlite3_close(*db);
	*db = NULL;
	return rc;
}

/* Whether all tables have the columns that we read and write. */
static bool has_tables(sqlite3 *db)
{
	static const char sql[] =
		"SELECT " SA_COLUMNS " FROM sa LIMIT 0;"
		"SELECT " ACTION_COLUMNS " FROM action LIMIT 0;"
		"SELECT boot_id, base, last, last_alive, daemon_pid, daemon_start, last_wall"
		" FROM meta LIMIT 0";

	return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

/* As far as any history of ours gets: all that is computed with such numbers fits. */
#define NUMBER_MAX (INT64_C(1) << 53)

/* Whether all numbers that something is computed with are within bounds; NULL is 0. */
static bool is_sane(sqlite3 *db)
{
	static const char sql[] =
		"SELECT EXISTS (SELECT 1 FROM sa WHERE id NOT BETWEEN 1 AND ?1"
		"  OR ord NOT BETWEEN 0 AND ?2 + ?1 OR installed NOT BETWEEN -?1 AND ?1"
		"  OR last_alive NOT BETWEEN -?1 AND ?1 OR ended NOT BETWEEN -?1 AND ?1"
		"  OR ended_wall NOT BETWEEN -?1 AND ?1 OR installed_wall NOT BETWEEN -?1 AND ?1)"
		" OR EXISTS (SELECT 1 FROM meta WHERE base NOT BETWEEN 0 AND ?1"
		"  OR last NOT BETWEEN 0 AND ?1 OR last_alive NOT BETWEEN -?1 AND ?1"
		"  OR last_wall NOT BETWEEN -?1 AND ?1)";
	sqlite3_stmt *stmt;
	bool sane = false;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		return false;
	sqlite3_bind_int64(stmt, 1, NUMBER_MAX);
	sqlite3_bind_int64(stmt, 2, HIST_ORD_ALIVE);
	if (sqlite3_step(stmt) == SQLITE_ROW)
		sane = !sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	return sane;
}

/* The whole set up of a file that is new, or ours and whole. -EUCLEAN: neither. */
static int set_up(sqlite3 *db, const char **why)
{
	int rc;

	*why = "corrupt";
	/* FULL: an end by the operator must survive a power loss. */
	rc = sqlite3_exec(db,
			  "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
			  "PRAGMA journal_size_limit = 4194304",
			  NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		return db_errno(rc);
	if (!db_ask(db, "SELECT count(*) FROM sqlite_master")) {
		rc = sqlite3_exec(db, schema, NULL, NULL, NULL);
		if (rc != SQLITE_OK)
			sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
		return db_errno(rc);
	}
	if (!is_whole(db))
		return -EUCLEAN;
	if (db_ask(db, "PRAGMA application_id") != APPLICATION_ID) {
		*why = "not a history of ours";
		return -EUCLEAN;
	}
	if (db_ask(db, "PRAGMA user_version") == 2) {
		rc = sqlite3_exec(db, upgrade_2, NULL, NULL, NULL);
		if (rc != SQLITE_OK)
			sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
		if (rc != SQLITE_OK && db_errno(rc) != -EIO)
			return db_errno(rc);
	}
	if (db_ask(db, "PRAGMA user_version") != SCHEMA_VERSION) {
		*why = "of another version of this program";
		return -EUCLEAN;
	}
	if (!has_tables(db) || db_ask(db, "SELECT count(*) FROM meta") != 1 || !is_sane(db))
		return -EUCLEAN;
	return 0;
}

static int put_aside(const char *path, const char *why)
{
	static const char *const with[] = { "", "-wal", "-shm" };
	char from[4096], to[4096];
	size_t i;

	for (i = 0; i < sizeof(with) / sizeof(with[0]); i++) {
		snprintf(from, sizeof(from), "%s%s", path, with[i]);
		snprintf(to, sizeof(to), "%s.corrupt%s", path, with[i]);
		unlink(to);
		if (rename(from, to) && errno != ENOENT)
			return -errno;
	}
	log_warn("history: %s is %s: put aside as %s.corrupt, a new one is begun", path, why, path);
	return 0;
}

/*
 * Made by hand so that nobody but us can ever read it; SQLite gives the files
 * beside it the same permissions. Closed before SQLite opens it: closing a
 * descriptor drops all POSIX locks that the process has on the file.
 */
static int create_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	struct stat st;
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		ret = -EINVAL;
	else if (st.st_uid != geteuid())
		ret = -EPERM;
	else if (st.st_mode & 077)
		fchmod(fd, 0600);
	if (ret == -EPERM)
		log_err("history: %s belongs to user %u: run `chown %u %s`", path,
			(unsigned int)st.st_uid, (unsigned int)geteuid(), path);
	close(fd);
	return ret;
}

static int open_checked(const char *path, sqlite3 **db)
{
	const char *why;
	int tries, ret;

	for (tries = 0; tries < 2; tries++) {
		ret = create_file(path);
		if (ret)
			return ret;
		ret = db_errno(open_one(path, db));
		if (ret)
			return ret;
		ret = set_up(*db, &why);
		if (!ret)
			return 0;
		sqlite3_close(*db);
		*db = NULL;
		if (ret != -EUCLEAN)
			return ret;
		ret = put_aside(path, why);
		if (ret)
			return ret;
	}
	return -EUCLEAN;
}

/* ---- load ---- */

static int load_meta(struct history *h, sqlite3 *db)
{
	const char *boot = h->env.boot_id;
	struct hist_meta *m = &h->meta;
	sqlite3_stmt *stmt;
	int rc;

	rc = sqlite3_prepare_v2(db,
				"SELECT boot_id, base, last, last_alive, daemon_pid,"
				" daemon_start, last_wall FROM meta",
				-1, &stmt, NULL);
	if (rc != SQLITE_OK)
		return db_errno(rc);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		snprintf(m->boot_id, sizeof(m->boot_id), "%s",
			 (const char *)sqlite3_column_text(stmt, 0));
		m->base = sqlite3_column_int64(stmt, 1);
		m->last = sqlite3_column_int64(stmt, 2);
		m->last_alive = sqlite3_column_int64(stmt, 3);
		m->daemon_pid = sqlite3_column_int64(stmt, 4);
		m->daemon_start = sqlite3_column_int64(stmt, 5);
		m->last_wall = sqlite3_column_int64(stmt, 6);
	}
	sqlite3_finalize(stmt);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? -EUCLEAN : db_errno(rc);
	/* Without a boot id every start is a new boot: times then say nothing. */
	if (boot[0] && !strcmp(boot, m->boot_id))
		return 0;
	m->base = m->last + 1;
	h->wall_before = m->last_wall;
	m->daemon_pid = 0;
	m->daemon_start = 0;
	snprintf(m->boot_id, sizeof(m->boot_id), "%s", boot);
	return 0;
}

static int load_rows(struct history *h, sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt;
	struct hist_sa sa;
	struct row *row;
	int64_t ord;
	int rc, ret;

	rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
	if (rc != SQLITE_OK)
		return db_errno(rc);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		sa_read(stmt, &sa, &ord);
		/* The daemon, and so all that lived, was last seen then. */
		if (sa.end == END_NONE && sa.last_alive < h->meta.last_alive)
			sa.last_alive = h->meta.last_alive;
		row = row_new(h, &sa);
		ret = row ? 0 : -ENOMEM;
		if (row) {
			row->ord = ord;
			row->stored = true;
			row->seen_at = LONG_AGO;
			ret = row_insert(h, row);
		}
		if (ret) {
			row_free(h, row);
			sqlite3_finalize(stmt);
			return ret;
		}
	}
	sqlite3_finalize(stmt);
	return db_errno(rc);
}

static int load_spis(struct history *h, sqlite3 *db)
{
	sqlite3_stmt *stmt;
	int rc;

	h->bloom = calloc(1, HIST_BLOOM_BITS / 8);
	if (!h->bloom)
		return 0;
	rc = sqlite3_prepare_v2(db, "SELECT spi, proto FROM sa", -1, &stmt, NULL);
	if (rc != SQLITE_OK)
		return db_errno(rc);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
		bloom_add(h, (uint32_t)sqlite3_column_int64(stmt, 0),
			  (uint8_t)sqlite3_column_int(stmt, 1));
	sqlite3_finalize(stmt);
	return db_errno(rc);
}

static int load(struct history *h, sqlite3 *db)
{
	int64_t ord;
	int ret;

	ret = load_meta(h, db);
	if (ret)
		return ret;
	h->next_id = db_ask(db, "SELECT ifnull(max(id), 0) FROM sa") + 1;
	ord = db_ask(db, "SELECT ifnull(max(ord), 0) FROM sa WHERE cause <> 0");
	if (h->next_id <= 0 || ord < 0)
		return -EUCLEAN;
	h->ord = ord;
	/* Of each child all that are alive, or else the one that ended last. */
	ret = load_rows(h, db, "SELECT " SA_COLUMNS " FROM sa WHERE cause = 0 ORDER BY id");
	if (!ret)
		ret = load_rows(
			h, db,
			"WITH newest AS (SELECT conn, child, remote_id, max(ord) AS ord FROM sa"
			" GROUP BY conn, child, remote_id) SELECT " SA_COLUMNS " FROM newest"
			" JOIN sa USING (conn, child, remote_id, ord) WHERE cause <> 0 ORDER BY ord");
	if (!ret)
		ret = load_spis(h, db);
	return ret;
}

/*
 * The flag says that the last process had ends to write and could not: what the
 * file has as alive, or as lost, may have ended in any way.
 */
static void check_flag(struct history *h)
{
	char flag = '0';

	if (pread(h->lock_fd, &flag, 1, 0) != 1 || flag != '1')
		return;
	log_warn("history: the previous process could not write its last changes;");
	log_warn("history: what was up then is not brought back by itself");
	h->w.flag = true;
}

int db_open(struct history *h)
{
	struct writer *w = &h->w;
	int ret, rc;

	ret = open_checked(w->path, &w->db);
	if (ret)
		return ret;
	ret = load(h, w->db);
	if (!ret)
		ret = db_errno(open_one(w->path, &h->rdb));
	if (!ret) {
		sqlite3_exec(h->rdb, "PRAGMA query_only = 1; PRAGMA cache_size = -64", NULL, NULL,
			     NULL);
		rc = sqlite3_prepare_v3(h->rdb,
					"SELECT " SA_COLUMNS " FROM sa"
					" WHERE spi = ?1 AND proto = ?2 ORDER BY id DESC LIMIT 1",
					-1, SQLITE_PREPARE_PERSISTENT, &h->by_spi, NULL);
		ret = db_errno(rc);
	}
	check_flag(h);
	if (ret) {
		sqlite3_close(w->db);
		w->db = NULL;
		db_close(h);
	}
	return ret;
}

void db_close(struct history *h)
{
	sqlite3_finalize(h->by_spi);
	sqlite3_close(h->rdb);
	row_free(h, h->scratch);
	h->by_spi = NULL;
	h->rdb = NULL;
	h->scratch = NULL;
}

/* Newest owner of an SPI in the file; the history's until the next call. */
struct row *db_by_spi(struct history *h, uint32_t spi, uint8_t proto)
{
	struct hist_sa sa;
	int64_t ord;
	int rc;

	row_free(h, h->scratch);
	h->scratch = NULL;
	if (!h->by_spi)
		return NULL;
	sqlite3_bind_int64(h->by_spi, 1, spi);
	sqlite3_bind_int(h->by_spi, 2, proto);
	rc = sqlite3_step(h->by_spi);
	if (rc == SQLITE_ROW) {
		sa_read(h->by_spi, &sa, &ord);
		h->scratch = row_new(h, &sa);
		if (h->scratch)
			h->scratch->ord = ord;
	} else if (rc != SQLITE_DONE) {
		writer_error(&h->w, db_errno(rc), "reading %s: %s", h->w.path,
			     sqlite3_errmsg(h->rdb));
	}
	sqlite3_reset(h->by_spi);
	return h->scratch;
}
