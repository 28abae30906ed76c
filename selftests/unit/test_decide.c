// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of decide.c: every row of the table and each of its conditions, every
 * gate, every threshold one below, at and one above its value, and the order.
 * ./mutate shows how complete this is: it breaks decide.c in every way it
 * knows and demands that this test notices.
 *
 * A case starts from evidence that gives a known decision (the base), changes
 * what the case is about, and names the decision that must come out; the reason
 * is recognised by a part of its text.
 */
#include "decide_cases.h"

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
	EXPECT(kernel_lost, (e.hist_known = false, e.hist_end = END_OPERATOR), LOST_IN_KERNEL,
	       REKEY, 0, W_KERNEL);
	/* The order of the reasons. */
	EXPECT(kernel_lost, (e.hold = true, e.by_hand = true), HELD, NONE, 0, W_HOLD);
	EXPECT(kernel_lost, (e.by_hand = true, e.hist_end = END_OPERATOR), HELD, NONE, 0,
	       W_BY_HAND);
	EXPECT(kernel_lost, (e.hist_end = END_OPERATOR, e.mode = MODE_OBSERVE), HELD, NONE, 0,
	       W_OPERATOR);
	EXPECT(kernel_lost, (e.mode = MODE_OBSERVE, e.ike_passive = true), HELD, NONE, 0,
	       W_OBSERVE);
	EXPECT(kernel_lost, (e.ike_passive = true, e.dst_local = false), HELD, NONE, 0, W_PASSIVE);
	EXPECT(kernel_lost, (e.dst_local = false, e.other_keyer = true), HELD, NONE, 0,
	       W_NOT_LOCAL);
}

static void test_not_ours_to_mend(void)
{
	EXPECT(kernel_lost, e.other_keyer = true, OTHER_KEYER, REPORT, 0, W_KEYER);
	EXPECT(daemon_lost, e.other_keyer = true, OTHER_KEYER, REPORT, 0, W_KEYER);
	EXPECT(kernel_lost, e.sa_elsewhere = true, MISDIRECTED, REPORT, 0, W_ELSEWHERE);
	EXPECT(daemon_lost, e.sa_elsewhere = true, MISDIRECTED, REPORT, 0, W_ELSEWHERE);
	EXPECT(kernel_lost, (e.other_keyer = true, e.sa_elsewhere = true), OTHER_KEYER, REPORT, 0,
	       W_KEYER);
	EXPECT(kernel_lost, (e.sa_elsewhere = true, e.sa_here = true), MISDIRECTED, REPORT, 0,
	       W_ELSEWHERE);
	EXPECT(kernel_lost, (e.sa_elsewhere = true, e.last_drop = LONG_AGO), MISDIRECTED, REPORT, 0,
	       W_ELSEWHERE);
}

static void test_sa_present(void)
{
	EXPECT(kernel_lost, e.sa_here = true, IN_PASSING, NONE, 0, W_HERE);
	EXPECT(daemon_lost, e.sa_here = true, IN_PASSING, NONE, 0, W_HERE);
	EXPECT(kernel_lost, e.sa_larval = true, IN_PASSING, NONE, 0, W_LARVAL);
	EXPECT(daemon_lost, e.sa_larval = true, IN_PASSING, NONE, 0, W_LARVAL);
	EXPECT(kernel_lost, (e.sa_here = true, e.sa_larval = true), IN_PASSING, NONE, 0, W_HERE);
	EXPECT(kernel_lost, (e.sa_larval = true, e.hist_end = END_REKEYED, e.hist_ended_at = NOW),
	       IN_PASSING, NONE, 0, W_LARVAL);
	/* Whatever else is the matter. */
	EXPECT(kernel_lost, (e.sa_expired = true, e.lost_at = NOW, e.sa_here = true), IN_PASSING,
	       NONE, 0, W_HERE);
	EXPECT(kernel_lost, (e.sa_here = true, e.daemon = DAEMON_ABSENT), IN_PASSING, NONE, 0,
	       W_HERE);
	EXPECT(kernel_lost, (e.sa_larval = true, e.task_since = LONG_AGO), IN_PASSING, NONE, 0,
	       W_LARVAL);
}

/* Which ends excuse late packets; for each just now, and long enough ago. */
static void test_ends(void)
{
	static const struct {
		enum sa_end end;
		bool in_order;
		bool with_daemon;
	} ends[] = {
		{ END_NONE, false, false },	    { END_REKEYED, true, false },
		{ END_DELETED_LOCAL, true, false }, { END_DELETED_PEER, true, false },
		{ END_INACTIVITY, true, false },    { END_GAVE_UP, false, false },
		{ END_DAEMON_LOST, false, true },   { END_KERNEL_LOST, false, false },
		{ END_MACHINE_DOWN, false, true },  { END_EXPIRED, true, false },
		{ END_REPLACED, true, false },	    { END_UNSEEN, false, false },
	};
	size_t i;

	/* All of them but END_OPERATOR, which is a hold. */
	judge(ARRAY_SIZE(ends) == END__COUNT - 1, "every end has a row", "expected %d, actual %zu",
	      END__COUNT - 1, ARRAY_SIZE(ends));

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
		/* The only other one after which a peer without an IKE_SA is answered. */
		const struct expect silent = {
			GRADE_OURS_GONE, ACTION_INITIATE, ACTION_INITIATE, 0, W_GAVE_UP, NULL,
		};
		const struct expect *later = ends[i].with_daemon	  ? &crash
					     : ends[i].end == END_GAVE_UP ? &silent
									  : &gone;
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
	EXPECT(kernel_lost, (ENDED(1000), e.task_since = NOW - 10), IN_PASSING, NONE, 5000,
	       W_ENDED);
	EXPECT(kernel_lost, (ENDED(1000), e.last_drop = LONG_AGO), IN_PASSING, NONE, 5000, W_ENDED);
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
	EXPECT(kernel_lost, (e.task_since = NOW - 10, e.inbound = PRESENCE_UNKNOWN), IN_PASSING,
	       NONE, 300, W_EXCHANGE);
	EXPECT(kernel_lost, (e.task_since = NOW - 5000, e.inbound = PRESENCE_UNKNOWN), PENDING,
	       REPORT, 0, W_SILENT);
	EXPECT(daemon_lost, (e.task_since = NOW - 5000, e.ike_sa = PRESENCE_UNKNOWN), PENDING,
	       REPORT, 0, W_SILENT);
	/* An exchange that is young or old, of a flow that stopped. */
	EXPECT(kernel_lost, (e.task_since = NOW - 10, e.last_drop = LONG_AGO), IN_PASSING, NONE,
	       300, W_EXCHANGE);
	EXPECT(kernel_lost, (e.task_since = NOW - 5000, e.last_drop = LONG_AGO), IN_PASSING, NONE,
	       0, W_STOPPED);
	/* Without the daemon nothing is known about its exchanges. */
	EXPECT(kernel_lost, (e.task_since = NOW - 5000, e.daemon = DAEMON_ABSENT), PENDING, REPORT,
	       0, W_ABSENT);
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
	EXPECT(kernel_lost,
	       (e.last_drop = LONG_AGO, e.sa_seen_leaving = true, e.inbound = PRESENCE_UNKNOWN),
	       PENDING, WAIT, 300, W_INBOUND);
	/* ... unless the daemon let it go too. */
	EXPECT(daemon_lost, (e.last_drop = LONG_AGO, e.sa_seen_leaving = true), IN_PASSING, NONE, 0,
	       W_GONE_TOO);
	EXPECT(stranger,
	       (e.last_drop = LONG_AGO, e.sa_seen_leaving = true, e.ike_sa = PRESENCE_UNKNOWN),
	       IN_PASSING, NONE, 0, W_GONE_TOO);
	EXPECT(daemon_lost,
	       (e.last_drop = LONG_AGO, e.sa_seen_leaving = true, e.task_since = LONG_AGO),
	       IN_PASSING, NONE, 0, W_GONE_TOO);
	INITIATES(e.sa_seen_leaving = true);
	/* A stopped flow is not worth a word about the daemon. */
	EXPECT(kernel_lost, (e.last_drop = LONG_AGO, e.daemon = DAEMON_ABSENT), IN_PASSING, NONE, 0,
	       W_STOPPED);
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
	EXPECT(daemon_lost,
	       (e.daemon = DAEMON_ABSENT, e.inbound = PRESENCE_UNKNOWN,
		e.ike_sa = PRESENCE_UNKNOWN),
	       PENDING, REPORT, 0, W_ABSENT);
	EXPECT(daemon_lost,
	       (e.daemon = DAEMON_FOREIGN, e.inbound = PRESENCE_UNKNOWN,
		e.ike_sa = PRESENCE_UNKNOWN),
	       PENDING, REPORT, 0, W_FOREIGN);
	EXPECT(daemon_lost,
	       (e.daemon = DAEMON_STOPPING, e.inbound = PRESENCE_UNKNOWN,
		e.ike_sa = PRESENCE_UNKNOWN),
	       PENDING, REPORT, 0, W_STOPPING);
	EXPECT(daemon_lost,
	       (e.daemon = DAEMON_SETTLING, e.inbound = PRESENCE_UNKNOWN,
		e.ike_sa = PRESENCE_UNKNOWN),
	       PENDING, WAIT, 300, W_SETTLING);
	EXPECT(daemon_lost, (e.daemon = DAEMON_SETTLING, e.task_since = LONG_AGO), PENDING, WAIT,
	       300, W_SETTLING);
	EXPECT(daemon_lost, (e.daemon = DAEMON_STOPPING, e.task_since = LONG_AGO), PENDING, REPORT,
	       0, W_STOPPING);
}

static void test_unknown_presence(void)
{
	EXPECT(kernel_lost, e.inbound = PRESENCE_UNKNOWN, PENDING, WAIT, 300, W_INBOUND);
	EXPECT(daemon_lost, e.inbound = PRESENCE_UNKNOWN, PENDING, WAIT, 300, W_INBOUND);
	EXPECT(stranger, e.inbound = PRESENCE_UNKNOWN, PENDING, WAIT, 300, W_INBOUND);
	EXPECT(daemon_lost, e.ike_sa = PRESENCE_UNKNOWN, PENDING, WAIT, 300, W_IKE_SA);
	EXPECT(stranger, e.ike_sa = PRESENCE_UNKNOWN, PENDING, WAIT, 300, W_IKE_SA);
	EXPECT(daemon_lost, (e.inbound = PRESENCE_UNKNOWN, e.ike_sa = PRESENCE_UNKNOWN), PENDING,
	       WAIT, 300, W_INBOUND);
	/* Not needed by the row that follows. */
	REKEYS(e.ike_sa = PRESENCE_UNKNOWN);
}

/* What the kernel itself ended is for the daemon to follow; it takes its time. */
static void test_expired(void)
{
#define EXPIRED(ago) e.sa_expired = true, e.lost_at = NOW - (ago)
	EXPECT(kernel_lost, (EXPIRED(0)), IN_PASSING, NONE, 6000, W_EXPIRED);
	EXPECT(kernel_lost, (EXPIRED(5999)), IN_PASSING, NONE, 1, W_EXPIRED);
	REKEYS((EXPIRED(6000)));
	REKEYS((EXPIRED(6001)));
	/* Other ways to leave are no excuse, nor is an expiry of unknown time. */
	REKEYS(e.lost_at = NOW);
	REKEYS(e.sa_expired = true);
	EXPECT(kernel_lost, (EXPIRED(10), e.sa_seen_leaving = true, e.last_drop = LONG_AGO),
	       IN_PASSING, NONE, 5990, W_EXPIRED);
	EXPECT(daemon_lost, (EXPIRED(10)), IN_PASSING, NONE, 5990, W_EXPIRED);
	EXPECT(kernel_lost, (EXPIRED(10), e.task_since = NOW), IN_PASSING, NONE, 5990, W_EXPIRED);
	EXPECT(kernel_lost, (EXPIRED(10), e.daemon = DAEMON_ABSENT), IN_PASSING, NONE, 5990,
	       W_EXPIRED);
	EXPECT(kernel_lost,
	       (EXPIRED(10), e.sa_larval = true, e.hist_end = END_REKEYED, e.hist_ended_at = NOW),
	       IN_PASSING, NONE, 0, W_LARVAL);
	EXPECT(kernel_lost, (EXPIRED(10), e.hist_end = END_REKEYED, e.hist_ended_at = NOW),
	       IN_PASSING, NONE, 6000, W_ENDED);
#undef EXPIRED
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

/* A connection without an address: what lets us copy it, one by one and together. */
static void test_copy(void)
{
#define COPIES(...)                                                                \
	EXPECT(daemon_lost,                                                        \
	       (e.conn_dynamic = true, e.copy_allowed = true, e.copy_known = true, \
		e.peer_recent = true, ##__VA_ARGS__),                              \
	       LOST_WITH_DAEMON, COPY, 0, W_COPY)
#define NO_COPY(why, ...)                                                          \
	EXPECT(daemon_lost,                                                        \
	       (e.conn_dynamic = true, e.copy_allowed = true, e.copy_known = true, \
		e.peer_recent = true, __VA_ARGS__),                                \
	       LOST_WITH_DAEMON, REPORT, 0, why)
	COPIES();
	COPIES(e.hist_end = END_MACHINE_DOWN);
	COPIES(e.children_down = 2);
	COPIES(e.desync = false);
	COPIES(e.encapsulated = true);
	COPIES(e.eap_or_vip = true); /* copy_known says what of that matters */
	NO_COPY(W_CRASH_DYN, e.copy_allowed = false);
	NO_COPY(W_COPY_OLD, e.peer_recent = false);
	NO_COPY(W_COPY_LACKS, e.copy_known = false);
	NO_COPY(W_CRASH_NONE, e.children_down = 0);
	NO_COPY(W_CRASH_DYN, (e.copy_allowed = false, e.peer_recent = false));
	NO_COPY(W_COPY_OLD, (e.peer_recent = false, e.copy_known = false));
	NO_COPY(W_CRASH_NONE, (e.children_down = 0, e.peer_recent = false));
	NO_COPY(W_CRASH_NONE, (e.children_down = 0, e.copy_known = false));
	/* A connection with an address needs none of it. */
	EXPECT(daemon_lost, (e.copy_allowed = true, e.copy_known = true, e.peer_recent = true),
	       LOST_WITH_DAEMON, INITIATE, 0, W_CRASH);
#undef COPIES
#undef NO_COPY
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
	EXPECT(daemon_lost, (e.conn_dynamic = true, e.children_down = 0), LOST_WITH_DAEMON, REPORT,
	       0, W_CRASH_DYN);
	test_copy();

	/* Each condition of the three rows missing. */
	EXPECT(daemon_lost, e.hist_known = false, NO_HISTORY, REPORT, 0, W_NO_HISTORY);
	EXPECT(daemon_lost, e.hist_end = END_NONE, OURS_GONE, REPORT, 0, W_IKE_GONE);
	EXPECT(daemon_lost, e.conn_loaded = false, OURS_GONE, REPORT, 0, W_UNLOADED);
	EXPECT(daemon_lost, e.hist_addr_same = false, OURS_GONE, REPORT, 0, W_MOVED);
	EXPECT(daemon_lost, e.hist_port_same = false, OURS_GONE, REPORT, 0, W_MOVED);
	EXPECT(daemon_lost, e.ike_sa = PRESENCE_THERE, OURS_GONE, REPORT, 0, W_DOWN);
	EXPECT(daemon_lost, (e.ike_sa = PRESENCE_THERE, e.child_down = true), OURS_GONE, INITIATE,
	       0, W_CHILD);
	EXPECT(daemon_lost, e.inbound = PRESENCE_THERE, LOST_IN_KERNEL, REKEY, 0, W_KERNEL);

#define DYN e.conn_dynamic = true, e.copy_allowed = true, e.copy_known = true, e.peer_recent = true
	EXPECT(daemon_lost, (DYN, e.hist_known = false), DYNAMIC, REPORT, 0, W_DYNAMIC);
	EXPECT(daemon_lost, (DYN, e.hist_end = END_NONE), OURS_GONE, REPORT, 0, W_IKE_GONE);
	EXPECT(daemon_lost, (DYN, e.conn_loaded = false), OURS_GONE, REPORT, 0, W_UNLOADED);
	EXPECT(daemon_lost, (DYN, e.hist_addr_same = false), OURS_GONE, REPORT, 0, W_MOVED);
	EXPECT(daemon_lost, (DYN, e.hist_port_same = false), OURS_GONE, REPORT, 0, W_MOVED);
	EXPECT(daemon_lost, (DYN, e.ike_sa = PRESENCE_THERE), OURS_GONE, REPORT, 0, W_DOWN);
#undef DYN
#define DYN_FORBIDDEN e.conn_dynamic = true
	EXPECT(daemon_lost, (DYN_FORBIDDEN, e.hist_known = false), DYNAMIC, REPORT, 0, W_DYNAMIC);
	EXPECT(daemon_lost, (DYN_FORBIDDEN, e.hist_end = END_NONE), OURS_GONE, REPORT, 0,
	       W_IKE_GONE);
	EXPECT(daemon_lost, (DYN_FORBIDDEN, e.conn_loaded = false), OURS_GONE, REPORT, 0,
	       W_UNLOADED);
	EXPECT(daemon_lost, (DYN_FORBIDDEN, e.hist_addr_same = false), OURS_GONE, REPORT, 0,
	       W_MOVED);
	EXPECT(daemon_lost, (DYN_FORBIDDEN, e.hist_port_same = false), OURS_GONE, REPORT, 0,
	       W_MOVED);
	EXPECT(daemon_lost, (DYN_FORBIDDEN, e.ike_sa = PRESENCE_THERE), OURS_GONE, REPORT, 0,
	       W_DOWN);
#undef DYN_FORBIDDEN
#define DYN_OLD e.conn_dynamic = true, e.copy_allowed = true, e.copy_known = true
	EXPECT(daemon_lost, (DYN_OLD, e.hist_known = false), DYNAMIC, REPORT, 0, W_DYNAMIC);
	EXPECT(daemon_lost, (DYN_OLD, e.hist_end = END_NONE), OURS_GONE, REPORT, 0, W_IKE_GONE);
	EXPECT(daemon_lost, (DYN_OLD, e.conn_loaded = false), OURS_GONE, REPORT, 0, W_UNLOADED);
	EXPECT(daemon_lost, (DYN_OLD, e.hist_addr_same = false), OURS_GONE, REPORT, 0, W_MOVED);
	EXPECT(daemon_lost, (DYN_OLD, e.hist_port_same = false), OURS_GONE, REPORT, 0, W_MOVED);
	EXPECT(daemon_lost, (DYN_OLD, e.ike_sa = PRESENCE_THERE), OURS_GONE, REPORT, 0, W_DOWN);
#undef DYN_OLD
#define DYN_LACKS e.conn_dynamic = true, e.copy_allowed = true, e.peer_recent = true
	EXPECT(daemon_lost, (DYN_LACKS, e.hist_known = false), DYNAMIC, REPORT, 0, W_DYNAMIC);
	EXPECT(daemon_lost, (DYN_LACKS, e.hist_end = END_NONE), OURS_GONE, REPORT, 0, W_IKE_GONE);
	EXPECT(daemon_lost, (DYN_LACKS, e.conn_loaded = false), OURS_GONE, REPORT, 0, W_UNLOADED);
	EXPECT(daemon_lost, (DYN_LACKS, e.hist_addr_same = false), OURS_GONE, REPORT, 0, W_MOVED);
	EXPECT(daemon_lost, (DYN_LACKS, e.hist_port_same = false), OURS_GONE, REPORT, 0, W_MOVED);
	EXPECT(daemon_lost, (DYN_LACKS, e.ike_sa = PRESENCE_THERE), OURS_GONE, REPORT, 0, W_DOWN);
#undef DYN_LACKS

#define NONE_DOWN e.children_down = 0
	EXPECT(daemon_lost, (NONE_DOWN, e.hist_known = false), NO_HISTORY, REPORT, 0, W_NO_HISTORY);
	EXPECT(daemon_lost, (NONE_DOWN, e.hist_end = END_NONE), OURS_GONE, REPORT, 0, W_IKE_GONE);
	EXPECT(daemon_lost, (NONE_DOWN, e.conn_loaded = false), OURS_GONE, REPORT, 0, W_UNLOADED);
	EXPECT(daemon_lost, (NONE_DOWN, e.hist_addr_same = false), OURS_GONE, REPORT, 0, W_MOVED);
	EXPECT(daemon_lost, (NONE_DOWN, e.hist_port_same = false), OURS_GONE, REPORT, 0, W_MOVED);
	EXPECT(daemon_lost, (NONE_DOWN, e.ike_sa = PRESENCE_THERE), OURS_GONE, REPORT, 0, W_DOWN);
#undef NONE_DOWN
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

static const struct test tests[] = {
	{ "held", test_held },
	{ "other keyer, misdirected", test_not_ours_to_mend },
	{ "in passing: the SA is there", test_sa_present },
	{ "in passing: ends of an SA", test_ends },
	{ "in passing: ended just now", test_ended_just_now },
	{ "in passing, pending: exchange in progress, silent peer", test_exchange },
	{ "in passing: the flow stopped", test_stopped },
	{ "pending: state of the daemon", test_daemon },
	{ "pending: unknown presence", test_unknown_presence },
	{ "in passing: the SA expired", test_expired },
	{ "lost in kernel", test_lost_in_kernel },
	{ "lost with the daemon", test_lost_with_daemon },
	{ "order of the grades", test_order },
};

int main(void)
{
	return run_tests(tests, ARRAY_SIZE(tests));
}
