// SPDX-License-Identifier: GPL-2.0-only
/*
 * What `invspi top' shows beside the module's flows, and whom `invspi status' points
 * at: as it was found by the last look. Nothing is asked for it, so that it can be
 * had every second.
 */
#include <stdio.h>
#include <string.h>

#include "control_int.h"
#include "mode.h"

#define CONNS_MAX 500
#define FLOWS_MAX 500

/**
 * struct view - what is told of connections beside the tally
 * @gave_up: by place in the tally, so much was given up; the last one is for those
 *	without a place
 * @children: ... and so many CHILD_SAs were listed
 */
struct view {
	struct invspid *d;
	unsigned int *gave_up, *children;
};

static size_t place(const struct invspid *d, const char *name)
{
	const struct tally_conn *c = tally_conn(d->tally, name);

	return c == &d->tally->others ? d->tally->nconn : (size_t)(c - d->tally->conn);
}

static bool view_init(struct view *v, struct invspid *d)
{
	const struct ike_listing *l = d->listing[LISTING_LAST];
	const struct attempt *a;
	size_t i;

	v->d = d;
	v->gave_up = calloc(2 * (d->tally->nconn + 1), sizeof(*v->gave_up));
	if (!v->gave_up)
		return false;
	v->children = v->gave_up + d->tally->nconn + 1;
	for (a = d->attempts; a; a = a->next)
		if (a->gave_up_at != LONG_AGO)
			v->gave_up[place(d, a->conn)]++;
	for (i = 0; l && i < l->nsa; i++)
		v->children[place(d, l->sa[i].conn)] += (unsigned int)l->sa[i].nchild;
	return true;
}

/* Of a peer that is there, or of one that is configured; null for one that may come. */
static json_t *peer(const struct invspid *d, const char *name)
{
	const struct ike_sa *sa = listing_conn(d->listing[LISTING_LAST], name);
	const struct ike_conn *conn = conns_name(d->ike ? ike_conns(d->ike) : NULL, name);

	if (sa && !(conn && conn->dynamic))
		return json_addr(sa->remote.family, sa->remote.addr);
	if (conn && conn->nremote)
		return json_addr(conn->remote[0].family, conn->remote[0].addr);
	return json_null();
}

static json_t *last_json(const struct tally_end *e)
{
	json_t *j = json_pack("{s:s, s:s, s:s, s:I}", "grade", grade_name(e->grade), "action",
			      action_name(e->action), "outcome", outcome_name(e->outcome), "ago_ms",
			      (json_int_t)(now_ms() - e->at));

	json_object_set_new(j, "took_ms",
			    e->took_ms < 0 ? json_null() : json_integer((json_int_t)e->took_ms));
	return j;
}

static json_t *ended_json(const uint64_t ended[TALLY_OUTCOMES])
{
	json_t *j = json_object();
	unsigned int o;

	for (o = OUTCOME_HEALED; o < TALLY_OUTCOMES; o++)
		json_object_set_new(j, outcome_name((enum outcome)o),
				    json_integer((json_int_t)ended[o]));
	return j;
}

static json_t *conn_json(const struct view *v, size_t i)
{
	const struct tally_conn *c = &v->d->tally->conn[i];
	enum mode mode = mode_in_force(v->d->conf, v->d->settings, v->d->dry_run, c->name, NULL);
	json_t *j = json_object();

	json_object_set_new(j, "conn", json_text(c->name));
	json_object_set_new(j, "peer", peer(v->d, c->name));
	json_object_set_new(j, "children", json_integer(v->children[i]));
	json_object_set_new(j, "mode", json_string(mode_name(mode)));
	json_object_set_new(j, "held", json_boolean(settings_held(v->d->settings, c->name)));
	json_object_set_new(j, "flows", json_integer(c->flows));
	json_object_set_new(j, "desync", json_integer(c->desync));
	json_object_set_new(j, "packets", json_integer((json_int_t)c->dropped));
	json_object_set_new(j, "gave_up", json_integer(v->gave_up[i]));
	json_object_set_new(j, "outcomes", ended_json(c->ended));
	json_object_set_new(j, "last", c->has_last ? last_json(&c->last) : json_null());
	return j;
}

/* Those with trouble first: they are the ones that are shown where not all can be. */
static bool has_trouble(const struct view *v, size_t i)
{
	const struct tally_conn *c = &v->d->tally->conn[i];

	return c->desync || v->gave_up[i];
}

static bool is_of_interest(const struct view *v, size_t i)
{
	const struct tally_conn *c = &v->d->tally->conn[i];

	return has_trouble(v, i) || c->flows || c->has_last;
}

static json_t *conns_json(const struct view *v, json_int_t *left)
{
	const struct tally *t = v->d->tally;
	json_t *j = json_array();
	size_t i;
	int pass;

	*left = 0;
	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < t->nconn; i++) {
			if (!t->conn[i].configured || is_of_interest(v, i) != !pass)
				continue;
			if (json_array_size(j) < CONNS_MAX)
				json_array_append_new(j, conn_json(v, i));
			else
				++*left;
		}
	}
	return j;
}

/* What nobody knows has nothing to tell that the module's table does not. */
static json_t *flows_json(const struct invspid *d, json_int_t *left)
{
	json_t *j = json_array(), *flow;
	size_t i;

	*left = 0;
	for (i = 0; i < d->nflow; i++) {
		if (!d->flow[i].relevant)
			continue;
		if (json_array_size(j) >= FLOWS_MAX) {
			++*left;
			continue;
		}
		flow = flow_json(&d->flow[i], &d->flow[i].dec);
		json_object_set_new(flow, "sport", json_integer(d->flow[i].flow.sport));
		json_array_append_new(j, flow);
	}
	return j;
}

json_t *attention_json(struct invspid *d)
{
	json_t *j = json_array();
	struct view v;
	size_t i;

	if (!view_init(&v, d))
		return j;
	for (i = 0; i < d->tally->nconn && json_array_size(j) < CONNS_MAX; i++)
		if (d->tally->conn[i].configured && has_trouble(&v, i))
			json_array_append_new(j, conn_json(&v, i));
	free(v.gave_up);
	return j;
}

void do_top(struct client *cl)
{
	json_int_t conns_left, flows_left;
	struct invspid *d = cl->d;
	json_t *j = status_json(d);
	struct view v;

	if (!view_init(&v, d)) {
		json_decref(j);
		client_refuse(cl, "%s", "out of memory");
		return;
	}
	j = json_pack("{s:b, s:o, s:o, s:o}", "ok", 1, "status", j, "connections",
		      conns_json(&v, &conns_left), "flows", flows_json(d, &flows_left));
	json_object_set_new(j, "connections_left_out", json_integer(conns_left));
	json_object_set_new(j, "flows_left_out", json_integer(flows_left));
	free(v.gave_up);
	client_answer(cl, j);
}
