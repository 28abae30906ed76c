// SPDX-License-Identifier: GPL-2.0-only
/*
 * Inbound ESP and AH that no SA matches: who sends it, since when, how much.
 *
 * Here: loading, unloading, namespaces. The way of a packet is hook (dropped, and
 * why), table and count (its flow), log (the line), event (multicast hints).
 * Requests come in by netlink, filter and config, and read the table by walk.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/log2.h>
#include <linux/module.h>
#include <linux/user_namespace.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>

#include <linux/xfrm_invspi.h>

#include "config.h"
#include "event.h"
#include "hook.h"
#include "invspi.h"
#include "netlink.h"

/* Settings of a new namespace */
static struct invspi_config invspi_defaults = {
	.flows_max = 4096,
	.desync_packets = 3,
	.desync_ms = 1000,
	.idle_ms = 30000,
	.log_interval_ms = 60000,
	.log_rate = 10,
	.events_rate = 100,
};

static unsigned int invspi_flows_max_all = 65536;
bool invspi_log_all_netns;
unsigned int invspi_net_id __read_mostly;

module_param_named(flows_max, invspi_defaults.flows_max, uint, 0444);
MODULE_PARM_DESC(flows_max, "flows of a namespace, rounded up to a power of two (4096)");
module_param_named(desync_packets, invspi_defaults.desync_packets, uint, 0444);
MODULE_PARM_DESC(desync_packets, "packets that make a flow a desync (3)");
module_param_named(desync_ms, invspi_defaults.desync_ms, uint, 0444);
MODULE_PARM_DESC(desync_ms, "and the time they span at least, in ms (1000)");
module_param_named(idle_ms, invspi_defaults.idle_ms, uint, 0444);
MODULE_PARM_DESC(idle_ms, "silence after which a flow has ceased, in ms (30000)");
module_param_named(log_interval_ms, invspi_defaults.log_interval_ms, uint, 0444);
MODULE_PARM_DESC(log_interval_ms,
		 "at most one log line a flow in this time, in ms; 0: no log (60000)");
module_param_named(log_rate, invspi_defaults.log_rate, uint, 0444);
MODULE_PARM_DESC(log_rate, "log lines of a namespace a second (10)");
module_param_named(events_rate, invspi_defaults.events_rate, uint, 0444);
MODULE_PARM_DESC(events_rate, "netlink events of a namespace a second (100)");
module_param_named(flows_max_all, invspi_flows_max_all, uint, 0444);
MODULE_PARM_DESC(flows_max_all, "flows of all namespaces together (65536)");
module_param_named(log_all_netns, invspi_log_all_netns, bool, 0444);
MODULE_PARM_DESC(log_all_netns, "log for other namespaces than the initial one too (N)");

static int __net_init invspi_net_init(struct net *net)
{
	struct invspi_net *in = invspi_net(net);
	int err;

	in->net = net;
	in->config = invspi_defaults;
	mutex_init(&in->lock);
	err = invspi_table_init(&in->table, &in->config, net->user_ns != &init_user_ns,
				invspi_net_may_log(net));
	if (err)
		return err;
	invspi_event_net_init(in);
	invspi_hook_net_init(in);
	return 0;
}

/*
 * The devices of these namespaces are gone, and so are packets. All but one that
 * an asynchronous cipher has just given back: it lets go of its device and then
 * calls us, inside the RCU read side that is waited for here.
 */
static void __net_exit invspi_net_exit_batch(struct list_head *nets)
{
	struct net *net;

	synchronize_rcu();
	list_for_each_entry(net, nets, exit_list) {
		invspi_event_net_exit(invspi_net(net));
		invspi_table_exit(&invspi_net(net)->table);
	}
}

static struct pernet_operations invspi_net_ops = {
	.init = invspi_net_init,
	.exit_batch = invspi_net_exit_batch,
	.id = &invspi_net_id,
	.size = sizeof(struct invspi_net),
};

static int __init invspi_check_params(void)
{
	int err = invspi_config_check(&invspi_defaults);

	if (err)
		return err;
	if (invspi_flows_max_all < INVSPI_SET_FLOWS) {
		pr_err("parameter flows_max_all=%u is less than %u\n", invspi_flows_max_all,
		       INVSPI_SET_FLOWS);
		return -EINVAL;
	}
	invspi_defaults.flows_max = roundup_pow_of_two(invspi_defaults.flows_max);
	return 0;
}

/*
 * Why the module does not load, in one line. Return: the error for the loader, to
 * which -EEXIST would mean that the module is loaded already, and all is well.
 */
static int __init invspi_refuse(const char *step, int err)
{
	const char *why = "failed";

	if (err == -EEXIST)
		why = "taken by another module";
	else if (err == -ENOMEM)
		why = "no memory";
	pr_err("cannot set up: %s: %s (error %d)\n", step, why, err);
	return err == -EEXIST ? -EBUSY : err;
}

/*
 * ORDER: packets come last, when there is all that they need; requests and
 * listeners before them, so that nobody hears of a flow that cannot be read.
 * Unloading goes the other way round. Events are shut off before the family
 * goes, whose group number may then be somebody else's.
 */
static int __init invspi_init(void)
{
	const char *step = "flow cache";
	int err;

	err = invspi_check_params();
	if (err)
		return err;
	err = invspi_table_module_init(invspi_flows_max_all);
	if (err)
		goto err_step;
	step = "work queue";
	err = invspi_event_start();
	if (err)
		goto err_table;
	step = "namespaces";
	err = register_pernet_subsys(&invspi_net_ops);
	if (err)
		goto err_event;
	step = "netlink family";
	err = invspi_nl_register();
	if (err)
		goto err_pernet;
	invspi_event_open_group(true);
	err = invspi_hook_register(&step);
	if (err)
		goto err_nl;
	return 0;

err_nl:
	invspi_event_open_group(false);
	invspi_nl_unregister();
err_pernet:
	unregister_pernet_subsys(&invspi_net_ops);
err_event:
	invspi_event_stop();
err_table:
	invspi_table_module_exit();
err_step:
	return invspi_refuse(step, err);
}

static void __exit invspi_exit(void)
{
	invspi_hook_unregister();
	invspi_event_open_group(false);
	invspi_nl_unregister();
	unregister_pernet_subsys(&invspi_net_ops);
	invspi_event_stop();
	invspi_table_module_exit();
}

module_init(invspi_init);
module_exit(invspi_exit);

MODULE_DESCRIPTION("Counts, logs and reports inbound IPsec packets that no SA matches");
MODULE_AUTHOR("The xfrm_invspi authors");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1");
MODULE_SOFTDEP("pre: esp4 esp6");
MODULE_ALIAS_GENL_FAMILY(XFRM_INVSPI_FAMILY_NAME);
