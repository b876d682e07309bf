/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The poll ledger: every poll, its packets and its time, charged to what caused it.
 *
 * All of it is written by the owner alone, so a count is a plain load and store, never a locked addition;
 * they are relaxed atomics only because anyone may read. What belongs to a poll that completes is therefore
 * written before completion gives ownership up.
 */
#ifndef UNAPI_CORE_NAPI_LEDGER_H
#define UNAPI_CORE_NAPI_LEDGER_H

#include "core/base/clock.h"
#include "core/base/compiler.h"
#include "core/napi/thread.h"
#include <unapi/napi.h>

/* A caller-polling application is sampled once in so many polls. */
#define LEDGER_SAMPLE 1024

static inline void ledger_add(uint64_t *counter, uint64_t by)
{
	counter_add(counter, by);
}

static inline void ledger_poll(struct napi_struct *n)
{
	ledger_add(&n->stats.polls_by[n->cause], 1);
}

static inline void ledger_work(struct napi_struct *n, int work, int budget)
{
	if (work <= 0) {
		ledger_add(&n->stats.empty_polls, 1);
		return;
	}
	if (work >= budget) {
		work = budget; /* also if a poll method says more at its completion */
		ledger_add(&n->stats.full_polls, 1);
	}
	ledger_add(&n->stats.work, (uint64_t)work);
}

/* Charge the time since the last reading to @n. One TSC reading a poll: the end of one is the begin of the
 * next. */
static inline void ledger_cycles(struct napi_thread *t, struct napi_struct *n)
{
	uint64_t now = unapi_cycles();

	ledger_add(&n->stats.cycles_by[n->cause], now - t->tsc);
	t->tsc = now;
}

#endif
