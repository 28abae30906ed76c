// SPDX-License-Identifier: GPL-2.0-only
/*
 * Flow attributes of requests: a filter, or the key of one flow.
 */
#include <linux/in.h>
#include <net/ipv6.h>

#include "filter.h"

/*
 * One policy serves flow-get, its dump and flow-del. What only replies have is
 * not in it and is refused as unsupported.
 */
const struct nla_policy invspi_flow_policy[XFRM_INVSPI_A_FLOW_STATE + 1] = {
	[XFRM_INVSPI_A_FLOW_SRC4] = { .type = NLA_BE32 },
	[XFRM_INVSPI_A_FLOW_DST4] = { .type = NLA_BE32 },
	[XFRM_INVSPI_A_FLOW_SRC6] = NLA_POLICY_EXACT_LEN(16),
	[XFRM_INVSPI_A_FLOW_DST6] = NLA_POLICY_EXACT_LEN(16),
	[XFRM_INVSPI_A_FLOW_SRC_PREFIXLEN] = NLA_POLICY_MAX(NLA_U8, 128),
	[XFRM_INVSPI_A_FLOW_DST_PREFIXLEN] = NLA_POLICY_MAX(NLA_U8, 128),
	[XFRM_INVSPI_A_FLOW_PROTO] = NLA_POLICY_RANGE(NLA_U8, 50, 51),
	[XFRM_INVSPI_A_FLOW_SPI] = { .type = NLA_BE32 },
	[XFRM_INVSPI_A_FLOW_ENCAP_TYPE] = NLA_POLICY_MAX(NLA_U32, 7),
	[XFRM_INVSPI_A_FLOW_ENCAP_SPORT] = { .type = NLA_BE16 },
	[XFRM_INVSPI_A_FLOW_STATE] = NLA_POLICY_MAX(NLA_U32, 1),
};

static int invspi_filter_family(struct nlattr **attrs, struct invspi_filter *filter,
				struct netlink_ext_ack *extack)
{
	struct nlattr *v4 = attrs[XFRM_INVSPI_A_FLOW_SRC4] ?: attrs[XFRM_INVSPI_A_FLOW_DST4];
	struct nlattr *v6 = attrs[XFRM_INVSPI_A_FLOW_SRC6] ?: attrs[XFRM_INVSPI_A_FLOW_DST6];

	if (v4 && v6) {
		NL_SET_ERR_MSG_ATTR(extack, v6, "IPv4 and IPv6 addresses in one request");
		return -EINVAL;
	}
	if (v4 || v6)
		filter->set |= INVSPI_FILTER_FAMILY;
	if (v6)
		filter->key.kind |= INVSPI_KIND_IPV6;
	return 0;
}

/* A prefix length, checked against the address it belongs to */
static int invspi_filter_prefix(struct nlattr *plen, struct nlattr *addr, u8 bits, u8 *result,
				struct netlink_ext_ack *extack)
{
	*result = bits;
	if (!plen)
		return 0;
	if (!addr) {
		NL_SET_ERR_MSG_ATTR(extack, plen, "prefix length without its address");
		return -EINVAL;
	}
	if (nla_get_u8(plen) > bits) {
		NL_SET_ERR_MSG_ATTR(extack, plen, "prefix length above 32 for an IPv4 address");
		return -EINVAL;
	}
	*result = nla_get_u8(plen);
	return 0;
}

static int invspi_filter_addresses(struct nlattr **attrs, struct invspi_filter *filter,
				   struct netlink_ext_ack *extack)
{
	struct nlattr *src, *dst;
	u8 bits = 32;
	int err;

	err = invspi_filter_family(attrs, filter, extack);
	if (err)
		return err;

	if (filter->key.kind & INVSPI_KIND_IPV6) {
		bits = 128;
		src = attrs[XFRM_INVSPI_A_FLOW_SRC6];
		dst = attrs[XFRM_INVSPI_A_FLOW_DST6];
		if (src)
			filter->key.src6 = nla_get_in6_addr(src);
		if (dst)
			filter->key.dst6 = nla_get_in6_addr(dst);
	} else {
		src = attrs[XFRM_INVSPI_A_FLOW_SRC4];
		dst = attrs[XFRM_INVSPI_A_FLOW_DST4];
		if (src)
			filter->key.src4 = nla_get_be32(src);
		if (dst)
			filter->key.dst4 = nla_get_be32(dst);
	}
	if (src)
		filter->set |= INVSPI_FILTER_SRC;
	if (dst)
		filter->set |= INVSPI_FILTER_DST;
	err = invspi_filter_prefix(attrs[XFRM_INVSPI_A_FLOW_SRC_PREFIXLEN], src, bits,
				   &filter->src_plen, extack);
	if (err)
		return err;
	return invspi_filter_prefix(attrs[XFRM_INVSPI_A_FLOW_DST_PREFIXLEN], dst, bits,
				    &filter->dst_plen, extack);
}

static int invspi_filter_encap(struct nlattr **attrs, struct invspi_filter *filter,
			       struct netlink_ext_ack *extack)
{
	struct nlattr *type = attrs[XFRM_INVSPI_A_FLOW_ENCAP_TYPE];
	struct nlattr *sport = attrs[XFRM_INVSPI_A_FLOW_ENCAP_SPORT];
	u32 encap = type ? nla_get_u32(type) : XFRM_INVSPI_ENCAP_NONE;

	if (encap != XFRM_INVSPI_ENCAP_NONE && encap != XFRM_INVSPI_ENCAP_ESPINUDP &&
	    encap != XFRM_INVSPI_ENCAP_ESPINTCP) {
		NL_SET_ERR_MSG_ATTR(extack, type,
				    "encap-type must be 0 (none), 2 (espinudp) or 7 (espintcp)");
		return -EINVAL;
	}
	if (encap != XFRM_INVSPI_ENCAP_NONE && filter->key.kind & INVSPI_KIND_AH) {
		NL_SET_ERR_MSG_ATTR(extack, type, "AH is never encapsulated");
		return -EINVAL;
	}
	if (sport && encap != XFRM_INVSPI_ENCAP_ESPINUDP) {
		NL_SET_ERR_MSG_ATTR(extack, sport, "encap-sport needs encap-type espinudp");
		return -EINVAL;
	}
	if (type) {
		filter->set |= INVSPI_FILTER_ENCAP;
		filter->key.kind |= encap << INVSPI_KIND_ENCAP_SHIFT;
	}
	if (sport) {
		filter->set |= INVSPI_FILTER_SPORT;
		filter->key.sport = nla_get_be16(sport);
	}
	return 0;
}

/**
 * invspi_filter_parse() - attributes of a filter
 * @attrs: validated against invspi_flow_policy
 * @filter: result
 * @extack: gets text and attribute of a refusal
 *
 * Return: 0 or -EINVAL.
 */
int invspi_filter_parse(struct nlattr **attrs, struct invspi_filter *filter,
			struct netlink_ext_ack *extack)
{
	int err;

	memset(filter, 0, sizeof(*filter));
	err = invspi_filter_addresses(attrs, filter, extack);
	if (err)
		return err;
	if (attrs[XFRM_INVSPI_A_FLOW_PROTO]) {
		filter->set |= INVSPI_FILTER_PROTO;
		if (nla_get_u8(attrs[XFRM_INVSPI_A_FLOW_PROTO]) == IPPROTO_AH)
			filter->key.kind |= INVSPI_KIND_AH;
	}
	if (attrs[XFRM_INVSPI_A_FLOW_SPI]) {
		filter->set |= INVSPI_FILTER_SPI;
		filter->key.spi = nla_get_be32(attrs[XFRM_INVSPI_A_FLOW_SPI]);
	}
	if (attrs[XFRM_INVSPI_A_FLOW_STATE]) {
		filter->set |= INVSPI_FILTER_STATE;
		filter->state = nla_get_u32(attrs[XFRM_INVSPI_A_FLOW_STATE]);
	}
	return invspi_filter_encap(attrs, filter, extack);
}

/* NULL, or the first attribute that is for filters only */
static struct nlattr *invspi_filter_only(struct nlattr **attrs)
{
	return attrs[XFRM_INVSPI_A_FLOW_SRC_PREFIXLEN] ?:
	       attrs[XFRM_INVSPI_A_FLOW_DST_PREFIXLEN] ?:
	       attrs[XFRM_INVSPI_A_FLOW_STATE];
}

/**
 * invspi_filter_parse_key() - attributes that name one flow
 * @attrs: validated against invspi_flow_policy
 * @key: result
 * @extack: gets text and attribute of a refusal
 *
 * Return: 0 or -EINVAL.
 */
int invspi_filter_parse_key(struct nlattr **attrs, struct invspi_key *key,
			    struct netlink_ext_ack *extack)
{
	struct invspi_filter filter;
	bool v6;
	int err;

	if (invspi_filter_only(attrs)) {
		NL_SET_ERR_MSG_ATTR(extack, invspi_filter_only(attrs),
				    "only a dump or flow-del takes this attribute");
		return -EINVAL;
	}
	err = invspi_filter_parse(attrs, &filter, extack);
	if (err)
		return err;

	v6 = filter.key.kind & INVSPI_KIND_IPV6;
	if (!(filter.set & INVSPI_FILTER_SRC)) {
		NL_SET_ERR_MSG(extack, "source address missing");
		NL_SET_ERR_ATTR_MISS(extack, NULL,
				     v6 ? XFRM_INVSPI_A_FLOW_SRC6 : XFRM_INVSPI_A_FLOW_SRC4);
		return -EINVAL;
	}
	if (!(filter.set & INVSPI_FILTER_DST)) {
		NL_SET_ERR_MSG(extack, "destination address missing");
		NL_SET_ERR_ATTR_MISS(extack, NULL,
				     v6 ? XFRM_INVSPI_A_FLOW_DST6 : XFRM_INVSPI_A_FLOW_DST4);
		return -EINVAL;
	}
	if (!(filter.set & INVSPI_FILTER_SPI)) {
		NL_SET_ERR_MSG(extack, "SPI missing");
		NL_SET_ERR_ATTR_MISS(extack, NULL, XFRM_INVSPI_A_FLOW_SPI);
		return -EINVAL;
	}
	if ((filter.key.kind & INVSPI_KIND_ENCAP_MASK) >> INVSPI_KIND_ENCAP_SHIFT ==
		    XFRM_INVSPI_ENCAP_ESPINUDP &&
	    !(filter.set & INVSPI_FILTER_SPORT)) {
		NL_SET_ERR_MSG(extack, "encap-sport missing: it is part of an espinudp flow's key");
		NL_SET_ERR_ATTR_MISS(extack, NULL, XFRM_INVSPI_A_FLOW_ENCAP_SPORT);
		return -EINVAL;
	}
	*key = filter.key;
	key->kind |= INVSPI_KIND_VALID;
	return 0;
}

static bool invspi_prefix4_equal(__be32 a, __be32 b, u8 plen)
{
	return !plen || !((a ^ b) & htonl(~0U << (32 - plen)));
}

/**
 * invspi_filter_match() - does a flow match?
 * @flow: flow
 * @arg: struct invspi_filter
 *
 * Return: true if it does.
 */
bool invspi_filter_match(const struct invspi_flow *flow, const void *arg)
{
	const struct invspi_filter *filter = arg;
	const struct invspi_key *want = &filter->key, *have = &flow->key;
	u8 differs = want->kind ^ have->kind, set = filter->set;

	if ((set & INVSPI_FILTER_FAMILY && differs & INVSPI_KIND_IPV6) ||
	    (set & INVSPI_FILTER_PROTO && differs & INVSPI_KIND_AH) ||
	    (set & INVSPI_FILTER_ENCAP && differs & INVSPI_KIND_ENCAP_MASK) ||
	    (set & INVSPI_FILTER_SPI && want->spi != have->spi) ||
	    (set & INVSPI_FILTER_SPORT && want->sport != have->sport) ||
	    (set & INVSPI_FILTER_STATE && filter->state != !!(have->flags & INVSPI_FLOW_DESYNC)))
		return false;

	if (have->kind & INVSPI_KIND_IPV6)
		return (!(set & INVSPI_FILTER_SRC) ||
			ipv6_prefix_equal(&want->src6, &have->src6, filter->src_plen)) &&
		       (!(set & INVSPI_FILTER_DST) ||
			ipv6_prefix_equal(&want->dst6, &have->dst6, filter->dst_plen));
	return (!(set & INVSPI_FILTER_SRC) ||
		invspi_prefix4_equal(want->src4, have->src4, filter->src_plen)) &&
	       (!(set & INVSPI_FILTER_DST) ||
		invspi_prefix4_equal(want->dst4, have->dst4, filter->dst_plen));
}
