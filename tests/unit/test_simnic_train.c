/* SPDX-License-Identifier: BSD-3-Clause */
/* Exact trains: how frames of one instant become visible, and the wire that plays them on command. */
#include "simnic_rig.h"

#include "apps/simnic/train_frame.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/un.h>

#define REPLY 4096

static bool done(struct rig *r, uint32_t slot)
{
	union e1000_adv_rx_desc *ring = (void *)(r->va + rig_rx_ring(0));

	return __atomic_load_n(&ring[slot].wb.status_error, __ATOMIC_ACQUIRE) & E1000_RXD_STAT_DD;
}

static void put_frames(struct rig *r, uint32_t n, uint32_t payload)
{
	uint8_t *frame = calloc(1, FRAME_MAX);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t len = rig_udp_frame(frame, 0x0a000001 + i, 1, payload);

		assert_int_equal(igb_rx(&r->dev, frame, len), IGB_RX_TAKEN);
	}
	free(frame);
}

/* Every write goes through here: what does a driver see that is interrupted at once? */
ssize_t __real_write(int fd, const void *data, size_t n);
ssize_t __wrap_write(int fd, const void *data, size_t n);
static struct {
	struct rig *r;
	uint32_t slot;
	unsigned int writes, too_early;
} interrupted;

ssize_t __wrap_write(int fd, const void *data, size_t n)
{
	if (interrupted.r) {
		interrupted.writes++;
		interrupted.too_early += !done(interrupted.r, interrupted.slot);
	}
	return __real_write(fd, data, n);
}

/* ---- hold and release */

static void the_first_dd_is_stored_last(void **state)
{
	union e1000_adv_rx_desc *d;
	struct rig r;

	rig_up(&r, "");
	rig_start(&r, 1);
	rig_write(&r, E1000_EIMS, 1);
	put_frames(&r, 2, 20);
	assert_int_equal(rig_fired(&r, 0), 1); /* and masked itself; */
	rig_write(&r, E1000_EIMS, 1);
	assert_int_equal(rig_fired(&r, 0), 1); /* the second frame's latched */
	rig_write(&r, E1000_EIMS, 1);

	igb_rx_hold(&r.dev);
	put_frames(&r, 5, 20);
	assert_false(done(&r, 2));
	for (uint32_t slot = 3; slot < 7; slot++)
		assert_true(done(&r, slot));
	assert_int_equal(rig_fired(&r, 0), 0);
	assert_true(igb_rx_release(&r.dev));
	for (unsigned int i = 0; i < 7; i++) {
		d = rig_rx_next(&r, 0);
		assert_non_null(d);
		assert_true(d->wb.status_error & E1000_RXD_STAT_EOP);
	}
	assert_null(rig_rx_next(&r, 0));
	assert_int_equal(rig_fired(&r, 0), 1);
	assert_int_equal(rig_read(&r, E1000_GPRC), 7);
	/* once: nothing is latched */
	rig_write(&r, E1000_EIMS, 1);
	assert_int_equal(rig_fired(&r, 0), 0);
	assert_false(igb_rx_release(&r.dev));
	assert_int_equal(rig_fired(&r, 0), 0);
	/* and what comes now is seen at once */
	put_frames(&r, 1, 20);
	assert_non_null(rig_rx_next(&r, 0));
	assert_int_equal(rig_fired(&r, 0), 1);
	rig_down(&r);
}

static void the_interrupt_comes_after_it(void **state)
{
	struct rig r;

	rig_up(&r, "");
	rig_start(&r, 1);
	rig_write(&r, E1000_EIMS, 1);
	memset(&interrupted, 0, sizeof(interrupted));
	interrupted.r = &r;
	igb_rx_hold(&r.dev);
	put_frames(&r, 5, 20);
	igb_rx_release(&r.dev);
	interrupted.r = NULL;
	assert_int_equal(interrupted.writes, 1);
	assert_int_equal(interrupted.too_early, 0);
	rig_down(&r);
}

static void frames_of_several_buffers(void **state)
{
	union e1000_adv_rx_desc *d;
	struct rig r;

	rig_up(&r, "");
	rig_start(&r, 1);
	rig_write(&r, E1000_RCTL, rig_read(&r, E1000_RCTL) | E1000_RCTL_LPE);
	rig_write(&r, E1000_VMOLR(0), rig_read(&r, E1000_VMOLR(0)) | E1000_VMOLR_LPE);
	igb_rx_hold(&r.dev);
	put_frames(&r, 2, 4958);
	for (uint32_t slot = 0; slot < 6; slot++)
		assert_int_equal(done(&r, slot), slot > 0);
	assert_true(igb_rx_release(&r.dev));
	for (unsigned int i = 0; i < 6; i++) {
		d = rig_rx_next(&r, 0);
		assert_non_null(d);
		assert_int_equal(d->wb.length, i % 3 < 2 ? 2048 : 5000 - 4096);
		assert_int_equal(!!(d->wb.status_error & E1000_RXD_STAT_EOP), i % 3 == 2);
	}
	rig_down(&r);
}

/* Each queue's first descriptor waits, and each has its cause. */
static void a_train_over_two_queues(void **state)
{
	union e1000_adv_rx_desc *ring;
	uint8_t frame[64];
	unsigned int seen[2] = {0};
	struct rig r;

	rig_up(&r, "");
	rig_start(&r, 2);
	rig_write(&r, E1000_EIMS, 3);
	rig_write(&r, E1000_MRQC, E1000_MRQC_ENABLE_RSS | E1000_MRQC_RSS_FIELD_IPV4);
	for (unsigned int i = 0; i < E1000_RETA_ENTRIES / 4; i++)
		rig_write(&r, E1000_RETA(i), 0x01000100);
	for (unsigned int i = 0; i < 10; i++)
		rig_write(&r, E1000_RSSRK(i), 0x12345678 * (i + 1));
	igb_rx_hold(&r.dev);
	for (uint32_t i = 0; i < 32; i++) {
		uint32_t len = rig_udp_frame(frame, 0x0a000001 + i * 0x01010101, 1, 10);

		seen[igb_rx_queue_of(&r.dev, frame, len)]++;
		assert_int_equal(igb_rx(&r.dev, frame, len), IGB_RX_TAKEN);
	}
	assert_true(seen[0] && seen[1]);
	for (unsigned int q = 0; q < 2; q++) {
		ring = (void *)(r.va + rig_rx_ring(q));
		assert_false(ring[0].wb.status_error & E1000_RXD_STAT_DD);
		assert_int_equal(rig_fired(&r, q), 0);
	}
	assert_true(igb_rx_release(&r.dev));
	for (unsigned int q = 0; q < 2; q++) {
		for (unsigned int i = 0; i < seen[q]; i++)
			assert_non_null(rig_rx_next(&r, q));
		assert_int_equal(rig_fired(&r, q), 1);
	}
	rig_down(&r);
}

struct reader {
	struct rig *r;
	unsigned int k, bad, trains;
};

/* A driver on another CPU: what it sees of the first it must see of all, payload included. */
static void *read_trains(void *arg)
{
	struct reader *d = arg;
	union e1000_adv_rx_desc *ring = (void *)(d->r->va + rig_rx_ring(0));
	uint32_t slot = 0;

	for (unsigned int t = 0; t < d->trains; t++) {
		while (!(__atomic_load_n(&ring[slot].wb.status_error, __ATOMIC_ACQUIRE) & E1000_RXD_STAT_DD))
			sched_yield();
		for (unsigned int i = 0; i < d->k; i++) {
			uint32_t at = (slot + i) % RIG_RING;

			d->bad += !(__atomic_load_n(&ring[at].wb.status_error, __ATOMIC_ACQUIRE) &
				    E1000_RXD_STAT_DD);
			d->bad += get_be16(d->r->va + rig_rx_buf(0, at) + 34) != t % 60000;
		}
		for (unsigned int i = 0; i < d->k; i++) {
			uint32_t at = (slot + i) % RIG_RING;

			ring[at].read.hdr_addr = 0;
			ring[at].read.pkt_addr = RIG_IOVA + rig_rx_buf(0, at);
		}
		slot = (slot + d->k) % RIG_RING;
		__atomic_store_n(&d->r->rx_tail[0], (slot + RIG_RING - 1) % RIG_RING, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void all_of_a_train_or_none(void **state)
{
	struct rig r;
	struct reader d = {.r = &r, .k = 13, .trains = 3000};
	struct igb_ring *ring;
	uint8_t frame[128];
	pthread_t thread;

	rig_up(&r, "");
	rig_start(&r, 1);
	ring = &r.dev.rx[0].ring;
	((union e1000_adv_rx_desc *)(void *)(r.va + rig_rx_ring(0)))[RIG_RING - 1].read.pkt_addr =
		RIG_IOVA + rig_rx_buf(0, RIG_RING - 1);
	assert_int_equal(pthread_create(&thread, NULL, read_trains, &d), 0);
	for (unsigned int t = 0; t < d.trains; t++) {
		uint32_t len = rig_udp_frame(frame, 0x0a000001, (uint16_t)(t % 60000), 60);

		while (igb_rx_free(&r.dev, 0) < d.k) {
			sched_yield();
			ring->tail = __atomic_load_n(&r.rx_tail[0], __ATOMIC_ACQUIRE);
		}
		igb_rx_hold(&r.dev);
		for (unsigned int i = 0; i < d.k; i++)
			assert_int_equal(igb_rx(&r.dev, frame, len), IGB_RX_TAKEN);
		assert_true(igb_rx_release(&r.dev));
	}
	pthread_join(thread, NULL);
	assert_int_equal(d.bad, 0);
	rig_down(&r);
}

/* ---- the wire */

static char path[64], reply[REPLY];

static int wire_up(struct rig *r, const char *options)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	char all[160];
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(path, sizeof(path), "/tmp/test-train-%d", (int)getpid());
	snprintf(all, sizeof(all), "wire=train:%s%s", path, options);
	rig_up(r, all);
	strcpy(a.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void wire_down(struct rig *r, int fd)
{
	close(fd);
	rig_step(r);
	rig_down(r);
	assert_int_equal(access(path, F_OK), -1);
}

static void say(struct rig *r, int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
	rig_step(r);
}

static const char *heard(int fd)
{
	ssize_t n = recv(fd, reply, sizeof(reply) - 1, MSG_DONTWAIT);

	reply[n > 0 ? n : 0] = '\0';
	return reply;
}

static void expect_error(struct rig *r, int fd, const char *command, const char *words)
{
	say(r, fd, command);
	heard(fd);
	if (strncmp(reply, "error ", 6) || !strstr(reply, words))
		fail_msg("'%s' is answered '%s', not by an error with '%s'", command, reply, words);
}

static unsigned int received(struct rig *r)
{
	unsigned int n = 0;

	while (rig_rx_next(r, 0))
		n++;
	return n;
}

static void trains_come_at_their_instants(void **state)
{
	unsigned long long due[3], done_at[3];
	struct rig r;
	uint64_t step;
	int fd = wire_up(&r, "");

	rig_start(&r, 1);
	rig_write(&r, E1000_EIMS, 1);
	say(&r, fd, "play eth 1000000 8 1 20");
	step = r.wire.ops->next(&r.wire);
	assert_true(step >= r.now); /* it may sleep until shortly before */
	assert_int_equal(received(&r), 0);
	for (unsigned int i = 0; i < 200 && !received(&r); i++)
		rig_pass(&r, 1000);
	assert_int_equal(r.rx_seen[0], 8);
	assert_int_equal(rig_fired(&r, 0), 1);
	assert_string_equal(heard(fd), "");
	/* Sleeps until the second, then spins for it. */
	assert_false(r.wire.urgent);
	step = r.wire.ops->next(&r.wire);
	assert_in_range(step, r.now + 500000, r.now + 1000000);
	rig_pass(&r, step - r.now);
	assert_true(r.wire.urgent);
	assert_int_equal(received(&r), 0);
	rig_write(&r, E1000_EIMS, 1);
	assert_int_equal(rig_fired(&r, 0), 0);
	rig_pass(&r, 1000000);
	assert_int_equal(received(&r), 1);
	assert_int_equal(rig_fired(&r, 0), 1);
	/* Late: which it says. The third is not moved by it. */
	rig_pass(&r, 5000000);
	assert_int_equal(received(&r), 20);
	assert_int_equal(sscanf(heard(fd), "played %llu %llu %llu %llu %llu %llu", &due[0], &done_at[0],
				&due[1], &done_at[1], &due[2], &done_at[2]),
			 6);
	assert_int_equal(due[1], due[0] + 1000000);
	assert_int_equal(due[2], due[1] + 1000000);
	assert_in_range(done_at[0] - due[0], 0, 1000);
	assert_in_range(done_at[1] - due[1], 800000, 1000000);
	assert_int_equal(done_at[2], r.now);
	assert_int_equal(r.wire.ops->next(&r.wire), UINT64_MAX);
	wire_down(&r, fd);
}

static void state_is_told(void **state)
{
	struct rig r;
	int fd = wire_up(&r, "");

	say(&r, fd, "state");
	assert_memory_equal(heard(fd), "state ready=0", 13);
	rig_start(&r, 1);
	say(&r, fd, "state");
	assert_string_equal(heard(fd), "state ready=1 size=64 free=63 masked=1 latched=0 fired=0");
	put_frames(&r, 1, 20);
	say(&r, fd, "state");
	assert_string_equal(heard(fd), "state ready=1 size=64 free=62 masked=1 latched=1 fired=0");
	rig_write(&r, E1000_EIMS, 1);
	say(&r, fd, "state");
	assert_string_equal(heard(fd), "state ready=1 size=64 free=62 masked=1 latched=0 fired=1");
	rig_write(&r, E1000_EIMS, 1);
	say(&r, fd, "state");
	assert_string_equal(heard(fd), "state ready=1 size=64 free=62 masked=0 latched=0 fired=1");
	wire_down(&r, fd);
}

static void it_refuses_in_words(void **state)
{
	char many[2048] = "play eth 1";
	struct rig r;
	int fd = wire_up(&r, "");

	expect_error(&r, fd, "play eth 0 1", "receiver is off");
	rig_start(&r, 1);
	expect_error(&r, fd, "hello", "play or state");
	expect_error(&r, fd, "play udp 0 1", "eth or tcp");
	expect_error(&r, fd, "play eth x 1", "gap");
	expect_error(&r, fd, "play eth -1 1", "gap");
	expect_error(&r, fd, "play eth 0", "how many");
	expect_error(&r, fd, "play eth 0 0", "above 0");
	expect_error(&r, fd, "play eth 0 5 x", "above 0");
	expect_error(&r, fd, "play eth 0 64", "64 frames do not fit");
	for (unsigned int i = 0; i < 257; i++)
		strcat(many, " 1");
	expect_error(&r, fd, many, "1 to 256");
	assert_int_equal(received(&r), 0);
	say(&r, fd, "play eth 0 63"); /* the most there can be */
	rig_pass(&r, 1000000);
	assert_int_equal(received(&r), 63);
	assert_memory_equal(heard(fd), "played", 6);
	wire_down(&r, fd);
}

static void it_waits_for_descriptors(void **state)
{
	struct rig r;
	int fd = wire_up(&r, "");

	rig_start(&r, 1);
	say(&r, fd, "play eth 1000 40 40");
	rig_pass(&r, 200000);
	assert_int_equal(received(&r), 40);
	assert_string_equal(heard(fd), "");
	rig_rx_refill(&r, 0, 40);
	rig_pass(&r, 200000);
	assert_int_equal(received(&r), 40);
	assert_memory_equal(heard(fd), "played", 6);
	/* Each delivery for itself. */
	rig_rx_refill(&r, 0, 40);
	say(&r, fd, "play eth 800000000 40 40 40");
	rig_pass(&r, 200000);
	assert_int_equal(received(&r), 40);
	rig_rx_refill(&r, 0, 40);
	rig_pass(&r, 800000000);
	assert_int_equal(received(&r), 40);
	rig_pass(&r, 1500000000);
	assert_string_equal(heard(fd), "");
	rig_rx_refill(&r, 0, 40);
	rig_pass(&r, 1);
	assert_memory_equal(heard(fd), "played", 6);
	assert_int_equal(received(&r), 40);
	/* Nor for ever. */
	say(&r, fd, "play eth 0 40");
	rig_pass(&r, 500000000);
	assert_string_equal(heard(fd), "");
	rig_pass(&r, 600000000);
	assert_memory_equal(heard(fd), "error no room for 40 frames", 27);
	assert_int_equal(received(&r), 0);
	wire_down(&r, fd);
}

static void stopped_before_the_instant(void **state)
{
	struct rig r;
	int fd = wire_up(&r, "");

	rig_start(&r, 1);
	say(&r, fd, "play eth 0 5");
	rig_write(&r, E1000_RXDCTL(0), 0);
	rig_pass(&r, 1000000);
	heard(fd);
	assert_non_null(strstr(reply, "error the device was stopped"));
	assert_false(done(&r, 0));
	/* A ring that is enabled afresh knows nothing of it. */
	expect_error(&r, fd, "play eth 0 5", "receive queue 0 is off");
	memset(r.va + rig_rx_ring(0), 0, RIG_RING * 16);
	rig_queue_up(&r, 0);
	rig_rx_refill(&r, 0, RIG_RING - 1);
	say(&r, fd, "play eth 0 5");
	rig_pass(&r, 1000000);
	assert_int_equal(received(&r), 5);
	assert_memory_equal(heard(fd), "played", 6);
	wire_down(&r, fd);
}

/* What was held belonged to a ring that is no more. */
static void started_anew_before_the_instant(void **state)
{
	struct rig r;
	int fd = wire_up(&r, "");

	rig_start(&r, 1);
	say(&r, fd, "play eth 0 5");
	rig_write(&r, E1000_RXDCTL(0), 0);
	memset(r.va + rig_rx_ring(0), 0, RIG_RING * 16);
	rig_queue_up(&r, 0);
	rig_rx_refill(&r, 0, RIG_RING - 1);
	rig_pass(&r, 1000000);
	assert_memory_equal(heard(fd), "error", 5);
	assert_int_equal(received(&r), 0);
	say(&r, fd, "play eth 0 5");
	rig_pass(&r, 1000000);
	assert_int_equal(received(&r), 5);
	assert_memory_equal(heard(fd), "played", 6);
	/* A reset on the way: the same. */
	say(&r, fd, "play eth 0 5");
	igb_reset(&r.dev);
	assert_false(r.dev.holding);
	rig_pass(&r, 1000000);
	assert_memory_equal(heard(fd), "error", 5);
	wire_down(&r, fd);
}

static void controllers_come_and_go(void **state)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct rig r;
	int fd = wire_up(&r, ""), other;

	rig_start(&r, 1);
	say(&r, fd, "play eth 0 5");
	close(fd);
	rig_pass(&r, 1000000); /* delivered, and told to nobody */
	assert_int_equal(received(&r), 5);
	rig_step(&r);
	other = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	strcpy(a.sun_path, path);
	assert_int_equal(connect(other, (struct sockaddr *)&a, sizeof(a)), 0);
	rig_step(&r);
	say(&r, other, "state");
	assert_memory_equal(heard(other), "state ready=1", 13);
	wire_down(&r, other);
}

/* ---- what is played */

static uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)get_be16(p) << 16 | get_be16(p + 2);
}

static void tcp_segments_follow_each_other(void **state)
{
	union e1000_adv_rx_desc *d;
	const uint8_t *f, *before = NULL;
	struct rig r;
	int fd = wire_up(&r, "");

	rig_start(&r, 1);
	rig_write(&r, E1000_RXCSUM, E1000_RXCSUM_IPOFLD | E1000_RXCSUM_TUOFLD);
	say(&r, fd, "play tcp 1000 10 7");
	rig_pass(&r, 300000);
	for (unsigned int i = 0; i < 17; i++, before = f) {
		f = r.va + rig_rx_buf(0, r.rx_seen[0]);
		d = rig_rx_next(&r, 0);
		assert_non_null(d);
		assert_int_equal(d->wb.length, 54 + TRAIN_TCP_PAYLOAD);
		assert_true(d->wb.status_error & E1000_RXD_STAT_L4CS);
		assert_true(d->wb.status_error & E1000_RXD_STAT_IPCS);
		assert_false(d->wb.status_error & (E1000_RXDEXT_ERR_L4E | E1000_RXDEXT_ERR_IPE));
		assert_int_equal(f[47], 0x10); /* ACK alone: nothing that flushes */
		if (!before)
			continue;
		assert_int_equal(get_be32(f + 38), get_be32(before + 38) + TRAIN_TCP_PAYLOAD);
		assert_int_equal(get_be16(f + 18), get_be16(before + 18) + 1);
		/* the rest of both headers, checksums apart */
		assert_memory_equal(f, before, 18);
		assert_memory_equal(f + 20, before + 20, 4);
		assert_memory_equal(f + 26, before + 26, 12);
		assert_memory_equal(f + 42, before + 42, 8);
	}
	wire_down(&r, fd);
}

static void other_frames_are_of_no_protocol(void **state)
{
	struct packet_info info;
	const uint8_t *f;
	struct rig r;
	int fd = wire_up(&r, "");

	rig_start(&r, 1);
	say(&r, fd, "play eth 0 3");
	rig_pass(&r, 300000);
	for (uint32_t i = 0; i < 3; i++) {
		f = r.va + rig_rx_buf(0, i);
		assert_non_null(rig_rx_next(&r, 0));
		packet_parse(&info, f, ETH_MIN_FRAME);
		assert_int_equal(info.l3, L3_NONE);
		assert_int_equal(get_be16(f + 12), 0x88b5);
		assert_int_equal(get_be32(f + 14), i);
		assert_memory_equal(f, r.opt.mac, 6);
	}
	wire_down(&r, fd);
}

static void a_path_is_needed(void **state)
{
	struct sim_options o;
	struct igb nic = {0};
	struct wire w;

	sim_options_init(&o);
	assert_int_equal(wire_open(&w, "train", &nic, &o), -EINVAL);
	wire_close(&w);
	assert_int_equal(wire_open(&w, "train:/nonexistent/socket", &nic, &o), -ENOENT);
	wire_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_dd_is_stored_last),
		cmocka_unit_test(the_interrupt_comes_after_it),
		cmocka_unit_test(frames_of_several_buffers),
		cmocka_unit_test(a_train_over_two_queues),
		cmocka_unit_test(all_of_a_train_or_none),
		cmocka_unit_test(trains_come_at_their_instants),
		cmocka_unit_test(state_is_told),
		cmocka_unit_test(it_refuses_in_words),
		cmocka_unit_test(it_waits_for_descriptors),
		cmocka_unit_test(stopped_before_the_instant),
		cmocka_unit_test(started_anew_before_the_instant),
		cmocka_unit_test(controllers_come_and_go),
		cmocka_unit_test(tcp_segments_follow_each_other),
		cmocka_unit_test(other_frames_are_of_no_protocol),
		cmocka_unit_test(a_path_is_needed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
