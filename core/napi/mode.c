/* SPDX-License-Identifier: BSD-3-Clause */
/* Modes: settings plus a poller, asked for in one call. What mode adaptive does then is in adaptive.c. */
#include "core/napi/internal.h"
#include <unapi/mode.h>

#include <errno.h>
#include <string.h>

/* Event polls suspend wherever interrupts are deferred and this timeout is not 0: one that another mode had
 * left would turn prefer-busy into suspend. */
#define ALWAYS	 (UNAPI_NAPI_THREADED | UNAPI_NAPI_DEFER_HARD_IRQS | UNAPI_NAPI_IRQ_SUSPEND_TIMEOUT)
#define DEFERRAL (ALWAYS | UNAPI_NAPI_GRO_FLUSH_TIMEOUT)

static const struct mode {
	const char *name;
	struct unapi_napi_params settings;
} modes[UNAPI_NR_MODES] = {
	[UNAPI_MODE_INTERRUPT] = {"interrupt", {.given = ALWAYS}},
	[UNAPI_MODE_DEFERRED] = {"deferred",
				 {.given = DEFERRAL, .defer_hard_irqs = 2, .gro_flush_timeout = 20000}},
	[UNAPI_MODE_THREADED] = {"threaded", {.given = ALWAYS, .threaded = NETDEV_NAPI_THREADED_ENABLED}},
	[UNAPI_MODE_THREADED_BUSY] = {"threaded-busy",
				      {.given = ALWAYS, .threaded = NETDEV_NAPI_THREADED_BUSY_POLL}},
	[UNAPI_MODE_BUSY] = {"busy", {.given = ALWAYS}},
	/* what the kernel's Documentation/networking/napi.rst proposes for busy polling */
	[UNAPI_MODE_PREFER_BUSY] = {"prefer-busy",
				    {.given = DEFERRAL, .defer_hard_irqs = 2, .gro_flush_timeout = 200000}},
	[UNAPI_MODE_SUSPEND] = {"suspend",
				{.given = DEFERRAL,
				 .defer_hard_irqs = 100,
				 .gro_flush_timeout = 20000,
				 .irq_suspend_timeout = 20000000}},
	[UNAPI_MODE_ADAPTIVE] = {"adaptive", {.given = ALWAYS}},
};

const char *unapi_mode_name(enum unapi_mode mode)
{
	if (mode == UNAPI_MODE_CUSTOM)
		return "custom";
	return (unsigned int)mode < UNAPI_NR_MODES ? modes[mode].name : NULL;
}

int unapi_mode_parse(const char *name, enum unapi_mode *mode)
{
	unsigned int i;

	for (i = 0; i < UNAPI_NR_MODES; i++)
		if (!strcmp(name, modes[i].name)) {
			*mode = (enum unapi_mode)i;
			return 0;
		}
	return unapi_fail(EINVAL, "there is no mode %s", name);
}

void napi_mode_init(struct napi_struct *n)
{
	n->mode = UNAPI_MODE_INTERRUPT;
	n->mode_settings = modes[UNAPI_MODE_INTERRUPT].settings;
}

static bool waits(enum unapi_mode mode)
{
	return mode == UNAPI_MODE_PREFER_BUSY || mode == UNAPI_MODE_SUSPEND;
}

/* Under the control lock. Is somebody there who does what the mode needs? */
static int check_poller(const struct napi_struct *n, enum unapi_mode mode)
{
	if (mode == UNAPI_MODE_BUSY && !n->home->poller)
		return unapi_fail(EOPNOTSUPP,
				  "%s: mode busy needs an application thread that polls, and none has "
				  "declared itself for context %s (unapi_context_set_poller)",
				  n->name, n->home->name);
	if (waits(mode) && !n->home->event_poller)
		return unapi_fail(
			EOPNOTSUPP,
			"%s: mode %s needs an application's event loop that busy polls, and none has "
			"declared itself for context %s (unapi_context_set_event_poller)",
			n->name, modes[mode].name, n->home->name);
	return 0;
}

/* The mode's settings, and those that were given instead. */
static int resolve(const struct napi_struct *n, enum unapi_mode mode, const struct unapi_napi_params *p,
		   struct unapi_napi_params *s)
{
	*s = modes[mode].settings;
	if (mode == UNAPI_MODE_ADAPTIVE && !n->home->poller)
		s->threaded = NETDEV_NAPI_THREADED_ENABLED;
	if (!p)
		return 0;
	if (p->given & ~(UNAPI_NAPI_ALL & ~UNAPI_NAPI_THREADED))
		return unapi_fail(EINVAL, "%s: with mode %s come defer_hard_irqs and timeouts, not %#x",
				  n->name, modes[mode].name, p->given);
	if (p->given & UNAPI_NAPI_DEFER_HARD_IRQS) {
		if (p->defer_hard_irqs > INT32_MAX)
			return unapi_fail(ERANGE, "%s: defer_hard_irqs %u is above %d", n->name,
					  p->defer_hard_irqs, INT32_MAX);
		s->defer_hard_irqs = p->defer_hard_irqs;
	}
	if (p->given & UNAPI_NAPI_GRO_FLUSH_TIMEOUT)
		s->gro_flush_timeout = p->gro_flush_timeout;
	if (p->given & UNAPI_NAPI_IRQ_SUSPEND_TIMEOUT)
		s->irq_suspend_timeout = p->irq_suspend_timeout;
	s->given |= p->given;
	return 0;
}

static void record(struct napi_struct *n, enum unapi_mode mode, const struct unapi_napi_params *s)
{
	pthread_mutex_lock(&napi_control_lock);
	WRITE_ONCE(n->mode, (uint8_t)mode);
	n->mode_settings = *s;
	WRITE_ONCE(n->mode_waits, waits(mode));
	/* An event loop that sleeps has to notice. The home stays while the lock is held. */
	unapi_context_wake(n->home);
	pthread_mutex_unlock(&napi_control_lock);
}

static int apply(struct napi_struct *n, enum unapi_mode mode, const struct unapi_napi_params *s)
{
	int rc = 0;

	/* An application that polls hands over first; to a thread it could not. */
	if (mode != UNAPI_MODE_BUSY)
		unapi_napi_set_mode(n, UNAPI_POLL_INTERRUPT);
	rc = unapi_napi_set(n, s);
	if (!rc && mode == UNAPI_MODE_BUSY)
		rc = unapi_napi_set_mode(n, UNAPI_POLL_BUSY);
	if (!rc && mode == UNAPI_MODE_ADAPTIVE)
		rc = napi_adaptive_start(n, !s->threaded);
	return rc;
}

int unapi_mode_set(struct napi_struct *n, enum unapi_mode mode, const struct unapi_napi_params *p)
{
	struct unapi_napi_params settings, before;
	enum unapi_mode was;
	int rc;

	if (!(napi_state_read(&n->state) & NAPIF_LISTED))
		return napi_not_added(n, "given a mode");
	if ((unsigned int)mode >= UNAPI_NR_MODES)
		return unapi_fail(EINVAL, "%s: there is no mode %d", n->name, (int)mode);
	if (napi_refuse_in_poll(n, "set mode"))
		return -EDEADLK;
	pthread_mutex_lock(&napi_control_lock);
	rc = check_poller(n, mode);
	if (!rc)
		rc = resolve(n, mode, p, &settings);
	was = (enum unapi_mode)n->mode;
	pthread_mutex_unlock(&napi_control_lock);
	if (rc)
		return rc;
	unapi_napi_get(n, &before);
	if (was == UNAPI_MODE_INTERRUPT && unapi_napi_mode_asked(n) == UNAPI_POLL_BUSY)
		was = UNAPI_MODE_BUSY;
	rc = napi_adaptive_stop(n);
	if (rc)
		return rc;
	rc = apply(n, mode, &settings);
	if (rc) {
		char why[256];

		strncpy(why, unapi_reason(), sizeof(why) - 1);
		why[sizeof(why) - 1] = '\0';
		if (apply(n, was, &before))
			unapi_log(UNAPI_LOG_ERR, "%s: nor could its mode be what it was: %s", n->name,
				  unapi_reason());
		return unapi_fail(-rc, "%s", why);
	}
	record(n, mode, &settings);
	/* What it had been in may have left its interrupt masked for long, and its timer to come as late. */
	if (!napi_at_rest(n))
		unapi_napi_schedule_cause(n, UNAPI_CAUSE_MODE_SWITCH);
	return 0;
}

static bool is_custom(const struct napi_struct *n)
{
	const struct unapi_napi_params *s = &n->mode_settings;
	struct unapi_napi_params now;

	unapi_napi_get(n, &now);
	if (n->mode == UNAPI_MODE_ADAPTIVE ? !now.threaded != !s->threaded : now.threaded != s->threaded)
		return true;
	return now.defer_hard_irqs != s->defer_hard_irqs ||
	       now.irq_suspend_timeout != s->irq_suspend_timeout ||
	       (s->given & UNAPI_NAPI_GRO_FLUSH_TIMEOUT && now.gro_flush_timeout != s->gro_flush_timeout);
}

/* Who polls now, if settings are as the mode has them. */
static enum unapi_mode polled_by(const struct napi_struct *n, enum unapi_mode asked)
{
	if (napi_state_read(&n->state) & NAPIF_CALLER)
		return UNAPI_MODE_BUSY;
	switch (asked) {
	case UNAPI_MODE_BUSY:
		return UNAPI_MODE_INTERRUPT;
	case UNAPI_MODE_PREFER_BUSY:
	case UNAPI_MODE_SUSPEND:
		return n->ctx->event_poller ? asked : UNAPI_MODE_DEFERRED;
	case UNAPI_MODE_THREADED:
	case UNAPI_MODE_THREADED_BUSY:
		return n->own ? asked : UNAPI_MODE_INTERRUPT;
	case UNAPI_MODE_ADAPTIVE:
		if (napi_get_threaded(n) == NETDEV_NAPI_THREADED_DISABLED)
			return UNAPI_MODE_INTERRUPT;
		return napi_get_threaded(n) == NETDEV_NAPI_THREADED_BUSY_POLL ? UNAPI_MODE_THREADED_BUSY
									      : UNAPI_MODE_THREADED;
	default:
		return asked;
	}
}

void napi_mode_locked(const struct napi_struct *n, struct unapi_mode_info *info)
{
	*info = (struct unapi_mode_info){.asked = (enum unapi_mode)n->mode};
	if (info->asked == UNAPI_MODE_INTERRUPT && unapi_napi_mode_asked(n) == UNAPI_POLL_BUSY)
		info->asked = UNAPI_MODE_BUSY; /* by unapi_napi_set_mode() */
	if (!(napi_state_read(&n->state) & NAPIF_LISTED))
		return;
	info->chosen = is_custom(n) ? UNAPI_MODE_CUSTOM : polled_by(n, info->asked);
	info->in_force = info->chosen;
	if (info->asked == UNAPI_MODE_ADAPTIVE && info->chosen != UNAPI_MODE_CUSTOM)
		info->in_force = UNAPI_MODE_ADAPTIVE;
	info->changes = napi_adaptive_changes(n);
}

void unapi_mode_get(const struct napi_struct *n, struct unapi_mode_info *info)
{
	pthread_mutex_lock(&napi_control_lock); /* its contexts change under it */
	napi_mode_locked(n, info);
	pthread_mutex_unlock(&napi_control_lock);
}

int unapi_context_set_event_poller(struct unapi_context *c, bool poller)
{
	pthread_mutex_lock(&napi_control_lock);
	c->event_poller = poller;
	pthread_mutex_unlock(&napi_control_lock);
	return 0;
}

struct wait {
	const struct napi_struct *n;
	uint64_t work, until;
};

static bool wait_over(void *arg, unsigned long start)
{
	const struct wait *w = arg;

	return READ_ONCE(w->n->stats.work) != w->work || unapi_clock_ns() >= w->until;
}

int unapi_mode_wait(struct napi_struct *n, uint64_t ns)
{
	struct wait w = {.n = n, .work = READ_ONCE(n->stats.work), .until = napi_deadline(ns)};
	unsigned int id = READ_ONCE(n->napi_id);
	uint64_t work;
	int rc;

	rc = napi_busy_loop(id, ns ? wait_over : NULL, &w, true, NAPI_POLL_WEIGHT);
	if (rc)
		return rc;
	work = READ_ONCE(n->stats.work) - w.work;
	if (READ_ONCE(n->mode) == UNAPI_MODE_SUSPEND) {
		if (work)
			napi_suspend_irqs(id);
		else
			napi_resume_irqs(id);
	}
	return work < INT32_MAX ? (int)work : INT32_MAX;
}
