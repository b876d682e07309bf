/* SPDX-License-Identifier: BSD-3-Clause */
/* rxonly: packets are counted by the queue and freed. */
#include <unapi/page_pool.h>

#include "fwd.h"

static void rxonly_rx(struct stream *s, struct unapi_pkt *pkts, unsigned int n)
{
	unapi_pkt_free_bulk(pkts, n);
}

const struct fwd_engine fwd_rxonly = {.name = "rxonly", .rx = rxonly_rx};
