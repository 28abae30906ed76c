// SPDX-License-Identifier: GPL-2.0-only
/*
 * What systemd is told: ready, alive, in which state, ending. Nothing of it where it
 * does not ask (started by hand), or is not there.
 */
#include "daemon.h"

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>

static void on_watchdog(uv_timer_t *timer)
{
	(void)timer;
	sd_notify(0, "WATCHDOG=1");
}

/* From the loop, so that one that does not turn any more is noticed. */
void service_ready(struct invspid *d)
{
	uint64_t usec = 0;

	sd_notify(0, "READY=1");
	if (sd_watchdog_enabled(0, &usec) > 0 && usec)
		uv_timer_start(&d->watchdog, on_watchdog, 0, usec / 3000);
}

/* Not why: that is text from outside, and a new line would begin another message. */
void service_state(enum daemon_state state)
{
	sd_notifyf(0, "STATUS=IKE daemon %s", daemon_state_name(state));
}

void service_ending(void)
{
	sd_notify(0, "STOPPING=1");
}
#else
void service_ready(struct invspid *d)
{
	(void)d;
}

void service_state(enum daemon_state state)
{
	(void)state;
}

void service_ending(void)
{
}
#endif
