// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ways in, which differ in what a packet's buffer looks like:
 *
 *   tun      one piece, no Ethernet header, what a card says about segments
 *   tap      the same with one
 *   frags    in pieces, through GRO
 *   veth     one piece, shared with a packet socket and a mirror of tc
 *   ring     from a ring of a packet socket: all but the header lies in its pages
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "pkt.h"

/* --- devices that the packets' bytes are written to */

static void tun_open(struct way *w, const char *name, int flags)
{
	struct ifreq r = { .ifr_flags = flags | IFF_NO_PI | IFF_VNET_HDR };
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	w->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (w->fd < 0 || s < 0 || ioctl(w->fd, TUNSETIFF, &r))
		err(1, "device %s", name);
	if (flags & IFF_TAP) {
		if (ioctl(s, SIOCGIFHWADDR, &r))
			err(1, "address of %s", name);
		memcpy(w->mac, r.ifr_hwaddr.sa_data, 6);
	}
	r.ifr_flags = IFF_UP;
	if (ioctl(s, SIOCSIFFLAGS, &r))
		err(1, "%s up", name);
	close(s);
	w->ip_only = flags & IFF_TUN;
	w->vnet = true;
}

static void open_tun(struct way *w, const char *dev)
{
	(void)dev;
	tun_open(w, "fuzz_tun", IFF_TUN);
}

static void open_tap(struct way *w, const char *dev)
{
	(void)dev;
	tun_open(w, "fuzz_tap", IFF_TAP);
}

static void open_frags(struct way *w, const char *dev)
{
	(void)dev;
	tun_open(w, "fuzz_frags", IFF_TAP | IFF_NAPI | IFF_NAPI_FRAGS);
}

/* Adds the pieces of n bytes to v; returns how many there are then. */
static int pieces(struct iovec *v, int n_v, const uint8_t *p, size_t n, size_t piece)
{
	for (; n && n_v < 12; n_v++) {
		size_t size = n_v == 11 || n < piece ? n : piece;

		v[n_v] = (struct iovec){ (void *)p, size };
		p += size;
		n -= size;
	}
	return n_v;
}

static bool send_tun(struct way *w, const struct pkt *p)
{
	size_t skip = w->ip_only ? PKT_ETH : 0;
	struct iovec v[12];
	int n = 0;

	v[n++] = (struct iovec){ (void *)&p->vnet, sizeof(p->vnet) };
	n = pieces(v, n, p->data + skip, p->len - skip, PKT_MAX);
	return writev(w->fd, v, n) >= 0;
}

/* GRO wants the Ethernet header in the first piece. */
static bool send_frags(struct way *w, const struct pkt *p)
{
	size_t linear = p->linear < PKT_ETH ? PKT_ETH : p->linear;
	struct iovec v[12];
	int n = 0;

	v[n++] = (struct iovec){ (void *)&p->vnet, sizeof(p->vnet) };
	v[n++] = (struct iovec){ (void *)p->data, linear };
	n = pieces(v, n, p->data + linear, p->len - linear, 1 + p->linear % 200);
	return writev(w->fd, v, n) >= 0;
}

/* What came back, ICMP for the most part, is not of interest. */
static void drain(int fd)
{
	uint8_t buf[2048];

	while (read(fd, buf, sizeof(buf)) > 0)
		;
}

static void flush_tun(struct way *w)
{
	drain(w->fd);
}

/* --- packet sockets on one end of a cable */

/* @dev: the near end, and the far end after a colon */
static void packet_open(struct way *w, const char *dev)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET };
	const char *far = strchr(dev, ':') + 1;
	int size = far - dev - 1, one = 1;
	struct ifreq r = { 0 };

	w->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", far);
	if (w->fd < 0 || ioctl(w->fd, SIOCGIFHWADDR, &r))
		err(1, "packet socket for %s", far);
	memcpy(w->mac, r.ifr_hwaddr.sa_data, 6);
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%.*s", size, dev);
	ll.sll_ifindex = if_nametoindex(r.ifr_name);
	if (!ll.sll_ifindex || setsockopt(w->fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)))
		err(1, "packet socket on %s", r.ifr_name);
	if (bind(w->fd, (struct sockaddr *)&ll, sizeof(ll)))
		err(1, "binding to %s", r.ifr_name);
	w->vnet = true;
}

static bool send_veth(struct way *w, const struct pkt *p)
{
	return send_tun(w, p);
}

static void open_ring(struct way *w, const char *dev)
{
	struct tpacket_req req = { .tp_block_size = 2 * RING_FRAME,
				   .tp_block_nr = RING_FRAMES / 2,
				   .tp_frame_size = RING_FRAME,
				   .tp_frame_nr = RING_FRAMES };
	int version = TPACKET_V2, one = 1;

	packet_open(w, dev);
	/* what is wrong with a packet is no reason to stop the ring */
	if (setsockopt(w->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) ||
	    setsockopt(w->fd, SOL_PACKET, PACKET_LOSS, &one, sizeof(one)) ||
	    setsockopt(w->fd, SOL_PACKET, PACKET_TX_RING, &req, sizeof(req)))
		err(1, "ring");
	w->ring =
		mmap(NULL, RING_FRAMES * RING_FRAME, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, 0);
	if (w->ring == MAP_FAILED)
		err(1, "ring");
}

#define RING_SHORT 100 /* bytes */
#define RING_PATIENCE 100 /* times a tenth of a millisecond */

/* The frame that is i after the next one to be written */
static struct tpacket2_hdr *ring_frame(struct way *w, unsigned int i)
{
	return (struct tpacket2_hdr *)(w->ring + (w->next + i) % RING_FRAMES * RING_FRAME);
}

static uint8_t *ring_data(struct tpacket2_hdr *h)
{
	return (uint8_t *)h + TPACKET2_HDRLEN - sizeof(struct sockaddr_ll);
}

/* The oldest one that is still to be sent, or NULL */
static struct tpacket2_hdr *ring_head(struct way *w)
{
	for (unsigned int i = 0; i < RING_FRAMES; i++)
		if (ring_frame(w, i)->tp_status == TP_STATUS_SEND_REQUEST)
			return ring_frame(w, i);
	return NULL;
}

/*
 * A packet that the device drops, for its length or for what is said about its segments or
 * checksum, stops the ring: it is tried again for ever. It then goes without that, and short.
 */
static void kick_ring(struct way *w)
{
	struct tpacket2_hdr *h;

	for (int i = 0; i < RING_FRAMES && send(w->fd, NULL, 0, MSG_DONTWAIT) < 0; i++) {
		if (errno == EBADF)
			err(1, "ring");
		h = ring_head(w);
		if (!h)
			return;
		memset(ring_data(h), 0, sizeof(struct virtio_net_hdr));
		if (h->tp_len > sizeof(struct virtio_net_hdr) + RING_SHORT)
			h->tp_len = sizeof(struct virtio_net_hdr) + RING_SHORT;
	}
}

static bool send_ring(struct way *w, const struct pkt *p)
{
	struct tpacket2_hdr *h = ring_frame(w, 0);
	uint8_t *data = ring_data(h);

	/* all are under way */
	for (int i = 0; __atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE); i++) {
		if (i == RING_PATIENCE)
			return false;
		kick_ring(w);
		usleep(100);
	}
	memcpy(data, &p->vnet, sizeof(p->vnet));
	memcpy(data + sizeof(p->vnet), p->data, p->len);
	h->tp_len = sizeof(p->vnet) + p->len;
	__atomic_store_n(&h->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
	w->next = (w->next + 1) % RING_FRAMES;
	if (w->next % 16 == 0)
		kick_ring(w);
	return true;
}

static void open_veth(struct way *w, const char *dev)
{
	packet_open(w, dev);
	w->listener = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
	if (w->listener < 0)
		err(1, "packet socket");
}

static void flush_veth(struct way *w)
{
	drain(w->listener);
}

const struct way_kind way_kinds[] = {
	{ "tun", open_tun, send_tun, flush_tun },
	{ "frags", open_frags, send_frags, flush_tun },
	{ "veth", open_veth, send_veth, flush_veth },
	{ "ring", open_ring, send_ring, kick_ring },
	{ "tap", open_tap, send_tun, flush_tun },
};

const unsigned int way_kinds_n = sizeof(way_kinds) / sizeof(*way_kinds);

void way_open(struct way *w, const struct way_kind *kind, const char *dev)
{
	memset(w, 0, sizeof(*w));
	w->kind = kind;
	w->fd = -1;
	w->listener = -1;
	kind->open(w, dev);
}

bool way_send(struct way *w, struct pkt *p)
{
	static const uint8_t sender[6] = { 2, 0, 0, 0, 0, 9 };

	memcpy(p->data, w->mac, 6);
	memcpy(p->data + 6, sender, 6);
	/* without an Ethernet header an offset is nearer to the beginning */
	if (w->ip_only && p->vnet.csum_start >= PKT_ETH)
		p->vnet.csum_start -= PKT_ETH;
	return w->kind->send(w, p);
}

void way_flush(struct way *w)
{
	w->kind->flush(w);
}
