/* SPDX-License-Identifier: BSD-3-Clause */
/* Software GRO of a device: the switch, and what the scheduler has of it. */
#include "core/net/gro.h"
#include "core/base/clock.h"
#include "core/base/reason.h"
#include "core/net/netdev_impl.h"

#include <errno.h>

/* How long an owner may take to let go, as for other control calls. */
#define TIMEOUT_NS (5 * NSEC_PER_SEC)

static struct channel *channel_of(struct napi_struct *n)
{
	return container_of(n, struct channel, napi);
}

static bool held(struct napi_struct *n)
{
	const struct channel *ch = channel_of(n);
	unsigned int i;

	for (i = 0; i < ch->nr_rx; i++)
		if (gro_held(ch->rx[i]->gro))
			return true;
	return false;
}

static void flush(struct napi_struct *n, bool only_old)
{
	struct channel *ch = channel_of(n);
	bool delivered = false, fed = false;
	unsigned int i;

	for (i = 0; i < ch->nr_rx; i++)
		delivered |= gro_flush(ch->rx[i]->gro, only_old);
	if (likely(!delivered))
		return;
	/* The poll method may have made its last preparations for completing. The application has sent since,
	 * so say once more that its queues will rest; */
	netdev_sleep_produced(ch);
	/* and freed buffers, so poll again if a ring waits for some. */
	for (i = 0; i < ch->nr_rx; i++)
		fed |= page_pool_fed(ch->rx[i]->pool);
	if (unlikely(fed))
		napi_schedule(n);
}

static void flush_old(struct napi_struct *n)
{
	flush(n, true);
}

static void flush_all(struct napi_struct *n)
{
	flush(n, false);
}

static const struct unapi_gro_ops gro_ops = {
	.held = held,
	.flush_old = flush_old,
	.flush_all = flush_all,
};

/*
 * The poll method while GRO is on. An application that polls by itself completes nothing, so its polls
 * deliver as a completion would: all, or with a timeout what is old. Whether it is one is looked at before:
 * after the poll the instance may be somebody else's, but not if such an application has it.
 */
static int poll_and_flush(struct napi_struct *n, int budget)
{
	bool caller = READ_ONCE(n->state) & NAPIF(UNAPI_STATE_CALLER);
	int work = channel_of(n)->poll(n, budget);

	if (caller)
		flush(n, work >= budget || READ_ONCE(n->gro_flush_timeout));
	return work;
}

void netdev_gro_route(struct rx_queue *q)
{
	bool on = q->gro && q->dev->gro;

	q->rx_fn = on ? gro_rx : q->app_fn;
	q->rx_arg = on ? q->gro : q->app_arg;
}

/* With nobody polling and nothing held. */
static void apply(struct napi_struct *n, void *arg)
{
	struct channel *ch = channel_of(n);
	unsigned int i;

	for (i = 0; i < ch->nr_rx; i++) {
		gro_set_protocols(ch->rx[i]->gro, ch->dev->gro);
		netdev_gro_route(ch->rx[i]);
	}
	if (!ch->poll)
		ch->poll = n->poll;
	n->poll = ch->dev->gro ? poll_and_flush : ch->poll;
	n->gro = ch->dev->gro ? &gro_ops : NULL;
}

/* Instance after instance; when one cannot be had those before it go back. */
static int apply_all(struct net_device *dev, unsigned int before)
{
	unsigned int i, wanted = dev->gro;
	int rc = 0;

	for (i = 0; i < dev->nr_channels && !rc; i++)
		if (dev->channels[i]->nr_rx)
			rc = unapi_napi_pause(&dev->channels[i]->napi, apply, NULL, TIMEOUT_NS);
	if (!rc)
		return 0;
	WRITE_ONCE(dev->gro, before);
	if (rc == -ETIMEDOUT)
		i--; /* that one was not touched */
	while (i-- > 0)
		if (dev->channels[i]->nr_rx &&
		    unapi_napi_pause(&dev->channels[i]->napi, apply, NULL, TIMEOUT_NS))
			unapi_log(UNAPI_LOG_WARN, "%s; its GRO stays as it was asked for: %u", unapi_reason(),
				  wanted);
	return rc;
}

static int alloc_all(struct net_device *dev)
{
	struct rx_queue *q;
	unsigned int i;

	for (i = 0; i < dev->conf.rxq; i++) {
		q = dev->rxq[i];
		if (!q->gro)
			q->gro = gro_alloc(q, dev->conf.rx_meta);
		if (!q->gro)
			return unapi_fail(ENOMEM, "%s: no memory for GRO on receive queue %u", dev->name, i);
	}
	return 0;
}

int unapi_dev_set_gro(struct net_device *dev, unsigned int protocols)
{
	unsigned int before = dev->gro;
	int rc;

	if (protocols & ~(UNAPI_GRO_TCP | UNAPI_GRO_UDP))
		return unapi_fail(EINVAL, "%s: there are no GRO protocols 0x%x", dev->name, protocols);
	if (unapi_in_poll())
		return unapi_fail(EDEADLK, "%s: GRO cannot be set from within a poll method", dev->name);
	if (dev->state == NETDEV_OPENED || protocols == before) {
		WRITE_ONCE(dev->gro, protocols);
		return 0;
	}
	if (!dev->gro_room)
		return unapi_fail(EOPNOTSUPP,
				  "%s: its page pools have no room for what GRO holds; set GRO before "
				  "configuring, or configure with it",
				  dev->name);
	rc = alloc_all(dev);
	if (rc)
		return rc;
	WRITE_ONCE(dev->gro, protocols);
	return apply_all(dev, before);
}

unsigned int unapi_dev_gro(const struct net_device *dev)
{
	return READ_ONCE(dev->gro);
}

int netdev_gro_make(struct net_device *dev)
{
	int rc = dev->gro ? alloc_all(dev) : 0;

	return rc || !dev->gro ? rc : apply_all(dev, dev->gro);
}

void netdev_gro_free(struct net_device *dev)
{
	unsigned int i;

	for (i = 0; i < dev->nr_channels; i++)
		unapi_napi_set_gro(&dev->channels[i]->napi, NULL);
	for (i = 0; i < NETDEV_MAX_QUEUES; i++) {
		if (!dev->rxq[i])
			continue;
		gro_free(dev->rxq[i]->gro);
		dev->rxq[i]->gro = NULL;
	}
}
