/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Software GRO on the igb driver: a capture file of TCP and UDP streams is received, and every byte of every
 * stream looked at, in whatever packets it came.
 */
#include "igb_rig.h"

#include "core/net/gro.h"
#include "tests/unit/gro_frames.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#define FLOWS 12

static char pcap[64];
static uint32_t sent_to[FLOWS];

struct stream_end {
	uint32_t at;
	uint64_t packets, segs;
};

static struct stream_end ends[FLOWS];
static uint64_t got; /* segments; written by whoever polls, one thread for each queue */
static unsigned int wrong;

static uint64_t random_state;

static unsigned int below(unsigned int n)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned int)(random_state >> 33) % n;
}

/* Trains of the flows in turn, of random lengths. */
static void write_pcap(unsigned int frames)
{
	const uint32_t head[6] = {0xa1b2c3d4u, 2 | 4 << 16, 0, 0, 65535, 1};
	struct frame f[FLOWS];
	unsigned int flow = 0, left = 0;
	uint8_t bytes[2000];
	FILE *out;

	random_state = frames;
	snprintf(pcap, sizeof(pcap), "/tmp/test-igb-gro-%d.pcap", (int)getpid());
	out = fopen(pcap, "wb");
	assert_non_null(out);
	assert_int_equal(fwrite(head, sizeof(head), 1, out), 1);
	for (flow = 0; flow < FLOWS; flow++)
		f[flow] = (struct frame){FRAME, .flow = flow, .ipv6 = flow % 2, .udp = flow % 4 == 3,
					 .tcp_options = 12};
	for (unsigned int i = 0; i < frames; i++) {
		uint32_t h[4] = {0};

		if (!left) {
			flow = below(FLOWS);
			left = 1 + below(40);
		}
		left--;
		f[flow].len = left ? 1400 : 1 + below(1400);
		f[flow].flags = left ? ACK : ACK | PSH;
		f[flow].pad = 60;
		h[2] = h[3] = frame_write(&f[flow], bytes);
		assert_int_equal(fwrite(h, sizeof(h), 1, out), 1);
		assert_int_equal(fwrite(bytes, h[2], 1, out), 1);
		f[flow].seq += f[flow].len;
		f[flow].id++;
	}
	assert_int_equal(fclose(out), 0);
	for (flow = 0; flow < FLOWS; flow++)
		sent_to[flow] = f[flow].seq;
}

/*
 * With several queues a full one drops, and so does one that has no buffers yet: a capture file would begin
 * too early. So its frames come over a socket, once the link is up.
 */
static char wire_path[64];
static int listener;

static void wire_open(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	snprintf(wire_path, sizeof(wire_path), "/tmp/test-igb-gro-%d.sock", (int)getpid());
	unlink(wire_path);
	memcpy(un.sun_path, wire_path, sizeof(wire_path));
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(listener >= 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(listen(listener, 1), 0);
}

static void write_all(int fd, const void *data, size_t n)
{
	const uint8_t *p = data;
	ssize_t k;

	for (; n; p += k, n -= (size_t)k) {
		k = write(fd, p, n);
		assert_true(k > 0);
	}
}

static void *play(void *arg)
{
	int fd = accept(listener, NULL, NULL);
	uint8_t bytes[2000], len[4];
	FILE *in = fopen(pcap, "rb");
	uint32_t h[4];

	assert_non_null(in);
	assert_int_equal(fseek(in, 24, SEEK_SET), 0);
	while (fread(h, sizeof(h), 1, in) == 1) {
		assert_int_equal(fread(bytes, 1, h[2], in), h[2]);
		put32(len, h[2]);
		write_all(fd, len, sizeof(len));
		write_all(fd, bytes, h[2]);
	}
	fclose(in);
	return (void *)(intptr_t)fd;
}

static void count_wrong(bool is)
{
	if (is)
		__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
}

/* A packet's bytes go on where its stream was. */
static void look_at(const struct unapi_pkt *p, unsigned int segs)
{
	const uint8_t *d = unapi_pkt_data(p);
	unsigned int l4 = get16(d + 12) == 0x0800 ? 34 : 54, flow = get16(d + l4) - 1000, heads, total, len;
	bool udp = flow % 4 == 3;
	struct stream_end *e;

	count_wrong(flow >= FLOWS);
	if (flow >= FLOWS)
		return;
	e = &ends[flow];
	heads = l4 + (udp ? 8 : (d[l4 + 12] >> 4) * 4u);
	total = (l4 == 34 ? 14u + get16(d + 16) : 54u + get16(d + 18)) - heads;
	if (!udp)
		count_wrong(get32(d + l4 + 4) != e->at);
	count_wrong(segs > 1 && p->len != heads + unapi_pkt_gro_size(p));
	for (unsigned int i = 0; i < segs; i++) {
		const uint8_t *data = (uint8_t *)unapi_pkt_data(&p[i]) + (i ? 0 : heads);

		len = p[i].len - (i ? 0 : heads);
		len = len < total ? len : total; /* a short frame is padded */
		total -= len;
		for (unsigned int k = 0; k < len; k++)
			count_wrong(data[k] != byte_at(flow, e->at + k));
		e->at += len;
	}
	count_wrong(total);
	e->packets++;
	e->segs += segs;
}

static void receive(void *arg, struct unapi_pkt *pkts, const struct unapi_rx_meta *meta, unsigned int n)
{
	unsigned int i, segs;

	for (i = 0; i < n; i += segs) {
		segs = unapi_pkt_gro_segs(&pkts[i]);
		look_at(&pkts[i], segs);
	}
	unapi_pkt_free_bulk(pkts, n);
	/* release: whoever has seen them all looks at the ends */
	__atomic_fetch_add(&got, n, __ATOMIC_RELEASE);
}

static void open_gro(struct rig *r, unsigned int queues, unsigned int protocols)
{
	char options[128];

	memset(ends, 0, sizeof(ends));
	got = wrong = 0;
	if (queues > 1) {
		wire_open();
		snprintf(options, sizeof(options), ",wire=socket:%s", wire_path);
	} else {
		snprintf(options, sizeof(options), ",wire=pcap:%s", pcap);
	}
	open_dev(r, options);
	ok(unapi_dev_set_promisc(r->dev, true));
	configure(r, &(struct unapi_dev_conf){.rxq = queues, .gro = true});
	for (unsigned int q = 0; q < queues; q++)
		ok(unapi_dev_set_rx(r->dev, q, receive, NULL));
	ok(unapi_dev_set_gro(r->dev, protocols));
}

/* All came, as it was sent. */
static void close_gro(struct rig *r, unsigned int frames)
{
	struct unapi_dev_stats st;

	assert_int_equal(got, frames);
	assert_int_equal(wrong, 0);
	for (unsigned int flow = 0; flow < FLOWS; flow++)
		assert_int_equal(ends[flow].at, sent_to[flow]);
	unapi_dev_get_stats(r->dev, &st);
	assert_int_equal(st.rx_packets, frames);
	assert_int_equal(st.rx_missed + st.rx_errors, 0);
	json_decref(down(r));
	unlink(pcap);
}

static void sums(struct rig *r, struct unapi_rxq_stats *sum)
{
	struct unapi_rxq_stats st;

	memset(sum, 0, sizeof(*sum));
	for (unsigned int q = 0; q < r->queues; q++) {
		ok(unapi_dev_get_rxq_stats(r->dev, q, &st));
		sum->gro_packets += st.gro_packets;
		sum->gro_wire_packets += st.gro_wire_packets;
	}
}

/* Run until all is there. */
static void run_gro(struct rig *r, unsigned int frames)
{
	uint64_t until = unapi_clock_ns() + TIME_LIMIT;

	while (__atomic_load_n(&got, __ATOMIC_ACQUIRE) < frames) {
		assert_true(unapi_clock_ns() < until);
		run(r, 5);
	}
}

static void received(unsigned int queues, unsigned int frames, uint32_t defer, uint64_t timeout,
		     bool threaded)
{
	struct unapi_rxq_stats st;
	uint64_t merged = 0, packets = 0;
	pthread_t player;
	struct rig r;
	void *fd;

	write_pcap(frames);
	open_gro(&r, queues, UNAPI_GRO_TCP | UNAPI_GRO_UDP);
	unapi_dev_set_gro_flush_timeout(r.dev, timeout);
	unapi_dev_set_napi_defer_hard_irqs(r.dev, defer);
	for (unsigned int q = 0; q < queues && threaded; q++)
		ok(napi_set_threaded(unapi_dev_rxq_napi(r.dev, q), NETDEV_NAPI_THREADED_ENABLED));
	ok(unapi_dev_start(r.dev));
	if (queues > 1) {
		run_until_event(&r, &r.ups, 1);
		assert_int_equal(pthread_create(&player, NULL, play, NULL), 0);
	}
	r.threaded = threaded; /* the streams need nobody else from here */
	run_gro(&r, frames);
	if (queues > 1) {
		assert_int_equal(pthread_join(player, &fd), 0);
		close((int)(intptr_t)fd);
		close(listener);
		unlink(wire_path);
	}
	ok(unapi_dev_stop(r.dev));
	sums(&r, &st);
	for (unsigned int flow = 0; flow < FLOWS; flow++) {
		merged += ends[flow].segs;
		packets += ends[flow].packets;
	}
	assert_int_equal(merged, frames);
	assert_int_equal(frames - packets, st.gro_wire_packets - st.gro_packets);
	/* How much is a matter of timing, but with a timeout that outlasts it, not whether. */
	if (timeout >= NSEC_PER_MSEC)
		assert_true(packets < frames / 2);
	print_message("%u frames in %llu packets\n", frames, (unsigned long long)packets);
	close_gro(&r, frames);
}

static void streams_arrive(void **state)
{
	received(1, 20000, 0, 0, false);
	received(1, 20000, 0, 50000, false);
	received(1, 20000, 2, 2 * NSEC_PER_MSEC, false);
}

static void by_threads(void **state)
{
	received(1, 20000, 0, 0, true);
	received(4, 500, 1, NSEC_PER_MSEC, true); /* what one ring has room for */
}

static void several_queues(void **state)
{
	received(4, 500, 0, 0, false);
}

/* An application that polls, and on and off on the way. */
static void polled_and_switched(void **state)
{
	const unsigned int frames = 20000;
	unsigned int polls = 0, step = 0;
	struct napi_struct *n;
	struct rig r;

	write_pcap(frames);
	open_gro(&r, 1, UNAPI_GRO_TCP);
	n = unapi_dev_rxq_napi(r.dev, 0);
	unapi_context_set_poller(r.ctx, true);
	ok(unapi_dev_start(r.dev));
	ok(unapi_napi_set_mode(n, UNAPI_POLL_BUSY));
	while (got < frames) {
		if (unapi_napi_poll(n, 64) == -ECANCELED || unapi_napi_wants_poll(n)) {
			run(&r, 0);
			if (unapi_napi_wants_poll(n))
				unapi_napi_poll_begin(n);
		}
		if (++polls % 64)
			continue;
		run(&r, 0); /* the device's other descriptors */
		step++;
		ok(unapi_dev_set_gro(r.dev, step % 4));
		ok(unapi_napi_set_gro_flush_timeout(n, step % 3 * 100000));
	}
	close_gro(&r, frames);
}

/* What GRO may hold is in the pools only where it is asked for. */
static void pools(void **state)
{
	struct unapi_page_pool_info info;
	struct rig r;

	write_pcap(1);
	open_gro(&r, 1, 0);
	unapi_page_pool_get_info(unapi_dev_rxq_pool(r.dev, 0), &info);
	assert_int_equal(info.buffers, 512 + 512 + 256 + GRO_BUFFERS);
	configure(&r, &(struct unapi_dev_conf){.rxq = 1});
	unapi_page_pool_get_info(unapi_dev_rxq_pool(r.dev, 0), &info);
	assert_int_equal(info.buffers, 512 + 512 + 256);
	assert_int_equal(unapi_dev_set_gro(r.dev, UNAPI_GRO_TCP), -EOPNOTSUPP);
	json_decref(down(&r));
	unlink(pcap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams_arrive), cmocka_unit_test(by_threads),
		cmocka_unit_test(several_queues), cmocka_unit_test(polled_and_switched),
		cmocka_unit_test(pools),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
