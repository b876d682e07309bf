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

	const struct adv_isa *isa;
	struct adv_desc *desc;
	uint32_t *bufs; /* the buffer of each slot in flight */
	uint32_t *rs;	/* slots with RS in flight, oldest first: a ring of @size */
	uint32_t size;
	uint32_t next;	/* first free slot */
	uint32_t clean; /* oldest slot in flight */
	uint32_t free;	/* slots that may be filled; one always stays empty */
	uint32_t clean_below;
	uint32_t rs_head, rs_tail;
	uint32_t since_rs; /* slots filled since the last RS */
	uint32_t max_len;  /* bytes of the longest packet the device sends */
	uint32_t ctx_vlan; /* the tag the device's context has, UINT32_MAX none */
	uint32_t pool;	   /* the bits of a handle that name it: of the last buffer */
	bool mixed;	   /* buffers of several pools are in flight */
	bool odd;	   /* shared buffers, or slots without one, are in flight */
	bool full;	   /* the last burst found the ring full */
	volatile uint32_t *tail;
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

unsigned int adv_tx_burst(struct unapi_txq *q, struct unapi_pkt *pkts, unsigned int n);
unsigned int adv_tx_clean(struct unapi_txq *q);

static inline uint32_t adv_tx_in_flight(const struct adv_tx_ring *t)
{
	return t->size - 1 - t->free;
}

#endif
