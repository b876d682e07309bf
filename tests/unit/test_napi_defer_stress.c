/* SPDX-License-Identifier: BSD-3-Clause */
/* Deferral's timer, busy loops, threads, moves and disables at once, on real threads and the real clock. */
#include "tests/unit/napi_fake.h"

#include <sched.h>

struct device {
	struct napi_struct n;
	struct unapi_context *ctx[2];
	int toggling;
	int inside;	 /* threads in the poll method */
	uint64_t posted; /* events of the device */
	uint64_t taken;	 /* by the owner */
	int masked;	 /* since an interrupt was taken */
	int vector;
};

static void raise_vector(struct device *d)
{
	uint64_t one = 1;

	assert_int_equal(write(d->vector, &one, sizeof(one)), sizeof(one));
}

/* As hardware: an event while masked is latched, and is told when unmasked. */
static void post(struct device *d)
{
	__atomic_fetch_add(&d->posted, 1, __ATOMIC_SEQ_CST);
	if (!__atomic_exchange_n(&d->masked, 1, __ATOMIC_SEQ_CST))
		raise_vector(d);
}

static void unmask(struct device *d)
{
	__atomic_store_n(&d->masked, 0, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&d->posted, __ATOMIC_SEQ_CST) != __atomic_load_n(&d->taken, __ATOMIC_SEQ_CST) &&
	    !__atomic_exchange_n(&d->masked, 1, __ATOMIC_SEQ_CST))
		raise_vector(d);
}

static int device_poll(struct napi_struct *n, int budget)
{
	struct device *d = container_of(n, struct device, n);
	uint64_t left;
	int work;

	assert_int_equal(__atomic_fetch_add(&d->inside, 1, __ATOMIC_RELAXED), 0);
	left = __atomic_load_n(&d->posted, __ATOMIC_SEQ_CST) - d->taken;
	work = left < (uint64_t)budget ? (int)left : budget;
	__atomic_store_n(&d->taken, d->taken + (uint64_t)work, __ATOMIC_SEQ_CST);
	__atomic_fetch_sub(&d->inside, 1, __ATOMIC_RELAXED);
	if (work < budget && napi_complete_done(n, work))
		unmask(d);
	return work;
}

static bool some_turns(void *arg, unsigned long start)
{
	return ++*(int *)arg % 100 == 0;
}

static void *busy_poller(void *arg)
{
	struct device *d = arg;
	bool prefer = false;
	int turns = 0;

	while (__atomic_load_n(&d->toggling, __ATOMIC_ACQUIRE)) {
		napi_busy_loop(READ_ONCE(d->n.napi_id), some_turns, &turns, prefer = !prefer, 8);
		sched_yield();
	}
	return NULL;
}

static void *producer(void *arg)
{
	struct device *d = arg;
	int i;

	for (i = 0; __atomic_load_n(&d->toggling, __ATOMIC_ACQUIRE); i++) {
		post(d);
		if (i % 50 == 0)
			sched_yield();
	}
	return NULL;
}

static void everything(void **state)
{
	static const enum netdev_napi_threaded changes[] = {
		NETDEV_NAPI_THREADED_ENABLED,  NETDEV_NAPI_THREADED_BUSY_POLL, NETDEV_NAPI_THREADED_ENABLED,
		NETDEV_NAPI_THREADED_DISABLED, NETDEV_NAPI_THREADED_BUSY_POLL, NETDEV_NAPI_THREADED_DISABLED,
	};
	static struct device d;
	pthread_t t[3];
	int i;

	for (i = 0; i < 2; i++) {
		d.ctx[i] = fake_context(0);
		assert_int_equal(unapi_context_start(d.ctx[i], -1), 0);
	}
	assert_int_equal(unapi_napi_add(&d.n, d.ctx[0], "stress", device_poll, NAPI_POLL_WEIGHT), 0);
	d.vector = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	d.masked = 1;
	d.toggling = 1;
	assert_int_equal(unapi_napi_set_irq(&d.n, d.vector, NULL), 0);
	assert_int_equal(napi_enable(&d.n), 0);
	unmask(&d);
	assert_int_equal(pthread_create(&t[0], NULL, producer, &d), 0);
	assert_int_equal(pthread_create(&t[1], NULL, busy_poller, &d), 0);
	assert_int_equal(pthread_create(&t[2], NULL, busy_poller, &d), 0);
	for (i = 0; i < 5000; i++) {
		unapi_napi_set_defer_hard_irqs(&d.n, (uint32_t)i % 4);
		unapi_napi_set_gro_flush_timeout(&d.n, i % 5 ? (uint64_t)(i % 300) * 100 : 0);
		assert_int_equal(unapi_napi_set_context(&d.n, d.ctx[i % 2], 60 * NSEC_PER_SEC), 0);
		if (i % 4 == 0) /* every change from each of the three to each other */
			assert_int_equal(napi_set_threaded(&d.n, changes[i / 4 % ARRAY_SIZE(changes)]), 0);
		if (i % 3 == 0) {
			uint64_t fires;

			assert_int_equal(napi_disable_timeout(&d.n, 60 * NSEC_PER_SEC), 0);
			assert_false(d.n.timer.pending);
			fires = READ_ONCE(d.n.timer.fires);
			sched_yield();
			assert_int_equal(READ_ONCE(d.n.timer.fires), fires);
			assert_int_equal(napi_enable(&d.n), 0);
			unmask(&d);
		}
	}
	assert_int_equal(napi_set_threaded(&d.n, NETDEV_NAPI_THREADED_DISABLED), 0);
	__atomic_store_n(&d.toggling, 0, __ATOMIC_RELEASE);
	for (i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	/* nobody asks any more: timer and interrupt deliver what is left, and unmask */
	while (__atomic_load_n(&d.taken, __ATOMIC_SEQ_CST) != d.posted ||
	       __atomic_load_n(&d.masked, __ATOMIC_SEQ_CST))
		sched_yield();
	assert_true(READ_ONCE(d.n.timer.fires) > 0);
	assert_int_equal(d.n.stats.violations, 0);
	assert_int_equal(napi_disable(&d.n), 0);
	assert_int_equal(unapi_napi_del(&d.n), 0);
	for (i = 0; i < 2; i++)
		assert_int_equal(unapi_context_destroy(d.ctx[i]), 0);
	close(d.vector);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(everything)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
