// SPDX-License-Identifier: GPL-2.0-only
/*
 * `invspi recover CONN', and `invspi explain conn CONN': what is wrong with a
 * connection, whether packets say so or not.
 *
 * Its SAs are judged as if a packet of each came now: those that the IKE daemon
 * lists and the kernel lacks, one for what should be up and is not, and the
 * flows that were traced to it. The same decide() judges as ever, and the same
 * actions follow; by hand only mode, backoff and giving up do not count. A hold
 * does: whoever set it may not be the one who types.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control_int.h"
#include "log.h"
#include "mode.h"

#define CANDIDATES_MAX 1024
#define EVIDENCE_MS 3000 /* so long it is asked again while the evidence is incomplete */
#define OUTCOME_POLL_MS 100
#define OUTCOME_MS 22000 /* the tool waits for 30 s */

enum purpose { EXPLAIN, DRY_RUN, CARRY_OUT };

/**
 * struct by_hand - one command under way
 * @cl: NULL when the client is gone
 * @t, @dec: what is judged and how; @n of them
 * @began: those that an action was begun for
 * @asked: a listing is being asked for
 * @dynamic: the connection has no address, and perhaps many peers
 */
struct by_hand {
	struct client *cl;
	struct invspid *d;
	enum purpose purpose;
	char conn[NAME_LEN];
	struct tracked *t;
	struct decision *dec;
	bool *began;
	size_t n;
	uv_timer_t timer;
	int64_t started;
	bool asked, dynamic;
};

static void on_closed(uv_handle_t *handle)
{
	struct by_hand *b = handle->data;

	free(b->t);
	free(b->dec);
	free(b->began);
	free(b);
}

static void end(struct by_hand *b)
{
	if (b->cl)
		b->cl->by_hand = NULL;
	b->cl = NULL;
	uv_timer_stop(&b->timer);
	if (!b->asked)
		uv_close((uv_handle_t *)&b->timer, on_closed);
}

void by_hand_free(struct client *cl)
{
	if (cl->by_hand)
		end(cl->by_hand);
}

/* ---- what is to be judged ---- */

static struct tracked *add(struct by_hand *b)
{
	struct tracked *t;

	if (b->n == CANDIDATES_MAX)
		return NULL;
	t = reallocarray(b->t, b->n + 1, sizeof(*t));
	if (!t)
		return NULL;
	b->t = t;
	t = &b->t[b->n++];
	memset(t, 0, sizeof(*t));
	t->told.grade = GRADE__COUNT;
	t->kernel_asked = LONG_AGO;
	return t;
}

static bool has_spi(const struct by_hand *b, uint32_t spi, uint8_t proto)
{
	size_t i;

	for (i = 0; i < b->n; i++)
		if (b->t[i].flow.spi == spi && b->t[i].flow.proto == proto)
			return true;
	return false;
}

/* As if a packet of that SA came now. */
static void add_sa(struct by_hand *b, uint32_t spi, uint8_t proto, const struct ike_addr *local,
		   const struct ike_addr *remote, bool encap, uint16_t remote_port)
{
	struct tracked *t;

	if (!spi || has_spi(b, spi, proto))
		return;
	t = add(b);
	if (!t)
		return;
	t->flow.spi = spi;
	t->flow.proto = proto;
	t->flow.family = remote->family;
	memcpy(t->flow.src.b, remote->addr, sizeof(t->flow.src.b));
	memcpy(t->flow.dst.b, local->addr, sizeof(t->flow.dst.b));
	t->flow.encap_type = encap ? XFRM_INVSPI_ENCAP_ESPINUDP : XFRM_INVSPI_ENCAP_NONE;
	t->flow.sport = encap ? remote_port : 0;
	t->time.first_drop = now_ms();
	t->time.last_drop = t->time.first_drop;
	t->time.seen_at = t->time.first_drop;
}

static void add_flows(struct by_hand *b)
{
	const struct invspid *d = b->d;
	struct tracked *t;
	size_t i;

	for (i = 0; i < d->nflow; i++) {
		if (now_ms() - d->flow[i].time.last_drop > d->conf->limits.quiet_ms ||
		    strcmp(d->flow[i].conn, b->conn))
			continue;
		t = add(b);
		if (t)
			*t = d->flow[i];
	}
}

static void add_listed(struct by_hand *b)
{
	const struct ike_listing *l = b->d->listing[LISTING_LAST];
	const struct ike_child *c;
	struct xfrm_sa sa;
	size_t i, k;

	for (i = 0; l && i < l->nsa; i++) {
		if (strcmp(l->sa[i].conn, b->conn))
			continue;
		for (k = 0; k < l->sa[i].nchild; k++) {
			c = &l->sa[i].child[k];
			if (child_counts(c) && xfrm_sa_get(b->d->xfrm, &l->sa[i].local, c->spi_in,
							   c->proto, c->mark_in, &sa) == -ESRCH)
				add_sa(b, c->spi_in, c->proto, &l->sa[i].local, &l->sa[i].remote,
				       c->encap, l->sa[i].remote_port);
		}
	}
}

static void add_down(void *arg, const struct hist_sa *sa)
{
	struct by_hand *b = arg;

	/* A connection with many peers may have that child with another one. */
	if (b->dynamic || !listing_child(b->d->listing[LISTING_LAST], b->conn, sa->child))
		add_sa(b, sa->spi, sa->proto, &sa->local, &sa->remote, sa->encap, sa->remote_port);
}

/* ---- judging ---- */

static void judge(struct by_hand *b, struct tracked *t, struct decision *dec)
{
	struct invspid *d = b->d;
	struct decide_state st = { .gave_up_at = LONG_AGO };
	int64_t now = now_ms();
	enum grade grade;

	evidence_fill(d, t);
	/* Somebody wants to know now: how long it has been quiet does not matter. */
	t->ev.last_drop = now;
	t->ev.desync = true;
	if (b->purpose != EXPLAIN && !d->dry_run)
		t->ev.mode = MODE_RECOVER;
	grade = grade_flow(&t->ev, &d->conf->limits, now, NULL);
	recover_state(d, t, grade, &st);
	if (b->purpose != EXPLAIN) {
		st.attempts = 0;
		st.next_try = LONG_AGO;
		st.gave_up_at = LONG_AGO;
		st.uncertain_at = LONG_AGO;
		st.uncertain_spent = false;
	}
	*dec = decide(&t->ev, &st, &d->conf->limits, now);
}

static bool acts(const struct decision *dec)
{
	return is_exchange(dec->action);
}

static json_t *child_state(struct by_hand *b, const char *child)
{
	const struct ike_child *c = listing_child(b->d->listing[LISTING_LAST], b->conn, child);
	struct hist_sa h;
	bool known = !hist_child(b->d->hist, b->conn, child, NULL, &h);

	return json_pack("{s:o, s:b, s:o, s:b}", "child", json_text(child), "up", !!c, "last",
			 known ? json_string(end_name(h.end)) : json_null(), "terminated_by_hand",
			 hist_by_hand(b->d->hist, b->conn, child, NULL));
}

static json_t *children(struct by_hand *b)
{
	const struct ike_conn *conn = conns_name(ike_conns(b->d->ike), b->conn);
	json_t *list = json_array();
	size_t i;

	for (i = 0; conn && i < conn->nchild; i++)
		json_array_append_new(list, child_state(b, conn->child[i]));
	return list;
}

static json_t *connection(struct by_hand *b)
{
	const struct invspid *d = b->d;
	const char *from;
	enum mode mode = mode_in_force(d->conf, d->settings, d->dry_run, b->conn, &from);

	return json_pack("{s:s, s:s, s:b, s:b, s:b, s:o, s:s}", "mode", mode_name(mode),
			 "mode_from", from, "hold", settings_held(d->settings, b->conn), "loaded",
			 !!conns_name(ike_conns(d->ike), b->conn), "ike_sa",
			 !!listing_conn(d->listing[LISTING_LAST], b->conn), "stopped",
			 d->stopped ? json_string(d->stopped) : json_null(), "daemon",
			 daemon_state_name(ike_state(d->ike)));
}

static enum outcome outcome_of(const struct by_hand *b, size_t i)
{
	const struct attempt *a = attempt_find(
		b->d, b->t[i].peer, attempt_child(b->t[i].child, b->dec[i].grade), b->dec[i].grade);

	return a ? a->outcome : OUTCOME_PENDING;
}

/* What the exit status of `invspi recover' is about; NULL: all is well. */
static const char *failure(const struct by_hand *b)
{
	bool began = false, wanted = false, failed = false;
	enum outcome o;
	size_t i;

	for (i = 0; i < b->n; i++) {
		began |= b->began[i];
		wanted |= acts(&b->dec[i]) || b->dec[i].blocked ||
			  b->dec[i].action == ACTION_REPORT || b->dec[i].grade == GRADE_HELD ||
			  b->dec[i].grade == GRADE_PENDING;
		o = b->began[i] ? outcome_of(b, i) : OUTCOME_QUIET;
		failed |= o != OUTCOME_HEALED && o != OUTCOME_QUIET && o != OUTCOME_STALE;
	}
	if (b->purpose != EXPLAIN && ike_state(b->d->ike) != DAEMON_READY)
		return "the IKE daemon is not ready: see \"daemon\", and `invspi status'";
	if (b->purpose != CARRY_OUT)
		return NULL;
	if (failed)
		return "it was tried, and has not succeeded (yet)";
	if (wanted && !began)
		return "nothing was done: \"why\" and \"blocked\" tell the reason";
	return NULL;
}

static void tell(struct by_hand *b)
{
	struct client *cl = b->cl;
	const char *why = failure(b);
	json_t *sas = json_array(), *one, *j;
	size_t i;

	for (i = 0; i < b->n; i++) {
		one = explain_flow(&b->t[i], &b->dec[i]);
		if (b->began[i])
			json_object_set_new(one, "outcome",
					    json_string(outcome_name(outcome_of(b, i))));
		json_array_append_new(sas, one);
	}
	j = json_pack("{s:b, s:o, s:o, s:o, s:o}", "ok", 1, "conn", json_text(b->conn),
		      "connection", connection(b), "children", children(b), "sas", sas);
	if (b->purpose != EXPLAIN)
		json_object_set_new(j, "failed", why ? json_string(why) : json_null());
	end(b);
	client_answer(cl, j);
}

/* ---- acting ---- */

static void on_outcome_timer(uv_timer_t *timer)
{
	struct by_hand *b = timer->data;
	bool late = now_ms() - b->started > OUTCOME_MS;

	if (!late && recover_busy(b->d, b->conn))
		return;
	tell(b);
}

static void carry_out(struct by_hand *b)
{
	struct attempt *a;
	size_t i;

	recover_retry(b->d, b->conn);
	for (i = 0; i < b->n; i++) {
		/* Another one may have begun what this one needs. */
		judge(b, &b->t[i], &b->dec[i]);
		if (!acts(&b->dec[i]))
			continue;
		a = attempt_get(b->d, b->t[i].peer, attempt_child(b->t[i].child, b->dec[i].grade),
				b->dec[i].grade);
		if (a)
			a->outcome = OUTCOME_PENDING;
		b->t[i].dec = b->dec[i];
		b->began[i] = true;
		log_notice("recover %s: by hand: %s", b->conn, action_name(b->dec[i].action));
		recover_start(b->d, &b->t[i]);
	}
	b->started = now_ms();
	client_wait(b->cl, OUTCOME_MS + 5000);
	uv_timer_start(&b->timer, on_outcome_timer, 0, OUTCOME_POLL_MS);
}

/* ---- evidence ---- */

static void ask(struct by_hand *b);

static void on_ask_timer(uv_timer_t *timer)
{
	ask(timer->data);
}

static void on_listed(void *arg, int err, struct ike_listing *l)
{
	struct by_hand *b = arg;
	bool pending = false;
	size_t i;

	b->asked = false;
	if (!b->cl) {
		end(b);
		return;
	}
	if (!err)
		listing_add(b->d, l);
	for (i = 0; i < b->n; i++) {
		judge(b, &b->t[i], &b->dec[i]);
		pending |= b->dec[i].grade == GRADE_PENDING;
	}
	if (pending && now_ms() - b->started < EVIDENCE_MS)
		uv_timer_start(&b->timer, on_ask_timer, LOOK_AGAIN_MS, 0);
	else if (b->purpose == CARRY_OUT)
		carry_out(b);
	else
		tell(b);
}

/* kernel -> list; the listing before is from the look, or from the last time. */
static void ask(struct by_hand *b)
{
	size_t i;

	for (i = 0; i < b->n; i++)
		evidence_ask_kernel(b->d, &b->t[i]);
	b->asked = true;
	ike_list(b->d->ike, NULL, false, on_listed, b);
}

static void on_looked(void *arg)
{
	struct client *cl = arg;
	struct by_hand *b = cl->by_hand;
	const struct ike_conn *conn;

	if (cl->closing || !b)
		return;
	conn = conns_name(ike_conns(b->d->ike), b->conn);
	b->dynamic = conn && conn->dynamic;
	add_flows(b);
	add_listed(b);
	hist_should_be_up(b->d->hist, b->conn, b->dynamic ? HIST_EACH_PEER : NULL, add_down, b);
	b->dec = calloc(b->n + 1, sizeof(*b->dec));
	b->began = calloc(b->n + 1, sizeof(*b->began));
	if (!b->dec || !b->began) {
		end(b);
		client_refuse(cl, "%s", "out of memory");
		return;
	}
	ask(b);
}

static void refuse_unloaded(struct client *cl, const char *conn)
{
	char text[NAME_LEN + 128];

	snprintf(text, sizeof(text), "no connection \"%.*s\" is loaded; `%s' names them", NAME_LEN,
		 conn, ike_words(cl->d->ike)->list_conns);
	client_refuse(cl, "%s", text);
}

static void begin(struct client *cl, enum purpose purpose)
{
	const char *conn = client_conn(cl, "");
	const struct ike_conns *conns = ike_conns(cl->d->ike);
	struct by_hand *b;

	if (!conn)
		return;
	if (strlen(conn) >= NAME_LEN || (conns && conns->nconn && !conns_name(conns, conn))) {
		refuse_unloaded(cl, conn);
		return;
	}
	if (purpose == CARRY_OUT && cl->d->dry_run) {
		client_refuse(cl,
			      "invspid runs with --dry-run: `invspi recover %s dry-run' shows "
			      "what would be done",
			      conn);
		return;
	}
	b = calloc(1, sizeof(*b));
	if (!b) {
		client_refuse(cl, "%s", "out of memory");
		return;
	}
	b->d = cl->d;
	b->cl = cl;
	b->purpose = purpose;
	snprintf(b->conn, sizeof(b->conn), "%s", conn);
	uv_timer_init(cl->d->loop, &b->timer);
	b->timer.data = b;
	b->started = now_ms();
	cl->by_hand = b;
	look_then(cl->d, on_looked, cl);
}

void do_recover(struct client *cl)
{
	begin(cl, json_is_true(json_object_get(cl->args, "dry_run")) ? DRY_RUN : CARRY_OUT);
}

void explain_conn(struct client *cl)
{
	begin(cl, EXPLAIN);
}
