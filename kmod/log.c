// SPDX-License-Identifier: GPL-2.0-only
/*
 * The log line. Fields, order and spelling are those that parsers of such
 * messages know from routers; what is ours stands at the end.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/in.h>
#include <linux/netdevice.h>
#include <linux/printk.h>

#include <linux/xfrm_invspi.h>

#include "invspi.h"

/**
 * invspi_log() - write the line of a packet
 * @net: its namespace
 * @pkt: packet; the limits have been asked
 *
 * Inside an RCU read side, no lock of the table held: a slow console must not
 * stop other packets.
 */
void invspi_log(struct net *net, const struct invspi_pkt *pkt)
{
	const struct invspi_key *key = &pkt->key;
	u8 proto = key->kind & INVSPI_KIND_AH ? IPPROTO_AH : IPPROTO_ESP;
	struct net_device *dev = dev_get_by_index_rcu(net, pkt->ifindex);
	char src[sizeof("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")];
	char dst[sizeof(src)], port[sizeof(", srcport=65535")] = "";
	char more[sizeof(", 4294967295 suppressed")] = "";
	u32 spi = be32_to_cpu(key->spi);

	if (key->kind & INVSPI_KIND_IPV6) {
		snprintf(src, sizeof(src), "%pI6c", &key->src6);
		snprintf(dst, sizeof(dst), "%pI6c", &key->dst6);
	} else {
		snprintf(src, sizeof(src), "%pI4", &key->src4);
		snprintf(dst, sizeof(dst), "%pI4", &key->dst4);
	}
	if (invspi_key_is_udp(key))
		snprintf(port, sizeof(port), ", srcport=%u", ntohs(key->sport));
	if (pkt->suppressed)
		snprintf(more, sizeof(more), ", %u suppressed", pkt->suppressed);

	pr_warn("%%CRYPTO-4-RECVD_PKT_INV_SPI: decaps: rec'd IPSEC packet has invalid spi for destaddr=%s, prot=%u, spi=0x%08X(%u), srcaddr=%s, input interface=%s%s%s\n",
		dst, proto, spi, spi, src, dev ? dev->name : "unknown", port, more);
}
