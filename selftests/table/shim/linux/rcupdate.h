/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_RCUPDATE_H
#define SHIM_LINUX_RCUPDATE_H

#include <linux/types.h>

/* Odd while the CPU is inside of a read side */
struct shim_rcu {
	unsigned long passes;
} __aligned(64);

extern struct shim_rcu shim_rcu[SHIM_CPUS];

static inline void rcu_read_lock(void)
{
	unsigned long *passes = &shim_rcu[shim_cpu].passes;

	shim_enter(SHIM_RCU);
	assert(!(*passes & 1)); /* does not nest */
	__atomic_store_n(passes, *passes + 1, __ATOMIC_SEQ_CST);
}

static inline void rcu_read_unlock(void)
{
	unsigned long *passes = &shim_rcu[shim_cpu].passes;

	shim_leave(SHIM_RCU);
	__atomic_store_n(passes, *passes + 1, __ATOMIC_RELEASE);
}

#define rcu_dereference(p)                               \
	({                                               \
		shim_check(SHIM_RCU);                    \
		__atomic_load_n(&(p), __ATOMIC_ACQUIRE); \
	})
#define rcu_dereference_protected(p, held) \
	({                                 \
		assert(held);              \
		READ_ONCE(p);              \
	})
#define rcu_assign_pointer(p, value) __atomic_store_n(&(p), value, __ATOMIC_RELEASE)
#define synchronize_rcu() shim_synchronize()

#endif /* SHIM_LINUX_RCUPDATE_H */
