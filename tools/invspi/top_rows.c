// SPDX-License-Identifier: GPL-2.0-only
/* What invspi top shows of a sample: columns, order, filter. No I/O. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "top.h"

#define ROW_TEXT 1024

/* ---- cells ---- */

static void put_rate(char *buf, size_t size, double rate)
{
	if (rate < 0)
		snprintf(buf, size, "-");
	else if (rate >= 9999.5)
		snprintf(buf, size, "%.0fk", rate / 1000);
	else
		snprintf(buf, size, rate < 99.95 ? "%.1f" : "%.0f", rate);
}

/* So many digits are no help: 81242, 8124k, 812M */
static void put_count(char *buf, size_t size, uint64_t n)
{
	static const char units[] = " kMGTPE";
	unsigned int i = 0;

	while (n > 9999999 || (i && n > 99999)) {
		n /= 1000;
		i++;
	}
	if (i)
		snprintf(buf, size, "%" PRIu64 "%c", n, units[i]);
	else
		snprintf(buf, size, "%" PRIu64, n);
}

void top_age(char *buf, size_t size, int64_t ms)
{
	char age[FMT_AGE_LEN];

	if (ms < 0)
		snprintf(buf, size, "-");
	else if (ms < 60000)
		snprintf(buf, size, "%.1fs", (double)ms / 1000);
	else
		snprintf(buf, size, "%s", fmt_age(age, (uint64_t)ms));
}

static void put_or_dash(char *buf, size_t size, const char *text)
{
	snprintf(buf, size, "%s", *text ? text : "-");
}

static int by_double(double a, double b)
{
	return a < b ? 1 : -(a > b);
}

static int by_number(uint64_t a, uint64_t b)
{
	return a < b ? 1 : -(a > b);
}

/* The most recent first, what never was last. */
static int by_age(int64_t a, int64_t b)
{
	if (a < 0 || b < 0)
		return (a < 0) - (b < 0);
	return a > b ? 1 : -(a < b);
}

/* ---- connections ---- */

#define CONN(row) ((const struct top_conn *)(row))

static const char *state_of(const struct top_conn *c)
{
	return c->gave_up    ? "GAVE UP"
	       : c->desync   ? "DESYNC"
	       : c->held     ? "held"
	       : c->flows    ? "dropping"
	       : c->children ? "ok"
			     : "no SAs";
}

static int trouble(const struct top_conn *c)
{
	return c->gave_up ? 4 : c->desync ? 3 : c->flows ? 2 : c->held;
}

static void conn_name(const void *row, char *buf, size_t size)
{
	snprintf(buf, size, "%s", CONN(row)->name);
}

static int by_conn_name(const void *a, const void *b)
{
	return strcmp(CONN(a)->name, CONN(b)->name);
}

static void conn_peer(const void *row, char *buf, size_t size)
{
	put_or_dash(buf, size, CONN(row)->peer);
}

static int by_conn_peer(const void *a, const void *b)
{
	return strcmp(CONN(a)->peer, CONN(b)->peer);
}

static void conn_sas(const void *row, char *buf, size_t size)
{
	snprintf(buf, size, "%u", CONN(row)->children);
}

static int by_conn_sas(const void *a, const void *b)
{
	return by_number(CONN(a)->children, CONN(b)->children);
}

static void conn_rate(const void *row, char *buf, size_t size)
{
	put_rate(buf, size, CONN(row)->rate);
}

static int by_conn_rate(const void *a, const void *b)
{
	return by_double(CONN(a)->rate, CONN(b)->rate);
}

static void conn_packets(const void *row, char *buf, size_t size)
{
	put_count(buf, size, CONN(row)->packets);
}

static int by_conn_packets(const void *a, const void *b)
{
	return by_number(CONN(a)->packets, CONN(b)->packets);
}

static void conn_state(const void *row, char *buf, size_t size)
{
	snprintf(buf, size, "%s", state_of(CONN(row)));
}

static int by_conn_state(const void *a, const void *b)
{
	return trouble(CONN(b)) - trouble(CONN(a));
}

static void conn_last(const void *row, char *buf, size_t size)
{
	const struct top_conn *c = row;

	if (c->ago_ms < 0)
		snprintf(buf, size, "-");
	else
		snprintf(buf, size, "%s %s", c->action, c->outcome);
}

static int by_conn_last(const void *a, const void *b)
{
	int rc = strcmp(CONN(b)->outcome, CONN(a)->outcome);

	return rc ? rc : strcmp(CONN(a)->action, CONN(b)->action);
}

static void conn_ago(const void *row, char *buf, size_t size)
{
	top_age(buf, size, CONN(row)->ago_ms);
}

static int by_conn_ago(const void *a, const void *b)
{
	return by_age(CONN(a)->ago_ms, CONN(b)->ago_ms);
}

static void conn_took(const void *row, char *buf, size_t size)
{
	double s = (double)CONN(row)->took_ms / 1000;

	if (s < 0)
		snprintf(buf, size, "-");
	else
		snprintf(buf, size, s < 99.995 ? "%.2fs" : "%.0fs", s);
}

static int by_conn_took(const void *a, const void *b)
{
	int64_t x = CONN(a)->took_ms, y = CONN(b)->took_ms;

	return x < y ? 1 : -(x > y);
}

const struct top_column top_conn_columns[] = {
	{ "connection", "CONNECTION", 11, 3, 0, false, conn_name, by_conn_name },
	{ "peer", "PEER", 15, 1, 3, false, conn_peer, by_conn_peer },
	{ "sas", "SAS", 3, 0, 8, true, conn_sas, by_conn_sas },
	{ "state", "STATE", 8, 0, 0, false, conn_state, by_conn_state },
	{ "rate", "RATE/s", 6, 0, 2, true, conn_rate, by_conn_rate },
	{ "dropped", "DROPPED", 7, 0, 4, true, conn_packets, by_conn_packets },
	{ "last", "LAST ACTION", 15, 0, 5, false, conn_last, by_conn_last },
	{ "ago", "AGO", 5, 0, 6, true, conn_ago, by_conn_ago },
	{ "took", "TOOK", 6, 0, 7, true, conn_took, by_conn_took },
	{ 0 }
};

/* ---- flows ---- */

#define FLOW(row) ((const struct top_flow *)(row))

static void flow_src(const void *row, char *buf, size_t size)
{
	const struct invspi_flow *f = &FLOW(row)->flow;
	char addr[FMT_ADDR_LEN];

	fmt_addr(addr, f->family, &f->src);
	if (f->sport)
		snprintf(buf, size, f->family == AF_INET ? "%s:%u" : "[%s]:%u", addr, f->sport);
	else
		snprintf(buf, size, "%s", addr);
}

static int by_flow_src(const void *a, const void *b)
{
	const struct invspi_flow *x = &FLOW(a)->flow, *y = &FLOW(b)->flow;

	if (x->family != y->family)
		return x->family - y->family;
	return memcmp(x->src.b, y->src.b, sizeof(x->src.b));
}

static void flow_dst(const void *row, char *buf, size_t size)
{
	char addr[FMT_ADDR_LEN];

	snprintf(buf, size, "%s", fmt_addr(addr, FLOW(row)->flow.family, &FLOW(row)->flow.dst));
}

static int by_flow_dst(const void *a, const void *b)
{
	const struct invspi_flow *x = &FLOW(a)->flow, *y = &FLOW(b)->flow;

	return memcmp(x->dst.b, y->dst.b, sizeof(x->dst.b));
}

static void flow_spi(const void *row, char *buf, size_t size)
{
	snprintf(buf, size, "0x%08" PRIx32, FLOW(row)->flow.spi);
}

static int by_flow_spi(const void *a, const void *b)
{
	return -by_number(FLOW(a)->flow.spi, FLOW(b)->flow.spi);
}

static void flow_verdict(const void *row, char *buf, size_t size)
{
	const char *name = invspi_state_name(FLOW(row)->flow.state);

	snprintf(buf, size, "%s",
		 FLOW(row)->flow.state == XFRM_INVSPI_FLOW_STATE_DESYNC ? "DESYNC"
		 : name							? name
									: "?");
}

static int by_flow_verdict(const void *a, const void *b)
{
	return by_number(FLOW(a)->flow.state, FLOW(b)->flow.state);
}

static void flow_rate(const void *row, char *buf, size_t size)
{
	put_rate(buf, size, FLOW(row)->rate);
}

static int by_flow_rate(const void *a, const void *b)
{
	return by_double(FLOW(a)->rate, FLOW(b)->rate);
}

static void flow_packets(const void *row, char *buf, size_t size)
{
	put_count(buf, size, FLOW(row)->flow.packets);
}

static int by_flow_packets(const void *a, const void *b)
{
	return by_number(FLOW(a)->flow.packets, FLOW(b)->flow.packets);
}

static void flow_first(const void *row, char *buf, size_t size)
{
	top_age(buf, size, (int64_t)FLOW(row)->flow.first_age_ms);
}

static int by_flow_first(const void *a, const void *b)
{
	return by_age((int64_t)FLOW(a)->flow.first_age_ms, (int64_t)FLOW(b)->flow.first_age_ms);
}

static void flow_last(const void *row, char *buf, size_t size)
{
	top_age(buf, size, (int64_t)FLOW(row)->flow.last_age_ms);
}

static int by_flow_last(const void *a, const void *b)
{
	return by_age((int64_t)FLOW(a)->flow.last_age_ms, (int64_t)FLOW(b)->flow.last_age_ms);
}

static void flow_conn(const void *row, char *buf, size_t size)
{
	const struct top_flow *f = row;

	snprintf(buf, size, "%s%s%s", *f->conn ? f->conn : "-", *f->child ? "/" : "", f->child);
}

static int by_flow_conn(const void *a, const void *b)
{
	/* those without one last */
	if (!*FLOW(a)->conn != !*FLOW(b)->conn)
		return *FLOW(a)->conn ? -1 : 1;
	return strcmp(FLOW(a)->conn, FLOW(b)->conn);
}

static void flow_grade(const void *row, char *buf, size_t size)
{
	put_or_dash(buf, size, FLOW(row)->grade);
}

static int by_flow_grade(const void *a, const void *b)
{
	return strcmp(FLOW(a)->grade, FLOW(b)->grade);
}

static void flow_action(const void *row, char *buf, size_t size)
{
	put_or_dash(buf, size, FLOW(row)->action);
}

static int by_flow_action(const void *a, const void *b)
{
	return strcmp(FLOW(a)->action, FLOW(b)->action);
}

const struct top_column top_flow_columns[] = {
	{ "source", "SOURCE", 15, 2, 0, false, flow_src, by_flow_src },
	{ "destination", "DESTINATION", 15, 1, 9, false, flow_dst, by_flow_dst },
	{ "spi", "SPI", 10, 0, 2, false, flow_spi, by_flow_spi },
	{ "verdict", "VERDICT", 7, 0, 0, false, flow_verdict, by_flow_verdict },
	{ "rate", "RATE/s", 6, 0, 1, true, flow_rate, by_flow_rate },
	{ "packets", "PACKETS", 7, 0, 3, true, flow_packets, by_flow_packets },
	{ "first", "FIRST", 6, 0, 8, true, flow_first, by_flow_first },
	{ "last", "LAST", 6, 0, 5, true, flow_last, by_flow_last },
	{ "connection", "CONNECTION", 11, 3, 4, false, flow_conn, by_flow_conn },
	{ "grade", "GRADE", 10, 2, 6, false, flow_grade, by_flow_grade },
	{ "action", "ACTION", 8, 0, 7, false, flow_action, by_flow_action },
	{ 0 }
};

/* ---- rows ---- */

const struct top_column *top_columns(enum top_view view)
{
	return view == TOP_FLOWS ? top_flow_columns : top_conn_columns;
}

int top_column(enum top_view view, const char *key)
{
	const struct top_column *c = top_columns(view);
	int i;

	for (i = 0; c[i].key; i++)
		if (!strcmp(c[i].key, key))
			return i;
	return -1;
}

void top_choose(struct top_order *order, const struct top_sample *s)
{
	if (!order->chosen && !s->daemon)
		order->view = TOP_FLOWS;
	order->chosen = true;
}

/* All cells of a row, for the filter. */
static bool has_text(const struct top_column *c, const void *row, const char *text)
{
	char line[ROW_TEXT];
	size_t len = 0;

	for (; c->key && len + 2 < sizeof(line); c++) {
		c->put(row, line + len, sizeof(line) - len - 1);
		len += strlen(line + len);
		line[len++] = '\n';
	}
	line[len] = '\0';
	return strcasestr(line, text);
}

static bool is_shown(const struct top_order *o, const void *row)
{
	if (o->trouble &&
	    (o->view == TOP_FLOWS ? FLOW(row)->flow.state != XFRM_INVSPI_FLOW_STATE_DESYNC
				  : !CONN(row)->desync && !CONN(row)->gave_up))
		return false;
	return !*o->filter || has_text(top_columns(o->view), row, o->filter);
}

/* qsort_r() has an argument for it, but the order of equal rows must hold still, too. */
static const struct top_column *sort_by;
static bool sort_reverse;

static int compare(const void *pa, const void *pb)
{
	const void *a = *(const void *const *)pa, *b = *(const void *const *)pb;
	int rc = sort_by->compare(a, b);

	if (sort_reverse)
		rc = -rc;
	/* in the order of the sample, which is that of their keys */
	return rc ? rc : a < b ? -1 : a > b;
}

const void **top_rows(const struct top_sample *s, const struct top_order *order, size_t *n)
{
	bool flows = order->view == TOP_FLOWS;
	size_t i, all = flows ? s->nflow : s->nconn;
	const void **rows = calloc(all + 1, sizeof(*rows)), *row;

	*n = 0;
	for (i = 0; rows && i < all; i++) {
		row = flows ? (const void *)&s->flow[i] : (const void *)&s->conn[i];
		if (is_shown(order, row))
			rows[(*n)++] = row;
	}
	sort_by = &top_columns(order->view)[order->sort[order->view]];
	sort_reverse = order->reverse;
	if (*n > 1)
		qsort(rows, *n, sizeof(*rows), compare);
	return rows;
}
