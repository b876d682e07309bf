/* SPDX-License-Identifier: BSD-3-Clause */
/* The life cycle of a device: open, configure, start, stop, reset, close. */
#include "core/net/netdev_impl.h"
#include "core/net/endpoint.h"
#include "core/net/gro.h"
#include "core/base/clock.h"
#include "core/base/lines.h"
#include "core/base/reason.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_DESCS	   512
#define DEFAULT_BATCH	   32
#define MAX_BATCH	   512
#define DEFAULT_POOL_EXTRA 256

/* How long stop waits for a producer to leave a transmit queue; a burst takes microseconds. */
#define GATE_TIMEOUT_NS	   (5 * NSEC_PER_SEC)

static int refuse_in_poll(const struct net_device *dev, const char *what)
{
	if (!unapi_in_poll())
		return 0;
	return unapi_fail(EDEADLK, "%s: cannot %s from within a poll method, which it would wait for",
			  dev->name, what);
}

static int refuse_removed(const struct net_device *dev)
{
	return netdev_is_removed(dev) ? unapi_fail(ENODEV, "%s: the device is gone; close it", dev->name) : 0;
}

static const struct net_driver *find_driver(const struct vfio_device *v)
{
	unsigned int d, i;

	for (d = 0; net_drivers[d]; d++)
		for (i = 0; net_drivers[d]->ids[i].vendor; i++)
			if (net_drivers[d]->ids[i].vendor == v->vendor_id &&
			    net_drivers[d]->ids[i].device == v->device_id)
				return net_drivers[d];
	return NULL;
}

static int fail_no_driver(const struct vfio_device *v)
{
	char names[128] = "";
	size_t at = 0;
	unsigned int d;

	for (d = 0; net_drivers[d] && at < sizeof(names); d++)
		at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s", d ? ", " : "",
				       net_drivers[d]->name);
	return unapi_fail(ENODEV, "%s: no driver for PCI device %04x:%04x; this library drives: %s", v->name,
			  v->vendor_id, v->device_id, names);
}

int netdev_create(struct vfio_device *v, const struct net_driver *drv, struct net_device **out)
{
	struct net_device *dev;
	int rc;

	dev = zalloc_lines(sizeof(*dev) + drv->priv_size);
	if (!dev)
		return unapi_fail(ENOMEM, "%s: no memory for the device", v->name);
	snprintf(dev->name, sizeof(dev->name), "%s", v->name);
	dev->driver = drv;
	dev->ops = drv->ops;
	dev->vfio = v;
	netdev_napi_init(dev);
	netdev_stats_init(dev);
	rc = netdev_events_init(dev);
	if (!rc)
		rc = dev->ops->ndo_init(dev);
	if (rc) {
		netdev_events_exit(dev);
		netdev_stats_exit(dev);
		free(dev);
		return rc;
	}
	*out = dev;
	return 0;
}

int unapi_dev_open(const char *spec, struct net_device **out)
{
	const struct net_driver *drv;
	struct vfio_device *v;
	int rc;

	rc = vfio_open(spec, &v);
	if (rc)
		return rc;
	drv = find_driver(v);
	rc = drv ? netdev_create(v, drv, out) : fail_no_driver(v);
	if (rc)
		vfio_close(v);
	return rc;
}

/* Fill in the defaults and refuse what the device cannot do. */
static int check_conf(const struct net_device *dev, struct unapi_dev_conf *c)
{
	const char *n = dev->name;
	int rc = netdev_check_channels(dev, c);

	if (rc)
		return rc;
	c->rxd = c->rxd ? c->rxd : DEFAULT_DESCS;
	c->txd = c->txd ? c->txd : DEFAULT_DESCS;
	c->rx_batch = c->rx_batch ? c->rx_batch : DEFAULT_BATCH;
	c->pool_extra = c->pool_extra ? c->pool_extra : DEFAULT_POOL_EXTRA;

	if (!c->ctx || !c->nr_ctx)
		return unapi_fail(EINVAL, "%s: configure needs a context to run the queues on", n);
	if (c->rxq > dev->max_rxq || c->txq > dev->max_txq)
		return unapi_fail(ERANGE, "%s: %u rx and %u tx queues asked for; the device has %u and %u", n,
				  c->rxq, c->txq, dev->max_rxq, dev->max_txq);
	if (c->rxd < dev->min_desc || c->rxd > dev->max_desc || c->txd < dev->min_desc ||
	    c->txd > dev->max_desc)
		return unapi_fail(ERANGE,
				  "%s: rings of %u rx and %u tx descriptors asked for; it takes %u..%u", n,
				  c->rxd, c->txd, dev->min_desc, dev->max_desc);
	if (c->rxd % dev->desc_align || c->txd % dev->desc_align)
		return unapi_fail(
			EINVAL,
			"%s: rings of %u rx and %u tx descriptors asked for; multiples of %u it must be", n,
			c->rxd, c->txd, dev->desc_align);
	if (c->rx_batch < UNAPI_MAX_FRAGS || c->rx_batch > MAX_BATCH)
		return unapi_fail(ERANGE, "%s: an rx batch of %u records asked for; %d..%d are possible", n,
				  c->rx_batch, UNAPI_MAX_FRAGS, MAX_BATCH);
	if (c->pool_extra > UNAPI_BUF_MASK - c->rxd - c->txd - GRO_BUFFERS)
		return unapi_fail(ERANGE, "%s: %u extra buffers asked for; a pool holds %u in all", n,
				  c->pool_extra, UNAPI_BUF_MASK + 1);
	return 0;
}

/* The application's array of contexts need not outlive the call. */
static void adopt_conf(struct net_device *dev, const struct unapi_dev_conf *c)
{
	unsigned int i;

	dev->conf = *c;
	if (dev->conf.nr_ctx > ARRAY_SIZE(dev->owned_ctx))
		dev->conf.nr_ctx = ARRAY_SIZE(dev->owned_ctx); /* no instance has a higher number */
	for (i = 0; i < dev->conf.nr_ctx; i++)
		dev->owned_ctx[i] = c->ctx[i];
	dev->conf.ctx = dev->owned_ctx;
	dev->gro_room = c->gro || dev->gro;
}

uint32_t netdev_rx_buffers(const struct net_device *dev)
{
	const struct unapi_dev_conf *c = &dev->conf;

	return c->rxd + c->txd + c->pool_extra + (dev->gro_room ? GRO_BUFFERS : 0);
}

static void unconfigure(struct net_device *dev)
{
	unsigned int i;

	if (dev->state == NETDEV_OPENED)
		return;
	netdev_events_unwatch(dev);
	for (i = 0; i < NETDEV_MAX_QUEUES; i++)
		if (dev->rxq[i] && dev->rxq[i]->endpoint)
			endpoint_orphan(dev->rxq[i]->endpoint);
	for (i = 0; i < NETDEV_MAX_QUEUES; i++)
		if (dev->txq[i])
			unapi_txq_release(dev->txq[i]);
	netdev_gro_free(dev);
	dev->ops->ndo_unconfigure(dev);
	memset(dev->rxq, 0, sizeof(dev->rxq));
	memset(dev->txq, 0, sizeof(dev->txq));
	WRITE_ONCE(dev->state, NETDEV_OPENED);
}

int unapi_dev_configure(struct net_device *dev, const struct unapi_dev_conf *conf)
{
	struct unapi_dev_conf c = *conf;
	unsigned int i;
	int rc;

	rc = refuse_in_poll(dev, "configure");
	if (!rc)
		rc = refuse_removed(dev);
	if (!rc && dev->state == NETDEV_STARTED)
		rc = unapi_fail(EBUSY, "%s: stop it before configuring it", dev->name);
	if (!rc)
		rc = check_conf(dev, &c);
	if (rc)
		return rc;

	unconfigure(dev);
	adopt_conf(dev, &c);
	rc = dev->ops->ndo_configure(dev);
	if (rc) {
		memset(dev->rxq, 0, sizeof(dev->rxq));
		memset(dev->txq, 0, sizeof(dev->txq));
		return rc;
	}
	for (i = 0; i < c.rxq; i++)
		netdev_rxq_init(dev, dev->rxq[i], i);
	for (i = 0; i < c.txq; i++)
		netdev_txq_init(dev, dev->txq[i], i);
	netdev_stats_restart(dev);
	WRITE_ONCE(dev->state, NETDEV_CONFIGURED);
	rc = netdev_gro_make(dev);
	if (!rc)
		rc = netdev_events_watch(dev);
	if (rc)
		unconfigure(dev);
	else
		netdev_irq_affinity_restore(dev);
	return rc;
}

static void open_gates(struct net_device *dev)
{
	unsigned int i;

	for (i = 0; i < dev->conf.txq; i++)
		gate_open(&dev->txq[i]->gate);
	/* A removal in between found them shut already, and will not come again. */
	for (i = 0; i < dev->conf.txq && netdev_is_removed(dev); i++)
		WRITE_ONCE(dev->txq[i]->gate.open, false);
}

/* No producer is sending or cleaning when it returned 0, whatever thread or device it is of. */
static int shut_gates(struct net_device *dev)
{
	struct gate *gates[NETDEV_MAX_QUEUES];
	unsigned int i;
	int rc;

	for (i = 0; i < dev->conf.txq; i++)
		gates[i] = &dev->txq[i]->gate;
	rc = gates_shut(gates, i, GATE_TIMEOUT_NS);
	if (!rc)
		return 0;
	open_gates(dev);
	return unapi_fail(-rc, "%s: a thread stays inside a transmit burst", dev->name);
}

int unapi_dev_start(struct net_device *dev)
{
	unsigned int i;
	int rc;

	rc = refuse_in_poll(dev, "start");
	if (!rc)
		rc = refuse_removed(dev);
	if (rc)
		return rc;
	if (dev->state == NETDEV_OPENED)
		return unapi_fail(EINVAL, "%s: configure it before starting it", dev->name);
	if (dev->state == NETDEV_STARTED)
		return unapi_fail(EALREADY, "%s: it is started", dev->name);
	rc = netdev_tick_start(dev);
	if (rc)
		return rc;
	rc = dev->ops->ndo_open(dev);
	if (rc) {
		netdev_tick_stop(dev);
		return rc;
	}
	for (i = 0; i < dev->conf.txq; i++)
		WRITE_ONCE(dev->txq[i]->routed, dev->txq[i]->tx_only ? TXQ_ALWAYS : 0); /* as ndo_open */
	open_gates(dev);
	netdev_txqs_started(dev);
	WRITE_ONCE(dev->state, NETDEV_STARTED);
	return 0;
}

int unapi_dev_stop(struct net_device *dev)
{
	int rc;

	rc = refuse_in_poll(dev, "stop");
	if (rc || dev->state != NETDEV_STARTED)
		return rc;
	rc = shut_gates(dev);
	if (rc)
		return rc;
	rc = dev->ops->ndo_stop(dev);
	if (rc) {
		open_gates(dev);
		return rc;
	}
	netdev_tick_stop(dev);
	WRITE_ONCE(dev->state, NETDEV_CONFIGURED);
	return 0;
}

int unapi_dev_reset(struct net_device *dev)
{
	bool started = dev->state == NETDEV_STARTED;
	int rc;

	rc = refuse_in_poll(dev, "reset");
	if (!rc)
		rc = refuse_removed(dev);
	if (!rc)
		rc = unapi_dev_stop(dev);
	if (!rc)
		rc = dev->ops->ndo_reset(dev);
	if (!rc && started)
		rc = unapi_dev_start(dev);
	return rc;
}

int unapi_dev_close(struct net_device *dev)
{
	int rc;

	rc = refuse_in_poll(dev, "close");
	if (rc)
		return rc;
	/* Memory that a poll method works on cannot be taken away: wait for as long as it takes. */
	while (unapi_dev_stop(dev))
		unapi_log(UNAPI_LOG_WARN, "%s; closing goes on when it lets go", unapi_reason());
	unconfigure(dev);
	dev->ops->ndo_uninit(dev);
	netdev_events_exit(dev);
	vfio_close(dev->vfio);
	netdev_stats_exit(dev);
	free(dev);
	return 0;
}

static const char *irq_mode_name(enum vfio_irq_mode mode)
{
	switch (mode) {
	case VFIO_IRQ_INTX:
		return "INTx";
	case VFIO_IRQ_MSI:
		return "MSI";
	case VFIO_IRQ_MSIX:
		return "MSI-X";
	case VFIO_IRQ_NONE:
		break;
	}
	return "";
}

void unapi_dev_get_info(const struct net_device *dev, struct unapi_dev_info *info)
{
	const struct vfio_device *v = dev->vfio;
	bool configured = READ_ONCE(dev->state) != NETDEV_OPENED;

	*info = (struct unapi_dev_info){
		.vectors = v->nr_vectors,
		.automask = dev->automask,
		.latches = dev->latches,
		.vendor_id = v->vendor_id,
		.device_id = v->device_id,
		.numa_node = v->numa_node,
		.max_channels = dev->max_channels,
		.max_rxq = dev->max_rxq,
		.max_txq = dev->max_txq,
		.min_desc = dev->min_desc,
		.max_desc = dev->max_desc,
		.desc_align = dev->desc_align,
		.rxq = configured ? dev->conf.rxq : 0,
		.txq = configured ? dev->conf.txq : 0,
		.rxd = configured ? dev->conf.rxd : 0,
		.txd = configured ? dev->conf.txd : 0,
		.mtu = dev->mtu,
		.nr_napi = dev->nr_channels,
		.combined = configured ? dev->layout.combined : 0,
		.rx_only = configured ? dev->layout.rx_only : 0,
		.tx_only = configured ? dev->layout.tx_only : 0,
		.started = READ_ONCE(dev->state) == NETDEV_STARTED,
		.promisc = dev->promisc,
		.removed = netdev_is_removed(dev),
	};
	snprintf(info->name, sizeof(info->name), "%s", dev->name);
	snprintf(info->driver, sizeof(info->driver), "%s", dev->driver->name);
	snprintf(info->carrier, sizeof(info->carrier), "%s", v->carrier);
	snprintf(info->irq_mode, sizeof(info->irq_mode), "%s", irq_mode_name(v->irq_mode));
	memcpy(info->mac, dev->mac, sizeof(info->mac));
}

int unapi_dev_get_link(struct net_device *dev, struct unapi_link *link)
{
	int rc = refuse_removed(dev);

	return rc ? rc : dev->ops->ndo_get_link(dev, link);
}

int unapi_dev_set_promisc(struct net_device *dev, bool on)
{
	int rc = refuse_removed(dev);

	if (!rc)
		rc = dev->ops->ndo_set_promisc(dev, on);
	if (!rc)
		dev->promisc = on;
	return rc;
}
