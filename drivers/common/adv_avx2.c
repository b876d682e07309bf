/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loops over descriptors with AVX2: four at a time, in two registers of two.
 *
 * A register [lo0 hi0 | lo1 hi1] and the next [lo2 hi2 | lo3 hi3] are unpacked within their halves, to words
 * in the order 0 2 | 1 3; unpacked again they are back in place.
 *
 * Descriptors are aligned to 16 bytes. A load of 32 reads each word of 8 in one go, as every x86 does within
 * a cache line and as both halves lie within one; which words it reads first is not said, but each is looked
 * at and delivered for itself. Each load is an asm statement of its own, because a compiler may make two of
 * one.
 */
#include "drivers/common/adv_isa.h"

#ifdef __x86_64__
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))

static inline AVX2 __m256i load_once(const void *p)
{
	__m256i v;

	__asm__ volatile("vmovdqu %1, %0" : "=x"(v) : "m"(*(const __m256i *)p));
	return v;
}

static inline AVX2 void store(void *p, __m256i v)
{
	_mm256_storeu_si256((__m256i *)p, v);
}

/* Four handles, each in a word. */
static inline AVX2 __m256i handles(const uint32_t *bufs)
{
	return _mm256_cvtepu32_epi64(_mm_loadu_si128((const __m128i *)bufs));
}

static inline AVX2 uint64_t sum_of(__m256i v)
{
	__m128i x = _mm_add_epi64(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));

	return (uint64_t)_mm_cvtsi128_si64(x) + (uint64_t)_mm_extract_epi64(x, 1);
}

static inline AVX2 __m256i all(uint64_t word)
{
	return _mm256_set1_epi64x((long long)word);
}

/* Is each of 32 bits at most that in @limits? */
static inline AVX2 bool at_most(__m256i v, __m256i limits)
{
	return _mm256_movemask_epi8(_mm256_cmpeq_epi32(_mm256_min_epu32(v, limits), v)) == -1;
}

/* What is looked at of four descriptors, as in adv_simple_len_less_one(): in each word the lower half must be
 * 0, the upper is length - 1. */
static inline AVX2 __m256i take_four(const struct adv_desc *d, const uint32_t *bufs, struct unapi_pkt *pkts)
{
	__m256i d01 = load_once(d), d23 = load_once(d + 2), hi = _mm256_unpackhi_epi64(d01, d23), rec;

	rec = _mm256_or_si256(handles(bufs), _mm256_set1_epi64x((long long)PAGE_POOL_HEADROOM << 32));
	rec = _mm256_permute4x64_epi64(rec, 0xd8); /* 0 2 | 1 3 */
	store(pkts, _mm256_unpacklo_epi64(rec, hi));
	store(pkts + 2, _mm256_unpackhi_epi64(rec, hi));
	return _mm256_sub_epi64(_mm256_and_si256(hi, all(adv_words.look)), all(adv_words.least));
}

/* Eight. Returns the greatest of each place, adds to *@sums. */
static inline AVX2 __m256i take_eight(const struct adv_desc *d, const uint32_t *bufs, struct unapi_pkt *pkts,
				      __m256i *sums)
{
	__m256i x = take_four(d, bufs, pkts), y = take_four(d + 4, bufs + 4, pkts + 4);

	*sums = _mm256_add_epi64(*sums, _mm256_add_epi64(x, y));
	return _mm256_max_epu32(x, y);
}

/* Read after DD was seen. */
static inline AVX2 void take_eight_meta(const struct adv_desc *d, struct unapi_rx_meta *meta)
{
	unsigned int i;

	for (i = 0; i < 8; i += 4) {
		__m256i lo = _mm256_unpacklo_epi64(load_once(d + i), load_once(d + i + 2));

		store(meta + i, _mm256_permute4x64_epi64(lo, 0xd8));
	}
}

/* Records are written before they are known to be good: there is room for @n. */
static inline __attribute__((always_inline)) AVX2 struct adv_run take(const struct adv_desc *d,
								      const uint32_t *bufs,
								      struct unapi_pkt *pkts, uint32_t n,
								      uint32_t max_len,
								      struct unapi_rx_meta *meta)
{
	const __m256i limits = _mm256_set1_epi64x((long long)((uint64_t)(max_len - 1) << 32));
	__m256i sums = _mm256_setzero_si256(), with = sums;
	uint64_t i = 0, end = n;

	for (; i + 8 <= end; i += 8) {
		if (__builtin_expect(!at_most(take_eight(d + i, bufs + i, pkts + i, &with), limits), 0))
			break;
		sums = with;
		if (meta)
			take_eight_meta(d + i, meta + i);
	}
	return (struct adv_run){i, (sum_of(sums) >> 32) + i};
}

static AVX2 struct adv_run avx2_take(const struct adv_desc *d, const uint32_t *bufs, struct unapi_pkt *pkts,
				     uint32_t n, uint32_t max_len)
{
	return take(d, bufs, pkts, n, max_len, NULL);
}

static AVX2 struct adv_run avx2_take_meta(const struct adv_desc *d, const uint32_t *bufs,
					  struct unapi_pkt *pkts, uint32_t n, uint32_t max_len,
					  struct unapi_rx_meta *meta)
{
	return take(d, bufs, pkts, n, max_len, meta);
}

struct fill {
	__m256i base, step;
};

static inline AVX2 void fill_four(struct adv_desc *d, const uint32_t *bufs, const struct fill *h)
{
	const __m256i zero = _mm256_setzero_si256();
	__m256i a = _mm256_add_epi64(_mm256_mul_epu32(handles(bufs), h->step), h->base);

	a = _mm256_permute4x64_epi64(a, 0xd8);
	store(d, _mm256_unpacklo_epi64(a, zero));
	store(d + 2, _mm256_unpackhi_epi64(a, zero));
}

static AVX2 uint32_t avx2_fill(struct adv_desc *restrict d, const uint32_t *restrict bufs, uint32_t n,
			       uint64_t iova, uint32_t stride)
{
	const struct fill h = {_mm256_set1_epi64x((long long)iova), _mm256_set1_epi64x(stride)};
	uint64_t i = 0, end = n;

	for (; i + 8 <= end; i += 8) {
		fill_four(d + i, bufs + i, &h);
		fill_four(d + i + 4, bufs + i + 4, &h);
	}
	return (uint32_t)i;
}

struct put {
	__m256i pool, step, base;
};

/*
 * Four packets to send, into free slots. Returns what tells whether they are simple: each 32 bits must be at
 * most the greatest length less one. In lower halves that is the length less one, and what is wrong with the
 * pool; in upper halves the length again, and the flags there may not be. Both lie above any length.
 */
static inline AVX2 __m256i put_four(struct adv_desc *restrict d, uint32_t *restrict bufs,
				    const struct unapi_pkt *restrict p, const struct put *h, __m256i *sums)
{
	/* bytes 4 and 5 of each word: of the lower the offset, of the upper the length, which goes to both
	 * halves */
	const __m256i off_at = _mm256_setr_epi64x(
			      (long long)0x8080808080800504, (long long)0x8080808080800d0c,
			      (long long)0x8080808080800504, (long long)0x8080808080800d0c),
		      len_at = _mm256_setr_epi64x(
			      (long long)0x8080050480800504, (long long)0x80800d0c80800d0c,
			      (long long)0x8080050480800504, (long long)0x80800d0c80800d0c),
		      even = _mm256_setr_epi32(0, 4, 2, 6, 0, 4, 2, 6),
		      to_payload_len = _mm256_set1_epi64x((ADV_TXD_PAYLEN_SHIFT - 32LL) << 32);
	__m256i p01 = _mm256_loadu_si256((const __m256i *)p),
		p23 = _mm256_loadu_si256((const __m256i *)(p + 2)), lo = _mm256_unpacklo_epi64(p01, p23),
		hi = _mm256_unpackhi_epi64(p01, p23), len, addr, cmd;

	len = _mm256_shuffle_epi8(hi, len_at);
	*sums = _mm256_add_epi64(*sums, len);
	cmd = _mm256_or_si256(_mm256_sllv_epi32(len, to_payload_len), all(adv_words.put_cmd));
	addr = _mm256_add_epi64(_mm256_shuffle_epi8(lo, off_at),
				_mm256_add_epi64(_mm256_mul_epu32(lo, h->step), h->base));
	store(d, _mm256_unpacklo_epi64(addr, cmd));
	store(d + 2, _mm256_unpackhi_epi64(addr, cmd));
	_mm_storeu_si128((__m128i *)bufs, _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(lo, even)));
	lo = _mm256_xor_si256(_mm256_and_si256(lo, all(adv_words.put_odd)), h->pool);
	return _mm256_or_si256(lo, _mm256_add_epi32(len, _mm256_set1_epi32(-1)));
}

static inline AVX2 __m256i put_eight(struct adv_desc *restrict d, uint32_t *restrict bufs,
				     const struct unapi_pkt *restrict p, const struct put *h, __m256i *sums)
{
	__m256i x = put_four(d, bufs, p, h, sums), y = put_four(d + 4, bufs + 4, p + 4, h, sums);

	return _mm256_max_epu32(x, y);
}

static AVX2 struct adv_run avx2_put(struct adv_desc *restrict d, uint32_t *restrict bufs,
				    const struct unapi_pkt *restrict p, uint32_t n, uint32_t max_len)
{
	const struct adv_put how = adv_put_for(p->buf, max_len);
	const struct put h = {
		.pool = _mm256_set1_epi64x((long long)how.pool),
		.step = _mm256_set1_epi64x(how.stride),
		.base = _mm256_set1_epi64x((long long)how.iova),
	};
	const __m256i limits = _mm256_set1_epi32((int)(max_len - 1));
	__m256i sums = _mm256_setzero_si256(), with = sums;
	uint64_t i = 0, end = n;

	for (; i + 8 <= end; i += 8) {
		if (__builtin_expect(!at_most(put_eight(d + i, bufs + i, p + i, &h, &with), limits), 0))
			break;
		sums = with;
	}
	return (struct adv_run){i, (uint32_t)sum_of(sums)};
}

const struct adv_isa adv_isa_avx2 = {"avx2", avx2_take, avx2_take_meta, avx2_fill, avx2_put};
#endif
