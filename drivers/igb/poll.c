/* SPDX-License-Identifier: BSD-3-Clause */
/* The poll method of a channel: clean, receive, refill, complete, unmask. */
#include "drivers/igb/igb.h"

/* Polls in a row that have packets, and another to follow, before transmit queues are looked at. */
#define POLLS_UNCLEANED 16

/* The receive queues of a channel take turns at being first, so that a busy one does not use up every budget.
 */
static __attribute__((noinline)) int receive_in_turn(struct igb_channel *c, int budget)
{
	struct channel *ch = &c->ch;
	unsigned int q = c->rx_first;
	int work = 0;

	for (unsigned int i = 0; i < ch->nr_rx && work < budget; i++) {
		work += adv_rx_poll(container_of(ch->rx[q], struct adv_rx_ring, q), budget - work);
		q = q + 1 == ch->nr_rx ? 0 : q + 1;
	}
	if (ch->nr_rx)
		c->rx_first = c->rx_first + 1u == ch->nr_rx ? 0 : (uint16_t)(c->rx_first + 1);
	return work;
}

static inline int receive(struct igb_channel *c, int budget)
{
	if (likely(c->ch.nr_rx == 1))
		return adv_rx_poll(container_of(c->ch.rx[0], struct adv_rx_ring, q), budget);
	return receive_in_turn(c, budget);
}

/*
 * Rings that lack buffers before a completion. Whoever returns some later schedules the instance, as the pool
 * is marked starving; those that are in a transmit ring are returned by its cleaning, which nothing would
 * cause: have that queue interrupt when it has sent. True: there are buffers after all, receive again (each
 * time with more of the ring filled, so not for ever).
 */
static bool starved(struct igb_channel *c)
{
	bool shortage = false;

	for (unsigned int i = 0; i < c->ch.nr_rx; i++) {
		struct adv_rx_ring *r = container_of(c->ch.rx[i], struct adv_rx_ring, q);

		if (likely(!r->short_of_buffers))
			continue;
		shortage = true;
		if (page_pool_starve(r->q.pool))
			return true;
	}
	netdev_route_produced(&c->ch, shortage);
	return false;
}

static bool rx_pending(struct igb_channel *c)
{
	for (unsigned int i = 0; i < c->ch.nr_rx; i++)
		if (adv_rx_pending(container_of(c->ch.rx[i], struct adv_rx_ring, q)))
			return true;
	return false;
}

/*
 * Completion where a cause that came while the vector was masked is forgotten. The unmasking is posted: only
 * once it has arrived does everything that comes later interrupt, so look again then. Sent descriptors
 * interrupt on a channel that only transmits, and where somebody waits for them; whoever polls it by now may
 * clean at the same time, one of the two has each queue. Where this instance itself waits for its own, it
 * polls on.
 */
static __attribute__((noinline)) int complete_and_look_again(struct igb_channel *c, int work)
{
	bool awaits = netdev_awaits_produced(&c->ch);

	if (!napi_complete_done(&c->ch.napi, work))
		return work;
	igb_irq_unmask(c);
	igb_flush(c->igb);
	if (rx_pending(c) || awaits)
		napi_schedule(&c->ch.napi);
	netdev_clean_sleeping(&c->ch);
	return work;
}

/* Transmit queues that nobody cleans inside his bursts now. */
static void clean(struct igb_channel *c)
{
	c->polls_left = POLLS_UNCLEANED;
	netdev_clean_produced(&c->ch);
	netdev_clean_sleeping(&c->ch);
}

/* What is not done at every poll: rings are cleaned, and the instance perhaps gives up ownership. */
static __attribute__((noinline)) int finish(struct igb_channel *c, int work, int budget)
{
	struct napi_struct *n = &c->ch.napi;

	clean(c);
	if (unlikely(budget == 0))
		return 0; /* transmit only: the caller does not want packets, and completes nothing */
	while (work < budget && unlikely(starved(c)))
		work += receive(c, budget - work);
	if (work >= budget)
		return budget;
	netdev_sleep_produced(&c->ch);
	if (unlikely(!c->igb->dev->latches))
		return complete_and_look_again(c, work);
	/* a cause that came while the vector was masked fires now */
	if (napi_complete_done(n, work))
		igb_irq_unmask(c);
	return work;
}

/* What a busy poller is told is "not complete yet", whatever it found: it polls again. */
static inline bool busy_polled(const struct napi_struct *n)
{
	return READ_ONCE(n->state) & NAPIF(NAPI_STATE_IN_BUSY_POLL);
}

/* As long as there are packets and the next poll is certain, the senders' bursts clean; now and then this
 * does, in case nobody sends any more. */
int igb_poll(struct napi_struct *n, int budget)
{
	struct igb_channel *c = container_of(container_of(n, struct channel, napi), struct igb_channel, ch);
	int work = receive(c, budget);

	if (unlikely(!work || (work != budget && !busy_polled(n)) || --c->polls_left == 0))
		return finish(c, work, budget);
	if (work != budget)
		napi_complete_done(n, work);
	return work;
}
