/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of a receive endpoint. */
#ifndef UNAPI_CORE_ENDPOINT_H
#define UNAPI_CORE_ENDPOINT_H

#include "core/napi/eventpoll.h"
#include "core/net/netdev.h"
#include <unapi/endpoint.h>

/*
 * What the reader needs of whoever fills the queue. The descriptor is readable, or about to be, exactly while
 * this is SIGNALLED.
 *
 * Filler: publish the records, then look whether the reader may be asleep; reader: say so, then look whether
 * records were published. All four are sequentially consistent, so at least one sees the other (as in
 * core/napi/inbox.h). The reader says so only when it has found the queue empty, so while records are left
 * the descriptor stays readable and nobody writes it again.
 */
enum endpoint_reader {
	ENDPOINT_ASLEEP,    /* it found nothing: the descriptor must be written */
	ENDPOINT_SIGNALLED, /* somebody has done so, or is about to */
	ENDPOINT_AWAKE,	    /* it is inside recv and will look again */
};

struct unapi_endpoint {
	/* the filler's: whoever polls the queue's instance */
	uint32_t tail;	      /* records ever put in */
	uint32_t head_seen;   /* @head when it was looked at last */
	struct rx_queue *rxq; /* NULL once it is gone; changed while nobody polls */

	/* the reader's */
	uint32_t head __cacheline_aligned; /* records ever taken out */
	uint32_t reader;		   /* enum endpoint_reader, __atomic only */

	/* set once, or slow */
	uint32_t mask __cacheline_aligned; /* size - 1 */
	struct unapi_pkt *ring;
	struct unapi_rx_meta *meta; /* as many, NULL where the device fills none */
	struct pollable pollable;
	/* options; relaxed */
	uint32_t busy_poll; /* SO_BUSY_POLL */
	uint16_t budget;    /* SO_BUSY_POLL_BUDGET, 0: BUSY_POLL_BUDGET */
	uint8_t prefer;	    /* SO_PREFER_BUSY_POLL */
};

/*
 * endpoint_ring.c. The filler's: publish the records that there is room for, whole packets, and see that the
 * reader learns of them. Their number.
 */
uint32_t endpoint_put(struct unapi_endpoint *e, const struct unapi_pkt *pkts,
		      const struct unapi_rx_meta *meta, uint32_t n);
/* The reader's: up to @asked records, whole packets, and into @meta, if that is not NULL, what the endpoint
 * has of them. If they are fewer the descriptor tells of more. -EMSGSIZE: the first packet has more. */
int endpoint_take(struct unapi_endpoint *e, struct unapi_pkt *pkts, struct unapi_rx_meta *meta,
		  uint32_t asked);
/* Say that it need not be told, as it will look again; then it takes, and settles. False: it has been told.
 */
bool endpoint_awake(struct unapi_endpoint *e);
/* The reader may sleep: the descriptor is to tell of what comes, and of what is left. */
void endpoint_settle(struct unapi_endpoint *e);
/* Nobody has made the descriptor readable: the caller has to. */
bool endpoint_must_wake(struct unapi_endpoint *e);
/* Make the descriptor readable, if nobody else has. */
void endpoint_signal(struct unapi_endpoint *e);

/* Its queue is about to go. */
void endpoint_orphan(struct unapi_endpoint *e);

#endif
