/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modes, on a virtual clock where there is no thread: what is asked for and in force, who is needed, what
 * shows as custom, and mode adaptive under load that is played to it.
 */
#include "tests/unit/napi_rig.h"
#include <unapi/mode.h>

static struct rig rig;

static struct unapi_mode_info info_of(struct rig *r)
{
	struct unapi_mode_info info;

	unapi_mode_get(&r->f.n, &info);
	return info;
}

static void in_force(struct rig *r, enum unapi_mode asked, enum unapi_mode is)
{
	assert_string_equal(unapi_mode_name(info_of(r).asked), unapi_mode_name(asked));
	assert_string_equal(unapi_mode_name(info_of(r).in_force), unapi_mode_name(is));
}

static void names(void **state)
{
	enum unapi_mode mode;
	int i;

	for (i = 0; i < UNAPI_NR_MODES; i++) {
		assert_int_equal(unapi_mode_parse(unapi_mode_name((enum unapi_mode)i), &mode), 0);
		assert_int_equal(mode, i);
	}
	assert_string_equal(unapi_mode_name(UNAPI_MODE_CUSTOM), "custom");
	assert_int_equal(unapi_mode_parse("custom", &mode), -EINVAL);
	assert_int_equal(unapi_mode_parse("", &mode), -EINVAL);
	assert_null(unapi_mode_name((enum unapi_mode)(UNAPI_NR_MODES + 1)));
}

/* A mode that needs somebody says so, and changes nothing. */
static void needs_a_poller(void **state)
{
	static const enum unapi_mode needy[] = {UNAPI_MODE_BUSY, UNAPI_MODE_PREFER_BUSY, UNAPI_MODE_SUSPEND};
	struct rig *r = &rig;
	unsigned int i;

	rig_open(r, 0, 0);
	for (i = 0; i < 3; i++) {
		assert_int_equal(unapi_mode_set(&r->f.n, needy[i], NULL), -EOPNOTSUPP);
		assert_non_null(strstr(unapi_reason(), "fake-a"));
		assert_non_null(strstr(unapi_reason(), unapi_mode_name(needy[i])));
		in_force(r, UNAPI_MODE_INTERRUPT, UNAPI_MODE_INTERRUPT);
	}
	/* each the other's promise does not do */
	assert_int_equal(unapi_context_set_poller(r->c, true), 0);
	assert_int_equal(unapi_mode_set(&r->f.n, UNAPI_MODE_SUSPEND, NULL), -EOPNOTSUPP);
	assert_int_equal(unapi_context_set_poller(r->c, false), 0);
	assert_int_equal(unapi_context_set_event_poller(r->c, true), 0);
	assert_int_equal(unapi_mode_set(&r->f.n, UNAPI_MODE_BUSY, NULL), -EOPNOTSUPP);
	assert_int_equal(unapi_mode_set(&r->f.n, UNAPI_MODE_SUSPEND, NULL), 0);
	in_force(r, UNAPI_MODE_SUSPEND, UNAPI_MODE_SUSPEND);
	/* gone, it is no more than deferral */
	assert_int_equal(unapi_context_set_event_poller(r->c, false), 0);
	in_force(r, UNAPI_MODE_SUSPEND, UNAPI_MODE_DEFERRED);
	rig_close(r);
}

static void refused(void **state)
{
	struct unapi_napi_params p = {.given = UNAPI_NAPI_THREADED};
	struct napi_struct none = {.name = "none"};
	struct rig *r = &rig;

	rig_open(r, 3, T);
	assert_int_equal(unapi_mode_set(&r->f.n, UNAPI_MODE_CUSTOM, NULL), -EINVAL);
	assert_int_equal(unapi_mode_set(&r->f.n, (enum unapi_mode) - 1, NULL), -EINVAL);
	assert_int_equal(unapi_mode_set(&none, UNAPI_MODE_DEFERRED, NULL), -EINVAL);
	assert_int_equal(unapi_mode_set(&r->f.n, UNAPI_MODE_DEFERRED, &p), -EINVAL);
	p = (struct unapi_napi_params){.given = UNAPI_NAPI_DEFER_HARD_IRQS,
				       .defer_hard_irqs = (uint32_t)INT32_MAX + 1};
	assert_int_equal(unapi_mode_set(&r->f.n, UNAPI_MODE_DEFERRED, &p), -ERANGE);
	assert_int_equal(unapi_napi_defer_hard_irqs(&r->f.n), 3);
	in_force(r, UNAPI_MODE_INTERRUPT, UNAPI_MODE_CUSTOM); /* rig_open() has set deferral */
	rig_close(r);
}

static void settings_underneath(void **state)
{
	struct unapi_napi_params p = {.given = UNAPI_NAPI_DEFER_HARD_IRQS | UNAPI_NAPI_GRO_FLUSH_TIMEOUT,
				      .defer_hard_irqs = 7,
				      .gro_flush_timeout = 5 * T};
	struct rig *r = &rig;

	rig_open(r, 0, 0);
	assert_int_equal(unapi_mode_set(&r->f.n, UNAPI_MODE_DEFERRED, &p), 0);
	assert_int_equal(unapi_napi_defer_hard_irqs(&r->f.n), 7);
	assert_int_equal(unapi_napi_gro_flush_timeout(&r->f.n), 5 * T);
	in_force(r, UNAPI_MODE_DEFERRED, UNAPI_MODE_DEFERRED);
	unapi_napi_set_gro_flush_timeout(&r->f.n, T);
	in_force(r, UNAPI_MODE_DEFERRED, UNAPI_MODE_CUSTOM);
	unapi_napi_set_gro_flush_timeout(&r->f.n, 5 * T);
	in_force(r, UNAPI_MODE_DEFERRED, UNAPI_MODE_DEFERRED);
	unapi_napi_set_irq_suspend_timeout(&r->f.n, 1);
	in_force(r, UNAPI_MODE_DEFERRED, UNAPI_MODE_CUSTOM);
	unapi_napi_set_irq_suspend_timeout(&r->f.n, 0);
	in_force(r, UNAPI_MODE_DEFERRED, UNAPI_MODE_DEFERRED);
	unapi_napi_set_defer_hard_irqs(&r->f.n, 0);
	in_force(r, UNAPI_MODE_DEFERRED, UNAPI_MODE_CUSTOM);
	assert_int_equal(unapi_mode_set(&r->f.n, UNAPI_MODE_DEFERRED, NULL), 0);
	in_force(r, UNAPI_MODE_DEFERRED, UNAPI_MODE_DEFERRED);
	/* what the mode has not set does not count */
	assert_int_equal(unapi_mode_set(&r->f.n, UNAPI_MODE_INTERRUPT, NULL), 0);
	unapi_napi_set_gro_flush_timeout(&r->f.n, T);
	in_force(r, UNAPI_MODE_INTERRUPT, UNAPI_MODE_INTERRUPT);
	rig_close(r);
}

/* What makes a suspension is gone with the mode: event polls know nothing of modes. */
static void no_mode_suspends_but_one(void **state)
{
	struct rig *r = &rig;
	int mode;

	rig_open(r, 0, 0);
	assert_int_equal(unapi_context_set_poller(r->c, true), 0);
	assert_int_equal(unapi_context_set_event_poller(r->c, true), 0);
	for (mode = 0; mode < UNAPI_NR_MODES; mode++) {
		assert_int_equal(unapi_mode_set(&r->f.n, UNAPI_MODE_SUSPEND, NULL), 0);
		assert_int_equal(unapi_napi_irq_suspend_timeout(&r->f.n), 20 * NSEC_PER_MSEC);
		if (mode == UNAPI_MODE_SUSPEND || mode == UNAPI_MODE_THREADED ||
		    mode == UNAPI_MODE_THREADED_BUSY)
			continue; /* threads do not go by the virtual clock */
		assert_int_equal(unapi_mode_set(&r->f.n, (enum unapi_mode)mode, NULL), 0);
		napi_suspend_irqs(r->f.n.napi_id);
		assert_int_equal(rig_stats(r).suspends, 0);
	}
	rig_close(r);
}

static int set_in_poll;

static void asks_in_poll(struct fake *f)
{
	f->before_complete = NULL;
	set_in_poll = unapi_mode_set(&f->n, UNAPI_MODE_DEFERRED, NULL);
}

static void from_a_poll_and_disabled(void **state)
{
	struct rig *r = &rig;

	rig_open(r, 0, 0);
	r->f.before_complete = asks_in_poll;
	rig_event(r, 1);
	rig_run(r);
	assert_int_equal(set_in_poll, -EDEADLK);
	assert_int_equal(napi_disable(&r->f.n), 0);
	assert_int_equal(unapi_mode_set(&r->f.n, UNAPI_MODE_DEFERRED, NULL), 0);
	assert_int_equal(rig_word(r), NAPIF_LISTED | NAPIF_SCHED | NAPIF_NPSVC);
	assert_int_equal(unapi_mode_set(&r->f.n, UNAPI_MODE_ADAPTIVE, NULL), 0);
	assert_int_equal(unapi_mode_set(&r->f.n, UNAPI_MODE_ADAPTIVE, NULL), 0);
	rig_close(r); /* deleted in it */
}

static void busy_is_pending(void **state)
{
	struct rig *r = &rig;

	rig_open(r, 0, 0);
	assert_int_equal(unapi_context_set_poller(r->c, true), 0);
	assert_int_equal(unapi_mode_set(&r->f.n, UNAPI_MODE_BUSY, NULL), 0);
	in_force(r, UNAPI_MODE_BUSY, UNAPI_MODE_INTERRUPT);
	assert_int_equal(unapi_napi_poll_begin(&r->f.n), 0);
	in_force(r, UNAPI_MODE_BUSY, UNAPI_MODE_BUSY);
	/* a change that has to wait for another thread's hand-over shows as pending; this one's is at once */
	assert_int_equal(unapi_mode_set(&r->f.n, UNAPI_MODE_DEFERRED, NULL), 0);
	in_force(r, UNAPI_MODE_DEFERRED, UNAPI_MODE_DEFERRED);
	rig_close(r);
}

/* A long suspension does not outlast its mode. */
static void suspended_and_left(void **state)
{
	struct unapi_napi_params p = {.given = UNAPI_NAPI_IRQ_SUSPEND_TIMEOUT,
				      .irq_suspend_timeout = 3600 * NSEC_PER_SEC};
	struct rig *r = &rig;
	unsigned int rounds;

	rig_open(r, 0, 0);
	assert_int_equal(unapi_context_set_event_poller(r->c, true), 0);
	assert_int_equal(unapi_mode_set(&r->f.n, UNAPI_MODE_SUSPEND, &p), 0);
	rig_run(r);
	rig_event(r, 1);
	rig_run(r);
	rig_event(r, 2);
	assert_int_equal(unapi_mode_wait(&r->f.n, NSEC_PER_MSEC), 2);
	assert_int_equal(rig_stats(r).suspends, 1);
	assert_true(r->f.n.timer.expires > r->now + 3000 * NSEC_PER_SEC);
	assert_true(r->masked);
	assert_int_equal(unapi_mode_set(&r->f.n, UNAPI_MODE_INTERRUPT, NULL), 0);
	r->cause = false;
	rig_run(r);
	for (rounds = 0; r->masked; rounds++) {
		assert_true(rounds < 200); /* what is left of the countdown, 20 us each */
		rig_later(r, 20000);
	}
	assert_true(r->now < 2 * NSEC_PER_SEC);
	rig_close(r);
}

/* An event loop's wait: packets suspend, none resumes. */
static void waits(void **state)
{
	struct rig *r = &rig;
	uint64_t begin;

	rig_open(r, 0, 0);
	assert_int_equal(unapi_context_set_event_poller(r->c, true), 0);
	assert_false(unapi_mode_wants_wait(&r->f.n));
	assert_int_equal(unapi_mode_set(&r->f.n, UNAPI_MODE_PREFER_BUSY, NULL), 0);
	assert_true(unapi_mode_wants_wait(&r->f.n));
	rig_run(r);
	r->f.backlog = 3;
	assert_int_equal(unapi_mode_wait(&r->f.n, 0), 3);
	assert_int_equal(rig_stats(r).suspends, 0);
	assert_int_equal(r->f.n.timer.expires, r->now + 200000);
	assert_int_equal(unapi_mode_set(&r->f.n, UNAPI_MODE_SUSPEND, NULL), 0);
	rig_run(r);
	r->f.backlog = 3;
	assert_int_equal(unapi_mode_wait(&r->f.n, 0), 3);
	assert_int_equal(rig_stats(r).suspends, 1);
	begin = r->now;
	assert_int_equal(unapi_mode_wait(&r->f.n, 0), 0);
	assert_int_equal(r->now, begin);
	assert_int_equal(r->f.n.timer.expires, r->now + 20000); /* resumed: deferral goes on */
	assert_int_equal(napi_disable(&r->f.n), 0);
	assert_false(unapi_mode_wants_wait(&r->f.n));
	assert_int_equal(unapi_mode_wait(&r->f.n, 0), -ENOENT);
	rig_close(r);
}

/* Load for mode adaptive: packets come evenly, and each takes a microsecond of the virtual clock. */
#define PACKET_NS 1000ULL
#define STEP_NS	  (20 * NSEC_PER_USEC)

struct load {
	struct rig *r;
	bool owned;
	uint64_t arrived; /* in thousandths of a packet */
	int (*real)(struct napi_struct *n, int budget);
};
static struct load load;

static int takes_time(struct napi_struct *n, int budget)
{
	int before = rig.f.backlog;
	int work;

	/* before it completes, as it would be */
	rig.now += PACKET_NS * (uint64_t)(before < budget ? before : budget);
	work = fake_poll(n, budget);
	return work;
}

static void adaptive_open(struct rig *r)
{
	rig_open(r, 0, 0);
	assert_int_equal(napi_disable(&r->f.n), 0);
	r->f.n.poll = takes_time;
	assert_int_equal(napi_enable(&r->f.n), 0);
	assert_int_equal(unapi_context_set_poller(r->c, true), 0);
	assert_int_equal(unapi_mode_set(&r->f.n, UNAPI_MODE_ADAPTIVE, NULL), 0);
	load = (struct load){.r = r};
	rig_run(r);
}

/* As an application's thread that runs the context, and polls if asked to. */
static void play(struct rig *r, uint64_t packets_a_second, uint64_t ns)
{
	uint64_t until = r->now + ns;

	while (r->now < until) {
		uint64_t begin = r->now;

		if (!load.owned && unapi_napi_wants_poll(&r->f.n))
			load.owned = !unapi_napi_poll_begin(&r->f.n);
		if (load.owned)
			load.owned = unapi_napi_poll(&r->f.n, 64) >= 0;
		unapi_context_run(r->c, 0);
		if (r->now < begin + STEP_NS)
			r->now = begin + STEP_NS;
		load.arrived += packets_a_second * (r->now - begin) / NSEC_PER_MSEC;
		if (load.arrived >= 1000 && r->f.backlog < 512)
			rig_event(r, (int)(load.arrived / 1000));
		load.arrived %= 1000;
	}
}

static struct unapi_napi_stats played(struct rig *r, uint64_t pps, uint64_t ns, uint64_t *changes)
{
	struct unapi_napi_stats a = rig_stats(r), b;
	uint64_t before = info_of(r).changes;

	play(r, pps, ns);
	b = rig_stats(r);
	*changes = info_of(r).changes - before;
	b.polls -= a.polls;
	b.irqs -= a.irqs;
	b.timer_starts -= a.timer_starts;
	return b;
}

#define FULL (2 * NSEC_PER_SEC / PACKET_NS)

static void adaptive_idle_and_full(void **state)
{
	struct unapi_napi_stats d;
	struct rig *r = &rig;
	uint64_t changes;

	adaptive_open(r);
	d = played(r, 0, NSEC_PER_SEC, &changes);
	d = played(r, 0, 10 * NSEC_PER_SEC, &changes);
	assert_int_equal(d.polls + d.irqs + d.timer_starts + changes, 0);
	d = played(r, FULL, NSEC_PER_SEC, &changes);
	assert_int_equal(changes, 1);
	assert_int_equal(info_of(r).chosen, UNAPI_MODE_BUSY);
	in_force(r, UNAPI_MODE_ADAPTIVE, UNAPI_MODE_ADAPTIVE);
	d = played(r, FULL, NSEC_PER_SEC, &changes);
	assert_true(d.irqs <= 1);
	assert_int_equal(changes, 0);
	/* idle again: after a second of settling it is as with interrupts */
	d = played(r, 0, NSEC_PER_SEC, &changes);
	assert_int_equal(changes, 1);
	assert_int_equal(info_of(r).chosen, UNAPI_MODE_INTERRUPT);
	d = played(r, 0, 10 * NSEC_PER_SEC, &changes);
	assert_int_equal(d.polls + d.irqs + d.timer_starts + changes, 0);
	assert_int_equal(r->f.backlog, 0);
	assert_false(r->masked);
	assert_int_equal(unapi_mode_set(&r->f.n, UNAPI_MODE_INTERRUPT, NULL), 0);
	assert_ptr_equal(r->f.n.poll, takes_time);
	rig_close(r);
}

/* At most two changes an edge, whatever the length of the halves and the load between. */
static void adaptive_square_waves(void **state)
{
	/* One thread: there is nothing in it for the thread sanitizer, which takes its time. */
#ifdef __SANITIZE_THREAD__
	static const uint64_t halves[] = {230}; /* ms */
	static const uint64_t highs[] = {FULL}, lows[] = {0};
#else
	static const uint64_t halves[] = {15, 40, 100, 230, 400}; /* ms */
	static const uint64_t highs[] = {FULL, 40000, 5000}, lows[] = {0, 2000};
#endif
	struct rig *r = &rig;
	unsigned int h, i, k, edge;
	uint64_t changes;

	for (h = 0; h < ARRAY_SIZE(halves); h++)
		for (i = 0; i < ARRAY_SIZE(highs); i++)
			for (k = 0; k < ARRAY_SIZE(lows); k++) {
				adaptive_open(r);
				for (edge = 0; edge < 6; edge++) {
					played(r, edge % 2 ? lows[k] : highs[i], halves[h] * NSEC_PER_MSEC,
					       &changes);
					assert_true(changes <= 2);
				}
				rig_close(r);
			}
}

#ifdef __SANITIZE_THREAD__
#define FASTER 20
#else
#define FASTER 5
#endif

/* No steady load makes it change its mind more than once. */
static void adaptive_steady(void **state)
{
	struct rig *r = &rig;
	uint64_t changes, pps;

	for (pps = 100; pps < FULL; pps = pps * FASTER / 4) {
		adaptive_open(r);
		played(r, pps, NSEC_PER_SEC, &changes);
		assert_true(changes <= 1);
		played(r, pps, NSEC_PER_SEC, &changes);
		assert_int_equal(changes, 0);
		rig_close(r);
	}
}

/* Packets one by one, of which each is a wake-up: where it changes its mind, as doc/modes.md has it. */
static void adaptive_thresholds(void **state)
{
	struct rig *r = &rig;
	uint64_t changes;

	adaptive_open(r);
	played(r, 6500, NSEC_PER_SEC / 2, &changes);
	assert_int_equal(info_of(r).chosen, UNAPI_MODE_INTERRUPT);
	played(r, 9000, NSEC_PER_SEC / 2, &changes);
	assert_int_equal(info_of(r).chosen, UNAPI_MODE_BUSY);
	played(r, 2400, NSEC_PER_SEC / 2, &changes);
	assert_int_equal(info_of(r).chosen, UNAPI_MODE_BUSY);
	played(r, 1500, NSEC_PER_SEC / 2, &changes);
	assert_int_equal(info_of(r).chosen, UNAPI_MODE_INTERRUPT);
	rig_close(r);
}

/* A poller that goes leaves it to interrupts. */
static void adaptive_without_its_poller(void **state)
{
	struct rig *r = &rig;
	uint64_t changes;

	adaptive_open(r);
	played(r, FULL, NSEC_PER_SEC, &changes);
	assert_int_equal(info_of(r).chosen, UNAPI_MODE_BUSY);
	assert_int_equal(unapi_context_set_poller(r->c, false), 0);
	assert_int_equal(info_of(r).chosen, UNAPI_MODE_INTERRUPT);
	load.owned = false;
	played(r, FULL, NSEC_PER_SEC, &changes);
	assert_int_equal(changes, 0);
	assert_int_equal(info_of(r).chosen, UNAPI_MODE_INTERRUPT);
	rig_close(r);
}

/* Without an application's, its own thread polls; on the real clock, since that is a thread. */
static void adaptive_with_a_thread(void **state)
{
	uint64_t until = unapi_clock_ns() + 20 * NSEC_PER_SEC;
	struct rig *r = &rig;

	memset(r, 0, sizeof(*r));
	rig_open_real(r, 0, 0);
	assert_int_equal(unapi_mode_set(&r->f.n, UNAPI_MODE_ADAPTIVE, NULL), 0);
	assert_int_equal(info_of(r).chosen, UNAPI_MODE_THREADED);
	assert_int_equal(napi_disable(&r->f.n), 0);
	r->f.backlog = INT32_MAX;
	assert_int_equal(napi_enable(&r->f.n), 0);
	while (info_of(r).chosen != UNAPI_MODE_THREADED_BUSY) {
		assert_true(unapi_clock_ns() < until);
		napi_schedule(&r->f.n);
		unapi_clock_sleep(NSEC_PER_MSEC);
	}
	assert_int_equal(napi_disable(&r->f.n), 0);
	r->f.backlog = 0;
	assert_int_equal(napi_enable(&r->f.n), 0);
	napi_schedule(&r->f.n);
	while (info_of(r).chosen != UNAPI_MODE_THREADED) {
		assert_true(unapi_clock_ns() < until);
		unapi_clock_sleep(NSEC_PER_MSEC);
	}
	in_force(r, UNAPI_MODE_ADAPTIVE, UNAPI_MODE_ADAPTIVE);
	assert_int_equal(info_of(r).changes, 2);
	assert_int_equal(unapi_mode_set(&r->f.n, UNAPI_MODE_INTERRUPT, NULL), 0);
	in_force(r, UNAPI_MODE_INTERRUPT, UNAPI_MODE_INTERRUPT);
	rig_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(needs_a_poller),
		cmocka_unit_test(refused),
		cmocka_unit_test(settings_underneath),
		cmocka_unit_test(no_mode_suspends_but_one),
		cmocka_unit_test(from_a_poll_and_disabled),
		cmocka_unit_test(busy_is_pending),
		cmocka_unit_test(suspended_and_left),
		cmocka_unit_test(waits),
		cmocka_unit_test(adaptive_idle_and_full),
		cmocka_unit_test(adaptive_square_waves),
		cmocka_unit_test(adaptive_steady),
		cmocka_unit_test(adaptive_thresholds),
		cmocka_unit_test(adaptive_without_its_poller),
		cmocka_unit_test(adaptive_with_a_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
