// SPDX-License-Identifier: GPL-2.0-only
/* The requests of the family xfrm_invspi. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/genetlink.h>

#include "nl.h"
#include "nl_sock.h"

#define DUMP_TRIES 8

struct invspi_nl {
	struct nl_sock *sock;
};

int invspi_nl_open(struct invspi_nl **nlp, struct invspi_err *err)
{
	struct invspi_nl *nl;
	int rc;

	*nlp = NULL;
	nl = calloc(1, sizeof(*nl));
	if (!nl)
		return invspi_err_set(err, ENOMEM, "out of memory");
	rc = nl_sock_open(&nl->sock, err);
	if (!rc)
		rc = nl_sock_resolve(nl->sock, NULL, err);
	if (rc) {
		invspi_nl_close(nl);
		return rc;
	}
	*nlp = nl;
	return 0;
}

void invspi_nl_close(struct invspi_nl *nl)
{
	if (!nl)
		return;
	nl_sock_close(nl->sock);
	free(nl);
}

unsigned int invspi_nl_version(const struct invspi_nl *nl)
{
	return nl->sock->version;
}

static void put_addr(struct nlmsghdr *nlh, int family, uint16_t attr4, uint16_t attr6,
		     const union invspi_addr *addr)
{
	if (family == AF_INET)
		mnl_attr_put(nlh, attr4, sizeof(addr->v4), addr->b);
	else
		mnl_attr_put(nlh, attr6, sizeof(addr->v6), addr->b);
}

static void put_filter(struct nlmsghdr *nlh, const struct invspi_filter *filter)
{
	if (!filter)
		return;
	if (filter->set & INVSPI_FILTER_SRC) {
		put_addr(nlh, filter->family, XFRM_INVSPI_A_FLOW_SRC4, XFRM_INVSPI_A_FLOW_SRC6,
			 &filter->src);
		mnl_attr_put_u8(nlh, XFRM_INVSPI_A_FLOW_SRC_PREFIXLEN, filter->src_plen);
	}
	if (filter->set & INVSPI_FILTER_DST) {
		put_addr(nlh, filter->family, XFRM_INVSPI_A_FLOW_DST4, XFRM_INVSPI_A_FLOW_DST6,
			 &filter->dst);
		mnl_attr_put_u8(nlh, XFRM_INVSPI_A_FLOW_DST_PREFIXLEN, filter->dst_plen);
	}
	if (filter->set & INVSPI_FILTER_PROTO)
		mnl_attr_put_u8(nlh, XFRM_INVSPI_A_FLOW_PROTO, filter->proto);
	if (filter->set & INVSPI_FILTER_SPI)
		mnl_attr_put_u32(nlh, XFRM_INVSPI_A_FLOW_SPI, htonl(filter->spi));
	if (filter->set & INVSPI_FILTER_ENCAP)
		mnl_attr_put_u32(nlh, XFRM_INVSPI_A_FLOW_ENCAP_TYPE, filter->encap_type);
	if (filter->set & INVSPI_FILTER_SPORT)
		mnl_attr_put_u16(nlh, XFRM_INVSPI_A_FLOW_ENCAP_SPORT, htons(filter->sport));
	if (filter->set & INVSPI_FILTER_STATE)
		mnl_attr_put_u32(nlh, XFRM_INVSPI_A_FLOW_STATE, filter->state);
}

static const void *attrs_of(const struct nlmsghdr *nlh, size_t *len)
{
	size_t payload = mnl_nlmsg_get_payload_len(nlh);
	size_t head = MNL_ALIGN(sizeof(struct genlmsghdr));

	*len = payload > head ? payload - head : 0;
	return (const char *)mnl_nlmsg_get_payload(nlh) + head;
}

struct flows {
	struct invspi_flow *flow;
	size_t n;
	size_t room;
};

static int collect_cb(const struct nlmsghdr *nlh, void *arg, struct invspi_err *err)
{
	struct flows *flows = arg;
	struct invspi_flow *p;
	const void *attrs;
	size_t len, room;
	int rc;

	if (flows->n == flows->room) {
		room = flows->room ? flows->room * 2 : 64;
		p = reallocarray(flows->flow, room, sizeof(*p));
		if (!p)
			return invspi_err_set(err, ENOMEM, "out of memory after %zu flows",
					      flows->n);
		flows->flow = p;
		flows->room = room;
	}
	attrs = attrs_of(nlh, &len);
	rc = invspi_nl_parse_flow(attrs, len, &flows->flow[flows->n], err);
	if (!rc)
		flows->n++;
	return rc;
}

int invspi_nl_flow_dump(struct invspi_nl *nl, const struct invspi_filter *filter, invspi_flow_cb cb,
			void *arg, struct invspi_err *err)
{
	char buf[MNL_SOCKET_BUFFER_SIZE] __attribute__((aligned(8)));
	struct flows flows = { 0 };
	struct nlmsghdr *nlh;
	int tries, rc = 0;
	size_t i;

	for (tries = 0; tries < DUMP_TRIES; tries++) {
		flows.n = 0;
		nlh = nl_sock_request(nl->sock, buf, XFRM_INVSPI_CMD_FLOW_GET, NLM_F_DUMP);
		put_filter(nlh, filter);
		rc = nl_sock_talk(nl->sock, nlh, "flow-get", collect_cb, &flows, err);
		if (rc != -EINTR)
			break;
	}
	for (i = 0; !rc && i < flows.n; i++)
		rc = cb(&flows.flow[i], arg);
	free(flows.flow);
	return rc;
}

struct one_flow {
	struct invspi_flow *flow;
	bool seen;
};

static int one_flow_cb(const struct nlmsghdr *nlh, void *arg, struct invspi_err *err)
{
	struct one_flow *one = arg;
	const void *attrs;
	size_t len;

	attrs = attrs_of(nlh, &len);
	one->seen = true;
	return invspi_nl_parse_flow(attrs, len, one->flow, err);
}

int invspi_nl_flow_get(struct invspi_nl *nl, const struct invspi_flow *key,
		       struct invspi_flow *flow, struct invspi_err *err)
{
	char buf[MNL_SOCKET_BUFFER_SIZE] __attribute__((aligned(8)));
	struct one_flow one = { .flow = flow };
	struct nlmsghdr *nlh;
	int rc;

	nlh = nl_sock_request(nl->sock, buf, XFRM_INVSPI_CMD_FLOW_GET, NLM_F_ACK);
	put_addr(nlh, key->family, XFRM_INVSPI_A_FLOW_SRC4, XFRM_INVSPI_A_FLOW_SRC6, &key->src);
	put_addr(nlh, key->family, XFRM_INVSPI_A_FLOW_DST4, XFRM_INVSPI_A_FLOW_DST6, &key->dst);
	mnl_attr_put_u8(nlh, XFRM_INVSPI_A_FLOW_PROTO, key->proto);
	mnl_attr_put_u32(nlh, XFRM_INVSPI_A_FLOW_SPI, htonl(key->spi));
	if (key->encap_type != XFRM_INVSPI_ENCAP_NONE)
		mnl_attr_put_u32(nlh, XFRM_INVSPI_A_FLOW_ENCAP_TYPE, key->encap_type);
	if (key->encap_type == XFRM_INVSPI_ENCAP_ESPINUDP)
		mnl_attr_put_u16(nlh, XFRM_INVSPI_A_FLOW_ENCAP_SPORT, htons(key->sport));

	rc = nl_sock_talk(nl->sock, nlh, "flow-get", one_flow_cb, &one, err);
	if (!rc && !one.seen)
		rc = invspi_err_set(err, EBADMSG, "flow-get: the kernel answered without a flow");
	return rc;
}

int invspi_nl_flow_del(struct invspi_nl *nl, const struct invspi_filter *filter,
		       struct invspi_err *err)
{
	char buf[MNL_SOCKET_BUFFER_SIZE] __attribute__((aligned(8)));
	struct nlmsghdr *nlh;

	nlh = nl_sock_request(nl->sock, buf, XFRM_INVSPI_CMD_FLOW_DEL, NLM_F_ACK);
	put_filter(nlh, filter);
	return nl_sock_talk(nl->sock, nlh, "flow-del", NULL, NULL, err);
}

static int stats_cb(const struct nlmsghdr *nlh, void *arg, struct invspi_err *err)
{
	const void *attrs;
	size_t len;

	attrs = attrs_of(nlh, &len);
	return invspi_nl_parse_stats(attrs, len, arg, err);
}

int invspi_nl_stats_get(struct invspi_nl *nl, struct invspi_stats *stats, struct invspi_err *err)
{
	char buf[MNL_SOCKET_BUFFER_SIZE] __attribute__((aligned(8)));
	struct nlmsghdr *nlh;

	memset(stats, 0, sizeof(*stats));
	nlh = nl_sock_request(nl->sock, buf, XFRM_INVSPI_CMD_STATS_GET, NLM_F_ACK);
	return nl_sock_talk(nl->sock, nlh, "stats-get", stats_cb, stats, err);
}

static int config_cb(const struct nlmsghdr *nlh, void *arg, struct invspi_err *err)
{
	const void *attrs;
	size_t len;

	attrs = attrs_of(nlh, &len);
	return invspi_nl_parse_config(attrs, len, arg, err);
}

int invspi_nl_config_get(struct invspi_nl *nl, struct invspi_config *config, struct invspi_err *err)
{
	char buf[MNL_SOCKET_BUFFER_SIZE] __attribute__((aligned(8)));
	struct nlmsghdr *nlh;

	memset(config, 0, sizeof(*config));
	nlh = nl_sock_request(nl->sock, buf, XFRM_INVSPI_CMD_CONFIG_GET, NLM_F_ACK);
	return nl_sock_talk(nl->sock, nlh, "config-get", config_cb, config, err);
}

int invspi_nl_config_set(struct invspi_nl *nl, const struct invspi_config *config,
			 struct invspi_err *err)
{
	char buf[MNL_SOCKET_BUFFER_SIZE] __attribute__((aligned(8)));
	struct nlmsghdr *nlh;
	unsigned int attr;

	nlh = nl_sock_request(nl->sock, buf, XFRM_INVSPI_CMD_CONFIG_SET, NLM_F_ACK);
	for (attr = 1; attr <= XFRM_INVSPI_A_CONFIG_MAX; attr++)
		if (config->present & INVSPI_CONFIG_BIT(attr))
			mnl_attr_put_u32(nlh, (uint16_t)attr, config->value[attr]);
	return nl_sock_talk(nl->sock, nlh, "config-set", NULL, NULL, err);
}
