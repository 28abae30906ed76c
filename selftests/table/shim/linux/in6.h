/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_IN6_H
#define SHIM_LINUX_IN6_H

#include_next <linux/in6.h>

#define s6_addr32 in6_u.u6_addr32

#endif /* SHIM_LINUX_IN6_H */
