// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the helper remembers, as struct packed and back. Included by helper.c.
 */

/* ---- times ---- */

static signed char pack_time(int64_t t)
{
	int64_t ticks = (t - NOW) / UNIT_MS;

	if (t == LONG_AGO || !t)
		return T_LONG_AGO;
	if (t == INT64_MAX)
		return T_NEVER;
	if ((t - NOW) % UNIT_MS || ticks <= T_LONG_AGO || ticks >= T_NEVER)
		now.bad = BAD_MEMORY;
	return (signed char)ticks;
}

static int64_t unpack_time(signed char t, int64_t none)
{
	return t == T_LONG_AGO ? none : t == T_NEVER ? INT64_MAX : NOW + (int64_t)t * UNIT_MS;
}

/* What is older than anybody asks for is @then. */
static void forget(int64_t *t, int64_t ticks, int64_t then)
{
	if (*t < AGO(ticks))
		*t = then;
}

/* ---- attempts ---- */

static void pack_flow(struct packed_flow *p, struct invspi_flow *f)
{
	uint64_t age = f->last_age_ms / UNIT_MS;
	unsigned int c = f->spi >> 4 & 1, k = f->spi & 7;

	memset(p, 0, sizeof(*p));
	if (!f->spi) {
		memset(f, 0, sizeof(*f));
		return;
	}
	if (age > QUIET + 1)
		age = QUIET + 1;
	make_flow(f, c, k);
	f->last_age_ms = age * UNIT_MS;
	p->kid = (unsigned char)c;
	p->spi = (unsigned char)k;
	p->last_age = (unsigned char)age;
}

static void unpack_flow(const struct packed_flow *p, struct invspi_flow *f)
{
	memset(f, 0, sizeof(*f));
	if (!p->spi)
		return;
	make_flow(f, p->kid, p->spi);
	f->last_age_ms = (uint64_t)p->last_age * UNIT_MS;
}

#define FLAG(bit, member) ((member) ? 1u << (bit) : 0)

/* Is there a flow that began before that? */
static bool is_flow_since(int64_t t)
{
	unsigned int i;

	for (i = 0; t != LONG_AGO && i < FLOWS; i++)
		if (now.flow[i].last != NEVER && AGO(now.flow[i].first) <= t)
			return true;
	return false;
}

/* Without what nobody asks for any more, and what only the log tells. */
static void tidy_attempt(struct attempt *a)
{
	if (a->next_try <= NOW)
		a->next_try = LONG_AGO;
	else
		a->next_try = NOW + (a->next_try - NOW + TICK_MS - 1) / TICK_MS * TICK_MS;
	if (a->gave_up_at != LONG_AGO)
		forget(&a->gave_up_at, GIVE_UP_GAP, AGO(GIVE_UP_GAP));
	forget(&a->begun_at, UNCERTAIN_PEER, LONG_AGO);
	if (!is_flow_since(a->in_step_at))
		a->in_step_at = LONG_AGO;
	else
		forget(&a->in_step_at, OLD, AGO(OLD));
	forget(&a->g1_since, RETRANSMIT, AGO(RETRANSMIT));
	forget(&a->disrupted_at, DISRUPTIVE_GAP, LONG_AGO);
	if (a->removed_since < AGO(SPLIT_BRAIN)) {
		a->removed_since = 0;
		a->removed = 0;
	}
	if (a->unlisted_since)
		forget(&a->unlisted_since, RESUME + 1, AGO(RESUME + 1));
	/* What it was begun for is asked for only as long as it may go on. */
	if (!a->owed && !a->unlisted_since) {
		memset(&a->cause, 0, sizeof(a->cause));
		memset(a->cause_child, 0, sizeof(a->cause_child));
		a->first_drop = 0;
		a->copied = 0;
	}
	if (a->first_drop)
		forget(&a->first_drop, OLD, AGO(OLD));
	a->outcome = 0;
}

static void pack_attempt(struct packed_attempt *p, struct attempt *a)
{
	memset(p, 0, sizeof(*p));
	tidy_attempt(a);
	p->used = 1;
	p->grade = (unsigned char)a->grade;
	p->kid = kid_of(a->child);
	p->attempts = (unsigned char)a->attempts;
	p->removed = (unsigned char)a->removed;
	p->flags = FLAG(0, a->refused) | FLAG(1, a->recreated) | FLAG(2, a->reauthenticated) |
		   FLAG(3, a->owed) | FLAG(4, a->took_down) | FLAG(5, a->brought_up) |
		   FLAG(6, a->copied);
	p->next_try = pack_time(a->next_try);
	p->gave_up_at = pack_time(a->gave_up_at);
	p->begun_at = pack_time(a->begun_at);
	p->in_step_at = pack_time(a->in_step_at);
	p->g1_since = pack_time(a->g1_since);
	p->disrupted_at = pack_time(a->disrupted_at);
	p->removed_since = pack_time(a->removed_since);
	p->unlisted_since = pack_time(a->unlisted_since);
	p->first_drop = pack_time(a->first_drop);
	pack_flow(&p->cause, &a->cause);
	p->cause_kid = kid_of(a->cause_child);
}

static void unpack_attempt(const struct packed_attempt *p, struct attempt *a)
{
	memset(a, 0, sizeof(*a));
	strcpy(a->conn, "gw");
	strcpy(a->peer, "gw");
	strcpy(a->child, name_of(p->kid));
	a->grade = (enum grade)p->grade;
	a->attempts = p->attempts;
	a->removed = p->removed;
	a->refused = p->flags & 1;
	a->recreated = p->flags & 2;
	a->reauthenticated = p->flags & 4;
	a->owed = p->flags & 8;
	a->took_down = p->flags & 16;
	a->brought_up = p->flags & 32;
	a->copied = p->flags & 64;
	a->next_try = unpack_time(p->next_try, LONG_AGO);
	a->gave_up_at = unpack_time(p->gave_up_at, LONG_AGO);
	a->begun_at = unpack_time(p->begun_at, LONG_AGO);
	a->in_step_at = unpack_time(p->in_step_at, LONG_AGO);
	a->g1_since = unpack_time(p->g1_since, LONG_AGO);
	a->disrupted_at = unpack_time(p->disrupted_at, LONG_AGO);
	a->removed_since = unpack_time(p->removed_since, 0);
	a->unlisted_since = unpack_time(p->unlisted_since, 0);
	a->first_drop = unpack_time(p->first_drop, 0);
	unpack_flow(&p->cause, &a->cause);
	strcpy(a->cause_child, name_of(p->cause_kid));
}

/* ---- recoveries ---- */

static struct asked *asked_by(const struct recovery *r)
{
	unsigned int i;

	for (i = 0; i < RECOVERIES; i++)
		if (asked[i].r == r)
			return &asked[i];
	return NULL;
}

static void tidy_recovery(struct recovery *r)
{
	forget(&r->first_drop, OLD, AGO(OLD));
	r->verdict = 0;
	r->first_new = 0;
	r->new_spi = 0;
	forget(&r->v.started, VERIFY_TIMEOUT_MS / TICK_MS, AGO(VERIFY_TIMEOUT_MS / TICK_MS));
	if (r->v.last_drop != LONG_AGO)
		forget(&r->v.last_drop, 2, AGO(2));
	if (r->timer.timer_cb && r->timer.timeout < NOW)
		r->timer.timeout = NOW;
}

static void pack_recovery(struct packed_recovery *p, struct recovery *r)
{
	const struct asked *q = asked_by(r);
	size_t i;

	memset(p, 0, sizeof(*p));
	tidy_recovery(r);
	p->used = 1;
	p->grade = (unsigned char)r->grade;
	p->action = (unsigned char)r->action;
	p->kid = kid_of(r->child);
	p->old_id = (unsigned char)r->old_id;
	p->ike_id = (unsigned char)r->ike_id;
	p->half_made = (unsigned char)r->half_made;
	p->ending = (unsigned char)r->ending;
	p->half_made_looks = (unsigned char)r->half_made_looks;
	p->refusals = (unsigned char)r->refusals;
	p->nnames = (unsigned char)r->nnames;
	p->cur = (unsigned char)r->cur;
	for (i = 0; i < r->nnames; i++)
		p->names[i] = kid_of(r->names[i]);
	p->flags = (unsigned short)(FLAG(0, r->v.new_sa) | FLAG(1, r->v.new_moved) |
				    FLAG(2, r->v.refused) | FLAG(3, r->v.no_flow) |
				    FLAG(4, r->initiated) | FLAG(5, r->timed_out) |
				    FLAG(6, r->polling) | FLAG(7, r->done) | FLAG(8, r->slot) |
				    FLAG(9, r->has_ike) | FLAG(10, r->came_up) |
				    FLAG(11, r->again) | FLAG(12, r->peer_came));
	p->first_drop = pack_time(r->first_drop);
	p->started = pack_time(r->v.started);
	p->last_drop = pack_time(r->v.last_drop);
	pack_flow(&p->flow, &r->flow);
	p->timer = pack_function((void *)r->timer.timer_cb);
	p->due = p->timer ? pack_time((int64_t)r->timer.timeout) : 0;
	if (!q)
		return;
	p->request = (unsigned char)q->request;
	p->done = pack_function(q->list ? (void *)q->list : (void *)q->done);
	p->about = (unsigned char)q->about;
	p->until = q->until ? pack_time(q->until) : 0;
	p->err = (signed char)q->err;
}

static void unpack_asked(const struct packed_recovery *p, struct recovery *r, struct asked *q)
{
	memset(q, 0, sizeof(*q));
	if (!p->request)
		return;
	q->r = r;
	q->request = (enum request)p->request;
	if (q->request == REQ_LIST)
		q->list = (ike_list_cb)functions[p->done];
	else
		q->done = (ike_done_cb)functions[p->done];
	q->about = p->about;
	q->until = q->request == REQ_INITIATE ? NOW + (int64_t)p->until * UNIT_MS : 0;
	q->err = p->err;
}

static void unpack_recovery(const struct packed_recovery *p, struct recovery *r)
{
	unsigned int i;

	memset(r, 0, sizeof(*r));
	r->d = &d;
	strcpy(r->conn, "gw");
	strcpy(r->peer, "gw");
	strcpy(r->ike, "gw");
	strcpy(r->child, name_of(p->kid));
	r->grade = (enum grade)p->grade;
	r->action = (enum action)p->action;
	r->old_id = p->old_id;
	r->ike_id = p->ike_id;
	r->half_made = p->half_made;
	r->ending = p->ending;
	r->half_made_looks = p->half_made_looks;
	r->refusals = p->refusals;
	for (i = 0; i < p->nnames; i++)
		if (!recovery_add_name(r, name_of(p->names[i])))
			abort();
	r->cur = p->cur;
	r->v.new_sa = p->flags & 1;
	r->v.new_moved = p->flags & 2;
	r->v.refused = p->flags & 4;
	r->v.no_flow = p->flags & 8;
	r->initiated = p->flags & 16;
	r->timed_out = p->flags & 32;
	r->polling = p->flags & 64;
	r->done = p->flags & 128;
	r->slot = p->flags & 256;
	r->has_ike = p->flags & 512;
	r->came_up = p->flags & 1024;
	r->again = p->flags & 2048;
	r->peer_came = p->flags & 4096;
	r->first_drop = unpack_time(p->first_drop, LONG_AGO);
	r->v.started = unpack_time(p->started, LONG_AGO);
	r->v.last_drop = unpack_time(p->last_drop, LONG_AGO);
	unpack_flow(&p->flow, &r->flow);
	r->timer.data = r;
	r->timer.timer_cb = (uv_timer_cb)functions[p->timer];
	r->timer.timeout = p->timer ? (uint64_t)(NOW + (int64_t)p->due * UNIT_MS) : 0;
}

/* ---- all of it ---- */

static void free_recovery(struct recovery *r)
{
	size_t i;

	for (i = 0; i < r->nnames; i++)
		free(r->names[i]);
	free(r->names);
	free(r);
}

static void free_all(void)
{
	struct recovery *r;
	unsigned int i;

	attempts_free(&d);
	while ((r = d.recoveries)) {
		d.recoveries = r->next;
		free_recovery(r);
	}
	for (i = 0; i < nclosed; i++)
		free_recovery(closed[i]);
	nclosed = 0;
}

static void unpack(void)
{
	struct attempt *a, **pa = &d.attempts;
	struct recovery *r, **pr = &d.recoveries;
	unsigned int i;

	memset(asked, 0, sizeof(asked));
	for (i = 0; i < ATTEMPTS && now.helper.attempt[i].used; i++) {
		a = calloc(1, sizeof(*a));
		unpack_attempt(&now.helper.attempt[i], a);
		*pa = a;
		pa = &a->next;
	}
	*pa = NULL;
	for (i = 0; i < RECOVERIES && now.helper.recovery[i].used; i++) {
		r = calloc(1, sizeof(*r));
		unpack_recovery(&now.helper.recovery[i], r);
		unpack_asked(&now.helper.recovery[i], r, &asked[i]);
		*pr = r;
		pr = &r->next;
	}
	*pr = NULL;
	d.in_flight = now.helper.in_flight;
	d.uncertain_in_flight = now.helper.uncertain_in_flight;
	d.slots = now.helper.slots;
	d.uncertain_tokens = conf.limits.uncertain_all;
	d.uncertain_at = NOW;
}

/* Is what was packed all that there is? Unpacked again it must be the same to the byte. */
static void must_be_all(void)
{
	struct recovery *r, again_r;
	struct attempt *a, again_a;
	unsigned int i, n = 0;

	for (a = d.attempts; a && n < ATTEMPTS; a = a->next, n++) {
		unpack_attempt(&now.helper.attempt[n], &again_a);
		again_a.next = a->next;
		if (memcmp(a, &again_a, sizeof(*a)))
			now.bad = BAD_MEMORY;
	}
	for (r = d.recoveries, i = 0; r && i < RECOVERIES; r = r->next, i++) {
		unpack_recovery(&now.helper.recovery[i], &again_r);
		again_r.next = r->next;
		for (n = 0; n < again_r.nnames; n++)
			free(again_r.names[n]);
		free(again_r.names);
		again_r.names = r->names;
		memcpy(&again_r.timer, &r->timer, sizeof(r->timer));
		if (memcmp(r, &again_r, sizeof(*r)))
			now.bad = BAD_MEMORY;
	}
	if (a || r)
		now.bad = BAD_MEMORY;
}

/* One that remembers nothing is as good as none. */
static bool is_blank(const struct packed_attempt *p)
{
	static const struct packed_attempt blank = {
		.next_try = T_LONG_AGO,
		.gave_up_at = T_LONG_AGO,
		.begun_at = T_LONG_AGO,
		.in_step_at = T_LONG_AGO,
		.g1_since = T_NEVER,
		.disrupted_at = T_LONG_AGO,
		.removed_since = T_LONG_AGO,
		.unlisted_since = T_LONG_AGO,
		.first_drop = T_LONG_AGO,
	};
	struct packed_attempt copy = *p;

	copy.used = 0;
	copy.grade = 0;
	copy.kid = 0;
	return !memcmp(&copy, &blank, sizeof(copy));
}

static void pack(void)
{
	struct attempt *a, **pa = &d.attempts;
	struct recovery *r;
	unsigned int i = 0;

	memset(&now.helper, 0, sizeof(now.helper));
	while ((a = *pa) && i < ATTEMPTS) {
		pack_attempt(&now.helper.attempt[i], a);
		if (!is_blank(&now.helper.attempt[i])) {
			pa = &a->next;
			i++;
			continue;
		}
		memset(&now.helper.attempt[i], 0, sizeof(now.helper.attempt[i]));
		*pa = a->next;
		free(a);
	}
	for (r = d.recoveries, i = 0; r && i < RECOVERIES; r = r->next)
		pack_recovery(&now.helper.recovery[i++], r);
	now.helper.in_flight = (unsigned char)d.in_flight;
	now.helper.uncertain_in_flight = (unsigned char)d.uncertain_in_flight;
	now.helper.slots = (unsigned char)d.slots;
	must_be_all();
	free_all();
}
