/* SPDX-License-Identifier: BSD-3-Clause */
/* macswap: packets leave with source and target address exchanged. */
#include "ether.h"
#include "stream.h"

static void macswap_rx(struct stream *s, struct unapi_pkt *pkts, unsigned int n)
{
	for (unsigned int i = 0; i < n; i = next_packet(pkts, i, n)) {
		struct ether_head *eth = unapi_pkt_data(&pkts[i]);

		if (pkts[i].len >= sizeof(*eth))
			ether_swap(eth);
	}
	stream_send(s, pkts, n);
}

const struct fwd_engine fwd_macswap = {.name = "macswap", .rx = macswap_rx, .sends = true};
