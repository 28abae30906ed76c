// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is known about a flow: the daemon's listings, the kernel's SAD and the
 * history, put into struct evidence. Reads much, changes nothing but the flow.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon.h"
#include "mode.h"

static const struct ike_conns *conns(const struct invspid *d)
{
	return d->ike ? ike_conns(d->ike) : NULL;
}

/**
 * struct kernel_view - SAs with a flow's SPI, as the mirror has them
 * @here: under the flow's own destination and mark
 * @elsewhere: under another destination or mark
 * @larval: being negotiated
 */
struct kernel_view {
	const struct invspi_flow *flow;
	bool here, elsewhere, larval;
};

static void view_sa(void *arg, const struct xfrm_sa *sa)
{
	struct kernel_view *v = arg;
	bool dst = ike_addr_is(&sa->dst, v->flow->family, v->flow->dst.b);

	if (sa->larval)
		v->larval |= dst;
	else if (dst && (v->flow->mark & sa->mark_mask) == sa->mark)
		v->here = true;
	else
		v->elsewhere = true;
}

bool evidence_relevant(struct invspid *d, const struct invspi_flow *f)
{
	struct kernel_view v = { .flow = f };
	struct hist_sa h;

	if (listing_spi(d->listing[LISTING_LAST], f->spi, f->proto, NULL) ||
	    listing_source(d->listing[LISTING_LAST], f) ||
	    !hist_lookup(d->hist, f->spi, f->proto, &h) || conns_source(conns(d), f))
		return true;
	xfrm_find(d->xfrm, f->spi, f->proto, view_sa, &v);
	return v.here || v.elsewhere || v.larval;
}

/* Returns when the SA was seen to leave, LONG_AGO if it was not. */
static int64_t fill_kernel(struct invspid *d, struct tracked *t)
{
	struct kernel_view v = { .flow = &t->flow };
	struct evidence *ev = &t->ev;
	struct ike_addr dst = { .family = t->flow.family };
	enum xfrm_gone how;
	struct xfrm_sa sa;
	int64_t when;
	int ret;

	memcpy(dst.addr, t->flow.dst.b, sizeof(dst.addr));
	ev->dst_local = xfrm_addr_local(d->xfrm, &dst) == 1;
	xfrm_find(d->xfrm, t->flow.spi, t->flow.proto, view_sa, &v);
	ret = xfrm_sa_get(d->xfrm, &dst, t->flow.spi, t->flow.proto, t->flow.mark, &sa);
	/* What an action rests on is the kernel's own answer, not the mirror. */
	ev->sa_here = !ret && !sa.larval;
	ev->sa_larval = v.larval || (!ret && sa.larval);
	ev->sa_elsewhere = v.elsewhere && !ev->sa_here;
	ev->sa_seen_leaving =
		!xfrm_seen_leaving(d->xfrm, &dst, t->flow.spi, t->flow.proto, &when, &how);
	return ev->sa_seen_leaving ? when : LONG_AGO;
}

/**
 * evidence_ask_kernel() - ask for a flow's SA between two listings
 *
 * Notes the time if the kernel has none; see fill_inbound().
 */
void evidence_ask_kernel(struct invspid *d, struct tracked *t)
{
	struct ike_addr dst = { .family = t->flow.family };
	struct xfrm_sa sa;

	memcpy(dst.addr, t->flow.dst.b, sizeof(dst.addr));
	if (xfrm_sa_get(d->xfrm, &dst, t->flow.spi, t->flow.proto, t->flow.mark, &sa) == -ESRCH)
		t->kernel_asked = now_ms();
}

/* list -> kernel -> list: there twice, the same child, no exchange under way. */
static void fill_inbound(struct invspid *d, struct tracked *t)
{
	const struct ike_listing *l = d->listing[LISTING_LAST], *before = d->listing[LISTING_PREV];
	const struct ike_sa *sa = NULL, *sa_before = NULL;
	const struct ike_child *c, *c_before;
	struct evidence *ev = &t->ev;

	ev->inbound = PRESENCE_UNKNOWN;
	t->child_id = 0;
	if (!l)
		return;
	c = listing_spi(l, t->flow.spi, t->flow.proto, &sa);
	if (c) {
		c_before = listing_spi(before, t->flow.spi, t->flow.proto, &sa_before);
		if (c_before && c_before->uniqueid == c->uniqueid && c_before->state == c->state &&
		    sa_counts(sa) && !sa->task_child && !sa_before->task_child &&
		    t->kernel_asked >= before->ended && t->kernel_asked <= l->started) {
			ev->inbound = PRESENCE_THERE;
			t->child_id = c->uniqueid;
		}
		snprintf(t->conn, sizeof(t->conn), "%s", sa->conn);
		snprintf(t->child, sizeof(t->child), "%s", c->name);
		ev->conn_known = true;
		return;
	}
	before = listing_gap(d);
	if (before && !listing_spi(before, t->flow.spi, t->flow.proto, NULL))
		ev->inbound = PRESENCE_ABSENT;
}

static void fill_history(struct invspid *d, struct tracked *t)
{
	struct evidence *ev = &t->ev;
	struct hist_sa h;
	bool encap = t->flow.encap_type == XFRM_INVSPI_ENCAP_ESPINUDP;

	ev->hist_known = !hist_lookup(d->hist, t->flow.spi, t->flow.proto, &h);
	if (!ev->hist_known)
		return;
	ev->hist_end = h.end;
	ev->hist_ended_at = h.ended_at;
	ev->hist_addr_same = ike_addr_is(&h.remote, t->flow.family, t->flow.src.b) &&
			     ike_addr_is(&h.local, t->flow.family, t->flow.dst.b);
	ev->hist_port_same = h.encap == encap && (!encap || h.remote_port == t->flow.sport);
	if (!ev->conn_known) {
		snprintf(t->conn, sizeof(t->conn), "%s", h.conn);
		snprintf(t->child, sizeof(t->child), "%s", h.child);
		ev->conn_known = true;
	}
}

/*
 * IKE_SA of the connection, or with the source. A half-open one that somebody
 * else began is nothing: a spoofed IKE_SA_INIT must not hold recovery up. One
 * that this side began is an exchange in progress.
 */
static void fill_ike_sa(struct invspid *d, struct tracked *t)
{
	const struct ike_listing *l = d->listing[LISTING_LAST], *before = d->listing[LISTING_PREV];
	const struct ike_sa *sa, *sa_before;
	struct evidence *ev = &t->ev;
	size_t i;

	ev->ike_sa = PRESENCE_UNKNOWN;
	ev->task_since = INT64_MAX;
	if (!l)
		return;
	sa = ev->conn_known ? listing_conn(l, t->conn) : listing_source(l, &t->flow);
	if (sa) {
		sa_before = ev->conn_known ? listing_conn(before, t->conn)
					   : listing_source(before, &t->flow);
		if (sa_before && sa_before->uniqueid == sa->uniqueid)
			ev->ike_sa = PRESENCE_THERE;
		ev->ike_passive = sa->state == IKE_PASSIVE;
		if (!ev->conn_known) {
			snprintf(t->conn, sizeof(t->conn), "%s", sa->conn);
			ev->conn_known = true;
		}
		if (sa->task_child)
			ev->task_since = task_since(d, sa->uniqueid);
		return;
	}
	for (i = 0; i < l->nsa; i++) {
		sa = &l->sa[i];
		if (sa->state == IKE_CONNECTING && sa->initiator && ev->conn_known &&
		    !strcmp(sa->conn, t->conn))
			ev->task_since = task_since(d, sa->uniqueid);
	}
	before = listing_gap(d);
	if (!before)
		return;
	sa = ev->conn_known ? listing_conn(before, t->conn) : listing_source(before, &t->flow);
	if (!sa)
		ev->ike_sa = PRESENCE_ABSENT;
}

struct down {
	struct invspid *d;
	const char *conn;
	unsigned int n;
};

static void count_down(void *arg, const struct hist_sa *sa)
{
	struct down *down = arg;

	if (!listing_child(down->d->listing[LISTING_LAST], down->conn, sa->child))
		down->n++;
}

static void fill_conn(struct invspid *d, struct tracked *t)
{
	struct evidence *ev = &t->ev;
	const struct ike_conn *conn;
	struct down down = { .d = d, .conn = t->conn };

	if (!ev->conn_known) {
		conn = conns_source(conns(d), &t->flow);
		if (conn) {
			snprintf(t->conn, sizeof(t->conn), "%s", conn->name);
			ev->conn_known = true;
		}
	} else {
		conn = conns_name(conns(d), t->conn);
	}
	ev->conn_loaded = conn;
	ev->conn_dynamic = conn && conn->dynamic;
	ev->mode =
		mode_in_force(d->conf, d->settings, d->dry_run, t->conn[0] ? t->conn : NULL, NULL);
	if (!ev->conn_known)
		return;
	ev->hold = settings_held(d->settings, t->conn);
	if (t->child[0]) {
		ev->by_hand = hist_by_hand(d->hist, t->conn, t->child);
		ev->child_up = listing_child(d->listing[LISTING_LAST], t->conn, t->child);
	}
	hist_should_be_up(d->hist, t->conn, count_down, &down);
	ev->children_down = down.n;
}

/**
 * evidence_fill() - all evidence about a flow, as of now
 * @d: the helper; its listings and mirror are as new as the caller made them
 * @t: the flow; its connection and child are set as far as they can be traced
 */
void evidence_fill(struct invspid *d, struct tracked *t)
{
	struct evidence *ev = &t->ev;
	int64_t left;

	memset(ev, 0, sizeof(*ev));
	t->conn[0] = '\0';
	t->child[0] = '\0';
	ev->encapsulated = t->flow.encap_type != XFRM_INVSPI_ENCAP_NONE;
	ev->desync = t->flow.state == XFRM_INVSPI_FLOW_STATE_DESYNC;
	ev->last_drop = t->last_drop;
	ev->daemon = d->ike ? ike_state(d->ike) : DAEMON_ABSENT;
	ev->first_drop = t->first_drop;
	ev->hist_ended_at = LONG_AGO;
	ev->lost_at = LONG_AGO;
	ev->child_up_at = LONG_AGO;
	ev->g1_since = INT64_MAX;
	fill_inbound(d, t);
	left = fill_kernel(d, t);
	fill_history(d, t);
	fill_ike_sa(d, t);
	fill_conn(d, t);
	/*
	 * An SA that the kernel had and the daemon never listed is somebody else's;
	 * but an earlier daemon may have died before it could list what it made.
	 */
	ev->other_keyer = !ev->hist_known && ev->inbound == PRESENCE_ABSENT &&
			  (left >= d->ike_since || ev->sa_elsewhere);
}
