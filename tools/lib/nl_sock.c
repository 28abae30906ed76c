// SPDX-License-Identifier: GPL-2.0-only
/* Generic netlink socket: open, find the family, send and receive. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <time.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/xfrm_invspi.h>

#include "nl_msg.h"
#include "nl_sock.h"

#define REPLY_TIMEOUT_S 5
#define MAX_ERRNO 4095 /* the kernel's */

int nl_sock_open(struct nl_sock **sp, struct invspi_err *err)
{
	struct timeval tv = { .tv_sec = REPLY_TIMEOUT_S };
	struct nl_sock *s;
	int one = 1, rc;

	*sp = NULL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return invspi_err_set(err, ENOMEM, "out of memory");
	s->seq = (uint32_t)time(NULL);

	s->mnl = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!s->mnl || mnl_socket_bind(s->mnl, 0, MNL_SOCKET_AUTOPID) < 0) {
		rc = invspi_err_set(err, errno, "cannot open a netlink socket: %s",
				    strerror(errno));
		goto err_close;
	}
	s->portid = mnl_socket_get_portid(s->mnl);

	/* All three only better the diagnosis; an old kernel does without. */
	mnl_socket_setsockopt(s->mnl, NETLINK_EXT_ACK, &one, sizeof(one));
	mnl_socket_setsockopt(s->mnl, NETLINK_CAP_ACK, &one, sizeof(one));
	mnl_socket_setsockopt(s->mnl, NETLINK_GET_STRICT_CHK, &one, sizeof(one));

	if (setsockopt(mnl_socket_get_fd(s->mnl), SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv))) {
		rc = invspi_err_set(err, errno, "SO_RCVTIMEO: %s", strerror(errno));
		goto err_close;
	}
	*sp = s;
	return 0;

err_close:
	nl_sock_close(s);
	return rc;
}

void nl_sock_close(struct nl_sock *s)
{
	if (!s)
		return;
	if (s->mnl)
		mnl_socket_close(s->mnl);
	free(s);
}

ssize_t nl_sock_recv(struct nl_sock *s, int flags)
{
	struct sockaddr_nl from;
	struct iovec iov = { .iov_base = s->buf, .iov_len = sizeof(s->buf) };
	struct msghdr msg;
	ssize_t n;

	for (;;) {
		memset(&msg, 0, sizeof(msg));
		msg.msg_name = &from;
		msg.msg_namelen = sizeof(from);
		msg.msg_iov = &iov;
		msg.msg_iovlen = 1;
		n = recvmsg(mnl_socket_get_fd(s->mnl), &msg, flags);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (msg.msg_namelen != sizeof(from) || from.nl_pid != 0)
			continue;
		return msg.msg_flags & MSG_TRUNC ? -EMSGSIZE : n;
	}
}

struct nlmsghdr *nl_sock_request(struct nl_sock *s, void *buf, uint8_t cmd, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = s->family;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = XFRM_INVSPI_FAMILY_VERSION;
	return nlh;
}

struct exchange {
	const struct nlmsghdr *request;
	const char *name;
	nl_reply_cb cb;
	void *arg;
	bool done;
	bool interrupted;
	int rc; /* first failure of @cb */
};

/* Return: 0, or the errno with which the kernel ended the exchange. */
static int handle_message(const struct nlmsghdr *nlh, struct exchange *x, struct invspi_err *err)
{
	int code = 0;

	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
		x->interrupted = true;

	switch (nlh->nlmsg_type) {
	case NLMSG_NOOP:
		return 0;
	case NLMSG_ERROR:
	case NLMSG_DONE:
		x->done = true;
		if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(code))
			memcpy(&code, mnl_nlmsg_get_payload(nlh), sizeof(code));
		if (code >= 0)
			return 0;
		/* There are no errors beyond that, and one of them has no positive. */
		if (code < -MAX_ERRNO)
			code = -EBADMSG;
		return nl_extack_text(nlh, x->request, x->name, -code, err);
	default:
		if (!x->rc && x->cb)
			x->rc = x->cb(nlh, x->arg, err);
		return 0;
	}
}

static int receive_all(struct nl_sock *s, struct exchange *x, struct invspi_err *err)
{
	const struct nlmsghdr *nlh;
	ssize_t n;
	int len, rc;

	while (!x->done) {
		n = nl_sock_recv(s, 0);
		if (n == -EAGAIN)
			return invspi_err_set(err, ETIMEDOUT,
					      "%s: the kernel did not answer within %d s", x->name,
					      REPLY_TIMEOUT_S);
		if (n < 0)
			return invspi_err_set(err, (int)-n, "%s: netlink: %s", x->name,
					      strerror((int)-n));
		len = (int)n;
		for (nlh = (void *)s->buf; nl_msg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
			/* Late answer to a request that timed out. */
			if (nlh->nlmsg_seq != x->request->nlmsg_seq)
				continue;
			rc = handle_message(nlh, x, err);
			if (rc)
				return rc;
		}
	}
	if (x->rc)
		return x->rc;
	if (x->interrupted)
		return invspi_err_set(err, EINTR,
				      "%s: the table changed while it was read; "
				      "try again",
				      x->name);
	return 0;
}

static int talk_once(struct nl_sock *s, struct nlmsghdr *nlh, const char *name, nl_reply_cb cb,
		     void *arg, struct invspi_err *err)
{
	struct exchange x = { .request = nlh, .name = name, .cb = cb, .arg = arg };

	nlh->nlmsg_seq = ++s->seq;
	nlh->nlmsg_pid = s->portid;
	if (mnl_socket_sendto(s->mnl, nlh, nlh->nlmsg_len) < 0)
		return invspi_err_set(err, errno, "%s: netlink: %s", name, strerror(errno));
	return receive_all(s, &x, err);
}

int nl_sock_talk(struct nl_sock *s, struct nlmsghdr *nlh, const char *name, nl_reply_cb cb,
		 void *arg, struct invspi_err *err)
{
	struct invspi_err first;
	bool changed = false;
	int rc, rc2;

	rc = talk_once(s, nlh, name, cb, arg, &first);
	/* Also what an unknown family is answered with: the module was reloaded? */
	if (rc == -ENOENT) {
		rc2 = nl_sock_resolve(s, &changed, err);
		if (rc2)
			return rc2;
	}
	if (rc != -ENOENT || !changed) {
		if (rc && err)
			*err = first;
		return rc;
	}
	nlh->nlmsg_type = s->family;
	return talk_once(s, nlh, name, cb, arg, err);
}

struct family {
	uint16_t id;
	uint32_t group;
	uint32_t version;
};

static int group_cb(const struct nlattr *group, struct family *found)
{
	const struct nlattr *attr;
	const char *name = NULL;
	uint32_t id = 0;

	mnl_attr_for_each_nested(attr, group) {
		if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_NAME &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			name = mnl_attr_get_str(attr);
		else if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_ID &&
			 mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			id = mnl_attr_get_u32(attr);
	}
	if (name && !strcmp(name, XFRM_INVSPI_MCGRP_EVENTS))
		found->group = id;
	return 0;
}

static int family_cb(const struct nlmsghdr *nlh, void *arg, struct invspi_err *err)
{
	const struct nlattr *attr, *group;
	struct family *found = arg;

	(void)err;
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(struct genlmsghdr))
		return 0;
	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID &&
		    mnl_attr_validate(attr, MNL_TYPE_U16) >= 0)
			found->id = mnl_attr_get_u16(attr);
		else if (mnl_attr_get_type(attr) == CTRL_ATTR_VERSION &&
			 mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			found->version = mnl_attr_get_u32(attr);
		else if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GROUPS)
			mnl_attr_for_each_nested(group, attr)
				group_cb(group, found);
	}
	return 0;
}

static int no_module(struct invspi_err *err)
{
	struct utsname u;

	return invspi_err_set(err, EOPNOTSUPP,
			      "the kernel module is not loaded: "
			      "run `modprobe xfrm_invspi` as root, "
			      "and if there is none, install it for kernel %s",
			      uname(&u) ? "" : u.release);
}

int nl_sock_resolve(struct nl_sock *s, bool *changed, struct invspi_err *err)
{
	char buf[256] __attribute__((aligned(8)));
	struct family found = { 0 };
	struct nlmsghdr *nlh;
	struct genlmsghdr *genl;
	int rc;

	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = GENL_ID_CTRL;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = CTRL_CMD_GETFAMILY;
	genl->version = 1;
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, XFRM_INVSPI_FAMILY_NAME);

	rc = talk_once(s, nlh, "family look-up", family_cb, &found, err);
	if (rc == -ENOENT)
		return no_module(err);
	if (rc)
		return rc;
	if (!found.id || !found.group)
		return invspi_err_set(err, EBADMSG,
				      "the kernel's family xfrm_invspi lacks its group \"%s\": "
				      "module and tools do not belong together",
				      XFRM_INVSPI_MCGRP_EVENTS);
	if (changed)
		*changed = found.id != s->family;
	s->family = found.id;
	s->group = found.group;
	s->version = found.version;
	return 0;
}
