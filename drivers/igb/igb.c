/* SPDX-License-Identifier: BSD-3-Clause */
/* The igb driver: which devices it is for, and their life cycle. */
#include "drivers/igb/igb.h"
#include "core/base/reason.h"

#include <errno.h>

static int igb_init(struct net_device *dev)
{
	struct igb *g = igb_of(dev);
	int rc;

	g->dev = dev;
	g->vfio = dev->vfio;
	g->bar = &dev->vfio->regions[VFIO_PCI_BAR0_REGION_INDEX];
	pthread_mutex_init(&g->route_lock, NULL);
	if (g->bar->size < E1000_BAR0_SIZE)
		return unapi_fail(EPROTO, "%s: BAR 0 has %llu bytes, an 82576 has %u", dev->name,
				  (unsigned long long)g->bar->size, E1000_BAR0_SIZE);
	dev->max_rxq = dev->max_txq = E1000_MAX_QUEUES;
	dev->max_channels = igb_irq_max_channels(g->vfio);
	dev->min_desc = IGB_MIN_DESC;
	dev->max_desc = E1000_RING_MAX;
	dev->desc_align = E1000_RING_ALIGN / sizeof(struct adv_desc);
	dev->mtu = IGB_MTU;
	rc = igb_hw_reset(g);
	if (!rc)
		rc = igb_hw_read_mac(g);
	if (!rc)
		rc = vfio_set_bus_master(dev->vfio, true);
	return rc;
}

static void igb_uninit(struct net_device *dev)
{
	struct igb *g = igb_of(dev);

	igb_hw_release(g);
	pthread_mutex_destroy(&g->route_lock);
}

static int igb_configure(struct net_device *dev)
{
	return igb_queues_make(igb_of(dev));
}

static void igb_unconfigure(struct net_device *dev)
{
	igb_queues_free(igb_of(dev));
}

static void disable_instances(struct igb *g, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		napi_disable(&g->channels[i]->ch.napi);
}

/* All or none: an owner that does not let go leaves the device as it was. */
static int try_disable(struct igb *g)
{
	for (unsigned int i = 0; i < g->dev->nr_channels; i++) {
		int rc = napi_disable(&g->channels[i]->ch.napi);

		if (!rc)
			continue;
		while (i-- > 0) {
			napi_enable(&g->channels[i]->ch.napi);
			napi_schedule(&g->channels[i]->ch.napi); /* what it missed meanwhile */
		}
		return rc;
	}
	return 0;
}

/* The first poll fills the rings: it runs on the thread that owns the pool. It then completes and unmasks. */
static int igb_open(struct net_device *dev)
{
	struct igb *g = igb_of(dev);
	unsigned int i;
	int rc;

	igb_port_setup_rx(g);
	igb_port_setup_tx(g);
	rc = igb_irq_setup(g);
	if (!rc)
		rc = igb_irq_self_test(g);
	if (!rc)
		rc = igb_queues_start(g);
	if (!rc)
		rc = igb_irq_watch(g);
	if (rc)
		goto stop;
	for (i = 0; i < dev->nr_channels; i++) {
		rc = napi_enable(&g->channels[i]->ch.napi);
		if (rc) {
			disable_instances(g, i);
			goto unwatch;
		}
	}
	igb_port_enable(g, true);
	rc = igb_phy_setup(g);
	if (rc) {
		disable_instances(g, i);
		goto unwatch;
	}
	igb_irq_enable(g);
	for (i = 0; i < dev->nr_channels; i++)
		napi_schedule(&g->channels[i]->ch.napi);
	/* A link that has been up all the time changes nothing that would interrupt: have its handler look.
	 */
	igb_wr32(g, E1000_ICS, E1000_ICR_LSC);
	return 0;

unwatch:
	igb_irq_unwatch(g);
stop:
	igb_port_enable(g, false);
	igb_irq_mask_all(g);
	igb_queues_stop(g);
	return rc;
}

static int igb_stop(struct net_device *dev)
{
	struct igb *g = igb_of(dev);
	int rc = try_disable(g);

	if (rc)
		return rc;
	igb_irq_mask_all(g);
	igb_irq_unwatch(g);
	igb_wr32(g, E1000_RCTL, 0);
	igb_queues_drain(g);
	igb_port_enable(g, false);
	igb_queues_stop(g);
	dev->link = (struct unapi_link){0};
	return 0;
}

static int igb_reset(struct net_device *dev)
{
	/* A reset clears the device's counters. */
	pthread_mutex_lock(&dev->stats_lock);
	igb_stats_update(dev);
	pthread_mutex_unlock(&dev->stats_lock);
	return igb_hw_reset(igb_of(dev));
}

static int igb_get_link(struct net_device *dev, struct unapi_link *link)
{
	igb_link_read(igb_of(dev), link);
	return 0;
}

static const struct net_device_ops igb_ops = {
	.ndo_init = igb_init,
	.ndo_uninit = igb_uninit,
	.ndo_configure = igb_configure,
	.ndo_unconfigure = igb_unconfigure,
	.ndo_open = igb_open,
	.ndo_stop = igb_stop,
	.ndo_reset = igb_reset,
	.ndo_set_promisc = igb_port_set_promisc,
	.ndo_get_link = igb_get_link,
	.ndo_update_stats = igb_stats_update,
	.ndo_get_stats = igb_stats_get,
	.ndo_get_xstats = igb_stats_xstats,
	.ndo_clear_stats = igb_stats_clear,
};

/* The 82576 with its copper PHY: fiber and SerDes ones need a link set-up of their own; the i350, i210 and
 * 82580 order IVAR otherwise. */
static const struct net_device_id igb_ids[] = {
	{E1000_VENDOR_INTEL, E1000_DEV_ID_82576},
	{E1000_VENDOR_INTEL, E1000_DEV_ID_82576_QUAD_COPPER},
	{E1000_VENDOR_INTEL, E1000_DEV_ID_82576_NS},
	{E1000_VENDOR_INTEL, E1000_DEV_ID_82576_QUAD_ET2},
	{0, 0},
};

const struct net_driver igb_driver = {
	.name = "igb",
	.ids = igb_ids,
	.priv_size = sizeof(struct igb),
	.ops = &igb_ops,
};
