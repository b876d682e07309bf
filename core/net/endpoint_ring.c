/* SPDX-License-Identifier: BSD-3-Clause */
/* An endpoint's ring, and the handshake of who fills it with who empties it. */
#include "core/net/endpoint.h"

#include <errno.h>
#include <unistd.h>

bool endpoint_must_wake(struct unapi_endpoint *e)
{
	uint32_t asleep = ENDPOINT_ASLEEP;

	return __atomic_load_n(&e->reader, __ATOMIC_SEQ_CST) == ENDPOINT_ASLEEP &&
	       __atomic_compare_exchange_n(&e->reader, &asleep, ENDPOINT_SIGNALLED, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

void endpoint_signal(struct unapi_endpoint *e)
{
	if (endpoint_must_wake(e))
		pollable_wake(&e->pollable);
}

/* As many of the @n records from @first on as are whole packets. */
static uint32_t whole(const struct unapi_pkt *pkts, uint32_t mask, uint32_t first, uint32_t n)
{
	while (n && pkts[(first + n - 1) & mask].flags & UNAPI_PKT_MORE)
		n--;
	return n;
}

uint32_t endpoint_put(struct unapi_endpoint *e, const struct unapi_pkt *pkts,
		      const struct unapi_rx_meta *meta, uint32_t n)
{
	uint32_t size = e->mask + 1, tail = e->tail, i;

	if (n > size - (tail - e->head_seen)) {
		/* acquire: the reader has copied what it took */
		e->head_seen = __atomic_load_n(&e->head, __ATOMIC_ACQUIRE);
		if (n > size - (tail - e->head_seen))
			n = whole(pkts, UINT32_MAX, 0, size - (tail - e->head_seen));
	}
	for (i = 0; i < n; i++)
		e->ring[(tail + i) & e->mask] = pkts[i];
	for (i = 0; e->meta && i < n; i++)
		e->meta[(tail + i) & e->mask] = meta[i];
	if (n) {
		__atomic_store_n(&e->tail, tail + n, __ATOMIC_SEQ_CST);
		endpoint_signal(e);
	}
	return n;
}

int endpoint_take(struct unapi_endpoint *e, struct unapi_pkt *pkts, struct unapi_rx_meta *meta,
		  uint32_t asked)
{
	uint32_t head = e->head, i;
	/* acquire: the records */
	uint32_t there = __atomic_load_n(&e->tail, __ATOMIC_ACQUIRE) - head;

	if (there > asked) {
		there = whole(e->ring, e->mask, head, asked);
		if (!there && asked)
			return -EMSGSIZE;
	}
	for (i = 0; i < there; i++)
		pkts[i] = e->ring[(head + i) & e->mask];
	for (i = 0; meta && i < there; i++)
		meta[i] = e->meta[(head + i) & e->mask];
	/* release: they are copied */
	if (there)
		__atomic_store_n(&e->head, head + there, __ATOMIC_RELEASE);
	/* Less than was asked for: the reader waits for the descriptor now, perhaps for an edge. */
	if (there < asked)
		endpoint_settle(e);
	return (int)there;
}

bool endpoint_awake(struct unapi_endpoint *e)
{
	uint32_t asleep = ENDPOINT_ASLEEP;

	/* Relaxed: it only spares the filler a write, and endpoint_settle() follows. */
	return __atomic_compare_exchange_n(&e->reader, &asleep, ENDPOINT_AWAKE, false, __ATOMIC_RELAXED,
					   __ATOMIC_RELAXED);
}

void endpoint_settle(struct unapi_endpoint *e)
{
	uint64_t count;

	switch (__atomic_load_n(&e->reader, __ATOMIC_RELAXED)) {
	case ENDPOINT_ASLEEP:
		return;
	case ENDPOINT_SIGNALLED:
		/* Whoever said so may not have written yet. Then it stays: it will be readable once more. */
		if (read(e->pollable.fd, &count, sizeof(count)) < 0)
			return;
	}
	__atomic_store_n(&e->reader, ENDPOINT_ASLEEP, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&e->tail, __ATOMIC_SEQ_CST) != e->head)
		endpoint_signal(e);
}
