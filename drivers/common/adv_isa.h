/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loops over descriptors, once for each instruction set, chosen when the library is first used.
 *
 * Each works on slots in a row, does the simple packets (one buffer, no error, no request: nearly all there
 * are) from the front, and stops at the first that is not simple, or before: what is left adv_take() and its
 * like do one by one. So all give the same results for any contents of the rings (tests/unit/test_adv_isa.c).
 */
#ifndef UNAPI_DRIVERS_ADV_ISA_H
#define UNAPI_DRIVERS_ADV_ISA_H

#include "core/net/page_pool.h"
#include "drivers/common/adv_desc.h"
#include <unapi/packet.h>

#include <string.h>

/* What transmit makes of a pool's buffer handles: iova + handle * stride + offset. */
struct adv_put {
	uint64_t iova;
	uint64_t pool; /* the handle's upper bits, which all packets must have */
	uint32_t stride;
	uint32_t max_len;
};

/* How many packets were done, and their bytes. */
struct adv_run {
	uint64_t n, bytes;
};

struct adv_isa {
	const char *name; /* "avx2", "sse4.2", "scalar" */
	/* Finished descriptors into records; what is behind those that were done may be written too. */
	struct adv_run (*take)(const struct adv_desc *d, const uint32_t *bufs, struct unapi_pkt *pkts,
			       uint32_t n, uint32_t max_len);
	struct adv_run (*take_meta)(const struct adv_desc *d, const uint32_t *bufs, struct unapi_pkt *pkts,
				    uint32_t n, uint32_t max_len, struct unapi_rx_meta *meta);
	/* Buffers into descriptors. Returns how many. */
	uint32_t (*fill)(struct adv_desc *d, const uint32_t *bufs, uint32_t n, uint64_t iova,
			 uint32_t stride);
	/* Records into free descriptors, and their handles into @bufs; also behind those that were done. */
	struct adv_run (*put)(struct adv_desc *d, uint32_t *bufs, const struct unapi_pkt *p, uint32_t n,
			      uint32_t max_len);
};

extern const struct adv_isa adv_isa_scalar, adv_isa_sse42, adv_isa_avx2;

/* The best that this machine has. */
const struct adv_isa *adv_isa(void);
/* For tests and benchmarks: this one from now on, for rings that are set up later. False: the machine does
 * not have it. */
bool adv_isa_force(const char *name);

/*
 * One packet, for all of them.
 */

/*
 * A descriptor is fetched once, by one 64-bit load that has status, length and VLAN, and only that copy is
 * looked at and delivered: a device that rewrites it later changes nothing. The load is acquire: the rest of
 * the descriptor, and the payload, are read after it.
 */
static inline uint64_t adv_fetch(const struct adv_desc *d)
{
	return __atomic_load_n(&d->hi, __ATOMIC_ACQUIRE);
}

/* Two stores: status, length and VLAN lie in the record as in the descriptor. */
static inline void adv_put_record(struct unapi_pkt *p, uint32_t buf, uint64_t flags, uint64_t hi)
{
	uint64_t lo = buf | (uint64_t)PAGE_POOL_HEADROOM << 32 | flags << 48;

	memcpy(&p->buf, &lo, sizeof(lo));
	memcpy(&p->status, &hi, sizeof(hi));
}

/*
 * All that makes a received packet simple in one comparison: done, whole, without error, of a length from 1
 * to max_len. What is looked at, less the least that it must be: then the lower half is 0, and the upper is
 * length - 1.
 */
#define ADV_LOOK  (0xffffULL << ADV_RXD_LEN_SHIFT | ADV_RXD_RXE | ADV_RXD_EOP | ADV_RXD_DD)
#define ADV_LEAST (1ULL << ADV_RXD_LEN_SHIFT | ADV_RXD_EOP | ADV_RXD_DD)

/* The two halves turned, it is length - 1 or huge. */
static inline uint64_t adv_simple_len_less_one(uint64_t hi)
{
	uint64_t x = (hi & ADV_LOOK) - ADV_LEAST;

	return x << 32 | x >> 32;
}

/* False: not simple. *@sum gets length - 1. */
static inline bool adv_take_one(const struct adv_desc *d, uint32_t buf, struct unapi_pkt *p,
				struct unapi_rx_meta *meta, uint32_t max_len, uint64_t *sum)
{
	uint64_t hi = adv_fetch(d), less_one = adv_simple_len_less_one(hi);

	if (__builtin_expect(less_one >= max_len, 0))
		return false;
	adv_put_record(p, buf, 0, hi);
	if (meta)
		memcpy(meta, &d->lo, sizeof(*meta));
	*sum += less_one;
	return true;
}

static inline void adv_fill_one(struct adv_desc *d, uint32_t buf, uint64_t iova, uint32_t stride)
{
	d->lo = iova + (uint64_t)buf * stride;
	d->hi = 0; /* write-back overwrote it */
}

/* For packets with buffers of the same pool as this one. */
static inline struct adv_put adv_put_for(uint32_t buf, uint32_t max_len)
{
	const struct unapi_pool_view *view = &unapi_pool_views[buf >> UNAPI_POOL_SHIFT];
	uint64_t pool = buf & ~UNAPI_BUF_MASK;

	/* so that a handle need not be taken apart */
	return (struct adv_put){view->iova - pool * view->stride, pool, view->stride, max_len};
}

/* Constants that compilers shall load rather than put together, word by word, at each call. */
extern const struct adv_words {
	uint64_t look, least, put_odd, put_cmd;
} adv_words;

/* What a packet to send must not have, beside a buffer of another pool, to be simple. */
#define ADV_PUT_ODD                                                                                \
	((uint64_t)(UNAPI_PKT_MORE | UNAPI_PKT_SHARED | UNAPI_PKT_GRO | UNAPI_PKT_TX_VLAN) << 48 | \
	 (uint32_t)~UNAPI_BUF_MASK)
#define ADV_PUT_CMD	(ADV_TXD_DATA | ADV_TXD_DEXT | ADV_TXD_IFCS | ADV_TXD_EOP)
#define ADV_PUT_LENGTHS (1ULL << ADV_TXD_PAYLEN_SHIFT | 1)

static inline bool adv_put_one(struct adv_desc *d, uint32_t *buf, const struct unapi_pkt *p,
			       const struct adv_put *how, uint64_t *sum)
{
	uint64_t lo, len = p->len;

	memcpy(&lo, p, sizeof(lo)); /* buffer, offset, flags */
	if (__builtin_expect((lo & ADV_PUT_ODD) != how->pool || len - 1 >= how->max_len, 0))
		return false;
	d->lo = how->iova + (uint64_t)(uint32_t)lo * how->stride + p->off;
	d->hi = ADV_PUT_CMD + len * ADV_PUT_LENGTHS;
	*buf = (uint32_t)lo;
	*sum += len;
	return true;
}

/*
 * What rings call.
 */

static inline struct adv_run adv_take(const struct adv_isa *isa, const struct adv_desc *d,
				      const uint32_t *bufs, struct unapi_pkt *pkts,
				      struct unapi_rx_meta *meta, uint32_t n, uint32_t max_len)
{
	struct adv_run run, rest;

	if (__builtin_expect(!meta, 1)) {
		run = isa->take(d, bufs, pkts, n, max_len);
		if (__builtin_expect(run.n == n, 1))
			return run;
		rest = adv_isa_scalar.take(d + run.n, bufs + run.n, pkts + run.n, n - (uint32_t)run.n,
					   max_len);
	} else {
		run = isa->take_meta(d, bufs, pkts, n, max_len, meta);
		if (run.n == n)
			return run;
		rest = adv_isa_scalar.take_meta(d + run.n, bufs + run.n, pkts + run.n, n - (uint32_t)run.n,
						max_len, meta + run.n);
	}
	return (struct adv_run){run.n + rest.n, run.bytes + rest.bytes};
}

static inline void adv_fill(const struct adv_isa *isa, struct adv_desc *d, const uint32_t *bufs, uint32_t n,
			    uint64_t iova, uint32_t stride)
{
	uint32_t done = isa->fill(d, bufs, n, iova, stride);

	if (done < n)
		adv_isa_scalar.fill(d + done, bufs + done, n - done, iova, stride);
}

static inline struct adv_run adv_put(const struct adv_isa *isa, struct adv_desc *d, uint32_t *bufs,
				     const struct unapi_pkt *p, uint32_t n, uint32_t max_len)
{
	struct adv_run run = isa->put(d, bufs, p, n, max_len), rest;

	/* not if the next has a buffer of another pool: then there is more of that, for another run */
	if (__builtin_expect(run.n == n, 1) || (run.n && (p[run.n].buf ^ p->buf) & ~UNAPI_BUF_MASK))
		return run;
	rest = adv_isa_scalar.put(d + run.n, bufs + run.n, p + run.n, n - (uint32_t)run.n, max_len);
	return (struct adv_run){run.n + rest.n, run.bytes + rest.bytes};
}

#endif
