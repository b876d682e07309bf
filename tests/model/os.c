/* SPDX-License-Identifier: BSD-3-Clause */
/* The system that the explored code runs on: locks, threads, event descriptors, time. */
#include "tests/model/model.h"
#include "core/base/reason.h"
#include "core/napi/thread.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <poll.h>

/* Not declared in any header: stubs.S calls them. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

#define NSEC 1000000000ULL

enum { FD_EVENT = 1, FD_EPOLL, FD_TIMER };
enum { FD_BASE = 100 };

bool os_has_time;
uint64_t *unapi_virtual_now;
static const void *mutexes[MAX_MUTEXES];
static const uint64_t *timers[4];
static unsigned int nr_timers;
static struct napi_thread set_up_thread;

struct napi_thread *os_thread(void);
struct napi_thread *os_thread(void)
{
	_Static_assert(sizeof(struct napi_thread) <= 64, "see fiber_local()");
	return me < 0 ? &set_up_thread : fiber_local(me);
}

int os_tid(void);
int os_tid(void)
{
	return 1000 + me;
}

void os_thread_begins(int fiber)
{
	*(struct napi_thread *)fiber_local(fiber) = (struct napi_thread){.tid = -1, .cause = UNAPI_CAUSE_APP};
}

/* Nothing is used again: what was there before would be taken for a race. */
void *os_alloc(size_t size)
{
	static _Alignas(64) uint8_t arena[65536];
	void *p = arena + w.allocated;

	w.allocated += (size + 63) & ~(size_t)63;
	if (w.allocated <= sizeof(arena))
		return p;
	model_fail("no memory left");
	return NULL;
}

/* An operation of the fiber that runs. */
static uint64_t stop_for(struct op op)
{
	w.fiber[me].op = op;
	memory_settle();
	fiber_yield();
	return w.fiber[me].result;
}

/* Where the code was that called the stub (stubs.S). */
#define HERE .pc = ((void **)__builtin_frame_address(0))[3]

unsigned int os_choose(unsigned int n, const char *what)
{
	return (unsigned int)stop_for((struct op){.kind = OP_CHOOSE, .operand = n, .what = what});
}

void os_note(void)
{
	stop_for((struct op){.kind = OP_NOTE});
}

/* Locks. Letting go needs no stop: whatever another thread does could as well be done after it. */
static struct mutex *mutex_of(const void *m, uint8_t *index)
{
	for (uint8_t i = 0; i < MAX_MUTEXES; i++) {
		if (!mutexes[i])
			mutexes[i] = m;
		if (mutexes[i] == m) {
			*index = i;
			return &w.mutex[i];
		}
	}
	model_fail("more than %d locks", MAX_MUTEXES);
	*index = 0;
	return &w.mutex[0];
}

void model_os_mutex_lock(const void *m)
{
	uint8_t i;

	if (me < 0)
		return;
	mutex_of(m, &i);
	stop_for((struct op){.kind = OP_LOCK, .obj = i, .expected = (uintptr_t)m, HERE});
}

void model_os_mutex_unlock(const void *m)
{
	struct mutex *x;
	uint8_t i;

	if (me < 0)
		return;
	memory_settle();
	x = mutex_of(m, &i);
	x->owner = 0;
	x->has_view = true;
	x->view = w.fiber[me].view;
	os_changed(me, 1ULL << (LOCK_BIT + i));
}

int model_os_pthread_create(pthread_t *t, void *(*fn)(void *), void *arg)
{
	*t = (pthread_t)fiber_spawn("thread", (void (*)(void *))(uintptr_t)fn, arg);
	return 0;
}

int model_os_pthread_join(pthread_t t)
{
	stop_for((struct op){.kind = OP_JOIN, .obj = (uint8_t)t, HERE});
	return 0;
}

pthread_t os_pthread_self(void);
pthread_t os_pthread_self(void)
{
	return (pthread_t)me;
}

long model_os_membarrier(void)
{
	if (me >= 0)
		stop_for((struct op){.kind = OP_FENCE, HERE});
	return 0;
}

/* Something that others may wait for has changed. */
void os_changed(int by, uint64_t what)
{
	for (int i = 0; i < MAX_FIBERS; i++)
		if (i != by && w.fiber[i].naps && what & future_of(i))
			w.fiber[i].changed = true;
}

/* Time */

uint64_t model_unapi_clock_ns(void)
{
	if (me < 0)
		return w.now;
	if (os_has_time)
		stop_for((struct op){.kind = OP_CHOOSE, .operand = 1, .what = "clock", HERE});
	return w.now + (w.fiber[me].late ? 3600 * NSEC : 0);
}

void model_unapi_clock_sleep(uint64_t ns)
{
	struct fiber *f = &w.fiber[me];

	if (!f->naps)
		f->naps = f->changed = true;
	stop_for((struct op){.kind = OP_NAP, HERE});
}

uint64_t unapi_ns_to_cycles(uint64_t ns);
uint64_t unapi_ns_to_cycles(uint64_t ns)
{
	return ns;
}

void os_timers_of(const uint64_t *next)
{
	timers[nr_timers++] = next;
}

bool os_is_timer(int atom)
{
	for (unsigned int i = 0; i < nr_timers; i++)
		if (timers[i] == memory_atom_addr(atom))
			return true;
	return false;
}

static uint64_t next_expiry(void)
{
	uint64_t next = UINT64_MAX, t;

	for (int i = 0; i < MAX_FIBERS; i++)
		if (w.fiber[i].used && w.fiber[i].op.kind == OP_WAIT && w.fiber[i].op.until > w.now &&
		    w.fiber[i].op.until < next)
			next = w.fiber[i].op.until;
	for (int i = 0; i < MAX_FDS; i++)
		if (w.fd[i].expires > w.now && w.fd[i].expires < next)
			next = w.fd[i].expires;
	for (unsigned int i = 0; i < nr_timers; i++) {
		memcpy(&t, timers[i], sizeof(t));
		if (t > w.now && t < next)
			next = t;
	}
	return next;
}

bool os_time_can_pass(void)
{
	return next_expiry() != UINT64_MAX;
}

static void expire(struct fd *fd)
{
	if (fd->kind != FD_TIMER || !fd->expires || fd->expires > w.now)
		return;
	fd->expires = 0;
	fd->readable = true;
	fd->pending = fd->epoll >= 0;
}

void os_pass_time(void)
{
	w.now = next_expiry();
	for (int i = 0; i < MAX_FDS; i++)
		expire(&w.fd[i]);
}

/* Descriptors */

static int new_fd(uint8_t kind)
{
	for (int i = 0; i < MAX_FDS; i++)
		if (!w.fd[i].kind) {
			w.fd[i] = (struct fd){.kind = kind, .epoll = -1};
			return FD_BASE + i;
		}
	model_fail("more than %d descriptors", MAX_FDS);
	return -1;
}

int os_eventfd(void);
int os_eventfd(void)
{
	return new_fd(FD_EVENT);
}

int os_epoll_create(void);
int os_epoll_create(void)
{
	return new_fd(FD_EPOLL);
}

int os_timerfd_create(void);
int os_timerfd_create(void)
{
	return new_fd(FD_TIMER);
}

int model_os_timerfd_settime(int fd, const struct itimerspec *its)
{
	struct fd *f = &w.fd[fd - FD_BASE];

	f->expires = (uint64_t)its->it_value.tv_sec * NSEC + (uint64_t)its->it_value.tv_nsec;
	expire(f);
	return 0;
}

int model_os_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
	struct fd *f = &w.fd[fd - FD_BASE];

	if (me >= 0)
		stop_for((struct op){.kind = OP_CHOOSE, .operand = 1, .what = "epoll_ctl", HERE});
	f->pending = op != EPOLL_CTL_DEL && f->readable;
	f->epoll = op == EPOLL_CTL_DEL ? -1 : (int8_t)(epfd - FD_BASE);
	if (op != EPOLL_CTL_DEL)
		f->data = ev->data.u64;
	return 0;
}

int model_os_epoll_wait(int epfd, struct epoll_event *ev, int max, int64_t timeout_ns)
{
	uint64_t until = timeout_ns < 0 ? UINT64_MAX : timeout_ns ? w.now + (uint64_t)timeout_ns : 0;
	uint64_t set;
	int n = 0;

	set = stop_for((struct op){.kind = OP_WAIT, .obj = (uint8_t)(epfd - FD_BASE), .until = until, HERE});
	for (int i = 0; i < MAX_FDS; i++) {
		if (!(set >> i & 1))
			continue;
		memory_plain(&ev[n].data.u64, 8, true);
		ev[n++].data.u64 = w.fd[i].data;
	}
	return n;
}

void model_os_watch(int epfd)
{
	stop_for((struct op){.kind = OP_WATCH, .obj = (uint8_t)(epfd - FD_BASE), HERE});
}

ssize_t model_os_write(int fd, const void *buf, size_t size)
{
	struct fd *f = &w.fd[fd - FD_BASE];

	if (me >= 0) {
		stop_for((struct op){.kind = OP_WRITE, .obj = (uint8_t)(fd - FD_BASE), HERE});
	} else {
		f->readable = true;
		f->pending = f->epoll >= 0;
	}
	return (ssize_t)size;
}

ssize_t model_os_read(int fd, void *buf, size_t size)
{
	struct fd *f = &w.fd[fd - FD_BASE];

	if (!f->readable)
		return -1;
	f->readable = false;
	if (f->has_view)
		memory_join(&w.fiber[me].view, &f->view);
	memset(buf, 0, size);
	return (ssize_t)size;
}

int model_os_poll(struct pollfd *p, nfds_t n, int ms)
{
	if (me >= 0)
		stop_for((struct op){.kind = OP_CHOOSE, .operand = 1, .what = "poll", HERE});
	return w.fd[p->fd - FD_BASE].readable;
}

bool os_readable(int fd)
{
	return w.fd[fd - FD_BASE].readable;
}

/* For the search */

static bool has_event(uint8_t epoll)
{
	for (int i = 0; i < MAX_FDS; i++)
		if (w.fd[i].pending && w.fd[i].epoll == (int8_t)epoll)
			return true;
	return false;
}

bool os_asleep(int f)
{
	return w.fiber[f].op.kind == OP_WAIT || w.fiber[f].op.kind == OP_WATCH;
}

unsigned int os_outcomes(int i)
{
	const struct fiber *f = &w.fiber[i];

	switch (f->op.kind) {
	case OP_DONE:
		return 0;
	case OP_LOCK:
		return !w.mutex[f->op.obj].owner;
	case OP_NAP:
		return f->changed + (f->may_be_late && !f->late);
	case OP_CHOOSE:
		return (unsigned int)f->op.operand;
	case OP_WAIT:
		return has_event(f->op.obj) || f->op.until <= w.now;
	case OP_WATCH:
		return has_event(f->op.obj);
	case OP_JOIN:
		return w.fiber[f->op.obj].op.kind == OP_DONE;
	case OP_LOAD:
	case OP_CAS:
		return memory_outcomes(f);
	default:
		return 1;
	}
}

static void signal_fd(struct fiber *f, struct fd *fd, bool now)
{
	if (fd->has_view)
		memory_join(&fd->view, &f->view);
	else
		fd->view = f->view;
	fd->has_view = true;
	if (!now)
		return;
	fd->readable = true;
	fd->pending = fd->epoll >= 0;
	os_changed((int)(f - w.fiber), 1ULL << FDS_BIT);
}

void os_signal(int fd, bool now)
{
	signal_fd(&w.fiber[me], &w.fd[fd - FD_BASE], now);
}

static void take_events(struct fiber *f)
{
	f->result = 0;
	for (int i = 0; i < MAX_FDS; i++) {
		struct fd *fd = &w.fd[i];

		if (!fd->pending || fd->epoll != (int8_t)f->op.obj)
			continue;
		fd->pending = false;
		if (fd->has_view)
			memory_join(&f->view, &fd->view);
		f->result |= 1ULL << i;
	}
}

void os_perform(int i, unsigned int k)
{
	struct fiber *f = &w.fiber[i];
	struct mutex *m = &w.mutex[f->op.obj % MAX_MUTEXES];

	f->result = 0;
	switch (f->op.kind) {
	case OP_LOAD:
	case OP_STORE:
	case OP_RMW:
	case OP_CAS:
		memory_perform(f, k);
		break;
	case OP_LOCK:
		m->owner = (int8_t)(i + 1);
		if (m->has_view)
			memory_join(&f->view, &m->view);
		break;
	case OP_NAP:
		if (k >= f->changed)
			f->late = true;
		f->changed = false;
		memory_newest(&f->view, UINT64_MAX); /* a nap is long enough for any store */
		break;
	case OP_CHOOSE:
		f->result = k;
		break;
	case OP_WRITE:
		signal_fd(f, &w.fd[f->op.obj], true);
		break;
	case OP_WAIT:
		take_events(f);
		break;
	case OP_JOIN:
		memory_join(&f->view, &w.fiber[f->op.obj].view);
		break;
	case OP_FENCE:
		memory_sync_all();
		os_changed(i, UINT64_MAX);
		break;
	default:
		break;
	}
}

static uint64_t hash_view(uint64_t h, bool has, const struct view *v)
{
	return has ? mix_words(mix(h, 1), v, sizeof(*v)) : h;
}

uint64_t os_hash(uint64_t h)
{
	h = mix_words(h, &w.notes, sizeof(w.notes));
	h = mix(h, w.now);
	for (int i = 0; i < MAX_MUTEXES; i++)
		h = hash_view(mix(h, (uint64_t)w.mutex[i].owner), w.mutex[i].has_view, &w.mutex[i].view);
	for (int i = 0; i < MAX_FDS && w.fd[i].kind; i++) {
		const struct fd *fd = &w.fd[i];

		h = mix(h, (uint64_t)(uint8_t)fd->epoll << 2 | (uint64_t)fd->pending << 1 | fd->readable);
		h = hash_view(mix(h, fd->expires), fd->has_view, &fd->view);
	}
	return h;
}

static size_t with_view(bool has, size_t size)
{
	return has ? size : size - sizeof(struct view);
}

size_t os_save(uint8_t *to)
{
	uint8_t *p = to;
	size_t n;

	for (int i = 0; i < MAX_MUTEXES; i++, p += n)
		memcpy(p, &w.mutex[i], n = with_view(w.mutex[i].has_view, sizeof(w.mutex[i])));
	for (int i = 0; i < MAX_FDS; i++, p += n)
		memcpy(p, &w.fd[i], n = with_view(w.fd[i].has_view, sizeof(w.fd[i])));
	memcpy(p, &w.now, sizeof(w.now));
	memcpy(p + 8, &w.allocated, sizeof(w.allocated));
	memcpy(p + 16, &w.notes, sizeof(w.notes));
	return (size_t)(p - to) + 16 + sizeof(w.notes);
}

size_t os_restore(const uint8_t *from)
{
	const uint8_t *began = from;

	for (int i = 0; i < MAX_MUTEXES; i++) {
		bool has = from[offsetof(struct mutex, has_view)];
		size_t n = with_view(has, sizeof(w.mutex[i]));

		memcpy(&w.mutex[i], from, n);
		from += n;
	}
	for (int i = 0; i < MAX_FDS; i++) {
		bool has = from[offsetof(struct fd, has_view)];
		size_t n = with_view(has, sizeof(w.fd[i]));

		memcpy(&w.fd[i], from, n);
		from += n;
	}
	memcpy(&w.now, from, sizeof(w.now));
	memcpy(&w.allocated, from + 8, sizeof(w.allocated));
	memcpy(&w.notes, from + 16, sizeof(w.notes));
	return (size_t)(from - began) + 16 + sizeof(w.notes);
}

/* Reasons are for people. */
int unapi_fail(int err, const char *fmt, ...)
{
	return -err;
}

int unapi_fail_at(int rc, const char *fmt, ...)
{
	return rc;
}

const char *unapi_reason(void)
{
	return "";
}

/* The library logs only what should never happen. */
void unapi_log(enum unapi_log_level level, const char *fmt, ...)
{
	static char text[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	model_fail("it logs: %s", text);
}
