/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/bench/trains.h"
#include "core/base/clock.h"
#include "core/base/compiler.h"
#include "core/base/reason.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TOUCHED 4096u /* entries whose memory is there before a poll writes to it */

static struct watch seen;
static napi_poll_fn real_poll;
static napi_irq_fn real_irq;
static void (*real_expiry)(struct unapi_timer *t);

/* All three run on the thread that polls the instance, so there is one writer. Release: the reader that sees
 * the count sees the entry. What is above the room is counted, and refused by who reads. */
static void count(unsigned int *n)
{
	__atomic_store_n(n, READ_ONCE(*n) + 1, __ATOMIC_RELEASE);
}

static int poll_watched(struct napi_struct *n, int budget)
{
	unsigned int at = READ_ONCE(seen.nr_polls);
	uint64_t begin = unapi_clock_ns();
	int work = real_poll(n, budget);

	if (at < TRAINS_MAX_POLLS)
		seen.polls[at] = (struct watched_poll){begin, unapi_clock_ns(), work};
	count(&seen.nr_polls);
	return work;
}

static void irq_watched(struct napi_struct *n)
{
	unsigned int at = READ_ONCE(seen.nr_irqs);

	if (at < TRAINS_MAX_POLLS)
		seen.irqs[at] = unapi_clock_ns();
	count(&seen.nr_irqs);
	real_irq(n);
}

/* It is out of the heap, so nobody changes @expires. */
static void expiry_watched(struct unapi_timer *t)
{
	unsigned int at = READ_ONCE(seen.nr_expiries);

	if (at < TRAINS_MAX_POLLS)
		seen.expiries[at] = (struct watched_expiry){t->expires, unapi_clock_ns()};
	count(&seen.nr_expiries);
	real_expiry(t);
}

int watch_install(struct napi_struct *n)
{
	seen.polls = calloc(TRAINS_MAX_POLLS, sizeof(*seen.polls));
	seen.expiries = calloc(TRAINS_MAX_POLLS, sizeof(*seen.expiries));
	seen.irqs = calloc(TRAINS_MAX_POLLS, sizeof(*seen.irqs));
	if (!seen.polls || !seen.expiries || !seen.irqs)
		return unapi_fail(ENOMEM, "no memory for what is seen");
	memset(seen.polls, 1, TOUCHED * sizeof(*seen.polls));
	memset(seen.expiries, 1, TOUCHED * sizeof(*seen.expiries));
	memset(seen.irqs, 1, TOUCHED * sizeof(*seen.irqs));
	real_poll = n->poll;
	real_irq = n->irq_fn;
	real_expiry = n->timer.fn;
	n->poll = poll_watched;
	n->irq_fn = irq_watched;
	n->timer.fn = expiry_watched;
	return 0;
}

void watch_clear(void)
{
	WRITE_ONCE(seen.nr_polls, 0);
	WRITE_ONCE(seen.nr_expiries, 0);
	WRITE_ONCE(seen.nr_irqs, 0);
}

unsigned int watch_polls(void)
{
	return __atomic_load_n(&seen.nr_polls, __ATOMIC_ACQUIRE);
}

const struct watch *watch_get(void)
{
	return &seen;
}

uint64_t watch_work(void)
{
	unsigned int n = watch_polls();
	uint64_t work = 0;

	for (unsigned int i = 0; i < n && i < TRAINS_MAX_POLLS; i++)
		work += (uint64_t)seen.polls[i].work;
	return work;
}

/* ---- what was late; when everything is quiet */

static void worst(uint64_t *of, uint64_t since, uint64_t until)
{
	if (until > since && until - since > *of)
		*of = until - since;
}

/*
 * When the interrupt was raised that a handler at @t answers: a delivery raises it if it is unmasked; if not,
 * it is raised when the poll unmasks it, whose end was at @unmasked. Deliveries up to the handler before it,
 * at @last, are not its business. (A handler may run before the model has looked at its clock again: hence
 * the instant intended.)
 */
static uint64_t raised(const struct delivery *d, unsigned int n, uint64_t last, uint64_t unmasked, uint64_t t)
{
	for (unsigned int i = 0; i < n; i++)
		if (d[i].due > last && d[i].due <= t)
			return d[i].done > unmasked ? d[i].done : unmasked;
	return unmasked ? unmasked : t;
}

static uint64_t irqs_late(const struct delivery *d, unsigned int n)
{
	uint64_t late = 0, last = 0, unmasked = 0;
	unsigned int p = 0;

	for (unsigned int i = 0; i < seen.nr_irqs; i++) {
		uint64_t t = seen.irqs[i], since;

		for (; p < seen.nr_polls && seen.polls[p].end <= t; p++)
			unmasked = seen.polls[p].end;
		since = raised(d, n, last, unmasked, t);
		/* What is unmasked after the last delivery finds all there is, whenever that is. */
		if (since <= d[n - 1].done)
			worst(&late, since, t);
		last = t;
	}
	return late;
}

/* A poll follows a handler, an expiry, or the poll before it. */
static uint64_t polls_late(void)
{
	unsigned int irq = 0, expiry = 0;
	uint64_t late = 0, asked = 0;

	for (unsigned int i = 0; i < seen.nr_polls; i++) {
		const struct watched_poll *p = &seen.polls[i];

		for (; irq < seen.nr_irqs && seen.irqs[irq] <= p->begin; irq++)
			asked = seen.irqs[irq] > asked ? seen.irqs[irq] : asked;
		for (; expiry < seen.nr_expiries && seen.expiries[expiry].done <= p->begin; expiry++)
			asked = seen.expiries[expiry].done > asked ? seen.expiries[expiry].done : asked;
		worst(&late, asked ? asked : p->begin, p->end);
		asked = p->end;
	}
	return late;
}

struct lateness watch_lateness(const struct delivery *d, unsigned int n)
{
	struct lateness l = {0};
	uint64_t polls = polls_late();

	for (unsigned int i = 0; i < n; i++)
		worst(&l.delivery, d[i].due, d[i].done);
	for (unsigned int i = 0; i < seen.nr_expiries; i++)
		worst(&l.expiry, seen.expiries[i].due, seen.expiries[i].done);
	l.answer = irqs_late(d, n);
	l.answer = polls > l.answer ? polls : l.answer;
	return l;
}
