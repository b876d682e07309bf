/* SPDX-License-Identifier: BSD-3-Clause */
/* What outlives an instance: its slot's settings and id; and how instances of a device are added and listed.
 */
#include "tests/unit/dev_rig.h"
#include "core/pci/pci.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

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
	assert_int_equal(unapi_dev_set_threaded(r.dev, 1), 0);
	assert_int_equal(netif_napi_add(r.dev, &a.ch.napi, extra_poll), 0);
	assert_set(&a.ch.napi, 2, 3, 0);
	assert_int_equal(napi_get_threaded(&a.ch.napi), NETDEV_NAPI_THREADED_ENABLED);
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

/* A /proc with the device's two interrupts, 40 and 41, as a kernel that drives it by vfio-pci has it. Where
 * they go is "" until it is written. */
static char proc[] = "/tmp/test-napi-config-XXXXXX";

static void put(const char *file, const char *text)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", proc, file);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static const char *got(const char *file)
{
	static char text[64];
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", proc, file);
	f = fopen(path, "r");
	assert_non_null(f);
	if (!fgets(text, sizeof(text), f))
		text[0] = 0;
	fclose(f);
	return text;
}

#define IRQ40 "irq/40/smp_affinity_list"
#define IRQ41 "irq/41/smp_affinity_list"

static void make_proc(void)
{
	static const struct pci_roots roots = {.sys = "/sys", .proc = proc, .dev = "/dev"};
	const char *const dirs[] = {"irq", "irq/40", "irq/41"};
	char path[64];

	assert_non_null(mkdtemp(proc));
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", proc, dirs[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	put("interrupts",
	    "     CPU0  CPU1\n 40:  0  0  vfio-msix[0](fake:0)\n 41:  0  0  vfio-msix[1](fake:0)\n");
	put(IRQ40, "");
	put(IRQ41, "");
	pci_set_roots(&roots);
}

static void remove_proc(void)
{
	const char *const names[] = {IRQ40, IRQ41, "interrupts", "irq/40", "irq/41", "irq", ""};
	char path[64];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", proc, names[i]);
		remove(path);
	}
	pci_set_roots(NULL);
}

static void count_warnings_about_irq(void *arg, enum unapi_log_level level, const char *text)
{
	*(int *)arg +=
		level == UNAPI_LOG_WARN && strstr(text, "fake:0-1") && strstr(text, "CPU 1 is not online");
}

/* New vectors are new interrupts, which the kernel places as it likes. */
static void interrupts_go_where_they_went(void **state)
{
	static const unsigned int cpu1 = 1;
	struct vfio_device_ops ops;
	struct rig r;
	int warned = 0;

	make_proc();
	rig_open(&r, 2);
	ops = *r.v.v.ops;
	ops.kernel_irqs = true;
	r.v.v.ops = &ops;
	r.v.v.irq_mode = VFIO_IRQ_MSIX;
	r.v.v.nr_vectors = 2;
	assert_int_equal(unapi_napi_set_irq_affinity(unapi_dev_napi(r.dev, 1), &cpu1, 1), 0);
	assert_string_equal(got(IRQ41), "1");
	put(IRQ41, "");
	reconfigure(&r, 1);
	assert_string_equal(got(IRQ41), "");
	reconfigure(&r, 2);
	assert_string_equal(got(IRQ41), "1");
	assert_string_equal(got(IRQ40), ""); /* nobody has said anything about this one */

	put(IRQ41, "");
	put("interrupts", "     CPU0\n 41:  0  vfio-msix[1](fake:0)\n"); /* CPU 1 has gone */
	unapi_set_log(count_warnings_about_irq, &warned);
	reconfigure(&r, 2);
	assert_int_equal(warned, 1);
	assert_string_equal(got(IRQ41), "");
	unapi_set_log(NULL, NULL);
	put("interrupts", "     CPU0  CPU1\n 41:  0  0  vfio-msix[1](fake:0)\n"); /* and is back */
	reconfigure(&r, 2);
	assert_string_equal(got(IRQ41), "1");
	r.v.v.irq_mode = VFIO_IRQ_NONE; /* they were never enabled */
	rig_close(&r);
	remove_proc();
}

/* A deletion that is refused has not even begun. */
static struct extra *to_delete;
static int answer;

static void deletes_in_a_poll(struct net_device *dev)
{
	answer = netif_napi_del(&to_delete->ch.napi);
}

static void deletion_from_a_poll_method(void **state)
{
	struct extra a = {0};
	struct unapi_txq *txq;
	struct rig r;

	rig_open(&r, 1);
	assert_int_equal(unapi_dev_start(r.dev), 0);
	add_config(&r, &a, 1);
	txq = unapi_dev_txq(r.dev, 0);
	assert_int_equal(unapi_txq_claim(txq, &a.ch.napi), 0);
	to_delete = &a;
	((struct fake_nic *)netdev_priv(r.dev))->in_poll = deletes_in_a_poll;
	fake_nic_deliver(r.dev, 0, 1);
	assert_int_equal(unapi_context_run(r.ctx, 0), 1);
	assert_int_equal(answer, -EDEADLK);
	assert_ptr_equal(txq->producer, &a.ch.napi);
	up(&a);
	assert_int_equal(netif_napi_del(&a.ch.napi), -EBUSY);
	assert_ptr_equal(txq->producer, &a.ch.napi);
	down(&a);
	del(&a);
	assert_null(txq->producer);
	rig_close(&r);
}

static void wrong_additions(void **state)
{
	struct extra a = {0}, x[NETDEV_MAX_NAPI] = {0};
	struct rig r;
	int i;

	assert_int_equal(unapi_context_create(NULL, &r.ctx), 0);
	r.dev = fake_nic_open(&r.v);
	assert_int_equal(netif_napi_add(r.dev, &a.ch.napi, extra_poll), -EINVAL); /* nowhere to be polled */
	rig_close(&r);

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
	assert_false(a.ch.napi.state & NAPIF_LISTED);

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
		cmocka_unit_test(sorted_by_id),
		cmocka_unit_test(without_a_slot),
		cmocka_unit_test(ids_wrap),
		cmocka_unit_test(transmit_only),
		cmocka_unit_test(weights),
		cmocka_unit_test(interrupts_go_where_they_went),
		cmocka_unit_test(deletion_from_a_poll_method),
		cmocka_unit_test(wrong_additions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
