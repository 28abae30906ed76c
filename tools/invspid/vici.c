// SPDX-License-Identifier: GPL-2.0-only
/*
 * A connection to strongSwan's VICI socket.
 *
 * Everything runs in the loop's thread. User callbacks can close the connection:
 * its handles are closed at once, its memory lives until the loop has seen that,
 * so the code after a callback only has to look at v->fd. An own descriptor with
 * uv_poll instead of uv_pipe: we need MSG_NOSIGNAL and the peer's credentials.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vici.h"

#define STREAM_TIMES 15 /* a long answer may take so many timeouts */
#define HEADER 4
#define READ_STEP (16 * 1024)
#define READS_PER_WAKE 32 /* then it is the turn of other handles */

/*
 * A request waiting, or on its way. @sent counts bytes of @packet. An @orphan has
 * had its callback (it timed out) and only waits for the answer. @deadline moves on
 * while items come, by @timeout_ms each time, up to @last.
 */
struct req {
	struct req *next;
	bool is_register;
	bool orphan;
	int64_t deadline, last, timeout_ms;
	char *stream;
	void (*item)(void *arg, const uint8_t *msg, size_t len);
	vici_reply_cb cb;
	void *arg;
	size_t len, sent;
	uint8_t packet[];
};

struct vici {
	int fd; /* -1 once it is broken or closed */
	uv_poll_t poll;
	uv_timer_t timer;
	int handles; /* not yet closed by the loop */
	int poll_events;
	bool released; /* vici_close() was called */
	const struct vici_ops *ops;
	void *arg;
	pid_t peer;
	struct req *current;
	struct req *queue;
	unsigned int queued;
	uint8_t *in; /* received, not yet complete */
	size_t in_len, in_size;
};

static void flush_out(struct vici *v);

static int64_t now_ms(void)
{
	return uv_hrtime() / 1000000;
}

static void req_free(struct req *r)
{
	free(r->stream);
	free(r);
}

static void maybe_free(struct vici *v)
{
	if (v->handles || !v->released)
		return;
	free(v->in);
	free(v);
}

static void handle_closed(uv_handle_t *handle)
{
	struct vici *v = handle->data;

	v->handles--;
	maybe_free(v);
}

/*
 * The poll handle goes before the descriptor: libuv removes the number from its
 * epoll set when the handle closes, and by then it may be somebody else's.
 */
static void teardown(struct vici *v)
{
	uv_close((uv_handle_t *)&v->poll, handle_closed);
	uv_close((uv_handle_t *)&v->timer, handle_closed);
	close(v->fd);
	v->fd = -1;
}

static void finish(struct req *r, int err, const uint8_t *msg, size_t len)
{
	if (!r->orphan)
		r->cb(r->arg, err, msg, len);
	req_free(r);
}

/* All requests end with @err. New ones are refused meanwhile, since fd is -1. */
static void cancel_all(struct vici *v, int err)
{
	struct req *r;

	r = v->current;
	v->current = NULL;
	if (r)
		finish(r, err, NULL, 0);
	while ((r = v->queue)) {
		v->queue = r->next;
		v->queued--;
		finish(r, err, NULL, 0);
	}
}

static void broken(struct vici *v, int err)
{
	teardown(v);
	cancel_all(v, -ENOTCONN);
	if (!v->released && v->ops->closed)
		v->ops->closed(v->arg, err);
}

static void expire(struct vici *v);

static void timer_fired(uv_timer_t *timer)
{
	expire(timer->data);
}

static void arm_timer(struct vici *v)
{
	int64_t first = INT64_MAX, wait;
	struct req *r;

	if (v->fd < 0)
		return;
	if (v->current && !v->current->orphan)
		first = v->current->deadline;
	for (r = v->queue; r; r = r->next)
		if (r->deadline < first)
			first = r->deadline;
	if (first == INT64_MAX) {
		uv_timer_stop(&v->timer);
		return;
	}
	wait = first - now_ms();
	uv_timer_start(&v->timer, timer_fired, wait > 0 ? wait : 0, 0);
}

static void put_off(struct req *r, int64_t now)
{
	int64_t deadline = now + r->timeout_ms;

	if (deadline > r->last)
		deadline = r->last;
	if (deadline > r->deadline)
		r->deadline = deadline;
}

/* Takes the first waiting request whose time is over out of the queue. */
static struct req *overdue_in_queue(struct vici *v, int64_t now)
{
	struct req **link, *r;

	for (link = &v->queue; (r = *link); link = &r->next) {
		if (r->deadline <= now) {
			*link = r->next;
			v->queued--;
			return r;
		}
	}
	return NULL;
}

static void expire(struct vici *v)
{
	int64_t now = now_ms();
	struct req *r = v->current;

	if (r && !r->orphan && r->deadline <= now) {
		r->orphan = true;
		r->cb(r->arg, -ETIMEDOUT, NULL, 0);
	}
	while (v->fd >= 0 && (r = overdue_in_queue(v, now)))
		finish(r, -ETIMEDOUT, NULL, 0);
	arm_timer(v);
}

static void start_next(struct vici *v)
{
	if (v->fd < 0 || v->current || !v->queue)
		return;
	v->current = v->queue;
	v->queue = v->current->next;
	v->queued--;
	flush_out(v);
}

static void answered(struct vici *v, bool is_register, int err, const uint8_t *msg, size_t len)
{
	struct req *r = v->current;

	/* An answer to nothing, or to half a request: we can't be in step any more. */
	if (!r || r->is_register != is_register || r->sent < r->len) {
		broken(v, -EBADMSG);
		return;
	}
	v->current = NULL;
	finish(r, err, err ? NULL : msg, err ? 0 : len);
	start_next(v);
	arm_timer(v);
}

/*
 * The answer is on its way, it only has very many parts: neither it nor what waits
 * behind it is late. The timer finds out when it fires.
 */
static void progress(struct vici *v)
{
	int64_t now = now_ms();
	struct req *r;

	put_off(v->current, now);
	for (r = v->queue; r; r = r->next)
		put_off(r, now);
}

static void got_event(struct vici *v, const uint8_t *p, size_t len)
{
	struct req *r = v->current;
	struct vici_str name;

	if (len < 1 || len - 1 < p[0]) {
		broken(v, -EBADMSG);
		return;
	}
	name.s = (const char *)p + 1;
	name.len = p[0];
	p += 1 + name.len;
	len -= 1 + name.len;
	if (r && r->stream && vici_str_is(name, r->stream)) {
		if (!r->orphan) {
			progress(v);
			if (r->item)
				r->item(r->arg, p, len);
		}
	} else if (v->ops->event) {
		v->ops->event(v->arg, name, p, len);
	}
}

static void got_segment(struct vici *v, const uint8_t *p, size_t len)
{
	switch (p[0]) {
	case VICI_CMD_RESPONSE:
		answered(v, false, 0, p + 1, len - 1);
		break;
	case VICI_CMD_UNKNOWN:
		answered(v, false, -EOPNOTSUPP, NULL, 0);
		break;
	case VICI_EVENT_CONFIRM:
		answered(v, true, 0, p + 1, len - 1);
		break;
	case VICI_EVENT_UNKNOWN:
		answered(v, true, -EOPNOTSUPP, NULL, 0);
		break;
	case VICI_EVENT:
		got_event(v, p + 1, len - 1);
		break;
	default:
		broken(v, -EBADMSG);
	}
}

/* Hands on the complete segments of the buffer and keeps the rest. */
static void got_bytes(struct vici *v)
{
	size_t off = 0, len;
	const uint8_t *p;

	while (v->in_len - off >= HEADER) {
		p = v->in + off;
		len = (size_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
		if (len < 1 || len > VICI_SEGMENT_MAX) {
			broken(v, len ? -EMSGSIZE : -EBADMSG);
			return;
		}
		if (v->in_len - off - HEADER < len)
			break;
		got_segment(v, p + HEADER, len);
		if (v->fd < 0)
			return;
		off += HEADER + len;
	}
	v->in_len -= off;
	if (off && v->in_len)
		memmove(v->in, v->in + off, v->in_len);
}

/*
 * Room for more bytes. The buffer grows with what has arrived, never with what a
 * header announces, up to one segment and the reading step.
 */
static int make_room(struct vici *v)
{
	size_t size = v->in_size ? v->in_size * 2 : READ_STEP;
	uint8_t *p;

	if (v->in_size - v->in_len >= READ_STEP / 4)
		return 0;
	p = realloc(v->in, size);
	if (!p)
		return -ENOMEM;
	v->in = p;
	v->in_size = size;
	return 0;
}

static void drain_in(struct vici *v, unsigned int reads)
{
	ssize_t n;
	int err;

	while (reads-- && v->fd >= 0) {
		err = make_room(v);
		if (err) {
			broken(v, err);
			return;
		}
		n = recv(v->fd, v->in + v->in_len, v->in_size - v->in_len, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n <= 0) {
			broken(v, n ? -errno : -ECONNRESET);
			return;
		}
		v->in_len += n;
		got_bytes(v);
	}
}

static void poll_ready(uv_poll_t *poll, int status, int events)
{
	struct vici *v = poll->data;

	if (status < 0) {
		/* A daemon that stops resets us, yet its last events are still there. */
		drain_in(v, UINT_MAX);
		if (v->fd >= 0)
			broken(v, status);
		return;
	}
	if (events & UV_WRITABLE)
		flush_out(v);
	if (events & UV_READABLE)
		drain_in(v, READS_PER_WAKE);
}

static void want(struct vici *v, int events)
{
	if (events == v->poll_events)
		return;
	v->poll_events = events;
	uv_poll_start(&v->poll, events, poll_ready);
}

/*
 * Called from vici_send() too, whose caller expects no callback: so a write error
 * only shuts the socket, and the loop then reads the end of it.
 */
static void flush_out(struct vici *v)
{
	struct req *r = v->current;
	ssize_t n;

	while (r && r->sent < r->len) {
		n = send(v->fd, r->packet + r->sent, r->len - r->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n >= 0) {
			r->sent += n;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			want(v, UV_READABLE | UV_WRITABLE);
			return;
		} else if (errno != EINTR) {
			shutdown(v->fd, SHUT_RDWR);
			break;
		}
	}
	want(v, UV_READABLE);
}

struct vici *vici_attach(uv_loop_t *loop, int fd, const struct vici_ops *ops, void *arg, int *err)
{
	struct ucred cred = { 0 };
	socklen_t len = sizeof(cred);
	struct vici *v;

	v = calloc(1, sizeof(*v));
	if (!v) {
		*err = -ENOMEM;
		close(fd);
		return NULL;
	}
	v->fd = fd;
	v->ops = ops;
	v->arg = arg;
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		v->peer = cred.pid;
	*err = uv_poll_init(loop, &v->poll, fd);
	if (*err) {
		close(fd);
		free(v);
		return NULL;
	}
	uv_timer_init(loop, &v->timer);
	v->handles = 2;
	v->poll.data = v;
	v->timer.data = v;
	want(v, UV_READABLE);
	return v;
}

struct vici *vici_open(uv_loop_t *loop, const char *path, const struct vici_ops *ops, void *arg,
		       int *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(sun.sun_path)) {
		*err = -ENAMETOOLONG;
		return NULL;
	}
	memcpy(sun.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		*err = -errno;
		return NULL;
	}
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun))) {
		*err = -errno;
		close(fd);
		return NULL;
	}
	return vici_attach(loop, fd, ops, arg, err);
}

void vici_close(struct vici *v)
{
	if (!v || v->released)
		return;
	v->released = true;
	if (v->fd >= 0) {
		teardown(v);
		cancel_all(v, -ECANCELED);
	}
	maybe_free(v);
}

pid_t vici_peer(const struct vici *v)
{
	return v->peer;
}

static int enqueue(struct vici *v, enum vici_packet type, const struct vici_request *q)
{
	size_t name_len = strlen(q->command), msg_len = q->args ? q->args->len : 0, len;
	struct req *r, **link;
	uint8_t *p;

	if (v->fd < 0)
		return -ENOTCONN;
	if (v->queued >= VICI_QUEUE_MAX)
		return -ENOBUFS;
	if (name_len > VICI_NAME_MAX)
		return -ENAMETOOLONG;
	len = 2 + name_len + msg_len;
	if (len > VICI_SEGMENT_MAX)
		return -EMSGSIZE;
	r = calloc(1, sizeof(*r) + HEADER + len);
	if (!r)
		return -ENOMEM;
	if (q->stream) {
		r->stream = strdup(q->stream);
		if (!r->stream) {
			free(r);
			return -ENOMEM;
		}
	}
	r->is_register = type == VICI_EVENT_REGISTER;
	r->timeout_ms = q->timeout_ms;
	r->deadline = now_ms() + q->timeout_ms;
	r->last = r->deadline + (STREAM_TIMES - 1) * q->timeout_ms;
	r->item = q->item;
	r->cb = q->cb;
	r->arg = q->arg;
	r->len = HEADER + len;
	p = r->packet;
	*p++ = len >> 24;
	*p++ = len >> 16;
	*p++ = len >> 8;
	*p++ = len;
	*p++ = type;
	*p++ = name_len;
	memcpy(p, q->command, name_len);
	if (msg_len)
		memcpy(p + name_len, q->args->data, msg_len);
	for (link = &v->queue; *link; link = &(*link)->next)
		;
	*link = r;
	v->queued++;
	start_next(v);
	arm_timer(v);
	return 0;
}

int vici_send(struct vici *v, const struct vici_request *request)
{
	int err = request->args ? vici_buf_check(request->args) : 0;

	return err ? err : enqueue(v, VICI_CMD_REQUEST, request);
}

int vici_register(struct vici *v, const char *event, int64_t timeout_ms, vici_reply_cb cb,
		  void *arg)
{
	struct vici_request q = {
		.command = event,
		.timeout_ms = timeout_ms,
		.cb = cb,
		.arg = arg,
	};

	return enqueue(v, VICI_EVENT_REGISTER, &q);
}

bool vici_idle(const struct vici *v)
{
	return v->fd >= 0 && !v->current && !v->queue;
}

int64_t vici_overdue(const struct vici *v)
{
	int64_t late;

	if (!v->current || !v->current->orphan)
		return 0;
	late = now_ms() - v->current->deadline;
	return late > 1 ? late : 1;
}
