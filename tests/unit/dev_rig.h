/* SPDX-License-Identifier: BSD-3-Clause */
/* A device without hardware in a context that the test runs, and its instances' settings and ids. */
#ifndef UNAPI_TEST_DEV_RIG_H
#define UNAPI_TEST_DEV_RIG_H

#include "fake_nic.h"
#include "core/napi/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#define FIRST_ID 8193u
#define T	 20000ull

struct rig {
	struct unapi_context *ctx;
	struct fake_vfio v;
	struct net_device *dev;
};

static inline void reconfigure(struct rig *r, unsigned int queues)
{
	struct unapi_dev_conf conf = {.rxq = queues, .txq = queues, .ctx = &r->ctx, .nr_ctx = 1};

	assert_int_equal(unapi_dev_configure(r->dev, &conf), 0);
}

static inline void rig_open(struct rig *r, unsigned int queues)
{
	assert_int_equal(unapi_context_create(NULL, &r->ctx), 0);
	r->dev = fake_nic_open(&r->v);
	reconfigure(r, queues);
	napi_id_last = FIRST_ID - 1;
}

static inline void rig_close(struct rig *r)
{
	assert_int_equal(unapi_dev_close(r->dev), 0);
	assert_int_equal(unapi_context_destroy(r->ctx), 0);
}

static inline unsigned int id_of(struct napi_struct *n)
{
	struct unapi_napi_info info;

	unapi_napi_get_info(n, &info);
	return info.napi_id;
}

static inline void set(struct napi_struct *n, uint32_t defer, uint64_t gro, uint64_t suspend)
{
	assert_int_equal(unapi_napi_set_defer_hard_irqs(n, defer), 0);
	assert_int_equal(unapi_napi_set_gro_flush_timeout(n, gro), 0);
	assert_int_equal(unapi_napi_set_irq_suspend_timeout(n, suspend), 0);
}

static inline void assert_set(struct napi_struct *n, uint32_t defer, uint64_t gro, uint64_t suspend)
{
	assert_int_equal(unapi_napi_defer_hard_irqs(n), defer);
	assert_int_equal(unapi_napi_gro_flush_timeout(n), gro);
	assert_int_equal(unapi_napi_irq_suspend_timeout(n), suspend);
}

#endif
