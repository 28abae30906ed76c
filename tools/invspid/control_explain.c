// SPDX-License-Identifier: GPL-2.0-only
/* `invspi explain': evidence, grade, action, and what blocks it. */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "control_int.h"
#include "parse.h"

#define EXPLAIN_MAX 256

static const char *presence_name(enum presence p)
{
	return p == PRESENCE_THERE ? "there" : p == PRESENCE_ABSENT ? "absent" : "unknown";
}

static json_t *evidence_json(const struct evidence *ev)
{
#define BOOL(member)                                       \
	{                                                  \
#member, offsetof(struct evidence, member) \
	}
	static const struct {
		const char *name;
		size_t offset;
	} bools[] = {
		BOOL(desync),	      BOOL(seq_rising),	      BOOL(spi_plausible),
		BOOL(spoofed),	      BOOL(dst_local),	      BOOL(sa_here),
		BOOL(sa_elsewhere),   BOOL(sa_larval),	      BOOL(sa_seen_leaving),
		BOOL(sa_expired),     BOOL(other_keyer),      BOOL(inbound_busy),
		BOOL(conn_known),     BOOL(conn_loaded),      BOOL(conn_dynamic),
		BOOL(eap_or_vip),     BOOL(hist_known),	      BOOL(hist_addr_same),
		BOOL(hist_port_same), BOOL(child_up),	      BOOL(child_down),
		BOOL(child_silent),   BOOL(ike_silent),	      BOOL(in_step),
		BOOL(g1_refused),     BOOL(recreated),	      BOOL(reauthenticated),
		BOOL(no_gap),	      BOOL(initiate_unknown), BOOL(hold),
		BOOL(by_hand),	      BOOL(copy_allowed),     BOOL(copy_known),
		BOOL(peer_recent),
	};
#undef BOOL
	json_t *j = json_object();
	size_t i;

	json_object_set_new(j, "mode", json_string(mode_name(ev->mode)));
	json_object_set_new(j, "daemon", json_string(daemon_state_name(ev->daemon)));
	json_object_set_new(j, "inbound", json_string(presence_name(ev->inbound)));
	json_object_set_new(j, "ike_sa", json_string(presence_name(ev->ike_sa)));
	json_object_set_new(j, "task", json_boolean(ev->task_since != INT64_MAX));
	json_object_set_new(j, "children_down", json_integer(ev->children_down));
	json_object_set_new(j, "children_new", json_integer(ev->children_new));
	json_object_set_new(j, "silent", json_integer(ev->silent));
	json_object_set_new(j, "disruptive", json_string(disruptive_name(ev->disruptive)));
	json_object_set_new(j, "hist_end",
			    ev->hist_known ? json_string(end_name(ev->hist_end)) : json_null());
	for (i = 0; i < sizeof(bools) / sizeof(*bools); i++)
		json_object_set_new(
			j, bools[i].name,
			json_boolean(*(const bool *)((const char *)ev + bools[i].offset)));
	return j;
}

/* Both sides of what is misdirected. */
static json_t *elsewhere_json(const struct tracked *t)
{
	const struct xfrm_sa *sa = &t->elsewhere;

	return json_pack("{s:o, s:I, s:I, s:I, s:I}", "dst",
			 json_addr(sa->dst.family, sa->dst.addr), "mark", (json_int_t)sa->mark,
			 "mark_mask", (json_int_t)sa->mark_mask, "if_id", (json_int_t)sa->if_id,
			 "packet_mark", (json_int_t)t->flow.mark);
}

json_t *flow_json(const struct tracked *t, const struct decision *dec)
{
	const struct invspi_flow *f = &t->flow;
	json_t *j = json_object();
	char spi[16];

	snprintf(spi, sizeof(spi), "0x%08" PRIx32, f->spi);
	json_object_set_new(j, "src", json_addr(f->family, f->src.b));
	json_object_set_new(j, "dst", json_addr(f->family, f->dst.b));
	json_object_set_new(j, "proto", json_string(invspi_proto_name(f->proto)));
	json_object_set_new(j, "spi", json_string(spi));
	json_object_set_new(j, "conn", json_text(t->conn));
	json_object_set_new(j, "child", json_text(t->child));
	json_object_set_new(j, "grade", json_string(grade_name(dec->grade)));
	json_object_set_new(j, "action", json_string(action_name(dec->action)));
	json_object_set_new(j, "why", json_string(dec->why ? dec->why : ""));
	json_object_set_new(j, "blocked", dec->blocked ? json_string(dec->blocked) : json_null());
	return j;
}

json_t *explain_flow(const struct tracked *t, const struct decision *dec)
{
	json_t *j = flow_json(t, dec);

	json_object_set_new(j, "packets", json_integer((json_int_t)t->flow.packets));
	json_object_set_new(j, "wanted", json_string(action_name(dec->wanted)));
	if (t->ev.sa_elsewhere)
		json_object_set_new(j, "elsewhere", elsewhere_json(t));
	json_object_set_new(j, "evidence", evidence_json(&t->ev));
	return j;
}

/**
 * struct selector - which flows explain is about
 */
struct selector {
	bool has_src, has_dst, has_spi;
	struct invspi_prefix src, dst;
	uint32_t spi;
	uint8_t proto;
};

static bool selected(const struct selector *s, const struct invspi_flow *f)
{
	return (!s->has_src || prefix_has(&s->src, f->family, &f->src)) &&
	       (!s->has_dst || prefix_has(&s->dst, f->family, &f->dst)) &&
	       (!s->has_spi || s->spi == f->spi) && (!s->proto || s->proto == f->proto);
}

static int get_selector(struct client *cl, struct selector *s, struct invspi_err *err)
{
	const char *v;

	memset(s, 0, sizeof(*s));
	v = client_arg(cl, "src");
	s->has_src = v;
	if (v && parse_prefix(v, &s->src, err))
		return -EINVAL;
	v = client_arg(cl, "dst");
	s->has_dst = v;
	if (v && parse_prefix(v, &s->dst, err))
		return -EINVAL;
	v = client_arg(cl, "spi");
	s->has_spi = v;
	if (v && parse_spi(v, &s->spi, err))
		return -EINVAL;
	v = client_arg(cl, "proto");
	if (v && strcmp(v, "esp") && strcmp(v, "ah"))
		return invspi_err_set(err, EINVAL, "proto \"%s\": esp or ah is wanted", v);
	if (v)
		s->proto = strcmp(v, "ah") ? IPPROTO_ESP : IPPROTO_AH;
	return 0;
}

static void on_looked(void *arg)
{
	struct client *cl = arg;
	struct invspid *d = cl->d;
	json_t *flows = json_array();
	struct selector s;
	size_t i, n = 0, left = 0;

	if (cl->closing) {
		json_decref(flows);
		return;
	}
	get_selector(cl, &s, NULL);
	for (i = 0; i < d->nflow; i++) {
		if (!d->flow[i].active || !selected(&s, &d->flow[i].flow))
			continue;
		if (n++ < EXPLAIN_MAX)
			json_array_append_new(flows, explain_flow(&d->flow[i], &d->flow[i].dec));
		else
			left++;
	}
	client_answer(cl, json_pack("{s:b, s:o, s:I}", "ok", 1, "flows", flows, "left_out",
				    (json_int_t)left));
}

void do_explain(struct client *cl)
{
	struct invspi_err err = { "" };
	struct selector s;

	if (get_selector(cl, &s, &err)) {
		client_refuse(cl, "%s", err.text);
		return;
	}
	if (client_arg(cl, "conn")) {
		explain_conn(cl);
		return;
	}
	if (!cl->d->nl) {
		client_refuse(cl, "the kernel module is not there: %s", cl->d->module_why);
		return;
	}
	/* All flows get fresh evidence in the next look, also the quiet ones. */
	look_then(cl->d, on_looked, cl);
}
