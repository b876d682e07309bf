/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An event poll's wait (fs/eventpoll.c ep_poll(), ep_busy_loop()).
 *
 * What softirqs do for the kernel's, the contexts that it has adopted do here: they are run whenever they
 * have something to do, which the epoll set itself says, their descriptors being members.
 */
#include "core/napi/ep_impl.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

/* Tries of a busy loop after which it looks at descriptors and contexts; endpoints tell by themselves. */
#define EP_LOOK_EVERY	   64
#define EP_AVAILABLE_TRIES 3 /* to find a moment in which no context has anything to do */

struct wait {
	struct eventpoll *ep;
	struct epoll_event *events;
	int maxevents;
	uint64_t deadline;
	bool for_ever;
	const sigset_t *mask; /* for sleeping */
	sigset_t before;      /* what to restore, when @blocked */
	bool blocked;
	unsigned int tries;
};

/* The kernel's call, with what is left of its precision before Linux 5.11. */
static int kernel_wait(int epfd, struct epoll_event *events, int maxevents, int64_t ns, const sigset_t *mask)
{
	struct timespec ts = {.tv_sec = ns / (int64_t)NSEC_PER_SEC, .tv_nsec = ns % (int64_t)NSEC_PER_SEC};
	int64_t ms = ns < 0 ? -1 : ns / (int64_t)NSEC_PER_MSEC + (ns % (int64_t)NSEC_PER_MSEC != 0);
	int n;

	if (ns > 0) {
		n = epoll_pwait2(epfd, events, maxevents, &ts, mask);
		if (n >= 0 || errno != ENOSYS)
			return n < 0 ? -errno : n;
	}
	n = epoll_pwait(epfd, events, maxevents, ms > INT32_MAX ? INT32_MAX : (int)ms, mask);
	return n < 0 ? -errno : n;
}

/* On the virtual clock time passes up to the next timer, at once; if there is none, somebody else has to do
 * something. */
static int64_t virtual_wait(struct eventpoll *ep, int64_t ns)
{
	struct pollfd pfd = {.fd = ep->epfd, .events = POLLIN};

	if (poll(&pfd, 1, 0) > 0)
		return 0;
	ns = ep_timers_wait(ep, ns);
	if (ns < 0)
		return ns;
	unapi_clock_sleep((uint64_t)ns);
	return 0;
}

/* Events that are there, or come within @ns (-1: for ever); contexts that have something to do are run, and
 * end the wait. Their number; *@ran: the contexts have delivered packets. */
static int look(struct wait *w, int64_t ns, bool *ran)
{
	struct eventpoll *ep = w->ep;
	int n;

	if (unlikely(unapi_virtual_now) && ns)
		ns = virtual_wait(ep, ns);
	WRITE_ONCE(ep->kicked, 0);
	n = kernel_wait(ep->epfd, w->events, w->maxevents, ns, ns ? w->mask : NULL);
	*ran = false;
	return n < 0 ? n : ep_run_contexts(ep, w->events, n, unapi_virtual_now, ran);
}

/*
 * Is there anything for the application? Takes no event, and runs contexts that need it. That a context has
 * something to do again by then is no event: a deferral's timer would keep the loop going for ever.
 */
static bool available(struct eventpoll *ep)
{
	enum ep_ready ready = EP_CONTEXTS;
	bool ran;
	int i;

	for (i = 0; i < EP_AVAILABLE_TRIES && ready == EP_CONTEXTS; i++) {
		if (READ_ONCE(ep->kicked))
			return true;
		ready = ep_ready(ep);
		if (ready == EP_CONTEXTS || unapi_virtual_now)
			ep_run_contexts(ep, NULL, 0, true, &ran);
	}
	return ready == EP_EVENTS || READ_ONCE(ep->kicked);
}

static bool loop_end(void *arg, unsigned long start)
{
	struct wait *w = arg;

	if (READ_ONCE(w->ep->kicked) || ep_minds_too_long())
		return true;
	if (++w->tries % EP_LOOK_EVERY == 0 && available(w->ep))
		return true;
	return ep_busy_poll_over(w->ep, start);
}

static bool busy_polls(const struct eventpoll *ep)
{
	return READ_ONCE(ep->napi_id) >= NAPI_ID_MIN && ep_busy_poll_on(ep);
}

/* A signal that comes meanwhile is for the sleep to find, as it is in the kernel. */
static void block_signals(struct wait *w)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
	sigset_t all;
	unsigned int i;

	if (w->blocked)
		return;
	sigfillset(&all);
	for (i = 0; i < ARRAY_SIZE(faults); i++)
		sigdelset(&all, faults[i]);
	pthread_sigmask(SIG_SETMASK, &all, &w->before);
	if (!w->mask)
		w->mask = &w->before;
	w->blocked = true;
}

/* Poll the instance, and let it rest if that brought nothing. */
static void busy_loop(struct wait *w)
{
	struct eventpoll *ep = w->ep;
	unsigned int id = READ_ONCE(ep->napi_id), budget = READ_ONCE(ep->busy_poll_budget);
	bool prefer = READ_ONCE(ep->prefer_busy_poll);

	block_signals(w);
	w->tries = 0;
	/* Its end starts a timer, which a suspension then starts anew for longer: the context is told once.
	 */
	ep_mind(ep, id);
	/* An instance that is gone, or about to be disabled, is as one that has nothing. */
	napi_busy_loop(id, loop_end, w, prefer, (uint16_t)(budget ? budget : BUSY_POLL_BUDGET));
	if (available(ep))
		return;
	if (prefer)
		napi_resume_irqs(id);
	WRITE_ONCE(ep->napi_id, 0);
}

static void suspend(const struct eventpoll *ep)
{
	unsigned int id = READ_ONCE(ep->napi_id);

	if (id >= NAPI_ID_MIN && READ_ONCE(ep->prefer_busy_poll))
		napi_suspend_irqs(id);
}

/* Going round again, for contexts that keep having something to do: a signal must end that. -EINTR, or 0. */
static int signal_came(struct wait *w)
{
	struct timespec none = {0};

	block_signals(w);
	/* runs the handlers of what is pending */
	return ppoll(NULL, 0, &none, w->mask) < 0 ? -errno : 0;
}

static int64_t time_left(const struct wait *w)
{
	uint64_t now;

	if (w->for_ever)
		return -1;
	now = unapi_clock_ns();
	return now < w->deadline ? (int64_t)(w->deadline - now) : 0;
}

static int wait_for_events(struct wait *w)
{
	bool polls, ran, again = false;
	int64_t ns;
	int n;

	for (;;) {
		ns = time_left(w);
		polls = ns && busy_polls(w->ep);
		if (!polls && ns)
			ep_unmind();
		/* Without busy polling one call looks and sleeps. */
		n = look(w, polls ? 0 : ns, &ran);
		if (n)
			break;
		if (ran && !again) {
			again = !ns; /* what the contexts brought is there now, even if the time is over */
			n = ns ? signal_came(w) : 0;
			if (n)
				break;
			continue;
		}
		if (!ns) {
			n = w->blocked ? signal_came(w) : 0; /* while it polled, until its time was over */
			break;
		}
		if (polls)
			busy_loop(w);
	}
	if (n > 0)
		suspend(w->ep);
	ep_unmind();
	return n;
}

/* @ep came from ep_get(). */
static int wait_in(struct eventpoll *ep, struct epoll_event *events, int maxevents,
		   const struct timespec *timeout, const sigset_t *sigmask)
{
	struct wait w = {.ep = ep, .events = events, .maxevents = maxevents, .mask = sigmask};
	int n;

	w.for_ever = !timeout;
	if (timeout &&
	    (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= (long)NSEC_PER_SEC)) {
		n = unapi_fail(EINVAL, "event poll %d: no such timeout", ep->epfd);
	} else if (unapi_in_poll() || napi_this_thread.busy_id) {
		n = unapi_fail(EDEADLK, "event poll %d: it cannot wait in a poll method or a busy loop",
			       ep->epfd);
	} else {
		if (timeout)
			w.deadline = timeout->tv_sec > INT32_MAX
					     ? UINT64_MAX
					     : napi_deadline((uint64_t)timeout->tv_sec * NSEC_PER_SEC +
							     (uint64_t)timeout->tv_nsec);
		n = wait_for_events(&w);
	}
	if (w.blocked)
		pthread_sigmask(SIG_SETMASK, &w.before, NULL);
	ep_put(ep);
	if (n >= 0)
		return n;
	errno = -n;
	return -1;
}

int unapi_epoll_pwait2(int epfd, struct epoll_event *events, int maxevents, const struct timespec *timeout,
		       const sigset_t *sigmask)
{
	struct eventpoll *ep = ep_get(epfd);

	return ep ? wait_in(ep, events, maxevents, timeout, sigmask)
		  : epoll_pwait2(epfd, events, maxevents, timeout, sigmask);
}

int unapi_epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout)
{
	struct timespec ts = {.tv_sec = timeout / 1000, .tv_nsec = timeout % 1000 * (long)NSEC_PER_MSEC};
	struct eventpoll *ep = ep_get(epfd);

	/* epoll_pwait2(2) came only with Linux 5.11 */
	return ep ? wait_in(ep, events, maxevents, timeout < 0 ? NULL : &ts, NULL)
		  : epoll_wait(epfd, events, maxevents, timeout);
}
