// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets that come to this machine's ESP and AH, as they might be and with something
 * wrong, on several ways and processors at once. Packet number n of a seed is always the
 * same. After each batch, when all has come to rest, every packet without an SA must
 * have been counted by the module as by the kernel, and be in just one of the sums.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../net/args.h"
#include "pkt.h"
#include "sums.h"

#define THREADS_MAX 16

struct options {
	unsigned long count, batch, first;
	uint64_t seed;
	unsigned int threads;
	const char *dev;
	const char *way; /* only this one */
};

struct thread {
	const struct options *o;
	pthread_t id;
	struct way way;
	unsigned long from, to; /* numbers of its packets in this batch */
	unsigned long sent, refused; /* packets and fragments, since the beginning */
};

static const char usage[] =
	"Usage: fuzz_pkt [OPTION...] NEAR:FAR\n"
	"\n"
	"Sends packets to this network namespace: over devices that it makes, and from the\n"
	"near end of a cable of which both ends are here.\n"
	"\n"
	"  -n, --count N    packets (default 1000000)\n"
	"  -b, --batch N    between two looks at the sums (default 20000)\n"
	"  -S, --seed N     other packets (default 1)\n"
	"  -f, --first N    begin with that one (default 0)\n"
	"  -w, --way NAME   only on this way: tun, frags, veth, ring or tap\n"
	"  -h, --help       this text\n"
	"\n"
	"Exit status: 0 the sums were always right, 1 not, 2 wrong usage.\n";

static void parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = { { "count", 1, NULL, 'n' },
					       { "batch", 1, NULL, 'b' },
					       { "seed", 1, NULL, 'S' },
					       { "first", 1, NULL, 'f' },
					       { "way", 1, NULL, 'w' },
					       { "help", 0, NULL, 'h' },
					       {} };
	int c;

	while ((c = getopt_long(argc, argv, "n:b:S:f:w:h", longs, NULL)) != -1) {
		switch (c) {
		case 'n':
			o->count = number("--count", optarg, 1, 1000000000);
			break;
		case 'b':
			o->batch = number("--batch", optarg, 1, 1000000000);
			break;
		case 'S':
			o->seed = number("--seed", optarg, 0, UINT64_MAX);
			break;
		case 'f':
			o->first = number("--first", optarg, 0, UINT64_MAX);
			break;
		case 'w':
			o->way = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			exit(2);
		}
	}
	if (argc - optind != 1 || !strchr(argv[optind], ':'))
		die_usage("needs the two ends of a cable, NEAR:FAR");
	o->dev = argv[optind];
}

/* ESP in UDP gets into xfrm through an IKE daemon's socket only. */
static void open_udp(int family)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(4500) };
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(4500) };
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0), one = 1, type = UDP_ENCAP_ESPINUDP;
	bool v6 = family == AF_INET6;

	if (fd < 0 || (v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one))) ||
	    bind(fd, v6 ? (void *)&in6 : (void *)&in4, v6 ? sizeof(in6) : sizeof(in4)) ||
	    setsockopt(fd, IPPROTO_UDP, UDP_ENCAP, &type, sizeof(type)))
		err(1, "UDP port 4500");
}

static void *run(void *arg)
{
	struct pkt out[PKT_FRAGMENTS];
	struct thread *t = arg;

	for (unsigned long i = t->from; i < t->to; i++) {
		unsigned int n = pkt_make(t->o->seed, i, out);

		for (unsigned int j = 0; j < n; j++) {
			if (way_send(&t->way, &out[j]))
				t->sent++;
			else
				t->refused++;
		}
		if (i % 64 == 0)
			way_flush(&t->way);
	}
	way_flush(&t->way);
	return NULL;
}

/* Packets first to first + n of all threads; each of them gets a part. */
static void batch(struct thread *threads, unsigned int n_threads, unsigned long first,
		  unsigned long n)
{
	int e;

	for (unsigned int i = 0; i < n_threads; i++) {
		threads[i].from = first + n * i / n_threads;
		threads[i].to = first + n * (i + 1) / n_threads;
		e = pthread_create(&threads[i].id, NULL, run, &threads[i]);
		if (e)
			errx(1, "pthread_create: %s", strerror(e));
	}
	for (unsigned int i = 0; i < n_threads; i++)
		pthread_join(threads[i].id, NULL);
}

static unsigned int open_ways(const struct options *o, struct thread *threads)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < way_kinds_n; i++) {
		if (o->way && strcmp(o->way, way_kinds[i].name))
			continue;
		threads[n].o = o;
		way_open(&threads[n++].way, &way_kinds[i], o->dev);
	}
	if (!n)
		die_usage("--way '%s': must be tun, frags, veth, ring or tap", o->way);
	return n;
}

int main(int argc, char **argv)
{
	struct options o = { .count = 1000000, .batch = 20000, .seed = 1 };
	static struct thread threads[THREADS_MAX];
	unsigned long done, n;
	struct sums *sums;
	bool right = true;

	parse(&o, argc, argv);
	o.threads = open_ways(&o, threads);
	open_udp(AF_INET);
	open_udp(AF_INET6);
	sums = sums_open();
	sums_begin(sums);
	for (done = 0; done < o.count && right; done += n) {
		n = o.count - done < o.batch ? o.count - done : o.batch;
		batch(threads, o.threads, o.first + done, n);
		right = sums_right(sums);
		if (!right)
			printf("# packets %lu to %lu of seed %llu\n", o.first + done,
			       o.first + done + n - 1, (unsigned long long)o.seed);
	}
	for (unsigned int i = 0; i < o.threads; i++)
		printf("# %-5s %9lu packets and fragments, %lu not taken by the device\n",
		       threads[i].way.kind->name, threads[i].sent, threads[i].refused);
	printf("# %lu packets in batches of %lu, seed %llu: %llu without an SA, all counted: %s\n",
	       done, o.batch, (unsigned long long)o.seed, (unsigned long long)sums_no_state(sums),
	       right ? "yes" : "NO");
	return right ? 0 : 1;
}
