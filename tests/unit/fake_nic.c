/* SPDX-License-Identifier: BSD-3-Clause */
#include "fake_nic.h"
#include "core/base/reason.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void note(struct net_device *dev, char c)
{
	struct fake_nic *f = netdev_priv(dev);
	size_t n = strlen(f->calls);

	assert_true(n + 1 < sizeof(f->calls));
	f->calls[n] = c;
}

static void enter(struct fake_txq *t)
{
	if (__atomic_fetch_add(&t->inside, 1, __ATOMIC_RELAXED))
		__atomic_fetch_add(&t->clashes, 1, __ATOMIC_RELAXED);
	if (t->down)
		__atomic_fetch_add(&t->clashes, 1, __ATOMIC_RELAXED);
}

static void leave(struct fake_txq *t)
{
	__atomic_fetch_sub(&t->inside, 1, __ATOMIC_RELAXED);
}

static unsigned int clean_ring(struct fake_txq *t)
{
	struct fake_nic *f = netdev_priv(t->txq.dev);
	uint32_t n = 0, sent = t->tail - t->clean;

	if (__atomic_load_n(&f->hold, __ATOMIC_RELAXED)) {
		uint32_t let = __atomic_load_n(&t->let, __ATOMIC_SEQ_CST);

		sent = let < sent ? let : sent;
		__atomic_fetch_sub(&t->let, sent, __ATOMIC_RELAXED);
	}
	for (; n < sent; t->clean++, n++)
		page_pool_put_bulk(&t->ring[t->clean % FAKE_RING], 1, false);
	return n;
}

static unsigned int fake_clean(struct unapi_txq *q)
{
	struct fake_txq *t = container_of(q, struct fake_txq, txq);
	unsigned int n;

	enter(t);
	n = clean_ring(t);
	if (unapi_this_napi() == q->napi)
		stat_add(&t->cleaned_by_instance, n);
	leave(t);
	return n;
}

static unsigned int fake_burst(struct unapi_txq *q, struct unapi_pkt *pkts, unsigned int n)
{
	struct fake_txq *t = container_of(q, struct fake_txq, txq);
	unsigned int i;

	enter(t);
	clean_ring(t);
	for (i = 0; i < n && t->tail - t->clean < FAKE_RING; i++) {
		t->ring[t->tail++ % FAKE_RING] = pkts[i].buf;
		stat_add(&q->stats.packets, 1);
		stat_add(&q->stats.bytes, pkts[i].len);
	}
	leave(t);
	if (i < n) {
		stat_add(&q->stats.stop, 1);
		netif_tx_stop_queue(q);
	}
	return i;
}

static unsigned int fake_room(const struct unapi_txq *q)
{
	const struct fake_txq *t = container_of(q, const struct fake_txq, txq);

	return FAKE_RING - (t->tail - t->clean);
}

static void fake_route(struct unapi_txq *q, bool on)
{
	struct fake_txq *t = container_of(q, struct fake_txq, txq);

	t->routes++;
	__atomic_store_n(&t->routed, on, __ATOMIC_SEQ_CST);
}

static unsigned int receive(struct fake_rxq *r, unsigned int budget)
{
	uint32_t wire = __atomic_load_n(&r->wire, __ATOMIC_ACQUIRE);
	struct fake_nic *f = netdev_priv(r->rxq.dev);
	struct unapi_pkt pkts[NAPI_POLL_WEIGHT];
	unsigned int want = wire < budget ? wire : budget, n, i;

	if (!want)
		return 0;
	n = unapi_pkt_alloc_bulk(r->rxq.pool, pkts, want);
	for (i = 0; i < n; i++) {
		pkts[i].len = 60;
		if (f->fill)
			f->fill(&pkts[i], r->rxq.index);
	}
	stat_add(&r->rxq.stats.packets, n);
	stat_add(&r->rxq.stats.bytes, n * 60);
	stat_add(&r->rxq.stats.alloc_fail, want - n);
	__atomic_fetch_sub(&r->wire, want, __ATOMIC_RELAXED);
	if (n)
		r->rxq.rx_fn(r->rxq.rx_arg, pkts, NULL, n);
	return n;
}

static int fake_poll(struct napi_struct *napi, int budget)
{
	struct channel *ch = container_of(napi, struct channel, napi);
	struct fake_nic *f = netdev_priv(ch->dev);
	void (*in_poll)(struct net_device * dev) = f->in_poll;
	unsigned int i, work = 0;

	__atomic_fetch_add(&f->polls, 1, __ATOMIC_RELAXED);
	if (in_poll) {
		f->in_poll = NULL;
		in_poll(ch->dev);
	}
	netdev_clean_produced(ch);
	netdev_clean_sleeping(ch);
	if (!budget)
		return 0;
	for (i = 0; i < ch->nr_rx; i++)
		work += receive(container_of(ch->rx[i], struct fake_rxq, rxq), (unsigned int)budget - work);
	if (work >= (unsigned int)budget)
		return budget;
	netdev_route_produced(ch, f->short_of_buffers);
	netdev_sleep_produced(ch);
	napi_complete_done(napi, (int)work);
	return (int)work;
}

void fake_nic_deliver(struct net_device *dev, unsigned int q, unsigned int n)
{
	struct fake_nic *f = netdev_priv(dev);

	__atomic_fetch_add(&f->rx[q].wire, n, __ATOMIC_RELEASE);
	napi_schedule(f->rx[q].rxq.napi);
}

static int fake_init(struct net_device *dev)
{
	struct fake_nic *f = netdev_priv(dev);
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};

	note(dev, 'I');
	memcpy(dev->mac, mac, sizeof(mac));
	dev->mtu = 1500;
	dev->max_rxq = dev->max_txq = FAKE_QUEUES;
	dev->max_channels = FAKE_MAX_CHANNELS;
	f->vectors = FAKE_CHANNELS;
	dev->min_desc = 64;
	dev->max_desc = 4096;
	dev->desc_align = 8;
	return f->fail_init;
}

static void fake_uninit(struct net_device *dev)
{
	note(dev, 'U');
}

static int fake_configure(struct net_device *dev)
{
	struct fake_nic *f = netdev_priv(dev);
	unsigned int i;
	int n;

	note(dev, 'C');
	if (f->fail_configure)
		return unapi_fail(-f->fail_configure, "%s: told to fail", dev->name);
	memset(f->rx, 0, sizeof(f->rx));
	memset(f->tx, 0, sizeof(f->tx));
	memset(f->ch, 0, sizeof(f->ch));
	n = netdev_lay_out(dev, f->vectors);
	if (n < 0)
		return n;
	for (i = 0; i < (unsigned int)n; i++) {
		assert_int_equal(netif_napi_add_config(dev, &f->ch[i].napi, fake_poll, (int)i), 0);
		f->ch[i].vector = (uint16_t)i;
	}
	for (i = 0; i < dev->conf.rxq; i++) {
		struct channel *ch = &f->ch[netdev_rx_channel(dev, i)];
		struct rx_queue *q = &f->rx[i].rxq;

		q->napi = &ch->napi;
		assert_int_equal(page_pool_create(256, -1, q->napi, &q->pool), 0);
		ch->rx[ch->nr_rx++] = dev->rxq[i] = q;
	}
	for (i = 0; i < dev->conf.txq; i++) {
		struct channel *ch = &f->ch[netdev_tx_channel(dev, i)];
		struct unapi_txq *q = &f->tx[i].txq;

		q->napi = &ch->napi;
		q->burst = fake_burst;
		q->clean = fake_clean;
		q->route = fake_route;
		q->room = fake_room;
		f->tx[i].down = true;
		ch->tx[ch->nr_tx++] = dev->txq[i] = q;
	}
	return 0;
}

static void fake_unconfigure(struct net_device *dev)
{
	struct fake_nic *f = netdev_priv(dev);
	unsigned int i;

	note(dev, 'c');
	while (dev->nr_channels)
		assert_int_equal(netif_napi_del(&dev->channels[dev->nr_channels - 1]->napi), 0);
	for (i = 0; i < dev->conf.rxq; i++)
		page_pool_destroy(f->rx[i].rxq.pool);
}

static int fake_open(struct net_device *dev)
{
	struct fake_nic *f = netdev_priv(dev);
	unsigned int i;

	note(dev, 'O');
	if (f->fail_open)
		return f->fail_open;
	for (i = 0; i < dev->conf.txq; i++)
		f->tx[i].down = false;
	for (i = 0; i < dev->nr_channels; i++)
		assert_int_equal(napi_enable(&dev->channels[i]->napi), 0);
	return 0;
}

static int fake_stop(struct net_device *dev)
{
	struct fake_nic *f = netdev_priv(dev);
	unsigned int i;

	note(dev, 'S');
	if (f->fail_stop)
		return f->fail_stop;
	for (i = 0; i < dev->nr_channels; i++)
		assert_int_equal(napi_disable(&dev->channels[i]->napi), 0);
	for (i = 0; i < dev->conf.txq; i++) {
		struct fake_txq *t = &f->tx[i];

		for (; t->clean != t->tail; t->clean++)
			page_pool_put_bulk(&t->ring[t->clean % FAKE_RING], 1, false);
		t->down = true;
		if (__atomic_load_n(&t->inside, __ATOMIC_RELAXED))
			__atomic_fetch_add(&t->clashes, 1, __ATOMIC_RELAXED);
	}
	return 0;
}

static int fake_reset(struct net_device *dev)
{
	note(dev, 'R');
	return 0;
}

static int fake_set_promisc(struct net_device *dev, bool on)
{
	return 0;
}

static int fake_get_link(struct net_device *dev, struct unapi_link *link)
{
	*link = (struct unapi_link){.up = true, .full_duplex = true, .speed = 1000};
	return 0;
}

static void fake_update_stats(struct net_device *dev)
{
	struct fake_nic *f = netdev_priv(dev);

	__atomic_fetch_add(&f->updates, 1, __ATOMIC_RELAXED);
}

static void fake_get_stats(struct net_device *dev, struct unapi_dev_stats *st)
{
	struct fake_nic *f = netdev_priv(dev);

	st->rx_missed = f->hw_missed;
}

static void fake_get_xstats(struct net_device *dev, void (*put)(void *arg, const char *name, uint64_t v),
			    void *arg)
{
	struct fake_nic *f = netdev_priv(dev);

	put(arg, "fake_missed", f->hw_missed);
}

static void fake_clear_stats(struct net_device *dev)
{
	struct fake_nic *f = netdev_priv(dev);

	f->hw_missed = 0;
}

static const struct net_device_ops fake_ops = {
	.ndo_init = fake_init,
	.ndo_uninit = fake_uninit,
	.ndo_configure = fake_configure,
	.ndo_unconfigure = fake_unconfigure,
	.ndo_open = fake_open,
	.ndo_stop = fake_stop,
	.ndo_reset = fake_reset,
	.ndo_set_promisc = fake_set_promisc,
	.ndo_get_link = fake_get_link,
	.ndo_update_stats = fake_update_stats,
	.ndo_get_stats = fake_get_stats,
	.ndo_get_xstats = fake_get_xstats,
	.ndo_clear_stats = fake_clear_stats,
};

const struct net_driver fake_driver = {
	.name = "fake",
	.priv_size = sizeof(struct fake_nic),
	.ops = &fake_ops,
};

static ssize_t fake_region_read(struct vfio_device *v, struct vfio_region *r, uint64_t off, void *buf,
				size_t n)
{
	memset(buf, 0, n);
	return (ssize_t)n;
}

static ssize_t fake_region_write(struct vfio_device *v, struct vfio_region *r, uint64_t off, const void *buf,
				 size_t n)
{
	return (ssize_t)n;
}

static void fake_slow_fd_ready(struct vfio_device *v, int fd)
{
	struct fake_vfio *f = container_of(v, struct fake_vfio, v);
	eventfd_t n;

	__atomic_fetch_add(&f->slow_calls, 1, __ATOMIC_RELAXED);
	if (f->event == VFIO_EVENT_GONE) {
		vfio_mark_gone(v); /* and the descriptor stays readable, as a closed socket does */
		return;
	}
	assert_int_equal(eventfd_read(fd, &n), 0);
	v->event_fn(v->event_arg, v, f->event);
}

static void fake_close(struct vfio_device *v)
{
	struct fake_vfio *f = container_of(v, struct fake_vfio, v);

	close(v->slow_fds[0]);
	f->closed = true;
}

static const struct vfio_device_ops fake_vfio_ops = {
	.carrier = "fake carrier",
	.region_read = fake_region_read,
	.region_write = fake_region_write,
	.slow_fd_ready = fake_slow_fd_ready,
	.close = fake_close,
};

void fake_vfio_happen(struct fake_vfio *f, enum vfio_event event)
{
	f->event = event;
	assert_int_equal(eventfd_write(f->v.slow_fds[0], 1), 0);
}

struct net_device *fake_nic_open(struct fake_vfio *f)
{
	struct net_device *dev;

	*f = (struct fake_vfio){.v = {.ops = &fake_vfio_ops,
				      .name = "fake:0",
				      .carrier = "fake carrier",
				      .numa_node = -1,
				      .nr_slow_fds = 1}};
	f->v.slow_fds[0] = eventfd(0, EFD_CLOEXEC);
	assert_true(f->v.slow_fds[0] >= 0);
	assert_int_equal(netdev_create(&f->v, &fake_driver, &dev), 0);
	return dev;
}
