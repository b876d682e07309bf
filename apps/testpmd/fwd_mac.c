/* SPDX-License-Identifier: BSD-3-Clause */
/* mac: packets leave with the sending port's address as source and a peer's, 02:00:00:00:00:PORT, as target.
 */
#include <string.h>

#include "ether.h"
#include "stream.h"

static void mac_rx(struct stream *s, struct unapi_pkt *pkts, unsigned int n)
{
	uint8_t addresses[12]; /* in one piece: two stores a packet */
	bool begins = true;

	memcpy(addresses, s->dst, 6);
	memcpy(addresses + 6, s->src, 6);
	for (unsigned int i = 0; i < n; i++) {
		if (begins && pkts[i].len >= sizeof(struct ether_head))
			memcpy(unapi_pkt_data(&pkts[i]), addresses, sizeof(addresses));
		begins = !(pkts[i].flags & UNAPI_PKT_MORE);
	}
	stream_send(s, pkts, n);
}

const struct fwd_engine fwd_mac = {.name = "mac", .rx = mac_rx, .sends = true};
