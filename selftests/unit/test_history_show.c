// SPDX-License-Identifier: GPL-2.0-only
/*
 * invspi history against files that the helper's own code wrote: what is shown,
 * which part of it, and files that cannot be read. And files copied or cut off
 * while they are written: whole, or put aside, never a lie.
 */
#include <jansson.h>
#include <sys/wait.h>

#include "cmdline.h"
#include "history_help.h"

static struct result run(const char *dir, const char *const *words)
{
	char *argv[ARGS_MAX] = { text("invspi"), text("--state"), text(dir), text("--control"),
				 text("/nonexistent") };
	struct result r;
	int argc = 5;

	while (*words)
		argv[argc++] = text(*words++);
	run_invspi(argv, &r);
	return r;
}

#define RUN(dir, ...) run(dir, (const char *const[]){ __VA_ARGS__, NULL })

static void fill(const char *dir)
{
	struct history *h = open_dir(dir);
	struct hist_action a = {
		.conn = "gw",
		.child = "net\x1b[2J\xff",
		.spi = 0xc0000001,
		.grade = GRADE_LOST_IN_KERNEL,
		.action = ACTION_REKEY,
		.outcome = OUTCOME_HEALED,
		.src = { AF_INET, { 192, 0, 2, 2 } },
	};

	sync_one(h, "net", 0xc0000001);
	clock_ms += 60000;
	wall += 60000;
	a.first_drop = clock_ms - 1500;
	a.verdict = clock_ms - 500;
	a.acted = clock_ms - 400;
	a.first_new = clock_ms - 100;
	hist_rekey(h, 0xc0000001, 0xc0000002, ESP, clock_ms);
	clock_ms += 1000;
	wall += 1000;
	a.wall = wall;
	hist_action(h, &a);
	hist_close(h);
}

static void test_show(void)
{
	const char *dir = new_dir();
	unsigned int lines = 0, bad = 0;
	struct result r;
	json_t *j;
	char *line, *save;

	wall = 1790000000000; /* 2026-09-21T14:13:20Z */
	fill(dir);
	r = RUN(dir, "history");
	ktap_int("history", 0, r.status);
	ktap_str(
		"the oldest first, escaped, with the times of an action",
		"2026-09-21T14:14:20.000Z gw/net: SA 0xc0000001 from 192.0.2.2 ended: rekeyed to"
		" 0xc0000002, after 1m00s\n"
		"2026-09-21T14:14:20.000Z gw/net: SA 0xc0000002 from 192.0.2.2 installed, alive\n"
		"2026-09-21T14:14:21.000Z gw/net\\x1b[2J\\\\xff: rekey healed, 1.400s from the first"
		" dropped to the first delivered packet (lost_in_kernel, peer 192.0.2.2, spi 0xc0000001)\n",
		r.out);
	r = RUN(dir, "-s", "history", "limit", "1");
	ktap_has("with -s the times of an action",
		 "    first_drop 2026-09-21T14:14:18.500Z verdict 2026-09-21T14:14:19.500Z\n"
		 "    acted 2026-09-21T14:14:19.600Z first_new 2026-09-21T14:14:19.900Z\n",
		 r.out);
	r = RUN(dir, "history", "limit", "1");
	ktap_has("the newest one", ": rekey healed", r.out);
	ktap_ok(!strstr(r.out, ": SA "), "and no other");
	r = RUN(dir, "history", "other");
	ktap_str("another connection", "nothing recorded of that\n", r.out);
	r = RUN(dir, "history", "conn", "gw", "since", "2026-09-21T14:14:20.500Z");
	ktap_has("since", ": rekey healed", r.out);
	ktap_ok(!strstr(r.out, ": SA "), "nothing older");
	r = RUN(dir, "history", "since", "2026-09-22");
	ktap_str("since later", "nothing recorded of that\n", r.out);

	r = RUN(dir, "-j", "history", "limit", "0");
	j = json_loads(r.out, 0, NULL);
	ktap_int("as JSON", 3, (long long)json_array_size(j));
	json_decref(j);
	r = RUN(dir, "history", "export");
	for (line = strtok_r(r.out, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		j = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
		bad += !json_is_string(json_object_get(j, "type"));
		json_decref(j);
		lines++;
	}
	ktap_int("export: a line for each, and a first one", 4, lines);
	ktap_int("export: all of them JSON", 0, bad);
}

static void test_usage(void)
{
	static const struct {
		const char *words[6], *want;
	} t[] = {
		{ { "history", "limit" }, "\"limit\" needs a value" },
		{ { "history", "limit", "x" }, "bad limit \"x\"" },
		{ { "history", "limit", "1", "limit", "2" }, "\"limit\" is given twice" },
		{ { "history", "since", "yesterday" }, "bad time \"yesterday\"" },
		{ { "history", "since", "2026-13-01" }, "in UTC" },
		{ { "history", "gw", "gw2" }, "unexpected \"gw2\"" },
		{ { "history", "export", "gw" }, "unexpected \"gw\"" },
	};
	struct result r;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		r = run("/nonexistent", t[i].words);
		ktap_int(t[i].want, 2, r.status);
		ktap_has("and why", t[i].want, r.err);
	}
	r = RUN("/nonexistent", "history", "help");
	ktap_has("help", "Usage: invspi history", r.out);
}

static void put(const char *dir, const char *data)
{
	char path[256];
	FILE *f;

	mkdir(dir, 0700);
	snprintf(path, sizeof(path), "%s/history.db", dir);
	f = fopen(path, "w");
	if (!f || fputs(data, f) < 0 || fclose(f))
		perror(path);
}

static void sql(const char *dir, const char *statement)
{
	char path[256];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/history.db", dir);
	if (sqlite3_open(path, &db) || sqlite3_exec(db, statement, NULL, NULL, NULL))
		ktap_ok(false, "%s: %s", statement, sqlite3_errmsg(db));
	sqlite3_close(db);
}

static void test_unreadable(void)
{
	const char *dir = new_dir();
	struct result r;

	r = RUN(dir, "history");
	ktap_int("no history", 1, r.status);
	ktap_has("and the remedy", "--state tells another directory", r.err);
	put(dir,
	    "mode = recover\n, and so on, for more than a header of a hundred bytes .......\n");
	r = RUN(dir, "history", "export");
	ktap_int("not SQLite's", 1, r.status);
	ktap_has("is told", "not a database", r.err);

	dir = new_dir();
	fill(dir);
	sql(dir, "PRAGMA user_version = 99");
	r = RUN(dir, "history");
	ktap_int("newer", 1, r.status);
	ktap_has("is told", "is of version 99, this program reads", r.err);
	sql(dir, "PRAGMA application_id = 1");
	r = RUN(dir, "history");
	ktap_has("foreign", "is not a history of invspid", r.err);
}

/* Times that cannot be: of an action that somebody else has written. */
static void test_absurd(void)
{
	const char *dir = new_dir();
	struct result r;

	fill(dir);
	sql(dir, "UPDATE action SET done = -9223372036854775807, acted = 9223372036854775807,"
		 " first_new = 5, wall = 9223372036854775807");
	r = RUN(dir, "-s", "history", "limit", "0");
	ktap_int("absurd times", 0, r.status);
	ktap_has("are none", "acted - first_new -", r.out);
}

static void test_owner(void)
{
	const char *dir = new_dir();
	char path[256];
	struct history *h;
	struct stat st;

	fill(dir);
	snprintf(path, sizeof(path), "%s/history.db", dir);
	if (chown(path, 65534, 65534)) {
		printf("# not root: another owner is not tested\n");
		return;
	}
	h = open_dir(dir);
	ktap_has("another owner: not used", "kept in memory only", hist_error(h));
	ktap_int("nothing of it counts", 0, hist_should_be_up(h, "gw", NULL, NULL, NULL));
	sync_one(h, "net", 0xc0000009);
	ktap_end("but it goes on", END_NONE, end_of(h, 0xc0000009));
	hist_close(h);
	ktap_ok(!stat(path, &st) && st.st_uid == 65534, "and stays as it is");
	if (chown(path, 0, 0))
		perror(path);
	if (chown(dir, 65534, 65534))
		perror(dir);
	h = open_dir(dir);
	ktap_has("the directory's owner: not used", "kept in memory only", hist_error(h));
	hist_close(h);
}

/* A writer that never stops; what it wrote is copied, or cut off, at any moment. */
static void writer(const char *dir)
{
	struct history *h = open_dir(dir);
	uint32_t i;

	for (i = 0;; i++) {
		clock_ms += 1000;
		sync_one(h, "net", 0x100 + i);
		if (i % 5 == 0)
			hist_flush(h);
	}
}

static void test_copies(void)
{
	char from[128], to[128], cmd[512], path[256];
	unsigned int i, whole = 0, aside = 0, odd = 0;
	struct history *h;
	struct stat st;
	pid_t pid;

	snprintf(from, sizeof(from), "%s", new_dir());
	pid = fork();
	if (!pid)
		writer(from);
	usleep(300000);
	for (i = 0; i < 60; i++) {
		snprintf(to, sizeof(to), "%s", new_dir());
		/* In either order: a copy is never of one moment. */
		snprintf(cmd, sizeof(cmd),
			 i & 1 ? "mkdir -p %s; cp %s/history.db-wal %s/history.db %s/ 2>/dev/null"
			       : "mkdir -p %s; cp %s/history.db %s/history.db-wal %s/ 2>/dev/null",
			 to, from, from, to);
		if (system(cmd) < 0)
			perror(cmd);
		snprintf(path, sizeof(path), "%s/history.db%s", to, i % 3 ? "-wal" : "");
		if (i % 4 == 0 && !stat(path, &st) &&
		    truncate(path, st.st_size * (int)(i % 10) / 10))
			perror(path);
		h = open_dir(to);
		snprintf(path, sizeof(path), "%s/history.db.corrupt", to);
		whole += !hist_error(h) && stat(path, &st);
		aside += !hist_error(h) && !stat(path, &st);
		/* One child, so at most one that should be up; and it works. */
		odd += hist_error(h) || hist_should_be_up(h, "gw", NULL, NULL, NULL) > 1;
		sync_one(h, "net", 0xe0000000);
		odd += hist_flush(h) || end_of(h, 0xe0000000) != END_NONE;
		hist_close(h);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	printf("# of 60 copies %u were whole, %u put aside\n", whole, aside);
	ktap_int("copies and cuts of a file that is written: all work", 0, odd);
	ktap_int("each is whole or put aside", 60, whole + aside);
	h = open_dir(from);
	ktap_str("the file itself is whole after a kill", NULL, hist_error(h));
	snprintf(path, sizeof(path), "%s/history.db.corrupt", from);
	ktap_ok(stat(path, &st), "and not put aside");
	hist_close(h);
}

int main(void)
{
	static const history_test tests[] = { test_show,  test_usage,  test_unreadable,
					      test_owner, test_copies, test_absurd,
					      NULL };

	return history_main(tests);
}
