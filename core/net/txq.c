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
 * back, so whichever instance polls next, or the next burst, finds it.
 *
 * A producer that found the ring full may ask to be told of room. Owning the ring, it
 *
 *	notes @stopped		(1)	routes the queue's cause; the device knows it when route() returns
 *(2) declares sleep		(3)	schedules the instance that serves the queue
 *(4)
 *
 * and who cleans then tells it once a quarter of the ring is free. What the device has written back before
 *(2) interrupts nobody, but is there for the poll that (4) asks for, and that poll sees (1) and (3), as every
 * poll sees what was written before it was asked for. What it writes back after (2) interrupts. A poll
 *between (2) and (3) keeps its hands off, which is why (4) comes last. @stopped goes with the ring: it is
 *read and written by the producer while AWAKE and by a cleaner while CLEANING. A thread is told within
 *CLEANING, so that who takes the ring knows that nobody is being told. An instance that produces does not
 *sleep before it completes, and is told in its own poll: by its own look at the ring, or scheduled by the
 *cleaner.
 */
#include "core/net/netdev_impl.h"
#include "core/base/lines.h"
#include "core/base/clock.h"
#include "core/base/reason.h"

#include <errno.h>

/* Other instances read one line in each of their polls, the producer writes the next in each of its bursts.
 */
ASSERT_ONE_LINE(struct unapi_txq, burst, tx_only);
ASSERT_APART(struct unapi_txq, rest, gate);
ASSERT_ONE_LINE(struct unapi_txq, gate, stats.bytes);
ASSERT_ONE_LINE(struct channel, produced, walk);

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

/* Producer. */
static void set_routed(struct unapi_txq *q, uint8_t now)
{
	uint8_t old = READ_ONCE(q->routed);

	WRITE_ONCE(q->routed, now);
	if (!old != !now && q->route)
		q->route(q, now);
}

void netif_tx_stop_queue(struct unapi_txq *q)
{
	bool stops = !q->stopped;

	if (!q->wake_fn)
		return;
	q->stopped = true;
	q->waiter = q->producer;
	if (!(READ_ONCE(q->routed) & TXQ_STOPPED))
		set_routed(q, READ_ONCE(q->routed) | TXQ_STOPPED);
	if (!q->producer)
		txq_declare_sleep(q); /* which schedules, as the cause is routed */
	else if (stops)
		napi_schedule(q->napi);
}

/* Owner of the ring, of a stopped queue: is there room? Not before a start that is under way has ended, as
 * whoever is told could not send yet. */
static bool has_room(const struct unapi_txq *q)
{
	return q->room(q) >= q->dev->conf.txd / 4 && READ_ONCE(q->gate.open);
}

/* A burst went through whole. */
static __attribute__((noinline)) void start_queue(struct unapi_txq *q)
{
	q->stopped = false;
	set_routed(q, READ_ONCE(q->routed) & (uint8_t)~TXQ_STOPPED);
}

/* Inside the gate. Apart, so that who is awake has less to save on the stack. */
static __attribute__((noinline)) unsigned int awake_to_send(struct unapi_txq *q, struct unapi_pkt *pkts,
							    unsigned int n)
{
	unsigned int sent;

	awake(q);
	sent = q->burst(q, pkts, n);
	if (unlikely(READ_ONCE(q->routed) & TXQ_STOPPED) && sent == n && n)
		start_queue(q);
	gate_leave(&q->gate);
	return sent;
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

/* Inside the gate, of a stopped queue: the producing instance itself waits for room. */
static __attribute__((noinline)) void clean_stopped(struct unapi_txq *q)
{
	bool room;

	q->clean(q);
	room = has_room(q);
	if (room)
		q->stopped = false;
	gate_leave(&q->gate);
	if (room)
		q->wake_fn(q->wake_arg, q);
}

static inline void clean_own(struct unapi_txq *q)
{
	if (unlikely(!gate_enter(&q->gate)))
		return;
	if (unlikely(q->asleep))
		awake(q);
	if (unlikely(q->stopped)) {
		clean_stopped(q);
		return;
	}
	q->clean(q);
	gate_leave(&q->gate);
}

/* A cleaner has found room: the producer is told. */
static void tell_producer(struct unapi_txq *q)
{
	if (q->waiter) {
		napi_schedule(q->waiter); /* it sees for itself */
		return;
	}
	q->stopped = false;
	q->wake_fn(q->wake_arg, q);
}

void netdev_clean_produced(struct channel *ch)
{
	struct unapi_txq *q;

	if (!gate_enter(&ch->walk))
		return;
	for (q = next_of(&ch->produced); q; q = next_of(&q->next_produced))
		clean_own(q);
	gate_leave(&ch->walk);
}

void netdev_route_produced(struct channel *ch, bool on)
{
	struct unapi_txq *q;

	if (!gate_enter(&ch->walk))
		return;
	for (q = next_of(&ch->produced); q; q = next_of(&q->next_produced)) {
		uint8_t was = READ_ONCE(q->routed), now = on ? TXQ_STARVED : 0;

		if (likely(was == now) || q->tx_only || !q->route || !gate_enter(&q->gate))
			continue;
		/* the ring may be a cleaner's, and with it @stopped */
		if (q->asleep ? was & TXQ_STOPPED : q->stopped)
			now |= TXQ_STOPPED;
		set_routed(q, now);
		gate_leave(&q->gate);
	}
	gate_leave(&ch->walk);
}

bool netdev_awaits_produced(struct channel *ch)
{
	struct unapi_txq *q;
	bool awaits = false;

	if (!gate_enter(&ch->walk))
		return false;
	for (q = next_of(&ch->produced); q; q = next_of(&q->next_produced))
		awaits |= !q->asleep && READ_ONCE(q->routed);
	gate_leave(&ch->walk);
	return awaits;
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

void netdev_clean_sleeping(struct channel *ch)
{
	unsigned int i;

	for (i = 0; i < ch->nr_tx; i++) {
		struct unapi_txq *q = ch->tx[i];
		uint32_t rest = TXQ_ASLEEP;

		if (READ_ONCE(q->rest) != TXQ_ASLEEP ||
		    !__atomic_compare_exchange_n(&q->rest, &rest, TXQ_CLEANING, false, __ATOMIC_ACQUIRE,
						 __ATOMIC_RELAXED))
			continue;
		q->clean(q);
		if (unlikely(q->stopped) && has_room(q))
			tell_producer(q);
		__atomic_store_n(&q->rest, TXQ_ASLEEP, __ATOMIC_RELEASE);
	}
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
		txq_wake(q);	     /* nobody is being told of room */
		q->stopped = false;
		q->wake_fn = NULL;
		if (READ_ONCE(q->gate.open))
			set_routed(q, READ_ONCE(q->routed) & (uint8_t)~TXQ_STOPPED);
		q->producer = NULL;
		q->claimed = false;
		txq_declare_sleep(q); /* nobody sends: the queue's instance cleans what is left */
	}
	pthread_mutex_unlock(&claim_lock);
}

int unapi_txq_set_wake(struct unapi_txq *q, unapi_txq_wake_fn fn, void *arg)
{
	bool slept;

	if (fn && (!q->room || !q->napi || !(q->route || q->tx_only)))
		return unapi_fail(EOPNOTSUPP, "%s: the driver cannot tell when transmit queue %u has room",
				  q->dev->name, q->index);
	pthread_mutex_lock(&claim_lock);
	if (!q->claimed) {
		pthread_mutex_unlock(&claim_lock);
		return unapi_fail(EPERM, "%s: transmit queue %u has no producer; claim it first",
				  q->dev->name, q->index);
	}
	slept = q->asleep;
	txq_wake(q); /* and nobody is telling */
	q->wake_fn = fn;
	q->wake_arg = arg;
	q->stopped = false;
	if (slept)
		txq_declare_sleep(q);
	pthread_mutex_unlock(&claim_lock);
	return 0;
}

void netdev_txqs_started(struct net_device *dev)
{
	pthread_mutex_lock(&claim_lock);
	for (unsigned int i = 0; i < dev->conf.txq; i++) {
		struct unapi_txq *q = dev->txq[i];

		if (!q->wake_fn)
			continue;
		napi_schedule(q->napi);
		if (q->producer)
			napi_schedule(q->producer);
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
