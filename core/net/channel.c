/* SPDX-License-Identifier: BSD-3-Clause */
/* Channels: which instance serves which queues. */
#include "core/net/netdev.h"
#include "core/net/netdev_impl.h"
#include "core/base/reason.h"

#include <errno.h>

struct napi_struct *unapi_dev_napi(struct net_device *dev, unsigned int i)
{
	return i < dev->nr_channels ? &dev->channels[i]->napi : NULL;
}

static struct rx_queue *rxq_of(const struct net_device *dev, unsigned int q)
{
	return q < NETDEV_MAX_QUEUES ? dev->rxq[q] : NULL;
}

struct unapi_txq *unapi_dev_txq(struct net_device *dev, unsigned int q)
{
	return q < NETDEV_MAX_QUEUES ? dev->txq[q] : NULL;
}

struct napi_struct *unapi_dev_rxq_napi(struct net_device *dev, unsigned int q)
{
	struct rx_queue *rxq = rxq_of(dev, q);

	return rxq ? rxq->napi : NULL;
}

struct napi_struct *unapi_dev_txq_napi(struct net_device *dev, unsigned int q)
{
	struct unapi_txq *txq = unapi_dev_txq(dev, q);

	return txq ? txq->napi : NULL;
}

struct page_pool *unapi_dev_rxq_pool(struct net_device *dev, unsigned int q)
{
	struct rx_queue *rxq = rxq_of(dev, q);

	return rxq ? rxq->pool : NULL;
}

static void rx_drop(void *arg, struct unapi_pkt *pkts, const struct unapi_rx_meta *meta, unsigned int n)
{
	unapi_pkt_free_bulk(pkts, n);
}

static void set_rx(struct rx_queue *rxq, unapi_rx_fn fn, void *arg)
{
	rxq->app_fn = fn ? fn : rx_drop;
	rxq->app_arg = arg;
	netdev_gro_route(rxq);
}

void netdev_rxq_init(struct net_device *dev, struct rx_queue *rxq, unsigned int index)
{
	rxq->dev = dev;
	rxq->index = (uint16_t)index;
	rxq->batch = (uint16_t)dev->conf.rx_batch;
	set_rx(rxq, NULL, NULL);
}

int unapi_dev_set_rx(struct net_device *dev, unsigned int q, unapi_rx_fn fn, void *arg)
{
	struct rx_queue *rxq = rxq_of(dev, q);

	if (!rxq)
		return unapi_fail(EINVAL, "%s: no receive queue %u (%u are configured)", dev->name, q,
				  dev->state == NETDEV_OPENED ? 0 : dev->conf.rxq);
	if (dev->state == NETDEV_STARTED)
		return unapi_fail(EBUSY, "%s: stop it before changing who receives from queue %u", dev->name,
				  q);
	if (rxq->endpoint)
		return unapi_fail(EBUSY, "%s: destroy the endpoint of queue %u before changing who receives",
				  dev->name, q);
	set_rx(rxq, fn, arg);
	return 0;
}
