/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core/napi against the model (napi_model.c): the same random acts happen to both, in worlds of their own
 * (napi_world.c), and after each of them everything that can be seen is the same.
 *
 * UNAPI_TEST_SEED=N plays another thousand sequences, beginning with the one of that seed; a failure tells
 * its seed, and the shortest sequence that still fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/compiler.h"
#include "core/base/reason.h"
#include <unapi/napi.h>
#include "tests/unit/napi_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_ACTS 400
/* One thread: there is nothing in it for the thread sanitizer, which takes its time. */
#ifdef __SANITIZE_THREAD__
#define SEQUENCES 300
#else
#define SEQUENCES 3000
#endif
#define MSEC 1000000U

/* One sequence: what the contexts are like, and what happens. */
struct sequence {
	uint64_t seed;
	unsigned int budgets[NR_CONTEXTS], usecs[NR_CONTEXTS];
	struct act acts[MOST_ACTS];
	int nr;
};

struct pair {
	struct world real, model;
	int compared; /* entries of their logs */
};

static bool same(struct pair *p)
{
	struct sight a, b;
	size_t fresh = (size_t)(p->real.logged - p->compared);
	bool ok = p->real.logged == p->model.logged && p->real.now == p->model.now;

	ok = ok &&
	     !memcmp(p->real.log + p->compared, p->model.log + p->compared, fresh * sizeof(struct entry));
	ok = ok && !memcmp(p->real.d, p->model.d, sizeof(p->real.d));
	if (!ok)
		return false;
	p->compared = p->real.logged;
	p->real.s->look(&p->real, &a);
	p->model.s->look(&p->model, &b);
	return !memcmp(&a, &b, sizeof(a));
}

static bool both(struct pair *p, const struct act *a)
{
	world_do(&p->real, a);
	world_do(&p->model, a);
	return same(p);
}

/* Whoever owes something does it, time passes until no timer runs any more: then nothing waits in an enabled
 * instance's device, and it may interrupt. Returns false at a difference, and says in @lost what was left. */
static bool quiet_end(struct pair *p, int *lost)
{
	struct act a = {.kind = QUEUE};
	struct sight s;
	int round, before, i;

	*lost = -1;
	for (i = 0; i < NR_INSTANCES; i++) {
		a.i = (uint8_t)i;
		if (!both(p, &a))
			return false;
	}
	a.i = 0;
	for (round = 0; round < 1000; round++) {
		bool more = false;

		before = p->real.logged;
		a.kind = RUN;
		for (a.x = 0; a.x < NR_CONTEXTS; a.x++)
			if (!both(p, &a))
				return false;
		more = p->real.logged != before + NR_CONTEXTS; /* something happened */
		a.kind = EXPIRE;
		if (!both(p, &a))
			return false;
		p->real.s->look(&p->real, &s);
		for (i = 0; i < NR_INSTANCES; i++)
			more = more || s.n[i].expires;
		if (!more)
			break;
	}
	for (i = 0; i < NR_INSTANCES; i++)
		if (round == 1000 || (!(s.n[i].state & NAPIF(NAPI_STATE_NPSVC)) &&
				      (p->real.d[i].backlog || p->real.d[i].masked)))
			*lost = i;
	return *lost < 0;
}

/* What the sequences met, so that what they never meet is noticed. */
static struct {
	uint64_t squeezes, missed, deferred, gro_timers, fires, prefers, stale_missed, timed_out, deadlocks,
		handed_over, at_stop, inbox, not_found, by_watchdog;
} met;

static void count_met(const struct pair *p)
{
	struct sight s;
	int i, k;

	p->model.s->look((struct world *)&p->model, &s);
	for (i = 0; i < NR_CONTEXTS; i++) {
		met.squeezes += s.c[i].k.squeezes;
		met.inbox += s.c[i].k.inbox;
	}
	for (i = 0; i < NR_INSTANCES; i++) {
		met.missed += s.n[i].k.missed;
		met.deferred += s.n[i].k.deferred;
		met.fires += s.n[i].k.timer_fires;
		met.by_watchdog += s.n[i].k.polls_by[UNAPI_CAUSE_WATCHDOG];
		met.gro_timers += s.n[i].k.timer_starts > s.n[i].k.deferred;
	}
	for (k = 0; k < p->model.logged; k++) {
		const struct entry *e = &p->model.log[k];

		met.timed_out += e->kind == RESULT && e->b == -ETIMEDOUT;
		met.deadlocks += e->kind == RESULT && e->b == -EDEADLK;
		met.not_found += e->kind == RESULT && e->b == -ENOENT;
	}
}

static void look_met(const struct pair *p)
{
	struct sight s;
	int i;

	p->model.s->look((struct world *)&p->model, &s);
	for (i = 0; i < NR_INSTANCES; i++) {
		met.prefers += !!(s.n[i].state & NAPIF(NAPI_STATE_PREFER_BUSY_POLL));
		met.stale_missed += (s.n[i].state & (NAPIF(NAPI_STATE_MISSED) | NAPIF(NAPI_STATE_SCHED))) ==
				    NAPIF(NAPI_STATE_MISSED);
	}
}

/* Telling. */

static const char *const act_names[NR_ACTS] = {
	"ARRIVE",    "TX_LEFT",	    "STRAY",	   "SCHEDULE", "MARK_MISSED", "ASK_FOR_IT",
	"SET_DEFER", "SET_TIMEOUT", "SET_SUSPEND", "SUSPEND",  "RESUME",      "ELAPSE",
	"DISABLE",   "PREP",	    "QUEUE",	   "ENABLE",   "MOVE",	      "RUN",
	"SOFTIRQ",   "EXPIRE",	    "BUSY",	   "PLAN",
};

static void tell_entry(const char *who, const struct entry *e)
{
	static const char *const names[] = {"POLLED",	   "COMPLETED",	  "TOOK_IRQ", "FIRED",
					    "FLUSHED_OLD", "FLUSHED_ALL", "RESULT"};

	if (e->kind == RESULT)
		print_error("  %-9s %s %c: %d\n", who, act_names[e->a], 'a' + e->i, e->b);
	else
		print_error("  %-9s %s %c %d %d at %llu\n", who, names[e->kind], 'a' + e->i, e->a, e->b,
			    (unsigned long long)e->when);
}

#define TELL(what, x, y)                                                                                   \
	do {                                                                                               \
		if ((x) != (y))                                                                            \
			print_error("  %s: core/napi %#llx, model %#llx\n", what, (unsigned long long)(x), \
				    (unsigned long long)(y));                                              \
	} while (0)

static void tell_difference(struct pair *p)
{
	struct sight a, b;
	int i, k;

	for (i = p->compared; i < p->real.logged || i < p->model.logged; i++) {
		if (i < p->real.logged)
			tell_entry("core/napi", &p->real.log[i]);
		if (i < p->model.logged)
			tell_entry("model", &p->model.log[i]);
	}
	p->real.s->look(&p->real, &a);
	p->model.s->look(&p->model, &b);
	TELL("time", p->real.now, p->model.now);
	for (i = 0; i < NR_INSTANCES; i++) {
		char what[64];

#define FIELD(f)                                           \
	snprintf(what, sizeof(what), "%c's " #f, 'a' + i); \
	TELL(what, a.n[i].f, b.n[i].f)
		FIELD(state);
		FIELD(expires);
		FIELD(k.irqs);
		FIELD(k.schedules);
		FIELD(k.empty);
		FIELD(k.full);
		FIELD(k.work);
		FIELD(k.completions);
		FIELD(k.deferred);
		FIELD(k.missed);
		FIELD(k.timer_starts);
		FIELD(k.timer_fires);
		FIELD(k.violations);
		FIELD(id);
		FIELD(count);
		FIELD(context);
		for (k = 0; k < NR_CAUSES; k++) {
			FIELD(k.polls_by[k]);
		}
		snprintf(what, sizeof(what), "%c's ring", 'a' + i);
		TELL(what, p->real.d[i].backlog, p->model.d[i].backlog);
		snprintf(what, sizeof(what), "%c's mask", 'a' + i);
		TELL(what, p->real.d[i].masked, p->model.d[i].masked);
	}
	for (i = 0; i < NR_CONTEXTS; i++) {
		TELL("runs", a.c[i].k.runs, b.c[i].k.runs);
		TELL("squeezes", a.c[i].k.squeezes, b.c[i].k.squeezes);
		TELL("processed", a.c[i].k.processed, b.c[i].k.processed);
		TELL("from inbox", a.c[i].k.inbox, b.c[i].k.inbox);
		for (k = 0; k < NR_INSTANCES; k++) {
			TELL("on the list", a.c[i].list[k], b.c[i].list[k]);
			TELL("in the inbox", a.c[i].queued[k], b.c[i].queued[k]);
		}
	}
}

static void tell_act(const struct act *a)
{
	print_error("  %s %c", act_names[a->kind], 'a' + a->i);
	if (a->kind == BUSY)
		print_error(" prefer=%d budget=%u tries=%u", a->x, a->arg & 0xffff, a->arg >> 16);
	else if (a->kind == PLAN)
		print_error(" stage %d: %s %c %u", a->x, act_names[a->plan.kind], 'a' + a->plan.i,
			    a->plan.arg);
	else
		print_error(" context=%d %u", a->x, a->arg);
	print_error("\n");
}

/* Returns how many acts it took to see a difference, 0 if there is none. */
static int play(const struct sequence *s, bool tell)
{
	struct pair *p = malloc(sizeof(*p));
	int i, lost = -1;
	bool ok = true;

	assert_non_null(p);
	real_open(&p->real, s->budgets, s->usecs);
	model_open(&p->model, s->budgets, s->usecs);
	p->compared = 0;
	for (i = 0; ok && i < s->nr; i++) {
		ok = both(p, &s->acts[i]);
		look_met(p);
	}
	if (ok && !quiet_end(p, &lost)) {
		ok = false;
		i = s->nr;
	}
	if (ok)
		count_met(p);
	if (!ok && tell && lost >= 0)
		print_error("  %c: %d packets left in the ring, %smasked\n", 'a' + lost,
			    p->real.d[lost].backlog, p->real.d[lost].masked ? "" : "not ");
	else if (!ok && tell)
		tell_difference(p);
	model_close(&p->model);
	if (real_close(&p->real)) {
		free(p);
	} else if (ok) {
		ok = false;
		if (tell)
			print_error("  an instance cannot be disabled: %s\n", unapi_reason());
	}
	return ok ? 0 : i ? i : 1;
}

/* Drop acts for as long as there is a difference. */
static void shrink(struct sequence *s)
{
	int size, at, n = play(s, false);
	bool again;

	if (n < s->nr)
		s->nr = n;
	do {
		again = false;
		for (size = s->nr / 2; size; size /= 2)
			for (at = 0; at + size <= s->nr;) {
				struct sequence t = *s;

				memmove(t.acts + at, t.acts + at + size,
					sizeof(t.acts[0]) * (size_t)(t.nr - at - size));
				t.nr -= size;
				if (play(&t, false)) {
					*s = t;
					again = true;
				} else {
					at += size;
				}
			}
	} while (again);
}

/* Chance (splitmix64). */
static uint64_t chance;

static uint32_t below(uint32_t n)
{
	uint64_t z = chance += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (uint32_t)((z ^ (z >> 31)) % n);
}

#define one_of(table) ((table)[below(ARRAY_SIZE(table))])

static uint32_t some_arg(int kind, int i)
{
	static const uint32_t packets[] = {1, 2, 8, 31, 63, 64, 65, 128, 129, 200, 300};
	static const uint32_t times[] = {16, 1600, 20000, 100000, 500000, MSEC, 2500000};
	static const uint32_t timeouts[] = {0, 20000, 20000, 200000, 2 * MSEC};
	static const uint32_t suspensions[] = {0, 16000, 20 * MSEC, 20 * MSEC};
	static const uint32_t waits[] = {0, 96000, 5 * MSEC};
	static const uint32_t budgets[] = {0, 1, 8, 8, 8, 64, 100};
	static const uint32_t tries[] = {0, 0, 1, 2, 5, 70, 150};
	uint32_t arg;

	switch (kind) {
	case ARRIVE:
		return one_of(packets);
	case TX_LEFT:
		return 1 + below(2);
	case SET_DEFER:
		return below(5);
	case SET_TIMEOUT:
		arg = one_of(timeouts);
		return arg ? arg + (uint32_t)i + 1 : 0;
	case SET_SUSPEND:
		arg = one_of(suspensions);
		return arg ? arg + (uint32_t)i + 1 + TIME_GRAIN / 2 : 0;
	case ELAPSE:
		return one_of(times);
	case DISABLE:
	case MOVE:
		return one_of(waits);
	case BUSY:
		arg = one_of(budgets);
		return arg | one_of(tries) << 16;
	default:
		return 0;
	}
}

static void some_act(struct act *a)
{
	static const uint8_t often[NR_ACTS] = {
		[ARRIVE] = 36,	  [TX_LEFT] = 3,     [STRAY] = 4,	[SCHEDULE] = 12, [MARK_MISSED] = 4,
		[ASK_FOR_IT] = 4, [SET_DEFER] = 5,   [ELAPSE] = 10,	[DISABLE] = 4,	 [PREP] = 3,
		[QUEUE] = 8,	  [SET_TIMEOUT] = 5, [SET_SUSPEND] = 4, [SUSPEND] = 12,	 [RESUME] = 10,
		[ENABLE] = 10,	  [MOVE] = 4,	     [RUN] = 40,	[SOFTIRQ] = 12,	 [EXPIRE] = 16,
		[BUSY] = 14,	  [PLAN] = 28,
	};
	uint32_t sum = 0, pick;
	int k;

	for (k = 0; k < NR_ACTS; k++)
		sum += often[k];
	pick = below(sum);
	memset(a, 0, sizeof(*a));
	for (k = 0; pick >= often[k]; k++)
		pick -= often[k];
	a->kind = (uint8_t)k;
	a->i = (uint8_t)below(NR_INSTANCES);
	switch (k) {
	case RUN:
	case SOFTIRQ:
	case MOVE:
		a->x = (uint8_t)below(NR_CONTEXTS);
		break;
	case BUSY:
		a->x = (uint8_t)below(2);
		break;
	case PLAN:
		a->x = (uint8_t)below(NR_STAGES);
		a->plan.kind = (uint8_t)below(NR_IN_A_POLL);
		/* mostly of the instance that is polled */
		a->plan.i = below(3) ? a->i : (uint8_t)below(NR_INSTANCES);
		a->plan.arg = some_arg(a->plan.kind, a->plan.i);
		break;
	}
	a->arg = some_arg(k, a->i);
}

static void some_sequence(struct sequence *s, uint64_t seed)
{
	static const unsigned int budgets[] = {300, 300, 63, 64, 130}, usecs[] = {2000, 2000, 300};
	int i;

	memset(s, 0, sizeof(*s));
	s->seed = chance = seed;
	for (i = 0; i < NR_CONTEXTS; i++) {
		s->budgets[i] = one_of(budgets);
		s->usecs[i] = one_of(usecs);
	}
	for (i = 0; i < NR_INSTANCES; i++) {
		s->acts[s->nr++] =
			(struct act){.kind = SET_DEFER, .i = (uint8_t)i, .arg = some_arg(SET_DEFER, i)};
		s->acts[s->nr++] =
			(struct act){.kind = SET_TIMEOUT, .i = (uint8_t)i, .arg = some_arg(SET_TIMEOUT, i)};
		s->acts[s->nr++] =
			(struct act){.kind = SET_SUSPEND, .i = (uint8_t)i, .arg = some_arg(SET_SUSPEND, i)};
		s->acts[s->nr++] = (struct act){.kind = ENABLE, .i = (uint8_t)i};
	}
	while (s->nr < MOST_ACTS)
		some_act(&s->acts[s->nr++]);
}

static void play_from(uint64_t seed, int many)
{
	static struct sequence s;
	int i;

	for (i = 0; i < many; i++) {
		some_sequence(&s, seed + (uint64_t)i);
		if (!play(&s, false))
			continue;
		shrink(&s);
		print_error("core/napi and the model differ; UNAPI_TEST_SEED=%llu, shrunk to %d acts, "
			    "budgets %u %u "
			    "%u, usecs %u %u %u:\n",
			    (unsigned long long)s.seed, s.nr, s.budgets[0], s.budgets[1], s.budgets[2],
			    s.usecs[0], s.usecs[1], s.usecs[2]);
		for (i = 0; i < s.nr; i++)
			tell_act(&s.acts[i]);
		play(&s, true);
		fail();
	}
}

static void random_sequences(void **state)
{
	const char *seed = getenv("UNAPI_TEST_SEED");

	play_from(1, SEQUENCES);
	if (seed)
		play_from(strtoull(seed, NULL, 0), 1000);
	assert_true(met.squeezes >= SEQUENCES / 10);
	assert_true(met.missed >= SEQUENCES / 10);
	assert_true(met.deferred >= SEQUENCES / 10);
	assert_true(met.gro_timers >= SEQUENCES / 10);
	assert_true(met.fires >= SEQUENCES / 10);
	assert_true(met.inbox >= SEQUENCES / 10);
	assert_true(met.prefers >= SEQUENCES / 10);
	assert_true(met.stale_missed >= SEQUENCES / 10);
	assert_true(met.timed_out >= SEQUENCES / 10);
	assert_true(met.deadlocks >= SEQUENCES / 10);
	assert_true(met.not_found >= SEQUENCES / 10);
	assert_true(met.by_watchdog >= SEQUENCES / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(random_sequences)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
