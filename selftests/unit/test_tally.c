// SPDX-License-Identifier: GPL-2.0-only
/* What is counted of connections and actions. */
#include <stdio.h>

#include "ktap.h"
#include "tally.h"

struct names {
	const char *format;
	size_t from;
};

/* Valid until the next call but one. */
static const char *name(const void *arg, size_t i)
{
	static char buf[2][32];
	const struct names *n = arg;
	static int which;

	which = !which;
	snprintf(buf[which], sizeof(buf[which]), n->format, n->from + i);
	return buf[which];
}

static void load(struct tally *t, const char *format, size_t from, size_t n)
{
	const struct names names = { .format = format, .from = from };

	tally_conns(t, n, name, &names);
}

static struct tally_end ended(enum grade grade, enum action action, enum outcome outcome,
			      int64_t took_ms)
{
	return (struct tally_end){ grade, action, outcome, took_ms, 1000, 2000 };
}

static void test_places(void)
{
	struct tally *t = tally_new();

	ktap_ok(tally_conn(t, "gw0") == &t->others, "not loaded: no place");
	load(t, "gw%zu", 0, 3);
	ktap_int("three places", 3, (long long)t->nconn);
	ktap_str("its own", "gw1", tally_conn(t, "gw1")->name);
	tally_flow(t, "gw1", GRADE_LOST_IN_KERNEL, true, 7);
	load(t, "gw%zu", 2, 3);
	ktap_int("those that are new get more", 5, (long long)t->nconn);
	ktap_ok(!tally_conn(t, "gw1")->configured, "gw1 is not loaded now");
	ktap_int("it keeps its count", 7, (long long)tally_conn(t, "gw1")->dropped);
	load(t, "gw%zu", 0, 5);
	ktap_ok(tally_conn(t, "gw1")->configured, "and is back");
	ktap_int("with its count", 7, (long long)tally_conn(t, "gw1")->dropped);
	tally_free(t);
	tally_free(NULL);
}

static void test_full(void)
{
	struct tally *t = tally_new();
	bool ok = true;
	size_t i;

	load(t, "gw%zu", 0, TALLY_CONNS + 10);
	ktap_int("no more than there is room for", TALLY_CONNS, (long long)t->nconn);
	for (i = 0; i < TALLY_CONNS; i++)
		ok &= tally_conn(t, name(&(struct names){ "gw%zu", i }, 0)) == &t->conn[i];
	ktap_ok(ok, "each is found");
	ktap_ok(tally_conn(t, "gw4099") == &t->others, "the rest is counted together");
	tally_flow(t, "gw4097", GRADE_NEVER_OURS, false, 3);
	tally_flow(t, "gw4098", GRADE_NEVER_OURS, true, 4);
	ktap_int("their packets", 7, (long long)t->others.dropped);
	ktap_int("their flows", 2, t->others.flows);
	ktap_int("a desync among them", 1, t->others.desync);

	tally_flow(t, "gw5", GRADE_NEVER_OURS, true, 4);
	load(t, "new%zu", 0, 2);
	ktap_ok(tally_conn(t, "new1") != &t->others, "a place is taken from one that is gone");
	ktap_ok(tally_conn(t, "gw5") != &t->others, "others that are gone stay");
	ktap_int("still", 4, (long long)tally_conn(t, "gw5")->dropped);
	ktap_ok(tally_conn(t, "gw0") == &t->others, "that one is gone");
	ktap_int("the new one begins with nothing", 0, (long long)tally_conn(t, "new0")->dropped);
	tally_free(t);
}

static void test_looks(void)
{
	struct tally *t = tally_new();

	load(t, "gw%zu", 0, 2);
	tally_look(t);
	tally_flow(t, "gw0", GRADE_LOST_IN_KERNEL, true, 5);
	tally_flow(t, "gw0", GRADE_LOST_IN_KERNEL, false, 1);
	tally_flow(t, "", GRADE_UNKNOWN_SOURCE, true, 100);
	ktap_int("flows", 2, tally_conn(t, "gw0")->flows);
	ktap_int("desync", 1, tally_conn(t, "gw0")->desync);
	ktap_int("by grade", 2, t->flows[GRADE_LOST_IN_KERNEL]);
	ktap_int("of nobody", 1, t->flows[GRADE_UNKNOWN_SOURCE]);
	ktap_int("which is counted for nobody", 0, (long long)t->others.dropped);
	tally_look(t);
	tally_flow(t, "gw0", GRADE_LOST_IN_KERNEL, false, 2);
	ktap_int("flows anew", 1, tally_conn(t, "gw0")->flows);
	ktap_int("desync anew", 0, tally_conn(t, "gw0")->desync);
	ktap_int("by grade anew", 0, t->flows[GRADE_UNKNOWN_SOURCE]);
	ktap_int("packets add up", 8, (long long)tally_conn(t, "gw0")->dropped);
	tally_free(t);
}

static void test_ends(void)
{
	struct tally_end healed = ended(GRADE_LOST_IN_KERNEL, ACTION_REKEY, OUTCOME_HEALED, 250);
	struct tally_end failed = ended(GRADE_NEVER_OURS, ACTION_REKEY, OUTCOME_FAILED, -1);
	struct tally_end slow = ended(GRADE_NEVER_OURS, ACTION_INITIATE, OUTCOME_HEALED, 400000);
	struct tally *t = tally_new();

	load(t, "gw%zu", 0, 1);
	tally_end(t, "gw0", &healed);
	tally_end(t, "gw0", &failed);
	tally_end(t, "gw0", &failed);
	ktap_int("healed", 1, (long long)t->ended[ACTION_REKEY][OUTCOME_HEALED]);
	ktap_int("failed", 2, (long long)t->ended[ACTION_REKEY][OUTCOME_FAILED]);
	ktap_int("of the connection", 2, (long long)tally_conn(t, "gw0")->ended[OUTCOME_FAILED]);
	ktap_int("the last", OUTCOME_FAILED, tally_conn(t, "gw0")->last.outcome);
	ktap_int("certain: at a bound it is in its bucket", 1, (long long)t->times[1].bucket[2]);
	ktap_int("certain: sum", 250, t->times[1].sum_ms);
	ktap_int("what failed took no time", 0, t->times[0].sum_ms);
	tally_end(t, "gone", &slow);
	ktap_int("uncertain: beyond all bounds", 1, (long long)t->times[0].bucket[TALLY_BUCKETS]);
	ktap_int("of a connection without a place", 1, (long long)t->others.ended[OUTCOME_HEALED]);
	tally_free(t);
}

int main(void)
{
	test_places();
	test_full();
	test_looks();
	test_ends();
	return ktap_done();
}
