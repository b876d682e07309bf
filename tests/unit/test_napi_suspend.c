/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IRQ suspension, on a virtual clock: which expiry the one timer has, whether the interrupt is masked, and
 * who polled. An event loop is played by hand: a wait busy polls, preferring, and then suspends or resumes.
 */
#include "tests/unit/napi_rig.h"

#define S (50 * T)

static struct rig rig;

static void open_suspending(struct rig *r, uint32_t defer, uint64_t timeout, uint64_t suspend)
{
	rig_open(r, defer, timeout);
	assert_int_equal(unapi_napi_set_irq_suspend_timeout(&r->f.n, suspend), 0);
}

/* epoll_wait() as the kernel's: events found by the busy poll suspend, none resumes. Its events are packets.
 */
static int wait_once(struct rig *r)
{
	uint64_t before = rig_stats(r).work;
	int got;

	rig_busy_once(r, true);
	got = (int)(rig_stats(r).work - before);
	if (got)
		napi_suspend_irqs(r->f.n.napi_id);
	else
		napi_resume_irqs(r->f.n.napi_id);
	return got;
}

static void expires_in(struct rig *r, uint64_t ns)
{
	assert_true(r->f.n.timer.pending);
	assert_int_equal(r->f.n.timer.expires, r->now + ns);
}

static uint64_t polls_by(struct rig *r, int cause)
{
	return rig_stats(r).polls_by[cause];
}

/* Deferral runs out: d empty polls, then the interrupt is there again. */
static void defers_and_ends(struct rig *r, unsigned int d)
{
	uint64_t repolls = polls_by(r, UNAPI_CAUSE_REPOLL);

	while (r->f.n.timer.pending) {
		assert_true(r->masked);
		expires_in(r, T);
		rig_later(r, T);
	}
	assert_int_equal(polls_by(r, UNAPI_CAUSE_REPOLL) - repolls, d);
	assert_false(r->masked);
}

static void from_deferral(void **state)
{
	struct rig *r = &rig;

	open_suspending(r, 2, T, S);
	rig_event(r, 1);
	rig_run(r);
	assert_true(r->masked);
	expires_in(r, T);
	r->now += T / 2;
	napi_suspend_irqs(r->f.n.napi_id);
	expires_in(r, S); /* from now; that the timer was T's is forgotten */
	assert_int_equal(rig_word(r), NAPIF_LISTED);
	assert_int_equal(r->f.n.defer_hard_irqs_count, 1);

	/* it comes to an end by itself */
	assert_int_equal(rig_later(r, S - 1), 0);
	assert_int_equal(r->f.polls, 1);
	rig_later(r, 1);
	assert_int_equal(r->f.polls, 2);
	assert_int_equal(polls_by(r, UNAPI_CAUSE_WATCHDOG), 1);
	defers_and_ends(r, 1); /* what the countdown had left */
	rig_close(r);
}

/* An interrupt that nothing has masked stays unmasked. */
static void from_armed(void **state)
{
	struct rig *r = &rig;

	open_suspending(r, 2, T, S);
	napi_suspend_irqs(r->f.n.napi_id);
	expires_in(r, S);
	assert_false(r->masked);
	rig_event(r, 1);
	assert_int_equal(rig_run(r), 1);
	assert_int_equal(polls_by(r, UNAPI_CAUSE_IRQ), 1);
	expires_in(r, T); /* its completion has started the one timer anew */
	defers_and_ends(r, 2);
	assert_int_equal(polls_by(r, UNAPI_CAUSE_WATCHDOG), 0);
	rig_close(r);
}

/* The loop's end starts the timer for T, and then the suspension for S: two starts. */
static void a_wait_with_events(void **state)
{
	struct rig *r = &rig;
	struct unapi_napi_stats before, after;

	open_suspending(r, 2, T, S);
	rig_event(r, 1);
	rig_run(r);
	before = rig_stats(r);
	rig_event(r, 3);
	assert_int_equal(wait_once(r), 3);
	after = rig_stats(r);
	assert_int_equal(after.timer_starts - before.timer_starts, 2);
	assert_int_equal(after.polls_by[UNAPI_CAUSE_APP] - before.polls_by[UNAPI_CAUSE_APP], 1);
	expires_in(r, S);
	assert_true(r->masked);
	assert_int_equal(r->f.n.defer_hard_irqs_count, 2);
	rig_close(r);
}

/* Resuming polls at once, in this thread, and its completion leaves deferral to go on. */
static void a_wait_without(void **state)
{
	struct rig *r = &rig;

	open_suspending(r, 2, T, S);
	rig_event(r, 1);
	rig_run(r);
	rig_event(r, 1);
	wait_once(r);
	r->f.polls = 0;
	assert_int_equal(wait_once(r), 0);
	assert_int_equal(r->f.polls, 2); /* the loop's, and that of resuming */
	expires_in(r, T);
	assert_true(r->masked);
	r->cause = false;
	defers_and_ends(r, 2);
	assert_int_equal(rig_stats(r).irqs, 1);
	assert_int_equal(polls_by(r, UNAPI_CAUSE_WATCHDOG), 0);
	rig_close(r);
}

/* The application sleeps over its events: S after its last wait the watchdog goes on. */
static void a_stalled_application(void **state)
{
	struct rig *r = &rig;

	open_suspending(r, 2, T, S);
	rig_event(r, 1);
	rig_run(r);
	rig_event(r, 1);
	wait_once(r);
	r->now += S / 2;
	rig_event(r, 1);
	assert_int_equal(wait_once(r), 1);
	rig_event(r, 5); /* nobody is told */
	assert_int_equal(rig_later(r, S - 1), 0);
	assert_int_equal(rig_later(r, 1), 5);
	assert_int_equal(polls_by(r, UNAPI_CAUSE_WATCHDOG), 1);
	assert_true(r->masked);
	r->cause = false;
	defers_and_ends(r, 2);
	assert_int_equal(rig_stats(r).irqs, 1);
	rig_close(r);
}

/* Suspended anew without a busy poll in between: as an event loop that finds descriptors ready at each wait.
 */
static void the_last_start_counts(void **state)
{
	struct rig *r = &rig;
	int i;

	open_suspending(r, 2, T, S);
	rig_event(r, 1);
	rig_run(r);
	for (i = 0; i < 10; i++) {
		napi_suspend_irqs(r->f.n.napi_id);
		expires_in(r, S);
		assert_int_equal(rig_later(r, S - 1), 0);
	}
	assert_int_equal(r->f.polls, 1);
	assert_int_equal(rig_stats(r).timer_fires, 0);
	/* longer and shorter, from the next start on */
	assert_int_equal(unapi_napi_set_irq_suspend_timeout(&r->f.n, 3), 0);
	expires_in(r, 1);
	napi_suspend_irqs(r->f.n.napi_id);
	expires_in(r, 3);
	assert_int_equal(unapi_napi_set_irq_suspend_timeout(&r->f.n, UINT64_MAX), 0);
	napi_suspend_irqs(r->f.n.napi_id);
	assert_true(r->f.n.timer.expires > UINT64_MAX - 2);
	rig_close(r);
}

/* Without deferral nothing keeps interrupts away: a spare timer is all that is added. */
static void without_deferral(void **state)
{
	static const struct {
		uint32_t d;
		uint64_t t;
	} cases[] = {{0, T}, {2, 0}, {0, 0}};
	struct rig *r = &rig;
	unsigned int k;
	int i;

	for (k = 0; k < 3; k++) {
		open_suspending(r, cases[k].d, cases[k].t, S);
		for (i = 0; i < 40; i++) {
			rig_event(r, 1);
			assert_int_equal(rig_run(r), 1);
			wait_once(r);
			assert_false(r->masked);
			napi_suspend_irqs(r->f.n.napi_id);
			expires_in(r, S);
			r->now += T / 4;
		}
		assert_int_equal(rig_stats(r).irqs, 40);
		rig_quiet(r);
		assert_int_equal(polls_by(r, UNAPI_CAUSE_WATCHDOG), 1); /* the spare timer's */
		assert_false(r->masked);
		rig_close(r);
	}
}

static void set_to_nothing_meanwhile(void **state)
{
	struct rig *r = &rig;

	open_suspending(r, 2, T, S);
	rig_event(r, 1);
	rig_run(r);
	napi_suspend_irqs(r->f.n.napi_id);
	assert_int_equal(unapi_napi_set_irq_suspend_timeout(&r->f.n, 0), 0);
	expires_in(r, S);
	r->now += T;
	napi_resume_irqs(r->f.n.napi_id);
	napi_suspend_irqs(r->f.n.napi_id);
	expires_in(r, S - T); /* neither did anything */
	assert_int_equal(r->f.polls, 1);
	assert_int_equal(rig_stats(r).schedules, 1);
	rig_later(r, S - T);
	assert_int_equal(polls_by(r, UNAPI_CAUSE_WATCHDOG), 1);
	defers_and_ends(r, 1);
	rig_close(r);
}

/* Requests and responses: without suspension an interrupt each, with it one for all of them. */
static uint64_t conversation(uint64_t suspend)
{
	struct rig *r = &rig;
	uint64_t irqs;
	int i;

	open_suspending(r, 1, T, suspend);
	rig_event(r, 1);
	rig_run(r);
	for (i = 1; i < 40; i++) {
		/* the application takes its time over each, and then waits for the next */
		napi_suspend_irqs(r->f.n.napi_id);
		rig_later(r, T);
		rig_later(r, T);
		rig_later(r, T);
		rig_event(r, 1);
		if (!rig_run(r))
			assert_int_equal(wait_once(r), 1);
	}
	irqs = rig_stats(r).irqs;
	assert_int_equal(rig_stats(r).work, 40);
	r->cause = false;
	napi_resume_irqs(r->f.n.napi_id);
	rig_quiet(r);
	assert_false(r->masked);
	rig_close(r);
	return irqs;
}

static void a_conversation(void **state)
{
	assert_int_equal(conversation(S), 1);
	assert_in_range(conversation(0), 32, 40);
}

static void while_somebody_owns_it(void **state)
{
	struct rig *r = &rig;

	/* resuming leaves MISSED with the owner */
	open_suspending(r, 2, T, S);
	assert_true(napi_schedule_prep(&r->f.n));
	napi_resume_irqs(r->f.n.napi_id);
	assert_int_equal(rig_word(r), NAPIF_LISTED | NAPIF_SCHED | NAPIF_MISSED);
	assert_int_equal(r->f.polls, 0);
	/* an expiry that finds an owner is lost, and the owner's completion starts the timer */
	napi_suspend_irqs(r->f.n.napi_id);
	rig_later(r, S);
	assert_int_equal(rig_stats(r).timer_fires, 1);
	r->f.backlog = 1;
	__napi_schedule(&r->f.n);
	rig_run(r);
	assert_int_equal(r->f.polls, 2);
	expires_in(r, T);
	rig_close(r);
}

static void resume_in_poll(struct fake *f)
{
	f->before_complete = NULL;
	napi_resume_irqs(f->n.napi_id);
	assert_true(f->n.state & NAPIF_MISSED);
	napi_suspend_irqs(f->n.napi_id);
}

static struct rig *handled;

static void resume_in_handler(struct napi_struct *n)
{
	napi_resume_irqs(n->napi_id);
	assert_int_equal(handled->f.polls, 0); /* it will be, when the handler has returned */
}

static void from_inside(void **state)
{
	struct rig *r = &rig;

	open_suspending(r, 2, T, S);
	r->f.before_complete = resume_in_poll;
	rig_event(r, 1);
	rig_run(r);
	assert_int_equal(r->f.polls, 2);
	expires_in(r, T); /* its completion was last */
	assert_int_equal(napi_disable(&r->f.n), 0);
	assert_int_equal(unapi_napi_set_irq(&r->f.n, r->f.vector, resume_in_handler), 0);
	assert_int_equal(napi_enable(&r->f.n), 0);
	handled = r;
	r->f.polls = 0;
	r->masked = false;
	rig_event(r, 1);
	rig_run(r);
	assert_int_equal(r->f.polls, 1);
	rig_close(r);
}

static void of_none(void **state)
{
	struct rig *r = &rig;
	unsigned int id;

	open_suspending(r, 2, T, S);
	id = r->f.n.napi_id;
	napi_suspend_irqs(0);
	napi_resume_irqs(0);
	napi_suspend_irqs(id + 1);
	napi_resume_irqs(id + 1);
	assert_int_equal(rig_stats(r).timer_starts + rig_stats(r).schedules, 0);
	/* being disabled */
	assert_true(napi_state_take_begin(&r->f.n.state));
	napi_suspend_irqs(id);
	napi_resume_irqs(id);
	assert_int_equal(rig_word(r), NAPIF_LISTED | NAPIF_DISABLE);
	napi_state_take_undo(&r->f.n.state);
	assert_int_equal(rig_stats(r).timer_starts, 0);
	/* disabled: a suspension ends with it */
	napi_suspend_irqs(id);
	assert_int_equal(napi_disable(&r->f.n), 0);
	assert_false(r->f.n.timer.pending);
	napi_suspend_irqs(id);
	napi_resume_irqs(id);
	assert_false(r->f.n.timer.pending);
	assert_int_equal(r->f.polls, 0);
	rig_close(r);
}

static void moves_with_its_instance(void **state)
{
	struct unapi_context *other = fake_context(0);
	struct rig *r = &rig;

	open_suspending(r, 2, T, S);
	rig_event(r, 1);
	rig_run(r);
	napi_suspend_irqs(r->f.n.napi_id);
	/* the one poll that a move costs takes one of the countdown, and its timer ends the suspension */
	assert_int_equal(unapi_napi_set_context(&r->f.n, other, NSEC_PER_SEC), 0);
	unapi_context_run(other, 0);
	napi_suspend_irqs(r->f.n.napi_id);
	r->now += S;
	assert_int_equal(rig_run(r), 0);
	assert_int_equal(polls_by(r, UNAPI_CAUSE_WATCHDOG), 0);
	unapi_context_run(other, 0);
	assert_int_equal(polls_by(r, UNAPI_CAUSE_WATCHDOG), 1);
	fake_del(&r->f);
	assert_int_equal(unapi_context_destroy(other), 0);
	assert_int_equal(unapi_context_destroy(r->c), 0);
	unapi_clock_set_virtual(NULL);
}

/* Where another thread runs the context, that one polls. */
static void context_of_another_thread(void **state)
{
	struct rig *r = &rig;
	uint64_t nap = 0;

	memset(r, 0, sizeof(*r));
	rig_open_real(r, 2, T);
	assert_int_equal(unapi_napi_set_irq_suspend_timeout(&r->f.n, 3600 * NSEC_PER_SEC), 0);
	assert_int_equal(unapi_context_start(r->c, -1), 0);
	napi_resume_irqs(r->f.n.napi_id);
	while (!rig_stats(r).polls)
		assert_true(napi_nap(&nap, UINT64_MAX));
	assert_int_equal(napi_disable(&r->f.n), 0);
	assert_int_equal(rig_stats(r).polls_by[UNAPI_CAUSE_APP], rig_stats(r).polls);
	assert_int_equal(unapi_context_stop(r->c), 0);
	rig_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_deferral),
		cmocka_unit_test(from_armed),
		cmocka_unit_test(a_wait_with_events),
		cmocka_unit_test(a_wait_without),
		cmocka_unit_test(a_stalled_application),
		cmocka_unit_test(the_last_start_counts),
		cmocka_unit_test(without_deferral),
		cmocka_unit_test(set_to_nothing_meanwhile),
		cmocka_unit_test(a_conversation),
		cmocka_unit_test(while_somebody_owns_it),
		cmocka_unit_test(from_inside),
		cmocka_unit_test(of_none),
		cmocka_unit_test(moves_with_its_instance),
		cmocka_unit_test(context_of_another_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
