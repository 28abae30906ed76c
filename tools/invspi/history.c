// SPDX-License-Identifier: GPL-2.0-only
/*
 * invspi history: what the helper's history file has. It is read here and not by
 * the helper: that works without one, and costs it nothing.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "clock.h"
#include "control.h"
#include "history_db.h"
#include "history_print.h"
#include "parse.h"
#include "request.h"

#define LIMIT_DEFAULT 50
#define DAY_MS 86400000LL

static const char usage[] =
	"Usage: invspi history [ show ] [ [ conn ] CONN ] [ limit NUMBER ] [ since TIME ]\n"
	"       invspi history export\n"
	"TIME := { YYYY-MM-DD[ THH:MM[ :SS ] ] (UTC) | NUMBER{ s | m | h | d } (ago) }\n";

/**
 * struct wanted - which records
 * @conn: NULL = all
 * @limit: the newest so many, of both kinds together; 0 = all
 * @since: Unix ms
 */
struct wanted {
	const char *conn;
	uint64_t limit;
	int64_t since;
};

/* ---- the file ---- */

/* The path of the file: --state, or the helper's own, or the default. */
static char *find_file(struct invspi *inv)
{
	const char *path, *why;
	json_t *answer, *history;
	char *found = NULL;

	if (!inv->state && !control_call(inv->control, request_new("status"), &answer, NULL)) {
		history = json_object_get(json_object_get(answer, "status"), "history");
		path = json_string_value(json_object_get(history, "file"));
		why = json_string_value(json_object_get(history, "error"));
		if (why)
			fprintf(stderr, "invspi: warning: invspid does not record just now: %s\n",
				why);
		if (path)
			found = strdup(path);
		json_decref(answer);
	}
	if (!found &&
	    asprintf(&found, "%s/" HIST_FILE, inv->state ? inv->state : inv->state_default) < 0)
		found = NULL;
	return found;
}

/* On a file system that is read-only SQLite must be told that nobody writes. */
static int open_immutable(const char *path, sqlite3 **db)
{
	char *uri = malloc(3 * strlen(path) + 32), *p = uri;
	int rc;

	if (!uri)
		return SQLITE_NOMEM;
	p += sprintf(p, "file:");
	for (; *path; path++) {
		if (strchr("%?#", *path))
			p += sprintf(p, "%%%02x", (unsigned char)*path);
		else
			*p++ = *path;
	}
	sprintf(p, "?immutable=1");
	sqlite3_close(*db);
	rc = sqlite3_open_v2(uri, db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
	free(uri);
	return rc;
}

/* @path: as of find_file(). Everything is read from one state of it, however long it takes. */
static int open_file(const char *path, sqlite3 **db, struct invspi_err *err)
{
	static const char begin[] = "BEGIN; SELECT 1 FROM sqlite_master LIMIT 1";
	struct stat st;
	int64_t v;
	int rc;

	*db = NULL;
	if (!path) {
		invspi_err_set(err, ENOMEM, "out of memory");
		return -ENOMEM;
	}
	if (stat(path, &st))
		return invspi_err_set(err, errno, "no history: %s: %s%s", path, strerror(errno),
				      errno == ENOENT ? "; --state tells another directory" : "");
	rc = sqlite3_open_v2(path, db, SQLITE_OPEN_READONLY, NULL);
	if (rc == SQLITE_OK) {
		sqlite3_busy_timeout(*db, 2000);
		rc = sqlite3_exec(*db, begin, NULL, NULL, NULL);
	}
	if (rc == SQLITE_CANTOPEN || rc == SQLITE_READONLY) {
		rc = open_immutable(path, db);
		if (rc == SQLITE_OK)
			rc = sqlite3_exec(*db, begin, NULL, NULL, NULL);
	}
	if (rc != SQLITE_OK)
		return invspi_err_set(err, EIO, "cannot read %s: %s", path, sqlite3_errmsg(*db));
	if (db_ask(*db, "PRAGMA application_id") != APPLICATION_ID)
		return invspi_err_set(err, EINVAL, "%s is not a history of invspid", path);
	v = db_ask(*db, "PRAGMA user_version");
	if (v != SCHEMA_VERSION)
		return invspi_err_set(err, EINVAL,
				      "%s is of version %" PRId64 ", this program reads %d", path,
				      v, SCHEMA_VERSION);
	return 0;
}

/* ---- records ---- */

/* JSON holds UTF-8 only: what is none becomes \xNN, all else stays. */
static json_t *text(const char *s)
{
	json_t *j = json_string(s);
	size_t len;
	char *buf;

	if (j)
		return j;
	len = fmt_escape_json(NULL, 0, s, strlen(s));
	buf = malloc(len + 3);
	if (!buf)
		return json_null();
	buf[0] = '"';
	fmt_escape_json(buf + 1, len + 1, s, strlen(s));
	memcpy(buf + 1 + len, "\"", 2);
	j = json_loads(buf, JSON_DECODE_ANY, NULL);
	free(buf);
	return j ? j : json_null();
}

static json_t *spi_or_null(uint32_t spi)
{
	char buf[16];

	if (!spi)
		return json_null();
	snprintf(buf, sizeof(buf), "0x%08" PRIx32, spi);
	return json_string(buf);
}

static json_t *time_or_null(int64_t unix_ms)
{
	char buf[FMT_TIME_LEN];

	return unix_ms > 0 ? json_string(fmt_time(buf, unix_ms)) : json_null();
}

/* Of two moments, both 0 if not known. */
static json_t *span(int64_t from, int64_t to)
{
	return from > 0 && to >= from ? json_integer(to - from) : json_null();
}

static json_t *addr_text(int family, const void *bytes)
{
	union invspi_addr addr = { { 0 } };
	char buf[FMT_ADDR_LEN];

	if (!family)
		return json_null();
	memcpy(addr.b, bytes, family == AF_INET ? 4 : 16);
	return json_string(fmt_addr(buf, family, &addr));
}

static json_t *sa_record(sqlite3_stmt *stmt)
{
	json_t *j = json_object();
	struct hist_sa sa;
	int64_t ord;

	sa_read(stmt, &sa, &ord);
	json_object_set_new(j, "type", json_string("sa"));
	json_object_set_new(j, "conn", text(sa.conn));
	json_object_set_new(j, "child", text(sa.child));
	json_object_set_new(j, "spi", spi_or_null(sa.spi));
	json_object_set_new(j, "proto", json_string(sa.proto == IPPROTO_AH ? "ah" : "esp"));
	json_object_set_new(j, "src", addr_text(sa.remote.family, sa.remote.addr));
	json_object_set_new(j, "dst", addr_text(sa.local.family, sa.local.addr));
	json_object_set_new(j, "installed", time_or_null(sa.installed_wall));
	json_object_set_new(j, "end", json_string(end_name(sa.end)));
	json_object_set_new(j, "ended", time_or_null(sa.end == END_NONE ? 0 : sa.ended_wall));
	json_object_set_new(j, "lived_ms",
			    span(sa.installed_wall, sa.end == END_NONE ? 0 : sa.ended_wall));
	json_object_set_new(j, "rekeyed_from", spi_or_null(sa.rekeyed_from));
	json_object_set_new(j, "rekeyed_to", spi_or_null(sa.rekeyed_to));
	json_object_set_new(j, "remote_id", text(sa.remote_id));
	json_object_set_new(j, "local_id", text(sa.local_id));
	json_object_set_new(j, "remote_port", json_integer(sa.remote_port));
	json_object_set_new(j, "local_port", json_integer(sa.local_port));
	json_object_set_new(j, "encap", json_boolean(sa.encap));
	json_object_set_new(j, "reqid", json_integer(sa.reqid));
	json_object_set_new(j, "if_id", json_integer(sa.if_id));
	json_object_set_new(j, "mark", json_integer(sa.mark));
	json_object_set_new(j, "mark_mask", json_integer(sa.mark_mask));
	json_object_set_new(j, "mode", text(sa.mode));
	json_object_set_new(j, "algs", text(sa.algs));
	json_object_set_new(j, "local_ts", text(sa.local_ts));
	json_object_set_new(j, "remote_ts", text(sa.remote_ts));
	json_object_set_new(j, "if_id_out", json_integer(sa.if_id_out));
	json_object_set_new(j, "mark_out", json_integer(sa.mark_out));
	json_object_set_new(j, "mark_out_mask", json_integer(sa.mark_out_mask));
	json_object_set_new(j, "ike_version", json_integer(sa.ike_version));
	json_object_set_new(j, "ike_algs", text(sa.ike_algs));
	return j;
}

/* Columns of ACTION_COLUMNS; times are of the history's clock, @wall and @done tie both. */
enum {
	A_CONN,
	A_CHILD,
	A_SPI,
	A_SRC,
	A_GRADE,
	A_ACTION,
	A_OUTCOME,
	A_FIRST_DROP,
	A_VERDICT,
	A_ACTED,
	A_FIRST_NEW,
	A_WALL,
	A_DONE
};

static json_t *column(sqlite3_stmt *stmt, int at)
{
	const char *s = (const char *)sqlite3_column_text(stmt, at);

	return text(s ? s : "");
}

/* Numbers of which no time can be made are none. */
static json_t *moment(sqlite3_stmt *stmt, int at)
{
	int64_t t = sqlite3_column_int64(stmt, at), wall = sqlite3_column_int64(stmt, A_WALL);
	int64_t ago;

	if (!t || __builtin_sub_overflow(sqlite3_column_int64(stmt, A_DONE), t, &ago) ||
	    __builtin_sub_overflow(wall, ago, &t))
		return json_null();
	return time_or_null(t);
}

static json_t *action_record(sqlite3_stmt *stmt)
{
	int len = sqlite3_column_bytes(stmt, A_SRC);
	json_t *j = json_object();

	json_object_set_new(j, "type", json_string("action"));
	json_object_set_new(j, "conn", column(stmt, A_CONN));
	json_object_set_new(j, "child", column(stmt, A_CHILD));
	json_object_set_new(j, "spi", spi_or_null((uint32_t)sqlite3_column_int64(stmt, A_SPI)));
	json_object_set_new(j, "src",
			    addr_text(len == 4	  ? AF_INET
				      : len == 16 ? AF_INET6
						  : 0,
				      sqlite3_column_blob(stmt, A_SRC)));
	json_object_set_new(j, "ended", time_or_null(sqlite3_column_int64(stmt, A_WALL)));
	json_object_set_new(j, "grade", column(stmt, A_GRADE));
	json_object_set_new(j, "action", column(stmt, A_ACTION));
	json_object_set_new(j, "outcome", column(stmt, A_OUTCOME));
	json_object_set_new(j, "first_drop", moment(stmt, A_FIRST_DROP));
	json_object_set_new(j, "verdict", moment(stmt, A_VERDICT));
	json_object_set_new(j, "acted", moment(stmt, A_ACTED));
	json_object_set_new(j, "first_new", moment(stmt, A_FIRST_NEW));
	json_object_set_new(j, "took_ms",
			    span(sqlite3_column_int64(stmt, A_FIRST_DROP),
				 sqlite3_column_int64(stmt, A_FIRST_NEW)));
	return j;
}

/* ---- reading ---- */

/* Records of both kinds in one order: that of the history's clock. */
#define SA_FROM                                                                         \
	"SELECT " SA_COLUMNS ", CASE cause WHEN 0 THEN installed ELSE ended END AS at," \
	" id AS nr FROM sa WHERE (?1 IS NULL OR conn = ?1) AND"                         \
	" ifnull(CASE cause WHEN 0 THEN installed_wall ELSE ended_wall END, 0) >= ?2"
#define ACTION_FROM                                                   \
	"SELECT " ACTION_COLUMNS ", done AS at, id AS nr FROM action" \
	" WHERE (?1 IS NULL OR conn = ?1) AND wall >= ?2"
#define ORDERED " ORDER BY at DESC, nr DESC LIMIT ?3"

/**
 * struct source - one of the two kinds, newest first, a row ahead
 * @at: of the row it stands on, on the history's clock; @more: there is one
 */
struct source {
	sqlite3_stmt *stmt;
	json_t *(*record)(sqlite3_stmt *stmt);
	int at_column;
	int64_t at;
	bool more;
};

static int step(struct source *s, sqlite3 *db, struct invspi_err *err)
{
	int rc = sqlite3_step(s->stmt);

	s->more = rc == SQLITE_ROW;
	if (s->more)
		s->at = sqlite3_column_int64(s->stmt, s->at_column);
	else if (rc != SQLITE_DONE)
		return invspi_err_set(err, EIO, "cannot read the history: %s", sqlite3_errmsg(db));
	return 0;
}

static int prepare(struct source *s, sqlite3 *db, const char *sql, const struct wanted *w,
		   struct invspi_err *err)
{
	if (sqlite3_prepare_v2(db, sql, -1, &s->stmt, NULL) != SQLITE_OK)
		return invspi_err_set(err, EIO, "cannot read the history: %s", sqlite3_errmsg(db));
	if (w->conn)
		sqlite3_bind_text(s->stmt, 1, w->conn, -1, SQLITE_STATIC);
	sqlite3_bind_int64(s->stmt, 2, w->since);
	sqlite3_bind_int64(s->stmt, 3, w->limit ? (int64_t)w->limit : -1);
	return step(s, db, err);
}

/* Calls @fn for the newest ones, newest first; it takes the reference. */
static int each(sqlite3 *db, const struct wanted *w, void (*fn)(void *arg, json_t *record),
		void *arg, struct invspi_err *err)
{
	struct source s[2] = {
		{ .record = sa_record, .at_column = SA_COLUMN_COUNT },
		{ .record = action_record, .at_column = A_DONE + 1 },
	};
	struct source *next;
	uint64_t n = 0;
	int rc;

	rc = prepare(&s[0], db, SA_FROM ORDERED, w, err);
	if (!rc)
		rc = prepare(&s[1], db, ACTION_FROM ORDERED, w, err);
	while (!rc && (s[0].more || s[1].more) && (!w->limit || n++ < w->limit)) {
		next = &s[s[1].more && (!s[0].more || s[1].at >= s[0].at)];
		fn(arg, next->record(next->stmt));
		rc = step(next, db, err);
	}
	sqlite3_finalize(s[0].stmt);
	sqlite3_finalize(s[1].stmt);
	return rc;
}

/* ---- show ---- */

static void collect(void *arg, json_t *record)
{
	json_array_append_new(arg, record);
}

static int show(struct invspi *inv, const struct wanted *w)
{
	json_t *records = json_array();
	struct fmt *f = &inv->out;
	char *path = find_file(inv);
	struct invspi_err err;
	sqlite3 *db = NULL;
	size_t i;
	int rc;

	rc = open_file(path, &db, &err);
	if (!rc)
		rc = each(db, w, collect, records, &err);
	sqlite3_close(db);
	free(path);
	if (!rc && fmt_is_json(f))
		fmt_array(f, NULL);
	for (i = json_array_size(records); !rc && i--;) {
		if (!fmt_is_json(f)) {
			history_print(inv, json_array_get(records, i));
			continue;
		}
		json_dumpf(json_array_get(records, i), f->out, JSON_COMPACT | JSON_ENSURE_ASCII);
		fputs(i ? ",\n" : "", f->out);
	}
	if (!rc && fmt_is_json(f)) {
		fmt_array_end(f);
		fmt_line(f);
	} else if (!rc && !json_array_size(records)) {
		fmt_text(f, "nothing recorded%s\n", w->conn || w->since ? " of that" : "");
	}
	json_decref(records);
	return rc ? failed(&err) : EXIT_FINE;
}

static bool parse_day(const char *s, int64_t *unix_ms)
{
	static const char *const formats[] = {
		"%Y-%m-%d",	     "%Y-%m-%dT%H:%M",	  "%Y-%m-%d %H:%M",
		"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S",
	};
	const char *end;
	struct tm tm;
	size_t i;
	int ms;

	for (i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		memset(&tm, 0, sizeof(tm));
		end = strptime(s, formats[i], &tm);
		ms = 0;
		/* Also as we print it. */
		if (end && *end == '.' && strspn(end + 1, "0123456789") == 3) {
			ms = atoi(end + 1);
			end += 4;
		}
		if (end && *end == 'Z')
			end++;
		if (!end || *end)
			continue;
		*unix_ms = (int64_t)timegm(&tm) * 1000 + ms;
		return true;
	}
	return false;
}

static int parse_since(const char *s, int64_t *unix_ms, struct invspi_err *err)
{
	uint64_t ms;

	if (parse_day(s, unix_ms))
		return 0;
	if (strpbrk(s, "-:"))
		return invspi_err_set(err, EINVAL,
				      "time \"%s\": YYYY-MM-DD, YYYY-MM-DDTHH:MM or "
				      "YYYY-MM-DDTHH:MM:SS is wanted, in UTC",
				      s);
	if (parse_duration(s, "time", 0, 1, 36500 * DAY_MS, &ms, err))
		return -EINVAL;
	*unix_ms = wall_ms() - (int64_t)ms;
	return 0;
}

static int history_show(struct invspi *inv, struct args *args)
{
	static const char *const words[] = { "conn", "limit", "since", NULL };
	struct wanted w = { .limit = LIMIT_DEFAULT };
	const char *word, *value, *conn = NULL;
	bool given[3] = { false };
	struct invspi_err err;
	int i, rc = 0;

	while ((word = next_arg(args))) {
		i = parse_keyword(word, "word", words, &err);
		value = i < 0 ? word : next_arg(args);
		if (i < 0)
			i = 0;
		if (!value || !*value)
			return usage_error(args, "\"%s\" needs a value", words[i]);
		if (given[i] && !i)
			return usage_error(args,
					   "unexpected \"%s\": one connection, limit or "
					   "since is wanted",
					   value);
		if (given[i])
			return usage_error(args, "\"%s\" is given twice", words[i]);
		given[i] = true;
		if (i == 0)
			conn = value;
		else if (i == 1)
			rc = parse_number(value, "limit", 0, INT32_MAX, &w.limit, &err);
		else
			rc = parse_since(value, &w.since, &err);
		if (rc)
			return usage_error(args, "%s", err.text);
	}
	w.conn = conn;
	return show(inv, &w);
}

/* ---- export ---- */

static void write_line(void *arg, json_t *record)
{
	struct fmt *f = arg;

	json_dumpf(record, f->out, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(record);
	fputc('\n', f->out);
}

static int history_export(struct invspi *inv, struct args *args)
{
	struct wanted all = { .conn = NULL };
	struct fmt *f = &inv->out;
	struct invspi_err err;
	char now[FMT_TIME_LEN];
	sqlite3 *db = NULL;
	char *path;
	int rc;

	if (want_end(args))
		return EXIT_USAGE;
	path = find_file(inv);
	rc = open_file(path, &db, &err);
	if (!rc) {
		write_line(f,
			   json_pack("{s:s, s:i, s:s, s:o, s:I, s:I}", "type", "history", "version",
				     SCHEMA_VERSION, "exported", fmt_time(now, wall_ms()), "file",
				     text(path), "sas",
				     (json_int_t)db_ask(db, "SELECT count(*) FROM sa"), "actions",
				     (json_int_t)db_ask(db, "SELECT count(*) FROM action")));
		rc = each(db, &all, write_line, f, &err);
	}
	sqlite3_close(db);
	free(path);
	return rc ? failed(&err) : EXIT_FINE;
}

/* A word that is no command is the name of a connection, or a selector. */
int history_main(struct invspi *inv, struct args *args)
{
	static const char *const words[] = { "show", "export", "help", NULL };
	struct invspi_err err;
	int i = args->argc ? parse_keyword(args->argv[0], "command", words, &err) : -1;

	if (i >= 0)
		next_arg(args);
	if (i == 2) {
		fputs(usage, stdout);
		return EXIT_FINE;
	}
	return i == 1 ? history_export(inv, args) : history_show(inv, args);
}
