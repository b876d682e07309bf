/* SPDX-License-Identifier: BSD-3-Clause */
/* Included before everything else in the sources that are explored: what they ask of their system goes to
 * os.c. */
#ifndef UNAPI_TESTS_UNDER_H
#define UNAPI_TESTS_UNDER_H

#include <errno.h>
#include <fcntl.h>
#include <numa.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* Fibers are one thread. What the scheduler keeps for each is os_thread()'s; of the rest only one fiber's is
 * used. */
#define __thread
#define tls_model(model)
#define __builtin_ia32_rdtsc() 0ULL
#include "core/base/clock.h"
#include "core/napi/thread.h"

/* Which bug is switched on (bugs.py), 0: none. */
extern int model_bug;

struct napi_thread *os_thread(void) __attribute__((const));
#undef napi_this_thread
#define napi_this_thread (*os_thread())

void os_mutex_lock(const void *m);
void os_mutex_unlock(const void *m);
#define pthread_mutex_lock(m)	 os_mutex_lock(m)
#define pthread_mutex_unlock(m)	 os_mutex_unlock(m)
#define pthread_mutex_init(m, a) ((void)(m), 0)
#define pthread_mutex_destroy(m) ((void)(m))

int os_pthread_create(pthread_t *t, void *(*fn)(void *), void *arg);
int os_pthread_join(pthread_t t);
#define pthread_create(t, attr, fn, arg) ((void)(attr), os_pthread_create(t, fn, arg))
#define pthread_join(t, res)		 os_pthread_join(t)
#define pthread_self()			 os_pthread_self()
pthread_t os_pthread_self(void);
#define pthread_setname_np(t, name)	     ((void)(t), (void)(name), 0)
#define pthread_setaffinity_np(t, size, set) ((void)(t), (void)(set), 0)
#define pthread_setschedparam(t, policy, p)  ((void)(t), (void)(p), 0)
#define sched_getaffinity(pid, size, set)    ((void)(set), 0)
#define pthread_sigmask(how, set, old)	     ((void)(set), (void)(old), 0)
#define prctl(...)			     0
#define sched_yield()			     0
#undef __builtin_ia32_pause
#define __builtin_ia32_pause() unapi_clock_sleep(0)
#define gettid()	       os_tid()
int os_tid(void);

int os_eventfd(void);
int os_epoll_create(void);
int os_timerfd_create(void);
int os_timerfd_settime(int fd, const struct itimerspec *its);
int os_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev);
int os_epoll_wait(int epfd, struct epoll_event *ev, int max, int64_t timeout_ns);
ssize_t os_write(int fd, const void *buf, size_t size);
ssize_t os_read(int fd, void *buf, size_t size);
/* also a member's name */
int poll(struct pollfd *p, nfds_t n, int ms) __asm__("os_poll");
#define eventfd(count, flags)		     os_eventfd()
#define epoll_create1(flags)		     os_epoll_create()
#define timerfd_create(clock, flags)	     os_timerfd_create()
#define timerfd_settime(fd, flags, its, old) os_timerfd_settime(fd, its)
#define epoll_ctl(ep, op, fd, ev)	     os_epoll_ctl(ep, op, fd, ev)
#define epoll_wait(ep, ev, n, ms)	     os_epoll_wait(ep, ev, n, (ms) < 0 ? -1 : (ms) * (int64_t)NSEC_PER_MSEC)
#define epoll_pwait2(ep, ev, n, ts, set) \
	os_epoll_wait(ep, ev, n, (ts)->tv_sec *(int64_t)NSEC_PER_SEC + (ts)->tv_nsec)
#define write(fd, buf, size) os_write(fd, buf, size)
#define read(fd, buf, size)  os_read(fd, buf, size)
#define close(fd)	     ((void)(fd))

long os_membarrier(void);
#define syscall(nr, ...) os_membarrier()

void *os_alloc(size_t size);
#define aligned_alloc(align, size) os_alloc(size)
#define calloc(n, size)		   os_alloc((n) * (size))
#define malloc(size)		   os_alloc(size)
#define free(p)			   ((void)(p))

/* Of a size that is not constant, which the compiler does not announce: handles of buffers. Others are copied
 * where nobody else looks. */
static inline void model_copy(void *to, const void *from, size_t bytes)
{
	const uint32_t *f = from;
	uint32_t *t = to;

	for (size_t i = 0; i < bytes / sizeof(*t); i++)
		t[i] = f[i];
}
#define memcpy(to, from, bytes) \
	(__builtin_constant_p(bytes) ? (void)__builtin_memcpy(to, from, bytes) : model_copy(to, from, bytes))

#define pthread_once(once, fn)	  ((void)(once), (fn)(), 0)
#define pthread_key_create(k, fn) ((void)(k), (void)(fn), 0)
#define pthread_setspecific(k, v) ((void)(k), (void)(v), 0)

#endif
