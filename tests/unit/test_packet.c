/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet records: addresses, allocation and freeing, sharing, verdicts. */
#include "core/net/page_pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
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

static uint64_t dropped_refs(const struct page_pool *p)
{
	struct unapi_page_pool_stats st;

	unapi_page_pool_get_stats(p, &st);
	return st.recycle_released_refcnt;
}

static void test_record_is_16_bytes(void **state)
{
	assert_int_equal(sizeof(struct unapi_pkt), 16);
	/* The second half is the write-back as the device stores it. */
	assert_int_equal(offsetof(struct unapi_pkt, status), 8);
	assert_int_equal(offsetof(struct unapi_pkt, len), 12);
	assert_int_equal(offsetof(struct unapi_pkt, vlan), 14);
	assert_int_equal(sizeof(struct unapi_rx_meta), 8);
}

static void test_alloc_and_addresses(void **state)
{
	enum { N = 150 };
	struct page_pool *p = app_pool(N);
	struct unapi_pkt pkts[N + 1];
	unsigned int i, k;

	memset(pkts, 0xff, sizeof(pkts));
	assert_int_equal(unapi_pkt_alloc_bulk(p, pkts, 0), 0);
	assert_int_equal(unapi_pkt_alloc_bulk(p, pkts, N + 1), N);
	for (i = 0; i < N; i++) {
		assert_int_equal(pkts[i].off, PAGE_POOL_HEADROOM);
		assert_int_equal(pkts[i].len, 0);
		assert_int_equal(pkts[i].flags, 0);
		/* each buffer is writable from end to end, and nobody else's */
		memset((uint8_t *)unapi_pkt_data(&pkts[i]) - PAGE_POOL_HEADROOM, (int)i,
		       page_pool_view(p)->size);
		assert_int_equal(unapi_pkt_iova(&pkts[i]) - page_pool_view(p)->iova,
				 (uint64_t)((uint8_t *)unapi_pkt_data(&pkts[i]) - page_pool_view(p)->base));
	}
	for (i = 0; i < N; i++) {
		const uint8_t *d = (uint8_t *)unapi_pkt_data(&pkts[i]) - PAGE_POOL_HEADROOM;

		for (k = 0; k < page_pool_view(p)->size; k++)
			if (d[k] != (uint8_t)i)
				fail_msg("buffer %u overlaps another at byte %u", i, k);
	}
	unapi_pkt_free_bulk(pkts, 0);
	unapi_pkt_free_bulk(pkts, N);
	assert_int_equal(inflight(p), 0);
	assert_int_equal(unapi_page_pool_destroy(p), 0);
}

static void test_clone(void **state)
{
	struct page_pool *p = app_pool(4);
	struct unapi_pkt pkt[2], clone, third;

	assert_int_equal(unapi_pkt_alloc_bulk(p, pkt, 2), 2);
	pkt[0].len = 60;
	pkt[0].flags = UNAPI_PKT_MORE;
	assert_int_equal(unapi_pkt_clone(&pkt[0], &clone), 0);
	assert_int_equal(pkt[0].flags, UNAPI_PKT_MORE | UNAPI_PKT_SHARED);
	assert_memory_equal(&pkt[0], &clone, sizeof(clone));
	assert_int_equal(unapi_pkt_clone(&clone, &third), 0);

	/* A batch of shared and unshared ones: only the latter is free after it. */
	assert_int_equal(inflight(p), 2);
	unapi_pkt_free_bulk(pkt, 2);
	assert_int_equal(inflight(p), 1);
	assert_int_equal(dropped_refs(p), 1);
	unapi_pkt_free_bulk(&clone, 1);
	assert_int_equal(inflight(p), 1);
	unapi_pkt_free_bulk(&third, 1);
	assert_int_equal(inflight(p), 0);
	assert_int_equal(dropped_refs(p), 2);

	/* The buffer begins anew with one owner. */
	assert_int_equal(unapi_pkt_alloc_bulk(p, pkt, 2), 2);
	assert_int_equal(pkt[0].flags, 0);
	unapi_pkt_free_bulk(pkt, 2);
	assert_int_equal(inflight(p), 0);
	assert_int_equal(unapi_page_pool_destroy(p), 0);
}

static void test_clone_refused(void **state)
{
	struct page_pool *p = app_pool(1);
	struct unapi_pkt pkt, clone, bogus;
	unsigned int owners;

	assert_int_equal(unapi_pkt_alloc_bulk(p, &pkt, 1), 1);
	bogus = pkt;
	bogus.buf++; /* beyond the pool */
	assert_int_equal(unapi_pkt_clone(&bogus, &clone), -EINVAL);
	bogus.buf = 255u << UNAPI_POOL_SHIFT; /* no such pool */
	assert_int_equal(unapi_pkt_clone(&bogus, &clone), -EINVAL);

	for (owners = 1; owners < 65535; owners++)
		assert_int_equal(unapi_pkt_clone(&pkt, &clone), 0);
	assert_int_equal(unapi_pkt_clone(&pkt, &clone), -EOVERFLOW);
	while (--owners)
		unapi_pkt_free_bulk(&clone, 1);
	assert_int_equal(inflight(p), 1);
	unapi_pkt_free_bulk(&pkt, 1);
	assert_int_equal(inflight(p), 0);
	assert_int_equal(unapi_page_pool_destroy(p), 0);
}

/* Owners on several threads clone and let go; the buffers are free exactly when all of them have. */
#define SHARERS 3

static void *sharer_main(void *arg)
{
	struct unapi_pkt *mine = arg, copy;
	unsigned int i, k;

	for (i = 0; i < 2000; i++) {
		for (k = 0; k < 4; k++) {
			assert_int_equal(unapi_pkt_clone(&mine[k], &copy), 0);
			unapi_pkt_free_bulk(&copy, 1);
		}
	}
	unapi_pkt_free_bulk(mine, 4);
	return NULL;
}

static void test_shared_by_threads(void **state)
{
	struct page_pool *p = app_pool(4);
	struct unapi_page_pool_stats st;
	struct unapi_pkt pkts[4], given[SHARERS][4];
	pthread_t t[SHARERS];
	unsigned int i, k;

	assert_int_equal(unapi_pkt_alloc_bulk(p, pkts, 4), 4);
	for (i = 0; i < SHARERS; i++)
		for (k = 0; k < 4; k++)
			assert_int_equal(unapi_pkt_clone(&pkts[k], &given[i][k]), 0);
	for (i = 0; i < SHARERS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, sharer_main, given[i]), 0);
	unapi_pkt_free_bulk(pkts, 4);
	for (i = 0; i < SHARERS; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(inflight(p), 0);
	unapi_page_pool_get_stats(p, &st);
	assert_int_equal(st.recycle_cached + st.recycle_ring, 4);
	assert_int_equal(st.recycle_released_refcnt, SHARERS * 4 * 2001);
	assert_int_equal(unapi_page_pool_destroy(p), 0);
}

static void test_verdicts(void **state)
{
	/* 82576 datasheet 7.1.5.2: VP bit 3, L4CS 5, IPCS 6; L4E 29, IPE 30 */
	struct unapi_pkt pkt = {.status = 1u << 3 | 1u << 6 | 1u << 29};

	assert_true(unapi_pkt_vlan_stripped(&pkt));
	assert_true(unapi_pkt_ip_csum_checked(&pkt));
	assert_false(unapi_pkt_ip_csum_bad(&pkt));
	assert_false(unapi_pkt_l4_csum_checked(&pkt));
	assert_true(unapi_pkt_l4_csum_bad(&pkt));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record_is_16_bytes),
		cmocka_unit_test(test_alloc_and_addresses),
		cmocka_unit_test(test_clone),
		cmocka_unit_test(test_clone_refused),
		cmocka_unit_test(test_shared_by_threads),
		cmocka_unit_test(test_verdicts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
