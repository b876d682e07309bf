/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver without a device, for testing what core/net does around one.
 *
 * What is put on the wire of a queue by fake_nic_deliver() is received at the next poll; what is sent stays
 * in the ring until the fake device has "sent" it, which is at once unless it holds. Every entry of the
 * driver checks that nobody else is in there.
 */
#ifndef UNAPI_TEST_FAKE_NIC_H
#define UNAPI_TEST_FAKE_NIC_H

#include "core/net/netdev_impl.h"

#define FAKE_QUEUES	  4
#define FAKE_CHANNELS	  2 /* that there are vectors for at first: queue i is served by instance i % 2 */
#define FAKE_MAX_CHANNELS 6
#define FAKE_RING	  64

struct fake_rxq {
	struct rx_queue rxq;
	uint32_t wire; /* packets waiting; atomic */
};

struct fake_txq {
	struct unapi_txq txq;
	uint32_t ring[FAKE_RING];
	uint32_t tail, clean; /* free running */
	uint32_t inside;      /* threads in burst or clean; atomic */
	uint32_t clashes;     /* times there were two, or one in a stopped queue; atomic */
	uint64_t cleaned_by_instance;
	uint32_t routes; /* times its cause was routed, or not any more */
	bool routed;	 /* atomic, sequentially consistent, as are those below */
	uint32_t let;	 /* packets that are sent although the device holds */
	bool down;	 /* plain: ThreadSanitizer tells if stop does not wait for senders */
};

struct fake_nic {
	/* What the test wants the driver to answer */
	int fail_init, fail_configure, fail_open, fail_stop;
	bool hold; /* nothing is sent; atomic */
	bool short_of_buffers;
	unsigned int vectors;				     /* for channels; FAKE_CHANNELS at first */
	void (*fill)(struct unapi_pkt *pkt, unsigned int q); /* makes a frame; NULL: 60 bytes of anything */
	/* What it saw */
	char calls[4096]; /* one letter each: I)nit U)ninit C)onfigure c=unconfigure O)pen S)top R)eset */
	uint32_t updates; /* ndo_update_stats; atomic */
	uint64_t hw_missed;
	struct fake_rxq rx[FAKE_QUEUES];
	struct fake_txq tx[FAKE_QUEUES];
	struct channel ch[FAKE_MAX_CHANNELS];
	uint32_t polls;				 /* atomic */
	void (*in_poll)(struct net_device *dev); /* called once from the next poll method */
};

extern const struct net_driver fake_driver;

/* A carrier with nothing behind it but one slow-path descriptor, on which @event happens. */
struct fake_vfio {
	struct vfio_device v;
	enum vfio_event event;
	uint32_t slow_calls; /* atomic */
	bool closed;
};
void fake_vfio_happen(struct fake_vfio *f, enum vfio_event event);

/* Open a fake device; @f becomes its carrier. */
struct net_device *fake_nic_open(struct fake_vfio *f);
/* @n packets arrive at queue @q, and its interrupt. */
void fake_nic_deliver(struct net_device *dev, unsigned int q, unsigned int n);

#endif
