/* SPDX-License-Identifier: BSD-3-Clause */
/* The headers that engines look into. Fields are big endian, and at any alignment. */
#ifndef TESTPMD_ETHER_H
#define TESTPMD_ETHER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unapi/packet.h>

#define ETHER_IPV4	0x0800
#define ETHER_ARP	0x0806
#define ETHER_VLAN	0x8100
#define IPPROTO_NR_ICMP 1
#define IPPROTO_NR_UDP	17

struct ether_head {
	uint8_t dst[6], src[6];
	uint16_t type;
} __attribute__((packed));

struct vlan_head {
	uint16_t tci, type;
} __attribute__((packed));

/* RFC 826, for Ethernet and IPv4. */
struct arp_packet {
	uint16_t hardware, protocol;
	uint8_t hardware_len, protocol_len;
	uint16_t operation;
	uint8_t sender_mac[6], sender_ip[4], target_mac[6], target_ip[4];
} __attribute__((packed));

/* RFC 791. */
struct ipv4_head {
	uint8_t version_ihl, tos;
	uint16_t total_len, id, frag_off;
	uint8_t ttl, protocol;
	uint16_t checksum;
	uint8_t src[4], dst[4];
} __attribute__((packed));

/* RFC 792. */
struct icmp_head {
	uint8_t type, code;
	uint16_t checksum;
} __attribute__((packed));

struct udp_head {
	uint16_t src, dst, len, checksum;
} __attribute__((packed));

/* The first record of the packet after the one that begins at @i. */
static inline unsigned int next_packet(const struct unapi_pkt *pkts, unsigned int i, unsigned int n)
{
	while (i < n && (pkts[i].flags & UNAPI_PKT_MORE))
		i++;
	return i + 1;
}

static inline void swap_bytes(void *a, void *b, size_t len)
{
	uint8_t keep[8];

	memcpy(keep, a, len);
	memcpy(a, b, len);
	memcpy(b, keep, len);
}

static inline void ether_swap(struct ether_head *eth)
{
	swap_bytes(eth->dst, eth->src, sizeof(eth->dst));
}

#endif
