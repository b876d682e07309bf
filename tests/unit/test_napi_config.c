/* SPDX-License-Identifier: BSD-3-Clause */
/* What outlives an instance: its slot's settings and id; and how instances of a device are added and listed.
 */
#include "fake_nic.h"
#include "core/napi/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#define FIRST_ID 8193u
#define T	 20000ull

struct rig {
	struct unapi_context *ctx;
	struct fake_vfio v;
	struct net_device *dev;
};

static void reconfigure(struct rig *r, unsigned int queues)
{
	struct unapi_dev_conf conf = {.rxq = queues, .txq = queues, .ctx = &r->ctx, .nr_ctx = 1};

	assert_int_equal(unapi_dev_configure(r->dev, &conf), 0);
}

static void rig_open(struct rig *r, unsigned int queues)
{
	assert_int_equal(unapi_context_create(NULL, &r->ctx), 0);
	r->dev = fake_nic_open(&r->v);
	reconfigure(r, queues);
	napi_id_last = FIRST_ID - 1;
}

static void rig_close(struct rig *r)
{
	assert_int_equal(unapi_dev_close(r->dev), 0);
	assert_int_equal(unapi_context_destroy(r->ctx), 0);
}

static unsigned int id_of(struct napi_struct *n)
{
	struct unapi_napi_info info;

	unapi_napi_get_info(n, &info);
	return info.napi_id;
}

/* "8195 8194 -": the device's list, ids or none. */
static const char *listed(struct net_device *dev)
{
	static char text[256];
	struct napi_struct *n;
	size_t at = 0;

	text[0] = 0;
	list_for_each_entry (n, &dev->napi_list, dev_list) {
		if (id_of(n))
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%u ", id_of(n));
		else
			at += (size_t)snprintf(text + at, sizeof(text) - at, "- ");
	}
	return text;
}

static void set(struct napi_struct *n, uint32_t defer, uint64_t gro, uint64_t suspend)
{
	assert_int_equal(unapi_napi_set_defer_hard_irqs(n, defer), 0);
	assert_int_equal(unapi_napi_set_gro_flush_timeout(n, gro), 0);
	assert_int_equal(unapi_napi_set_irq_suspend_timeout(n, suspend), 0);
}

static void assert_set(struct napi_struct *n, uint32_t defer, uint64_t gro, uint64_t suspend)
{
	assert_int_equal(unapi_napi_defer_hard_irqs(n), defer);
	assert_int_equal(unapi_napi_gro_flush_timeout(n), gro);
	assert_int_equal(unapi_napi_irq_suspend_timeout(n), suspend);
}

/* Stop and start, and 2 -> 1 -> 2 channels, as seen on the kernel's igb. */
static void settings_and_id_survive(void **state)
{
	struct napi_struct *n;
	struct rig r;

	rig_open(&r, 2);
	assert_string_equal(listed(r.dev), "- - ");
	assert_int_equal(unapi_dev_start(r.dev), 0);
	assert_string_equal(listed(r.dev), "8194 8193 ");
	set(unapi_dev_napi(r.dev, 0), 1, 10, 100);
	set(unapi_dev_napi(r.dev, 1), 2, 20, 200);

	assert_int_equal(unapi_dev_stop(r.dev), 0);
	assert_null(napi_by_id(8194));
	set(unapi_dev_napi(r.dev, 1), 3, 30, 300); /* while it rests */
	assert_int_equal(unapi_dev_start(r.dev), 0);
	assert_string_equal(listed(r.dev), "8194 8193 ");
	n = unapi_dev_napi(r.dev, 1);
	assert_ptr_equal(napi_by_id(8194), n);
	assert_set(n, 3, 30, 300);
	assert_set(unapi_dev_napi(r.dev, 0), 1, 10, 100);

	assert_int_equal(unapi_dev_stop(r.dev), 0);
	reconfigure(&r, 1);
	assert_int_equal(unapi_dev_start(r.dev), 0);
	assert_string_equal(listed(r.dev), "8193 ");
	assert_set(unapi_dev_napi(r.dev, 0), 1, 10, 100);
	assert_int_equal(unapi_dev_stop(r.dev), 0);
	reconfigure(&r, 2);
	assert_string_equal(listed(r.dev), "- - ");
	n = unapi_dev_napi(r.dev, 1);
	assert_set(n, 3, 30, 300); /* told before it is enabled */
	assert_int_equal(unapi_dev_start(r.dev), 0);
	assert_string_equal(listed(r.dev), "8194 8193 ");
	assert_int_equal(id_of(n), 8194);
	rig_close(&r);

	/* another device knows nothing of it */
	assert_int_equal(unapi_context_create(NULL, &r.ctx), 0);
	r.dev = fake_nic_open(&r.v);
	reconfigure(&r, 2);
	assert_int_equal(unapi_dev_start(r.dev), 0);
	assert_string_equal(listed(r.dev), "8196 8195 ");
	assert_set(unapi_dev_napi(r.dev, 1), 0, 0, 0);
	rig_close(&r);
}

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

/* Instances added by hand to a device that has one of its own in slot 0. */
struct extra {
	struct channel ch;
	int budget; /* of the last poll */
};

static int extra_poll(struct napi_struct *n, int budget)
{
	container_of(container_of(n, struct channel, napi), struct extra, ch)->budget = budget;
	napi_complete_done(n, 0);
	return 0;
}

static void up(struct extra *x)
{
	assert_int_equal(napi_enable(&x->ch.napi), 0);
}

static void down(struct extra *x)
{
	assert_int_equal(napi_disable(&x->ch.napi), 0);
}

static void del(struct extra *x)
{
	assert_int_equal(netif_napi_del(&x->ch.napi), 0);
	memset(x, 0, sizeof(*x));
}

static void add_config(struct rig *r, struct extra *x, int index)
{
	assert_int_equal(netif_napi_add_config(r->dev, &x->ch.napi, extra_poll, index), 0);
}

/* The highest id first: new ones at the head, those whose id is known where they belong. */
static void sorted_by_id(void **state)
{
	struct extra a = {0}, b = {0}, c = {0}, plain = {0};
	struct rig r;

	rig_open(&r, 1);
	assert_int_equal(unapi_dev_start(r.dev), 0);
	add_config(&r, &a, 5);
	add_config(&r, &b, 6);
	add_config(&r, &c, 7);
	assert_string_equal(listed(r.dev), "- - - 8193 ");
	up(&a);
	up(&b);
	up(&c);
	assert_string_equal(listed(r.dev), "8196 8195 8194 8193 ");
	assert_int_equal(netif_napi_add(r.dev, &plain.ch.napi, extra_poll), 0);
	assert_string_equal(listed(r.dev), "- 8196 8195 8194 8193 ");
	/* in the middle, by an id that is still unused: nobody of higher or no id is passed */
	down(&b);
	del(&b);
	add_config(&r, &b, 6);
	assert_string_equal(listed(r.dev), "- 8196 - 8194 8193 ");
	up(&b);
	up(&plain);
	assert_string_equal(listed(r.dev), "8197 8196 8195 8194 8193 ");
	/* all away, and back in another order */
	down(&a);
	down(&b);
	down(&c);
	del(&a);
	del(&b);
	del(&c);
	assert_string_equal(listed(r.dev), "8197 8193 ");
	add_config(&r, &c, 7);
	add_config(&r, &a, 5);
	add_config(&r, &b, 6);
	up(&b);
	up(&a);
	up(&c);
	assert_string_equal(listed(r.dev), "8197 8196 8195 8194 8193 ");
	down(&a);
	down(&b);
	down(&c);
	down(&plain);
	del(&a);
	del(&b);
	del(&c);
	del(&plain);
	rig_close(&r);
}

/* Without a slot: the device's settings, and a fresh id at each enable. */
static void without_a_slot(void **state)
{
	struct extra a = {0};
	struct rig r;

	rig_open(&r, 1);
	assert_int_equal(unapi_dev_set_gro_flush_timeout(r.dev, T), 0);
	assert_int_equal(unapi_dev_set_napi_defer_hard_irqs(r.dev, 2), 0);
	assert_int_equal(netif_napi_add(r.dev, &a.ch.napi, extra_poll), 0);
	assert_set(&a.ch.napi, 2, T, 0);
	set(&a.ch.napi, 4, 40, 400);
	up(&a);
	assert_int_equal(id_of(&a.ch.napi), 8193);
	down(&a);
	up(&a);
	assert_int_equal(id_of(&a.ch.napi), 8194);
	assert_set(&a.ch.napi, 4, 40, 400);
	assert_int_equal(unapi_dev_set_gro_flush_timeout(r.dev, 3), 0);
	assert_set(&a.ch.napi, 4, 3, 400);
	down(&a);
	del(&a);
	assert_int_equal(netif_napi_add(r.dev, &a.ch.napi, extra_poll), 0);
	assert_set(&a.ch.napi, 2, 3, 0);
	del(&a);
	rig_close(&r);
}

/* The counter wraps to the lowest id, and skips what is in use. */
static void ids_wrap(void **state)
{
	struct extra x[4] = {0};
	struct rig r;
	int i;

	rig_open(&r, 1);
	assert_int_equal(unapi_dev_start(r.dev), 0); /* has 8193 */
	for (i = 0; i < 4; i++)
		add_config(&r, &x[i], 10 + i);
	napi_id_last = UINT32_MAX - 2;
	for (i = 0; i < 4; i++)
		up(&x[i]);
	assert_int_equal(id_of(&x[0].ch.napi), UINT32_MAX - 1);
	assert_int_equal(id_of(&x[1].ch.napi), UINT32_MAX);
	assert_int_equal(id_of(&x[2].ch.napi), 8194);
	assert_int_equal(id_of(&x[3].ch.napi), 8195);
	assert_ptr_equal(napi_by_id(UINT32_MAX), &x[1].ch.napi);
	/* The id of one that is away was given to another one meanwhile: it gets a new one, and keeps that.
	 */
	down(&x[2]);
	down(&x[3]);
	napi_id_last = 8193;
	del(&x[3]);
	assert_int_equal(netif_napi_add(r.dev, &x[3].ch.napi, extra_poll), 0);
	up(&x[3]);
	assert_int_equal(id_of(&x[3].ch.napi), 8194);
	up(&x[2]);
	assert_int_equal(id_of(&x[2].ch.napi), 8195);
	down(&x[3]);
	down(&x[2]);
	up(&x[2]);
	assert_int_equal(id_of(&x[2].ch.napi), 8195);
	for (i = 0; i < 3; i++)
		down(&x[i]);
	for (i = 0; i < 4; i++)
		del(&x[i]);
	rig_close(&r);
}

/* netif_napi_add_tx(): polled as any other, but without an id, so that nobody busy polls it. */
static void transmit_only(void **state)
{
	struct extra a = {0};
	struct rig r;

	rig_open(&r, 1);
	assert_int_equal(netif_napi_add_tx(r.dev, &a.ch.napi, extra_poll), 0);
	assert_true(a.ch.napi.state & NAPIF_NO_BUSY_POLL);
	up(&a);
	assert_int_equal(id_of(&a.ch.napi), 0);
	assert_int_equal(napi_id_last, FIRST_ID - 1); /* none was used up */
	assert_string_equal(listed(r.dev), "- - ");
	napi_schedule(&a.ch.napi);
	assert_int_equal(unapi_context_run(r.ctx, 0), 0);
	assert_int_equal(a.budget, 64);
	down(&a);
	up(&a);
	assert_int_equal(id_of(&a.ch.napi), 0);
	down(&a);
	del(&a);
	/* the memory may be used for one of another kind */
	assert_int_equal(netif_napi_add(r.dev, &a.ch.napi, extra_poll), 0);
	up(&a);
	assert_int_equal(id_of(&a.ch.napi), FIRST_ID);
	down(&a);
	del(&a);
	rig_close(&r);
}

static int warnings;

static void count_warnings(void *arg, enum unapi_log_level level, const char *text)
{
	warnings += level == UNAPI_LOG_WARN && strstr(text, "100");
}

static void weights(void **state)
{
	struct extra a = {0};
	struct rig r;

	rig_open(&r, 1);
	unapi_set_log(count_warnings, NULL);
	assert_int_equal(netif_napi_add_weight(r.dev, &a.ch.napi, extra_poll, 16), 0);
	assert_int_equal(warnings, 0);
	up(&a);
	napi_schedule(&a.ch.napi);
	unapi_context_run(r.ctx, 0);
	assert_int_equal(a.budget, 16);
	down(&a);
	del(&a);
	assert_int_equal(netif_napi_add_weight(r.dev, &a.ch.napi, extra_poll, 100), 0);
	assert_int_equal(warnings, 1); /* and kept, as the kernel does */
	up(&a);
	napi_schedule(&a.ch.napi);
	unapi_context_run(r.ctx, 0);
	assert_int_equal(a.budget, 100);
	down(&a);
	del(&a);
	unapi_set_log(NULL, NULL);
	rig_close(&r);
}

static void wrong_additions(void **state)
{
	struct extra a = {0}, x[NETDEV_MAX_NAPI] = {0};
	struct rig r;
	int i;

	rig_open(&r, 1);
	assert_int_equal(netif_napi_del(&a.ch.napi), -EINVAL);
	assert_int_equal(netif_napi_add_weight(r.dev, &a.ch.napi, extra_poll, 0), -EINVAL);
	assert_non_null(strstr(unapi_reason(), "fake:0-1"));
	assert_int_equal(netif_napi_add_weight(r.dev, &a.ch.napi, extra_poll, -64), -EINVAL);
	assert_int_equal(netif_napi_add(r.dev, &a.ch.napi, NULL), -EINVAL);
	assert_int_equal(netif_napi_add_tx(r.dev, &a.ch.napi, NULL), -EINVAL);
	assert_int_equal(netif_napi_add_config(r.dev, &a.ch.napi, extra_poll, -1), -ERANGE);
	assert_int_equal(netif_napi_add_config(r.dev, &a.ch.napi, extra_poll, NETDEV_MAX_NAPI), -ERANGE);
	assert_non_null(strstr(unapi_reason(), "fake:0"));
	assert_int_equal(netif_napi_add_config(r.dev, &a.ch.napi, extra_poll, 0), -EBUSY);
	assert_non_null(strstr(unapi_reason(), "fake:0-0"));
	/* nothing came of all this */
	assert_int_equal(r.dev->nr_channels, 1);
	assert_string_equal(listed(r.dev), "- ");
	assert_int_equal(a.ch.napi.state, 0);

	add_config(&r, &a, 3);
	assert_int_equal(netif_napi_add_config(r.dev, &a.ch.napi, extra_poll, 3), -EEXIST);
	assert_non_null(strstr(unapi_reason(), "fake:0-3"));
	assert_int_equal(netif_napi_add_config(r.dev, &a.ch.napi, extra_poll, 4), -EEXIST);
	assert_int_equal(netif_napi_add(r.dev, &a.ch.napi, extra_poll), -EEXIST);
	assert_int_equal(netif_napi_add_tx(r.dev, &a.ch.napi, extra_poll), -EEXIST);
	assert_false(a.ch.napi.state & NAPIF_NO_BUSY_POLL);
	assert_int_equal(r.dev->nr_channels, 2);
	up(&a);
	assert_int_equal(netif_napi_del(&a.ch.napi), -EBUSY);
	assert_non_null(strstr(unapi_reason(), "fake:0-3"));
	assert_int_equal(netif_napi_add(r.dev, &a.ch.napi, extra_poll), -EEXIST);
	napi_schedule(&a.ch.napi);
	assert_int_equal(unapi_context_run(r.ctx, 0), 0);
	assert_int_equal(a.budget, 64); /* unharmed */
	down(&a);
	assert_int_equal(netif_napi_del(&a.ch.napi), 0);
	assert_int_equal(netif_napi_del(&a.ch.napi), -EINVAL);
	assert_non_null(strstr(unapi_reason(), "fake:0-3"));
	assert_int_equal(r.dev->nr_channels, 1);

	for (i = 1; i < NETDEV_MAX_NAPI; i++)
		add_config(&r, &x[i], i);
	assert_int_equal(netif_napi_add(r.dev, &x[0].ch.napi, extra_poll), -ENOSPC);
	assert_int_equal(netif_napi_add(r.dev, &x[1].ch.napi, extra_poll), -EEXIST);
	for (i = 1; i < NETDEV_MAX_NAPI; i++)
		del(&x[i]);
	assert_ptr_equal(unapi_dev_napi(r.dev, 0), &((struct fake_nic *)netdev_priv(r.dev))->ch[0].napi);
	assert_null(unapi_dev_napi(r.dev, 1));
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_and_id_survive),
		cmocka_unit_test(settings_of_a_device),
		cmocka_unit_test(settings_before_instances),
		cmocka_unit_test(a_running_countdown_goes_on),
		cmocka_unit_test(threads_of_a_device),
		cmocka_unit_test(no_thread_no_threads),
		cmocka_unit_test(several_settings_at_once),
		cmocka_unit_test(sorted_by_id),
		cmocka_unit_test(without_a_slot),
		cmocka_unit_test(ids_wrap),
		cmocka_unit_test(transmit_only),
		cmocka_unit_test(weights),
		cmocka_unit_test(wrong_additions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
