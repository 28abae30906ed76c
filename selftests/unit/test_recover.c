// SPDX-License-Identifier: GPL-2.0-only
/*
 * What becomes of a half-made IKE_SA, and of children that the first attempt did not
 * bring up.
 */
#include "recover_help.h"

static void in_order(void)
{
	begin(GRADE_LOST_WITH_DAEMON);
	run(40);
	ktap_str("both children, once", " net net2", was.names);
	ktap_int("healed", 1, was.outcomes[OUTCOME_HEALED]);
}

/* While ours was under way the peer has made the second one. */
static void peer_made_it(void)
{
	begin(GRADE_LOST_WITH_DAEMON);
	does.peer_makes_second = true;
	run(0);
	ktap_str("the other one is up by then: not initiated", " net", was.names);
	ktap_int("healed", 1, was.outcomes[OUTCOME_HEALED]);
}

/* And before we have begun its IKE_SA comes up, which no listing has yet. */
static void peer_came_first(void)
{
	begin(GRADE_LOST_WITH_DAEMON);
	recover_ike_up(&d, "other", "c.example", 6);
	recover_ike_up(&d, "gw", "b.example", 7);
	run(0);
	ktap_int("an event says that the peer has come: stood down", 0, was.initiated);
	begin(GRADE_LOST_WITH_DAEMON);
	recover_ike_up(&d, "other", "c.example", 6);
	run(0);
	ktap_int("another peer has come: healed", 1, was.outcomes[OUTCOME_HEALED]);
}

static void late_but_up(void)
{
	begin(GRADE_LOST_WITH_DAEMON);
	does.late = 1;
	does.up_after_lists = 1;
	run(0);
	ktap_int("up at the second look: not ended", 0, was.ended);
	ktap_int("healed", 1, was.outcomes[OUTCOME_HEALED]);
}

static void up_when_ended(void)
{
	begin(GRADE_LOST_WITH_DAEMON);
	does.late = 1;
	does.up_at_end = true;
	run(0);
	ktap_int("up just when it was ended: ended", 1, was.ended);
	ktap_int("the end of its children was ours", 1, was.interrupts);
	ktap_str("and initiated again", " net net net2", was.names);
	ktap_int("healed", 1, was.outcomes[OUTCOME_HEALED]);
}

static void always_up_when_ended(void)
{
	begin(GRADE_LOST_WITH_DAEMON);
	does.late = 99;
	does.up_at_end = true;
	run(0);
	ktap_int("up when it was ended, twice: that was it for now", 2, was.initiated);
	ktap_int("failed", 1, was.outcomes[OUTCOME_FAILED]);
}

static void silent(void)
{
	begin(GRADE_LOST_WITH_DAEMON);
	does.late = 2;
	run(40);
	ktap_int("a silent peer: ended each time", 2, was.ended);
	ktap_int("failed each time", 2, was.outcomes[OUTCOME_FAILED]);
	ktap_str("without another packet until it is there", " net net net net2", was.names);
	ktap_int("healed", 1, was.outcomes[OUTCOME_HEALED]);
}

static void given_up(void)
{
	begin(GRADE_LOST_WITH_DAEMON);
	does.late = 99;
	run(40);
	ktap_int("a silent peer is given up on", conf.limits.give_up, was.initiated);
	run(40);
	ktap_int("and stays so", conf.limits.give_up, was.initiated);
	/* No packet may come that says so again: what the peer sends has another SPI now. */
	attempt_get(&d, "gw", "", GRADE_LOST_WITH_DAEMON)->gave_up_at -= conf.limits.give_up_ms;
	run(40);
	ktap_int("for an hour, then it is tried as often", 2 * conf.limits.give_up, was.initiated);
	attempt_get(&d, "gw", "", GRADE_LOST_WITH_DAEMON)->gave_up_at -= conf.limits.give_up_ms;
	does.late = 0;
	run(40);
	ktap_int("until the peer is there", 1, was.outcomes[OUTCOME_HEALED]);
}

static void uncertain(void)
{
	begin(GRADE_OURS_GONE);
	does.late = 99;
	run(40);
	ktap_int("uncertain: no second one within a minute", 1, was.initiated);
}

/* The operator says that the peer may be tried, now. */
static void retried(void)
{
	struct attempt *a;
	int i;

	begin(GRADE_OURS_GONE);
	does.late = 99;
	run(40);
	ktap_ok(attempt_uncertain_at(&d, "gw") > 0, "uncertain: the peer was tried a moment ago");
	ktap_int("retry: one had failed", 1, (int)recover_retry(&d, "gw"));
	ktap_ok(attempt_uncertain_at(&d, "gw") == LONG_AGO, "retry: it may be tried at once");
	for (i = 0; i < 3; i++) {
		a = attempt_get(&d, "gw", "", GRADE_OURS_GONE);
		a->brought_up = true;
		recover_ike_down(&d, "gw", "b.example");
		if (i == 1)
			recover_retry(&d, NULL);
	}
	ktap_ok(a->gave_up_at == LONG_AGO, "retry: IKE_SAs that were removed before do not count");
	for (i = 0; i < 2; i++) {
		a->brought_up = true;
		recover_ike_down(&d, "gw", "b.example");
	}
	ktap_ok(a->gave_up_at != LONG_AGO, "three removed after it do");
}

static void nobody_wants_it(void)
{
	begin(GRADE_LOST_WITH_DAEMON);
	does.late = 1;
	run(0);
	closed = ALL_CHILDREN;
	run(20);
	ktap_int("closed meanwhile: left alone", 1, was.initiated);
	closed = 0;
	run(20);
	ktap_int("and forgotten", 1, was.initiated);
}

/* The older of the two listings is from when it was still up. */
static void just_gone(void)
{
	struct ike_listing *l;

	begin(GRADE_LOST_WITH_DAEMON);
	does.late = 1;
	run(0);
	sa.id++;
	sa.state = IKE_ESTABLISHED;
	sa.both = true;
	l = listing();
	listing_add(&d, l);
	ike_listing_put(l);
	sa.state = IKE_OTHER;
	run(10);
	ktap_str("down, but not in both listings: not forgotten", " net net net2", was.names);
}

static void not_allowed(void)
{
	begin(GRADE_LOST_WITH_DAEMON);
	does.late = 1;
	run(0);
	mode = MODE_ADVISE;
	run(10);
	ktap_int("mode advise: not begun", 1, was.initiated);
	mode = MODE_RECOVER;
	held = true;
	run(10);
	ktap_int("held: not begun", 1, was.initiated);
	held = false;
	conns.nconn = 0;
	conns_index(&conns);
	run(10);
	ktap_int("not loaded: not begun", 1, was.initiated);
	conns.nconn = 1;
	conns_index(&conns);
	d.in_flight = d.slots;
	run(10);
	ktap_int("too many under way: not begun", 1, was.initiated);
	d.in_flight = 0;
	run(10);
	ktap_str("and then it is", " net net net2", was.names);
}

static void one_refused(void)
{
	begin(GRADE_LOST_WITH_DAEMON);
	does.child_refused = true;
	run(120); /* the IKE_SA has just come up: that takes 2 s */
	ktap_int("ended", 0, was.ended);
	ktap_ok(was.initiated > 2, "one child of two is refused: it is tried again:%s", was.names);
}

/* On an IKE_SA that is up the peer does not answer for the first child. */
static void unanswered(void)
{
	begin(GRADE_LOST_WITH_DAEMON);
	d.recoveries->has_ike = true;
	sa.id = 1;
	sa.state = IKE_ESTABLISHED;
	does.late = 1;
	does.unanswered = true;
	run(0);
	ktap_str("a silent peer on an IKE_SA that is up: nothing is added", " net", was.names);
	run(20);
	ktap_int("nor while that exchange goes on", 1, was.initiated);
	does.unanswered = false;
	run(20);
	ktap_str("and when it is over, what is down", " net net2", was.names);
}

/* The IKE daemon dies under an initiation, and comes back. */
static void broken_off(enum grade grade)
{
	begin(grade);
	uv_run(d.loop, UV_RUN_ONCE);
	deliver();
	was.initiated = 0;
	memset(&sa, 0, sizeof(sa));
	listing_clear(&d);
	recover_daemon_lost(&d, false);
	while (nanswers)
		deliver();
	recover_resume(&d);
}

static void daemon_died(void)
{
	broken_off(GRADE_LOST_WITH_DAEMON);
	ktap_ok(d.recoveries, "certain: taken up again when the IKE daemon is back");
	run(0);
	broken_off(GRADE_OURS_GONE);
	ktap_ok(!d.recoveries, "uncertain: not as soon as that");
	run(10);
	ktap_int("nor within a minute", 0, was.initiated);
	conf.limits.uncertain_peer_ms = 0;
	run(10);
	conf.limits.uncertain_peer_ms = UNCERTAIN_PEER_MS;
	ktap_str("but after that", " net net net2", was.names);
}

static void peer_came(void)
{
	begin(GRADE_LOST_WITH_DAEMON);
	does.late = 1;
	run(0);
	sa.id++;
	does.child_refused = true; /* the peer has not come to the second one yet */
	up();
	run(10);
	ktap_int("the peer came by itself: it has its time", 1, was.initiated);
	does.child_refused = false;
	sa.both = true;
	run(1);
	ktap_int("all is up: nothing to do", 1, was.initiated);
}

int main(void)
{
	set_up();
	in_order();
	peer_made_it();
	peer_came_first();
	late_but_up();
	up_when_ended();
	always_up_when_ended();
	silent();
	given_up();
	uncertain();
	retried();
	nobody_wants_it();
	just_gone();
	not_allowed();
	one_refused();
	unanswered();
	peer_came();
	daemon_died();
	recover_stop_all(&d);
	return ktap_done();
}
