/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/simnic/packet.h"

#define PROTO_TCP  6
#define PROTO_UDP  17
#define PROTO_SCTP 132

static enum l4_kind l4_of(uint8_t proto)
{
	return proto == PROTO_TCP    ? L4_TCP
	       : proto == PROTO_UDP  ? L4_UDP
	       : proto == PROTO_SCTP ? L4_SCTP
				     : L4_NONE;
}

static void parse_ipv4(struct packet_info *i, const uint8_t *ip, uint32_t left)
{
	uint32_t hlen, total;

	if (left < 20 || ip[0] >> 4 != 4)
		return;
	hlen = (ip[0] & 0xfu) * 4;
	total = get_be16(ip + 2);
	if (hlen < 20 || total < hlen || total > left)
		return;
	i->l3 = L3_IPV4;
	i->options = hlen > 20;
	i->ip_id = get_be16(ip + 4);
	i->fragment = get_be16(ip + 6) & 0x3fff; /* more fragments, or an offset */
	i->l4_at = (uint16_t)(i->l3_at + hlen);
	i->l4_len = (uint16_t)(total - hlen);
	if (!i->fragment)
		i->l4 = l4_of(ip[9]);
}

static void parse_ipv6(struct packet_info *i, const uint8_t *ip, uint32_t left)
{
	uint32_t total;

	if (left < 40 || ip[0] >> 4 != 6)
		return;
	total = get_be16(ip + 4);
	if (total > left - 40)
		return;
	i->l3 = L3_IPV6;
	i->l4_at = (uint16_t)(i->l3_at + 40);
	i->l4_len = (uint16_t)total;
	i->l4 = l4_of(ip[6]);
	i->options = i->l4 == L4_NONE && (ip[6] == 0 || ip[6] == 43 || ip[6] == 44 || ip[6] == 60);
}

void packet_parse(struct packet_info *i, const uint8_t *f, uint32_t len)
{
	uint32_t at = ETH_HLEN;
	uint16_t type;

	memset(i, 0, sizeof(*i));
	if (len < ETH_HLEN)
		return;
	type = get_be16(f + 12);
	if (type == 0x8100 && len >= ETH_HLEN + VLAN_HLEN) {
		i->vlan = true;
		i->vlan_tag = get_be16(f + 14);
		type = get_be16(f + 16);
		at += VLAN_HLEN;
	}
	i->l3_at = (uint16_t)at;
	if (type == 0x0800)
		parse_ipv4(i, f + at, len - at);
	else if (type == 0x86dd)
		parse_ipv6(i, f + at, len - at);
	/* A header that is cut off is no header. */
	if ((i->l4 == L4_TCP && i->l4_len < 20) || (i->l4 == L4_UDP && i->l4_len < 8) ||
	    (i->l4 == L4_SCTP && i->l4_len < 12))
		i->l4 = L4_NONE;
}

uint32_t csum_add(uint32_t sum, const uint8_t *p, uint32_t len)
{
	uint64_t wide = sum;

	for (; len >= 2; p += 2, len -= 2)
		wide += get_be16(p);
	if (len)
		wide += (uint32_t)(p[0] << 8);
	while (wide >> 32)
		wide = (wide & 0xffffffff) + (wide >> 32);
	return (uint32_t)wide;
}

uint16_t csum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

uint32_t csum_pseudo(const struct packet_info *i, const uint8_t *f, uint8_t proto, uint16_t len)
{
	uint32_t sum = (uint32_t)proto + len;

	if (i->l3 == L3_IPV4)
		return csum_add(sum, f + i->l3_at + 12, 8);
	return csum_add(sum, f + i->l3_at + 8, 32);
}

bool ip_csum_good(const struct packet_info *i, const uint8_t *f)
{
	return csum_fold(csum_add(0, f + i->l3_at, (uint32_t)i->l4_at - i->l3_at)) == 0xffff;
}

bool l4_csum_good(const struct packet_info *i, const uint8_t *f)
{
	uint8_t proto = i->l4 == L4_TCP ? PROTO_TCP : PROTO_UDP;
	uint32_t sum = csum_pseudo(i, f, proto, i->l4_len);

	return csum_fold(csum_add(sum, f + i->l4_at, i->l4_len)) == 0xffff;
}

uint32_t frame_crc32(const uint8_t *f, uint32_t len)
{
	uint32_t crc = ~0u;

	for (uint32_t i = 0; i < len; i++) {
		crc ^= f[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}
