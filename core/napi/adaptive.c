/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mode adaptive: interrupts or busy polling, as load demands (doc/modes.md has the policy).
 *
 * While it is on, the instance's poll method is ours, which calls the real one and looks at what that took;
 * so it costs nobody anything who has not asked for it, and nothing at all while no packets come: without
 * polls nobody looks, and there is nothing to decide. The decision is the owner's, at the begin of a poll,
 * and is no more than a request: for an application thread that polls, or to the instance's own thread. What
 * is left is done where such requests are always answered.
 *
 * A poll that completes may be still inside our method when the next owner is, so what is added up after the
 * real method is relaxed: an addition that is lost does not matter.
 */
#include "core/napi/internal.h"
#include <unapi/mode.h>

#include <errno.h>
#include <stdlib.h>

/* Load is what polls that found packets took, and this much for each time that they came to somebody who did
 * not have any: a wake-up, or what would have been one. */
#define WAKE_NS	     15000ULL
#define WINDOW_NS    (10 * NSEC_PER_MSEC)
#define HIGH	     12 /* percent of a window, in HIGH_WINDOWS in a row: poll all the time */
#define HIGH_WINDOWS 2
#define LOW	     3 /* less than that, in LOW_WINDOWS in a row: by interrupts again */
#define LOW_WINDOWS  20

struct napi_adaptive {
	napi_poll_fn poll;     /* the real one */
	bool app;	       /* an application thread polls; otherwise its own does */
	uint64_t window, wake; /* cycles */
	/* Relaxed; of the owner, but for what is told above. */
	uint64_t begin;	    /* of this window */
	uint64_t took;	    /* in it, wake-ups included */
	uint64_t schedules; /* the ledger's, at the last poll */
	bool found;	    /* the last poll found packets */
	unsigned int high, low;
	uint64_t changes;
};

static bool is_busy(const struct napi_struct *n, const struct napi_adaptive *a)
{
	if (a->app)
		return napi_state_read(&n->state) & NAPIF_BUSY_ASKED;
	return napi_state_read(&n->state) & NAPIF_THREADED_BUSY_POLL;
}

/* By the owner, from a poll. Somebody may have taken away meanwhile what this needs. */
static void choose(struct napi_struct *n, struct napi_adaptive *a, bool busy)
{
	bool done = false;

	pthread_mutex_lock(&napi_control_lock);
	if (a->app) {
		done = n->ctx->poller || !busy;
		if (done) {
			napi_ask_mode(n, busy);
			unapi_context_wake(n->ctx);
		}
	} else if (n->own && READ_ONCE(n->threaded) != NETDEV_NAPI_THREADED_DISABLED) {
		WRITE_ONCE(n->threaded, busy ? NETDEV_NAPI_THREADED_BUSY_POLL : NETDEV_NAPI_THREADED_ENABLED);
		napi_state_set_threaded(&n->state, true, busy);
		done = true;
	}
	pthread_mutex_unlock(&napi_control_lock);
	if (done)
		WRITE_ONCE(a->changes, a->changes + 1);
}

/* A window is over, which lasted for @lasted. One that lasted much too long had a time without polls in it:
 * that is low load, but of how many windows is not asked. */
static void judge(struct napi_struct *n, struct napi_adaptive *a, uint64_t lasted)
{
	uint64_t took = READ_ONCE(a->took) * 100;
	bool busy = is_busy(n, a);

	a->high = took >= lasted * HIGH ? a->high + 1 : 0;
	a->low = took < lasted * LOW ? a->low + 1 : 0;
	WRITE_ONCE(a->took, 0);
	if (!busy && a->high >= HIGH_WINDOWS)
		choose(n, a, true);
	else if (busy && a->low >= LOW_WINDOWS)
		choose(n, a, false);
	else
		return;
	a->high = a->low = 0;
}

static int adaptive_poll(struct napi_struct *n, int budget)
{
	struct napi_adaptive *a = n->adaptive;
	uint64_t begin = unapi_cycles(), schedules = n->stats.schedules;
	bool woken = schedules != a->schedules || !READ_ONCE(a->found);
	int work;

	a->schedules = schedules;
	if (begin - a->begin >= a->window) {
		judge(n, a, begin - a->begin);
		a->begin = begin;
	}
	/* before it completes: what follows is not the owner's */
	WRITE_ONCE(a->found, true);
	work = a->poll(n, budget);
	if (work <= 0)
		WRITE_ONCE(a->found, false);
	else
		WRITE_ONCE(a->took, READ_ONCE(a->took) + unapi_cycles() - begin + (woken ? a->wake : 0));
	return work;
}

static void install(struct napi_struct *n, void *arg)
{
	struct napi_adaptive *a = arg;

	a->poll = n->poll;
	a->begin = unapi_cycles();
	a->schedules = n->stats.schedules;
	n->adaptive = a;
	n->poll = adaptive_poll;
}

static void remove_it(struct napi_struct *n, void *arg)
{
	n->poll = n->adaptive->poll;
}

int napi_adaptive_start(struct napi_struct *n, bool app)
{
	struct napi_adaptive *a = calloc(1, sizeof(*a));
	int rc;

	if (!a)
		return unapi_fail(ENOMEM, "%s: no memory for mode adaptive", n->name);
	a->app = app;
	a->window = unapi_ns_to_cycles(WINDOW_NS);
	a->wake = unapi_ns_to_cycles(WAKE_NS);
	rc = unapi_napi_pause(n, install, a, NAPI_CONTROL_TIMEOUT_NS);
	if (rc && n->adaptive != a)
		free(a);
	return rc;
}

void napi_adaptive_free(struct napi_struct *n)
{
	free(n->adaptive);
	n->adaptive = NULL;
}

int napi_adaptive_stop(struct napi_struct *n)
{
	struct napi_adaptive *a = n->adaptive;
	int rc;

	if (!a)
		return 0;
	rc = unapi_napi_pause(n, remove_it, NULL, NAPI_CONTROL_TIMEOUT_NS);
	if (rc && n->poll == adaptive_poll)
		return rc;
	pthread_mutex_lock(&napi_control_lock); /* napi_adaptive_changes() */
	n->adaptive = NULL;
	pthread_mutex_unlock(&napi_control_lock);
	free(a);
	return 0;
}

uint64_t napi_adaptive_changes(const struct napi_struct *n)
{
	return n->adaptive ? READ_ONCE(n->adaptive->changes) : 0;
}
