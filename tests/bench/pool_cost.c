/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a page pool's buffers cost, by its size and by who returns them.
 *
 *	pool_cost local|remote BUFFERS BATCHES
 *
 * Batches of 64 are taken by the owner and given back half a pool later: by the owner, or by another thread.
 * Prints the TSC cycles of a buffer, taken and given back, medians. Instructions: under callgrind with
 * --toggle-collect=measured_take or measured_give; divide by 64 for each of the batches.
 */
#include "core/base/clock.h"
#include "core/base/reason.h"
#include "core/net/page_pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 64u

struct bench {
	struct page_pool *pool;
	uint32_t *line; /* of buffers on their way: @room of them, whole batches */
	uint64_t room;
	uint64_t taken;		/* free running, in batches; the owner's */
	uint64_t given;		/* the same; whoever returns them */
	uint64_t warm, batches; /* of them all, the first are not measured: buffers never used are slower */
	uint64_t *take, *give;	/* how long each took */
};

static void fail(const char *what)
{
	fprintf(stderr, "pool_cost: %s: %s\n", what, unapi_reason());
	exit(1);
}

static uint32_t *place(struct bench *b, uint64_t batch)
{
	return b->line + batch * BATCH % b->room;
}

__attribute__((noinline)) unsigned int measured_take(struct page_pool *pool, uint32_t *bufs, unsigned int n);
__attribute__((noinline)) unsigned int measured_take(struct page_pool *pool, uint32_t *bufs, unsigned int n)
{
	return page_pool_alloc_bulk(pool, bufs, n);
}

__attribute__((noinline)) void measured_give(const uint32_t *bufs, unsigned int n);
__attribute__((noinline)) void measured_give(const uint32_t *bufs, unsigned int n)
{
	page_pool_put_bulk(bufs, n, false);
}

static void take_one(struct bench *b)
{
	uint64_t t = unapi_cycles();

	/* Never more than half of them are out, so there always is a batch. */
	if ((b->taken < b->warm ? page_pool_alloc_bulk : measured_take)(b->pool, place(b, b->taken), BATCH) !=
	    BATCH)
		fail("buffers are missing");
	b->take[b->taken] = unapi_cycles() - t;
	__atomic_store_n(&b->taken, b->taken + 1, __ATOMIC_RELEASE);
}

static void give_one(struct bench *b)
{
	uint64_t t = unapi_cycles();

	if (b->given < b->warm)
		page_pool_put_bulk(place(b, b->given), BATCH, false);
	else
		measured_give(place(b, b->given), BATCH);
	b->give[b->given] = unapi_cycles() - t;
	__atomic_store_n(&b->given, b->given + 1, __ATOMIC_RELEASE);
}

/* Half a pool behind; the rest at the end. */
static void *returner(void *arg)
{
	struct bench *b = arg;
	uint64_t taken;

	while (b->given < b->batches) {
		taken = __atomic_load_n(&b->taken, __ATOMIC_ACQUIRE);
		if (taken - b->given >= b->room / BATCH || (taken == b->batches && b->given < taken))
			give_one(b);
		else
			sched_yield();
	}
	return NULL;
}

static void run(struct bench *b, bool remote)
{
	pthread_t t;

	if (remote && pthread_create(&t, NULL, returner, b))
		fail("thread");
	while (b->taken < b->batches) {
		if (b->taken - __atomic_load_n(&b->given, __ATOMIC_ACQUIRE) < b->room / BATCH)
			take_one(b);
		else if (remote)
			sched_yield();
		else
			give_one(b);
	}
	if (remote)
		pthread_join(t, NULL);
	else
		while (b->given < b->batches)
			give_one(b);
}

static int ascending(const void *a, const void *b)
{
	return *(const uint64_t *)a < *(const uint64_t *)b ? -1 : *(const uint64_t *)a > *(const uint64_t *)b;
}

static double median(uint64_t *v, uint64_t n)
{
	qsort(v, n, sizeof(*v), ascending);
	return (double)v[n / 2] / BATCH;
}

int main(int argc, char **argv)
{
	bool remote = argc > 1 && !strcmp(argv[1], "remote");
	uint32_t buffers = argc > 3 ? (uint32_t)strtoul(argv[2], NULL, 0) : 0;
	struct bench b = {.batches = argc > 3 ? strtoull(argv[3], NULL, 0) : 0};
	struct unapi_page_pool_info info;

	if (argc < 4 || (!remote && strcmp(argv[1], "local")) || buffers < 4 * BATCH || !b.batches ||
	    b.batches > 1 << 24) {
		fprintf(stderr, "usage: pool_cost local|remote BUFFERS BATCHES; at least 256 buffers\n");
		return 2;
	}
	b.warm = 2 * buffers / BATCH; /* every buffer was used */
	b.batches += b.warm;
	b.room = buffers / 2 / BATCH * BATCH;
	b.line = calloc(b.room, sizeof(*b.line));
	b.take = calloc(b.batches, sizeof(*b.take));
	b.give = calloc(b.batches, sizeof(*b.give));
	if (!b.line || !b.take || !b.give || page_pool_create(buffers, -1, NULL, &b.pool))
		fail("memory");
	run(&b, remote);
	unapi_page_pool_get_info(b.pool, &info);
	if (info.inflight)
		fail("buffers are missing at the end");
	printf("%.2f %.2f\n", median(b.take + b.warm, b.batches - b.warm),
	       median(b.give + b.warm, b.batches - b.warm));
	free(b.line);
	free(b.take);
	free(b.give);
	return page_pool_destroy(b.pool);
}
