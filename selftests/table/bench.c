// SPDX-License-Identifier: GPL-2.0-only
/*
 * How many packets a second the flow table counts on this machine, natively: with one
 * thread and with two, which meet in a set, in a flow, or not at all. What the kernel
 * does with a packet beside that is not in it.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/log2.h>

#include "flows.h"

#define THREADS 2
#define PACKETS 4096 /* of a thread, in a round: over before somebody else wants the processor */
#define NAPI 64 /* packets in one RCU read side */
#define FLOWS 128 /* known ones of a thread */
#define SLOTS 65536

struct thread {
	pthread_t id;
	unsigned int cpu, packets;
	struct invspi_pkt *pkt;
	double begin, end;
};

static struct invspi_table tb;
static struct thread threads[THREADS];
static pthread_barrier_t barrier;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static bool all(const struct invspi_flow *flow, const void *arg)
{
	(void)flow;
	(void)arg;
	return true;
}

/* Known flows: a desync each, so that its next packet is a usual one */
static void make_known(struct thread *t)
{
	unsigned int i;

	for (i = 0; i < t->packets; i++)
		flows_drop_n(&tb, &t->pkt[i], 2);
	shim_set_time(shim_time() + 2 * HZ);
	for (i = 0; i < t->packets; i++)
		flows_drop_n(&tb, &t->pkt[i], 2);
}

/* The next flow from @n on in one of the sets that the caller wants */
static struct invspi_pkt pick(bool v6, u32 *n, u32 mask, u32 set)
{
	struct invspi_pkt pkt;

	do {
		pkt = v6 ? flows_pkt6(*n, *n) : flows_pkt4(*n, *n);
		++*n;
	} while ((flows_set_of(&tb, &pkt.key) & mask) != set);
	return pkt;
}

static void known(bool v6, unsigned int flows, u32 mask, u32 set0, u32 set1)
{
	u32 i, j, n = 0, sets[THREADS] = { set0, set1 };

	for (i = 0; i < THREADS; i++) {
		for (j = 0; j < flows; j++)
			threads[i].pkt[j] = pick(v6, &n, mask, sets[i]);
		threads[i].packets = flows;
		make_known(&threads[i]);
	}
}

static void known4(void)
{
	known(false, FLOWS, 1, 0, 1);
}

static void known6(void)
{
	known(true, FLOWS, 1, 0, 1);
}

static void same_set(void)
{
	known(false, INVSPI_SET_FLOWS / THREADS, ~0U, 0, 0);
}

static void same_flow(void)
{
	threads[0].pkt[0] = flows_pkt4(1, 2);
	threads[1].pkt[0] = threads[0].pkt[0];
	threads[0].packets = 1;
	threads[1].packets = 1;
	make_known(&threads[0]);
}

static void distinct(void)
{
	u32 i, j;

	for (i = 0; i < THREADS; i++) {
		for (j = 0; j < PACKETS; j++)
			threads[i].pkt[j] = flows_pkt4(i * PACKETS + j, j);
		threads[i].packets = PACKETS;
	}
}

/* New flows: all sets are there, and no flow. */
static void room(void)
{
	u32 i, j;

	distinct();
	for (i = 0; i < THREADS; i++)
		for (j = 0; j < PACKETS; j++)
			flows_drop(&tb, &threads[i].pkt[j]);
	invspi_table_delete(&tb, all, NULL);
}

static void empty_again(void)
{
	invspi_table_delete(&tb, all, NULL);
}

static void fill(unsigned int packets)
{
	struct invspi_pkt pkt;
	u32 i;

	invspi_table_restart(&tb, 4096);
	for (i = 0; i < 20 * 4096; i++) {
		pkt = flows_pkt4(0x80000000 + i, i);
		flows_drop_n(&tb, &pkt, packets);
	}
	distinct();
}

static void full_once(void)
{
	fill(1);
}

static void full_lasting(void)
{
	fill(2);
}

static const struct scene {
	const char *name;
	void (*prepare)(void);
	void (*again)(void); /* after each round, if not NULL */
	unsigned int threads;
} scenes[] = {
	{ "known flow, IPv4", known4, NULL, 1 },
	{ "known flow, IPv4, own sets", known4, NULL, 2 },
	{ "known flow, IPv4, same set", same_set, NULL, 2 },
	{ "known flow, IPv4, same flow", same_flow, NULL, 2 },
	{ "known flow, IPv6", known6, NULL, 1 },
	{ "known flow, IPv6, own sets", known6, NULL, 2 },
	{ "new flow, room", room, empty_again, 1 },
	{ "new flow, room", room, empty_again, 2 },
	{ "new flow, full of single packets", full_once, NULL, 1 },
	{ "new flow, full of single packets", full_once, NULL, 2 },
	{ "new flow, full of lasting flows", full_lasting, NULL, 1 },
	{ "new flow, full of lasting flows", full_lasting, NULL, 2 },
};

static void *run(void *arg)
{
	struct thread *t = arg;
	cpu_set_t cpus;
	unsigned int i, j;

	shim_cpu = t->cpu;
	CPU_ZERO(&cpus);
	CPU_SET(t->cpu, &cpus);
	/* on a machine with fewer processors: where there is room */
	pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	pthread_barrier_wait(&barrier);
	t->begin = now();
	for (i = 0; i < PACKETS; i += NAPI) {
		flows_enter();
		for (j = i; j < i + NAPI; j++)
			flows_drop_inside(&tb, &t->pkt[j & (t->packets - 1)]);
		flows_leave();
	}
	t->end = now();
	return NULL;
}

/* Return: seconds that a round took. */
static double round_of(unsigned int n)
{
	double begin, end;
	unsigned int i;

	pthread_barrier_init(&barrier, NULL, n);
	for (i = 0; i < n; i++)
		if (pthread_create(&threads[i].id, NULL, run, &threads[i]))
			abort();
	for (i = 0; i < n; i++)
		pthread_join(threads[i].id, NULL);
	pthread_barrier_destroy(&barrier);
	begin = threads[0].begin;
	end = threads[0].end;
	for (i = 1; i < n; i++) {
		begin = threads[i].begin < begin ? threads[i].begin : begin;
		end = threads[i].end > end ? threads[i].end : end;
	}
	return end - begin;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/*
 * Return: seconds of a round; of many the one than which a tenth is faster: others
 * want the processors, too, and two threads shall meet.
 */
static double measure(const struct scene *s, double seconds)
{
	struct invspi_config cfg = flows_defaults;
	double took[1000], until = now() + seconds;
	unsigned int n = 0;

	memset(&tb, 0, sizeof(tb));
	cfg.flows_max = SLOTS;
	if (invspi_table_module_init(SLOTS))
		abort();
	if (invspi_table_init(&tb, &cfg, false, false))
		abort();
	s->prepare();
	round_of(s->threads);
	if (s->again)
		s->again();
	do {
		took[n++] = round_of(s->threads);
		if (s->again)
			s->again();
	} while (n < ARRAY_SIZE(took) && now() < until);
	invspi_table_exit(&tb);
	invspi_table_module_exit();
	qsort(took, n, sizeof(*took), by_size);
	return took[n / 10];
}

int main(int argc, char **argv)
{
	double seconds = 1, took, packets;
	bool json = false;
	unsigned int i;
	int o;

	while ((o = getopt(argc, argv, "hjs:")) != -1) {
		switch (o) {
		case 'j':
			json = true;
			break;
		case 's':
			seconds = atof(optarg);
			if (seconds > 0 && seconds <= 60)
				break;
			fprintf(stderr, "bench: -s %s: must be above 0, at most 60\n", optarg);
			return 2;
		default:
			fprintf(o == 'h' ? stdout : stderr, "Usage: bench [-j] [-s SECONDS]\n"
							    "  -j  as JSON\n"
							    "  -s  for each line (1)\n");
			return o == 'h' ? 0 : 2;
		}
	}
	for (i = 0; i < THREADS; i++) {
		threads[i].cpu = i;
		threads[i].pkt = calloc(PACKETS, sizeof(struct invspi_pkt));
		if (!threads[i].pkt)
			abort();
	}
	shim_srand(1);
	shim_set_time(1000 * HZ);
	if (json)
		printf("{\"table_native\": [\n");
	else
		printf("%-34s threads  M packets/s  ns/packet\n", "flow table, natively");
	for (i = 0; i < ARRAY_SIZE(scenes); i++) {
		took = measure(&scenes[i], seconds);
		packets = (double)PACKETS * scenes[i].threads;
		printf(json ? "\t{\"case\": \"%s\", \"threads\": %u, \"mpps\": %.2f, \"ns\": %.2f}%s\n"
			    : "%-34s %7u  %11.1f  %9.1f%s\n",
		       scenes[i].name, scenes[i].threads, packets / took / 1e6,
		       took / PACKETS * 1e9, json && i + 1 < ARRAY_SIZE(scenes) ? "," : "");
		fflush(stdout);
	}
	if (json)
		printf("]}\n");
	for (i = 0; i < THREADS; i++)
		free(threads[i].pkt);
	return 0;
}
