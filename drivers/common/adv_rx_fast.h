/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receiving when all goes well, which is compiled once for each instruction set, with its loop over
 * descriptors in place: whole runs of simple packets, taken and delivered. Everything else is in adv_rx.c.
 */
#ifndef UNAPI_DRIVERS_ADV_RX_FAST_H
#define UNAPI_DRIVERS_ADV_RX_FAST_H

#include "drivers/common/adv_rx.h"

static inline __attribute__((always_inline)) int adv_rx_poll_by(struct adv_rx_ring *r, int budget,
								adv_take_fn take)
{
	uint32_t left = (uint32_t)budget;

	do {
		uint32_t run = r->ready;
		struct adv_run did;

		if (run > left)
			run = left;
		if (run > r->q.batch)
			run = r->q.batch;
		if (unlikely(!run))
			return adv_rx_poll_ready(r, left, budget);
		did = take(r->desc + r->next, r->bufs + r->next, r->pkts, run, &r->how, r->meta);
		if (unlikely(did.n != run))
			return adv_rx_poll_rest(r, left, budget, did, run);
		left -= run;
		adv_rx_deliver(r, did);
	} while (left);
	return budget;
}

#endif
