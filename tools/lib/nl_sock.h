/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the files of the netlink client; not for its users. */
#ifndef INVSPI_LIB_NL_SOCK_H
#define INVSPI_LIB_NL_SOCK_H

#include <stdint.h>
#include <sys/types.h>
#include <libmnl/libmnl.h>

#include "err.h"

/* The kernel makes messages of a dump at most this long. */
#define NL_BUF_SIZE 32768

/**
 * struct nl_sock - a generic netlink socket
 * @family: number of our family
 * @group: number of its multicast group
 * @version: of the family
 */
struct nl_sock {
	struct mnl_socket *mnl;
	uint32_t portid;
	uint32_t seq;
	uint16_t family;
	uint32_t group;
	uint32_t version;
	char buf[NL_BUF_SIZE] __attribute__((aligned(8)));
};

/* Handles one reply; 0 or a negative errno, after which the rest is drained. */
typedef int (*nl_reply_cb)(const struct nlmsghdr *nlh, void *arg, struct invspi_err *err);

int nl_sock_open(struct nl_sock **sp, struct invspi_err *err);
void nl_sock_close(struct nl_sock *s);

/**
 * nl_sock_resolve() - find the family, loading the module if need be
 * @changed: set to whether its number is another than before; may be NULL
 */
int nl_sock_resolve(struct nl_sock *s, bool *changed, struct invspi_err *err);

/**
 * nl_sock_recv() - one datagram from the kernel into s->buf
 *
 * What other processes send is thrown away.
 *
 * Return: its length, or a negative errno: -EAGAIN at the time limit, or at
 * once with MSG_DONTWAIT; -EMSGSIZE if it did not fit.
 */
ssize_t nl_sock_recv(struct nl_sock *s, int flags);

/**
 * nl_sock_request() - start a message of our family
 * @buf: at least MNL_SOCKET_BUFFER_SIZE bytes
 */
struct nlmsghdr *nl_sock_request(struct nl_sock *s, void *buf, uint8_t cmd, uint16_t flags);

/**
 * nl_sock_talk() - send a request, hand out the replies
 * @name: of the request, for the error text
 *
 * A family that is not there any more is looked up again once.
 *
 * Return: 0 or a negative errno: -EINTR if a dump was inconsistent, in which
 * case @cb has seen some of it.
 */
int nl_sock_talk(struct nl_sock *s, struct nlmsghdr *nlh, const char *name, nl_reply_cb cb,
		 void *arg, struct invspi_err *err);

/**
 * nl_extack_text() - describe a refusal of the kernel
 * @reply: NLMSG_ERROR or NLMSG_DONE
 * @request: what was refused
 * @name: of the request
 * @code: errno, positive
 *
 * Return: -@code.
 */
int nl_extack_text(const struct nlmsghdr *reply, const struct nlmsghdr *request, const char *name,
		   int code, struct invspi_err *err);

#endif /* INVSPI_LIB_NL_SOCK_H */
