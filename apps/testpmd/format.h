/* SPDX-License-Identifier: BSD-3-Clause */
/* How counters are printed: the formats of DPDK's testpmd (app/test-pmd/config.c and testpmd.c there), since
 * people script them. Nothing here reads a device. */
#ifndef TESTPMD_FORMAT_H
#define TESTPMD_FORMAT_H

#include <stdio.h>
#include <unapi/netdev.h>

#include "stream.h"

struct rates {
	uint64_t rx_pps, rx_bps, tx_pps, tx_bps;
};

struct forward_counts {
	uint64_t rx_packets, rx_dropped, rx_errors, rx_nombuf, tx_packets, tx_dropped;
};

/** rates_between() - what happened from @before to @now, @ns later, a second */
void rates_between(struct rates *r, const struct unapi_dev_stats *before, const struct unapi_dev_stats *now,
		   uint64_t ns);

void format_nic_stats(FILE *out, unsigned int port, const struct unapi_dev_stats *st, const struct rates *r);
void format_stream(FILE *out, const struct stream_path *path, uint64_t rx, uint64_t tx, uint64_t dropped);
void format_forward_port(FILE *out, unsigned int port, const struct forward_counts *c);
void format_forward_all(FILE *out, const struct forward_counts *c);
void format_cycles(FILE *out, uint64_t cycles, uint64_t packets);
void format_path(FILE *out, const struct stream *s);

/** format_mac() - "02:00:00:00:00:01" in @text (18 bytes), which it returns */
const char *format_mac(const uint8_t mac[6], char *text);

#endif
