/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loops over descriptors of every instruction set that this machine has, against a plain reading of what
 * a simple packet is, on random and on hostile contents.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/compiler.h"
#include "drivers/common/adv_isa.h"
#include "tests/unit/random.h"

#define N      48
#define ROUNDS 20000

/* One in @n. */
static bool one_in(unsigned int n)
{
	return rnd64() % n == 0;
}

static const char *const names[] = {"avx2", "sse4.2", "scalar"};

static void for_each_isa(void (*test)(const struct adv_isa *isa))
{
	unsigned int i, ran = 0;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (!adv_isa_force(names[i])) {
			print_message("no %s here\n", names[i]);
			continue;
		}
		assert_string_equal(adv_isa()->name, names[i]);
		seed = 88172645463325252ULL;
		test(adv_isa());
		ran++;
	}
	assert_true(ran > 0);
	assert_false(adv_isa_force("mmx"));
}

/* What a device may have written: mostly simple packets, so that runs are long. */
static uint64_t written(uint32_t max_len)
{
	uint64_t len = 1 + rnd64() % max_len, noise = rnd64() & ~ADV_LOOK;

	if (one_in(20))
		return rnd64();
	if (one_in(40))
		len = one_in(2) ? 0 : max_len + 1 + rnd64() % 100;
	if (one_in(10))
		len = one_in(2) ? 1 : max_len;
	noise |= len << ADV_RXD_LEN_SHIFT | ADV_RXD_EOP | ADV_RXD_DD;
	if (one_in(60))
		noise &= one_in(2) ? ~ADV_RXD_EOP : ~ADV_RXD_DD;
	if (one_in(60))
		noise |= ADV_RXD_RXE;
	return noise;
}

static bool simple_rx(uint64_t hi, uint32_t max_len)
{
	uint32_t len = (hi >> 32) & 0xffff;

	return hi & ADV_RXD_DD && hi & ADV_RXD_EOP && !(hi & ADV_RXD_RXE) && len >= 1 && len <= max_len;
}

static void take_one(const struct adv_isa *isa, bool with_meta)
{
	static const uint32_t max_lens[] = {1, 60, 1514, 2048, 65535};
	uint32_t max_len = max_lens[rnd64() % ARRAY_SIZE(max_lens)], bufs[N], n = (uint32_t)rnd64() % (N + 1),
		 i;
	struct adv_desc ring[N + 1], *d = ring + rnd64() % 2; /* at 16 bytes, and at 32 */
	struct unapi_rx_meta meta[N + 1];
	struct unapi_pkt pkts[N + 1];
	struct adv_take how;
	uint64_t bytes = 0;
	struct adv_run did;

	for (i = 0; i < N; i++) {
		d[i] = (struct adv_desc){rnd64(), written(max_len)};
		bufs[i] = (uint32_t)rnd64();
	}
	memset(pkts, 0xa5, sizeof(pkts));
	memset(meta, 0xa5, sizeof(meta));
	adv_take_how(&how, max_len);
	did = with_meta ? isa->take_meta(d, bufs, pkts, n, &how, meta)
			: isa->take(d, bufs, pkts, n, &how, NULL);
	for (i = 0; i < n && simple_rx(d[i].hi, max_len); i++) {
		uint32_t len = (d[i].hi >> 32) & 0xffff;

		assert_int_equal(pkts[i].buf, bufs[i]);
		assert_int_equal(pkts[i].off, PAGE_POOL_HEADROOM);
		assert_int_equal(pkts[i].flags, 0);
		assert_int_equal(pkts[i].status, (uint32_t)d[i].hi);
		assert_int_equal(pkts[i].len, len);
		assert_int_equal(pkts[i].vlan, d[i].hi >> 48);
		if (with_meta)
			assert_memory_equal(&meta[i], &d[i].lo, sizeof(meta[i]));
		bytes += len;
	}
	assert_int_equal(did.n, i);
	assert_int_equal(did.bytes, bytes);
	/* nothing behind the room that there is */
	memset(ring, 0xa5, sizeof(ring));
	assert_memory_equal(&pkts[n], &ring[0], sizeof(pkts[n]));
	assert_memory_equal(&meta[n], &ring[0], sizeof(meta[n]));
}

static void take(const struct adv_isa *isa)
{
	for (unsigned int i = 0; i < ROUNDS; i++)
		take_one(isa, i % 2);
}

static void fill(const struct adv_isa *isa)
{
	for (unsigned int round = 0; round < ROUNDS / 10; round++) {
		uint32_t bufs[N], from[N], n = (uint32_t)rnd64() % N, stride = (uint32_t)rnd64(), i;
		uint64_t iova = rnd64();
		struct adv_fill how;
		struct adv_desc d[N];

		memset(d, 0xa5, sizeof(d));
		for (i = 0; i < N; i++)
			from[i] = (uint32_t)rnd64();
		memset(bufs, 0xa5, sizeof(bufs));
		adv_fill_how(&how, iova, stride);
		isa->fill(d, bufs, from, n, &how);
		for (i = 0; i < n; i++) {
			assert_int_equal(bufs[i], from[i]);
			assert_true(d[i].lo == iova + (uint64_t)from[i] * stride);
			assert_true(d[i].hi == 0);
		}
		assert_true(d[n].lo == 0xa5a5a5a5a5a5a5a5ULL);
		assert_int_equal(bufs[n], 0xa5a5a5a5);
	}
}

static struct unapi_pkt to_send(uint32_t pool, uint32_t max_len)
{
	struct unapi_pkt p = {
		.buf = pool << UNAPI_POOL_SHIFT | (rnd64() & UNAPI_BUF_MASK),
		.off = (uint16_t)rnd64(),
		.status = (uint32_t)rnd64(), /* transmit ignores it, and the tag */
		.vlan = (uint16_t)rnd64(),
		.len = (uint16_t)(1 + rnd64() % max_len),
	};

	if (one_in(40))
		p.len = (uint16_t)(one_in(2) ? 0 : one_in(2) ? max_len : max_len + 1);
	if (one_in(60))
		p.buf ^= 1U << (UNAPI_POOL_SHIFT + rnd64() % 3);
	if (one_in(60))
		p.flags = one_in(3) ? UNAPI_PKT_MORE : one_in(2) ? UNAPI_PKT_SHARED : UNAPI_PKT_TX_VLAN;
	return p;
}

static void make_view(uint32_t pool)
{
	uint64_t iova = rnd64() >> 8;
	uint32_t stride = 2112 + pool * 64;

	unapi_pool_views[pool] = (struct unapi_pool_view){
		.iova = iova,
		.iova0 = iova - ((uint64_t)pool << UNAPI_POOL_SHIFT) * stride,
		.stride = stride,
	};
}

static void put_one(const struct adv_isa *isa)
{
	uint32_t bufs[N + 1], n = 1 + (uint32_t)rnd64() % N, pool = (uint32_t)rnd64() % 8, i,
			      max_len = one_in(2) ? 1522 : 65534;
	struct unapi_pool_view *v;
	struct unapi_pkt p[N];
	struct adv_desc d[N + 1];
	struct adv_put how;
	uint64_t bytes = 0;
	struct adv_run did;

	for (i = 0; i < 8; i++)
		make_view(i);
	for (i = 0; i < N; i++)
		p[i] = to_send(pool, max_len);
	memset(d, 0xa5, sizeof(d));
	memset(bufs, 0xa5, sizeof(bufs));
	adv_put_how(&how, p[0].buf, max_len);
	did = isa->put(d, bufs, p, n, &how);
	v = &unapi_pool_views[p[0].buf >> UNAPI_POOL_SHIFT];
	for (i = 0; i < n; i++) {
		uint64_t len = p[i].len;

		if ((p[i].buf ^ p[0].buf) >> UNAPI_POOL_SHIFT || p[i].flags || !len || len > max_len)
			break;
		assert_true(d[i].lo ==
			    v->iova + (uint64_t)(p[i].buf & UNAPI_BUF_MASK) * v->stride + p[i].off);
		assert_true(d[i].hi == (ADV_TXD_DATA | ADV_TXD_DEXT | ADV_TXD_IFCS | ADV_TXD_EOP | len |
					len << ADV_TXD_PAYLEN_SHIFT));
		assert_int_equal(bufs[i], p[i].buf);
		bytes += len;
	}
	assert_int_equal(did.n, i);
	assert_int_equal(did.bytes, bytes);
	assert_true(d[n].lo == 0xa5a5a5a5a5a5a5a5ULL);
	assert_int_equal(bufs[n], 0xa5a5a5a5);
}

static void put(const struct adv_isa *isa)
{
	for (unsigned int i = 0; i < ROUNDS; i++)
		put_one(isa);
	memset(unapi_pool_views, 0, sizeof(unapi_pool_views));
}

static void take_same(void **state)
{
	for_each_isa(take);
}

static void fill_same(void **state)
{
	for_each_isa(fill);
}

static void put_same(void **state)
{
	for_each_isa(put);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(take_same),
		cmocka_unit_test(fill_same),
		cmocka_unit_test(put_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
