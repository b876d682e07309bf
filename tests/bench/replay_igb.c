/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The igb driver behind the replay harness: its own queues, poll method and rings, on a register block that
 * is memory. What is left out is what speaks to a whole device: reset, interrupts, link.
 */
#include "tests/bench/replay.h"
#include "core/base/reason.h"
#include "core/napi/thread.h"
#include "drivers/igb/igb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bench_igb {
	struct vfio_device v;
	struct unapi_context *ctx;
	struct net_device *dev;
	struct napi_struct *napi;
	struct unapi_txq *txq;
	struct adv_rx_ring *rx;
	struct replay *r;
};

static int init(struct net_device *dev)
{
	struct igb *g = igb_of(dev);

	g->dev = dev;
	g->vfio = dev->vfio;
	g->bar = &dev->vfio->regions[VFIO_PCI_BAR0_REGION_INDEX];
	dev->automask = dev->latches = true;
	dev->max_rxq = dev->max_txq = E1000_MAX_QUEUES;
	dev->min_desc = IGB_MIN_DESC;
	dev->max_desc = REPLAY_MAX_RING;
	dev->desc_align = 8;
	return 0;
}

static void uninit(struct net_device *dev) {}

static int configure(struct net_device *dev)
{
	return igb_queues_make(igb_of(dev));
}

static void unconfigure(struct net_device *dev)
{
	igb_queues_free(igb_of(dev));
}

static int up(struct net_device *dev)
{
	int rc = igb_queues_start(igb_of(dev));

	return rc ? rc : napi_enable(unapi_dev_napi(dev, 0));
}

static int down(struct net_device *dev)
{
	int rc = napi_disable(unapi_dev_napi(dev, 0));

	if (!rc)
		igb_queues_stop(igb_of(dev));
	return rc;
}

static void no_stats(struct net_device *dev) {}

static const struct net_device_ops ops = {
	.ndo_init = init,
	.ndo_uninit = uninit,
	.ndo_configure = configure,
	.ndo_unconfigure = unconfigure,
	.ndo_open = up,
	.ndo_stop = down,
	.ndo_update_stats = no_stats,
};

static const struct net_driver driver = {.name = "igb", .priv_size = sizeof(struct igb), .ops = &ops};

/* Config space: nothing there is asked for but when the device is closed. */
static ssize_t read_zero(struct vfio_device *v, struct vfio_region *r, uint64_t off, void *buf, size_t n)
{
	memset(buf, 0, n);
	return (ssize_t)n;
}

static ssize_t write_nowhere(struct vfio_device *v, struct vfio_region *r, uint64_t off, const void *buf,
			     size_t n)
{
	return (ssize_t)n;
}

static int set_irqs(struct vfio_device *v, uint32_t index, uint32_t start, uint32_t count, const int *fds)
{
	return 0;
}

static int irq_action(struct vfio_device *v, uint32_t index, uint32_t start, uint32_t count, uint32_t action)
{
	return 0;
}

static void carrier_close(struct vfio_device *v) {}

static const struct vfio_device_ops carrier = {.carrier = "memory",
					       .region_read = read_zero,
					       .region_write = write_nowhere,
					       .set_irqs = set_irqs,
					       .irq_action = irq_action,
					       .close = carrier_close};

static int make_registers(struct vfio_device *v)
{
	struct vfio_region *bar = &v->regions[VFIO_PCI_BAR0_REGION_INDEX];
	uint8_t *mem = aligned_alloc(4096, E1000_BAR0_SIZE);
	struct vfio_region *config = &v->regions[VFIO_PCI_CONFIG_REGION_INDEX];

	if (!mem)
		return -ENOMEM;
	memset(mem, 0, E1000_BAR0_SIZE);
	v->ops = &carrier;
	config->size = 4096;
	config->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	v->numa_node = -1;
	snprintf(v->name, sizeof(v->name), "replay");
	v->irqs[VFIO_PCI_MSIX_IRQ_INDEX] = (struct vfio_irq){.count = 10, .flags = VFIO_IRQ_INFO_EVENTFD};
	bar->size = E1000_BAR0_SIZE;
	bar->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	bar->nr_areas = 1;
	bar->areas[0] = (struct vfio_area){.size = E1000_BAR0_SIZE, .addr = mem};
	return 0;
}

/* What does not go, the device sees: it is not sent. */
static void send(void *arg, struct unapi_pkt *pkts, const struct unapi_rx_meta *meta, unsigned int n)
{
	struct bench_igb *b = arg;

	unapi_tx_burst(b->txq, pkts, n);
}

static void send_bare(void *arg, struct unapi_pkt *pkts, const struct unapi_rx_meta *meta, unsigned int n)
{
	struct bench_igb *b = arg;

	adv_tx_burst(b->txq, pkts, n);
}

static void look_and_send(void *arg, struct unapi_pkt *pkts, const struct unapi_rx_meta *meta, unsigned int n)
{
	struct bench_igb *b = arg;

	for (unsigned int i = 0; i < n; i++)
		replay_saw(b->r, unapi_pkt_data(&pkts[i]), pkts[i].len, !(pkts[i].flags & UNAPI_PKT_MORE),
			   pkts[i].vlan, meta ? meta[i].rss_hash : 0);
	if (b->r->conf.bare)
		adv_tx_burst(b->txq, pkts, n);
	else
		unapi_tx_burst(b->txq, pkts, n);
}

static int start(struct bench_igb *b)
{
	struct replay_conf *c = &b->r->conf;
	uint32_t records = c->burst * c->frags;
	struct unapi_dev_conf conf = {.rxq = 1,
				      .txq = 1,
				      .rxd = c->ring,
				      .txd = c->ring,
				      .rx_batch = records < 32 ? 32 : records,
				      .rx_meta = c->meta,
				      .ctx = &b->ctx,
				      .nr_ctx = 1};
	int rc = unapi_context_create(NULL, &b->ctx);

	if (!rc)
		rc = netdev_create(&b->v, &driver, &b->dev);
	if (!rc)
		rc = unapi_dev_configure(b->dev, &conf);
	if (!rc)
		rc = unapi_dev_set_rx(b->dev, 0, c->bare ? send_bare : send, b);
	if (rc)
		return rc;
	b->napi = unapi_dev_napi(b->dev, 0);
	b->txq = unapi_dev_txq(b->dev, 0);
	rc = unapi_txq_claim(b->txq, b->napi);
	if (!rc)
		rc = unapi_dev_start(b->dev);
	if (!rc)
		rc = unapi_context_set_poller(b->ctx, true);
	if (!rc)
		rc = unapi_napi_set_mode(b->napi, UNAPI_POLL_BUSY);
	if (!rc)
		rc = unapi_napi_poll_begin(b->napi);
	return rc;
}

static int igb_replay_open(struct replay *r)
{
	struct bench_igb *b = calloc(1, sizeof(*b));
	struct igb *g;
	int rc;

	if (!b)
		return -ENOMEM;
	if (!adv_isa_force(r->conf.isa)) {
		free(b);
		return unapi_fail(ENOTSUP, "there are no loops called %s here", r->conf.isa);
	}
	b->r = r;
	r->priv = b;
	rc = make_registers(&b->v);
	if (!rc)
		rc = start(b);
	if (rc)
		return rc;
	g = igb_of(b->dev);
	b->rx = g->rx[0];
	r->rx = (struct replay_desc *)g->rx[0]->desc;
	r->tx = (struct replay_desc *)g->tx[0]->desc;
	r->rx_tail = vfio_region_ptr32(g->bar, E1000_RDT(0));
	r->tx_tail = vfio_region_ptr32(g->bar, E1000_TDT(0));
	/* The first poll finds nothing and fills the ring. */
	unapi_napi_poll(b->napi, NAPI_POLL_WEIGHT);
	if (r->conf.bare)
		napi_this_thread.polling = b->napi; /* for good: its pool is this thread's */
	return 0;
}

static unsigned int igb_replay_forward(struct replay *r)
{
	struct bench_igb *b = r->priv;

	if (r->conf.bare)
		return (unsigned int)adv_rx_poll(b->rx, (int)r->conf.budget);
	return (unsigned int)unapi_napi_poll(b->napi, (int)r->conf.budget);
}

static void *igb_replay_at(struct replay *r, uint64_t iova)
{
	struct bench_igb *b = r->priv;
	const struct unapi_pool_view *v = page_pool_view(b->rx->q.pool);
	struct unapi_page_pool_info info;

	unapi_page_pool_get_info(b->rx->q.pool, &info);
	/* Without hugepages some indices are left out, so there are at most twice as many. */
	if (iova - v->iova >= 2ULL * info.buffers * v->stride)
		return NULL;
	return v->base + (iova - v->iova);
}

static uint32_t igb_replay_out(struct replay *r)
{
	struct bench_igb *b = r->priv;
	struct unapi_page_pool_info info;

	unapi_txq_clean(b->txq);
	unapi_page_pool_get_info(b->rx->q.pool, &info);
	return info.inflight;
}

static void igb_replay_verify(struct replay *r)
{
	struct bench_igb *b = r->priv;

	b->rx->q.rx_fn = look_and_send;
}

static int igb_replay_close(struct replay *r)
{
	struct bench_igb *b = r->priv;
	struct unapi_page_pool_info info;
	int rc;

	napi_this_thread.polling = NULL;
	rc = unapi_napi_set_mode(b->napi, UNAPI_POLL_INTERRUPT);
	if (!rc)
		rc = unapi_dev_stop(b->dev);
	if (rc)
		return rc;
	unapi_page_pool_get_info(b->rx->q.pool, &info);
	unapi_context_set_poller(b->ctx, false);
	unapi_dev_close(b->dev);
	unapi_context_destroy(b->ctx);
	free((void *)(uintptr_t)b->v.regions[VFIO_PCI_BAR0_REGION_INDEX].areas[0].addr);
	free(b);
	return (int)info.inflight;
}

const struct replay_driver replay_igb = {
	.name = "igb",
	.isas = {"avx2", "sse4.2", "scalar"},
	.open = igb_replay_open,
	.forward = igb_replay_forward,
	.at = igb_replay_at,
	.out = igb_replay_out,
	.verify = igb_replay_verify,
	.close = igb_replay_close,
};
