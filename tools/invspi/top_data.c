// SPDX-License-Identifier: GPL-2.0-only
/*
 * One sample for invspi top: the flows come from the module itself, so that they are
 * seen without invspid, too; what they were found to be comes from there.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "control.h"
#include "parse.h"
#include "top.h"

#define MODULE_RETRY_MS 10000
#define ANSWER_S 2 /* a screen that stands still is worse than one without invspid */

/* ---- the module ---- */

static int take_flow(const struct invspi_flow *flow, void *arg)
{
	struct top_sample *s = arg;
	struct top_flow *p;
	size_t room;

	if (s->nflow == s->flow_room) {
		room = s->flow_room ? s->flow_room * 2 : 64;
		p = reallocarray(s->flow, room, sizeof(*p));
		if (!p)
			return -ENOMEM;
		s->flow = p;
		s->flow_room = room;
	}
	p = &s->flow[s->nflow++];
	memset(p, 0, sizeof(*p));
	p->flow = *flow;
	p->rate = -1;
	return 0;
}

static int open_module(struct top_source *source, int64_t now)
{
	int rc;

	if (source->nl)
		return 0;
	if (source->nl_failed_at && now - source->nl_failed_at < MODULE_RETRY_MS)
		return -EOPNOTSUPP;
	rc = invspi_nl_open(&source->nl, &source->nl_err);
	source->nl_failed_at = rc ? now : 0;
	return rc;
}

static int take_module(struct top_sample *s, struct top_source *source)
{
	int rc = open_module(source, s->at);

	if (!rc)
		rc = invspi_nl_stats_get(source->nl, &s->stats, &source->nl_err);
	if (!rc)
		rc = invspi_nl_flow_dump(source->nl, NULL, take_flow, s, &source->nl_err);
	s->module = !rc;
	if (!rc)
		return 0;
	snprintf(s->module_why, sizeof(s->module_why), "%.*s", TOP_TEXT - 1, source->nl_err.text);
	invspi_nl_close(source->nl);
	source->nl = NULL;
	return rc == -ENOMEM ? rc : 0;
}

/* ---- invspid ---- */

/* Key order of the flows, as they are looked for. */
static int by_key(const void *a, const void *b)
{
	const struct invspi_flow *x = &((const struct top_flow *)a)->flow;
	const struct invspi_flow *y = &((const struct top_flow *)b)->flow;
	int rc;

	if (x->spi != y->spi)
		return x->spi < y->spi ? -1 : 1;
	if (x->family != y->family)
		return x->family - y->family;
	if (x->proto != y->proto)
		return x->proto - y->proto;
	if (x->sport != y->sport)
		return x->sport - y->sport;
	rc = memcmp(x->src.b, y->src.b, sizeof(x->src.b));
	return rc ? rc : memcmp(x->dst.b, y->dst.b, sizeof(x->dst.b));
}

static const char *text_of(json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

/* A text from outside, so that it can be shown. */
static void put_text(char *buf, size_t size, json_t *j, const char *key)
{
	const char *s = text_of(j, key);

	fmt_escape(buf, size, s, strlen(s));
}

static json_int_t number_of(json_t *j, const char *key)
{
	return json_integer_value(json_object_get(j, key));
}

static void take_answered_flow(struct top_sample *s, json_t *j)
{
	struct top_flow key = { .rate = -1 }, *f;
	int family;

	if (parse_addr(text_of(j, "src"), &key.flow.family, &key.flow.src, NULL) ||
	    parse_addr(text_of(j, "dst"), &family, &key.flow.dst, NULL) ||
	    parse_spi(text_of(j, "spi"), &key.flow.spi, NULL))
		return;
	key.flow.proto = strcmp(text_of(j, "proto"), "ah") ? IPPROTO_ESP : IPPROTO_AH;
	key.flow.sport = (uint16_t)number_of(j, "sport");
	f = s->nflow ? bsearch(&key, s->flow, s->nflow, sizeof(*f), by_key) : NULL;
	if (!f)
		return;
	put_text(f->conn, sizeof(f->conn), j, "conn");
	put_text(f->child, sizeof(f->child), j, "child");
	put_text(f->grade, sizeof(f->grade), j, "grade");
	put_text(f->action, sizeof(f->action), j, "action");
	put_text(f->why, sizeof(f->why), j, "why");
	put_text(f->blocked, sizeof(f->blocked), j, "blocked");
}

static void take_conn(struct top_conn *c, json_t *j)
{
	json_t *last = json_object_get(j, "last"), *ended = json_object_get(j, "outcomes");

	memset(c, 0, sizeof(*c));
	put_text(c->name, sizeof(c->name), j, "conn");
	put_text(c->peer, sizeof(c->peer), j, "peer");
	put_text(c->mode, sizeof(c->mode), j, "mode");
	c->children = (unsigned int)number_of(j, "children");
	c->flows = (unsigned int)number_of(j, "flows");
	c->desync = (unsigned int)number_of(j, "desync");
	c->gave_up = (unsigned int)number_of(j, "gave_up");
	c->held = json_is_true(json_object_get(j, "held"));
	c->packets = (uint64_t)number_of(j, "packets");
	c->healed = (uint64_t)number_of(ended, "healed");
	c->quiet = (uint64_t)number_of(ended, "quiet");
	c->stale = (uint64_t)number_of(ended, "stale");
	c->failed = (uint64_t)number_of(ended, "failed");
	c->rate = -1;
	c->ago_ms = -1;
	c->took_ms = -1;
	if (!json_is_object(last))
		return;
	put_text(c->action, sizeof(c->action), last, "action");
	put_text(c->outcome, sizeof(c->outcome), last, "outcome");
	c->ago_ms = number_of(last, "ago_ms");
	if (json_is_integer(json_object_get(last, "took_ms")))
		c->took_ms = number_of(last, "took_ms");
}

void top_take_answer(struct top_sample *s, json_t *answer)
{
	json_t *conns = json_object_get(answer, "connections"), *j;
	size_t i, n = json_array_size(conns);

	if (s->nflow)
		qsort(s->flow, s->nflow, sizeof(*s->flow), by_key);
	json_array_foreach(json_object_get(answer, "flows"), i, j)
		take_answered_flow(s, j);
	s->conn = calloc(n ? n : 1, sizeof(*s->conn));
	json_array_foreach(conns, i, j)
		if (s->conn)
			take_conn(&s->conn[s->nconn++], j);
	s->conns_left = (uint64_t)number_of(answer, "connections_left_out");
	s->status = json_incref(json_object_get(answer, "status"));
}

static void take_daemon(struct top_sample *s, const char *control)
{
	struct invspi_err err = { "" };
	json_t *answer;

	s->daemon = !control_call_within(control, ANSWER_S, json_pack("{s:s}", "command", "top"),
					 &answer, &err);
	if (s->daemon) {
		top_take_answer(s, answer);
		json_decref(answer);
	} else {
		snprintf(s->daemon_why, sizeof(s->daemon_why), "%.*s", TOP_TEXT - 1, err.text);
	}
}

/* ---- rates ---- */

/* Of a counter; what has become less has begun anew. */
static double rate(uint64_t now, uint64_t before, int64_t ms)
{
	return now < before || ms <= 0 ? -1 : (double)(now - before) * 1000 / (double)ms;
}

static uint64_t all_packets(const struct invspi_stats *st)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < INVSPI_REASONS; i++)
		sum += st->packets[i];
	return sum;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct top_conn *)a)->name, ((const struct top_conn *)b)->name);
}

/* A flow that was not there before has come since. */
static void flow_rates(struct top_sample *s, const struct top_sample *before, int64_t ms)
{
	const struct top_flow *was;
	size_t i;

	for (i = 0; i < s->nflow; i++) {
		was = before->nflow ? bsearch(&s->flow[i], before->flow, before->nflow,
					      sizeof(*was), by_key)
				    : NULL;
		s->flow[i].rate = rate(s->flow[i].flow.packets, was ? was->flow.packets : 0, ms);
	}
}

void top_rates(struct top_sample *s, const struct top_sample *before)
{
	int64_t ms = before ? s->at - before->at : 0;
	const struct top_conn *was;
	size_t i;

	s->rate = -1;
	if (s->nflow)
		qsort(s->flow, s->nflow, sizeof(*s->flow), by_key);
	if (s->nconn)
		qsort(s->conn, s->nconn, sizeof(*s->conn), by_name);
	if (!before)
		return;
	if (s->module && before->module) {
		s->rate = rate(all_packets(&s->stats), all_packets(&before->stats), ms);
		flow_rates(s, before, ms);
	}
	for (i = 0; before->nconn && i < s->nconn; i++) {
		was = bsearch(&s->conn[i], before->conn, before->nconn, sizeof(*was), by_name);
		if (was)
			s->conn[i].rate = rate(s->conn[i].packets, was->packets, ms);
	}
}

int top_sample(struct top_sample *s, struct top_source *source, const struct top_sample *before)
{
	int rc;

	memset(s, 0, sizeof(*s));
	s->at = now_ms();
	s->wall = wall_ms();
	rc = take_module(s, source);
	if (rc) {
		top_sample_free(s);
		return rc;
	}
	take_daemon(s, source->control);
	top_rates(s, before);
	return 0;
}

void top_sample_free(struct top_sample *s)
{
	free(s->flow);
	free(s->conn);
	json_decref(s->status);
	memset(s, 0, sizeof(*s));
}
