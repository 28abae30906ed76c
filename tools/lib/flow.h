/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel knows, as C structures. Integers are in host byte order,
 * addresses are the bytes of the packet. enum values (state, encap, reasons'
 * order) are those of linux/xfrm_invspi.h.
 */
#ifndef INVSPI_LIB_FLOW_H
#define INVSPI_LIB_FLOW_H

#include <stdbool.h>
#include <stdint.h>
#include <netinet/in.h>

#include <linux/xfrm_invspi.h>

enum invspi_reason {
	INVSPI_REASON_NO_STATE,
	INVSPI_REASON_ACQUIRE,
	INVSPI_REASON_STATE_INVALID,
	INVSPI_REASON_ENCAP_MISMATCH,
	INVSPI_REASONS
};

enum invspi_event { INVSPI_EVENT_NEW, INVSPI_EVENT_DESYNC, INVSPI_EVENT_CEASED, INVSPI_EVENTS };

union invspi_addr {
	struct in_addr v4;
	struct in6_addr v6;
	uint8_t b[16]; /* for IPv4 all but the first four are 0 */
};

/**
 * struct invspi_flow - one flow of the table
 * @family: AF_INET or AF_INET6
 * @proto: IPPROTO_ESP or IPPROTO_AH
 * @src: outer source; nobody authenticated it
 * @dst: outer destination
 * @spi: SPI
 * @encap_type: XFRM_INVSPI_ENCAP_*
 * @sport: UDP source port, 0 without espinudp; part of the flow's key
 * @dport: UDP destination port of the last packet, 0 without espinudp
 * @packets: the sum of @reasons
 * @bytes: from the ESP or AH header to the end of the packet
 * @reasons: packets by enum invspi_reason
 * @first_age_ms: since the first packet, when the kernel answered
 * @last_age_ms: since the last packet
 * @ifindex: input interface of the last packet, 0 if not known
 * @last_seq: sequence number of the last packet
 * @mark: mark with which the last packet's SA was looked up
 * @state: XFRM_INVSPI_FLOW_STATE_*
 */
struct invspi_flow {
	int family;
	uint8_t proto;
	union invspi_addr src;
	union invspi_addr dst;
	uint32_t spi;
	uint32_t encap_type;
	uint16_t sport;
	uint16_t dport;
	uint64_t packets;
	uint64_t bytes;
	uint64_t reasons[INVSPI_REASONS];
	uint64_t first_age_ms;
	uint64_t last_age_ms;
	uint32_t ifindex;
	uint32_t last_seq;
	uint32_t mark;
	uint32_t state;
};

/* Bits of invspi_filter.set */
#define INVSPI_FILTER_SRC 0x01
#define INVSPI_FILTER_DST 0x02
#define INVSPI_FILTER_PROTO 0x04
#define INVSPI_FILTER_SPI 0x08
#define INVSPI_FILTER_ENCAP 0x10
#define INVSPI_FILTER_SPORT 0x20
#define INVSPI_FILTER_STATE 0x40

/**
 * struct invspi_filter - which flows; every member counts only if in @set
 * @set: INVSPI_FILTER_*; 0 matches every flow
 * @family: of @src and @dst
 * @src_plen: how many leading bits of @src must match
 * @dst_plen: the same for @dst
 */
struct invspi_filter {
	uint32_t set;
	int family;
	union invspi_addr src;
	union invspi_addr dst;
	uint8_t src_plen;
	uint8_t dst_plen;
	uint8_t proto;
	uint32_t spi;
	uint32_t encap_type;
	uint16_t sport;
	uint32_t state;
};

/**
 * struct invspi_stats - totals of the network namespace
 *
 * sum of the flows' packets + @evicted_packets + @deleted_packets +
 * @untracked_packets equals the sum of @packets, at rest.
 */
struct invspi_stats {
	uint64_t packets[INVSPI_REASONS];
	uint64_t ipv4[INVSPI_REASONS];
	uint64_t ipv6[INVSPI_REASONS];
	uint32_t flows;
	uint32_t flows_max;
	uint64_t evicted_flows;
	uint64_t evicted_packets;
	uint64_t deleted_packets;
	uint64_t untracked_packets;
	uint64_t log_suppressed;
	uint64_t events_sent;
	uint64_t events_suppressed;
};

/**
 * struct invspi_config - settings of the network namespace
 * @present: bit INVSPI_CONFIG_BIT(attr) says that @value[attr] is valid
 * @value: indexed by XFRM_INVSPI_A_CONFIG_*
 */
struct invspi_config {
	uint32_t present;
	uint32_t value[XFRM_INVSPI_A_CONFIG_MAX + 1];
};

#define INVSPI_CONFIG_BIT(attr) (1u << (attr))

/**
 * struct invspi_config_key - one setting
 * @name: as in the contract, with dashes
 * @attr: XFRM_INVSPI_A_CONFIG_*
 * @is_ms: the value is a time in milliseconds
 */
struct invspi_config_key {
	const char *name;
	uint16_t attr;
	bool is_ms;
};

/* Ends with a NULL name. */
extern const struct invspi_config_key invspi_config_keys[];

/* Names as the contract spells them, with underscores; NULL if not known. */
const char *invspi_reason_name(unsigned int reason);
const char *invspi_event_name(unsigned int event);
const char *invspi_state_name(uint32_t state);
const char *invspi_encap_name(uint32_t encap_type);

/**
 * invspi_proto_name() - "esp" or "ah"; NULL for another protocol
 */
const char *invspi_proto_name(uint8_t proto);

/**
 * invspi_flow_same() - whether two flows have the same key
 *
 * The key is what the kernel tells flows apart by: addresses, SPI, protocol,
 * encapsulation and its source port.
 */
bool invspi_flow_same(const struct invspi_flow *a, const struct invspi_flow *b);

#endif /* INVSPI_LIB_FLOW_H */
