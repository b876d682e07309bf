/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Page pools: where packet buffers come from and go back to.
 *
 * Every receive queue's instance has one. A pool's cache is touched only by its owner: whoever polls its
 * instance, or, for a pool made by an application, the thread that made it. Buffers freed anywhere else go
 * back in batches over single-producer single-consumer rings, one for each thread that returns some.
 */
#ifndef UNAPI_PAGE_POOL_H
#define UNAPI_PAGE_POOL_H

#include <unapi/packet.h>

#ifdef __cplusplus
extern "C" {
#endif

struct page_pool;

/* The kernel's counters (include/net/page_pool/types.h; netdev family, page-pool-stats). */
struct unapi_page_pool_stats {
	uint64_t alloc_fast;		  /* allocations served from the cache */
	uint64_t alloc_slow;		  /* served from buffers never used before */
	uint64_t alloc_slow_high_order;	  /* always 0: buffers have one size */
	uint64_t alloc_empty;		  /* times the cache was found empty */
	uint64_t alloc_refill;		  /* times the cache was refilled from the return rings */
	uint64_t alloc_waive;		  /* always 0: pool memory is all on one node */
	uint64_t recycle_cached;	  /* frees straight into the cache */
	uint64_t recycle_cache_full;	  /* always 0: the cache holds the whole pool */
	uint64_t recycle_ring;		  /* frees through a return ring */
	uint64_t recycle_ring_full;	  /* frees that found the ring full: 0 by construction */
	uint64_t recycle_released_refcnt; /* frees that only dropped a reference of a shared buffer */
};

struct unapi_page_pool_info {
	unsigned int id;   /* the pool number in buffer handles */
	uint32_t buffers;  /* in the pool */
	uint32_t inflight; /* of these, not free (a moment's estimate) */
	uint32_t buf_size; /* bytes of data a buffer holds */
	int node;	   /* NUMA node, -1 any */
	char memory[80];   /* "2 MiB hugepages" or "4 KiB pages (why)" */
};

/**
 * unapi_page_pool_create() - a pool for packets an application makes
 * @buffers: how many, 1..16 million in hugepages, half as many in 4 KiB pages; @node: NUMA node, -1 any
 *
 * The calling thread owns it until unapi_page_pool_adopt(). -ENOSPC: all 256 pools are in use; -ENOMEM.
 */
UNAPI_API int unapi_page_pool_create(uint32_t buffers, int node, struct page_pool **out);
/** unapi_page_pool_adopt() - the calling thread is the owner from now on; the caller orders it after the last
 * use */
UNAPI_API void unapi_page_pool_adopt(struct page_pool *pool);
/** unapi_page_pool_destroy() - -EBUSY while buffers of it are in use */
UNAPI_API int unapi_page_pool_destroy(struct page_pool *pool);

/**
 * unapi_pkt_alloc_bulk() - @n records with a fresh buffer each: off at the headroom's end, len and flags 0
 *
 * Owner only. Returns how many were had (0..n).
 */
UNAPI_API unsigned int unapi_pkt_alloc_bulk(struct page_pool *pool, struct unapi_pkt *pkts, unsigned int n);

/** unapi_pkt_free_bulk() - give up @n records' buffers, of any pools. Any thread */
UNAPI_API void unapi_pkt_free_bulk(const struct unapi_pkt *pkts, unsigned int n);

/**
 * unapi_pkt_clone() - make @clone a second owner of @pkt's buffer; both get UNAPI_PKT_SHARED
 *
 * The payload of a shared buffer is not to be written. -EOVERFLOW at 65535 owners. Any thread that owns @pkt.
 */
UNAPI_API int unapi_pkt_clone(struct unapi_pkt *pkt, struct unapi_pkt *clone);

UNAPI_API void unapi_page_pool_get_stats(const struct page_pool *pool, struct unapi_page_pool_stats *st);
UNAPI_API void unapi_page_pool_get_info(const struct page_pool *pool, struct unapi_page_pool_info *info);

#ifdef __cplusplus
}
#endif
#endif
