/* SPDX-License-Identifier: BSD-3-Clause */
/* The invariants of doc/napi-races.md, by number, on a virtual clock but for those with threads. */
#include "tests/unit/napi_rig.h"

#include <sched.h>

static struct rig rig;

/* 1: three threads poll, a fourth asks; no two are inside, and none without SCHED. */
static struct {
	int inside, wrong, asking;
	uint64_t polls;
} one;

static int one_at_a_time(struct napi_struct *n, int budget)
{
	bool alone = !__atomic_fetch_add(&one.inside, 1, __ATOMIC_RELAXED);

	if (!alone || !(napi_state_read(&n->state) & NAPIF_SCHED))
		__atomic_fetch_add(&one.wrong, 1, __ATOMIC_RELAXED);
	one.polls++; /* plain: whoever owns it has seen what the last owner did */
	sched_yield();
	__atomic_fetch_sub(&one.inside, 1, __ATOMIC_RELAXED);
	if (budget)
		napi_complete_done(n, 0);
	return 0;
}

static void *asks_and_busy_polls(void *arg)
{
	struct rig *r = arg;
	bool prefer = false;

	while (__atomic_load_n(&one.asking, __ATOMIC_RELAXED)) {
		napi_schedule(&r->f.n);
		rig_busy_once(r, prefer = !prefer);
	}
	return NULL;
}

static void invariant_1_one_poll_at_a_time(void **state)
{
	struct rig *r = &rig;
	pthread_t t[2];
	int i;

	rig_open_real(r, 0, 0);
	r->f.n.poll = one_at_a_time;
	assert_int_equal(unapi_context_start(r->c, -1), 0);
	one.asking = 1;
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&t[i], NULL, asks_and_busy_polls, r), 0);
	for (i = 0; i < 3000; i++) {
		napi_schedule(&r->f.n);
		assert_int_equal(napi_synchronize(&r->f.n), 0);
	}
	__atomic_store_n(&one.asking, 0, __ATOMIC_RELAXED);
	for (i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(napi_disable(&r->f.n), 0);
	assert_int_equal(one.wrong, 0);
	assert_int_equal(one.polls, rig_stats(r).polls);
	assert_true(one.polls > 1000);
	rig_close(r);
}

/* 2: of one deferred train, exact counts and times for every length, countdown and timeout. */
static void invariant_2_one_deferred_train(void **state)
{
	static const uint64_t timeouts[] = {1, 999, 20000, 2 * NSEC_PER_MSEC, 5 * NSEC_PER_SEC};
	struct rig *r = &rig;
	uint64_t begin;
	unsigned int i;
	int k, d;

	for (i = 0; i < ARRAY_SIZE(timeouts); i++)
		for (d = 1; d <= 6; d++)
			for (k = 1; k <= 192; k++) {
				int shots = k % 64 ? d : 0;
				struct unapi_napi_stats st;

				rig_open(r, (uint32_t)d, timeouts[i]);
				begin = r->now;
				rig_event(r, k);
				assert_int_equal(rig_run(r), k);
				assert_int_equal(r->masked, !!shots);
				rig_quiet(r);
				st = rig_stats(r);
				assert_int_equal(st.irqs, 1);
				assert_int_equal(st.polls, k / 64 + 1 + shots);
				assert_int_equal(st.timer_starts, shots);
				assert_int_equal(st.timer_fires, shots);
				assert_int_equal(st.completions, 1);
				assert_int_equal(r->now, begin + (uint64_t)shots * timeouts[i]);
				assert_false(r->masked);
				rig_close(r);
			}
}

/* 3: a poll that used its budget changes nothing, and defers nothing. */
static void invariant_3_full_polls_change_nothing(void **state)
{
	struct rig *r = &rig;
	unsigned long word;
	int k, i;

	for (k = 1; k <= 8; k++) {
		rig_open(r, 3, T);
		r->f.backlog = 64 * k;
		napi_schedule(&r->f.n);
		word = rig_word(r);
		for (i = 1; i <= k; i++) {
			rig_softirq(r);
			assert_int_equal(r->f.polls, i);
			assert_int_equal(rig_word(r), word);
			assert_int_equal(r->f.n.defer_hard_irqs_count, 0);
			assert_false(r->f.n.timer.pending);
		}
		rig_softirq(r);
		assert_int_equal(r->f.polls, k + 1);
		assert_int_equal(rig_stats(r).full_polls, k);
		assert_int_equal(rig_stats(r).empty_polls, 1);
		assert_int_equal(rig_stats(r).deferred, 0);
		assert_true(r->f.unmasked);
		rig_close(r);
	}
}

/* 4: after a completion that returned false, exactly one is to see to it. */
static int false_completions;

static void one_is_responsible(struct fake *f)
{
	const struct napi_struct *n = &f->n;
	bool queued = !list_empty(&n->poll_list), timer = n->timer.pending;
	bool owner = n->state & NAPIF_IN_BUSY_POLL;

	if (!f->unmasked) {
		false_completions++;
		assert_int_equal(queued + owner + (timer && !queued && !owner), 1);
		assert_int_equal(!!(n->state & NAPIF_SCHED), queued || owner);
	}
	rig_after_complete(f);
}

static void asks_again(struct fake *f)
{
	f->before_complete = NULL;
	napi_schedule(&f->n);
}

static int turns;

static bool third(void *arg, unsigned long start)
{
	return ++turns == 3;
}

static void invariant_4_false_completions_leave_one_responsible(void **state)
{
	struct rig *r = &rig;
	int d, timer, missed;

	for (d = 0; d <= 3; d++)
		for (timer = 0; timer < 2; timer++)
			for (missed = 0; missed < 2; missed++) {
				rig_open(r, (uint32_t)d, timer ? T : 0);
				r->f.after_complete = one_is_responsible;
				r->f.before_complete = missed ? asks_again : NULL;
				false_completions = 0;
				rig_event(r, 5);
				rig_run(r);
				rig_quiet(r);
				/* d of the d + 1, or the one that found MISSED instead */
				assert_int_equal(false_completions, timer && d ? d : missed);
				turns = false_completions = 0;
				assert_int_equal(napi_busy_loop(r->f.n.napi_id, third, NULL, missed, 8), 0);
				assert_int_equal(false_completions, 3);
				rig_quiet(r);
				assert_true(r->f.unmasked);
				rig_close(r);
			}
}

/* 5: after a completion that returned true nothing polls but a request, or a timer that still runs. */
static void invariant_5_no_poll_without_a_request(void **state)
{
	struct rig *r = &rig;
	int d, polls;

	for (d = 0; d <= 3; d++) {
		rig_open(r, (uint32_t)d, T);
		rig_event(r, 5);
		rig_run(r);
		rig_quiet(r);
		polls = r->f.polls;
		assert_int_equal(rig_later(r, 1000 * T), 0);
		assert_int_equal(r->f.polls, polls);
		rig_close(r);
	}
	/* a timer of before, which a completion that returned true has left running */
	rig_open(r, 2, T);
	rig_event(r, 5);
	rig_run(r);
	assert_int_equal(unapi_napi_set_defer_hard_irqs(&r->f.n, 0), 0);
	r->f.backlog = 1;
	napi_schedule(&r->f.n);
	rig_run(r);
	assert_true(r->f.unmasked);
	polls = r->f.polls;
	assert_int_equal(rig_later(r, T - 1), 0);
	assert_int_equal(r->f.polls, polls);
	rig_later(r, 1);
	assert_int_equal(r->f.polls, polls + 1);
	rig_later(r, 1000 * T);
	assert_int_equal(r->f.polls, polls + 1);
	rig_close(r);
}

/* 6: whenever an event comes, it is delivered within T. */
static void invariant_6_delivered_within_the_timeout(void **state)
{
	struct rig *r = &rig;
	uint64_t at, due, end;
	int d;

	for (d = 0; d <= 4; d++)
		for (at = 0; at <= 6 * T; at += T / 8) {
			rig_open(r, (uint32_t)d, T);
			end = r->now + at;
			rig_event(r, 5);
			rig_run(r);
			while (r->f.n.timer.pending && r->f.n.timer.expires <= end) {
				r->now = r->f.n.timer.expires;
				rig_run(r);
			}
			r->now = end;
			rig_event(r, 3);
			due = r->now + T;
			rig_run(r);
			if (r->f.backlog) {
				assert_true(r->f.n.timer.pending);
				assert_true(r->f.n.timer.expires <= due);
				r->now = r->f.n.timer.expires;
				assert_int_equal(rig_run(r), 3);
			}
			assert_int_equal(r->f.backlog, 0);
			rig_close(r);
		}
}

/* 7: after disable nothing polls, no timer runs, and nobody owns it; enable begins without SCHED. */
static void prepare(struct rig *r, int how)
{
	switch (how) {
	case 0: /* idle */
		break;
	case 1: /* queued */
		napi_schedule(&r->f.n);
		break;
	case 2: /* deferred */
		rig_event(r, 5);
		rig_run(r);
		break;
	case 3: /* polling on */
		r->f.backlog = 1 << 20;
		napi_schedule(&r->f.n);
		rig_softirq(r);
		break;
	case 4: /* left to the timer by a busy poller */
		rig_busy_once(r, true);
		break;
	case 5: /* missed */
		napi_schedule(&r->f.n);
		napi_schedule(&r->f.n);
		break;
	}
}

static void invariant_7_disable_leaves_nothing(void **state)
{
	struct rig *r = &rig;
	int how, polls;

	for (how = 0; how <= 5; how++) {
		rig_open(r, 2, T);
		prepare(r, how);
		assert_int_equal(napi_disable(&r->f.n), 0);
		assert_int_equal(rig_word(r), NAPIF_LISTED | NAPIF_SCHED | NAPIF_NPSVC);
		assert_false(r->f.n.timer.pending);
		assert_true(list_empty(&r->c->poll_list) && inbox_empty(&r->c->inbox));
		polls = r->f.polls;
		fake_interrupt(&r->f);
		napi_schedule(&r->f.n);
		rig_later(r, 1000 * T);
		assert_int_equal(r->f.polls, polls);
		assert_int_equal(napi_enable(&r->f.n), 0);
		/* A request to an instance that rests leaves MISSED, as in the kernel, and no more. */
		assert_int_equal(rig_word(r), NAPIF_LISTED | NAPIF_MISSED);
		rig_later(r, 1000 * T);
		assert_int_equal(r->f.polls, polls);
		rig_close(r);
	}
}

static void invariant_7_no_thread_owns_it(void **state)
{
	static const enum netdev_napi_threaded modes[] = {NETDEV_NAPI_THREADED_ENABLED,
							  NETDEV_NAPI_THREADED_BUSY_POLL};
	struct rig *r = &rig;
	uint64_t polls;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		rig_open_real(r, 2, T);
		r->f.after_complete = NULL;
		assert_int_equal(napi_set_threaded(&r->f.n, modes[i]), 0);
		napi_schedule(&r->f.n);
		assert_int_equal(napi_disable(&r->f.n), 0);
		assert_int_equal(rig_word(r), NAPIF_LISTED | NAPIF_SCHED | NAPIF_NPSVC);
		polls = rig_stats(r).polls;
		assert_int_equal(napi_synchronize(&r->f.n), 0);
		assert_int_equal(rig_stats(r).polls, polls);
		assert_int_equal(napi_enable(&r->f.n), 0);
		assert_false(rig_word(r) & NAPIF_SCHED);
		rig_close(r);
	}
}

/* 8: whatever is changed while an event waits, it is delivered by the next request or timer. */
static struct unapi_context *elsewhere;

static void change(struct rig *r, int what)
{
	switch (what) {
	case 0:
		assert_int_equal(unapi_napi_set_defer_hard_irqs(&r->f.n, 0), 0);
		break;
	case 1:
		assert_int_equal(unapi_napi_set_defer_hard_irqs(&r->f.n, 100), 0);
		break;
	case 2:
		assert_int_equal(unapi_napi_set_gro_flush_timeout(&r->f.n, 0), 0);
		break;
	case 3:
		assert_int_equal(unapi_napi_set_gro_flush_timeout(&r->f.n, 1000 * T), 0);
		break;
	case 4:
		assert_int_equal(unapi_napi_set_context(&r->f.n, elsewhere, 0), 0);
		break;
	case 5: /* there and back */
		assert_int_equal(unapi_context_set_poller(r->c, true), 0);
		assert_int_equal(unapi_napi_set_mode(&r->f.n, UNAPI_POLL_BUSY), 0);
		assert_int_equal(unapi_napi_poll_begin(&r->f.n), 0);
		assert_int_equal(unapi_napi_set_mode(&r->f.n, UNAPI_POLL_INTERRUPT), 0);
		break;
	}
}

static void run_both(struct rig *r)
{
	assert_true(rig_run(r) >= 0);
	assert_true(unapi_context_run(elsewhere, 0) >= 0);
}

static void invariant_8_changes_lose_nothing(void **state)
{
	struct rig *r = &rig;
	int what, when, rounds;

	for (what = 0; what <= 5; what++)
		for (when = 0; when < 3; when++) {
			rig_open(r, 2, T);
			elsewhere = fake_context(0);
			if (when) { /* in deferral, the event masked; or after the last round, the event fired
				     */
				rig_event(r, 5);
				rig_run(r);
			}
			if (when == 2)
				rig_quiet(r);
			rig_event(r, 3);
			change(r, what);
			run_both(r);
			if (r->f.backlog) {
				assert_true(r->f.n.timer.pending);
				assert_true(r->f.n.timer.expires <= r->now + T);
				r->now = r->f.n.timer.expires;
				run_both(r);
			}
			assert_int_equal(r->f.backlog, 0);
			/* and then as set: until the interrupt is back, and with the next event */
			for (rounds = 0; r->masked || r->f.n.timer.pending; rounds++) {
				assert_true(rounds < 200);
				if (r->f.n.timer.pending)
					r->now = r->f.n.timer.expires;
				run_both(r);
			}
			rig_event(r, 1);
			run_both(r);
			assert_int_equal(r->f.backlog, 0);
			fake_del(&r->f);
			assert_int_equal(unapi_context_destroy(elsewhere), 0);
			assert_int_equal(unapi_context_destroy(r->c), 0);
			unapi_clock_set_virtual(NULL);
		}
}

/* 9: of instances that are always full, ceil(B / 64) polls between squeezes, or a pass; in turn. */
static void invariant_9_fairness(void **state)
{
	static struct fake f[8];
	struct unapi_context_stats st;
	struct unapi_context *c;
	static struct fake_log log;
	int n, budget, run, i, turn;
	uint64_t now = NSEC_PER_SEC;

	unapi_clock_set_virtual(&now); /* so that no run ends by time */
	for (n = 1; n <= 8; n++)
		for (budget = 1; budget <= 400; budget += 7) {
			int polls = (budget + 63) / 64, length = polls < n ? polls : n;

			c = fake_context((unsigned int)budget);
			for (i = 0; i < n; i++) {
				fake_add(&f[i], c, (char)('a' + i));
				f[i].log = &log;
				f[i].backlog = 1 << 30;
				assert_int_equal(napi_enable(&f[i].n), 0);
				napi_schedule(&f[i].n);
			}
			for (turn = run = 0; run < 6; run++) {
				log.text[0] = 0;
				assert_int_equal(context_enter(c, false), 0);
				net_rx_action(c);
				context_leave(c);
				assert_int_equal(strlen(log.text), length * 4); /* "a64 " */
				for (i = 0; i < length; i++)
					assert_int_equal(log.text[4 * i], 'a' + turn++ % n);
			}
			unapi_context_get_stats(c, &st);
			assert_int_equal(st.time_squeeze, polls <= n ? 6 : 0);
			for (i = 0; i < n; i++)
				fake_del(&f[i]);
			assert_int_equal(unapi_context_destroy(c), 0);
		}
	unapi_clock_set_virtual(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(invariant_1_one_poll_at_a_time),
		cmocka_unit_test(invariant_2_one_deferred_train),
		cmocka_unit_test(invariant_3_full_polls_change_nothing),
		cmocka_unit_test(invariant_4_false_completions_leave_one_responsible),
		cmocka_unit_test(invariant_5_no_poll_without_a_request),
		cmocka_unit_test(invariant_6_delivered_within_the_timeout),
		cmocka_unit_test(invariant_7_disable_leaves_nothing),
		cmocka_unit_test(invariant_7_no_thread_owns_it),
		cmocka_unit_test(invariant_8_changes_lose_nothing),
		cmocka_unit_test(invariant_9_fairness),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
