// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has anything come in on the children of a peer since a flow began? Counters and time
 * are made up here; watch.c is the real one.
 */
#include <errno.h>

#include "daemon.h"
#include "intern.h"
#include "ktap.h"

#define DEAD 0xc0000001 /* the daemon lists it, the kernel has it no more */

static uint64_t packets[4];
static int64_t now;

int64_t now_ms(void)
{
	return now;
}

/* Each answer takes a while. */
int xfrm_sa_get(struct xfrm *x, const struct ike_addr *dst, uint32_t spi, uint8_t proto,
		uint32_t mark, struct xfrm_sa *sa)
{
	(void)x;
	(void)dst;
	(void)proto;
	(void)mark;
	now++;
	memset(sa, 0, sizeof(*sa));
	sa->packets = packets[spi & 3];
	return spi == DEAD ? -ESRCH : 0;
}

int hist_lookup(struct history *h, uint32_t spi, uint8_t proto, struct hist_sa *sa)
{
	(void)h;
	(void)spi;
	(void)proto;
	(void)sa;
	return -ENOENT;
}

static struct ike_sa *ike_sa(void)
{
	static struct ike_child c[3];
	static struct ike_sa sa = { .child = c, .nchild = 3 };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		c[i] = (struct ike_child){
			.name = intern("net", 3),
			.state = CHILD_INSTALLED,
			.proto = 50,
			.uniqueid = 1 + i,
			.spi_in = DEAD + i,
		};
	}
	return &sa;
}

static struct invspid d;
static struct tracked t;

/* A flow to @DEAD is seen; its first packet came 50 ms before. */
static void begin(void)
{
	if (d.watch)
		watch_free(d.watch);
	d.watch = watch_new();
	now = 1000000;
	packets[2] = 7;
	packets[3] = 7;
	memset(&t, 0, sizeof(t));
	t.flow.spi = DEAD;
	t.flow.proto = 50;
	t.time.first_drop = now - 50;
	t.time.seen_at = now;
	t.ev.inbound = PRESENCE_THERE;
}

static bool silent_at(int64_t ms)
{
	now = t.time.seen_at + ms;
	t.ev.ike_silent = false;
	silence_fill(&d, &t, ike_sa());
	return t.ev.ike_silent;
}

int main(void)
{
	begin();
	ktap_ok(!silent_at(5), "nothing is known when the flow is seen");
	ktap_ok(!silent_at(900), "nor before a second has passed");
	ktap_ok(silent_at(1100), "then nothing has come in on any child");
	ktap_ok(silent_at(60000), "nor a minute later");
	packets[3]++;
	ktap_ok(!silent_at(61000), "a packet on the last of them");
	ktap_ok(!silent_at(600000), "counts as long as the flow goes on");

	begin();
	silent_at(5);
	packets[2]++;
	silent_at(300);
	ktap_ok(!silent_at(1400), "a packet within the first second");
	ktap_ok(!silent_at(60000), "counts for as long");

	begin();
	silent_at(5);
	packets[3]++;
	silent_at(300);
	ktap_ok(!silent_at(60000), "also on the last child");

	/* The counters may have moved before the flow began as well as since. */
	begin();
	ktap_ok(!silent_at(4000), "looked at for the first time after four seconds");
	ktap_ok(!silent_at(60000), "that is for good");
	begin();
	packets[2] = 0;
	packets[3] = 0;
	ktap_ok(silent_at(4000), "but where nothing has ever come in");

	/* Another failure of the same SA: what came before it does not count. */
	begin();
	silent_at(5);
	packets[2]++;
	silent_at(300);
	now = t.time.seen_at + 100000;
	track_begin(&t.time, &t.flow, now);
	silent_at(5);
	ktap_ok(silent_at(1100), "a flow that begins anew is judged anew");
	watch_free(d.watch);
	return ktap_done();
}
