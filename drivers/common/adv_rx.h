/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A receive ring of advanced descriptors: descriptors in, packet records out. Knows no registers but its
 * tail.
 *
 * Slots from @next to @fill, left out, belong to the device; those behind wait for buffers. One slot always
 * stays empty, since a tail that meets the head would mean an empty ring to the device.
 */
#ifndef UNAPI_DRIVERS_ADV_RX_H
#define UNAPI_DRIVERS_ADV_RX_H

#include "core/net/netdev.h"
#include "drivers/common/adv_isa.h"

struct adv_rx_ring {
	struct rx_queue q; /* first: what core/net sees */

	/* what each call of @poll works with: one cache line */
	__cacheline_aligned int (*poll)(struct adv_rx_ring *r, int budget);
	struct adv_desc *desc;
	uint32_t *
		bufs; /* the buffer in each slot: never read back from the ring, which the device can write */
	struct unapi_pkt *pkts;	    /* q.batch records */
	struct unapi_rx_meta *meta; /* as many, or NULL */
	uint32_t ready; /* slots in a row that the device has and that may be looked at before a refill is due
			 */
	uint32_t next;	/* first slot not yet delivered */
	uint32_t size;
	uint32_t fill;	       /* first slot without a buffer; @next if all are */
	uint32_t refill_batch; /* give buffers when this many slots lack one */
	uint32_t ready_least;  /* but not before so many, if they are ready in a row */
	struct adv_take how;   /* with the bytes that the device may write into one buffer */
	bool dropping;	       /* in the middle of a packet that has too many fragments */
	bool short_of_buffers; /* the last refill came short */
	bool closing;	       /* the device wrote nonsense: no buffers any more until it starts afresh */
	bool stuck; /* the driver could not turn the queue off, or on again: that lasts until a stop */
	struct adv_fill fill_how;
	volatile uint32_t *tail; /* the tail register where it is mapped */
	const struct adv_isa *isa;
	struct vfio_device *vfio; /* without @tail it is reached by calls */
	struct vfio_region *bar;
	uint32_t tail_reg;
	struct dma_mem *mem; /* of desc */
	/* The driver's, called by the owner: turn the queue off, nothing is written when it returned 0; turn
	 * it on, with an empty ring. NULL: nonsense is counted, and that is all. */
	int (*off)(struct adv_rx_ring *r);
	int (*on)(struct adv_rx_ring *r);
	uint64_t told_ns; /* when a restart was logged */
};

/* @size descriptors (a multiple of 8) for @r, whose q.pool and q.batch are set; no buffers yet. */
int adv_rx_setup(struct adv_rx_ring *r, struct vfio_device *v, struct vfio_region *bar, uint32_t size,
		 uint32_t tail_reg, bool meta);
void adv_rx_teardown(struct adv_rx_ring *r);

/* Device disabled: empty the ring, giving every buffer back (owner of the pool). */
void adv_rx_reset(struct adv_rx_ring *r);

/* Give buffers to slots that lack one, as many as can be had, and store the tail once. Owner. */
void adv_rx_refill(struct adv_rx_ring *r);

/* Deliver up to @budget packets, not negative, to q.rx_fn, refilling; returns how many. Owner. */
static inline int adv_rx_poll(struct adv_rx_ring *r, int budget)
{
	return r->poll(r, budget);
}

/*
 * What adv_rx_fast.h leaves to others; each returns what the poll is to return, of whose @budget there is
 * @left.
 */

/* Nothing is ready: refill, and go on if something is then. */
int adv_rx_poll_ready(struct adv_rx_ring *r, uint32_t left, int budget);
/* Behind @did simple packets that became records there is a finished one that is not simple. */
int adv_rx_poll_any(struct adv_rx_ring *r, uint32_t left, int budget, struct adv_run did);
/* What was to be looked at was delivered; there may be more. */
int adv_rx_poll_on(struct adv_rx_ring *r, uint32_t left, int budget);
/* Nothing more is finished, @work packets were delivered: refill if that is due. Returns @work. */
int adv_rx_poll_ends(struct adv_rx_ring *r, int work);

/* @did packets in a row became records. */
static inline void adv_rx_deliver(struct adv_rx_ring *r, struct adv_run did)
{
	uint32_t n = (uint32_t)did.n;

	r->ready -= n;
	n += r->next;
	if (unlikely(n == r->size))
		n = 0;
	r->next = n;
	stat_add(&r->q.stats.packets, did.n);
	stat_add(&r->q.stats.bytes, did.bytes);
	r->q.rx_fn(r->q.rx_arg, r->pkts, r->meta, (uint32_t)did.n);
}

/* Slots that the device was given and whose end was not seen yet. */
static inline uint32_t adv_rx_given(const struct adv_rx_ring *r)
{
	return r->fill >= r->next ? r->fill - r->next : r->size - r->next + r->fill;
}

/* True if a finished descriptor waits. */
static inline bool adv_rx_pending(const struct adv_rx_ring *r)
{
	return __atomic_load_n(&r->desc[r->next].hi, __ATOMIC_ACQUIRE) & ADV_RXD_DD && adv_rx_given(r);
}

#endif
