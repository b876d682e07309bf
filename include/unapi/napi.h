/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NAPI instances: who polls a queue, and when.
 *
 * The names and the semantics are those of Linux 7.2 (net/core/dev.c, include/linux/netdevice.h); doc/napi.md
 * states them. An instance is owned by whoever set SCHED in its state word, and only the owner calls its poll
 * method. Interrupts, applications and other threads ask for a poll with napi_schedule(); a request that
 * finds the instance owned leaves MISSED behind, so none is ever lost.
 */
#ifndef UNAPI_NAPI_H
#define UNAPI_NAPI_H

#include <stdbool.h>
#include <stdint.h>
#include <unapi/error.h>
#include <unapi/list.h>

#ifdef __cplusplus
extern "C" {
#endif

struct unapi_context;
struct napi_adaptive;
struct napi_config;
struct napi_struct;

/* The state word's bits. 0..11 are the kernel's; 16 and up are unapi's own. */
enum {
	NAPI_STATE_SCHED = 0,	     /* owned: queued, being polled, or disabled */
	NAPI_STATE_MISSED = 1,	     /* asked for while owned: the owner polls once more */
	NAPI_STATE_DISABLE = 2,	     /* napi_disable() waits; new schedules are refused */
	NAPI_STATE_NPSVC = 3,	     /* the resting mark of a disabled instance */
	NAPI_STATE_LISTED = 4,	     /* between add and del */
	NAPI_STATE_NO_BUSY_POLL = 5, /* has no id */
	NAPI_STATE_IN_BUSY_POLL = 6, /* a busy poller owns it: completions change nothing */
	NAPI_STATE_PREFER_BUSY_POLL = 7,
	NAPI_STATE_THREADED = 8,
	NAPI_STATE_SCHED_THREADED = 9,
	NAPI_STATE_HAS_NOTIFIER = 10,
	NAPI_STATE_THREADED_BUSY_POLL = 11,
	UNAPI_STATE_CALLER = 16, /* the busy poller is an application between poll_begin and poll_end */
	/* The mode asked for is BUSY. Clear while CALLER is set, it asks the application to hand over. */
	UNAPI_STATE_BUSY_ASKED = 17,
};

#define NAPIF(bit)	 (1UL << (bit))

/* The kernel's default, and the most packets one poll may deliver (NAPI_POLL_WEIGHT). */
#define NAPI_POLL_WEIGHT 64

/* Whether an application polls an instance all the time; all that is between: unapi/mode.h. */
enum unapi_poll_mode {
	UNAPI_POLL_INTERRUPT, /* by its home context, when its interrupt or napi_schedule() asks */
	UNAPI_POLL_BUSY,      /* by an application thread, all the time, between poll_begin and poll_end */
};

/* Why a poll was made. Every poll is charged to one of these. */
enum unapi_poll_cause {
	UNAPI_CAUSE_IRQ,	 /* an interrupt, and the polls that follow from it */
	UNAPI_CAUSE_REPOLL,	 /* the repoll timer (deferred interrupts) */
	UNAPI_CAUSE_WATCHDOG,	 /* the timer that ends a suspension */
	UNAPI_CAUSE_APP,	 /* an application: napi_schedule(), caller polling, pages that came back */
	UNAPI_CAUSE_THREAD,	 /* a thread of its own */
	UNAPI_CAUSE_MODE_SWITCH, /* the one poll that a change of mode or home costs */
	UNAPI_NR_CAUSES,
};

/* What an instance has done since it was added, as unapi_napi_get_stats() gives it. Each value is loaded
 * whole; different values may be from different moments. */
struct unapi_napi_stats {
	uint64_t irqs;	       /* interrupts taken: runs of the interrupt handler */
	uint64_t schedules;    /* times ownership was taken to be polled */
	uint64_t missed;       /* completions that found MISSED and polled again */
	uint64_t polls;	       /* calls of the poll method: the sum of polls_by */
	uint64_t empty_polls;  /* of these, returned 0 */
	uint64_t full_polls;   /* of these, used the whole budget */
	uint64_t work;	       /* packets delivered by polls */
	uint64_t completions;  /* napi_complete_done() that returned true */
	uint64_t deferred;     /* completions that left the interrupt masked and started the timer instead */
	uint64_t timer_starts; /* times the timer was started */
	uint64_t timer_fires;  /* times it expired */
	uint64_t violations;   /* contract violations of the poll method, survived */
	uint64_t thread_polls; /* of all polls, made by the instance's own thread */
	uint64_t handovers;    /* times a caller-polling application was asked to let go, and did */
	uint64_t suspends;     /* times its interrupt was suspended */
	uint64_t polls_by[UNAPI_NR_CAUSES];
	uint64_t cycles_by[UNAPI_NR_CAUSES]; /* TSC cycles of polling (caller polling: from begin to end) */
};

/* An instance's poll method. Returns the packets delivered (0..budget); when less than @budget it has called
 * napi_complete_done() first. Runs on the owner's thread. */
typedef int (*napi_poll_fn)(struct napi_struct *n, int budget);

/* What the home context does when the instance's interrupt has fired: mask it in the device if the device did
 * not, and napi_schedule(). Runs on the home context's thread. */
typedef void (*napi_irq_fn)(struct napi_struct *n);

/* A timer of a context; its members are the library's. */
struct unapi_timer {
	uint64_t expires; /* CLOCK_MONOTONIC */
	void (*fn)(struct unapi_timer *t);
	struct unapi_context *ctx; /* where it expires */
	struct unapi_timer *child, *next,
		*prev; /* in that context's heap; guarded, as the rest, by its lock */
	uint64_t starts, fires;
	bool pending;
};

/* How an instance has a thread of its own; the kernel's values (include/uapi/linux/netdev.h). */
enum netdev_napi_threaded {
	NETDEV_NAPI_THREADED_DISABLED,
	NETDEV_NAPI_THREADED_ENABLED,	/* which polls when asked to */
	NETDEV_NAPI_THREADED_BUSY_POLL, /* which polls all the time, once it was asked to */
};

/* How such a thread runs. */
struct unapi_thread_conf {
	int cpu;       /* the CPU it is pinned to, -1 none */
	int numa_node; /* without @cpu: the NUMA node it is pinned to, -1 none */
	int policy;    /* SCHED_OTHER, SCHED_FIFO, ... of <sched.h> */
	int priority;  /* for SCHED_FIFO and SCHED_RR, otherwise 0 */
};

/* Settings of one instance, those that have their bit in @given: what the netdev family's napi-set takes. */
enum {
	UNAPI_NAPI_THREADED = 1 << 0,
	UNAPI_NAPI_DEFER_HARD_IRQS = 1 << 1,
	UNAPI_NAPI_IRQ_SUSPEND_TIMEOUT = 1 << 2,
	UNAPI_NAPI_GRO_FLUSH_TIMEOUT = 1 << 3,
	UNAPI_NAPI_ALL = (1 << 4) - 1,
};
struct unapi_napi_params {
	unsigned int given;
	enum netdev_napi_threaded threaded;
	uint32_t defer_hard_irqs;
	uint64_t irq_suspend_timeout;
	uint64_t gro_flush_timeout;
};

/* What software GRO, if there is any, does for an instance. All are called by its owner. */
struct unapi_gro_ops;

/* An instance. Embedded in a driver's structure, zeroed before it is added; its members are the library's. */
struct napi_struct {
	/* what every poll touches */
	unsigned long state; /* __atomic builtins only */
	napi_poll_fn poll;
	int weight;
	int defer_hard_irqs_count;    /* owner only */
	struct unapi_context *ctx;    /* where it is polled; changed while owned, under the control lock */
	uint8_t cause;		      /* enum unapi_poll_cause of the present ownership; owner only */
	uint8_t in_poll;	      /* an application is inside the poll method */
	uint8_t reported;	      /* a contract violation was logged */
	uint8_t threaded;	      /* enum netdev_napi_threaded that was asked for; control */
	const void *poller;	      /* identifies the application thread that polls it; NULL none */
	unsigned int defer_hard_irqs; /* settings: written at any time, each read once a completion */
	uint64_t gro_flush_timeout;
	const struct unapi_gro_ops *gro; /* NULL: holds nothing */
	struct unapi_context *tick_ctx;	 /* whose ticks its packets keep coming; NULL: of @ctx */
	struct list_head poll_list;	 /* in its context's lists; whoever runs that context */
	uint64_t acquired_cycles;	 /* TSC when caller polling began, or its last sample; owner only */

	/* Written by the owner only (@irqs: by whoever runs the home context). Not counted but derived:
	 * @polls; @timer_starts and @timer_fires, which are in @timer;
	 * @completions and @deferred count attempts, those that found MISSED included. */
	struct unapi_napi_stats stats;
	uint64_t missed_deferred; /* of stats.missed, those that would have been deferred */
	struct unapi_timer timer; /* the one timer: deferral and GRO flush */

	/* slow */
	struct napi_struct *inbox_next; /* link in the home context's inbox; owner only */
	struct napi_struct *id_next;	/* link in the id table */
	uint64_t sampled_work;		/* stats.work when a caller-polling application was last sampled */
	uint64_t last_poll_ns;		/* when such an application was last seen polling (sampled) */
	uint64_t poller_tid;		/* which thread that is; 0 none */
	uint64_t irqs_drained;		/* interrupts raised that were read out of the eventfd */
	int holders;			/* threads in napi_busy_loop() that may look at it */
	int stopping;			/* of these, inside their last poll */
	unsigned int napi_id;		/* >= 8193 while enabled, 0 otherwise */
	int irq_fd;			/* its vector's eventfd, -1 none */
	napi_irq_fn irq_fn;
	char name[48];		/* "0000:03:00.0-0": for reasons, logs and show napi */
	const char *probe_name; /* @name, where a probe finds it without computing its address */
	void *owner_data;	/* the netdev layer's */
	struct list_head dev_list;
	struct napi_config *config;	    /* keeps its settings and id, NULL none; from add to del */
	uint64_t irq_suspend_timeout;	    /* setting */
	uint64_t suspended_until;	    /* when the last suspension would end by itself; relaxed */
	struct unapi_napi_stats stats_base; /* what the counters were when they were last cleared */
	struct list_head ctx_list;	    /* instances in the same context; guarded by the control lock */
	struct unapi_context *home;	    /* its context while it has no thread of its own; control lock */
	struct unapi_context *own;	    /* its thread's context, NULL without one; control lock */
	struct unapi_context *parked;	    /* that context, also after the thread's end; control */
	struct unapi_thread_conf thread_conf;
	struct unapi_napi_params
		mode_settings;		/* of the mode asked for; guarded, as that, by the control lock */
	uint8_t mode;			/* enum unapi_mode */
	uint8_t mode_waits;		/* which has its application wait for it; relaxed */
	struct napi_adaptive *adaptive; /* mode adaptive's, NULL in others; control */
};

/*
 * Control. Calls for one instance are made by one thread at a time.
 */

/**
 * napi_enable() - let an instance be scheduled
 *
 * Gives it an id (the one it had before, if its device keeps that), its thread if it shall have one, and adds
 * its interrupt to the context that polls it. The driver unmasks after it: what its device raised before is
 * forgotten. 0; -EINVAL if it is not added or already enabled; -EDEADLK from a poll method; errors of
 * napi_set_threaded(). Kernel: net/core/dev.c napi_enable().
 */
UNAPI_API int napi_enable(struct napi_struct *n);

/**
 * napi_disable() - take ownership for good: no poll runs after it returned, none starts until napi_enable()
 *
 * If no other thread is inside unapi_context_run() of the home context, this call runs that context until
 * ownership is free; otherwise it waits for the thread that is, at most 5 seconds. An application that polls
 * the instance lets go at its next unapi_napi_poll(); if it is the calling thread, it has let go when this
 * returns. -EDEADLK from a poll method, or inside a busy loop over it; -EALREADY if it is disabled; -EINVAL
 * if it is not added; -EBUSY while another thread disables or moves it; -ETIMEDOUT when the owner did not let
 * go (the instance is then enabled as before, and has been scheduled once).
 */
UNAPI_API int napi_disable(struct napi_struct *n);

/** napi_disable_timeout() - napi_disable() that waits at most @ns nanoseconds */
UNAPI_API int napi_disable_timeout(struct napi_struct *n, uint64_t ns);

/** napi_synchronize() - wait until a poll that runs now has returned, at most 5 seconds. What the caller
 * wrote before is seen by every later poll. 0, -EINVAL not added, -EDEADLK from a poll method, -ETIMEDOUT */
UNAPI_API int napi_synchronize(struct napi_struct *n);

/** napi_by_id() - the enabled instance with this id, or NULL. Valid while the caller keeps it from being
 * deleted */
UNAPI_API struct napi_struct *napi_by_id(unsigned int id);

/**
 * napi_set_threaded() - give the instance a thread of its own, or take it away
 *
 * At any time, under traffic; what waits to be polled is polled by whoever has it then. The thread is called
 * napi/<ifc>-<id> (cut to 15 characters), blocks all signals, waits for the instance's interrupt and timer,
 * and polls without regard to netdev_budget. With NETDEV_NAPI_THREADED_BUSY_POLL it polls all the time from
 * the next time that it is asked to, interrupts masked. On a disabled instance it takes effect at
 * napi_enable(); napi_disable() leaves the thread asleep. Mode BUSY of unapi_napi_set_mode() ends by it.
 *
 * 0; -EINVAL not added, or another value; -EDEADLK from a poll method, or of the own thread that it would
 * end; -ETIMEDOUT as napi_disable(); -ENOMEM, -EAGAIN, -EMFILE: no thread, or no descriptors for it; errors
 * of unapi_napi_set_thread_conf(). On failure everything is as before. Kernel: net/core/dev.c
 * napi_set_threaded().
 */
UNAPI_API int napi_set_threaded(struct napi_struct *n, enum netdev_napi_threaded threaded);
/** napi_get_threaded() - what was asked for */
UNAPI_API enum netdev_napi_threaded napi_get_threaded(const struct napi_struct *n);

/**
 * unapi_napi_set_thread_conf() - where and how its thread runs, now or once it has one
 *
 * At first: on any CPU of the process, SCHED_OTHER. -EINVAL a CPU, node or policy that is not there (a CPU is
 * looked at when there is a thread); -EPERM without the right to that policy.
 */
UNAPI_API int unapi_napi_set_thread_conf(struct napi_struct *n, const struct unapi_thread_conf *conf);
UNAPI_API void unapi_napi_get_thread_conf(const struct napi_struct *n, struct unapi_thread_conf *conf);

/*
 * Datapath. Any thread, lock free, unless said otherwise.
 */

/**
 * napi_schedule_prep() - try to take ownership in order to queue
 *
 * True: the caller owns the instance and must call __napi_schedule(). False: it is owned already (the owner
 * has been told by MISSED, and polls once more) or being disabled.
 */
UNAPI_API bool napi_schedule_prep(struct napi_struct *n);

/** __napi_schedule() - queue an instance that napi_schedule_prep() gave us on its home context */
UNAPI_API void __napi_schedule(struct napi_struct *n);

/** __napi_schedule_irqoff() - the same, for the thread that runs the home context (an interrupt handler) */
UNAPI_API void __napi_schedule_irqoff(struct napi_struct *n);

/** napi_schedule() - ask for a poll. True if this call queued it */
static inline bool napi_schedule(struct napi_struct *n)
{
	if (!napi_schedule_prep(n))
		return false;
	__napi_schedule(n);
	return true;
}

/** napi_schedule_irqoff() - napi_schedule() from an interrupt handler on the home context's thread */
static inline bool napi_schedule_irqoff(struct napi_struct *n)
{
	if (!napi_schedule_prep(n))
		return false;
	__napi_schedule_irqoff(n);
	return true;
}

/** napi_if_scheduled_mark_missed() - if it is owned, make its owner poll once more. True if owned or
 * disabling */
UNAPI_API bool napi_if_scheduled_mark_missed(struct napi_struct *n);

/**
 * napi_complete_done() - a poll method found no more work: give ownership up
 * @work_done: packets this poll delivered, < budget
 *
 * Owner only, from the poll method. True: unmask the interrupt. False: somebody else will poll (MISSED, a
 * busy poller, or the timer that defers the interrupt), leave it masked.
 */
UNAPI_API bool napi_complete_done(struct napi_struct *n, int work_done);

static inline bool napi_complete(struct napi_struct *n)
{
	return napi_complete_done(n, 0);
}

/*
 * Software interrupt coalescing. With both settings above 0, a completion that delivered packets leaves the
 * interrupt masked and starts a timer of gro_flush_timeout instead, which polls; only after defer_hard_irqs
 * such polls found nothing the interrupt is unmasked. Both are 0 at first, and may be changed at any time by
 * any thread: a countdown that runs is not touched, and a started timer is not shortened. The number of polls
 * counts from the next completion with packets, the time from the timer's next start. They stay through
 * napi_disable() and napi_enable().
 */

/** unapi_napi_set_defer_hard_irqs() - polls to defer the interrupt for. -ERANGE above INT32_MAX */
UNAPI_API int unapi_napi_set_defer_hard_irqs(struct napi_struct *n, uint32_t polls);
UNAPI_API uint32_t unapi_napi_defer_hard_irqs(const struct napi_struct *n);
/** unapi_napi_set_gro_flush_timeout() - nanoseconds between them, and until held packets are flushed. 0 */
UNAPI_API int unapi_napi_set_gro_flush_timeout(struct napi_struct *n, uint64_t ns);
UNAPI_API uint64_t unapi_napi_gro_flush_timeout(const struct napi_struct *n);
/** unapi_napi_set_irq_suspend_timeout() - nanoseconds that napi_suspend_irqs() suspends for. 0: it does
 * nothing. 0 */
UNAPI_API int unapi_napi_set_irq_suspend_timeout(struct napi_struct *n, uint64_t ns);
UNAPI_API uint64_t unapi_napi_irq_suspend_timeout(const struct napi_struct *n);

/**
 * unapi_napi_set() - change several settings, or none
 *
 * All are checked first, then set in the order of their bits; each counts at its next read. -EINVAL not
 * added, an unknown bit, another threaded than 0, 1, 2; -ERANGE; errors of napi_set_threaded(): on any
 * failure nothing has changed. Kernel: net/core/netdev-genl.c netdev_nl_napi_set_doit().
 */
UNAPI_API int unapi_napi_set(struct napi_struct *n, const struct unapi_napi_params *p);
/** unapi_napi_get() - all of them, as they are now */
UNAPI_API void unapi_napi_get(const struct napi_struct *n, struct unapi_napi_params *p);

/**
 * napi_busy_loop() - poll an instance from this thread until @loop_end says so
 * @loop_end: called after every try with @arg and the time of the start (unapi_napi_busy_clock()); NULL: try
 * once
 * @prefer: leave the instance to its timer at the end, and have its owner hand it over if there is one
 * @budget: for each poll; 0: no packets are taken
 *
 * While it has the instance no completion unmasks; while somebody else has it, this spins. It lets go now and
 * then, to run the home context if no other thread does, and when the instance is to be disabled or moved,
 * which waits for @loop_end to return. Not from a poll method or another busy loop (-EDEADLK). 0; -ENOENT if
 * no instance has this id, at first or any more. Kernel: net/core/dev.c napi_busy_loop().
 */
UNAPI_API int napi_busy_loop(unsigned int napi_id, bool (*loop_end)(void *arg, unsigned long start),
			     void *arg, bool prefer, uint16_t budget);
/*
 * IRQ suspension: what an event loop does after each wait, so that interrupts stay away for as long as it
 * finds events by itself. With napi_busy_loop(prefer) and deferral set, a loop that has events calls
 * napi_suspend_irqs(), one that has none calls napi_resume_irqs() before it sleeps. Both do nothing when
 * irq_suspend_timeout is 0, and when no instance has this id or it is about to be disabled or moved. Kernel:
 * fs/eventpoll.c ep_suspend_napi_irqs(), ep_busy_loop().
 */

/**
 * napi_suspend_irqs() - let the instance's timer expire irq_suspend_timeout from now, whatever it was to do
 *
 * Nothing else: the interrupt stays as the deferral has left it, masked. There is one timer, and its last
 * start counts, so a later completion or end of a busy loop makes it a deferral's again. If nobody does
 * anything until it expires, it polls the instance (charged to UNAPI_CAUSE_WATCHDOG), and deferral goes on
 * from there. Any thread. Kernel: net/core/dev.c napi_suspend_irqs().
 */
UNAPI_API void napi_suspend_irqs(unsigned int napi_id);
/**
 * napi_resume_irqs() - end a suspension: napi_schedule(), and the poll at once if this thread can make it
 *
 * If no other thread is inside the instance's context, what is queued there is polled here, in one
 * net_rx_action() run; otherwise that thread polls it. Any thread; from a poll method or a handler of the
 * context it is polled when that has returned. Kernel: net/core/dev.c napi_resume_irqs().
 */
UNAPI_API void napi_resume_irqs(unsigned int napi_id);

/** unapi_napi_busy_clock() - now, in units of 1024 ns, as napi_busy_loop() tells its start */
UNAPI_API unsigned long unapi_napi_busy_clock(void);

/*
 * Poll modes and caller polling.
 *
 * unapi_napi_set_mode(BUSY) asks for an application thread. A thread that is ready to poll says so with
 * unapi_context_set_poller() on the instance's home context, which it also runs. It then calls poll_begin
 * when unapi_napi_wants_poll() says so, and poll in its loop until that answers -ECANCELED; then it is back
 * at asking unapi_napi_wants_poll(). Meanwhile it runs the context now and then (every 10 ms, say).
 */

/**
 * unapi_napi_set_mode() - ask for a poll mode, at any time, under traffic. Any thread
 *
 * Does not wait: the mode asked for is in force when unapi_napi_mode() says so. -EOPNOTSUPP: BUSY, and no
 * application thread has declared itself as the poller of its home context.
 */
UNAPI_API int unapi_napi_set_mode(struct napi_struct *n, enum unapi_poll_mode mode);

/** unapi_napi_mode() - the mode in force now; differs from what was asked for while a change is pending */
UNAPI_API enum unapi_poll_mode unapi_napi_mode(const struct napi_struct *n);
UNAPI_API enum unapi_poll_mode unapi_napi_mode_asked(const struct napi_struct *n);

/** unapi_napi_wants_poll() - true when it is enabled, mode BUSY is asked for, and no application polls it.
 * Cheap
 */
static inline bool unapi_napi_wants_poll(const struct napi_struct *n)
{
	unsigned long busy = NAPIF(UNAPI_STATE_BUSY_ASKED);

	return (__atomic_load_n(&n->state, __ATOMIC_RELAXED) &
		(busy | NAPIF(UNAPI_STATE_CALLER) | NAPIF(NAPI_STATE_DISABLE) | NAPIF(NAPI_STATE_NPSVC))) ==
	       busy;
}

/**
 * unapi_napi_poll_begin() - take ownership to poll from this thread. One compare-and-swap
 *
 * An instance that is queued on its home context is taken from that queue, if no other thread runs the
 * context. -EAGAIN: somebody else owns it or is about to disable or move it, try again after the next run;
 * -ECANCELED: mode BUSY is not asked for (any more); -EBUSY: an application polls it already; -ENETDOWN while
 * disabled; -EDEADLK from a poll method.
 */
UNAPI_API int unapi_napi_poll_begin(struct napi_struct *n);

/**
 * unapi_napi_poll() - poll once, from the thread that called poll_begin
 *
 * Returns the packets delivered (0..budget). -ECANCELED: a hand-over was asked (mode change, disable, another
 * home) and has been done: ownership is gone, begin again when unapi_napi_wants_poll(). -EDEADLK from a poll
 * method; -EINVAL for a negative budget. No atomic read-modify-write on the usual path.
 */
UNAPI_API int unapi_napi_poll(struct napi_struct *n, int budget);

/** unapi_napi_poll_end() - give ownership back; the home context polls once and unmasks. 0, -EPERM not the
 * owner */
UNAPI_API int unapi_napi_poll_end(struct napi_struct *n);

/** unapi_napi_get_stats() - a copy of the counters. Any thread */
UNAPI_API void unapi_napi_get_stats(const struct napi_struct *n, struct unapi_napi_stats *st);

/** unapi_napi_clear_stats() - count from zero again. The counters go on; what they were is subtracted */
UNAPI_API void unapi_napi_clear_stats(struct napi_struct *n);

/** unapi_cycles_to_ns() - what cycles_by counts, as time */
UNAPI_API uint64_t unapi_cycles_to_ns(uint64_t cycles);

/** unapi_napi_irqs_raised() - interrupts the device has raised, since the vector is there or the counters
 * were cleared: the eventfd's own count, had from /proc without reading it. -ENODEV no vector; -errno */
UNAPI_API int64_t unapi_napi_irqs_raised(struct napi_struct *n);

/* What `show napi` says about one instance. */
struct unapi_napi_info {
	char name[48];
	unsigned int napi_id;
	bool enabled;
	enum unapi_poll_mode mode, mode_asked;
	uint64_t poller_tid;		 /* the application thread that polls it, 0 none */
	uint64_t poller_seen_ns;	 /* how long ago it was last seen polling */
	const struct unapi_context *ctx; /* where it is polled: its home, or that of its own thread */
	char context[48];		 /* and its name */
	char home[48]; /* the context where it is polled while it has no thread of its own */
	enum netdev_napi_threaded threaded;
	uint64_t thread_tid; /* its own thread, 0 none */
};
UNAPI_API void unapi_napi_get_info(const struct napi_struct *n, struct unapi_napi_info *info);

#ifdef __cplusplus
}
#endif
#endif
