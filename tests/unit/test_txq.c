/* SPDX-License-Identifier: BSD-3-Clause */
/* Transmit queues: claims, who cleans when, and control threads against senders. */
#include "fake_nic.h"
#include "core/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

/* A device with its carrier and its context. */
struct rig {
	struct fake_vfio v;
	struct unapi_context *ctx;
	struct net_device *dev;
	struct fake_nic *nic;
};

static void rig_up(struct rig *r, unsigned int queues)
{
	struct unapi_dev_conf conf = {.rxq = queues, .txq = queues, .nr_ctx = 1};

	r->dev = fake_nic_open(&r->v);
	r->nic = netdev_priv(r->dev);
	assert_int_equal(unapi_context_create(NULL, &r->ctx), 0);
	conf.ctx = &r->ctx;
	assert_int_equal(unapi_dev_configure(r->dev, &conf), 0);
}

static uint32_t clashes(const struct rig *r)
{
	uint32_t i, n = 0;

	for (i = 0; i < FAKE_QUEUES; i++)
		n += READ_ONCE(r->nic->tx[i].clashes);
	return n;
}

static void rig_down(struct rig *r)
{
	assert_int_equal(clashes(r), 0);
	assert_int_equal(unapi_dev_close(r->dev), 0);
	assert_int_equal(unapi_context_destroy(r->ctx), 0);
}

/* Let the instance that serves transmit queue @q poll once. */
static void poll_once(struct rig *r, unsigned int q)
{
	napi_schedule(unapi_dev_txq_napi(r->dev, q));
	assert_true(unapi_context_run(r->ctx, 0) >= 0);
}

static uint32_t inflight(const struct page_pool *p)
{
	struct unapi_page_pool_info info;

	unapi_page_pool_get_info(p, &info);
	return info.inflight;
}

/* Send @n fresh packets; those that are not taken are freed. */
static unsigned int send_some(struct unapi_txq *q, struct page_pool *pool, unsigned int n)
{
	struct unapi_pkt pkts[FAKE_RING * 2];
	unsigned int sent;

	n = unapi_pkt_alloc_bulk(pool, pkts, n);
	sent = unapi_tx_burst(q, pkts, n);
	unapi_pkt_free_bulk(pkts + sent, n - sent);
	return sent;
}

static void test_claims(void **state)
{
	struct unapi_txq_stats st;
	struct page_pool *pool;
	struct unapi_txq *q;
	struct rig r;

	rig_up(&r, 2);
	assert_int_equal(unapi_page_pool_create(256, -1, &pool), 0);
	q = unapi_dev_txq(r.dev, 1);
	assert_int_equal(unapi_txq_claim(q, NULL), 0);
	assert_int_equal(unapi_txq_claim(q, NULL), -EBUSY);
	assert_non_null(strstr(unapi_reason(), "transmit queue 1"));
	assert_int_equal(unapi_txq_claim(q, unapi_dev_napi(r.dev, 0)), -EBUSY);
	unapi_txq_release(q);
	unapi_txq_release(q); /* a second time is nothing */
	assert_int_equal(unapi_txq_claim(q, unapi_dev_napi(r.dev, 0)), 0);
	unapi_txq_release(q);
	assert_int_equal(unapi_txq_claim(q, NULL), 0);

	assert_int_equal(send_some(q, pool, 8), 0); /* not started */
	assert_int_equal(unapi_dev_start(r.dev), 0);
	r.nic->hold = true;
	assert_int_equal(send_some(q, pool, 8), 8);
	assert_int_equal(send_some(q, pool, FAKE_RING), FAKE_RING - 8);
	assert_int_equal(inflight(pool), FAKE_RING);
	assert_int_equal(unapi_dev_get_txq_stats(r.dev, 1, &st), 0);
	assert_int_equal(st.packets, FAKE_RING);
	assert_int_equal(st.stop, 1);
	assert_int_equal(unapi_dev_stop(r.dev), 0);
	assert_int_equal(inflight(pool), 0); /* what was in flight came back */
	assert_int_equal(send_some(q, pool, 8), 0);
	assert_int_equal(unapi_txq_clean(q), 0);
	assert_int_equal(unapi_dev_start(r.dev), 0);
	r.nic->hold = false;
	assert_int_equal(send_some(q, pool, 8), 8); /* the claim outlives a stop */
	assert_int_equal(unapi_txq_clean(q), 8);
	rig_down(&r);
	assert_int_equal(unapi_page_pool_destroy(pool), 0);
}

static void test_sleeping_producer(void **state)
{
	struct page_pool *pool;
	struct fake_txq *t;
	struct unapi_txq *q;
	struct rig r;

	rig_up(&r, 1);
	assert_int_equal(unapi_page_pool_create(256, -1, &pool), 0);
	assert_int_equal(unapi_dev_start(r.dev), 0);
	q = unapi_dev_txq(r.dev, 0);
	t = &r.nic->tx[0];
	assert_int_equal(unapi_txq_claim(q, NULL), 0);

	assert_int_equal(send_some(q, pool, 10), 10);
	poll_once(&r, 0); /* awake: the instance keeps its hands off */
	assert_int_equal(inflight(pool), 10);
	assert_int_equal(t->cleaned_by_instance, 0);
	unapi_txq_sleep(q);
	poll_once(&r, 0);
	assert_int_equal(inflight(pool), 0);
	assert_int_equal(t->cleaned_by_instance, 10);
	assert_int_equal(q->rest, TXQ_ASLEEP); /* still: it may clean again */

	assert_int_equal(send_some(q, pool, 5), 5); /* withdraws the sleep */
	assert_int_equal(q->rest, TXQ_AWAKE);
	poll_once(&r, 0);
	assert_int_equal(inflight(pool), 5);
	/* A producer that goes away leaves a queue that is cleaned. */
	unapi_txq_release(q);
	poll_once(&r, 0);
	assert_int_equal(inflight(pool), 0);
	rig_down(&r);
	assert_int_equal(unapi_page_pool_destroy(pool), 0);
}

static void forward(void *arg, struct unapi_pkt *pkts, const struct unapi_rx_meta *meta, unsigned int n)
{
	unsigned int sent = unapi_tx_burst(arg, pkts, n);

	unapi_pkt_free_bulk(pkts + sent, n - sent);
}

/* Receive queue 0 of @from is forwarded to transmit queue @q of @to. */
static void connect_queues(struct rig *from, struct rig *to, unsigned int q)
{
	assert_int_equal(unapi_txq_claim(unapi_dev_txq(to->dev, q), unapi_dev_rxq_napi(from->dev, 0)), 0);
	assert_int_equal(unapi_dev_set_rx(from->dev, 0, forward, unapi_dev_txq(to->dev, q)), 0);
}

static void test_instance_as_producer(void **state)
{
	struct page_pool *pool;
	struct unapi_txq *q;
	struct napi_struct *n;
	struct rig a, b;

	rig_up(&a, 1);
	rig_up(&b, 1);
	connect_queues(&a, &b, 0);
	assert_int_equal(unapi_dev_start(a.dev), 0);
	assert_int_equal(unapi_dev_start(b.dev), 0);
	pool = unapi_dev_rxq_pool(a.dev, 0);
	q = unapi_dev_txq(b.dev, 0);

	fake_nic_deliver(a.dev, 0, 10);
	assert_int_equal(unapi_context_run(a.ctx, 0), 10);
	assert_int_equal(inflight(pool), 10);
	assert_int_equal(q->rest, TXQ_ASLEEP); /* declared before the instance completed */
	poll_once(&b, 0);		       /* the other device's instance cleans */
	assert_int_equal(b.nic->tx[0].cleaned_by_instance, 10);
	assert_int_equal(inflight(pool), 0);

	/* While it uses its budget it does not complete, and does not sleep; it cleans in its next poll. */
	n = unapi_dev_rxq_napi(a.dev, 0);
	assert_int_equal(unapi_context_set_poller(a.ctx, true), 0);
	assert_int_equal(unapi_napi_set_mode(n, UNAPI_POLL_BUSY), 0);
	assert_int_equal(unapi_napi_poll_begin(n), 0);
	__atomic_fetch_add(&a.nic->rx[0].wire, 5, __ATOMIC_RELEASE);
	assert_int_equal(unapi_napi_poll(n, 64), 5);
	/* A busy poller is not about to sleep, however empty its polls are. */
	assert_int_equal(q->rest, TXQ_AWAKE);
	assert_int_equal(inflight(pool), 5);
	assert_int_equal(unapi_napi_poll(n, 64), 0);
	assert_int_equal(inflight(pool), 0);
	assert_int_equal(q->rest, TXQ_AWAKE);
	assert_int_equal(unapi_napi_poll_end(n), 0);
	assert_int_equal(unapi_context_set_poller(a.ctx, false), 0);
	assert_true(unapi_context_run(a.ctx, 0) >= 0);
	assert_int_equal(q->rest, TXQ_ASLEEP); /* now it is */

	/* The producer's device goes first: its queue has no producer, and its packets are cleaned. */
	fake_nic_deliver(a.dev, 0, 3);
	assert_int_equal(unapi_context_run(a.ctx, 0), 3);
	rig_down(&a);
	assert_int_equal(unapi_txq_claim(q, NULL), 0);
	rig_down(&b);
}

static void test_short_of_buffers(void **state)
{
	struct page_pool *pool;
	struct fake_txq *t;
	struct rig a, b;

	rig_up(&a, 1);
	rig_up(&b, 1);
	connect_queues(&a, &b, 0);
	assert_int_equal(unapi_dev_start(a.dev), 0);
	assert_int_equal(unapi_dev_start(b.dev), 0);
	pool = unapi_dev_rxq_pool(a.dev, 0);
	t = &b.nic->tx[0];

	/* Everything is sent at once, so an interrupt finds the producer awake. Once it sleeps, the queue's
	 * instance has been asked to look. */
	a.nic->short_of_buffers = true;
	fake_nic_deliver(a.dev, 0, 10);
	assert_int_equal(unapi_context_run(a.ctx, 0), 10);
	assert_int_equal(t->routes, 1);
	assert_int_equal(inflight(pool), 10);
	assert_true(unapi_context_run(b.ctx, 0) >= 0);
	assert_int_equal(inflight(pool), 0);
	assert_int_equal(t->cleaned_by_instance, 10);

	poll_once(&a, 0);
	assert_int_equal(t->routes, 1); /* it is already */
	a.nic->short_of_buffers = false;
	poll_once(&a, 0);
	poll_once(&a, 0);
	assert_int_equal(t->routes, 2);

	/* A restart of the device forgets what was routed. */
	a.nic->short_of_buffers = true;
	poll_once(&a, 0);
	assert_int_equal(t->routes, 3);
	assert_int_equal(unapi_dev_stop(b.dev), 0);
	assert_int_equal(unapi_dev_start(b.dev), 0);
	poll_once(&a, 0);
	assert_int_equal(t->routes, 4);
	rig_down(&a);
	rig_down(&b);
}

static void test_its_own_queue_never_sleeps(void **state)
{
	struct rig a;

	rig_up(&a, 1);
	connect_queues(&a, &a, 0);
	assert_int_equal(unapi_dev_start(a.dev), 0);
	fake_nic_deliver(a.dev, 0, 10);
	assert_int_equal(unapi_context_run(a.ctx, 0), 10);
	assert_int_equal(unapi_dev_txq(a.dev, 0)->rest, TXQ_AWAKE); /* nobody else could clean it */
	poll_once(&a, 0);
	assert_int_equal(inflight(unapi_dev_rxq_pool(a.dev, 0)), 0);
	rig_down(&a);
}

static void test_several_produced_queues(void **state)
{
	static const unsigned int order[] = {1, 3, 0, 2};
	struct page_pool *pool;
	struct napi_struct *n;
	unsigned int i, k;
	struct rig a, b;

	rig_up(&a, 1);
	rig_up(&b, 4);
	assert_int_equal(unapi_page_pool_create(256, -1, &pool), 0);
	assert_int_equal(unapi_dev_start(a.dev), 0);
	assert_int_equal(unapi_dev_start(b.dev), 0);
	n = unapi_dev_napi(a.dev, 0);
	for (i = 0; i < 4; i++)
		assert_int_equal(unapi_txq_claim(unapi_dev_txq(b.dev, i), n), 0);
	/* Whichever leaves the list, the rest is still cleaned by its producer. */
	for (i = 0; i < 4; i++) {
		for (k = i; k < 4; k++)
			assert_int_equal(send_some(unapi_dev_txq(b.dev, order[k]), pool, 2), 2);
		napi_schedule(n);
		assert_true(unapi_context_run(a.ctx, 0) >= 0);
		assert_int_equal(inflight(pool), 0);
		unapi_txq_release(unapi_dev_txq(b.dev, order[i]));
	}
	rig_down(&b);
	rig_down(&a);
	assert_int_equal(unapi_page_pool_destroy(pool), 0);
}

/*
 * Threads. The fake driver counts every moment at which two are inside one queue, or one is inside a stopped
 * queue; what the ring holds is unprotected, so that ThreadSanitizer sees any order that is missing.
 */
struct sender {
	struct unapi_txq *q;
	uint32_t stop; /* atomic */
	uint64_t sent, sleeps, refused;
};

static void *sender_main(void *arg)
{
	struct sender *s = arg;
	struct page_pool *pool;
	unsigned int i, sent;

	assert_int_equal(unapi_page_pool_create(128, -1, &pool), 0);
	for (i = 0; !__atomic_load_n(&s->stop, __ATOMIC_RELAXED); i++) {
		sent = send_some(s->q, pool, 1 + i % 4);
		s->sent += sent;
		s->refused += !sent;
		if (i % 3 == 0) {
			unapi_txq_sleep(s->q);
			s->sleeps++;
			if (i % 9 == 0)
				sched_yield();
		}
	}
	unapi_txq_release(s->q);
	/* The queue is cleaned by its instance or by the device's stop, on another thread. */
	while (unapi_page_pool_destroy(pool) == -EBUSY)
		sched_yield();
	return NULL;
}

static uint64_t atomic_polls(const struct rig *r)
{
	return __atomic_load_n(&r->nic->polls, __ATOMIC_RELAXED);
}

static void test_cleaner_against_producer(void **state)
{
	uint64_t end = unapi_clock_ns() + 2 * NSEC_PER_SEC;
	struct sender s = {0};
	pthread_t t;
	struct rig r;

	rig_up(&r, 1);
	assert_int_equal(unapi_dev_start(r.dev), 0);
	assert_int_equal(unapi_context_start(r.ctx, -1), 0);
	s.q = unapi_dev_txq(r.dev, 0);
	assert_int_equal(unapi_txq_claim(s.q, NULL), 0);
	assert_int_equal(pthread_create(&t, NULL, sender_main, &s), 0);
	/* A busy machine gets as far as it gets. */
	while (atomic_polls(&r) < 5000 &&
	       (unapi_clock_ns() < end || !READ_ONCE(r.nic->tx[0].cleaned_by_instance))) {
		napi_schedule(unapi_dev_txq_napi(r.dev, 0));
		sched_yield();
	}
	__atomic_store_n(&s.stop, 1, __ATOMIC_RELAXED);
	assert_int_equal(unapi_dev_stop(r.dev), 0);
	pthread_join(t, NULL);
	assert_true(s.sent > 0 && s.sleeps > 0);
	assert_true(r.nic->tx[0].cleaned_by_instance > 0); /* they did meet */
	assert_int_equal(unapi_context_stop(r.ctx), 0);
	rig_down(&r);
}

static void test_stop_against_producer(void **state)
{
	struct sender s = {0};
	unsigned int i;
	pthread_t t;
	struct rig r;

	rig_up(&r, 1);
	s.q = unapi_dev_txq(r.dev, 0);
	assert_int_equal(unapi_txq_claim(s.q, NULL), 0);
	assert_int_equal(pthread_create(&t, NULL, sender_main, &s), 0);
	for (i = 0; i < 300; i++) {
		uint64_t before;

		assert_int_equal(unapi_dev_start(r.dev), 0);
		before = READ_ONCE(s.q->stats.packets);
		while (READ_ONCE(s.q->stats.packets) == before)
			sched_yield(); /* it is sending again */
		assert_int_equal(unapi_dev_stop(r.dev), 0);
	}
	__atomic_store_n(&s.stop, 1, __ATOMIC_RELAXED);
	pthread_join(t, NULL);
	rig_down(&r);
}

static void deliver_and_wait(struct rig *from, struct rig *to)
{
	uint64_t polls = atomic_polls(from);

	fake_nic_deliver(from->dev, 0, 7);
	fake_nic_deliver(to->dev, 0, 7);
	while (atomic_polls(from) == polls)
		sched_yield();
}

static void test_two_devices_two_threads(void **state)
{
	unsigned int i;
	struct rig a, b;

	rig_up(&a, 1);
	rig_up(&b, 1);
	connect_queues(&a, &b, 0);
	connect_queues(&b, &a, 0);
	assert_int_equal(unapi_context_start(a.ctx, -1), 0);
	assert_int_equal(unapi_context_start(b.ctx, -1), 0);
	assert_int_equal(unapi_dev_start(a.dev), 0);
	assert_int_equal(unapi_dev_start(b.dev), 0);
	for (i = 0; i < 200; i++) {
		deliver_and_wait(&a, &b);
		deliver_and_wait(&b, &a);
		fake_nic_deliver(a.dev, 0, 64);
		if (i % 4)
			continue;
		assert_int_equal(unapi_dev_stop(b.dev), 0); /* while a forwards to it */
		assert_int_equal(unapi_dev_start(b.dev), 0);
		napi_schedule(unapi_dev_rxq_napi(b.dev, 0)); /* for what came while it was down */
	}
	/* One of them closes while the other is up and forwards to it: nobody may send any more first. */
	assert_int_equal(unapi_dev_stop(a.dev), 0);
	assert_int_equal(clashes(&b), 0);
	assert_int_equal(unapi_dev_close(b.dev), 0);
	assert_int_equal(unapi_context_stop(a.ctx), 0);
	assert_int_equal(unapi_context_stop(b.ctx), 0);
	assert_int_equal(unapi_context_destroy(b.ctx), 0);
	rig_down(&a);
}

/* A thread that stays inside a burst: stop gives up after its time, and the device goes on. */
struct slow_burst {
	struct unapi_txq *q;
	uint32_t inside, leave; /* atomic */
};
static struct slow_burst slow;

static unsigned int slow_burst(struct unapi_txq *q, struct unapi_pkt *pkts, unsigned int n)
{
	__atomic_store_n(&slow.inside, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&slow.leave, __ATOMIC_ACQUIRE))
		sched_yield();
	return 0;
}

static void *slow_main(void *arg)
{
	unapi_tx_burst(slow.q, NULL, 0);
	return NULL;
}

static void test_producer_that_stays(void **state)
{
	uint64_t now = NSEC_PER_SEC;
	struct unapi_dev_info info;
	pthread_t t;
	struct rig r;

	rig_up(&r, 1);
	assert_int_equal(unapi_dev_start(r.dev), 0);
	slow.q = unapi_dev_txq(r.dev, 0);
	slow.q->burst = slow_burst;
	assert_int_equal(unapi_txq_claim(slow.q, NULL), 0);
	assert_int_equal(pthread_create(&t, NULL, slow_main, NULL), 0);
	while (!__atomic_load_n(&slow.inside, __ATOMIC_ACQUIRE))
		sched_yield();
	unapi_clock_set_virtual(&now); /* its five seconds pass at once */
	assert_int_equal(unapi_dev_stop(r.dev), -ETIMEDOUT);
	unapi_clock_set_virtual(NULL);
	assert_non_null(strstr(unapi_reason(), "transmit burst"));
	unapi_dev_get_info(r.dev, &info);
	assert_true(info.started);
	assert_true(slow.q->gate.open);
	__atomic_store_n(&slow.leave, 1, __ATOMIC_RELEASE);
	pthread_join(t, NULL);
	assert_int_equal(unapi_dev_stop(r.dev), 0);
	rig_down(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_claims),
		cmocka_unit_test(test_sleeping_producer),
		cmocka_unit_test(test_instance_as_producer),
		cmocka_unit_test(test_short_of_buffers),
		cmocka_unit_test(test_its_own_queue_never_sleeps),
		cmocka_unit_test(test_several_produced_queues),
		cmocka_unit_test(test_cleaner_against_producer),
		cmocka_unit_test(test_stop_against_producer),
		cmocka_unit_test(test_two_devices_two_threads),
		cmocka_unit_test(test_producer_that_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
