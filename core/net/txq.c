/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who sends on a transmit queue, and who cleans it.
 *
 * A queue has one producer at a time, which cleans it inside its bursts and polls. While the producer sleeps
 * nobody would, and the buffers of packets long sent would be missing in their pools; so it declares itself
 * asleep, and until its next burst the instance that serves the queue may clean. @rest settles the two:
 *
 *	producer: AWAKE -> ASLEEP (plain store)		cleaner: ASLEEP -> CLEANING (compare-and-swap)
 *	          ASLEEP -> AWAKE (compare-and-swap)	         CLEANING -> ASLEEP (plain store)
 *
 * Each transition has one author who owns the state it leaves: AWAKE is the producer's, CLEANING the
 *cleaner's, and ASLEEP is left by compare-and-swap only. The races:
 *  - Both leave ASLEEP at once: one compare-and-swap wins. If it is the cleaner's, the producer waits for
 *    ASLEEP to come back, at most one cleaning of a ring; if the producer's, the cleaner goes away.
 *  - The producer finds CLEANING: as above. It cannot have stored ASLEEP over it, as it stores only while
 *AWAKE.
 *  - Two cleaners: there is one serving instance, and it has one owner.
 * Leaving is acquire and entering release, so each side sees the ring as the other left it. An awake producer
 * looks at its own @asleep only: no atomic read-modify-write while it is busy.
 *
 * Nothing is lost by the declaration: with RS on each burst's last descriptor everything sent is written
 *back, so whichever instance polls next, or the next burst, finds it.
 */
#include "core/net/netdev_impl.h"
#include "core/base/clock.h"
#include "core/base/reason.h"

#include <errno.h>

/* Guards every queue's claimed and producer, and the writing of the channels' lists of produced queues. */
static pthread_mutex_t claim_lock = PTHREAD_MUTEX_INITIALIZER;

static __attribute__((noinline)) void awake(struct unapi_txq *q)
{
	uint32_t rest = TXQ_ASLEEP;
	unsigned int spins = 0;

	while (!__atomic_compare_exchange_n(&q->rest, &rest, TXQ_AWAKE, false, __ATOMIC_ACQUIRE,
					    __ATOMIC_RELAXED)) {
		rest = TXQ_ASLEEP;
		/* A cleaner that was preempted may need this CPU to go on. */
		if (++spins < 1000)
			cpu_relax();
		else
			unapi_clock_sleep(20 * NSEC_PER_USEC);
	}
	q->asleep = false;
}

void txq_wake(struct unapi_txq *q)
{
	if (q->asleep)
		awake(q);
}

static void txq_declare_sleep(struct unapi_txq *q)
{
	if (q->asleep)
		return;
	q->asleep = true;
	__atomic_store_n(&q->rest, TXQ_ASLEEP, __ATOMIC_RELEASE);
	/* Somebody waits for what is in flight. If all of it was sent while we were awake, its interrupt is
	 * over and the instance kept its hands off: let it look again. */
	if (unlikely(READ_ONCE(q->routed)) && q->napi)
		napi_schedule(q->napi);
}

/* Inside the gate. Apart, so that who is awake has less to save on the stack. */
static __attribute__((noinline)) unsigned int awake_to_send(struct unapi_txq *q, struct unapi_pkt *pkts,
							    unsigned int n)
{
	awake(q);
	n = q->burst(q, pkts, n);
	gate_leave(&q->gate);
	return n;
}

unsigned int unapi_tx_burst(struct unapi_txq *q, struct unapi_pkt *pkts, unsigned int n)
{
	unsigned int sent;

	if (unlikely(!gate_enter(&q->gate)))
		return 0;
	if (unlikely(q->asleep))
		return awake_to_send(q, pkts, n);
	sent = q->burst(q, pkts, n);
	gate_leave(&q->gate);
	return sent;
}

unsigned int unapi_txq_clean(struct unapi_txq *q)
{
	unsigned int freed;

	if (unlikely(!gate_enter(&q->gate)))
		return 0;
	if (unlikely(q->asleep))
		awake(q);
	freed = q->clean(q);
	gate_leave(&q->gate);
	return freed;
}

void unapi_txq_sleep(struct unapi_txq *q)
{
	if (!gate_enter(&q->gate))
		return;
	txq_declare_sleep(q);
	gate_leave(&q->gate);
}

/*
 * The list of the queues an instance produces for is walked by its polls without a lock. Links are published
 * with release; one that is taken out keeps its own next pointer until the walkers are gone (gate_wait()).
 */
static struct unapi_txq *next_of(struct unapi_txq *const *link)
{
	return __atomic_load_n(link, __ATOMIC_ACQUIRE);
}

unsigned int netdev_clean_produced(struct channel *ch)
{
	unsigned int freed = 0;
	struct unapi_txq *q;

	if (!gate_enter(&ch->walk))
		return 0;
	for (q = next_of(&ch->produced); q; q = next_of(&q->next_produced))
		freed += unapi_txq_clean(q);
	gate_leave(&ch->walk);
	return freed;
}

void netdev_route_produced(struct channel *ch, bool on)
{
	struct unapi_txq *q;

	if (!gate_enter(&ch->walk))
		return;
	for (q = next_of(&ch->produced); q; q = next_of(&q->next_produced)) {
		if (likely(READ_ONCE(q->routed) == on) || q->tx_only || !q->route || !gate_enter(&q->gate))
			continue;
		WRITE_ONCE(q->routed, on);
		q->route(q, on);
		gate_leave(&q->gate);
	}
	gate_leave(&ch->walk);
}

void netdev_sleep_produced(struct channel *ch)
{
	struct unapi_txq *q;

	/* A busy poller calls this at every empty poll, and is not about to sleep. */
	if (READ_ONCE(ch->napi.state) & NAPIF(NAPI_STATE_IN_BUSY_POLL))
		return;
	if (!gate_enter(&ch->walk))
		return;
	for (q = next_of(&ch->produced); q; q = next_of(&q->next_produced))
		if (q->napi != &ch->napi) /* its cleaner would be this same instance */
			unapi_txq_sleep(q);
	gate_leave(&ch->walk);
}

unsigned int netdev_clean_sleeping(struct channel *ch)
{
	unsigned int i, freed = 0;

	for (i = 0; i < ch->nr_tx; i++) {
		struct unapi_txq *q = ch->tx[i];
		uint32_t rest = TXQ_ASLEEP;

		if (READ_ONCE(q->rest) != TXQ_ASLEEP ||
		    !__atomic_compare_exchange_n(&q->rest, &rest, TXQ_CLEANING, false, __ATOMIC_ACQUIRE,
						 __ATOMIC_RELAXED))
			continue;
		freed += q->clean(q);
		__atomic_store_n(&q->rest, TXQ_ASLEEP, __ATOMIC_RELEASE);
	}
	return freed;
}

int unapi_txq_claim(struct unapi_txq *q, struct napi_struct *producer)
{
	struct channel *ch;

	pthread_mutex_lock(&claim_lock);
	if (q->claimed) {
		pthread_mutex_unlock(&claim_lock);
		return unapi_fail(EBUSY,
				  "%s: transmit queue %u has a producer; give each sender a queue of its own",
				  q->dev->name, q->index);
	}
	q->claimed = true;
	q->producer = producer;
	if (producer) {
		ch = container_of(producer, struct channel, napi);
		q->next_produced = ch->produced;
		__atomic_store_n(&ch->produced, q, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&claim_lock);
	return 0;
}

/* Take @q out of its producer's list. Under claim_lock. */
static void unlink_produced(struct unapi_txq *q)
{
	struct channel *ch = container_of(q->producer, struct channel, napi);
	struct unapi_txq **link = &ch->produced;

	while (*link != q)
		link = &(*link)->next_produced;
	__atomic_store_n(link, q->next_produced, __ATOMIC_RELEASE);
	gate_wait(&ch->walk);
	q->next_produced = NULL;
}

void unapi_txq_release(struct unapi_txq *q)
{
	pthread_mutex_lock(&claim_lock);
	if (q->claimed) {
		if (q->producer)
			unlink_produced(q);
		gate_wait(&q->gate); /* a burst that began before is over */
		q->producer = NULL;
		q->claimed = false;
		txq_declare_sleep(q); /* nobody sends: the queue's instance cleans what is left */
	}
	pthread_mutex_unlock(&claim_lock);
}

void netdev_txq_init(struct net_device *dev, struct unapi_txq *q, unsigned int index)
{
	q->dev = dev;
	q->index = (uint16_t)index;
	q->producer = NULL;
	q->next_produced = NULL;
	q->claimed = false;
	q->asleep = true;
	q->rest = TXQ_ASLEEP;
	gate_init(&q->gate);
}

void netdev_release_produced(struct channel *ch)
{
	struct unapi_txq *q;

	while ((q = next_of(&ch->produced)))
		unapi_txq_release(q);
}
