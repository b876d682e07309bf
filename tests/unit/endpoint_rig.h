/* SPDX-License-Identifier: BSD-3-Clause */
/* An endpoint on a driver without a device. */
#ifndef UNAPI_TEST_ENDPOINT_RIG_H
#define UNAPI_TEST_ENDPOINT_RIG_H

#include "fake_nic.h"
#include "core/base/clock.h"
#include "core/napi/internal.h"
#include "core/net/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <string.h>

static uint64_t now;
static uint16_t serial; /* of the frames, in the record's vlan field */

struct rig {
	struct unapi_context *ctx;
	struct fake_vfio v;
	struct net_device *dev;
	struct unapi_endpoint *e;
	struct napi_struct *n;
	int fd;
};

static struct rig rig;

static inline void fill(struct unapi_pkt *p, unsigned int q)
{
	p->len = 60;
	p->vlan = serial++;
}

static inline void configure(struct rig *r)
{
	struct unapi_dev_conf conf = {.rxq = 2, .txq = 2, .pool_extra = 2048, .ctx = &r->ctx, .nr_ctx = 1};

	assert_int_equal(unapi_dev_configure(r->dev, &conf), 0);
	r->n = unapi_dev_rxq_napi(r->dev, 0);
}

static inline void open_dev(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	serial = 0;
	assert_int_equal(unapi_context_create(NULL, &r->ctx), 0);
	r->dev = fake_nic_open(&r->v);
	((struct fake_nic *)netdev_priv(r->dev))->fill = fill;
	configure(r);
}

static inline struct rig *rig_open(unsigned int size)
{
	struct rig *r = &rig;

	now = 9 * NSEC_PER_SEC;
	unapi_clock_set_virtual(&now);
	open_dev(r);
	assert_int_equal(unapi_endpoint_create(r->dev, 0, size, &r->e), 0);
	r->fd = unapi_endpoint_fd(r->e);
	assert_int_equal(unapi_dev_start(r->dev), 0);
	return r;
}

static inline uint32_t inflight(struct rig *r)
{
	struct unapi_page_pool_info info;

	unapi_page_pool_get_info(unapi_dev_rxq_pool(r->dev, 0), &info);
	return info.inflight;
}

static inline void rig_close(struct rig *r)
{
	assert_int_equal(unapi_dev_stop(r->dev), 0);
	if (r->e)
		assert_int_equal(unapi_endpoint_destroy(r->e), 0);
	assert_int_equal(inflight(r), 0);
	assert_int_equal(unapi_dev_close(r->dev), 0);
	assert_int_equal(unapi_context_destroy(r->ctx), 0);
	unapi_clock_set_virtual(NULL);
}

static inline void run(struct rig *r)
{
	assert_true(unapi_context_run(r->ctx, 0) >= 0);
}

static inline void deliver(struct rig *r, unsigned int n)
{
	fake_nic_deliver(r->dev, 0, n);
	run(r);
}

/* Packets come, and nobody is told: a busy poller finds them. */
static inline void arrive(struct rig *r, unsigned int n)
{
	__atomic_fetch_add(&((struct fake_nic *)netdev_priv(r->dev))->rx[0].wire, n, __ATOMIC_RELEASE);
}

static inline bool readable(struct rig *r)
{
	struct pollfd pfd = {.fd = r->fd, .events = POLLIN};

	return poll(&pfd, 1, 0) == 1;
}

/* Take up to @n, of which @expect come, beginning with number @first. */
static inline void take(struct rig *r, unsigned int n, int expect, unsigned int first)
{
	struct unapi_pkt pkts[512];
	int got = unapi_endpoint_recv(r->e, pkts, n, MSG_DONTWAIT), i;

	assert_int_equal(got, expect);
	for (i = 0; i < got; i++)
		assert_int_equal(pkts[i].vlan, first + (unsigned int)i);
	if (got > 0)
		unapi_pkt_free_bulk(pkts, (unsigned int)got);
}

static inline uint64_t xstat(struct rig *r, const char *name)
{
	struct unapi_xstat x[256];
	int n = unapi_dev_get_xstats(r->dev, x, 256), i;

	for (i = 0; i < n && i < 256; i++)
		if (!strcmp(x[i].name, name))
			return x[i].value;
	fail_msg("no counter %s", name);
	return 0;
}

#endif
