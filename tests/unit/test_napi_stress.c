/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The scheduler under threads that get in each other's way. Each test is over when every event that was
 * posted has been seen; a lost one leaves it waiting, and the runner's time limit fails it.
 */
#include "tests/unit/napi_fake.h"

#include <sched.h>

/* A device with one ring: a counter of events, and a vector that masks itself when it fires (if @automask),
 * with a cause that latches while it is masked. */
enum { MASKED = 1, PENDING = 2 };

struct device {
	struct napi_struct n;
	uint64_t posted;   /* by producers */
	uint64_t consumed; /* by the owner; atomic because others wait for it */
	int vector_state;
	int vector;
	bool automask;
	int in_poll; /* must never be entered twice */
};

static void device_fire(struct device *d)
{
	uint64_t one = 1;

	if (write(d->vector, &one, sizeof(one)) != sizeof(one))
		fail();
}

static void device_post(struct device *d)
{
	int old, new_value;

	__atomic_fetch_add(&d->posted, 1, __ATOMIC_SEQ_CST);
	old = __atomic_load_n(&d->vector_state, __ATOMIC_SEQ_CST);
	do {
		new_value = old & MASKED ? old | PENDING : d->automask ? MASKED : 0;
	} while (!__atomic_compare_exchange_n(&d->vector_state, &old, new_value, false, __ATOMIC_SEQ_CST,
					      __ATOMIC_SEQ_CST));
	if (!(old & MASKED))
		device_fire(d);
}

static void device_mask(struct device *d)
{
	__atomic_fetch_or(&d->vector_state, MASKED, __ATOMIC_SEQ_CST);
}

static void device_unmask(struct device *d)
{
	int old = __atomic_load_n(&d->vector_state, __ATOMIC_SEQ_CST);

	while (!__atomic_compare_exchange_n(&d->vector_state, &old, old & PENDING && d->automask ? MASKED : 0,
					    false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	if (old & PENDING)
		device_fire(d);
}

static void device_irq(struct napi_struct *n)
{
	struct device *d = container_of(n, struct device, n);

	if (!d->automask)
		device_mask(d);
	napi_schedule_irqoff(n);
}

static int device_poll(struct napi_struct *n, int budget)
{
	struct device *d = container_of(n, struct device, n);
	uint64_t todo;

	if (__atomic_exchange_n(&d->in_poll, 1, __ATOMIC_RELAXED))
		fail_msg("polled by two at once");
	todo = __atomic_load_n(&d->posted, __ATOMIC_SEQ_CST) - READ_ONCE(d->consumed);
	if (todo > (uint64_t)budget)
		todo = (uint64_t)budget;
	WRITE_ONCE(d->consumed, READ_ONCE(d->consumed) + todo);
	__atomic_store_n(&d->in_poll, 0, __ATOMIC_RELAXED);
	if (todo == (uint64_t)budget)
		return budget;
	if (napi_complete_done(n, (int)todo))
		device_unmask(d);
	return (int)todo;
}

static void device_open(struct device *d, struct unapi_context *c, bool automask)
{
	memset(d, 0, sizeof(*d));
	assert_int_equal(unapi_napi_add(&d->n, c, "device-0", device_poll, NAPI_POLL_WEIGHT), 0);
	d->vector = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	d->automask = automask;
	assert_int_equal(unapi_napi_set_irq(&d->n, d->vector, device_irq), 0);
	assert_int_equal(napi_enable(&d->n), 0);
}

static void device_close(struct device *d)
{
	assert_int_equal(d->posted, d->consumed);
	assert_int_equal(napi_disable(&d->n), 0);
	assert_int_equal(unapi_napi_del(&d->n), 0);
	close(d->vector);
}

static bool device_drained(struct device *d, uint64_t events)
{
	return READ_ONCE(d->consumed) >= events;
}

/*
 * The handshake of inbox.h alone, thrown at the processor's store buffer: one thread goes to sleep while the
 * other pushes. In no round may the sleeper see nothing and the pusher see nobody asleep.
 */
#define ROUNDS 200000

struct litmus {
	struct napi_inbox box;
	struct napi_struct n;
	int round[2]; /* how far each has come */
	bool woke, slept;
};

static void meet(struct litmus *l, int me, int round)
{
	int spins = 0;

	__atomic_store_n(&l->round[me], round, __ATOMIC_RELEASE);
	while (__atomic_load_n(&l->round[!me], __ATOMIC_ACQUIRE) < round)
		if (++spins > 1000)
			sched_yield();
}

static void *litmus_pusher(void *arg)
{
	struct litmus *l = arg;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		meet(l, 1, 2 * i + 1);
		l->woke = inbox_push(&l->box, &l->n);
		meet(l, 1, 2 * i + 2);
	}
	return NULL;
}

static void sleeper_or_pusher_notices(void **state)
{
	static struct litmus l;
	pthread_t t;
	int i, lost = 0;

	assert_int_equal(pthread_create(&t, NULL, litmus_pusher, &l), 0);
	for (i = 0; i < ROUNDS; i++) {
		inbox_awake(&l.box);
		inbox_take(&l.box);
		meet(&l, 0, 2 * i + 1);
		l.slept = inbox_may_sleep(&l.box);
		meet(&l, 0, 2 * i + 2);
		lost += l.slept && !l.woke;
	}
	pthread_join(t, NULL);
	assert_int_equal(lost, 0);
}

/* Four threads push into one inbox; the context sleeps whenever it can. */
#define PUSHERS	  4
#define PUSHES	  20000
#define INSTANCES 8

static struct device inbox_dev[INSTANCES];

static void *pusher(void *arg)
{
	unsigned int i, which = (unsigned int)(uintptr_t)arg;

	for (i = 0; i < PUSHES; i++) {
		struct device *d = &inbox_dev[(which + i) % INSTANCES];

		__atomic_fetch_add(&d->posted, 1, __ATOMIC_SEQ_CST);
		napi_schedule(&d->n);
		if (i % 64 == 0)
			sched_yield(); /* let it go to sleep now and then */
	}
	return NULL;
}

static uint64_t inbox_posted(void)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < INSTANCES; i++)
		sum += READ_ONCE(inbox_dev[i].consumed);
	return sum;
}

static void inbox_of_four_threads(void **state)
{
	struct unapi_context *c = fake_context(0);
	struct unapi_context_stats st;
	pthread_t t[PUSHERS];
	uintptr_t i;

	for (i = 0; i < INSTANCES; i++)
		device_open(&inbox_dev[i], c, true);
	for (i = 0; i < PUSHERS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, pusher, (void *)i), 0);
	while (inbox_posted() < PUSHERS * PUSHES)
		assert_true(unapi_context_run(c, -1) >= 0);
	for (i = 0; i < PUSHERS; i++)
		pthread_join(t[i], NULL);
	while (unapi_context_run(c, 0) > 0)
		;
	unapi_context_get_stats(c, &st);
	assert_true(st.inbox > 0);
	for (i = 0; i < INSTANCES; i++)
		device_close(&inbox_dev[i]);
	assert_int_equal(unapi_context_destroy(c), 0);
}

/* The same into a context on a thread of the library's. */
static void inbox_of_a_library_thread(void **state)
{
	struct unapi_context *c = fake_context(0);
	pthread_t t[PUSHERS];
	uintptr_t i;

	for (i = 0; i < INSTANCES; i++)
		device_open(&inbox_dev[i], c, true);
	assert_int_equal(unapi_context_start(c, -1), 0);
	for (i = 0; i < PUSHERS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, pusher, (void *)i), 0);
	for (i = 0; i < PUSHERS; i++)
		pthread_join(t[i], NULL);
	while (inbox_posted() < PUSHERS * PUSHES)
		sched_yield();
	assert_int_equal(unapi_context_stop(c), 0);
	for (i = 0; i < INSTANCES; i++)
		device_close(&inbox_dev[i]);
	assert_int_equal(unapi_context_destroy(c), 0);
}

/*
 * One device, two application threads that each run a context and poll what wants it there, a producer, and a
 * thread that changes everything: modes, homes, disabled and enabled.
 */
struct storm {
	struct unapi_context *ctx[2];
	struct device d;
	uint64_t events; /* known from the start */
	int toggling;	 /* the control thread is at it */
	bool move, disable;
};

struct app_thread {
	struct storm *s;
	struct unapi_context *ctx;
};

static void *application(void *arg)
{
	struct app_thread *a = arg;
	struct storm *s = a->s;
	struct unapi_napi_info info;
	bool mine = false;
	int polls = 0;

	while (!device_drained(&s->d, s->events) || __atomic_load_n(&s->toggling, __ATOMIC_ACQUIRE)) {
		if (!mine || polls++ % 16 == 0) {
			int rc = unapi_context_run(a->ctx, mine || device_drained(&s->d, s->events) ? 0 : -1);

			assert_true(rc >= 0);
		}
		unapi_napi_get_info(&s->d.n, &info);
		if (!mine && info.ctx == a->ctx && unapi_napi_wants_poll(&s->d.n))
			mine = unapi_napi_poll_begin(&s->d.n) == 0;
		if (mine && unapi_napi_poll(&s->d.n, 32) < 0)
			mine = false;
	}
	if (mine)
		unapi_napi_poll_end(&s->d.n);
	return NULL;
}

static void *producer(void *arg)
{
	struct storm *s = arg;
	uint64_t i;

	for (i = 0; i < s->events; i++) {
		device_post(&s->d);
		if (i % 32 == 0)
			sched_yield();
	}
	return NULL;
}

#define TOGGLES	 400

/* A long pause of a busy machine must not fail a control call here. */
#define PATIENCE (60 * NSEC_PER_SEC)

static void *control(void *arg)
{
	struct storm *s = arg;
	int i;

	for (i = 0; i < TOGGLES; i++) {
		if (unapi_napi_set_mode(&s->d.n, i % 2 ? UNAPI_POLL_INTERRUPT : UNAPI_POLL_BUSY))
			fail_msg("set_mode: %s", unapi_reason());
		if (s->move && i % 3 == 0 && unapi_napi_set_context(&s->d.n, s->ctx[i / 3 % 2], PATIENCE))
			fail_msg("set_context: %s", unapi_reason());
		if (s->disable && i % 5 == 0) {
			if (napi_disable_timeout(&s->d.n, PATIENCE))
				fail_msg("disable: %s", unapi_reason());
			if (napi_enable(&s->d.n))
				fail_msg("enable: %s", unapi_reason());
			/* what the device raised meanwhile is the driver's to look at */
			napi_schedule(&s->d.n);
		}
		sched_yield();
	}
	if (unapi_napi_set_mode(&s->d.n, UNAPI_POLL_INTERRUPT))
		fail_msg("set_mode: %s", unapi_reason());
	__atomic_store_n(&s->toggling, 0, __ATOMIC_RELEASE);
	unapi_context_wake(s->ctx[0]);
	unapi_context_wake(s->ctx[1]);
	return NULL;
}

static void run_storm(bool automask, bool move, bool disable)
{
	static struct storm s;
	struct app_thread a[2];
	pthread_t app[2], prod, ctl;
	struct unapi_napi_stats st;
	uint64_t more;
	int i;

	s = (struct storm){.events = 20000, .toggling = 1, .move = move, .disable = disable};
	s.ctx[0] = fake_context(0);
	s.ctx[1] = fake_context(0);
	for (i = 0; i < 2; i++) {
		a[i] = (struct app_thread){.s = &s, .ctx = s.ctx[i]};
		assert_int_equal(unapi_context_set_poller(s.ctx[i], true), 0);
	}
	device_open(&s.d, s.ctx[0], automask);
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&app[i], NULL, application, &a[i]), 0);
	assert_int_equal(pthread_create(&prod, NULL, producer, &s), 0);
	assert_int_equal(pthread_create(&ctl, NULL, control, &s), 0);
	pthread_join(prod, NULL);
	pthread_join(ctl, NULL);
	/* the mode asked for is in force, or will be at the next poll; either way all is delivered */
	while (!device_drained(&s.d, s.events))
		sched_yield();
	unapi_context_wake(s.ctx[0]);
	unapi_context_wake(s.ctx[1]);
	pthread_join(app[0], NULL);
	pthread_join(app[1], NULL);

	/* settled: interrupt mode, the vector unmasked, and one event makes one interrupt and one poll */
	for (i = 0; i < 2; i++)
		while (fd_readable(unapi_context_fd(s.ctx[i])))
			unapi_context_run(s.ctx[i], 0);
	assert_int_equal(unapi_napi_mode(&s.d.n), UNAPI_POLL_INTERRUPT);
	assert_int_equal(unapi_napi_mode_asked(&s.d.n), UNAPI_POLL_INTERRUPT);
	assert_int_equal(s.d.vector_state, 0);
	assert_int_equal(napi_state_read(&s.d.n.state), NAPIF_LISTED);
	unapi_napi_get_stats(&s.d.n, &st);
	more = st.irqs;
	device_post(&s.d);
	for (i = 0; i < 2; i++)
		unapi_context_run(s.ctx[i], 0);
	unapi_napi_get_stats(&s.d.n, &st);
	assert_int_equal(st.irqs, more + 1);
	assert_int_equal(st.work, s.events + 1);
	assert_int_equal(st.violations, 0);
	device_close(&s.d);
	assert_int_equal(unapi_context_destroy(s.ctx[0]), 0);
	assert_int_equal(unapi_context_destroy(s.ctx[1]), 0);
}

static void modes_under_traffic(void **state)
{
	run_storm(true, false, false);
}

static void modes_without_automask(void **state)
{
	run_storm(false, false, false);
}

static void moves_under_traffic(void **state)
{
	run_storm(true, true, false);
}

static void everything_under_traffic(void **state)
{
	run_storm(false, true, true);
}

/* Disable and enable from outside against a library thread and schedulers. */
static void *scheduler(void *arg)
{
	struct storm *s = arg;

	while (__atomic_load_n(&s->toggling, __ATOMIC_ACQUIRE)) {
		napi_schedule(&s->d.n);
		sched_yield();
	}
	return NULL;
}

static void disable_against_a_library_thread(void **state)
{
	struct storm s = {.toggling = 1};
	struct unapi_context *c = fake_context(0);
	pthread_t t[2];
	uint64_t polls;
	int i;

	device_open(&s.d, c, true);
	assert_int_equal(unapi_context_start(c, -1), 0);
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&t[i], NULL, scheduler, &s), 0);
	for (i = 0; i < 300; i++) {
		assert_int_equal(napi_disable_timeout(&s.d.n, PATIENCE), 0);
		polls = READ_ONCE(s.d.n.stats.polls_by[UNAPI_CAUSE_APP]);
		sched_yield();
		assert_int_equal(READ_ONCE(s.d.n.stats.polls_by[UNAPI_CAUSE_APP]), polls);
		assert_int_equal(napi_enable(&s.d.n), 0);
	}
	__atomic_store_n(&s.toggling, 0, __ATOMIC_RELEASE);
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	assert_int_equal(unapi_context_stop(c), 0);
	device_close(&s.d);
	assert_int_equal(unapi_context_destroy(c), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sleeper_or_pusher_notices),
		cmocka_unit_test(inbox_of_four_threads),
		cmocka_unit_test(inbox_of_a_library_thread),
		cmocka_unit_test(modes_under_traffic),
		cmocka_unit_test(modes_without_automask),
		cmocka_unit_test(moves_under_traffic),
		cmocka_unit_test(everything_under_traffic),
		cmocka_unit_test(disable_against_a_library_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
