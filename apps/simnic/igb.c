/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/simnic/igb.h"
#include "apps/simnic/options.h"
#include "apps/simnic/proto.h"
#include "core/base/clock.h"
#include "core/base/reason.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define PBUF_SIZE     (64u * 1024) /* RXPBS at its default */
#define MISUSES_SHOWN 16u

void igb_misuse(struct igb *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(d->last_misuse, sizeof(d->last_misuse), fmt, ap);
	va_end(ap);
	if (d->misuse++ < MISUSES_SHOWN)
		fprintf(stderr, "simnic: driver error: %s\n", d->last_misuse);
}

/* The EEPROM image: the address, and the word that makes the sum right (datasheet 6.2). */
static void fill_nvm(struct igb *d)
{
	uint16_t sum = 0;

	for (unsigned int i = 0; i < 3; i++)
		d->nvm[i] = (uint16_t)(d->opt->mac[2 * i] | d->opt->mac[2 * i + 1] << 8);
	for (unsigned int i = 0; i < E1000_NVM_CHECKSUM_REG; i++)
		sum = (uint16_t)(sum + d->nvm[i]);
	d->nvm[E1000_NVM_CHECKSUM_REG] = (uint16_t)(E1000_NVM_SUM - sum);
}

int igb_init(struct igb *d, const struct sim_options *o, uint32_t *shared)
{
	memset(d, 0, sizeof(*d));
	d->opt = o;
	d->reg = shared ? shared : calloc(IGB_REG_WORDS, 4);
	d->seen = shared ? aligned_alloc(UNAPI_CACHELINE, E1000_BAR0_SIZE) : NULL;
	d->pbuf = malloc(PBUF_SIZE);
	d->txframe = malloc(FRAME_MAX + VLAN_HLEN);
	if (!d->reg || (shared && !d->seen) || !d->pbuf || !d->txframe)
		return unapi_fail(ENOMEM, "no memory for the device model");
	dma_init(&d->dma);
	pciconf_init(&d->conf, o);
	irq_init(&d->irq, o, &d->conf);
	phy_init(&d->phy, o->link_delay * NSEC_PER_MSEC);
	fill_nvm(d);
	igb_reset(d);
	return 0;
}

void igb_fini(struct igb *d)
{
	irq_disconnect(&d->irq);
	dma_fini(&d->dma);
	free(d->seen ? NULL : d->reg);
	free(d->seen);
	free(d->pbuf);
	free(d->txframe);
}

static void set_link(struct igb *d)
{
	/* The MAC takes the internal PHY's link only while CTRL.SLU asks for it (4.7.3). */
	bool link = d->phy.link && d->reg[E1000_CTRL / 4] & E1000_CTRL_SLU;

	if (link == d->link)
		return;
	d->link = link;
	irq_other_cause(&d->irq, E1000_ICR_LSC);
}

void igb_reset(struct igb *d)
{
	uint32_t *r = d->reg;

	for (uint32_t i = 0; i < IGB_REG_WORDS; i++) {
		/* In shared pages only what differs is stored: an untouched page stays unallocated. */
		if (r[i])
			r[i] = 0;
		if (d->seen)
			d->seen[i] = 0;
	}
	memset(d->rx, 0, sizeof(d->rx));
	memset(d->tx, 0, sizeof(d->tx));
	memset(&d->stats, 0, sizeof(d->stats));
	irq_reset(&d->irq);
	r[E1000_CTRL / 4] = E1000_CTRL_FD;
	r[E1000_EECD / 4] = E1000_EECD_PRES | E1000_EECD_AUTO_RD;
	r[E1000_VET / 4] = 0x81008100;
	r[E1000_TIPG / 4] = E1000_TIPG_DEFAULT;
	r[E1000_TCTL / 4] = E1000_TCTL_PSP | 0xf << E1000_TCTL_CT_SHIFT;
	r[E1000_RLPML / 4] = FRAME_MAX;
	r[E1000_LEDCTL / 4] = 0x07068302;
	r[0x1010 / 4] = 1u << 18; /* EEMNGCTL: the firmware has configured port 0 */
	igb_show(d, E1000_RXPBS, E1000_RXPBS_DEFAULT);
	igb_show(d, E1000_TXPBS, E1000_TXPBS_DEFAULT);
	r[E1000_RAL(0) / 4] = (uint32_t)d->nvm[0] | (uint32_t)d->nvm[1] << 16;
	r[E1000_RAH(0) / 4] = d->nvm[2] | E1000_RAH_AV;
	for (unsigned int i = 0; i < E1000_VMOLR_POOLS; i++)
		r[E1000_VMOLR(i) / 4] = E1000_VMOLR_STRCRC | 0x2600;
	d->pbuf_used = d->pbuf_head = 0;
	d->late_count = 0;
	d->holding = false;
	d->link = false;
	d->rss_serial++;
	rss_set_key(&d->rss, (const uint8_t[RSS_KEY_BYTES]){0});
	set_link(d);
}

void igb_disconnect(struct igb *d)
{
	d->connected = false;
	irq_disconnect(&d->irq);
	dma_unmap_all(&d->dma);
}

void igb_remove(struct igb *d)
{
	d->removed = true;
	d->irq.dead = true;
	/* What is mapped cannot be made to vanish, but it reads as a removed device does. */
	memset(d->reg, 0xff, E1000_BAR0_SIZE);
}

void igb_carrier(struct igb *d, bool carrier)
{
	phy_set_carrier(&d->phy, carrier);
	set_link(d);
}

void igb_run(struct igb *d)
{
	if (unlikely(d->removed))
		return;
	phy_run(&d->phy);
	set_link(d);
	irq_run(&d->irq);
	if (unlikely(d->late_count))
		igb_rx_late(d);
	if (unlikely(d->pbuf_used))
		igb_rx_drain(d);
	if (unlikely(d->opt->remove_after) && d->rx_packets + d->tx_packets >= d->opt->remove_after)
		igb_remove(d);
}

uint64_t igb_next(const struct igb *d)
{
	uint64_t next = irq_next(&d->irq);

	if (d->removed)
		return IRQ_NEVER;
	if (d->phy.done_at < next)
		next = d->phy.done_at;
	if (d->late_count && d->late[d->late_first].due < next)
		next = d->late[d->late_first].due;
	return next;
}

/* ---- rings */

static void *descriptor(struct igb *d, struct igb_ring *r, struct dma_who who)
{
	uint64_t at = r->base + (uint64_t)who.slot * IGB_DESC_SIZE;
	void *p;

	if (unlikely(r->generation != d->dma.generation)) {
		r->va = dma_find(&d->dma, r->base, (uint64_t)r->count * IGB_DESC_SIZE,
				 VFU_DMA_READ | VFU_DMA_WRITE);
		r->generation = d->dma.generation;
	}
	if (likely(r->va))
		return r->va + (size_t)who.slot * IGB_DESC_SIZE;
	p = dma_find(&d->dma, at, IGB_DESC_SIZE, VFU_DMA_READ | VFU_DMA_WRITE);
	if (!p) {
		dma_fault(&d->dma, at, IGB_DESC_SIZE, true, who);
		r->hung = true;
	}
	return p;
}

union e1000_adv_rx_desc *igb_rx_desc(struct igb *d, unsigned int queue, uint32_t slot)
{
	return descriptor(d, &d->rx[queue].ring, (struct dma_who){"rx descriptor", queue, slot});
}

union e1000_adv_tx_desc *igb_tx_desc(struct igb *d, unsigned int queue, uint32_t slot)
{
	return descriptor(d, &d->tx[queue].ring, (struct dma_who){"tx descriptor", queue, slot});
}
