/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel must have. There are no differences between 6.1 and 7.2 that
 * we would have to bridge; if one comes, it goes here and nowhere else.
 */
#ifndef _XFRM_INVSPI_COMPAT_H
#define _XFRM_INVSPI_COMPAT_H

#include <linux/kconfig.h>
#include <net/genetlink.h>

/* The counters in /proc/net/xfrm_stat tell why a packet was dropped. */
#ifndef CONFIG_XFRM_STATISTICS
#error "xfrm_invspi needs a kernel with CONFIG_XFRM_STATISTICS"
#endif

/* Without it every user could listen to the events. */
#ifndef GENL_MCAST_CAP_NET_ADMIN
#error "xfrm_invspi needs Linux 6.1.67, 6.6.6, 6.7 or later: GENL_MCAST_CAP_NET_ADMIN is missing"
#endif

#endif /* _XFRM_INVSPI_COMPAT_H */
