// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is known about a flow: the daemon's listings, the kernel's SAD and the
 * history, put into struct evidence. Reads much, changes nothing but the flow.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>

#include "daemon.h"
#include "hash.h"
#include "mode.h"

#define ID_MAX 1024 /* a longer identity is as good as none */

static const struct ike_conns *conns(const struct invspid *d)
{
	return d->ike ? ike_conns(d->ike) : NULL;
}

/**
 * struct kernel_view - SAs with a flow's SPI, as the mirror has them
 * @here: under the flow's own destination and mark
 * @elsewhere: under another destination or mark, the last one is @other
 * @larval: being negotiated
 */
struct kernel_view {
	const struct invspi_flow *flow;
	bool here, elsewhere, larval;
	struct xfrm_sa other;
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
		v->elsewhere = true, v->other = *sa;
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

static void fill_kernel(struct invspid *d, struct tracked *t)
{
	struct kernel_view v = { .flow = &t->flow };
	struct evidence *ev = &t->ev;
	struct ike_addr dst = { .family = t->flow.family };
	enum xfrm_gone how;
	struct xfrm_sa sa;
	int ret;

	memcpy(dst.addr, t->flow.dst.b, sizeof(dst.addr));
	ev->dst_local = xfrm_addr_local(d->xfrm, &dst) == 1;
	xfrm_find(d->xfrm, t->flow.spi, t->flow.proto, view_sa, &v);
	ret = xfrm_sa_get(d->xfrm, &dst, t->flow.spi, t->flow.proto, t->flow.mark, &sa);
	/* What an action rests on is the kernel's own answer, not the mirror. */
	ev->sa_here = !ret && !sa.larval;
	ev->sa_larval = v.larval || (!ret && sa.larval);
	ev->sa_elsewhere = v.elsewhere && !ev->sa_here;
	t->elsewhere = v.other;
	ev->sa_seen_leaving =
		!xfrm_seen_leaving(d->xfrm, &dst, t->flow.spi, t->flow.proto, &ev->lost_at, &how);
	ev->sa_expired = ev->sa_seen_leaving && how == XFRM_GONE_EXPIRED;
	if (!ev->sa_seen_leaving)
		ev->lost_at = LONG_AGO;
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

/**
 * struct who - the peer's identity, as the daemon or the history has it
 * @id: "" if not known
 * @ago: how long ago the history last saw it, ms
 */
struct who {
	char id[ID_MAX];
	int64_t ago;
};

static void who_is(struct who *who, const char *id)
{
	if (strlen(id) < sizeof(who->id))
		memcpy(who->id, id, strlen(id) + 1);
}

/* list -> kernel -> list: there twice, the same child, no exchange under way. */
static void fill_inbound(struct invspid *d, struct tracked *t, struct who *who)
{
	const struct ike_listing *l = d->listing[LISTING_LAST], *before = d->listing[LISTING_PREV];
	const struct ike_sa *sa = NULL;
	const struct ike_child *c;
	struct evidence *ev = &t->ev;
	struct ike_trace was;

	ev->inbound = PRESENCE_UNKNOWN;
	t->child_id = 0;
	t->ike_id = 0;
	if (!l)
		return;
	c = listing_spi(l, t->flow.spi, t->flow.proto, &sa);
	if (c) {
		if (listing_was_spi(before, t->flow.spi, t->flow.proto, &was) &&
		    was.uniqueid == c->uniqueid && sa_counts(sa) &&
		    t->kernel_asked >= before->ended && t->kernel_asked <= l->started) {
			t->child_id = c->uniqueid;
			t->ike_id = sa->uniqueid;
			ev->inbound_busy = sa->task_child || before->sa[was.sa].task_child;
			if (!ev->inbound_busy && was.state == c->state)
				ev->inbound = PRESENCE_THERE;
		}
		snprintf(t->conn, sizeof(t->conn), "%s", sa->conn);
		snprintf(t->child, sizeof(t->child), "%s", c->name);
		who_is(who, sa->remote_id);
		ev->conn_known = true;
		return;
	}
	before = listing_gap(d);
	if (before && !listing_was_spi(before, t->flow.spi, t->flow.proto, NULL))
		ev->inbound = PRESENCE_ABSENT;
}

static void fill_history(struct invspid *d, struct tracked *t, struct who *who)
{
	struct evidence *ev = &t->ev;
	struct hist_sa h;
	bool encap = t->flow.encap_type == XFRM_INVSPI_ENCAP_ESPINUDP;

	ev->hist_known = !hist_lookup(d->hist, t->flow.spi, t->flow.proto, &h);
	if (!ev->hist_known)
		return;
	if (!who->id[0])
		who_is(who, h.remote_id);
	who->ago = h.ago;
	ev->hist_end = h.end;
	/* The kernel may have had it for longer: until then its packets came through. */
	ev->hist_ended_at = MAX(h.ended_at, ev->lost_at);
	if (ev->lost_at == LONG_AGO && h.end != END_NONE)
		ev->lost_at = h.ended_at;
	ev->hist_addr_same = ike_addr_is(&h.remote, t->flow.family, t->flow.src.b) &&
			     ike_addr_is(&h.local, t->flow.family, t->flow.dst.b);
	ev->hist_port_same = h.encap == encap && (!encap || h.remote_port == t->flow.sport);
	if (!ev->conn_known) {
		snprintf(t->conn, sizeof(t->conn), "%s", h.conn);
		snprintf(t->child, sizeof(t->child), "%s", h.child);
		ev->conn_known = true;
	}
}

/* Of the connection if it is known; of many peers of one, that with the source, or he. */
static const struct ike_sa *find_ike_sa(const struct invspid *d, const struct tracked *t,
					const struct who *who, const struct ike_listing *l)
{
	const struct ike_conn *conn;
	const struct ike_sa *sa;

	if (!t->ev.conn_known)
		return listing_source(l, &t->flow);
	sa = listing_conn_source(l, t->conn, &t->flow);
	conn = sa ? NULL : conns_name(conns(d), t->conn);
	if (sa || !conn)
		return sa;
	return conn->dynamic ? listing_peer(l, t->conn, who->id) : listing_conn(l, t->conn);
}

/*
 * IKE_SA of the connection, or with the source. A half-open one that somebody
 * else began is nothing: a spoofed IKE_SA_INIT must not hold recovery up. One
 * that this side began is an exchange in progress.
 */
static void fill_ike_sa(struct invspid *d, struct tracked *t, struct who *who)
{
	const struct ike_listing *l = d->listing[LISTING_LAST], *before = d->listing[LISTING_PREV];
	const struct ike_sa *sa, *sa_before;
	struct evidence *ev = &t->ev;
	size_t i;

	ev->ike_sa = PRESENCE_UNKNOWN;
	ev->task_since = INT64_MAX;
	if (!l)
		return;
	sa = find_ike_sa(d, t, who, l);
	if (sa) {
		sa_before = find_ike_sa(d, t, who, before);
		if (sa_before && sa_before->uniqueid == sa->uniqueid)
			ev->ike_sa = PRESENCE_THERE;
		ev->ike_passive = sa->state == IKE_PASSIVE;
		if (!ev->conn_known) {
			snprintf(t->conn, sizeof(t->conn), "%s", sa->conn);
			ev->conn_known = true;
		}
		if (!who->id[0])
			who_is(who, sa->remote_id);
		if (sa->task_child)
			ev->task_since = task_since(d, sa->uniqueid);
		silence_fill(d, t, sa);
		return;
	}
	for (i = 0; ev->conn_known && i < l->nsa; i++) {
		sa = &l->sa[i];
		if (sa->state == IKE_CONNECTING && sa->initiator && !strcmp(sa->conn, t->conn))
			ev->task_since = task_since(d, sa->uniqueid);
	}
	before = listing_gap(d);
	if (before && !find_ike_sa(d, t, who, before))
		ev->ike_sa = PRESENCE_ABSENT;
}

/* Of a connection with many peers: of this one. */
static bool is_up(const struct invspid *d, const struct tracked *t, const struct who *who,
		  const char *child)
{
	const struct ike_listing *l = d->listing[LISTING_LAST];
	const struct ike_sa *sa;
	size_t k;

	if (!t->ev.conn_dynamic)
		return listing_child(l, t->conn, child);
	sa = find_ike_sa(d, t, who, l);
	for (k = 0; sa && k < sa->nchild; k++)
		if (child_counts(&sa->child[k]) && !strcmp(sa->child[k].name, child))
			return true;
	return false;
}

struct down {
	struct invspid *d;
	struct tracked *t;
	const struct who *who;
};

static void count_down(void *arg, const struct hist_sa *sa)
{
	struct down *down = arg;
	struct evidence *ev = &down->t->ev;

	if (is_up(down->d, down->t, down->who, sa->child))
		return;
	ev->children_down++;
	if (!strcmp(sa->child, down->t->child))
		ev->child_down = true;
}

/* Children that are configured, not up, and of which the history knows nothing. */
static unsigned int count_new(struct invspid *d, const struct ike_conn *conn)
{
	struct hist_sa h;
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < conn->nchild; i++)
		if (!listing_child(d->listing[LISTING_LAST], conn->name, conn->child[i]) &&
		    hist_child(d->hist, conn->name, conn->child[i], NULL, &h))
			n++;
	return n;
}

static void fill_conf(struct invspid *d, struct tracked *t, const char *conn)
{
	struct evidence *ev = &t->ev;

	ev->mode = mode_in_force(d->conf, d->settings, d->dry_run, conn, NULL);
	ev->disruptive = (enum disruptive)conf_own(d->conf, conn, OWN_DISRUPTIVE);
	if (d->ike)
		ev->disruptive = MIN(ev->disruptive, ike_disruptive(d->ike));
	ev->initiate_unknown = conf_own(d->conf, conn, OWN_INITIATE_UNKNOWN);
	ev->no_gap = conf_own(d->conf, conn, OWN_ALLOW_GAP);
	ev->copy_allowed = conf_own(d->conf, conn, OWN_DYNAMIC);
}

/* It costs the building of a message: only where it can matter. */
static void fill_copy(struct invspid *d, struct tracked *t, const struct who *who,
		      const struct ike_conn *conn)
{
	struct evidence *ev = &t->ev;
	int64_t max = d->conf->dynamic_max_age_ms;
	char why[160];

	if (!conn || !ev->copy_allowed || !ev->conn_dynamic || !ev->hist_known ||
	    ev->ike_sa != PRESENCE_ABSENT)
		return;
	/* Who has the address now could guess at the key from what we would send. */
	if (conn->auth_local && !strcmp(conn->auth_local, "psk"))
		max = MIN(max, d->conf->dynamic_psk_max_age_ms);
	ev->peer_recent = who->ago <= max;
	ev->copy_known = dynamic_check(d, t->flow.spi, t->flow.proto, why, sizeof(why));
}

static void fill_conn(struct invspid *d, struct tracked *t, const struct who *who)
{
	struct down down = { .d = d, .t = t, .who = who };
	struct evidence *ev = &t->ev;
	const struct ike_conn *conn;
	const char *id;

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
	ev->eap_or_vip = conn && conn->eap_or_vip;
	id = ev->conn_dynamic && who->id[0] ? who->id : NULL;
	peer_key(t->peer, t->conn, id);
	fill_conf(d, t, t->conn[0] ? t->conn : NULL);
	if (!ev->conn_known)
		return;
	ev->hold = settings_held(d->settings, t->conn);
	if (t->child[0])
		ev->by_hand = hist_by_hand(d->hist, t->conn, t->child, id);
	hist_should_be_up(d->hist, t->conn, id, count_down, &down);
	fill_copy(d, t, who, conn);
	if (conn && !ev->hist_known && ev->ike_sa == PRESENCE_ABSENT)
		ev->children_new = count_new(d, conn);
}

/* What became of our exchanges about this child. */
static void fill_attempts(struct invspid *d, struct tracked *t)
{
	const struct attempt *a = attempt_child_memory(d, t->peer, t->child, false);
	const struct ike_child *c;
	struct evidence *ev = &t->ev;

	if (!a || !t->child[0])
		return;
	ev->in_step = a->in_step_at >= t->time.first_drop;
	ev->g1_refused = a->refused;
	/* As long as the exchange that it began is under way, not a later one. */
	if (a->g1_since != INT64_MAX && ev->inbound_busy)
		ev->g1_since = MAX(a->g1_since, ev->task_since);
	ev->recreated = a->recreated;
	ev->reauthenticated = a->reauthenticated;
	/* It reads the kernel's policies: only where it can matter. */
	if (ev->no_gap || ev->disruptive == DISRUPTIVE_NEVER ||
	    (!ev->g1_refused && ev->g1_since == INT64_MAX))
		return;
	c = listing_spi(d->listing[LISTING_LAST], t->flow.spi, t->flow.proto, NULL);
	ev->no_gap = c && gap_none(c);
}

/*
 * An IKE daemon draws its SPIs from a range of its own (strongSwan's begin with c).
 * Of a few that it has used the first four bits are all that can be told.
 */
static bool spi_plausible(struct invspid *d, uint32_t spi)
{
	uint32_t min, max;

	if (!hist_spi_range(d->hist, &min, &max))
		return spi > 255; /* the rest is reserved */
	return spi >= (min & 0xf0000000) && spi <= (max | 0x0fffffff);
}

#define STRANGE_MIN 16 /* so many unknown SPIs from one source at once */

static void fill_flow(struct invspid *d, struct tracked *t)
{
	struct evidence *ev = &t->ev;
	uint32_t at = hash_bytes(0, t->flow.src.b, sizeof(t->flow.src.b)) % STRANGE;

	if (!ev->hist_known && ev->inbound == PRESENCE_ABSENT &&
	    t->time.last_drop > now_ms() - d->conf->limits.quiet_ms &&
	    d->strange[1][at] < UINT16_MAX)
		d->strange[1][at]++;
	ev->seq_rising = track_rising(&t->time);
	ev->spi_plausible = spi_plausible(d, t->flow.spi);
	ev->spoofed = track_senseless(&t->time) || d->strange[0][at] >= STRANGE_MIN;
}

void evidence_note_named(struct invspid *d, uint32_t spi, uint8_t proto)
{
	d->named[d->named_next] = (struct named){ spi, proto };
	d->named_next = (d->named_next + 1) % NAMED;
}

static bool is_named(const struct invspid *d, const struct invspi_flow *f)
{
	unsigned int i;

	for (i = 0; i < NAMED; i++)
		if (d->named[i].spi == f->spi && d->named[i].proto == f->proto)
			return true;
	return false;
}

/**
 * evidence_init() - nothing is known but the flow
 */
void evidence_init(struct evidence *ev, const struct tracked *t)
{
	memset(ev, 0, sizeof(*ev));
	ev->first_drop = t->time.first_drop;
	ev->last_drop = t->time.last_drop;
	ev->hist_ended_at = LONG_AGO;
	ev->lost_at = LONG_AGO;
	ev->child_up_at = LONG_AGO;
	ev->task_since = INT64_MAX;
	ev->g1_since = INT64_MAX;
}

/**
 * evidence_fill() - all evidence about a flow, as of now
 * @d: the helper; its listings and mirror are as new as the caller made them
 * @t: the flow; its connection and child are set as far as they can be traced
 */
void evidence_fill(struct invspid *d, struct tracked *t)
{
	struct who who = { .ago = INT64_MAX };
	struct evidence *ev = &t->ev;
	int64_t left;

	evidence_init(ev, t);
	t->conn[0] = '\0';
	t->peer[0] = '\0';
	t->child[0] = '\0';
	ev->encapsulated = t->flow.encap_type != XFRM_INVSPI_ENCAP_NONE;
	ev->desync = t->flow.state == XFRM_INVSPI_FLOW_STATE_DESYNC;
	ev->daemon = d->ike ? ike_state(d->ike) : DAEMON_ABSENT;
	fill_inbound(d, t, &who);
	fill_kernel(d, t);
	left = ev->lost_at;
	fill_history(d, t, &who);
	fill_ike_sa(d, t, &who);
	fill_conn(d, t, &who);
	fill_attempts(d, t);
	fill_flow(d, t);
	/*
	 * An SA that the kernel had and the daemon never listed, or told of, is somebody
	 * else's; but an earlier daemon may have died before it could list what it made.
	 */
	ev->other_keyer = !ev->hist_known && ev->inbound == PRESENCE_ABSENT &&
			  (left >= d->ike_since || ev->sa_elsewhere) && !is_named(d, &t->flow);
}
