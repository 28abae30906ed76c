/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of decide.c share: known evidence, and how a decision is
 * checked and reported. Each test is one source file that includes this.
 */
#ifndef TEST_DECIDE_CASES_H
#define TEST_DECIDE_CASES_H

#include <inttypes.h>

#include "ktap.h"
#include "decide.h"

#define NOW INT64_C(10000000)
#define NEVER INT64_MAX

static const struct limits stock = {
	.in_passing_ms = 6000,
	.came_up_ms = 13000,
	.in_progress_ms = 5000,
	.quiet_ms = 3000,
	.stand_down_ms = 2000,
	.in_flight = 8,
	.uncertain_in_flight = 2,
	.uncertain_all = 30,
	.uncertain_peer_ms = 60000,
	.spoofed_delay_ms = 10000,
	.retransmit_ms = 165000,
	.disruptive_ms = 600000,
	.give_up = 8,
	.give_up_ms = 3600000,
	.backoff_min_ms = 2000,
	.backoff_max_ms = 600000,
};

static const struct decide_state fresh = {
	.next_try = LONG_AGO,
	.gave_up_at = LONG_AGO,
	.slots = 8,
	.uncertain_at = LONG_AGO,
	.disrupted_at = LONG_AGO,
};

/* The daemon has the SPI, the kernel does not. */
static const struct evidence kernel_lost = {
	.desync = true,
	.first_drop = NOW - 2000,
	.last_drop = NOW - 100,
	.lost_at = LONG_AGO,
	.child_up_at = LONG_AGO,
	.g1_since = NEVER,
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
	.first_drop = NOW - 2000,
	.last_drop = NOW - 100,
	.lost_at = LONG_AGO,
	.child_up_at = LONG_AGO,
	.g1_since = NEVER,
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
	.first_drop = NOW - 2000,
	.last_drop = NOW - 100,
	.lost_at = LONG_AGO,
	.child_up_at = LONG_AGO,
	.g1_since = NEVER,
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

/* An SA of long ago; on the one that replaced it nothing comes in. */
static const struct evidence replaced = {
	.desync = true,
	.first_drop = NOW - 2000,
	.last_drop = NOW - 100,
	.lost_at = LONG_AGO,
	.child_up_at = LONG_AGO,
	.g1_since = NEVER,
	.dst_local = true,
	.daemon = DAEMON_READY,
	.inbound = PRESENCE_ABSENT,
	.ike_sa = PRESENCE_THERE,
	.task_since = NEVER,
	.conn_known = true,
	.conn_loaded = true,
	.hist_known = true,
	.hist_end = END_REKEYED,
	.hist_ended_at = NOW - 100000,
	.hist_addr_same = true,
	.hist_port_same = true,
	.child_up = true,
	.child_silent = true,
	.mode = MODE_RECOVER,
};

/* The reasons, by a part of their text that no other one has. */
#define W_HOLD "operator holds"
#define W_BY_HAND "has not been up since"
#define W_OPERATOR "this SA was terminated by hand"
#define W_OBSERVE "mode observe"
#define W_PASSIVE "is passive"
#define W_NOT_LOCAL "not an address"
#define W_KEYER "did not make"
#define W_ELSEWHERE "another destination, mark"
#define W_HERE "in the kernel now"
#define W_LARVAL "being negotiated"
#define W_ENDED "late packets"
#define W_EXCHANGE "in progress"
#define W_STOPPED "the flow stopped"
#define W_GONE_TOO "gone from the daemon too"
#define W_ABSENT "no connection to the IKE daemon"
#define W_FOREIGN "in user space"
#define W_STOPPING "shutting down"
#define W_SETTLING "not settled"
#define W_SILENT "silent on IKE"
#define W_INBOUND "whether the IKE daemon has this SPI"
#define W_IKE_SA "whether there is an IKE_SA"
#define W_KERNEL "the kernel has lost it"
#define W_CRASH "and there is no IKE_SA"
#define W_CRASH_DYN "dynamic = yes would"
#define W_COPY_OLD "too long ago to trust"
#define W_COPY_LACKS "not all is known"
#define W_COPY "the address that its peer had then"
#define W_CRASH_NONE "nothing should be up"
#define W_UP "stale or forged"
#define W_DOWN "the IKE_SA is"
#define W_UNLOADED "not loaded"
#define W_MOVED "address or port are not"
#define W_IKE_GONE "so is its IKE_SA"
#define W_NEVER "never an SPI of ours, from a peer with an IKE_SA"
#define W_NO_HISTORY "configured peer without an IKE_SA"
#define W_DYNAMIC "a peer with a dynamic address"
#define W_EXPIRED "hard lifetime"
#define W_UP_NOW "come up again just now"
#define W_IN_STEP "in step since a rekey was completed: stale"
#define W_FEW "that is gone; too few packets"
#define W_REPLACED "nothing has come in since"
#define W_DOWN_FEW "should be up and is not; too few"
#define W_CHILD "its child should be up and has no SA"
#define W_GAVE_UP_FEW "gave up on the peer; too few"
#define W_GAVE_UP "which sends again"
#define W_NEVER_FEW "with an IKE_SA; too few"
#define W_NEVER_DOWN "of whom a child should be up"
#define W_NEVER_STEP "and the peer is in step"
#define W_NEVER_ONE "one child is silent"
#define W_CONF_FEW "from a configured peer; too few"
#define W_CONF_INIT "as if it had one"
#define W_CONF_ADVISE "would bring it up"
#define W_UNANSWERED "has not answered the rekey"
#define W_REFUSED "has refused to rekey it"
#define W_NO_NEW "refuses a new CHILD_SA"
#define W_NO_REAUTH "did not help"
#define W_NOTHING "nothing is known"
#define B_STOPPED "until an operator has looked"
#define B_ADVISE "mode advise"
#define B_GAVE_UP "given up"
#define B_BUSY "for this peer is under way"
#define B_FULL "too many actions"
#define B_BACKOFF "backing off"
#define B_SUSPECT "waiting longer"
#define B_PEER_TRIED "this peer was tried"
#define B_ALL_TRIED "too many peers were tried"
#define B_SPOOFED "not interrupted: there are signs"
#define B_EAP "it may not come back"
#define B_NO_WAY "could not initiate"
#define B_NOT_SILENT "has received something"
#define B_GAP "allow_gap is not set"
#define B_DISRUPTED "done a moment ago"

static unsigned int checks, failures;

/*
 * One check. Only failures get a line each, with what was expected: there are
 * thousands of checks, and their number stands in the line of the test.
 */
__attribute__((format(printf, 3, 4))) static void judge(bool ok, const char *name, const char *fmt,
							...)
{
	va_list ap;

	checks++;
	if (ok)
		return;
	failures++;
	ktap_ok(false, "%s", name);
	fputs("# ", ktap_out);
	va_start(ap, fmt);
	vfprintf(ktap_out, fmt, ap);
	va_end(ap);
	fputc('\n', ktap_out);
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
	struct evidence ev_was, held;
	struct decide_state st_was;
	struct limits lim_was;
	const char *why = NULL;
	struct decision d, again;
	bool as_expected;
	enum grade g;

	memcpy(&ev_was, ev, sizeof(ev_was));
	memcpy(&st_was, st, sizeof(st_was));
	memcpy(&lim_was, lim, sizeof(lim_was));

	d = decide(ev, st, lim, now);
	as_expected = d.grade == x->grade && d.action == x->action && d.wanted == x->wanted &&
		      d.wait_ms == x->wait_ms && means(d.why, x->why) &&
		      means(d.blocked, x->blocked);
	judge(as_expected, name,
	      "expected %s %s (wanted %s) wait %lld \"%s\" blocked by \"%s\", actual %s %s (wanted %s) wait %lld \"%s\" blocked by \"%s\"",
	      grade_name(x->grade), action_name(x->action), action_name(x->wanted),
	      (long long)x->wait_ms, str(x->why), str(x->blocked), grade_name(d.grade),
	      action_name(d.action), action_name(d.wanted), (long long)d.wait_ms, str(d.why),
	      str(d.blocked));

	g = grade_flow(ev, lim, now, &why);
	judge(g == d.grade && why == d.why && grade_flow(ev, lim, now, NULL) == g, name,
	      "expected grade_flow() to agree: %s \"%s\", actual %s \"%s\"", grade_name(d.grade),
	      str(d.why), grade_name(g), str(why));

	again = decide(ev, st, lim, now);
	as_expected = again.grade == d.grade && again.action == d.action &&
		      again.wanted == d.wanted && again.wait_ms == d.wait_ms &&
		      again.why == d.why && again.blocked == d.blocked;
	judge(as_expected, name, "expected the same decision when asked again, actual %s %s",
	      grade_name(again.grade), action_name(again.action));

	memcpy(&held, ev, sizeof(held));
	held.hold = true;
	g = grade_flow(&held, lim, now, &why);
	judge(g == GRADE_HELD && means(why, W_HOLD), name,
	      "expected the operator's hold to win, actual %s \"%s\"", grade_name(g), str(why));

	as_expected = !memcmp(&ev_was, ev, sizeof(ev_was)) &&
		      !memcmp(&st_was, st, sizeof(st_was)) &&
		      !memcmp(&lim_was, lim, sizeof(lim_was));
	judge(as_expected, name, "expected unchanged arguments, actual: written to");
}

/* Evidence @base after @change (statements about e) must give these. */
#define EXPECT(base, change, _grade, _action, _wait, _why)                                    \
	do {                                                                                  \
		const struct expect x = {                                                     \
			GRADE_##_grade, ACTION_##_action, ACTION_##_action, _wait, _why, NULL \
		};                                                                            \
		struct evidence e;                                                            \
		memcpy(&e, &(base), sizeof(e));                                               \
		change;                                                                       \
		check(#base ": " #change, &e, &fresh, &stock, NOW, &x);                       \
	} while (0)

#define REKEYS(change) EXPECT(kernel_lost, change, LOST_IN_KERNEL, REKEY, 0, W_KERNEL)
#define INITIATES(change) EXPECT(daemon_lost, change, LOST_WITH_DAEMON, INITIATE, 0, W_CRASH)

struct test {
	const char *name;
	void (*fn)(void);
};

/* The body of main(). */
static int run_tests(const struct test *tests, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		checks = 0;
		failures = 0;
		tests[i].fn();
		ktap_ok(!failures, "%s: %u checks, %u failed", tests[i].name, checks, failures);
	}
	return ktap_done();
}

#endif
