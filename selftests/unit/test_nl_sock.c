// SPDX-License-Identifier: GPL-2.0-only
/* Answers that a kernel does not give: what is sent and received ends here. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/netlink.h>

#include "ktap.h"
#include "nl_msg.h"
#include "nl_sock.h"

static struct {
	struct nlmsghdr nlh;
	int code;
} answer;
static size_t answers;

ssize_t mnl_socket_sendto(const struct mnl_socket *nl, const void *request, size_t len)
{
	(void)nl;
	answer.nlh.nlmsg_seq = ((const struct nlmsghdr *)request)->nlmsg_seq;
	return (ssize_t)len;
}

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct sockaddr_nl from = { .nl_family = AF_NETLINK };

	(void)fd;
	(void)flags;
	if (!answers) {
		errno = EAGAIN;
		return -1;
	}
	answers--;
	memcpy(msg->msg_name, &from, sizeof(from));
	msg->msg_namelen = sizeof(from);
	memcpy(msg->msg_iov->iov_base, &answer, sizeof(answer));
	return sizeof(answer);
}

static int ask(int code, uint32_t len)
{
	char buf[256] __attribute__((aligned(8)));
	struct invspi_err err;
	struct nl_sock *s;
	int rc;

	if (nl_sock_open(&s, &err)) {
		ktap_ok(false, "a netlink socket: %s", err.text);
		return 0;
	}
	answer.nlh.nlmsg_type = NLMSG_ERROR;
	answer.nlh.nlmsg_len = len;
	answer.code = code;
	answers = 1;
	rc = nl_sock_talk(s, nl_sock_request(s, buf, 1, 0), "test", NULL, NULL, &err);
	nl_sock_close(s);
	return rc;
}

static void test_errors(void)
{
	ktap_int("no error", 0, ask(0, sizeof(answer)));
	ktap_int("an error", -EBUSY, ask(-EBUSY, sizeof(answer)));
	ktap_int("the last error", -4095, ask(-4095, sizeof(answer)));
	ktap_int("beyond all errors", -EBADMSG, ask(-4096, sizeof(answer)));
	ktap_int("one that has no positive", -EBADMSG, ask(INT_MIN, sizeof(answer)));
}

/* libmnl takes the last two lengths for negative ones. */
static void test_lengths(void)
{
	ktap_int("longer than what came: none", -ETIMEDOUT, ask(0, sizeof(answer) + 1));
	ktap_int("2 GiB: none", -ETIMEDOUT, ask(0, 0x80000000));
	ktap_int("4 GiB: none", -ETIMEDOUT, ask(0, UINT32_MAX));
}

/* The padding of the last message may lack, and then less than nothing is left. */
static void test_ends(void)
{
	struct nlmsghdr nlh = { .nlmsg_len = sizeof(nlh) };

	ktap_ok(nl_msg_ok(&nlh, sizeof(nlh)), "a whole one");
	ktap_ok(!nl_msg_ok(&nlh, sizeof(nlh) - 1), "one byte lacks");
	ktap_ok(!nl_msg_ok(&nlh, 0), "nothing is left");
	ktap_ok(!nl_msg_ok(&nlh, -3), "less than nothing is left");
}

int main(void)
{
	test_errors();
	test_lengths();
	test_ends();
	return ktap_done();
}
