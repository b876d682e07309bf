/* SPDX-License-Identifier: BSD-3-Clause */
/* The transmit ring and the pools that its packets come from: each buffer goes to the device with the address
 * that it has, and back to the pool that it is of. */
#include "tests/unit/adv_fake.h"

#include "drivers/common/adv_tx.h"

#include <pthread.h>
#include <sched.h>
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

/* A pool that has the number of one that is gone: where its buffers are is not what it was. Something else
 * lies there at every second turn while it is made, so that it does not get the same memory again. */
static struct page_pool *pool_in_turn(unsigned int turn)
{
	struct dma_mem *other = NULL;
	struct page_pool *pool;

	if (turn % 2)
		assert_int_equal(dma_alloc(NULL, 1 << 20, -1, DMA_PAGES_4K, &other), 0);
	assert_int_equal(unapi_page_pool_create(64, -1, &pool), 0);
	dma_free(other);
	return pool;
}

static void test_number_of_another(void **state)
{
	unsigned int id = 0, same = 0, moved = 0;
	struct unapi_pkt p[16];
	uint64_t iova = 0;
	struct rig g;

	rig_up(&g);
	for (unsigned int turn = 0; turn < 40; turn++) {
		struct page_pool *pool = pool_in_turn(turn);

		same += turn && page_pool_id(pool) == id;
		moved += turn && page_pool_view(pool)->iova != iova;
		id = page_pool_id(pool);
		iova = page_pool_view(pool)->iova;
		make(pool, p, 16);
		send_right(&g, p, turn % 16 + 1);
		unapi_pkt_free_bulk(p + turn % 16 + 1, 15 - turn % 16);
		all_sent(&g);
		assert_int_equal(pool_inflight(pool), 0);
		assert_int_equal(unapi_page_pool_destroy(pool), 0);
	}
	assert_int_equal(same, 39);
	assert_true(moved > 10);
	rig_down(&g);
}

/* The same, but it is another thread that makes the pools and hands the packets over, and has no other word
 * with the sender. */
struct hand_over {
	struct rig g;
	struct unapi_pkt p[16];
	uint32_t full; /* atomic: 1, the sender's turn; 2, end */
	uint32_t wrong;
};

static void *sender_main(void *arg)
{
	struct hand_over *h = arg;
	uint32_t full;

	for (;;) {
		uint32_t slot = h->g.t.next;

		while (!(full = __atomic_load_n(&h->full, __ATOMIC_ACQUIRE)))
			sched_yield();
		if (full == 2)
			return NULL;
		h->wrong += adv_tx_burst(&h->g.t.q, h->p, 16) != 16;
		for (unsigned int i = 0; i < 16; i++)
			h->wrong += h->g.t.desc[(slot + i) % RING].lo != unapi_pkt_iova(&h->p[i]);
		h->g.t.desc[(slot + 15) % RING].hi = ADV_TXD_DD;
		h->wrong += adv_tx_clean(&h->g.t.q) != 16;
		__atomic_store_n(&h->full, 0, __ATOMIC_RELEASE);
	}
}

static void test_pools_of_another_thread(void **state)
{
	static struct hand_over h;
	pthread_t t;

	memset(&h, 0, sizeof(h));
	rig_up(&h.g);
	assert_int_equal(pthread_create(&t, NULL, sender_main, &h), 0);
	for (unsigned int turn = 0; turn < 200; turn++) {
		struct page_pool *pool = pool_in_turn(turn);

		make(pool, h.p, 16);
		__atomic_store_n(&h.full, 1, __ATOMIC_RELEASE);
		while (__atomic_load_n(&h.full, __ATOMIC_ACQUIRE))
			sched_yield();
		assert_int_equal(unapi_page_pool_destroy(pool), 0);
	}
	__atomic_store_n(&h.full, 2, __ATOMIC_RELEASE);
	pthread_join(t, NULL);
	assert_int_equal(h.wrong, 0);
	rig_down(&h.g);
}

/* With the loops of the instruction set named, if the machine has it. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fragments_of_two_pools),
		cmocka_unit_test(test_number_of_another),
		cmocka_unit_test(test_pools_of_another_thread),
	};

	if (argc > 1 && !adv_isa_force(argv[1]))
		print_message("no %s here: %s instead\n", argv[1], adv_isa()->name);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
