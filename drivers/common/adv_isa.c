/* SPDX-License-Identifier: BSD-3-Clause */
/* The loops over descriptors in portable C, and which ones are used. */
#include "drivers/common/adv_isa.h"
#include "core/base/compiler.h"

const struct adv_words adv_words = {ADV_LOOK, ADV_LEAST, ADV_PUT_ODD, ADV_PUT_CMD};

/* In fours, which compilers do not make of a loop that may end at any packet. */
static inline __attribute__((always_inline)) struct adv_run take(const struct adv_desc *restrict d,
								 const uint32_t *restrict bufs,
								 struct unapi_pkt *restrict pkts, uint32_t n,
								 uint32_t max_len,
								 struct unapi_rx_meta *restrict meta)
{
	uint64_t sum = 0;
	uint32_t i = 0;

#define TAKE(k)                                                                                             \
	do {                                                                                                \
		if (!adv_take_one(&d[i + (k)], bufs[i + (k)], &pkts[i + (k)], meta ? &meta[i + (k)] : NULL, \
				  max_len, &sum)) {                                                         \
			i += (k);                                                                           \
			goto out;                                                                           \
		}                                                                                           \
	} while (0)
	for (; i + 4 <= n; i += 4) {
		TAKE(0);
		TAKE(1);
		TAKE(2);
		TAKE(3);
	}
	for (; i < n; i++)
		TAKE(0);
#undef TAKE
out:
	return (struct adv_run){i, sum + i};
}

static struct adv_run scalar_take(const struct adv_desc *d, const uint32_t *bufs, struct unapi_pkt *pkts,
				  uint32_t n, uint32_t max_len)
{
	return take(d, bufs, pkts, n, max_len, NULL);
}

static struct adv_run scalar_take_meta(const struct adv_desc *d, const uint32_t *bufs, struct unapi_pkt *pkts,
				       uint32_t n, uint32_t max_len, struct unapi_rx_meta *meta)
{
	return take(d, bufs, pkts, n, max_len, meta);
}

static uint32_t scalar_fill(struct adv_desc *restrict d, const uint32_t *restrict bufs, uint32_t n,
			    uint64_t iova, uint32_t stride)
{
	uint32_t i = 0;

	for (; i + 4 <= n; i += 4) {
		adv_fill_one(&d[i], bufs[i], iova, stride);
		adv_fill_one(&d[i + 1], bufs[i + 1], iova, stride);
		adv_fill_one(&d[i + 2], bufs[i + 2], iova, stride);
		adv_fill_one(&d[i + 3], bufs[i + 3], iova, stride);
	}
	for (; i < n; i++)
		adv_fill_one(&d[i], bufs[i], iova, stride);
	return n;
}

static struct adv_run scalar_put(struct adv_desc *restrict d, uint32_t *restrict bufs,
				 const struct unapi_pkt *restrict p, uint32_t n, uint32_t max_len)
{
	struct adv_put h = adv_put_for(p->buf, max_len);
	uint64_t sum = 0;
	uint32_t i = 0;

#define PUT(k)                                                                          \
	do {                                                                            \
		if (!adv_put_one(&d[i + (k)], &bufs[i + (k)], &p[i + (k)], &h, &sum)) { \
			i += (k);                                                       \
			goto out;                                                       \
		}                                                                       \
	} while (0)
	for (; i + 4 <= n; i += 4) {
		PUT(0);
		PUT(1);
		PUT(2);
		PUT(3);
	}
	for (; i < n; i++)
		PUT(0);
#undef PUT
out:
	return (struct adv_run){i, sum};
}

const struct adv_isa adv_isa_scalar = {"scalar", scalar_take, scalar_take_meta, scalar_fill, scalar_put};

static const struct adv_isa *chosen; /* relaxed: any thread would choose the same */

static const struct adv_isa *const all[] = {
#ifdef __x86_64__
	&adv_isa_avx2,
	&adv_isa_sse42,
#endif
	&adv_isa_scalar,
};

static bool has(const struct adv_isa *isa)
{
#ifdef __x86_64__
	__builtin_cpu_init();
	if (isa == &adv_isa_avx2)
		return __builtin_cpu_supports("avx2");
	if (isa == &adv_isa_sse42)
		return __builtin_cpu_supports("sse4.2");
#endif
	return true;
}

const struct adv_isa *adv_isa(void)
{
	const struct adv_isa *isa = READ_ONCE(chosen);
	unsigned int i;

	for (i = 0; !isa; i++)
		if (has(all[i]))
			isa = all[i];
	WRITE_ONCE(chosen, isa);
	return isa;
}

bool adv_isa_force(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		if (strcmp(all[i]->name, name) || !has(all[i]))
			continue;
		WRITE_ONCE(chosen, all[i]);
		return true;
	}
	return false;
}
