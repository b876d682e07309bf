/* SPDX-License-Identifier: BSD-3-Clause */
/* Softnet contexts: making them, running them, on a thread of the library's or in the application's loop. */
#include "core/napi/eventpoll.h"
#include "core/napi/internal.h"
#include "core/base/lines.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

pthread_mutex_t napi_control_lock = PTHREAD_MUTEX_INITIALIZER;
struct list_head context_list = {&context_list, &context_list};

void context_wake_fd(struct unapi_context *c)
{
	uint64_t one = 1;

	__atomic_fetch_add(&c->stats.wakeups, 1, __ATOMIC_RELAXED);
	/* Cannot fail: the counter, never read, would have to pass 2^64. */
	if (write(c->wakefd, &one, sizeof(one)) != sizeof(one))
		return;
}

void unapi_context_wake(struct unapi_context *c)
{
	__atomic_store_n(&c->wake_asked, 1, __ATOMIC_SEQ_CST);
	if (inbox_must_wake(&c->inbox))
		context_wake_fd(c);
}

int context_enter(struct unapi_context *c, bool borrow)
{
	uintptr_t me = (uintptr_t)&napi_this_thread, old = 0;

	if ((READ_ONCE(c->runner) & ~CONTEXT_BORROWED) == me)
		return 1;
	/* acquire: the lists, as the last runner left them */
	if (!__atomic_compare_exchange_n(&c->runner, &old, me | (borrow ? CONTEXT_BORROWED : 0), false,
					 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return old & CONTEXT_BORROWED ? -EAGAIN : -EBUSY;
	return 0;
}

/*
 * Nobody is inside after this, so whoever brings work must write the descriptor. What is already there, left
 * over or brought while we were awake, is found by the look that follows may_sleep, and makes the descriptor
 * readable.
 */
void context_leave(struct unapi_context *c)
{
	bool left = !inbox_may_sleep(&c->inbox) || !list_empty(&c->poll_list) ||
		    __atomic_load_n(&c->nr_calls, __ATOMIC_SEQ_CST) ||
		    __atomic_load_n(&c->wake_asked, __ATOMIC_SEQ_CST);

	WRITE_ONCE(c->left_over, !list_empty(&c->poll_list));
	if (left && inbox_must_wake(&c->inbox))
		context_wake_fd(c);
	/* After may_sleep: a timer that becomes the earliest from now on wakes the context. */
	timers_arm_fd(c);
	__atomic_store_n(&c->runner, 0, __ATOMIC_RELEASE);
}

/*
 * If another thread is inside, it may have looked at the timers before the last start and be about to leave:
 * then it has said that it may sleep, and is woken (inbox.h).
 */
void context_attend(struct unapi_context *c)
{
	int rc = context_enter(c, true);

	if (rc == 0)
		context_leave(c);
	else if (rc < 0 && inbox_must_wake(&c->inbox))
		context_wake_fd(c);
}

static bool has_work(const struct unapi_context *c)
{
	return !list_empty(&c->poll_list) || !inbox_empty(&c->inbox);
}

/* Has the context polled long enough to owe its descriptors a look? */
static bool owes_look(const struct unapi_context *c)
{
	return c->since_look >= (unsigned int)c->netdev_budget ||
	       napi_this_thread.tsc - c->look_tsc >= c->limit_cycles;
}

int unapi_context_run(struct unapi_context *c, int64_t timeout_ns)
{
	uint64_t nap = 0;
	int rc, work = 0;

	if (unapi_in_poll())
		return unapi_fail(EDEADLK, "%s: a context cannot be run from a poll method", c->name);
	while ((rc = context_enter(c, false)) == -EAGAIN)
		napi_nap(&nap, UINT64_MAX);
	if (rc == -EBUSY)
		return unapi_fail(EBUSY, "%s: another thread runs this context", c->name);
	if (rc)
		return unapi_fail(EDEADLK, "%s: a context cannot be run from one of its own handlers",
				  c->name);

	rc = context_look(c, timeout_ns);
	if (!rc) {
		context_run_calls(c);
		while (has_work(c)) {
			work += net_rx_action(c);
			if (owes_look(c))
				break;
		}
		context_run_ticks(c);
	}
	context_leave(c);
	if (rc)
		return unapi_fail(-rc, "%s: waiting for events: %s", c->name, strerror(-rc));
	return work;
}

static void *context_thread(void *arg)
{
	struct unapi_context *c = arg;
	uint64_t nap = 0;

	while (context_enter(c, false))
		napi_nap(&nap, UINT64_MAX);
	__atomic_store_n(&c->tid, gettid(), __ATOMIC_RELEASE);
	/* Timers expire when they say, not when it saves power. */
	prctl(PR_SET_TIMERSLACK, 1UL);
	c->own_thread = true;
	inbox_awake(&c->inbox);
	while (!__atomic_load_n(&c->stop, __ATOMIC_ACQUIRE)) {
		/* while work goes on, no more system calls than one look a budget */
		if (!has_work(c))
			context_look(c, -1);
		else if (owes_look(c))
			context_look(c, 0);
		context_run_calls(c);
		if (has_work(c))
			context_poll(c);
		context_run_ticks(c);
	}
	c->own_thread = false;
	context_leave(c);
	return NULL;
}

int unapi_context_start(struct unapi_context *c, int cpu)
{
	sigset_t all, before;
	pthread_attr_t attr;
	cpu_set_t set;
	char comm[16]; /* the kernel keeps no more of a thread's name */
	int rc = 0;

	pthread_mutex_lock(&napi_control_lock);
	if (c->thread_runs)
		rc = unapi_fail(EALREADY, "%s: the context runs on a thread already", c->name);
	else if (READ_ONCE(c->runner) && !(READ_ONCE(c->runner) & CONTEXT_BORROWED))
		rc = unapi_fail(EBUSY, "%s: another thread is inside this context's run", c->name);
	else if (c->poller)
		rc = unapi_fail(EBUSY, "%s: an application polls this context's instances", c->name);
	else
		c->thread_runs = true;
	pthread_mutex_unlock(&napi_control_lock);
	if (rc)
		return rc;
	eventpoll_context_changed(c);

	__atomic_store_n(&c->stop, 0, __ATOMIC_RELAXED);
	pthread_attr_init(&attr);
	if (cpu >= 0) {
		CPU_ZERO(&set);
		if (cpu < CPU_SETSIZE)
			CPU_SET(cpu, &set);
		pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	}
	sigfillset(&all); /* signals are the application's */
	pthread_sigmask(SIG_BLOCK, &all, &before);
	rc = pthread_create(&c->thread, &attr, context_thread, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (rc) {
		pthread_mutex_lock(&napi_control_lock);
		c->thread_runs = false;
		pthread_mutex_unlock(&napi_control_lock);
		eventpoll_context_changed(c);
		return unapi_fail(rc, "%s: no thread on CPU %d: %s", c->name, cpu, strerror(rc));
	}
	snprintf(comm, sizeof(comm), "%.15s", c->name);
	pthread_setname_np(c->thread, comm);
	return 0;
}

int unapi_context_stop(struct unapi_context *c)
{
	bool runs;

	if (unapi_in_poll())
		return unapi_fail(EDEADLK, "%s: a context's thread cannot be stopped from a poll method",
				  c->name);
	pthread_mutex_lock(&napi_control_lock);
	runs = c->thread_runs;
	pthread_mutex_unlock(&napi_control_lock);
	if (!runs)
		return unapi_fail(EINVAL, "%s: the context does not run on a thread of the library", c->name);
	if (pthread_equal(c->thread, pthread_self()))
		return unapi_fail(EDEADLK, "%s: a context's thread cannot stop itself", c->name);
	__atomic_store_n(&c->stop, 1, __ATOMIC_RELEASE);
	unapi_context_wake(c);
	pthread_join(c->thread, NULL);
	pthread_mutex_lock(&napi_control_lock);
	c->thread_runs = false;
	WRITE_ONCE(c->tid, 0);
	pthread_mutex_unlock(&napi_control_lock);
	eventpoll_context_changed(c);
	return 0;
}

static int open_fds(struct unapi_context *c)
{
	struct epoll_event wake = {.events = EPOLLIN | EPOLLET, .data.u64 = 0};
	struct epoll_event timer = {.events = EPOLLIN | EPOLLET, .data.u64 = (uintptr_t)&c->timerfd};

	c->epfd = epoll_create1(EPOLL_CLOEXEC);
	c->wakefd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->timerfd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (c->epfd < 0 || c->wakefd < 0 || c->timerfd < 0 ||
	    epoll_ctl(c->epfd, EPOLL_CTL_ADD, c->wakefd, &wake) ||
	    epoll_ctl(c->epfd, EPOLL_CTL_ADD, c->timerfd, &timer))
		return unapi_fail(errno, "context %s: no descriptors for its event loop: %s", c->name,
				  strerror(errno));
	return 0;
}

static void free_context(struct unapi_context *c)
{
	if (c->epfd >= 0)
		close(c->epfd);
	if (c->wakefd >= 0)
		close(c->wakefd);
	if (c->timerfd >= 0)
		close(c->timerfd);
	pthread_mutex_destroy(&c->call_lock);
	pthread_mutex_destroy(&c->timer_lock);
	free(c);
}

int unapi_context_create(const struct unapi_context_conf *conf, struct unapi_context **out)
{
	static unsigned int count;
	struct unapi_context *c;
	unsigned int budget = conf ? conf->netdev_budget : 0, usecs = conf ? conf->netdev_budget_usecs : 0;
	int rc;

	if (budget > INT32_MAX)
		return unapi_fail(EINVAL, "netdev_budget %u is above %d", budget, INT32_MAX);
	c = zalloc_lines(sizeof(*c));
	if (!c)
		return unapi_fail(ENOMEM, "no memory for a context");
	if (conf && conf->name)
		snprintf(c->name, sizeof(c->name), "%s", conf->name);
	else
		snprintf(c->name, sizeof(c->name), "ctx%u", __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED));
	c->netdev_budget = budget ? (int)budget : 300;
	c->netdev_budget_usecs = usecs ? usecs : 2000;
	c->limit_cycles = unapi_ns_to_cycles(c->netdev_budget_usecs * NSEC_PER_USEC);
	c->inbox.sleep = INBOX_ASLEEP;
	INIT_LIST_HEAD(&c->poll_list);
	INIT_LIST_HEAD(&c->instances);
	pthread_mutex_init(&c->call_lock, NULL);
	pthread_mutex_init(&c->timer_lock, NULL);
	c->timer_next = c->timerfd_at = UINT64_MAX;
	timer_init(&c->tick_timer, c, context_tick);
	rc = open_fds(c);
	if (rc) {
		free_context(c);
		return rc;
	}
	pthread_mutex_lock(&napi_control_lock);
	list_add_tail(&c->all, &context_list);
	pthread_mutex_unlock(&napi_control_lock);
	*out = c;
	return 0;
}

int unapi_context_destroy(struct unapi_context *c)
{
	bool used, threaded;

	if (!c)
		return 0;
	if (unapi_in_poll())
		return unapi_fail(EDEADLK, "%s: a context cannot be destroyed from a poll method", c->name);
	pthread_mutex_lock(&napi_control_lock);
	used = !list_empty(&c->instances) || c->nr_sources || c->nr_away;
	threaded = c->thread_runs;
	pthread_mutex_unlock(&napi_control_lock);
	if (used || c->ticks)
		return unapi_fail(EBUSY, "%s: the context is still home to instances, or watches descriptors",
				  c->name);
	if (threaded) {
		int rc = unapi_context_stop(c);

		if (rc)
			return rc;
	}
	switch (context_enter(c, true)) {
	case 0:
		break;
	case 1:
		return unapi_fail(EDEADLK, "%s: a context cannot be destroyed from its own handlers",
				  c->name);
	default:
		return unapi_fail(EBUSY, "%s: another thread runs this context", c->name);
	}
	pthread_mutex_lock(&napi_control_lock);
	list_del_init(&c->all);
	pthread_mutex_unlock(&napi_control_lock);
	free_context(c);
	return 0;
}

int unapi_context_fd(const struct unapi_context *c)
{
	return c->epfd;
}

int unapi_context_set_poller(struct unapi_context *c, bool poller)
{
	struct napi_struct *n;
	int rc = 0;

	pthread_mutex_lock(&napi_control_lock);
	if (poller && c->thread_runs) {
		rc = unapi_fail(EBUSY,
				"%s: the context runs on a thread of the library, which polls by interrupts",
				c->name);
	} else {
		c->poller = poller;
		if (!poller)
			list_for_each_entry (n, &c->instances, ctx_list)
				napi_ask_mode(n, false);
	}
	pthread_mutex_unlock(&napi_control_lock);
	return rc;
}

const char *unapi_context_name(const struct unapi_context *c)
{
	return c->name;
}
