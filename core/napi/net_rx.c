/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One run over a context's poll list: net_rx_action() of net/core/dev.c, with its order and its limits.
 *
 * The kernel's in_net_rx_action, by which an instance queued during the run does not raise the softirq again,
 * is here the rule that whoever runs a context looks at list and inbox before it lets go (context_leave()).
 */
#include "core/napi/internal.h"

/* Put what other threads queued behind what is on the list. */
void context_collect(struct unapi_context *c)
{
	struct napi_struct *n, *next;

	if (likely(inbox_empty(&c->inbox)))
		return;
	for (n = inbox_take(&c->inbox); n; n = next) {
		next = n->inbox_next;
		list_add_tail(&n->poll_list, &c->poll_list);
		ledger_add(&c->stats.inbox, 1);
	}
}

/* The instance is still ours after its poll: it used the whole budget, or broke its contract. */
static void poll_again(struct napi_thread *t, struct napi_struct *n, int work, struct list_head *repoll)
{
	unsigned long v = napi_state_read(&n->state);

	if (unlikely(!list_empty(&n->poll_list))) { /* __napi_schedule() without napi_schedule_prep() */
		napi_violation(n, "queued it although it goes on");
		return;
	}
	if (unlikely(v & NAPIF_IN_BUSY_POLL)) { /* its thread busy polls: threaded.c */
		napi_gro_flush(t, n, false);
		list_add_tail(&n->poll_list, repoll);
		return;
	}
	if (unlikely(v & NAPIF_DISABLE)) {
		/* Hand over to napi_disable(), or poll the last MISSED; the interrupt stays masked. */
		napi_complete_owned(t, n, 0);
		return;
	}
	if (unlikely(v & NAPIF_PREFER_BUSY_POLL)) {
		enum unapi_poll_cause cause = n->cause;

		/* Let go, for the busy poller to take it. If no timer polls it should that one be gone, it
		 * is asked for again. */
		if (napi_complete_owned(t, n, work))
			unapi_napi_schedule_cause(n, cause);
		return;
	}
	napi_gro_flush(t, n, false);
	ledger_cycles(t, n);
	list_add_tail(&n->poll_list, repoll);
}

/* It did not complete, or should not have. */
static int __attribute__((noinline))
poll_not_done(struct napi_thread *t, struct napi_struct *n, int work, int weight, struct list_head *repoll)
{
	work = napi_poll_result(t, n, work, weight);
	if (t->completion != POLL_COMPLETED) {
		ledger_work(n, work, weight);
		poll_again(t, n, work, repoll);
	}
	return work;
}

int napi_poll_queued(struct napi_thread *t, struct napi_struct *n, struct list_head *repoll)
{
	int weight = n->weight, work;

	list_del_init(&n->poll_list);
	ledger_poll(n);
	t->polling = n;
	t->completion = POLL_GOES_ON;
	t->budget = weight;
	work = n->poll(n, weight);
	probe_napi_poll(n, work, weight);
	/* If it completed it may belong to somebody else by now, and no list may be touched. It still exists:
	 * to disable or move it takes a call on this thread. */
	if (unlikely(t->completion != POLL_COMPLETED || (unsigned int)work >= (unsigned int)weight))
		work = poll_not_done(t, n, work, weight, repoll);
	t->polling = NULL;
	if (work)
		napi_moved(n);
	return work;
}

int net_rx_action(struct unapi_context *c)
{
	struct napi_thread *t = &napi_this_thread;
	int64_t budget = c->netdev_budget;
	struct list_head repoll, *last = NULL;
	uint64_t start;
	unsigned int work = 0;

	INIT_LIST_HEAD(&repoll);
	probe_softirq_entry(c);
	ledger_add(&c->stats.runs, 1);
	start = t->tsc = unapi_cycles();
	for (;;) {
		struct list_head *first;
		int did;

		/* A pass goes up to what was the list's end as it began; what is queued meanwhile goes behind
		 * that, and is not polled before those that want more when there are any. */
		if (!last) {
			if (!list_empty(&repoll))
				break;
			context_collect(c);
			if (list_empty(&c->poll_list))
				goto out;
			last = c->poll_list.prev;
		}
		first = c->poll_list.next;
		if (first == last)
			last = NULL;
		did = napi_poll_queued(t, list_entry(first, struct napi_struct, poll_list), &repoll);
		work += (unsigned int)did;
		budget -= did;
		if (unlikely(budget <= 0 || t->tsc - start >= c->limit_cycles)) {
			ledger_add(&c->stats.time_squeeze, 1);
			break;
		}
	}
	/* The rest first, then what was queued meanwhile, then those that want more. */
	context_collect(c);
	list_splice_tail_init(&repoll, &c->poll_list);
out:
	if (work) {
		ledger_add(&c->stats.processed, work);
		c->since_look += work;
	}
	probe_softirq_exit(c, work);
	return (int)work;
}
