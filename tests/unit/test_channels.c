/* SPDX-License-Identifier: BSD-3-Clause */
/* Channels: how many of which kind a device gets, and which queue falls on which. */
#include "fake_nic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct rig {
	struct fake_vfio v;
	struct net_device *dev;
	struct fake_nic *f;
	struct unapi_context *ctx;
};

static int setup(void **state)
{
	static struct rig r;

	assert_int_equal(unapi_context_create(NULL, &r.ctx), 0);
	r.dev = fake_nic_open(&r.v);
	r.f = netdev_priv(r.dev);
	r.f->vectors = FAKE_MAX_CHANNELS;
	r.v.v.irq_mode = VFIO_IRQ_MSIX;
	*state = &r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	r->v.v.irq_mode = VFIO_IRQ_NONE; /* nothing to disable behind the fake carrier */
	assert_int_equal(unapi_dev_close(r->dev), 0);
	assert_int_equal(unapi_context_destroy(r->ctx), 0);
	return 0;
}

static int configure(struct rig *r, struct unapi_dev_conf c)
{
	c.ctx = &r->ctx;
	c.nr_ctx = 1;
	return unapi_dev_configure(r->dev, &c);
}

static unsigned int number_of(struct rig *r, const struct napi_struct *n)
{
	unsigned int i = 0;

	while (unapi_dev_napi(r->dev, i) != n)
		assert_non_null(unapi_dev_napi(r->dev, i++));
	return i;
}

/* "C+R+T rx 01 tx 02": channels by kind, and the instance of each queue. */
static void is(struct rig *r, const char *what)
{
	struct unapi_dev_info info;
	char text[128];
	int at;

	unapi_dev_get_info(r->dev, &info);
	at = snprintf(text, sizeof(text), "%u+%u+%u rx ", info.combined, info.rx_only, info.tx_only);
	for (unsigned int q = 0; q < info.rxq; q++)
		at += snprintf(text + at, sizeof(text) - (size_t)at, "%u",
			       number_of(r, unapi_dev_rxq_napi(r->dev, q)));
	at += snprintf(text + at, sizeof(text) - (size_t)at, " tx ");
	for (unsigned int q = 0; q < info.txq; q++)
		at += snprintf(text + at, sizeof(text) - (size_t)at, "%u",
			       number_of(r, unapi_dev_txq_napi(r->dev, q)));
	assert_string_equal(text, what);
	assert_int_equal(info.nr_napi, info.combined + info.rx_only + info.tx_only);
}

static void shape(struct rig *r, struct unapi_dev_conf c, const char *what)
{
	if (configure(r, c))
		fail_msg("%s: %s", what, unapi_reason());
	is(r, what);
}

#define CONF(...) ((struct unapi_dev_conf){__VA_ARGS__})

/* Nothing said: a channel for each pair of queues and each queue without a partner. */
static void unasked(void **state)
{
	struct rig *r = *state;

	shape(r, CONF(0), "1+0+0 rx 0 tx 0");
	shape(r, CONF(.rxq = 4, .txq = 4), "4+0+0 rx 0123 tx 0123");
	shape(r, CONF(.rxq = 1, .txq = 3), "1+0+2 rx 0 tx 012");
	shape(r, CONF(.rxq = 3), "1+2+0 rx 012 tx 0");
	/* fewer vectors: queues share what there is */
	r->f->vectors = 3;
	shape(r, CONF(.rxq = 4, .txq = 4), "3+0+0 rx 0120 tx 0120");
	shape(r, CONF(.rxq = 2, .txq = 4), "2+0+1 rx 01 tx 0120");
	shape(r, CONF(.rxq = 4, .txq = 1), "1+2+0 rx 0120 tx 0");
	r->f->vectors = 1;
	shape(r, CONF(.rxq = 4, .txq = 2), "1+0+0 rx 0000 tx 00");
}

/* As ethtool -L: the numbers of queues follow from the channels. */
static void by_kind(void **state)
{
	struct rig *r = *state;

	shape(r, CONF(.combined = 1, .rx_only = 1, .tx_only = 1), "1+1+1 rx 01 tx 02");
	shape(r, CONF(.combined = 3), "3+0+0 rx 012 tx 012");
	shape(r, CONF(.rx_only = 2, .tx_only = 1), "0+2+1 rx 01 tx 2");
	shape(r, CONF(.rx_only = 2, .tx_only = 4), "0+2+4 rx 01 tx 2345");
	shape(r, CONF(.combined = 2, .tx_only = 1), "2+0+1 rx 01 tx 012");
}

/* More queues than channels share the instances in turn. */
static void several_queues_on_one(void **state)
{
	struct rig *r = *state;

	shape(r, CONF(.rxq = 4, .txq = 4, .combined = 2), "2+0+0 rx 0101 tx 0101");
	shape(r, CONF(.rxq = 4, .txq = 4, .combined = 1), "1+0+0 rx 0000 tx 0000");
	shape(r, CONF(.rxq = 4, .combined = 1), "1+0+0 rx 0000 tx 0");
	shape(r, CONF(.rxq = 4, .txq = 3, .combined = 1, .rx_only = 1, .tx_only = 1), "1+1+1 rx 0101 tx 020");
	shape(r, CONF(.rxq = 4, .txq = 4, .rx_only = 1, .tx_only = 1), "0+1+1 rx 0000 tx 1111");
}

static void refuse(struct rig *r, struct unapi_dev_conf c, int err, const char *word)
{
	assert_int_equal(configure(r, c), err);
	if (!strstr(unapi_reason(), word) || !strstr(unapi_reason(), "fake:0"))
		fail_msg("\"%s\" and the device are not in: %s", word, unapi_reason());
}

static void refusals(void **state)
{
	struct rig *r = *state;

	shape(r, CONF(.combined = 2), "2+0+0 rx 01 tx 01");
	refuse(r, CONF(.rx_only = 2), -EINVAL, "none would transmit");
	refuse(r, CONF(.tx_only = 1), -EINVAL, "none would receive");
	refuse(r, CONF(.combined = 5), -ERANGE, "4 rx");
	refuse(r, CONF(.combined = 2, .tx_only = 3), -ERANGE, "4 tx");
	refuse(r, CONF(.combined = UINT32_MAX, .rx_only = 1), -ERANGE, "4 rx");
	refuse(r, CONF(.rx_only = 3, .tx_only = 4), -ERANGE, "vectors for 6");
	refuse(r, CONF(.combined = 3, .rxq = 2), -EINVAL, "2 and 3 are asked for");
	refuse(r, CONF(.combined = 1, .tx_only = 1, .txq = 1), -EINVAL, "1 rx and 2 tx queues at least");
	refuse(r, CONF(.combined = 1, .rxq = 5), -ERANGE, "5 rx");
	/* and nothing has changed by it */
	is(r, "2+0+0 rx 01 tx 01");
	/* The table is long enough, but the system has run out of vectors. */
	r->f->vectors = 2;
	refuse(r, CONF(.combined = 1, .rx_only = 1, .tx_only = 1), -ENOSPC, "left for 2");
	r->f->vectors = 3;
	shape(r, CONF(.combined = 1, .rx_only = 1, .tx_only = 1), "1+1+1 rx 01 tx 02");
}

/* With MSI or INTx there is one vector: whatever is asked for, one instance serves all. */
static void one_vector(void **state)
{
	struct rig *r = *state;

	r->v.v.irq_mode = VFIO_IRQ_MSI;
	r->f->vectors = 1;
	shape(r, CONF(.combined = 1, .rx_only = 1, .tx_only = 1), "1+0+0 rx 00 tx 00");
	r->dev->max_channels = 1;
	shape(r, CONF(.rx_only = 2, .tx_only = 2), "1+0+0 rx 00 tx 00");
	r->v.v.irq_mode = VFIO_IRQ_MSIX; /* a table of one */
	shape(r, CONF(.combined = 4), "1+0+0 rx 0000 tx 0000");
}

static unsigned int received[FAKE_QUEUES];

static void count(void *arg, struct unapi_pkt *pkts, const struct unapi_rx_meta *meta, unsigned int n)
{
	received[(uintptr_t)arg] += n;
	unapi_pkt_free_bulk(pkts, n);
}

/* Packets of each receive queue come by the instance that is told to serve it, and by no other. */
static void work_is_where_it_belongs(void **state)
{
	static const unsigned int expect[4] = {4, 6, 0, 0};
	struct unapi_napi_stats st;
	struct rig *r = *state;

	shape(r, CONF(.rxq = 4, .txq = 4, .combined = 1, .rx_only = 1, .tx_only = 2),
	      "1+1+2 rx 0101 tx 0230");
	memset(received, 0, sizeof(received));
	for (uintptr_t q = 0; q < 4; q++)
		assert_int_equal(unapi_dev_set_rx(r->dev, (unsigned int)q, count, (void *)q), 0);
	assert_int_equal(unapi_dev_start(r->dev), 0);
	for (unsigned int q = 0; q < 4; q++)
		fake_nic_deliver(r->dev, q, q + 1);
	assert_true(unapi_context_run(r->ctx, 0) >= 0);
	for (unsigned int q = 0; q < 4; q++)
		assert_int_equal(received[q], q + 1);
	for (unsigned int i = 0; i < 4; i++) {
		unapi_napi_get_stats(unapi_dev_napi(r->dev, i), &st);
		assert_int_equal(st.work, expect[i]);
	}
	assert_int_equal(unapi_dev_stop(r->dev), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(unasked, setup, teardown),
		cmocka_unit_test_setup_teardown(by_kind, setup, teardown),
		cmocka_unit_test_setup_teardown(several_queues_on_one, setup, teardown),
		cmocka_unit_test_setup_teardown(refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(one_vector, setup, teardown),
		cmocka_unit_test_setup_teardown(work_is_where_it_belongs, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
