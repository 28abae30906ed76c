// SPDX-License-Identifier: GPL-2.0-only
/*
 * Listings from pluto, and commands to it. Each is one struct whack_op from the call to
 * its callback, which comes exactly once and never from inside the call. One whack
 * serves all that wait for a listing when it is started.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ike_whack_int.h"
#include "intern.h"
#include "listing.h"
#include "log.h"

#define MISSING_SEEN 5 /* so often in a row: then it is pluto who is wrong */
#define DEAF_MS 10000 /* pluto has answered nothing for so long: not to be relied on */
#define GONE_WATCH_MS 3000 /* so long a state may still be listed that was deleted */
#define HINT_MS 20 /* the kernel's events come in pairs at least */
#define HINT_MAX_MS 1000
#define HINT_SHARE 4 /* hinted listings take a fifth of the time at most */

/* ---- operations ---- */

/*
 * Memory for a few pointers must be there: without it a callback that was promised
 * could not come.
 */
struct whack_op *whack_op_new(struct ike_whack *ike, enum whack_op_kind kind, void *arg)
{
	struct whack_op *op = calloc(1, sizeof(*op)), **last = &ike->op;

	if (!op)
		abort();
	op->kind = kind;
	op->arg = arg;
	op->asked = now_ms();
	while (*last)
		last = &(*last)->next;
	*last = op;
	return op;
}

static void op_free(struct whack_op *op)
{
	free(op->conn);
	free(op);
}

static void op_take(struct ike_whack *ike, struct whack_op *op)
{
	struct whack_op **p = &ike->op;

	/* It is in the list: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	while (*p != op)
		p = &(*p)->next;
	*p = op->next;
}

void whack_op_end(struct ike_whack *ike, struct whack_op *op, int err, const char *why)
{
	op_take(ike, op);
	if (op->list_cb)
		op->list_cb(op->arg, err, NULL);
	else if (op->done_cb)
		op->done_cb(op->arg, err, err ? why : NULL);
	op_free(op);
}

void whack_op_later(struct ike_whack *ike, struct whack_op *op, int err, const char *why)
{
	op->kind = OP_DONE;
	op->err = err;
	op->why = why;
	whack_arm_soon(ike);
}

/* The first one that is so; callbacks may add and end others. */
static struct whack_op *op_find(const struct ike_whack *ike, enum whack_op_kind kind, bool running)
{
	struct whack_op *op = ike->op;

	while (op && (op->kind != kind || op->running != running || op->watched))
		op = op->next;
	return op;
}

void whack_cancel(struct ike_whack *ike, int err)
{
	while (ike->op)
		whack_op_end(ike, ike->op, err, "the IKE daemon is gone");
}

/* ---- when ---- */

static void on_soon(uv_timer_t *timer)
{
	struct ike_whack *ike = timer->data;
	struct whack_op *op;

	while (!ike->freed && (op = op_find(ike, OP_DONE, false)))
		whack_op_end(ike, op, op->err, op->why);
	if (ike->freed)
		return;
	whack_pump(ike);
	whack_arm_soon(ike);
}

void whack_arm_soon(struct ike_whack *ike)
{
	int64_t wait = ike->list_at == INT64_MAX ? INT64_MAX : ike->list_at - now_ms();

	if (op_find(ike, OP_DONE, false))
		wait = 0;
	else if (!ike->connected || ike->run_since)
		return; /* the end of what runs comes here again */
	if (ike->freed || wait == INT64_MAX)
		return;
	uv_timer_start(&ike->soon, on_soon, wait > 0 ? (uint64_t)wait : 0, 0);
}

void whack_list_within(struct ike_whack *ike, int64_t ms)
{
	int64_t at = now_ms() + ms;

	if (at < ike->list_at)
		ike->list_at = at;
	whack_arm_soon(ike);
}

/* The kernel's SAs have changed: most likely it was pluto. */
void ike_whack_hint(struct ike_backend *b)
{
	struct ike_whack *ike = ike_whack(b);
	int64_t wait = ike->cost_ms * HINT_SHARE;

	if (ike->freed || !ike->connected)
		return;
	wait = wait < HINT_MS ? HINT_MS : wait > HINT_MAX_MS ? HINT_MAX_MS : wait;
	whack_list_within(ike, wait);
}

/* ---- listings ---- */

static void list_failed(struct ike_whack *ike, int err)
{
	struct whack_op *op;

	while (!ike->freed && (op = op_find(ike, OP_LIST, true)))
		whack_op_end(ike, op, err, NULL);
}

static void list_told(struct ike_whack *ike, struct ike_listing *l)
{
	struct whack_op *op;

	while (!ike->freed && (op = op_find(ike, OP_LIST, true))) {
		op_take(ike, op);
		op->list_cb(op->arg, 0, l);
		op_free(op);
	}
}

static struct ike_listing *listing_new(const struct ike_whack *ike)
{
	struct ike_listing *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->ref = 1;
	l->started = ike->run_since;
	l->ended = now_ms();
	l->blocking = true;
	return l;
}

/* Once for each kind of trouble, and not again while it lasts. */
static void tell_bad(struct ike_whack *ike, const char *what, const char *line)
{
	if (!ike->bad_told)
		log_warn("libreswan: cannot make out what whack says of %s%s%s", what,
			 line[0] ? ": " : "", line);
	ike->bad_told = true;
}

/* An instance has come that --status is not known of: its identities and selectors. */
static bool lacks_instance(const struct ike_whack *ike, const struct whack_states *s)
{
	const struct whack_conn *c;
	size_t i;

	for (i = 0; i < s->n; i++) {
		if (!s->state[i].name.instance || s->state[i].kind != WHACK_CHILD)
			continue;
		c = whack_conn_find(&ike->status, &s->state[i].name);
		if (!c || !c->name.instance)
			return true;
	}
	return false;
}

/*
 * Did pluto die while it was telling? Its own count is told first. Should it have
 * counted wrongly, it does so each time.
 */
static bool is_cut_off(struct ike_whack *ike, const struct whack_states *s)
{
	struct pollfd end = { .fd = ike->pidfd, .events = POLLIN };

	if (poll(&end, 1, 0))
		return true;
	if (s->missing != ike->missing)
		ike->missing_seen = 0;
	ike->missing = s->missing;
	return s->missing && ++ike->missing_seen < MISSING_SEEN;
}

static int read_listing(struct ike_whack *ike, const char *out, size_t len,
			struct whack_memory *memory, struct ike_listing **listing)
{
	struct whack_source src = {
		.status = ike->have_status ? &ike->status : NULL,
		.before = &ike->memory,
		.memory = memory,
		.ev = &ike->b.ev,
		.arg = ike->b.arg,
		.now = now_ms(),
		.wall = wall_ms(),
	};
	struct whack_states s;
	struct ike_listing *l;
	int err;

	err = parse_states(out, len, &s);
	if (err == -EBADMSG)
		tell_bad(ike, "its states", s.bad);
	if (err)
		return err;
	if (is_cut_off(ike, &s)) {
		whack_states_clear(&s);
		return -EIO;
	}
	ike->bad_told = false;
	src.states = &s;
	l = listing_new(ike);
	err = l ? whack_build(&src, l) : -ENOMEM;
	if (!err && s.n && s.state[s.n - 1].serial > ike->top)
		ike->top = s.state[s.n - 1].serial;
	if (!err && lacks_instance(ike, &s))
		ike->conns_at = LONG_AGO;
	whack_states_clear(&s);
	if (err && l) {
		ike_listing_put(l);
		l = NULL;
	}
	*listing = l;
	return err;
}

static void take_listing(struct ike_whack *ike, const char *out, size_t len)
{
	struct whack_memory memory = { 0 };
	struct ike_listing *l = NULL;
	int err = read_listing(ike, out, len, &memory, &l);

	if (err) {
		free(memory.known);
		list_failed(ike, err);
		return;
	}
	whack_diff(ike, l);
	if (!ike->freed) {
		ike_listing_put(ike->last);
		ike->last = ike_listing_get(l);
		free(ike->memory.known);
		ike->memory = memory;
	} else {
		free(memory.known);
	}
	list_told(ike, l);
	if (!ike->freed && whack_watch(ike, l) && !ike->freed)
		whack_list_within(ike, HINT_MAX_MS / 4);
	ike_listing_put(l);
}

/* ---- connections ---- */

static void take_status(struct ike_whack *ike, int err, const char *out, size_t len)
{
	struct whack_status status;
	struct whack_op *op;

	if (!err)
		err = parse_status(out, len, &status);
	if (err == -EBADMSG)
		tell_bad(ike, "its connections", "");
	ike->conns_at = now_ms();
	if (!err)
		ike_whack_new_status(ike, &status);
	else
		ike->conns_since = now_ms(); /* not known to be unchanged */
	while (!ike->freed && (op = op_find(ike, OP_CONNS, true)))
		whack_op_end(ike, op, err, NULL);
}

/* ---- whack ---- */

bool whack_is_command(const struct whack_op *op)
{
	return op->kind != OP_LIST && op->kind != OP_CONNS && op->kind != OP_DONE;
}

static struct whack_op *next_command(const struct ike_whack *ike)
{
	struct whack_op *op = ike->op;

	while (op && (!whack_is_command(op) || op->watched))
		op = op->next;
	return op;
}

static struct whack_op *running_command(const struct ike_whack *ike)
{
	struct whack_op *op = ike->op;

	while (op && (!whack_is_command(op) || !op->running))
		op = op->next;
	return op;
}

/* Text that helps: the first line of what whack has said, or else how it ended. */
static const char *first_line(const struct child_result *r, char *buf, size_t size)
{
	struct whack_text rest = { r->output, r->output + r->len }, line;

	if (!whack_line(&rest, &line))
		return child_result_text(r, buf, size);
	snprintf(buf, size, "%.*s", (int)(line.end - line.s), line.s);
	return buf;
}

/*
 * That whack ended well says nothing, and neither does that it did not; only a name
 * that pluto does not know (21) leads to nothing for sure.
 */
static void command_done(struct ike_whack *ike, struct whack_op *op, int err,
			 const struct child_result *r)
{
	char why[160];

	op->running = false;
	if (!err && r->end == CHILD_EXITED && r->status == 21) {
		ike->conns_at = LONG_AGO;
		err = -ENOENT;
	}
	if (err) {
		whack_op_end(ike, op, err, first_line(r, why, sizeof(why)));
		return;
	}
	if (op->kind == OP_REKEY) {
		whack_op_end(ike, op, 0, NULL);
	} else {
		op->watched = true;
		if (op->kind != OP_INITIATE)
			op->deadline = now_ms() + GONE_WATCH_MS;
	}
	if (!ike->freed)
		whack_list_within(ike, 0);
}

static void check_deaf(struct ike_whack *ike, int err)
{
	int64_t now = now_ms();

	if (!err) {
		ike->silent_since = 0;
		return;
	}
	if (!ike->silent_since)
		ike->silent_since = ike->run_since;
	ike->conns_since = now;
	if (now - ike->silent_since > DEAF_MS)
		ike_backend_state(&ike->b, DAEMON_SETTLING, "pluto does not answer whack");
}

/* 33: whack itself had trouble with pluto's socket; that is as good as no answer. */
static int whack_err(const struct child_result *r)
{
	if (r->end == CHILD_TIMED_OUT)
		return -ETIMEDOUT;
	if (r->end != CHILD_EXITED || r->status == 33)
		return -EIO;
	return r->cut ? -EMSGSIZE : 0;
}

static void on_whack(void *arg, const struct child_result *r)
{
	struct ike_whack *ike = arg;
	struct whack_op *op = running_command(ike);
	bool listing = ike->listing_run;
	int err = whack_err(r);

	ike->child = NULL;
	if (err == -ETIMEDOUT && op && whack_may_wait(op))
		err = 0;
	check_deaf(ike, err);
	if (ike->freed)
		return;
	if (listing)
		ike->cost_ms = now_ms() - ike->run_since;
	else if (!op)
		ike->status_cost_ms = now_ms() - ike->run_since;
	if (op)
		command_done(ike, op, err, r);
	else if (listing && !err)
		take_listing(ike, r->output, r->len);
	else if (listing)
		list_failed(ike, err);
	else
		take_status(ike, err, r->output, r->len);
	if (ike->freed)
		return;
	ike->run_since = 0;
	whack_pump(ike);
	whack_arm_soon(ike);
}

static void mark_running(struct ike_whack *ike, enum whack_op_kind kind)
{
	struct whack_op *op;

	for (op = ike->op; op; op = op->next)
		if (op->kind == kind)
			op->running = true;
}

/*
 * To end a half-made IKE_SA ends whatever the connection has become: not on what was
 * listed before it was asked for.
 */
static bool must_look(const struct whack_op *op)
{
	return op->kind == OP_END_IKE && op->conn && !op->looked;
}

/* Return: NULL, or why not. */
static const char *must_not(const struct ike_whack *ike, const struct whack_op *op)
{
	if (op->kind != OP_END_IKE || !op->conn)
		return NULL;
	if (!ike->last || ike->last->started < op->asked)
		return "pluto does not tell what has become of it";
	return whack_count_up(ike, op->conn) ? "the connection has come up" : NULL;
}

/* Its log will tell of it as if it were by hand. */
static void note_own(struct ike_whack *ike, const char *conn)
{
	struct whack_own *o = &ike->own[ike->next_own];

	ike->next_own = (ike->next_own + 1) % OWN;
	intern_put(o->conn);
	o->conn = intern(conn, strlen(conn));
	o->at = now_ms();
}

/* Return: false if it could not be started, and was ended. */
static bool start_command(struct ike_whack *ike, struct whack_op *op)
{
	const char *why = must_not(ike, op);
	int err = why ? -EIO : whack_call_command(ike, op, on_whack);

	op->running = true;
	if (err)
		whack_op_end(ike, op, err, why ? why : "whack cannot be started");
	else if (op->kind == OP_END_IKE && op->conn)
		note_own(ike, op->conn);
	return !err;
}

static void start_status(struct ike_whack *ike)
{
	int err = whack_call_status(ike, on_whack);

	ike->conns_news = false;
	mark_running(ike, OP_CONNS);
	if (!err)
		return;
	ike->run_since = 0;
	take_status(ike, err, NULL, 0);
}

static void start_listing(struct ike_whack *ike)
{
	int err = whack_call_listing(ike, on_whack);

	mark_running(ike, OP_LIST);
	ike->list_at = INT64_MAX;
	ike->listing_run = true;
	if (!err)
		return;
	ike->run_since = 0;
	list_failed(ike, err);
}

/**
 * whack_pump() - start the next whack, if none runs
 *
 * Commands first: whoever lists wants to see what has become of them.
 */
void whack_pump(struct ike_whack *ike)
{
	struct whack_op *op;

	while (!ike->freed && ike->connected && !ike->run_since) {
		ike->run_since = now_ms();
		ike->listing_run = false;
		op = next_command(ike);
		if (op && must_look(op)) {
			op->looked = true;
			start_listing(ike);
		} else if (op) {
			if (!start_command(ike, op))
				ike->run_since = 0;
		} else if (op_find(ike, OP_CONNS, false)) {
			start_status(ike);
		} else if (op_find(ike, OP_LIST, false) || ike->list_at <= ike->run_since) {
			start_listing(ike);
		} else {
			ike->run_since = 0;
			return;
		}
	}
}

/* It has been asked for: not from inside the call. */
void whack_begin(struct ike_whack *ike, struct whack_op *op)
{
	if (!ike->connected)
		whack_op_later(ike, op, -ENOTCONN, NULL);
	else if (!ike->run_since)
		uv_timer_start(&ike->soon, on_soon, 0, 0);
}
