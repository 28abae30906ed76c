// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mirror of the kernel's SAD.
 *
 * A subscribed socket on the loop brings events, a second one answers dumps and
 * single questions. The events are subscribed to before the first dump, and
 * before each later dump those that wait are taken in: so an event that
 * arrives after the dump is at worst an old one, and the events that follow it
 * put right what it undid.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>

#include "clock.h"
#include "log.h"
#include "nl_msg.h"
#include "xfrm_mirror.h"
#include "xfrm_parse.h"
#include "xfrm_query.h"

#define RCVBUF (8 << 20) /* about 5,000 events */
#define READS_PER_POLL 64 /* then the loop's other work gets a turn */
#define RESYNC_MS 50 /* lets a burst of events end first */
#define RESYNC_FAIL_MS 1000
#define DUMP_TRIES 5

struct xfrm {
	uv_loop_t *loop;
	struct xfrm_events ev;
	void *arg;
	struct mnl_socket *events;
	uv_poll_t *poll; /* on the heap: closed handles outlive us */
	uv_timer_t *timer;
	struct xfrm_query query, route;
	struct mirror mirror;
	uint64_t overruns;
	bool overrun_told;
	bool busy; /* callbacks are running, or a dump */
	int64_t flushed_at;
	char buf[XFRM_BUF_SIZE] __attribute__((aligned(8)));
};

static void resync_later(struct xfrm *x, uint64_t ms);

/* ---- what happened ---- */

static void tell_removed(struct xfrm *x, const struct xfrm_sa *sa, enum xfrm_gone how)
{
	mirror_left(&x->mirror, sa, now_ms(), how);
	if (x->ev.removed)
		x->ev.removed(x->arg, sa, how);
}

static void sa_there(struct xfrm *x, const struct xfrm_sa *sa)
{
	bool isnew;

	if (sa->larval || !sa->spi)
		return;
	if (mirror_put(&x->mirror, sa, &isnew)) {
		/* Out of memory: without this SA the mirror is wrong. */
		resync_later(x, RESYNC_FAIL_MS);
		return;
	}
	if (isnew && x->ev.added)
		x->ev.added(x->arg, sa);
}

static void sa_gone(struct xfrm *x, const struct xfrm_sa *key, enum xfrm_gone how)
{
	struct xfrm_sa sa;

	/* The event of an expiry lacks much; ours is whole. */
	if (!mirror_take(&x->mirror, key, &sa))
		tell_removed(x, &sa, how);
}

static bool proto_matches(uint8_t proto, uint8_t flushed)
{
	return flushed == 0 || flushed == 255 || flushed == proto;
}

static void all_flushed(struct xfrm *x, uint8_t proto)
{
	struct xfrm_sa *sa;
	size_t i, n;

	n = mirror_take_if(&x->mirror, &sa, proto_matches, proto);
	x->flushed_at = now_ms();
	for (i = 0; i < n; i++)
		tell_removed(x, &sa[i], XFRM_GONE_FLUSHED);
	free(sa);
	if (x->ev.flushed)
		x->ev.flushed(x->arg);
}

static void on_message(struct xfrm *x, const struct nlmsghdr *nlh)
{
	struct xfrm_msg msg;

	if (xfrm_parse(nlh->nlmsg_type, mnl_nlmsg_get_payload(nlh), mnl_nlmsg_get_payload_len(nlh),
		       &msg)) {
		log_warn("xfrm: malformed message of type %u from the kernel", nlh->nlmsg_type);
		resync_later(x, RESYNC_FAIL_MS);
		return;
	}
	switch (msg.kind) {
	case XFRM_KIND_SA:
		sa_there(x, &msg.sa);
		break;
	case XFRM_KIND_GONE:
		sa_gone(x, &msg.sa, XFRM_GONE_DELETED);
		break;
	case XFRM_KIND_EXPIRED:
		sa_gone(x, &msg.sa, XFRM_GONE_EXPIRED);
		break;
	case XFRM_KIND_FLUSHED:
		all_flushed(x, msg.proto);
		break;
	case XFRM_KIND_MIGRATED:
		resync_later(x, RESYNC_MS);
		break;
	case XFRM_KIND_OTHER:
		break;
	}
}

static void on_overrun(struct xfrm *x)
{
	x->overruns++;
	if (!x->overrun_told)
		log_warn("xfrm: the kernel has dropped SA events: reading all SAs again");
	x->overrun_told = true;
	resync_later(x, RESYNC_MS);
}

/* Reads up to @max datagrams. Return: -EAGAIN when there is no more, 0, other -errno. */
static int read_events(struct xfrm *x, int max)
{
	const struct nlmsghdr *nlh;
	ssize_t n;
	int left;

	while (max--) {
		n = xfrm_recv(mnl_socket_get_fd(x->events), x->buf, sizeof(x->buf));
		if (n == -ENOBUFS || n == -EMSGSIZE) {
			on_overrun(x);
			continue;
		}
		if (n < 0)
			return (int)n;
		left = (int)n;
		for (nlh = (void *)x->buf; nl_msg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
			on_message(x, nlh);
		explicit_bzero(x->buf, (size_t)n);
	}
	return 0;
}

static void on_readable(uv_poll_t *handle, int status, int events)
{
	struct xfrm *x = handle->data;
	int ret;

	(void)events;
	/* An overrun is an error on the socket, at which libuv stops watching it. */
	if (status < 0)
		uv_poll_start(handle, UV_READABLE, on_readable);
	x->busy = true;
	ret = read_events(x, READS_PER_POLL);
	x->busy = false;
	if (ret && ret != -EAGAIN) {
		log_warn("xfrm: reading events: %s", strerror(-ret));
		resync_later(x, RESYNC_FAIL_MS);
	}
}

/* ---- dump ---- */

/* @added: what was not in the mirror, unless there was nothing in it at all (@quiet). */
struct dump {
	struct xfrm *x;
	bool quiet;
	struct xfrm_sa *added;
	size_t n, room;
};

static int note_added(struct dump *d, const struct xfrm_sa *sa)
{
	size_t room = d->room ? d->room * 2 : 64;
	struct xfrm_sa *p;

	if (d->n == d->room) {
		p = reallocarray(d->added, room, sizeof(*p));
		if (!p)
			return -ENOMEM;
		d->added = p;
		d->room = room;
	}
	d->added[d->n++] = *sa;
	return 0;
}

static int dump_one(void *arg, uint16_t type, const void *payload, size_t len)
{
	struct dump *d = arg;
	struct xfrm_msg msg;
	bool isnew;
	int ret;

	if (xfrm_parse(type, payload, len, &msg))
		return -EBADMSG;
	if (msg.kind != XFRM_KIND_SA || msg.sa.larval || !msg.sa.spi)
		return 0;
	ret = mirror_put(&d->x->mirror, &msg.sa, &isnew);
	return ret || !isnew || d->quiet ? ret : note_added(d, &msg.sa);
}

/* Marks what there is. */
static int dump_all(struct xfrm *x, struct dump *d)
{
	char buf[MNL_NLMSG_HDRLEN] __attribute__((aligned(8)));
	struct nlmsghdr *nlh;
	int tries, ret;

	for (tries = 0; tries < DUMP_TRIES; tries++) {
		nlh = mnl_nlmsg_put_header(buf);
		nlh->nlmsg_type = XFRM_MSG_GETSA;
		nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
		mirror_unmark(&x->mirror);
		ret = xfrm_query(&x->query, nlh, dump_one, d);
		if (ret != -EINTR)
			return ret;
	}
	return ret;
}

/* A dump that fails has only added what is there. */
static int compare(struct xfrm *x, bool quiet)
{
	struct dump d = { .x = x, .quiet = quiet };
	struct xfrm_sa *gone;
	size_t i, n;
	int ret;

	ret = dump_all(x, &d);
	for (i = 0; i < d.n && x->ev.added; i++)
		x->ev.added(x->arg, &d.added[i]);
	free(d.added);
	if (ret)
		return ret;
	n = mirror_take_unmarked(&x->mirror, &gone);
	for (i = 0; i < n; i++)
		tell_removed(x, &gone[i], XFRM_GONE_UNSEEN);
	free(gone);
	return 0;
}

int xfrm_resync(struct xfrm *x)
{
	int ret;

	if (x->busy)
		return -EBUSY;
	x->busy = true;
	/* Bounded: whoever makes events faster than we read them has us dump again. */
	read_events(x, 65536);
	uv_timer_stop(x->timer);
	ret = compare(x, false);
	x->busy = false;
	if (ret) {
		log_warn("xfrm: reading all SAs: %s", strerror(-ret));
		resync_later(x, RESYNC_FAIL_MS);
	}
	return ret;
}

static void on_timer(uv_timer_t *timer)
{
	xfrm_resync(timer->data);
}

static void resync_later(struct xfrm *x, uint64_t ms)
{
	if (!uv_is_active((uv_handle_t *)x->timer))
		uv_timer_start(x->timer, on_timer, ms, 0);
}

/* ---- open and close ---- */

static void freed(uv_handle_t *handle)
{
	free(handle);
}

void xfrm_free(struct xfrm *x)
{
	if (!x)
		return;
	if (x->poll) {
		uv_poll_stop(x->poll);
		uv_close((uv_handle_t *)x->poll, freed);
	}
	if (x->timer)
		uv_close((uv_handle_t *)x->timer, freed);
	if (x->events)
		mnl_socket_close(x->events);
	xfrm_query_close(&x->query);
	xfrm_query_close(&x->route);
	mirror_free(&x->mirror);
	free(x);
}

static char *why(const char *format, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		text = NULL;
	va_end(ap);
	return text;
}

static int join_groups(struct xfrm *x, char **err)
{
	static const unsigned int groups[] = {
		XFRMNLGRP_SA,
		XFRMNLGRP_EXPIRE,
		XFRMNLGRP_MIGRATE,
	};
	int size = RCVBUF, fd, group;
	size_t i;

	x->events = mnl_socket_open2(NETLINK_XFRM, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!x->events || mnl_socket_bind(x->events, 0, MNL_SOCKET_AUTOPID) < 0) {
		*err = why("cannot open an XFRM netlink socket: %s%s", strerror(errno),
			   errno == EPROTONOSUPPORT ? ": run `modprobe xfrm_user`" : "");
		return -1;
	}
	fd = mnl_socket_get_fd(x->events);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		group = (int)groups[i];
		if (!mnl_socket_setsockopt(x->events, NETLINK_ADD_MEMBERSHIP, &group,
					   sizeof(group)))
			continue;
		*err = why("cannot subscribe to the kernel's SA events: %s%s", strerror(errno),
			   errno == EPERM ? ": run as root, or with CAP_NET_ADMIN" : "");
		return -1;
	}
	return 0;
}

static int add_handles(struct xfrm *x)
{
	x->timer = malloc(sizeof(*x->timer));
	if (!x->timer)
		return -ENOMEM;
	uv_timer_init(x->loop, x->timer);
	x->timer->data = x;

	x->poll = malloc(sizeof(*x->poll));
	if (!x->poll)
		return -ENOMEM;
	if (uv_poll_init(x->loop, x->poll, mnl_socket_get_fd(x->events))) {
		free(x->poll);
		x->poll = NULL;
		return -EIO;
	}
	x->poll->data = x;
	return uv_poll_start(x->poll, UV_READABLE, on_readable);
}

struct xfrm *xfrm_new(uv_loop_t *loop, const struct xfrm_events *ev, void *arg, char **err)
{
	struct xfrm *x = calloc(1, sizeof(*x));
	int ret;

	*err = NULL;
	if (!x || mirror_init(&x->mirror)) {
		free(x);
		*err = why("out of memory");
		return NULL;
	}
	x->loop = loop;
	x->ev = *ev;
	x->arg = arg;
	x->query.bus = NETLINK_XFRM;
	x->route.bus = NETLINK_ROUTE;
	x->flushed_at = LONG_AGO;
	if (join_groups(x, err))
		goto fail;
	ret = compare(x, true);
	if (!ret)
		ret = add_handles(x);
	if (ret) {
		*err = why("cannot read the kernel's SAs: %s%s", strerror(-ret),
			   ret == -EPERM ? ": run as root, or with CAP_NET_ADMIN" : "");
		goto fail;
	}
	return x;
fail:
	xfrm_free(x);
	return NULL;
}

/* ---- questions ---- */

int xfrm_find(const struct xfrm *x, uint32_t spi, uint8_t proto,
	      void (*cb)(void *arg, const struct xfrm_sa *sa), void *arg)
{
	return mirror_find(&x->mirror, spi, proto, cb, arg);
}

int xfrm_seen_leaving(const struct xfrm *x, const struct ike_addr *dst, uint32_t spi, uint8_t proto,
		      int64_t *when, enum xfrm_gone *how)
{
	return mirror_seen_leaving(&x->mirror, dst, spi, proto, when, how);
}

static int take_sa(void *arg, uint16_t type, const void *payload, size_t len)
{
	struct xfrm_sa *sa = arg;
	struct xfrm_msg msg;

	if (xfrm_parse(type, payload, len, &msg) || msg.kind != XFRM_KIND_SA)
		return -EBADMSG;
	*sa = msg.sa;
	return 0;
}

int xfrm_sa_get(struct xfrm *x, const struct ike_addr *dst, uint32_t spi, uint8_t proto,
		uint32_t mark, struct xfrm_sa *sa)
{
	char buf[256] __attribute__((aligned(8)));
	struct xfrm_mark m = { .v = mark, .m = UINT32_MAX };
	struct xfrm_usersa_id *id;
	struct nlmsghdr *nlh;

	memset(sa, 0, sizeof(*sa));
	if (dst->family != AF_INET && dst->family != AF_INET6)
		return -EAFNOSUPPORT;
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = XFRM_MSG_GETSA;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	id = mnl_nlmsg_put_extra_header(nlh, sizeof(*id));
	memcpy(&id->daddr, dst->addr, dst->family == AF_INET ? 4 : 16);
	id->spi = htonl(spi);
	id->family = (uint16_t)dst->family;
	id->proto = proto;
	mnl_attr_put(nlh, XFRMA_MARK, sizeof(m), &m);
	return xfrm_query(&x->query, nlh, take_sa, sa);
}

int xfrm_addr_local(struct xfrm *x, const struct ike_addr *addr)
{
	return xfrm_query_addr_local(&x->route, addr);
}

unsigned int xfrm_count(const struct xfrm *x)
{
	return x->mirror.count;
}

bool xfrm_flush_seen(const struct xfrm *x, int64_t since)
{
	return x->flushed_at != LONG_AGO && x->flushed_at >= since;
}

uint64_t xfrm_overruns(const struct xfrm *x)
{
	return x->overruns;
}
