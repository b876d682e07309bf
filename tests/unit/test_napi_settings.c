/* SPDX-License-Identifier: BSD-3-Clause */
/* Settings of NAPI: of a device, as through sysfs, and of an instance, as by napi-set. */
#include "tests/unit/dev_rig.h"

#include <sched.h>

/* A device's settings overwrite instances and slots, whether an instance is there or not; reading them does
 * not tell of single instances; irq_suspend_timeout has none. */
static void settings_of_a_device(void **state)
{
	struct rig r;

	rig_open(&r, 2);
	assert_int_equal(unapi_dev_start(r.dev), 0);
	set(unapi_dev_napi(r.dev, 0), 1, 10, 100);
	set(unapi_dev_napi(r.dev, 1), 2, 20, 200);
	assert_int_equal(unapi_dev_gro_flush_timeout(r.dev), 0);
	assert_int_equal(unapi_dev_napi_defer_hard_irqs(r.dev), 0);
	assert_int_equal(unapi_dev_stop(r.dev), 0);
	reconfigure(&r, 1);

	assert_int_equal(unapi_dev_set_gro_flush_timeout(r.dev, T), 0);
	assert_set(unapi_dev_napi(r.dev, 0), 1, T, 100);
	assert_int_equal(unapi_dev_set_napi_defer_hard_irqs(r.dev, 5), 0);
	assert_set(unapi_dev_napi(r.dev, 0), 5, T, 100);
	set(unapi_dev_napi(r.dev, 0), 7, 70, 700);
	assert_int_equal(unapi_dev_gro_flush_timeout(r.dev), T);
	assert_int_equal(unapi_dev_napi_defer_hard_irqs(r.dev), 5);
	reconfigure(&r, 2);
	assert_set(unapi_dev_napi(r.dev, 0), 7, 70, 700);
	assert_set(unapi_dev_napi(r.dev, 1), 5, T, 200); /* it was away */

	assert_int_equal(unapi_dev_set_napi_defer_hard_irqs(r.dev, (uint64_t)INT32_MAX + 1), -ERANGE);
	assert_non_null(strstr(unapi_reason(), "fake:0"));
	assert_int_equal(unapi_dev_set_napi_defer_hard_irqs(r.dev, 1ull << 32), -ERANGE);
	assert_int_equal(unapi_dev_napi_defer_hard_irqs(r.dev), 5);
	assert_set(unapi_dev_napi(r.dev, 0), 7, 70, 700);
	assert_int_equal(unapi_dev_set_napi_defer_hard_irqs(r.dev, INT32_MAX), 0);
	assert_int_equal(unapi_dev_set_gro_flush_timeout(r.dev, UINT64_MAX), 0);
	assert_set(unapi_dev_napi(r.dev, 0), INT32_MAX, UINT64_MAX, 700);
	rig_close(&r);
}

/* Before there is any instance: those that come have it. */
static void settings_before_instances(void **state)
{
	struct rig r;

	assert_int_equal(unapi_context_create(NULL, &r.ctx), 0);
	r.dev = fake_nic_open(&r.v);
	assert_int_equal(unapi_dev_set_gro_flush_timeout(r.dev, T), 0);
	assert_int_equal(unapi_dev_set_napi_defer_hard_irqs(r.dev, 3), 0);
	reconfigure(&r, 1);
	assert_set(unapi_dev_napi(r.dev, 0), 3, T, 0);
	rig_close(&r);
}

/* Neither a countdown nor a timer that runs is touched. */
static void a_running_countdown_goes_on(void **state)
{
	uint64_t now = NSEC_PER_SEC;
	struct napi_struct *n;
	struct rig r;

	unapi_clock_set_virtual(&now);
	rig_open(&r, 1);
	n = unapi_dev_napi(r.dev, 0);
	assert_int_equal(unapi_dev_set_gro_flush_timeout(r.dev, T), 0);
	assert_int_equal(unapi_dev_set_napi_defer_hard_irqs(r.dev, 3), 0);
	assert_int_equal(unapi_dev_start(r.dev), 0);
	fake_nic_deliver(r.dev, 0, 1);
	assert_int_equal(unapi_context_run(r.ctx, 0), 1);
	assert_int_equal(n->defer_hard_irqs_count, 2);
	assert_int_equal(n->timer.expires, now + T);
	assert_int_equal(unapi_dev_set_gro_flush_timeout(r.dev, 7), 0);
	assert_int_equal(unapi_dev_set_napi_defer_hard_irqs(r.dev, 9), 0);
	assert_int_equal(n->defer_hard_irqs_count, 2);
	assert_int_equal(n->timer.expires, now + T);
	now += T;
	assert_int_equal(unapi_context_run(r.ctx, 0), 0);
	assert_int_equal(n->defer_hard_irqs_count, 1);
	assert_int_equal(n->timer.expires, now + 7);
	fake_nic_deliver(r.dev, 0, 1);
	assert_int_equal(unapi_context_run(r.ctx, 0), 1);
	assert_int_equal(n->defer_hard_irqs_count, 8);
	rig_close(&r);
	unapi_clock_set_virtual(NULL);
}

/* Threads: of the device and of single instances, kept in the slots as everything else. */
static bool threaded(struct rig *r, unsigned int i)
{
	struct unapi_napi_info info;

	unapi_napi_get_info(unapi_dev_napi(r->dev, i), &info);
	assert_int_equal(info.threaded, napi_get_threaded(unapi_dev_napi(r->dev, i)));
	assert_int_equal(info.thread_tid != 0, info.threaded && info.enabled);
	return info.threaded;
}

static void threads_of_a_device(void **state)
{
	struct unapi_thread_conf conf = {.cpu = -1, .numa_node = 0}, kept;
	struct rig r;

	rig_open(&r, 2);
	assert_int_equal(unapi_dev_start(r.dev), 0);
	assert_int_equal(unapi_dev_set_threaded(r.dev, 2), -EOPNOTSUPP);
	assert_non_null(strstr(unapi_reason(), "fake:0"));
	assert_int_equal(unapi_dev_set_threaded(r.dev, 1), 0);
	assert_int_equal(unapi_dev_threaded(r.dev), 1);
	assert_true(threaded(&r, 0) && threaded(&r, 1));
	/* one by itself: the device does not tell */
	assert_int_equal(napi_set_threaded(unapi_dev_napi(r.dev, 1), NETDEV_NAPI_THREADED_DISABLED), 0);
	assert_int_equal(unapi_dev_threaded(r.dev), 1);
	assert_int_equal(unapi_napi_set_thread_conf(unapi_dev_napi(r.dev, 1), &conf), 0);
	assert_int_equal(unapi_dev_stop(r.dev), 0);
	assert_int_equal(unapi_dev_start(r.dev), 0);
	assert_true(threaded(&r, 0) && !threaded(&r, 1));
	/* while instance 1 is away */
	assert_int_equal(unapi_dev_stop(r.dev), 0);
	reconfigure(&r, 1);
	assert_int_equal(unapi_dev_start(r.dev), 0);
	assert_true(threaded(&r, 0));
	assert_int_equal(unapi_dev_stop(r.dev), 0);
	reconfigure(&r, 2);
	assert_int_equal(unapi_dev_start(r.dev), 0);
	assert_true(threaded(&r, 0) && !threaded(&r, 1));
	unapi_napi_get_thread_conf(unapi_dev_napi(r.dev, 1), &kept);
	assert_memory_equal(&kept, &conf, sizeof(conf));
	assert_int_equal(unapi_dev_set_threaded(r.dev, 0), 0);
	assert_true(!threaded(&r, 0) && !threaded(&r, 1));
	assert_int_equal(unapi_dev_stop(r.dev), 0);
	reconfigure(&r, 1);
	assert_int_equal(unapi_dev_set_threaded(r.dev, 1), 0);
	reconfigure(&r, 2);
	assert_int_equal(unapi_dev_start(r.dev), 0);
	assert_true(threaded(&r, 0) && threaded(&r, 1));
	rig_close(&r);
}

/* A thread that is not to be had: then the device has none. */
static void no_thread_no_threads(void **state)
{
	struct unapi_thread_conf nowhere = {.cpu = CPU_SETSIZE, .numa_node = -1};
	struct rig r;

	assert_int_equal(unapi_context_create(NULL, &r.ctx), 0);
	r.dev = fake_nic_open(&r.v);
	assert_int_equal(unapi_dev_set_threaded(r.dev, 1), -EOPNOTSUPP); /* no instance yet */
	reconfigure(&r, 2);
	assert_int_equal(unapi_dev_start(r.dev), 0);
	assert_int_equal(napi_set_threaded(unapi_dev_napi(r.dev, 1), NETDEV_NAPI_THREADED_ENABLED), 0);
	assert_int_equal(unapi_napi_set_thread_conf(unapi_dev_napi(r.dev, 0), &nowhere), 0);
	assert_int_equal(unapi_dev_set_threaded(r.dev, 1), -EINVAL);
	assert_non_null(strstr(unapi_reason(), "fake:0-0"));
	assert_int_equal(unapi_dev_threaded(r.dev), 0);
	assert_true(!threaded(&r, 0) && !threaded(&r, 1));
	fake_nic_deliver(r.dev, 0, 3);
	fake_nic_deliver(r.dev, 1, 4);
	assert_int_equal(unapi_context_run(r.ctx, 0), 7);
	rig_close(&r);
}

static void assert_same(struct napi_struct *n, const struct unapi_napi_params *want)
{
	struct unapi_napi_params is;

	unapi_napi_get(n, &is);
	assert_int_equal(is.threaded, want->threaded);
	assert_int_equal(is.defer_hard_irqs, want->defer_hard_irqs);
	assert_int_equal(is.irq_suspend_timeout, want->irq_suspend_timeout);
	assert_int_equal(is.gro_flush_timeout, want->gro_flush_timeout);
}

static struct napi_struct *set_in_poll;
static int set_in_poll_answers[2];

static void sets_from_its_poll(struct net_device *dev)
{
	struct unapi_napi_params p = {.given = UNAPI_NAPI_ALL, .threaded = 1, .defer_hard_irqs = 99};

	set_in_poll_answers[0] = unapi_napi_set(set_in_poll, &p);
	set_in_poll_answers[1] = unapi_dev_set_threaded(dev, 1);
}

/* napi-set: all that is given, or nothing. */
static void several_settings_at_once(void **state)
{
	struct unapi_thread_conf nowhere = {.cpu = CPU_SETSIZE, .numa_node = -1};
	struct unapi_napi_params p = {.given = UNAPI_NAPI_ALL,
				      .threaded = NETDEV_NAPI_THREADED_BUSY_POLL,
				      .defer_hard_irqs = 1,
				      .irq_suspend_timeout = 2,
				      .gro_flush_timeout = 3};
	struct unapi_napi_params bad, none = {0}, before;
	struct napi_struct *n, nobody = {0};
	struct rig r;

	rig_open(&r, 1);
	n = unapi_dev_napi(r.dev, 0);
	assert_int_equal(unapi_napi_set(&nobody, &p), -EINVAL);
	assert_int_equal(unapi_napi_set(n, &none), 0);
	assert_same(n, &none);
	assert_int_equal(unapi_napi_set(n, &p), 0); /* while it rests */
	assert_same(n, &p);
	assert_int_equal(unapi_dev_start(r.dev), 0);
	assert_same(n, &p);
	p = (struct unapi_napi_params){.given = UNAPI_NAPI_THREADED | UNAPI_NAPI_GRO_FLUSH_TIMEOUT,
				       .defer_hard_irqs = 77,
				       .gro_flush_timeout = 4};
	assert_int_equal(unapi_napi_set(n, &p), 0);
	unapi_napi_get(n, &before);
	assert_int_equal(before.given, UNAPI_NAPI_ALL);
	assert_int_equal(before.threaded, 0);
	assert_int_equal(before.defer_hard_irqs, 1);
	assert_int_equal(before.irq_suspend_timeout, 2);
	assert_int_equal(before.gro_flush_timeout, 4);

	/* a bad one spoils the good ones */
	bad = (struct unapi_napi_params){UNAPI_NAPI_ALL, (enum netdev_napi_threaded)3, 5, 6, 7};
	assert_int_equal(unapi_napi_set(n, &bad), -EINVAL);
	assert_non_null(strstr(unapi_reason(), "fake:0-0"));
	bad = (struct unapi_napi_params){UNAPI_NAPI_ALL, 1, 1u << 31, 6, 7};
	assert_int_equal(unapi_napi_set(n, &bad), -ERANGE);
	assert_non_null(strstr(unapi_reason(), "fake:0-0"));
	bad = (struct unapi_napi_params){UNAPI_NAPI_ALL + 1, 1, 5, 6, 7};
	assert_int_equal(unapi_napi_set(n, &bad), -EINVAL);
	assert_same(n, &before);
	/* so does a thread that is not to be had */
	assert_int_equal(unapi_napi_set_thread_conf(n, &nowhere), 0);
	bad = (struct unapi_napi_params){UNAPI_NAPI_ALL, 1, 5, 6, 7};
	assert_int_equal(unapi_napi_set(n, &bad), -EINVAL);
	assert_same(n, &before);
	/* and a wait that cannot be */
	set_in_poll = n;
	((struct fake_nic *)netdev_priv(r.dev))->in_poll = sets_from_its_poll;
	fake_nic_deliver(r.dev, 0, 1);
	assert_int_equal(unapi_context_run(r.ctx, 0), 1);
	assert_int_equal(set_in_poll_answers[0], -EDEADLK);
	assert_int_equal(set_in_poll_answers[1], -EDEADLK);
	assert_same(n, &before);
	/* what is not given is not looked at */
	bad = (struct unapi_napi_params){UNAPI_NAPI_GRO_FLUSH_TIMEOUT, (enum netdev_napi_threaded)3, 1u << 31,
					 6, 7};
	assert_int_equal(unapi_napi_set(n, &bad), 0);
	before.gro_flush_timeout = 7;
	assert_same(n, &before);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_of_a_device),	       cmocka_unit_test(settings_before_instances),
		cmocka_unit_test(a_running_countdown_goes_on), cmocka_unit_test(threads_of_a_device),
		cmocka_unit_test(no_thread_no_threads),	       cmocka_unit_test(several_settings_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
