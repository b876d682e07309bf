/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A receive ring of advanced descriptors: descriptors in, packet records out. Knows no registers but its
 * tail.
 *
 * Slots from @next on, @filled of them, belong to the device; the @missing behind them wait for buffers. One
 * slot always stays empty, since a tail that meets the head would mean an empty ring to the device.
 */
#ifndef UNAPI_DRIVERS_ADV_RX_H
#define UNAPI_DRIVERS_ADV_RX_H

#include "core/net/netdev.h"
#include "drivers/common/adv_isa.h"

struct adv_rx_ring {
	struct rx_queue q; /* first: what core/net sees */

	const struct adv_isa *isa;
	struct adv_desc *desc;
	uint32_t *
		bufs; /* the buffer in each slot: never read back from the ring, which the device can write */
	uint32_t size;
	uint32_t next;	       /* first slot not yet delivered */
	uint32_t fill;	       /* first slot without a buffer */
	uint32_t missing;      /* slots without one, the one that stays empty not counted */
	uint32_t refill_batch; /* give buffers when this many slots lack one */
	bool dropping;	       /* in the middle of a packet that has too many fragments */
	bool short_of_buffers; /* the last refill came short */
	uint32_t max_len;      /* bytes the device may write into one buffer */
	uint64_t iova;	       /* of the data of the buffer with handle 0, if there were one */
	uint32_t stride;
	struct unapi_pkt *pkts;	    /* q.batch records */
	struct unapi_rx_meta *meta; /* as many, or NULL */
	volatile uint32_t *tail;    /* the tail register where it is mapped */
	struct vfio_device *vfio;   /* otherwise it is reached by calls */
	struct vfio_region *bar;
	uint32_t tail_reg;
	struct dma_mem *mem; /* of desc */
};

/* @size descriptors (a multiple of 8) for @r, whose q.pool and q.batch are set; no buffers yet. */
int adv_rx_setup(struct adv_rx_ring *r, struct vfio_device *v, struct vfio_region *bar, uint32_t size,
		 uint32_t tail_reg, bool meta);
void adv_rx_teardown(struct adv_rx_ring *r);

/* Device disabled: empty the ring, giving every buffer back (owner of the pool). */
void adv_rx_reset(struct adv_rx_ring *r);

/* Give buffers to slots that lack one, all that can be had, and store the tail once. Owner. */
void adv_rx_refill(struct adv_rx_ring *r);

/* Deliver up to @budget packets to q.rx_fn, refilling; returns how many. Owner. */
int adv_rx_poll(struct adv_rx_ring *r, int budget);

/* True if a finished descriptor waits. */
static inline bool adv_rx_pending(const struct adv_rx_ring *r)
{
	return __atomic_load_n(&r->desc[r->next].hi, __ATOMIC_ACQUIRE) & ADV_RXD_DD &&
	       r->missing < r->size - 1;
}

#endif
