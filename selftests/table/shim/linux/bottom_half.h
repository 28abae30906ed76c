/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_BOTTOM_HALF_H
#define SHIM_LINUX_BOTTOM_HALF_H

#include <linux/compiler.h>

/* Nothing interrupts a thread to become a packet on its CPU. */
#define local_bh_disable() shim_enter(SHIM_BH)
#define local_bh_enable() shim_leave(SHIM_BH)

#endif /* SHIM_LINUX_BOTTOM_HALF_H */
