// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the attributes of a message to C structures. Pure: no allocation, no
 * I/O, any bytes may come in. Every attribute's length is checked exactly;
 * those that a newer kernel added are skipped.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/netlink.h>

#include "nl.h"

struct span {
	const unsigned char *data; /* NULL: attribute is not there */
	size_t len;
};

/* The last of attributes of one type counts, as in the kernel. */
static int index_attrs(const void *attrs, size_t len, struct span *tb, unsigned int max,
		       struct invspi_err *err)
{
	const unsigned char *p = attrs;
	struct nlattr nla;
	unsigned int type;
	size_t step;

	memset(tb, 0, (max + 1) * sizeof(*tb));
	while (len) {
		if (len < sizeof(nla))
			return invspi_err_set(err, EBADMSG,
					      "malformed message: "
					      "%zu bytes behind the last attribute",
					      len);
		memcpy(&nla, p, sizeof(nla));
		if (nla.nla_len < sizeof(nla) || nla.nla_len > len)
			return invspi_err_set(err, EBADMSG,
					      "malformed message: "
					      "attribute %u says %u bytes, %zu are left",
					      nla.nla_type & NLA_TYPE_MASK, nla.nla_len, len);
		type = nla.nla_type & NLA_TYPE_MASK;
		if (type <= max) {
			tb[type].data = p + sizeof(nla);
			tb[type].len = nla.nla_len - sizeof(nla);
		}
		step = NLA_ALIGN(nla.nla_len);
		if (step > len)
			step = len;
		p += step;
		len -= step;
	}
	return 0;
}

/* Copies attribute @type if it is there; its length must be @size. */
static int get(const struct span *tb, unsigned int type, void *to, size_t size,
	       struct invspi_err *err)
{
	if (!tb[type].data)
		return 0;
	if (tb[type].len != size)
		return invspi_err_set(err, EBADMSG,
				      "malformed message: "
				      "attribute %u has %zu bytes instead of %zu",
				      type, tb[type].len, size);
	memcpy(to, tb[type].data, size);
	return 0;
}

struct field {
	unsigned int type;
	size_t offset;
	size_t size;
};

#define FIELD(s, member, attr)                                                    \
	{                                                                         \
		attr, offsetof(struct s, member), sizeof(((struct s *)0)->member) \
	}

static int get_fields(const struct span *tb, const struct field *fields, size_t n, void *to,
		      struct invspi_err *err)
{
	size_t i;
	int rc;

	for (i = 0; i < n; i++) {
		rc = get(tb, fields[i].type, (char *)to + fields[i].offset, fields[i].size, err);
		if (rc)
			return rc;
	}
	return 0;
}

#define GET_FIELDS(tb, fields, to, err) \
	get_fields(tb, fields, sizeof(fields) / sizeof((fields)[0]), to, err)

static int get_reasons(const struct span *nest, uint64_t reasons[INVSPI_REASONS],
		       struct invspi_err *err)
{
	static const unsigned int types[INVSPI_REASONS] = {
		[INVSPI_REASON_NO_STATE] = XFRM_INVSPI_A_REASONS_NO_STATE,
		[INVSPI_REASON_ACQUIRE] = XFRM_INVSPI_A_REASONS_ACQUIRE,
		[INVSPI_REASON_STATE_INVALID] = XFRM_INVSPI_A_REASONS_STATE_INVALID,
		[INVSPI_REASON_ENCAP_MISMATCH] = XFRM_INVSPI_A_REASONS_ENCAP_MISMATCH,
	};
	struct span tb[XFRM_INVSPI_A_REASONS_MAX + 1];
	unsigned int i;
	int rc;

	if (!nest->data)
		return 0;
	rc = index_attrs(nest->data, nest->len, tb, XFRM_INVSPI_A_REASONS_MAX, err);
	for (i = 0; !rc && i < INVSPI_REASONS; i++)
		rc = get(tb, types[i], &reasons[i], sizeof(reasons[i]), err);
	return rc;
}

static int get_addresses(const struct span *tb, struct invspi_flow *flow, struct invspi_err *err)
{
	bool v4 = tb[XFRM_INVSPI_A_FLOW_SRC4].data && tb[XFRM_INVSPI_A_FLOW_DST4].data;
	bool v6 = tb[XFRM_INVSPI_A_FLOW_SRC6].data && tb[XFRM_INVSPI_A_FLOW_DST6].data;
	int rc;

	if (v4 == v6)
		return invspi_err_set(err, EBADMSG,
				      "malformed message: "
				      "a flow needs two IPv4 or two IPv6 addresses");
	if (v4) {
		flow->family = AF_INET;
		rc = get(tb, XFRM_INVSPI_A_FLOW_SRC4, &flow->src, 4, err);
		return rc ? rc : get(tb, XFRM_INVSPI_A_FLOW_DST4, &flow->dst, 4, err);
	}
	flow->family = AF_INET6;
	rc = get(tb, XFRM_INVSPI_A_FLOW_SRC6, &flow->src, 16, err);
	return rc ? rc : get(tb, XFRM_INVSPI_A_FLOW_DST6, &flow->dst, 16, err);
}

static int parse_flow_attrs(const void *attrs, size_t len, struct invspi_flow *flow,
			    struct invspi_err *err)
{
	static const struct field fields[] = {
		FIELD(invspi_flow, proto, XFRM_INVSPI_A_FLOW_PROTO),
		FIELD(invspi_flow, spi, XFRM_INVSPI_A_FLOW_SPI),
		FIELD(invspi_flow, encap_type, XFRM_INVSPI_A_FLOW_ENCAP_TYPE),
		FIELD(invspi_flow, sport, XFRM_INVSPI_A_FLOW_ENCAP_SPORT),
		FIELD(invspi_flow, dport, XFRM_INVSPI_A_FLOW_ENCAP_DPORT),
		FIELD(invspi_flow, packets, XFRM_INVSPI_A_FLOW_PACKETS),
		FIELD(invspi_flow, bytes, XFRM_INVSPI_A_FLOW_BYTES),
		FIELD(invspi_flow, first_age_ms, XFRM_INVSPI_A_FLOW_FIRST_SEEN_AGE_MS),
		FIELD(invspi_flow, last_age_ms, XFRM_INVSPI_A_FLOW_LAST_SEEN_AGE_MS),
		FIELD(invspi_flow, ifindex, XFRM_INVSPI_A_FLOW_IFINDEX),
		FIELD(invspi_flow, last_seq, XFRM_INVSPI_A_FLOW_LAST_SEQ),
		FIELD(invspi_flow, mark, XFRM_INVSPI_A_FLOW_MARK),
		FIELD(invspi_flow, state, XFRM_INVSPI_A_FLOW_STATE),
	};
	struct span tb[XFRM_INVSPI_A_FLOW_MAX + 1];
	int rc;

	rc = index_attrs(attrs, len, tb, XFRM_INVSPI_A_FLOW_MAX, err);
	if (!rc)
		rc = get_addresses(tb, flow, err);
	if (!rc)
		rc = GET_FIELDS(tb, fields, flow, err);
	if (!rc)
		rc = get_reasons(&tb[XFRM_INVSPI_A_FLOW_REASONS], flow->reasons, err);
	if (rc)
		return rc;
	if (!tb[XFRM_INVSPI_A_FLOW_SPI].data || !tb[XFRM_INVSPI_A_FLOW_PROTO].data)
		return invspi_err_set(err, EBADMSG,
				      "malformed message: a flow without SPI or protocol");
	flow->spi = ntohl(flow->spi);
	flow->sport = ntohs(flow->sport);
	flow->dport = ntohs(flow->dport);
	return 0;
}

int invspi_nl_parse_flow(const void *attrs, size_t len, struct invspi_flow *flow,
			 struct invspi_err *err)
{
	int rc;

	memset(flow, 0, sizeof(*flow));
	rc = parse_flow_attrs(attrs, len, flow, err);
	if (rc)
		memset(flow, 0, sizeof(*flow));
	return rc;
}

int invspi_nl_parse_stats(const void *attrs, size_t len, struct invspi_stats *stats,
			  struct invspi_err *err)
{
	static const struct field fields[] = {
		FIELD(invspi_stats, flows, XFRM_INVSPI_A_STATS_FLOWS),
		FIELD(invspi_stats, flows_max, XFRM_INVSPI_A_STATS_FLOWS_MAX),
		FIELD(invspi_stats, evicted_flows, XFRM_INVSPI_A_STATS_EVICTED_FLOWS),
		FIELD(invspi_stats, evicted_packets, XFRM_INVSPI_A_STATS_EVICTED_PACKETS),
		FIELD(invspi_stats, deleted_packets, XFRM_INVSPI_A_STATS_DELETED_PACKETS),
		FIELD(invspi_stats, untracked_packets, XFRM_INVSPI_A_STATS_UNTRACKED_PACKETS),
		FIELD(invspi_stats, log_suppressed, XFRM_INVSPI_A_STATS_LOG_SUPPRESSED),
		FIELD(invspi_stats, events_sent, XFRM_INVSPI_A_STATS_EVENTS_SENT),
		FIELD(invspi_stats, events_suppressed, XFRM_INVSPI_A_STATS_EVENTS_SUPPRESSED),
	};
	struct span tb[XFRM_INVSPI_A_STATS_MAX + 1];
	int rc;

	memset(stats, 0, sizeof(*stats));
	rc = index_attrs(attrs, len, tb, XFRM_INVSPI_A_STATS_MAX, err);
	if (!rc)
		rc = GET_FIELDS(tb, fields, stats, err);
	if (!rc)
		rc = get_reasons(&tb[XFRM_INVSPI_A_STATS_PACKETS], stats->packets, err);
	if (!rc)
		rc = get_reasons(&tb[XFRM_INVSPI_A_STATS_IPV4], stats->ipv4, err);
	if (!rc)
		rc = get_reasons(&tb[XFRM_INVSPI_A_STATS_IPV6], stats->ipv6, err);
	if (rc)
		memset(stats, 0, sizeof(*stats));
	return rc;
}

int invspi_nl_parse_config(const void *attrs, size_t len, struct invspi_config *config,
			   struct invspi_err *err)
{
	struct span tb[XFRM_INVSPI_A_CONFIG_MAX + 1];
	unsigned int i;
	int rc;

	memset(config, 0, sizeof(*config));
	rc = index_attrs(attrs, len, tb, XFRM_INVSPI_A_CONFIG_MAX, err);
	for (i = 1; !rc && i <= XFRM_INVSPI_A_CONFIG_MAX; i++) {
		rc = get(tb, i, &config->value[i], sizeof(config->value[i]), err);
		if (tb[i].data)
			config->present |= INVSPI_CONFIG_BIT(i);
	}
	if (rc)
		memset(config, 0, sizeof(*config));
	return rc;
}
