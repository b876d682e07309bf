/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The advanced descriptors that the 82576 and the 82599 share (82576 datasheet 7.1.5 and 7.2.2, 82599
 * datasheet 7.1.6 and 7.2.3), as the data path uses them: two 64-bit words, little-endian.
 */
#ifndef UNAPI_DRIVERS_ADV_DESC_H
#define UNAPI_DRIVERS_ADV_DESC_H

#include <stdint.h>

struct adv_desc {
	uint64_t lo, hi;
};

/* Receive, written back: lo = packet type, header info, RSS hash; hi = status 31:0, length 47:32, VLAN 63:48.
 */
#define ADV_RXD_DD	     (1ULL << 0)
#define ADV_RXD_EOP	     (1ULL << 1)
#define ADV_RXD_RXE	     (1ULL << 31) /* the MAC found the frame bad */
#define ADV_RXD_LEN_SHIFT    32

/* Transmit, data: lo = address; hi = command 31:0 (length 15:0), options 63:32 (payload length 63:46). */
#define ADV_TXD_DATA	     (3ULL << 20)
#define ADV_TXD_CTXT	     (2ULL << 20)
#define ADV_TXD_EOP	     (1ULL << 24)
#define ADV_TXD_IFCS	     (1ULL << 25)
#define ADV_TXD_RS	     (1ULL << 27)
#define ADV_TXD_DEXT	     (1ULL << 29)
#define ADV_TXD_VLE	     (1ULL << 30)
#define ADV_TXD_PAYLEN_SHIFT 46
#define ADV_TXD_DD	     (1ULL << 32) /* written back */

/* Transmit, context: lo = VLAN 31:16, MACLEN 15:9, IPLEN 8:0; hi = command. */
#define ADV_TXC_VLAN_SHIFT   16
#define ADV_TXC_MACLEN_SHIFT 9

#endif
