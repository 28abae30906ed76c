// SPDX-License-Identifier: GPL-2.0-only
/* See xfrm_listen.h. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "log.h"
#include "nl_msg.h"
#include "xfrm_listen.h"
#include "xfrm_query.h"

#define RCVBUF (1 << 20)
#define READS_PER_POLL 64 /* then the loop's other work gets a turn */

struct xfrm_listen {
	struct mnl_socket *socket;
	uv_poll_t *poll; /* on the heap: a closed handle outlives us */
	void (*cb)(void *arg, const struct xfrm_said *said);
	void *arg;
	bool acquire;
	char buf[XFRM_BUF_SIZE] __attribute__((aligned(8)));
};

static void tell_lost(struct xfrm_listen *l)
{
	struct xfrm_said said = { .kind = NOTE_POLICY };

	strcpy(said.text, "the kernel has dropped events: they came faster than they were read");
	l->cb(l->arg, &said);
}

static void read_one(struct xfrm_listen *l, int left)
{
	const struct nlmsghdr *nlh;
	struct xfrm_said said;

	for (nlh = (void *)l->buf; nl_msg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
		if (xfrm_describe(nlh->nlmsg_type, mnl_nlmsg_get_payload(nlh),
				  mnl_nlmsg_get_payload_len(nlh), &said))
			l->cb(l->arg, &said);
}

static void on_readable(uv_poll_t *handle, int status, int events)
{
	struct xfrm_listen *l = handle->data;
	int i;
	ssize_t n;

	(void)events;
	/* An overrun is an error of the socket, at which libuv stops watching it. */
	if (status < 0)
		uv_poll_start(handle, UV_READABLE, on_readable);
	for (i = 0; i < READS_PER_POLL; i++) {
		n = xfrm_recv(mnl_socket_get_fd(l->socket), l->buf, sizeof(l->buf));
		if (n > 0)
			read_one(l, (int)n);
		else if (n == -ENOBUFS || n == -EMSGSIZE)
			tell_lost(l);
		else
			return;
	}
}

static int join(struct xfrm_listen *l, int group, bool on)
{
	return mnl_socket_setsockopt(l->socket,
				     on ? NETLINK_ADD_MEMBERSHIP : NETLINK_DROP_MEMBERSHIP, &group,
				     sizeof(group));
}

static int open_socket(struct xfrm_listen *l)
{
	int size = RCVBUF;

	l->socket = mnl_socket_open2(NETLINK_XFRM, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!l->socket || mnl_socket_bind(l->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -1;
	if (setsockopt(mnl_socket_get_fd(l->socket), SOL_SOCKET, SO_RCVBUFFORCE, &size,
		       sizeof(size)))
		setsockopt(mnl_socket_get_fd(l->socket), SOL_SOCKET, SO_RCVBUF, &size,
			   sizeof(size));
	return join(l, XFRMNLGRP_POLICY, true) || join(l, XFRMNLGRP_EXPIRE, true) ||
			       join(l, XFRMNLGRP_MAPPING, true)
		       ? -1
		       : 0;
}

struct xfrm_listen *xfrm_listen_new(uv_loop_t *loop,
				    void (*cb)(void *arg, const struct xfrm_said *said), void *arg)
{
	struct xfrm_listen *l = calloc(1, sizeof(*l));
	int code;

	if (!l)
		return NULL;
	l->cb = cb;
	l->arg = arg;
	if (!open_socket(l))
		l->poll = malloc(sizeof(*l->poll));
	if (l->poll && !uv_poll_init(loop, l->poll, mnl_socket_get_fd(l->socket))) {
		l->poll->data = l;
		uv_poll_start(l->poll, UV_READABLE, on_readable);
		return l;
	}
	code = errno;
	free(l->poll);
	l->poll = NULL;
	xfrm_listen_free(l);
	errno = code;
	return NULL;
}

static void freed(uv_handle_t *handle)
{
	free(handle);
}

void xfrm_listen_free(struct xfrm_listen *l)
{
	if (!l)
		return;
	if (l->poll) {
		uv_poll_stop(l->poll);
		uv_close((uv_handle_t *)l->poll, freed);
	}
	if (l->socket)
		mnl_socket_close(l->socket);
	free(l);
}

void xfrm_listen_acquire(struct xfrm_listen *l, bool on)
{
	if (!l || l->acquire == on)
		return;
	if (join(l, XFRMNLGRP_ACQUIRE, on))
		log_debug("xfrm: acquires are not recorded: %s", strerror(errno));
	else
		l->acquire = on;
}
