/* SPDX-License-Identifier: BSD-3-Clause */
#include "drivers/common/adv_rx.h"
#include "core/base/reason.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Buffers are given in bulk of this many, with one tail store: fewer stores, and whole cache lines of
 * descriptors. */
#define REFILL_BATCH 64u

int adv_rx_setup(struct adv_rx_ring *r, struct vfio_device *v, struct vfio_region *bar, uint32_t size,
		 uint32_t tail_reg, bool meta)
{
	const struct unapi_pool_view *view = page_pool_view(r->q.pool);
	int rc;

	r->vfio = v;
	r->bar = bar;
	r->tail_reg = tail_reg;
	r->tail = vfio_region_ptr32(bar, tail_reg);
	r->size = size;
	r->refill_batch = size / 4 < REFILL_BATCH ? size / 4 : REFILL_BATCH;
	r->max_len = PAGE_POOL_RX_SIZE;
	r->iova = view->iova + PAGE_POOL_HEADROOM;
	r->stride = view->stride;
	rc = dma_alloc(v->space, size * sizeof(*r->desc), v->numa_node, DMA_PAGES_4K, &r->mem);
	if (rc)
		return unapi_fail_at(rc, "%s: receive ring %u", v->name, r->q.index);
	r->desc = r->mem->va;
	r->bufs = calloc(size, sizeof(*r->bufs));
	r->pkts = calloc(r->q.batch, sizeof(*r->pkts));
	r->meta = meta ? calloc(r->q.batch, sizeof(*r->meta)) : NULL;
	if (!r->bufs || !r->pkts || (meta && !r->meta)) {
		adv_rx_teardown(r);
		return unapi_fail(ENOMEM, "%s: no memory for receive ring %u", v->name, r->q.index);
	}
	r->next = r->fill = 0;
	r->missing = size - 1;
	return 0;
}

void adv_rx_teardown(struct adv_rx_ring *r)
{
	free(r->bufs);
	free(r->pkts);
	free(r->meta);
	dma_free(r->mem);
	r->bufs = NULL;
	r->pkts = NULL;
	r->meta = NULL;
	r->mem = NULL;
}

/* The next slot. A comparison, since ring sizes need not be powers of two. */
static inline uint32_t after(const struct adv_rx_ring *r, uint32_t slot)
{
	return slot + 1 == r->size ? 0 : slot + 1;
}

static inline void store_tail(struct adv_rx_ring *r)
{
	/* The descriptors before the tail: x86 keeps stores in order, so that this only holds the compiler.
	 */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	if (likely(r->tail))
		*r->tail = r->fill;
	else
		vfio_write32(r->vfio, r->bar, r->tail_reg, r->fill);
}

/* Fill @n slots in a row, without wrapping; both words, as write-back overwrote them. */
static inline uint32_t fill_run(struct adv_rx_ring *r, uint32_t n)
{
	uint32_t *bufs = r->bufs + r->fill, got = page_pool_alloc_bulk(r->q.pool, bufs, n);
	struct adv_desc *d = r->desc + r->fill;

	for (uint32_t i = 0; i < got; i++) {
		d[i].lo = r->iova + (uint64_t)(bufs[i] & UNAPI_BUF_MASK) * r->stride;
		d[i].hi = 0;
	}
	r->fill += got;
	if (r->fill == r->size)
		r->fill = 0;
	r->missing -= got;
	return got;
}

void adv_rx_refill(struct adv_rx_ring *r)
{
	uint32_t before = r->missing;

	r->short_of_buffers = false;
	while (r->missing) {
		uint32_t run = r->size - r->fill;

		run = run < r->missing ? run : r->missing;
		if (fill_run(r, run) < run) {
			r->short_of_buffers = true;
			stat_add(&r->q.stats.alloc_fail, 1);
			break;
		}
	}
	if (r->missing != before)
		store_tail(r);
}

void adv_rx_reset(struct adv_rx_ring *r)
{
	uint32_t filled = r->size - 1 - r->missing, slot = r->next;

	for (; filled; filled--, slot = after(r, slot))
		page_pool_put_bulk(&r->bufs[slot], 1, false);
	memset(r->desc, 0, r->size * sizeof(*r->desc));
	r->next = r->fill = 0;
	r->missing = r->size - 1;
	r->dropping = false;
	r->short_of_buffers = false;
}

/* Give back the buffers of a packet that is not delivered. */
static void drop(struct adv_rx_ring *r, const struct unapi_pkt *pkts, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		page_pool_put_bulk(&pkts[i].buf, 1, false);
}

/*
 * Turn finished descriptors into the records of whole packets, at most q.batch records and @budget packets. A
 * packet of which some descriptors are not finished, or that does not fit any more, stays in the ring.
 *
 * @more: it ended because the batch is full, so there may be more to deliver. Otherwise a descriptor was not
 * finished, and its interrupt is still to come.
 *
 * Each descriptor is fetched once, by one 64-bit load that has status, length and VLAN, and only that copy is
 * looked at: a device that rewrites it later changes nothing. The load is acquire: the rest of the
 * descriptor, and the payload, are read after it.
 */
static inline uint32_t gather(struct adv_rx_ring *r, int budget, int *packets, struct unapi_rx_meta *meta,
			      bool *more)
{
	uint32_t slot = r->next, n = 0, start = 0, taken = 0, at = slot;
	uint32_t room = r->size - 1 - r->missing; /* slots the device had */
	uint32_t max = r->q.batch;
	uint64_t bytes = 0, len, bad = 0;
	int done = 0;

	while (n < max && done < budget && n + taken < room) {
		uint64_t hi = __atomic_load_n(&r->desc[at].hi, __ATOMIC_ACQUIRE);
		struct unapi_pkt *p = &r->pkts[n];

		if (!(hi & ADV_RXD_DD))
			break;
		len = (uint16_t)(hi >> ADV_RXD_LEN_SHIFT);
		p->buf = r->bufs[at];
		p->off = PAGE_POOL_HEADROOM;
		p->flags = hi & ADV_RXD_EOP ? 0 : UNAPI_PKT_MORE;
		memcpy(&p->status, &hi, sizeof(hi)); /* status, length and VLAN lie as in the descriptor */
		if (meta)
			memcpy(&meta[n], &r->desc[at].lo, sizeof(*meta));
		bad |= (uint64_t)(len - 1 >= r->max_len) | (hi & ADV_RXD_RXE);
		bytes += len;
		n++;
		at = after(r, at);
		if (likely(hi & ADV_RXD_EOP) && likely(!bad) && likely(!r->dropping)) {
			done++;
			start = n;
			slot = at;
			continue;
		}
		if (!(hi & ADV_RXD_EOP) && n - start < UNAPI_MAX_FRAGS)
			continue;
		/* A bad packet's end, or a packet without one: nothing of it is delivered. */
		for (uint32_t i = start; i < n; i++)
			bytes -= r->pkts[i].len;
		if (hi & ADV_RXD_EOP) {
			stat_add(r->dropping ? &r->q.stats.too_many_frags : &r->q.stats.errors, 1);
			r->dropping = false;
		} else {
			r->dropping = true;
		}
		drop(r, r->pkts + start, n - start);
		taken += n - start;
		n = start;
		bad = 0;
		slot = at;
	}
	for (uint32_t i = start; i < n; i++)
		bytes -= r->pkts[i].len;
	*more = n == max;
	r->missing += start + taken;
	r->next = slot;
	*packets = done;
	if (done) {
		stat_add(&r->q.stats.packets, (uint64_t)done);
		stat_add(&r->q.stats.bytes, bytes);
	}
	return start;
}

int adv_rx_poll(struct adv_rx_ring *r, int budget)
{
	int work = 0, packets;
	bool more;
	uint32_t n;

	do {
		if (r->meta)
			n = gather(r, budget - work, &packets, r->meta, &more);
		else
			n = gather(r, budget - work, &packets, NULL, &more);
		if (n)
			r->q.rx_fn(r->q.rx_arg, r->pkts, r->meta, n);
		work += packets;
		if (r->missing >= r->refill_batch || r->short_of_buffers)
			adv_rx_refill(r);
	} while (more && work < budget);
	return work;
}
