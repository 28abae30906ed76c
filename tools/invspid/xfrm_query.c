// SPDX-License-Identifier: GPL-2.0-only
/* Questions to the kernel that are answered at once. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "clock.h"
#include "nl_msg.h"
#include "xfrm_parse.h"
#include "xfrm_query.h"

#define ANSWER_MS 2000 /* for each part of an answer */

ssize_t xfrm_recv(int fd, void *buf, size_t size)
{
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct sockaddr_nl from;
	struct msghdr msg;
	ssize_t n;

	for (;;) {
		memset(&msg, 0, sizeof(msg));
		msg.msg_name = &from;
		msg.msg_namelen = sizeof(from);
		msg.msg_iov = &iov;
		msg.msg_iovlen = 1;
		n = recvmsg(fd, &msg, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		/* Another process may send to our port. */
		if (msg.msg_namelen != sizeof(from) || from.nl_pid) {
			explicit_bzero(buf, (size_t)n);
			continue;
		}
		if (msg.msg_flags & MSG_TRUNC) {
			explicit_bzero(buf, size);
			return -EMSGSIZE;
		}
		return n;
	}
}

static int query_open(struct xfrm_query *q)
{
	int err;

	if (q->sock)
		return 0;
	q->sock = mnl_socket_open2(q->bus, SOCK_CLOEXEC);
	if (!q->sock)
		return -errno;
	if (mnl_socket_bind(q->sock, 0, MNL_SOCKET_AUTOPID) < 0) {
		err = -errno;
		xfrm_query_close(q);
		return err;
	}
	return 0;
}

void xfrm_query_close(struct xfrm_query *q)
{
	if (q->sock)
		mnl_socket_close(q->sock);
	q->sock = NULL;
}

static int wait_readable(int fd, int64_t deadline)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int64_t left;
	int n;

	do {
		left = deadline - clock_ms(CLOCK_MONOTONIC);
		if (left <= 0)
			return -ETIMEDOUT;
		n = poll(&pfd, 1, (int)left);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n ? 0 : -ETIMEDOUT;
}

struct answer {
	xfrm_query_cb cb;
	void *arg;
	uint32_t seq;
	bool dump, done, interrupted;
};

static int take_message(struct answer *a, const struct nlmsghdr *nlh)
{
	const void *payload = mnl_nlmsg_get_payload(nlh);
	size_t len = mnl_nlmsg_get_payload_len(nlh);
	int code = 0, ret;

	if (nlh->nlmsg_seq != a->seq || nlh->nlmsg_type == NLMSG_NOOP)
		return 0;
	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
		a->interrupted = true;
	if (nlh->nlmsg_type == NLMSG_ERROR || nlh->nlmsg_type == NLMSG_DONE) {
		a->done = true;
		if (len >= sizeof(code))
			memcpy(&code, payload, sizeof(code));
		return code < 0 ? code : 0;
	}
	ret = a->cb(a->arg, nlh->nlmsg_type, payload, len);
	if (!ret && !a->dump)
		a->done = true;
	return ret;
}

static int take_all(struct xfrm_query *q, struct answer *a, size_t size)
{
	const struct nlmsghdr *nlh = (const void *)q->buf;
	int left = (int)size, ret = 0;

	for (; !ret && !a->done && nl_msg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
		ret = take_message(a, nlh);
	explicit_bzero(q->buf, size);
	return ret;
}

int xfrm_query(struct xfrm_query *q, struct nlmsghdr *nlh, xfrm_query_cb cb, void *arg)
{
	struct answer a = { .cb = cb, .arg = arg };
	int64_t deadline = clock_ms(CLOCK_MONOTONIC) + ANSWER_MS;
	ssize_t n;
	int ret;

	ret = query_open(q);
	if (ret)
		return ret;
	a.seq = ++q->seq;
	nlh->nlmsg_seq = a.seq;
	a.dump = nlh->nlmsg_flags & NLM_F_DUMP;
	nlh->nlmsg_pid = mnl_socket_get_portid(q->sock);
	if (mnl_socket_sendto(q->sock, nlh, nlh->nlmsg_len) < 0)
		ret = -errno;
	/* Mostly the kernel has answered before the request returns. */
	while (!ret && !a.done) {
		n = xfrm_recv(mnl_socket_get_fd(q->sock), q->buf, sizeof(q->buf));
		if (n == -EAGAIN) {
			ret = wait_readable(mnl_socket_get_fd(q->sock), deadline);
			continue;
		}
		ret = n < 0 ? (int)n : take_all(q, &a, (size_t)n);
		deadline = clock_ms(CLOCK_MONOTONIC) + ANSWER_MS;
	}
	/* The rest of an answer may still come, and holds up the next dump. */
	if (!a.done)
		xfrm_query_close(q);
	if (!ret && a.interrupted)
		ret = -EINTR;
	return ret;
}

int xfrm_query_dump(int bus, uint16_t type, size_t body, xfrm_query_cb cb, void *arg)
{
	/* Its buffer is too large for the stack. */
	static struct xfrm_query query;
	char buf[256] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	int ret;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(nlh, body);
	query.bus = bus;
	ret = xfrm_query(&query, nlh, cb, arg);
	xfrm_query_close(&query);
	return ret;
}

/* ---- addresses of this namespace ---- */

struct addr_search {
	const struct ike_addr *addr;
	size_t len;
	bool found;
};

static int route_answer(void *arg, uint16_t type, const void *payload, size_t len)
{
	struct addr_search *s = arg;
	struct rtmsg rtm;

	if (type != RTM_NEWROUTE || len < sizeof(rtm))
		return 0;
	memcpy(&rtm, payload, sizeof(rtm));
	s->found = rtm.rtm_type == RTN_LOCAL;
	return 0;
}

/* Whether an address that is there can receive: not while, or after, a duplicate was found. */
static bool addr_usable(unsigned int flags)
{
	return !(flags & IFA_F_DADFAILED) &&
	       (!(flags & IFA_F_TENTATIVE) || (flags & IFA_F_OPTIMISTIC));
}

static int addr_answer(void *arg, uint16_t type, const void *payload, size_t len)
{
	const uint8_t *local = NULL, *address = NULL, *p = payload;
	struct addr_search *s = arg;
	struct xfrm_attr attr;
	struct ifaddrmsg ifa;
	uint32_t flags;

	if (type != RTM_NEWADDR || len < sizeof(ifa))
		return 0;
	memcpy(&ifa, payload, sizeof(ifa));
	if (ifa.ifa_family != s->addr->family)
		return 0;
	flags = ifa.ifa_flags;
	p += sizeof(ifa);
	len -= sizeof(ifa);
	while (xfrm_attr_next(&p, &len, &attr) > 0) {
		if (attr.type == IFA_LOCAL && attr.len == s->len)
			local = attr.data;
		else if (attr.type == IFA_ADDRESS && attr.len == s->len)
			address = attr.data;
		else if (attr.type == IFA_FLAGS && attr.len == sizeof(flags))
			memcpy(&flags, attr.data, sizeof(flags));
	}
	/* On a point-to-point link IFA_ADDRESS is the peer's. */
	if (!local)
		local = address;
	if (local && !memcmp(local, s->addr->addr, s->len) && addr_usable(flags))
		s->found = true;
	return 0;
}

int xfrm_query_addr_local(struct xfrm_query *q, const struct ike_addr *addr)
{
	char buf[256] __attribute__((aligned(8)));
	static const uint8_t none[16];
	struct addr_search s = { .addr = addr };
	struct nlmsghdr *nlh;
	struct ifaddrmsg *ifa;
	struct rtmsg *rtm;
	int ret;

	if (addr->family != AF_INET && addr->family != AF_INET6)
		return -EAFNOSUPPORT;
	s.len = addr->family == AF_INET ? 4 : 16;
	/* A look-up of the route to no address finds loopback. */
	if (!memcmp(addr->addr, none, s.len))
		return 0;

	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = (unsigned char)addr->family;
	rtm->rtm_dst_len = (unsigned char)(s.len * 8);
	mnl_attr_put(nlh, RTA_DST, s.len, addr->addr);
	/* That there is no route says nothing about a VRF. */
	xfrm_query(q, nlh, route_answer, &s);
	if (s.found)
		return 1;

	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = RTM_GETADDR;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	ifa->ifa_family = (unsigned char)addr->family;
	ret = xfrm_query(q, nlh, addr_answer, &s);
	if (s.found)
		return 1;
	return ret;
}
