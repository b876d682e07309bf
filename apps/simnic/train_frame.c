/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/simnic/train_frame.h"
#include "apps/simnic/packet.h"

/* IEEE 802: local experimental ethertype 1. */
#define ETHERTYPE_EXPERIMENTAL 0x88b5
#define TCP_HLEN	       20u
#define IPV4_HLEN	       20u
#define TCP_ACK		       0x10

static uint32_t eth_frame(uint8_t *f, uint32_t n)
{
	put_be16(f + 12, ETHERTYPE_EXPERIMENTAL);
	put_be32(f + ETH_HLEN, n);
	return ETH_MIN_FRAME;
}

/* No options, no PSH, the same acknowledgement and window in all, DF set: nothing keeps two apart. */
static uint32_t tcp_frame(uint8_t *f, uint32_t n)
{
	uint8_t *ip = f + ETH_HLEN, *tcp = ip + IPV4_HLEN;
	uint16_t segment = TCP_HLEN + TRAIN_TCP_PAYLOAD;
	struct packet_info i;

	put_be16(f + 12, 0x0800);
	ip[0] = 0x45;
	put_be16(ip + 2, (uint16_t)(IPV4_HLEN + segment));
	put_be16(ip + 4, (uint16_t)n);
	put_be16(ip + 6, 0x4000);
	ip[8] = 64;
	ip[9] = 6;
	put_be32(ip + 12, 0xc6120001); /* 198.18.0.0/15 is for benchmarks: RFC 2544 */
	put_be32(ip + 16, 0xc6130001);
	put_be16(ip + 10, (uint16_t)~csum_fold(csum_add(0, ip, IPV4_HLEN)));
	put_be16(tcp, 1024);
	put_be16(tcp + 2, 9);
	put_be32(tcp + 4, 1 + n * TRAIN_TCP_PAYLOAD);
	put_be32(tcp + 8, 1);
	tcp[12] = TCP_HLEN / 4 << 4;
	tcp[13] = TCP_ACK;
	put_be16(tcp + 14, 0xffff);
	for (uint32_t k = 0; k < TRAIN_TCP_PAYLOAD; k++)
		tcp[TCP_HLEN + k] = (uint8_t)(n + k);
	packet_parse(&i, f, ETH_HLEN + IPV4_HLEN + segment);
	put_be16(tcp + 16, (uint16_t)~csum_fold(csum_add(csum_pseudo(&i, f, ip[9], segment), tcp, segment)));
	return ETH_HLEN + IPV4_HLEN + segment;
}

uint32_t train_frame(uint8_t *f, enum train_kind kind, const uint8_t *mac, uint32_t n)
{
	memset(f, 0, TRAIN_FRAME_MAX);
	memcpy(f, mac, 6);
	memcpy(f + 6, "\x02\x00\x00\x00\x00\x01", 6);
	return kind == TRAIN_TCP ? tcp_frame(f, n) : eth_frame(f, n);
}
