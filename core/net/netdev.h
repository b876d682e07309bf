/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A network device, between the applications' interface (unapi/netdev.h) and a driver.
 *
 * core/net keeps the life cycle, the queue-to-instance mapping, ownership of transmit queues, statistics and
 * events; a driver fills struct net_device_ops and embeds struct rx_queue and struct tx_queue in its own.
 */
#ifndef UNAPI_CORE_NETDEV_H
#define UNAPI_CORE_NETDEV_H

#include "core/base/list.h"
#include "core/napi/napi.h"
#include "core/net/gate.h"
#include "core/net/page_pool.h"
#include "core/vfio/vfio.h"
#include <unapi/netdev.h>

#include <pthread.h>
#include <sched.h>

#define NETDEV_MAX_QUEUES 16
#define NETDEV_MAX_NAPI	  (2 * NETDEV_MAX_QUEUES) /* each queue may have an instance of its own */

struct net_device;

/* One receive queue. The driver's structure begins with it. */
struct rx_queue {
	struct net_device *dev;
	struct napi_struct *napi;
	struct page_pool *pool; /* of netdev_rx_buffers() */
	unapi_rx_fn rx_fn;	/* never NULL while started */
	void *rx_arg;
	uint16_t index;
	uint16_t batch;		      /* most records for one rx_fn call */
	struct unapi_rxq_stats stats; /* written by the instance's owner only, relaxed stores */
	/* Whose packets they are: rx_fn and rx_arg, unless these are software GRO's. */
	unapi_rx_fn app_fn;
	void *app_arg;
	struct gro *gro;		 /* NULL: it was not on since the queue was made */
	struct unapi_endpoint *endpoint; /* whose callback that is, NULL the application's */
};

/* Who may clean a transmit queue besides its producer. */
enum txq_rest {
	TXQ_AWAKE,    /* the producer cleans */
	TXQ_ASLEEP,   /* the queue's instance may clean */
	TXQ_CLEANING, /* the queue's instance is cleaning now */
};

/* Why a queue's cause is routed: bits. */
enum txq_routed {
	TXQ_STARVED = 1, /* a receive ring waits for buffers that are in flight */
	TXQ_STOPPED = 2, /* its producer waits for room */
	TXQ_ALWAYS = 4,	 /* its channel only transmits */
};

/*
 * One transmit queue. The driver's structure begins with it, zeroed, and sets @burst, @clean and @napi in
 * ndo_configure. Both are only ever called by one thread at a time, between ndo_open and ndo_stop, on a queue
 * that is awake (or CLEANING): core/net sees to that.
 */
struct unapi_txq {
	/* What everyone reads: other instances look at @rest in each of their polls. */
	unsigned int (*burst)(struct unapi_txq *q, struct unapi_pkt *pkts, unsigned int n);
	unsigned int (*clean)(struct unapi_txq *q); /* returns the buffers given back */
	/* Slots that are free; NULL: nobody can be told of room. Whoever owns the ring. */
	unsigned int (*room)(const struct unapi_txq *q);
	struct net_device *dev;
	struct napi_struct *napi; /* the instance that serves the queue's interrupt */
	/* The instance whose polls send on it; NULL: an application thread, or none. Under the claim lock. */
	struct napi_struct *producer;
	struct unapi_txq *next_produced; /* list of queues that the same instance produces for */
	uint32_t rest;			 /* enum txq_rest; __atomic only */
	uint16_t index;
	bool claimed;
	bool tx_only; /* its channel only transmits: the cause is always routed (driver, configure) */

	/* What the producer writes in each burst. */
	struct gate gate; /* the producer is inside while it sends or cleans; open while started */
	bool asleep; /* the producer's own note that it declared sleep: saves the busy path an atomic load */
	uint8_t routed; /* enum txq_routed: its cause is, if not 0; the producer's note */
	bool stopped;	/* a burst came short, and its producer is to be told of room; who owns the ring */
	struct unapi_txq_stats stats; /* written by the producer only, relaxed stores */

	/* Whom to tell of room; set by the producer, read by who owns the ring. */
	unapi_txq_wake_fn wake_fn;
	void *wake_arg;
	struct napi_struct *waiter; /* @producer, as it was when it stopped */
	/* Have the queue's instance scheduled when descriptors have been sent, or not. Any thread; NULL:
	 * cannot. */
	void (*route)(struct unapi_txq *q, bool on);
};

/*
 * One NAPI instance of a device with its queues: a "channel" in ethtool's words. The driver's structure may
 * embed it.
 */
struct channel {
	struct napi_struct napi;
	struct net_device *dev;
	uint16_t index;
	uint16_t vector; /* its MSI-X vector */
	uint16_t nr_rx, nr_tx;
	struct rx_queue *rx[NETDEV_MAX_QUEUES];
	struct unapi_txq *tx[NETDEV_MAX_QUEUES];
	struct unapi_txq *produced; /* transmit queues whose producer this instance is; see txq.c */
	napi_poll_fn poll;	    /* the driver's, while software GRO has taken its place */
	struct gate walk;	    /* whoever walks @produced is inside; open while the instance exists */
};

/* Channels by kind; they are numbered in this order. */
struct channel_layout {
	unsigned int combined, rx_only, tx_only;
};

struct net_device_ops {
	/* After vfio_open(): reset the device, read the MAC address, fill dev's limits, run the interrupt
	 * self-test (it may be put off to the first start). Leaves interrupts off. */
	int (*ndo_init)(struct net_device *dev);
	void (*ndo_uninit)(struct net_device *dev);
	/* Make rings, pools, channels and instances (netif_napi_add()) for dev->conf, all disabled, and set
	 * dev->rxq[] and dev->txq[]; and take them away (pools by page_pool_destroy(): buffers that the
	 * application still holds keep their memory). A failed ndo_configure leaves nothing behind. */
	int (*ndo_configure)(struct net_device *dev);
	void (*ndo_unconfigure)(struct net_device *dev);
	/* Bring the device up: rings filled, queues on, instances enabled, interrupts on; and down: instances
	 * disabled, queues off, every buffer given back. ndo_stop may answer -ETIMEDOUT and then leaves the
	 * device up. */
	int (*ndo_open)(struct net_device *dev);
	int (*ndo_stop)(struct net_device *dev);
	int (*ndo_reset)(struct net_device *dev); /* while stopped */
	int (*ndo_set_promisc)(struct net_device *dev, bool on);
	int (*ndo_get_link)(struct net_device *dev, struct unapi_link *link);
	/* Fold the device's clear-on-read counters into the driver's sums. Called with dev->stats_lock held.
	 */
	void (*ndo_update_stats)(struct net_device *dev);
	/* After ndo_update_stats: fill what the queues cannot know (rx_missed, rx_errors). */
	void (*ndo_get_stats)(struct net_device *dev, struct unapi_dev_stats *st);
	/* Call @put for each named hardware counter. Called with dev->stats_lock held, after
	 * ndo_update_stats. */
	void (*ndo_get_xstats)(struct net_device *dev, void (*put)(void *arg, const char *name, uint64_t v),
			       void *arg);
	void (*ndo_clear_stats)(struct net_device *dev);
};

struct net_device_id {
	uint16_t vendor, device;
};

struct net_driver {
	const char *name;
	const struct net_device_id *ids; /* ends with {0, 0} */
	size_t priv_size;
	const struct net_device_ops *ops;
};

/* The drivers this library was built with, ended by NULL (drivers/drivers.c). */
extern const struct net_driver *const net_drivers[];

enum netdev_state { NETDEV_OPENED, NETDEV_CONFIGURED, NETDEV_STARTED };

struct net_device {
	char name[64];
	const struct net_driver *driver;
	const struct net_device_ops *ops;
	struct vfio_device *vfio;
	enum netdev_state state; /* control thread only; relaxed loads elsewhere */
	bool removed;		 /* all ones were read, or the carrier said so; set once */
	bool promisc;
	bool automask, latches; /* what the self-test found */
	uint8_t mac[6];
	uint16_t mtu;
	unsigned int max_rxq, max_txq, min_desc, max_desc, desc_align;
	unsigned int max_channels;  /* vectors for them; 1: one vector serves everything */
	struct unapi_dev_conf conf; /* what is configured, defaults filled in; ctx points to owned_ctx */
	struct unapi_context *owned_ctx[NETDEV_MAX_NAPI + 1];
	struct channel_layout layout; /* configured */
	unsigned int nr_channels;
	struct channel *channels[NETDEV_MAX_NAPI]; /* in the order they were added */
	/* Their instances, the highest id first: the order in which the kernel tells of them. */
	struct list_head napi_list;
	/* Settings of the whole device, and what its instances left or will find by index. */
	uint64_t gro_flush_timeout;
	uint32_t napi_defer_hard_irqs;
	unsigned int gro; /* UNAPI_GRO_*: what software GRO merges */
	bool gro_room;	  /* the pools are made for it; set before ndo_configure */
	enum netdev_napi_threaded threaded;
	struct napi_config napi_config[NETDEV_MAX_NAPI];
	cpu_set_t irq_affinity[NETDEV_MAX_NAPI]; /* of each slot; empty: as the kernel places it */
	struct rx_queue *rxq[NETDEV_MAX_QUEUES];
	struct unapi_txq *txq[NETDEV_MAX_QUEUES];
	struct unapi_source slow_src[VFIO_MAX_SLOW_FDS];
	struct unapi_tick tick;
	pthread_mutex_t stats_lock; /* guards the driver's sums of clear-on-read counters */
	struct unapi_link link;	    /* as last reported; slow-path thread */
	/* Counters' values when they were cleared: queues' and instances' have one writer, who is not us.
	 * Under stats_lock. */
	struct unapi_rxq_stats rx_base[NETDEV_MAX_QUEUES];
	struct unapi_txq_stats tx_base[NETDEV_MAX_QUEUES];
	/* Events on their way to the application: bits of enum unapi_dev_event, then a write to event_src.fd.
	 */
	uint32_t events_pending, events_told;
	struct unapi_source event_src;
	pthread_mutex_t event_lock; /* guards event_fn and event_arg */
	unapi_dev_event_fn event_fn;
	void *event_arg;
	_Alignas(UNAPI_CACHELINE) uint8_t priv[]; /* the driver's, driver->priv_size bytes, zeroed */
};

/* What unapi_dev_open() does once the carrier has the device: also how a test brings a device of its own. The
 * device owns @v when it returned 0. */
int netdev_create(struct vfio_device *v, const struct net_driver *drv, struct net_device **out);

static inline void *netdev_priv(struct net_device *dev)
{
	return dev->priv;
}

/*
 * Channels, in ndo_configure: how many are wanted; how many there are, and of which kind, when there are
 * vectors for @vectors of them (-ENOSPC: that is too few for what was asked for); and which one serves
 * a queue.
 */
unsigned int netdev_channels_wanted(const struct net_device *dev);
int netdev_lay_out(struct net_device *dev, unsigned int vectors);
unsigned int netdev_rx_channel(const struct net_device *dev, unsigned int q);
unsigned int netdev_tx_channel(const struct net_device *dev, unsigned int q);

/*
 * netif_napi_add() and its kin - add an instance, which is the member of a struct channel, zeroed but for its
 * queues. It is born disabled, its home context chosen from dev->conf, named "<dev>-<number>".
 *
 * Without a slot it begins with the device's settings and gets another id each time it is enabled. With
 * _config it has slot @index of the device: settings and id outlive it, and are those of the next instance
 * that is added with this index. _tx is for instances that only transmit, which never have an id.
 *
 * -EEXIST: added already; -EINVAL: a weight below 1 (above NAPI_POLL_WEIGHT is logged, and kept), or before
 * the device was configured; -ERANGE: no such slot; -EBUSY: another instance has the slot; -ENOSPC: more than
 * NETDEV_MAX_NAPI. Kernel: net/core/dev.c netif_napi_add_weight(), netif_napi_add_config().
 */
int netif_napi_add_weight(struct net_device *dev, struct napi_struct *n, napi_poll_fn poll, int weight);
int netif_napi_add(struct net_device *dev, struct napi_struct *n, napi_poll_fn poll);
int netif_napi_add_tx(struct net_device *dev, struct napi_struct *n, napi_poll_fn poll);
int netif_napi_add_config(struct net_device *dev, struct napi_struct *n, napi_poll_fn poll, int index);
/* -EBUSY while enabled, -EINVAL not added, -EDEADLK from a poll method; nothing has changed then. */
int netif_napi_del(struct napi_struct *n);

/* Buffers that a receive queue's pool is made for: a full rx ring, a full tx ring in flight behind it, what
 * the application may hold, and what GRO may. */
uint32_t netdev_rx_buffers(const struct net_device *dev);

/* The driver tells what happened; any thread, poll methods too. The application hears of it on its slow
 * path's thread. A link that changes twice before that is told once, as it is in the end. */
void netdev_event(struct net_device *dev, enum unapi_dev_event ev);
/* All ones came back from a register that never reads so: mark the device removed, and tell so once. */
void netdev_removed(struct net_device *dev);
static inline bool netdev_is_removed(const struct net_device *dev)
{
	return READ_ONCE(dev->removed);
}

/*
 * What a poll method calls for transmit: clean the queues that this instance produces for, and those of the
 * channel whose producers sleep (or have none), whenever it polls; and, as its last act before
 * napi_complete_done(), declare sleep on the queues it produces for.
 */
void netdev_clean_produced(struct channel *ch);
void netdev_clean_sleeping(struct channel *ch);
void netdev_sleep_produced(struct channel *ch);
/*
 * A receive ring of this instance is short of buffers, or no longer: those in flight on the queues it
 * produces for come back when these are cleaned, so have the queues' instances do that as soon as something
 * has been sent.
 */
void netdev_route_produced(struct channel *ch, bool on);
/* Does this instance, which produces and does not sleep, wait for something to be sent? For devices that do
 * not interrupt for what came while the vector was masked. */
bool netdev_awaits_produced(struct channel *ch);
/* For drivers: a burst ends because the ring is full. Its last act, as the ring may be another's after it. */
void netif_tx_stop_queue(struct unapi_txq *q);
/* Withdraw a queue's sleep, waiting out a cleaner. Producer only; unapi_tx_burst() does it where needed. */
void txq_wake(struct unapi_txq *q);

/* A counter of one writer, read by others. */
static inline void stat_add(uint64_t *c, uint64_t n)
{
	counter_add(c, n);
}

#endif
