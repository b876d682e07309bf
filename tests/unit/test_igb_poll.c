/* SPDX-License-Identifier: BSD-3-Clause */
/* The poll method of a channel whose polls use all of their budget, or whose busy poller comes again: who
 * sent and does not send any more gets his buffers back nevertheless, and so does who sleeps. */
#include "tests/unit/adv_fake.h"

#include "core/napi/thread.h"
#include "drivers/igb/igb.h"

#define RING   64
#define BUDGET 8

struct rig {
	struct adv_fake dev;
	struct igb_channel c;
	struct adv_rx_ring r;
	struct unapi_txq produced, sleeping;
	uint32_t head, got;
};

static unsigned int cleaned[2];

static unsigned int clean_produced(struct unapi_txq *q)
{
	cleaned[0]++;
	return 0;
}

static unsigned int clean_sleeping(struct unapi_txq *q)
{
	cleaned[1]++;
	return 0;
}

static void take(void *arg, struct unapi_pkt *pkts, const struct unapi_rx_meta *meta, unsigned int n)
{
	struct rig *g = arg;

	g->got += n;
	unapi_pkt_free_bulk(pkts, n);
}

static void rig_up(struct rig *g)
{
	memset(g, 0, sizeof(*g));
	memset(cleaned, 0, sizeof(cleaned));
	adv_fake_init(&g->dev, true);
	assert_int_equal(page_pool_create(200, -1, NULL, &g->r.q.pool), 0);
	g->r.q.batch = 32;
	g->r.q.rx_fn = take;
	g->r.q.rx_arg = g;
	assert_int_equal(adv_rx_setup(&g->r, &g->dev.v, &g->dev.v.regions[0], RING, FAKE_TAIL, false), 0);
	adv_rx_refill(&g->r);
	g->c.polls_left = 1; /* as a new one */
	g->c.ch.nr_rx = 1;
	g->c.ch.rx[0] = &g->r.q;
	gate_init(&g->c.ch.walk);
	gate_open(&g->c.ch.walk);
	gate_init(&g->produced.gate);
	gate_open(&g->produced.gate);
	g->produced.clean = clean_produced;
	g->produced.rest = TXQ_AWAKE;
	g->c.ch.produced = &g->produced;
	g->sleeping.clean = clean_sleeping;
	g->sleeping.rest = TXQ_ASLEEP;
	g->c.ch.nr_tx = 1;
	g->c.ch.tx[0] = &g->sleeping;
}

static void rig_down(struct rig *g)
{
	adv_rx_reset(&g->r);
	adv_rx_teardown(&g->r);
	page_pool_destroy(g->r.q.pool);
}

static void device_fills(struct rig *g, unsigned int n)
{
	for (; n; n--, g->head = (g->head + 1) % RING) {
		assert_int_not_equal(g->head, adv_fake_tail(&g->dev));
		g->r.desc[g->head].hi = ADV_RXD_DD | ADV_RXD_EOP | 60ULL << ADV_RXD_LEN_SHIFT;
	}
}

static void test_full_polls(void **state)
{
	static struct rig g;
	unsigned int i, before, since = 0;

	rig_up(&g);
	for (i = 0; i < 200; i++) {
		before = cleaned[0];
		device_fills(&g, BUDGET);
		assert_int_equal(igb_poll(&g.c.ch.napi, BUDGET), BUDGET);
		assert_int_equal(cleaned[0], cleaned[1]);
		if (i == 0) /* nobody knows what was before */
			assert_int_equal(cleaned[0], 1);
		since = cleaned[0] == before ? since + 1 : 0;
		assert_true(since < 16);
	}
	assert_in_range(cleaned[0], 200 / 16, 200 / 8); /* and not at each, which would cost */
	assert_int_equal(g.got, 200 * BUDGET);
	rig_down(&g);
}

/* As a busy poller does it. */
static int busy_poll(struct rig *g, int budget)
{
	int work;

	napi_this_thread.polling = &g->c.ch.napi;
	napi_this_thread.completion = POLL_GOES_ON;
	work = igb_poll(&g->c.ch.napi, budget);
	assert_int_equal(napi_this_thread.completion, work < budget ? POLL_COMPLETED_BUSY : POLL_GOES_ON);
	napi_this_thread.polling = NULL;
	return work;
}

/* A busy poller's polls need not be full to be followed by others; an empty one cleans, as it may be that
 * nobody sends for long. */
static void test_busy_polls(void **state)
{
	static struct rig g;
	unsigned int i, before, since = 0;

	rig_up(&g);
	g.c.igb = &(struct igb){.dev = &(struct net_device){.latches = true}};
	g.c.ch.napi.state = NAPIF(NAPI_STATE_SCHED) | NAPIF(NAPI_STATE_IN_BUSY_POLL);
	for (i = 0; i < 200; i++) {
		before = cleaned[0];
		device_fills(&g, 1 + i % BUDGET);
		assert_int_equal(busy_poll(&g, BUDGET), 1 + i % BUDGET);
		assert_int_equal(cleaned[0], cleaned[1]);
		since = cleaned[0] == before ? since + 1 : 0;
		assert_true(since < 16);
	}
	assert_in_range(cleaned[0], 200 / 16, 200 / 8);
	for (i = 0; i < 3; i++) {
		before = cleaned[0];
		device_fills(&g, BUDGET - 1);
		assert_int_equal(busy_poll(&g, BUDGET), BUDGET - 1);
		assert_int_equal(cleaned[0], before);
		assert_int_equal(busy_poll(&g, BUDGET), 0);
		assert_int_equal(cleaned[0], before + 1);
		assert_int_equal(cleaned[1], before + 1);
	}
	rig_down(&g);
}

/* Without budget: transmit only, at once. */
static void test_no_budget(void **state)
{
	static struct rig g;

	rig_up(&g);
	device_fills(&g, BUDGET);
	for (unsigned int i = 1; i <= 40; i++) {
		assert_int_equal(igb_poll(&g.c.ch.napi, 0), 0);
		assert_int_equal(cleaned[0], i);
		assert_int_equal(cleaned[1], i);
	}
	assert_int_equal(g.got, 0);
	rig_down(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_polls),
		cmocka_unit_test(test_busy_polls),
		cmocka_unit_test(test_no_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
