/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of a softnet context, and what the parts of the scheduler are to each other. */
#ifndef UNAPI_CORE_NAPI_INTERNAL_H
#define UNAPI_CORE_NAPI_INTERNAL_H

#include "core/base/clock.h"
#include "core/base/compiler.h"
#include "core/base/list.h"
#include "core/base/reason.h"
#include "core/napi/context.h"
#include "core/napi/inbox.h"
#include "core/napi/ledger.h"
#include "core/napi/napi.h"
#include "core/napi/state.h"
#include "core/napi/thread.h"

#include <pthread.h>
#include <sys/epoll.h>

#define NAPI_CONTROL_TIMEOUT_NS (5 * NSEC_PER_SEC)
#define CONTEXT_EVENTS		64

/* In unapi_context.runner, beside the thread: it only borrows the context for a control call. */
#define CONTEXT_BORROWED	1UL

struct context_call;

struct unapi_context {
	/* Who holds @runner: */
	struct list_head poll_list;
	int netdev_budget;
	unsigned int since_look; /* packets delivered since it looked at its descriptors */
	uint64_t limit_cycles;	 /* netdev_budget_usecs */
	uint64_t look_tsc;	 /* when it looked */
	bool tick_armed, tick_fired;
	struct unapi_timer tick_timer;
	bool own_thread;     /* run by a thread of the library's */
	uint64_t timerfd_at; /* when the timerfd will fire, UINT64_MAX never */
	struct unapi_tick *ticks, *next_tick;
	struct epoll_event events[CONTEXT_EVENTS]; /* being dispatched: @event_next up to @nr_events */
	int event_next, nr_events;
	struct unapi_context_stats stats; /* @wakeups: by anyone, atomic addition */

	/* The lock of a context's run: a napi_thread's address, 0 if nobody is inside. It is taken and
	 * released once a run (once for all by a thread of the library's), and by control calls of other
	 * threads in between. */
	uintptr_t runner __cacheline_aligned;
	struct napi_inbox inbox;
	int wake_asked;
	int nr_calls;
	int moved; /* packets moved since the last tick */
	int stop;
	unsigned int watched; /* descriptors ever added; see epoll_add() */
	/* When the earliest timer expires, UINT64_MAX none: written under @timer_lock, read by anyone. */
	uint64_t timer_next;
	pthread_mutex_t timer_lock; /* guards the heap and the timers in it; nothing is locked under it */
	struct unapi_timer *timers; /* the earliest; a pairing heap */
	struct unapi_timer *timer_running; /* whose callback runs */

	/* Set once, or slow. */
	int epfd, wakefd, timerfd;
	pthread_mutex_t call_lock; /* guards @calls and the calls in it */
	struct context_call *calls;
	struct list_head
		instances; /* guarded by the control lock, like @poller, @thread_runs and @nr_sources */
	unsigned int nr_sources;
	bool poller;
	bool thread_runs;
	pthread_t thread;
	char name[48];
};

/*
 * The control lock guards what ties instances to contexts: napi_struct.ctx and ctx_list, the id table, and a
 * context's poller flag together with the modes that depend on it. Never held while waiting or polling;
 * nothing is locked under it.
 */
extern pthread_mutex_t napi_control_lock;

/* context.c */
void context_wake_fd(struct unapi_context *c);
/* Become the runner: 0; 1 if this thread is it already. Without a reason: -EBUSY if another one is; -EAGAIN
 * if one is for the moment of a control call. */
int context_enter(struct unapi_context *c, bool borrow);
void context_leave(struct unapi_context *c);

/* call.c */
/* Like unapi_context_call(), on any thread and in any state, until @deadline (UINT64_MAX: none). */
int context_call_until(struct unapi_context *c, void (*fn)(void *arg), void *arg, uint64_t deadline);
void context_run_calls(struct unapi_context *c);
/* Sleep a little, longer each time; *@nap starts as 0. False if it is @deadline already. */
bool napi_nap(uint64_t *nap, uint64_t deadline);
uint64_t napi_deadline(uint64_t timeout_ns);

/* events.c */
int context_look(struct unapi_context *c, int64_t timeout_ns);
void context_tick(struct unapi_timer *t);
void context_run_ticks(struct unapi_context *c);
int context_attach(struct unapi_context *c, struct napi_struct *n);
/* By the runner, between polls: the handler neither runs nor will run after it. */
void context_detach(struct unapi_context *c, struct napi_struct *n);
void context_forget_event(struct unapi_context *c, void *ptr);

/* timer.c */
void timer_init(struct unapi_timer *t, struct unapi_context *c, void (*fn)(struct unapi_timer *t));
/* Any thread. Instead of an earlier start; never earlier than @ns from now. */
void timer_start(struct unapi_timer *t, uint64_t ns);
/* When it returned the callback neither runs nor will run, unless it is the caller. */
void timer_cancel(struct unapi_timer *t);
/* Nobody else starts or cancels it meanwhile. What is pending stays pending. */
void timer_move(struct unapi_timer *t, struct unapi_context *c);
/* By the runner: call what has expired. */
void timers_run(struct unapi_context *c);
/* By the runner: how long until the next one, at most @timeout_ns (negative: for ever). */
int64_t timers_wait(struct unapi_context *c, int64_t timeout_ns);
/* By the runner: let the timerfd tell whoever waits for the context's descriptor. */
void timers_arm_fd(struct unapi_context *c);

/* schedule.c */
void napi_queue(struct napi_struct *n);
/* The owner's completion, after its poll was charged. */
bool napi_complete_owned(struct napi_thread *t, struct napi_struct *n, int work_done);
void napi_watchdog(struct unapi_timer *t);
void napi_violation(struct napi_struct *n, const char *what);

/* net_rx.c */
void context_collect(struct unapi_context *c);
int net_rx_action(struct unapi_context *c);

/* caller.c */
bool napi_polled_by_me(const struct napi_struct *n);
void napi_caller_release(struct napi_struct *n);
/* Under the control lock. If this thread polls it, outside a poll, it hands over at once. */
void napi_ask_mode(struct napi_struct *n, bool busy);

/* busy_loop.c */
bool napi_held(const struct napi_struct *n);

/* id.c; under the control lock */
struct napi_struct *napi_id_find(unsigned int id);
void napi_id_new(struct napi_struct *n);
void napi_id_drop(struct napi_struct *n);

#endif
