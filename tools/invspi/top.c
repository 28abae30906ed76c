// SPDX-License-Identifier: GPL-2.0-only
/*
 * invspi top: a live view of what is dropped, whose it is, and what is done about it.
 * This file has its command line, and what it does without a terminal.
 */
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "parse.h"
#include "top.h"

static const char usage[] =
	"Usage: invspi top [ -b ] [ -d DURATION ] [ -c COUNT ] [ -v VIEW ] [ -s COLUMN ] [ -r ]\n"
	"                  [ -t ] [ -f TEXT ]\n"
	"where  VIEW := { connections | flows }\n"
	"       -b  text to standard output, without a terminal; one screen without -c\n"
	"       -d  time between two looks (2s)\n"
	"       -c  end after so many\n"
	"       -s  sort by this column of the view; -r the other way round\n"
	"       -t  only what is out of step or given up\n"
	"       -f  only what has this text in it\n";

static const char *const views[] = { "connections", "flows", NULL };

static int take_sort(struct top *t, const char *key, struct args *args)
{
	const struct top_column *c = top_columns(t->order.view);
	const char *words[32];
	struct invspi_err err;
	int n, i;

	for (n = 0; c[n].key; n++)
		words[n] = c[n].key;
	words[n] = NULL;
	i = parse_keyword(key, "column", words, &err);
	if (i < 0)
		return usage_error(args, "%s", err.text);
	t->order.sort[t->order.view] = i;
	t->order.chosen = true; /* it is a column of that view */
	return EXIT_FINE;
}

static int take_option(struct top *t, int opt, const char **sort, struct invspi_err *err)
{
	uint64_t n;
	int rc = 0;

	switch (opt) {
	case 'b':
		t->batch = true;
		break;
	case 'd':
		rc = parse_duration(optarg, "duration", 1000, 100, 600000, &n, err);
		t->delay_ms = rc ? 0 : (int64_t)n;
		break;
	case 'c':
		rc = parse_number(optarg, "count", 1, UINT32_MAX, &n, err);
		t->count = rc ? 0 : n;
		break;
	case 'v':
		rc = parse_keyword(optarg, "view", views, err);
		t->order.view = rc > 0 ? TOP_FLOWS : TOP_CONNECTIONS;
		t->order.chosen = true;
		break;
	case 's':
		*sort = optarg;
		break;
	case 'r':
		t->order.reverse = true;
		break;
	case 't':
		t->order.trouble = true;
		break;
	case 'f':
		if (strlen(optarg) >= sizeof(t->order.filter))
			rc = invspi_err_set(err, ERANGE, "a filter has at most %zu bytes",
					    sizeof(t->order.filter) - 1);
		else
			memcpy(t->order.filter, optarg, strlen(optarg) + 1);
		break;
	}
	return rc < 0 ? rc : 0;
}

static int parse(struct top *t, const char **sort, struct args *args)
{
	char **argv = args->argv - 1; /* with "top" itself, which getopt() passes over */
	struct invspi_err err = { "" };
	int opt, rc = EXIT_FINE;

	optind = 0; /* begins anew */
	opterr = 0;
	while (!rc && (opt = getopt(args->argc + 1, argv, "+:bd:c:v:s:rtf:")) != -1) {
		if (opt == ':')
			rc = usage_error(args, "-%c needs a value", optopt);
		else if (opt == '?')
			rc = usage_error(args, "unknown option -%c", optopt);
		else if (take_option(t, opt, sort, &err))
			rc = usage_error(args, "%s", err.text);
	}
	if (!rc && optind <= args->argc)
		rc = usage_error(args, "unexpected \"%s\"", argv[optind]);
	return rc;
}

/* ---- without a terminal ---- */

static void put(void *arg, int row, enum top_style style, const char *text)
{
	struct fmt *f = arg;

	(void)row;
	(void)style;
	fmt_text(f, "%s\n", text);
}

static void json_rate(struct fmt *f, double rate)
{
	if (rate < 0)
		fmt_null(f, "rate");
	else
		fmt_number(f, "rate", NULL, (uint64_t)(rate + 0.5));
}

static void json_conn(struct fmt *f, const struct top_conn *c)
{
	fmt_object(f, NULL);
	fmt_string(f, "conn", NULL, c->name);
	fmt_string(f, "peer", NULL, c->peer);
	fmt_string(f, "mode", NULL, c->mode);
	fmt_number(f, "children", NULL, c->children);
	fmt_bool(f, "held", NULL, c->held);
	fmt_number(f, "flows", NULL, c->flows);
	fmt_number(f, "desync", NULL, c->desync);
	fmt_number(f, "gave_up", NULL, c->gave_up);
	fmt_number(f, "packets", NULL, c->packets);
	json_rate(f, c->rate);
	if (c->ago_ms >= 0) {
		fmt_string(f, "action", NULL, c->action);
		fmt_string(f, "outcome", NULL, c->outcome);
		fmt_number(f, "ago_ms", NULL, (uint64_t)c->ago_ms);
	}
	if (c->took_ms >= 0)
		fmt_number(f, "took_ms", NULL, (uint64_t)c->took_ms);
	fmt_object_end(f);
}

static void json_flow(struct fmt *f, const struct top_flow *t)
{
	char addr[FMT_ADDR_LEN], spi[12];

	fmt_object(f, NULL);
	fmt_string(f, "src", NULL, fmt_addr(addr, t->flow.family, &t->flow.src));
	fmt_string(f, "dst", NULL, fmt_addr(addr, t->flow.family, &t->flow.dst));
	fmt_string(f, "proto", NULL, t->flow.proto == IPPROTO_AH ? "ah" : "esp");
	snprintf(spi, sizeof(spi), "0x%08x", t->flow.spi);
	fmt_string(f, "spi", NULL, spi);
	if (t->flow.sport)
		fmt_number(f, "sport", NULL, t->flow.sport);
	fmt_string(f, "state", NULL, invspi_state_name(t->flow.state));
	fmt_number(f, "packets", NULL, t->flow.packets);
	json_rate(f, t->rate);
	fmt_number(f, "first_age_ms", NULL, t->flow.first_age_ms);
	fmt_number(f, "last_age_ms", NULL, t->flow.last_age_ms);
	fmt_string(f, "conn", NULL, t->conn);
	fmt_string(f, "child", NULL, t->child);
	fmt_string(f, "grade", NULL, t->grade);
	fmt_string(f, "action", NULL, t->action);
	fmt_object_end(f);
}

static void write_json(struct top *t, const struct top_sample *s)
{
	const void **rows;
	struct fmt *f = &t->inv->out;
	char when[FMT_TIME_LEN];
	size_t i, n;

	fmt_object(f, NULL);
	fmt_string(f, "time", NULL, fmt_time(when, s->wall));
	fmt_bool(f, "module", NULL, s->module);
	fmt_bool(f, "daemon", NULL, s->daemon);
	json_rate(f, s->rate);
	rows = top_rows(s, &t->order, &n);
	fmt_array(f, t->order.view == TOP_FLOWS ? "flows" : "connections");
	for (i = 0; rows && i < n; i++) {
		if (t->order.view == TOP_FLOWS)
			json_flow(f, rows[i]);
		else
			json_conn(f, rows[i]);
	}
	fmt_array_end(f);
	fmt_object_end(f);
	free(rows);
}

/* Rates need two samples: the first one is not shown, unless it is the only one. */
static int batch(struct top *t)
{
	struct timespec delay = { t->delay_ms / 1000, t->delay_ms % 1000 * 1000000 };
	uint64_t count = t->count ? t->count : 1, n;
	struct top_sample before = { 0 }, now;
	struct top_source source = { .control = t->inv->control };
	struct top_screen screen = { .cursor = -1 };
	struct invspi_err err;
	int rc;

	rc = top_sample(&before, &source, NULL);
	if (!rc)
		top_choose(&t->order, &before);
	for (n = 0; !rc && n < count && !t->inv->out.error; n++) {
		nanosleep(&delay, NULL);
		rc = top_sample(&now, &source, &before);
		if (rc)
			break;
		if (fmt_is_json(&t->inv->out))
			write_json(t, &now);
		else
			top_draw(&now, &t->order, &screen, put, &t->inv->out);
		fmt_line(&t->inv->out);
		top_sample_free(&before);
		before = now;
	}
	if (!rc && !before.module && !before.daemon) {
		invspi_err_set(&err, ENODEV, "neither module nor invspid: %s; %s",
			       before.module_why, before.daemon_why);
		rc = -ENODEV;
	} else if (rc) {
		invspi_err_set(&err, rc, "%s", strerror(-rc));
	}
	top_sample_free(&before);
	invspi_nl_close(source.nl);
	return rc ? failed(&err) : EXIT_FINE;
}

int top_main(struct invspi *inv, struct args *args)
{
	struct top t = { .inv = inv, .delay_ms = 2000 };
	const char *sort = NULL;
	int rc;

	t.order.sort[TOP_CONNECTIONS] = top_column(TOP_CONNECTIONS, "state");
	t.order.sort[TOP_FLOWS] = top_column(TOP_FLOWS, "rate");
	if (args->argc && !strcmp(args->argv[0], "help")) {
		fputs(usage, stdout);
		return EXIT_FINE;
	}
	rc = parse(&t, &sort, args);
	if (!rc && sort)
		rc = take_sort(&t, sort, args);
	if (rc)
		return rc;
	setlocale(LC_CTYPE, "");
	if (inv->out.mode == FMT_JSON_PRETTY)
		inv->out.mode = FMT_JSON;
	return t.batch || fmt_is_json(&inv->out) ? batch(&t) : top_terminal(&t);
}
