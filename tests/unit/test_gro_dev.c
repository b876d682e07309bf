/* SPDX-License-Identifier: BSD-3-Clause */
/* Software GRO of a device: when what is held is delivered, by whom, and the switch. */
#include "fake_nic.h"
#include "core/base/clock.h"
#include "core/napi/internal.h"
#include "core/net/gro.h"
#include "core/net/pool_impl.h"
#include "tests/unit/gro_frames.h"

#include <errno.h>
#include <pthread.h>

#define QUEUES 2

static uint64_t now;

/* What the application gets from each queue: the stream must go on where it was. */
static struct app {
	struct net_device *dev;
	struct frame next; /* what the device receives next */
	uint32_t expected;
	uint64_t segs;
	unsigned int packets, calls, unlike;
	struct unapi_txq *send; /* instead of freeing */
	void (*hook)(struct app *a);
} apps[QUEUES];

static void fill(struct unapi_pkt *p, unsigned int q)
{
	struct frame *f = &apps[q].next;

	frame_receive(f, p);
	f->seq += f->len;
	f->id++;
}

static void received(void *arg, struct unapi_pkt *pkts, const struct unapi_rx_meta *meta, unsigned int n)
{
	struct app *a = arg;
	unsigned int i, sent = 0;

	__atomic_store_n(&a->calls, a->calls + 1, __ATOMIC_RELAXED);
	for (i = 0; i < n; i += unapi_pkt_gro_segs(&pkts[i])) {
		const uint8_t *tcp = (uint8_t *)unapi_pkt_data(&pkts[i]) + 34;

		a->packets++;
		if (get32(tcp + 4) != a->expected)
			a->unlike++;
		a->expected = get32(tcp + 4) + unapi_pkt_gro_segs(&pkts[i]) * 100;
	}
	if (a->send)
		sent = unapi_tx_burst(a->send, pkts, n);
	unapi_pkt_free_bulk(pkts + sent, n - sent);
	/* release: a test that waits for all of them looks at the rest then */
	__atomic_store_n(&a->segs, a->segs + n, __ATOMIC_RELEASE);
	if (a->hook)
		a->hook(a);
}

struct rig {
	struct unapi_context *ctx;
	struct fake_vfio v;
	struct net_device *dev;
	struct fake_nic *f;
	struct napi_struct *n;
};

static void rig_configure(struct rig *r, bool room)
{
	struct unapi_dev_conf conf = {.rxq = QUEUES, .txq = QUEUES, .gro = room, .ctx = &r->ctx, .nr_ctx = 1};

	assert_int_equal(unapi_dev_configure(r->dev, &conf), 0);
	for (unsigned int q = 0; q < QUEUES; q++)
		assert_int_equal(unapi_dev_set_rx(r->dev, q, received, &apps[q]), 0);
	r->n = unapi_dev_napi(r->dev, 0);
}

/* Virtual time, all on this thread. */
static void rig_open(struct rig *r, uint32_t defer, uint64_t timeout)
{
	now = 9 * NSEC_PER_SEC;
	unapi_clock_set_virtual(&now);
	memset(apps, 0, sizeof(apps));
	assert_int_equal(unapi_context_create(NULL, &r->ctx), 0);
	r->dev = fake_nic_open(&r->v);
	r->f = netdev_priv(r->dev);
	r->f->fill = fill;
	for (unsigned int q = 0; q < QUEUES; q++)
		apps[q] = (struct app){.dev = r->dev, .next = {FRAME, .flow = q}};
	rig_configure(r, true);
	unapi_dev_set_gro_flush_timeout(r->dev, timeout);
	unapi_dev_set_napi_defer_hard_irqs(r->dev, defer);
	assert_int_equal(unapi_dev_set_gro(r->dev, UNAPI_GRO_TCP | UNAPI_GRO_UDP), 0);
	assert_int_equal(unapi_dev_start(r->dev), 0);
}

static void rig_close(struct rig *r)
{
	for (unsigned int q = 0; q < QUEUES; q++)
		assert_int_equal(apps[q].unlike, 0);
	assert_int_equal(unapi_dev_close(r->dev), 0);
	assert_int_equal(unapi_context_destroy(r->ctx), 0);
	unapi_clock_set_virtual(NULL);
}

static void run(struct rig *r)
{
	assert_true(unapi_context_run(r->ctx, 0) >= 0);
}

static struct unapi_napi_stats stats(struct rig *r)
{
	struct unapi_napi_stats st;

	unapi_napi_get_stats(r->n, &st);
	return st;
}

static uint32_t inflight(struct rig *r, unsigned int q)
{
	struct unapi_page_pool_info info;

	unapi_page_pool_get_info(unapi_dev_rxq_pool(r->dev, q), &info);
	return info.inflight;
}

/* Without a timeout a completion holds nothing back. */
static void delivered_at_completion(void **state)
{
	struct unapi_rxq_stats st;
	struct rig r;

	rig_open(&r, 0, 0);
	fake_nic_deliver(r.dev, 0, 10);
	run(&r);
	assert_int_equal(apps[0].segs, 10);
	assert_int_equal(apps[0].packets, 1);
	assert_int_equal(stats(&r).polls, 1);
	assert_int_equal(stats(&r).timer_starts, 0);
	unapi_dev_get_rxq_stats(r.dev, 0, &st);
	assert_int_equal(st.packets, 10);
	assert_int_equal(st.gro_packets, 1);
	assert_int_equal(st.gro_wire_packets, 10);
	rig_close(&r);
}

/* With one and no deferral: the interrupt is on, and the timer delivers (napi-level: work, then an empty
 * poll). */
static void delivered_by_the_timer(void **state)
{
	struct rig r;

	rig_open(&r, 0, 20000);
	fake_nic_deliver(r.dev, 0, 10);
	run(&r);
	assert_int_equal(apps[0].segs, 0);
	assert_int_equal(stats(&r).completions, 1);
	assert_int_equal(stats(&r).timer_starts, 1);
	now += 19999;
	run(&r);
	assert_int_equal(apps[0].segs, 0);
	now++;
	run(&r);
	assert_int_equal(apps[0].segs, 10);
	assert_int_equal(apps[0].packets, 1);
	assert_int_equal(stats(&r).polls, 2);
	assert_int_equal(stats(&r).timer_fires, 1);
	assert_int_equal(stats(&r).timer_starts, 1);

	/* Nothing is held: no timer. */
	apps[0].next.flags |= PSH;
	fake_nic_deliver(r.dev, 0, 1);
	run(&r);
	assert_int_equal(apps[0].segs, 11);
	assert_int_equal(stats(&r).timer_starts, 1);
	rig_close(&r);
}

/* A segment a timeout makes one packet of what came within it; a millisecond is the most that is held. */
static void gathered_over_interrupts(void **state)
{
	struct rig r;
	int i;

	rig_open(&r, 0, 200000);
	now += 100000; /* within a millisecond */
	for (i = 0; i < 8; i++) {
		fake_nic_deliver(r.dev, 0, 1);
		run(&r);
		now += 100000;
		assert_int_equal(apps[0].segs, 0);
	}
	now += 100000; /* the next */
	fake_nic_deliver(r.dev, 0, 1);
	run(&r);
	assert_int_equal(apps[0].packets, 1);
	assert_int_equal(apps[0].segs, 9);
	rig_close(&r);
}

/* Deferral: what is old goes with each expiry, the rest with the completion that unmasks. */
static void delivered_while_deferred(void **state)
{
	struct rig r;
	int i;

	rig_open(&r, 3, 300000);
	fake_nic_deliver(r.dev, 0, 10);
	run(&r);
	assert_int_equal(apps[0].segs, 0);
	for (i = 0; i < 2; i++) {
		now += 300000;
		run(&r);
		assert_int_equal(apps[0].segs, 0);
	}
	now += 300000;
	run(&r);
	assert_int_equal(apps[0].segs, 10);
	assert_int_equal(stats(&r).polls, 4);
	assert_int_equal(stats(&r).completions, 1);
	rig_close(&r);
}

/* A poll that used its budget goes on holding; the empty one behind it has no work to arm a timer for. */
static void full_polls(void **state)
{
	struct rig r;

	rig_open(&r, 0, 1000000);
	fake_nic_deliver(r.dev, 0, 64);
	run(&r);
	assert_int_equal(stats(&r).full_polls, 1);
	assert_int_equal(stats(&r).polls, 2);
	assert_int_equal(apps[0].segs, 64);
	assert_int_equal(apps[0].packets, 4); /* 17, 17, 17, 13 */
	rig_close(&r);
}

/* Stop and disable deliver what is held, on the thread that polls; a stopped device holds nothing. */
static void disable_and_stop(void **state)
{
	struct rig r;

	rig_open(&r, 0, NSEC_PER_SEC);
	fake_nic_deliver(r.dev, 0, 5);
	run(&r);
	assert_int_equal(apps[0].segs, 0);
	assert_int_equal(inflight(&r, 0), 5);
	assert_int_equal(napi_disable(r.n), 0);
	assert_int_equal(apps[0].segs, 5);
	assert_int_equal(inflight(&r, 0), 0);
	assert_int_equal(napi_enable(r.n), 0);
	napi_schedule(r.n);
	run(&r);

	fake_nic_deliver(r.dev, 0, 6);
	run(&r);
	assert_int_equal(apps[0].segs, 5);
	assert_int_equal(unapi_dev_stop(r.dev), 0);
	assert_int_equal(apps[0].segs, 11);
	assert_int_equal(inflight(&r, 0), 0);

	/* It is on again after the next start, and close delivers too. */
	assert_int_equal(unapi_dev_start(r.dev), 0);
	fake_nic_deliver(r.dev, 0, 7);
	run(&r);
	assert_int_equal(apps[0].segs, 11);
	rig_close(&r);
	assert_int_equal(apps[0].segs, 18);
	assert_int_equal(apps[0].packets, 3);
}

/* What is held goes along, and the poll that a move costs delivers it. */
static void moved(void **state)
{
	struct unapi_context *other;
	struct rig r;

	rig_open(&r, 0, NSEC_PER_SEC);
	assert_int_equal(unapi_context_create(NULL, &other), 0);
	fake_nic_deliver(r.dev, 0, 5);
	run(&r);
	assert_int_equal(unapi_napi_set_context(r.n, other, NSEC_PER_SEC), 0);
	assert_int_equal(apps[0].segs, 0);
	assert_true(unapi_context_run(other, 0) >= 0);
	assert_int_equal(apps[0].segs, 5);
	fake_nic_deliver(r.dev, 0, 5);
	assert_true(unapi_context_run(other, 0) >= 0);
	assert_int_equal(apps[0].segs, 5);
	assert_int_equal(unapi_napi_set_context(r.n, r.ctx, NSEC_PER_SEC), 0);
	run(&r);
	assert_int_equal(apps[0].segs, 10);
	rig_close(&r);
	assert_int_equal(unapi_context_destroy(other), 0);
}

/* Off is what was before: the scheduler knows of nothing, and the driver calls the application. */
static void the_switch(void **state)
{
	struct rig r;

	rig_open(&r, 0, NSEC_PER_SEC);
	assert_non_null(r.n->gro);
	fake_nic_deliver(r.dev, 0, 5);
	fake_nic_deliver(r.dev, 1, 3);
	run(&r);
	assert_int_equal(apps[0].segs, 0);
	assert_int_equal(unapi_dev_set_gro(r.dev, 0), 0);
	assert_int_equal(unapi_dev_gro(r.dev), 0);
	assert_int_equal(apps[0].segs, 5);
	assert_int_equal(apps[1].segs, 3);
	assert_null(r.n->gro);
	assert_ptr_equal(r.dev->rxq[0]->rx_fn, received);
	assert_ptr_equal(r.dev->rxq[0]->rx_arg, &apps[0]);
	fake_nic_deliver(r.dev, 0, 5);
	run(&r);
	assert_int_equal(apps[0].segs, 10);
	assert_int_equal(apps[0].packets, 6);

	assert_int_equal(unapi_dev_set_gro(r.dev, UNAPI_GRO_UDP), 0);
	fake_nic_deliver(r.dev, 0, 5);
	run(&r);
	assert_int_equal(apps[0].packets, 11);
	assert_int_equal(unapi_dev_set_gro(r.dev, 4), -EINVAL);
	assert_int_equal(unapi_dev_gro(r.dev), UNAPI_GRO_UDP);

	/* Who receives may change while it is on and the device is stopped. */
	assert_int_equal(unapi_dev_stop(r.dev), 0);
	assert_int_equal(unapi_dev_set_rx(r.dev, 0, NULL, NULL), 0);
	assert_ptr_equal(r.dev->rxq[0]->rx_fn, gro_rx);
	assert_int_equal(unapi_dev_set_gro(r.dev, UNAPI_GRO_TCP), 0);
	assert_int_equal(unapi_dev_start(r.dev), 0);
	fake_nic_deliver(r.dev, 0, 5);
	run(&r);
	rig_close(&r);
	assert_int_equal(apps[0].packets, 11);
}

static int in_poll_rc;
static void set_in_poll(struct net_device *dev)
{
	in_poll_rc = unapi_dev_set_gro(dev, 0);
}

static void the_switch_refuses(void **state)
{
	struct rig r;

	rig_open(&r, 0, 0);
	r.f->in_poll = set_in_poll;
	fake_nic_deliver(r.dev, 0, 1);
	run(&r);
	assert_int_equal(in_poll_rc, -EDEADLK);
	assert_true(unapi_dev_gro(r.dev));

	/* The pools that are made while it is off have no room, unless it is said. */
	assert_int_equal(unapi_dev_stop(r.dev), 0);
	rig_configure(&r, false);
	assert_int_equal(netdev_rx_buffers(r.dev), 512 + 512 + 256 + GRO_BUFFERS);
	assert_ptr_equal(r.dev->rxq[0]->rx_fn, gro_rx); /* it is still on */
	assert_int_equal(unapi_dev_set_gro(r.dev, 0), 0);
	rig_configure(&r, false);
	assert_int_equal(netdev_rx_buffers(r.dev), 512 + 512 + 256);
	assert_int_equal(unapi_dev_set_gro(r.dev, UNAPI_GRO_TCP), -EOPNOTSUPP);
	assert_non_null(strstr(unapi_reason(), "room"));
	assert_int_equal(unapi_dev_gro(r.dev), 0);
	rig_configure(&r, true);
	assert_int_equal(unapi_dev_set_gro(r.dev, UNAPI_GRO_TCP), 0);
	rig_close(&r);
}

/* An application that polls by itself completes nothing: its polls deliver as completions would. */
static void caller_polling(void **state)
{
	struct rig r;

	rig_open(&r, 0, 0);
	unapi_context_set_poller(r.ctx, true);
	assert_int_equal(unapi_napi_set_mode(r.n, UNAPI_POLL_BUSY), 0);
	assert_int_equal(unapi_napi_poll_begin(r.n), 0);
	fake_nic_deliver(r.dev, 0, 5);
	assert_int_equal(unapi_napi_poll(r.n, 64), 5);
	assert_int_equal(apps[0].segs, 5);

	assert_int_equal(unapi_napi_set_gro_flush_timeout(r.n, 1), 0);
	fake_nic_deliver(r.dev, 0, 5);
	assert_int_equal(unapi_napi_poll(r.n, 64), 5);
	fake_nic_deliver(r.dev, 0, 5);
	assert_int_equal(unapi_napi_poll(r.n, 64), 5);
	assert_int_equal(apps[0].segs, 5);
	now += NSEC_PER_MSEC;
	assert_int_equal(unapi_napi_poll(r.n, 64), 0);
	assert_int_equal(apps[0].segs, 15);
	assert_int_equal(apps[0].packets, 2);

	/* What is held is delivered after it has let go. */
	fake_nic_deliver(r.dev, 0, 5);
	assert_int_equal(unapi_napi_poll(r.n, 64), 5);
	assert_int_equal(unapi_napi_poll_end(r.n), 0);
	run(&r);
	assert_int_equal(apps[0].segs, 20);
	rig_close(&r);
}

static bool after_five(void *arg, unsigned long start)
{
	return ++*(int *)arg == 5;
}

/* A busy loop's polls hold, its stop delivers. */
static void busy_loop(void **state)
{
	int turns = 0;
	struct rig r;

	rig_open(&r, 0, 0);
	fake_nic_deliver(r.dev, 0, 5);
	run(&r);
	assert_int_equal(apps[0].segs, 5);
	__atomic_fetch_add(&r.f->rx[0].wire, 15, __ATOMIC_RELAXED); /* nobody is told */
	assert_int_equal(napi_busy_loop(r.n->napi_id, after_five, &turns, false, 4), 0);
	assert_int_equal(apps[0].segs, 20);
	assert_int_equal(apps[0].packets, 2);
	rig_close(&r);
}

/* What the application sends out of a flush is cleaned by the other instance, as what it sends out of a poll.
 */
static void sends_at_completion(void **state)
{
	struct unapi_txq *txq;
	struct rig r;

	rig_open(&r, 0, 0);
	txq = unapi_dev_txq(r.dev, 1); /* instance 1 serves it, 0 produces */
	assert_int_equal(unapi_txq_claim(txq, r.n), 0);
	apps[0].send = txq;
	fake_nic_deliver(r.dev, 0, 5);
	run(&r);
	assert_int_equal(apps[0].segs, 5);
	assert_int_equal(inflight(&r, 0), 5);
	assert_int_equal(txq->rest, TXQ_ASLEEP);
	napi_schedule(unapi_dev_napi(r.dev, 1));
	run(&r);
	assert_int_equal(inflight(&r, 0), 0);
	assert_int_equal(r.f->tx[1].clashes, 0);
	rig_close(&r);
}

static struct unapi_pkt taken[512];
static unsigned int nr_taken;

/* The pool is empty when the poll method looks, and not any more when what was held has been delivered. */
static void use_up(struct app *a)
{
	struct page_pool *pool = unapi_dev_rxq_pool(a->dev, 0);

	a->hook = NULL;
	nr_taken = unapi_pkt_alloc_bulk(pool, taken, 512);
	assert_false(page_pool_starve(pool));
}

/* The first goes at once, those behind it are held. */
static void fill_one_pushed(struct unapi_pkt *p, unsigned int q)
{
	fill(p, q);
	apps[q].next.flags = ACK;
}

static void a_flush_feeds_the_ring(void **state)
{
	struct rig r;

	rig_open(&r, 0, 0);
	r.f->fill = fill_one_pushed;
	apps[0].next.flags |= PSH;
	apps[0].hook = use_up;
	fake_nic_deliver(r.dev, 0, 6);
	run(&r);
	assert_true(nr_taken > 0);
	assert_int_equal(apps[0].segs, 6);
	assert_int_equal(stats(&r).missed, 1); /* it was asked to look again */
	assert_int_equal(stats(&r).polls, 2);
	unapi_pkt_free_bulk(taken, nr_taken);
	rig_close(&r);
}

static bool stop_running;

static void *runner(void *arg)
{
	struct unapi_context *ctx = arg;

	while (!__atomic_load_n(&stop_running, __ATOMIC_ACQUIRE))
		unapi_context_run(ctx, 1000000);
	return NULL;
}

/* On, off, moved, threaded: whatever happens, a flow's bytes arrive once and in order. */
static void switched_under_traffic(void **state)
{
	struct unapi_context *other;
	struct unapi_rxq_stats st;
	uint64_t sent = 0;
	pthread_t thread;
	struct rig r;
	int i;

	rig_open(&r, 1, 200000);
	unapi_clock_set_virtual(NULL);
	assert_int_equal(unapi_context_create(NULL, &other), 0);
	stop_running = false;
	assert_int_equal(pthread_create(&thread, NULL, runner, r.ctx), 0);
	for (i = 0; i < 200; i++) {
		unsigned int burst = 1 + (unsigned int)i % 30;

		fake_nic_deliver(r.dev, 0, burst);
		sent += burst;
		switch (i % 5) {
		case 0:
			assert_int_equal(unapi_dev_set_gro(r.dev, 0), 0);
			break;
		case 2:
			assert_int_equal(unapi_dev_set_gro(r.dev, UNAPI_GRO_TCP), 0);
			break;
		case 3:
			assert_int_equal(napi_set_threaded(r.n, i % 3), 0);
			break;
		case 4:
			assert_int_equal(unapi_dev_set_gro_flush_timeout(r.dev, (uint64_t)i % 3 * 100000), 0);
			break;
		}
		while (sent - __atomic_load_n(&apps[0].segs, __ATOMIC_ACQUIRE) > 100)
			unapi_clock_sleep(20000);
	}
	assert_int_equal(napi_set_threaded(r.n, NETDEV_NAPI_THREADED_DISABLED), 0);
	while (__atomic_load_n(&apps[0].segs, __ATOMIC_ACQUIRE) != sent)
		unapi_clock_sleep(20000);
	unapi_dev_get_rxq_stats(r.dev, 0, &st);
	assert_true(st.gro_packets > 0);
	assert_int_equal(unapi_dev_stop(r.dev), 0);
	assert_int_equal(inflight(&r, 0), 0);
	__atomic_store_n(&stop_running, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	rig_close(&r);
	assert_int_equal(unapi_context_destroy(other), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(delivered_at_completion),
		cmocka_unit_test(delivered_by_the_timer),
		cmocka_unit_test(gathered_over_interrupts),
		cmocka_unit_test(delivered_while_deferred),
		cmocka_unit_test(full_polls),
		cmocka_unit_test(disable_and_stop),
		cmocka_unit_test(moved),
		cmocka_unit_test(the_switch),
		cmocka_unit_test(the_switch_refuses),
		cmocka_unit_test(caller_polling),
		cmocka_unit_test(busy_loop),
		cmocka_unit_test(sends_at_completion),
		cmocka_unit_test(a_flush_feeds_the_ring),
		cmocka_unit_test(switched_under_traffic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
