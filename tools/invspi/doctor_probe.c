// SPDX-License-Identifier: GPL-2.0-only
/*
 * invspi doctor: one ESP packet to the loopback address, with an SPI that no SA may have
 * (1 to 255 are reserved). The kernel drops it, and the module has to count exactly that
 * one. What it leaves behind is a count more everywhere, and a line in the kernel log.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "doctor.h"

#define WAIT_MS 2000
#define LOOK_MS 10
#define PAYLOAD 32

/**
 * struct counts - what must move
 * @known: the kernel's own counter could be read
 */
struct counts {
	uint64_t module, kernel;
	bool known;
};

static uint64_t no_states(const struct doctor *d, bool *known)
{
	char path[256], name[64];
	unsigned long long v = 0, n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/net/xfrm_stat", d->root);
	f = fopen(path, "re");
	*known = false;
	while (f && fscanf(f, "%63s %llu", name, &n) == 2) {
		if (!strcmp(name, "XfrmInNoStates")) {
			v = n;
			*known = true;
		}
	}
	if (f)
		fclose(f);
	return v;
}

static int count(struct doctor *d, struct counts *c, struct invspi_err *err)
{
	struct invspi_stats st;
	int rc = invspi_nl_stats_get(d->nl, &st, err);

	if (rc)
		return rc;
	c->module = st.packets[INVSPI_REASON_NO_STATE];
	c->kernel = no_states(d, &c->known);
	return 0;
}

/* Bound to lo: if that is down, it must not leave by a default route. */
static int send_esp(int family, uint32_t spi)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	uint32_t packet[2 + PAYLOAD / 4] = { htonl(spi), htonl(1) };
	const void *to = family == AF_INET ? (const void *)&v4 : &v6;
	socklen_t len = family == AF_INET ? sizeof(v4) : sizeof(v6);
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ESP), rc = 0;

	v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", sizeof("lo")) ||
	    sendto(fd, packet, sizeof(packet), 0, to, len) < 0)
		rc = -errno;
	if (fd >= 0)
		close(fd);
	return rc;
}

static void set_key(struct invspi_flow *key, int family, uint32_t spi)
{
	memset(key, 0, sizeof(*key));
	key->family = family;
	key->proto = IPPROTO_ESP;
	key->spi = spi;
	key->encap_type = XFRM_INVSPI_ENCAP_NONE;
	if (family == AF_INET)
		key->src.v4.s_addr = htonl(INADDR_LOOPBACK);
	else
		key->src.v6 = in6addr_loopback;
	key->dst = key->src;
}

static void forget(struct doctor *d, const struct invspi_flow *key)
{
	struct invspi_filter f = {
		.set = INVSPI_FILTER_SRC | INVSPI_FILTER_DST | INVSPI_FILTER_PROTO |
		       INVSPI_FILTER_SPI,
		.family = key->family,
		.src = key->src,
		.dst = key->dst,
		.src_plen = key->family == AF_INET ? 32 : 128,
		.dst_plen = key->family == AF_INET ? 32 : 128,
		.proto = key->proto,
		.spi = key->spi,
	};

	invspi_nl_flow_del(d->nl, &f, NULL);
}

/* An SPI of those that no SA may have, which is not in the table just now. */
static uint32_t choose(struct doctor *d, struct invspi_flow *key, int family)
{
	struct invspi_flow flow;
	uint8_t random = 0;
	int tries = 16;

	do {
		if (getrandom(&random, 1, GRND_NONBLOCK) != 1)
			random++;
		set_key(key, family, random ? random : 1);
	} while (tries-- && !invspi_nl_flow_get(d->nl, key, &flow, NULL));
	return key->spi;
}

/* Waits until something has moved. */
static int watch(struct doctor *d, const struct counts *before, struct counts *after,
		 const struct invspi_flow *key, struct invspi_flow *flow, struct invspi_err *err)
{
	const struct timespec nap = { 0, LOOK_MS * 1000000L };
	int64_t until = now_ms() + WAIT_MS;
	int rc;

	memset(flow, 0, sizeof(*flow));
	for (;;) {
		rc = count(d, after, err);
		if (rc)
			return rc;
		if (!invspi_nl_flow_get(d->nl, key, flow, NULL) || after->module > before->module ||
		    now_ms() > until)
			break;
		nanosleep(&nap, NULL);
	}
	/* The table is written before the total is read, but maybe not before the flow. */
	if (!flow->packets)
		invspi_nl_flow_get(d->nl, key, flow, NULL);
	return 0;
}

static void judge(struct doctor *d, const char *name, const struct counts *before,
		  const struct counts *after, uint64_t packets)
{
	uint64_t moved = after->module - before->module;

	if (packets == 1 && moved >= 1)
		return;
	if (packets > 1)
		found(d, SEVERITY_WARNING, name, NULL,
		      "one packet was sent, but %" PRIu64 " were counted", packets);
	else if (moved)
		found(d, SEVERITY_NOTE, name, NULL,
		      "the probe was counted, but found no room in the table of flows");
	else if (before->known && after->kernel > before->kernel)
		found(d, SEVERITY_ERROR, name,
		      "modprobe -r xfrm_invspi && modprobe xfrm_invspi, and tell its authors about this kernel",
		      "the kernel dropped the probe, but the module has not seen that: its hook is not in place");
	else
		found(d, SEVERITY_ERROR, name,
		      "modprobe esp4 esp6; see whether a firewall drops ESP on lo: nft list ruleset",
		      "the probe did not get as far as to IPsec");
}

static void probe(struct doctor *d, int family, const char *name)
{
	struct counts before, after;
	struct invspi_err err = { "" };
	struct invspi_flow key, flow;
	int rc;

	choose(d, &key, family);
	if (count(d, &before, &err)) {
		found(d, SEVERITY_ERROR, name, NULL, "%s", err.text);
		return;
	}
	rc = send_esp(family, key.spi);
	if (rc) {
		found(d, SEVERITY_WARNING, name,
		      rc == -EPERM || rc == -EACCES ? "sudo invspi doctor" : "ip link set lo up",
		      "the probe cannot be sent: %s", strerror(-rc));
		return;
	}
	if (watch(d, &before, &after, &key, &flow, &err)) {
		found(d, SEVERITY_ERROR, name, NULL, "%s", err.text);
		return;
	}
	judge(d, name, &before, &after, flow.packets);
	forget(d, &key);
}

/* IPv6 may be off for the loopback interface alone. */
static bool has_v6(const struct doctor *d)
{
	char line[64];

	return !doctor_read(d, "/proc/sys/net/ipv6/conf/lo/disable_ipv6", line, sizeof(line)) &&
	       line[0] == '0';
}

void check_hook(struct doctor *d)
{
	if (!d->nl) {
		found(d, SEVERITY_ERROR, NULL, "modprobe xfrm_invspi",
		      "there is no module that could count");
		return;
	}
	probe(d, AF_INET, "IPv4");
	if (has_v6(d))
		probe(d, AF_INET6, "IPv6");
}
