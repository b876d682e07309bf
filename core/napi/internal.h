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
#include "core/napi/probe.h"
#include "core/napi/state.h"
#include "core/napi/thread.h"

#include <pthread.h>
#include <sys/epoll.h>

#define NAPI_CONTROL_TIMEOUT_NS (5 * NSEC_PER_SEC)
#define CONTEXT_EVENTS		64
#define NAPI_THREAD_ANYWHERE	((struct unapi_thread_conf){.cpu = -1, .numa_node = -1})

/* In unapi_context.runner, beside the thread: it only borrows the context for a control call. */
#define CONTEXT_BORROWED	1UL

struct context_call;

struct unapi_context {
	/* Who holds @runner: */
	struct list_head poll_list;
	int netdev_budget;
	unsigned int turns;	 /* polls since its thread began to busy poll; threaded.c */
	unsigned int since_look; /* packets delivered since it looked at its descriptors */
	uint64_t limit_cycles;	 /* netdev_budget_usecs */
	uint64_t look_tsc;	 /* when it looked */
	bool tick_fired;
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
	bool left_over; /* the list was not empty when it was left; a hint for busy_loop.c */
	int wake_asked;
	int nr_calls;
	int moved, tick_armed; /* packets moved since the last tick, and its timer was started; events.c */
	int stop;
	unsigned int watched; /* descriptors ever added; see epoll_add() */
	/* When the earliest timer expires, UINT64_MAX none: written under @timer_lock, read by anyone. */
	uint64_t timer_next;
	pthread_mutex_t timer_lock; /* guards the heap and the timers in it; nothing is locked under it */
	struct unapi_timer *timers; /* the earliest; a pairing heap */
	struct unapi_timer *timer_running; /* whose callback runs */
	uint64_t timer_was_due;		   /* that callback's expiry; who holds @runner */

	/* Set once, or slow. */
	int epfd, wakefd, timerfd;
	pthread_mutex_t call_lock; /* guards @calls and the calls in it */
	struct context_call *calls;
	struct list_head instances; /* guarded by the control lock, like what follows up to @thread_runs */
	unsigned int nr_sources;
	unsigned int nr_away; /* instances that have it as their home, but a thread of their own */
	bool poller, event_poller;
	bool thread_runs;
	pthread_t thread;
	struct napi_struct *instance; /* the context is this instance's thread: threaded.c */
	int tid;		      /* the thread that looked after it last, 0 none yet */
	unsigned int netdev_budget_usecs;
	struct list_head all; /* in context_list */
	char name[48];
};

/*
 * The control lock guards what ties instances to contexts: napi_struct.ctx and ctx_list, the id table, the
 * list of contexts, and a context's poller flag together with the modes that depend on it. Never held while
 * waiting or polling; nothing is locked under it.
 */
extern pthread_mutex_t napi_control_lock;
extern struct list_head context_list; /* every context there is */

/* context.c */
void context_wake_fd(struct unapi_context *c);
/* Become the runner: 0; 1 if this thread is it already. Without a reason: -EBUSY if another one is; -EAGAIN
 * if one is for the moment of a control call. */
int context_enter(struct unapi_context *c, bool borrow);
void context_leave(struct unapi_context *c);
/* By a thread that has minded the context (thread.h): whoever waits for its descriptor learns of its timers.
 */
void context_attend(struct unapi_context *c);

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
void context_first_moved(struct unapi_context *c);
/* Packets of @n moved: keep the ticks coming. By whoever polled it: its context stays meanwhile. */
static inline void napi_moved(const struct napi_struct *n)
{
	struct unapi_context *c = n->tick_ctx ? n->tick_ctx : n->ctx;

	if (unlikely(!__atomic_load_n(&c->moved, __ATOMIC_ACQUIRE)))
		context_first_moved(c);
}
int context_attach(struct unapi_context *c, struct napi_struct *n);
/* By the runner, between polls: the handler neither runs nor will run after it. */
void context_detach(struct unapi_context *c, struct napi_struct *n);
void context_forget_event(struct unapi_context *c, void *ptr);

/* timer.c */
void timer_init(struct unapi_timer *t, struct unapi_context *c, void (*fn)(struct unapi_timer *t));
/* Any thread. Instead of an earlier start; never earlier than @ns from now. */
void timer_start(struct unapi_timer *t, uint64_t ns);
/* The same, for a time that timer_expiry() said is @ns from now. */
void timer_start_at(struct unapi_timer *t, uint64_t expires);
uint64_t timer_expiry(uint64_t ns);
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

/* threaded.c */
/* By the thread of @c, which has the instance queued: one poll. */
void napi_thread_poll(struct unapi_context *c);
/* Begin and end of being enabled, at rest: get the thread that is asked for, and its bits. */
int napi_thread_enable(struct napi_struct *n);
/* End the thread, if there is one, and free its context. Before the instance is gone. */
void napi_thread_free(struct napi_struct *n);
/* -EDEADLK on the instance's own thread. */
int napi_refuse_own_thread(const struct napi_struct *n, const char *what);

/* napi.c */
/* Take ownership and the vector as disable does; then either rest, or place it and napi_resume() it. */
int napi_take(struct napi_struct *n, const char *what, uint64_t timeout_ns);
/* Let a taken instance go on in @ctx, scheduled once. On failure it goes on where it was. */
int napi_resume_in(struct napi_struct *n, struct unapi_context *ctx);
/* Its present context is @ctx from now on. By its owner, or at rest. */
void napi_place(struct napi_struct *n, struct unapi_context *ctx);
bool napi_at_rest(const struct napi_struct *n);
/* -EINVAL; -EDEADLK from a poll method, otherwise 0 */
int napi_not_added(const struct napi_struct *n, const char *what);
int napi_refuse_in_poll(const struct napi_struct *n, const char *what);
/* -EINVAL not added, -EBUSY enabled */
int napi_check_rest(const struct napi_struct *n, const char *what);

/* schedule.c */
void napi_queue(struct napi_struct *n);
/* The owner's completion, after its poll was charged. */
bool napi_complete_owned(struct napi_thread *t, struct napi_struct *n, int work_done);
void napi_watchdog(struct unapi_timer *t);

/* contract.c */
void napi_violation(struct napi_struct *n, const char *what);
int napi_contract_broken(const struct napi_thread *t, struct napi_struct *n, int work, int budget);
/* After a poll: its packets, 0..budget, whatever the poll method returned. */
static inline int napi_poll_result(const struct napi_thread *t, struct napi_struct *n, int work, int budget)
{
	if (likely(t->completion == POLL_GOES_ON ? work == budget
						 : (unsigned int)work < (unsigned int)budget))
		return work;
	return napi_contract_broken(t, n, work, budget);
}

/* By the owner: deliver what GRO holds, as its poll method would: buffers that the application frees
 * meanwhile go straight back to a pool of the instance, and control calls that would wait for it are refused.
 */
static inline void napi_gro_flush(struct napi_thread *t, struct napi_struct *n, bool all)
{
	struct napi_struct *polling = t->polling;

	if (likely(!n->gro))
		return;
	t->polling = n;
	if (all)
		n->gro->flush_all(n);
	else
		n->gro->flush_old(n);
	t->polling = polling;
}

/* net_rx.c */
void context_collect(struct unapi_context *c);
/* Poll an instance that is on a list of the calling thread's, once; it goes to @repoll if it wants more. */
int napi_poll_queued(struct napi_thread *t, struct napi_struct *n, struct list_head *repoll);
int net_rx_action(struct unapi_context *c);
static inline void context_poll(struct unapi_context *c)
{
	if (c->instance)
		napi_thread_poll(c);
	else
		net_rx_action(c);
}

/* caller.c */
bool napi_polled_by_me(const struct napi_struct *n);
void napi_caller_release(struct napi_struct *n);
/* Under the control lock. If this thread polls it, outside a poll, it hands over at once. */
void napi_ask_mode(struct napi_struct *n, bool busy);

/* mode.c, adaptive.c */
struct unapi_mode_info;
void napi_mode_init(struct napi_struct *n);
/* Under the control lock. */
void napi_mode_locked(const struct napi_struct *n, struct unapi_mode_info *info);
/* @app: an application thread polls when load is high, otherwise its own thread. Control calls. */
int napi_adaptive_start(struct napi_struct *n, bool app);
int napi_adaptive_stop(struct napi_struct *n);
/* At rest, and for good. */
void napi_adaptive_free(struct napi_struct *n);
/* Under the control lock. */
uint64_t napi_adaptive_changes(const struct napi_struct *n);

/* busy_loop.c */
bool napi_held(const struct napi_struct *n);
/* Find an instance and keep it, enabled and in its context, until napi_let_go(). -ENOENT; 0 and NULL while it
 * is being disabled or moved. */
int napi_hold(unsigned int id, struct napi_struct **held);
void napi_let_go(struct napi_struct *n);

/* stats.c */
/* Under the control lock. */
void napi_info_locked(const struct napi_struct *n, struct unapi_napi_info *info);
void context_info_locked(const struct unapi_context *c, struct unapi_context_info *info);
/* How often it was written, without reading it. -1: that cannot be had. */
int64_t napi_eventfd_count(int fd);

/* config.c */
/* Under the control lock. */
void napi_config_release(struct napi_struct *n);
/* Its slot, if it has one, remembers what was set about its thread. */
void napi_config_keep_thread(struct napi_struct *n);

/* id.c; under the control lock */
extern unsigned int napi_id_last; /* the newest that was given out */
struct napi_struct *napi_id_find(unsigned int id);
/* Its slot's id, if that is free, or a fresh one, which its slot keeps. */
void napi_id_new(struct napi_struct *n);
void napi_id_drop(struct napi_struct *n);

#endif
