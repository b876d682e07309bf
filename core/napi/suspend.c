/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IRQ suspension (net/core/dev.c napi_suspend_irqs(), napi_resume_irqs()).
 *
 * To suspend is to start the instance's one timer anew, for longer: no bit, no mask. The interrupt stays away
 * because the deferral, whose timer it was, had left it masked. So whatever else starts the timer ends the
 * suspension, and when the timer expires it is the watchdog that goes on, as always. What is remembered is
 * when a suspension would end, by which the watchdog knows whose expiry it has.
 */
#include "core/napi/internal.h"

/* The instance with this id, held; NULL: none, or it is about to be disabled or moved, which schedules it or
 * takes its timer away anyhow. */
static struct napi_struct *hold(unsigned int napi_id)
{
	struct napi_struct *n = NULL;

	if (napi_hold(napi_id, &n))
		return NULL;
	return n;
}

void napi_suspend_irqs(unsigned int napi_id)
{
	struct napi_struct *n = hold(napi_id);
	uint64_t timeout;

	if (!n)
		return;
	timeout = READ_ONCE(n->irq_suspend_timeout);
	if (timeout) {
		uint64_t expires = timer_expiry(timeout);

		/* before the start: the expiry that follows from it sees this, or a later suspension's */
		WRITE_ONCE(n->suspended_until, expires);
		/* by any thread, unlike the rest of the ledger */
		__atomic_fetch_add(&n->stats.suspends, 1, __ATOMIC_RELAXED);
		timer_start_at(&n->timer, expires);
	}
	napi_let_go(n);
}

/* Poll what is queued in its context, unless another thread does, or this one will when it gets back there.
 */
static void poll_here(struct unapi_context *c)
{
	int rc;

	if (unapi_in_poll())
		return;
	rc = context_enter(c, true);
	if (rc)
		return;
	context_collect(c);
	if (!list_empty(&c->poll_list))
		context_poll(c);
	context_leave(c); /* what is left over makes the context's descriptor readable */
}

void napi_resume_irqs(unsigned int napi_id)
{
	struct napi_struct *n = hold(napi_id);

	if (!n)
		return;
	if (READ_ONCE(n->irq_suspend_timeout)) {
		napi_schedule(n);
		poll_here(n->ctx); /* which stays its context while it is held */
	}
	napi_let_go(n);
}
