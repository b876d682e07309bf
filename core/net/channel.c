/* SPDX-License-Identifier: BSD-3-Clause */
/* Channels: which instance serves which queues, and where it lives. */
#include "core/net/netdev.h"
#include "core/net/netdev_impl.h"
#include "core/base/reason.h"

#include <errno.h>
#include <stdio.h>

int netif_napi_add(struct net_device *dev, struct channel *ch, napi_poll_fn poll)
{
	unsigned int i = dev->nr_channels;
	char name[sizeof(ch->napi.name)];
	int rc;

	if (i == NETDEV_MAX_QUEUES)
		return unapi_fail(ENOSPC, "%s: more than %d NAPI instances", dev->name, NETDEV_MAX_QUEUES);
	/* A long device string keeps its end: the number is what tells instances apart. */
	snprintf(name, sizeof(name), "%.*s-%u", (int)sizeof(name) - 5, dev->name, i);
	rc = unapi_napi_add(&ch->napi, dev->conf.ctx[i % dev->conf.nr_ctx], name, poll, NAPI_POLL_WEIGHT);
	if (rc)
		return unapi_fail_at(rc, "%s: NAPI instance %u", dev->name, i);
	unapi_napi_set_tick_context(&ch->napi, dev->conf.ctx[0]); /* where stats.c ticks */
	ch->dev = dev;
	ch->index = (uint16_t)i;
	ch->produced = NULL;
	gate_init(&ch->walk);
	gate_open(&ch->walk);
	dev->channels[i] = ch;
	dev->nr_channels++;
	return 0;
}

int netif_napi_del(struct channel *ch)
{
	struct net_device *dev = ch->dev;
	unsigned int i;
	int rc;

	netdev_release_produced(ch);
	rc = unapi_napi_del(&ch->napi);
	if (rc)
		return rc;
	for (i = ch->index; i + 1 < dev->nr_channels; i++) {
		dev->channels[i] = dev->channels[i + 1];
		dev->channels[i]->index = (uint16_t)i;
	}
	dev->channels[--dev->nr_channels] = NULL;
	return 0;
}

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
	rxq->rx_fn = fn ? fn : rx_drop;
	rxq->rx_arg = arg;
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
	set_rx(rxq, fn, arg);
	return 0;
}
