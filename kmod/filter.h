/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _XFRM_INVSPI_FILTER_H
#define _XFRM_INVSPI_FILTER_H

#include <linux/in6.h>
#include <linux/netlink.h>
#include <net/netlink.h>

#include <linux/xfrm_invspi.h>

#include "table.h"

/* Bits of invspi_filter.set */
#define INVSPI_FILTER_FAMILY 0x01
#define INVSPI_FILTER_SRC 0x02
#define INVSPI_FILTER_DST 0x04
#define INVSPI_FILTER_PROTO 0x08
#define INVSPI_FILTER_SPI 0x10
#define INVSPI_FILTER_ENCAP 0x20
#define INVSPI_FILTER_SPORT 0x40
#define INVSPI_FILTER_STATE 0x80

/**
 * struct invspi_filter - what a flow must have; see the attributes in the YAML
 * @key: addresses, SPI, source port and, as bits of kind, the rest
 * @set: what counts of it; 0 matches every flow
 * @src_plen: leading bits of the source that must match
 * @dst_plen: of the destination
 * @state: XFRM_INVSPI_FLOW_STATE_*
 */
struct invspi_filter {
	struct invspi_key key;
	u8 set;
	u8 src_plen;
	u8 dst_plen;
	u8 state;
};

extern const struct nla_policy invspi_flow_policy[XFRM_INVSPI_A_FLOW_STATE + 1];

int invspi_filter_parse(struct nlattr **attrs, struct invspi_filter *filter,
			struct netlink_ext_ack *extack);
int invspi_filter_parse_key(struct nlattr **attrs, struct invspi_key *key,
			    struct netlink_ext_ack *extack);
bool invspi_filter_match(const struct invspi_flow *flow, const void *arg);

#endif /* _XFRM_INVSPI_FILTER_H */
