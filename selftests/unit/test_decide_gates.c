// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of decide.c beside the table of grades: what stops or delays an
 * exchange, the limits, the backoff, the verification, the names; and that no
 * evidence whatever leads to an exchange without one of the few reasons.
 */
#include "decide_cases.h"

/* Evidence @base in state s with limits l after @change must give these. */
#define GATE(base, change, _action, _wait, _blocked)                            \
	do {                                                                    \
		const bool kernel = &(base) == &kernel_lost;                    \
		const struct expect x = {                                       \
			kernel ? GRADE_LOST_IN_KERNEL : GRADE_LOST_WITH_DAEMON, \
			ACTION_##_action,                                       \
			kernel ? ACTION_REKEY : ACTION_INITIATE,                \
			_wait,                                                  \
			kernel ? W_KERNEL : W_CRASH,                            \
			_blocked,                                               \
		};                                                              \
		struct evidence e;                                              \
		struct decide_state s = fresh;                                  \
		struct limits l = stock;                                        \
		memcpy(&e, &(base), sizeof(e));                                 \
		change;                                                         \
		check("gate: " #base ": " #change, &e, &s, &l, NOW, &x);        \
	} while (0)

/* The same for what comes out before any gate. */
#define PASSES(change, _grade, _action, _wait, _why)                                          \
	do {                                                                                  \
		const struct expect x = {                                                     \
			GRADE_##_grade, ACTION_##_action, ACTION_##_action, _wait, _why, NULL \
		};                                                                            \
		struct evidence e;                                                            \
		struct limits l = stock;                                                      \
		memcpy(&e, &kernel_lost, sizeof(e));                                          \
		change;                                                                       \
		check("limit: " #change, &e, &fresh, &l, NOW, &x);                            \
	} while (0)

#define GATES(change, action, wait, blocked)                      \
	do {                                                      \
		GATE(kernel_lost, change, action, wait, blocked); \
		GATE(daemon_lost, change, action, wait, blocked); \
	} while (0)

#define OPEN(change)                                          \
	do {                                                  \
		GATE(kernel_lost, change, REKEY, 0, NULL);    \
		GATE(daemon_lost, change, INITIATE, 0, NULL); \
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
	/* Fewer while the daemon is slow. */
	OPEN((s.in_flight = 1, s.slots = 2));
	GATES((s.in_flight = 2, s.slots = 2), WAIT, LOOK_AGAIN_MS, B_FULL);

	OPEN(s.next_try = NOW - 1);
	OPEN(s.next_try = NOW);
	GATES(s.next_try = NOW + 1, WAIT, 1, B_BACKOFF);
	GATES(s.next_try = NOW + 2000, WAIT, 2000, B_BACKOFF);

	/* The order: each against all that follow. */
#define ALL_FROM_BUSY s.peer_busy = true, s.slots = 0, s.next_try = NOW + 50
#define ALL_FROM_GAVE_UP s.attempts = 8, s.gave_up_at = NOW, ALL_FROM_BUSY
	GATES((s.stopped = true, e.mode = MODE_ADVISE, ALL_FROM_GAVE_UP), REPORT, 0, B_STOPPED);
	GATES((e.mode = MODE_ADVISE, ALL_FROM_GAVE_UP), REPORT, 0, B_ADVISE);
	GATES((ALL_FROM_GAVE_UP), REPORT, 0, B_GAVE_UP);
	GATES((ALL_FROM_BUSY), WAIT, 300, B_BUSY);
	GATES((s.slots = 0, s.next_try = NOW + 50), WAIT, 50, B_BACKOFF);
}

/* Gates are for exchanges: what needs none passes all of them. */
static void test_gates_elsewhere(void)
{
#define SHUT(base, change, _grade, _action, _wait, _why)                                      \
	do {                                                                                  \
		const struct expect x = {                                                     \
			GRADE_##_grade, ACTION_##_action, ACTION_##_action, _wait, _why, NULL \
		};                                                                            \
		struct decide_state s = {                                                     \
			.attempts = 9,                                                        \
			.next_try = NOW + 5000,                                               \
			.gave_up_at = NOW,                                                    \
			.peer_busy = true,                                                    \
			.in_flight = 9,                                                       \
			.stopped = true,                                                      \
		};                                                                            \
		struct evidence e;                                                            \
		memcpy(&e, &(base), sizeof(e));                                               \
		e.mode = MODE_ADVISE;                                                         \
		change;                                                                       \
		check("all gates shut: " #base ": " #change, &e, &s, &stock, NOW, &x);        \
	} while (0)
	SHUT(kernel_lost, e.hold = true, HELD, NONE, 0, W_HOLD);
	SHUT(kernel_lost, e.sa_elsewhere = true, MISDIRECTED, REPORT, 0, W_ELSEWHERE);
	SHUT(kernel_lost, e.task_since = NOW, IN_PASSING, NONE, 300, W_EXCHANGE);
	SHUT(kernel_lost, e.daemon = DAEMON_SETTLING, PENDING, WAIT, 300, W_SETTLING);
	SHUT(stranger, (void)0, NEVER_OURS, REPORT, 0, W_NEVER);
}

/* The thresholds come from the limits, not from the stock values. */
static void test_limits(void)
{
#define LOST_TOO (e = daemon_lost, e.ike_sa = PRESENCE_THERE, e.child_down = true, e.desync = false)
#define ENDED(ago) e.hist_end = END_REKEYED, e.hist_ended_at = NOW - (ago)
	PASSES((l.in_passing_ms = 11, ENDED(10)), IN_PASSING, NONE, 1, W_ENDED);
	PASSES((l.in_passing_ms = 10, ENDED(10)), LOST_IN_KERNEL, REKEY, 0, W_KERNEL);
	PASSES((l.in_progress_ms = 11, e.task_since = NOW - 10), IN_PASSING, NONE, 300, W_EXCHANGE);
	PASSES((l.in_progress_ms = 10, e.task_since = NOW - 10), PENDING, REPORT, 0, W_SILENT);
	PASSES((l.stand_down_ms = 2000, LOST_TOO), OURS_GONE, INITIATE, 0, W_CHILD);
	PASSES((l.stand_down_ms = 2001, LOST_TOO), OURS_GONE, NONE, 0, W_DOWN_FEW);
	PASSES((l.quiet_ms = 9, e.last_drop = NOW - 10), IN_PASSING, NONE, 0, W_STOPPED);
	PASSES((l.quiet_ms = 10, e.last_drop = NOW - 10), LOST_IN_KERNEL, REKEY, 0, W_KERNEL);
	OPEN((l.give_up = 2, s.attempts = 1, s.gave_up_at = NOW));
	GATES((l.give_up = 2, s.attempts = 2, s.gave_up_at = NOW), REPORT, 0, B_GAVE_UP);
	OPEN((l.give_up_ms = 10, s.attempts = 8, s.gave_up_at = NOW - 10));
	GATES((l.give_up_ms = 10, s.attempts = 8, s.gave_up_at = NOW - 9), REPORT, 0, B_GAVE_UP);
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
	e->desync = flip(true);
	e->first_drop = NOW - 4000 - rnd(10000);
	e->seq_rising = flip(true);
	e->spi_plausible = flip(true);
	e->spoofed = flip(false);
	e->encapsulated = rnd(2);
	e->last_drop = NOW - rnd(4000);
	e->dst_local = flip(true);
	e->sa_here = flip(false);
	e->sa_elsewhere = flip(false);
	e->sa_larval = flip(false);
	e->sa_seen_leaving = flip(false);
	e->sa_expired = flip(false);
	e->lost_at = rnd(2) ? LONG_AGO : NOW - rnd(10000);
	e->other_keyer = flip(false);
	e->daemon = rnd(2) ? DAEMON_READY : rnd(5);
	e->inbound = rnd(3);
	e->inbound_busy = flip(false);
	e->ike_sa = rnd(3);
	e->ike_passive = flip(false);
	e->task_since = rnd(3) ? NEVER : NOW - rnd(10000);
	e->conn_known = flip(true);
	e->conn_loaded = flip(true);
	e->conn_dynamic = flip(false);
	e->eap_or_vip = flip(false);
	e->copy_allowed = flip(true);
	e->copy_known = flip(true);
	e->peer_recent = flip(true);
	e->hist_known = flip(true);
	e->hist_end = rnd(3) ? END_DAEMON_LOST : rnd(END__COUNT);
	e->hist_ended_at = rnd(2) ? LONG_AGO : NOW - rnd(10000);
	e->hist_addr_same = flip(true);
	e->hist_port_same = flip(true);
	e->child_up = rnd(2);
	e->child_up_at = rnd(2) ? LONG_AGO : NOW - rnd(10000);
	e->child_down = !e->child_up && rnd(2);
	e->child_silent = rnd(2);
	e->silent = rnd(3);
	e->ike_silent = flip(true);
	e->in_step = flip(false);
	e->children_down = rnd(3);
	e->children_new = rnd(3);
	e->g1_refused = rnd(2);
	e->g1_since = rnd(4) ? NEVER : NOW - rnd(400000);
	e->recreated = rnd(2);
	e->reauthenticated = rnd(2);
	e->no_gap = flip(true);
	e->disruptive = rnd(4) ? DISRUPTIVE_IKE : rnd(3);
	e->initiate_unknown = rnd(2);
	e->hold = flip(false);
	e->by_hand = flip(false);
	e->mode = rnd(2) ? MODE_RECOVER : rnd(3);
}

/* Certain evidence that our side lost the SA. */
static bool sure_of_rekey(const struct evidence *e)
{
	return e->inbound == PRESENCE_THERE;
}

static bool lost_with_daemon(const struct evidence *e)
{
	return e->inbound == PRESENCE_ABSENT && e->ike_sa == PRESENCE_ABSENT && e->hist_known &&
	       (e->hist_end == END_DAEMON_LOST || e->hist_end == END_MACHINE_DOWN) &&
	       e->conn_loaded && e->hist_addr_same && e->hist_port_same && e->children_down;
}

static bool sure_of_initiate(const struct evidence *e)
{
	return lost_with_daemon(e) && !e->conn_dynamic;
}

static bool sure_of_copy(const struct evidence *e)
{
	return lost_with_daemon(e) && e->conn_dynamic && e->copy_allowed && e->copy_known &&
	       e->peer_recent;
}

/* What uncertain evidence needs beside the verdict. */
static bool may_rekey(const struct evidence *e)
{
	if (e->inbound != PRESENCE_ABSENT || e->ike_sa != PRESENCE_THERE || e->in_step)
		return false;
	return e->hist_known ? e->child_up && e->child_silent : e->silent == 1;
}

static bool may_initiate(const struct evidence *e)
{
	if (e->inbound != PRESENCE_ABSENT || e->conn_dynamic)
		return false;
	if (e->ike_sa == PRESENCE_THERE)
		return e->conn_loaded && (e->hist_known ? e->child_down : e->children_down);
	if (e->hist_known)
		return e->hist_end == END_GAVE_UP && e->conn_loaded && e->hist_addr_same &&
		       e->hist_port_same && e->children_down;
	return e->initiate_unknown && e->seq_rising && e->spi_plausible && e->children_new;
}

/* Few packets come, since the peer lost its SAs, too, and has had time to be first. */
static bool lost_at_both_ends(const struct evidence *e)
{
	return e->hist_known && e->ike_sa == PRESENCE_THERE && e->child_down && !e->child_up &&
	       (e->hist_end == END_DAEMON_LOST || e->hist_end == END_MACHINE_DOWN) &&
	       e->hist_addr_same && e->hist_port_same && NOW - e->first_drop >= 2000;
}

static bool may_interrupt(const struct evidence *e, const struct decide_state *s, enum action a)
{
	return (e->g1_refused || NOW - e->g1_since >= 165000) &&
	       (e->inbound == PRESENCE_THERE || e->inbound_busy) &&
	       e->disruptive >= (a == ACTION_RECREATE ? DISRUPTIVE_CHILD : DISRUPTIVE_IKE) &&
	       e->ike_silent && e->no_gap && !e->eap_or_vip && !e->spoofed && e->conn_loaded &&
	       !e->conn_dynamic && NOW - s->disrupted_at >= 600000;
}

/*
 * Whatever the evidence, an exchange is only begun for the few reasons there
 * are. Written from the rules and not from the table, in another form.
 */
static void test_never_without_reason(void)
{
	unsigned int i, n[ACTION_RESTART + 1] = { 0 }, unsure[ACTION_RESTART + 1] = { 0 };

	for (i = 0; i < 200000; i++) {
		struct decide_state s = {
			.attempts = rnd(10),
			.next_try = NOW - 100 + rnd(200),
			.gave_up_at = rnd(2) ? LONG_AGO : NOW - rnd(7200000),
			.peer_busy = flip(false),
			.in_flight = rnd(10),
			.slots = 4 + rnd(5),
			.uncertain_in_flight = rnd(3),
			.uncertain_at = rnd(2) ? LONG_AGO : NOW - rnd(120000),
			.uncertain_spent = flip(false),
			.disrupted_at = rnd(2) ? LONG_AGO : NOW - rnd(1200000),
			.stopped = flip(false),
		};
		struct evidence e;
		struct decision d;
		bool may, sure = false, certain = true;

		random_evidence(&e);
		d = decide(&e, &s, &stock, NOW);
		if (!is_exchange(d.action))
			continue;
		may = !e.hold && !e.by_hand && e.mode == MODE_RECOVER && !e.ike_passive &&
		      e.dst_local && !e.other_keyer && !e.sa_elsewhere && !e.sa_here &&
		      !e.sa_larval && e.daemon == DAEMON_READY &&
		      (e.task_since == NEVER || d.action == ACTION_RESTART) &&
		      !(e.hist_known && e.hist_end == END_OPERATOR) && !s.stopped && !s.peer_busy &&
		      s.next_try <= NOW &&
		      !(s.attempts >= 8 && NOW - s.gave_up_at < 3600000 &&
			e.lost_at <= s.gave_up_at);
		if (d.action == ACTION_REKEY)
			certain = sure_of_rekey(&e), sure = certain || may_rekey(&e);
		else if (d.action == ACTION_INITIATE)
			certain = sure_of_initiate(&e), sure = certain || may_initiate(&e);
		else if (d.action == ACTION_COPY)
			sure = sure_of_copy(&e);
		else
			sure = may_interrupt(&e, &s, d.action);
		if (certain)
			may = may && s.in_flight < s.slots;
		else
			may = may && (e.desync || lost_at_both_ends(&e)) &&
			      s.uncertain_in_flight < 2 && !s.uncertain_spent &&
			      NOW - s.uncertain_at >= 60000 &&
			      !(e.spoofed && NOW - e.first_drop < 10000);
		n[d.action]++;
		unsure[d.action] += !certain;
		judge(may && sure && (d.wanted == d.action) == !d.blocked, "random evidence",
		      "number %u: expected no %s: allowed %d, reason for it %d", i,
		      action_name(d.action), may, sure);
	}
	for (i = ACTION_REKEY; i <= ACTION_RESTART; i++)
		judge(n[i] > 5, "random evidence leads to actions",
		      "expected more than 5 of each, actual %u %s", n[i], action_name(i));
	judge(unsure[ACTION_REKEY] > 20 && unsure[ACTION_INITIATE] > 20,
	      "random evidence leads to actions", "expected more than 20 uncertain, actual %u, %u",
	      unsure[ACTION_REKEY], unsure[ACTION_INITIATE]);
}

static void test_backoff(void)
{
	static const struct {
		unsigned int attempts;
		int64_t min, max; /* limits */
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
		int64_t age, drop_age; /* of the action, of the last packet */
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

/* Without a flow that could stop, only a new SA is a success. */
static void test_verify_no_flow(void)
{
	static const struct {
		bool new_sa, new_moved;
		int64_t age, drop_age;
		enum outcome outcome;
	} t[] = {
		{ true, true, 20, 100000, OUTCOME_HEALED },
		{ true, false, 7999, 100000, OUTCOME_PENDING },
		{ true, false, 8000, 100000, OUTCOME_QUIET },
		{ false, false, 7999, 100000, OUTCOME_PENDING },
		{ false, false, 8000, 100000, OUTCOME_FAILED },
		{ true, false, 8000, 100, OUTCOME_STALE },
		{ false, false, 8000, 100, OUTCOME_FAILED },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		const struct verification v = {
			.started = NOW - t[i].age,
			.new_sa = t[i].new_sa,
			.new_moved = t[i].new_moved,
			.no_flow = true,
			.last_drop = NOW - t[i].drop_age,
		};
		enum outcome o = verify(&v, NOW);

		judge(o == t[i].outcome, "verify without a flow", "%zu: expected %s, actual %s", i,
		      outcome_name(t[i].outcome), outcome_name(o));
	}
}

#define NAME(fn, value, text)                                                               \
	judge(!strcmp(fn(value), text), #fn "(" #value ")", "expected %s, actual %s", text, \
	      fn(value))

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
	NAME(action_name, ACTION_COPY, "copy");
	NAME(action_name, ACTION_RECREATE, "recreate");
	NAME(action_name, ACTION_REAUTH, "reauth");
	NAME(action_name, ACTION_RESTART, "restart");
	NAME(action_name, ACTION_ADVISE, "advise");
	NAME(action_name, (enum action)1000, "?");
	NAME(disruptive_name, DISRUPTIVE_NEVER, "never");
	NAME(disruptive_name, DISRUPTIVE_CHILD, "child");
	NAME(disruptive_name, DISRUPTIVE_IKE, "ike");
	NAME(disruptive_name, (enum disruptive)1000, "?");
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

static const struct test tests[] = {
	{ "gates", test_gates },
	{ "gates are for exchanges only", test_gates_elsewhere },
	{ "limits", test_limits },
	{ "no exchange without a reason, random evidence", test_never_without_reason },
	{ "backoff", test_backoff },
	{ "verify", test_verify },
	{ "verify without a flow", test_verify_no_flow },
	{ "names", test_names },
};

int main(void)
{
	return run_tests(tests, ARRAY_SIZE(tests));
}
