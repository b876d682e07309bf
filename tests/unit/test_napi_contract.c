/* SPDX-License-Identifier: BSD-3-Clause */
/* Poll methods that break their contract, wherever they are polled: noticed, counted, told once, survived. */
#include "tests/unit/napi_fake.h"

#include <errno.h>
#include <limits.h>
#include <semaphore.h>

#define WRONG_POLLS 3

enum act { NOTHING, COMPLETE, COMPLETE_TWICE, QUEUE_ITSELF };
enum answer { NONE, SOME, WHOLE, MORE, FAR_MORE, NEGATIVE };

/* What a poll method does wrong, and how many violations that is. */
struct wrong {
	enum act act;
	enum answer answer;
	int count;
};

static const struct wrong wrongs[] = {
	{NOTHING, NONE, 1},	   {NOTHING, SOME, 1},	      {NOTHING, MORE, 1},
	{NOTHING, FAR_MORE, 1},	   {NOTHING, NEGATIVE, 1},    {COMPLETE, WHOLE, 1},
	{COMPLETE, MORE, 2},	   {COMPLETE, FAR_MORE, 2},   {COMPLETE, NEGATIVE, 1},
	{COMPLETE_TWICE, NONE, 1}, {COMPLETE_TWICE, SOME, 1}, {COMPLETE_TWICE, WHOLE, 2},
};

/* With a budget of 0 there is only one right thing. */
static const struct wrong wrongs_without_budget[] = {
	{NOTHING, MORE, 1},  {NOTHING, FAR_MORE, 1}, {NOTHING, NEGATIVE, 1},
	{COMPLETE, NONE, 1}, {COMPLETE, MORE, 2},    {COMPLETE_TWICE, NONE, 2},
};

struct bad {
	struct napi_struct n;
	struct unapi_context *c;
	const struct wrong *wrong;
	int left;  /* wrong polls to come; atomic */
	int polls; /* right ones; atomic */
	bool unmasked;
	sem_t polled; /* posted by each wrong one */
};

static int answer_of(enum answer a, int budget)
{
	switch (a) {
	case NONE:
		return 0;
	case SOME:
		return budget / 2;
	case WHOLE:
		return budget;
	case MORE:
		return budget + 1;
	case FAR_MORE:
		return INT_MAX;
	case NEGATIVE:
		break;
	}
	return -1;
}

static int bad_poll(struct napi_struct *n, int budget)
{
	struct bad *b = container_of(n, struct bad, n);
	const struct wrong *w = b->wrong;
	int answer;

	if (!b->left) {
		__atomic_fetch_add(&b->polls, 1, __ATOMIC_RELAXED);
		if (budget)
			b->unmasked = napi_complete_done(n, 0);
		return 0;
	}
	__atomic_fetch_sub(&b->left, 1, __ATOMIC_RELAXED);
	answer = answer_of(w->answer, budget);
	if (w->act == COMPLETE || w->act == COMPLETE_TWICE)
		napi_complete_done(n, answer);
	if (w->act == COMPLETE_TWICE)
		assert_false(napi_complete_done(n, answer));
	if (w->act == QUEUE_ITSELF)
		__napi_schedule(n);
	sem_post(&b->polled);
	return answer;
}

static int errors;
static bool about_no_budget; /* the last one said; atomic, as is @errors */

static void count_errors(void *arg, enum unapi_log_level level, const char *text)
{
	if (level == UNAPI_LOG_ERR)
		__atomic_fetch_add(&errors, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&about_no_budget, strstr(text, "a budget of 0") != NULL, __ATOMIC_RELAXED);
	assert_non_null(strstr(text, "bad-0"));
}

static void bad_open(struct bad *b, const struct wrong *w)
{
	memset(b, 0, sizeof(*b));
	b->c = fake_context(300);
	b->wrong = w;
	sem_init(&b->polled, 0, 0);
	assert_int_equal(unapi_napi_add(&b->n, b->c, "bad-0", bad_poll, NAPI_POLL_WEIGHT), 0);
	assert_int_equal(napi_enable(&b->n), 0);
	errors = 0;
}

static void run(struct bad *b)
{
	int i;

	for (i = 0; i < 10; i++)
		assert_true(unapi_context_run(b->c, 0) >= 0);
}

/* What was wrong has been counted, and the instance is as good as new. */
static void bad_close(struct bad *b, const char *where)
{
	struct unapi_napi_stats st;
	int polls;

	unapi_napi_get_stats(&b->n, &st);
	if (st.violations != (uint64_t)(WRONG_POLLS * b->wrong->count))
		fail_msg("%s, act %d, answer %d: %d violations", where, b->wrong->act, b->wrong->answer,
			 (int)st.violations);
	assert_int_equal(b->left, 0);
	assert_int_equal(errors, 1);
	/* never more packets than polls can have brought */
	assert_true(st.work <= WRONG_POLLS * NAPI_POLL_WEIGHT);
	assert_int_equal(napi_state_read(&b->n.state), NAPIF_LISTED);

	b->unmasked = false;
	polls = b->polls;
	assert_true(napi_schedule(&b->n));
	run(b);
	assert_true(b->unmasked);
	assert_int_equal(b->polls, polls + 1); /* it was not queued twice */
	assert_int_equal(napi_disable(&b->n), 0);
	assert_int_equal(unapi_napi_del(&b->n), 0);
	assert_int_equal(unapi_context_destroy(b->c), 0);
	unapi_set_log(NULL, NULL);
}

static void by_a_context(struct bad *b)
{
	b->left = WRONG_POLLS;
	while (b->left) {
		napi_schedule(&b->n); /* if it has let go */
		assert_true(unapi_context_run(b->c, 0) >= 0);
	}
	run(b);
}

/* Its thread polls on, or is asked to. A request that comes too early leaves MISSED. */
static void by_its_thread(struct bad *b, enum netdev_napi_threaded threaded)
{
	int i;

	assert_int_equal(napi_set_threaded(&b->n, threaded), 0);
	assert_int_equal(napi_synchronize(&b->n), 0);
	assert_int_equal(napi_disable(&b->n), 0);
	b->left = WRONG_POLLS;
	assert_int_equal(napi_enable(&b->n), 0);
	for (i = 0; i < WRONG_POLLS; i++) {
		napi_schedule(&b->n);
		sem_wait(&b->polled);
	}
	assert_int_equal(napi_disable(&b->n), 0);
	assert_int_equal(napi_set_threaded(&b->n, NETDEV_NAPI_THREADED_DISABLED), 0);
	assert_int_equal(napi_enable(&b->n), 0);
	napi_schedule(&b->n);
	run(b);
}

static void by_a_thread(struct bad *b)
{
	by_its_thread(b, NETDEV_NAPI_THREADED_ENABLED);
}

static void by_a_busy_thread(struct bad *b)
{
	by_its_thread(b, NETDEV_NAPI_THREADED_BUSY_POLL);
}

static bool none_left(void *arg, unsigned long start)
{
	return !((struct bad *)arg)->left;
}

static void by_a_busy_loop_of(struct bad *b, uint16_t budget)
{
	b->left = WRONG_POLLS;
	assert_int_equal(napi_busy_loop(b->n.napi_id, none_left, b, false, budget), 0);
	assert_int_equal(b->polls, 1); /* at its stop */
	run(b);
}

static void by_a_busy_loop(struct bad *b)
{
	by_a_busy_loop_of(b, 8);
}

static void by_a_busy_loop_without_budget(struct bad *b)
{
	by_a_busy_loop_of(b, 0);
}

/* A right poll, then a wrong one at the stop. */
static bool wrong_from_now_on(void *arg, unsigned long start)
{
	((struct bad *)arg)->left = 1;
	return true;
}

static void by_the_stop_of(struct bad *b, uint16_t budget)
{
	int i;

	for (i = 0; i < WRONG_POLLS; i++) {
		assert_int_equal(napi_busy_loop(b->n.napi_id, wrong_from_now_on, b, false, budget), 0);
		assert_int_equal(b->left, 0);
		run(b);
	}
}

static void by_the_stop(struct bad *b)
{
	by_the_stop_of(b, 8);
}

static void by_the_stop_without_budget(struct bad *b)
{
	by_the_stop_of(b, 0);
}

static void by_a_caller_with(struct bad *b, int budget)
{
	int i, work;

	assert_int_equal(unapi_context_set_poller(b->c, true), 0);
	assert_int_equal(unapi_napi_set_mode(&b->n, UNAPI_POLL_BUSY), 0);
	assert_int_equal(unapi_napi_poll_begin(&b->n), 0);
	b->left = WRONG_POLLS;
	for (i = 0; i < WRONG_POLLS; i++) {
		work = unapi_napi_poll(&b->n, budget);
		assert_in_range(work, 0, budget);
	}
	assert_int_equal(unapi_napi_poll(&b->n, budget), 0);
	assert_int_equal(unapi_napi_set_mode(&b->n, UNAPI_POLL_INTERRUPT), 0);
	run(b);
}

static void by_a_caller(struct bad *b)
{
	by_a_caller_with(b, 32);
}

static void by_a_caller_without_budget(struct bad *b)
{
	by_a_caller_with(b, 0);
}

static void all(const char *where, void (*poll)(struct bad *b), const struct wrong *w, size_t n)
{
	struct bad b;
	size_t i;

	for (i = 0; i < n; i++) {
		bad_open(&b, &w[i]);
		unapi_set_log(count_errors, NULL);
		poll(&b);
		assert_int_equal(about_no_budget,
				 w == wrongs_without_budget && w[i].act == COMPLETE && w[i].answer == NONE);
		bad_close(&b, where);
	}
}

#define EVERY_WRONG(place)                                           \
	static void place##_survives(void **state)                   \
	{                                                            \
		all(#place, by_##place, wrongs, ARRAY_SIZE(wrongs)); \
	}
#define EVERY_WRONG_WITHOUT_BUDGET(place)                                                          \
	static void place##_survives(void **state)                                                 \
	{                                                                                          \
		all(#place, by_##place, wrongs_without_budget, ARRAY_SIZE(wrongs_without_budget)); \
	}

EVERY_WRONG(a_context)
EVERY_WRONG(a_thread)
EVERY_WRONG(a_busy_thread)
EVERY_WRONG(a_busy_loop)
EVERY_WRONG(the_stop)
EVERY_WRONG(a_caller)
EVERY_WRONG_WITHOUT_BUDGET(a_busy_loop_without_budget)
EVERY_WRONG_WITHOUT_BUDGET(the_stop_without_budget)
EVERY_WRONG_WITHOUT_BUDGET(a_caller_without_budget)

/* Asks for itself by the wrong function: it is in its context's list when it says that it goes on. */
static void queueing_itself(void **state)
{
	static const struct wrong w[] = {{QUEUE_ITSELF, WHOLE, 1}};

	all("context", by_a_context, w, 1);
	all("thread", by_a_thread, w, 1);
	all("busy thread", by_a_busy_thread, w, 1);
}

/* What is right is not counted, also where a completion changes nothing. */
static int right_poll(struct napi_struct *n, int budget)
{
	struct bad *b = container_of(n, struct bad, n);

	b->polls++;
	if (!budget || b->polls % 2)
		return budget;
	napi_complete_done(n, budget - 1);
	return budget - 1;
}

static bool after_ten(void *arg, unsigned long start)
{
	return ((struct bad *)arg)->polls >= 10;
}

static void right_is_right(void **state)
{
	struct unapi_napi_stats st;
	struct bad b;

	bad_open(&b, NULL);
	b.n.poll = right_poll;
	napi_schedule(&b.n);
	run(&b);
	assert_int_equal(napi_busy_loop(b.n.napi_id, after_ten, &b, false, 8), 0);
	run(&b);
	assert_int_equal(napi_busy_loop(b.n.napi_id, NULL, NULL, false, 0), 0);
	run(&b);
	assert_int_equal(unapi_context_set_poller(b.c, true), 0);
	assert_int_equal(unapi_napi_set_mode(&b.n, UNAPI_POLL_BUSY), 0);
	assert_int_equal(unapi_napi_poll_begin(&b.n), 0);
	assert_int_equal(unapi_napi_poll(&b.n, 0), 0);
	assert_true(unapi_napi_poll(&b.n, 9) >= 8);
	assert_true(unapi_napi_poll(&b.n, 9) >= 8);
	assert_int_equal(napi_disable(&b.n), 0);
	unapi_napi_get_stats(&b.n, &st);
	assert_int_equal(st.violations, 0);
	assert_int_equal(unapi_napi_del(&b.n), 0);
	assert_int_equal(unapi_context_destroy(b.c), 0);
}

/* What software GRO delivers is delivered inside the poll, wherever it is flushed: whose it is can be asked,
 * and what a poll method may not do is refused. */
static int flushed_old, flushed_all;

static bool gro_holds;

static bool holds(struct napi_struct *n)
{
	return gro_holds;
}

static void in_its_poll(struct napi_struct *n)
{
	assert_ptr_equal(unapi_this_napi(), n);
	assert_int_equal(napi_disable(n), -EDEADLK);
}

static void flush_old(struct napi_struct *n)
{
	in_its_poll(n);
	flushed_old++;
}

static void flush_all(struct napi_struct *n)
{
	in_its_poll(n);
	flushed_all++;
	gro_holds = false;
}

static const struct unapi_gro_ops gro = {holds, flush_old, flush_all};

static void gro_is_inside_the_poll(void **state)
{
	uint64_t now = NSEC_PER_SEC;
	struct unapi_context *c;
	struct fake f;

	unapi_clock_set_virtual(&now);
	c = fake_context(0);
	fake_add(&f, c, 'a');
	assert_int_equal(unapi_napi_set_gro(&f.n, &gro), 0);
	gro_holds = true;
	assert_int_equal(napi_enable(&f.n), 0);
	f.backlog = 65; /* a full poll, and one that completes */
	napi_schedule(&f.n);
	assert_int_equal(unapi_context_run(c, 0), 65);
	assert_int_equal(flushed_old, 1);
	assert_int_equal(flushed_all, 1);
	unapi_napi_set_defer_hard_irqs(&f.n, 2);
	unapi_napi_set_gro_flush_timeout(&f.n, 1000);
	assert_int_equal(napi_busy_loop(f.n.napi_id, NULL, NULL, true, 8), 0); /* its stop, without a poll */
	assert_int_equal(flushed_old, 2);
	f.backlog = 100;
	napi_schedule(&f.n);
	assert_int_equal(napi_busy_loop(f.n.napi_id, NULL, NULL, true, 8), 0); /* asks for it */
	assert_int_equal(unapi_context_run(c, 0), 64);			       /* let go after a full poll */
	assert_int_equal(flushed_old, 3);
	unapi_napi_set_gro_flush_timeout(&f.n, 0);
	f.backlog = 100;
	napi_schedule(&f.n);
	assert_int_equal(napi_disable(&f.n), 0); /* ends a full poll by completing */
	assert_int_equal(flushed_old, 3);
	assert_int_equal(flushed_all, 2);
	assert_int_equal(napi_enable(&f.n), 0);
	gro_holds = true;
	assert_int_equal(napi_disable(&f.n), 0); /* delivers itself what nothing else would */
	assert_int_equal(flushed_all, 3);
	assert_false(gro_holds);
	fake_del(&f);
	unapi_context_destroy(c);
	unapi_clock_set_virtual(NULL);
}

/* Completed by somebody who is not its poll method: nothing happens to it. */
static struct bad *other;

static int poll_completes_other(struct napi_struct *n, int budget)
{
	assert_false(napi_complete_done(&other->n, 0));
	napi_complete_done(n, 0);
	return 0;
}

static bool completes_in_loop_end(void *arg, unsigned long start)
{
	struct bad *b = arg;

	assert_false(napi_complete_done(&b->n, 0));
	return true;
}

static uint64_t violations_of(struct bad *b)
{
	struct unapi_napi_stats st;

	unapi_napi_get_stats(&b->n, &st);
	return st.violations;
}

static void completed_outside_its_poll(void **state)
{
	struct bad a, b;

	bad_open(&a, NULL);
	bad_open(&b, NULL);
	unapi_set_log(count_errors, NULL);
	assert_false(napi_complete_done(&a.n, 0)); /* owned by nobody */
	assert_int_equal(violations_of(&a), 1);
	assert_true(napi_schedule_prep(&a.n)); /* by us, but not polled */
	assert_false(napi_complete_done(&a.n, 0));
	assert_int_equal(napi_state_read(&a.n.state), NAPIF_LISTED | NAPIF_SCHED);
	other = &a;
	b.n.poll = poll_completes_other;
	napi_schedule(&b.n);
	run(&b);
	assert_int_equal(violations_of(&b), 0);
	assert_int_equal(violations_of(&a), 3);
	__napi_schedule(&a.n);
	run(&a);
	assert_int_equal(a.polls, 1);
	assert_int_equal(napi_busy_loop(a.n.napi_id, completes_in_loop_end, &a, false, 8), 0);
	assert_int_equal(violations_of(&a), 4);
	assert_int_equal(a.polls, 3);
	assert_int_equal(napi_disable(&a.n), 0);
	assert_false(napi_complete_done(&a.n, 0));
	assert_int_equal(violations_of(&a), 5);
	assert_int_equal(errors, 1);
	assert_int_equal(napi_state_read(&a.n.state), NAPIF_LISTED | NAPIF_SCHED | NAPIF_NPSVC);
	assert_int_equal(napi_disable(&b.n), 0);
	assert_int_equal(unapi_napi_del(&a.n), 0);
	assert_int_equal(unapi_napi_del(&b.n), 0);
	assert_int_equal(unapi_context_destroy(a.c), 0);
	assert_int_equal(unapi_context_destroy(b.c), 0);
	unapi_set_log(NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_context_survives),
		cmocka_unit_test(a_thread_survives),
		cmocka_unit_test(a_busy_thread_survives),
		cmocka_unit_test(a_busy_loop_survives),
		cmocka_unit_test(the_stop_survives),
		cmocka_unit_test(a_caller_survives),
		cmocka_unit_test(a_busy_loop_without_budget_survives),
		cmocka_unit_test(the_stop_without_budget_survives),
		cmocka_unit_test(a_caller_without_budget_survives),
		cmocka_unit_test(queueing_itself),
		cmocka_unit_test(right_is_right),
		cmocka_unit_test(gro_is_inside_the_poll),
		cmocka_unit_test(completed_outside_its_poll),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
