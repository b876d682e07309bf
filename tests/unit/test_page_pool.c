/* SPDX-License-Identifier: BSD-3-Clause */
/* Page pools: the owner's cache, return rings, the STARVING handshake, and pools that outlive their device.
 */
#include "core/base/clock.h"
#include "core/net/pool_impl.h"
#include "core/napi/napi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

static struct page_pool *app_pool(uint32_t buffers)
{
	struct page_pool *p;

	assert_int_equal(unapi_page_pool_create(buffers, -1, &p), 0);
	return p;
}

static uint32_t inflight(const struct page_pool *p)
{
	struct unapi_page_pool_info info;

	unapi_page_pool_get_info(p, &info);
	return info.inflight;
}

static struct unapi_page_pool_stats stats_of(const struct page_pool *p)
{
	struct unapi_page_pool_stats st;

	unapi_page_pool_get_stats(p, &st);
	return st;
}

/* Free from a thread that is not the owner. */
struct foreign_free {
	const uint32_t *bufs;
	unsigned int n;
};

static void *foreign_free_main(void *arg)
{
	struct foreign_free *f = arg;

	page_pool_put_bulk(f->bufs, f->n, false);
	return NULL;
}

static void free_elsewhere(const uint32_t *bufs, unsigned int n)
{
	struct foreign_free f = {bufs, n};
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, foreign_free_main, &f), 0);
	pthread_join(t, NULL);
}

static void test_limits(void **state)
{
	struct unapi_page_pool_info info;
	const struct unapi_pool_view *v;
	struct page_pool *p;

	assert_int_equal(unapi_page_pool_create(0, -1, &p), -EINVAL);
	assert_int_equal(unapi_page_pool_create((1u << 24) + 1, -1, &p), -EINVAL);
	assert_non_null(strstr(unapi_reason(), "16777217"));

	p = app_pool(100);
	v = page_pool_view(p);
	assert_non_null(v->base);
	assert_true(v->stride & (v->stride - 1)); /* not a power of two */
	assert_int_equal(v->stride / 64 % 2, 1);
	assert_int_equal(v->size, PAGE_POOL_HEADROOM + PAGE_POOL_RX_SIZE);
	unapi_page_pool_get_info(p, &info);
	assert_int_equal(info.buffers, 100);
	assert_int_equal(info.inflight, 0);
	assert_int_equal(info.id, page_pool_id(p));
	assert_int_equal(info.buf_size, v->size);
	assert_true(strlen(info.memory) > 0);
	assert_int_equal(unapi_page_pool_destroy(p), 0);
	assert_null(v->base);
}

static void test_every_buffer_once(void **state)
{
	enum { N = 1000 };
	struct page_pool *p = app_pool(N);
	uint8_t seen[2 * N + 2] = {0};
	uint32_t bufs[N + 7];
	unsigned int n = 0, got, i;

	while ((got = page_pool_alloc_bulk(p, bufs + n, 7)))
		n += got;
	assert_int_equal(n, N);
	for (i = 0; i < N; i++) {
		assert_int_equal(bufs[i] >> UNAPI_POOL_SHIFT, page_pool_id(p));
		assert_true((bufs[i] & UNAPI_BUF_MASK) < 2 * N);
		assert_int_equal(seen[bufs[i] & UNAPI_BUF_MASK]++, 0);
	}
	assert_int_equal(inflight(p), N);
	assert_int_equal(stats_of(p).alloc_slow, N);
	assert_int_equal(stats_of(p).alloc_fast, 0);
	assert_true(stats_of(p).alloc_empty > 0);

	/* Last in, first out, and the whole pool fits the cache. */
	page_pool_put_bulk(bufs, N, false);
	assert_int_equal(inflight(p), 0);
	assert_int_equal(stats_of(p).recycle_cached, N);
	assert_int_equal(page_pool_alloc_bulk(p, bufs + N, 3), 3);
	for (i = 0; i < 3; i++)
		assert_int_equal(bufs[N + i], bufs[N - 3 + i]);
	assert_int_equal(stats_of(p).alloc_fast, 3);
	page_pool_put_bulk(bufs + N, 3, false);
	assert_int_equal(unapi_page_pool_destroy(p), 0);
}

/* In any size of pages, as many buffers as asked for, none of them across two pages. */
static void test_no_buffer_crosses_a_page(void **state)
{
	static const uint32_t sizes[] = {1, 2, 31, 33, 64, 1000, 5000};
	static uint32_t bufs[5000];
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct page_pool *p = app_pool(sizes[i]);
		const struct unapi_pool_view *v = page_pool_view(p);

		assert_int_equal((uintptr_t)v->base % p->page_size, 0);
		assert_int_equal(v->iova % p->page_size, 0);
		assert_int_equal(page_pool_alloc_bulk(p, bufs, sizes[i]), sizes[i]);
		for (k = 0; k < sizes[i]; k++) {
			uint64_t at = (uint64_t)(bufs[k] & UNAPI_BUF_MASK) * v->stride;

			assert_true(at + v->size <= p->mem->size);
			assert_int_equal(at / p->page_size, (at + v->size - 1) / p->page_size);
		}
		page_pool_put_bulk(bufs, sizes[i], false);
		assert_int_equal(unapi_page_pool_destroy(p), 0);
	}
}

static void test_batches_of_several_pools(void **state)
{
	struct page_pool *p[3] = {app_pool(64), app_pool(64), app_pool(64)};
	uint32_t bufs[96], one;
	unsigned int i;

	for (i = 0; i < 96; i++) /* runs of one, two and three */
		assert_int_equal(page_pool_alloc_bulk(p[i % 7 < 3 ? 0 : i % 7 < 5 ? 1 : 2], &bufs[i], 1), 1);
	page_pool_put_bulk(bufs, 96, false);
	for (i = 0; i < 3; i++) {
		assert_int_equal(inflight(p[i]), 0);
		assert_int_equal(page_pool_alloc_bulk(p[i], &one, 1), 1);
		assert_int_equal(one >> UNAPI_POOL_SHIFT, page_pool_id(p[i]));
		page_pool_put_bulk(&one, 1, false);
	}
	/* A single stranger in any place of a batch is found. */
	for (i = 0; i < 33; i++) {
		unsigned int k;

		assert_int_equal(page_pool_alloc_bulk(p[0], bufs, 33), 33);
		page_pool_put_bulk(&bufs[i], 1, false);
		assert_int_equal(page_pool_alloc_bulk(p[1], &bufs[i], 1), 1);
		page_pool_put_bulk(bufs, 33, false);
		for (k = 0; k < 2; k++)
			assert_int_equal(inflight(p[k]), 0);
	}
	for (i = 0; i < 3; i++)
		assert_int_equal(unapi_page_pool_destroy(p[i]), 0);
}

static void test_return_from_elsewhere(void **state)
{
	enum { N = 100 };
	struct page_pool *p = app_pool(N);
	uint32_t bufs[N], again[N];
	unsigned int round, i, rings = 0;
	struct return_ring *r;

	assert_int_equal(page_pool_alloc_bulk(p, bufs, N), N);
	/* More rounds than the ring has room for: it wraps at every offset. Each round's thread is a new one.
	 */
	for (round = 1; round <= 40; round++) {
		uint8_t seen[2 * N + 2] = {0};

		free_elsewhere(bufs, N / 3);
		free_elsewhere(bufs + N / 3, N - N / 3);
		assert_int_equal(inflight(p), 0);
		assert_int_equal(stats_of(p).recycle_ring, round * N);
		assert_int_equal(page_pool_alloc_bulk(p, again, N), N);
		assert_int_equal(stats_of(p).alloc_refill, round);
		for (i = 0; i < N; i++)
			assert_int_equal(seen[again[i] & UNAPI_BUF_MASK]++, 0);
		memcpy(bufs, again, sizeof(bufs));
	}
	for (r = p->rings; r; r = r->next)
		rings++;
	assert_int_equal(rings, 1); /* the threads inherited it from each other */
	assert_int_equal(stats_of(p).recycle_cached, 0);
	assert_int_equal(stats_of(p).recycle_ring_full, 0);
	page_pool_put_bulk(bufs, N, false);
	assert_int_equal(unapi_page_pool_destroy(p), 0);
}

static void test_return_without_memory(void **state)
{
	struct page_pool *p = app_pool(10);
	uint32_t bufs[10];

	assert_int_equal(page_pool_alloc_bulk(p, bufs, 10), 10);
	pool_push_spare(p, bufs, 4);
	pool_push_spare(p, bufs + 4, 6);
	assert_int_equal(inflight(p), 0);
	assert_int_equal(page_pool_alloc_bulk(p, bufs, 10), 10);
	page_pool_put_bulk(bufs, 10, false);
	assert_int_equal(unapi_page_pool_destroy(p), 0);
}

static void test_freed_twice(void **state)
{
	struct page_pool *p = app_pool(8);
	uint32_t bufs[8], more[32];
	unsigned int i;

	/* An application's mistake costs it packets, not memory. */
	assert_int_equal(page_pool_alloc_bulk(p, bufs, 8), 8);
	page_pool_put_bulk(bufs, 8, false);
	page_pool_put_bulk(bufs, 8, false);
	assert_int_equal(stats_of(p).recycle_cache_full, 8);
	assert_int_equal(page_pool_alloc_bulk(p, more, 32), 8);
	for (i = 0; i < 32; i++)
		more[i] = bufs[i % 8];
	free_elsewhere(more, 32);
	assert_int_equal(page_pool_alloc_bulk(p, bufs, 8), 8);
	assert_int_equal(stats_of(p).recycle_ring_full, 24);
	page_pool_put_bulk(bufs, 8, false);
	assert_int_equal(unapi_page_pool_destroy(p), 0);
	/* A handle of no pool is nobody's. */
	page_pool_put_bulk(bufs, 8, false);
	page_pool_put_bulk(bufs, 8, true);
}

static void test_destroy_while_in_use(void **state)
{
	struct page_pool *p = app_pool(16);
	uint32_t bufs[5];

	assert_int_equal(page_pool_alloc_bulk(p, bufs, 5), 5);
	assert_int_equal(unapi_page_pool_destroy(p), -EBUSY);
	assert_non_null(strstr(unapi_reason(), "5 of its 16"));
	free_elsewhere(bufs, 5); /* found in the ring by destroy itself */
	assert_int_equal(unapi_page_pool_destroy(p), 0);
}

static void test_all_pools_in_use(void **state)
{
	struct page_pool *p[UNAPI_MAX_POOLS], *one;
	unsigned int n;

	for (n = 0; n < UNAPI_MAX_POOLS; n++)
		p[n] = app_pool(1);
	assert_int_equal(unapi_page_pool_create(1, -1, &one), -ENOSPC);
	while (n--)
		assert_int_equal(unapi_page_pool_destroy(p[n]), 0);
}

static void *adopt_main(void *arg)
{
	struct page_pool *p = arg;
	uint32_t bufs[4];

	unapi_page_pool_adopt(p);
	assert_int_equal(page_pool_alloc_bulk(p, bufs, 4), 4);
	page_pool_put_bulk(bufs, 4, false);
	return NULL;
}

static void test_adopt(void **state)
{
	struct page_pool *p = app_pool(4);
	uint32_t buf;
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, adopt_main, p), 0);
	pthread_join(t, NULL);
	assert_int_equal(stats_of(p).recycle_cached, 4); /* the thread was the owner */
	assert_int_equal(stats_of(p).recycle_ring, 0);
	unapi_page_pool_adopt(p);
	assert_int_equal(page_pool_alloc_bulk(p, &buf, 1), 1);
	page_pool_put_bulk(&buf, 1, false);
	assert_int_equal(stats_of(p).recycle_cached, 5);
	assert_int_equal(unapi_page_pool_destroy(p), 0);
}

/*
 * Buffers wander: the owner gives them out, others free them, all at once. Each buffer is marked while it is
 * out, so that one handed out twice, or lost, is seen.
 */
#define WANDERERS 3
#define POOL	  256
#define ROUNDS	  4000

struct mailbox {
	pthread_mutex_t lock;
	uint32_t bufs[POOL];
	unsigned int n;
	bool done;
};

static void *wanderer_main(void *arg)
{
	struct mailbox *m = arg;
	uint32_t bufs[POOL];
	unsigned int n;
	bool done;

	do {
		pthread_mutex_lock(&m->lock);
		n = m->n;
		memcpy(bufs, m->bufs, n * sizeof(*bufs));
		m->n = 0;
		done = m->done;
		pthread_mutex_unlock(&m->lock);
		if (n)
			page_pool_put_bulk(bufs, n, false);
		else
			sched_yield();
	} while (!done || n);
	return NULL;
}

static void test_many_returners(void **state)
{
	struct page_pool *p = app_pool(POOL);
	struct mailbox m[WANDERERS] = {0};
	pthread_t t[WANDERERS];
	uint64_t passed = 0;
	unsigned int i, round;

	for (i = 0; i < WANDERERS; i++) {
		pthread_mutex_init(&m[i].lock, NULL);
		assert_int_equal(pthread_create(&t[i], NULL, wanderer_main, &m[i]), 0);
	}
	for (round = 0; round < ROUNDS; round++) {
		uint32_t bufs[17];
		unsigned int n = page_pool_alloc_bulk(p, bufs, 1 + round % 17), k = round % (WANDERERS + 1);

		if (k == WANDERERS) {
			page_pool_put_bulk(bufs, n, false);
			continue;
		}
		if (!n)
			sched_yield();
		passed += n;
		pthread_mutex_lock(&m[k].lock);
		memcpy(m[k].bufs + m[k].n, bufs, n * sizeof(*bufs));
		m[k].n += n; /* no more than the pool has: else it is overrun, and the sanitizers tell */
		pthread_mutex_unlock(&m[k].lock);
	}
	for (i = 0; i < WANDERERS; i++) {
		pthread_mutex_lock(&m[i].lock);
		m[i].done = true;
		pthread_mutex_unlock(&m[i].lock);
		pthread_join(t[i], NULL);
	}
	assert_int_equal(inflight(p), 0);
	assert_int_equal(stats_of(p).recycle_ring, passed);
	assert_int_equal(stats_of(p).recycle_ring_full, 0);
	assert_int_equal(stats_of(p).recycle_cache_full, 0);
	/* all of them are there, once */
	{
		uint8_t seen[2 * POOL + 2] = {0};
		uint32_t all[POOL];

		assert_int_equal(page_pool_alloc_bulk(p, all, POOL), POOL);
		for (i = 0; i < POOL; i++)
			assert_int_equal(seen[all[i] & UNAPI_BUF_MASK]++, 0);
		page_pool_put_bulk(all, POOL, false);
	}
	assert_int_equal(unapi_page_pool_destroy(p), 0);
}

/*
 * A pool of an instance. The instance wants one buffer a poll; when there is none it starves. A returner
 * gives back what it took, one at a time, so that nearly every round runs through the handshake.
 */
struct starver {
	struct napi_struct napi;
	struct page_pool *pool;
	uint32_t slot; /* the buffer on its way to the returner, ~0: none; release and acquire */
	uint32_t stop; /* atomic */
	uint64_t taken, starved;
};

static int starver_poll(struct napi_struct *n, int budget)
{
	struct starver *s = container_of(n, struct starver, napi);
	unsigned int i;
	uint32_t buf;

	if (page_pool_alloc_bulk(s->pool, &buf, 1)) {
		s->taken++;
		__atomic_store_n(&s->slot, buf, __ATOMIC_RELEASE);
		/* Let the returner's push fall before, into and behind the handshake. */
		for (i = 0; i < s->taken % 128; i++)
			cpu_relax();
	}
	if (page_pool_starve(s->pool)) {
		napi_complete_done(n, 0);
		napi_schedule(n);
		return 0;
	}
	s->starved++;
	napi_complete_done(n, 0);
	return 0;
}

/* On a busy machine each round may take milliseconds: fewer will do then. */
#define STARVE_ROUNDS 20000
#define STARVE_TIME   (3 * NSEC_PER_SEC)

static void *returner_main(void *arg)
{
	struct starver *s = arg;
	uint32_t buf;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		buf = __atomic_exchange_n(&s->slot, ~0u, __ATOMIC_ACQ_REL);
		if (buf == ~0u)
			sched_yield();
		else
			page_pool_put_bulk(&buf, 1, false);
	}
	return NULL;
}

static void test_starving(void **state)
{
	uint64_t end = unapi_clock_ns() + STARVE_TIME, before, deadline;
	struct starver s = {.slot = ~0u};
	struct unapi_context *ctx;
	unsigned int id;
	pthread_t t;
	bool lost = false;

	assert_int_equal(unapi_context_create(NULL, &ctx), 0);
	assert_int_equal(unapi_napi_add(&s.napi, ctx, "starver", starver_poll, NAPI_POLL_WEIGHT), 0);
	assert_int_equal(napi_enable(&s.napi), 0);
	assert_int_equal(page_pool_create(1, -1, &s.napi, &s.pool), 0);
	id = page_pool_id(s.pool);
	assert_true(napi_schedule(&s.napi));
	assert_int_equal(pthread_create(&t, NULL, returner_main, &s), 0);
	/* The only thing that ever schedules a starved instance is the returner. Were one wake-up lost, the
	 * count would stay behind for ever; a run may return without a poll, though. */
	while (s.taken < STARVE_ROUNDS && unapi_clock_ns() < end && !lost) {
		before = s.taken;
		deadline = unapi_clock_ns() + 20 * NSEC_PER_SEC;
		while (s.taken == before && !lost) {
			assert_true(unapi_context_run(ctx, NSEC_PER_SEC) >= 0);
			lost = unapi_clock_ns() > deadline;
		}
	}
	__atomic_store_n(&s.stop, 1, __ATOMIC_RELAXED);
	pthread_join(t, NULL);
	if (lost)
		fail_msg("lost wake-up after %lu rounds", (unsigned long)s.taken);
	assert_true(s.starved > 0);
	assert_int_equal(napi_disable(&s.napi), 0);
	assert_int_equal(unapi_napi_del(&s.napi), 0);
	if (page_pool_destroy(s.pool)) /* the last one taken is still out */
		page_pool_put_bulk(&s.slot, 1, false);
	assert_null(unapi_pool_views[id].base);
	assert_int_equal(unapi_context_destroy(ctx), 0);
}

/* The two orders of the handshake, one at a time. */
struct handshake {
	struct napi_struct napi;
	struct page_pool *pool;
	uint32_t bufs[2];
	unsigned int polls;
};

static int handshake_poll(struct napi_struct *n, int budget)
{
	struct handshake *h = container_of(n, struct handshake, napi);

	switch (++h->polls) {
	case 1: /* the buffer was returned just before: found by the second look */
		assert_int_equal(page_pool_alloc_bulk(h->pool, h->bufs, 2), 2);
		assert_int_equal(page_pool_alloc_bulk(h->pool, h->bufs, 1), 0);
		free_elsewhere(&h->bufs[0], 1);
		assert_true(page_pool_starve(h->pool));
		assert_int_equal(page_pool_alloc_bulk(h->pool, h->bufs, 1), 1);
		break;
	case 2: /* it is not back yet */
		assert_false(page_pool_starve(h->pool));
		break;
	case 3: /* and was returned after */
		assert_true(page_pool_starve(h->pool));
		break;
	}
	napi_complete_done(n, 0);
	return 0;
}

static void test_starving_in_both_orders(void **state)
{
	struct handshake h = {0};
	struct unapi_context *ctx;
	unsigned int i;

	assert_int_equal(unapi_context_create(NULL, &ctx), 0);
	assert_int_equal(unapi_napi_add(&h.napi, ctx, "handshake", handshake_poll, NAPI_POLL_WEIGHT), 0);
	assert_int_equal(napi_enable(&h.napi), 0);
	assert_int_equal(page_pool_create(2, -1, &h.napi, &h.pool), 0);
	for (i = 0; i < 2; i++) {
		napi_schedule(&h.napi);
		assert_true(unapi_context_run(ctx, 0) >= 0);
	}
	assert_int_equal(h.polls, 2);
	free_elsewhere(&h.bufs[0], 1); /* schedules */
	assert_true(unapi_context_run(ctx, 0) >= 0);
	assert_int_equal(h.polls, 3);
	free_elsewhere(&h.bufs[1], 1); /* it does not starve any more */
	assert_true(unapi_context_run(ctx, 0) >= 0);
	assert_int_equal(h.polls, 3);
	assert_int_equal(napi_disable(&h.napi), 0);
	assert_int_equal(unapi_napi_del(&h.napi), 0);
	assert_int_equal(page_pool_destroy(h.pool), 0);
	assert_int_equal(unapi_context_destroy(ctx), 0);
}

/* An instance's pool: only its polls touch the cache, whichever thread they are on. */
static int owner_poll(struct napi_struct *n, int budget)
{
	struct starver *s = container_of(n, struct starver, napi);

	page_pool_put_bulk(&s->slot, 1, false);
	napi_complete_done(n, 0);
	return 0;
}

static void test_owner_is_the_poller(void **state)
{
	struct starver s = {0};
	struct unapi_context *ctx;

	assert_int_equal(unapi_context_create(NULL, &ctx), 0);
	assert_int_equal(unapi_napi_add(&s.napi, ctx, "owner", owner_poll, NAPI_POLL_WEIGHT), 0);
	assert_int_equal(napi_enable(&s.napi), 0);
	assert_int_equal(page_pool_create(4, -1, &s.napi, &s.pool), 0);
	assert_int_equal(page_pool_alloc_bulk(s.pool, &s.slot, 1), 1);
	napi_schedule(&s.napi);
	assert_true(unapi_context_run(ctx, 0) >= 0);
	assert_int_equal(stats_of(s.pool).recycle_cached, 1);
	assert_int_equal(page_pool_alloc_bulk(s.pool, &s.slot, 1), 1);
	page_pool_put_bulk(&s.slot, 1, false); /* same thread, no poll */
	assert_int_equal(stats_of(s.pool).recycle_cached, 1);
	assert_int_equal(stats_of(s.pool).recycle_ring, 1);
	assert_int_equal(unapi_page_pool_destroy(s.pool), -EPERM); /* not the application's to destroy */
	assert_int_equal(napi_disable(&s.napi), 0);
	assert_int_equal(unapi_napi_del(&s.napi), 0);
	assert_int_equal(page_pool_destroy(s.pool), 0);
	assert_int_equal(unapi_context_destroy(ctx), 0);
}

/* Several threads give the last buffers of a pool back that was given up before: one of them frees it. */
#define LEAVERS 3

static void *leaver_main(void *arg)
{
	const uint32_t *bufs = arg;
	unsigned int i;

	for (i = 0; i < 8; i++)
		page_pool_put_bulk(bufs + i, 1, false);
	return NULL;
}

static void test_outlives_its_device(void **state)
{
	unsigned int round, i;

	for (round = 0; round < 200; round++) {
		uint32_t bufs[LEAVERS][8];
		struct page_pool *p, *q;
		struct napi_struct napi = {0};
		pthread_t t[LEAVERS];
		unsigned int id;
		int left;

		assert_int_equal(page_pool_create(64, -1, &napi, &p), 0);
		id = page_pool_id(p);
		for (i = 0; i < LEAVERS; i++)
			assert_int_equal(page_pool_alloc_bulk(p, bufs[i], 8), 8);
		for (i = 0; i < LEAVERS; i++)
			assert_int_equal(pthread_create(&t[i], NULL, leaver_main, bufs[i]), 0);
		left = page_pool_destroy(p);
		assert_true(left >= 0 && left <= LEAVERS * 8);
		/* A new pool may get the number while the returners are still at it. */
		q = app_pool(8);
		for (i = 0; i < LEAVERS; i++)
			pthread_join(t[i], NULL);
		assert_int_equal(inflight(q), 0);
		assert_int_equal(unapi_page_pool_destroy(q), 0);
		assert_null(unapi_pool_views[id].base);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_every_buffer_once),
		cmocka_unit_test(test_no_buffer_crosses_a_page),
		cmocka_unit_test(test_batches_of_several_pools),
		cmocka_unit_test(test_return_from_elsewhere),
		cmocka_unit_test(test_return_without_memory),
		cmocka_unit_test(test_freed_twice),
		cmocka_unit_test(test_destroy_while_in_use),
		cmocka_unit_test(test_all_pools_in_use),
		cmocka_unit_test(test_adopt),
		cmocka_unit_test(test_many_returners),
		cmocka_unit_test(test_starving),
		cmocka_unit_test(test_starving_in_both_orders),
		cmocka_unit_test(test_owner_is_the_poller),
		cmocka_unit_test(test_outlives_its_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
