/* SPDX-License-Identifier: BSD-3-Clause */
/* Registers, descriptors and bits of the Intel 82576, named as the datasheet names them and spelled with the
 * E1000_ prefix that readers of Intel drivers know. Only what the driver or the model uses. Facts: Intel
 * 82576EB datasheet, chapters 6.2 (EEPROM), 7.1 and 7.2 (descriptors), 7.3 (interrupts) and 8 (registers).
 * This header is all that driver and model share.
 */
#ifndef UNAPI_DRIVERS_IGB_REGS_H
#define UNAPI_DRIVERS_IGB_REGS_H

#include <stdint.h>

#define E1000_VENDOR_INTEL		 0x8086
#define E1000_DEV_ID_82576		 0x10C9
#define E1000_DEV_ID_82576_FIBER	 0x10E6
#define E1000_DEV_ID_82576_SERDES	 0x10E7
#define E1000_DEV_ID_82576_QUAD_COPPER	 0x10E8
#define E1000_DEV_ID_82576_NS		 0x150A
#define E1000_DEV_ID_82576_NS_SERDES	 0x1518
#define E1000_DEV_ID_82576_SERDES_QUAD	 0x150D
#define E1000_DEV_ID_82576_QUAD_ET2	 0x1526

#define E1000_BAR0_SIZE			 0x20000
#define E1000_MAX_QUEUES		 16
#define E1000_MAX_VECTORS		 25 /* EITR registers; the 82576's MSI-X table has 10 entries */
#define E1000_RAR_ENTRIES		 24

/* ---- General control, 8.2 */
#define E1000_CTRL			 0x00000
#define E1000_CTRL_FD			 0x00000001u
#define E1000_CTRL_GIO_MASTER_DISABLE	 0x00000004u
#define E1000_CTRL_SLU			 0x00000040u
#define E1000_CTRL_SPD_SEL		 0x00000300u
#define E1000_CTRL_FRCSPD		 0x00000800u
#define E1000_CTRL_FRCDPX		 0x00001000u
#define E1000_CTRL_RST			 0x04000000u
#define E1000_CTRL_RFCE			 0x08000000u
#define E1000_CTRL_TFCE			 0x10000000u
#define E1000_CTRL_VME			 0x40000000u
#define E1000_CTRL_PHY_RST		 0x80000000u

#define E1000_STATUS			 0x00008
#define E1000_STATUS_FD			 0x00000001u
#define E1000_STATUS_LU			 0x00000002u
#define E1000_STATUS_FUNC_MASK		 0x0000000Cu
#define E1000_STATUS_FUNC_SHIFT		 2
#define E1000_STATUS_TXOFF		 0x00000010u
#define E1000_STATUS_SPEED_MASK		 0x000000C0u
#define E1000_STATUS_SPEED_10		 0x00000000u
#define E1000_STATUS_SPEED_100		 0x00000040u
#define E1000_STATUS_SPEED_1000		 0x00000080u
#define E1000_STATUS_PHYRA		 0x00000400u /* PHY reset asserted; write 0 to clear */
#define E1000_STATUS_GIO_MASTER_ENABLE	 0x00080000u
#define E1000_STATUS_PF_RST_DONE	 0x00200000u

#define E1000_EECD			 0x00010
#define E1000_EECD_PRES			 0x00000100u
#define E1000_EECD_AUTO_RD		 0x00000200u

#define E1000_EERD			 0x00014
#define E1000_EERD_START		 0x00000001u
#define E1000_EERD_DONE			 0x00000002u
#define E1000_EERD_ADDR_SHIFT		 2
#define E1000_EERD_DATA_SHIFT		 16
#define E1000_NVM_WORDS			 0x40 /* the part covered by the checksum */
#define E1000_NVM_CHECKSUM_REG		 0x3F
#define E1000_NVM_SUM			 0xBABA /* words 0..0x3F add up to this */

#define E1000_CTRL_EXT			 0x00018
#define E1000_CTRL_EXT_PFRSTD		 0x00004000u
#define E1000_CTRL_EXT_NS_DIS		 0x00010000u
#define E1000_CTRL_EXT_RO_DIS		 0x00020000u
#define E1000_CTRL_EXT_LINK_MODE_MASK	 0x00C00000u
#define E1000_CTRL_EXT_EIAME		 0x01000000u
#define E1000_CTRL_EXT_IRCA		 0x00000001u
#define E1000_CTRL_EXT_DRV_LOAD		 0x10000000u

#define E1000_MDIC			 0x00020
#define E1000_MDIC_DATA_MASK		 0x0000FFFFu
#define E1000_MDIC_REG_SHIFT		 16
#define E1000_MDIC_REG_MASK		 0x001F0000u
#define E1000_MDIC_PHY_SHIFT		 21
#define E1000_MDIC_PHY_MASK		 0x03E00000u
#define E1000_MDIC_OP_WRITE		 0x04000000u
#define E1000_MDIC_OP_READ		 0x08000000u
#define E1000_MDIC_OP_MASK		 0x0C000000u
#define E1000_MDIC_READY		 0x10000000u
#define E1000_MDIC_INT_EN		 0x20000000u
#define E1000_MDIC_ERROR		 0x40000000u

#define E1000_FCAL			 0x00028
#define E1000_FCAH			 0x0002C
#define E1000_FCT			 0x00030
#define E1000_VET			 0x00038
#define E1000_FCTTV			 0x00170
#define E1000_FCRTL			 0x02160
#define E1000_FCRTH			 0x02168
#define E1000_FCRTV			 0x02460
#define E1000_LEDCTL			 0x00E00

/* Semaphores with firmware, 8.2.2x and 4.5 */
#define E1000_SWSM			 0x05B50
#define E1000_SWSM_SMBI			 0x00000001u
#define E1000_SWSM_SWESMBI		 0x00000002u
#define E1000_FWSM			 0x05B54
#define E1000_SW_FW_SYNC		 0x05B5C
#define E1000_SWFW_EEP_SM		 0x00000001u
#define E1000_SWFW_PHY0_SM		 0x00000002u
#define E1000_SWFW_PHY1_SM		 0x00000004u
#define E1000_SWFW_FW_SHIFT		 16 /* the firmware's copy of each bit */

/* ---- PHY registers over MDIC: IEEE 802.3 clause 22 and 40 */
#define E1000_PHY_ADDR			 1
#define E1000_PHY_ID_82576		 0x02A80391u /* registers 2 and 3 */
#define MII_BMCR			 0x00
#define MII_BMCR_SPEED_1000		 0x0040u
#define MII_BMCR_FULL_DUPLEX		 0x0100u
#define MII_BMCR_RESTART_AN		 0x0200u
#define MII_BMCR_POWER_DOWN		 0x0800u
#define MII_BMCR_AN_ENABLE		 0x1000u
#define MII_BMCR_SPEED_100		 0x2000u
#define MII_BMCR_LOOPBACK		 0x4000u
#define MII_BMCR_RESET			 0x8000u
#define MII_BMSR			 0x01
#define MII_BMSR_LINK_STATUS		 0x0004u /* latches low until read */
#define MII_BMSR_AN_CAPABLE		 0x0008u
#define MII_BMSR_AN_COMPLETE		 0x0020u
#define MII_BMSR_EXT_STATUS		 0x0100u
#define MII_PHYSID1			 0x02
#define MII_PHYSID2			 0x03
#define MII_ADVERTISE			 0x04
#define MII_LPA				 0x05
#define MII_AN_10_HALF			 0x0020u
#define MII_AN_10_FULL			 0x0040u
#define MII_AN_100_HALF			 0x0080u
#define MII_AN_100_FULL			 0x0100u
#define MII_AN_PAUSE			 0x0400u
#define MII_AN_PAUSE_ASYM		 0x0800u
#define MII_AN_ACK			 0x4000u
#define MII_EXPANSION			 0x06
#define MII_CTRL1000			 0x09
#define MII_CTRL1000_FULL		 0x0200u
#define MII_STAT1000			 0x0A
#define MII_STAT1000_LP_FULL		 0x0800u
#define MII_STAT1000_REMOTE_OK		 0x1000u
#define MII_STAT1000_LOCAL_OK		 0x2000u
#define MII_ESTATUS			 0x0F
#define MII_ESTATUS_1000_FULL		 0x2000u

/* ---- Interrupts, 8.8 and 7.3. The low aliases of ICR..IAM and the ones at 1500h are the same registers. */
#define E1000_ICR			 0x000C0
#define E1000_ICS			 0x000C8
#define E1000_IMS			 0x000D0
#define E1000_IMC			 0x000D8
#define E1000_IAM			 0x000E0
#define E1000_ICR_ALIAS			 0x01500
#define E1000_ICS_ALIAS			 0x01504
#define E1000_IMS_ALIAS			 0x01508
#define E1000_IMC_ALIAS			 0x0150C
#define E1000_IAM_ALIAS			 0x01510
#define E1000_ICR_TXDW			 0x00000001u
#define E1000_ICR_LSC			 0x00000004u
#define E1000_ICR_RXSEQ			 0x00000008u
#define E1000_ICR_RXDMT0		 0x00000010u
#define E1000_ICR_RXO			 0x00000040u /* "Rx Miss": a frame found no room */
#define E1000_ICR_RXDW			 0x00000080u
#define E1000_ICR_VMMB			 0x00000100u
#define E1000_ICR_DOUTSYNC		 0x10000000u
#define E1000_ICR_DRSTA			 0x40000000u
#define E1000_ICR_INT_ASSERTED		 0x80000000u

#define E1000_GPIE			 0x01514
#define E1000_GPIE_NSICR		 0x00000001u
#define E1000_GPIE_MULTIPLE_MSIX	 0x00000010u
#define E1000_GPIE_EIAME		 0x40000000u
#define E1000_GPIE_PBA_SUPPORT		 0x80000000u

#define E1000_EICS			 0x01520
#define E1000_EIMS			 0x01524
#define E1000_EIMC			 0x01528
#define E1000_EIAC			 0x0152C
#define E1000_EIAM			 0x01530
#define E1000_EICR			 0x01580
#define E1000_EICR_MSIX_MASK		 0x01FFFFFFu /* MSI-X mode: one bit for each vector */
#define E1000_EICR_RXTXQ_MASK		 0x0000FFFFu /* other modes: one bit for each of the 16 queue causes */
#define E1000_EICR_TCP_TIMER		 0x40000000u
#define E1000_EICR_OTHER		 0x80000000u

#define E1000_EITR(n)			 (0x01680 + 4 * (n))
#define E1000_EITR_INTERVAL_MASK	 0x00007FFCu /* bits 14:2, in microseconds: a value of us << 2 */
#define E1000_EITR_INTERVAL_SHIFT	 2
#define E1000_EITR_CNT_IGNR		 0x80000000u /* leave the running counter alone */

/* Row q & 7 of eight; the lower half for queues 0..7, the upper for 8..15; in each half rx first, then
 * tx. 8.8.13 */
#define E1000_IVAR(row)			 (0x01700 + 4 * (row))
#define E1000_IVAR_ROWS			 8
#define E1000_IVAR_ROW(q)		 ((q)&7)
#define E1000_IVAR_RX_SHIFT(q)		 (((q)&8) ? 16 : 0)
#define E1000_IVAR_TX_SHIFT(q)		 (((q)&8) ? 24 : 8)
#define E1000_IVAR_VALID		 0x80u
#define E1000_IVAR_VECTOR_MASK		 0x1Fu
#define E1000_IVAR_MISC			 0x01740
#define E1000_IVAR_MISC_TCP_SHIFT	 0
#define E1000_IVAR_MISC_OTHER_SHIFT	 8

/* ---- Receive, 8.10 */
#define E1000_RCTL			 0x00100
#define E1000_RCTL_EN			 0x00000002u
#define E1000_RCTL_SBP			 0x00000004u
#define E1000_RCTL_UPE			 0x00000008u
#define E1000_RCTL_MPE			 0x00000010u
#define E1000_RCTL_LPE			 0x00000020u
#define E1000_RCTL_LBM_MASK		 0x000000C0u
#define E1000_RCTL_LBM_MAC		 0x00000040u
#define E1000_RCTL_MO_SHIFT		 12
#define E1000_RCTL_MO_MASK		 0x00003000u
#define E1000_RCTL_BAM			 0x00008000u
#define E1000_RCTL_BSIZE_SHIFT		 16 /* 2048, 1024, 512, 256; used where SRRCTL.BSIZEPACKET is 0 */
#define E1000_RCTL_BSIZE_MASK		 0x00030000u
#define E1000_RCTL_VFE			 0x00040000u
#define E1000_RCTL_SECRC		 0x04000000u

/* Queue n < 4 has its block at the place of the older devices, the others behind C000h (rx) and E000h (tx);
 * the blocks behind C000h and E000h exist for queues 0..3 too, as aliases.
 */
#define E1000_RXQ(n, r)			 ((n) < 4 ? 0x02800 + 0x100 * (n) + (r) : 0x0C000 + 0x40 * (n) + (r))
#define E1000_TXQ(n, r)			 ((n) < 4 ? 0x03800 + 0x100 * (n) + (r) : 0x0E000 + 0x40 * (n) + (r))
#define E1000_Q_BAL			 0x00 /* offsets in a block */
#define E1000_Q_BAH			 0x04
#define E1000_Q_LEN			 0x08
#define E1000_Q_SRRCTL			 0x0C /* rx only */
#define E1000_Q_HEAD			 0x10
#define E1000_Q_DCA			 0x14
#define E1000_Q_TAIL			 0x18
#define E1000_Q_DCTL			 0x28
#define E1000_Q_RQDPC			 0x30 /* rx only */
#define E1000_Q_TDWBAL			 0x38 /* tx only */
#define E1000_Q_TDWBAH			 0x3C

#define E1000_RDBAL(n)			 E1000_RXQ(n, E1000_Q_BAL)
#define E1000_RDBAH(n)			 E1000_RXQ(n, E1000_Q_BAH)
#define E1000_RDLEN(n)			 E1000_RXQ(n, E1000_Q_LEN)
#define E1000_SRRCTL(n)			 E1000_RXQ(n, E1000_Q_SRRCTL)
#define E1000_RDH(n)			 E1000_RXQ(n, E1000_Q_HEAD)
#define E1000_DCA_RXCTRL(n)		 E1000_RXQ(n, E1000_Q_DCA)
#define E1000_RDT(n)			 E1000_RXQ(n, E1000_Q_TAIL)
#define E1000_RXDCTL(n)			 E1000_RXQ(n, E1000_Q_DCTL)
#define E1000_RQDPC(n)			 E1000_RXQ(n, E1000_Q_RQDPC)
#define E1000_RQDPC_MASK		 0x00000FFFu

#define E1000_TDBAL(n)			 E1000_TXQ(n, E1000_Q_BAL)
#define E1000_TDBAH(n)			 E1000_TXQ(n, E1000_Q_BAH)
#define E1000_TDLEN(n)			 E1000_TXQ(n, E1000_Q_LEN)
#define E1000_TDH(n)			 E1000_TXQ(n, E1000_Q_HEAD)
#define E1000_DCA_TXCTRL(n)		 E1000_TXQ(n, E1000_Q_DCA)
#define E1000_TDT(n)			 E1000_TXQ(n, E1000_Q_TAIL)
#define E1000_TXDCTL(n)			 E1000_TXQ(n, E1000_Q_DCTL)
#define E1000_TDWBAL(n)			 E1000_TXQ(n, E1000_Q_TDWBAL)
#define E1000_TDWBAH(n)			 E1000_TXQ(n, E1000_Q_TDWBAH)
#define E1000_TDWBAL_HEAD_WB_EN		 0x00000001u

#define E1000_RING_ALIGN		 128 /* bytes: base and length */
#define E1000_RING_MAX			 4096

#define E1000_SRRCTL_BSIZEPACKET_MASK	 0x0000007Fu /* KB */
#define E1000_SRRCTL_BSIZEHEADER_SHIFT	 8	     /* 64 bytes */
#define E1000_SRRCTL_BSIZEHEADER_MASK	 0x00000F00u
#define E1000_SRRCTL_RDMTS_SHIFT	 20 /* times 16 descriptors */
#define E1000_SRRCTL_RDMTS_MASK		 0x01F00000u
#define E1000_SRRCTL_DESCTYPE_MASK	 0x0E000000u
#define E1000_SRRCTL_DESCTYPE_ADV_ONEBUF 0x02000000u
#define E1000_SRRCTL_DROP_EN		 0x80000000u

#define E1000_DCTL_PTHRESH_SHIFT	 0 /* RXDCTL and TXDCTL */
#define E1000_DCTL_HTHRESH_SHIFT	 8
#define E1000_DCTL_WTHRESH_SHIFT	 16
#define E1000_DCTL_THRESH_MASK		 0x1Fu
#define E1000_RXDCTL_QUEUE_ENABLE	 0x02000000u
#define E1000_RXDCTL_SWFLUSH		 0x04000000u
#define E1000_TXDCTL_QUEUE_ENABLE	 0x02000000u
#define E1000_TXDCTL_SWFLUSH		 0x04000000u

#define E1000_RXPBS			 0x02404
#define E1000_RXPBS_DEFAULT		 0x00000040u /* KB */
#define E1000_QDE			 0x02408
#define E1000_RXCSUM			 0x05000
#define E1000_RXCSUM_IPOFLD		 0x00000100u
#define E1000_RXCSUM_TUOFLD		 0x00000200u
#define E1000_RXCSUM_CRCOFL		 0x00000800u
#define E1000_RXCSUM_PCSD		 0x00002000u /* RSS hash in place of the fragment checksum */
#define E1000_RLPML			 0x05004
#define E1000_RFCTL			 0x05008
#define E1000_RFCTL_IPV6_EX_DIS		 0x00010000u
#define E1000_RFCTL_LEF			 0x00040000u
#define E1000_PSRTYPE(n)		 (0x05480 + 4 * (n))

#define E1000_MTA(n)			 (0x05200 + 4 * (n))
#define E1000_MTA_ENTRIES		 128
#define E1000_RAL(n)			 ((n) < 16 ? 0x05400 + 8 * (n) : 0x054E0 + 8 * ((n)-16))
#define E1000_RAH(n)			 (E1000_RAL(n) + 4)
#define E1000_RAH_ADDR_MASK		 0x0000FFFFu
#define E1000_RAH_POOLSEL_SHIFT		 18
#define E1000_RAH_AV			 0x80000000u
#define E1000_VFTA(n)			 (0x05600 + 4 * (n))
#define E1000_VFTA_ENTRIES		 128
#define E1000_UTA(n)			 (0x0A000 + 4 * (n))
#define E1000_UTA_ENTRIES		 128

#define E1000_MRQC			 0x05818
#define E1000_MRQC_ENABLE_MASK		 0x00000007u
#define E1000_MRQC_ENABLE_NONE		 0x00000000u
#define E1000_MRQC_ENABLE_RSS		 0x00000002u /* queues by RSS alone */
#define E1000_MRQC_DEF_Q_SHIFT		 3
#define E1000_MRQC_RSS_FIELD_IPV4_TCP	 0x00010000u
#define E1000_MRQC_RSS_FIELD_IPV4	 0x00020000u
#define E1000_MRQC_RSS_FIELD_IPV6_TCP_EX 0x00040000u
#define E1000_MRQC_RSS_FIELD_IPV6_EX	 0x00080000u
#define E1000_MRQC_RSS_FIELD_IPV6	 0x00100000u
#define E1000_MRQC_RSS_FIELD_IPV6_TCP	 0x00200000u
#define E1000_MRQC_RSS_FIELD_IPV4_UDP	 0x00400000u
#define E1000_MRQC_RSS_FIELD_IPV6_UDP	 0x00800000u
#define E1000_MRQC_RSS_FIELD_IPV6_UDP_EX 0x01000000u
#define E1000_RETA(word)		 (0x05C00 + 4 * (word))
#define E1000_RETA_ENTRIES		 128 /* four a word, the lowest byte first */
#define E1000_RETA_QUEUE_MASK		 0x0Fu
#define E1000_RSSRK(word)		 (0x05C80 + 4 * (word))
#define E1000_RSSRK_WORDS		 10 /* 40 bytes, the lowest byte of each word first */

#define E1000_VT_CTL			 0x0581C
#define E1000_ETQF(n)			 (0x05CB0 + 4 * (n))
#define E1000_VMOLR(n)			 (0x05AD0 + 4 * (n))
#define E1000_VMOLR_POOLS		 8
#define E1000_VMOLR_RLPML_MASK		 0x00003FFFu
#define E1000_VMOLR_LPE			 0x00010000u
#define E1000_VMOLR_RSSE		 0x00020000u
#define E1000_VMOLR_AUPE		 0x01000000u
#define E1000_VMOLR_ROMPE		 0x02000000u
#define E1000_VMOLR_ROPE		 0x04000000u
#define E1000_VMOLR_BAM			 0x08000000u
#define E1000_VMOLR_MPME		 0x10000000u
#define E1000_VMOLR_STRVLAN		 0x40000000u
#define E1000_VMOLR_STRCRC		 0x80000000u

/* ---- Transmit, 8.12 */
#define E1000_TCTL			 0x00400
#define E1000_TCTL_EN			 0x00000002u
#define E1000_TCTL_PSP			 0x00000008u
#define E1000_TCTL_CT_SHIFT		 4
#define E1000_TCTL_CT_MASK		 0x00000FF0u
#define E1000_TCTL_COLD_SHIFT		 12
#define E1000_TCTL_RTLC			 0x01000000u
#define E1000_TCTL_EXT			 0x00404
#define E1000_TIPG			 0x00410
#define E1000_TIPG_DEFAULT		 0x00602006u
#define E1000_TXPBS			 0x03404
#define E1000_TXPBS_DEFAULT		 0x00000028u /* KB */
#define E1000_DTXSWC			 0x03500
#define E1000_DTXCTL			 0x03590
#define E1000_DTXCTL_8023LL		 0x00000004u
#define E1000_DTXCTL_VLAN_ADDED		 0x00000008u

/* ---- Counters, 8.18. All clear on read; of a 64-bit pair the high word clears both, so the low word is read
 * first. */
#define E1000_STATS_FIRST		 0x04000
#define E1000_STATS_LAST		 0x0413C
#define E1000_CRCERRS			 0x04000
#define E1000_ALGNERRC			 0x04004
#define E1000_SYMERRS			 0x04008
#define E1000_RXERRC			 0x0400C
#define E1000_MPC			 0x04010
#define E1000_SCC			 0x04014
#define E1000_ECOL			 0x04018
#define E1000_MCC			 0x0401C
#define E1000_LATECOL			 0x04020
#define E1000_COLC			 0x04028
#define E1000_DC			 0x04030
#define E1000_TNCRS			 0x04034
#define E1000_RLEC			 0x04040
#define E1000_XONRXC			 0x04048
#define E1000_XONTXC			 0x0404C
#define E1000_XOFFRXC			 0x04050
#define E1000_XOFFTXC			 0x04054
#define E1000_PRC64			 0x0405C
#define E1000_PRC127			 0x04060
#define E1000_PRC255			 0x04064
#define E1000_PRC511			 0x04068
#define E1000_PRC1023			 0x0406C
#define E1000_PRC1522			 0x04070
#define E1000_GPRC			 0x04074
#define E1000_BPRC			 0x04078
#define E1000_MPRC			 0x0407C
#define E1000_GPTC			 0x04080
#define E1000_GORCL			 0x04088
#define E1000_GORCH			 0x0408C
#define E1000_GOTCL			 0x04090
#define E1000_GOTCH			 0x04094
#define E1000_RNBC			 0x040A0
#define E1000_RUC			 0x040A4
#define E1000_RFC			 0x040A8
#define E1000_ROC			 0x040AC
#define E1000_RJC			 0x040B0
#define E1000_TORL			 0x040C0
#define E1000_TORH			 0x040C4
#define E1000_TOTL			 0x040C8
#define E1000_TOTH			 0x040CC
#define E1000_TPR			 0x040D0
#define E1000_TPT			 0x040D4
#define E1000_PTC64			 0x040D8
#define E1000_PTC127			 0x040DC
#define E1000_PTC255			 0x040E0
#define E1000_PTC511			 0x040E4
#define E1000_PTC1023			 0x040E8
#define E1000_PTC1522			 0x040EC
#define E1000_MPTC			 0x040F0
#define E1000_BPTC			 0x040F4
#define E1000_IAC			 0x04100
#define E1000_RPTHC			 0x04104
#define E1000_HGPTC			 0x04118
#define E1000_RXDMTC			 0x04120
#define E1000_HGORCL			 0x04128
#define E1000_HGORCH			 0x0412C
#define E1000_HGOTCL			 0x04130
#define E1000_HGOTCH			 0x04134
#define E1000_LENERRS			 0x04138

/* ---- Advanced receive descriptor, 7.1.5: what the driver writes, and what the device writes over it. Little
 * endian. */
union e1000_adv_rx_desc {
	struct {
		uint64_t pkt_addr;
		uint64_t hdr_addr; /* bit 0 reads back as DD: keep it clear */
	} read;
	struct {
		uint16_t pkt_info; /* RSS type 3:0, packet type 15:4 */
		uint16_t hdr_info; /* header length 14:5, SPH 15 */
		uint32_t rss;	   /* or IP id 15:0 and fragment checksum 31:16 where RXCSUM.PCSD is clear */
		uint32_t status_error;
		uint16_t length;
		uint16_t vlan;
	} wb;
};

#define E1000_RXD_STAT_DD		 0x00000001u
#define E1000_RXD_STAT_EOP		 0x00000002u
#define E1000_RXD_STAT_VP		 0x00000008u
#define E1000_RXD_STAT_UDPCS		 0x00000010u
#define E1000_RXD_STAT_L4CS		 0x00000020u
#define E1000_RXD_STAT_IPCS		 0x00000040u
#define E1000_RXD_STAT_PIF		 0x00000080u /* passed an inexact filter */
#define E1000_RXD_STAT_LB		 0x00040000u
#define E1000_RXDEXT_ERR_L4E		 0x20000000u
#define E1000_RXDEXT_ERR_IPE		 0x40000000u
#define E1000_RXDEXT_ERR_RXE		 0x80000000u
#define E1000_RXDADV_RSSTYPE_MASK	 0x000Fu
#define E1000_RXDADV_RSSTYPE_NONE	 0
#define E1000_RXDADV_RSSTYPE_IPV4_TCP	 1
#define E1000_RXDADV_RSSTYPE_IPV4	 2
#define E1000_RXDADV_RSSTYPE_IPV6_TCP	 3
#define E1000_RXDADV_RSSTYPE_IPV6_EX	 4
#define E1000_RXDADV_RSSTYPE_IPV6	 5
#define E1000_RXDADV_RSSTYPE_IPV6_TCP_EX 6
#define E1000_RXDADV_RSSTYPE_IPV4_UDP	 7
#define E1000_RXDADV_RSSTYPE_IPV6_UDP	 8
#define E1000_RXDADV_RSSTYPE_IPV6_UDP_EX 9
#define E1000_RXDADV_PKTTYPE_IPV4	 0x0010u
#define E1000_RXDADV_PKTTYPE_IPV4_EX	 0x0020u
#define E1000_RXDADV_PKTTYPE_IPV6	 0x0040u
#define E1000_RXDADV_PKTTYPE_IPV6_EX	 0x0080u
#define E1000_RXDADV_PKTTYPE_TCP	 0x0100u
#define E1000_RXDADV_PKTTYPE_UDP	 0x0200u
#define E1000_RXDADV_PKTTYPE_SCTP	 0x0400u

/* ---- Advanced transmit descriptors, 7.2.2.2 and 7.2.2.3 */
union e1000_adv_tx_desc {
	struct {
		uint64_t buffer_addr;
		uint32_t cmd_type_len;	/* length 15:0, DTYP 23:20, DCMD 31:24 */
		uint32_t olinfo_status; /* STA 3:0, IDX 6:4, CC 7, POPTS 13:8, PAYLEN 31:14 */
	} read;
	struct {
		uint64_t rsvd;
		uint32_t nxtseq_seed;
		uint32_t status;
	} wb;
	struct {
		uint32_t vlan_macip_lens; /* IPLEN 8:0, MACLEN 15:9, VLAN 31:16 */
		uint32_t seqnum_seed;
		uint32_t type_tucmd_mlhl;
		uint32_t mss_l4len_idx; /* IDX 6:4, L4LEN 15:8, MSS 31:16 */
	} ctxt;
};

#define E1000_TXD_STAT_DD	    0x00000001u
#define E1000_ADVTXD_DTALEN_MASK    0x0000FFFFu
#define E1000_ADVTXD_DTYP_MASK	    0x00F00000u
#define E1000_ADVTXD_DTYP_CTXT	    0x00200000u
#define E1000_ADVTXD_DTYP_DATA	    0x00300000u
#define E1000_ADVTXD_DCMD_EOP	    0x01000000u
#define E1000_ADVTXD_DCMD_IFCS	    0x02000000u
#define E1000_ADVTXD_DCMD_RS	    0x08000000u
#define E1000_ADVTXD_DCMD_DEXT	    0x20000000u
#define E1000_ADVTXD_DCMD_VLE	    0x40000000u
#define E1000_ADVTXD_DCMD_TSE	    0x80000000u
#define E1000_ADVTXD_IDX_SHIFT	    4
#define E1000_ADVTXD_CC		    0x00000080u
#define E1000_ADVTXD_POPTS_IXSM	    0x00000100u
#define E1000_ADVTXD_POPTS_TXSM	    0x00000200u
#define E1000_ADVTXD_PAYLEN_SHIFT   14
#define E1000_ADVTXD_MACLEN_SHIFT   9
#define E1000_ADVTXD_VLAN_SHIFT	    16
#define E1000_ADVTXD_TUCMD_IPV4	    0x00000400u
#define E1000_ADVTXD_TUCMD_L4T_MASK 0x00001800u
#define E1000_ADVTXD_TUCMD_L4T_UDP  0x00000000u
#define E1000_ADVTXD_TUCMD_L4T_TCP  0x00000800u
#define E1000_ADVTXD_TUCMD_L4T_SCTP 0x00001000u
#define E1000_ADVTXD_L4LEN_SHIFT    8
#define E1000_ADVTXD_MSS_SHIFT	    16

#endif
