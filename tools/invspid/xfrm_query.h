/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Questions to the kernel that are answered at once: a netlink socket that
 * blocks, for a bounded time. What is read is wiped after it was handed out.
 */
#ifndef INVSPID_XFRM_QUERY_H
#define INVSPID_XFRM_QUERY_H

#include <libmnl/libmnl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ike.h"

#define XFRM_BUF_SIZE 65536 /* the kernel fills up to 32 KiB of it in a dump */

/**
 * struct xfrm_query - one socket, opened at its first use
 * @bus: NETLINK_XFRM or NETLINK_ROUTE
 * @sock: NULL until needed, and after a failure
 */
struct xfrm_query {
	int bus;
	struct mnl_socket *sock;
	uint32_t seq;
	char buf[XFRM_BUF_SIZE] __attribute__((aligned(8)));
};

/* Return 0 to go on, or -errno, which ends the exchange. */
typedef int (*xfrm_query_cb)(void *arg, uint16_t type, const void *payload, size_t len);

/**
 * xfrm_query() - send one request and hand out its answers
 * @nlh: request; sequence number and port are filled in
 * @cb: called for each message of the answer but errors and the end of a dump
 *
 * Return: 0, the kernel's -errno, -EINTR for an interrupted dump, -ETIMEDOUT,
 * or what @cb returned.
 */
int xfrm_query(struct xfrm_query *q, struct nlmsghdr *nlh, xfrm_query_cb cb, void *arg);
void xfrm_query_close(struct xfrm_query *q);

/**
 * xfrm_query_dump() - hand out all that the kernel has of a kind
 * @bus: NETLINK_XFRM or NETLINK_ROUTE
 * @type: of the request
 * @body: bytes of the request's body, which is all zeros
 *
 * With a socket of its own, which is closed again: for what is rare. Not to be called
 * from @cb.
 *
 * Return: as xfrm_query()
 */
int xfrm_query_dump(int bus, uint16_t type, size_t body, xfrm_query_cb cb, void *arg);

/**
 * xfrm_recv() - receive from the kernel only
 *
 * Return: bytes, -EAGAIN, -EMSGSIZE if the message did not fit, other -errno.
 */
ssize_t xfrm_recv(int fd, void *buf, size_t size);

/* See xfrm_addr_local(). @q is on NETLINK_ROUTE. */
int xfrm_query_addr_local(struct xfrm_query *q, const struct ike_addr *addr);

#endif
