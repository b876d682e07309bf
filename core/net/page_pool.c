/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Page pools.
 *
 * Starving. An instance that cannot fill its ring may complete only if somebody wakes it once buffers are
 * back:
 *
 *	owner, in page_pool_starve()		returner, in return_put()
 *	  flags = STARVING	(1)		  ring's tail = ...	(3)
 *	  look at the rings	(2)		  look at flags		(4)
 *
 * All four are sequentially consistent, so they have one order. Either (3) comes before (2), and the owner
 *finds the buffers and goes on; or (2) before (3), then (1) before (4), and the returner sees STARVING and
 *schedules the instance. A schedule that finds the instance not yet completed leaves MISSED, and it polls
 *again. The returner pays one locked store a batch; the owner's own path has neither fence nor locked
 *instruction.
 *
 * Giving a pool up is the same handshake with DETACHED in the place of STARVING: either page_pool_destroy()
 * finds the last buffer at home, or the thread that returns it sees DETACHED and frees the pool. After its
 * push a returner touches nothing of the pool but @flags and @lock, which are static: another returner may
 * have freed the rest, and if the entry is a new pool's by then, the new pool bears a needless look.
 */
#include "core/net/pool_impl.h"
#include "core/base/lines.h"
#include "core/base/reason.h"
#include "core/napi/napi.h"

#include <emmintrin.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What everyone reads, the owner writes, and any thread writes. */
ASSERT_ONE_LINE(struct page_pool, napi, in_use);
ASSERT_APART(struct page_pool, spare, cached);
ASSERT_ONE_LINE(struct page_pool, cached, recycle_cached);
ASSERT_APART(struct page_pool, recycle_ring_full, flags);
ASSERT_ONE_LINE(struct page_pool, flags, rings);

struct page_pool page_pools[UNAPI_MAX_POOLS] = {
	[0 ... UNAPI_MAX_POOLS - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER},
};
struct unapi_pool_view unapi_pool_views[UNAPI_MAX_POOLS];
uint32_t page_pools_made;

/* Guards page_pools[].in_use and the writing of page_pools_made. Taken inside a pool's lock. */
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;

static inline void count(uint64_t *c, uint64_t n)
{
	counter_add(c, n);
}

/* Is the calling thread the one that may touch the cache? */
static inline bool is_owner(const struct page_pool *p)
{
	struct napi_struct *napi = READ_ONCE(p->napi);

	if (likely(napi))
		return unapi_this_napi() == napi;
	return READ_ONCE(p->owner) == returner_thread_id();
}

/* Bring everything from the rings into the cache. Owner, or under the lock of a pool nobody owns. */
static uint32_t drain(struct page_pool *p)
{
	struct return_ring *r = __atomic_load_n(&p->rings, __ATOMIC_SEQ_CST);
	uint32_t cached = p->cached, before = cached;
	uint64_t dropped = 0;

	for (; r; r = r->next)
		cached += return_ring_drain(r, p->cache + cached, p->buffers - cached, &dropped);
	WRITE_ONCE(p->cached, cached);
	if (unlikely(dropped))
		count(&p->recycle_ring_full, dropped);
	return cached - before;
}

/* The cache has fewer than @want: bring what came back, as that is warmer, then buffers never used. Returns
 * the number of the latter. */
static uint32_t refill(struct page_pool *p, uint32_t want)
{
	uint32_t cached, mint, i;

	if (!p->cached)
		count(&p->alloc_empty, 1);
	if (unlikely(READ_ONCE(p->flags)))
		WRITE_ONCE(p->flags, 0); /* awake: page_pool_starve() will look again */
	if (drain(p))
		count(&p->alloc_refill, 1);
	cached = p->cached;
	if (cached >= want)
		return 0;
	mint = p->buffers - p->fresh < want - cached ? p->buffers - p->fresh : want - cached;
	for (i = 0; i < mint; p->next++) {
		if (!pool_fits_page(p->page_size, p->next))
			continue;
		p->cache[cached++] = (uint32_t)p->id << UNAPI_POOL_SHIFT | p->next;
		i++;
	}
	WRITE_ONCE(p->fresh, p->fresh + mint);
	WRITE_ONCE(p->cached, cached);
	return mint;
}

static __attribute__((noinline)) const uint32_t *take_slowly(struct page_pool *p, unsigned int *n)
{
	uint32_t minted = refill(p, *n);

	if (*n > p->cached)
		*n = p->cached;
	count(&p->alloc_slow, minted);
	count(&p->alloc_fast, *n - minted);
	WRITE_ONCE(p->cached, p->cached - *n);
	return p->cache + p->cached;
}

const uint32_t *page_pool_take(struct page_pool *p, unsigned int *n)
{
	uint32_t cached = p->cached;

	if (unlikely(cached < *n))
		return take_slowly(p, n);
	cached -= *n;
	WRITE_ONCE(p->cached, cached);
	count(&p->alloc_fast, *n);
	return p->cache + cached;
}

unsigned int page_pool_alloc_bulk(struct page_pool *p, uint32_t *bufs, unsigned int n)
{
	const uint32_t *from = page_pool_take(p, &n);

	memcpy(bufs, from, n * sizeof(*bufs));
	return n;
}

bool page_pool_starve(struct page_pool *p)
{
	if (p->cached || p->fresh < p->buffers)
		return true;
	__atomic_store_n(&p->flags, POOL_STARVING, __ATOMIC_SEQ_CST);
	if (!drain(p))
		return false;
	WRITE_ONCE(p->flags, 0);
	return true;
}

bool page_pool_fed(const struct page_pool *p)
{
	return READ_ONCE(p->flags) & POOL_STARVING && p->cached;
}

/* All buffers are home. Under the pool's lock. */
static void release(struct page_pool *p)
{
	struct return_ring *r = p->rings, *next;

	returners_forget(p->id);
	for (; r; r = next) {
		next = r->next;
		if (r != p->spare)
			free(r);
	}
	free(p->spare);
	free(p->cache);
	free(p->refs);
	dma_free(p->mem);
	unapi_pool_views[p->id] = (struct unapi_pool_view){0};
	p->rings = p->spare = NULL;
	p->cache = NULL;
	p->refs = NULL;
	p->mem = NULL;
	WRITE_ONCE(p->flags, 0);
	pthread_mutex_lock(&table_lock);
	WRITE_ONCE(p->in_use, false);
	pthread_mutex_unlock(&table_lock);
}

/* Buffers that are not home. Owner, or under the lock of a pool nobody owns, after a drain. */
static uint32_t out(const struct page_pool *p)
{
	return p->fresh - p->cached;
}

/* A returner found a flag set. The pool may be another by now; what is done here does no harm to that. */
static void returned_to_flags(struct page_pool *p)
{
	uint32_t flags;

	pthread_mutex_lock(&p->lock);
	flags = __atomic_fetch_and(&p->flags, ~POOL_STARVING, __ATOMIC_SEQ_CST);
	if (flags & POOL_STARVING && p->napi)
		unapi_napi_schedule_cause(p->napi, UNAPI_CAUSE_APP);
	if (flags & POOL_DETACHED) {
		drain(p);
		if (!out(p))
			release(p);
	}
	pthread_mutex_unlock(&p->lock);
}

/* Under the pool's lock. */
static void link_ring(struct page_pool *p, struct return_ring *r)
{
	r->next = p->rings;
	__atomic_store_n(&p->rings, r, __ATOMIC_SEQ_CST);
}

/* The calling thread's first return to this pool; NULL: no memory for a ring. */
static struct return_ring *make_ring(struct page_pool *p, struct return_ring **slot)
{
	struct return_ring *r = slot ? return_ring_alloc(p->buffers) : NULL;

	if (!r)
		return NULL;
	pthread_mutex_lock(&p->lock);
	link_ring(p, r);
	pthread_mutex_unlock(&p->lock);
	*slot = r;
	return r;
}

void pool_push_spare(struct page_pool *p, const uint32_t *bufs, unsigned int n)
{
	pthread_mutex_lock(&p->lock);
	if (!p->spare->tail)
		link_ring(p, p->spare);
	return_ring_push(p->spare, bufs, n);
	pthread_mutex_unlock(&p->lock);
}

static __attribute__((noinline)) void return_put(struct page_pool *p, const uint32_t *bufs, unsigned int n)
{
	struct return_ring **slot, *r;

	if (unlikely(!READ_ONCE(p->in_use)))
		return; /* a record that names no pool */
	slot = returner_ring(p->id);
	r = slot && *slot ? *slot : make_ring(p, slot);
	if (likely(r))
		return_ring_push(r, bufs, n);
	else
		pool_push_spare(p, bufs, n);
	if (unlikely(__atomic_load_n(&p->flags, __ATOMIC_SEQ_CST)))
		returned_to_flags(p);
}

/* Some were freed twice. Returns how many of @n there is room for. */
static __attribute__((noinline, cold)) unsigned int too_many(struct page_pool *p, unsigned int n)
{
	uint32_t room = p->buffers - p->cached;

	count(&p->recycle_cache_full, n - room);
	return room;
}

/* Buffers of one pool, none shared. */
static void put_run(struct page_pool *p, const uint32_t *bufs, unsigned int n)
{
	uint32_t cached;

	if (unlikely(!is_owner(p))) {
		return_put(p, bufs, n);
		return;
	}
	cached = p->cached;
	if (unlikely(n > p->buffers - cached))
		n = too_many(p, n);
	WRITE_ONCE(p->cached, cached + n);
	count(&p->recycle_cached, n);
	memcpy(p->cache + cached, bufs, n * sizeof(*bufs));
}

static inline __m128i differ4(__m128i first, const uint32_t *bufs)
{
	return _mm_xor_si128(first, _mm_loadu_si128((const __m128i *)(const void *)bufs));
}

/* Are all @n handles of one pool? The usual case, so sixteen at a time. */
static bool same_pool(const uint32_t *bufs, unsigned int n)
{
	const __m128i first = _mm_set1_epi32((int)bufs[0]);
	__m128i a = _mm_setzero_si128(), b = a;
	uint32_t rest = 0;

	for (; n >= 16; n -= 16, bufs += 16) {
		a = _mm_or_si128(a, _mm_or_si128(differ4(first, bufs), differ4(first, bufs + 4)));
		b = _mm_or_si128(b, _mm_or_si128(differ4(first, bufs + 8), differ4(first, bufs + 12)));
	}
	for (; n >= 4; n -= 4, bufs += 4)
		a = _mm_or_si128(a, differ4(first, bufs));
	for (; n; n--, bufs++)
		rest |= (uint32_t)_mm_cvtsi128_si32(first) ^ *bufs;
	a = _mm_srli_epi32(_mm_or_si128(a, b), UNAPI_POOL_SHIFT);
	return !(rest >> UNAPI_POOL_SHIFT) &&
	       _mm_movemask_epi8(_mm_cmpeq_epi32(a, _mm_setzero_si128())) == 0xffff;
}

static void put_unshared(const uint32_t *bufs, unsigned int n)
{
	unsigned int i, from = 0;

	if (!n)
		return;
	if (likely(same_pool(bufs, n))) {
		put_run(pool_of(bufs[0]), bufs, n);
		return;
	}
	for (i = 1; i <= n; i++) {
		if (i < n && pool_of(bufs[i]) == pool_of(bufs[from]))
			continue;
		put_run(pool_of(bufs[from]), bufs + from, i - from);
		from = i;
	}
}

void page_pool_put_same(const uint32_t *bufs, unsigned int n)
{
	if (likely(n))
		put_run(pool_of(bufs[0]), bufs, n);
}

void page_pool_put_bulk(const uint32_t *bufs, unsigned int n, bool shared)
{
	uint32_t last[64]; /* those we were the last owner of */
	unsigned int i, k = 0;

	if (likely(!shared)) {
		put_unshared(bufs, n);
		return;
	}
	for (i = 0; i < n; i++) {
		if (!pool_drop_ref(pool_of(bufs[i]), bufs[i]))
			continue;
		last[k++] = bufs[i];
		if (k == ARRAY_SIZE(last)) {
			put_unshared(last, k);
			k = 0;
		}
	}
	put_unshared(last, k);
}

static struct page_pool *take_entry(void)
{
	struct page_pool *p = NULL;
	unsigned int i;

	pthread_mutex_lock(&table_lock);
	for (i = 0; i < UNAPI_MAX_POOLS && !p; i++) {
		if (page_pools[i].in_use)
			continue;
		p = &page_pools[i];
		p->id = (uint16_t)i;
		WRITE_ONCE(p->in_use, true);
		WRITE_ONCE(page_pools_made, page_pools_made + 1);
	}
	pthread_mutex_unlock(&table_lock);
	return p;
}

int page_pool_create(uint32_t buffers, int node, struct napi_struct *napi, struct page_pool **res)
{
	struct page_pool *p;
	int rc;

	if (!buffers || buffers > UNAPI_BUF_MASK + 1)
		return unapi_fail(EINVAL, "a page pool has 1..%u buffers, not %u", UNAPI_BUF_MASK + 1,
				  buffers);
	p = take_entry();
	if (!p)
		return unapi_fail(ENOSPC, "all %d page pools are in use", UNAPI_MAX_POOLS);

	p->buffers = buffers;
	p->cached = p->fresh = p->next = 0;
	p->alloc_fast = p->alloc_slow = p->alloc_empty = p->alloc_refill = 0;
	p->recycle_cached = p->recycle_cache_full = p->recycle_ring_full = 0;
	WRITE_ONCE(p->released_refcnt, 0);
	WRITE_ONCE(p->napi, napi);
	WRITE_ONCE(p->owner, napi ? 0 : returner_thread_id());
	p->cache = zalloc_lines((size_t)buffers * sizeof(*p->cache));
	p->spare = return_ring_alloc(buffers);
	if (!p->cache || !p->spare) {
		rc = unapi_fail(ENOMEM, "no memory for the cache of a page pool of %u buffers", buffers);
		goto undo;
	}
	rc = pool_alloc_memory(p, node);
	if (rc) {
		unapi_fail_at(rc, "a page pool of %u buffers", buffers);
		goto undo;
	}
	unapi_pool_views[p->id] = (struct unapi_pool_view){
		.base = p->mem->va,
		.iova = p->mem->iova,
		.iova0 = p->mem->iova - ((uint64_t)p->id << UNAPI_POOL_SHIFT) * POOL_STRIDE,
		.stride = POOL_STRIDE,
		.size = POOL_BUF_SIZE,
	};
	*res = p;
	return 0;

undo:
	free(p->cache);
	free(p->spare);
	p->cache = NULL;
	p->spare = NULL;
	pthread_mutex_lock(&table_lock);
	WRITE_ONCE(p->in_use, false);
	pthread_mutex_unlock(&table_lock);
	return rc;
}

int page_pool_destroy(struct page_pool *p)
{
	uint32_t left;

	pthread_mutex_lock(&p->lock);
	WRITE_ONCE(p->napi, NULL);
	WRITE_ONCE(p->owner, 0);
	__atomic_store_n(&p->flags, POOL_DETACHED, __ATOMIC_SEQ_CST);
	drain(p);
	left = out(p);
	if (!left)
		release(p);
	pthread_mutex_unlock(&p->lock);
	return (int)left;
}

int unapi_page_pool_create(uint32_t buffers, int node, struct page_pool **res)
{
	return page_pool_create(buffers, node, NULL, res);
}

void unapi_page_pool_adopt(struct page_pool *p)
{
	if (!READ_ONCE(p->napi))
		WRITE_ONCE(p->owner, returner_thread_id());
}

int unapi_page_pool_destroy(struct page_pool *p)
{
	uint32_t left;

	if (READ_ONCE(p->napi))
		return unapi_fail(EPERM, "page pool %u belongs to a device's receive queue", p->id);
	pthread_mutex_lock(&p->lock);
	drain(p);
	left = out(p);
	if (!left) {
		WRITE_ONCE(p->owner, 0);
		release(p);
	}
	pthread_mutex_unlock(&p->lock);
	return left ? unapi_fail(EBUSY,
				 "page pool %u: %u of its %u buffers are in use; free those packets first",
				 p->id, left, p->buffers)
		    : 0;
}

const struct unapi_pool_view *page_pool_view(const struct page_pool *p)
{
	return &unapi_pool_views[p->id];
}

unsigned int page_pool_id(const struct page_pool *p)
{
	return p->id;
}

/* Buffers in the rings, and how many ever were. Any thread: a moment's estimate. */
static uint64_t ring_sum(const struct page_pool *p, uint64_t *waiting)
{
	const struct return_ring *r = __atomic_load_n(&p->rings, __ATOMIC_ACQUIRE);
	uint64_t sum = 0, tail, head;

	*waiting = 0;
	for (; r; r = r->next) {
		head = READ_ONCE(r->head); /* first: the tail is never behind it then */
		tail = __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE);
		*waiting += tail - head;
		sum += tail;
	}
	return sum;
}

void unapi_page_pool_get_stats(const struct page_pool *p, struct unapi_page_pool_stats *st)
{
	uint64_t waiting;

	*st = (struct unapi_page_pool_stats){
		.alloc_fast = READ_ONCE(p->alloc_fast),
		.alloc_slow = READ_ONCE(p->alloc_slow),
		.alloc_empty = READ_ONCE(p->alloc_empty),
		.alloc_refill = READ_ONCE(p->alloc_refill),
		.recycle_cached = READ_ONCE(p->recycle_cached),
		.recycle_cache_full = READ_ONCE(p->recycle_cache_full),
		.recycle_ring = ring_sum(p, &waiting),
		.recycle_ring_full = READ_ONCE(p->recycle_ring_full),
		.recycle_released_refcnt = READ_ONCE(p->released_refcnt),
	};
}

void unapi_page_pool_get_info(const struct page_pool *p, struct unapi_page_pool_info *info)
{
	uint64_t waiting, used = READ_ONCE(p->fresh);

	ring_sum(p, &waiting);
	waiting += READ_ONCE(p->cached);
	*info = (struct unapi_page_pool_info){
		.id = p->id,
		.buffers = p->buffers,
		.inflight = used > waiting ? (uint32_t)(used - waiting) : 0,
		.buf_size = POOL_BUF_SIZE,
		.node = p->mem->node,
	};
	dma_mem_describe(p->mem, info->memory, sizeof(info->memory));
}
