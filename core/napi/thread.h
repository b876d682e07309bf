/* SPDX-License-Identifier: BSD-3-Clause */
/* What the scheduler knows about the calling thread. Its address identifies the thread in lock words. */
#ifndef UNAPI_CORE_NAPI_THREAD_H
#define UNAPI_CORE_NAPI_THREAD_H

#include <unapi/napi.h>

/* What the poll method has done about completion in this poll. */
enum {
	POLL_GOES_ON,	     /* nothing */
	POLL_COMPLETED_BUSY, /* completed, which changes nothing while it is busy polled */
	POLL_COMPLETED,	     /* completed: it may belong to somebody else, or be queued again */
};

struct napi_thread {
	struct napi_struct *polling; /* inside the poll method of this instance, or its software GRO */
	uint8_t completion;	     /* one of the above */
	int budget;		     /* of this poll, unless an application makes it (caller.c) */
	unsigned int busy_id;	     /* inside napi_busy_loop() over the instance with this id; 0 none */
	uint8_t cause;		     /* enum unapi_poll_cause that a napi_schedule() is charged to */
	uint64_t tsc;		     /* up to here this thread's polls have been charged */
	int tid;		     /* -1: not asked for yet */
	/* A context, NULL none, that need not be woken for timers that this thread starts: it calls
	 * context_attend() before it sleeps, or has other things to do. */
	const struct unapi_context *minds;
};

extern __thread struct napi_thread napi_thread_local
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

#ifdef __SANITIZE_ADDRESS__
/* Where the sanitizer tests the address for NULL, gcc takes the flags of the addition that makes it, which
 * GNU ld may turn into one that sets none. So it must not know how the address was made. */
static inline struct napi_thread *napi_thread_self(void)
{
	struct napi_thread *t = &napi_thread_local;

	__asm__("" : "+r"(t));
	return t;
}
#define napi_this_thread (*napi_thread_self())
#else
#define napi_this_thread napi_thread_local
#endif

#endif
