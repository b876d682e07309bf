/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The contract of a poll method: what breaks it is counted, told once an instance, and survived.
 *
 * It returns 0..budget. Either it used the whole budget and did not complete, or it completed, once, and
 * returns less. A budget of 0 asks for transmit completions only: no packets, no completion. The same holds
 * while it is busy polled, where a completion changes nothing.
 */
#include "core/napi/internal.h"

/* Counted by whoever notices, which need not be the owner any more: hence atomic, in what never happens. */
void napi_violation(struct napi_struct *n, const char *what)
{
	__atomic_fetch_add(&n->stats.violations, 1, __ATOMIC_RELAXED);
	if (!__atomic_exchange_n(&n->reported, 1, __ATOMIC_RELAXED))
		unapi_log(UNAPI_LOG_ERR,
			  "%s: its poll method %s; this is a driver bug, survived and reported once", n->name,
			  what);
}

int napi_contract_broken(const struct napi_thread *t, struct napi_struct *n, int work, int budget)
{
	bool completed = t->completion != POLL_GOES_ON;

	if (work < 0) {
		napi_violation(n, "returned a negative count");
		return 0;
	}
	if (work > budget) {
		napi_violation(n, "returned more than its budget");
		work = budget;
	}
	if (!completed && work < budget)
		napi_violation(n, "returned less than its budget without completing");
	else if (completed && !budget)
		napi_violation(n, "completed in a poll with a budget of 0");
	else if (completed && work == budget)
		napi_violation(n, "completed after using its whole budget");
	return work;
}
