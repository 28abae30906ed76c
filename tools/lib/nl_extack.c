// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel says about a request that it refused: its text, the
 * attribute that it points at, by name, and the bounds of the policy.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/xfrm_invspi.h>

#include "nl_sock.h"
#include "flow.h"

#define ATTRS_OFFSET ((uint32_t)MNL_ALIGN(sizeof(struct nlmsghdr) + sizeof(struct genlmsghdr)))

struct extack {
	const char *text;
	bool has_offset;
	uint32_t offset; /* of the bad attribute in the request */
	bool has_missing;
	uint32_t missing; /* type of the missing attribute */
	bool has_min, has_max;
	uint64_t min, max;
};

static const char *flow_attr_name(unsigned int type)
{
	static const char *const names[XFRM_INVSPI_A_FLOW_MAX + 1] = {
		[XFRM_INVSPI_A_FLOW_SRC4] = "src4",
		[XFRM_INVSPI_A_FLOW_DST4] = "dst4",
		[XFRM_INVSPI_A_FLOW_SRC6] = "src6",
		[XFRM_INVSPI_A_FLOW_DST6] = "dst6",
		[XFRM_INVSPI_A_FLOW_SRC_PREFIXLEN] = "src-prefixlen",
		[XFRM_INVSPI_A_FLOW_DST_PREFIXLEN] = "dst-prefixlen",
		[XFRM_INVSPI_A_FLOW_PROTO] = "proto",
		[XFRM_INVSPI_A_FLOW_SPI] = "spi",
		[XFRM_INVSPI_A_FLOW_ENCAP_TYPE] = "encap-type",
		[XFRM_INVSPI_A_FLOW_ENCAP_SPORT] = "encap-sport",
		[XFRM_INVSPI_A_FLOW_STATE] = "state",
	};

	return type <= XFRM_INVSPI_A_FLOW_MAX ? names[type] : NULL;
}

static const char *attr_name(const struct nlmsghdr *request, unsigned int type)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(request);
	const struct invspi_config_key *key;

	switch (genl->cmd) {
	case XFRM_INVSPI_CMD_FLOW_GET:
	case XFRM_INVSPI_CMD_FLOW_DEL:
		return flow_attr_name(type);
	case XFRM_INVSPI_CMD_CONFIG_SET:
		for (key = invspi_config_keys; key->name; key++)
			if (key->attr == type)
				return key->name;
		return NULL;
	default:
		return NULL;
	}
}

/* A bound of the policy has 8 bytes of no particular alignment. */
static bool get_bound(const struct nlattr *attr, uint64_t *value)
{
	if (mnl_attr_get_payload_len(attr) != sizeof(*value))
		return false;
	memcpy(value, mnl_attr_get_payload(attr), sizeof(*value));
	return true;
}

static void parse_policy(const struct nlattr *policy, struct extack *ea)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, policy) {
		if (mnl_attr_get_type(attr) == NL_POLICY_TYPE_ATTR_MIN_VALUE_U)
			ea->has_min = get_bound(attr, &ea->min);
		else if (mnl_attr_get_type(attr) == NL_POLICY_TYPE_ATTR_MAX_VALUE_U)
			ea->has_max = get_bound(attr, &ea->max);
	}
}

/* Where the attributes of the kernel's answer begin. */
static size_t tlv_offset(const struct nlmsghdr *reply)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(reply);
	size_t echoed;

	if (reply->nlmsg_type == NLMSG_DONE)
		return sizeof(int);
	if (reply->nlmsg_flags & NLM_F_CAPPED || mnl_nlmsg_get_payload_len(reply) < sizeof(*e))
		return sizeof(*e);
	echoed = e->msg.nlmsg_len;
	if (echoed < sizeof(e->msg) || echoed > mnl_nlmsg_get_payload_len(reply))
		return SIZE_MAX;
	return sizeof(*e) + MNL_ALIGN(echoed) - sizeof(e->msg);
}

static void parse_extack(const struct nlmsghdr *reply, struct extack *ea)
{
	size_t offset = tlv_offset(reply);
	size_t len = mnl_nlmsg_get_payload_len(reply);
	const struct nlattr *attr;
	void *tlvs;

	memset(ea, 0, sizeof(*ea));
	if (!(reply->nlmsg_flags & NLM_F_ACK_TLVS) || offset >= len)
		return;
	tlvs = (char *)mnl_nlmsg_get_payload(reply) + offset;
	mnl_attr_for_each_payload(tlvs, len - offset) {
		switch (mnl_attr_get_type(attr)) {
		case NLMSGERR_ATTR_MSG:
			if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
				ea->text = mnl_attr_get_str(attr);
			break;
		case NLMSGERR_ATTR_OFFS:
			if (mnl_attr_validate(attr, MNL_TYPE_U32) < 0)
				break;
			ea->has_offset = true;
			ea->offset = mnl_attr_get_u32(attr);
			break;
		case NLMSGERR_ATTR_POLICY:
			parse_policy(attr, ea);
			break;
		case NLMSGERR_ATTR_MISS_TYPE:
			if (mnl_attr_validate(attr, MNL_TYPE_U32) < 0)
				break;
			ea->has_missing = true;
			ea->missing = mnl_attr_get_u32(attr);
			break;
		}
	}
}

/* Our own message, but the offset is the kernel's. */
static const struct nlattr *attr_at(const struct nlmsghdr *request, uint32_t offset)
{
	const struct nlattr *attr;

	if (offset < ATTRS_OFFSET || offset % MNL_ALIGNTO || offset >= request->nlmsg_len)
		return NULL;
	attr = (const void *)((const char *)request + offset);
	return mnl_attr_ok(attr, (int)(request->nlmsg_len - offset)) ? attr : NULL;
}

struct line {
	char text[400];
	size_t used;
};

static void add(struct line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct line *l, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(l->text + l->used, sizeof(l->text) - l->used, format, ap);
	va_end(ap);
	if (n > 0)
		l->used += n;
	if (l->used >= sizeof(l->text))
		l->used = sizeof(l->text) - 1;
}

static void add_attr(struct line *l, const struct nlmsghdr *request, unsigned int type,
		     const char *how)
{
	const char *name = attr_name(request, type);

	if (name)
		add(l, ", %s %s", how, name);
	else
		add(l, ", %s number %u", how, type);
}

int nl_extack_text(const struct nlmsghdr *reply, const struct nlmsghdr *request, const char *name,
		   int code, struct invspi_err *err)
{
	const struct nlattr *bad;
	struct line l = { .used = 0 };
	struct extack ea;

	parse_extack(reply, &ea);
	/* The core's own refusal; the module's come with a text. */
	if (code == EPERM && !ea.text)
		return invspi_err_set(err, code,
				      "%s: not allowed: CAP_NET_ADMIN is needed, "
				      "run as root",
				      name);
	add(&l, "%s: %s", name, ea.text ? ea.text : strerror(code));
	if (ea.has_offset) {
		bad = attr_at(request, ea.offset);
		if (bad)
			add_attr(&l, request, mnl_attr_get_type(bad), "attribute");
	}
	if (ea.has_missing)
		add_attr(&l, request, ea.missing, "missing attribute");
	if (ea.has_min && ea.has_max)
		add(&l, ", allowed %" PRIu64 " to %" PRIu64, ea.min, ea.max);
	if (ea.text)
		add(&l, " (%s)", strerror(code));
	return invspi_err_set(err, code, "%s", l.text);
}
