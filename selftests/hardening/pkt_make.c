// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets as they might be, and then something about them that should not be. What
 * lies below ESP or AH is chosen layer by layer, so that most of them get far enough
 * for the layer above to matter.
 */
#include <net/ethernet.h>
#include <netinet/in.h>
#include <string.h>

#include "../net/bytes.h"
#include "pkt.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4 /* Linux 6.2 */
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define DEPTH_MAX 4
#define ROOM 80 /* less is left: no further layer */

/* A packet under construction */
struct make {
	struct rnd *r;
	struct pkt *pkt;
	uint8_t *p; /* where the next layer goes */
	uint8_t *end;
	bool v6; /* the outermost header */
	const uint8_t *addresses; /* of the innermost IPv6 header so far */
	uint8_t *next; /* of the outermost: the byte that says what follows it ... */
	uint8_t *payload; /* ... and where that is: a fragment header would go there */
};

static void filler(struct make *m, size_t n)
{
	if (n > (size_t)(m->end - m->p))
		n = m->end - m->p;
	rnd_fill(m->r, m->p, n);
	m->p += n;
}

/* See fuzz_pkt.sh: from 0x2000 on there are SAs of many kinds. */
static uint32_t choose_spi(struct rnd *r)
{
	switch (rnd_below(r, 8)) {
	case 0:
		return rnd_edge(r);
	case 1:
	case 2:
		return 0x2000 + rnd_below(r, 32);
	default:
		return 0x1000 + rnd_below(r, 200);
	}
}

static size_t choose_length(struct rnd *r)
{
	switch (rnd_below(r, 8)) {
	case 0:
		return rnd_below(r, 8);
	case 1:
		return rnd_below(r, 1400);
	default:
		return 16 + rnd_below(r, 128);
	}
}

static uint8_t choose_inner(struct rnd *r)
{
	static const uint8_t inner[] = { IPPROTO_ESP,  IPPROTO_ESP,  IPPROTO_AH,   IPPROTO_UDP,
					 IPPROTO_TCP,  IPPROTO_IPIP, IPPROTO_IPV6, IPPROTO_NONE,
					 IPPROTO_COMP, IPPROTO_GRE };

	return inner[rnd_below(r, sizeof(inner))];
}

static void put_proto(struct make *m, uint8_t proto, unsigned int depth);

/* Ends as an SA without a cipher wants it, so that what is inside comes out. */
static void put_esp(struct make *m, unsigned int depth)
{
	uint8_t inner = choose_inner(m->r), *start = m->p;
	unsigned int pad;

	put32(m->p, choose_spi(m->r));
	put32(m->p + 4, rnd_edge(m->r));
	m->p += 8;
	if (rnd_one_in(m->r, 2))
		put_proto(m, inner, depth + 1);
	else
		filler(m, choose_length(m->r));
	pad = (2 - (m->p - start)) & 3;
	if (m->end - m->p < (int)pad + 2)
		return;
	for (unsigned int i = 1; i <= pad; i++)
		*m->p++ = i;
	*m->p++ = pad;
	*m->p++ = inner;
}

static void put_ah(struct make *m, unsigned int depth)
{
	uint8_t inner = choose_inner(m->r), *start = m->p;

	start[0] = inner;
	start[1] = rnd_one_in(m->r, 8) ? rnd_edge(m->r) : 4;
	put16(start + 2, 0);
	put32(start + 4, choose_spi(m->r));
	put32(start + 8, rnd_edge(m->r));
	m->p += 12;
	filler(m, 12);
	put_proto(m, inner, depth + 1);
}

static void put_udp(struct make *m, unsigned int depth)
{
	uint8_t *start = m->p;
	size_t n;

	put16(start, rnd_one_in(m->r, 4) ? rnd_edge(m->r) : 4500 + rnd_below(m->r, 8));
	put16(start + 2, rnd_one_in(m->r, 8) ? rnd_edge(m->r) : 4500);
	put16(start + 6, 0);
	m->p += 8;
	if (rnd_one_in(m->r, 16))
		filler(m, choose_length(m->r));
	else
		put_esp(m, depth);
	n = m->p - start;
	put16(start + 4, n);
	/* IPv4 can do without a checksum. */
	if (m->addresses)
		put16(start + 6, fold(sum16(start, n, sum16(m->addresses, 32, IPPROTO_UDP + n))));
}

static void choose_addresses(struct make *m, uint8_t *src, uint8_t *dst, bool v6)
{
	struct rnd *r = m->r;

	if (v6) {
		memcpy(src, PKT_GW6, 16);
		src[15] = 2 + rnd_below(r, 3);
		memcpy(dst, PKT_GW6, 16);
	} else {
		memcpy(src, PKT_GW4, 4);
		src[3] = 2 + rnd_below(r, 3);
		memcpy(dst, PKT_GW4, 4);
	}
	if (rnd_one_in(r, 10))
		rnd_fill(r, src + (v6 ? 8 : 1), v6 ? 8 : 3);
	if (!rnd_one_in(r, 16))
		return;
	memset(dst, 0, v6 ? 16 : 4);
	switch (rnd_below(r, 4)) {
	case 0: /* loopback */
		dst[0] = v6 ? 0 : 127;
		dst[v6 ? 15 : 3] = 1;
		break;
	case 1: /* all nodes */
		dst[0] = v6 ? 0xff : 224;
		dst[1] = v6 ? 2 : 0;
		dst[v6 ? 15 : 3] = 1;
		break;
	case 2: /* broadcast, for IPv4 */
		memset(dst, 0xff, v6 ? 16 : 4);
		break;
	default:
		rnd_fill(r, dst, v6 ? 16 : 4);
	}
}

static void put_ip4(struct make *m, uint8_t proto, unsigned int depth)
{
	uint8_t *h = m->p;
	size_t hl = 20;

	memset(h, 0, 20);
	m->addresses = NULL;
	choose_addresses(m, h + 12, h + 16, false);
	m->p += 20;
	if (rnd_one_in(m->r, 8)) {
		size_t n = 4 * (1 + rnd_below(m->r, 10));

		/* no-operations, or whatever it is */
		memset(m->p, 1, n);
		if (rnd_one_in(m->r, 2))
			rnd_fill(m->r, m->p, n);
		m->p += n;
		hl += n;
	}
	h[0] = 0x40 | hl / 4;
	h[1] = rnd_one_in(m->r, 4) ? rnd_next(m->r) : 0;
	put16(h + 4, rnd_next(m->r));
	h[8] = rnd_one_in(m->r, 16) ? rnd_below(m->r, 4) : 64;
	h[9] = proto;
	if (!depth) {
		m->next = h + 9;
		m->payload = m->p;
	}
	put_proto(m, proto, depth);
	put16(h + 2, m->p - h);
	put16(h + 10, fold(sum16(h, hl, 0)));
}

/* Extension headers; returns where the last of them names what follows. */
static uint8_t *put_extensions(struct make *m, uint8_t *next)
{
	static const uint8_t kinds[] = { IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, IPPROTO_ROUTING,
					 IPPROTO_FRAGMENT, IPPROTO_DSTOPTS };

	for (unsigned int n = rnd_below(m->r, 4); n; n--) {
		uint8_t kind = kinds[rnd_below(m->r, sizeof(kinds))];
		size_t len = kind == IPPROTO_FRAGMENT ? 8 : 8 * (1 + rnd_below(m->r, 4));

		*next = kind;
		next = m->p;
		memset(m->p, 0, len); /* options: all Pad1; an atomic fragment */
		if (kind != IPPROTO_FRAGMENT)
			m->p[1] = len / 8 - 1;
		if (rnd_one_in(m->r, 4))
			rnd_fill(m->r, m->p + 2, len - 2);
		if (rnd_one_in(m->r, 16))
			m->p[1] = rnd_edge(m->r);
		m->p += len;
	}
	return next;
}

static void put_ip6(struct make *m, uint8_t proto, unsigned int depth)
{
	uint8_t *h = m->p, *next;

	memset(h, 0, 40);
	choose_addresses(m, h + 8, h + 24, true);
	m->addresses = h + 8;
	h[0] = 0x60 | (rnd_one_in(m->r, 4) ? rnd_below(m->r, 16) : 0);
	h[7] = rnd_one_in(m->r, 16) ? rnd_below(m->r, 4) : 64;
	m->p += 40;
	next = h + 6;
	if (rnd_one_in(m->r, 3))
		next = put_extensions(m, next);
	*next = proto;
	if (!depth) {
		m->next = next;
		m->payload = m->p;
	}
	put_proto(m, proto, depth);
	put16(h + 4, m->p - h - 40);
}

static void put_proto(struct make *m, uint8_t proto, unsigned int depth)
{
	if (depth > DEPTH_MAX || m->end - m->p < ROOM + 256)
		return;
	switch (proto) {
	case IPPROTO_ESP:
		put_esp(m, depth);
		break;
	case IPPROTO_AH:
		put_ah(m, depth);
		break;
	case IPPROTO_UDP:
		put_udp(m, depth);
		break;
	case IPPROTO_IPIP:
		put_ip4(m, choose_inner(m->r), depth + 1);
		break;
	case IPPROTO_IPV6:
		put_ip6(m, choose_inner(m->r), depth + 1);
		break;
	default:
		filler(m, choose_length(m->r));
	}
}

static uint8_t choose_outer(struct rnd *r)
{
	switch (rnd_below(r, 16)) {
	case 0:
		return rnd_next(r);
	case 1:
		return choose_inner(r);
	case 2:
	case 3:
	case 4:
		return IPPROTO_UDP;
	case 5:
	case 6:
		return IPPROTO_AH;
	default:
		return IPPROTO_ESP;
	}
}

/* What a network card of a virtual machine says about checksum and segments */
static void choose_vnet(struct rnd *r, struct pkt *p)
{
	static const uint8_t gso[] = { VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_HDR_GSO_UDP,
				       VIRTIO_NET_HDR_GSO_TCPV6, VIRTIO_NET_HDR_GSO_UDP_L4,
				       VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN };

	memset(&p->vnet, 0, sizeof(p->vnet));
	if (rnd_one_in(r, 3)) {
		p->vnet.flags = rnd_one_in(r, 4) ? VIRTIO_NET_HDR_F_DATA_VALID
						 : VIRTIO_NET_HDR_F_NEEDS_CSUM;
		p->vnet.csum_start = PKT_ETH + 20 + 4 * rnd_below(r, 12);
		p->vnet.csum_offset = rnd_one_in(r, 2) ? 6 : 16;
	}
	if (rnd_one_in(r, 3)) {
		p->vnet.gso_type = gso[rnd_below(r, sizeof(gso))];
		p->vnet.gso_size = rnd_one_in(r, 4) ? rnd_edge(r) : 16 + rnd_below(r, 200);
		p->vnet.hdr_len = rnd_one_in(r, 4) ? rnd_edge(r) : PKT_ETH + 20 + rnd_below(r, 60);
	}
}

static void damage(struct rnd *r, struct pkt *p)
{
	uint8_t *l3 = p->data + PKT_ETH;
	size_t n = p->len - PKT_ETH, head = n < 96 ? n : 96;

	if (rnd_one_in(r, 4))
		rnd_damage(r, l3, head);
	if (rnd_one_in(r, 16))
		rnd_damage(r, l3, n);
	if (rnd_one_in(r, 10))
		p->len = PKT_ETH + rnd_below(r, n + 1);
	if (rnd_one_in(r, 24)) /* what lies behind the end, according to its header */
		p->len += rnd_below(r, 32);
	if (rnd_one_in(r, 64))
		p->data[12 + rnd_below(r, 2)] = rnd_edge(r);
}

/* One fragment: what comes before it of the whole, and bytes @at to @at + @n of the rest */
static void put_fragment(const struct make *m, struct pkt *to, size_t at, size_t n, bool more,
			 uint32_t id)
{
	size_t head = m->payload - m->pkt->data, hl = head - PKT_ETH;
	uint8_t *h = to->data + PKT_ETH, *p = to->data + head;

	*to = *m->pkt;
	if (m->v6) {
		memset(p, 0, 8);
		p[0] = *m->next;
		put16(p + 2, at | more);
		put32(p + 4, id);
		to->data[m->next - m->pkt->data] = IPPROTO_FRAGMENT;
		p += 8;
		put16(h + 4, hl - 40 + 8 + n);
	} else {
		put16(h + 2, hl + n);
		put16(h + 4, id);
		put16(h + 6, at / 8 | (more ? 0x2000 : 0));
		put16(h + 10, 0);
		put16(h + 10, fold(sum16(h, hl, 0)));
	}
	memcpy(p, m->payload + at, n);
	to->len = p + n - to->data;
}

/*
 * Cuts what follows the header in two to four, of which some may be missing, overlap,
 * or come before others. Returns their number.
 */
static unsigned int fragment(const struct make *m, struct pkt out[PKT_FRAGMENTS])
{
	unsigned int n = 2 + rnd_below(m->r, PKT_FRAGMENTS - 1), made = 0;
	unsigned int first = rnd_one_in(m->r, 2) ? rnd_below(m->r, n) : 0;
	size_t len = m->p - m->payload, step = (len / n + 8) & ~7ul;
	uint32_t id = rnd_next(m->r);

	for (unsigned int i = 0; i < n; i++) {
		size_t at = (first + i) % n * step, size = step;

		if (at >= len || (n > 2 && rnd_one_in(m->r, 12)))
			continue;
		if (size > len - at)
			size = len - at;
		if (at && rnd_one_in(m->r, 20)) {
			at -= 8;
			size += 8;
		}
		put_fragment(m, &out[made], at, size, at + size < len, id);
		made++;
	}
	return made;
}

unsigned int pkt_make(uint64_t seed, uint64_t n, struct pkt out[PKT_FRAGMENTS])
{
	struct rnd r = rnd_of(seed, n);
	struct pkt pkt;
	struct make m = { .r = &r, .pkt = &pkt };
	unsigned int made = 1;

	memset(&pkt, 0, sizeof(pkt));
	m.v6 = rnd_one_in(&r, 2);
	m.p = pkt.data + PKT_ETH;
	m.end = pkt.data + PKT_MAX - 256;
	put16(pkt.data + 12, m.v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
	(m.v6 ? put_ip6 : put_ip4)(&m, choose_outer(&r), 0);
	pkt.len = m.p - pkt.data;
	choose_vnet(&r, &pkt);
	/* what a card leaves to segment does not come in fragments */
	if (!pkt.vnet.gso_type && m.p - m.payload > 16 && rnd_one_in(&r, 6))
		made = fragment(&m, out);
	else
		out[0] = pkt;
	for (unsigned int i = 0; i < made; i++) {
		if (rnd_one_in(&r, 2))
			damage(&r, &out[i]);
		/* the first part may be as short as it can be */
		out[i].linear = PKT_ETH + rnd_below(&r, out[i].len - PKT_ETH + 1);
	}
	return made;
}
