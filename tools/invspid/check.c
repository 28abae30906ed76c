// SPDX-License-Identifier: GPL-2.0-only
/*
 * invspid --check: would it work here? Changes nothing but for opening the
 * history; needs no stop of a helper that runs.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon.h"

#define CHECK_MS 10000

struct check {
	struct invspid *d;
	char why[256];
	bool bad;
};

static void line(struct check *c, bool ok, const char *what, const char *text)
{
	printf("%-5s %-14s %s\n", ok ? "ok" : "FAIL", what, text);
	c->bad |= !ok;
}

static void on_state(void *arg, enum daemon_state state, const char *why)
{
	struct check *c = arg;

	snprintf(c->why, sizeof(c->why), "%s", why ? why : "");
	if (state == DAEMON_READY || state == DAEMON_FOREIGN)
		uv_stop(c->d->loop);
}

static void on_deadline(uv_timer_t *timer)
{
	struct check *c = timer->data;

	uv_stop(c->d->loop);
}

static void check_module(struct check *c)
{
	struct invspi_err err = { "" };
	struct invspi_stats st;
	struct invspi_nl *nl;
	char text[128];

	if (invspi_nl_open(&nl, &err)) {
		line(c, false, "module", err.text);
		return;
	}
	if (invspi_nl_stats_get(nl, &st, &err)) {
		line(c, false, "module", err.text);
	} else {
		snprintf(text, sizeof(text), "loaded, %u of %u flows in the table", st.flows,
			 st.flows_max);
		line(c, true, "module", text);
	}
	invspi_nl_close(nl);
}

/* A helper that runs has it to itself: then it is in order. */
static void check_history(struct check *c, const char *dir)
{
	char *err = NULL, text[PATH_MAX + 64];
	struct history *h = hist_open(dir, &err);

	if (h && hist_error(h)) {
		line(c, false, "history", hist_error(h));
	} else if (h) {
		line(c, true, "history", dir);
	} else if (errno == EWOULDBLOCK) {
		snprintf(text, sizeof(text), "%s, in use by the invspid that runs", dir);
		line(c, true, "history", text);
	} else {
		line(c, false, "history", err ? err : "out of memory");
	}
	if (h)
		hist_close(h);
	free(err);
}

static void check_daemon(struct check *c)
{
	const struct ike_events ev = { .state = on_state };
	struct ike_options opt = { .backoff_max_ms = 1000 };
	const struct ike_conns *conns;
	uv_timer_t timer;
	enum daemon_state state;
	char text[400];

	invspid_ike_options(c->d, &opt);
	c->d->ike = ike_new(c->d->loop, &opt, &ev, c);
	if (!c->d->ike) {
		line(c, false, "IKE daemon", "out of memory");
		return;
	}
	uv_timer_init(c->d->loop, &timer);
	timer.data = c;
	uv_timer_start(&timer, on_deadline, CHECK_MS, 0);
	uv_run(c->d->loop, UV_RUN_DEFAULT);
	state = ike_state(c->d->ike);
	conns = ike_conns(c->d->ike);
	snprintf(text, sizeof(text), "%s %s, %zu connection%s%s%s", ike_name(c->d->ike),
		 daemon_state_name(state), conns ? conns->nconn : 0,
		 conns && conns->nconn == 1 ? "" : "s", c->why[0] ? ": " : "", c->why);
	line(c, state == DAEMON_READY, "IKE daemon", text);
	ike_free(c->d->ike);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(c->d->loop, UV_RUN_DEFAULT);
}

/**
 * invspid_check() - check everything that the helper needs, one line each
 *
 * Return: exit status, 0 if all is well.
 */
int invspid_check(struct invspid *d)
{
	const char *dir = d->state_dir ? d->state_dir : d->conf->state;
	struct check c = { .d = d };
	struct xfrm_events none = { 0 };
	struct xfrm *x;
	char *err = NULL, text[64];

	line(&c, true, "configuration", d->conf_path ? d->conf_path : "defaults, no file");
	check_module(&c);
	x = xfrm_new(d->loop, &none, NULL, &err);
	if (x) {
		snprintf(text, sizeof(text), "%u SAs", xfrm_count(x));
		line(&c, true, "kernel SAs", text);
		xfrm_free(x);
	} else {
		line(&c, false, "kernel SAs", err ? err : "out of memory");
	}
	free(err);
	check_history(&c, dir);
	check_daemon(&c);
	return c.bad;
}
