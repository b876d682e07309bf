/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loops over descriptors, once for each instruction set, chosen when the library is first used.
 *
 * Each works on slots in a row, does the simple packets (one buffer, no error, no request: nearly all there
 * are) from the front, and stops at the first that is not simple. So all give the same results for any
 * contents of the rings (tests/unit/test_adv_isa.c).
 */
#ifndef UNAPI_DRIVERS_ADV_ISA_H
#define UNAPI_DRIVERS_ADV_ISA_H

#include "core/net/page_pool.h"
#include "drivers/common/adv_desc.h"
#include <unapi/packet.h>

#include <string.h>

/* What the loops need to know of a ring, as vectors want it: the same word four times. */
struct adv_take {
	uint64_t look[4], least[4], headroom[4]; /* ADV_LOOK, ADV_LEAST; what is behind a handle */
	uint64_t bad[4];			 /* bits that ... less the least may not have */
	uint32_t max_len;
};

/* Where a pool's buffers are for the device, from where it is to write: iova + handle * stride. */
struct adv_fill {
	uint64_t iova[4], stride[4];
};

/* For packets with buffers of one pool: their address is iova + handle * stride + offset. */
struct adv_put {
	uint64_t iova[4], stride[4];
	uint64_t pool[4];	 /* the handle's upper bits, which all packets must have */
	uint64_t cmd[4], odd[4]; /* ADV_PUT_CMD, ADV_PUT_ODD */
	uint64_t most[4];	 /* the greatest length less one, in each half */
	uint32_t max_len;
};

/* How many packets were done, and their bytes. */
struct adv_run {
	uint64_t n, bytes;
};

struct adv_rx_ring;
struct adv_tx_ring;
struct unapi_txq;

typedef struct adv_run (*adv_take_fn)(const struct adv_desc *d, const uint32_t *bufs, struct unapi_pkt *pkts,
				      uint32_t n, const struct adv_take *how, struct unapi_rx_meta *meta);
typedef struct adv_run (*adv_put_fn)(struct adv_desc *d, uint32_t *bufs, const struct unapi_pkt *p,
				     uint32_t n, const struct adv_put *how);

struct adv_isa {
	const char *name; /* "avx2", "sse4.2", "scalar" */
	/* Finished descriptors into records; what is behind those that were done may be written too. */
	adv_take_fn take, take_meta;
	/* Handles @from somewhere into @bufs, and their buffers into descriptors. */
	void (*fill)(struct adv_desc *d, uint32_t *bufs, const uint32_t *from, uint32_t n,
		     const struct adv_fill *how);
	/* Records, at least one, into free descriptors, and their handles into @bufs; also behind those that
	 * were done. */
	adv_put_fn put;
	/* What rings do all the time, with take, take_meta and put built in (adv_rx_fast.h, adv_tx_fast.h).
	 */
	int (*poll)(struct adv_rx_ring *r, int budget);
	int (*poll_meta)(struct adv_rx_ring *r, int budget);
	unsigned int (*burst)(struct unapi_txq *q, struct unapi_pkt *pkts, unsigned int n);
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

static inline void adv_fill_one(struct adv_desc *d, uint32_t *slot, uint32_t buf, const struct adv_fill *how)
{
	*slot = buf;
	d->lo = how->iova[0] + buf * how->stride[0];
	d->hi = 0; /* write-back overwrote it */
}

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
	if (__builtin_expect((lo & ADV_PUT_ODD) != how->pool[0] || len - 1 >= how->max_len, 0))
		return false;
	d->lo = how->iova[0] + (uint32_t)lo * how->stride[0] + p->off;
	d->hi = ADV_PUT_CMD + len * ADV_PUT_LENGTHS;
	*buf = (uint32_t)lo;
	*sum += len;
	return true;
}

void adv_take_how(struct adv_take *how, uint32_t max_len);
void adv_fill_how(struct adv_fill *how, uint64_t iova, uint32_t stride);
void adv_put_how(struct adv_put *how, uint32_t buf, uint32_t max_len);

/*
 * Loops do whole groups, and most bursts end within one. What is left is done by these: of the next ADV_PART
 * those before the first that is not simple, if there are so many to look at; and the last, less than
 * ADV_PART, of at least ADV_PART / 2, or none of them. Behind @did.
 */
#define ADV_PART 8u
typedef struct adv_run (*adv_take_part_fn)(const struct adv_desc *d, const uint32_t *bufs,
					   struct unapi_pkt *pkts, const struct adv_take *how,
					   struct unapi_rx_meta *meta, struct adv_run did);
typedef struct adv_run (*adv_put_part_fn)(struct adv_desc *d, uint32_t *bufs, const struct unapi_pkt *p,
					  uint32_t n, const struct adv_put *how, struct adv_run did);

/* The rest behind @did: by @part where there is one and it pays, and one by one. */
static inline __attribute__((always_inline)) struct adv_run adv_take_rest(
	const struct adv_desc *d, const uint32_t *bufs, struct unapi_pkt *pkts, uint32_t n,
	const struct adv_take *how, struct unapi_rx_meta *meta, struct adv_run did, adv_take_part_fn part)
{
	uint64_t i, sum;

	if (part && n - did.n >= ADV_PART && adv_fetch(&d[did.n + 2]) & ADV_RXD_DD)
		did = part(d, bufs, pkts, how, meta, did);
	sum = did.bytes - did.n;
	for (i = did.n; i < n; i++)
		if (!adv_take_one(&d[i], bufs[i], &pkts[i], meta ? &meta[i] : NULL, how->max_len, &sum))
			break;
	return (struct adv_run){i, sum + i};
}

static inline __attribute__((always_inline)) struct adv_run adv_put_rest(
	struct adv_desc *d, uint32_t *bufs, const struct unapi_pkt *p, uint32_t n, const struct adv_put *how,
	struct adv_run did, adv_put_part_fn part)
{
	uint64_t left = n - did.n;

	if (part && left > 2 && left < ADV_PART && n >= ADV_PART / 2)
		did = part(d, bufs, p, n, how, did);
	for (; did.n < n; did.n++)
		if (!adv_put_one(&d[did.n], &bufs[did.n], &p[did.n], how, &did.bytes))
			break;
	return did;
}

/* Handles into descriptors, one by one. */
void adv_fill_rest(struct adv_desc *d, uint32_t *bufs, const uint32_t *from, uint32_t n,
		   const struct adv_fill *how);

#endif
