/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loops over descriptors with SSE4.2: four or two at a time, in a register each. adv_avx2.c says why
 * descriptors are loaded by asm statements; here a load is one descriptor, of which only the upper word has
 * to be read in one go.
 */
#include "drivers/common/adv_fast.h"

#ifdef __x86_64__
#include <immintrin.h>

#define SSE42  __attribute__((target("sse4.2")))
#define INLINE static inline __attribute__((always_inline)) SSE42

INLINE __m128i load_once(const void *p)
{
	__m128i v;

	__asm__ volatile("movdqu %1, %0" : "=x"(v) : "m"(*(const __m128i *)p));
	return v;
}

INLINE __m128i load(const void *p)
{
	return _mm_loadu_si128((const __m128i *)p);
}

INLINE void store(void *p, __m128i v)
{
	_mm_storeu_si128((__m128i *)p, v);
}

INLINE uint64_t sum_of(__m128i v)
{
	return (uint64_t)_mm_cvtsi128_si64(v) + (uint64_t)_mm_extract_epi64(v, 1);
}

INLINE __m128i all(uint64_t word)
{
	return _mm_set1_epi64x((long long)word);
}

/* Two descriptors. What is looked at is as in adv_simple_len_less_one(): in each word the lower half must be
 * 0, the upper is length - 1. @bufs: each handle with the headroom behind it. */
INLINE __m128i take_two(const struct adv_desc *d, __m128i bufs, struct unapi_pkt *pkts,
			const struct adv_take *how)
{
	__m128i hi = _mm_unpackhi_epi64(load_once(d), load_once(d + 1));

	store(pkts, _mm_unpacklo_epi64(bufs, hi));
	store(pkts + 1, _mm_unpackhi_epi64(bufs, hi));
	return _mm_sub_epi64(_mm_and_si128(hi, load(how->look)), load(how->least));
}

/* Read after DD was seen. */
INLINE void take_two_meta(const struct adv_desc *d, struct unapi_rx_meta *meta)
{
	store(meta, _mm_unpacklo_epi64(load_once(d), load_once(d + 1)));
}

/* As take() of adv_avx2.c, four at a time. */
INLINE struct adv_run take(const struct adv_desc *d, const uint32_t *bufs, struct unapi_pkt *pkts, uint32_t n,
			   const struct adv_take *how, struct unapi_rx_meta *meta)
{
	const __m128i bad = load(how->bad), headroom = _mm_set1_epi32(PAGE_POOL_HEADROOM);
	__m128i sums = _mm_setzero_si128();
	uint64_t i = 0, end = n & ~3u;

	for (; i != end; i += 4) {
		__m128i b = load(bufs + i),
			x = take_two(d + i, _mm_unpacklo_epi32(b, headroom), pkts + i, how),
			y = take_two(d + i + 2, _mm_unpackhi_epi32(b, headroom), pkts + i + 2, how);

		if (__builtin_expect(!_mm_testz_si128(_mm_or_si128(x, y), bad), 0))
			break;
		sums = _mm_add_epi64(sums, _mm_add_epi64(x, y));
		if (meta) {
			take_two_meta(d + i, meta + i);
			take_two_meta(d + i + 2, meta + i + 2);
		}
	}
	return (struct adv_run){i, (sum_of(sums) >> 32) + i};
}

INLINE struct adv_run sse42_take_groups(const struct adv_desc *d, const uint32_t *bufs,
					struct unapi_pkt *pkts, uint32_t n, const struct adv_take *how,
					struct unapi_rx_meta *none)
{
	return take(d, bufs, pkts, n, how, NULL);
}

INLINE struct adv_run sse42_take_groups_meta(const struct adv_desc *d, const uint32_t *bufs,
					     struct unapi_pkt *pkts, uint32_t n, const struct adv_take *how,
					     struct unapi_rx_meta *meta)
{
	return take(d, bufs, pkts, n, how, meta);
}

INLINE void fill_two(struct adv_desc *d, __m128i bufs, __m128i base, __m128i step)
{
	__m128i a = _mm_add_epi64(_mm_mul_epu32(bufs, step), base), zero = _mm_setzero_si128();

	store(d, _mm_unpacklo_epi64(a, zero));
	store(d + 1, _mm_unpackhi_epi64(a, zero));
}

static SSE42 void sse42_fill(struct adv_desc *restrict d, uint32_t *restrict bufs,
			     const uint32_t *restrict from, uint32_t n, const struct adv_fill *how)
{
	const __m128i base = load(how->iova), step = load(how->stride);
	uint64_t i = 0, end = n & ~3u;

	for (; i != end; i += 4) {
		__m128i b = load(from + i);

		store(bufs + i, b);
		fill_two(d + i, _mm_cvtepu32_epi64(b), base, step);
		fill_two(d + i + 2, _mm_unpackhi_epi32(b, b), base, step); /* the upper halves do not count */
	}
	if (__builtin_expect(i != n, 0))
		adv_fill_rest(d + i, bufs + i, from + i, n - (uint32_t)i, how);
}

struct putting {
	__m128i pool, step, base, cmd;
	__m128i odd, most, sums;
};

/* As put_four() of adv_avx2.c, but for the shift that SSE does not have. */
INLINE void put_two(struct adv_desc *restrict d, uint32_t *restrict bufs, const struct unapi_pkt *restrict p,
		    struct putting *h)
{
	const __m128i at_4 = _mm_set_epi64x((long long)0x8080808080800d0c, (long long)0x8080808080800504);
	__m128i p0 = load(p), p1 = load(p + 1), lo = _mm_unpacklo_epi64(p0, p1),
		len = _mm_shuffle_epi8(_mm_unpackhi_epi64(p0, p1), at_4), addr, cmd;

	cmd = _mm_add_epi64(_mm_or_si128(len, h->cmd), _mm_slli_epi64(len, ADV_TXD_PAYLEN_SHIFT));
	addr = _mm_add_epi64(_mm_shuffle_epi8(lo, at_4), _mm_add_epi64(_mm_mul_epu32(lo, h->step), h->base));
	store(d, _mm_unpacklo_epi64(addr, cmd));
	store(d + 1, _mm_unpackhi_epi64(addr, cmd));
	_mm_storel_epi64((__m128i *)bufs, _mm_shuffle_epi32(lo, 0x08));
	h->odd = _mm_or_si128(h->odd, _mm_xor_si128(lo, h->pool));
	h->most = _mm_max_epu32(h->most, _mm_add_epi32(len, all(0xffffffff)));
	h->sums = _mm_add_epi64(h->sums, len);
}

INLINE bool put_well(const struct putting *h, const struct adv_put *how)
{
	__m128i over = _mm_subs_epu16(h->most, load(how->most)), odd = _mm_and_si128(h->odd, load(how->odd));

	over = _mm_or_si128(over, odd);
	return _mm_testz_si128(over, over);
}

INLINE struct adv_run sse42_put_groups(struct adv_desc *restrict d, uint32_t *restrict bufs,
				       const struct unapi_pkt *restrict p, uint32_t n,
				       const struct adv_put *restrict how)
{
	const __m128i zero = _mm_setzero_si128();
	struct putting h = {
		.pool = load(how->pool),
		.step = load(how->stride),
		.base = load(how->iova),
		.cmd = load(how->cmd),
		.odd = zero,
		.most = zero,
		.sums = zero,
	};
	uint64_t i = 0, end = n & ~3u, sum = 0;

	for (; i != end; i += 4) {
		put_two(d + i, bufs + i, p + i, &h);
		put_two(d + i + 2, bufs + i + 2, p + i + 2, &h);
	}
	if (__builtin_expect(put_well(&h, how), 1))
		sum = sum_of(h.sums);
	else
		i = 0;
	return (struct adv_run){i, sum};
}

ADV_FAST(sse42, "sse4.2", SSE42, NULL, NULL);
#endif
