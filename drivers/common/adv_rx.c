/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nonsense from the device. A length that no buffer has, or a packet of more fragments than any frame takes,
 * means that device and driver do not agree on who owns which slot, or soon will not: what the device was
 * about may arrive in a slot that has a new buffer by then. So the queue is turned off at once; what was
 * finished is still taken, with the same checks; and then it starts afresh with an empty ring. All of that
 * is done by the instance's owner, who has the ring and the pool anyway. Other queues do not notice, but
 * those of the same instance, which wait for it.
 */
#include "drivers/common/adv_rx.h"
#include "core/base/lines.h"
#include "core/base/clock.h"
#include "core/base/reason.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a poll touches, besides descriptors and records: of the queue, of the ring. */
ASSERT_ONE_LINE(struct adv_rx_ring, q.pool, q.stats.bytes);
ASSERT_ONE_LINE(struct adv_rx_ring, poll, ready_least);

/* Buffers are given in bulk of this many, with one tail store: fewer stores, and whole cache lines of
 * descriptors. */
#define REFILL_BATCH 128u

static inline uint32_t min2(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t refill_batch(uint32_t size)
{
	return size / 4 < REFILL_BATCH ? size / 4 : REFILL_BATCH;
}

int adv_rx_setup(struct adv_rx_ring *r, struct vfio_device *v, struct vfio_region *bar, uint32_t size,
		 uint32_t tail_reg, bool meta)
{
	const struct unapi_pool_view *view = page_pool_view(r->q.pool);
	int rc;

	r->isa = adv_isa();
	r->poll = meta ? r->isa->poll_meta : r->isa->poll;
	r->vfio = v;
	r->bar = bar;
	r->tail_reg = tail_reg;
	r->tail = vfio_region_ptr32(bar, tail_reg);
	r->size = size;
	r->refill_batch = refill_batch(size);
	r->ready_least = min2(r->q.batch, size / 2);
	adv_take_how(&r->how, PAGE_POOL_RX_SIZE);
	adv_fill_how(&r->fill_how, view->iova0 + PAGE_POOL_HEADROOM, view->stride);
	rc = dma_alloc(v->space, size * sizeof(*r->desc), v->numa_node, DMA_PAGES_4K, &r->mem);
	if (rc)
		return unapi_fail_at(rc, "%s: receive ring %u", v->name, r->q.index);
	r->desc = r->mem->va;
	/* on lines, so that no vector crosses one */
	r->bufs = zalloc_lines(size * sizeof(*r->bufs));
	r->pkts = zalloc_lines(r->q.batch * sizeof(*r->pkts));
	r->meta = meta ? zalloc_lines(r->q.batch * sizeof(*r->meta)) : NULL;
	if (!r->bufs || !r->pkts || (meta && !r->meta)) {
		adv_rx_teardown(r);
		return unapi_fail(ENOMEM, "%s: no memory for receive ring %u", v->name, r->q.index);
	}
	r->next = r->fill = 0;
	r->ready = 0;
	return 0;
}

void adv_rx_teardown(struct adv_rx_ring *r)
{
	free(r->bufs);
	free(r->pkts);
	free(r->meta);
	dma_free(r->mem);
	r->bufs = NULL;
	r->pkts = NULL;
	r->meta = NULL;
	r->mem = NULL;
}

/* The next slot. A comparison, since ring sizes need not be powers of two. */
static inline uint32_t after(const struct adv_rx_ring *r, uint32_t slot)
{
	return slot + 1 == r->size ? 0 : slot + 1;
}

static inline void store_tail(struct adv_rx_ring *r)
{
	/* The descriptors before the tail. x86 keeps stores in order (also for a device, whose memory is
	 * write-back and registers uncached), so that only the compiler has to be held. */
	__atomic_signal_fence(__ATOMIC_RELEASE);
	if (likely(r->tail))
		*r->tail = r->fill;
	else
		vfio_write32(r->vfio, r->bar, r->tail_reg, r->fill);
}

/* Slots without a buffer, the one that stays empty not counted. */
static inline uint32_t missing(const struct adv_rx_ring *r)
{
	return r->size - 1 - adv_rx_given(r);
}

/* Of @lack slots without a buffer, those to give one now: all of an empty ring; otherwise so that the next
 * time begins at a multiple of eight, as the loops like it. */
static inline uint32_t refillable(const struct adv_rx_ring *r, uint32_t lack)
{
	uint32_t over = (r->fill + lack) & 7;

	if (unlikely(lack == r->size - 1))
		return lack;
	return lack > over ? lack - over : 0;
}

/* Up to where a refill is due, as @lack slots have no buffer; at least what one callback may get, if that is
 * not most of the ring, of which the device needs its part. */
static inline void set_ready(struct adv_rx_ring *r, uint32_t lack)
{
	uint32_t until_due = lack < r->refill_batch ? r->refill_batch - (lack & ~7u) : 0;
	uint32_t n = min2(r->size - r->next, adv_rx_given(r));

	n = min2(n, until_due > r->ready_least ? until_due : r->ready_least);
	/* Not while short or closing, and the end of what is dropped may look like a packet. */
	r->ready = r->dropping || r->short_of_buffers || r->closing ? 0 : n;
}

/* Fill @n slots in a row, without wrapping. */
static inline uint32_t fill_run(struct adv_rx_ring *r, uint32_t n)
{
	const uint32_t *from = page_pool_take(r->q.pool, &n);

	r->isa->fill(r->desc + r->fill, r->bufs + r->fill, from, n, &r->fill_how);
	r->fill += n;
	if (r->fill == r->size)
		r->fill = 0;
	return n;
}

static void refill(struct adv_rx_ring *r, uint32_t lack)
{
	uint32_t want = refillable(r, lack), before = r->fill, run, got;

	r->short_of_buffers = false;
	for (lack -= want; want; want -= got) {
		run = min2(r->size - r->fill, want);
		got = fill_run(r, run);
		if (unlikely(got < run)) {
			lack += want - got;
			r->short_of_buffers = true;
			stat_add(&r->q.stats.alloc_fail, 1);
			break;
		}
	}
	if (likely(r->fill != before))
		store_tail(r);
	set_ready(r, lack);
}

void adv_rx_refill(struct adv_rx_ring *r)
{
	refill(r, missing(r));
}

static inline void refill_if_due(struct adv_rx_ring *r)
{
	uint32_t lack = missing(r);

	if (lack >= r->refill_batch || unlikely(r->short_of_buffers))
		refill(r, lack);
	else
		set_ready(r, lack);
}

void adv_rx_reset(struct adv_rx_ring *r)
{
	for (; r->next != r->fill; r->next = after(r, r->next))
		page_pool_put_bulk(&r->bufs[r->next], 1, false);
	memset(r->desc, 0, r->size * sizeof(*r->desc));
	r->next = r->fill = 0;
	r->ready = 0;
	r->dropping = false;
	r->short_of_buffers = false;
	r->closing = r->stuck = false;
	r->refill_batch = refill_batch(r->size);
}

/* @n slots in a row, without wrapping, are ours. */
static inline void advance(struct adv_rx_ring *r, uint32_t n)
{
	r->next += n;
	if (r->next == r->size)
		r->next = 0;
}

/* The next slot's packet is not delivered. */
static void drop_slot(struct adv_rx_ring *r)
{
	page_pool_put_bulk(&r->bufs[r->next], 1, false);
	advance(r, 1);
}

static inline uint64_t len_of(uint64_t hi)
{
	return (uint16_t)(hi >> ADV_RXD_LEN_SHIFT);
}

static void tell(struct adv_rx_ring *r, const char *why)
{
	uint64_t now = unapi_clock_ns();

	if (r->told_ns && now - r->told_ns < NSEC_PER_SEC)
		return;
	r->told_ns = now;
	unapi_log(UNAPI_LOG_WARN, "%s: receive queue %u is restarted (%llu times by now): %s", r->vfio->name,
		  r->q.index, (unsigned long long)r->q.stats.restarts, why);
}

/* The device wrote nonsense: nothing more from it until the ring is empty. */
static void distrust(struct adv_rx_ring *r, const char *why)
{
	if (!r->off || r->closing)
		return;
	r->closing = true;
	r->refill_batch = UINT32_MAX; /* never due */
	r->short_of_buffers = false;
	stat_add(&r->q.stats.restarts, 1);
	tell(r, why);
	r->stuck = r->off(r) != 0;
}

/* Is the length of one of these records no buffer's? The device may also own up to a bad packet (RXE). */
static void distrust_lengths(struct adv_rx_ring *r, const struct unapi_pkt *pkts, uint32_t n)
{
	char why[96];

	for (uint32_t i = 0; i < n; i++) {
		if (pkts[i].len && pkts[i].len <= r->how.max_len)
			continue;
		snprintf(why, sizeof(why), "the device says that a buffer of %u bytes has %u",
			 (unsigned int)r->how.max_len, pkts[i].len);
		distrust(r, why);
		return;
	}
}

/* All that was finished has been taken. */
static void start_afresh(struct adv_rx_ring *r)
{
	if (r->dropping)
		stat_add(&r->q.stats.too_many_frags, 1);
	adv_rx_reset(r);
	if (r->on(r)) {
		r->closing = r->stuck = true;
		r->refill_batch = UINT32_MAX;
		return;
	}
	adv_rx_refill(r);
}

/* In the middle of a packet that has too many fragments: go on to its end. 0, or -EAGAIN before it is there.
 */
static int skip(struct adv_rx_ring *r)
{
	while (adv_rx_given(r)) {
		uint64_t hi = adv_fetch(&r->desc[r->next]);

		if (!(hi & ADV_RXD_DD))
			return -EAGAIN;
		drop_slot(r);
		if (hi & ADV_RXD_EOP) {
			r->dropping = false;
			stat_add(&r->q.stats.too_many_frags, 1);
			return 0;
		}
	}
	return -EAGAIN;
}

/*
 * The next packet, whatever it is, into at most @room records. Returns how many; 0: it was dropped; -EAGAIN:
 * it is not all there; -ENOSPC: it needs more records. In the latter cases it stays in the ring.
 */
static __attribute__((noinline)) int take_any(struct adv_rx_ring *r, struct unapi_pkt *pkts,
					      struct unapi_rx_meta *meta, uint32_t room)
{
	/* in registers: stores into records may be to anything, for all that the compiler knows */
	const struct adv_desc *desc = r->desc;
	const uint32_t *bufs = r->bufs, size = r->size, slots = adv_rx_given(r);
	const uint64_t max_len = r->how.max_len;
	uint32_t at = r->next, n = 0;
	uint64_t hi, len, sum = 0;
	bool bad = false;

	if (unlikely(r->dropping))
		return skip(r);
	do {
		if (n == slots)
			return -EAGAIN;
		hi = adv_fetch(&desc[at]);
		if (!(hi & ADV_RXD_DD))
			return -EAGAIN;
		if (unlikely(n == UNAPI_MAX_FRAGS)) {
			distrust(r, "a packet has more fragments than any frame takes");
			r->dropping = true;
			return skip(r);
		}
		if (n == room)
			return -ENOSPC;
		adv_put_record(&pkts[n], bufs[at], hi & ADV_RXD_EOP ? 0 : UNAPI_PKT_MORE, hi);
		if (meta)
			memcpy(&meta[n], &desc[at].lo, sizeof(*meta));
		len = len_of(hi);
		bad |= len - 1 >= max_len || hi & ADV_RXD_RXE;
		sum += len;
		n++;
		at = at + 1 == size ? 0 : at + 1;
	} while (!(hi & ADV_RXD_EOP));

	if (unlikely(bad)) {
		distrust_lengths(r, pkts, n);
		for (; n; n--)
			drop_slot(r);
		stat_add(&r->q.stats.errors, 1);
		return 0;
	}
	r->next = at;
	stat_add(&r->q.stats.packets, 1);
	stat_add(&r->q.stats.bytes, sum);
	return (int)n;
}

/* @n simple packets of the next slots have become records. */
static inline void taken(struct adv_rx_ring *r, struct adv_run did)
{
	advance(r, (uint32_t)did.n);
	stat_add(&r->q.stats.packets, did.n);
	stat_add(&r->q.stats.bytes, did.bytes);
}

/* How many slots in a row may be looked at for @max packets. */
static inline uint32_t run_of(const struct adv_rx_ring *r, uint32_t max)
{
	return min2(max, min2(r->size - r->next, adv_rx_given(r)));
}

/* Simple packets from the next slot on, up to @max, behind the @n records that there are. */
static uint32_t take_run(struct adv_rx_ring *r, uint32_t n, uint32_t max)
{
	const struct adv_desc *d = r->desc + r->next;
	const uint32_t *bufs = r->bufs + r->next;
	struct unapi_rx_meta *meta = r->meta ? r->meta + n : NULL;
	struct adv_run did = (meta ? r->isa->take_meta : r->isa->take)(d, bufs, r->pkts + n, run_of(r, max),
								       &r->how, meta);

	taken(r, did);
	return (uint32_t)did.n;
}

/*
 * Whole good packets, of any number of fragments, from the next slot on, into at most @room records. Returns
 * the records; stops before what is not finished, bad, or of too many fragments. *@packets counts down.
 */
static __attribute__((noinline)) uint32_t take_whole(struct adv_rx_ring *r, struct unapi_pkt *pkts,
						     struct unapi_rx_meta *meta, uint32_t room,
						     uint32_t *packets)
{
	const struct adv_desc *desc = r->desc;
	const uint32_t *bufs = r->bufs, size = r->size, max = min2(room, adv_rx_given(r));
	const uint64_t max_len = r->how.max_len;
	uint32_t at = r->next, n = 0, whole = 0, left = *packets, had = left;
	uint64_t sum = 0, whole_sum = 0, hi, less_one;

	while (n < max && n - whole < UNAPI_MAX_FRAGS) {
		hi = adv_fetch(&desc[at]);
		less_one = adv_simple_len_less_one(hi | ADV_RXD_EOP);
		if (less_one >= max_len)
			break;
		adv_put_record(&pkts[n], bufs[at], hi & ADV_RXD_EOP ? 0 : UNAPI_PKT_MORE, hi);
		if (meta)
			memcpy(&meta[n], &desc[at].lo, sizeof(*meta));
		sum += less_one;
		n++;
		at = at + 1 == size ? 0 : at + 1;
		if (!(hi & ADV_RXD_EOP))
			continue;
		whole = n;
		whole_sum = sum;
		r->next = at;
		if (!--left)
			break;
	}
	*packets = left;
	stat_add(&r->q.stats.packets, had - left);
	stat_add(&r->q.stats.bytes, whole_sum + whole);
	return whole;
}

/* From the next slot on, up to @room records and *@left packets, which counts down: what take_run() or
 * take_whole() can do. A look first: of packets of several fragments many may follow each other. */
static inline uint32_t take_good(struct adv_rx_ring *r, uint32_t n, uint32_t room, uint32_t *left)
{
	uint32_t k;

	if (unlikely(r->dropping) || !adv_rx_given(r))
		return 0;
	if (adv_simple_len_less_one(adv_fetch(&r->desc[r->next])) >= r->how.max_len)
		return take_whole(r, r->pkts + n, r->meta ? r->meta + n : NULL, room, left);
	k = take_run(r, n, min2(room, *left));
	*left -= k;
	return k;
}

/*
 * Behind those that were done descriptors are not all simple packets, or not finished: go on, taken one
 * by one where it must be, up to q.batch records and @budget packets. Returns the records; @more: it ended
 * because the batch is full, so there may be more to deliver. Otherwise a descriptor was not finished, and
 * its interrupt is still to come.
 */
static uint32_t gather(struct adv_rx_ring *r, struct adv_run did, uint32_t budget, uint32_t *packets,
		       bool *more)
{
	uint32_t n = (uint32_t)did.n, left = budget - n, max = r->q.batch, k;
	int got = 0;

	taken(r, did);
	while (n < max && left) {
		k = take_good(r, n, max - n, &left);
		n += k;
		if (k) /* if not, it may be that the device has changed it meanwhile */
			continue;
		got = take_any(r, r->pkts + n, r->meta ? r->meta + n : NULL, max - n);
		if (got < 0)
			break;
		n += (uint32_t)got;
		left -= got > 0;
	}
	if (unlikely(r->closing) && got == -EAGAIN && !r->stuck)
		start_afresh(r);
	*more = n == max || got == -ENOSPC;
	*packets = budget - left;
	return n;
}

/* After @did packets. Returns how many of @budget are left. */
static uint32_t poll_any(struct adv_rx_ring *r, uint32_t left, struct adv_run did)
{
	uint32_t n, packets;
	bool more = true;

	while (left && more) {
		n = gather(r, did, left, &packets, &more);
		if (likely(n))
			r->q.rx_fn(r->q.rx_arg, r->pkts, r->meta, n);
		left -= packets;
		refill_if_due(r);
		did = (struct adv_run){0, 0};
	}
	return left;
}

/* The fast way as long as something is ready; each time for no more than that, so that it need not refill,
 * which would call this again: then the stack would grow with the budget. */
static uint32_t poll_on(struct adv_rx_ring *r, uint32_t left)
{
	while (left && r->ready) {
		uint32_t some = min2(left, r->ready), work = (uint32_t)r->poll(r, (int)some);

		left -= work;
		if (work != some)
			return left;
		if (left && !r->ready)
			refill_if_due(r);
	}
	return left ? poll_any(r, left, (struct adv_run){0, 0}) : 0;
}

int adv_rx_poll_ready(struct adv_rx_ring *r, uint32_t left, int budget)
{
	if (left) {
		refill_if_due(r);
		if (likely(left == (uint32_t)budget && left <= r->ready))
			return r->poll(r, budget);
		left = poll_on(r, left);
	}
	return budget - (int)left;
}

int adv_rx_poll_any(struct adv_rx_ring *r, uint32_t left, int budget, struct adv_run did)
{
	return budget - (int)poll_any(r, left, did);
}

int adv_rx_poll_on(struct adv_rx_ring *r, uint32_t left, int budget)
{
	return budget - (int)poll_on(r, left);
}

int adv_rx_poll_ends(struct adv_rx_ring *r, int work)
{
	refill_if_due(r);
	return work;
}
