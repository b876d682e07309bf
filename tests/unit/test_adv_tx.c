/* SPDX-License-Identifier: BSD-3-Clause */
/* The transmit ring of advanced descriptors against a device played by hand, which writes back RS only. */
#include "tests/unit/adv_fake.h"

#include "drivers/common/adv_tx.h"

#include <stdlib.h>

#define RING	64
#define BUFFERS 400
#define MAX_LEN 9728

struct rig {
	struct adv_fake dev;
	struct adv_tx_ring t;
	struct page_pool *pool;
	uint32_t head;	/* the device's next slot */
	uint32_t since; /* descriptors it has sent since the last RS */
	uint32_t sent;	/* packets it has sent */
	uint32_t seq;	/* number of the next packet made */
	uint16_t vlan;	/* in its context */
	bool in_packet;
	uint32_t paylen, have;
};

static struct rig *rig_new(bool mapped)
{
	struct rig *g = aligned_alloc(_Alignof(struct rig), sizeof(*g)); /* rings begin on a cache line */

	assert_non_null(g);
	memset(g, 0, sizeof(*g));
	adv_fake_init(&g->dev, mapped);
	assert_int_equal(unapi_page_pool_create(BUFFERS, -1, &g->pool), 0);
	assert_int_equal(adv_tx_setup(&g->t, &g->dev.v, &g->dev.v.regions[0], RING, FAKE_TAIL), 0);
	g->t.max_len = MAX_LEN;
	return g;
}

static void rig_free(struct rig *g)
{
	adv_tx_reset(&g->t);
	assert_int_equal(pool_inflight(g->pool), 0);
	adv_tx_teardown(&g->t);
	assert_int_equal(unapi_page_pool_destroy(g->pool), 0);
	free(g);
}

/* A packet of @frags records at @p, its number in front. */
static void make(struct rig *g, struct unapi_pkt *p, unsigned int frags)
{
	assert_int_equal(unapi_pkt_alloc_bulk(g->pool, p, frags), frags);
	memcpy(unapi_pkt_data(p), &g->seq, sizeof(g->seq));
	g->seq++;
	for (unsigned int i = 0; i < frags; i++) {
		p[i].len = i + 1 == frags ? 60 : 1000;
		p[i].flags = i + 1 == frags ? 0 : UNAPI_PKT_MORE;
	}
}

static void make_singles(struct rig *g, struct unapi_pkt *p, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		make(g, &p[i], 1);
}

static void send_data(struct rig *g, const struct adv_desc *d)
{
	const struct unapi_pool_view *v = page_pool_view(g->pool);
	uint32_t len = (uint16_t)d->hi, paylen = (uint32_t)(d->hi >> ADV_TXD_PAYLEN_SHIFT), number;

	assert_true(d->hi & ADV_TXD_DEXT);
	assert_true(d->hi & ADV_TXD_IFCS);
	assert_int_equal(d->hi & ADV_TXD_DATA, ADV_TXD_DATA);
	assert_int_equal(d->hi & ADV_TXD_DD, 0);
	assert_true(d->lo >= v->iova && d->lo - v->iova < (uint64_t)BUFFERS * v->stride);
	assert_true(len > 0);
	if (!g->in_packet) {
		memcpy(&number, v->base + (d->lo - v->iova), sizeof(number));
		assert_true(number >= g->sent); /* in order; dropped ones are left out */
		g->sent = number + 1;
		g->have = 0;
		g->paylen = paylen;
	}
	assert_int_equal(paylen, g->paylen);
	g->have += len;
	g->in_packet = !(d->hi & ADV_TXD_EOP);
	if (!g->in_packet)
		assert_int_equal(g->have, g->paylen);
}

/* The device sends up to @max descriptors, and writes back those that ask for it. Returns how many it sent.
 */
static unsigned int device_sends(struct rig *g, unsigned int max)
{
	unsigned int n = 0;

	for (; n < max && g->head != adv_fake_tail(&g->dev); n++) {
		struct adv_desc *d = &g->t.desc[g->head];

		if ((d->hi & ADV_TXD_DATA) == ADV_TXD_CTXT) {
			assert_false(g->in_packet);
			g->vlan = (uint16_t)(d->lo >> ADV_TXC_VLAN_SHIFT);
		} else {
			send_data(g, d);
		}
		g->since++;
		assert_true(g->since <= ADV_TX_RS_EVERY);
		if (d->hi & ADV_TXD_RS) {
			/* The device looks at RS where a packet ends (82576 datasheet 7.2.2.3.5). */
			assert_true(d->hi & ADV_TXD_EOP);
			g->since = 0;
			__atomic_store_n(&d->hi, ADV_TXD_DD, __ATOMIC_RELEASE);
		}
		g->head = (g->head + 1) % RING;
	}
	return n;
}

#define ALL UINT32_MAX

static void test_descriptor(void **state)
{
	struct rig *g = rig_new(true);
	struct unapi_pkt p;

	make(g, &p, 1);
	p.len = 77;
	p.off += 3;
	p.status = 0xffffffff; /* a verdict of the device it came from */
	p.vlan = 99;
	assert_int_equal(adv_tx_burst(&g->t.q, &p, 1), 1);
	assert_int_equal(adv_fake_tail(&g->dev), 1);
	assert_int_equal(g->t.desc[0].lo, unapi_pkt_iova(&p));
	assert_int_equal(g->t.desc[0].hi, ADV_TXD_DATA | ADV_TXD_DEXT | ADV_TXD_IFCS | ADV_TXD_EOP |
						  ADV_TXD_RS | 77 | 77ULL << ADV_TXD_PAYLEN_SHIFT);
	assert_int_equal(g->t.q.stats.packets, 1);
	assert_int_equal(g->t.q.stats.bytes, 77);
	rig_free(g);
}

/* Whatever a burst's size, all of it can be freed once it is sent, with no later traffic. */
static void test_rs_on_last_of_burst(void **state)
{
	struct rig *g = rig_new(true);
	struct unapi_pkt p[40];

	for (unsigned int n = 1; n <= 40; n++) {
		make_singles(g, p, n);
		assert_int_equal(adv_tx_burst(&g->t.q, p, n), n);
		assert_int_equal(pool_inflight(g->pool), n);
		assert_int_equal(device_sends(g, ALL), n);
		assert_int_equal(g->since, 0);
		assert_int_equal(adv_tx_clean(&g->t.q), n);
		assert_int_equal(pool_inflight(g->pool), 0);
	}
	rig_free(g);
}

/* Whatever a burst is made of, no more than 32 descriptors lie between two that are written back
 * (device_sends() looks), and its last one is. */
static void test_rs_in_long_bursts(void **state)
{
	struct rig *g = rig_new(true);
	struct unapi_pkt p[64];
	uint32_t rnd = 1;

	for (unsigned int round = 0; round < 4000; round++) {
		unsigned int largest = 1 + round % 5, n = 0, frags, slots;

		while (n < 60 - largest) {
			rnd = rnd * 1664525 + 1013904223;
			frags = 1 + (rnd >> 16) % largest;
			make(g, &p[n], frags);
			if (round % 3 == 0 || (round % 3 == 1 && rnd >> 28 == 0)) { /* all, some, none */
				p[n].flags |= UNAPI_PKT_TX_VLAN;
				p[n].vlan = (uint16_t)(round >> 5);
			}
			n += frags;
		}
		assert_int_equal(adv_tx_burst(&g->t.q, p, n), n);
		slots = device_sends(g, ALL);
		assert_in_range(slots, n, n + 1);
		assert_int_equal(g->since, 0);
		adv_tx_clean(&g->t.q);
		assert_int_equal(pool_inflight(g->pool), 0);
	}
	rig_free(g);
}

/* Nothing is freed before it is written back, and then in bulk: up to the newest RS that is done. */
static void test_clean_follows_write_back(void **state)
{
	struct rig *g = rig_new(true);
	struct unapi_pkt p[40];

	make_singles(g, p, 40);
	assert_int_equal(adv_tx_burst(&g->t.q, p, 40), 40); /* RS on the 32nd and the 40th */
	assert_int_equal(adv_tx_clean(&g->t.q), 0);
	device_sends(g, 31);
	assert_int_equal(adv_tx_clean(&g->t.q), 0);
	device_sends(g, 1);
	assert_int_equal(adv_tx_clean(&g->t.q), 32);
	assert_int_equal(pool_inflight(g->pool), 8);
	device_sends(g, 7);
	assert_int_equal(adv_tx_clean(&g->t.q), 0);
	device_sends(g, 1);
	assert_int_equal(adv_tx_clean(&g->t.q), 8);
	assert_int_equal(adv_tx_clean(&g->t.q), 0);
	rig_free(g);
}

/* A device that says "done" out of order frees nothing that is older. */
static void test_done_out_of_order(void **state)
{
	struct rig *g = rig_new(true);
	struct unapi_pkt p[3];

	make_singles(g, p, 3);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(adv_tx_burst(&g->t.q, &p[i], 1), 1);
	g->t.desc[2].hi = ADV_TXD_DD;
	assert_int_equal(adv_tx_clean(&g->t.q), 0);
	g->t.desc[0].hi = ADV_TXD_DD;
	assert_int_equal(adv_tx_clean(&g->t.q), 1);
	g->t.desc[1].hi = ADV_TXD_DD;
	assert_int_equal(adv_tx_clean(&g->t.q), 2);
	rig_free(g);
}

/* A device that marks everything done, without end: no more is freed than was sent. */
static void test_done_without_end(void **state)
{
	struct rig *g = rig_new(true);
	struct unapi_pkt p[40];

	make_singles(g, p, 40);
	adv_tx_burst(&g->t.q, p, 40);
	memset(g->t.desc, 0xff, RING * sizeof(*g->t.desc));
	assert_int_equal(adv_tx_clean(&g->t.q), 40);
	assert_int_equal(adv_tx_clean(&g->t.q), 0);
	assert_int_equal(pool_inflight(g->pool), 0);
	rig_free(g);
}

static void test_one_tail_store_a_burst(void **state)
{
	struct rig *g = rig_new(false);
	struct unapi_pkt p[32];

	for (unsigned int n = 1; n <= 32; n++) {
		make_singles(g, p, n);
		g->dev.tail_writes = 0;
		assert_int_equal(adv_tx_burst(&g->t.q, p, n), n);
		assert_int_equal(g->dev.tail_writes, 1);
		device_sends(g, ALL);
		g->dev.tail_writes = 0;
		assert_int_equal(adv_tx_burst(&g->t.q, p, 0), 0);
		assert_int_equal(g->dev.tail_writes, 0);
	}
	rig_free(g);
}

static void test_full_stop_wake(void **state)
{
	struct rig *g = rig_new(true);
	struct unapi_pkt p[100];

	make_singles(g, p, 100);
	assert_int_equal(adv_tx_burst(&g->t.q, p, 100), RING - 1);
	assert_int_equal(g->t.q.stats.stop, 1);
	assert_true(g->t.full);
	assert_int_equal(adv_fake_tail(&g->dev), RING - 1);
	/* As long as nothing is sent it is the same stop. */
	assert_int_equal(adv_tx_burst(&g->t.q, p + RING - 1, 37), 0);
	assert_int_equal(g->t.q.stats.stop, 1);
	assert_int_equal(g->t.q.stats.wake, 0);
	device_sends(g, 32);
	assert_int_equal(adv_tx_burst(&g->t.q, p + RING - 1, 20), 20);
	assert_int_equal(g->t.q.stats.wake, 1);
	assert_false(g->t.full);
	device_sends(g, ALL);
	assert_int_equal(adv_tx_burst(&g->t.q, p + RING + 19, 17), 17);
	device_sends(g, ALL);
	assert_int_equal(g->sent, 100);
	assert_int_equal(g->t.q.stats.packets, 100);
	assert_int_equal(g->t.q.stats.stop, 1);
	assert_int_equal(g->t.q.stats.wake, 1);
	rig_free(g);
}

/* Whole packets only: what does not fit entirely stays the caller's. */
static void test_whole_packet_prefix(void **state)
{
	struct rig *g = rig_new(true);
	struct unapi_pkt p[90];

	for (unsigned int i = 0; i < 90; i += 10)
		make(g, &p[i], 10);
	assert_int_equal(adv_tx_burst(&g->t.q, p, 90), 60); /* 63 slots */
	assert_int_equal(g->t.q.stats.packets, 6);
	assert_int_equal(g->t.q.stats.bytes, 6 * 9060);
	assert_int_equal(adv_fake_tail(&g->dev), 60);
	device_sends(g, 15); /* in the middle of a packet */
	assert_int_equal(adv_tx_burst(&g->t.q, p + 60, 30), 0);
	device_sends(g, ALL);
	assert_int_equal(adv_tx_burst(&g->t.q, p + 60, 30), 30);
	device_sends(g, ALL);
	assert_int_equal(g->sent, 9);
	assert_int_equal(adv_tx_clean(&g->t.q), 30);
	rig_free(g);
}

static void test_longest_packet(void **state)
{
	struct rig *g = rig_new(true);
	struct unapi_pkt p[UNAPI_MAX_FRAGS + 1];
	unsigned int round, i;

	/* Twice around the ring, each burst a single before it, so that RS must be put between. */
	for (round = 0; round < 8; round++) {
		make(g, p, 1);
		make(g, p + 1, UNAPI_MAX_FRAGS);
		for (i = 1; i < UNAPI_MAX_FRAGS; i++)
			p[i].len = 500;
		assert_int_equal(adv_tx_burst(&g->t.q, p, UNAPI_MAX_FRAGS + 1), UNAPI_MAX_FRAGS + 1);
		device_sends(g, ALL);
	}
	assert_int_equal(g->sent, 16);
	rig_free(g);
}

/* What can never be sent is taken, freed and counted; its neighbours are sent. */
static void test_impossible_packets(void **state)
{
	struct rig *g = rig_new(true);
	struct unapi_pkt p[64];
	unsigned int n = 0;

	make(g, &p[n++], 1);
	make(g, &p[n++], 1);
	p[1].len = 0;
	make(g, &p[n++], 1);
	make(g, &p[n], 3);
	p[n + 1].len = 0; /* an empty fragment */
	n += 3;
	make(g, &p[n], 11); /* 10060 bytes */
	n += 11;
	make(g, &p[n++], 1);
	p[n - 1].len = MAX_LEN + 1;
	make(g, &p[n], UNAPI_MAX_FRAGS + 1);
	for (unsigned int i = 0; i <= UNAPI_MAX_FRAGS; i++)
		p[n + i].len = 60;
	n += UNAPI_MAX_FRAGS + 1;
	make(g, &p[n++], 1);
	make(g, &p[n], 2);
	p[n + 1].flags = UNAPI_PKT_MORE; /* goes on beyond the array */
	n += 2;

	assert_int_equal(adv_tx_burst(&g->t.q, p, n), n);
	assert_int_equal(g->t.q.stats.errors, 6);
	assert_int_equal(g->t.q.stats.packets, 3);
	assert_int_equal(g->t.q.stats.bytes, 180);
	assert_int_equal(pool_inflight(g->pool), 3);
	assert_int_equal(device_sends(g, ALL), 3);
	assert_int_equal(adv_tx_clean(&g->t.q), 3);

	/* A burst of nothing else: no descriptor, no tail, no packet. */
	make(g, p, 1);
	p[0].len = 0;
	assert_int_equal(adv_tx_burst(&g->t.q, p, 1), 1);
	assert_int_equal(adv_fake_tail(&g->dev), 3);
	assert_int_equal(g->t.q.stats.packets, 3);
	assert_int_equal(g->t.q.stats.errors, 7);
	rig_free(g);
}

/* The tag is in the queue's context: a new one only when it changes. */
static void test_vlan(void **state)
{
	struct rig *g = rig_new(true);
	struct unapi_pkt p[4];

	make_singles(g, p, 4);
	p[1].flags = p[2].flags = p[3].flags = UNAPI_PKT_TX_VLAN;
	p[1].vlan = p[2].vlan = 0x123;
	p[3].vlan = 0x456;
	assert_int_equal(adv_tx_burst(&g->t.q, p, 4), 4);
	assert_int_equal(adv_fake_tail(&g->dev), 6);
	assert_int_equal(g->t.desc[0].hi & ADV_TXD_VLE, 0);
	assert_int_equal(g->t.desc[1].hi & ADV_TXD_DATA, ADV_TXD_CTXT);
	assert_int_equal(g->t.desc[2].hi & ADV_TXD_VLE, ADV_TXD_VLE);
	assert_int_equal(g->t.desc[3].hi & ADV_TXD_VLE, ADV_TXD_VLE);
	device_sends(g, 3);
	assert_int_equal(g->vlan, 0x123);
	device_sends(g, ALL);
	assert_int_equal(g->vlan, 0x456);
	assert_int_equal(g->sent, 4);
	adv_tx_clean(&g->t.q);
	assert_int_equal(pool_inflight(g->pool), 0);
	rig_free(g);
}

/* A shared buffer is free when its last owner is done with it. */
static void test_shared(void **state)
{
	struct rig *g = rig_new(true);
	struct unapi_pkt p[3], copy;

	make_singles(g, p, 3);
	assert_int_equal(unapi_pkt_clone(&p[1], &copy), 0);
	assert_int_equal(adv_tx_burst(&g->t.q, p, 3), 3);
	device_sends(g, ALL);
	adv_tx_clean(&g->t.q);
	assert_int_equal(pool_inflight(g->pool), 1);
	g->sent = 0; /* the same packet once more */
	assert_int_equal(adv_tx_burst(&g->t.q, &copy, 1), 1);
	device_sends(g, ALL);
	adv_tx_clean(&g->t.q);
	assert_int_equal(pool_inflight(g->pool), 0);
	rig_free(g);
}

/* Bursts of every size and kind with a device that is late: all sent, in order, nothing lost. */
static void test_mixture(void **state)
{
	struct rig *g = rig_new(true);
	struct unapi_pkt p[64];
	uint32_t rnd = 1, made;
	unsigned int n, done, idle;

	for (unsigned int round = 0; round < 3000; round++) {
		for (n = 0; n < 24; n++) {
			rnd = rnd * 1664525 + 1013904223;
			if (rnd >> 29 == 0) {
				make(g, &p[n], 4);
				n += 3;
			} else {
				make(g, &p[n], 1);
			}
			if (rnd >> 26 == 63) {
				p[n].flags |= UNAPI_PKT_TX_VLAN;
				p[n].vlan = (uint16_t)(rnd & 3);
			}
		}
		made = g->seq;
		for (done = 0, idle = 0; done < n; idle++) {
			assert_true(idle < 100);
			done += adv_tx_burst(&g->t.q, p + done, n - done);
			device_sends(g, (rnd >> 20 & 31) + idle);
		}
		assert_int_equal(g->seq, made);
		assert_true(adv_tx_in_flight(&g->t) < RING);
	}
	device_sends(g, ALL);
	assert_int_equal(g->sent, g->seq);
	assert_int_equal(g->t.q.stats.packets, g->seq);
	adv_tx_clean(&g->t.q);
	assert_int_equal(pool_inflight(g->pool), 0);
	rig_free(g);
}

/* A super-packet ends the burst, with room or without: counted, untouched, and the caller's, who gets what
 * lies behind it sent by another burst. */
static void test_super_packets(void **state)
{
	struct rig *g = rig_new(true);
	struct unapi_pkt p[1 + 17 + 2], before[17];

	make(g, &p[0], 1);
	make(g, &p[1], 17);
	make_singles(g, &p[18], 2);
	p[1].flags |= UNAPI_PKT_GRO;
	memcpy(before, &p[1], sizeof(before));
	assert_int_equal(adv_tx_burst(&g->t.q, p, 20), 1);
	assert_int_equal(g->t.q.stats.gso_refused, 1);
	assert_int_equal(g->t.q.stats.errors, 0);
	assert_int_equal(g->t.q.stats.stop, 0); /* the ring was not full */
	assert_memory_equal(&p[1], before, sizeof(before));
	assert_int_equal(adv_tx_burst(&g->t.q, p + 1, 19), 0);
	assert_int_equal(g->t.q.stats.gso_refused, 2);
	assert_int_equal(adv_tx_burst(&g->t.q, p + 18, 2), 2);
	assert_int_equal(g->t.q.stats.packets, 3);
	assert_int_equal(g->t.q.stats.wake, 0);
	assert_int_equal(device_sends(g, ALL), 3);
	adv_tx_clean(&g->t.q);
	assert_int_equal(pool_inflight(g->pool), 17);
	unapi_pkt_free_bulk(p + 1, 17);
	rig_free(g);
}

/* Stopped with packets in flight, the ring gives all back, and works as new. */
static void test_reset(void **state)
{
	struct rig *g = rig_new(true);
	struct unapi_pkt p[40];

	for (unsigned int i = 1; i <= 40; i++) {
		make_singles(g, p, i);
		assert_int_equal(adv_tx_burst(&g->t.q, p, i), i);
		device_sends(g, i / 2);
		adv_tx_clean(&g->t.q);
		adv_tx_reset(&g->t);
		assert_int_equal(pool_inflight(g->pool), 0);
		g->dev.regs[FAKE_TAIL / 4] = g->head = g->since = 0;
		make_singles(g, p, i);
		assert_int_equal(adv_tx_burst(&g->t.q, p, i), i);
		assert_int_equal(device_sends(g, ALL), i);
		assert_int_equal(adv_tx_clean(&g->t.q), i);
		adv_tx_reset(&g->t);
		g->dev.regs[FAKE_TAIL / 4] = g->head = 0;
	}
	rig_free(g);
}

/* With the loops of the instruction set named, if the machine has it. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_descriptor),
		cmocka_unit_test(test_rs_on_last_of_burst),
		cmocka_unit_test(test_rs_in_long_bursts),
		cmocka_unit_test(test_clean_follows_write_back),
		cmocka_unit_test(test_done_out_of_order),
		cmocka_unit_test(test_done_without_end),
		cmocka_unit_test(test_one_tail_store_a_burst),
		cmocka_unit_test(test_full_stop_wake),
		cmocka_unit_test(test_whole_packet_prefix),
		cmocka_unit_test(test_longest_packet),
		cmocka_unit_test(test_impossible_packets),
		cmocka_unit_test(test_vlan),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_mixture),
		cmocka_unit_test(test_super_packets),
		cmocka_unit_test(test_reset),
	};

	if (argc > 1 && !adv_isa_force(argv[1]))
		print_message("no %s here: %s instead\n", argv[1], adv_isa()->name);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
