/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The receive ring over a long time, against a plain account of what a device was given and what it did with
 * it: random packets, errors and budgets, for many sizes of ring, batch and pool. The device may go on while
 * a callback runs.
 *
 * What must hold: packets come whole, in order, with the buffers and words that the device wrote; a buffer is
 * in one place at a time; a poll that returns less than its budget has delivered all that was there, and left
 * the ring filled; one that does not has left the device a quarter of the ring.
 */
#include "tests/unit/adv_fake.h"
#include "tests/unit/random.h"

#include "drivers/common/adv_rx.h"

#include <stdlib.h>

#define MANY 16384 /* records and packets in accounts, which are rings; more than any ring has */

enum place { HOME, RING, APPLICATION, DROPPED /* home, or will be when the driver gets there */ };
enum verdict { GOOD, BAD, TOO_LONG };

struct conf {
	uint32_t size, batch, buffers;
	unsigned int odd; /* one packet in so many is not simple; 0: all are */
	bool meta;
};

struct record {
	uint32_t buf;
	uint64_t lo, hi;
};

struct rig {
	struct adv_fake dev;
	struct adv_rx_ring r;
	struct conf c;
	uint8_t *place;	   /* of each buffer */
	uint32_t *slotbuf; /* buffer that the device was given in each slot */
	uint32_t tail, head;
	/* the packet that the device is at */
	uint32_t frags, done;
	bool bad;
	/* what it has done: records, and packets of them */
	struct record rec[MANY];
	struct {
		uint32_t frags;
		enum verdict verdict;
	} pkt[MANY];
	uint32_t rec_in, rec_out, pkt_in, pkt_out;
	uint64_t finished[3]; /* packets, by verdict */
	uint64_t delivered, bytes;
	/* what the application has not freed yet */
	struct unapi_pkt held[MANY];
	uint32_t nheld, hold; /* it keeps up to this many */
	bool goes_on, floods; /* the device, while a callback runs */
	char *low, *high;     /* the stack in callbacks */
};

static uint8_t *place_of(struct rig *g, uint32_t buf)
{
	assert_int_equal(buf >> UNAPI_POOL_SHIFT, page_pool_id(g->r.q.pool));
	return &g->place[buf & UNAPI_BUF_MASK];
}

/* The device sees the tail, and so what it was given. */
static void look_at_tail(struct rig *g)
{
	const struct unapi_pool_view *v = page_pool_view(g->r.q.pool);
	uint32_t tail = adv_fake_tail(&g->dev);

	assert_true(tail < g->c.size);
	for (; g->tail != tail; g->tail = (g->tail + 1) % g->c.size) {
		const struct adv_desc *d = &g->r.desc[g->tail];
		uint32_t buf = buf_at_iova(g->r.q.pool, d->lo);
		uint8_t *place = place_of(g, buf);

		assert_true(d->hi == 0);
		assert_int_equal((d->lo - v->iova) % v->stride, PAGE_POOL_HEADROOM);
		assert_true(*place == HOME || *place == DROPPED);
		*place = RING;
		g->slotbuf[g->tail] = buf;
	}
}

static uint32_t device_room(struct rig *g)
{
	look_at_tail(g);
	return (g->tail + g->c.size - g->head) % g->c.size;
}

static void next_packet(struct rig *g)
{
	g->done = 0;
	g->frags = 1;
	g->bad = false;
	if (!g->c.odd || rnd(g->c.odd))
		return;
	if (rnd(3))
		g->frags = rnd(8) ? 2 + rnd(4) : UNAPI_MAX_FRAGS + rnd(3) * rnd(20);
	else
		g->bad = true;
}

/* The device fills its next slot. */
static void fill_one(struct rig *g)
{
	static const uint64_t wrong[] = {0, 2049ULL << ADV_RXD_LEN_SHIFT, 65535ULL << ADV_RXD_LEN_SHIFT,
					 ADV_RXD_RXE | 60ULL << ADV_RXD_LEN_SHIFT};
	struct adv_desc *d = &g->r.desc[g->head];
	struct record *rec = &g->rec[g->rec_in++ % MANY];
	uint32_t i, again = 0;

	if (g->done == g->frags)
		next_packet(g);
	g->done++;
	rec->buf = g->slotbuf[g->head];
	rec->lo = (uint64_t)rnd(UINT32_MAX) << 32 | g->rec_in;
	rec->hi = ADV_RXD_DD | (uint64_t)rnd(65536) << 48 | (uint64_t)rnd(1000) << 4;
	rec->hi |= g->bad && g->done == 1 ? wrong[rnd(ARRAY_SIZE(wrong))]
					  : (uint64_t)(1 + rnd(2048)) << ADV_RXD_LEN_SHIFT;
	if (g->done == g->frags)
		rec->hi |= ADV_RXD_EOP;
	d->lo = rec->lo;
	__atomic_store_n(&d->hi, rec->hi, __ATOMIC_RELEASE);
	g->head = (g->head + 1) % g->c.size;

	/* From here on the driver may give what it drops again. */
	if (g->done == UNAPI_MAX_FRAGS + 1 || (g->bad && g->done == g->frags && g->done <= UNAPI_MAX_FRAGS))
		again = g->done;
	else if (g->done > UNAPI_MAX_FRAGS)
		again = 1;
	for (i = 1; i <= again; i++)
		*place_of(g, g->rec[(g->rec_in - i) % MANY].buf) = DROPPED;
	if (g->done == g->frags) {
		enum verdict v = g->frags > UNAPI_MAX_FRAGS ? TOO_LONG : g->bad ? BAD : GOOD;

		g->pkt[g->pkt_in % MANY].frags = g->frags;
		g->pkt[g->pkt_in++ % MANY].verdict = v;
		g->finished[v]++;
	}
}

static void device_fills(struct rig *g, uint32_t n)
{
	for (uint32_t room = device_room(g); n && room; n--, room--)
		fill_one(g);
}

static void free_some(struct rig *g, uint32_t n)
{
	for (; n && g->nheld; n--) {
		uint32_t i = rnd(g->nheld);

		*place_of(g, g->held[i].buf) = HOME;
		unapi_pkt_free_bulk(&g->held[i], 1);
		g->held[i] = g->held[--g->nheld];
	}
}

/* The next good packet that the device has finished must be @p; returns its records. */
static uint32_t expect_packet(struct rig *g, const struct unapi_pkt *p, const struct unapi_rx_meta *meta)
{
	uint32_t i, frags;

	for (; g->pkt_out != g->pkt_in && g->pkt[g->pkt_out % MANY].verdict != GOOD; g->pkt_out++)
		g->rec_out += g->pkt[g->pkt_out % MANY].frags;
	assert_true(g->pkt_out != g->pkt_in);
	frags = g->pkt[g->pkt_out++ % MANY].frags;
	for (i = 0; i < frags; i++) {
		const struct record *rec = &g->rec[g->rec_out++ % MANY];
		uint8_t *place = place_of(g, p[i].buf);

		assert_int_equal(p[i].buf, rec->buf);
		assert_int_equal(*place, RING);
		*place = APPLICATION;
		assert_int_equal(p[i].off, PAGE_POOL_HEADROOM);
		assert_int_equal(p[i].flags, i + 1 < frags ? UNAPI_PKT_MORE : 0);
		assert_int_equal(p[i].status, (uint32_t)rec->hi);
		assert_int_equal(p[i].len, (uint16_t)(rec->hi >> ADV_RXD_LEN_SHIFT));
		assert_int_equal(p[i].vlan, rec->hi >> 48);
		if (g->c.meta)
			assert_memory_equal(&meta[i], &rec->lo, sizeof(*meta));
		g->bytes += p[i].len;
	}
	g->delivered++;
	return frags;
}

/* What may be looked at in the fast way was given. */
static void check_ready(const struct rig *g)
{
	assert_true(g->r.ready <= adv_rx_given(&g->r));
	assert_true(g->r.ready <= g->c.size - g->r.next);
}

static void take(void *arg, struct unapi_pkt *pkts, const struct unapi_rx_meta *meta, unsigned int n)
{
	char *here = __builtin_frame_address(0);
	struct rig *g = arg;
	uint32_t i = 0;

	g->low = !g->low || here < g->low ? here : g->low;
	g->high = here > g->high ? here : g->high;
	assert_in_range(n, 1, g->c.batch);
	assert_true(!meta == !g->c.meta);
	while (i < n)
		i += expect_packet(g, pkts + i, g->c.meta ? meta + i : NULL);
	assert_int_equal(i, n);
	memcpy(g->held + g->nheld, pkts, n * sizeof(*pkts));
	g->nheld += n;
	if (g->nheld > g->hold)
		free_some(g, g->nheld - g->hold);
	if (g->goes_on)
		device_fills(g, g->floods ? 2 * n : rnd(2 * n + 2));
}

static void rig_up(struct rig *g, const struct conf *c)
{
	memset(g, 0, sizeof(*g));
	g->c = *c;
	g->place = calloc(UNAPI_BUF_MASK + 1, 1);
	g->slotbuf = calloc(c->size, sizeof(*g->slotbuf));
	assert_true(g->place && g->slotbuf);
	adv_fake_init(&g->dev, true);
	assert_int_equal(page_pool_create(c->buffers, -1, NULL, &g->r.q.pool), 0);
	g->r.q.batch = (uint16_t)c->batch;
	g->r.q.rx_fn = take;
	g->r.q.rx_arg = g;
	assert_int_equal(adv_rx_setup(&g->r, &g->dev.v, &g->dev.v.regions[0], c->size, FAKE_TAIL, c->meta),
			 0);
}

static void rig_down(struct rig *g)
{
	free_some(g, g->nheld);
	adv_rx_reset(&g->r);
	assert_int_equal(pool_inflight(g->r.q.pool), 0);
	adv_rx_teardown(&g->r);
	page_pool_destroy(g->r.q.pool);
	free(g->place);
	free(g->slotbuf);
}

static void poll_once(struct rig *g, uint32_t budget)
{
	uint64_t good = g->finished[GOOD], before = g->delivered;
	uint32_t work = (uint32_t)adv_rx_poll(&g->r, (int)budget), lack;

	assert_true(work <= budget);
	assert_int_equal(g->delivered - before, work);
	look_at_tail(g);
	assert_int_equal(g->tail, g->r.fill);
	check_ready(g);
	lack = g->c.size - 1 - adv_rx_given(&g->r);
	if (work < budget) {
		assert_true(g->delivered >= good);
		if (g->r.short_of_buffers)
			assert_int_equal(pool_inflight(g->r.q.pool), g->c.buffers);
		else
			assert_true(lack < g->r.refill_batch || lack < 8);
	}
	if (g->r.short_of_buffers)
		assert_int_equal(g->r.ready, 0);
	else
		assert_true(lack <= g->c.size - g->c.size / 4);
}

static void check_stats(const struct rig *g)
{
	assert_int_equal(g->r.q.stats.packets, g->delivered);
	assert_int_equal(g->r.q.stats.bytes, g->bytes);
	assert_int_equal(g->delivered, g->finished[GOOD]);
	assert_int_equal(g->r.q.stats.errors, g->finished[BAD]);
	assert_int_equal(g->r.q.stats.too_many_frags, g->finished[TOO_LONG]);
}

static void run(struct rig *g, unsigned int polls)
{
	static const uint32_t budgets[] = {1, 2, 7, 8, 16, 17, 31, 32, 33, 64};
	uint32_t most = g->c.buffers < MANY / 2 ? g->c.buffers : MANY / 2;
	bool steady = rnd(2);
	uint32_t budget = 64;

	for (unsigned int i = 0; i < polls; i++) {
		if (rnd(40) == 0)
			steady = !steady;
		if (!steady || i == 0)
			budget = rnd(2) ? budgets[rnd(ARRAY_SIZE(budgets))] : 1 + rnd(64);
		if (rnd(30) == 0)
			g->hold = rnd(2) ? 0 : rnd(most + 1);
		g->goes_on = rnd(3) == 0;
		device_fills(g, steady ? budget : rnd(3) ? rnd(80) : g->c.size);
		poll_once(g, budget);
		if (rnd(4) == 0)
			free_some(g, rnd(g->nheld + 1));
	}
	/* Whatever was, the ring recovers: all is delivered, and the device has its buffers again. */
	g->goes_on = false;
	g->hold = 0;
	free_some(g, g->nheld);
	poll_once(g, 1 << 20);
	while (g->done != g->frags) {
		device_fills(g, 1);
		poll_once(g, 64);
	}
	poll_once(g, 64);
	check_stats(g);
	if (g->c.buffers >= g->c.size)
		assert_false(g->r.short_of_buffers);
}

static void test_random(void **state)
{
	static const uint32_t sizes[] = {32, 40, 64, 80, 96, 128, 256, 504, 512, 1000, 4096};
	static const uint32_t batches[] = {UNAPI_MAX_FRAGS, 19, 32, 64, 512};
	static const unsigned int odds[] = {0, 3, 40, 1};
	static struct rig rig;
	uint64_t packets = 0;

	seed = 88172645463325252ULL;
	for (unsigned int s = 0; s < ARRAY_SIZE(sizes); s++)
		for (unsigned int b = 0; b < ARRAY_SIZE(batches); b++)
			for (unsigned int o = 0; o < ARRAY_SIZE(odds); o++) {
				struct conf c = {.size = sizes[s],
						 .batch = batches[b],
						 .odd = odds[o],
						 .meta = rnd(3) == 0};

				c.buffers = rnd(2) ? c.size + rnd(3) * rnd(600)
						   : UNAPI_MAX_FRAGS + 1 + rnd(c.size);
				rig_up(&rig, &c);
				run(&rig, 300);
				packets += rig.delivered;
				rig_down(&rig);
			}
	assert_true(packets > 100000);
}

/* Small budgets, each used up, with callbacks that could get more than the ring has: the device is given
 * buffers all the same before it runs out of them. */
static void test_device_is_not_starved(void **state)
{
	static const uint32_t sizes[] = {32, 64, 80, 128, 256, 512};
	static struct rig rig;

	seed = 1;
	for (unsigned int s = 0; s < ARRAY_SIZE(sizes); s++)
		for (uint32_t budget = 1; budget <= 8; budget++) {
			struct conf c = {.size = sizes[s], .batch = 512, .buffers = 2048};

			rig_up(&rig, &c);
			poll_once(&rig, 64);
			for (unsigned int i = 0; i < 4 * c.size; i++) {
				device_fills(&rig, budget);
				poll_once(&rig, budget);
				assert_true(device_room(&rig) >= c.size / 4);
			}
			check_stats(&rig);
			rig_down(&rig);
		}
}

/* However much a poll may do, and however fast the device is, it needs little of the stack. */
static void test_large_budget(void **state)
{
	static const uint32_t batches[] = {UNAPI_MAX_FRAGS, 32, 64};
	static struct rig rig;

	for (unsigned int b = 0; b < ARRAY_SIZE(batches); b++) {
		struct conf c = {.size = 512, .batch = batches[b], .buffers = 2048};

		seed = 88172645463325252ULL;
		rig_up(&rig, &c);
		poll_once(&rig, 64);
		device_fills(&rig, 512);
		rig.goes_on = rig.floods = true;
		for (unsigned int i = 0; i < 10; i++)
			poll_once(&rig, 100000);
		assert_true(rig.delivered > 20000);
		assert_true(rig.high - rig.low < 16384);
		rig_down(&rig);
	}
}

/* With the loops of the instruction set named, if the machine has it. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_device_is_not_starved),
		cmocka_unit_test(test_large_budget),
	};

	if (argc > 1 && !adv_isa_force(argv[1]))
		print_message("no %s here: %s instead\n", argv[1], adv_isa()->name);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
