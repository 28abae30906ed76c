// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events: hints that the table has changed.
 *
 * A packet only marks its flow and arms the work item, which builds the messages
 * from the table. When it has just run it waits a few milliseconds, so that what
 * happens to a flow in between costs one message. A listener that missed one
 * loses time, nothing else.
 *
 * The token bucket keeps half of its tokens for verdicts: a flood of new flows
 * must not silence the flow that matters.
 */
#include <linux/jiffies.h>
#include <linux/workqueue.h>
#include <net/genetlink.h>

#include <linux/xfrm_invspi.h>

#include "event.h"
#include "netlink.h"

/* The first event goes at once; how long those that follow are gathered. */
#define INVSPI_EVENT_GATHER_MS 5

static struct workqueue_struct *invspi_event_wq;
/* False: the family is not registered, and the group's number not ours. */
static bool invspi_event_open;

bool invspi_event_wanted(struct invspi_table *tb)
{
	struct invspi_net *in = container_of(tb, struct invspi_net, table);

	return READ_ONCE(invspi_event_open) && invspi_nl_has_listeners(in->net);
}

static void invspi_event_send_one(struct invspi_net *in, u8 event, const struct invspi_flow *flow)
{
	u32 rate = READ_ONCE(in->events.rate);
	bool taken;
	u8 cmd;
	int err;

	if (event == INVSPI_FLOW_EV_NEW)
		cmd = XFRM_INVSPI_CMD_FLOW_NEW_NTF;
	else if (event == INVSPI_FLOW_EV_DESYNC)
		cmd = XFRM_INVSPI_CMD_FLOW_DESYNC_NTF;
	else
		cmd = XFRM_INVSPI_CMD_FLOW_CEASED_NTF;

	local_bh_disable();
	taken = invspi_limit_take(&in->events.limit, rate,
				  event == INVSPI_FLOW_EV_NEW ? rate / 2 : 0);
	local_bh_enable();

	err = taken ? invspi_nl_notify(in->net, cmd, flow, &invspi_event_open) : -EBUSY;
	if (!err)
		WRITE_ONCE(in->events.sent, in->events.sent + 1);
	else if (err != -ESRCH) /* nobody listens any more */
		WRITE_ONCE(in->events.suppressed, in->events.suppressed + 1);
}

static void invspi_event_send(struct work_struct *work)
{
	struct invspi_net *in = container_of(to_delayed_work(work), struct invspi_net, events.send);
	struct invspi_flow flow;
	u32 index = 0;
	u8 event;

	WRITE_ONCE(in->events.ran, jiffies);
	while ((event = invspi_table_next_event(&in->table, &index, &flow))) {
		invspi_event_send_one(in, event, &flow);
		cond_resched();
	}
}

static void invspi_event_age(struct work_struct *work)
{
	struct invspi_net *in = container_of(to_delayed_work(work), struct invspi_net, events.age);
	unsigned long left;
	u32 todo;

	left = invspi_table_age(&in->table, &todo);
	if (todo & INVSPI_TODO_EVENT)
		invspi_event_kick(in, todo);
	/* A packet may have armed it meanwhile, but not for an earlier time. */
	if (left)
		mod_delayed_work(invspi_event_wq, &in->events.age, left);
}

/**
 * invspi_event_kick() - see to what a packet left behind
 * @in: namespace
 * @todo: INVSPI_TODO_EVENT and INVSPI_TODO_AGE are looked at
 *
 * Any context that may not sleep. Does nothing if the work is armed already.
 */
void invspi_event_kick(struct invspi_net *in, u32 todo)
{
	unsigned long gather = msecs_to_jiffies(INVSPI_EVENT_GATHER_MS);

	if (todo & INVSPI_TODO_EVENT)
		queue_delayed_work(invspi_event_wq, &in->events.send,
				   jiffies - READ_ONCE(in->events.ran) > gather ? 0 : gather);
	if (todo & INVSPI_TODO_AGE)
		queue_delayed_work(invspi_event_wq, &in->events.age, READ_ONCE(in->table.idle));
}

/**
 * invspi_event_reconfigure() - take over settings that have changed
 * @in: namespace, locked
 */
void invspi_event_reconfigure(struct invspi_net *in)
{
	WRITE_ONCE(in->events.rate, in->config.events_rate);
	/* idle_ms may have become shorter */
	mod_delayed_work(invspi_event_wq, &in->events.age, 0);
}

/**
 * invspi_event_net_init() - set up a namespace
 * @in: namespace
 */
void invspi_event_net_init(struct invspi_net *in)
{
	INIT_DELAYED_WORK(&in->events.send, invspi_event_send);
	INIT_DELAYED_WORK(&in->events.age, invspi_event_age);
	in->events.rate = in->config.events_rate;
	invspi_limit_init(&in->events.limit, in->events.rate);
}

/**
 * invspi_event_net_exit() - stop the work of a namespace
 * @in: namespace; no packet arms it any more
 */
void invspi_event_net_exit(struct invspi_net *in)
{
	/* in this order: age arms send */
	cancel_delayed_work_sync(&in->events.age);
	cancel_delayed_work_sync(&in->events.send);
}

/**
 * invspi_event_start() - make the work queue
 *
 * Return: 0 or -ENOMEM.
 */
int invspi_event_start(void)
{
	invspi_event_wq = alloc_workqueue("xfrm_invspi", WQ_UNBOUND, 0);
	return invspi_event_wq ? 0 : -ENOMEM;
}

/**
 * invspi_event_open_group() - open or shut the way to the group
 * @open: the family is registered, and stays so until the next call
 *
 * Sleeps for a grace period when it shuts.
 */
void invspi_event_open_group(bool open)
{
	WRITE_ONCE(invspi_event_open, open);
	if (!open)
		synchronize_rcu();
}

/**
 * invspi_event_stop() - remove the work queue; no namespace uses it any more
 */
void invspi_event_stop(void)
{
	destroy_workqueue(invspi_event_wq);
}
