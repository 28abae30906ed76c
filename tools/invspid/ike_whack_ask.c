// SPDX-License-Identifier: GPL-2.0-only
/* What the helper asks of pluto, checked against what was last listed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ike_whack_int.h"
#include "intern.h"
#include "listing.h"

void ike_whack_list(struct ike_backend *b, const char *conn, bool blocking, ike_list_cb cb,
		    void *arg)
{
	struct ike_whack *ike = ike_whack(b);
	struct whack_op *op = whack_op_new(ike, OP_LIST, arg);

	/* There is none but the whole one, and it is complete. */
	(void)conn;
	(void)blocking;
	op->list_cb = cb;
	whack_begin(ike, op);
}

void ike_whack_reload_conns(struct ike_backend *b, ike_done_cb cb, void *arg)
{
	struct ike_whack *ike = ike_whack(b);
	struct whack_op *op = whack_op_new(ike, OP_CONNS, arg);

	op->done_cb = cb;
	whack_begin(ike, op);
}

/* The CHILD_SA that is listed under this number. */
static const struct ike_child *listed(const struct ike_whack *ike, uint32_t id,
				      const struct ike_sa **sa)
{
	size_t i, k;

	for (i = 0; ike->last && i < ike->last->nsa; i++)
		for (k = 0; k < ike->last->sa[i].nchild; k++)
			if (ike->last->sa[i].child[k].uniqueid == id) {
				*sa = &ike->last->sa[i];
				return &ike->last->sa[i].child[k];
			}
	return NULL;
}

static bool is_dynamic(const struct ike_whack *ike, const char *conn)
{
	const struct ike_conn *c = conns_name(&ike->b.conns, conn);

	return !c || c->dynamic;
}

unsigned int whack_count_up(const struct ike_whack *ike, const char *conn)
{
	const struct ike_sa *sa;
	unsigned int n = 0;
	size_t k;

	for (sa = ike->last->sa; sa < ike_sa_end(ike->last); sa++)
		for (k = 0; k < sa->nchild; k++)
			n += sa->child[k].state == CHILD_INSTALLED && !strcmp(sa->conn, conn);
	return n;
}

void ike_whack_rekey_child(struct ike_backend *b, uint32_t child_id, ike_done_cb cb, void *arg)
{
	struct ike_whack *ike = ike_whack(b);
	struct whack_op *op = whack_op_new(ike, OP_REKEY, arg);
	const struct ike_sa *sa = NULL;
	const struct ike_child *c = listed(ike, child_id, &sa);

	op->done_cb = cb;
	op->serial = child_id;
	/* pluto would rekey the newest of that name, whichever is meant. */
	if (!c || c->state != CHILD_INSTALLED) {
		whack_op_later(ike, op, -ENOENT, "pluto has no such CHILD_SA any more");
		return;
	}
	if (sa->version == 1) {
		if (whack_count_up(ike, sa->conn) != 1 || is_dynamic(ike, sa->conn)) {
			whack_op_later(ike, op, -EIO,
				       "with IKEv1, pluto can renew only what has one peer");
			return;
		}
		op->conn = strdup(sa->conn);
		if (!op->conn) {
			whack_op_later(ike, op, -ENOMEM, NULL);
			return;
		}
	}
	whack_begin(ike, op);
}

static void note_ended(struct ike_whack *ike, uint32_t id)
{
	ike->ended[ike->next_ended] = id;
	ike->next_ended = (ike->next_ended + 1) % ENDED;
}

static bool is_begun(const struct ike_whack *ike, const char *conn)
{
	unsigned int i;

	for (i = 0; i < BEGUN; i++)
		if (ike->begun[i] && !strcmp(ike->begun[i], conn))
			return true;
	return false;
}

/*
 * pluto makes a new one in the place of a half-made one that is deleted, and goes on
 * trying, until it is told that the connection need not be up. So that is said of one
 * that need not have been before we began it, while nothing of it is up. What pluto was
 * to keep up before is left to it: it knows to wait longer and longer.
 */
static void end_begun(struct ike_whack *ike, struct whack_op *op, const char *conn)
{
	if (!is_begun(ike, conn)) {
		whack_op_later(ike, op, -EOPNOTSUPP, "pluto is to keep the connection up");
		return;
	}
	if (whack_count_up(ike, conn)) {
		whack_op_later(ike, op, -EIO, "the connection has come up");
		return;
	}
	op->conn = strdup(conn);
	if (!op->conn) {
		whack_op_later(ike, op, -ENOMEM, NULL);
		return;
	}
	whack_begin(ike, op);
}

/* Only one that is half-made, which is what we may have caused. */
void ike_whack_terminate_ike(struct ike_backend *b, uint32_t ike_id, ike_done_cb cb, void *arg)
{
	struct ike_whack *ike = ike_whack(b);
	struct whack_op *op = whack_op_new(ike, OP_END_IKE, arg);
	const struct ike_sa *sa = listing_id(ike->last, ike_id);

	op->done_cb = cb;
	op->serial = ike_id;
	if (!sa)
		whack_op_later(ike, op, -ENOENT, "pluto has no such IKE_SA any more");
	else if (sa->state != IKE_CONNECTING)
		whack_op_later(ike, op, -EOPNOTSUPP, "an IKE_SA of libreswan is never ended");
	else if (is_dynamic(ike, sa->conn))
		whack_begin(ike, op); /* an instance has no name that whack takes */
	else
		end_begun(ike, op, sa->conn);
}

void ike_whack_terminate_child(struct ike_backend *b, uint32_t child_id, int64_t timeout_ms,
			       ike_done_cb cb, void *arg)
{
	struct ike_whack *ike = ike_whack(b);
	struct whack_op *op = whack_op_new(ike, OP_END_CHILD, arg);
	const struct ike_sa *sa;

	(void)timeout_ms; /* pluto does not wait for the peer */
	op->done_cb = cb;
	op->serial = child_id;
	if (!listed(ike, child_id, &sa)) {
		whack_op_later(ike, op, -ENOENT, "pluto has no such CHILD_SA any more");
		return;
	}
	note_ended(ike, child_id);
	whack_begin(ike, op);
}

void ike_whack_reauth(struct ike_backend *b, uint32_t ike_id, ike_done_cb cb, void *arg)
{
	struct ike_whack *ike = ike_whack(b);
	struct whack_op *op = whack_op_new(ike, OP_DONE, arg);

	(void)ike_id;
	op->done_cb = cb;
	whack_op_later(ike, op, -EOPNOTSUPP, "libreswan does not reauthenticate by command");
}

/* Those that wait for their whack. */
uint32_t ike_whack_queued(struct ike_backend *b)
{
	const struct whack_op *op;
	uint32_t n = 0;

	for (op = ike_whack(b)->op; op; op = op->next)
		n += whack_is_command(op) && !op->watched && !op->running;
	return n;
}
