// SPDX-License-Identifier: GPL-2.0-only
/* What is remembered of a flow between readings: its times, its sequence numbers. */
#include "ktap.h"
#include "track.h"

#define NOW INT64_C(1000000)
#define QUIET 3000

static struct invspi_flow flow(uint64_t no_state, uint64_t acquire, uint64_t first_age,
			       uint64_t last_age, uint32_t seq)
{
	struct invspi_flow f = { .packets = no_state + acquire };

	f.reasons[INVSPI_REASON_NO_STATE] = no_state;
	f.reasons[INVSPI_REASON_ACQUIRE] = acquire;
	f.first_age_ms = first_age;
	f.last_age_ms = last_age;
	f.last_seq = seq;
	return f;
}

static void test_times(void)
{
	struct invspi_flow was = flow(5, 0, 2000, 100, 5), f = flow(9, 0, 3000, 50, 9);
	struct track old, t;

	track_begin(&old, &was, NOW);
	ktap_int("first drop", NOW - 2000, old.first_drop);
	ktap_int("last drop", NOW - 100, old.last_drop);
	ktap_int("seen", NOW, old.seen_at);

	track_begin(&t, &f, NOW + 1000);
	ktap_ok(!track_go_on(&t, &f, &old, &was, QUIET), "it goes on");
	ktap_int("first drop stays", NOW - 2000, t.first_drop);
	ktap_int("last drop moves", NOW + 950, t.last_drop);
	ktap_int("seen stays", NOW, t.seen_at);

	/* 3000 ms of silence are not too much, 3001 are. */
	f = flow(9, 0, 9000, 0, 9);
	track_begin(&t, &f, old.last_drop + QUIET);
	ktap_ok(!track_go_on(&t, &f, &old, &was, QUIET), "a silence of 3000 ms");
	track_begin(&t, &f, old.last_drop + QUIET + 1);
	ktap_ok(track_go_on(&t, &f, &old, &was, QUIET), "a silence of 3001 ms");
	ktap_int("begins anew", old.last_drop + QUIET + 1, t.first_drop);
	ktap_int("seen anew", old.last_drop + QUIET + 1, t.seen_at);
}

/*
 * A helper that starts again finds a flow that began with packets that came before
 * the SA was there, hours ago. The loss that it is to heal began later.
 */
static void test_early_drops(void)
{
	struct invspi_flow f = flow(3, 2, 3600000, 40, 7);
	struct track t;

	track_begin(&t, &f, NOW);
	ktap_int("first drop is not that of the set-up", NOW - 40, t.first_drop);
	f = flow(3, 0, 3600000, 40, 7);
	track_begin(&t, &f, NOW);
	ktap_int("without any of those it is", NOW - 3600000, t.first_drop);
}

struct step {
	uint64_t packets;
	uint32_t seq;
};

static void check_seq(const char *name, const struct step *s, size_t n, bool rising, bool senseless)
{
	struct invspi_flow was = flow(s[0].packets, 0, 100, 0, s[0].seq), f;
	struct track old, t;
	char what[96];
	size_t i;

	track_begin(&old, &was, NOW);
	for (i = 1; i < n; i++) {
		f = flow(s[i].packets, 0, 100, 0, s[i].seq);
		track_begin(&t, &f, NOW + (int64_t)i * 100);
		track_go_on(&t, &f, &old, &was, QUIET);
		old = t;
		was = f;
	}
	snprintf(what, sizeof(what), "%s: rising", name);
	ktap_int(what, rising, track_rising(&old));
	snprintf(what, sizeof(what), "%s: senseless", name);
	ktap_int(what, senseless, track_senseless(&old));
}

static void test_seq(void)
{
	static const struct step one[] = { { 1, 1 } }, two[] = { { 1, 1 }, { 2, 2 } };
	static const struct step sender[] = { { 3, 100 }, { 10, 107 }, { 20, 117 }, { 30, 127 } };
	static const struct step lossy[] = { { 3, 100 }, { 10, 150 }, { 20, 300 }, { 30, 1000 } };
	static const struct step twice[] = { { 3, 100 }, { 80, 140 }, { 160, 200 } };
	static const struct step wraps[] = { { 3, 0xfffffff0 }, { 40, 20 }, { 60, 40 } };
	static const struct step back[] = { { 3, 100 }, { 4, 99 }, { 20, 115 }, { 30, 125 } };
	static const struct step fixed[] = { { 3, 5 }, { 10, 5 }, { 20, 5 } };
	static const struct step replay[] = { { 3, 900 }, { 10, 20 }, { 20, 600 }, { 30, 30 } };
	static const struct step wild[] = { { 3, 1u << 31 }, { 10, 7 }, { 20, 1u << 30 } };
	static const struct step still[] = { { 3, 5 }, { 3, 5 }, { 3, 5 } };
	static const struct step mixed[] = { { 3, 100 },  { 10, 107 }, { 20, 117 },
					     { 30, 127 }, { 40, 9 },   { 50, 137 } };

	check_seq("one reading", one, 1, false, false);
	check_seq("two readings", two, 2, false, false);
	check_seq("a sender", sender, 4, true, false);
	check_seq("with losses", lossy, 4, true, false);
	check_seq("packets twice", twice, 3, true, false);
	check_seq("the number wraps", wraps, 3, true, false);
	check_seq("one overtakes another", back, 4, true, false);
	check_seq("it stands still", fixed, 3, false, true);
	check_seq("a replay", replay, 4, false, true);
	check_seq("random numbers", wild, 3, false, true);
	check_seq("no packets, no verdict", still, 3, false, false);
	check_seq("a forged one between real ones", mixed, 6, false, false);
}

int main(void)
{
	test_times();
	test_early_drops();
	test_seq();
	return ktap_done();
}
