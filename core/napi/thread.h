/* SPDX-License-Identifier: BSD-3-Clause */
/* What the scheduler knows about the calling thread. Its address identifies the thread in lock words. */
#ifndef UNAPI_CORE_NAPI_THREAD_H
#define UNAPI_CORE_NAPI_THREAD_H

#include <unapi/napi.h>

struct napi_thread {
	struct napi_struct *polling; /* inside the poll method of this instance */
	bool completed;		     /* which has called napi_complete_done() in this poll */
	struct napi_struct *busy;    /* inside napi_busy_loop(), holding this instance; see busy_loop.c */
	bool in_busy_loop;
	uint8_t cause; /* enum unapi_poll_cause that a napi_schedule() is charged to */
	uint64_t tsc;  /* up to here this thread's polls have been charged */
};

extern __thread struct napi_thread napi_this_thread
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

#endif
