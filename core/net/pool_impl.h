/* SPDX-License-Identifier: BSD-3-Clause */
/* What page_pool.c and packet.c share of a pool. */
#ifndef UNAPI_CORE_POOL_IMPL_H
#define UNAPI_CORE_POOL_IMPL_H

#include "core/net/page_pool.h"
#include "core/net/return_ring.h"

#include <pthread.h>

#define POOL_BUF_SIZE (PAGE_POOL_HEADROOM + PAGE_POOL_RX_SIZE)
/* 2112, an odd number of cache lines: equal offsets of consecutive buffers fall into different cache sets. */
#define POOL_STRIDE   POOL_BUF_SIZE

/* page_pool.flags */
#define POOL_STARVING 1u /* the instance sleeps for want of buffers */
#define POOL_DETACHED 2u /* given up: whoever returns a buffer looks whether it was the last */

struct page_pool {
	/* read by everyone who frees; written when the pool is made, adopted or given up */
	__cacheline_aligned struct napi_struct *napi; /* whose poller is the owner; NULL: @owner tells */
	uint64_t owner;				      /* returner_thread_id(); 0: nobody */
	uint32_t *cache;			      /* LIFO of handles, room for every buffer */
	uint32_t buffers;
	uint32_t indices;   /* buffers and, between them, those that would cross a page and are not used */
	uint32_t page_size; /* of the memory */
	uint16_t id;
	bool in_use;	/* this entry of pools[]; written under the table lock */
	uint16_t *refs; /* additional owners of each index; made by the first clone, NULL before */
	struct dma_mem *mem;
	struct return_ring *spare; /* for threads that have no memory for a ring: produced under @lock */

	/* the owner's; relaxed stores, statistics read them */
	__cacheline_aligned uint32_t cached; /* handles in the cache */
	uint32_t fresh;			     /* how many buffers have been given out at least once */
	uint32_t next;			     /* index to look at for the next of those that have not */
	uint64_t alloc_fast, alloc_slow, alloc_empty, alloc_refill;
	uint64_t recycle_cached, recycle_cache_full, recycle_ring_full;

	/* where threads meet */
	__cacheline_aligned uint32_t flags;
	struct return_ring *rings; /* all of them; grows only */
	uint64_t released_refcnt;
	/* Guards additions to @rings, production to @spare, @napi against being given up while a returner
	 * schedules it, and all of a detached pool. */
	pthread_mutex_t lock;
};

extern struct page_pool page_pools[UNAPI_MAX_POOLS];

static inline struct page_pool *pool_of(uint32_t buf)
{
	return &page_pools[buf >> UNAPI_POOL_SHIFT];
}

/* Does the buffer of this index lie within one page? Indices that do not are never handed out (pool_mem.c).
 */
static inline bool pool_fits_page(uint32_t page_size, uint32_t index)
{
	return ((uint64_t)index * POOL_STRIDE & (page_size - 1)) + POOL_BUF_SIZE <= page_size;
}

/* Set @mem, @indices and @page_size for @buffers. */
int pool_alloc_memory(struct page_pool *p, int node);

/* Give up one ownership of a buffer that may be shared. True: it was the last, the buffer is free. */
bool pool_drop_ref(struct page_pool *p, uint32_t buf);

/* Return buffers without needing any memory: over one ring, whose producers take turns. */
void pool_push_spare(struct page_pool *p, const uint32_t *bufs, unsigned int n);

#endif
