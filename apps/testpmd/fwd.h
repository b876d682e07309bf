/* SPDX-License-Identifier: BSD-3-Clause */
/* Forwarding engines: what is done with a packet. One file each, one table of them all. */
#ifndef TESTPMD_FWD_H
#define TESTPMD_FWD_H

#include <stdbool.h>
#include <stddef.h>
#include <unapi/packet.h>

struct stream;

struct fwd_engine {
	const char *name;
	/* Packets have come on the stream's receive queue: @n records, whole packets, the engine's from here.
	 */
	void (*rx)(struct stream *s, struct unapi_pkt *pkts, unsigned int n);
	bool sends; /* what comes in may go out: a stream needs a transmit queue of its own */
	/* An engine that sends by itself: its streams begin at a transmit queue instead of a receive queue.
	 */
	int (*begin)(struct stream *s);		/* from the main thread; -errno and unapi_reason() */
	unsigned int (*send)(struct stream *s); /* from the lcore, again and again; records sent */
	void (*end)(struct stream *s);		/* from the main thread, once nobody calls send */
	void (*cleanup)(void);			/* when all ports are closed */
};

extern const struct fwd_engine fwd_io, fwd_mac, fwd_macswap, fwd_rxonly, fwd_txonly, fwd_icmpecho;

const struct fwd_engine *fwd_default(void);
/** fwd_find() - the engine of this name, or NULL */
const struct fwd_engine *fwd_find(const char *name);
/** fwd_names() - all names in @text, which it returns */
const char *fwd_names(char *text, size_t size, const char *separator);
/** fwd_cleanup() - free what engines kept; all ports are closed */
void fwd_cleanup(void);

#endif
