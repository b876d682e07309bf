/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls into a context from other threads, and how control calls wait. */
#include "core/napi/internal.h"

#include <errno.h>
#include <time.h>

#define NAP_MIN_NS (20 * NSEC_PER_USEC)
#define NAP_MAX_NS (200 * NSEC_PER_USEC)

struct context_call {
	void (*fn)(void *arg);
	void *arg;
	struct context_call *next;
	enum { CALL_QUEUED, CALL_RUNS, CALL_DONE } state; /* guarded by the context's call_lock */
};

/* Control calls nap and look, as the kernel's do: nothing that they wait for has to tell them, and nothing on
 * the data path depends on a nap. */
bool napi_nap(uint64_t *nap, uint64_t deadline)
{
	uint64_t now = unapi_clock_ns();

	if (now >= deadline)
		return false;
	*nap = *nap ? *nap * 2 : NAP_MIN_NS;
	if (*nap > NAP_MAX_NS)
		*nap = NAP_MAX_NS;
	unapi_clock_sleep(*nap < deadline - now ? *nap : deadline - now);
	if (unlikely(unapi_virtual_now)) /* what is waited for takes real time */
		nanosleep(&(struct timespec){.tv_nsec = NAP_MIN_NS}, NULL);
	return true;
}

uint64_t napi_deadline(uint64_t timeout_ns)
{
	uint64_t now = unapi_clock_ns();

	return timeout_ns > UINT64_MAX - now ? UINT64_MAX : now + timeout_ns;
}

static void call_push(struct unapi_context *c, struct context_call *call)
{
	struct context_call **tail;

	pthread_mutex_lock(&c->call_lock);
	for (tail = &c->calls; *tail; tail = &(*tail)->next)
		;
	*tail = call;
	/* sequentially consistent: see inbox.h */
	__atomic_fetch_add(&c->nr_calls, 1, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&c->call_lock);
	if (inbox_must_wake(&c->inbox))
		context_wake_fd(c);
}

/* Take back a call that nobody has begun. Returns what had become of it. */
static int call_withdraw(struct unapi_context *c, struct context_call *call)
{
	struct context_call **p;
	int state;

	pthread_mutex_lock(&c->call_lock);
	state = call->state;
	if (state == CALL_QUEUED) {
		for (p = &c->calls; *p != call; p = &(*p)->next)
			;
		*p = call->next;
		__atomic_fetch_sub(&c->nr_calls, 1, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&c->call_lock);
	return state;
}

static int call_state(struct unapi_context *c, struct context_call *call)
{
	int state;

	pthread_mutex_lock(&c->call_lock);
	state = call->state;
	pthread_mutex_unlock(&c->call_lock);
	return state;
}

void context_run_calls(struct unapi_context *c)
{
	struct context_call *call;

	if (!READ_ONCE(c->nr_calls))
		return;
	pthread_mutex_lock(&c->call_lock);
	while ((call = c->calls)) {
		c->calls = call->next;
		__atomic_fetch_sub(&c->nr_calls, 1, __ATOMIC_RELAXED);
		call->state = CALL_RUNS;
		pthread_mutex_unlock(&c->call_lock);
		call->fn(call->arg);
		pthread_mutex_lock(&c->call_lock);
		call->state = CALL_DONE; /* the caller's stack: not ours any more once the lock is free */
	}
	pthread_mutex_unlock(&c->call_lock);
}

int context_call_until(struct unapi_context *c, void (*fn)(void *arg), void *arg, uint64_t deadline)
{
	struct context_call call = {.fn = fn, .arg = arg};
	bool pushed = false;
	uint64_t nap = 0;
	int rc, state;

	for (;;) {
		rc = context_enter(c, true);
		if (rc >= 0) {
			if (!pushed || call_withdraw(c, &call) == CALL_QUEUED)
				fn(arg);
			if (rc == 0)
				context_leave(c);
			return 0;
		}
		if (!pushed) {
			call_push(c, &call);
			pushed = true;
		}
		if (!napi_nap(&nap, deadline)) {
			state = call_withdraw(c, &call);
			if (state == CALL_QUEUED)
				return -ETIMEDOUT;
			deadline = UINT64_MAX; /* it runs: now it must be waited for */
		}
		if (call_state(c, &call) == CALL_DONE)
			return 0;
	}
}

int unapi_context_call(struct unapi_context *c, void (*fn)(void *arg), void *arg, uint64_t ns)
{
	if (unapi_in_poll())
		return unapi_fail(EDEADLK, "%s: a call into a context cannot wait inside a poll method",
				  c->name);
	if (context_call_until(c, fn, arg, napi_deadline(ns)))
		return unapi_fail(ETIMEDOUT,
				  "%s: the thread inside its run did not come round within %llu ms", c->name,
				  (unsigned long long)(ns / NSEC_PER_MSEC));
	return 0;
}
