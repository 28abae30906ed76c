// SPDX-License-Identifier: GPL-2.0-only
/* What of the machine is not in a header; see shim.h. */
#include <linux/rcupdate.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "shim.h"

__thread unsigned int shim_cpu;
__thread int shim_depth[SHIM_CONTEXTS];

uint64_t shim_clock;
unsigned int shim_lock_takes;

uint64_t shim_time(void)
{
	return __atomic_load_n(&shim_clock, __ATOMIC_RELAXED);
}

void shim_set_time(uint64_t now)
{
	__atomic_store_n(&shim_clock, now, __ATOMIC_RELAXED);
}

struct shim_rcu shim_rcu[SHIM_CPUS];

void shim_synchronize(void)
{
	unsigned long began;
	unsigned int i;

	shim_may_sleep();
	/* what was unpublished before must not be found by who enters after */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (i = 0; i < SHIM_CPUS; i++) {
		began = __atomic_load_n(&shim_rcu[i].passes, __ATOMIC_SEQ_CST);
		if (!(began & 1))
			continue;
		while (__atomic_load_n(&shim_rcu[i].passes, __ATOMIC_ACQUIRE) == began)
			sched_yield();
	}
}

struct shim_memory shim_memory;
static pthread_mutex_t memory_lock = PTHREAD_MUTEX_INITIALIZER;

/* In front of each piece; as large as a cache line, for the alignment. */
struct piece {
	size_t size;
	bool percpu;
} __attribute__((aligned(64)));

static void *get(size_t size, size_t align, bool percpu)
{
	size_t all = sizeof(struct piece) + (percpu ? size * SHIM_CPUS : size);
	struct piece *piece = NULL;
	bool fail;

	assert(align <= sizeof(struct piece));
	(void)align;
	pthread_mutex_lock(&memory_lock);
	shim_memory.calls++;
	fail = shim_memory.none || shim_memory.calls == shim_memory.none_at;
	if (!fail)
		piece = aligned_alloc(64, (all + 63) / 64 * 64);
	if (piece) {
		memset(piece, 0, all);
		piece->size = size;
		piece->percpu = percpu;
		shim_memory.pieces++;
		*(percpu ? &shim_memory.percpu_bytes : &shim_memory.bytes) += size;
	}
	pthread_mutex_unlock(&memory_lock);
	return piece ? piece + 1 : NULL;
}

static void put(void *p, bool percpu)
{
	struct piece *piece;

	if (!p)
		return;
	piece = (struct piece *)p - 1;
	assert(piece->percpu == percpu);
	pthread_mutex_lock(&memory_lock);
	*(percpu ? &shim_memory.percpu_bytes : &shim_memory.bytes) -= piece->size;
	shim_memory.pieces--;
	pthread_mutex_unlock(&memory_lock);
	free(piece);
}

void *shim_alloc(size_t size, size_t align)
{
	return get(size, align, false);
}

void shim_free(void *p)
{
	put(p, false);
}

void *shim_alloc_percpu(size_t size, size_t align)
{
	shim_may_sleep();
	return get(size, align, true);
}

void shim_free_percpu(void *p)
{
	put(p, true);
}

static uint64_t random_state;

void shim_srand(uint64_t seed)
{
	__atomic_store_n(&random_state, seed, __ATOMIC_RELAXED);
}

/* splitmix64 */
uint64_t shim_rand(void)
{
	const uint64_t step = 0x9e3779b97f4a7c15;
	uint64_t x = __atomic_add_fetch(&random_state, step, __ATOMIC_RELAXED);

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}
