// SPDX-License-Identifier: GPL-2.0-only
/*
 * The helper in the verifier: its memory is unpacked from the state before each step,
 * and packed again after it. Included by recovery.pml; now is the state.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "conf.h"
#include "copy.h"
#include "log.h"
#include "mode.h"
#include "recover_int.h"
#include "world.h"

#define NOW INT64_C(1000000000)
#define AGO(ticks) (NOW - TICK_MS * (int64_t)(ticks))

/* In struct packed: times that are none. */
#define T_LONG_AGO -128
#define T_NEVER 127
#define UNIT_MS TICK_MS

enum request { REQ_NONE, REQ_LIST, REQ_DONE, REQ_INITIATE, REQ_END_IKE, REQ_END_CHILD };

/* What a recovery has asked of the IKE daemon. */
struct asked {
	struct recovery *r;
	ike_list_cb list;
	ike_done_cb done;
	enum request request;
	unsigned int about; /* child, or unique id */
	int64_t until;
	int err;
};

static struct conf conf = {
	.mode = MODE_RECOVER,
	.disruptive = DISRUPTIVE,
	.initiate_unknown = INITIATE_UNKNOWN,
	.limits = {
		.in_passing_ms = IN_PASSING * TICK_MS,
		.came_up_ms = CAME_UP * TICK_MS,
		.in_progress_ms = IN_PROGRESS * TICK_MS,
		.quiet_ms = QUIET * TICK_MS,
		.stand_down_ms = STAND_DOWN * TICK_MS,
		.in_flight = IN_FLIGHT,
		.uncertain_in_flight = 1,
		.uncertain_all = 60000, /* not this budget, but that for each peer */
		.uncertain_peer_ms = UNCERTAIN_PEER * TICK_MS,
		.spoofed_delay_ms = 2 * TICK_MS,
		.retransmit_ms = RETRANSMIT * TICK_MS,
		.disruptive_ms = DISRUPTIVE_GAP * TICK_MS,
		.give_up = GIVE_UP,
		.give_up_ms = GIVE_UP_GAP * TICK_MS,
		.backoff_min_ms = BACKOFF_MIN * TICK_MS,
		.backoff_max_ms = BACKOFF_MAX * TICK_MS,
	},
	.initiate_delay_ms = 0,
	.initiate_timeout_ms = INITIATE_TIMEOUT * TICK_MS,
	.listing_gap_ms = TICK_MS / 4,
	.poll_ms = 60 * TICK_MS,
};

static struct invspid d;
static struct asked asked[RECOVERIES];
static struct recovery *closed[RECOVERIES + 1];
static unsigned int nclosed;

/* ---- clock, chance, log ---- */

int64_t now_ms(void)
{
	return NOW;
}

int64_t wall_ms(void)
{
	return NOW;
}

uint32_t random32(void)
{
	return TICK_MS / 4; /* the first backoff is what is configured */
}

const char *show_addr(int family, const uint8_t *addr)
{
	(void)family;
	(void)addr;
	return "192.0.2.2";
}

void look_soon(struct invspid *daemon, int64_t delay_ms)
{
	(void)daemon;
	now.look |= delay_ms < TICK_MS;
}

void look_tell(struct invspid *daemon, struct tracked *t, int64_t at)
{
	(void)daemon;
	(void)at;
	log_info("flow 0x%x: %s: %s (%s)%s%s", t->flow.spi, grade_name(t->dec.grade),
		 action_name(t->dec.action), t->dec.why, t->dec.blocked ? "; blocked: " : "",
		 t->dec.blocked ? t->dec.blocked : "");
}

/* ---- libuv: timers of recoveries ---- */

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
	(void)loop;
	memset(timer, 0, sizeof(*timer));
	return 0;
}

/* Time goes in ticks: a timer is due at one. */
int uv_timer_start(uv_timer_t *timer, uv_timer_cb cb, uint64_t ms, uint64_t repeat)
{
	(void)repeat;
	timer->timer_cb = cb;
	timer->timeout = NOW + (ms + TICK_MS - 1) / TICK_MS * TICK_MS;
	return 0;
}

int uv_timer_stop(uv_timer_t *timer)
{
	timer->timer_cb = NULL;
	timer->timeout = 0;
	return 0;
}

/* Memory goes when the step is over, as it does when the loop turns. */
void uv_close(uv_handle_t *handle, uv_close_cb cb)
{
	(void)cb;
	closed[nclosed++] = handle->data;
}

/* ---- functions as numbers ---- */

#define FUNCTIONS 16

static void *functions[FUNCTIONS];

/* The same one has the same number for as long as the verifier runs; 0: none. */
static unsigned char pack_function(void *function)
{
	unsigned char i;

	for (i = 1; function && i < FUNCTIONS; i++) {
		if (!functions[i])
			functions[i] = function;
		if (functions[i] == function)
			return i;
	}
	if (function)
		abort();
	return 0;
}

/* ---- names ---- */

static const char *const kid_names[] = { "net", "net2" };

static unsigned char kid_of(const char *name)
{
	unsigned char c;

	for (c = 0; c < CHILDREN; c++)
		if (!strcmp(name, kid_names[c]))
			return c + 1;
	return 0;
}

static const char *name_of(unsigned char kid)
{
	return kid ? kid_names[kid - 1] : "";
}

static uint32_t spi_of(unsigned int c, unsigned int k)
{
	return 0xc0000000 | c << 4 | k;
}

static void make_flow(struct invspi_flow *f, unsigned int c, unsigned int k)
{
	memset(f, 0, sizeof(*f));
	f->family = AF_INET;
	f->proto = IPPROTO_ESP;
	f->src.b[3] = 2;
	f->dst.b[3] = 1;
	f->spi = spi_of(c, k);
}

#include "pack.c"
#include "world.c"
