/* SPDX-License-Identifier: BSD-3-Clause */
/* The transmit ring and the pools that its packets come from: each buffer goes to the device with the address
 * that it has, and back to the pool that it is of. */
#include "tests/unit/adv_fake.h"

#include "drivers/common/adv_tx.h"

#include <pthread.h>
#include <stdlib.h>

#define RING	64
#define BUFFERS 128

struct rig {
	struct adv_fake dev;
	struct adv_tx_ring t;
};

static void rig_up(struct rig *g)
{
	memset(g, 0, sizeof(*g));
	adv_fake_init(&g->dev, true);
	assert_int_equal(adv_tx_setup(&g->t, &g->dev.v, &g->dev.v.regions[0], RING, FAKE_TAIL), 0);
	g->t.max_len = 1522;
}

static void rig_down(struct rig *g)
{
	adv_tx_reset(&g->t);
	adv_tx_teardown(&g->t);
}

static struct page_pool *new_pool(void)
{
	struct page_pool *pool;

	assert_int_equal(unapi_page_pool_create(BUFFERS, -1, &pool), 0);
	return pool;
}

/* All of a pool's buffers are at home, once each, and no other pool's. */
static void free_pool(struct page_pool *pool)
{
	struct unapi_pkt p[BUFFERS];

	assert_int_equal(pool_inflight(pool), 0);
	assert_int_equal(unapi_pkt_alloc_bulk(pool, p, BUFFERS), BUFFERS);
	for (unsigned int i = 0; i < BUFFERS; i++) {
		assert_int_equal(p[i].buf >> UNAPI_POOL_SHIFT, page_pool_id(pool));
		for (unsigned int k = 0; k < i; k++)
			assert_int_not_equal(p[i].buf, p[k].buf);
	}
	unapi_pkt_free_bulk(p, BUFFERS);
	assert_int_equal(unapi_page_pool_destroy(pool), 0);
}

static void make(struct page_pool *pool, struct unapi_pkt *p, unsigned int n)
{
	assert_int_equal(unapi_pkt_alloc_bulk(pool, p, n), n);
	for (unsigned int i = 0; i < n; i++) {
		p[i].len = (uint16_t)(60 + i);
		p[i].flags = 0;
	}
}

/* Send @n records, and see that each descriptor has its buffer's address. */
static void send_right(struct rig *g, struct unapi_pkt *p, unsigned int n)
{
	uint32_t slot = g->t.next;

	assert_int_equal(adv_tx_burst(&g->t.q, p, n), n);
	for (unsigned int i = 0; i < n; i++) {
		assert_true(g->t.desc[slot].lo == unapi_pkt_iova(&p[i]));
		assert_int_equal(g->t.desc[slot].hi & 0xffff, p[i].len);
		slot = (slot + 1) % RING;
	}
}

/* The device has sent all. */
static void all_sent(struct rig *g)
{
	for (uint32_t slot = 0; slot < RING; slot++)
		if (g->t.desc[slot].hi & ADV_TXD_RS)
			g->t.desc[slot].hi = ADV_TXD_DD;
	adv_tx_clean(&g->t.q);
	assert_int_equal(adv_tx_in_flight(&g->t), 0);
}

/* Two pools in one packet, in an empty ring and in one that is not. */
static void test_fragments_of_two_pools(void **state)
{
	struct page_pool *a = new_pool(), *b = new_pool();
	struct unapi_pkt p[5];
	struct rig g;

	rig_up(&g);
	for (unsigned int round = 0; round < 100; round++) {
		for (unsigned int before = 0; before < 2; before++) {
			make(a, p, 1);
			if (before)
				send_right(&g, p, 1);
			else
				unapi_pkt_free_bulk(p, 1);
			make(a, p, 2);
			make(b, p + 2, 1);
			make(a, p + 3, 1);
			make(b, p + 4, 1);
			for (unsigned int i = 0; i < 4; i++)
				p[i].flags = UNAPI_PKT_MORE;
			send_right(&g, p + round % 4, 5 - round % 4);
			unapi_pkt_free_bulk(p, round % 4);
			all_sent(&g);
			assert_int_equal(pool_inflight(a), 0);
			assert_int_equal(pool_inflight(b), 0);
		}
	}
	rig_down(&g);
	free_pool(a);
	free_pool(b);
}

/* With the loops of the instruction set named, if the machine has it. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fragments_of_two_pools),
	};

	if (argc > 1 && !adv_isa_force(argv[1]))
		print_message("no %s here: %s instead\n", argv[1], adv_isa()->name);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
