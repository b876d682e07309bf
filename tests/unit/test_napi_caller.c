/* SPDX-License-Identifier: BSD-3-Clause */
/* Poll modes and caller polling, step by step. test_napi_stress.c has them under traffic. */
#include "tests/unit/napi_fake.h"

#include <errno.h>
#include <semaphore.h>

struct one {
	struct unapi_context *c;
	struct fake f;
	struct napi_struct *n;
};

static void open_one(struct one *o)
{
	memset(o, 0, sizeof(*o));
	o->c = fake_context(0);
	o->n = &o->f.n;
	fake_add(&o->f, o->c, 'a');
	fake_add_vector(&o->f);
	assert_int_equal(unapi_context_set_poller(o->c, true), 0);
	assert_int_equal(napi_enable(o->n), 0);
}

static void close_one(struct one *o)
{
	fake_del(&o->f);
	assert_int_equal(unapi_context_destroy(o->c), 0);
}

static void begin(struct one *o)
{
	assert_int_equal(unapi_napi_set_mode(o->n, UNAPI_POLL_BUSY), 0);
	assert_true(unapi_napi_wants_poll(o->n));
	assert_int_equal(unapi_napi_poll_begin(o->n), 0);
	assert_false(unapi_napi_wants_poll(o->n));
	assert_int_equal(unapi_napi_mode(o->n), UNAPI_POLL_BUSY);
	assert_int_equal(unapi_context_run(o->c, 0), 0); /* takes the wake-up that set_mode made */
}

static struct unapi_napi_stats stats_of(struct napi_struct *n)
{
	struct unapi_napi_stats st;

	unapi_napi_get_stats(n, &st);
	return st;
}

static void modes_need_a_poller(void **state)
{
	struct one o;

	open_one(&o);
	assert_int_equal(unapi_context_set_poller(o.c, false), 0);
	assert_int_equal(unapi_napi_set_mode(o.n, UNAPI_POLL_BUSY), -EOPNOTSUPP);
	assert_non_null(strstr(unapi_reason(), "fake-a"));
	assert_int_equal(unapi_napi_mode_asked(o.n), UNAPI_POLL_INTERRUPT);
	assert_int_equal(unapi_napi_set_mode(o.n, 7), -EINVAL);
	assert_int_equal(unapi_napi_poll_begin(o.n), -ECANCELED);
	assert_int_equal(unapi_context_set_poller(o.c, true), 0);
	assert_false(fd_readable(unapi_context_fd(o.c)));
	assert_int_equal(unapi_napi_set_mode(o.n, UNAPI_POLL_BUSY), 0);
	assert_true(fd_readable(unapi_context_fd(o.c))); /* a sleeping application notices */
	assert_int_equal(unapi_napi_mode_asked(o.n), UNAPI_POLL_BUSY);
	assert_int_equal(unapi_napi_mode(o.n), UNAPI_POLL_INTERRUPT);
	assert_true(unapi_napi_wants_poll(o.n));

	/* withdrawn: back to interrupts */
	assert_int_equal(unapi_context_set_poller(o.c, false), 0);
	assert_int_equal(unapi_napi_mode_asked(o.n), UNAPI_POLL_INTERRUPT);
	assert_false(unapi_napi_wants_poll(o.n));
	close_one(&o);
}

static void begin_poll_end(void **state)
{
	struct unapi_napi_info info;
	struct one o;

	open_one(&o);
	begin(&o);
	assert_int_equal(unapi_napi_poll_begin(o.n), -EBUSY);
	o.f.backlog = 40;
	assert_int_equal(unapi_napi_poll(o.n, 32), 32);
	assert_int_equal(unapi_napi_poll(o.n, 32), 8);
	assert_false(o.f.unmasked); /* completion changed nothing */
	assert_int_equal(unapi_napi_poll(o.n, 32), 0);
	assert_int_equal(unapi_napi_poll(o.n, -1), -EINVAL);
	assert_int_equal(stats_of(o.n).completions, 0);
	assert_int_equal(stats_of(o.n).polls_by[UNAPI_CAUSE_APP], 3);
	assert_int_equal(stats_of(o.n).full_polls, 1);
	assert_int_equal(stats_of(o.n).empty_polls, 1);
	assert_int_equal(stats_of(o.n).work, 40);
	assert_int_equal(stats_of(o.n).violations, 0);
	unapi_napi_get_info(o.n, &info);
	assert_int_equal(info.poller_tid, gettid());
	assert_int_equal(info.mode, UNAPI_POLL_BUSY);

	assert_int_equal(unapi_napi_poll_end(o.n), 0);
	assert_int_equal(unapi_napi_poll_end(o.n), -EPERM);
	assert_int_equal(unapi_napi_poll(o.n, 32), -ECANCELED);
	assert_int_equal(unapi_napi_mode(o.n), UNAPI_POLL_INTERRUPT);
	assert_true(fd_readable(unapi_context_fd(o.c)));
	o.f.backlog = 5;
	assert_int_equal(unapi_context_run(o.c, -1), 5);
	assert_true(o.f.unmasked); /* one more poll, charged to the change, and it unmasked */
	assert_int_equal(stats_of(o.n).polls_by[UNAPI_CAUSE_MODE_SWITCH], 1);
	assert_int_equal(stats_of(o.n).handovers, 0);
	assert_true(unapi_napi_wants_poll(o.n)); /* busy is still what is asked for */
	close_one(&o);
}

/* "Event during busy polling": the handler runs, MISSED stays, nothing is polled twice or lost. */
static void interrupts_while_polled(void **state)
{
	struct one o;
	int i;

	open_one(&o);
	begin(&o);
	for (i = 1; i <= 3; i++) {
		fake_interrupt(&o.f);
		assert_true(fd_readable(unapi_context_fd(o.c)));
		assert_int_equal(unapi_context_run(o.c, 0), 0);
		assert_false(fd_readable(unapi_context_fd(o.c)));
		assert_int_equal(stats_of(o.n).irqs, i);
		assert_int_equal(unapi_napi_poll(o.n, 32), 0);
	}
	assert_int_equal(o.f.polls, 3);
	assert_int_equal(unapi_napi_poll_end(o.n), 0);
	assert_int_equal(unapi_context_run(o.c, 0), 0);
	assert_int_equal(o.f.polls, 4);
	assert_true(o.f.unmasked);
	assert_int_equal(unapi_context_run(o.c, 0), 0);
	assert_int_equal(o.f.polls, 4);
	close_one(&o);
}

/* Begin takes the instance out of its home's queue, with the interrupt masked. */
static void begin_while_queued(void **state)
{
	struct one o;

	open_one(&o);
	assert_int_equal(unapi_napi_set_mode(o.n, UNAPI_POLL_BUSY), 0);
	o.f.backlog = 1000;
	napi_schedule(o.n);
	assert_int_equal(unapi_napi_poll_begin(o.n), 0);
	assert_int_equal(o.f.backlog, 1000);
	assert_int_equal(unapi_context_run(o.c, 0), 0);
	assert_int_equal(o.f.polls, 0);
	assert_int_equal(unapi_napi_poll(o.n, 64), 64);
	unapi_napi_poll_end(o.n);
	while (unapi_context_run(o.c, 0) > 0)
		;
	assert_int_equal(o.f.backlog, 0);
	assert_true(o.f.unmasked);

	/* owned by a thread that is about to queue it */
	assert_true(napi_schedule_prep(o.n));
	assert_int_equal(unapi_napi_poll_begin(o.n), -EAGAIN);
	__napi_schedule(o.n);
	assert_int_equal(unapi_napi_poll_begin(o.n), 0);
	assert_int_equal(napi_disable(o.n), 0);
	assert_int_equal(unapi_napi_poll_begin(o.n), -ENETDOWN);
	close_one(&o);
}

static int answers_badly(struct napi_struct *n, int budget)
{
	return budget ? budget + 1 : -1;
}

static void violations(void **state)
{
	struct one o;

	open_one(&o);
	begin(&o);
	o.n->poll = answers_badly;
	assert_int_equal(unapi_napi_poll(o.n, 32), 32);
	assert_int_equal(unapi_napi_poll(o.n, 0), 0);
	assert_int_equal(stats_of(o.n).violations, 2);
	o.n->poll = fake_poll;
	close_one(&o);
}

/* Everything that a poll method may answer, kept to its contract or not: what the caller gets, and what
 * counts. */
static struct {
	int work;
	bool completes;
} answer;

static int answers(struct napi_struct *n, int budget)
{
	if (answer.completes)
		assert_false(napi_complete_done(n, answer.work)); /* changes nothing while it is polled so */
	return answer.work;
}

static void one_answer(struct one *o, int budget)
{
	struct unapi_napi_stats was = stats_of(o->n), is;
	int work = answer.work < 0 ? 0 : answer.work > budget ? budget : answer.work;
	uint64_t wrong = 0;

	if (answer.work < 0) {
		wrong = 1;
	} else {
		wrong += answer.work > budget;
		wrong += answer.completes ? work == budget : work < budget;
	}
	assert_int_equal(unapi_napi_poll(o->n, budget), work);
	is = stats_of(o->n);
	assert_int_equal(is.polls_by[UNAPI_CAUSE_APP] - was.polls_by[UNAPI_CAUSE_APP], 1);
	assert_int_equal(is.polls - was.polls, 1);
	assert_int_equal(is.work - was.work, work);
	assert_int_equal(is.empty_polls - was.empty_polls, work == 0);
	assert_int_equal(is.full_polls - was.full_polls, work && work == budget);
	assert_int_equal(is.violations - was.violations, wrong);
	assert_int_equal(is.completions, was.completions);
	assert_int_equal(is.handovers, was.handovers);
	assert_int_equal(unapi_napi_mode(o->n), UNAPI_POLL_BUSY);
	assert_false(unapi_in_poll());
}

static void all_answers(void **state)
{
	static const int budgets[] = {0, 1, 2, 32};
	struct one o;

	open_one(&o);
	begin(&o);
	o.n->poll = answers;
	for (unsigned int b = 0; b < ARRAY_SIZE(budgets); b++)
		for (answer.work = -1; answer.work <= budgets[b] + 1; answer.work++)
			for (int completes = 0; completes < 2; completes++) {
				answer.completes = completes;
				one_answer(&o, budgets[b]);
			}
	o.n->poll = fake_poll;
	close_one(&o);
}

/* The mode is changed by another thread: handed over at the next poll. */
static void *interrupt_mode(void *arg)
{
	assert_int_equal(unapi_napi_set_mode(arg, UNAPI_POLL_INTERRUPT), 0);
	return NULL;
}

static void *busy_mode(void *arg)
{
	assert_int_equal(unapi_napi_set_mode(arg, UNAPI_POLL_BUSY), 0);
	return NULL;
}

static void in_a_thread(void *(*fn)(void *), void *arg)
{
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, fn, arg), 0);
	pthread_join(t, NULL);
}

static void hand_over_by_mode(void **state)
{
	struct one o;

	open_one(&o);
	begin(&o);
	in_a_thread(interrupt_mode, o.n);
	assert_int_equal(unapi_napi_mode(o.n), UNAPI_POLL_BUSY); /* pending */
	assert_int_equal(unapi_napi_mode_asked(o.n), UNAPI_POLL_INTERRUPT);
	assert_int_equal(unapi_napi_poll(o.n, 32), -ECANCELED);
	assert_int_equal(unapi_napi_mode(o.n), UNAPI_POLL_INTERRUPT);
	assert_false(unapi_napi_wants_poll(o.n));
	o.f.backlog = 2;
	assert_int_equal(unapi_context_run(o.c, 0), 2);
	assert_true(o.f.unmasked);
	assert_int_equal(stats_of(o.n).handovers, 1);

	/* asked back before the application noticed: it goes on */
	begin(&o);
	in_a_thread(interrupt_mode, o.n);
	in_a_thread(busy_mode, o.n);
	assert_int_equal(unapi_napi_poll(o.n, 32), 0);
	assert_int_equal(unapi_napi_mode(o.n), UNAPI_POLL_BUSY);

	/* changed by the thread that polls: at once, for it may never poll again */
	assert_int_equal(unapi_napi_set_mode(o.n, UNAPI_POLL_INTERRUPT), 0);
	assert_int_equal(unapi_napi_mode(o.n), UNAPI_POLL_INTERRUPT);
	o.f.unmasked = false;
	assert_int_equal(unapi_context_run(o.c, 0), 0);
	assert_true(o.f.unmasked);
	assert_int_equal(unapi_napi_poll(o.n, 32), -ECANCELED);

	/* the promise withdrawn by the thread that polls */
	begin(&o);
	assert_int_equal(unapi_context_set_poller(o.c, false), 0);
	assert_int_equal(unapi_napi_mode(o.n), UNAPI_POLL_INTERRUPT);
	o.f.unmasked = false;
	assert_int_equal(unapi_context_run(o.c, 0), 0);
	assert_true(o.f.unmasked);
	close_one(&o);
}

static void mode_from_its_own_poll(struct fake *f)
{
	f->before_complete = NULL;
	assert_int_equal(unapi_napi_poll(&f->n, 1), -EDEADLK);
	assert_int_equal(unapi_napi_poll_end(&f->n), -EPERM);
	assert_int_equal(unapi_napi_set_mode(&f->n, UNAPI_POLL_INTERRUPT), 0);
}

static void hand_over_from_the_poll_method(void **state)
{
	struct one o;

	open_one(&o);
	begin(&o);
	o.f.before_complete = mode_from_its_own_poll;
	o.f.backlog = 1;
	assert_int_equal(unapi_napi_poll(o.n, 32), 1);
	assert_int_equal(unapi_napi_poll(o.n, 32), -ECANCELED);
	close_one(&o);
}

/* Disable against a caller. */
static void disable_by_the_polling_thread(void **state)
{
	struct one o;

	open_one(&o);
	begin(&o);
	assert_int_equal(napi_disable(o.n), 0);
	assert_int_equal(unapi_napi_poll(o.n, 32), -ECANCELED);
	assert_int_equal(o.f.polls, 0);
	assert_int_equal(unapi_context_run(o.c, 0), 0);
	assert_false(unapi_napi_wants_poll(o.n));
	/* enabled again, the mode asked for is still busy, and a sleeper is told */
	assert_int_equal(napi_enable(o.n), 0);
	assert_true(unapi_napi_wants_poll(o.n));
	assert_true(fd_readable(unapi_context_fd(o.c)));
	close_one(&o);
}

static void *disable_now(void *arg)
{
	return (void *)(intptr_t)napi_disable(arg);
}

static void disable_by_another_thread(void **state)
{
	struct one o;
	pthread_t t;
	void *rc;
	int work;

	open_one(&o);
	begin(&o);
	pthread_create(&t, NULL, disable_now, o.n);
	do {
		work = unapi_napi_poll(o.n, 32);
	} while (work >= 0);
	assert_int_equal(work, -ECANCELED);
	pthread_join(t, &rc);
	assert_int_equal((intptr_t)rc, 0);
	assert_int_equal(unapi_napi_poll_begin(o.n), -ENETDOWN);
	assert_int_equal(stats_of(o.n).handovers, 1);
	close_one(&o);
}

static void *disable_briefly(void *arg)
{
	return (void *)(intptr_t)napi_disable_timeout(arg, NSEC_PER_MSEC);
}

/* The application does not poll while it is waited for. */
static void disable_times_out(void **state)
{
	struct one o;
	pthread_t t;
	void *rc;

	open_one(&o);
	begin(&o);
	pthread_create(&t, NULL, disable_briefly, o.n);
	pthread_join(t, &rc);
	assert_int_equal((intptr_t)rc, -ETIMEDOUT);
	/* nothing has happened to it, but that it is polled once more after its end */
	assert_int_equal(unapi_napi_poll(o.n, 32), 0);
	assert_int_equal(unapi_napi_poll_end(o.n), 0);
	assert_int_equal(unapi_context_run(o.c, 0), 0);
	assert_int_equal(o.f.polls, 2);
	assert_true(o.f.unmasked);
	close_one(&o);
}

/* Moving what an application polls. */
static void move_by_the_polling_thread(void **state)
{
	struct unapi_context *y = fake_context(0);
	struct one o;

	open_one(&o);
	begin(&o);
	assert_int_equal(unapi_napi_set_context(o.n, y, NSEC_PER_SEC), 0);
	assert_int_equal(unapi_napi_mode_asked(o.n), UNAPI_POLL_INTERRUPT); /* y has no poller */
	assert_int_equal(unapi_napi_poll(o.n, 32), -ECANCELED);
	o.f.backlog = 3;
	assert_int_equal(unapi_context_run(y, 0), 3);
	assert_true(o.f.unmasked);

	assert_int_equal(unapi_context_set_poller(y, true), 0);
	assert_int_equal(unapi_napi_set_mode(o.n, UNAPI_POLL_BUSY), 0);
	assert_int_equal(unapi_napi_set_context(o.n, o.c, NSEC_PER_SEC), 0);
	assert_int_equal(unapi_napi_mode_asked(o.n), UNAPI_POLL_BUSY);
	assert_int_equal(unapi_napi_poll_begin(o.n), 0);
	close_one(&o);
	assert_int_equal(unapi_context_destroy(y), 0);
}

static void *poll_of_another(void *arg)
{
	struct napi_struct *n = arg;

	assert_int_equal(unapi_napi_poll(n, 32), -ECANCELED);
	assert_int_equal(unapi_napi_poll_end(n), -EPERM);
	assert_int_equal(unapi_napi_poll_begin(n), -EBUSY);
	return NULL;
}

static void only_its_owner_polls(void **state)
{
	struct one o;

	open_one(&o);
	begin(&o);
	in_a_thread(poll_of_another, o.n);
	assert_int_equal(unapi_napi_poll(o.n, 32), 0);
	assert_int_equal(o.f.polls, 1);
	close_one(&o);
}

/* Samples: one in 1024 polls, by which the tick also learns that packets moved. */
static int ticked;

static void count_tick(struct unapi_tick *t)
{
	ticked++;
}

static void samples(void **state)
{
	struct unapi_tick t = {.fn = count_tick};
	struct unapi_napi_info info;
	uint64_t now = NSEC_PER_SEC;
	struct one o;
	int i;

	unapi_clock_set_virtual(&now);
	open_one(&o);
	assert_int_equal(unapi_context_add_tick(o.c, &t), 0);
	begin(&o);
	for (i = 0; i < 1024; i++) {
		now += 10;
		o.f.backlog = 1;
		assert_int_equal(unapi_napi_poll(o.n, 32), 1);
	}
	assert_int_equal(stats_of(o.n).cycles_by[UNAPI_CAUSE_APP], 10240);
	now += 77;
	unapi_napi_get_info(o.n, &info);
	assert_int_equal(info.poller_seen_ns, 77);
	ticked = 0;
	assert_int_equal(unapi_context_run(o.c, 0), 0);
	now += UNAPI_TICK_NS;
	assert_int_equal(unapi_context_run(o.c, 0), 0);
	assert_int_equal(ticked, 1);
	for (i = 0; i < 2048; i++)
		unapi_napi_poll(o.n, 32); /* nothing moves */
	assert_int_equal(unapi_context_run(o.c, 0), 0);
	now += UNAPI_TICK_NS;
	assert_int_equal(unapi_context_run(o.c, 0), 0);
	assert_int_equal(ticked, 1);
	unapi_context_del_tick(&t);
	close_one(&o);
	unapi_clock_set_virtual(NULL);
}

/* napi_synchronize() against a poll of an application. */
static sem_t in_poll, go;
static int left_poll;

static void stay(struct fake *f)
{
	f->before_complete = NULL;
	sem_post(&in_poll);
	sem_wait(&go);
	__atomic_store_n(&left_poll, 1, __ATOMIC_RELAXED);
}

static void *let_go(void *arg)
{
	sem_post(&go);
	return NULL;
}

static void *wait_for_poll(void *arg)
{
	pthread_t t;

	sem_wait(&in_poll);
	pthread_create(&t, NULL, let_go, NULL);
	assert_int_equal(napi_synchronize(arg), 0);
	assert_int_equal(__atomic_load_n(&left_poll, __ATOMIC_RELAXED), 1);
	pthread_join(t, NULL);
	return NULL;
}

static void synchronize(void **state)
{
	struct one o;
	pthread_t t;

	open_one(&o);
	begin(&o);
	assert_int_equal(napi_synchronize(o.n), 0); /* it is not inside a poll */
	sem_init(&in_poll, 0, 0);
	sem_init(&go, 0, 0);
	o.f.before_complete = stay;
	pthread_create(&t, NULL, wait_for_poll, o.n);
	assert_int_equal(unapi_napi_poll(o.n, 32), 0);
	pthread_join(t, NULL);
	close_one(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modes_need_a_poller),
		cmocka_unit_test(begin_poll_end),
		cmocka_unit_test(interrupts_while_polled),
		cmocka_unit_test(begin_while_queued),
		cmocka_unit_test(violations),
		cmocka_unit_test(all_answers),
		cmocka_unit_test(hand_over_by_mode),
		cmocka_unit_test(hand_over_from_the_poll_method),
		cmocka_unit_test(disable_by_the_polling_thread),
		cmocka_unit_test(disable_by_another_thread),
		cmocka_unit_test(disable_times_out),
		cmocka_unit_test(move_by_the_polling_thread),
		cmocka_unit_test(only_its_owner_polls),
		cmocka_unit_test(samples),
		cmocka_unit_test(synchronize),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
