/* SPDX-License-Identifier: BSD-3-Clause */
/* The igb driver's channels over the simulated NIC: every shape forwards every packet, by the instances and
 * the vectors that it says, also while the way they are polled changes. */
#include "tests/sim/igb_rig.h"

#include <sched.h>

#define COUNT	  20000
#define ROUNDS	  3000

#define CONF(...) ((struct unapi_dev_conf){__VA_ARGS__})

static void start(struct rig *r, const char *options, struct unapi_dev_conf conf)
{
	char opt[200];

	snprintf(opt, sizeof(opt), ",wire=gen:count=%u:flows=64%s", COUNT, options);
	open_dev(r, opt);
	configure(r, &conf);
	ok(unapi_dev_start(r->dev));
}

static unsigned int instances(struct rig *r)
{
	struct unapi_dev_info info;

	unapi_dev_get_info(r->dev, &info);
	return info.nr_napi;
}

static bool serves(struct rig *r, const struct napi_struct *n, bool rx)
{
	for (unsigned int q = 0; q < r->queues; q++)
		if ((rx ? unapi_dev_rxq_napi(r->dev, q) : unapi_dev_txq_napi(r->dev, q)) == n)
			return true;
	return false;
}

/* What an instance did is what its receive queues got, and its own vector asked for it. */
static void check_instance(struct rig *r, unsigned int i, int64_t *raised)
{
	struct napi_struct *n = unapi_dev_napi(r->dev, i);
	struct unapi_napi_stats st;
	uint64_t work = 0;

	unapi_napi_get_stats(n, &st);
	for (unsigned int q = 0; q < r->queues; q++)
		if (unapi_dev_rxq_napi(r->dev, q) == n)
			work += r->per_queue[q];
	assert_int_equal(st.work, work);
	assert_int_equal(st.violations, 0);
	assert_true(st.irqs > 0);
	assert_int_equal(work > 0, serves(r, n, true));
	*raised = unapi_napi_irqs_raised(n);
	assert_true(*raised >= (int64_t)st.irqs);
}

static void forwards(const char *options, struct unapi_dev_conf conf, unsigned int expect)
{
	int64_t raised[24];
	json_t *o, *vectors, *txq;
	unsigned int n;
	struct rig r;

	start(&r, options, conf);
	n = instances(&r);
	assert_int_equal(n, expect);
	run_until(&r, "drained", 1);
	for (unsigned int i = 0; i < n; i++)
		check_instance(&r, i, &raised[i]);
	for (unsigned int q = 0; q < r.queues; q++)
		assert_true(r.per_queue[q] > 0);
	o = down(&r);
	nothing_lost(o, COUNT);
	vectors = json_object_get(o, "vectors");
	for (unsigned int v = 1; v < json_array_size(vectors); v++) {
		json_int_t fired = json_integer_value(json_array_get(vectors, v));

		/* The self-test of the first start fires vector 1 for itself. */
		if (v > n)
			assert_int_equal(fired, 0);
		else
			assert_true(fired >= raised[v - 1] && raised[v - 1] > 0);
	}
	txq = json_object_get(o, "txq");
	for (unsigned int q = 0; q < r.queues; q++)
		assert_int_equal(json_integer_value(json_array_get(txq, q)), r.per_queue[q]);
	json_decref(o);
}

static void one_of_each(void **state)
{
	static const unsigned int cpu[] = {0};
	struct unapi_dev_info info;
	struct unapi_napi_irq irq;
	struct rig r;

	open_dev(&r, ",wire=none");
	configure(&r, &CONF(.combined = 1, .rx_only = 1, .tx_only = 1));
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(unapi_napi_get_irq(unapi_dev_napi(r.dev, i), &irq), -EOPNOTSUPP);
		assert_int_equal(irq.vector, i + 1);
		assert_int_equal(irq.irq, -1);
	}
	assert_int_equal(unapi_napi_set_irq_affinity(unapi_dev_napi(r.dev, 0), cpu, 1), -EOPNOTSUPP);
	assert_non_null(strstr(unapi_reason(), "no interrupts of this machine"));
	unapi_dev_get_info(r.dev, &info);
	assert_int_equal(info.vectors, 4); /* and one for the link */
	assert_int_equal(info.rxq, 2);
	assert_int_equal(info.txq, 2);
	assert_ptr_equal(unapi_dev_rxq_napi(r.dev, 0), unapi_dev_txq_napi(r.dev, 0));
	assert_ptr_equal(unapi_dev_rxq_napi(r.dev, 1), unapi_dev_napi(r.dev, 1));
	assert_ptr_equal(unapi_dev_txq_napi(r.dev, 1), unapi_dev_napi(r.dev, 2));
	json_decref(down(&r));

	forwards("", CONF(.combined = 1, .rx_only = 1, .tx_only = 1), 3);
	forwards(",automask=0", CONF(.combined = 1, .rx_only = 1, .tx_only = 1), 3);
	forwards(",latch=0", CONF(.combined = 1, .rx_only = 1, .tx_only = 1), 3);
	forwards(",doorbell=mmap", CONF(.combined = 1, .rx_only = 1, .tx_only = 1), 3);
}

static void separate(void **state)
{
	forwards("", CONF(.rx_only = 1, .tx_only = 1), 2);
	forwards("", CONF(.rx_only = 4, .tx_only = 4), 8);
	/* a vector for each half of IVAR's rows, all that there are */
	forwards("", CONF(.combined = 1, .rx_only = 4, .tx_only = 4), 9);
}

static void several_queues_on_one(void **state)
{
	forwards("", CONF(.rxq = 4, .txq = 4, .combined = 2), 2);
	forwards("", CONF(.rxq = 4, .txq = 4, .combined = 1), 1);
	forwards("", CONF(.rxq = 16, .txq = 16, .combined = 3), 3);
	forwards("", CONF(.rxq = 6, .txq = 6, .combined = 1, .rx_only = 1, .tx_only = 1), 3);
	forwards(",automask=0,latch=0", CONF(.rxq = 4, .txq = 4, .rx_only = 2, .tx_only = 1), 3);
}

/* One vector for everything, and so one instance, whatever was asked for. */
static void fallbacks(void **state)
{
	struct unapi_dev_info info;
	struct rig r;

	for (unsigned int i = 0; i < 2; i++) {
		start(&r, i ? ",msix=0,msi=0" : ",msix=0", CONF(.combined = 1, .rx_only = 1, .tx_only = 1));
		unapi_dev_get_info(r.dev, &info);
		assert_string_equal(info.irq_mode, i ? "INTx" : "MSI");
		assert_int_equal(info.nr_napi, 1);
		assert_int_equal(info.combined, 1);
		assert_int_equal(info.rxq, 2);
		run_until(&r, "drained", 1);
		assert_true(r.per_queue[0] > 0 && r.per_queue[1] > 0);
		json_t *o = down(&r);
		nothing_lost(o, COUNT);
		json_decref(o);
	}
}

static void more_than_vectors(void **state)
{
	struct unapi_dev_conf c = {.combined = 2, .rx_only = 4, .tx_only = 4, .nr_ctx = 1};
	struct rig r;

	open_dev(&r, ",wire=none");
	c.ctx = &r.ctx;
	assert_int_equal(unapi_dev_configure(r.dev, &c), -ERANGE);
	assert_non_null(strstr(unapi_reason(), "vectors for 9"));
	c.combined = 17;
	assert_int_equal(unapi_dev_configure(r.dev, &c), -ERANGE);
	assert_non_null(strstr(unapi_reason(), "16 rx"));
	configure(&r, &CONF(.rxq = 1));
	json_decref(down(&r));
}

/* Another shape each time: vectors of before go on to other channels. */
static void reshaped(void **state)
{
	static const struct unapi_dev_conf confs[] = {
		{.combined = 1, .rx_only = 1, .tx_only = 1},
		{.rx_only = 3, .tx_only = 3},
		{.rxq = 4, .txq = 4, .combined = 2},
		{.combined = 4},
		{.rx_only = 1, .tx_only = 1},
		{.rxq = 2},
		{.combined = 1, .rx_only = 3, .tx_only = 3},
	};
	unsigned int i = 0, n;
	struct rig r;

	open_dev(&r, ",wire=gen:flows=64");
	for (i = 0; i < 2 * ARRAY_SIZE(confs); i++) {
		uint64_t until = unapi_clock_ns() + TIME_LIMIT;
		bool all = false;

		configure(&r, &confs[i % ARRAY_SIZE(confs)]);
		ok(unapi_dev_start(r.dev));
		memset(r.per_queue, 0, sizeof(r.per_queue));
		n = instances(&r);
		while (!all) {
			struct unapi_napi_stats st;

			assert_true(unapi_clock_ns() < until);
			run(&r, 5);
			all = true;
			for (unsigned int q = 0; q < r.queues; q++)
				all &= r.per_queue[q] > 100;
			for (unsigned int k = 0; k < n; k++) {
				unapi_napi_get_stats(unapi_dev_napi(r.dev, k), &st);
				all &= st.irqs > 2;
			}
		}
		ok(unapi_dev_stop(r.dev));
		assert_int_equal(inflight(&r), 0);
	}
	json_decref(down(&r));
}

/* What a sleeping producer sent comes back by the interrupt of the channel that only transmits, though
 * nothing else happens: nothing is received, and the producer makes no call. */
static void sent_comes_back(const char *options)
{
	static const uint8_t head[14] = {2, 9, 9, 9, 9, 9, 2, 1, 2, 3, 4, 5, 0x88, 0xb5};
	uint64_t until = unapi_clock_ns() + TIME_LIMIT;
	struct unapi_page_pool_info info;
	struct unapi_napi_stats st;
	struct page_pool *pool;
	struct unapi_txq *txq;
	char opt[100];
	struct rig r;

	snprintf(opt, sizeof(opt), ",wire=none,link-delay=0%s", options);
	open_dev(&r, opt);
	configure(&r, &CONF(.combined = 1, .rx_only = 1, .tx_only = 2));
	txq = unapi_dev_txq(r.dev, 2);
	ok(unapi_txq_claim(txq, NULL));
	ok(unapi_dev_start(r.dev));
	run_until_event(&r, &r.ups, 1);
	ok(unapi_page_pool_create(64, -1, &pool));
	for (unsigned int i = 0; i < 200; i++) {
		struct unapi_pkt p[3];

		assert_int_equal(unapi_pkt_alloc_bulk(pool, p, 3), 3);
		for (unsigned int k = 0; k < 3; k++) {
			memset(unapi_pkt_data(&p[k]), 0, 60);
			memcpy(unapi_pkt_data(&p[k]), head, sizeof(head));
			p[k].len = 60;
		}
		assert_int_equal(unapi_tx_burst(txq, p, 3), 3);
		if (i % 2) /* asleep before the interrupt's handler runs, or after */
			run(&r, 0);
		unapi_txq_sleep(txq);
		do {
			assert_true(unapi_clock_ns() < until);
			run(&r, 1000);
			unapi_page_pool_get_info(pool, &info);
		} while (info.inflight);
	}
	unapi_napi_get_stats(unapi_dev_txq_napi(r.dev, 2), &st);
	assert_ptr_equal(unapi_dev_txq_napi(r.dev, 2), unapi_dev_napi(r.dev, 3));
	assert_true(st.irqs > 0 && st.completions > 0);
	assert_int_equal(st.work, 0);
	unapi_napi_get_stats(unapi_dev_napi(r.dev, 2),
			     &st); /* the other one that transmits has nothing to do */
	assert_int_equal(st.irqs, 0);
	json_decref(down(&r));
	ok(unapi_page_pool_destroy(pool));
}

static void transmit_only(void **state)
{
	sent_comes_back("");
	sent_comes_back(",automask=0");
	sent_comes_back(",latch=0");
	sent_comes_back(",latch=0,automask=0");
}

/* The same with the instance on another thread: what is written back while it completes is not forgotten,
 * whether the device remembers masked causes or not. */
static void sent_while_it_completes(const char *options)
{
	static const uint8_t head[14] = {2, 9, 9, 9, 9, 9, 2, 1, 2, 3, 4, 5, 0x88, 0xb5};
	uint64_t enough = unapi_clock_ns() + 3 * NSEC_PER_SEC;
	struct unapi_page_pool_info info;
	struct page_pool *pool;
	struct unapi_txq *txq;
	char opt[100];
	struct rig r;

	snprintf(opt, sizeof(opt), ",wire=none,link-delay=0%s", options);
	open_dev(&r, opt);
	configure(&r, &CONF(.combined = 1, .tx_only = 1));
	txq = unapi_dev_txq(r.dev, 1);
	ok(unapi_txq_claim(txq, NULL));
	ok(unapi_context_start(r.ctx, -1));
	r.threaded = true;
	ok(unapi_dev_start(r.dev));
	run_until_event(&r, &r.ups, 1);
	ok(unapi_page_pool_create(64, -1, &pool));
	/* Thousands of rounds natively; under a sanitizer, as many as fit. */
	for (unsigned int i = 0; i < ROUNDS && unapi_clock_ns() < enough; i++) {
		uint64_t until = unapi_clock_ns() + TIME_LIMIT;

		for (unsigned int k = 0; k < 2; k++) {
			uint64_t pause = unapi_clock_ns() + (i * 37 % 64) * NSEC_PER_USEC;
			struct unapi_pkt p;

			assert_int_equal(unapi_pkt_alloc_bulk(pool, &p, 1), 1);
			memset(unapi_pkt_data(&p), 0, 60);
			memcpy(unapi_pkt_data(&p), head, sizeof(head));
			p.len = 60;
			assert_int_equal(unapi_tx_burst(txq, &p, 1), 1);
			unapi_txq_sleep(txq);
			while (!k && unapi_clock_ns() < pause)
				cpu_relax();
		}
		do {
			assert_true(unapi_clock_ns() < until);
			sched_yield();
			unapi_page_pool_get_info(pool, &info);
		} while (info.inflight);
	}
	ok(unapi_context_stop(r.ctx));
	r.threaded = false;
	json_decref(down(&r));
	ok(unapi_page_pool_destroy(pool));
}

static void transmit_only_on_a_thread(void **state)
{
	sent_while_it_completes("");
	sent_while_it_completes(",latch=0");
}

static void change(struct rig *r, unsigned int turn)
{
	static const uint64_t timeouts[] = {20000, 0, 1000000, 200000};
	unsigned int n = instances(r);

	for (unsigned int i = 0; i < n; i++) {
		struct napi_struct *napi = unapi_dev_napi(r->dev, i);
		unsigned int to = (turn + i) % 5;

		ok(unapi_napi_set_defer_hard_irqs(napi, (turn + i) % 3));
		ok(unapi_napi_set_gro_flush_timeout(napi, timeouts[(turn + i) % ARRAY_SIZE(timeouts)]));
		if (to < 3) {
			ok(unapi_napi_set_mode(napi, UNAPI_POLL_INTERRUPT));
			ok(napi_set_threaded(napi, (enum netdev_napi_threaded)to));
		} else {
			ok(napi_set_threaded(napi, NETDEV_NAPI_THREADED_DISABLED));
			ok(unapi_napi_set_mode(napi, to == 3 ? UNAPI_POLL_BUSY : UNAPI_POLL_INTERRUPT));
		}
	}
}

/* This thread is the poller of those that want one. */
static bool poll_them(struct rig *r)
{
	unsigned int n = instances(r);
	bool any = false;

	for (unsigned int i = 0; i < n; i++) {
		struct napi_struct *napi = unapi_dev_napi(r->dev, i);

		if (unapi_napi_wants_poll(napi))
			unapi_napi_poll_begin(napi);
		for (unsigned int k = 0; k < 20 && unapi_napi_mode(napi) == UNAPI_POLL_BUSY; k++) {
			unapi_napi_poll(napi, 64);
			any = true;
		}
	}
	return any;
}

static void changes_under_traffic(struct unapi_dev_conf conf)
{
	uint64_t until = unapi_clock_ns() + TIME_LIMIT, next = 500;
	struct unapi_dev_stats st = {0};
	unsigned int turns = 0;
	struct rig r;
	json_t *o;

	start(&r, ":rate=20000", conf); /* a second, that also a busy machine has time */
	ok(unapi_context_set_poller(r.ctx, true));
	do {
		assert_true(unapi_clock_ns() < until);
		if (st.tx_packets >= next) {
			next = st.tx_packets + 500;
			change(&r, turns++);
		}
		run(&r, poll_them(&r) ? 0 : 1);
		unapi_dev_get_stats(r.dev, &st);
	} while (st.tx_packets < COUNT);
	assert_true(turns >= 3);
	for (unsigned int i = 0; i < instances(&r); i++)
		ok(unapi_napi_set_mode(unapi_dev_napi(r.dev, i), UNAPI_POLL_INTERRUPT));
	while (poll_them(&r))
		;
	run_until(&r, "drained", 1);
	ok(unapi_context_set_poller(r.ctx, false));
	o = down(&r);
	nothing_lost(o, COUNT);
	json_decref(o);
}

static void changes(void **state)
{
	changes_under_traffic(CONF(.combined = 1, .rx_only = 1, .tx_only = 1));
	changes_under_traffic(CONF(.rxq = 4, .txq = 4, .combined = 2));
	changes_under_traffic(CONF(.rx_only = 2, .tx_only = 2));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_of_each),
		cmocka_unit_test(separate),
		cmocka_unit_test(several_queues_on_one),
		cmocka_unit_test(fallbacks),
		cmocka_unit_test(more_than_vectors),
		cmocka_unit_test(reshaped),
		cmocka_unit_test(transmit_only),
		cmocka_unit_test(transmit_only_on_a_thread),
		cmocka_unit_test(changes),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	unlink(stats);
	return rc;
}
