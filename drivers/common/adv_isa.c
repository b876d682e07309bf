/* SPDX-License-Identifier: BSD-3-Clause */
/* The loops over descriptors in portable C, and which ones are used. */
#include "drivers/common/adv_fast.h"
#include "core/base/compiler.h"

static void four(uint64_t *words, uint64_t word)
{
	for (unsigned int i = 0; i < 4; i++)
		words[i] = word;
}

void adv_take_how(struct adv_take *how, uint32_t max_len)
{
	four(how->look, ADV_LOOK);
	four(how->least, ADV_LEAST);
	four(how->headroom, (uint64_t)PAGE_POOL_HEADROOM << 32);
	four(how->bad, ~((uint64_t)(max_len - 1) << 32));
	how->max_len = max_len;
}

void adv_fill_how(struct adv_fill *how, uint64_t iova, uint32_t stride)
{
	four(how->iova, iova);
	four(how->stride, stride);
}

void adv_put_how(struct adv_put *how, uint32_t buf, uint32_t max_len)
{
	const struct unapi_pool_view *view = &unapi_pool_views[buf >> UNAPI_POOL_SHIFT];

	four(how->iova, view->iova0);
	four(how->stride, view->stride);
	four(how->pool, buf & ~UNAPI_BUF_MASK);
	four(how->cmd, ADV_PUT_CMD);
	four(how->odd, ADV_PUT_ODD);
	four(how->most, (uint64_t)(max_len - 1) << 32 | (max_len - 1));
	how->max_len = max_len;
}

void adv_fill_rest(struct adv_desc *d, uint32_t *bufs, const uint32_t *from, uint32_t n,
		   const struct adv_fill *how)
{
	for (uint32_t i = 0; i < n; i++)
		adv_fill_one(&d[i], &bufs[i], from[i], how);
}

/*
 * The same in groups of four, as adv_avx2.c explains.
 */

#define INLINE static inline __attribute__((always_inline))

/* What is looked at, less the least, as adv_take.bad has it. */
INLINE uint64_t take_one(const struct adv_desc *d, uint32_t buf, struct unapi_pkt *p,
			 const struct adv_take *how)
{
	uint64_t hi = adv_fetch(d);

	adv_put_record(p, buf, 0, hi);
	return (hi & how->look[0]) - how->least[0];
}

INLINE struct adv_run take(const struct adv_desc *restrict d, const uint32_t *restrict bufs,
			   struct unapi_pkt *restrict pkts, uint32_t n, const struct adv_take *restrict how,
			   struct unapi_rx_meta *restrict meta)
{
	uint64_t sum = 0, i = 0, end = n & ~3u;

	for (; i != end; i += 4) {
		uint64_t a = take_one(&d[i], bufs[i], &pkts[i], how),
			 b = take_one(&d[i + 1], bufs[i + 1], &pkts[i + 1], how),
			 c = take_one(&d[i + 2], bufs[i + 2], &pkts[i + 2], how),
			 e = take_one(&d[i + 3], bufs[i + 3], &pkts[i + 3], how);

		if (unlikely((a | b | c | e) & how->bad[0]))
			break;
		sum += (a + b) + (c + e);
		if (meta)
			for (unsigned int k = 0; k < 4; k++)
				memcpy(&meta[i + k], &d[i + k].lo, sizeof(*meta));
	}
	return (struct adv_run){i, (sum >> 32) + i};
}

INLINE struct adv_run scalar_take_groups(const struct adv_desc *d, const uint32_t *bufs,
					 struct unapi_pkt *pkts, uint32_t n, const struct adv_take *how,
					 struct unapi_rx_meta *none)
{
	return take(d, bufs, pkts, n, how, NULL);
}

INLINE struct adv_run scalar_take_groups_meta(const struct adv_desc *d, const uint32_t *bufs,
					      struct unapi_pkt *pkts, uint32_t n, const struct adv_take *how,
					      struct unapi_rx_meta *meta)
{
	return take(d, bufs, pkts, n, how, meta);
}

static void scalar_fill(struct adv_desc *restrict d, uint32_t *restrict bufs, const uint32_t *restrict from,
			uint32_t n, const struct adv_fill *how)
{
	uint64_t i = 0, end = n & ~3u;

	for (; i != end; i += 4) {
		adv_fill_one(&d[i], &bufs[i], from[i], how);
		adv_fill_one(&d[i + 1], &bufs[i + 1], from[i + 1], how);
		adv_fill_one(&d[i + 2], &bufs[i + 2], from[i + 2], how);
		adv_fill_one(&d[i + 3], &bufs[i + 3], from[i + 3], how);
	}
	if (unlikely(i != n))
		adv_fill_rest(d + i, bufs + i, from + i, n - (uint32_t)i, how);
}

INLINE struct adv_run scalar_put_groups(struct adv_desc *restrict d, uint32_t *restrict bufs,
					const struct unapi_pkt *restrict p, uint32_t n,
					const struct adv_put *restrict how)
{
	const uint64_t iova = how->iova[0], stride = how->stride[0], pool = how->pool[0], max = how->max_len;
	uint64_t sum = 0, i = 0, end = n & ~3u, odd = 0;

#define PUT(k)                                                                 \
	do {                                                                   \
		uint64_t lo, len = p[i + (k)].len;                             \
                                                                               \
		memcpy(&lo, &p[i + (k)], sizeof(lo));                          \
		odd |= lo ^ pool;                                              \
		if (unlikely(len - 1 >= max))                                  \
			goto out;                                              \
		d[i + (k)].lo = iova + (uint32_t)lo * stride + p[i + (k)].off; \
		d[i + (k)].hi = ADV_PUT_CMD + len * ADV_PUT_LENGTHS;           \
		bufs[i + (k)] = (uint32_t)lo;                                  \
		sum += len;                                                    \
	} while (0)
	for (; i != end; i += 4) {
		PUT(0);
		PUT(1);
		PUT(2);
		PUT(3);
	}
#undef PUT
	if (likely(!(odd & ADV_PUT_ODD)))
		return (struct adv_run){i, sum};
out:
	return (struct adv_run){0, 0};
}

ADV_FAST(scalar, "scalar", , NULL, NULL);

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
