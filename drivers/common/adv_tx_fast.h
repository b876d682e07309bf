/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sending when all goes well, which is compiled once for each instruction set, with its loop over packets in
 * place: a burst of simple packets, with room in a row. Everything else is in adv_tx.c.
 */
#ifndef UNAPI_DRIVERS_ADV_TX_FAST_H
#define UNAPI_DRIVERS_ADV_TX_FAST_H

#include "drivers/common/adv_tx.h"

/* The newest descriptor is to be written back, and @slot is where that will be seen. */
static inline void adv_tx_mark_rs(struct adv_tx_ring *t, uint32_t slot)
{
	t->desc[slot].hi |= ADV_TXD_RS;
	t->rs[t->rs_tail++ & t->rs_mask] = slot;
}

/* @n slots from @next on have descriptors: have them sent. Returns @n. */
static inline __attribute__((always_inline)) unsigned int adv_tx_finish(struct adv_tx_ring *t, uint32_t n)
{
	uint32_t slot = t->next, i;

	/* Each burst ends with RS. */
	for (i = ADV_TX_RS_EVERY; unlikely(i < n); i += ADV_TX_RS_EVERY)
		adv_tx_mark_rs(t, slot + i - 1);
	slot += n;
	adv_tx_mark_rs(t, slot - 1);
	t->room -= n;
	if (unlikely(slot == t->size))
		slot = 0;
	t->next = slot;
	/* The descriptors before the tail. x86 keeps stores in order (also for a device, whose memory is
	 * write-back and registers uncached), so that only the compiler has to be held. */
	__atomic_signal_fence(__ATOMIC_RELEASE);
	if (unlikely(!t->tail))
		return adv_tx_tail_by_call(t, n);
	*t->tail = slot;
	return n;
}

/* Do the constants in @how count for packets with this buffer's pool? */
static inline bool adv_tx_knows_pool(const struct adv_tx_ring *t, uint32_t buf)
{
	return !((buf ^ (uint32_t)t->how.pool[0]) & ~UNAPI_BUF_MASK) &&
	       t->pools_made == READ_ONCE(page_pools_made);
}

typedef unsigned int (*adv_tx_rest_fn)(struct adv_tx_ring *t, struct unapi_pkt *pkts, unsigned int n,
				       struct adv_run did);

/* Behind @did simple packets, of @n for which there is room in a row. */
static inline __attribute__((always_inline)) unsigned int adv_tx_burst_rest_by(struct adv_tx_ring *t,
									       struct unapi_pkt *pkts,
									       unsigned int n,
									       struct adv_run did,
									       adv_put_part_fn part)
{
	did = adv_put_rest(t->desc + t->next, t->bufs + t->next, pkts, n, &t->how, did, part);
	if (did.n != n)
		return adv_tx_burst_any(t, pkts, n);
	stat_add(&t->q.stats.packets, n);
	stat_add(&t->q.stats.bytes, did.bytes);
	return adv_tx_finish(t, n);
}

/* All else is left by a jump, so that this has nothing to save on the stack. */
static inline __attribute__((always_inline)) unsigned int adv_tx_burst_by(struct unapi_txq *q,
									  struct unapi_pkt *pkts,
									  unsigned int n, adv_put_fn put,
									  adv_tx_rest_fn rest)
{
	struct adv_tx_ring *t = container_of(q, struct adv_tx_ring, q);
	struct adv_run did;

	/* Also true for none at all, of which there is no first. */
	if (unlikely(n - 1 >= t->room || !adv_tx_knows_pool(t, pkts->buf)))
		return adv_tx_burst_prepare(t, pkts, n);
	did = put(t->desc + t->next, t->bufs + t->next, pkts, n, &t->how);
	if (unlikely(did.n != n))
		return rest(t, pkts, n, did);
	stat_add(&q->stats.packets, n);
	stat_add(&q->stats.bytes, did.bytes);
	return adv_tx_finish(t, n);
}

#endif
