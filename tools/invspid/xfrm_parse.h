/* SPDX-License-Identifier: GPL-2.0-only */
/* From the bytes of an XFRM netlink message to what the mirror wants to know. */
#ifndef INVSPID_XFRM_PARSE_H
#define INVSPID_XFRM_PARSE_H

#include <stddef.h>
#include <stdint.h>

#include "xfrm.h"

enum xfrm_kind {
	XFRM_KIND_OTHER, /* nothing for us */
	XFRM_KIND_SA, /* @sa is there, new or changed */
	XFRM_KIND_GONE, /* @sa was deleted */
	XFRM_KIND_EXPIRED, /* @sa has reached its hard limit and is gone */
	XFRM_KIND_FLUSHED, /* all SAs of @proto are gone; 0 or 255: of every protocol */
	XFRM_KIND_MIGRATED, /* SAs moved to other addresses without further events */
};

struct xfrm_msg {
	enum xfrm_kind kind;
	struct xfrm_sa sa;
	uint8_t proto;
};

/**
 * xfrm_parse() - one netlink message
 * @type: nlmsg_type
 * @payload: what follows struct nlmsghdr, any bytes, any alignment
 * @len: their number
 * @msg: always set
 *
 * Pure; reads no key. Return: 0, or -EBADMSG if a part is too short (then
 * @msg->kind is XFRM_KIND_OTHER).
 */
int xfrm_parse(uint16_t type, const void *payload, size_t len, struct xfrm_msg *msg);

/**
 * struct xfrm_attr - one netlink attribute
 * @data: in the message, at any alignment
 */
struct xfrm_attr {
	uint16_t type;
	const uint8_t *data;
	size_t len;
};

/**
 * xfrm_attr_next() - take the first of several attributes
 * @p: attributes, any bytes, any alignment; then what follows the one taken
 * @len: their number; then that of the rest
 *
 * Fewer bytes than a header are padding.
 *
 * Return: 1 with @attr set, 0 at the end, or -EBADMSG if the length that an
 * attribute tells makes no sense.
 */
int xfrm_attr_next(const uint8_t **p, size_t *len, struct xfrm_attr *attr);

/* Same SA as the kernel tells them apart: destination, SPI, protocol and mark. */
bool xfrm_sa_same(const struct xfrm_sa *a, const struct xfrm_sa *b);

#endif
