// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sends ESP with random SPIs and sources from several processors at once, as an
 * attacker would. Every packet follows from the seed and its number, so that a
 * run can be repeated; their number is bounded.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "args.h"
#include "bytes.h"

#define BATCH 64
#define PAYLOAD 64 /* after the ESP header */
#define FRAME (14 + 40 + 8 + PAYLOAD)
#define THREADS_MAX 64

struct options {
	unsigned long count, flows, times;
	unsigned long rate; /* packets a second, 0: no limit */
	unsigned int cpus;
	uint64_t seed;
	int ifindex;
	uint8_t mac[6], own_mac[6];
	uint8_t dst4[4], dst6[16];
	bool v4, v6;
};

struct sender {
	const struct options *o;
	pthread_t thread;
	unsigned int cpu;
	unsigned long first, end; /* numbers of its packets */
	int fd, err;
	uint8_t frame[BATCH][FRAME];
};

static const char usage[] =
	"Usage: flood [OPTION...] DEV MAC DST...\n"
	"\n"
	"Sends ESP from random sources with random SPIs to DST: an IPv4 address, an\n"
	"IPv6 address, or one of each, to which then half of the flows go.\n"
	"\n"
	"  -n, --count N    packets (default 1000000)\n"
	"  -F, --flows N    only so many different ones, in turn (default: all differ)\n"
	"  -x, --times N    each flow's packet N times before the next (default 1)\n"
	"  -r, --rate PPS   packets a second (default: as fast as it goes)\n"
	"  -c, --cpus N     from so many processors (default: all)\n"
	"  -S, --seed N     other packets (default 1)\n"
	"  -h, --help       this text\n"
	"\n"
	"Exit status: 0 all sent, 1 not, 2 wrong usage.\n";

static void die(const char *what, int err)
{
	fprintf(stderr, "flood: %s: %s\n", what, strerror(err));
	exit(1);
}

static void parse_addresses(struct options *o, char **argv)
{
	for (; *argv; argv++) {
		if (inet_pton(AF_INET, *argv, o->dst4) == 1)
			o->v4 = true;
		else if (inet_pton(AF_INET6, *argv, o->dst6) == 1)
			o->v6 = true;
		else
			die_usage("destination '%s' is not an address", *argv);
	}
}

static void parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = { { "count", 1, NULL, 'n' }, { "flows", 1, NULL, 'F' },
					       { "times", 1, NULL, 'x' }, { "rate", 1, NULL, 'r' },
					       { "cpus", 1, NULL, 'c' },  { "seed", 1, NULL, 'S' },
					       { "help", 0, NULL, 'h' },  {} };
	int c;

	while ((c = getopt_long(argc, argv, "n:F:x:r:c:S:h", longs, NULL)) != -1) {
		switch (c) {
		case 'n':
			o->count = number("--count", optarg, 1, 1000000000);
			break;
		case 'F':
			o->flows = number("--flows", optarg, 1, 1000000000);
			break;
		case 'x':
			o->times = number("--times", optarg, 1, 1000000);
			break;
		case 'r':
			o->rate = number("--rate", optarg, 1, 1000000000);
			break;
		case 'c':
			o->cpus = number("--cpus", optarg, 1, THREADS_MAX);
			break;
		case 'S':
			o->seed = number("--seed", optarg, 0, UINT64_MAX);
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			exit(2);
		}
	}
	argv += optind;
	if (argc - optind < 3)
		die_usage("needs a device, its peer's MAC and a destination address");
	o->ifindex = if_nametoindex(argv[0]);
	if (!o->ifindex)
		die(argv[0], errno);
	parse_mac("MAC", argv[1], o->mac);
	parse_addresses(o, argv + 2);
}

static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9; /* splitmix64: any seed will do */
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* From 10.0.0.0/8, which no namespace here is in: nothing takes it for martian. */
static size_t put_ip4(const struct options *o, uint8_t *p, uint64_t x)
{
	uint32_t sum = 0;

	memset(p, 0, 20);
	p[0] = 0x45;
	put16(p + 2, 20 + 8 + PAYLOAD);
	p[8] = 64;
	p[9] = IPPROTO_ESP;
	put32(p + 12, 10u << 24 | (x & 0xffffff));
	memcpy(p + 16, o->dst4, 4);
	for (int i = 0; i < 20; i += 2)
		sum += p[i] << 8 | p[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	put16(p + 10, ~(sum + (sum >> 16)));
	return 20;
}

/* From 2001:db8:ffff::/48 */
static size_t put_ip6(const struct options *o, uint8_t *p, uint64_t x)
{
	static const uint8_t net[8] = { 0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff };

	memset(p, 0, 8);
	p[0] = 0x60;
	put16(p + 4, 8 + PAYLOAD);
	p[6] = IPPROTO_ESP;
	p[7] = 64;
	memcpy(p + 8, net, 8);
	put32(p + 16, x);
	put32(p + 20, x >> 8);
	memcpy(p + 24, o->dst6, 16);
	return 40;
}

/* Packet number i. Returns its length. */
static size_t put_packet(const struct options *o, uint8_t *p, unsigned long i)
{
	uint64_t step = 0x9e3779b97f4a7c15, flow = i / o->times % o->flows;
	uint64_t x = mix(mix(o->seed + step) + flow * step);
	bool v6 = o->v6 && (!o->v4 || x >> 63);
	uint32_t spi = x >> 24;
	size_t at = 14;

	memcpy(p, o->mac, 6);
	memcpy(p + 6, o->own_mac, 6);
	put16(p + 12, v6 ? ETH_P_IPV6 : ETH_P_IP);
	at += (v6 ? put_ip6 : put_ip4)(o, p + at, x);
	put32(p + at, spi < 256 ? spi + 256 : spi);
	put32(p + at + 4, 1 + i);
	memset(p + at + 8, 0, PAYLOAD);
	return at + 8 + PAYLOAD;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void sleep_until(uint64_t ns)
{
	struct timespec t = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

/* Sends n packets from number i on. Returns 0 or an errno. */
static int send_batch(struct sender *s, unsigned long i, unsigned int n)
{
	struct mmsghdr msg[BATCH];
	struct iovec iov[BATCH];
	unsigned int done = 0;
	int sent;

	memset(msg, 0, sizeof(msg));
	for (unsigned int j = 0; j < n; j++) {
		iov[j].iov_base = s->frame[j];
		iov[j].iov_len = put_packet(s->o, s->frame[j], i + j);
		msg[j].msg_hdr.msg_iov = &iov[j];
		msg[j].msg_hdr.msg_iovlen = 1;
	}
	while (done < n) {
		sent = sendmmsg(s->fd, msg + done, n - done, 0);
		if (sent > 0)
			done += sent;
		else if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
			return errno;
	}
	return 0;
}

static void *run(void *arg)
{
	struct sender *s = arg;
	uint64_t start = now_ns();
	double ns = s->o->rate ? 1e9 * s->o->cpus / s->o->rate : 0;
	unsigned int n, most = ns > 1e6 ? 1 : BATCH;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(s->cpu, &set);
	s->err = pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	for (unsigned long i = s->first; i < s->end && !s->err; i += n) {
		n = s->end - i < most ? s->end - i : most;
		if (ns)
			sleep_until(start + (uint64_t)((i - s->first) * ns));
		s->err = send_batch(s, i, n);
	}
	return NULL;
}

static int open_socket(const struct options *o)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_ifindex = o->ifindex };
	int fd = socket(AF_PACKET, SOCK_RAW, 0), one = 1;

	if (fd < 0)
		die("socket", errno);
	if (bind(fd, (struct sockaddr *)&ll, sizeof(ll)))
		die("bind", errno);
	if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)))
		die("PACKET_QDISC_BYPASS", errno);
	return fd;
}

int main(int argc, char **argv)
{
	struct options o = {
		.count = 1000000,
		.times = 1,
		.cpus = get_nprocs(),
		.seed = 1,
		.own_mac = { 2, 0, 0, 0, 0, 1 },
	};
	static struct sender senders[THREADS_MAX];
	uint64_t start;
	double s;
	int err;

	if (o.cpus > THREADS_MAX)
		o.cpus = THREADS_MAX;
	parse(&o, argc, argv);
	if (!o.flows)
		o.flows = (o.count + o.times - 1) / o.times;
	for (unsigned int i = 0; i < o.cpus; i++) {
		senders[i].o = &o;
		senders[i].cpu = i % get_nprocs();
		senders[i].first = o.count * i / o.cpus;
		senders[i].end = o.count * (i + 1) / o.cpus;
		senders[i].fd = open_socket(&o);
	}
	start = now_ns();
	for (unsigned int i = 0; i < o.cpus; i++) {
		err = pthread_create(&senders[i].thread, NULL, run, &senders[i]);
		if (err)
			die("pthread_create", err);
	}
	for (unsigned int i = 0; i < o.cpus; i++) {
		pthread_join(senders[i].thread, NULL);
		if (senders[i].err)
			die("send", senders[i].err);
	}
	s = (now_ns() - start) / 1e9;
	printf("%lu packets from %u processors in %.3f s: %.0f a second\n", o.count, o.cpus, s,
	       o.count / s);
	return 0;
}
