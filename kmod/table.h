/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The flow table: who sent packets that no SA matched. table.c explains it.
 *
 * Knows nothing of skb, xfrm and netlink, so that it also builds in user space
 * behind small replacements of the headers below.
 */
#ifndef _XFRM_INVSPI_TABLE_H
#define _XFRM_INVSPI_TABLE_H

#include <linux/cache.h>
#include <linux/in6.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/u64_stats_sync.h>

#include <linux/xfrm_invspi.h>

#include "keyhash.h"
#include "limit.h"

#define INVSPI_SET_FLOWS 16
/* A flow that is silent for longer may have to give way to a new one. */
#define INVSPI_PAUSE (2 * HZ)

enum invspi_reason {
	INVSPI_NO_STATE,
	INVSPI_ACQUIRE,
	INVSPI_STATE_INVALID,
	INVSPI_ENCAP_MISMATCH,
	INVSPI_REASONS
};

/* invspi_key.kind: never 0 in a flow, so that a cleared key matches nothing */
#define INVSPI_KIND_VALID 0x80
#define INVSPI_KIND_IPV6 0x01
#define INVSPI_KIND_AH 0x02
#define INVSPI_KIND_ENCAP_SHIFT 4 /* XFRM_INVSPI_ENCAP_*, 3 bits */
#define INVSPI_KIND_ENCAP_MASK 0x70
#define INVSPI_KIND_UDP (XFRM_INVSPI_ENCAP_ESPINUDP << INVSPI_KIND_ENCAP_SHIFT)
#define INVSPI_KIND_TCP (XFRM_INVSPI_ENCAP_ESPINTCP << INVSPI_KIND_ENCAP_SHIFT)

/* invspi_key.flags: state of the flow, not compared */
#define INVSPI_FLOW_MANY 0x01 /* more than one packet */
#define INVSPI_FLOW_DESYNC 0x02 /* the verdict; stays for good */
#define INVSPI_FLOW_CEASED 0x04 /* a desync, silent for idle_ms */
#define INVSPI_FLOW_LOGGED 0x08 /* log_last and log_seen are valid */
#define INVSPI_FLOW_EV_NEW 0x10 /* events waiting for the work item */
#define INVSPI_FLOW_EV_DESYNC 0x20
#define INVSPI_FLOW_EV_CEASED 0x40
#define INVSPI_FLOW_EV 0x70

/**
 * struct invspi_key - what makes a flow
 * @addr: IPv6: source, then destination. IPv4: zeros, and both addresses at
 *	the end, so that a packet need only look at the last word.
 * @spi: SPI on the wire
 * @sport: UDP source port, 0 unless ESP in UDP
 * @kind: INVSPI_KIND_*
 * @flags: INVSPI_FLOW_* inside the table, else 0; not part of the key
 * @rest: the last four in one word, to compare them at once
 */
struct invspi_key {
	union {
		u64 addr[4];
		struct {
			struct in6_addr src6;
			struct in6_addr dst6;
		};
		struct {
			u64 zero[3];
			__be32 src4;
			__be32 dst4;
		};
	};
	union {
		u64 rest;
		struct {
			__be32 spi;
			__be16 sport;
			u8 kind;
			u8 flags;
		};
	};
};

/* addr[3] of IPv4. Stored in parts, it would be slow to load as one. */
static __always_inline u64 invspi_key_addr4(__be32 src, __be32 dst)
{
#ifdef __LITTLE_ENDIAN
	return (__force u32)src | (u64)(__force u32)dst << 32;
#else
	return (u64)(__force u32)src << 32 | (__force u32)dst;
#endif
}

/* The same for rest, with flags 0 */
static __always_inline u64 invspi_key_rest(__be32 spi, __be16 sport, u8 kind)
{
#ifdef __LITTLE_ENDIAN
	return (__force u32)spi | (u64)(__force u16)sport << 32 | (u64)kind << 48;
#else
	return (u64)(__force u32)spi << 32 | (u64)(__force u16)sport << 16 | (u64)kind << 8;
#endif
}

static __always_inline bool invspi_key_is_udp(const struct invspi_key *key)
{
	return (key->kind & INVSPI_KIND_ENCAP_MASK) == INVSPI_KIND_UDP;
}

/**
 * struct invspi_pkt - one dropped packet
 * @key: its flow
 * @bytes: from the ESP or AH header to its end
 * @seq: sequence number, host order
 * @mark: mark of the SA lookup
 * @ifindex: input interface, 0 if not known
 * @dport: UDP destination port, 0 unless ESP in UDP
 * @reason: why it was dropped
 * @suppressed: out, with INVSPI_TODO_LOG: lines of this flow that the limits
 *	suppressed since its last one
 */
struct invspi_pkt {
	struct invspi_key key;
	u32 bytes;
	u32 seq;
	u32 mark;
	int ifindex;
	__be16 dport;
	u8 reason;
	u32 suppressed;
};

/* What invspi_table_count() wants done, outside of all its locks */
#define INVSPI_TODO_LOG 0x01 /* write a line */
#define INVSPI_TODO_EVENT 0x02 /* run the event work */
#define INVSPI_TODO_AGE 0x04 /* watch for silence */

/**
 * struct invspi_flow - copy of one flow, consistent in itself
 * @key: with flags
 * @drops: packets by reason
 * @bytes: of all of them
 * @first: jiffies_64 of the first packet
 * @last: of the last packet, as all that follow
 */
struct invspi_flow {
	struct invspi_key key;
	u64 drops[INVSPI_REASONS];
	u64 bytes;
	u64 first;
	u64 last;
	u32 seq;
	u32 mark;
	int ifindex;
	__be16 dport;
};

/*
 * Counters of one CPU in one namespace, written with bottom halves off. The
 * first line is all that a packet of a known flow writes.
 */
struct invspi_percpu {
	/* the kernel's own counters when we last looked; see hook.c */
	unsigned long seen[INVSPI_REASONS];
	u64_stats_t log_suppressed;
	u64_stats_t untracked_packets;
	u64_stats_t packets[INVSPI_REASONS][2]; /* [][1] is IPv6 */
	u64_stats_t evicted_flows;
	u64_stats_t evicted_packets;
	u64_stats_t deleted_packets;
	u64_stats_t flows; /* may be negative: only the sum counts */
	struct u64_stats_sync syncp;
} ____cacheline_aligned;

/* The sum over all CPUs */
struct invspi_totals {
	u64 packets[INVSPI_REASONS][2];
	u64 untracked_packets;
	u64 evicted_flows;
	u64 evicted_packets;
	u64 deleted_packets;
	u64 log_suppressed;
	u64 flows;
};

/* Settings as configured, units in the names */
struct invspi_config {
	u32 flows_max;
	u32 desync_packets;
	u32 desync_ms;
	u32 idle_ms;
	u32 log_interval_ms;
	u32 log_rate;
	u32 events_rate;
};

struct invspi_slots;

/**
 * struct invspi_table - flow table of one namespace
 * @slots: the flows; NULL until the first packet
 * @pcpu: counters
 * @key: hash key
 * @desync_packets: as in the configuration; so @log_rate
 * @desync: desync_ms in jiffies
 * @idle: idle_ms in jiffies
 * @log_interval: log_interval_ms in jiffies, 0: no log
 * @log_limit: for the whole namespace
 * @grow_lock: protects @slots and its sets against growth from two sides,
 *	@flows_max and @generation
 * @flows_max: slots, a power of two; what was asked for, or what the memory of
 *	all tables allows, if that is less
 * @generation: changes when the table starts anew
 * @guest: the namespace belongs to a user namespace of its own, and gets only
 *	a part of the memory of all
 */
struct invspi_table {
	struct invspi_slots __rcu *slots;
	struct invspi_percpu __percpu *pcpu;
	struct invspi_hash_key key;
	u32 desync_packets;
	unsigned long desync;
	unsigned long idle;
	unsigned long log_interval;
	u32 log_rate;
	struct invspi_limit log_limit;
	/* see above; taken before a set's lock */
	spinlock_t grow_lock;
	u32 flows_max;
	u32 generation;
	bool guest;
};

/**
 * invspi_event_wanted() - does anybody listen to events of this table?
 * @tb: table
 *
 * Called by the table when it has an event, at most twice in a flow's life,
 * with the flow's lock held and bottom halves off. Supplied by event.c.
 */
bool invspi_event_wanted(struct invspi_table *tb);

typedef bool invspi_match_t(const struct invspi_flow *flow, const void *arg);

/* table.c: set-up, process context */
int invspi_table_module_init(u32 flows_max_all);
void invspi_table_module_exit(void);
int invspi_table_init(struct invspi_table *tb, const struct invspi_config *cfg, bool guest,
		      bool may_log);
void invspi_table_exit(struct invspi_table *tb);
void invspi_table_configure(struct invspi_table *tb, const struct invspi_config *cfg, bool may_log);
int invspi_table_restart(struct invspi_table *tb, u32 flows_max);

struct invspi_set;

/* count.c: the packet path; the usual part of it is in count.h */
u32 invspi_table_count(struct invspi_table *tb, struct invspi_pkt *pkt, u32 hash,
		       struct invspi_set *missed, u32 seen);
bool invspi_table_refuse(struct invspi_table *tb, struct invspi_set *set, u32 seen, bool v6);

/* walk.c: all that is not the packet path */
u32 invspi_table_generation(const struct invspi_table *tb);
void invspi_table_totals(struct invspi_table *tb, struct invspi_totals *sum);
int invspi_table_read_set(struct invspi_table *tb, u32 index, struct invspi_flow *flows);
bool invspi_table_find(struct invspi_table *tb, const struct invspi_key *key,
		       struct invspi_flow *flow);
u64 invspi_table_delete(struct invspi_table *tb, invspi_match_t *match, const void *arg);
u8 invspi_table_next_event(struct invspi_table *tb, u32 *index, struct invspi_flow *flow);
unsigned long invspi_table_age(struct invspi_table *tb, u32 *todo);

#endif /* _XFRM_INVSPI_TABLE_H */
