/* SPDX-License-Identifier: BSD-3-Clause */
/* Software GRO: what is merged, what is not and in which order it leaves, limits. */
#include "tests/unit/gro_rig.h"

#include "core/net/gro_merge.h"

/* Three segments, the last of them short: one packet, its headers as a host would have sent it. */
static void check_merged(struct frame f, unsigned int heads)
{
	unsigned int l4 = heads - (f.udp ? 8 : 20 + f.tcp_options), sum, i;
	unsigned int l3 = l4 - (f.ipv6 ? 40 : 20), total = 250, at = 0;
	const uint8_t *d;
	struct rig r;

	rig_open(&r, false);
	f.seq = 0xffffff80; /* wraps on the way */
	f.id = 0xfffe;
	for (i = 0; i < 3; i++, f.seq += 100, f.id++) {
		assert_int_equal(r.n, 0);
		f.len = i < 2 ? 100 : 50;
		rig_frame(&r, &f);
	}
	assert_false(gro_held(r.g));
	assert_int_equal(r.n, 3);
	assert_int_equal(r.calls, 1);
	assert_int_equal(r.out[0].flags, UNAPI_PKT_GRO | UNAPI_PKT_MORE);
	assert_int_equal(r.out[1].flags, UNAPI_PKT_MORE);
	assert_int_equal(r.out[2].flags, 0);
	assert_int_equal(unapi_pkt_gro_size(&r.out[0]), 100);
	assert_int_equal(unapi_pkt_gro_segs(&r.out[0]), 3);
	assert_int_equal(r.out[0].len, heads + 100);
	assert_int_equal(r.out[1].len, 100);
	assert_int_equal(r.out[2].len, 50);
	assert_true(unapi_pkt_l4_csum_checked(&r.out[0]));
	assert_false(unapi_pkt_l4_csum_bad(&r.out[0]));
	assert_true(f.ipv6 || unapi_pkt_ip_csum_checked(&r.out[0]));
	assert_int_equal(r.out[0].vlan, f.vlan);

	d = unapi_pkt_data(&r.out[0]);
	if (f.ipv6) {
		assert_int_equal(get16(d + l3 + 4), heads - l4 + total);
	} else {
		assert_int_equal(get16(d + l3 + 2), heads - l3 + total);
		assert_int_equal(get16(d + l3 + 4), 0xfffe);
		assert_int_equal(plain_sum(d + l3, 20, 0), 0xffff);
	}
	if (f.udp)
		assert_int_equal(get16(d + l4 + 4), 8 + total);
	else
		assert_int_equal(get32(d + l4 + 4), 0xffffff80);
	sum = plain_pseudo(d + l3, f.udp ? 17 : 6, heads - l4 + total);
	assert_int_equal(get16(d + l4 + (f.udp ? 6 : 16)), sum);
	for (i = 0; i < 3; i++) {
		const uint8_t *data = unapi_pkt_data(&r.out[i]);

		for (unsigned int k = i ? 0 : heads; k < r.out[i].len; k++, at++)
			assert_int_equal(data[k], byte_at(f.flow, 0xffffff80 + at));
	}
	assert_int_equal(at, total);
	assert_int_equal(r.q.stats.gro_packets, 1);
	assert_int_equal(r.q.stats.gro_wire_packets, 3);
	rig_close(&r);
}

static void merges(void **state)
{
	check_merged((struct frame){FRAME}, 54);
	check_merged((struct frame){FRAME, .tcp_options = 12, .option = 1}, 66);
	check_merged((struct frame){FRAME, .ipv6 = true, .label = 5, .tos = 3}, 74);
	check_merged((struct frame){FRAME, .tag = 100}, 58);
	check_merged((struct frame){FRAME, .status = SUMS_GOOD | VLAN_OFF, .vlan = 100}, 54);
	/* the payload does not go on where UDP left off, but for the test it does */
	check_merged((struct frame){FRAME, .udp = true}, 42);
	check_merged((struct frame){FRAME, .udp = true, .ipv6 = true}, 62);
	/* no verdict of the device: verified here */
	check_merged((struct frame){FRAME, .status = 0}, 54);
	check_merged((struct frame){FRAME, .status = 0, .ipv6 = true, .udp = true}, 62);
}

/* The second frame is not part of the first, which leaves before it. */
static void not_merged_as(struct frame a, struct frame b, bool held_then, const char *why, int line)
{
	uint8_t before[2][256];
	unsigned int len[2];
	uint32_t buf[2];
	struct rig r;

	rig_open(&r, false);
	len[0] = frame_write(&a, before[0]);
	len[1] = frame_write(&b, before[1]);
	buf[0] = rig_frame(&r, &a);
	assert_int_equal(r.n, 0);
	buf[1] = rig_frame(&r, &b);
	if (r.n != (held_then ? 1 : 2) || gro_held(r.g) != held_then)
		fail_msg("line %d: %s: %u records came out, something is held: %d", line, why, r.n,
			 gro_held(r.g));
	gro_flush(r.g, false);
	assert_int_equal(r.n, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(r.out[i].buf, buf[i]);
		assert_int_equal(r.out[i].flags, 0);
		assert_int_equal(r.out[i].len, len[i]); /* untouched, as it came */
		assert_memory_equal(unapi_pkt_data(&r.out[i]), before[i], len[i]);
	}
	assert_int_equal(r.q.stats.gro_packets, 0);
	rig_close(&r);
}

/* Both frames, the second with what is given; then the same the other way round where that is a reason too.
 */
#define AFTER(held_then, why, ...)                                 \
	not_merged_as((struct frame){FRAME, .seq = 1000, .id = 7}, \
		      (struct frame){FRAME, .seq = 1100, .id = 8, __VA_ARGS__}, held_then, why, __LINE__)
#define AFTER6(held_then, why, ...)                                                                  \
	not_merged_as((struct frame){FRAME, .ipv6 = true, .seq = 1000},                              \
		      (struct frame){FRAME, .ipv6 = true, .seq = 1100, __VA_ARGS__}, held_then, why, \
		      __LINE__)
#define AFTER_UDP(held_then, why, ...)                             \
	not_merged_as((struct frame){FRAME, .udp = true, .id = 7}, \
		      (struct frame){FRAME, .udp = true, .id = 8, __VA_ARGS__}, held_then, why, __LINE__)

static void reasons_tcp(void **state)
{
	AFTER(true, "a gap", .seq = 1101);
	AFTER(true, "again", .seq = 1000);
	AFTER(true, "acknowledges more", .ack = 1);
	AFTER(true, "acknowledges much more", .ack = 1u << 24);
	AFTER(true, "window", .window = 511);
	AFTER(true, "longer", .len = 101);
	AFTER(true, "congestion experienced", .flags = ACK | 0x40);
	AFTER(true, "window reduced", .flags = ACK | 0x80);
	AFTER(true, "no options before", .tcp_options = 12);
	AFTER(true, "time to live", .ttl = 63);
	AFTER(true, "type of service", .tos = 2);
	AFTER(true, "may be fragmented", .frag = 0);
	AFTER(true, "identification jumps", .id = 9);
	AFTER(false, "nothing but an acknowledgement", .len = 0);
	AFTER(false, "SYN", .flags = ACK | 2);
	AFTER(false, "RST", .flags = ACK | 4);
	AFTER(false, "URG", .flags = ACK | 0x20);
	AFTER(false, "pushes, and does not follow", .seq = 1101, .flags = ACK | PSH);
	AFTER(false, "ends, and does not follow", .seq = 1101, .flags = ACK | FIN);
	AFTER(false, "more fragments", .frag = 0x2000);
	AFTER(false, "a later fragment", .frag = 5);
	AFTER(false, "reserved bit of IPv4", .frag = 0xc000);
	AFTER(false, "IPv4 options", .ip_options = 4);
	AFTER(false, "longer than the frame", .total_off = 1);
	AFTER(false, "checksum, by the device", .status = SUMS_GOOD | L4_BAD);
	AFTER(false, "IPv4's checksum, by the device", .status = SUMS_GOOD | IP_BAD);
	AFTER(false, "checksum, in software", .status = 1u << 6, .bad_sum = true);
	AFTER(false, "IPv4's checksum, in software", .status = 1u << 5, .bad_ip_sum = true);
	not_merged_as((struct frame){FRAME, .tcp_options = 12, .option = 1, .seq = 0, .id = 7},
		      (struct frame){FRAME, .tcp_options = 12, .option = 2, .seq = 100, .id = 8}, true,
		      "another time stamp", __LINE__);
}

static void reasons_ipv6_and_udp(void **state)
{
	AFTER6(true, "hop limit", .ttl = 63);
	AFTER6(true, "traffic class", .tos = 2);
	AFTER6(true, "flow label", .label = 1);
	AFTER6(false, "destination options", .ext = 60);
	AFTER6(false, "a fragment", .ext = 44);
	AFTER6(false, "longer than the frame", .total_off = 1);
	AFTER6(false, "checksum, in software", .status = 0, .bad_sum = true);
	AFTER_UDP(true, "longer", .len = 101);
	AFTER_UDP(true, "time to live", .ttl = 63);
	AFTER_UDP(true, "identification jumps", .id = 9);
	AFTER_UDP(false, "no checksum", .no_sum = true);
	AFTER_UDP(false, "its length is not IP's", .udp_len_off = -1);
	AFTER_UDP(false, "no data", .len = 0);
	AFTER_UDP(false, "checksum, in software", .status = 0, .bad_sum = true);
}

/* Another flow neither joins nor pushes out what is held. */
static void other_flow(struct frame b)
{
	struct frame a = {FRAME, .seq = 1000, .id = 7};
	uint32_t buf[2];
	struct rig r;

	rig_open(&r, false);
	buf[0] = rig_frame(&r, &a);
	rig_frame(&r, &b);
	assert_int_equal(r.n, 0);
	a.seq += 100;
	a.id++;
	a.flags |= PSH;
	buf[1] = rig_frame(&r, &a); /* the first is still there to be joined */
	assert_int_equal(r.n, 2);
	assert_int_equal(r.out[0].buf, buf[0]);
	assert_int_equal(r.out[1].buf, buf[1]);
	assert_true(gro_held(r.g));
	rig_close(&r);
}

static void other_flows(void **state)
{
	other_flow((struct frame){FRAME, .seq = 1100, .id = 8, .flow = 1});
	other_flow((struct frame){FRAME, .seq = 1100, .id = 8, .udp = true});
	other_flow((struct frame){FRAME, .seq = 1100, .id = 8, .ipv6 = true});
	other_flow((struct frame){FRAME, .seq = 1100, .id = 8, .mac = 1});
	other_flow((struct frame){FRAME, .seq = 1100, .id = 8, .tag = 1});
	other_flow((struct frame){FRAME, .seq = 1100, .id = 8, .status = SUMS_GOOD | VLAN_OFF, .vlan = 1});
}

/* What is no IP, or no whole header, passes at once and disturbs nothing. */
static void passes_the_rest(void **state)
{
	struct frame f = {FRAME};
	struct unapi_pkt p;
	unsigned int len;
	uint8_t *d;
	struct rig r;

	rig_open(&r, false);
	rig_frame(&r, &f);
	for (len = 0; len < 34; len++) { /* cut, in front of IPv4's end */
		assert_int_equal(unapi_pkt_alloc_bulk(r.pool, &p, 1), 1);
		frame_receive(&f, &p);
		p.len = (uint16_t)len;
		gro_rx(r.g, &p, NULL, 1);
		assert_int_equal(r.n, 1);
		assert_true(gro_held(r.g));
		rig_empty(&r);
	}
	assert_int_equal(unapi_pkt_alloc_bulk(r.pool, &p, 1), 1);
	frame_receive(&f, &p);
	d = unapi_pkt_data(&p);
	put16(d + 12, 0x0806);
	gro_rx(r.g, &p, NULL, 1);
	assert_int_equal(r.n, 1);
	assert_true(gro_held(r.g));
	rig_close(&r);
}

static void ends(void **state)
{
	static const uint8_t end[] = {PSH, FIN, PSH | FIN};
	struct rig r;

	rig_open(&r, false);
	for (unsigned int i = 0; i < 3; i++) {
		struct frame f = {FRAME, .id = 1};

		rig_frame(&r, &f);
		f.seq = 100;
		f.id = 2;
		f.flags = ACK | end[i];
		rig_frame(&r, &f);
		assert_false(gro_held(r.g));
		assert_int_equal(r.n, 2);
		assert_true(r.out[0].flags & UNAPI_PKT_GRO);
		assert_int_equal(((uint8_t *)unapi_pkt_data(&r.out[0]))[14 + 20 + 13], ACK | end[i]);
		rig_empty(&r);
		rig_frame(&r, &f); /* and by itself it is not kept */
		assert_int_equal(r.n, 1);
		rig_empty(&r);
	}
	rig_close(&r);
}

/* Identifications count, or stay, whichever the second frame shows; not both. */
static void identifications(void **state)
{
	static const struct {
		uint16_t id[3];
		unsigned int out; /* records that the third frame pushed out */
	} tests[] = {
		{{5, 6, 7}, 0}, {{5, 5, 5}, 0}, {{0xffff, 0, 1}, 0}, {{5, 6, 6}, 2},
		{{5, 5, 6}, 2}, {{5, 6, 8}, 2}, {{5, 4, 3}, 1},
	};
	struct rig r;

	rig_open(&r, false);
	for (unsigned int t = 0; t < ARRAY_SIZE(tests); t++) {
		struct frame f = {FRAME};

		for (int i = 0; i < 3; i++, f.seq += 100) {
			rig_empty(&r);
			f.id = tests[t].id[i];
			rig_frame(&r, &f);
		}
		assert_int_equal(r.n, tests[t].out);
		gro_flush(r.g, false);
		rig_empty(&r);
	}
	rig_close(&r);
}

static void at_most_17_records(void **state)
{
	struct frame f = {FRAME, .len = 1400};
	struct rig r;

	rig_open(&r, false);
	for (int i = 0; i < 18; i++, f.seq += f.len, f.id++) {
		assert_int_equal(r.n, 0);
		rig_frame(&r, &f);
	}
	assert_int_equal(r.n, UNAPI_MAX_FRAGS);
	assert_int_equal(unapi_pkt_gro_segs(&r.out[0]), UNAPI_MAX_FRAGS);
	assert_true(gro_held(r.g)); /* the 18th */
	rig_close(&r);
}

/* Buffers are too small for that: with a packet that is said to be longer than it is. */
static void below_64_kilobytes(void **state)
{
	struct frame f = {FRAME, .len = 1400};
	struct unapi_pkt p[2];
	struct gro_seg s[2];
	struct gro_packet h;
	struct rig r;

	rig_open(&r, false);
	assert_int_equal(unapi_pkt_alloc_bulk(r.pool, p, 2), 2);
	frame_receive(&f, &p[0]);
	gro_parse(&p[0], UNAPI_GRO_TCP, &s[0]);
	gro_begin(&h, &s[0], &p[0], NULL, 0);
	assert_int_equal(h.bytes, 1440);
	for (h.bytes = 65535 - 1400; h.bytes <= 65536 - 1400; h.bytes++) {
		f.seq = h.bytes - 40;
		f.id = 1;
		frame_receive(&f, &p[1]);
		gro_parse(&p[1], UNAPI_GRO_TCP, &s[1]);
		assert_int_equal(gro_fits(&h, &s[1]), h.bytes + 1400 == 65535);
	}
	unapi_pkt_free_bulk(p, 2);
	rig_close(&r);
}

static uint32_t hash_of(struct rig *r, const struct frame *f)
{
	struct unapi_pkt p;
	struct gro_seg s;

	assert_int_equal(unapi_pkt_alloc_bulk(r->pool, &p, 1), 1);
	frame_receive(f, &p);
	gro_parse(&p, UNAPI_GRO_TCP, &s);
	unapi_pkt_free_bulk(&p, 1);
	return s.hash;
}

/* Flows spread over the buckets, and the ninth of one pushes out the oldest there, wherever it stands. */
static void eight_in_a_bucket(void **state)
{
	unsigned int in_bucket[GRO_BUCKETS] = {0}, flow, held = 0;
	struct frame f = {FRAME};
	uint32_t buf[9], first;
	struct rig r;

	rig_open(&r, false);
	for (flow = 0; flow < 4096; flow++) {
		f.flow = flow;
		in_bucket[hash_of(&r, &f) >> 29]++;
	}
	for (unsigned int b = 0; b < GRO_BUCKETS; b++)
		assert_in_range(in_bucket[b], 4096 / GRO_BUCKETS / 2, 4096 / GRO_BUCKETS * 2);

	f.flow = 0;
	first = hash_of(&r, &f) >> 29;
	for (flow = 0; held < 9; flow++) {
		f.flow = flow;
		if (hash_of(&r, &f) >> 29 != first)
			continue;
		assert_int_equal(r.n, 0);
		if (held == 3) { /* its second segment does not make a flow younger */
			struct frame again = {FRAME, .seq = 100, .id = 1};

			rig_frame(&r, &again);
			assert_int_equal(r.n, 0);
		}
		buf[held++] = rig_frame(&r, &f);
	}
	assert_int_equal(r.n, 2);
	assert_int_equal(r.out[0].buf, buf[0]);
	rig_empty(&r);
	gro_flush(r.g, false); /* the others, in the order of their coming */
	assert_int_equal(r.n, 8);
	for (int i = 0; i < 8; i++)
		assert_int_equal(r.out[i].buf, buf[i + 1]);
	rig_close(&r);
}

/* The headers of a buffer with other owners are not written; its payload may be a part. */
static void shared_buffers(void **state)
{
	struct frame f = {FRAME};
	struct unapi_pkt p, clone, other;
	uint8_t before[160], *d;
	struct rig r;

	rig_open(&r, false);
	assert_int_equal(unapi_pkt_alloc_bulk(r.pool, &p, 1), 1);
	frame_receive(&f, &p);
	d = unapi_pkt_data(&p);
	memcpy(before, d, p.len);
	assert_int_equal(unapi_pkt_clone(&p, &clone), 0);
	gro_rx(r.g, &p, NULL, 1);
	assert_int_equal(r.n, 1);
	assert_false(gro_held(r.g));
	f.seq = 100;
	f.id = 1;
	rig_frame(&r, &f);
	assert_memory_equal(d, before, p.len);

	f.seq = 200;
	f.id = 2;
	assert_int_equal(unapi_pkt_alloc_bulk(r.pool, &p, 1), 1);
	frame_receive(&f, &p);
	assert_int_equal(unapi_pkt_clone(&p, &other), 0);
	gro_rx(r.g, &p, NULL, 1);
	gro_flush(r.g, false);
	assert_int_equal(r.n, 3);
	assert_int_equal(r.out[1].flags, UNAPI_PKT_GRO | UNAPI_PKT_MORE);
	assert_int_equal(r.out[2].flags, UNAPI_PKT_SHARED);
	unapi_pkt_free_bulk(&clone, 1);
	unapi_pkt_free_bulk(&other, 1);
	rig_close(&r);
}

/* A frame of less than 60 bytes is filled up on the wire; that is no payload. */
static void padding(void **state)
{
	for (unsigned int size = 2; size <= 100; size += 98)
		for (int known = 0; known < 2; known++) {
			struct frame f = {FRAME, .len = size, .pad = 60};
			struct rig r;

			rig_open(&r, false);
			if (!known)
				f.status = 0;
			rig_frame(&r, &f);
			f.seq += size;
			f.id++;
			f.len = 2;
			rig_frame(&r, &f);
			gro_flush(r.g, false);
			assert_int_equal(r.n, 2);
			assert_int_equal(r.out[0].len, 54 + size);
			assert_int_equal(r.out[1].len, 2);
			assert_int_equal(unapi_pkt_gro_size(&r.out[0]), size);
			assert_int_equal(((uint8_t *)unapi_pkt_data(&r.out[1]))[1], byte_at(0, f.seq + 1));
			rig_close(&r);
		}
}

/* Packets of several records come from the device as they are. */
static void long_packets_pass(void **state)
{
	struct frame f = {FRAME, .len = 1000};
	struct unapi_pkt p[3];
	struct rig r;

	rig_open(&r, false);
	rig_frame(&r, &f);
	assert_int_equal(unapi_pkt_alloc_bulk(r.pool, p, 3), 3);
	f.seq = 1000;
	f.id = 1;
	frame_receive(&f, &p[0]);
	p[0].flags = p[1].flags = UNAPI_PKT_MORE;
	p[1].len = p[2].len = 500;
	gro_rx(r.g, p, NULL, 3);
	assert_int_equal(r.n, 4);
	assert_int_equal(r.out[0].flags, 0);
	assert_int_equal(r.out[1].buf, p[0].buf);
	assert_int_equal(r.out[3].buf, p[2].buf);
	rig_close(&r);
}

static void protocols(void **state)
{
	struct frame tcp = {FRAME}, udp = {FRAME, .udp = true};
	struct rig r;

	rig_open(&r, false);
	gro_set_protocols(r.g, UNAPI_GRO_TCP);
	rig_frame(&r, &udp);
	assert_int_equal(r.n, 1);
	rig_frame(&r, &tcp);
	assert_int_equal(r.n, 1);
	gro_flush(r.g, false);
	rig_empty(&r);
	gro_set_protocols(r.g, UNAPI_GRO_UDP);
	rig_frame(&r, &tcp);
	assert_int_equal(r.n, 1);
	rig_frame(&r, &udp);
	assert_int_equal(r.n, 1);
	rig_close(&r);
}

/* Old is what has been held since before the present millisecond, whatever joined it since. */
static void old_packets(void **state)
{
	struct frame a = {FRAME, .flow = 1}, b = {FRAME, .flow = 2};
	struct rig r;

	rig_open(&r, false);
	rig_now = 7 * NSEC_PER_SEC + NSEC_PER_MSEC - 1;
	rig_frame(&r, &a);
	assert_false(gro_flush(r.g, true));
	rig_now++;
	a.seq = 100;
	a.id = 1;
	rig_frame(&r, &a);
	rig_frame(&r, &b);
	assert_true(gro_flush(r.g, true));
	assert_int_equal(r.n, 2);
	assert_true(gro_held(r.g));
	rig_now += NSEC_PER_MSEC - 1;
	assert_false(gro_flush(r.g, true));
	rig_now++;
	assert_true(gro_flush(r.g, true));
	assert_int_equal(r.n, 3);
	assert_false(gro_held(r.g));
	assert_false(gro_flush(r.g, false));
	rig_close(&r);
}

/* Metadata stays beside its record, and no call of the application is longer than the batch. */
static void metadata_and_batches(void **state)
{
	struct unapi_rx_meta meta[64];
	struct unapi_pkt p[64];
	struct rig r;

	rig_open(&r, true);
	assert_int_equal(unapi_pkt_alloc_bulk(r.pool, p, 64), 64);
	for (unsigned int i = 0; i < 64; i++) {
		struct frame f = {FRAME, .flow = i % 4, .seq = i / 4 * 100, .id = (uint16_t)(i / 4)};

		if (i >= 60)
			f.flags |= PSH;
		frame_receive(&f, &p[i]);
		meta[i] = (struct unapi_rx_meta){.rss_hash = p[i].buf};
	}
	gro_rx(r.g, p, meta, 64);
	assert_int_equal(r.n, 64);
	assert_int_equal(rig_packets(&r), 4);
	assert_int_equal(r.biggest, 32);
	for (unsigned int i = 0; i < 64; i++)
		assert_int_equal(r.meta[i].rss_hash, r.out[i].buf);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merges),
		cmocka_unit_test(reasons_tcp),
		cmocka_unit_test(reasons_ipv6_and_udp),
		cmocka_unit_test(other_flows),
		cmocka_unit_test(passes_the_rest),
		cmocka_unit_test(ends),
		cmocka_unit_test(identifications),
		cmocka_unit_test(at_most_17_records),
		cmocka_unit_test(below_64_kilobytes),
		cmocka_unit_test(eight_in_a_bucket),
		cmocka_unit_test(shared_buffers),
		cmocka_unit_test(padding),
		cmocka_unit_test(long_packets_pass),
		cmocka_unit_test(protocols),
		cmocka_unit_test(old_packets),
		cmocka_unit_test(metadata_and_batches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
