// SPDX-License-Identifier: GPL-2.0-only
/*
 * Listings from strongSwan, and commands to it. Each is one struct op from the call
 * to its callback, which comes exactly once and never from inside the call.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "ike_vici_copy.h"
#include "ike_vici_int.h"
#include "listing.h"
#include "log.h"
#include "pool.h"

#define LISTING_MAX 100000 /* IKE_SAs; more is not a listing but nonsense */
#define CONNS_MAX 100000
#define CONNS_MANY 256 /* they take some memory, each time they are listed */
#define TERMINATE_MS 1000 /* then the daemon forgets the IKE_SA without the peer */
#define MARGIN_MS 2000 /* the daemon's own timeout should come first */
/* An IKE_SA that has grown so large may be too large for one message the next time. */
#define LARGE_BYTES (VICI_SEGMENT_MAX / 2)

enum op_kind {
	OP_LIST,
	OP_CONNS,
	OP_REKEY,
	OP_INITIATE,
	OP_TERMINATE,
	OP_END_CHILD,
	OP_LOAD,
	OP_UNLOAD,
};

/**
 * struct op - something asked for
 * @told: the callback has come (ike_free()), the connection's answer has not
 * @err: of what came so far: one bad item spoils the whole listing
 * @hash: of connections as they came, to see whether they changed
 * @biggest: bytes of the largest IKE_SA of a listing
 * @larges: ike->larges before it was looked for what is too large
 * @conn: whose IKE_SAs are listed, NULL for all
 */
struct op {
	struct op *next;
	struct ike_vici *ike;
	enum op_kind kind;
	ike_list_cb list_cb;
	ike_done_cb done_cb;
	void *arg;
	bool told;
	int err;
	struct ike_listing *listing;
	struct ike_conns conns;
	uint64_t hash;
	size_t biggest;
	unsigned int larges;
	char *conn;
};

static void op_unlink(struct op **list, struct op *op)
{
	while (*list && *list != op)
		list = &(*list)->next;
	if (*list)
		*list = op->next;
}

static void op_tell(struct op *op, int err, const char *errmsg)
{
	op->told = true;
	if (op->list_cb)
		op->list_cb(op->arg, err, err ? NULL : op->listing);
	else if (op->done_cb)
		op->done_cb(op->arg, err, errmsg);
}

static void op_release(struct op *op)
{
	ike_listing_put(op->listing);
	ike_conns_clear(&op->conns);
	free(op->conn);
	free(op);
}

/* The connection is done with @op. */
static void op_end(struct op *op, int err, const char *errmsg)
{
	/* A connection that we closed ourselves because the daemon was lost. */
	if (err == -ECANCELED && !op->ike->freed)
		err = -ENOTCONN;
	op_unlink(&op->ike->op, op);
	if (!op->told)
		op_tell(op, err, errmsg);
	op_release(op);
}

/* For what fails before it was asked: the callback comes from the loop all the same. */
static void op_fail(struct op *op, int err)
{
	op_unlink(&op->ike->op, op);
	op->err = err;
	op->next = op->ike->failed;
	op->ike->failed = op;
	ike_vici_arm_soon(op->ike);
}

void ike_vici_op_deliver_failed(struct ike_vici *ike)
{
	struct op *op, **last;

	while (!ike->freed && ike->failed) {
		/* They were pushed to the front: the last is the oldest. */
		for (last = &ike->failed; (*last)->next; last = &(*last)->next)
			;
		op = *last;
		*last = NULL;
		op_tell(op, op->err, NULL);
		op_release(op);
	}
}

/**
 * ike_vici_op_cancel() - end everything, for ike_free()
 * @err: for the callbacks
 *
 * Connections are closed by now. If ike_free() was called by a callback of a
 * connection that is just being closed, some of its requests are yet to end: they get
 * their callback now, and their memory goes when the connection comes to them.
 */
void ike_vici_op_cancel(struct ike_vici *ike, int err)
{
	struct op *op;

	while ((op = ike->op)) {
		ike->op = op->next;
		op_tell(op, err, NULL);
	}
	while ((op = ike->failed)) {
		ike->failed = op->next;
		op_tell(op, err, NULL);
		op_release(op);
	}
}

/*
 * Memory for a few pointers must be there: without it a callback that was promised
 * could not come.
 */
static struct op *op_new(struct ike_vici *ike, enum op_kind kind, void *arg)
{
	struct op *op = calloc(1, sizeof(*op));

	if (!op)
		abort();
	op->ike = ike;
	op->kind = kind;
	op->arg = arg;
	op->next = ike->op;
	ike->op = op;
	return op;
}

static void list_item(void *arg, const uint8_t *msg, size_t len)
{
	struct op *op = arg;
	struct ike_sa sa = { 0 };

	if (op->err)
		return;
	if (op->listing->nsa >= LISTING_MAX) {
		op->err = -EBADMSG;
		return;
	}
	if (len > op->biggest)
		op->biggest = len;
	op->err = parse_list_sa(msg, len, &sa);
	if (!op->err)
		op->err = ike_vici_listing_add(op->listing, &sa);
}

static void list_end(struct op *op, int err)
{
	op->listing->ended = now_ms();
	if (!err)
		err = listing_index(op->listing);
	op_end(op, err, NULL);
}

/* It has been looked for what is too large for one message. */
static void list_split(void *arg, int err)
{
	struct op *op = arg;
	struct ike_vici *ike = op->ike;

	op->listing->blocking = false; /* the parts did not */
	if (!err && !op->conn && op->larges == ike->larges && op->biggest <= LARGE_BYTES) {
		ike->large = false;
		ike->large_told = NULL;
	}
	list_end(op, err);
}

static void list_done(void *arg, int err, const uint8_t *msg, size_t len)
{
	struct op *op = arg;
	struct vici_answer answer = { .success = true };

	if (!err)
		err = op->err;
	if (!err)
		err = parse_answer(msg, len, &answer);
	if (!err && (!answer.success || answer.errmsg))
		err = -EBADMSG;
	free(answer.errmsg);
	if (op->biggest > LARGE_BYTES)
		op->ike->large = true;
	if (err || !op->ike->large) {
		list_end(op, err);
		return;
	}
	op->larges = op->ike->larges;
	ike_vici_split(op->ike, op->listing, op->conn, list_split, op);
}

static void conns_item(void *arg, const uint8_t *msg, size_t len)
{
	struct op *op = arg;
	struct ike_conns *c = &op->conns;
	struct vici_str original;
	struct ike_conn *conn;

	if (op->err)
		return;
	if (c->nconn >= CONNS_MAX) {
		op->err = -EBADMSG;
		return;
	}
	conn = realloc(c->conn, (c->nconn + 1) * sizeof(*conn));
	if (!conn) {
		op->err = -ENOMEM;
		return;
	}
	c->conn = conn;
	memset(&conn[c->nconn], 0, sizeof(*conn));
	conn += c->nconn;
	op->err = parse_list_conn(msg, len, conn);
	if (op->err)
		return;
	/* Copies come and go: that is no change of the configuration. */
	if (parse_copy_name((struct vici_str){ conn->name, strlen(conn->name) }, &original)) {
		op->err = ike_conns_add_copy(c, conn->name);
		ike_conn_clear(conn);
		return;
	}
	c->nconn++;
	op->hash = hash64_bytes(op->hash, msg, len);
}

static void conns_done(void *arg, int err, const uint8_t *msg, size_t len)
{
	struct op *op = arg;
	bool many;

	(void)msg;
	(void)len;
	if (!err)
		err = op->err;
	if (!err)
		err = conns_index(&op->conns);
	if (!err)
		err = ike_vici_new_conns(op->ike, &op->conns, op->hash);
	many = op->conns.nconn >= CONNS_MANY;
	op_end(op, err, NULL);
	if (many)
		memory_give_back();
}

/* An answer's words as an errno: rekey() and initiate() of vici_control.c. */
static int answer_error(const struct op *op, const struct vici_answer *a)
{
	if (op->kind == OP_LOAD)
		return -EIO;
	if (op->kind == OP_UNLOAD)
		return -ENOENT;
	if (op->kind != OP_INITIATE && !a->matches)
		return -ENOENT;
	/* Forced: the IKE_SA is gone after the timeout, though the daemon says "failed". */
	if (op->kind == OP_TERMINATE)
		return 0;
	if (a->errmsg && strstr(a->errmsg, "' not established after "))
		return -ETIMEDOUT;
	if (a->errmsg && strstr(a->errmsg, "' not found"))
		return -ENOENT;
	return -EIO;
}

static void command_done(void *arg, int err, const uint8_t *msg, size_t len)
{
	struct vici_answer a = { 0 };
	struct op *op = arg;

	if (!err)
		err = parse_answer(msg, len, &a);
	if (!err && !a.success)
		err = answer_error(op, &a);
	op_end(op, err, a.errmsg);
	free(a.errmsg);
}

static void ignore_reply(void *arg, int err, const uint8_t *msg, size_t len)
{
	(void)arg;
	(void)err;
	(void)msg;
	(void)len;
}

static void worker_closed(void *arg, int err)
{
	struct worker *w = arg;

	(void)err;
	vici_close(w->vici);
	w->vici = NULL;
}

static const struct vici_ops worker_ops = { .closed = worker_closed };

static int worker_connect(struct worker *w)
{
	struct ike_vici *ike = w->ike;
	int err;

	w->vici = vici_open(ike->loop, ike->path_tried, &worker_ops, w, &err);
	if (!w->vici)
		return err;
	w->registered = false;
	/* Another daemon may have taken the place since the events were registered. */
	if (vici_peer(w->vici) != ike->b.pid) {
		vici_close(w->vici);
		w->vici = NULL;
		return -ENOTCONN;
	}
	return 0;
}

/* An idle worker, connected. Return: 0, or -EBUSY, or why it can't be connected. */
static int worker_find(struct ike_vici *ike, bool listing, struct worker **found)
{
	struct worker *w, *idle = NULL, *empty = NULL;
	unsigned int listings = 0;

	for (w = ike->worker; w < ike->worker + WORKERS; w++) {
		if (!w->vici)
			empty = w;
		else if (vici_idle(w->vici))
			idle = w;
		else if (w->listing)
			listings++;
	}
	if (listing && listings >= WORKERS_LISTING)
		return -EBUSY;
	w = idle ? idle : empty;
	if (!w)
		return -EBUSY;
	w->listing = listing;
	*found = w;
	return w->vici ? 0 : worker_connect(w);
}

static int ask_worker(struct ike_vici *ike, const struct vici_request *q, bool listing)
{
	struct worker *w;
	int err;

	err = worker_find(ike, listing, &w);
	if (!err && listing && !w->registered) {
		err = vici_register(w->vici, "list-sa", q->timeout_ms, ignore_reply, NULL);
		w->registered = !err;
	}
	return err ? err : vici_send(w->vici, q);
}

static bool reachable(const struct ike_vici *ike)
{
	return ike->checked && ike->query;
}

void ike_vici_list(struct ike_backend *b, const char *conn, bool blocking, ike_list_cb cb,
		   void *arg)
{
	struct ike_vici *ike = ike_vici(b);
	struct vici_buf args = { 0 };
	struct vici_request q = {
		.command = "list-sas",
		.args = &args,
		.stream = "list-sa",
		.item = list_item,
		.timeout_ms = ike->timeout_ms,
		.cb = list_done,
	};
	struct op *op = op_new(ike, OP_LIST, arg);
	int err = -ENOTCONN;

	op->list_cb = cb;
	q.arg = op;
	op->listing = calloc(1, sizeof(*op->listing));
	if (conn)
		op->conn = strdup(conn);
	if (!op->listing || (conn && !op->conn)) {
		op_fail(op, -ENOMEM);
		return;
	}
	op->listing->ref = 1;
	op->listing->started = now_ms();
	op->listing->blocking = blocking;
	op->listing->filtered = conn;
	op->listing->updown = ike->b.updown;
	if (conn)
		vici_put(&args, "ike", conn);
	if (!blocking)
		vici_put(&args, "noblock", "yes");
	if (reachable(ike))
		err = blocking ? ask_worker(ike, &q, true) : vici_send(ike->query, &q);
	vici_buf_free(&args);
	if (err)
		op_fail(op, err);
}

void ike_vici_reload_conns(struct ike_backend *b, ike_done_cb cb, void *arg)
{
	struct ike_vici *ike = ike_vici(b);
	struct vici_request q = {
		.command = "list-conns",
		.stream = "list-conn",
		.item = conns_item,
		.timeout_ms = ike->timeout_ms,
		.cb = conns_done,
	};
	struct op *op = op_new(ike, OP_CONNS, arg);
	int err = -ENOTCONN;

	op->done_cb = cb;
	op->hash = HASH64_BEGIN;
	q.arg = op;
	if (reachable(ike))
		err = vici_send(ike->query, &q);
	if (err)
		op_fail(op, err);
}

static void command(struct op *op, const char *name, struct vici_buf *args, int64_t timeout_ms)
{
	struct vici_request q = {
		.command = name,
		.args = args,
		.timeout_ms = timeout_ms,
		.cb = command_done,
		.arg = op,
	};
	int err = -ENOTCONN;

	if (reachable(op->ike))
		err = ask_worker(op->ike, &q, false);
	vici_buf_free(args);
	if (err)
		op_fail(op, err);
}

void ike_vici_rekey_child(struct ike_backend *b, uint32_t child_id, ike_done_cb cb, void *arg)
{
	struct ike_vici *ike = ike_vici(b);
	struct op *op = op_new(ike, OP_REKEY, arg);
	struct vici_buf args = { 0 };

	op->done_cb = cb;
	vici_putf(&args, "child-id", "%u", child_id);
	command(op, "rekey", &args, ike->timeout_ms);
}

/* charon sends two datagrams in the time that is usual, and lets itself be told how many. */
void ike_vici_initiate(struct ike_backend *b, const char *conn, const char *child,
		       int64_t timeout_ms, bool sparing, ike_done_cb cb, void *arg)
{
	struct ike_vici *ike = ike_vici(b);
	struct op *op = op_new(ike, OP_INITIATE, arg);
	struct vici_buf args = { 0 };

	(void)sparing;
	op->done_cb = cb;
	/* 0 would be for ever, and negative ones would not wait for the result. */
	if (timeout_ms < 1)
		timeout_ms = 1;
	if (timeout_ms > INT32_MAX - MARGIN_MS)
		timeout_ms = INT32_MAX - MARGIN_MS;
	vici_put(&args, "ike", conn);
	vici_put(&args, "child", child);
	vici_putf(&args, "timeout", "%lld", (long long)timeout_ms);
	command(op, "initiate", &args, timeout_ms + MARGIN_MS);
}

void ike_vici_terminate_ike(struct ike_backend *b, uint32_t ike_id, ike_done_cb cb, void *arg)
{
	struct ike_vici *ike = ike_vici(b);
	struct op *op = op_new(ike, OP_TERMINATE, arg);
	struct vici_buf args = { 0 };

	op->done_cb = cb;
	cause_own_terminate(&ike->causes, ike_id, 0, now_ms());
	vici_putf(&args, "ike-id", "%u", ike_id);
	vici_put(&args, "force", "yes");
	vici_putf(&args, "timeout", "%d", TERMINATE_MS);
	command(op, "terminate", &args, TERMINATE_MS + MARGIN_MS);
}

void ike_vici_terminate_child(struct ike_backend *b, uint32_t child_id, int64_t timeout_ms,
			      ike_done_cb cb, void *arg)
{
	struct ike_vici *ike = ike_vici(b);
	struct op *op = op_new(ike, OP_END_CHILD, arg);
	struct vici_buf args = { 0 };

	op->done_cb = cb;
	cause_own_terminate(&ike->causes, 0, child_id, now_ms());
	vici_putf(&args, "child-id", "%u", child_id);
	vici_putf(&args, "timeout", "%lld", (long long)timeout_ms);
	command(op, "terminate", &args, timeout_ms + MARGIN_MS);
}

void ike_vici_reauth(struct ike_backend *b, uint32_t ike_id, ike_done_cb cb, void *arg)
{
	struct ike_vici *ike = ike_vici(b);
	struct op *op = op_new(ike, OP_REKEY, arg);
	struct vici_buf args = { 0 };

	op->done_cb = cb;
	vici_putf(&args, "ike-id", "%u", ike_id);
	vici_put(&args, "reauth", "yes");
	command(op, "rekey", &args, ike->timeout_ms);
}

static void queue_told(void *arg, int err, const uint8_t *msg, size_t len)
{
	struct ike_vici *ike = arg;
	uint32_t jobs;

	ike->queue_asked = false;
	if (!err && !parse_queues(msg, len, &jobs))
		ike->queued = jobs;
}

uint32_t ike_vici_queued(struct ike_backend *b)
{
	struct ike_vici *ike = ike_vici(b);
	struct vici_request q = {
		.command = "stats",
		.timeout_ms = ike->timeout_ms,
		.cb = queue_told,
		.arg = ike,
	};

	if (!ike->queue_asked && reachable(ike))
		ike->queue_asked = !vici_send(ike->query, &q);
	return ike->queued;
}

void ike_vici_load_copy(struct ike_backend *b, const struct ike_copy *copy, ike_done_cb cb,
			void *arg)
{
	struct ike_vici *ike = ike_vici(b);
	struct op *op = op_new(ike, OP_LOAD, arg);
	struct vici_buf args = { 0 };

	op->done_cb = cb;
	if (!copy_message(copy, &args)) {
		command(op, "load-conn", &args, ike->timeout_ms);
		return;
	}
	vici_buf_free(&args);
	op_fail(op, -EINVAL);
}

void ike_vici_unload_copy(struct ike_backend *b, const char *name, ike_done_cb cb, void *arg)
{
	struct ike_vici *ike = ike_vici(b);
	struct op *op = op_new(ike, OP_UNLOAD, arg);
	struct vici_buf args = { 0 };

	/*
	 * The names were perhaps told before the copy was loaded, and are the same again: so a
	 * list that has it would be kept.
	 */
	ike->names_hash = 0;
	op->done_cb = cb;
	vici_put(&args, "name", name);
	command(op, "unload-conn", &args, ike->timeout_ms);
}
