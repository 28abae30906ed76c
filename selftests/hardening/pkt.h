/* SPDX-License-Identifier: GPL-2.0-only */
/* Packets for the packet fuzzer: what they are made of, and how they get in. */
#ifndef SELFTESTS_HARDENING_PKT_H
#define SELFTESTS_HARDENING_PKT_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "random.h"

#define PKT_MAX 4096 /* bytes of a packet with its Ethernet header */
#define PKT_FRAGMENTS 4
#define PKT_ETH 14

/* The gateway's addresses; the SPIs are those of fuzz_pkt.sh */
#define PKT_GW4 "\xc0\x00\x02\x01" /* 192.0.2.1 */
#define PKT_GW6 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1" /* 2001:db8::1 */

/**
 * struct pkt - a packet, or a fragment of one
 * @vnet: what a virtual machine's network card would say of it
 * @data: Ethernet header and all that follows
 * @len: bytes of @data
 * @linear: as many of them in the first part of a packet that comes in parts
 */
struct pkt {
	struct virtio_net_hdr vnet;
	uint8_t data[PKT_MAX];
	size_t len;
	size_t linear;
};

/*
 * Makes packet number n of a seed. Returns into how many fragments it went, in the
 * order in which they are to be sent.
 */
unsigned int pkt_make(uint64_t seed, uint64_t n, struct pkt out[PKT_FRAGMENTS]);

/* A way in: a device of its own. */
struct way;

struct way_kind {
	const char *name;
	/* Ends the program if it cannot be had. @dev: veth, for those that need one */
	void (*open)(struct way *w, const char *dev);
	/* Returns false if the device has not taken it. */
	bool (*send)(struct way *w, const struct pkt *p);
	/* Packets that have been given to it are on their way. */
	void (*flush)(struct way *w);
};

#define RING_FRAMES 64
#define RING_FRAME 8192

struct way {
	const struct way_kind *kind;
	int fd;
	int listener; /* a packet socket: it makes every packet a shared one */
	uint8_t mac[6];
	bool ip_only; /* no Ethernet header */
	bool vnet;
	uint8_t *ring;
	unsigned int next;
};

extern const struct way_kind way_kinds[];
extern const unsigned int way_kinds_n;

void way_open(struct way *w, const struct way_kind *kind, const char *dev);
bool way_send(struct way *w, struct pkt *p);
void way_flush(struct way *w);

#endif
