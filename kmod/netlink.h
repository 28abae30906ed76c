/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _XFRM_INVSPI_NETLINK_H
#define _XFRM_INVSPI_NETLINK_H

#include "invspi.h"

bool invspi_nl_has_listeners(struct net *net);
int invspi_nl_notify(struct net *net, u8 cmd, const struct invspi_flow *flow, const bool *open);

int invspi_nl_register(void);
void invspi_nl_unregister(void);

#endif /* _XFRM_INVSPI_NETLINK_H */
