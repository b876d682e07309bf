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

/*
 * Add to a counter that one thread writes and any may read: relaxed, and no read-modify-write that other CPUs
 * would have to see. One addition in memory, not locked, which compilers do not make of a relaxed load and
 * store; sanitizers are to see the latter.
 */
static inline void counter_add(uint64_t *counter, uint64_t by)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
	__asm__("addq %1, %0" : "+m"(*counter) : "re"(by) : "cc");
#else
	WRITE_ONCE(*counter, *counter + by);
#endif
}

#define UNAPI_CACHELINE	    64
#define __cacheline_aligned __attribute__((aligned(UNAPI_CACHELINE)))

static inline void cpu_relax(void)
{
	__builtin_ia32_pause();
}

#endif
