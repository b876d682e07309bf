/* SPDX-License-Identifier: BSD-3-Clause */
/* A producer that found its transmit queue full, and is told of room. */
#include "fake_nic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

/* A device with its context, a queue, and a pool to send from. Half of the queues' rings makes a quarter of
 * what the device says it has: told at 32 free ones of 64. */
#define TXD    (2 * FAKE_RING)
#define ENOUGH (TXD / 4)

struct rig {
	struct fake_vfio v;
	struct unapi_context *ctx;
	struct net_device *dev;
	struct fake_nic *nic;
	struct unapi_txq *q;
	struct fake_txq *t;
	struct page_pool *pool;
	unsigned int told;
	unsigned int resend; /* packets that who is told sends */
};

static unsigned int send_some(struct rig *r, unsigned int n)
{
	struct unapi_pkt pkts[FAKE_RING * 2];
	unsigned int sent;

	n = unapi_pkt_alloc_bulk(r->pool, pkts, n);
	sent = unapi_tx_burst(r->q, pkts, n);
	unapi_pkt_free_bulk(pkts + sent, n - sent);
	return sent;
}

static void note_told(void *arg, struct unapi_txq *txq)
{
	struct rig *r = arg;

	assert_ptr_equal(txq, r->q);
	assert_non_null(unapi_this_napi());
	r->told++;
	if (r->resend)
		assert_int_equal(send_some(r, r->resend), r->resend);
}

static void rig_up(struct rig *r, unsigned int queues)
{
	struct unapi_dev_conf conf = {.rxq = queues, .txq = queues, .txd = TXD, .nr_ctx = 1};

	memset(r, 0, sizeof(*r));
	r->dev = fake_nic_open(&r->v);
	r->nic = netdev_priv(r->dev);
	assert_int_equal(unapi_context_create(NULL, &r->ctx), 0);
	conf.ctx = &r->ctx;
	assert_int_equal(unapi_dev_configure(r->dev, &conf), 0);
	r->q = unapi_dev_txq(r->dev, 0);
	r->t = &r->nic->tx[0];
	r->nic->hold = true;
	assert_int_equal(unapi_page_pool_create(256, -1, &r->pool), 0);
}

static void rig_down(struct rig *r)
{
	assert_int_equal(r->t->clashes, 0);
	assert_int_equal(unapi_dev_close(r->dev), 0);
	assert_int_equal(unapi_context_destroy(r->ctx), 0);
	assert_int_equal(unapi_page_pool_destroy(r->pool), 0);
}

static void run(struct rig *r)
{
	assert_true(unapi_context_run(r->ctx, 0) >= 0);
}

/* The device sends @n more, and interrupts if it may. */
static void device_sends(struct rig *r, uint32_t n)
{
	__atomic_fetch_add(&r->t->let, n, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&r->t->routed, __ATOMIC_SEQ_CST))
		napi_schedule(r->q->napi);
}

static void fill_up(struct rig *r)
{
	while (send_some(r, FAKE_RING) == FAKE_RING)
		;
}

static void test_thread(void **state)
{
	struct unapi_txq_stats st;
	struct rig r;

	rig_up(&r, 1);
	assert_int_equal(unapi_txq_claim(r.q, NULL), 0);
	assert_int_equal(unapi_txq_set_wake(r.q, note_told, &r), 0);
	assert_int_equal(unapi_dev_start(r.dev), 0);
	run(&r);
	assert_int_equal(send_some(&r, 10), 10); /* as usual */
	assert_int_equal(r.q->rest, TXQ_AWAKE);
	assert_int_equal(r.t->routes, 0);

	fill_up(&r);
	assert_true(r.t->routed);
	run(&r); /* asked to look: nothing yet */
	assert_int_equal(r.told, 0);
	device_sends(&r, ENOUGH - 1);
	run(&r);
	assert_int_equal(r.told, 0);
	assert_int_equal(r.t->cleaned_by_instance, ENOUGH - 1);
	device_sends(&r, 1);
	run(&r);
	assert_int_equal(r.told, 1);
	device_sends(&r, 1); /* once only */
	run(&r);
	assert_int_equal(r.told, 1);
	assert_int_equal(unapi_dev_get_txq_stats(r.dev, 0, &st), 0);
	assert_int_equal(st.stop, 1);

	/* As soon as it goes on the queue is like any other. */
	assert_int_equal(send_some(&r, 5), 5);
	assert_false(r.t->routed);
	assert_int_equal(r.q->rest, TXQ_AWAKE);
	assert_int_equal(r.t->routes, 2);
	/* Stopped again: short without having been told, it is still one stop, and told. */
	fill_up(&r);
	assert_int_equal(send_some(&r, 1), 0);
	assert_int_equal(send_some(&r, 1), 0);
	assert_int_equal(r.t->routes, 3);
	/* It looked at the ring itself meanwhile, so it has to say that it waits. */
	assert_int_equal(unapi_txq_clean(r.q), 0);
	device_sends(&r, FAKE_RING);
	run(&r);
	assert_int_equal(r.told, 1);
	unapi_txq_sleep(r.q);
	run(&r);
	assert_int_equal(r.told, 2);
	rig_down(&r);
}

/* What was sent before anybody was to be told interrupts nobody; it is seen all the same. */
static void test_sent_before(void **state)
{
	struct rig r;

	rig_up(&r, 1);
	assert_int_equal(unapi_txq_claim(r.q, NULL), 0);
	assert_int_equal(unapi_txq_set_wake(r.q, note_told, &r), 0);
	assert_int_equal(unapi_dev_start(r.dev), 0);
	assert_int_equal(send_some(&r, FAKE_RING), FAKE_RING);
	run(&r);
	assert_int_equal(send_some(&r, 1), 0);
	__atomic_fetch_add(&r.t->let, ENOUGH, __ATOMIC_SEQ_CST); /* no interrupt */
	run(&r);
	assert_int_equal(r.told, 1);
	rig_down(&r);
}

/* An instance produces: told in its own poll, where it may send. */
static void instance(bool own)
{
	struct rig r;

	rig_up(&r, 2);
	if (!own)
		assert_ptr_not_equal(unapi_dev_napi(r.dev, 1), r.q->napi);
	assert_int_equal(unapi_txq_claim(r.q, unapi_dev_napi(r.dev, own ? 0 : 1)), 0);
	assert_int_equal(unapi_txq_set_wake(r.q, note_told, &r), 0);
	assert_int_equal(unapi_dev_start(r.dev), 0);
	run(&r);
	r.resend = 3;
	for (unsigned int i = 1; i < 5; i++) {
		fill_up(&r); /* as from its poll, which then ends */
		napi_schedule(r.q->producer);
		run(&r);
		assert_true(r.t->routed);
		device_sends(&r, ENOUGH - 1);
		run(&r);
		assert_int_equal(r.told, i - 1);
		device_sends(&r, 1);
		run(&r);
		assert_int_equal(r.told, i);
		napi_schedule(r.q->producer); /* its next completion finds that nobody waits */
		run(&r);
		assert_false(r.t->routed);
	}
	rig_down(&r);
}

static void test_instance(void **state)
{
	instance(false);
	instance(true);
}

/* A device that is stopped tells nobody; once it is started there is room. */
static void restart(bool thread)
{
	struct rig r;

	rig_up(&r, 1);
	assert_int_equal(unapi_txq_claim(r.q, thread ? NULL : unapi_dev_napi(r.dev, 0)), 0);
	assert_int_equal(unapi_txq_set_wake(r.q, note_told, &r), 0);
	assert_int_equal(unapi_dev_start(r.dev), 0);
	run(&r);
	fill_up(&r);
	run(&r);
	assert_int_equal(unapi_dev_stop(r.dev), 0);
	run(&r);
	assert_int_equal(r.told, 0);
	assert_int_equal(send_some(&r, 1), 0);
	assert_int_equal(unapi_dev_start(r.dev), 0);
	run(&r);
	assert_int_equal(r.told, 1);
	assert_int_equal(send_some(&r, 1), 1);
	rig_down(&r);
}

static void test_restart(void **state)
{
	restart(true);
	restart(false);
}

static void test_nobody_to_tell(void **state)
{
	struct rig r;

	rig_up(&r, 1);
	assert_int_equal(unapi_txq_set_wake(r.q, note_told, &r), -EPERM);
	assert_int_equal(unapi_txq_claim(r.q, NULL), 0);
	r.q->room = NULL;
	assert_int_equal(unapi_txq_set_wake(r.q, note_told, &r), -EOPNOTSUPP);
	assert_non_null(strstr(unapi_reason(), "transmit queue 0"));
	assert_int_equal(unapi_dev_start(r.dev), 0);
	fill_up(&r);
	assert_int_equal(r.t->routes, 0); /* nothing costs anything */
	assert_int_equal(r.q->rest, TXQ_AWAKE);
	rig_down(&r);

	/* Who does not want to be told any more is not, nor is who gave the queue up. */
	for (unsigned int i = 0; i < 2; i++) {
		rig_up(&r, 1);
		assert_int_equal(unapi_txq_claim(r.q, NULL), 0);
		assert_int_equal(unapi_txq_set_wake(r.q, note_told, &r), 0);
		assert_int_equal(unapi_dev_start(r.dev), 0);
		fill_up(&r);
		if (i)
			unapi_txq_release(r.q);
		else
			assert_int_equal(unapi_txq_set_wake(r.q, NULL, NULL), 0);
		device_sends(&r, FAKE_RING);
		napi_schedule(r.q->napi);
		run(&r);
		assert_int_equal(r.told, 0);
		assert_int_equal(r.t->cleaned_by_instance, FAKE_RING);
		rig_down(&r);
	}
}

/* Threads: one sends and sleeps whenever the ring is full, one is the device, which interrupts only if its
 * cause is routed, one polls. Nobody looks a second time, so one lost wake-up stops it. */
#define PACKETS 30000u

struct sleeper {
	struct rig *r;
	pthread_mutex_t lock; /* guards room */
	pthread_cond_t cond;
	bool room;
	unsigned int waits;
	uint32_t done; /* atomic */
};

static void wake_sleeper(void *arg, struct unapi_txq *txq)
{
	struct sleeper *s = arg;

	pthread_mutex_lock(&s->lock);
	s->room = true;
	pthread_cond_signal(&s->cond);
	pthread_mutex_unlock(&s->lock);
}

static void *sleeper_main(void *arg)
{
	struct sleeper *s = arg;
	struct unapi_pkt pkts[48];
	unsigned int n, at;

	unapi_page_pool_adopt(s->r->pool);
	for (unsigned int sent = 0; sent < PACKETS; sent += n) {
		n = 1 + sent % 48;
		assert_int_equal(unapi_pkt_alloc_bulk(s->r->pool, pkts, n), n);
		for (at = 0;;) {
			at += unapi_tx_burst(s->r->q, pkts + at, n - at);
			if (at == n)
				break;
			pthread_mutex_lock(&s->lock);
			while (!s->room)
				pthread_cond_wait(&s->cond, &s->lock);
			s->room = false;
			pthread_mutex_unlock(&s->lock);
			s->waits++;
		}
	}
	__atomic_store_n(&s->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void test_sleeper(void **state)
{
	struct sleeper s = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
	unsigned int step = 0;
	pthread_t t;
	struct rig r;

	rig_up(&r, 1);
	s.r = &r;
	assert_int_equal(unapi_txq_claim(r.q, NULL), 0);
	assert_int_equal(unapi_txq_set_wake(r.q, wake_sleeper, &s), 0);
	assert_int_equal(unapi_dev_start(r.dev), 0);
	assert_int_equal(unapi_context_start(r.ctx, -1), 0);
	assert_int_equal(pthread_create(&t, NULL, sleeper_main, &s), 0);
	while (!__atomic_load_n(&s.done, __ATOMIC_ACQUIRE)) {
		if (__atomic_load_n(&r.t->let, __ATOMIC_RELAXED) < 8)
			device_sends(&r, 1 + step++ % 7);
		sched_yield();
	}
	pthread_join(t, NULL);
	assert_true(s.waits > 100);
	assert_int_equal(unapi_dev_stop(r.dev), 0);
	assert_int_equal(unapi_context_stop(r.ctx), 0);
	unapi_page_pool_adopt(r.pool);
	rig_down(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_thread),	       cmocka_unit_test(test_sent_before),
		cmocka_unit_test(test_instance),       cmocka_unit_test(test_restart),
		cmocka_unit_test(test_nobody_to_tell), cmocka_unit_test(test_sleeper),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
