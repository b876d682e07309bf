/* SPDX-License-Identifier: BSD-3-Clause */
/* What can be plugged into the simulated port, and the pages that doorbell=mmap shares. */
#include "simnic_rig.h"

#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/un.h>

static void send_frame(struct rig *r, uint32_t src, uint32_t payload)
{
	uint32_t len = rig_udp_frame(r->va + rig_tx_buf(0, r->tx_tail[0]), src, 1, payload);

	rig_tx_put(r, 0, len, E1000_ADVTXD_DCMD_EOP | E1000_ADVTXD_DCMD_RS, len);
	rig_tx_kick(r, 0);
}

/* Two ports in one test share its clock. */
static void two_up(struct rig *a, struct rig *b)
{
	char spec[64];

	snprintf(spec, sizeof(spec), "wire=pair:test-%d", (int)getpid());
	rig_up(a, spec);
	rig_up(b, spec);
	unapi_clock_set_virtual(&a->now);
}

static void join(struct rig *a, struct rig *b)
{
	for (int i = 0; i < 3; i++) {
		rig_pass(a, 1);
		rig_step(b);
	}
}

static void pair_is_a_cable(void **state)
{
	static struct rig a, b;
	union e1000_adv_rx_desc *d;
	uint64_t now;

	two_up(&a, &b);
	rig_step(&a);
	assert_true(a.wire.carrier && b.wire.carrier);
	now = a.now;
	rig_start(&a, 1);
	b.now = a.now; /* rig_start() of b waits on its own clock */
	unapi_clock_set_virtual(&b.now);
	rig_start(&b, 1);
	assert_true(b.now > now);
	for (unsigned int i = 0; i < 20; i++)
		send_frame(&a, 0x0a000001 + i, 50);
	join(&a, &b);
	for (unsigned int i = 0; i < 20; i++) {
		d = rig_rx_next(&b, 0);
		assert_non_null(d);
		assert_int_equal(d->wb.length, 92);
		assert_memory_equal(b.va + rig_rx_buf(0, i), a.va + rig_tx_buf(0, i), 92);
	}
	send_frame(&b, 7, 1400);
	rig_step(&a);
	assert_int_equal(rig_rx_next(&a, 0)->wb.length, 1442);
	assert_null(rig_rx_next(&a, 0));
	rig_down(&b);
	unapi_clock_set_virtual(&a.now);
	join(&a, &a); /* the cable has been pulled */
	assert_false(a.wire.carrier);
	assert_false(rig_read(&a, E1000_STATUS) & E1000_STATUS_LU);
	rig_down(&a);
}

/* More than the receiver's ring and every buffer between: the sender waits, and nothing is lost. */
static void pair_waits(void **state)
{
	static struct rig a, b;
	unsigned int sent = 0, got = 0, stalled = 0;

	two_up(&a, &b);
	rig_step(&a);
	rig_start(&a, 1);
	b.now = a.now;
	unapi_clock_set_virtual(&b.now);
	rig_start(&b, 1);
	while (got < 5000) {
		uint32_t busy = (a.tx_tail[0] + RIG_RING - a.dev.tx[0].ring.head) % RIG_RING;

		if (sent < 5000 && busy < RIG_RING - 1) {
			send_frame(&a, sent, 1400);
			sent++;
			continue;
		}
		stalled++;
		rig_step(&b);
		while (rig_rx_next(&b, 0)) {
			uint8_t *f = b.va + rig_rx_buf(0, (b.rx_seen[0] + RIG_RING - 1) % RIG_RING);

			assert_int_equal((uint32_t)get_be16(f + 26) << 16 | get_be16(f + 28), got);
			got++;
			rig_rx_refill(&b, 0, 1);
		}
		rig_step(&a);
	}
	assert_true(stalled > 5);
	assert_int_equal(b.dev.rx_dropped, 0);
	rig_down(&b);
	unapi_clock_set_virtual(&a.now);
	rig_down(&a);
}

static void socket_framing(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	uint8_t msg[4 + 100], back[200];
	uint32_t len;
	char spec[128];
	struct rig r;
	int fd;

	snprintf(at.sun_path, sizeof(at.sun_path), "/tmp/simnic-wire-%d", (int)getpid());
	snprintf(spec, sizeof(spec), "wire=socket:listen:%s", at.sun_path);
	rig_up(&r, spec);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	rig_step(&r);
	rig_start(&r, 1);
	len = rig_udp_frame(msg + 4, 1, 1, 58);
	put_be32(msg, len);
	for (uint32_t i = 0; i < len + 4; i++) { /* a stream has no edges */
		assert_null(rig_rx_next(&r, 0));
		assert_int_equal(write(fd, msg + i, 1), 1);
		rig_step(&r);
	}
	assert_int_equal(rig_rx_next(&r, 0)->wb.length, len);
	assert_memory_equal(r.va + rig_rx_buf(0, 0), msg + 4, len);
	send_frame(&r, 9, 70);
	assert_int_equal(recv(fd, back, sizeof(back), MSG_DONTWAIT), 4 + 112);
	assert_int_equal(get_be16(back + 2), 112);
	assert_memory_equal(back + 4, r.va + rig_tx_buf(0, 0), 112);
	/* A peer that talks nonsense is hung up on; the next one is welcome. */
	put_be32(msg, 1u << 20);
	assert_int_equal(write(fd, msg, 4), 4);
	rig_step(&r);
	assert_false(r.wire.carrier);
	close(fd);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	rig_step(&r);
	assert_true(r.wire.carrier);
	close(fd);
	rig_down(&r);
}

static void socket_connects_when_it_can(void **state)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	char spec[64];
	struct rig r;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), peer;

	/* Bound but not listening: refused, for now. */
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	snprintf(spec, sizeof(spec), "wire=socket:127.0.0.1:%u", ntohs(at.sin_port));
	rig_up(&r, spec);
	assert_false(r.wire.carrier);
	assert_int_equal(listen(fd, 1), 0);
	rig_step(&r);
	assert_false(r.wire.carrier); /* not before its next try */
	assert_int_equal(r.wire.ops->next(&r.wire), r.now + 100 * NSEC_PER_MSEC);
	rig_pass(&r, 100 * NSEC_PER_MSEC);
	assert_true(r.wire.carrier);
	peer = accept(fd, NULL, NULL);
	assert_true(peer >= 0);
	close(peer);
	rig_step(&r);
	assert_false(r.wire.carrier);
	close(fd);
	rig_down(&r);
}

static void capture_files(void **state)
{
	char in[64], out[64], spec[200];
	uint32_t head[6] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, 1}, record[4] = {0};
	uint8_t frame[200];
	struct rig r;
	FILE *f;

	snprintf(in, sizeof(in), "/tmp/simnic-in-%d.pcap", (int)getpid());
	snprintf(out, sizeof(out), "/tmp/simnic-out-%d.pcap", (int)getpid());
	snprintf(spec, sizeof(spec), "pcap-out=%s,wire=pcap:%s", out, in);
	f = fopen(in, "w");
	assert_non_null(f);
	for (unsigned int i = 0; i < 6; i++) /* written on a machine of the other kind */
		head[i] = __builtin_bswap32(head[i]);
	fwrite(head, sizeof(head), 1, f);
	for (unsigned int i = 0; i < 70; i++) { /* more than the ring holds */
		uint32_t len = rig_udp_frame(frame, i, 1, 50 + i);

		record[2] = record[3] = __builtin_bswap32(len);
		fwrite(record, sizeof(record), 1, f);
		fwrite(frame, len, 1, f);
	}
	fclose(f);
	rig_up(&r, spec);
	rig_start(&r, 1);
	rig_step(&r);
	for (unsigned int i = 0; i < 63; i++)
		assert_int_equal(rig_rx_next(&r, 0)->wb.length, 92 + i);
	assert_null(rig_rx_next(&r, 0));
	rig_rx_refill(&r, 0, 20);
	rig_step(&r);
	for (unsigned int i = 63; i < 70; i++)
		assert_int_equal(rig_rx_next(&r, 0)->wb.length, 92 + i);
	send_frame(&r, 1, 60);
	rig_down(&r);
	f = fopen(out, "r");
	assert_non_null(f);
	assert_int_equal(fread(head, sizeof(head), 1, f), 1);
	assert_int_equal(head[0], 0xa1b2c3d4);
	assert_int_equal(fread(record, sizeof(record), 1, f), 1);
	assert_int_equal(record[2], 102);
	assert_int_equal(fread(frame, 1, sizeof(frame), f), 102);
	assert_int_equal(get_be16(frame + 12), 0x0800);
	fclose(f);
	unlink(in);
	unlink(out);
}

static void tap(void **state)
{
	struct ifreq i = {.ifr_flags = IFF_UP};
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	struct timeval limit = {.tv_sec = 10};
	union e1000_adv_rx_desc *d = NULL;
	uint8_t frame[200];
	uint32_t len;
	ssize_t n;
	struct rig r;
	int fd;

	/* In a network of its own: no interface of the machine is touched. */
	if (unshare(CLONE_NEWNET) || access("/dev/net/tun", R_OK | W_OK)) {
		print_message("not permitted here\n");
		skip();
	}
	rig_up(&r, "wire=tap:simtap");
	rig_start(&r, 1);
	strcpy(i.ifr_name, "simtap");
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &i), 0);
	assert_int_equal(ioctl(fd, SIOCGIFINDEX, &i), 0);
	at.sll_ifindex = i.ifr_ifindex;
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	/* The host may greet its new interface in IPv6 as well: the frame of this length is ours. */
	len = rig_udp_frame(frame, 1, 1, 111);
	assert_int_equal(write(fd, frame, len), len);
	for (int tries = 0; tries < 10000 && !(d && d->wb.length == len); tries++) {
		rig_step(&r);
		d = rig_rx_next(&r, 0);
		if (!d)
			usleep(1000);
	}
	assert_non_null(d);
	assert_memory_equal(r.va + rig_rx_buf(0, (r.rx_seen[0] + RIG_RING - 1) % RIG_RING), frame, len);
	send_frame(&r, 1, 122);
	do {
		n = recv(fd, frame, sizeof(frame), 0);
		assert_true(n > 0);
	} while (n != 164);
	assert_memory_equal(frame, r.va + rig_tx_buf(0, 0), 164);
	close(fd);
	rig_down(&r);
}

/* With @bar as the memory that doorbell=mmap shares. */
static void rig_up_shared(struct rig *r, uint32_t *bar)
{
	int sv[2];

	memset(bar, 0, E1000_BAR0_SIZE);
	rig_up(r, "wire=loop");
	igb_fini(&r->dev);
	server_fini(&r->server);
	assert_int_equal(igb_init(&r->dev, &r->opt, bar), 0);
	r->dev.wire = &r->wire;
	assert_int_equal(server_init(&r->server, &r->dev, r->memory), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	close(r->client);
	r->client = sv[0];
	server_attach(&r->server, sv[1]);
}

/* doorbell=mmap as the client sees it: stores, and a message that must not overtake them. */
static void shared_pages(void **state)
{
	uint32_t *bar = aligned_alloc(4096, E1000_BAR0_SIZE);
	struct vfu_region_info i = {.argsz = 32, .index = 0};
	struct vfio_region_info_cap_sparse_mmap *cap;
	struct rig r;

	rig_up_shared(&r, bar);
	rig_start(&r, 4);
	assert_false(igb_scan(&r.dev)); /* what the model itself shows is no news */

	/* offered: a small buffer gets the size, a large one the areas and the descriptor */
	assert_int_equal(rig_call(&r, VFU_GET_REGION_INFO, &i, 32, NULL, 0), 0);
	memcpy(&i, r.body, 32);
	assert_true(i.flags & VFIO_REGION_INFO_FLAG_MMAP);
	assert_int_equal(r.body_len, 32);
	assert_int_equal(r.body_fd, -1);
	assert_int_equal(rig_call(&r, VFU_GET_REGION_INFO, &i, 32, NULL, 0), 0);
	assert_int_equal(r.body_len, i.argsz);
	assert_true(r.body_fd >= 0);
	memcpy(&i, r.body, 32);
	cap = (void *)(r.body + i.cap_offset);
	assert_int_equal(cap->header.id, VFIO_REGION_INFO_CAP_SPARSE_MMAP);
	assert_int_equal(cap->nr_areas, 3);
	for (unsigned int a = 0; a < cap->nr_areas; a++) {
		assert_int_equal(cap->areas[a].offset % 4096, 0);
		/* nothing that a read changes lies in a page that is shared */
		assert_true(cap->areas[a].offset > E1000_IVAR_MISC);
		assert_true(cap->areas[a].offset + cap->areas[a].size <= E1000_STATS_FIRST ||
			    cap->areas[a].offset > E1000_MRQC);
	}

	/* a tail by store, at either of its places */
	rig_udp_frame(r.va + rig_tx_buf(0, 0), 1, 1, 50);
	rig_tx_put(&r, 0, 92, E1000_ADVTXD_DCMD_EOP | E1000_ADVTXD_DCMD_RS, 92);
	bar[E1000_TDT(0) / 4] = 1;
	assert_true(igb_scan(&r.dev));
	igb_tx(&r.dev);
	assert_true(rig_tx_done(&r, 0, 0));
	assert_int_equal(bar[(0xE000 + E1000_Q_TAIL) / 4], 1);
	rig_udp_frame(r.va + rig_tx_buf(0, 1), 1, 1, 50);
	rig_tx_put(&r, 0, 92, E1000_ADVTXD_DCMD_EOP | E1000_ADVTXD_DCMD_RS, 92);
	bar[(0xE000 + E1000_Q_TAIL) / 4] = 2;
	assert_true(igb_scan(&r.dev));
	assert_false(igb_scan(&r.dev));
	igb_tx(&r.dev);
	assert_true(rig_tx_done(&r, 0, 1));
	assert_int_equal(bar[E1000_TDT(0) / 4], 2);
	assert_int_equal(rig_read(&r, E1000_TDH(0)), 2);
	assert_int_equal(bar[E1000_TDH(0) / 4], 2);

	/* stores before a message are seen before it: the queue is off when the reply comes */
	bar[E1000_TXDCTL(0) / 4] = 0;
	assert_int_equal(rig_read(&r, E1000_STATUS) & E1000_STATUS_LU, E1000_STATUS_LU);
	assert_false(r.dev.tx[0].ring.enabled);
	/* on again with everything in one go: the tail is acted on last */
	bar[E1000_TDH(0) / 4] = 0;
	bar[E1000_TDT(0) / 4] = 0;
	igb_scan(&r.dev);
	bar[E1000_TDT(0) / 4] = 3;
	bar[E1000_TXDCTL(0) / 4] = E1000_TXDCTL_QUEUE_ENABLE;
	igb_scan(&r.dev);
	assert_int_equal(r.dev.misuse, 0);
	assert_true(r.dev.tx[0].ring.enabled);
	assert_int_equal(r.dev.tx[0].ring.tail, 3);
	/* a tail for a queue that is on, which is turned off before the model looks, is no error; a later one
	 * is */
	bar[E1000_TDT(0) / 4] = 4;
	bar[E1000_TXDCTL(0) / 4] = 0;
	assert_true(igb_scan(&r.dev));
	assert_false(r.dev.tx[0].ring.enabled);
	assert_int_equal(r.dev.misuse, 0);
	bar[E1000_TDT(0) / 4] = 5;
	assert_true(igb_scan(&r.dev));
	assert_int_equal(r.dev.misuse, 1);
	bar[E1000_TXDCTL(0) / 4] = E1000_TXDCTL_QUEUE_ENABLE;
	assert_true(igb_scan(&r.dev));
	/* nonsense is no endless loop */
	bar[E1000_TDT(0) / 4] = 0xffff;
	assert_true(igb_scan(&r.dev));
	assert_false(igb_scan(&r.dev));
	assert_int_equal(r.dev.misuse, 2);
	rig_down(&r);
	free(bar);
}

/* A store that the client makes when the model prints something. */
struct late_store {
	uint32_t *word, val;
};

static ssize_t store_now(void *cookie, const char *text, size_t n)
{
	const struct late_store *s = cookie;

	*s->word = s->val;
	return (ssize_t)n;
}

/*
 * The client stores a tail while the model acts on the one before: that is not lost, though the model shows
 * what it took. So that it comes in between, the model finds something to complain of at the same look, and
 * this is where its complaint goes.
 */
static void tail_stored_meanwhile(void **state)
{
	static const uint32_t blocks[] = {E1000_TXQ(0, 0), E1000_RXQ(0, 0), 0xE000, 0xC000};
	uint32_t *bar = aligned_alloc(4096, E1000_BAR0_SIZE);
	const cookie_io_functions_t at_once = {.write = store_now};
	struct rig r;

	rig_up_shared(&r, bar);
	rig_start(&r, 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(blocks); i++) {
		uint32_t *tail = &bar[(blocks[i] + E1000_Q_TAIL) / 4];
		uint32_t *base = &bar[(blocks[i] + E1000_Q_BAL) / 4], was = *base;
		const struct igb_ring *ring = i % 2 ? &r.dev.rx[0].ring : &r.dev.tx[0].ring;
		uint32_t first = (ring->tail + 1) % RIG_RING, second = (first + 1) % RIG_RING;
		struct late_store late = {tail, second};
		FILE *out = stderr;

		stderr = fopencookie(&late, "w", at_once);
		assert_non_null(stderr);
		setbuf(stderr, NULL);
		*base = was ^ E1000_RING_ALIGN; /* of a queue that is on */
		*tail = first;
		assert_true(igb_scan(&r.dev));
		fclose(stderr);
		stderr = out;
		assert_int_equal(r.dev.misuse, i + 1);
		assert_int_equal(*base, was);
		assert_int_equal(ring->tail, first);
		assert_int_equal(*tail, second);
		assert_true(igb_scan(&r.dev));
		assert_int_equal(ring->tail, second);
		assert_int_equal(bar[(blocks[i % 2] + E1000_Q_TAIL) / 4], second);
		assert_int_equal(bar[(blocks[i % 2 + 2] + E1000_Q_TAIL) / 4], second);
		assert_false(igb_scan(&r.dev));
	}
	rig_down(&r);
	free(bar);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pair_is_a_cable),
		cmocka_unit_test(pair_waits),
		cmocka_unit_test(socket_framing),
		cmocka_unit_test(socket_connects_when_it_can),
		cmocka_unit_test(capture_files),
		cmocka_unit_test(shared_pages),
		cmocka_unit_test(tail_stored_meanwhile),
		cmocka_unit_test(tap), /* last: it changes the process's network */
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
