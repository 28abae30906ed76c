/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VICI daemon for tests, in the same process and loop: it listens on a socket, or
 * sits at the other end of a pair, collects the segments of its clients and hands
 * them to a script. What it sends are bytes that the test wrote, so it can also send
 * what no daemon should.
 *
 * It stands beside the tests against the real daemon (recovery/ike_vici.sh), for what
 * those can't be made to do: nonsense, half messages, silence at a given moment.
 */
#ifndef SELFTESTS_UNIT_FAKE_VICI_H
#define SELFTESTS_UNIT_FAKE_VICI_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "vici.h"

#define FAKE_CLIENTS 16

struct fake;

struct fake_client {
	struct fake *fake;
	uv_poll_t poll;
	int fd; /* -1 if not in use */
	bool closing;
	uint8_t *in;
	size_t len;
};

/*
 * @request: a command (VICI_CMD_REQUEST) or registration came
 * @requests: how many so far
 */
struct fake {
	uv_loop_t *loop;
	uv_poll_t listener;
	int fd;
	char path[108];
	struct fake_client client[FAKE_CLIENTS];
	void (*request)(struct fake_client *c, int type, struct vici_str name, const uint8_t *msg,
			size_t len);
	void *arg;
	unsigned int requests, accepted;
};

static inline void fake_must(bool ok, const char *what)
{
	if (!ok) {
		printf("Bail out! fake daemon: %s: %s\n", what, strerror(errno));
		exit(1);
	}
}

/* All of it, whatever the socket's buffer holds: the reader is in our own loop. */
static inline void fake_raw(struct fake_client *c, const void *data, size_t len)
{
	const uint8_t *p = data;
	ssize_t n;

	while (len && c->fd >= 0) {
		n = send(c->fd, p, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN) {
			uv_run(c->fake->loop, UV_RUN_NOWAIT);
			continue;
		}
		if (n < 0)
			return;
		p += n;
		len -= n;
	}
}

/* One segment. @name for types that have one. @msg may be NULL. */
static inline void fake_send(struct fake_client *c, int type, const char *name,
			     const struct vici_buf *msg)
{
	size_t nlen = name ? strlen(name) : 0, mlen = msg ? msg->len : 0;
	size_t len = 1 + (name ? 1 + nlen : 0) + mlen;
	uint8_t *p = malloc(4 + len), *q = p;

	fake_must(p, "malloc");
	*q++ = len >> 24;
	*q++ = len >> 16;
	*q++ = len >> 8;
	*q++ = len;
	*q++ = type;
	if (name) {
		*q++ = nlen;
		memcpy(q, name, nlen);
		q += nlen;
	}
	if (mlen)
		memcpy(q, msg->data, mlen);
	fake_raw(c, p, 4 + len);
	free(p);
}

static inline void fake_client_gone(uv_handle_t *h)
{
	struct fake_client *c = h->data;

	c->closing = false;
}

static inline void fake_drop(struct fake_client *c)
{
	if (c->fd < 0)
		return;
	c->closing = true;
	uv_close((uv_handle_t *)&c->poll, fake_client_gone);
	close(c->fd);
	c->fd = -1;
	free(c->in);
	c->in = NULL;
	c->len = 0;
}

static inline void fake_readable(uv_poll_t *poll, int status, int events)
{
	struct fake_client *c = poll->data;
	struct vici_str name;
	uint8_t buf[65536];
	size_t seg;
	ssize_t n;
	int type;

	(void)events;
	n = status < 0 ? 0 : recv(c->fd, buf, sizeof(buf), 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		fake_drop(c);
		return;
	}
	c->in = realloc(c->in, c->len + n);
	fake_must(c->in, "realloc");
	memcpy(c->in + c->len, buf, n);
	c->len += n;
	while (c->fd >= 0 && c->len >= 4) {
		seg = (size_t)c->in[0] << 24 | c->in[1] << 16 | c->in[2] << 8 | c->in[3];
		if (c->len < 4 + seg)
			return;
		fake_must(seg >= 2 && 2 + (size_t)c->in[5] <= seg, "client's segment");
		type = c->in[4];
		name.s = (char *)c->in + 6;
		name.len = c->in[5];
		c->fake->requests++;
		c->fake->request(c, type, name, c->in + 6 + name.len, seg - 2 - name.len);
		if (c->fd < 0)
			return;
		c->len -= 4 + seg;
		memmove(c->in, c->in + 4 + seg, c->len);
	}
}

static inline struct fake_client *fake_add(struct fake *f, int fd)
{
	struct fake_client *c;

	for (c = f->client; c < f->client + FAKE_CLIENTS; c++)
		if (c->fd < 0 && !c->closing)
			break;
	fake_must(c < f->client + FAKE_CLIENTS, "too many clients");
	c->fake = f;
	c->fd = fd;
	fake_must(!uv_poll_init(f->loop, &c->poll, fd), "uv_poll_init");
	c->poll.data = c;
	uv_poll_start(&c->poll, UV_READABLE, fake_readable);
	return c;
}

static inline void fake_accept(uv_poll_t *poll, int status, int events)
{
	struct fake *f = poll->data;
	int fd;

	(void)status;
	(void)events;
	fd = accept4(f->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0) {
		f->accepted++;
		fake_add(f, fd);
	}
}

static inline void fake_init(struct fake *f, uv_loop_t *loop)
{
	int i;

	memset(f, 0, sizeof(*f));
	f->loop = loop;
	f->fd = -1;
	for (i = 0; i < FAKE_CLIENTS; i++)
		f->client[i].fd = -1;
}

static inline void fake_listen(struct fake *f, const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	snprintf(f->path, sizeof(f->path), "%s", path);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	unlink(path);
	f->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	fake_must(f->fd >= 0, "socket");
	fake_must(!bind(f->fd, (struct sockaddr *)&sun, sizeof(sun)), "bind");
	fake_must(!listen(f->fd, 16), "listen");
	fake_must(!uv_poll_init(f->loop, &f->listener, f->fd), "uv_poll_init");
	f->listener.data = f;
	uv_poll_start(&f->listener, UV_READABLE, fake_accept);
}

/* Return: our end of a pair; the fake daemon sits at the other. */
static inline int fake_pair(struct fake *f, struct fake_client **c)
{
	int fd[2];

	fake_must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd),
		  "socketpair");
	*c = fake_add(f, fd[1]);
	return fd[0];
}

/* The daemon dies: its socket goes, or (@leave_file) stays and refuses. */
static inline void fake_stop(struct fake *f, bool leave_file)
{
	int i;

	for (i = 0; i < FAKE_CLIENTS; i++)
		fake_drop(&f->client[i]);
	if (f->fd >= 0) {
		uv_close((uv_handle_t *)&f->listener, NULL);
		close(f->fd);
		f->fd = -1;
		if (!leave_file)
			unlink(f->path);
	}
}

/* Runs the loop until *@flag or @ms are over. Return: *@flag. */
static inline bool fake_run(uv_loop_t *loop, const bool *flag, int64_t ms)
{
	uint64_t end = uv_hrtime() + ms * 1000000ULL;

	while (!*flag && uv_hrtime() < end) {
		uv_run(loop, UV_RUN_NOWAIT);
		if (!*flag)
			usleep(500);
	}
	return *flag;
}

/* For a while, whatever happens. */
static inline void fake_run_for(uv_loop_t *loop, int64_t ms)
{
	const bool never = false;

	fake_run(loop, &never, ms);
}

#endif
