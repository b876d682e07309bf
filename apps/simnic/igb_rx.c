/* SPDX-License-Identifier: BSD-3-Clause */
/* Receive: filters, RSS, the packet buffer, and write-back into advanced descriptors (82576 datasheet 7.1).
 */
#include "apps/simnic/igb.h"
#include "apps/simnic/options.h"
#include "apps/simnic/proto.h"
#include "core/base/clock.h"

#define PBUF_HEADER 4u

static inline uint32_t reg(const struct igb *d, uint32_t at)
{
	return d->reg[at / 4];
}

bool igb_rx_enabled(const struct igb *d)
{
	return reg(d, E1000_RCTL) & E1000_RCTL_EN && d->link && igb_dma_allowed(d);
}

/* The queue's own registers, taken once: in shared pages they could change at any time. */
void igb_rx_configure(struct igb *d, unsigned int queue)
{
	uint32_t srrctl = d->seen ? d->seen[E1000_SRRCTL(queue) / 4] : reg(d, E1000_SRRCTL(queue));
	uint32_t kb = srrctl & E1000_SRRCTL_BSIZEPACKET_MASK;
	uint32_t rctl = reg(d, E1000_RCTL);

	d->rx[queue].bufsize =
		kb ? kb * 1024 : 2048u >> ((rctl & E1000_RCTL_BSIZE_MASK) >> E1000_RCTL_BSIZE_SHIFT);
	d->rx[queue].drop_en = srrctl & E1000_SRRCTL_DROP_EN;
	d->rx[queue].adv_onebuf = (srrctl & E1000_SRRCTL_DESCTYPE_MASK) == E1000_SRRCTL_DESCTYPE_ADV_ONEBUF;
}

/* ---- filters, 7.1.1 and 8.10 */

static bool address_matches(const struct igb *d, const uint8_t *f)
{
	uint32_t low, high;

	memcpy(&low, f, 4);
	high = (uint32_t)f[4] | (uint32_t)f[5] << 8;
	for (unsigned int i = 0; i < E1000_RAR_ENTRIES; i++) {
		uint32_t rah = reg(d, E1000_RAH(i));

		if (rah & E1000_RAH_AV && (rah & E1000_RAH_ADDR_MASK) == high && reg(d, E1000_RAL(i)) == low)
			return true;
	}
	return false;
}

/* Twelve bits of the address, which twelve RCTL.MO says, index a table of 4096 bits. */
static bool multicast_hash_matches(const struct igb *d, const uint8_t *f)
{
	static const uint8_t shift[] = {4, 3, 2, 0};
	uint32_t mo = (reg(d, E1000_RCTL) & E1000_RCTL_MO_MASK) >> E1000_RCTL_MO_SHIFT;
	uint32_t hash = ((uint32_t)f[5] << 8 | f[4]) >> shift[mo] & 0xfff;

	return reg(d, E1000_MTA(hash >> 5)) & 1u << (hash & 31);
}

static bool filter(struct igb *d, const struct packet_info *i, const uint8_t *f, bool *inexact)
{
	uint32_t rctl = reg(d, E1000_RCTL);
	uint32_t vid = i->vlan_tag & 0xfffu;

	if (i->vlan && rctl & E1000_RCTL_VFE && !(reg(d, E1000_VFTA(vid >> 5)) & 1u << (vid & 31)))
		return false;
	if (!(f[0] & 1)) {
		if (address_matches(d, f))
			return true;
		*inexact = true;
		return rctl & E1000_RCTL_UPE;
	}
	if ((f[0] & f[1] & f[2] & f[3] & f[4] & f[5]) == 0xff)
		return rctl & (E1000_RCTL_BAM | E1000_RCTL_MPE);
	if (address_matches(d, f))
		return true;
	*inexact = true;
	return rctl & E1000_RCTL_MPE || multicast_hash_matches(d, f);
}

/* RCTL.LPE and VMOLR.LPE both have to allow what is longer than a standard frame. */
static bool length_allowed(struct igb *d, const struct packet_info *i, uint32_t len)
{
	uint32_t wire_len = len + ETH_FCS_LEN, vmolr = reg(d, E1000_VMOLR(0));

	if (wire_len <= 1518 + (i->vlan ? VLAN_HLEN : 0))
		return true;
	return reg(d, E1000_RCTL) & E1000_RCTL_LPE && wire_len <= reg(d, E1000_RLPML) &&
	       vmolr & E1000_VMOLR_LPE && wire_len <= (vmolr & E1000_VMOLR_RLPML_MASK);
}

/* ---- queue selection, 7.1.1.7 */

static uint32_t rss(struct igb *d, const struct packet_info *i, const uint8_t *f, unsigned int *type)
{
	uint32_t mrqc = reg(d, E1000_MRQC);
	uint8_t input[RSS_INPUT_BYTES];
	uint32_t addr = i->l3 == L3_IPV4 ? 4 : 16;
	bool v4 = i->l3 == L3_IPV4;

	*type = E1000_RXDADV_RSSTYPE_NONE;
	if ((mrqc & E1000_MRQC_ENABLE_MASK) != E1000_MRQC_ENABLE_RSS || i->l3 == L3_NONE)
		return 0;
	memcpy(input, f + i->l3_at + (v4 ? 12 : 8), 2 * addr);
	if (i->l4 == L4_TCP && mrqc & (v4 ? E1000_MRQC_RSS_FIELD_IPV4_TCP : E1000_MRQC_RSS_FIELD_IPV6_TCP))
		*type = v4 ? E1000_RXDADV_RSSTYPE_IPV4_TCP : E1000_RXDADV_RSSTYPE_IPV6_TCP;
	else if (i->l4 == L4_UDP &&
		 mrqc & (v4 ? E1000_MRQC_RSS_FIELD_IPV4_UDP : E1000_MRQC_RSS_FIELD_IPV6_UDP))
		*type = v4 ? E1000_RXDADV_RSSTYPE_IPV4_UDP : E1000_RXDADV_RSSTYPE_IPV6_UDP;
	if (*type) {
		memcpy(input + 2 * addr, f + i->l4_at, 4);
		return rss_hash(&d->rss, input, 2 * addr + 4);
	}
	if (!(mrqc & (v4 ? E1000_MRQC_RSS_FIELD_IPV4 : E1000_MRQC_RSS_FIELD_IPV6)))
		return 0;
	*type = v4 ? E1000_RXDADV_RSSTYPE_IPV4 : E1000_RXDADV_RSSTYPE_IPV6;
	return rss_hash(&d->rss, input, 2 * addr);
}

static unsigned int pick_queue(struct igb *d, uint32_t hash, unsigned int type)
{
	uint32_t entry = hash % E1000_RETA_ENTRIES;

	if (type == E1000_RXDADV_RSSTYPE_NONE)
		return reg(d, E1000_MRQC) >> E1000_MRQC_DEF_Q_SHIFT & 7;
	return reg(d, E1000_RETA(entry / 4)) >> 8 * (entry % 4) & E1000_RETA_QUEUE_MASK;
}

unsigned int igb_rx_queue_of(struct igb *d, const uint8_t *f, uint32_t len)
{
	struct packet_info i;
	unsigned int type;
	uint32_t hash;

	packet_parse(&i, f, len);
	hash = rss(d, &i, f, &type);
	return pick_queue(d, hash, type);
}

static uint32_t free_descriptors(const struct igb_ring *r)
{
	/* Head equal to tail is empty: hardware never owns the whole ring (7.1.9). */
	return r->tail >= r->head ? r->tail - r->head : r->count - r->head + r->tail;
}

uint32_t igb_rx_free(const struct igb *d, unsigned int queue)
{
	const struct igb_ring *r = &d->rx[queue].ring;

	return r->enabled ? free_descriptors(r) : 0;
}

static bool frozen(const struct igb *d, unsigned int queue, const struct igb_ring *r)
{
	return r->hung || (d->opt->hung_queue == (int)queue && r->packets >= d->opt->hung_after);
}

static uint32_t descriptors_for(const struct igb_rx_queue *q, uint32_t len)
{
	return (len + q->bufsize - 1) / q->bufsize;
}

bool igb_rx_room(const struct igb *d, unsigned int queue, uint32_t len)
{
	const struct igb_rx_queue *q = &d->rx[queue];

	return q->ring.enabled && !frozen(d, queue, &q->ring) && d->late_count < IGB_LATE_SLOTS / 2 &&
	       free_descriptors(&q->ring) >= descriptors_for(q, len + ETH_FCS_LEN);
}

/* ---- write-back, 7.1.5 */

static uint16_t packet_type(const struct packet_info *i)
{
	uint16_t t = 0;

	if (i->l3 == L3_IPV4)
		t |= i->options ? E1000_RXDADV_PKTTYPE_IPV4 | E1000_RXDADV_PKTTYPE_IPV4_EX
				: E1000_RXDADV_PKTTYPE_IPV4;
	else if (i->l3 == L3_IPV6)
		t |= i->options ? E1000_RXDADV_PKTTYPE_IPV6 | E1000_RXDADV_PKTTYPE_IPV6_EX
				: E1000_RXDADV_PKTTYPE_IPV6;
	if (i->l4 == L4_TCP)
		t |= E1000_RXDADV_PKTTYPE_TCP;
	else if (i->l4 == L4_UDP)
		t |= E1000_RXDADV_PKTTYPE_UDP;
	else if (i->l4 == L4_SCTP)
		t |= E1000_RXDADV_PKTTYPE_SCTP;
	return t;
}

/* Checksum verdicts, 7.1.11. A UDP checksum of zero is none, and so has no verdict. */
static uint32_t checksum_status(const struct igb *d, const struct packet_info *i, const uint8_t *f)
{
	uint32_t rxcsum = reg(d, E1000_RXCSUM), status = 0;

	if (i->l3 == L3_IPV4 && rxcsum & E1000_RXCSUM_IPOFLD) {
		status |= E1000_RXD_STAT_IPCS;
		if (!ip_csum_good(i, f))
			status |= E1000_RXDEXT_ERR_IPE;
	}
	if (!(rxcsum & E1000_RXCSUM_TUOFLD) || (i->l4 != L4_TCP && i->l4 != L4_UDP))
		return status;
	if (i->l4 == L4_UDP) {
		if (!get_be16(f + i->l4_at + 6))
			return status;
		status |= E1000_RXD_STAT_UDPCS;
	}
	status |= E1000_RXD_STAT_L4CS;
	if (!l4_csum_good(i, f))
		status |= E1000_RXDEXT_ERR_L4E;
	return status;
}

struct writeback {
	uint64_t low, high; /* pkt_info, hdr_info, rss; status_error, length, vlan */
};

static bool every(const struct igb *d, unsigned int n)
{
	return n && d->fault_ticks % n == 0;
}

static void pause_ns(uint64_t ns)
{
	for (uint64_t end = unapi_clock_ns() + ns; unapi_clock_ns() < end;)
		cpu_relax();
}

/* Make one descriptor the driver's again. DD is stored with release after everything else of the packet. */
static void write_back(struct igb *d, unsigned int queue, uint32_t slot, struct writeback wb)
{
	union e1000_adv_rx_desc *desc = igb_rx_desc(d, queue, slot);
	uint64_t *words = (uint64_t *)desc;

	if (unlikely(!desc))
		return;
	d->fault_ticks++;
	if (unlikely(every(d, d->opt->hostile_len))) {
		static const uint16_t lies[] = {0, 0xffff, 16385};

		wb.high = (wb.high & ~(0xffffull << 32)) |
			  (uint64_t)lies[d->fault_ticks / d->opt->hostile_len % ARRAY_SIZE(lies)] << 32;
	}
	__atomic_store_n(&words[0], wb.low, __ATOMIC_RELAXED);
	if (unlikely(d->holding) && !d->rx[queue].held) {
		d->rx[queue].held = true;
		d->rx[queue].held_slot = slot;
		d->rx[queue].held_word = wb.high;
		return;
	}
	if (unlikely(d->opt->late_dd)) {
		d->late[(d->late_first + d->late_count++) % IGB_LATE_SLOTS] = (struct igb_late){
			unapi_clock_ns() + d->opt->late_dd * NSEC_PER_USEC, wb.high, queue, slot};
		return;
	}
	if (unlikely(every(d, d->opt->torn))) {
		__atomic_store_n(&desc->wb.status_error, (uint32_t)wb.high, __ATOMIC_RELEASE);
		pause_ns(500);
	}
	__atomic_store_n(&words[1], wb.high, __ATOMIC_RELEASE);
	if (unlikely(every(d, d->opt->rewrite_dd))) {
		pause_ns(200);
		__atomic_store_n(&desc->wb.length, 0xffff, __ATOMIC_RELEASE);
	}
}

void igb_rx_late(struct igb *d)
{
	uint64_t now = unapi_clock_ns();

	while (d->late_count && d->late[d->late_first].due <= now) {
		struct igb_late *l = &d->late[d->late_first];
		union e1000_adv_rx_desc *desc = NULL;

		if (d->rx[l->queue].ring.enabled && l->slot < d->rx[l->queue].ring.count &&
		    igb_dma_allowed(d))
			desc = igb_rx_desc(d, l->queue, l->slot);
		if (desc) {
			__atomic_store_n((uint64_t *)desc + 1, l->word, __ATOMIC_RELEASE);
			irq_queue_cause(&d->irq, l->queue, false);
		}
		d->late_first = (d->late_first + 1) % IGB_LATE_SLOTS;
		d->late_count--;
	}
}

static void threshold_cause(struct igb *d, const struct igb_ring *r, uint32_t srrctl, uint32_t before)
{
	uint32_t level = ((srrctl & E1000_SRRCTL_RDMTS_MASK) >> E1000_SRRCTL_RDMTS_SHIFT) * 16;

	if (before >= level && free_descriptors(r) < level)
		irq_other_cause(&d->irq, E1000_ICR_RXDMT0);
}

/* Spread a frame over as many buffers as it takes. False: a fault; the queue is hung and the frame lost. */
static bool store(struct igb *d, unsigned int queue, const uint8_t *f, uint32_t len, struct writeback last)
{
	struct igb_rx_queue *q = &d->rx[queue];
	struct igb_ring *r = &q->ring;
	uint32_t before = free_descriptors(r), at = 0;

	do {
		uint32_t part = len - at < q->bufsize ? len - at : q->bufsize, slot = r->head;
		union e1000_adv_rx_desc *desc = igb_rx_desc(d, queue, slot);
		struct writeback wb = {last.low, (uint64_t)part << 32 | E1000_RXD_STAT_DD};
		uint64_t buffer;

		if (unlikely(!desc))
			return false;
		buffer = READ_ONCE(desc->read.pkt_addr);
		if (unlikely(dma_write(&d->dma, buffer, f + at, part,
				       (struct dma_who){"rx buffer", queue, slot}))) {
			r->hung = true;
			return false;
		}
		at += part;
		if (at == len) /* verdicts and tag are valid in the last one only */
			wb.high |= last.high | E1000_RXD_STAT_EOP;
		r->head = slot + 1 == r->count ? 0 : slot + 1;
		write_back(d, queue, slot, wb);
	} while (at < len);
	threshold_cause(d, r, d->seen ? d->seen[E1000_SRRCTL(queue) / 4] : reg(d, E1000_SRRCTL(queue)),
			before);
	return true;
}

static enum igb_rx_result no_room(struct igb *d, unsigned int queue)
{
	struct igb_rx_queue *q = &d->rx[queue];

	if (!q->drop_en)
		return IGB_RX_BUSY;
	d->rx_dropped++;
	/* A mapped register cannot clear when read, so RQDPC stays 0 there and the loss is counted in MPC. */
	if (d->seen)
		stats_inc(&d->stats, E1000_MPC);
	else if (q->dropped < E1000_RQDPC_MASK)
		q->dropped++;
	return IGB_RX_DROPPED;
}

void igb_rx_overrun(struct igb *d, unsigned int queue)
{
	if (no_room(d, queue) == IGB_RX_BUSY)
		stats_inc(&d->stats, E1000_MPC); /* there is no packet buffer for it to wait in */
}

/* Take the VLAN tag out where both switches say so; returns the frame, maybe a copy of it in @copy. */
static const uint8_t *strip_vlan(struct igb *d, struct packet_info *i, const uint8_t *f, uint32_t *len,
				 uint8_t *copy)
{
	if (!i->vlan || !(reg(d, E1000_CTRL) & E1000_CTRL_VME) ||
	    !(reg(d, E1000_VMOLR(0)) & E1000_VMOLR_STRVLAN))
		return f;
	memcpy(copy, f, 12);
	memcpy(copy + 12, f + 16, *len - 16);
	*len -= VLAN_HLEN;
	return copy;
}

enum igb_rx_result igb_rx(struct igb *d, const uint8_t *frame, uint32_t len)
{
	uint8_t copy[FRAME_MAX + ETH_FCS_LEN];
	struct packet_info info;
	struct writeback wb = {0};
	bool inexact = false;
	struct igb_rx_queue *q;
	const uint8_t *f;
	uint32_t hash, n = len;
	unsigned int type, queue;

	if (unlikely(!igb_rx_enabled(d)))
		return IGB_RX_DROPPED;
	if (unlikely(len < ETH_MIN_FRAME || len > FRAME_MAX - ETH_FCS_LEN)) {
		stats_inc(&d->stats, len < ETH_MIN_FRAME ? E1000_RUC : E1000_ROC);
		return IGB_RX_DROPPED;
	}
	packet_parse(&info, frame, len);
	if (unlikely(!filter(d, &info, frame, &inexact) || !length_allowed(d, &info, len))) {
		d->rx_filtered++;
		return IGB_RX_DROPPED;
	}
	hash = rss(d, &info, frame, &type);
	queue = pick_queue(d, hash, type);
	q = &d->rx[queue];
	if (unlikely(!q->ring.enabled)) {
		d->rx_no_queue++;
		return IGB_RX_DROPPED;
	}
	if (unlikely(!q->adv_onebuf)) {
		if (!q->ring.hung)
			igb_misuse(d, "rx queue %u: SRRCTL.DESCTYPE is not advanced, one buffer", queue);
		q->ring.hung = true;
	}
	if (unlikely(!igb_rx_room(d, queue, len)))
		return no_room(d, queue);

	wb.high = checksum_status(d, &info, frame) | (inexact ? E1000_RXD_STAT_PIF : 0);
	wb.low = packet_type(&info);
	if (reg(d, E1000_RXCSUM) & E1000_RXCSUM_PCSD)
		wb.low |= type | (uint64_t)hash << 32;
	else
		wb.low |= (uint64_t)info.ip_id << 32;
	f = strip_vlan(d, &info, frame, &n, copy);
	if (f != frame)
		wb.high |= E1000_RXD_STAT_VP | (uint64_t)info.vlan_tag << 48;
	if (!(reg(d, E1000_RCTL) & E1000_RCTL_SECRC)) {
		uint32_t fcs = frame_crc32(frame, len);

		if (f == frame)
			memcpy(copy, frame, n);
		memcpy(copy + n, &fcs, ETH_FCS_LEN);
		f = copy;
		n += ETH_FCS_LEN;
	}
	if (!store(d, queue, f, n, wb))
		return IGB_RX_DROPPED;
	d->rx_packets++;
	q->ring.packets++;
	stats_rx(&d->stats, frame, len + ETH_FCS_LEN);
	if (likely(!d->holding))
		irq_queue_cause(&d->irq, queue, false);
	return IGB_RX_TAKEN;
}

void igb_rx_hold(struct igb *d)
{
	d->holding = true;
}

bool igb_rx_release(struct igb *d)
{
	bool any = false;

	d->holding = false;
	for (unsigned int n = 0; n < E1000_MAX_QUEUES; n++) {
		struct igb_rx_queue *q = &d->rx[n];
		union e1000_adv_rx_desc *desc = NULL;

		if (likely(!q->held))
			continue;
		q->held = false;
		if (q->ring.enabled && igb_dma_allowed(d))
			desc = igb_rx_desc(d, n, q->held_slot);
		if (!desc)
			continue;
		/* A driver takes descriptors in order: with this one it has all of them. */
		__atomic_store_n((uint64_t *)desc + 1, q->held_word, __ATOMIC_RELEASE);
		irq_queue_cause(&d->irq, n, false);
		any = true;
	}
	return any;
}

/* ---- the packet buffer */

static uint32_t pbuf_size(const struct igb *d)
{
	return (reg(d, E1000_RXPBS) & 0x7f) * 1024 < 65536 ? (reg(d, E1000_RXPBS) & 0x7f) * 1024 : 65536;
}

bool igb_rx_drain(struct igb *d)
{
	bool any = false;

	while (d->pbuf_used) {
		uint32_t len;

		memcpy(&len, d->pbuf + d->pbuf_head, PBUF_HEADER);
		if (igb_rx(d, d->pbuf + d->pbuf_head + PBUF_HEADER, len) == IGB_RX_BUSY)
			break; /* in order: what is behind waits for what is in front */
		d->pbuf_head += PBUF_HEADER + len;
		any = true;
		if (d->pbuf_head == d->pbuf_used)
			d->pbuf_head = d->pbuf_used = 0;
	}
	return any;
}

void igb_rx_buffered(struct igb *d, const uint8_t *f, uint32_t len)
{
	uint32_t need = PBUF_HEADER + len;

	if (len > FRAME_MAX)
		return;
	if (!d->pbuf_used || igb_rx_drain(d)) {
		if (!d->pbuf_used && igb_rx(d, f, len) != IGB_RX_BUSY)
			return;
	}
	if (d->pbuf_used + need > pbuf_size(d) && d->pbuf_head) {
		d->pbuf_used -= d->pbuf_head;
		memmove(d->pbuf, d->pbuf + d->pbuf_head, d->pbuf_used);
		d->pbuf_head = 0;
	}
	if (d->pbuf_used + need > pbuf_size(d)) {
		d->rx_dropped++;
		stats_inc(&d->stats, E1000_MPC);
		irq_other_cause(&d->irq, E1000_ICR_RXO);
		return;
	}
	if (!d->pbuf_used) /* stored for want of a descriptor, 8.18.39 */
		stats_inc(&d->stats, E1000_RNBC);
	memcpy(d->pbuf + d->pbuf_used, &len, PBUF_HEADER);
	memcpy(d->pbuf + d->pbuf_used + PBUF_HEADER, f, len);
	d->pbuf_used += need;
}
