/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Statistics of a device. Queues count with plain stores of their one writer; reading adds up. Clearing
 * stores nothing into a queue, it remembers what the counters were.
 */
#include "core/net/netdev_impl.h"
#include "core/base/reason.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void netdev_stats_init(struct net_device *dev)
{
	pthread_mutex_init(&dev->stats_lock, NULL);
}

void netdev_stats_exit(struct net_device *dev)
{
	pthread_mutex_destroy(&dev->stats_lock);
}

void netdev_stats_restart(struct net_device *dev)
{
	pthread_mutex_lock(&dev->stats_lock);
	memset(dev->rx_base, 0, sizeof(dev->rx_base));
	memset(dev->tx_base, 0, sizeof(dev->tx_base));
	pthread_mutex_unlock(&dev->stats_lock);
}

/* Under stats_lock. A device that is gone reads all ones: its sums stay as they were. */
static void refresh(struct net_device *dev)
{
	if (!netdev_is_removed(dev))
		dev->ops->ndo_update_stats(dev);
}

/* The counters of the device are narrow or clear when read: fold them while packets move. */
static void tick(struct unapi_tick *t)
{
	struct net_device *dev = t->arg;

	pthread_mutex_lock(&dev->stats_lock);
	refresh(dev);
	pthread_mutex_unlock(&dev->stats_lock);
}

int netdev_tick_start(struct net_device *dev)
{
	int rc;

	dev->tick = (struct unapi_tick){.fn = tick, .arg = dev};
	rc = unapi_context_add_tick(dev->conf.ctx[0], &dev->tick);
	return rc ? unapi_fail_at(rc, "%s: housekeeping tick", dev->name) : 0;
}

void netdev_tick_stop(struct net_device *dev)
{
	unapi_context_del_tick(&dev->tick);
}

static void load_rxq(const struct rx_queue *q, struct unapi_rxq_stats *st)
{
	*st = (struct unapi_rxq_stats){
		.packets = READ_ONCE(q->stats.packets),
		.bytes = READ_ONCE(q->stats.bytes),
		.alloc_fail = READ_ONCE(q->stats.alloc_fail),
		.errors = READ_ONCE(q->stats.errors),
		.too_many_frags = READ_ONCE(q->stats.too_many_frags),
		.gro_packets = READ_ONCE(q->stats.gro_packets),
		.gro_wire_packets = READ_ONCE(q->stats.gro_wire_packets),
		.restarts = READ_ONCE(q->stats.restarts),
		.endpoint_drops = READ_ONCE(q->stats.endpoint_drops),
	};
}

static void load_txq(const struct unapi_txq *q, struct unapi_txq_stats *st)
{
	*st = (struct unapi_txq_stats){
		.packets = READ_ONCE(q->stats.packets),
		.bytes = READ_ONCE(q->stats.bytes),
		.errors = READ_ONCE(q->stats.errors),
		.stop = READ_ONCE(q->stats.stop),
		.wake = READ_ONCE(q->stats.wake),
		.gso_refused = READ_ONCE(q->stats.gso_refused),
	};
}

/* Both under stats_lock. */
static void rxq_since_clear(const struct net_device *dev, unsigned int q, struct unapi_rxq_stats *st)
{
	const struct unapi_rxq_stats *base = &dev->rx_base[q];

	load_rxq(dev->rxq[q], st);
	st->packets -= base->packets;
	st->bytes -= base->bytes;
	st->alloc_fail -= base->alloc_fail;
	st->errors -= base->errors;
	st->too_many_frags -= base->too_many_frags;
	st->gro_packets -= base->gro_packets;
	st->gro_wire_packets -= base->gro_wire_packets;
	st->restarts -= base->restarts;
	st->endpoint_drops -= base->endpoint_drops;
}

static void txq_since_clear(const struct net_device *dev, unsigned int q, struct unapi_txq_stats *st)
{
	const struct unapi_txq_stats *base = &dev->tx_base[q];

	load_txq(dev->txq[q], st);
	st->packets -= base->packets;
	st->bytes -= base->bytes;
	st->errors -= base->errors;
	st->stop -= base->stop;
	st->wake -= base->wake;
	st->gso_refused -= base->gso_refused;
}

int unapi_dev_get_rxq_stats(struct net_device *dev, unsigned int q, struct unapi_rxq_stats *st)
{
	if (q >= NETDEV_MAX_QUEUES || !dev->rxq[q])
		return unapi_fail(EINVAL, "%s: no receive queue %u", dev->name, q);
	pthread_mutex_lock(&dev->stats_lock);
	rxq_since_clear(dev, q, st);
	pthread_mutex_unlock(&dev->stats_lock);
	return 0;
}

int unapi_dev_get_txq_stats(struct net_device *dev, unsigned int q, struct unapi_txq_stats *st)
{
	if (q >= NETDEV_MAX_QUEUES || !dev->txq[q])
		return unapi_fail(EINVAL, "%s: no transmit queue %u", dev->name, q);
	pthread_mutex_lock(&dev->stats_lock);
	txq_since_clear(dev, q, st);
	pthread_mutex_unlock(&dev->stats_lock);
	return 0;
}

/* Under stats_lock, after refresh(). */
static void sum_up(struct net_device *dev, struct unapi_dev_stats *st)
{
	struct unapi_rxq_stats rx;
	struct unapi_txq_stats tx;
	unsigned int i;

	memset(st, 0, sizeof(*st));
	dev->ops->ndo_get_stats(dev, st);
	for (i = 0; i < NETDEV_MAX_QUEUES; i++) {
		if (dev->rxq[i]) {
			rxq_since_clear(dev, i, &rx);
			st->rx_packets += rx.packets;
			st->rx_bytes += rx.bytes;
			st->rx_alloc_fail += rx.alloc_fail;
			st->rx_errors += rx.errors + rx.too_many_frags;
		}
		if (dev->txq[i]) {
			txq_since_clear(dev, i, &tx);
			st->tx_packets += tx.packets;
			st->tx_bytes += tx.bytes;
			st->tx_errors += tx.errors;
		}
	}
}

void unapi_dev_get_stats(struct net_device *dev, struct unapi_dev_stats *st)
{
	pthread_mutex_lock(&dev->stats_lock);
	refresh(dev);
	sum_up(dev, st);
	pthread_mutex_unlock(&dev->stats_lock);
}

void unapi_dev_clear_stats(struct net_device *dev)
{
	unsigned int i;

	pthread_mutex_lock(&dev->stats_lock);
	refresh(dev); /* what the device has counted until now must not turn up later */
	dev->ops->ndo_clear_stats(dev);
	for (i = 0; i < NETDEV_MAX_QUEUES; i++) {
		if (dev->rxq[i])
			load_rxq(dev->rxq[i], &dev->rx_base[i]);
		if (dev->txq[i])
			load_txq(dev->txq[i], &dev->tx_base[i]);
	}
	pthread_mutex_unlock(&dev->stats_lock);
	for (i = 0; i < dev->nr_channels; i++)
		unapi_napi_clear_stats(&dev->channels[i]->napi);
}

struct xstat_list {
	struct unapi_xstat *x;
	unsigned int room, n;
};

static void put(struct xstat_list *l, uint64_t value, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void put(struct xstat_list *l, uint64_t value, const char *fmt, ...)
{
	va_list ap;

	if (l->n < l->room) {
		va_start(ap, fmt);
		vsnprintf(l->x[l->n].name, sizeof(l->x[l->n].name), fmt, ap);
		va_end(ap);
		l->x[l->n].value = value;
	}
	l->n++;
}

static void put_hardware(void *arg, const char *name, uint64_t value)
{
	put(arg, value, "%s", name);
}

/* The names of DPDK's generic statistics, which people's scripts look for. */
static void put_device(struct xstat_list *l, const struct unapi_dev_stats *st)
{
	put(l, st->rx_packets, "rx_good_packets");
	put(l, st->tx_packets, "tx_good_packets");
	put(l, st->rx_bytes, "rx_good_bytes");
	put(l, st->tx_bytes, "tx_good_bytes");
	put(l, st->rx_missed, "rx_missed_errors");
	put(l, st->rx_errors, "rx_errors");
	put(l, st->tx_errors, "tx_errors");
	put(l, st->rx_alloc_fail, "rx_mbuf_allocation_errors");
}

/* The names under which the kernel's drivers show a pool through ethtool. */
static void put_pool(struct xstat_list *l, unsigned int q, const struct page_pool *pool)
{
	struct unapi_page_pool_stats pp;

	unapi_page_pool_get_stats(pool, &pp);
	put(l, pp.alloc_fast, "rx_q%u_pp_alloc_fast", q);
	put(l, pp.alloc_slow, "rx_q%u_pp_alloc_slow", q);
	put(l, pp.alloc_slow_high_order, "rx_q%u_pp_alloc_slow_ho", q);
	put(l, pp.alloc_empty, "rx_q%u_pp_alloc_empty", q);
	put(l, pp.alloc_refill, "rx_q%u_pp_alloc_refill", q);
	put(l, pp.alloc_waive, "rx_q%u_pp_alloc_waive", q);
	put(l, pp.recycle_cached, "rx_q%u_pp_recycle_cached", q);
	put(l, pp.recycle_cache_full, "rx_q%u_pp_recycle_cache_full", q);
	put(l, pp.recycle_ring, "rx_q%u_pp_recycle_ring", q);
	put(l, pp.recycle_ring_full, "rx_q%u_pp_recycle_ring_full", q);
	put(l, pp.recycle_released_refcnt, "rx_q%u_pp_recycle_released_ref", q);
}

static void put_queues(struct xstat_list *l, const struct net_device *dev)
{
	struct unapi_rxq_stats rx;
	struct unapi_txq_stats tx;
	unsigned int i;

	for (i = 0; i < NETDEV_MAX_QUEUES && dev->rxq[i]; i++) {
		rxq_since_clear(dev, i, &rx);
		put(l, rx.packets, "rx_q%u_packets", i);
		put(l, rx.bytes, "rx_q%u_bytes", i);
		put(l, rx.errors, "rx_q%u_errors", i);
		put(l, rx.too_many_frags, "rx_q%u_too_many_frags", i);
		put(l, rx.restarts, "rx_q%u_restarts", i);
		put(l, rx.alloc_fail, "rx_q%u_alloc_fail", i);
		put(l, rx.gro_packets, "rx_q%u_gro_packets", i);
		put(l, rx.gro_wire_packets, "rx_q%u_gro_wire_packets", i);
		put(l, rx.endpoint_drops, "rx_q%u_endpoint_drops", i);
		put_pool(l, i, dev->rxq[i]->pool);
	}
	for (i = 0; i < NETDEV_MAX_QUEUES && dev->txq[i]; i++) {
		txq_since_clear(dev, i, &tx);
		put(l, tx.packets, "tx_q%u_packets", i);
		put(l, tx.bytes, "tx_q%u_bytes", i);
		put(l, tx.errors, "tx_q%u_errors", i);
		put(l, tx.stop, "tx_q%u_stop", i);
		put(l, tx.wake, "tx_q%u_wake", i);
		put(l, tx.gso_refused, "tx_q%u_gso_refused", i);
	}
}

int unapi_dev_get_xstats(struct net_device *dev, struct unapi_xstat *x, unsigned int n)
{
	struct xstat_list l = {.x = x, .room = n};
	struct unapi_dev_stats st;

	pthread_mutex_lock(&dev->stats_lock);
	refresh(dev);
	sum_up(dev, &st);
	put_device(&l, &st);
	put_queues(&l, dev);
	dev->ops->ndo_get_xstats(dev, put_hardware, &l);
	pthread_mutex_unlock(&dev->stats_lock);
	return (int)l.n;
}
