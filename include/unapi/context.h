/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Softnet contexts: the userspace stand-in for one CPU's softirq.
 *
 * A context is an event loop over the interrupts of the instances that have it as their home. It runs on a
 * thread that the library makes (unapi_context_start()), or inside the application's own loop: wait until
 * unapi_context_fd() is readable, then call unapi_context_run().
 */
#ifndef UNAPI_CONTEXT_H
#define UNAPI_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <unapi/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct unapi_context;

/* Settings of a context; the kernel's sysctls of the same names. 0: the default. */
struct unapi_context_conf {
	const char *name;		  /* for thread and statistics; NULL: "ctx<N>" */
	unsigned int netdev_budget;	  /* packets a net_rx_action run may deliver, default 300 */
	unsigned int netdev_budget_usecs; /* time such a run may take, default 2000 */
};

/* Counters, in the manner of /proc/net/softnet_stat. */
struct unapi_context_stats {
	uint64_t runs;	       /* net_rx_action runs */
	uint64_t waits;	       /* times it went to wait for events */
	uint64_t wakeups;      /* times its wake-up descriptor was written */
	uint64_t time_squeeze; /* runs that ended by budget or time */
	uint64_t processed;    /* packets delivered by its instances */
	uint64_t inbox;	       /* instances that came from other threads */
};

/** unapi_context_create() - a context nobody runs yet. @conf may be NULL. -ENOMEM, -EMFILE, -EINVAL */
UNAPI_API int unapi_context_create(const struct unapi_context_conf *conf, struct unapi_context **out);

/**
 * unapi_context_destroy() - stop its thread if it has one, and free it
 *
 * -EBUSY while instances have it as their home, descriptors are watched in it, or another thread runs it. Not
 * from a poll method or its own thread (-EDEADLK).
 */
UNAPI_API int unapi_context_destroy(struct unapi_context *c);

/**
 * unapi_context_start() - run the context on a thread of the library's own
 * @cpu: the CPU to pin it to, -1 for none
 *
 * The thread blocks all signals and holds the context until unapi_context_stop(). -EALREADY if it runs on a
 * thread, -EBUSY if another one is inside its run or the application promised to poll its instances, -EINVAL
 * for a CPU that is not there.
 */
UNAPI_API int unapi_context_start(struct unapi_context *c, int cpu);
/** unapi_context_stop() - end the thread made by unapi_context_start(); instances stay, unpolled until run
 * again. -EINVAL if there is none, -EDEADLK on that thread or from a poll method */
UNAPI_API int unapi_context_stop(struct unapi_context *c);

/** unapi_context_fd() - the descriptor that becomes readable when unapi_context_run() has something to do */
UNAPI_API int unapi_context_fd(const struct unapi_context *c);

/**
 * unapi_context_run() - take events and poll what is scheduled, once
 * @timeout_ns: how long to wait if nothing is pending: 0 not at all, -1 for ever
 *
 * Looks at the interrupts and other descriptors once, then makes net_rx_action runs until nothing is left or
 * netdev_budget packets or netdev_budget_usecs are used up. When work is left over, the descriptor stays
 * readable.
 *
 * Returns the packets delivered, or -EBUSY when another thread runs it, -EDEADLK from a poll method or
 * another handler of its own, -EINTR on a signal (only when it waits). Another thread that makes a control
 * call (napi_disable() and the like) while nobody is inside may run the context's instances for a moment.
 */
UNAPI_API int unapi_context_run(struct unapi_context *c, int64_t timeout_ns);

/** unapi_context_wake() - make a running or coming unapi_context_run() return soon. Any thread, signal safe
 */
UNAPI_API void unapi_context_wake(struct unapi_context *c);

/**
 * unapi_context_set_poller() - the thread that runs this context promises (or no longer promises) to look at
 * unapi_napi_wants_poll() of its instances after every run, and to poll those that want it
 *
 * Withdrawing it turns instances in mode BUSY back to INTERRUPT. -EBUSY on a context with a thread of the
 * library.
 */
UNAPI_API int unapi_context_set_poller(struct unapi_context *c, bool poller);

UNAPI_API void unapi_context_get_stats(const struct unapi_context *c, struct unapi_context_stats *st);

/* Who runs a context, and how busy that thread is. */
struct unapi_context_info {
	char name[48];
	uint64_t tid; /* the thread that looked after it last, 0 none yet */
	uint64_t
		cpu_ns; /* CPU time which that thread has taken, for this or anything else; 0: it has ended */
	bool own_thread;	/* it is one of the library's */
	unsigned int instances; /* polled in it now */
	unsigned int netdev_budget, netdev_budget_usecs;
};
UNAPI_API void unapi_context_get_info(const struct unapi_context *c, struct unapi_context_info *info);
UNAPI_API const char *unapi_context_name(const struct unapi_context *c);

#ifdef __cplusplus
}
#endif
#endif
