/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/simnic/stats.h"

/* Which of six size classes a frame belongs to; the counters of a class are neighbours. */
static uint32_t size_class(uint32_t len)
{
	static const uint16_t upper[] = {64, 127, 255, 511, 1023};
	uint32_t i = 0;

	while (i < 5 && len > upper[i])
		i++;
	return 4 * i;
}

static bool broadcast(const uint8_t *f)
{
	return (f[0] & f[1] & f[2] & f[3] & f[4] & f[5]) == 0xff;
}

void stats_rx(struct stats *s, const uint8_t *f, uint32_t len)
{
	stats_inc(s, E1000_PRC64 + size_class(len));
	stats_inc(s, E1000_GPRC);
	stats_inc(s, E1000_TPR);
	stats_inc(s, E1000_RPTHC);
	stats_add64(s, E1000_GORCL, len);
	stats_add64(s, E1000_TORL, len);
	stats_add64(s, E1000_HGORCL, len);
	if (broadcast(f))
		stats_inc(s, E1000_BPRC);
	else if (f[0] & 1)
		stats_inc(s, E1000_MPRC);
}

void stats_tx(struct stats *s, const uint8_t *f, uint32_t len)
{
	stats_inc(s, E1000_PTC64 + size_class(len));
	stats_inc(s, E1000_GPTC);
	stats_inc(s, E1000_TPT);
	stats_inc(s, E1000_HGPTC);
	stats_add64(s, E1000_GOTCL, len);
	stats_add64(s, E1000_TOTL, len);
	stats_add64(s, E1000_HGOTCL, len);
	if (broadcast(f))
		stats_inc(s, E1000_BPTC);
	else if (f[0] & 1)
		stats_inc(s, E1000_MPTC);
}

/* Of a pair the low word is read first; what is added until the high word is read stays for the next time. */
static bool high_word(uint32_t reg)
{
	return reg == E1000_GORCH || reg == E1000_GOTCH || reg == E1000_TORH || reg == E1000_TOTH ||
	       reg == E1000_HGORCH || reg == E1000_HGOTCH;
}

static uint32_t read_low(struct stats *s, uint32_t i)
{
	s->latch[i] = s->word[i];
	s->latch[i + 1] = s->word[i + 1];
	return s->word[i];
}

static uint32_t read_high(struct stats *s, uint32_t i)
{
	uint64_t now = (uint64_t)s->word[i] << 32 | s->word[i - 1];
	uint64_t then = (uint64_t)s->latch[i] << 32 | s->latch[i - 1];
	uint32_t val = s->latch[i];

	s->word[i - 1] = (uint32_t)(now - then);
	s->word[i] = (uint32_t)((now - then) >> 32);
	s->latch[i - 1] = s->latch[i] = 0;
	return val;
}

bool stats_read(struct stats *s, uint32_t reg, uint32_t *val)
{
	uint32_t i = (reg - E1000_STATS_FIRST) / 4;

	if (reg < E1000_STATS_FIRST || reg > E1000_STATS_LAST || reg & 3)
		return false;
	if (high_word(reg)) {
		*val = read_high(s, i);
	} else if (high_word(reg + 4)) {
		*val = read_low(s, i);
	} else {
		*val = s->word[i];
		s->word[i] = 0;
	}
	return true;
}
