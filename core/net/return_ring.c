/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/net/return_ring.h"
#include "core/base/lines.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

ASSERT_APART(struct return_ring, tail, head);
ASSERT_APART(struct return_ring, head, next);

struct returner {
	struct return_ring *ring[UNAPI_MAX_POOLS];
	struct returner *next;	    /* in all_returners */
	struct returner *next_idle; /* in idle_returners */
};

/*
 * Guards the two lists. A returner that changes threads does so through idle_returners, so the lock also
 * orders the old thread's last push to a ring before the new thread's first.
 */
static pthread_mutex_t returner_lock = PTHREAD_MUTEX_INITIALIZER;
static struct returner *all_returners, *idle_returners;

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool have_key;

static __thread struct returner *self;
static __thread uint64_t thread_id;
static uint64_t last_thread_id;

struct return_ring *return_ring_alloc(uint32_t entries)
{
	uint32_t size = 64;
	struct return_ring *r;

	while (size < entries)
		size <<= 1;
	r = zalloc_lines(sizeof(*r) + (size_t)size * sizeof(r->slots[0]));
	if (!r)
		return NULL;
	r->mask = size - 1;
	return r;
}

void return_ring_push(struct return_ring *r, const uint32_t *bufs, unsigned int n)
{
	uint64_t tail = r->tail;

	while (n) {
		uint32_t at = (uint32_t)tail & r->mask;
		unsigned int k = r->mask + 1 - at;

		k = k < n ? k : n;
		memcpy(&r->slots[at], bufs, k * sizeof(*bufs));
		bufs += k;
		n -= k;
		tail += k;
	}
	__atomic_store_n(&r->tail, tail, __ATOMIC_SEQ_CST);
}

uint32_t return_ring_drain(struct return_ring *r, uint32_t *out, uint32_t room, uint64_t *dropped)
{
	uint64_t tail = __atomic_load_n(&r->tail, __ATOMIC_SEQ_CST);
	uint64_t head = r->head, avail = tail - head;
	uint32_t n, done = 0;

	n = avail < room ? (uint32_t)avail : room;
	while (done < n) {
		uint32_t at = (uint32_t)(head + done) & r->mask;
		uint32_t k = r->mask + 1 - at;

		k = k < n - done ? k : n - done;
		memcpy(out + done, &r->slots[at], k * sizeof(*out));
		done += k;
	}
	*dropped += avail - n;
	/* Read by statistics only: the producer never looks. */
	WRITE_ONCE(r->head, tail);
	return n;
}

/* A thread ends: keep its rings for the next thread that returns buffers. */
static void retire(void *arg)
{
	struct returner *r = arg;

	self = NULL; /* a later destructor of this thread that returns buffers takes a returner again */
	pthread_mutex_lock(&returner_lock);
	r->next_idle = idle_returners;
	idle_returners = r;
	pthread_mutex_unlock(&returner_lock);
}

static void make_key(void)
{
	have_key = pthread_key_create(&key, retire) == 0;
}

static struct returner *enlist(void)
{
	struct returner *r;

	pthread_once(&key_once, make_key);
	if (!have_key)
		return NULL;
	pthread_mutex_lock(&returner_lock);
	r = idle_returners;
	if (r) {
		idle_returners = r->next_idle;
	} else {
		r = calloc(1, sizeof(*r));
		if (r) {
			r->next = all_returners;
			all_returners = r;
		}
	}
	pthread_mutex_unlock(&returner_lock);
	if (r && pthread_setspecific(key, r)) {
		retire(r);
		return NULL;
	}
	self = r;
	return r;
}

struct return_ring **returner_ring(unsigned int id)
{
	struct returner *r = self;

	if (unlikely(!r)) {
		r = enlist();
		if (!r)
			return NULL;
	}
	return &r->ring[id];
}

void returners_forget(unsigned int id)
{
	struct returner *r;

	/*
	 * The threads read their pointers without the lock. They do so only to return a buffer of the pool:
	 * the last of those happened before the drain that found all buffers home, and the first to a new
	 * pool of this number comes after its creation.
	 */
	pthread_mutex_lock(&returner_lock);
	for (r = all_returners; r; r = r->next)
		r->ring[id] = NULL;
	pthread_mutex_unlock(&returner_lock);
}

uint64_t returner_thread_id(void)
{
	if (unlikely(!thread_id))
		thread_id = __atomic_add_fetch(&last_thread_id, 1, __ATOMIC_RELAXED);
	return thread_id;
}
