/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Timers: one facility for all that a context does at a time.
 *
 * A context's timers are a pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986) threaded through the
 * timers themselves: a start is one comparison and allocates nothing, to take one out costs a logarithm.
 * Callbacks run on the thread that runs the context, between polls, without the lock.
 *
 * Who sleeps looks at timer_next after it has said so (inbox.h); who starts a timer that becomes the earliest
 * publishes timer_next, then looks whether the context may be asleep. So the one or the other acts. The
 * thread that runs the context needs no waking: it looks before it sleeps or leaves. Nor
 * does one that minds it (thread.h).
 */
#include "core/napi/internal.h"

#include <sys/timerfd.h>

static struct unapi_timer *merge(struct unapi_timer *a, struct unapi_timer *b)
{
	struct unapi_timer *t;

	if (!a || !b)
		return a ? a : b;
	if (b->expires < a->expires) {
		t = a;
		a = b;
		b = t;
	}
	b->next = a->child;
	if (b->next)
		b->next->prev = b;
	b->prev = a;
	a->child = b;
	return a;
}

/* One heap of siblings: in pairs from the left, then all pairs from the right. */
static struct unapi_timer *merge_siblings(struct unapi_timer *first)
{
	struct unapi_timer *pairs = NULL, *heap = NULL, *a, *b;

	while ((a = first)) {
		b = a->next;
		first = b ? b->next : NULL;
		a = merge(a, b);
		a->next = pairs;
		pairs = a;
	}
	while ((a = pairs)) {
		pairs = a->next;
		heap = merge(heap, a);
	}
	if (heap)
		heap->next = heap->prev = NULL;
	return heap;
}

static void heap_add(struct unapi_context *c, struct unapi_timer *t)
{
	t->child = t->next = t->prev = NULL;
	t->pending = true;
	c->timers = merge(c->timers, t);
	c->timers->next = c->timers->prev = NULL;
}

static void heap_del(struct unapi_context *c, struct unapi_timer *t)
{
	struct unapi_timer *rest = merge_siblings(t->child);

	t->pending = false;
	if (t == c->timers) {
		c->timers = rest;
		return;
	}
	/* a first child's prev is its parent */
	if (t->prev->child == t)
		t->prev->child = t->next;
	else
		t->prev->next = t->next;
	if (t->next)
		t->next->prev = t->prev;
	c->timers = merge(c->timers, rest);
}

/* Sequentially consistent: see inbox.h. */
static void publish_next(struct unapi_context *c)
{
	uint64_t next = c->timers ? c->timers->expires : UINT64_MAX;

	if (next != c->timer_next)
		__atomic_store_n(&c->timer_next, next, __ATOMIC_SEQ_CST);
}

void timer_init(struct unapi_timer *t, struct unapi_context *c, void (*fn)(struct unapi_timer *t))
{
	t->ctx = c;
	t->fn = fn;
}

static void start_at(struct unapi_timer *t, uint64_t expires, bool again)
{
	const struct napi_thread *me = &napi_this_thread;
	struct unapi_context *c = t->ctx;
	uint64_t before;
	bool earlier;

	pthread_mutex_lock(&c->timer_lock);
	before = c->timer_next;
	if (t->pending)
		heap_del(c, t);
	t->expires = expires;
	if (!again)
		ledger_add(&t->starts, 1);
	heap_add(c, t);
	probe_timer_start(t);
	publish_next(c);
	earlier = c->timer_next < before;
	pthread_mutex_unlock(&c->timer_lock);
	if (earlier && (READ_ONCE(c->runner) & ~CONTEXT_BORROWED) != (uintptr_t)me && me->minds != c &&
	    inbox_must_wake(&c->inbox))
		context_wake_fd(c);
}

uint64_t timer_expiry(uint64_t ns)
{
	uint64_t now = unapi_clock_ns(), latest = UINT64_MAX - 1;

	return ns > latest - now ? latest : now + ns;
}

void timer_start_at(struct unapi_timer *t, uint64_t expires)
{
	start_at(t, expires, false);
}

void timer_start(struct unapi_timer *t, uint64_t ns)
{
	start_at(t, timer_expiry(ns), false);
}

/* Returns whether it was pending. */
static bool take_out(struct unapi_timer *t)
{
	struct unapi_context *c = t->ctx;
	bool was, runs;
	uint64_t nap = 0;

	pthread_mutex_lock(&c->timer_lock);
	was = t->pending;
	if (was)
		heap_del(c, t);
	publish_next(c);
	runs = c->timer_running == t;
	pthread_mutex_unlock(&c->timer_lock);
	if ((READ_ONCE(c->runner) & ~CONTEXT_BORROWED) == (uintptr_t)&napi_this_thread)
		return was;
	while (runs) {
		napi_nap(&nap, UINT64_MAX);
		pthread_mutex_lock(&c->timer_lock);
		runs = c->timer_running == t;
		pthread_mutex_unlock(&c->timer_lock);
	}
	return was;
}

void timer_cancel(struct unapi_timer *t)
{
	probe_timer_cancel(t);
	take_out(t);
}

void timer_move(struct unapi_timer *t, struct unapi_context *c)
{
	bool pending = take_out(t);

	t->ctx = c;
	if (pending)
		start_at(t, t->expires, true);
}

void timers_run(struct unapi_context *c)
{
	struct unapi_timer *t;
	uint64_t now;

	/* Without timers this is one load. A start that it misses finds the context awake, which looks again,
	 * or wakes it. */
	if (likely(READ_ONCE(c->timer_next) == UINT64_MAX))
		return;
	now = unapi_clock_ns();
	pthread_mutex_lock(&c->timer_lock);
	while ((t = c->timers) && t->expires <= now) {
		heap_del(c, t);
		ledger_add(&t->fires, 1);
		c->timer_running = t;
		c->timer_was_due = t->expires;
		pthread_mutex_unlock(&c->timer_lock);
		probe_timer_expire(t, now);
		t->fn(t);
		probe_timer_exit(t);
		pthread_mutex_lock(&c->timer_lock);
		c->timer_running = NULL;
	}
	publish_next(c);
	pthread_mutex_unlock(&c->timer_lock);
}

int64_t timers_wait(struct unapi_context *c, int64_t timeout_ns)
{
	uint64_t next = __atomic_load_n(&c->timer_next, __ATOMIC_SEQ_CST), now, left;

	if (next == UINT64_MAX)
		return timeout_ns;
	now = unapi_clock_ns();
	left = next > now ? next - now : 0;
	if (left > INT64_MAX)
		left = INT64_MAX;
	return timeout_ns < 0 || left < (uint64_t)timeout_ns ? (int64_t)left : timeout_ns;
}

void timers_arm_fd(struct unapi_context *c)
{
	uint64_t next = __atomic_load_n(&c->timer_next, __ATOMIC_SEQ_CST);
	struct itimerspec its = {.it_value = {.tv_sec = (time_t)(next / NSEC_PER_SEC),
					      .tv_nsec = (long)(next % NSEC_PER_SEC)}};

	/* One that fires too early, because its timer was restarted or cancelled, costs a run that looks
	 * again. That is seldom, and saves a system call at every restart. */
	if (next >= c->timerfd_at || unapi_virtual_now)
		return;
	c->timerfd_at = next;
	timerfd_settime(c->timerfd, TFD_TIMER_ABSTIME, &its, NULL);
}
