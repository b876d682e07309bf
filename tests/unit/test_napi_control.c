/* SPDX-License-Identifier: BSD-3-Clause */
/* Adding, enabling, disabling and moving instances, from every kind of thread. */
#include "tests/unit/napi_fake.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>

#define assert_reason(text) assert_non_null(strstr(unapi_reason(), text))

static uint64_t now; /* virtual time */

static void use_virtual_clock(void)
{
	now = NSEC_PER_SEC;
	unapi_clock_set_virtual(&now);
}

static int life_cycle_poll(struct napi_struct *n, int budget)
{
	napi_complete_done(n, 0);
	return 0;
}

static void life_cycle(void **state)
{
	struct unapi_context *c = fake_context(0);
	struct napi_struct n = {0};

	assert_int_equal(napi_enable(&n), -EINVAL);
	assert_int_equal(napi_disable(&n), -EINVAL);
	assert_int_equal(unapi_napi_del(&n), -EINVAL);
	assert_int_equal(unapi_napi_add(&n, c, "x", life_cycle_poll, 0), -EINVAL);
	assert_int_equal(unapi_napi_add(&n, c, "x", NULL, 64), -EINVAL);
	assert_int_equal(unapi_napi_add(&n, NULL, "x", life_cycle_poll, 64), -EINVAL);
	assert_int_equal(unapi_napi_add(&n, c, "x-0", life_cycle_poll, 64), 0);
	assert_int_equal(unapi_napi_add(&n, c, "x-0", life_cycle_poll, 64), -EEXIST);
	assert_reason("x-0");
	assert_int_equal(napi_disable(&n), -EALREADY);
	assert_reason("x-0");
	assert_int_equal(unapi_context_destroy(c), -EBUSY);

	/* born disabled: owned, so that nothing polls it */
	assert_false(napi_schedule(&n));
	assert_int_equal(napi_enable(&n), 0);
	assert_int_equal(napi_enable(&n), -EINVAL);
	assert_reason("x-0");
	assert_int_equal(unapi_napi_del(&n), -EBUSY);
	assert_reason("x-0");
	assert_true(napi_schedule(&n));
	assert_false(napi_schedule(&n));
	assert_true(napi_if_scheduled_mark_missed(&n));
	assert_int_equal(unapi_context_run(c, 0), 0);
	assert_false(napi_if_scheduled_mark_missed(&n));
	assert_int_equal(napi_disable(&n), 0);
	assert_int_equal(napi_disable(&n), -EALREADY);
	assert_int_equal(unapi_napi_del(&n), 0);
	assert_int_equal(unapi_napi_del(&n), -EINVAL);
	assert_int_equal(unapi_context_destroy(c), 0);
}

/* Ids as the kernel numbers them: from 8193, only while enabled, a fresh one each time. */
static void ids(void **state)
{
	struct unapi_context *c = fake_context(0);
	struct unapi_napi_info info;
	struct fake a, b;
	unsigned int id;

	fake_add(&a, c, 'a');
	fake_add(&b, c, 'b');
	assert_int_equal(napi_enable(&a.n), 0);
	assert_int_equal(napi_enable(&b.n), 0);
	unapi_napi_get_info(&a.n, &info);
	id = info.napi_id;
	assert_true(id >= 8193);
	assert_true(info.enabled);
	assert_string_equal(info.name, "fake-a");
	assert_ptr_equal(info.ctx, c);
	unapi_napi_get_info(&b.n, &info);
	assert_int_equal(info.napi_id, id + 1);
	assert_ptr_equal(napi_by_id(id), &a.n);
	assert_ptr_equal(napi_by_id(id + 1), &b.n);
	assert_int_equal(napi_disable(&a.n), 0);
	assert_null(napi_by_id(id));
	unapi_napi_get_info(&a.n, &info);
	assert_int_equal(info.napi_id, 0);
	assert_false(info.enabled);
	assert_null(napi_by_id(0));
	assert_int_equal(napi_enable(&a.n), 0);
	assert_ptr_equal(napi_by_id(id + 2), &a.n);
	fake_del(&a);
	fake_del(&b);
	unapi_context_destroy(c);
}

/* The calls of a driver's data path. */
static bool first_irqoff, second_irqoff;

static void schedules_twice(struct napi_struct *n)
{
	first_irqoff = napi_schedule_irqoff(n);
	second_irqoff = napi_schedule_irqoff(n);
}

static bool completed;

static int completes_without_a_count(struct napi_struct *n, int budget)
{
	completed = napi_complete(n);
	return 5;
}

static void datapath(void **state)
{
	struct unapi_context *c = fake_context(0);
	struct fake f;

	fake_add(&f, c, 'a');
	f.vector = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_int_equal(unapi_napi_set_irq(&f.n, f.vector, schedules_twice), 0);
	assert_int_equal(napi_enable(&f.n), 0);
	fake_interrupt(&f);
	assert_int_equal(unapi_context_run(c, 0), 0);
	assert_true(first_irqoff);
	assert_false(second_irqoff);
	assert_int_equal(f.polls, 2); /* the second left MISSED */

	assert_false(napi_if_scheduled_mark_missed(&f.n)); /* nobody has it, and nobody is told */
	assert_int_equal(f.n.state, NAPIF_LISTED);
	assert_true(napi_schedule(&f.n));
	assert_true(napi_if_scheduled_mark_missed(&f.n));
	assert_int_equal(unapi_context_run(c, 0), 0);
	assert_int_equal(f.polls, 4);
	/* being disabled: it says that it is taken care of, and leaves nothing behind */
	assert_true(napi_schedule_prep(&f.n));
	assert_int_equal(napi_disable_timeout(&f.n, 0), -ETIMEDOUT); /* undone, and scheduled once: MISSED */
	assert_true(napi_state_take_begin(&f.n.state));
	f.n.state &= ~NAPIF_MISSED;
	assert_true(napi_if_scheduled_mark_missed(&f.n));
	assert_false(f.n.state & NAPIF_MISSED);
	napi_state_take_undo(&f.n.state);
	__napi_schedule(&f.n);
	assert_int_equal(unapi_context_run(c, 0), 0);
	assert_int_equal(f.polls, 5);

	/* napi_complete() tells of no packets: nothing is deferred */
	unapi_napi_set_defer_hard_irqs(&f.n, 2);
	unapi_napi_set_gro_flush_timeout(&f.n, 1000000);
	f.n.poll = completes_without_a_count;
	napi_schedule(&f.n);
	assert_int_equal(unapi_context_run(c, 0), 5);
	assert_true(completed);
	assert_int_equal(f.n.defer_hard_irqs_count, 0);
	assert_int_equal(f.n.stats.violations, 0);
	fake_del(&f);
	unapi_context_destroy(c);
}

/* What a poll method must not wait for. */
static struct unapi_context *another;

static void control_from_poll(struct fake *f)
{
	assert_true(unapi_in_poll());
	assert_ptr_equal(unapi_this_napi(), &f->n);
	assert_int_equal(napi_disable(&f->n), -EDEADLK);
	assert_reason("fake-a");
	assert_int_equal(napi_synchronize(&f->n), -EDEADLK);
	assert_int_equal(unapi_napi_set_context(&f->n, another, 0), -EDEADLK);
	assert_int_equal(unapi_napi_poll_begin(&f->n), -EDEADLK);
	assert_int_equal(unapi_context_run(f->n.ctx, 0), -EDEADLK);
	assert_int_equal(unapi_context_run(another, 0), -EDEADLK);
	assert_int_equal(unapi_context_destroy(another), -EDEADLK);
	assert_int_equal(unapi_context_call(another, NULL, NULL, 0), -EDEADLK);
}

static void from_a_poll_method(void **state)
{
	struct unapi_context *c = fake_context(0);
	struct fake f;

	another = fake_context(0);
	fake_add(&f, c, 'a');
	f.before_complete = control_from_poll;
	assert_int_equal(napi_enable(&f.n), 0);
	napi_schedule(&f.n);
	assert_int_equal(unapi_context_run(c, 0), 0);
	assert_int_equal(f.polls, 1);
	assert_false(unapi_in_poll());
	assert_null(unapi_this_napi());
	fake_del(&f);
	unapi_context_destroy(c);
	unapi_context_destroy(another);
}

/* Nobody inside the context: the disabling thread polls what is queued, and only then has it. */
static void disable_runs_the_context(void **state)
{
	struct unapi_context *c = fake_context(0);
	struct fake a, b;

	fake_add(&a, c, 'a');
	fake_add(&b, c, 'b');
	assert_int_equal(napi_enable(&a.n), 0);
	assert_int_equal(napi_enable(&b.n), 0);
	b.backlog = 1000;
	napi_schedule(&b.n);
	a.backlog = 10;
	napi_schedule(&a.n);
	assert_int_equal(napi_disable(&a.n), 0);
	assert_int_equal(a.polls, 1);
	assert_int_equal(a.backlog, 0);
	assert_true(fd_readable(unapi_context_fd(c))); /* b has more */
	a.backlog = 1;
	assert_false(napi_schedule(&a.n));
	while (unapi_context_run(c, 0) > 0)
		;
	assert_int_equal(b.backlog, 0);
	assert_int_equal(a.polls, 1);
	assert_int_equal(napi_enable(&a.n), 0);
	assert_true(napi_schedule(&a.n));
	assert_int_equal(unapi_context_run(c, 0), 1);
	fake_del(&a);
	fake_del(&b);
	unapi_context_destroy(c);
}

/* From a handler of the context itself: inside its run, between polls. */
static struct fake *victim;

static void disable_victim(struct unapi_source *src)
{
	uint64_t count;

	assert_int_equal(read(src->fd, &count, sizeof(count)), sizeof(count));
	assert_int_equal(napi_disable(&victim->n), 0);
}

static void disable_from_a_handler(void **state)
{
	struct unapi_context *c = fake_context(0);
	struct unapi_source src = {.fd = eventfd(1, EFD_NONBLOCK), .fn = disable_victim};
	struct fake f;

	victim = &f;
	fake_add(&f, c, 'a');
	fake_add_vector(&f);
	assert_int_equal(napi_enable(&f.n), 0);
	assert_int_equal(unapi_context_add_source(c, &src), 0);
	/* the source's event comes first in this batch, the vector's behind it must be forgotten */
	fake_interrupt(&f);
	f.backlog = 5;
	napi_schedule(&f.n);
	assert_true(unapi_context_run(c, 0) >= 0);
	assert_int_equal(f.backlog, 0);
	assert_int_equal(unapi_context_run(c, 0), 0);
	assert_int_equal(napi_disable(&f.n), -EALREADY);
	assert_int_equal(f.n.stats.irqs, 0);
	unapi_context_del_source(&src);
	close(src.fd);
	fake_del(&f);
	unapi_context_destroy(c);
}

/* Threads of the library's, and polls that end when a test says so. */
static struct {
	sem_t entered, go, polled;
} gate;

static void wait_at_gate(struct fake *f)
{
	WRITE_ONCE(f->before_complete, NULL);
	sem_post(&gate.entered);
	sem_wait(&gate.go);
}

static void tell_polled(struct fake *f)
{
	sem_post(&gate.polled);
}

static void gate_open(void)
{
	sem_init(&gate.entered, 0, 0);
	sem_init(&gate.go, 0, 0);
	sem_init(&gate.polled, 0, 0);
}

static void *let_go(void *arg)
{
	sem_post(&gate.go);
	return NULL;
}

static void disable_from_another_thread(void **state)
{
	struct unapi_context *c = fake_context(0);
	struct unapi_napi_stats st;
	pthread_t helper;
	struct fake f;

	gate_open();
	fake_add(&f, c, 'a');
	fake_add_vector(&f);
	f.before_complete = wait_at_gate;
	f.after_complete = tell_polled;
	assert_int_equal(napi_enable(&f.n), 0);
	assert_int_equal(unapi_context_start(c, -1), 0);
	assert_int_equal(unapi_context_start(c, -1), -EALREADY);
	fake_interrupt(&f);
	sem_wait(&gate.entered);

	/* the owner stays inside its poll: given up, and scheduled once for what was refused meanwhile */
	assert_int_equal(napi_disable_timeout(&f.n, NSEC_PER_MSEC), -ETIMEDOUT);
	assert_reason("fake-a");
	assert_int_equal(unapi_context_run(c, 0), -EBUSY);
	sem_post(&gate.go);
	sem_wait(&gate.polled);
	sem_wait(&gate.polled);

	/* the owner lets go while it is waited for */
	WRITE_ONCE(f.before_complete, wait_at_gate);
	fake_interrupt(&f);
	sem_wait(&gate.entered);
	pthread_create(&helper, NULL, let_go, NULL);
	assert_int_equal(napi_disable(&f.n), 0);
	pthread_join(helper, NULL);
	sem_wait(&gate.polled);
	unapi_napi_get_stats(&f.n, &st);
	assert_int_equal(st.polls, 3);
	assert_int_equal(st.irqs, 2);
	assert_int_equal(st.missed, 1);
	assert_int_equal(st.completions, 2);

	/* nothing that comes now is polled, and the thread is asleep or goes there */
	assert_false(napi_schedule(&f.n));
	fake_interrupt(&f);
	assert_int_equal(napi_synchronize(&f.n), 0);
	assert_int_equal(unapi_napi_irqs_raised(&f.n), 3);
	assert_int_equal(unapi_context_stop(c), 0);
	assert_int_equal(unapi_context_stop(c), -EINVAL);
	unapi_napi_get_stats(&f.n, &st);
	assert_int_equal(st.polls, 3);
	assert_int_equal(st.irqs, 2);

	/* what the device raised while it was disabled is forgotten, but counted */
	assert_int_equal(napi_enable(&f.n), 0);
	assert_int_equal(unapi_context_run(c, 0), 0);
	assert_int_equal(f.polls, 3);
	fake_interrupt(&f);
	assert_int_equal(unapi_context_run(c, 0), 0);
	/* twice: as in the kernel, the schedule of the disabled instance left MISSED */
	assert_int_equal(f.polls, 5);
	fake_interrupt(&f);
	assert_int_equal(unapi_context_run(c, 0), 0);
	assert_int_equal(f.polls, 6);
	assert_int_equal(unapi_napi_irqs_raised(&f.n), 5);
	fake_del(&f);
	assert_int_equal(unapi_context_destroy(c), 0);
}

/* A thread that owns it between prep and queue, and does not go on. */
static void disable_gives_up_on_a_stalled_scheduler(void **state)
{
	struct unapi_context *c;
	struct fake f;

	use_virtual_clock();
	c = fake_context(0);
	fake_add(&f, c, 'a');
	assert_int_equal(napi_enable(&f.n), 0);
	assert_true(napi_schedule_prep(&f.n));
	assert_int_equal(napi_disable(&f.n), -ETIMEDOUT);
	assert_in_range(now, 6 * NSEC_PER_SEC, 6 * NSEC_PER_SEC + NSEC_PER_MSEC);
	__napi_schedule(&f.n);
	assert_int_equal(unapi_context_run(c, 0), 0);
	assert_int_equal(f.polls, 2); /* its own, and the one that makes up for refused requests */
	fake_del(&f);
	unapi_context_destroy(c);
	unapi_clock_set_virtual(NULL);
}

/* napi_synchronize() returns when the poll that runs has ended, not before. */
static int ended;

static void end_late(struct fake *f)
{
	wait_at_gate(f);
	__atomic_store_n(&ended, 1, __ATOMIC_RELAXED);
}

static void synchronize(void **state)
{
	struct unapi_context *c = fake_context(0);
	pthread_t helper;
	struct fake f;

	gate_open();
	fake_add(&f, c, 'a');
	f.before_complete = end_late;
	assert_int_equal(napi_enable(&f.n), 0);
	assert_int_equal(napi_synchronize(&f.n), 0);
	assert_int_equal(unapi_context_start(c, -1), 0);
	napi_schedule(&f.n);
	sem_wait(&gate.entered);
	pthread_create(&helper, NULL, let_go, NULL);
	assert_int_equal(napi_synchronize(&f.n), 0);
	assert_int_equal(__atomic_load_n(&ended, __ATOMIC_RELAXED), 1);
	pthread_join(helper, NULL);
	fake_del(&f);
	assert_int_equal(unapi_context_destroy(c), 0); /* stops its thread */
}

/* Vectors move between contexts with their instances; nothing that was raised is lost. */
static void move(void **state)
{
	struct unapi_context *x = fake_context(0), *y = fake_context(0);
	struct unapi_napi_stats st;
	struct fake f;

	fake_add(&f, x, 'a');
	fake_add_vector(&f);
	assert_int_equal(unapi_napi_set_context(&f.n, y, 0), 0); /* disabled */
	assert_int_equal(napi_enable(&f.n), 0);
	fake_interrupt(&f);
	assert_int_equal(unapi_context_run(x, 0), 0);
	assert_int_equal(f.polls, 0);
	assert_int_equal(unapi_context_run(y, 0), 0);
	assert_int_equal(f.polls, 1);

	/* raised before the move, not yet taken: one poll at the new home answers it */
	f.backlog = 3;
	fake_interrupt(&f);
	assert_int_equal(unapi_napi_set_context(&f.n, x, NSEC_PER_SEC), 0);
	assert_int_equal(unapi_context_run(y, 0), 0);
	assert_int_equal(f.polls, 1);
	assert_true(fd_readable(unapi_context_fd(x)));
	assert_int_equal(unapi_context_run(x, 0), 3);
	assert_int_equal(f.polls, 2);
	unapi_napi_get_stats(&f.n, &st);
	assert_int_equal(st.irqs, 1);
	assert_int_equal(st.polls_by[UNAPI_CAUSE_IRQ], 1);
	assert_int_equal(st.polls_by[UNAPI_CAUSE_MODE_SWITCH], 1);
	assert_int_equal(unapi_napi_irqs_raised(&f.n), 2);

	/* queued at the old home: polled there, and once more at the new one */
	f.backlog = 100;
	napi_schedule(&f.n);
	assert_int_equal(unapi_napi_set_context(&f.n, y, NSEC_PER_SEC), 0);
	assert_int_equal(f.backlog, 36);
	assert_int_equal(unapi_context_run(x, 0), 0);
	assert_int_equal(unapi_context_run(y, 0), 36);
	fake_interrupt(&f);
	assert_int_equal(unapi_context_run(y, 0), 0);
	unapi_napi_get_stats(&f.n, &st);
	assert_int_equal(st.irqs, 2);

	assert_int_equal(unapi_context_destroy(x), 0);
	fake_del(&f);
	assert_int_equal(unapi_context_destroy(y), 0);
}

static void move_gives_up(void **state)
{
	struct unapi_context *x, *y;
	struct fake f;

	use_virtual_clock();
	x = fake_context(0);
	y = fake_context(0);
	fake_add(&f, x, 'a');
	fake_add_vector(&f);
	assert_int_equal(napi_enable(&f.n), 0);
	assert_true(napi_schedule_prep(&f.n));
	assert_int_equal(unapi_napi_set_context(&f.n, y, NSEC_PER_MSEC), -ETIMEDOUT);
	__napi_schedule(&f.n);
	assert_int_equal(unapi_context_run(y, 0), 0);
	assert_int_equal(f.polls, 0);
	assert_int_equal(unapi_context_run(x, 0), 0);
	assert_int_equal(f.polls, 2);
	fake_interrupt(&f);
	assert_int_equal(unapi_context_run(x, 0), 0);
	assert_int_equal(f.polls, 3);
	fake_del(&f);
	unapi_context_destroy(x);
	unapi_context_destroy(y);
	unapi_clock_set_virtual(NULL);
}

/* A vector that cannot be watched: said, and the instance is as it was. */
static void bad_vector(void **state)
{
	struct unapi_context *c = fake_context(0);
	struct fake f;

	fake_add(&f, c, 'a');
	f.vector = open("/dev/null", 0); /* a file that epoll refuses */
	assert_int_equal(unapi_napi_irqs_raised(&f.n), -ENODEV);
	assert_int_equal(unapi_napi_set_irq(&f.n, f.vector, NULL), 0);
	assert_int_equal(napi_enable(&f.n), -EPERM);
	assert_reason("fake-a");
	assert_int_equal(napi_disable(&f.n), -EALREADY);
	assert_int_equal(unapi_napi_irqs_raised(&f.n), -ENOENT);
	assert_int_equal(unapi_napi_set_irq(&f.n, -1, NULL), 0);
	assert_int_equal(napi_enable(&f.n), 0);
	assert_int_equal(unapi_napi_set_irq(&f.n, -1, NULL), -EBUSY);
	fake_del(&f);
	unapi_context_destroy(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(life_cycle),
		cmocka_unit_test(ids),
		cmocka_unit_test(datapath),
		cmocka_unit_test(from_a_poll_method),
		cmocka_unit_test(disable_runs_the_context),
		cmocka_unit_test(disable_from_a_handler),
		cmocka_unit_test(disable_from_another_thread),
		cmocka_unit_test(disable_gives_up_on_a_stalled_scheduler),
		cmocka_unit_test(synchronize),
		cmocka_unit_test(move),
		cmocka_unit_test(move_gives_up),
		cmocka_unit_test(bad_vector),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
