/* SPDX-License-Identifier: BSD-3-Clause */
/* Which contexts event polls run, in whose place, and that none is left without its timers. */
#include "tests/unit/eventpoll_rig.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

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

/* The kernel has no room for @fd in any epoll from now on, for this process. */
static bool no_room_for(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_epoll_ctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)fd, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSPC),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {.len = ARRAY_SIZE(code), .filter = code};

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

static int add_without_room(int epfd)
{
	struct epoll_event ev = {.events = EPOLLIN};

	if (!no_room_for(unapi_context_fd(w.r.c)))
		return 1;
	if (!unapi_epoll_ctl(epfd, EPOLL_CTL_ADD, w.p.fd, &ev) || errno != ENOSPC)
		return 2;
	/* it is not there */
	return epoll_ctl(epfd, EPOLL_CTL_MOD, w.p.fd, &ev) && errno == ENOENT ? 0 : 3;
}

/* An endpoint whose context could not be run is refused: its packets would never come. */
static void no_room_for_the_context(void **state)
{
	int epfd, status;
	pid_t pid;

	world_open(0, 0);
	assert_int_equal(unapi_epoll_close(w.epfd), 0);
	w.epfd = -1;
	epfd = unapi_epoll_create1(0);
	pid = fork();
	if (!pid)
		_exit(add_without_room(epfd));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(unapi_epoll_close(epfd), 0);
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

static int answers[2];

static void waits_in_handler(struct unapi_source *src)
{
	struct epoll_event ev;

	answers[0] = unapi_epoll_wait(w.epfd, &ev, 1, 0);
	if (answers[0] == 1)
		assert_int_equal(ev.data.u64, 5);
	answers[1] = unapi_epoll_wait(w.epfd, &ev, 1, 0) < 0 ? errno : 0;
	assert_int_equal(eventfd_read(src->fd, &(eventfd_t){0}), 0);
}

/* In a handler of the context that it would have to run it cannot wait; no event is lost by trying. */
static void from_a_handler(void **state)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.u64 = 5}, got[2];
	struct unapi_source src = {.fd = eventfd(1, EFD_NONBLOCK), .fn = waits_in_handler};
	int fd = eventfd(1, EFD_NONBLOCK);

	world_open(0, 0);
	assert_int_equal(unapi_epoll_ctl(w.epfd, EPOLL_CTL_ADD, fd, &ev), 0);
	assert_int_equal(unapi_context_add_source(w.r.c, &src), 0);
	rig_run(&w.r);
	/* whichever of the two calls found the event, it is told of once */
	assert_int_equal((answers[0] == 1) + unapi_epoll_wait(w.epfd, got, 2, 0), 1);
	assert_int_equal(answers[1], EDEADLK);
	unapi_context_del_source(&src);
	close(src.fd);
	close(fd);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contexts_are_run),	   cmocka_unit_test(who_adopts),
		cmocka_unit_test(no_room_for_the_context), cmocka_unit_test(closed_behind_our_back),
		cmocka_unit_test(from_a_handler),	   cmocka_unit_test(a_thread_is_in_charge),
		cmocka_unit_test(stalled_in_another_loop), cmocka_unit_test(removed_while_polled),
		cmocka_unit_test(removed_in_a_long_loop),  cmocka_unit_test(timers_are_no_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
