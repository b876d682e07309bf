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
#include "drivers/common/adv_fast.h"

#ifdef __x86_64__
#include <immintrin.h>

#define AVX2   __attribute__((target("avx2")))
#define INLINE static inline __attribute__((always_inline)) AVX2

INLINE __m256i load_once(const void *p)
{
	__m256i v;

	__asm__ volatile("vmovdqu %1, %0" : "=x"(v) : "m"(*(const __m256i *)p));
	return v;
}

INLINE __m256i load(const void *p)
{
	return _mm256_loadu_si256((const __m256i *)p);
}

INLINE void store(void *p, __m256i v)
{
	_mm256_storeu_si256((__m256i *)p, v);
}

/* Four handles, each in a word. */
INLINE __m256i handles(const uint32_t *bufs)
{
	return _mm256_cvtepu32_epi64(_mm_loadu_si128((const __m128i *)bufs));
}

INLINE uint64_t sum_of(__m256i v)
{
	__m128i x = _mm_add_epi64(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));

	return (uint64_t)_mm_cvtsi128_si64(x) + (uint64_t)_mm_extract_epi64(x, 1);
}

struct taking {
	__m256i look, least, headroom;
};

/* What is looked at of four descriptors, as in adv_simple_len_less_one(): in each word the lower half must be
 * 0, the upper is length - 1. */
INLINE __m256i take_four(const struct adv_desc *d, const uint32_t *bufs, struct unapi_pkt *pkts,
			 const struct taking *t)
{
	__m256i d01 = load_once(d), d23 = load_once(d + 2), hi = _mm256_unpackhi_epi64(d01, d23), rec;

	rec = _mm256_permute4x64_epi64(_mm256_or_si256(handles(bufs), t->headroom), 0xd8); /* 0 2 | 1 3 */
	store(pkts, _mm256_unpacklo_epi64(rec, hi));
	store(pkts + 2, _mm256_unpackhi_epi64(rec, hi));
	return _mm256_sub_epi64(_mm256_and_si256(hi, t->look), t->least);
}

/* Read after DD was seen. */
INLINE void take_eight_meta(const struct adv_desc *d, struct unapi_rx_meta *meta)
{
	unsigned int i;

	for (i = 0; i < 8; i += 4) {
		__m256i lo = _mm256_unpacklo_epi64(load_once(d + i), load_once(d + i + 2));

		store(meta + i, _mm256_permute4x64_epi64(lo, 0xd8));
	}
}

/*
 * Records are written before they are known to be good: there is room for @n. Eight at a time the length less
 * one may have no bits but those of max_len - 1, so that it is at most that; where max_len is not a power of
 * two some good ones are left for the second loop.
 */
INLINE struct adv_run take(const struct adv_desc *d, const uint32_t *bufs, struct unapi_pkt *pkts, uint32_t n,
			   const struct adv_take *how, struct unapi_rx_meta *meta)
{
	const struct taking t = {load(how->look), load(how->least), load(how->headroom)};
	const __m256i bad = load(how->bad);
	__m256i sums = _mm256_setzero_si256();
	uint64_t i = 0, end = n & ~7u;

	for (; i != end; i += 8) {
		__m256i x = take_four(d + i, bufs + i, pkts + i, &t),
			y = take_four(d + i + 4, bufs + i + 4, pkts + i + 4, &t);

		if (__builtin_expect(!_mm256_testz_si256(_mm256_or_si256(x, y), bad), 0))
			break;
		sums = _mm256_add_epi64(sums, _mm256_add_epi64(x, y));
		if (meta)
			take_eight_meta(d + i, meta + i);
	}
	return (struct adv_run){i, (sum_of(sums) >> 32) + i};
}

/* Words of four descriptors as the loops have them, 0 2 | 1 3, whose number is less than @n; the first's is
 * @from. */
INLINE __m256i first_of(__m256i words, long long from, uint64_t n)
{
	const __m256i at = _mm256_setr_epi64x(from, from + 2, from + 1, from + 3);

	return _mm256_and_si256(words, _mm256_cmpgt_epi64(_mm256_set1_epi64x((long long)n), at));
}

/* How many of eight descriptors are simple, from the first on. */
INLINE uint64_t good_ones(__m256i x, __m256i y, __m256i bad)
{
	const __m256i zero = _mm256_setzero_si256();
	__m256i good = _mm256_packs_epi32(_mm256_cmpeq_epi64(_mm256_and_si256(x, bad), zero),
					  _mm256_cmpeq_epi64(_mm256_and_si256(y, bad), zero));

	/* now half words, in the order 0 2 4 6 | 1 3 5 7 */
	good = _mm256_permutevar8x32_epi32(good, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
	return (uint64_t)__builtin_ctz(~(uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(good)) | 0x100);
}

INLINE struct adv_run take_part(const struct adv_desc *d, const uint32_t *bufs, struct unapi_pkt *pkts,
				const struct adv_take *how, struct unapi_rx_meta *meta, struct adv_run did)
{
	const struct taking t = {load(how->look), load(how->least), load(how->headroom)};
	uint64_t i = did.n, k;
	__m256i x = take_four(d + i, bufs + i, pkts + i, &t),
		y = take_four(d + i + 4, bufs + i + 4, pkts + i + 4, &t), sums;

	k = good_ones(x, y, load(how->bad));
	sums = _mm256_add_epi64(first_of(x, 0, k), first_of(y, 4, k));
	if (meta)
		take_eight_meta(d + i, meta + i);
	return (struct adv_run){i + k, did.bytes + (sum_of(sums) >> 32) + k};
}

INLINE struct adv_run avx2_take_groups(const struct adv_desc *d, const uint32_t *bufs, struct unapi_pkt *pkts,
				       uint32_t n, const struct adv_take *how, struct unapi_rx_meta *none)
{
	return take(d, bufs, pkts, n, how, NULL);
}

INLINE struct adv_run avx2_take_groups_meta(const struct adv_desc *d, const uint32_t *bufs,
					    struct unapi_pkt *pkts, uint32_t n, const struct adv_take *how,
					    struct unapi_rx_meta *meta)
{
	return take(d, bufs, pkts, n, how, meta);
}

struct filling {
	__m256i base, step;
};

INLINE void fill_four(struct adv_desc *d, const uint32_t *from, const struct filling *f)
{
	__m256i a = _mm256_add_epi64(_mm256_mul_epu32(handles(from), f->step), f->base),
		zero = _mm256_setzero_si256();

	a = _mm256_permute4x64_epi64(a, 0xd8);
	store(d, _mm256_unpacklo_epi64(a, zero));
	store(d + 2, _mm256_unpackhi_epi64(a, zero));
}

INLINE void fill_eight(struct adv_desc *d, uint32_t *bufs, const uint32_t *from, const struct filling *f)
{
	fill_four(d, from, f);
	fill_four(d + 4, from + 4, f);
	store(bufs, load(from));
}

static AVX2 void avx2_fill(struct adv_desc *restrict d, uint32_t *restrict bufs,
			   const uint32_t *restrict from, uint32_t n, const struct adv_fill *how)
{
	const struct filling f = {load(how->iova), load(how->stride)};
	uint64_t i = 0, end = n & ~7u;

	for (; i + 16 <= end; i += 16) {
		fill_eight(d + i, bufs + i, from + i, &f);
		fill_eight(d + i + 8, bufs + i + 8, from + i + 8, &f);
	}
	if (i != end) {
		fill_eight(d + i, bufs + i, from + i, &f);
		i += 8;
	}
	if (__builtin_expect(i != n, 0))
		adv_fill_rest(d + i, bufs + i, from + i, n - (uint32_t)i, how);
}

/* How descriptors are made of records, and what was seen of these: where pool and flags are not what they
 * should be; the greatest length less one, in both halves; the sum of lengths, there too. */
struct putting {
	__m256i pool, step, base, cmd;
	__m256i odd, most, sums;
};

/* Four packets to send, into free slots. Returns their lengths. */
INLINE __m256i put_four(struct adv_desc *restrict d, uint32_t *restrict bufs,
			const struct unapi_pkt *restrict p, struct putting *h)
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
	__m256i p01 = load(p), p23 = load(p + 2), lo = _mm256_unpacklo_epi64(p01, p23),
		hi = _mm256_unpackhi_epi64(p01, p23), len, addr, cmd;

	len = _mm256_shuffle_epi8(hi, len_at);
	cmd = _mm256_or_si256(_mm256_sllv_epi32(len, to_payload_len), h->cmd);
	addr = _mm256_add_epi64(_mm256_shuffle_epi8(lo, off_at),
				_mm256_add_epi64(_mm256_mul_epu32(lo, h->step), h->base));
	store(d, _mm256_unpacklo_epi64(addr, cmd));
	store(d + 2, _mm256_unpackhi_epi64(addr, cmd));
	_mm_storeu_si128((__m128i *)bufs, _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(lo, even)));
	h->odd = _mm256_or_si256(h->odd, _mm256_xor_si256(lo, h->pool));
	h->most = _mm256_max_epu32(h->most, _mm256_add_epi32(len, _mm256_set1_epi32(-1)));
	return len;
}

/* Were all simple? */
INLINE bool put_well(const struct putting *h, const struct adv_put *how)
{
	__m256i over = _mm256_subs_epu16(h->most, load(how->most)),
		odd = _mm256_and_si256(h->odd, load(how->odd));

	over = _mm256_or_si256(over, odd);
	return _mm256_testz_si256(over, over);
}

INLINE struct putting putting_by(const struct adv_put *how)
{
	const __m256i zero = _mm256_setzero_si256();

	return (struct putting){
		.pool = load(how->pool),
		.step = load(how->stride),
		.base = load(how->iova),
		.cmd = load(how->cmd),
		.odd = zero,
		.most = zero,
		.sums = zero,
	};
}

/* The last four begin among those that are done, if need be, and make of these what they are already. */
INLINE struct adv_run put_part(struct adv_desc *d, uint32_t *bufs, const struct unapi_pkt *p, uint32_t n,
			       const struct adv_put *how, struct adv_run did)
{
	struct putting h = putting_by(how);
	uint64_t i = did.n;
	__m256i len;

	if (n - i > 4) {
		h.sums = put_four(d + i, bufs + i, p + i, &h);
		i += 4;
	}
	len = put_four(d + n - 4, bufs + n - 4, p + n - 4, &h);
	h.sums = _mm256_add_epi64(h.sums, _mm256_sub_epi64(len, first_of(len, 0, i + 4 - n)));
	if (!put_well(&h, how))
		return did;
	return (struct adv_run){n, did.bytes + (uint32_t)sum_of(h.sums)};
}

INLINE struct adv_run avx2_put_groups(struct adv_desc *restrict d, uint32_t *restrict bufs,
				      const struct unapi_pkt *restrict p, uint32_t n,
				      const struct adv_put *restrict how)
{
	struct putting h = putting_by(how);
	uint64_t i = 0, end = n & ~7u, sum = 0;

	for (; i != end; i += 8) {
		h.sums = _mm256_add_epi64(h.sums, put_four(d + i, bufs + i, p + i, &h));
		h.sums = _mm256_add_epi64(h.sums, put_four(d + i + 4, bufs + i + 4, p + i + 4, &h));
		/* gcc would go on in other registers, and move them back each time */
		__asm__("" : "+x"(h.odd), "+x"(h.most));
	}
	/* Looked at once, at the end; if they were not all simple, again from the first. */
	if (__builtin_expect(put_well(&h, how), 1))
		sum = (uint32_t)sum_of(h.sums);
	else
		i = 0;
	return (struct adv_run){i, sum};
}

ADV_FAST(avx2, "avx2", AVX2, take_part, put_part);
#endif
