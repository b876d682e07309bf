/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the scheduler itself costs, without a device.
 *
 *	napi_cost WHAT [ROUNDS [INSTANCES]]
 *
 *	floor	a compare-and-swap to take a word, an indirect call, a compare-and-swap to give it back
 *	round	napi_schedule(), the context's run over its list, the poll method, napi_complete_done()
 *	many	the same for INSTANCES instances scheduled together, a run of all
 *	idle	the same as round, beside INSTANCES instances that are enabled and do nothing
 *	defer	a round that leaves the interrupt deferred (starts the timer), and the timer's own round
 *	timer	start and cancel one timer that is the earliest, beside INSTANCES that are pending
 *	timers	start anew one of INSTANCES that are pending, to anywhere among them; and let one expire
 *
 * prints rounds and TSC cycles a round. Instructions: run under
 *	valgrind --tool=callgrind --toggle-collect=measured --callgrind-out-file=/dev/null ...
 * whose "Collected" figure is divided by the rounds.
 */
#include "core/napi/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

struct bench {
	struct unapi_context *c;
	struct napi_struct *n;
	unsigned int instances;
	unsigned long word;
	int (*method)(unsigned long *word);
};

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, unapi_reason());
	exit(1);
}

static int poll_nothing(struct napi_struct *n, int budget)
{
	napi_complete_done(n, 1);
	return 1;
}

static int release(unsigned long *word)
{
	unsigned long one = 1;

	return __atomic_compare_exchange_n(word, &one, 0, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

static void floor_round(struct bench *b)
{
	unsigned long zero = 0;

	if (__atomic_compare_exchange_n(&b->word, &zero, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		b->method(&b->word);
}

static void one_round(struct bench *b)
{
	napi_schedule_irqoff(b->n);
	net_rx_action(b->c);
}

static void many_round(struct bench *b)
{
	unsigned int i;

	for (i = 0; i < b->instances; i++)
		napi_schedule_irqoff(&b->n[i]);
	net_rx_action(b->c);
}

static uint64_t virtual_now = NSEC_PER_SEC;

static void defer_round(struct bench *b)
{
	napi_schedule_irqoff(b->n);
	net_rx_action(b->c);
	virtual_now += 1000;
	timers_run(b->c);
	net_rx_action(b->c);
}

static void timer_round(struct bench *b)
{
	timer_start(&b->n[0].timer, 500);
	timer_cancel(&b->n[0].timer);
}

static void no_poll(struct unapi_timer *t) {}

static void timers_round(struct bench *b)
{
	static uint32_t x = 1;
	struct unapi_timer *t;

	x = x * 1664525 + 1013904223; /* Numerical Recipes' generator: the order matters, not its quality */
	t = &b->n[x / 65536 % b->instances + 1].timer;
	timer_start(t, 1000 + x % 1000000);
	/* let the earliest expire, whose time comes again in turn */
	t = b->c->timers;
	virtual_now = t->expires;
	timers_run(b->c);
	timer_start(t, 1001000);
}

static __attribute__((noinline)) void measured(struct bench *b, void (*round)(struct bench *b),
					       unsigned long rounds)
{
	while (rounds--)
		round(b);
}

static const struct {
	const char *name;
	void (*round)(struct bench *b);
} kinds[] = {
	{"floor", floor_round}, {"round", one_round},	{"many", many_round},	  {"idle", one_round},
	{"defer", defer_round}, {"timer", timer_round}, {"timers", timers_round},
};

static void make(struct bench *b, const char *what)
{
	struct unapi_context_conf conf = {.netdev_budget = 1 << 20, .netdev_budget_usecs = 1 << 30};
	unsigned int i;

	b->method = release;
	b->n = calloc(b->instances + 1, sizeof(*b->n));
	if (!b->n || unapi_context_create(&conf, &b->c) || context_enter(b->c, false))
		fail("context");
	if (!strcmp(what, "defer") || !strncmp(what, "timer", 5))
		unapi_clock_set_virtual(&virtual_now);
	for (i = 0; i <= b->instances; i++) {
		if (unapi_napi_add(&b->n[i], b->c, "bench", poll_nothing, NAPI_POLL_WEIGHT) ||
		    napi_enable(&b->n[i]))
			fail("instance");
		if (!strcmp(what, "defer")) {
			unapi_napi_set_defer_hard_irqs(&b->n[i], 1);
			unapi_napi_set_gro_flush_timeout(&b->n[i], 1000);
		} else if (!strncmp(what, "timer", 5) && i) {
			b->n[i].timer.fn = no_poll;
			timer_start(&b->n[i].timer, 1000 + i);
		}
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 0) : 1000000;
	struct bench b = {.instances = argc > 3 ? (unsigned int)strtoul(argv[3], NULL, 0) : 1};
	uint64_t t;
	unsigned int k;

	for (k = 0; k < ARRAY_SIZE(kinds) && strcmp(kinds[k].name, what); k++)
		;
	if (k == ARRAY_SIZE(kinds) || !rounds || !b.instances || b.instances > 1U << 16) {
		fprintf(stderr,
			"usage: napi_cost floor|round|many|idle|defer|timer|timers [ROUNDS [INSTANCES]]\n");
		return 2;
	}
	make(&b, what);
	_mm_lfence();
	t = __rdtsc();
	measured(&b, kinds[k].round, rounds);
	_mm_lfence();
	t = __rdtsc() - t;
	printf("%s: %lu rounds, %.1f cycles each\n", what, rounds, (double)t / (double)rounds);
	return 0;
}
