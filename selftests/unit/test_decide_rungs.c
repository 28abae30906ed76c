// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of decide.c: the grades whose evidence anybody could have sent, with
 * what they need and what they may cost, and what interrupts a connection.
 */
#include "decide_cases.h"

static void test_replaced(void)
{
#define REPLACED(change) EXPECT(replaced, change, OURS_GONE, REKEY, 0, W_REPLACED)
	REPLACED();
	REPLACED(e.hist_end = END_UNSEEN);
	REPLACED(e.hist_end = END_DAEMON_LOST);
	REPLACED(e.hist_ended_at = LONG_AGO);
	REPLACED(e.conn_dynamic = true);
	REPLACED(e.hist_addr_same = false);
	REPLACED(e.conn_loaded = false);
	REPLACED(e.child_down = true);
	/* Traffic on the new SA: nobody needs the old one. */
	EXPECT(replaced, e.child_silent = false, OURS_GONE, REPORT, 0, W_UP);
	EXPECT(replaced, (e.child_silent = false, e.desync = false), OURS_GONE, REPORT, 0, W_UP);
	EXPECT(replaced, (e.child_silent = false, e.child_down = true), OURS_GONE, REPORT, 0, W_UP);
	EXPECT(replaced, e.desync = false, OURS_GONE, NONE, 0, W_FEW);
	EXPECT(replaced, e.in_step = true, OURS_GONE, REPORT, 0, W_IN_STEP);
	EXPECT(replaced, (e.in_step = true, e.desync = false), OURS_GONE, REPORT, 0, W_IN_STEP);
	EXPECT(replaced, (e.in_step = true, e.child_silent = false), OURS_GONE, REPORT, 0,
	       W_IN_STEP);
	/* The next one has just come up. */
	EXPECT(replaced, e.child_up_at = NOW - 12999, IN_PASSING, NONE, 1, W_UP_NOW);
	EXPECT(replaced, e.child_up_at = NOW, IN_PASSING, NONE, 13000, W_UP_NOW);
	REPLACED(e.child_up_at = NOW - 13000);
	EXPECT(replaced, (e.child_up_at = NOW, e.child_up = false), OURS_GONE, REPORT, 0, W_DOWN);
	EXPECT(replaced, (e.child_up_at = NOW, e.in_step = true), IN_PASSING, NONE, 13000,
	       W_UP_NOW);
	EXPECT(replaced, (e.child_up_at = NOW, e.hist_known = false), NEVER_OURS, REPORT, 0,
	       W_NEVER);
	EXPECT(replaced, (e.child_up_at = NOW, e.inbound = PRESENCE_THERE), LOST_IN_KERNEL, REKEY,
	       0, W_KERNEL);
	EXPECT(replaced, (e.child_up_at = NOW, e.ike_sa = PRESENCE_ABSENT), IN_PASSING, NONE, 13000,
	       W_UP_NOW);
	/* Each condition missing. */
	EXPECT(replaced, e.hist_known = false, NEVER_OURS, REPORT, 0, W_NEVER);
	EXPECT(replaced, (e.hist_known = false, e.desync = false), NEVER_OURS, NONE, 0,
	       W_NEVER_FEW);
	EXPECT(replaced, (e.hist_known = false, e.in_step = true), NEVER_OURS, REPORT, 0,
	       W_NEVER_STEP);
	EXPECT(replaced, e.ike_sa = PRESENCE_ABSENT, OURS_GONE, REPORT, 0, W_IKE_GONE);
	EXPECT(replaced, (e.ike_sa = PRESENCE_ABSENT, e.desync = false), OURS_GONE, REPORT, 0,
	       W_IKE_GONE);
	EXPECT(replaced, (e.ike_sa = PRESENCE_ABSENT, e.in_step = true), OURS_GONE, REPORT, 0,
	       W_IKE_GONE);
	EXPECT(replaced, (e.ike_sa = PRESENCE_ABSENT, e.child_silent = false), OURS_GONE, REPORT, 0,
	       W_IKE_GONE);
	EXPECT(replaced, e.child_up = false, OURS_GONE, REPORT, 0, W_DOWN);
	EXPECT(replaced, (e.child_up = false, e.desync = false), OURS_GONE, REPORT, 0, W_DOWN);
	EXPECT(replaced, (e.child_up = false, e.in_step = true), OURS_GONE, REPORT, 0, W_DOWN);
#undef REPLACED
}

#define DOWN (e.child_up = false, e.child_silent = false, e.child_down = true)

static void test_child_down(void)
{
#define INITIATED(change) EXPECT(replaced, (DOWN, change), OURS_GONE, INITIATE, 0, W_CHILD)
#define NOT(change, action, why) EXPECT(replaced, (DOWN, change), OURS_GONE, action, 0, why)
	INITIATED((void)0);
	INITIATED(e.hist_end = END_KERNEL_LOST);
	INITIATED(e.hist_end = END_DAEMON_LOST);
	INITIATED(e.hist_addr_same = false);
	INITIATED(e.in_step = true);
	INITIATED(e.children_down = 2);
	NOT(e.desync = false, NONE, W_DOWN_FEW);
	/* Both ends were down: few packets come, and the other end has had its time. */
	INITIATED((e.desync = false, e.hist_end = END_DAEMON_LOST));
	INITIATED((e.desync = false, e.hist_end = END_MACHINE_DOWN));
	INITIATED((e.desync = false, e.hist_end = END_MACHINE_DOWN, e.first_drop = LONG_AGO));
	NOT((e.desync = false, e.hist_end = END_MACHINE_DOWN, e.first_drop = NOW - 1999), NONE,
	    W_DOWN_FEW);
	NOT((e.desync = false, e.hist_end = END_MACHINE_DOWN, e.hist_addr_same = false), NONE,
	    W_DOWN_FEW);
	NOT((e.desync = false, e.hist_end = END_MACHINE_DOWN, e.hist_port_same = false), NONE,
	    W_DOWN_FEW);
	NOT(e.child_down = false, REPORT, W_DOWN);
	NOT((e.child_down = false, e.desync = false), REPORT, W_DOWN);
	NOT((e.child_down = false, e.children_down = 1), REPORT, W_DOWN);
	NOT(e.conn_dynamic = true, REPORT, W_DOWN);
	NOT((e.conn_dynamic = true, e.desync = false), REPORT, W_DOWN);
	NOT(e.conn_loaded = false, REPORT, W_DOWN);
	NOT((e.conn_loaded = false, e.desync = false), REPORT, W_DOWN);
	NOT(e.ike_sa = PRESENCE_ABSENT, REPORT, W_IKE_GONE);
	NOT((e.ike_sa = PRESENCE_ABSENT, e.desync = false), REPORT, W_IKE_GONE);
	EXPECT(replaced, (DOWN, e.hist_known = false), NEVER_OURS, REPORT, 0, W_NEVER);
	EXPECT(replaced, (DOWN, e.hist_known = false, e.desync = false), NEVER_OURS, NONE, 0,
	       W_NEVER_FEW);
	/* Ended by hand or in order is for nobody to bring back. */
	EXPECT(replaced, (DOWN, e.by_hand = true), HELD, NONE, 0, W_BY_HAND);
}

/* The daemon gave up on a peer that is alive. */
static void test_gave_up(void)
{
#define GONE                                                                     \
	(e.child_up = false, e.child_silent = false, e.ike_sa = PRESENCE_ABSENT, \
	 e.hist_end = END_GAVE_UP, e.children_down = 1)
#define AGAIN(change) EXPECT(replaced, (GONE, change), OURS_GONE, INITIATE, 0, W_GAVE_UP)
#define NOT_AGAIN(change, action, why) EXPECT(replaced, (GONE, change), OURS_GONE, action, 0, why)
	AGAIN((void)0);
	AGAIN(e.children_down = 5);
	AGAIN(e.child_down = true);
	AGAIN(e.hist_ended_at = NOW);
	NOT_AGAIN(e.desync = false, NONE, W_GAVE_UP_FEW);
	NOT_AGAIN(e.children_down = 0, REPORT, W_IKE_GONE);
	NOT_AGAIN((e.children_down = 0, e.desync = false), REPORT, W_IKE_GONE);
	NOT_AGAIN(e.conn_dynamic = true, REPORT, W_IKE_GONE);
	NOT_AGAIN((e.conn_dynamic = true, e.desync = false), REPORT, W_IKE_GONE);
	NOT_AGAIN(e.conn_loaded = false, REPORT, W_IKE_GONE);
	NOT_AGAIN((e.conn_loaded = false, e.desync = false), REPORT, W_IKE_GONE);
	NOT_AGAIN(e.hist_addr_same = false, REPORT, W_IKE_GONE);
	NOT_AGAIN((e.hist_addr_same = false, e.desync = false), REPORT, W_IKE_GONE);
	NOT_AGAIN(e.hist_port_same = false, REPORT, W_IKE_GONE);
	NOT_AGAIN((e.hist_port_same = false, e.desync = false), REPORT, W_IKE_GONE);
	NOT_AGAIN(e.hist_end = END_UNSEEN, REPORT, W_IKE_GONE);
	NOT_AGAIN((e.hist_end = END_UNSEEN, e.desync = false), REPORT, W_IKE_GONE);
	NOT_AGAIN(e.ike_sa = PRESENCE_THERE, REPORT, W_DOWN);
	NOT_AGAIN((e.ike_sa = PRESENCE_THERE, e.desync = false), REPORT, W_DOWN);
	EXPECT(replaced, (GONE, e.hist_known = false), NO_HISTORY, REPORT, 0, W_NO_HISTORY);
	EXPECT(replaced, (GONE, e.hist_known = false, e.desync = false), NO_HISTORY, NONE, 0,
	       W_CONF_FEW);
}

static void test_ours_reported(void)
{
	EXPECT(stranger, e.hist_known = true, OURS_GONE, REPORT, 0, W_DOWN);
	EXPECT(stranger, (e.hist_known = true, e.child_up = true), OURS_GONE, REPORT, 0, W_UP);
	EXPECT(stranger, (e.hist_known = true, e.children_down = 2), OURS_GONE, REPORT, 0, W_DOWN);
	EXPECT(daemon_lost, (e.ike_sa = PRESENCE_THERE, e.child_up = true), OURS_GONE, REPORT, 0,
	       W_UP);
	EXPECT(daemon_lost, (e.ike_sa = PRESENCE_THERE, e.conn_loaded = false), OURS_GONE, REPORT,
	       0, W_DOWN);
	EXPECT(daemon_lost, (e.ike_sa = PRESENCE_THERE, e.hist_addr_same = false), OURS_GONE,
	       REPORT, 0, W_DOWN);
	EXPECT(daemon_lost, (e.child_up = true, e.hist_end = END_NONE), OURS_GONE, REPORT, 0,
	       W_IKE_GONE);
	EXPECT(daemon_lost, (e.conn_loaded = false, e.hist_end = END_NONE), OURS_GONE, REPORT, 0,
	       W_IKE_GONE);
	EXPECT(daemon_lost, (e.conn_loaded = false, e.hist_addr_same = false), OURS_GONE, REPORT, 0,
	       W_UNLOADED);
	EXPECT(daemon_lost, (e.hist_addr_same = false, e.hist_port_same = false), OURS_GONE, REPORT,
	       0, W_MOVED);
}

static void test_never_ours(void)
{
#define ONE e.silent = 1
	EXPECT(stranger, ONE, NEVER_OURS, REKEY, 0, W_NEVER_ONE);
	EXPECT(stranger, (ONE, e.conn_dynamic = true), NEVER_OURS, REKEY, 0, W_NEVER_ONE);
	EXPECT(stranger, (ONE, e.conn_known = false), NEVER_OURS, REKEY, 0, W_NEVER_ONE);
	EXPECT(stranger, (ONE, e.child_up = true), NEVER_OURS, REKEY, 0, W_NEVER_ONE);
	EXPECT(stranger, e.silent = 2, NEVER_OURS, REPORT, 0, W_NEVER);
	EXPECT(stranger, e.silent = 1000, NEVER_OURS, REPORT, 0, W_NEVER);
	EXPECT(stranger, (void)0, NEVER_OURS, REPORT, 0, W_NEVER);
	EXPECT(stranger, e.child_up = true, NEVER_OURS, REPORT, 0, W_NEVER);
	EXPECT(stranger, e.child_silent = true, NEVER_OURS, REPORT, 0, W_NEVER);
	EXPECT(stranger, e.conn_dynamic = true, NEVER_OURS, REPORT, 0, W_NEVER);
	EXPECT(stranger, e.conn_known = false, NEVER_OURS, REPORT, 0, W_NEVER);
	EXPECT(stranger, (e.hist_end = END_DAEMON_LOST, e.conn_loaded = false), NEVER_OURS, REPORT,
	       0, W_NEVER);
	EXPECT(stranger, (ONE, e.in_step = true), NEVER_OURS, REPORT, 0, W_NEVER_STEP);
	EXPECT(stranger, (ONE, e.desync = false), NEVER_OURS, NONE, 0, W_NEVER_FEW);
	EXPECT(stranger, (e.in_step = true, e.desync = false), NEVER_OURS, NONE, 0, W_NEVER_FEW);
	EXPECT(stranger, (ONE, e.ike_sa = PRESENCE_ABSENT), NO_HISTORY, REPORT, 0, W_NO_HISTORY);
	EXPECT(stranger, (e.in_step = true, e.ike_sa = PRESENCE_ABSENT), NO_HISTORY, REPORT, 0,
	       W_NO_HISTORY);

	/* A child that should be up comes first. */
#define SHOULD (ONE, e.children_down = 1)
	EXPECT(stranger, SHOULD, NEVER_OURS, INITIATE, 0, W_NEVER_DOWN);
	EXPECT(stranger, (SHOULD, e.silent = 7), NEVER_OURS, INITIATE, 0, W_NEVER_DOWN);
	EXPECT(stranger, (SHOULD, e.silent = 0), NEVER_OURS, INITIATE, 0, W_NEVER_DOWN);
	EXPECT(stranger, (SHOULD, e.in_step = true), NEVER_OURS, INITIATE, 0, W_NEVER_DOWN);
	EXPECT(stranger, (SHOULD, e.desync = false), NEVER_OURS, NONE, 0, W_NEVER_FEW);
	EXPECT(stranger, (SHOULD, e.conn_dynamic = true), NEVER_OURS, REKEY, 0, W_NEVER_ONE);
	EXPECT(stranger, (SHOULD, e.conn_loaded = false), NEVER_OURS, REKEY, 0, W_NEVER_ONE);
	EXPECT(stranger, (SHOULD, e.ike_sa = PRESENCE_ABSENT), NO_HISTORY, REPORT, 0, W_NO_HISTORY);
}

/* A configured peer of whose SPI nothing is known, without an IKE_SA. */
static void test_no_history(void)
{
#define CONF                                                                      \
	(e.ike_sa = PRESENCE_ABSENT, e.seq_rising = true, e.spi_plausible = true, \
	 e.children_new = 1, e.initiate_unknown = true)
#define UNKNOWN(change, action, why) EXPECT(stranger, (CONF, change), NO_HISTORY, action, 0, why)
	UNKNOWN((void)0, INITIATE, W_CONF_INIT);
	UNKNOWN(e.children_new = 3, INITIATE, W_CONF_INIT);
	UNKNOWN(e.conn_loaded = false, INITIATE, W_CONF_INIT);
	UNKNOWN(e.children_down = 3, INITIATE, W_CONF_INIT);
	UNKNOWN(e.initiate_unknown = false, ADVISE, W_CONF_ADVISE);
	UNKNOWN(e.seq_rising = false, REPORT, W_NO_HISTORY);
	UNKNOWN((e.seq_rising = false, e.initiate_unknown = false), REPORT, W_NO_HISTORY);
	UNKNOWN(e.spi_plausible = false, REPORT, W_NO_HISTORY);
	UNKNOWN((e.spi_plausible = false, e.initiate_unknown = false), REPORT, W_NO_HISTORY);
	UNKNOWN(e.children_new = 0, REPORT, W_NO_HISTORY);
	UNKNOWN((e.children_new = 0, e.initiate_unknown = false), REPORT, W_NO_HISTORY);
	UNKNOWN((e.children_new = 0, e.children_down = 1), REPORT, W_NO_HISTORY);
	UNKNOWN(e.desync = false, NONE, W_CONF_FEW);
	EXPECT(stranger, (CONF, e.conn_dynamic = true), DYNAMIC, REPORT, 0, W_DYNAMIC);
	EXPECT(stranger, (CONF, e.conn_dynamic = true, e.initiate_unknown = false), DYNAMIC, REPORT,
	       0, W_DYNAMIC);
	EXPECT(stranger, (CONF, e.conn_dynamic = true, e.desync = false), DYNAMIC, REPORT, 0,
	       W_DYNAMIC);
	EXPECT(stranger, (CONF, e.conn_known = false), UNKNOWN_SOURCE, REPORT, 0, W_NOTHING);
	EXPECT(stranger, (CONF, e.conn_known = false, e.initiate_unknown = false), UNKNOWN_SOURCE,
	       REPORT, 0, W_NOTHING);
	EXPECT(stranger, (CONF, e.conn_known = false, e.desync = false), UNKNOWN_SOURCE, REPORT, 0,
	       W_NOTHING);
	EXPECT(stranger, (CONF, e.ike_sa = PRESENCE_THERE), NEVER_OURS, REPORT, 0, W_NEVER);

	EXPECT(stranger, e.ike_sa = PRESENCE_ABSENT, NO_HISTORY, REPORT, 0, W_NO_HISTORY);
	EXPECT(daemon_lost, (e.hist_known = false, e.conn_loaded = false), NO_HISTORY, REPORT, 0,
	       W_NO_HISTORY);
	EXPECT(daemon_lost, (e.hist_known = false, e.hist_addr_same = false), NO_HISTORY, REPORT, 0,
	       W_NO_HISTORY);
	EXPECT(stranger, (e.ike_sa = PRESENCE_ABSENT, e.conn_dynamic = true), DYNAMIC, REPORT, 0,
	       W_DYNAMIC);
	EXPECT(stranger, (e.ike_sa = PRESENCE_ABSENT, e.conn_known = false), UNKNOWN_SOURCE, REPORT,
	       0, W_NOTHING);
	EXPECT(stranger, (e.ike_sa = PRESENCE_ABSENT, e.conn_known = false, e.conn_dynamic = true),
	       UNKNOWN_SOURCE, REPORT, 0, W_NOTHING);
}

/* ---- what interrupts ---- */

/* As EXPECT, of evidence with which nothing is in the way of an interruption. */
#define RUNG(change, _action, _wanted, _wait, _why, _blocked) \
	do {                                                  \
		const struct expect x = {                     \
			GRADE_LOST_IN_KERNEL,                 \
			ACTION_##_action,                     \
			ACTION_##_wanted,                     \
			_wait,                                \
			_why,                                 \
			_blocked,                             \
		};                                            \
		struct decide_state s = fresh;                \
		struct limits l = stock;                      \
		struct evidence e;                            \
		memcpy(&e, &kernel_lost, sizeof(e));          \
		e.g1_refused = true;                          \
		e.ike_silent = true;                          \
		e.no_gap = true;                              \
		e.disruptive = DISRUPTIVE_IKE;                \
		change;                                       \
		check("rung: " #change, &e, &s, &l, NOW, &x); \
	} while (0)

#define BUSY                                                                               \
	(e.inbound = PRESENCE_UNKNOWN, e.inbound_busy = true, e.task_since = NOW - 200000, \
	 e.g1_refused = false, e.g1_since = NOW - 200000)

static void test_ladder(void)
{
	RUNG((void)0, RECREATE, RECREATE, 0, W_REFUSED, NULL);
	RUNG(e.disruptive = DISRUPTIVE_CHILD, RECREATE, RECREATE, 0, W_REFUSED, NULL);
	RUNG(e.disruptive = DISRUPTIVE_NEVER, REKEY, REKEY, 0, W_KERNEL, NULL);
	RUNG(e.g1_refused = false, REKEY, REKEY, 0, W_KERNEL, NULL);
	RUNG(e.reauthenticated = true, RECREATE, RECREATE, 0, W_REFUSED, NULL);
	RUNG(e.recreated = true, REAUTH, REAUTH, 0, W_NO_NEW, NULL);
	RUNG((e.recreated = true, e.disruptive = DISRUPTIVE_CHILD), REKEY, REKEY, 0, W_KERNEL,
	     NULL);
	RUNG((e.recreated = true, e.g1_refused = false), REKEY, REKEY, 0, W_KERNEL, NULL);
	RUNG((e.recreated = true, e.reauthenticated = true), RESTART, RESTART, 0, W_NO_REAUTH,
	     NULL);
	RUNG((e.recreated = true, e.reauthenticated = true, e.g1_refused = false), REKEY, REKEY, 0,
	     W_KERNEL, NULL);
	RUNG((e.recreated = true, e.reauthenticated = true, e.disruptive = DISRUPTIVE_CHILD), REKEY,
	     REKEY, 0, W_KERNEL, NULL);

	/* Unanswered, and past the daemon's own patience. */
	RUNG(BUSY, RESTART, RESTART, 0, W_UNANSWERED, NULL);
	RUNG((BUSY, e.g1_since = NOW - 165000), RESTART, RESTART, 0, W_UNANSWERED, NULL);
	RUNG((BUSY, e.inbound = PRESENCE_THERE), RESTART, RESTART, 0, W_UNANSWERED, NULL);

	/* Only where the daemon lists the SPI. */
	EXPECT(stranger,
	       (e.g1_refused = true, e.disruptive = DISRUPTIVE_IKE, e.ike_silent = true,
		e.no_gap = true),
	       NEVER_OURS, REPORT, 0, W_NEVER);
	EXPECT(stranger,
	       (e.g1_refused = true, e.disruptive = DISRUPTIVE_IKE, e.ike_silent = true,
		e.no_gap = true, e.recreated = true),
	       NEVER_OURS, REPORT, 0, W_NEVER);
	EXPECT(stranger,
	       (e.g1_refused = true, e.disruptive = DISRUPTIVE_IKE, e.ike_silent = true,
		e.no_gap = true, e.recreated = true, e.reauthenticated = true),
	       NEVER_OURS, REPORT, 0, W_NEVER);
}

static void test_unanswered(void)
{
	/* Each condition of the row missing: nothing is added. */
#define SILENT_PEER(change)                                                                \
	EXPECT(kernel_lost,                                                                \
	       (BUSY, e.disruptive = DISRUPTIVE_IKE, e.ike_silent = true, e.no_gap = true, \
		change),                                                                   \
	       PENDING, REPORT, 0, W_SILENT)
	SILENT_PEER(e.g1_since = NOW - 164999);
	SILENT_PEER(e.g1_since = NEVER);
	SILENT_PEER(e.disruptive = DISRUPTIVE_CHILD);
	SILENT_PEER(e.disruptive = DISRUPTIVE_NEVER);
	SILENT_PEER(e.inbound_busy = false);
	/* What comes before it. */
	EXPECT(kernel_lost, (BUSY, e.disruptive = DISRUPTIVE_IKE, e.task_since = NOW - 10),
	       IN_PASSING, NONE, 300, W_EXCHANGE);
	EXPECT(kernel_lost, (BUSY, e.disruptive = DISRUPTIVE_IKE, e.daemon = DAEMON_SETTLING),
	       PENDING, WAIT, 300, W_SETTLING);
	/* Blocked, it is the same as before. */
	RUNG((BUSY, e.no_gap = false), REPORT, RESTART, 0, W_UNANSWERED, B_GAP);
}

static void test_bars(void)
{
#define BARRED(change, blocked) RUNG(change, REKEY, RECREATE, 0, W_REFUSED, blocked)
	BARRED(e.spoofed = true, B_SPOOFED);
	BARRED(e.eap_or_vip = true, B_EAP);
	BARRED(e.conn_dynamic = true, B_NO_WAY);
	BARRED(e.conn_loaded = false, B_NO_WAY);
	BARRED(e.ike_silent = false, B_NOT_SILENT);
	BARRED(e.no_gap = false, B_GAP);
	BARRED(s.disrupted_at = NOW, B_DISRUPTED);
	BARRED(s.disrupted_at = NOW - 599999, B_DISRUPTED);
	RUNG(s.disrupted_at = NOW - 600000, RECREATE, RECREATE, 0, W_REFUSED, NULL);
	BARRED((l.disruptive_ms = 11, s.disrupted_at = NOW - 10), B_DISRUPTED);
	RUNG((l.disruptive_ms = 10, s.disrupted_at = NOW - 10), RECREATE, RECREATE, 0, W_REFUSED,
	     NULL);
	/* Every rung, not only the first. */
	RUNG((e.recreated = true, e.no_gap = false), REKEY, REAUTH, 0, W_NO_NEW, B_GAP);
	RUNG((e.recreated = true, e.reauthenticated = true, e.no_gap = false), REKEY, RESTART, 0,
	     W_NO_REAUTH, B_GAP);
	/* The order. */
#define FROM_GAP e.no_gap = false, s.disrupted_at = NOW
#define FROM_SILENT e.ike_silent = false, FROM_GAP
#define FROM_WAY e.conn_dynamic = true, FROM_SILENT
#define FROM_EAP e.eap_or_vip = true, FROM_WAY
	BARRED((e.spoofed = true, FROM_EAP), B_SPOOFED);
	BARRED((FROM_EAP), B_EAP);
	BARRED((FROM_WAY), B_NO_WAY);
	BARRED((FROM_SILENT), B_NOT_SILENT);
	BARRED((FROM_GAP), B_GAP);
	/* The budgets are for interruptions, too, and for what is done instead. */
	RUNG(s.next_try = NOW + 70, WAIT, RECREATE, 70, W_REFUSED, B_BACKOFF);
	RUNG(e.mode = MODE_ADVISE, REPORT, RECREATE, 0, W_REFUSED, B_ADVISE);
	RUNG((e.no_gap = false, s.next_try = NOW + 70), WAIT, RECREATE, 70, W_REFUSED, B_BACKOFF);
	RUNG((BUSY, s.peer_busy = true), WAIT, RESTART, 300, W_UNANSWERED, B_BUSY);
}

/* ---- budgets of uncertain evidence ---- */

#define UNSURE(base, _grade, _wanted, _why, change, _action, _wait, _blocked)                      \
	do {                                                                                       \
		const struct expect x = {                                                          \
			GRADE_##_grade, ACTION_##_action, ACTION_##_wanted, _wait, _why, _blocked, \
		};                                                                                 \
		struct decide_state s = fresh;                                                     \
		struct limits l = stock;                                                           \
		struct evidence e;                                                                 \
		memcpy(&e, &(base), sizeof(e));                                                    \
		change;                                                                            \
		check("unsure: " #base ": " #change, &e, &s, &l, NOW, &x);                         \
	} while (0)

/* What each uncertain grade asks for, after @change. */
#define GATED(change, action, wait, blocked)                                                      \
	do {                                                                                      \
		UNSURE(replaced, OURS_GONE, REKEY, W_REPLACED, change, action, wait, blocked);    \
		UNSURE(stranger, NEVER_OURS, REKEY, W_NEVER_ONE, (ONE, change), action, wait,     \
		       blocked);                                                                  \
		UNSURE(stranger, NO_HISTORY, INITIATE, W_CONF_INIT, (CONF, change), action, wait, \
		       blocked);                                                                  \
	} while (0)

#define PASSED(change)                                                                           \
	do {                                                                                     \
		UNSURE(replaced, OURS_GONE, REKEY, W_REPLACED, change, REKEY, 0, NULL);          \
		UNSURE(stranger, NEVER_OURS, REKEY, W_NEVER_ONE, (ONE, change), REKEY, 0, NULL); \
		UNSURE(stranger, NO_HISTORY, INITIATE, W_CONF_INIT, (CONF, change), INITIATE, 0, \
		       NULL);                                                                    \
	} while (0)

/* None of that is for certain evidence. */
#define SURE(change)                                                                          \
	do {                                                                                  \
		UNSURE(kernel_lost, LOST_IN_KERNEL, REKEY, W_KERNEL, change, REKEY, 0, NULL); \
		UNSURE(daemon_lost, LOST_WITH_DAEMON, INITIATE, W_CRASH, change, INITIATE, 0, \
		       NULL);                                                                 \
	} while (0)

static void test_uncertain(void)
{
	PASSED((void)0);
	PASSED(s.uncertain_in_flight = 1);
	GATED(s.uncertain_in_flight = 2, WAIT, 300, B_FULL);
	GATED(s.uncertain_in_flight = 3, WAIT, 300, B_FULL);
	SURE(s.uncertain_in_flight = 3);
	GATED((l.uncertain_in_flight = 1, s.uncertain_in_flight = 1), WAIT, 300, B_FULL);
	/* The certain ones do not stand in their way, but a busy daemon does. */
	PASSED(s.in_flight = 100);
	GATED((s.slots = 1, s.uncertain_in_flight = 1), WAIT, 300, B_FULL);
	PASSED((s.slots = 1, s.in_flight = 1));

	GATED(s.uncertain_at = NOW, WAIT, 60000, B_PEER_TRIED);
	GATED(s.uncertain_at = NOW - 59999, WAIT, 1, B_PEER_TRIED);
	PASSED(s.uncertain_at = NOW - 60000);
	GATED((l.uncertain_peer_ms = 11, s.uncertain_at = NOW - 10), WAIT, 1, B_PEER_TRIED);
	PASSED((l.uncertain_peer_ms = 10, s.uncertain_at = NOW - 10));
	SURE(s.uncertain_at = NOW);

	GATED(s.uncertain_spent = true, WAIT, LOOK_BUDGET_MS, B_ALL_TRIED);
	SURE(s.uncertain_spent = true);

	/* The flow of these cases is 2 s old. */
	GATED(e.spoofed = true, WAIT, 8000, B_SUSPECT);
	GATED((e.spoofed = true, e.first_drop = NOW - 9999), WAIT, 1, B_SUSPECT);
	PASSED((e.spoofed = true, e.first_drop = NOW - 10000));
	GATED((e.spoofed = true, l.spoofed_delay_ms = 2001), WAIT, 1, B_SUSPECT);
	PASSED((e.spoofed = true, l.spoofed_delay_ms = 2000));
	SURE(e.spoofed = true);

	/* Having given up, only an hour helps, not the time of a loss. */
	GATED((s.attempts = 8, s.gave_up_at = NOW - 10, e.lost_at = NOW), REPORT, 0, B_GAVE_UP);

	/* The order. */
#define FROM_ALL s.uncertain_spent = true, s.uncertain_in_flight = 2
#define FROM_PEER s.uncertain_at = NOW, FROM_ALL
#define FROM_SUSPECT e.spoofed = true, FROM_PEER
	GATED((s.next_try = NOW + 5, FROM_SUSPECT), WAIT, 5, B_BACKOFF);
	GATED((FROM_SUSPECT), WAIT, 8000, B_SUSPECT);
	GATED((FROM_PEER), WAIT, 60000, B_PEER_TRIED);
	GATED((FROM_ALL), WAIT, LOOK_BUDGET_MS, B_ALL_TRIED);
}

static void test_new_evidence(void)
{
#define GIVEN_UP s.attempts = 8, s.gave_up_at = NOW - 1000
	SURE((GIVEN_UP, e.lost_at = NOW - 999));
	SURE((GIVEN_UP, e.lost_at = NOW));
	UNSURE(kernel_lost, LOST_IN_KERNEL, REKEY, W_KERNEL, (GIVEN_UP, e.lost_at = NOW - 1000),
	       REPORT, 0, B_GAVE_UP);
	UNSURE(daemon_lost, LOST_WITH_DAEMON, INITIATE, W_CRASH, (GIVEN_UP, e.lost_at = NOW - 1001),
	       REPORT, 0, B_GAVE_UP);
}

static void test_kinds(void)
{
	int i;

	for (i = 0; i < GRADE__COUNT; i++) {
		bool unsure = i == GRADE_OURS_GONE || i == GRADE_NEVER_OURS ||
			      i == GRADE_NO_HISTORY || i == GRADE_DYNAMIC;

		judge(is_uncertain(i) == unsure, "is_uncertain", "%s: expected %d, actual %d",
		      grade_name(i), unsure, is_uncertain(i));
	}
	for (i = ACTION_NONE; i <= ACTION_RESTART; i++) {
		bool disturbs = i == ACTION_RECREATE || i == ACTION_REAUTH || i == ACTION_RESTART;
		bool asks =
			disturbs || i == ACTION_REKEY || i == ACTION_INITIATE || i == ACTION_COPY;

		judge(interrupts(i) == disturbs, "interrupts", "%s: expected %d, actual %d",
		      action_name(i), disturbs, interrupts(i));
		judge(is_exchange(i) == asks, "is_exchange", "%s: expected %d, actual %d",
		      action_name(i), asks, is_exchange(i));
	}
}

static const struct test tests[] = {
	{ "ours, replaced", test_replaced },
	{ "ours, its child is down", test_child_down },
	{ "ours, the daemon gave up", test_gave_up },
	{ "ours, reported", test_ours_reported },
	{ "never ours", test_never_ours },
	{ "no history", test_no_history },
	{ "what interrupts: the ladder", test_ladder },
	{ "what interrupts: a peer that does not answer", test_unanswered },
	{ "what interrupts: what must hold", test_bars },
	{ "budgets of uncertain evidence", test_uncertain },
	{ "new evidence ends the giving up", test_new_evidence },
	{ "kinds of grades and actions", test_kinds },
};

int main(void)
{
	return run_tests(tests, ARRAY_SIZE(tests));
}
