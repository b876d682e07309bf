/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Control calls in the wrong order and from the wrong place: each is answered, with a reason that names the
 * instance, none waits for what cannot come, and the instance goes on as if nothing had been.
 */
#include "tests/unit/napi_fake.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>

static struct unapi_context *home, *other;
static struct fake a;
static int calls; /* times a test's callback was called; atomic */

static void refused(int rc, int want, const char *call)
{
	if (rc != want)
		fail_msg("%s: %d, not %d: %s", call, rc, want, unapi_reason());
	if (!strstr(unapi_reason(), "fake-a"))
		fail_msg("%s: \"%s\" does not name the instance", call, unapi_reason());
}

#define REFUSED(call, error) refused(call, -(error), #call)

static void accepted(int rc, const char *call)
{
	if (rc)
		fail_msg("%s: %d: %s", call, rc, unapi_reason());
}

#define ACCEPTED(call) accepted(call, #call)

static struct napi_config slot;

static void add(void)
{
	ACCEPTED(unapi_napi_add(&a.n, home, "fake-a", fake_poll, NAPI_POLL_WEIGHT));
	ACCEPTED(unapi_napi_set_config(&a.n, &slot));
}

/* What an enabled instance refuses anywhere but in a poll method. */
static void wrong_while_enabled(void)
{
	struct unapi_napi_params p = {.given = UNAPI_NAPI_ALL, .threaded = (enum netdev_napi_threaded)3};
	struct napi_config another;

	unapi_napi_config_init(&another);
	REFUSED(napi_enable(&a.n), EINVAL);
	REFUSED(unapi_napi_del(&a.n), EBUSY);
	REFUSED(unapi_napi_add(&a.n, other, "fake-x", fake_poll, 64), EEXIST);
	REFUSED(unapi_napi_set_irq(&a.n, -1, NULL), EBUSY);
	REFUSED(unapi_napi_set_gro(&a.n, NULL), EBUSY);
	REFUSED(unapi_napi_set_config(&a.n, &another), EBUSY);
	REFUSED(napi_set_threaded(&a.n, (enum netdev_napi_threaded) - 1), EINVAL);
	REFUSED(unapi_napi_set(&a.n, &p), EINVAL);
	REFUSED(unapi_napi_set_mode(&a.n, (enum unapi_poll_mode)2), EINVAL);
	REFUSED(unapi_napi_set_context(&a.n, NULL, 0), EINVAL);
}

static void wrong_while_disabled(void)
{
	struct fake b;

	fake_add(&b, other, 'b');
	assert_int_equal(unapi_napi_set_config(&b.n, &slot), -EBUSY);
	assert_non_null(strstr(unapi_reason(), "fake-b"));
	assert_non_null(strstr(unapi_reason(), "fake-a"));
	fake_del(&b);
	REFUSED(napi_disable(&a.n), EALREADY);
	REFUSED(napi_disable_timeout(&a.n, 0), EALREADY);
	REFUSED(unapi_napi_poll_begin(&a.n), ENETDOWN);
	REFUSED(unapi_napi_poll(&a.n, 1), ECANCELED);
	REFUSED(unapi_napi_poll_end(&a.n), EPERM);
	REFUSED(unapi_napi_add(&a.n, other, "fake-x", fake_poll, 64), EEXIST);
}

/* Its memory is there still, and has the name. */
static void wrong_while_deleted(void)
{
	struct unapi_napi_params p = {.given = UNAPI_NAPI_ALL};
	struct unapi_thread_conf conf = {.cpu = -1, .numa_node = -1};

	REFUSED(unapi_napi_del(&a.n), EINVAL);
	REFUSED(napi_enable(&a.n), EINVAL);
	REFUSED(napi_disable(&a.n), EINVAL);
	REFUSED(napi_synchronize(&a.n), EINVAL);
	REFUSED(unapi_napi_set_context(&a.n, other, 0), EINVAL);
	REFUSED(napi_set_threaded(&a.n, NETDEV_NAPI_THREADED_ENABLED), EINVAL);
	REFUSED(unapi_napi_set_thread_conf(&a.n, &conf), EINVAL);
	REFUSED(unapi_napi_set(&a.n, &p), EINVAL);
	REFUSED(unapi_napi_set_config(&a.n, &slot), EINVAL);
	REFUSED(unapi_napi_set_irq(&a.n, -1, NULL), EINVAL);
	REFUSED(unapi_napi_set_gro(&a.n, NULL), EINVAL);
	REFUSED(unapi_napi_set_mode(&a.n, UNAPI_POLL_BUSY), EINVAL);
	REFUSED(unapi_napi_poll_begin(&a.n), ENETDOWN);
	assert_false(napi_schedule(&a.n)); /* refused as at rest */
	assert_int_equal(unapi_napi_add(&a.n, home, "fake-a", fake_poll, 0), -EINVAL);
	assert_int_equal(unapi_napi_add(&a.n, NULL, "fake-a", fake_poll, 64), -EINVAL);
}

/* Every wrong call of a whole life, among the right ones. Also what is right is accepted from here. */
static void misuse(void)
{
	wrong_while_enabled();
	ACCEPTED(napi_synchronize(&a.n));
	ACCEPTED(napi_disable(&a.n));
	wrong_while_disabled();
	ACCEPTED(napi_synchronize(&a.n));
	ACCEPTED(unapi_napi_del(&a.n));
	wrong_while_deleted();
	add();
	wrong_while_disabled();
	ACCEPTED(unapi_napi_set_irq(&a.n, a.vector, NULL));
	ACCEPTED(napi_enable(&a.n));
	wrong_while_enabled();
	ACCEPTED(unapi_napi_set_context(&a.n, other, NSEC_PER_SEC));
	ACCEPTED(unapi_napi_set_context(&a.n, home, NSEC_PER_SEC));
	__atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
}

/* What no poll method may ask for, whose ever it is. */
static void wrong_in_a_poll(void)
{
	struct unapi_napi_params p = {.given = UNAPI_NAPI_ALL};

	assert_true(unapi_in_poll());
	REFUSED(napi_enable(&a.n), EDEADLK);
	REFUSED(napi_disable(&a.n), EDEADLK);
	REFUSED(napi_disable_timeout(&a.n, 0), EDEADLK);
	REFUSED(napi_synchronize(&a.n), EDEADLK);
	REFUSED(unapi_napi_del(&a.n), EDEADLK);
	REFUSED(unapi_napi_set_context(&a.n, other, 0), EDEADLK);
	REFUSED(unapi_napi_set_context(&a.n, a.n.ctx, 0), EDEADLK);
	REFUSED(napi_set_threaded(&a.n, NETDEV_NAPI_THREADED_DISABLED), EDEADLK);
	REFUSED(napi_set_threaded(&a.n, NETDEV_NAPI_THREADED_ENABLED), EDEADLK);
	REFUSED(unapi_napi_set(&a.n, &p), EDEADLK);
	REFUSED(unapi_napi_poll_begin(&a.n), EDEADLK);
	REFUSED(unapi_napi_poll(&a.n, 1), EDEADLK);
	REFUSED(unapi_napi_poll_end(&a.n), EPERM);
	REFUSED(unapi_napi_add(&a.n, other, "fake-x", fake_poll, 64), EEXIST);
	REFUSED(unapi_napi_set_irq(&a.n, -1, NULL), EBUSY);
	REFUSED(unapi_napi_set_gro(&a.n, NULL), EBUSY);
	REFUSED(unapi_napi_set_config(&a.n, &slot), EBUSY);
	assert_int_equal(napi_busy_loop(a.n.napi_id, NULL, NULL, true, 8), -EDEADLK);
	assert_int_equal(unapi_context_run(home, 0), -EDEADLK);
	assert_int_equal(unapi_context_run(other, 0), -EDEADLK);
	assert_int_equal(unapi_context_stop(home), -EDEADLK);
	assert_int_equal(unapi_context_stop(other), -EDEADLK);
	assert_int_equal(unapi_context_destroy(home), -EDEADLK);
	assert_int_equal(unapi_context_call(home, NULL, NULL, 0), -EDEADLK);
	__atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
}

static void in_a_poll(struct fake *f)
{
	WRITE_ONCE(f->before_complete, NULL);
	wrong_in_a_poll();
}

static void after_completion(struct fake *f)
{
	WRITE_ONCE(f->after_complete, NULL);
	wrong_in_a_poll();
}

static void open_all(void)
{
	home = fake_context(0);
	other = fake_context(0);
	memset(&a, 0, sizeof(a));
	unapi_napi_config_init(&slot);
	add();
	a.vector = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ACCEPTED(unapi_napi_set_irq(&a.n, a.vector, NULL));
	ACCEPTED(napi_enable(&a.n));
	calls = 0;
}

/* It still takes interrupts, polls, completes, and ends; the application runs its home. */
static void close_all(int called)
{
	assert_int_equal(__atomic_load_n(&calls, __ATOMIC_RELAXED), called);
	while (unapi_context_run(home, 0) > 0)
		;
	a.unmasked = false;
	a.backlog = 100;
	fake_interrupt(&a);
	assert_int_equal(unapi_context_run(home, 0), 100);
	assert_true(a.unmasked);
	assert_int_equal(napi_state_read(&a.n.state), NAPIF_LISTED);
	assert_int_equal(a.n.stats.violations, 0);
	fake_del(&a);
	assert_int_equal(unapi_context_destroy(home), 0);
	assert_int_equal(unapi_context_destroy(other), 0);
}

static void never_added(void **state)
{
	struct napi_struct n = {0};

	assert_int_equal(unapi_napi_del(&n), -EINVAL);
	assert_int_equal(napi_enable(&n), -EINVAL);
	assert_int_equal(napi_disable(&n), -EINVAL);
	assert_int_equal(napi_synchronize(&n), -EINVAL);
	assert_int_equal(unapi_napi_set_irq(&n, -1, NULL), -EINVAL);
	assert_int_equal(unapi_napi_set_mode(&n, UNAPI_POLL_BUSY), -EINVAL);
	assert_int_equal(napi_set_threaded(&n, NETDEV_NAPI_THREADED_DISABLED), -EINVAL);
	assert_non_null(strstr(unapi_reason(), "unnamed"));
}

/* The thread that runs the home context, outside of its run. */
static void from_the_running_thread(void **state)
{
	open_all();
	misuse();
	napi_schedule(&a.n); /* also while it is queued */
	misuse();
	a.backlog = 1000; /* and while it has more */
	napi_schedule(&a.n);
	misuse();
	close_all(3);
}

/* Inside its run: a handler of something else, of the instance's own vector, a tick, and a call. */
static void from_source(struct unapi_source *src)
{
	uint64_t count;

	assert_int_equal(read(src->fd, &count, sizeof(count)), sizeof(count));
	misuse();
}

static void from_its_vector(struct napi_struct *n)
{
	misuse();
}

static void from_tick(struct unapi_tick *t)
{
	misuse();
}

static void from_call(void *arg)
{
	misuse();
}

static void from_handlers(void **state)
{
	struct unapi_source src = {.fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC), .fn = from_source};
	struct unapi_tick tick = {.fn = from_tick};
	uint64_t now = NSEC_PER_SEC;

	unapi_clock_set_virtual(&now);
	open_all();
	ACCEPTED(unapi_context_add_source(home, &src));
	napi_schedule(&a.n);
	fake_interrupt(&a);
	assert_true(unapi_context_run(home, 0) >= 0);
	assert_int_equal(calls, 1);
	unapi_context_del_source(&src);
	close(src.fd);

	ACCEPTED(napi_disable(&a.n));
	ACCEPTED(unapi_napi_set_irq(&a.n, a.vector, from_its_vector));
	ACCEPTED(napi_enable(&a.n));
	fake_interrupt(&a);
	assert_true(unapi_context_run(home, 0) >= 0);
	assert_int_equal(calls, 2); /* misuse() has put the usual handler in its place */

	ACCEPTED(unapi_context_add_tick(home, &tick));
	a.backlog = 1;
	napi_schedule(&a.n);
	assert_int_equal(unapi_context_run(home, 0), 1);
	now += UNAPI_TICK_NS;
	assert_true(unapi_context_run(home, 0) >= 0);
	assert_int_equal(calls, 3);
	unapi_context_del_tick(&tick);

	ACCEPTED(unapi_context_call(home, from_call, NULL, 0));
	close_all(4);
	unapi_clock_set_virtual(NULL);
}

static void *misuse_thread(void *arg)
{
	misuse();
	return NULL;
}

static void in_a_thread(void *(*fn)(void *), void *arg)
{
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, fn, arg), 0);
	assert_int_equal(pthread_join(t, NULL), 0);
}

/* Another thread: nobody runs the home, or a thread of the library's does. */
static void from_another_thread(void **state)
{
	open_all();
	in_a_thread(misuse_thread, NULL);
	ACCEPTED(unapi_context_start(home, -1));
	ACCEPTED(unapi_context_start(other, -1));
	misuse();
	fake_interrupt(&a);
	misuse();
	ACCEPTED(unapi_context_stop(home));
	ACCEPTED(unapi_context_stop(other));
	close_all(3);
}

/* The end of a busy loop is asked outside of polls. Over another instance that is a place as any other; over
 * the instance itself nothing that takes it can be. */
static bool misuse_once(void *arg, unsigned long start)
{
	misuse();
	return true;
}

static bool wrong_in_its_loop(void *arg, unsigned long start)
{
	REFUSED(napi_enable(&a.n), EINVAL);
	REFUSED(napi_disable(&a.n), EDEADLK);
	REFUSED(unapi_napi_del(&a.n), EBUSY);
	REFUSED(unapi_napi_set_context(&a.n, other, 0), EDEADLK);
	REFUSED(napi_set_threaded(&a.n, NETDEV_NAPI_THREADED_ENABLED), EDEADLK);
	wrong_while_enabled();
	assert_int_equal(unapi_napi_poll_begin(&a.n), -ECANCELED);
	assert_int_equal(napi_busy_loop(a.n.napi_id, NULL, NULL, true, 8), -EDEADLK);
	ACCEPTED(napi_synchronize(&a.n));
	return ++*(int *)arg == 200; /* long enough for it to let go in between */
}

static void from_a_loops_end(void **state)
{
	struct fake b;
	int turns = 0;

	open_all();
	fake_add(&b, home, 'b');
	ACCEPTED(napi_enable(&b.n));
	ACCEPTED(napi_busy_loop(b.n.napi_id, misuse_once, NULL, false, 8));
	napi_schedule(&a.n);
	ACCEPTED(napi_busy_loop(b.n.napi_id, misuse_once, NULL, true, 8));
	ACCEPTED(napi_busy_loop(a.n.napi_id, wrong_in_its_loop, &turns, false, 8));
	assert_int_equal(turns, 200);
	fake_del(&b);
	close_all(2);
}

/* A thread that polls the instance as an application: outside of its polls it may do all it likes. */
static void from_a_caller(void **state)
{
	int i;

	open_all();
	ACCEPTED(unapi_context_set_poller(home, true));
	for (i = 0; i < 2; i++) {
		ACCEPTED(unapi_napi_set_mode(&a.n, UNAPI_POLL_BUSY));
		ACCEPTED(unapi_napi_poll_begin(&a.n));
		REFUSED(unapi_napi_poll_begin(&a.n), EBUSY);
		REFUSED(unapi_napi_poll(&a.n, -1), EINVAL);
		a.before_complete = in_a_poll;
		assert_int_equal(unapi_napi_poll(&a.n, 8), 0);
		a.after_complete = after_completion;
		assert_int_equal(unapi_napi_poll(&a.n, 8), 0);
		misuse();
		REFUSED(unapi_napi_poll(&a.n, 8), ECANCELED);
		REFUSED(unapi_napi_poll_end(&a.n), EPERM);
	}
	ACCEPTED(unapi_context_set_poller(home, false));
	close_all(6);
}

/* From poll methods: its own, another's, and of every kind of poller. */
static void from_poll_methods(void **state)
{
	struct fake b;

	open_all();
	fake_add(&b, other, 'b');
	ACCEPTED(napi_enable(&b.n));
	a.before_complete = in_a_poll;
	napi_schedule(&a.n);
	assert_int_equal(unapi_context_run(home, 0), 0);
	a.after_complete = after_completion;
	napi_schedule(&a.n);
	assert_int_equal(unapi_context_run(home, 0), 0);
	b.before_complete = in_a_poll;
	napi_schedule(&b.n);
	assert_int_equal(unapi_context_run(other, 0), 0);
	assert_int_equal(calls, 3);

	a.before_complete = in_a_poll; /* busy loop, and its stop */
	ACCEPTED(napi_busy_loop(a.n.napi_id, NULL, NULL, false, 8));
	a.before_complete = in_a_poll;
	napi_schedule(&a.n); /* polled by who disables it */
	ACCEPTED(napi_disable(&a.n));
	ACCEPTED(napi_enable(&a.n));
	fake_del(&b);
	close_all(5);
}

/* On the thread that an instance has of its own, in its interrupt handler. */
static sem_t done;
static int enabled; /* atomic: says in the language that the interrupt came after napi_enable() */

static void from_own_thread(struct napi_struct *n)
{
	assert_true(__atomic_load_n(&enabled, __ATOMIC_ACQUIRE));
	wrong_while_enabled();
	REFUSED(napi_set_threaded(n, NETDEV_NAPI_THREADED_DISABLED), EDEADLK);
	ACCEPTED(napi_synchronize(n));
	ACCEPTED(napi_disable(n));
	wrong_while_disabled();
	REFUSED(unapi_napi_del(n), EDEADLK);
	REFUSED(napi_set_threaded(n, NETDEV_NAPI_THREADED_DISABLED), EDEADLK);
	ACCEPTED(napi_enable(n));
	wrong_while_enabled();
	__atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
	sem_post(&done);
}

static void in_own_threads_poll(struct fake *f)
{
	WRITE_ONCE(f->before_complete, NULL);
	wrong_in_a_poll();
	sem_post(&done);
}

static void from_its_own_thread(void **state)
{
	enum netdev_napi_threaded t;

	sem_init(&done, 0, 0);
	open_all();
	for (t = NETDEV_NAPI_THREADED_ENABLED; t <= NETDEV_NAPI_THREADED_BUSY_POLL; t++) {
		ACCEPTED(napi_disable(&a.n));
		ACCEPTED(unapi_napi_set_irq(&a.n, a.vector, from_own_thread));
		ACCEPTED(napi_set_threaded(&a.n, t));
		ACCEPTED(napi_enable(&a.n));
		__atomic_store_n(&enabled, 1, __ATOMIC_RELEASE);
		fake_interrupt(&a);
		sem_wait(&done);
		WRITE_ONCE(a.before_complete, in_own_threads_poll);
		napi_schedule(&a.n);
		sem_wait(&done);
		misuse(); /* from here; the new one has the thread that the slot remembers */
		assert_int_equal(napi_get_threaded(&a.n), t);
	}
	ACCEPTED(napi_set_threaded(&a.n, NETDEV_NAPI_THREADED_DISABLED));
	close_all(6);
}

/* While another thread waits to disable it. */
static sem_t inside, go;

static void stay_inside(struct fake *f)
{
	WRITE_ONCE(f->before_complete, NULL);
	sem_post(&inside);
	sem_wait(&go);
}

static void *disable_thread(void *arg)
{
	ACCEPTED(napi_disable(&a.n));
	return NULL;
}

static void while_another_disables(void **state)
{
	pthread_t t;

	sem_init(&inside, 0, 0);
	sem_init(&go, 0, 0);
	open_all();
	ACCEPTED(unapi_context_start(home, -1));
	a.before_complete = stay_inside;
	napi_schedule(&a.n);
	sem_wait(&inside);
	pthread_create(&t, NULL, disable_thread, NULL);
	while (!(napi_state_read(&a.n.state) & NAPIF_DISABLE))
		sched_yield();
	REFUSED(napi_disable(&a.n), EBUSY);
	REFUSED(unapi_napi_set_context(&a.n, other, 0), EBUSY);
	REFUSED(napi_set_threaded(&a.n, NETDEV_NAPI_THREADED_ENABLED), EBUSY);
	REFUSED(unapi_napi_poll_begin(&a.n), ECANCELED);
	wrong_while_enabled();
	assert_false(napi_schedule(&a.n));
	sem_post(&go);
	pthread_join(t, NULL);
	wrong_while_disabled();
	ACCEPTED(napi_enable(&a.n));
	ACCEPTED(unapi_context_stop(home));
	close_all(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(never_added),
		cmocka_unit_test(from_the_running_thread),
		cmocka_unit_test(from_handlers),
		cmocka_unit_test(from_another_thread),
		cmocka_unit_test(from_a_loops_end),
		cmocka_unit_test(from_a_caller),
		cmocka_unit_test(from_poll_methods),
		cmocka_unit_test(from_its_own_thread),
		cmocka_unit_test(while_another_disables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
