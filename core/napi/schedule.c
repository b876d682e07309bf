/* SPDX-License-Identifier: BSD-3-Clause */
/* Asking for a poll, and completing one: what runs for every interrupt. */
#include "core/napi/internal.h"

__thread struct napi_thread napi_thread_local = {
	.tid = -1,
	.cause = UNAPI_CAUSE_APP,
};

bool unapi_in_poll(void)
{
	return napi_this_thread.polling;
}

struct napi_struct *unapi_this_napi(void)
{
	return napi_this_thread.polling;
}

/*
 * Queue an owned instance on its home context. The context cannot change: it does so only under ownership.
 * runner equals this thread only if this thread stored it, so a relaxed load is enough to know that the list
 * is ours; every other thread goes through the inbox.
 */
void napi_queue(struct napi_struct *n)
{
	struct unapi_context *c = n->ctx;

	if (likely((READ_ONCE(c->runner) & ~CONTEXT_BORROWED) == (uintptr_t)&napi_this_thread))
		list_add_tail(&n->poll_list, &c->poll_list);
	else if (inbox_push(&c->inbox, n))
		context_wake_fd(c);
}

static inline void queue_for(struct napi_struct *n, uint8_t cause)
{
	n->cause = cause;
	ledger_add(&n->stats.schedules, 1);
	probe_schedule(n);
	napi_queue(n);
}

bool napi_schedule_prep(struct napi_struct *n)
{
	return napi_state_prep(&n->state);
}

void __napi_schedule(struct napi_struct *n)
{
	queue_for(n, napi_this_thread.cause);
}

/* "Interrupts off" is the rule here: a context's run is never interrupted by its own handlers. */
void __napi_schedule_irqoff(struct napi_struct *n)
{
	queue_for(n, napi_this_thread.cause);
}

bool unapi_napi_schedule_cause(struct napi_struct *n, enum unapi_poll_cause cause)
{
	if (!napi_state_prep(&n->state))
		return false;
	queue_for(n, (uint8_t)cause);
	return true;
}

bool napi_if_scheduled_mark_missed(struct napi_struct *n)
{
	return napi_state_mark_missed(&n->state);
}

/* Somebody asked meanwhile: ownership was kept, poll once more, behind everything queued. */
static bool __attribute__((noinline, cold)) complete_missed(struct napi_struct *n, bool unmask)
{
	ledger_add(&n->stats.missed, 1);
	if (!unmask)
		ledger_add(&n->missed_deferred, 1);
	napi_queue(n);
	return false;
}

/* Completion where something is held, or the interrupt may be deferred. */
static bool __attribute__((noinline))
complete_held(struct napi_thread *t, struct napi_struct *n, int work_done)
{
	uint64_t timeout = 0;
	bool unmask = true;

	if (work_done) {
		if (n->gro && n->gro->held(n))
			timeout = READ_ONCE(n->gro_flush_timeout);
		n->defer_hard_irqs_count = (int)READ_ONCE(n->defer_hard_irqs);
	}
	if (n->defer_hard_irqs_count > 0) {
		n->defer_hard_irqs_count--;
		timeout = READ_ONCE(n->gro_flush_timeout);
		unmask = !timeout;
	}
	napi_gro_flush(t, n, !timeout);
	/* Everything that needs ownership comes before the exchange. */
	ledger_cycles(t, n);
	ledger_add(unmask ? &n->stats.completions : &n->stats.deferred, 1);
	if (unlikely(napi_state_complete(&n->state) & NAPIF_MISSED))
		return complete_missed(n, unmask);
	/* Not before: an expiry that finds SCHED does nothing, and none would follow. The instance may be
	 * somebody else's by now, which at most moves its timer; it and its home stay while this thread is
	 * inside its poll or holds it. */
	if (timeout)
		timer_start(&n->timer, timeout);
	probe_complete(n, unmask);
	return unmask;
}

bool napi_complete_owned(struct napi_thread *t, struct napi_struct *n, int work_done)
{
	int count = work_done ? (int)READ_ONCE(n->defer_hard_irqs) : n->defer_hard_irqs_count;

	/* the same as below, for the usual case that there is nothing to defer or to flush */
	if (unlikely(count || n->gro))
		return complete_held(t, n, work_done);
	n->defer_hard_irqs_count = 0;
	ledger_cycles(t, n);
	ledger_add(&n->stats.completions, 1);
	if (unlikely(napi_state_complete(&n->state) & NAPIF_MISSED))
		return complete_missed(n, true);
	probe_complete(n, 1);
	return true;
}

void napi_watchdog(struct unapi_timer *t)
{
	struct napi_struct *n = container_of(t, struct napi_struct, timer);

	if (napi_state_watchdog(&n->state))
		queue_for(n, t->ctx->timer_was_due == READ_ONCE(n->suspended_until) ? UNAPI_CAUSE_WATCHDOG
										    : UNAPI_CAUSE_REPOLL);
}

static bool __attribute__((noinline, cold)) complete_refused(struct napi_struct *n)
{
	napi_violation(n,
		       napi_this_thread.polling == n ? "completed twice" : "was completed outside its poll");
	return false;
}

static bool __attribute__((noinline)) complete_busy(struct napi_thread *t, struct napi_struct *n)
{
	if (t->polling != n || t->completion)
		return complete_refused(n);
	t->completion = POLL_COMPLETED_BUSY;
	return false;
}

bool napi_complete_done(struct napi_struct *n, int work_done)
{
	struct napi_thread *t = &napi_this_thread;

	if (unlikely(!napi_state_completes(&n->state)))
		return complete_busy(t, n);
	if (unlikely(t->polling != n || t->completion))
		return complete_refused(n);
	ledger_work(n, work_done, t->budget);
	t->completion = POLL_COMPLETED;
	return napi_complete_owned(t, n, work_done);
}
