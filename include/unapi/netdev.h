/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Network devices.
 *
 * open -> configure -> start -> (traffic) -> stop -> close. Control calls for one device are made by one
 * thread at a time and may sleep. Packets arrive by a callback in poll context; they leave by
 * unapi_tx_burst().
 */
#ifndef UNAPI_NETDEV_H
#define UNAPI_NETDEV_H

#include <unapi/context.h>
#include <unapi/napi.h>
#include <unapi/packet.h>
#include <unapi/page_pool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct net_device;
struct unapi_txq;

/**
 * unapi_dev_open() - take a NIC over
 * @spec: "0000:03:00.0", a function bound to vfio-pci; "vfio-user:/path", a vfio-user server's socket;
 *        "sim:igb[,key=value...]", the embedded simulated NIC (keys: unapi-simnic(1))
 *
 * The device is reset and its MAC address read; nothing runs yet. -EINVAL a malformed string, -ENODEV no such
 * device or no driver for it, -EBUSY in use, -EACCES/-EPERM, -ENOTSUP, -ENOMEM (locked-memory limit), -EPROTO
 * a misbehaving server.
 */
UNAPI_API int unapi_dev_open(const char *spec, struct net_device **out);

/**
 * unapi_dev_close() - stop if started, and give everything back. The pointer is invalid after it
 *
 * Never fails; -EDEADLK from a poll method (nothing done). Packets the application still holds stay valid:
 * their buffers' memory is freed when the last of them is.
 */
UNAPI_API int unapi_dev_close(struct net_device *dev);

struct unapi_dev_conf {
	unsigned int rxq, txq; /* queues; 0: 1, or as many as channels take */
	/*
	 * Channels, counted as ethtool -L does: each has an interrupt vector and an instance of its own.
	 * @combined ones serve receive and transmit queues, the others queues of one kind alone. All 0: one
	 * for each pair of queues and each queue without a partner, and fewer, which queues share, if the
	 * device has not so many vectors.
	 *
	 * Instances are numbered combined first, then rx_only, then tx_only. Receive queue q is served by
	 * number q mod (combined + rx_only) of those that receive, transmit queue q likewise: so more queues
	 * than channels share instances in turn (rxq = txq = 4, combined = 2: instance 0 has the even
	 * ones). A device with a single vector (MSI, INTx) has one combined channel, whatever is asked for.
	 */
	unsigned int combined, rx_only, tx_only;
	unsigned int rxd,
		txd; /* descriptors a ring; 0: 512. A multiple of 8 within unapi_dev_info's limits */
	unsigned int rx_batch; /* most records one rx callback gets; 0: 32; at least UNAPI_MAX_FRAGS, at most
				  512 */
	unsigned int pool_extra; /* buffers a pool has beyond full rx and tx rings; 0: 256 */
	bool rx_meta;		 /* fill unapi_rx_meta */
	bool gro; /* unapi_dev_set_gro() may be called later: give the pools room for what GRO holds */
	/* Home contexts: instance i gets ctx[i % nr_ctx]; the device's slow path goes to ctx[0]. At least
	 * one. */
	struct unapi_context **ctx;
	unsigned int nr_ctx;
};

/**
 * unapi_dev_configure() - set queues up, while stopped
 *
 * -EBUSY started; -EINVAL/-ERANGE out of limits (fewer queues than channels, or more channels than the device
 * has vectors, too); -ENOSPC the system has not so many vectors left; -ENOMEM.
 */
UNAPI_API int unapi_dev_configure(struct net_device *dev, const struct unapi_dev_conf *conf);

/** unapi_dev_start() - enable queues, interrupts and instances. -EINVAL not configured, -EALREADY, -ENODEV
 * gone */
UNAPI_API int unapi_dev_start(struct net_device *dev);

/** unapi_dev_stop() - no callback of this device runs after it returned. -EDEADLK from a poll method;
 * -ETIMEDOUT if an owner does not let go (the device then goes on as before) */
UNAPI_API int unapi_dev_stop(struct net_device *dev);

/** unapi_dev_reset() - stop, reset the hardware, and start again if it was started. Configuration is kept */
UNAPI_API int unapi_dev_reset(struct net_device *dev);

/**
 * unapi_rx_fn - packets have come
 * @pkts: @n records, whole packets, now the callee's; @meta: as many, or NULL when off
 *
 * On the thread that polls the queue's instance. The arrays are the driver's, valid during the call only; the
 * callee may change the records. It must send, keep (by copying the records) or free every one.
 */
typedef void (*unapi_rx_fn)(void *arg, struct unapi_pkt *pkts, const struct unapi_rx_meta *meta,
			    unsigned int n);

/** unapi_dev_set_rx() - who gets queue @q's packets; NULL: they are freed. -EBUSY while started, or while it
 * has an endpoint; -EINVAL no such queue */
UNAPI_API int unapi_dev_set_rx(struct net_device *dev, unsigned int q, unapi_rx_fn fn, void *arg);

/* What software GRO merges. */
#define UNAPI_GRO_TCP 1u
#define UNAPI_GRO_UDP 2u

/**
 * unapi_dev_set_gro() - merge consecutive received segments of a flow into super-packets (unapi/packet.h)
 * @protocols: UNAPI_GRO_TCP | UNAPI_GRO_UDP; 0, as in the beginning: deliver packets as they come
 *
 * At any time, under traffic too: each instance is taken from whoever polls it, delivers what it holds, and
 * goes on. What is held is delivered at the end of a poll, or, with gro_flush_timeout, when that has passed;
 * it keeps its place among the packets of its flow. Kept over stop and start; over configure if the pools get
 * room for it, which they do if it is on then, or if unapi_dev_conf.gro says so.
 * -EINVAL no such protocol; -EOPNOTSUPP the pools have no room; -EDEADLK from a poll method; -ETIMEDOUT an
 * owner did not let go (nothing has changed then).
 */
UNAPI_API int unapi_dev_set_gro(struct net_device *dev, unsigned int protocols);
/** unapi_dev_gro() - what was set */
UNAPI_API unsigned int unapi_dev_gro(const struct net_device *dev);

/** unapi_dev_txq() - transmit queue @q, valid until the next configure or close; NULL if there is none */
UNAPI_API struct unapi_txq *unapi_dev_txq(struct net_device *dev, unsigned int q);

/**
 * unapi_txq_claim() - become the queue's only producer
 * @producer: the instance whose rx callbacks will call unapi_tx_burst(); it also cleans the queue when it
 * polls, and puts it to sleep when it completes. NULL: an application thread, which calls unapi_txq_sleep()
 * itself
 *
 * -EBUSY: it has a producer. A claim outlives stop and start; it ends by unapi_txq_release(), and by
 * configure or close of the queue's device or of the producer's.
 */
UNAPI_API int unapi_txq_claim(struct unapi_txq *txq, struct napi_struct *producer);
UNAPI_API void unapi_txq_release(struct unapi_txq *txq);

/** unapi_txq_sleep() - the producing thread will not call for a while: let the queue's instance clean.
 * Withdrawn by the next burst */
UNAPI_API void unapi_txq_sleep(struct unapi_txq *txq);

/**
 * unapi_tx_burst() - send packets
 * @pkts: @n records, whole packets
 *
 * Producer only. Returns how many records were taken, a prefix of whole packets; the rest stays the caller's.
 * The queue frees what it took once it is sent. 0 while the device is stopped or gone. A packet that can
 * never be sent (longer than the device allows, more than UNAPI_MAX_FRAGS records, no data) is taken, dropped
 * and counted (tx_errors).
 *
 * A super-packet (UNAPI_PKT_GRO) is more than one packet to a device that cannot take it apart, as none can
 * yet: the burst ends before it, and it is counted (unapi_txq_stats.gso_refused) and left to the caller, who
 * has to take it apart or free it. It would be refused again, so do not simply try the rest later.
 */
UNAPI_API unsigned int unapi_tx_burst(struct unapi_txq *txq, struct unapi_pkt *pkts, unsigned int n);

/**
 * unapi_txq_wake_fn - there is room in a transmit queue again
 *
 * Called once for each time that a burst came short for want of room, when a quarter of the ring is free or
 * more; seldom a second time, so burst again and see. In poll context: if an instance produces for the queue,
 * in a poll of that one, and it may send. If an application thread does, in a poll of the instance that
 * serves the queue: then it wakes the thread (an eventfd, a condition) and sends nothing on @txq itself,
 * which would wait for it. It does not claim, release or control anything.
 */
typedef void (*unapi_txq_wake_fn)(void *arg, struct unapi_txq *txq);

/**
 * unapi_txq_set_wake() - have the producer told when a queue that was full has room
 * @fn: NULL: nobody is told any more, as in the beginning; not running when this has returned
 *
 * By the producer, or before it has sent anything, and after the claim, with which it ends. As the kernel's
 * netif_tx_stop_queue() and netif_tx_wake_queue(): a burst that comes short has stopped the queue. An
 * application thread's short burst has declared sleep as well (unapi_txq_sleep()), so it may wait at once,
 * for as long as it takes: sent descriptors interrupt until then. If it makes another call for the queue
 * instead, it waits again after a short burst or unapi_txq_sleep(). While the device is stopped nobody is
 * told; after the next start they are. A device that is gone tells so by UNAPI_DEV_REMOVED alone.
 * -EPERM the queue has no producer; -EOPNOTSUPP the driver cannot.
 */
UNAPI_API int unapi_txq_set_wake(struct unapi_txq *txq, unapi_txq_wake_fn fn, void *arg);

/** unapi_txq_clean() - free what has been sent. Producer only; returns the buffers freed */
UNAPI_API unsigned int unapi_txq_clean(struct unapi_txq *txq);

/* What the device is and has. */
struct unapi_dev_info {
	char name[64];	      /* as opened */
	char driver[16];      /* "igb" */
	char carrier[32];     /* "vfio group 12", "vfio-user" */
	char irq_mode[8];     /* "MSI-X", "MSI", "INTx"; "" before configure */
	unsigned int vectors; /* in use */
	bool automask;	      /* the device masks a vector by itself when it fires (self-test) */
	bool latches;	      /* a cause raised while masked fires on unmask (self-test) */
	uint16_t vendor_id, device_id;
	uint8_t mac[6];
	int numa_node;
	unsigned int max_rxq, max_txq, min_desc, max_desc, desc_align;
	unsigned int max_channels;	 /* that there are interrupt vectors for */
	unsigned int rxq, txq, rxd, txd; /* configured; 0 before */
	unsigned int mtu;
	unsigned int nr_napi; /* instances, which are channels: */
	unsigned int combined, rx_only, tx_only;
	bool started, promisc, removed;
};
UNAPI_API void unapi_dev_get_info(const struct net_device *dev, struct unapi_dev_info *info);

/** unapi_dev_napi() - instance @i of the device, valid until the next configure or close; NULL if there is
 * none */
UNAPI_API struct napi_struct *unapi_dev_napi(struct net_device *dev, unsigned int i);
/** unapi_dev_rxq_napi(), unapi_dev_txq_napi() - the instance that serves a queue (queues may share one) */
UNAPI_API struct napi_struct *unapi_dev_rxq_napi(struct net_device *dev, unsigned int q);
UNAPI_API struct napi_struct *unapi_dev_txq_napi(struct net_device *dev, unsigned int q);

/* An instance's interrupt, as this machine's kernel delivers it. */
struct unapi_napi_irq {
	unsigned int vector; /* of the device */
	int irq;	     /* /proc/irq/<irq>; -1: it is none of this machine's */
	char affinity[128];  /* CPUs where it may go, such as "0-3,8", cut if long */
	char effective[64];  /* where it goes; "": the kernel does not tell */
};
/** unapi_napi_get_irq() - from configure on. @out->vector is filled in even if it fails: -EOPNOTSUPP behind a
 * vfio-user server, whose vectors are no interrupts of this machine; -ENOENT not found; errors of reading
 * /proc */
UNAPI_API int unapi_napi_get_irq(const struct napi_struct *n, struct unapi_napi_irq *out);
/**
 * unapi_napi_set_irq_affinity() - have the instance's interrupt delivered on these CPUs
 *
 * Only the interrupt: where the instance is polled is its context's, or its thread's affair. With MSI and
 * INTx all instances share it, with INTx perhaps other devices too. It stays until somebody else changes it
 * (irqbalance does); each configure sets it again for an instance that has the same number then.
 *
 * -EOPNOTSUPP, -ENOENT as above; -EINVAL no CPU, or one that is not online; -EACCES without the right to
 * (only root has it); -EPERM, -EIO the kernel places this interrupt itself.
 */
UNAPI_API int unapi_napi_set_irq_affinity(struct napi_struct *n, const unsigned int *cpus,
					  unsigned int nr_cpus);

/** unapi_dev_rxq_pool() - the page pool of receive queue @q */
UNAPI_API struct page_pool *unapi_dev_rxq_pool(struct net_device *dev, unsigned int q);

/*
 * Settings of a whole device, as the kernel's /sys/class/net/<ifc>/gro_flush_timeout and its neighbours: a
 * write is remembered for instances to come, and overwrites what each instance has, and what is kept for
 * instances that are not there now. Reading gives what was written for the device, whatever single instances
 * have been set to since. At any time, under traffic; a changed setting counts at its next read
 * (unapi/napi.h).
 */
/** unapi_dev_set_gro_flush_timeout() - nanoseconds. 0 */
UNAPI_API int unapi_dev_set_gro_flush_timeout(struct net_device *dev, uint64_t ns);
UNAPI_API uint64_t unapi_dev_gro_flush_timeout(const struct net_device *dev);
/** unapi_dev_set_napi_defer_hard_irqs() - polls. -ERANGE above INT32_MAX */
UNAPI_API int unapi_dev_set_napi_defer_hard_irqs(struct net_device *dev, uint64_t polls);
UNAPI_API uint32_t unapi_dev_napi_defer_hard_irqs(const struct net_device *dev);
/**
 * unapi_dev_set_threaded() - 1: each instance gets a thread of its own (napi_set_threaded()); 0: none has one
 *
 * -EOPNOTSUPP another value, or before configure; -EDEADLK from a poll method. If a thread is not to be had,
 * no instance has one afterwards; the error is that of the first that failed.
 */
UNAPI_API int unapi_dev_set_threaded(struct net_device *dev, unsigned int threaded);
UNAPI_API unsigned int unapi_dev_threaded(const struct net_device *dev);

struct unapi_link {
	bool up, full_duplex, autoneg;
	unsigned int speed; /* Mb/s, 0 when down */
};
UNAPI_API int unapi_dev_get_link(struct net_device *dev, struct unapi_link *link);
UNAPI_API int unapi_dev_set_promisc(struct net_device *dev, bool on);

enum unapi_dev_event {
	UNAPI_DEV_LINK_UP,
	UNAPI_DEV_LINK_DOWN,
	UNAPI_DEV_REMOVE_REQUEST, /* the kernel wants the device back: close it soon */
	UNAPI_DEV_REMOVED,	  /* it is gone; close it */
	UNAPI_DEV_ERROR,	  /* an uncorrectable error; unapi_dev_reset() may help */
};
/**
 * unapi_dev_event_fn - something happened to a device
 *
 * On the thread that runs ctx[0], between polls: control calls are allowed, unapi_dev_close() too. A link
 * that changes and changes back meanwhile is told once; removal and its request are told once for a device.
 */
typedef void (*unapi_dev_event_fn)(void *arg, struct net_device *dev, enum unapi_dev_event ev);
UNAPI_API void unapi_dev_set_event(struct net_device *dev, unapi_dev_event_fn fn, void *arg);

struct unapi_dev_stats {
	uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes; /* by the driver's queues, CRC not counted */
	uint64_t rx_missed;	/* dropped by the device for want of descriptors */
	uint64_t rx_errors;	/* bad packets: by the device, or with a hostile descriptor */
	uint64_t rx_alloc_fail; /* refills that found no buffer */
	uint64_t tx_errors;	/* packets that could not be sent at all */
};
UNAPI_API void unapi_dev_get_stats(struct net_device *dev, struct unapi_dev_stats *st);
/** unapi_dev_clear_stats() - count from zero again (the instances' counters too) */
UNAPI_API void unapi_dev_clear_stats(struct net_device *dev);

/* Per queue, in the netdev family's qstats terms. */
struct unapi_rxq_stats {
	uint64_t packets, bytes, alloc_fail, errors, too_many_frags; /* as they came from the device */
	uint64_t gro_packets;					     /* super-packets that were delivered */
	uint64_t gro_wire_packets; /* of @packets, those that are part of one */
	uint64_t endpoint_drops;   /* found their endpoint (unapi/endpoint.h) full, and were freed */
	/* Times the queue was emptied and started again, because the device wrote a descriptor that makes no
	 * sense; the log says which. */
	uint64_t restarts;
};
struct unapi_txq_stats {
	uint64_t packets, bytes, errors;
	uint64_t stop, wake;  /* bursts that found the ring full; first bursts that went through again */
	uint64_t gso_refused; /* bursts that ended before a super-packet */
};
UNAPI_API int unapi_dev_get_rxq_stats(struct net_device *dev, unsigned int q, struct unapi_rxq_stats *st);
UNAPI_API int unapi_dev_get_txq_stats(struct net_device *dev, unsigned int q, struct unapi_txq_stats *st);

/* Everything countable, by name. */
struct unapi_xstat {
	char name[64];
	uint64_t value;
};
/** unapi_dev_get_xstats() - fill up to @n; returns how many there are */
UNAPI_API int unapi_dev_get_xstats(struct net_device *dev, struct unapi_xstat *x, unsigned int n);

#ifdef __cplusplus
}
#endif
#endif
