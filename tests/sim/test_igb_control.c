/* SPDX-License-Identifier: BSD-3-Clause */
/* The igb driver under the control interface: what its instances keep, and polls without a budget. */
#include "tests/sim/igb_rig.h"

#define COUNT 300

static unsigned int id_of(struct net_device *dev, unsigned int i)
{
	struct unapi_napi_info info;

	unapi_napi_get_info(unapi_dev_napi(dev, i), &info);
	return info.napi_id;
}

static void reconfigure(struct rig *r, unsigned int queues)
{
	ok(unapi_dev_stop(r->dev));
	configure(r, &(struct unapi_dev_conf){.rxq = queues});
	ok(unapi_dev_start(r->dev));
}

/* As the kernel's igb with ethtool -L: fewer channels, and as many as before. */
static void channels_come_and_go(void **state)
{
	struct unapi_napi_params set = {.given = UNAPI_NAPI_ALL}, is;
	unsigned int ids[4];
	struct rig r;

	up(&r, "", 4);
	for (unsigned int i = 0; i < 4; i++) {
		ids[i] = id_of(r.dev, i);
		assert_true(ids[i] >= 8193 && (!i || ids[i] == ids[i - 1] + 1));
		set.threaded = (enum netdev_napi_threaded)(i % 3);
		set.defer_hard_irqs = i + 1;
		set.gro_flush_timeout = 1000000 + i;
		set.irq_suspend_timeout = 2000000 + i;
		ok(unapi_napi_set(unapi_dev_napi(r.dev, i), &set));
	}
	reconfigure(&r, 1);
	assert_int_equal(id_of(r.dev, 0), ids[0]);
	assert_null(napi_by_id(ids[3]));
	reconfigure(&r, 3);
	reconfigure(&r, 4);
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(id_of(r.dev, i), ids[i]);
		assert_ptr_equal(napi_by_id(ids[i]), unapi_dev_napi(r.dev, i));
		unapi_napi_get(unapi_dev_napi(r.dev, i), &is);
		assert_int_equal(is.threaded, i % 3);
		assert_int_equal(is.defer_hard_irqs, i + 1);
		assert_int_equal(is.gro_flush_timeout, 1000000 + i);
		assert_int_equal(is.irq_suspend_timeout, 2000000 + i);
	}
	json_decref(down(&r));
}

/* Settings of the whole device, changed while it forwards. */
static void the_device_is_set_under_traffic(void **state)
{
	static const uint64_t timeouts[] = {20000, 0, 300000, 1000};
	uint64_t until = unapi_clock_ns() + TIME_LIMIT, next = 1000;
	struct unapi_dev_stats st = {0};
	struct unapi_napi_stats sum;
	unsigned int turn = 0;
	struct rig r;
	json_t *o;

	up(&r, ",wire=gen:count=20000:rate=100000", 4);
	do {
		assert_true(unapi_clock_ns() < until);
		if (st.tx_packets >= next) {
			next = st.tx_packets + 1000;
			ok(unapi_dev_set_threaded(r.dev, turn % 2));
			ok(unapi_dev_set_napi_defer_hard_irqs(r.dev, turn % 3));
			ok(unapi_dev_set_gro_flush_timeout(r.dev, timeouts[turn % ARRAY_SIZE(timeouts)]));
			turn++;
		}
		run(&r, 1);
		unapi_dev_get_stats(r.dev, &st);
	} while (st.tx_packets < 20000);
	assert_true(turn >= 4);
	napi_sums(&r, &sum);
	assert_int_equal(sum.violations, 0);
	o = down(&r);
	nothing_lost(o, 20000);
	json_decref(o);
}

static bool never(void *arg, unsigned long start)
{
	return !--*(int *)arg;
}

/* With a budget of 0 what was sent is cleaned, and nothing is received or completed. */
static void polls_without_budget(void **state)
{
	struct unapi_napi_stats st;
	struct napi_struct *n;
	uint32_t before;
	struct rig r;
	json_t *o = NULL;
	int turns = 1000, left;

	open_dev(&r, ",wire=gen:count=300");
	configure(&r, &(struct unapi_dev_conf){.rxq = 1});
	ok(unapi_context_set_poller(r.ctx, true));
	n = unapi_dev_rxq_napi(r.dev, 0);
	ok(unapi_napi_set_mode(n, UNAPI_POLL_BUSY));
	ok(unapi_dev_start(r.dev));
	ok(unapi_napi_poll_begin(n));
	ok(unapi_napi_poll(n, 1)); /* the first poll fills the ring; a packet may be there already */
	do {
		uint64_t received = r.per_queue[0];

		assert_int_equal(unapi_napi_poll(n, 0), 0);
		assert_int_equal(r.per_queue[0], received);
		json_decref(o);
		o = figures();
	} while (!o || figure(o, "tx") < COUNT);
	json_decref(o);
	/* A few polls that use their budgets leave the cleaning to the next burst: what was sent last is
	 * still in the transmit ring, however late this thread is. */
	while ((left = COUNT - (int)r.per_queue[0]) > 0)
		ok(unapi_napi_poll(n, left < 64 ? left : 64));
	before = inflight(&r);
	while (inflight(&r) >= before)
		assert_int_equal(unapi_napi_poll(n, 0), 0);
	assert_int_equal(unapi_napi_mode(n), UNAPI_POLL_BUSY);
	ok(unapi_napi_poll_end(n));
	ok(unapi_napi_set_mode(n, UNAPI_POLL_INTERRUPT));
	run_until(&r, "drained", 1);

	/* by a busy loop; its home context completes and unmasks in the end */
	ok(napi_busy_loop(id_of(r.dev, 0), never, &turns, false, 0));
	run(&r, 0);
	unapi_napi_get_stats(n, &st);
	assert_int_equal(st.violations, 0);
	assert_int_equal(st.work, COUNT);
	o = down(&r);
	nothing_lost(o, COUNT);
	json_decref(o);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(channels_come_and_go),
		cmocka_unit_test(the_device_is_set_under_traffic),
		cmocka_unit_test(polls_without_budget),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	unlink(stats);
	return rc;
}
