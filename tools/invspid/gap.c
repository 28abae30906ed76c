// SPDX-License-Identifier: GPL-2.0-only
/*
 * Can packets leave in clear while a child is down? Not if it is bound to an XFRM
 * or a VTI interface, which drop what no policy fits, nor if another policy covers
 * its selectors: one that blocks, or one that wants an SA (a trap).
 *
 * The IKE daemon may keep a trap of its own under the child's policies, where the
 * kernel does not show it: then the answer is no, though it could be yes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>

#include "daemon.h"
#include "parse.h"
#include "xfrm_parse.h"
#include "xfrm_query.h"

#define SELECTORS_MAX 64

/* Pairs of the child's selectors that no policy covers yet. */
struct gap {
	const struct ike_child *child;
	struct invspi_prefix local[SELECTORS_MAX], remote[SELECTORS_MAX];
	size_t nlocal, nremote;
	bool covered[SELECTORS_MAX][SELECTORS_MAX];
};

struct vti {
	uint32_t mark;
	bool found;
};

/* "10.1.0.0/16,10.3.0.0/16"; with a protocol or port it is not understood. */
static int take_selectors(const char *ts, struct invspi_prefix *to)
{
	char one[128];
	size_t len;
	int n = 0;

	while (*ts) {
		len = strcspn(ts, ",");
		if (len >= sizeof(one) || n == SELECTORS_MAX)
			return -1;
		memcpy(one, ts, len);
		one[len] = '\0';
		if (parse_prefix(one, &to[n++], NULL))
			return -1;
		ts += len + (ts[len] == ',');
	}
	return n;
}

static struct invspi_prefix side(const xfrm_address_t *addr, uint8_t plen, int family)
{
	struct invspi_prefix p = { .family = family, .plen = plen };

	memcpy(&p.addr, addr, sizeof(p.addr));
	return p;
}

static bool covers(const struct invspi_prefix *outer, const struct invspi_prefix *inner)
{
	return outer->plen <= inner->plen && prefix_has(outer, inner->family, &inner->addr);
}

/* Does a policy stop what has no SA, with this child gone? */
static bool stops(const struct ike_child *c, const struct xfrm_userpolicy_info *pol,
		  const uint8_t *attrs, size_t len)
{
	bool stop = pol->action == XFRM_POLICY_BLOCK;
	struct xfrm_user_tmpl tmpl;
	struct xfrm_attr attr;
	size_t at;
	int ret;

	while ((ret = xfrm_attr_next(&attrs, &len, &attr)) > 0) {
		/* Policies with a mark or an interface are for other packets. */
		if (attr.type == XFRMA_MARK || attr.type == XFRMA_IF_ID)
			return false;
		if (attr.type != XFRMA_TMPL)
			continue;
		for (at = 0; at + sizeof(tmpl) <= attr.len; at += sizeof(tmpl)) {
			memcpy(&tmpl, attr.data + at, sizeof(tmpl));
			if (tmpl.reqid == c->reqid)
				return false; /* its own: gone with it */
			stop |= tmpl.id.proto == c->proto && !tmpl.optional;
		}
	}
	return !ret && stop;
}

/*
 * One that blocks the child's very selectors: the kernel has one policy for these, so the
 * IKE daemon's own takes its place when the child comes up, and leaves none behind.
 */
static bool will_go(const struct xfrm_userpolicy_info *pol, const struct invspi_prefix *local,
		    const struct invspi_prefix *remote)
{
	return pol->action == XFRM_POLICY_BLOCK && pol->sel.prefixlen_s == local->plen &&
	       pol->sel.prefixlen_d == remote->plen;
}

static int take_policy(void *arg, uint16_t type, const void *payload, size_t len)
{
	struct invspi_prefix local, remote;
	struct xfrm_userpolicy_info pol;
	struct gap *g = arg;
	size_t i, k;

	if (type != XFRM_MSG_NEWPOLICY || len < sizeof(pol))
		return 0;
	memcpy(&pol, payload, sizeof(pol));
	len -= sizeof(pol);
	if (pol.dir != XFRM_POLICY_OUT || pol.sel.proto || pol.sel.sport_mask ||
	    pol.sel.dport_mask || pol.sel.ifindex ||
	    !stops(g->child, &pol, (const uint8_t *)payload + sizeof(pol), len))
		return 0;
	local = side(&pol.sel.saddr, pol.sel.prefixlen_s, pol.sel.family);
	remote = side(&pol.sel.daddr, pol.sel.prefixlen_d, pol.sel.family);
	for (i = 0; i < g->nlocal; i++)
		for (k = 0; k < g->nremote; k++)
			g->covered[i][k] |= covers(&local, &g->local[i]) &&
					    covers(&remote, &g->remote[k]) &&
					    !will_go(&pol, &g->local[i], &g->remote[k]);
	return 0;
}

static const uint8_t *find_attr(const uint8_t *p, size_t len, uint16_t type, size_t *size)
{
	struct xfrm_attr attr;

	while (xfrm_attr_next(&p, &len, &attr) > 0) {
		if (attr.type != type)
			continue;
		*size = attr.len;
		return attr.data;
	}
	return NULL;
}

static int take_link(void *arg, uint16_t type, const void *payload, size_t len)
{
	size_t skip = NLMSG_ALIGN(sizeof(struct ifinfomsg)), size = 0, n = 0;
	const uint8_t *info, *kind, *data, *key;
	struct vti *vti = arg;

	if (type != RTM_NEWLINK || len < skip)
		return 0;
	info = find_attr((const uint8_t *)payload + skip, len - skip, IFLA_LINKINFO, &size);
	kind = info ? find_attr(info, size, IFLA_INFO_KIND, &n) : NULL;
	if (!kind || n < 4 || memcmp(kind, "vti", 3))
		return 0;
	data = find_attr(info, size, IFLA_INFO_DATA, &n);
	key = data ? find_attr(data, n, IFLA_VTI_OKEY, &size) : NULL;
	vti->found |= key && size == 4 &&
		      ((uint32_t)key[0] << 24 | key[1] << 16 | key[2] << 8 | key[3]) == vti->mark;
	return 0;
}

static bool on_vti(const struct ike_child *c)
{
	struct vti vti = { .mark = c->mark_in };

	return c->mark_in &&
	       !xfrm_query_dump(NETLINK_ROUTE, RTM_GETLINK, sizeof(struct ifinfomsg), take_link,
				&vti) &&
	       vti.found;
}

/**
 * gap_none() - can nothing leave in clear while @c is down
 */
bool gap_none(const struct ike_child *c)
{
	struct gap g = { .child = c };
	int nlocal, nremote;
	size_t i, k;

	if (c->if_id_out || on_vti(c))
		return true;
	nlocal = take_selectors(c->local_ts, g.local);
	nremote = take_selectors(c->remote_ts, g.remote);
	if (nlocal < 1 || nremote < 1)
		return false;
	g.nlocal = (size_t)nlocal;
	g.nremote = (size_t)nremote;
	if (xfrm_query_dump(NETLINK_XFRM, XFRM_MSG_GETPOLICY, sizeof(struct xfrm_userpolicy_id),
			    take_policy, &g))
		return false;
	for (i = 0; i < g.nlocal; i++)
		for (k = 0; k < g.nremote; k++)
			if (!g.covered[i][k])
				return false;
	return true;
}
