// SPDX-License-Identifier: GPL-2.0-only
/* See xfrm_note.h. Structures are copied out whole, since nothing is aligned. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>

#include "xfrm_note.h"
#include "xfrm_parse.h"

#define TMPLS_SHOWN 2 /* ESP and AH, or ESP and IPComp */

/* Policies have this before them if the kernel knows them by number only. */
#define NO_SELECTOR "any -> any"

static void say(struct xfrm_said *said, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(struct xfrm_said *said, const char *format, ...)
{
	size_t used = strlen(said->text);
	va_list ap;

	va_start(ap, format);
	vsnprintf(said->text + used, sizeof(said->text) - used, format, ap);
	va_end(ap);
}

/* ---- pieces ---- */

static void say_addr(struct xfrm_said *said, int family, const void *addr)
{
	char buf[INET6_ADDRSTRLEN];

	say(said, "%s", inet_ntop(family, addr, buf, sizeof(buf)) ? buf : "?");
}

static void say_addrs(struct xfrm_said *said, int family, const void *src, const void *dst)
{
	say_addr(said, family, src);
	say(said, " -> ");
	say_addr(said, family, dst);
}

static void take_addr(struct ike_addr *to, int family, const void *addr)
{
	if (family != AF_INET && family != AF_INET6)
		return;
	to->family = family;
	memcpy(to->addr, addr, family == AF_INET ? 4 : 16);
}

static const char *proto_name(uint8_t proto, char buf[16])
{
	switch (proto) {
	case IPPROTO_ESP:
		return "esp";
	case IPPROTO_AH:
		return "ah";
	case IPPROTO_COMP:
		return "comp";
	default:
		snprintf(buf, 16, "proto %u", proto);
		return buf;
	}
}

static const char *mode_text(uint8_t mode)
{
	return mode == XFRM_MODE_TUNNEL	     ? "tunnel"
	       : mode == XFRM_MODE_TRANSPORT ? "transport"
	       : mode == XFRM_MODE_BEET	     ? "beet"
					     : "other mode";
}

static void say_selector(struct xfrm_said *said, const struct xfrm_selector *sel)
{
	if (!sel->family) {
		say(said, NO_SELECTOR);
		return;
	}
	say_addr(said, sel->family, &sel->saddr);
	say(said, "/%u -> ", sel->prefixlen_s);
	say_addr(said, sel->family, &sel->daddr);
	say(said, "/%u", sel->prefixlen_d);
	if (sel->proto)
		say(said, " proto %u", sel->proto);
	if (sel->sport_mask || sel->dport_mask)
		say(said, " ports %u -> %u", ntohs(sel->sport), ntohs(sel->dport));
}

static const char *dir_name(uint8_t dir)
{
	static const char *const names[] = { "in", "out", "fwd" };

	return dir < sizeof(names) / sizeof(names[0]) ? names[dir] : "?";
}

static void say_policy(struct xfrm_said *said, const struct xfrm_userpolicy_info *p)
{
	say(said, "%s ", dir_name(p->dir));
	say_selector(said, &p->sel);
	say(said, " %s priority %u", p->action == XFRM_POLICY_BLOCK ? "block" : "allow",
	    p->priority);
}

/* @data: any number of templates, the first has the outer addresses */
static void say_templates(struct xfrm_said *said, const uint8_t *data, size_t len)
{
	struct xfrm_user_tmpl t;
	char buf[16];
	size_t n;

	for (n = 0; len >= sizeof(t) && n < TMPLS_SHOWN; n++) {
		memcpy(&t, data, sizeof(t));
		data += sizeof(t);
		len -= sizeof(t);
		say(said, "; %s %s ", proto_name(t.id.proto, buf), mode_text(t.mode));
		say_addrs(said, t.family, &t.saddr, &t.id.daddr);
		say(said, " reqid %u", t.reqid);
		if (said->src.family)
			continue;
		take_addr(&said->src, t.family, &t.saddr);
		take_addr(&said->dst, t.family, &t.id.daddr);
	}
}

static void say_attrs(struct xfrm_said *said, const uint8_t *p, size_t len)
{
	struct xfrm_attr attr;
	uint32_t if_id;

	while (xfrm_attr_next(&p, &len, &attr) > 0) {
		if (attr.type == XFRMA_TMPL)
			say_templates(said, attr.data, attr.len);
		if (attr.type == XFRMA_IF_ID && attr.len >= sizeof(if_id)) {
			memcpy(&if_id, attr.data, sizeof(if_id));
			say(said, " if_id 0x%x", if_id);
		}
	}
}

/* What follows the message's fixed part, of @fixed bytes, padded. */
static void say_rest(struct xfrm_said *said, const uint8_t *p, size_t len, size_t fixed)
{
	fixed = NLMSG_ALIGN(fixed);
	if (len > fixed)
		say_attrs(said, p + fixed, len - fixed);
}

/* ---- messages ---- */

static bool policy_there(struct xfrm_said *said, const char *what, const uint8_t *p, size_t len)
{
	struct xfrm_userpolicy_info info;

	if (len < sizeof(info))
		return false;
	memcpy(&info, p, sizeof(info));
	say(said, "policy %s: ", what);
	say_policy(said, &info);
	say_rest(said, p, len, sizeof(info));
	return true;
}

static bool policy_gone(struct xfrm_said *said, const uint8_t *p, size_t len)
{
	const size_t fixed = NLMSG_ALIGN(sizeof(struct xfrm_userpolicy_id));
	const uint8_t *rest = p + fixed;
	struct xfrm_userpolicy_info info;
	struct xfrm_userpolicy_id id;
	struct xfrm_attr attr;
	size_t left;

	if (len < sizeof(id))
		return false;
	memcpy(&id, p, sizeof(id));
	left = len > fixed ? len - fixed : 0;
	say(said, "policy deleted: ");
	while (xfrm_attr_next(&rest, &left, &attr) > 0) {
		if (attr.type != XFRMA_POLICY || attr.len < sizeof(info))
			continue;
		memcpy(&info, attr.data, sizeof(info));
		say_policy(said, &info);
		say_rest(said, p, len, sizeof(id));
		return true;
	}
	say(said, "%s ", dir_name(id.dir));
	say_selector(said, &id.sel);
	say_rest(said, p, len, sizeof(id));
	return true;
}

static bool acquire(struct xfrm_said *said, const uint8_t *p, size_t len)
{
	struct xfrm_user_acquire a;
	char buf[16];

	if (len < sizeof(a))
		return false;
	memcpy(&a, p, sizeof(a));
	said->kind = NOTE_ACQUIRE;
	take_addr(&said->src, a.sel.family, &a.saddr);
	take_addr(&said->dst, a.sel.family, &a.id.daddr);
	say(said, "the kernel wants an SA: %s ", proto_name(a.id.proto, buf));
	say_addrs(said, a.sel.family, &a.saddr, &a.id.daddr);
	say(said, " for ");
	say_selector(said, &a.sel);
	return true;
}

static void say_sa(struct xfrm_said *said, const struct xfrm_usersa_info *info)
{
	char buf[16];

	take_addr(&said->src, info->family, &info->saddr);
	take_addr(&said->dst, info->family, &info->id.daddr);
	said->spi = ntohl(info->id.spi);
	say_addrs(said, info->family, &info->saddr, &info->id.daddr);
	say(said, " %s spi 0x%08" PRIx32, proto_name(info->id.proto, buf), said->spi);
}

static bool expire(struct xfrm_said *said, const uint8_t *p, size_t len)
{
	struct xfrm_user_expire e;

	if (len < sizeof(e))
		return false;
	memcpy(&e, p, sizeof(e));
	said->kind = NOTE_EXPIRE;
	say(said, "SA has reached its %s lifetime: ", e.hard ? "hard" : "soft");
	say_sa(said, &e.state);
	say(said, " after %llu packets", (unsigned long long)e.state.curlft.packets);
	return true;
}

static bool policy_expire(struct xfrm_said *said, const uint8_t *p, size_t len)
{
	struct xfrm_user_polexpire e;

	if (len < sizeof(e))
		return false;
	memcpy(&e, p, sizeof(e));
	said->kind = NOTE_EXPIRE;
	say(said, "policy has reached its %s lifetime: ", e.hard ? "hard" : "soft");
	say_policy(said, &e.pol);
	say_rest(said, p, len, sizeof(e));
	return true;
}

static bool mapping(struct xfrm_said *said, const uint8_t *p, size_t len)
{
	struct xfrm_user_mapping m;
	char buf[16];

	if (len < sizeof(m))
		return false;
	memcpy(&m, p, sizeof(m));
	said->kind = NOTE_SA;
	said->spi = ntohl(m.id.spi);
	take_addr(&said->src, m.id.family, &m.old_saddr);
	take_addr(&said->dst, m.id.family, &m.id.daddr);
	say(said, "the peer's NAT has moved it: ");
	say_addr(said, m.id.family, &m.old_saddr);
	say(said, " port %u -> ", ntohs(m.old_sport));
	say_addr(said, m.id.family, &m.new_saddr);
	say(said, " port %u: %s spi 0x%08" PRIx32, ntohs(m.new_sport), proto_name(m.id.proto, buf),
	    said->spi);
	return true;
}

bool xfrm_describe(uint16_t type, const void *payload, size_t len, struct xfrm_said *said)
{
	memset(said, 0, sizeof(*said));
	said->kind = NOTE_POLICY;
	switch (type) {
	case XFRM_MSG_NEWPOLICY:
		return policy_there(said, "added", payload, len);
	case XFRM_MSG_UPDPOLICY:
		return policy_there(said, "updated", payload, len);
	case XFRM_MSG_DELPOLICY:
		return policy_gone(said, payload, len);
	case XFRM_MSG_FLUSHPOLICY:
		say(said, "policies flushed: all of them");
		return true;
	case XFRM_MSG_FLUSHSA:
		said->kind = NOTE_SA;
		say(said, "SAs flushed: all of them, or all of a protocol");
		return true;
	case XFRM_MSG_ACQUIRE:
		return acquire(said, payload, len);
	case XFRM_MSG_EXPIRE:
		return expire(said, payload, len);
	case XFRM_MSG_POLEXPIRE:
		return policy_expire(said, payload, len);
	case XFRM_MSG_MAPPING:
		return mapping(said, payload, len);
	default:
		return false;
	}
}

void xfrm_describe_sa(const struct xfrm_sa *sa, const char *what, struct xfrm_said *said)
{
	char buf[16];

	memset(said, 0, sizeof(*said));
	said->kind = NOTE_SA;
	said->src = sa->src;
	said->dst = sa->dst;
	said->spi = sa->spi;
	say(said, "SA %s: ", what);
	say_addrs(said, sa->dst.family, sa->src.addr, sa->dst.addr);
	say(said, " %s spi 0x%08" PRIx32 " %s reqid %u", proto_name(sa->proto, buf), sa->spi,
	    mode_text(sa->mode), sa->reqid);
	if (sa->if_id)
		say(said, " if_id 0x%x", sa->if_id);
	if (sa->mark || sa->mark_mask)
		say(said, " mark 0x%x/0x%x", sa->mark, sa->mark_mask);
	if (sa->encap_type)
		say(said, " in UDP, ports %u -> %u", sa->encap_sport, sa->encap_dport);
}
