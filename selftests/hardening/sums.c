// SPDX-License-Identifier: GPL-2.0-only
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nl.h"
#include "sums.h"

#define PATIENCE_MS 20000 /* packets are under way */
#define LOOK_MS 20

struct sums {
	struct invspi_nl *nl;
	struct invspi_stats stats;
	uint64_t before; /* see sums_begin() */
	uint64_t kernel;
	uint64_t in_flows, flows; /* added up over the dump */
};

struct sums *sums_open(void)
{
	struct sums *s = calloc(1, sizeof(*s));
	struct invspi_err err;

	if (!s)
		errx(1, "no memory");
	if (invspi_nl_open(&s->nl, &err))
		errx(1, "%s", err.text);
	return s;
}

void sums_close(struct sums *s)
{
	invspi_nl_close(s->nl);
	free(s);
}

/* IPComp without an SA, which the kernel counts with the same number; see invspi_comp.c */
static uint64_t comp_missing(void)
{
	FILE *f = fopen("/sys/module/invspi_comp/parameters/missing", "r");
	uint64_t n = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%" SCNu64, &n) != 1)
		errx(1, "invspi_comp: no number");
	fclose(f);
	return n;
}

static uint64_t no_states(void)
{
	FILE *f = fopen("/proc/thread-self/net/xfrm_stat", "r");
	uint64_t n = UINT64_MAX;
	char line[128];

	if (!f)
		err(1, "xfrm_stat");
	while (fgets(line, sizeof(line), f))
		sscanf(line, "XfrmInNoStates %" SCNu64, &n);
	fclose(f);
	if (n == UINT64_MAX)
		errx(1, "no XfrmInNoStates in xfrm_stat");
	return n - comp_missing();
}

static int add_flow(const struct invspi_flow *flow, void *arg)
{
	struct sums *s = arg;

	s->in_flows += flow->packets;
	s->flows++;
	return 0;
}

static bool read_all(struct sums *s, struct invspi_err *err)
{
	s->in_flows = 0;
	s->flows = 0;
	s->kernel = no_states();
	return !invspi_nl_flow_dump(s->nl, NULL, add_flow, s, err) &&
	       !invspi_nl_stats_get(s->nl, &s->stats, err);
}

void sums_begin(struct sums *s)
{
	struct invspi_err err;

	if (!read_all(s, &err))
		errx(1, "%s", err.text);
	s->before = s->kernel - s->stats.packets[INVSPI_REASON_NO_STATE];
}

/* Adds up what is one of the packets' places. */
static bool look(struct sums *s, char *why, size_t size)
{
	uint64_t total = 0, by_family = 0, places;
	struct invspi_err err;

	if (!read_all(s, &err)) {
		snprintf(why, size, "%s", err.text);
		return false;
	}
	for (int i = 0; i < INVSPI_REASONS; i++) {
		total += s->stats.packets[i];
		by_family += s->stats.ipv4[i] + s->stats.ipv6[i];
	}
	places = s->in_flows + s->stats.evicted_packets + s->stats.deleted_packets +
		 s->stats.untracked_packets;
	snprintf(why, size,
		 "total %" PRIu64 ", both families %" PRIu64 ", in all places %" PRIu64
		 "; no_state %" PRIu64 ", growth of XfrmInNoStates %" PRIu64 "; flows %" PRIu64
		 ", of the dump %" PRIu64,
		 total, by_family, places, s->stats.packets[INVSPI_REASON_NO_STATE],
		 s->kernel - s->before, (uint64_t)s->stats.flows, s->flows);
	return total == by_family && total == places &&
	       s->stats.packets[INVSPI_REASON_NO_STATE] == s->kernel - s->before &&
	       s->stats.flows == s->flows;
}

bool sums_right(struct sums *s)
{
	const struct timespec pause = { .tv_nsec = LOOK_MS * 1000000 };
	char why[1024];

	for (int left = PATIENCE_MS; left > 0; left -= LOOK_MS) {
		if (look(s, why, sizeof(why)))
			return true;
		nanosleep(&pause, NULL);
	}
	printf("# FAILED: the sums are not right\n#   %s\n", why);
	return false;
}

uint64_t sums_no_state(const struct sums *s)
{
	return s->stats.packets[INVSPI_REASON_NO_STATE];
}
