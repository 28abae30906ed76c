// SPDX-License-Identifier: GPL-2.0-only
/* What happens in recovery.pml without the helper. Included by steps.c. */

/* Up to an age beyond which nobody asks. */
static void get_older(unsigned char *age, unsigned char most)
{
	if (*age < most)
		++*age;
}

/* ---- the peer ---- */

static bool can_answer_ike(void)
{
	return now.ike == IKE_HALF && now.answers && now.daemon != DAEMON_ABSENT;
}

/* INITIAL_CONTACT: the peer forgets what it had. */
static void answer_ike(void)
{
	unsigned int c;

	enter();
	for (c = 0; c < CHILDREN; c++)
		now.kid[c].peer = 0;
	ike_comes_up();
	for (c = 0; c < CHILDREN; c++) {
		if (now.kid[c].task == TASK_NONE)
			continue;
		if (now.refuses)
			task_ends(c, -EIO);
		else
			child_comes_up(c);
	}
	leave();
}

static bool can_answer_child(unsigned int c)
{
	return now.ike == IKE_UP && now.peer_ike && now.answers && !now.reauth &&
	       now.kid[c].task != TASK_NONE;
}

static void answer_child(unsigned int c)
{
	enter();
	if (now.refuses)
		task_ends(c, -EIO);
	else
		child_comes_up(c);
	leave();
}

static bool can_answer_reauth(void)
{
	return now.reauth && now.ike == IKE_UP && now.peer_ike && now.answers;
}

/* Break before make: all is ended, and made anew. */
static void answer_reauth(void)
{
	bool had[CHILDREN];
	unsigned int c;

	enter();
	for (c = 0; c < CHILDREN; c++) {
		had[c] = now.kid[c].spi;
		now.kid[c].peer = 0;
	}
	/* The daemon makes new ones: for the helper the children are replaced. */
	ike_ends(END_REKEYED, -EIO);
	now.ike_id = new_id();
	ike_comes_up();
	for (c = 0; c < CHILDREN; c++)
		if (had[c] && !now.refuses)
			child_comes_up(c);
	leave();
}

static bool can_send(unsigned int c)
{
	return now.kid[c].peer;
}

/* In calm times the peer always sends. */
static bool may_skip(bool can)
{
	return !can || !now.calm;
}

static void send_packet(unsigned int c)
{
	struct kid_t *kid = &now.kid[c];
	unsigned int i;

	if (!sa_in_kernel(spi_of(c, kid->peer))) {
		drop(c, kid->peer);
		return;
	}
	kid->ever = 1;
	kid->moved = 1;
	for (i = 0; i < CHILDREN; i++)
		now.kid[i].delivered = 1;
}

static bool can_forge(unsigned int k)
{
	unsigned int i;

	if (FORGERIES && now.forged == FORGERIES)
		return false;
	/* One at a time: what comes of one does not depend on another that is left alone. */
	for (i = 1; i <= FORGED; i++)
		if (i != k && i != now.kid[0].peer && flow_of(0, i)->last != NEVER)
			return false;
	return !(now.kid[0].here && now.kid[0].spi == k) && now.kid[0].peer != k &&
	       (k == FORGED || k == now.kid[0].row || k == now.kid[0].old || k == now.kid[0].spi);
}

static void forge(unsigned int k)
{
	now.forged += !!FORGERIES;
	drop(0, k);
}

/* ---- what breaks ---- */

static void lose(unsigned int c)
{
	leaves_kernel(c);
	now.kid[c].delivered = 0;
	now.kid[c].fails = 0;
	now.kid[c].fail_age = 0;
	now.look = 1;
}

static void daemon_forgets(enum sa_end end, bool earlier_boot)
{
	struct kid_t *kid;
	unsigned int c;

	now.daemon = DAEMON_ABSENT;
	now.ike = IKE_NONE;
	now.ike_id = 0;
	now.ike_ours = 0;
	now.reauth = 0;
	now.task_age = NEVER;
	memset(now.snap, 0, sizeof(now.snap));
	forget_failures();
	for (c = 0; c < CHILDREN; c++) {
		kid = &now.kid[c];
		leaves_kernel(c);
		kid->spi = 0;
		kid->id = 0;
		kid->task = TASK_NONE;
		kid->ours = 0;
		if (!kid->row || (kid->row_end != END_NONE && kid->row_end != END_KERNEL_LOST))
			continue;
		kid->row_end = (unsigned char)end;
		kid->row_age = earlier_boot ? NEVER : 0;
	}
}

static void daemon_crash(void)
{
	unsigned int i;

	enter();
	daemon_forgets(END_DAEMON_LOST, false);
	recover_daemon_lost(&d, false);
	for (i = 0; i < RECOVERIES; i++) {
		if (!asked[i].r)
			continue;
		if (asked[i].request != REQ_LIST)
			asked[i].request = REQ_DONE;
		asked[i].err = -ENOTCONN;
		asked[i].until = 0;
		asked[i].about = 0;
	}
	leave();
}

static void daemon_back(void)
{
	now.daemon = DAEMON_SETTLING;
}

static void daemon_settles(void)
{
	enter();
	now.daemon = DAEMON_READY;
	now.look = 1;
	recover_resume(&d);
	leave();
}

static void helper_restart(void)
{
	unsigned int c;

	memset(&now.helper, 0, sizeof(now.helper));
	now.helper.slots = IN_FLIGHT;
	memset(now.snap, 0, sizeof(now.snap));
	now.look = 1;
	now.looking = 0;
	now.task_age = NEVER;
	now.uncertain_age = NEVER;
	now.disrupted_age = NEVER;
	now.ike_ours = 0;
	forget_failures();
	for (c = 0; c < CHILDREN; c++) {
		now.kid[c].left = 0;
		now.kid[c].looked = NEVER;
		now.kid[c].watched = 0;
		now.kid[c].ours = 0;
		now.kid[c].asked = 0;
	}
	for (c = 0; c < FLOWS; c++) {
		now.flow[c].seen = NEVER;
		now.flow[c].looked = NEVER;
	}
}

static void machine_reboot(void)
{
	unsigned int c;

	daemon_forgets(END_MACHINE_DOWN, true);
	helper_restart();
	for (c = 0; c < CHILDREN; c++)
		now.kid[c].old_age = NEVER;
	for (c = 0; c < FLOWS; c++)
		flow_off(&now.flow[c]);
}

static void peer_reboot(void)
{
	unsigned int c;

	now.peer_ike = 0;
	for (c = 0; c < CHILDREN; c++)
		now.kid[c].peer = 0;
}

static void peer_closes(unsigned int c)
{
	enter();
	now.kid[c].peer = 0;
	child_ends(c, END_DELETED_PEER);
	task_ends(c, -EIO);
	leave();
}

static void by_hand(unsigned int c)
{
	enter();
	if (now.peer_ike && now.answers)
		now.kid[c].peer = 0;
	child_ends(c, END_OPERATOR);
	task_ends(c, -EIO);
	leave();
}

static void own_rekey(unsigned int c)
{
	now.exchange_age = 0;
	now.kid[c].task = TASK_REKEY;
	now.kid[c].ours = 0;
}

/* The peer brings up all that it wants, which takes the place of what was there. */
static void peer_comes(void)
{
	unsigned int c;

	enter();
	if (now.ike != IKE_NONE)
		ike_ends(END_REPLACED, -EIO);
	now.ike_id = new_id();
	ike_comes_up();
	for (c = 0; c < CHILDREN; c++)
		child_comes_up(c);
	leave();
}

/* ---- time ---- */

static bool unanswered(void)
{
	unsigned int c;

	if (can_answer_ike() || can_answer_reauth())
		return true;
	for (c = 0; c < CHILDREN; c++)
		if (can_answer_child(c))
			return true;
	return false;
}

/* All that is due has happened; in calm times everybody does what he can. */
static bool can_tick(void)
{
	unsigned int i;

	if (now.traffic || !now.looked || now.look || now.looking)
		return false;
	for (i = 0; i < RECOVERIES; i++)
		if (timer_due(i) || reply_ready(i))
			return false;
	return !now.calm || (!unanswered() && now.daemon != DAEMON_ABSENT);
}

static void become_calm(void)
{
	now.answers = 1;
	now.refuses = 0;
	now.hold = 0;
}

static void older(signed char *t)
{
	if (*t != T_LONG_AGO && *t != T_NEVER)
		--*t;
}

static void helper_gets_older(void)
{
	struct packed_recovery *r;
	struct packed_attempt *a;
	unsigned int i;

	for (i = 0; i < ATTEMPTS && now.helper.attempt[i].used; i++) {
		a = &now.helper.attempt[i];
		older(&a->next_try);
		older(&a->gave_up_at);
		older(&a->begun_at);
		older(&a->in_step_at);
		older(&a->g1_since);
		older(&a->disrupted_at);
		older(&a->removed_since);
		older(&a->unlisted_since);
		older(&a->first_drop);
	}
	for (i = 0; i < RECOVERIES && now.helper.recovery[i].used; i++) {
		r = &now.helper.recovery[i];
		older(&r->first_drop);
		older(&r->started);
		older(&r->last_drop);
		if (r->timer)
			r->due--;
		if (r->request == REQ_INITIATE)
			r->until--;
	}
	/* ... which makes some of it as old as it can get. */
	enter();
	leave();
}

/*
 * Ages end at OLD, their order must not: what has come in after a flow was seen and
 * looked at, or after what is owed began, stays younger than that.
 */
static bool stays_young(const struct kid_t *kid)
{
	unsigned int i;

	for (i = 0; i < FLOWS; i++)
		if (now.flow[i].last != NEVER &&
		    ((kid->since == OLD - 2 && now.flow[i].seen == OLD) ||
		     (kid->since == OLD - 1 && now.flow[i].looked == OLD)))
			return true;
	for (i = 0; i < CHILDREN; i++)
		if (now.kid[i].left && kid->since == OLD - 1 && now.kid[i].looked == OLD)
			return true;
	for (i = 0; i < ATTEMPTS; i++)
		if (now.helper.attempt[i].used && kid->since == OLD - 1 &&
		    now.helper.attempt[i].first_drop == -OLD)
			return true;
	return false;
}

static void kid_gets_older(struct kid_t *kid)
{
	get_older(&kid->left_age, GIVE_UP_GAP);
	if (kid->left != kid->spi && kid->left_age >= IN_PASSING)
		kid->left = 0;
	if (!kid->left) {
		kid->left_age = 0;
		kid->looked = NEVER;
	}
	if (kid->looked != NEVER)
		get_older(&kid->looked, OLD);
	if (!stays_young(kid))
		get_older(&kid->since, OLD);
	get_older(&kid->up_age, CAME_UP);
	if (kid->fails)
		get_older(&kid->fail_age, GIVE_UP_GAP);
	if (kid->fail_age == GIVE_UP_GAP) {
		kid->fails = 0;
		kid->fail_age = 0;
	}
	if (kid->row_end != END_NONE)
		get_older(&kid->row_age,
			  is_wanted((enum sa_end)kid->row_end) ? GIVE_UP_GAP : IN_PASSING);
	if (kid->old)
		get_older(&kid->old_age, IN_PASSING);
}

static void flow_gets_older(struct flow_t *f)
{
	if (f->last == NEVER)
		return;
	get_older(&f->first, OLD);
	get_older(&f->last, OLD);
	get_older(&f->seen, OLD);
	if (f->looked != NEVER)
		get_older(&f->looked, OLD);
	if (f->last > QUIET + 1)
		flow_off(f);
}

/* The daemon gives up on a peer that does not answer. */
static void daemon_gives_up(void)
{
	enter();
	ike_ends(END_GAVE_UP, -EIO);
	leave();
}

static bool is_exchanging(void)
{
	unsigned int c;

	if (now.ike == IKE_HALF || now.reauth)
		return true;
	for (c = 0; c < CHILDREN; c++)
		if (now.kid[c].task != TASK_NONE)
			return true;
	return false;
}

/* Since when nothing has come in is asked about flows, what is lost, and what is owed. */
static void forget_counters(void)
{
	unsigned int i;

	for (i = 0; i < FLOWS; i++)
		if (now.flow[i].last != NEVER)
			return;
	for (i = 0; i < CHILDREN; i++)
		if (now.kid[i].left && now.kid[i].left == now.kid[i].spi && !now.kid[i].here)
			return;
	for (i = 0; i < ATTEMPTS; i++)
		if (now.helper.attempt[i].first_drop != T_LONG_AGO && now.helper.attempt[i].used)
			return;
	for (i = 0; i < CHILDREN; i++) {
		now.kid[i].since = NEVER;
		if (!now.kid[i].spi || now.kid[i].here)
			now.kid[i].delivered = 0;
	}
}

static void tick(void)
{
	unsigned int c;

	now.looked = 0;
	now.traffic = 1;
	take_snap(&now.snap[0]);
	for (c = 0; c < CHILDREN; c++)
		kid_gets_older(&now.kid[c]);
	for (c = 0; c < FLOWS; c++)
		flow_gets_older(&now.flow[c]);
	get_older(&now.uncertain_age, UNCERTAIN_PEER);
	get_older(&now.disrupted_age, DISRUPTIVE_GAP);
	get_older(&now.task_age, RETRANSMIT);
	if (now.fails)
		get_older(&now.fail_age, GIVE_UP_GAP);
	if (now.fail_age == GIVE_UP_GAP) {
		now.fails = 0;
		now.fail_age = 0;
	}
	helper_gets_older();
	forget_counters();
	if (now.daemon == DAEMON_SETTLING)
		daemon_settles();
	if (!is_exchanging())
		now.exchange_age = 0;
	else if (++now.exchange_age > RETRANSMIT)
		daemon_gives_up();
}

/* ---- the beginning, and the end that is hoped for ---- */

static void begin(void)
{
	unsigned int c;

	log_level(getenv("VERBOSE") ? LOG_DEBUG : -1);
	d.conf = &conf;
	d.ike = (struct ike *)&d;
	d.nl = (struct invspi_nl *)&d;
	d.ike_since = INT64_MAX / 2; /* no other keyer */
	now.daemon = DAEMON_READY;
	now.ike = IKE_UP;
	now.ike_id = 1;
	now.peer_ike = 1;
	now.helper.slots = IN_FLIGHT;
	for (c = 0; c < FLOWS; c++)
		flow_off(&now.flow[c]);
	for (c = 0; c < CHILDREN; c++) {
		now.kid[c].spi = 1;
		now.kid[c].id = (unsigned char)(c + 1);
		now.kid[c].row = 1;
		now.kid[c].peer = 1;
		now.kid[c].here = 1;
		now.kid[c].since = NEVER;
		now.kid[c].looked = NEVER;
		now.kid[c].up_age = CAME_UP;
	}
}

/* Has the helper something to bring up, whatever comes in? */
static bool is_owed(void)
{
	unsigned int i;

	for (i = 0; i < ATTEMPTS; i++)
		if (now.helper.attempt[i].used && now.helper.attempt[i].flags & 8)
			return true;
	return false;
}

/*
 * A child that should be up carries what the peer sends. Where there is no IKE_SA, and the
 * SPI is none that the history ever saw, that may be anybody's: it is reported, and no more
 * (a machine that goes down at the very moment at which the child has come up).
 */
static bool all_well(void)
{
	unsigned int c;

	for (c = 0; c < CHILDREN; c++) {
		const struct kid_t *kid = &now.kid[c];

		if (kid->row && !is_wanted((enum sa_end)kid->row_end))
			continue;
		if (kid->spi && !kid->here)
			return false;
		if (now.ike == IKE_NONE && kid->peer != kid->row && kid->peer != kid->old &&
		    !is_owed())
			continue;
		if (kid->peer && kid->peer != kid->spi)
			return false;
	}
	return true;
}
