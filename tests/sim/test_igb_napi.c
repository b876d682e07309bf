/* SPDX-License-Identifier: BSD-3-Clause */
/* How the igb driver's instances are polled, changed while the generator sends: nothing is lost by it. */
#include "tests/sim/igb_rig.h"

#define QUEUES 4
#define COUNT  40000

/* Call @change each time another thousand packets went out, until all did. */
static unsigned int change_under_traffic(struct rig *r, void (*change)(struct rig *r, unsigned int turn))
{
	uint64_t until = unapi_clock_ns() + TIME_LIMIT, next = 1000;
	struct unapi_dev_stats st = {0};
	unsigned int turns = 0;

	do {
		assert_true(unapi_clock_ns() < until);
		if (st.tx_packets >= next) {
			next = st.tx_packets + 1000;
			change(r, turns++);
		}
		run(r, 1);
		unapi_dev_get_stats(r->dev, &st);
	} while (st.tx_packets < COUNT);
	run_until(r, "drained", 1);
	return turns;
}

static void change_threads(struct rig *r, unsigned int turn)
{
	static const enum netdev_napi_threaded to[] = {
		NETDEV_NAPI_THREADED_ENABLED,  NETDEV_NAPI_THREADED_BUSY_POLL, NETDEV_NAPI_THREADED_ENABLED,
		NETDEV_NAPI_THREADED_DISABLED, NETDEV_NAPI_THREADED_BUSY_POLL, NETDEV_NAPI_THREADED_DISABLED,
	};

	for (unsigned int i = 0; i < QUEUES; i++)
		ok(napi_set_threaded(unapi_dev_rxq_napi(r->dev, i), to[(turn + i) % ARRAY_SIZE(to)]));
}

static void threads_come_and_go(void **state)
{
	struct unapi_napi_stats st;
	uint64_t by_thread = 0;
	struct rig r;
	json_t *o;

	up(&r, ",wire=gen:count=40000:rate=30000", QUEUES);
	assert_true(change_under_traffic(&r, change_threads) >= 3);
	for (unsigned int i = 0; i < QUEUES; i++) {
		unapi_napi_get_stats(unapi_dev_rxq_napi(r.dev, i), &st);
		assert_int_equal(st.violations, 0);
		assert_true(st.thread_polls < st.polls);
		by_thread += st.thread_polls;
		/* stop and close find every kind of thread */
		ok(napi_set_threaded(unapi_dev_rxq_napi(r.dev, i), (enum netdev_napi_threaded)(i % 3)));
	}
	assert_true(by_thread > 0);
	o = down(&r);
	nothing_lost(o, COUNT);
	json_decref(o);
}

static void change_deferral(struct rig *r, unsigned int turn)
{
	static const uint64_t timeouts[] = {20000, 0, 1000000, 1, 200000};

	for (unsigned int i = 0; i < QUEUES; i++) {
		struct napi_struct *n = unapi_dev_rxq_napi(r->dev, i);

		ok(unapi_napi_set_defer_hard_irqs(n, (turn + i) % 4));
		ok(unapi_napi_set_gro_flush_timeout(n, timeouts[(turn + i) % ARRAY_SIZE(timeouts)]));
	}
	if (turn % 2)
		change_threads(r, turn / 2);
}

static void deferral_changes(void **state)
{
	struct unapi_napi_stats st;
	uint64_t fires = 0;
	struct rig r;
	json_t *o;

	up(&r, ",wire=gen:count=40000:rate=30000", QUEUES);
	assert_true(change_under_traffic(&r, change_deferral) >= 3);
	for (unsigned int i = 0; i < QUEUES; i++) {
		unapi_napi_get_stats(unapi_dev_rxq_napi(r.dev, i), &st);
		fires += st.timer_fires;
	}
	assert_true(fires > 0);
	o = down(&r);
	nothing_lost(o, COUNT);
	json_decref(o);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_come_and_go),
		cmocka_unit_test(deferral_changes),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	unlink(stats);
	return rc;
}
