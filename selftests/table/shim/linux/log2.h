/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_LOG2_H
#define SHIM_LINUX_LOG2_H

#define rounddown_pow_of_two(n) (1UL << (63 - __builtin_clzl(n)))

#endif /* SHIM_LINUX_LOG2_H */
