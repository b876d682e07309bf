/* SPDX-License-Identifier: BSD-3-Clause */
/* What drivers do with a page pool; unapi/page_pool.h is the applications' half. */
#ifndef UNAPI_CORE_PAGE_POOL_H
#define UNAPI_CORE_PAGE_POOL_H

#include "core/base/compiler.h"
#include "core/vfio/dma.h"
#include <unapi/napi.h>
#include <unapi/page_pool.h>

/* Space before a received packet's data, for headers an application prepends. */
#define PAGE_POOL_HEADROOM 64
/* What a receive descriptor is told it may fill (SRRCTL.BSIZEPACKET counts in KiB). */
#define PAGE_POOL_RX_SIZE  2048

/*
 * A pool whose owner is whoever polls @napi; @napi NULL: the calling thread. A starving pool schedules @napi
 * when buffers come back.
 */
int page_pool_create(uint32_t buffers, int node, struct napi_struct *napi, struct page_pool **out);

/*
 * Give the pool up, as the kernel's function of this name does: its memory is freed now (0), or, while some
 * of its buffers are out, when the last of them comes back (their number, > 0, which is no failure). Nobody
 * is the owner after it, and @napi may be freed. No device may be filling its buffers.
 */
int page_pool_destroy(struct page_pool *pool);

/* How many were ever created: who remembers where a pool's buffers are can tell that its number may be
 * another's by now. Whoever got a record of the new pool sees it changed. */
extern uint32_t page_pools_made __attribute__((visibility("hidden")));

/* Owner only. Take up to @n buffer handles; looks at the return rings when the cache runs short. */
unsigned int page_pool_alloc_bulk(struct page_pool *pool, uint32_t *bufs, unsigned int n);

/* The same without a copy: up to *@n, where they lie until the pool's next call. */
const uint32_t *page_pool_take(struct page_pool *pool, unsigned int *n);

/* Give handles back, of any pools, one reference each; none is SHARED unless @shared says to look. Any
 * thread: the owner's buffers go straight into its cache, the others over a return ring. */
void page_pool_put_bulk(const uint32_t *bufs, unsigned int n, bool shared);

/* The same for handles of which all are of one pool, and none is SHARED. */
void page_pool_put_same(const uint32_t *bufs, unsigned int n);

/*
 * Owner only: the instance is about to complete with its ring short of buffers. Sets STARVING, then looks at
 * the return rings once more (the fence between the two pairs with the returner's, which publishes first and
 * looks at STARVING then). True: there are buffers after all, do not complete. False: whoever returns some
 * will schedule the instance.
 */
bool page_pool_starve(struct page_pool *pool);

/* Owner only: the pool starves, and yet its cache has buffers, that the owner freed itself since. Nobody
 * would schedule the instance for these. */
bool page_pool_fed(const struct page_pool *pool);

const struct unapi_pool_view *page_pool_view(const struct page_pool *pool);
unsigned int page_pool_id(const struct page_pool *pool);

#endif
