/* SPDX-License-Identifier: BSD-3-Clause */
/* Event polls on a virtual clock: when they busy poll, whom, for how long, and what becomes of interrupts. */
#include "tests/unit/eventpoll_rig.h"

#include <signal.h>

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
		cmocka_unit_test(ordinary_descriptors), cmocka_unit_test(one_poll),
		cmocka_unit_test(polls_for_a_time),	cmocka_unit_test(no_poll_without_need),
		cmocka_unit_test(others_end_it),	cmocka_unit_test(whole_process),
		cmocka_unit_test(whom_it_polls),	cmocka_unit_test(last_one_wins),
		cmocka_unit_test(suspension),		cmocka_unit_test(stalled),
		cmocka_unit_test(resumed_by_close),	cmocka_unit_test(without_deferral),
		cmocka_unit_test(no_suspension),	cmocka_unit_test(waits_for_its_time),
		cmocka_unit_test(signals_are_kept),	cmocka_unit_test(signals_end_the_round),
		cmocka_unit_test(not_from_a_poll),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
