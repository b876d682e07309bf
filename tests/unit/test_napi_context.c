/* SPDX-License-Identifier: BSD-3-Clause */
/* Softnet contexts: running, sleeping, waking, descriptors, calls and ticks. */
#include "tests/unit/napi_fake.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>

static uint64_t now;

static void create_and_destroy(void **state)
{
	struct unapi_context_conf conf = {.name = "a context", .netdev_budget = 1U << 31};
	struct unapi_context *c;

	assert_int_equal(unapi_context_create(&conf, &c), -EINVAL);
	conf.netdev_budget = 0;
	assert_int_equal(unapi_context_create(&conf, &c), 0);
	assert_string_equal(unapi_context_name(c), "a context");
	assert_int_equal(unapi_context_start(c, CPU_SETSIZE), -EINVAL);
	assert_non_null(strstr(unapi_reason(), "a context"));
	assert_int_equal(unapi_context_stop(c), -EINVAL);
	assert_int_equal(unapi_context_start(c, 0), 0);
	assert_int_equal(unapi_context_set_poller(c, true), -EBUSY);
	assert_int_equal(unapi_context_stop(c), 0);
	assert_int_equal(unapi_context_set_poller(c, true), 0);
	assert_int_equal(unapi_context_start(c, -1), -EBUSY);
	assert_int_equal(unapi_context_destroy(c), 0);
	assert_int_equal(unapi_context_destroy(NULL), 0);
}

/* The application's own loop: readable exactly when there is something to do. */
static void pollable_fd(void **state)
{
	struct unapi_context *c = fake_context(0);
	int fd = unapi_context_fd(c);
	struct unapi_context_stats st;
	struct fake f;

	fake_add(&f, c, 'a');
	fake_add_vector(&f);
	assert_int_equal(napi_enable(&f.n), 0);
	assert_false(fd_readable(fd));
	fake_interrupt(&f);
	assert_true(fd_readable(fd));
	assert_int_equal(unapi_context_run(c, -1), 0);
	assert_int_equal(f.polls, 1);
	assert_false(fd_readable(fd)); /* although the eventfd was never read */
	fake_interrupt(&f);
	fake_interrupt(&f);
	assert_int_equal(unapi_context_run(c, -1), 0);
	assert_int_equal(f.polls, 2); /* two between two looks are one */
	assert_int_equal(unapi_napi_irqs_raised(&f.n), 3);

	/* scheduled while nobody is inside the run: the descriptor is written once, however many come */
	napi_schedule(&f.n);
	napi_schedule(&f.n);
	assert_true(fd_readable(fd));
	unapi_context_get_stats(c, &st);
	assert_int_equal(st.wakeups, 1);
	f.backlog = 64 * 5; /* more than one run's */
	assert_int_equal(unapi_context_run(c, -1), 320);
	assert_true(fd_readable(fd));
	assert_int_equal(unapi_context_run(c, -1), 0);
	assert_false(fd_readable(fd));
	unapi_context_get_stats(c, &st);
	assert_int_equal(st.wakeups, 2);
	assert_int_equal(st.inbox, 1);
	assert_int_equal(st.processed, 320);
	assert_int_equal(st.waits, 2); /* with work to do it did not wait */

	unapi_context_wake(c);
	assert_true(fd_readable(fd));
	assert_int_equal(unapi_context_run(c, -1), 0);
	assert_false(fd_readable(fd));
	fake_del(&f);
	unapi_context_destroy(c);
}

static void timeouts(void **state)
{
	struct unapi_context *c;

	now = NSEC_PER_SEC;
	unapi_clock_set_virtual(&now);
	c = fake_context(0);
	assert_int_equal(unapi_context_run(c, 12345), 0);
	assert_int_equal(now, NSEC_PER_SEC + 12345);
	assert_int_equal(unapi_context_run(c, 0), 0);
	assert_int_equal(now, NSEC_PER_SEC + 12345);
	unapi_clock_set_virtual(NULL);
	assert_int_equal(unapi_context_run(c, 1000), 0);
	unapi_context_destroy(c);
}

/* A signal ends a wait, and only a wait; a thread of the library's takes no signal of the application's. */
static sem_t signalled;

static void on_signal(int sig)
{
	sem_post(&signalled);
}

static void *wait_for_signal(void *arg)
{
	return (void *)(intptr_t)unapi_context_run(arg, -1);
}

static void signals(void **state)
{
	struct sigaction sa = {.sa_handler = on_signal}, old;
	struct unapi_context *c = fake_context(0);
	pthread_t t;
	void *rc;

	sem_init(&signalled, 0, 0);
	sigaction(SIGUSR1, &sa, &old);
	pthread_create(&t, NULL, wait_for_signal, c);
	/* again until one comes while it waits: a signal just before the wait is not the run's to notice */
	while (pthread_tryjoin_np(t, &rc)) {
		pthread_kill(t, SIGUSR1);
		sched_yield();
	}
	while (!sem_trywait(&signalled))
		;
	assert_int_equal((intptr_t)rc, -EINTR);

	assert_int_equal(unapi_context_start(c, -1), 0);
	assert_int_equal(pthread_kill(c->thread, SIGUSR1), 0);
	assert_int_equal(unapi_context_stop(c), 0);
	assert_int_equal(sem_trywait(&signalled), -1);
	sigaction(SIGUSR1, &old, NULL);
	unapi_context_destroy(c);
}

/* Sources: level triggered, removable by themselves and by each other. */
struct counted {
	struct unapi_source src;
	struct unapi_source *removes;
	int runs;
};

static void count_run(struct unapi_source *src)
{
	struct counted *s = container_of(src, struct counted, src);

	s->runs++;
	if (s->removes)
		unapi_context_del_source(s->removes);
}

static void sources(void **state)
{
	struct unapi_context *c = fake_context(0);
	struct counted s[2] = {{.src.fn = count_run}, {.src.fn = count_run}};
	uint64_t count;
	int i;

	for (i = 0; i < 2; i++) {
		s[i].src.fd = eventfd(0, EFD_NONBLOCK);
		assert_int_equal(unapi_context_add_source(c, &s[i].src), 0);
		assert_int_equal(unapi_context_add_source(c, &s[i].src), -EEXIST);
	}
	assert_int_equal(unapi_context_destroy(c), -EBUSY);
	assert_int_equal(unapi_context_run(c, 0), 0);
	assert_int_equal(s[0].runs + s[1].runs, 0);
	eventfd_write(s[0].src.fd, 1);
	assert_int_equal(unapi_context_run(c, -1), 0);
	assert_int_equal(unapi_context_run(c, -1), 0);
	assert_int_equal(s[0].runs, 2);
	assert_int_equal(read(s[0].src.fd, &count, sizeof(count)), sizeof(count));
	assert_int_equal(unapi_context_run(c, 0), 0);
	assert_int_equal(s[0].runs, 2);

	/* both ready, the first to run removes the other */
	s[0].runs = 0;
	s[0].removes = &s[1].src;
	s[1].removes = &s[0].src;
	eventfd_write(s[0].src.fd, 1);
	eventfd_write(s[1].src.fd, 1);
	assert_int_equal(unapi_context_run(c, 0), 0);
	assert_int_equal(s[0].runs + s[1].runs, 1);
	/* and then itself */
	i = s[0].runs ? 0 : 1;
	s[i].removes = &s[i].src;
	assert_int_equal(unapi_context_run(c, 0), 0);
	assert_int_equal(unapi_context_run(c, 0), 0);
	assert_int_equal(s[0].runs + s[1].runs, 2);
	unapi_context_del_source(&s[0].src); /* not added: nothing */
	assert_int_equal(unapi_context_destroy(c), 0);
	close(s[0].src.fd);
	close(s[1].src.fd);
}

/* Calls from other threads. */
static pthread_t called_on;
static int calls;

static void note_call(void *arg)
{
	called_on = pthread_self();
	calls++;
}

static sem_t inside, leave;

static void stay_inside(void *arg)
{
	sem_post(&inside);
	sem_wait(&leave);
}

static void *call_stay(void *arg)
{
	unapi_context_call(arg, stay_inside, NULL, NSEC_PER_SEC);
	return NULL;
}

static void *run_for_ever(void *arg)
{
	/* until the call that this thread is here for was made */
	while (__atomic_load_n(&calls, __ATOMIC_ACQUIRE) < 1)
		assert_true(unapi_context_run(arg, -1) >= 0);
	return NULL;
}

static void note_call_atomic(void *arg)
{
	called_on = pthread_self();
	__atomic_store_n(&calls, 1, __ATOMIC_RELEASE);
}

static void calls_reach_the_runner(void **state)
{
	struct unapi_context *c = fake_context(0);
	pthread_t t;

	/* nobody inside: the caller runs it */
	calls = 0;
	assert_int_equal(unapi_context_call(c, note_call, NULL, 0), 0);
	assert_int_equal(calls, 1);
	assert_true(pthread_equal(called_on, pthread_self()));

	/* a thread of the library's */
	assert_int_equal(unapi_context_start(c, -1), 0);
	calls = 0;
	/* (before it is inside, the caller may still be faster) */
	while (!READ_ONCE(c->runner))
		sched_yield();
	assert_int_equal(unapi_context_call(c, note_call, NULL, 5 * NSEC_PER_SEC), 0);
	assert_int_equal(calls, 1);
	assert_true(pthread_equal(called_on, c->thread));
	assert_int_equal(unapi_context_stop(c), 0);

	/* somebody inside who does not come round: taken back */
	sem_init(&inside, 0, 0);
	sem_init(&leave, 0, 0);
	pthread_create(&t, NULL, call_stay, c);
	sem_wait(&inside);
	calls = 0;
	assert_int_equal(unapi_context_call(c, note_call, NULL, NSEC_PER_MSEC), -ETIMEDOUT);
	sem_post(&leave);
	pthread_join(t, NULL);
	assert_int_equal(unapi_context_run(c, 0), 0);
	assert_int_equal(calls, 0);

	/* an application thread that sleeps inside the run */
	pthread_create(&t, NULL, run_for_ever, c);
	while (!READ_ONCE(c->runner))
		sched_yield();
	assert_int_equal(unapi_context_call(c, note_call_atomic, NULL, 5 * NSEC_PER_SEC), 0);
	pthread_join(t, NULL);
	unapi_context_destroy(c);
}

static void run_by_one_at_a_time(void **state)
{
	struct unapi_context *c = fake_context(0);
	pthread_t t;

	calls = 0;
	pthread_create(&t, NULL, run_for_ever, c);
	while (!READ_ONCE(c->runner))
		sched_yield();
	assert_int_equal(unapi_context_run(c, 0), -EBUSY);
	assert_int_equal(unapi_context_start(c, -1), -EBUSY);
	assert_int_equal(unapi_context_destroy(c), -EBUSY);
	__atomic_store_n(&calls, 1, __ATOMIC_RELEASE);
	unapi_context_wake(c);
	pthread_join(t, NULL);
	/* another thread, after it: this one */
	assert_int_equal(unapi_context_run(c, 0), 0);
	unapi_context_destroy(c);
}

/* One thread, several contexts. */
static void two_contexts_one_thread(void **state)
{
	struct unapi_context *x = fake_context(0), *y = fake_context(0);
	struct fake a, b;

	fake_add(&a, x, 'a');
	fake_add(&b, y, 'b');
	napi_enable(&a.n);
	napi_enable(&b.n);
	napi_schedule(&a.n);
	napi_schedule(&b.n);
	assert_int_equal(unapi_context_run(x, 0), 0);
	assert_int_equal(a.polls, 1);
	assert_int_equal(b.polls, 0);
	assert_int_equal(unapi_context_run(y, 0), 0);
	assert_int_equal(b.polls, 1);
	fake_del(&a);
	fake_del(&b);
	unapi_context_destroy(x);
	unapi_context_destroy(y);
}

/* The tick: two seconds after the first packet since the last one, and none when nothing moves. */
static int ticked;

static void count_tick(struct unapi_tick *t)
{
	ticked++;
}

static void count_and_remove(struct unapi_tick *t)
{
	ticked += 100;
	unapi_context_del_tick(t);
}

static void ticks(void **state)
{
	struct unapi_tick t = {.fn = count_tick}, u = {.fn = count_and_remove};
	struct unapi_context *c;
	struct fake f;

	now = NSEC_PER_SEC;
	unapi_clock_set_virtual(&now);
	c = fake_context(0);
	fake_add(&f, c, 'a');
	napi_enable(&f.n);
	ticked = 0;
	assert_int_equal(unapi_context_add_tick(c, &t), 0);
	assert_int_equal(unapi_context_add_tick(c, &u), 0);
	assert_int_equal(unapi_context_destroy(c), -EBUSY);
	now += 10 * UNAPI_TICK_NS;
	assert_int_equal(unapi_context_run(c, 0), 0);
	assert_int_equal(ticked, 0);

	f.backlog = 1;
	napi_schedule(&f.n);
	assert_int_equal(unapi_context_run(c, 0), 1);
	now += UNAPI_TICK_NS - 1;
	assert_int_equal(unapi_context_run(c, 0), 0);
	assert_int_equal(ticked, 0);
	f.backlog = 1;
	napi_schedule(&f.n);
	assert_int_equal(unapi_context_run(c, 0), 1);
	now += 1;
	assert_int_equal(unapi_context_run(c, 0), 0);
	assert_int_equal(ticked, 101);
	now += 10 * UNAPI_TICK_NS;
	assert_int_equal(unapi_context_run(c, 0), 0);
	assert_int_equal(ticked, 101);

	f.backlog = 1;
	napi_schedule(&f.n);
	assert_int_equal(unapi_context_run(c, 0), 1);
	now += UNAPI_TICK_NS;
	assert_int_equal(unapi_context_run(c, 0), 0);
	assert_int_equal(ticked, 102);
	unapi_context_del_tick(&t);
	unapi_context_del_tick(&t);
	fake_del(&f);
	unapi_context_destroy(c);
	unapi_clock_set_virtual(NULL);
}

/* A thread that has nothing to do does not wake up, and an interrupt costs one wait. */
static sem_t polled;

static void tell_polled(struct fake *f)
{
	sem_post(&polled);
}

static void idle_threads_sleep(void **state)
{
	struct unapi_context *c = fake_context(0);
	struct unapi_context_stats st;
	struct fake f;
	int i;

	sem_init(&polled, 0, 0);
	fake_add(&f, c, 'a');
	fake_add_vector(&f);
	f.after_complete = tell_polled;
	napi_enable(&f.n);
	assert_int_equal(unapi_context_start(c, -1), 0);
	for (i = 0; i < 10; i++) {
		fake_interrupt(&f);
		sem_wait(&polled);
		/* "may be asleep" is said before the wait that follows */
		while (__atomic_load_n(&c->inbox.sleep, __ATOMIC_SEQ_CST) != INBOX_ASLEEP)
			sched_yield();
	}
	unapi_context_get_stats(c, &st);
	assert_int_equal(st.runs, 10);
	assert_in_range(st.waits, 10, 11); /* the last one is counted as it begins */
	assert_int_equal(st.wakeups, 0);
	assert_int_equal(unapi_context_stop(c), 0);
	fake_del(&f);
	unapi_context_destroy(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create_and_destroy),
		cmocka_unit_test(pollable_fd),
		cmocka_unit_test(timeouts),
		cmocka_unit_test(signals),
		cmocka_unit_test(sources),
		cmocka_unit_test(calls_reach_the_runner),
		cmocka_unit_test(run_by_one_at_a_time),
		cmocka_unit_test(two_contexts_one_thread),
		cmocka_unit_test(ticks),
		cmocka_unit_test(idle_threads_sleep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
