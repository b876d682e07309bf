/* SPDX-License-Identifier: BSD-3-Clause */
/* Register reads and writes with their side effects: 82576 datasheet, chapter 8. */
#include "apps/simnic/igb.h"
#include "apps/simnic/options.h"

#include <emmintrin.h>

struct ring_reg {
	bool rx;
	unsigned int queue;
	uint32_t at; /* E1000_Q_... */
};

/* Both places where a queue's block can be reached: the one of the older devices for 0..3, and C000h, E000h
 * for all. */
static bool ring_reg_of(uint32_t reg, struct ring_reg *r)
{
	if (reg >= 0x2800 && reg < 0x2C00) {
		*r = (struct ring_reg){true, (reg - 0x2800) >> 8, reg & 0xff};
		return r->at < 0x40;
	}
	if (reg >= 0x3800 && reg < 0x3C00) {
		*r = (struct ring_reg){false, (reg - 0x3800) >> 8, reg & 0xff};
		return r->at < 0x40;
	}
	if (reg >= 0xC000 && reg < 0xC400) {
		*r = (struct ring_reg){true, (reg - 0xC000) >> 6, reg & 0x3f};
		return true;
	}
	if (reg >= 0xE000 && reg < 0xE400) {
		*r = (struct ring_reg){false, (reg - 0xE000) >> 6, reg & 0x3f};
		return true;
	}
	return false;
}

static inline uint32_t canonical(const struct ring_reg *r)
{
	return r->rx ? (uint32_t)E1000_RXQ(r->queue, r->at) : (uint32_t)E1000_TXQ(r->queue, r->at);
}

static inline uint32_t alias_of(const struct ring_reg *r)
{
	return (r->rx ? 0xC000u : 0xE000u) + 0x40 * r->queue + r->at;
}

/*
 * The model's own stores to registers. In shared memory they take the place of what the model knows to be
 * there, and of nothing else: should the client have stored something newer meanwhile, that stays, and the
 * next look finds it. Were it lost, and the client's last, frames would wait for ever. A store of what is
 * there already is saved: the client polls it.
 */
static void show_at(struct igb *d, uint32_t reg, uint32_t val)
{
	uint32_t known;

	if (!d->seen) {
		d->reg[reg / 4] = val;
		return;
	}
	known = reg == d->acting_on ? d->acting_for : d->seen[reg / 4];
	/* relaxed: it tells of nothing but itself */
	if (known != val)
		__atomic_compare_exchange_n(&d->reg[reg / 4], &known, val, false, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED);
	d->seen[reg / 4] = val;
	if (reg == d->acting_on)
		d->acting_on = 0;
}

void igb_show(struct igb *d, uint32_t reg, uint32_t val)
{
	struct ring_reg r;

	if (!ring_reg_of(reg, &r)) {
		show_at(d, reg, val);
		return;
	}
	show_at(d, canonical(&r), val);
	if (r.queue < 4)
		show_at(d, alias_of(&r), val);
}

static uint32_t stored(const struct igb *d, const struct ring_reg *r, uint32_t at)
{
	struct ring_reg other = {r->rx, r->queue, at};
	uint32_t reg = canonical(&other) / 4;

	return d->seen ? d->seen[reg] : d->reg[reg];
}

static void enable_ring(struct igb *d, const struct ring_reg *r, struct igb_ring *ring)
{
	ring->base = (uint64_t)stored(d, r, E1000_Q_BAH) << 32 | stored(d, r, E1000_Q_BAL);
	ring->count = stored(d, r, E1000_Q_LEN) / IGB_DESC_SIZE;
	ring->head = stored(d, r, E1000_Q_HEAD);
	ring->tail = stored(d, r, E1000_Q_TAIL);
	ring->hung = false;
	ring->generation = 0;
	ring->packets = 0;
	ring->enabled = true;
	if (!ring->count || ring->head >= ring->count || ring->tail >= ring->count) {
		igb_misuse(d, "%s queue %u enabled with length %u, head %u, tail %u", r->rx ? "rx" : "tx",
			   r->queue, ring->count, ring->head, ring->tail);
		ring->hung = true;
	}
	d->rss_serial++;
}

static void write_dctl(struct igb *d, const struct ring_reg *r, struct igb_ring *ring, uint32_t val)
{
	bool flush = val & E1000_TXDCTL_SWFLUSH;

	if (val & E1000_RXDCTL_QUEUE_ENABLE && r->queue >= d->opt->queues)
		val &= ~E1000_RXDCTL_QUEUE_ENABLE; /* this device has fewer queues: the bit does not stick */
	val &= ~E1000_TXDCTL_SWFLUSH;
	igb_show(d, canonical(r), val);
	if (!r->rx) {
		d->tx[r->queue].wthresh = val >> E1000_DCTL_WTHRESH_SHIFT & E1000_DCTL_THRESH_MASK;
		if (flush)
			igb_tx_flush(d, r->queue);
	}
	if (val & E1000_RXDCTL_QUEUE_ENABLE && !ring->enabled) {
		if (r->rx) {
			igb_rx_configure(d, r->queue);
			d->rx[r->queue].held = false;
		} else {
			d->tx[r->queue].nr_waiting = 0;
		}
		enable_ring(d, r, ring);
	} else if (!(val & E1000_RXDCTL_QUEUE_ENABLE) && ring->enabled) {
		ring->enabled = false;
		d->rss_serial++;
	}
}

static void write_tail(struct igb *d, const struct ring_reg *r, struct igb_ring *ring, uint32_t val)
{
	val &= 0xffff;
	if (!ring->enabled) {
		/* A tail written before the queue is on is lost (4.5.9, 4.5.10); zero is what it is anyway.
		 */
		if (val)
			igb_misuse(d, "tail %u written to %s queue %u, which is not enabled", val,
				   r->rx ? "rx" : "tx", r->queue);
		igb_show(d, canonical(r), 0);
		return;
	}
	igb_show(d, canonical(r), val);
	if (val >= ring->count) {
		igb_misuse(d, "tail %u written to %s queue %u, which has %u descriptors", val,
			   r->rx ? "rx" : "tx", r->queue, ring->count);
		ring->hung = true;
		return;
	}
	ring->tail = val;
}

static void write_ring(struct igb *d, const struct ring_reg *r, uint32_t val)
{
	struct igb_ring *ring = r->rx ? &d->rx[r->queue].ring : &d->tx[r->queue].ring;
	uint32_t reg = canonical(r);

	switch (r->at) {
	case E1000_Q_DCTL:
		write_dctl(d, r, ring, val);
		return;
	case E1000_Q_TAIL:
		write_tail(d, r, ring, val);
		return;
	case E1000_Q_BAL:
		val &= ~(E1000_RING_ALIGN - 1u);
		break;
	case E1000_Q_LEN:
		val &= 0xfff80;
		break;
	case E1000_Q_HEAD:
		val &= 0xffff;
		break;
	case E1000_Q_RQDPC: /* the same offset is nothing in a tx block */
		igb_show(d, reg, 0);
		return;
	}
	if (ring->enabled &&
	    (r->at == E1000_Q_BAL || r->at == E1000_Q_BAH || r->at == E1000_Q_LEN || r->at == E1000_Q_HEAD)) {
		if (val != stored(d, r, r->at))
			igb_misuse(d, "register 0x%x of an enabled queue written", reg);
		igb_show(d, reg, stored(d, r, r->at));
		return;
	}
	igb_show(d, reg, val);
	if (r->rx && r->at == E1000_Q_SRRCTL && ring->enabled)
		igb_rx_configure(d, r->queue);
}

static uint32_t read_ring(struct igb *d, const struct ring_reg *r)
{
	uint32_t val;

	if (r->rx && r->at == E1000_Q_RQDPC && !d->seen) {
		val = d->rx[r->queue].dropped;
		d->rx[r->queue].dropped = 0;
		return val;
	}
	return stored(d, r, r->at);
}

/* A block is one cache line: has anybody written to it? */
static inline bool block_changed(const struct igb *d, uint32_t block)
{
	const __m128i *now = (const __m128i *)&d->reg[block / 4],
		      *known = (const __m128i *)&d->seen[block / 4];
	__m128i same = _mm_cmpeq_epi32(now[0], known[0]);

	for (int i = 1; i < 4; i++)
		same = _mm_and_si128(same, _mm_cmpeq_epi32(now[i], known[i]));
	return _mm_movemask_epi8(same) != 0xffff;
}

/* The client has stored @val in a word of the shared pages. */
static void act_on(struct igb *d, uint32_t reg, uint32_t val)
{
	struct ring_reg r;

	ring_reg_of(reg, &r);
	d->acting_on = reg;
	d->acting_for = val;
	write_ring(d, &r, val);
	d->acting_on = 0;
}

/* Words of the shared pages change under the model's feet: each is compared with what it last knew. The tail
 * is loaded first (acquire: with it come all stores before it) and acted on last, after what the client
 * stored before it; only when the queue is found turned off the tail comes before, as the client stored it
 * then.
 */
static void scan_block(struct igb *d, uint32_t block)
{
	static const uint8_t order[] = {E1000_Q_BAL,	E1000_Q_BAH,  E1000_Q_LEN,  E1000_Q_SRRCTL,
					E1000_Q_HEAD,	E1000_Q_DCA,  E1000_Q_DCTL, E1000_Q_TDWBAL,
					E1000_Q_TDWBAH, E1000_Q_RQDPC};
	uint32_t tail = __atomic_load_n(&d->reg[(block + E1000_Q_TAIL) / 4], __ATOMIC_ACQUIRE);
	bool tail_new = tail != d->seen[(block + E1000_Q_TAIL) / 4];

	for (unsigned int i = 0; i < ARRAY_SIZE(order); i++) {
		uint32_t reg = block + order[i], val = READ_ONCE(d->reg[reg / 4]);

		if (likely(val == d->seen[reg / 4]))
			continue;
		if (order[i] == E1000_Q_DCTL && !(val & E1000_RXDCTL_QUEUE_ENABLE)) {
			tail = __atomic_load_n(&d->reg[(block + E1000_Q_TAIL) / 4], __ATOMIC_ACQUIRE);
			if (tail != d->seen[(block + E1000_Q_TAIL) / 4])
				act_on(d, block + E1000_Q_TAIL, tail);
			tail_new = false;
		}
		act_on(d, reg, val);
	}
	if (tail_new)
		act_on(d, block + E1000_Q_TAIL, tail);
}

bool igb_scan(struct igb *d)
{
	bool any = false;

	if (!d->seen || d->removed)
		return false;
	/* The comparison below is made of plain loads: take them anew at each call. */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	for (uint32_t q = 0; q < E1000_MAX_QUEUES; q++) {
		const uint32_t blocks[] = {E1000_RXQ(q, 0), E1000_TXQ(q, 0), 0xC000 + 0x40 * q,
					   0xE000 + 0x40 * q};

		for (unsigned int i = 0; i < (q < 4 ? 4u : 2u); i++) {
			if (unlikely(block_changed(d, blocks[i]))) {
				scan_block(d, blocks[i]);
				any = true;
			}
		}
	}
	return any;
}

void igb_show_heads(struct igb *d)
{
	for (unsigned int q = 0; q < E1000_MAX_QUEUES; q++) {
		if (d->rx[q].ring.enabled)
			igb_show(d, E1000_RDH(q), d->rx[q].ring.head);
		if (d->tx[q].ring.enabled)
			igb_show(d, E1000_TDH(q), d->tx[q].ring.head);
	}
}

/* ---- single registers */

static void write_ctrl(struct igb *d, uint32_t val)
{
	if (val & E1000_CTRL_RST) {
		igb_reset(d);
		return;
	}
	d->reg[E1000_CTRL / 4] = val & ~E1000_CTRL_PHY_RST;
	if (val & E1000_CTRL_PHY_RST) {
		phy_reset(&d->phy);
		d->reg[E1000_STATUS / 4] |= E1000_STATUS_PHYRA;
	}
	igb_run(d); /* SLU may have brought the link up */
}

static uint32_t read_status(const struct igb *d)
{
	uint32_t val = E1000_STATUS_FD | E1000_STATUS_SPEED_1000 | E1000_STATUS_PF_RST_DONE;

	val |= d->reg[E1000_STATUS / 4] & E1000_STATUS_PHYRA;
	if (d->link)
		val |= E1000_STATUS_LU;
	if (!(d->reg[E1000_CTRL / 4] & E1000_CTRL_GIO_MASTER_DISABLE))
		val |= E1000_STATUS_GIO_MASTER_ENABLE; /* no request is ever pending between two register
							  accesses */
	return val;
}

static void write_mdic(struct igb *d, uint32_t val)
{
	unsigned int reg = (val & E1000_MDIC_REG_MASK) >> E1000_MDIC_REG_SHIFT;

	val &= ~(E1000_MDIC_READY | E1000_MDIC_ERROR);
	if ((val & E1000_MDIC_PHY_MASK) >> E1000_MDIC_PHY_SHIFT != E1000_PHY_ADDR) {
		val |= E1000_MDIC_ERROR;
	} else if ((val & E1000_MDIC_OP_MASK) == E1000_MDIC_OP_READ) {
		val = (val & ~E1000_MDIC_DATA_MASK) | phy_read(&d->phy, reg);
	} else if ((val & E1000_MDIC_OP_MASK) == E1000_MDIC_OP_WRITE) {
		phy_write(&d->phy, reg, (uint16_t)val);
		igb_run(d);
	}
	d->reg[E1000_MDIC / 4] = val | E1000_MDIC_READY;
}

static void write_eerd(struct igb *d, uint32_t val)
{
	uint32_t at = (val & 0xffff) >> E1000_EERD_ADDR_SHIFT;

	if (!(val & E1000_EERD_START))
		return;
	val = at << E1000_EERD_ADDR_SHIFT | E1000_EERD_DONE;
	val |= (at < E1000_NVM_WORDS ? (uint32_t)d->nvm[at] : 0xffffu) << E1000_EERD_DATA_SHIFT;
	d->reg[E1000_EERD / 4] = val;
}

static void load_rss_key(struct igb *d)
{
	uint8_t key[RSS_KEY_BYTES];

	for (unsigned int i = 0; i < RSS_KEY_BYTES; i++)
		key[i] = (uint8_t)(d->reg[E1000_RSSRK(i / 4) / 4] >> 8 * (i % 4));
	rss_set_key(&d->rss, key);
}

uint32_t igb_read(struct igb *d, uint32_t reg)
{
	struct ring_reg r;
	uint32_t val;

	if (d->removed || reg & 3 || reg >= E1000_BAR0_SIZE || !pciconf_memory_enabled(&d->conf))
		return UINT32_MAX;
	if (irq_reg_read(&d->irq, reg, &val) || stats_read(&d->stats, reg, &val))
		return val;
	if (ring_reg_of(reg, &r)) {
		igb_show_heads(d);
		return read_ring(d, &r);
	}
	switch (reg) {
	case E1000_STATUS:
		return read_status(d);
	case E1000_SWSM: /* the read takes the semaphore: the one that sees 0 has it (8.2.18) */
		val = d->reg[reg / 4];
		d->reg[reg / 4] |= E1000_SWSM_SMBI;
		return val;
	default:
		return d->reg[reg / 4];
	}
}

void igb_write(struct igb *d, uint32_t reg, uint32_t val)
{
	struct ring_reg r;

	if (d->removed || reg & 3 || reg >= E1000_BAR0_SIZE || !pciconf_memory_enabled(&d->conf))
		return;
	if (ring_reg_of(reg, &r)) {
		write_ring(d, &r, val);
		return;
	}
	if (irq_reg_write(&d->irq, reg, val) || (reg >= E1000_STATS_FIRST && reg <= E1000_STATS_LAST))
		return;
	switch (reg) {
	case E1000_CTRL:
		write_ctrl(d, val);
		return;
	case E1000_STATUS:
		d->reg[reg / 4] &= val | ~E1000_STATUS_PHYRA;
		return;
	case E1000_MDIC:
		write_mdic(d, val);
		return;
	case E1000_EERD:
		write_eerd(d, val);
		return;
	case E1000_EECD:
		d->reg[reg / 4] = val | E1000_EECD_PRES | E1000_EECD_AUTO_RD;
		return;
	case E1000_SWSM:
		d->reg[reg / 4] = val;
		return;
	case E1000_MRQC:
		d->rss_serial++;
		break;
	default:
		if (reg >= E1000_RETA(0) && reg < E1000_RETA(E1000_RETA_ENTRIES / 4))
			d->rss_serial++;
	}
	d->reg[reg / 4] = val;
	if (reg >= E1000_RSSRK(0) && reg < E1000_RSSRK(E1000_RSSRK_WORDS)) {
		/* The table is dear and a key comes in ten writes: made when the last word arrives. */
		if (reg == E1000_RSSRK(E1000_RSSRK_WORDS - 1))
			load_rss_key(d);
		d->rss_serial++;
	}
}
