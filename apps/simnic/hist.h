/* SPDX-License-Identifier: BSD-3-Clause */
/* A histogram of times with 32 buckets for each power of two: quantiles good to 3 %. */
#ifndef SIMNIC_HIST_H
#define SIMNIC_HIST_H

#include <stdint.h>

#define HIST_BUCKETS (60 * 32)

struct hist {
	uint64_t count, max;
	uint32_t bucket[HIST_BUCKETS];
};

static inline void hist_add(struct hist *h, uint64_t v)
{
	unsigned int e = 63 - (unsigned int)__builtin_clzll(v | 31);

	h->bucket[v < 32 ? v : (e - 4) * 32 + (v >> (e - 5) & 31)]++;
	h->count++;
	if (v > h->max)
		h->max = v;
}

/* The value that a fraction of @permille / 1000 does not exceed; 0 when empty. */
static inline uint64_t hist_quantile(const struct hist *h, unsigned int permille)
{
	uint64_t want = (h->count * permille + 999) / 1000, seen = 0;

	for (unsigned int i = 0; i < HIST_BUCKETS && want; i++) {
		seen += h->bucket[i];
		if (seen >= want)
			return i < 32 ? i
				      : ((uint64_t)(32 + (i & 31)) << (i / 32 - 1)) + (1ull << (i / 32 - 1)) -
						1;
	}
	return 0;
}

#endif
