/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Headers, from a frame that anybody may have sent: each length is checked before what it covers is read.
 * The order of the tests follows the layers; the last is the only one that may have to read the payload.
 */
#include "core/net/gro_parse.h"
#include <unapi/netdev.h>

#include <netinet/in.h>
#include <string.h>

#define ETHER_LEN  14
#define TAG_LEN	   4
#define MAX_TAGS   2
#define TYPE_IPV4  0x0800
#define TYPE_IPV6  0x86dd
#define TYPE_VLAN  0x8100 /* 802.1Q */
#define TYPE_SVLAN 0x88a8 /* 802.1ad */

#define IPV4_LEN   20
#define IPV4_DF	   0x4000
#define IPV6_LEN   40
#define TCP_LEN	   20
#define UDP_LEN	   8

uint16_t gro_sum(const uint8_t *p, unsigned int len, uint32_t start)
{
	uint64_t sum = 0, word;
	uint32_t last = 0;

	/* The sum of little-endian words is the sum of big-endian ones with its bytes exchanged (RFC 1071
	 * 2 (B)), and words of 32 bits fold into words of 16. */
	for (; len >= 8; len -= 8, p += 8) {
		memcpy(&word, p, sizeof(word));
		sum += (word & 0xffffffff) + (word >> 32);
	}
	if (len >= 4) {
		memcpy(&last, p, 4);
		sum += last;
		p += 4;
		len -= 4;
		last = 0;
	}
	memcpy(&last, p, len);
	sum += last;
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (uint64_t)__builtin_bswap16((uint16_t)sum) + (start & 0xffff) + (start >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

uint16_t gro_pseudo_sum(const struct gro_seg *s, unsigned int len)
{
	return gro_sum(gro_addrs(s), gro_addrs_len(s), s->proto + (len & 0xffff) + (len >> 16));
}

static uint32_t mix(uint32_t h, const uint8_t *p)
{
	uint32_t w;

	memcpy(&w, p, sizeof(w));
	return (h ^ w) * 0x9e3779b1u;
}

/* Buckets are chosen by its upper bits, to which every byte has come. */
static uint32_t hash_flow(const struct gro_seg *s)
{
	const uint8_t *addrs = gro_addrs(s);
	uint32_t h = mix(s->proto, s->frame + s->l4);

	for (unsigned int i = 0; i < gro_addrs_len(s); i += 4)
		h = mix(h ^ h >> 15, addrs + i);
	return h;
}

/* Bad, or covered by no verdict and bad. */
static bool l4_sum_bad(const struct unapi_pkt *p, const struct gro_seg *s)
{
	unsigned int len = s->data - s->l4 + s->len;

	if (unapi_pkt_l4_csum_checked(p))
		return unapi_pkt_l4_csum_bad(p);
	return gro_sum(s->frame + s->l4, len, gro_pseudo_sum(s, len)) != 0xffff;
}

/* @left: bytes from TCP's header on. */
static void parse_tcp(const struct unapi_pkt *p, struct gro_seg *s, unsigned int left)
{
	const uint8_t *tcp = s->frame + s->l4;
	unsigned int head;

	if (left < TCP_LEN)
		return;
	head = (tcp[12] >> 4) * 4u;
	if (head < TCP_LEN || head >= left) /* nothing to merge in what carries no data */
		return;
	if (tcp[13] & (GRO_TCP_SYN | GRO_TCP_RST | GRO_TCP_URG))
		return;
	s->data = (uint16_t)(s->l4 + head);
	s->len = (uint16_t)(left - head);
	if (!l4_sum_bad(p, s))
		s->kind = GRO_SEGMENT;
}

static void parse_udp(const struct unapi_pkt *p, struct gro_seg *s, unsigned int left)
{
	const uint8_t *udp = s->frame + s->l4;

	if (left <= UDP_LEN || gro_get16(udp + 4) != left)
		return;
	if (!gro_get16(udp + 6)) /* no checksum: there would be none to mark as good */
		return;
	s->data = (uint16_t)(s->l4 + UDP_LEN);
	s->len = (uint16_t)(left - UDP_LEN);
	if (!l4_sum_bad(p, s))
		s->kind = GRO_SEGMENT;
}

/* @left: bytes from the header of TCP or UDP on; @plain: nothing in IP forbids merging. */
static void parse_l4(const struct unapi_pkt *p, struct gro_seg *s, unsigned int left, bool plain)
{
	if (left < 4) {
		s->kind = GRO_OF_PAIR;
		return;
	}
	s->kind = GRO_ALONE;
	s->hash = hash_flow(s);
	if (!plain)
		return;
	if (s->proto == IPPROTO_TCP)
		parse_tcp(p, s, left);
	else
		parse_udp(p, s, left);
}

static bool wanted(uint8_t proto, unsigned int protocols)
{
	return (proto == IPPROTO_TCP && protocols & UNAPI_GRO_TCP) ||
	       (proto == IPPROTO_UDP && protocols & UNAPI_GRO_UDP);
}

static bool ipv4_sum_bad(const struct unapi_pkt *p, const uint8_t *ip)
{
	if (unapi_pkt_ip_csum_checked(p))
		return unapi_pkt_ip_csum_bad(p);
	return gro_sum(ip, IPV4_LEN, 0) != 0xffff;
}

/* @room: bytes there are from IP's header on. */
static void parse_ipv4(const struct unapi_pkt *p, unsigned int protocols, struct gro_seg *s,
		       unsigned int room)
{
	const uint8_t *ip = s->frame + s->l3;
	unsigned int head, total;
	bool plain;

	if (room < IPV4_LEN || ip[0] >> 4 != 4 || !wanted(ip[9], protocols))
		return;
	s->proto = ip[9];
	s->kind = GRO_OF_PAIR;
	head = (ip[0] & 15) * 4u;
	total = gro_get16(ip + 2);
	if (head < IPV4_LEN || total < head || total > room)
		return;
	if (gro_get16(ip + 6) & (uint16_t)~IPV4_DF) /* a fragment: only the first would have ports */
		return;
	s->l4 = (uint16_t)(s->l3 + head);
	plain = head == IPV4_LEN && !(p->flags & UNAPI_PKT_MORE) && !ipv4_sum_bad(p, ip);
	parse_l4(p, s, total - head, plain);
}

/* Headers behind which TCP or UDP may follow (RFC 8200 4.1, RFC 6275, 7401, 5533). */
static bool is_extension(uint8_t next)
{
	switch (next) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_FRAGMENT:
	case IPPROTO_AH:
	case IPPROTO_DSTOPTS:
	case IPPROTO_MH:
	case 139:
	case 140:
		return true;
	}
	return false;
}

static void parse_ipv6(const struct unapi_pkt *p, unsigned int protocols, struct gro_seg *s,
		       unsigned int room)
{
	const uint8_t *ip = s->frame + s->l3;
	unsigned int left;

	if (room < IPV6_LEN || ip[0] >> 4 != 6)
		return;
	s->ipv6 = true;
	s->proto = ip[6];
	if (is_extension(s->proto))
		s->kind = GRO_OF_PAIR;
	if (!wanted(s->proto, protocols))
		return;
	s->kind = GRO_OF_PAIR;
	left = gro_get16(ip + 4);
	if (left > room - IPV6_LEN)
		return;
	s->l4 = (uint16_t)(s->l3 + IPV6_LEN);
	parse_l4(p, s, left, !(p->flags & UNAPI_PKT_MORE));
}

void gro_parse(const struct unapi_pkt *p, unsigned int protocols, struct gro_seg *s)
{
	const uint8_t *frame = unapi_pkt_data(p);
	unsigned int at = ETHER_LEN, tags;
	uint16_t type;

	*s = (struct gro_seg){.frame = frame, .kind = GRO_OTHER};
	if (p->len < ETHER_LEN)
		return;
	type = gro_get16(frame + 12);
	for (tags = 0; tags < MAX_TAGS && (type == TYPE_VLAN || type == TYPE_SVLAN); tags++) {
		at += TAG_LEN;
		if (p->len < at)
			return;
		type = gro_get16(frame + at - 2);
	}
	s->l3 = (uint16_t)at;
	if (type == TYPE_IPV4)
		parse_ipv4(p, protocols, s, p->len - at);
	else if (type == TYPE_IPV6)
		parse_ipv6(p, protocols, s, p->len - at);
}
