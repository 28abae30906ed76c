// SPDX-License-Identifier: GPL-2.0-only
/* The history: what it takes in, how rows end, and what it answers. */
#include "history_help.h"

static void test_basics(void)
{
	const char *dir = new_dir();
	struct history *h = open_dir(dir);
	struct ike_child *c;
	struct hist_sa sa;
	struct sas s;
	int pass;

	listing_begin(&s, "gw");
	s.ike.remote_port = 4500;
	s.ike.local_port = 4500;
	c = listing_add(&s, "net", 0xc0000001, 60);
	c->encap = true;
	c->if_id_in = 7;
	c->mark_in = 0x11;
	c->mark_in_mask = 0xff;
	hist_sync(h, NULL, &s.l, clock_ms);

	for (pass = 0; pass < 2; pass++) {
		if (pass)
			h = reopen(h, dir);
		ktap_int("lookup", 0, hist_lookup(h, 0xc0000001, ESP, &sa));
		ktap_str("conn", "gw", sa.conn);
		ktap_str("child", "net", sa.child);
		ktap_str("local_id", "a.example", sa.local_id);
		ktap_str("remote_id", "b.example", sa.remote_id);
		ktap_int("local", 0, memcmp(&sa.local, &s.ike.local, sizeof(sa.local)));
		ktap_int("remote", 0, memcmp(&sa.remote, &s.ike.remote, sizeof(sa.remote)));
		ktap_int("local port", 4500, sa.local_port);
		ktap_int("remote port", 4500, sa.remote_port);
		ktap_int("encap", true, sa.encap);
		ktap_int("if_id", 7, sa.if_id);
		ktap_int("mark", 0x11, sa.mark);
		ktap_int("mark mask", 0xff, sa.mark_mask);
		ktap_str("mode", "TUNNEL", sa.mode);
		ktap_str("algs", "AES_GCM_16-128", sa.algs);
		ktap_str("local_ts", "10.1.0.0/16", sa.local_ts);
		ktap_str("remote_ts", "10.2.0.0/16", sa.remote_ts);
		ktap_int("installed", clock_ms - 60000, sa.installed_at);
		ktap_int("last alive", clock_ms, sa.last_alive);
		ktap_end("alive", END_NONE, sa.end);
		ktap_int("ended", 0, sa.ended_at);
		ktap_int("newest of the child", 0, hist_child(h, "gw", "net", NULL, &sa));
		ktap_int("its SPI", 0xc0000001, sa.spi);
		ktap_int("should be up", 1, hist_should_be_up(h, "gw", NULL, NULL, NULL));
		ktap_int("another connection", 0, hist_should_be_up(h, "g", NULL, NULL, NULL));
		ktap_int("unknown SPI", -ENOENT, hist_lookup(h, 0xc0000002, ESP, &sa));
		ktap_int("another protocol", -ENOENT, hist_lookup(h, 0xc0000001, 51, &sa));
		ktap_int("unknown child", -ENOENT, hist_child(h, "gw", "ne", NULL, &sa));
		ktap_str("no error", NULL, hist_error(h));
	}
	hist_close(h);
}

/* Bytes that would end a statement, a string or a line, and are no UTF-8. */
static void test_hostile(void)
{
	static const char *const names[] = {
		"'; DROP TABLE sa; --",
		"\"); DELETE FROM sa; (\"",
		"?1",
		"%s%n",
		"\xff\xfe\x80",
		"a\nb\r\x1b[2J",
		"\xed\xa0\x80",
		"\xf0\x9f\x92\xa9",
		"",
		"C=CH, O=\"x\\\", CN=y",
	};
	const char *dir = new_dir();
	struct history *h = open_dir(dir);
	char *longest;
	struct hist_sa sa;
	struct sas s;
	size_t i;

	longest = malloc(65536);
	memset(longest, 'x', 65535);
	longest[65535] = '\0';
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		listing_begin(&s, names[i]);
		s.ike.remote_id = text(names[i]);
		s.ike.local_id = longest;
		listing_add(&s, names[ARRAY_SIZE(names) - 1 - i], 0x1000 + (uint32_t)i, 0);
		hist_sync(h, NULL, &s.l, clock_ms);
	}
	h = reopen(h, dir);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (!ktap_int("hostile: found", 0, hist_lookup(h, 0x1000 + (uint32_t)i, ESP, &sa)))
			continue;
		ktap_ok(!strcmp(sa.remote_id, names[i]), "hostile %zu: identity is the same", i);
		ktap_ok(!strcmp(sa.conn, names[i]), "hostile %zu: connection is the same", i);
		ktap_ok(!strcmp(sa.local_id, longest), "hostile %zu: 64 KiB are the same", i);
		ktap_int("hostile: child", 0,
			 hist_child(h, names[i], names[ARRAY_SIZE(names) - 1 - i], NULL, &sa));
		ktap_int("hostile: should be up", 1,
			 hist_should_be_up(h, names[i], NULL, NULL, NULL));
	}
	free(longest);
	hist_close(h);
}

/* Each way to end: is the child still wanted, and is that so after a restart? */
static void test_ends(void)
{
	static const bool up[END__COUNT] = {
		[END_NONE] = true,	  [END_REKEYED] = true,	    [END_GAVE_UP] = true,
		[END_DAEMON_LOST] = true, [END_KERNEL_LOST] = true, [END_MACHINE_DOWN] = true,
	};
	enum sa_end end;

	for (end = END_REKEYED; end < END__COUNT; end++) {
		const char *dir = new_dir();
		struct history *h = open_dir(dir);
		struct hist_sa sa;
		char name[64];
		int pass;

		sync_one(h, "net", 0xc1);
		clock_ms += 5000;
		hist_end(h, 0xc1, ESP, end, clock_ms);
		for (pass = 0; pass < 2; pass++) {
			snprintf(name, sizeof(name), "%s%s", end_name(end),
				 pass ? ", reopened" : "");
			ktap_end(name, end, end_of(h, 0xc1));
			hist_lookup(h, 0xc1, ESP, &sa);
			ktap_int(name, clock_ms, sa.ended_at);
			ktap_int(name, wall, sa.ended_wall);
			ktap_int(name, up[end], hist_should_be_up(h, "gw", NULL, NULL, NULL));
			ktap_int(name, end == END_OPERATOR, hist_by_hand(h, "gw", "net", NULL));
			h = reopen(h, dir);
		}
		/* Up again: nothing of the past counts. */
		clock_ms += 60000;
		sync_one(h, "net", 0xc2);
		ktap_int("up again", 1, hist_should_be_up(h, "gw", NULL, NULL, NULL));
		ktap_int("up again", false, hist_by_hand(h, "gw", "net", NULL));
		hist_close(h);
	}
}

/* A second cause for the same end. */
static void test_corrections(void)
{
	static const struct {
		enum sa_end first, second;
		int64_t after;
		enum sa_end want;
	} t[] = {
		{ END_KERNEL_LOST, END_DELETED_LOCAL, 5, END_DELETED_LOCAL },
		{ END_KERNEL_LOST, END_REKEYED, 3600000, END_REKEYED },
		{ END_KERNEL_LOST, END_UNSEEN, 5, END_KERNEL_LOST },
		{ END_UNSEEN, END_DELETED_PEER, 5, END_DELETED_PEER },
		{ END_DELETED_LOCAL, END_OPERATOR, 5, END_OPERATOR },
		{ END_DELETED_LOCAL, END_OPERATOR, 10000, END_OPERATOR },
		{ END_DELETED_LOCAL, END_OPERATOR, 10001, END_DELETED_LOCAL },
		{ END_DELETED_LOCAL, END_DELETED_PEER, 5, END_DELETED_PEER },
		{ END_DELETED_LOCAL, END_KERNEL_LOST, 5, END_DELETED_LOCAL },
		{ END_DELETED_LOCAL, END_GAVE_UP, 5, END_GAVE_UP },
		{ END_DELETED_LOCAL, END_INACTIVITY, 5, END_INACTIVITY },
		{ END_GAVE_UP, END_DELETED_LOCAL, 5, END_GAVE_UP },
		{ END_OPERATOR, END_DELETED_LOCAL, 5, END_OPERATOR },
		{ END_OPERATOR, END_GAVE_UP, 5, END_OPERATOR },
		{ END_OPERATOR, END_DELETED_PEER, 5, END_OPERATOR },
		{ END_DELETED_PEER, END_DELETED_LOCAL, 5, END_DELETED_PEER },
		{ END_DELETED_PEER, END_KERNEL_LOST, 5, END_DELETED_PEER },
		{ END_EXPIRED, END_DELETED_LOCAL, 5, END_EXPIRED },
		{ END_REKEYED, END_DELETED_LOCAL, 5, END_REKEYED },
		{ END_REKEYED, END_DELETED_PEER, 5, END_REKEYED },
		{ END_REKEYED, END_OPERATOR, 5, END_REKEYED },
		{ END_REKEYED, END_KERNEL_LOST, 5, END_REKEYED },
		{ END_OPERATOR, END_NONE, 5, END_OPERATOR },
	};
	const char *dir = new_dir();
	struct history *h = open_dir(dir);
	char name[96];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		struct hist_sa sa;
		int64_t ended;

		clock_ms += 100000;
		sync_one(h, "net", 0x2000 + (uint32_t)i);
		ended = clock_ms += 1000;
		hist_end(h, 0x2000 + (uint32_t)i, ESP, t[i].first, clock_ms);
		clock_ms += t[i].after;
		hist_end(h, 0x2000 + (uint32_t)i, ESP, t[i].second, clock_ms);
		snprintf(name, sizeof(name), "%s, %" PRId64 " ms later %s", end_name(t[i].first),
			 t[i].after, end_name(t[i].second));
		ktap_end(name, t[i].want, end_of(h, 0x2000 + (uint32_t)i));
		hist_lookup(h, 0x2000 + (uint32_t)i, ESP, &sa);
		ktap_int("the end keeps its time", ended, sa.ended_at);
	}
	hist_close(h);
}

static void test_daemon(void)
{
	const char *dir = new_dir();
	struct history *h = open_dir(dir);
	struct hist_sa sa;
	int64_t alive;

	hist_daemon(h, 100, 5000, clock_ms);
	sync_one(h, "net", 0xd1);
	alive = clock_ms;
	h = reopen(h, dir);
	clock_ms += 3000;
	hist_daemon(h, 100, 5000, clock_ms);
	ktap_end("same daemon", END_NONE, end_of(h, 0xd1));
	hist_daemon(h, 100, 5001, clock_ms);
	ktap_end("same pid, another process", END_DAEMON_LOST, end_of(h, 0xd1));
	hist_lookup(h, 0xd1, ESP, &sa);
	ktap_int("ended when last seen alive", alive, sa.ended_at);

	sync_one(h, "net", 0xd2);
	hist_daemon_lost(h, false, clock_ms);
	ktap_end("connection lost, process there", END_NONE, end_of(h, 0xd2));
	clock_ms += 10;
	hist_daemon_lost(h, true, clock_ms);
	ktap_end("process gone", END_DAEMON_LOST, end_of(h, 0xd2));
	hist_lookup(h, 0xd2, ESP, &sa);
	ktap_int("ended now", clock_ms, sa.ended_at);
	h = reopen(h, dir);
	ktap_end("reopened", END_DAEMON_LOST, end_of(h, 0xd2));
	hist_close(h);
}

/* A daemon that is told to stop deletes its SAs first. */
static void test_shutdown(void)
{
	static const struct {
		enum sa_end end;
		int64_t before;
		enum sa_end want;
	} t[] = {
		{ END_DELETED_LOCAL, 0, END_DAEMON_LOST },
		{ END_DELETED_LOCAL, 2000, END_DAEMON_LOST },
		{ END_DELETED_LOCAL, 2001, END_DELETED_LOCAL },
		{ END_OPERATOR, 100, END_OPERATOR },
		{ END_DELETED_PEER, 100, END_DELETED_PEER },
		{ END_INACTIVITY, 100, END_INACTIVITY },
		{ END_REKEYED, 2000, END_DAEMON_LOST },
		{ END_REKEYED, 2001, END_REKEYED },
		{ END_KERNEL_LOST, 100000, END_DAEMON_LOST },
		{ END_EXPIRED, 100, END_EXPIRED },
	};
	const char *dir = new_dir();
	struct history *h = open_dir(dir);
	char name[96];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		uint32_t spi = 0x3000 + (uint32_t)i;

		clock_ms += 100000;
		sync_one(h, "net", spi);
		hist_flush(h);
		hist_end(h, spi, ESP, t[i].end, clock_ms);
		hist_flush(h);
		clock_ms += t[i].before;
		sync_one(h, NULL, 0);
		hist_daemon_lost(h, true, clock_ms);
		snprintf(name, sizeof(name), "%s %" PRId64 " ms before the daemon went",
			 end_name(t[i].end), t[i].before);
		ktap_end(name, t[i].want, end_of(h, spi));
		h = reopen(h, dir);
		ktap_end("the same after a restart", t[i].want, end_of(h, spi));
	}
	hist_close(h);
}

/* The kernel loses an SA, a rekey replaces it, and the daemon dies over that. */
static void test_healing_cut_short(void)
{
	const char *dir = new_dir();
	struct history *h = open_dir(dir);
	struct hist_sa sa;

	clock_ms += 100000;
	sync_one(h, "net", 0xf1);
	hist_end(h, 0xf1, ESP, END_KERNEL_LOST, clock_ms);
	clock_ms += 60000;
	hist_rekey(h, 0xf1, 0xf2, ESP, clock_ms);
	ktap_end("rekeyed after a minute", END_REKEYED, end_of(h, 0xf1));
	hist_lookup(h, 0xf1, ESP, &sa);
	ktap_int("ended with the rekey", clock_ms, sa.ended_at);
	clock_ms += 50;
	hist_daemon_lost(h, true, clock_ms);
	ktap_end("the DELETE may not have left", END_DAEMON_LOST, end_of(h, 0xf1));
	ktap_end("nor is the new one there", END_DAEMON_LOST, end_of(h, 0xf2));

	clock_ms += 100000;
	sync_one(h, "net", 0xf3);
	hist_end(h, 0xf3, ESP, END_KERNEL_LOST, clock_ms);
	hist_close(h);
	clock_ms = 5000;
	h = open_boot(dir, "boot-3");
	ktap_end("never healed, and the machine went down", END_MACHINE_DOWN, end_of(h, 0xf3));
	hist_close(h);
}

static void test_boot(void)
{
	const char *dir = new_dir();
	struct history *h = open_dir(dir);
	struct hist_sa sa;

	hist_daemon(h, 100, 5000, clock_ms);
	sync_one(h, "net", 0xe1);
	hist_close(h);
	clock_ms = 5000;
	wall += 120000;
	h = open_boot(dir, "boot-2");
	ktap_end("machine went down", END_MACHINE_DOWN, end_of(h, 0xe1));
	hist_lookup(h, 0xe1, ESP, &sa);
	ktap_ok(sa.ended_at == LONG_AGO, "ended in an earlier boot");
	ktap_int("by the wall clock when it was last alive, not now", wall - 120000, sa.ended_wall);
	ktap_ok(sa.installed_at == LONG_AGO, "installed in an earlier boot");
	ktap_ok(sa.last_alive == LONG_AGO, "last alive in an earlier boot");
	ktap_int("should be up", 1, hist_should_be_up(h, "gw", NULL, NULL, NULL));
	hist_daemon(h, 100, 5000, clock_ms);
	ktap_end("same pid and start by chance", END_MACHINE_DOWN, end_of(h, 0xe1));
	sync_one(h, "net", 0xe2);
	hist_lookup(h, 0xe2, ESP, &sa);
	ktap_int("installed in this boot", 5000, sa.installed_at);
	hist_close(h);

	/* Twice the same: rows of the first boot are not touched again. */
	clock_ms = 6000;
	h = open_boot(dir, "boot-3");
	ktap_end("two boots ago", END_MACHINE_DOWN, end_of(h, 0xe1));
	ktap_end("one boot ago", END_MACHINE_DOWN, end_of(h, 0xe2));
	hist_child(h, "gw", "net", NULL, &sa);
	ktap_int("newest of the child", 0xe2, sa.spi);
	hist_close(h);
	h = open_boot(dir, "");
	sync_one(h, "net", 0xe3);
	hist_close(h);
	h = open_boot(dir, "");
	ktap_end("no boot id: every start is a new boot", END_MACHINE_DOWN, end_of(h, 0xe3));
	hist_close(h);
	clock_ms = 1000000;
}

/* Two peers of one connection with the same child: each has a row of its own. */
static void test_peers(void)
{
	const char *dir = new_dir();
	struct history *h = open_dir(dir);
	struct hist_sa sa;
	struct sas s;
	int again;

	hist_daemon(h, 100, 5000, clock_ms);
	listing_begin(&s, "gw");
	listing_add(&s, "net", 0xa1, 0)->mark_out = 7;
	hist_sync(h, NULL, &s.l, clock_ms);
	listing_begin(&s, "gw");
	s.ike.remote_id = text("c.example");
	s.ike.no_copy = "a virtual IP";
	listing_add(&s, "net", 0xa2, 0);
	hist_sync(h, NULL, &s.l, clock_ms);
	hist_end(h, 0xa2, ESP, END_OPERATOR, clock_ms);
	hist_close(h);
	clock_ms = 5000;
	wall += 60000;
	h = open_boot(dir, "boot-2");
	for (again = 0; again < 2; again++) {
		ktap_int("b should be up", 1, hist_should_be_up(h, "gw", "b.example", NULL, NULL));
		ktap_int("c should not", 0, hist_should_be_up(h, "gw", "c.example", NULL, NULL));
		ktap_int("nor one never seen", 0,
			 hist_should_be_up(h, "gw", "d.example", NULL, NULL));
		ktap_int("each", 1, hist_should_be_up(h, "gw", HIST_EACH_PEER, NULL, NULL));
		ktap_int("c by hand", 1, hist_by_hand(h, "gw", "net", "c.example"));
		ktap_int("b not", 0, hist_by_hand(h, "gw", "net", "b.example"));
		ktap_int("b's row", 0, hist_child(h, "gw", "net", "b.example", &sa));
		ktap_int("b's row", 0xa1, sa.spi);
		ktap_int("its mark", 7, sa.mark_out);
		ktap_str("its IKE", "AES_CBC-128/PRF_HMAC_SHA2_256/CURVE_25519", sa.ike_algs);
		ktap_int("off for a minute", 60000, sa.ago / 1000 * 1000);
		hist_child(h, "gw", "net", "c.example", &sa);
		ktap_str("c's peculiarity", "a virtual IP", sa.no_copy);
		h = reopen(h, dir);
	}
	hist_close(h);
	h = open_boot(dir, "boot-2");
	wall -= 3600000;
	hist_child(h, "gw", "net", "b.example", &sa);
	ktap_ok(sa.ago == INT64_MAX, "a wall clock that went back: not known for how long");
	hist_close(h);
	wall += 3600000;
	clock_ms = 1000000;
}

int main(void)
{
	static const history_test tests[] = {
		test_basics, test_peers,    test_hostile,	    test_ends, test_corrections,
		test_daemon, test_shutdown, test_healing_cut_short, test_boot, NULL,
	};

	return history_main(tests);
}
