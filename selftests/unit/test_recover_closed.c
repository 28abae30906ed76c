// SPDX-License-Identifier: GPL-2.0-only
/* A child that is closed in order while we are at it stays closed. */
#include "recover_help.h"

static void closed_when_ended(void)
{
	begin(GRADE_LOST_WITH_DAEMON);
	does.late = 1;
	does.up_at_end = true;
	does.closes_at_end = ALL_CHILDREN;
	run(10);
	ktap_str("came up just when it was ended, and was closed: not initiated again", " net",
		 was.names);
}

static void one_closed_when_ended(void)
{
	begin(GRADE_LOST_WITH_DAEMON);
	does.late = 1;
	does.up_at_end = true;
	does.closes_at_end = 1;
	run(10);
	ktap_str("only one of them was closed: the other one is initiated", " net net2", was.names);
	ktap_int("and is what was healed", 1, was.outcomes[OUTCOME_HEALED]);
}

static void closed_before_its_turn(void)
{
	begin(GRADE_LOST_WITH_DAEMON);
	does.closes_second = true;
	run(10);
	ktap_str("closed while the other one is initiated: left alone", " net", was.names);
	ktap_int("which is healed", 1, was.outcomes[OUTCOME_HEALED]);
}

/* Of those the history knows nothing, so that nobody has closed them. */
static void never_there(void)
{
	begin(GRADE_NO_HISTORY);
	closed = ALL_CHILDREN;
	run(10);
	ktap_str("children that never were: both", " net net2", was.names);
}

/* What an interruption takes down was up until then, whatever the history says. */
static void taken_down(void)
{
	begin_with(GRADE_LOST_IN_KERNEL, ACTION_RECREATE);
	run(0);
	ktap_str("taken down here: brought up again", " net", was.names);
}

int main(void)
{
	set_up();
	closed_when_ended();
	one_closed_when_ended();
	closed_before_its_turn();
	never_there();
	taken_down();
	recover_stop_all(&d);
	return ktap_done();
}
