/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device that writes nonsense, with a driver that can turn the queue off and on: it is restarted, what was
 * finished and good is delivered all the same, and nothing else.
 */
#include "tests/unit/adv_rx_rig.h"

#include "core/base/clock.h"

#include <errno.h>

static struct rig *rig;
static unsigned int offs, ons, logged;
static int fail_off, fail_on;
static char last_log[256];

/* The device's write-back may come in two halves, of which the second arrives while it is turned off. */
static uint64_t second_half;

static int turn_off(struct adv_rx_ring *r)
{
	offs++;
	assert_int_equal(ons + 1, offs);
	if (second_half)
		r->desc[r->next].hi = second_half;
	return fail_off;
}

/* The device starts from slot 0 then, and the ring is empty: every slot is fresh, every buffer at home. */
static int turn_on(struct adv_rx_ring *r)
{
	ons++;
	assert_int_equal(ons, offs);
	for (unsigned int i = 0; i < RING; i++)
		assert_true(!r->desc[i].lo && !r->desc[i].hi);
	rig->dev.regs[FAKE_TAIL / 4] = rig->head = 0;
	return fail_on;
}

static void note_log(void *arg, enum unapi_log_level level, const char *text)
{
	logged++;
	snprintf(last_log, sizeof(last_log), "%s", text);
}

static struct rig *odd_rig(uint32_t buffers)
{
	rig = rig_new(buffers, true, false);
	rig->r.off = turn_off;
	rig->r.on = turn_on;
	offs = ons = logged = 0;
	fail_off = fail_on = 0;
	second_half = 0;
	unapi_set_log(note_log, NULL);
	return rig;
}

static void odd_free(struct rig *g, uint32_t kept)
{
	unapi_set_log(NULL, NULL);
	rig_free(g, kept);
}

/* Numbers received, in order, must be those from 0 to @seq but the @n in @missing. */
static void all_but(const struct rig *g, const uint32_t *missing, unsigned int n)
{
	unsigned int at = 0, m = 0;

	for (uint32_t seq = 0; seq < g->seq; seq++) {
		if (m < n && missing[m] == seq) {
			m++;
			continue;
		}
		assert_true(at < g->ngot);
		assert_int_equal(number_in(&g->got[at++]), seq);
	}
	assert_int_equal(at, g->ngot);
	assert_int_equal(m, n);
}

/* Wherever the lie stands, in a group of a vector, across the ring's end, in a batch: it alone is missing. */
static void test_a_lie_anywhere(void **state)
{
	static const uint32_t lies[] = {0, 2049, 65535};

	for (uint32_t start = 0; start < RING; start += 5) {
		for (uint32_t at = 0; at < 40; at++) {
			struct rig *g = odd_rig(400);
			uint32_t bad = start + at;

			g->keep = true;
			for (uint32_t i = 0; i < start; i++) {
				device_packet(g, 1);
				if (i % 16 == 15)
					adv_rx_poll(&g->r, 64);
			}
			adv_rx_poll(&g->r, 64);
			second_half = at % 2 ? status(true, 60) : 0;
			for (uint32_t i = 0; i < 40; i++)
				device_fills(g, status(true, i == at ? lies[at % 3] : 60));
			assert_int_equal(adv_rx_poll(&g->r, 64), 39);
			all_but(g, &bad, 1);
			assert_int_equal(g->r.q.stats.errors, 1);
			assert_int_equal(g->r.q.stats.restarts, 1);
			assert_int_equal(ons, 1);
			assert_int_equal(logged, 1);
			assert_int_equal(device_room(g), RING - 1);
			/* and it goes on */
			for (uint32_t i = 0; i < 100; i++) {
				device_packet(g, 1);
				assert_int_equal(adv_rx_poll(&g->r, 64), 1);
			}
			all_but(g, &bad, 1);
			assert_int_equal(offs, 1);
			free_kept(g);
			odd_free(g, 0);
		}
	}
}

/* From the lie on no slot gets a buffer until the device starts afresh: what it writes late changes nothing.
 */
static void no_buffers(unsigned int lies)
{
	struct rig *g = odd_rig(400);
	uint32_t tail, bad[2] = {10, 50};

	g->keep = true;
	for (unsigned int i = 0; i < 60; i++)
		device_fills(g, status(true, i == bad[0] || (i == bad[1] && lies == 2) ? 0 : 60));
	tail = adv_fake_tail(&g->dev);
	assert_int_equal(adv_rx_poll(&g->r, 30), 30); /* more than a refill's worth, and not all */
	assert_int_equal(offs, 1);
	assert_int_equal(ons, 0);
	assert_int_equal(adv_fake_tail(&g->dev), tail);
	assert_int_equal(g->r.q.stats.errors, 1);
	/* The rest. Nobody would poll again: that must have started it. A second lie counts for nothing more.
	 */
	assert_int_equal(adv_rx_poll(&g->r, 64), 30 - lies);
	assert_int_equal(offs, 1);
	assert_int_equal(ons, 1);
	assert_int_equal(g->r.q.stats.errors, lies);
	assert_int_equal(device_room(g), RING - 1);
	all_but(g, bad, lies);
	free_kept(g);
	odd_free(g, 0);
}

static void test_no_buffers_for_a_liar(void **state)
{
	no_buffers(1);
	no_buffers(2);
}

static void test_too_many_fragments(void **state)
{
	struct rig *g = odd_rig(400);

	device_packet(g, 1);
	device_packet(g, UNAPI_MAX_FRAGS + 1);
	device_packet(g, 1);
	assert_int_equal(adv_rx_poll(&g->r, 64), 2);
	assert_int_equal(g->ngot, 2);
	assert_int_equal(g->r.q.stats.too_many_frags, 1);
	assert_int_equal(g->r.q.stats.errors, 0);
	assert_int_equal(ons, 1);
	assert_non_null(strstr(last_log, "fragments"));
	/* One without an end: the restart ends it. */
	for (unsigned int i = 0; i < 30; i++)
		device_fills(g, status(false, 2048));
	assert_int_equal(adv_rx_poll(&g->r, 64), 0);
	assert_int_equal(ons, 2);
	assert_int_equal(g->r.q.stats.too_many_frags, 2);
	device_packet(g, 1);
	assert_int_equal(adv_rx_poll(&g->r, 64), 1);
	/* As many as there may be are a packet like any other; so is a bad one that the device owns up to. */
	device_packet(g, UNAPI_MAX_FRAGS);
	device_fills(g, status(true, 60) | ADV_RXD_RXE);
	assert_int_equal(adv_rx_poll(&g->r, 64), 1);
	assert_int_equal(g->r.q.stats.errors, 1);
	assert_int_equal(ons, 2);
	odd_free(g, 0);
}

/* The reason says which queue and what; many of them in a row are one line a second. */
static void test_reasons(void **state)
{
	uint64_t now = 5 * NSEC_PER_SEC;
	struct rig *g = odd_rig(400);

	unapi_clock_set_virtual(&now);
	g->r.q.index = 3;
	for (unsigned int i = 0; i < 100; i++) {
		device_fills(g, status(true, 2049));
		assert_int_equal(adv_rx_poll(&g->r, 64), 0);
		now += NSEC_PER_SEC / 25;
	}
	assert_int_equal(g->r.q.stats.restarts, 100);
	assert_int_equal(logged, 4);
	assert_non_null(strstr(last_log, "receive queue 3"));
	assert_non_null(strstr(last_log, "2049"));
	assert_non_null(strstr(last_log, "fake"));
	unapi_clock_set_virtual(NULL);
	odd_free(g, 0);
}

/* A queue that does not stop keeps its buffers, since the device may still write into them; one that does not
 * start again has none. Neither is asked again, and a stop gets everything back. */
static void test_stuck(void **state)
{
	struct rig *g = odd_rig(400);

	fail_off = -EIO;
	for (unsigned int i = 0; i < 8; i++)
		device_fills(g, status(true, i == 2 ? 0 : 60));
	assert_int_equal(adv_rx_poll(&g->r, 64), 7); /* what is good is good */
	for (unsigned int i = 0; i < 8; i++)
		device_fills(g, status(true, i == 2 ? 0 : 60));
	assert_int_equal(adv_rx_poll(&g->r, 64), 7);
	assert_int_equal(offs, 1);
	assert_int_equal(ons, 0);
	assert_int_equal(pool_inflight(g->r.q.pool), RING - 1 - 16);
	adv_rx_reset(&g->r); /* stop, and start */
	assert_int_equal(pool_inflight(g->r.q.pool), 0);
	g->dev.regs[FAKE_TAIL / 4] = g->head = 0;
	adv_rx_refill(&g->r);

	offs = fail_off = 0;
	fail_on = -EIO;
	device_fills(g, status(true, 0));
	assert_int_equal(adv_rx_poll(&g->r, 64), 0);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(adv_rx_poll(&g->r, 64), 0);
	assert_int_equal(ons, 1);
	assert_int_equal(adv_fake_tail(&g->dev), 0);
	assert_int_equal(pool_inflight(g->r.q.pool), 0);
	adv_rx_reset(&g->r);
	adv_rx_refill(&g->r);
	device_packet(g, 1);
	assert_int_equal(adv_rx_poll(&g->r, 64), 1);
	odd_free(g, 0);
}

/* Descriptors at random, and changed at random behind the driver's back: every record is a buffer of the
 * pool's that nobody else has, of a length that fits. */
static uint32_t rnd(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static uint32_t chaos = 1;

static void scribble(struct rig *g)
{
	uint32_t slot = rnd(&chaos) % RING;

	if (rnd(&chaos) % 4 == 0)
		/* DD stays, as without it the device would stop its own queue for good */
		g->r.desc[slot].hi =
			(g->r.desc[slot].hi & ADV_RXD_DD) | (uint64_t)rnd(&chaos) << 40 | rnd(&chaos);
}

static void test_chaos(void **state)
{
	struct rig *g = odd_rig(300);
	uint8_t out[1024]; /* indices whose buffer would cross a page are left out */

	g->in_rx = scribble;
	g->keep = true;
	for (unsigned int round = 0; round < 20000; round++) {
		uint32_t n = rnd(&chaos) % 24;

		for (uint32_t i = 0; i < n && device_room(g); i++) {
			uint32_t r = rnd(&chaos), len = r % 64 == 1 ? r >> 7 & 0xffff : 1 + (r >> 7) % 2048;
			struct adv_desc *d = &g->r.desc[g->head];

			d->lo = r;
			d->hi = ADV_RXD_DD | (r % 8 ? ADV_RXD_EOP : 0) | (r % 61 ? 0 : ADV_RXD_RXE) |
				(uint64_t)(r % 97 ? len : 0) << ADV_RXD_LEN_SHIFT;
			g->head = (g->head + 1) % RING;
		}
		adv_rx_poll(&g->r, (int)(rnd(&chaos) % 64));
		memset(out, 0, sizeof(out));
		for (unsigned int i = 0; i < g->ngot; i++) {
			assert_int_equal(g->got[i].buf >> UNAPI_POOL_SHIFT, page_pool_id(g->r.q.pool));
			assert_true((g->got[i].buf & UNAPI_BUF_MASK) < sizeof(out));
			assert_int_equal(out[g->got[i].buf & UNAPI_BUF_MASK]++, 0);
			assert_in_range(g->got[i].len, 1, 2048);
			assert_int_equal(g->got[i].off, PAGE_POOL_HEADROOM);
		}
		assert_int_equal(pool_inflight(g->r.q.pool), g->ngot + adv_rx_given(&g->r));
		if (g->ngot > 150 || round % 7 == 0)
			free_kept(g);
	}
	assert_true(g->r.q.stats.restarts > 1000);
	assert_true(g->r.q.stats.packets > 50000);
	free_kept(g);
	odd_free(g, 0);
}

/* With the loops of the instruction set named, if the machine has it. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_lie_anywhere),
		cmocka_unit_test(test_no_buffers_for_a_liar),
		cmocka_unit_test(test_too_many_fragments),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_stuck),
		cmocka_unit_test(test_chaos),
	};

	if (argc > 1 && !adv_isa_force(argv[1]))
		print_message("no %s here: %s instead\n", argv[1], adv_isa()->name);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
