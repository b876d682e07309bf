/* SPDX-License-Identifier: BSD-3-Clause */
/* The ledger as its readers see it: counters, time, and who runs what. */
#include "napi_fake.h"

#include <pthread.h>

static void info_of_a_context(void **state)
{
	struct unapi_context_conf conf = {.name = "one", .netdev_budget = 64, .netdev_budget_usecs = 777};
	struct unapi_context_info info;
	struct unapi_context *c;
	struct fake a, b;

	assert_int_equal(unapi_context_create(&conf, &c), 0);
	unapi_context_get_info(c, &info);
	assert_string_equal(info.name, "one");
	assert_int_equal(info.netdev_budget, 64);
	assert_int_equal(info.netdev_budget_usecs, 777);
	assert_int_equal(info.tid, 0);
	assert_int_equal(info.cpu_ns, 0);
	assert_int_equal(info.instances, 0);

	fake_add(&a, c, 'a');
	fake_add(&b, c, 'b');
	unapi_context_run(c, 0);
	unapi_context_get_info(c, &info);
	assert_int_equal(info.instances, 2);
	assert_int_equal(info.tid, gettid());
	assert_true(info.cpu_ns > 0);
	assert_false(info.own_thread);
	fake_del(&a);
	fake_del(&b);
	assert_int_equal(unapi_context_destroy(c), 0);
}

static void *run_it(void *arg)
{
	unapi_context_run(arg, 0);
	return (void *)(intptr_t)gettid();
}

static void runs_on(struct unapi_context *c, struct unapi_context_info *info)
{
	pthread_t thread;
	void *tid;

	pthread_create(&thread, NULL, run_it, c);
	pthread_join(thread, &tid);
	unapi_context_get_info(c, info);
	assert_int_equal(info->tid, (intptr_t)tid);
}

/* Threads take turns at it; one that has ended has no CPU time to be asked for. */
static void threads_of_a_context(void **state)
{
	struct unapi_context *c = fake_context(0);
	struct unapi_context_info info;
	uint64_t tid;

	for (int i = 0; i < 3; i++) {
		runs_on(c, &info);
		while (info.cpu_ns) /* joined before the kernel is done with it */
			unapi_context_get_info(c, &info);
	}
	assert_int_equal(unapi_context_start(c, -1), 0);
	do {
		unapi_context_get_info(c, &info);
		tid = info.tid;
	} while (!info.cpu_ns); /* until it has come to its first look */
	assert_true(info.own_thread);
	assert_true(tid && tid != (uint64_t)gettid());
	assert_int_equal(unapi_context_stop(c), 0);
	unapi_context_get_info(c, &info);
	assert_false(info.own_thread);
	assert_int_equal(info.tid, 0);
	assert_int_equal(unapi_context_destroy(c), 0);
}

static void contexts_of_an_instance(void **state)
{
	struct unapi_context_conf conf = {.name = "home"};
	struct unapi_napi_info info;
	struct unapi_context *c;
	struct napi_struct none;
	struct fake f;

	assert_int_equal(unapi_context_create(&conf, &c), 0);
	fake_add(&f, c, 'a');
	assert_int_equal(napi_enable(&f.n), 0);
	unapi_napi_get_info(&f.n, &info);
	assert_string_equal(info.context, "home");
	assert_string_equal(info.home, "home");
	assert_int_equal(info.thread_tid, 0);
	assert_int_equal(napi_set_threaded(&f.n, NETDEV_NAPI_THREADED_ENABLED), 0);
	unapi_napi_get_info(&f.n, &info);
	assert_string_equal(info.context, f.n.name);
	assert_string_equal(info.home, "home");
	assert_true(info.thread_tid > 0);
	fake_del(&f);

	/* What was deleted, or never added, has none. */
	unapi_napi_get_info(&f.n, &info);
	assert_string_equal(info.context, "");
	assert_null(info.ctx);
	memset(&none, 0, sizeof(none));
	unapi_napi_get_info(&none, &info);
	assert_string_equal(info.context, "");
	assert_int_equal(unapi_context_destroy(c), 0);
}

static void cleared(void **state)
{
	struct unapi_context *c = fake_context(0);
	struct unapi_napi_stats st;
	struct fake f;

	fake_add(&f, c, 'a');
	assert_int_equal(napi_enable(&f.n), 0);
	for (int i = 0; i < 5; i++) {
		f.backlog = 7;
		napi_schedule(&f.n);
		unapi_context_run(c, 0);
		if (i == 2)
			unapi_napi_clear_stats(&f.n);
	}
	unapi_napi_get_stats(&f.n, &st);
	assert_int_equal(st.work, 14);
	assert_int_equal(st.polls, 2);
	assert_int_equal(st.polls_by[UNAPI_CAUSE_APP], 2);
	assert_int_equal(st.schedules, 2);
	assert_int_equal(st.completions, 2);
	fake_del(&f);
	assert_int_equal(unapi_context_destroy(c), 0);
}

struct loop {
	const struct fake *f;
	unsigned int turns;
	uint64_t charged; /* while it still had the instance */
};

static bool end_after_many(void *arg, unsigned long start)
{
	struct loop *l = arg;
	struct unapi_napi_stats st;

	if (++l->turns < 3 * LEDGER_SAMPLE)
		return false;
	unapi_napi_get_stats(&l->f->n, &st);
	l->charged = st.cycles_by[UNAPI_CAUSE_APP];
	return true;
}

/* A busy loop that never lets go, because its context has a thread, is charged all the same. */
static void a_long_busy_loop(void **state)
{
	struct unapi_context *c = fake_context(0);
	struct unapi_napi_stats st;
	struct loop l = {0};
	struct fake f;

	fake_add(&f, c, 'a');
	l.f = &f;
	assert_int_equal(napi_enable(&f.n), 0);
	assert_int_equal(unapi_context_start(c, -1), 0);
	assert_int_equal(napi_busy_loop(f.n.napi_id, end_after_many, &l, false, 64), 0);
	assert_true(l.charged > 0);
	unapi_napi_get_stats(&f.n, &st);
	assert_true(st.cycles_by[UNAPI_CAUSE_APP] > l.charged);
	assert_true(unapi_cycles_to_ns(st.cycles_by[UNAPI_CAUSE_APP]) > 0);
	fake_del(&f);
	assert_int_equal(unapi_context_destroy(c), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(info_of_a_context),	   cmocka_unit_test(threads_of_a_context),
		cmocka_unit_test(contexts_of_an_instance), cmocka_unit_test(cleared),
		cmocka_unit_test(a_long_busy_loop),
	};

	return cmocka_run_group_tests_name("napi_stats", tests, NULL, NULL);
}
