/* SPDX-License-Identifier: BSD-3-Clause */
/* Receive endpoints: a queue of records from whoever polls an instance to a thread of the application's. */
#include "core/net/endpoint.h"
#include "core/net/netdev_impl.h"
#include "core/base/lines.h"
#include "core/base/reason.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define DEFAULT_SIZE 256
#define MAX_SIZE     (1u << 20)

static void drop(struct unapi_endpoint *e, const struct unapi_pkt *pkts, unsigned int n)
{
	unsigned int i, packets = 0;

	for (i = 0; i < n; i++)
		packets += !(pkts[i].flags & UNAPI_PKT_MORE);
	stat_add(&e->rxq->stats.endpoint_drops, packets);
	unapi_pkt_free_bulk(pkts, n);
}

/* The queue's callback: never waits for the reader. */
static void endpoint_rx(void *arg, struct unapi_pkt *pkts, const struct unapi_rx_meta *meta, unsigned int n)
{
	struct unapi_endpoint *e = arg;
	const struct napi_struct *napi = unapi_this_napi();
	unsigned int id = napi ? READ_ONCE(napi->napi_id) : 0;
	uint32_t taken;

	if (id && id != READ_ONCE(e->pollable.napi_id))
		WRITE_ONCE(e->pollable.napi_id, id);
	taken = endpoint_put(e, pkts, meta, n);
	if (taken < n)
		drop(e, pkts + taken, n - taken);
}

static int take(struct unapi_endpoint *e, struct unapi_pkt *pkts, struct unapi_rx_meta *meta, uint32_t n)
{
	int got = endpoint_take(e, pkts, meta, n);

	if (got < 0)
		return unapi_fail(-got, "endpoint %d: its first packet has more than %u records",
				  e->pollable.fd, n);
	return got;
}

static bool loop_end(void *arg, unsigned long start)
{
	const struct unapi_endpoint *e = arg;

	return __atomic_load_n(&e->tail, __ATOMIC_RELAXED) != e->head ||
	       unapi_napi_busy_clock() - start > READ_ONCE(e->busy_poll);
}

/* net/core/sock.c sk_busy_loop(), with the reader known to be awake meanwhile. */
static void busy_loop(struct unapi_endpoint *e, bool once)
{
	unsigned int id = READ_ONCE(e->pollable.napi_id), budget = READ_ONCE(e->budget);

	if (!endpoint_awake(e))
		return;
	/* An instance that is gone has nothing. */
	napi_busy_loop(id, once ? NULL : loop_end, e, READ_ONCE(e->prefer),
		       (uint16_t)(budget ? budget : BUSY_POLL_BUDGET));
}

static int receive(struct unapi_endpoint *e, struct unapi_pkt *pkts, struct unapi_rx_meta *meta,
		   unsigned int n, int flags)
{
	bool wait = !(flags & MSG_DONTWAIT);
	int got, rc;

	if (flags & ~MSG_DONTWAIT)
		return unapi_fail(EINVAL, "endpoint %d: flags 0x%x are not known", e->pollable.fd,
				  (unsigned int)flags);
	for (;;) {
		got = take(e, pkts, meta, n);
		if (got || !n)
			return got;
		if (READ_ONCE(e->busy_poll) && READ_ONCE(e->pollable.napi_id) >= NAPI_ID_MIN) {
			busy_loop(e, !wait);
			got = take(e, pkts, meta, n);
			if (__atomic_load_n(&e->reader, __ATOMIC_RELAXED) == ENDPOINT_AWAKE)
				endpoint_settle(e);
			if (got)
				return got;
		}
		if (!READ_ONCE(e->rxq))
			return unapi_fail(ENODEV, "endpoint %d: its queue is gone", e->pollable.fd);
		if (!wait)
			return 0;
		if (unapi_in_poll())
			return unapi_fail(EDEADLK, "endpoint %d: it cannot wait in a poll method",
					  e->pollable.fd);
		rc = pollable_wait(&e->pollable);
		if (rc)
			return rc;
	}
}

int unapi_endpoint_recv(struct unapi_endpoint *e, struct unapi_pkt *pkts, unsigned int n, int flags)
{
	return receive(e, pkts, NULL, n, flags);
}

int unapi_endpoint_recv_meta(struct unapi_endpoint *e, struct unapi_pkt *pkts, struct unapi_rx_meta *meta,
			     unsigned int n, int flags)
{
	if (!e->meta)
		return unapi_fail(EOPNOTSUPP, "endpoint %d: its device was configured without rx_meta",
				  e->pollable.fd);
	return receive(e, pkts, meta, n, flags);
}

static bool may_wake(struct pollable *p)
{
	return endpoint_must_wake(container_of(p, struct unapi_endpoint, pollable));
}

static struct unapi_endpoint *make(uint32_t size, bool meta)
{
	struct unapi_endpoint *e = zalloc_lines(sizeof(*e));

	if (!e)
		return NULL;
	e->mask = size - 1;
	e->busy_poll = unapi_busy_read();
	e->pollable.fd = -1;
	e->pollable.may_wake = may_wake;
	e->ring = calloc(size, sizeof(*e->ring));
	e->meta = meta ? calloc(size, sizeof(*e->meta)) : NULL;
	if (e->ring && (e->meta || !meta))
		return e;
	free(e->ring);
	free(e->meta);
	free(e);
	return NULL;
}

static void release(struct unapi_endpoint *e)
{
	if (e->pollable.fd >= 0)
		close(e->pollable.fd);
	free(e->ring);
	free(e->meta);
	free(e);
}

int unapi_endpoint_create(struct net_device *dev, unsigned int q, unsigned int size,
			  struct unapi_endpoint **out)
{
	struct rx_queue *rxq = q < NETDEV_MAX_QUEUES ? dev->rxq[q] : NULL;
	struct unapi_endpoint *e;
	uint32_t room = 1;
	int rc;

	if (size > MAX_SIZE)
		return unapi_fail(EINVAL, "%s: an endpoint of %u records asked for; %u are possible",
				  dev->name, size, MAX_SIZE);
	if (rxq && rxq->endpoint)
		return unapi_fail(EBUSY, "%s: receive queue %u has an endpoint", dev->name, q);
	while (room < (size ? size : DEFAULT_SIZE))
		room *= 2;
	e = make(room, dev->conf.rx_meta);
	if (!e)
		return unapi_fail(ENOMEM, "%s: no memory for an endpoint of %u records", dev->name, room);
	e->pollable.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->pollable.fd < 0) {
		rc = unapi_fail(errno, "%s: no descriptor for an endpoint: %s", dev->name, strerror(errno));
		release(e);
		return rc;
	}
	rc = unapi_dev_set_rx(dev, q, endpoint_rx, e);
	if (rc) {
		release(e);
		return rc;
	}
	e->rxq = rxq;
	e->pollable.napi = rxq->napi;
	rc = pollable_add(&e->pollable);
	if (rc) {
		unapi_dev_set_rx(dev, q, NULL, NULL);
		release(e);
		return unapi_fail(-rc, "%s: no memory for an endpoint", dev->name);
	}
	rxq->endpoint = e;
	*out = e;
	return 0;
}

void endpoint_orphan(struct unapi_endpoint *e)
{
	e->rxq->endpoint = NULL;
	WRITE_ONCE(e->rxq, NULL);
	pollable_orphan(&e->pollable);
	endpoint_signal(e); /* who waits is to see it */
}

int unapi_endpoint_destroy(struct unapi_endpoint *e)
{
	struct unapi_pkt pkts[64];
	int n;

	if (!e)
		return 0;
	if (e->rxq) {
		struct rx_queue *rxq = e->rxq;
		int rc;

		rxq->endpoint = NULL;
		rc = unapi_dev_set_rx(rxq->dev, rxq->index, NULL, NULL);
		if (rc) {
			rxq->endpoint = e;
			return rc;
		}
	}
	pollable_del(&e->pollable);
	/* records of packets that do not fit @pkts go as well as whole ones */
	while ((n = (int)(e->tail - e->head)) > 0) {
		int i;

		n = n < (int)ARRAY_SIZE(pkts) ? n : (int)ARRAY_SIZE(pkts);
		for (i = 0; i < n; i++)
			pkts[i] = e->ring[e->head++ & e->mask];
		unapi_pkt_free_bulk(pkts, (unsigned int)n);
	}
	release(e);
	return 0;
}

int unapi_endpoint_fd(const struct unapi_endpoint *e)
{
	return e->pollable.fd;
}
