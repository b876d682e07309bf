/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modes: by what an instance is polled, as one word.
 *
 * A mode is settings plus a poller. To ask for one applies the settings (those of unapi/napi.h, which stay
 * what they are: each can still be changed by itself, and then shows as "custom") and asks for who polls. All
 * can be changed while packets flow; none is lost, and no interrupt is left masked. doc/modes.md.
 */
#ifndef UNAPI_MODE_H
#define UNAPI_MODE_H

#include <stdbool.h>
#include <stdint.h>
#include <unapi/error.h>
#include <unapi/napi.h>

#ifdef __cplusplus
extern "C" {
#endif

enum unapi_mode {
	UNAPI_MODE_INTERRUPT,	  /* its context polls when its interrupt says so */
	UNAPI_MODE_DEFERRED,	  /* the same, with interrupts deferred */
	UNAPI_MODE_THREADED,	  /* a thread of its own polls when its interrupt says so */
	UNAPI_MODE_THREADED_BUSY, /* a thread of its own polls all the time */
	UNAPI_MODE_BUSY,	  /* an application thread polls all the time (unapi_napi_poll()) */
	UNAPI_MODE_PREFER_BUSY,	  /* an application's event loop busy polls, and interrupts are deferred */
	UNAPI_MODE_SUSPEND,	  /* the same, and suspends interrupts while it finds packets */
	UNAPI_MODE_ADAPTIVE,	  /* by interrupts or all the time, as load demands */
	UNAPI_NR_MODES,
	UNAPI_MODE_CUSTOM = UNAPI_NR_MODES, /* only told: settings were changed since a mode was asked for */
};

/** unapi_mode_name() - "interrupt", "threaded-busy", "custom"; NULL for none of them. Any thread */
UNAPI_API const char *unapi_mode_name(enum unapi_mode mode);
/** unapi_mode_parse() - the mode with this name, which can be asked for. -EINVAL. Any thread */
UNAPI_API int unapi_mode_parse(const char *name, enum unapi_mode *mode);

/**
 * unapi_mode_set() - ask for a mode, under traffic or while disabled. A control call (unapi/napi.h)
 * @p: settings other than the mode's own, those that are in @p->given; NULL: none. Not the thread's
 *
 * Every mode sets threaded, defer_hard_irqs (0 where it defers nothing) and irq_suspend_timeout (0 where it
 * suspends nothing); deferred 2 and a gro_flush_timeout of 20 us; prefer-busy 2 and 200 us; suspend 100, 20
 * us and an irq_suspend_timeout of 20 ms. A gro_flush_timeout that the mode does not set stays as it is:
 * without deferral it is software GRO's alone.
 *
 * 0: settings are in force by the next poll, and the poller as unapi_mode_get() says. -EOPNOTSUPP: the mode
 * needs a poller, and none has declared itself for the home context: busy the promise of
 * unapi_context_set_poller(), prefer-busy and suspend that of unapi_context_set_event_poller(); adaptive
 * needs none, but uses the first if it is there. -EINVAL not added, no such mode or setting; -ERANGE;
 * -EDEADLK from a poll method; errors of unapi_napi_set(). On these nothing has changed.
 */
UNAPI_API int unapi_mode_set(struct napi_struct *n, enum unapi_mode mode, const struct unapi_napi_params *p);

struct unapi_mode_info {
	enum unapi_mode asked;
	enum unapi_mode in_force; /* while a change is pending, or its poller has gone: what polls now */
	enum unapi_mode chosen;	  /* the same; in mode adaptive what that has chosen for now */
	uint64_t changes;	  /* times mode adaptive has chosen otherwise, since it was asked for */
};
/** unapi_mode_get() - what was asked for, and what is. Any thread, as long as the instance exists */
UNAPI_API void unapi_mode_get(const struct napi_struct *n, struct unapi_mode_info *info);

/**
 * unapi_context_set_event_poller() - the thread that runs this context promises (or no longer promises) to
 * make unapi_mode_wait(), or a wait of its own with the same calls, for each of its instances for which
 * unapi_mode_wants_wait() says so
 *
 * 0. Any thread. Without it instances in modes prefer-busy and suspend are only deferred.
 */
UNAPI_API int unapi_context_set_event_poller(struct unapi_context *c, bool poller);

/** unapi_mode_wants_wait() - is its mode prefer-busy or suspend, and is it enabled? Cheap, any thread */
static inline bool unapi_mode_wants_wait(const struct napi_struct *n)
{
	return __atomic_load_n(&n->mode_waits, __ATOMIC_RELAXED) &&
	       !(__atomic_load_n(&n->state, __ATOMIC_RELAXED) & NAPIF(NAPI_STATE_NPSVC));
}

/**
 * unapi_mode_wait() - wait for packets of one instance as an event loop does
 * @ns: how long to busy poll for them; 0: one poll
 *
 * Busy polls, preferring, until packets were delivered or @ns have passed. Then, in mode suspend, suspends
 * interrupts if there were some, and resumes them if there were none (napi_suspend_irqs()). Who gets 0 sleeps
 * in the context, until its run delivers packets. The packets delivered, 0 and more; -ENOENT disabled, or
 * without an id; -EDEADLK from a poll method or a busy loop. On the thread that runs the home context.
 */
UNAPI_API int unapi_mode_wait(struct napi_struct *n, uint64_t ns);

#ifdef __cplusplus
}
#endif
#endif
