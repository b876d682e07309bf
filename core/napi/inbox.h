/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How other threads reach a context: a lock-free inbox of instances, and the handshake that wakes a sleeper.
 *
 * Many push, one takes everything. An instance is in at most one inbox, because only its owner pushes it;
 * nobody takes a single element, so that the usual trouble of a compare-and-swap stack (an element that went
 * and came back) does not arise.
 *
 * The handshake. A pusher first publishes, then looks whether the context may be asleep; the context first
 * says that it may sleep, then looks whether something was published. All four are sequentially consistent,
 * so they have one order, and in any order at least one of the two sees the other: no request is left to a
 * sleeper. (With weaker orders each could read before its own write was seen, and both would miss.)
 * "Something" is this inbox and whatever else is published with a sequentially consistent store before
 * inbox_must_wake().
 */
#ifndef UNAPI_CORE_NAPI_INBOX_H
#define UNAPI_CORE_NAPI_INBOX_H

#include "core/base/compiler.h"
#include <unapi/napi.h>

enum {
	INBOX_AWAKE,	 /* the context runs and will look before it sleeps */
	INBOX_ASLEEP,	 /* it sleeps, or nobody is inside its run: its wake-up descriptor must be written */
	INBOX_SIGNALLED, /* the same, and somebody has written it */
};

struct napi_inbox {
	struct napi_struct *head;
	int sleep;
};

/* After publishing: must the caller write the wake-up descriptor? Of several at once, one must. */
static inline bool inbox_must_wake(struct napi_inbox *box)
{
	int asleep = INBOX_ASLEEP;

	if (__atomic_load_n(&box->sleep, __ATOMIC_SEQ_CST) != INBOX_ASLEEP)
		return false;
	/* Who loses finds SIGNALLED, written after its request was published, or AWAKE: as good as seeing it
	 * before. */
	return __atomic_compare_exchange_n(&box->sleep, &asleep, INBOX_SIGNALLED, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

/* By the owner of @n. True: write the wake-up descriptor. */
static inline bool inbox_push(struct napi_inbox *box, struct napi_struct *n)
{
	struct napi_struct *head = __atomic_load_n(&box->head, __ATOMIC_RELAXED);

	do {
		n->inbox_next = head;
	} while (
		!__atomic_compare_exchange_n(&box->head, &head, n, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	return inbox_must_wake(box);
}

static inline bool inbox_empty(const struct napi_inbox *box)
{
	return !__atomic_load_n(&box->head, __ATOMIC_RELAXED);
}

/* By the context: everything that was pushed, oldest first, linked by inbox_next. */
static inline struct napi_struct *inbox_take(struct napi_inbox *box)
{
	struct napi_struct *n, *next, *fifo = NULL;

	/* acquire: see what the pushers, as owners, did to their instances */
	for (n = __atomic_exchange_n(&box->head, NULL, __ATOMIC_ACQUIRE); n; n = next) {
		next = n->inbox_next;
		n->inbox_next = fifo;
		fifo = n;
	}
	return fifo;
}

/* By the context: "I may sleep now". It must then look at everything published, and sleep only if that is
 * nothing. Returns whether the inbox is empty. */
static inline bool inbox_may_sleep(struct napi_inbox *box)
{
	__atomic_store_n(&box->sleep, INBOX_ASLEEP, __ATOMIC_SEQ_CST);
	return !__atomic_load_n(&box->head, __ATOMIC_SEQ_CST);
}

/* Needs no order: a pusher that still reads ASLEEP or SIGNALLED wakes once too often, or relies on the look
 * that follows every sleep and precedes the next. */
static inline void inbox_awake(struct napi_inbox *box)
{
	__atomic_store_n(&box->sleep, INBOX_AWAKE, __ATOMIC_RELAXED);
}

#endif
