/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The busy loop and how it stops (net/core/dev.c napi_busy_loop(), busy_poll_stop()).
 *
 * The kernel keeps the instance by RCU. Here a thread in a busy loop holds it: @holders is raised under the
 * control lock, if DISABLE is not set; who disables or moves it sets DISABLE, takes ownership, and then waits
 * until nobody holds it. Both look under the lock, so either the holder is seen or it has seen DISABLE. A
 * holder that meets DISABLE lets go.
 */
#include "core/napi/internal.h"

#include <errno.h>
#include <sched.h>

/* Tries after which a thread that busy polls looks after the home context, if nobody else does. */
#define BUSY_RESCHED 64

struct busy {
	struct napi_struct *n; /* held; NULL while it is being disabled or moved */
	bool own;
	bool prefer;
	int budget;
	unsigned int tries; /* since others had their turn */
};

unsigned long unapi_napi_busy_clock(void)
{
	return unapi_clock_ns() >> 10;
}

bool napi_held(const struct napi_struct *n)
{
	int holders;

	pthread_mutex_lock(&napi_control_lock);
	/* acquire: what a holder did, its timer's start not least */
	holders = __atomic_load_n(&n->holders, __ATOMIC_ACQUIRE);
	pthread_mutex_unlock(&napi_control_lock);
	return holders;
}

int napi_hold(unsigned int id, struct napi_struct **held)
{
	struct napi_struct *n;

	*held = NULL;
	pthread_mutex_lock(&napi_control_lock);
	n = napi_id_find(id);
	if (n && !(napi_state_read(&n->state) & NAPIF_DISABLE)) {
		__atomic_fetch_add(&n->holders, 1, __ATOMIC_RELAXED);
		*held = n;
	}
	pthread_mutex_unlock(&napi_control_lock);
	return n ? 0 : -ENOENT;
}

void napi_let_go(struct napi_struct *n)
{
	__atomic_fetch_sub(&n->holders, 1, __ATOMIC_RELEASE); /* napi_held() */
}

static void let_go(struct busy *b)
{
	if (b->n)
		napi_let_go(b->n);
	b->n = NULL;
}

/* As owner: the poll method once. Completions inside do as the state word says. */
static void poll_once(struct busy *b)
{
	struct napi_thread *t = &napi_this_thread;
	struct napi_struct *n = b->n;
	int work;

	ledger_poll(n);
	t->polling = n;
	t->completion = POLL_GOES_ON;
	t->budget = b->budget;
	work = napi_poll_result(t, n, n->poll(n, b->budget), b->budget);
	t->polling = NULL;
	probe_napi_poll(n, work, b->budget);
	if (t->completion != POLL_COMPLETED)
		ledger_work(n, work, b->budget);
	if (work)
		napi_moved(n);
}

static void stop(struct busy *b)
{
	struct napi_thread *t = &napi_this_thread;
	struct napi_struct *n = b->n;
	uint64_t timeout = 0;

	b->own = false;
	napi_state_busy_stop(&n->state);
	if (b->prefer) {
		n->defer_hard_irqs_count = (int)READ_ONCE(n->defer_hard_irqs);
		if (n->defer_hard_irqs_count)
			timeout = READ_ONCE(n->gro_flush_timeout);
	}
	if (timeout) {
		/* No poll, and the interrupt stays as it is: the timer does both. */
		napi_gro_flush(t, n, false);
		ledger_cycles(t, n);
		napi_state_busy_let_go(&n->state);
		timer_start(&n->timer, timeout);
		return;
	}
	/* Counted: when it completes, somebody else may poll before it has returned. */
	__atomic_fetch_add(&n->stopping, 1, __ATOMIC_RELAXED);
	poll_once(b);
	__atomic_fetch_sub(&n->stopping, 1, __ATOMIC_RELEASE); /* napi_synchronize() */
	if (t->completion == POLL_COMPLETED)
		return;
	ledger_cycles(t, n);
	napi_state_requeue(&n->state);
	napi_queue(n); /* there is more: its home goes on */
}

/* One try. What it delivered is in the ledger. */
static void try_poll(struct busy *b)
{
	struct napi_thread *t = &napi_this_thread;
	struct napi_struct *n = b->n;

	b->tries++;
	if (!b->own) {
		if (!napi_state_busy_begin(&n->state)) {
			if (b->prefer)
				napi_state_prefer(&n->state);
			return;
		}
		b->own = true;
		n->cause = UNAPI_CAUSE_APP;
		t->tsc = unapi_cycles();
		ledger_add(&n->stats.schedules, 1);
	}
	if (b->tries % LEDGER_SAMPLE == 0)
		ledger_cycles(t, n);
	WRITE_ONCE(n->in_poll, 1);
	poll_once(b);
	__atomic_store_n(&n->in_poll, 0, __ATOMIC_RELEASE); /* napi_synchronize() */
}

/* Does anything else need this thread? */
static bool need_resched(const struct busy *b)
{
	const struct unapi_context *c;
	uintptr_t runner;

	if (!b->n || napi_state_read(&b->n->state) & NAPIF_DISABLE)
		return true;
	c = b->n->ctx;
	runner = READ_ONCE(c->runner) & ~CONTEXT_BORROWED;
	if (runner && runner != (uintptr_t)&napi_this_thread)
		return false; /* the context has a thread, which does its work */
	/* What is left on its list may be this very instance. */
	return READ_ONCE(c->left_over) || !inbox_empty(&c->inbox) || b->tries >= BUSY_RESCHED;
}

/* Let others do what they need: the home context its run, if nobody is inside, and the scheduler its. */
static void resched(struct busy *b)
{
	if (b->own)
		stop(b);
	if (b->n && !(napi_state_read(&b->n->state) & NAPIF_DISABLE))
		unapi_context_run(b->n->ctx, 0);
	let_go(b);
	b->tries = 0;
	sched_yield();
}

int napi_busy_loop(unsigned int napi_id, bool (*loop_end)(void *arg, unsigned long start), void *arg,
		   bool prefer, uint16_t budget)
{
	struct busy b = {.prefer = prefer, .budget = budget};
	unsigned long start = loop_end ? unapi_napi_busy_clock() : 0;
	int rc = 0;

	if (unapi_in_poll() || napi_this_thread.busy_id)
		return unapi_fail(EDEADLK,
				  "napi %u: a busy loop cannot begin in a poll method or another one",
				  napi_id);
	napi_this_thread.busy_id = napi_id;
	for (;;) {
		if (!b.n) {
			rc = napi_hold(napi_id, &b.n);
			if (rc)
				break;
		}
		if (b.n)
			try_poll(&b);
		if (!loop_end || loop_end(arg, start))
			break;
		if (need_resched(&b)) {
			resched(&b);
			if (loop_end(arg, start))
				break;
		} else {
			__builtin_ia32_pause();
		}
	}
	if (b.own)
		stop(&b);
	let_go(&b);
	napi_this_thread.busy_id = 0;
	return rc ? unapi_fail(ENOENT, "napi %u: no enabled instance has this id", napi_id) : 0;
}
