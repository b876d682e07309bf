/* SPDX-License-Identifier: BSD-3-Clause */
/* Queues and their rings: memory, registers, on and off (datasheet 4.5.9.2, 4.5.10.1, 8.10, 8.12). */
#include "drivers/igb/igb.h"
#include "core/base/clock.h"
#include "core/base/reason.h"

#include <errno.h>
#include <stdlib.h>

static void *alloc_line(size_t size)
{
	void *p = NULL;

	size = (size + UNAPI_CACHELINE - 1) & ~(size_t)(UNAPI_CACHELINE - 1);
	if (posix_memalign(&p, UNAPI_CACHELINE, size))
		return NULL;
	return __builtin_memset(p, 0, size);
}

static int make_rx(struct igb *g, unsigned int q)
{
	const struct unapi_dev_conf *c = &g->dev->conf;
	struct channel *ch = &g->channels[netdev_rx_channel(g->dev, q)]->ch;
	struct adv_rx_ring *r = alloc_line(sizeof(*r));
	int rc;

	if (!r)
		return unapi_fail(ENOMEM, "%s: no memory for receive queue %u", g->dev->name, q);
	r->q.dev = g->dev;
	r->q.napi = &ch->napi;
	r->q.index = (uint16_t)q;
	r->q.batch = (uint16_t)c->rx_batch;
	rc = page_pool_create(netdev_rx_buffers(g->dev), g->vfio->numa_node, &ch->napi, &r->q.pool);
	if (rc)
		goto free_r;
	rc = adv_rx_setup(r, g->vfio, g->bar, c->rxd, E1000_RDT(q), c->rx_meta);
	if (rc)
		goto destroy_pool;
	ch->rx[ch->nr_rx++] = &r->q;
	g->rx[q] = r;
	g->dev->rxq[q] = &r->q;
	return 0;

destroy_pool:
	page_pool_destroy(r->q.pool);
free_r:
	free(r);
	return rc;
}

static int make_tx(struct igb *g, unsigned int q)
{
	struct channel *ch = &g->channels[netdev_tx_channel(g->dev, q)]->ch;
	struct adv_tx_ring *t = alloc_line(sizeof(*t));
	int rc;

	if (!t)
		return unapi_fail(ENOMEM, "%s: no memory for transmit queue %u", g->dev->name, q);
	t->q.dev = g->dev;
	t->q.napi = &ch->napi;
	t->q.index = (uint16_t)q;
	t->q.route = igb_irq_route_tx;
	t->q.tx_only = !ch->nr_rx; /* receive queues were made before */
	t->max_len = IGB_MAX_FRAME;
	rc = adv_tx_setup(t, g->vfio, g->bar, g->dev->conf.txd, E1000_TDT(q));
	if (rc) {
		free(t);
		return rc;
	}
	ch->tx[ch->nr_tx++] = &t->q;
	g->tx[q] = t;
	g->dev->txq[q] = &t->q;
	return 0;
}

static int make_channels(struct igb *g, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct igb_channel *c = alloc_line(sizeof(*c));
		int rc;

		if (!c)
			return unapi_fail(ENOMEM, "%s: no memory for channel %u", g->dev->name, i);
		c->igb = g;
		c->polls_left = 1;
		rc = netif_napi_add_config(g->dev, &c->ch.napi, igb_poll, (int)i);
		if (rc) {
			free(c);
			return rc;
		}
		g->channels[i] = c;
		igb_irq_attach(c);
	}
	return 0;
}

int igb_queues_make(struct igb *g)
{
	const struct unapi_dev_conf *c = &g->dev->conf;
	int rc, vectors = igb_irq_vectors(g, netdev_channels_wanted(g->dev));

	rc = vectors < 0 ? vectors : netdev_lay_out(g->dev, (unsigned int)vectors);
	if (rc > 0)
		rc = make_channels(g, (unsigned int)rc);
	for (unsigned int q = 0; q < c->rxq && !rc; q++)
		rc = make_rx(g, q);
	for (unsigned int q = 0; q < c->txq && !rc; q++)
		rc = make_tx(g, q);
	if (rc)
		igb_queues_free(g);
	return rc;
}

void igb_queues_free(struct igb *g)
{
	for (unsigned int q = 0; q < NETDEV_MAX_QUEUES; q++) {
		if (g->rx[q]) {
			adv_rx_teardown(g->rx[q]);
			page_pool_destroy(g->rx[q]->q.pool);
			free(g->rx[q]);
			g->rx[q] = NULL;
		}
		if (g->tx[q]) {
			adv_tx_teardown(g->tx[q]);
			free(g->tx[q]);
			g->tx[q] = NULL;
		}
	}
	for (unsigned int i = NETDEV_MAX_NAPI; i-- > 0;) {
		if (!g->channels[i])
			continue;
		netif_napi_del(&g->channels[i]->ch.napi);
		free(g->channels[i]);
		g->channels[i] = NULL;
	}
}

static uint32_t thresholds(uint32_t prefetch, uint32_t host, uint32_t write_back)
{
	return prefetch << E1000_DCTL_PTHRESH_SHIFT | host << E1000_DCTL_HTHRESH_SHIFT |
	       write_back << E1000_DCTL_WTHRESH_SHIFT;
}

static int start_rx(struct igb *g, unsigned int q)
{
	struct adv_rx_ring *r = g->rx[q];
	uint32_t srrctl = PAGE_POOL_RX_SIZE / 1024 | E1000_SRRCTL_DESCTYPE_ADV_ONEBUF;
	int rc;

	/* Queue 0 may be on after reset. */
	igb_wr32(g, E1000_RXDCTL(q), 0);
	igb_wr32(g, E1000_RDBAL(q), (uint32_t)r->mem->iova);
	igb_wr32(g, E1000_RDBAH(q), (uint32_t)(r->mem->iova >> 32));
	igb_wr32(g, E1000_RDLEN(q), r->size * (uint32_t)sizeof(struct adv_desc));
	/* With several queues a full one drops its own packets rather than stopping the others. */
	if (g->dev->conf.rxq > 1)
		srrctl |= E1000_SRRCTL_DROP_EN;
	igb_wr32(g, E1000_SRRCTL(q), srrctl);
	igb_wr32(g, E1000_RDH(q), 0);
	igb_wr32(g, E1000_RDT(q), 0);
	/* WTHRESH 1: a descriptor is written back when its packet is complete (82576 with MSI-X, Linux
	 * igb.h). */
	igb_wr32(g, E1000_RXDCTL(q), thresholds(8, 8, 1) | E1000_RXDCTL_QUEUE_ENABLE);
	rc = igb_wait(g, E1000_RXDCTL(q), E1000_RXDCTL_QUEUE_ENABLE, E1000_RXDCTL_QUEUE_ENABLE, 10000);
	if (rc == -ETIMEDOUT)
		return unapi_fail(EIO, "%s: receive queue %u does not start", g->dev->name, q);
	return rc;
}

static int start_tx(struct igb *g, unsigned int q)
{
	struct adv_tx_ring *t = g->tx[q];
	int rc;

	igb_wr32(g, E1000_TXDCTL(q), 0);
	igb_wr32(g, E1000_TDBAL(q), (uint32_t)t->mem->iova);
	igb_wr32(g, E1000_TDBAH(q), (uint32_t)(t->mem->iova >> 32));
	igb_wr32(g, E1000_TDLEN(q), t->size * (uint32_t)sizeof(struct adv_desc));
	igb_wr32(g, E1000_TDWBAL(q), 0);
	igb_wr32(g, E1000_TDWBAH(q), 0);
	igb_wr32(g, E1000_TDH(q), 0);
	igb_wr32(g, E1000_TDT(q), 0);
	/* WTHRESH 0: RS decides what is written back, and so frees 31 of 32 descriptors of it
	 * (datasheet 7.2.3.3). */
	igb_wr32(g, E1000_TXDCTL(q), thresholds(8, 1, 0) | E1000_TXDCTL_QUEUE_ENABLE);
	rc = igb_wait(g, E1000_TXDCTL(q), E1000_TXDCTL_QUEUE_ENABLE, E1000_TXDCTL_QUEUE_ENABLE, 10000);
	if (rc == -ETIMEDOUT)
		return unapi_fail(EIO, "%s: transmit queue %u does not start", g->dev->name, q);
	return rc;
}

/* A queue that can be turned neither off nor on again: what is left is a stop and a start. */
static int give_up(struct igb *g, int rc)
{
	unapi_log(UNAPI_LOG_ERR, "%s: it receives nothing until the device is reset", unapi_reason());
	if (rc != -ENODEV)
		netdev_event(g->dev, UNAPI_DEV_ERROR);
	return rc;
}

/* One queue while the others run (datasheet 4.5.9.2): packets to it are dropped, and DMA under way ends
 * before the enable bit reads 0. */
static int rx_off(struct adv_rx_ring *r)
{
	struct igb *g = igb_of(r->q.dev);
	unsigned int q = r->q.index;
	int rc;

	igb_wr32(g, E1000_RXDCTL(q), 0);
	rc = igb_wait(g, E1000_RXDCTL(q), E1000_RXDCTL_QUEUE_ENABLE, 0, 10000);
	if (rc == -ETIMEDOUT)
		rc = unapi_fail(EIO, "%s: receive queue %u does not stop", g->dev->name, q);
	if (rc)
		return give_up(g, rc);
	igb_flush(g); /* as in igb_queues_stop() */
	return 0;
}

static int rx_on(struct adv_rx_ring *r)
{
	struct igb *g = igb_of(r->q.dev);
	int rc = start_rx(g, r->q.index);

	if (rc)
		return give_up(g, rc);
	igb_flush(g); /* likewise: the tail is for a queue that is on */
	return 0;
}

/* The instances are disabled, so that the control thread may touch their pools and rings; receive rings get
 * their buffers by the first poll, whose thread is the pool's owner. */
int igb_queues_start(struct igb *g)
{
	int rc = 0;

	for (unsigned int q = 0; q < g->dev->conf.txq && !rc; q++)
		rc = start_tx(g, q);
	for (unsigned int q = 0; q < g->dev->conf.rxq && !rc; q++) {
		g->rx[q]->off = rx_off;
		g->rx[q]->on = rx_on;
		rc = start_rx(g, q);
	}
	return rc;
}

static bool sending(const struct igb *g)
{
	for (unsigned int q = 0; q < g->dev->conf.txq; q++) {
		struct adv_tx_ring *t = g->tx[q];

		t->q.clean(&t->q);
		if (adv_tx_in_flight(t))
			return true;
	}
	return false;
}

#define DRAIN_NS (20 * NSEC_PER_MSEC)

void igb_queues_drain(struct igb *g)
{
	uint64_t deadline = unapi_clock_ns() + DRAIN_NS;

	if (!g->dev->link.up || netdev_is_removed(g->dev))
		return;
	while (sending(g) && unapi_clock_ns() < deadline)
		unapi_clock_sleep(50 * NSEC_PER_USEC);
}

void igb_queues_stop(struct igb *g)
{
	for (unsigned int q = 0; q < g->dev->conf.rxq; q++)
		igb_wr32(g, E1000_RXDCTL(q), 0);
	for (unsigned int q = 0; q < g->dev->conf.txq; q++)
		igb_wr32(g, E1000_TXDCTL(q), 0);
	/* DMA under way ends before the enable bit reads 0. */
	for (unsigned int q = 0; q < g->dev->conf.rxq; q++)
		igb_wait(g, E1000_RXDCTL(q), E1000_RXDCTL_QUEUE_ENABLE, 0, 10000);
	for (unsigned int q = 0; q < g->dev->conf.txq; q++)
		igb_wait(g, E1000_TXDCTL(q), E1000_TXDCTL_QUEUE_ENABLE, 0, 10000);
	/* A device that shares its queues' registers as plain memory has answered for itself only now. */
	igb_flush(g);
	for (unsigned int q = 0; q < g->dev->conf.rxq; q++)
		adv_rx_reset(g->rx[q]);
	for (unsigned int q = 0; q < g->dev->conf.txq; q++)
		adv_tx_reset(g->tx[q]);
}
