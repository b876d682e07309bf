/* SPDX-License-Identifier: BSD-3-Clause */
/* The races of doc/napi-races.md that need a second thread. What one thread waits for is always something
 * that the other has certainly done or will do; nothing depends on who is faster. */
#include "tests/unit/napi_rig.h"

#include <sched.h>
#include <semaphore.h>

static struct rig rig;

static uint64_t thread_of(struct rig *r)
{
	struct unapi_napi_info i;

	unapi_napi_get_info(&r->f.n, &i);
	return i.thread_tid;
}

/* Its thread is between polls, and has seen everything that was asked before. */
static void come_round(struct rig *r)
{
	assert_int_equal(napi_synchronize(&r->f.n), 0);
}

static void race_thread_busy_poll_against_disable(void **state)
{
	struct rig *r = &rig;
	uint64_t polls;

	rig_open_real(r, 2, T);
	r->f.after_complete = NULL;
	assert_int_equal(napi_set_threaded(&r->f.n, NETDEV_NAPI_THREADED_BUSY_POLL), 0);
	while (!(rig_word(r) & NAPIF_IN_BUSY_POLL)) /* the change schedules it once */
		sched_yield();
	assert_int_equal(napi_disable(&r->f.n), 0);
	assert_int_equal(rig_word(r), NAPIF_LISTED | NAPIF_SCHED | NAPIF_NPSVC);
	polls = rig_stats(r).polls;
	come_round(r);
	assert_int_equal(rig_stats(r).polls, polls);
	rig_close(r);
}

struct second {
	struct rig *r;
	bool prefer;
	unsigned long before, after;
	int polls;
};

static void *second_busy_poller(void *arg)
{
	struct second *s = arg;

	s->before = rig_word(s->r);
	s->polls = s->r->f.polls;
	rig_busy_once(s->r, s->prefer);
	s->after = rig_word(s->r);
	s->polls = s->r->f.polls - s->polls;
	return NULL;
}

/* While the first has it, the second comes and goes. */
static bool second_comes(void *arg, unsigned long start)
{
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, second_busy_poller, arg), 0);
	pthread_join(t, NULL);
	return true;
}

static void race_two_busy_pollers(void **state)
{
	struct second s = {.r = &rig};
	struct rig *r = &rig;

	rig_open_real(r, 0, 0);
	assert_int_equal(napi_busy_loop(r->f.n.napi_id, second_comes, &s, false, 8), 0);
	assert_int_equal(s.polls, 0);
	assert_int_equal(s.before, NAPIF_LISTED | NAPIF_SCHED | NAPIF_IN_BUSY_POLL);
	assert_int_equal(s.after, s.before);
	assert_int_equal(r->f.polls, 2);
	s.prefer = true;
	assert_int_equal(napi_busy_loop(r->f.n.napi_id, second_comes, &s, false, 8), 0);
	assert_int_equal(s.polls, 0);
	assert_int_equal(s.after, s.before | NAPIF_PREFER_BUSY_POLL);
	rig_close(r);
}

/* Its thread is awake while a busy poller owns the instance, and does not poll: nothing was queued to it. */
static bool thread_is_woken(void *arg, unsigned long start)
{
	struct rig *r = arg;
	uint64_t polls = rig_stats(r).thread_polls;

	assert_false(rig_word(r) & NAPIF_SCHED_THREADED);
	assert_false(napi_schedule(&r->f.n));
	unapi_context_wake(r->f.n.ctx);
	come_round(r);
	assert_int_equal(rig_stats(r).thread_polls, polls);
	assert_false(rig_word(r) & NAPIF_SCHED_THREADED);
	return true;
}

static void race_thread_woken_for_another_owner(void **state)
{
	struct rig *r = &rig;

	rig_open_real(r, 0, 0);
	r->f.after_complete = NULL;
	assert_int_equal(napi_set_threaded(&r->f.n, NETDEV_NAPI_THREADED_ENABLED), 0);
	while (rig_word(r) & NAPIF_SCHED)
		sched_yield();
	assert_int_equal(napi_busy_loop(r->f.n.napi_id, thread_is_woken, r, false, 8), 0);
	assert_int_equal(napi_set_threaded(&r->f.n, NETDEV_NAPI_THREADED_DISABLED), 0);
	rig_run(r);
	rig_close(r);
}

/* A busy poller that owns the instance until somebody wants it. */
struct owner {
	struct rig *r;
	sem_t owns;
	uint64_t tid_asked; /* the instance's thread when it was asked to let go */
	bool asked;
	int rc;
};

static bool until_asked(void *arg, unsigned long start)
{
	struct owner *o = arg;

	if (o->asked)
		return false; /* it goes on for as long as there is the instance */
	sem_post(&o->owns);
	while (!(rig_word(o->r) & NAPIF_DISABLE))
		sched_yield();
	o->asked = true;
	o->tid_asked = thread_of(o->r);
	return false;
}

static bool until_changed(void *arg, unsigned long start)
{
	struct owner *o = arg;

	return o->asked || until_asked(arg, start);
}

static void *owner_main(void *arg)
{
	struct owner *o = arg;

	o->rc = napi_busy_loop(o->r->f.n.napi_id, until_changed, o, false, 8);
	return NULL;
}

static void *owner_of_what_goes(void *arg)
{
	struct owner *o = arg;

	o->rc = napi_busy_loop(o->r->f.n.napi_id, until_asked, o, false, 8);
	return NULL;
}

static void race_threaded_off_while_owned(void **state)
{
	struct owner o = {.r = &rig};
	struct rig *r = &rig;
	uint64_t tid;
	pthread_t t;

	rig_open_real(r, 0, 0);
	r->f.after_complete = NULL;
	sem_init(&o.owns, 0, 0);
	assert_int_equal(napi_set_threaded(&r->f.n, NETDEV_NAPI_THREADED_ENABLED), 0);
	while (rig_word(r) & NAPIF_SCHED)
		sched_yield();
	tid = thread_of(r);
	assert_int_equal(pthread_create(&t, NULL, owner_main, &o), 0);
	sem_wait(&o.owns);
	assert_int_equal(napi_set_threaded(&r->f.n, NETDEV_NAPI_THREADED_DISABLED), 0);
	assert_int_equal(thread_of(r), 0);
	pthread_join(t, NULL);
	assert_int_equal(o.tid_asked, tid); /* it was there for as long as the ownership */
	assert_false(rig_word(r) & (NAPIF_THREADED | NAPIF_SCHED_THREADED));
	rig_run(r);
	assert_int_equal(rig_word(r), NAPIF_LISTED);
	rig_close(r);
}

/* The busy poller has looked the id up and polls; it lets go, looks again, and finds nothing. */
static void race_id_lookup_against_disable(void **state)
{
	struct owner o = {.r = &rig};
	struct rig *r = &rig;
	unsigned int id;
	pthread_t t;

	rig_open_real(r, 0, 0);
	r->f.after_complete = NULL;
	sem_init(&o.owns, 0, 0);
	id = r->f.n.napi_id;
	assert_int_equal(pthread_create(&t, NULL, owner_of_what_goes, &o), 0);
	sem_wait(&o.owns);
	assert_int_equal(napi_disable(&r->f.n), 0);
	pthread_join(t, NULL);
	assert_int_equal(o.rc, -ENOENT);
	assert_null(napi_by_id(id));
	assert_int_equal(r->f.n.holders, 0);
	assert_int_equal(rig_word(r), NAPIF_LISTED | NAPIF_SCHED | NAPIF_NPSVC);
	rig_close(r);
}

static bool until_released(void *arg, unsigned long start)
{
	struct owner *o = arg;

	sem_post(&o->owns);
	while (!__atomic_load_n(&o->asked, __ATOMIC_ACQUIRE))
		sched_yield();
	return true;
}

static void *holder_main(void *arg)
{
	struct owner *o = arg;

	o->rc = napi_busy_loop(o->r->f.n.napi_id, until_released, o, false, 8);
	return NULL;
}

/* It has looked the id up and does not own: disable waits for it all the same. */
static void race_disable_against_a_holder(void **state)
{
	struct owner o = {.r = &rig};
	struct rig *r = &rig;
	pthread_t t;

	rig_open(r, 0, 0); /* the deadline is in virtual time */
	sem_init(&o.owns, 0, 0);
	assert_true(napi_schedule_prep(&r->f.n));
	assert_int_equal(pthread_create(&t, NULL, holder_main, &o), 0);
	sem_wait(&o.owns);
	__napi_schedule(&r->f.n);
	rig_run(r);
	assert_int_equal(rig_word(r), NAPIF_LISTED);
	assert_int_equal(napi_disable_timeout(&r->f.n, T), -ETIMEDOUT);
	__atomic_store_n(&o.asked, true, __ATOMIC_RELEASE);
	pthread_join(t, NULL);
	assert_int_equal(o.rc, 0);
	assert_int_equal(napi_disable_timeout(&r->f.n, T), 0);
	rig_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(race_thread_busy_poll_against_disable),
		cmocka_unit_test(race_two_busy_pollers),
		cmocka_unit_test(race_thread_woken_for_another_owner),
		cmocka_unit_test(race_threaded_off_while_owned),
		cmocka_unit_test(race_id_lookup_against_disable),
		cmocka_unit_test(race_disable_against_a_holder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
