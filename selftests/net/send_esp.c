// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sends ESP, AH, ESP-in-UDP or any other packets, byte by byte as asked: the
 * other end of every packet test. A raw socket routes them by destination; with
 * -i and -m they go out as frames, which also lets the length in the IP header
 * be wrong.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "args.h"
#include "bytes.h"

#define PACKET_MAX 65535
#define PAYLOAD_MAX 60000

enum form { FORM_ESP, FORM_AH, FORM_UDP, FORM_BYTES };

struct options {
	enum form form;
	int family;
	uint8_t src[16], dst[16]; /* network byte order */
	uint8_t proto; /* after the IP headers */
	uint32_t spi, seq;
	unsigned long count, flows;
	double rate; /* packets a second, 0: no limit */
	unsigned int len; /* bytes after the ESP or AH header */
	long cut; /* bytes after the IP headers, -1: all */
	uint16_t sport, dport;
	unsigned int fragment; /* payload bytes of each, 0: none */
	const char *ext; /* n: NOPs; h, d: hop-by-hop, destination */
	uint8_t *bytes;
	size_t bytes_len;
	bool random_spi, random_src;
	uint64_t seed;
	const char *dev;
	uint8_t mac[6];
	long total; /* length for the IP header, -1: the true one */
	unsigned int mark;
};

struct packet {
	uint8_t data[PACKET_MAX];
	size_t len;
};

static const char usage[] =
	"Usage: send_esp [OPTION...] SRC DST\n"
	"\n"
	"  -p, --proto esp|ah|udp|N  what to send: ESP (default), AH, ESP in UDP, or the\n"
	"                            bytes of --bytes as IP protocol N\n"
	"  -s, --spi N               SPI (default 0x1000)\n"
	"  -q, --seq N               sequence number of the first packet (default 1)\n"
	"  -n, --count N             packets (default 1)\n"
	"  -r, --rate PPS            packets a second (default: as fast as it goes)\n"
	"  -F, --flows N             SPIs from --spi on, N of them in turn (default 1)\n"
	"  -R, --random SEED         random SPIs (from 256 on), always the same for a seed\n"
	"  -Z, --random-source       with -R: also random last 16 bits of the source\n"
	"  -l, --len N               bytes after the ESP or AH header (default 64)\n"
	"  -b, --bytes HEX           these bytes after the IP headers (or the UDP header)\n"
	"  -t, --truncate N          only the first N bytes after the IP headers\n"
	"  -P, --sport N             UDP source port (default 4500)\n"
	"  -D, --dport N             UDP destination port (default 4500)\n"
	"  -f, --fragment N          in fragments of N bytes (a multiple of 8)\n"
	"  -e, --extension CHARS     IPv4: n (four NOP options); IPv6: h (hop-by-hop),\n"
	"                            d (destination options); in this order\n"
	"  -M, --mark N              SO_MARK of the sending socket\n"
	"  -i, --interface DEV       send frames there, past the IP stack; needs -m\n"
	"  -m, --mac MAC             their destination\n"
	"  -L, --length N            a wrong total (IPv6: payload) length; needs -i\n"
	"  -h, --help                this text\n"
	"\n"
	"Exit status: 0 all sent, 1 not, 2 wrong usage.\n";

static void die(const char *what)
{
	fprintf(stderr, "send_esp: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void parse_bytes(struct options *o, const char *s)
{
	size_t n = strlen(s);

	if (n % 2 || n / 2 > PAYLOAD_MAX)
		die_usage("--bytes: %zu hex digits; must be an even number up to %d", n,
			  2 * PAYLOAD_MAX);
	o->bytes = malloc(n / 2 + 1);
	if (!o->bytes)
		die("--bytes");
	o->bytes_len = n / 2;
	for (size_t i = 0; i < n / 2; i++) {
		unsigned int b;

		if (strspn(s + 2 * i, "0123456789abcdefABCDEF") < 2 ||
		    sscanf(s + 2 * i, "%2x", &b) != 1)
			die_usage("--bytes: '%.2s' is not hexadecimal", s + 2 * i);
		o->bytes[i] = b;
	}
}

static void parse_proto(struct options *o, const char *s)
{
	if (!strcmp(s, "esp")) {
		o->form = FORM_ESP;
		o->proto = IPPROTO_ESP;
	} else if (!strcmp(s, "ah")) {
		o->form = FORM_AH;
		o->proto = IPPROTO_AH;
	} else if (!strcmp(s, "udp")) {
		o->form = FORM_UDP;
		o->proto = IPPROTO_UDP;
	} else {
		o->form = FORM_BYTES;
		o->proto = number("--proto", s, 0, 255);
	}
}

static void parse_addresses(struct options *o, const char *src, const char *dst)
{
	if (inet_pton(AF_INET, src, o->src) == 1)
		o->family = AF_INET;
	else if (inet_pton(AF_INET6, src, o->src) == 1)
		o->family = AF_INET6;
	else
		die_usage("source '%s' is not an address", src);
	if (inet_pton(o->family, dst, o->dst) != 1)
		die_usage("destination '%s' is not an address of the source's family", dst);
}

static void parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = { { "proto", 1, NULL, 'p' },
					       { "spi", 1, NULL, 's' },
					       { "seq", 1, NULL, 'q' },
					       { "count", 1, NULL, 'n' },
					       { "rate", 1, NULL, 'r' },
					       { "flows", 1, NULL, 'F' },
					       { "random", 1, NULL, 'R' },
					       { "random-source", 0, NULL, 'Z' },
					       { "len", 1, NULL, 'l' },
					       { "bytes", 1, NULL, 'b' },
					       { "truncate", 1, NULL, 't' },
					       { "sport", 1, NULL, 'P' },
					       { "dport", 1, NULL, 'D' },
					       { "fragment", 1, NULL, 'f' },
					       { "extension", 1, NULL, 'e' },
					       { "mark", 1, NULL, 'M' },
					       { "interface", 1, NULL, 'i' },
					       { "mac", 1, NULL, 'm' },
					       { "length", 1, NULL, 'L' },
					       { "help", 0, NULL, 'h' },
					       {} };
	bool mac = false;
	int c;

	while ((c = getopt_long(argc, argv, "p:s:q:n:r:F:R:Zl:b:t:P:D:f:e:M:i:m:L:h", longs,
				NULL)) != -1) {
		switch (c) {
		case 'p':
			parse_proto(o, optarg);
			break;
		case 's':
			o->spi = number("--spi", optarg, 0, UINT32_MAX);
			break;
		case 'q':
			o->seq = number("--seq", optarg, 0, UINT32_MAX);
			break;
		case 'n':
			o->count = number("--count", optarg, 0, ULONG_MAX);
			break;
		case 'r':
			o->rate = number("--rate", optarg, 0, 1000000000);
			break;
		case 'F':
			o->flows = number("--flows", optarg, 0, UINT32_MAX);
			break;
		case 'R':
			o->random_spi = true;
			o->seed = number("--random", optarg, 0, ULONG_MAX);
			break;
		case 'Z':
			o->random_src = true;
			break;
		case 'l':
			o->len = number("--len", optarg, 0, PAYLOAD_MAX);
			break;
		case 'b':
			parse_bytes(o, optarg);
			break;
		case 't':
			o->cut = number("--truncate", optarg, 0, PAYLOAD_MAX);
			break;
		case 'P':
			o->sport = number("--sport", optarg, 0, 65535);
			break;
		case 'D':
			o->dport = number("--dport", optarg, 0, 65535);
			break;
		case 'f':
			o->fragment = number("--fragment", optarg, 0, 65528);
			break;
		case 'e':
			o->ext = optarg;
			break;
		case 'M':
			o->mark = number("--mark", optarg, 0, UINT32_MAX);
			break;
		case 'i':
			o->dev = optarg;
			break;
		case 'm':
			parse_mac("--mac", optarg, o->mac);
			mac = true;
			break;
		case 'L':
			o->total = number("--length", optarg, 0, 65535);
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			exit(2);
		}
	}
	if (argc - optind != 2)
		die_usage("needs a source and a destination address");
	parse_addresses(o, argv[optind], argv[optind + 1]);
	if (o->fragment % 8)
		die_usage("--fragment %u: must be a multiple of 8", o->fragment);
	if (!!o->dev != mac || (o->total >= 0 && !o->dev))
		die_usage("--interface and --mac go together, and --length needs them");
	if (o->form == FORM_BYTES && !o->bytes)
		die_usage("a protocol by number needs --bytes");
	if (o->ext && strspn(o->ext, o->family == AF_INET ? "n" : "hd") != strlen(o->ext))
		die_usage("--extension '%s': unknown for this family", o->ext);
	if (!o->flows)
		o->flows = 1;
}

static uint64_t next_random(uint64_t *s)
{
	uint64_t z = *s += 0x9e3779b97f4a7c15; /* splitmix64: any seed will do */

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* ESP or AH: header and filler. Returns the length. */
static size_t build_ipsec(const struct options *o, uint8_t *p, uint32_t spi, uint32_t seq)
{
	size_t head = 8;

	if (o->form == FORM_AH) {
		head = 24; /* with an ICV of 12 bytes */
		memset(p, 0, head);
		p[0] = IPPROTO_UDP;
		p[1] = head / 4 - 2;
		put32(p + 4, spi);
		put32(p + 8, seq);
	} else {
		put32(p, spi);
		put32(p + 4, seq);
	}
	for (unsigned int i = 0; i < o->len; i++)
		p[head + i] = i;
	return head + o->len;
}

/* All that follows the IP headers. Returns its length. */
static size_t build_payload(const struct options *o, const uint8_t *src, uint8_t *p, uint32_t spi,
			    uint32_t seq)
{
	size_t n, addr = o->family == AF_INET ? 4 : 16;
	uint8_t *body = o->form == FORM_UDP ? p + 8 : p;

	if (o->bytes) {
		n = o->bytes_len;
		memcpy(body, o->bytes, n);
	} else {
		n = build_ipsec(o, body, spi, seq);
	}
	if (o->form == FORM_UDP) {
		uint16_t sum;

		if (o->cut >= 8 && (size_t)o->cut < n + 8)
			n = o->cut - 8;
		n += 8;
		put16(p, o->sport);
		put16(p + 2, o->dport);
		put16(p + 4, n);
		put16(p + 6, 0);
		sum = fold(sum16(p, n, sum16(src, addr, sum16(o->dst, addr, IPPROTO_UDP + n))));
		put16(p + 6, sum ?: 0xffff);
	}
	if (o->cut >= 0 && (size_t)o->cut < n)
		n = o->cut;
	return n;
}

/* The IPv4 header for n bytes of payload, the fragment at this offset. */
static size_t ip4_header(const struct options *o, const uint8_t *src, uint8_t *p, size_t n,
			 uint16_t id, size_t offset, bool more)
{
	size_t hl = 20 + 4 * (o->ext ? strlen(o->ext) : 0);

	memset(p, 0, 20);
	memset(p + 20, IPOPT_NOP, hl - 20);
	p[0] = 0x40 | hl / 4;
	put16(p + 2, o->total >= 0 ? o->total : (long)(hl + n));
	put16(p + 4, id);
	put16(p + 6, offset / 8 | (more ? IP_MF : 0));
	p[8] = 64;
	p[9] = o->proto;
	memcpy(p + 12, src, 4);
	memcpy(p + 16, o->dst, 4);
	put16(p + 10, fold(sum16(p, hl, 0)));
	return hl;
}

static size_t ip6_header(const struct options *o, const uint8_t *src, uint8_t *p, size_t n,
			 uint16_t id, size_t offset, bool more)
{
	bool fragment = offset || more;
	uint8_t *nexthdr = p + 6;
	uint8_t *h = p + 40;

	memset(p, 0, 40);
	p[0] = 0x60;
	p[7] = 64;
	memcpy(p + 8, src, 16);
	memcpy(p + 24, o->dst, 16);
	for (const char *e = o->ext ?: ""; *e; e++) {
		static const uint8_t padn[8] = { 0, 0, 1, 4 };

		*nexthdr = *e == 'h' ? IPPROTO_HOPOPTS : IPPROTO_DSTOPTS;
		memcpy(h, padn, 8);
		nexthdr = h;
		h += 8;
	}
	if (fragment) {
		*nexthdr = IPPROTO_FRAGMENT;
		memset(h, 0, 8);
		put16(h + 2, offset | more);
		put32(h + 4, id);
		nexthdr = h;
		h += 8;
	}
	*nexthdr = o->proto;
	put16(p + 4, o->total >= 0 ? o->total : (long)(h - p - 40 + n));
	return h - p;
}

/*
 * Policies and routes of the sending host see the source that the socket is bound
 * to, whatever the packet says. One that is not this host's cannot be bound: such
 * a packet has no policy here.
 */
static void bind_source(const struct options *o, int fd, const struct sockaddr_storage *to,
			socklen_t to_len)
{
	struct sockaddr_storage from = *to;

	if (o->family == AF_INET)
		memcpy(&((struct sockaddr_in *)&from)->sin_addr, o->src, 4);
	else
		memcpy(&((struct sockaddr_in6 *)&from)->sin6_addr, o->src, 16);
	(void)!bind(fd, (struct sockaddr *)&from, to_len);
}

static int open_socket(const struct options *o, struct sockaddr_storage *to, socklen_t *to_len)
{
	int fd;

	memset(to, 0, sizeof(*to));
	if (o->dev) {
		struct sockaddr_ll *ll = (struct sockaddr_ll *)to;

		ll->sll_family = AF_PACKET;
		ll->sll_protocol = htons(o->family == AF_INET ? ETH_P_IP : ETH_P_IPV6);
		ll->sll_ifindex = if_nametoindex(o->dev);
		if (!ll->sll_ifindex)
			die(o->dev);
		ll->sll_halen = 6;
		memcpy(ll->sll_addr, o->mac, 6);
		*to_len = sizeof(*ll);
		fd = socket(AF_PACKET, SOCK_DGRAM, 0);
	} else if (o->family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)to;

		in->sin_family = AF_INET;
		memcpy(&in->sin_addr, o->dst, 4);
		*to_len = sizeof(*in);
		fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	} else {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;

		in6->sin6_family = AF_INET6;
		memcpy(&in6->sin6_addr, o->dst, 16);
		*to_len = sizeof(*in6);
		fd = socket(AF_INET6, SOCK_RAW, IPPROTO_RAW);
	}
	if (fd < 0)
		die("socket");
	if (!o->dev)
		bind_source(o, fd, to, *to_len);
	if (o->mark && setsockopt(fd, SOL_SOCKET, SO_MARK, &o->mark, sizeof(o->mark)))
		die("--mark");
	return fd;
}

/* Sends one packet, in fragments if asked. */
static void send_packet(const struct options *o, int fd, const struct sockaddr_storage *to,
			socklen_t to_len, const uint8_t *src, uint32_t spi, uint32_t seq)
{
	static struct packet payload, packet;
	static uint16_t id;
	size_t step, head, n;

	payload.len = build_payload(o, src, payload.data, spi, seq);
	step = o->fragment ?: PACKET_MAX;
	id++;
	for (size_t at = 0; !at || at < payload.len; at += step) {
		bool more = payload.len - at > step;

		n = more ? step : payload.len - at;
		head = (o->family == AF_INET ? ip4_header : ip6_header)(o, src, packet.data, n, id,
									at, more);
		if (head + n > sizeof(packet.data))
			die_usage("--len: the packet is longer than %d bytes", PACKET_MAX);
		memcpy(packet.data + head, payload.data + at, n);
		while (sendto(fd, packet.data, head + n, 0, (const struct sockaddr *)to, to_len) <
		       0) {
			if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
				die("sendto");
		}
	}
}

static void wait_turn(const struct timespec *start, double rate, unsigned long i)
{
	struct timespec t = *start;
	double s = i / rate;

	t.tv_sec += (time_t)s;
	t.tv_nsec += (long)((s - (time_t)s) * 1e9);
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

int main(int argc, char **argv)
{
	struct options o = { .proto = IPPROTO_ESP,
			     .spi = 0x1000,
			     .seq = 1,
			     .count = 1,
			     .flows = 1,
			     .len = 64,
			     .cut = -1,
			     .sport = 4500,
			     .dport = 4500,
			     .total = -1 };
	struct sockaddr_storage to;
	struct timespec start;
	socklen_t to_len;
	uint8_t src[16];
	uint64_t r;
	int fd;

	parse(&o, argc, argv);
	fd = open_socket(&o, &to, &to_len);
	r = o.seed;
	memcpy(src, o.src, sizeof(src));
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (unsigned long i = 0; i < o.count; i++) {
		uint32_t spi = o.spi + i % o.flows;

		if (o.rate)
			wait_turn(&start, o.rate, i);
		if (o.random_spi) {
			uint64_t x = next_random(&r);

			spi = x;
			if (spi < 256)
				spi += 256;
			if (o.random_src)
				put16(src + (o.family == AF_INET ? 2 : 14), x >> 32);
		}
		send_packet(&o, fd, &to, to_len, src, spi, o.seq + i / o.flows);
	}
	close(fd);
	return 0;
}
