/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_CACHE_H
#define SHIM_LINUX_CACHE_H

#include <linux/compiler.h>

#define ____cacheline_aligned __aligned(64)

#endif /* SHIM_LINUX_CACHE_H */
