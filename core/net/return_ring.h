/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Return rings: how buffers come back to their pool's owner from another thread.
 *
 * One ring for each (pool, returner): a single producer and a single consumer. A returner is a thread, known
 * by a thread-local structure that is handed on when the thread ends. A ring has room for every buffer of the
 * pool, so it can never be full and its producer never looks at the consumer's index. Nor can the producer
 * overtake: to write a slot again it needs a buffer that it returned before, and the pool's owner gave that
 * out again only after it had read everything older from the ring.
 */
#ifndef UNAPI_CORE_RETURN_RING_H
#define UNAPI_CORE_RETURN_RING_H

#include "core/base/compiler.h"
#include <unapi/packet.h>

struct return_ring {
	/* producer; indices only ever grow, so @tail is also the number of buffers that came this way */
	__cacheline_aligned uint64_t tail;
	/* consumer */
	__cacheline_aligned uint64_t head;
	/* read only, but for @next, written once before the ring is linked */
	__cacheline_aligned struct return_ring *next;
	uint32_t mask;
	uint32_t slots[];
};

struct return_ring *return_ring_alloc(uint32_t entries);

/* Producer. The store of the tail publishes the batch and is sequentially consistent: what the caller loads
 * next is loaded after it (page_pool.c tells what for). */
void return_ring_push(struct return_ring *r, const uint32_t *bufs, unsigned int n);

/* Consumer: move everything to @out, which has @room. What does not fit was returned twice: it is dropped and
 * counted in @dropped. Returns how many were moved. */
uint32_t return_ring_drain(struct return_ring *r, uint32_t *out, uint32_t room, uint64_t *dropped);

/* Where the calling thread keeps its ring to pool @id, NULL inside before the first; NULL itself: no memory.
 */
struct return_ring **returner_ring(unsigned int id);

/* Pool @id is about to be freed, all its buffers are home: no thread has a ring to it any more. */
void returners_forget(unsigned int id);

/* A number of the calling thread that no other thread has or had; never 0. */
uint64_t returner_thread_id(void);

#endif
