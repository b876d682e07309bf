/* SPDX-License-Identifier: BSD-3-Clause */
/* The state machine alone: what each transition does to a word, in the orders in which races can settle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/napi/state.h"

#define REST (NAPIF_LISTED | NAPIF_SCHED | NAPIF_NPSVC)

static void schedule_against_schedule(void **state)
{
	unsigned long w = NAPIF_LISTED;

	assert_true(napi_state_prep(&w));
	assert_false(napi_state_prep(&w));
	assert_int_equal(w, NAPIF_LISTED | NAPIF_SCHED | NAPIF_MISSED);
	assert_false(napi_state_prep(&w)); /* a third leaves the same mark */
	assert_int_equal(w, NAPIF_LISTED | NAPIF_SCHED | NAPIF_MISSED);
}

static void event_before_completion(void **state)
{
	unsigned long w = NAPIF_LISTED;

	assert_true(napi_state_prep(&w));
	assert_false(napi_state_prep(&w));
	assert_true(napi_state_complete(&w) & NAPIF_MISSED);
	assert_int_equal(w, NAPIF_LISTED | NAPIF_SCHED); /* still owned, to be polled once more */
	assert_false(napi_state_complete(&w) & NAPIF_MISSED);
	assert_int_equal(w, NAPIF_LISTED);
}

static void event_after_completion(void **state)
{
	unsigned long w = NAPIF_LISTED;

	assert_true(napi_state_prep(&w));
	napi_state_complete(&w);
	assert_true(napi_state_prep(&w));
}

static void completion_takes_the_marks_of_this_ownership(void **state)
{
	unsigned long stay = NAPIF_LISTED | NAPIF_THREADED | NAPIF_BUSY_ASKED | NAPIF_DISABLE, w;

	w = stay | NAPIF_SCHED | NAPIF_SCHED_THREADED | NAPIF_PREFER_BUSY_POLL;
	napi_state_complete(&w);
	assert_int_equal(w, stay);
}

static void mark_missed_only_if_owned(void **state)
{
	unsigned long w = NAPIF_LISTED;

	assert_false(napi_state_mark_missed(&w));
	assert_int_equal(w, NAPIF_LISTED);
	w |= NAPIF_SCHED;
	assert_true(napi_state_mark_missed(&w));
	assert_int_equal(w, NAPIF_LISTED | NAPIF_SCHED | NAPIF_MISSED);
	w = NAPIF_LISTED | NAPIF_SCHED | NAPIF_DISABLE;
	assert_true(napi_state_mark_missed(&w));
	assert_int_equal(w, NAPIF_LISTED | NAPIF_SCHED | NAPIF_DISABLE);
}

static void schedule_against_disable(void **state)
{
	unsigned long w = NAPIF_LISTED;

	/* schedule first: disable waits for that ownership */
	assert_true(napi_state_prep(&w));
	assert_true(napi_state_take_begin(&w));
	assert_false(napi_state_take(&w));
	assert_false(napi_state_prep(&w));
	assert_false(w & NAPIF_MISSED); /* refused without a trace */
	assert_false(napi_state_complete(&w) & NAPIF_MISSED);
	assert_true(napi_state_take(&w));
	napi_state_rest(&w);
	assert_int_equal(w, REST);

	/* disable first */
	assert_true(napi_state_enable(&w));
	assert_int_equal(w, NAPIF_LISTED);
	assert_true(napi_state_take_begin(&w));
	assert_false(napi_state_prep(&w));
	assert_true(napi_state_take(&w));
	assert_int_equal(w, REST | NAPIF_DISABLE);
}

static void missed_before_disable_is_polled(void **state)
{
	unsigned long w = NAPIF_LISTED | NAPIF_SCHED;

	assert_false(napi_state_prep(&w));
	assert_true(napi_state_take_begin(&w));
	assert_true(napi_state_complete(&w) & NAPIF_MISSED);
	assert_false(napi_state_take(&w));
	assert_false(napi_state_complete(&w) & NAPIF_MISSED);
	assert_true(napi_state_take(&w));
}

static void disable_given_up(void **state)
{
	unsigned long w = NAPIF_LISTED | NAPIF_SCHED;

	assert_true(napi_state_take_begin(&w));
	assert_false(napi_state_take(&w));
	napi_state_take_undo(&w);
	assert_int_equal(w, NAPIF_LISTED | NAPIF_SCHED);
	assert_false(napi_state_prep(&w)); /* what was refused meanwhile is made up for */
	assert_true(napi_state_complete(&w) & NAPIF_MISSED);
}

static void one_taker(void **state)
{
	unsigned long w = NAPIF_LISTED;

	assert_true(napi_state_take_begin(&w));
	assert_false(napi_state_take_begin(&w));
	assert_true(napi_state_take(&w));
	assert_false(napi_state_take_begin(&w));
	napi_state_rest(&w);
	assert_false(napi_state_take_begin(&w));
}

static void taking_ends_threads_and_preferences(void **state)
{
	unsigned long w = NAPIF_LISTED | NAPIF_THREADED | NAPIF_THREADED_BUSY_POLL | NAPIF_PREFER_BUSY_POLL;

	assert_true(napi_state_take_begin(&w));
	assert_true(napi_state_take(&w));
	assert_int_equal(w, REST | NAPIF_DISABLE);
}

static void a_move_resumes_as_owner(void **state)
{
	unsigned long w = NAPIF_LISTED;

	assert_true(napi_state_take_begin(&w));
	assert_true(napi_state_take(&w));
	napi_state_resume(&w);
	assert_int_equal(w, NAPIF_LISTED | NAPIF_SCHED);
}

static void enable_only_at_rest(void **state)
{
	unsigned long w = NAPIF_LISTED;

	assert_false(napi_state_enable(&w));
	w |= NAPIF_SCHED;
	assert_false(napi_state_enable(&w));
	w = REST;
	assert_true(napi_state_enable(&w));
	assert_int_equal(w, NAPIF_LISTED);
}

static void caller_needs_the_mode(void **state)
{
	unsigned long w = NAPIF_LISTED;

	assert_false(napi_state_caller_begin(&w, false));
	napi_state_ask_busy(&w, true);
	assert_true(napi_state_caller_begin(&w, false));
	assert_true(napi_state_caller_keeps(w));
	assert_false(napi_state_completes(&w));
	assert_false(napi_state_caller_begin(&w, false));
	assert_false(napi_state_caller_begin(&w, true));
}

static void caller_against_schedule(void **state)
{
	unsigned long w = NAPIF_LISTED | NAPIF_BUSY_ASKED;

	/* queued: only whoever has it from the queue may begin */
	assert_true(napi_state_prep(&w));
	assert_false(napi_state_caller_begin(&w, false));
	assert_true(napi_state_caller_begin(&w, true));
	/* an interrupt meanwhile: answered by the one poll after the end */
	assert_false(napi_state_prep(&w));
	assert_true(napi_state_caller_keeps(w));
	assert_true(napi_state_caller_end(&w));
	assert_int_equal(w, NAPIF_LISTED | NAPIF_BUSY_ASKED | NAPIF_SCHED);
	/* not queued any more: somebody who claims to have it from the queue has not */
	napi_state_complete(&w);
	assert_false(napi_state_caller_begin(&w, true));
}

static void caller_against_mode(void **state)
{
	unsigned long w = NAPIF_LISTED | NAPIF_BUSY_ASKED;

	assert_true(napi_state_caller_begin(&w, false));
	napi_state_ask_busy(&w, false);
	assert_false(napi_state_caller_keeps(w));
	napi_state_ask_busy(&w, true); /* asked back before it noticed */
	assert_true(napi_state_caller_keeps(w));
	napi_state_ask_busy(&w, false);
	assert_true(napi_state_caller_end(&w)); /* owned: to be queued, polled and unmasked */
	assert_true(w & NAPIF_SCHED);
	assert_true(napi_state_completes(&w));
	assert_false(napi_state_caller_keeps(w));
}

static void caller_against_disable(void **state)
{
	unsigned long w = NAPIF_LISTED | NAPIF_BUSY_ASKED;

	/* begun first */
	assert_true(napi_state_caller_begin(&w, false));
	assert_true(napi_state_take_begin(&w));
	assert_false(napi_state_take(&w));
	assert_false(napi_state_caller_keeps(w));
	assert_false(napi_state_caller_end(&w)); /* let go, not queued */
	assert_true(napi_state_take(&w));
	napi_state_rest(&w);
	assert_false(napi_state_caller_begin(&w, false));
	assert_false(napi_state_caller_begin(&w, true));
	assert_int_equal(w, REST | NAPIF_BUSY_ASKED); /* the wish outlives the disable */

	/* disabled first */
	assert_true(napi_state_enable(&w));
	assert_true(napi_state_take_begin(&w));
	assert_false(napi_state_caller_begin(&w, false));

	/* given up before the caller noticed */
	napi_state_take_undo(&w);
	assert_true(napi_state_caller_begin(&w, false));
	assert_true(napi_state_take_begin(&w));
	napi_state_take_undo(&w);
	assert_false(napi_state_prep(&w));
	assert_true(napi_state_caller_end(&w));
	assert_true(w & NAPIF_SCHED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(schedule_against_schedule),
		cmocka_unit_test(event_before_completion),
		cmocka_unit_test(event_after_completion),
		cmocka_unit_test(completion_takes_the_marks_of_this_ownership),
		cmocka_unit_test(mark_missed_only_if_owned),
		cmocka_unit_test(schedule_against_disable),
		cmocka_unit_test(missed_before_disable_is_polled),
		cmocka_unit_test(disable_given_up),
		cmocka_unit_test(one_taker),
		cmocka_unit_test(taking_ends_threads_and_preferences),
		cmocka_unit_test(a_move_resumes_as_owner),
		cmocka_unit_test(enable_only_at_rest),
		cmocka_unit_test(caller_needs_the_mode),
		cmocka_unit_test(caller_against_schedule),
		cmocka_unit_test(caller_against_mode),
		cmocka_unit_test(caller_against_disable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
