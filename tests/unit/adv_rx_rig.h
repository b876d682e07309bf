/* SPDX-License-Identifier: BSD-3-Clause */
/* A receive ring of advanced descriptors, its device played by hand. */
#ifndef UNAPI_TEST_ADV_RX_RIG_H
#define UNAPI_TEST_ADV_RX_RIG_H

#include "tests/unit/adv_fake.h"

#include "drivers/common/adv_rx.h"

#include <stdlib.h>

#define RING  64
#define BATCH 32
#define KEEP  4096

struct rig {
	struct adv_fake dev;
	struct adv_rx_ring r;
	uint32_t head; /* the device's next slot */
	uint32_t seq;  /* number written into the next packet */
	struct unapi_pkt got[KEEP];
	struct unapi_rx_meta meta[KEEP];
	unsigned int ngot, calls, largest;
	bool keep; /* do not free what is received */
	void (*in_rx)(struct rig *g);
};

static inline void take(void *arg, struct unapi_pkt *pkts, const struct unapi_rx_meta *meta, unsigned int n)
{
	struct rig *g = arg;

	assert_true(n > 0 && n <= BATCH);
	assert_true(g->ngot + n <= KEEP);
	assert_false(pkts[n - 1].flags & UNAPI_PKT_MORE); /* whole packets only */
	memcpy(g->got + g->ngot, pkts, n * sizeof(*pkts));
	if (meta)
		memcpy(g->meta + g->ngot, meta, n * sizeof(*meta));
	g->ngot += n;
	g->calls++;
	g->largest = n > g->largest ? n : g->largest;
	if (g->in_rx)
		g->in_rx(g);
	if (!g->keep)
		unapi_pkt_free_bulk(pkts, n);
}

static inline struct rig *rig_new(uint32_t buffers, bool mapped, bool meta)
{
	struct rig *g = aligned_alloc(_Alignof(struct rig), sizeof(*g)); /* rings begin on a cache line */

	assert_non_null(g);
	memset(g, 0, sizeof(*g));
	adv_fake_init(&g->dev, mapped);
	assert_int_equal(page_pool_create(buffers, -1, NULL, &g->r.q.pool), 0);
	g->r.q.batch = BATCH;
	g->r.q.rx_fn = take;
	g->r.q.rx_arg = g;
	assert_int_equal(adv_rx_setup(&g->r, &g->dev.v, &g->dev.v.regions[0], RING, FAKE_TAIL, meta), 0);
	adv_rx_refill(&g->r);
	return g;
}

/* What is still out when the ring has given everything back must be what the test kept. */
static inline void rig_free(struct rig *g, uint32_t kept)
{
	adv_rx_reset(&g->r);
	assert_int_equal(pool_inflight(g->r.q.pool), kept);
	adv_rx_teardown(&g->r);
	page_pool_destroy(g->r.q.pool);
	free(g);
}

static inline void free_kept(struct rig *g)
{
	unapi_pkt_free_bulk(g->got, g->ngot);
	g->ngot = 0;
}

/* What a poll refills at least, since it leaves the tail at a multiple of eight. */
#define FULL (RING - 8)

/* Slots the device may fill: up to the tail. */
static inline uint32_t device_room(const struct rig *g)
{
	return (adv_fake_tail(&g->dev) + RING - g->head) % RING;
}

static inline uint64_t status(bool eop, uint32_t len)
{
	return ADV_RXD_DD | (eop ? ADV_RXD_EOP : 0) | (uint64_t)len << ADV_RXD_LEN_SHIFT;
}

/* The device fills its next slot: number in the buffer, write-back in the descriptor. */
static inline void device_fills(struct rig *g, uint64_t hi)
{
	const struct unapi_pool_view *v = page_pool_view(g->r.q.pool);
	struct adv_desc *d = &g->r.desc[g->head];
	uint64_t at = d->lo - v->iova;

	assert_true(device_room(g) > 0);
	assert_int_equal(d->hi, 0); /* given with both words fresh */
	assert_int_equal(at % v->stride, PAGE_POOL_HEADROOM);
	memcpy(v->base + at, &g->seq, sizeof(g->seq));
	d->lo = 0x1111222200000000ULL | g->seq; /* packet type, header, hash: the address is overwritten */
	__atomic_store_n(&d->hi, hi, __ATOMIC_RELEASE);
	g->head = (g->head + 1) % RING;
	g->seq++;
}

static inline void device_packet(struct rig *g, unsigned int frags)
{
	for (unsigned int i = 1; i <= frags; i++)
		device_fills(g, status(i == frags, i == frags ? 60 : 2048));
}

static inline uint32_t number_in(const struct unapi_pkt *p)
{
	uint32_t n;

	memcpy(&n, unapi_pkt_data(p), sizeof(n));
	return n;
}

#endif
