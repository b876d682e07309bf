/* SPDX-License-Identifier: BSD-3-Clause */
/* The igb driver over the simulated NIC: filters, statistics, life cycle, rings and buffers.
 */
#include "tests/sim/igb_rig.h"

/* The wire returns what is sent, so packets made by the test come back if they are for this port. */
static unsigned int sink_packets;
static uint8_t sink_dst[6];

static void sink(void *arg, struct unapi_pkt *pkts, const struct unapi_rx_meta *meta, unsigned int n)
{
	sink_packets += n;
	memcpy(sink_dst, unapi_pkt_data(&pkts[n - 1]), 6);
	unapi_pkt_free_bulk(pkts, n);
}

static void send_to(struct rig *r, struct page_pool *pool, const uint8_t *dst, uint16_t len)
{
	struct unapi_pkt p;
	uint8_t *d;

	assert_int_equal(unapi_pkt_alloc_bulk(pool, &p, 1), 1);
	d = unapi_pkt_data(&p);
	memset(d, 0, len);
	memcpy(d, dst, 6);
	d[12] = 0x88;
	d[13] = 0xb5; /* for local experiments */
	p.len = len;
	assert_int_equal(unapi_tx_burst(r->txq[0], &p, 1), 1);
}

static void loop_up(struct rig *r, struct page_pool **pool)
{
	open_dev(r, ",wire=loop,mac=02:01:02:03:04:05");
	configure(r, &(struct unapi_dev_conf){.rxq = 1});
	unapi_txq_release(r->txq[0]);
	ok(unapi_txq_claim(r->txq[0], NULL));
	ok(unapi_dev_set_rx(r->dev, 0, sink, NULL));
	ok(unapi_dev_start(r->dev));
	run_until_event(r, &r->ups, 1);
	ok(unapi_page_pool_create(256, -1, pool));
	sink_packets = 0;
}

static uint32_t pool_inflight(struct page_pool *pool)
{
	struct unapi_page_pool_info info;

	unapi_page_pool_get_info(pool, &info);
	return info.inflight;
}

/* A transmit queue alone on its instance: what a sleeping producer sent comes back with no further call of
 * its. */
static void test_tx_only_channel(void **state)
{
	static const uint8_t nobody[6] = {2, 9, 9, 9, 9, 9};
	uint64_t until = unapi_clock_ns() + TIME_LIMIT;
	struct page_pool *pool;
	struct rig r;

	open_dev(&r, ",wire=loop,mac=02:01:02:03:04:05");
	configure(&r, &(struct unapi_dev_conf){.rxq = 1, .txq = 2});
	r.txq[0] = unapi_dev_txq(r.dev, 1);
	assert_ptr_not_equal(unapi_dev_txq_napi(r.dev, 1), unapi_dev_rxq_napi(r.dev, 0));
	ok(unapi_txq_claim(r.txq[0], NULL));
	ok(unapi_dev_start(r.dev));
	run_until_event(&r, &r.ups, 1);
	ok(unapi_page_pool_create(64, -1, &pool));
	for (unsigned int i = 0; i < 100; i++) {
		send_to(&r, pool, nobody, 60);
		unapi_txq_sleep(r.txq[0]);
		while (pool_inflight(pool)) {
			assert_true(unapi_clock_ns() < until);
			run(&r, 1000);
		}
	}
	json_decref(down(&r));
	ok(unapi_page_pool_destroy(pool));
}

static void run_until_sunk(struct rig *r, unsigned int n)
{
	run_until_event(r, &sink_packets, n);
	assert_int_equal(sink_packets, n);
}

static void test_filters(void **state)
{
	static const uint8_t own[6] = {2, 1, 2, 3, 4, 5}, other[6] = {2, 9, 9, 9, 9, 9},
			     all[6] = {255, 255, 255, 255, 255, 255}, multi[6] = {1, 0, 0x5e, 0, 0, 1};
	struct page_pool *pool;
	struct rig r;

	loop_up(&r, &pool);
	/* In order on one queue: what is filtered is gone once the next has come. */
	send_to(&r, pool, other, 60);
	send_to(&r, pool, multi, 60);
	send_to(&r, pool, own, 60);
	run_until_sunk(&r, 1);
	assert_memory_equal(sink_dst, own, 6);
	send_to(&r, pool, all, 60);
	run_until_sunk(&r, 2);

	ok(unapi_dev_set_promisc(r.dev, true));
	send_to(&r, pool, other, 60);
	run_until_sunk(&r, 3);
	send_to(&r, pool, multi, 60);
	run_until_sunk(&r, 4);
	assert_memory_equal(sink_dst, multi, 6);
	ok(unapi_dev_stop(r.dev)); /* kept over a restart */
	ok(unapi_dev_start(r.dev));
	run_until_event(&r, &r.ups, 2);
	send_to(&r, pool, other, 60);
	run_until_sunk(&r, 5);

	ok(unapi_dev_set_promisc(r.dev, false));
	send_to(&r, pool, other, 60);
	send_to(&r, pool, own, 60);
	run_until_sunk(&r, 6);
	assert_memory_equal(sink_dst, own, 6);

	json_decref(down(&r));
	ok(unapi_page_pool_destroy(pool));
}

static uint64_t xstat(struct rig *r, const char *name)
{
	static struct unapi_xstat x[1024];
	int n = unapi_dev_get_xstats(r->dev, x, ARRAY_SIZE(x));

	for (int i = 0; i < n && i < (int)ARRAY_SIZE(x); i++)
		if (!strcmp(x[i].name, name))
			return x[i].value;
	fail_msg("no counter %s", name);
	return 0;
}

/* The device counts what the queues count, however often it is asked, and bytes with the CRC. */
static void test_statistics(void **state)
{
	static const uint8_t own[6] = {2, 1, 2, 3, 4, 5};
	struct page_pool *pool;
	struct unapi_dev_stats st;
	struct rig r;
	uint64_t bytes = 0;

	loop_up(&r, &pool);
	for (unsigned int i = 0; i < 100; i++) {
		uint16_t len = (uint16_t)(60 + i * 14);

		send_to(&r, pool, own, len);
		bytes += len;
		run_until_sunk(&r, i + 1);
		if (i % 7 == 0)
			unapi_dev_get_stats(r.dev, &st);
		unapi_txq_clean(r.txq[0]);
	}
	unapi_dev_get_stats(r.dev, &st);
	assert_int_equal(st.rx_packets, 100);
	assert_int_equal(st.tx_packets, 100);
	assert_int_equal(st.rx_bytes, bytes);
	assert_int_equal(st.tx_bytes, bytes);
	assert_int_equal(xstat(&r, "rx_packets_phy"), 100);
	assert_int_equal(xstat(&r, "tx_packets_phy"), 100);
	assert_int_equal(xstat(&r, "rx_bytes_phy"), bytes + 400);
	assert_int_equal(xstat(&r, "tx_bytes_phy"), bytes + 400);
	assert_int_equal(xstat(&r, "rx_good_packets"), 100);
	assert_int_equal(xstat(&r, "rx_size_64"), 1);

	/* Counters survive a reset of the device, and are cleared on request. */
	ok(unapi_dev_reset(r.dev));
	assert_int_equal(xstat(&r, "rx_packets_phy"), 100);
	unapi_dev_clear_stats(r.dev);
	unapi_dev_get_stats(r.dev, &st);
	assert_int_equal(st.rx_packets + st.tx_packets + st.rx_bytes + st.tx_bytes, 0);
	assert_int_equal(xstat(&r, "rx_packets_phy"), 0);
	json_decref(down(&r));
	ok(unapi_page_pool_destroy(pool));
}

/* Packets for ourselves go round for ever on a wire that returns them, and RSS spreads them. */
static void set_going(struct unapi_txq *txq, struct page_pool *pool)
{
	static const uint8_t head[] = {2,    1, 2,  3,	4, 5, 2, 1, 2,	3,  4, 5,  8,  0,
				       0x45, 0, 0,  46, 0, 0, 0, 0, 64, 17, 0, 0,  10, 0,
				       0,    1, 10, 0,	0, 2, 0, 0, 0,	9,  0, 26, 0,  0};
	struct unapi_pkt p[32];

	assert_int_equal(unapi_pkt_alloc_bulk(pool, p, 32), 32);
	for (unsigned int i = 0; i < 32; i++) {
		uint8_t *d = unapi_pkt_data(&p[i]);

		memset(d, 0, 60);
		memcpy(d, head, sizeof(head));
		d[35] = (uint8_t)i; /* source port */
		p[i].len = 60;
	}
	assert_int_equal(unapi_tx_burst(txq, p, 32), 32);
}

static void run_until_sent(struct rig *r, uint64_t n)
{
	uint64_t until = unapi_clock_ns() + TIME_LIMIT;
	struct unapi_dev_stats st;

	do {
		assert_true(unapi_clock_ns() < until);
		run(r, 5);
		unapi_dev_get_stats(r->dev, &st);
	} while (st.tx_packets < n);
}

/* Under traffic, many times; and another number of queues now and then. Nothing stays behind. */
static void test_start_stop(void **state)
{
	struct page_pool *pool;
	struct rig r;

	open_dev(&r, ",wire=loop,mac=02:01:02:03:04:05,link-delay=0");
	ok(unapi_page_pool_create(64, -1, &pool));
	for (unsigned int i = 0; i < 50; i++) {
		if (i % 5 == 0)
			configure(&r, &(struct unapi_dev_conf){.rxq = 1 + i / 5 % 4});
		ok(unapi_dev_start(r.dev));
		unapi_dev_clear_stats(r.dev);
		run_until_event(&r, &r.ups, i + 1);
		memset(r.per_queue, 0, sizeof(r.per_queue));
		set_going(r.txq[0], pool);
		run_until_sent(&r, 1000);
		for (unsigned int q = 0; q < r.queues; q++)
			assert_true(r.per_queue[q] > 0);
		ok(unapi_dev_stop(r.dev));
		assert_int_equal(inflight(&r), 0);
		assert_int_equal(unapi_tx_burst(r.txq[0], NULL, 0), 0);
	}
	json_decref(down(&r));
	ok(unapi_page_pool_destroy(pool));
}

/* The same with the queues on a thread of the library's, and the control calls from this one. */
static void test_thread(void **state)
{
	struct unapi_link link;
	struct page_pool *pool;
	struct unapi_txq *txq;
	struct rig r;

	open_dev(&r, ",wire=loop,mac=02:01:02:03:04:05,link-delay=0");
	ok(unapi_context_start(r.ctx, -1));
	r.threaded = true;
	for (unsigned int i = 0; i < 10; i++) {
		configure(&r, &(struct unapi_dev_conf){.rxq = 4, .txq = 5});
		ok(unapi_dev_start(r.dev));
		unapi_dev_clear_stats(r.dev);
		run_until_event(&r, &r.ups, i + 1);
		/* The first packets are sent by this thread, on a queue of its own. */
		txq = unapi_dev_txq(r.dev, 4);
		ok(unapi_txq_claim(txq, NULL));
		ok(unapi_page_pool_create(64, -1, &pool));
		set_going(txq, pool);
		run_until_sent(&r, 1000);
		unapi_txq_clean(txq);
		ok(unapi_dev_set_promisc(r.dev, i & 1));
		ok(unapi_dev_get_link(r.dev, &link));
		assert_true(link.up);
		ok(unapi_dev_stop(r.dev));
		assert_int_equal(inflight(&r), 0);
		ok(unapi_page_pool_destroy(pool));
	}
	ok(unapi_context_stop(r.ctx));
	r.threaded = false;
	json_decref(down(&r));
}

static void test_reset(void **state)
{
	struct page_pool *pool;
	struct rig r;

	up(&r, ",wire=loop,mac=02:01:02:03:04:05,link-delay=0", 2);
	ok(unapi_page_pool_create(64, -1, &pool));
	for (unsigned int i = 0; i < 5; i++) {
		unapi_dev_clear_stats(r.dev);
		run_until_event(&r, &r.ups, i + 1);
		set_going(r.txq[0], pool);
		run_until_sent(&r, 1000);
		ok(unapi_dev_reset(r.dev));
	}
	json_decref(down(&r));
	ok(unapi_page_pool_destroy(pool));
}

/* Nothing blocks, nothing loops, and every buffer comes back, when the device disappears under traffic. */
static void test_surprise_removal(void **state)
{
	uint64_t until = unapi_clock_ns() + TIME_LIMIT;
	struct unapi_link link;
	struct rig r;

	up(&r, ",wire=gen,remove-after=3000", 2);
	while (!r.removed) {
		assert_true(unapi_clock_ns() < until);
		run(&r, 5);
		unapi_dev_get_link(r.dev, &link);
	}
	assert_int_equal(unapi_dev_get_link(r.dev, &link), -ENODEV);
	until = unapi_clock_ns() + 2 * NSEC_PER_SEC;
	ok(unapi_dev_stop(r.dev));
	assert_true(unapi_clock_ns() < until);
	assert_int_equal(inflight(&r), 0);
	assert_int_equal(unapi_dev_start(r.dev), -ENODEV);
	ok(unapi_dev_close(r.dev));
	assert_true(unapi_clock_ns() < until);
	ok(unapi_context_destroy(r.ctx));
}

/* Nobody polls, so there is no descriptor: each frame is counted once, whichever of the device's counters has
 * it. */
static void flood(const char *options, unsigned int queues)
{
	uint64_t until = unapi_clock_ns() + TIME_LIMIT;
	struct unapi_dev_stats st;
	bool drained = false;
	char opt[200];
	struct rig r;
	json_t *o;

	snprintf(opt, sizeof(opt), ",wire=gen:count=3500:lossy%s", options);
	up(&r, opt, queues);
	while (!drained) {
		assert_true(unapi_clock_ns() < until);
		usleep(1000);
		o = figures();
		drained = o && figure(o, "drained");
		json_decref(o);
	}
	unapi_dev_get_stats(r.dev, &st);
	o = down(&r);
	assert_int_equal(figure(o, "lost"), 3500);
	assert_int_equal(figure(o, "overrun"), 3500);
	assert_int_equal(st.rx_missed, 3500);
	json_decref(o);
}

static void test_flood(void **state)
{
	flood("", 1);
	flood("", 2); /* a full queue drops its own */
	flood(",doorbell=mmap", 2);
}

/* An interrupt before DD: the one that follows DD counts. */
static void test_late_write_back(void **state)
{
	forward_count(",late-dd=30", 1, 3000, true);
}

/* Rings of every size, down to the smallest, and the largest batch. */
static void test_ring_sizes(void **state)
{
	static const struct unapi_dev_conf confs[] = {
		{.rxq = 1, .rxd = 32, .txd = 32, .rx_batch = 17, .pool_extra = 1},
		{.rxq = 2, .rxd = 72, .txd = 40, .rx_batch = 64},
		{.rxq = 1, .rxd = 4096, .txd = 4096, .rx_batch = 512, .rx_meta = true},
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(confs); i++) {
		struct rig r;
		json_t *o;

		open_dev(&r, ",wire=gen:count=20000");
		configure(&r, &confs[i]);
		ok(unapi_dev_start(r.dev));
		run_until(&r, "drained", 1);
		o = down(&r);
		assert_int_equal(figure(o, "corrupt") + figure(o, "dup") + figure(o, "reorder"), 0);
		/* One buffer more than two rings is enough: the tx ring never holds up the rx ring for good.
		 */
		nothing_lost(o, 20000);
		json_decref(o);
	}
}

/* The application keeps so much that a ring runs dry: it fills again when the buffers come back. */
static struct unapi_pkt kept[4096];
static unsigned int nr_kept;

static void keep(void *arg, struct unapi_pkt *pkts, const struct unapi_rx_meta *meta, unsigned int n)
{
	assert_true(nr_kept + n <= ARRAY_SIZE(kept));
	memcpy(kept + nr_kept, pkts, n * sizeof(*pkts));
	nr_kept += n;
}

static void starve(const char *options)
{
	struct unapi_page_pool_info info;
	struct unapi_dev_stats st;
	char opt[100];
	struct rig r;

	snprintf(opt, sizeof(opt), ",wire=gen:lossy:rate=200000%s", options);
	open_dev(&r, opt);
	configure(&r, &(struct unapi_dev_conf){.rxq = 1, .rxd = 64, .txd = 64, .pool_extra = 8});
	ok(unapi_dev_set_rx(r.dev, 0, keep, NULL));
	ok(unapi_dev_start(r.dev));
	for (unsigned int round = 0; round < 10; round++) {
		uint64_t until = unapi_clock_ns() + TIME_LIMIT;

		nr_kept = 0;
		unapi_page_pool_get_info(unapi_dev_rxq_pool(r.dev, 0), &info);
		while (nr_kept < info.buffers) {
			assert_true(unapi_clock_ns() < until);
			run(&r, 5);
		}
		assert_int_equal(nr_kept, info.buffers);
		/* From a thread that does not own the pool: the instance is scheduled by the return. */
		unapi_pkt_free_bulk(kept, nr_kept);
	}
	unapi_dev_get_stats(r.dev, &st);
	assert_true(st.rx_alloc_fail >= 10);
	ok(unapi_dev_stop(r.dev));
	unapi_pkt_free_bulk(kept, nr_kept > info.buffers ? nr_kept - info.buffers : 0);
	json_decref(down(&r));
}

static void test_starvation(void **state)
{
	starve("");
	starve(",msix=0");
	starve(",automask=0");
}

static void test_more_than_there_is(void **state)
{
	struct unapi_dev_conf c = {.rxq = 8, .nr_ctx = 1};
	struct rig r;

	/* The model refuses to enable queue 4: the start fails, and leaves nothing on. */
	open_dev(&r, ",queues=4,wire=none");
	c.ctx = &r.ctx;
	configure(&r, &c);
	assert_int_equal(unapi_dev_start(r.dev), -EIO);
	assert_non_null(strstr(unapi_reason(), "queue 4"));
	c.rxq = c.txq = 4;
	configure(&r, &c);
	ok(unapi_dev_start(r.dev));
	c.rxq = 17;
	assert_int_equal(unapi_dev_configure(r.dev, &c), -EBUSY);
	ok(unapi_dev_stop(r.dev));
	assert_int_equal(unapi_dev_configure(r.dev, &c), -ERANGE);
	json_decref(down(&r));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filters),		 cmocka_unit_test(test_statistics),
		cmocka_unit_test(test_tx_only_channel),	 cmocka_unit_test(test_start_stop),
		cmocka_unit_test(test_thread),		 cmocka_unit_test(test_reset),
		cmocka_unit_test(test_surprise_removal), cmocka_unit_test(test_flood),
		cmocka_unit_test(test_late_write_back),	 cmocka_unit_test(test_ring_sizes),
		cmocka_unit_test(test_starvation),	 cmocka_unit_test(test_more_than_there_is),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	unlink(stats);
	return rc;
}
