/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The floor: a "driver" that touches what every driver must touch and decides nothing. It reads the
 * descriptors of a burst and writes a record for each, writes the descriptors anew, reads the records, writes
 * transmit descriptors, and stores two tails. AVX2 where the processor has it, 32 bytes at a time.
 */
#include "tests/bench/replay.h"
#include "core/base/reason.h"
#include "drivers/common/adv_desc.h"

#include <errno.h>
#include <immintrin.h>
#include <stdlib.h>
#include <string.h>

struct touch {
	struct replay_desc records[REPLAY_MAX_BURST * REPLAY_MAX_FRAGS];
	uint32_t tails[2];
	uint32_t next;
	uint32_t slots; /* of a burst; the ring is a multiple of it */
};

static int floor_open(struct replay *r)
{
	struct touch *t = aligned_alloc(64, (sizeof(*t) + 63) & ~(size_t)63);
	size_t bytes = r->conf.ring * sizeof(*r->rx);

	r->priv = t;
	r->rx = aligned_alloc(4096, (bytes + 4095) & ~(size_t)4095);
	r->tx = aligned_alloc(4096, (bytes + 4095) & ~(size_t)4095);
	if (!t || !r->rx || !r->tx)
		return -ENOMEM;
	if (!strcmp(r->conf.isa, "avx2") && !__builtin_cpu_supports("avx2"))
		return unapi_fail(ENOTSUP, "this processor has no AVX2");
	*t = (struct touch){.slots = r->conf.burst * r->conf.frags};
	for (uint32_t i = 0; i < r->conf.ring; i++)
		r->rx[i] = r->tx[i] = (struct replay_desc){0, 0};
	if (r->conf.ring % t->slots || t->slots % 2)
		return unapi_fail(EINVAL, "the ring must be a multiple of the burst, and that even");
	r->rx_tail = &t->tails[0];
	r->tx_tail = &t->tails[1];
	*r->rx_tail = r->conf.ring - 1;
	return 0;
}

static inline void step(struct replay *r, struct touch *t)
{
	t->next += t->slots;
	if (t->next == r->conf.ring)
		t->next = 0;
	*r->rx_tail = t->next ? t->next - 1 : r->conf.ring - 1;
	*r->tx_tail = t->next;
}

static void touch_scalar(struct replay *r, struct touch *t)
{
	struct replay_desc *rx = r->rx + t->next, *tx = r->tx + t->next;
	uint64_t cmd = ADV_TXD_DATA | ADV_TXD_EOP | ADV_TXD_RS;

	for (uint32_t i = 0; i < t->slots; i++) {
		t->records[i] = rx[i];
		rx[i] = (struct replay_desc){i, 0};
	}
	__asm__ volatile("" ::: "memory"); /* receive and transmit are two calls */
	for (uint32_t i = 0; i < t->slots; i++)
		tx[i] = (struct replay_desc){t->records[i].lo, t->records[i].hi + cmd};
}

static __attribute__((target("avx2"))) void touch_avx2(struct replay *r, struct touch *t)
{
	__m256i *rx = (__m256i *)(void *)(r->rx + t->next), *tx = (__m256i *)(void *)(r->tx + t->next);
	__m256i *records = (__m256i *)(void *)t->records;
	long long c = (long long)(ADV_TXD_DATA | ADV_TXD_EOP | ADV_TXD_RS);
	const __m256i cmd = _mm256_set_epi64x(c, 0, c, 0), two = _mm256_set_epi64x(0, 2, 0, 2);
	__m256i addr = _mm256_set_epi64x(0, 1, 0, 0);
	uint32_t n = t->slots / 2;

	for (uint32_t i = 0; i < n; i++) {
		_mm256_store_si256(&records[i], _mm256_load_si256(&rx[i]));
		_mm256_store_si256(&rx[i], addr);
		addr = _mm256_add_epi64(addr, two);
	}
	__asm__ volatile("" ::: "memory");
	for (uint32_t i = 0; i < n; i++)
		_mm256_store_si256(&tx[i], _mm256_add_epi64(_mm256_load_si256(&records[i]), cmd));
}

static unsigned int floor_forward(struct replay *r)
{
	struct touch *t = r->priv;

	if (r->conf.isa[0] == 'a')
		touch_avx2(r, t);
	else
		touch_scalar(r, t);
	step(r, t);
	return r->conf.burst;
}

static int floor_close(struct replay *r)
{
	free(r->priv);
	free(r->rx);
	free(r->tx);
	return 0;
}

const struct replay_driver replay_floor = {
	.name = "floor",
	.isas = {"avx2", "scalar"},
	.touches_only = true,
	.open = floor_open,
	.forward = floor_forward,
	.close = floor_close,
};
