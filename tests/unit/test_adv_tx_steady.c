/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The transmit ring over a long time, against a plain account of what was sent: bursts of all sizes and kinds
 * of packets, for many sizes of ring, with a device that is late, and writes back in any order, also where it
 * was not asked to.
 *
 * What must hold: the device finds each descriptor as it is to be, whole packets in order, an RS within each
 * 32 and at the end of each burst, and only where a packet ends; a buffer comes back when its slot and all
 * before it are known to be sent, not earlier, and to its own pool; a burst comes short only for want of
 * room.
 */
#include "tests/unit/adv_fake.h"
#include "tests/unit/random.h"

#include "drivers/common/adv_tx.h"

#include <stdlib.h>

#define MANY	8192 /* slots in the account, a ring; more than any ring has */
#define BURST	512
#define MAX_LEN 9728
#define POOLS	2
#define BUFFERS 6000

struct slot {
	uint64_t lo, hi; /* without RS */
	bool has_buf;
	bool rs, written; /* known when it is sent */
};

struct rig {
	struct adv_fake dev;
	struct adv_tx_ring t;
	struct page_pool *pool[POOLS];
	uint32_t size;
	unsigned int odd; /* one packet in so many is not simple */
	struct slot slot[MANY];
	uint32_t put, sent,
		freed; /* counts of slots: what the ring was given, the device has sent, is known to be */
	uint32_t since;
	uint32_t bufs; /* in slots from freed to put */
	uint32_t vlan;
	struct unapi_pkt pkts[BURST + UNAPI_MAX_FRAGS + 3]; /* the next burst */
	uint32_t n;
	uint64_t packets, bytes, errors;
};

static void rig_up(struct rig *g, uint32_t size, unsigned int odd)
{
	memset(g, 0, sizeof(*g));
	g->size = size;
	g->odd = odd;
	g->vlan = UINT32_MAX;
	adv_fake_init(&g->dev, rnd(2));
	for (unsigned int i = 0; i < POOLS; i++)
		assert_int_equal(unapi_page_pool_create(BUFFERS, -1, &g->pool[i]), 0);
	assert_int_equal(adv_tx_setup(&g->t, &g->dev.v, &g->dev.v.regions[0], size, FAKE_TAIL), 0);
	g->t.max_len = MAX_LEN;
	g->t.rs_head = g->t.rs_tail = UINT32_MAX - 40; /* they count on beyond that */
}

/* All at home, once each. */
static void free_pool(struct page_pool *pool)
{
	static struct unapi_pkt p[BUFFERS];
	static bool seen[UNAPI_BUF_MASK + 1];

	memset(seen, 0, sizeof(seen));
	assert_int_equal(unapi_pkt_alloc_bulk(pool, p, BUFFERS), BUFFERS);
	for (unsigned int i = 0; i < BUFFERS; i++) {
		assert_int_equal(p[i].buf >> UNAPI_POOL_SHIFT, page_pool_id(pool));
		assert_false(seen[p[i].buf & UNAPI_BUF_MASK]);
		seen[p[i].buf & UNAPI_BUF_MASK] = true;
	}
	unapi_pkt_free_bulk(p, BUFFERS);
	assert_int_equal(unapi_page_pool_destroy(pool), 0);
}

static void rig_down(struct rig *g)
{
	static const uint8_t zero[4096];
	size_t used = g->size * sizeof(*g->t.desc);

	/* nothing behind the ring's end */
	if (used % sizeof(zero))
		assert_memory_equal((uint8_t *)g->t.desc + used, zero, sizeof(zero) - used % sizeof(zero));
	adv_tx_reset(&g->t);
	adv_tx_teardown(&g->t);
	for (unsigned int i = 0; i < POOLS; i++) {
		assert_int_equal(pool_inflight(g->pool[i]), 0);
		free_pool(g->pool[i]);
	}
}

/* One more packet at the end of g->pkts. */
static void make_packet(struct rig *g)
{
	bool odd = g->odd && rnd(g->odd) == 0;
	uint32_t frags = odd && rnd(2) ? 1 + rnd(rnd(4) ? 4 : UNAPI_MAX_FRAGS + 2) : 1;
	struct unapi_pkt *p = &g->pkts[g->n];

	for (uint32_t i = 0; i < frags; i++) {
		struct page_pool *pool = g->pool[odd && rnd(4) == 0];

		assert_int_equal(unapi_pkt_alloc_bulk(pool, &p[i], 1), 1);
		p[i].len = (uint16_t)(1 + rnd(frags > 1 ? 700 : 1514));
		p[i].flags = i + 1 < frags ? UNAPI_PKT_MORE : 0;
	}
	if (odd && rnd(8) == 0)
		p[rnd(frags)].len = rnd(2) ? 0 : MAX_LEN + 1;
	if (odd && rnd(8) == 0) {
		p->flags |= UNAPI_PKT_TX_VLAN;
		p->vlan = (uint16_t)rnd(3);
	}
	g->n += frags;
}

static uint32_t frags_of(const struct unapi_pkt *p, uint32_t *len, bool *bad)
{
	uint32_t n = 0;

	*len = 0;
	*bad = false;
	do {
		*len += p[n].len;
		*bad |= !p[n].len;
	} while (p[n++].flags & UNAPI_PKT_MORE);
	*bad |= n > UNAPI_MAX_FRAGS || *len > MAX_LEN;
	return n;
}

static void expect(struct rig *g, uint64_t lo, uint64_t hi, bool has_buf)
{
	g->slot[g->put++ % MANY] = (struct slot){.lo = lo, .hi = hi, .has_buf = has_buf};
	g->bufs += has_buf;
}

/* The ring has taken the packet at @p. Returns its records. */
static uint32_t account(struct rig *g, const struct unapi_pkt *p)
{
	uint32_t len, frags, i, vlan = p->flags & UNAPI_PKT_TX_VLAN;
	bool bad;

	frags = frags_of(p, &len, &bad);
	if (bad) {
		g->errors++;
		return frags;
	}
	if (vlan && g->vlan != p->vlan) {
		g->vlan = p->vlan;
		expect(g, (uint64_t)p->vlan << ADV_TXC_VLAN_SHIFT | 14 << ADV_TXC_MACLEN_SHIFT,
		       ADV_TXD_CTXT | ADV_TXD_DEXT, false);
	}
	for (i = 0; i < frags; i++)
		expect(g, unapi_pkt_iova(&p[i]),
		       ADV_TXD_DATA | ADV_TXD_DEXT | ADV_TXD_IFCS | (vlan ? ADV_TXD_VLE : 0) |
			       (i + 1 == frags ? ADV_TXD_EOP : 0) | p[i].len |
			       (uint64_t)len << ADV_TXD_PAYLEN_SHIFT,
		       true);
	g->packets++;
	g->bytes += len;
	return frags;
}

/* What is known to be sent: in order, up to the last RS of those that are all written back. */
static void account_written(struct rig *g)
{
	uint32_t known = g->freed;

	for (uint32_t i = g->freed; i != g->sent; i++) {
		const struct slot *s = &g->slot[i % MANY];

		if (!s->rs)
			continue;
		if (!s->written)
			break;
		known = i + 1;
	}
	for (; g->freed != known; g->freed++)
		g->bufs -= g->slot[g->freed % MANY].has_buf;
}

static void check_clean(struct rig *g)
{
	uint32_t held = 0;

	account_written(g);
	adv_tx_clean(&g->t.q);
	assert_int_equal(adv_tx_in_flight(&g->t), g->put - g->freed);
	for (unsigned int i = 0; i < POOLS; i++)
		held += pool_inflight(g->pool[i]);
	assert_int_equal(held, g->bufs + g->n);
}

/* Send @n packets, or what there is room for. */
static void burst(struct rig *g, uint32_t n)
{
	uint32_t before = g->put, taken, i = 0, len, next;
	bool bad;

	while (n--)
		if (g->n <= BURST)
			make_packet(g);
	taken = adv_tx_burst(&g->t.q, g->pkts, g->n);
	assert_true(taken <= g->n);
	while (i < taken)
		i += account(g, g->pkts + i);
	assert_int_equal(i, taken);
	g->n -= taken;
	memmove(g->pkts, g->pkts + taken, g->n * sizeof(*g->pkts));
	assert_int_equal(adv_fake_tail(&g->dev), g->put % g->size);
	if (g->put != before) {
		assert_true(g->t.desc[(g->put - 1) % g->size].hi & ADV_TXD_RS);
	}
	check_clean(g);
	if (g->n) {
		next = frags_of(g->pkts, &len, &bad) + 1;
		assert_true(g->size - 1 - (g->put - g->freed) < next);
	}
}

/* Just what there is room for, or one more. */
static void burst_of_room(struct rig *g)
{
	uint32_t room = g->size - 1 - (g->put - g->freed) + rnd(2);

	burst(g, room < BURST ? room : BURST);
}

/* The device sends @n descriptors. */
static void device_sends(struct rig *g, uint32_t n)
{
	for (; n && g->sent % g->size != adv_fake_tail(&g->dev); n--) {
		struct slot *s = &g->slot[g->sent % MANY];
		struct adv_desc *d = &g->t.desc[g->sent % g->size];

		assert_true(g->sent != g->put);
		assert_true(d->lo == s->lo);
		assert_true((d->hi & ~ADV_TXD_RS) == s->hi);
		s->rs = d->hi & ADV_TXD_RS;
		if (s->rs)
			assert_true(d->hi & ADV_TXD_EOP);
		assert_true(++g->since <= ADV_TX_RS_EVERY);
		if (s->rs)
			g->since = 0;
		else if (g->odd && rnd(4) == 0)
			d->hi |= ADV_TXD_DD; /* nobody asked */
		g->sent++;
	}
}

/* It writes back those that ask, each with a chance of one in @late. */
static void device_writes(struct rig *g, unsigned int late)
{
	for (uint32_t i = g->freed; i != g->sent; i++) {
		struct slot *s = &g->slot[i % MANY];

		if (!s->rs || s->written || rnd(late))
			continue;
		s->written = true;
		__atomic_store_n(&g->t.desc[i % g->size].hi, ADV_TXD_DD, __ATOMIC_RELEASE);
	}
}

static void finish(struct rig *g)
{
	while (g->n || g->put != g->freed) {
		device_sends(g, UINT32_MAX);
		device_writes(g, 1);
		burst(g, 0);
	}
	assert_int_equal(g->t.q.stats.packets, g->packets);
	assert_int_equal(g->t.q.stats.bytes, g->bytes);
	assert_int_equal(g->t.q.stats.errors, g->errors);
}

static void test_random(void **state)
{
	static const uint32_t sizes[] = {32, 40, 64, 80, 96, 128, 504, 512, 1000, 4096};
	static const unsigned int odds[] = {0, 2, 30};
	static struct rig rig;
	uint64_t packets = 0;

	seed = 88172645463325252ULL;
	for (unsigned int s = 0; s < ARRAY_SIZE(sizes); s++)
		for (unsigned int o = 0; o < ARRAY_SIZE(odds); o++) {
			uint32_t most = 64;

			rig_up(&rig, sizes[s], odds[o]);
			for (unsigned int i = 0; i < 250; i++) {
				if (rnd(50) == 0)
					most = rnd(2) ? BURST : 1 + rnd(64);
				if (rnd(6) || rig.n)
					burst(&rig, 1 + rnd(most));
				else
					burst_of_room(&rig);
				device_sends(&rig, rnd(3) ? rnd(2 * most) : UINT32_MAX);
				device_writes(&rig, 1 + rnd(4));
				check_clean(&rig);
			}
			finish(&rig);
			packets += rig.packets;
			rig_down(&rig);
		}
	assert_true(packets > 100000);
}

/* Every size of burst, from every slot of a ring whose size is no power of two. */
static void test_all_bursts(void **state)
{
	static struct rig rig;

	seed = 1;
	rig_up(&rig, 1000, 0);
	for (unsigned int round = 0; round < 2; round++)
		for (uint32_t n = 1; n <= BURST; n++) {
			burst(&rig, n);
			assert_int_equal(rig.n, 0);
			device_sends(&rig, UINT32_MAX);
			assert_int_equal(rig.since, 0); /* RS at the end */
			device_writes(&rig, 1);
			check_clean(&rig);
			assert_int_equal(rig.put, rig.freed);
		}
	finish(&rig);
	rig_down(&rig);
}

/* With the loops of the instruction set named, if the machine has it. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_all_bursts),
	};

	if (argc > 1 && !adv_isa_force(argv[1]))
		print_message("no %s here: %s instead\n", argv[1], adv_isa()->name);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
