// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target: rows of the history's file that nobody of us wrote, as invspi
 * shows them and as invspid takes them in. An input is the rows: for each a kind,
 * then its columns with a type each.
 */
#include "../../tools/invspi/history.c"
#include "fuzz.h"
#include "dir.h"
#include "log.h"

#define ROWS_MAX 16
#define NOW_MS INT64_C(1000000)
#define WALL_MS INT64_C(1790000000000)

static void *template;
static size_t template_size;

/* ---- what of invspi is not here ---- */

int failed(const struct invspi_err *err)
{
	must(err->text[0] && is_printable(err->text));
	return EXIT_FAILED;
}

int usage_error(const struct args *args, const char *format, ...)
{
	(void)args;
	(void)format;
	return EXIT_USAGE;
}

int want_end(struct args *args)
{
	return args->argc;
}

/* ---- the helper's side ---- */

static int64_t test_boot_ms(void)
{
	return NOW_MS;
}

static int64_t test_wall_ms(void)
{
	return WALL_MS;
}

static struct history *open_history(const char *dir)
{
	const struct hist_env of = { "boot-1", test_boot_ms, test_wall_ms };
	char *err = NULL;
	struct history *h = hist_open_env(dir, &of, &err);

	must(h && !err);
	return h;
}

static void use_sa(const struct hist_sa *sa)
{
	must(sa->end < END__COUNT);
	must(strlen(sa->conn) + strlen(sa->child) + strlen(sa->local_id) + strlen(sa->remote_id) +
		     strlen(sa->mode) + strlen(sa->algs) + strlen(sa->local_ts) +
		     strlen(sa->remote_ts) + strlen(sa->ike_algs) + strlen(sa->no_copy) <
	     1 << 20);
	must(!sa->local.family || sa->local.family == AF_INET || sa->local.family == AF_INET6);
}

static void see_up(void *arg, const struct hist_sa *sa)
{
	(void)arg;
	use_sa(sa);
}

static void take_in(const char *dir)
{
	struct history *h = open_history(dir);
	uint32_t spi, min, max;
	struct hist_sa sa;

	hist_spi_range(h, &min, &max);
	for (spi = 0; spi < 8; spi++) {
		if (!hist_lookup(h, spi, IPPROTO_ESP, &sa))
			use_sa(&sa);
		hist_end(h, spi, IPPROTO_ESP, END_DELETED_LOCAL, NOW_MS);
		hist_rekey(h, spi, spi + 1, IPPROTO_ESP, NOW_MS);
	}
	if (!hist_child(h, "gw", "net", NULL, &sa))
		use_sa(&sa);
	hist_by_hand(h, "gw", "net", NULL);
	hist_should_be_up(h, "gw", NULL, see_up, NULL);
	hist_should_be_up(h, "gw", HIST_EACH_PEER, see_up, NULL);
	hist_daemon(h, 1, 1, NOW_MS);
	hist_daemon_lost(h, true, NOW_MS);
	hist_close(h);
}

/* ---- invspi's side ---- */

static void print_json(void *arg, json_t *record)
{
	struct invspi *inv = arg;
	char *line = json_dumps(record, JSON_COMPACT | JSON_ENSURE_ASCII);

	must(line && is_ascii(line));
	free(line);
	history_print(inv, record);
	json_decref(record);
}

static void show_all(const char *path)
{
	const struct wanted all = { .since = INT64_MIN }, some = { "gw", 3, WALL_MS };
	struct invspi_err err = { "" };
	char *shown = NULL;
	sqlite3 *db;
	struct invspi inv = { 0 };
	size_t len;
	FILE *out = open_memstream(&shown, &len);

	must(out);
	fmt_init(&inv.out, out, FMT_TEXT);
	if (!open_file(path, &db, &err)) {
		each(db, &all, print_json, &inv, &err);
		each(db, &some, print_json, &inv, &err);
	}
	must(is_printable(err.text));
	sqlite3_close(db);
	fclose(out);
	free(shown);
}

/* ---- rows ---- */

static void bind_any(sqlite3_stmt *stmt, int at, struct input *in)
{
	char *s;

	switch (take_byte(in) % 8) {
	case 0:
		sqlite3_bind_null(stmt, at);
		break;
	case 1:
		sqlite3_bind_double(stmt, at, (double)(int64_t)take_number(in) * 1e200);
		break;
	case 2:
		s = take_text(in, 64);
		sqlite3_bind_blob(stmt, at, s, (int)strlen(s), SQLITE_TRANSIENT);
		free(s);
		break;
	case 3:
		s = take_text(in, 255);
		sqlite3_bind_text(stmt, at, s, -1, SQLITE_TRANSIENT);
		free(s);
		break;
	case 4:
		sqlite3_bind_text(stmt, at, take_byte(in) % 2 ? "gw" : "net", -1, SQLITE_STATIC);
		break;
	case 5:
		sqlite3_bind_int(stmt, at, take_byte(in) % 16);
		break;
	case 6:
		sqlite3_bind_zeroblob(stmt, at, take_byte(in));
		break;
	default:
		sqlite3_bind_int64(stmt, at, (int64_t)take_number(in));
	}
}

/* Those that a table does not take stay away. */
static void insert_any(sqlite3 *db, struct input *in)
{
	static const char meta[] =
		"UPDATE meta SET boot_id = ?, base = ?, last = ?, last_alive = ?, daemon_pid = ?,"
		" daemon_start = ?, last_wall = ?";
	static const char *const into[] = {
		"INSERT OR REPLACE INTO sa (" SA_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
		" ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		"INSERT INTO action (" ACTION_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
		" ?, ?, ?)",
		meta,
	};
	unsigned int what = take_byte(in) % 3;
	sqlite3_stmt *stmt;
	int i;

	must(sqlite3_prepare_v2(db, into[what], -1, &stmt, NULL) == SQLITE_OK);
	for (i = 1; i <= sqlite3_bind_parameter_count(stmt); i++)
		bind_any(stmt, i, in);
	sqlite3_step(stmt);
	sqlite3_finalize(stmt);
}

static void make_template(void)
{
	const char *dir = fuzz_dir();
	char path[128];
	struct stat st;
	int fd;

	hist_close(open_history(dir));
	snprintf(path, sizeof(path), "%s/%s", dir, HIST_FILE);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	must(fd >= 0 && !fstat(fd, &st));
	template_size = (size_t)st.st_size;
	template = malloc(template_size);
	must(template && read(fd, template, template_size) == (ssize_t)template_size);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	const char *dir;
	char path[128];
	sqlite3 *db;
	int n;

	log_level(-1);
	if (!template)
		make_template();
	dir = fuzz_dir();
	fuzz_put(dir, HIST_FILE, template, template_size);
	snprintf(path, sizeof(path), "%s/%s", dir, HIST_FILE);
	must(sqlite3_open(path, &db) == SQLITE_OK);
	sqlite3_exec(db, "PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY; BEGIN", NULL,
		     NULL, NULL);
	for (n = 0; in.left && n < ROWS_MAX; n++)
		insert_any(db, &in);
	must(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK);
	sqlite3_close(db);
	show_all(path);
	take_in(dir);
	show_all(path);
	return 0;
}
