/* SPDX-License-Identifier: BSD-3-Clause */
/* The counters at 4000h: they stick at their maximum and clear when read (datasheet 8.18). */
#ifndef SIMNIC_STATS_H
#define SIMNIC_STATS_H

#include "drivers/igb/igb_regs.h"

#include <stdbool.h>
#include <stdint.h>

#define STATS_WORDS ((E1000_STATS_LAST - E1000_STATS_FIRST) / 4 + 1)

struct stats {
	uint32_t word[STATS_WORDS];
	uint32_t latch[STATS_WORDS]; /* a pair as it was when its low word was read */
};

static inline void stats_inc(struct stats *s, uint32_t reg)
{
	uint32_t *w = &s->word[(reg - E1000_STATS_FIRST) / 4];

	*w += *w != UINT32_MAX;
}

/* @reg is the low word of a pair. */
static inline void stats_add64(struct stats *s, uint32_t reg, uint32_t n)
{
	uint32_t *w = &s->word[(reg - E1000_STATS_FIRST) / 4];
	uint64_t sum = ((uint64_t)w[1] << 32 | w[0]) + n;

	w[0] = (uint32_t)sum;
	w[1] = (uint32_t)(sum >> 32);
}

/* A good frame of @len bytes, FCS included. */
void stats_rx(struct stats *s, const uint8_t *frame, uint32_t len);
void stats_tx(struct stats *s, const uint8_t *frame, uint32_t len);

/* True if @reg is a counter; reading clears it. */
bool stats_read(struct stats *s, uint32_t reg, uint32_t *val);

#endif
