// SPDX-License-Identifier: GPL-2.0-only
/*
 * The IKE daemon of recovery.pml: what the helper asks of it, what comes of that, and
 * what the helper is told. Included by world.c.
 */

/* Everything that may hold a unique id: they are numbered anew when one is given out. */
static unsigned int all_ids(bool of_ike, unsigned char **p)
{
	struct packed_recovery *r;
	unsigned int n = 0, c, i;

	for (c = 0; !of_ike && c < CHILDREN; c++) {
		p[n++] = &now.kid[c].id;
		for (i = 0; i < 2; i++)
			p[n++] = &now.snap[i].id[c];
	}
	if (of_ike)
		p[n++] = &now.ike_id;
	for (i = 0; of_ike && i < 2; i++)
		p[n++] = &now.snap[i].ike_id;
	for (i = 0; i < RECOVERIES; i++) {
		r = &now.helper.recovery[i];
		if (!of_ike) {
			p[n++] = &r->old_id;
			continue;
		}
		p[n++] = &r->ike_id;
		p[n++] = &r->half_made;
		p[n++] = &r->ending;
	}
	return n;
}

/* Only the order of ids counts: the smallest becomes 1, and so on. Between two steps. */
static void renumber(bool of_ike)
{
	unsigned char *p[32], least, last = 0, next = 0;
	unsigned int n = all_ids(of_ike, p), i;

	for (;;) {
		least = 255;
		for (i = 0; i < n; i++)
			if (*p[i] > last && *p[i] < least)
				least = *p[i];
		if (least == 255)
			return;
		next++;
		for (i = 0; i < n; i++)
			if (*p[i] == least)
				*p[i] = next;
		last = next;
	}
}

/*
 * Nor does it matter which SPI is which: what a child has is 1, then what the history has
 * as its newest, and so on. Between two steps.
 */
static void renumber_spis(unsigned int c)
{
	struct kid_t *kid = &now.kid[c];
	unsigned char order[] = { kid->spi, kid->row, kid->peer, kid->old, kid->left, 1, 2, 3 };
	unsigned char to[FORGED + 1] = { [FORGED] = FORGED }, next = 0;
	struct flow_t was[FORGED];
	struct packed_flow *f;
	unsigned int i;

	for (i = 0; i < sizeof(order); i++)
		if (order[i] && !to[order[i]])
			to[order[i]] = ++next;
	kid->spi = to[kid->spi];
	kid->row = to[kid->row];
	kid->peer = to[kid->peer];
	kid->old = to[kid->old];
	kid->left = to[kid->left];
	for (i = 0; i < 2; i++)
		now.snap[i].spi[c] = to[now.snap[i].spi[c]];
	memcpy(was, &now.flow[c * FORGED], sizeof(was));
	for (i = 1; i <= SPIS; i++)
		*flow_of(c, to[i]) = was[i - 1];
	for (i = 0; i < ATTEMPTS + RECOVERIES; i++) {
		f = i < ATTEMPTS ? &now.helper.attempt[i].cause
				 : &now.helper.recovery[i - ATTEMPTS].flow;
		if (f->spi && f->kid == c)
			f->spi = to[f->spi];
	}
}

/* Larger than all that there are; given anew in each step. */
static unsigned char ids_given;

static unsigned char new_id(void)
{
	return 200 + ids_given++;
}

/* ---- what it has ---- */

enum daemon_state ike_state(const struct ike *ike)
{
	(void)ike;
	return (enum daemon_state)now.daemon;
}

uint64_t ike_updowns(const struct ike *ike)
{
	(void)ike;
	return now.updown;
}

enum disruptive ike_disruptive(const struct ike *ike)
{
	(void)ike;
	return DISRUPTIVE_IKE;
}

uint32_t ike_queued(struct ike *ike)
{
	(void)ike;
	return 0;
}

static char *text(const char *s)
{
	return (char *)(uintptr_t)s;
}

const struct ike_conns *ike_conns(const struct ike *ike)
{
	static struct ike_addr remote = { .family = AF_INET, .addr = { 0, 0, 0, 2 } };
	static char *names[CHILDREN];
	static struct ike_conn conn = {
		.remote = &remote,
		.nremote = 1,
		.child = names,
		.nchild = CHILDREN,
	};
	static struct ike_conns conns = { .conn = &conn, .nconn = 1 };
	unsigned int c;

	(void)ike;
	if (conn.name)
		return &conns;
	conn.name = text("gw");
	for (c = 0; c < CHILDREN; c++)
		names[c] = text(kid_names[c]);
	if (conns_index(&conns))
		abort();
	return &conns;
}

static void take_snap(struct snap_t *s)
{
	unsigned int c;

	memset(s, 0, sizeof(*s));
	s->valid = now.daemon == DAEMON_READY;
	if (!s->valid)
		return;
	s->ike = now.ike;
	s->ike_id = now.ike_id;
	s->updown = now.updown;
	s->task = now.reauth;
	for (c = 0; c < CHILDREN; c++) {
		s->spi[c] = now.kid[c].spi;
		s->id[c] = now.kid[c].id;
		s->task |= now.kid[c].task != TASK_NONE;
	}
}

/* The listing that says so; its memory is gone with ike_listing_put(). */
static struct ike_listing *listing_of(const struct snap_t *s, int64_t at)
{
	struct ike_listing *l = calloc(1, sizeof(*l));
	struct ike_child *kids = calloc(CHILDREN, sizeof(*kids)), *k;
	struct ike_sa *sa = calloc(1, sizeof(*sa));
	unsigned int c;

	l->ref = 1;
	l->started = at;
	l->ended = at;
	l->updown = s->updown;
	l->sa = sa;
	l->nsa = s->ike != IKE_NONE;
	sa->name = text("gw");
	sa->conn = text("gw");
	sa->uniqueid = s->ike_id;
	sa->version = 2;
	sa->state = s->ike == IKE_UP ? IKE_ESTABLISHED : IKE_CONNECTING;
	sa->initiator = true;
	sa->local = (struct ike_addr){ .family = AF_INET, .addr = { 0, 0, 0, 1 } };
	sa->remote = (struct ike_addr){ .family = AF_INET, .addr = { 0, 0, 0, 2 } };
	sa->local_id = text("a");
	sa->remote_id = text("b");
	sa->algs = text("");
	sa->task_child = s->ike == IKE_UP && s->task;
	sa->task_any = sa->task_child;
	sa->child = kids;
	for (c = 0; s->ike == IKE_UP && c < CHILDREN; c++) {
		if (!s->spi[c])
			continue;
		k = &kids[sa->nchild++];
		k->name = text(kid_names[c]);
		k->uniqueid = s->id[c];
		k->state = CHILD_INSTALLED;
		k->proto = IPPROTO_ESP;
		k->spi_in = spi_of(c, s->spi[c]);
		k->mode = text("");
		k->algs = text("");
		k->local_ts = text(kid_names[c]);
		k->remote_ts = text(kid_names[c]);
		k->install_age_s = now.kid[c].up_age;
	}
	if (listing_index(l))
		abort();
	return l;
}

static struct ike_listing *listing_now(void)
{
	struct snap_t s;

	take_snap(&s);
	return listing_of(&s, NOW);
}

struct ike_listing *ike_listing_get(struct ike_listing *l)
{
	l->ref++;
	return l;
}

void ike_listing_put(struct ike_listing *l)
{
	if (!l || --l->ref)
		return;
	free(l->sa->child);
	free(l->sa);
	free(l->index);
	free(l);
}

/* None lives that long here. */
void ike_listing_age(struct ike_listing *l)
{
	(void)l;
}

/* ---- what it is asked for ---- */

static struct asked *ask(struct recovery *r, enum request request, int err)
{
	unsigned int i;

	for (i = 0; i < RECOVERIES && asked[i].r; i++)
		;
	if (i == RECOVERIES)
		abort();
	asked[i] = (struct asked){ .r = r, .request = request, .err = err };
	if (now.daemon == DAEMON_ABSENT)
		asked[i] = (struct asked){ .r = r, .request = REQ_DONE, .err = -ENOTCONN };
	return &asked[i];
}

void ike_list(struct ike *ike, const char *of, bool blocking, ike_list_cb cb, void *arg)
{
	struct asked *q = ask(arg, REQ_LIST, 0);

	(void)ike;
	(void)of;
	(void)blocking;
	q->request = REQ_LIST;
	q->list = cb;
}

/* Is an exchange under way that the helper has begun? Not those of @but. */
static bool is_ours_under_way(unsigned int but)
{
	unsigned int c;

	if (now.ike_ours && (now.ike == IKE_HALF || now.reauth))
		return true;
	for (c = 0; c < CHILDREN; c++)
		if (c != but && now.kid[c].task != TASK_NONE && now.kid[c].ours)
			return true;
	return false;
}

static void begins_exchange(void)
{
	now.exchange_age = 0;
}

void ike_rekey_child(struct ike *ike, uint32_t child_id, ike_done_cb cb, void *arg)
{
	unsigned int c, k;

	(void)ike;
	for (c = 0; c < CHILDREN; c++)
		if (now.kid[c].spi && now.kid[c].id == child_id)
			break;
	if (c == CHILDREN || now.daemon == DAEMON_ABSENT) {
		ask(arg, REQ_DONE, -ENOENT)->done = cb;
		return;
	}
	/* Only beside rekeys of other children, which do not get in each other's way. */
	if (now.kid[c].task != TASK_NONE || now.reauth)
		wrong(BAD_TWO_AT_ONCE);
	for (k = 0; k < CHILDREN; k++)
		if (k != c && now.kid[k].ours && now.kid[k].task == TASK_CREATE)
			wrong(BAD_TWO_AT_ONCE);
	if (!is_ours_under_way(c))
		begins_exchange();
	now.kid[c].task = TASK_REKEY;
	now.kid[c].ours = 1;
	ask(arg, REQ_DONE, 0)->done = cb;
}

void ike_initiate(struct ike *ike, const char *of, const char *child, int64_t timeout_ms,
		  bool sparing, ike_done_cb cb, void *arg)
{
	unsigned int c = kid_of(child) - 1u;
	struct kid_t *kid = &now.kid[c];
	struct asked *q;

	(void)ike;
	(void)of;
	(void)sparing;
	if (kid->row && !is_wanted((enum sa_end)kid->row_end))
		wrong(BAD_REOPENED);
	if (now.daemon == DAEMON_ABSENT || kid->spi) {
		ask(arg, REQ_DONE, kid->spi ? -EIO : -ENOTCONN)->done = cb;
		return;
	}
	if (is_ours_under_way(CHILDREN))
		wrong(BAD_TWO_AT_ONCE);
	begins_exchange();
	if (now.ike == IKE_NONE) {
		now.ike = IKE_HALF;
		now.ike_id = new_id();
		now.ike_ours = 1;
	}
	kid->task = TASK_CREATE;
	kid->ours = 1;
	q = ask(arg, REQ_INITIATE, 0);
	q->done = cb;
	q->about = c;
	q->until = NOW + timeout_ms;
}

/* What would interrupt something, and what of it is not so. */
static void must_be_justified(const struct recovery *r)
{
	const struct kid_t *kid = &now.kid[kid_of(r->child) - 1];

	if (now.ike == IKE_HALF)
		return; /* there is nothing to interrupt yet */
	if (conf.disruptive == DISRUPTIVE_NEVER ||
	    (conf.disruptive == DISRUPTIVE_CHILD && r->action != ACTION_RECREATE))
		wrong(BAD_NOT_ALLOWED);
	if (kid->spi && kid->here)
		wrong(BAD_NOT_LOST);
	if (kid->delivered)
		wrong(BAD_HEALTHY);
	if (now.disrupted_age != NEVER && now.disrupted_age < DISRUPTIVE_GAP)
		wrong(BAD_TOO_OFTEN);
	now.disrupted_age = 0;
}

void ike_terminate_ike(struct ike *ike, uint32_t ike_id, ike_done_cb cb, void *arg)
{
	struct asked *q;

	(void)ike;
	must_be_justified(arg);
	q = ask(arg, REQ_END_IKE, 0);
	q->done = cb;
	q->about = ike_id;
}

void ike_terminate_child(struct ike *ike, uint32_t child_id, int64_t timeout_ms, ike_done_cb cb,
			 void *arg)
{
	struct asked *q;

	(void)ike;
	(void)timeout_ms;
	must_be_justified(arg);
	q = ask(arg, REQ_END_CHILD, 0);
	q->done = cb;
	q->about = child_id;
}

void ike_reauth(struct ike *ike, uint32_t ike_id, ike_done_cb cb, void *arg)
{
	(void)ike;
	must_be_justified(arg);
	if (is_ours_under_way(CHILDREN))
		wrong(BAD_TWO_AT_ONCE);
	if (now.ike != IKE_UP || now.ike_id != ike_id) {
		ask(arg, REQ_DONE, -ENOENT)->done = cb;
		return;
	}
	begins_exchange();
	now.reauth = 1;
	now.ike_ours = 1;
	ask(arg, REQ_DONE, 0)->done = cb;
}

/* ---- what becomes of SAs ---- */

static void forget_failures(void)
{
	unsigned int c;

	now.fails = 0;
	now.fail_age = 0;
	for (c = 0; c < CHILDREN; c++) {
		now.kid[c].fails = 0;
		now.kid[c].fail_age = 0;
	}
}

/* An initiation that waits for this child has its answer. */
static void initiation_ends(unsigned int c, int err)
{
	unsigned int i;

	for (i = 0; i < RECOVERIES; i++)
		if (asked[i].r && asked[i].request == REQ_INITIATE && asked[i].about == c) {
			asked[i].request = REQ_DONE;
			asked[i].err = err;
			asked[i].until = 0;
			asked[i].about = 0;
		}
}

static void task_ends(unsigned int c, int err)
{
	now.kid[c].task = TASK_NONE;
	now.kid[c].ours = 0;
	initiation_ends(c, err);
}

/* As daemon.c tells it on. */
static void child_ends(unsigned int c, enum sa_end end)
{
	unsigned char k = now.kid[c].spi;

	leaves_kernel(c);
	now.kid[c].spi = 0;
	now.kid[c].id = 0;
	if (!k)
		return;
	if (end == END_DELETED_LOCAL && recover_interrupts(&d, "gw"))
		end = END_KERNEL_LOST;
	history_end(c, k, end);
	now.look = 1;
}

static void ike_ends(enum sa_end end, int err)
{
	bool was_up = now.ike == IKE_UP;
	unsigned int c;

	now.ike = IKE_NONE;
	now.ike_id = 0;
	now.ike_ours = 0;
	now.reauth = 0;
	if (was_up) {
		now.updown = !now.updown;
		recover_ike_down(&d, "gw", "b");
	}
	for (c = 0; c < CHILDREN; c++) {
		child_ends(c, end);
		task_ends(c, err);
		now.kid[c].delivered = 0; /* what that was about has ended, too */
	}
	now.look = 1;
}

static void ike_comes_up(void)
{
	now.ike = IKE_UP;
	now.ike_ours = 0;
	now.peer_ike = 1;
	now.updown = !now.updown;
	forget_failures();
	recover_ike_up(&d, "gw", "b", now.ike_id);
}

/* The number of a new SA: one that nobody sends to or remembers, if there is one. */
static unsigned char free_spi(unsigned int c)
{
	struct kid_t *kid = &now.kid[c];
	unsigned char k, best = 0;

	for (k = 1; k <= SPIS; k++) {
		if (k == kid->spi || k == kid->peer || k == kid->row)
			continue;
		if (!best || k != kid->old)
			best = k;
		if (k != kid->old)
			break;
	}
	if (best == kid->old)
		kid->old = 0;
	if (best == kid->left)
		kid->left = 0;
	flow_off(flow_of(c, best));
	return best;
}

static void child_comes_up(unsigned int c)
{
	struct kid_t *kid = &now.kid[c];
	unsigned char was = kid->spi, k = free_spi(c);

	if (was) {
		leaves_kernel(c);
		/* on_child_rekey(): the history has the new one at once */
		history_end(c, was, END_REKEYED);
		history_add(c, k);
	}
	kid->spi = k;
	kid->id = new_id();
	kid->here = 1;
	kid->ever = 0;
	kid->moved = 0;
	kid->watched = 0;
	kid->since = NEVER;
	kid->peer = k;
	kid->up_age = 0;
	kid->fails = 0;
	kid->fail_age = 0;
	task_ends(c, 0);
	now.look = 1;
}
