/* SPDX-License-Identifier: BSD-3-Clause */
/* A receive queue with software GRO and nothing else: frames in, records out. */
#ifndef UNAPI_TEST_GRO_RIG_H
#define UNAPI_TEST_GRO_RIG_H

#include "core/base/clock.h"
#include "core/net/gro.h"
#include "core/net/netdev.h"
#include "tests/unit/gro_frames.h"

#define RIG_OUT 4096

struct rig {
	struct rx_queue q;
	struct gro *g;
	struct page_pool *pool;
	struct unapi_pkt out[RIG_OUT];
	struct unapi_rx_meta meta[RIG_OUT];
	unsigned int n, calls, biggest; /* records, calls of the application, records of the biggest */
};

static uint64_t rig_now;

static inline void rig_app(void *arg, struct unapi_pkt *pkts, const struct unapi_rx_meta *meta,
			   unsigned int n)
{
	struct rig *r = arg;

	assert_true(r->n + n <= RIG_OUT);
	assert_true(n);
	assert_false(pkts[n - 1].flags & UNAPI_PKT_MORE);
	memcpy(r->out + r->n, pkts, n * sizeof(*pkts));
	if (meta)
		memcpy(r->meta + r->n, meta, n * sizeof(*meta));
	r->n += n;
	r->calls++;
	if (n > r->biggest)
		r->biggest = n;
	memset(pkts, 0xff, n * sizeof(*pkts)); /* they are the application's to change */
}

static inline void rig_open(struct rig *r, bool meta)
{
	memset(r, 0, sizeof(*r));
	rig_now = 5 * NSEC_PER_SEC;
	unapi_clock_set_virtual(&rig_now);
	r->q.batch = 32;
	r->q.app_fn = rig_app;
	r->q.app_arg = r;
	assert_int_equal(page_pool_create(4096, -1, NULL, &r->pool), 0);
	r->g = gro_alloc(&r->q, meta);
	assert_non_null(r->g);
	gro_set_protocols(r->g, UNAPI_GRO_TCP | UNAPI_GRO_UDP);
}

/* Free what came out; nothing is lost. */
static inline void rig_empty(struct rig *r)
{
	unapi_pkt_free_bulk(r->out, r->n);
	r->n = r->calls = 0;
}

static inline void rig_close(struct rig *r)
{
	struct unapi_page_pool_info info;

	rig_empty(r);
	gro_free(r->g);
	unapi_page_pool_get_info(r->pool, &info);
	assert_int_equal(info.inflight, 0);
	assert_int_equal(unapi_page_pool_destroy(r->pool), 0);
	unapi_clock_set_virtual(NULL);
}

/* One frame, in a call of its own; its handle. */
static inline uint32_t rig_frame(struct rig *r, const struct frame *f)
{
	struct unapi_pkt p;

	assert_int_equal(unapi_pkt_alloc_bulk(r->pool, &p, 1), 1);
	frame_receive(f, &p);
	gro_rx(r->g, &p, NULL, 1);
	return p.buf;
}

/* Packets that came out. */
static inline unsigned int rig_packets(const struct rig *r)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < r->n; i++)
		n += !(r->out[i].flags & UNAPI_PKT_MORE);
	return n;
}

#endif
