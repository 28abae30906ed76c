// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target: what the kernel sends on the module's netlink family. The first
 * byte of an input says what the rest is: attributes for one of the parsers, or the
 * datagrams that answer a request or tell of events, each with its length before it.
 * Here is where they are received, so no socket is needed.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <linux/genetlink.h>

#include "fuzz.h"
#include "nl.h"
#include "nl_sock.h"

#define FAMILY 0x1c

static struct input wire;
static uint32_t seq;

/* Takes the place of the C library's: the next datagram of the input. */
ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct sockaddr_nl *from = msg->msg_name;
	struct nlmsghdr nlh;
	size_t len, i;

	(void)fd;
	(void)flags;
	if (!wire.left) {
		errno = EAGAIN;
		return -1;
	}
	len = (size_t)take_byte(&wire) << 8;
	len |= take_byte(&wire);
	/* Now and then an error of the socket, or a message of another process. */
	if (len >= 0xff00) {
		errno = len & 1 ? ENOBUFS : EINTR;
		return -1;
	}
	memset(from, 0, sizeof(*from));
	from->nl_family = AF_NETLINK;
	from->nl_pid = len >= 0xfe00;
	if (len > wire.left)
		len = wire.left;
	msg->msg_flags = len > msg->msg_iov[0].iov_len ? MSG_TRUNC : 0;
	if (len > msg->msg_iov[0].iov_len)
		len = msg->msg_iov[0].iov_len;
	for (i = 0; i < len; i++)
		((uint8_t *)msg->msg_iov[0].iov_base)[i] = take_byte(&wire);
	/* No fuzzer finds a sequence number: it is the right one if that is 0. */
	if (len >= sizeof(nlh)) {
		memcpy(&nlh, msg->msg_iov[0].iov_base, sizeof(nlh));
		nlh.nlmsg_seq = nlh.nlmsg_seq ? nlh.nlmsg_seq : seq;
		memcpy(msg->msg_iov[0].iov_base, &nlh, sizeof(nlh));
	}
	return (ssize_t)len;
}

/* A request leaves; what answers it begins with its number. */
ssize_t sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
	       socklen_t to_len)
{
	(void)fd;
	(void)flags;
	(void)to;
	(void)to_len;
	seq = ((const struct nlmsghdr *)buf)->nlmsg_seq;
	return (ssize_t)len;
}

/* Who may join which group is not what is tried here. */
int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	(void)fd;
	(void)level;
	(void)name;
	(void)value;
	(void)len;
	return 0;
}

static void judge(int rc, const struct invspi_err *err)
{
	if (rc < 0)
		must(err->text[0] && is_printable(err->text));
}

static void use_flow(const struct invspi_flow *f)
{
	must(f->family == AF_INET || f->family == AF_INET6);
	must(invspi_flow_same(f, f));
}

static void flow_attrs(const void *p, size_t len)
{
	static const struct invspi_flow nothing;
	struct invspi_err err = { "" };
	struct invspi_flow f;
	int rc = invspi_nl_parse_flow(p, len, &f, &err);

	must(!rc || rc == -EBADMSG);
	judge(rc, &err);
	if (rc)
		must(!memcmp(&f, &nothing, sizeof(f)));
	else
		use_flow(&f);
}

static void stats_attrs(const void *p, size_t len)
{
	struct invspi_err err = { "" };
	struct invspi_stats s;

	judge(invspi_nl_parse_stats(p, len, &s, &err), &err);
}

static void config_attrs(const void *p, size_t len)
{
	struct invspi_err err = { "" };
	struct invspi_config c;

	judge(invspi_nl_parse_config(p, len, &c, &err), &err);
}

static int on_flow(const struct invspi_flow *f, void *arg)
{
	(void)arg;
	use_flow(f);
	return 0;
}

static void on_event(enum invspi_event event, const struct invspi_flow *f, void *arg)
{
	(void)arg;
	must(event < INVSPI_EVENTS);
	use_flow(f);
}

/* The first datagrams tell the family, so that the rest belongs to it. */
static void put_family(struct nlmsghdr *nlh)
{
	struct genlmsghdr *genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	struct nlattr *groups, *group;

	nlh->nlmsg_type = GENL_ID_CTRL;
	genl->cmd = CTRL_CMD_NEWFAMILY;
	mnl_attr_put_u16(nlh, CTRL_ATTR_FAMILY_ID, FAMILY);
	groups = mnl_attr_nest_start(nlh, CTRL_ATTR_MCAST_GROUPS);
	group = mnl_attr_nest_start(nlh, 1);
	mnl_attr_put_u32(nlh, CTRL_ATTR_MCAST_GRP_ID, 7);
	mnl_attr_put_strz(nlh, CTRL_ATTR_MCAST_GRP_NAME, XFRM_INVSPI_MCGRP_EVENTS);
	mnl_attr_nest_end(nlh, group);
	mnl_attr_nest_end(nlh, groups);
}

static size_t family_told(uint8_t out[512])
{
	char buf[256] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	size_t n;

	put_family(nlh);
	n = nlh->nlmsg_len;
	nlh = mnl_nlmsg_put_header(buf + n);
	nlh->nlmsg_type = NLMSG_ERROR;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct nlmsgerr));
	nlh->nlmsg_seq = 0;
	out[0] = (uint8_t)(n >> 8);
	out[1] = (uint8_t)n;
	memcpy(out + 2, buf, n);
	out[n + 2] = (uint8_t)(nlh->nlmsg_len >> 8);
	out[n + 3] = (uint8_t)nlh->nlmsg_len;
	memcpy(out + n + 4, buf + n, nlh->nlmsg_len);
	return n + 4 + nlh->nlmsg_len;
}

static struct invspi_nl *opened(bool told)
{
	struct invspi_err err = { "" };
	struct invspi_nl *nl;
	struct input rest = wire;
	uint8_t buf[512];
	int rc;

	if (told)
		wire = (struct input){ buf, family_told(buf) };
	rc = invspi_nl_open(&nl, &err);
	must(!rc == !!nl);
	judge(rc, &err);
	must(!told || nl);
	if (told)
		wire = rest;
	return nl;
}

static void dump(bool told)
{
	struct invspi_nl *nl = opened(told);
	struct invspi_err err = { "" };

	if (nl)
		judge(invspi_nl_flow_dump(nl, NULL, on_flow, NULL, &err), &err);
	invspi_nl_close(nl);
}

static void requests(bool told)
{
	struct invspi_flow key = { .family = AF_INET, .proto = 50, .spi = 256 }, f;
	struct invspi_filter filter = { .set = INVSPI_FILTER_SPI, .spi = 256 };
	struct invspi_nl *nl = opened(told);
	struct invspi_err err = { "" };
	struct invspi_config config = { 0 };
	struct invspi_stats stats;

	if (!nl)
		return;
	judge(invspi_nl_flow_get(nl, &key, &f, &err), &err);
	judge(invspi_nl_stats_get(nl, &stats, &err), &err);
	judge(invspi_nl_config_get(nl, &config, &err), &err);
	config.present = INVSPI_CONFIG_BIT(1);
	judge(invspi_nl_config_set(nl, &config, &err), &err);
	judge(invspi_nl_flow_del(nl, &filter, &err), &err);
	invspi_nl_close(nl);
}

static void events(bool told)
{
	struct invspi_err err = { "" };
	struct invspi_events *ev;
	struct input rest = wire;
	uint8_t buf[512];

	if (told)
		wire = (struct input){ buf, family_told(buf) };
	if (invspi_events_open(&ev, 0, &err)) {
		must(!told && err.text[0]);
		return;
	}
	if (told)
		wire = rest;
	while (wire.left)
		if (invspi_events_recv(ev, on_event, NULL, &err) == -ENODEV)
			break;
	invspi_events_close(ev);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t what = take_byte(&in);
	uint8_t *copy = malloc(in.left ? in.left : 1);

	must(copy);
	if (in.left)
		memcpy(copy, in.p, in.left);
	wire = (struct input){ copy, in.left };
	seq = 0;
	switch (what % 9) {
	case 0:
		flow_attrs(copy, in.left);
		break;
	case 1:
		stats_attrs(copy, in.left);
		break;
	case 2:
		config_attrs(copy, in.left);
		break;
	case 3:
	case 4:
		dump(what % 2);
		break;
	case 5:
	case 6:
		requests(what % 2);
		break;
	default:
		events(what % 2);
	}
	free(copy);
	return 0;
}
