// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of decide.c: every row of the table and each of its conditions, every
 * gate, every threshold one below, at and one above its value, and the order.
 * How complete this is shows ./mutate, which breaks decide.c in every way it
 * knows and demands that this test notices.
 *
 * A case starts from evidence that gives a known decision (the base), changes
 * what the case is about, and names the decision that must come out; the reason
 * is recognised by a part of its text.
 *
 * usage: test_decide [-v]	KTAP; -v prints the passed checks too
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../tools/invspid/decide.h"

#define NOW		INT64_C(10000000)
#define NEVER		INT64_MAX
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

static const struct limits stock = {
	.in_passing_ms = 6000,
	.in_progress_ms = 5000,
	.quiet_ms = 3000,
	.in_flight = 8,
	.give_up = 8,
	.give_up_ms = 3600000,
	.backoff_min_ms = 2000,
	.backoff_max_ms = 600000,
};

static const struct decide_state fresh = {
	.next_try = LONG_AGO,
	.gave_up_at = LONG_AGO,
};

/* The daemon has the SPI, the kernel does not. */
static const struct evidence kernel_lost = {
	.desync = true,
	.last_drop = NOW - 100,
	.dst_local = true,
	.daemon = DAEMON_READY,
	.inbound = PRESENCE_THERE,
	.ike_sa = PRESENCE_THERE,
	.task_since = NEVER,
	.conn_known = true,
	.conn_loaded = true,
	.hist_known = true,
	.hist_end = END_NONE,
	.hist_ended_at = LONG_AGO,
	.hist_addr_same = true,
	.hist_port_same = true,
	.mode = MODE_RECOVER,
};

/* The gateway was restarted, one child should be up. */
static const struct evidence daemon_lost = {
	.desync = true,
	.last_drop = NOW - 100,
	.dst_local = true,
	.daemon = DAEMON_READY,
	.inbound = PRESENCE_ABSENT,
	.ike_sa = PRESENCE_ABSENT,
	.task_since = NEVER,
	.conn_known = true,
	.conn_loaded = true,
	.hist_known = true,
	.hist_end = END_DAEMON_LOST,
	.hist_ended_at = NOW - 20000,
	.hist_addr_same = true,
	.hist_port_same = true,
	.children_down = 1,
	.mode = MODE_RECOVER,
};

/* A peer with an IKE_SA sends an SPI that nobody knows. */
static const struct evidence stranger = {
	.desync = true,
	.last_drop = NOW - 100,
	.dst_local = true,
	.daemon = DAEMON_READY,
	.inbound = PRESENCE_ABSENT,
	.ike_sa = PRESENCE_THERE,
	.task_since = NEVER,
	.conn_known = true,
	.conn_loaded = true,
	.hist_ended_at = LONG_AGO,
	.mode = MODE_RECOVER,
};

/* The reasons, by a part of their text that no other one has. */
#define W_HOLD		"operator holds"
#define W_BY_HAND	"has not been up since"
#define W_OPERATOR	"this SA was terminated by hand"
#define W_OBSERVE	"mode observe"
#define W_PASSIVE	"is passive"
#define W_NOT_LOCAL	"not an address"
#define W_KEYER		"did not make"
#define W_ELSEWHERE	"another destination, mark"
#define W_HERE		"in the kernel now"
#define W_LARVAL	"being negotiated"
#define W_ENDED		"late packets"
#define W_EXCHANGE	"in progress"
#define W_STOPPED	"the flow stopped"
#define W_GONE_TOO	"gone from the daemon too"
#define W_ABSENT	"no connection to the IKE daemon"
#define W_FOREIGN	"in user space"
#define W_STOPPING	"shutting down"
#define W_SETTLING	"not settled"
#define W_SILENT	"silent on IKE"
#define W_INBOUND	"whether the IKE daemon has this SPI"
#define W_IKE_SA	"whether there is an IKE_SA"
#define W_KERNEL	"the kernel has lost it"
#define W_CRASH		"and there is no IKE_SA"
#define W_CRASH_DYN	"no remote address"
#define W_CRASH_NONE	"no child of its connection should be up"
#define W_UP		"stale or forged"
#define W_DOWN		"the IKE_SA is"
#define W_UNLOADED	"not loaded"
#define W_MOVED		"address or port are not"
#define W_IKE_GONE	"so is its IKE_SA"
#define W_NEVER		"never an SPI of ours, from a peer with an IKE_SA"
#define W_NO_HISTORY	"configured peer without"
#define W_DYNAMIC	"a peer with a dynamic address"
#define W_NOTHING	"nothing is known"
#define B_STOPPED	"until an operator has looked"
#define B_ADVISE	"mode advise"
#define B_GAVE_UP	"given up"
#define B_BUSY		"for this peer is under way"
#define B_FULL		"too many actions"
#define B_BACKOFF	"backing off"

static bool verbose;
static unsigned int checks, failures;

static void judge(bool ok, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void judge(bool ok, const char *name, const char *fmt, ...)
{
	va_list ap;

	checks++;
	failures += !ok;
	if (ok && !verbose)
		return;
	printf("# %s: %s", ok ? "passed" : "FAILED", name);
	if (!ok) {
		fputs(": ", stdout);
		va_start(ap, fmt);
		vprintf(fmt, ap);
		va_end(ap);
	}
	putchar('\n');
}

static const char *str(const char *s)
{
	return s ? s : "NULL";
}

/* Is @text the reason that @part stands for? NULL stands for none. */
static bool means(const char *text, const char *part)
{
	return text && part ? !!strstr(text, part) : text == part;
}

struct expect {
	enum grade grade;
	enum action action;
	enum action wanted;
	int64_t wait_ms;
	const char *why;
	const char *blocked;
};

static void check(const char *name, const struct evidence *ev, const struct decide_state *st,
		  const struct limits *lim, int64_t now, const struct expect *x)
{
	struct evidence ev_was;
	struct decide_state st_was;
	struct limits lim_was;
	const char *why = NULL;
	struct decision d, again;
	enum grade g;

	memcpy(&ev_was, ev, sizeof(ev_was));
	memcpy(&st_was, st, sizeof(st_was));
	memcpy(&lim_was, lim, sizeof(lim_was));

	d = decide(ev, st, lim, now);
	judge(d.grade == x->grade && d.action == x->action && d.wanted == x->wanted &&
	      d.wait_ms == x->wait_ms && means(d.why, x->why) && means(d.blocked, x->blocked),
	      name,
	      "expected %s %s (wanted %s) wait %lld \"%s\" blocked by \"%s\", actual %s %s (wanted %s) wait %lld \"%s\" blocked by \"%s\"",
	      grade_name(x->grade), action_name(x->action), action_name(x->wanted),
	      (long long)x->wait_ms, str(x->why), str(x->blocked),
	      grade_name(d.grade), action_name(d.action), action_name(d.wanted),
	      (long long)d.wait_ms, str(d.why), str(d.blocked));

	g = grade_flow(ev, lim, now, &why);
	judge(g == d.grade && why == d.why && grade_flow(ev, lim, now, NULL) == g, name,
	      "expected grade_flow() to agree: %s \"%s\", actual %s \"%s\"",
	      grade_name(d.grade), str(d.why), grade_name(g), str(why));

	again = decide(ev, st, lim, now);
	judge(again.grade == d.grade && again.action == d.action && again.wanted == d.wanted &&
	      again.wait_ms == d.wait_ms && again.why == d.why && again.blocked == d.blocked,
	      name, "expected the same decision when asked again, actual %s %s",
	      grade_name(again.grade), action_name(again.action));

	judge(!memcmp(&ev_was, ev, sizeof(ev_was)) && !memcmp(&st_was, st, sizeof(st_was)) &&
	      !memcmp(&lim_was, lim, sizeof(lim_was)), name,
	      "expected unchanged arguments, actual: written to");
}

/* Evidence @base after @change (statements about e) must give these. */
#define EXPECT(base, change, _grade, _action, _wait, _why) do {			\
	const struct expect x = { GRADE_##_grade, ACTION_##_action,		\
				  ACTION_##_action, _wait, _why, NULL };	\
	struct evidence e;							\
										\
	memcpy(&e, &(base), sizeof(e));						\
	change;									\
	check(#base ": " #change, &e, &fresh, &stock, NOW, &x);			\
} while (0)

#define REKEYS(change)		EXPECT(kernel_lost, change, LOST_IN_KERNEL, REKEY, 0, W_KERNEL)
#define INITIATES(change)	EXPECT(daemon_lost, change, LOST_WITH_DAEMON, INITIATE, 0, W_CRASH)

static void test_held(void)
{
	REKEYS();
	INITIATES();
	EXPECT(kernel_lost, e.hold = true, HELD, NONE, 0, W_HOLD);
	EXPECT(daemon_lost, e.hold = true, HELD, NONE, 0, W_HOLD);
	EXPECT(kernel_lost, e.by_hand = true, HELD, NONE, 0, W_BY_HAND);
	EXPECT(daemon_lost, e.by_hand = true, HELD, NONE, 0, W_BY_HAND);
	EXPECT(kernel_lost, e.hist_end = END_OPERATOR, HELD, NONE, 0, W_OPERATOR);
	EXPECT(daemon_lost, e.hist_end = END_OPERATOR, HELD, NONE, 0, W_OPERATOR);
	EXPECT(kernel_lost, e.mode = MODE_OBSERVE, HELD, NONE, 0, W_OBSERVE);
	EXPECT(daemon_lost, e.mode = MODE_OBSERVE, HELD, NONE, 0, W_OBSERVE);
	EXPECT(kernel_lost, e.ike_passive = true, HELD, NONE, 0, W_PASSIVE);
	EXPECT(stranger, e.ike_passive = true, HELD, NONE, 0, W_PASSIVE);
	EXPECT(kernel_lost, e.dst_local = false, HELD, NONE, 0, W_NOT_LOCAL);
	EXPECT(daemon_lost, e.dst_local = false, HELD, NONE, 0, W_NOT_LOCAL);
	/* An end means nothing without a history. */
	EXPECT(kernel_lost, (e.hist_known = false, e.hist_end = END_OPERATOR),
	       LOST_IN_KERNEL, REKEY, 0, W_KERNEL);
	/* The order of the reasons. */
	EXPECT(kernel_lost, (e.hold = true, e.by_hand = true), HELD, NONE, 0, W_HOLD);
	EXPECT(kernel_lost, (e.by_hand = true, e.hist_end = END_OPERATOR),
	       HELD, NONE, 0, W_BY_HAND);
	EXPECT(kernel_lost, (e.hist_end = END_OPERATOR, e.mode = MODE_OBSERVE),
	       HELD, NONE, 0, W_OPERATOR);
	EXPECT(kernel_lost, (e.mode = MODE_OBSERVE, e.ike_passive = true),
	       HELD, NONE, 0, W_OBSERVE);
	EXPECT(kernel_lost, (e.ike_passive = true, e.dst_local = false),
	       HELD, NONE, 0, W_PASSIVE);
	EXPECT(kernel_lost, (e.dst_local = false, e.other_keyer = true),
	       HELD, NONE, 0, W_NOT_LOCAL);
}

static void test_not_ours_to_mend(void)
{
	EXPECT(kernel_lost, e.other_keyer = true, OTHER_KEYER, REPORT, 0, W_KEYER);
	EXPECT(daemon_lost, e.other_keyer = true, OTHER_KEYER, REPORT, 0, W_KEYER);
	EXPECT(kernel_lost, e.sa_elsewhere = true, MISDIRECTED, REPORT, 0, W_ELSEWHERE);
	EXPECT(daemon_lost, e.sa_elsewhere = true, MISDIRECTED, REPORT, 0, W_ELSEWHERE);
	EXPECT(kernel_lost, (e.other_keyer = true, e.sa_elsewhere = true),
	       OTHER_KEYER, REPORT, 0, W_KEYER);
	EXPECT(kernel_lost, (e.sa_elsewhere = true, e.sa_here = true),
	       MISDIRECTED, REPORT, 0, W_ELSEWHERE);
	EXPECT(kernel_lost, (e.sa_elsewhere = true, e.last_drop = LONG_AGO),
	       MISDIRECTED, REPORT, 0, W_ELSEWHERE);
}

static void test_sa_present(void)
{
	EXPECT(kernel_lost, e.sa_here = true, IN_PASSING, NONE, 0, W_HERE);
	EXPECT(daemon_lost, e.sa_here = true, IN_PASSING, NONE, 0, W_HERE);
	EXPECT(kernel_lost, e.sa_larval = true, IN_PASSING, NONE, 0, W_LARVAL);
	EXPECT(daemon_lost, e.sa_larval = true, IN_PASSING, NONE, 0, W_LARVAL);
	EXPECT(kernel_lost, (e.sa_here = true, e.sa_larval = true), IN_PASSING, NONE, 0, W_HERE);
	EXPECT(kernel_lost, (e.sa_larval = true, e.hist_end = END_REKEYED,
			     e.hist_ended_at = NOW), IN_PASSING, NONE, 0, W_LARVAL);
	/* Whatever else is the matter. */
	EXPECT(kernel_lost, (e.sa_here = true, e.daemon = DAEMON_ABSENT),
	       IN_PASSING, NONE, 0, W_HERE);
	EXPECT(kernel_lost, (e.sa_larval = true, e.task_since = LONG_AGO),
	       IN_PASSING, NONE, 0, W_LARVAL);
}

/* Which ends excuse late packets; for each just now, and long enough ago. */
static void test_ends(void)
{
	static const struct {
		enum sa_end end;
		bool in_order;
		bool with_daemon;
	} ends[] = {
		{ END_NONE,		false,	false },
		{ END_REKEYED,		true,	false },
		{ END_DELETED_LOCAL,	true,	false },
		{ END_DELETED_PEER,	true,	false },
		{ END_INACTIVITY,	true,	false },
		{ END_GAVE_UP,		false,	false },
		{ END_DAEMON_LOST,	false,	true },
		{ END_KERNEL_LOST,	false,	false },
		{ END_MACHINE_DOWN,	false,	true },
		{ END_EXPIRED,		true,	false },
		{ END_REPLACED,		true,	false },
		{ END_UNSEEN,		false,	false },
	};
	size_t i;

	/* All of them but END_OPERATOR, which is a hold. */
	judge(ARRAY_SIZE(ends) == END__COUNT - 1, "every end has a row",
	      "expected %d, actual %zu", END__COUNT - 1, ARRAY_SIZE(ends));

	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		const struct expect late = {
			GRADE_IN_PASSING, ACTION_NONE, ACTION_NONE, 6000, W_ENDED, NULL,
		};
		const struct expect crash = {
			GRADE_LOST_WITH_DAEMON, ACTION_INITIATE, ACTION_INITIATE, 0, W_CRASH, NULL,
		};
		const struct expect gone = {
			GRADE_OURS_GONE, ACTION_REPORT, ACTION_REPORT, 0, W_IKE_GONE, NULL,
		};
		const struct expect *later = ends[i].with_daemon ? &crash : &gone;
		struct evidence e;
		char name[64];

		memcpy(&e, &daemon_lost, sizeof(e));
		e.hist_end = ends[i].end;
		e.hist_ended_at = NOW;
		snprintf(name, sizeof(name), "%s just now", end_name(e.hist_end));
		check(name, &e, &fresh, &stock, NOW, ends[i].in_order ? &late : later);

		e.hist_ended_at = NOW - 7000;
		snprintf(name, sizeof(name), "%s 7 s ago", end_name(e.hist_end));
		check(name, &e, &fresh, &stock, NOW, later);

		e.hist_ended_at = LONG_AGO;
		snprintf(name, sizeof(name), "%s in an earlier boot", end_name(e.hist_end));
		check(name, &e, &fresh, &stock, NOW, later);
	}
}

static void test_ended_just_now(void)
{
#define ENDED(ago) (e.hist_end = END_REKEYED, e.hist_ended_at = NOW - (ago))
	EXPECT(stranger, (e.hist_known = true, ENDED(5999)), IN_PASSING, NONE, 1, W_ENDED);
	EXPECT(stranger, (e.hist_known = true, ENDED(6000)), OURS_GONE, REPORT, 0, W_DOWN);
	EXPECT(stranger, (e.hist_known = true, ENDED(6001)), OURS_GONE, REPORT, 0, W_DOWN);
	EXPECT(stranger, (e.hist_known = true, ENDED(0)), IN_PASSING, NONE, 6000, W_ENDED);
	EXPECT(stranger, (e.hist_known = true, ENDED(-1)), IN_PASSING, NONE, 6001, W_ENDED);
	/* Not without a history. */
	EXPECT(stranger, ENDED(10), NEVER_OURS, REPORT, 0, W_NEVER);
	/* Before the exchange that may still be in progress. */
	EXPECT(kernel_lost, (ENDED(1000), e.task_since = NOW - 10),
	       IN_PASSING, NONE, 5000, W_ENDED);
	EXPECT(kernel_lost, (ENDED(1000), e.last_drop = LONG_AGO),
	       IN_PASSING, NONE, 5000, W_ENDED);
	/* An SA that the daemon lists is not excused for ever. */
	REKEYS(ENDED(6000));
#undef ENDED
}

static void test_exchange(void)
{
	EXPECT(kernel_lost, e.task_since = NOW + 1, IN_PASSING, NONE, LOOK_AGAIN_MS, W_EXCHANGE);
	EXPECT(kernel_lost, e.task_since = NOW, IN_PASSING, NONE, LOOK_AGAIN_MS, W_EXCHANGE);
	EXPECT(kernel_lost, e.task_since = NOW - 4999, IN_PASSING, NONE, 300, W_EXCHANGE);
	EXPECT(kernel_lost, e.task_since = NOW - 5000, PENDING, REPORT, 0, W_SILENT);
	EXPECT(kernel_lost, e.task_since = NOW - 5001, PENDING, REPORT, 0, W_SILENT);
	EXPECT(kernel_lost, e.task_since = LONG_AGO, PENDING, REPORT, 0, W_SILENT);
	EXPECT(daemon_lost, e.task_since = NOW - 4999, IN_PASSING, NONE, 300, W_EXCHANGE);
	EXPECT(daemon_lost, e.task_since = NOW - 5000, PENDING, REPORT, 0, W_SILENT);
	EXPECT(stranger, e.task_since = NOW - 4999, IN_PASSING, NONE, 300, W_EXCHANGE);
	EXPECT(stranger, e.task_since = NOW - 5000, PENDING, REPORT, 0, W_SILENT);
	REKEYS(e.task_since = INT64_MAX);
	EXPECT(kernel_lost, e.task_since = INT64_MAX - 1, IN_PASSING, NONE, 300, W_EXCHANGE);

	/* It comes before what it makes impossible to know. */
	EXPECT(kernel_lost, (e.task_since = NOW - 10, e.inbound = PRESENCE_UNKNOWN),
	       IN_PASSING, NONE, 300, W_EXCHANGE);
	EXPECT(kernel_lost, (e.task_since = NOW - 5000, e.inbound = PRESENCE_UNKNOWN),
	       PENDING, REPORT, 0, W_SILENT);
	EXPECT(daemon_lost, (e.task_since = NOW - 5000, e.ike_sa = PRESENCE_UNKNOWN),
	       PENDING, REPORT, 0, W_SILENT);
	/* An exchange that is young or old, of a flow that stopped. */
	EXPECT(kernel_lost, (e.task_since = NOW - 10, e.last_drop = LONG_AGO),
	       IN_PASSING, NONE, 300, W_EXCHANGE);
	EXPECT(kernel_lost, (e.task_since = NOW - 5000, e.last_drop = LONG_AGO),
	       IN_PASSING, NONE, 0, W_STOPPED);
	/* Without the daemon nothing is known about its exchanges. */
	EXPECT(kernel_lost, (e.task_since = NOW - 5000, e.daemon = DAEMON_ABSENT),
	       PENDING, REPORT, 0, W_ABSENT);
}

static void test_stopped(void)
{
	REKEYS(e.last_drop = NOW - 2999);
	REKEYS(e.last_drop = NOW - 3000);
	EXPECT(kernel_lost, e.last_drop = NOW - 3001, IN_PASSING, NONE, 0, W_STOPPED);
	INITIATES(e.last_drop = NOW - 3000);
	EXPECT(daemon_lost, e.last_drop = NOW - 3001, IN_PASSING, NONE, 0, W_STOPPED);
	EXPECT(stranger, e.last_drop = NOW - 3001, IN_PASSING, NONE, 0, W_STOPPED);
	EXPECT(kernel_lost, e.last_drop = LONG_AGO, IN_PASSING, NONE, 0, W_STOPPED);
	REKEYS(e.last_drop = NOW + 10);

	/* Our own SA that left the kernel needs no packet to be missed... */
	REKEYS((e.last_drop = LONG_AGO, e.sa_seen_leaving = true));
	REKEYS(e.sa_seen_leaving = true);
	EXPECT(kernel_lost, (e.last_drop = LONG_AGO, e.sa_seen_leaving = true,
			     e.inbound = PRESENCE_UNKNOWN), PENDING, WAIT, 300, W_INBOUND);
	/* ... unless the daemon let it go too. */
	EXPECT(daemon_lost, (e.last_drop = LONG_AGO, e.sa_seen_leaving = true),
	       IN_PASSING, NONE, 0, W_GONE_TOO);
	EXPECT(stranger, (e.last_drop = LONG_AGO, e.sa_seen_leaving = true,
			  e.ike_sa = PRESENCE_UNKNOWN), IN_PASSING, NONE, 0, W_GONE_TOO);
	EXPECT(daemon_lost, (e.last_drop = LONG_AGO, e.sa_seen_leaving = true,
			     e.task_since = LONG_AGO), IN_PASSING, NONE, 0, W_GONE_TOO);
	INITIATES(e.sa_seen_leaving = true);
	/* A stopped flow is not worth a word about the daemon. */
	EXPECT(kernel_lost, (e.last_drop = LONG_AGO, e.daemon = DAEMON_ABSENT),
	       IN_PASSING, NONE, 0, W_STOPPED);
}

static void test_daemon(void)
{
	EXPECT(kernel_lost, e.daemon = DAEMON_ABSENT, PENDING, REPORT, 0, W_ABSENT);
	EXPECT(daemon_lost, e.daemon = DAEMON_ABSENT, PENDING, REPORT, 0, W_ABSENT);
	EXPECT(kernel_lost, e.daemon = DAEMON_FOREIGN, PENDING, REPORT, 0, W_FOREIGN);
	EXPECT(daemon_lost, e.daemon = DAEMON_FOREIGN, PENDING, REPORT, 0, W_FOREIGN);
	EXPECT(kernel_lost, e.daemon = DAEMON_STOPPING, PENDING, REPORT, 0, W_STOPPING);
	EXPECT(daemon_lost, e.daemon = DAEMON_STOPPING, PENDING, REPORT, 0, W_STOPPING);
	EXPECT(kernel_lost, e.daemon = DAEMON_SETTLING, PENDING, WAIT, 300, W_SETTLING);
	EXPECT(daemon_lost, e.daemon = DAEMON_SETTLING, PENDING, WAIT, 300, W_SETTLING);
	/* While it is away nothing can be known, and that is no reason to wait for it. */
	EXPECT(daemon_lost, (e.daemon = DAEMON_ABSENT, e.inbound = PRESENCE_UNKNOWN,
			     e.ike_sa = PRESENCE_UNKNOWN), PENDING, REPORT, 0, W_ABSENT);
	EXPECT(daemon_lost, (e.daemon = DAEMON_FOREIGN, e.inbound = PRESENCE_UNKNOWN,
			     e.ike_sa = PRESENCE_UNKNOWN), PENDING, REPORT, 0, W_FOREIGN);
	EXPECT(daemon_lost, (e.daemon = DAEMON_STOPPING, e.inbound = PRESENCE_UNKNOWN,
			     e.ike_sa = PRESENCE_UNKNOWN), PENDING, REPORT, 0, W_STOPPING);
	EXPECT(daemon_lost, (e.daemon = DAEMON_SETTLING, e.inbound = PRESENCE_UNKNOWN,
			     e.ike_sa = PRESENCE_UNKNOWN), PENDING, WAIT, 300, W_SETTLING);
	EXPECT(daemon_lost, (e.daemon = DAEMON_SETTLING, e.task_since = LONG_AGO),
	       PENDING, WAIT, 300, W_SETTLING);
	EXPECT(daemon_lost, (e.daemon = DAEMON_STOPPING, e.task_since = LONG_AGO),
	       PENDING, REPORT, 0, W_STOPPING);
}

static void test_unknown_presence(void)
{
	EXPECT(kernel_lost, e.inbound = PRESENCE_UNKNOWN, PENDING, WAIT, 300, W_INBOUND);
	EXPECT(daemon_lost, e.inbound = PRESENCE_UNKNOWN, PENDING, WAIT, 300, W_INBOUND);
	EXPECT(stranger, e.inbound = PRESENCE_UNKNOWN, PENDING, WAIT, 300, W_INBOUND);
	EXPECT(daemon_lost, e.ike_sa = PRESENCE_UNKNOWN, PENDING, WAIT, 300, W_IKE_SA);
	EXPECT(stranger, e.ike_sa = PRESENCE_UNKNOWN, PENDING, WAIT, 300, W_IKE_SA);
	EXPECT(daemon_lost, (e.inbound = PRESENCE_UNKNOWN, e.ike_sa = PRESENCE_UNKNOWN),
	       PENDING, WAIT, 300, W_INBOUND);
	/* Not needed by the row that follows. */
	REKEYS(e.ike_sa = PRESENCE_UNKNOWN);
}

static void test_lost_in_kernel(void)
{
	REKEYS();
	/* The history has nothing to say about what the daemon lists. */
	REKEYS((e.hist_known = false, e.hist_addr_same = false, e.hist_port_same = false));
	REKEYS(e.hist_end = END_KERNEL_LOST);
	REKEYS((e.hist_end = END_DAEMON_LOST, e.children_down = 3));
	REKEYS((e.hist_end = END_DAEMON_LOST, e.ike_sa = PRESENCE_ABSENT, e.children_down = 1));
	REKEYS(e.conn_dynamic = true);
	REKEYS(e.child_up = true);
	REKEYS(e.desync = false);
	REKEYS(e.encapsulated = true);
}

static void test_lost_with_daemon(void)
{
	INITIATES();
	INITIATES(e.hist_end = END_MACHINE_DOWN);
	INITIATES((e.hist_end = END_MACHINE_DOWN, e.hist_ended_at = LONG_AGO));
	INITIATES(e.hist_ended_at = NOW - 10);
	INITIATES(e.children_down = 2);
	INITIATES(e.children_down = 1000);
	INITIATES(e.desync = false);
	INITIATES(e.encapsulated = true);
	INITIATES(e.child_up = true);
	EXPECT(daemon_lost, e.children_down = 0, LOST_WITH_DAEMON, REPORT, 0, W_CRASH_NONE);
	EXPECT(daemon_lost, e.conn_dynamic = true, LOST_WITH_DAEMON, REPORT, 0, W_CRASH_DYN);
	EXPECT(daemon_lost, (e.conn_dynamic = true, e.children_down = 0),
	       LOST_WITH_DAEMON, REPORT, 0, W_CRASH_DYN);

	/* Each condition of the three rows missing. */
	EXPECT(daemon_lost, e.hist_known = false, NO_HISTORY, REPORT, 0, W_NO_HISTORY);
	EXPECT(daemon_lost, e.hist_end = END_NONE, OURS_GONE, REPORT, 0, W_IKE_GONE);
	EXPECT(daemon_lost, e.conn_loaded = false, OURS_GONE, REPORT, 0, W_UNLOADED);
	EXPECT(daemon_lost, e.hist_addr_same = false, OURS_GONE, REPORT, 0, W_MOVED);
	EXPECT(daemon_lost, e.hist_port_same = false, OURS_GONE, REPORT, 0, W_MOVED);
	EXPECT(daemon_lost, e.ike_sa = PRESENCE_THERE, OURS_GONE, REPORT, 0, W_DOWN);
	EXPECT(daemon_lost, e.inbound = PRESENCE_THERE, LOST_IN_KERNEL, REKEY, 0, W_KERNEL);

#define DYN e.conn_dynamic = true
	EXPECT(daemon_lost, (DYN, e.hist_known = false), DYNAMIC, REPORT, 0, W_DYNAMIC);
	EXPECT(daemon_lost, (DYN, e.hist_end = END_NONE), OURS_GONE, REPORT, 0, W_IKE_GONE);
	EXPECT(daemon_lost, (DYN, e.conn_loaded = false), OURS_GONE, REPORT, 0, W_UNLOADED);
	EXPECT(daemon_lost, (DYN, e.hist_addr_same = false), OURS_GONE, REPORT, 0, W_MOVED);
	EXPECT(daemon_lost, (DYN, e.hist_port_same = false), OURS_GONE, REPORT, 0, W_MOVED);
	EXPECT(daemon_lost, (DYN, e.ike_sa = PRESENCE_THERE), OURS_GONE, REPORT, 0, W_DOWN);
#undef DYN

#define NONE_DOWN e.children_down = 0
	EXPECT(daemon_lost, (NONE_DOWN, e.hist_known = false),
	       NO_HISTORY, REPORT, 0, W_NO_HISTORY);
	EXPECT(daemon_lost, (NONE_DOWN, e.hist_end = END_NONE),
	       OURS_GONE, REPORT, 0, W_IKE_GONE);
	EXPECT(daemon_lost, (NONE_DOWN, e.conn_loaded = false),
	       OURS_GONE, REPORT, 0, W_UNLOADED);
	EXPECT(daemon_lost, (NONE_DOWN, e.hist_addr_same = false),
	       OURS_GONE, REPORT, 0, W_MOVED);
	EXPECT(daemon_lost, (NONE_DOWN, e.hist_port_same = false),
	       OURS_GONE, REPORT, 0, W_MOVED);
	EXPECT(daemon_lost, (NONE_DOWN, e.ike_sa = PRESENCE_THERE),
	       OURS_GONE, REPORT, 0, W_DOWN);
#undef NONE_DOWN
}

static void test_reported_only(void)
{
	/* Ours, replaced or gone. */
	EXPECT(stranger, e.hist_known = true, OURS_GONE, REPORT, 0, W_DOWN);
	EXPECT(stranger, (e.hist_known = true, e.child_up = true), OURS_GONE, REPORT, 0, W_UP);
	EXPECT(stranger, (e.hist_known = true, e.children_down = 2),
	       OURS_GONE, REPORT, 0, W_DOWN);
	EXPECT(daemon_lost, (e.ike_sa = PRESENCE_THERE, e.child_up = true),
	       OURS_GONE, REPORT, 0, W_UP);
	EXPECT(daemon_lost, (e.ike_sa = PRESENCE_THERE, e.conn_loaded = false),
	       OURS_GONE, REPORT, 0, W_DOWN);
	EXPECT(daemon_lost, (e.ike_sa = PRESENCE_THERE, e.hist_addr_same = false),
	       OURS_GONE, REPORT, 0, W_DOWN);
	EXPECT(daemon_lost, (e.child_up = true, e.hist_end = END_NONE),
	       OURS_GONE, REPORT, 0, W_IKE_GONE);
	EXPECT(daemon_lost, (e.conn_loaded = false, e.hist_end = END_NONE),
	       OURS_GONE, REPORT, 0, W_IKE_GONE);
	EXPECT(daemon_lost, (e.conn_loaded = false, e.hist_addr_same = false),
	       OURS_GONE, REPORT, 0, W_UNLOADED);
	EXPECT(daemon_lost, (e.hist_addr_same = false, e.hist_port_same = false),
	       OURS_GONE, REPORT, 0, W_MOVED);

	/* Never ours. */
	EXPECT(stranger, , NEVER_OURS, REPORT, 0, W_NEVER);
	EXPECT(stranger, e.child_up = true, NEVER_OURS, REPORT, 0, W_NEVER);
	EXPECT(stranger, e.conn_dynamic = true, NEVER_OURS, REPORT, 0, W_NEVER);
	EXPECT(stranger, e.conn_known = false, NEVER_OURS, REPORT, 0, W_NEVER);
	EXPECT(stranger, (e.hist_end = END_DAEMON_LOST, e.conn_loaded = false),
	       NEVER_OURS, REPORT, 0, W_NEVER);

	/* No IKE_SA, no history. */
	EXPECT(stranger, e.ike_sa = PRESENCE_ABSENT, NO_HISTORY, REPORT, 0, W_NO_HISTORY);
	EXPECT(daemon_lost, (e.hist_known = false, e.conn_loaded = false),
	       NO_HISTORY, REPORT, 0, W_NO_HISTORY);
	EXPECT(daemon_lost, (e.hist_known = false, e.hist_addr_same = false),
	       NO_HISTORY, REPORT, 0, W_NO_HISTORY);
	EXPECT(stranger, (e.ike_sa = PRESENCE_ABSENT, e.conn_dynamic = true),
	       DYNAMIC, REPORT, 0, W_DYNAMIC);
	EXPECT(stranger, (e.ike_sa = PRESENCE_ABSENT, e.conn_known = false),
	       UNKNOWN_SOURCE, REPORT, 0, W_NOTHING);
	EXPECT(stranger, (e.ike_sa = PRESENCE_ABSENT, e.conn_known = false,
			  e.conn_dynamic = true), UNKNOWN_SOURCE, REPORT, 0, W_NOTHING);
}

/* Evidence @base in state s with limits l after @change must give these. */
#define GATE(base, change, _action, _wait, _blocked) do {			\
	const bool kernel = &(base) == &kernel_lost;				\
	const struct expect x = {						\
		kernel ? GRADE_LOST_IN_KERNEL : GRADE_LOST_WITH_DAEMON,		\
		ACTION_##_action, kernel ? ACTION_REKEY : ACTION_INITIATE,	\
		_wait, kernel ? W_KERNEL : W_CRASH, _blocked,			\
	};									\
	struct evidence e;							\
	struct decide_state s = fresh;						\
	struct limits l = stock;						\
										\
	memcpy(&e, &(base), sizeof(e));						\
	change;									\
	check("gate: " #base ": " #change, &e, &s, &l, NOW, &x);		\
} while (0)

#define GATES(change, action, wait, blocked) do {				\
	GATE(kernel_lost, change, action, wait, blocked);			\
	GATE(daemon_lost, change, action, wait, blocked);			\
} while (0)

#define OPEN(change) do {							\
	GATE(kernel_lost, change, REKEY, 0, NULL);				\
	GATE(daemon_lost, change, INITIATE, 0, NULL);				\
} while (0)

static void test_gates(void)
{
	OPEN();
	GATES(s.stopped = true, REPORT, 0, B_STOPPED);
	GATES(e.mode = MODE_ADVISE, REPORT, 0, B_ADVISE);
	GATES(s.peer_busy = true, WAIT, LOOK_AGAIN_MS, B_BUSY);

	/* Giving up needs both the number and the hour. */
	OPEN((s.attempts = 7, s.gave_up_at = NOW));
	GATES((s.attempts = 8, s.gave_up_at = NOW), REPORT, 0, B_GAVE_UP);
	GATES((s.attempts = 9, s.gave_up_at = NOW), REPORT, 0, B_GAVE_UP);
	GATES((s.attempts = 8, s.gave_up_at = NOW - 3599999), REPORT, 0, B_GAVE_UP);
	OPEN((s.attempts = 8, s.gave_up_at = NOW - 3600000));
	OPEN((s.attempts = 8, s.gave_up_at = NOW - 3600001));
	OPEN((s.attempts = 8, s.gave_up_at = LONG_AGO));
	OPEN((s.attempts = 0, s.gave_up_at = NOW));

	OPEN(s.in_flight = 7);
	GATES(s.in_flight = 8, WAIT, LOOK_AGAIN_MS, B_FULL);
	GATES(s.in_flight = 9, WAIT, LOOK_AGAIN_MS, B_FULL);

	OPEN(s.next_try = NOW - 1);
	OPEN(s.next_try = NOW);
	GATES(s.next_try = NOW + 1, WAIT, 1, B_BACKOFF);
	GATES(s.next_try = NOW + 2000, WAIT, 2000, B_BACKOFF);

	/* The order: each against all that follow. */
#define ALL_FROM_BUSY s.peer_busy = true, s.in_flight = 8, s.next_try = NOW + 50
#define ALL_FROM_GAVE_UP s.attempts = 8, s.gave_up_at = NOW, ALL_FROM_BUSY
	GATES((s.stopped = true, e.mode = MODE_ADVISE, ALL_FROM_GAVE_UP), REPORT, 0, B_STOPPED);
	GATES((e.mode = MODE_ADVISE, ALL_FROM_GAVE_UP), REPORT, 0, B_ADVISE);
	GATES((ALL_FROM_GAVE_UP), REPORT, 0, B_GAVE_UP);
	GATES((ALL_FROM_BUSY), WAIT, 300, B_BUSY);
	GATES((s.in_flight = 8, s.next_try = NOW + 50), WAIT, 300, B_FULL);
}

/* Gates are for exchanges: what needs none passes all of them. */
static void test_gates_elsewhere(void)
{
#define SHUT(base, change, _grade, _action, _wait, _why) do {			\
	const struct expect x = { GRADE_##_grade, ACTION_##_action,		\
				  ACTION_##_action, _wait, _why, NULL };	\
	struct decide_state s = { 9, NOW + 5000, NOW, true, 9, true };		\
	struct evidence e;							\
										\
	memcpy(&e, &(base), sizeof(e));						\
	e.mode = MODE_ADVISE;							\
	change;									\
	check("all gates shut: " #base ": " #change, &e, &s, &stock, NOW, &x);	\
} while (0)
	SHUT(kernel_lost, e.hold = true, HELD, NONE, 0, W_HOLD);
	SHUT(kernel_lost, e.sa_elsewhere = true, MISDIRECTED, REPORT, 0, W_ELSEWHERE);
	SHUT(kernel_lost, e.task_since = NOW, IN_PASSING, NONE, 300, W_EXCHANGE);
	SHUT(kernel_lost, e.daemon = DAEMON_SETTLING, PENDING, WAIT, 300, W_SETTLING);
	SHUT(stranger, , NEVER_OURS, REPORT, 0, W_NEVER);
}

/* The thresholds come from the limits, not from the stock values. */
static void test_limits(void)
{
	const struct expect ended = {
		GRADE_IN_PASSING, ACTION_NONE, ACTION_NONE, 1, W_ENDED, NULL,
	};
	const struct expect gone = {
		GRADE_OURS_GONE, ACTION_REPORT, ACTION_REPORT, 0, W_DOWN, NULL,
	};
	struct limits l = stock;
	struct evidence e;

	memcpy(&e, &stranger, sizeof(e));
	e.hist_known = true;
	e.hist_end = END_DELETED_PEER;
	e.hist_ended_at = NOW - 10;
	l.in_passing_ms = 11;
	check("in_passing_ms = 11", &e, &fresh, &l, NOW, &ended);
	l.in_passing_ms = 10;
	check("in_passing_ms = 10", &e, &fresh, &l, NOW, &gone);

	OPEN((l.quiet_ms = 0, e.last_drop = NOW));
	OPEN((l.in_flight = 3, s.in_flight = 2));
	GATES((l.in_flight = 3, s.in_flight = 3), WAIT, 300, B_FULL);
	GATES(l.in_flight = 0, WAIT, 300, B_FULL);
	OPEN((l.give_up = 2, s.attempts = 1, s.gave_up_at = NOW));
	GATES((l.give_up = 2, s.attempts = 2, s.gave_up_at = NOW), REPORT, 0, B_GAVE_UP);
	OPEN((l.give_up_ms = 10, s.attempts = 8, s.gave_up_at = NOW - 10));
	GATES((l.give_up_ms = 10, s.attempts = 8, s.gave_up_at = NOW - 9), REPORT, 0, B_GAVE_UP);
}

/* Where two grades fit, the first one of the table counts. */
static void test_order(void)
{
	static const struct {
		enum grade grade;
		const char *why;
		unsigned int bit;
	} first[] = {
		{ GRADE_HELD, W_HOLD, 1 << 0 },
		{ GRADE_OTHER_KEYER, W_KEYER, 1 << 1 },
		{ GRADE_MISDIRECTED, W_ELSEWHERE, 1 << 2 },
		{ GRADE_IN_PASSING, W_HERE, 1 << 3 },
		{ GRADE_IN_PASSING, W_LARVAL, 1 << 4 },
		{ GRADE_IN_PASSING, W_STOPPED, 1 << 5 },
		{ GRADE_PENDING, W_ABSENT, 1 << 6 },
		{ GRADE_PENDING, W_SILENT, 1 << 7 },
		{ GRADE_PENDING, W_INBOUND, 1 << 8 },
		{ GRADE_PENDING, W_IKE_SA, 1 << 9 },
	};
	static const struct evidence *const bases[] = { &kernel_lost, &daemon_lost, &stranger };
	unsigned int set, base;
	size_t i;

	for (base = 0; base < ARRAY_SIZE(bases); base++) {
		for (set = 1; set < 1 << 10; set++) {
			struct evidence e;
			const char *why;
			enum grade g;

			memcpy(&e, bases[base], sizeof(e));
			e.hold = set & 1 << 0;
			e.other_keyer = set & 1 << 1;
			e.sa_elsewhere = set & 1 << 2;
			e.sa_here = set & 1 << 3;
			e.sa_larval = set & 1 << 4;
			if (set & 1 << 5)
				e.last_drop = NOW - 4000;
			if (set & 1 << 6)
				e.daemon = DAEMON_ABSENT;
			if (set & 1 << 7)
				e.task_since = NOW - 6000;
			if (set & 1 << 8)
				e.inbound = PRESENCE_UNKNOWN;
			if (set & 1 << 9) {
				e.ike_sa = PRESENCE_UNKNOWN;
				if (e.inbound == PRESENCE_THERE)
					e.inbound = PRESENCE_ABSENT;
			}
			g = grade_flow(&e, &stock, NOW, &why);
			for (i = 0; !(set & first[i].bit); i++)
				;
			judge(g == first[i].grade && means(why, first[i].why), "order",
			      "set %#x: expected %s \"%s\", actual %s \"%s\"", set,
			      grade_name(first[i].grade), first[i].why, grade_name(g), str(why));
		}
	}
}

static uint32_t seed = 1;

/* xorshift32: the same sequence on every machine. */
static uint32_t rnd(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed % below;
}

/* Mostly @usual, so that evidence that leads to an action is not too rare. */
static bool flip(bool usual)
{
	return rnd(8) ? usual : !usual;
}

static void random_evidence(struct evidence *e)
{
	memset(e, 0, sizeof(*e));
	e->desync = rnd(2);
	e->encapsulated = rnd(2);
	e->last_drop = NOW - rnd(4000);
	e->dst_local = flip(true);
	e->sa_here = flip(false);
	e->sa_elsewhere = flip(false);
	e->sa_larval = flip(false);
	e->sa_seen_leaving = flip(false);
	e->other_keyer = flip(false);
	e->daemon = rnd(2) ? DAEMON_READY : rnd(5);
	e->inbound = rnd(3);
	e->ike_sa = rnd(3);
	e->ike_passive = flip(false);
	e->task_since = rnd(3) ? NEVER : NOW - rnd(10000);
	e->conn_known = flip(true);
	e->conn_loaded = flip(true);
	e->conn_dynamic = flip(false);
	e->hist_known = flip(true);
	e->hist_end = rnd(3) ? END_DAEMON_LOST : rnd(END__COUNT);
	e->hist_ended_at = rnd(2) ? LONG_AGO : NOW - rnd(10000);
	e->hist_addr_same = flip(true);
	e->hist_port_same = flip(true);
	e->child_up = rnd(2);
	e->children_down = rnd(3);
	e->hold = flip(false);
	e->by_hand = flip(false);
	e->mode = rnd(2) ? MODE_RECOVER : rnd(3);
}

/*
 * Whatever the evidence, an exchange is only begun for the few reasons there
 * are. Written from the rules and not from the table, in another form.
 */
static void test_never_without_reason(void)
{
	unsigned int i, rekeys = 0, initiates = 0;

	for (i = 0; i < 20000; i++) {
		struct decide_state s = {
			.attempts = rnd(10), .next_try = NOW - 100 + rnd(200),
			.gave_up_at = rnd(2) ? LONG_AGO : NOW - rnd(7200000),
			.peer_busy = flip(false), .in_flight = rnd(10), .stopped = flip(false),
		};
		struct evidence e;
		struct decision d;
		bool may, sure;

		random_evidence(&e);
		d = decide(&e, &s, &stock, NOW);
		may = !e.hold && !e.by_hand && e.mode == MODE_RECOVER && !e.ike_passive &&
		      e.dst_local && !e.other_keyer && !e.sa_elsewhere && !e.sa_here &&
		      !e.sa_larval && e.task_since == NEVER && e.daemon == DAEMON_READY &&
		      !(e.hist_known && e.hist_end == END_OPERATOR) && !s.stopped &&
		      !s.peer_busy && s.in_flight < 8 && s.next_try <= NOW &&
		      !(s.attempts >= 8 && NOW - s.gave_up_at < 3600000);
		if (d.action == ACTION_REKEY) {
			rekeys++;
			sure = e.inbound == PRESENCE_THERE;
		} else if (d.action == ACTION_INITIATE) {
			initiates++;
			sure = e.inbound == PRESENCE_ABSENT && e.ike_sa == PRESENCE_ABSENT &&
			       e.hist_known && (e.hist_end == END_DAEMON_LOST ||
						e.hist_end == END_MACHINE_DOWN) &&
			       e.conn_loaded && !e.conn_dynamic && e.hist_addr_same &&
			       e.hist_port_same && e.children_down;
		} else {
			continue;
		}
		judge(may && sure && !d.blocked && d.wanted == d.action, "random evidence",
		      "number %u: expected no %s: allowed %d, reason for it %d", i,
		      action_name(d.action), may, sure);
	}
	judge(rekeys > 20 && initiates > 20, "random evidence leads to actions",
	      "expected more than 20 of each, actual %u rekeys, %u initiates", rekeys, initiates);
}

static void test_backoff(void)
{
	static const struct {
		unsigned int attempts;
		int64_t min, max;	/* limits */
		uint32_t random;
		int64_t ms;
	} t[] = {
		{ 0, 2000, 600000, 500, 2000 },
		{ 1, 2000, 600000, 0, 1500 },
		{ 1, 2000, 600000, 500, 2000 },
		{ 1, 2000, 600000, 1000, 2500 },
		{ 1, 2000, 600000, 1001, 1500 },
		{ 1, 2000, 600000, UINT32_MAX, 1500 + UINT32_MAX % 1001 },
		{ 2, 2000, 600000, 1000, 4000 },
		{ 3, 2000, 600000, 2000, 8000 },
		{ 8, 2000, 600000, 0, 192000 },
		{ 9, 2000, 600000, 0, 384000 },
		{ 9, 2000, 600000, 256000, 640000 },
		{ 10, 2000, 600000, 0, 450000 },
		{ 10, 2000, 600000, 300000, 750000 },
		{ 11, 2000, 600000, 150000, 600000 },
		{ 1000, 2000, 600000, 150000, 600000 },
		/* The last doubling that fits: 4 -> 8 with 8 and 9, not with 7. */
		{ 2, 4, 7, 1, 7 - 1 + 1 },
		{ 2, 4, 8, 2, 8 - 2 + 2 },
		{ 2, 4, 9, 2, 8 - 2 + 2 },
		{ 2, 2, 10, 1, 4 - 1 + 1 },
		{ 3, 2, 10, 2, 8 - 2 + 2 },
		{ 4, 2, 10, 2, 10 - 2 + 2 },
		/* No overflow. */
		{ 70, 2, INT64_MAX / 2, 0, INT64_MAX / 2 - INT64_MAX / 8 },
		/* Short ones. */
		{ 1, 1, 600000, 7, 1 },
		{ 1, 0, 600000, 7, 0 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		struct limits l = stock, was;
		int64_t ms;

		l.backoff_min_ms = t[i].min;
		l.backoff_max_ms = t[i].max;
		memcpy(&was, &l, sizeof(was));
		ms = backoff_ms(t[i].attempts, &l, t[i].random);
		judge(ms == t[i].ms, "backoff",
		      "attempt %u, %lld to %lld ms, random %u: expected %lld, actual %lld",
		      t[i].attempts, (long long)t[i].min, (long long)t[i].max, t[i].random,
		      (long long)t[i].ms, (long long)ms);
		judge(!memcmp(&was, &l, sizeof(was)), "backoff is pure",
		      "expected unchanged limits, actual: written to");
	}
}

static void test_verify(void)
{
	enum { NO, YES };
	static const struct {
		int new_sa, new_moved, refused;
		int64_t age, drop_age;	/* of the action, of the last packet */
		enum outcome outcome;
	} t[] = {
		/* Healed at any time, by anybody. */
		{ YES, YES, NO, 600, 501, OUTCOME_HEALED },
		{ YES, YES, NO, 600, 500, OUTCOME_PENDING },
		{ YES, YES, NO, 600, 499, OUTCOME_PENDING },
		{ YES, YES, NO, 20, 501, OUTCOME_HEALED },
		{ YES, YES, NO, 60000, 501, OUTCOME_HEALED },
		{ YES, YES, YES, 600, 501, OUTCOME_HEALED },
		{ YES, YES, YES, 600, 500, OUTCOME_FAILED },
		{ YES, YES, YES, 9000, 500, OUTCOME_FAILED },
		{ YES, NO, NO, 600, 501, OUTCOME_PENDING },
		{ NO, YES, NO, 600, 501, OUTCOME_PENDING },
		{ NO, NO, NO, 600, 501, OUTCOME_PENDING },
		{ NO, NO, NO, 0, 0, OUTCOME_PENDING },
		{ YES, YES, NO, 600, -5, OUTCOME_PENDING },
		/* Refused. */
		{ NO, NO, YES, 0, 0, OUTCOME_FAILED },
		{ NO, NO, YES, 8000, 501, OUTCOME_FAILED },
		{ YES, NO, YES, 8000, 501, OUTCOME_FAILED },
		{ YES, NO, YES, 8000, 0, OUTCOME_FAILED },
		/* At the timeout: the flow stopped, and nothing moved. */
		{ YES, NO, NO, 7999, 501, OUTCOME_PENDING },
		{ YES, NO, NO, 8000, 501, OUTCOME_QUIET },
		{ YES, NO, NO, 8001, 501, OUTCOME_QUIET },
		{ NO, NO, NO, 7999, 501, OUTCOME_PENDING },
		{ NO, NO, NO, 8000, 501, OUTCOME_QUIET },
		{ NO, NO, NO, 8001, 501, OUTCOME_QUIET },
		/* The flow goes on. */
		{ YES, YES, NO, 7999, 500, OUTCOME_PENDING },
		{ YES, YES, NO, 8000, 500, OUTCOME_STALE },
		{ YES, YES, NO, 8001, 500, OUTCOME_STALE },
		{ YES, NO, NO, 8000, 500, OUTCOME_STALE },
		{ NO, NO, NO, 7999, 500, OUTCOME_PENDING },
		{ NO, NO, NO, 8000, 500, OUTCOME_FAILED },
		{ NO, NO, NO, 8001, 500, OUTCOME_FAILED },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		struct verification v, was;
		enum outcome o;

		memset(&v, 0, sizeof(v));
		v.started = NOW - t[i].age;
		v.new_sa = t[i].new_sa;
		v.new_moved = t[i].new_moved;
		v.refused = t[i].refused;
		v.last_drop = NOW - t[i].drop_age;
		memcpy(&was, &v, sizeof(was));
		o = verify(&v, NOW);
		judge(o == t[i].outcome, "verify",
		      "new SA %d, moved %d, refused %d, %lld ms after the action, %lld after the last packet: expected %s, actual %s",
		      t[i].new_sa, t[i].new_moved, t[i].refused, (long long)t[i].age,
		      (long long)t[i].drop_age, outcome_name(t[i].outcome), outcome_name(o));
		judge(!memcmp(&was, &v, sizeof(was)), "verify is pure",
		      "expected an unchanged argument, actual: written to");
	}
}

#define NAME(fn, value, text)							\
	judge(!strcmp(fn(value), text), #fn "(" #value ")",			\
	      "expected %s, actual %s", text, fn(value))

static void test_names(void)
{
	NAME(grade_name, GRADE_HELD, "held");
	NAME(grade_name, GRADE_OTHER_KEYER, "other_keyer");
	NAME(grade_name, GRADE_MISDIRECTED, "misdirected");
	NAME(grade_name, GRADE_IN_PASSING, "in_passing");
	NAME(grade_name, GRADE_PENDING, "pending");
	NAME(grade_name, GRADE_LOST_IN_KERNEL, "lost_in_kernel");
	NAME(grade_name, GRADE_LOST_WITH_DAEMON, "lost_with_daemon");
	NAME(grade_name, GRADE_OURS_GONE, "ours_gone");
	NAME(grade_name, GRADE_NEVER_OURS, "never_ours");
	NAME(grade_name, GRADE_NO_HISTORY, "no_history");
	NAME(grade_name, GRADE_DYNAMIC, "dynamic");
	NAME(grade_name, GRADE_UNKNOWN_SOURCE, "unknown_source");
	NAME(grade_name, GRADE__COUNT, "?");
	NAME(grade_name, (enum grade)1000, "?");
	NAME(action_name, ACTION_NONE, "none");
	NAME(action_name, ACTION_REPORT, "report");
	NAME(action_name, ACTION_WAIT, "wait");
	NAME(action_name, ACTION_REKEY, "rekey");
	NAME(action_name, ACTION_INITIATE, "initiate");
	NAME(action_name, (enum action)1000, "?");
	NAME(end_name, END_NONE, "alive");
	NAME(end_name, END_REKEYED, "rekeyed");
	NAME(end_name, END_DELETED_LOCAL, "deleted_local");
	NAME(end_name, END_DELETED_PEER, "deleted_peer");
	NAME(end_name, END_INACTIVITY, "inactivity");
	NAME(end_name, END_OPERATOR, "operator");
	NAME(end_name, END_GAVE_UP, "gave_up");
	NAME(end_name, END_DAEMON_LOST, "daemon_lost");
	NAME(end_name, END_KERNEL_LOST, "kernel_lost");
	NAME(end_name, END_MACHINE_DOWN, "machine_down");
	NAME(end_name, END_EXPIRED, "expired");
	NAME(end_name, END_REPLACED, "replaced");
	NAME(end_name, END_UNSEEN, "unseen");
	NAME(end_name, END__COUNT, "?");
	NAME(outcome_name, OUTCOME_PENDING, "pending");
	NAME(outcome_name, OUTCOME_HEALED, "healed");
	NAME(outcome_name, OUTCOME_QUIET, "quiet");
	NAME(outcome_name, OUTCOME_STALE, "stale");
	NAME(outcome_name, OUTCOME_FAILED, "failed");
	NAME(outcome_name, (enum outcome)1000, "?");
	NAME(mode_name, MODE_RECOVER, "recover");
	NAME(mode_name, MODE_ADVISE, "advise");
	NAME(mode_name, MODE_OBSERVE, "observe");
	NAME(mode_name, (enum mode)1000, "?");
}

static const struct {
	const char *name;
	void (*fn)(void);
} tests[] = {
	{ "held", test_held },
	{ "other keyer, misdirected", test_not_ours_to_mend },
	{ "in passing: the SA is there", test_sa_present },
	{ "in passing: ends of an SA", test_ends },
	{ "in passing: ended just now", test_ended_just_now },
	{ "in passing, pending: exchange in progress, silent peer", test_exchange },
	{ "in passing: the flow stopped", test_stopped },
	{ "pending: state of the daemon", test_daemon },
	{ "pending: unknown presence", test_unknown_presence },
	{ "lost in kernel", test_lost_in_kernel },
	{ "lost with the daemon", test_lost_with_daemon },
	{ "reported only", test_reported_only },
	{ "gates", test_gates },
	{ "gates are for exchanges only", test_gates_elsewhere },
	{ "limits", test_limits },
	{ "order of the grades", test_order },
	{ "no exchange without a reason, random evidence", test_never_without_reason },
	{ "backoff", test_backoff },
	{ "verify", test_verify },
	{ "names", test_names },
};

int main(int argc, char **argv)
{
	unsigned int failed = 0;
	size_t i;

	if (argc > 2 || (argc == 2 && strcmp(argv[1], "-v"))) {
		fprintf(stderr, "usage: %s [-v]\n", argv[0]);
		return 2;
	}
	verbose = argc == 2;

	printf("KTAP version 1\n1..%zu\n", ARRAY_SIZE(tests));
	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		checks = failures = 0;
		tests[i].fn();
		failed += !!failures;
		printf("%sok %zu %s: %u checks, %u failed\n", failures ? "not " : "", i + 1,
		       tests[i].name, checks, failures);
		fflush(stdout);
	}
	printf("# Totals: pass:%zu fail:%u xfail:0 xpass:0 skip:0 error:0\n",
	       ARRAY_SIZE(tests) - failed, failed);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
