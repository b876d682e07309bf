/* SPDX-License-Identifier: BSD-3-Clause */
#include "drivers/common/adv_tx_fast.h"
#include "core/base/lines.h"
#include "core/base/reason.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What a burst touches, besides txq.c's, descriptors and records. */
ASSERT_ONE_LINE(struct adv_tx_ring, desc, rs_head);
ASSERT_APART(struct adv_tx_ring, q, desc);

#define NO_BUF	    UINT32_MAX /* a context descriptor's slot */

#define DATA_CMD    (ADV_PUT_CMD & ~ADV_TXD_EOP)

/* Clean when so many slots are in flight: fewer looks at DD, and longer runs of buffers to give back. */
#define CLEAN_BATCH 128u

static inline uint32_t min2(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static inline uint32_t free_slots(const struct adv_tx_ring *t)
{
	return t->size - 1 - adv_tx_in_flight(t);
}

static unsigned int room(const struct unapi_txq *q)
{
	return free_slots(container_of(q, struct adv_tx_ring, q));
}

int adv_tx_setup(struct adv_tx_ring *t, struct vfio_device *v, struct vfio_region *bar, uint32_t size,
		 uint32_t tail_reg)
{
	int rc;

	t->isa = adv_isa();
	t->vfio = v;
	t->bar = bar;
	t->tail_reg = tail_reg;
	t->tail = vfio_region_ptr32(bar, tail_reg);
	t->size = size;
	t->q.burst = t->isa->burst;
	t->q.clean = adv_tx_clean;
	t->q.room = room;
	rc = dma_alloc(v->space, size * sizeof(*t->desc), v->numa_node, DMA_PAGES_4K, &t->mem);
	if (rc)
		return unapi_fail_at(rc, "%s: transmit ring %u", v->name, t->q.index);
	t->desc = t->mem->va;
	t->bufs = zalloc_lines(size * sizeof(*t->bufs));
	while (t->rs_mask + 1 < size)
		t->rs_mask = 2 * t->rs_mask + 1;
	t->rs = calloc(t->rs_mask + 1, sizeof(*t->rs));
	if (!t->bufs || !t->rs) {
		adv_tx_teardown(t);
		return unapi_fail(ENOMEM, "%s: no memory for transmit ring %u", v->name, t->q.index);
	}
	t->pools_made = READ_ONCE(page_pools_made) - 1; /* the first packet tells */
	t->clean_batch = min2(CLEAN_BATCH, size / 2);
	t->ctx_vlan = UINT32_MAX;
	return 0;
}

void adv_tx_teardown(struct adv_tx_ring *t)
{
	free(t->bufs);
	free(t->rs);
	dma_free(t->mem);
	t->bufs = NULL;
	t->rs = NULL;
	t->mem = NULL;
}

static inline uint32_t after(const struct adv_tx_ring *t, uint32_t slot)
{
	return slot + 1 == t->size ? 0 : slot + 1;
}

/* Give back the buffers of slots @from to @to, not wrapping, @to left out. */
static void put_run(struct adv_tx_ring *t, uint32_t from, uint32_t to)
{
	uint32_t kept = from;

	if (likely(!t->odd)) {
		if (likely(!t->mixed))
			page_pool_put_same(t->bufs + from, to - from);
		else
			page_pool_put_bulk(t->bufs + from, to - from, false);
		return;
	}
	for (uint32_t i = from; i < to; i++)
		if (t->bufs[i] != NO_BUF)
			t->bufs[kept++] = t->bufs[i];
	page_pool_put_bulk(t->bufs + from, kept - from, true);
}

/* Slots from t->clean up to @to, left out, are the driver's again. */
static uint32_t release_to(struct adv_tx_ring *t, uint32_t to)
{
	uint32_t n = to >= t->clean ? to - t->clean : t->size - t->clean + to;

	if (to >= t->clean) {
		put_run(t, t->clean, to);
	} else {
		put_run(t, t->clean, t->size);
		put_run(t, 0, to);
	}
	t->clean = to;
	if (t->clean == t->next)
		t->odd = t->mixed = false;
	return n;
}

/* Free what has been sent, in one go: the newest RS descriptor that is written back, and all RS ones before
 * it too, tells of those between. */
static uint32_t clean(struct adv_tx_ring *t)
{
	const uint32_t *rs = t->rs, mask = t->rs_mask, tail = t->rs_tail;
	const struct adv_desc *desc = t->desc;
	uint32_t head = t->rs_head;

	/* acquire: the slots are reused after it */
	while (head != tail && __atomic_load_n(&desc[rs[head & mask]].hi, __ATOMIC_ACQUIRE) & ADV_TXD_DD)
		head++;
	if (head == t->rs_head)
		return 0;
	t->rs_head = head;
	return release_to(t, after(t, rs[(head - 1) & mask]));
}

unsigned int adv_tx_clean(struct unapi_txq *q)
{
	return clean(container_of(q, struct adv_tx_ring, q));
}

void adv_tx_reset(struct adv_tx_ring *t)
{
	release_to(t, t->next);
	memset(t->desc, 0, t->size * sizeof(*t->desc));
	t->next = t->clean = 0;
	t->room = 0;
	t->rs_head = t->rs_tail = 0;
	t->since_rs = 0;
	t->ctx_vlan = UINT32_MAX;
	t->full = false;
}

static bool make_room(struct adv_tx_ring *t, uint32_t n)
{
	uint32_t in_flight, row;

	if (unlikely(t->full || !n))
		return false;
	in_flight = adv_tx_in_flight(t);
	if (in_flight >= t->clean_batch || unlikely(t->size - 1 - in_flight < n)) {
		clean(t);
		in_flight = adv_tx_in_flight(t);
	}
	row = min2(t->size - t->next, t->size - 1 - in_flight);
	if (n > row)
		return false;
	/* Up to the next cleaning; at least for this burst, if what was sent is not cleaned yet. */
	t->room = in_flight + n > t->clean_batch ? n : min2(row, t->clean_batch - in_flight);
	return true;
}

static inline void mark_rs(struct adv_tx_ring *t, uint32_t slot)
{
	adv_tx_mark_rs(t, slot);
	t->since_rs = 0;
}

/* The VLAN tag to insert lies in the queue's context (82576 datasheet 7.2.2.2.1): one more slot when it
 * changes. */
static void put_context(struct adv_tx_ring *t, uint16_t vlan)
{
	t->desc[t->next].lo = (uint64_t)vlan << ADV_TXC_VLAN_SHIFT | 14u << ADV_TXC_MACLEN_SHIFT;
	t->desc[t->next].hi = ADV_TXD_CTXT | ADV_TXD_DEXT;
	t->bufs[t->next] = NO_BUF;
	t->next = after(t, t->next);
	t->since_rs++;
	t->ctx_vlan = vlan;
	t->odd = true;
}

/* A packet with this buffer goes into the ring, behind those in flight and @more of its own. */
static inline void note_pool(struct adv_tx_ring *t, uint32_t buf, uint32_t more)
{
	if (likely(adv_tx_knows_pool(t, buf)))
		return;
	t->pools_made = READ_ONCE(page_pools_made);
	t->mixed |= (more || t->clean != t->next) && (buf ^ (uint32_t)t->how.pool[0]) & ~UNAPI_BUF_MASK;
	adv_put_how(&t->how, buf, t->max_len);
}

/* A packet to send: its records, 0 if its end is not there; its bytes; does it have what cannot be sent? */
struct measured {
	uint32_t frags, len;
	bool bad;
};

static inline struct measured measure(const struct unapi_pkt *pkts, unsigned int n)
{
	struct measured m = {0};

	for (unsigned int i = 0; i < n; i++) {
		m.len += pkts[i].len;
		m.bad |= !pkts[i].len;
		if (!(pkts[i].flags & UNAPI_PKT_MORE)) {
			m.frags = i + 1;
			return m;
		}
	}
	return m;
}

/* Never: it is dropped. Returns the records taken. */
static __attribute__((noinline, cold)) unsigned int drop(struct adv_tx_ring *t, const struct unapi_pkt *pkts,
							 unsigned int n)
{
	unapi_pkt_free_bulk(pkts, n);
	stat_add(&t->q.stats.errors, 1);
	return n;
}

/* There is room for the records of a packet that is @m. @cmd: what each descriptor asks for. */
static inline void put_fragments(struct adv_tx_ring *t, const struct unapi_pkt *pkts, struct measured m,
				 uint64_t cmd)
{
	/* in registers: stores into the ring may be to anything, for all that the compiler knows */
	struct adv_desc *desc = t->desc;
	uint32_t *bufs = t->bufs, size = t->size, slot = t->next, last = slot, flags = 0;

	cmd |= (uint64_t)m.len << ADV_TXD_PAYLEN_SHIFT;
	for (uint32_t i = 0; i < m.frags; i++) {
		const struct unapi_pkt *p = &pkts[i];

		if (i + 1 == m.frags)
			cmd |= ADV_TXD_EOP;
		note_pool(t, p->buf, i);
		desc[slot].lo = t->how.iova[0] + p->buf * t->how.stride[0] + p->off;
		desc[slot].hi = cmd | p->len;
		bufs[slot] = p->buf;
		flags |= p->flags;
		last = slot;
		slot = slot + 1 == size ? 0 : slot + 1;
	}
	t->next = slot;
	t->odd |= !!(flags & UNAPI_PKT_SHARED);
	t->since_rs += m.frags;
	if (t->since_rs >= ADV_TX_RS_EVERY)
		mark_rs(t, last);
}

/* The general case: several fragments, a tag, shared buffers, nonsense. Returns the records taken, 0: no
 * room, or a super-packet, which takes TSO. */
static __attribute__((noinline)) unsigned int put_packet(struct adv_tx_ring *t, const struct unapi_pkt *pkts,
							 unsigned int n)
{
	uint32_t vlan = pkts->flags & UNAPI_PKT_TX_VLAN, context;
	struct measured m;

	if (pkts->flags & UNAPI_PKT_GRO)
		return 0;
	m = measure(pkts, n);
	if (unlikely(m.bad || !m.frags || m.frags > UNAPI_MAX_FRAGS || m.len > t->max_len))
		return drop(t, pkts, m.frags ? m.frags : n);
	context = vlan && t->ctx_vlan != pkts->vlan;
	if (m.frags + context > free_slots(t))
		return 0;
	/* The device looks at RS on a packet's last descriptor; so that no 32 lie between two, mark the one
	 * before. */
	if (t->since_rs && t->since_rs + m.frags + context > ADV_TX_RS_EVERY)
		mark_rs(t, t->next ? t->next - 1 : t->size - 1);
	if (context)
		put_context(t, pkts->vlan);
	put_fragments(t, pkts, m, DATA_CMD | (vlan ? ADV_TXD_VLE : 0));
	stat_add(&t->q.stats.packets, 1);
	stat_add(&t->q.stats.bytes, m.len);
	return m.frags;
}

/* What a fragment must not have, beside a buffer of another pool, to be one of put_whole()'s. */
#define FRAGMENT_ODD (ADV_PUT_ODD & ~((uint64_t)UNAPI_PKT_MORE << 48))

/*
 * Packets of several buffers, of the same pool as the first, with no requests, not shared. Up to @n records
 * of these, as long as there is room; stops before the first packet that is not one.
 */
static __attribute__((noinline)) uint32_t put_whole(struct adv_tx_ring *t, const struct unapi_pkt *pkts,
						    uint32_t n)
{
	const uint64_t iova = t->how.iova[0], stride = t->how.stride[0], pool = t->how.pool[0];
	uint32_t *bufs = t->bufs, size = t->size, slot = t->next, room = free_slots(t), taken = 0,
		 packets = 0;
	struct adv_desc *desc = t->desc;
	uint64_t bytes = 0;

	for (;;) {
		uint32_t frags = 0, len = 0;
		uint64_t lo, odd = 0, cmd;

		do {
			const struct unapi_pkt *p = &pkts[taken + frags];

			if (taken + frags == n)
				goto out;
			memcpy(&lo, p, sizeof(lo));
			odd |= (lo ^ pool) & FRAGMENT_ODD;
			odd |= !p->len;
			len += p->len;
			frags++;
		} while (lo & (uint64_t)UNAPI_PKT_MORE << 48);
		if (odd || frags > UNAPI_MAX_FRAGS || len > t->max_len || frags > room)
			break;
		if (t->since_rs && t->since_rs + frags > ADV_TX_RS_EVERY)
			mark_rs(t, slot ? slot - 1 : size - 1);
		cmd = DATA_CMD | (uint64_t)len << ADV_TXD_PAYLEN_SHIFT;
		room -= frags;
		bytes += len;
		packets++;
		t->since_rs += frags;
		for (; frags; frags--, taken++) {
			const struct unapi_pkt *p = &pkts[taken];

			desc[slot].lo = iova + p->buf * stride + p->off;
			desc[slot].hi = cmd | p->len | (frags == 1 ? ADV_TXD_EOP : 0);
			bufs[slot] = p->buf;
			slot = slot + 1 == size ? 0 : slot + 1;
		}
	}
out:
	t->next = slot;
	if (t->since_rs >= ADV_TX_RS_EVERY)
		mark_rs(t, slot ? slot - 1 : size - 1);
	stat_add(&t->q.stats.packets, packets);
	stat_add(&t->q.stats.bytes, bytes);
	return taken;
}

/*
 * What nearly every packet is: one buffer, of the same pool as the one before, no requests, not shared, of a
 * length the device takes. Up to @n of these, until the ring ends or RS is due; stops at the first that is
 * not.
 */
static uint32_t put_run_of_simple(struct adv_tx_ring *t, const struct unapi_pkt *p, uint32_t n)
{
	uint32_t slot = t->next, due = ADV_TX_RS_EVERY - t->since_rs, k;
	uint32_t run = min2(min2(n, due), min2(free_slots(t), t->size - slot));
	struct adv_run did;

	if (!run)
		return 0;
	did = t->isa->put(t->desc + slot, t->bufs + slot, p, run, &t->how);
	k = (uint32_t)did.n;
	if (!k)
		return 0;
	slot += k;
	t->since_rs += k;
	if (k == due)
		mark_rs(t, slot - 1);
	t->next = slot == t->size ? 0 : slot;
	stat_add(&t->q.stats.packets, k);
	stat_add(&t->q.stats.bytes, did.bytes);
	return k;
}

/* Those packets at @pkts that need no thought. */
static inline uint32_t put_plain(struct adv_tx_ring *t, const struct unapi_pkt *pkts, uint32_t n)
{
	if (pkts->flags & ~UNAPI_PKT_MORE)
		return 0;
	note_pool(t, pkts->buf, 0);
	return pkts->flags ? put_whole(t, pkts, n) : put_run_of_simple(t, pkts, n);
}

/* Any records. */
unsigned int adv_tx_burst_any(struct adv_tx_ring *t, struct unapi_pkt *pkts, unsigned int n)
{
	uint32_t first, i = 0;

	/* In bulk, unless room is short. */
	if (adv_tx_in_flight(t) >= t->clean_batch || free_slots(t) < n)
		clean(t);
	first = t->next;

	while (i < n) {
		uint32_t k = put_plain(t, pkts + i, n - i);

		if (!k)
			k = put_packet(t, pkts + i, n - i);
		i += k;
		if (!k && (pkts[i].flags & UNAPI_PKT_GRO || !clean(t)))
			break;
	}
	if (t->next != first) {
		if (t->since_rs)
			mark_rs(t, t->next ? t->next - 1 : t->size - 1);
		if (likely(t->tail)) {
			__atomic_signal_fence(__ATOMIC_RELEASE); /* see adv_tx_finish() */
			*t->tail = t->next;
		} else {
			adv_tx_tail_by_call(t, i);
		}
		if (t->full) {
			t->full = false;
			stat_add(&t->q.stats.wake, 1);
		}
	}
	t->room = 0;
	if (i < n) {
		if (pkts[i].flags & UNAPI_PKT_GRO) {
			stat_add(&t->q.stats.gso_refused, 1);
			return i;
		}
		stat_add(&t->q.stats.stop, !t->full);
		t->full = true;
		netif_tx_stop_queue(&t->q);
	}
	return i;
}

unsigned int adv_tx_burst_prepare(struct adv_tx_ring *t, struct unapi_pkt *pkts, unsigned int n)
{
	if (!n || (n > t->room && !make_room(t, n)))
		return adv_tx_burst_any(t, pkts, n);
	note_pool(t, pkts->buf, 0);
	return t->q.burst(&t->q, pkts, n);
}

unsigned int adv_tx_tail_by_call(struct adv_tx_ring *t, uint32_t n)
{
	vfio_write32(t->vfio, t->bar, t->tail_reg, t->next);
	return n;
}
