/* SPDX-License-Identifier: BSD-3-Clause */
/* What each file with loops over descriptors ends with. */
#ifndef UNAPI_DRIVERS_ADV_FAST_H
#define UNAPI_DRIVERS_ADV_FAST_H

#include "drivers/common/adv_rx_fast.h"
#include "drivers/common/adv_tx_fast.h"

/*
 * The instruction set @isa, called @called. That file has
 *	@isa_take_groups(), @isa_take_groups_meta(), @isa_put_groups(): as adv_isa.take and so on, but may
 *stop before the first that is not simple
 *	@isa_fill()
 * @taken is an adv_take_part_fn, @put_too an adv_put_part_fn; or NULL.
 */
#define ADV_FAST(isa, called, attribute, taken, put_too)                                                   \
	static attribute __attribute__((noinline)) int isa##_poll_rest(                                    \
		struct adv_rx_ring *r, uint32_t left, int budget, struct adv_run did, uint32_t run)        \
	{                                                                                                  \
		return adv_rx_poll_rest_by(r, left, budget, did, run, taken);                              \
	}                                                                                                  \
	static attribute int isa##_poll(struct adv_rx_ring *r, int budget)                                 \
	{                                                                                                  \
		return adv_rx_poll_by(r, budget, isa##_take_groups, isa##_poll_rest);                      \
	}                                                                                                  \
	static attribute int isa##_poll_meta(struct adv_rx_ring *r, int budget)                            \
	{                                                                                                  \
		return adv_rx_poll_by(r, budget, isa##_take_groups_meta, isa##_poll_rest);                 \
	}                                                                                                  \
	static attribute __attribute__((noinline)) unsigned int isa##_burst_rest(                          \
		struct adv_tx_ring *t, struct unapi_pkt *pkts, unsigned int n, struct adv_run did)         \
	{                                                                                                  \
		return adv_tx_burst_rest_by(t, pkts, n, did, put_too);                                     \
	}                                                                                                  \
	static attribute unsigned int isa##_burst(struct unapi_txq *q, struct unapi_pkt *pkts,             \
						  unsigned int n)                                          \
	{                                                                                                  \
		return adv_tx_burst_by(q, pkts, n, isa##_put_groups, isa##_burst_rest);                    \
	}                                                                                                  \
	static attribute struct adv_run isa##_take(const struct adv_desc *d, const uint32_t *bufs,         \
						   struct unapi_pkt *pkts, uint32_t n,                     \
						   const struct adv_take *how, struct unapi_rx_meta *meta) \
	{                                                                                                  \
		return adv_take_rest(d, bufs, pkts, n, how, NULL,                                          \
				     isa##_take_groups(d, bufs, pkts, n, how, NULL), taken);               \
	}                                                                                                  \
	static attribute struct adv_run isa##_take_meta(                                                   \
		const struct adv_desc *d, const uint32_t *bufs, struct unapi_pkt *pkts, uint32_t n,        \
		const struct adv_take *how, struct unapi_rx_meta *meta)                                    \
	{                                                                                                  \
		return adv_take_rest(d, bufs, pkts, n, how, meta,                                          \
				     isa##_take_groups_meta(d, bufs, pkts, n, how, meta), taken);          \
	}                                                                                                  \
	static attribute struct adv_run isa##_put(struct adv_desc *d, uint32_t *bufs,                      \
						  const struct unapi_pkt *p, uint32_t n,                   \
						  const struct adv_put *how)                               \
	{                                                                                                  \
		return adv_put_rest(d, bufs, p, n, how, isa##_put_groups(d, bufs, p, n, how), put_too);    \
	}                                                                                                  \
	const struct adv_isa adv_isa_##isa = {                                                             \
		.name = (called),                                                                          \
		.take = isa##_take,                                                                        \
		.take_meta = isa##_take_meta,                                                              \
		.fill = isa##_fill,                                                                        \
		.put = isa##_put,                                                                          \
		.poll = isa##_poll,                                                                        \
		.poll_meta = isa##_poll_meta,                                                              \
		.burst = isa##_burst,                                                                      \
	}

#endif
