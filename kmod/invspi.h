/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the module keeps per network namespace.
 */
#ifndef _XFRM_INVSPI_H
#define _XFRM_INVSPI_H

#include <linux/mutex.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "table.h"

/**
 * struct invspi_events - events on their way out
 * @send: sends them, a moment after the first
 * @age: looks for desyncs that have fallen silent, while there are desyncs
 * @limit: events a second
 * @rate: of @limit
 * @ran: jiffies when @send last ran
 * @sent: written by @send only
 * @suppressed: the same
 */
struct invspi_events {
	struct delayed_work send;
	struct delayed_work age;
	struct invspi_limit limit;
	u32 rate;
	unsigned long ran;
	u64 sent;
	u64 suppressed;
};

/**
 * struct invspi_net - a network namespace
 * @table: its flows
 * @events: and their events
 * @net: back
 * @lock: serialises changes of @config and what restarts the table
 * @config: settings; under @lock
 */
struct invspi_net {
	struct invspi_table table;
	struct invspi_events events;
	struct net *net;
	/* see above */
	struct mutex lock;
	struct invspi_config config;
};

#if !defined(CONFIG_DEBUG_SPINLOCK) && !defined(CONFIG_DEBUG_LOCK_ALLOC)
/* What a namespace costs before its first packet, beside the counters */
static_assert(sizeof(struct invspi_net) < 1024);
#endif

extern unsigned int invspi_net_id __read_mostly;
extern bool invspi_log_all_netns;

static inline struct invspi_net *invspi_net(const struct net *net)
{
	return net_generic(net, invspi_net_id);
}

/*
 * The same for packets, which are inside of an RCU read side: net_generic() would
 * enter another, with two function calls.
 */
static __always_inline struct invspi_net *invspi_net_rcu(const struct net *net)
{
	return rcu_dereference(net->gen)->ptr[invspi_net_id];
}

/* Does this namespace write to the kernel log? */
static inline bool invspi_net_may_log(const struct net *net)
{
	return net_eq(net, &init_net) || invspi_log_all_netns;
}

/* log.c */
void invspi_log(struct net *net, const struct invspi_pkt *pkt);

#endif /* _XFRM_INVSPI_H */
