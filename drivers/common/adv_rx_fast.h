/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receiving when all goes well, which is compiled once for each instruction set, with its loop over
 * descriptors in place: whole runs of simple packets, taken and delivered. Everything else is in adv_rx.c.
 */
#ifndef UNAPI_DRIVERS_ADV_RX_FAST_H
#define UNAPI_DRIVERS_ADV_RX_FAST_H

#include "drivers/common/adv_rx.h"

typedef int (*adv_rx_rest_fn)(struct adv_rx_ring *r, uint32_t left, int budget, struct adv_run did,
			      uint32_t run);

/* Of @run slots in a row the first @did are simple packets; the next is not, or not yet finished, or of a
 * group that is not whole. All else is left by a jump. */
static inline __attribute__((always_inline)) int adv_rx_poll_rest_by(struct adv_rx_ring *r, uint32_t left,
								     int budget, struct adv_run did,
								     uint32_t run, adv_take_part_fn part)
{
	const struct adv_desc *d = r->desc + r->next;

	if (adv_fetch(d + did.n) & ADV_RXD_DD) {
		did = adv_take_rest(d, r->bufs + r->next, r->pkts, run, &r->how, r->meta, did, part);
		if (did.n < run && adv_fetch(d + did.n) & ADV_RXD_DD) /* finished, and not simple */
			return adv_rx_poll_any(r, left, budget, did);
	}
	if (did.n)
		adv_rx_deliver(r, did);
	left -= (uint32_t)did.n;
	if (did.n == run)
		return adv_rx_poll_on(r, left, budget);
	return adv_rx_poll_ends(r, budget - (int)left);
}

static inline __attribute__((always_inline)) int adv_rx_poll_by(struct adv_rx_ring *r, int budget,
								adv_take_fn take, adv_rx_rest_fn rest)
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
			return rest(r, left, budget, did, run);
		left -= run;
		adv_rx_deliver(r, did);
	} while (left);
	return budget;
}

#endif
