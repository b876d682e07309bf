/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The races of doc/napi-races.md, each brought about on purpose: by what a poll method, its completion, the
 * flush of GRO or the end of a busy loop is made to do at just that moment. Those that need a second thread
 * are in test_napi_races_threads.c.
 */
#include "tests/unit/napi_rig.h"

static struct rig rig;

/* The second request comes while the first is between taking ownership and queueing. */
static void race_two_cpus_schedule_at_once(void **state)
{
	struct rig *r = &rig;

	rig_open(r, 0, 0);
	r->f.backlog = 3;
	assert_true(napi_schedule_prep(&r->f.n));
	assert_false(napi_schedule(&r->f.n));
	assert_true(rig_word(r) & NAPIF_MISSED);
	assert_true(inbox_empty(&r->c->inbox)); /* the loser queued nothing */
	__napi_schedule(&r->f.n);
	assert_int_equal(rig_run(r), 3);
	assert_int_equal(rig_stats(r).schedules, 1);
	assert_int_equal(rig_stats(r).missed, 1);
	assert_int_equal(r->f.polls, 2);
	rig_close(r);
}

static void two_more_by_schedule(struct fake *f)
{
	f->before_complete = NULL;
	f->backlog += 2;
	assert_false(napi_schedule(&f->n));
}

static void still_owned(struct rig *r)
{
	r->before_unmask = NULL;
	assert_false(r->f.unmasked);
	assert_int_equal(rig_word(r), NAPIF_LISTED | NAPIF_SCHED);
}

static void race_event_after_the_last_ring_check(void **state)
{
	struct rig *r = &rig;

	rig_open(r, 0, 0);
	r->before_unmask = still_owned;
	r->f.before_complete = two_more_by_schedule;
	rig_event(r, 5);
	assert_int_equal(rig_run(r), 7);
	assert_int_equal(rig_stats(r).missed, 1);
	assert_int_equal(rig_stats(r).irqs, 1);
	assert_int_equal(rig_stats(r).completions, 1); /* the one that found MISSED was false */
	assert_false(r->masked);
	rig_close(r);
}

static void event_while_masked(struct rig *r)
{
	r->before_unmask = NULL;
	assert_true(r->masked);
	assert_false(rig_word(r) & NAPIF_SCHED);
	rig_event(r, 2);
}

/* A device without a latch: its driver looks at the ring again once it has unmasked. */
static void looks_again(struct fake *f)
{
	struct rig *r = container_of(f, struct rig, f);

	if (r->before_unmask)
		r->before_unmask(r);
	r->masked = r->cause = false;
	if (f->backlog)
		napi_schedule(&f->n);
}

static void race_event_between_completion_and_unmask(void **state)
{
	struct rig *r = &rig;

	rig_open(r, 0, 0);
	r->before_unmask = event_while_masked;
	rig_event(r, 5);
	assert_int_equal(rig_run(r), 5);
	assert_int_equal(r->f.backlog, 2);
	assert_int_equal(rig_run(r), 2); /* latched, and fired when it was unmasked */
	assert_int_equal(rig_stats(r).irqs, 2);
	assert_false(r->masked);

	r->f.after_complete = looks_again;
	r->before_unmask = event_while_masked;
	rig_event(r, 5);
	assert_int_equal(rig_run(r), 7);
	assert_int_equal(rig_stats(r).irqs, 3);
	rig_close(r);
}

static int turns;

static bool event_in_the_loop(void *arg, unsigned long start)
{
	struct rig *r = arg;

	r->f.backlog += 3;
	assert_false(napi_schedule(&r->f.n)); /* as its interrupt's handler would */
	assert_true(rig_word(r) & NAPIF_MISSED);
	return true;
}

static void race_event_during_a_busy_loop(void **state)
{
	struct rig *r = &rig;

	/* the stop polls again */
	rig_open(r, 0, 0);
	assert_int_equal(napi_busy_loop(r->f.n.napi_id, event_in_the_loop, r, false, 8), 0);
	assert_int_equal(r->f.backlog, 0);
	assert_int_equal(rig_stats(r).missed, 0);
	assert_int_equal(rig_word(r), NAPIF_LISTED);
	rig_close(r);

	/* or starts the timer */
	rig_open(r, 1, T);
	assert_int_equal(napi_busy_loop(r->f.n.napi_id, event_in_the_loop, r, true, 8), 0);
	assert_int_equal(r->f.backlog, 3);
	assert_int_equal(rig_word(r), NAPIF_LISTED);
	assert_int_equal(rig_later(r, T), 3);
	assert_int_equal(rig_stats(r).missed, 0);
	rig_close(r);
}

static void race_event_after_stop_let_go(void **state)
{
	struct rig *r = &rig;

	rig_open(r, 2, T);
	rig_event(r, 1);
	rig_run(r);
	assert_true(r->masked); /* deferred */
	rig_busy_once(r, true);
	assert_false(rig_word(r) & NAPIF_SCHED);
	rig_event(r, 3); /* nobody is told */
	assert_int_equal(rig_run(r), 0);
	assert_int_equal(rig_later(r, T - 1), 0);
	assert_int_equal(rig_later(r, 1), 3);
	rig_close(r);
}

static bool nothing_held(struct napi_struct *n)
{
	return false;
}

static bool flush_is_stop;

static void event_in_flush(struct napi_struct *n)
{
	struct rig *r = container_of(n, struct rig, f.n);

	if (!flush_is_stop)
		return;
	flush_is_stop = false;
	assert_int_equal(rig_word(r) & (NAPIF_SCHED | NAPIF_MISSED | NAPIF_IN_BUSY_POLL), NAPIF_SCHED);
	r->f.backlog += 3;
	assert_false(napi_schedule(n));
}

static void flush_nothing(struct napi_struct *n) {}

static const struct unapi_gro_ops stop_is_seen = {
	.held = nothing_held, .flush_old = event_in_flush, .flush_all = flush_nothing};

/* MISSED is left behind without an owner: it costs the next completion a poll. The event is the timer's. */
static void race_event_between_the_halves_of_stop(void **state)
{
	struct rig *r = &rig;

	rig_open(r, 2, T);
	assert_int_equal(napi_disable(&r->f.n), 0);
	assert_int_equal(unapi_napi_set_gro(&r->f.n, &stop_is_seen), 0);
	assert_int_equal(napi_enable(&r->f.n), 0);
	flush_is_stop = true;
	rig_busy_once(r, true);
	assert_false(flush_is_stop);
	assert_int_equal(rig_word(r), NAPIF_LISTED | NAPIF_MISSED);
	assert_int_equal(r->f.polls, 1);
	assert_int_equal(rig_later(r, T), 3);
	assert_int_equal(r->f.polls, 3); /* with the one for the stale MISSED */
	assert_int_equal(rig_stats(r).missed, 1);
	assert_int_equal(rig_word(r), NAPIF_LISTED);
	rig_close(r);
}

static void race_watchdog_against_an_owner(void **state)
{
	struct rig *r = &rig;

	rig_open(r, 3, T);
	rig_event(r, 1);
	rig_run(r);
	assert_true(napi_schedule_prep(&r->f.n)); /* owned, and not queued yet */
	assert_int_equal(rig_later(r, T), 0);
	assert_int_equal(rig_stats(r).timer_fires, 1);
	assert_int_equal(rig_word(r), NAPIF_LISTED | NAPIF_SCHED); /* lost without a trace */
	assert_int_equal(r->f.polls, 1);
	__napi_schedule(&r->f.n);
	rig_run(r);
	assert_true(r->f.n.timer.pending); /* the owner's own completion decided */
	assert_int_equal(r->f.polls, 2);
	rig_close(r);
}

static void race_watchdog_against_disable(void **state)
{
	struct rig *r = &rig;

	/* disable owns it: the callback is not started any more */
	rig_open(r, 3, T);
	rig_event(r, 1);
	rig_run(r);
	assert_int_equal(napi_disable(&r->f.n), 0);
	rig_later(r, T);
	assert_int_equal(rig_stats(r).timer_fires, 0);
	rig_close(r);

	/* DISABLE is set, ownership not yet taken: it does nothing */
	rig_open(r, 3, T);
	rig_event(r, 1);
	rig_run(r);
	assert_true(napi_state_take_begin(&r->f.n.state));
	rig_later(r, T);
	assert_int_equal(rig_stats(r).timer_fires, 1);
	assert_int_equal(rig_word(r), NAPIF_LISTED | NAPIF_DISABLE);
	assert_int_equal(r->f.polls, 1);
	napi_state_take_undo(&r->f.n.state);
	rig_close(r);

	/* it got SCHED first: disable waits for that poll */
	rig_open(r, 3, T);
	rig_event(r, 1);
	rig_run(r);
	r->now += T;
	assert_int_equal(context_enter(r->c, false), 0);
	timers_run(r->c);
	context_leave(r->c);
	assert_true(rig_word(r) & NAPIF_SCHED);
	assert_int_equal(r->f.polls, 1);
	assert_int_equal(napi_disable(&r->f.n), 0);
	assert_int_equal(r->f.polls, 2);
	assert_false(r->f.n.timer.pending);
	rig_close(r);
}

static void refused(struct fake *f)
{
	assert_true(f->n.state & NAPIF_DISABLE);
	assert_false(napi_schedule(&f->n));
}

static void race_schedule_against_disable(void **state)
{
	struct rig *r = &rig;

	rig_open(r, 0, 0);
	napi_schedule(&r->f.n);
	r->f.before_complete = refused; /* in the poll that disable waits for */
	assert_int_equal(napi_disable(&r->f.n), 0);
	assert_int_equal(r->f.polls, 1);
	assert_int_equal(rig_word(r), NAPIF_LISTED | NAPIF_SCHED | NAPIF_NPSVC);
	assert_int_equal(napi_enable(&r->f.n), 0);
	r->f.before_complete = NULL;
	napi_schedule(&r->f.n);
	rig_run(r);
	assert_int_equal(r->f.polls, 2); /* nothing stale was answered */
	rig_close(r);
}

static void race_repolling_owner_against_disable(void **state)
{
	struct rig *r = &rig;

	rig_open(r, 2, T);
	rig_event(r, 1 << 20);
	rig_run(r);
	assert_true(rig_word(r) & NAPIF_SCHED);
	r->f.polls = 0;
	assert_int_equal(napi_disable(&r->f.n), 0);
	assert_int_equal(r->f.polls, 1);
	assert_true(r->f.backlog > 0);
	assert_true(r->masked);
	rig_close(r);
}

static void race_busy_poller_against_a_softirq_owner(void **state)
{
	struct rig *r = &rig;

	/* asked for: given up after a budget, and there for the taking until T */
	rig_open(r, 2, T);
	r->f.backlog = 200;
	napi_schedule(&r->f.n);
	rig_busy_once(r, true);
	assert_int_equal(r->f.polls, 0);
	rig_softirq(r);
	assert_int_equal(r->f.backlog, 136);
	assert_int_equal(rig_word(r), NAPIF_LISTED);
	assert_true(r->f.n.timer.pending);
	rig_busy_once(r, true);
	assert_int_equal(r->f.backlog, 128);
	rig_close(r);

	/* not asked for: kept until it completes */
	rig_open(r, 2, T);
	r->f.backlog = 200;
	napi_schedule(&r->f.n);
	rig_busy_once(r, false);
	rig_softirq(r);
	assert_true(rig_word(r) & NAPIF_SCHED);
	rig_busy_once(r, false);
	assert_int_equal(r->f.backlog, 136);
	rig_run(r);
	assert_int_equal(r->f.backlog, 0);
	rig_close(r);
}

static void race_nobody_comes_after_prefer(void **state)
{
	struct rig *r = &rig;

	rig_open(r, 2, T);
	r->f.backlog = 200;
	napi_schedule(&r->f.n);
	rig_busy_once(r, true);
	assert_int_equal(rig_run(r), 64);
	assert_int_equal(rig_later(r, T), 136);
	rig_close(r);

	/* no timer is possible: asked for at once */
	rig_open(r, 2, 0);
	r->f.backlog = 200;
	napi_schedule(&r->f.n);
	rig_busy_once(r, true);
	assert_int_equal(rig_run(r), 200);
	assert_int_equal(rig_stats(r).schedules, 2);
	rig_close(r);
}

/* One hand-over a request: whichever ends the ownership takes the mark with it. */
static void race_stale_prefer(void **state)
{
	struct rig *r = &rig;

	rig_open(r, 0, 0);
	napi_schedule(&r->f.n);
	rig_busy_once(r, true);
	assert_true(rig_word(r) & NAPIF_PREFER_BUSY_POLL);
	rig_run(r); /* completes by itself */
	assert_int_equal(rig_word(r), NAPIF_LISTED);
	rig_close(r);

	rig_open(r, 1, T);
	rig_event(r, 1);
	rig_run(r);
	/* as left by one who asked a busy poller that stopped */
	napi_state_prefer(&r->f.n.state);
	r->f.backlog = 200;
	assert_int_equal(rig_later(r, T), 200); /* not handed over */
	assert_false(rig_word(r) & NAPIF_PREFER_BUSY_POLL);
	rig_close(r);

	rig_open(r, 0, 0);
	napi_state_prefer(&r->f.n.state);
	assert_int_equal(napi_disable(&r->f.n), 0);
	assert_int_equal(rig_word(r), NAPIF_LISTED | NAPIF_SCHED | NAPIF_NPSVC);
	rig_close(r);
}

static void says_npsvc(struct fake *f)
{
	f->before_complete = NULL;
	__atomic_fetch_or(&f->n.state, NAPIF_NPSVC, __ATOMIC_RELAXED);
}

static void npsvc_kept(struct fake *f)
{
	f->after_complete = NULL;
	assert_false(f->unmasked);
	assert_int_equal(f->n.state, NAPIF_LISTED | NAPIF_SCHED | NAPIF_NPSVC);
	__atomic_fetch_and(&f->n.state, ~NAPIF_NPSVC, __ATOMIC_RELAXED);
}

static bool third(void *arg, unsigned long start)
{
	return ++turns == 3;
}

/* There is no netpoll. What is left of it: NPSVC stops a completion, and a poll without a budget, which
 * sends only, never completes. */
static void race_polls_without_budget_instead_of_netpoll(void **state)
{
	struct rig *r = &rig;

	rig_open(r, 2, T);
	unapi_set_log(NULL, NULL);
	r->f.before_complete = says_npsvc;
	r->f.after_complete = npsvc_kept;
	napi_schedule(&r->f.n);
	rig_softirq(r);
	assert_false(r->f.n.timer.pending);
	rig_run(r);
	assert_int_equal(rig_word(r), NAPIF_LISTED);
	rig_close(r);

	rig_open(r, 0, 0);
	r->f.backlog = 5;
	turns = 0;
	assert_int_equal(napi_busy_loop(r->f.n.napi_id, third, NULL, false, 0), 0);
	assert_int_equal(r->f.polls, 4);
	assert_int_equal(r->f.backlog, 5);
	assert_int_equal(rig_stats(r).completions, 0);
	assert_int_equal(rig_run(r), 5);
	rig_close(r);
}

static int completes_and_returns_budget(struct napi_struct *n, int budget)
{
	struct fake *f = container_of(n, struct fake, n);

	f->polls++;
	napi_complete_done(n, budget);
	if (f->polls > 1)
		return 0;
	napi_schedule(n); /* it is on the list when it claims to want more */
	return budget;
}

static void no_log(void *arg, enum unapi_log_level level, const char *text) {}

static void race_completes_and_returns_budget(void **state)
{
	struct rig *r = &rig;

	rig_open(r, 0, 0);
	unapi_set_log(no_log, NULL);
	r->f.n.poll = completes_and_returns_budget;
	napi_schedule(&r->f.n);
	rig_run(r);
	rig_run(r);
	assert_int_equal(r->f.polls, 2); /* queued once */
	assert_int_equal(rig_stats(r).violations, 1);
	assert_true(list_empty(&r->c->poll_list));
	unapi_set_log(NULL, NULL);
	rig_close(r);
}

static struct fake other;

static void queues_other(struct fake *f)
{
	f->after_complete = rig_after_complete;
	assert_true(napi_schedule(&other.n));
}

static void race_queued_while_the_softirq_ends(void **state)
{
	struct rig *r = &rig;

	rig_open(r, 0, 0);
	fake_add(&other, r->c, 'b');
	assert_int_equal(napi_enable(&other.n), 0);
	r->f.after_complete = queues_other; /* the last of the last poll of the list */
	napi_schedule(&r->f.n);
	rig_softirq(r);
	assert_int_equal(other.polls, 1);
	/* and when it has ended: the context's descriptor tells */
	rig_run(r);
	assert_false(fd_readable(unapi_context_fd(r->c)));
	napi_schedule(&other.n);
	assert_true(fd_readable(unapi_context_fd(r->c)));
	rig_run(r);
	assert_int_equal(other.polls, 2);
	/* or between the last look and the end: it is looked at again after saying that it may sleep */
	assert_int_equal(context_enter(r->c, false), 0);
	inbox_awake(&r->c->inbox);
	net_rx_action(r->c);
	assert_true(napi_schedule(&other.n));
	context_leave(r->c);
	assert_true(fd_readable(unapi_context_fd(r->c)));
	rig_run(r);
	assert_int_equal(other.polls, 3);
	fake_del(&other);
	rig_close(r);
}

static void suspend_in_poll(struct fake *f)
{
	f->before_complete = NULL;
	napi_suspend_irqs(f->n.napi_id);
}

static void suspend_before_unmask(struct rig *r)
{
	r->before_unmask = NULL;
	napi_suspend_irqs(r->f.n.napi_id);
}

/* Whichever starts the timer last; either way a poll follows. */
static void race_suspension_against_completion(void **state)
{
	struct rig *r = &rig;
	unsigned int last;

	for (last = 0; last < 2; last++) {
		rig_open(r, 1, T);
		assert_int_equal(unapi_napi_set_irq_suspend_timeout(&r->f.n, 9 * T), 0);
		if (last)
			r->before_unmask = suspend_before_unmask;
		else
			r->f.before_complete = suspend_in_poll;
		rig_event(r, 1);
		rig_run(r);
		assert_int_equal(rig_stats(r).timer_starts, 2);
		r->f.backlog = 1;
		assert_int_equal(rig_later(r, T - 1), 0);
		assert_int_equal(rig_later(r, 1), last ? 0 : 1);
		if (last)
			assert_int_equal(rig_later(r, 8 * T), 1);
		assert_int_equal(rig_stats(r).polls_by[last ? UNAPI_CAUSE_WATCHDOG : UNAPI_CAUSE_REPOLL], 1);
		rig_quiet(r);
		assert_false(r->masked);
		rig_close(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(race_two_cpus_schedule_at_once),
		cmocka_unit_test(race_event_after_the_last_ring_check),
		cmocka_unit_test(race_event_between_completion_and_unmask),
		cmocka_unit_test(race_event_during_a_busy_loop),
		cmocka_unit_test(race_event_after_stop_let_go),
		cmocka_unit_test(race_event_between_the_halves_of_stop),
		cmocka_unit_test(race_watchdog_against_an_owner),
		cmocka_unit_test(race_watchdog_against_disable),
		cmocka_unit_test(race_schedule_against_disable),
		cmocka_unit_test(race_repolling_owner_against_disable),
		cmocka_unit_test(race_busy_poller_against_a_softirq_owner),
		cmocka_unit_test(race_nobody_comes_after_prefer),
		cmocka_unit_test(race_stale_prefer),
		cmocka_unit_test(race_polls_without_budget_instead_of_netpoll),
		cmocka_unit_test(race_completes_and_returns_budget),
		cmocka_unit_test(race_queued_while_the_softirq_ends),
		cmocka_unit_test(race_suspension_against_completion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
