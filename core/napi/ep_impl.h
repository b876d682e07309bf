/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of an event poll. */
#ifndef UNAPI_CORE_NAPI_EP_IMPL_H
#define UNAPI_CORE_NAPI_EP_IMPL_H

#include "core/napi/eventpoll.h"
#include "core/napi/internal.h"

struct eventpoll {
	int epfd;
	int waiters;			  /* threads in its calls; guarded by ep_lock */
	bool lost;			  /* its descriptor was closed behind our back; guarded by ep_lock */
	int nr_adopted;			  /* of @contexts, those that it runs; read without the lock */
	struct list_head contexts, items; /* guarded by ep_lock */
	/* Set by whoever wakes one of its endpoints, cleared before the descriptor is looked at; relaxed: who
	 * reads it only decides to look. */
	int kicked;
	unsigned int napi_id; /* the instance to busy poll: who was heard of last; relaxed, as is the rest */
	uint32_t busy_poll_usecs;
	uint16_t busy_poll_budget;
	uint8_t prefer_busy_poll;
};

/* A context of which an event poll has endpoints. Its address is the data of the context's descriptor in the
 * epoll set, which tells it from the application's own. */
struct ep_context {
	struct unapi_context *ctx;
	struct eventpoll *ep;
	struct list_head link; /* in ep->contexts */
	struct list_head all;  /* in ep_all_contexts */
	int endpoints;
	int users;     /* threads about to run it, running it, or minding it */
	bool adopted;  /* its descriptor is in the set */
	bool unwanted; /* no endpoints are left: its users are waited for; also read without the lock */
	bool free_after_run;
};

/* A pollable's membership. */
struct ep_item {
	struct eventpoll *ep;
	struct pollable *p;
	struct ep_context *ec; /* NULL once the pollable has no instance any more */
	struct list_head in_ep, in_pollable;
};

/*
 * Guards the table of descriptors, memberships and adoptions. Taken for each wait's look-up and each wake, so
 * held for a few instructions; system calls under it are epoll_ctl(2), an eventfd's write, a timerfd's
 * setting, and the copying of options, which sleep for a page of the caller's memory at most. Nothing but the
 * control lock is taken under it.
 */
extern pthread_mutex_t ep_lock;

/* fd_table.c; under ep_lock */
enum fd_kind { FD_NONE, FD_EVENTPOLL, FD_POLLABLE };
int fd_table_set(int fd, enum fd_kind kind, void *obj); /* -ENOMEM */
void *fd_table_get(int fd, enum fd_kind kind);
void fd_table_clear(int fd);

/* The event poll behind a descriptor, which stays until ep_put(); NULL none. */
struct eventpoll *ep_get(int epfd);
void ep_put(struct eventpoll *ep);
/* The same, if its descriptor was not closed by close(2), which may have given the number to another. A
 * system call more, so not for waits: those find a closed one, too, and to wait for another is no harm. */
struct eventpoll *ep_get_open(int epfd);

/* ep_ctl.c; under ep_lock */
bool ep_is_open(const struct eventpoll *ep);
/* It is not: forget it, with all that it has. May drop the lock for a while. */
void ep_lose(struct eventpoll *ep);
/* A new descriptor has this number: whatever event poll had it is closed. */
void ep_lose_number(int fd);
void ep_forget_item(struct ep_item *it); /* may drop the lock for a while */
/* The instance that the pollable heard of last is the one to busy poll (ep_set_busy_poll_napi_id()). */
void ep_heard_of(struct eventpoll *ep, const struct pollable *p);

/* pollable.c; under ep_lock */
/* Another has to run the context from now on, or none: those who wait for it are to look again. */
void pollables_look_again(const struct unapi_context *c);

/* ep_params.c */
bool ep_busy_poll_on(const struct eventpoll *ep);
/* Has polling since @start taken its time? */
bool ep_busy_poll_over(const struct eventpoll *ep, unsigned long start);

/* ep_adopt.c; under ep_lock */
/* -ENOMEM; -ENOSPC and what else epoll_ctl(2) may say */
int ep_context_get(struct eventpoll *ep, struct unapi_context *c, struct ep_context **out);
/* Drops the lock while it waits for another thread that runs the context. */
void ep_context_put(struct ep_context *ec);

/*
 * ep_adopt.c, without the lock. Take the contexts' descriptors out of @events, which epoll has filled in, and
 * run those contexts; with @all every one that was adopted. Returns the events that are left. *@ran: that
 * delivered packets. If none is left, -EDEADLK on a thread that is inside a context that it would run.
 */
int ep_run_contexts(struct eventpoll *ep, struct epoll_event *events, int n, bool all, bool *ran);
/*
 * For a busy loop over the instance with this id, and what follows: its context, if @ep has adopted it, need
 * not be woken for the timers that this thread starts, until ep_unmind(), which comes before the thread
 * sleeps or returns. One at a time.
 */
void ep_mind(struct eventpoll *ep, unsigned int napi_id);
void ep_unmind(void);
/* Does somebody wait for that? */
bool ep_minds_too_long(void);
/* What is there, without taking it. EP_CONTEXTS: contexts have something to do; beside them there may be
 * events. */
enum ep_ready { EP_NOTHING, EP_EVENTS, EP_CONTEXTS };
enum ep_ready ep_ready(struct eventpoll *ep);
/* When the earliest timer of the contexts expires, in ns from now, at most @timeout_ns (-1: for ever). */
int64_t ep_timers_wait(struct eventpoll *ep, int64_t timeout_ns);

#endif
