/* SPDX-License-Identifier: BSD-3-Clause */
/* Network devices over a fake driver: life cycle, mapping, receive, statistics, events, removal. */
#include "fake_nic.h"
#include "core/base/clock.h"
#include <unapi/version.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>

static struct unapi_context *new_ctx(void)
{
	struct unapi_context *ctx;

	assert_int_equal(unapi_context_create(NULL, &ctx), 0);
	return ctx;
}

static void configure(struct net_device *dev, struct unapi_context **ctx, unsigned int nr_ctx,
		      unsigned int queues)
{
	struct unapi_dev_conf conf = {.rxq = queues, .txq = queues, .ctx = ctx, .nr_ctx = nr_ctx};

	assert_int_equal(unapi_dev_configure(dev, &conf), 0);
}

static void run(struct unapi_context *ctx)
{
	int i;

	for (i = 0; i < 4; i++) /* what one run leaves to the next */
		assert_true(unapi_context_run(ctx, 0) >= 0);
}

static void test_life_cycle(void **state)
{
	struct unapi_context *ctx = new_ctx();
	struct unapi_dev_conf conf = {.ctx = &ctx, .nr_ctx = 1};
	struct unapi_dev_info info;
	struct fake_vfio v;
	struct net_device *dev = fake_nic_open(&v);
	struct fake_nic *f = netdev_priv(dev);
	char calls[sizeof(f->calls)];

	unapi_dev_get_info(dev, &info);
	assert_string_equal(info.name, "fake:0");
	assert_string_equal(info.driver, "fake");
	assert_string_equal(info.carrier, "fake carrier");
	assert_string_equal(info.irq_mode, "");
	assert_int_equal(info.rxq, 0);
	assert_int_equal(unapi_dev_start(dev), -EINVAL);
	assert_non_null(strstr(unapi_reason(), "configure"));
	assert_int_equal(unapi_dev_stop(dev), 0);
	assert_int_equal(unapi_dev_reset(dev), 0); /* even before */

	f->fail_configure = -ENOMEM;
	assert_int_equal(unapi_dev_configure(dev, &conf), -ENOMEM);
	f->fail_configure = 0;
	assert_int_equal(unapi_dev_configure(dev, &conf), 0);
	unapi_dev_get_info(dev, &info);
	assert_int_equal(info.rxq, 1);
	assert_int_equal(info.txq, 1);
	assert_int_equal(info.rxd, 512);
	assert_int_equal(info.nr_napi, 1);
	assert_false(info.started);

	f->fail_open = -EIO;
	assert_int_equal(unapi_dev_start(dev), -EIO);
	f->fail_open = 0;
	assert_int_equal(unapi_dev_start(dev), 0);
	assert_int_equal(unapi_dev_start(dev), -EALREADY);
	assert_int_equal(unapi_dev_configure(dev, &conf), -EBUSY);
	assert_int_equal(unapi_dev_set_rx(dev, 0, NULL, NULL), -EBUSY);
	assert_int_equal(unapi_dev_reset(dev), 0);
	unapi_dev_get_info(dev, &info);
	assert_true(info.started);

	f->fail_stop = -ETIMEDOUT; /* it goes on as before */
	assert_int_equal(unapi_dev_stop(dev), -ETIMEDOUT);
	unapi_dev_get_info(dev, &info);
	assert_true(info.started);
	f->fail_stop = 0;
	assert_int_equal(unapi_dev_stop(dev), 0);
	assert_int_equal(unapi_dev_stop(dev), 0);
	conf.rxq = 2;
	assert_int_equal(unapi_dev_configure(dev, &conf), 0);
	assert_int_equal(unapi_dev_start(dev), 0);
	memcpy(calls, f->calls, sizeof(calls));
	assert_string_equal(calls, "IR"
				   "CC"
				   "OO"
				   "SRO"
				   "SS"
				   "cC"
				   "O");
	assert_false(v.closed);
	assert_int_equal(unapi_dev_close(dev), 0); /* stops by itself */
	assert_true(v.closed);
	assert_int_equal(unapi_context_destroy(ctx), 0); /* nothing is left on it */
}

static void refuse(struct net_device *dev, struct unapi_dev_conf conf, struct unapi_context **ctx, int err,
		   const char *word)
{
	conf.ctx = ctx;
	conf.nr_ctx = ctx ? 1 : 0;
	assert_int_equal(unapi_dev_configure(dev, &conf), err);
	if (!strstr(unapi_reason(), word))
		fail_msg("\"%s\" does not mention \"%s\"", unapi_reason(), word);
}

static void test_bad_configurations(void **state)
{
	struct unapi_context *ctx = new_ctx();
	struct fake_vfio v;
	struct net_device *dev = fake_nic_open(&v);
	struct fake_nic *f = netdev_priv(dev);

	refuse(dev, (struct unapi_dev_conf){0}, NULL, -EINVAL, "context");
	refuse(dev, (struct unapi_dev_conf){.rxq = 5}, &ctx, -ERANGE, "5 rx");
	refuse(dev, (struct unapi_dev_conf){.txq = ~0u}, &ctx, -ERANGE, "4294967295");
	refuse(dev, (struct unapi_dev_conf){.rxd = 32}, &ctx, -ERANGE, "64..4096");
	refuse(dev, (struct unapi_dev_conf){.txd = 8192}, &ctx, -ERANGE, "8192");
	refuse(dev, (struct unapi_dev_conf){.txd = 100}, &ctx, -EINVAL, "multiples of 8");
	refuse(dev, (struct unapi_dev_conf){.rx_batch = 16}, &ctx, -ERANGE, "16");
	refuse(dev, (struct unapi_dev_conf){.rx_batch = 513}, &ctx, -ERANGE, "513");
	refuse(dev, (struct unapi_dev_conf){.pool_extra = 1u << 24}, &ctx, -ERANGE, "16777216");
	assert_string_equal(f->calls, "I"); /* the driver was not bothered */
	assert_null(unapi_dev_txq(dev, 0));
	assert_null(unapi_dev_rxq_napi(dev, 0));
	assert_int_equal(unapi_dev_set_rx(dev, 0, NULL, NULL), -EINVAL);
	assert_int_equal(unapi_dev_close(dev), 0);
	assert_int_equal(unapi_context_destroy(ctx), 0);
}

static void test_open_refused(void **state)
{
	struct net_device *dev;

	assert_int_equal(unapi_dev_open("nonsense", &dev), -EINVAL);
	assert_int_equal(unapi_dev_open("", &dev), -EINVAL);
	assert_true(unapi_dev_open("vfio-user:/nonexistent/socket", &dev) < 0);
	assert_non_null(strstr(unapi_reason(), "/nonexistent/socket"));
}

static void test_mapping(void **state)
{
	struct unapi_context *ctx[3] = {new_ctx(), new_ctx(), new_ctx()};
	struct unapi_napi_info info;
	struct fake_vfio v;
	struct net_device *dev = fake_nic_open(&v);
	unsigned int i;

	configure(dev, ctx, 3, 4);
	for (i = 0; i < 4; i++) {
		assert_ptr_equal(unapi_dev_rxq_napi(dev, i), unapi_dev_napi(dev, i % FAKE_CHANNELS));
		assert_ptr_equal(unapi_dev_txq_napi(dev, i), unapi_dev_napi(dev, i % FAKE_CHANNELS));
		assert_non_null(unapi_dev_rxq_pool(dev, i));
		assert_non_null(unapi_dev_txq(dev, i));
	}
	assert_null(unapi_dev_napi(dev, FAKE_CHANNELS));
	assert_null(unapi_dev_txq(dev, 4));
	assert_null(unapi_dev_txq(dev, 4000000));
	assert_null(unapi_dev_rxq_pool(dev, 4));
	for (i = 0; i < FAKE_CHANNELS; i++) {
		unapi_napi_get_info(unapi_dev_napi(dev, i), &info);
		assert_ptr_equal(info.ctx, ctx[i]);
		assert_string_equal(info.name, i ? "fake:0-1" : "fake:0-0");
	}
	assert_int_equal(unapi_dev_close(dev), 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(unapi_context_destroy(ctx[i]), 0);
}

struct sink {
	struct unapi_pkt kept[64];
	unsigned int nr_kept, calls, pkts;
	bool keep;
};

static void sink_rx(void *arg, struct unapi_pkt *pkts, const struct unapi_rx_meta *meta, unsigned int n)
{
	struct sink *s = arg;

	s->calls++;
	s->pkts += n;
	if (!s->keep) {
		unapi_pkt_free_bulk(pkts, n);
		return;
	}
	memcpy(s->kept + s->nr_kept, pkts, n * sizeof(*pkts));
	s->nr_kept += n;
}

static uint64_t xstat(struct net_device *dev, const char *name)
{
	struct unapi_xstat x[128];
	int n = unapi_dev_get_xstats(dev, x, 128), i;

	assert_true(n > 0 && n <= 128);
	for (i = 0; i < n; i++)
		if (!strcmp(x[i].name, name))
			return x[i].value;
	fail_msg("no xstat %s", name);
	return 0;
}

static void test_receive_and_statistics(void **state)
{
	struct unapi_context *ctx = new_ctx();
	struct unapi_napi_stats ns;
	struct unapi_dev_stats st;
	struct unapi_rxq_stats rs;
	struct unapi_txq_stats ts;
	struct unapi_xstat few[3];
	struct sink sink = {0};
	struct fake_vfio v;
	struct net_device *dev = fake_nic_open(&v);
	struct fake_nic *f = netdev_priv(dev);

	configure(dev, &ctx, 1, 2);
	assert_int_equal(unapi_dev_set_rx(dev, 2, sink_rx, &sink), -EINVAL);
	assert_int_equal(unapi_dev_set_rx(dev, 1, sink_rx, &sink), 0);
	assert_int_equal(unapi_dev_start(dev), 0);
	fake_nic_deliver(dev, 1, 10);
	fake_nic_deliver(dev, 0, 5); /* nobody asked for these: freed */
	run(ctx);
	assert_int_equal(sink.pkts, 10);
	f->hw_missed = 3;

	unapi_dev_get_stats(dev, &st);
	assert_int_equal(st.rx_packets, 15);
	assert_int_equal(st.rx_bytes, 15 * 60);
	assert_int_equal(st.rx_missed, 3);
	assert_int_equal(unapi_dev_get_rxq_stats(dev, 1, &rs), 0);
	assert_int_equal(rs.packets, 10);
	assert_int_equal(unapi_dev_get_rxq_stats(dev, 2, &rs), -EINVAL);
	assert_int_equal(unapi_dev_get_txq_stats(dev, 2, &ts), -EINVAL);
	assert_int_equal(xstat(dev, "rx_good_packets"), 15);
	assert_int_equal(xstat(dev, "rx_missed_errors"), 3);
	assert_int_equal(xstat(dev, "rx_q0_packets"), 5);
	assert_int_equal(xstat(dev, "rx_q1_bytes"), 600);
	assert_int_equal(xstat(dev, "rx_q0_pp_recycle_cached"), 5);
	assert_int_equal(xstat(dev, "tx_q1_packets"), 0);
	assert_int_equal(xstat(dev, "fake_missed"), 3);
	memset(few, 0, sizeof(few));
	assert_int_equal(unapi_dev_get_xstats(dev, few, 2), unapi_dev_get_xstats(dev, NULL, 0));
	assert_string_equal(few[1].name, "tx_good_packets");
	assert_string_equal(few[2].name, "");

	unapi_dev_clear_stats(dev);
	unapi_dev_get_stats(dev, &st);
	assert_int_equal(st.rx_packets + st.rx_bytes + st.rx_missed, 0);
	unapi_napi_get_stats(unapi_dev_napi(dev, 1), &ns);
	assert_int_equal(ns.work + ns.polls + ns.completions + ns.schedules, 0);
	fake_nic_deliver(dev, 1, 4);
	run(ctx);
	unapi_dev_get_stats(dev, &st);
	assert_int_equal(st.rx_packets, 4);
	unapi_napi_get_stats(unapi_dev_napi(dev, 1), &ns);
	assert_int_equal(ns.work, 4);
	assert_int_equal(ns.polls, 1);
	assert_int_equal(unapi_dev_close(dev), 0);
	assert_int_equal(unapi_context_destroy(ctx), 0);
}

static void test_tick(void **state)
{
	uint64_t now = NSEC_PER_SEC;
	struct unapi_context *ctx;
	struct fake_vfio v;
	struct net_device *dev;
	struct fake_nic *f;
	int i;

	unapi_clock_set_virtual(&now);
	ctx = new_ctx();
	dev = fake_nic_open(&v);
	f = netdev_priv(dev);
	configure(dev, &ctx, 1, 1);
	assert_int_equal(unapi_dev_start(dev), 0);
	for (i = 0; i < 5; i++) { /* idle: none */
		now += UNAPI_TICK_NS;
		run(ctx);
	}
	assert_int_equal(f->updates, 0);
	fake_nic_deliver(dev, 0, 1);
	run(ctx);
	now += UNAPI_TICK_NS;
	run(ctx);
	assert_int_equal(f->updates, 1);
	fake_nic_deliver(dev, 0, 1);
	run(ctx);
	assert_int_equal(unapi_dev_stop(dev), 0);
	now += UNAPI_TICK_NS;
	run(ctx);
	assert_int_equal(f->updates, 1); /* a stopped device has none */
	assert_int_equal(unapi_dev_close(dev), 0);
	assert_int_equal(unapi_context_destroy(ctx), 0);
	unapi_clock_set_virtual(NULL);
}

static int in_poll_answers[7];

static void control_from_poll(struct net_device *dev)
{
	struct unapi_dev_conf conf = {0};

	in_poll_answers[0] = unapi_dev_stop(dev);
	in_poll_answers[1] = unapi_dev_close(dev);
	in_poll_answers[2] = unapi_dev_configure(dev, &conf);
	in_poll_answers[3] = unapi_dev_reset(dev);
	in_poll_answers[4] = unapi_dev_start(dev);
	in_poll_answers[5] = netif_napi_del(&dev->channels[0]->napi);
	in_poll_answers[6] = unapi_dev_set_threaded(dev, 1);
}

static void test_control_from_poll(void **state)
{
	struct unapi_context *ctx = new_ctx();
	struct fake_vfio v;
	struct net_device *dev = fake_nic_open(&v);
	struct fake_nic *f = netdev_priv(dev);
	unsigned int i;

	configure(dev, &ctx, 1, 1);
	assert_int_equal(unapi_dev_start(dev), 0);
	f->in_poll = control_from_poll;
	fake_nic_deliver(dev, 0, 1);
	run(ctx);
	for (i = 0; i < ARRAY_SIZE(in_poll_answers); i++)
		assert_int_equal(in_poll_answers[i], -EDEADLK);
	assert_string_equal(f->calls, "ICO");
	assert_int_equal(unapi_dev_close(dev), 0);
	assert_int_equal(unapi_context_destroy(ctx), 0);
}

/* Events */

struct events {
	char seen[64]; /* one letter each, in order */
	bool close_on_removal;
	pthread_t thread;
	sem_t told;
};

static void on_event(void *arg, struct net_device *dev, enum unapi_dev_event ev)
{
	static const char letter[] = {[UNAPI_DEV_LINK_UP] = 'u',
				      [UNAPI_DEV_LINK_DOWN] = 'd',
				      [UNAPI_DEV_REMOVE_REQUEST] = 'q',
				      [UNAPI_DEV_REMOVED] = 'r',
				      [UNAPI_DEV_ERROR] = 'e'};
	struct events *e = arg;

	e->seen[strlen(e->seen)] = letter[ev];
	e->thread = pthread_self();
	sem_post(&e->told);
	if (ev == UNAPI_DEV_REMOVED && e->close_on_removal)
		assert_int_equal(unapi_dev_close(dev), 0);
}

static void test_events(void **state)
{
	struct unapi_context *ctx = new_ctx();
	struct events e = {0};
	struct fake_vfio v;
	struct net_device *dev = fake_nic_open(&v);

	unapi_dev_set_event(dev, on_event, &e);
	netdev_event(dev, UNAPI_DEV_LINK_UP); /* before there is a context: told by the first */
	assert_string_equal(e.seen, "");
	configure(dev, &ctx, 1, 1);
	run(ctx);
	assert_string_equal(e.seen, "u");
	/* A flap between two looks is told as it ended. */
	netdev_event(dev, UNAPI_DEV_LINK_DOWN);
	netdev_event(dev, UNAPI_DEV_LINK_UP);
	netdev_event(dev, UNAPI_DEV_LINK_DOWN);
	run(ctx);
	assert_string_equal(e.seen, "ud");
	/* Several at once, each told. */
	netdev_event(dev, UNAPI_DEV_LINK_UP);
	netdev_event(dev, UNAPI_DEV_ERROR);
	run(ctx);
	assert_string_equal(e.seen, "udue");
	/* The kernel repeats its request, an error may come again. */
	fake_vfio_happen(&v, VFIO_EVENT_REMOVE_REQUEST);
	run(ctx);
	fake_vfio_happen(&v, VFIO_EVENT_REMOVE_REQUEST);
	run(ctx);
	fake_vfio_happen(&v, VFIO_EVENT_ERROR);
	run(ctx);
	assert_string_equal(e.seen, "udueqe");
	assert_int_equal(v.slow_calls, 3);
	unapi_dev_set_event(dev, NULL, NULL);
	netdev_event(dev, UNAPI_DEV_LINK_DOWN);
	run(ctx);
	assert_string_equal(e.seen, "udueqe");
	assert_int_equal(unapi_dev_close(dev), 0);
	assert_int_equal(unapi_context_destroy(ctx), 0);
}

static void test_events_on_the_contexts_thread(void **state)
{
	struct unapi_context *ctx = new_ctx();
	struct events e = {0};
	struct fake_vfio v;
	struct net_device *dev = fake_nic_open(&v);

	sem_init(&e.told, 0, 0);
	unapi_dev_set_event(dev, on_event, &e);
	configure(dev, &ctx, 1, 1);
	assert_int_equal(unapi_context_start(ctx, -1), 0);
	netdev_event(dev, UNAPI_DEV_LINK_UP);
	sem_wait(&e.told);
	assert_false(pthread_equal(e.thread, pthread_self()));
	/* Closing waits for a handler that runs, and none runs after it. */
	netdev_event(dev, UNAPI_DEV_LINK_DOWN);
	assert_int_equal(unapi_dev_close(dev), 0);
	assert_int_equal(unapi_context_stop(ctx), 0);
	assert_int_equal(unapi_context_destroy(ctx), 0);
}

static void removed_in_poll(struct net_device *dev)
{
	netdev_removed(dev);
	netdev_removed(dev);
}

static void test_removal(void **state)
{
	struct unapi_context *ctx = new_ctx();
	struct unapi_dev_conf conf = {.ctx = &ctx, .nr_ctx = 1};
	struct unapi_dev_info info;
	struct unapi_dev_stats st;
	struct unapi_link link;
	struct unapi_pkt pkt;
	struct events e = {0};
	struct sink sink = {.keep = true};
	struct fake_vfio v;
	struct net_device *dev = fake_nic_open(&v);
	struct fake_nic *f = netdev_priv(dev);

	unapi_dev_set_event(dev, on_event, &e);
	configure(dev, &ctx, 1, 1);
	unapi_dev_set_rx(dev, 0, sink_rx, &sink);
	assert_int_equal(unapi_dev_start(dev), 0);
	assert_int_equal(unapi_txq_claim(unapi_dev_txq(dev, 0), NULL), 0);
	fake_nic_deliver(dev, 0, 1);
	run(ctx);
	assert_int_equal(sink.nr_kept, 1);
	f->in_poll = removed_in_poll;
	fake_nic_deliver(dev, 0, 1);
	run(ctx);
	assert_string_equal(e.seen, "r"); /* once, though driver and carrier both noticed */
	assert_true(v.v.gone);
	pkt = sink.kept[0];
	assert_int_equal(unapi_tx_burst(unapi_dev_txq(dev, 0), &pkt, 1), 0);
	unapi_dev_get_info(dev, &info);
	assert_true(info.removed);
	unapi_dev_get_stats(dev, &st);
	assert_int_equal(f->updates, 0); /* its registers are not read any more */
	assert_int_equal(unapi_dev_get_link(dev, &link), -ENODEV);
	assert_int_equal(unapi_dev_set_promisc(dev, true), -ENODEV);
	assert_int_equal(unapi_dev_reset(dev), -ENODEV);
	assert_int_equal(unapi_dev_stop(dev), 0);
	assert_int_equal(unapi_dev_start(dev), -ENODEV);
	assert_int_equal(unapi_dev_configure(dev, &conf), -ENODEV);
	unapi_pkt_free_bulk(sink.kept, sink.nr_kept);
	assert_int_equal(unapi_dev_close(dev), 0);
	assert_int_equal(unapi_context_destroy(ctx), 0);
}

static void test_closed_by_its_removal_event(void **state)
{
	struct unapi_context *ctx = new_ctx();
	struct events e = {.close_on_removal = true};
	struct fake_vfio v;
	struct net_device *dev = fake_nic_open(&v);

	unapi_dev_set_event(dev, on_event, &e);
	configure(dev, &ctx, 1, 2);
	assert_int_equal(unapi_dev_start(dev), 0);
	fake_nic_deliver(dev, 0, 5);
	fake_vfio_happen(&v, VFIO_EVENT_GONE); /* the descriptor stays readable */
	run(ctx);
	assert_string_equal(e.seen, "r");
	assert_int_equal(v.slow_calls, 1); /* and is not looked at any more */
	assert_true(v.closed);
	assert_int_equal(unapi_context_destroy(ctx), 0);
}

static void test_packets_outlive_their_device(void **state)
{
	struct unapi_context *ctx = new_ctx();
	struct sink sink = {.keep = true};
	struct fake_vfio v;
	struct net_device *dev = fake_nic_open(&v);
	unsigned int i, pool;

	configure(dev, &ctx, 1, 1);
	pool = page_pool_id(unapi_dev_rxq_pool(dev, 0));
	unapi_dev_set_rx(dev, 0, sink_rx, &sink);
	assert_int_equal(unapi_dev_start(dev), 0);
	fake_nic_deliver(dev, 0, 20);
	run(ctx);
	assert_int_equal(sink.nr_kept, 20);
	assert_int_equal(unapi_dev_close(dev), 0);
	for (i = 0; i < 20; i++)
		memset(unapi_pkt_data(&sink.kept[i]), 0xa5, 2048);
	unapi_pkt_free_bulk(sink.kept, 19);
	assert_non_null(unapi_pool_views[pool].base);
	unapi_pkt_free_bulk(sink.kept + 19, 1);
	assert_null(unapi_pool_views[pool].base);
	assert_int_equal(unapi_context_destroy(ctx), 0);
}

static void test_version(void **state)
{
	assert_string_equal(unapi_version(), UNAPI_TEST_VERSION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life_cycle),
		cmocka_unit_test(test_bad_configurations),
		cmocka_unit_test(test_open_refused),
		cmocka_unit_test(test_mapping),
		cmocka_unit_test(test_receive_and_statistics),
		cmocka_unit_test(test_tick),
		cmocka_unit_test(test_control_from_poll),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_events_on_the_contexts_thread),
		cmocka_unit_test(test_removal),
		cmocka_unit_test(test_closed_by_its_removal_event),
		cmocka_unit_test(test_packets_outlive_their_device),
		cmocka_unit_test(test_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
