/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What keeps the igb driver's interrupts away: a promise to busy poll, and suspension. The test is client and
 * server of a conversation over a wire that returns what is sent, and its own event loop. Interrupts are
 * those that the device raises, whether somebody took them or not.
 */
#include "tests/sim/igb_rig.h"

#define REQUESTS 40

static const uint8_t own[6] = {2, 1, 2, 3, 4, 5};
static unsigned int got;

struct talk {
	struct rig r;
	struct page_pool *pool;
	struct napi_struct *n;
	unsigned int id;
};

static void receive(void *arg, struct unapi_pkt *pkts, const struct unapi_rx_meta *meta, unsigned int n)
{
	__atomic_fetch_add(&got, n, __ATOMIC_RELEASE); /* which thread polls changes */
	unapi_pkt_free_bulk(pkts, n);
}

static void send_request(struct talk *t)
{
	struct unapi_pkt p;
	uint8_t *d;

	assert_int_equal(unapi_pkt_alloc_bulk(t->pool, &p, 1), 1);
	d = unapi_pkt_data(&p);
	memset(d, 0, 60);
	memcpy(d, own, 6);
	d[12] = 0x88;
	d[13] = 0xb5; /* for local experiments */
	p.len = 60;
	assert_int_equal(unapi_tx_burst(t->r.txq[0], &p, 1), 1);
}

static void begin(struct talk *t, uint32_t defer, uint64_t flush, uint64_t suspend)
{
	struct unapi_napi_params p = {.given = UNAPI_NAPI_ALL & ~UNAPI_NAPI_THREADED,
				      .defer_hard_irqs = defer,
				      .gro_flush_timeout = flush,
				      .irq_suspend_timeout = suspend};
	struct unapi_napi_info info;

	open_dev(&t->r, ",wire=loop,mac=02:01:02:03:04:05,link-delay=0");
	configure(&t->r, &(struct unapi_dev_conf){.rxq = 1});
	unapi_txq_release(t->r.txq[0]);
	ok(unapi_txq_claim(t->r.txq[0], NULL));
	ok(unapi_dev_set_rx(t->r.dev, 0, receive, NULL));
	ok(unapi_dev_start(t->r.dev));
	run_until_event(&t->r, &t->r.ups, 1);
	ok(unapi_page_pool_create(256, -1, &t->pool));
	t->n = unapi_dev_rxq_napi(t->r.dev, 0);
	unapi_napi_get_info(t->n, &info);
	t->id = info.napi_id;
	ok(unapi_napi_set(t->n, &p));
	unapi_napi_clear_stats(t->n);
	got = 0;
}

static void end(struct talk *t)
{
	json_t *o;

	ok(unapi_dev_stop(t->r.dev));
	o = down(&t->r);
	assert_int_equal(figure(o, "rx_dropped"), 0);
	json_decref(o);
	ok(unapi_page_pool_destroy(t->pool));
}

static int64_t raised(struct talk *t)
{
	int64_t n = unapi_napi_irqs_raised(t->n);

	assert_true(n >= 0);
	return n;
}

static struct unapi_napi_stats stats_of(struct talk *t)
{
	struct unapi_napi_stats st;

	unapi_napi_get_stats(t->n, &st);
	return st;
}

/* Sleep in the context, as an application in its event loop. */
static void idle(struct talk *t, uint64_t ns)
{
	uint64_t until = unapi_clock_ns() + ns, now;

	while ((now = unapi_clock_ns()) < until)
		ok(unapi_context_run(t->r.ctx, (int64_t)(until - now)));
}

struct limit {
	unsigned int want;
	uint64_t until;
};

static bool found(void *arg, unsigned long start)
{
	const struct limit *l = arg;

	return READ_ONCE(got) >= l->want || unapi_clock_ns() >= l->until;
}

/* Events that are there; or a busy poll, preferring, for a second at most; or sleep. */
static void wait_for(struct talk *t, unsigned int want)
{
	struct limit l = {want, unapi_clock_ns() + NSEC_PER_SEC};
	uint64_t until = unapi_clock_ns() + TIME_LIMIT;

	if (READ_ONCE(got) < want)
		ok(napi_busy_loop(t->id, found, &l, true, 8));
	if (READ_ONCE(got) >= want) {
		napi_suspend_irqs(t->id);
		return;
	}
	napi_resume_irqs(t->id);
	while (READ_ONCE(got) < want) {
		assert_true(unapi_clock_ns() < until);
		unapi_clock_sleep(NSEC_PER_MSEC);
	}
}

/*
 * The server is at work for longer than the deferral lasts, and a request comes while it is. The context has
 * a thread, so that interrupts are taken and timers expire meanwhile, as they do in a kernel.
 */
static int64_t conversation(uint64_t suspend, struct unapi_napi_stats *st)
{
	struct talk t;
	int64_t irqs;

	begin(&t, 10, 500 * NSEC_PER_USEC, suspend);
	ok(unapi_context_start(t.r.ctx, -1));
	t.r.threaded = true;
	for (unsigned int i = 1; i <= REQUESTS; i++) {
		send_request(&t);
		unapi_clock_sleep(NSEC_PER_MSEC);
		wait_for(&t, i);
		unapi_clock_sleep(16 * NSEC_PER_MSEC);
	}
	irqs = raised(&t);
	*st = stats_of(&t);
	assert_int_equal(st->work, REQUESTS);
	/* the same after it: the interrupt is there again */
	napi_resume_irqs(t.id);
	unapi_clock_sleep(50 * NSEC_PER_MSEC);
	send_request(&t);
	run_until_event(&t.r, &got, REQUESTS + 1);
	assert_true(raised(&t) > irqs);
	ok(unapi_context_stop(t.r.ctx));
	t.r.threaded = false;
	end(&t);
	return irqs;
}

static void a_conversation(void **state)
{
	struct unapi_napi_stats st;
	int64_t irqs;

	irqs = conversation(10 * NSEC_PER_SEC, &st);
	print_message("%d requests: %lld interrupts with suspension\n", REQUESTS, (long long)irqs);
	assert_in_range(irqs, 1, 8); /* 1, or some more where the machine is short of processors */
	assert_true(st.polls_by[UNAPI_CAUSE_APP] > st.polls_by[UNAPI_CAUSE_IRQ]);
	irqs = conversation(0, &st);
	print_message("%d requests: %lld interrupts without\n", REQUESTS, (long long)irqs);
	assert_in_range(irqs, REQUESTS / 2, REQUESTS + 8); /* 40, likewise */
}

#define FLUSH (300 * NSEC_PER_MSEC)

/* Who prefers to busy poll promises to come back within gro_flush_timeout. */
static void a_promise_kept_and_broken(void **state)
{
	uint64_t until, left_at;
	unsigned int sent = 0;
	int64_t irqs;
	struct unapi_napi_stats st;
	struct limit l;
	struct talk t;

	begin(&t, 1, FLUSH, 0);
	/* kept: only the first packet finds the vector unmasked */
	until = unapi_clock_ns() + NSEC_PER_SEC;
	while (unapi_clock_ns() < until) {
		send_request(&t);
		l = (struct limit){++sent, unapi_clock_ns() + NSEC_PER_SEC};
		ok(napi_busy_loop(t.id, found, &l, true, 8));
		assert_int_equal(got, sent);
	}
	left_at = unapi_clock_ns();
	irqs = raised(&t);
	st = stats_of(&t);
	print_message("promise kept: %u packets, %lld interrupts\n", sent, (long long)irqs);
	assert_true(sent > 20);
	assert_in_range(irqs, 1, 2);

	/* broken: the timer finds the next packet, and defers once more; then there are interrupts */
	send_request(&t);
	run_until_event(&t.r, &got, ++sent);
	assert_true(unapi_clock_ns() - left_at >= FLUSH / 2);
	assert_true(stats_of(&t).polls_by[UNAPI_CAUSE_REPOLL] > st.polls_by[UNAPI_CAUSE_REPOLL]);
	assert_int_equal(stats_of(&t).irqs, st.irqs);
	idle(&t, 2 * FLUSH);
	irqs = raised(&t);
	ok(unapi_napi_set_gro_flush_timeout(t.n, 0));
	for (unsigned int i = 0; i < 20; i++) {
		send_request(&t);
		run_until_event(&t.r, &got, ++sent);
	}
	print_message("and broken: 20 packets, %lld interrupts\n", (long long)(raised(&t) - irqs));
	assert_in_range(raised(&t) - irqs, 18, 22);
	end(&t);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_conversation),
		cmocka_unit_test(a_promise_kept_and_broken),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	unlink(stats);
	return rc;
}
