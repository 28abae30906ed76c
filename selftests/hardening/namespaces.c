// SPDX-License-Identifier: GPL-2.0-only
/*
 * Network namespaces that come, get packets, flows, a listener and a dump that nobody
 * reads to its end, and go; from several processes at once, half of which are nobody in
 * user namespaces of their own. The next one comes while the last one still goes.
 */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../net/args.h"
#include "nl.h"
#include "own_ns.h"
#include "sums.h"

#define WORKERS_MAX 32
#define BETWEEN_SUMS 16

struct shared {
	unsigned long namespaces, packets, looks;
};

static const char usage[] =
	"Usage: namespaces [-n COUNT] [-w WORKERS] [-S SEED]\n"
	"\n"
	"Makes and leaves COUNT network namespaces (10000) from WORKERS processes (4).\n"
	"\n"
	"Exit status: 0 the sums were always right, 1 not, 2 wrong usage.\n";

static int stop(const struct invspi_flow *flow, void *arg)
{
	(void)flow;
	(void)arg;
	return 1;
}

/* In a namespace of its own: what a gateway has, and more. Returns false if it is wrong. */
static bool live(struct rnd *r, struct shared *shared, bool look)
{
	struct invspi_events *events = NULL;
	struct invspi_nl *nl = NULL;
	struct sums *sums = NULL;
	struct invspi_err e;
	bool right = true;

	if (rnd_one_in(r, 2) && invspi_events_open(&events, 0, &e))
		errx(1, "%s", e.text);
	__atomic_add_fetch(&shared->packets, own_packets(r, 40), __ATOMIC_RELAXED);
	if (rnd_one_in(r, 2)) {
		if (invspi_nl_open(&nl, &e))
			errx(1, "%s", e.text);
		/* what is left of the dump goes with the socket */
		invspi_nl_flow_dump(nl, NULL, stop, NULL, &e);
	}
	if (look) {
		sums = sums_open();
		right = sums_right(sums);
		sums_close(sums);
		__atomic_add_fetch(&shared->looks, 1, __ATOMIC_RELAXED);
	}
	/* the events of these come while the namespace goes */
	__atomic_add_fetch(&shared->packets, own_packets(r, 10), __ATOMIC_RELAXED);
	if (nl)
		invspi_nl_close(nl);
	if (events)
		invspi_events_close(events);
	return right;
}

static void work(struct rnd r, unsigned long n, bool guest, struct shared *shared)
{
	if (guest)
		own_user_ns();
	for (unsigned long i = 1; i <= n; i++) {
		own_net_ns();
		if (!live(&r, shared, i % BETWEEN_SUMS == 0))
			exit(1);
		__atomic_add_fetch(&shared->namespaces, 1, __ATOMIC_RELAXED);
	}
	exit(0);
}

int main(int argc, char **argv)
{
	unsigned long n = 10000, workers = 4;
	struct shared *shared;
	uint64_t seed = 1;
	int c, status, bad = 0;

	while ((c = getopt(argc, argv, "n:w:S:h")) != -1) {
		switch (c) {
		case 'n':
			n = number("-n", optarg, 1, 100000000);
			break;
		case 'w':
			workers = number("-w", optarg, 1, WORKERS_MAX);
			break;
		case 'S':
			seed = number("-S", optarg, 0, UINT64_MAX);
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			return 2;
		}
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		err(1, "mmap");
	for (unsigned long i = 0; i < workers; i++) {
		switch (fork()) {
		case -1:
			err(1, "fork");
			break;
		case 0:
			work(rnd_of(seed, i), n * (i + 1) / workers - n * i / workers, i % 2,
			     shared);
		}
	}
	while (wait(&status) > 0)
		bad |= status;
	printf("# %lu namespaces from %lu processes, %lu packets, sums looked at %lu times; seed %llu\n",
	       shared->namespaces, workers, shared->packets, shared->looks,
	       (unsigned long long)seed);
	return bad || shared->namespaces != n;
}
