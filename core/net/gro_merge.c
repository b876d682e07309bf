/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What may be merged, and the headers of the result. The rules are those of tcp_gro_receive(),
 * udp_gro_receive_segment(), inet_gro_flush() and ipv6_gro_flush() of Linux 7.2.
 */
#include "core/net/gro_merge.h"

#include <netinet/in.h>
#include <string.h>

#define STATUS_VP   (1u << 3)
#define STATUS_L4CS (1u << 5)
#define STATUS_IPCS (1u << 6)
#define STATUS_L4E  (1u << 29)
#define STATUS_IPE  (1u << 30)

#define TCP_LEN	    20u
#define IPV4_DF	    0x4000

bool gro_same_pair(const struct gro_packet *h, const struct gro_seg *s)
{
	return h->first.ipv6 == s->ipv6 && !memcmp(gro_addrs(&h->first), gro_addrs(s), gro_addrs_len(s));
}

static bool same_vlan(const struct unapi_pkt *a, const struct unapi_pkt *b)
{
	if ((a->status ^ b->status) & STATUS_VP)
		return false;
	return !(a->status & STATUS_VP) || a->vlan == b->vlan;
}

bool gro_same_flow(const struct gro_packet *h, const struct gro_seg *s, const struct unapi_pkt *p)
{
	const struct gro_seg *f = &h->first;

	return f->hash == s->hash && f->proto == s->proto && f->l3 == s->l3 && gro_same_pair(h, s) &&
	       !memcmp(f->frame + f->l4, s->frame + s->l4, 4) && !memcmp(f->frame, s->frame, s->l3) &&
	       same_vlan(&h->rec[0], p);
}

static uint8_t tcp_flags(const struct gro_seg *s)
{
	return s->frame[s->l4 + 13];
}

bool gro_may_begin(const struct gro_seg *s, const struct unapi_pkt *p)
{
	/* Its headers will have to be written. */
	if (p->flags & UNAPI_PKT_SHARED)
		return false;
	return s->proto == IPPROTO_UDP || !(tcp_flags(s) & (GRO_TCP_FIN | GRO_TCP_PSH));
}

static void put_record(struct gro_packet *h, const struct unapi_pkt *p, const struct unapi_rx_meta *meta)
{
	h->rec[h->count] = *p;
	if (meta)
		h->meta[h->count] = *meta;
	h->count++;
}

void gro_begin(struct gro_packet *h, const struct gro_seg *s, const struct unapi_pkt *p,
	       const struct unapi_rx_meta *meta, uint64_t now_ms)
{
	h->first = *s;
	h->since_ms = now_ms;
	h->bytes = s->data - s->l3 + s->len;
	h->count = 0;
	h->fixed_id = false;
	h->end_flags = 0;
	put_record(h, p, meta);
}

/* IPv4: all that a segmenter would repeat must be equal, and the identification either fixed or counting. */
static bool ipv4_fits(struct gro_packet *h, const struct gro_seg *s)
{
	const uint8_t *a = h->first.frame + h->first.l3, *b = s->frame + s->l3;
	uint16_t behind = (uint16_t)(gro_get16(b + 4) - gro_get16(a + 4));

	if (a[8] != b[8] || a[1] != b[1] || (gro_get16(a + 6) ^ gro_get16(b + 6)) & IPV4_DF)
		return false;
	if (h->count == 1)
		h->fixed_id = !behind;
	return behind == (h->fixed_id ? 0 : h->count);
}

/* IPv6: version, traffic class, flow label and hop limit. */
static bool ipv6_fits(const struct gro_packet *h, const struct gro_seg *s)
{
	const uint8_t *a = h->first.frame + h->first.l3, *b = s->frame + s->l3;

	return !memcmp(a, b, 4) && a[7] == b[7];
}

/* TCP: the next bytes of the stream, with the same acknowledgement, flags, window and options. */
static bool tcp_fits(const struct gro_packet *h, const struct gro_seg *s)
{
	const uint8_t *a = h->first.frame + h->first.l4, *b = s->frame + s->l4;
	unsigned int head = s->data - s->l4;
	uint32_t got = h->bytes - (h->first.data - h->first.l3);

	if (gro_get32(b + 4) != gro_get32(a + 4) + got || memcmp(a + 8, b + 8, 5))
		return false;
	if ((a[13] ^ b[13]) & (uint8_t) ~(GRO_TCP_FIN | GRO_TCP_PSH))
		return false;
	return !memcmp(a + 14, b + 14, 2) && !memcmp(a + TCP_LEN, b + TCP_LEN, head - TCP_LEN);
}

bool gro_fits(struct gro_packet *h, const struct gro_seg *s)
{
	if (h->count == UNAPI_MAX_FRAGS || h->bytes + s->len >= GRO_MAX_BYTES || s->len > h->first.len)
		return false;
	if (s->proto == IPPROTO_TCP && !tcp_fits(h, s))
		return false;
	return s->ipv6 ? ipv6_fits(h, s) : ipv4_fits(h, s);
}

void gro_add(struct gro_packet *h, const struct gro_seg *s, const struct unapi_pkt *p,
	     const struct unapi_rx_meta *meta)
{
	struct unapi_pkt *r = &h->rec[h->count];

	h->rec[h->count - 1].flags |= UNAPI_PKT_MORE;
	put_record(h, p, meta);
	r->off = (uint16_t)(r->off + s->data);
	r->len = s->len; /* without the padding of a short frame */
	h->bytes += s->len;
	if (s->proto == IPPROTO_TCP)
		h->end_flags = tcp_flags(s) & (GRO_TCP_FIN | GRO_TCP_PSH);
}

bool gro_is_last(const struct gro_packet *h, const struct gro_seg *s)
{
	return s->len < h->first.len || h->end_flags;
}

static void finish_ip(const struct gro_packet *h, uint8_t *ip)
{
	if (h->first.ipv6) {
		gro_put16(ip + 4, (uint16_t)(h->bytes - 40));
		return;
	}
	gro_put16(ip + 2, (uint16_t)h->bytes);
	gro_put16(ip + 10, 0);
	gro_put16(ip + 10, (uint16_t)~gro_sum(ip, 20, 0));
}

/* The checksum field gets what the device or software that computes the sum begins with. */
static void finish_l4(const struct gro_packet *h, uint8_t *l4)
{
	unsigned int len = h->bytes - (h->first.l4 - h->first.l3);
	uint16_t sum = gro_pseudo_sum(&h->first, len);

	if (h->first.proto == IPPROTO_TCP) {
		l4[13] |= h->end_flags;
		gro_put16(l4 + 16, sum);
	} else {
		gro_put16(l4 + 4, (uint16_t)len);
		gro_put16(l4 + 6, sum);
	}
}

void gro_finish(struct gro_packet *h)
{
	uint8_t *frame = (uint8_t *)unapi_pkt_data(&h->rec[0]);
	struct unapi_pkt *r = h->rec;

	if (h->count < 2)
		return;
	finish_ip(h, frame + h->first.l3);
	finish_l4(h, frame + h->first.l4);
	r[0].flags |= UNAPI_PKT_GRO;
	r[0].len = (uint16_t)(h->first.data + h->first.len);
	r[0].status &= ~(STATUS_L4E | STATUS_IPE);
	r[0].status |= STATUS_L4CS | (h->first.ipv6 ? 0 : STATUS_IPCS);
	r[1].vlan = h->first.len;
}
