/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_SCHED_H
#define SHIM_LINUX_SCHED_H

#include_next <linux/sched.h>

#include <linux/compiler.h>

#define cond_resched() shim_may_sleep()

#endif /* SHIM_LINUX_SCHED_H */
