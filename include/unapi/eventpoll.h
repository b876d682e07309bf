/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Event polls: epoll instances that busy poll.
 *
 * An event poll is a real epoll descriptor, to which receive endpoints (unapi/endpoint.h) and any other
 * descriptors are added. What it does besides is what Linux does for sockets: it polls the instance whose
 * packets came last, before it sleeps (struct epoll_params), and it suspends that instance's interrupts for
 * as long as it finds events (prefer_busy_poll, and irq_suspend_timeout of unapi/napi.h). And it runs the
 * contexts in which its endpoints' instances are polled, unless a thread of the library's or another event
 * poll does.
 *
 * The calls have the shapes of epoll(7)'s, so that code written for those is ported by changing names: they
 * return -1 and set errno (and a reason, where the library has one). A descriptor that is no event poll is
 * passed on to the kernel. The descriptor may be watched like any other, by poll(2), another epoll or
 * io_uring: it is readable when unapi_epoll_wait() has something to return or to run.
 */
#ifndef UNAPI_EVENTPOLL_H
#define UNAPI_EVENTPOLL_H

#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unapi/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Linux 6.9 and glibc 2.40 have these; ioctl_eventpoll(2) describes them. */
#ifndef EPIOCSPARAMS
struct epoll_params {
	uint32_t busy_poll_usecs;  /* how long to poll before sleeping, at most INT32_MAX */
	uint16_t busy_poll_budget; /* packets a poll may take; 0: 8 */
	uint8_t prefer_busy_poll;  /* 1: leave instances to their timers, and suspend their interrupts */
	uint8_t __pad;		   /* 0 */
};
#define EPOLL_IOC_TYPE 0x8A
#define EPIOCSPARAMS   _IOW(EPOLL_IOC_TYPE, 0x01, struct epoll_params)
#define EPIOCGPARAMS   _IOR(EPOLL_IOC_TYPE, 0x02, struct epoll_params)
#endif

/**
 * unapi_epoll_create1() - epoll_create1(2), and its errors. Any thread
 *
 * To be closed by unapi_epoll_close(). Of close(2) nobody is told: what the event poll has adopted goes to
 * the next one only when one that is open comes to the same context, and a suspension ends by its timer.
 * These calls know an event poll by this number: a dup(2) of it is good for watching only. A child of fork(2)
 * may close it by close(2), and do nothing else with it.
 */
UNAPI_API int unapi_epoll_create1(int flags);

/**
 * unapi_epoll_close() - give an event poll up; interrupts that it has suspended are resumed
 *
 * EBUSY while another thread waits in it. A descriptor that is no event poll is closed.
 */
UNAPI_API int unapi_epoll_close(int epfd);

/**
 * unapi_epoll_ctl() - epoll_ctl(2), and its errors
 *
 * Any thread. An endpoint's descriptor has to be added by this call; others may be by either. A context of
 * which no thread of the library's and no other event poll is in charge is run by this event poll's waits
 * from now on, while it has endpoints of that context. ENOMEM and ENOSPC are for that, too.
 */
UNAPI_API int unapi_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);

/**
 * unapi_epoll_wait() - epoll_wait(2): up to @maxevents events, waiting for @timeout ms (-1: for ever)
 *
 * Any thread, several at once. Events that are there are returned at once. Otherwise, if busy polling is on
 * and @timeout is not 0, the instance that was heard of last is polled, for busy_poll_usecs or once; then the
 * call sleeps, and the instance is not polled again before it is heard of. receive callbacks may run in here,
 * on this thread. Errors of epoll_wait(2); EDEADLK from a poll method, a busy loop, or a handler of a context
 * that it runs. Kernel: fs/eventpoll.c ep_poll().
 *
 * Signals are blocked while it busy polls, and answered (EINTR) when it would sleep, as in the kernel. One
 * whose handler has run just before does not interrupt: as with the kernel's call, only a mask
 * (unapi_epoll_pwait2()) makes that sure.
 */
UNAPI_API int unapi_epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout);

/** unapi_epoll_pwait2() - the same as epoll_pwait2(2): @timeout in nanoseconds, NULL for ever; @sigmask in
 * force while it sleeps, may be NULL */
UNAPI_API int unapi_epoll_pwait2(int epfd, struct epoll_event *events, int maxevents,
				 const struct timespec *timeout, const sigset_t *sigmask);

/**
 * unapi_epoll_ioctl() - ioctl_eventpoll(2): EPIOCSPARAMS sets busy polling's parameters, all or none,
 * EPIOCGPARAMS gets them
 *
 * Any thread. All are 0 at first. Errors, looked for in this order: EBADF no such descriptor; EFAULT not
 * readable, or not writable, memory (no signal); EINVAL @__pad is not 0, busy_poll_usecs above INT32_MAX,
 * prefer_busy_poll above 1, EPERM busy_poll_budget above NAPI_POLL_WEIGHT without CAP_NET_ADMIN. EINVAL for a
 * command that epoll does not have; ENOTTY from other kinds of files. Kernel: fs/eventpoll.c
 * ep_eventpoll_bp_ioctl().
 */
UNAPI_API int unapi_epoll_ioctl(int fd, unsigned long request, void *argp);

/*
 * Busy polling of the whole process, as the sysctls net.core.busy_poll and net.core.busy_read, both 0 at
 * first. busy_poll: microseconds that every event poll without busy_poll_usecs polls for; 0 leaves those off
 * that do not prefer busy polling. busy_read: what SO_BUSY_POLL of endpoints yet to be made is at first.
 * EINVAL above INT32_MAX (as -EINVAL: these are the library's own).
 */
UNAPI_API int unapi_set_busy_poll(unsigned int usecs);
UNAPI_API unsigned int unapi_busy_poll(void);
UNAPI_API int unapi_set_busy_read(unsigned int usecs);
UNAPI_API unsigned int unapi_busy_read(void);

#ifdef __cplusplus
}
#endif
#endif
