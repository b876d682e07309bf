/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupt deferral, its timer, and the end of a busy loop, on a virtual clock. */
#include "tests/unit/napi_fake.h"

#include <errno.h>
#include <stdlib.h>

#define T 20001ULL /* nanoseconds count */

static uint64_t now;

struct rig {
	struct unapi_context *c;
	struct fake f;
};

static void rig_open(struct rig *r, uint32_t defer, uint64_t timeout)
{
	now = NSEC_PER_SEC;
	unapi_clock_set_virtual(&now);
	r->c = fake_context(0);
	fake_add(&r->f, r->c, 'a');
	fake_add_vector(&r->f);
	assert_int_equal(unapi_napi_set_defer_hard_irqs(&r->f.n, defer), 0);
	assert_int_equal(unapi_napi_set_gro_flush_timeout(&r->f.n, timeout), 0);
	assert_int_equal(napi_enable(&r->f.n), 0);
}

static void rig_close(struct rig *r)
{
	fake_del(&r->f);
	assert_int_equal(unapi_context_destroy(r->c), 0);
	unapi_clock_set_virtual(NULL);
}

static struct unapi_napi_stats stats(struct rig *r)
{
	struct unapi_napi_stats st;

	unapi_napi_get_stats(&r->f.n, &st);
	return st;
}

static void train(struct rig *r, int k)
{
	r->f.backlog = k;
	fake_interrupt(&r->f);
	assert_int_equal(unapi_context_run(r->c, 0), k);
}

/* Let time pass a nanosecond before the expiry, then to it: nothing happens early, and nothing is late. */
static void quiet(struct rig *r)
{
	while (READ_ONCE(r->c->timer_next) != UINT64_MAX) {
		uint64_t polls = stats(r).polls, next = r->c->timer_next;
		unsigned long state = r->f.n.state;

		if (next == r->c->tick_timer.expires && r->c->tick_timer.pending)
			break;
		now = next - 1;
		unapi_context_run(r->c, 0);
		assert_int_equal(stats(r).polls, polls);
		assert_int_equal(r->f.n.state, state);
		now = next;
		unapi_context_run(r->c, 0);
	}
}

/* One train of k packets from a quiet start, quiet afterwards. */
static void trains(void **state)
{
	struct unapi_napi_stats st;
	struct rig r;
	int k, d, t;

	for (t = 0; t < 2; t++)
		for (d = 0; d <= 4; d++)
			for (k = 1; k <= 130; k++) {
				int shots = t && k % 64 ? d : 0;

				rig_open(&r, (uint32_t)d, t ? T : 0);
				train(&r, k);
				assert_int_equal(r.f.unmasked, !shots);
				quiet(&r);
				st = stats(&r);
				assert_int_equal(st.irqs, 1);
				assert_int_equal(st.polls, k / 64 + 1 + shots);
				assert_int_equal(st.timer_starts, shots);
				assert_int_equal(st.timer_fires, shots);
				assert_int_equal(st.deferred, shots);
				assert_int_equal(st.completions, 1);
				assert_int_equal(st.polls_by[UNAPI_CAUSE_REPOLL], shots);
				assert_int_equal(now, NSEC_PER_SEC + (uint64_t)shots * T);
				assert_true(r.f.unmasked);
				rig_close(&r);
			}
}

static void schedule_once(struct fake *f)
{
	f->before_complete = NULL;
	napi_schedule(&f->n);
}

/* A request during the poll costs a credit without a shot: polls stay d + 1, shots d - 1. */
static void missed_costs_a_credit(void **state)
{
	struct unapi_napi_stats st;
	struct rig r;

	rig_open(&r, 3, T);
	r.f.before_complete = schedule_once;
	train(&r, 8);
	quiet(&r);
	st = stats(&r);
	assert_int_equal(st.polls, 4);
	assert_int_equal(st.timer_fires, 2);
	assert_int_equal(st.missed, 1);
	assert_int_equal(st.deferred, 2);
	assert_int_equal(st.completions, 1);
	rig_close(&r);
}

/* A count left over is used, and only it; a changed setting counts at its next read. */
static void leftover_and_changes(void **state)
{
	struct rig r;

	rig_open(&r, 3, T);
	train(&r, 8); /* leaves 2 */
	r.f.backlog = 64;
	now += T;
	assert_int_equal(unapi_context_run(r.c, 0), 64); /* 64, then an empty poll: nothing is refilled */
	assert_int_equal(r.f.n.defer_hard_irqs_count, 1);
	quiet(&r);
	assert_int_equal(stats(&r).timer_fires, 3);

	train(&r, 8); /* leaves 2 */
	assert_int_equal(unapi_napi_set_defer_hard_irqs(&r.f.n, 0), 0);
	assert_int_equal(unapi_napi_set_gro_flush_timeout(&r.f.n, 5), 0);
	assert_int_equal(r.c->timer_next, now + T); /* neither shortened nor ended */
	assert_int_equal(r.f.n.defer_hard_irqs_count, 2);
	now += T;
	unapi_context_run(r.c, 0);
	assert_int_equal(r.c->timer_next, now + 5);
	train(&r, 1); /* reads 0 */
	assert_true(r.f.unmasked);
	assert_true(r.f.n.timer.pending); /* survives a completion that returned true: one poll too many */
	quiet(&r);
	assert_int_equal(stats(&r).timer_fires, 5);
	assert_int_equal(unapi_napi_set_defer_hard_irqs(&r.f.n, 1U << 31), -ERANGE);
	assert_int_equal(unapi_napi_defer_hard_irqs(&r.f.n), 0);
	assert_int_equal(unapi_napi_gro_flush_timeout(&r.f.n), 5);
	rig_close(&r);
}

/* The timer never fires for an instance that is disabled, nor for one that is owned. */
static void watchdog_against_owner_and_disable(void **state)
{
	struct rig r;

	rig_open(&r, 3, T);
	train(&r, 8);
	assert_true(napi_schedule_prep(&r.f.n));
	now += T;
	unapi_context_run(r.c, 0);
	assert_int_equal(stats(&r).timer_fires, 1);
	assert_int_equal(stats(&r).polls, 1);
	assert_false(r.f.n.state & NAPIF_MISSED);
	__napi_schedule(&r.f.n);
	unapi_context_run(r.c, 0);
	assert_true(r.f.n.timer.pending);
	assert_int_equal(napi_disable(&r.f.n), 0);
	assert_false(r.f.n.timer.pending);
	rig_close(&r);
}

static void moves_with_its_instance(void **state)
{
	struct unapi_context *other;
	struct rig r;

	rig_open(&r, 2, T);
	other = fake_context(0);
	train(&r, 8);
	assert_int_equal(unapi_napi_set_context(&r.f.n, other, 0), 0);
	assert_int_equal(other->timer_next, NSEC_PER_SEC + T);
	now += T;
	unapi_context_run(r.c, 0);
	assert_int_equal(stats(&r).timer_fires, 0);
	unapi_context_run(other, 0);
	assert_int_equal(stats(&r).timer_fires, 1);
	fake_del(&r.f);
	unapi_context_destroy(other);
	unapi_context_destroy(r.c);
	unapi_clock_set_virtual(NULL);
}

static void arrives_70(struct fake *f)
{
	f->before_complete = NULL;
	f->backlog = 70;
}

static bool third(void *arg, unsigned long start)
{
	return ++*(int *)arg == 3;
}

static void busy_loop_stops(void **state)
{
	static const struct {
		bool prefer;
		uint32_t d;
		uint64_t t;
		unsigned int at_stop, shots;
	} rows[] = {{true, 2, T, 0, 3}, {false, 2, T, 1, 0}, {true, 2, 0, 1, 0}, {true, 0, T, 1, 0}};
	struct rig r;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		int turns = 0;

		rig_open(&r, rows[i].d, rows[i].t);
		assert_int_equal(napi_busy_loop(r.f.n.napi_id, third, &turns, rows[i].prefer, 8), 0);
		assert_int_equal(stats(&r).polls, 3 + rows[i].at_stop);
		assert_int_equal(r.f.unmasked, rows[i].at_stop);
		quiet(&r);
		assert_int_equal(stats(&r).timer_fires, rows[i].shots);
		assert_int_equal(stats(&r).polls, 3 + rows[i].at_stop + rows[i].shots);
		assert_true(r.f.unmasked);
		rig_close(&r);
	}
}

/* A poll that took its whole budget, also of 0, leaves the rest to the home context. */
static void busy_loop_leaves_work(void **state)
{
	struct rig r;

	rig_open(&r, 0, 0);
	r.f.backlog = 40;
	assert_int_equal(napi_busy_loop(r.f.n.napi_id, NULL, NULL, false, 8), 0);
	assert_int_equal(r.f.backlog, 24);
	assert_int_equal(napi_busy_loop(r.f.n.napi_id, NULL, NULL, false, 8), 0); /* owned: nothing */
	assert_int_equal(unapi_context_run(r.c, 0), 24);
	assert_true(r.f.unmasked);
	r.f.backlog = 4;
	r.f.unmasked = false;
	assert_int_equal(napi_busy_loop(r.f.n.napi_id, NULL, NULL, true, 0), 0);
	assert_false(r.f.unmasked);
	assert_int_equal(unapi_context_run(r.c, 0), 4);
	assert_true(r.f.unmasked);
	assert_int_equal(napi_busy_loop(1, NULL, NULL, false, 8), -ENOENT);
	rig_close(&r);
}

/* What an earlier run left on the home context's list is polled on, also if it is this very instance. */
static void busy_loop_polls_what_was_left(void **state)
{
	struct rig r;
	int turns = 0;

	rig_open(&r, 0, 0);
	r.f.backlog = 400;
	napi_schedule(&r.f.n);
	assert_int_equal(unapi_context_run(r.c, 0), 320);
	assert_int_equal(napi_busy_loop(r.f.n.napi_id, third, &turns, false, 8), 0);
	assert_int_equal(turns, 3);
	assert_int_equal(r.f.backlog, 0);
	assert_true(r.f.unmasked);
	rig_close(&r);
}

static bool hundredth(void *arg, unsigned long start)
{
	return ++*(int *)arg == 100;
}

/* While it spins for an instance that somebody else owns, its home's other instances get their turns. */
static void busy_loop_in_vain_runs_the_context(void **state)
{
	struct fake other;
	struct rig r;
	int turns = 0;

	rig_open(&r, 0, 0);
	fake_add(&other, r.c, 'b');
	fake_add_vector(&other);
	assert_int_equal(napi_enable(&other.n), 0);
	assert_true(napi_schedule_prep(&r.f.n));
	other.backlog = 5;
	fake_interrupt(&other);
	assert_int_equal(napi_busy_loop(r.f.n.napi_id, hundredth, &turns, false, 8), 0);
	assert_int_equal(other.backlog, 0);
	__napi_schedule(&r.f.n);
	fake_del(&other);
	rig_close(&r);
}

/* A budget above the weight: 70 packets of 100 are not a full poll. */
static void full_polls_of_a_large_budget(void **state)
{
	struct rig r;

	rig_open(&r, 0, 0);
	r.f.before_complete = arrives_70;
	assert_int_equal(napi_busy_loop(r.f.n.napi_id, NULL, NULL, false, 100), 0);
	assert_int_equal(stats(&r).work, 70);
	assert_int_equal(stats(&r).full_polls, 0);
	rig_close(&r);
}

/* An owner that repolls lets go for who prefers: with a timer, or asked for again at once without one. */
static void handed_over_to_who_prefers(void **state)
{
	struct rig r;
	int t;

	for (t = 0; t < 2; t++) {
		rig_open(&r, 2, t ? T : 0);
		r.f.backlog = 200;
		napi_schedule(&r.f.n);
		assert_int_equal(napi_busy_loop(r.f.n.napi_id, NULL, NULL, true, 8), 0);
		assert_true(r.f.n.state & NAPIF_PREFER_BUSY_POLL);
		assert_int_equal(unapi_context_run(r.c, 0), t ? 64 : 200);
		assert_false(r.f.n.state & NAPIF_PREFER_BUSY_POLL);
		assert_int_equal(r.f.n.timer.pending, t);
		if (t) {
			assert_false(r.f.n.state & NAPIF_SCHED);
			now += T;
			assert_int_equal(unapi_context_run(r.c, 0), 136);
		}
		rig_close(&r);
	}
}

/* Thousands in one context expire in order, whatever is restarted or taken out. */
static uint64_t last_expiry;
static unsigned int expired;

static void in_order(struct unapi_timer *t)
{
	assert_true(t->expires >= last_expiry);
	last_expiry = t->expires;
	expired++;
}

static void thousands(void **state)
{
	struct unapi_timer *t = calloc(4096, sizeof(*t));
	struct unapi_context *c;
	unsigned int i, left = 0;

	now = NSEC_PER_SEC;
	unapi_clock_set_virtual(&now);
	c = fake_context(0);
	srand(1);
	for (i = 0; i < 4096; i++)
		timer_init(&t[i], c, in_order);
	for (i = 0; i < 40000; i++) {
		struct unapi_timer *x = &t[rand() % 4096];

		if (rand() % 4)
			timer_start(x, (uint64_t)rand() % 5000 + 1);
		else
			timer_cancel(x);
	}
	for (i = 0; i < 4096; i++)
		left += t[i].pending;
	last_expiry = expired = 0;
	for (i = 0; i < 5001; i++) {
		now++;
		unapi_context_run(c, 0);
		assert_true(c->timer_next > now);
	}
	assert_int_equal(expired, left);
	assert_true(left > 2000);
	assert_int_equal(c->timer_next, UINT64_MAX);
	unapi_context_destroy(c);
	unapi_clock_set_virtual(NULL);
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trains),
		cmocka_unit_test(missed_costs_a_credit),
		cmocka_unit_test(leftover_and_changes),
		cmocka_unit_test(watchdog_against_owner_and_disable),
		cmocka_unit_test(moves_with_its_instance),
		cmocka_unit_test(busy_loop_stops),
		cmocka_unit_test(busy_loop_leaves_work),
		cmocka_unit_test(busy_loop_polls_what_was_left),
		cmocka_unit_test(busy_loop_in_vain_runs_the_context),
		cmocka_unit_test(full_polls_of_a_large_budget),
		cmocka_unit_test(handed_over_to_who_prefers),
		cmocka_unit_test(thousands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
