/* SPDX-License-Identifier: BSD-3-Clause */
/* What C lacks, spelled as the kernel spells it. */
#ifndef UNAPI_CORE_COMPILER_H
#define UNAPI_CORE_COMPILER_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

#define likely(x)			__builtin_expect(!!(x), 1)
#define unlikely(x)			__builtin_expect(!!(x), 0)

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define ARRAY_SIZE(a)			(sizeof(a) / sizeof((a)[0]))

/* A load or store that other threads may race with, of no order of its own (memory_order_relaxed). */
#define READ_ONCE(x)			__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)		__atomic_store_n(&(x), (v), __ATOMIC_RELAXED)

#define UNAPI_CACHELINE			64
#define __cacheline_aligned		__attribute__((aligned(UNAPI_CACHELINE)))

static inline void cpu_relax(void)
{
	__builtin_ia32_pause();
}

#endif
