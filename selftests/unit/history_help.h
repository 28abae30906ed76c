/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests of the history share: a clock, directories, listings. */
#ifndef SELFTESTS_UNIT_HISTORY_HELP_H
#define SELFTESTS_UNIT_HISTORY_HELP_H

#include <errno.h>
#include <inttypes.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ktap.h"
#include "history_int.h"
#include "log.h"

#define ESP 50

typedef void (*history_test)(void);

static int64_t clock_ms = 1000000, wall = 1790000000000;

__attribute__((unused)) static int64_t test_boot_ms(void)
{
	return clock_ms;
}

__attribute__((unused)) static int64_t test_wall_ms(void)
{
	return wall;
}

static char top[64];
static unsigned int dirs;

/* A directory of its own for each case. */
__attribute__((unused)) static const char *new_dir(void)
{
	static char dir[128];

	snprintf(dir, sizeof(dir), "%s/%u", top, ++dirs);
	return dir;
}

__attribute__((unused)) static struct history *open_boot(const char *dir, const char *boot)
{
	struct hist_env env = { boot, test_boot_ms, test_wall_ms };
	char *err = NULL;
	struct history *h = hist_open_env(dir, &env, &err);

	if (!h)
		ktap_ok(false, "opening %s: %s", dir, err);
	free(err);
	return h;
}

__attribute__((unused)) static struct history *open_dir(const char *dir)
{
	return open_boot(dir, "boot-1");
}

/* Closes and opens again. */
__attribute__((unused)) static struct history *reopen(struct history *h, const char *dir)
{
	if (hist_flush(h))
		ktap_ok(false, "flush: %s", hist_error(h));
	hist_close(h);
	return open_dir(dir);
}

/* The listings' strings are not const, and not changed either. */
__attribute__((unused)) static char *text(const char *s)
{
	return (char *)(uintptr_t)s;
}

/* One IKE_SA named "gw" with up to eight children. */
struct sas {
	struct ike_listing l;
	struct ike_sa ike;
	struct ike_child child[8];
};

__attribute__((unused)) static void listing_begin(struct sas *s, const char *conn)
{
	memset(s, 0, sizeof(*s));
	s->l.started = clock_ms;
	s->l.ended = clock_ms;
	s->l.sa = &s->ike;
	s->l.nsa = 1;
	s->ike.conn = text(conn);
	s->ike.state = IKE_ESTABLISHED;
	s->ike.local = (struct ike_addr){ AF_INET, { 192, 0, 2, 1 } };
	s->ike.remote = (struct ike_addr){ AF_INET, { 192, 0, 2, 2 } };
	s->ike.local_port = 500;
	s->ike.remote_port = 500;
	s->ike.local_id = text("a.example");
	s->ike.remote_id = text("b.example");
	s->ike.version = 2;
	s->ike.algs = text("AES_CBC-128/PRF_HMAC_SHA2_256/CURVE_25519");
	s->ike.child = s->child;
}

__attribute__((unused)) static struct ike_child *listing_add(struct sas *s, const char *name,
							     uint32_t spi, int64_t age_s)
{
	struct ike_child *c = &s->child[s->ike.nchild++];

	c->name = text(name);
	c->state = CHILD_INSTALLED;
	c->proto = ESP;
	c->spi_in = spi;
	c->reqid = 1;
	c->mode = text("TUNNEL");
	c->algs = text("AES_GCM_16-128");
	c->local_ts = text("10.1.0.0/16");
	c->remote_ts = text("10.2.0.0/16");
	c->install_age_s = age_s;
	return c;
}

/* The daemon has exactly this child of "gw"; complete. */
__attribute__((unused)) static void sync_one(struct history *h, const char *name, uint32_t spi)
{
	struct sas s;

	listing_begin(&s, "gw");
	s.l.blocking = true;
	if (name)
		listing_add(&s, name, spi, 0);
	hist_sync(h, NULL, &s.l, clock_ms);
}

__attribute__((unused)) static enum sa_end end_of(struct history *h, uint32_t spi)
{
	struct hist_sa sa;

	return hist_lookup(h, spi, ESP, &sa) ? END__COUNT : sa.end;
}

__attribute__((unused)) static void ktap_end(const char *name, enum sa_end want, enum sa_end got)
{
	ktap_str(name, want == END__COUNT ? "(no row)" : end_name(want),
		 got == END__COUNT ? "(no row)" : end_name(got));
}

/* A statement on the file, which nobody has open; its first number, or -1. */
__attribute__((unused)) static int64_t query(const char *dir, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	sqlite3 *db = NULL;
	char path[256];
	int64_t v = -1;

	snprintf(path, sizeof(path), "%s/history.db", dir);
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
	    sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		v = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return v;
}

__attribute__((unused)) static bool exists(const char *dir, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return !access(path, F_OK);
}

__attribute__((unused)) static int history_main(const history_test test[])
{
	char cmd[96];

	log_level(getenv("VERBOSE") ? LOG_DEBUG : -1);
	snprintf(top, sizeof(top), "/tmp/invspid-history-XXXXXX");
	if (!mkdtemp(top)) {
		perror(top);
		return 1;
	}
	for (; *test; test++)
		(*test)();
	snprintf(cmd, sizeof(cmd), "rm -rf %s", top);
	if (system(cmd))
		perror(cmd);
	return ktap_done();
}

#endif
