/* SPDX-License-Identifier: BSD-3-Clause */
/* net_rx_action: who is polled when, and when a run ends. */
#include "tests/unit/napi_fake.h"

#define SIX 6

/* A run that is held up by a busy machine is none that used up its time. */
static uint64_t now = 1;

struct six {
	struct unapi_context *c;
	struct fake f[SIX];
	struct fake_log log;
};

static void six_open(struct six *s, unsigned int budget)
{
	int i;

	unapi_clock_set_virtual(&now);
	memset(s, 0, sizeof(*s));
	s->c = fake_context(budget);
	for (i = 0; i < SIX; i++) {
		fake_add(&s->f[i], s->c, (char)('a' + i));
		s->f[i].log = &s->log;
		assert_int_equal(napi_enable(&s->f[i].n), 0);
	}
}

static void six_close(struct six *s)
{
	int i;

	for (i = 0; i < SIX; i++)
		fake_del(&s->f[i]);
	assert_int_equal(unapi_context_destroy(s->c), 0);
	unapi_clock_set_virtual(NULL);
}

/* One net_rx_action() as the runner of the context; what it polled. */
static const char *one_run(struct unapi_context *c, struct fake_log *log)
{
	log->text[0] = 0;
	assert_int_equal(context_enter(c, false), 0);
	net_rx_action(c);
	context_leave(c);
	return log->text;
}

static uint64_t squeezes(struct unapi_context *c)
{
	struct unapi_context_stats st;

	unapi_context_get_stats(c, &st);
	return st.time_squeeze;
}

/* Six instances of 200 packets, budget 300: the order that was seen on Linux 7.2. */
static void order_after_squeeze(void **state)
{
	struct six s;
	const char *c;

	six_open(&s, 300);
	for (c = "ecafdb"; *c; c++) {
		s.f[*c - 'a'].backlog = 200;
		assert_true(napi_schedule(&s.f[*c - 'a'].n));
	}
	assert_string_equal(one_run(s.c, &s.log), "e64 c64 a64 f64 d64 ");
	assert_string_equal(one_run(s.c, &s.log), "b64 e64 c64 a64 f64 ");
	assert_string_equal(one_run(s.c, &s.log), "d64 b64 e64 c64 a64 ");
	assert_string_equal(one_run(s.c, &s.log), "f64 d64 b64 e8 c8 a8 ");
	assert_int_equal(squeezes(s.c), 3);
	assert_string_equal(one_run(s.c, &s.log), "f8 d8 b8 ");
	assert_string_equal(one_run(s.c, &s.log), "");
	assert_int_equal(squeezes(s.c), 3);
	six_close(&s);
}

/* "64 -> [64, 0]": a poll that used its whole budget may not complete. */
static void exact_multiples_cost_one_empty_poll(void **state)
{
	static const struct {
		int train;
		const char *first, *second, *third;
	} rows[] = {
		{1, "a1 ", "", ""},	 {63, "a63 ", "", ""},	       {64, "a64 ", "a0 ", ""},
		{65, "a64 ", "a1 ", ""}, {128, "a64 ", "a64 ", "a0 "},
	};
	struct unapi_napi_stats st;
	struct six s;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		six_open(&s, 300);
		s.f[0].backlog = rows[i].train;
		napi_schedule(&s.f[0].n);
		assert_string_equal(one_run(s.c, &s.log), rows[i].first);
		assert_string_equal(one_run(s.c, &s.log), rows[i].second);
		assert_string_equal(one_run(s.c, &s.log), rows[i].third);
		assert_true(s.f[0].unmasked);
		unapi_napi_get_stats(&s.f[0].n, &st);
		assert_int_equal(st.polls, rows[i].train / 64 + 1);
		assert_int_equal(st.full_polls, rows[i].train / 64);
		assert_int_equal(st.empty_polls, rows[i].train % 64 ? 0 : 1);
		assert_int_equal(st.work, rows[i].train);
		assert_int_equal(st.completions, 1);
		assert_int_equal(st.schedules, 1);
		assert_int_equal(squeezes(s.c), 0);
		six_close(&s);
	}
}

/* Tested after the poll, and counted even if nothing is left: netdev_budget 63, one train of 63. */
static void squeeze_by_budget_with_nothing_left(void **state)
{
	struct six s;

	six_open(&s, 63);
	s.f[0].backlog = 63;
	napi_schedule(&s.f[0].n);
	assert_string_equal(one_run(s.c, &s.log), "a63 ");
	assert_int_equal(squeezes(s.c), 1);
	six_close(&s);
}

/* A run may exceed its budget by less than a weight: ceil(B/64) full polls between squeezes, round robin. */
static void run_length_between_squeezes(void **state)
{
	struct six s;
	int i, run;

	six_open(&s, 129);
	for (i = 0; i < SIX; i++) {
		s.f[i].backlog = 1 << 20;
		napi_schedule(&s.f[i].n);
	}
	for (run = 0; run < 4; run++)
		assert_string_equal(one_run(s.c, &s.log), run % 2 ? "d64 e64 f64 " : "a64 b64 c64 ");
	assert_int_equal(squeezes(s.c), 4);
	six_close(&s);
}

static void takes_1500_us(struct fake *f)
{
	now += 1500 * NSEC_PER_USEC;
}

static void squeeze_by_time(void **state)
{
	struct six s;
	int i;

	six_open(&s, 300);
	for (i = 0; i < 4; i++) {
		s.f[i].backlog = 1;
		s.f[i].before_complete = takes_1500_us;
		napi_schedule(&s.f[i].n);
	}
	assert_string_equal(one_run(s.c, &s.log), "a1 b1 ");
	assert_int_equal(squeezes(s.c), 1);
	assert_string_equal(one_run(s.c, &s.log), "c1 d1 ");
	assert_int_equal(squeezes(s.c), 2);
	assert_string_equal(one_run(s.c, &s.log), "");
	six_close(&s);
}

static struct fake *other;

static void schedules_other(struct fake *f)
{
	napi_schedule(&other->n);
}

/* "New instance queued while the softirq ends": polled in the same run if nobody repolls, with the budget
 * that is left; before those that repoll if somebody does. */
static void queued_during_the_run(void **state)
{
	struct six s;

	six_open(&s, 128);
	other = &s.f[1];
	s.f[0].before_complete = schedules_other;
	s.f[0].backlog = 63;
	other->backlog = 100;
	napi_schedule(&s.f[0].n);
	assert_string_equal(one_run(s.c, &s.log), "a63 b64 ");
	assert_int_equal(squeezes(s.c), 0); /* 127 of 128 */
	assert_string_equal(one_run(s.c, &s.log), "b36 ");

	s.f[0].backlog = 64;
	s.f[2].backlog = 3;
	s.f[2].before_complete = schedules_other;
	other->backlog = 5;
	napi_schedule(&s.f[0].n);
	napi_schedule(&s.f[2].n);
	assert_string_equal(one_run(s.c, &s.log), "a64 c3 ");
	s.f[0].before_complete = NULL;
	assert_string_equal(one_run(s.c, &s.log), "b5 a0 ");
	six_close(&s);
}

static void schedules_itself(struct fake *f)
{
	f->before_complete = NULL;
	assert_false(napi_schedule(&f->n));
}

/* MISSED: kept, queued behind what waits, and polled again. */
static void event_during_the_poll(void **state)
{
	struct unapi_napi_stats st;
	struct six s;

	six_open(&s, 300);
	s.f[0].backlog = 2;
	s.f[0].before_complete = schedules_itself;
	s.f[1].backlog = 3;
	napi_schedule(&s.f[0].n);
	napi_schedule(&s.f[1].n);
	assert_string_equal(one_run(s.c, &s.log), "a2 b3 a0 ");
	assert_true(s.f[0].unmasked);
	unapi_napi_get_stats(&s.f[0].n, &st);
	assert_int_equal(st.missed, 1);
	assert_int_equal(st.completions, 1);
	assert_int_equal(st.schedules, 1);
	six_close(&s);
}

static void reschedules_after_completing(struct fake *f)
{
	f->after_complete = NULL;
	assert_true(napi_schedule(&f->n));
}

/* "Event between completion's exchange and the unmask": a new ownership, in the same run. */
static void event_after_completion(void **state)
{
	struct six s;

	six_open(&s, 300);
	s.f[0].backlog = 2;
	s.f[0].after_complete = reschedules_after_completing;
	napi_schedule(&s.f[0].n);
	assert_string_equal(one_run(s.c, &s.log), "a2 a0 ");
	six_close(&s);
}

/* Contract violations. */
static enum {
	COMPLETES_AND_RETURNS_BUDGET,
	RETURNS_LESS,
	RETURNS_MORE,
	RETURNS_NEGATIVE,
	COMPLETES_TWICE
} wrong;
static int wrong_polls;

static int wrong_poll(struct napi_struct *n, int budget)
{
	if (wrong_polls++ >= 3) { /* mends its ways */
		napi_complete_done(n, 0);
		return 0;
	}
	switch (wrong) {
	case COMPLETES_AND_RETURNS_BUDGET:
		napi_complete_done(n, budget);
		napi_schedule(n); /* so that it is on the list when it claims to want more */
		return budget;
	case RETURNS_LESS:
		return budget - 1;
	case RETURNS_MORE:
		return budget + 1;
	case RETURNS_NEGATIVE:
		return -1;
	case COMPLETES_TWICE:
		napi_complete_done(n, 0);
		assert_false(napi_complete_done(n, 0));
		napi_schedule(n);
		return 0;
	}
	return 0;
}

static int errors_logged;

static void count_errors(void *arg, enum unapi_log_level level, const char *text)
{
	errors_logged += level == UNAPI_LOG_ERR;
	assert_non_null(strstr(text, "fake-a"));
}

static void violations_are_survived(void **state)
{
	static const int violations[] = {3, 3, 3, 3, 3};
	struct unapi_napi_stats st;
	struct unapi_context *c;
	struct fake f;
	int i, runs;

	unapi_set_log(count_errors, NULL);
	for (i = 0; i <= COMPLETES_TWICE; i++) {
		wrong = i;
		wrong_polls = errors_logged = 0;
		c = fake_context(300);
		fake_add(&f, c, 'a');
		f.n.poll = wrong_poll;
		assert_int_equal(napi_enable(&f.n), 0);
		napi_schedule(&f.n);
		for (runs = 0; runs < 10 && wrong_polls < 4; runs++)
			assert_true(unapi_context_run(c, 0) >= 0);
		assert_int_equal(wrong_polls, 4);
		assert_int_equal(unapi_context_run(c, 0), 0);
		assert_int_equal(wrong_polls, 4); /* not queued twice */
		unapi_napi_get_stats(&f.n, &st);
		assert_int_equal(st.violations, violations[i]);
		assert_int_equal(errors_logged, 1);
		assert_int_equal(napi_state_read(&f.n.state), NAPIF_LISTED);
		fake_del(&f);
		assert_int_equal(unapi_context_destroy(c), 0);
	}
	unapi_set_log(NULL, NULL);
}

static int never_completes(struct napi_struct *n, int budget)
{
	return 0;
}

/* "Repolling owner against disable": with DISABLE set a full poll completes, and so does a broken one. */
static void disable_ends_repolling(void **state)
{
	struct six s;

	six_open(&s, 300);
	s.f[0].backlog = 1 << 20;
	napi_schedule(&s.f[0].n);
	one_run(s.c, &s.log);
	s.log.text[0] = 0;
	assert_int_equal(napi_disable(&s.f[0].n), 0);
	assert_string_equal(s.log.text, "a64 ");
	assert_string_equal(one_run(s.c, &s.log), "");

	s.f[1].n.poll = never_completes;
	napi_schedule(&s.f[1].n);
	assert_int_equal(napi_disable(&s.f[1].n), 0);
	six_close(&s);
}

/* One run() goes on until a budget is used up, so that a busy loop pays for its system calls once a budget.
 */
static void run_goes_on_for_a_budget(void **state)
{
	struct six s;

	six_open(&s, 300);
	s.f[0].backlog = 64 * 6;
	napi_schedule(&s.f[0].n);
	assert_int_equal(unapi_context_run(s.c, 0), 320);
	assert_string_equal(s.log.text, "a64 a64 a64 a64 a64 ");
	assert_true(fd_readable(unapi_context_fd(s.c)));
	s.log.text[0] = 0;
	assert_int_equal(unapi_context_run(s.c, -1), 64);
	assert_string_equal(s.log.text, "a64 a0 ");
	assert_false(fd_readable(unapi_context_fd(s.c)));
	six_close(&s);
}

/* Polls, and the time they took, are charged to what caused them. */
static void ledger(void **state)
{
	struct unapi_napi_stats st;
	struct six s;

	six_open(&s, 300);
	s.f[0].backlog = 1;
	s.f[0].before_complete = takes_1500_us;
	napi_schedule(&s.f[0].n);
	one_run(s.c, &s.log);
	unapi_napi_schedule_cause(&s.f[0].n, UNAPI_CAUSE_REPOLL);
	one_run(s.c, &s.log);
	unapi_napi_schedule_cause(&s.f[0].n, UNAPI_CAUSE_REPOLL);
	one_run(s.c, &s.log);
	unapi_napi_get_stats(&s.f[0].n, &st);
	assert_int_equal(st.polls_by[UNAPI_CAUSE_APP], 1);
	assert_int_equal(st.cycles_by[UNAPI_CAUSE_APP], 1500 * NSEC_PER_USEC);
	assert_int_equal(st.polls_by[UNAPI_CAUSE_REPOLL], 2);
	assert_int_equal(st.cycles_by[UNAPI_CAUSE_REPOLL], 3000 * NSEC_PER_USEC);
	assert_int_equal(st.polls, 3);
	six_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_after_squeeze),
		cmocka_unit_test(exact_multiples_cost_one_empty_poll),
		cmocka_unit_test(squeeze_by_budget_with_nothing_left),
		cmocka_unit_test(run_length_between_squeezes),
		cmocka_unit_test(squeeze_by_time),
		cmocka_unit_test(queued_during_the_run),
		cmocka_unit_test(event_during_the_poll),
		cmocka_unit_test(event_after_completion),
		cmocka_unit_test(violations_are_survived),
		cmocka_unit_test(disable_ends_repolling),
		cmocka_unit_test(run_goes_on_for_a_budget),
		cmocka_unit_test(ledger),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
