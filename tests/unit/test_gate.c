/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Gates: nobody is inside a shut gate, although those who enter execute no fence.
 *
 * What the fence is for is a processor's store buffer: the store "I am inside" may reach memory after the
 * load "it is open". The thread that enters therefore keeps its store buffer full of stores that miss the
 * cache.
 */
#include "core/net/gate.h"
#include "core/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#define LINES  (1u << 17)
#define ROUNDS 30000
/* A busy machine may give each round its turn only after milliseconds: fewer rounds will do then. */
#define TIME   (2 * NSEC_PER_SEC)

struct scene {
	struct gate gate __cacheline_aligned;
	uint32_t shut __cacheline_aligned; /* the control thread believes that nobody is inside */
	uint32_t stop;
	uint32_t seen_shut; /* times it was wrong */
	uint64_t entered;
	uint32_t *clutter;
};

static void *enterer_main(void *arg)
{
	struct scene *s = arg;
	uint32_t at = 1, i;

	while (!READ_ONCE(s->stop)) {
		for (i = 0; i < 24; i++) {
			at = at * 1664525 + 1013904223;
			WRITE_ONCE(s->clutter[(at >> 8) % LINES * 16], at);
		}
		if (!gate_enter(&s->gate))
			continue;
		WRITE_ONCE(s->entered, s->entered + 1);
		for (i = 0; i < 40; i++)
			s->seen_shut += READ_ONCE(s->shut);
		gate_leave(&s->gate);
	}
	return NULL;
}

static void contend(bool fenced)
{
	static struct scene s;
	struct gate *const gates[] = {&s.gate};
	uint64_t entered, end = unapi_clock_ns() + TIME;
	unsigned int i;
	pthread_t t;

	s = (struct scene){.clutter = calloc(LINES, 64)};
	assert_non_null(s.clutter);
	gate_init(&s.gate);
	s.gate.fenced |= fenced;
	gate_open(&s.gate);
	assert_int_equal(pthread_create(&t, NULL, enterer_main, &s), 0);
	for (i = 0; i < ROUNDS && unapi_clock_ns() < end; i++) {
		assert_int_equal(gates_shut(gates, 1, 10 * NSEC_PER_SEC), 0);
		WRITE_ONCE(s.shut, 1);
		cpu_relax();
		WRITE_ONCE(s.shut, 0);
		entered = READ_ONCE(s.entered);
		gate_open(&s.gate);
		while (READ_ONCE(s.entered) == entered) /* else it might never be found inside */
			sched_yield();
	}
	WRITE_ONCE(s.stop, 1);
	pthread_join(t, NULL);
	assert_int_equal(s.seen_shut, 0);
	free(s.clutter);
}

static void test_nobody_is_inside(void **state)
{
	contend(false);
}

static void test_nobody_is_inside_without_membarrier(void **state)
{
	contend(true);
}

/* Walkers of a list, of one element, which is in use only while it is linked, and a little longer. */
struct walk {
	struct gate gate __cacheline_aligned;
	uint32_t *link __cacheline_aligned; /* the element */
	uint32_t gone __cacheline_aligned;  /* the element: 1, it is not in use any more */
	uint32_t stop;
	uint32_t seen_gone;
	uint64_t met;
};

static void *walker_main(void *arg)
{
	struct walk *w = arg;
	uint32_t *element;

	while (!READ_ONCE(w->stop)) {
		if (!gate_enter(&w->gate))
			continue;
		element = __atomic_load_n(&w->link, __ATOMIC_ACQUIRE);
		if (element) {
			for (unsigned int i = 0; i < 40; i++)
				w->seen_gone += READ_ONCE(*element);
			WRITE_ONCE(w->met, w->met + 1);
		}
		gate_leave(&w->gate);
		cpu_relax();
	}
	return NULL;
}

/* Here it is the control thread's store that may reach memory late, after its look at who is inside. */
static void unlink_while_walked(bool fenced)
{
	uint64_t end = unapi_clock_ns() + TIME;
	uint32_t *clutter = calloc(LINES, 64), at = 1, i;
	static struct walk w;
	pthread_t t;

	assert_non_null(clutter);
	w = (struct walk){0};
	gate_init(&w.gate);
	w.gate.fenced |= fenced;
	gate_open(&w.gate);
	assert_int_equal(pthread_create(&t, NULL, walker_main, &w), 0);
	for (i = 0; (i < ROUNDS && unapi_clock_ns() < end) || !READ_ONCE(w.met); i++) {
		WRITE_ONCE(w.gone, 0);
		__atomic_store_n(&w.link, &w.gone, __ATOMIC_RELEASE);
		for (unsigned int k = 0; k < 100; k++)
			cpu_relax();
		for (unsigned int k = 0; k < 24; k++) {
			at = at * 1664525 + 1013904223;
			WRITE_ONCE(clutter[(at >> 8) % LINES * 16], at);
		}
		__atomic_store_n(&w.link, NULL, __ATOMIC_RELEASE);
		gate_wait(&w.gate);
		WRITE_ONCE(w.gone, 1);
		cpu_relax();
	}
	WRITE_ONCE(w.stop, 1);
	pthread_join(t, NULL);
	assert_int_equal(w.seen_gone, 0);
	free(clutter);
}

static void test_unlinked_is_out_of_use(void **state)
{
	unlink_while_walked(false);
}

static void test_unlinked_is_out_of_use_without_membarrier(void **state)
{
	unlink_while_walked(true);
}

static void test_open_and_shut(void **state)
{
	struct gate a, b, *const both[] = {&a, &b};
	uint64_t now = 1;

	gate_init(&a);
	gate_init(&b);
	assert_false(gate_enter(&a));
	assert_false(a.busy);
	gate_open(&a);
	gate_open(&b);
	assert_true(gate_enter(&b));
	/* One that stays can be waited for again. */
	unapi_clock_set_virtual(&now);
	assert_int_equal(gates_shut(both, 2, NSEC_PER_SEC), -ETIMEDOUT);
	unapi_clock_set_virtual(NULL);
	assert_true(now > NSEC_PER_SEC);
	assert_false(gate_enter(&a));
	gate_leave(&b);
	assert_int_equal(gates_shut(both, 2, NSEC_PER_SEC), 0);
	assert_false(gate_enter(&a));
	assert_false(gate_enter(&b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open_and_shut),
		cmocka_unit_test(test_nobody_is_inside),
		cmocka_unit_test(test_nobody_is_inside_without_membarrier),
		cmocka_unit_test(test_unlinked_is_out_of_use),
		cmocka_unit_test(test_unlinked_is_out_of_use_without_membarrier),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
