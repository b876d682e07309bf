/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A gate: keeps the control thread out of what a data path thread is using, at the data path's price of two
 * plain stores.
 *
 * A data path passes through with gate_enter() and gate_leave(). The control thread shuts the gate and waits
 * until nobody is inside. Both sides store first and load then (busy, open), which needs a full fence on each
 * side. The data path has none: gate_shut() makes every other thread of the process execute one, by
 * membarrier(2), between its own store and its load. So either the data path's load finds the gate shut, or
 * gate_shut() finds it busy and waits. Where the kernel has no membarrier the data path pays for a fence.
 */
#ifndef UNAPI_CORE_GATE_H
#define UNAPI_CORE_GATE_H

#include "core/base/compiler.h"

enum gate_state { GATE_SHUT, GATE_OPEN, GATE_OPEN_FENCED };

struct gate {
	uint8_t open; /* enum gate_state; written by the control thread */
	bool busy;    /* written by the one thread that passes through at a time */
	bool fenced;  /* no membarrier(2): the data path fences by itself */
};

/* The gate was not simply open. */
bool gate_enter_slowly(struct gate *g);

/* True: inside, until gate_leave(). False: it is shut. One thread at a time, not nested. */
static inline bool gate_enter(struct gate *g)
{
	WRITE_ONCE(g->busy, true);
	__atomic_signal_fence(__ATOMIC_SEQ_CST); /* the compiler keeps the order */
	/* acquire, which pairs with gate_open(), whose caller made what is inside */
	if (likely(__atomic_load_n(&g->open, __ATOMIC_ACQUIRE) == GATE_OPEN))
		return true;
	return gate_enter_slowly(g);
}

static inline void gate_leave(struct gate *g)
{
	/* release: the control thread's look at busy sees all that was done inside */
	__atomic_store_n(&g->busy, false, __ATOMIC_RELEASE);
}

/* Make a new gate, shut. */
void gate_init(struct gate *g);
void gate_open(struct gate *g);

/* Shut @n gates: no one is inside any of them when it returned 0. -ETIMEDOUT after @timeout_ns: somebody
 * still is; they are shut nevertheless. */
int gates_shut(struct gate *const *g, unsigned int n, uint64_t timeout_ns);

/* Wait until whoever is inside an open gate has left it: what the caller unlinked before is out of use then.
 */
void gate_wait(struct gate *g);

#endif
