/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames for testing GRO, made byte by byte. Checksums are the plainest code there is, not the library's. */
#ifndef UNAPI_TEST_GRO_FRAMES_H
#define UNAPI_TEST_GRO_FRAMES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/net/page_pool.h"
#include <unapi/netdev.h>

#include <string.h>

#define PSH	  0x08
#define FIN	  0x01
#define ACK	  0x10

/* Verdicts of the device. */
#define SUMS_GOOD (1u << 5 | 1u << 6)
#define IP_BAD	  (1u << 30)
#define L4_BAD	  (1u << 29)
#define VLAN_OFF  (1u << 3) /* the tag is in the record */

struct frame {
	bool ipv6, udp;
	unsigned int flow;	      /* tells addresses and ports */
	unsigned int tag;	      /* in the frame, 0 none */
	uint8_t mac;		      /* last byte of the source */
	uint8_t tos, ttl, flags, ext; /* @ext: an IPv6 extension header of this type in front */
	uint16_t id, frag, window;    /* @frag: the word with DF */
	uint32_t label, seq, ack;
	unsigned int ip_options;  /* bytes */
	unsigned int tcp_options; /* bytes, a multiple of 4 */
	uint8_t option;		  /* what they are filled with */
	unsigned int len;	  /* payload */
	unsigned int pad;	  /* the frame is at least so long */
	uint32_t status;
	uint16_t vlan;
	bool no_sum, bad_sum, bad_ip_sum;
	int udp_len_off, total_off; /* added to the length fields */
};

/* What most frames are; more is said behind it, and overrides it. */
#ifdef __clang__
#pragma GCC diagnostic ignored "-Winitializer-overrides"
#else
#pragma GCC diagnostic ignored "-Woverride-init"
#endif
#define FRAME .ttl = 64, .flags = ACK, .frag = 0x4000, .window = 512, .status = SUMS_GOOD, .len = 100

static inline void put16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static inline unsigned int get16(const uint8_t *p)
{
	return p[0] * 256u + p[1];
}

static inline uint32_t get32(const uint8_t *p)
{
	return get16(p) * 65536u + get16(p + 2);
}

/* RFC 1071, word by word. */
static inline unsigned int plain_sum(const uint8_t *p, unsigned int len, unsigned int sum)
{
	for (unsigned int i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : p[i] * 256u;
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	return sum;
}

/* Of the pseudo header, for @len bytes. */
static inline unsigned int plain_pseudo(const uint8_t *ip, unsigned int proto, unsigned int len)
{
	unsigned int sum = ip[0] >> 4 == 4 ? plain_sum(ip + 12, 8, 0) : plain_sum(ip + 8, 32, 0);
	uint8_t rest[4] = {0, (uint8_t)proto, (uint8_t)(len >> 8), (uint8_t)len};

	return plain_sum(rest, 4, sum);
}

/* The payload's byte at @seq of a stream. */
static inline uint8_t byte_at(unsigned int flow, uint32_t seq)
{
	return (uint8_t)((seq * 2654435761u >> 13) + flow);
}

/* Write the frame; its length. */
static inline unsigned int frame_write(const struct frame *f, uint8_t *d)
{
	unsigned int proto = f->udp ? 17 : 6, head = f->udp ? 8 : 20 + f->tcp_options, l4, sum, i;
	unsigned int l4_len = head + f->len, at = 14;
	uint8_t *ip;

	memset(d, 0, 14);
	d[0] = d[6] = 2;
	d[11] = f->mac;
	if (f->tag) {
		put16(d + 12, 0x8100);
		put16(d + 14, f->tag);
		at = 18;
	}
	put16(d + at - 2, f->ipv6 ? 0x86dd : 0x0800);
	ip = d + at;
	if (f->ipv6) {
		unsigned int ext = f->ext ? 8 : 0;

		memset(ip, 0, 48);
		put32(ip, 6u << 28 | (uint32_t)f->tos << 20 | f->label);
		put16(ip + 4, l4_len + ext + (unsigned int)f->total_off);
		ip[6] = f->ext ? f->ext : (uint8_t)proto;
		ip[7] = f->ttl;
		ip[8] = ip[24] = 0xfd;
		put16(ip + 22, f->flow);
		put16(ip + 38, f->flow + 1);
		if (ext)
			ip[40] = (uint8_t)proto;
		l4 = at + 40 + ext;
	} else {
		memset(ip, 1, 20 + f->ip_options);
		ip[0] = (uint8_t)(0x45 + f->ip_options / 4);
		ip[1] = f->tos;
		put16(ip + 2, 20 + f->ip_options + l4_len + (unsigned int)f->total_off);
		put16(ip + 4, f->id);
		put16(ip + 6, f->frag);
		ip[8] = f->ttl;
		ip[9] = (uint8_t)proto;
		put16(ip + 10, 0);
		put32(ip + 12, 0x0a000000 + f->flow);
		put32(ip + 16, 0x0a800000 + f->flow);
		put16(ip + 10, ~plain_sum(ip, 20 + f->ip_options, f->bad_ip_sum));
		l4 = at + 20 + f->ip_options;
	}
	memset(d + l4, 0, head);
	put16(d + l4, 1000 + f->flow);
	put16(d + l4 + 2, 80);
	if (f->udp) {
		put16(d + l4 + 4, l4_len + (unsigned int)f->udp_len_off);
	} else {
		put32(d + l4 + 4, f->seq);
		put32(d + l4 + 8, f->ack);
		d[l4 + 12] = (uint8_t)(head / 4 << 4);
		d[l4 + 13] = f->flags;
		put16(d + l4 + 14, f->window);
		memset(d + l4 + 20, f->option, f->tcp_options);
	}
	for (i = 0; i < f->len; i++)
		d[l4 + head + i] = byte_at(f->flow, f->seq + i);
	sum = plain_sum(d + l4, l4_len, plain_pseudo(ip, proto, l4_len)) + f->bad_sum;
	sum = ~sum & 0xffff;
	if (f->udp && !sum)
		sum = 0xffff;
	put16(d + l4 + (f->udp ? 6 : 16), f->no_sum ? 0 : sum);
	for (i = l4 + l4_len; i < f->pad; i++)
		d[i] = 0xee; /* padding that shows where it does not belong */
	return i;
}

/* Into a buffer, as the device would. */
static inline void frame_receive(const struct frame *f, struct unapi_pkt *p)
{
	p->len = (uint16_t)frame_write(f, unapi_pkt_data(p));
	p->status = f->status;
	p->vlan = f->vlan;
}

#endif
