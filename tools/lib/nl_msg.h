/* SPDX-License-Identifier: GPL-2.0-only */
/* From one netlink message of a datagram to the next. */
#ifndef INVSPI_LIB_NL_MSG_H
#define INVSPI_LIB_NL_MSG_H

#include <libmnl/libmnl.h>
#include <stdbool.h>

/**
 * nl_msg_ok() - is there a whole message
 * @len: bytes that are left; may be negative after the last one, whose padding may lack
 *
 * libmnl (1.0.5) takes a length of 2 GiB and more for a negative one, and so for one that
 * fits.
 */
static inline bool nl_msg_ok(const struct nlmsghdr *nlh, int len)
{
	return mnl_nlmsg_ok(nlh, len) && nlh->nlmsg_len <= (unsigned int)len;
}

#endif
