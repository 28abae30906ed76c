// SPDX-License-Identifier: GPL-2.0-only
/*
 * Initiating a connection of libreswan, and what else is watched until the listings
 * show what has become of it: whack returns at once, since it would be in the way of
 * others, and what it says is no proof of anything.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ike_whack_int.h"
#include "intern.h"
#include "listing.h"

#define IDLE_LOOKS 4 /* so often nothing is to be seen of it: it was refused */
/*
 * pluto repeats itself after 0.5, 0.5, 1, 2, ... s: the fourth datagram comes at 2 s, and to
 * end a half-made IKE_SA takes two looks.
 */
#define SPARING_MS 1000

/* ---- what the listings show ---- */

static bool is_with(const struct whack_op *op, const struct ike_sa *sa)
{
	return !strcmp(sa->conn, op->conn) &&
	       (!op->host.family || ike_addr_same(&sa->remote, &op->host));
}

/*
 * Another connection to the same peer has begun an IKE_SA, and this one waits for it; or
 * there is one, on which this one has nothing yet.
 */
static bool is_awaited(const struct whack_op *op, const struct ike_sa *sa)
{
	return ((sa->state == IKE_CONNECTING && sa->initiator) || sa->task_child) &&
	       op->peer.family && ike_addr_same(&sa->remote, &op->peer);
}

/* 1: there is a new CHILD_SA; 0: it is being negotiated; -1: neither. */
static int seen(const struct whack_op *op, const struct ike_listing *l)
{
	const struct ike_sa *sa;
	int what = -1;
	size_t k;

	for (sa = l->sa; sa < ike_sa_end(l); sa++) {
		if (is_awaited(op, sa))
			what = 0;
		if (!is_with(op, sa))
			continue;
		if (sa->task_child || sa->state == IKE_CONNECTING)
			what = 0;
		for (k = 0; k < sa->nchild; k++)
			if (child_counts(&sa->child[k]) && sa->child[k].uniqueid > op->serial)
				return 1;
	}
	return what;
}

static bool is_listed(const struct ike_listing *l, const struct whack_op *op)
{
	size_t i, k;

	for (i = 0; i < l->nsa; i++) {
		if (op->kind == OP_END_IKE && l->sa[i].uniqueid == op->serial)
			return true;
		for (k = 0; k < l->sa[i].nchild; k++)
			if (op->kind == OP_END_CHILD && l->sa[i].child[k].uniqueid == op->serial)
				return true;
	}
	return false;
}

/* It has had its time, which is shorter for a peer that has answered nothing. */
static bool is_over(const struct whack_op *op, const struct ike_listing *l)
{
	const struct ike_sa *sa;
	int64_t now = now_ms();

	if (now < op->silent_deadline)
		return false;
	for (sa = l->sa; sa < ike_sa_end(l); sa++)
		if (sa->unanswered && is_with(op, sa))
			return true;
	return now >= op->deadline;
}

/* Return: true if it has been answered. */
static bool watch_one(struct ike_whack *ike, struct whack_op *op, const struct ike_listing *l)
{
	int what;

	if (op->kind != OP_INITIATE) {
		if (is_listed(l, op) && now_ms() < op->deadline)
			return false;
		whack_op_end(ike, op, is_listed(l, op) ? -EIO : 0, "pluto goes on with it");
		return true;
	}
	what = seen(op, l);
	op->idle = what < 0 ? op->idle + 1 : 0;
	if (what > 0)
		whack_op_end(ike, op, 0, NULL);
	else if (op->idle >= IDLE_LOOKS)
		whack_op_end(ike, op, -EIO, "nothing came of it; pluto's log tells why");
	else if (is_over(op, l))
		whack_op_end(ike, op, -ETIMEDOUT, "no CHILD_SA yet; pluto goes on trying");
	else
		return false;
	return true;
}

bool whack_watch(struct ike_whack *ike, const struct ike_listing *l)
{
	struct whack_op *op = ike->op;
	bool left = false;

	while (op && !ike->freed) {
		/* Begun after the listing: nothing of it can be in there. */
		if (op->watched && watch_one(ike, op, l)) {
			op = ike->op;
			left = false;
			continue;
		}
		left |= op->watched;
		op = op->next;
	}
	return left;
}

/* ---- initiating ---- */

static const struct whack_copy *copy_find(const struct ike_whack *ike, const char *name)
{
	const struct whack_copy *c = ike->copy;

	while (c && strcmp(c->name, name))
		c = c->next;
	return c;
}

/* For ike_whack_terminate_ike(): initiating makes pluto go on trying. */
static void note_begun(struct ike_whack *ike, const char *conn)
{
	struct whack_name name = { .name = intern(conn, strlen(conn)) };
	const struct whack_conn *c = name.name ? whack_conn_find(&ike->status, &name) : NULL;

	if (!c || c->up) {
		intern_put(name.name);
		return;
	}
	intern_put(ike->begun[ike->next_begun]);
	ike->begun[ike->next_begun] = name.name;
	ike->next_begun = (ike->next_begun + 1) % BEGUN;
}

void ike_whack_initiate(struct ike_backend *b, const char *conn, const char *child,
			int64_t timeout_ms, bool sparing, ike_done_cb cb, void *arg)
{
	struct ike_whack *ike = ike_whack(b);
	struct whack_op *op = whack_op_new(ike, OP_INITIATE, arg);
	const struct whack_copy *copy = copy_find(ike, conn);
	const struct ike_conn *c = conns_name(&ike->b.conns, copy ? copy->conn : conn);

	op->done_cb = cb;
	op->serial = ike->top;
	op->deadline = now_ms() + timeout_ms;
	op->silent_deadline =
		sparing && timeout_ms > SPARING_MS ? now_ms() + SPARING_MS : op->deadline;
	if (copy)
		op->host = copy->host;
	op->peer = copy ? copy->host : c && c->nremote ? c->remote[0] : op->peer;
	/* A connection has one child, of its own name. */
	if (!c || strcmp(c->name, child)) {
		whack_op_later(ike, op, -ENOENT, "no such connection is loaded");
		return;
	}
	if (c->dynamic && !copy) {
		whack_op_later(ike, op, -EIO, "the connection has no address of its peer");
		return;
	}
	op->conn = strdup(c->name);
	if (!op->conn) {
		whack_op_later(ike, op, -ENOMEM, NULL);
	} else if (!ike->connected) {
		whack_op_later(ike, op, -ENOTCONN, NULL);
	} else if (ike->last && !copy && listing_child(ike->last, op->conn, child)) {
		whack_op_later(ike, op, -EIO, "it is up already");
	} else {
		note_begun(ike, op->conn);
		whack_list_within(ike, 0);
	}
}

/* ---- peers without an address ---- */

/*
 * pluto makes an instance of a connection for an address that it is given, so there is
 * nothing to load. It sends to port 500 then, and nowhere else.
 */
bool ike_whack_copy_check(const struct ike_copy *copy, char *why, size_t size)
{
	const char *what = NULL;

	if (copy->conn->no_copy)
		what = copy->conn->no_copy;
	else if (copy->local_port || copy->remote_port)
		what = "how to have pluto initiate to a port other than 500, as behind NAT";
	else if (copy->nchild != 1 || strcmp(copy->child[0].name, copy->conn->name))
		what = "its child";
	else if (!copy->remote.family)
		what = "the peer's address";
	if (what)
		snprintf(why, size, "%s", what);
	return !what;
}

static void copy_drop(struct whack_copy *c)
{
	free(c->name);
	free(c->conn);
	free(c);
}

void ike_whack_load_copy(struct ike_backend *b, const struct ike_copy *copy, ike_done_cb cb,
			 void *arg)
{
	struct ike_whack *ike = ike_whack(b);
	struct whack_op *op = whack_op_new(ike, OP_DONE, arg);
	struct whack_copy *c;
	char why[160];

	op->done_cb = cb;
	if (!ike_whack_copy_check(copy, why, sizeof(why))) {
		whack_op_later(ike, op, -EINVAL, NULL);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (c) {
		c->name = strdup(copy->name);
		c->conn = strdup(copy->conn->name);
		c->host = copy->remote;
	}
	if (!c || !c->name || !c->conn) {
		if (c)
			copy_drop(c);
		whack_op_later(ike, op, -ENOMEM, NULL);
		return;
	}
	c->next = ike->copy;
	ike->copy = c;
	whack_op_later(ike, op, ike->connected ? 0 : -ENOTCONN, NULL);
}

void ike_whack_unload_copy(struct ike_backend *b, const char *name, ike_done_cb cb, void *arg)
{
	struct ike_whack *ike = ike_whack(b);
	struct whack_op *op = whack_op_new(ike, OP_DONE, arg);
	struct whack_copy **p = &ike->copy, *c;

	op->done_cb = cb;
	while (*p && strcmp((*p)->name, name))
		p = &(*p)->next;
	c = *p;
	if (c) {
		*p = c->next;
		copy_drop(c);
	}
	whack_op_later(ike, op, c ? 0 : -ENOENT, NULL);
}

void whack_copies_free(struct ike_whack *ike)
{
	struct whack_copy *c;

	while ((c = ike->copy)) {
		ike->copy = c->next;
		copy_drop(c);
	}
}
