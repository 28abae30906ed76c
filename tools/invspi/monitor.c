// SPDX-License-Identifier: GPL-2.0-only
/*
 * invspi monitor: events as they come. They are hints: when some were lost the
 * table is read, and what it holds is printed instead.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "invspi.h"

static const char monitor_usage[] = "Usage: invspi monitor\n";

struct monitor {
	struct invspi *inv;
	int write_error;
};

static void print_event(struct monitor *m, const char *event, bool resync,
			const struct invspi_flow *flow)
{
	int rc;

	m->inv->now_ms = wall_ms();
	print_flow(m->inv, event, resync, flow);
	rc = fmt_line(&m->inv->out);
	if (rc)
		m->write_error = rc;
}

static void event_cb(enum invspi_event event, const struct invspi_flow *flow, void *arg)
{
	print_event(arg, invspi_event_name(event), false, flow);
}

static int table_cb(const struct invspi_flow *flow, void *arg)
{
	struct monitor *m = arg;
	bool desync = flow->state == XFRM_INVSPI_FLOW_STATE_DESYNC;

	print_event(m, invspi_event_name(desync ? INVSPI_EVENT_DESYNC : INVSPI_EVENT_NEW), true,
		    flow);
	return m->write_error;
}

static int reread(struct monitor *m, struct invspi_nl *nl, struct invspi_err *err)
{
	fprintf(stderr, "invspi: overrun: %s; re-reading the table\n", err->text);
	return invspi_nl_flow_dump(nl, NULL, table_cb, m, err);
}

static int monitor_loop(struct monitor *m, struct invspi_events *ev, struct invspi_nl *nl,
			struct invspi_err *err)
{
	struct pollfd fds[2] = {
		{ .fd = invspi_events_fd(ev), .events = POLLIN },
		{ .fd = STDOUT_FILENO }, /* only for POLLERR: the reader has gone */
	};
	int rc;

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return invspi_err_set(err, errno, "poll: %s", strerror(errno));
		if (fds[1].revents & (POLLERR | POLLNVAL))
			return invspi_err_set(err, EPIPE, "nobody reads the output any more");
		rc = invspi_events_recv(ev, event_cb, m, err);
		if (rc == -ENOBUFS)
			rc = reread(m, nl, err);
		if (m->write_error)
			return invspi_err_set(err, -m->write_error, "cannot write the output: %s",
					      strerror(-m->write_error));
		if (rc < 0)
			return rc;
	}
}

static int monitor(struct invspi *inv, struct args *args)
{
	struct monitor m = { .inv = inv };
	struct invspi_events *ev = NULL;
	struct invspi_nl *nl = NULL;
	struct invspi_err err;
	int rc;

	if (want_end(args))
		return EXIT_USAGE;
	/* One object is one line, whatever was asked for. */
	if (inv->out.mode == FMT_JSON_PRETTY)
		inv->out.mode = FMT_JSON;

	rc = invspi_nl_open(&nl, &err);
	if (!rc)
		rc = invspi_events_open(&ev, 0, &err);
	if (!rc)
		rc = monitor_loop(&m, ev, nl, &err);
	invspi_events_close(ev);
	invspi_nl_close(nl);
	return rc ? failed(&err) : EXIT_FINE;
}

int monitor_main(struct invspi *inv, struct args *args)
{
	static const struct command commands[] = {
		{ NULL, NULL },
	};

	return run_command(inv, args, commands, monitor_usage, monitor);
}
