/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The igb driver and a device that misbehaves, with every packet accounted for: what is good comes back, in
 * order, once and unchanged; what is not is counted; the queue is restarted, which is logged; and it goes on.
 */
#include "tests/sim/igb_rig.h"

static unsigned int restarts_logged;

static void note_log(void *arg, enum unapi_log_level level, const char *text)
{
	if (strstr(text, "is restarted"))
		__atomic_fetch_add(&restarts_logged, 1, __ATOMIC_RELAXED);
}

static void sum_queues(struct rig *r, struct unapi_rxq_stats *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (unsigned int q = 0; q < r->queues; q++) {
		struct unapi_rxq_stats st;

		ok(unapi_dev_get_rxq_stats(r->dev, q, &st));
		sum->packets += st.packets;
		sum->errors += st.errors;
		sum->restarts += st.restarts;
	}
}

/* @least..@most of @count packets have a bad descriptor: these are lost, and no others. */
static void accounted(const char *options, unsigned int queues, unsigned int count, unsigned int least,
		      unsigned int most)
{
	struct unapi_rxq_stats st;
	char opt[200];
	struct rig r;
	json_t *o;

	/* Many flows, so that none stands still for what it lost. */
	snprintf(opt, sizeof(opt), ",wire=gen:count=%u:flows=%u%s", count, 4 * queues, options);
	restarts_logged = 0;
	up(&r, opt, queues);
	run_until(&r, "drained", 1);
	sum_queues(&r, &st);
	for (unsigned int q = 0; q < queues; q++)
		assert_true(r.per_queue[q] > 0);
	o = down(&r); /* no DMA fault, no misuse */
	assert_int_equal(figure(o, "tx"), count);
	assert_int_equal(figure(o, "nic_rx"), count);
	assert_int_equal(figure(o, "lost"), st.errors);
	assert_int_equal(figure(o, "rx"), count - st.errors);
	assert_int_equal(st.packets, count - st.errors);
	assert_int_equal(figure(o, "dup") + figure(o, "reorder") + figure(o, "corrupt"), 0);
	assert_int_equal(figure(o, "foreign"), 0);
	assert_in_range(st.errors, least, most);
	/* Several may be found at one restart; none without. */
	assert_in_range(st.restarts, st.errors > 0, st.errors);
	assert_in_range(restarts_logged, st.errors > 0, st.restarts);
	json_decref(o);
}

static void test_hostile_lengths(void **state)
{
	accounted(",hostile-len=100", 1, 20000, 200, 200);
}

/* Each queue by itself; and several of them on one instance. */
static void test_several_queues(void **state)
{
	accounted(",hostile-len=101", 3, 15000, 148, 148);
	accounted(",hostile-len=101,msix=0", 3, 15000, 148, 148);
}

/* The tails are in shared memory: a queue that is turned off must be seen to be off. */
static void test_shared_doorbells(void **state)
{
	accounted(",hostile-len=50,doorbell=mmap", 2, 10000, 200, 200);
}

/* Changed after DD, to an impossible length: what was read before that is delivered. */
static void test_rewritten_descriptors(void **state)
{
	accounted(",rewrite-dd=50", 1, 20000, 0, 400);
}

/* DD before the length. */
static void test_torn_write_back(void **state)
{
	accounted(",torn=1", 1, 20000, 0, 20000);
}

static void test_all_at_once(void **state)
{
	accounted(",hostile-len=97,torn=41,rewrite-dd=43,spurious-irq=3,automask=0", 2, 15000, 154, 1000);
}

/* With deferral nothing stands still for the want of an interrupt: the scheduler's timer finds what a lost
 * one has left behind. */
static void test_lost_interrupts(void **state)
{
	uint64_t until = unapi_clock_ns() + TIME_LIMIT;
	struct unapi_napi_stats st;
	struct rig r;
	json_t *o;

	open_dev(&r, ",wire=gen:count=5000:rate=50000,lost-irq=3,spurious-irq=5");
	configure(&r, &(struct unapi_dev_conf){.rxq = 1});
	ok(unapi_napi_set_defer_hard_irqs(unapi_dev_napi(r.dev, 0), UINT32_MAX / 2));
	ok(unapi_napi_set_gro_flush_timeout(unapi_dev_napi(r.dev, 0), 200000));
	ok(unapi_dev_start(r.dev));
	/* Deferral begins with a poll that has packets and completes, for which the interrupt may be a lost
	 * one. Full budgets and an empty poll behind them do not begin it. */
	do {
		assert_true(unapi_clock_ns() < until);
		napi_schedule(unapi_dev_napi(r.dev, 0));
		run(&r, 1);
		unapi_napi_get_stats(unapi_dev_napi(r.dev, 0), &st);
	} while (!st.deferred);
	run_until(&r, "drained", 1);
	o = down(&r);
	nothing_lost(o, 5000);
	json_decref(o);
}

/* Flooded, and lying: more than can be had, of which much is bad. */
static void test_flood(void **state)
{
	struct unapi_rxq_stats st;
	struct rig r;
	json_t *o;

	up(&r, ",wire=gen:count=40000:lossy:rate=100000:flows=8,hostile-len=10", 2);
	run_until(&r, "drained", 1);
	sum_queues(&r, &st);
	o = down(&r);
	assert_int_equal(st.packets + st.errors, figure(o, "nic_rx"));
	assert_int_equal(st.packets, figure(o, "rx"));
	assert_int_equal(figure(o, "dup") + figure(o, "reorder") + figure(o, "corrupt"), 0);
	assert_true(st.errors > 100 && st.restarts > 1);
	json_decref(o);
}

/* The pool runs dry, traffic ends, and then another thread returns everything: the ring fills without an
 * interrupt, and works. */
static struct unapi_pkt kept[512];
static uint32_t nr_kept; /* atomic */

static void keep(void *arg, struct unapi_pkt *pkts, const struct unapi_rx_meta *meta, unsigned int n)
{
	uint32_t at = __atomic_load_n(&nr_kept, __ATOMIC_RELAXED);

	assert_true(at + n <= ARRAY_SIZE(kept));
	memcpy(kept + at, pkts, n * sizeof(*pkts));
	__atomic_store_n(&nr_kept, at + n, __ATOMIC_RELEASE);
}

static void test_starved_in_silence(void **state)
{
	uint64_t until = unapi_clock_ns() + TIME_LIMIT;
	struct unapi_page_pool_info info;
	struct unapi_napi_stats before, after;
	struct unapi_rxq_stats st;
	struct rig r;

	open_dev(&r, ",wire=gen:lossy:rate=20000:count=2000");
	configure(&r, &(struct unapi_dev_conf){.rxq = 1, .rxd = 64, .txd = 64, .pool_extra = 8});
	ok(unapi_dev_set_rx(r.dev, 0, keep, NULL));
	ok(unapi_context_start(r.ctx, -1));
	r.threaded = true;
	ok(unapi_dev_start(r.dev));
	run_until(&r, "drained", 1);
	unapi_page_pool_get_info(unapi_dev_rxq_pool(r.dev, 0), &info);
	assert_int_equal(__atomic_load_n(&nr_kept, __ATOMIC_ACQUIRE), info.buffers);
	ok(unapi_dev_get_rxq_stats(r.dev, 0, &st));
	assert_true(st.alloc_fail > 0);
	unapi_napi_get_stats(unapi_dev_napi(r.dev, 0), &before);

	unapi_pkt_free_bulk(kept, info.buffers);
	do {
		assert_true(unapi_clock_ns() < until);
		run(&r, 1);
		unapi_page_pool_get_info(unapi_dev_rxq_pool(r.dev, 0), &info);
	} while (info.inflight != 63);
	unapi_napi_get_stats(unapi_dev_napi(r.dev, 0), &after);
	assert_int_equal(after.irqs, before.irqs);
	ok(unapi_dev_stop(r.dev));
	ok(unapi_context_stop(r.ctx));
	r.threaded = false;
	json_decref(down(&r));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostile_lengths),	   cmocka_unit_test(test_several_queues),
		cmocka_unit_test(test_shared_doorbells),   cmocka_unit_test(test_rewritten_descriptors),
		cmocka_unit_test(test_torn_write_back),	   cmocka_unit_test(test_all_at_once),
		cmocka_unit_test(test_lost_interrupts),	   cmocka_unit_test(test_flood),
		cmocka_unit_test(test_starved_in_silence),
	};

	unapi_set_log(note_log, NULL);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	unlink(stats);
	return rc;
}
