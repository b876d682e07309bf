/* SPDX-License-Identifier: BSD-3-Clause */
/* An event poll over one instance on a virtual clock. A pollable stands for an endpoint: readable from the
 * first packet on until it is read. */
#ifndef UNAPI_TEST_EVENTPOLL_RIG_H
#define UNAPI_TEST_EVENTPOLL_RIG_H

#include "tests/unit/napi_rig.h"
#include "core/napi/eventpoll.h"

#define S (50 * T)

struct world {
	struct rig r;
	struct pollable p;
	int epfd;
	bool readable;
	uint64_t poll_takes; /* ns of every poll */
	int deliver_at;	     /* packets that come in the poll with this number, 0 none */
	int budgets[64];     /* of the polls */
	void (*in_poll)(void);
};

static struct world w;

static inline int world_poll(struct napi_struct *n, int budget)
{
	struct fake *f = &w.r.f;

	if (f->polls < 64)
		w.budgets[f->polls] = budget;
	w.r.now += w.poll_takes;
	if (f->polls + 1 == w.deliver_at)
		f->backlog += 3;
	if (w.in_poll)
		w.in_poll();
	if (f->backlog && !w.readable) {
		w.readable = true;
		WRITE_ONCE(w.p.napi_id, n->napi_id);
		pollable_wake(&w.p);
	}
	return fake_poll(n, budget);
}

static inline void add_to(int epfd, struct pollable *p, uint64_t data)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = data};

	assert_int_equal(unapi_epoll_ctl(epfd, EPOLL_CTL_ADD, p->fd, &ev), 0);
}

static inline void world_open(uint32_t defer, uint64_t timeout)
{
	memset(&w, 0, sizeof(w));
	rig_open(&w.r, defer, timeout);
	w.r.f.n.poll = world_poll;
	w.p.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	w.p.napi = &w.r.f.n;
	assert_int_equal(pollable_add(&w.p), 0);
	w.epfd = unapi_epoll_create1(EPOLL_CLOEXEC);
	assert_true(w.epfd >= 0);
	add_to(w.epfd, &w.p, 77);
}

static inline void world_close(void)
{
	if (w.epfd >= 0)
		assert_int_equal(unapi_epoll_close(w.epfd), 0);
	pollable_del(&w.p);
	close(w.p.fd);
	rig_close(&w.r);
}

static inline void set_params(uint32_t usecs, uint16_t budget, uint8_t prefer)
{
	struct epoll_params p = {
		.busy_poll_usecs = usecs, .busy_poll_budget = budget, .prefer_busy_poll = prefer};

	assert_int_equal(unapi_epoll_ioctl(w.epfd, EPIOCSPARAMS, &p), 0);
}

/* What the application does with an event. */
static inline void receive(void)
{
	uint64_t n;

	assert_int_equal(read(w.p.fd, &n, sizeof(n)), sizeof(n));
	w.readable = false;
}

static inline int wait_ms(int ms)
{
	struct epoll_event ev[4];
	int n = unapi_epoll_wait(w.epfd, ev, 4, ms);

	if (n == 1)
		assert_int_equal(ev[0].data.u64, 77);
	return n;
}

static inline uint64_t polls_by(int cause)
{
	return rig_stats(&w.r).polls_by[cause];
}

/* The first packets, by interrupt: from then on the event poll knows whom to poll. */
static inline void heard_of(void)
{
	rig_event(&w.r, 1);
	assert_int_equal(wait_ms(0), 1);
	receive();
}

static inline int refused(int rc)
{
	assert_int_equal(rc, -1);
	return errno;
}

static inline void expires_in(uint64_t ns)
{
	assert_true(w.r.f.n.timer.pending);
	assert_int_equal(w.r.f.n.timer.expires, w.r.now + ns);
}

static inline void open_suspending(uint32_t defer, uint64_t timeout)
{
	world_open(defer, timeout);
	assert_int_equal(unapi_napi_set_irq_suspend_timeout(&w.r.f.n, S), 0);
	set_params(0, 0, 1);
}

#endif
