/* SPDX-License-Identifier: BSD-3-Clause */
/* Poll modes, and caller polling ("pure busy poll"): an application thread owns the instance from begin to
 * end. */
#include "core/napi/internal.h"
#include "core/base/lines.h"

#include <errno.h>
#include <unistd.h>

/* What each poll of an application reads and writes, but for the counters; what others write is elsewhere. */
ASSERT_ONE_LINE(struct napi_struct, state, poller);
ASSERT_APART(struct napi_struct, stats, inbox_next);
ASSERT_APART(struct napi_struct, poller, timer);

bool napi_polled_by_me(const struct napi_struct *n)
{
	return READ_ONCE(n->poller) == &napi_this_thread;
}

/* Owner: time since the last sample, and signs of life. */
static void sample(struct napi_struct *n)
{
	uint64_t now = unapi_cycles();

	ledger_add(&n->stats.cycles_by[n->cause], now - n->acquired_cycles);
	n->acquired_cycles = now;
	WRITE_ONCE(n->last_poll_ns, unapi_clock_ns());
	if (n->stats.work != n->sampled_work) {
		n->sampled_work = n->stats.work;
		napi_moved(n);
	}
}

/*
 * Give ownership back, on the application's thread, outside a poll. Either it is queued at home, where one
 * more poll answers everything that came meanwhile and unmasks; or, if somebody disables or moves it, it is
 * simply let go: that call takes it, or fails and schedules it.
 */
void napi_caller_release(struct napi_struct *n)
{
	sample(n);
	probe_handover(n);
	n->cause = UNAPI_CAUSE_MODE_SWITCH;
	WRITE_ONCE(n->poller_tid, 0);
	WRITE_ONCE(n->poller, NULL);
	if (napi_state_caller_end(&n->state)) {
		ledger_add(&n->stats.schedules, 1);
		probe_schedule(n);
		napi_queue(n);
	}
}

/*
 * Take it from its home's queue, where it waits to be polled. The control lock keeps its home from changing:
 * while this thread is inside that context and holds the lock, nobody else touches the instance's link.
 */
static bool begin_queued(struct napi_struct *n)
{
	bool got = false;
	int rc;

	pthread_mutex_lock(&napi_control_lock);
	rc = context_enter(n->ctx, true);
	if (rc >= 0) {
		context_collect(n->ctx);
		/* on the list it is owned by whoever runs the context: this thread */
		if (!list_empty(&n->poll_list) && napi_state_caller_begin(&n->state, true)) {
			list_del_init(&n->poll_list);
			got = true;
		}
		if (rc == 0)
			context_leave(n->ctx);
	}
	pthread_mutex_unlock(&napi_control_lock);
	return got;
}

static int begin_refused(const struct napi_struct *n)
{
	unsigned long v = napi_state_read(&n->state);

	if (v & NAPIF_CALLER)
		return unapi_fail(EBUSY, "%s: thread %llu polls it already", n->name,
				  (unsigned long long)READ_ONCE(n->poller_tid));
	if (v & NAPIF_NPSVC)
		return unapi_fail(ENETDOWN, "%s: it is disabled", n->name);
	if (!(v & NAPIF_BUSY_ASKED))
		return unapi_fail(ECANCELED, "%s: its mode is interrupt; ask for mode busy first", n->name);
	return unapi_fail(EAGAIN, "%s: somebody else owns it at the moment", n->name);
}

int unapi_napi_poll_begin(struct napi_struct *n)
{
	if (unapi_in_poll())
		return unapi_fail(EDEADLK, "%s: caller polling cannot begin in a poll method", n->name);
	if (!napi_state_caller_begin(&n->state, false) && !begin_queued(n))
		return begin_refused(n);
	n->cause = UNAPI_CAUSE_APP;
	n->acquired_cycles = unapi_cycles();
	ledger_add(&n->stats.schedules, 1);
	WRITE_ONCE(n->last_poll_ns, unapi_clock_ns());
	WRITE_ONCE(n->poller_tid, (uint64_t)gettid());
	WRITE_ONCE(n->poller, &napi_this_thread);
	probe_takeover(n);
	return 0;
}

static inline void poll_begins(struct napi_struct *n, struct napi_thread *t)
{
	ledger_add(&n->stats.polls_by[UNAPI_CAUSE_APP], 1); /* as poll_begin has set */
	WRITE_ONCE(n->in_poll, 1);
	t->polling = n;
	t->completion = POLL_GOES_ON;
}

static inline void poll_ends(struct napi_struct *n, struct napi_thread *t, int work, int budget)
{
	t->polling = NULL;
	probe_napi_poll(n, work, budget);
	/* release: napi_synchronize() */
	__atomic_store_n(&n->in_poll, 0, __ATOMIC_RELEASE);
	ledger_work(n, work, budget);
}

/* Not at every poll. */
static int __attribute__((noinline)) sampled(struct napi_struct *n, int work)
{
	sample(n);
	return work;
}

static inline int sample_if_due(struct napi_struct *n, int work)
{
	if (unlikely(n->stats.polls_by[UNAPI_CAUSE_APP] % LEDGER_SAMPLE == 0))
		return sampled(n, work);
	return work;
}

/* Behind the poll method, if it has not simply used its budget. */
static int __attribute__((noinline)) poll_not_full(struct napi_struct *n, int work, int budget)
{
	struct napi_thread *t = &napi_this_thread;

	work = napi_poll_result(t, n, work, budget);
	poll_ends(n, t, work, budget);
	return sample_if_due(n, work);
}

/* Everything that is not "poll it for packets": asked to hand over, a budget of 0, or misuse. */
static int __attribute__((noinline, cold)) poll_otherwise(struct napi_struct *n, int budget)
{
	if (unapi_in_poll())
		return unapi_fail(EDEADLK, "%s: polled from a poll method", n->name);
	if (!napi_polled_by_me(n))
		return unapi_fail(ECANCELED, "%s: this thread does not own it", n->name);
	if (budget < 0)
		return unapi_fail(EINVAL, "%s: polled with a budget of %d", n->name, budget);
	if (napi_state_caller_keeps(napi_state_read(&n->state)) && budget == 0) {
		poll_begins(n, &napi_this_thread);
		return poll_not_full(n, n->poll(n, 0), 0);
	}
	/* Also if the request has been withdrawn since it was read: -ECANCELED always means that it is gone.
	 */
	ledger_add(&n->stats.handovers, 1);
	napi_caller_release(n);
	return unapi_fail(ECANCELED, "%s: ownership was asked for and has been handed over", n->name);
}

int unapi_napi_poll(struct napi_struct *n, int budget)
{
	struct napi_thread *t = &napi_this_thread;
	unsigned long v = napi_state_read(&n->state);
	int work;

	/* A request to hand over that this load just misses is seen by the next poll's. */
	if (unlikely(!napi_state_caller_keeps(v) || READ_ONCE(n->poller) != t || t->polling || budget <= 0))
		return poll_otherwise(n, budget);

	poll_begins(n, t);
	work = n->poll(n, budget);
	if (unlikely(t->completion != POLL_GOES_ON || work != budget))
		return poll_not_full(n, work, budget);
	poll_ends(n, t, budget, budget);
	return sample_if_due(n, budget);
}

int unapi_napi_poll_end(struct napi_struct *n)
{
	if (!napi_polled_by_me(n) || unapi_in_poll())
		return unapi_fail(EPERM, "%s: this thread does not own it", n->name);
	napi_caller_release(n);
	return 0;
}

void napi_ask_mode(struct napi_struct *n, bool busy)
{
	probe_mode(n, busy);
	napi_state_ask_busy(&n->state, busy);
	/* It asked itself, and need not wait for its own next poll, which may never come. */
	if (!busy && napi_polled_by_me(n) && !unapi_in_poll())
		napi_caller_release(n);
}

int unapi_napi_set_mode(struct napi_struct *n, enum unapi_poll_mode mode)
{
	int rc = 0;

	if (!(napi_state_read(&n->state) & NAPIF_LISTED))
		return napi_not_added(n, "given a mode");
	if (mode != UNAPI_POLL_INTERRUPT && mode != UNAPI_POLL_BUSY)
		return unapi_fail(EINVAL, "%s: there is no poll mode %d", n->name, (int)mode);
	pthread_mutex_lock(&napi_control_lock);
	if (mode == UNAPI_POLL_BUSY && n->own) {
		rc = unapi_fail(EOPNOTSUPP,
				"%s: it is polled by a thread of its own; set threaded to 0 first", n->name);
	} else if (mode == UNAPI_POLL_BUSY && !n->ctx->poller) {
		rc = unapi_fail(EOPNOTSUPP,
				"%s: mode busy needs an application thread that polls, and none has declared "
				"itself for context %s (unapi_context_set_poller)",
				n->name, n->ctx->name);
	} else {
		napi_ask_mode(n, mode == UNAPI_POLL_BUSY);
		/* An application that sleeps on its context has to notice. The home stays while the lock is
		 * held. */
		unapi_context_wake(n->ctx);
	}
	pthread_mutex_unlock(&napi_control_lock);
	return rc;
}

enum unapi_poll_mode unapi_napi_mode(const struct napi_struct *n)
{
	return napi_state_read(&n->state) & NAPIF_CALLER ? UNAPI_POLL_BUSY : UNAPI_POLL_INTERRUPT;
}

enum unapi_poll_mode unapi_napi_mode_asked(const struct napi_struct *n)
{
	return napi_state_read(&n->state) & NAPIF_BUSY_ASKED ? UNAPI_POLL_BUSY : UNAPI_POLL_INTERRUPT;
}
