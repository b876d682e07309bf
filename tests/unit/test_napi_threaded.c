/* SPDX-License-Identifier: BSD-3-Clause */
/* Threaded NAPI: getting and losing the thread, its polls, and busy polling by it. */
#include "tests/unit/napi_fake.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>

#define T 20001ULL

static uint64_t now;
static sem_t completed;

static void tell(struct fake *f)
{
	sem_post(&completed);
}

struct rig {
	struct unapi_context *c;
	struct fake f;
};

static void rig_open(struct rig *r)
{
	sem_init(&completed, 0, 0);
	r->c = fake_context(0);
	fake_add(&r->f, r->c, 'a');
	fake_add_vector(&r->f);
	r->f.after_complete = tell;
}

static void rig_close(struct rig *r)
{
	fake_del(&r->f);
	assert_int_equal(unapi_context_destroy(r->c), 0);
}

/* What the test wrote is seen by the next poll: a vector alone says nothing of that in the language. */
static void interrupt(struct rig *r)
{
	assert_int_equal(napi_synchronize(&r->f.n), 0);
	fake_interrupt(&r->f);
}

static struct unapi_napi_stats stats(struct rig *r)
{
	struct unapi_napi_stats st;

	unapi_napi_get_stats(&r->f.n, &st);
	return st;
}

static uint64_t tid_of(struct rig *r)
{
	struct unapi_napi_info i;

	unapi_napi_get_info(&r->f.n, &i);
	return i.thread_tid;
}

static void assert_comm(uint64_t tid, const char *expected)
{
	char path[64], comm[32];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%llu/comm", (unsigned long long)tid);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_non_null(fgets(comm, sizeof(comm), f));
	fclose(f);
	comm[strcspn(comm, "\n")] = 0;
	assert_string_equal(comm, expected);
}

/* It exists from the first enable with "threaded" until that is 0, and is named for interface and id. */
static void thread_and_name(void **state)
{
	char expected[32];
	uint64_t tid;
	struct rig r;

	rig_open(&r);
	snprintf(r.f.n.name, sizeof(r.f.n.name), "0000:03:00.0-1");
	assert_int_equal(napi_set_threaded(&r.f.n, NETDEV_NAPI_THREADED_ENABLED), 0);
	assert_int_equal(napi_get_threaded(&r.f.n), NETDEV_NAPI_THREADED_ENABLED);
	assert_int_equal(tid_of(&r), 0);
	assert_int_equal(napi_enable(&r.f.n), 0);
	tid = tid_of(&r);
	assert_true(r.f.n.state & NAPIF_THREADED);
	snprintf(expected, sizeof(expected), "napi/:00.0-%u", r.f.n.napi_id);
	assert_comm(tid, expected);
	assert_int_equal(unapi_context_destroy(r.c), -EBUSY); /* it is still its home */

	assert_int_equal(napi_disable(&r.f.n), 0);
	assert_false(r.f.n.state & NAPIF_THREADED);
	snprintf(r.f.n.name, sizeof(r.f.n.name), "p1-0");
	assert_int_equal(napi_enable(&r.f.n), 0);
	assert_int_equal(tid_of(&r), tid);
	snprintf(expected, sizeof(expected), "napi/p1-%u", r.f.n.napi_id);
	assert_comm(tid, expected);

	assert_int_equal(napi_set_threaded(&r.f.n, NETDEV_NAPI_THREADED_DISABLED), 0);
	assert_int_equal(tid_of(&r), 0);
	assert_false(r.f.n.state & NAPIF_THREADED);
	assert_ptr_equal(r.f.n.ctx, r.c);
	assert_int_equal(unapi_context_run(r.c, 0), 0); /* the change of mode schedules it once */
	assert_int_equal(sem_trywait(&completed), 0);
	rig_close(&r);
}

/* The bits of an ownership: 785 at completion on its thread, 17 without. */
static unsigned long seen;

static void look(struct fake *f)
{
	WRITE_ONCE(seen, f->n.state);
}

static void ownership_is_the_threads(void **state)
{
	struct rig r;

	rig_open(&r);
	r.f.before_complete = look;
	assert_int_equal(napi_enable(&r.f.n), 0);
	fake_interrupt(&r.f);
	unapi_context_run(r.c, 0);
	sem_wait(&completed);
	assert_int_equal(READ_ONCE(seen), 17);

	assert_int_equal(napi_set_threaded(&r.f.n, NETDEV_NAPI_THREADED_ENABLED), 0);
	sem_wait(&completed); /* charged to the change of mode */
	assert_int_equal(READ_ONCE(seen), 785);
	assert_int_equal(stats(&r).polls_by[UNAPI_CAUSE_MODE_SWITCH], 1);
	fake_interrupt(&r.f);
	sem_wait(&completed);
	assert_int_equal(READ_ONCE(seen), 785);
	assert_int_equal(stats(&r).irqs, 2);
	napi_schedule(&r.f.n);
	sem_wait(&completed);
	assert_int_equal(READ_ONCE(seen), 785);
	assert_int_equal(stats(&r).thread_polls, 3);
	assert_int_equal(unapi_context_run(r.c, 0), 0);
	assert_int_equal(stats(&r).polls, 4);
	rig_close(&r);
}

/* The same counts as without a thread, for every train. The thread lets the virtual time pass as it waits. */
static void trains(void **state)
{
	static const int ks[] = {1, 8, 63, 64, 65, 128, 130};
	struct unapi_napi_stats st;
	unsigned int i;
	struct rig r;
	int d;

	now = NSEC_PER_SEC;
	unapi_clock_set_virtual(&now);
	for (d = 0; d <= 3; d++)
		for (i = 0; i < ARRAY_SIZE(ks); i++) {
			int k = ks[i], shots = k % 64 ? d : 0;
			uint64_t begin;

			rig_open(&r);
			assert_int_equal(napi_set_threaded(&r.f.n, NETDEV_NAPI_THREADED_ENABLED), 0);
			unapi_napi_set_defer_hard_irqs(&r.f.n, (uint32_t)d);
			unapi_napi_set_gro_flush_timeout(&r.f.n, T);
			assert_int_equal(napi_enable(&r.f.n), 0);
			r.f.backlog = k;
			assert_int_equal(napi_synchronize(&r.f.n), 0);
			begin = __atomic_load_n(&now, __ATOMIC_RELAXED);
			fake_interrupt(&r.f);
			do
				sem_wait(&completed);
			while (!READ_ONCE(r.f.unmasked));
			st = stats(&r);
			assert_int_equal(st.irqs, 1);
			assert_int_equal(st.polls, k / 64 + 1 + shots);
			assert_int_equal(st.thread_polls, st.polls);
			assert_int_equal(st.timer_starts, shots);
			assert_int_equal(st.timer_fires, shots);
			assert_int_equal(st.completions, 1);
			assert_int_equal(__atomic_load_n(&now, __ATOMIC_RELAXED),
					 begin + (uint64_t)shots * T);
			rig_close(&r);
		}
	unapi_clock_set_virtual(NULL);
}

static void wait_polls(struct rig *r, uint64_t more)
{
	uint64_t until = stats(r).polls + more;

	while (stats(r).polls < until)
		sched_yield();
}

/* Busy polling begins with the next request, takes no interrupt and completes nothing; one poll after its end
 * completes and unmasks. */
static void busy_poll(void **state)
{
	struct unapi_napi_stats st;
	struct rig r;

	rig_open(&r);
	assert_int_equal(napi_set_threaded(&r.f.n, NETDEV_NAPI_THREADED_ENABLED), 0);
	assert_int_equal(napi_enable(&r.f.n), 0);
	assert_int_equal(napi_set_threaded(&r.f.n, NETDEV_NAPI_THREADED_BUSY_POLL), 0);
	assert_int_equal(stats(&r).polls, 0);
	fake_interrupt(&r.f);
	wait_polls(&r, 3000);
	st = stats(&r);
	assert_int_equal(st.irqs, 1);
	assert_int_equal(st.completions + st.deferred, 0);
	assert_int_equal(st.violations, 0);
	assert_int_equal(st.polls_by[UNAPI_CAUSE_THREAD], st.polls);
	assert_true(st.cycles_by[UNAPI_CAUSE_THREAD] > 0);

	/* requests meanwhile are the busy poller's */
	fake_interrupt(&r.f);
	while (stats(&r).irqs != 2)
		sched_yield();
	assert_true(READ_ONCE(r.f.n.state) & NAPIF_MISSED);
	while (sem_trywait(&completed) == 0)
		;
	WRITE_ONCE(r.f.after_complete, NULL);
	assert_int_equal(napi_set_threaded(&r.f.n, NETDEV_NAPI_THREADED_ENABLED), 0);
	while (READ_ONCE(r.f.n.state) & NAPIF_SCHED)
		sched_yield();
	st = stats(&r);
	assert_int_equal(st.missed, 1);
	assert_int_equal(st.polls_by[UNAPI_CAUSE_MODE_SWITCH], 2); /* the one that was missed is the other */
	assert_false(READ_ONCE(r.f.n.state) & (NAPIF_IN_BUSY_POLL | NAPIF_SCHED));
	rig_close(&r);
}

/* Disable ends it, enable does not begin it without a request. */
static void busy_poll_and_disable(void **state)
{
	uint64_t polls;
	struct rig r;

	rig_open(&r);
	r.f.after_complete = NULL;
	assert_int_equal(napi_set_threaded(&r.f.n, NETDEV_NAPI_THREADED_BUSY_POLL), 0);
	assert_int_equal(napi_enable(&r.f.n), 0);
	napi_schedule(&r.f.n);
	wait_polls(&r, 100);
	assert_int_equal(napi_disable(&r.f.n), 0);
	polls = stats(&r).polls;
	assert_false(r.f.n.state & (NAPIF_IN_BUSY_POLL | NAPIF_SCHED_THREADED));
	assert_int_equal(napi_enable(&r.f.n), 0);
	assert_true(r.f.n.state & NAPIF_THREADED_BUSY_POLL);
	assert_int_equal(napi_synchronize(&r.f.n), 0);
	assert_int_equal(stats(&r).polls, polls);
	napi_schedule(&r.f.n);
	wait_polls(&r, 100);
	assert_int_equal(napi_synchronize(&r.f.n), 0);

	/* a busy poller by id finds it owned, and asks in vain */
	assert_int_equal(napi_busy_loop(r.f.n.napi_id, NULL, NULL, true, 8), 0);
	assert_int_equal(stats(&r).polls_by[UNAPI_CAUSE_APP], 0);
	assert_int_equal(napi_set_threaded(&r.f.n, NETDEV_NAPI_THREADED_DISABLED), 0);
	assert_int_equal(unapi_context_run(r.c, 0), 0);
	assert_false(r.f.n.state & NAPIF_SCHED);
	rig_close(&r);
}

static int refusal;

static void change_from_poll(struct fake *f)
{
	WRITE_ONCE(refusal, napi_set_threaded(&f->n, NETDEV_NAPI_THREADED_DISABLED));
}

static void change_from_handler(struct napi_struct *n)
{
	WRITE_ONCE(refusal, napi_set_threaded(n, NETDEV_NAPI_THREADED_DISABLED));
	napi_schedule(n);
}

static void refusals(void **state)
{
	struct unapi_thread_conf conf = {.cpu = -1, .numa_node = 4096};
	struct rig r;

	rig_open(&r);
	assert_int_equal(napi_set_threaded(&r.f.n, (enum netdev_napi_threaded)3), -EINVAL);
	assert_int_equal(unapi_napi_set_irq(&r.f.n, r.f.vector, change_from_handler), 0);
	assert_int_equal(napi_set_threaded(&r.f.n, NETDEV_NAPI_THREADED_ENABLED), 0);
	assert_int_equal(napi_enable(&r.f.n), 0);
	assert_int_equal(unapi_napi_set_thread_conf(&r.f.n, &conf), -EINVAL);
	conf = (struct unapi_thread_conf){.cpu = CPU_SETSIZE - 1, .numa_node = -1};
	assert_int_equal(unapi_napi_set_thread_conf(&r.f.n, &conf), -EINVAL);
	conf = (struct unapi_thread_conf){.cpu = -1, .numa_node = -1, .policy = 77};
	assert_int_equal(unapi_napi_set_thread_conf(&r.f.n, &conf), -EINVAL);
	assert_int_equal(unapi_napi_set_mode(&r.f.n, UNAPI_POLL_BUSY), -EOPNOTSUPP);
	fake_interrupt(&r.f);
	sem_wait(&completed);
	assert_int_equal(READ_ONCE(refusal), -EDEADLK);
	WRITE_ONCE(refusal, 0);
	WRITE_ONCE(r.f.before_complete, change_from_poll);
	napi_schedule(&r.f.n);
	sem_wait(&completed);
	assert_int_equal(READ_ONCE(refusal), -EDEADLK);
	rig_close(&r);
	assert_int_equal(napi_set_threaded(&r.f.n, NETDEV_NAPI_THREADED_ENABLED), -EINVAL);
}

/* A thread that cannot be had as asked for leaves everything as it was. */
static void no_thread(void **state)
{
	struct unapi_thread_conf conf = {.cpu = CPU_SETSIZE - 1, .numa_node = -1};
	struct rig r;

	rig_open(&r);
	assert_int_equal(unapi_napi_set_thread_conf(&r.f.n, &conf), 0);
	assert_int_equal(napi_enable(&r.f.n), 0);
	assert_int_equal(napi_set_threaded(&r.f.n, NETDEV_NAPI_THREADED_ENABLED), -EINVAL);
	assert_int_equal(napi_get_threaded(&r.f.n), NETDEV_NAPI_THREADED_DISABLED);
	fake_interrupt(&r.f);
	unapi_context_run(r.c, 0);
	sem_wait(&completed);

	assert_int_equal(napi_disable(&r.f.n), 0);
	assert_int_equal(napi_set_threaded(&r.f.n, NETDEV_NAPI_THREADED_ENABLED), 0);
	assert_int_equal(napi_enable(&r.f.n), -EINVAL);
	assert_int_equal(r.f.n.napi_id, 0);
	assert_int_equal(napi_disable(&r.f.n), -EALREADY);
	rig_close(&r);
}

static void pinned(void **state)
{
	struct unapi_thread_conf conf = {.numa_node = -1}, got;
	cpu_set_t set;
	struct rig r;

	rig_open(&r);
	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	while (!CPU_ISSET(conf.cpu, &set))
		conf.cpu++;
	conf.policy = SCHED_BATCH;
	assert_int_equal(unapi_napi_set_thread_conf(&r.f.n, &conf), 0);
	assert_int_equal(napi_enable(&r.f.n), 0);
	assert_int_equal(napi_set_threaded(&r.f.n, NETDEV_NAPI_THREADED_ENABLED), 0);
	assert_int_equal(sched_getaffinity((pid_t)tid_of(&r), sizeof(set), &set), 0);
	assert_int_equal(CPU_COUNT(&set), 1);
	assert_true(CPU_ISSET(conf.cpu, &set));
	assert_int_equal(sched_getscheduler((pid_t)tid_of(&r)), SCHED_BATCH);

	/* and changed while it runs */
	conf = (struct unapi_thread_conf){.cpu = -1, .numa_node = -1};
	assert_int_equal(unapi_napi_set_thread_conf(&r.f.n, &conf), 0);
	assert_int_equal(sched_getscheduler((pid_t)tid_of(&r)), SCHED_OTHER);
	unapi_napi_get_thread_conf(&r.f.n, &got);
	assert_int_equal(got.cpu, -1);
	rig_close(&r);
}

/* A move while it has a thread is a change of home: it is polled there when it loses the thread. */
static void home_changes(void **state)
{
	struct unapi_context *other = fake_context(0);
	struct rig r;

	rig_open(&r);
	r.f.after_complete = NULL;
	assert_int_equal(napi_enable(&r.f.n), 0);
	assert_int_equal(napi_set_threaded(&r.f.n, NETDEV_NAPI_THREADED_ENABLED), 0);
	assert_int_equal(unapi_napi_set_context(&r.f.n, other, 0), 0);
	assert_int_equal(unapi_context_destroy(r.c), 0);
	assert_int_equal(unapi_context_destroy(other), -EBUSY);
	assert_int_equal(napi_set_threaded(&r.f.n, NETDEV_NAPI_THREADED_DISABLED), 0);
	assert_ptr_equal(r.f.n.ctx, other);
	r.c = other;
	unapi_context_run(r.c, 0);
	rig_close(&r);
}

/* Who schedules an instance hands it over, and then wakes the thread that has it. Meanwhile it may have been
 * polled, and have lost that thread. */
static void late_wake_up(void **state)
{
	struct unapi_context *own;
	struct rig r;

	rig_open(&r);
	r.f.after_complete = NULL;
	assert_int_equal(napi_enable(&r.f.n), 0);
	assert_int_equal(napi_set_threaded(&r.f.n, NETDEV_NAPI_THREADED_ENABLED), 0);
	own = r.f.n.ctx;
	assert_int_equal(napi_set_threaded(&r.f.n, NETDEV_NAPI_THREADED_DISABLED), 0);
	if (inbox_must_wake(&own->inbox))
		context_wake_fd(own);
	/* the next thread gets over that */
	assert_int_equal(napi_set_threaded(&r.f.n, NETDEV_NAPI_THREADED_ENABLED), 0);
	assert_ptr_equal(r.f.n.ctx, own);
	WRITE_ONCE(r.f.after_complete, tell);
	napi_schedule(&r.f.n);
	sem_wait(&completed);
	rig_close(&r);
}

static int ticked;

static void tick(struct unapi_tick *t)
{
	ticked++;
}

/* Packets that its thread moves keep the ticks of another context coming. */
static void ticks(void **state)
{
	struct unapi_tick t = {.fn = tick};
	struct rig r;

	now = NSEC_PER_SEC;
	unapi_clock_set_virtual(&now);
	rig_open(&r);
	unapi_napi_set_tick_context(&r.f.n, r.c);
	assert_int_equal(unapi_context_add_tick(r.c, &t), 0);
	assert_int_equal(napi_set_threaded(&r.f.n, NETDEV_NAPI_THREADED_ENABLED), 0);
	assert_int_equal(napi_enable(&r.f.n), 0);
	r.f.backlog = 1;
	interrupt(&r);
	sem_wait(&completed);
	assert_int_equal(napi_synchronize(&r.f.n), 0);
	assert_true(fd_readable(unapi_context_fd(r.c))); /* to look at its timers */
	assert_int_equal(unapi_context_run(r.c, 0), 0);
	__atomic_fetch_add(&now, UNAPI_TICK_NS, __ATOMIC_RELAXED);
	assert_int_equal(unapi_context_run(r.c, 0), 0);
	assert_int_equal(ticked, 1);
	__atomic_fetch_add(&now, UNAPI_TICK_NS, __ATOMIC_RELAXED);
	assert_int_equal(unapi_context_run(r.c, 0), 0);
	assert_int_equal(ticked, 1);
	unapi_context_del_tick(&t);
	rig_close(&r);
	unapi_clock_set_virtual(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thread_and_name),
		cmocka_unit_test(ownership_is_the_threads),
		cmocka_unit_test(trains),
		cmocka_unit_test(busy_poll),
		cmocka_unit_test(busy_poll_and_disable),
		cmocka_unit_test(refusals),
		cmocka_unit_test(no_thread),
		cmocka_unit_test(pinned),
		cmocka_unit_test(home_changes),
		cmocka_unit_test(late_wake_up),
		cmocka_unit_test(ticks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
