/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A transmit ring of advanced descriptors: packet records in, descriptors out. Knows no registers but its
 * tail.
 *
 * Every burst's last descriptor carries RS, and at least every 32nd, and the queue's WTHRESH is 0: so each
 * descriptor is written back once sent, with no later traffic needed, and DD of the RS ones tells of all
 * before them.
 */
#ifndef UNAPI_DRIVERS_ADV_TX_H
#define UNAPI_DRIVERS_ADV_TX_H

#include "core/net/netdev.h"
#include "drivers/common/adv_isa.h"

#define ADV_TX_RS_EVERY 32u

struct adv_tx_ring {
	struct unapi_txq q; /* first: what core/net sees */

	/* what each burst works with: one cache line, then how to make descriptors */
	__cacheline_aligned struct adv_desc *desc;
	uint32_t *bufs; /* the buffer of each slot in flight */
	uint32_t *rs; /* slots with RS in flight, from @rs_head to @rs_tail, which count on; @rs_mask + 1 long
		       */
	volatile uint32_t *tail;
	uint32_t size;
	uint32_t next;	  /* first free slot; one always stays empty */
	uint32_t room;	  /* slots from there that may be filled before the ring ends or is to be cleaned */
	uint32_t max_len; /* bytes of the longest packet the device sends */
	uint32_t pools_made; /* what page_pools_made was when @how was written: a later pool may have its
				number */
	uint32_t rs_tail, rs_mask, rs_head;
	struct adv_put how;   /* for the last buffer's pool */
	uint32_t clean;	      /* oldest slot in flight */
	uint32_t clean_batch; /* clean when so many are */
	uint32_t since_rs;    /* slots filled since the last RS, inside a burst */
	uint32_t ctx_vlan;    /* the tag the device's context has, UINT32_MAX none */
	bool mixed;	      /* buffers of several pools are in flight */
	bool odd;	      /* shared buffers, or slots without one, are in flight */
	bool full;	      /* the last burst found the ring full */
	const struct adv_isa *isa;
	struct vfio_device *vfio;
	struct vfio_region *bar;
	uint32_t tail_reg;
	struct dma_mem *mem; /* of desc */
};

/* @size descriptors (a multiple of 8); sets q.burst and q.clean. */
int adv_tx_setup(struct adv_tx_ring *t, struct vfio_device *v, struct vfio_region *bar, uint32_t size,
		 uint32_t tail_reg);
void adv_tx_teardown(struct adv_tx_ring *t);

/* Device disabled: give every buffer back. */
void adv_tx_reset(struct adv_tx_ring *t);

/* q.burst and q.clean. */
static inline unsigned int adv_tx_burst(struct unapi_txq *q, struct unapi_pkt *pkts, unsigned int n)
{
	return q->burst(q, pkts, n);
}
unsigned int adv_tx_clean(struct unapi_txq *q);

/*
 * What adv_tx_fast.h leaves to others; each returns what the burst is to return.
 */

/* There is no room, or the first packet's pool is not the one that @how is for: see to that, and begin again.
 */
unsigned int adv_tx_burst_prepare(struct adv_tx_ring *t, struct unapi_pkt *pkts, unsigned int n);
/* They are not all simple: begin again; */
unsigned int adv_tx_burst_any(struct adv_tx_ring *t, struct unapi_pkt *pkts, unsigned int n);
/* the tail register is not mapped. */
unsigned int adv_tx_tail_by_call(struct adv_tx_ring *t, uint32_t n);

static inline uint32_t adv_tx_in_flight(const struct adv_tx_ring *t)
{
	return t->next >= t->clean ? t->next - t->clean : t->size - t->clean + t->next;
}

#endif
