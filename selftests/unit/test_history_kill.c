// SPDX-License-Identifier: GPL-2.0-only
/*
 * The helper is killed while it writes, at random moments. What it had been
 * told 800 ms before, or had flushed, must be in the file, in full; the file
 * must never be corrupt; and what somebody closed must stay closed.
 *
 * Each run writes a journal of its own of what it told the history, in memory
 * that outlives it. SEED and RUNS come from the environment.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "history_help.h"

#define EVENTS 200000
#define SLACK_MS 800
#define CHILDREN 6

struct event {
	int64_t at; /* CLOCK_MONOTONIC ms, 0 = none */
	uint32_t spi;
	int end; /* enum sa_end, 0 = added */
	bool flushed;
};

struct journal {
	unsigned int n;
	struct event event[EVENTS];
};

static struct journal *journal;

static int64_t mono_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Before the history is told: from here on it may be on disk. */
static void announce(uint32_t spi, enum sa_end end)
{
	struct event *e = &journal->event[journal->n];

	if (journal->n + 1 >= EVENTS)
		_exit(3);
	e->end = (int)end;
	e->flushed = false;
	__atomic_store_n(&e->spi, spi, __ATOMIC_RELEASE);
}

/* After it was told: from here on it has to get there. */
static void told(void)
{
	journal->event[journal->n].at = mono_ms();
	__atomic_store_n(&journal->n, journal->n + 1, __ATOMIC_RELEASE);
}

static void note_flushed(unsigned int told_before)
{
	unsigned int i;

	for (i = told_before; i-- && !journal->event[i].flushed;)
		journal->event[i].flushed = true;
}

/* Lives for ever: children come, are rekeyed and end in all ways. */
static void victim(const char *dir, unsigned int seed, uint32_t first)
{
	static const enum sa_end ends[] = {
		END_OPERATOR, END_DELETED_PEER, END_DELETED_LOCAL, END_INACTIVITY,
		END_GAVE_UP,  END_EXPIRED,	END_KERNEL_LOST,
	};
	uint32_t spi[CHILDREN] = { 0 }, next = first;
	struct history *h = open_dir(dir);
	char name[16];
	struct sas s;
	int k, i;

	hist_daemon(h, getpid(), 1, clock_ms);
	for (;;) {
		clock_ms = 1000000 + mono_ms() % 100000000;
		k = rand_r(&seed) % CHILDREN;
		if (!spi[k]) {
			spi[k] = next++;
			listing_begin(&s, "gw");
			for (i = 0; i < CHILDREN; i++) {
				static char names[CHILDREN][16];

				snprintf(names[i], sizeof(names[i]), "net%d", i);
				if (spi[i])
					listing_add(&s, names[i], spi[i], 0);
			}
			announce(spi[k], END_NONE);
			hist_sync(h, NULL, &s.l, clock_ms);
			told();
		} else if (rand_r(&seed) % 2) {
			announce(spi[k], END_REKEYED);
			hist_rekey(h, spi[k], next, ESP, clock_ms);
			told();
			announce(next, END_NONE);
			told();
			spi[k] = next++;
		} else {
			enum sa_end end = ends[(size_t)rand_r(&seed) % ARRAY_SIZE(ends)];

			announce(spi[k], end);
			hist_end(h, spi[k], ESP, end, clock_ms);
			told();
			spi[k] = 0;
		}
		snprintf(name, sizeof(name), "net%d", k);
		if (rand_r(&seed) % 16 == 0) {
			unsigned int told_before = journal->n;

			if (!hist_flush(h))
				note_flushed(told_before);
		} else if (rand_r(&seed) % 4 == 0) {
			usleep((useconds_t)rand_r(&seed) % 3000);
		}
	}
}

struct tally {
	unsigned int checked, lost, wrong;
};

/* Every event that had to be on disk by @killed. */
static void check_events(struct history *h, int64_t killed, struct tally *t)
{
	unsigned int n = __atomic_load_n(&journal->n, __ATOMIC_ACQUIRE), i, k;
	struct hist_sa sa;

	for (i = 0; i < n; i++) {
		const struct event *e = &journal->event[i];
		enum sa_end last = (enum sa_end)e->end;

		if (!e->flushed && e->at > killed - SLACK_MS)
			continue;
		t->checked++;
		if (hist_lookup(h, e->spi, ESP, &sa)) {
			t->lost++;
			continue;
		}
		/* A later event of the same SPI, even one just announced, may be there. */
		if (sa.end == last)
			continue;
		for (k = i + 1; k <= n; k++)
			if (journal->event[k].spi == e->spi && (int)sa.end == journal->event[k].end)
				break;
		if (k > n) {
			if (t->wrong++ < 3)
				printf("# spi %x: told %s, found %s\n", e->spi, end_name(last),
				       end_name(sa.end));
		}
	}
}

static void run_once(const char *dir, unsigned int seed, unsigned int nr)
{
	bool timed = nr % 10 == 9; /* long enough for events to grow old */
	int64_t delay_us, killed;
	struct tally t = { 0 };
	struct history *h;
	int status;
	pid_t pid;

	delay_us = timed ? 1000000 + rand_r(&seed) % 300000 : 5000 + rand_r(&seed) % 200000;
	memset(journal, 0, sizeof(journal->n));
	fflush(stdout);
	pid = fork();
	if (!pid) {
		victim(dir, seed, 0x1000000 * (nr + 1));
		_exit(2);
	}
	usleep((useconds_t)delay_us);
	killed = mono_ms();
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	if (!ktap_ok(WIFSIGNALED(status), "run %u: was alive until killed", nr))
		return;
	h = open_dir(dir);
	if (!h)
		return;
	check_events(h, killed, &t);
	ktap_ok(!t.lost && !t.wrong, "run %u (%s): %u events, %u to be there, %u lost, %u wrong",
		nr, timed ? "timed" : "flushed", journal->n, t.checked, t.lost, t.wrong);
	ktap_str("no error", NULL, hist_error(h));
	hist_close(h);
}

static void test_kill(void)
{
	unsigned int seed = getenv("SEED") ? (unsigned int)atoi(getenv("SEED")) : 1, i;
	unsigned int runs = getenv("RUNS") ? (unsigned int)atoi(getenv("RUNS")) : 50;
	const char *dir = new_dir();
	char path[256];

	journal = mmap(NULL, sizeof(*journal), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (journal == MAP_FAILED) {
		ktap_ok(false, "mmap");
		return;
	}
	printf("# seed %u\n", seed);
	for (i = 0; i < runs; i++)
		run_once(dir, seed * 1000 + i, i);
	snprintf(path, sizeof(path), "%s/history.db.corrupt", dir);
	ktap_ok(access(path, F_OK), "the file was never corrupt");
	munmap(journal, sizeof(*journal));
}

int main(void)
{
	static const history_test tests[] = { test_kill, NULL };

	return history_main(tests);
}
