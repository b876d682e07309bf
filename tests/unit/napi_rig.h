/* SPDX-License-Identifier: BSD-3-Clause */
/* One instance on one context on a virtual clock, over a device with a mask that latches. */
#ifndef UNAPI_TEST_NAPI_RIG_H
#define UNAPI_TEST_NAPI_RIG_H

#include "tests/unit/napi_fake.h"

#include <errno.h>

#define T 20000ULL

struct rig {
	uint64_t now;
	struct unapi_context *c;
	struct fake f;
	bool masked, cause;
	/* between completion and unmasking */
	void (*before_unmask)(struct rig *r);
};

static inline void rig_raise(struct rig *r)
{
	if (r->masked) {
		r->cause = true;
	} else {
		r->masked = true;
		fake_interrupt(&r->f);
	}
}

/* Packets arrive, and the device says so. */
static inline void rig_event(struct rig *r, int packets)
{
	r->f.backlog += packets;
	rig_raise(r);
}

static inline void rig_after_complete(struct fake *f)
{
	struct rig *r = container_of(f, struct rig, f);

	if (r->before_unmask)
		r->before_unmask(r);
	if (!f->unmasked)
		return;
	r->masked = false;
	if (r->cause) {
		r->cause = false;
		rig_raise(r);
	}
}

/* On the real clock: where control calls wait for another thread, for 5 seconds of it. */
static inline void rig_open_real(struct rig *r, uint32_t defer, uint64_t timeout)
{
	r->c = fake_context(0);
	fake_add(&r->f, r->c, 'a');
	fake_add_vector(&r->f);
	r->f.after_complete = rig_after_complete;
	assert_int_equal(unapi_napi_set_defer_hard_irqs(&r->f.n, defer), 0);
	assert_int_equal(unapi_napi_set_gro_flush_timeout(&r->f.n, timeout), 0);
	assert_int_equal(napi_enable(&r->f.n), 0);
}

static inline void rig_open(struct rig *r, uint32_t defer, uint64_t timeout)
{
	memset(r, 0, sizeof(*r));
	r->now = NSEC_PER_SEC;
	unapi_clock_set_virtual(&r->now);
	rig_open_real(r, defer, timeout);
}

static inline void rig_close(struct rig *r)
{
	fake_del(&r->f);
	assert_int_equal(unapi_context_destroy(r->c), 0);
	unapi_clock_set_virtual(NULL);
}

static inline struct unapi_napi_stats rig_stats(struct rig *r)
{
	struct unapi_napi_stats st;

	unapi_napi_get_stats(&r->f.n, &st);
	return st;
}

static inline int rig_run(struct rig *r)
{
	return unapi_context_run(r->c, 0);
}

static inline int rig_later(struct rig *r, uint64_t ns)
{
	r->now += ns;
	return rig_run(r);
}

/* One net_rx_action(), and no look at vectors and timers. */
static inline void rig_softirq(struct rig *r)
{
	assert_int_equal(context_enter(r->c, false), 0);
	net_rx_action(r->c);
	context_leave(r->c);
}

/* Until no timer runs any more. */
static inline void rig_quiet(struct rig *r)
{
	int rounds;

	for (rounds = 0; r->f.n.timer.pending; rounds++) {
		assert_true(rounds < 1000);
		r->now = r->f.n.timer.expires;
		rig_run(r);
	}
}

static inline unsigned long rig_word(struct rig *r)
{
	return napi_state_read(&r->f.n.state);
}

/* One try of a busy poller. */
static inline void rig_busy_once(struct rig *r, bool prefer)
{
	assert_int_equal(napi_busy_loop(r->f.n.napi_id, NULL, NULL, prefer, 8), 0);
}

#endif
