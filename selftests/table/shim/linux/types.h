/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_TYPES_H
#define SHIM_LINUX_TYPES_H

#include_next <linux/types.h>
#include <asm/bitsperlong.h>
#include <asm/byteorder.h>

#include <linux/compiler.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;
typedef __s64 s64;
typedef unsigned int gfp_t;

#ifndef BITS_PER_LONG
#define BITS_PER_LONG __BITS_PER_LONG
#endif

#define cpu_to_be64(x) ((__be64)__builtin_bswap64(x))
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "only for little-endian machines"
#endif

#endif /* SHIM_LINUX_TYPES_H */
