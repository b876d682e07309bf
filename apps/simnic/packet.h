/* SPDX-License-Identifier: BSD-3-Clause */
/* What the MAC understands of a frame: enough for filters, RSS, checksums and VLAN tags. */
#ifndef SIMNIC_PACKET_H
#define SIMNIC_PACKET_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define ETH_HLEN      14u
#define ETH_FCS_LEN   4u
#define VLAN_HLEN     4u
#define ETH_MIN_FRAME 60u /* without FCS */
#define FRAME_MAX     9728u

enum l3_kind { L3_NONE, L3_IPV4, L3_IPV6 };
enum l4_kind { L4_NONE, L4_TCP, L4_UDP, L4_SCTP };

struct packet_info {
	enum l3_kind l3;
	enum l4_kind l4; /* L4_NONE for fragments */
	bool vlan;
	bool fragment, options;
	uint16_t vlan_tag;
	uint16_t l3_at, l4_at; /* offsets */
	uint16_t l4_len;       /* bytes of the layer 4 datagram */
	uint16_t ip_id;
};

static inline uint16_t get_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline void put_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put_be32(uint8_t *p, uint32_t v)
{
	put_be16(p, (uint16_t)(v >> 16));
	put_be16(p + 2, (uint16_t)v);
}

void packet_parse(struct packet_info *i, const uint8_t *f, uint32_t len);

/* The one's complement sum of @len bytes, added to @sum (big-endian words). */
uint32_t csum_add(uint32_t sum, const uint8_t *p, uint32_t len);
uint16_t csum_fold(uint32_t sum);

/* The sum of the pseudo header, for @proto. */
uint32_t csum_pseudo(const struct packet_info *i, const uint8_t *f, uint8_t proto, uint16_t len);

bool ip_csum_good(const struct packet_info *i, const uint8_t *f);
bool l4_csum_good(const struct packet_info *i, const uint8_t *f);

/* The Ethernet FCS, in the order it has on the wire when stored little-endian. */
uint32_t frame_crc32(const uint8_t *f, uint32_t len);

#endif
