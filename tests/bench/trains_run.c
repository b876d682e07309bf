/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One train at a time, from a quiet start to quiet again. In interrupt mode this thread runs the context,
 * as an application's own loop does.
 *
 * Quiet is: all frames delivered, nobody owns the instance, its timer is not running (so its countdown has
 * run out, where there is one), its vector is unmasked in the device and no cause waits there, and none of
 * that has changed after the polling thread has come round twice. Nothing can happen then but by a frame.
 */
#include "tests/bench/trains.h"
#include "core/base/reason.h"
#include "core/napi/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define PATIENCE (10 * NSEC_PER_SEC)
#define LOOK_NS	 (100 * NSEC_PER_USEC)
#define SPIN_NS	 (150 * NSEC_PER_USEC) /* by which a sleep may end late, and more */

/* ---- a device */

static int configure(struct player *p)
{
	struct unapi_dev_conf conf = {
		.rxq = 1, .txq = 1, .rxd = TRAINS_RING, .gro = true, .ctx = &p->ctx, .nr_ctx = 1};
	enum netdev_napi_threaded threaded =
		p->settings.threaded ? NETDEV_NAPI_THREADED_ENABLED : NETDEV_NAPI_THREADED_DISABLED;
	int rc = unapi_dev_configure(p->dev, &conf);

	if (rc)
		return rc;
	p->napi = unapi_dev_rxq_napi(p->dev, 0);
	rc = watch_install(p->napi);
	if (!rc)
		rc = napi_set_threaded(p->napi, threaded);
	if (!rc)
		rc = unapi_napi_set_gro_flush_timeout(p->napi, p->settings.gro_flush_timeout);
	if (!rc)
		rc = unapi_napi_set_defer_hard_irqs(p->napi, p->settings.defer_hard_irqs);
	return rc;
}

int player_open(struct player *p, const struct settings *s)
{
	char spec[192];
	int rc;

	*p = (struct player){.settings = *s, .wire = -1};
	prctl(PR_SET_TIMERSLACK, 1UL);
	snprintf(p->path, sizeof(p->path), "/tmp/unapi-trains-%d", (int)getpid());
	snprintf(spec, sizeof(spec), "sim:igb,link-delay=0,wire=train:%s", p->path);
	rc = unapi_context_create(&(struct unapi_context_conf){.name = "trains"}, &p->ctx);
	if (rc)
		return rc;
	/* We are awake when the timer expires. The context's timerfd would interrupt us just then, which
	 * takes a virtual machine longer than everything else: as if it were set already, for earlier. */
	p->ctx->timerfd_at = 0;
	rc = unapi_dev_open(spec, &p->dev);
	if (!rc)
		rc = wire_connect(p->path, &p->wire);
	if (!rc)
		rc = configure(p);
	return rc;
}

void player_close(struct player *p)
{
	if (p->dev)
		unapi_dev_close(p->dev);
	if (p->ctx)
		unapi_context_destroy(p->ctx);
	if (p->wire >= 0)
		close(p->wire);
}

/* ---- quiet */

static bool timer_runs(const struct napi_struct *n)
{
	bool runs;

	pthread_mutex_lock(&n->ctx->timer_lock);
	runs = n->timer.pending;
	pthread_mutex_unlock(&n->ctx->timer_lock);
	return runs;
}

static bool at_rest(const struct napi_struct *n)
{
	return !(__atomic_load_n(&n->state, __ATOMIC_ACQUIRE) & NAPIF(NAPI_STATE_SCHED)) && !timer_runs(n);
}

/* Run the home context, which has everything but a threaded instance, for a moment at most. */
static int run(struct player *p, uint64_t ns)
{
	int rc = unapi_context_run(p->ctx, (int64_t)ns);

	return rc < 0 && rc != -EINTR ? rc : 0;
}

/* Let pass what comes next. A sleep ends late: when the timer is about to expire, spin instead. */
static int turn(struct player *p)
{
	uint64_t now, at;

	if (p->settings.threaded || !timer_runs(p->napi))
		return run(p, LOOK_NS);
	now = unapi_clock_ns();
	at = p->napi->timer.expires; /* it is started, and expires, inside run() */
	return run(p, at > now + SPIN_NS ? at - now - SPIN_NS : 0);
}

/* Who polls finishes what it does, looks at its descriptors, and comes back from that. */
static int come_round(struct player *p)
{
	int rc = 0;

	for (int i = 0; i < 2 && !rc; i++)
		rc = p->settings.threaded ? napi_synchronize(p->napi) : run(p, 0);
	return rc;
}

/* 1 quiet, 0 not yet. */
static int quiet(struct player *p, uint64_t frames)
{
	struct unapi_napi_stats before, after;
	struct wire_state wire;
	int rc;

	if (watch_work() < frames || !at_rest(p->napi))
		return 0;
	unapi_napi_get_stats(p->napi, &before);
	rc = wire_state(p->wire, &wire);
	if (rc)
		return rc;
	if (!wire.ready || wire.masked || wire.latched)
		return 0;
	rc = come_round(p);
	if (rc)
		return rc;
	unapi_napi_get_stats(p->napi, &after);
	return at_rest(p->napi) && before.irqs == after.irqs && before.polls == after.polls &&
	       before.timer_starts == after.timer_starts && watch_polls() == after.polls;
}

static int no_quiet(const struct player *p, uint64_t frames)
{
	return unapi_fail(ETIMEDOUT, "no quiet: %llu of %llu frames delivered, state 0x%lx, timer %s",
			  (unsigned long long)watch_work(), (unsigned long long)frames,
			  READ_ONCE(p->napi->state), timer_runs(p->napi) ? "running" : "not running");
}

/* Until @t, if there is one, has been played, and all of it is over. */
static int wait_quiet(struct player *p, const struct train *t, struct delivery *d, uint64_t frames,
		      uint64_t deadline)
{
	bool played = !t;
	int rc = 0;

	do {
		if (unapi_clock_ns() >= deadline)
			return no_quiet(p, frames);
		rc = turn(p);
		if (!rc && !played) {
			rc = wire_played(p->wire, t, d);
			played = rc > 0;
			rc = rc < 0 ? rc : 0;
		}
		if (!rc && played)
			rc = quiet(p, frames);
	} while (!rc);
	return rc < 0 ? rc : 0;
}

/* The owner's alone: so it is looked at where the owner is, between polls. */
static void look_at_countdown(void *arg)
{
	struct player *p = arg;

	p->countdown = p->napi->defer_hard_irqs_count;
}

/* A countdown may be left over without a timeout only, and then means nothing: with one, quiet is when it has
 * run out. */
static int check_countdown(struct player *p)
{
	int rc = unapi_context_call(p->napi->ctx, look_at_countdown, p, PATIENCE);

	if (!rc && p->settings.gro_flush_timeout && p->countdown)
		rc = unapi_fail(EPROTO, "quiet with a countdown at %d", p->countdown);
	return rc;
}

/* A ring full of buffers, and counters at zero. */
static int start_afresh(struct player *p, bool gro)
{
	int rc = unapi_dev_stop(p->dev);

	if (!rc)
		rc = unapi_dev_set_gro(p->dev, gro ? UNAPI_GRO_TCP : 0);
	if (rc)
		return rc;
	watch_clear();
	unapi_dev_clear_stats(p->dev);
	rc = unapi_dev_start(p->dev);
	if (!rc)
		rc = wait_quiet(p, NULL, NULL, 0, unapi_clock_ns() + PATIENCE);
	if (!rc)
		rc = check_countdown(p);
	if (rc)
		return rc;
	watch_clear();
	unapi_dev_clear_stats(p->dev);
	return 0;
}

/* ---- a run */

/* When the train has surely gone, and every timer after it. */
static uint64_t latest(const struct player *p, const struct train *t)
{
	const struct settings *s = &p->settings;
	double ns = (double)(t->parts - 1) * (double)t->gap_ns +
		    (double)t->parts * ((double)s->defer_hard_irqs + 1) * (double)s->gro_flush_timeout +
		    (double)PATIENCE;

	return ns < (double)INT64_MAX ? unapi_clock_ns() + (uint64_t)ns : INT64_MAX;
}

static int run_once(struct player *p, const struct train *t, struct result *r)
{
	uint64_t frames = 0;
	int rc = start_afresh(p, t->tcp);

	if (rc)
		return rc;
	for (unsigned int i = 0; i < t->parts; i++)
		frames += t->frames[i];
	rc = wire_play(p->wire, t);
	if (!rc)
		rc = wait_quiet(p, t, r->delivery, frames, latest(p, t));
	if (rc)
		return rc;
	unapi_napi_get_stats(p->napi, &r->did);
	if (r->did.polls > TRAINS_MAX_POLLS)
		return unapi_fail(E2BIG, "more than %u polls", TRAINS_MAX_POLLS);
	if (r->did.violations || r->did.work != frames)
		return unapi_fail(EPROTO, "%llu violations, work %llu of %llu",
				  (unsigned long long)r->did.violations, (unsigned long long)r->did.work,
				  (unsigned long long)frames);
	r->late = watch_lateness(r->delivery, t->parts);
	return 0;
}

/*
 * Of one instant: whatever comes late, comes in the same order. With gaps the order depends on the times, so
 * a run counts only if deliveries and expiries were where they belong, by a quarter of the time that is
 * shortest; and the driver's answers by a quarter of the gap.
 */
static bool too_late(const struct player *p, const struct train *t, const struct lateness *l)
{
	uint64_t timeout = p->settings.gro_flush_timeout, shortest = t->gap_ns;

	if (t->parts == 1)
		return false;
	if (timeout && timeout < shortest)
		shortest = timeout;
	return l->delivery > shortest / 4 || l->expiry > shortest / 4 || l->answer > t->gap_ns / 4;
}

int player_play(struct player *p, const struct train *t, struct result *r)
{
	int rc;

	memset(r, 0, sizeof(*r));
	do {
		rc = run_once(p, t, r);
		if (rc)
			return unapi_fail_at(rc, "train %s", t->text);
		r->tries++;
		r->is_void = too_late(p, t, &r->late);
	} while (r->is_void && r->tries < TRAINS_TRIES);
	return 0;
}
