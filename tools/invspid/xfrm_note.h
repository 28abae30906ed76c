/* SPDX-License-Identifier: GPL-2.0-only */
/* What an XFRM message says, in words, for the flight recorder. */
#ifndef INVSPID_XFRM_NOTE_H
#define INVSPID_XFRM_NOTE_H

#include "rings.h"
#include "xfrm.h"

/**
 * struct xfrm_said - one message
 * @src, @dst: outer addresses, family 0 if there are none
 * @spi: 0 if none
 */
struct xfrm_said {
	enum note_kind kind;
	struct ike_addr src, dst;
	uint32_t spi;
	char text[320];
};

/**
 * xfrm_describe() - put a message into words
 * @type: nlmsg_type
 * @payload: what follows struct nlmsghdr, any bytes, any alignment
 * @len: their number
 *
 * Of policies, acquires, lifetimes and changes of a NAT's mapping; SAs that come and go
 * are told by the mirror, which knows more of them. Pure; reads no key.
 *
 * Return: false if it says nothing of these.
 */
bool xfrm_describe(uint16_t type, const void *payload, size_t len, struct xfrm_said *said);

/* An SA of the mirror: "added", "deleted" ... */
void xfrm_describe_sa(const struct xfrm_sa *sa, const char *what, struct xfrm_said *said);

#endif
