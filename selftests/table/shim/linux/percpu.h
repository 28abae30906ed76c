/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_PERCPU_H
#define SHIM_LINUX_PERCPU_H

#include <linux/compiler.h>

#define alloc_percpu(type) shim_alloc_percpu(sizeof(type), _Alignof(type))
#define free_percpu(p) shim_free_percpu(p)
#define per_cpu_ptr(p, cpu) ((p) + (cpu))
#define this_cpu_ptr(p)              \
	({                           \
		shim_check(SHIM_BH); \
		(p) + shim_cpu;      \
	})
#define for_each_possible_cpu(cpu) for ((cpu) = 0; (cpu) < SHIM_CPUS; (cpu)++)

#endif /* SHIM_LINUX_PERCPU_H */
