// SPDX-License-Identifier: GPL-2.0-only
/*
 * wiremon - what goes over the wire between the gateways, as seen on one port of
 * the switch between them. A line for every IKE packet and for every packet of
 * the inner networks, of a tunnel or of a probe that is not encrypted:
 *
 *	TIME DIR ike SRC SPORT DST DPORT EXCHANGE request|response MSGID INITIATOR-SPI LENGTH
 *	TIME DIR clear SRC DST PROTOCOL
 *
 * and at the end one for every SPI, and one with what the socket lost:
 *
 *	TIME DIR esp SPI PACKETS FIRST LAST
 *	TIME - end PACKETS LOST
 *
 * (SPI is "others" for those that there was no room for). With "ike" as the last
 * argument only IKE over IPv4 is looked at, so that a flood of ESP loses none of it.
 *
 * DIR is "from" for what the gateway at this port sent and "to" for what it is
 * sent: it comes from the port and not from addresses, which can be forged.
 * EXCHANGE is the number in the IKE header (34 IKE_SA_INIT, 35 IKE_AUTH,
 * 36 CREATE_CHILD_SA, 37 INFORMATIONAL; RFC 7296 section 3.1). Times are
 * microseconds of CLOCK_REALTIME.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MAX_SPIS 4096
#define PROBE_PORTS 9000 /* and the nine after it */

struct packet {
	int64_t at;
	const char *dir;
	const uint8_t *data; /* of the IP payload */
	size_t len;
	uint8_t proto;
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];
};

struct spi {
	uint32_t spi;
	const char *dir;
	uint64_t packets;
	int64_t first, last;
};

static struct spi spis[MAX_SPIS];
static unsigned int nspis;
static uint64_t others[2]; /* from, to */
static volatile sig_atomic_t stop;
static uint64_t packets;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static uint16_t get16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void count_esp(const struct packet *p, const uint8_t *esp, size_t len)
{
	uint32_t spi;
	unsigned int i;

	if (len < 8)
		return;
	spi = get32(esp);
	for (i = 0; i < nspis; i++)
		if (spis[i].spi == spi && spis[i].dir == p->dir)
			break;
	if (i == MAX_SPIS) {
		others[p->dir[0] == 't']++;
		return;
	}
	if (i == nspis) {
		nspis++;
		spis[i] = (struct spi){ .spi = spi, .dir = p->dir, .first = p->at };
	}
	spis[i].packets++;
	spis[i].last = p->at;
}

static void print_ike(FILE *out, const struct packet *p, const uint8_t *ike, size_t len)
{
	if (len < 28)
		return;
	fprintf(out, "%" PRId64 " %s ike %s %u %s %u %u %s %u %08" PRIx32 "%08" PRIx32 " %zu\n",
		p->at, p->dir, p->src, get16(p->data), p->dst, get16(p->data + 2), ike[18],
		ike[19] & 0x20 ? "response" : "request", get32(ike + 20), get32(ike),
		get32(ike + 4), len);
}

static void take_udp(FILE *out, const struct packet *p)
{
	const uint8_t *d = p->data + 8;
	size_t len = p->len - 8;
	uint16_t sport, dport;

	if (p->len < 8)
		return;
	sport = get16(p->data);
	dport = get16(p->data + 2);
	if (sport == 4500 || dport == 4500) {
		/* RFC 3948: four zero bytes mark IKE, one 0xff byte keeps a NAT open */
		if (len >= 4 && !get32(d))
			print_ike(out, p, d + 4, len - 4);
		else
			count_esp(p, d, len);
	} else if (sport == 500 || dport == 500) {
		print_ike(out, p, d, len);
	}
}

static bool inner(const uint8_t *ip, bool v6)
{
	/* 10.0.0.0/8 and fd00::/8 are the networks behind the gateways */
	if (v6)
		return ip[8] == 0xfd || ip[24] == 0xfd;
	return ip[12] == 10 || ip[16] == 10;
}

/* A tunnel or a probe as it is: what a configuration for these would encrypt. */
static bool bare(const struct packet *p)
{
	switch (p->proto) {
	case IPPROTO_GRE:
	case IPPROTO_IPIP:
	case IPPROTO_IPV6:
		return true;
	case IPPROTO_UDP:
		return p->len >= 8 && get16(p->data + 2) / 10 == PROBE_PORTS / 10;
	}
	return false;
}

static void take(FILE *out, const struct sockaddr_ll *ll, const uint8_t *ip, size_t len, int64_t at)
{
	bool v6 = ll->sll_protocol == htons(ETH_P_IPV6);
	struct packet p = { .at = at };
	size_t hdr;

	if (!v6 && ll->sll_protocol != htons(ETH_P_IP))
		return;
	hdr = v6 ? 40 : len ? (ip[0] & 15) * 4 : 0;
	if (len < 20 || len < hdr)
		return;
	packets++;
	p.dir = ll->sll_pkttype == PACKET_OUTGOING ? "to" : "from";
	p.proto = v6 ? ip[6] : ip[9];
	p.data = ip + hdr;
	p.len = len - hdr;
	inet_ntop(v6 ? AF_INET6 : AF_INET, ip + (v6 ? 8 : 12), p.src, sizeof(p.src));
	inet_ntop(v6 ? AF_INET6 : AF_INET, ip + (v6 ? 24 : 16), p.dst, sizeof(p.dst));
	if (inner(ip, v6) || bare(&p))
		fprintf(out, "%" PRId64 " %s clear %s %s %u\n", at, p.dir, p.src, p.dst, p.proto);
	else if (p.proto == IPPROTO_UDP && (v6 || !(get16(ip + 6) & 0x1fff)))
		take_udp(out, &p);
	else if (p.proto == IPPROTO_ESP)
		count_esp(&p, p.data, p.len);
}

/* UDP without IP options from or to port 500, or with the four zero bytes. */
static struct sock_filter ike_only[] = {
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 7),
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 20),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 500, 4, 0),
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 22),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 500, 2, 0),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 28),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	BPF_STMT(BPF_RET | BPF_K, 0),
};

static int open_port(const char *netns, const char *ifname, bool ike)
{
	struct sock_fprog filter = { ARRAY_SIZE(ike_only), ike_only };
	struct sockaddr_ll ll = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
	};
	int one = 1, size = 8 << 20, fd;
	char path[300];

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		error(1, errno, "network namespace %s", netns);
	close(fd);
	ll.sll_ifindex = if_nametoindex(ifname);
	if (!ll.sll_ifindex)
		error(1, errno, "interface %s in %s", ifname, netns);
	/* protocol 0 until it is bound: nothing of other interfaces */
	fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    (ike && setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter))) ||
	    bind(fd, (void *)&ll, sizeof(ll)))
		error(1, errno, "packet socket on %s", ifname);
	return fd;
}

static void drain(FILE *out, int fd)
{
	static uint8_t buf[65536];

	for (;;) {
		struct sockaddr_ll ll = { 0 };
		struct iovec iov = { buf, sizeof(buf) };
		char ctl[128];
		struct msghdr m = {
			.msg_name = &ll,
			.msg_namelen = sizeof(ll),
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = ctl,
			.msg_controllen = sizeof(ctl),
		};
		struct timespec ts = { 0 };
		struct cmsghdr *c;
		ssize_t n;

		n = recvmsg(fd, &m, 0);
		if (n < 0)
			return;
		for (c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
			if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS)
				memcpy(&ts, CMSG_DATA(c), sizeof(ts));
		take(out, &ll, buf, n, ts.tv_sec * 1000000LL + ts.tv_nsec / 1000);
	}
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct tpacket_stats st = { 0 };
	sigset_t signals, before;
	socklen_t len = sizeof(st);
	struct pollfd pfd;
	struct timespec ts;
	unsigned int i;
	int64_t end;
	FILE *out;

	if (argc != 4 && (argc != 5 || strcmp(argv[4], "ike"))) {
		fputs("Usage: wiremon FILE NETNS INTERFACE [ike]\n", stderr);
		return 2;
	}
	out = fopen(argv[1], "we");
	if (!out)
		error(1, errno, "%s", argv[1]);
	pfd.fd = open_port(argv[2], argv[3], argc == 5);
	pfd.events = POLLIN;
	/* Only while waiting, or one could come just before and be waited for. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, &before);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	while (!stop) {
		fflush(out);
		if (ppoll(&pfd, 1, NULL, &before) < 0 && errno != EINTR)
			error(1, errno, "poll");
		drain(out, pfd.fd);
	}
	drain(out, pfd.fd);
	clock_gettime(CLOCK_REALTIME, &ts);
	end = ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
	for (i = 0; i < nspis; i++)
		fprintf(out,
			"%" PRId64 " %s esp 0x%08" PRIx32 " %" PRIu64 " %" PRId64 " %" PRId64 "\n",
			end, spis[i].dir, spis[i].spi, spis[i].packets, spis[i].first,
			spis[i].last);
	for (i = 0; i < 2; i++)
		if (others[i])
			fprintf(out, "%" PRId64 " %s esp others %" PRIu64 " - -\n", end,
				i ? "to" : "from", others[i]);
	if (getsockopt(pfd.fd, SOL_PACKET, PACKET_STATISTICS, &st, &len))
		error(1, errno, "PACKET_STATISTICS");
	fprintf(out, "%" PRId64 " - end %" PRIu64 " %u\n", end, packets, st.tp_drops);
	if (fclose(out))
		error(1, errno, "%s", argv[1]);
	return 0;
}
