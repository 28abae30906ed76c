/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_SPINLOCK_H
#define SHIM_LINUX_SPINLOCK_H

#include <sched.h>

#include <linux/bottom_half.h>
#include <linux/types.h>

/* As large as the kernel's, and as cheap when nobody else wants it. */
typedef struct {
	int state; /* 0: not initialized */
} spinlock_t;

#define SHIM_FREE 1
#define SHIM_TAKEN 2

static inline void spin_lock_init(spinlock_t *lock)
{
	__atomic_store_n(&lock->state, SHIM_FREE, __ATOMIC_RELAXED);
}

static inline void spin_lock(spinlock_t *lock)
{
	int was;

	shim_check(SHIM_BH);
	while ((was = __atomic_exchange_n(&lock->state, SHIM_TAKEN, __ATOMIC_ACQUIRE)) ==
	       SHIM_TAKEN)
		while (__atomic_load_n(&lock->state, __ATOMIC_RELAXED) == SHIM_TAKEN)
			sched_yield(); /* there may be more threads than processors */
	assert(was == SHIM_FREE);
	if (SHIM_COUNT && shim_lock_takes)
		shim_set_time(shim_time() + shim_lock_takes);
	shim_enter(SHIM_LOCK);
}

static inline void spin_unlock(spinlock_t *lock)
{
	shim_leave(SHIM_LOCK);
	__atomic_store_n(&lock->state, SHIM_FREE, __ATOMIC_RELEASE);
}

static inline void spin_lock_bh(spinlock_t *lock)
{
	local_bh_disable();
	spin_lock(lock);
}

static inline void spin_unlock_bh(spinlock_t *lock)
{
	spin_unlock(lock);
	local_bh_enable();
}

#define lockdep_is_held(lock) (__atomic_load_n(&(lock)->state, __ATOMIC_RELAXED) == SHIM_TAKEN)

#endif /* SHIM_LINUX_SPINLOCK_H */
