// SPDX-License-Identifier: GPL-2.0-only
/*
 * invspi doctor: what would leave in clear while a child is down. Packets for its remote
 * selectors do if there is a route for them that leads out, and nothing stops them: no
 * trap of the IKE daemon, no policy that blocks or wants an SA, no XFRM or VTI interface.
 * A firewall may, which is not looked into.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "daemon.h"
#include "doctor.h"
#include "parse.h"
#include "xfrm_parse.h"
#include "xfrm_query.h"

#define SELECTORS_MAX 64

/**
 * struct route - one of the main table
 * @prefix: destination
 * @out: it leads somewhere; else it is one that refuses
 */
struct route {
	struct invspi_prefix prefix;
	bool out;
	uint32_t ifindex, metric;
};

struct routes {
	struct route *route;
	size_t n, room;
};

/* Interfaces that drop what has no SA. */
struct bound {
	uint32_t ifindex[256];
	size_t n;
};

/* ---- the kernel's answers ---- */

static uint32_t u32_of(const struct xfrm_attr *attr)
{
	uint32_t v = 0;

	if (attr->len == sizeof(v))
		memcpy(&v, attr->data, sizeof(v));
	return v;
}

static int take_route(void *arg, uint16_t type, const void *payload, size_t len)
{
	struct route r = { .metric = 0 }, *p;
	struct routes *all = arg;
	struct xfrm_attr attr;
	const uint8_t *at = payload;
	uint32_t table;
	struct rtmsg rtm;
	size_t room;

	if (type != RTM_NEWROUTE || len < sizeof(rtm))
		return 0;
	memcpy(&rtm, payload, sizeof(rtm));
	table = rtm.rtm_table;
	r.prefix.family = rtm.rtm_family;
	r.prefix.plen = rtm.rtm_dst_len;
	r.out = rtm.rtm_type == RTN_UNICAST;
	at += NLMSG_ALIGN(sizeof(rtm));
	len -= len < NLMSG_ALIGN(sizeof(rtm)) ? len : NLMSG_ALIGN(sizeof(rtm));
	while (xfrm_attr_next(&at, &len, &attr) > 0) {
		if (attr.type == RTA_DST && attr.len <= sizeof(r.prefix.addr))
			memcpy(&r.prefix.addr, attr.data, attr.len);
		else if (attr.type == RTA_OIF)
			r.ifindex = u32_of(&attr);
		else if (attr.type == RTA_PRIORITY)
			r.metric = u32_of(&attr);
		else if (attr.type == RTA_TABLE)
			table = u32_of(&attr);
	}
	/* The IKE daemon's own table is empty when the child is down. */
	if ((table != RT_TABLE_MAIN && table != RT_TABLE_DEFAULT) ||
	    (rtm.rtm_type != RTN_UNICAST && rtm.rtm_type != RTN_BLACKHOLE &&
	     rtm.rtm_type != RTN_UNREACHABLE && rtm.rtm_type != RTN_PROHIBIT))
		return 0;
	if (all->n == all->room) {
		room = all->room ? all->room * 2 : 64;
		p = reallocarray(all->route, room, sizeof(*p));
		if (!p)
			return -ENOMEM;
		all->route = p;
		all->room = room;
	}
	all->route[all->n++] = r;
	return 0;
}

static bool kind_is(const struct xfrm_attr *info, const char *kind)
{
	const uint8_t *p = info->data;
	size_t len = info->len;
	struct xfrm_attr attr;

	while (xfrm_attr_next(&p, &len, &attr) > 0)
		if (attr.type == IFLA_INFO_KIND && attr.len >= strlen(kind) &&
		    !memcmp(attr.data, kind, strlen(kind)))
			return true;
	return false;
}

static int take_link(void *arg, uint16_t type, const void *payload, size_t len)
{
	struct bound *b = arg;
	const uint8_t *at = payload;
	struct ifinfomsg ifi;
	struct xfrm_attr attr;

	if (type != RTM_NEWLINK || len < NLMSG_ALIGN(sizeof(ifi)))
		return 0;
	memcpy(&ifi, payload, sizeof(ifi));
	at += NLMSG_ALIGN(sizeof(ifi));
	len -= NLMSG_ALIGN(sizeof(ifi));
	while (xfrm_attr_next(&at, &len, &attr) > 0) {
		if (attr.type != IFLA_LINKINFO || b->n == sizeof(b->ifindex) / sizeof(*b->ifindex))
			continue;
		/* "vti" and "vti6"; "xfrm" */
		if (kind_is(&attr, "vti") || kind_is(&attr, "xfrm"))
			b->ifindex[b->n++] = (uint32_t)ifi.ifi_index;
	}
	return 0;
}

/* ---- judgement ---- */

static bool is_bound(const struct bound *b, uint32_t ifindex)
{
	size_t i;

	for (i = 0; i < b->n; i++)
		if (b->ifindex[i] == ifindex)
			return true;
	return false;
}

/* The route that a packet to the prefix takes; the first one of several paths. */
static const struct route *way(const struct routes *all, const struct invspi_prefix *to)
{
	const struct route *r, *best = NULL;
	size_t i;

	for (i = 0; i < all->n; i++) {
		r = &all->route[i];
		if (r->prefix.plen > to->plen || !prefix_has(&r->prefix, to->family, &to->addr))
			continue;
		if (!best || r->prefix.plen > best->prefix.plen ||
		    (r->prefix.plen == best->prefix.plen && r->metric < best->metric))
			best = r;
	}
	return best;
}

static const struct child_sa *sa_of(const struct doctor *d, const char *conn, const char *child)
{
	size_t i;

	for (i = 0; i < d->nsa; i++)
		if (!strcmp(d->sa[i].conn, conn) && !strcmp(d->sa[i].child, child))
			return &d->sa[i];
	return NULL;
}

static bool has_trap(const struct doctor *d, const char *name)
{
	size_t i;

	for (i = 0; i < d->ntrap; i++)
		if (!strcmp(d->trap[i], name))
			return true;
	return false;
}

/* Does the kernel stop it? See gap.c for what it looks at. */
static bool is_stopped(const struct child_sa *sa, const char *local, const char *remote)
{
	struct ike_child c = {
		.local_ts = (char *)(uintptr_t)local,
		.remote_ts = (char *)(uintptr_t)remote,
		.proto = sa && sa->proto ? sa->proto : IPPROTO_ESP,
		/* Without an SA no policy is its own; no policy has this one. */
		.reqid = sa ? sa->reqid : UINT32_MAX,
		.if_id_out = sa ? sa->if_id_out : 0,
		.mark_in = sa ? sa->mark_in : 0,
	};

	return gap_none(&c);
}

/* "dynamic" is the address of the gateway itself: the peer's, if that is known. */
static const char *selector(const char *ts, const char *addr)
{
	return ts && strncmp(ts, "dynamic", 7) ? ts : addr;
}

/*
 * The policy that blocks is twice as wide as the child's selectors: one with the very same
 * would be replaced by the IKE daemon's own, and be gone with it. Where that would cut off
 * more than the tunnel (0.0.0.0/0), there is none.
 */
static int blocking(char *buf, size_t size, const char *local, const char *to)
{
	struct invspi_prefix wide, remote;
	char one[64], addr[INET6_ADDRSTRLEN];

	snprintf(one, sizeof(one), "%.*s", (int)strcspn(local, ",[|"), local);
	if (parse_prefix(one, &wide, NULL) || parse_prefix(to, &remote, NULL) || !wide.plen ||
	    !remote.plen)
		return -1;
	wide.plen--;
	wide.addr.b[wide.plen / 8] &= ~(0x80 >> wide.plen % 8);
	inet_ntop(wide.family, &wide.addr, addr, sizeof(addr));
	snprintf(buf, size,
		 "ip xfrm policy add src %s/%u dst %s dir out priority 4294967295 action block",
		 addr, wide.plen, to);
	return 0;
}

static void tell(struct doctor *d, const char *name, const char *local, const char *to,
		 uint32_t ifindex)
{
	char remedy[512], policy[256], dev[IF_NAMESIZE] = "?";

	if_indextoname(ifindex, dev);
	snprintf(remedy, sizeof(remedy),
		 "in swanctl.conf: children { NAME { start_action = trap } }");
	if (!blocking(policy, sizeof(policy), local, to))
		snprintf(remedy + strlen(remedy), sizeof(remedy) - strlen(remedy), "; or: %s",
			 policy);
	found(d, SEVERITY_WARNING, name, remedy,
	      "packets to %s would leave in clear by %s while it is down, unless a firewall stops them",
	      to, dev);
}

static void check_child(struct doctor *d, const struct conn_conf *conn,
			const struct child_conf *child, const struct routes *routes,
			const struct bound *bound)
{
	const char *local = selector(child->local_ts, NULL);
	const char *remote = selector(child->remote_ts, conn->remote_addr);
	const struct child_sa *sa = sa_of(d, conn->name, child->name);
	struct invspi_prefix to;
	const struct route *r;
	char name[256], one[64];
	size_t len;

	snprintf(name, sizeof(name), "%s/%s", conn->name, child->name);
	/* What is not known when it is down cannot be judged: it is as with no child. */
	if (!remote || !strcmp(child->mode, "PASS") || !strcmp(child->mode, "DROP") ||
	    has_trap(d, name))
		return;
	if (!local)
		local = strchr(remote, ':') ? "::/0" : "0.0.0.0/0";
	if (is_stopped(sa, local, remote))
		return;
	for (; *remote; remote += len + (remote[len] == ',')) {
		len = strcspn(remote, ",");
		snprintf(one, sizeof(one), "%.*s", (int)len, remote);
		one[strcspn(one, "[|")] = '\0'; /* protocol and port */
		if (parse_prefix(one, &to, NULL))
			continue;
		r = way(routes, &to);
		if (!r || !r->out || is_bound(bound, r->ifindex))
			continue;
		tell(d, name, local, one, r->ifindex);
		return;
	}
}

void check_leak(struct doctor *d)
{
	struct routes routes = { 0 };
	struct bound bound = { .n = 0 };
	size_t i, k;

	doctor_ask_ike(d);
	if (*d->ike_why) {
		found(d, SEVERITY_NOTE, NULL, NULL, "not known: %s", d->ike_why);
		return;
	}
	if (xfrm_query_dump(NETLINK_ROUTE, RTM_GETROUTE, sizeof(struct rtmsg), take_route,
			    &routes) ||
	    xfrm_query_dump(NETLINK_ROUTE, RTM_GETLINK, sizeof(struct ifinfomsg), take_link,
			    &bound))
		found(d, SEVERITY_WARNING, NULL, NULL, "routes or interfaces cannot be read");
	for (i = 0; i < d->nconn; i++)
		for (k = 0; k < d->conn[i].nchild; k++)
			if (strncmp(d->conn[i].name, IKE_COPY_PREFIX, strlen(IKE_COPY_PREFIX)))
				check_child(d, &d->conn[i], &d->conn[i].child[k], &routes, &bound);
	free(routes.route);
}
