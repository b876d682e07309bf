/* SPDX-License-Identifier: BSD-3-Clause */
/* Transmit: advanced descriptors, checksum and VLAN insertion, write-back by RS and WTHRESH (82576
 * datasheet 7.2). */
#include "apps/simnic/igb.h"
#include "apps/simnic/options.h"
#include "apps/simnic/proto.h"
#include "apps/simnic/wire.h"

#include <errno.h>

#define TX_RUN 64 /* packets of one queue before the next one has its turn */

struct tx_packet {
	const uint8_t *frame;
	uint32_t len, next; /* @next: the slot behind the packet */
	uint32_t cmd, olinfo;
};

static uint32_t advance(const struct igb_ring *r, uint32_t slot)
{
	return slot + 1 == r->count ? 0 : slot + 1;
}

static void hang(struct igb *d, unsigned int queue, uint32_t slot, const char *why)
{
	igb_misuse(d, "tx queue %u, slot %u: %s", queue, slot, why);
	d->tx[queue].ring.hung = true;
}

/* ---- write-back, 7.2.4.4 */

static void write_back(struct igb *d, unsigned int queue, uint32_t slot)
{
	const uint32_t tdwbal = d->seen ? d->seen[E1000_TDWBAL(queue) / 4] : d->reg[E1000_TDWBAL(queue) / 4];
	const uint32_t tdwbah = d->seen ? d->seen[E1000_TDWBAH(queue) / 4] : d->reg[E1000_TDWBAH(queue) / 4];
	union e1000_adv_tx_desc *desc;
	uint32_t head;

	if (unlikely(tdwbal & E1000_TDWBAL_HEAD_WB_EN)) {
		head = advance(&d->tx[queue].ring, slot);
		dma_write(&d->dma, (uint64_t)tdwbah << 32 | (tdwbal & ~3u), &head, sizeof(head),
			  (struct dma_who){"tx head write-back", queue, slot});
		return;
	}
	desc = igb_tx_desc(d, queue, slot);
	if (!desc)
		return;
	/* All sixteen bytes go, so a driver that counts on its old words finds out; DD last. */
	__atomic_store_n((uint64_t *)desc, 0, __ATOMIC_RELAXED);
	__atomic_store_n((uint64_t *)desc + 1, (uint64_t)E1000_TXD_STAT_DD << 32, __ATOMIC_RELEASE);
}

void igb_tx_flush(struct igb *d, unsigned int queue)
{
	struct igb_tx_queue *q = &d->tx[queue];

	if (!q->nr_waiting || !q->ring.enabled || !igb_dma_allowed(d))
		return;
	for (unsigned int i = 0; i < q->nr_waiting; i++)
		write_back(d, queue, q->waiting[i]);
	q->nr_waiting = 0;
	irq_queue_cause(&d->irq, queue, true);
}

/* A descriptor with RS is done: written back at once, or with WTHRESH others. */
static void done(struct igb *d, unsigned int queue, uint32_t slot)
{
	struct igb_tx_queue *q = &d->tx[queue];

	q->waiting[q->nr_waiting++] = slot;
	if (q->nr_waiting >= q->wthresh || q->nr_waiting == ARRAY_SIZE(q->waiting))
		igb_tx_flush(d, queue);
}

/* ---- offloads */

static void insert_vlan(struct igb *d, struct tx_packet *p, uint16_t tag)
{
	memmove(d->txframe + 16, p->frame + 12, p->len - 12);
	if (p->frame != d->txframe)
		memcpy(d->txframe, p->frame, 12);
	put_be16(d->txframe + 12, 0x8100);
	put_be16(d->txframe + 14, tag);
	p->frame = d->txframe;
	p->len += VLAN_HLEN;
}

static const char *insert_checksums(struct igb *d, struct tx_packet *p, const struct igb_tx_context *c)
{
	uint32_t iplen = c->vlan_macip_lens & 0x1ff, maclen = c->vlan_macip_lens >> 9 & 0x7f;
	uint32_t l4 = maclen + iplen, l4t = c->type_tucmd_mlhl & E1000_ADVTXD_TUCMD_L4T_MASK;
	struct packet_info i = {.l3_at = (uint16_t)maclen};
	uint8_t *f = d->txframe;
	uint32_t field, sum;

	if (p->frame != f)
		memcpy(f, p->frame, p->len);
	p->frame = f;
	if (l4 > p->len || maclen < ETH_HLEN || iplen < 20)
		return "the context's header lengths do not fit the packet";
	i.l3 = c->type_tucmd_mlhl & E1000_ADVTXD_TUCMD_IPV4 ? L3_IPV4 : L3_IPV6;
	if (i.l3 == L3_IPV6 && iplen < 40)
		return "the context's header lengths do not fit the packet";
	if (p->olinfo & E1000_ADVTXD_POPTS_IXSM && i.l3 == L3_IPV4) {
		put_be16(f + maclen + 10, 0);
		put_be16(f + maclen + 10, (uint16_t)~csum_fold(csum_add(0, f + maclen, iplen)));
	}
	if (!(p->olinfo & E1000_ADVTXD_POPTS_TXSM))
		return NULL;
	/* The driver has put the pseudo header's sum into the field (7.2.5.2), so it is part of what is added
	 * up. */
	field = l4 + (l4t == E1000_ADVTXD_TUCMD_L4T_TCP ? 16 : 6);
	if (l4t == E1000_ADVTXD_TUCMD_L4T_SCTP || field + 2 > p->len)
		return "no such layer 4 checksum in this packet";
	sum = csum_fold(csum_add(0, f + l4, p->len - l4));
	sum = ~sum & 0xffff;
	put_be16(f + field, (uint16_t)(sum || l4t == E1000_ADVTXD_TUCMD_L4T_TCP ? sum : 0xffff));
	return NULL;
}

static const char *apply_offloads(struct igb *d, unsigned int queue, struct tx_packet *p)
{
	struct igb_tx_context *c = &d->tx[queue].context[p->olinfo >> E1000_ADVTXD_IDX_SHIFT & 1];
	const char *why = NULL;

	if (p->cmd & E1000_ADVTXD_DCMD_TSE)
		return "TCP segmentation is not modelled";
	if (p->olinfo & (E1000_ADVTXD_POPTS_IXSM | E1000_ADVTXD_POPTS_TXSM))
		why = insert_checksums(d, p, c);
	if (!why && p->cmd & E1000_ADVTXD_DCMD_VLE)
		insert_vlan(d, p, (uint16_t)(c->vlan_macip_lens >> E1000_ADVTXD_VLAN_SHIFT));
	return why;
}

/* ---- one packet */

enum gather { GATHERED, INCOMPLETE, BROKEN, CONTEXT };

/* Put together the packet at the head of the ring, or take in a context descriptor. */
static enum gather gather(struct igb *d, unsigned int queue, struct tx_packet *p)
{
	struct igb_ring *r = &d->tx[queue].ring;
	uint32_t slot = r->head;

	p->len = p->olinfo = 0;
	for (;;) {
		union e1000_adv_tx_desc *at = igb_tx_desc(d, queue, slot), desc;
		uint32_t len;
		const void *data;

		if (unlikely(!at))
			return BROKEN;
		desc = *at; /* fetched once: the driver may not touch it before write-back */
		p->cmd = desc.read.cmd_type_len;
		p->next = advance(r, slot);
		if (unlikely(!(p->cmd & E1000_ADVTXD_DCMD_DEXT))) {
			hang(d, queue, slot, "a legacy descriptor");
			return BROKEN;
		}
		if ((p->cmd & E1000_ADVTXD_DTYP_MASK) == E1000_ADVTXD_DTYP_CTXT) {
			if (slot != r->head) {
				hang(d, queue, slot, "a context descriptor inside a packet");
				return BROKEN;
			}
			d->tx[queue].context[desc.ctxt.mss_l4len_idx >> E1000_ADVTXD_IDX_SHIFT & 1] =
				(struct igb_tx_context){desc.ctxt.vlan_macip_lens, desc.ctxt.type_tucmd_mlhl};
			return CONTEXT;
		}
		len = p->cmd & E1000_ADVTXD_DTALEN_MASK;
		if (slot == r->head)
			p->olinfo = desc.read.olinfo_status;
		if (unlikely((p->cmd & E1000_ADVTXD_DTYP_MASK) != E1000_ADVTXD_DTYP_DATA || !len ||
			     p->len + len > FRAME_MAX - ETH_FCS_LEN)) {
			hang(d, queue, slot, "not a data descriptor of a sensible length");
			return BROKEN;
		}
		if (slot == r->head && p->cmd & E1000_ADVTXD_DCMD_EOP &&
		    (data = dma_find(&d->dma, desc.read.buffer_addr, len, VFU_DMA_READ))) {
			p->frame = data; /* one buffer: no copy */
		} else {
			if (dma_read(&d->dma, desc.read.buffer_addr, d->txframe + p->len, len,
				     (struct dma_who){"tx buffer", queue, slot})) {
				r->hung = true;
				return BROKEN;
			}
			p->frame = d->txframe;
		}
		p->len += len;
		slot = p->next;
		if (p->cmd & E1000_ADVTXD_DCMD_EOP)
			break;
		if (slot == r->tail)
			return INCOMPLETE;
	}
	if (unlikely(p->olinfo >> E1000_ADVTXD_PAYLEN_SHIFT != p->len)) {
		hang(d, queue, r->head, "PAYLEN is not the sum of the buffers' lengths");
		return BROKEN;
	}
	return GATHERED;
}

/* On to the wire. -EAGAIN: it does not take it now. */
static int transmit(struct igb *d, unsigned int queue, struct tx_packet *p)
{
	const char *why;
	int rc;

	if (p->olinfo & (E1000_ADVTXD_POPTS_IXSM | E1000_ADVTXD_POPTS_TXSM) ||
	    p->cmd & (E1000_ADVTXD_DCMD_VLE | E1000_ADVTXD_DCMD_TSE)) {
		why = apply_offloads(d, queue, p);
		if (why) {
			hang(d, queue, d->tx[queue].ring.head, why);
			return -EIO;
		}
	}
	if (unlikely(!(p->cmd & E1000_ADVTXD_DCMD_IFCS))) {
		/* Nobody at the other end takes a frame without a checksum. */
		igb_misuse(d, "tx queue %u: a packet without IFCS", queue);
		return 0;
	}
	if (unlikely(p->len < ETH_MIN_FRAME && d->reg[E1000_TCTL / 4] & E1000_TCTL_PSP)) {
		if (p->frame != d->txframe)
			memcpy(d->txframe, p->frame, p->len);
		memset(d->txframe + p->len, 0, ETH_MIN_FRAME - p->len);
		p->frame = d->txframe;
		p->len = ETH_MIN_FRAME;
	}
	rc = d->wire->ops->send(d->wire, p->frame, p->len);
	if (!rc) {
		stats_tx(&d->stats, p->frame, p->len + ETH_FCS_LEN);
		d->tx_packets++;
		d->tx[queue].ring.packets++;
	}
	return rc;
}

static unsigned int run_queue(struct igb *d, unsigned int queue)
{
	struct igb_ring *r = &d->tx[queue].ring;
	unsigned int sent = 0;
	struct tx_packet p;

	while (sent < TX_RUN && r->head != r->tail && !r->hung) {
		enum gather g;

		if (unlikely(d->opt->hung_queue == (int)queue && r->packets >= d->opt->hung_after))
			break;
		g = gather(d, queue, &p);
		if (g == INCOMPLETE || g == BROKEN)
			break;
		if (g == GATHERED && transmit(d, queue, &p))
			break;
		/* RS counts on the packet's last descriptor and on those between (7.2.2.3.6: any that has
		 * it). */
		for (uint32_t slot = r->head; slot != p.next; slot = advance(r, slot)) {
			union e1000_adv_tx_desc *desc = igb_tx_desc(d, queue, slot);

			if (desc && desc->read.cmd_type_len & E1000_ADVTXD_DCMD_RS)
				done(d, queue, slot);
		}
		r->head = p.next;
		sent += g == GATHERED;
	}
	return sent;
}

unsigned int igb_tx(struct igb *d)
{
	unsigned int sent = 0;

	if (!(d->reg[E1000_TCTL / 4] & E1000_TCTL_EN) || !d->link || !igb_dma_allowed(d))
		return 0;
	for (unsigned int q = 0; q < E1000_MAX_QUEUES; q++) {
		if (d->tx[q].ring.enabled && d->tx[q].ring.head != d->tx[q].ring.tail)
			sent += run_queue(d, q);
	}
	if (sent && d->wire->ops->flush)
		d->wire->ops->flush(d->wire);
	return sent;
}
