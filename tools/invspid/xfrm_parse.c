// SPDX-License-Identifier: GPL-2.0-only
/*
 * XFRM netlink messages. Structures are copied out whole, since nothing says
 * that a buffer is aligned; attributes that hold keys are only seen to exist.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>

#include "xfrm_parse.h"

bool xfrm_sa_same(const struct xfrm_sa *a, const struct xfrm_sa *b)
{
	return a->spi == b->spi && a->proto == b->proto && a->mark == b->mark &&
	       a->mark_mask == b->mark_mask && ike_addr_same(&a->dst, &b->dst);
}

int xfrm_attr_next(const uint8_t **p, size_t *len, struct xfrm_attr *attr)
{
	struct nlattr head;
	size_t step;

	if (*len < sizeof(head))
		return 0;
	memcpy(&head, *p, sizeof(head));
	if (head.nla_len < sizeof(head) || head.nla_len > *len)
		return -EBADMSG;
	attr->type = head.nla_type & NLA_TYPE_MASK;
	attr->data = *p + NLA_HDRLEN;
	attr->len = head.nla_len - NLA_HDRLEN;
	step = NLA_ALIGN(head.nla_len);
	if (step > *len)
		step = *len; /* the last one need not be padded */
	*p += step;
	*len -= step;
	return 1;
}

static void copy_addr(struct ike_addr *to, int family, const xfrm_address_t *from)
{
	memset(to, 0, sizeof(*to));
	to->family = family;
	memcpy(to->addr, from, family == AF_INET ? 4 : 16);
}

static int from_info(struct xfrm_sa *sa, const void *data, size_t len)
{
	struct xfrm_usersa_info info;

	if (len < sizeof(info))
		return -EBADMSG;
	memcpy(&info, data, sizeof(info));
	if (info.family != AF_INET && info.family != AF_INET6)
		return -EBADMSG;
	copy_addr(&sa->src, info.family, &info.saddr);
	copy_addr(&sa->dst, info.family, &info.id.daddr);
	sa->spi = ntohl(info.id.spi);
	sa->proto = info.id.proto;
	sa->reqid = info.reqid;
	sa->mode = info.mode;
	sa->packets = info.curlft.packets;
	return 0;
}

static int from_id(struct xfrm_sa *sa, const void *data)
{
	struct xfrm_usersa_id id;

	memcpy(&id, data, sizeof(id));
	if (id.family != AF_INET && id.family != AF_INET6)
		return -EBADMSG;
	copy_addr(&sa->dst, id.family, &id.daddr);
	sa->spi = ntohl(id.spi);
	sa->proto = id.proto;
	return 0;
}

static int from_attr(struct xfrm_sa *sa, unsigned int type, const void *data, size_t len)
{
	struct xfrm_encap_tmpl encap;
	struct xfrm_mark mark;

	switch (type) {
	case XFRMA_ALG_AUTH:
	case XFRMA_ALG_AUTH_TRUNC:
	case XFRMA_ALG_CRYPT:
	case XFRMA_ALG_AEAD:
	case XFRMA_ALG_COMP:
		sa->larval = false;
		return 0;
	case XFRMA_SA:
		return from_info(sa, data, len);
	case XFRMA_MARK:
		if (len < sizeof(mark))
			return -EBADMSG;
		memcpy(&mark, data, sizeof(mark));
		sa->mark = mark.v;
		sa->mark_mask = mark.m;
		return 0;
	case XFRMA_IF_ID:
		if (len < sizeof(sa->if_id))
			return -EBADMSG;
		memcpy(&sa->if_id, data, sizeof(sa->if_id));
		return 0;
	case XFRMA_ENCAP:
		if (len < sizeof(encap))
			return -EBADMSG;
		memcpy(&encap, data, sizeof(encap));
		sa->encap_type = encap.encap_type;
		sa->encap_sport = ntohs(encap.encap_sport);
		sa->encap_dport = ntohs(encap.encap_dport);
		return 0;
	default:
		return 0;
	}
}

static int from_attrs(struct xfrm_sa *sa, const uint8_t *p, size_t len)
{
	struct xfrm_attr attr;
	int ret;

	while ((ret = xfrm_attr_next(&p, &len, &attr)) > 0) {
		ret = from_attr(sa, attr.type, attr.data, attr.len);
		if (ret)
			return ret;
	}
	return ret;
}

/* @fixed: length of the structure that the message begins with, padded. */
static int sa_message(struct xfrm_sa *sa, bool is_id, const uint8_t *p, size_t len, size_t fixed)
{
	int ret;

	if (len < (is_id ? sizeof(struct xfrm_usersa_id) : fixed))
		return -EBADMSG;
	sa->larval = true;
	ret = is_id ? from_id(sa, p) : from_info(sa, p, len);
	if (ret)
		return ret;
	fixed = NLMSG_ALIGN(fixed);
	return len > fixed ? from_attrs(sa, p + fixed, len - fixed) : 0;
}

static int parse(uint16_t type, const uint8_t *p, size_t len, struct xfrm_msg *msg)
{
	struct xfrm_user_expire expire;
	int ret;

	switch (type) {
	case XFRM_MSG_NEWSA:
	case XFRM_MSG_UPDSA:
		msg->kind = XFRM_KIND_SA;
		return sa_message(&msg->sa, false, p, len, sizeof(struct xfrm_usersa_info));
	case XFRM_MSG_DELSA:
		msg->kind = XFRM_KIND_GONE;
		return sa_message(&msg->sa, true, p, len, sizeof(struct xfrm_usersa_id));
	case XFRM_MSG_EXPIRE:
		ret = sa_message(&msg->sa, false, p, len, sizeof(expire));
		if (ret)
			return ret;
		memcpy(&expire, p, sizeof(expire));
		/* A soft limit asks for a rekey; the SA stays. */
		if (expire.hard)
			msg->kind = XFRM_KIND_EXPIRED;
		return 0;
	case XFRM_MSG_FLUSHSA:
		if (len < sizeof(struct xfrm_usersa_flush))
			return -EBADMSG;
		msg->kind = XFRM_KIND_FLUSHED;
		msg->proto = p[offsetof(struct xfrm_usersa_flush, proto)];
		return 0;
	case XFRM_MSG_MIGRATE:
		msg->kind = XFRM_KIND_MIGRATED;
		return 0;
	default:
		return 0;
	}
}

int xfrm_parse(uint16_t type, const void *payload, size_t len, struct xfrm_msg *msg)
{
	int ret;

	memset(msg, 0, sizeof(*msg));
	ret = parse(type, payload, len, msg);
	if (ret)
		memset(msg, 0, sizeof(*msg));
	return ret;
}
