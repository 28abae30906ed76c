/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_SLAB_H
#define SHIM_LINUX_SLAB_H

#include <errno.h>

#include <linux/types.h>

#define GFP_ATOMIC 0x1u
#define GFP_KERNEL 0x2u
#define __GFP_NOWARN 0x4u

#define struct_size(p, member, n) offsetof(__typeof__(*(p)), member[n])

static inline void *kvzalloc(size_t size, gfp_t gfp)
{
	if (gfp & GFP_KERNEL)
		shim_may_sleep();
	return shim_alloc(size, _Alignof(max_align_t));
}

#define kvfree(p) shim_free(p)

struct kmem_cache {
	size_t size, align;
};

static inline struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align,
						   unsigned int flags, void (*ctor)(void *p))
{
	struct kmem_cache *cache;

	(void)name;
	(void)flags;
	(void)ctor;
	assert(!flags && !ctor);
	shim_may_sleep();
	cache = shim_alloc(sizeof(*cache), _Alignof(struct kmem_cache));
	if (cache) {
		cache->size = size;
		cache->align = align;
	}
	return cache;
}

static inline void *kmem_cache_zalloc(struct kmem_cache *cache, gfp_t gfp)
{
	if (gfp & GFP_KERNEL)
		shim_may_sleep();
	return shim_alloc(cache->size, cache->align);
}

static inline void kmem_cache_free(struct kmem_cache *cache, void *p)
{
	(void)cache;
	shim_free(p);
}

#define kmem_cache_destroy(cache) shim_free(cache)

#endif /* SHIM_LINUX_SLAB_H */
