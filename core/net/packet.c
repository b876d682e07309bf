/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet records: getting, freeing and sharing their buffers. */
#include "core/net/pool_impl.h"
#include "core/base/reason.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK	   64

/* Owners a buffer may have beyond the first. */
#define MAX_OTHERS 65534

unsigned int unapi_pkt_alloc_bulk(struct page_pool *p, struct unapi_pkt *pkts, unsigned int n)
{
	uint32_t bufs[CHUNK];
	unsigned int done = 0, want, got, i;

	do {
		want = n - done < CHUNK ? n - done : CHUNK;
		got = page_pool_alloc_bulk(p, bufs, want);
		for (i = 0; i < got; i++)
			pkts[done + i] = (struct unapi_pkt){.buf = bufs[i], .off = PAGE_POOL_HEADROOM};
		done += got;
	} while (got == want && done < n);
	return done;
}

void unapi_pkt_free_bulk(const struct unapi_pkt *pkts, unsigned int n)
{
	uint32_t bufs[CHUNK];
	unsigned int i, k;
	uint16_t flags;

	for (; n; pkts += k, n -= k) {
		k = n < CHUNK ? n : CHUNK;
		for (i = 0, flags = 0; i < k; i++) {
			bufs[i] = pkts[i].buf;
			flags |= pkts[i].flags;
		}
		page_pool_put_bulk(bufs, k, flags & UNAPI_PKT_SHARED);
	}
}

/* The pool's array of additional owners, made when the first buffer is shared. */
static uint16_t *refs_of(struct page_pool *p)
{
	uint16_t *refs = __atomic_load_n(&p->refs, __ATOMIC_ACQUIRE), *made;

	if (likely(refs))
		return refs;
	made = calloc(p->indices, sizeof(*made));
	if (!made)
		return NULL;
	if (__atomic_compare_exchange_n(&p->refs, &refs, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return made;
	free(made); /* another thread was first */
	return refs;
}

int unapi_pkt_clone(struct unapi_pkt *pkt, struct unapi_pkt *clone)
{
	struct page_pool *p = pool_of(pkt->buf);
	uint32_t i = pkt->buf & UNAPI_BUF_MASK;
	uint16_t *refs, others;

	if (!READ_ONCE(p->in_use) || i >= p->indices)
		return unapi_fail(EINVAL, "record with buffer handle 0x%08x, which no page pool has",
				  pkt->buf);
	refs = refs_of(p);
	if (!refs)
		return unapi_fail(ENOMEM, "no memory to count the owners of page pool %u's buffers", p->id);
	others = __atomic_load_n(&refs[i], __ATOMIC_RELAXED);
	do {
		if (others == MAX_OTHERS)
			return unapi_fail(EOVERFLOW, "buffer 0x%08x has %d owners already", pkt->buf,
					  MAX_OTHERS + 1);
		/* Relaxed: the caller is an owner, so the count cannot run out meanwhile, and whoever gets
		 * the clone gets it through some ordering of the application's. */
	} while (!__atomic_compare_exchange_n(&refs[i], &others, (uint16_t)(others + 1), true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	pkt->flags |= UNAPI_PKT_SHARED;
	*clone = *pkt;
	return 0;
}

bool pool_drop_ref(struct page_pool *p, uint32_t buf)
{
	uint32_t i = buf & UNAPI_BUF_MASK;
	uint16_t *refs = __atomic_load_n(&p->refs, __ATOMIC_ACQUIRE), others;

	if (!refs || i >= p->indices)
		return true;
	/*
	 * Zero means that we are the only owner, so two that let go at once cannot both be the last: one of
	 * them brings the count to zero, and the other finds it there. Release, then acquire: what every
	 * earlier owner read and wrote is over before the last one gives the buffer back.
	 */
	others = __atomic_load_n(&refs[i], __ATOMIC_ACQUIRE);
	do {
		if (!others)
			return true;
	} while (!__atomic_compare_exchange_n(&refs[i], &others, (uint16_t)(others - 1), true,
					      __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
	__atomic_fetch_add(&p->released_refcnt, 1, __ATOMIC_RELAXED);
	return false;
}
