/* SPDX-License-Identifier: BSD-3-Clause */
/* Receive endpoints whose reader is another thread than whoever fills them, starts and ends. */
#include "endpoint_rig.h"

#include <sched.h>

#define STRESS 100000

struct stress {
	struct rig *r;
	uint64_t received, out_of_order, goal;
	bool lost;
	int result;
};

/* Somebody else's loop: sleeps in poll() until it is readable. */
static void *reader(void *arg)
{
	struct stress *s = arg;
	struct pollfd pfd = {.fd = s->r->fd, .events = POLLIN};
	struct unapi_pkt pkts[32];
	uint64_t received = 0;
	uint16_t next = 0;
	int n, i;

	while (received < s->goal) {
		if (poll(&pfd, 1, 20000) != 1) {
			__atomic_store_n(&s->lost, true, __ATOMIC_RELEASE); /* a wake-up */
			break;
		}
		/* batches of all sizes: now it is drained, and now something is left */
		n = unapi_endpoint_recv(s->r->e, pkts, 1 + (unsigned int)(received % 32), MSG_DONTWAIT);
		for (i = 0; i < n; i++)
			s->out_of_order += pkts[i].vlan != next++;
		if (n > 0) {
			unapi_pkt_free_bulk(pkts, (unsigned int)n);
			received += (uint64_t)n;
			__atomic_store_n(&s->received, received, __ATOMIC_RELEASE);
		}
	}
	return NULL;
}

/* Filler and reader on two threads: no packet, and no wake-up is lost. */
static void two_threads(void **state)
{
	struct rig *r = rig_open(256);
	struct stress s = {.r = r, .goal = STRESS};
	uint64_t sent = 0;
	pthread_t t;

	unapi_clock_set_virtual(NULL);
	pthread_create(&t, NULL, reader, &s);
	while (sent < STRESS && !__atomic_load_n(&s.lost, __ATOMIC_ACQUIRE)) {
		unsigned int n = 1 + sent % 7;

		n = sent + n > STRESS ? (unsigned int)(STRESS - sent) : n;
		/* no more than it holds: what is lost would be lost by the handshake; and empty now and then
		 */
		if (sent + n - __atomic_load_n(&s.received, __ATOMIC_ACQUIRE) > (sent % 3 ? 8 : 250)) {
			sched_yield();
			continue;
		}
		deliver(r, n);
		sent += n;
	}
	pthread_join(t, NULL);
	assert_false(s.lost);
	assert_int_equal(s.received, STRESS);
	assert_int_equal(s.out_of_order, 0);
	assert_int_equal(xstat(r, "rx_q0_endpoint_drops"), 0);
	rig_close(r);
}

/* Takes packets, waiting for them, up to the goal or an error. */
static void *waiter(void *arg)
{
	struct stress *s = arg;
	struct unapi_pkt pkts[32];
	int n = 0;

	while (s->received < s->goal && n >= 0) {
		n = unapi_endpoint_recv(s->r->e, pkts, 32, 0);
		if (n > 0)
			unapi_pkt_free_bulk(pkts, (unsigned int)n);
		s->received += n > 0 ? (uint64_t)n : 0;
	}
	s->result = n;
	return NULL;
}

static void *late_sender(void *arg)
{
	unapi_clock_sleep(2 * NSEC_PER_MSEC);
	fake_nic_deliver(arg, 0, 1);
	return NULL;
}

/* A receiver that waits runs the context itself; where a thread of the library's does, it only sleeps. */
static void waits(void **state)
{
	struct rig *r = rig_open(0);
	struct unapi_pkt p;
	pthread_t t;

	unapi_clock_set_virtual(NULL);
	pthread_create(&t, NULL, late_sender, r->dev);
	assert_int_equal(unapi_endpoint_recv(r->e, &p, 1, 0), 1);
	unapi_pkt_free_bulk(&p, 1);
	pthread_join(t, NULL);
	assert_int_equal(unapi_context_start(r->ctx, -1), 0);
	pthread_create(&t, NULL, late_sender, r->dev);
	assert_int_equal(unapi_endpoint_recv(r->e, &p, 1, 0), 1);
	unapi_pkt_free_bulk(&p, 1);
	pthread_join(t, NULL);
	assert_int_equal(unapi_context_stop(r->ctx), 0);
	rig_close(r);
}

/* Who waits goes on waiting when the library's thread is gone, and runs the context from then on. */
static void waits_on_without_the_thread(void **state)
{
	struct rig *r = rig_open(0);
	struct stress s = {.r = r, .goal = 1};
	pthread_t t;

	unapi_clock_set_virtual(NULL);
	assert_int_equal(unapi_context_start(r->ctx, -1), 0);
	pthread_create(&t, NULL, waiter, &s);
	unapi_clock_sleep(5 * NSEC_PER_MSEC); /* usually it sleeps by then */
	assert_int_equal(unapi_context_stop(r->ctx), 0);
	fake_nic_deliver(r->dev, 0, 1);
	pthread_join(t, NULL);
	assert_int_equal(s.received, 1);
	assert_int_equal(readable(r), false);
	rig_close(r);
}

/* Nor does it keep the context in use when device and context go: it may be running that. */
static void waits_while_all_goes(void **state)
{
	struct rig *r = &rig;
	int i;

	for (i = 0; i < 100; i++) {
		struct stress s = {.r = r, .goal = 1};
		pthread_t t;

		open_dev(r);
		assert_int_equal(unapi_endpoint_create(r->dev, 0, 0, &r->e), 0);
		assert_int_equal(unapi_dev_start(r->dev), 0);
		pthread_create(&t, NULL, waiter, &s);
		if (i % 4)
			unapi_clock_sleep((uint64_t)(i % 4) * 50 * NSEC_PER_USEC);
		assert_int_equal(unapi_dev_stop(r->dev), 0);
		unapi_context_wake(r->ctx);
		assert_int_equal(unapi_dev_close(r->dev), 0);
		assert_int_equal(unapi_context_destroy(r->ctx), 0);
		pthread_join(t, NULL);
		assert_int_equal(s.result, -ENODEV);
		assert_int_equal(unapi_endpoint_destroy(r->e), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_threads),
		cmocka_unit_test(waits),
		cmocka_unit_test(waits_on_without_the_thread),
		cmocka_unit_test(waits_while_all_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
