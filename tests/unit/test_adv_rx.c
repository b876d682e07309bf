/* SPDX-License-Identifier: BSD-3-Clause */
/* The receive ring of advanced descriptors against a device played by hand, honest and hostile. */
#include "tests/unit/adv_rx_rig.h"

static void test_ring_is_filled_but_one(void **state)
{
	struct rig *g = rig_new(200, true, false);
	uint8_t seen[200] = {0};

	assert_int_equal(adv_fake_tail(&g->dev), RING - 1);
	assert_int_equal(pool_inflight(g->r.q.pool), RING - 1);
	for (unsigned int i = 0; i < RING - 1; i++)
		assert_int_equal(seen[buf_at_iova(g->r.q.pool, g->r.desc[i].lo) & UNAPI_BUF_MASK]++, 0);
	assert_false(adv_rx_pending(&g->r));
	rig_free(g, 0);
}

static void test_record(void **state)
{
	struct rig *g = rig_new(200, true, false);
	uint64_t hi = status(true, 123) | 0x60 | 0xabcULL << 48;
	uint32_t buf = buf_at_iova(g->r.q.pool, g->r.desc[0].lo);

	device_fills(g, hi);
	assert_true(adv_rx_pending(&g->r));
	assert_int_equal(adv_rx_poll(&g->r, 64), 1);
	assert_int_equal(g->ngot, 1);
	assert_int_equal(g->got[0].buf, buf);
	assert_int_equal(g->got[0].off, PAGE_POOL_HEADROOM);
	assert_int_equal(g->got[0].flags, 0);
	assert_int_equal(g->got[0].status, 0x63);
	assert_int_equal(g->got[0].len, 123);
	assert_int_equal(g->got[0].vlan, 0xabc);
	assert_int_equal(g->r.q.stats.packets, 1);
	assert_int_equal(g->r.q.stats.bytes, 123);
	assert_false(adv_rx_pending(&g->r));
	assert_int_equal(adv_rx_poll(&g->r, 64), 0);
	rig_free(g, 0);
}

/* Many times around, in bursts of every size: order, contents, statistics, no buffer lost or given twice. */
static void test_wrap(void **state)
{
	struct rig *g = rig_new(200, true, false);
	uint32_t expect = 0;
	uint64_t total = 0;

	for (unsigned int round = 0; round < 2000; round++) {
		unsigned int n = round * 7 % 61, room = device_room(g), work = 0;

		n = n < room ? n : room;
		for (unsigned int i = 0; i < n; i++)
			device_packet(g, 1);
		g->ngot = 0;
		work = (unsigned int)adv_rx_poll(&g->r, 64);
		assert_int_equal(work, n);
		assert_int_equal(g->ngot, n);
		for (unsigned int i = 0; i < n; i++)
			assert_int_equal(g->got[i].len, 60);
		expect += n;
		total += n;
		assert_int_equal(g->seq, expect);
		/* The tail never meets the slot that the device fills next, unless the ring has no buffer. */
		assert_true(device_room(g) >= FULL - g->r.refill_batch);
	}
	assert_int_equal(g->r.q.stats.packets, total);
	assert_int_equal(g->r.q.stats.bytes, total * 60);
	assert_true(total > 20000);
	rig_free(g, 0);
}

static void test_order_and_contents(void **state)
{
	struct rig *g = rig_new(2000, true, false);
	uint32_t expect = 0;

	g->keep = true;
	for (unsigned int round = 0; round < 40; round++) {
		while (device_room(g) > 20)
			device_packet(g, 1);
		adv_rx_poll(&g->r, 64);
	}
	for (unsigned int i = 0; i < g->ngot; i++)
		assert_int_equal(number_in(&g->got[i]), expect++);
	assert_int_equal(g->ngot, g->seq);
	assert_true(g->ngot > 1000);
	expect = g->ngot;
	adv_rx_reset(&g->r);
	assert_int_equal(pool_inflight(g->r.q.pool), expect);
	free_kept(g);
	rig_free(g, 0);
}

static void test_budget(void **state)
{
	struct rig *g = rig_new(200, true, false);

	for (unsigned int i = 0; i < 50; i++)
		device_packet(g, 1);
	assert_int_equal(adv_rx_poll(&g->r, 0), 0);
	assert_int_equal(g->calls, 0);
	assert_int_equal(adv_rx_poll(&g->r, 7), 7);
	assert_int_equal(g->ngot, 7);
	assert_true(adv_rx_pending(&g->r));
	assert_int_equal(adv_rx_poll(&g->r, 40), 40); /* two batches */
	assert_int_equal(g->calls, 3);
	assert_int_equal(adv_rx_poll(&g->r, 64), 3);
	assert_int_equal(g->ngot, 50);
	rig_free(g, 0);
}

/* Five fragments: six packets fill a batch of 32 but for two records, so the seventh starts the next. */
static void test_fragments_and_batches(void **state)
{
	struct rig *g = rig_new(400, true, false);

	g->keep = true;
	for (unsigned int i = 0; i < 12; i++)
		device_packet(g, 5);
	assert_int_equal(adv_rx_poll(&g->r, 64), 12);
	assert_int_equal(g->ngot, 60);
	assert_int_equal(g->calls, 2);
	assert_int_equal(g->largest, 30);
	for (unsigned int i = 0; i < 60; i++) {
		assert_int_equal(number_in(&g->got[i]), i);
		assert_int_equal(g->got[i].flags, i % 5 == 4 ? 0 : UNAPI_PKT_MORE);
		assert_int_equal(g->got[i].len, i % 5 == 4 ? 60 : 2048);
	}
	assert_int_equal(g->r.q.stats.packets, 12);
	assert_int_equal(g->r.q.stats.bytes, 12 * (4 * 2048 + 60));
	free_kept(g);
	rig_free(g, 0);
}

/* Budget is in packets, not in records. */
static void test_fragments_and_budget(void **state)
{
	struct rig *g = rig_new(400, true, false);

	for (unsigned int i = 0; i < 12; i++)
		device_packet(g, 5);
	assert_int_equal(adv_rx_poll(&g->r, 8), 8);
	assert_int_equal(g->ngot, 40);
	assert_int_equal(adv_rx_poll(&g->r, 8), 4);
	rig_free(g, 0);
}

/* A packet is delivered when its last fragment is there, however many polls that takes. */
static void test_packet_in_the_making(void **state)
{
	struct rig *g = rig_new(200, true, false);

	device_packet(g, 1);
	device_fills(g, status(false, 2048));
	assert_int_equal(adv_rx_poll(&g->r, 64), 1);
	for (unsigned int i = 0; i < 3; i++) {
		device_fills(g, status(false, 2048));
		assert_int_equal(adv_rx_poll(&g->r, 64), 0);
	}
	assert_int_equal(g->ngot, 1);
	device_fills(g, status(true, 10));
	assert_int_equal(adv_rx_poll(&g->r, 64), 1);
	assert_int_equal(g->ngot, 6);
	assert_int_equal(g->r.q.stats.packets, 2);
	assert_int_equal(g->r.q.stats.bytes, 60 + 4 * 2048 + 10);
	rig_free(g, 0);
}

static void test_fragment_limit(void **state)
{
	struct rig *g = rig_new(400, true, false);

	device_packet(g, UNAPI_MAX_FRAGS);
	device_packet(g, UNAPI_MAX_FRAGS + 1);
	device_packet(g, 1);
	assert_int_equal(adv_rx_poll(&g->r, 64), 2);
	assert_int_equal(g->ngot, UNAPI_MAX_FRAGS + 1);
	assert_int_equal(g->r.q.stats.too_many_frags, 1);
	assert_int_equal(g->r.q.stats.packets, 2);
	assert_int_equal(g->r.q.stats.bytes, (UNAPI_MAX_FRAGS - 1) * 2048 + 60 + 60);

	/* An endless one, over many polls, keeps nothing and is counted once. */
	for (unsigned int i = 0; i < 500; i++) {
		device_fills(g, status(false, 2048));
		if (i % 9 == 0)
			assert_int_equal(adv_rx_poll(&g->r, 64), 0);
	}
	assert_int_equal(adv_rx_poll(&g->r, 64), 0);
	assert_int_equal(g->r.q.stats.too_many_frags, 1);
	/* Its end is not delivered, although it looks like a packet of its own; what follows is. */
	device_fills(g, status(true, 60));
	device_packet(g, 2);
	g->ngot = 0;
	assert_int_equal(adv_rx_poll(&g->r, 64), 1);
	assert_int_equal(g->ngot, 2);
	assert_true(g->got[0].flags & UNAPI_PKT_MORE);
	assert_int_equal(g->r.q.stats.too_many_frags, 2);
	assert_int_equal(g->r.q.stats.errors, 0);
	for (unsigned int i = 0; i < 20; i++)
		device_fills(g, status(false, 2048));
	assert_int_equal(adv_rx_poll(&g->r, 64), 0);
	device_fills(g, status(true, 60));
	device_packet(g, 1);
	g->ngot = 0;
	assert_int_equal(adv_rx_poll(&g->r, 64), 1);
	assert_int_equal(g->ngot, 1);
	assert_int_equal(g->r.q.stats.too_many_frags, 3);
	rig_free(g, 0);
}

/* What a device may not say about a length: the packet is dropped whole, its neighbours are delivered. */
static void test_hostile_lengths(void **state)
{
	static const uint64_t bad[] = {
		ADV_RXD_DD | ADV_RXD_EOP,
		ADV_RXD_DD | ADV_RXD_EOP | 2049ULL << ADV_RXD_LEN_SHIFT,
		ADV_RXD_DD | ADV_RXD_EOP | 65535ULL << ADV_RXD_LEN_SHIFT,
		ADV_RXD_DD | ADV_RXD_EOP | ADV_RXD_RXE | 60ULL << ADV_RXD_LEN_SHIFT,
	};
	struct rig *g = rig_new(200, true, false);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		device_packet(g, 1);
		device_fills(g, bad[i]);
		device_packet(g, 2);
		/* the first fragment is bad, the last is not */
		device_fills(g, bad[i] & ~ADV_RXD_EOP);
		device_packet(g, 1);
	}
	assert_int_equal(adv_rx_poll(&g->r, 64), 2 * (int)ARRAY_SIZE(bad));
	assert_int_equal(g->ngot, 3 * ARRAY_SIZE(bad));
	for (i = 0; i < g->ngot; i++)
		assert_true(g->got[i].len >= 1 && g->got[i].len <= 2048);
	assert_int_equal(g->r.q.stats.errors, 2 * ARRAY_SIZE(bad));
	assert_int_equal(g->r.q.stats.bytes, ARRAY_SIZE(bad) * (60 + 2048 + 60));
	rig_free(g, 0);
}

/* Nothing but bad packets: the poll ends, and the ring is given buffers again. */
static void test_flood_of_bad_packets(void **state)
{
	struct rig *g = rig_new(200, true, false);
	unsigned int bad = 0;

	for (unsigned int round = 0; round < 20; round++) {
		unsigned int n = device_room(g);

		bad += n;
		for (unsigned int i = 0; i < n; i++)
			device_fills(g, status(true, 0));
		assert_int_equal(adv_rx_poll(&g->r, 64), 0);
		assert_true(device_room(g) >= FULL);
	}
	assert_int_equal(g->r.q.stats.errors, bad);
	assert_int_equal(g->calls, 0);
	rig_free(g, 0);
}

static void test_done_in_order_only(void **state)
{
	struct rig *g = rig_new(200, true, false);

	g->r.desc[1].hi = status(true, 60);
	g->r.desc[2].hi = status(true, 60);
	assert_int_equal(adv_rx_poll(&g->r, 64), 0);
	g->r.desc[0].hi = status(true, 60);
	assert_int_equal(adv_rx_poll(&g->r, 64), 3);
	rig_free(g, 0);
}

/* Write-back that comes in two halves: nothing counts before the word with DD. */
static void test_torn_write_back(void **state)
{
	struct rig *g = rig_new(200, true, true);

	g->r.desc[0].lo = 0xdeadbeef00000001ULL;
	g->r.desc[0].hi = status(true, 60) & ~ADV_RXD_DD;
	assert_int_equal(adv_rx_poll(&g->r, 64), 0);
	assert_false(adv_rx_pending(&g->r));
	g->r.desc[0].hi |= ADV_RXD_DD;
	assert_int_equal(adv_rx_poll(&g->r, 64), 1);
	assert_int_equal(g->meta[0].rss_hash, 0xdeadbeef);
	assert_int_equal(g->meta[0].pkt_info, 1);
	rig_free(g, 0);
}

static void test_meta(void **state)
{
	struct rig *g = rig_new(400, true, true);

	for (unsigned int i = 0; i < 10; i++)
		device_packet(g, 5);
	assert_int_equal(adv_rx_poll(&g->r, 64), 10);
	for (unsigned int i = 0; i < 50; i++) {
		assert_int_equal(g->meta[i].rss_hash, 0x11112222);
		assert_int_equal(g->meta[i].hdr_info << 16 | g->meta[i].pkt_info, i);
	}
	rig_free(g, 0);
}

/* A device that finishes slots it was not given: those count for nothing. */
static void test_done_beyond_tail(void **state)
{
	struct rig *g = rig_new(RING - 1, true, false);
	unsigned int i;

	g->keep = true; /* so that no slot gets a new buffer */
	for (i = 0; i < RING; i++)
		g->r.desc[i].hi = status(true, 60);
	assert_int_equal(adv_rx_poll(&g->r, 1000), RING - 1);
	assert_int_equal(g->ngot, RING - 1);
	for (i = 0; i < RING; i++)
		g->r.desc[i].hi = status(true, 60);
	assert_false(adv_rx_pending(&g->r));
	assert_int_equal(adv_rx_poll(&g->r, 1000), 0);
	assert_int_equal(g->ngot, RING - 1);
	free_kept(g);
	rig_free(g, 0);
}

/* Ring memory is the device's to write: which buffer a slot has is not read back from there. */
static void scribble(struct rig *g)
{
	memset(g->r.desc, 0xff, RING * sizeof(*g->r.desc));
}

static void test_scribbled_ring(void **state)
{
	struct rig *g = rig_new(200, true, false);
	uint8_t seen[200] = {0};
	unsigned int i;

	g->keep = true;
	g->in_rx = scribble;
	for (i = 0; i < RING - 1; i++)
		device_packet(g, 1);
	/* The second batch is all ones: length 65535, an error. */
	assert_int_equal(adv_rx_poll(&g->r, 64), BATCH);
	assert_int_equal(g->ngot, BATCH);
	for (i = 0; i < g->ngot; i++) {
		assert_int_equal(number_in(&g->got[i]), i);
		assert_int_equal(g->got[i].len, 60);
		assert_int_equal(seen[g->got[i].buf & UNAPI_BUF_MASK]++, 0);
	}
	assert_true(g->r.q.stats.errors >= RING - 1 - BATCH);
	free_kept(g);
	rig_free(g, 0);
}

static void test_exhaustion_and_recovery(void **state)
{
	struct rig *g = rig_new(100, true, false);
	uint32_t expect = 0;

	g->keep = true;
	while (device_room(g)) {
		device_packet(g, 1);
		adv_rx_poll(&g->r, 64);
	}
	/* All buffers are with us; the ring is empty, and says so. */
	assert_int_equal(g->ngot, 100);
	assert_true(g->r.short_of_buffers);
	assert_true(g->r.q.stats.alloc_fail > 0);
	assert_int_equal(adv_rx_poll(&g->r, 64), 0);
	assert_false(page_pool_starve(g->r.q.pool));
	for (; expect < 100; expect++)
		assert_int_equal(number_in(&g->got[expect]), expect);

	/* One comes back: that one is used. */
	g->ngot = 99;
	unapi_pkt_free_bulk(&g->got[99], 1);
	assert_int_equal(adv_rx_poll(&g->r, 64), 0);
	assert_int_equal(device_room(g), 1);
	device_packet(g, 1);
	assert_int_equal(adv_rx_poll(&g->r, 64), 1);
	assert_int_equal(number_in(&g->got[99]), 100);

	free_kept(g);
	assert_int_equal(adv_rx_poll(&g->r, 64), 0);
	assert_false(g->r.short_of_buffers);
	assert_true(device_room(g) >= FULL);
	g->keep = false;
	for (unsigned int i = 0; i < 1000; i++) {
		device_packet(g, 1);
		assert_int_equal(adv_rx_poll(&g->r, 64), 1);
	}
	rig_free(g, 0);
}

/* Buffers are given in bulk: one tail store a poll at most, none for a poll that found nothing. */
static void test_tail_stores(void **state)
{
	struct rig *g = rig_new(200, false, false);
	unsigned int polls = 0;

	assert_int_equal(g->dev.tail_writes, 1);
	assert_int_equal(adv_fake_tail(&g->dev), RING - 1);
	for (unsigned int i = 0; i < 100; i++) {
		adv_rx_poll(&g->r, 64);
		assert_int_equal(g->dev.tail_writes, 1);
	}
	g->dev.tail_writes = 0;
	for (unsigned int i = 0; i < 100; i++) {
		for (unsigned int k = 0; k < 4; k++)
			device_packet(g, 1);
		adv_rx_poll(&g->r, 64);
		polls++;
	}
	assert_true(g->dev.tail_writes <= polls * 4 / g->r.refill_batch);
	assert_true(g->dev.tail_writes > 0);
	rig_free(g, 0);
}

/* Stopped in any state, the ring gives all back, and works as new. */
static void test_reset(void **state)
{
	struct rig *g = rig_new(200, true, false);

	for (unsigned int i = 0; i < 20; i++) {
		for (unsigned int k = 0; k < i; k++)
			device_packet(g, 1);
		adv_rx_poll(&g->r, 64);
		device_fills(g, status(false, 2048)); /* in the middle of a packet */
		adv_rx_poll(&g->r, 64);
		adv_rx_reset(&g->r);
		assert_int_equal(pool_inflight(g->r.q.pool), 0);
		assert_false(adv_rx_pending(&g->r));
		g->head = 0;
		adv_rx_refill(&g->r);
		assert_int_equal(device_room(g), RING - 1);
		device_packet(g, 3);
		assert_int_equal(adv_rx_poll(&g->r, 64), 1);
	}
	rig_free(g, 0);
}

/* With the loops of the instruction set named, if the machine has it. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ring_is_filled_but_one),
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_order_and_contents),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_fragments_and_batches),
		cmocka_unit_test(test_fragments_and_budget),
		cmocka_unit_test(test_packet_in_the_making),
		cmocka_unit_test(test_fragment_limit),
		cmocka_unit_test(test_hostile_lengths),
		cmocka_unit_test(test_flood_of_bad_packets),
		cmocka_unit_test(test_done_in_order_only),
		cmocka_unit_test(test_torn_write_back),
		cmocka_unit_test(test_meta),
		cmocka_unit_test(test_done_beyond_tail),
		cmocka_unit_test(test_scribbled_ring),
		cmocka_unit_test(test_exhaustion_and_recovery),
		cmocka_unit_test(test_tail_stores),
		cmocka_unit_test(test_reset),
	};

	if (argc > 1 && !adv_isa_force(argv[1]))
		print_message("no %s here: %s instead\n", argv[1], adv_isa()->name);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
