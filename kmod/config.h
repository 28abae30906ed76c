/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _XFRM_INVSPI_CONFIG_H
#define _XFRM_INVSPI_CONFIG_H

#include <net/netlink.h>

#include <linux/xfrm_invspi.h>

#include "table.h"

#define INVSPI_CONFIG_ATTRS (XFRM_INVSPI_A_CONFIG_EVENTS_RATE + 1)

extern const struct nla_policy invspi_config_policy[INVSPI_CONFIG_ATTRS];

u32 *invspi_config_item(struct invspi_config *cfg, int attr);
int invspi_config_check(struct invspi_config *cfg);

#endif /* _XFRM_INVSPI_CONFIG_H */
