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
#include <net/esp.h>
#include <net/ip6_tunnel.h>
#include <net/ip_tunnels.h>
#include <net/ipv6.h>
#include <net/protocol.h>
#include <net/snmp.h>
#include <net/xfrm.h>

#include <linux/xfrm_invspi.h>

#include "compat.h"
#include "count.h"
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
 * Is the ESP or AH header, which the kernel has read before, still all there?
 * xfrm_parse_spi() would tell, but it may move the packet's data.
 */
static __always_inline bool invspi_hook_complete(const struct sk_buff *skb, u8 kind)
{
	int need = kind & INVSPI_KIND_AH ? sizeof(struct ip_auth_hdr) : sizeof(struct ip_esp_hdr);

	return skb_transport_header(skb) + need <= skb_tail_pointer(skb);
}

static __always_inline __be32 invspi_hook_spi(const struct sk_buff *skb, u8 kind)
{
	if (kind & INVSPI_KIND_AH)
		return ((const struct ip_auth_hdr *)skb_transport_header(skb))->spi;
	return ip_esp_hdr(skb)->spi;
}

static __always_inline __be32 invspi_hook_seq(const struct sk_buff *skb, u8 kind)
{
	if (kind & INVSPI_KIND_AH)
		return ((const struct ip_auth_hdr *)skb_transport_header(skb))->seq_no;
	return ip_esp_hdr(skb)->seq_no;
}

static __always_inline u8 invspi_hook_proto(u8 kind)
{
	return kind & INVSPI_KIND_AH ? IPPROTO_AH : IPPROTO_ESP;
}

/*
 * What the IP header names as the next. IP6CB->nhoff is the offset of that byte,
 * the first one of the last extension header if there is any.
 */
static __always_inline u8 invspi_hook_next(const struct sk_buff *skb, u8 kind)
{
	int nhoff = IP6CB(skb)->nhoff;

	if (!(kind & INVSPI_KIND_IPV6))
		return ip_hdr(skb)->protocol;
	/* always so, but a wrong offset shall not lead us out of the packet */
	if (likely(nhoff < skb_transport_header(skb) - skb_network_header(skb)))
		return skb_network_header(skb)[nhoff];
	return invspi_hook_proto(kind);
}

/*
 * Where the UDP or TCP header lies that carries ESP, counted from the network
 * header; 0 if there is none. In a nested transform of transport mode the IP
 * header still names the outer one, but has been moved next to the inner ESP
 * header. All of this is in the linear part.
 */
static noinline u32 invspi_hook_outer(const struct sk_buff *skb, u8 kind)
{
	int transport = skb_transport_header(skb) - skb_network_header(skb);
	u8 next = invspi_hook_next(skb, kind);
	int end, nhoff = IP6CB(skb)->nhoff;

	if (next != IPPROTO_UDP && next != IPPROTO_TCP)
		return 0;
	if (!(kind & INVSPI_KIND_IPV6))
		end = ip_hdrlen(skb);
	else if (nhoff == offsetof(struct ipv6hdr, nexthdr))
		end = sizeof(struct ipv6hdr);
	else if (nhoff + 2 <= transport)
		end = nhoff + (skb_network_header(skb)[nhoff + 1] + 1) * 8;
	else
		return 0;
	return end + (int)sizeof(struct udphdr) <= transport ? end : 0;
}

static const struct udphdr *invspi_hook_udp(const struct sk_buff *skb, u32 outer)
{
	return (const struct udphdr *)(skb_network_header(skb) + outer);
}

/* The last word of the key: SPI, encapsulation and its source port */
static __always_inline u64 invspi_hook_rest(const struct sk_buff *skb, u8 kind, __be32 spi)
{
	u8 next = invspi_hook_next(skb, kind);
	u32 outer;

	if (likely(next == invspi_hook_proto(kind)))
		return invspi_key_rest(spi, 0, kind);
	outer = invspi_hook_outer(skb, kind);
	if (!outer)
		return invspi_key_rest(spi, 0, kind);
	if (next == IPPROTO_TCP)
		return invspi_key_rest(spi, 0, kind | INVSPI_KIND_TCP);
	return invspi_key_rest(spi, invspi_hook_udp(skb, outer)->source, kind | INVSPI_KIND_UDP);
}

/* The mark of the lookup: see xfrm_input() */
static __always_inline u32 invspi_hook_mark(const struct sk_buff *skb, u8 kind)
{
	const struct ip_tunnel *ip4 = XFRM_TUNNEL_SKB_CB(skb)->tunnel.ip4;
	const struct ip6_tnl *ip6 = XFRM_TUNNEL_SKB_CB(skb)->tunnel.ip6;

	if (likely(!ip4)) /* the same pointer, seen through a union */
		return skb->mark;
	return be32_to_cpu(kind & INVSPI_KIND_IPV6 ? ip6->parms.i_key : ip4->parms.i_key);
}

/*
 * All about a packet that is known to be ours, and whose headers are what they
 * seem, but for the reason. @daddr: its destination, if not that in the header.
 */
static void invspi_hook_fill(const struct sk_buff *skb, u8 kind, const xfrm_address_t *daddr,
			     struct invspi_pkt *pkt)
{
	pkt->key.rest = invspi_hook_rest(skb, kind, invspi_hook_spi(skb, kind));
	if (kind & INVSPI_KIND_IPV6) {
		const struct ipv6hdr *ip6h = ipv6_hdr(skb);

		pkt->key.src6 = ip6h->saddr;
		pkt->key.dst6 = daddr ? daddr->in6 : ip6h->daddr;
	} else {
		const struct iphdr *iph = ip_hdr(skb);

		memset(pkt->key.zero, 0, sizeof(pkt->key.zero));
		pkt->key.src4 = iph->saddr;
		pkt->key.dst4 = daddr ? daddr->a4 : iph->daddr;
	}
	pkt->bytes = skb->len;
	pkt->seq = be32_to_cpu(invspi_hook_seq(skb, kind));
	pkt->mark = invspi_hook_mark(skb, kind);
	/* the device's reference may be gone already, its number is not */
	pkt->ifindex = skb->skb_iif;
	pkt->dport = 0;
	if (invspi_key_is_udp(&pkt->key))
		pkt->dport = invspi_hook_udp(skb, invspi_hook_outer(skb, kind))->dest;
}

/* Count a packet the long way, and see to what comes of it. */
static void invspi_hook_count(struct net *net, struct invspi_net *in, struct invspi_pkt *pkt,
			      u32 hash, struct invspi_set *missed, u32 seen)
{
	u32 todo = invspi_table_count(&in->table, pkt, hash, missed, seen);

	if (todo & INVSPI_TODO_LOG)
		invspi_log(net, pkt);
	if (todo & (INVSPI_TODO_EVENT | INVSPI_TODO_AGE))
		invspi_event_kick(in, todo);
}

/* A packet without an SA that is not a usual one; looks at everything again. */
static noinline void invspi_hook_unusual(const struct sk_buff *skb, u8 kind, u32 hash,
					 struct invspi_set *missed, u32 seen)
{
	struct net *net = dev_net(skb->dev);
	struct invspi_pkt pkt;

	pkt.reason = INVSPI_NO_STATE;
	invspi_hook_fill(skb, kind, NULL, &pkt);
	invspi_hook_count(net, invspi_net_rcu(net), &pkt, hash, missed, seen);
}

/* A dropped packet whose SA was found */
static noinline void invspi_hook_found(const struct sk_buff *skb, u8 kind,
				       const struct sec_path *sp)
{
	u8 family = kind & INVSPI_KIND_IPV6 ? AF_INET6 : AF_INET;
	u8 proto = invspi_hook_proto(kind);
	bool acquire, invalid, mismatch;
	struct invspi_percpu *pc;
	struct invspi_net *in;
	struct invspi_pkt pkt;
	struct xfrm_state *x;
	struct net *net;
	u8 state;

	if (!sp->len)
		return;
	x = sp->xvec[sp->len - 1];
	net = xs_net(x);
	in = invspi_net_rcu(net);
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
	if (x->id.proto != proto || x->props.family != family || !invspi_hook_complete(skb, kind) ||
	    invspi_hook_spi(skb, kind) != x->id.spi)
		return;
	invspi_hook_fill(skb, kind, &x->id.daddr, &pkt);
	invspi_hook_count(net, in, &pkt, invspi_key_hash(&in->table, &pkt.key), NULL, 0);
}

/* The destination port of encapsulated ESP */
static noinline void invspi_hook_dport(struct invspi_set *set, u32 i, const struct sk_buff *skb,
				       u8 kind)
{
	if (invspi_key_is_udp(&set->cold[i].key))
		invspi_flow_dport(set, i, invspi_hook_udp(skb, invspi_hook_outer(skb, kind))->dest);
}

static __always_inline void invspi_hook_add(struct invspi_set *set, u32 i,
					    const struct sk_buff *skb, u8 kind, u64 rest)
{
	struct invspi_hot *hot = &set->hot[i];

	hot->drops[INVSPI_NO_STATE]++;
	hot->bytes += skb->len;
	WRITE_ONCE(hot->last, get_jiffies_64()); /* read by invspi_set_oldest(), _youngest() */
	hot->seq = be32_to_cpu(invspi_hook_seq(skb, kind));
	hot->mark = invspi_hook_mark(skb, kind);
	hot->ifindex = skb->skb_iif;
	if (unlikely(rest & INVSPI_REST_ENCAP))
		invspi_hook_dport(set, i, skb, kind);
}

static __always_inline void invspi_hook_add_esp4(struct invspi_set *set, u32 i, u64 rest,
						 const void *skb)
{
	invspi_hook_add(set, i, skb, 0, rest);
}

static __always_inline void invspi_hook_add_ah4(struct invspi_set *set, u32 i, u64 rest,
						const void *skb)
{
	invspi_hook_add(set, i, skb, INVSPI_KIND_AH, rest);
}

static __always_inline void invspi_hook_add_esp6(struct invspi_set *set, u32 i, u64 rest,
						 const void *skb)
{
	invspi_hook_add(set, i, skb, INVSPI_KIND_IPV6, rest);
}

static __always_inline void invspi_hook_add_ah6(struct invspi_set *set, u32 i, u64 rest,
						const void *skb)
{
	invspi_hook_add(set, i, skb, INVSPI_KIND_IPV6 | INVSPI_KIND_AH, rest);
}

/* A packet without an SA; @kind and @add are constants that fit each other. */
static __always_inline void invspi_hook_missing(const struct sk_buff *skb, u8 kind,
						invspi_add_t *add, struct invspi_table *tb,
						struct invspi_percpu *pc)
{
	const struct in6_addr *addr6 = NULL;
	__be32 spi = invspi_hook_spi(skb, kind);
	struct invspi_set *missed;
	u32 hash, seen;
	u64 addr4 = 0;

	if (kind & INVSPI_KIND_IPV6)
		hash = invspi_hash6(&tb->key, &ipv6_hdr(skb)->saddr, spi);
	else
		hash = invspi_hash4(&tb->key, ip_hdr(skb)->saddr, spi);
	if (kind & INVSPI_KIND_IPV6)
		addr6 = &ipv6_hdr(skb)->saddr;
	else
		addr4 = invspi_key_addr4(ip_hdr(skb)->saddr, ip_hdr(skb)->daddr);
	if (likely(invspi_count_usual(tb, pc, addr4, addr6, invspi_hook_rest(skb, kind, spi), hash,
				      add, skb, &missed, &seen)))
		return;
	if (missed && invspi_table_refuse(tb, missed, seen, kind & INVSPI_KIND_IPV6))
		return;
	invspi_hook_unusual(skb, kind, hash, missed, seen);
}

/* A dropped packet. Return: 1, so that a callback ends with this call. */
static __always_inline int invspi_hook_drop(const struct sk_buff *skb, u8 kind, invspi_add_t *add)
{
	const struct sec_path *sp = skb_sec_path(skb);
	struct invspi_percpu *pc;
	struct invspi_net *in;
	struct net *net;

	kind |= INVSPI_KIND_VALID;
	if (unlikely(sp)) {
		invspi_hook_found(skb, kind, sp);
		return 1;
	}
	net = dev_net(skb->dev);
	in = invspi_net_rcu(net);
	pc = this_cpu_ptr(in->table.pcpu);
	if (likely(invspi_hook_moved(net, pc, INVSPI_NO_STATE)) &&
	    likely(invspi_hook_complete(skb, kind)))
		invspi_hook_missing(skb, kind, add, &in->table, pc);
	return 1;
}

/* Not inlined: for an accepted packet a callback shall not cost a stack frame. */
static noinline int invspi_esp4_drop(struct sk_buff *skb)
{
	return invspi_hook_drop(skb, 0, invspi_hook_add_esp4);
}

static noinline int invspi_ah4_drop(struct sk_buff *skb)
{
	return invspi_hook_drop(skb, INVSPI_KIND_AH, invspi_hook_add_ah4);
}

/*
 * These run for every accepted packet as well, and then have nothing to show to
 * a tracer: without its no-op they and their test cost no more than a handler and
 * a callback that are empty. A dropped packet can be traced in the _drop above.
 */
static notrace int invspi_esp4_cb(struct sk_buff *skb, int err)
{
	return likely(err >= 0) ? 1 : invspi_esp4_drop(skb);
}

static notrace int invspi_ah4_cb(struct sk_buff *skb, int err)
{
	return likely(err >= 0) ? 1 : invspi_ah4_drop(skb);
}

static notrace int invspi_hook_rcv(struct sk_buff *skb)
{
	return -EINVAL;
}

static notrace int invspi_hook_input(struct sk_buff *skb, int nexthdr, __be32 spi, int encap_type)
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
static noinline int invspi_esp6_drop(struct sk_buff *skb)
{
	return invspi_hook_drop(skb, INVSPI_KIND_IPV6, invspi_hook_add_esp6);
}

static noinline int invspi_ah6_drop(struct sk_buff *skb)
{
	return invspi_hook_drop(skb, INVSPI_KIND_IPV6 | INVSPI_KIND_AH, invspi_hook_add_ah6);
}

static notrace int invspi_esp6_cb(struct sk_buff *skb, int err)
{
	return likely(err >= 0) ? 1 : invspi_esp6_drop(skb);
}

static notrace int invspi_ah6_cb(struct sk_buff *skb, int err)
{
	return likely(err >= 0) ? 1 : invspi_ah6_drop(skb);
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

static int invspi_hook_link(unsigned int i)
{
	if (invspi_hooks[i].v4)
		return xfrm4_protocol_register(invspi_hooks[i].v4, invspi_hooks[i].proto);
#if IS_ENABLED(CONFIG_IPV6)
	return xfrm6_protocol_register(invspi_hooks[i].v6, invspi_hooks[i].proto);
#else
	return -EINVAL;
#endif
}

static void invspi_hook_unlink(unsigned int i)
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
		err = invspi_hook_link(i);
		if (!err)
			continue;
		/* With -EAGAIN it is in the list all the same. */
		if (err != -EEXIST)
			invspi_hook_unlink(i);
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
		invspi_hook_unlink(i);
	return err;
}

/**
 * invspi_hook_unregister() - no packet comes any more when this returns
 */
void invspi_hook_unregister(void)
{
	unsigned int i = ARRAY_SIZE(invspi_hooks);

	while (i--)
		invspi_hook_unlink(i);
}
