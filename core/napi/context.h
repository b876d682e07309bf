/* SPDX-License-Identifier: BSD-3-Clause */
/* What the layers above tell a context besides its public interface (unapi/context.h). */
#ifndef UNAPI_CORE_CONTEXT_H
#define UNAPI_CORE_CONTEXT_H

#include <unapi/context.h>

/*
 * A slow-path descriptor watched by a context: link interrupts, device errors, a vfio-user socket.
 * @fn runs on the context's thread, between polls, whenever @fd is readable (level triggered).
 */
struct unapi_source {
	int fd;
	void (*fn)(struct unapi_source *src);
	void *arg;
	struct unapi_context *ctx; /* NULL: not added */
};

int unapi_context_add_source(struct unapi_context *c, struct unapi_source *src);
/* When it returned, @fn neither runs nor will run. On the context's thread, or any other, which waits for the
 * former for as long as it takes. */
void unapi_context_del_source(struct unapi_source *src);

/*
 * A housekeeping tick: @fn on the context's thread, 2 s after the first packet that moved since the last
 * tick; so every 2 s under traffic, and not at all without. Add and del as for sources.
 */
#define UNAPI_TICK_NS 2000000000ULL
struct unapi_tick {
	void (*fn)(struct unapi_tick *t);
	void *arg;
	struct unapi_context *ctx;
	struct unapi_tick *next;
};
int unapi_context_add_tick(struct unapi_context *c, struct unapi_tick *t);
void unapi_context_del_tick(struct unapi_tick *t);

/*
 * Call @fn(@arg) on the thread that runs the context, between polls, and wait for it. On that thread it is
 * called at once. If nobody runs the context the caller becomes its runner for the call. -EDEADLK from a poll
 * method, -ETIMEDOUT when the context is not run within @ns (then @fn will not be called).
 */
int unapi_context_call(struct unapi_context *c, void (*fn)(void *arg), void *arg, uint64_t ns);

/* True if the calling thread is inside a poll method (of any instance). */
bool unapi_in_poll(void);

/* The instance that the calling thread owns and polls now, NULL outside polls: says whose page pool may be
 * touched directly. */
struct napi_struct *unapi_this_napi(void);

#endif
