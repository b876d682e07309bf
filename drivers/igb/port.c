/* SPDX-License-Identifier: BSD-3-Clause */
/* What belongs to the whole port: filters, RSS, enable (datasheet 4.5.9 and 4.5.10). */
#include "drivers/igb/igb.h"
#include "core/base/reason.h"

#include <errno.h>

/* The key of Microsoft's RSS verification suite, which the field's tools compute with too. */
static const uint8_t rss_key[4 * E1000_RSSRK_WORDS] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

#define RSS_FIELDS                                                                                   \
	(E1000_MRQC_RSS_FIELD_IPV4 | E1000_MRQC_RSS_FIELD_IPV4_TCP | E1000_MRQC_RSS_FIELD_IPV4_UDP | \
	 E1000_MRQC_RSS_FIELD_IPV6 | E1000_MRQC_RSS_FIELD_IPV6_TCP | E1000_MRQC_RSS_FIELD_IPV6_UDP | \
	 E1000_MRQC_RSS_FIELD_IPV6_TCP_EX)

/* Datasheet 7.1.2.8: spread over the queues by hash. RXCSUM.PCSD puts the hash where the fragment checksum
 * would be. */
static void setup_rss(struct igb *g)
{
	unsigned int rxq = g->dev->conf.rxq, q = 0;

	for (unsigned int i = 0; i < E1000_RSSRK_WORDS; i++)
		igb_wr32(g, E1000_RSSRK(i),
			 (uint32_t)rss_key[4 * i] | (uint32_t)rss_key[4 * i + 1] << 8 |
				 (uint32_t)rss_key[4 * i + 2] << 16 | (uint32_t)rss_key[4 * i + 3] << 24);
	for (unsigned int word = 0; word < E1000_RETA_ENTRIES / 4; word++) {
		uint32_t entries = 0;

		for (unsigned int i = 0; i < 4; i++, q = q + 1 == rxq ? 0 : q + 1)
			entries |= q << 8 * i;
		igb_wr32(g, E1000_RETA(word), entries);
	}
	igb_wr32(g, E1000_MRQC, rxq > 1 ? E1000_MRQC_ENABLE_RSS | RSS_FIELDS : E1000_MRQC_ENABLE_NONE);
	igb_wr32(g, E1000_RXCSUM,
		 E1000_RXCSUM_IPOFLD | E1000_RXCSUM_TUOFLD | E1000_RXCSUM_CRCOFL | E1000_RXCSUM_PCSD);
}

static uint32_t rctl(const struct igb *g)
{
	uint32_t val = E1000_RCTL_BAM | E1000_RCTL_SECRC;

	return g->dev->promisc ? val | E1000_RCTL_UPE | E1000_RCTL_MPE : val;
}

void igb_port_setup_rx(struct igb *g)
{
	const uint8_t *mac = g->dev->mac;

	for (unsigned int i = 0; i < E1000_MTA_ENTRIES; i++)
		igb_wr32(g, E1000_MTA(i), 0);
	igb_wr32(g, E1000_RAL(0),
		 (uint32_t)mac[0] | (uint32_t)mac[1] << 8 | (uint32_t)mac[2] << 16 | (uint32_t)mac[3] << 24);
	igb_wr32(g, E1000_RAH(0), (uint32_t)mac[4] | (uint32_t)mac[5] << 8 | E1000_RAH_AV);
	setup_rss(g);
	/* Pool 0's offloads rule even without virtualization: they decide on length, broadcast and CRC
	 * (8.10.17). */
	igb_wr32(g, E1000_VMOLR(0),
		 (IGB_MAX_FRAME + 4) | E1000_VMOLR_LPE | E1000_VMOLR_RSSE | E1000_VMOLR_AUPE |
			 E1000_VMOLR_BAM | E1000_VMOLR_STRCRC |
			 (g->dev->promisc ? E1000_VMOLR_ROMPE | E1000_VMOLR_MPME : 0));
	igb_wr32(g, E1000_RLPML, IGB_MAX_FRAME + 4);
	/* SCTP frames of 60 bytes report a false checksum error with extension headers parsed (Linux
	 * igb_main.c). */
	igb_wr32(g, E1000_RFCTL, igb_rd32(g, E1000_RFCTL) | E1000_RFCTL_IPV6_EX_DIS);
}

void igb_port_setup_tx(struct igb *g)
{
	igb_wr32(g, E1000_TIPG, E1000_TIPG_DEFAULT);
	igb_wr32(g, E1000_DTXCTL, igb_rd32(g, E1000_DTXCTL) | E1000_DTXCTL_8023LL);
}

void igb_port_enable(struct igb *g, bool on)
{
	uint32_t tctl = E1000_TCTL_PSP | E1000_TCTL_RTLC | 0xfu << E1000_TCTL_CT_SHIFT |
			0x3fu << E1000_TCTL_COLD_SHIFT;

	igb_wr32(g, E1000_TCTL, on ? tctl | E1000_TCTL_EN : tctl);
	igb_wr32(g, E1000_RCTL, on ? rctl(g) | E1000_RCTL_LPE | E1000_RCTL_EN : 0);
	igb_flush(g);
}

int igb_port_set_promisc(struct net_device *dev, bool on)
{
	struct igb *g = igb_of(dev);
	uint32_t vmolr;

	dev->promisc = on;
	if (dev->state != NETDEV_STARTED)
		return 0; /* at the next start */
	vmolr = igb_rd32(g, E1000_VMOLR(0)) & ~(E1000_VMOLR_ROMPE | E1000_VMOLR_MPME);
	igb_wr32(g, E1000_VMOLR(0), on ? vmolr | E1000_VMOLR_ROMPE | E1000_VMOLR_MPME : vmolr);
	igb_wr32(g, E1000_RCTL, rctl(g) | E1000_RCTL_LPE | E1000_RCTL_EN);
	return igb_check_removed(g) ? unapi_fail(ENODEV, "%s: the device is gone", dev->name) : 0;
}
