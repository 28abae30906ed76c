// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hook: which packets xfrm drops, and why.
 *
 * xfrm_input() ends every packet, accepted or dropped, with xfrm_rcv_cb(), which
 * calls the callbacks that the handlers of a protocol have registered. We are
 * the first of them and always say "go on", so nobody notices us. The calls come
 * with bottom halves off and inside RCU.
 *
 * What our functions return, and what it means to their callers:
 *   handler, input_handler   -EINVAL: not ours, try the next handler
 *   err_handler              non-zero: the same (0 would swallow an ICMP error)
 *   cb_handler               positive: the same (0 would end the list)
 *
 * The callback does not tell the reason. The kernel counts it just before, on
 * this CPU: a counter in /proc/net/xfrm_stat that has moved since we last looked
 * is the reason. Some counters move without a callback (IPComp, an SA that was
 * attached before xfrm_input()), so the rest must fit as well:
 *   - no SA was found: the packet has no sec_path, XfrmInNoStates has moved;
 *   - an SA was found: the SPI in the packet is the SA's and the SA's state is
 *     what the counter says. Otherwise this is some other drop, maybe of a
 *     packet already decapsulated, whose headers and device are not what they
 *     were (a block policy behind an XFRM interface in another namespace).
 * Each packet is counted at most once per move, so never more often than the
 * kernel does.
 */
#include <linux/cpu.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/limits.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/snmp.h>
#include <linux/workqueue.h>
#include <net/ip6_tunnel.h>
#include <net/ip_tunnels.h>
#include <net/ipv6.h>
#include <net/protocol.h>
#include <net/snmp.h>
#include <net/xfrm.h>

#include <linux/xfrm_invspi.h>

#include "compat.h"
#include "event.h"
#include "hook.h"

/* The kernel's counter for each reason */
static const u8 invspi_hook_mib[INVSPI_REASONS] = {
	[INVSPI_NO_STATE] = LINUX_MIB_XFRMINNOSTATES,
	[INVSPI_ACQUIRE] = LINUX_MIB_XFRMACQUIREERROR,
	[INVSPI_STATE_INVALID] = LINUX_MIB_XFRMINSTATEINVALID,
	[INVSPI_ENCAP_MISMATCH] = LINUX_MIB_XFRMINSTATEMISMATCH,
};

/* Has this CPU's counter moved since we last looked? Looks. */
static __always_inline bool invspi_hook_moved(const struct net *net, struct invspi_percpu *pc,
					      enum invspi_reason reason)
{
	const int mib = invspi_hook_mib[reason];
	unsigned long now = __this_cpu_read(net->mib.xfrm_statistics->mibs[mib]);

	if (pc->seen[reason] == now)
		return false;
	pc->seen[reason] = now;
	return true;
}

/*
 * SPI and sequence number, which xfrm_parse_spi() has read there before. Not
 * called again, since it may move the packet's data. Return: false if the
 * header is not all there.
 */
static __always_inline bool invspi_hook_parse(const struct sk_buff *skb, u8 kind,
					      struct invspi_pkt *pkt)
{
	int need = kind & INVSPI_KIND_AH ? sizeof(struct ip_auth_hdr) : sizeof(struct ip_esp_hdr);

	if (unlikely(!skb_transport_header_was_set(skb)) ||
	    unlikely(skb_transport_offset(skb) + need > (int)skb_headlen(skb)))
		return false;
	if (kind & INVSPI_KIND_AH) {
		const struct ip_auth_hdr *ah = (const void *)skb_transport_header(skb);

		pkt->key.spi = ah->spi;
		pkt->seq = be32_to_cpu(ah->seq_no);
	} else {
		const struct ip_esp_hdr *esp = (const void *)skb_transport_header(skb);

		pkt->key.spi = esp->spi;
		pkt->seq = be32_to_cpu(esp->seq_no);
	}
	return true;
}

/*
 * Where the last extension header ends. IP6CB->nhoff is the offset of the byte
 * that names the transport protocol, the first one of an extension header.
 */
static u32 invspi_hook_end6(const u8 *nh, u32 nhoff, u32 transport)
{
	if (nhoff == offsetof(struct ipv6hdr, nexthdr))
		return sizeof(struct ipv6hdr);
	if (nhoff + 2 > transport)
		return U32_MAX;
	return nhoff + (nh[nhoff + 1] + 1) * 8;
}

/*
 * What lies between IP header and ESP header, and the UDP ports. In a nested
 * transform of transport mode the IP header still names the outer one, but has
 * been moved next to the inner ESP header. All of this is in the linear part.
 */
static __always_inline void invspi_hook_encap(const struct sk_buff *skb, u8 kind,
					      struct invspi_pkt *pkt)
{
	u32 transport = skb_transport_header(skb) - skb_network_header(skb);
	const u8 *nh = skb_network_header(skb);
	const struct udphdr *uh;
	u8 encap, proto;
	u32 end;

	if (kind & INVSPI_KIND_IPV6) {
		u32 nhoff = IP6CB(skb)->nhoff;

		if (unlikely(nhoff >= transport))
			return;
		proto = nh[nhoff];
		if (likely(proto != IPPROTO_UDP && proto != IPPROTO_TCP))
			return;
		end = invspi_hook_end6(nh, nhoff, transport);
	} else {
		proto = ip_hdr(skb)->protocol;
		if (likely(proto != IPPROTO_UDP && proto != IPPROTO_TCP))
			return;
		end = ip_hdrlen(skb);
	}
	if (end >= transport || transport - end < sizeof(*uh))
		return;

	encap = proto == IPPROTO_UDP ? XFRM_INVSPI_ENCAP_ESPINUDP : XFRM_INVSPI_ENCAP_ESPINTCP;
	pkt->key.kind |= encap << INVSPI_KIND_ENCAP_SHIFT;
	if (proto == IPPROTO_UDP) {
		uh = (const struct udphdr *)(nh + end);
		pkt->key.sport = uh->source;
		pkt->dport = uh->dest;
	}
}

/* The mark of the lookup: see xfrm_input() */
static __always_inline u32 invspi_hook_mark(const struct sk_buff *skb, u8 kind)
{
	const struct ip_tunnel *ip4 = XFRM_TUNNEL_SKB_CB(skb)->tunnel.ip4;
	const struct ip6_tnl *ip6 = XFRM_TUNNEL_SKB_CB(skb)->tunnel.ip6;

	if (!ip4) /* the same pointer, seen through a union */
		return skb->mark;
	return be32_to_cpu(kind & INVSPI_KIND_IPV6 ? ip6->parms.i_key : ip4->parms.i_key);
}

/* The packet is known to be ours, and its headers to be what they seem. */
static __always_inline void invspi_hook_count(struct net *net, struct invspi_net *in,
					      const struct sk_buff *skb, u8 kind,
					      const xfrm_address_t *daddr, struct invspi_pkt *pkt)
{
	struct invspi_key *key = &pkt->key;
	u32 todo;

	key->sport = 0;
	key->kind = kind;
	key->flags = 0;
	if (kind & INVSPI_KIND_IPV6) {
		const struct ipv6hdr *ip6h = ipv6_hdr(skb);

		key->src6 = ip6h->saddr;
		key->dst6 = daddr ? daddr->in6 : ip6h->daddr;
	} else {
		const struct iphdr *iph = ip_hdr(skb);

		memset(key->zero, 0, sizeof(key->zero));
		key->src4 = iph->saddr;
		key->dst4 = daddr ? daddr->a4 : iph->daddr;
	}
	pkt->dport = 0;
	invspi_hook_encap(skb, kind, pkt);
	pkt->bytes = skb->len;
	pkt->mark = invspi_hook_mark(skb, kind);
	/* the device's reference may be gone already, its number is not */
	pkt->ifindex = skb->skb_iif;

	todo = invspi_table_count(&in->table, pkt);
	if (likely(!todo))
		return;
	if (todo & INVSPI_TODO_LOG)
		invspi_log(net, pkt);
	invspi_event_kick(in, todo);
}

/* A dropped packet whose SA was found */
static noinline void invspi_hook_found(const struct sk_buff *skb, u8 kind,
				       const struct sec_path *sp)
{
	u8 family = kind & INVSPI_KIND_IPV6 ? AF_INET6 : AF_INET;
	u8 proto = kind & INVSPI_KIND_AH ? IPPROTO_AH : IPPROTO_ESP;
	bool acquire, invalid, mismatch;
	struct invspi_percpu *pc;
	struct xfrm_state *x;
	struct invspi_net *in;
	struct invspi_pkt pkt;
	struct net *net;
	u8 state;

	if (!sp->len)
		return;
	x = sp->xvec[sp->len - 1];
	net = xs_net(x);
	in = invspi_net(net);
	pc = this_cpu_ptr(in->table.pcpu);

	/* Always look at all: what is not ours now must not be so later. */
	acquire = invspi_hook_moved(net, pc, INVSPI_ACQUIRE);
	invalid = invspi_hook_moved(net, pc, INVSPI_STATE_INVALID);
	mismatch = invspi_hook_moved(net, pc, INVSPI_ENCAP_MISMATCH);

	state = READ_ONCE(x->km.state);
	if (state == XFRM_STATE_VALID) {
		if (!mismatch)
			return;
		pkt.reason = INVSPI_ENCAP_MISMATCH;
	} else if (invalid && state != XFRM_STATE_ACQ) {
		pkt.reason = INVSPI_STATE_INVALID;
	} else if (acquire) {
		pkt.reason = INVSPI_ACQUIRE;
	} else if (mismatch) {
		pkt.reason = INVSPI_ENCAP_MISMATCH; /* and then it died */
	} else {
		return;
	}
	if (!invspi_hook_parse(skb, kind, &pkt) || pkt.key.spi != x->id.spi ||
	    x->id.proto != proto || x->props.family != family)
		return;
	invspi_hook_count(net, in, skb, kind, &x->id.daddr, &pkt);
}

/* A dropped packet. @kind is a constant, so each caller gets what it needs. */
static __always_inline void invspi_hook_drop(const struct sk_buff *skb, u8 kind)
{
	const struct sec_path *sp = skb_sec_path(skb);
	struct invspi_net *in;
	struct invspi_pkt pkt;
	struct net *net;

	kind |= INVSPI_KIND_VALID;
	if (unlikely(sp)) {
		invspi_hook_found(skb, kind, sp);
		return;
	}
	net = dev_net(skb->dev);
	in = invspi_net(net);
	if (!invspi_hook_moved(net, this_cpu_ptr(in->table.pcpu), INVSPI_NO_STATE))
		return;
	pkt.reason = INVSPI_NO_STATE;
	if (likely(invspi_hook_parse(skb, kind, &pkt)))
		invspi_hook_count(net, in, skb, kind, NULL, &pkt);
}

static int invspi_esp4_cb(struct sk_buff *skb, int err)
{
	if (unlikely(err < 0))
		invspi_hook_drop(skb, 0);
	return 1;
}

static int invspi_ah4_cb(struct sk_buff *skb, int err)
{
	if (unlikely(err < 0))
		invspi_hook_drop(skb, INVSPI_KIND_AH);
	return 1;
}

static int invspi_hook_rcv(struct sk_buff *skb)
{
	return -EINVAL;
}

static int invspi_hook_input(struct sk_buff *skb, int nexthdr, __be32 spi, int encap_type)
{
	return -EINVAL;
}

static int invspi_hook_err4(struct sk_buff *skb, u32 info)
{
	return -ENOENT;
}

static struct xfrm4_protocol invspi_esp4 __read_mostly = {
	.handler = invspi_hook_rcv,
	.input_handler = invspi_hook_input,
	.cb_handler = invspi_esp4_cb,
	.err_handler = invspi_hook_err4,
	.priority = INT_MAX,
};

static struct xfrm4_protocol invspi_ah4 __read_mostly = {
	.handler = invspi_hook_rcv,
	.input_handler = invspi_hook_input,
	.cb_handler = invspi_ah4_cb,
	.err_handler = invspi_hook_err4,
	.priority = INT_MAX,
};

#if IS_ENABLED(CONFIG_IPV6)
static int invspi_esp6_cb(struct sk_buff *skb, int err)
{
	if (unlikely(err < 0))
		invspi_hook_drop(skb, INVSPI_KIND_IPV6);
	return 1;
}

static int invspi_ah6_cb(struct sk_buff *skb, int err)
{
	if (unlikely(err < 0))
		invspi_hook_drop(skb, INVSPI_KIND_IPV6 | INVSPI_KIND_AH);
	return 1;
}

static int invspi_hook_err6(struct sk_buff *skb, struct inet6_skb_parm *opt, u8 type, u8 code,
			    int offset, __be32 info)
{
	return -ENOENT;
}

static struct xfrm6_protocol invspi_esp6 __read_mostly = {
	.handler = invspi_hook_rcv,
	.input_handler = invspi_hook_input,
	.cb_handler = invspi_esp6_cb,
	.err_handler = invspi_hook_err6,
	.priority = INT_MAX,
};

static struct xfrm6_protocol invspi_ah6 __read_mostly = {
	.handler = invspi_hook_rcv,
	.input_handler = invspi_hook_input,
	.cb_handler = invspi_ah6_cb,
	.err_handler = invspi_hook_err6,
	.priority = INT_MAX,
};
#endif /* CONFIG_IPV6 */

/* One row per handler; xfrm4 and xfrm6 have types and functions of their own. */
static const struct {
	const char *name;
	struct xfrm4_protocol *v4;
	struct xfrm6_protocol *v6;
	u8 proto;
} invspi_hooks[] = {
	{ .name = "IPv4 ESP callback", .v4 = &invspi_esp4, .proto = IPPROTO_ESP },
	{ .name = "IPv4 AH callback", .v4 = &invspi_ah4, .proto = IPPROTO_AH },
#if IS_ENABLED(CONFIG_IPV6)
	{ .name = "IPv6 ESP callback", .v6 = &invspi_esp6, .proto = IPPROTO_ESP },
	{ .name = "IPv6 AH callback", .v6 = &invspi_ah6, .proto = IPPROTO_AH },
#endif
};

static int invspi_hook_add(unsigned int i)
{
	if (invspi_hooks[i].v4)
		return xfrm4_protocol_register(invspi_hooks[i].v4, invspi_hooks[i].proto);
#if IS_ENABLED(CONFIG_IPV6)
	return xfrm6_protocol_register(invspi_hooks[i].v6, invspi_hooks[i].proto);
#else
	return -EINVAL;
#endif
}

static void invspi_hook_remove(unsigned int i)
{
	if (invspi_hooks[i].v4)
		xfrm4_protocol_deregister(invspi_hooks[i].v4, invspi_hooks[i].proto);
#if IS_ENABLED(CONFIG_IPV6)
	else
		xfrm6_protocol_deregister(invspi_hooks[i].v6, invspi_hooks[i].proto);
#endif
}

/* On one CPU, with no packet half-way between counter and callback */
static void invspi_hook_look(struct invspi_net *in)
{
	struct invspi_percpu *pc = this_cpu_ptr(in->table.pcpu);
	enum invspi_reason i;

	for (i = 0; i < INVSPI_REASONS; i++)
		invspi_hook_moved(in->net, pc, i);
}

static long invspi_hook_look_all(void *unused)
{
	struct net *net;

	local_bh_disable();
	rcu_read_lock();
	for_each_net_rcu(net)
		invspi_hook_look(invspi_net(net));
	rcu_read_unlock();
	local_bh_enable();
	return 0;
}

/**
 * invspi_hook_net_init() - begin at the kernel's counters of now
 * @in: namespace, whose table is set up; no packet has been seen there
 */
void invspi_hook_net_init(struct invspi_net *in)
{
	int cpu, i;

	for_each_possible_cpu(cpu) {
		struct linux_xfrm_mib *mib = per_cpu_ptr(in->net->mib.xfrm_statistics, cpu);
		struct invspi_percpu *pc = per_cpu_ptr(in->table.pcpu, cpu);

		for (i = 0; i < INVSPI_REASONS; i++)
			pc->seen[i] = READ_ONCE(mib->mibs[invspi_hook_mib[i]]);
	}
}

/**
 * invspi_hook_register() - begin to see packets
 * @step: names what failed
 *
 * Return: 0 or a negative errno, with nothing left registered.
 */
int invspi_hook_register(const char **step)
{
	unsigned int i;
	int cpu, err;

	for (i = 0; i < ARRAY_SIZE(invspi_hooks); i++) {
		*step = invspi_hooks[i].name;
		err = invspi_hook_add(i);
		if (!err)
			continue;
		/* With -EAGAIN it is in the list all the same. */
		if (err != -EEXIST)
			invspi_hook_remove(i);
		goto err_remove;
	}
	/*
	 * The counters may have moved between invspi_hook_net_init() and the
	 * registration, for packets that were never ours. The next drop must
	 * not be taken for one of them.
	 */
	cpus_read_lock();
	for_each_online_cpu(cpu)
		work_on_cpu(cpu, invspi_hook_look_all, NULL);
	cpus_read_unlock();
	return 0;

err_remove:
	while (i--)
		invspi_hook_remove(i);
	return err;
}

/**
 * invspi_hook_unregister() - no packet comes any more when this returns
 */
void invspi_hook_unregister(void)
{
	unsigned int i = ARRAY_SIZE(invspi_hooks);

	while (i--)
		invspi_hook_remove(i);
}
