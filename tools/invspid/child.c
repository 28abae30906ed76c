// SPDX-License-Identifier: GPL-2.0-only
/* See child.h. Both streams of a program are one pipe, so that their order is kept. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "child.h"

#define READ_SIZE 16384
#define DRAIN_MS 500 /* for what it wrote before its end; others may hold the pipe open */

struct child {
	uv_process_t process;
	uv_pipe_t pipe;
	uv_timer_t timer;
	child_cb cb;
	void *arg;
	struct child_result result;
	char *output, *buf;
	size_t room, max_output;
	bool started, ended, eof, told;
	int handles; /* that are not closed yet */
};

static void on_closed(uv_handle_t *handle)
{
	struct child *c = handle->data;

	if (--c->handles)
		return;
	free(c->output);
	free(c->buf);
	free(c);
}

/* The session's leader is the program itself. */
static void kill_all(struct child *c)
{
	if (c->started)
		kill(-c->process.pid, SIGKILL);
}

/* One that has not ended is waited for, so that no zombie is left. */
static void tell(struct child *c)
{
	child_cb cb = c->cb;

	if (c->told)
		return;
	c->told = true;
	c->result.output = c->output ? c->output : "";
	uv_close((uv_handle_t *)&c->pipe, on_closed);
	uv_close((uv_handle_t *)&c->timer, on_closed);
	if (c->ended && c->process.data)
		uv_close((uv_handle_t *)&c->process, on_closed);
	if (cb)
		cb(c->arg, &c->result);
}

static void on_timer(uv_timer_t *timer)
{
	struct child *c = timer->data;

	/* It was killed, or could not be run, or is gone and somebody holds the pipe. */
	if (c->ended || c->result.end == CHILD_TIMED_OUT) {
		tell(c);
		return;
	}
	c->result.end = CHILD_TIMED_OUT;
	kill_all(c);
	/* One that sleeps in the kernel does not end by that; we do not wait for it. */
	uv_timer_start(timer, on_timer, DRAIN_MS, 0);
}

static void on_ended(uv_process_t *process, int64_t status, int signal)
{
	struct child *c = process->data;

	c->ended = true;
	if (c->told) {
		uv_close((uv_handle_t *)process, on_closed);
		return;
	}
	kill_all(c);
	if (c->result.end != CHILD_TIMED_OUT) {
		c->result.end = signal ? CHILD_KILLED : CHILD_EXITED;
		c->result.status = signal ? signal : (int)status;
	}
	if (c->eof)
		tell(c);
	else
		uv_timer_start(&c->timer, on_timer, DRAIN_MS, 0);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	struct child *c = handle->data;

	(void)size;
	*buf = uv_buf_init(c->buf, READ_SIZE);
}

/* What is over the limit is read and thrown away: a full pipe would stop the program. */
static void keep(struct child *c, const char *data, size_t n)
{
	size_t room = c->room ? c->room : READ_SIZE;
	char *p;

	if (n > c->max_output - c->result.len) {
		n = c->max_output - c->result.len;
		c->result.cut = true;
	}
	while (room < c->result.len + n)
		room *= 2;
	if (room > c->room) {
		p = realloc(c->output, room);
		if (!p) {
			c->result.cut = true;
			return;
		}
		c->output = p;
		c->room = room;
	}
	memcpy(c->output + c->result.len, data, n);
	c->result.len += n;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct child *c = stream->data;

	if (n > 0)
		keep(c, buf->base, (size_t)n);
	if (n >= 0)
		return;
	uv_read_stop(stream);
	c->eof = true;
	if (c->ended)
		tell(c);
}

static int spawn(struct child *c, const struct child_options *opt, int fd)
{
	uv_stdio_container_t stdio[3] = {
		{ .flags = UV_IGNORE },
		{ .flags = UV_INHERIT_FD, .data.fd = fd },
		{ .flags = UV_INHERIT_FD, .data.fd = fd },
	};
	uv_process_options_t o = {
		.exit_cb = on_ended,
		.file = opt->argv[0],
		.args = (char **)(uintptr_t)opt->argv,
		.env = (char **)(uintptr_t)opt->env,
		.cwd = "/",
		.flags = UV_PROCESS_DETACHED,
		.stdio_count = 3,
		.stdio = stdio,
	};

	return uv_spawn(c->process.loop, &c->process, &o);
}

/* Return: the pipe's end for the program, -1 with *@err set. */
static int open_pipe(struct child *c, int *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC)) {
		*err = -errno;
		return -1;
	}
	*err = uv_pipe_open(&c->pipe, fds[0]);
	if (!*err)
		return fds[1];
	close(fds[0]);
	close(fds[1]);
	return -1;
}

struct child *child_run(uv_loop_t *loop, const struct child_options *opt, child_cb cb, void *arg)
{
	struct child *c = calloc(1, sizeof(*c));
	int fd, err;

	if (c)
		c->buf = malloc(READ_SIZE);
	if (!c || !c->buf) {
		free(c);
		return NULL;
	}
	c->cb = cb;
	c->arg = arg;
	c->max_output = opt->max_output;
	uv_pipe_init(loop, &c->pipe, 0);
	uv_timer_init(loop, &c->timer);
	c->process.loop = loop;
	c->pipe.data = c;
	c->timer.data = c;
	c->handles = 2;
	fd = open_pipe(c, &err);
	if (!err) {
		/* It is a handle from here on, also if it fails. */
		c->process.data = c;
		c->handles++;
		err = spawn(c, opt, fd);
		c->started = !err;
		close(fd);
	}
	if (err) {
		c->ended = true;
		c->result.end = CHILD_FAILED;
		c->result.status = err;
	} else {
		/* Reading from a pipe that is open cannot fail to start. */
		uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read);
	}
	uv_timer_start(&c->timer, on_timer, err ? 0 : opt->timeout_ms, 0);
	return c;
}

void child_kill(struct child *c)
{
	if (!c->ended)
		kill_all(c);
	c->cb = NULL;
	tell(c);
}

const char *child_result_text(const struct child_result *r, char *buf, size_t size)
{
	const char *cut = r->cut ? "; its output was too long" : "";

	buf[0] = '\0';
	switch (r->end) {
	case CHILD_EXITED:
		if (r->status || r->cut)
			snprintf(buf, size, "ended with status %d%s", r->status, cut);
		break;
	case CHILD_KILLED:
		snprintf(buf, size, "was ended by signal %d (%s)%s", r->status,
			 strsignal(r->status), cut);
		break;
	case CHILD_TIMED_OUT:
		snprintf(buf, size, "took too long and was killed%s", cut);
		break;
	case CHILD_FAILED:
		snprintf(buf, size, "could not be run: %s", strerror(-r->status));
		break;
	}
	return buf;
}
