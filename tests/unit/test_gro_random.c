/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random traffic through software GRO, and back: every super-packet is taken apart here, by rules of this
 * file, and each piece must be, byte by byte, the frame that came in the buffer it is in. Within a flow the
 * order is that of arrival, and each frame is there once.
 */
#include "tests/unit/gro_rig.h"

#include <stdlib.h>

#define FLOWS	 24
#define FRAMES	 3000
#define MAX_SIZE 400

struct came {
	uint32_t buf;
	unsigned int flow, len;
	bool seen;
	uint8_t bytes[MAX_SIZE];
};

static struct came came[FRAMES];
static unsigned int last[FLOWS]; /* the newest of each flow that came out */
static uint64_t seed;

static unsigned int below(unsigned int n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned int)(seed >> 33) % n;
}

static bool one_in(unsigned int n)
{
	return !below(n);
}

/* What goes on in a flow, from one frame to the next. */
static void next_frame(struct frame *f)
{
	bool late = one_in(40);

	f->seq += late ? below(300) : f->len;
	f->id = one_in(60) ? (uint16_t)below(65536) : (uint16_t)(f->id + (f->flow % 3 != 0));
	f->len = one_in(4) ? below(120) : 80;
	f->flags = ACK;
	if (one_in(10))
		f->flags |= one_in(8) ? FIN : PSH;
	if (one_in(60))
		f->flags |= (uint8_t)(1 << below(8));
	if (one_in(30))
		f->ack += 100;
	if (one_in(30))
		f->window = (uint16_t)below(4);
	if (one_in(30))
		f->option++;
	if (one_in(60))
		f->tcp_options = below(2) * 12;
	if (one_in(60))
		f->ttl = (uint8_t)below(3);
	f->status = one_in(2) ? SUMS_GOOD : 0;
	f->pad = one_in(2) ? 60 : 0;
	f->bad_sum = one_in(80);
	f->bad_ip_sum = one_in(80);
	f->ip_options = one_in(80) && !f->ipv6 ? 8 : 0;
	f->frag = one_in(80) ? (uint16_t)below(65536) : 0x4000;
	f->ext = one_in(80) ? 60 : 0;
	f->no_sum = f->udp && one_in(40);
	f->total_off = one_in(80) ? (int)below(9) - 4 : 0;
	if (f->bad_sum || f->bad_ip_sum || f->total_off)
		f->status = 0; /* the device would not have called these good */
}

static unsigned int index_of(uint32_t buf)
{
	unsigned int i = 0;

	while (came[i].buf != buf)
		i++;
	return i;
}

/* The frame that came in this buffer is here, and these are its bytes. */
static void piece(uint32_t buf, const uint8_t *bytes, unsigned int len)
{
	struct came *c = &came[index_of(buf)];

	assert_false(c->seen);
	c->seen = true;
	if (len > c->len || memcmp(c->bytes, bytes, len))
		fail_msg("frame %u of flow %u came out otherwise", (unsigned int)(c - came), c->flow);
	for (; len < c->len; len++) /* what is missing was no more than padding */
		assert_int_equal(c->bytes[len], 0xee);
	assert_true(c - came >= last[c->flow]);
	last[c->flow] = (unsigned int)(c - came);
}

/* Make segment @i of @n again: its bytes. */
static unsigned int segment(const struct unapi_pkt *p, unsigned int i, unsigned int n, uint8_t *d)
{
	unsigned int size = unapi_pkt_gro_size(p), heads = p->len - size, l3 = 14, l4, proto;
	unsigned int len = i ? p[i].len : size, l4_len, sum;
	bool udp;

	memcpy(d, unapi_pkt_data(p), heads);
	memcpy(d + heads, (uint8_t *)unapi_pkt_data(&p[i]) + (i ? 0 : heads), len);
	if (get16(d + 12) == 0x0800) {
		proto = d[l3 + 9];
		l4 = l3 + 20;
		put16(d + l3 + 2, heads - l3 + len);
		/* of its own buffer, where it is untouched, is known whether identifications count */
		put16(d + l3 + 4, get16(came[index_of(p[i].buf)].bytes + l3 + 4));
		assert_true(get16(d + l3 + 4) ==
				    ((get16((uint8_t *)unapi_pkt_data(p) + l3 + 4) + i) & 0xffff) ||
			    get16(d + l3 + 4) == get16((uint8_t *)unapi_pkt_data(p) + l3 + 4));
		put16(d + l3 + 10, 0);
		put16(d + l3 + 10, ~plain_sum(d + l3, 20, 0));
	} else {
		proto = d[l3 + 6];
		l4 = l3 + 40;
		put16(d + l3 + 4, heads - l4 + len);
	}
	udp = proto == 17;
	l4_len = heads - l4 + len;
	if (udp) {
		put16(d + l4 + 4, l4_len);
	} else {
		put32(d + l4 + 4, get32(d + l4 + 4) + i * size);
		if (i + 1 < n)
			d[l4 + 13] &= (uint8_t) ~(PSH | FIN);
	}
	put16(d + l4 + (udp ? 6 : 16), 0);
	sum = ~plain_sum(d + l4, l4_len, plain_pseudo(d + l3, proto, l4_len)) & 0xffff;
	put16(d + l4 + (udp ? 6 : 16), udp && !sum ? 0xffff : sum);
	return heads + len;
}

/* Take apart all that came out. */
static unsigned int check_out(struct rig *r)
{
	unsigned int at = 0, n, merged = 0;
	uint8_t d[MAX_SIZE];

	for (; at < r->n; at += n) {
		const struct unapi_pkt *p = &r->out[at];

		n = unapi_pkt_gro_segs(p);
		for (unsigned int i = 0; i < n; i++) {
			if (n == 1)
				piece(p->buf, unapi_pkt_data(p), p->len);
			else
				piece(p[i].buf, d, segment(p, i, n, d));
		}
		assert_false(p[n - 1].flags & UNAPI_PKT_MORE);
		assert_true(n <= UNAPI_MAX_FRAGS);
		merged += n > 1 ? n : 0;
	}
	rig_empty(r);
	return merged;
}

static unsigned int run(unsigned int with_seed)
{
	struct frame flows[FLOWS];
	unsigned int i, k, merged = 0;
	struct rig r;

	seed = with_seed;
	rig_open(&r, false);
	memset(last, 0, sizeof(last));
	for (i = 0; i < FLOWS; i++)
		flows[i] = (struct frame){FRAME,
					  .flow = i,
					  .ipv6 = i % 2,
					  .udp = i % 5 == 4,
					  .seq = below(~0u),
					  .id = (uint16_t)below(65536)};
	for (i = 0; i < FRAMES; i += k) {
		struct unapi_pkt pkts[32];
		unsigned int flow = 0;

		k = 1 + below(32);
		k = k < FRAMES - i ? k : FRAMES - i;
		assert_int_equal(unapi_pkt_alloc_bulk(r.pool, pkts, k), k);
		for (unsigned int j = 0; j < k; j++) {
			flow = one_in(3) ? below(FLOWS) : flow; /* trains */
			next_frame(&flows[flow]);
			frame_receive(&flows[flow], &pkts[j]);
			came[i + j] = (struct came){.buf = pkts[j].buf, .flow = flow, .len = pkts[j].len};
			memcpy(came[i + j].bytes, unapi_pkt_data(&pkts[j]), pkts[j].len);
		}
		gro_rx(r.g, pkts, NULL, k);
		rig_now += below(2) * NSEC_PER_MSEC;
		if (one_in(4))
			gro_flush(r.g, one_in(2));
	}
	gro_flush(r.g, false);
	/* Only now: a buffer's number stands for one frame. */
	merged = check_out(&r);
	for (i = 0; i < FRAMES; i++)
		assert_true(came[i].seen);
	rig_close(&r);
	return merged;
}

static void there_and_back(void **state)
{
	unsigned int merged = 0;

	for (unsigned int s = 1; s <= 60; s++)
		merged += run(s);
	/* It was about something. */
	assert_true(merged > 60 * FRAMES / 10);
}

/* Any bytes at all: nothing is read beyond the frame (as the address sanitizer tells), nothing lost. */
static void any_bytes(void **state)
{
	struct rig r;

	rig_open(&r, false);
	seed = 7;
	for (unsigned int i = 0; i < 200000; i++) {
		struct frame f = {FRAME, .ipv6 = one_in(2), .udp = one_in(2), .len = below(40), .status = 0};
		unsigned int changes = below(4);
		struct unapi_pkt p;
		uint8_t *d;

		assert_int_equal(unapi_pkt_alloc_bulk(r.pool, &p, 1), 1);
		frame_receive(&f, &p);
		d = unapi_pkt_data(&p);
		if (one_in(4))
			p.len = (uint16_t)below(p.len + 1u);
		/* at the end of the buffer, behind which another begins */
		p.off = (uint16_t)(PAGE_POOL_HEADROOM + PAGE_POOL_RX_SIZE - p.len);
		memmove(unapi_pkt_data(&p), d, p.len);
		d = unapi_pkt_data(&p);
		for (; changes && p.len; changes--)
			d[below(p.len)] = (uint8_t)below(256);
		gro_rx(r.g, &p, NULL, 1);
		rig_empty(&r);
	}
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
