/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <unapi/mode.h>

#include "cores.h"
#include "lcore.h"
#include "stream.h"

/* A thread that polls looks at the clock once in so many passes; a pass takes microseconds. */
#define PASSES_A_LOOK 32

/* How long a wait busy polls one instance: a usual busy_poll_usecs. */
#define WAIT_NS	      64000

struct pass {
	unsigned int asleep; /* instances that this thread does not poll by itself */
	unsigned int found;  /* waits that found packets */
	unsigned int work;
};

static bool recording; /* relaxed: a poll more or less does not matter */

void lcore_record(bool on)
{
	__atomic_store_n(&recording, on, __ATOMIC_RELAXED);
}

bool lcore_records(void)
{
	return __atomic_load_n(&recording, __ATOMIC_RELAXED);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static int poll_recorded(struct lcore *lc, struct napi_struct *n, int budget)
{
	uint64_t begin = __builtin_ia32_rdtsc();
	int work = unapi_napi_poll(n, budget);

	if (work > 0) {
		__atomic_store_n(&lc->busy_cycles, lc->busy_cycles + __builtin_ia32_rdtsc() - begin,
				 __ATOMIC_RELAXED);
		__atomic_store_n(&lc->busy_packets, lc->busy_packets + (uint64_t)work, __ATOMIC_RELAXED);
	}
	return work;
}

/* As epoll_wait() with busy polling: an instance without packets is left to its timer and its interrupt,
 * which the thread then sleeps for. */
static void wait_for(struct lcore_napi *ln, struct pass *p)
{
	int work = ln->quiet ? 0 : unapi_mode_wait(ln->napi, WAIT_NS);

	ln->quiet = work <= 0;
	if (ln->quiet) {
		p->asleep++;
		return;
	}
	p->found++;
	p->work += work;
}

/* Poll what wants to be polled by us, and lose what was taken from us. */
static void poll_napis(struct lcore *lc, struct pass *p)
{
	struct lcore_set *set = lc->set;
	int budget = set->hold ? 0 : NAPI_POLL_WEIGHT;

	for (unsigned int i = 0; i < set->nr_napis; i++) {
		struct lcore_napi *ln = &set->napis[i];
		int work;

		if (!ln->owned && unapi_mode_wants_wait(ln->napi)) {
			wait_for(ln, p);
			continue;
		}
		if (!ln->owned) {
			/* What cannot be had now (a port being stopped) is tried again at the next wake-up.
			 */
			if (!unapi_napi_wants_poll(ln->napi) || unapi_napi_poll_begin(ln->napi)) {
				p->asleep++;
				continue;
			}
			ln->owned = true;
		}
		work = lcore_records() ? poll_recorded(lc, ln->napi, budget)
				       : unapi_napi_poll(ln->napi, budget);
		if (work < 0)
			ln->owned = false; /* handed over: the next pass sees why */
		else
			p->work += work;
	}
}

static void send(struct lcore_set *set, struct pass *p)
{
	for (unsigned int i = 0; i < set->nr_senders; i++)
		p->work += set->senders[i]->engine->send(set->senders[i]);
}

static bool owns_any(const struct lcore_set *set)
{
	for (unsigned int i = 0; i < set->nr_napis; i++) {
		if (set->napis[i].owned)
			return true;
	}
	return false;
}

/* An instance that stays in the set stays owned; one that leaves it is given back. */
static void carry_over(struct lcore_set *from, struct lcore_set *to)
{
	for (unsigned int i = 0; i < from->nr_napis; i++) {
		unsigned int j = 0;

		if (!from->napis[i].owned)
			continue;
		while (to && j < to->nr_napis && to->napis[j].napi != from->napis[i].napi)
			j++;
		if (to && j < to->nr_napis)
			to->napis[j].owned = true;
		else
			unapi_napi_poll_end(from->napis[i].napi);
	}
}

/* Replace the set with the one that was given. False: end. */
static bool take_set(struct lcore *lc)
{
	bool go_on;

	pthread_mutex_lock(&lc->lock);
	carry_over(lc->set, lc->next);
	free(lc->set);
	lc->set = lc->next;
	lc->next = NULL;
	lc->taken = lc->asked;
	go_on = !lc->quit;
	pthread_cond_broadcast(&lc->cond);
	while (go_on && lc->set->paused && lc->taken == lc->asked)
		pthread_cond_wait(&lc->cond, &lc->lock);
	pthread_mutex_unlock(&lc->lock);
	return go_on;
}

static void run_context(struct lcore *lc, int64_t timeout)
{
	int rc = unapi_context_run(lc->ctx, timeout);

	for (unsigned int i = 0; rc > 0 && i < lc->set->nr_napis; i++)
		lc->set->napis[i].quiet = false;
	if (rc >= 0 || rc == -EINTR)
		return;
	if (!lc->failed)
		fprintf(stderr, "%s: context: %s\n", lc->name, unapi_reason());
	lc->failed = true;
	/* A context that cannot be run must not become a spinning thread. */
	nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void *lcore_main(void *arg)
{
	struct lcore *lc = arg;
	unsigned int seen = 0, passes = 0;
	uint64_t last_run = 0;
	int rc;

	if (lc->pinned) {
		rc = cores_pin_self(lc->core);
		if (rc)
			fprintf(stderr, "%s: cannot be pinned to core %u: %s\n", lc->name, lc->core,
				strerror(-rc));
	}
	for (;;) {
		struct pass pass = {0};
		unsigned int asked = __atomic_load_n(&lc->asked, __ATOMIC_ACQUIRE);

		if (asked != seen) {
			seen = asked;
			if (!take_set(lc))
				break;
			continue; /* a pause ends with another set */
		}
		poll_napis(lc, &pass);
		send(lc->set, &pass);
		if (!owns_any(lc->set) && !lc->set->nr_senders && !pass.found) {
			/*
			 * Nothing to poll: sleep in the context. Whoever asks for something (a set, a mode)
			 * wakes it, and a wake-up that comes before the run makes the run return, so none is
			 * lost.
			 */
			run_context(lc, -1);
			continue;
		}
		if (!pass.work)
			__builtin_ia32_pause();
		/* Instances that wait for interrupts get them as promptly as polling lets us. */
		if (pass.asleep) {
			run_context(lc, 0);
		} else if (++passes % PASSES_A_LOOK == 0) {
			uint64_t now = now_ns();

			if (now - last_run >= LCORE_CONTEXT_INTERVAL_NS) {
				run_context(lc, 0);
				last_run = now;
			}
		}
	}
	return NULL;
}

int lcore_start(struct lcore *lc, unsigned int core, bool pin)
{
	struct unapi_context_conf conf = {.name = lc->name};
	int rc;

	memset(lc, 0, sizeof(*lc));
	lc->core = core;
	lc->pinned = pin;
	snprintf(lc->name, sizeof(lc->name), "lcore/%u", core);
	rc = unapi_context_create(&conf, &lc->ctx);
	if (rc)
		return rc;
	rc = unapi_context_set_poller(lc->ctx, true);
	if (!rc)
		rc = unapi_context_set_event_poller(lc->ctx, true);
	lc->set = calloc(1, sizeof(*lc->set));
	if (!rc && !lc->set)
		rc = -ENOMEM;
	if (!rc) {
		pthread_mutex_init(&lc->lock, NULL);
		pthread_cond_init(&lc->cond, NULL);
		rc = -pthread_create(&lc->thread, NULL, lcore_main, lc);
	}
	if (rc) {
		free(lc->set);
		unapi_context_destroy(lc->ctx);
		lc->ctx = NULL;
		return rc;
	}
	pthread_setname_np(lc->thread, lc->name);
	return 0;
}

static void give(struct lcore *lc, struct lcore_set *set, bool quit)
{
	pthread_mutex_lock(&lc->lock);
	lc->next = set;
	lc->quit = quit;
	__atomic_store_n(&lc->asked, lc->asked + 1, __ATOMIC_RELEASE);
	unapi_context_wake(lc->ctx);
	pthread_cond_broadcast(&lc->cond);
	while (lc->taken != lc->asked)
		pthread_cond_wait(&lc->cond, &lc->lock);
	pthread_mutex_unlock(&lc->lock);
}

void lcore_give(struct lcore *lc, struct lcore_set *set)
{
	give(lc, set, false);
}

void lcore_kick(struct lcore *lc)
{
	unapi_context_wake(lc->ctx);
}

uint64_t lcore_cpu_ns(const struct lcore *lc)
{
	struct timespec ts;
	clockid_t clock;

	if (pthread_getcpuclockid(lc->thread, &clock) || clock_gettime(clock, &ts))
		return 0;
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

void lcore_stop(struct lcore *lc)
{
	if (!lc->ctx)
		return;
	give(lc, NULL, true);
	pthread_join(lc->thread, NULL);
	unapi_context_destroy(lc->ctx);
	lc->ctx = NULL;
	pthread_mutex_destroy(&lc->lock);
	pthread_cond_destroy(&lc->cond);
}
