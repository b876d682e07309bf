/* SPDX-License-Identifier: BSD-3-Clause */
/* What the threads do. Compiled like the library's own code, so that races on what its rules should guard are
 * found. */
#include "tests/model/roles.h"
#include "core/napi/eventpoll.h"
#include "core/net/page_pool.h"
#include "core/net/pool_impl.h"

/* As drivers/igb/poll.c does it. */
int driver_poll(struct napi_struct *n, int budget)
{
	uint64_t left;
	int work;

	note_poll(true);
	left = __atomic_load_n(&dev.posted, __ATOMIC_ACQUIRE) - dev.consumed;
	work = left < (uint64_t)budget ? (int)left : budget;
	dev.consumed += (uint64_t)work;
	dev.answered = READ_ONCE(dev.asked);
	if (work < budget && model_bug == DRIVER_UNMASKS_EARLY)
		device_unmask();
	note_poll(false);
	if (work < budget && napi_complete_done(n, work) && model_bug != DRIVER_UNMASKS_EARLY)
		device_unmask();
	return work;
}

/* As drivers/igb/poll.c does it when refills come short. */
int starving_poll(struct napi_struct *n, int budget)
{
	struct page_pool *pool = &page_pools[0];
	uint32_t buf;

	note_poll(true);
	dev.answered = READ_ONCE(dev.asked);
	do {
		if (!dev.in_ring)
			dev.in_ring = page_pool_alloc_bulk(pool, &buf, 1);
	} while (!dev.in_ring && page_pool_starve(pool));
	note_poll(false);
	if (napi_complete_done(n, 0))
		device_unmask();
	return 0;
}

void role_return(void *arg)
{
	page_pool_put_bulk(&dev.buffer, 1, false);
}

/* As drivers/common/adv_tx.c. */
unsigned int driver_burst(struct unapi_txq *q, struct unapi_pkt *pkts, unsigned int n)
{
	if (dev.slots && dev.in_flight == dev.slots && !driver_clean(q)) {
		netif_tx_stop_queue(q);
		return 0;
	}
	dev.in_flight += n;
	return n;
}

unsigned int driver_clean(struct unapi_txq *q)
{
	unsigned int n = dev.in_flight;

	if (dev.slots) {
		uint32_t sent = __atomic_load_n(&dev.sent, __ATOMIC_ACQUIRE);

		n = sent < n ? sent : n;
		__atomic_fetch_sub(&dev.sent, n, __ATOMIC_RELAXED);
	}
	dev.in_flight -= n;
	return n;
}

unsigned int driver_room(const struct unapi_txq *q)
{
	return dev.slots - dev.in_flight;
}

/* As drivers/igb/irq.c: when it returns the device knows, and what it had sent before it knew is there, as
 * the answer to a read of a register comes behind it. */
void driver_route(struct unapi_txq *q, bool on)
{
	if (model_bug == DRIVER_DOES_NOT_FLUSH)
		__atomic_store_n(&dev.tx_routed, on, __ATOMIC_RELEASE);
	else
		__atomic_exchange_n(&dev.tx_routed, on, __ATOMIC_ACQ_REL);
	if (on)
		napi_schedule(q->napi);
}

void driver_wake(void *arg, struct unapi_txq *q)
{
	uint64_t one = 1;

	(void)!write(dev.room, &one, sizeof(one));
}

/* The device sends; whether there is something to be sent yet does not matter to who looks for it. */
void role_wire(void *packets)
{
	for (uintptr_t i = 0; i < (uintptr_t)packets; i++) {
		__atomic_fetch_add(&dev.sent, 1, __ATOMIC_RELEASE);
		if (__atomic_fetch_or(&dev.tx_routed, 0, __ATOMIC_ACQ_REL))
			device_raise();
	}
}

/* An application thread that sleeps while the ring is full. */
void role_sleeper(void *packets)
{
	struct unapi_pkt pkt = {0};
	struct epoll_event ev;

	for (dev.to_send = (unsigned int)(uintptr_t)packets; dev.to_send;) {
		if (unapi_tx_burst(&dev.txq, &pkt, 1))
			dev.to_send--;
		else
			epoll_wait(dev.room_ep, &ev, 1, -1);
	}
}

int cleaning_poll(struct napi_struct *n, int budget)
{
	note_poll(true);
	dev.answered = READ_ONCE(dev.asked);
	netdev_clean_sleeping(&dev.ch);
	note_poll(false);
	if (napi_complete_done(n, 0))
		device_unmask();
	return 0;
}

void role_send(void *bursts)
{
	struct unapi_pkt pkt = {0};

	for (uintptr_t i = 0; i < (uintptr_t)bursts; i++) {
		unapi_tx_burst(&dev.txq, &pkt, 1);
		unapi_txq_sleep(&dev.txq);
	}
}

/* Each packet by itself, and not more than there is room for. */
void role_fill(void *packets)
{
	struct unapi_pkt pkt = {0};

	for (uintptr_t i = 0; i < (uintptr_t)packets; i++)
		dev.filled += endpoint_put(&dev.endpoint, &pkt, NULL, 1);
}

void pollable_wake(struct pollable *p)
{
	uint64_t one = 1;

	if (write(p->fd, &one, sizeof(one)) < 0)
		return;
}

/* Sleeps until there is an edge, which asks most of the filler. */
void role_receive(void *batch)
{
	struct unapi_pkt pkts[2];
	struct epoll_event ev;
	int n;

	for (;;) {
		n = endpoint_take(&dev.endpoint, pkts, NULL, (uint32_t)(uintptr_t)batch);
		dev.received += (unsigned int)n;
		if (n < (int)(uintptr_t)batch)
			epoll_wait(dev.epfd, &ev, 1, -1);
	}
}

/* Says that it is awake, once, as if it busy polled. */
void role_receive_awake(void *batch)
{
	struct unapi_pkt pkts[2];

	if (endpoint_awake(&dev.endpoint)) {
		dev.received +=
			(unsigned int)endpoint_take(&dev.endpoint, pkts, NULL, (uint32_t)(uintptr_t)batch);
		if (__atomic_load_n(&dev.endpoint.reader, __ATOMIC_RELAXED) == ENDPOINT_AWAKE)
			endpoint_settle(&dev.endpoint);
	}
	role_receive(batch);
}

void driver_timer(struct unapi_timer *t)
{
	note_timer();
	napi_watchdog(t);
}

void role_device(void *events)
{
	for (uintptr_t i = 0; i < (uintptr_t)events; i++) {
		__atomic_fetch_add(&dev.posted, 1, __ATOMIC_SEQ_CST);
		device_raise();
	}
}

/* The poll that napi_schedule() asks for sees what was written before it. */
void role_schedule(void *times)
{
	for (uintptr_t i = 0; i < (uintptr_t)times; i++) {
		__atomic_fetch_add(&dev.asked, 1, __ATOMIC_RELAXED);
		napi_schedule(&dev.ch.napi);
	}
}

void role_mark_missed(void *arg)
{
	__atomic_fetch_add(&dev.asked, 1, __ATOMIC_RELAXED);
	if (!napi_if_scheduled_mark_missed(&dev.ch.napi))
		napi_schedule(&dev.ch.napi);
}

void role_disable(void *arg)
{
	if (napi_disable(&dev.ch.napi) == 0)
		note_disabled(true);
}

static void restart(void)
{
	note_disabled(false);
	napi_enable(&dev.ch.napi);
	device_unmask();
	napi_schedule(&dev.ch.napi);
}

void role_disable_in_time(void *arg)
{
	int rc;

	note_may_be_late(true);
	rc = napi_disable_timeout(&dev.ch.napi, NSEC_PER_SEC);
	note_may_be_late(false);
	if (rc == 0)
		restart();
}

void role_restart(void *arg)
{
	if (napi_disable(&dev.ch.napi) == 0) {
		note_disabled(true);
		restart();
	}
}

void role_move(void *arg)
{
	unapi_napi_set_context(&dev.ch.napi, ctx[1], UINT64_MAX);
}

static bool loop_end(void *arg, unsigned long start)
{
	return --*(int *)arg == 0;
}

void role_busy_loop(void *prefer)
{
	int tries = 2;

	napi_busy_loop(NAPI_ID, loop_end, &tries, prefer, WEIGHT);
}

void role_suspend(void *arg)
{
	napi_suspend_irqs(NAPI_ID);
}

void role_resume(void *arg)
{
	napi_resume_irqs(NAPI_ID);
}

/* A loop of the application's, which waits for the context's descriptor among others. */
void role_application(void *arg)
{
	for (;;) {
		unapi_context_run(ctx[(uintptr_t)arg], 0);
		os_watch(unapi_context_fd(ctx[(uintptr_t)arg]));
	}
}

void role_caller(void *polls)
{
	for (;;) {
		if (unapi_napi_wants_poll(&dev.ch.napi) && unapi_napi_poll_begin(&dev.ch.napi) == 0) {
			for (uintptr_t i = 0; i < (uintptr_t)polls; i++) {
				if (unapi_napi_poll(&dev.ch.napi, WEIGHT) < 0)
					break;
				unapi_context_run(ctx[0], 0);
			}
			unapi_napi_poll_end(&dev.ch.napi);
			unapi_napi_set_mode(&dev.ch.napi, UNAPI_POLL_INTERRUPT);
		}
		unapi_context_run(ctx[0], -1);
	}
}

void role_interrupt_mode(void *arg)
{
	unapi_napi_set_mode(&dev.ch.napi, UNAPI_POLL_INTERRUPT);
}

void role_synchronize(void *arg)
{
	napi_synchronize(&dev.ch.napi);
}

void role_set_threaded(void *threaded)
{
	napi_set_threaded(&dev.ch.napi, (enum netdev_napi_threaded)(uintptr_t)threaded);
}

/* There are no event polls in here. */
void eventpoll_context_changed(struct unapi_context *c) {}
