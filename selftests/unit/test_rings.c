// SPDX-License-Identifier: GPL-2.0-only
/* The flight recorder's memory: order, bounds, and who pushes out whom. */
#include <time.h>

#include "ktap.h"
#include "redact.h"
#include "rings.h"

#define KIB 1024u

static struct ike_addr addr(unsigned int n)
{
	struct ike_addr a = { .family = AF_INET };

	a.addr[0] = 10;
	a.addr[1] = (uint8_t)(n >> 16);
	a.addr[2] = (uint8_t)(n >> 8);
	a.addr[3] = (uint8_t)n;
	return a;
}

static void add(struct rings *r, enum ring_of of, unsigned int peer, const char *text)
{
	struct note n = {
		.at = 1,
		.kind = NOTE_IKE,
		.of = of,
		.peer = addr(peer),
		.ike_id = 7,
		.spi = 0xc0000001,
		.conn = "gw",
		.text = text,
	};

	rings_add(r, &n);
}

/* The texts of some peers (all if @npeer is 0), with blanks between them; to be freed. */
static char *texts(const struct rings *r, const unsigned int *peer, size_t npeer)
{
	struct ike_addr a[8];
	struct notes notes;
	char *text = NULL;
	size_t size, i;
	FILE *f;

	for (i = 0; i < npeer; i++)
		a[i] = addr(peer[i]);
	if (rings_collect(r, npeer ? a : NULL, npeer, &notes))
		return strdup("no memory");
	f = open_memstream(&text, &size);
	for (i = 0; i < notes.n; i++)
		fprintf(f, "%s%s", i ? " " : "", notes.note[i].text);
	fclose(f);
	notes_free(&notes);
	return text;
}

static void is(const char *what, const struct rings *r, const unsigned int *peer, size_t npeer,
	       const char *want)
{
	char *got = texts(r, peer, npeer);

	ktap_str(what, want, got);
	free(got);
}

static void test_order(void)
{
	static const unsigned int one[] = { 1 }, two[] = { 2, 1 }, twice[] = { 1, 1 },
				  none[] = { 9 };
	struct rings *r = rings_new();

	add(r, RING_PEER, 1, "a");
	add(r, RING_COMMON, 0, "b");
	add(r, RING_PEER, 2, "c");
	add(r, RING_STRANGERS, 99, "d");
	add(r, RING_PEER, 1, "e");
	is("one peer, with what is nobody's", r, one, 1, "a b d e");
	is("two peers, in order", r, two, 2, "a b c d e");
	is("a peer named twice", r, twice, 2, "a b d e");
	is("a peer without a ring", r, none, 1, "b d");
	is("all", r, NULL, 0, "a b c d e");
	ktap_int("peers", 2, (long long)rings_peers(r));
	rings_free(r);
}

/* What was collected before the rings were flooded, and after. */
static void test_merge(void)
{
	struct ike_addr one = addr(1), two = addr(2);
	struct notes a, b, none = { 0 };
	struct rings *r = rings_new();
	char text[32];
	unsigned int i;
	bool ok = true;

	rings_limits(r, 64 * KIB, 4 * KIB);
	add(r, RING_PEER, 1, "first");
	add(r, RING_PEER, 2, "second");
	rings_collect(r, &one, 1, &a);
	for (i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "%u", i);
		add(r, RING_PEER, 1, text);
	}
	rings_collect(r, &two, 1, &b);
	ktap_int("merged", 0, notes_merge(&a, &b));
	rings_collect(r, &one, 1, &b);
	ktap_ok(b.n > 10 && b.n < 1000, "the ring has the newest %zu", b.n);
	ktap_int("merged", 0, notes_merge(&a, &b));
	ktap_int("merged with nothing", 0, notes_merge(&a, &none));
	ktap_str("what was flooded out", "first", a.note[0].text);
	ktap_str("of another peer", "second", a.note[1].text);
	ktap_str("the newest", "999", a.note[a.n - 1].text);
	rings_collect(r, NULL, 0, &b);
	i = (unsigned int)a.n;
	ktap_int("merged with the same", 0, notes_merge(&a, &b));
	ktap_int("... has each once", i, (long long)a.n);
	for (i = 1; i < a.n; i++)
		ok &= a.note[i].seq > a.note[i - 1].seq;
	ktap_ok(ok, "... in order");
	ktap_int("the other is empty", 0, (long long)b.n);
	notes_free(&a);
	notes_free(&b);
	ktap_ok(rings_has(r, &one), "a peer has a ring");
	one.addr[3] = 77;
	ktap_ok(!rings_has(r, &one), "a stranger has not");
	rings_free(r);
}

static void test_fields(void)
{
	struct note n = {
		.at = 123456789012,
		.kind = NOTE_SA,
		.of = RING_PEER,
		.peer = { .family = AF_INET6, .addr = { 0x20, 1, 0xd, 0xb8 } },
		.ike_id = 42,
		.spi = 0xfffffffe,
		.conn = "a\nb\xff../",
		.text = "t\x1b[0m\"\xff",
	};
	struct rings *r = rings_new();
	struct notes got;

	rings_add(r, &n);
	if (!rings_collect(r, &n.peer, 1, &got) && ktap_int("notes", 1, (long long)got.n)) {
		ktap_int("at", n.at, got.note[0].at);
		ktap_int("kind", NOTE_SA, got.note[0].kind);
		ktap_int("of", RING_PEER, got.note[0].of);
		ktap_ok(ike_addr_same(&n.peer, &got.note[0].peer), "peer");
		ktap_int("ike_id", 42, got.note[0].ike_id);
		ktap_int("spi", 0xfffffffe, got.note[0].spi);
		ktap_str("conn", n.conn, got.note[0].conn);
		ktap_str("text", n.text, got.note[0].text);
	}
	notes_free(&got);
	rings_free(r);
}

static void test_cut(void)
{
	struct rings *r = rings_new();
	char text[3 * NOTE_MAX];
	struct notes got;
	struct note n = { .conn = text, .text = text };

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	rings_add(r, &n);
	/* A key across the cut: not even the part before it may stay. */
	memset(text + NOTE_MAX - 20, '7', 40);
	rings_add(r, &n);
	if (!rings_collect(r, NULL, 0, &got) && ktap_int("long texts", 2, (long long)got.n)) {
		ktap_int("is cut", NOTE_MAX, (long long)strlen(got.note[0].text));
		ktap_int("so is the name", NOTE_CONN_MAX - 1, (long long)strlen(got.note[0].conn));
		ktap_ok(!strchr(got.note[1].text, '7'), "a key across the cut is gone");
		ktap_has("... and it shows", REDACTED, got.note[1].text);
	}
	notes_free(&got);
	rings_free(r);
}

static bool has(const struct rings *r, unsigned int peer, const char *text)
{
	char *all = texts(r, &peer, 1);
	bool ret = strstr(all, text);

	free(all);
	return ret;
}

/* Who is quiet keeps what he has, whoever is loud. */
static void test_fair(void)
{
	struct rings *r = rings_new();
	char text[64];
	unsigned int i;

	rings_limits(r, 64 * KIB, 64 * KIB);
	for (i = 0; i < 20; i++)
		add(r, RING_PEER, i, "quiet");
	add(r, RING_COMMON, 0, "common");
	for (i = 0; i < 20000; i++) {
		snprintf(text, sizeof(text), "loud-%u.", i);
		add(r, RING_PEER, 100, text);
		add(r, RING_STRANGERS, i, "stranger");
		if (rings_bytes(r) > 64 * KIB)
			break;
	}
	ktap_int("bytes never exceed the limit, after", 20000, i);
	for (i = 0; i < 20 && has(r, i, "quiet"); i++)
		;
	ktap_int("quiet peers that are still there", 20, i);
	ktap_ok(has(r, 0, "common"), "what is nobody's is still there");
	ktap_ok(has(r, 100, "loud-19999."), "the newest of the loud one");
	ktap_ok(!has(r, 100, "loud-0."), "its oldest are gone");
	rings_limits(r, 16 * KIB, 4 * KIB);
	ktap_ok(rings_bytes(r) <= 16 * KIB, "a lower limit counts at once");
	ktap_ok(has(r, 100, "loud-19999."), "... and keeps the newest");
	ktap_int("nothing was lost", 0, (long long)rings_lost(r));
	rings_free(r);
}

static void test_each(void)
{
	struct rings *r = rings_new();
	char text[64];
	unsigned int i;

	rings_limits(r, 1024 * KIB, 8 * KIB);
	for (i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "note-%u.", i);
		add(r, RING_PEER, 1, text);
	}
	ktap_ok(rings_bytes(r) <= 9 * KIB, "one ring has its own limit: %zu bytes", rings_bytes(r));
	ktap_ok(has(r, 1, "note-999."), "the newest is there");
	rings_free(r);
}

/* More peers than there can be rings; the budget has room for all. */
static void test_many(void)
{
	struct rings *r = rings_new();
	unsigned int i;

	rings_limits(r, 64 * 1024 * KIB, 64 * KIB);
	for (i = 0; i < RINGS_MAX + 100; i++)
		add(r, RING_PEER, i, "x");
	ktap_int("peers are bounded", RINGS_MAX, (long long)rings_peers(r));
	ktap_ok(!has(r, 99, "x"), "the first ones were forgotten");
	ktap_ok(has(r, 100, "x") && has(r, RINGS_MAX + 99, "x"), "the others were not");
	/* Then there is no room for one chunk each. */
	rings_limits(r, 512 * KIB, 64 * KIB);
	ktap_ok(rings_bytes(r) <= 512 * KIB && rings_peers(r) > 400, "fewer with less memory: %zu",
		rings_peers(r));
	ktap_ok(has(r, RINGS_MAX + 99, "x"), "the last one stays");
	for (i = 0; i < 1000; i++)
		add(r, RING_PEER, RINGS_MAX + 99, "y");
	ktap_ok(rings_bytes(r) <= 512 * KIB, "still within the limit");
	rings_free(r);
}

/* 10,000 notes a second must be next to nothing. */
static void test_speed(void)
{
	struct rings *r = rings_new();
	struct timespec a, b;
	unsigned int i;
	long long ns;

	rings_limits(r, 4096 * KIB, 256 * KIB);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	for (i = 0; i < 100000; i++)
		add(r, RING_PEER, i % 1500,
		    "[IKE] a line of the daemon's log as they are, about eighty bytes of it, no more");
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	ns = ((b.tv_sec - a.tv_sec) * 1000000000LL + b.tv_nsec - a.tv_nsec) / 100000;
	ktap_ok(ns < 20000, "a note takes %lld ns: under 20,000", ns);
	rings_free(r);
}

int main(void)
{
	test_order();
	test_merge();
	test_fields();
	test_cut();
	test_fair();
	test_each();
	test_many();
	test_speed();
	return ktap_done();
}
