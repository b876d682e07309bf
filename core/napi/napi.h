/* SPDX-License-Identifier: BSD-3-Clause */
/* Making instances: what core/net's netif_napi_add() stands on. The rest is unapi/napi.h. */
#ifndef UNAPI_CORE_NAPI_H
#define UNAPI_CORE_NAPI_H

#include <unapi/napi.h>
#include "core/napi/context.h"

/*
 * unapi_napi_add() - initialise an instance, born disabled (SCHED and NPSVC set), with @ctx as its home
 * @name: kept, for reasons and logs
 *
 * @n was zeroed. -EEXIST if LISTED already; -EINVAL for a weight below 1 (above NAPI_POLL_WEIGHT: logged,
 * kept).
 */
int unapi_napi_add(struct napi_struct *n, struct unapi_context *ctx, const char *name, napi_poll_fn poll,
		   int weight);

/* The context whose ticks (context.h) are kept coming by this instance's packets; at first, and
 * with NULL, those of the context that polls it. While it is disabled. */
static inline void unapi_napi_set_tick_context(struct napi_struct *n, struct unapi_context *ctx)
{
	n->tick_ctx = ctx;
}

/* It never gets an id (NO_BUSY_POLL): instances that only transmit. After it was added, before it is enabled.
 */
void unapi_napi_no_id(struct napi_struct *n);

/*
 * A slot in which an instance's settings and id stay while it is disabled, deleted and added anew. The memory
 * outlives every instance that has it. Nobody but the thread that adds and deletes them may look at it, and
 * change it only while @user is NULL; otherwise it is changed by changing the instance.
 */
struct napi_config {
	struct napi_struct
		*user;	      /* the instance that has it now; guarded, as the rest, by the control lock */
	unsigned int napi_id; /* 0: it had none yet */
	uint32_t defer_hard_irqs;
	uint64_t gro_flush_timeout, irq_suspend_timeout;
	enum netdev_napi_threaded threaded;
	struct unapi_thread_conf thread_conf;
};
void unapi_napi_config_init(struct napi_config *config);

/* Give an instance that was just added a slot: it takes its settings from there, and from then on changes
 * them in both places. -EBUSY: it is enabled, or another instance has that slot. Deletion gives it back. */
int unapi_napi_set_config(struct napi_struct *n, struct napi_config *config);

/* -EBUSY while enabled. The memory may be freed when it returned. */
int unapi_napi_del(struct napi_struct *n);

/*
 * Give a disabled instance its interrupt: @fd is the vector's eventfd (kept, not owned), @fn the handler.
 * While the instance is enabled @fd is in its home context's epoll, edge triggered, never read by the data
 * path.
 */
int unapi_napi_set_irq(struct napi_struct *n, int fd, napi_irq_fn fn);

/* Change the home context, at any time, also of an enabled instance under traffic: ownership is taken as by
 * napi_disable_timeout(), with its errors, the vector's eventfd drained and moved, the instance scheduled
 * once on its new home, charged to "mode switch". Mode BUSY goes back to INTERRUPT if the new home has no
 * poller. An instance with a thread of its own stays there, and goes to the new home when it loses it. */
int unapi_napi_set_context(struct napi_struct *n, struct unapi_context *ctx, uint64_t timeout_ns);

/*
 * Have @fn called while nobody polls the instance: at once if it is disabled; otherwise ownership is taken as
 * for a move, with its errors, what GRO holds is delivered first, and then the instance goes on where it was,
 * scheduled once.
 */
int unapi_napi_pause(struct napi_struct *n, void (*fn)(struct napi_struct *n, void *arg), void *arg,
		     uint64_t timeout_ns);

/*
 * Software GRO, as far as the scheduler knows it. Called by the owner, and flushes as in its poll method (the
 * thread counts as polling); "old" are packets held since before the present millisecond.
 *
 * All is flushed when a poll completes without a timeout, and by a disable or a pause; what is old by a
 * completion with a timeout, and by a poll that used its budget. While an application polls (busy loop or
 * unapi_napi_poll()) nothing completes, and nothing is flushed here; after that one poll completes.
 */
struct unapi_gro_ops {
	bool (*held)(struct napi_struct *n);
	void (*flush_old)(struct napi_struct *n);
	void (*flush_all)(struct napi_struct *n);
};
/* NULL: none. While the instance is disabled (-EBUSY); what unapi_napi_pause() calls stores it itself. */
int unapi_napi_set_gro(struct napi_struct *n, const struct unapi_gro_ops *ops);

/* Schedule, charging the polls that follow to @cause. */
bool unapi_napi_schedule_cause(struct napi_struct *n, enum unapi_poll_cause cause);

#endif
