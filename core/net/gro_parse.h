/* SPDX-License-Identifier: BSD-3-Clause */
/* What GRO needs to know of a received packet, read out of its headers once. */
#ifndef UNAPI_CORE_GRO_PARSE_H
#define UNAPI_CORE_GRO_PARSE_H

#include "core/base/compiler.h"
#include <unapi/packet.h>

enum gro_kind {
	GRO_OTHER,   /* of no flow that could be held */
	GRO_OF_PAIR, /* between two hosts, of a flow that its headers do not tell (fragments, extensions) */
	GRO_ALONE,   /* of a known flow, and never merged */
	GRO_SEGMENT, /* of a known flow, and may be merged */
};

/* Offsets are from the first byte of the frame. */
struct gro_seg {
	const uint8_t *frame;
	enum gro_kind kind;
	uint16_t l3, l4, data; /* where IP, TCP or UDP, and the payload begin */
	uint16_t len;	       /* of the payload, padding not included */
	uint8_t proto;	       /* IPPROTO_TCP or IPPROTO_UDP; from GRO_ALONE on */
	bool ipv6;
	uint32_t hash; /* of addresses, ports and protocol; from GRO_ALONE on */
};

/* TCP's flags, in the byte at offset 13 (RFC 9293 3.1). */
#define GRO_TCP_FIN 0x01
#define GRO_TCP_SYN 0x02
#define GRO_TCP_RST 0x04
#define GRO_TCP_PSH 0x08
#define GRO_TCP_URG 0x20

/* @p: the packet's first record. @protocols: UNAPI_GRO_*, others are GRO_OTHER. A checksum that the device
 * did not look at is verified here, in software, if nothing else forbids merging. */
void gro_parse(const struct unapi_pkt *p, unsigned int protocols, struct gro_seg *s);

/* Fields of headers, big endian and at any alignment. */
static inline uint16_t gro_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t gro_get32(const uint8_t *p)
{
	return (uint32_t)gro_get16(p) << 16 | gro_get16(p + 2);
}

static inline void gro_put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Where source and destination address are, one after the other, and how long both are. */
static inline const uint8_t *gro_addrs(const struct gro_seg *s)
{
	return s->frame + s->l3 + (s->ipv6 ? 8 : 12);
}

static inline unsigned int gro_addrs_len(const struct gro_seg *s)
{
	return s->ipv6 ? 32 : 8;
}

/* One's complement sum of @len bytes as big-endian words, added to @sum, folded to 16 bits (RFC 1071). */
uint16_t gro_sum(const uint8_t *p, unsigned int len, uint32_t sum);
/* The same of the pseudo header of a packet of @len bytes from TCP's or UDP's header on. */
uint16_t gro_pseudo_sum(const struct gro_seg *s, unsigned int len);

#endif
