/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Forwarding threads. Each owns one softnet context, which it runs itself, polls those of its instances
 * that are in busy mode, and waits for those in modes prefer-busy and suspend as an event loop does.
 *
 * What a thread works on is an immutable set, replaced as a whole: lcore_give() returns once the thread has
 * let the old one go, so whatever the old set names may then be freed or changed.
 */
#ifndef TESTPMD_LCORE_H
#define TESTPMD_LCORE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <unapi/context.h>
#include <unapi/napi.h>

struct stream;

/* A thread that polls by itself runs its context (link, removal, timers) at least this often. */
#define LCORE_CONTEXT_INTERVAL_NS 10000000

struct lcore_napi {
	struct napi_struct *napi;
	bool owned; /* between poll_begin and the poll that lost it; the thread's */
	bool quiet; /* its last wait found nothing: until the context's run delivers packets; the thread's */
};

struct lcore_set {
	bool paused;		 /* poll nothing, run nothing, until the next set */
	bool hold;		 /* polls take no packets */
	struct stream **senders; /* streams that send by themselves */
	unsigned int nr_senders, nr_napis;
	struct lcore_napi napis[];
};

struct lcore {
	unsigned int core;
	bool pinned;
	char name[16];
	struct unapi_context *ctx;
	pthread_t thread;

	struct lcore_set *set; /* the thread's */
	/* TSC cycles of polls that brought packets, and these packets, while they are recorded; the thread's,
	 * relaxed */
	uint64_t busy_cycles, busy_packets;
	bool failed; /* the context could not be run; told once */

	pthread_mutex_t lock;	   /* guards what follows; asked is also read without it */
	pthread_cond_t cond;	   /* a set was given, or taken */
	struct lcore_set *next;	   /* to be taken */
	unsigned int asked, taken; /* sets given, and taken by the thread */
	bool quit;
};

/** lcore_start() - make the context and the thread, with an empty set. 0 or -errno and unapi_reason() */
int lcore_start(struct lcore *lc, unsigned int core, bool pin);
/** lcore_give() - work on @set from now on. Frees the set before it; @set (malloc) is the lcore's */
void lcore_give(struct lcore *lc, struct lcore_set *set);
/** lcore_kick() - look again at which instances want to be polled */
void lcore_kick(struct lcore *lc);
/** lcore_record() - record what polls in mode busy cost, on all lcores, or stop it. Any thread */
void lcore_record(bool on);
bool lcore_records(void);
/** lcore_cpu_ns() - CPU time the thread has taken */
uint64_t lcore_cpu_ns(const struct lcore *lc);
/** lcore_stop() - end the thread and the context. No instance has it as its home any more */
void lcore_stop(struct lcore *lc);

#endif
