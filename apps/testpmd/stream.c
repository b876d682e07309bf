/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <unapi/page_pool.h>

#include "stream.h"

unsigned int stream_map_max(const struct stream_end *ends, unsigned int n)
{
	unsigned int max = 0;

	for (unsigned int i = 0; i < n; i++)
		max += ends[i].rxq > ends[i].txq ? ends[i].rxq : ends[i].txq;
	return max;
}

/* Where packets received on port i of n leave. */
static unsigned int peer_of(unsigned int i, unsigned int n)
{
	return (i ^ 1) < n ? (i ^ 1) : i;
}

int stream_map(const struct fwd_engine *engine, const struct stream_end *ends, unsigned int n,
	       struct stream_path *paths, char *why, size_t size)
{
	int count = 0;

	for (unsigned int i = 0; i < n; i++) {
		const struct stream_end *to = &ends[peer_of(i, n)];
		unsigned int streams = engine->send ? ends[i].txq : ends[i].rxq;

		if (engine->sends && to->txq < streams) {
			snprintf(why, size,
				 "port %u has %u transmit queue%s, and the %u receive queues of port %u need "
				 "one each: use --txq %u",
				 to->port, to->txq, to->txq == 1 ? "" : "s", streams, ends[i].port, streams);
			return -EINVAL;
		}
		for (unsigned int q = 0; q < streams; q++) {
			struct stream_path *path = &paths[count++];

			path->rx_port = path->rx_queue = path->tx_port = path->tx_queue = STREAM_NONE;
			if (!engine->send) {
				path->rx_port = ends[i].port;
				path->rx_queue = q;
			}
			if (engine->sends || engine->send) {
				path->tx_port = engine->send ? ends[i].port : to->port;
				path->tx_queue = q;
			}
		}
	}
	return count;
}

unsigned int stream_cut(const struct unapi_pkt *pkts, unsigned int n, unsigned int burst)
{
	if (burst >= n)
		return n;
	while (burst < n && (pkts[burst - 1].flags & UNAPI_PKT_MORE))
		burst++;
	return burst;
}

unsigned int stream_packets(const struct unapi_pkt *pkts, unsigned int n)
{
	unsigned int packets = 0;

	for (unsigned int i = 0; i < n; i++)
		packets += !(pkts[i].flags & UNAPI_PKT_MORE);
	return packets;
}

void stream_drop(struct stream *s, struct unapi_pkt *pkts, unsigned int n)
{
	/* One writer; the store is whole for whoever prints it meanwhile. */
	__atomic_store_n(&s->dropped, s->dropped + stream_packets(pkts, n), __ATOMIC_RELAXED);
	unapi_pkt_free_bulk(pkts, n);
}

void stream_unsent(struct stream *s, struct unapi_pkt *pkts, unsigned int n)
{
	while (n && pkts->flags & UNAPI_PKT_GRO) {
		unsigned int k = unapi_pkt_gro_segs(pkts);

		stream_drop(s, pkts, k);
		pkts += k;
		n -= k;
		k = n ? unapi_tx_burst(s->txq, pkts, n) : 0;
		pkts += k;
		n -= k;
	}
	if (n)
		stream_drop(s, pkts, n);
}
