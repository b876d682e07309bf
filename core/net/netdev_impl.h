/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of core/net share of a device and drivers do not need. */
#ifndef UNAPI_CORE_NETDEV_IMPL_H
#define UNAPI_CORE_NETDEV_IMPL_H

#include "core/net/netdev.h"

/* channel.c, txq.c: a queue as ndo_configure left it gets what is core/net's. */
void netdev_rxq_init(struct net_device *dev, struct rx_queue *rxq, unsigned int index);
void netdev_txq_init(struct net_device *dev, struct unapi_txq *q, unsigned int index);
/* The instance goes away: whatever it produces for has no producer any more. */
void netdev_release_produced(struct channel *ch);

/* The device is started: whoever waited for room has it. */
void netdev_txqs_started(struct net_device *dev);

/* layout.c: fill in the numbers of queues, and refuse channels that cannot be. */
int netdev_check_channels(const struct net_device *dev, struct unapi_dev_conf *c);

/* gro_dev.c: the queues are new; they go away. */
int netdev_gro_make(struct net_device *dev);
void netdev_gro_free(struct net_device *dev);
/* Give @rxq the callback that is in force. While nobody polls its instance. */
void netdev_gro_route(struct rx_queue *rxq);

/* dev_napi.c */
void netdev_napi_init(struct net_device *dev);

/* napi_irq.c: after the vectors were enabled, send each where its slot says. */
void netdev_irq_affinity_restore(struct net_device *dev);

/* event.c: the slow path. Between watch and unwatch, ctx[0] looks at the device's slow descriptors. */
int netdev_events_init(struct net_device *dev);
int netdev_events_watch(struct net_device *dev);
void netdev_events_unwatch(struct net_device *dev);
void netdev_events_exit(struct net_device *dev);

/* stats.c */
void netdev_stats_init(struct net_device *dev);
void netdev_stats_exit(struct net_device *dev);
/* The queues are new: nothing was counted yet. */
void netdev_stats_restart(struct net_device *dev);
int netdev_tick_start(struct net_device *dev);
void netdev_tick_stop(struct net_device *dev);

#endif
