/* SPDX-License-Identifier: BSD-3-Clause */
/* mac: packets leave with the sending port's address as source and a peer's, 02:00:00:00:00:PORT, as target.
 */
#include <string.h>

#include "ether.h"
#include "stream.h"

static void mac_rx(struct stream *s, struct unapi_pkt *pkts, unsigned int n)
{
	for (unsigned int i = 0; i < n; i = next_packet(pkts, i, n)) {
		struct ether_head *eth = unapi_pkt_data(&pkts[i]);

		if (pkts[i].len < sizeof(*eth))
			continue;
		memcpy(eth->dst, s->dst, sizeof(eth->dst));
		memcpy(eth->src, s->src, sizeof(eth->src));
	}
	stream_send(s, pkts, n);
}

const struct fwd_engine fwd_mac = {.name = "mac", .rx = mac_rx, .sends = true};
