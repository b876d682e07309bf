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
	struct pollable pollable;
	/* options; relaxed */
	uint32_t busy_poll; /* SO_BUSY_POLL */
	uint16_t budget;    /* SO_BUSY_POLL_BUDGET, 0: BUSY_POLL_BUDGET */
	uint8_t prefer;	    /* SO_PREFER_BUSY_POLL */
};

/* Its queue is about to go. */
void endpoint_orphan(struct unapi_endpoint *e);

#endif
