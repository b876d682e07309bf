/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts (datasheet 7.3): MSI-X with a vector for each channel and one for the rest, or one vector for
 * all.
 *
 * The device masks a vector by itself when it fires (EIAM with GPIE.EIAME), or does not: a self-test finds
 * out. Where it does not, the handler masks first and schedules then. In that order, because a handler that
 * finds the instance owned leaves MISSED behind its mask, so that whoever completes after that also unmasks
 * after that.
 */
#include "drivers/igb/igb.h"
#include "core/base/clock.h"
#include "core/base/reason.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

/* One vector for all: what may interrupt. */
#define QUEUE_CAUSES  (E1000_ICR_RXDW | E1000_ICR_RXDMT0 | E1000_ICR_TXDW)
#define SHARED_CAUSES (E1000_ICR_RXDW | E1000_ICR_RXDMT0 | E1000_ICR_LSC)

/* A bit of EICR each (datasheet 8.8.3). */
#define MAX_VECTORS   ((unsigned int)__builtin_popcount(E1000_EICR_MSIX_MASK))

/* All vectors but the other one; or one for all. */
unsigned int igb_irq_max_channels(const struct vfio_device *v)
{
	unsigned int n = v->irqs[VFIO_PCI_MSIX_IRQ_INDEX].count;

	if (n > MAX_VECTORS)
		n = MAX_VECTORS;
	return n > 2 ? n - 1 : 1;
}

/* MSI-X vectors for @channels and the other one, or what there is. Returns how many channels that makes. */
int igb_irq_vectors(struct igb *g, unsigned int channels)
{
	int n = vfio_irq_enable(g->vfio, VFIO_IRQ_MSIX, channels + 1);

	if (n < 0)
		return n;
	g->shared_irq = g->vfio->irq_mode != VFIO_IRQ_MSIX || n < 2;
	if (g->shared_irq)
		return 1;
	return n - 1 < (int)channels ? n - 1 : (int)channels;
}

static void irq_queue(struct napi_struct *n)
{
	struct igb_channel *c = container_of(container_of(n, struct channel, napi), struct igb_channel, ch);

	if (!c->igb->dev->automask)
		igb_wr32(c->igb, E1000_EIMC, c->eims);
	napi_schedule_irqoff(n);
}

/* Reading ICR acknowledges everything in it. The link may go on interrupting while the queues are polled. */
static void irq_shared(struct napi_struct *n)
{
	struct igb_channel *c = container_of(container_of(n, struct channel, napi), struct igb_channel, ch);
	struct igb *g = c->igb;
	uint32_t icr;

	igb_wr32(g, E1000_IMC, QUEUE_CAUSES);
	icr = igb_rd32(g, E1000_ICR);
	if (icr == UINT32_MAX && igb_check_removed(g))
		return;
	if (icr & E1000_ICR_LSC)
		igb_link_check(g);
	/* INTx: nothing unmasked is pending any more, so the line is low, and may tell of the link. */
	vfio_irq_unmask_intx(g->vfio);
	/* After ICR was read: an instance that is being polled polls once more for what was acknowledged. */
	napi_schedule_irqoff(n);
}

/* Link and the rest: the slow path's thread. */
static void irq_other(struct unapi_source *src)
{
	struct igb *g = src->arg;
	uint64_t count;
	uint32_t icr;

	if (read(src->fd, &count, sizeof(count)) != sizeof(count))
		return;
	icr = igb_rd32(g, E1000_ICR);
	if (icr == UINT32_MAX && igb_check_removed(g))
		return;
	if (icr & E1000_ICR_LSC)
		igb_link_check(g);
	igb_wr32(g, E1000_EIMS, 1u << IGB_OTHER_VECTOR);
}

void igb_irq_attach(struct igb_channel *c)
{
	struct igb *g = c->igb;
	unsigned int vector = g->shared_irq ? 0 : c->ch.index + 1u;

	c->ch.vector = (uint16_t)vector;
	c->eims = g->shared_irq ? 0 : 1u << vector;
	unapi_napi_set_irq(&c->ch.napi, g->vfio->vector_fds[vector], g->shared_irq ? irq_shared : irq_queue);
}

static void set_ivar(struct igb *g, unsigned int q, unsigned int shift, uint32_t entry)
{
	uint32_t *row = &g->ivar[E1000_IVAR_ROW(q)];

	*row = (*row & ~(0xffu << shift)) | entry << shift;
	igb_wr32(g, E1000_IVAR(E1000_IVAR_ROW(q)), *row);
}

/*
 * A transmit queue's cause is not routed, but on a channel without receive queues: descriptors sent are found
 * by the producer. It is when somebody waits for its buffers. One vector for all: TXDW is then among the
 * causes. Called by whoever produces for the queue, which need not be the queue's own instance, so each row
 * of IVAR has a tx entry nobody else writes while queues run, but two queues may share a row: the lock keeps
 * their read-modify-writes apart.
 */
void igb_irq_route_tx(struct unapi_txq *q, bool on)
{
	struct igb *g = igb_of(q->dev);
	struct channel *ch = container_of(q->napi, struct channel, napi);

	pthread_mutex_lock(&g->route_lock);
	g->tx_routed = on ? g->tx_routed | 1u << q->index : g->tx_routed & ~(1u << q->index);
	if (g->shared_irq)
		WRITE_ONCE(g->shared_causes, SHARED_CAUSES | (g->tx_routed ? E1000_ICR_TXDW : 0));
	else
		set_ivar(g, q->index, E1000_IVAR_TX_SHIFT(q->index), on ? E1000_IVAR_VALID | ch->vector : 0);
	pthread_mutex_unlock(&g->route_lock);
	if (!on)
		return;
	/* What was sent before the cause was routed has raised none: look, but not before it is routed, as
	 * the store is posted. */
	igb_flush(g);
	if (q->napi)
		napi_schedule(q->napi);
}

static void setup_msix(struct igb *g)
{
	g->eims_all = 1u << IGB_OTHER_VECTOR;
	/* GPIE before the other MSI-X registers, or they do not stick (datasheet 8.8.15; Linux igb_main.c).
	 */
	igb_wr32(g, E1000_GPIE,
		 E1000_GPIE_MULTIPLE_MSIX | E1000_GPIE_PBA_SUPPORT | E1000_GPIE_EIAME | E1000_GPIE_NSICR);
	for (unsigned int row = 0; row < E1000_IVAR_ROWS; row++) {
		g->ivar[row] = 0;
		igb_wr32(g, E1000_IVAR(row), 0);
	}
	for (unsigned int q = 0; q < g->dev->conf.rxq; q++)
		set_ivar(g, q, E1000_IVAR_RX_SHIFT(q),
			 E1000_IVAR_VALID | container_of(g->rx[q]->q.napi, struct channel, napi)->vector);
	for (unsigned int q = 0; q < g->dev->conf.txq; q++)
		if (g->tx[q]->q.tx_only)
			set_ivar(g, q, E1000_IVAR_TX_SHIFT(q),
				 E1000_IVAR_VALID |
					 container_of(g->tx[q]->q.napi, struct channel, napi)->vector);
	igb_wr32(g, E1000_IVAR_MISC, (E1000_IVAR_VALID | IGB_OTHER_VECTOR) << E1000_IVAR_MISC_OTHER_SHIFT);
	for (unsigned int i = 0; i < g->dev->nr_channels; i++) {
		g->eims_all |= g->channels[i]->eims;
		/* No throttling by the device: the scheduler decides. The counter is left alone (bit 31). */
		igb_wr32(g, E1000_EITR(g->channels[i]->ch.vector), E1000_EITR_CNT_IGNR);
	}
	igb_wr32(g, E1000_EITR(IGB_OTHER_VECTOR), E1000_EITR_CNT_IGNR);
	igb_wr32(g, E1000_EIAC, g->eims_all & ~(1u << IGB_OTHER_VECTOR));
	igb_wr32(g, E1000_EIAM, g->eims_all);
}

int igb_irq_setup(struct igb *g)
{
	igb_irq_mask_all(g);
	g->tx_routed = 0;
	if (g->shared_irq) {
		g->eims_all = 0;
		g->shared_causes = SHARED_CAUSES;
		igb_wr32(g, E1000_GPIE, E1000_GPIE_NSICR);
		igb_wr32(g, E1000_IAM, 0);
		igb_wr32(g, E1000_EITR(0), E1000_EITR_CNT_IGNR);
	} else {
		setup_msix(g);
	}
	(void)igb_rd32(g, E1000_ICR);
	return igb_check_removed(g) ? unapi_fail(ENODEV, "%s: the device is gone", g->dev->name) : 0;
}

int igb_irq_watch(struct igb *g)
{
	if (g->shared_irq)
		return 0;
	g->other_src =
		(struct unapi_source){.fd = g->vfio->vector_fds[IGB_OTHER_VECTOR], .fn = irq_other, .arg = g};
	return unapi_context_add_source(g->dev->conf.ctx[0], &g->other_src);
}

void igb_irq_unwatch(struct igb *g)
{
	if (g->other_src.ctx)
		unapi_context_del_source(&g->other_src);
}

void igb_irq_enable(struct igb *g)
{
	if (g->shared_irq) {
		igb_wr32(g, E1000_IMS, g->shared_causes);
		vfio_irq_unmask_intx(g->vfio);
	} else {
		igb_wr32(g, E1000_IMS, E1000_ICR_LSC);
		igb_wr32(g, E1000_EIMS, g->eims_all);
	}
}

void igb_irq_mask_all(struct igb *g)
{
	igb_wr32(g, E1000_IMC, UINT32_MAX);
	igb_wr32(g, E1000_EIMC, UINT32_MAX);
	igb_flush(g);
}

void igb_irq_unmask(struct igb_channel *c)
{
	if (likely(c->eims)) {
		igb_wr32(c->igb, E1000_EIMS, c->eims);
		return;
	}
	igb_wr32(c->igb, E1000_IMS, READ_ONCE(c->igb->shared_causes));
}

/*
 * The self-test: the instances are still disabled, so nobody else waits on the vector. It raises the first
 * channel's cause by software and looks at what comes.
 */
struct test_regs {
	uint32_t raise, mask, unmask, bit;
};

static struct test_regs test_regs(const struct igb *g)
{
	if (g->shared_irq)
		return (struct test_regs){E1000_ICS, E1000_IMC, E1000_IMS, E1000_ICR_RXDW};
	return (struct test_regs){E1000_EICS, E1000_EIMC, E1000_EIMS, g->channels[0]->eims};
}

static void drain(struct igb *g, int fd)
{
	uint64_t count;

	while (read(fd, &count, sizeof(count)) == sizeof(count))
		;
	if (g->shared_irq)
		(void)igb_rd32(g, E1000_ICR);
	vfio_irq_unmask_intx(g->vfio);
}

static bool came(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) > 0;
}

int igb_irq_self_test(struct igb *g)
{
	struct test_regs t = test_regs(g);
	struct net_device *dev = g->dev;
	int fd = g->vfio->vector_fds[g->channels[0]->ch.vector];

	if (g->irq_tested)
		return 0;
	drain(g, fd);
	igb_wr32(g, t.unmask, t.bit);
	igb_wr32(g, t.raise, t.bit);
	if (!came(fd, 1000)) {
		igb_irq_mask_all(g);
		return unapi_fail(EIO, "%s: a test interrupt does not arrive: is interrupt remapping on?",
				  dev->name);
	}
	dev->automask = !g->shared_irq && !(igb_rd32(g, t.unmask) & t.bit);

	igb_wr32(g, t.mask, t.bit);
	drain(g, fd);
	igb_wr32(g, t.raise, t.bit);
	igb_flush(g);
	igb_wr32(g, t.unmask, t.bit);
	dev->latches = came(fd, 100);

	igb_irq_mask_all(g);
	drain(g, fd);
	(void)igb_rd32(g, E1000_EICR);
	g->irq_tested = true;
	unapi_log(UNAPI_LOG_INFO, "%s: vectors are%s masked by the device, masked causes are%s remembered",
		  dev->name, dev->automask ? "" : " not", dev->latches ? "" : " not");
	return 0;
}
