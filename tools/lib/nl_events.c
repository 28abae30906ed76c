// SPDX-License-Identifier: GPL-2.0-only
/*
 * The family's multicast group, and the news that the family goes away: the
 * socket itself would just stay silent.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/genetlink.h>

#include "nl.h"
#include "nl_msg.h"
#include "nl_sock.h"

#define RCVBUF_DEFAULT (1 << 20)
#define DATAGRAMS_MAX 256

/* Group "notify" of the controller; its number is part of the ABI. */
#define CTRL_GROUP GENL_ID_CTRL

struct invspi_events {
	struct nl_sock *sock;
};

static int set_rcvbuf(int fd, int bytes)
{
	/* FORCE goes beyond rmem_max, but needs CAP_NET_ADMIN at home. */
	if (!setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		return 0;
	return setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

static int join(struct nl_sock *s, int group, struct invspi_err *err)
{
	if (!mnl_socket_setsockopt(s->mnl, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)))
		return 0;
	if (errno == EPERM)
		return invspi_err_set(err, EPERM,
				      "events: not allowed: CAP_NET_ADMIN is needed, run as root");
	return invspi_err_set(err, errno, "events: no access to the multicast group: %s",
			      strerror(errno));
}

int invspi_events_open(struct invspi_events **evp, int rcvbuf, struct invspi_err *err)
{
	struct invspi_events *ev;
	int fd, rc;

	*evp = NULL;
	ev = calloc(1, sizeof(*ev));
	if (!ev)
		return invspi_err_set(err, ENOMEM, "out of memory");
	rc = nl_sock_open(&ev->sock, err);
	if (rc)
		goto err_close;
	/* Before the look-up, so that an unload after it can't be missed. */
	rc = join(ev->sock, CTRL_GROUP, err);
	if (!rc)
		rc = nl_sock_resolve(ev->sock, NULL, err);
	if (rc)
		goto err_close;

	fd = mnl_socket_get_fd(ev->sock->mnl);
	if (set_rcvbuf(fd, rcvbuf ? rcvbuf : RCVBUF_DEFAULT) || fcntl(fd, F_SETFL, O_NONBLOCK)) {
		rc = invspi_err_set(err, errno, "events: cannot set up the socket: %s",
				    strerror(errno));
		goto err_close;
	}
	rc = join(ev->sock, (int)ev->sock->group, err);
	if (rc)
		goto err_close;
	*evp = ev;
	return 0;

err_close:
	invspi_events_close(ev);
	return rc;
}

void invspi_events_close(struct invspi_events *ev)
{
	if (!ev)
		return;
	nl_sock_close(ev->sock);
	free(ev);
}

int invspi_events_fd(const struct invspi_events *ev)
{
	return mnl_socket_get_fd(ev->sock->mnl);
}

static bool says_unloaded(const struct nlmsghdr *nlh, uint16_t family)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;

	if (genl->cmd != CTRL_CMD_DELFAMILY)
		return false;
	mnl_attr_for_each(attr, nlh, sizeof(*genl))
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID &&
		    mnl_attr_validate(attr, MNL_TYPE_U16) >= 0)
			return mnl_attr_get_u16(attr) == family;
	return false;
}

/* Return: 1 for an event handed out, 0 for none, or a negative errno. */
static int handle_event(const struct invspi_events *ev, const struct nlmsghdr *nlh,
			invspi_event_cb cb, void *arg, struct invspi_err *err)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);
	size_t head = MNL_ALIGN(sizeof(*genl)), len;
	enum invspi_event event;
	struct invspi_flow flow;

	len = mnl_nlmsg_get_payload_len(nlh);
	if (len < head)
		return 0;
	if (nlh->nlmsg_type == GENL_ID_CTRL && says_unloaded(nlh, ev->sock->family))
		return invspi_err_set(err, ENODEV, "the kernel module was unloaded");
	if (nlh->nlmsg_type != ev->sock->family)
		return 0;

	switch (genl->cmd) {
	case XFRM_INVSPI_CMD_FLOW_NEW_NTF:
		event = INVSPI_EVENT_NEW;
		break;
	case XFRM_INVSPI_CMD_FLOW_DESYNC_NTF:
		event = INVSPI_EVENT_DESYNC;
		break;
	case XFRM_INVSPI_CMD_FLOW_CEASED_NTF:
		event = INVSPI_EVENT_CEASED;
		break;
	default:
		return 0;
	}
	/* A hint that can't be read is as good as none: the table is the truth. */
	if (invspi_nl_parse_flow((const char *)genl + head, len - head, &flow, NULL))
		return 0;
	cb(event, &flow, arg);
	return 1;
}

int invspi_events_recv(struct invspi_events *ev, invspi_event_cb cb, void *arg,
		       struct invspi_err *err)
{
	const struct nlmsghdr *nlh;
	int events = 0, i, len, rc;
	ssize_t n;

	for (i = 0; i < DATAGRAMS_MAX; i++) {
		n = nl_sock_recv(ev->sock, MSG_DONTWAIT);
		if (n == -EAGAIN)
			break;
		if (n == -ENOBUFS || n == -EMSGSIZE)
			return invspi_err_set(err, ENOBUFS,
					      "events were lost: the receive buffer overran");
		if (n < 0)
			return invspi_err_set(err, (int)-n, "events: %s", strerror((int)-n));
		len = (int)n;
		for (nlh = (void *)ev->sock->buf; nl_msg_ok(nlh, len);
		     nlh = mnl_nlmsg_next(nlh, &len)) {
			rc = handle_event(ev, nlh, cb, arg, err);
			if (rc < 0)
				return rc;
			events += rc;
		}
	}
	return events;
}
