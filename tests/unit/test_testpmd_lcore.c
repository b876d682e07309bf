/* SPDX-License-Identifier: BSD-3-Clause */
/* testpmd's forwarding threads, on the real scheduler and a device of counters. */
#include "tests/unit/napi_fake.h"

#include <stdlib.h>
#include <time.h>
#include <sys/syscall.h>

#include "apps/testpmd/cores.h"
#include "apps/testpmd/lcore.h"
#include "apps/testpmd/stream.h"

#define PATIENCE_NS 20000000000ull

/* An instance whose polls can be watched from another thread. */
struct watched {
	struct napi_struct n;
	int vector;
	unsigned long polls; /* atomic */
	long tid;	     /* who polled last; atomic */
	int budget;	     /* with what budget; atomic */
};

static int watched_poll(struct napi_struct *n, int budget)
{
	struct watched *w = container_of(n, struct watched, n);

	__atomic_store_n(&w->tid, syscall(SYS_gettid), __ATOMIC_RELAXED);
	__atomic_store_n(&w->budget, budget, __ATOMIC_RELAXED);
	__atomic_fetch_add(&w->polls, 1, __ATOMIC_RELAXED);
	if (budget)
		napi_complete_done(n, 0);
	return 0;
}

static unsigned long polls(struct watched *w)
{
	return __atomic_load_n(&w->polls, __ATOMIC_RELAXED);
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* Until the condition holds: other threads make it true, a deadline only ends a test that hangs. */
#define await(condition)                               \
	do {                                           \
		uint64_t until_ = now() + PATIENCE_NS; \
		while (!(condition)) {                 \
			assert_true(now() < until_);   \
			sched_yield();                 \
		}                                      \
	} while (0)

static struct lcore lcore;
static struct watched a, b;

static void watch(struct watched *w, const char *name)
{
	memset(w, 0, sizeof(*w));
	w->vector = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_int_equal(unapi_napi_add(&w->n, lcore.ctx, name, watched_poll, NAPI_POLL_WEIGHT), 0);
	assert_int_equal(unapi_napi_set_irq(&w->n, w->vector, NULL), 0);
	assert_int_equal(napi_enable(&w->n), 0);
}

static void unwatch(struct watched *w)
{
	assert_int_equal(napi_disable(&w->n), 0);
	assert_int_equal(unapi_napi_del(&w->n), 0);
	close(w->vector);
}

static void interrupt(struct watched *w)
{
	uint64_t one = 1;

	assert_int_equal(write(w->vector, &one, sizeof(one)), sizeof(one));
}

static void give(struct watched *first, struct watched *second)
{
	struct lcore_set *set = calloc(1, sizeof(*set) + 2 * sizeof(set->napis[0]));

	assert_non_null(set);
	if (first)
		set->napis[set->nr_napis++].napi = &first->n;
	if (second)
		set->napis[set->nr_napis++].napi = &second->n;
	lcore_give(&lcore, set);
}

static int setup(void **state)
{
	unsigned int cores[256], n;

	assert_int_equal(cores_allowed(cores, 256, &n), 0);
	assert_int_equal(lcore_start(&lcore, cores[n - 1], true), 0);
	watch(&a, "a");
	watch(&b, "b");
	give(&a, &b);
	return 0;
}

static int teardown(void **state)
{
	unwatch(&a);
	unwatch(&b);
	give(NULL, NULL);
	lcore_stop(&lcore);
	return 0;
}

static void ask(struct watched *w, enum unapi_poll_mode mode)
{
	assert_int_equal(unapi_napi_set_mode(&w->n, mode), 0);
	lcore_kick(&lcore);
	await(unapi_napi_mode(&w->n) == mode);
}

static void interrupts_are_polled(void **state)
{
	for (unsigned long i = 0; i < 1000; i++) {
		unsigned long before = polls(&a);

		interrupt(&a);
		await(polls(&a) > before);
	}
	assert_true(__atomic_load_n(&a.tid, __ATOMIC_RELAXED) != syscall(SYS_gettid));
	/* It was polled when it was enabled, if at all. */
	assert_true(polls(&b) <= 1);
}

static void sleeps_when_nothing_happens(void **state)
{
	struct unapi_context_stats before, after;
	unsigned long b_polls;
	uint64_t cpu;

	interrupt(&a);
	await(polls(&a) >= 1);
	/* A round trip through the thread: what it did for the interrupt is done. */
	give(&a, &b);
	unapi_context_get_stats(lcore.ctx, &before);
	cpu = lcore_cpu_ns(&lcore);
	assert_true(cpu > 0);
	b_polls = polls(&b);
	for (uint64_t until = now() + 50000000; now() < until;)
		;
	unapi_context_get_stats(lcore.ctx, &after);
	assert_true(after.waits - before.waits <= 1);
	assert_true(after.runs - before.runs <= 1);
	assert_int_equal(polls(&b), b_polls);
}

static void busy_polls_without_interrupts(void **state)
{
	unsigned long b_polls;

	ask(&a, UNAPI_POLL_BUSY);
	await(polls(&a) > 1000);
	assert_true(polls(&b) <= 1);
	/* The other instance still gets its interrupts. */
	b_polls = polls(&b);
	interrupt(&b);
	await(polls(&b) > b_polls);
	ask(&a, UNAPI_POLL_INTERRUPT);
	b_polls = polls(&b);
	for (int i = 0; i < 100; i++) {
		unsigned long before = polls(&a);

		interrupt(&a);
		await(polls(&a) > before);
	}
	assert_int_equal(polls(&b), b_polls);
}

static void all_busy_still_runs_the_context(void **state)
{
	struct watched other;

	/* One that the thread does not know of stands for the slow path: link, removal, timers. */
	watch(&other, "other");
	ask(&a, UNAPI_POLL_BUSY);
	ask(&b, UNAPI_POLL_BUSY);
	for (int i = 0; i < 5; i++) {
		unsigned long before = polls(&other);

		interrupt(&other);
		await(polls(&other) > before);
	}
	assert_true(polls(&a) > 0 && polls(&b) > 0);
	unwatch(&other);
}

static void mode_switches_lose_nothing(void **state)
{
	for (int i = 0; i < 300; i++) {
		unsigned long before;

		ask(&a, i & 1 ? UNAPI_POLL_INTERRUPT : UNAPI_POLL_BUSY);
		before = polls(&a);
		interrupt(&a);
		await(polls(&a) > before);
	}
}

static void disable_takes_a_busy_instance(void **state)
{
	unsigned long before, b_polls;

	ask(&a, UNAPI_POLL_BUSY);
	await(polls(&a) > 10);
	assert_int_equal(napi_disable(&a.n), 0);
	before = polls(&a);
	b_polls = polls(&b);
	/* The thread goes on with the other one. */
	interrupt(&b);
	await(polls(&b) > b_polls);
	assert_int_equal(polls(&a), before);
	assert_int_equal(napi_enable(&a.n), 0);
	lcore_kick(&lcore);
	await(polls(&a) > before + 10);
}

static void set_without_a_busy_instance_gives_it_back(void **state)
{
	unsigned long before;

	ask(&a, UNAPI_POLL_BUSY);
	/* Staying in the set keeps it owned; leaving it hands it to the context. */
	give(&a, &b);
	before = polls(&a);
	await(polls(&a) > before + 10);
	give(NULL, &b);
	assert_int_equal(unapi_napi_mode(&a.n), UNAPI_POLL_INTERRUPT);
	assert_int_equal(unapi_napi_set_mode(&a.n, UNAPI_POLL_INTERRUPT), 0);
	before = polls(&a);
	interrupt(&a);
	await(polls(&a) > before);
}

static void paused_polls_nothing(void **state)
{
	struct lcore_set *set = calloc(1, sizeof(*set));
	unsigned long before;

	assert_non_null(set);
	set->paused = true;
	lcore_give(&lcore, set);
	before = polls(&a);
	interrupt(&a);
	for (uint64_t until = now() + 20000000; now() < until;)
		;
	assert_int_equal(polls(&a), before);
	give(&a, &b);
	await(polls(&a) > before);
}

static void held_polls_take_no_packets(void **state)
{
	struct lcore_set *set = calloc(1, sizeof(*set) + sizeof(set->napis[0]));
	unsigned long before;

	assert_non_null(set);
	ask(&a, UNAPI_POLL_BUSY);
	set->hold = true;
	set->napis[set->nr_napis++].napi = &a.n;
	lcore_give(&lcore, set);
	before = polls(&a);
	await(polls(&a) > before + 10);
	assert_int_equal(__atomic_load_n(&a.budget, __ATOMIC_RELAXED), 0);
	/* It still sees who wants the instance. */
	assert_int_equal(napi_disable(&a.n), 0);
	assert_int_equal(napi_enable(&a.n), 0);
	give(&a, &b);
	before = polls(&a);
	await(polls(&a) > before);
	assert_int_equal(__atomic_load_n(&a.budget, __ATOMIC_RELAXED), NAPI_POLL_WEIGHT);
}

static struct sender {
	struct stream stream;
	unsigned long calls;
} sender;

static unsigned int count_call(struct stream *s)
{
	__atomic_fetch_add(&sender.calls, 1, __ATOMIC_RELAXED);
	return 0;
}

static const struct fwd_engine counting = {.name = "counting", .send = count_call};

static void senders_are_called_until_taken_away(void **state)
{
	struct lcore_set *set = calloc(1, sizeof(*set) + sizeof(struct stream *));
	unsigned long calls, before;

	assert_non_null(set);
	memset(&sender, 0, sizeof(sender));
	sender.stream.engine = &counting;
	set->senders = (struct stream **)(set + 1);
	set->senders[0] = &sender.stream;
	set->nr_senders = 1;
	lcore_give(&lcore, set);
	await(__atomic_load_n(&sender.calls, __ATOMIC_RELAXED) > 100);
	/* The context is run all the same. */
	before = polls(&a);
	interrupt(&a);
	await(polls(&a) > before);
	give(&a, &b);
	calls = __atomic_load_n(&sender.calls, __ATOMIC_RELAXED);
	before = polls(&b);
	interrupt(&b);
	await(polls(&b) > before);
	assert_int_equal(__atomic_load_n(&sender.calls, __ATOMIC_RELAXED), calls);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(interrupts_are_polled),
		T(sleeps_when_nothing_happens),
		T(busy_polls_without_interrupts),
		T(all_busy_still_runs_the_context),
		T(mode_switches_lose_nothing),
		T(disable_takes_a_busy_instance),
		T(set_without_a_busy_instance_gives_it_back),
		T(paused_polls_nothing),
		T(held_polls_take_no_packets),
		T(senders_are_called_until_taken_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
