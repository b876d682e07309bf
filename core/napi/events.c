/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a context waits for: the vectors of its instances, its wake-up, its timer, and slow-path descriptors.
 *
 * An epoll item's data is the address of an instance, of a source with its lowest bit set, or of the
 * context's timerfd member; 0 is the wake-up, or an event that was taken back while it waited for its turn.
 * Timers are in timer.c; the timerfd only wakes. Vectors, wake-up and timer are edge triggered: each write is
 * reported once and nothing is ever read.
 */
#include "core/napi/internal.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EV_SOURCE 1UL

/* What the adder wrote before is seen by the handler. The kernel's locks see to that; the count says it in
 * the language's own terms, for tools that do not know every way to wait. */
static int epoll_add(struct unapi_context *c, int fd, uint32_t events, uintptr_t data)
{
	struct epoll_event ev = {.events = events, .data.u64 = data};

	__atomic_fetch_add(&c->watched, 1, __ATOMIC_RELEASE);
	return epoll_ctl(c->epfd, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static int epoll_take(struct unapi_context *c, int64_t timeout_ns)
{
	static bool no_pwait2; /* relaxed: the worst is one more try */
	int n;

	if (timeout_ns && c->own_thread && !READ_ONCE(no_pwait2))
		timeout_ns = timers_wait(c, timeout_ns);
	else if (timeout_ns)
		timers_arm_fd(c); /* not subject to the application thread's timer slack */
	if (timeout_ns > 0 && !READ_ONCE(no_pwait2)) {
		struct timespec ts = {.tv_sec = timeout_ns / (int64_t)NSEC_PER_SEC,
				      .tv_nsec = timeout_ns % (int64_t)NSEC_PER_SEC};

		n = epoll_pwait2(c->epfd, c->events, CONTEXT_EVENTS, &ts, NULL);
		if (n >= 0 || errno != ENOSYS)
			return n < 0 ? -errno : n;
		WRITE_ONCE(no_pwait2, true); /* Linux before 5.11 */
		timers_arm_fd(c);
	}
	if (timeout_ns > 0) {
		timeout_ns = (timeout_ns - 1) / (int64_t)NSEC_PER_MSEC + 1;
		if (timeout_ns > INT32_MAX)
			timeout_ns = INT32_MAX;
	}
	n = epoll_wait(c->epfd, c->events, CONTEXT_EVENTS, (int)timeout_ns);
	return n < 0 ? -errno : n;
}

static void run_irq(struct napi_struct *n)
{
	ledger_add(&n->stats.irqs, 1);
	napi_this_thread.cause = UNAPI_CAUSE_IRQ;
	probe_irq_entry(n);
	n->irq_fn(n);
	probe_irq_exit(n);
	napi_this_thread.cause = UNAPI_CAUSE_APP;
}

static void dispatch(struct unapi_context *c)
{
	if (c->event_next < c->nr_events)
		(void)__atomic_load_n(&c->watched, __ATOMIC_ACQUIRE); /* epoll_add() */
	while (c->event_next < c->nr_events) {
		uintptr_t data = c->events[c->event_next++].data.u64;

		if (!data)
			continue;
		if (data == (uintptr_t)&c->timerfd) {
			c->timerfd_at = UINT64_MAX;
		} else if (data & EV_SOURCE) {
			struct unapi_source *src = (struct unapi_source *)(data & ~EV_SOURCE);

			src->fn(src);
		} else {
			run_irq((struct napi_struct *)data);
		}
	}
}

/* Handlers may remove anything, also what has an event waiting behind theirs. */
void context_forget_event(struct unapi_context *c, void *ptr)
{
	int i;

	for (i = c->event_next; i < c->nr_events; i++)
		if ((c->events[i].data.u64 & ~EV_SOURCE) == (uintptr_t)ptr)
			c->events[i].data.u64 = 0;
}

/* May it sleep? Says so first, then looks: see inbox.h. */
static bool may_sleep(struct unapi_context *c)
{
	if (!list_empty(&c->poll_list))
		return false;
	return inbox_may_sleep(&c->inbox) && !__atomic_load_n(&c->nr_calls, __ATOMIC_SEQ_CST) &&
	       !__atomic_load_n(&c->wake_asked, __ATOMIC_SEQ_CST);
}

/* So that the context's CPU time can be had: its thread's. */
static void __attribute__((noinline, cold)) looked_by(struct unapi_context *c, struct napi_thread *t)
{
	if (t->tid < 0)
		t->tid = gettid();
	WRITE_ONCE(c->tid, t->tid);
}

/* Take what descriptors have to say, waiting for it if nothing else is to be done, and run the handlers. */
int context_look(struct unapi_context *c, int64_t timeout_ns)
{
	struct napi_thread *t = &napi_this_thread;
	int n;

	if (unlikely(c->tid != t->tid))
		looked_by(c, t);
	if (timeout_ns) {
		if (!may_sleep(c))
			timeout_ns = 0;
		else
			ledger_add(&c->stats.waits, 1);
	}
	if (unlikely(unapi_virtual_now) && timeout_ns) {
		timeout_ns = timers_wait(c, timeout_ns);
		if (timeout_ns > 0) {
			unapi_clock_sleep((uint64_t)timeout_ns); /* the test's time passes, without waiting */
			timeout_ns = 0;
		}
	}
	n = epoll_take(c, timeout_ns);
	inbox_awake(&c->inbox);
	/* acquire: who asked has said why before */
	if (READ_ONCE(c->wake_asked))
		__atomic_exchange_n(&c->wake_asked, 0, __ATOMIC_ACQUIRE);
	c->since_look = 0;
	c->look_tsc = unapi_cycles();
	if (n < 0)
		return n;
	c->event_next = 0;
	c->nr_events = n;
	dispatch(c);
	timers_run(c);
	return 0;
}

int context_attach(struct unapi_context *c, struct napi_struct *n)
{
	int rc = epoll_add(c, n->irq_fd, EPOLLIN | EPOLLET, (uintptr_t)n);

	if (rc)
		return unapi_fail(-rc, "%s: its interrupt cannot be watched in context %s: %s", n->name,
				  c->name, strerror(-rc));
	return 0;
}

void context_detach(struct unapi_context *c, struct napi_struct *n)
{
	epoll_ctl(c->epfd, EPOLL_CTL_DEL, n->irq_fd, NULL);
	context_forget_event(c, n);
}

int unapi_context_add_source(struct unapi_context *c, struct unapi_source *src)
{
	struct unapi_context *before = src->ctx;
	int rc;

	src->ctx = c; /* before its first event */
	rc = epoll_add(c, src->fd, EPOLLIN, (uintptr_t)src | EV_SOURCE);
	if (rc) {
		src->ctx = before;
		return unapi_fail(-rc, "descriptor %d cannot be watched in context %s: %s", src->fd, c->name,
				  strerror(-rc));
	}
	pthread_mutex_lock(&napi_control_lock);
	c->nr_sources++;
	pthread_mutex_unlock(&napi_control_lock);
	return 0;
}

static void del_source(void *arg)
{
	struct unapi_source *src = arg;

	epoll_ctl(src->ctx->epfd, EPOLL_CTL_DEL, src->fd, NULL);
	context_forget_event(src->ctx, src);
}

void unapi_context_del_source(struct unapi_source *src)
{
	struct unapi_context *c = src->ctx;

	if (!c)
		return;
	context_call_until(c, del_source, src, UINT64_MAX);
	src->ctx = NULL;
	pthread_mutex_lock(&napi_control_lock);
	c->nr_sources--;
	pthread_mutex_unlock(&napi_control_lock);
}

/*
 * The tick: armed by the first packet after the last one, so that without packets there is none.
 *
 * Packets may move on other threads than the one that ticks (threads of instances, other contexts of the same
 * device). That thread takes back "armed" before "moved", both released: whoever then finds "moved" clear
 * finds the tick unarmed and arms it. A packet that still found it set moved before the ticks that follow.
 */
static void arm_tick(struct unapi_context *c)
{
	if (!__atomic_exchange_n(&c->tick_armed, 1, __ATOMIC_ACQ_REL))
		timer_start(&c->tick_timer, UNAPI_TICK_NS);
}

void context_first_moved(struct unapi_context *c)
{
	__atomic_store_n(&c->moved, 1, __ATOMIC_RELAXED);
	if (READ_ONCE(c->ticks))
		arm_tick(c);
}

void context_tick(struct unapi_timer *t)
{
	t->ctx->tick_fired = true; /* the ticks come after the polls */
}

void context_run_ticks(struct unapi_context *c)
{
	struct unapi_tick *tick;

	if (unlikely(c->tick_fired)) {
		c->tick_fired = false;
		__atomic_store_n(&c->tick_armed, 0, __ATOMIC_RELEASE);
		__atomic_store_n(&c->moved, 0, __ATOMIC_RELEASE);
		for (tick = c->ticks; tick; tick = c->next_tick) {
			c->next_tick = tick->next; /* del_tick() moves it on */
			tick->fn(tick);
		}
	}
}

static void add_tick(void *arg)
{
	struct unapi_tick *t = arg;

	t->next = t->ctx->ticks;
	WRITE_ONCE(t->ctx->ticks, t);
	WRITE_ONCE(t->ctx->moved, 0); /* packets of before armed nothing */
}

static void del_tick(void *arg)
{
	struct unapi_tick *t = arg, **p;

	for (p = &t->ctx->ticks; *p && *p != t; p = &(*p)->next)
		;
	if (*p)
		WRITE_ONCE(*p, t->next);
	if (t->ctx->next_tick == t)
		t->ctx->next_tick = t->next;
}

int unapi_context_add_tick(struct unapi_context *c, struct unapi_tick *t)
{
	t->ctx = c;
	return context_call_until(c, add_tick, t, UINT64_MAX);
}

void unapi_context_del_tick(struct unapi_tick *t)
{
	if (!t->ctx)
		return;
	context_call_until(t->ctx, del_tick, t, UINT64_MAX);
	t->ctx = NULL;
}
