/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * icmpecho: answers ARP requests and ICMP echo requests, whatever address they are for, out of the stream's
 * transmit queue; everything else is freed.
 */
#include <arpa/inet.h>
#include <stdbool.h>
#include <unapi/page_pool.h>

#include "ether.h"
#include "stream.h"

#define ARP_REQUEST	1
#define ARP_REPLY	2
#define ARP_ETHERNET	1
#define ICMP_ECHO_REPLY 0
#define ICMP_ECHO_ASK	8
#define IPV4_FRAGMENT	0x3fff /* more fragments, or an offset (RFC 791) */

static bool answer_arp(const struct stream *s, struct ether_head *eth, void *data, unsigned int len)
{
	struct arp_packet *arp = data;

	if (len < sizeof(*arp) || ntohs(arp->hardware) != ARP_ETHERNET ||
	    ntohs(arp->protocol) != ETHER_IPV4 || arp->hardware_len != 6 || arp->protocol_len != 4 ||
	    ntohs(arp->operation) != ARP_REQUEST)
		return false;
	arp->operation = htons(ARP_REPLY);
	memcpy(arp->target_mac, arp->sender_mac, 6);
	memcpy(arp->sender_mac, s->src, 6);
	swap_bytes(arp->sender_ip, arp->target_ip, 4);
	memcpy(eth->dst, eth->src, 6);
	memcpy(eth->src, s->src, 6);
	return true;
}

/* One's complement sum after a 16-bit word went down by @less (RFC 1624). */
static uint16_t checksum_less(uint16_t sum, uint16_t less)
{
	uint32_t wide = ntohs(sum) + (uint32_t)less;

	return htons((wide & 0xffff) + (wide >> 16));
}

static bool is_group(const uint8_t mac[6])
{
	return mac[0] & 1;
}

static bool answer_icmp(const struct stream *s, struct ether_head *eth, void *data, unsigned int len)
{
	struct ipv4_head *ip = data;
	struct icmp_head *icmp;
	unsigned int head;

	if (len < sizeof(*ip) || ip->version_ihl >> 4 != 4)
		return false;
	head = (ip->version_ihl & 15) * 4;
	if (head < sizeof(*ip) || len < head + sizeof(*icmp) || ntohs(ip->total_len) < head + sizeof(*icmp) ||
	    ip->protocol != IPPROTO_NR_ICMP || (ntohs(ip->frag_off) & IPV4_FRAGMENT))
		return false;
	icmp = (struct icmp_head *)((uint8_t *)data + head);
	/* An answer whose source would be a group address is none (RFC 1122 3.2.2.6 has hosts drop it). */
	if (icmp->type != ICMP_ECHO_ASK || icmp->code || is_group(eth->dst) || (ip->dst[0] & 0xf0) == 0xe0)
		return false;
	icmp->type = ICMP_ECHO_REPLY;
	icmp->checksum = checksum_less(icmp->checksum, ICMP_ECHO_ASK << 8);
	swap_bytes(ip->src, ip->dst, 4);
	ether_swap(eth);
	return true;
}

/* Turn the packet into its answer, in place. */
static bool answer(const struct stream *s, struct unapi_pkt *pkt)
{
	struct ether_head *eth = unapi_pkt_data(pkt);
	unsigned int at = sizeof(*eth);
	uint8_t *data = (uint8_t *)eth;
	uint16_t type;

	if (pkt->len < at)
		return false;
	type = ntohs(eth->type);
	if (type == ETHER_VLAN && pkt->len >= at + sizeof(struct vlan_head)) {
		type = ntohs(((struct vlan_head *)(data + at))->type);
		at += sizeof(struct vlan_head);
	}
	if (type == ETHER_ARP)
		return answer_arp(s, eth, data + at, pkt->len - at);
	if (type == ETHER_IPV4)
		return answer_icmp(s, eth, data + at, pkt->len - at);
	return false;
}

static void icmpecho_rx(struct stream *s, struct unapi_pkt *pkts, unsigned int n)
{
	unsigned int next, kept = 0;

	for (unsigned int i = 0; i < n; i = next) {
		next = next_packet(pkts, i, n);
		if (!answer(s, &pkts[i])) {
			unapi_pkt_free_bulk(&pkts[i], next - i);
			continue;
		}
		/* Answers move together at the front, to be sent in one burst. */
		memmove(&pkts[kept], &pkts[i], (next - i) * sizeof(*pkts));
		kept += next - i;
	}
	if (kept)
		stream_send(s, pkts, kept);
}

const struct fwd_engine fwd_icmpecho = {.name = "icmpecho", .rx = icmpecho_rx, .sends = true};
