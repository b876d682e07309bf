/* SPDX-License-Identifier: BSD-3-Clause */
/* The device's counters clear when they are read, so every read is added to sums of ours. */
#include "drivers/igb/igb.h"

#include <string.h>

static const struct {
	const char *name;
	uint32_t reg;
	bool wide;
} counters[] = {
#define IGB_STAT(n, r)	 {n, E1000_##r, false},
#define IGB_STAT64(n, r) {n, E1000_##r, true},
#include "drivers/igb/igb_stats.h"
};

void igb_stats_update(struct net_device *dev)
{
	struct igb *g = igb_of(dev);
	uint64_t now[IGB_NR_STATS], no_desc = 0;

	if (netdev_is_removed(dev))
		return;
	for (unsigned int i = 0; i < IGB_NR_STATS; i++) {
		now[i] = igb_rd32(g, counters[i].reg);
		if (counters[i].wide) /* reading the high word is what clears the pair */
			now[i] |= (uint64_t)igb_rd32(g, counters[i].reg + 4) << 32;
	}
	for (unsigned int q = 0; q < dev->conf.rxq && READ_ONCE(dev->state) != NETDEV_OPENED; q++)
		no_desc += igb_rd32(g, E1000_RQDPC(q)) & E1000_RQDPC_MASK;
	/* All ones were no counts. */
	if (igb_check_removed(g))
		return;
	for (unsigned int i = 0; i < IGB_NR_STATS; i++)
		g->stats[i] += now[i];
	g->no_desc += no_desc;
}

void igb_stats_get(struct net_device *dev, struct unapi_dev_stats *st)
{
	struct igb *g = igb_of(dev);

	st->rx_missed += g->stats[IGB_STAT_MPC] + g->no_desc;
	/* RLEC would count some frames twice: their length may also make them undersized or oversized. */
	st->rx_errors += g->stats[IGB_STAT_RXERRC] + g->stats[IGB_STAT_CRCERRS] +
			 g->stats[IGB_STAT_ALGNERRC] + g->stats[IGB_STAT_RUC] + g->stats[IGB_STAT_ROC];
	st->tx_errors += g->stats[IGB_STAT_ECOL] + g->stats[IGB_STAT_LATECOL];
}

void igb_stats_xstats(struct net_device *dev, void (*put)(void *arg, const char *name, uint64_t v), void *arg)
{
	struct igb *g = igb_of(dev);

	for (unsigned int i = 0; i < IGB_NR_STATS; i++)
		put(arg, counters[i].name, g->stats[i]);
	put(arg, "rx_no_descriptor_drops", g->no_desc);
}

void igb_stats_clear(struct net_device *dev)
{
	struct igb *g = igb_of(dev);

	igb_stats_update(dev); /* what the device has counted until now is to be forgotten too */
	memset(g->stats, 0, sizeof(g->stats));
	g->no_desc = 0;
}
