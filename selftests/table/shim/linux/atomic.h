/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_ATOMIC_H
#define SHIM_LINUX_ATOMIC_H

#include <linux/types.h>

typedef struct {
	int counter;
} atomic_t;

#define ATOMIC_INIT(n) \
	{              \
		(n)    \
	}

static inline int atomic_read(const atomic_t *v)
{
	return __atomic_load_n(&v->counter, __ATOMIC_RELAXED);
}

static inline int atomic_inc_return(atomic_t *v)
{
	return __atomic_add_fetch(&v->counter, 1, __ATOMIC_SEQ_CST);
}

static inline void atomic_dec(atomic_t *v)
{
	__atomic_sub_fetch(&v->counter, 1, __ATOMIC_RELAXED);
}

static inline void atomic_or(int bits, atomic_t *v)
{
	__atomic_or_fetch(&v->counter, bits, __ATOMIC_RELAXED);
}

static inline void atomic_andnot(int bits, atomic_t *v)
{
	__atomic_and_fetch(&v->counter, ~bits, __ATOMIC_RELAXED);
}

/* the compiler's own */
#define smp_load_acquire(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
/* the same */
#define smp_store_release(p, value) __atomic_store_n(p, value, __ATOMIC_RELEASE)
/* stronger than needed */
#define smp_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
/* the same */
#define smp_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
/* no cheaper on any machine that counts here */
#define smp_mb__after_atomic() __atomic_thread_fence(__ATOMIC_SEQ_CST)

#endif /* SHIM_LINUX_ATOMIC_H */
