/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between the kernels that this module builds for, 6.1 to 7.2.
 * LINUX_VERSION_CODE is used nowhere else.
 */
#ifndef _XFRM_INVSPI_COMPAT_H
#define _XFRM_INVSPI_COMPAT_H

#include <linux/kconfig.h>
#include <linux/version.h>
#include <net/genetlink.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "xfrm_invspi needs Linux 6.1 or later"
#endif

#ifndef CONFIG_XFRM_STATISTICS
#error "xfrm_invspi needs a kernel with CONFIG_XFRM_STATISTICS: the counters in /proc/net/xfrm_stat tell it why a packet was dropped"
#endif

/*
 * Stable kernels got this with the fix of CVE-2023-6356's neighbour in psample
 * (6.1.67, 6.6.6). Without it any user could listen to the events.
 */
#ifndef GENL_MCAST_CAP_NET_ADMIN
#error "xfrm_invspi needs GENL_MCAST_CAP_NET_ADMIN to keep unprivileged users out of its events: update the kernel (6.1.67, 6.6.6, 6.7 or later)"
#endif

/* Goes when 6.7 is the oldest: the info of a dump carries the attributes. */
static inline struct nlattr **invspi_dump_attrs(struct netlink_callback *cb)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	return genl_info_dump(cb)->attrs;
#else
	return genl_dumpit_info(cb)->attrs;
#endif
}

#endif /* _XFRM_INVSPI_COMPAT_H */
