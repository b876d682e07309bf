/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Streams: which transmit queue a receive queue's packets leave by, and the state an engine keeps for it.
 *
 * A stream is served by one thread only, the one that polls its receive queue (or sends, for an engine that
 * sends by itself). Its transmit queue is its own, so that no two threads ever produce on one.
 */
#ifndef TESTPMD_STREAM_H
#define TESTPMD_STREAM_H

#include <stdint.h>
#include <unapi/netdev.h>
#include <unapi/packet.h>

#include "fwd.h"

#define STREAM_NONE (~0u)

/* A stream's two ends. An end that the engine has no use for is STREAM_NONE. */
struct stream_path {
	unsigned int rx_port, rx_queue, tx_port, tx_queue;
};

/* What counters stood at when forwarding started, or statistics were cleared. */
struct stream_base {
	uint64_t rx_packets, tx_packets, dropped;
};

struct stream {
	const struct fwd_engine *engine;
	struct unapi_txq *txq;
	unsigned int burst; /* most records an engine gets at a time; set by the main thread at any time */
	uint8_t src[6], dst[6];
	uint64_t dropped; /* packets that found the transmit ring full; written by the serving thread */

	/* the main thread's */
	struct stream_path path;
	struct stream_base base;
	unsigned int lcore; /* which one serves it */
	void *priv;	    /* the engine's */
};

/* A port that takes part. */
struct stream_end {
	unsigned int port, rxq, txq;
};

/**
 * stream_map() - the streams of @n ports: pairs forward to each other, a port left over to itself
 * @paths: room for stream_map_max() of them
 *
 * Returns how many, or -EINVAL with the reason in @why when a port has too few transmit queues.
 */
int stream_map(const struct fwd_engine *engine, const struct stream_end *ends, unsigned int n,
	       struct stream_path *paths, char *why, size_t size);
unsigned int stream_map_max(const struct stream_end *ends, unsigned int n);

/** stream_cut() - how many of @n records to handle at a time: about @burst, whole packets, at least one */
unsigned int stream_cut(const struct unapi_pkt *pkts, unsigned int n, unsigned int burst);

/** stream_packets() - packets in @n records */
unsigned int stream_packets(const struct unapi_pkt *pkts, unsigned int n);

/** stream_drop() - the transmit ring is full: free these and count them */
void stream_drop(struct stream *s, struct unapi_pkt *pkts, unsigned int n);

/** stream_unsent() - free and count what a burst did not take; behind a super-packet, which is never taken,
 * try the others */
void stream_unsent(struct stream *s, struct unapi_pkt *pkts, unsigned int n);

/** stream_send() - send what can be sent now, drop the rest */
static inline void stream_send(struct stream *s, struct unapi_pkt *pkts, unsigned int n)
{
	unsigned int sent = unapi_tx_burst(s->txq, pkts, n);

	if (__builtin_expect(sent < n, 0))
		stream_unsent(s, pkts + sent, n - sent);
}

#endif
