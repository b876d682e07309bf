/* SPDX-License-Identifier: BSD-3-Clause */
/* Event polls, and descriptors with an instance behind them: what the scheduler's parts and core/net share.
 * The applications' half is unapi/eventpoll.h. */
#ifndef UNAPI_CORE_EVENTPOLL_H
#define UNAPI_CORE_EVENTPOLL_H

#include "core/base/list.h"
#include "core/napi/napi.h"
#include <unapi/eventpoll.h>

/* The kernel's BUSY_POLL_BUDGET (include/net/busy_poll.h). */
#define BUSY_POLL_BUDGET 8
/* Ids from here on are instances': one above the NR_CPUS of Debian's amd64 kernels, whose lower ids are CPU
 * numbers. */
#define NAPI_ID_MIN	 8193U

/*
 * A descriptor that becomes readable by an instance's doing: an endpoint. Whoever has it sets @fd and @napi
 * before it is added; the rest is the library's.
 */
struct pollable {
	int fd;			  /* an eventfd */
	struct napi_struct *napi; /* whose home contexts event polls adopt; guarded by ep_lock */
	/* May its descriptor be written although nothing has come, so that who waits looks again? For those
	 * who call pollable_wait(). */
	bool (*may_wake)(struct pollable *p);
	unsigned int napi_id;	/* of the instance whose packets came last, 0 none yet; relaxed */
	struct list_head items; /* memberships in event polls; guarded by ep_lock */
	int nr_items;		/* their number, to be looked at without the lock */
};

/* -ENOMEM. From then on the pollable is found by its descriptor. */
int pollable_add(struct pollable *p);
/* Take it out of every event poll. No wake runs, or comes any more. It does not close @fd. */
void pollable_del(struct pollable *p);
/* Its instance is about to go: neither event polls nor who waits for it run the instance's home on its
 * account any more when this returned. */
void pollable_orphan(struct pollable *p);
/* Make it readable, and tell event polls who did it. From a poll method, too. */
void pollable_wake(struct pollable *p);
/* Sleep until it is readable, or its instance's home context has something to do, and run that, unless a
 * thread of the library's does. 0, also if it is readable no more, or its instance goes or has gone; -EINTR,
 * -EDEADLK. */
int pollable_wait(struct pollable *p);
/* The pollable with this descriptor, NULL none; it stays until pollable_unlock(). */
struct pollable *pollable_lock(int fd);
void pollable_unlock(void);

/* Whether a thread of the library's runs @c has changed. */
void eventpoll_context_changed(struct unapi_context *c);

/* user_mem.c: to and from memory that an application named. -EFAULT, no signal. */
int user_read(void *to, const void *from, size_t len);
int user_write(void *to, const void *from, size_t len);
/* Has the calling thread CAP_NET_ADMIN in effect? */
bool user_net_admin(void);

#endif
