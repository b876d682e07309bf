/* SPDX-License-Identifier: BSD-3-Clause */
/* Event polls on a virtual clock: when they busy poll, whom, for how long, and what becomes of interrupts. A
 * pollable stands for an endpoint: readable from the first packet on until it is read. */
#include "tests/unit/napi_rig.h"
#include "core/napi/eventpoll.h"

#include <poll.h>
#include <signal.h>

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

static int world_poll(struct napi_struct *n, int budget)
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

static void add_to(int epfd, struct pollable *p, uint64_t data)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = data};

	assert_int_equal(unapi_epoll_ctl(epfd, EPOLL_CTL_ADD, p->fd, &ev), 0);
}

static void world_open(uint32_t defer, uint64_t timeout)
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

static void world_close(void)
{
	if (w.epfd >= 0)
		assert_int_equal(unapi_epoll_close(w.epfd), 0);
	pollable_del(&w.p);
	close(w.p.fd);
	rig_close(&w.r);
}

static void set_params(uint32_t usecs, uint16_t budget, uint8_t prefer)
{
	struct epoll_params p = {
		.busy_poll_usecs = usecs, .busy_poll_budget = budget, .prefer_busy_poll = prefer};

	assert_int_equal(unapi_epoll_ioctl(w.epfd, EPIOCSPARAMS, &p), 0);
}

/* What the application does with an event. */
static void receive(void)
{
	uint64_t n;

	assert_int_equal(read(w.p.fd, &n, sizeof(n)), sizeof(n));
	w.readable = false;
}

static int wait_ms(int ms)
{
	struct epoll_event ev[4];
	int n = unapi_epoll_wait(w.epfd, ev, 4, ms);

	if (n == 1)
		assert_int_equal(ev[0].data.u64, 77);
	return n;
}

static uint64_t polls_by(int cause)
{
	return rig_stats(&w.r).polls_by[cause];
}

/* The first packets, by interrupt: from then on the event poll knows whom to poll. */
static void heard_of(void)
{
	rig_event(&w.r, 1);
	assert_int_equal(wait_ms(0), 1);
	receive();
}

static int refused(int rc)
{
	assert_int_equal(rc, -1);
	return errno;
}

/* Ordinary descriptors, added by either call. */
static void ordinary_descriptors(void **state)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.u64 = UINT64_MAX}, got[4];
	int a = eventfd(1, 0), b = eventfd(1, 0);

	world_open(0, 0);
	assert_int_equal(unapi_epoll_ctl(w.epfd, EPOLL_CTL_ADD, a, &ev), 0);
	assert_int_equal(unapi_epoll_wait(w.epfd, got, 4, -1), 1);
	assert_true(got[0].data.u64 == UINT64_MAX);
	assert_int_equal(unapi_epoll_wait(w.epfd, got, 4, 0), 0); /* its edge is gone */
	ev = (struct epoll_event){.events = EPOLLIN, .data.u64 = 2};
	assert_int_equal(epoll_ctl(w.epfd, EPOLL_CTL_ADD, b, &ev), 0);
	assert_int_equal(unapi_epoll_wait(w.epfd, got, 4, -1), 1);
	assert_int_equal(got[0].data.u64, 2);
	assert_int_equal(unapi_epoll_wait(w.epfd, got, 4, -1), 1);
	ev.events = EPOLLIN | EPOLLONESHOT;
	assert_int_equal(unapi_epoll_ctl(w.epfd, EPOLL_CTL_MOD, b, &ev), 0);
	assert_int_equal(unapi_epoll_wait(w.epfd, got, 4, -1), 1);
	assert_int_equal(unapi_epoll_wait(w.epfd, got, 4, 0), 0);
	/* one place for three: everybody's turn comes */
	rig_event(&w.r, 1);
	ev.events = EPOLLIN;
	assert_int_equal(unapi_epoll_ctl(w.epfd, EPOLL_CTL_MOD, b, &ev), 0);
	while (unapi_epoll_wait(w.epfd, got, 1, -1) == 1 && got[0].data.u64 != 77)
		assert_int_equal(got[0].data.u64, 2);
	assert_int_equal(w.r.f.polls, 1);
	assert_int_equal(unapi_epoll_ctl(w.epfd, EPOLL_CTL_DEL, a, NULL), 0);
	close(a);
	close(b);
	world_close();
}

/* The wait runs the endpoint's home context: nobody else does. */
static void contexts_are_run(void **state)
{
	struct epoll_event ev[2];

	world_open(0, 0);
	assert_false(fd_readable(w.epfd));
	rig_event(&w.r, 5);
	assert_true(fd_readable(w.epfd)); /* in a foreign loop it wakes */
	assert_int_equal(wait_ms(-1), 1);
	assert_int_equal(w.r.f.polls, 1);
	assert_int_equal(polls_by(UNAPI_CAUSE_IRQ), 1);
	assert_false(w.r.masked);
	assert_int_equal(wait_ms(-1), 1); /* level triggered: it is there still, and nobody polled */
	assert_int_equal(w.r.f.polls, 1);
	receive();
	assert_int_equal(wait_ms(0), 0);
	/* a zero timeout runs them too, and returns what they brought */
	rig_event(&w.r, 1);
	assert_int_equal(wait_ms(0), 1);
	receive();

	assert_int_equal(unapi_epoll_ctl(w.epfd, EPOLL_CTL_DEL, w.p.fd, NULL), 0);
	rig_event(&w.r, 1);
	assert_false(fd_readable(w.epfd));
	assert_int_equal(unapi_epoll_wait(w.epfd, ev, 2, 0), 0);
	rig_run(&w.r);
	world_close();
}

/* One event poll is in charge of a context, and none while a thread of the library's is. */
static void who_adopts(void **state)
{
	int second;

	world_open(0, 0);
	second = unapi_epoll_create1(0);
	add_to(second, &w.p, 77);
	rig_event(&w.r, 1);
	assert_true(fd_readable(w.epfd));
	assert_false(fd_readable(second));
	assert_int_equal(wait_ms(0), 1);
	assert_true(fd_readable(second)); /* both have the endpoint */
	receive();
	assert_false(fd_readable(second));
	/* the next one takes over */
	assert_int_equal(unapi_epoll_close(w.epfd), 0);
	rig_event(&w.r, 1);
	assert_true(fd_readable(second));
	w.epfd = second;
	assert_int_equal(wait_ms(0), 1);
	receive();
	/* a thread of the library's */
	unapi_clock_set_virtual(NULL);
	assert_int_equal(unapi_context_start(w.r.c, -1), 0);
	assert_int_equal(unapi_context_stop(w.r.c), 0);
	unapi_clock_set_virtual(&w.r.now);
	rig_event(&w.r, 1);
	assert_true(fd_readable(second));
	assert_int_equal(wait_ms(0), 1);
	receive();
	/* the instance goes away: nobody has to run the context any more */
	pollable_orphan(&w.p);
	rig_event(&w.r, 1);
	assert_false(fd_readable(second));
	rig_run(&w.r);
	assert_int_equal(wait_ms(0), 1);
	receive();
	world_close();
}

/* Closed by close(2), which tells nobody: the next event poll takes over, whatever has the number by then. */
static void closed_behind_our_back(void **state)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 9}, got[2];
	struct epoll_params params = {1, 2, 1, 0};
	int lost, second;

	world_open(0, 0);
	lost = w.epfd;
	close(lost);
	assert_int_equal(epoll_create1(0), lost);
	/* the number is an ordinary epoll's, in which the application watches the context by itself */
	assert_int_equal(epoll_ctl(lost, EPOLL_CTL_ADD, unapi_context_fd(w.r.c), &ev), 0);
	second = unapi_epoll_create1(0);
	add_to(second, &w.p, 77);
	rig_event(&w.r, 1);
	assert_int_equal(epoll_wait(lost, got, 2, 0), 1);
	assert_int_equal(got[0].data.u64, 9);
	assert_true(fd_readable(second));
	w.epfd = second;
	assert_int_equal(wait_ms(0), 1);
	receive();
	assert_int_equal(unapi_epoll_ctl(lost, EPOLL_CTL_DEL, w.p.fd, NULL), -1);
	assert_int_equal(unapi_epoll_ioctl(second, EPIOCSPARAMS, &params), 0);
	close(lost);
	/* a number of which nothing was heard since, given to an event poll, and to an endpoint */
	close(second);
	w.epfd = unapi_epoll_create1(0);
	assert_int_equal(w.epfd, lost);
	assert_int_equal(unapi_epoll_create1(0), second);
	assert_int_equal(unapi_epoll_ioctl(second, EPIOCGPARAMS, &params), 0);
	assert_int_equal(params.busy_poll_usecs + params.prefer_busy_poll, 0);
	add_to(second, &w.p, 77);
	pollable_del(&w.p);
	close(w.p.fd);
	close(second);
	w.p.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (w.p.fd != second) {
		assert_int_equal(dup2(w.p.fd, second), second);
		close(w.p.fd);
		w.p.fd = second;
	}
	assert_int_equal(pollable_add(&w.p), 0);
	add_to(w.epfd, &w.p, 77);
	rig_event(&w.r, 1);
	assert_int_equal(wait_ms(0), 1);
	receive();
	world_close();
}

static void a_thread_is_in_charge(void **state)
{
	int second;

	world_open(0, 0);
	rig_event(&w.r, 1);
	second = unapi_epoll_create1(0);
	add_to(second, &w.p, 77);
	unapi_clock_set_virtual(NULL);
	assert_int_equal(unapi_context_start(w.r.c, -1), 0);
	assert_int_equal(wait_ms(-1), 1);
	assert_int_equal(unapi_context_stop(w.r.c), 0);
	unapi_clock_set_virtual(&w.r.now);
	assert_int_equal(w.r.f.polls, 1);
	receive();
	assert_int_equal(unapi_epoll_close(second), 0);
	world_close();
}

/* usecs 0 with preference: on, and over at once. */
static void one_poll(void **state)
{
	world_open(0, 0);
	set_params(0, 0, 1);
	/* nobody was heard of yet */
	assert_int_equal(wait_ms(1), 0);
	assert_int_equal(w.r.f.polls, 0);
	heard_of();
	assert_int_equal(w.r.f.polls, 1);
	assert_int_equal(wait_ms(1), 0);
	/* one of the loop's; its stop, as there is no timer, polls once more and completes */
	assert_int_equal(polls_by(UNAPI_CAUSE_APP), 2);
	assert_int_equal(w.budgets[1], 8);
	assert_int_equal(w.budgets[2], 8);
	/* found nothing: it waits to be heard of */
	assert_int_equal(wait_ms(1), 0);
	assert_int_equal(w.r.f.polls, 3);
	heard_of();
	assert_int_equal(wait_ms(1), 0);
	assert_int_equal(w.r.f.polls, 6);
	world_close();
}

static void polls_for_a_time(void **state)
{
	world_open(0, 0);
	set_params(50, 16, 0);
	w.poll_takes = 10 * 1024;
	heard_of();
	assert_int_equal(wait_ms(5), 0);
	/* over when more than 50 units have passed: after the sixth; and the stop's */
	assert_int_equal(polls_by(UNAPI_CAUSE_APP), 7);
	assert_int_equal(w.budgets[1], 16);

	/* an event ends it */
	heard_of();
	w.deliver_at = w.r.f.polls + 3;
	assert_int_equal(wait_ms(5), 1);
	assert_int_equal(w.r.f.polls, w.deliver_at + 1);
	assert_int_equal(polls_by(UNAPI_CAUSE_IRQ), 2);
	receive();
	world_close();
}

static void no_poll_without_need(void **state)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 77};
	int fd = eventfd(0, EFD_NONBLOCK);

	world_open(0, 0);
	set_params(50, 0, 0);
	w.poll_takes = 1024;
	heard_of();
	assert_int_equal(wait_ms(0), 0); /* a zero timeout never polls */
	assert_int_equal(w.r.f.polls, 1);
	/* nor does a wait that finds something */
	assert_int_equal(unapi_epoll_ctl(w.epfd, EPOLL_CTL_ADD, fd, &ev), 0);
	assert_int_equal(eventfd_write(fd, 1), 0);
	assert_int_equal(wait_ms(-1), 1);
	assert_int_equal(w.r.f.polls, 1);
	close(fd);
	/* nor one without busy polling */
	set_params(0, 0, 0);
	assert_int_equal(wait_ms(1), 0);
	assert_int_equal(w.r.f.polls, 1);
	world_close();
}

static int other_fd;

static void other_descriptor(void)
{
	if (w.r.f.polls == 3)
		assert_int_equal(eventfd_write(other_fd, 1), 0);
}

/* An ordinary descriptor ends the loop too, some tries later. */
static void others_end_it(void **state)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 77};

	other_fd = eventfd(0, EFD_NONBLOCK);
	world_open(0, 0);
	set_params(1000000, 0, 0);
	assert_int_equal(unapi_epoll_ctl(w.epfd, EPOLL_CTL_ADD, other_fd, &ev), 0);
	w.poll_takes = 1024;
	heard_of();
	w.in_poll = other_descriptor;
	assert_int_equal(wait_ms(-1), 1);
	assert_in_range(w.r.f.polls, 4, 80);
	assert_int_equal(eventfd_read(other_fd, &(eventfd_t){0}), 0);
	close(other_fd);
	world_close();
}

static void whole_process(void **state)
{
	assert_int_equal(unapi_set_busy_poll(1u << 31), -EINVAL);
	assert_int_equal(unapi_busy_poll(), 0);
	world_open(0, 0);
	assert_int_equal(unapi_set_busy_poll(50), 0);
	w.poll_takes = 10 * 1024;
	heard_of();
	assert_int_equal(wait_ms(5), 0);
	assert_int_equal(polls_by(UNAPI_CAUSE_APP), 7);
	/* an event poll's own comes first */
	set_params(20, 0, 0);
	heard_of();
	assert_int_equal(wait_ms(5), 0);
	assert_int_equal(polls_by(UNAPI_CAUSE_APP), 7 + 4);
	assert_int_equal(unapi_set_busy_poll(0), 0);
	assert_int_equal(unapi_busy_poll(), 0);
	world_close();
}

/* Off: what is heard of is not kept. On: a member's id counts as soon as it is added or modified. */
static void whom_it_polls(void **state)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 77};

	world_open(0, 0);
	heard_of();
	set_params(0, 0, 1);
	assert_int_equal(wait_ms(1), 0);
	assert_int_equal(w.r.f.polls, 1);
	assert_int_equal(unapi_epoll_ctl(w.epfd, EPOLL_CTL_MOD, w.p.fd, &ev), 0);
	assert_int_equal(wait_ms(1), 0);
	assert_int_equal(w.r.f.polls, 3);
	assert_int_equal(unapi_epoll_ctl(w.epfd, EPOLL_CTL_DEL, w.p.fd, NULL), 0);
	add_to(w.epfd, &w.p, 77);
	assert_int_equal(wait_ms(1), 0);
	assert_int_equal(w.r.f.polls, 5);
	/* an instance that is gone is like one that has nothing */
	add_to(w.epfd = (unapi_epoll_close(w.epfd), unapi_epoll_create1(0)), &w.p, 77);
	set_params(0, 0, 1);
	WRITE_ONCE(w.p.napi_id, 4000000);
	assert_int_equal(unapi_epoll_ctl(w.epfd, EPOLL_CTL_MOD, w.p.fd, &ev), 0);
	assert_int_equal(wait_ms(1), 0);
	WRITE_ONCE(w.p.napi_id, 8192); /* no instance's */
	assert_int_equal(unapi_epoll_ctl(w.epfd, EPOLL_CTL_MOD, w.p.fd, &ev), 0);
	assert_int_equal(wait_ms(1), 0);
	assert_int_equal(w.r.f.polls, 5);
	world_close();
}

static void last_one_wins(void **state)
{
	struct epoll_event ev[4];
	struct pollable other = {0};
	struct fake f;

	world_open(0, 0);
	fake_add(&f, w.r.c, 'b');
	assert_int_equal(napi_enable(&f.n), 0);
	other.fd = eventfd(0, EFD_NONBLOCK);
	other.napi = &f.n;
	assert_int_equal(pollable_add(&other), 0);
	add_to(w.epfd, &other, 5);
	set_params(0, 0, 1);
	heard_of();
	other.napi_id = f.n.napi_id;
	pollable_wake(&other);
	assert_int_equal(unapi_epoll_wait(w.epfd, ev, 4, 0), 1);
	assert_int_equal(eventfd_read(other.fd, &(eventfd_t){0}), 0);
	assert_int_equal(wait_ms(1), 0);
	assert_int_equal(f.polls, 2);
	assert_int_equal(w.r.f.polls, 1);
	pollable_del(&other); /* takes it out of the set */
	close(other.fd);
	fake_del(&f);
	world_close();
}

static void expires_in(uint64_t ns)
{
	assert_true(w.r.f.n.timer.pending);
	assert_int_equal(w.r.f.n.timer.expires, w.r.now + ns);
}

static void open_suspending(uint32_t defer, uint64_t timeout)
{
	world_open(defer, timeout);
	assert_int_equal(unapi_napi_set_irq_suspend_timeout(&w.r.f.n, S), 0);
	set_params(0, 0, 1);
}

/* While each wait finds events, no interrupt; when one finds none, a poll and the deferral. */
static void suspension(void **state)
{
	struct unapi_napi_stats before, after;
	uint64_t wakeups;
	int i;

	open_suspending(2, T);
	rig_event(&w.r, 1);
	assert_int_equal(wait_ms(-1), 1);
	expires_in(S); /* the wait returned events: the deferral's timer was stretched */
	assert_true(w.r.masked);
	receive();
	wakeups = w.r.c->stats.wakeups;
	for (i = 0; i < 5; i++) {
		before = rig_stats(&w.r);
		rig_event(&w.r, 3);
		assert_int_equal(wait_ms(-1), 1);
		after = rig_stats(&w.r);
		/* one poll, the stop's start, and the suspension's */
		assert_int_equal(after.polls - before.polls, 1);
		assert_int_equal(after.timer_starts - before.timer_starts, 2);
		assert_int_equal(after.irqs, 1);
		expires_in(S);
		receive();
		w.r.now += S / 2;
	}
	assert_int_equal(w.r.c->stats.wakeups, wakeups); /* for no timer that is started anew at once */
	/* nothing: resumed, which polls with the instance's weight, and defers */
	before = rig_stats(&w.r);
	assert_int_equal(
		unapi_epoll_pwait2(w.epfd, &(struct epoll_event){0}, 1, &(struct timespec){0, T / 2}, NULL),
		0);
	after = rig_stats(&w.r);
	assert_int_equal(after.polls - before.polls, 2);
	assert_int_equal(w.budgets[w.r.f.polls - 1], NAPI_POLL_WEIGHT);
	assert_true(w.r.masked);
	expires_in(T / 2);
	/* the deferral runs out while it sleeps, and the interrupt comes back: a cause is pending */
	assert_int_equal(wait_ms(1), 0);
	assert_false(w.r.masked);
	assert_int_equal(rig_stats(&w.r).irqs, 2); /* what had been raised while it was masked */
	world_close();
}

/* The application does not come back: the timer goes off, and all is as with deferral alone. */
static void stalled(void **state)
{
	open_suspending(2, T);
	heard_of();
	w.r.f.backlog = 3;
	assert_int_equal(rig_later(&w.r, S - 1), 0);
	assert_int_equal(rig_later(&w.r, 1), 3);
	assert_int_equal(polls_by(UNAPI_CAUSE_WATCHDOG), 1);
	expires_in(T);
	rig_quiet(&w.r);
	assert_false(w.r.masked);
	world_close();
}

/* Although a wait does not wake the context for its timers, whoever watches the descriptor learns of them. */
static void stalled_in_another_loop(void **state)
{
	struct pollfd pfd = {.events = POLLIN};
	uint64_t until;

	open_suspending(1, NSEC_PER_MSEC);
	unapi_clock_set_virtual(NULL);
	assert_int_equal(unapi_napi_set_irq_suspend_timeout(&w.r.f.n, 5 * NSEC_PER_MSEC), 0);
	heard_of();
	w.r.f.backlog = 1;
	assert_int_equal(wait_ms(-1), 1); /* busy polled, and suspended */
	assert_true(rig_stats(&w.r).polls_by[UNAPI_CAUSE_APP] > 0);
	receive();
	pfd.fd = w.epfd;
	until = unapi_clock_ns() + 10 * NSEC_PER_SEC;
	while (!polls_by(UNAPI_CAUSE_WATCHDOG) || w.r.masked) {
		assert_true(unapi_clock_ns() < until);
		assert_int_equal(poll(&pfd, 1, 10000), 1);
		wait_ms(0);
	}
	world_close();
}

static int removed;

static void remove_endpoint(void)
{
	if (!removed++)
		assert_int_equal(unapi_epoll_ctl(w.epfd, EPOLL_CTL_DEL, w.p.fd, NULL), 0);
}

/* In the busy loop's own poll method: nobody waits for himself, and the context has its timer. */
static void removed_while_polled(void **state)
{
	struct pollfd pfd = {.fd = -1, .events = POLLIN};

	open_suspending(2, NSEC_PER_MSEC);
	unapi_clock_set_virtual(NULL);
	heard_of();
	removed = 0;
	w.in_poll = remove_endpoint;
	assert_int_equal(wait_ms(1), 0);
	w.in_poll = NULL;
	assert_int_equal(removed, w.r.f.polls - 1);
	pfd.fd = unapi_context_fd(w.r.c);
	while (w.r.masked) {
		assert_int_equal(poll(&pfd, 1, 10000), 1);
		rig_run(&w.r);
	}
	world_close();
}

static void *wait_long(void *arg)
{
	struct epoll_event ev[2];

	*(int *)arg = unapi_epoll_wait(w.epfd, ev, 2, -1);
	return NULL;
}

/* By another thread: that does not wait for the end of a long busy loop. */
static void removed_in_a_long_loop(void **state)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 77};
	int fd = eventfd(0, EFD_NONBLOCK), got = -1;
	uint64_t nap = 0, before;
	pthread_t t;

	world_open(2, T);
	unapi_clock_set_virtual(NULL);
	assert_int_equal(unapi_epoll_ctl(w.epfd, EPOLL_CTL_ADD, fd, &ev), 0);
	set_params(INT32_MAX, 0, 1);
	heard_of();
	before = polls_by(UNAPI_CAUSE_APP);
	pthread_create(&t, NULL, wait_long, &got);
	while (polls_by(UNAPI_CAUSE_APP) < before + 1000)
		assert_true(napi_nap(&nap, UINT64_MAX));
	assert_int_equal(unapi_epoll_ctl(w.epfd, EPOLL_CTL_DEL, w.p.fd, NULL), 0);
	assert_int_equal(eventfd_write(fd, 1), 0);
	pthread_join(t, NULL);
	assert_int_equal(got, 1);
	close(fd);
	world_close();
}

static void resumed_by_close(void **state)
{
	open_suspending(2, T);
	heard_of();
	expires_in(S);
	w.r.f.backlog = 2;
	assert_int_equal(unapi_epoll_close(w.epfd), 0);
	w.epfd = -1;
	assert_int_equal(w.r.f.backlog, 0);
	expires_in(T);
	world_close();
}

/* Without deferral the suspension is a spare timer: interrupts keep coming. */
static void without_deferral(void **state)
{
	int i;

	open_suspending(0, T);
	for (i = 1; i <= 10; i++) {
		heard_of();
		assert_int_equal(rig_stats(&w.r).irqs, i);
		assert_false(w.r.masked);
		expires_in(S);
	}
	world_close();
}

/* Not without preference. */
static void no_suspension(void **state)
{
	open_suspending(2, T);
	set_params(10, 0, 0);
	w.poll_takes = 1024;
	heard_of();
	expires_in(T);
	world_close();
}

static void waits_for_its_time(void **state)
{
	uint64_t before;

	world_open(0, 0);
	before = w.r.now;
	assert_int_equal(
		unapi_epoll_pwait2(w.epfd, &(struct epoll_event){0}, 1, &(struct timespec){3, 17}, NULL), 0);
	assert_int_equal(w.r.now - before, 3 * NSEC_PER_SEC + 17);
	before = w.r.now;
	assert_int_equal(wait_ms(20), 0);
	assert_int_equal(w.r.now - before, 20 * NSEC_PER_MSEC);
	world_close();
}

static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
	signals++;
}

static void signal_me(void)
{
	if (w.r.f.polls == 2)
		assert_int_equal(raise(SIGUSR1), 0);
}

static int wait_masked(uint64_t ns, const sigset_t *mask)
{
	struct timespec ts = {.tv_sec = (time_t)(ns / NSEC_PER_SEC), .tv_nsec = (long)(ns % NSEC_PER_SEC)};

	return unapi_epoll_pwait2(w.epfd, &(struct epoll_event){0}, 1, &ts, mask);
}

/* A signal that comes while it polls interrupts the sleep that follows. */
static void signals_are_kept(void **state)
{
	struct sigaction sa = {.sa_handler = on_signal}, old;
	sigset_t mask, now;

	signals = 0;
	sigaction(SIGUSR1, &sa, &old);
	world_open(0, 0);
	set_params(5, 0, 0);
	w.poll_takes = 1024;
	heard_of();
	w.in_poll = signal_me;
	assert_int_equal(refused(wait_ms(-1)), EINTR);
	assert_int_equal(signals, 1);
	/* whatever mask is to be in force while it sleeps */
	sigemptyset(&mask);
	heard_of();
	w.r.f.polls = 1;
	assert_int_equal(refused(wait_masked(NSEC_PER_SEC, &mask)), EINTR);
	assert_int_equal(signals, 2);
	/* and if no time is left to sleep */
	heard_of();
	w.r.f.polls = 1;
	assert_int_equal(refused(wait_masked(1000, NULL)), EINTR);
	assert_int_equal(signals, 3);
	/* one that the mask has is kept until the call is over */
	sigaddset(&mask, SIGUSR1);
	heard_of();
	w.r.f.polls = 1;
	assert_int_equal(wait_masked(NSEC_PER_SEC, &mask), 0);
	assert_int_equal(signals, 4);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
	assert_false(sigismember(&now, SIGUSR1));
	world_close();
	sigaction(SIGUSR1, &old, NULL);
}

static void busy_neighbour(struct fake *f)
{
	f->backlog = 1;
	napi_schedule(&f->n);
	if (f->polls == 1000)
		assert_int_equal(raise(SIGUSR1), 0);
}

/* Nor does it go on for ever for an instance of the same context that others receive from. */
static void signals_end_the_round(void **state)
{
	struct sigaction sa = {.sa_handler = on_signal}, old;
	struct fake f;

	signals = 0;
	sigaction(SIGUSR1, &sa, &old);
	world_open(0, 0);
	fake_add(&f, w.r.c, 'b');
	assert_int_equal(napi_enable(&f.n), 0);
	f.before_complete = busy_neighbour;
	f.backlog = 1;
	napi_schedule(&f.n);
	assert_int_equal(refused(wait_ms(-1)), EINTR);
	assert_int_equal(signals, 1);
	assert_in_range(f.polls, 1000, 2000);
	f.before_complete = NULL;
	fake_del(&f);
	world_close();
	sigaction(SIGUSR1, &old, NULL);
}

/* A deferral's timer that is always due: it is no event, for which the loop would begin anew. */
static void timers_are_no_events(void **state)
{
	world_open(0, 0);
	unapi_clock_set_virtual(NULL);
	set_params(0, 0, 1);
	heard_of();
	assert_int_equal(unapi_napi_set_defer_hard_irqs(&w.r.f.n, INT32_MAX), 0);
	assert_int_equal(unapi_napi_set_gro_flush_timeout(&w.r.f.n, 1), 0);
	assert_int_equal(wait_ms(100), 0);
	assert_int_equal(polls_by(UNAPI_CAUSE_APP), 1);
	assert_true(polls_by(UNAPI_CAUSE_REPOLL) > 1);
	world_close();
}

static int deadlocks;

static void wait_in_poll(void)
{
	if (refused(wait_ms(0)) == EDEADLK)
		deadlocks++;
}

static void not_from_a_poll(void **state)
{
	world_open(0, 0);
	w.in_poll = wait_in_poll;
	rig_event(&w.r, 1);
	assert_int_equal(wait_ms(0), 1);
	assert_int_equal(deadlocks, 1);
	w.in_poll = NULL;
	world_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ordinary_descriptors),
		cmocka_unit_test(contexts_are_run),
		cmocka_unit_test(who_adopts),
		cmocka_unit_test(closed_behind_our_back),
		cmocka_unit_test(a_thread_is_in_charge),
		cmocka_unit_test(one_poll),
		cmocka_unit_test(polls_for_a_time),
		cmocka_unit_test(no_poll_without_need),
		cmocka_unit_test(others_end_it),
		cmocka_unit_test(whole_process),
		cmocka_unit_test(whom_it_polls),
		cmocka_unit_test(last_one_wins),
		cmocka_unit_test(suspension),
		cmocka_unit_test(stalled),
		cmocka_unit_test(stalled_in_another_loop),
		cmocka_unit_test(removed_while_polled),
		cmocka_unit_test(removed_in_a_long_loop),
		cmocka_unit_test(resumed_by_close),
		cmocka_unit_test(without_deferral),
		cmocka_unit_test(no_suspension),
		cmocka_unit_test(waits_for_its_time),
		cmocka_unit_test(signals_are_kept),
		cmocka_unit_test(signals_end_the_round),
		cmocka_unit_test(timers_are_no_events),
		cmocka_unit_test(not_from_a_poll),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
