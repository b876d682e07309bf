/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of the igb driver over the simulated NIC share: a device with its context, and the model's
 * figures. */
#ifndef UNAPI_TEST_IGB_RIG_H
#define UNAPI_TEST_IGB_RIG_H

#include <unapi/unapi.h>

#include "core/base/clock.h"
#include "core/base/compiler.h"

#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define TIME_LIMIT (60 * NSEC_PER_SEC)

struct rig {
	struct net_device *dev;
	struct unapi_context *ctx;
	struct unapi_txq *txq[16];
	unsigned int queues;
	uint64_t per_queue[16];
	bool threaded, removed;
	unsigned int ups, downs;
};

struct rx_arg {
	struct rig *r;
	unsigned int q;
};
static struct rx_arg rx_args[16];

static char stats[64];

static inline void ok(int rc)
{
	if (rc < 0) {
		print_error("%s\n", unapi_reason());
		fail();
	}
}

static inline void forward(void *arg, struct unapi_pkt *pkts, const struct unapi_rx_meta *meta,
			   unsigned int n)
{
	struct rx_arg *a = arg;
	unsigned int sent = unapi_tx_burst(a->r->txq[a->q], pkts, n);

	WRITE_ONCE(a->r->per_queue[a->q], a->r->per_queue[a->q] + n);
	unapi_pkt_free_bulk(pkts + sent, n - sent);
}

static inline void event(void *arg, struct net_device *dev, enum unapi_dev_event ev)
{
	struct rig *r = arg;

	if (ev == UNAPI_DEV_REMOVED)
		WRITE_ONCE(r->removed, true);
	if (ev == UNAPI_DEV_LINK_UP)
		WRITE_ONCE(r->ups, r->ups + 1);
	if (ev == UNAPI_DEV_LINK_DOWN)
		WRITE_ONCE(r->downs, r->downs + 1);
}

static inline void open_dev(struct rig *r, const char *options)
{
	char spec[320];

	static unsigned int opened;

	memset(r, 0, sizeof(*r));
	/* A name of its own: a model that a failed test left behind goes on writing. */
	unlink(stats);
	snprintf(stats, sizeof(stats), "/tmp/test-igb-%d-%u.json", (int)getpid(), opened++);
	snprintf(spec, sizeof(spec), "sim:igb,stats=%s,stats-ms=5%s", stats, options);
	ok(unapi_context_create(NULL, &r->ctx));
	ok(unapi_dev_open(spec, &r->dev));
	unapi_dev_set_event(r->dev, event, r);
}

static inline void configure(struct rig *r, const struct unapi_dev_conf *like)
{
	struct unapi_dev_conf c = *like;
	struct unapi_dev_info info;

	c.ctx = &r->ctx;
	c.nr_ctx = 1;
	if (!c.combined && !c.rx_only)
		c.txq = c.txq ? c.txq : c.rxq;
	ok(unapi_dev_configure(r->dev, &c));
	unapi_dev_get_info(r->dev, &info);
	r->queues = info.rxq;
	for (unsigned int q = 0; q < info.rxq; q++) {
		rx_args[q] = (struct rx_arg){r, q};
		ok(unapi_dev_set_rx(r->dev, q, forward, &rx_args[q]));
		r->txq[q] = unapi_dev_txq(r->dev, q);
		ok(unapi_txq_claim(r->txq[q], unapi_dev_rxq_napi(r->dev, q)));
	}
}

static inline void up(struct rig *r, const char *options, unsigned int queues)
{
	open_dev(r, options);
	configure(r, &(struct unapi_dev_conf){.rxq = queues});
	ok(unapi_dev_start(r->dev));
}

/* The file as the model last wrote it. */
static inline json_t *figures(void)
{
	return json_load_file(stats, 0, NULL);
}

static inline json_int_t figure(json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);

	assert_non_null(v);
	return json_is_true(v) ? 1 : json_integer_value(v);
}

static inline void run(struct rig *r, unsigned int ms)
{
	int rc;

	if (r->threaded) { /* somebody else does: wait for what that brings */
		unapi_clock_sleep(NSEC_PER_MSEC);
		return;
	}
	rc = unapi_context_run(r->ctx, (int64_t)ms * 1000000);
	if (rc < 0 && rc != -EINTR)
		fail_msg("run: %d", rc);
}

/* Run the context until the model says @key >= @least. */
static inline void run_until(struct rig *r, const char *key, json_int_t least)
{
	uint64_t until = unapi_clock_ns() + TIME_LIMIT, look = 0;

	for (;;) {
		run(r, 5);
		if (unapi_clock_ns() < look)
			continue;
		look = unapi_clock_ns() + 5 * NSEC_PER_MSEC;
		json_t *o = figures();
		json_int_t is = o ? figure(o, key) : 0;

		json_decref(o);
		if (is >= least)
			return;
		if (unapi_clock_ns() >= until)
			fail_msg("%s is %lld after a minute, not %lld", key, (long long)is, (long long)least);
	}
}

static inline void run_until_event(struct rig *r, const unsigned int *count, unsigned int least)
{
	uint64_t until = unapi_clock_ns() + TIME_LIMIT;

	while (READ_ONCE(*count) < least) {
		assert_true(unapi_clock_ns() < until);
		run(r, 5);
	}
}

static inline uint32_t inflight(struct rig *r)
{
	struct unapi_page_pool_info info;
	uint32_t sum = 0;

	for (unsigned int q = 0; q < r->queues; q++) {
		unapi_page_pool_get_info(unapi_dev_rxq_pool(r->dev, q), &info);
		sum += info.inflight;
	}
	return sum;
}

/* Close, and see that the model found nothing wrong with the driver. Returns its last figures. */
static inline json_t *down(struct rig *r)
{
	json_t *o;

	ok(unapi_dev_stop(r->dev));
	assert_int_equal(inflight(r), 0);
	ok(unapi_dev_close(r->dev));
	ok(unapi_context_destroy(r->ctx));
	o = figures();
	assert_non_null(o);
	assert_int_equal(figure(o, "final"), 1);
	if (figure(o, "dma_faults"))
		fail_msg("DMA fault: %s", json_string_value(json_object_get(o, "last_dma_fault")));
	if (figure(o, "driver_errors"))
		fail_msg("misuse: %s", json_string_value(json_object_get(o, "last_driver_error")));
	return o;
}

static inline void nothing_lost(json_t *o, json_int_t count)
{
	assert_int_equal(figure(o, "tx"), count);
	assert_int_equal(figure(o, "rx"), count);
	assert_int_equal(figure(o, "lost"), 0);
	assert_int_equal(figure(o, "dup"), 0);
	assert_int_equal(figure(o, "reorder"), 0);
	assert_int_equal(figure(o, "corrupt"), 0);
	assert_int_equal(figure(o, "foreign"), 0);
	assert_int_equal(figure(o, "rx_dropped"), 0);
}

static inline void napi_sums(struct rig *r, struct unapi_napi_stats *sum)
{
	struct unapi_napi_stats st;
	struct unapi_dev_info info;

	memset(sum, 0, sizeof(*sum));
	unapi_dev_get_info(r->dev, &info);
	for (unsigned int i = 0; i < info.nr_napi; i++) {
		unapi_napi_get_stats(unapi_dev_napi(r->dev, i), &st);
		sum->irqs += st.irqs;
		sum->polls += st.polls;
		sum->work += st.work;
		sum->violations += st.violations;
	}
}

static inline void forward_count(const char *options, unsigned int queues, unsigned int count,
				 bool all_queues)
{
	struct unapi_dev_stats st;
	struct unapi_napi_stats ns;
	char opt[200];
	struct rig r;
	json_t *o;

	snprintf(opt, sizeof(opt), ",wire=gen:count=%u%s", count, options);
	up(&r, opt, queues);
	run_until(&r, "drained", 1);
	napi_sums(&r, &ns);
	assert_int_equal(ns.work, count);
	assert_int_equal(ns.violations, 0);
	assert_true(ns.irqs > 0 && ns.irqs <= count);
	unapi_dev_get_stats(r.dev, &st);
	assert_int_equal(st.rx_packets, count);
	assert_int_equal(st.tx_packets, count);
	assert_int_equal(st.rx_bytes, 60ull * count);
	assert_int_equal(st.tx_bytes, 60ull * count);
	assert_int_equal(st.rx_missed + st.rx_errors + st.tx_errors, 0);
	for (unsigned int q = 0; all_queues && q < queues; q++)
		assert_true(r.per_queue[q] > 0);
	o = down(&r);
	nothing_lost(o, count);
	json_decref(o);
}

#endif
