// SPDX-License-Identifier: GPL-2.0-only
/*
 * What strongSwan tells by itself: SAs that come and go, and its log.
 *
 * child-updown is raised by the thread that does it, log lines go through a queue and
 * a job of their own (queue_message() of vici_logger.c): so a CHILD_SA's end waits a
 * moment for the line that tells its cause.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ike_vici_int.h"
#include "log.h"

const char *const ike_vici_event_names[] = { "ike-updown",  "child-updown", "ike-rekey",
					     "child-rekey", "log",	    NULL };

static void down_free(struct down *d)
{
	free(d->conn);
	free(d->name);
	free(d);
}

static void tell_down(struct ike_vici *ike, const struct cause_child *c, uint8_t proto,
		      enum sa_end end)
{
	if (ike->b.ev.child_down)
		ike->b.ev.child_down(ike->b.arg, c->conn, c->child, c->spi_in, proto, end);
}

/* If no line tells the cause: an orderly end, or the daemon's own if it went with it. */
static enum sa_end default_end(const struct ike_vici *ike, bool lost)
{
	return lost || ike->b.state == DAEMON_STOPPING ? END_DAEMON_LOST : END_DELETED_LOCAL;
}

/*
 * Tells those whose cause is known or whose time is over. @lost: the daemon is gone,
 * no line will come any more.
 */
void ike_vici_resolve_downs(struct ike_vici *ike, bool lost)
{
	int64_t now = now_ms();
	struct down **link = &ike->down, *d;
	enum sa_end end;

	while (!ike->freed && (d = *link)) {
		end = cause_find(&ike->causes, &d->child, now);
		if (end == END_NONE && !lost && now < d->due) {
			link = &d->next;
			continue;
		}
		*link = d->next;
		if (ike->down_last == &d->next)
			ike->down_last = link;
		ike->ndown--;
		tell_down(ike, &d->child, d->proto, end != END_NONE ? end : default_end(ike, lost));
		down_free(d);
	}
}

int64_t ike_vici_downs_due(const struct ike_vici *ike)
{
	return ike->down ? ike->down->due : INT64_MAX;
}

void ike_vici_downs_drop(struct ike_vici *ike)
{
	struct down *d;

	while ((d = ike->down)) {
		ike->down = d->next;
		down_free(d);
	}
	ike->down_last = &ike->down;
	ike->ndown = 0;
}

/*
 * When a CHILD_SA was installed: a cause told before that can't be its own, and a
 * second, to which the daemon rounds its age, is long enough to end one and make the
 * next.
 */
static void note_up(struct ike_vici *ike, uint32_t child_id)
{
	ike->up[ike->next_up].child_id = child_id;
	ike->up[ike->next_up].at = now_ms();
	ike->next_up = (ike->next_up + 1) % UPS;
}

static int64_t installed_at(const struct ike_vici *ike, const struct ike_child *c, int64_t now)
{
	unsigned int i;

	for (i = 0; i < UPS; i++)
		if (ike->up[i].child_id == c->uniqueid)
			return ike->up[i].at;
	return now - (c->install_age_s + 1) * 1000;
}

static void child_down(struct ike_vici *ike, const struct ike_sa *sa, const struct ike_child *c)
{
	int64_t now = now_ms();
	struct cause_child child = {
		.conn = sa->name,
		.child = c->name,
		.ike_id = sa->uniqueid,
		.child_id = c->uniqueid,
		.spi_in = c->spi_in,
		.spi_out = c->spi_out,
		.installed_at = installed_at(ike, c, now),
	};
	enum sa_end end = cause_find(&ike->causes, &child, now);
	struct down *d = NULL;

	if (end == END_NONE && ike->ndown < DOWN_MAX)
		d = calloc(1, sizeof(*d));
	if (d) {
		d->conn = strdup(sa->name);
		d->name = strdup(c->name);
		if (!d->conn || !d->name) {
			down_free(d);
			d = NULL;
		}
	}
	if (!d) {
		tell_down(ike, &child, c->proto, end != END_NONE ? end : default_end(ike, false));
		return;
	}
	child.conn = d->conn;
	child.child = d->name;
	d->child = child;
	d->proto = c->proto;
	d->due = now + CAUSE_WAIT_MS;
	*ike->down_last = d;
	ike->down_last = &d->next;
	ike->ndown++;
	ike_vici_arm_soon(ike);
}

static int on_child_updown(struct ike_vici *ike, const uint8_t *msg, size_t len)
{
	struct vici_updown u = { 0 };
	size_t i;
	int err;

	err = parse_updown(msg, len, &u);
	for (i = 0; !err && !ike->freed && i < u.sa.nchild; i++) {
		if (!u.up) {
			child_down(ike, &u.sa, &u.sa.child[i]);
			continue;
		}
		note_up(ike, u.sa.child[i].uniqueid);
		if (ike->b.ev.child_up)
			ike->b.ev.child_up(ike->b.arg, u.sa.conn, u.sa.child[i].name);
	}
	ike_sa_clear(&u.sa);
	return err;
}

static int on_ike_updown(struct ike_vici *ike, const uint8_t *msg, size_t len)
{
	struct vici_updown u = { 0 };
	int err;

	ike->b.updown++;
	err = parse_updown(msg, len, &u);
	if (!err && ike->b.ev.ike_updown)
		ike->b.ev.ike_updown(ike->b.arg, u.sa.conn, u.sa.remote_id, u.sa.uniqueid, u.up);
	ike_sa_clear(&u.sa);
	return err;
}

static int on_child_rekey(struct ike_vici *ike, const uint8_t *msg, size_t len)
{
	struct vici_rekey r = { 0 };
	int err;

	err = parse_rekey(msg, len, &r);
	if (!err)
		note_up(ike, r.new.uniqueid);
	if (!err && ike->b.ev.child_rekey)
		ike->b.ev.child_rekey(ike->b.arg, r.sa.conn, r.new.name, r.old.spi_in, r.new.spi_in,
				      r.new.proto);
	ike_sa_clear(&r.sa);
	ike_child_clear(&r.old);
	ike_child_clear(&r.new);
	return err;
}

static void tell_log(struct ike_vici *ike, const struct vici_log *l)
{
	char *group = NULL, *conn = NULL, *msg = NULL;

	if (!ike->b.ev.log)
		return;
	if (!vici_str_dup(l->group, &group) && !vici_str_dup(l->msg, &msg) &&
	    (!l->conn.s || !vici_str_dup(l->conn, &conn)))
		ike->b.ev.log(ike->b.arg, group, conn, l->ike_id, msg);
	free(group);
	free(conn);
	free(msg);
}

static int on_log(struct ike_vici *ike, const uint8_t *msg, size_t len)
{
	unsigned int known = ike->causes.changes;
	int64_t now = now_ms();
	struct vici_log l = { 0 };
	int err;

	err = parse_log(msg, len, &l);
	if (err)
		return err;
	switch (cause_log(&ike->causes, &l, now)) {
	case LINE_STOPPING:
		ike_backend_state(&ike->b, DAEMON_STOPPING, "the IKE daemon is shutting down");
		break;
	case LINE_CONNS:
		ike_vici_ask_conns(ike);
		break;
	case LINE_DISCARDED:
		ike->discarded_at = now;
		ike->large = true;
		ike->larges++;
		break;
	case LINE_OTHER:
		break;
	}
	if (!ike->freed)
		tell_log(ike, &l);
	if (!ike->freed && ike->causes.changes != known)
		ike_vici_resolve_downs(ike, false);
	return 0;
}

void ike_vici_event(struct ike_vici *ike, struct vici_str name, const uint8_t *msg, size_t len)
{
	int err = 0;

	if (vici_str_is(name, "log"))
		err = on_log(ike, msg, len);
	else if (vici_str_is(name, "child-updown"))
		err = on_child_updown(ike, msg, len);
	else if (vici_str_is(name, "child-rekey"))
		err = on_child_rekey(ike, msg, len);
	else if (vici_str_is(name, "ike-updown"))
		err = on_ike_updown(ike, msg, len);
	else if (vici_str_is(name, "ike-rekey"))
		ike->b.updown++; /* its children move: a listing may have missed them */
	/* Events are hints; an unreadable one is no reason to lose the connection. */
	if (err && !ike->freed)
		log_warn("IKE daemon: unreadable %.*s event (%s)", (int)name.len, name.s,
			 strerror(-err));
}
