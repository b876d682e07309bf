/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An application thread that sleeps whenever its transmit ring is full, over a wire that takes frames only
 * when the test reads them: everything is sent, in order, nobody looks twice, and nothing waits for a timer.
 */
#include "tests/sim/igb_rig.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#define FRAME 600u
#define BURST 16u
#define TXD   64u

struct sender {
	struct unapi_txq *txq;
	struct page_pool *pool;
	int room, state;   /* eventfds: there is room; it waits, or is done */
	uint32_t packets;  /* to send */
	uint32_t accepted; /* by the queue; atomic */
	unsigned int bursts, waits, told;
};

static void wait_for(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	eventfd_t n;

	assert_int_equal(poll(&p, 1, TIME_LIMIT / NSEC_PER_MSEC), 1);
	assert_int_equal(eventfd_read(fd, &n), 0);
}

static void on_room(void *arg, struct unapi_txq *txq)
{
	struct sender *s = arg;

	s->told++;
	(void)!eventfd_write(s->room, 1);
}

static unsigned int make(struct sender *s, struct unapi_pkt *p, uint32_t from)
{
	unsigned int n = s->packets - from < BURST ? s->packets - from : BURST;

	n = unapi_pkt_alloc_bulk(s->pool, p, n);
	for (unsigned int i = 0; i < n; i++) {
		uint8_t *d = unapi_pkt_data(&p[i]);
		uint32_t number = from + i;

		memset(d, (int)(uint8_t)number, FRAME);
		memcpy(d, &number, sizeof(number));
		d[0] = 2;
		memcpy(d + 14, &number, sizeof(number));
		p[i].len = FRAME;
	}
	return n;
}

static void *send_all(void *arg)
{
	struct sender *s = arg;
	struct unapi_pkt p[BURST];
	uint32_t made = 0;

	unapi_page_pool_adopt(s->pool);
	while (made < s->packets) {
		unsigned int n = make(s, p, made), at = 0;

		assert_true(n > 0); /* the pool is made for a full ring */
		made += n;
		for (;;) {
			unsigned int sent = unapi_tx_burst(s->txq, p + at, n - at);

			s->bursts++;
			__atomic_fetch_add(&s->accepted, sent, __ATOMIC_RELEASE);
			at += sent;
			if (at == n)
				break;
			s->waits++;
			assert_int_equal(eventfd_write(s->state, 1), 0);
			wait_for(s->room);
		}
	}
	/* It is gone now: what is in flight is somebody else's to clean. */
	unapi_txq_sleep(s->txq);
	assert_int_equal(eventfd_write(s->state, 1), 0);
	return NULL;
}

static void read_exactly(int fd, void *to, size_t n)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint8_t *at = to;

	while (n) {
		ssize_t got;

		assert_int_equal(poll(&p, 1, TIME_LIMIT / NSEC_PER_MSEC), 1);
		got = read(fd, at, n);
		assert_true(got > 0);
		at += got;
		n -= (size_t)got;
	}
}

/* Frames of the wire, each behind its length. */
static void read_frames(int fd, uint32_t from, uint32_t to)
{
	uint8_t frame[FRAME], head[4];
	uint32_t number;

	for (; from < to; from++) {
		read_exactly(fd, head, sizeof(head));
		assert_int_equal(head[0] << 24 | head[1] << 16 | head[2] << 8 | head[3], FRAME);
		read_exactly(fd, frame, FRAME);
		memcpy(&number, frame + 14, sizeof(number));
		assert_int_equal(number, from);
		for (unsigned int i = 18; i < FRAME; i++)
			assert_int_equal(frame[i], (uint8_t)from);
	}
}

static int listen_at(struct sockaddr_un *a)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a->sun_family = AF_UNIX;
	snprintf(a->sun_path, sizeof(a->sun_path), "/tmp/test-igb-wake-%d", (int)getpid());
	unlink(a->sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)a, sizeof(*a)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void slow_wire(const char *options, const struct unapi_dev_conf *conf, unsigned int q)
{
	struct sender s = {.packets = 4000, .room = eventfd(0, 0), .state = eventfd(0, 0)};
	struct sockaddr_un a = {0};
	int listener = listen_at(&a), wire;
	struct unapi_page_pool_info info;
	struct unapi_txq_stats st;
	uint64_t until;
	char opt[200];
	pthread_t t;
	struct rig r;
	uint32_t n;

	snprintf(opt, sizeof(opt), ",wire=socket:%s%s", a.sun_path, options);
	open_dev(&r, opt);
	configure(&r, conf);
	s.txq = unapi_dev_txq(r.dev, q);
	unapi_txq_release(s.txq);
	ok(unapi_txq_claim(s.txq, NULL));
	ok(unapi_txq_set_wake(s.txq, on_room, &s));
	ok(unapi_page_pool_create(TXD + 2 * BURST, -1, &s.pool));
	ok(unapi_context_start(r.ctx, -1));
	r.threaded = true;
	ok(unapi_dev_start(r.dev));
	wire = accept(listener, NULL, NULL);
	assert_true(wire >= 0);
	run_until_event(&r, &r.ups, 1);

	assert_int_equal(pthread_create(&t, NULL, send_all, &s), 0);
	for (uint32_t got = 0; got < s.packets; got = n) {
		wait_for(s.state); /* nothing more can be sent before this reads, or all is */
		n = __atomic_load_n(&s.accepted, __ATOMIC_ACQUIRE);
		read_frames(wire, got, n);
	}
	pthread_join(t, NULL);
	assert_true(s.waits > 3);
	assert_true(s.bursts <= s.packets / BURST + s.waits + 1);
	/* It burst again only when it was told, and was told each time that there was something to gain. */
	assert_in_range(s.told, s.waits, s.waits + 1);
	assert_true(s.waits < s.packets / (TXD / 4));
	ok(unapi_dev_get_txq_stats(r.dev, q, &st));
	assert_int_equal(st.packets, s.packets);
	/* The rest of the ring came back by itself, as the cause was routed at the last stop, or does at a
	 * stop of the device. */
	ok(unapi_dev_stop(r.dev));
	until = unapi_clock_ns() + TIME_LIMIT;
	do {
		unapi_page_pool_get_info(s.pool, &info);
		assert_true(unapi_clock_ns() < until);
	} while (info.inflight);
	ok(unapi_context_stop(r.ctx));
	r.threaded = false;
	json_decref(down(&r));
	unapi_page_pool_adopt(s.pool);
	ok(unapi_page_pool_destroy(s.pool));
	close(wire);
	close(listener);
	unlink(a.sun_path);
	close(s.room);
	close(s.state);
}

static void test_slow_wire(void **state)
{
	const struct unapi_dev_conf pair = {.rxq = 1, .txd = TXD}, tx_only = {.rxq = 1, .txq = 2, .txd = TXD},
				    shared = {.rxq = 2, .txq = 2, .combined = 1, .txd = TXD};

	slow_wire("", &pair, 0);
	slow_wire("", &tx_only, 1);
	slow_wire("", &shared, 1);
	slow_wire(",automask=0", &pair, 0);
	slow_wire(",doorbell=mmap", &pair, 0);
}

/* One vector for everything; and masked causes are forgotten. */
static void test_other_interrupts(void **state)
{
	const struct unapi_dev_conf pair = {.rxq = 1, .txd = TXD};

	slow_wire(",msix=0", &pair, 0);
	slow_wire(",msix=0,msi=0", &pair, 0);
	slow_wire(",latch=0", &pair, 0);
	slow_wire(",msix=0,latch=0", &pair, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slow_wire),
		cmocka_unit_test(test_other_interrupts),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	unlink(stats);
	return rc;
}
