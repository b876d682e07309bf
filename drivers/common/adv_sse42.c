/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loops over descriptors with SSE4.2: four or two at a time, in a register each. adv_avx2.c says why
 * descriptors are loaded by asm statements; here a load is one descriptor, of which only the upper word has
 * to be read in one go.
 */
#include "drivers/common/adv_isa.h"

#ifdef __x86_64__
#include <immintrin.h>

#define SSE42 __attribute__((target("sse4.2")))

static inline SSE42 __m128i load_once(const void *p)
{
	__m128i v;

	__asm__ volatile("movdqu %1, %0" : "=x"(v) : "m"(*(const __m128i *)p));
	return v;
}

static inline SSE42 void store(void *p, __m128i v)
{
	_mm_storeu_si128((__m128i *)p, v);
}

static inline SSE42 uint64_t sum_of(__m128i v)
{
	return (uint64_t)_mm_cvtsi128_si64(v) + (uint64_t)_mm_extract_epi64(v, 1);
}

/* Is each of 32 bits at most that in @limits? */
static inline SSE42 bool at_most(__m128i v, __m128i limits)
{
	return _mm_movemask_epi8(_mm_cmpeq_epi32(_mm_min_epu32(v, limits), v)) == 0xffff;
}

/* Two descriptors. What is looked at is as in adv_simple_len_less_one(): in each word the lower half must be
 * 0, the upper is length - 1. @bufs: each handle with the headroom behind it. */
static inline SSE42 __m128i take_two(const struct adv_desc *d, __m128i bufs, struct unapi_pkt *pkts)
{
	__m128i hi = _mm_unpackhi_epi64(load_once(d), load_once(d + 1));

	store(pkts, _mm_unpacklo_epi64(bufs, hi));
	store(pkts + 1, _mm_unpackhi_epi64(bufs, hi));
	return _mm_sub_epi64(_mm_and_si128(hi, _mm_set1_epi64x((long long)ADV_LOOK)),
			     _mm_set1_epi64x((long long)ADV_LEAST));
}

/* Read after DD was seen. */
static inline SSE42 void take_two_meta(const struct adv_desc *d, struct unapi_rx_meta *meta)
{
	store(meta, _mm_unpacklo_epi64(load_once(d), load_once(d + 1)));
}

/* Records are written before they are known to be good: there is room for @n. */
static inline __attribute__((always_inline)) SSE42 struct adv_run take(const struct adv_desc *d,
								       const uint32_t *bufs,
								       struct unapi_pkt *pkts, uint32_t n,
								       uint32_t max_len,
								       struct unapi_rx_meta *meta)
{
	const __m128i limits = _mm_set1_epi64x((long long)((uint64_t)(max_len - 1) << 32)),
		      headroom = _mm_set1_epi32(PAGE_POOL_HEADROOM);
	__m128i sums = _mm_setzero_si128();
	uint64_t i = 0, end = n;

	for (; i + 4 <= end; i += 4) {
		__m128i b = _mm_loadu_si128((const __m128i *)(bufs + i)),
			x = take_two(d + i, _mm_unpacklo_epi32(b, headroom), pkts + i),
			y = take_two(d + i + 2, _mm_unpackhi_epi32(b, headroom), pkts + i + 2);

		if (__builtin_expect(!at_most(_mm_max_epu32(x, y), limits), 0))
			break;
		sums = _mm_add_epi64(sums, _mm_add_epi64(x, y));
		if (meta) {
			take_two_meta(d + i, meta + i);
			take_two_meta(d + i + 2, meta + i + 2);
		}
	}
	return (struct adv_run){i, (sum_of(sums) >> 32) + i};
}

static SSE42 struct adv_run sse42_take(const struct adv_desc *d, const uint32_t *bufs, struct unapi_pkt *pkts,
				       uint32_t n, uint32_t max_len)
{
	return take(d, bufs, pkts, n, max_len, NULL);
}

static SSE42 struct adv_run sse42_take_meta(const struct adv_desc *d, const uint32_t *bufs,
					    struct unapi_pkt *pkts, uint32_t n, uint32_t max_len,
					    struct unapi_rx_meta *meta)
{
	return take(d, bufs, pkts, n, max_len, meta);
}

static SSE42 uint32_t sse42_fill(struct adv_desc *restrict d, const uint32_t *restrict bufs, uint32_t n,
				 uint64_t iova, uint32_t stride)
{
	const __m128i base = _mm_set1_epi64x((long long)iova), step = _mm_set1_epi64x(stride),
		      zero = _mm_setzero_si128();
	uint64_t i = 0, end = n;

	for (; i + 2 <= end; i += 2) {
		__m128i a = _mm_cvtepu32_epi64(_mm_loadl_epi64((const __m128i *)(bufs + i)));

		a = _mm_add_epi64(_mm_mul_epu32(a, step), base);
		store(d + i, _mm_unpacklo_epi64(a, zero));
		store(d + i + 1, _mm_unpackhi_epi64(a, zero));
	}
	return (uint32_t)i;
}

/* As put_four() of adv_avx2.c, but for the shift that SSE does not have. */
static SSE42 struct adv_run sse42_put(struct adv_desc *restrict d, uint32_t *restrict bufs,
				      const struct unapi_pkt *restrict p, uint32_t n, uint32_t max_len)
{
	const struct adv_put how = adv_put_for(p->buf, max_len);
	const __m128i odd = _mm_set1_epi64x((long long)ADV_PUT_ODD),
		      pool = _mm_set1_epi64x((long long)how.pool), step = _mm_set1_epi64x(how.stride),
		      base = _mm_set1_epi64x((long long)how.iova),
		      cmd = _mm_set1_epi64x((long long)ADV_PUT_CMD), limits = _mm_set1_epi64x(max_len - 1),
		      less_one = _mm_set1_epi64x(0xffffffff),
		      at_4 = _mm_set_epi64x((long long)0x8080808080800d0c, (long long)0x8080808080800504);
	__m128i sums = _mm_setzero_si128();
	uint64_t i = 0, end = n;

	for (; i + 2 <= end; i += 2) {
		__m128i p0 = _mm_loadu_si128((const __m128i *)(p + i)),
			p1 = _mm_loadu_si128((const __m128i *)(p + i + 1)), lo = _mm_unpacklo_epi64(p0, p1),
			len = _mm_shuffle_epi8(_mm_unpackhi_epi64(p0, p1), at_4), addr, word, wrong;

		addr = _mm_add_epi64(_mm_shuffle_epi8(lo, at_4),
				     _mm_add_epi64(_mm_mul_epu32(lo, step), base));
		word = _mm_add_epi64(_mm_or_si128(len, cmd), _mm_slli_epi64(len, ADV_TXD_PAYLEN_SHIFT));
		store(d + i, _mm_unpacklo_epi64(addr, word));
		store(d + i + 1, _mm_unpackhi_epi64(addr, word));
		_mm_storel_epi64((__m128i *)(bufs + i), _mm_shuffle_epi32(lo, 0x08));
		wrong = _mm_xor_si128(_mm_and_si128(lo, odd), pool);
		if (__builtin_expect(!at_most(_mm_or_si128(wrong, _mm_add_epi32(len, less_one)), limits), 0))
			break;
		sums = _mm_add_epi64(sums, len);
	}
	return (struct adv_run){i, sum_of(sums)};
}

const struct adv_isa adv_isa_sse42 = {"sse4.2", sse42_take, sse42_take_meta, sse42_fill, sse42_put};
#endif
