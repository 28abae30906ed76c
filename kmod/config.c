// SPDX-License-Identifier: GPL-2.0-only
/*
 * The settings: their ranges, as module parameters and as netlink attributes.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/printk.h>
#include <linux/stddef.h>

#include "config.h"

/* Not const: 6.1 has no const in the pointer of a policy. */
static struct netlink_range_validation invspi_config_ranges[INVSPI_CONFIG_ATTRS] = {
	[XFRM_INVSPI_A_CONFIG_FLOWS_MAX] = { .min = INVSPI_SET_FLOWS, .max = 1048576 },
	[XFRM_INVSPI_A_CONFIG_DESYNC_PACKETS] = { .min = 2, .max = 1000000 },
	[XFRM_INVSPI_A_CONFIG_DESYNC_MS] = { .min = 0, .max = 3600000 },
	[XFRM_INVSPI_A_CONFIG_IDLE_MS] = { .min = 100, .max = 86400000 },
	[XFRM_INVSPI_A_CONFIG_LOG_INTERVAL_MS] = { .min = 0, .max = 86400000 },
	[XFRM_INVSPI_A_CONFIG_LOG_RATE] = { .min = 1, .max = 1000 },
	[XFRM_INVSPI_A_CONFIG_EVENTS_RATE] = { .min = 1, .max = 100000 },
};

#define INVSPI_RANGE(attr) NLA_POLICY_FULL_RANGE(NLA_U32, &invspi_config_ranges[attr])

const struct nla_policy invspi_config_policy[INVSPI_CONFIG_ATTRS] = {
	[XFRM_INVSPI_A_CONFIG_FLOWS_MAX] = INVSPI_RANGE(XFRM_INVSPI_A_CONFIG_FLOWS_MAX),
	[XFRM_INVSPI_A_CONFIG_DESYNC_PACKETS] = INVSPI_RANGE(XFRM_INVSPI_A_CONFIG_DESYNC_PACKETS),
	[XFRM_INVSPI_A_CONFIG_DESYNC_MS] = INVSPI_RANGE(XFRM_INVSPI_A_CONFIG_DESYNC_MS),
	[XFRM_INVSPI_A_CONFIG_IDLE_MS] = INVSPI_RANGE(XFRM_INVSPI_A_CONFIG_IDLE_MS),
	[XFRM_INVSPI_A_CONFIG_LOG_INTERVAL_MS] = INVSPI_RANGE(XFRM_INVSPI_A_CONFIG_LOG_INTERVAL_MS),
	[XFRM_INVSPI_A_CONFIG_LOG_RATE] = INVSPI_RANGE(XFRM_INVSPI_A_CONFIG_LOG_RATE),
	[XFRM_INVSPI_A_CONFIG_EVENTS_RATE] = INVSPI_RANGE(XFRM_INVSPI_A_CONFIG_EVENTS_RATE),
};

#define INVSPI_ITEM(member)                                     \
	{                                                       \
#member, offsetof(struct invspi_config, member) \
	}

static const struct {
	const char *name;
	size_t offset;
} invspi_config_items[INVSPI_CONFIG_ATTRS] = {
	[XFRM_INVSPI_A_CONFIG_FLOWS_MAX] = INVSPI_ITEM(flows_max),
	[XFRM_INVSPI_A_CONFIG_DESYNC_PACKETS] = INVSPI_ITEM(desync_packets),
	[XFRM_INVSPI_A_CONFIG_DESYNC_MS] = INVSPI_ITEM(desync_ms),
	[XFRM_INVSPI_A_CONFIG_IDLE_MS] = INVSPI_ITEM(idle_ms),
	[XFRM_INVSPI_A_CONFIG_LOG_INTERVAL_MS] = INVSPI_ITEM(log_interval_ms),
	[XFRM_INVSPI_A_CONFIG_LOG_RATE] = INVSPI_ITEM(log_rate),
	[XFRM_INVSPI_A_CONFIG_EVENTS_RATE] = INVSPI_ITEM(events_rate),
};

/**
 * invspi_config_item() - the setting of an attribute
 * @cfg: settings
 * @attr: XFRM_INVSPI_A_CONFIG_*
 *
 * Return: where it is.
 */
u32 *invspi_config_item(struct invspi_config *cfg, int attr)
{
	return (void *)cfg + invspi_config_items[attr].offset;
}

/**
 * invspi_config_check() - are the module parameters in range?
 * @cfg: what they were set to
 *
 * Return: 0, or -EINVAL after a line in the log that names the first bad one.
 */
int invspi_config_check(struct invspi_config *cfg)
{
	int attr;

	for (attr = XFRM_INVSPI_A_CONFIG_FLOWS_MAX; attr < INVSPI_CONFIG_ATTRS; attr++) {
		u32 value = *invspi_config_item(cfg, attr);

		if (value >= invspi_config_ranges[attr].min &&
		    value <= invspi_config_ranges[attr].max)
			continue;
		pr_err("parameter %s=%u is not in the range %llu to %llu\n",
		       invspi_config_items[attr].name, value, invspi_config_ranges[attr].min,
		       invspi_config_ranges[attr].max);
		return -EINVAL;
	}
	return 0;
}
