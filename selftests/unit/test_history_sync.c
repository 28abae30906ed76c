// SPDX-License-Identifier: GPL-2.0-only
/* The history and the daemon's listings: what proves what. */
#include "history_help.h"

static void test_unseen(void)
{
	static const struct {
		const char *name;
		bool prev, blocking, prev_blocking, updown;
		int64_t age; /* row older than the first listing by */
		enum child_state state; /* as listed in the last one; -1: not */
		uint32_t spi;
		enum sa_end want;
	} t[] = {
		{ "one non-blocking listing", .age = 1, .state = -1, .want = END_NONE },
		{ "one blocking listing", .blocking = true, .age = 1, .state = -1,
		  .want = END_UNSEEN },
		{ "blocking, but begun when the row was new", .blocking = true, .age = 0,
		  .state = -1, .want = END_NONE },
		{ "two non-blocking", .prev = true, .age = 1, .state = -1, .want = END_UNSEEN },
		{ "two, an IKE_SA came or went between", .prev = true, .updown = true, .age = 1,
		  .state = -1, .want = END_NONE },
		{ "two, the same, but one blocking", .prev = true, .updown = true, .blocking = true,
		  .age = 1, .state = -1, .want = END_UNSEEN },
		{ "two, the same, the first blocking", .prev = true, .updown = true,
		  .prev_blocking = true, .age = 1, .state = -1, .want = END_UNSEEN },
		{ "two, the row newer than the first", .prev = true, .age = 0, .state = -1,
		  .want = END_NONE },
		{ "listed as DELETING", .blocking = true, .age = 1, .state = CHILD_DELETING,
		  .spi = 0x71, .want = END_NONE },
		{ "listed as DELETED", .blocking = true, .age = 1, .state = CHILD_DELETED,
		  .spi = 0x71, .want = END_UNSEEN },
		{ "listed as REKEYED", .blocking = true, .age = 1, .state = CHILD_REKEYED,
		  .spi = 0x71, .want = END_REKEYED },
		{ "listed as REKEYING", .blocking = true, .age = 1, .state = CHILD_REKEYING,
		  .spi = 0x71, .want = END_NONE },
		{ "listed in passing, without SPI", .blocking = true, .age = 1,
		  .state = CHILD_OTHER, .spi = 0, .want = END_NONE },
		{ "only another SPI listed", .blocking = true, .age = 1, .state = CHILD_INSTALLED,
		  .spi = 0x72, .want = END_UNSEEN },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		struct history *h = open_dir(new_dir());
		struct sas prev, last;

		sync_one(h, "net", 0x71);
		clock_ms += t[i].age;
		listing_begin(&prev, "gw");
		prev.l.blocking = t[i].prev_blocking;
		clock_ms += 300;
		listing_begin(&last, "gw");
		last.l.blocking = t[i].blocking;
		last.l.updown = t[i].updown;
		if (!t[i].prev)
			last.l.started = prev.l.started;
		if ((int)t[i].state != -1)
			listing_add(&last, "net", t[i].spi, 0)->state = t[i].state;
		hist_sync(h, t[i].prev ? &prev.l : NULL, &last.l, clock_ms);
		ktap_end(t[i].name, t[i].want, end_of(h, 0x71));
		hist_close(h);
	}
}

/* In one of the two listings is enough to be there. */
static void test_either(void)
{
	struct history *h = open_dir(new_dir());
	struct sas prev, last;

	sync_one(h, "net", 0x71);
	clock_ms += 100;
	listing_begin(&prev, "gw");
	listing_add(&prev, "net", 0x71, 0);
	listing_begin(&last, "gw");
	hist_sync(h, &prev.l, &last.l, clock_ms);
	ktap_end("only in the first", END_NONE, end_of(h, 0x71));
	hist_sync(h, &last.l, &prev.l, clock_ms);
	ktap_end("only in the second", END_NONE, end_of(h, 0x71));
	hist_close(h);
}

/* Absence is judged across a restart of this process, too. */
static void test_restart(void)
{
	const char *dir = new_dir();
	struct history *h = open_dir(dir);

	hist_daemon(h, 1, 1, clock_ms);
	sync_one(h, "net", 0x71);
	clock_ms += 10;
	h = reopen(h, dir);
	hist_daemon(h, 1, 1, clock_ms);
	ktap_end("alive", END_NONE, end_of(h, 0x71));
	sync_one(h, NULL, 0);
	ktap_end("gone while nobody looked", END_UNSEEN, end_of(h, 0x71));
	ktap_int("should not be up", 0, hist_should_be_up(h, "gw", NULL, NULL, NULL));
	hist_close(h);
}

static void test_revive(void)
{
	static const struct {
		enum sa_end end;
		bool revived;
	} t[] = {
		{ END_UNSEEN, true },	    { END_OPERATOR, true }, { END_DELETED_LOCAL, true },
		{ END_DELETED_PEER, true }, { END_GAVE_UP, true },  { END_INACTIVITY, true },
		{ END_DAEMON_LOST, true },  { END_REPLACED, true }, { END_REKEYED, false },
		{ END_KERNEL_LOST, false }, { END_EXPIRED, false },
	};
	const char *dir = new_dir();
	struct history *h = open_dir(dir);
	struct hist_sa sa;
	struct sas s;
	char name[96];
	size_t i;
	int64_t id;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		uint32_t spi = 0x4000 + (uint32_t)i;

		clock_ms += 100000;
		sync_one(h, "net", spi);
		hist_lookup(h, spi, ESP, &sa);
		id = sa.id;
		clock_ms += 20000;
		listing_begin(&s, "gw");
		listing_add(&s, "net", spi, 20);
		clock_ms += 100;
		hist_end(h, spi, ESP, t[i].end, clock_ms);
		clock_ms += 100;
		s.l.ended = clock_ms;
		hist_sync(h, NULL, &s.l, clock_ms);
		snprintf(name, sizeof(name), "%s, and a listing begun before it",
			 end_name(t[i].end));
		ktap_end(name, t[i].end, end_of(h, spi));
		listing_begin(&s, "gw");
		listing_add(&s, "net", spi, 20);
		hist_sync(h, NULL, &s.l, clock_ms);
		snprintf(name, sizeof(name), "%s, and a listing begun after it",
			 end_name(t[i].end));
		ktap_end(name, t[i].revived ? END_NONE : t[i].end, end_of(h, spi));
		hist_lookup(h, spi, ESP, &sa);
		ktap_int("it is the same row", id, sa.id);
		ktap_int("by hand no more", t[i].revived ? 0 : t[i].end == END_OPERATOR,
			 hist_by_hand(h, "gw", "net", NULL));
		h = reopen(h, dir);
		ktap_end("the same after a restart", t[i].revived ? END_NONE : t[i].end,
			 end_of(h, spi));
	}
	hist_close(h);
}

static void add_child(struct sas *s, const char *name, uint32_t spi, uint32_t number)
{
	struct ike_child *c = listing_add(s, name, spi, 0);

	c->uniqueid = number;
	c->no_group = true;
}

static void expect_algs(struct history *h, const char *what, uint32_t spi, const char *want)
{
	struct hist_sa sa;

	ktap_str(what, want, hist_lookup(h, spi, ESP, &sa) ? "no row" : sa.algs);
}

/* With which key exchange a child is made by itself. */
static void test_group(void)
{
	const char *dir = new_dir();
	struct history *h = open_dir(dir);
	struct sas s;

	listing_begin(&s, "gw");
	add_child(&s, "net", 0x11, 1);
	add_child(&s, "net2", 0x12, 2);
	hist_sync(h, NULL, &s.l, clock_ms);
	expect_algs(h, "came with the IKE_SA: not known", 0x11, "AES_GCM_16-128");
	expect_algs(h, "made by itself: none", 0x12, "AES_GCM_16-128/MODP_NONE");
	clock_ms += 1000;
	listing_begin(&s, "gw");
	add_child(&s, "net2", 0x12, 2);
	hist_sync(h, NULL, &s.l, clock_ms);
	expect_algs(h, "its elder sibling is gone: known all the same", 0x12,
		    "AES_GCM_16-128/MODP_NONE");
	h = reopen(h, dir);
	listing_begin(&s, "gw");
	add_child(&s, "net2", 0x22, 1);
	add_child(&s, "net", 0x21, 2);
	hist_sync(h, NULL, &s.l, clock_ms);
	expect_algs(h, "a new IKE_SA, it came with that: as before", 0x22,
		    "AES_GCM_16-128/MODP_NONE");
	expect_algs(h, "the other one is known now, too", 0x21, "AES_GCM_16-128/MODP_NONE");
	clock_ms += 1000;
	listing_begin(&s, "gw");
	add_child(&s, "net", 0x31, 1);
	s.child[0].algs = text("AES_GCM_16-128/ECP_384");
	s.child[0].no_group = false;
	hist_sync(h, NULL, &s.l, clock_ms);
	clock_ms += 1000;
	listing_begin(&s, "gw");
	add_child(&s, "net", 0x41, 2);
	hist_sync(h, NULL, &s.l, clock_ms);
	expect_algs(h, "one with a group, and then with the IKE_SA: that group", 0x41,
		    "AES_GCM_16-128/ECP_384");
	clock_ms += 1000;
	listing_begin(&s, "gw");
	add_child(&s, "net", 0x51, 3);
	s.child[0].algs = text("AES_CBC-128/HMAC_SHA2_256_128");
	hist_sync(h, NULL, &s.l, clock_ms);
	expect_algs(h, "other algorithms: not known", 0x51, "AES_CBC-128/HMAC_SHA2_256_128");
	hist_rekey(h, 0x51, 0x52, ESP, clock_ms);
	s.child[0].spi_in = 0x52;
	hist_sync(h, NULL, &s.l, clock_ms);
	expect_algs(h, "a successor: none", 0x52, "AES_CBC-128/HMAC_SHA2_256_128/MODP_NONE");
	listing_begin(&s, "v1");
	s.ike.version = 1;
	add_child(&s, "v1", 0x61, 4);
	hist_sync(h, NULL, &s.l, clock_ms);
	expect_algs(h, "IKEv1: none", 0x61, "AES_GCM_16-128/MODP_NONE");
	hist_close(h);
}

static void test_rekey(void)
{
	const char *dir = new_dir();
	struct history *h = open_dir(dir);
	struct hist_sa sa;
	struct sas s;

	sync_one(h, "net", 0x81);
	clock_ms += 1000;
	hist_rekey(h, 0x81, 0x82, ESP, clock_ms);
	ktap_int("the successor is known at once", 0, hist_lookup(h, 0x82, ESP, &sa));
	ktap_str("with the connection", "gw", sa.conn);
	ktap_str("and the peer", "b.example", sa.remote_id);
	ktap_int("from", 0x81, sa.rekeyed_from);
	ktap_end("alive", END_NONE, sa.end);
	ktap_int("installed now", clock_ms, sa.installed_at);
	hist_lookup(h, 0x81, ESP, &sa);
	ktap_end("the old one is rekeyed", END_REKEYED, sa.end);
	ktap_int("to", 0x82, sa.rekeyed_to);
	ktap_int("one child", 1, hist_should_be_up(h, "gw", NULL, NULL, NULL));
	hist_child(h, "gw", "net", NULL, &sa);
	ktap_int("newest", 0x82, sa.spi);

	/* Deleting the old one ends nothing. */
	hist_end(h, 0x81, ESP, END_DELETED_PEER, clock_ms);
	ktap_end("still rekeyed", END_REKEYED, end_of(h, 0x81));
	ktap_int("still wanted", 1, hist_should_be_up(h, "gw", NULL, NULL, NULL));

	/* Listed meanwhile, old as REKEYED, with new selectors. */
	clock_ms += 100;
	listing_begin(&s, "gw");
	listing_add(&s, "net", 0x81, 1)->state = CHILD_REKEYED;
	listing_add(&s, "net", 0x82, 0)->local_ts = text("10.9.0.0/16");
	s.l.blocking = true;
	hist_sync(h, NULL, &s.l, clock_ms);
	h = reopen(h, dir);
	hist_lookup(h, 0x82, ESP, &sa);
	ktap_str("refreshed", "10.9.0.0/16", sa.local_ts);
	ktap_int("lineage kept", 0x81, sa.rekeyed_from);

	/* The listing first, then the event. */
	clock_ms += 1000;
	listing_begin(&s, "gw");
	listing_add(&s, "net", 0x82, 1);
	listing_add(&s, "net", 0x83, 0);
	hist_sync(h, NULL, &s.l, clock_ms);
	hist_rekey(h, 0x82, 0x83, ESP, clock_ms);
	hist_lookup(h, 0x83, ESP, &sa);
	ktap_int("from, after the listing", 0x82, sa.rekeyed_from);
	hist_child(h, "gw", "net", NULL, &sa);
	ktap_int("newest", 0x83, sa.spi);

	/* Nobody knew the old one. */
	hist_rekey(h, 0x999, 0x84, ESP, clock_ms);
	ktap_int("no row of nothing", -ENOENT, hist_lookup(h, 0x84, ESP, &sa));
	sync_one(h, "net2", 0x84);
	hist_lookup(h, 0x84, ESP, &sa);
	ktap_int("lineage waited for the listing", 0x999, sa.rekeyed_from);

	/* The kernel lost it, a rekey healed it an hour later. */
	hist_end(h, 0x84, ESP, END_KERNEL_LOST, clock_ms);
	clock_ms += 3600000;
	hist_rekey(h, 0x84, 0x85, ESP, clock_ms);
	ktap_end("lost, then rekeyed", END_REKEYED, end_of(h, 0x84));
	hist_child(h, "gw", "net2", NULL, &sa);
	ktap_int("newest", 0x85, sa.spi);
	hist_close(h);
}

static void collect(void *arg, const struct hist_sa *sa)
{
	char *all = arg;

	sprintf(all + strlen(all), "%s:%x ", sa->child, sa->spi);
}

/* Two SAs of one child at a time: a collision of rekeys, or unique = never. */
static void test_duplicates(void)
{
	const char *dir = new_dir();
	struct history *h = open_dir(dir);
	struct hist_sa sa;
	char all[128] = "";
	struct sas s;

	listing_begin(&s, "gw");
	listing_add(&s, "net", 0x91, 0);
	listing_add(&s, "net", 0x92, 0);
	listing_add(&s, "net2", 0x93, 0);
	hist_sync(h, NULL, &s.l, clock_ms);
	clock_ms += 100;
	hist_end(h, 0x92, ESP, END_DELETED_LOCAL, clock_ms);
	ktap_int("the older one is alive: up", 2, hist_should_be_up(h, "gw", NULL, NULL, NULL));
	hist_child(h, "gw", "net", NULL, &sa);
	ktap_int("newest is the one alive", 0x91, sa.spi);
	h = reopen(h, dir);
	clock_ms += 100;
	hist_daemon_lost(h, true, clock_ms + 5000);
	ktap_int("both children lost with the daemon", 2,
		 hist_should_be_up(h, "gw", NULL, collect, all));
	ktap_ok(strstr(all, "net:91 ") && strstr(all, "net2:93 "), "by the SA that ended last: %s",
		all);
	h = reopen(h, dir);
	ktap_int("the same after a restart", 2, hist_should_be_up(h, "gw", NULL, NULL, NULL));
	hist_close(h);
}

static void test_reuse(void)
{
	const char *dir = new_dir();
	struct history *h = open_dir(dir);
	struct hist_sa sa;
	struct sas s;
	int pass;

	/* Another child gets the SPI of one that has ended long ago. */
	sync_one(h, "net", 0xa1);
	hist_end(h, 0xa1, ESP, END_DELETED_PEER, clock_ms);
	clock_ms += 3600000;
	sync_one(h, "net2", 0xa1);
	for (pass = 0; pass < 2; pass++) {
		ktap_int("lookup", 0, hist_lookup(h, 0xa1, ESP, &sa));
		ktap_str("the newest owner wins", "net2", sa.child);
		h = reopen(h, dir);
	}
	/* Also when the newest owner has ended, and is only on disk. */
	hist_end(h, 0xa1, ESP, END_REKEYED, clock_ms);
	clock_ms += 1000;
	sync_one(h, "net2", 0xa2);
	hist_flush(h);
	clock_ms += 60000;
	sync_one(h, "net2", 0xa2);
	hist_lookup(h, 0xa1, ESP, &sa);
	ktap_str("the newest owner, from disk", "net2", sa.child);
	ktap_end("and its end", END_REKEYED, sa.end);

	/* The same child by chance: another SA. */
	hist_end(h, 0xa2, ESP, END_OPERATOR, clock_ms);
	clock_ms += 20000;
	listing_begin(&s, "gw");
	listing_add(&s, "net2", 0xa2, 0);
	hist_sync(h, NULL, &s.l, clock_ms);
	hist_lookup(h, 0xa2, ESP, &sa);
	ktap_end("alive", END_NONE, sa.end);
	ktap_int("another row", clock_ms, sa.installed_at);

	/* The owner changed and nobody told how the first one ended. */
	clock_ms += 1000;
	sync_one(h, "net3", 0xa2);
	hist_lookup(h, 0xa2, ESP, &sa);
	ktap_str("new owner", "net3", sa.child);
	hist_child(h, "gw", "net2", NULL, &sa);
	ktap_end("the old owner's end", END_UNSEEN, sa.end);
	hist_close(h);
}

/* Also of the same child, with another of the connection's peers. */
static void test_other_peer(void)
{
	struct history *h = open_dir(new_dir());
	struct hist_sa sa = { 0 };
	struct sas s;

	sync_one(h, "net", 0xa7);
	clock_ms += 1000;
	listing_begin(&s, "gw");
	s.ike.remote_id = text("c.example");
	listing_add(&s, "net", 0xa7, 0);
	hist_sync(h, NULL, &s.l, clock_ms);
	ktap_int("the new peer has it", 0, hist_child(h, "gw", "net", "c.example", &sa));
	ktap_end("up", END_NONE, sa.end);
	hist_lookup(h, 0xa7, ESP, &sa);
	ktap_str("whose SPI it is", "c.example", sa.remote_id);
	ktap_int("the old peer had it", 0, hist_child(h, "gw", "net", "b.example", &sa));
	ktap_end("its end was not seen", END_UNSEEN, sa.end);
	ktap_str("its row is its own", "b.example", sa.remote_id);
	hist_close(h);
}

static void test_moves(void)
{
	const char *dir = new_dir();
	struct history *h = open_dir(dir);
	struct hist_sa sa;
	struct sas s;

	sync_one(h, "net", 0xb1);
	clock_ms += 1000;
	listing_begin(&s, "gw");
	s.ike.remote = (struct ike_addr){ AF_INET6, { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } };
	s.ike.remote_port = 4500;
	listing_add(&s, "net", 0xb1, 1)->encap = true;
	hist_sync(h, NULL, &s.l, clock_ms);
	h = reopen(h, dir);
	hist_lookup(h, 0xb1, ESP, &sa);
	ktap_int("new address", 0, memcmp(&sa.remote, &s.ike.remote, sizeof(sa.remote)));
	ktap_int("new port", 4500, sa.remote_port);
	ktap_int("encap", true, sa.encap);
	ktap_int("installed as before", clock_ms - 1000, sa.installed_at);
	hist_close(h);
}

static void test_nothing(void)
{
	struct history *h = open_dir(new_dir());
	struct hist_sa sa;
	struct sas s;

	listing_begin(&s, "gw");
	listing_add(&s, "net", 0, 0);
	hist_sync(h, NULL, &s.l, clock_ms);
	ktap_int("an SPI of 0 is none", -ENOENT, hist_lookup(h, 0, ESP, &sa));
	hist_end(h, 0x1234, ESP, END_OPERATOR, clock_ms);
	ktap_int("the end of an SA never listed makes no row", -ENOENT,
		 hist_lookup(h, 0x1234, ESP, &sa));
	s.l.nsa = 0;
	hist_sync(h, NULL, &s.l, clock_ms);
	ktap_int("nothing should be up", 0, hist_should_be_up(h, "gw", NULL, NULL, NULL));
	ktap_ok(!hist_by_hand(h, "gw", "net", NULL), "nothing was ended by hand");
	hist_close(h);
}

int main(void)
{
	static const history_test tests[] = {
		test_unseen, test_either,     test_restart, test_revive,
		test_group,  test_rekey,      test_duplicates, test_reuse, test_other_peer,
		test_moves,  test_nothing,    NULL
	};

	return history_main(tests);
}
