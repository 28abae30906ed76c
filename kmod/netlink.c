// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generic netlink family. uapi/xfrm_invspi.yaml is its specification.
 *
 * Everything needs CAP_NET_ADMIN in the user namespace that owns the network
 * namespace. Requests run in parallel; invspi_net.lock keeps apart those that
 * change settings or restart the table. A dump copies one set at a time and
 * sends from the copy.
 */
#include <linux/in.h>
#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>
#include <net/genetlink.h>
#include <net/sock.h>

#include <linux/xfrm_invspi.h>

#include "compat.h"
#include "config.h"
#include "event.h"
#include "filter.h"
#include "netlink.h"

static struct genl_family invspi_family;

static int invspi_nl_put_reasons(struct sk_buff *skb, int attr, const u64 drops[INVSPI_REASONS])
{
	struct nlattr *nest = nla_nest_start(skb, attr);
	int i;

	if (!nest)
		return -EMSGSIZE;
	for (i = 0; i < INVSPI_REASONS; i++)
		if (nla_put_u64_64bit(skb, XFRM_INVSPI_A_REASONS_NO_STATE + i, drops[i],
				      XFRM_INVSPI_A_REASONS_PAD))
			return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int invspi_nl_put_flow_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, XFRM_INVSPI_A_FLOW_PAD);
}

static u64 invspi_nl_age_ms(u64 then)
{
	u64 now = get_jiffies_64();

	return jiffies64_to_msecs(now - min(then, now));
}

static int invspi_nl_put_key(struct sk_buff *skb, const struct invspi_flow *flow)
{
	const struct invspi_key *key = &flow->key;
	u32 encap = (key->kind & INVSPI_KIND_ENCAP_MASK) >> INVSPI_KIND_ENCAP_SHIFT;

	if (key->kind & INVSPI_KIND_IPV6) {
		if (nla_put_in6_addr(skb, XFRM_INVSPI_A_FLOW_SRC6, &key->src6) ||
		    nla_put_in6_addr(skb, XFRM_INVSPI_A_FLOW_DST6, &key->dst6))
			return -EMSGSIZE;
	} else {
		if (nla_put_in_addr(skb, XFRM_INVSPI_A_FLOW_SRC4, key->src4) ||
		    nla_put_in_addr(skb, XFRM_INVSPI_A_FLOW_DST4, key->dst4))
			return -EMSGSIZE;
	}
	if (nla_put_u8(skb, XFRM_INVSPI_A_FLOW_PROTO,
		       key->kind & INVSPI_KIND_AH ? IPPROTO_AH : IPPROTO_ESP) ||
	    nla_put_be32(skb, XFRM_INVSPI_A_FLOW_SPI, key->spi))
		return -EMSGSIZE;
	if (encap != XFRM_INVSPI_ENCAP_NONE &&
	    nla_put_u32(skb, XFRM_INVSPI_A_FLOW_ENCAP_TYPE, encap))
		return -EMSGSIZE;
	if (encap == XFRM_INVSPI_ENCAP_ESPINUDP &&
	    (nla_put_be16(skb, XFRM_INVSPI_A_FLOW_ENCAP_SPORT, key->sport) ||
	     nla_put_be16(skb, XFRM_INVSPI_A_FLOW_ENCAP_DPORT, flow->dport)))
		return -EMSGSIZE;
	return 0;
}

static int invspi_nl_put_flow(struct sk_buff *skb, const struct invspi_flow *flow)
{
	u32 state = flow->key.flags & INVSPI_FLOW_DESYNC ? XFRM_INVSPI_FLOW_STATE_DESYNC
							 : XFRM_INVSPI_FLOW_STATE_NEW;
	u64 packets = 0;
	int i;

	for (i = 0; i < INVSPI_REASONS; i++)
		packets += flow->drops[i];
	if (invspi_nl_put_key(skb, flow) ||
	    invspi_nl_put_flow_u64(skb, XFRM_INVSPI_A_FLOW_PACKETS, packets) ||
	    invspi_nl_put_flow_u64(skb, XFRM_INVSPI_A_FLOW_BYTES, flow->bytes) ||
	    invspi_nl_put_reasons(skb, XFRM_INVSPI_A_FLOW_REASONS, flow->drops) ||
	    invspi_nl_put_flow_u64(skb, XFRM_INVSPI_A_FLOW_FIRST_SEEN_AGE_MS,
				   invspi_nl_age_ms(flow->first)) ||
	    invspi_nl_put_flow_u64(skb, XFRM_INVSPI_A_FLOW_LAST_SEEN_AGE_MS,
				   invspi_nl_age_ms(flow->last)) ||
	    nla_put_u32(skb, XFRM_INVSPI_A_FLOW_IFINDEX, flow->ifindex) ||
	    nla_put_u32(skb, XFRM_INVSPI_A_FLOW_LAST_SEQ, flow->seq) ||
	    nla_put_u32(skb, XFRM_INVSPI_A_FLOW_MARK, flow->mark) ||
	    nla_put_u32(skb, XFRM_INVSPI_A_FLOW_STATE, state))
		return -EMSGSIZE;
	return 0;
}

static size_t invspi_nl_reasons_size(void)
{
	return nla_total_size(0) + INVSPI_REASONS * nla_total_size_64bit(sizeof(u64));
}

static size_t invspi_nl_flow_size(void)
{
	return 2 * nla_total_size(sizeof(struct in6_addr)) + /* addresses */
	       nla_total_size(sizeof(u8)) + /* proto */
	       nla_total_size(sizeof(u32)) + /* spi */
	       nla_total_size(sizeof(u32)) + /* encap-type */
	       2 * nla_total_size(sizeof(u16)) + /* ports */
	       4 * nla_total_size_64bit(sizeof(u64)) + /* packets, bytes, ages */
	       invspi_nl_reasons_size() +
	       4 * nla_total_size(sizeof(u32)); /* ifindex, seq, mark, state */
}

static struct sk_buff *invspi_nl_flow_msg(u32 portid, u32 seq, u8 cmd,
					  const struct invspi_flow *flow)
{
	struct sk_buff *skb = genlmsg_new(invspi_nl_flow_size(), GFP_KERNEL);
	void *hdr;

	if (!skb)
		return NULL;
	hdr = genlmsg_put(skb, portid, seq, &invspi_family, 0, cmd);
	if (WARN_ON_ONCE(!hdr || invspi_nl_put_flow(skb, flow))) {
		/* the size above is wrong */
		nlmsg_free(skb);
		return NULL;
	}
	genlmsg_end(skb, hdr);
	return skb;
}

/**
 * invspi_nl_has_listeners() - does anybody in this namespace listen?
 * @net: namespace
 *
 * Any context. Return: true if there is a member of the group.
 */
bool invspi_nl_has_listeners(struct net *net)
{
	return genl_has_listeners(&invspi_family, net, 0);
}

/**
 * invspi_nl_notify() - send an event
 * @net: namespace
 * @cmd: XFRM_INVSPI_CMD_*_NTF
 * @flow: flow
 * @open: whether the family is there; once it is false, a grace period later no
 *	event is on its way
 *
 * Process context. Return: 0 if it was sent, -ESRCH if nobody listens, -ENOMEM.
 */
int invspi_nl_notify(struct net *net, u8 cmd, const struct invspi_flow *flow, const bool *open)
{
	struct sk_buff *skb;
	int err = -ESRCH;

	if (!invspi_nl_has_listeners(net))
		return -ESRCH;
	skb = invspi_nl_flow_msg(0, 0, cmd, flow);
	if (!skb)
		return -ENOMEM;
	rcu_read_lock();
	if (READ_ONCE(*open))
		err = genlmsg_multicast_netns(&invspi_family, net, skb, 0, 0, GFP_ATOMIC);
	else
		nlmsg_free(skb);
	rcu_read_unlock();
	/* -ENOBUFS: some listener's buffer is full, and it is told so. */
	return err == -ENOBUFS ? 0 : err;
}

static int invspi_nl_flow_get(struct sk_buff *skb, struct genl_info *info)
{
	struct invspi_net *in = invspi_net(genl_info_net(info));
	struct invspi_flow flow;
	struct invspi_key key;
	struct sk_buff *reply;
	int err;

	err = invspi_filter_parse_key(info->attrs, &key, info->extack);
	if (err)
		return err;
	if (!invspi_table_find(&in->table, &key, &flow)) {
		NL_SET_ERR_MSG(info->extack, "no such flow");
		return -ENOENT;
	}
	reply = invspi_nl_flow_msg(info->snd_portid, info->snd_seq, XFRM_INVSPI_CMD_FLOW_GET,
				   &flow);
	return reply ? genlmsg_reply(reply, info) : -ENOMEM;
}

/**
 * struct invspi_nl_dump - a running dump
 * @filter: which flows
 * @parsed: @filter is valid
 * @next: set to copy next
 * @done: flows of the copy that were sent or did not match
 * @n: flows in the copy
 * @flows: copy of a set
 */
struct invspi_nl_dump {
	struct invspi_filter filter;
	bool parsed;
	u32 next;
	int done;
	int n;
	struct invspi_flow flows[INVSPI_SET_FLOWS];
};

/* The request was validated before; this only sorts its attributes. */
static int invspi_nl_dump_filter(struct netlink_callback *cb, struct invspi_nl_dump *dump)
{
	struct nlattr *attrs[ARRAY_SIZE(invspi_flow_policy)];
	int err;

	err = genlmsg_parse(cb->nlh, &invspi_family, attrs, ARRAY_SIZE(attrs) - 1,
			    invspi_flow_policy, cb->extack);
	if (!err)
		err = invspi_filter_parse(attrs, &dump->filter, cb->extack);
	dump->parsed = !err;
	return err;
}

static int invspi_nl_flow_start(struct netlink_callback *cb)
{
	struct invspi_net *in = invspi_net(sock_net(cb->skb->sk));
	struct invspi_nl_dump *dump = kzalloc(sizeof(*dump), GFP_KERNEL);
	int err;

	if (!dump)
		return -ENOMEM;
	/*
	 * Before 6.7 there is no extack here, but there is one when the first
	 * part is asked for.
	 */
	err = cb->extack ? invspi_nl_dump_filter(cb, dump) : 0;
	if (err) {
		kfree(dump);
		return err;
	}
	cb->args[0] = (long)dump;
	cb->seq = invspi_table_generation(&in->table);
	cb->prev_seq = cb->seq;
	return 0;
}

static int invspi_nl_flow_done(struct netlink_callback *cb)
{
	kfree((void *)cb->args[0]);
	return 0;
}

static int invspi_nl_dump_one(struct sk_buff *skb, struct netlink_callback *cb,
			      const struct invspi_flow *flow)
{
	void *hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &invspi_family,
				NLM_F_MULTI, XFRM_INVSPI_CMD_FLOW_GET);

	if (!hdr)
		return -EMSGSIZE;
	genl_dump_check_consistent(cb, hdr);
	if (invspi_nl_put_flow(skb, flow)) {
		genlmsg_cancel(skb, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, hdr);
	return 0;
}

static int invspi_nl_flow_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct invspi_net *in = invspi_net(sock_net(cb->skb->sk));
	struct invspi_nl_dump *dump = (void *)cb->args[0];
	int err = dump->parsed ? 0 : invspi_nl_dump_filter(cb, dump);

	if (err)
		return err;
	for (;;) {
		for (; dump->done < dump->n; dump->done++) {
			const struct invspi_flow *flow = &dump->flows[dump->done];

			if (!invspi_filter_match(flow, &dump->filter))
				continue;
			if (invspi_nl_dump_one(skb, cb, flow))
				return skb->len;
		}
		dump->done = 0;
		dump->n = invspi_table_read_set(&in->table, dump->next, dump->flows);
		cb->seq = invspi_table_generation(&in->table);
		if (dump->n < 0)
			break;
		dump->next++;
		cond_resched();
	}
	dump->n = 0;
	return skb->len;
}

static int invspi_nl_flow_del(struct sk_buff *skb, struct genl_info *info)
{
	struct invspi_net *in = invspi_net(genl_info_net(info));
	struct invspi_filter filter;
	int err;

	err = invspi_filter_parse(info->attrs, &filter, info->extack);
	if (err)
		return err;
	mutex_lock(&in->lock);
	if (!filter.set) {
		err = invspi_table_restart(&in->table, in->config.flows_max);
	} else if (!invspi_table_delete(&in->table, invspi_filter_match, &filter)) {
		NL_SET_ERR_MSG(info->extack, "no flow matches");
		err = -ENOENT;
	}
	mutex_unlock(&in->lock);
	return err;
}

/* Totals by reason, of one family or both */
static int invspi_nl_put_totals(struct sk_buff *skb, int attr, const struct invspi_totals *sum,
				bool v4, bool v6)
{
	u64 drops[INVSPI_REASONS];
	int i;

	for (i = 0; i < INVSPI_REASONS; i++)
		drops[i] = (v4 ? sum->packets[i][0] : 0) + (v6 ? sum->packets[i][1] : 0);
	return invspi_nl_put_reasons(skb, attr, drops);
}

static int invspi_nl_put_stats_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, XFRM_INVSPI_A_STATS_PAD);
}

static int invspi_nl_put_stats(struct sk_buff *skb, struct invspi_net *in)
{
	struct invspi_totals sum;

	invspi_table_totals(&in->table, &sum);
	if (invspi_nl_put_totals(skb, XFRM_INVSPI_A_STATS_PACKETS, &sum, true, true) ||
	    invspi_nl_put_totals(skb, XFRM_INVSPI_A_STATS_IPV4, &sum, true, false) ||
	    invspi_nl_put_totals(skb, XFRM_INVSPI_A_STATS_IPV6, &sum, false, true) ||
	    nla_put_u32(skb, XFRM_INVSPI_A_STATS_FLOWS, sum.flows) ||
	    nla_put_u32(skb, XFRM_INVSPI_A_STATS_FLOWS_MAX, READ_ONCE(in->table.flows_max)) ||
	    invspi_nl_put_stats_u64(skb, XFRM_INVSPI_A_STATS_EVICTED_FLOWS, sum.evicted_flows) ||
	    invspi_nl_put_stats_u64(skb, XFRM_INVSPI_A_STATS_EVICTED_PACKETS,
				    sum.evicted_packets) ||
	    invspi_nl_put_stats_u64(skb, XFRM_INVSPI_A_STATS_DELETED_PACKETS,
				    sum.deleted_packets) ||
	    invspi_nl_put_stats_u64(skb, XFRM_INVSPI_A_STATS_UNTRACKED_PACKETS,
				    sum.untracked_packets) ||
	    invspi_nl_put_stats_u64(skb, XFRM_INVSPI_A_STATS_LOG_SUPPRESSED, sum.log_suppressed) ||
	    invspi_nl_put_stats_u64(skb, XFRM_INVSPI_A_STATS_EVENTS_SENT,
				    READ_ONCE(in->events.sent)) ||
	    invspi_nl_put_stats_u64(skb, XFRM_INVSPI_A_STATS_EVENTS_SUPPRESSED,
				    READ_ONCE(in->events.suppressed)))
		return -EMSGSIZE;
	return 0;
}

static int invspi_nl_put_config(struct sk_buff *skb, struct invspi_net *in)
{
	struct invspi_config cfg;
	int attr;

	mutex_lock(&in->lock);
	cfg = in->config;
	mutex_unlock(&in->lock);
	for (attr = XFRM_INVSPI_A_CONFIG_FLOWS_MAX; attr < INVSPI_CONFIG_ATTRS; attr++)
		if (nla_put_u32(skb, attr, *invspi_config_item(&cfg, attr)))
			return -EMSGSIZE;
	return 0;
}

/* Answer with what @put writes. */
static int invspi_nl_reply(struct genl_info *info,
			   int (*put)(struct sk_buff *skb, struct invspi_net *in))
{
	struct sk_buff *reply = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	void *hdr;
	int err;

	if (!reply)
		return -ENOMEM;
	hdr = genlmsg_put_reply(reply, info, &invspi_family, 0, info->genlhdr->cmd);
	err = hdr ? put(reply, invspi_net(genl_info_net(info))) : -EMSGSIZE;
	if (err) {
		nlmsg_free(reply);
		return err;
	}
	genlmsg_end(reply, hdr);
	return genlmsg_reply(reply, info);
}

static int invspi_nl_stats_get(struct sk_buff *skb, struct genl_info *info)
{
	return invspi_nl_reply(info, invspi_nl_put_stats);
}

static int invspi_nl_config_get(struct sk_buff *skb, struct genl_info *info)
{
	return invspi_nl_reply(info, invspi_nl_put_config);
}

/* Apply settings that are in range. Under in->lock. */
static int invspi_nl_config_apply(struct invspi_net *in, struct invspi_config *cfg,
				  struct genl_info *info)
{
	struct nlattr *flows_max = info->attrs[XFRM_INVSPI_A_CONFIG_FLOWS_MAX];
	int err;

	cfg->flows_max = roundup_pow_of_two(cfg->flows_max);
	if (in->table.guest && cfg->flows_max > in->config.flows_max) {
		NL_SET_ERR_MSG_ATTR(info->extack, flows_max,
				    "flows-max can't be raised in a user namespace");
		return -EPERM;
	}
	/* The only step that can fail comes first. */
	if (cfg->flows_max != in->config.flows_max) {
		err = invspi_table_restart(&in->table, cfg->flows_max);
		if (err) {
			NL_SET_ERR_MSG_ATTR(info->extack, flows_max,
					    "not enough memory for that many flows");
			return err;
		}
	}
	in->config = *cfg;
	invspi_table_configure(&in->table, cfg, invspi_net_may_log(in->net));
	invspi_event_reconfigure(in);
	return 0;
}

static int invspi_nl_config_set(struct sk_buff *skb, struct genl_info *info)
{
	struct invspi_net *in = invspi_net(genl_info_net(info));
	struct invspi_config cfg;
	int attr, err;

	mutex_lock(&in->lock);
	cfg = in->config;
	for (attr = XFRM_INVSPI_A_CONFIG_FLOWS_MAX; attr < INVSPI_CONFIG_ATTRS; attr++)
		if (info->attrs[attr])
			*invspi_config_item(&cfg, attr) = nla_get_u32(info->attrs[attr]);
	err = invspi_nl_config_apply(in, &cfg, info);
	mutex_unlock(&in->lock);
	return err;
}

/* Without a policy the kernel refuses all attributes. */
static const struct genl_ops invspi_ops[] = {
	{
		.cmd = XFRM_INVSPI_CMD_FLOW_GET,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = invspi_flow_policy,
		.maxattr = ARRAY_SIZE(invspi_flow_policy) - 1,
		.doit = invspi_nl_flow_get,
		.start = invspi_nl_flow_start,
		.dumpit = invspi_nl_flow_dump,
		.done = invspi_nl_flow_done,
	},
	{
		.cmd = XFRM_INVSPI_CMD_FLOW_DEL,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = invspi_flow_policy,
		.maxattr = ARRAY_SIZE(invspi_flow_policy) - 1,
		.doit = invspi_nl_flow_del,
	},
	{
		.cmd = XFRM_INVSPI_CMD_STATS_GET,
		.flags = GENL_UNS_ADMIN_PERM,
		.doit = invspi_nl_stats_get,
	},
	{
		.cmd = XFRM_INVSPI_CMD_CONFIG_GET,
		.flags = GENL_UNS_ADMIN_PERM,
		.doit = invspi_nl_config_get,
	},
	{
		.cmd = XFRM_INVSPI_CMD_CONFIG_SET,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = invspi_config_policy,
		.maxattr = ARRAY_SIZE(invspi_config_policy) - 1,
		.doit = invspi_nl_config_set,
	},
};

static const struct genl_multicast_group invspi_groups[] = {
	{
		.name = XFRM_INVSPI_MCGRP_EVENTS,
		.flags = GENL_MCAST_CAP_NET_ADMIN,
	},
};

static struct genl_family invspi_family __ro_after_init = {
	.name = XFRM_INVSPI_FAMILY_NAME,
	.version = XFRM_INVSPI_FAMILY_VERSION,
	.module = THIS_MODULE,
	.netnsok = true,
	.parallel_ops = true,
	.ops = invspi_ops,
	.n_ops = ARRAY_SIZE(invspi_ops),
	.mcgrps = invspi_groups,
	.n_mcgrps = ARRAY_SIZE(invspi_groups),
};

/**
 * invspi_nl_register() - make the family known
 *
 * Return: 0 or a negative errno.
 */
int __init invspi_nl_register(void)
{
	return genl_register_family(&invspi_family);
}

/**
 * invspi_nl_unregister() - no request runs any more when this returns
 */
void invspi_nl_unregister(void)
{
	genl_unregister_family(&invspi_family);
}
