/* SPDX-License-Identifier: BSD-3-Clause */
/* The igb driver's own structure, between its files. One file for each object: see doc/igb.md. */
#ifndef UNAPI_DRIVERS_IGB_H
#define UNAPI_DRIVERS_IGB_H

#include "core/net/netdev.h"
#include "drivers/common/adv_rx.h"
#include "drivers/common/adv_tx.h"
#include "drivers/igb/igb_regs.h"

/* The longest frame without jumbo frames: MTU 1500, Ethernet header, one VLAN tag; the CRC is stripped. */
#define IGB_MTU		 1500u
#define IGB_MAX_FRAME	 (IGB_MTU + 18u + 4u)

#define IGB_MIN_DESC	 32
#define IGB_OTHER_VECTOR 0 /* link and the rest; channel i has vector i + 1 */

enum igb_stat {
#define IGB_STAT(name, reg)   IGB_STAT_##reg,
#define IGB_STAT64(name, reg) IGB_STAT_##reg,
#include "drivers/igb/igb_stats.h"
	IGB_NR_STATS
};

/* A channel: an instance with its queues, and its bit in the interrupt registers. */
struct igb_channel {
	struct channel ch; /* first */
	struct igb *igb;
	uint32_t eims;	     /* its vector's bit in EIMS and its kin; 0 where one vector serves all */
	uint16_t rx_first;   /* the receive queue whose turn it is to be polled first */
	uint32_t polls_left; /* until transmit queues are looked at, if all use up their budget */
};

struct igb {
	struct net_device *dev;
	struct vfio_device *vfio;
	struct vfio_region *bar;
	bool shared_irq; /* MSI, INTx, or a single MSI-X vector: causes are in ICR and one vector serves all
			  */
	bool irq_tested;
	/* Guards ivar, tx_routed and shared_causes while queues run. */
	pthread_mutex_t route_lock;
	uint32_t ivar[E1000_IVAR_ROWS]; /* what the registers have: saves reading them */
	uint32_t tx_routed;		/* transmit queues whose cause is routed, a bit each */
	uint32_t shared_causes;		/* one vector for all: what may interrupt */
	uint32_t eims_all;		/* all channels and the other vector */
	struct unapi_source other_src;
	struct igb_channel *channels[NETDEV_MAX_NAPI];
	struct adv_rx_ring *rx[NETDEV_MAX_QUEUES];
	struct adv_tx_ring *tx[NETDEV_MAX_QUEUES];
	uint64_t stats[IGB_NR_STATS]; /* sums of what was read; under dev->stats_lock */
	uint64_t no_desc;	      /* RQDPC of all queues */
};

static inline struct igb *igb_of(struct net_device *dev)
{
	return netdev_priv(dev);
}

static inline uint32_t igb_rd32(struct igb *g, uint32_t reg)
{
	return vfio_read32(g->vfio, g->bar, reg);
}

static inline void igb_wr32(struct igb *g, uint32_t reg, uint32_t val)
{
	vfio_write32(g->vfio, g->bar, reg, val);
}

/* Make posted writes reach the device. */
static inline void igb_flush(struct igb *g)
{
	(void)igb_rd32(g, E1000_STATUS);
}

/* STATUS never reads all ones: if it does, the device is gone. True then, and known to all. */
bool igb_check_removed(struct igb *g);

/* Wait, at most @us microseconds, until (reg & mask) == want. 0, -ETIMEDOUT, -ENODEV. */
int igb_wait(struct igb *g, uint32_t reg, uint32_t mask, uint32_t want, unsigned int us);

/* hw.c: reset and identity */
int igb_hw_reset(struct igb *g);
int igb_hw_read_mac(struct igb *g);
void igb_hw_release(struct igb *g);

/* port.c: what belongs to all queues */
void igb_port_setup_rx(struct igb *g);
void igb_port_setup_tx(struct igb *g);
void igb_port_enable(struct igb *g, bool on);
int igb_port_set_promisc(struct net_device *dev, bool on);

/* queue.c */
int igb_queues_make(struct igb *g);
void igb_queues_free(struct igb *g);
int igb_queues_start(struct igb *g);
void igb_queues_stop(struct igb *g);
void igb_queues_drain(struct igb *g); /* wait a little for what is being sent */

/* irq.c */
unsigned int igb_irq_max_channels(const struct vfio_device *v);
int igb_irq_vectors(struct igb *g, unsigned int channels);
int igb_irq_setup(struct igb *g);
int igb_irq_watch(struct igb *g);
void igb_irq_unwatch(struct igb *g);
void igb_irq_enable(struct igb *g);
void igb_irq_mask_all(struct igb *g);
void igb_irq_unmask(struct igb_channel *c);
void igb_irq_attach(struct igb_channel *c); /* give the instance its vector */
void igb_irq_route_tx(struct unapi_txq *q, bool on);
int igb_irq_self_test(struct igb *g);

/* poll.c */
int igb_poll(struct napi_struct *n, int budget);

/* phy.c */
int igb_phy_setup(struct igb *g);
void igb_link_read(struct igb *g, struct unapi_link *link);
void igb_link_check(struct igb *g); /* tell of a change */

/* stats.c */
void igb_stats_update(struct net_device *dev);
void igb_stats_get(struct net_device *dev, struct unapi_dev_stats *st);
void igb_stats_xstats(struct net_device *dev, void (*put)(void *arg, const char *name, uint64_t v),
		      void *arg);
void igb_stats_clear(struct net_device *dev);

extern const struct net_driver igb_driver;

#endif
