/* SPDX-License-Identifier: BSD-3-Clause */
/* The 82576 model under a minimal driver: rings, write-back, filters, offloads, and what it refuses. */
#include "simnic_rig.h"

static void a_packet_loops_with_its_interrupt(void **state)
{
	union e1000_adv_rx_desc *d;
	struct rig r;
	uint32_t len, slot;

	rig_up(&r, "wire=loop");
	rig_start(&r, 1);
	assert_int_equal(rig_fired(&r, 9), 0); /* link came up while EIMS was clear... */
	rig_write(&r, E1000_EIMS, 1u << 9);
	assert_int_equal(rig_fired(&r, 9), 1); /* ...latched, and told now */
	rig_write(&r, E1000_EIMS, 1);
	len = rig_udp_frame(r.va + rig_tx_buf(0, 0), 0x0a000001, 1000, 100);
	slot = rig_tx_put(&r, 0, len, E1000_ADVTXD_DCMD_EOP | E1000_ADVTXD_DCMD_RS, len);
	assert_false(rig_tx_done(&r, 0, slot));
	rig_tx_kick(&r, 0);
	assert_true(rig_tx_done(&r, 0, slot));
	d = rig_rx_next(&r, 0);
	assert_non_null(d);
	assert_int_equal(d->wb.length, len);
	assert_true(d->wb.status_error & E1000_RXD_STAT_EOP);
	assert_memory_equal(r.va + rig_rx_buf(0, 0), r.va + rig_tx_buf(0, 0), len);
	assert_int_equal(rig_fired(&r, 0), 1);
	assert_int_equal(rig_read(&r, E1000_RDH(0)), 1);
	assert_int_equal(rig_read(&r, E1000_TDH(0)), 1);
	/* counters, which clear */
	assert_int_equal(rig_read(&r, E1000_GPRC), 1);
	assert_int_equal(rig_read(&r, E1000_GPRC), 0);
	assert_int_equal(rig_read(&r, E1000_GORCL), len + 4);
	assert_int_equal(rig_read(&r, E1000_GORCL), len + 4); /* until the high word is read */
	igb_rx(&r.dev, r.va + rig_tx_buf(0, 0), len);	      /* between the two: for the next time */
	assert_int_equal(rig_read(&r, E1000_GORCH), 0);
	assert_int_equal(rig_read(&r, E1000_GORCL), len + 4);
	assert_int_equal(rig_read(&r, E1000_GPTC), 1);
	rig_down(&r);
}

static void only_rs_descriptors_are_written_back(void **state)
{
	struct rig r;

	rig_up(&r, "wire=none");
	rig_start(&r, 1);
	for (unsigned int i = 0; i < 8; i++)
		rig_tx_put(&r, 0, 60, E1000_ADVTXD_DCMD_EOP | (i % 4 == 3 ? E1000_ADVTXD_DCMD_RS : 0), 60);
	rig_tx_kick(&r, 0);
	for (unsigned int i = 0; i < 8; i++)
		assert_int_equal(rig_tx_done(&r, 0, i), i % 4 == 3);
	assert_int_equal(rig_read(&r, E1000_TDH(0)), 8);
	rig_down(&r);
}

static void wthresh_holds_write_back(void **state)
{
	struct rig r;

	rig_up(&r, "wire=none");
	rig_start(&r, 1);
	rig_write(&r, E1000_TXDCTL(0), E1000_TXDCTL_QUEUE_ENABLE | 4 << E1000_DCTL_WTHRESH_SHIFT);
	for (unsigned int i = 0; i < 3; i++)
		rig_tx_put(&r, 0, 60, E1000_ADVTXD_DCMD_EOP | E1000_ADVTXD_DCMD_RS, 60);
	rig_tx_kick(&r, 0);
	for (unsigned int i = 0; i < 3; i++)
		assert_false(rig_tx_done(&r, 0, i));
	rig_tx_put(&r, 0, 60, E1000_ADVTXD_DCMD_EOP | E1000_ADVTXD_DCMD_RS, 60);
	rig_tx_kick(&r, 0);
	for (unsigned int i = 0; i < 4; i++)
		assert_true(rig_tx_done(&r, 0, i));
	rig_tx_put(&r, 0, 60, E1000_ADVTXD_DCMD_EOP | E1000_ADVTXD_DCMD_RS, 60);
	rig_tx_kick(&r, 0);
	assert_false(rig_tx_done(&r, 0, 4));
	rig_write(&r, E1000_TXDCTL(0),
		  E1000_TXDCTL_QUEUE_ENABLE | 4 << E1000_DCTL_WTHRESH_SHIFT | E1000_TXDCTL_SWFLUSH);
	assert_true(rig_tx_done(&r, 0, 4));
	rig_down(&r);
}

static void a_packet_of_several_buffers(void **state)
{
	union e1000_adv_rx_desc *d;
	uint8_t *frame = malloc(5000);
	struct rig r;

	rig_up(&r, "wire=loop");
	rig_start(&r, 1);
	rig_write(&r, E1000_RCTL, rig_read(&r, E1000_RCTL) | E1000_RCTL_LPE);
	rig_write(&r, E1000_VMOLR(0), rig_read(&r, E1000_VMOLR(0)) | E1000_VMOLR_LPE);
	rig_udp_frame(frame, 0x0a000001, 7, 4958);
	memcpy(r.va + rig_tx_buf(0, 0), frame, 2000);
	memcpy(r.va + rig_tx_buf(0, 1), frame + 2000, 2000);
	memcpy(r.va + rig_tx_buf(0, 2), frame + 4000, 1000);
	rig_tx_put(&r, 0, 2000, 0, 5000);
	rig_tx_put(&r, 0, 2000, 0, 5000);
	rig_tx_kick(&r, 0);
	assert_null(rig_rx_next(&r, 0)); /* no end yet: it waits */
	assert_int_equal(rig_read(&r, E1000_TDH(0)), 0);
	rig_tx_put(&r, 0, 1000, E1000_ADVTXD_DCMD_EOP | E1000_ADVTXD_DCMD_RS, 5000);
	rig_tx_kick(&r, 0);
	for (unsigned int i = 0; i < 3; i++) {
		d = rig_rx_next(&r, 0);
		assert_non_null(d);
		assert_int_equal(d->wb.length, i < 2 ? 2048 : 5000 - 4096);
		assert_int_equal(!!(d->wb.status_error & E1000_RXD_STAT_EOP), i == 2);
		assert_memory_equal(r.va + rig_rx_buf(0, i), frame + 2048 * i, d->wb.length);
	}
	/* Too long without VMOLR.LPE. */
	rig_write(&r, E1000_VMOLR(0), rig_read(&r, E1000_VMOLR(0)) & ~E1000_VMOLR_LPE);
	assert_int_equal(igb_rx(&r.dev, frame, 5000), IGB_RX_DROPPED);
	assert_int_equal(igb_rx(&r.dev, frame, 1514), IGB_RX_TAKEN);
	rig_down(&r);
	free(frame);
}

static void a_full_ring_waits_or_drops(void **state)
{
	uint8_t frame[60];
	struct rig r;

	rig_up(&r, "wire=none");
	rig_start(&r, 1);
	rig_udp_frame(frame, 1, 1, 18);
	for (unsigned int i = 0; i < RIG_RING - 1; i++)
		assert_int_equal(igb_rx(&r.dev, frame, 60), IGB_RX_TAKEN);
	assert_int_equal(igb_rx(&r.dev, frame, 60), IGB_RX_BUSY); /* head has met tail: empty, not full */
	assert_int_equal(rig_read(&r, E1000_RDH(0)), rig_read(&r, E1000_RDT(0)));
	igb_rx_buffered(&r.dev, frame, 60);
	assert_int_equal(rig_read(&r, E1000_RNBC), 1);
	assert_int_equal(rig_read(&r, E1000_MPC), 0);
	for (unsigned int i = 0; i < RIG_RING - 1; i++)
		assert_non_null(rig_rx_next(&r, 0));
	rig_rx_refill(&r, 0, 2);
	rig_step(&r); /* the one that waited in the packet buffer */
	assert_non_null(rig_rx_next(&r, 0));
	assert_int_equal(igb_rx(&r.dev, frame, 60), IGB_RX_TAKEN);
	rig_write(&r, E1000_SRRCTL(0), E1000_SRRCTL_DESCTYPE_ADV_ONEBUF | 2 | E1000_SRRCTL_DROP_EN);
	assert_int_equal(igb_rx(&r.dev, frame, 60), IGB_RX_DROPPED);
	assert_int_equal(igb_rx(&r.dev, frame, 60), IGB_RX_DROPPED);
	assert_int_equal(rig_read(&r, E1000_RQDPC(0)), 2);
	assert_int_equal(rig_read(&r, E1000_RQDPC(0)), 0);
	rig_down(&r);
}

static void the_packet_buffer_ends(void **state)
{
	uint8_t frame[1514];
	unsigned int taken = 0;
	struct rig r;

	rig_up(&r, "wire=none");
	rig_start(&r, 1);
	rig_write(&r, E1000_IMS, E1000_ICR_RXO);
	rig_write(&r, E1000_EIMS, 1u << 9);
	rig_fired(&r, 9);
	rig_udp_frame(frame, 1, 1, 1472);
	while (igb_rx(&r.dev, frame, 1514) == IGB_RX_TAKEN)
		taken++;
	while (!rig_read(&r, E1000_MPC)) {
		igb_rx_buffered(&r.dev, frame, 1514);
		taken++;
	}
	assert_true(taken - 63 > 40 && taken - 63 < 50); /* 64 KB of 1514 bytes */
	rig_write(&r, E1000_EIMS, 1u << 9);
	assert_int_equal(rig_fired(&r, 9), 1);
	assert_true(rig_read(&r, E1000_ICR) & E1000_ICR_RXO);
	rig_down(&r);
}

static void checksum_verdicts(void **state)
{
	uint8_t frame[200];
	uint32_t len, status;
	struct rig r;

	rig_up(&r, "wire=none");
	rig_start(&r, 1);
	rig_write(&r, E1000_RXCSUM, E1000_RXCSUM_IPOFLD | E1000_RXCSUM_TUOFLD);
	len = rig_udp_frame(frame, 0x0a000001, 53, 77);
	assert_int_equal(igb_rx(&r.dev, frame, len), IGB_RX_TAKEN);
	frame[60] ^= 1; /* payload */
	assert_int_equal(igb_rx(&r.dev, frame, len), IGB_RX_TAKEN);
	frame[22]--; /* TTL */
	assert_int_equal(igb_rx(&r.dev, frame, len), IGB_RX_TAKEN);
	put_be16(frame + 40, 0); /* no UDP checksum */
	assert_int_equal(igb_rx(&r.dev, frame, len), IGB_RX_TAKEN);

	status = rig_rx_next(&r, 0)->wb.status_error;
	assert_int_equal(status & 0x60000070,
			 E1000_RXD_STAT_IPCS | E1000_RXD_STAT_L4CS | E1000_RXD_STAT_UDPCS);
	status = rig_rx_next(&r, 0)->wb.status_error;
	assert_int_equal(status & 0x60000000, E1000_RXDEXT_ERR_L4E);
	status = rig_rx_next(&r, 0)->wb.status_error;
	assert_int_equal(status & 0x60000000, E1000_RXDEXT_ERR_L4E | E1000_RXDEXT_ERR_IPE);
	status = rig_rx_next(&r, 0)->wb.status_error;
	assert_int_equal(status & 0x60000070, E1000_RXD_STAT_IPCS | E1000_RXDEXT_ERR_IPE);
	rig_down(&r);
}

static void checksum_insertion(void **state)
{
	union e1000_adv_tx_desc *ring;
	uint8_t *frame;
	struct packet_info i;
	uint32_t len;
	struct rig r;

	rig_up(&r, "wire=loop");
	rig_start(&r, 1);
	ring = (void *)(r.va + rig_tx_ring(0));
	ring[0].ctxt.vlan_macip_lens =
		20 | 14 << E1000_ADVTXD_MACLEN_SHIFT | 0x123u << E1000_ADVTXD_VLAN_SHIFT;
	ring[0].ctxt.seqnum_seed = 0;
	ring[0].ctxt.type_tucmd_mlhl =
		E1000_ADVTXD_DTYP_CTXT | E1000_ADVTXD_DCMD_DEXT | E1000_ADVTXD_TUCMD_IPV4;
	ring[0].ctxt.mss_l4len_idx = 0;
	r.tx_tail[0] = 1;
	frame = r.va + rig_tx_buf(0, 1);
	len = rig_udp_frame(frame, 0x0a000001, 99, 100);
	packet_parse(&i, frame, len);
	put_be16(frame + 24, 0);
	put_be16(frame + 40, csum_fold(csum_pseudo(&i, frame, 17, 108)));
	rig_tx_put(&r, 0, len, E1000_ADVTXD_DCMD_EOP | E1000_ADVTXD_DCMD_RS | E1000_ADVTXD_DCMD_VLE, len);
	ring[1].read.olinfo_status |= E1000_ADVTXD_POPTS_IXSM | E1000_ADVTXD_POPTS_TXSM;
	rig_tx_kick(&r, 0);
	assert_int_equal(rig_rx_next(&r, 0)->wb.length, len + 4);
	packet_parse(&i, r.va + rig_rx_buf(0, 0), len + 4);
	assert_true(i.vlan);
	assert_int_equal(i.vlan_tag, 0x123);
	assert_true(ip_csum_good(&i, r.va + rig_rx_buf(0, 0)));
	assert_true(l4_csum_good(&i, r.va + rig_rx_buf(0, 0)));
	/* And stripped on the way in, but only with both switches on. */
	rig_write(&r, E1000_CTRL, rig_read(&r, E1000_CTRL) | E1000_CTRL_VME);
	igb_rx(&r.dev, r.va + rig_rx_buf(0, 0), len + 4);
	assert_int_equal(rig_rx_next(&r, 0)->wb.length, len + 4);
	rig_write(&r, E1000_VMOLR(0), rig_read(&r, E1000_VMOLR(0)) | E1000_VMOLR_STRVLAN);
	igb_rx(&r.dev, r.va + rig_rx_buf(0, 0), len + 4);
	{
		union e1000_adv_rx_desc *d = rig_rx_next(&r, 0);

		assert_int_equal(d->wb.length, len);
		assert_int_equal(d->wb.vlan, 0x123);
		assert_true(d->wb.status_error & E1000_RXD_STAT_VP);
	}
	rig_down(&r);
}

static void filters(void **state)
{
	uint8_t frame[64];
	struct rig r;

	rig_up(&r, "wire=none");
	rig_start(&r, 1);
	rig_udp_frame(frame, 1, 1, 18); /* to 02:11:22:33:44:55 */
	rig_write(&r, E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_SECRC);
	assert_int_equal(igb_rx(&r.dev, frame, 60), IGB_RX_DROPPED);
	rig_write(&r, E1000_RAL(3), 0x33221102);
	rig_write(&r, E1000_RAH(3), 0x5544);
	assert_int_equal(igb_rx(&r.dev, frame, 60), IGB_RX_DROPPED); /* not marked valid */
	rig_write(&r, E1000_RAH(3), 0x5544 | E1000_RAH_AV);
	assert_int_equal(igb_rx(&r.dev, frame, 60), IGB_RX_TAKEN);
	memset(frame, 0xff, 6);
	assert_int_equal(igb_rx(&r.dev, frame, 60), IGB_RX_DROPPED);
	rig_write(&r, E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_SECRC | E1000_RCTL_BAM);
	assert_int_equal(igb_rx(&r.dev, frame, 60), IGB_RX_TAKEN);
	/* 01:00:5e:00:00:fb: with MO 0 its hash is bits 47:36, 0xfb0 (datasheet 7.1.1.1.2) */
	memcpy(frame, "\x01\x00\x5e\x00\x00\xfb", 6);
	assert_int_equal(igb_rx(&r.dev, frame, 60), IGB_RX_DROPPED);
	rig_write(&r, E1000_MTA(0xfb0 >> 5), 1u << (0xfb0 & 31));
	assert_int_equal(igb_rx(&r.dev, frame, 60), IGB_RX_TAKEN);
	rig_write(&r, E1000_MTA(0xfb0 >> 5), 0);
	rig_write(&r, E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_SECRC | E1000_RCTL_MPE);
	assert_int_equal(igb_rx(&r.dev, frame, 60), IGB_RX_TAKEN);
	/* VLAN 5 */
	memmove(frame + 16, frame + 12, 48);
	put_be16(frame + 12, 0x8100);
	put_be16(frame + 14, 5);
	rig_write(&r, E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_SECRC | E1000_RCTL_MPE | E1000_RCTL_VFE);
	assert_int_equal(igb_rx(&r.dev, frame, 64), IGB_RX_DROPPED);
	rig_write(&r, E1000_VFTA(0), 1u << 5);
	assert_int_equal(igb_rx(&r.dev, frame, 64), IGB_RX_TAKEN);
	rig_down(&r);
}

static void rss_spreads_and_shows_its_hash(void **state)
{
	static const uint8_t key[40] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
					0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
					0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
					0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};
	union e1000_adv_rx_desc *d;
	uint8_t frame[60];
	uint32_t word;
	struct rig r;

	rig_up(&r, "wire=none");
	rig_start(&r, 4);
	for (unsigned int i = 0; i < 10; i++) {
		memcpy(&word, key + 4 * i, 4);
		rig_write(&r, E1000_RSSRK(i), word);
	}
	for (unsigned int i = 0; i < 32; i++)
		rig_write(&r, E1000_RETA(i), 0x03020100);
	rig_write(&r, E1000_MRQC, E1000_MRQC_ENABLE_RSS | E1000_MRQC_RSS_FIELD_IPV4);
	rig_write(&r, E1000_RXCSUM, E1000_RXCSUM_PCSD);
	/* 66.9.149.187 to 161.142.100.80: 0x323e8fc2 by Microsoft's table. */
	rig_udp_frame(frame, 0x420995bb, 2794, 18);
	put_be32(frame + 30, 0xa18e6450);
	assert_int_equal(igb_rx(&r.dev, frame, 60), IGB_RX_TAKEN);
	d = rig_rx_next(&r, 0xc2 & 3);
	assert_non_null(d);
	assert_int_equal(d->wb.rss, 0x323e8fc2);
	assert_int_equal(d->wb.pkt_info & E1000_RXDADV_RSSTYPE_MASK, E1000_RXDADV_RSSTYPE_IPV4);
	assert_int_equal(d->wb.pkt_info & 0xfff0, E1000_RXDADV_PKTTYPE_IPV4 | E1000_RXDADV_PKTTYPE_UDP);
	/* Without PCSD the IP identification is in its place. */
	rig_write(&r, E1000_RXCSUM, 0);
	put_be16(frame + 18, 0xbeef);
	assert_int_equal(igb_rx(&r.dev, frame, 60), IGB_RX_TAKEN);
	assert_int_equal(rig_rx_next(&r, 0xc2 & 3)->wb.rss, 0xbeef);
	/* A queue that is off gets nothing. */
	rig_write(&r, E1000_RXDCTL(2), 0);
	assert_int_equal(igb_rx(&r.dev, frame, 60), IGB_RX_DROPPED);
	assert_int_equal(r.dev.rx_no_queue, 1);
	rig_down(&r);
}

static void nothing_moves_without_permission(void **state)
{
	uint8_t frame[60];
	struct rig r;

	rig_up(&r, "wire=loop");
	rig_start(&r, 1);
	rig_udp_frame(frame, 1, 1, 18);
	memcpy(r.va + rig_tx_buf(0, 0), frame, 60);
	rig_tx_put(&r, 0, 60, E1000_ADVTXD_DCMD_EOP | E1000_ADVTXD_DCMD_RS, 60);
	rig_command(&r, PCI_COMMAND_MEMORY); /* no bus mastering */
	rig_tx_kick(&r, 0);
	assert_false(rig_tx_done(&r, 0, 0));
	assert_int_equal(igb_rx(&r.dev, frame, 60), IGB_RX_DROPPED);
	rig_command(&r, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	rig_write(&r, E1000_CTRL, rig_read(&r, E1000_CTRL) | E1000_CTRL_GIO_MASTER_DISABLE);
	assert_false(rig_read(&r, E1000_STATUS) & E1000_STATUS_GIO_MASTER_ENABLE);
	rig_step(&r);
	assert_false(rig_tx_done(&r, 0, 0));
	rig_write(&r, E1000_CTRL, rig_read(&r, E1000_CTRL) & ~E1000_CTRL_GIO_MASTER_DISABLE);
	rig_write(&r, E1000_TCTL, 0);
	rig_step(&r);
	assert_false(rig_tx_done(&r, 0, 0));
	rig_write(&r, E1000_TCTL, E1000_TCTL_EN);
	rig_write(&r, E1000_CTRL, rig_read(&r, E1000_CTRL) & ~E1000_CTRL_SLU); /* no link */
	rig_step(&r);
	assert_false(rig_tx_done(&r, 0, 0));
	rig_write(&r, E1000_CTRL, rig_read(&r, E1000_CTRL) | E1000_CTRL_SLU);
	rig_write(&r, E1000_RCTL, rig_read(&r, E1000_RCTL) & ~E1000_RCTL_EN);
	rig_step(&r);
	assert_true(rig_tx_done(&r, 0, 0)); /* sent; but nobody receives */
	assert_null(rig_rx_next(&r, 0));
	assert_int_equal(r.dev.misuse, 0);
	rig_down(&r);
}

static void drivers_mistakes_are_told(void **state)
{
	struct rig r;

	/* a tail before the queue is on */
	rig_up(&r, "wire=none");
	rig_start(&r, 1);
	rig_write(&r, E1000_TDT(1), 5);
	assert_int_equal(r.dev.misuse, 1);
	assert_int_equal(rig_read(&r, E1000_TDT(1)), 0);
	/* a tail outside the ring */
	rig_write(&r, E1000_TDT(0), RIG_RING);
	assert_int_equal(r.dev.misuse, 2);
	rig_down(&r);

	/* PAYLEN that is not the length: the queue hangs until it is enabled again */
	rig_up(&r, "wire=none");
	rig_start(&r, 1);
	rig_tx_put(&r, 0, 60, E1000_ADVTXD_DCMD_EOP | E1000_ADVTXD_DCMD_RS, 61);
	rig_tx_kick(&r, 0);
	assert_int_equal(r.dev.misuse, 1);
	assert_false(rig_tx_done(&r, 0, 0));
	rig_write(&r, E1000_TXDCTL(0), 0);
	rig_write(&r, E1000_TDT(0), 0);
	rig_queue_up(&r, 0);
	rig_tx_put(&r, 0, 60, E1000_ADVTXD_DCMD_EOP | E1000_ADVTXD_DCMD_RS, 60);
	rig_tx_kick(&r, 0);
	assert_true(rig_tx_done(&r, 0, 0));
	rig_down(&r);

	/* legacy rx descriptors */
	rig_up(&r, "wire=none");
	rig_start(&r, 1);
	rig_write(&r, E1000_SRRCTL(0), 2);
	{
		uint8_t frame[60];

		rig_udp_frame(frame, 1, 1, 18);
		assert_int_equal(igb_rx(&r.dev, frame, 60), IGB_RX_BUSY);
	}
	assert_int_equal(r.dev.misuse, 1);
	rig_down(&r);
}

static void dma_outside_is_a_fault(void **state)
{
	union e1000_adv_rx_desc *rx;
	union e1000_adv_tx_desc *tx;
	uint8_t frame[60];
	struct rig r;

	rig_up(&r, "wire=none");
	rig_start(&r, 1);
	rx = (void *)(r.va + rig_rx_ring(0));
	rx[0].read.pkt_addr = RIG_IOVA + RIG_SIZE - 10; /* the last bytes are outside */
	rig_udp_frame(frame, 1, 1, 18);
	assert_int_equal(igb_rx(&r.dev, frame, 60), IGB_RX_DROPPED);
	assert_int_equal(r.dev.dma.faults, 1);
	assert_non_null(strstr(r.dev.dma.last_fault, "write of 50 bytes at 0x10800000"));
	assert_non_null(strstr(r.dev.dma.last_fault, "queue 0, slot 0 (rx buffer)"));
	assert_null(rig_rx_next(&r, 0));
	tx = (void *)(r.va + rig_tx_ring(0));
	rig_tx_put(&r, 0, 60, E1000_ADVTXD_DCMD_EOP, 60);
	rig_tx_put(&r, 0, 60, E1000_ADVTXD_DCMD_EOP, 60);
	tx[1].read.buffer_addr = 0x42;
	rig_tx_kick(&r, 0);
	assert_int_equal(r.dev.dma.faults, 2);
	assert_non_null(
		strstr(r.dev.dma.last_fault, "read of 60 bytes at 0x42 by queue 0, slot 1 (tx buffer)"));
	rig_step(&r);
	assert_int_equal(r.dev.dma.faults, 2); /* the queue has stopped */
	rig_down(&r);
}

static void reset_gives_datasheet_defaults(void **state)
{
	struct rig r;

	rig_up(&r, "wire=none,mac=02:aa:bb:cc:dd:ee");
	rig_start(&r, 1);
	rig_write(&r, E1000_RAL(0), 0);
	rig_write(&r, E1000_CTRL, E1000_CTRL_RST);
	assert_int_equal(rig_read(&r, E1000_CTRL) & E1000_CTRL_RST, 0);
	assert_int_equal(rig_read(&r, E1000_RXDCTL(0)), 0);
	assert_int_equal(rig_read(&r, E1000_RCTL), 0);
	assert_int_equal(rig_read(&r, E1000_EIMS), 0);
	assert_int_equal(rig_read(&r, E1000_GPIE), 0);
	assert_int_equal(rig_read(&r, E1000_RDT(0)), 0);
	assert_int_equal(rig_read(&r, E1000_RXPBS), E1000_RXPBS_DEFAULT);
	assert_int_equal(rig_read(&r, E1000_RAL(0)), 0xccbbaa02);
	assert_int_equal(rig_read(&r, E1000_RAH(0)), E1000_RAH_AV | 0xeedd);
	assert_true(rig_read(&r, E1000_EECD) & E1000_EECD_AUTO_RD);
	assert_false(rig_read(&r, E1000_STATUS) & E1000_STATUS_LU); /* until SLU */
	rig_down(&r);
}

static void eeprom_adds_up(void **state)
{
	uint16_t sum = 0;
	struct rig r;

	rig_up(&r, "wire=none,mac=02:aa:bb:cc:dd:ee");
	assert_int_equal(rig_version(&r), 0);
	rig_command(&r, PCI_COMMAND_MEMORY);
	for (uint32_t i = 0; i < E1000_NVM_WORDS; i++) {
		uint32_t val;

		rig_write(&r, E1000_EERD, i << E1000_EERD_ADDR_SHIFT | E1000_EERD_START);
		val = rig_read(&r, E1000_EERD);
		assert_true(val & E1000_EERD_DONE);
		sum = (uint16_t)(sum + (val >> E1000_EERD_DATA_SHIFT));
		if (!i)
			assert_int_equal(val >> E1000_EERD_DATA_SHIFT, 0xaa02);
	}
	assert_int_equal(sum, E1000_NVM_SUM);
	rig_down(&r);
}

static uint16_t mii_read(struct rig *r, uint32_t reg)
{
	uint32_t val;

	rig_write(r, E1000_MDIC,
		  E1000_MDIC_OP_READ | E1000_PHY_ADDR << E1000_MDIC_PHY_SHIFT | reg << E1000_MDIC_REG_SHIFT);
	val = rig_read(r, E1000_MDIC);
	assert_true(val & E1000_MDIC_READY);
	assert_false(val & E1000_MDIC_ERROR);
	return (uint16_t)val;
}

static void autonegotiation_takes_its_time(void **state)
{
	struct rig r;

	rig_up(&r, "wire=none,link-delay=50");
	assert_int_equal(rig_version(&r), 0);
	rig_command(&r, PCI_COMMAND_MEMORY);
	rig_write(&r, E1000_CTRL, E1000_CTRL_SLU);
	rig_step(&r); /* the cable is plugged in */
	rig_pass(&r, 60 * NSEC_PER_MSEC);
	assert_true(rig_read(&r, E1000_STATUS) & E1000_STATUS_LU);
	assert_true(mii_read(&r, MII_BMSR) & MII_BMSR_AN_COMPLETE);
	assert_int_equal(mii_read(&r, MII_PHYSID1) << 16 | mii_read(&r, MII_PHYSID2), E1000_PHY_ID_82576);
	assert_true(rig_read(&r, E1000_ICR) & E1000_ICR_LSC);
	/* Restarted: down at once, and up again later. */
	rig_write(&r, E1000_MDIC,
		  E1000_MDIC_OP_WRITE | E1000_PHY_ADDR << E1000_MDIC_PHY_SHIFT |
			  MII_BMCR << E1000_MDIC_REG_SHIFT | MII_BMCR_AN_ENABLE | MII_BMCR_RESTART_AN);
	assert_false(rig_read(&r, E1000_STATUS) & E1000_STATUS_LU);
	rig_pass(&r, 49 * NSEC_PER_MSEC);
	assert_false(rig_read(&r, E1000_STATUS) & E1000_STATUS_LU);
	assert_int_equal(igb_next(&r.dev), r.now + NSEC_PER_MSEC);
	rig_pass(&r, NSEC_PER_MSEC);
	assert_true(rig_read(&r, E1000_STATUS) & E1000_STATUS_LU);
	assert_true(rig_read(&r, E1000_ICR) & E1000_ICR_LSC);
	/* Another PHY address answers with an error. */
	rig_write(&r, E1000_MDIC, E1000_MDIC_OP_READ | 2 << E1000_MDIC_PHY_SHIFT);
	assert_true(rig_read(&r, E1000_MDIC) & E1000_MDIC_ERROR);
	rig_down(&r);
}

static void faults_on_request(void **state)
{
	union e1000_adv_rx_desc *d;
	uint8_t frame[60];
	struct rig r;

	rig_up(&r, "wire=none,hostile-len=2");
	rig_start(&r, 1);
	rig_udp_frame(frame, 1, 1, 18);
	igb_rx(&r.dev, frame, 60);
	igb_rx(&r.dev, frame, 60);
	assert_int_equal(rig_rx_next(&r, 0)->wb.length, 60);
	assert_int_not_equal(rig_rx_next(&r, 0)->wb.length, 60);
	rig_down(&r);

	rig_up(&r, "wire=none,late-dd=100");
	rig_start(&r, 1);
	rig_write(&r, E1000_EIMS, 1);
	igb_rx(&r.dev, frame, 60);
	assert_int_equal(rig_fired(&r, 0), 1);
	assert_null(rig_rx_next(&r, 0));
	rig_write(&r, E1000_EIMS, 1);
	assert_int_equal(igb_next(&r.dev), r.now + 100 * NSEC_PER_USEC);
	rig_pass(&r, 100 * NSEC_PER_USEC);
	d = rig_rx_next(&r, 0);
	assert_non_null(d);
	assert_int_equal(d->wb.length, 60);
	assert_int_equal(rig_fired(&r, 0), 1);
	rig_down(&r);

	rig_up(&r, "wire=none,hung-queue=0,hung-after=3");
	rig_start(&r, 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(igb_rx(&r.dev, frame, 60), IGB_RX_TAKEN);
	assert_int_equal(igb_rx(&r.dev, frame, 60), IGB_RX_BUSY);
	rig_down(&r);

	rig_up(&r, "wire=none,remove-after=1");
	rig_start(&r, 1);
	igb_rx(&r.dev, frame, 60);
	rig_step(&r);
	assert_int_equal(rig_read(&r, E1000_STATUS), UINT32_MAX);
	rig_down(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_packet_loops_with_its_interrupt),
		cmocka_unit_test(only_rs_descriptors_are_written_back),
		cmocka_unit_test(wthresh_holds_write_back),
		cmocka_unit_test(a_packet_of_several_buffers),
		cmocka_unit_test(a_full_ring_waits_or_drops),
		cmocka_unit_test(the_packet_buffer_ends),
		cmocka_unit_test(checksum_verdicts),
		cmocka_unit_test(checksum_insertion),
		cmocka_unit_test(filters),
		cmocka_unit_test(rss_spreads_and_shows_its_hash),
		cmocka_unit_test(nothing_moves_without_permission),
		cmocka_unit_test(drivers_mistakes_are_told),
		cmocka_unit_test(dma_outside_is_a_fault),
		cmocka_unit_test(reset_gives_datasheet_defaults),
		cmocka_unit_test(eeprom_adds_up),
		cmocka_unit_test(autonegotiation_takes_its_time),
		cmocka_unit_test(faults_on_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
