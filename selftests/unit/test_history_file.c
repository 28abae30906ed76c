// SPDX-License-Identifier: GPL-2.0-only
/* The history's file: bad ones, unusable places, a full disk, what is forgotten. */
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>

#include "history_help.h"

static int mode_of(const char *dir, const char *name)
{
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return stat(path, &st) ? -1 : (int)(st.st_mode & 07777);
}

static void test_modes(void)
{
	const char *dir = new_dir();
	mode_t mask = umask(0);
	struct history *h = open_dir(dir);
	struct history *second;
	struct hist_env env = { "boot-1", test_boot_ms, test_wall_ms };
	char *err = NULL;

	sync_one(h, "net", 1);
	hist_flush(h);
	ktap_int("directory", 0700, mode_of(dir, ""));
	ktap_int("file", 0600, mode_of(dir, "history.db"));
	ktap_int("file beside it", 0600, mode_of(dir, "history.db-wal"));
	ktap_int("lock", 0600, mode_of(dir, "history.lock"));
	second = hist_open_env(dir, &env, &err);
	ktap_ok(!second, "a second process is refused");
	ktap_has("and told why", "is in use by another invspid", err ? err : "");
	free(err);
	hist_close(second);
	ktap_end("the first goes on", END_NONE, end_of(h, 1));
	hist_close(h);
	umask(mask);
}

/* What is in the file before it is opened; then it must work, and be put aside or not. */
static void spoil(const char *dir, const char *how)
{
	char path[256];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/history.db", dir);
	fd = open(path, O_RDWR);
	if (fd < 0 || fstat(fd, &st))
		return;
	if (!strcmp(how, "empty")) {
		if (ftruncate(fd, 0))
			perror("ftruncate");
	} else if (!strcmp(how, "half")) {
		if (ftruncate(fd, st.st_size / 2))
			perror("ftruncate");
	} else if (!strcmp(how, "text")) {
		if (ftruncate(fd, 0) || pwrite(fd, "mode = recover\n", 15, 0) != 15)
			perror("text");
	} else if (!strcmp(how, "header")) {
		if (pwrite(fd, "\xff\xff\xff\xff\xff\xff", 6, 16) != 6)
			perror("header");
	} else if (!strcmp(how, "page")) {
		char junk[4096];

		memset(junk, 0x5a, sizeof(junk));
		if (pwrite(fd, junk, sizeof(junk), 4096) != sizeof(junk))
			perror("page");
	}
	close(fd);
	if (!strcmp(how, "newer"))
		query(dir, "PRAGMA user_version = 99");
	else if (!strcmp(how, "foreign"))
		query(dir, "PRAGMA application_id = 1");
	else if (!strcmp(how, "no meta"))
		query(dir, "DELETE FROM meta");
	else if (!strcmp(how, "no table"))
		query(dir, "DROP TABLE action");
}

/* A file of the version before: its rows stay, what it did not know is not known. */
static void test_upgrade(void)
{
	static const char *const older[] = {
		"DROP INDEX sa_child",
		"ALTER TABLE sa DROP COLUMN if_id_out",
		"ALTER TABLE sa DROP COLUMN mark_out",
		"ALTER TABLE sa DROP COLUMN mark_out_mask",
		"ALTER TABLE sa DROP COLUMN ike_version",
		"ALTER TABLE sa DROP COLUMN ike_algs",
		"ALTER TABLE sa DROP COLUMN no_copy",
		"CREATE INDEX sa_child ON sa (conn, child, ord)",
		"PRAGMA user_version = 2",
	};
	const char *dir = new_dir();
	struct history *h = open_dir(dir);
	struct hist_sa sa;
	size_t i;

	sync_one(h, "net", 0x100);
	hist_close(h);
	for (i = 0; i < ARRAY_SIZE(older); i++)
		query(dir, older[i]);
	ktap_int("version 2", 2, query(dir, "PRAGMA user_version"));
	h = open_dir(dir);
	ktap_str("version 2: works", NULL, hist_error(h));
	ktap_int("version 2: not put aside", 0, exists(dir, "history.db.corrupt"));
	ktap_int("version 2: its row", 0, hist_lookup(h, 0x100, ESP, &sa));
	ktap_str("version 2: no algorithms of IKE", "", sa.ike_algs);
	ktap_int("version 2: no version of IKE", 0, sa.ike_version);
	sync_one(h, "net", 0x100);
	h = reopen(h, dir);
	ktap_int("version 3", 3, query(dir, "PRAGMA user_version"));
	hist_lookup(h, 0x100, ESP, &sa);
	ktap_int("and now it is known", 2, sa.ike_version);
	hist_close(h);
}

static void test_corrupt(void)
{
	static const struct {
		const char *how;
		bool aside;
	} t[] = {
		{ "empty", false },  { "half", true },	  { "text", true },
		{ "header", true },  { "page", true },	  { "newer", true },
		{ "foreign", true }, { "no meta", true }, { "no table", true },
	};
	size_t i;
	int k;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		const char *dir = new_dir();
		struct history *h = open_dir(dir);
		char name[64];

		for (k = 0; k < 200; k++)
			sync_one(h, "net", 0x100 + (uint32_t)k);
		hist_close(h);
		spoil(dir, t[i].how);
		h = open_dir(dir);
		snprintf(name, sizeof(name), "%s: works", t[i].how);
		ktap_str(name, NULL, hist_error(h));
		snprintf(name, sizeof(name), "%s: put aside", t[i].how);
		ktap_int(name, t[i].aside, exists(dir, "history.db.corrupt"));
		sync_one(h, "net", 0x900);
		h = reopen(h, dir);
		snprintf(name, sizeof(name), "%s: a row is kept", t[i].how);
		ktap_end(name, END_NONE, end_of(h, 0x900));
		ktap_int("nothing of the old file", 1,
			 hist_should_be_up(h, "gw", NULL, NULL, NULL));
		hist_close(h);
	}
}

/* In memory: everything but persistence. */
static void check_memory(const char *name, const char *dir)
{
	struct history *h = open_dir(dir);
	static bool once = true;
	struct hist_sa sa;
	int i;

	if (!h)
		return;
	ktap_ok(hist_error(h), "%s: the error is told: %s", name, hist_error(h));
	sync_one(h, "net", 0x11);
	clock_ms += 1000;
	hist_rekey(h, 0x11, 0x12, ESP, clock_ms);
	ktap_int(name, 0, hist_lookup(h, 0x12, ESP, &sa));
	ktap_end(name, END_REKEYED, end_of(h, 0x11));
	hist_end(h, 0x12, ESP, END_OPERATOR, clock_ms);
	ktap_ok(hist_by_hand(h, "gw", "net", NULL), "%s: ended by hand", name);
	ktap_ok(hist_flush(h) < 0, "%s: flush says so", name);
	for (i = 0; once && i < HIST_MEMORY_ROWS + 1000; i++) {
		clock_ms += 2000;
		sync_one(h, "net", 0x10000 + (uint32_t)i);
	}
	if (!once) {
		hist_close(h);
		return;
	}
	once = false;
	ktap_ok(h->nended <= HIST_MEMORY_ROWS + 10, "%s: rows are bounded (%u)", name, h->nended);
	ktap_end("the oldest is forgotten", END__COUNT, end_of(h, 0x11));
	ktap_end("the newest is there", END_NONE, end_of(h, 0x10000 + (uint32_t)i - 1));
	hist_close(h);
}

static bool own_mounts(void)
{
	static int have = -1;

	if (have < 0)
		have = !unshare(CLONE_NEWNS) &&
		       !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
	return have;
}

static void test_unusable(void)
{
	char dir[128], path[256];
	int fd;

	snprintf(dir, sizeof(dir), "%s", new_dir());
	fd = open(dir, O_CREAT | O_WRONLY, 0600);
	close(fd);
	check_memory("the directory is a file", dir);
	check_memory("no parent", "/nonexistent/of/all");
	check_memory("no files can be made", "/proc/self");

	snprintf(dir, sizeof(dir), "%s", new_dir());
	snprintf(path, sizeof(path), "%s/history.db", dir);
	mkdir(dir, 0700);
	mkdir(path, 0700);
	check_memory("the file is a directory", dir);

	snprintf(dir, sizeof(dir), "%s", new_dir());
	snprintf(path, sizeof(path), "%s/history.db", dir);
	mkdir(dir, 0700);
	if (symlink("/etc/passwd", path))
		perror("symlink");
	check_memory("the file is a link", dir);

	snprintf(dir, sizeof(dir), "%s", new_dir());
	hist_close(open_dir(dir));
	if (own_mounts() && !mount(dir, dir, NULL, MS_BIND, NULL) &&
	    !mount(NULL, dir, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL)) {
		check_memory("read-only file system", dir);
		umount(dir);
	} else {
		printf("# not root: a read-only file system is not tested\n");
	}
}

static void fill(const char *dir, bool full)
{
	char path[256], block[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/filler", dir);
	if (!full) {
		unlink(path);
		return;
	}
	memset(block, 1, sizeof(block));
	fd = open(path, O_CREAT | O_WRONLY | O_APPEND, 0600);
	while (write(fd, block, sizeof(block)) == sizeof(block))
		;
	close(fd);
}

/* Many rows: more than the blocks that SQLite has in hand can take. */
static void many(struct history *h, uint32_t first, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		clock_ms += 10;
		sync_one(h, "bulk", first + i);
	}
}

static void wait_error(struct history *h, bool wanted)
{
	int i;

	for (i = 0; i < 1000 && !hist_error(h) == wanted; i++)
		usleep(10000);
}

static void test_full(void)
{
	const char *dir = new_dir();
	struct history *h;
	pid_t pid;
	int status;

	mkdir(dir, 0700);
	if (!own_mounts() || mount("none", dir, "tmpfs", 0, "size=4m,mode=700")) {
		printf("# not root: a full disk is not tested\n");
		return;
	}
	h = open_dir(dir);
	sync_one(h, "net", 0x21);
	sync_one(h, "net", 0x21);
	hist_flush(h);
	fill(dir, true);
	many(h, 0x1000, 2000);
	sync_one(h, "net", 0x21);
	hist_end(h, 0x21, ESP, END_OPERATOR, clock_ms);
	ktap_int("full: flush says so", -ENOSPC, hist_flush(h));
	ktap_has("full: the error", "full", hist_error(h) ? hist_error(h) : "");
	ktap_ok(hist_by_hand(h, "gw", "net", NULL), "full: goes on in memory");
	ktap_end("full: rows are still found", END_UNSEEN, end_of(h, 0x1005));
	fill(dir, false);
	wait_error(h, false);
	ktap_str("space again: writes by itself", NULL, hist_error(h));
	ktap_int("space again: flush", 0, hist_flush(h));
	h = reopen(h, dir);
	ktap_ok(hist_by_hand(h, "gw", "net", NULL), "space again: the end is on disk");
	ktap_end("space again: rows too", END_UNSEEN, end_of(h, 0x1005));

	/* Killed while the disk is full: what was alive on disk is in doubt. */
	sync_one(h, "net", 0x22);
	hist_close(h);
	pid = fork();
	if (!pid) {
		h = open_dir(dir);
		hist_flush(h);
		fill(dir, true);
		many(h, 0x2000, 2000);
		sync_one(h, "net", 0x22);
		hist_end(h, 0x22, ESP, END_OPERATOR, clock_ms);
		hist_flush(h);
		_exit(hist_error(h) ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	ktap_int("the child met a full disk", 0, status);
	fill(dir, false);
	h = open_dir(dir);
	ktap_end("alive on disk, but in doubt", END_UNSEEN, end_of(h, 0x22));
	ktap_int("not taken to be wanted", 0, hist_should_be_up(h, "gw", NULL, NULL, NULL));
	sync_one(h, "net", 0x23);
	h = reopen(h, dir);
	ktap_end("the doubt is over", END_NONE, end_of(h, 0x23));
	hist_close(h);
	umount(dir);
}

/* So many changes wait for the disk that one of them is lost: then the file is in doubt. */
static void test_overflow(void)
{
	const char *dir = new_dir();
	struct history *h;
	struct sas s;
	uint32_t i;

	mkdir(dir, 0700);
	if (!own_mounts() || mount("none", dir, "tmpfs", 0, "size=64m,mode=700")) {
		printf("# not root: a full disk is not tested\n");
		return;
	}
	h = open_dir(dir);
	sync_one(h, "net", 0x61);
	hist_flush(h);
	fill(dir, true);
	for (i = 0; i < HIST_QUEUE_MAX + 1000; i++) {
		listing_begin(&s, "gw");
		s.l.blocking = true;
		listing_add(&s, "net", 0x61, 0);
		listing_add(&s, "bulk", 0x10000 + i, 0);
		hist_sync(h, NULL, &s.l, clock_ms);
		clock_ms += 10;
	}
	ktap_ok(h->w.dropped, "changes were dropped");
	hist_end(h, 0x61, ESP, END_OPERATOR, clock_ms);
	ktap_ok(hist_by_hand(h, "gw", "net", NULL), "known in memory");
	fill(dir, false);
	wait_error(h, false);
	ktap_int("space again: flush", 0, hist_flush(h));
	hist_close(h);
	h = open_boot(dir, "boot-2");
	ktap_int("what was closed by hand is not wanted", 0,
		 hist_should_be_up(h, "gw", NULL, NULL, NULL));
	hist_close(h);
	umount(dir);
}

static void test_quota(void)
{
	const char *dir = new_dir();
	struct history *h = open_dir(dir);
	struct sas s;
	int64_t n;
	int i;

	/* The oldest facts of other children and connections stay. */
	sync_one(h, "closed", 0x31);
	hist_end(h, 0x31, ESP, END_OPERATOR, clock_ms);
	listing_begin(&s, "gw2");
	listing_add(&s, "net", 0x32, 0);
	hist_sync(h, NULL, &s.l, clock_ms);
	hist_end(h, 0x32, ESP, END_GAVE_UP, clock_ms);
	sync_one(h, "net", 0x10000);
	for (i = 1; i <= HIST_QUOTA + 2000; i++) {
		clock_ms += 100;
		hist_rekey(h, 0x10000 + (uint32_t)i - 1, 0x10000 + (uint32_t)i, ESP, clock_ms);
		if (i % 200 == 0)
			hist_flush(h);
	}
	h = reopen(h, dir);
	n = query(dir, "SELECT count(*) FROM sa WHERE conn = 'gw'");
	ktap_ok(n > HIST_QUOTA && n <= HIST_QUOTA + 512, "quota of a connection: %" PRId64, n);
	ktap_end("the oldest is forgotten", END__COUNT, end_of(h, 0x10000));
	ktap_end("the newest is there", END_NONE, end_of(h, 0x10000 + HIST_QUOTA + 2000));
	ktap_ok(hist_by_hand(h, "gw", "closed", NULL), "what was closed by hand stays closed");
	ktap_end("another connection's rows stay", END_GAVE_UP, end_of(h, 0x32));
	hist_close(h);

	/* After 30 days of uptime, however the wall clock went; a boot between counts too. */
	clock_ms += HIST_DAYS * 86400000LL - 86400000ll;
	h = open_dir(dir);
	hist_flush(h);
	ktap_end("29 days: there", END_GAVE_UP, end_of(h, 0x32));
	hist_close(h);
	clock_ms = 2 * 86400000ll;
	wall -= 50 * 365 * 86400000ll;
	h = open_boot(dir, "boot-2");
	sync_one(h, "net", 0x7777);
	hist_flush(h);
	hist_close(h);
	h = open_boot(dir, "boot-2");
	hist_flush(h);
	hist_close(h);
	h = open_boot(dir, "boot-2");
	ktap_end("31 days: forgotten", END__COUNT, end_of(h, 0x32));
	ktap_end("the new one is there", END_NONE, end_of(h, 0x7777));
	hist_close(h);
	clock_ms = 1000000;
	wall += 50 * 365 * 86400000ll;
}

/* A file at its limit of size drops its oldest rows and goes on. */
static void test_size(void)
{
	const char *dir = new_dir();
	struct history *h = open_dir(dir);
	char *big = malloc(60001);
	struct sas s;
	int i;

	memset(big, 'x', 60000);
	big[60000] = '\0';
	for (i = 0; i < 1500; i++) {
		char conn[16];

		clock_ms += 10;
		snprintf(conn, sizeof(conn), "gw%d", i % 7);
		listing_begin(&s, conn);
		s.ike.remote_id = big;
		s.l.blocking = true;
		listing_add(&s, "net", 0x50000 + (uint32_t)i, 0);
		hist_sync(h, NULL, &s.l, clock_ms);
		if (i % 20 == 0)
			hist_flush(h);
	}
	ktap_int("flush", 0, hist_flush(h));
	ktap_str("no error", NULL, hist_error(h));
	ktap_end("the oldest is forgotten", END__COUNT, end_of(h, 0x50000));
	ktap_end("the newest is there", END_NONE, end_of(h, 0x50000 + 1499));
	hist_close(h);
	i = (int)(query(dir, "PRAGMA page_count") * query(dir, "PRAGMA page_size") >> 20);
	ktap_ok(i <= 64, "the file is bounded (%d MiB)", i);
	free(big);
}

static void test_actions(void)
{
	const char *dir = new_dir();
	struct history *h = open_dir(dir);
	struct hist_action a = {
		.conn = "gw'",
		.child = "\xffnet",
		.spi = 0xc0000001,
		.grade = GRADE_LOST_IN_KERNEL,
		.action = ACTION_REKEY,
		.outcome = OUTCOME_HEALED,
		.first_drop = 100,
		.verdict = 110,
		.acted = 120,
		.first_new = 0,
		.wall = 1790000000000,
		.src = { AF_INET, { 192, 0, 2, 2 } },
	};

	hist_action(h, &a);
	hist_close(h);
	ktap_int("one action", 1, query(dir, "SELECT count(*) FROM action"));
	ktap_int("as it was", 1,
		 query(dir, "SELECT count(*) FROM action WHERE conn = 'gw''' AND spi = 3221225473"
			    " AND length(src) = 4 AND acted - first_drop = 20 AND first_new = 0"
			    " AND wall = 1790000000000"));
}

/* Anyone can send packets with random SPIs. */
static void test_flood(void)
{
	struct history *h = open_dir(new_dir());
	struct timespec a, b;
	struct hist_sa sa;
	uint32_t spi = 1;
	int found = 0, i;
	long ms;

	for (i = 0; i < 3000; i++)
		sync_one(h, "net", 0xc0000000 + (uint32_t)i);
	hist_flush(h);
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (i = 0; i < 65536; i++) {
		spi = spi * 1664525 + 1013904223;
		found += !hist_lookup(h, spi & 0x7fffffff, ESP, &sa);
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	ms = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
	ktap_int("no random SPI is ours", 0, found);
	ktap_ok(ms < 1000, "65536 look-ups of unknown SPIs take %ld ms", ms);
	for (i = 0; i < 3000; i++)
		found += !hist_lookup(h, 0xc0000000 + (uint32_t)i, ESP, &sa);
	ktap_int("all of ours are found", 3000, found);
	hist_close(h);
}

int main(void)
{
	static const history_test tests[] = { test_modes,    test_upgrade, test_corrupt,
					      test_unusable, test_full,	   test_overflow,
					      test_quota,    test_size,	   test_actions,
					      test_flood,    NULL };

	return history_main(tests);
}
